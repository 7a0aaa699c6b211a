"""The corpus: what it holds, how it is stored, cropped and transposed, and how it is built."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from coconet import build, places
from coconet.build import build_corpus, read_splits, without_silent_bars
from coconet.chorale import Chorale
from coconet.corpus import (
    FIELDS,
    crop,
    load_corpus,
    load_jsb,
    save_corpus,
    transpose,
    transpositions,
)
from coconet.errors import ChoraleError
from coconet.grid import RANGES, REST
from coconet.splits import SHOWPIECES, SPLITS

FILE = places.data() / "chorales.npz"


@pytest.fixture(scope="module")
def pieces():
    return load_corpus()


def equal(one, two):
    return all(
        np.array_equal(getattr(one, name), getattr(two, name))
        for name in ("grid", "onsets", "fermatas", "phrases", "assumed", *FIELDS)
    )


# ------------------------------------------------------------ what it holds


def test_the_splits_are_those_of_splits_csv_and_of_the_readme(pieces, project):
    assert {piece.bwv: piece.split for piece in pieces} == read_splits(places.data() / "splits.csv")
    assert {piece.bwv for piece in pieces if piece.split == "demo"} == set(SHOWPIECES)
    readme = (project / "data" / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\w+) \| (\d+) \| ([\d,]+) \|$", readme, re.MULTILINE)
    chorales, steps = Counter(), Counter()
    for piece in pieces:
        chorales[piece.split] += 1
        steps[piece.split] += piece.steps
    assert told == [(split, str(chorales[split]), f"{steps[split]:,}") for split in SPLITS]


def test_one_split_is_that_part_of_all_in_the_same_order(pieces):
    for split in SPLITS:
        part = load_corpus(split)
        whole = [piece for piece in pieces if piece.split == split]
        assert len(part) == len(whole) and all(map(equal, part, whole))


def test_every_piece_is_four_voices_of_bach(pieces):
    numbers = [piece.bwv for piece in pieces]
    assert len(set(numbers)) == len(numbers) > 400
    contents = {(piece.grid.tobytes(), piece.onsets.tobytes()) for piece in pieces}
    assert len(contents) == len(pieces)
    for piece in pieces:
        assert piece.voices == 4 and piece.steps >= 64
        bars = (np.arange(piece.steps) - piece.upbeat) // piece.bar
        assert (piece.grid > 0).any(0)[[0, -1]].any()
        assert set(bars) == set(bars[(piece.grid > 0).any(0)]), f"{piece.bwv}: a silent bar"
        assert not piece.phrases or sum(piece.phrases) == piece.steps
    resting = sum((piece.grid == REST).sum() for piece in pieces)
    assert 0 < resting < 0.02 * sum(piece.grid.size for piece in pieces)


def test_pitches_of_the_training_split_fit_the_ranges(pieces):
    """All but one soprano of BWV 254, which reaches three semitones lower."""
    outside = {
        (piece.bwv, voice)
        for piece in pieces
        for voice, (low, high) in enumerate(RANGES)
        if ((piece.grid[voice] > 0) & ~np.isin(piece.grid[voice], range(low, high + 1))).any()
    }
    assert outside == {("254", 0)}


def test_the_showpieces_are_as_printed(pieces):
    by_number = {piece.bwv: piece for piece in pieces}
    piece = by_number["180.7"]
    assert piece.title == "Schmücke dich, o liebe Seele"
    assert (piece.steps, piece.time_signature, piece.upbeat) == (240, "4/4", 0)
    assert (piece.tonic, piece.mode, piece.sharps) == (5, "major", -1)
    assert piece.phrases == (40, 40, 40, 40, 32, 48)
    piece = by_number["244.3"]
    assert (piece.tonic, piece.mode, piece.sharps, piece.upbeat) == (11, "minor", 2, 4)
    assert piece.provenance["source"].startswith("music21")


# ------------------------------------------------------------ stored


def test_saved_and_loaded_the_same_in_the_same_bytes(tmp_path, pieces):
    some = pieces[::40]
    digests = set()
    for name in ("one.npz", "two.npz"):
        save_corpus(some, tmp_path / name, source="a test")
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    again = load_corpus(path=tmp_path / "one.npz")
    assert all(map(equal, some, again))
    assert again[0].provenance == {"source": "a test"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.npz", "two.npz"]


@pytest.mark.parametrize(
    ("chorales", "said"),
    [
        ([], "at least one chorale"),
        ([Chorale(np.full((4, 8), 60), title="Mine")], "Mine: expected four voices and a split"),
        ([Chorale(np.full((2, 8), 60), split="train")], "got 2 voices"),
    ],
)
def test_saving_refuses(tmp_path, chorales, said):
    with pytest.raises(ChoraleError, match=said):
        save_corpus(chorales, tmp_path / "corpus.npz", source="a test")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": np.array(99)}, "format 1, got 99"),
        ({"pitches": np.zeros((4, 3), np.uint8)}, "pitches of shape"),
        ({"fermatas": np.zeros(1, np.uint8)}, "fermatas of shape"),
        ({"bwv": np.array(["1"])}, "bwv of shape"),
        ({"title": np.array([None], object)}, "plain arrays"),
        ({"mode": None}, "no array named mode"),
    ],
    ids=["format", "pitches", "fermatas", "bwv", "pickle", "missing"],
)
def test_loading_refuses(tmp_path, change, said):
    with np.load(FILE) as file:
        arrays = {name: file[name] for name in file} | change
    path = tmp_path / "corpus.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ChoraleError, match=said) as caught:
        load_corpus(path=path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("read", [lambda path: load_corpus(path=path), load_jsb])
@pytest.mark.parametrize("content", [None, b"", b"no array", "half"])
def test_files_that_are_no_arrays_are_refused(tmp_path, read, content):
    path = tmp_path / "corpus.npz"
    if content is not None:
        path.write_bytes(FILE.read_bytes()[:9000] if content == "half" else content)
    with pytest.raises(ChoraleError, match=re.escape(str(path))):
        read(path)


def test_an_unknown_split_is_refused():
    with pytest.raises(ChoraleError, match="expected one of train, valid, test, demo"):
        load_corpus("training")


def test_the_papers_pieces_are_read_in_file_order(tmp_path):
    pitches = np.arange(40, 40 + 5 * 4, dtype=np.uint8).reshape(5, 4)
    path = tmp_path / "jsb.npz"
    np.savez(path, pitches=pitches, lengths=np.array([2, 3]), split=np.array(["train", "test"]))
    first, second = load_jsb(path)
    assert first.grid.tolist() == pitches[:2].T.tolist() and first.split == "train"
    assert second.grid.tolist() == pitches[2:].T.tolist() and second.split == "test"
    np.savez(path, pitches=pitches, lengths=np.array([2, 2]), split=np.array(["train", "test"]))
    with pytest.raises(ChoraleError, match=r"expected pitches of shape \(4, 4\)"):
        load_jsb(path)


# ------------------------------------------------------------ cropped and transposed


def test_a_crop_keeps_what_it_holds(pieces):
    rng = np.random.default_rng(3)
    for piece in pieces[::25]:
        start, end = sorted(rng.choice(piece.steps + 1, 2, replace=False).tolist())
        part = crop(piece, (start, end))
        assert np.array_equal(part.grid, piece.grid[:, start:end])
        assert np.array_equal(part.fermatas, piece.fermatas[start:end])
        assert np.array_equal(part.onsets[:, 1:], piece.onsets[:, start + 1 : end])
        assert np.array_equal(part.onsets[:, 0], piece.grid[:, start] > 0)
        assert (part.upbeat - (piece.upbeat - start)) % piece.bar == 0
        whole, cut = set(np.cumsum(piece.phrases)), set(start + np.cumsum(part.phrases))
        assert cut - {end} == {edge for edge in whole if start < edge < end}
    assert equal(crop(piece, (0, piece.steps)), piece)


@pytest.mark.parametrize("span", [(0, 0), (5, 3), (-1, 4), (0, 10**6)])
def test_crops_outside_the_piece_are_refused(pieces, span):
    with pytest.raises(ChoraleError, match="span"):
        crop(pieces[0], span)


def test_transpositions_are_those_that_fit(pieces):
    for piece in pieces[::10]:
        fitting = [
            shift
            for shift in range(-6, 6)
            if shift == 0
            or all(
                low <= pitch + shift <= high
                for row, (low, high) in zip(piece.grid, RANGES, strict=True)
                for pitch in row[row > 0].tolist()
            )
        ]
        found = transpositions(piece.grid)
        # A piece out of range may fit again further off; the shifts stay next to each other.
        assert set(fitting) <= set(found) if piece.bwv == "254" else fitting == found.tolist()
    assert transpositions(np.zeros((4, 8), int)).tolist() == list(range(-6, 6))


def test_transposing_moves_key_and_pitches_together(pieces):
    for piece in pieces[::50]:
        for semitones in range(-6, 6):
            moved = transpose(piece, semitones)
            assert np.array_equal(moved.onsets, piece.onsets)
            sounding = piece.grid > 0
            assert np.array_equal(moved.grid > 0, sounding)
            assert set((moved.grid - piece.grid)[sounding]) == {semitones}
            assert (moved.tonic - piece.tonic) % 12 == semitones % 12
            assert (7 * moved.sharps - 7 * piece.sharps - semitones) % 12 == 0
            assert equal(transpose(moved, -semitones).replace(sharps=piece.sharps), piece)
    with pytest.raises(ChoraleError, match=r"-60 semitones"):
        transpose(pieces[0], -60)


# ------------------------------------------------------------ built


def test_silent_bars_go_and_bar_lines_stay():
    grid = np.full((4, 4 + 16 * 4), 60)
    grid[:, 20:36] = REST
    grid[:, 50:60] = REST
    fermatas = np.zeros(68, bool)
    fermatas[[19, 67]] = True
    piece = Chorale(grid, upbeat=4, fermatas=fermatas, phrases=(36, 32))
    shorter = without_silent_bars(piece)
    assert shorter.grid.tolist() == np.delete(grid, range(20, 36), axis=1).tolist()
    assert (shorter.upbeat, shorter.phrases) == (4, (20, 32))
    grid[:, :4] = REST
    assert without_silent_bars(Chorale(grid, upbeat=4)).upbeat == 0
    assert without_silent_bars(shorter) is shorter


@pytest.fixture
def few_scores(monkeypatch):
    """Some of the corpus's files: in four parts, among instruments, in five, in .krn; one twice."""
    source, paths = build._scores()
    names = ("180.7", "12.7", "248.64-6", "36.4-2", "281", "227.3")
    chosen = [path for path in paths if path.stem.removeprefix("bwv") in names]
    monkeypatch.setattr(build, "_scores", lambda: (source, [*chosen, chosen[0]]))


