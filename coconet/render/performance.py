"""From a chorale to timed notes: what a synthesiser needs, and nothing else.

Conventions
-----------
Times are seconds from the start, frequencies Hz, velocities 1-127. Pan runs
from 0 (left) over 0.5 to 1 (right). Nothing here is left to chance unless a
generator is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import STEPS_PER_QUARTER, notes_of

NOTE = np.dtype(
    [
        ("start", "f8"),
        ("duration", "f8"),
        ("key", "i2"),
        ("hz", "f8"),
        ("velocity", "i2"),
        ("voice", "i2"),
        ("pan", "f8"),
    ]
)
#: Outer voices are a little louder than inner ones. SoundFonts may change their
#: sample above 110 or so, which none of these reach.
VELOCITIES = (84, 72, 74, 82)
DOWNBEAT = 4
#: Half the stereo width over which the four voices of one quartet are spread.
QUARTET_WIDTH = 0.2
#: Half the width over which the centres of several quartets are spread.
CHOIR_WIDTH = 0.3
#: A note ends this many seconds early, so that a repeated one is heard anew.
LIFT = 0.02
#: At a fermata the singers breathe: this many beats of silence after the chord.
BREATH = 0.125
#: Seconds for the last chord to die away.
TAIL = 1.5
#: Standard deviations of humanised starts, in seconds, and velocities.
LOOSE_START, LOOSE_VELOCITY = 0.006, 2.5


@dataclass(frozen=True, eq=False)
class Performance:
    """Timed notes.

    Attributes
    ----------
    notes : structured array of dtype `NOTE`, ordered by start, then voice
    seconds : length with the tail of the last chord
    voices : how many voices there are, silent ones included
    """

    notes: np.ndarray
    seconds: float
    voices: int

    @property
    def spans(self) -> np.ndarray:
        """Start and end of each note: float array, shape=(notes, 2), in seconds."""
        starts = self.notes["start"]
        return np.stack([starts, starts + self.notes["duration"]], axis=1)


def perform(
    chorale: Chorale,
    frequencies: np.ndarray,
    *,
    tempo: float | None = None,
    fermata: float = 0.5,
    rng: np.random.Generator | None = None,
) -> Performance:
    """Play a chorale: a held note is one note, and every one is sounded to its end.

    Parameters
    ----------
    chorale : any number of voices
    frequencies : float array, shape=(128,), Hz of each MIDI key
    tempo : quarter notes a minute; the chorale's own by default
    fermata : beats by which a fermata, and the last chord, are lengthened
    rng : loosens starts and velocities a little; by default they are exact

    Raises
    ------
    ChoraleError
        Where nothing sounds, or a tempo or fermata makes no sense.
    """
    tempo = chorale.tempo if tempo is None else tempo
    if not 5 <= tempo <= 1000:
        raise ChoraleError(f"tempo {tempo:g}: expected 5-1000 quarter notes a minute")
    if not 0 <= fermata <= 8:
        raise ChoraleError(f"fermata {fermata:g}: expected 0-8 beats")
    times, ends = clock(chorale, tempo, fermata)
    pans = voice_pans(chorale.voices)
    rows = []
    for voice, notes in enumerate(notes_of(chorale.grid, chorale.onsets)):
        for start, end, key in notes:
            velocity = VELOCITIES[voice % len(VELOCITIES)]
            velocity += DOWNBEAT * ((start - chorale.upbeat) % chorale.bar == 0)
            length = ends[end] - times[start]
            duration = length - min(LIFT, length / 4)
            rows.append(
                (times[start], duration, key, frequencies[key], velocity, voice, pans[voice])
            )
    if not rows:
        raise ChoraleError(f"{chorale.title or 'chorale'}: has no notes to sound, only rests")
    notes = np.array(rows, NOTE)
    if rng is not None:
        notes = _loosened(notes, rng)
    notes = notes[np.lexsort((notes["voice"], notes["start"]))]
    return Performance(notes, float(times[-1]) + TAIL, chorale.voices)


def clock(chorale: Chorale, tempo: float, fermata: float) -> tuple[np.ndarray, np.ndarray]:
    """When each step begins, and when a note that lasts until it falls silent.

    They differ only after a fermata, by the breath. The last chord is held like
    one with a fermata.

    Returns
    -------
    times, ends : float arrays, shape=(steps + 1,), in seconds
    """
    beat = 60 / tempo
    held = chorale.fermatas.copy()
    held[-1] = True
    lengths = np.full(chorale.steps, beat / STEPS_PER_QUARTER) + held * fermata * beat
    times = np.concatenate([[0.0], np.cumsum(lengths)])
    breath = np.where(held, min(BREATH, fermata / 2) * beat, 0.0)
    return times, times - np.concatenate([[0.0], breath])


def voice_pans(voices: int) -> np.ndarray:
    """Where each voice stands: high voices to the left, quartets side by side.

    Returns
    -------
    float array, shape=(voices,), 0 = left … 1 = right

    >>> voice_pans(4).round(2).tolist()
    [0.3, 0.43, 0.57, 0.7]
    """
    quartets = -(-voices // 4)
    within = np.linspace(-1, 1, min(voices, 4)) if voices > 1 else np.zeros(1)
    centres = np.linspace(-1, 1, quartets) if quartets > 1 else np.zeros(1)
    quartet, voice = np.divmod(np.arange(voices), 4)
    return 0.5 + CHOIR_WIDTH * centres[quartet] + QUARTET_WIDTH / quartets * within[voice]


def _loosened(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    notes = notes.copy()
    shift = np.clip(rng.normal(0, LOOSE_START, len(notes)), -2 * LOOSE_START, 2 * LOOSE_START)
    velocity = notes["velocity"] + np.rint(rng.normal(0, LOOSE_VELOCITY, len(notes)))
    notes["start"] = np.maximum(0, notes["start"] + shift)
    notes["velocity"] = np.clip(velocity, 1, 110)
    return notes
