"""What one may wish of voices that are chosen from many, counted for all choices at once.

Conventions
-----------
A **choice** is some rows of a stack, all of them counted together. Choices come as an
int array (choices, count); what is counted is a float array (choices,), NaN where there
is nothing to count among. Notes are counted, not their durations, as in `features`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError, shown
from coconet.features import SCALE_SETS
from coconet.grid import REST, STEPS_PER_QUARTER
from coconet.phrases import cut_phrases
from coconet.theory import dissonant_pairs, intervals, voice_pairs

#: Features in which a choice is to be near Bach, if no others are named; the last two
#: grow with the voices, so they only serve where four are chosen.
BACH_LIKE = ("dissonance", "pitch-class entropy", "scale consistency", "polyphony", "density")
OF_FOUR = BACH_LIKE[3:]
#: What is counted of pairs: one voice alone has none.
OF_PAIRS = ("consonant", "apart", "dissonance")
#: Choices whose pitches are counted at a time.
CHUNK = 2_048


# ---------------------------------------------------------------- one segment


class Segment:
    """A segment of a stack, and what wishes need of its voices, worked out once.

    chorale : the segment, shape=(voices, steps); notes held into it begin with it
    """

    def __init__(self, chorale: Chorale) -> None:
        self.grid = chorale.grid
        self.onsets = chorale.onsets

    @cached_property
    def together(self) -> np.ndarray:
        """float array, shape=(voices, voices): steps in which both voices sound."""
        return self._square(intervals(self.grid) != -1000)

    @cached_property
    def dissonant(self) -> np.ndarray:
        """float array, shape=(voices, voices): steps in which two voices are dissonant."""
        return self._square(dissonant_pairs(self.grid))

    @cached_property
    def unison(self) -> np.ndarray:
        """float array, shape=(voices, voices): steps in which two voices sing one pitch."""
        return self._square(intervals(self.grid) == 0)

    @cached_property
    def classes(self) -> np.ndarray:
        """float array, shape=(voices, 12): notes of each pitch class."""
        voice, step = np.nonzero(self.onsets)
        counts = np.zeros((len(self.grid), 12))
        np.add.at(counts, (voice, self.grid[voice, step] % 12), 1)
        return counts

    @cached_property
    def pitches(self) -> np.ndarray:
        """uint64 array, shape=(voices, steps, 2): the pitch as one bit of 128."""
        pitch = self.grid.astype(np.uint64)
        bit = np.uint64(1) << (pitch % np.uint64(64))
        low = np.where((pitch < 64) & (pitch != REST), bit, np.uint64(0))
        return np.stack([low, np.where(pitch >= 64, bit, np.uint64(0))], axis=-1)

    def _square(self, pairs: np.ndarray) -> np.ndarray:
        square = np.zeros((len(self.grid),) * 2)
        square[voice_pairs(len(self.grid))] = pairs.sum(1)
        return square


def _share(segment: Segment, rows: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Share of the sounding pairs of each choice that `pairs` counts; NaN where none sounds."""
    chosen = _members(rows, len(segment.grid))
    counted, sounding = (
        ((chosen @ square) * chosen).sum(1) for square in (pairs, segment.together)
    )
    return _over(counted, sounding)


def _dissonance(segment: Segment, rows: np.ndarray) -> np.ndarray:
    return _share(segment, rows, segment.dissonant)


def _unisons(segment: Segment, rows: np.ndarray) -> np.ndarray:
    return _share(segment, rows, segment.unison)


