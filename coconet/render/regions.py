"""A region: one recording, and for which keys and velocities it stands.

The word and its meaning are those of the SFZ format (https://sfzformat.com); a folder of
files becomes regions, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coconet.render.wavs import Facts
from coconet.tuning import DEGREES, KEYS, STANDARD

#: Velocities run from 1 to this.
LOUDEST = 127
LOOP_MODES = ("no_loop", "one_shot", "loop_continuous", "loop_sustain")
#: A chart's cell where nothing sounds.
NOTHING = -1
#: Shorter fades click, in seconds.
SHORTEST_RELEASE = 0.01
#: Seconds that a note sounds at most after its end.
LONGEST_RING = 60.0
#: So many semitones below its lowest key a recording is played at most: a style's largest
#: shift, and one more for a temperament that stands away from equal.
BELOW = 25


@dataclass(frozen=True)
class Region:
    """One recording, where it stands and how it plays.

    Attributes
    ----------
    facts : of its file
    keys : lowest and highest MIDI key
    velocities : lowest and highest velocity, 1-127
    hz : frequency that sounds at the recorded speed
    layer : what the report calls its velocity layer, '' where there is only one
    gain : dB
    reference : velocity at which it sounds as loud as recorded
    track : how far its amplitude follows the velocity: 1 by the square, 0 not at all,
        -1 the other way round
    pan : added to the note's: -1 left to 1 right
    offset, end : first frame that is played, and the one after the last
    mode : one of `LOOP_MODES`
    loop : first frame of the loop and the one after its last; None without
    attack, hold, decay, release : seconds of the envelope
    sustain : share of the amplitude that is left after the decay
    source : where it is written, such as 'piano.sfz:12'
    """

    facts: Facts
    keys: tuple[int, int]
    velocities: tuple[int, int]
    hz: float
    layer: str = ""
    gain: float = 0.0
    reference: int = LOUDEST
    track: float = 1.0
    pan: float = 0.0
    offset: int = 0
    end: int = 0
    mode: str = "no_loop"
    loop: tuple[int, int] | None = None
    attack: float = 0.0
    hold: float = 0.0
    decay: float = 0.0
    sustain: float = 1.0
    release: float = SHORTEST_RELEASE
    source: str = ""

    @property
    def path(self) -> Path:
        """Of its file."""
        return self.facts.path

    @property
    def looped(self) -> bool:
        """Whether it sounds for as long as the note is held."""
        return self.loop is not None and self.mode.startswith("loop")

    def level(self, velocities: np.ndarray) -> np.ndarray:
        """Decibels above what was recorded at these velocities: float array of their shape.

        The amplitude follows the square of the velocity, as in SFZ's `amp_veltrack`,
        here from the velocity at which the recording is as loud as it should be. So
        a layer isn't made soft twice: by its own recording and by the velocity.
        """
        curve = (np.asarray(velocities, float) / self.reference) ** 2
        share = abs(self.track) * (1 - curve)
        amplitude = np.maximum(share if self.track < 0 else 1 - share, 1e-6)
        return self.gain + 20 * np.log10(amplitude)

    def seconds(self, hz: np.ndarray) -> np.ndarray:
        """How long it sounds at most at these frequencies, in seconds: inf if it is looped."""
        if self.looped:
            return np.full(np.shape(hz), np.inf)
        return (self.end - self.offset) / self.facts.rate * self.hz / np.asarray(hz, float)

    @property
    def ring(self) -> float:
        """Seconds that a note rings on after its end, at most: a one-shot plays to its own."""
        if self.mode != "one_shot":
            return self.release
        lowest = key_hz(self.keys[0] - BELOW)
        return min(LONGEST_RING, float(self.seconds(lowest)) + self.release)


def empty_chart() -> np.ndarray:
    """Which region plays each key at each velocity, none as yet: int array (128, 128)."""
    return np.full((KEYS, LOUDEST + 1), NOTHING)


def key_hz(key: float) -> float:
    """Hz of a MIDI key, or of one between two keys, in equal temperament at A4 = 440.

    >>> key_hz(69.0)
    440.0
    """
    standard, hz = STANDARD
    return hz * 2 ** ((key - standard) / DEGREES)
