"""Commands that tell what something is like: info, report."""

from __future__ import annotations

import argparse
import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coconet.chorale import Chorale, read_array
from coconet.commands.common import holds_segments, read_source, tell
from coconet.errors import ChoraleError
from coconet.files import validate_writable, write_text
from coconet.grid import voice_name

if TYPE_CHECKING:
    from coconet.metrics import Row

#: With no more pieces than this, each has a row of its own.
FEW = 8
#: Characters of a sidecar's value that are told.
LONG = 120


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


def _checkpoint_rows(path: Path) -> list[tuple[str, object]]:
    from coconet.checkpoint import load_checkpoint, resolve_checkpoint
    from coconet.model import config_fields
    from coconet.tilt import load_tilt

    checkpoint = load_checkpoint(path)
    count = sum(tensor.numel() for tensor in checkpoint.weights.values())
    folder = resolve_checkpoint(path)
    size = (folder / "weights.safetensors").stat().st_size
    card = {key: value for key, value in checkpoint.card.items() if key != "settings"}
    tilt = load_tilt(folder)
    nats = "none fitted" if tilt is None else tilt.told
    return [
        ("checkpoint", folder),
        *config_fields(checkpoint.config).items(),
        ("weights", f"{count:,} in {size / 1e6:.1f} MB"),
        *card.items(),
        ("sampler's weights", nats),
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

    chorale, absent, notes = read_source(source)
    number, kind = abs(chorale.sharps), "sharp" if chorale.sharps > 0 else "flat"
    signature = f"{number} {kind}{'s' * (number != 1)}" if number else "no signature"
    laid = _segment_rows(source) if holds_segments(source) else []
    rows: list[tuple[str, object]] = [
        ("title", chorale.title or "(none)"),
        *laid,
        ("piece", f"{chorale.voices} voices, {chorale.steps} steps, {chorale.seconds:.1f} s"),
        ("key", f"{key_name(chorale.tonic, chorale.mode, chorale.sharps)}, {signature}"),
        ("metre", f"{chorale.time_signature}, upbeat of {chorale.upbeat} steps"),
        ("tempo", f"{chorale.tempo:g} quarters a minute"),
        ("phrases", " ".join(map(str, chorale.phrases)) or "unknown"),
        ("fermatas", int(chorale.fermatas.sum())),
    ]
    for row, voice in enumerate(map(voice_name, range(chorale.voices))):
        sounding = chorale.grid[row][chorale.grid[row] > 0]
        if row in absent or not len(sounding):
            rows.append((voice, "absent" if row in absent else "silent"))
        else:
            span = f"{pitch_name(int(sounding.min()))}-{pitch_name(int(sounding.max()))}"
            rows.append((voice, f"{int(chorale.onsets[row].sum())} notes, {span}"))
    if chorale.assumed:
        rows.append(("assumed", ", ".join(chorale.assumed)))
    rows += [("note", note) for note in notes]
    rows += [(f"made: {key}", _beginning(value)) for key, value in chorale.provenance.items()]
    return rows


def _segment_rows(source: str) -> list[tuple[str, object]]:
    from coconet.segment_files import load_segments

    array, segments = read_array(source), load_segments(source)
    fits = " ".join(f"{fit.model}:{fit.true}" for fit in segments.fits)
    low, high = int(array.min()), int(array.max())
    return [
        ("segments", f"array of shape {array.shape}, values {low} to {high}"),
        ("model:true", f"{fits} steps"),
    ]


def _beginning(value: object) -> str:
    """A value of a sidecar on one line; only its beginning where it is long."""
    text = str(value)
    return text if len(text) <= LONG else f"{text[:LONG]} … ({len(text):,} characters)"


def report(options: argparse.Namespace) -> int:
    """Tell what chorales are like, in numbers, and where that isn't as in Bach."""
    from coconet.metrics import METRICS, bach_rows, battery, row_of

    if not options.sources and not (options.against_bach or options.columns):
        raise ChoraleError("expected arrays, MIDI files or folders of .npy, or --against-bach")
    if options.nearest and not options.sources:
        raise ChoraleError("--nearest: expected the pieces to look for")
    if options.seed < 0:
        raise ChoraleError(f"--seed: expected 0 or more, got {options.seed}")
    if options.csv:
        validate_writable(Path(options.csv), force=options.force)
    pieces = [piece for source in options.sources for piece in _read_pieces(source)]
    rng = np.random.default_rng(options.seed)
    rows: list[Row] = []
    if pieces:
        name = f"all {len(pieces)}" if len(pieces) > 1 else pieces[0][0]
        rows.append(battery([chorale for _, chorale in pieces], name=name, rng=rng))
        if len(pieces) > 1 and (options.each or len(pieces) <= FEW):
            each = zip(pieces, rows[0].counts, strict=True)
            rows += [row_of(counts[None], name=title) for (title, _), counts in each]
    bach = bach_rows(rng=rng) if options.against_bach else []
    nearest = _nearest(pieces) if options.nearest else ""
    if rows or bach:
        print(_table(rows, bach))
    if nearest:
        print("\n" + nearest)
    if options.columns:
        width = max(len(metric.name) for metric in METRICS)
        units = max(len(metric.unit) for metric in METRICS)
        print("\n".join(f"{m.name:<{width}}  {m.unit:<{units}}  {m.counted}" for m in METRICS))
    if options.csv:
        write_text(Path(options.csv), _csv([*rows, *bach]), force=options.force)
    return 0


def _read_pieces(source: str) -> list[tuple[str, Chorale]]:
    """The pieces of a source, each with its name: one, or all arrays of a folder."""
    folder = Path(source)
    if not folder.is_dir():
        chorale, _, notes = read_source(source)
        tell([f"{source}: {note}" for note in notes])
        is_file = folder.suffix and folder.exists()
        return [(folder.stem if is_file else source, chorale)]
    paths = sorted(path for path in folder.glob("*.npy") if not path.name.startswith("."))
    if not paths:
        raise ChoraleError(f"{folder}: expected a folder with .npy files, found none")
    pieces = []
    for path in paths:
        chorale, _, notes = read_source(str(path))
        tell([f"{path}: {note}" for note in notes])
        pieces.append((path.stem, chorale))
    return pieces


def _table(rows: Sequence[Row], bach: Sequence[Row]) -> str:
    """The rows in blocks of columns, Bach's below; * marks the set's values that aren't his."""
    from coconet.metrics import METRICS, within_bach

    inside = within_bach(rows[0], bach) if rows and bach else {}
    lines = []
    for block in (METRICS[:6], METRICS[6:12], METRICS[12:]):
        cells = [["", "pieces", *(metric.name for metric in block)]]
        for row in (*rows, *bach):
            line = [_shortened(row.name), str(row.pieces)]
            for metric in block:
                value, error = row.value(metric.name), row.error(metric.name)
                strange = row is (rows or [None])[0] and not inside.get(metric.name, True)
                mark = "*" if strange and not math.isnan(value) else " "
                line.append(_number(value, metric.scale) + mark)
                if bach and not math.isnan(error):
                    line[-1] = (
                        f"{_number(value, metric.scale)}±{_number(error, metric.scale)}{mark}"
                    )
            cells.append(line)
        lines += [*_aligned(cells), ""]
    per = {metric.unit: [] for metric in METRICS if metric.unit != "share"}
    for metric in METRICS:
        per.get(metric.unit, []).append(metric.name)
    units = ", ".join(f"{' and '.join(names)} {unit}" for unit, names in per.items())
    lines.append(f"shares of 1; {units}; --columns tells what each counts")
    if bach:
        lines.append("± bootstrap errors over pieces")
    if inside:
        lines.append("* not between Bach's lowest and highest row, widened by 1.96 errors")
    return "\n".join(lines)


def _nearest(pieces: Sequence[tuple[str, Chorale]]) -> str:
    """For each piece: the passage of the train split that is nearest, and the longest copy."""
    from coconet.corpus import load_corpus
    from coconet.passages import longest_copy, nearest_passage

    train = load_corpus("train")
    cells = [["nearest 32 steps", "equal", "of BWV", "longest copy", "of BWV"]]
    for name, chorale in pieces:
        near = nearest_passage(chorale, train)
        copy = longest_copy(chorale, train)
        cells.append(
            [
                _shortened(name) + f" {near.span[0]}:{near.span[1]}",
                f"{near.share:.0%}",
                f"{near.bwv} {near.at[0]}:{near.at[1]}",
                f"{copy.steps} steps, {copy.span[0]}:{copy.span[1]}" if copy else "none",
                f"{copy.bwv} {copy.at[0]}:{copy.at[1]}" if copy else "",
            ]
        )
    return "\n".join(_aligned(cells))


def _csv(rows: Sequence[Row]) -> str:
    """The table in full: of each metric its value, its error and both counts."""
    from coconet.metrics import METRICS

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = ("", " error", " counted", " among")
    writer.writerow(
        ["name", "pieces", *(metric.name + part for metric in METRICS for part in parts)]
    )
    for row in rows:
        counts = row.counts.sum(0).tolist()
        line: list[object] = [row.name, row.pieces]
        for value, error, count in zip(row.values, row.errors, counts, strict=True):
            line += ["" if math.isnan(x) else f"{x:.6g}" for x in (value, error)] + count
        writer.writerow(line)
    return text.getvalue()


def _number(value: float, scale: float) -> str:
    """Three digits of a share without its zero; two of a rate per 1000."""
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if scale > 1 else f"{value:.3f}".removeprefix("0")


def _shortened(name: str, width: int = 18) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join([f"{line[0]:<{widths[0]}}", *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in cells
    ]
