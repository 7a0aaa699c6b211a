"""Sound: a chorale, a temperament and instruments make a sound file.

`render` is all that most users need; `perform_tempered` makes the timed notes without the
sound. Which synthesisers work on this machine, and what the others lack, is told by
`ways.available_sound`.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coconet import __version__
from coconet.checks import flag, not_needed, number, whole
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.render.audio import (
    scratch_folder,
    scratch_size,
    size_of,
    validate_sound_path,
    validate_space,
    write_sound,
)
from coconet.render.chunks import play_into
from coconet.render.encoders import parse_encoding
from coconet.render.events import Performance, validate_performance, within
from coconet.render.finish import finish
from coconet.render.hall import Hall, parse_hall
from coconet.render.instruments import Part
from coconet.render.levels import DEFAULT_LEVEL, Level, parse_level
from coconet.render.style import Style
from coconet.render.tape import Tape
from coconet.render.tempered import (
    DEFAULT_SEED,
    Tempered,
    chorale_of,
    perform_tempered,
    style_of,
)
from coconet.render.ways import Chosen, available_sound, choose_way
from coconet.theory import NAMES
from coconet.tuning import Tuning

if TYPE_CHECKING:
    from coconet.render.csound import Band
    from coconet.render.sample_reports import SampleReport
    from coconet.render.samples import SampleSet

__all__ = [
    "Rendering",
    "Tempered",
    "available_sound",
    "band_of",
    "perform_tempered",
    "render",
    "sound_of",
]

#: The hall where none is named.
DEFAULT_HALL = "chamber"
#: As many parts of a piece as may be played at once.
MOST_WORKERS = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Rendering:
    """What was rendered, and how.

    Attributes
    ----------
    path : the sound file
    seconds : its length
    peak : dBFS; true_peak : dBTP
    loudness_before, loudness : LUFS before the level was set and after; None where the
        sound is too short or too soft to be measured
    gain : decibels by which all was made louder
    trimmed : seconds cut off at the beginning and at the end
    synth : 'csound' or 'fluidsynth'; instrument : such as 'piano' or 'choir, organ:flutes'
    soundfont : the font that was played, or None
    tuning : name of the temperament, '' for a performance that came with its frequencies;
        tonic : pitch class of its degree 0, None likewise; reference : Hz of its A4, likewise
    seed : by which was drawn what the style leaves to chance; None where nothing was
    told : one line on the tuning, for a person
    performance : the notes as they were played
    band : what played them in Csound, as `csd.save_csd` takes it; None with FluidSynth
    samples : which of the user's own samples played, or None
    warnings : one line each
    """

    path: Path
    seconds: float
    peak: float
    true_peak: float
    loudness_before: float | None
    loudness: float | None
    gain: float
    trimmed: tuple[float, float]
    synth: str
    instrument: str
    soundfont: Path | None
    tuning: str
    tonic: int | None
    reference: float | None
    seed: int | None
    told: str
    performance: Performance
    band: Band | None = None
    samples: SampleReport | None = None
    warnings: tuple[str, ...] = ()

    def step_at(self, second: object) -> np.ndarray:
        """Which places in the grid are heard at some seconds of the file.

        Unlike `Performance.step_at` it counts from the file's beginning, which is later
        where silence was trimmed.

        Parameters
        ----------
        second : number or array, 0 to the end of the last step or of the file

        Returns
        -------
        float array of the shape of `second`: 3.5 is halfway through step 3

        Raises ChoraleError for other times, and for notes that come from no grid.
        """
        self.performance.needs_grid("second")
        start, end = self.trimmed[0], float(self.performance.times[-1])
        seconds = within(second, "second", min(end - start, self.seconds))
        return self.performance.step_at(np.minimum(seconds + start, end))

    def second_of(self, step: object) -> np.ndarray:
        """When places in the grid are heard in the file: the way back from `step_at`.

        Parameters
        ----------
        step : number or array, 0 to `performance.steps`, as for `Performance.second_of`

        Returns
        -------
        float array of the shape of `step`, in seconds from the file's beginning: negative
        for steps that were trimmed there

        Raises ChoraleError for places outside the grid, and for notes that come from none.
        """
        return self.performance.second_of(step) - self.trimmed[0]


def render(
    music: Chorale | np.ndarray | Performance,
    path: Path | str,
    *,
    synth: str | None = None,
    instrument: str | Sequence[str | Part] | None = None,
    soundfont: Path | str | None = None,
    samples: SampleSet | Path | str | None = None,
    tuning: str | Path | Tuning | None = None,
    keyboard: Path | str | None = None,
    reference: float | None = None,
    tonic: int | str | None = None,
    limit: float | None = None,
    style: str | Style | None = None,
    tempo: float | Sequence[Sequence[float]] | None = None,
    spans: object = None,
    seed: int | None = None,
    hall: str | Hall | None = DEFAULT_HALL,
    trim: bool | float = False,
    level: str | Level = DEFAULT_LEVEL,
    encoding: str | None = None,
    tags: Mapping[str, object] | None = None,
    isolate: bool = True,
    workers: int = 2,
    on_start: Callable[[Performance], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
    force: bool = False,
) -> Rendering:
    """Render a chorale, or a performance, to a sound file.

    Parameters
    ----------
    music : a chorale of up to 64 voices; a bare array of pitches, shape=(voices, steps),
        whose key is then found; or a `Performance`, which has its own tuning and style
    path : a name that ends in .wav, .flac or .mp3
    synth : 'csound' or 'fluidsynth'; by default the first that plays what is asked for
    instrument : such as 'piano', 'organ:plenum', 'choir,strings,strings,organ'
        (`instruments.INSTRUMENTS`); by default the first that works of Csound's piano,
        Csound's organ, FluidSynth's piano; 'samples' where those are given
    soundfont : path of a SoundFont; by default the best one found
    samples : of your own, for the instrument 'samples': a folder, an .sfz, or what
        `samples.open_samples` returns
    tuning, keyboard, reference, tonic, limit : as for `perform_tempered`
    style, tempo, spans, seed : as for `perform_tempered`
    hall : 'chamber' (the default), 'room', 'hall', 'church', 'none', with options such as
        'hall:wet=0.4,decay=2.5', or the path of an impulse response (`hall.parse_hall`)
    trim : whether silence at both ends is cut off (`finish.finish`)
    level : 'peak:-1' sets the peak to -1 dBFS; 'lufs:-18' sets the loudness
    encoding : '16', '24' or 'float' of a WAV, '16' or '24' of a FLAC
    tags : written into the file beside title, tuning, reference, instrument and seed; None
        takes one of these away
    isolate : Csound runs in child processes, which may crash; False: in this one
    workers : how many parts of the piece are played at once; the sound is the same for any
    on_start : called with the performance before anything sounds
    on_progress : called with the share that is done, up to 1
    force : replace an existing file

    Raises
    ------
    ChoraleError
        For anything that would give no sound, or a wrong one. Then no file is written, and
        an old one stays as it was.
    """
    path = validate_sound_path(path, force=force)
    wanted, hall = parse_level(level), parse_hall(hall)
    encoding = parse_encoding(encoding, path.suffix.lower())
    isolate, workers = flag(isolate, "isolate"), whole(workers, "workers", 1, MOST_WORKERS)
    trim, tags = _validate_trim(trim), _validate_tags(tags)
    if samples is not None and instrument is None:
        instrument = "samples"
    if isinstance(music, Performance):
        not_needed(
            "a chorale; a performance has its own frequencies and times",
            tuning=tuning,
            keyboard=keyboard,
            reference=reference,
            tonic=tonic,
            limit=limit,
            style=style,
            tempo=tempo,
            spans=spans,
            seed=seed,
        )
        performance, tempered, drawn = validate_performance(music), None, None
    else:
        music = chorale_of(music)
        seed = DEFAULT_SEED if seed is None else whole(seed, "seed", 0)
        drawn = seed if style_of(style, tempo).needs_chance else None
        performance, tempered = perform_tempered(
            music,
            tuning=tuning,
            keyboard=keyboard,
            reference=reference,
            tonic=tonic,
            limit=limit,
            style=style,
            tempo=tempo,
            spans=spans,
            seed=seed,
        )
    chosen = choose_way(performance.voices, synth=synth, instrument=instrument, soundfont=soundfont)
    band = band_of(chosen, samples) if chosen.synth == "csound" else None
    if band is None and samples is not None:
        raise ChoraleError("samples: FluidSynth can't play them; Csound can")
    if band is None:
        from coconet.render.channels import octave_tuning

        octave_tuning(performance.notes["hz"])  # more pitches than FluidSynth has are refused
    report = None if band is None else _report(band, performance)
    if band is not None:
        # Recordings may ring on for longer than other instruments do.
        end = float((performance.notes["start"] + performance.notes["duration"]).max(initial=0))
        performance = replace(performance, seconds=max(performance.seconds, end + band.ring))
        validate_performance(performance)
    if on_start is not None:
        on_start(performance)
    engine, ring = _engine(chosen, band, isolate=isolate)
    length = performance.seconds + (hall.seconds if hall else 0)
    _validate_room(path.parent, size_of(length, path.suffix, encoding), scratch_size(length))
    with scratch_folder(scratch_size(length)) as scratch:
        tape = Tape(scratch / "dry.f32")
        play_into(
            performance,
            tape,
            engine,
            ring=ring,
            workers=workers,
            on_progress=on_progress,
            name=chosen.synth,
        )
        finished = finish(tape, scratch=scratch, hall=hall, trim=trim, level=wanted)
        write_sound(
            path,
            finished.tape,
            encoding=encoding,
            tags=_tags(performance, tempered, chosen, drawn) | tags,
            force=force,
        )
        seconds = finished.seconds
    return Rendering(
        path=path,
        seconds=seconds,
        peak=finished.peak,
        true_peak=finished.true_peak,
        loudness_before=finished.loudness_before,
        loudness=finished.loudness,
        gain=finished.gain,
        trimmed=finished.trimmed,
        synth=chosen.synth,
        instrument=chosen.instrument,
        soundfont=chosen.soundfont.path if chosen.soundfont else None,
        tuning=tempered.tuning if tempered else "",
        tonic=tempered.tonic if tempered else None,
        reference=tempered.reference if tempered else None,
        seed=drawn,
        told=tempered.told if tempered else "",
        performance=performance,
        band=band,
        samples=report,
        warnings=(
            *_unheard(performance, chosen),
            *(tempered.warnings if tempered else ()),
            *(band.samples.warnings if band and band.samples else ()),
            *finished.warnings,
        ),
    )


def sound_of(music: Chorale | np.ndarray | Performance, **options: object) -> np.ndarray:
    """Sound as an array: what `render` with the same options would write as a float WAV.

    So it isn't dithered, unless another `encoding` is asked for. A rendering's warnings come
    as Python's.

    Returns
    -------
    float32 array, shape=(frames, 2), at 44100 frames a second; as long as the piece, so
    for short ones
    """
    from coconet.render.audio import read_sound

    with scratch_folder() as scratch:
        path = scratch / "sound.wav"
        made = render(music, path, **{"encoding": "float", **options})
        samples, _ = read_sound(path)
    for warning in made.warnings:
        warnings.warn(warning, stacklevel=2)
    return samples


def _engine(
    chosen: Chosen, band: Band | None, *, isolate: bool
) -> tuple[Callable[[Performance], np.ndarray], float]:
    """What plays the parts of a performance, Csound's band or FluidSynth, and how long it rings."""
    if band is not None:
        from coconet.render.csound import play_csound

        # Each part is checked when it is mixed.
        return partial(play_csound, band=band, isolate=isolate, checked=False), band.ring
    from coconet.render.fluidsynth import RING, play_fluidsynth

    return partial(play_fluidsynth, instruments=chosen.parts, soundfont=chosen.soundfont), RING


