"""A run's folder: what is written is read back; what isn't there is said."""

from __future__ import annotations

import numpy as np
import pytest

from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.evaluation import Scores, write_scores
from coconet.referee import PieceScore, Referee
from coconet.runs import (
    COLUMNS,
    RunFolder,
    peak_memory,
    read_curves,
    read_likelihoods,
    read_settings,
)
from coconet.settings import Settings


def row(update, minutes=1.0):
    values = {column: 0.5 for column in COLUMNS}
    return values | {"update": update, "minutes": minutes}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run", Settings())
    folder.measured([row(10, 1.0)])
    folder.measured([row(10, 1.0), row(20, 3.0)])
    return folder


def test_curves_are_read_as_written(folder):
    assert read_settings(folder.folder) == Settings()
    assert read_curves(folder.folder) == [row(10, 1.0), row(20, 3.0)]
    lines = (folder.folder / "log.txt").read_text().splitlines()
    assert len(lines) == 2 and "update 20: train 0.5000, valid 0.5000" in lines[1]


def test_rows_of_an_older_form_keep_their_place(tmp_path):
    folder = RunFolder(tmp_path, Settings())
    folder.measured([{"update": 5, "valid_loss": 1.0}, row(10)])
    assert read_curves(tmp_path) == [{"update": 5.0, "valid_loss": 1.0}, row(10)]


def test_a_sample_is_a_midi_file_named_after_its_update(folder):
    path = folder.write_sample(1500, load_corpus("demo")[0])
    assert path == folder.folder / "samples" / "0001500.mid"
    assert path.read_bytes().startswith(b"MThd")


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "expected rows"), ("a,b\n1,2\n", "expected rows"), ("update\nmany\n", "expected rows")],
)
def test_damaged_curves_are_refused(tmp_path, text, says):
    (tmp_path / "curves.csv").write_text(text)
    with pytest.raises(ChoraleError, match=says):
        read_curves(tmp_path)


def test_what_is_no_run_is_refused(tmp_path):
    for read in (read_settings, read_curves, read_likelihoods):
        with pytest.raises(ChoraleError, match="no such file"):
            read(tmp_path / "nowhere")


def scores(model, nats, *, referee):
    pieces = tuple(
        PieceScore(
            name=f"piece {number}",
            unit="frame",
            frames=np.full(8, value),
            cells=np.full((4, 8), value / 4),
            right=np.ones((4, 8)),
            key=(number, 0, 0, 0),
        )
        for number, value in enumerate(nats)
    )
    return Scores(model, referee, 16, pieces, 1.0)


def test_likelihoods_stand_at_the_update_of_their_checkpoint(folder):
    run, referee = folder.folder, Referee()
    write_scores(
        [
            scores("0000010 abc", [1.0, 2.0, 3.0], referee=referee),
            scores("last def", [1.0], referee=referee),
            scores("0000015 abc", [1.0, 2.0], referee=Referee(every=5)),
        ],
        run / "evaluation.csv",
    )
    first, middle, last = read_likelihoods(run)
    assert (first.update, first.minutes) == (10, 1.0)
    assert first.nats == pytest.approx(2.0)
    assert first.error == pytest.approx(1 / np.sqrt(3))
    assert first.rules == "nats a frame, 5 random orders, 3 pieces"
    assert (middle.update, middle.minutes) == (15, 2.0)
    assert "one step in 5" in middle.rules
    assert (last.update, last.nats) == (20, 1.0) and np.isnan(last.error)


def test_another_csv_is_no_evaluation(folder):
    (folder.folder / "evaluation.csv").write_text("model,piece\na,b\n")
    with pytest.raises(ChoraleError, match="columns of coconet evaluate"):
        read_likelihoods(folder.folder)


def test_peak_memory_is_in_megabytes():
    before = peak_memory()
    block = np.ones(100_000_000 // 8)
    assert 30 < before <= peak_memory() < 20_000
    assert block.sum() > 0
