"""A run's folder: what is written is read back; what isn't there is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from coconet.checkpoint import Checkpoint, save_checkpoint
from coconet.cli import main
from coconet.comparison import compare
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.evaluation import Scores, write_scores
from coconet.model import FastConfig, build_network
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

RULES = Referee()


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


def scores(checkpoint, nats, *, referee=RULES, first=0, **origin):
    pieces = tuple(
        PieceScore(
            name="chorale",
            unit="frame",
            frames=np.full(8, value),
            cells=np.full((4, 8), value / 4),
            right=np.ones((4, 8)),
            key=(number, 0, 0, 0),
        )
        for number, value in enumerate(nats, start=first)
    )
    made = {"split": "valid", "data": "a.npz 12", "sha": "abc"} | origin
    return Scores("any name", referee, 16, pieces, 1.0, checkpoint=checkpoint, **made)


def test_likelihoods_stand_at_the_update_of_their_checkpoint(folder):
    run = folder.folder
    write_scores(
        [
            scores(run / "0000010", [1.0, 2.0, 3.0]),
            scores(run, [1.0]),
            scores(run / "0000015", [1.0, 2.0], referee=Referee(every=5, seed=7)),
        ],
        run / "evaluation.csv",
    )
    first, middle, last = read_likelihoods(run)
    assert (first.update, first.minutes) == (10, 1.0)
    assert first.nats == pytest.approx(2.0)
    assert first.error == pytest.approx(1 / np.sqrt(3))
    assert first.rules == "nats a frame, 5 random orders, 3 pieces of valid (a.npz 12)"
    assert (middle.update, middle.minutes) == (15, 2.0)
    assert "seed 7" in middle.rules and "one step in 5" in middle.rules
    assert (last.update, last.nats) == (20, 1.0) and np.isnan(last.error)


def test_what_was_measured_of_other_checkpoints_is_not_the_runs(folder, tmp_path):
    run = folder.folder
    others = [tmp_path / "other" / "0000010", tmp_path / "chorales", run / "best", None]
    write_scores(
        [scores(run / "0000020", [2.0]), *(scores(other, [1.0]) for other in others)],
        run / "evaluation.csv",
    )
    assert [(one.update, one.nats) for one in read_likelihoods(run)] == [(20, 2.0)]
    moved = run.rename(tmp_path / "moved")
    assert [(one.update, one.nats) for one in read_likelihoods(moved)] == [(20, 2.0)]


@pytest.mark.parametrize(
    "other",
    [
        {"split": "test"},
        {"data": "a.npz 34"},
        {"sha": "def"},
        {"referee": Referee(seed=2)},
        {"referee": Referee(orders=4)},
        {"referee": Referee(unit="note")},
        {"referee": Referee(order="chronological")},
    ],
)
def test_what_was_measured_differently_is_not_mixed(folder, other):
    run = folder.folder
    state = run / "0000010"
    write_scores([scores(state, [1.0, 2.0])], run / "evaluation.csv")
    write_scores([scores(state, [5.0, 6.0], **other)], run / "evaluation2.csv")
    found = read_likelihoods(run)
    assert sorted(one.nats for one in found) == [1.5, 5.5]
    # The sha tells weights apart, not rules.
    assert len({one.rules for one in found}) == (1 if "sha" in other else 2)


def test_a_piece_in_two_files_counts_once_and_one_that_comes_twice_twice(folder):
    run = folder.folder
    state = run / "0000010"
    write_scores([scores(state, [1.0, 2.0])], run / "evaluation1.csv")
    write_scores([scores(state, [2.0, 6.0], first=1)], run / "evaluation2.csv")
    (found,) = read_likelihoods(run)
    assert found.nats == pytest.approx(3.0) and "3 pieces" in found.rules
    twice = scores(state, [4.0])
    twice = replace(twice, pieces=twice.pieces * 2, split="test")
    write_scores([twice], run / "evaluation3.csv")
    assert any("2 pieces of test" in one.rules for one in read_likelihoods(run))


HEAD = "model,checkpoint,sha,key,nats,unit,order,orders,every,seed,resolution,split,data"


@pytest.mark.parametrize(
    "text",
    [
        "model,piece\na,b\n",
        "checkpoint,sha,key,nats,split\n0000010,a,b,1.0,valid\n",
        f"{HEAD}\nm,0000010,a,b\n",
        f"{HEAD}\nm,0000010,a,b,many,frame,random,5,1,1,16,valid,c\n",
        f"{HEAD}\nm,0000010,a,b,1.0,frame,random,5,1,1,16,valid\n",
    ],
)
def test_another_csv_is_no_evaluation(folder, text):
    (folder.folder / "evaluation.csv").write_text(text)
    with pytest.raises(ChoraleError, match="columns of coconet evaluate"):
        read_likelihoods(folder.folder)


def test_a_name_that_only_looks_like_a_number_is_no_update(folder):
    write_scores([scores(folder.folder / "²", [1.0])], folder.folder / "evaluation.csv")
    assert read_likelihoods(folder.folder) == []


def test_what_the_command_measures_stands_at_its_update(folder, tmp_path, capsys):
    config = FastConfig(step_width=16, beat_width=16, dilations=(1,), step_blocks=1)
    run, other = folder.folder, tmp_path / "other"
    for seed, state in enumerate([run / "0000010", run / "0000020", other]):
        network = build_network(config, torch.Generator().manual_seed(seed))
        save_checkpoint(state, Checkpoint(config, network.state_dict()))
    (run / "latest").write_text("0000020\n")
    csv = run / "evaluation.csv"
    states = [str(folder) for folder in (run / "0000010", run, other)]
    measure = ["evaluate", *states, str(run / "0000020"), "--csv", str(csv)]
    rules = ["--pieces", "2", "--orders", "1", "--threads", "1"]
    assert main([*measure, *rules]) == 0
    assert main([*measure[:-1], str(run / "evaluation-test.csv"), *rules, "--split", "test"]) == 0
    table = capsys.readouterr().out.split("model")[1].splitlines()[1:4]
    told = [float(line.split()[-8]) for line in table]
    found = [one for one in read_likelihoods(run) if "2 pieces of valid (chorales" in one.rules]
    assert [one.update for one in found] == [10, 20]
    assert [one.nats for one in found] == pytest.approx(told[:2], abs=1e-3)
    assert len(read_likelihoods(run)) == 4
    comparison = compare([run])
    assert [row["update"] for row in comparison.likelihoods[str(run)]] == [10, 20]
    assert len(comparison.left_out) == 1


def test_peak_memory_is_in_megabytes():
    before = peak_memory()
    block = np.ones(100_000_000 // 8)
    assert 30 < before <= peak_memory() < 20_000
    assert block.sum() > 0
