"""Players in the notebook: a rendering as it becomes a file, and a quick look."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from coconet.checks import not_needed
from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.features import scale_consistencies
from coconet.render import band_of, perform_tempered, render
from coconet.render.audio import read_sound, scratch_folder, write_sound
from coconet.render.chunks import Engine, play_into
from coconet.render.events import Performance, validate_performance
from coconet.render.instruments import Part, parse_parts
from coconet.render.levels import set_level
from coconet.render.style import PLAIN
from coconet.render.tape import SAMPLE_RATE, Tape
from coconet.render.ways import Chosen, NoSound, choose_way
from coconet.tuning import Tuning

#: How a warning begins under a player.
WARNING = "Warning: "


def play(music: Chorale | np.ndarray | Performance, **options: Any) -> Any:
    """Render a chorale or a performance and return a player for the notebook.

    options : those of `coconet.render.render`, such as `synth`, `tuning`, `style`

    Returns
    -------
    IPython.display.Audio with the rendering's warnings under it (and as `warnings`), or a
    Markdown text that says what is missing where what would play isn't installed, so that
    a notebook runs through without sound.

    Raises ChoraleError as `coconet.render.render` does for all else.
    """
    with scratch_folder() as folder:
        path = folder / "sound.wav"
        try:
            warnings = render(music, path, **options).warnings
        except NoSound as error:
            return _silence(error)
        samples, _ = read_sound(path)
    return _player()(mp3_of(samples), warnings)


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
    warnings : one line each
    """

    audio: Any = field(repr=False)
    scale_consistency: float
    seconds: float
    played_by: str
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = (
            f"scale consistency {self.scale_consistency:.2f}; {self.seconds:.0f} s; "
            f"{self.played_by}"
        )
        return "\n".join((told, *(WARNING + line for line in self.warnings)))

    def _repr_html_(self) -> str:
        return self.audio._repr_html_() + _under(str(self).splitlines())


def quick_play(
    music: Chorale | np.ndarray | Performance,
    *,
    instrument: str | Sequence[str | Part] | None = None,
    tempo: float | None = None,
    tuning: str | Path | Tuning | None = None,
    tonic: int | str | None = None,
    soundfont: Path | str | None = None,
    workers: int = 2,
) -> Any:
    """Hear something at once: in strict time, without a hall, mono.

    FluidSynth plays where it can, since it is quicker; else Csound, as in adaptive
    intonation. `play` makes the sound that a file would have.

    Parameters
    ----------
    music : a chorale; a bare array of pitches, shape=(voices, steps), a step a sixteenth
        note, 0 a rest; or a performance, which has its own times and frequencies
    instrument : as for `render`; by default the piano, and Csound's organ where a font is
        missing
    tempo : quarter notes a minute; by default the chorale's own
    tuning, tonic : as for `render`
    soundfont : path of a SoundFont; by default the best one found
    workers : how many synthesisers share a long piece

    Returns
    -------
    QuickLook, or a Markdown text that says what is missing where what would play isn't
    installed

    Raises
    ------
    ChoraleError
        For an array that is no music, and for what the options can't be.
    """
    if isinstance(music, Performance):
        own = "a chorale; a performance has its own frequencies and times"
        not_needed(own, tempo=tempo, tuning=tuning, tonic=tonic)
        performance, warnings = validate_performance(music), ()
    else:
        performance, tempered = perform_tempered(
            music, tuning=tuning, tonic=tonic, style=PLAIN, tempo=tempo
        )
        warnings = tempered.warnings
    parts = None if instrument is None else parse_parts(instrument, performance.voices)
    if parts and any(part.instrument.needs == "samples" for part in parts):
        raise ChoraleError("instrument samples: a quick look has none; say play(..., samples=...)")
    prefer = "fluidsynth" if _has_octave(performance) else "csound"
    try:
        chosen = choose_way(
            performance.voices, instrument=parts, soundfont=soundfont, prefer=prefer
        )
    except NoSound as error:
        return _silence(error)
    engine, ring, synth = _engine(chosen)
    with scratch_folder() as folder:
        tape = Tape(folder / "sound.raw")
        play_into(performance, tape, engine, ring=ring, workers=workers, name=synth)
        samples = tape.read()
    classes = np.bincount(performance.notes["key"] % 12, minlength=12)
    return QuickLook(
        _player()(mp3_of(set_level(samples.mean(axis=1, keepdims=True)))),
        float(scale_consistencies(classes)),
        len(samples) / SAMPLE_RATE,
        f"{synth}, {chosen.instrument}",
        warnings,
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


def _has_octave(performance: Performance) -> bool:
    """Whether 12 notes to the octave are all that is played, as FluidSynth needs."""
    try:
        from coconet.render.channels import octave_tuning

        octave_tuning(performance.notes["hz"])
    except (ChoraleError, ModuleNotFoundError):
        return False
    return True


def _engine(chosen: Chosen) -> tuple[Engine, float, str]:
    """What plays parts of a performance, how long its notes ring, and its name."""
    if chosen.synth == "csound":
        from coconet.render.csound import play_csound

        band = band_of(chosen)
        engine: Callable[[Performance], np.ndarray] = partial(play_csound, band=band)
        return engine, band.ring, "Csound"
    from coconet.render.fluidsynth import RING, play_fluidsynth

    engine = partial(play_fluidsynth, instruments=chosen.parts, soundfont=chosen.soundfont)
    return engine, RING, "FluidSynth"


@functools.cache
def _player() -> type:
    """IPython's player of an MP3 with warnings under it: a class, made when first needed."""
    from IPython.display import Audio

    class Player(Audio):
        def __init__(self, data: bytes, warnings: Sequence[str] = ()) -> None:
            super().__init__(data=data, embed=True)
            self.mimetype = "audio/mpeg"  # IPython takes all that has no name for WAV
            self.warnings = tuple(warnings)

        def _repr_html_(self) -> str:
            return super()._repr_html_() + _under([WARNING + line for line in self.warnings])

    return Player


def _under(lines: Sequence[str]) -> str:
    """Lines under a player, as HTML."""
    return "".join(f"<div>{escape(line)}</div>" for line in lines)


def _silence(error: NoSound) -> Any:
    """What a notebook shows where nothing can play."""
    from IPython.display import Markdown

    told = str(error)
    return Markdown(f"*{told[:1].upper()}{told[1:]}.*")