def _validate_trim(trim: object) -> bool | float:
    """What `finish.finish` takes, checked before anything is played."""
    if trim is None or isinstance(trim, bool | np.bool_):
        return bool(trim)
    return number(trim, "trim: true, false, or what is silence in dB", -120, -20)


def _validate_tags(tags: object) -> dict[str, str | None]:
    """Tags as texts; None takes one away that a file would have otherwise."""
    if tags is None:
        return {}
    if not isinstance(tags, Mapping) or not all(isinstance(name, str) for name in tags):
        raise ChoraleError(f"tags: expected values by name, as {{'artist': …}}, got {shown(tags)}")
    return {name: None if value is None else str(value) for name, value in tags.items()}


def _validate_room(folder: Path, size: int, scratch: int) -> None:
    """Check that a file and the temporary ones fit, together where they share a disk."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    shared = there.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev
    validate_space(folder, size + scratch if shared else size)


def _unheard(performance: Performance, chosen: Chosen) -> list[str]:
    """What to tell where notes ask for other samples, and nothing has any."""
    sampled = chosen.synth == "csound" and any(part.instrument.needs for part in chosen.parts)
    if sampled or not performance.notes["shift"].any():
        return []
    return ["the shift isn't heard: only Csound's piano and recordings have other samples to play"]


def band_of(chosen: Chosen, samples: SampleSet | Path | str | None = None) -> Band:
    """The band that plays what `ways.choose_way` chose for Csound, as `save_csd` takes it.

    samples : for the instrument 'samples', which needs them

    Raises ChoraleError for samples that nothing plays, and what `csound_band` refuses.
    """
    from coconet.render.bands import csound_band
    from coconet.render.samples import SampleSet, open_samples

    if chosen.synth != "csound":
        raise ChoraleError(f"a band plays in Csound, got {chosen.synth}")
    sampled = any(part.instrument.needs == "samples" for part in chosen.parts)
    if samples is not None and not sampled:
        raise ChoraleError(
            f"samples: expected the instrument 'samples' to play them, got {chosen.instrument}"
        )
    if samples is not None and not isinstance(samples, SampleSet):
        samples = open_samples(samples)
    return csound_band(
        chosen.parts, voices=len(chosen.parts), soundfont=chosen.soundfont, samples=samples
    )


def _report(band: Band, performance: Performance) -> SampleReport | None:
    """Which samples a performance uses; ChoraleError where a note would be silent."""
    if band.samples is None:
        return None
    voices = [row for row, part in enumerate(band.parts) if part.instrument.needs == "samples"]
    notes = performance.notes[np.isin(performance.notes["voice"], voices)]
    played = band.samples.played(notes)
    return band.samples.report(np.bincount(played, minlength=len(band.samples.regions)))


def _tags(
    performance: Performance, tempered: Tempered | None, chosen: Chosen, seed: int | None
) -> dict[str, object]:
    """What the file says of itself."""
    return {
        "title": performance.title,
        "software": f"coconet {__version__}",
        "tuning": f"{tempered.tuning} on {NAMES[tempered.tonic]}" if tempered else None,
        "reference": f"{tempered.reference:.5g}" if tempered else None,
        "instrument": chosen.instrument,
        "seed": seed,
    }
