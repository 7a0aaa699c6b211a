"""The command that tells what pieces are like, in numbers: report."""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from coconet.chorale import Chorale
from coconet.commands.common import read_source, tell, tell_files
from coconet.errors import ChoraleError
from coconet.files import validate_writable, write_text

if TYPE_CHECKING:
    from coconet.metrics import Row
    from coconet.reports import Report

#: A set of no more pieces than this has a row for each; of no more files each complaint is told.
FEW = 8
#: Characters of a line where no terminal says how many it has, and of a name in a set's table.
LINE, LONGEST_NAME = 100, 18
#: Options that belong to the table of pieces.
PIECES_ONLY = ("sort", "ascending", "where", "rows", "groups", "original", "picture", "axes")
#: What a report counts by, of all that a source may leave unsaid.
COUNTED = ("upbeat", "onsets")


def report(options: argparse.Namespace) -> int:
    """Tell what chorales are like, in numbers: a row a piece, or all of them beside Bach's."""
    _check_report(options)
    names, pieces = _read_pieces(options.sources, options.deep)
    nearest = _nearest(names, pieces) if options.nearest else ""
    told = ""
    if options.against_bach:
        told = _set_report(names, pieces, options)
    elif pieces:
        told = _pieces_report(names, pieces, options)
    print("\n\n".join(filter(None, (told, nearest, _columns_told() if options.columns else ""))))
    tell_files(_files(options))
    return 0


def _files(options: argparse.Namespace) -> list[Path]:
    """What is written."""
    return [Path(path) for path in (options.csv, options.picture) if path is not None]


def _check_report(options: argparse.Namespace) -> None:
    """Refuse, before anything is read, what doesn't go together or can't be written."""
    if not options.sources and not (options.against_bach or options.columns):
        raise ChoraleError("expected arrays, MIDI files or folders of .npy, or --against-bach")
    named = [f"--{name}" for name in PIECES_ONLY if getattr(options, name) not in (None, False)]
    if options.against_bach and named:
        raise ChoraleError(f"{named[0]}: --against-bach tells of a set, not of each piece")
    if options.each and not options.against_bach:
        raise ChoraleError("--each: without --against-bach each piece has a row already")
    if options.axes is not None and options.picture is None:
        raise ChoraleError("--axes: expected --picture FILE.png too")
    named += ["--nearest"] * options.nearest + ["--csv"] * (options.csv is not None)
    if named and not (options.sources or options.against_bach):
        raise ChoraleError(f"{named[0]}: expected the pieces to tell of")
    if options.nearest and not options.sources:
        raise ChoraleError("--nearest: expected the pieces to look for")
    if options.seed < 0:
        raise ChoraleError(f"--seed: expected 0 or more, got {options.seed}")
    _check_columns(options)
    files = [validate_writable(path, force=options.force) for path in _files(options)]
    if len({path.resolve() for path in files}) < len(files):
        raise ChoraleError(f"--csv and --picture: expected two files, got {files[0]} twice")


def _check_columns(options: argparse.Namespace) -> None:
    """Refuse unknown columns, and the distance where nothing says from what."""
    from coconet.conditions import parse_condition
    from coconet.features import NAMES, column_of

    asked: list[tuple[str, int]] = []
    if options.sort is not None:
        asked.append(("--sort", column_of(options.sort)))
    if options.where is not None:
        asked += [("--where", column) for column in parse_condition(options.where).columns]
    if options.axes is not None:
        asked += [("--axes", column_of(name)) for name in options.axes.split(",")]
    for option, column in asked:
        if NAMES[column] == "distance" and options.original is None:
            raise ChoraleError(f"{option}: for the distance expected --original IN too")


def _pieces_report(
    names: Sequence[str], pieces: Sequence[Chorale], options: argparse.Namespace
) -> str:
    """A row a piece or group of voices, sorted and filtered; the CSV and the picture of them."""
    from coconet.conditions import parse_condition
    from coconet.reports import SORTED_BY, report_of

    condition = None if options.where is None else parse_condition(options.where)
    original = None if options.original is None else _read(options.original)[0]
    found = report_of(pieces, names=names, original=original, groups=options.groups)
    by = SORTED_BY if options.sort is None else options.sort
    kept = found.sorted_by(by, ascending=options.ascending)
    kept = kept.where(condition) if condition else kept
    met = len(kept)
    kept = kept.head(options.rows)
    if options.picture is not None:
        _save_landscape(kept, options)
    if options.csv is not None:
        write_text(Path(options.csv), kept.csv(), force=options.force)
    lines = [kept.text(width=_line())] if met else []
    if condition:
        lines.append(f"{met} of {len(found)} rows: {condition}")
    if len(kept) < met:
        lines.append(f"the first {len(kept)} of {met} rows")
    return "\n".join(lines)


