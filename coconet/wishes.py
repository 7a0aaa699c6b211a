"""What one may wish of voices that are chosen from many, counted for all choices at once.

Conventions
-----------
A **choice** is some rows of a stack, all of them counted together. Choices come as an
int array (choices, count); what is counted is a float array (choices,), NaN where there
is nothing to count among. Notes are counted, not their durations, as in `features`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from coconet.checks import choice
from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError, shown
from coconet.features import QUARTET, entropies, over, scale_consistencies
from coconet.grid import REST, STEPS_PER_QUARTER, items_of
from coconet.phrases import cut_phrases
from coconet.theory import dissonant_pairs, intervals, sounding_pairs, voice_pairs

#: Features in which a choice is to be near Bach, if no others are named; the last two
#: grow with the voices, so they don't serve where more are chosen than he has.
BACH_LIKE = ("dissonance", "pitch-class entropy", "scale consistency", "polyphony", "density")
GROWING = BACH_LIKE[3:]
#: What is counted among several voices: it says nothing of one alone.
OF_SEVERAL = ("consonant", "apart", "dissonance", "polyphony")
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
        return self._square(sounding_pairs(self.grid))

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
    return over(counted, sounding)


def _dissonance(segment: Segment, rows: np.ndarray) -> np.ndarray:
    return _share(segment, rows, segment.dissonant)


def _unisons(segment: Segment, rows: np.ndarray) -> np.ndarray:
    return _share(segment, rows, segment.unison)


def _notes(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """Notes of each pitch class, shape=(choices, 12)."""
    return _members(rows, len(segment.grid)) @ segment.classes


def _entropy(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """Of the pitch classes of notes, in bits; NaN where there is no note."""
    return entropies(_notes(segment, rows))


def _scale_consistency(segment: Segment, rows: np.ndarray) -> np.ndarray:
    """The largest share of notes that lie in one major or natural minor scale."""
    return scale_consistencies(_notes(segment, rows))


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
        means.append(over(counts.sum(1), (counts > 0).sum(1)))
    return np.concatenate(means)


#: The features of `coconet.features` that can be had of all choices at once.
COUNTED: dict[str, Callable[[Segment, np.ndarray], np.ndarray]] = {
    "dissonance": _dissonance,
    "pitch-class entropy": _entropy,
    "scale consistency": _scale_consistency,
    "polyphony": _polyphony,
    "density": _density,
}


@cache
def bach_moments(voices: int, phrases: bool = True) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each feature over Bach's training pieces.

    Parameters
    ----------
    voices : how many sing, 1-4: every set of so many of his four, each as one
    phrases : over his phrases, which have fewer notes than whole chorales and so, for
        one, less entropy; else over whole chorales
    """
    sets = np.array(list(combinations(range(QUARTET), voices)))
    segments = _segments_of_bach(phrases)
    values = {
        name: np.concatenate([count(segment, sets) for segment in segments])
        for name, count in COUNTED.items()
        if voices > 1 or name not in OF_SEVERAL
    }
    return {name: (float(np.nanmean(v)), float(np.nanstd(v))) for name, v in values.items()}


@cache
def _segments_of_bach(phrases: bool) -> list[Segment]:
    pieces = load_corpus("train")
    if phrases:
        pieces = [part for piece in pieces if piece.phrases for part in cut_phrases(piece)]
    return [Segment(piece) for piece in pieces]


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
        left_out = GROWING if count > QUARTET else OF_SEVERAL if count == 1 else ()
        features = [name for name in BACH_LIKE if name not in left_out]
    elif not isinstance(names, set | Mapping) or "bach" not in names:
        raise ChoraleError("features: only the wish 'bach' asks for some")
    if callable(wished):
        return Wish("merit", 1, lambda segment, rows: _asked(wished, segment, rows))
    if isinstance(wished, str):
        return _named(wished, features, count, phrases)
    if not isinstance(wished, Mapping) or not wished:
        raise ChoraleError(
            f"wish: expected a name, weights of names or a function of a grid, got {shown(wished)}"
        )
    parts = []
    for name, weight in wished.items():
        if isinstance(weight, bool | np.bool_) or not _is_number(weight) or np.isnan(weight):
            of = f"wish: weight of {shown(name)}"
            raise ChoraleError(f"{of}: expected a number, got {shown(weight)}")
        one = _named(name, features, count, phrases)
        parts.append((weight * one.sign, one.count))

    def weighed(segment: Segment, rows: np.ndarray) -> np.ndarray:
        return np.sum([weight * count(segment, rows) for weight, count in parts], axis=0)

    return Wish("weighted merit", 1, weighed)


def _named(name: object, features: Sequence[str], count: int, phrases: bool) -> Wish:
    if name == "bach":
        return _near_bach(features, count, phrases)
    name = choice(name, "wish", (*WISHES, "bach"))
    _check_several(name, count)
    return WISHES[name]


def _check_several(name: str, count: int) -> None:
    if name in OF_SEVERAL and count < 2:
        raise ChoraleError(f"{name}: is counted among several voices, got one alone")


def _near_bach(features: Sequence[str], count: int, phrases: bool) -> Wish:
    """How far a choice lies from the mean of Bach's sets of as many voices.

    In his standard deviations; more than four voices are compared with his four.
    """
    listed = [features] if isinstance(features, str) else features
    names = [choice(name, "features", tuple(COUNTED)) for name in items_of(listed) or [listed]]
    if len(set(names)) < len(names):
        raise ChoraleError(f"features: expected each once, got {shown(names)}")
    for name in names:
        _check_several(name, count)
    bach = bach_moments(min(count, QUARTET), phrases)
    mean, spread = np.array([bach[name] for name in names]).T

    def distance(segment: Segment, rows: np.ndarray) -> np.ndarray:
        found = np.stack([COUNTED[name](segment, rows) for name in names], axis=1)
        return np.sqrt((((found - mean) / spread) ** 2).mean(1))

    pieces = f"Bach's {'phrases' if phrases else 'chorales'}"
    if count < QUARTET:
        pieces = f"any {count} voice{'s' * (count > 1)} of {pieces}"
    elif count > QUARTET:
        pieces += " of four voices"
    told = f"distance from {pieces} in {', '.join(names)}, standard deviations"
    return Wish(told, -1, distance)


def _asked(wished: Callable[[np.ndarray], float], segment: Segment, rows: np.ndarray) -> np.ndarray:
    """What a caller's function says of each choice."""
    answers = [wished(segment.grid[list(chosen)]) for chosen in rows]
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
