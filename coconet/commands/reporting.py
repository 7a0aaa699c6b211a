"""The command that tells what pieces are like, in numbers: report."""

from __future__ import annotations

import argparse
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from coconet.chorale import Chorale
from coconet.commands.common import read_source, tell, tell_files
from coconet.errors import ChoraleError
from coconet.files import validate_writable, write_text

if TYPE_CHECKING:
    from coconet.passages import Passage
    from coconet.reports import Report

Found = TypeVar("Found")
#: A set of no more pieces than this has a row for each; of no more files each complaint is told.
FEW = 8
#: Options that belong to the table of pieces.
PIECES_ONLY = ("sort", "ascending", "where", "top", "groups", "original", "picture", "axes")
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
    kept = kept.head(options.top)
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
    from coconet.landscape import landscape
    from coconet.plots import save_figure

    if not len(found):
        raise ChoraleError(f"--picture: no row meets {options.where}")
    picture = landscape(found, axes=None if options.axes is None else options.axes.split(","))
    save_figure(picture, options.picture, force=options.force)


def _set_report(
    names: Sequence[str], pieces: Sequence[Chorale], options: argparse.Namespace
) -> str:
    """All pieces as one set, and Bach's sets, in rates."""
    from coconet.metrics import bach_rows, count_metrics, row_of
    from coconet.set_reports import set_csv, set_text

    rng = np.random.default_rng(options.seed)
    counted = _of_each("--against-bach", names, pieces, lambda piece: count_metrics([piece]))
    rows = [row_of(counts, name=name) for name, counts in counted]
    if len(rows) > 1:
        every = np.concatenate([counts for _, counts in counted])
        told = rows if options.each or len(rows) <= FEW else []
        rows = [row_of(every, name=f"all {len(rows)}", rng=rng), *told]
    bach = bach_rows(rng=rng)
    if options.csv is not None:
        write_text(Path(options.csv), set_csv([*rows, *bach]), force=options.force)
    return set_text(rows, bach, width=_line())


def _of_each(
    option: str, names: Sequence[str], pieces: Sequence[Chorale], count: Callable[[Chorale], Found]
) -> list[tuple[str, Found]]:
    """What is found in each piece, by its name; pieces that can't be counted are left out."""
    found, left_out = [], []
    for name, piece in zip(names, pieces, strict=True):
        try:
            found.append((name, count(piece.replace(title="piece"))))
        except ChoraleError as error:
            left_out.append(f"{name}: {str(error).removeprefix('piece: ')}")
    if left_out and not found:
        raise ChoraleError(f"{option}: {left_out[0]}")
    _tell_left_out([f"{option} leaves out {complaint}" for complaint in left_out])
    return found


def _tell_left_out(complaints: Sequence[str], where: str = "") -> None:
    """The first complaints, and how many more there are."""
    tell(complaints[:FEW])
    if len(complaints) > FEW:
        tell([f"left out: {len(complaints) - FEW} more{where}"])


def _line() -> int:
    """Characters of a line."""
    from coconet.tables import LINE

    return shutil.get_terminal_size(fallback=(LINE, 24)).columns


def _columns_told() -> str:
    """What every column counts, of pieces and of sets."""
    from coconet.features import ALIASES, FEATURES
    from coconet.metrics import METRICS
    from coconet.tables import LINE, aligned

    lines = []
    for title, columns in (
        ("of a piece", FEATURES),
        ("of a set of pieces (--against-bach)", METRICS),
    ):
        rows = aligned([[c.name, c.unit, c.counted] for c in columns], left=3)
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
                left_out.append(f"left out: {error}")
                continue
            for note in notes:
                said.setdefault(note, []).append(path)
            names.append(_name_of(path, folder))
            pieces.append(chorale)
        if left_out and len(left_out) == len(paths):
            complaint = left_out[0].removeprefix("left out: ")
            raise ChoraleError(f"{folder}: none of its arrays is a chorale: {complaint}")
        _tell_left_out(left_out, f" files of {folder}")
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
    files, below = _files_of(folder, deep)
    arrays = [path for path in files if path.suffix.lower() == ".npy"]
    unread = f"--deep also reads {below} folder{'s' * (below > 1)} below it"
    if not arrays:
        hint = f" ({unread})" if below else ""
        raise ChoraleError(f"{folder}: expected a folder with .npy files, found none{hint}")
    known = {path.with_suffix("") for path in arrays}
    others = [path for path in files if not _belongs(path, known)]
    notes = []
    if others:
        kinds = ", ".join(sorted({path.suffix or path.name for path in others}))
        notes.append(f"{folder}: other files skipped: {len(others)} ({kinds})")
    if below:
        notes.append(f"{folder}: {unread}")
    tell(notes)
    return arrays


def _files_of(folder: Path, deep: bool) -> tuple[list[Path], int]:
    """The files of a folder, sorted, and how many folders below it were left unread.

    deep : also the files of all folders below; nothing that is hidden in either case
    """
    found, unread = [], 0
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if not name.startswith(".")]
        if not deep:
            unread = len(folders)
            folders.clear()
    return sorted(found), unread


def _belongs(path: Path, known: set[Path]) -> bool:
    """Whether a file is an array, or another form of one: NAME.mid, NAME.map.npz.

    known : the arrays, without their endings
    """
    parts = path.name.split(".")
    return any(path.with_name(".".join(parts[:end])) in known for end in range(1, len(parts)))


def _nearest(names: Sequence[str], pieces: Sequence[Chorale]) -> str:
    """For each piece: the passage of the train split that is nearest, and the longest copy."""
    from coconet.corpus import load_corpus
    from coconet.passages import Beats, longest_copy, nearest_passage
    from coconet.set_reports import LONGEST_NAME
    from coconet.tables import aligned, short_names

    train = load_corpus("train")
    beats = Beats(train)

    def search(piece: Chorale) -> tuple[Passage, Passage | None]:
        return nearest_passage(piece, beats), longest_copy(piece, train)

    cells = [["nearest 32 steps", "equal", "of BWV", "longest copy", "of BWV"]]
    found = _of_each("--nearest", names, pieces, search)
    names = short_names([name for name, _ in found], LONGEST_NAME)
    for name, (_, (near, copy)) in zip(names, found, strict=True):
        cells.append(
            [
                f"{name} {near.span[0]}:{near.span[1]}",
                f"{near.share:.0%}",
                f"{near.bwv} {near.at[0]}:{near.at[1]}",
                f"{copy.steps} steps, {copy.span[0]}:{copy.span[1]}" if copy else "none",
                f"{copy.bwv} {copy.at[0]}:{copy.at[1]}" if copy else "",
            ]
        )
    return "\n".join(aligned(cells))