def _save_landscape(found: Report, options: argparse.Namespace) -> None:
    from coconet.landscape import AXES, landscape
    from coconet.plots import save_figure

    if not len(found):
        raise ChoraleError(f"--picture: no row meets {options.where}")
    picture = landscape(found, axes=AXES if options.axes is None else options.axes.split(","))
    save_figure(picture, options.picture, force=options.force)


def _set_report(
    names: Sequence[str], pieces: Sequence[Chorale], options: argparse.Namespace
) -> str:
    """All pieces as one set, and Bach's sets, in rates."""
    from coconet.metrics import bach_rows, battery, row_of

    rng = np.random.default_rng(options.seed)
    rows: list[Row] = []
    if pieces:
        name = f"all {len(pieces)}" if len(pieces) > 1 else names[0]
        rows.append(battery(pieces, name=name, rng=rng))
        if len(pieces) > 1 and (options.each or len(pieces) <= FEW):
            each = zip(names, rows[0].counts, strict=True)
            rows += [row_of(counts[None], name=title) for title, counts in each]
    bach = bach_rows(rng=rng)
    if options.csv is not None:
        write_text(Path(options.csv), _csv([*rows, *bach]), force=options.force)
    return _table(rows, bach)


def _line() -> int:
    """Characters of a line."""
    return shutil.get_terminal_size(fallback=(LINE, 24)).columns


def _columns_told() -> str:
    """What every column counts, of pieces and of sets."""
    from coconet.features import ALIASES, FEATURES
    from coconet.metrics import METRICS

    lines = []
    for title, columns in (
        ("of a piece", FEATURES),
        ("of a set of pieces (--against-bach)", METRICS),
    ):
        cells = [[c.name, c.unit, c.counted] for c in columns]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
        lines += [title, *(f"  {row}" for row in rows), ""]
    others = ", ".join(f"{alias} = {name}" for alias, name in ALIASES.items())
    return "\n".join([*lines, fill(f"of a piece, also: {others}", LINE)])


def _read_pieces(sources: Sequence[str], deep: bool) -> tuple[list[str], list[Chorale]]:
    """The pieces of all sources, and a name for each: a folder has one for each array."""
    names: list[str] = []
    pieces: list[Chorale] = []
    said: dict[str, list[str]] = {}
    for source in sources:
        folder = Path(source)
        whole = bool(source) and folder.is_dir()
        paths = [str(path) for path in _arrays_of(folder, deep)] if whole else [source]
        left_out = []
        for path in paths:
            try:
                chorale, notes = _read(path)
            except ChoraleError as error:
                if path == source:
                    raise
                left_out.append(str(error))
                continue
            for note in notes:
                said.setdefault(note, []).append(path)
            names.append(_name_of(path, folder))
            pieces.append(chorale)
        if left_out and len(left_out) == len(paths):
            raise ChoraleError(f"{folder}: none of its arrays is a chorale: {left_out[0]}")
        tell([f"left out: {complaint}" for complaint in left_out[:FEW]])
        if len(left_out) > FEW:
            tell([f"left out: {len(left_out) - FEW} more files of {folder}"])
    for note, paths in said.items():
        tell([f"{paths[0] if len(paths) == 1 else f'{len(paths)} pieces'}: {note}"])
    return _told_apart(names), pieces


def _told_apart(names: Sequence[str]) -> list[str]:
    """Names that come several times get numbers."""
    counted, numbers = Counter(names), {name: count(1) for name in names}
    return [f"{name} ({next(numbers[name])})" if counted[name] > 1 else name for name in names]


def _read(source: str) -> tuple[Chorale, list[str]]:
    """A piece and what to tell of it, but for assumptions that no column counts by."""
    from coconet.reading import assumptions

    chorale, _, notes = read_source(source)
    others = [note for note in notes if note not in assumptions(chorale)]
    counted = tuple(field for field in COUNTED if field in chorale.assumed)
    return chorale, others + assumptions(chorale.replace(assumed=counted))


