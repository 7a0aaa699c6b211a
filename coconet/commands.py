"""What each command of `coconet` does: options in, functions called, results told."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from coconet import places
from coconet.chorale import DEFAULTS, Chorale, read_array
from coconet.errors import ChoraleError
from coconet.grid import VOICES, voice_indices

SHIPPED_MODEL = "chorales"


def infill(options: argparse.Namespace) -> int:
    """Rewrite what is marked in a chorale."""
    from coconet.infill import changed_notes, choose_hidden, quartet

    chorale, absent, notes = _read(options.source, as_=options.as_, strict=options.strict)
    if options.quartet is not None:
        chorale = quartet(chorale, options.quartet)
        absent = tuple(row % 4 for row in absent if row // 4 == options.quartet - 1)
    told = {"time_signature": options.metre, "upbeat": options.upbeat, "tempo": options.tempo}
    told = {key: value for key, value in told.items() if value is not None}
    left = tuple(key for key in chorale.assumed if key not in told)
    chorale = chorale.replace(**told, assumed=left)
    region = choose_hidden(
        chorale,
        keep=options.keep,
        rewrite=options.rewrite,
        spans=[_span(text) for text in options.span],
        bars=options.bars,
        hidden=None if options.hidden is None else read_array(options.hidden),
        absent=absent,
        fill_rests=options.fill_rests,
    )
    if len(absent) == 4:
        raise ChoraleError(f"{options.source}: no voice to build on; use coconet generate")
    name = options.name or _file_name(chorale, options.source)
    began = time.monotonic()

    results = _write_results(options, name, chorale, region, before=chorale, absent=absent)
    _tell(notes)
    rows = np.flatnonzero(region.any(1))
    voices = [VOICES[row] for row in rows]
    for number, (result, files) in enumerate(results, start=1):
        new, total = changed_notes(chorale, result, rows=rows)
        label = f"version {number}: " if options.count > 1 else ""
        print(
            f"{label}{', '.join(voices)} rewritten in {int(region.any(0).sum())} steps: "
            f"{new} of their {total} notes are new"
        )
        _tell_files(files)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


def generate(options: argparse.Namespace) -> int:
    """Write chorales from nothing, or many harmonisations of a kept voice."""
    from coconet.infill import blank_chorale, choose_hidden
    from coconet.theory import find_key, key_sharps

    began = time.monotonic()
    if (options.keep is None) != (options.source is None):
        raise ChoraleError("--keep and --from belong together")
    if options.source is not None:
        if options.length is not None or options.tempo is not None:
            raise ChoraleError("--length and --tempo are the source's own where --from is given")
        chorale, absent, notes = _read(options.source, as_=options.as_)
        if options.as_ is None and 4 - len(absent) == len(voice_indices(options.keep)):
            # A source that holds just the voices to be kept.
            chorale, absent, notes = _read(options.source, as_=options.keep)
        region = choose_hidden(chorale, keep=options.keep, absent=absent)
        before = chorale
    else:
        if options.as_ is not None:
            raise ChoraleError("--as says which voices the source's are: it needs --from")
        length = 128 if options.length is None else options.length
        tempo = DEFAULTS["tempo"] if options.tempo is None else options.tempo
        chorale, before = blank_chorale(length, tempo=tempo), None
        absent, notes = (), []
        region = np.ones(chorale.grid.shape, bool)

    def find_keys(versions: list[Chorale]) -> list[Chorale]:
        """The model chose the keys of what it wrote from nothing."""
        keyed = []
        for version in versions:
            tonic, mode = find_key(version.grid)
            sharps = key_sharps(tonic, mode)
            keyed.append(version.replace(tonic=tonic, mode=mode, sharps=sharps))
        return keyed

    name = options.name or (_file_name(chorale, options.source) if options.source else "chorale")
    finish = find_keys if before is None else list
    results = _write_results(
        options, name, chorale, region, before=before, absent=absent, finish=finish
    )
    _tell(notes)
    from coconet.theory import key_name

    for number, (result, files) in enumerate(results, start=1):
        print(
            f"version {number}: {result.steps} steps, {result.seconds:.0f} s of music, "
            f"{key_name(result.tonic, result.mode, result.sharps)}"
        )
        _tell_files(files)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


def render(options: argparse.Namespace) -> int:
    """Make a sound file of a chorale."""
    from coconet.render import render as make_sound
    from coconet.theory import NAMES, parse_tonic

    chorale, _, notes = _read(options.source)
    began = time.monotonic()
    made = make_sound(
        chorale,
        options.out,
        synth=options.synth,
        instrument=options.instrument,
        tuning=options.tuning,
        tonic=None if options.tonic is None else parse_tonic(options.tonic),
        tempo=options.tempo,
        soundfont=options.soundfont,
        level=options.level,
        force=options.force,
    )
    _tell([*notes, *made.warnings])
    font = f" ({made.soundfont.name})" if made.soundfont else ""
    print(
        f"{made.path}: {made.seconds:.1f} s, peak {made.peak:.1f} dBFS, {made.synth} "
        f"{made.instrument}{font}, {made.tuning} on {NAMES[made.tonic]}, "
        f"in {time.monotonic() - began:.1f} s"
    )
    return 0


def info(options: argparse.Namespace) -> int:
    """Tell what a checkpoint, chorale or tuning holds."""
    path = Path(options.file)
    if path.is_dir():
        rows = _checkpoint_rows(path)
    elif path.suffix.lower() == ".scl":
        rows = _tuning_rows(path)
    else:
        rows = _chorale_rows(options.file)
    width = max(len(key) for key, _ in rows)
    for key, value in rows:
        print(f"{key:<{width}}  {value}")
    return 0


def train(options: argparse.Namespace) -> int:
    """Train a network."""
    from coconet.corpus import load_corpus
    from coconet.plots import save_figure, training_curves
    from coconet.training import Settings, read_settings
    from coconet.training import train as run_training

    run = Path(options.run)
    fields = _settings(options)
    if options.resume and fields:
        raise ChoraleError(f"--resume: the run has its own settings; leave out {', '.join(fields)}")
    settings = read_settings(run) if options.resume else Settings.from_fields(fields)

    def draw_curves(rows: list[dict[str, float]]) -> None:
        save_figure(training_curves(rows), run / "curves.png", force=True)

    folder = run_training(
        run,
        settings,
        load_corpus(path=options.data),
        resume=options.resume,
        init=options.init,
        card={
            "data": options.data or "data/chorales.npz, split train",
            "command": _command_line(),
            **({"init": options.init} if options.init else {}),
        },
        on_row=draw_curves,
    )
    print(f"{folder}: config.json and weights.safetensors are a checkpoint, ready for --model")
    return 0


def corpus(options: argparse.Namespace) -> int:
    """Build data/chorales.npz from music21's corpus."""
    from coconet.build import build_corpus

    counts = build_corpus(out=options.out, jsb=options.jsb, workers=options.workers)
    for key, value in counts.items():
        print(f"{key:<12} {value}")
    return 0