def test_what_is_built_is_what_is_committed(tmp_path, few_scores, pieces):
    counts = build_corpus(out=tmp_path, workers=1, progress=False)
    assert counts["files"] == 8 and counts["refused"] == counts["duplicates"] == 1
    assert counts["rounded"] == 6 and counts["silent"] == 548
    by_number = {piece.bwv: piece for piece in pieces}
    built = load_corpus(path=tmp_path / "chorales.npz")
    numbers = ["12.7", "36.4-2", "180.7", "248.64-6", "281", "281-krn"]
    assert [piece.bwv for piece in built] == numbers
    assert all(equal(piece, by_number[piece.bwv]) for piece in built)
    assert built[0].provenance == by_number["12.7"].provenance
    assert [path.name for path in tmp_path.iterdir()] == ["chorales.npz"]


def test_with_the_papers_pieces_the_splits_are_worked_out_anew(tmp_path, few_scores, pieces):
    twin = next(piece for piece in pieces if piece.bwv == "12.7").grid
    jsb = tmp_path / "jsb.npz"
    np.savez(jsb, pitches=twin.T, lengths=np.array([twin.shape[1]]), split=np.array(["valid"]))
    build_corpus(out=tmp_path / "data", jsb=jsb, workers=1, progress=False)
    with (tmp_path / "data" / "splits.csv").open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values())[:3] for row in csv.DictReader(file)]
    assert rows[:3] == [("12.7", "valid", "0"), ("36.4-2", "train", ""), ("180.7", "demo", "")]
    assert [piece.split for piece in load_corpus(path=tmp_path / "data" / "chorales.npz")] == [
        row[1] for row in rows
    ]


def test_a_chorale_that_splits_csv_does_not_know_is_refused(tmp_path, few_scores, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "splits.csv").write_text("bwv,split,jsb,title\n180.7,demo,,\n")
    monkeypatch.setenv("COCONET_HOME", str(tmp_path))
    with pytest.raises(ChoraleError, match=r"no line for BWV 12.7, 36.4-2.*\(5 in all\)"):
        build_corpus(out=tmp_path / "out", workers=1, progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("bwv,split\n1.6,training\n", "line 2: expected a new BWV number and one of train"),
        ("bwv,split\n1.6,train\n1.6,test\n", "line 3: expected a new BWV number"),
        ("number,split\n1.6,train\n", "line 2"),
        ("bwv,split\n\xff", "can't be read"),
    ],
)
def test_bad_splits_are_refused(tmp_path, text, said):
    path = tmp_path / "splits.csv"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(ChoraleError, match=said):
        read_splits(path)
