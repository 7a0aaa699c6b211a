"""Dynamics: how loud each note is.

Conventions
-----------
Velocities are MIDI's, 1-127, one for each cell of the grid; a note takes that of the cell in
which it begins. Levels are decibels above what the velocity says.

Phrases swell and relax along a parabola, as in Todd (1992), "The dynamics of dynamics: a
model of musical expression", J. Acoust. Soc. Am. 91(6). Dissonances are played a little
more strongly than consonances, as Quantz asks (1752, Versuch einer Anweisung die Flöte
traversiere zu spielen, XVII, VI, 12-14).

The random walk is that of the program which this one succeeds. It counts velocity in the
units of a sampled piano's seven layers, and volume about a base which is 0 dB.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from coconet.checks import number, whole
from coconet.chorale import Chorale, parse_time_signature
from coconet.errors import ChoraleError, shown
from coconet.grid import items_of, voice_name
from coconet.render.events import WalkCounts
from coconet.render.tempo import phrase_spans
from coconet.theory import dissonance_steps

#: Outer voices are a little louder than inner ones. SoundFonts may change their
#: sample above 110 or so, which none of these reach.
VELOCITIES = (84, 72, 74, 82)
DOWNBEAT = 4
#: Within these a phrase swells.
SOFTEST, LOUDEST = 45, 105
#: From the ends of a phrase to its peak.
SWELL = 16
#: The peak of a phrase is its highest note, but neither earlier nor later than this share.
EARLIEST_PEAK, LATEST_PEAK = 0.4, 0.75
#: On a bar line, on any other beat, on the half or third of one, elsewhere.
ACCENTS = (DOWNBEAT, 1, -1, -2)
#: For a chord that is all dissonance, beside a consonant one.
DISSONANCE = 8

#: The walk's velocity and MIDI's: the original's table of layers, 60-72, carried on evenly.
LAYERS = (
    (52, 1), (60, 25), (62, 31), (64, 39), (66, 47), (68, 63), (70, 78), (72, 85), (84, 127),
)  # fmt: skip
#: Between these a walk's volume may wander.
QUIETEST, FULLEST = 1, 100

_WALKED, _MIDI = np.array(LAYERS, float).T


def even_velocities(chorale: Chorale) -> np.ndarray:
    """The same velocity for all notes of a voice, and a little more on bar lines.

    Returns
    -------
    float array, shape=(voices, steps)
    """
    base = np.resize(np.array(VELOCITIES, float), chorale.voices)
    lines = (np.arange(chorale.steps) - chorale.upbeat) % chorale.bar == 0
    return base[:, None] + DOWNBEAT * lines


def phrase_velocities(chorale: Chorale) -> np.ndarray:
    """Velocities that swell towards each phrase's highest note and relax at its end.

    Beats are a little stronger than what lies between them, outer voices than inner ones,
    dissonant chords than consonant ones.

    Returns
    -------
    float array, shape=(voices, steps), 45-105
    """
    base = np.resize(np.array(VELOCITIES, float), chorale.voices)
    common = SWELL * _arches(chorale) + _accents(chorale)
    common += DISSONANCE * dissonance_steps(chorale.grid)
    return np.clip(base[:, None] + common, SOFTEST, LOUDEST)


def _arches(chorale: Chorale) -> np.ndarray:
    """Parabolas, from both ends of a phrase 1 up to its peak: float array, shape=(steps,).

    The mean over a phrase's chords is 0, so that short phrases are as loud as long ones.
    """
    highest = chorale.grid.max(0)
    begins = chorale.onsets.any(0)
    arch = np.zeros(chorale.steps)
    for start, end in phrase_spans(chorale):
        struck = np.flatnonzero(begins[start:end])
        if not len(struck):
            continue
        first, last = struck[0], struck[-1]
        x = np.clip((np.arange(end - start) - first) / max(1, last - first), 0, 1)
        tops = np.flatnonzero(highest[start:end] == highest[start:end].max())
        peak = np.clip(x[tops].mean(), EARLIEST_PEAK, LATEST_PEAK)
        side = np.where(x < peak, peak, 1 - peak)
        swell = -(((x - peak) / side) ** 2)
        arch[start:end] = swell - swell[struck].mean()
    return arch


def _accents(chorale: Chorale) -> np.ndarray:
    """What a note's place in the bar adds to its velocity: float array, shape=(steps,)."""
    beats, unit = parse_time_signature(chorale.time_signature)
    # In 6/8, 9/8 and 12/8 three units are a beat.
    parts = 3 if unit >= 8 and beats > 3 and beats % 3 == 0 else 2
    beat = 16 // unit * (3 if parts == 3 else 1)
    place = (np.arange(chorale.steps) - chorale.upbeat) % chorale.bar
    on_line, on_beat, on_part, elsewhere = ACCENTS
    accents = np.where(place % max(1, beat // parts), elsewhere, on_part)
    accents = np.where(place % beat == 0, on_beat, accents)
    return np.where(place == 0, on_line, accents).astype(float)


def validate_velocities(velocities: object) -> np.ndarray:
    """Velocities given by hand as a new int array, shape=(voices, steps), which can't be written.

    Raises ChoraleError for other numbers than whole ones and for other shapes.
    """
    listed = items_of(velocities)
    try:
        array = np.array(listed)
    except ValueError:  # rows of unequal length
        array = np.array(None)
    if listed is None or array.ndim != 2 or not array.size or array.dtype.kind not in "iu":
        raise ChoraleError(
            "dynamics: expected even, phrase, walk, a Walk or whole numbers of shape "
            f"(voices, steps), got {shown(velocities)}"
        )
    array.flags.writeable = False
    return array


def given_velocities(velocities: np.ndarray, chorale: Chorale) -> np.ndarray:
    """Velocities given by hand for a chorale, as they are.

    Raises ChoraleError for another shape than the grid's, and where a note would begin with a
    velocity outside 1-127.
    """
    if velocities.shape != chorale.grid.shape:
        raise ChoraleError(
            f"dynamics: expected velocities of shape {chorale.grid.shape}, got {velocities.shape}"
        )
    for voice, step in np.argwhere(chorale.onsets & ((velocities < 1) | (velocities > 127)))[:1]:
        raise ChoraleError(
            f"dynamics: {voice_name(int(voice))} at step {step}: expected a velocity 1-127, "
            f"got {velocities[voice, step]}"
        )
    return velocities


# ---------------------------------------------------------------- the random walk


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Velocity and volume that wander: upwards in challenging spans, downwards outside.

    When a note ends inside a challenging span, velocity and volume rise by a step with a
    chance of one in `rises` each; elsewhere they fall with one in `falls`. What has left its
    range begins anew at its base. Velocity begins anew in each voice, volume is carried over.

    Attributes
    ----------
    velocity, velocities : base, and lowest and highest, in the units of the layers (60-72)
    velocity_step : by which it moves
    volume, volumes : base, which is 0 dB, and lowest and highest
    volume_step : by which it moves
    rises, falls : chances, one in so many

    Raises
    ------
    ChoraleError
        For a base outside its range, steps below 0 and chances that are no whole numbers.
    """

    velocity: int = 67
    velocities: tuple[int, int] = (58, 71)
    velocity_step: int = 1
    volume: float = 15.0
    volumes: tuple[float, float] = (10.0, 18.0)
    volume_step: float = 0.25
    rises: int = 2
    falls: int = 3

    def __post_init__(self) -> None:
        bottom, top = LAYERS[0][0], LAYERS[-1][0]
        lowest, highest = _pair(self.velocities, "velocities")
        lowest = whole(lowest, "walk: lowest velocity", bottom, top)
        highest = whole(highest, "walk: highest velocity", lowest, top)
        quietest, fullest = _pair(self.volumes, "volumes")
        quietest = number(quietest, "walk: lowest volume", QUIETEST, FULLEST)
        fullest = number(fullest, "walk: highest volume", quietest, FULLEST)
        checked = {
            "velocity": whole(self.velocity, "walk: velocity", lowest, highest),
            "velocities": (lowest, highest),
            "velocity_step": whole(self.velocity_step, "walk: velocity_step", 0, top),
            "volume": number(self.volume, "walk: volume", quietest, fullest),
            "volumes": (quietest, fullest),
            "volume_step": number(self.volume_step, "walk: volume_step", 0, FULLEST),
            "rises": whole(self.rises, "walk: rises", 1, 1_000_000),
            "falls": whole(self.falls, "walk: falls", 1, 1_000_000),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def _pair(value: object, name: str) -> tuple[object, object]:
    listed = items_of(value)
    if listed is None or len(listed) != 2:
        raise ChoraleError(f"walk: {name}: expected the lowest and the highest, got {shown(value)}")
    return tuple(listed)


class Walker:
    """A walk on its way, note by note, voice by voice.

    Attributes
    ----------
    velocity, volume : where it is
    counts : what it has done so far
    """

    def __init__(self, walk: Walk, rng: np.random.Generator) -> None:
        self.walk, self.rng = walk, rng
        self.velocity, self.volume = walk.velocity, walk.volume
        self._counts = asdict(WalkCounts(walk.volume))

    @property
    def counts(self) -> WalkCounts:
        return WalkCounts(**self._counts)

    def begin_voice(self) -> None:
        """Velocity begins anew; volume stays where the voice before has brought it."""
        self.velocity = self.walk.velocity

    def step(self, challenging: bool) -> None:
        """Move on by one note; `challenging` says whether it ends inside such a span."""
        walk, counts = self.walk, self._counts
        chance, sign = (walk.rises, 1) if challenging else (walk.falls, -1)
        moved = "rises" if challenging else "falls"
        counts["challenging" if challenging else "calm"] += 1
        if self.rng.integers(0, chance) == 0:
            self.velocity += sign * walk.velocity_step
            counts[f"velocity_{moved}"] += 1
        if self.rng.integers(0, chance) == 0:
            self.volume += sign * walk.volume_step
            counts[f"volume_{moved}"] += 1
        if not walk.volumes[0] <= self.volume <= walk.volumes[1]:
            self.volume = walk.volume
            counts["volume_resets"] += 1
        if not walk.velocities[0] <= self.velocity <= walk.velocities[1]:
            self.velocity = walk.velocity
            counts["velocity_resets"] += 1


def midi_velocity(walked: object) -> np.ndarray:
    """MIDI velocities of the walk's: int array, 1-127.

    >>> midi_velocity([58, 60, 67, 72]).tolist()
    [19, 25, 55, 85]
    """
    return np.rint(np.interp(walked, _WALKED, _MIDI)).astype(int)


def walk_velocity(midi: object) -> np.ndarray:
    """The walk's velocities of MIDI's: the way back, rounded to whole ones.

    >>> walk_velocity([19, 25, 55, 85]).tolist()
    [58, 60, 67, 72]
    """
    return np.rint(np.interp(midi, _MIDI, _WALKED)).astype(int)