def _write_results(
    options: argparse.Namespace,
    name: str,
    chorale: Chorale,
    region: np.ndarray,
    *,
    before: Chorale | None,
    absent: tuple[int, ...],
    finish: Callable[[list[Chorale]], list[Chorale]] = list,
) -> list[tuple[Chorale, list[Path]]]:
    """Check the outputs, infill with a progress bar, write every version.

    finish : what is done to the versions before they are written
    """
    from tqdm.auto import tqdm

    from coconet.gibbs import rule_of_thumb
    from coconet.infill import CHUNK
    from coconet.infill import infill as fill
    from coconet.outputs import validate_outputs, write_all

    if options.count < 1:
        raise ChoraleError(f"--count: expected 1 or more, got {options.count}")
    folder = Path(options.out)
    audio = not options.no_audio and _sound_works()
    names = [name if options.count == 1 else f"{name}-{n}" for n in range(1, options.count + 1)]
    validate_outputs(folder, names, audio=audio, force=options.force)
    predictor = _predictor(options)
    passes = options.passes or rule_of_thumb(region)
    chunks = -(-options.count // CHUNK)
    total = passes * chunks
    with tqdm(total=total, desc="sampling", unit="pass", leave=False, delay=0.3) as bar:
        versions = fill(
            predictor,
            chorale,
            region,
            count=options.count,
            passes=options.passes,
            temperature=options.temperature,
            seed=options.seed,
            provenance={"source": options.source or "nothing", "command": _command_line()},
            on_pass=lambda number, grids: bar.update(),
        )
    results = finish(versions)
    # Voices that the source doesn't have can't be shown as they were.
    shown = None if before is None or len(absent) == 4 else before
    return [
        (
            result,
            write_all(
                result,
                folder,
                one,
                before=shown,
                hidden=None if before is None else region,
                audio=audio,
                force=options.force,
            ),
        )
        for result, one in zip(
            tqdm(results, desc="writing", leave=False, delay=1), names, strict=True
        )
    ]


def _sound_works() -> bool:
    """Whether any synthesiser works; if not, says what would bring one."""
    from coconet.render import available_sound

    ways = available_sound()
    if any(way.works for way in ways):
        return True
    lacks = dict.fromkeys(reason for way in ways for reason in way.missing)
    print(f"no sound will be made: {'; '.join(lacks)}", file=sys.stderr)
    return False


def _predictor(options: argparse.Namespace) -> Any:
    from coconet.predictor import load_predictor

    if options.threads is not None and options.threads < 1:
        raise ChoraleError(f"--threads: expected 1 or more, got {options.threads}")
    model = places.models() / SHIPPED_MODEL if options.model is None else Path(options.model)
    return load_predictor(model, threads=options.threads)


def _read(
    source: str, *, as_: str | None = None, strict: bool = False
) -> tuple[Chorale, tuple[int, ...], list[str]]:
    """A chorale from a file, a typed melody or the corpus; its absent rows; what to tell."""
    if source.lower().startswith("bwv:"):
        if as_ is not None:
            raise ChoraleError(f"{source}: a chorale of the corpus has all voices: leave --as out")
        from coconet.corpus import load_corpus

        number = source[4:].strip()
        found = [chorale for chorale in load_corpus() if chorale.bwv == number]
        if not found:
            raise ChoraleError(f"{source}: not in the corpus; data/splits.csv lists what is")
        return found[0], (), []
    from coconet.reading import read_piece

    reading = read_piece(source, as_=as_, strict=strict)
    return reading.chorale, tuple(reading.absent), list(reading.notes)


def _span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*:\s*([0-9]{1,6})\s*", text)
    if not match:
        raise ChoraleError(f"--span {text!r}: expected two steps such as 32:64")
    return int(match[1]), int(match[2])


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Settings of a new run: the file's, with the command line's laid over them."""
    fields: dict[str, Any] = {}
    if options.config is not None:
        import yaml

        try:
            text = Path(options.config).read_text(encoding="utf-8")
            fields = yaml.safe_load(text) or {}
        except OSError as error:
            raise ChoraleError(f"{options.config}: can't be read ({error.strerror})") from error
        except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            line = str(error).replace("\n", " ")
            raise ChoraleError(f"{options.config}: not valid YAML ({line})") from error
        if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
            raise ChoraleError(f"{options.config}: expected settings such as 'updates: 20000'")
    names = ("batch", "crop", "learning_rate", "resolution", "seed", "threads")
    fields |= {key: getattr(options, key) for key in names if getattr(options, key) is not None}
    if options.updates is not None or options.minutes is not None:
        fields |= {"updates": options.updates, "minutes": options.minutes}
    sizes = {key: getattr(options, key) for key in ("network", "layers", "filters")}
    sizes = {key: value for key, value in sizes.items() if value is not None}
    if sizes:
        model = fields.get("model") or {}
        if not isinstance(model, dict):
            raise ChoraleError(f"{options.config}: model: expected settings, got {model!r}")
        fields["model"] = {"network": "fast", **model, **sizes}
    return fields


def _file_name(chorale: Chorale, source: str) -> str:
    """A name for files: the source's own, or the title in plain letters."""
    path = Path(source)
    if path.suffix and os.path.exists(source):
        return path.stem
    title = " ".join(filter(None, (f"bwv{chorale.bwv}" if chorale.bwv else "", chorale.title)))
    folded = title.translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})).lower()
    return re.sub(r"[^a-z0-9.]+", "-", folded).strip("-.")[:60] or "melody"


