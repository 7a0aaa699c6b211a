"""The ways to make sound on this machine: synthesisers and instruments, working or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coconet.checks import choice
from coconet.errors import ChoraleError
from coconet.render.instruments import DEFAULT_INSTRUMENT, INSTRUMENTS, Part, parse_parts
from coconet.render.soundfonts import (
    NO_SF3,
    SoundFont,
    find_soundfont,
    install_command,
    open_soundfont,
)

SYNTHS = ("csound", "fluidsynth")
#: What is played where nothing was asked for: the first that works.
PREFERRED = (("csound", "piano"), ("csound", "organ"), ("fluidsynth", "piano"))


class NoSound(ChoraleError):
    """What would play isn't installed; the message tells the commands that bring it."""


@dataclass(frozen=True)
class Way:
    """One way to make sound on this machine.

    Attributes
    ----------
    synth : 'csound' or 'fluidsynth'; instrument : a name of `instruments.INSTRUMENTS`
    found : what is there, and where
    missing : what isn't there, each with the command that brings it
    soundfont : the font that it plays, None where it needs none
    """

    synth: str
    instrument: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    soundfont: SoundFont | None = field(default=None, repr=False)

    @property
    def works(self) -> bool:
        return not self.missing


@dataclass(frozen=True)
class Chosen:
    """What plays a piece: synth, an instrument a voice, and the font, where one is played."""

    synth: str
    parts: tuple[Part, ...]
    soundfont: SoundFont | None

    @property
    def instrument(self) -> str:
        """The instruments, each once: 'choir, organ:flutes'."""
        return ", ".join(dict.fromkeys(map(str, self.parts)))


def available_sound(soundfont: Path | str | None = None) -> tuple[Way, ...]:
    """Every way to make sound without recordings of one's own, working or not.

    Parameters
    ----------
    soundfont : path of a SoundFont to be used; by default the best one found
    """
    csound = _program("Csound", _csound_version)
    fluidsynth = _program("FluidSynth", _fluidsynth_version)
    plain, any_kind = _font(soundfont, plain=True), _font(soundfont, plain=False)
    known = [instrument for instrument in INSTRUMENTS.values() if instrument.needs != "samples"]
    return (
        *(_way("csound", one.name, csound, plain if one.needs_font else _Piece()) for one in known),
        *(
            _way("fluidsynth", one.name, fluidsynth, any_kind)
            for one in known
            if one.program is not None
        ),
    )


def choose_way(
    voices: int,
    *,
    synth: str | None = None,
    instrument: str | Sequence[str | Part] | None = None,
    soundfont: Path | str | None = None,
    prefer: str = SYNTHS[0],
) -> Chosen:
    """The first synthesiser that fits the wishes and works.

    Parameters
    ----------
    voices : of the piece
    synth : 'csound' or 'fluidsynth'; by default the first that plays all the instruments
    instrument : as `instruments.parse_parts` takes it; by default the piano, or what else
        works
    soundfont : of the user's own, which must then be heard
    prefer : the synthesiser that plays where both fit

    Raises
    ------
    ChoraleError
        For unknown names, a broken font, a font that nothing would play, and where nothing
        fits.
    NoSound
        Where what fits isn't installed, with what is missing.
    """
    choice(prefer, "prefer", SYNTHS)
    order = sorted(SYNTHS, key=lambda one: one != prefer)
    if synth is not None:
        order = [choice(synth, "synth", SYNTHS)]
    parts = None if instrument is None else parse_parts(instrument, voices)
    # A font that the user named and that is broken must not be passed over.
    font = open_soundfont(soundfont) if soundfont is not None else None
    ways = {(way.synth, way.instrument): way for way in available_sound(soundfont)}
    if parts is None:
        wishes = [
            (ways[wish], parse_parts(wish[1], voices))
            for one in order
            for wish in PREFERRED
            if wish[0] == one and (font is None or ways[wish].soundfont is not None)
        ] or [(ways[order[0], DEFAULT_INSTRUMENT], parse_parts(DEFAULT_INSTRUMENT, voices))]
        for way, played in wishes:
            if way.works:
                return Chosen(way.synth, played, way.soundfont)
        raise _refusal([way for way, _ in wishes], font)
    names = dict.fromkeys(part.instrument.name for part in parts)
    lacking, unheard = [], ""
    for one in order:
        if unfit := _unfit(one, parts):
            if synth is not None:
                raise ChoraleError(unfit)
            continue
        used = [_way_of(ways, one, name) for name in names]
        if not all(way.works for way in used):
            lacking += used
            continue
        played = next((way.soundfont for way in used if way.soundfont), None)
        if font is None or played is not None:
            return Chosen(one, parts, played)
        unheard = f"{font.path}: Csound's {' and '.join(names)} needs no SoundFont; leave it out"
    if unheard:
        raise ChoraleError(f"{unheard}, or: {_lacks(lacking)}" if lacking else unheard)
    raise _refusal(lacking, font)


def _way_of(ways: dict[tuple[str, str], Way], synth: str, name: str) -> Way:
    """The way of one instrument; recordings need what Csound's organ needs."""
    return ways[synth, "organ" if INSTRUMENTS[name].needs == "samples" else name]


def _unfit(synth: str, parts: Sequence[Part]) -> str:
    """Why a synthesiser can't play these parts, whatever is installed; '' where it can."""
    if synth == "csound":
        return ""
    for part in parts:
        if part.instrument.program is None:
            return f"FluidSynth can't play the instrument {part}: render it with Csound"
        if part.variant:
            return (
                f"instrument {part}: FluidSynth plays what the SoundFont has; "
                f"say {part.instrument.name}, or render it with Csound"
            )
    return ""


def _refusal(ways: Sequence[Way], font: SoundFont | None) -> ChoraleError:
    """Why nothing plays: the user's own font where all else is there, else what is missing."""
    to_blame = font is not None and any(
        all(NO_SF3 in reason for reason in way.missing) for way in ways
    )
    return (ChoraleError if to_blame else NoSound)(f"no sound: {_lacks(ways)}")


def _lacks(ways: Sequence[Way]) -> str:
    return "; ".join(dict.fromkeys(reason for way in ways for reason in way.missing))


@dataclass(frozen=True)
class _Piece:
    """A program or a font: what was found of it, or what is missing."""

    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    font: SoundFont | None = None


def _program(name: str, version: Callable[[], str]) -> _Piece:
    try:
        return _Piece(found=(f"{name} {version()}",))
    except ChoraleError as error:
        return _Piece(missing=(str(error),))
    except ModuleNotFoundError as error:
        return _Piece(missing=(f"{name}: the package {error.name}: coconet doctor tells the fix",))


def _csound_version() -> str:
    from coconet.render.csound import csound_version

    return csound_version()


def _fluidsynth_version() -> str:
    from coconet.render.fluidsynth import fluidsynth_version

    return fluidsynth_version()


def _font(soundfont: Path | str | None, *, plain: bool) -> _Piece:
    try:
        font = find_soundfont(plain=plain) if soundfont is None else open_soundfont(soundfont)
    except ChoraleError as error:
        return _Piece(missing=(str(error),))
    if font is None:
        return _Piece(missing=(f"no SoundFont: {install_command('fluid-soundfont-gm')}",))
    if plain and font.version == 3:
        return _Piece(missing=(f"{font.path}: {NO_SF3}",))
    return _Piece(found=(str(font.path),), font=font)


def _way(synth: str, instrument: str, program: _Piece, font: _Piece) -> Way:
    found, missing = program.found + font.found, program.missing + font.missing
    return Way(synth, instrument, found, missing, font.font)
