"""Performances as tables: ours, which is read again exactly, and the original's columns.

Conventions
-----------
A file of events is CSV in UTF-8: a line a note, in any order, under a header
with the fields of `events.NOTE` in their units there. Before the header lines that begin
with '#' say what no column can, as `# name: value` with values in JSON: format, title,
voices, seconds, times, walk. They may be absent, and the columns may come in any order, so
that a table made by hand or elsewhere is read too, and so is one that a spreadsheet has
saved again with commas and decimal points, which quotes cells and fills up lines with empty
ones; `pandas.read_csv(path, comment="#")` reads it as it is. Numbers have all their digits:
what was saved is loaded bit for bit. Of a title control characters are left out, but for
tabs and ends of lines: it goes to terminals.

A file is read line by line, so that it takes little more memory than its notes.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np

from coconet.checks import number
from coconet.errors import ChoraleError, shown
from coconet.files import user_path, validate_writable, write_text
from coconet.grid import is_whole, items_of
from coconet.render.dynamics import FULLEST, QUIETEST, Walk, walk_velocity
from coconet.render.events import (
    LIMITS,
    NOTE,
    TAIL,
    Performance,
    WalkCounts,
    validate_performance,
    validate_times,
)

FORMAT = 1
SUFFIX = ".csv"
COLUMNS = NOTE.names
#: What a file of events may say before its header.
SAID = ("format", "title", "voices", "seconds", "times", "walk")
#: No performance needs a larger file; what is larger isn't one.
MAX_BYTES = 128_000_000
#: Rows that are read at a time.
BLOCK = 10_000
#: The original's columns.
PFIELDS = (
    "inst", "start", "dur", "velocity", "tone", "octave", "voice", "stereo", "envelop", "glis",
    "upsamp", "rEnvel", "2nd G", "3rd G", "volume", "chan",
)  # fmt: skip

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
#: With these a spreadsheet fills up its lines.
_EMPTY = ",; \t"
#: Unicode's categories of what no title needs: control characters, halves of surrogate pairs.
HIDDEN = ("Cc", "Cs")
_SAYING = re.compile(r"#\s*(\w+)\s*:\s*(.*)")


def save_events(performance: Performance, path: Path | str, *, force: bool = False) -> Path:
    """Write a performance as CSV, see above; return the path.

    Raises ChoraleError for another suffix than .csv, an existing file (unless `force`), a
    folder that can't be written, and what `events.validate_performance` refuses.
    """
    path = _validate_path(path, force=force)
    validate_performance(performance)
    said = {
        "format": FORMAT,
        "title": performance.title,
        "voices": int(performance.voices),
        "seconds": float(performance.seconds),
        "times": performance.times.tolist(),
        "walk": None if performance.walk is None else asdict(performance.walk),
    }
    lines = [f"# {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in said.items()]
    lines.append(",".join(COLUMNS))
    lines += [",".join(map(repr, row)) for row in performance.notes.tolist()]
    write_text(path, "\n".join(lines) + "\n", force=force)
    return path


def load_events(path: Path | str) -> Performance:
    """Read a performance that `save_events` wrote, or a table like it.

    Where the lines before the header don't say it, the title is '', there are as many voices
    as the notes need, `seconds` is the end of the last note and a tail, and there is no grid.

    Raises
    ------
    ChoraleError
        For a file that isn't there, is no text or too large; for columns that are missing,
        unknown or there twice; and, with the line, for a value that is no number or outside
        its range, and for no notes at all.
    """
    path = user_path(path)
    said: dict[str, Any] = {}
    notes, lines = _notes(_rows(path, said), path)
    title = said.get("title", "")
    if not isinstance(title, str):
        raise ChoraleError(f"{path}: title: expected a text in quotes, got {shown(title)}")
    title = "".join(sign for sign in title if sign in "\t\n\r" or category(sign) not in HIDDEN)
    voices = said.get("voices", int(notes["voice"].max()) + 1)
    times = _times(said.get("times", []), path)
    ends = notes["start"] + notes["duration"]
    last = max(float(ends.max()), float(times[-1]) if len(times) else 0.0)
    seconds = said.get("seconds", last + TAIL)
    # Who edits notes needn't count how long they are together.
    if isinstance(seconds, int | float) and 0 < seconds < last < math.inf:
        seconds = last + TAIL
    performance = Performance(notes, seconds, voices, times, title, _walk(said.get("walk"), path))
    validate_performance(performance, name=str(path), lines=lines)
    return replace(performance, seconds=float(seconds), voices=int(voices))


def save_pfields(performance: Performance, path: Path | str, *, force: bool = False) -> Path:
    """Write a performance in the columns of the program that this one succeeds; return the path.

    A line a note, by start, under the header `PFIELDS`. Start and duration are seconds;
    velocity is in the units of its sampled piano's layers (60-72), tone 0-11 from C, octave
    5 from middle C; stereo is 1-15 of 16; upsamp is the sample's shift in semitones. Volume
    is the random walk's, its base times 10^(level / 20), so that it tells a voice's level
    too. inst, voice and chan are 1, envelopes and tables of glissandi 0. Velocities that
    don't come from a random walk are brought to its units.

    Raises ChoraleError as `save_events` does.
    """
    path = _validate_path(path, force=force)
    notes = performance.notes
    base = Walk().volume if performance.walk is None else performance.walk.volume
    octave, tone = np.divmod(notes["key"], 12)
    found = {
        "start": notes["start"],
        "dur": notes["duration"],
        "velocity": walk_velocity(notes["velocity"]),
        "tone": tone,
        "octave": octave,
        "stereo": np.clip(np.rint(notes["pan"] * 16), 1, 15).astype(int),
        "upsamp": notes["shift"],
        # Rounded, so that 14.75 comes back from its decibels as such.
        "volume": np.round(base * 10 ** (notes["level"] / 20), 6),
    }
    ones, zeros = np.ones(len(notes), int), np.zeros(len(notes), int)
    constant = {"inst": ones, "voice": ones, "chan": ones}
    columns = [found.get(name, constant.get(name, zeros)).tolist() for name in PFIELDS]
    lines = [",".join(PFIELDS), *(",".join(map(repr, row)) for row in zip(*columns, strict=True))]
    write_text(path, "\n".join(lines) + "\n", force=force)
    return path


def _validate_path(path: Path | str, *, force: bool) -> Path:
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise ChoraleError(f"{path}: expected a name that ends in {SUFFIX}")
    return validate_writable(path, force=force)


# ---------------------------------------------------------------- reading


def _rows(path: Path, said: dict[str, Any]) -> Iterator[tuple[int, list[str]]]:
    """The cells of all lines but remarks, under the lines' numbers; the header comes first.

    said : is filled with what the remarks say, as they come
    """
    waiting: dict[str, tuple[str, str]] = {}
    head = True
    for count, line in _lines(path):
        where = f"{path}, line {count}"
        if not _is_remark(line):
            if head and "," not in line and (";" in line or "\t" in line):
                raise ChoraleError(
                    f"{where}: expected commas between the columns, got {shown(line)}; "
                    "save it as CSV with commas and decimal points"
                )
            # Where the columns are wrong, what is wrong with the remarks is no news.
            head = False
            _take_in(waiting, said)
            yield count, _cells(line, where)
        elif saying := _saying(line, where):
            name, text = saying
            if name in said or name in waiting:
                _take_in(waiting, said)
                raise ChoraleError(f"{where}: says {name} a second time")
            waiting[name] = text, where
    _take_in(waiting, said)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text that aren't empty, and their numbers from 1."""
    left = MAX_BYTES
    try:
        with path.open(encoding="utf-8-sig") as file:
            for count in itertools.count(1):
                line = file.readline(left + 1)
                left -= len(line)
                if left < 0:
                    break
                if not line:
                    return
                if "\0" in line:
                    raise ChoraleError(f"{path}: not a text; is it another kind of file?")
                if line.strip(_EMPTY + '"\n'):
                    yield count, line.removesuffix("\n")
    except FileNotFoundError as error:
        raise ChoraleError(f"{path}: no such file") from error
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise ChoraleError(f"{path}: not a text in UTF-8; is it another kind of file?") from error
    raise ChoraleError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB: is it events?")


