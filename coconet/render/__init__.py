"""Sound: a chorale, a temperament and instruments make a sound file.

`render` is all that most users need; `perform_tempered` makes the timed notes without the
sound. Which synthesisers work on this machine, and what the others lack, is told by
`ways.available_sound`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coconet import __version__
from coconet.checks import not_needed, whole
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import REST, items_of, validate_grid
from coconet.intonation import ADAPTIVE, LIMIT, adapt, tonic_of
from coconet.render.audio import (
    scratch_folder,
    scratch_size,
    size_of,
    validate_sound_path,
    validate_space,
    write_sound,
)
from coconet.render.chunks import play_into
from coconet.render.events import Performance
from coconet.render.finish import finish
from coconet.render.hall import Hall, parse_hall
from coconet.render.instruments import Part
from coconet.render.levels import DEFAULT_LEVEL, Level, parse_level
from coconet.render.performance import perform
from coconet.render.style import CALM, Style, parse_style
from coconet.render.tape import Tape
from coconet.render.ways import Chosen, available_sound, choose_way
from coconet.theory import NAMES, find_key, key_sharps
from coconet.tuning import DEFAULT, Tuning, load_tuning

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

#: More voices than any choir of quartets here; what asks for more is no chorale.
MOST_VOICES = 64
#: The hall where none is named.
DEFAULT_HALL = "chamber"
DEFAULT_SEED = 1


@dataclass(frozen=True, eq=False)
class Tempered:
    """The frequencies that a chorale is played at.

    Attributes
    ----------
    hz : float array in Hz, shape=(128,), one a MIDI key, or (voices, steps), one a cell
    tuning : name of the temperament, or 'adaptive over NAME'
    tonic : pitch class of its degree 0
    told : one line for a person
    warnings : one line each
    """

    hz: np.ndarray
    tuning: str
    tonic: int
    told: str
    warnings: tuple[str, ...] = ()


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
        tonic : pitch class of its degree 0, None likewise
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
    told: str
    performance: Performance
    band: Band | None = None
    samples: SampleReport | None = None
    warnings: tuple[str, ...] = ()


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
    seed: int = DEFAULT_SEED,
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
    tags : written into the file beside title, tuning, instrument and seed
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
    music = music if isinstance(music, Performance) else _chorale_of(music)
    if music.voices > MOST_VOICES:
        raise ChoraleError(
            f"{music.voices} voices: expected at most {MOST_VOICES}; choose some of them "
            "(the layer choose_voices)"
        )
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
        )
        performance, tempered = music, None
    else:
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
    report = None if band is None else _report(band, performance)
    if band is not None:
        # Recordings may ring on for longer than other instruments do.
        end = float((performance.notes["start"] + performance.notes["duration"]).max(initial=0))
        performance = replace(performance, seconds=max(performance.seconds, end + band.ring))
    if on_start is not None:
        on_start(performance)
    engine, ring = _engine(chosen, band, isolate=isolate)
    length = performance.seconds + (hall.seconds if hall else 0)
    validate_space(path.parent, size_of(length, path.suffix, encoding))
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
            tags=_tags(performance, tempered, chosen, seed) | dict(tags or {}),
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
        told=tempered.told if tempered else "",
        performance=performance,
        band=band,
        samples=report,
        warnings=(
            *(tempered.warnings if tempered else ()),
            *(band.samples.warnings if band and band.samples else ()),
            *finished.warnings,
        ),
    )


def perform_tempered(
    chorale: Chorale | np.ndarray,
    *,
    tuning: str | Path | Tuning | None = None,
    keyboard: Path | str | None = None,
    reference: float | None = None,
    tonic: int | str | None = None,
    limit: float | None = None,
    style: str | Style | None = None,
    tempo: float | Sequence[Sequence[float]] | None = None,
    spans: object = None,
    seed: int = DEFAULT_SEED,
) -> tuple[Performance, Tempered]:
    """Play a chorale in a temperament: timed notes, before any synthesiser.

    Parameters
    ----------
    chorale : or a bare array of pitches, shape=(voices, steps), whose key is then found
    tuning : 'equal', a name in the `tunings` folder, the path of a .scl file, or a
        `Tuning`; Secor's Victorian temperament by default. 'adaptive': chord by chord, as
        pure as it can be (`intonation.adapt`)
    keyboard : path of a .kbm file
    reference : Hz of A4; 440 by default
    tonic : pitch class or name of the temperament's degree 0, or 'relative' for that of
        the relative major; by default where its keyboard mapping puts it, else the
        chorale's tonic
    limit : with 'adaptive', how many cents a note may drift from Secor's temperament (25)
    style : 'calm' (the default), 'plain', 'original' or a `Style`
    tempo : in place of the style's: quarter notes a minute, or ((step, tempo), …)
    spans : where a random walk rises, as for `performance.perform`
    seed : of what the style leaves to chance

    Raises ChoraleError as `load_tuning`, `adapt` and `perform` do.
    """
    chorale = _chorale_of(chorale)
    tempered = _temper(chorale, tuning, keyboard, reference, tonic, limit)
    played = parse_style(CALM if style is None else style)
    if tempo is not None:
        played = replace(played, tempo=tempo)
    rng = np.random.default_rng(whole(seed, "seed", 0)) if played.needs_chance else None
    return perform(chorale, tempered.hz, played, rng=rng, spans=spans), tempered


def sound_of(music: Chorale | np.ndarray | Performance, **options: object) -> np.ndarray:
    """Sound as an array: what `render` with the same options would write.

    Returns
    -------
    float32 array, shape=(frames, 2), at 44100 frames a second; as long as the piece, so
    for short ones
    """
    from coconet.render.audio import read_sound

    with scratch_folder() as scratch:
        path = scratch / "sound.wav"
        render(music, path, **{"encoding": "float", **options})
        return read_sound(path)[0]


def _chorale_of(music: object) -> Chorale:
    """A chorale; or an array as one, in the key that is found for it."""
    if isinstance(music, Chorale):
        return music
    if items_of(music) is None:
        raise ChoraleError(f"expected a chorale, an array or a performance, got {shown(music)}")
    grid = validate_grid(music)
    sounding = grid[(grid != REST).any(axis=1)]
    if not sounding.size:
        raise ChoraleError("array: has no notes to sound, only rests")
    tonic, mode = find_key(sounding)
    return Chorale(grid, tonic=tonic, mode=mode, sharps=key_sharps(tonic, mode))


def _temper(
    chorale: Chorale,
    tuning: str | Path | Tuning | None,
    keyboard: Path | str | None,
    reference: float | None,
    tonic: int | str | None,
    limit: float | None,
) -> Tempered:
    adaptive = isinstance(tuning, str) and tuning == ADAPTIVE
    if not adaptive:
        not_needed(f"tuning={ADAPTIVE!r}", limit=limit)
    base = load_tuning(
        DEFAULT if tuning is None or adaptive else tuning, keyboard=keyboard, reference=reference
    )
    place, warnings = tonic_of(chorale, base, tonic), []
    guessed = tonic is None and base.tonic is None and "tonic" in chorale.assumed
    # Equal temperament sounds the same on every tonic.
    if guessed and np.ptp(np.diff(base.cents)) > 0.01:
        warnings.append("the tonic is unknown: the temperament stands on C; say tonic=")
    if adaptive:
        limit = LIMIT if limit is None else limit
        adapted = adapt(chorale, tuning=base, tonic=place, limit=limit)
        hz, name, told = adapted.hz, f"{ADAPTIVE} over {base.name}", adapted.summary()
    else:
        hz, name, told = base.frequencies(place), base.name, f"{base.name} on {NAMES[place]}"
        told += f": {base.description}" if base.description else ""
    return Tempered(hz, name, place, told, tuple(warnings))


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
    performance: Performance, tempered: Tempered | None, chosen: Chosen, seed: int
) -> dict[str, object]:
    """What the file says of itself."""
    return {
        "title": performance.title,
        "software": f"coconet {__version__}",
        "tuning": f"{tempered.tuning} on {NAMES[tempered.tonic]}" if tempered else None,
        "instrument": chosen.instrument,
        "seed": seed,
    }
