"""Train, valid, test and demo: which chorale is which, so that nothing leaks.

The paper (Huang et al. 2017) measures itself on the 382 chorales of JSB
(Boulanger-Lewandowski et al. 2012) and their fixed split. The corpus holds
most of the same music, in other keys and with other rests; this module finds
what is the same **harmonisation** and keeps it on one side.

Two pieces are the same harmonisation if, laid over one another at some step
and in some key, they are equal in all four voices for 32 consecutive steps (or
for half of the shorter piece), or for 16 consecutive steps and half of the
shorter piece altogether. Editions differ in the breath after a fermata, so a
step in which every voice rests is tried both left out and as the chord before
it held on. The melody alone says nothing: many chorales share a tune.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from coconet.chorale import Chorale
from coconet.grid import REST

SPLITS = ("train", "valid", "test", "demo")
#: BWV numbers of the pieces that users meet first; never trained on.
SHOWPIECES = ("180.7", "140.7", "244.3", "373")
#: Consecutive equal steps that alone make the same harmonisation.
RUN = 32
#: Consecutive equal steps that do so if half of the shorter piece is equal too.
SEED = 16


class Assignment(NamedTuple):
    """The split of one chorale, and the paper's pieces that are the same harmonisation."""

    split: str
    twins: tuple[int, ...]
    """Their numbers in JSB, ascending."""


def assign_splits(chorales: Sequence[Chorale], jsb: Sequence[Chorale]) -> list[Assignment]:
    """Give each chorale a split, such that no harmonisation stands on two sides.

    The showpieces are `demo`. Everything else is grouped with whatever is the
    same harmonisation, through any number of steps and across both
    collections, and takes the strictest split that its group knows: test, then
    valid, then demo (a showpiece's relative is not trained on either), and
    train if there is nothing else.

    Parameters
    ----------
    chorales : the corpus, each with its `bwv`
    jsb : the paper's pieces, each with its `split`, from `corpus.load_jsb`

    Returns
    -------
    one Assignment for each chorale, in order
    """
    count = len(chorales)
    pairs = same_harmonisation([piece.grid for piece in (*chorales, *jsb)])
    groups = groups_of(count + len(jsb), pairs)
    own = ["demo" if chorale.bwv in SHOWPIECES else "train" for chorale in chorales]
    known: dict[int, set[str | None]] = {}
    for group, split in zip(groups, [*own, *(piece.split for piece in jsb)], strict=True):
        known.setdefault(group, set()).add(split)
    twins: list[list[int]] = [[] for _ in chorales]
    for i, j in pairs:
        if i < count <= j:
            twins[i].append(j - count)
    strictest = ("test", "valid", "demo", "train")
    return [
        Assignment(
            "demo" if own[i] == "demo" else next(s for s in strictest if s in known[groups[i]]),
            tuple(twins[i]),
        )
        for i in range(count)
    ]


def leaks(train: Sequence[np.ndarray], held_out: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs (i, j) such that train[i] is the same harmonisation as held_out[j].

    Parameters
    ----------
    train, held_out : int arrays, each of shape=(4, steps)
    """
    count = len(train)
    pairs = same_harmonisation([*train, *held_out])
    return [(i, j - count) for i, j in pairs if i < count <= j]


def same_harmonisation(grids: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """All pairs (i, j), i < j, of grids that are the same harmonisation.

    Every stretch of 16 steps is looked up by its fingerprint; where two pieces
    share one, they are compared in full in the alignment that it gives.

    Parameters
    ----------
    grids : int arrays, each of shape=(4, steps)
    """
    dropped = [np.asarray(grid)[:, (np.asarray(grid) != REST).any(0)] for grid in grids]
    held = [_hold(np.asarray(grid)) for grid in grids]
    return sorted(_same(dropped) | _same(held))


def groups_of(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` pieces the lowest number that pairs connect it with.

    >>> groups_of(5, [(0, 2), (2, 4)])
    [0, 1, 0, 3, 0]
    """
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for i, j in pairs:
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    return [root(number) for number in range(count)]


def fingerprints(grid: np.ndarray, window: int) -> np.ndarray:
    """What each stretch of `window` steps is like, whatever its key.

    The pitches of a stretch count from its first sounding cell, step by step
    and in each step from the soprano down; rests stay rests.

    Parameters
    ----------
    grid : int array, shape=(voices, steps)

    Returns
    -------
    array, shape=(steps - window + 1,) or empty, dtype void: equal bytes where
    two stretches are equal up to transposition
    """
    voices, steps = grid.shape
    if steps < window:
        return np.empty(0, f"V{voices * window}")
    cells = np.lib.stride_tricks.sliding_window_view(grid.T.astype(np.int8), window, axis=0)
    cells = cells.transpose(0, 2, 1).reshape(-1, window * voices)
    heard = cells != REST
    first = np.take_along_axis(cells, heard.argmax(1)[:, None], axis=1)
    relative = np.where(heard, cells - first, np.int8(-128))
    return np.ascontiguousarray(relative).view(f"V{voices * window}")[:, 0]


def _hold(grid: np.ndarray) -> np.ndarray:
    """The grid with silent steps as the chord before them, and none at its ends."""
    heard = np.flatnonzero((grid != REST).any(0))
    if not len(heard):
        return grid[:, :0]
    steps = np.arange(heard[0], heard[-1] + 1)
    return grid[:, heard[np.searchsorted(heard, steps, side="right") - 1]]


def _same(grids: Sequence[np.ndarray]) -> set[tuple[int, int]]:
    """Pairs of grids, without silent steps, that are the same harmonisation."""
    halves = [-(-grid.shape[1] // 2) for grid in grids]
    found: set[tuple[int, int]] = set()
    for window in {min(SEED, half) for half in halves if half}:
        for i, j, lag in _alignments(grids, window):
            half = min(halves[i], halves[j])
            if (i, j) in found or min(SEED, half) != window:
                continue
            for equal, run in _agreements(grids[i], grids[j], lag):
                if run >= min(RUN, half) or (run >= SEED and equal >= half):
                    found.add((i, j))
    return found


def _alignments(grids: Sequence[np.ndarray], window: int) -> set[tuple[int, int, int]]:
    """(i, j, lag), i < j: step t of grid i and t - lag of grid j begin equal stretches."""
    places: dict[bytes, list[tuple[int, int]]] = {}
    for number, grid in enumerate(grids):
        for step, mark in enumerate(fingerprints(grid, window)):
            places.setdefault(mark.tobytes(), []).append((number, step))
    return {
        (i, j, at - other)
        for group in places.values()
        for i, at in group
        for j, other in group
        if i < j
    }


def _agreements(one: np.ndarray, two: np.ndarray, lag: int) -> Iterator[tuple[int, int]]:
    """For each key: how many steps are equal in all voices, and the longest run of them."""
    start, end = max(0, lag), min(one.shape[1], two.shape[1] + lag)
    upper, lower = one[:, start:end].astype(int), two[:, start - lag : end - lag].astype(int)
    notes = (upper != REST) & (lower != REST)
    rests = (upper == REST) & (lower == REST)
    shifts = np.where(notes, upper - lower, -1000).max(0)
    equal = (rests | (notes & (upper - lower == shifts))).all(0) & notes.any(0)
    for shift in np.unique(shifts[equal]):
        same = equal & (shifts == shift)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], same, [0]])))
        yield int(same.sum()), int((edges[1::2] - edges[::2]).max())
