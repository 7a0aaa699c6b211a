"""The command chain: a chorale put through layers."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import math
import re
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coconet.chain import Chain, ChainResult, Maker, load_chain, run_chain, shipped_chains
from coconet.chorale import Chorale
from coconet.commands.common import (
    as_told,
    command_line,
    digest_of,
    file_name,
    open_predictor,
    read_source,
    sound_works,
    tell,
    tell_files,
)
from coconet.errors import ChoraleError
from coconet.files import atomic_files, validate_writable
from coconet.grid import REST
from coconet.outputs import SUFFIXES, names_of, write_forms
from coconet.stepmap import save_map
from coconet.traced import MOST_CELLS, NOWHERE, Traced
from coconet.transforms import LAYERS

if TYPE_CHECKING:
    from coconet.predictor import Predictor

MAP = ".map.npz"
#: What an intermediate becomes.
KEPT = (".npy", ".json", ".mid", ".png")
#: Every form of a result: a long score is a .pdf of pages instead of an .svg.
FORMS = (*SUFFIXES, ".pdf")
#: Cells of the longest piece that is engraved on one sheet, and on pages: about a minute.
SHEET_CELLS, SCORE_CELLS = 10_000, 70_000
#: Voices of the largest system that a page holds.
SCORE_VOICES = 50
#: Width of what --list tells, and what stands for a space at which no line ends.
COLUMNS, UNBROKEN = 100, "\N{NO-BREAK SPACE}"
#: Minutes of sound from which it is told that they take a while.
LONG_MINUTES = 5


def chain(options: argparse.Namespace) -> int:
    """Put a chorale through the layers of a chain."""
    if options.list:
        print(_list())
        return 0
    if options.source is None or options.chain is None:
        raise ChoraleError("expected a source and --chain FILE.yaml (--list tells all layers)")
    layers = load_chain(options.chain)
    if options.seed is not None:
        layers = dataclasses.replace(layers, seed=options.seed)
    chorale, _, notes = read_source(options.source, as_=options.as_)
    chorale, notes = as_told(chorale, notes, options)
    name = options.name or f"{file_name(chorale, options.source)}-{_slug(_name(layers, options))}"
    names_of(name, 1)
    audio = not options.no_audio and sound_works()
    stages = _stage_names(name, layers) if options.keep_all else []
    # A file of another piece would lie beside this one, even where its form isn't made.
    for path in _paths(Path(options.out), name, FORMS, stages):
        validate_writable(path, force=options.force)
    tell(notes)
    makers, model = _handed_in(layers, options)
    result = run_chain(
        layers,
        chorale,
        callables=makers,
        limit=MOST_CELLS if options.limit is None else options.limit,
        provenance={
            "source": options.source,
            "command": command_line(),
            "digest": digest_of(chorale),
            **model,
        },
    )
    run = f"{_name(layers, options)}, seed {layers.seed}"
    print(f"{chorale.title or name}: {_size(chorale)}, {run}")
    print(_table(result))
    began = time.monotonic()
    files = _write(result, Path(options.out), name, stages, audio, options.score, options.force)
    tell_files(files)
    print(f"written in {time.monotonic() - began:.1f} s")
    return 0


# ---------------------------------------------------------------- what is run


def _name(layers: Chain, options: argparse.Namespace) -> str:
    return layers.name or Path(options.chain).stem


def _handed_in(
    layers: Chain, options: argparse.Namespace
) -> tuple[dict[str, Maker], dict[str, Any]]:
    """What the chain needs besides layers, and what to say of it in the sidecar."""
    if "ending" not in {layer.name for layer in layers.layers}:
        return {}, {}
    from coconet.infill import surroundings

    predictor = open_predictor(options)
    return {"ending": ending_maker(predictor)}, surroundings(predictor)


def ending_maker(predictor: Predictor) -> Maker:
    """The layer `ending` for a chain, with a model."""
    return Maker(functools.partial(_ending, predictor))


def _ending(
    predictor: Predictor,
    chorale: Chorale,
    *,
    span: Sequence[int] | None = None,
    tonic: int | str | None = None,
    mode: str | None = None,
    keep: str | Sequence[str] = (),
    tries: int = 8,
    passes: int = 32,
    temperature: float = 1.0,
    tilt: float = 1.0,
) -> Callable[..., Any]:
    """The last bar, or a span, written anew by the model towards the tonic.

    Its options are those of `coconet.cadences.resolve_ending`; the key is the chorale's,
    where it is known, else what is heard before the end.
    """
    from coconet.cadences import ending
    from coconet.theory import parse_tonic
    from coconet.transforms.layer import whole

    for name, value in (("temperature", temperature), ("tilt", tilt)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value >= 0):
            raise ChoraleError(f"{name}: expected a number, 0 or more, got {value!r}")
    if not isinstance(keep, str | list | tuple):
        raise ChoraleError(f"keep: expected names of voices, got {keep!r}")
    known = {"tonic": tonic if tonic is None else parse_tonic(tonic), "mode": mode}
    for name in ("tonic", "mode"):
        if known[name] is None and name not in chorale.assumed:
            known[name] = getattr(chorale, name)
    return ending(
        predictor,
        time_signature=chorale.time_signature,
        upbeat=chorale.upbeat,
        span=span,
        keep=keep,
        tries=whole(tries, "tries", 1),
        passes=whole(passes, "passes", 1),
        temperature=temperature,
        tilt=tilt,
        **known,
    )


# ---------------------------------------------------------------- files


def _stage_names(name: str, layers: Chain) -> list[str]:
    """Names of the files of each intermediate: the last one is the result."""
    labels = list(layers.labels[:-1])
    return [f"{name}-{number}-{_slug(label)}" for number, label in enumerate(labels, start=1)]


def _slug(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^\w.]+", "_", label.lower()).strip("_.") or "chain"


def _paths(folder: Path, name: str, forms: Sequence[str], stages: Sequence[str]) -> list[Path]:
    names = [f"{name}{suffix}" for suffix in (*forms, MAP)]
    names += [f"{stage}{suffix}" for stage in stages for suffix in KEPT]
    return [folder / one for one in names]


def _write(
    result: ChainResult,
    folder: Path,
    name: str,
    stages: Sequence[str],
    audio: bool,
    score: bool,
    force: bool,
) -> list[Path]:
    """Write the result in every form, its map and what was kept; all files or none."""
    chorale = result.chorale
    minutes = chorale.seconds / 60
    if audio and minutes > LONG_MINUTES:
        tell([f"{minutes:.0f} minutes of sound take a while; --no-audio leaves them out"])
    engraved = _score(chorale) if score else {}
    forms = [form for form in SUFFIXES if form != ".svg" and (audio or form != ".wav")]
    paths = _paths(folder, name, [*forms, *engraved], stages)
    older = [path for path in _paths(folder, name, FORMS, ()) if path not in paths]
    with atomic_files(paths, force=force, stale=older if force else ()) as temporary:
        array = temporary / f"{name}.npy"
        write_forms(chorale, array, forms)
        for form, data in engraved.items():
            array.with_suffix(form).write_bytes(data)
        save_map(result.map, temporary / f"{name}{MAP}")
        for number, (stage, one) in enumerate(zip(result.stages, stages, strict=False), start=1):
            said = {**chorale.provenance, "layers run": number}
            title = f"{chorale.title or name}: {stage.label}"
            kept = stage.chorale.replace(title=title, provenance=said)
            write_forms(kept, temporary / f"{one}.npy", KEPT)
    return paths


def _score(chorale: Chorale) -> dict[str, bytes]:
    """The engraved piece by its suffix: one sheet, or pages; none where it can't be, as told."""
    from coconet.score import WIDTH, engrave, page_width, pdf_of

    size = f"{chorale.voices} voices × {chorale.steps} steps"
    if chorale.grid.size > SCORE_CELLS or chorale.voices > SCORE_VOICES:
        most = f"{SCORE_CELLS:,} cells, or {SCORE_VOICES} voices,"
        tell([f"no score: {size} are more than the {most} that are engraved"])
        return {}
    long = chorale.grid.size > SHEET_CELLS
    try:
        score = engrave(chorale, width=page_width(chorale.voices) if long else WIDTH)
        if score.sheet and not long:
            return {".svg": score.sheet.encode()}
        told = f"{size} are too long for one sheet: the score is a .pdf, {len(score.pages)} pages"
        tell([f"{told} (--no-score leaves it out)"])
        return {".pdf": pdf_of(score.pages)}
    except ChoraleError as error:
        tell([f"no score: {error}"])
        return {}


