"""Commands on sound and tuning: render, purity."""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconet.chorale import Chorale, clock
from coconet.commands.common import read_source, tell, tell_files
from coconet.errors import ChoraleError, shown
from coconet.files import validate_writable, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from coconet.render import Rendering
    from coconet.render.events import Performance
    from coconet.render.samples import SampleSet
    from coconet.render.style import Style

#: Seconds of sound from which on its size is told before it is made.
LONG = 1200
STYLES_TOLD = {
    "plain": "metronomic, every voice as loud throughout",
    "calm": "phrases swell and broaden, fermatas are held; nothing by chance (the default)",
    "original": "velocity and volume walk at random, as in the program before this one",
}
#: Options of a performance, which one that comes as events has already.
OF_A_CHORALE = (
    "tuning", "keyboard", "tonic", "reference", "limit", "style", "tempo", "loose", "seed",
)  # fmt: skip
OF_A_STYLE = ("fermata", "broaden", "hold", "dynamics", "levels", "stage", "glide", "shift")


def render(options: argparse.Namespace) -> int:
    """Make a sound file of a chorale, and what else is asked for."""
    if options.list:
        print(_listed())
        return 0
    if options.source is None or options.out is None:
        raise ChoraleError("expected IN and --out X.wav, or --list")
    from coconet.render import render as make_sound

    files = _files(options)
    music, notes = _music(options)
    began = time.monotonic()
    given = {
        name: getattr(options, name)
        for name in ("tuning", "keyboard", "reference", "tonic", "limit")
        if getattr(options, name) is not None
    }
    if isinstance(music, Chorale):
        given["style"] = _style(options)
        given["tempo"] = None if options.tempo is None else _parse_tempo(options.tempo)
    tell(notes)
    with _progress() as bar:
        made = make_sound(
            music,
            options.out,
            **given,
            # What Csound is to have as a document it plays, or nothing is written.
            synth="csound" if options.csd is not None else options.synth,
            instrument=options.instrument,
            soundfont=options.soundfont,
            samples=_samples(options),
            seed=options.seed,
            hall=options.hall,
            trim=options.trim,
            level=options.level,
            encoding=options.encoding,
            on_start=lambda performance: _tell_size(performance, options),
            on_progress=lambda share: bar.update(share - bar.n),
            force=options.force,
        )
    tell(made.warnings)
    _write_others(made, options)
    for line in _told(made, time.monotonic() - began):
        print(line)
    tell_files(files)
    return 0


def purity(options: argparse.Namespace) -> int:
    """Tell how pure a chorale is in several temperaments, or the sizes of its chords."""
    from coconet.chord_sizes import chord_csv, chord_sizes, chord_table
    from coconet.purity import piece_purity, purity_csv, purity_text

    wanted = {"--csv": (options.csv, (".csv",))}
    if options.picture is not None:
        from coconet.plots import FIGURE_SUFFIXES

        wanted["--picture"] = (options.picture, FIGURE_SUFFIXES)
    files = _named(wanted)
    _validated(files, options.force)
    chorale, _, notes = read_source(options.source)
    tell(notes)
    names = None
    if options.tunings is not None:
        names = [name.strip() for name in options.tunings.split(",")]
        if "" in names:
            raise ChoraleError(
                f"--tunings: expected names with commas between them, got {options.tunings!r}"
            )
    # All of it before any is told or written.
    figure = None if options.picture is None else _temperaments(chorale, names, options.tonic)
    title = chorale.title or options.source
    if options.chords:
        chords = chord_sizes(chorale, names, tonic=options.tonic)
        told, csv = str(chord_table(chords, title)), chord_csv(chords)
    else:
        rows = piece_purity(chorale, names, tonic=options.tonic)
        told, csv = purity_text(rows, title), purity_csv(rows)
    if options.csv is not None:
        write_text(Path(options.csv), csv, force=options.force)
    if figure is not None:
        from coconet.plots import save_figure

        save_figure(figure, options.picture, force=options.force)
    print(told)
    tell_files(files)
    return 0


def _temperaments(chorale: Chorale, names: Sequence[str] | None, tonic: str | None) -> Figure:
    """The picture of the fixed temperaments among some, or of all."""
    from coconet.intonation import ADAPTIVE, tonic_of
    from coconet.tuning import load_tuning
    from coconet.tuning_plots import temperaments_figure

    fixed = None if names is None else [name for name in names if name != ADAPTIVE]
    if fixed == []:
        raise ChoraleError(
            f"--picture: shows fixed temperaments, which {ADAPTIVE} isn't: name one more in "
            "--tunings, or leave it out"
        )
    return temperaments_figure(fixed, tonic_of(chorale, load_tuning(), tonic))


# ---------------------------------------------------------------- render: what comes in


