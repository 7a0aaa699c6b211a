"""The passage of a corpus that is nearest to a passage of a piece.

A model that learned its music by heart would write passages that stand in the
corpus. Passages are compared cell by cell, in the same voices, up to a
transposition that moves all voices alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import crop, transpose
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER, validate_grid

#: Every transposition up to this many semitones either way, the nearest first.
FURTHEST = 12
SHIFTS = sorted(range(-FURTHEST, FURTHEST + 1), key=lambda semitones: (abs(semitones), semitones))


@dataclass(frozen=True)
class Passage:
    """A passage of a piece, and the passage of a corpus that is most like it.

    Attributes
    ----------
    span : half-open pair of steps of the piece
    number : which chorale of the corpus, from 0; bwv, title : its own
    at : half-open pair of steps of that chorale
    semitones : by how much its passage moves to lie over the piece's
    share : of cells that are then equal, 0-1
    """

    span: tuple[int, int]
    number: int
    bwv: str
    title: str
    at: tuple[int, int]
    semitones: int
    share: float

    @property
    def steps(self) -> int:
        return self.span[1] - self.span[0]

    @property
    def distance(self) -> float:
        """Share of cells that differ."""
        return 1 - self.share


def nearest_passage(
    piece: Chorale | np.ndarray, chorales: Sequence[Chorale], *, length: int = 32
) -> Passage:
    """The passage of a corpus with the most cells in common with one of a piece.

    Both passages start on a beat; two rests are equal. Of several as near, the
    one that is transposed least, then the first of the piece, of the corpus.

    Parameters
    ----------
    piece : a chorale, or an int array of shape (4, steps) whose step 0 is on a beat
    chorales : of four voices
    length : steps of the passages, whole beats

    Raises
    ------
    ChoraleError
        For a length of no whole beats, or where the piece or every chorale is shorter.
    """
    if length < STEPS_PER_QUARTER or length % STEPS_PER_QUARTER:
        raise ChoraleError(f"length: expected steps that make whole beats, got {length}")
    grid, first = _grid_of(piece)
    own = _beats(grid, first)
    window = length // STEPS_PER_QUARTER
    if len(own) < window:
        raise ChoraleError(
            f"piece: expected at least {window} whole beats, got {len(own)};"
            " choose a shorter length"
        )
    starts, beats, valid = [], [], []
    for chorale in chorales:
        theirs, offset = _grid_of(chorale)
        cut = _beats(theirs, offset)
        beats.append(cut)
        starts.append(np.arange(len(cut)) * STEPS_PER_QUARTER + offset)
        valid.append(np.arange(len(cut)) + window <= len(cut))
    lengths = [len(cut) for cut in beats]
    if not any(count >= window for count in lengths):
        raise ChoraleError(f"corpus: expected a chorale of {window} whole beats or more")
    corpus = np.concatenate(beats)  # beats, 16 cells
    fits = np.concatenate(valid)[: len(corpus) - window + 1]
    best = (-1, 0, 0, 0)
    for semitones in SHIFTS:
        moved = np.where(own != REST, own - semitones, REST)
        equal = np.array([np.count_nonzero(corpus == beat, axis=1) for beat in moved], np.int32)
        # A passage's cells lie along a diagonal: its k-th beat over the other's k-th beat.
        rows, columns = len(own) - window + 1, len(corpus) - window + 1
        total = sum(equal[k : k + rows, k : k + columns] for k in range(window))
        total = np.where(fits, total, -1)
        here, there = np.unravel_index(np.argmax(total), total.shape)
        if total[here, there] > best[0]:
            best = (int(total[here, there]), int(here), int(there), semitones)
    count, here, there, semitones = best
    number = int(np.searchsorted(np.cumsum(lengths), there, side="right"))
    start = first + here * STEPS_PER_QUARTER
    at = int(np.concatenate(starts)[there])
    return Passage(
        span=(start, start + length),
        number=number,
        bwv=chorales[number].bwv,
        title=chorales[number].title,
        at=(at, at + length),
        semitones=semitones,
        share=count / (4 * length),
    )


def longest_copy(piece: Chorale | np.ndarray, chorales: Sequence[Chorale]) -> Passage | None:
    """The longest passage of a piece that stands in a corpus, note for note.

    It starts and ends at any step. A step at which all voices rest ends it.

    Parameters
    ----------
    piece : a chorale, or an int array of shape (4, steps)
    chorales : of four voices

    Returns
    -------
    Passage with a share of 1, or None where not one step stands there
    """
    grid, _ = _grid_of(piece)
    grids = [_grid_of(chorale)[0] for chorale in chorales]
    if not grids:
        raise ChoraleError("corpus: expected at least one chorale")
    # Between two chorales stands a step that equals no other.
    codes = np.concatenate([np.append(_codes(theirs), -1) for theirs in grids])
    best = (0, 0, 0, 0)
    for semitones in SHIFTS:
        moved = np.where(grid != REST, grid - semitones, REST)
        own = np.where((grid != REST).any(0), _codes(moved), -2)
        run = np.zeros(len(codes) + 1, np.int32)
        for step, code in enumerate(own):
            run[1:] = (run[:-1] + 1) * (codes == code)
            longest = int(run.max())
            if longest > best[0]:
                best = (longest, step + 1, int(run.argmax()), semitones)
    steps, end, there, semitones = best
    if not steps:
        return None
    edges = np.cumsum([0] + [theirs.shape[1] + 1 for theirs in grids])
    number = int(np.searchsorted(edges, there - 1, side="right")) - 1
    at = there - int(edges[number])
    return Passage(
        span=(end - steps, end),
        number=number,
        bwv=chorales[number].bwv,
        title=chorales[number].title,
        at=(at - steps, at),
        semitones=semitones,
        share=1.0,
    )


def above_nearest(
    piece: Chorale, near: Passage, chorales: Sequence[Chorale]
) -> tuple[Chorale, np.ndarray]:
    """A passage of a piece above the one it is nearest to, in the piece's key.

    Parameters
    ----------
    near : as `nearest_passage` or `longest_copy` found it for this piece and corpus

    Returns
    -------
    Chorale of eight voices, the piece's own quartet first; bool array of its shape,
    True in both quartets where they differ
    """
    own = crop(piece, near.span)
    theirs = transpose(crop(chorales[near.number], near.at), near.semitones)
    stacked = own.replace(
        grid=np.vstack([own.grid, theirs.grid]), onsets=np.vstack([own.onsets, theirs.onsets])
    )
    return stacked, np.tile(own.grid != theirs.grid, (2, 1))


def _grid_of(piece: Chorale | np.ndarray) -> tuple[np.ndarray, int]:
    """A grid of four voices, and its first beat."""
    known = isinstance(piece, Chorale)
    grid = validate_grid(piece.grid if known else piece, voices=4, name="piece").astype(np.int32)
    return grid, piece.upbeat % STEPS_PER_QUARTER if known else 0


def _beats(grid: np.ndarray, first: int) -> np.ndarray:
    """Whole beats, shape=(beats, 16): the cells of each in a row."""
    count = max(0, grid.shape[1] - first) // STEPS_PER_QUARTER
    cut = grid[:, first : first + count * STEPS_PER_QUARTER]
    return cut.reshape(4, count, STEPS_PER_QUARTER).transpose(1, 0, 2).reshape(count, -1)


def _codes(grid: np.ndarray) -> np.ndarray:
    """One number a step, equal where all four voices are; int64, shape=(steps,)."""
    return np.array([1 << 30, 1 << 20, 1 << 10, 1]) @ (grid.astype(np.int64) + FURTHEST)