# ---------------------------------------------------------------- what is told


def _size(chorale: Chorale) -> str:
    return f"{chorale.voices} voices × {chorale.steps} steps, {_minutes(chorale)}"


def _minutes(chorale: Chorale) -> str:
    minutes, seconds = divmod(round(chorale.seconds), 60)
    return f"{minutes}:{seconds:02}"


def _table(result: ChainResult) -> str:
    """A line a layer: what came out, how much of the source is heard, how long it took."""
    rows = [("", "layer", "voices × steps", "length", "notes", "silent", "source heard", "took")]
    notes = Traced.begin(result.source).note
    for number, stage in enumerate(result.stages, start=1):
        chorale = stage.chorale
        name = "" if stage.label.startswith(stage.name) else f" ({stage.name})"
        rows.append(
            (
                str(number),
                f"{stage.label}{name}",
                f"{chorale.voices} × {chorale.steps}",
                _minutes(chorale),
                f"{int(chorale.onsets.sum()):,}",
                f"{(chorale.grid == REST).mean():.0%}",
                f"{_heard(stage.after, notes):.0%}",
                f"{1000 * stage.seconds:.0f} ms",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 1 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _heard(trace: Traced, notes: np.ndarray) -> float:
    """The share of the source's notes of which something still sounds.

    notes : of the source, as `Traced.note` counts them
    """
    sounds = trace.sounding & (trace.step != NOWHERE)
    heard = np.unique(notes[trace.voice[sounds], trace.step[sounds]])
    return (heard >= 0).sum() / max(1, notes.max() + 1)


def _list() -> str:
    """All layers: their first lines, their options as a YAML says them, the shipped chains."""
    told = [
        "What each layer does, and its options with their values where a chain gives none.",
        "More in the docstrings of coconet/transforms; how to write a chain: chains/README.md.",
        "",
    ]
    for name, function in sorted({**LAYERS, "ending": _ending}.items()):
        options = [
            one
            for one in inspect.signature(function).parameters.values()
            if one.kind is inspect.Parameter.KEYWORD_ONLY and one.name != "rng"
        ]
        options.sort(key=lambda one: one.default is not inspect.Parameter.empty)
        summary = (function.__doc__ or "").strip().splitlines()[0]
        told.append(f"{name}: {summary[0].lower()}{summary[1:]}")
        listed = ", ".join(_option(one).replace(" ", UNBROKEN) for one in options)
        lines = textwrap.wrap(listed, COLUMNS, initial_indent="    ", subsequent_indent="    ")
        told += [line.replace(UNBROKEN, " ") for line in lines]
    return "\n".join([*told, "", f"shipped chains: {', '.join(shipped_chains())}"])


def _option(parameter: inspect.Parameter) -> str:
    """An option as a chain's YAML says it, with its default."""
    default = parameter.default
    if default is inspect.Parameter.empty:
        return f"{parameter.name} (needed)"
    return parameter.name if default is None else f"{parameter.name}: {_said(default)}"


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_said, value))}]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