def _checkpoint_rows(path: Path) -> list[tuple[str, object]]:
    from coconet.checkpoint import load_checkpoint, resolve_checkpoint
    from coconet.model import config_fields

    checkpoint = load_checkpoint(path)
    count = sum(tensor.numel() for tensor in checkpoint.weights.values())
    folder = resolve_checkpoint(path)
    size = (folder / "weights.safetensors").stat().st_size
    card = {key: value for key, value in checkpoint.card.items() if key != "settings"}
    return [
        ("checkpoint", folder),
        *config_fields(checkpoint.config).items(),
        ("weights", f"{count:,} in {size / 1e6:.1f} MB"),
        *card.items(),
    ]


def _tuning_rows(path: Path) -> list[tuple[str, object]]:
    from coconet.theory import NAMES
    from coconet.tuning import load_tuning

    tuning = load_tuning(path)
    rows: list[tuple[str, object]] = [("tuning", tuning.name)]
    for name, cents in zip(NAMES, tuning.deviations(0), strict=True):
        rows.append((name, f"{cents:+.2f} cents from equal, degree 0 on C"))
    return rows


def _chorale_rows(source: str) -> list[tuple[str, object]]:
    from coconet.theory import key_name, pitch_name

    chorale, absent, notes = _read(source)
    number, kind = abs(chorale.sharps), "sharp" if chorale.sharps > 0 else "flat"
    signature = f"{number} {kind}{'s' * (number != 1)}" if number else "no signature"
    rows: list[tuple[str, object]] = [
        ("title", chorale.title or "(none)"),
        ("shape", f"{chorale.voices} voices, {chorale.steps} steps, {chorale.seconds:.1f} s"),
        ("key", f"{key_name(chorale.tonic, chorale.mode, chorale.sharps)}, {signature}"),
        ("metre", f"{chorale.time_signature}, upbeat of {chorale.upbeat} steps"),
        ("tempo", f"{chorale.tempo:g} quarters a minute"),
        ("fermatas", int(chorale.fermatas.sum())),
    ]
    for row, voice in enumerate(VOICES * (chorale.voices // 4)):
        sounding = chorale.grid[row][chorale.grid[row] > 0]
        if row in absent or not len(sounding):
            rows.append((voice, "absent" if row in absent else "silent"))
        else:
            span = f"{pitch_name(int(sounding.min()))}-{pitch_name(int(sounding.max()))}"
            rows.append((voice, f"{int(chorale.onsets[row].sum())} notes, {span}"))
    if chorale.assumed:
        rows.append(("assumed", ", ".join(chorale.assumed)))
    rows += [("note", note) for note in notes]
    rows += [(f"made: {key}", value) for key, value in chorale.provenance.items()]
    return rows


def _command_line() -> str:
    return shlex.join(["coconet", *sys.argv[1:]])


def _tell(notes: list[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _tell_files(files: list[Path]) -> None:
    for path in files:
        print(f"  {path}  {path.stat().st_size / 1e3:,.0f} kB")
