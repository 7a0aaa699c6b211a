"""One's own files become a training set; what can't be used is named with its reason."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.chorale import Chorale, save_chorale
from coconet.cli import main
from coconet.corpus import crop, load_corpus, transpose
from coconet.errors import ChoraleError
from coconet.formatting import assign_shares, find_files, read_pieces, split_pieces
from coconet.midi import write_midi
from coconet.model import FastConfig
from coconet.musicxml import write_musicxml
from coconet.settings import Settings
from coconet.splits import same_harmonisation
from coconet.training import train

SHORT = [crop(chorale, (0, 64)) for chorale in load_corpus("train")[::16]]


@pytest.fixture
def folder(tmp_path):
    """Chorales as MIDI and MusicXML, one of them twice, among files that can't be used."""
    mine = tmp_path / "mine"
    for number, chorale in enumerate(SHORT[:6]):
        write_midi(chorale, mine / "midi" / f"{number}.mid")
    for number, chorale in enumerate(SHORT[5:8]):
        write_musicxml(chorale, mine / "xml" / f"{number}.musicxml")
    bad = mine / "bad"
    grid = np.array(SHORT[8].grid)
    write_midi(Chorale(grid[:, :12]), bad / "short.mid")
    write_midi(Chorale(np.where(np.arange(4)[:, None] == 3, 30, grid)), bad / "low.mid")
    save_chorale(Chorale(np.vstack([grid, grid])), bad / "eight.npy")
    write_midi(Chorale(np.where(np.arange(4)[:, None] < 3, grid, 0)), bad / "three.mid")
    whole = (mine / "midi" / "0.mid").read_bytes()
    (bad / "cut.mid").write_bytes(whole[: len(whole) // 2])
    (bad / "empty.xml").write_bytes(b"")
    (bad / "zip.mxl").write_bytes(b"PK\x03\x04 damaged")
    (bad / "notes.txt").write_text("not music")
    (mine / ".hidden.mid").write_text("left out")
    return mine


def test_a_folder_becomes_a_training_set(folder, tmp_path, capsys):
    out = tmp_path / "out.npz"
    assert main(["format", str(folder), str(out), "--csv", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    pieces = load_corpus(path=out)
    assert len(pieces) == 8
    grids = {piece.grid.tobytes() for piece in pieces}
    assert grids == {chorale.grid.tobytes() for chorale in SHORT[:8]}
    assert {piece.split for piece in pieces} == {"train", "valid", "test"}
    with out.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(bool(row["split"]) for row in rows) == 8
    reasons = {row["file"].rpartition("/")[2]: row["reason"] for row in rows if row["reason"]}
    for name, reason in {
        "0.musicxml": "the same notes as",
        "short.mid": "12 steps, shorter than a bar of 16",
        "low.mid": "outside the model's pitches 36-81",
        "eight.npy": "8 voices, expected at most 4",
        "three.mid": "3 voices (soprano, alto, tenor), expected 4 or more",
        "cut.mid": "truncated",
        "empty.xml": "the file is empty",
        "zip.mxl": "damaged",
        "notes.txt": "expected a name that ends in .mid",
    }.items():
        assert reason in reasons.pop(name)
        assert reason in said
    # The eight-voice array's sidecar is a file as well.
    assert list(reasons) == ["eight.json"]


def test_training_takes_the_set(folder, tmp_path):
    out = tmp_path / "out.npz"
    assert main(["format", str(folder / "midi"), str(out), "--workers", "1"]) == 0
    tiny = Settings(
        model=FastConfig(step_width=16, beat_width=16, dilations=(1,), step_blocks=1),
        updates=2, batch=2, crop=16, samples_every=0, threads=1,
    )  # fmt: skip
    train(tmp_path / "run", tiny, load_corpus(path=out), progress=False)
    assert (tmp_path / "run" / "latest").read_text().strip() == "0000002"


def test_workers_and_place_change_nothing(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    one = split_pieces(read_pieces(find_files([folder]), progress=False))
    two = split_pieces(read_pieces(find_files([moved]), workers=2, progress=False))
    assert [file.relative_to(folder) for file in one.files] == [
        file.relative_to(moved) for file in two.files
    ]
    assert [piece.split for piece in one.chorales] == [piece.split for piece in two.chorales]
    assert len(one.skipped) == len(two.skipped) == 10


def test_fewer_voices_are_taken_when_asked(folder):
    files = [folder / "bad" / "three.mid", folder / "midi" / "0.mid"]
    formatted = read_pieces(files, min_voices=3, progress=False)
    formatted = split_pieces(formatted, shares={"valid": 0, "test": 0})
    assert [(piece.grid > 0).any(1).sum() for piece in formatted.chorales] == [3, 4]
    assert formatted.count("train") == 2


def test_relatives_take_the_split_they_have_elsewhere(tmp_path):
    known = [
        SHORT[0].replace(split="test"),
        SHORT[1].replace(split="demo"),
        SHORT[2].replace(split="train"),
    ]
    mine = [transpose(SHORT[0], 1), SHORT[1], SHORT[2], *SHORT[3:6]]
    for seed in range(8):
        splits = assign_shares(
            mine, {"valid": 0.2, "test": 0.1}, like=known, rng=np.random.default_rng(seed)
        )
        assert splits[:3] == ["test", "demo", "train"]
        assert sorted(splits[3:]) == ["train", "train", "valid"]


@settings(max_examples=30)
@given(
    copies=st.lists(st.integers(0, 11), min_size=8, max_size=24),
    valid=st.sampled_from([0, 0.1, 0.3]),
    test=st.sampled_from([0, 0.2]),
    seed=st.integers(0, 99),
)
def test_no_harmonisation_stands_on_two_sides(copies, valid, test, seed):
    pieces = [
        transpose(crop(SHORT[number], (8 * (place % 2), 64)), place % 3)
        for place, number in enumerate(copies)
    ]
    shares = {"valid": valid, "test": test}
    groups = len(set(copies))
    needed = 1 + (valid > 0) + (test > 0)
    if groups < needed:
        with pytest.raises(ChoraleError, match="too few"):
            assign_shares(pieces, shares, rng=np.random.default_rng(seed))
        return
    splits = assign_shares(pieces, shares, rng=np.random.default_rng(seed))
    for one, two in same_harmonisation([piece.grid for piece in pieces]):
        assert splits[one] == splits[two]
    assert set(splits) == {"train", *(name for name, share in shares.items() if share)}
    largest = max(copies.count(number) for number in set(copies))
    for name, share in shares.items():
        wanted = max(1, round(share * len(pieces))) if share else 0
        # No more than was asked for, unless the smallest group is larger than that.
        assert splits.count(name) <= max(wanted, largest if share else 0)
    again = assign_shares(pieces, shares, rng=np.random.default_rng(seed))
    assert splits == again


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "out.npz"], "no such file or folder"),
        (["void", "out.npz"], "there is no file in this folder"),
        (["bad.txt", "out.npz"], "none of the 1 files can be used"),
        (["one.mid", "two.mid"], "two.mid: expected a name that ends in .npz"),
        (
            ["one.mid", "out.npz"],
            "too few pieces for splits valid, test, train: 1, of 1 harmonisation",
        ),
        (["one.mid", "old.npz"], "already exists"),
        (["one.mid", "old.npz", "--valid", "0.6", "--test", "0.5", "--force"], "less than 1"),
        (["one.mid", "out.npz", "--valid", "-0.1"], "shares: expected 0 or more"),
        (["one.mid", "out.npz", "--min-voices", "5"], "voices: expected 1-4, got 5"),
        (["one.mid", "out.npz", "--workers", "0"], "workers: expected 1 or more"),
        (["one.mid", "out.npz", "--seed", "-1"], "seed: expected 0 or more"),
        (["one.mid", "out.npz", "--like", "none.npz"], "none.npz: no such file"),
        (["one.mid", "csv.npz", "--csv"], "csv.csv: already exists"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_midi(SHORT[0], tmp_path / "one.mid")
    (tmp_path / "void").mkdir()
    for name in ("bad.txt", "old.npz", "csv.csv"):
        (tmp_path / name).write_text("old")
    before = sorted(tmp_path.iterdir())
    assert main(["format", *arguments]) == 2
    told = capsys.readouterr()
    assert ("bad.txt  expected a name" in told.out) == ("bad.txt" in arguments)
    lines = [line for line in told.err.splitlines() if line.startswith("coconet")]
    assert len(lines) == 1 and said in lines[0]
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "old.npz").read_text() == "old"


def test_one_odd_file_does_not_end_the_work(folder, monkeypatch):
    def stumble(path):
        raise RecursionError("too deep\nto tell")

    monkeypatch.setattr("coconet.formatting.read_piece", stumble)
    file = folder / "midi" / "0.mid"
    skipped = read_pieces([file], progress=False).skipped
    assert skipped == {file: "can't be read (RecursionError: too deep to tell)"}
