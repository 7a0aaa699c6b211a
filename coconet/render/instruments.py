"""The instruments by name, and which of them each voice plays.

An instrument is written as its name, such as 'organ', or with one of its variants, as in
'organ:flutes'. Several are written with commas between them, or as a list: one for each
voice, or four that every quartet of voices shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coconet.checks import choice, whole
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.grid import VOICES

DEFAULT_INSTRUMENT = "piano"


@dataclass(frozen=True)
class Instrument:
    """What can play a voice.

    Attributes
    ----------
    name : one word; Csound's orchestra for it is the file of that name
    what : one line for a person
    ring : seconds that a note rings on after its end
    program : General MIDI's, from 0, for FluidSynth; None where it has none
    variants : name and one line of each; the first is the default
    needs : 'soundfont' or 'samples' where Csound can't play without, else ''
    """

    name: str
    what: str
    ring: float
    program: int | None
    variants: tuple[tuple[str, str], ...] = ()
    needs: str = ""

    @property
    def needs_font(self) -> bool:
        """Whether Csound plays it from a SoundFont."""
        return self.needs == "soundfont"


INSTRUMENTS = {
    instrument.name: instrument
    for instrument in (
        Instrument(
            "piano",
            "the piano of a SoundFont, tuned exactly, darker where it is soft",
            0.45,
            0,
            (
                ("shaded", "the softer, the darker"),
                ("soft", "darker, as with the soft pedal"),
                ("plain", "the samples as they are"),
            ),
            "soundfont",
        ),
        Instrument(
            "organ",
            "a pipe organ",
            0.12,
            19,
            (
                ("principals", "8', 4', 2 2/3' and 2'"),
                ("flutes", "stopped 8' and 4'"),
                ("plenum", "16' to 1', with mixtures"),
                ("reeds", "16' and 8' reeds, 4' principal"),
            ),
        ),
        Instrument(
            "strings",
            "bowed strings, several a voice",
            0.35,
            48,
            (("open", "without mutes"), ("muted", "darker")),
        ),
        Instrument(
            "choir",
            "singers on a vowel, several a voice",
            0.4,
            52,
            (("ah", "as in father"), ("oh", "as in more"), ("oo", "as in moon")),
        ),
        Instrument(
            "harpsichord",
            "plucked strings, the same at any touch",
            0.09,
            6,
            (
                ("single", "one 8' stop"),
                ("coupled", "8' and 4' together"),
                ("lute", "damped at once"),
            ),
        ),
        Instrument("clavichord", "struck softly, brighter the harder", 0.07, 7),
        Instrument("samples", "recordings of your own", 0.5, None, needs="samples"),
    )
}


@dataclass(frozen=True)
class Part:
    """An instrument, and which of its variants: 0 is the default."""

    instrument: Instrument
    variant: int = 0

    def __str__(self) -> str:
        name = self.instrument.name
        return f"{name}:{self.instrument.variants[self.variant][0]}" if self.variant else name


def parse_part(text: object) -> Part:
    """Read NAME or NAME:VARIANT; ChoraleError says which there are.

    >>> str(parse_part("organ:flutes")), str(parse_part("organ:principals"))
    ('organ:flutes', 'organ')
    """
    if isinstance(text, Part):
        return text
    if not isinstance(text, str):
        raise ChoraleError(f"instrument: expected a name such as 'organ', got {shown(text)}")
    name, colon, variant = (word.strip() for word in text.partition(":"))
    instrument = INSTRUMENTS[choice(name, "instrument", tuple(INSTRUMENTS))]
    if not colon:
        return Part(instrument)
    names = [known for known, _ in instrument.variants]
    if not names:
        raise ChoraleError(f"instrument {shown(text)}: {name} has no variants; write {name!r}")
    if variant not in names:
        expected = ", ".join(f"{name}:{known}" for known in names)
        near = nearest_name(variant, names)
        raise ChoraleError(f"instrument: expected one of {expected}, got {shown(text)}{near}")
    return Part(instrument, names.index(variant))


def parse_parts(instrument: object, voices: int) -> tuple[Part, ...]:
    """What each voice plays.

    Parameters
    ----------
    instrument : one for all voices, or one a voice, or four for each quartet of voices in
        turn: text with commas between them, or a sequence of such names or `Part`s
    voices : how many there are

    Raises
    ------
    ChoraleError
        For an unknown name or variant, or another number of instruments.

    >>> print(*parse_parts("choir, strings, strings, organ", 5))
    choir strings strings organ choir
    """
    voices = whole(voices, "voices", 1)
    if isinstance(instrument, str):
        listed: Sequence[object] = instrument.split(",")
    elif isinstance(instrument, Sequence):
        listed = instrument
    else:
        listed = [instrument]
    parts = [parse_part(item) for item in listed]
    quartets = len(parts) == len(VOICES) and voices > len(VOICES)
    if len(parts) not in (1, voices) and not quartets:
        four = f", {len(VOICES)} for every quartet" if voices > len(VOICES) else ""
        raise ChoraleError(
            f"instrument: expected one for all{four} or one for each of {voices} "
            f"{'voice' if voices == 1 else 'voices'}, got {len(parts)}"
        )
    return tuple(parts[voice % len(parts)] for voice in range(voices))
