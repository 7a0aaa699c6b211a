"""Timed notes: what a synthesiser needs to know of a performance, and nothing else.

Conventions
-----------
Times are seconds from the start, frequencies Hz, velocities 1-127, levels decibels
above what the velocity says. Pan runs from 0 (left) over 0.5 to 1 (right). A glide is
the number of cents by which a note's pitch moves, evenly, in its last `glide_time`
seconds. A shift is the number of semitones by which another sample than the note's own
is taken and brought back to its pitch: upwards duller, downwards brighter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from coconet.checks import number, whole
from coconet.errors import ChoraleError, shown

NOTE = np.dtype(
    [
        ("start", "f8"),
        ("duration", "f8"),
        ("voice", "i2"),
        ("step", "i4"),
        ("key", "i2"),
        ("hz", "f8"),
        ("velocity", "i2"),
        ("level", "f8"),
        ("pan", "f8"),
        ("shift", "i2"),
        ("glide", "f8"),
        ("glide_time", "f8"),
    ]
)
#: Seconds for the last chord to die away.
TAIL = 1.5
#: The longest performance, in seconds: a day.
LONGEST = 86400.0
#: Frequencies that a note may have, in Hz: what lies higher no sampled sound can hold.
LOWEST_HZ, HIGHEST_HZ = 1.0, 22050.0
#: More voices than any choir of quartets here; what asks for more is no chorale.
MOST_VOICES = 64
#: The largest step: no tempo puts a larger one into a day.
LAST_STEP = 10_000_000
#: Lowest and highest of each field of a note. A note from no grid has step -1.
LIMITS = {
    "start": (0.0, LONGEST),
    "duration": (1e-6, LONGEST),
    "voice": (0, MOST_VOICES - 1),
    "step": (-1, LAST_STEP),
    "key": (1, 127),
    "hz": (LOWEST_HZ, HIGHEST_HZ),
    "velocity": (1, 127),
    "level": (-120.0, 80.0),
    "pan": (0.0, 1.0),
    "shift": (-25, 25),
    "glide": (-20000.0, 20000.0),
    "glide_time": (0.0, LONGEST),
}


@dataclass(frozen=True)
class WalkCounts:
    """What a random walk of velocity and volume did: see `dynamics.Walk`.

    Attributes
    ----------
    volume : where the walk's volume began, which is 0 dB
    challenging, calm : notes that ended inside challenging spans, and outside
    velocity_rises, velocity_falls, volume_rises, volume_falls : how often each moved
    velocity_resets, volume_resets : how often each left its range and began anew

    >>> print(WalkCounts(15.0, 3, 4, 2, 1, 0, 2, 0, 1))
    7 notes, 3 challenging: velocity 2 up, 1 down, 0 resets; volume 0 up, 2 down, 1 reset
    """

    volume: float
    challenging: int = 0
    calm: int = 0
    velocity_rises: int = 0
    velocity_falls: int = 0
    volume_rises: int = 0
    volume_falls: int = 0
    velocity_resets: int = 0
    volume_resets: int = 0

    @property
    def notes(self) -> int:
        return self.challenging + self.calm

    def __str__(self) -> str:
        moved = (
            f"{name} {rises} up, {falls} down, {resets} reset{'' if resets == 1 else 's'}"
            for name, rises, falls, resets in (
                ("velocity", self.velocity_rises, self.velocity_falls, self.velocity_resets),
                ("volume", self.volume_rises, self.volume_falls, self.volume_resets),
            )
        )
        return f"{self.notes} notes, {self.challenging} challenging: {'; '.join(moved)}"


@dataclass(frozen=True, eq=False)
class Performance:
    """Timed notes.

    Attributes
    ----------
    notes : structured array of dtype `NOTE`, ordered by start, then voice
    seconds : length with the tail of the last chord
    voices : how many voices there are, silent ones included
    times : float array, shape=(steps + 1,): when each step begins, and the last one ends;
        empty where the notes come from no grid
    title : of the piece, '' where it has none
    walk : what the random walk of its dynamics did, None where there was none
    """

    notes: np.ndarray
    seconds: float
    voices: int
    times: np.ndarray = field(default_factory=lambda: np.zeros(0))
    title: str = ""
    walk: WalkCounts | None = None

    @property
    def spans(self) -> np.ndarray:
        """Start and end of each note: float array, shape=(notes, 2), in seconds."""
        starts = self.notes["start"]
        return np.stack([starts, starts + self.notes["duration"]], axis=1)

    @property
    def steps(self) -> int:
        """Steps of the grid that was played; 0 where there was none."""
        return max(0, len(self.times) - 1)

    def second_of(self, step: object) -> np.ndarray:
        """When places in the grid are heard: the way back from `step_at`.

        Parameters
        ----------
        step : number or array, 0 to `steps`; 3.5 is halfway through step 3, and `steps`
            the end of the last one

        Returns
        -------
        float array of the shape of `step`, in seconds

        Raises
        ------
        ChoraleError
            For places outside the grid, and for notes that come from none.

        >>> played = Performance(np.zeros(0, NOTE), 4.0, 1, np.array([0.0, 1.0, 2.5]))
        >>> played.second_of([0, 1.5, 2]).tolist(), played.step_at(1.75).item()
        ([0.0, 1.75, 2.5], 1.5)
        """
        self.needs_grid("step")
        places = within(step, "step", float(self.steps))
        return np.interp(places, np.arange(len(self.times)), self.times)

    def step_at(self, second: object) -> np.ndarray:
        """Which places in the grid are heard at some seconds: the way back from `second_of`.

        Parameters
        ----------
        second : number or array, 0 to the end of the last step, which is `times[-1]`: after
            it only the tail is heard

        Returns
        -------
        float array of the shape of `second`: 3.5 is halfway through step 3

        Raises
        ------
        ChoraleError
            For times outside the grid, and for notes that come from none.
        """
        self.needs_grid("second")
        seconds = within(second, "second", float(self.times[-1]))
        return np.interp(seconds, self.times, np.arange(len(self.times)))

    def needs_grid(self, name: str) -> None:
        """Raise ChoraleError, which begins with `name`, where the notes come from no grid."""
        if not self.steps:
            raise ChoraleError(f"{name}: these notes come from no grid, so they have no steps")


def within(value: object, name: str, last: float) -> np.ndarray:
    """Numbers 0 to `last` as a float array; ChoraleError for all else, nan included."""
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise ChoraleError(f"{name}: expected numbers, got {shown(value)}") from error
    outside = ~((numbers >= 0) & (numbers <= last))
    if outside.any():
        raise ChoraleError(f"{name}: expected 0 to {last:g}, got {numbers[outside][0]:g}")
    return numbers


# ---------------------------------------------------------------- what can be played


def validate_performance(
    performance: object, *, name: str = "performance", lines: Sequence[int] | None = None
) -> Performance:
    """Check that a performance can be played and saved, and return it.

    Parameters
    ----------
    name : what messages call it
    lines : of a file of that name, the number of each note's line; by default messages
        count notes from 0

    Raises
    ------
    ChoraleError
        For what is no performance; no notes, notes of another dtype than `NOTE`, or in
        another order; a field that isn't finite or is outside `LIMITS`; a note of a voice
        or a step that isn't there, that ends after `seconds` or glides for longer than it
        lasts; seconds beyond a day; times that don't rise from 0.
    """
    if not isinstance(performance, Performance):
        raise ChoraleError(f"{name}: expected a Performance, got {shown(performance)}")
    notes = performance.notes
    if not isinstance(notes, np.ndarray) or notes.dtype != NOTE or notes.ndim != 1:
        raise ChoraleError(f"{name}: notes: expected an array of dtype NOTE, got {shown(notes)}")
    if not len(notes):
        raise ChoraleError(f"{name}: has no notes to sound")
    if not isinstance(performance.title, str):
        raise ChoraleError(f"{name}: title: expected a text, got {shown(performance.title)}")
    if not isinstance(performance.walk, WalkCounts | None):
        raise ChoraleError(f"{name}: walk: expected WalkCounts, got {shown(performance.walk)}")
    times = validate_times(performance.times, name)
    last = float(times[-1]) if len(times) else 0.0
    seconds = number(performance.seconds, f"{name}: seconds", last, LONGEST)
    voices = whole(performance.voices, f"{name}: voices", 1, MOST_VOICES)
    for field_name, (low, high) in LIMITS.items():
        values = notes[field_name]
        for row in np.flatnonzero(~((values >= low) & (values <= high)))[:1]:
            kind = "a whole number" if values.dtype.kind == "i" else "a number"
            raise ChoraleError(
                f"{_place(name, lines, row)}: {field_name}: expected {kind} from {low:g} to "
                f"{high:g}, got {values[row]:g}"
            )
    for wrong, complaint in _misfits(notes, seconds, voices, len(times) - 1):
        for row in np.flatnonzero(wrong)[:1]:
            raise ChoraleError(f"{_place(name, lines, row)}: the note {complaint}")
    return performance


def validate_times(times: object, name: str = "performance") -> np.ndarray:
    """Check when steps begin: float array of rising seconds from 0, or empty."""
    known = isinstance(times, np.ndarray) and times.ndim == 1 and times.dtype.kind in "fi"
    if not known:
        raise ChoraleError(f"{name}: times: expected an array of seconds, got {shown(times)}")
    rising = len(times) > 1 and times[0] == 0 and (np.diff(times) > 0).all()
    if len(times) and not (rising and times[-1] <= LONGEST):
        raise ChoraleError(f"{name}: times: expected seconds that rise from 0, got {shown(times)}")
    return times


def _misfits(
    notes: np.ndarray, seconds: float, voices: int, steps: int
) -> tuple[tuple[np.ndarray, str], ...]:
    """Which notes don't fit the others and the whole, and why.

    steps : of the grid; -1 where there is none
    """
    starts = np.diff(notes["start"])
    falls = (starts < 0) | ((starts == 0) & (np.diff(notes["voice"]) < 0))
    most = steps if steps > 0 else LAST_STEP + 1
    return (
        (
            np.append(False, falls),
            "starts before the note above it; sort by start, then voice",
        ),
        (
            notes["start"] + notes["duration"] > seconds,
            f"ends after the performance's {seconds:g} seconds; change 'seconds'",
        ),
        (
            notes["voice"] >= voices,
            f"has a voice beyond {voices - 1}, the last of {voices}; change 'voices'",
        ),
        (
            notes["step"] >= most,
            f"has a step beyond {most - 1}, the last of {most} in 'times'; -1 is from no grid",
        ),
        (notes["glide_time"] > notes["duration"], "glides for longer than it lasts"),
    )


def _place(name: str, lines: Sequence[int] | None, row: int) -> str:
    return f"{name}: note {row}" if lines is None else f"{name}, line {lines[row]}"
