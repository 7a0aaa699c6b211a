"""What one piece, or a group of its voices, is like: its features, beside Bach's.

Conventions
-----------
A **feature** is one number of one piece; NaN where there is nothing to count among.
The first eight follow `muspy.metrics` (Dong et al. 2020, "MusPy: A Toolkit for Symbolic
Music Generation"), each voice a track. A note is an onset and what it holds; an
entropy counts notes, however long. Voices that sing the same pitch at the same time
count once in polyphony. Dissonance is among all voices of the group; parallels and
crossings are within quartets, since voices of two quartets don't lead each other.

`coconet.metrics` has rates of whole sets of pieces, with errors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from coconet.checks import rows_of
from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.grid import RANGES, REST, STEPS_PER_QUARTER, onsets_of, validate_grid
from coconet.theory import SCALES, dissonance_counts, moving_pairs, parallels

Piece = Chorale | np.ndarray
#: Which voices are meant: see `checks.rows_of`.
Voices = str | int | Iterable[int | str]
QUARTET = len(RANGES)
#: Polyphony rate: steps with more pitches than this (MusPy's threshold).
FEW_PITCHES = 2
#: The 24 major and natural minor scales as rows of 0/1, shape=(24, 12).
SCALE_SETS = np.array(
    [
        np.isin((np.arange(12) - tonic) % 12, degrees)
        for degrees in SCALES.values()
        for tonic in range(12)
    ]
)


class Group:
    """Some voices of a piece, and what several features need of them.

    Attributes
    ----------
    grid : int16 array, shape=(voices, steps): the chosen rows
    rows : int array, shape=(voices,): which rows of the piece they are, from the top
    notes : int array: the pitch of every note
    changed : share of the cells that differ from the original's; NaN without one
    """

    def __init__(self, grid: np.ndarray, onsets: np.ndarray, rows: np.ndarray) -> None:
        self.grid = grid[rows]
        self.rows = rows
        self.notes = self.grid[onsets[rows]]
        self.changed = np.nan

    @functools.cached_property
    def sounding(self) -> np.ndarray:
        """bool, shape=(voices, steps)."""
        return self.grid != REST

    @functools.cached_property
    def cells(self) -> int:
        return int(self.sounding.sum())

    @functools.cached_property
    def used(self) -> np.ndarray:
        """int, shape=(128,): notes of each pitch."""
        return np.bincount(self.notes, minlength=128)

    @functools.cached_property
    def classes(self) -> np.ndarray:
        """int, shape=(12,): notes of each pitch class."""
        return np.bincount(self.notes % 12, minlength=12)

    @functools.cached_property
    def pitches(self) -> np.ndarray:
        """int, shape=(steps,): different pitches that sound."""
        there = np.zeros((128, self.grid.shape[1]), bool)
        there[self.grid, np.arange(self.grid.shape[1])] = True
        return there[REST + 1 :].sum(0)

    @functools.cached_property
    def quartets(self) -> list[np.ndarray]:
        """The voices of each quartet, shape=(2 to 4, steps); single voices lead nobody."""
        of = self.rows // QUARTET
        parts = [self.grid[of == number] for number in np.unique(of)]
        return [part for part in parts if len(part) > 1]

    @functools.cached_property
    def moving(self) -> int:
        return sum(int(moving_pairs(part).sum()) for part in self.quartets)


def entropies(counts: np.ndarray) -> np.ndarray:
    """How evenly things spread over their kinds: Σ p · log2(1/p), in bits.

    Parameters
    ----------
    counts : array, shape=(..., kinds), 0 or more

    Returns
    -------
    float array, shape=(...); NaN where nothing is counted

    >>> entropies(np.array([[1, 1, 0], [3, 0, 0]])).tolist()
    [1.0, 0.0]
    """
    p = over(counts, counts.sum(-1, keepdims=True))
    return (p * np.log2(np.divide(1, p, out=np.ones_like(p), where=p > 0))).sum(-1)


def scale_consistencies(classes: np.ndarray) -> np.ndarray:
    """The largest share of notes that lie in one major or natural minor scale.

    Parameters
    ----------
    classes : array, shape=(..., 12): notes of each pitch class

    Returns
    -------
    float array, shape=(...); NaN where there is no note
    """
    return over((classes @ SCALE_SETS.T).max(-1), classes.sum(-1))


def over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotients, NaN where nothing is below; `below` may be broadcast."""
    below = np.broadcast_to(below, np.shape(above))
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _share(counted: float, among: float) -> float:
    return counted / among if among else np.nan


def _pitch_range(g: Group) -> float:
    return np.ptp(g.notes) if len(g.notes) else 0


def _polyphony(g: Group) -> float:
    return _share(g.pitches.sum(), np.count_nonzero(g.pitches))


