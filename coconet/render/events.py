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

from dataclasses import dataclass, field

import numpy as np

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
        places = self._within(step, "step", float(self.steps))
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
        seconds = self._within(second, "second", float(self.times[-1]) if self.steps else 0.0)
        return np.interp(seconds, self.times, np.arange(len(self.times)))

    def _within(self, value: object, name: str, last: float) -> np.ndarray:
        """Numbers 0 to `last` as a float array."""
        if not self.steps:
            raise ChoraleError(f"{name}: these notes come from no grid, so they have no steps")
        try:
            numbers = np.asarray(value, float)
        except (TypeError, ValueError) as error:
            raise ChoraleError(f"{name}: expected numbers, got {shown(value)}") from error
        outside = ~((numbers >= 0) & (numbers <= last))
        if outside.any():
            raise ChoraleError(f"{name}: expected 0 to {last:g}, got {numbers[outside][0]:g}")
        return numbers