def _is_remark(line: str) -> bool:
    """Whether a line is no row; spreadsheets put what holds quotes in quotes."""
    return line.startswith(("#", '"#'))


def _saying(line: str, where: str) -> tuple[str, str] | None:
    """Name and text of a remark; None for one that has no known name."""
    if line.startswith('"'):
        line = ",".join(_cells(line, where))
    match = _SAYING.fullmatch(line.rstrip(_EMPTY))
    return (match[1], match[2]) if match and match[1] in SAID else None


def _take_in(waiting: dict[str, tuple[str, str]], said: dict[str, Any]) -> None:
    """Read what remarks say, and empty `waiting`."""
    while waiting:
        name = next(iter(waiting))
        text, where = waiting.pop(name)
        try:
            said[name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ChoraleError(f"{where}: {name}: expected JSON, got {shown(text)}") from error
        if name == "format" and said[name] != FORMAT:
            raise ChoraleError(
                f"{where}: expected events of format {FORMAT}, got {shown(said[name])}"
            )


def _cells(line: str, where: str) -> list[str]:
    """The cells of one row."""
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise ChoraleError(f"{where}: not a line of CSV ({error})") from error


def _notes(rows: Iterator[tuple[int, list[str]]], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Notes as an array of dtype `NOTE`, and the number of each one's line, an int array."""
    count, head = next(rows, (0, []))
    names = [name.strip() for name in head]
    while names and not names[-1]:
        names.pop()
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ChoraleError(
            f"{path}: expected a header with {', '.join(COLUMNS)}; missing: {', '.join(missing)}"
        )
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            what = "comes twice" if name in COLUMNS else "is unknown; leave it out"
            raise ChoraleError(f"{path}, line {count}: column {shown(name)} {what}")
    blocks, lines = [], []
    # Cells as text take a hundred times the room of their numbers: not all of them at once.
    while block := list(itertools.islice(rows, BLOCK)):
        for count, row in block:
            if len(row) < len(names) or any(cell.strip() for cell in row[len(names) :]):
                likely = "; decimal commas?" if len(row) > len(names) else ""
                raise ChoraleError(
                    f"{path}, line {count}: expected {len(names)} cells, got {len(row)}{likely}"
                )
        numbers = [count for count, _ in block]
        notes = np.zeros(len(block), NOTE)
        for column, name in enumerate(names):
            notes[name] = _column(name, [row[column] for _, row in block], numbers, path)
        blocks.append(notes)
        lines.append(np.array(numbers, "i4"))
    if not blocks:
        raise ChoraleError(f"{path}: holds no notes")
    notes, lines = np.concatenate(blocks), np.concatenate(lines)
    order = np.lexsort((notes["voice"], notes["start"]))
    return notes[order], lines[order]


def _column(name: str, cells: list[str], lines: list[int], path: Path) -> np.ndarray:
    """One column as numbers within its limits."""
    counted = NOTE[name].kind == "i"
    form, kind = (_WHOLE, "a whole number") if counted else (_NUMBER, "a number")
    lowest, highest = LIMITS[name]
    values = []
    for cell, line in zip(cells, lines, strict=True):
        text = cell.strip()
        value = (int if counted else float)(text) if form.fullmatch(text) else None
        if value is None or not lowest <= value <= highest:
            likely = "; decimals need a point, not a comma" if "," in cell else ""
            raise ChoraleError(
                f"{path}, line {line}: {name}: expected {kind} from {lowest:g} to {highest:g}, "
                f"got {shown(cell)}{likely}"
            )
        values.append(value)
    return np.array(values)


def _times(value: object, path: Path) -> np.ndarray:
    """When steps begin: rising seconds, or none."""
    listed = items_of(value)
    if listed is None or any(type(time) not in (int, float) for time in listed):
        raise ChoraleError(f"{path}: times: expected a list of seconds, got {shown(value)}")
    try:
        times = np.array(listed, float)
    except OverflowError as error:
        raise ChoraleError(f"{path}: times: a number is too large") from error
    return validate_times(times, str(path))


def _walk(value: object, path: Path) -> WalkCounts | None:
    """The counts of a random walk, or None."""
    if value is None:
        return None
    names = [each.name for each in fields(WalkCounts)]
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise ChoraleError(f"{path}: walk: expected {', '.join(names)}, got {shown(value)}")
    counts = {name: value[name] for name in names if name != "volume"}
    for name, count in counts.items():
        if not is_whole(count, 0):
            raise ChoraleError(f"{path}: walk: {name}: expected a count, got {shown(count)}")
    return WalkCounts(number(value["volume"], f"{path}: walk: volume", QUIETEST, FULLEST), **counts)
