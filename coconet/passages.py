"""The passage of a corpus that is nearest to a passage of a piece.

A model that learned its music by heart would write passages that stand in the
corpus. Passages are compared cell by cell, in the same voices, or by their harmony
in whichever voices, up to a transposition that moves all voices alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import crop, transpose
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER, validate_grid

#: Every transposition up to this many semitones either way, the nearest first.
FURTHEST = 12
SHIFTS = sorted(range(-FURTHEST, FURTHEST + 1), key=lambda semitones: (abs(semitones), semitones))
#: Every transposition of pitch classes, the nearest first.
TURNS = sorted(range(-6, 6), key=lambda semitones: (abs(semitones), semitones))
#: How many steps of a beat a pitch class can sound.
LEVELS = np.arange(1, STEPS_PER_QUARTER + 1)


@dataclass(frozen=True)
class Passage:
    """A passage of a piece, and the passage of a corpus that is most like it.

    Attributes
    ----------
    span : half-open pair of steps of the piece
    number : which chorale of the corpus, from 0; bwv, title : its own
    at : half-open pair of steps of that chorale
    semitones : by how much its passage moves to lie over the piece's
    share : of its cells that are then equal, or of its harmony, 0-1
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
        """Share of cells that differ, or of the harmony."""
        return 1 - self.share


class Beats:
    """The beats of a corpus, cut and checked once for many searches.

    chorales : of four voices
    first : where the first beat of each begins; lengths : how many whole beats it has
    beats : int32 array, shape=(beats, 4, 4): voices, steps of each, all chorales in a row
    """

    def __init__(self, chorales: Sequence[Chorale]) -> None:
        grids, self.first = zip(*map(_grid_of, chorales), strict=True) if chorales else ((), ())
        cut = [_beats(grid, first) for grid, first in zip(grids, self.first, strict=True)]
        self.chorales = chorales
        self.lengths = [len(beats) for beats in cut]
        self.beats = np.concatenate([np.zeros((0, 4, STEPS_PER_QUARTER), np.int32), *cut])

    @classmethod
    def of(cls, corpus: Sequence[Chorale] | Beats) -> Beats:
        return corpus if isinstance(corpus, Beats) else cls(corpus)

    @cached_property
    def cells(self) -> np.ndarray:
        return _cells(self.beats)

    @cached_property
    def harmonies(self) -> np.ndarray:
        return _harmonies(self.beats)


def nearest_passage(
    piece: Chorale | np.ndarray, chorales: Sequence[Chorale] | Beats, *, length: int = 32
) -> Passage:
    """The passage of a corpus with the most cells in common with one of a piece.

    Both passages start on a beat; two rests are equal. Of several as near, the
    one that is transposed least, then the first of the piece, of the corpus.

    Parameters
    ----------
    piece : a chorale, or an int array of shape (4, steps) whose step 0 is on a beat
    chorales : of four voices, or their `Beats`, which spare many searches much of the work
    length : steps of the passages, whole beats

    Raises
    ------
    ChoraleError
        For a length of no whole beats, or where the piece or every chorale is shorter.
    """

    def equal_cells(own: np.ndarray, corpus: np.ndarray, semitones: int) -> np.ndarray:
        moved = np.where(own != REST, own - semitones, REST)
        equal = [(beat[:, None] == corpus.T).view(np.uint8).sum(0, np.uint8) for beat in moved]
        return np.array(equal) / np.float32(own.shape[1])

    corpus = Beats.of(chorales)
    return _nearest(piece, corpus, length, _cells, corpus.cells, equal_cells, SHIFTS)


def nearest_harmony(
    piece: Chorale | np.ndarray, chorales: Sequence[Chorale] | Beats, *, length: int = 32
) -> Passage:
    """The passage of a corpus whose harmony is most like that of one of a piece.

    A beat's harmony is how many of its steps each pitch class sounds, in whichever
    voice, and how many it is the lowest that sounds: 24 numbers of 0-4. What two
    beats share is the sum of the lesser ones over the sum of the greater ones
    (Ruzicka's form of the Jaccard index), 1 for two silent beats; a passage's share
    is its beats' mean, its distance 1 less that. So a chord and its first inversion,
    a beat long, share three fifths; the same chords in other voices share all.

    Both passages start on a beat. Of several as near, the one that is transposed
    least, then the first of the piece, of the corpus.

    Parameters
    ----------
    piece : a chorale, or an int array of shape (4, steps) whose step 0 is on a beat
    chorales : of four voices, or their `Beats`, which spare many searches much of the work
    length : steps of the passages, whole beats

    Raises
    ------
    ChoraleError
        For a length of no whole beats, or where the piece or every chorale is shorter.
    """

    def shared(own: np.ndarray, corpus: np.ndarray, semitones: int) -> np.ndarray:
        moved = np.roll(own.reshape(-1, 2, 12, len(LEVELS)), -semitones, axis=2)
        moved = moved.reshape(own.shape)
        least = moved @ corpus.T
        most = moved.sum(1)[:, None] + corpus.sum(1) - least
        return np.divide(least, most, out=np.ones_like(least), where=most > 0)

    corpus = Beats.of(chorales)
    return _nearest(piece, corpus, length, _harmonies, corpus.harmonies, shared, TURNS)


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
    near : as `nearest_passage`, `nearest_harmony` or `longest_copy` found it for this
        piece and corpus

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


