"""The style in which a chorale is played: tempo, touch, dynamics, places, chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from coconet.checks import choice, flag, number, whole
from coconet.errors import ChoraleError, shown
from coconet.grid import is_whole, items_of
from coconet.render.dynamics import Walk, validate_velocities
from coconet.render.tempo import LONGEST_FERMATA, Tempo, validate_tempo

DYNAMICS = ("even", "phrase", "walk")
STAGES = ("spread", "random")
#: A note ends this many seconds early, so that a repeated one is heard anew.
LIFT = 0.02
#: Standard deviations of starts, in seconds, and velocities when people play a little loosely.
LOOSE_START, LOOSE_VELOCITY = 0.006, 2.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Style:
    """How a chorale is played.

    Attributes
    ----------
    tempo : quarter notes a minute, 5-1000; or break points ((step, tempo), …) with straight
        lines between them; None for the chorale's own
    fermata : beats, 0-8, by which a fermata and the last chord are lengthened; the singers
        breathe after it
    broaden : 0-1, by how much a phrase's last chord is slower, gradually over the two beats
        before it; the piece's end by 2.5 times that, over four beats
    hold : seconds, -5 to 5, by which a note sounds past its written end; negative ones lift
        it, by at most a quarter of it
    jitter : standard deviation of the starts, in seconds, 0-1; no note starts before 0
    zfactor : the original's measure of it instead: 1 / (5 · zfactor · seconds a quarter)
    dynamics : 'even', 'phrase' (see `dynamics.phrase_velocities`), 'walk' or a
        `dynamics.Walk`, or an int array (voices, steps) with each note's velocity, 1-127,
        where it begins
    loose : standard deviation of the velocities beside that, 0-40
    stage : 'spread', each voice its place from left to right; 'random', one of the
        original's nine places for each note; or a place a voice, 0 (left) to 1 (right)
    levels : decibels, -60 to 24, one a voice, or for some voices by name or row; a name means
        those voices of all quartets
    glide : seconds, 0-60, over which a note moves to the pitch of the next of its voice, if
        that is another key and follows without a gap; at most half the note. It arrives when
        the next begins.
    glides : bool array (voices, steps): notes that glide, marked where they begin; None for
        all
    shift : semitones, -24 to 24: sampled instruments take the sample so much higher, and
        bring it back to the note's pitch
    wander : whether each note's shift is drawn anew, by one less, as it is, or one more

    Raises
    ------
    ChoraleError
        For anything outside its range. What depends on a chorale is checked by `perform`.

    >>> Style(tempo=60, hold=0.1).needs_chance, Style(jitter=0.01).needs_chance
    (False, True)
    """

    tempo: Tempo | None = None
    fermata: float = 0.5
    broaden: float = 0.06
    hold: float = -LIFT
    jitter: float = 0.0
    zfactor: float | None = None
    dynamics: str | Walk | np.ndarray = "phrase"
    loose: float = 0.0
    stage: str | tuple[float, ...] = "spread"
    levels: tuple[float, ...] | Mapping[str | int, float] | None = None
    glide: float = 0.0
    glides: np.ndarray | None = None
    shift: int = 0
    wander: bool = False

    def __post_init__(self) -> None:
        checked = {
            "tempo": None if self.tempo is None else validate_tempo(self.tempo),
            "fermata": number(self.fermata, "fermata", 0, LONGEST_FERMATA),
            "broaden": number(self.broaden, "broaden", 0, 1),
            "hold": number(self.hold, "hold", -5, 5),
            "jitter": number(self.jitter, "jitter", 0, 1),
            "dynamics": _validate_dynamics(self.dynamics),
            "loose": number(self.loose, "loose", 0, 40),
            "stage": _validate_stage(self.stage),
            "levels": _validate_levels(self.levels),
            "glide": number(self.glide, "glide", 0, 60),
            "glides": _validate_glides(self.glides),
            "shift": whole(self.shift, "shift", -24, 24),
            "wander": flag(self.wander, "wander"),
        }
        if self.zfactor is not None:
            checked["zfactor"] = number(self.zfactor, "zfactor", 0.1, 10_000)
            if self.jitter:
                raise ChoraleError("jitter and zfactor: expected one of them, got both")
        if self.glides is not None and not self.glide:
            raise ChoraleError("glides: expected a time for them, glide=SECONDS, got 0")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def walk(self) -> Walk | None:
        """The random walk of velocity and volume, if the dynamics are one."""
        if isinstance(self.dynamics, Walk):
            return self.dynamics
        return Walk() if isinstance(self.dynamics, str) and self.dynamics == "walk" else None

    @property
    def needs_chance(self) -> bool:
        """Whether `perform` needs a generator."""
        drawn = (self.jitter, self.zfactor, self.loose, self.wander, self.walk)
        return any(drawn) or self.stage == "random"

    def loosened(self) -> Style:
        """This style with starts and velocities a little loose, where they are exact.

        >>> CALM.loosened().jitter, ORIGINAL.loosened().jitter
        (0.006, 0.0)
        """
        jitter = self.jitter or (LOOSE_START if self.zfactor is None else 0.0)
        return replace(self, jitter=jitter, loose=self.loose or LOOSE_VELOCITY)


# ---------------------------------------------------------------- a style's fields


def _validate_dynamics(dynamics: object) -> str | Walk | np.ndarray:
    if isinstance(dynamics, Walk):
        return dynamics
    if isinstance(dynamics, str):
        return choice(dynamics, "dynamics", DYNAMICS)
    return validate_velocities(dynamics)


def _validate_stage(stage: object) -> str | tuple[float, ...]:
    places = items_of(stage)
    if isinstance(stage, str):
        return choice(stage, "stage", STAGES)
    if not places:
        raise ChoraleError(
            f"stage: expected spread, random or a place a voice, 0-1, got {shown(stage)}"
        )
    return tuple(number(place, f"stage: voice {row}", 0, 1) for row, place in enumerate(places))


def _validate_levels(levels: object) -> tuple | None:
    """None, one float a voice, or (voice, dB) pairs."""
    if levels is None:
        return None
    listed = list(levels.items()) if isinstance(levels, Mapping) else items_of(levels)
    if not listed:
        raise ChoraleError(f"levels: expected decibels, one a voice, got {shown(levels)}")
    if not all(isinstance(item, tuple) and len(item) == 2 for item in listed):
        return tuple(number(db, f"levels: voice {row}", -60, 24) for row, db in enumerate(listed))
    for voice, _ in listed:
        if not (isinstance(voice, str) or is_whole(voice)):
            raise ChoraleError(f"levels: expected names of voices or rows, got {shown(voice)}")
    return tuple((voice, number(db, f"levels: {voice}", -60, 24)) for voice, db in listed)


def _validate_glides(glides: object) -> np.ndarray | None:
    if glides is None:
        return None
    try:
        array = np.array(items_of(glides))
    except ValueError:  # rows of unequal length
        array = np.array(None)
    if array.ndim != 2 or array.dtype.kind != "b":
        raise ChoraleError(
            f"glides: expected booleans of shape (voices, steps), got {shown(glides)}"
        )
    array.flags.writeable = False
    return array


# ---------------------------------------------------------------- styles with a name

#: Metronomic and even.
PLAIN = Style(fermata=0.0, broaden=0.0, dynamics="even")
#: Phrases that swell and broaden a little; nothing is left to chance.
CALM = Style()
#: As the program that this one succeeds.
ORIGINAL = Style(
    fermata=0.0,
    broaden=0.0,
    hold=0.2,
    zfactor=14,
    dynamics="walk",
    stage="random",
    shift=4,
    wander=True,
)
STYLES = {"plain": PLAIN, "calm": CALM, "original": ORIGINAL}


def parse_style(style: str | Style) -> Style:
    """A style by its name, plain, calm or original; a `Style` comes back as it is."""
    if isinstance(style, Style):
        return style
    return STYLES[choice(style, "style", tuple(STYLES))]
