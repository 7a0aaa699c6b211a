"""Players in the notebook: a rendering as it becomes a file, and a quick look."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.features import Group, scale_consistencies
from coconet.render import available_sound, render
from coconet.render.audio import read_sound, scratch_folder, write_sound
from coconet.render.chunks import Engine, play_into
from coconet.render.events import Performance
from coconet.render.instruments import DEFAULT_INSTRUMENT, parse_parts
from coconet.render.levels import set_level
from coconet.render.performance import perform
from coconet.render.soundfonts import find_soundfont, install_command, open_soundfont
from coconet.render.style import PLAIN
from coconet.render.tape import SAMPLE_RATE, Tape
from coconet.tuning import DEFAULT, Tuning, load_tuning


def play(music: Chorale | Performance, **options: Any) -> Any:
    """Render a chorale or a performance and return a player for the notebook.

    options : those of `coconet.render.render`, such as `synth`, `tuning`, `style`

    Returns
    -------
    IPython.display.Audio, or a Markdown text that says what is missing where no
    synthesiser works, so that a notebook runs through without sound.

    Raises ChoraleError as `coconet.render.render` does.
    """
    from IPython.display import Audio

    ways = available_sound(options.get("soundfont"))
    if not any(way.works for way in ways):
        return _silence([reason for way in ways for reason in way.missing])
    with scratch_folder() as folder:
        path = folder / "sound.wav"
        render(music, path, **options)
        samples, _ = read_sound(path)
    return Audio(data=mp3_of(samples), embed=True)


@dataclass(frozen=True)
class QuickLook:
    """A player with a line under it.

    Attributes
    ----------
    audio : IPython.display.Audio
    scale_consistency : the largest share of notes that lie in one major or natural minor
        scale, 0-1
    seconds : how long it lasts
    played_by : such as 'FluidSynth, piano'
    """

    audio: Any = field(repr=False)
    scale_consistency: float
    seconds: float
    played_by: str

    def __str__(self) -> str:
        return (
            f"scale consistency {self.scale_consistency:.2f}; {self.seconds:.0f} s; "
            f"{self.played_by}"
        )

    def _repr_html_(self) -> str:
        return f"{self.audio._repr_html_()}<div>{self}</div>"


def quick_play(
    music: Chorale | np.ndarray,
    *,
    instrument: object = None,
    tempo: float | None = None,
    tuning: str | Path | Tuning = DEFAULT,
    tonic: int | None = None,
    soundfont: Path | str | None = None,
    workers: int = 2,
) -> Any:
    """Hear something at once: in strict time, without a hall, mono.

    FluidSynth plays, or else Csound, whose organ needs no SoundFont. `play` makes the
    sound that a file would have.

    Parameters
    ----------
    music : a chorale, or a bare array of pitches, shape=(voices, steps), a step a
        sixteenth note, 0 a rest
    instrument : what `instruments.parse_parts` reads; by default the piano, and Csound's
        organ where FluidSynth or a font is missing
    tempo : quarter notes a minute; by default the chorale's own
    tuning, tonic : as for `render`
    soundfont : path of a SoundFont; by default the best one found
    workers : how many synthesisers share a long piece

    Returns
    -------
    QuickLook, or a Markdown text that says what is missing where nothing can play

    Raises
    ------
    ChoraleError
        For an array that is no music, and for what the options can't be.
    """
    from IPython.display import Audio

    chorale = music if isinstance(music, Chorale) else Chorale(np.asarray(music))
    temperament = load_tuning(tuning)
    if tonic is None:
        tonic = chorale.tonic if temperament.tonic is None else temperament.tonic
    style = replace(PLAIN, tempo=tempo)
    performance = perform(chorale, temperament.frequencies(tonic), style)
    chosen, lacks = _engine(instrument, soundfont, chorale.voices)
    if chosen is None:
        return _silence(lacks)
    with scratch_folder() as folder:
        tape = Tape(folder / "sound.raw")
        play_into(
            performance, tape, chosen.engine, ring=chosen.ring, workers=workers, name=chosen.name
        )
        samples = tape.read()
    group = Group(chorale.grid, chorale.onsets, np.arange(chorale.voices))
    return QuickLook(
        Audio(data=mp3_of(set_level(samples.mean(axis=1, keepdims=True))), embed=True),
        float(scale_consistencies(group.classes)),
        len(samples) / SAMPLE_RATE,
        chosen.name,
    )


def mp3_of(samples: np.ndarray) -> bytes:
    """Sound as a small MP3 of variable rate, about 1 MB a minute: it stays in the notebook.

    samples : float array, shape=(frames, 1 or 2), within ±1
    """
    import soundfile

    if "MP3" in soundfile.available_formats():
        encoded = io.BytesIO()
        soundfile.write(encoded, samples, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
        return encoded.getvalue()
    with scratch_folder() as folder:
        return write_sound(folder / "sound.mp3", samples).read_bytes()


@dataclass(frozen=True)
class _Choice:
    """An engine, how long its notes ring, and its name."""

    engine: Engine
    ring: float
    name: str


def _engine(
    instrument: object, soundfont: Path | str | None, voices: int
) -> tuple[_Choice | None, list[str]]:
    """What can play here, or None; and what stood in the way.

    Raises ChoraleError for an instrument that there isn't and a font that is broken: what
    the user chose must not be passed over.
    """
    wanted = DEFAULT_INSTRUMENT if instrument is None else instrument
    if any(part.instrument.needs == "samples" for part in parse_parts(wanted, voices)):
        raise ChoraleError("instrument samples: a quick look has none; say play(..., samples=...)")
    if soundfont is not None:
        open_soundfont(soundfont)
    lacks = []
    makers: tuple[Callable[[], _Choice], ...] = (
        partial(_fluidsynth, wanted, soundfont, voices),
        partial(_csound, "organ" if instrument is None else instrument, soundfont, voices),
    )
    for make in makers:
        try:
            return make(), lacks
        except ChoraleError as error:
            lacks.append(str(error))
        except ModuleNotFoundError as error:
            lacks.append(f"the package {error.name}: coconet doctor tells the fix")
    return None, lacks


def _fluidsynth(instrument: object, soundfont: Path | str | None, voices: int) -> _Choice:
    from coconet.render.fluidsynth import (
        RING,
        fluidsynth_version,
        play_fluidsynth,
        programs_of,
    )

    fluidsynth_version()
    programs_of(instrument, voices)
    font = open_soundfont(soundfont) if soundfont else find_soundfont(plain=False)
    if font is None:
        raise ChoraleError(f"no SoundFont: {install_command('fluid-soundfont-gm')}")
    engine = partial(play_fluidsynth, instruments=instrument, soundfont=font)
    return _Choice(engine, RING, f"FluidSynth, {_names(instrument, voices)}")


def _csound(instrument: object, soundfont: Path | str | None, voices: int) -> _Choice:
    from coconet.render.bands import csound_band
    from coconet.render.csound import csound_version, play_csound

    csound_version()
    font = soundfont or find_soundfont()
    band = csound_band(instrument, voices=voices, soundfont=font)
    engine: Callable[[Performance], np.ndarray] = partial(play_csound, band=band)
    return _Choice(engine, band.ring, f"Csound, {_names(instrument, voices)}")


def _names(instrument: object, voices: int) -> str:
    return ", ".join(dict.fromkeys(str(part) for part in parse_parts(instrument, voices)))


def _silence(lacks: list[str]) -> Any:
    """What a notebook shows where nothing can play."""
    from IPython.display import Markdown

    return Markdown(f"*No sound: {'; '.join(dict.fromkeys(lacks))}.*")