def _polyphony_rate(g: Group) -> float:
    sounding = np.flatnonzero(g.pitches)
    length = sounding[-1] + 1 if len(sounding) else 0
    return _share(np.count_nonzero(g.pitches > FEW_PITCHES), length)


def _dissonance(g: Group) -> float:
    dissonant, sounding = dissonance_counts(g.grid)
    return _share(dissonant.sum(), sounding.sum())


def _parallel(interval: int) -> Callable[[Group], float]:
    def rate(g: Group) -> float:
        found = sum(int(parallels(part, interval).sum()) for part in g.quartets)
        return 1000 * _share(found, g.moving)

    return rate


def _crossings(g: Group) -> float:
    crossed = among = 0
    for part in g.quartets:
        both = (part[1:] != REST) & (part[:-1] != REST)
        crossed += np.count_nonzero((both & (part[:-1] < part[1:])).any(0))
        among += np.count_nonzero(both.any(0))
    return _share(crossed, among)


def _beyond(g: Group) -> float:
    low, high = np.array(RANGES)[g.rows % QUARTET].T[:, :, None]
    beyond = g.sounding & ((g.grid < low) | (g.grid > high))
    return _share(np.count_nonzero(beyond), g.cells)


def _density(g: Group) -> float:
    return len(g.notes) * STEPS_PER_QUARTER / g.grid.shape[1]


@dataclass(frozen=True)
class Feature:
    """One column of a report.

    Attributes
    ----------
    name : what it is called, also on the command line
    unit : of its values
    counted : what it counts, in a sentence
    heading : one or two lines above a narrow column
    digits : how many are worth telling after the point
    count : of one group of voices
    """

    name: str
    unit: str
    counted: str
    heading: tuple[str, str]
    digits: int
    count: Callable[[Group], float]


FEATURES = (
    Feature(
        "pitch-class entropy", "bits", "how evenly the notes spread over 12 pitch classes",
        ("class", "entropy"), 2, lambda g: entropies(g.classes),
    ),
    Feature(
        "pitch entropy", "bits", "how evenly the notes spread over all pitches",
        ("pitch", "entropy"), 2, lambda g: entropies(g.used),
    ),
    Feature(
        "scale consistency", "share", "notes in the major or minor scale that fits most of them",
        ("scale", "consist."), 3, lambda g: scale_consistencies(g.classes),
    ),
    Feature(
        "pitch classes", "count", "pitch classes used",
        ("pitch", "classes"), 0, lambda g: np.count_nonzero(g.classes),
    ),
    Feature(
        "pitches", "count", "pitches used",
        ("", "pitches"), 0, lambda g: np.count_nonzero(g.used),
    ),
    Feature(
        "pitch range", "semitones", "from the lowest note to the highest",
        ("pitch", "range"), 0, _pitch_range,
    ),
    Feature(
        "polyphony", "pitches", "different pitches at once, over the steps that sound",
        ("", "polyph."), 2, _polyphony,
    ),
    Feature(
        "polyphony rate", "share", "steps up to the last note with 3 or more pitches",
        ("polyph.", "rate"), 3, _polyphony_rate,
    ),
    Feature(
        "dissonance", "share", "sounding pairs of voices at 1, 2, 6, 10, 11 mod 12",
        ("", "dissonant"), 3, _dissonance,
    ),
    Feature(
        "fifths", "per 1000", "moving pairs of a quartet in parallel fifths",
        ("parallel", "fifths"), 1, _parallel(7),
    ),
    Feature(
        "octaves", "per 1000", "moving pairs of a quartet in parallel octaves or unisons",
        ("parallel", "octaves"), 1, _parallel(0),
    ),
    Feature(
        "crossings", "share", "steps at which neighbours of a quartet are crossed",
        ("", "crossed"), 3, _crossings,
    ),
    Feature(
        "beyond", "share", "sounding cells beyond their voice's range",
        ("beyond", "range"), 3, _beyond,
    ),
    Feature(
        "density", "a quarter", "notes a quarter note, all voices",
        ("notes a", "quarter"), 2, _density,
    ),
    Feature(
        "length", "quarters", "quarter notes from the first step to the last",
        ("", "length"), 0, lambda g: g.grid.shape[1] / STEPS_PER_QUARTER,
    ),
    Feature(
        "notes", "count", "notes, all voices",
        ("", "notes"), 0, lambda g: len(g.notes),
    ),
    Feature(
        "distance", "share", "cells that differ from the original's",
        ("from the", "original"), 3, lambda g: g.changed,
    ),
)  # fmt: skip
NAMES = tuple(feature.name for feature in FEATURES)
#: What else a column may be called: a shorter name, or what stands above it in a table.
ALIASES = {
    "entropy": "pitch-class entropy",
    "classes": "pitch classes",
    "range": "pitch range",
    "scale": "scale consistency",
    "original": "distance",
} | {
    heading: feature.name
    for feature in FEATURES
    if (heading := " ".join(feature.heading).strip()) not in NAMES
}


