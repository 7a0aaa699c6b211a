"""The grid: the array that the whole package speaks.

Conventions
-----------
A **grid** is an integer array of shape (voices, steps). One step is one
sixteenth. A cell holds a MIDI pitch 1-127, or `REST` = 0. Voices run soprano,
alto, tenor, bass; more than four voices are quartets stacked, (4·k, steps).

**hidden** is a bool array of the grid's shape: True = the model must write the
cell. Its complement is **kept**. A **span** is a half-open pair of steps
`[start, end)`. **onsets** is a bool array of the grid's shape: True where a
note begins, False where it is held and on rests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

import numpy as np

from coconet.errors import ChoraleError, shown

REST = 0
VOICES = ("soprano", "alto", "tenor", "bass")
STEPS_PER_QUARTER = 4
#: Lowest and highest pitch of each voice in Bach's chorales (the training pieces of JSB).
RANGES = ((60, 81), (52, 74), (46, 69), (36, 66))
DTYPE = np.int16


def voice_name(index: int) -> str:
    """'soprano' … 'bass'; in a stack of quartets the quartet's number comes along.

    >>> voice_name(1), voice_name(6)
    ('alto', 'tenor 2')
    """
    quartet, voice = divmod(index, 4)
    return VOICES[voice] + (f" {quartet + 1}" if quartet else "")


def voice_index(name: str) -> int:
    """The row of a voice, by its name or its first letter.

    >>> voice_index("alto"), voice_index("B")
    (1, 3)
    """
    matches = [i for i, voice in enumerate(VOICES) if name.strip().lower() in (voice, voice[0])]
    if not matches:
        raise ChoraleError(f"unknown voice {name!r}: expected one of {', '.join(VOICES)}")
    return matches[0]


def voice_indices(names: str | Iterable[str]) -> tuple[int, ...]:
    """Rows of several voices, from names or from a string with commas.

    Raises ChoraleError for a voice that is unknown or named twice.
    """
    if isinstance(names, str):
        names = names.split(",")
    rows = sorted(voice_index(name) for name in names)
    twice = [VOICES[row] for row, following in pairwise(rows) if row == following]
    if twice:
        raise ChoraleError(f"voices: {twice[0]} is named twice")
    return tuple(rows)


def is_whole(value: object, low: int | None = None, high: int | None = None) -> bool:
    """Whether `value` is a whole number, Python's or NumPy's and no bool, within low…high."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        return False
    return (low is None or low <= value) and (high is None or value <= high)


def items_of(value: object) -> list[Any] | None:
    """What a list, an array or another series holds; None for what is none.

    None are a lone number, an array without axes, a text, bytes, and what has no order
    of its own or names for its items: sets and mappings.

    >>> items_of((3, 4)), items_of(np.array(3)), items_of("34")
    ([3, 4], None, None)
    """
    wrong = (str, bytes, bytearray, memoryview, Mapping, Set)
    if not isinstance(value, Iterable) or isinstance(value, wrong):
        return None
    return None if getattr(value, "ndim", 1) == 0 else list(value)


def validate_grid(grid: object, *, voices: int | None = None, name: str = "grid") -> np.ndarray:
    """Return `grid` as a new int16 array of shape (voices, steps), or say what is wrong.

    Parameters
    ----------
    grid : array_like, shape=(voices, steps), whole numbers 0-127
    voices : int, optional
        How many voices there must be; by default any number from one up.

    Raises
    ------
    ChoraleError
        For a wrong rank, number of voices or dtype, fractions, NaN, no steps,
        or a value outside 0-127; the first bad cell is named.
    """
    try:
        array = np.asarray(grid)
    except ValueError as error:
        raise ChoraleError(f"{name}: voices of unequal length ({error})") from error
    if array.dtype == object or array.dtype.kind not in "iufb":
        raise ChoraleError(f"{name}: expected whole numbers, got dtype {array.dtype}")
    if array.ndim != 2:
        hint = " (segments? join them into one piece first)" if array.ndim == 3 else ""
        raise ChoraleError(f"{name}: expected shape (voices, steps), got {array.shape}{hint}")
    if array.shape[0] == 0 or (voices is not None and array.shape[0] != voices):
        expected = f"{voices} voices" if voices else "at least one voice"
        turned = voices is not None and array.shape[1] == voices
        hint = "; did you mean its transpose?" if turned else ""
        raise ChoraleError(f"{name}: expected {expected}, got shape {array.shape}{hint}")
    if array.shape[1] == 0:
        raise ChoraleError(f"{name}: has no steps: shape {array.shape}")
    if array.dtype.kind == "b":
        raise ChoraleError(f"{name}: expected pitches, got booleans (a hidden array?)")
    if array.dtype.kind == "f":
        _refuse_cells(array, ~np.isfinite(array), name, "is not a number")
        _refuse_cells(array, array != np.floor(array), name, "is not a whole number")
    _refuse_cells(array, (array < 0) | (array > 127), name, "is not a MIDI pitch 1-127 or 0 = rest")
    return array.astype(DTYPE)


