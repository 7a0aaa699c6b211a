"""What a chorale is like, in numbers, beside Bach's.

Conventions
-----------
A **metric** is a rate: what is counted over what it is counted among, each
summed over all pieces of a set before one is divided by the other, so that long
pieces weigh more and an empty count divides nothing. Its error is the standard
deviation over sets drawn anew from the same pieces (bootstrap). Stacked
quartets are counted one by one; a pair of voices never spans two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.endings import ends_on_tonic, key_before_the_end
from coconet.errors import ChoraleError
from coconet.grid import RANGES, REST, STEPS_PER_QUARTER, validate_grid
from coconet.theory import dissonant_pairs, moving_pairs, parallels, sounding_pairs

Piece = Chorale | np.ndarray
#: Major, minor, diminished and augmented triads, as semitones above their root.
TRIADS = ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8))
#: Semitones: a step at most; a fourth; a fifth; an octave.
STEP, FOURTH, FIFTH, OCTAVE = 2, 5, 7, 12
#: How many bootstrap errors on either side still count as Bach's.
WIDTH = 1.96


# ---------------------------------------------------------------- one quartet


class Quartet:
    """Four voices, and what several metrics need of them, worked out once.

    Parameters
    ----------
    grid : int array, shape=(4, steps)
    beat : steps before the first beat
    """

    def __init__(self, grid: np.ndarray, beat: int = 0) -> None:
        self.grid = grid
        self.beat = beat

    @cached_property
    def sounding(self) -> np.ndarray:
        """bool, shape=(4, steps)."""
        return self.grid != REST

    @cached_property
    def neighbours(self) -> np.ndarray:
        """bool, shape=(4, steps - 1): the voice sounds at this step and the next."""
        return self.sounding[:, 1:] & self.sounding[:, :-1]

    @cached_property
    def motion(self) -> np.ndarray:
        """int, shape=(4, steps - 1): semitones into the next step; 0 beside rests."""
        return np.diff(self.grid.astype(int), axis=1) * self.neighbours

    @cached_property
    def full(self) -> np.ndarray:
        """bool, shape=(steps,): all four voices sound."""
        return self.sounding.all(0)

    @cached_property
    def moving(self) -> int:
        return int(moving_pairs(self.grid).sum())

    @cached_property
    def pairs(self) -> np.ndarray:
        """bool, shape=(6, steps): both voices of the pair sound."""
        return sounding_pairs(self.grid)


def _triad_table() -> np.ndarray:
    """bool, shape=(4096,): sets of pitch classes, as bits, that fit a triad."""
    sets = np.arange(4096)
    fits = np.zeros(4096, bool)
    for root in range(12):
        for triad in TRIADS:
            chord = sum(1 << (root + degree) % 12 for degree in triad)
            fits |= (sets & ~chord) == 0
    return fits & (np.bitwise_count(sets) >= 2)


IS_TRIAD = _triad_table()


def _hold(q: Quartet) -> tuple[int, int]:
    return (q.neighbours & (q.motion == 0)).sum(), q.neighbours.sum()


def _onsets(q: Quartet) -> tuple[int, int]:
    begins = (q.grid[:, 1:] != q.grid[:, :-1]) & q.sounding[:, 1:]
    return begins.sum(), q.grid.shape[1]


def _triads(q: Quartet) -> tuple[int, int]:
    enough = q.sounding.sum(0) >= 3
    classes = np.bitwise_or.reduce((1 << (q.grid.astype(int) % 12)) * q.sounding, axis=0)
    return (IS_TRIAD[classes] & enough).sum(), enough.sum()


def _dissonant(q: Quartet) -> tuple[int, int]:
    return dissonant_pairs(q.grid).sum(), q.pairs.sum()


def _order(q: Quartet) -> tuple[int, int]:
    ordered = (np.diff(q.grid.astype(int), axis=0) <= 0).all(0)
    return (ordered & q.full).sum(), q.full.sum()


def _moving(q: Quartet) -> tuple[int, int]:
    return q.moving, (q.pairs[:, 1:] & q.pairs[:, :-1]).sum()


def _parallel(interval: int) -> Callable[[Quartet], tuple[int, int]]:
    return lambda q: (parallels(q.grid, interval).sum(), q.moving)


def _beyond(q: Quartet) -> tuple[int, int]:
    low, high = np.array(RANGES).T[:, :, None]
    beyond = (q.grid < low) | (q.grid > high)
    return (beyond & q.sounding).sum(), q.sounding.sum()


def _crossed(upper: int) -> Callable[[Quartet], tuple[int, int]]:
    def count(q: Quartet) -> tuple[int, int]:
        both = q.sounding[upper] & q.sounding[upper + 1]
        return (both & (q.grid[upper] < q.grid[upper + 1])).sum(), both.sum()

    return count


def _spacing(q: Quartet) -> tuple[int, int]:
    both = q.sounding[:2] & q.sounding[1:3]
    wide = both & (q.grid[:2] - q.grid[1:3] > OCTAVE)
    return wide.any(0).sum(), both.any(0).sum()


def _leaps(q: Quartet) -> tuple[int, int]:
    return (abs(q.motion) > FIFTH).sum(), (q.motion != 0).sum()


def _resolved(q: Quartet) -> tuple[int, int]:
    motion = q.motion[:3]
    voice, step = np.nonzero(motion)
    size = motion[voice, step]
    rests = np.cumsum(~q.sounding, axis=1)[voice, step + 1]
    followed = (voice[1:] == voice[:-1]) & (rests[1:] == rests[:-1])
    leaps = followed & (abs(size[:-1]) > FOURTH)
    back = (abs(size[1:]) <= STEP) & (np.sign(size[1:]) == -np.sign(size[:-1]))
    return (leaps & back).sum(), leaps.sum()


def _repeated(q: Quartet) -> tuple[int, int]:
    beats = slice(q.beat, None, STEPS_PER_QUARTER)
    chords, full = q.grid[:, beats], q.full[beats]
    again = (chords[:, 1:] == chords[:, :-1]).all(0)
    both = full[1:] & full[:-1]
    return (again & both).sum(), both.sum()


def _ending(q: Quartet) -> tuple[int, int]:
    key = key_before_the_end(q.grid)
    return (0, 0) if key is None else (ends_on_tonic(q.grid, *key), 1)


# ---------------------------------------------------------------- the table of metrics


@dataclass(frozen=True)
class Metric:
    """One column: its name, how it is counted, and in which unit it is told.

    Attributes
    ----------
    name : the column's heading
    unit : what the printed number is
    counted : what is counted, in a sentence
    count : of one quartet, the numerator and the denominator
    scale : the printed number is scale · numerator / denominator
    """

    name: str
    unit: str
    counted: str
    count: Callable[[Quartet], tuple[int, int]]
    scale: float = 1.0


METRICS = (
    Metric("hold", "share", "neighbouring sounding steps of a voice with the same pitch", _hold),
    Metric("onsets", "a step", "notes of a new pitch after the first step, all voices", _onsets),
    Metric("triads", "share", "steps with 3 or 4 voices that fit a triad of any kind", _triads),
    Metric("dissonant", "share", "sounding pairs of voices at 1, 2, 6, 10, 11 mod 12", _dissonant),
    Metric("order", "share", "full steps with S ≥ A ≥ T ≥ B", _order),
    Metric(
        "moving",
        "share",
        "pairs of voices sounding at two steps in a row that both change",
        _moving,
    ),
    Metric("fifths", "per 1000", "moving pairs in parallel fifths", _parallel(7), 1000),
    Metric("octaves", "per 1000", "moving pairs in parallel octaves, unisons", _parallel(0), 1000),
    Metric("beyond", "share", "sounding cells beyond their voice's range", _beyond),
    Metric("cross SA", "share", "steps with the alto above the soprano", _crossed(0)),
    Metric("cross AT", "share", "steps with the tenor above the alto", _crossed(1)),
    Metric("cross TB", "share", "steps with the bass above the tenor", _crossed(2)),
    Metric(
        "spacing", "share", "steps with more than an octave between S and A or A and T", _spacing
    ),
    Metric("leaps", "share", "changes of pitch in a voice by more than a fifth", _leaps),
    Metric(
        "resolved",
        "share",
        "leaps of S, A, T by more than a fourth that turn back by step at the next change",
        _resolved,
    ),
    Metric("repeated", "share", "full beats whose chord is that of the beat before", _repeated),
    Metric(
        "ending",
        "share",
        "pieces that end on the tonic triad of the key heard before the last bass note",
        _ending,
    ),
)
NAMES = tuple(metric.name for metric in METRICS)
_SCALES = np.array([metric.scale for metric in METRICS])


@dataclass(frozen=True, eq=False)
class Row:
    """A set of pieces in numbers.

    Attributes
    ----------
    name : of the set
    counts : int array, shape=(pieces, metrics, 2): numerators and denominators
    values : float array, shape=(metrics,): in the order of `METRICS`, scaled;
        NaN where there was nothing to count among
    errors : float array, shape=(metrics,): bootstrap errors of the values; NaN
        for one piece, or where no generator was given
    """

    name: str
    counts: np.ndarray
    values: np.ndarray
    errors: np.ndarray

    @property
    def pieces(self) -> int:
        return len(self.counts)

    def value(self, name: str) -> float:
        """The value of one metric; raises ChoraleError for an unknown name."""
        return float(self.values[_column(name)])

    def error(self, name: str) -> float:
        """The error of one metric; raises ChoraleError for an unknown name."""
        return float(self.errors[_column(name)])


def count_metrics(pieces: Iterable[Piece]) -> np.ndarray:
    """Every metric of every piece, as numerators and denominators.

    Parameters
    ----------
    pieces : chorales, or int arrays of shape (4·k, steps), whose step 0 is on a beat

    Returns
    -------
    int array, shape=(pieces, metrics, 2)

    Raises
    ------
    ChoraleError
        For a piece that is no grid of four voices or of stacked quartets.
    """
    counts = [
        np.sum([[metric.count(q) for metric in METRICS] for q in quartets_of(piece, n)], axis=0)
        for n, piece in enumerate(pieces)
    ]
    return np.array(counts, dtype=np.int64).reshape(-1, len(METRICS), 2)


def rates(counts: np.ndarray) -> np.ndarray:
    """Scaled numerators over denominators, shape=(..., metrics); NaN where nothing counts."""
    above, below = counts[..., 0], counts[..., 1]
    return _SCALES * np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def battery(
    pieces: Iterable[Piece],
    *,
    name: str = "",
    rng: np.random.Generator | None = None,
    resamples: int = 1000,
) -> Row:
    """All metrics of a set of pieces, with bootstrap errors over pieces.

    Parameters
    ----------
    pieces : chorales or grids, as for `count_metrics`
    rng : for the bootstrap; without it there are no errors
    resamples : sets drawn anew for the errors

    Raises
    ------
    ChoraleError
        Where there is no piece, or one is no grid of four voices.
    """
    counts = count_metrics(pieces)
    return row_of(counts, name=name, rng=rng, resamples=resamples)


def row_of(
    counts: np.ndarray,
    *,
    name: str = "",
    rng: np.random.Generator | None = None,
    resamples: int = 1000,
) -> Row:
    """The row of a set whose pieces are counted already; see `battery`."""
    pieces = len(counts)
    if not pieces:
        raise ChoraleError(f"{name or 'battery'}: expected at least one piece")
    errors = np.full(len(METRICS), np.nan)
    if rng is not None and pieces > 1:
        drawn = rng.multinomial(pieces, np.full(pieces, 1 / pieces), size=resamples)
        anew = rates(np.tensordot(drawn, counts, axes=1))
        # A set in which there is nothing to count says nothing about the spread.
        some = np.isfinite(anew)
        mean = np.where(some, anew, 0).sum(0) / np.maximum(some.sum(0), 1)
        square = np.where(some, anew - mean, 0) ** 2
        errors = np.sqrt(square.sum(0) / np.maximum(some.sum(0), 1))
        errors[~some.any(0)] = np.nan
    return Row(name, counts, rates(counts.sum(0)), errors)


def bach_rows(*, rng: np.random.Generator | None = None, resamples: int = 1000) -> list[Row]:
    """Bach's own rows: the corpus's train, valid and test splits."""
    return [
        battery(load_corpus(split), name=f"Bach, {split}", rng=rng, resamples=resamples)
        for split in ("train", "valid", "test")
    ]


def bach_spread(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """From where to where each metric is Bach's.

    The lowest and the highest value of his rows, each widened by 1.96 of its own
    bootstrap errors.

    Returns
    -------
    two float arrays, shape=(metrics,)
    """
    if not rows:
        raise ChoraleError("expected at least one row of Bach's")
    values = np.array([row.values for row in rows])
    widths = WIDTH * np.nan_to_num([row.errors for row in rows])
    lowest, highest = values.argmin(0), values.argmax(0)
    column = np.arange(values.shape[1])
    low = values[lowest, column] - widths[lowest, column]
    return low, values[highest, column] + widths[highest, column]


def within_bach(row: Row, rows: Sequence[Row]) -> dict[str, bool]:
    """For each metric, whether the value of `row` is within `bach_spread` of `rows`.

    What could not be counted is not within.
    """
    low, high = bach_spread(rows)
    inside = (low <= row.values) & (row.values <= high)
    return dict(zip(NAMES, inside.tolist(), strict=True))


def quartets_of(piece: Piece, number: int = 0) -> list[Quartet]:
    """The quartets of a piece; raises ChoraleError where its voices aren't 4·k."""
    beat = piece.upbeat % STEPS_PER_QUARTER if isinstance(piece, Chorale) else 0
    grid = (
        piece.grid if isinstance(piece, Chorale) else validate_grid(piece, name=f"piece {number}")
    )
    if len(grid) % 4:
        title = (isinstance(piece, Chorale) and piece.title) or f"piece {number}"
        raise ChoraleError(f"{title}: expected four voices or stacked quartets, got {len(grid)}")
    return [Quartet(grid[row : row + 4], beat) for row in range(0, len(grid), 4)]


def _column(name: str) -> int:
    if name not in NAMES:
        raise ChoraleError(f"metric {name!r}: expected one of {', '.join(NAMES)}")
    return NAMES.index(name)
