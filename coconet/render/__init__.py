"""Sound: a chorale, a temperament and a synthesiser make a sound file.

`render` is all that most users need. Which synthesisers work on this machine,
and what the others lack, is told by `available_sound`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.render.audio import (
    DEFAULT_LEVEL,
    SAMPLE_RATE,
    parse_level,
    peak_level,
    set_level,
    validate_sound_path,
    write_sound,
)
from coconet.render.performance import perform
from coconet.render.soundfonts import (
    NO_SF3,
    SoundFont,
    find_soundfont,
    install_command,
    open_soundfont,
)
from coconet.tuning import DEFAULT, Tuning, load_tuning

SYNTHS = ("csound", "fluidsynth")
INSTRUMENTS = ("piano", "organ")


@dataclass(frozen=True)
class Rendering:
    """What was rendered, and how.

    Attributes
    ----------
    path : the sound file
    seconds : its length
    peak : its level in dBFS
    synth : 'csound' or 'fluidsynth'; instrument : 'piano' or 'organ'
    soundfont : the font that was played, or None for the synthesised organ
    tuning : name of the temperament; tonic : pitch class of its degree 0
    warnings : one line each
    """

    path: Path
    seconds: float
    peak: float
    synth: str
    instrument: str
    soundfont: Path | None
    tuning: str
    tonic: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sound:
    """One way to make sound on this machine.

    Attributes
    ----------
    synth : 'csound' or 'fluidsynth'; instrument : 'piano' or 'organ'
    found : what is there, and where
    missing : what isn't there, each with the command that brings it
    """

    synth: str
    instrument: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    soundfont: SoundFont | None = field(default=None, repr=False)

    @property
    def works(self) -> bool:
        return not self.missing


def render(
    chorale: Chorale,
    path: Path | str,
    *,
    synth: str | None = None,
    instrument: str | None = None,
    tuning: str | Path | Tuning | None = None,
    tonic: int | None = None,
    tempo: float | None = None,
    fermata: float = 0.5,
    soundfont: Path | str | None = None,
    level: str = DEFAULT_LEVEL,
    rng: np.random.Generator | None = None,
    force: bool = False,
) -> Rendering:
    """Render a chorale to a sound file.

    Parameters
    ----------
    path : a name that ends in .wav, .flac or .mp3
    synth, instrument : 'csound' or 'fluidsynth', 'piano' or 'organ'; by default
        the first that works of Csound's piano, Csound's organ, FluidSynth
    tuning : 'equal', a name in the `tunings` folder, the path of a .scl file,
        or a `Tuning`; Secor's Victorian temperament by default
    tonic : pitch class of the temperament's degree 0; by default where its
        keyboard mapping puts it, else the chorale's tonic
    tempo : quarter notes a minute; the chorale's own by default
    fermata : beats by which a fermata, and the last chord, are lengthened
    soundfont : path of a SoundFont; by default the best one found
    level : 'peak:-1' sets the peak to -1 dBFS
    rng : loosens the timing a little; by default it is exact
    force : replace an existing file

    Raises
    ------
    ChoraleError
        For anything that would give no sound, or a wrong one. Then no file is
        written, and an old one stays as it was.
    """
    path = validate_sound_path(path, force=force)
    parse_level(level)
    temperament = load_tuning(DEFAULT if tuning is None else tuning)
    warnings = []
    if tonic is None:
        tonic = temperament.tonic
        if tonic is None:
            tonic = chorale.tonic
            # Equal temperament sounds the same on every tonic.
            if "tonic" in chorale.assumed and np.ptp(np.diff(temperament.cents)) > 0.01:
                warnings.append("the tonic is unknown: the temperament stands on C; say tonic=")
    performance = perform(
        chorale, temperament.frequencies(tonic), tempo=tempo, fermata=fermata, rng=rng
    )
    sound = _choose(synth, instrument, soundfont)
    samples = _engine(sound.synth)(
        performance, instrument=sound.instrument, soundfont=sound.soundfont
    )
    samples = set_level(samples, level)
    write_sound(path, samples, force=force)
    font = sound.soundfont.path if sound.soundfont else None
    return Rendering(
        path,
        len(samples) / SAMPLE_RATE,
        peak_level(samples),
        sound.synth,
        sound.instrument,
        font,
        temperament.name,
        tonic,
        tuple(warnings),
    )


def available_sound(soundfont: Path | str | None = None) -> tuple[Sound, ...]:
    """Every way to make sound, in the order of preference, working or not.

    Parameters
    ----------
    soundfont : path of a SoundFont to be used; by default the best one found
    """
    csound = _program("Csound", _csound_version)
    fluidsynth = _program("FluidSynth", _fluidsynth_version)
    plain, any_kind = _font(soundfont, plain=True), _font(soundfont, plain=False)
    return (
        _sound("csound", "piano", csound, plain),
        _sound("csound", "organ", csound),
        _sound("fluidsynth", "piano", fluidsynth, any_kind),
        _sound("fluidsynth", "organ", fluidsynth, any_kind),
    )


def _choose(synth: str | None, instrument: str | None, soundfont: Path | str | None) -> Sound:
    """The first way to make sound that fits the wishes and works."""
    for wish, known, name in ((synth, SYNTHS, "synth"), (instrument, INSTRUMENTS, "instrument")):
        if wish is not None and wish not in known:
            raise ChoraleError(f"{name} {wish!r}: expected one of {', '.join(known)}")
    # A font that the user named and that is broken must not be passed over.
    font = open_soundfont(soundfont) if soundfont is not None else find_soundfont(plain=False)
    fitting = [
        sound
        for sound in available_sound(soundfont)
        if synth in (None, sound.synth)
        and instrument in (None, sound.instrument)
        # A font that was asked for must be heard.
        and (soundfont is None or (sound.synth, sound.instrument) != ("csound", "organ"))
    ]
    if not fitting:
        raise ChoraleError(f"{font.path}: Csound's organ needs no SoundFont; leave it out")
    for sound in fitting:
        if sound.works:
            return sound
    lacks = dict.fromkeys(reason for sound in fitting for reason in sound.missing)
    raise ChoraleError(f"no sound: {'; '.join(lacks)}")


def _engine(synth: str) -> Callable[..., np.ndarray]:
    if synth == "csound":
        from coconet.render.csound import render_csound

        return render_csound
    from coconet.render.fluidsynth import render_fluidsynth

    return render_fluidsynth


@dataclass(frozen=True)
class _Part:
    """A program or a font: what was found of it, or what is missing."""

    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    font: SoundFont | None = None


def _program(name: str, version: Callable[[], str]) -> _Part:
    try:
        return _Part(found=(f"{name} {version()}",))
    except ChoraleError as error:
        return _Part(missing=(str(error),))
    except ModuleNotFoundError as error:
        return _Part(missing=(f"{name}: the package {error.name}: coconet doctor tells the fix",))


def _csound_version() -> str:
    from coconet.render.csound import csound_version

    return csound_version()


def _fluidsynth_version() -> str:
    from coconet.render.fluidsynth import fluidsynth_version

    return fluidsynth_version()


def _font(soundfont: Path | str | None, *, plain: bool) -> _Part:
    try:
        font = find_soundfont(plain=plain) if soundfont is None else open_soundfont(soundfont)
    except ChoraleError as error:
        return _Part(missing=(str(error),))
    if font is None:
        return _Part(missing=(f"no SoundFont: {install_command('fluid-soundfont-gm')}",))
    if plain and font.version == 3:
        return _Part(missing=(f"{font.path}: {NO_SF3}",))
    return _Part(found=(str(font.path),), font=font)


def _sound(synth: str, instrument: str, program: _Part, font: _Part | None = None) -> Sound:
    font = font or _Part()
    found, missing = program.found + font.found, program.missing + font.missing
    return Sound(synth, instrument, found, missing, font.font)