def _music(options: argparse.Namespace) -> tuple[Chorale | Performance, list[str]]:
    """The chorale, or the performance that a CSV holds, and what to tell."""
    if not options.source.lower().endswith(".csv"):
        chorale, _, notes = read_source(options.source)
        return chorale, notes
    from coconet.render.event_files import load_events

    named = [
        f"--{name}" for name in (*OF_A_CHORALE, *OF_A_STYLE) if _is_given(getattr(options, name))
    ]
    if named:
        raise ChoraleError(f"{named[0]}: the events of {options.source} have theirs already")
    return load_events(options.source), []


def _is_given(value: object) -> bool:
    """Whether an option was given, be it as 0, or a switch set."""
    return value is not None and value is not False


def _style(options: argparse.Namespace) -> Style:
    """The style that the options ask for."""
    from coconet.render.style import CALM, parse_style

    style = CALM if options.style is None else parse_style(options.style)
    given: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("fermata", "broaden", "hold", "dynamics", "glide", "shift")
        if getattr(options, name) is not None
    }
    if options.levels is not None:
        given["levels"] = _parse_levels(options.levels)
    if options.stage is not None:
        given["stage"] = _parse_stage(options.stage)
    style = replace(style, **given)
    return style.loosened() if options.loose else style


def _samples(options: argparse.Namespace) -> SampleSet | None:
    """The recordings that the options name."""
    given: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("only", "middle_c", "reach", "release")
        if getattr(options, name) is not None
    }
    if options.layers is not None:
        given["layers"] = {}
        for part in options.layers.split(","):
            layer, _, velocity = (word.strip() for word in part.partition(":"))
            if not velocity.isdecimal() or layer in given["layers"]:
                raise ChoraleError(
                    f"--layers: expected each layer once with its velocity, as 25:45,47:75, "
                    f"got {shown(options.layers)}"
                )
            given["layers"][layer] = int(velocity)
    if options.fine:
        given["fine"] = True
    if options.samples is None:
        if given:
            option = next(iter(given)).replace("_", "-")
            raise ChoraleError(f"--{option}: expected --samples too")
        return None
    from coconet.render.samples import open_samples

    return open_samples(options.samples, **given)


def _parse_tempo(text: str) -> float | tuple[tuple[float, float], ...]:
    """'72', or '0:72,64:60': break points."""
    if ":" not in text:
        return _number(text, "--tempo")
    pairs = [part.split(":") for part in text.split(",")]
    if any(len(pair) != 2 for pair in pairs):
        raise ChoraleError(f"--tempo: expected 72 or step:tempo pairs as 0:72,64:60, got {text!r}")
    return tuple((_number(step, "--tempo"), _number(tempo, "--tempo")) for step, tempo in pairs)


def _parse_levels(text: str) -> dict[str | int, float] | tuple[float, ...]:
    """'soprano:3,bass:-2', or '3,0,0,-2': one a voice."""
    parts = [part.strip() for part in text.split(",")]
    if not any(":" in part for part in parts):
        return tuple(_number(part, "--levels") for part in parts)
    levels: dict[str | int, float] = {}
    for part in parts:
        voice, _, decibels = part.partition(":")
        key = int(voice) if voice.strip().isdecimal() else voice.strip()
        if key in levels:
            raise ChoraleError(f"--levels: {voice} has two")
        levels[key] = _number(decibels, "--levels")
    return levels


def _parse_stage(text: str) -> str | tuple[float, ...]:
    """'spread', 'random', or '0.2,0.4,0.6,0.8'."""
    if any(letter.isdigit() for letter in text):
        return tuple(_number(place, "--stage") for place in text.split(","))
    return text