def validate_pitches(grid: np.ndarray, low: int, high: int, *, name: str = "grid") -> None:
    """Check that every sounding pitch lies in low…high, the pitches a model knows."""
    bad = (grid != REST) & ((grid < low) | (grid > high))
    _refuse_cells(grid, bad, name, f"is outside the model's pitches {low}-{high}")


def validate_hidden(hidden: object, shape: tuple[int, int]) -> np.ndarray:
    """Return `hidden` as a new bool array of `shape`, or raise ChoraleError.

    Zeros and ones are taken for booleans; any other number is refused, since a
    grid handed in by mistake must not hide everything.
    """
    array = np.asarray(hidden)
    if array.shape != tuple(shape):
        raise ChoraleError(f"hidden: expected the grid's shape {tuple(shape)}, got {array.shape}")
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise ChoraleError("hidden: expected booleans (True = the model writes this cell)")
    return array.astype(bool)


def validate_span(span: Sequence[int], steps: int) -> tuple[int, int]:
    """Return a half-open span as two ints within 0…steps, or raise ChoraleError."""
    edges = items_of(span)
    if not edges or len(edges) != 2 or not all(is_whole(edge) for edge in edges):
        raise ChoraleError(f"span: expected two steps, start and end, got {shown(span)}")
    start, end = (int(edge) for edge in edges)
    if not 0 <= start < end <= steps:
        raise ChoraleError(f"span {start}:{end}: expected 0 <= start < end <= {steps} steps")
    return start, end


def hidden_region(
    shape: tuple[int, int],
    *,
    voices: Iterable[int] | None = None,
    spans: Iterable[Sequence[int]] | None = None,
) -> np.ndarray:
    """A hidden array: the cells where the given voices and spans cross.

    Parameters
    ----------
    shape : (voices, steps) of the grid
    voices : rows to hide; all of them by default
    spans : half-open pairs of steps; the whole length by default

    >>> hidden_region((2, 4), voices=[1], spans=[(1, 3)]).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0]])
    """
    rows, steps = shape
    hidden = np.zeros(shape, bool)
    chosen = range(rows) if voices is None else voices
    for start, end in [(0, steps)] if spans is None else spans:
        start, end = validate_span((start, end), steps)
        hidden[list(chosen), start:end] = True
    return hidden


def onsets_of(
    grid: np.ndarray, *, ties: str = "merge", bar: int = 16, upbeat: int = 0
) -> np.ndarray:
    """Where notes begin, for a grid whose true onsets are unknown.

    A grid alone can't tell a held note from a repeated one.

    Parameters
    ----------
    grid : int array, shape=(voices, steps)
    ties : 'merge' joins equal neighbours into one note; 'bar' also begins a
        new one at every bar line.
    bar, upbeat : steps a bar and steps before the first bar line, for 'bar'

    Returns
    -------
    bool array, shape=(voices, steps)
    """
    if ties not in ("merge", "bar"):
        raise ChoraleError(f"ties: expected 'merge' or 'bar', got {ties!r}")
    onsets = np.ones(grid.shape, bool)
    onsets[:, 1:] = grid[:, 1:] != grid[:, :-1]
    if ties == "bar":
        onsets[:, upbeat % bar :: bar] = True
    return onsets & (grid != REST)


def notes_of(grid: np.ndarray, onsets: np.ndarray) -> list[list[tuple[int, int, int]]]:
    """Every note of every voice as (start, end, pitch), the span half open.

    A note lasts until the next onset, the next change of pitch or the next rest.
    """
    voices = [[] for _ in grid]
    columns = (column.tolist() for column in note_table(grid, onsets))
    for voice, start, end, pitch in zip(*columns, strict=True):
        voices[voice].append((start, end, pitch))
    return voices


def note_table(
    grid: np.ndarray, onsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Voice, start, end and pitch of every note of `notes_of`, as arrays: voice by voice.

    >>> grid = np.array([[60, 60, 0, 62]])
    >>> [column.tolist() for column in note_table(grid, onsets_of(grid))]
    [[0, 0], [0, 3], [2, 4], [60, 62]]
    """
    ended = np.pad(grid, ((0, 0), (0, 1)), constant_values=REST)  # a rest ends the last notes
    edges = onsets_of(ended) | ((ended == REST) & (np.roll(ended, 1, axis=1) != REST))
    edges[:, :-1] |= onsets
    voice, edge = np.nonzero(edges)
    pitch = ended[voice, edge]
    sounds = pitch != REST
    return voice[sounds], edge[sounds], np.append(edge[1:], 0)[sounds], pitch[sounds]


def _refuse_cells(array: np.ndarray, bad: np.ndarray, name: str, complaint: str) -> None:
    if bad.any():
        voice, step = (int(i) for i in np.argwhere(bad)[0])
        more = int(bad.sum()) - 1
        others = f" (and {more} more cells)" if more else ""
        raise ChoraleError(
            f"{name}: {voice_name(voice)} at step {step}: {array[voice, step]} {complaint}{others}"
        )