def _notes(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """Notes of each pitch class, shape=(choices, 12)."""
    return _members(rows, len(segment.grid)) @ segment.classes


def _entropy(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """Of the pitch classes of notes, in bits; NaN where there is no note."""
    notes = _notes(segment, rows)
    shares = _over(notes, notes.sum(1, keepdims=True))
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logs).sum(1)


def _scale_consistency(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """The largest share of notes that lie in one major or natural minor scale."""
    notes = _notes(segment, rows)
    return _over((notes @ SCALE_SETS.T).max(1), notes.sum(1))


def _density(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """Notes a quarter note, all voices."""
    return _notes(segment, rows).sum(1) * STEPS_PER_QUARTER / segment.grid.shape[1]


def _polyphony(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """Different pitches a step, of the steps in which something sounds."""
    means = []
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        bits = segment.pitches[some[:, 0]]
        for column in some.T[1:]:
            bits |= segment.pitches[column]
        counts = np.bitwise_count(bits).sum(-1, dtype=int)  # choices, steps
        means.append(_over(counts.sum(1), (counts > 0).sum(1)))
    return np.concatenate(means)


#: The features of `coconet.features` that can be had of all choices at once.
FEATURES: dict[str, Callable[[Segment, np.ndarray], np.ndarray]] = {
    "dissonance": _dissonance,
    "pitch-class entropy": _entropy,
    "scale consistency": _scale_consistency,
    "polyphony": _polyphony,
    "density": _density,
}


@cache
def bach_spread(phrases: bool = True) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each feature over Bach's training pieces.

    phrases : over their phrases, which have fewer notes than whole chorales and so, for
        one, less entropy; else over whole chorales
    """
    pieces = load_corpus("train")
    if phrases:
        pieces = [part for piece in pieces if piece.phrases for part in cut_phrases(piece)]
    segments, four = [Segment(piece) for piece in pieces], np.arange(4)[None]
    values = {
        name: np.concatenate([count(segment, four) for segment in segments])
        for name, count in FEATURES.items()
    }
    return {name: (float(np.nanmean(v)), float(np.nanstd(v))) for name, v in values.items()}


# ---------------------------------------------------------------- wishes


class Wish(NamedTuple):
    """What is wished: `told` in its own unit, `sign` 1 where more is better, else -1."""

    told: str
    sign: int
    count: Callable[[Segment, np.ndarray], np.ndarray]


#: Wishes by name. 'bach' stands apart, since it depends on features.
WISHES = {
    "consonant": Wish("dissonant pairs, share of sounding ones", -1, _dissonance),
    "entropy": Wish("pitch-class entropy of the notes, bits", 1, _entropy),
    "apart": Wish("pairs in unison, share of sounding ones", -1, _unisons),
}
#: What a caller may wish: a name, weights of names, or a function of a grid.
Wished = str | Mapping[str, float] | Callable[[np.ndarray], float]


def wish_of(wished: Wished, features: Sequence[str] | None, *, count: int, phrases: bool) -> Wish:
    """The wish that is meant; raises ChoraleError for an unknown one.

    Parameters
    ----------
    wished, features : see `choosing.choose_rows`
    count : voices that are chosen
    phrases : 'bach' means Bach's phrases, not his whole chorales
    """
    names = {wished} if isinstance(wished, str) else wished
    if features is None:
        left_out = () if count == 4 else OF_FOUR if count > 1 else (*OF_FOUR, *OF_PAIRS)
        features = [name for name in BACH_LIKE if name not in left_out]
    elif not isinstance(names, set | Mapping) or "bach" not in names:
        raise ChoraleError("features: only the wish 'bach' asks for some")
    if callable(wished):
        return Wish("merit", 1, lambda segment, rows: _asked(wished, segment, rows))
    if isinstance(wished, str):
        return _named(wished, features, count, phrases)
    if not isinstance(wished, Mapping) or not wished:
        raise ChoraleError(
            f"wish: expected a name, weights of names or a function of a grid, got {wished!r}"
        )
    parts = []
    for name, weight in wished.items():
        if isinstance(weight, bool | np.bool_) or not _is_number(weight) or np.isnan(weight):
            raise ChoraleError(f"wish: weight of {name!r}: expected a number, got {shown(weight)}")
        one = _named(name, features, count, phrases)
        parts.append((weight * one.sign, one.count))

    def weighed(segment: Segment, rows: np.ndarray) -> np.ndarray:
        return np.sum([weight * count(segment, rows) for weight, count in parts], axis=0)

    return Wish("weighted merit", 1, weighed)


def _named(name: object, features: Sequence[str], count: int, phrases: bool) -> Wish:
    if name == "bach":
        return _near_bach(features, count, phrases)
    if not isinstance(name, str) or name not in WISHES:
        raise ChoraleError(f"wish: expected {', '.join(WISHES)} or bach, got {name!r}")
    _check_pairs(name, count)
    return WISHES[name]


def _check_pairs(name: str, count: int) -> None:
    if name in OF_PAIRS and count < 2:
        raise ChoraleError(f"{name}: counts pairs of voices, and one alone has none")


def _near_bach(features: Sequence[str], count: int, phrases: bool) -> Wish:
    """How far a choice lies from Bach's mean, in his standard deviations."""
    listed = [features] if isinstance(features, str) else features
    names = list(listed) if isinstance(listed, Iterable) else [listed]
    wrong = [name for name in names if not isinstance(name, str) or name not in FEATURES]
    if wrong or not names or len(set(names)) < len(names):
        known = ", ".join(FEATURES)
        raise ChoraleError(f"features: expected some of {known}, each once, got {wrong or names}")
    for name in names:
        _check_pairs(name, count)
    mean, spread = np.array([bach_spread(phrases)[name] for name in names]).T

    def distance(segment: Segment, rows: np.ndarray) -> np.ndarray:
        found = np.stack([FEATURES[name](segment, rows) for name in names], axis=1)
        return np.sqrt((((found - mean) / spread) ** 2).mean(1))

    told = f"distance from Bach's {'phrases' if phrases else 'chorales'} in {', '.join(names)}"
    return Wish(f"{told}, standard deviations", -1, distance)


def _asked(wished: Callable[[np.ndarray], float], segment: Segment, rows: np.ndarray) -> np.ndarray:
    """What a caller's function says of each choice."""
    answers = [wished(segment.grid[list(choice)]) for choice in rows]
    for answer in answers:
        if not _is_number(answer):
            raise ChoraleError(f"wish: expected the function's number, got {shown(answer)}")
    return np.array(answers, float)


def _is_number(value: object) -> bool:
    """Whether it is one real number; NaN is, infinity and what no float can hold aren't."""
    try:
        array = np.asarray(value)
    except ValueError:  # a list of lists of different lengths
        return False
    return array.ndim == 0 and array.dtype.kind in "biuf" and not np.isinf(float(array))


def merits_of(rows: np.ndarray, segment: Segment, wish: Wish) -> np.ndarray:
    """Of each choice the merit; minus infinity where nothing can be counted."""
    found = wish.sign * wish.count(segment, rows)
    # Sums of the same numbers in another order may differ in their last bits.
    return np.where(np.isfinite(found), found.round(12), -np.inf)


def _members(rows: np.ndarray, voices: int) -> np.ndarray:
    """float array, shape=(choices, voices): 1 where a voice is chosen."""
    members = np.zeros((len(rows), voices))
    np.put_along_axis(members, rows, 1, axis=1)
    return members


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotients; NaN where nothing is below."""
    below = np.broadcast_to(below, np.shape(above))
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
