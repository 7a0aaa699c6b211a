"""Notes that a layer would write outside a range: refused, or brought back."""

from __future__ import annotations

import numpy as np

from coconet.checks import choice, whole
from coconet.errors import ChoraleError
from coconet.grid import voice_name
from coconet.theory import parse_pitch, pitch_name
from coconet.traced import Traced

#: What to do with notes outside a range.
BEYOND = ("refuse", "clamp", "skip")


def fit_range(
    piece: Traced, grid: np.ndarray, beyond: str, lowest: int | str, highest: int | str
) -> np.ndarray:
    """New pitches, within a range where they differ from the piece's.

    Parameters
    ----------
    piece : before the change
    grid : int array, shape=(voices, steps): its cells after the change; rests stay
    beyond : 'refuse'; 'clamp', which takes the same pitch class in the nearest octave
        inside; or 'skip', which leaves the whole note as it was
    lowest, highest : MIDI pitches or names, such as an instrument's range

    Raises
    ------
    ChoraleError
        With 'refuse', for the first note outside; with 'clamp', for less than an octave.
    """
    choice(beyond, "beyond", BEYOND)
    low, high = as_pitch(lowest, "lowest"), as_pitch(highest, "highest")
    if low > high:
        raise ChoraleError(f"lowest: expected a pitch up to the highest, {high}, got {low}")
    outside = (grid != piece.grid) & ((grid < low) | (grid > high))
    if not outside.any():
        return grid
    if beyond == "refuse":
        _refuse(piece, grid, outside, low, high)
    if beyond == "skip":
        stays = np.zeros(int(piece.onsets.sum()) + 1, bool)
        stays[piece.note[outside]] = True
        return np.where(stays[piece.note], piece.grid, grid)
    if high - low < 11:
        raise ChoraleError(f"beyond: clamp: expected a range of an octave, got {low}-{high}")
    octaves = np.where(grid < low, -((grid - low) // 12), (high - grid) // 12)
    return np.where(outside, grid + 12 * octaves, grid)


def _refuse(piece: Traced, grid: np.ndarray, outside: np.ndarray, low: int, high: int) -> None:
    voice, step = (int(place) for place in np.argwhere(outside)[0])
    more = len(np.unique(piece.note[outside])) - 1
    others = f" (and {more} more)" if more else ""
    raise ChoraleError(
        f"{voice_name(voice)} at step {step}: {pitch_name(int(piece.grid[voice, step]))} would "
        f"become {pitch_name(int(grid[voice, step]))}, MIDI {grid[voice, step]}, outside "
        f"{low}-{high}{others}; beyond: clamp takes the nearest octave inside, "
        "beyond: skip leaves the note as it was"
    )


def as_pitch(value: object, name: str) -> int:
    """A MIDI pitch from a number 1-127 or a name, or ChoraleError."""
    return parse_pitch(value) if isinstance(value, str) else whole(value, name, 1, 127)
