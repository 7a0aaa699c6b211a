"""Options checked: each check gives back what it read, or says in one line what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from coconet.errors import ChoraleError, nearest_name, shown
from coconet.grid import VOICES, is_whole, items_of, voice_indices

#: How often a step, a span or a voice may come, and steps between entries: plenty.
MOST_TIMES = 100_000
#: A word for the uppermost row that sings: of a melody its voice, whichever that is.
HIGHEST = "highest"


def whole(value: object, name: str, low: int, high: int | None = None) -> int:
    """A whole number within low…high, or ChoraleError."""
    if not is_whole(value, low, high):
        top = "or more" if high is None else f"to {high}"
        raise ChoraleError(f"{name}: expected a whole number, {low} {top}, got {shown(value)}")
    return int(value)


def number(value: object, name: str, low: float, high: float | None = None) -> float:
    """A finite number within low…high, or ChoraleError."""
    plain = value.item() if isinstance(value, np.generic) else value
    known = isinstance(plain, int | float) and not isinstance(plain, bool)
    top = sys.float_info.max if high is None else high
    if not known or not low <= plain <= top:
        bounds = f", {low} or more" if high is None else f" from {low} to {high}"
        raise ChoraleError(f"{name}: expected a number{bounds}, got {shown(value)}")
    return float(plain)


def share_of(value: object, name: str = "share") -> float:
    """A number from 0 to 1, or ChoraleError."""
    return number(value, name, 0, 1)


def flag(value: object, name: str) -> bool:
    """True or False, or ChoraleError: YAML's "no" in quotes is a word."""
    if not isinstance(value, bool | np.bool_):
        raise ChoraleError(f"{name}: expected true or false, got {shown(value)}")
    return bool(value)


def choice(value: object, name: str, known: Sequence[str]) -> str:
    """One of some words, or ChoraleError, which names the nearest."""
    if not isinstance(value, str) or value not in known:
        expected = f"{', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else repr(known[0])
        near = nearest_name(value, known) if isinstance(value, str) else ""
        raise ChoraleError(f"{name}: expected {expected}, got {shown(value)}{near}")
    return value


def not_needed(where: str, **given: object) -> None:
    """Check that options which count only elsewhere aren't given, that is, are None.

    where : with what they count

    Raises ChoraleError for one that is, so that nothing said is silently passed over.
    """
    for name, value in given.items():
        if value is not None:
            raise ChoraleError(f"{name}: counts only with {where}, got {shown(value)}")


def needs_rng(rng: object) -> np.random.Generator:
    """The generator of what draws, or ChoraleError."""
    if not isinstance(rng, np.random.Generator):
        raise ChoraleError(
            f"chance is asked for: expected rng=numpy.random.default_rng(SEED), got {shown(rng)}"
        )
    return rng


def rows_of(
    voices: object, count: int, name: str = "voices", *, sings: np.ndarray | None = None
) -> np.ndarray:
    """Rows of a piece of `count` voices: int array, in the order in which they are given.

    Parameters
    ----------
    voices : None for all; names such as 'bass' or 'soprano,alto', which mean those
        voices of every quartet; 'highest' for the uppermost row that sings; or row
        numbers from 0, negative ones from below
    name : what a message calls them
    sings : bool array, shape=(count,): which rows sing anywhere; 'highest' needs it

    Raises ChoraleError for none, and for voices that the piece hasn't or that come twice.

    >>> rows_of("bass", 8).tolist(), rows_of([2, -1], 8).tolist()
    ([3, 7], [2, 7])
    """
    if voices is None:
        return np.arange(count)
    if sings is not None and isinstance(voices, str) and voices.strip() == HIGHEST:
        return np.array([int(np.argmax(sings))])
    lone = isinstance(voices, str) or is_whole(voices)
    listed = [voices] if lone else items_of(voices) or [None]
    if all(isinstance(row, str) for row in listed):
        return _named_rows(",".join(listed).split(","), count, name)
    if not all(is_whole(row, -count, count - 1) for row in listed):
        raise ChoraleError(
            f"{name}: expected names such as soprano,bass or rows 0-{count - 1}, "
            f"got {shown(voices)}"
        )
    rows = np.array(listed, int) % count
    if len(np.unique(rows)) < len(rows):
        raise ChoraleError(f"{name}: a row comes twice in {shown(voices)}")
    return rows


def _named_rows(names: Sequence[str], count: int, name: str) -> np.ndarray:
    """Rows of the voices of that name in every quartet, from the top."""
    part = np.arange(count) % len(VOICES)
    for index in voice_indices(names):
        if index not in part:
            raise ChoraleError(f"{name}: no {VOICES[index]} among {count} voices")
    return np.flatnonzero(np.isin(part, voice_indices(names)))


def validate_choice(
    rows: object, voices: int, *, segments: int | None = None, once: bool = False
) -> np.ndarray:
    """A choice of voices for each segment as a new int array, shape=(segments, count).

    Parameters
    ----------
    rows : whole numbers of that shape: the rows, from 0, that sing in each segment
    voices : of the stack
    segments : how many there must be; by default any number
    once : whether a row may come only once in a segment

    Raises ChoraleError for all else; the first bad row is named, its segment from 1.
    """
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise ChoraleError("rows: expected as many voices in each segment") from error
    if array.ndim != 2 or not array.size or array.dtype.kind not in "iu":
        raise ChoraleError(
            "rows: expected whole numbers of shape (segments, voices), "
            f"got {array.dtype} of shape {array.shape}"
        )
    if segments is not None and len(array) != segments:
        some = "one segment" if segments == 1 else f"each of {segments} segments"
        raise ChoraleError(f"rows: expected some for {some}, got {len(array)}")
    for segment, place in np.argwhere((array < 0) | (array >= voices))[:1]:
        raise ChoraleError(
            f"rows: segment {segment + 1}: row {array[segment, place]}: "
            f"expected 0-{voices - 1}, since the piece has {voices} voices"
        )
    ordered = np.sort(array, axis=1)
    for segment, place in np.argwhere(ordered[:, 1:] == ordered[:, :-1])[: int(once)]:
        row = ordered[segment, place]
        raise ChoraleError(f"rows: segment {segment + 1}: row {row} comes twice")
    return array.astype(int)