def describe(
    piece: Piece, *, original: Piece | None = None, voices: Voices | None = None
) -> np.ndarray:
    """All features of a piece.

    Parameters
    ----------
    piece : a chorale, or an int array of shape (voices, steps), whose equal neighbours
        are one note
    original : what `distance` compares with: of the piece's shape; or a quartet of its
        length, with which each quartet of a stack is compared
    voices : which to describe, as rows from 0 or by name ('bass' is that of every
        quartet); by default all. Row 4·k is a soprano, and so on: that decides its range.

    Returns
    -------
    float array, shape=(features,), in the order of `NAMES`

    Raises
    ------
    ChoraleError
        For what is no grid, rows that it lacks, an original of another shape.
    """
    grid, onsets = _cells_of(piece, "piece")
    group = Group(grid, onsets, np.sort(rows_of(voices, len(grid))))
    if original is not None:
        before = _cells_of(original, "original")[0]
        if not fits_original(grid.shape, before.shape):
            raise ChoraleError(
                f"original: expected the piece's shape {grid.shape}, or a quartet of "
                f"{grid.shape[1]} steps, got {before.shape}"
            )
        group.changed = float((before[group.rows % len(before)] != group.grid).mean())
    return np.array([feature.count(group) for feature in FEATURES], float)


def fits_original(shape: tuple[int, int], original: tuple[int, int]) -> bool:
    """Whether pieces of these shapes can be compared cell by cell, or quartet by quartet."""
    (voices, steps), (before, length) = shape, original
    return steps == length and (voices == before or (before == QUARTET and voices % QUARTET == 0))


def bach_features(split: str = "train", *, voices: Voices | None = None) -> np.ndarray:
    """The features of Bach's chorales; read-only, and kept once counted.

    Parameters
    ----------
    split : 'train', 'valid', 'test' or 'demo'
    voices : of each chorale, as rows 0-3 or by name; by default all four

    Returns
    -------
    float array, shape=(chorales, features); `distance` is NaN
    """
    if not isinstance(split, str):
        raise ChoraleError(
            f"split: expected a part of the corpus such as train, got {shown(split)}"
        )
    return _bach_features(split, tuple(sorted(rows_of(voices, QUARTET).tolist())))


@functools.cache
def _bach_features(split: str, voices: tuple[int, ...]) -> np.ndarray:
    values = np.array([describe(chorale, voices=voices) for chorale in load_corpus(split)])
    values.flags.writeable = False
    return values


def percentiles(values: np.ndarray, bach: np.ndarray) -> np.ndarray:
    """How many in a hundred of Bach's chorales lie below; equal ones count half.

    Parameters
    ----------
    values : float array, shape=(..., features)
    bach : float array, shape=(chorales, features), from `bach_features`

    Returns
    -------
    float array of the shape of `values`, 0-100; NaN where either is unknown
    """
    values, bach = np.asarray(values, float), np.asarray(bach, float)
    if bach.ndim != 2 or values.shape[-1:] != bach.shape[1:]:
        raise ChoraleError(
            f"percentiles: expected features of shape {values.shape[-1:]} for each of Bach's "
            f"chorales, got {bach.shape}"
        )
    places = np.full(values.shape, np.nan)
    for column, column_of_bach in enumerate(bach.T):
        known = np.sort(column_of_bach[~np.isnan(column_of_bach)])
        mine = values[..., column]
        if len(known):
            below = np.searchsorted(known, mine) + np.searchsorted(known, mine, side="right")
            places[..., column] = np.where(np.isnan(mine), np.nan, 50 * below / len(known))
    return places


def column_of(name: str) -> int:
    """The place of a feature in `NAMES`, by its name or one of `ALIASES`.

    >>> NAMES[column_of("Pitch_Range")], NAMES[column_of("entropy")]
    ('pitch range', 'pitch-class entropy')

    Raises ChoraleError for any other name, with the nearest.
    """
    known = {_plain(key): key for key in (*NAMES, *ALIASES)}
    asked = _plain(str(name))
    if asked not in known:
        near = nearest_name(asked, [*NAMES, *ALIASES]) or "; expected one such as fifths"
        raise ChoraleError(
            f"column {shown(name)}: unknown{near} (coconet report --columns lists all)"
        )
    found = known[asked]
    return NAMES.index(ALIASES.get(found, found))


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def _cells_of(piece: Piece, name: str) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(piece, Chorale):
        return piece.grid, piece.onsets
    grid = validate_grid(piece, name=name)
    return grid, onsets_of(grid)
