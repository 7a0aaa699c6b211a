"""Candidates: their figures are the metrics' and the nearest passages', as table and as CSV."""

import csv
import io

import numpy as np
import pytest

from coconet.candidates import ACROSS, candidates_csv, candidates_table, describe
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus, transpose
from coconet.errors import ChoraleError
from coconet.metrics import NAMES, battery
from coconet.passages import Beats, nearest_harmony, nearest_passage
from coconet.theory import parallels
from coconet.together import cross_metrics


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("valid")[:8]


@pytest.fixture(scope="module")
def pieces():
    return [crop(chorale, (0, 64)) for chorale in load_corpus("demo")]


def stacked(*chorales):
    return chorales[0].replace(
        grid=np.vstack([chorale.grid for chorale in chorales]),
        onsets=np.vstack([chorale.onsets for chorale in chorales]),
    )


def test_the_figures_are_those_of_each_version(pieces, corpus):
    found = describe(pieces, corpus, numbers=[3, 4, 7, 9])
    assert [candidate.number for candidate in found] == [3, 4, 7, 9]
    for candidate, piece in zip(found, pieces, strict=True):
        alone = battery([piece])
        assert np.array_equal(candidate.row.values, alone.values, equal_nan=True)
        assert (
            candidate.parallels == parallels(piece.grid, 7).sum() + parallels(piece.grid, 0).sum()
        )
        assert candidate.cells == (nearest_passage(piece, corpus), 1)
        assert candidate.harmony == (nearest_harmony(piece, corpus), 1)
        assert candidate.cross == {}
    assert found[1].key == "F major"


def test_of_a_stack_the_nearest_quartet_is_told(pieces, corpus):
    copy = transpose(crop(corpus[2], (0, 64)), 2)
    (found,) = describe([stacked(pieces[0], copy.replace(upbeat=pieces[0].upbeat))], corpus)
    near, quartet = found.harmony
    assert quartet == 2 and near.distance < 0.1
    assert set(ACROSS) <= set(found.cross)
    two = stacked(pieces[0], pieces[0])
    for voices in ((0, 1, 2, 3), (0, 1)):
        (found,) = describe([two], voices=voices)
        assert found.cross["dissonant"] == cross_metrics([two.grid], voices=voices)["dissonant"][0]


def test_a_short_version_is_compared_as_far_as_it_goes(pieces, corpus):
    (short,) = describe([crop(pieces[3], (0, 14))], corpus)
    assert short.cells[0].steps == short.harmony[0].steps == 12
    tiny = [Chorale(pieces[0].grid[:, :3]), Chorale(pieces[0].grid[:, :2], upbeat=3)]
    found = describe(tiny, corpus)
    assert all(one.cells is None and one.harmony is None for one in found)
    assert "–" in str(candidates_table([short, *found]))


def test_a_corpus_laid_out_once_gives_the_same_passages(pieces, corpus):
    beats = Beats(corpus)
    for once, anew in zip(describe(pieces, beats), describe(pieces, corpus), strict=True):
        assert (once.cells, once.harmony) == (anew.cells, anew.harmony)
    assert describe(pieces[:1], Beats([]))[0].cells is None


def test_the_table_has_a_line_a_version_and_bach_last(pieces, corpus):
    found = describe(pieces, corpus)
    table = candidates_table(found, bach=battery(corpus, name="Bach"))
    assert [row[0] for row in table.rows] == ["1", "2", "3", "4", "Bach"]
    assert table.rows[1][1] == "F major"
    assert f"{found[0].cells[0].distance:.2f}" in table.rows[0]
    assert max(map(len, str(table).splitlines())) < 110
    plain = candidates_table(describe(pieces))
    assert "cells" not in plain.header and "cells" in table.header
    stack = candidates_table(describe([stacked(*pieces[:2])], corpus))
    assert set(ACROSS.values()) <= set(stack.header)
    assert max(map(len, str(stack).splitlines())) < 140


def test_the_csv_tells_everything(pieces, corpus):
    found = describe([pieces[0], stacked(*pieces[:2])], corpus)
    text = candidates_csv(found, more={"name": ["one", "two"]})
    one, two = csv.DictReader(io.StringIO(text))
    assert set(NAMES) <= set(one)
    assert float(one["hold"]) == pytest.approx(found[0].row.value("hold"), rel=1e-5)
    assert (one["voices"], two["voices"], two["name"]) == ("4", "8", "two")
    across = pytest.approx(found[1].cross["dissonant"], rel=1e-5)
    assert one["across dissonant"] == "" and float(two["across dissonant"]) == across
    near, quartet = found[1].harmony
    assert float(two["harmony distance"]) == pytest.approx(near.distance, rel=1e-5)
    assert two["harmony quartet"] == str(quartet)
    assert two["harmony at"] == f"{near.at[0]}:{near.at[1]}"
    alone = next(csv.DictReader(io.StringIO(candidates_csv(describe([pieces[0]])))))
    assert alone["cells distance"] == ""


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda pieces: describe(pieces, numbers=[1]), "expected 4, got 1"),
        (lambda pieces: describe([Chorale(np.full((3, 8), 60))]), "four voices or stacked"),
        (lambda pieces: candidates_table([]), "at least one"),
    ],
)
def test_bad_input_is_refused(pieces, act, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        act(pieces)