def _name_of(path: str, folder: Path) -> str:
    """The name of a piece: its path below a folder, or its own, without the ending."""
    file = Path(path)
    if folder.is_dir():
        return file.relative_to(folder).with_suffix("").as_posix()
    return file.stem if file.suffix and file.exists() else path


def _arrays_of(folder: Path, deep: bool) -> list[Path]:
    """The arrays of a folder; tells of what else lies there."""
    there = _files_below(folder)
    arrays = [path for path in there if path.suffix.lower() == ".npy"]
    own = [path for path in arrays if deep or path.parent == folder]
    below = f"{len(arrays) - len(own)} below it, which --deep reads"
    if not own:
        hint = f" ({below})" if arrays else ""
        raise ChoraleError(f"{folder}: expected a folder with .npy files, found none{hint}")
    known = {path.with_suffix("") for path in own}
    others = [path for path in there if path.with_suffix("") not in known]
    others = [path for path in others if deep or path.parent == folder]
    notes = []
    if others:
        kinds = ", ".join(sorted({path.suffix or path.name for path in others}))
        notes.append(f"{folder}: other files skipped: {len(others)} ({kinds})")
    if len(own) < len(arrays):
        notes.append(f"{folder}: arrays left out: {below}")
    tell(notes)
    return own


def _files_below(folder: Path) -> list[Path]:
    """All files of a folder and those below it, sorted; nothing that is hidden."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if not name.startswith(".")]
    return sorted(found)


def _table(rows: Sequence[Row], bach: Sequence[Row]) -> str:
    """The rows in blocks of columns, Bach's below; * marks the set's values that aren't his."""
    from coconet.metrics import METRICS, within_bach
    from coconet.tables import in_blocks, shortened

    inside = within_bach(rows[0], bach) if rows else {}
    cells = [["", "pieces", *(f"{metric.name} " for metric in METRICS)]]
    for row in (*rows, *bach):
        line = [shortened(row.name, LONGEST_NAME), str(row.pieces)]
        for metric in METRICS:
            value, error = row.value(metric.name), row.error(metric.name)
            strange = row is (rows or [None])[0] and not inside.get(metric.name, True)
            told = _number(value, metric.scale)
            told += "" if math.isnan(error) else f"±{_number(error, metric.scale)}"
            line.append(told + ("*" if strange and not math.isnan(value) else " "))
        cells.append(line)
    lines: list[str] = []
    for block in in_blocks(cells, width=_line(), gap=1, first=2):
        lines += [*block, ""]
    per = {metric.unit: [] for metric in METRICS if metric.unit != "share"}
    for metric in METRICS:
        per.get(metric.unit, []).append(metric.name)
    units = ", ".join(f"{' and '.join(names)} {unit}" for unit, names in per.items())
    notes = [f"shares of 1; {units}; --columns tells what each counts"]
    notes.append("± bootstrap errors over pieces")
    if inside:
        notes.append("* not between Bach's lowest and highest row, widened by 1.96 errors")
    return "\n".join([*lines, *(fill(note, max(_line(), 20)) for note in notes)])


def _nearest(names: Sequence[str], pieces: Sequence[Chorale]) -> str:
    """For each piece: the passage of the train split that is nearest, and the longest copy."""
    from coconet.corpus import load_corpus
    from coconet.passages import longest_copy, nearest_passage
    from coconet.tables import aligned, shortened

    train = load_corpus("train")
    cells = [["nearest 32 steps", "equal", "of BWV", "longest copy", "of BWV"]]
    for name, chorale in zip(names, pieces, strict=True):
        near = nearest_passage(chorale, train)
        copy = longest_copy(chorale, train)
        cells.append(
            [
                shortened(name, LONGEST_NAME) + f" {near.span[0]}:{near.span[1]}",
                f"{near.share:.0%}",
                f"{near.bwv} {near.at[0]}:{near.at[1]}",
                f"{copy.steps} steps, {copy.span[0]}:{copy.span[1]}" if copy else "none",
                f"{copy.bwv} {copy.at[0]}:{copy.at[1]}" if copy else "",
            ]
        )
    return "\n".join(aligned(cells))


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
        for value, error, counted in zip(row.values, row.errors, counts, strict=True):
            line += ["" if math.isnan(x) else f"{x:.6g}" for x in (value, error)] + counted
        writer.writerow(line)
    return text.getvalue()


def _number(value: float, scale: float) -> str:
    """Three digits of a share without its zero; two of a rate per 1000."""
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if scale > 1 else f"{value:.3f}".removeprefix("0")