def _nearest(
    piece: Chorale | np.ndarray,
    corpus: Beats,
    length: int,
    of_beats: Callable[[np.ndarray], np.ndarray],
    theirs: np.ndarray,
    likeness: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
    shifts: Sequence[int],
) -> Passage:
    """The nearest passage, whatever of their beats is compared.

    of_beats : from beats, shape=(beats, 4, 4), to what is compared, shape=(beats, features)
    theirs : what it makes of the corpus's beats
    likeness : of the piece's beats, shape=(own, features), and the corpus's moved by some
        semitones, shape=(theirs, features): 0-1, shape=(own, theirs)
    shifts : semitones that are tried, the preferred first
    """
    if length < STEPS_PER_QUARTER or length % STEPS_PER_QUARTER:
        raise ChoraleError(f"length: expected steps that make whole beats, got {length}")
    grid, first = _grid_of(piece)
    own = of_beats(_beats(grid, first))
    window = length // STEPS_PER_QUARTER
    if len(own) < window:
        raise ChoraleError(
            f"piece: expected at least {window} whole beats, got {len(own)};"
            " choose a shorter length"
        )
    if not any(count >= window for count in corpus.lengths):
        raise ChoraleError(f"corpus: expected a chorale of {window} whole beats or more")
    fits = np.concatenate([np.arange(count) + window <= count for count in corpus.lengths])
    rows, columns = len(own) - window + 1, len(theirs) - window + 1
    best = (-1.0, 0, 0, 0)
    for semitones in shifts:
        alike = likeness(own, theirs, semitones)
        # A passage's beats lie along a diagonal: its k-th over the other's k-th.
        total = sum(alike[k : k + rows, k : k + columns] for k in range(window))
        total = np.where(fits[:columns], total, -1)
        here, there = np.unravel_index(np.argmax(total), total.shape)
        if total[here, there] > best[0]:
            best = (float(total[here, there]), int(here), int(there), semitones)
    total, here, there, semitones = best
    ends = np.cumsum(corpus.lengths)
    number = int(np.searchsorted(ends, there, side="right"))
    beat = there - int(ends[number]) + corpus.lengths[number]
    start = first + here * STEPS_PER_QUARTER
    at = corpus.first[number] + beat * STEPS_PER_QUARTER
    return Passage(
        span=(start, start + length),
        number=number,
        bwv=corpus.chorales[number].bwv,
        title=corpus.chorales[number].title,
        at=(at, at + length),
        semitones=semitones,
        share=total / window,
    )


def _grid_of(piece: Chorale | np.ndarray) -> tuple[np.ndarray, int]:
    """A grid of four voices, and its first beat."""
    known = isinstance(piece, Chorale)
    grid = validate_grid(piece.grid if known else piece, voices=4, name="piece").astype(np.int32)
    return grid, piece.upbeat % STEPS_PER_QUARTER if known else 0


def _beats(grid: np.ndarray, first: int) -> np.ndarray:
    """Whole beats, shape=(beats, 4, 4): voices, steps of each."""
    count = max(0, grid.shape[1] - first) // STEPS_PER_QUARTER
    cut = grid[:, first : first + count * STEPS_PER_QUARTER]
    return cut.reshape(4, count, STEPS_PER_QUARTER).transpose(1, 0, 2)


def _cells(beats: np.ndarray) -> np.ndarray:
    """The cells of each beat in a row, int16, shape=(beats, 16); a cell's column lies in one."""
    return np.asfortranarray(beats.reshape(len(beats), 4 * STEPS_PER_QUARTER), np.int16)


def _harmonies(beats: np.ndarray) -> np.ndarray:
    """Steps that each pitch class sounds, and that it is the lowest, as marks.

    A number n of 0-4 is four marks, the first n of them 1: the product of two rows is
    then the sum of the lesser numbers.

    Returns
    -------
    float32 array, shape=(beats, 96)
    """
    sounding = beats != REST
    classes = (beats % 12)[..., None] == np.arange(12)
    heard = (classes & sounding[..., None]).any(1).sum(1)
    lowest = np.where(sounding, beats, 128).min(1)
    bass = ((lowest % 12)[..., None] == np.arange(12)) & (lowest < 128)[..., None]
    marks = np.stack([heard, bass.sum(1)], axis=1)[..., None] >= LEVELS
    return marks.reshape(len(beats), 2 * 12 * len(LEVELS)).astype(np.float32)


def _codes(grid: np.ndarray) -> np.ndarray:
    """One number a step, equal where all four voices are; int64, shape=(steps,)."""
    return np.array([1 << 30, 1 << 20, 1 << 10, 1]) @ (grid.astype(np.int64) + FURTHEST)
