"""Harmonisations: found as a slow search finds them, and kept on one side."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from coconet import places, splits
from coconet.chorale import Chorale
from coconet.corpus import load_corpus, load_jsb
from coconet.grid import REST
from coconet.splits import Assignment, assign_splits, leaks, same_harmonisation

JSB = places.root().parent / "shared" / "data" / "jsb.npz"


def random_grid(rng, steps, low=55):
    """Four voices of unrelated pitches, a new chord at each step."""
    return rng.integers(low, low + 20, (4, steps))


# ------------------------------------------------------------ the same harmonisation


def slow_same(one, two, run=splits.RUN, seed=splits.SEED):
    """The definition, spelt out: every lag, every key, and both readings of silent steps."""

    def held(grid):
        columns = []
        for column in grid.T:
            if column.any():
                columns.append(column)
            elif columns:
                columns.append(columns[-1])
        while columns and not grid[:, -1].any():
            grid = grid[:, :-1]
            columns.pop()
        return columns

    for a, b in (
        (held(one), held(two)),
        ([c for c in one.T if c.any()], [c for c in two.T if c.any()]),
    ):
        half = (min(len(a), len(b)) + 1) // 2
        for lag in range(-len(b) + 1, len(a)):
            for shift in range(-13, 14):
                total = current = longest = 0
                for step in range(max(0, lag), min(len(a), len(b) + lag)):
                    moved = [pitch + shift if pitch else REST for pitch in b[step - lag]]
                    if list(a[step]) == moved:
                        current += 1
                        total += 1
                    else:
                        current = 0
                    longest = max(longest, current)
                if half and (longest >= min(run, half) or (longest >= seed and total >= half)):
                    return True
    return False


@pytest.mark.parametrize("case", range(8))
def test_the_fast_search_finds_what_the_slow_one_finds(case, monkeypatch):
    monkeypatch.setattr(splits, "RUN", 6)
    monkeypatch.setattr(splits, "SEED", 3)
    rng = np.random.default_rng(case)
    grids = []
    for _ in range(7):
        # Few pitches, so that stretches agree by chance; few sources, so that they agree by design.
        grid = rng.integers(60, 62, (4, rng.integers(3, 22)))
        grid[rng.random(grid.shape) < 0.07] = REST
        if grids:
            source = grids[rng.integers(len(grids))]
            start = rng.integers(source.shape[1])
            piece = source[:, start : start + rng.integers(4, 12)]
            moved = np.where(piece, piece + rng.choice([-2, 2]), REST)
            grid = np.concatenate([grid[:, :6], moved, grid[:, 6:]], axis=1)
        grid[:, rng.random(grid.shape[1]) < 0.07] = REST
        grids.append(grid)
    expected = [
        (i, j) for j in range(7) for i in range(j) if slow_same(grids[i], grids[j], run=6, seed=3)
    ]
    assert same_harmonisation(grids) == sorted(expected)
    assert 0 < len(expected) < 21


def spliced(equal, *, shift=0, breath=(), parts=1):
    """Two pieces of 100 steps that share `equal` steps, in `parts` stretches."""
    rng = np.random.default_rng(equal)
    one = random_grid(rng, 100)
    two = random_grid(rng, 100, low=90)
    for part in range(parts):
        at = 5 + part * (90 // parts)
        two[:, at : at + equal // parts] = one[:, at : at + equal // parts] + shift
    two[:, list(breath)] = REST
    return one, two


@pytest.mark.parametrize(
    ("pieces", "same"),
    [
        (spliced(32), True),
        (spliced(31), False),
        (spliced(32, shift=-7), True),
        (spliced(50, parts=2), True),
        (spliced(48, parts=2), False),
        (spliced(60, parts=5), False),
        (spliced(56, breath=(30, 31)), True),
        (spliced(32, breath=range(40, 80)), True),
        (tuple(grid[:, 3:43] for grid in spliced(20)), True),
        (tuple(grid[:, 3:43] for grid in spliced(19)), False),
        ((np.zeros((4, 40), int), np.zeros((4, 40), int)), False),
    ],
    ids=[
        "32 steps",
        "31 steps",
        "another key",
        "half in two stretches",
        "less than half in two stretches",
        "more than half in short stretches",
        "a breath within",
        "a long rest after",
        "half of a short piece",
        "less than half of a short piece",
        "silence",
    ],
)
def test_what_makes_the_same_harmonisation(pieces, same):
    assert same_harmonisation(pieces) == ([(0, 1)] if same else [])


def test_a_tune_alone_is_not_a_harmonisation():
    one, two = spliced(0)
    two[0] = one[0]
    assert same_harmonisation([one, two]) == []
    assert same_harmonisation([one, np.concatenate([one[:3], two[3:]])]) == []


# ------------------------------------------------------------ assignment


def test_a_group_takes_the_strictest_split_through_any_number_of_steps():
    rng = np.random.default_rng(0)
    a, b, c, d, e, f = (random_grid(rng, 80, low=40 + 8 * n) for n in range(6))
    bridge = np.concatenate([a[:, :40], b[:, :40]], 1)
    show, relative = c, np.concatenate([c[:, :40], random_grid(rng, 60)], 1)
    corpus = [
        Chorale(grid, bwv=bwv)
        for grid, bwv in (
            (a, "1"),
            (bridge, "2"),
            (b + 1, "3"),
            (show, "373"),
            (relative, "5"),
            (d, "6"),
            (e, "7"),
            (f, "8"),
        )
    ]
    jsb = [
        Chorale(grid, split=split)
        for grid, split in ((a - 2, "valid"), (b, "test"), (d, "train"), (e, "train"), (e, "valid"))
    ]
    assert assign_splits(corpus, jsb) == [
        Assignment("test", (0,)),
        Assignment("test", (0, 1)),
        Assignment("test", (1,)),
        Assignment("demo", ()),
        Assignment("demo", ()),
        Assignment("train", (2,)),
        Assignment("valid", (3, 4)),
        Assignment("train", ()),
    ]


# ------------------------------------------------------------ the committed corpus


@pytest.fixture(scope="module")
def pieces():
    return load_corpus()


def test_no_harmonisation_of_train_stands_in_the_other_splits(pieces):
    train = [piece.grid for piece in pieces if piece.split == "train"]
    others = [piece.grid for piece in pieces if piece.split != "train"]
    assert leaks(train, others) == []
    # The search would have found one: a test piece in another key, its middle rewritten.
    smuggled = others[7] + 2 * (others[7] > 0)
    smuggled[:, 40:60] = 60
    found = leaks([*train, smuggled], others)
    assert (len(train), 7) in found and {i for i, _ in found} == {len(train)}


@pytest.mark.skipif(not JSB.exists(), reason="the paper's pieces are not here")
def test_the_committed_splits_are_those_of_the_papers_pieces(pieces):
    jsb = load_jsb(JSB)
    path = places.data() / "splits.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["bwv"]: row for row in csv.DictReader(file)}
    found = assign_splits(pieces, jsb)
    for piece, (split, twins) in zip(pieces, found, strict=True):
        row = rows[piece.bwv]
        assert (row["split"], row["jsb"]) == (split, " ".join(map(str, twins))), piece.bwv
        assert piece.split == split
    held_out = [piece.grid for piece in jsb if piece.split != "train"]
    assert leaks([piece.grid for piece in pieces if piece.split == "train"], held_out) == []
    twinned = {number for assignment in found for number in assignment.twins}
    assert len(twinned) > 370 and {n for n, p in enumerate(jsb) if p.split == "test"} <= twinned
