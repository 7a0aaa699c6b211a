"""The command chain: a chorale put through layers."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coconet.chain import (
    Chain,
    ChainResult,
    Maker,
    Stage,
    load_chain,
    run_chain,
    shipped_chains,
)
from coconet.chorale import Chorale, clock
from coconet.closing import ending_maker, ending_of
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
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.files import atomic_files, validate_writable
from coconet.grid import REST
from coconet.outputs import SUFFIXES, names_of, write_forms
from coconet.stepmap import save_map
from coconet.tables import aligned
from coconet.traced import MOST_CELLS, NOWHERE, Traced
from coconet.transforms import LAYERS
from coconet.transforms.layer import TAKES
from coconet.transforms.masks import mask_of

MAP = ".map.npz"
#: What an intermediate becomes.
KEPT = (".npy", ".json", ".mid", ".png", ".wav")
#: Every form of a result: a long score is a .pdf of pages instead of an .svg.
FORMS = (*SUFFIXES, ".pdf")
#: Cells of the longest piece that is engraved on one sheet, and of the longest on pages,
#: which takes about a minute to engrave.
SHEET_CELLS, SCORE_CELLS = 10_000, 70_000
#: Voices of the largest system that a page holds.
SCORE_VOICES = 50
#: Width of what --list tells, and what stands for a space at which no line ends.
COLUMNS, UNBROKEN = 100, "\N{NO-BREAK SPACE}"
#: Minutes of sound from which it is told that they take a while.
LONG_MINUTES = 5


def chain(options: argparse.Namespace) -> int:
    """Put a chorale through the layers of a chain."""
    if options.list is not None:
        print(_told(options.list) if options.list else _list())
        return 0
    if options.source is None or options.chain is None:
        raise ChoraleError("expected a source and --chain FILE.yaml (--list tells all layers)")
    layers = load_chain(options.chain)
    own_name = layers.name
    if not own_name:
        layers = dataclasses.replace(layers, name=Path(options.chain).stem)
    if options.seed is not None:
        layers = dataclasses.replace(layers, seed=options.seed)
    chorale, _, notes = read_source(options.source, as_=options.as_)
    chorale, notes = as_told(chorale, notes, options)
    name = options.name or f"{file_name(chorale, options.source)}-{_slug(layers.name)}"
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
        on_layer=_check_sounds,
    )
    title = ": ".join(filter(None, (chorale.title, own_name)))
    result = dataclasses.replace(result, chorale=result.chorale.replace(title=title))
    run = f"{layers.name}, seed {layers.seed}"
    print(f"{chorale.title or name}: {_size(chorale)}, {run}")
    print(_table(result))
    print("source heard: of how many of the source's notes something sounds")
    tell([f"{stage.label} changed nothing" for stage in result.stages if not stage.changed])
    began = time.monotonic()
    files = _write(result, Path(options.out), name, stages, audio, options.score, options.force)
    tell_files(files)
    print(f"written in {time.monotonic() - began:.1f} s")
    return 0


# ---------------------------------------------------------------- what is run


def _handed_in(
    layers: Chain, options: argparse.Namespace
) -> tuple[dict[str, Maker], dict[str, Any]]:
    """What the chain needs besides layers, and what to say of it in the sidecar."""
    if "ending" not in {layer.name for layer in layers.layers}:
        return {}, {}
    from coconet.infill import surroundings

    predictor = open_predictor(options)
    return {"ending": ending_maker(predictor)}, surroundings(predictor)


def _check_sounds(number: int, stage: Stage) -> None:
    """Check that a layer left something that sounds."""
    if not stage.after.sounding.any():
        raise ChoraleError(f"layer {number} ({stage.label}): nothing sounds after it")


# ---------------------------------------------------------------- files


def _stage_names(name: str, layers: Chain) -> list[str]:
    """Names of the files of each intermediate: the last one is the result."""
    labels = list(layers.labels[:-1])
    digits = len(str(len(labels)))
    return [
        f"{name}-{number:0{digits}}-{_slug(label)}" for number, label in enumerate(labels, start=1)
    ]


def _slug(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^\w.]+", "_", label.lower()).strip("_.") or "chain"


def _paths(
    folder: Path,
    name: str,
    forms: Sequence[str],
    stages: Sequence[str],
    kept: Sequence[str] = KEPT,
) -> list[Path]:
    """The result's files in all `forms`, and each intermediate's in those that are `kept`."""
    names = [f"{name}{suffix}" for suffix in (*forms, MAP)]
    names += [f"{stage}{suffix}" for stage in stages for suffix in kept]
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
    pieces = [stage.chorale for stage in result.stages[: len(stages)]]
    minutes = sum(piece.seconds for piece in (*pieces, chorale)) / 60
    if audio and minutes > LONG_MINUTES:
        tell([f"{minutes:.0f} minutes of sound take a while; --no-audio leaves them out"])
    engraved = _score(chorale) if score else {}
    out = {".svg"} | (set() if audio else {".wav"}) | (set() if score else {".musicxml"})
    forms = [form for form in SUFFIXES if form not in out]
    kept = [form for form in KEPT if form in forms]
    paths = _paths(folder, name, [*forms, *engraved], stages, kept)
    older = [path for path in _paths(folder, name, FORMS, stages) if path not in paths]
    with atomic_files(paths, force=force, stale=older if force else ()) as temporary:
        array = temporary / f"{name}.npy"
        write_forms(chorale, array, forms)
        for form, data in engraved.items():
            array.with_suffix(form).write_bytes(data)
        save_map(result.map, temporary / f"{name}{MAP}")
        for number, (stage, one) in enumerate(zip(result.stages, stages, strict=False), start=1):
            said = {**chorale.provenance, "layers run": number}
            title = f"{chorale.title}, after {stage.label}"
            piece = stage.chorale.replace(title=title, provenance=said)
            write_forms(piece, temporary / f"{one}.npy", kept)
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
    return f"{chorale.voices} voices × {chorale.steps} steps, {clock(chorale.seconds)}"


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
                clock(chorale.seconds),
                f"{int(chorale.onsets.sum()):,}",
                f"{(chorale.grid == REST).mean():.0%}",
                f"{_heard(stage.after, notes):.0%}",
                f"{1000 * stage.seconds:.0f} ms",
            )
        )
    return "\n".join(aligned(rows, left=2))


def _heard(trace: Traced, notes: np.ndarray) -> float:
    """The share of the source's notes of which something still sounds.

    notes : of the source, as `Traced.note` counts them
    """
    sounds = trace.sounding & (trace.step != NOWHERE)
    heard = np.unique(notes[trace.voice[sounds], trace.step[sounds]])
    return (heard >= 0).sum() / max(1, notes.max() + 1)


def _layers() -> dict[str, Callable[..., Any]]:
    """Every layer that a chain may name."""
    return dict(sorted({**LAYERS, "ending": ending_of}.items()))


def _list() -> str:
    """All layers: their first lines, their options as a YAML says them, the shipped chains."""
    told = [
        "What each layer does, and its options with their values where a chain gives none.",
        "coconet chain --list LAYER tells all of one: what its options mean and may be.",
        "ending alone needs the model. How to write a chain: chains/README.md.",
        "",
    ]
    for name, function in _layers().items():
        told += _beginning(name, function)
    return "\n".join([*told, "", f"shipped chains: {', '.join(shipped_chains())}"])


def _told(name: str) -> str:
    """One layer in full: its docstring as a writer of YAML needs it."""
    layers = _layers()
    if name not in layers:
        near = nearest_name(name, layers)
        raise ChoraleError(f"--list: unknown layer {shown(name)}{near} (--list alone names all)")
    told = [*_beginning(name, layers[name]), "", *_explained(layers[name])]
    if "mask" in inspect.signature(layers[name]).parameters:
        told += ["", f"mask_of: {_summary(mask_of)}", "", *_explained(mask_of)]
    return "\n".join(told)


def _beginning(name: str, function: Callable[..., Any]) -> list[str]:
    """A layer's first line, and its options with their defaults."""
    options = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.kind is inspect.Parameter.KEYWORD_ONLY and one.name != "rng"
    ]
    options.sort(key=lambda one: one.default is not inspect.Parameter.empty)
    listed = ", ".join(_option(one).replace(" ", UNBROKEN) for one in options)
    lines = textwrap.wrap(listed, COLUMNS, initial_indent="    ", subsequent_indent="    ")
    return [
        f"{name}: {_summary(function)}",
        *(line.replace(UNBROKEN, " ") for line in lines),
    ]


def _summary(function: Callable[..., Any]) -> str:
    first = (function.__doc__ or "").strip().splitlines()[0]
    return first[0].lower() + first[1:]


def _explained(function: Callable[..., Any]) -> list[str]:
    """What a docstring says after its first line, without what only Python needs."""
    _, *paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    pythons = (TAKES, "Raises", ">>>", "Returns\n-------\nfunction")
    kept = [one for one in paragraphs if not one.startswith(pythons)]
    text = re.sub(r"\n?\brng : .*(\n    .*)*|; rng : .*", "", "\n\n".join(kept))
    text = text.replace("Parameters\n----------", "Options\n-------")
    return re.sub(r"\b(True|False)\b", lambda word: word[0].lower(), text).strip().splitlines()


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