def _number(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ChoraleError(f"{option}: expected a number, got {shown(text.strip())}")
    return value


# ---------------------------------------------------------------- render: what goes out


def _files(options: argparse.Namespace) -> list[Path]:
    """What is written beside the sound, checked before any work is done."""
    wanted = {
        "--events": (options.events, (".csv",)),
        "--pfields": (options.pfields, (".csv",)),
        "--csd": (options.csd, (".csd",)),
        "--samples-used": (options.samples_used, (".csv",)),
    }
    if options.picture is not None:
        from coconet.plots import FIGURE_SUFFIXES

        wanted["--picture"] = (options.picture, FIGURE_SUFFIXES)
    files = _named(wanted)
    if options.samples_used is not None and options.samples is None:
        raise ChoraleError("--samples-used: expected --samples too")
    if options.csd is not None and options.synth == "fluidsynth":
        raise ChoraleError("--csd: a .csd is for Csound; leave --synth out")
    _validated([Path(options.out), *files], options.force)
    _check_inputs_stay(options, [Path(options.out), *files])
    return files


def _named(wanted: Mapping[str, tuple[str | None, Sequence[str]]]) -> list[Path]:
    """Those of the files, by option, that are given, each with a suffix that it may have."""
    files = [(name, Path(path), ends) for name, (path, ends) in wanted.items() if path is not None]
    for name, path, suffixes in files:
        if path.suffix.lower() not in suffixes:
            raise ChoraleError(f"{name}: expected a name that ends in {', '.join(suffixes)}")
    return [path for _, path, _ in files]


def _check_inputs_stay(options: argparse.Namespace, files: Sequence[Path]) -> None:
    """Refuse to write over what is read, --force or not."""
    hall = options.hall.partition(":")[0]
    for name in (options.source, hall, options.soundfont, options.tuning, options.keyboard):
        same = []
        with contextlib.suppress(OSError, ValueError):  # no such file is another's complaint
            same = [file for file in files if name and file.exists() and file.samefile(name)]
        if same:
            raise ChoraleError(f"{name}: is read here; choose another name for what is written")


def _validated(files: Sequence[Path], force: bool) -> None:
    """Check that files can be written, and that each is another one."""
    for path in files:
        validate_writable(path, force=force)
    names = [path.resolve() for path in files]
    for path in files:
        if names.count(path.resolve()) > 1:
            raise ChoraleError(f"{path}: expected another file for each output, got it twice")


def _write_others(made: Rendering, options: argparse.Namespace) -> None:
    from coconet.render.event_files import save_events, save_pfields

    force, performance = options.force, made.performance
    if options.events is not None:
        save_events(performance, options.events, force=force)
    if options.pfields is not None:
        save_pfields(performance, options.pfields, force=force)
    if options.csd is not None:
        from coconet.render.csd import save_csd

        save_csd(options.csd, performance, made.band, tuning=made.told, force=force)
    if options.picture is not None:
        from coconet.performance_plots import performance_figure
        from coconet.plots import save_figure

        save_figure(performance_figure(performance), options.picture, force=force)
    if options.samples_used is not None and made.samples is not None:
        write_text(Path(options.samples_used), made.samples.csv(), force=force)


def _tell_size(performance: Performance, options: argparse.Namespace) -> None:
    """Of a long piece, how much there will be of it, before it is made."""
    from coconet.render.audio import scratch_size, size_of

    seconds = performance.seconds
    if seconds < LONG:
        return
    size = size_of(seconds, Path(options.out).suffix, options.encoding)
    tell(
        [
            f"{clock(seconds)} of sound, {len(performance.notes):,} notes: {size / 1e9:.2f} GB, "
            f"and {scratch_size(seconds) / 1e9:.2f} GB of temporary files while it is made"
        ]
    )


def _told(made: Rendering, seconds: float) -> list[str]:
    """What was made, in a few lines."""
    font = f" ({made.soundfont.name})" if made.soundfont else ""
    loudness = "" if made.loudness is None else f", {made.loudness:.1f} LUFS"
    lines = [
        f"{made.path}: {clock(made.seconds)} ({made.seconds:.1f} s), peak {made.peak:.1f} dBFS"
        f"{loudness}, {made.synth} {made.instrument}{font}, in {seconds:.1f} s"
    ]
    if made.told:
        lines.append(f"tuning: {made.told}")
    if made.performance.walk is not None:
        lines.append(str(made.performance.walk))
    if any(made.trimmed):
        start, end = made.trimmed
        lines.append(f"trimmed: {start:.2f} s at the beginning, {end:.2f} s at the end")
    if made.samples is not None:
        lines.append(str(made.samples))
    return lines


def _progress() -> Any:
    from tqdm.auto import tqdm

    shape = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    return tqdm(total=1.0, desc="rendering", leave=False, delay=1, bar_format=shape)


# ---------------------------------------------------------------- render --list


def _listed() -> str:
    """Everything that render can be asked for by name."""
    from coconet.intonation import ADAPTIVE
    from coconet.render import available_sound
    from coconet.render.hall import PRESETS
    from coconet.render.instruments import INSTRUMENTS
    from coconet.render.style import STYLES
    from coconet.tuning import load_tuning, tuning_names

    works = {(way.synth, way.instrument): way for way in available_sound()}
    lines = ["instruments"]
    for name, instrument in INSTRUMENTS.items():
        synths = [
            synth
            for synth in ("csound", "fluidsynth")
            if (synth, name) in works and works[synth, name].works
        ]
        where = f" ({', '.join(synths)})" if synths else ""
        lines.append(f"  {name:<18}{instrument.what}{where}")
        lines += [f"    {f'{name}:{one}':<24}{what}" for one, what in instrument.variants]
    lines += ["", "tunings"]
    for name in tuning_names():
        lines.append(f"  {name:<18}{load_tuning(name).description}")
    lines.append(f"  {ADAPTIVE:<18}chord by chord, as pure as it can be")
    lines += ["", "styles", *(f"  {name:<18}{STYLES_TOLD[name]}" for name in STYLES), "", "halls"]
    for name, (size, decay, _, wet) in PRESETS.items():
        lines.append(f"  {name:<18}{size:g} m long, dies away in {decay:g} s, wet {wet:g}")
    lacks = dict.fromkeys(reason for way in works.values() for reason in way.missing)
    if lacks:
        lines += ["", "missing", *(f"  {reason}" for reason in lacks)]
    return "\n".join(lines)
