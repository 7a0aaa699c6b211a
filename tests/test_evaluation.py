"""Scores of whole splits: figures, comparisons, data, the short form, the command."""

import csv
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mocks import Listening, Reaching, Uniform

from coconet.checkpoint import Checkpoint, save_checkpoint
from coconet.chorale import Chorale
from coconet.cli import main
from coconet.corpus import crop, load_corpus, save_corpus
from coconet.errors import ChoraleError
from coconet.evaluation import (
    SHORT,
    Scores,
    compare_scores,
    data_name,
    evenly,
    load_pieces,
    score,
    short_form,
    summarise,
    table,
    write_scores,
)
from coconet.model import FastConfig, build_network
from coconet.referee import PieceScore, Referee

QUIET = {"progress": False}
#: The pieces of the short form: figures that were told stay comparable.
SHORT_BWV = "2.6 79.6 127.5 169.7 245.17 268 288 314 324 354 400 418"


@pytest.fixture(scope="module")
def chorales():
    """Beginnings of five chorales, with their rests and upbeats."""
    starts = [crop(chorale, (0, 20 + i)) for i, chorale in enumerate(load_corpus("valid")[:4])]
    return [*starts, crop(load_corpus("demo")[3], (0, 8))]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two untrained checkpoints, small and not equal."""
    folder = tmp_path_factory.mktemp("models")
    config = FastConfig(step_width=16, beat_width=16, dilations=(1,), step_blocks=1)
    for seed, name in enumerate("ab"):
        network = build_network(config, torch.Generator().manual_seed(seed))
        save_checkpoint(folder / name, Checkpoint(config, network.state_dict()))
    return [str(folder / name) for name in "ab"]


@pytest.mark.parametrize("unit", ["frame", "note"])
def test_neither_company_nor_batches_matter(chorales, unit):
    referee = Referee(unit=unit)
    scores = score(Reaching(), chorales, referee, chunk=64, **QUIET)
    turned = score(Listening(), chorales[::-1], referee, chunk=5000, **QUIET)
    for one, other in zip(scores.pieces, turned.pieces[::-1], strict=True):
        assert (one.name, one.key) == (other.name, other.key)
        np.testing.assert_allclose(one.frames, other.frames, rtol=1e-4, atol=1e-9)
    alone = score(Reaching(), chorales[2:3], referee, chunk=64, **QUIET)
    np.testing.assert_array_equal(alone.pieces[0].frames, scores.pieces[2].frames)


def test_the_figures_by_hand():
    """Two pieces: of 1, 3 and 5 nats a frame, and of 0 nats in one frame."""
    long = PieceScore(
        "long",
        "frame",
        np.array([1.0, 3.0, 5.0]),
        np.array([[1.0, 2.0, 3.0]] * 3 + [[np.nan] * 3]),
        np.array([[1.0, 0.0, 0.5]] * 3 + [[np.nan] * 3]),
        (1,),
    )
    ones = np.full((4, 2), 1.0)
    ones[:, 1] = np.nan
    short = PieceScore("short", "frame", np.array([0.0, np.nan]), 0 * ones, ones, (2,))
    found = summarise([long, short])
    assert found.nats == pytest.approx(1.5)  # not 2.25, the mean over frames
    assert found.error == pytest.approx(1.5)
    assert (found.pieces, found.frames, found.notes) == (2, 4, 13)
    assert found.median == pytest.approx(2)
    assert found.p90 == pytest.approx(3 + 0.7 * 2)
    assert found.surprises == pytest.approx(0.5)
    assert found.voice_nats == pytest.approx((1.5, 1.5, 1.5, 0))
    assert found.voice_right == pytest.approx((2.5 / 4, 2.5 / 4, 2.5 / 4, 1))
    assert math.isnan(summarise([short]).error)


def test_paired_differences(chorales):
    first = score(Listening(seed=1), chorales, model="first", **QUIET)
    other = score(Listening(seed=2), chorales[::-1], model="other", **QUIET)
    found = compare_scores(first, other)
    gaps = [b.mean - a.mean for a, b in zip(first.pieces, other.pieces[::-1], strict=True)]
    assert found.mean == pytest.approx(np.mean(gaps))
    assert found.error == pytest.approx(np.std(gaps, ddof=1) / np.sqrt(len(gaps)))
    assert compare_scores(other, first).mean == pytest.approx(-found.mean)
    same = compare_scores(first, first)
    assert (same.mean, same.error, same.pieces) == (0, 0, 5)


def test_a_piece_that_comes_twice_counts_twice(chorales):
    twice = [chorales[0], chorales[0], chorales[1]]
    first = score(Listening(seed=1), twice, **QUIET)
    assert compare_scores(first, score(Listening(seed=2), twice, **QUIET)).pieces == 3


def test_the_table_tells_what_it_rests_on(chorales):
    results = [score(Listening(seed=i), chorales, model=f"model {i}", **QUIET) for i in range(3)]
    text = table(results)
    for expected in ("5 pieces", "5 random orders of frames", "seed 1", "model 2", "soprano"):
        assert expected in text
    assert f"{results[1].summary().nats:.3f} ± {results[1].summary().error:.3f}" in text
    difference = compare_scores(results[0], results[2])
    assert f"{difference.mean:+.3f} ± {difference.error:.3f}" in text
    assert "piece by piece" not in table(results[:1])


def test_one_piece_has_no_error_to_tell(chorales):
    results = [
        score(Listening(seed=i), chorales[:1], model=f"model {i}", **QUIET) for i in range(2)
    ]
    text = table(results)
    assert ": 1 piece, " in text and "nan" not in text
    lines = text.splitlines()
    head, *rows = lines[lines.index("") + 1 :][:3]
    assert head.startswith("model ") and rows[0].startswith("model 0")
    # The columns end where their headings do.
    edges = [head.index(column) + len(column) for column in ("median", "90 %", "99 %", "minutes")]
    for row, scores in zip(rows, results, strict=True):
        assert "±" not in row and len(row) == len(head)
        assert row[: head.index("median")].split()[-1] == f"{scores.summary().nats:.3f}"
        assert all(row[edge - 1].isdigit() and row[edge : edge + 1].strip() == "" for edge in edges)
    difference = compare_scores(*results)
    assert lines[-1].split() == ["model", "1", f"{difference.mean:+.3f}"]


def test_the_csv_has_a_row_for_each_model_and_piece(chorales, tmp_path):
    results = [score(Listening(seed=i), chorales, model=f"m{i}", **QUIET) for i in range(2)]
    path = tmp_path / "scores.csv"
    write_scores(results, path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["m0"] * 5 + ["m1"] * 5
    last = results[1].pieces[-1]
    assert rows[-1]["piece"] == last.name == "373"
    assert float(rows[-1]["nats"]) == pytest.approx(last.mean, rel=1e-5)
    assert rows[-1]["orders"] == "5"
    expected = summarise([last])
    assert float(rows[-1]["right_bass"]) == pytest.approx(expected.voice_right[3], rel=1e-5)
    with pytest.raises(ChoraleError, match="already exists"):
        write_scores(results, path)


def test_the_short_form_is_fixed(chorales):
    valid = load_corpus("valid")
    found = short_form(valid)
    assert " ".join(chorale.bwv for chorale in found) == SHORT_BWV
    assert all((c.grid != 0).all() and 128 <= c.steps <= 256 for c in found)
    scored = score(Uniform(), found[:2], SHORT, **QUIET)
    assert scored.summary().nats == pytest.approx(4 * np.log(46))
    # Every sixteenth of the beat has its share of the frames.
    (steps,) = np.nonzero(np.isfinite(scored.pieces[0].frames))
    counts = np.bincount(steps % 4, minlength=4)
    assert counts.max() - counts.min() <= 1
    with pytest.raises(ChoraleError, match="expected 12 pieces"):
        short_form(chorales)


def _jsb(path, chorales, split="test"):
    pitches = np.concatenate([chorale.grid.T for chorale in chorales]).astype(np.uint8)
    lengths = np.array([chorale.steps for chorale in chorales])
    np.savez(path, pitches=pitches, lengths=lengths, split=np.array([split] * len(chorales)))
    return path


def test_data_are_known_by_what_they_hold(chorales, tmp_path):
    assert [c.bwv for c in load_pieces(split="demo")] == [c.bwv for c in load_corpus("demo")]
    jsb = load_pieces(_jsb(tmp_path / "jsb.npz", chorales), "test")
    assert [c.title for c in jsb] == [f"JSB {i}" for i in range(5)]
    save_corpus(chorales, tmp_path / "own.npz", source="tests")
    own = load_pieces(tmp_path / "own.npz", "valid")
    assert len(own) == 4
    for found, expected in zip([*jsb, *own], [*chorales, *chorales[:4]], strict=True):
        np.testing.assert_array_equal(found.grid, expected.grid)


def _text(path):
    path.write_text("not an archive")
    return path


def _npz(path, **arrays):
    np.savez(path, **arrays)
    return path


BAD_DATA = [
    (lambda f: f / "none.npz", "test", "no such file"),
    (lambda f: _text(f / "a.npz"), "test", "can't be read as an .npz"),
    (lambda f: _npz(f / "a.npz", pitches=np.zeros(3)), "test", "holds no array named"),
    (lambda f: _jsb(f / "a.npz", load_corpus("demo")), "demo", "no chorale of the split 'demo'"),
    (lambda f: None, "exam", "expected one of train, valid, test, demo"),
]


@pytest.mark.parametrize(("make", "split", "says"), BAD_DATA)
def test_bad_data_are_refused(tmp_path, make, split, says):
    with pytest.raises(ChoraleError, match=says):
        load_pieces(make(tmp_path), split)


def _scores(chorales, **rules):
    return score(Uniform(), chorales, Referee(**rules), **QUIET)


BAD_CALLS = [
    (lambda c: compare_scores(_scores(c), _scores(c, orders=1)), "different rules"),
    (lambda c: compare_scores(_scores(c), _scores(c[1:])), "the same pieces, got 5 and 4"),
    (lambda c: compare_scores(_scores(c), Scores("", Referee(), 8, (), 0.0)), "resolutions"),
    (lambda c: score(Uniform(), []), "at least one chorale"),
    (lambda c: score(Uniform(), [*c, Chorale(c[0].grid[:3])], **QUIET), "four voices"),
    (lambda c: summarise([]), "nothing was scored"),
    (lambda c: write_scores([], "never.csv"), "nothing was scored"),
    (lambda c: evenly(c, 6), "pieces: expected 1-5, got 6"),
    (lambda c: evenly(c, 0), "pieces: expected 1-5, got 0"),
]


@pytest.mark.parametrize(("call", "says"), BAD_CALLS)
def test_what_cannot_be_compared_or_scored_is_refused(chorales, call, says):
    with pytest.raises(ChoraleError, match=says):
        call(chorales)


def test_the_command(chorales, models, tmp_path, capsys):
    data = _jsb(tmp_path / "jsb.npz", chorales)
    out = tmp_path / "out.csv"
    common = ["evaluate", *models, "--data", str(data), "--split", "test", "--threads", "1"]
    assert main([*common, "--orders", "2", "--csv", str(out)]) == 0
    said = capsys.readouterr()
    assert "5 pieces" in said.out and "2 random orders" in said.out
    assert "100%" in said.err and "left" in said.err
    assert f"minus {models[0]}" in said.out
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["checkpoint"]).name for row in rows] == ["a"] * 5 + ["b"] * 5
    assert {(out.parent / row["checkpoint"]).resolve() for row in rows} == set(map(Path, models))
    assert {(row["split"], row["data"], row["update"]) for row in rows} == {
        ("test", data_name(data), "")
    }
    assert all(row["precision"] in ("float32", "bfloat16") for row in rows)
    digests = [
        hashlib.sha256((Path(model) / "weights.safetensors").read_bytes()).hexdigest()
        for model in models
    ]
    assert [row["sha"] for row in rows[::5]] == [digest[:12] for digest in digests]
    assert len({row["key"] for row in rows}) == 5
    # An untrained network is about as wise as a uniform one.
    with out.open(encoding="utf-8", newline="") as file:
        nats = [float(row["nats"]) for row in csv.DictReader(file)]
    assert 10 < np.mean(nats) < 20
    assert main([*common, "--unit", "note", "--order", "chronological", "--pieces", "2"]) == 0
    said = capsys.readouterr()
    assert "nats a note: 2 pieces" in said.out and "1 chronological order of notes" in said.out


BAD_OPTIONS = [
    (["--short", "--split", "test"], "--short fixes"),
    (["--short", "--orders", "2"], "--short fixes"),
    (["--short", "--pieces", "3"], "--short fixes"),
    (["--orders", "0"], "orders: expected"),
    (["--pieces", "999"], "pieces: expected 1-77"),
    (["--seed", "-1"], "seed: expected"),
    (["--threads", "0"], "--threads: expected"),
    (["--split", "exam"], "expected one of train"),
    (["--csv", "."], "expected the name of a file"),
    (["--data", "nowhere.npz"], "no such file"),
    (["nowhere"], "no such checkpoint"),
]


@pytest.mark.parametrize(("options", "says"), BAD_OPTIONS)
def test_bad_options_are_one_line(models, capsys, options, says):
    assert main(["evaluate", models[0], *options]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert says in said.err
    assert not said.out


def test_resolutions_are_not_mixed(models, tmp_path, capsys):
    config = FastConfig(step_width=16, beat_width=16, dilations=(1,), step_blocks=1)
    network = build_network(config, torch.Generator().manual_seed(0))
    save_checkpoint(tmp_path / "c", Checkpoint(config, network.state_dict(), resolution=8))
    assert main(["evaluate", models[0], str(tmp_path / "c")]) == 2
    assert "different resolutions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("splits", "asked", "told"),
    [
        (["train"], [], False),
        (["train"], ["--split", "test"], False),
        (["train"], ["--split", "train"], True),
        (["train", "valid"], [], True),
        (["train", "valid"], ["--split", "test"], False),
        (["train", "test"], ["--split", "test"], True),
        (None, ["--split", "train"], False),
    ],
)
def test_a_model_that_trained_on_what_it_is_asked_is_told_of(tmp_path, capsys, splits, asked, told):
    config = FastConfig(step_width=16, beat_width=16, dilations=(1,), step_blocks=1)
    network = build_network(config, torch.Generator().manual_seed(1))
    folder = tmp_path / "model"
    save_checkpoint(folder, Checkpoint(config, network.state_dict(), {"splits": splits}))
    asked = [*asked, "--pieces", "1", "--orders", "1", "--threads", "1"]
    assert main(["evaluate", str(folder), *asked]) == 0
    split = asked[1] if asked[0] == "--split" else "valid"
    assert (f"trained on the split {split}" in capsys.readouterr().err) is told
