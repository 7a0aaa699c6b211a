"""Reports of sets: rates of many pieces and Bach's, as text that fits and as CSV in full."""

import csv
import io
import math

import numpy as np
import pytest

from coconet.corpus import load_corpus
from coconet.metrics import METRICS, NAMES, Row, bach_rows, battery
from coconet.set_reports import set_csv, set_text
from coconet.tables import LINE


@pytest.fixture(scope="module")
def bach():
    return bach_rows(rng=np.random.default_rng(1), resamples=50)


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(2)
    pieces = rng.integers(45, 75, (3, 4, 64))
    return battery(pieces, name="a name that is much too long, 12", rng=rng, resamples=50)


def test_every_number_of_the_csv_is_that_of_the_row(bach, noise):
    rows = [noise, *bach]
    for row, told in zip(rows, csv.DictReader(io.StringIO(set_csv(rows))), strict=True):
        assert told["name"] == row.name and int(told["pieces"]) == row.pieces
        for place, name in enumerate(NAMES):
            counted, among = row.counts.sum(0)[place]
            assert (int(told[f"{name} counted"]), int(told[f"{name} among"])) == (counted, among)
            for key, value in ((name, row.value(name)), (f"{name} error", row.error(name))):
                found = float(told[key]) if told[key] else math.nan
                assert found == pytest.approx(value, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("width", [60, LINE, 250])
def test_text_is_as_wide_as_the_terminal(bach, noise, width):
    lines = set_text([noise], bach, width=width).splitlines()
    assert max(map(len, lines)) <= width
    blocks = sum(line.startswith("Bach, train") for line in lines)
    assert sum(line.startswith("a name t…") for line in lines) == blocks
    heads = [line for line in lines if line.lstrip().startswith("pieces ")]
    assert len(heads) == blocks and all(f" {name} " in " ".join(heads) + " " for name in NAMES)


def test_only_the_set_is_starred_where_it_is_not_bachs(bach, noise):
    lines = set_text([noise, noise], bach).splitlines()
    rows = [line for line in lines if line.startswith("a name")]
    assert all("*" in line for line in rows[::2]) and not any("*" in line for line in rows[1::2])
    assert not any("*" in line for line in lines if line.startswith("Bach"))
    assert "*" not in set_text([], bach)


def test_shares_lose_their_zero_and_what_was_not_counted_is_a_dash(bach):
    counts = np.zeros((1, len(METRICS), 2), int)
    values = np.array([0.25 if metric.scale == 1 else 2.5 for metric in METRICS])
    values[0] = np.nan
    row = Row("one", counts, values, np.full(len(METRICS), np.nan))
    cells = [cell.rstrip("*") for line in set_text([row], bach).splitlines()
             if line.startswith("one") for cell in line.split()[2:]]  # fmt: skip
    wanted = [".250" if metric.scale == 1 else "2.50" for metric in METRICS]
    assert cells == ["–", *wanted[1:]]


def test_units_are_told(bach):
    told = set_text([], bach)
    assert "shares of 1; onsets a step, fifths and octaves per 1000" in told


def test_real_chorales_are_as_bach(bach):
    row = battery(load_corpus("valid"), name="his", rng=np.random.default_rng(1), resamples=50)
    assert not any("*" in line for line in set_text([row], bach).splitlines() if line[:3] == "his")
