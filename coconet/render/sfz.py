"""SFZ text: headers, inheritance, macros, files within files.

An SFZ file is a list of regions, each of opcodes NAME=VALUE, after headers that hold
what several regions share: <control>, <global>, <master>, <group>, <region>
(https://sfzformat.com). Here the text becomes regions of opcodes; what they mean is
another module's job. Nothing that is read is ever run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from coconet.errors import ChoraleError, nearest_name, shown

#: Plenty for any instrument; more is a file gone wrong, or made to fill memory. The bytes
#: are those of all files, and once more those of their text with its macros in place.
MOST_BYTES = 10_000_000
MOST_FILES = 1_000
MOST_REGIONS = 20_000
#: Of one header; of all together; and those that all regions inherit.
MOST_OPCODES, MOST_WRITTEN, MOST_INHERITED = 1_000, 400_000, 2_000_000
MOST_MACROS = 5_000
DEEPEST = 16
LONGEST_LINE = 20_000
#: Of a macro or an opcode.
LONGEST_NAME = 100
#: Of places with text that isn't understood, so many are named and so many borne.
NAMED, MOST_STRANGE = 20, 10_000
#: Headers from the widest to the narrowest; each forgets what stood below it.
LEVELS = ("control", "global", "master", "group", "region")
#: Headers of effects and curves, whose opcodes say nothing of samples.
OTHERS = ("curve", "effect", "midi", "sample")

_COMMENTS = re.compile(r"/\*.*?(\*/|\Z)|//[^\n]*", re.DOTALL)
#: Where a header stands, or a value begins; that one lasts until the next of these.
_MARK = re.compile(r"<(?P<header>\w+)>|(?<![^\s>])(?P<name>[A-Za-z_]\w*)=")
_DEFINE = re.compile(r"#define\s+\$(\w+)[ \t]*(\S*)")
_INCLUDE = re.compile(r'\s*#include\s*"([^"]*)"\s*(.*)')
_MACRO = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Opcode:
    """A value as written, and where: 'piano.sfz:12'."""

    value: str
    place: str


@dataclass(frozen=True)
class Section:
    """One region.

    levels : opcodes by name of each header above it, from the widest on, and its own
    place : where it stands
    """

    levels: tuple[dict[str, Opcode], ...]
    place: str

    @property
    def opcodes(self) -> dict[str, Opcode]:
        """All that hold for it, in the order in which players read them: its own come last."""
        merged: dict[str, Opcode] = {}
        for level in self.levels:
            for name, opcode in level.items():
                merged.pop(name, None)
                merged[name] = opcode
        return merged


@dataclass
class _Reader:
    """What is known halfway through the text."""

    folder: Path
    macros: dict[str, str] = field(default_factory=dict)
    levels: dict[str, dict[str, Opcode]] = field(default_factory=dict)
    level: str = ""
    #: Their own opcodes are still to come when they are put here.
    regions: list[Section] = field(default_factory=list)
    #: Text that isn't understood: the first places, and how many there are.
    strange: list[str] = field(default_factory=list)
    stranger: int = 0
    files: int = 0
    size: int = 0
    #: Characters with macros in place, opcodes, and opcodes that regions inherit, so far.
    expanded: int = 0
    written: int = 0
    inherited: int = 0


def parse_sfz(path: Path | str) -> tuple[list[Section], list[str]]:
    """The regions of an SFZ file with what they inherit, and warnings, one line each.

    Names of opcodes are in lower case. Opcodes of <control> are among them, except where
    a region says otherwise.

    Raises ChoraleError with file and line for what isn't SFZ, for included files that
    are missing, include themselves or are too many, for more text than any instrument
    needs, and where there is no region.
    """
    path = Path(path)
    reader = _Reader(path.parent)
    _read(reader, path, ())
    if not reader.regions:
        raise ChoraleError(f"{path}: expected a <region>, got none; is it an SFZ file?")
    more = reader.stranger - len(reader.strange)
    left = [f"{path.name}: not understood at {more} more places"] if more else []
    return reader.regions, reader.strange + left


def _read(reader: _Reader, path: Path, above: tuple[Path, ...], asked: str = "") -> None:
    """Read a file and those that it includes; it stands below those `above`."""
    if path in above:
        raise ChoraleError(
            f"{asked}: {path.name} includes itself ({' > '.join(p.name for p in (*above, path))})"
        )
    if len(above) >= DEEPEST:
        raise ChoraleError(f"{asked}: files include each other more than {DEEPEST} deep")
    reader.files += 1
    if reader.files > MOST_FILES:
        raise ChoraleError(f"{asked}: more than {MOST_FILES} files are included")
    text = _COMMENTS.sub(_blank, _text(reader, path, asked))
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.isspace():
            continue
        place = f"{path.name}:{number}"
        if len(line) > LONGEST_LINE:
            raise ChoraleError(f"{place}: a line of {len(line)} characters; is it an SFZ file?")
        for macro in _DEFINE.finditer(line):
            _define(reader, macro[1], _expanded(reader, macro[2], place), place)
        line = _expanded(reader, _DEFINE.sub(" ", line), place)
        if included := _INCLUDE.match(line):
            _read(reader, _included(reader, path, included[1], place), (*above, path), place)
            line = included[2]
        _parts(reader, line, place)


def _define(reader: _Reader, name: str, value: str, place: str) -> None:
    """Keep a macro."""
    if not value:
        raise ChoraleError(f"{place}: #define ${name}: expected a value, got none")
    if len(name) > LONGEST_NAME:
        raise ChoraleError(f"{place}: #define: a name of {len(name)} characters")
    reader.macros[name] = value
    if len(reader.macros) > MOST_MACROS:
        raise ChoraleError(f"{place}: more than {MOST_MACROS} macros")


def _parts(reader: _Reader, line: str, place: str) -> None:
    """The headers and opcodes of a line."""
    marks = list(_MARK.finditer(line))
    _note_text(reader, line[: marks[0].start()] if marks else line, place)
    ends = [*(mark.start() for mark in marks), len(line)][1:]
    for mark, end in zip(marks, ends, strict=True):
        text = line[mark.end() : end].strip()
        if mark["header"]:
            _open(reader, mark["header"].lower(), place)
            _note_text(reader, text, place)
        elif not reader.level:
            raise ChoraleError(
                f"{place}: expected a header such as <region>, got {shown(mark[0] + text)}; "
                "is it an SFZ file?"
            )
        elif reader.level in LEVELS:
            _set(reader, mark["name"].lower(), Opcode(text, place))


def _set(reader: _Reader, name: str, opcode: Opcode) -> None:
    """An opcode of the header that is open: the later one counts, and stands later."""
    opcodes = reader.levels[reader.level]
    opcodes.pop(name, None)
    opcodes[name] = opcode
    reader.written += 1
    if len(name) > LONGEST_NAME:
        raise ChoraleError(f"{opcode.place}: an opcode's name of {len(name)} characters")
    if len(opcodes) > MOST_OPCODES:
        raise ChoraleError(f"{opcode.place}: more than {MOST_OPCODES} opcodes of one header")
    if reader.written > MOST_WRITTEN:
        raise ChoraleError(f"{opcode.place}: more than {MOST_WRITTEN} opcodes")


def _open(reader: _Reader, header: str, place: str) -> None:
    """A header begins: what stood below it no longer holds, except with <control>."""
    if header not in LEVELS and header not in OTHERS:
        known = (*LEVELS, *OTHERS)
        name = header[:LONGEST_NAME]
        raise ChoraleError(f"{place}: unknown header <{name}>{nearest_name(name, known)}")
    reader.level = header
    if header in OTHERS:
        return
    if header == "control":
        # It adds to an earlier one, for the regions that follow, and ends no group.
        reader.levels[header] = dict(reader.levels.get(header, {}))
        return
    for level in LEVELS[LEVELS.index(header) :]:
        reader.levels[level] = {}
    if header == "region":
        if len(reader.regions) >= MOST_REGIONS:
            raise ChoraleError(f"{place}: more than {MOST_REGIONS} regions")
        levels = tuple(reader.levels[level] for level in LEVELS if level in reader.levels)
        reader.inherited += sum(map(len, levels))
        if reader.inherited > MOST_INHERITED:
            raise ChoraleError(f"{place}: regions inherit more than {MOST_INHERITED} opcodes")
        reader.regions.append(Section(levels, place))


def _expanded(reader: _Reader, line: str, place: str) -> str:
    """A line with macros in place of their names: the longest name that is known counts."""

    grown = len(line)

    def value(match: re.Match) -> str:
        nonlocal grown
        name = match[1]
        for length in range(min(len(name), LONGEST_NAME), 0, -1):
            if text := reader.macros.get(name[:length]):
                grown += len(text) - length - 1
                if grown > LONGEST_LINE:
                    raise ChoraleError(
                        f"{place}: macros make a line of more than {LONGEST_LINE} characters"
                    )
                return text + name[length:]
        name = name[:LONGEST_NAME]
        raise ChoraleError(f"{place}: ${name} isn't defined{nearest_name(name, reader.macros)}")

    line = _MACRO.sub(value, line) if "$" in line else line
    reader.expanded += len(line)
    if reader.expanded > MOST_BYTES:
        raise ChoraleError(
            f"{place}: macros and includes make more than {MOST_BYTES} characters of text"
        )
    return line


def _included(reader: _Reader, path: Path, name: str, place: str) -> Path:
    """The path of an included file: beside the first file, or else beside this one."""
    name = name.replace("\\", "/")
    for folder in (reader.folder, path.parent):
        file = Path(folder, name)
        try:
            if file.is_file():
                return file.resolve()
        except OSError as error:
            raise ChoraleError(
                f"{place}: #include {shown(name)}: can't be read ({error.strerror or error})"
            ) from error
    raise ChoraleError(f"{place}: #include {shown(name)}: no such file")


def _text(reader: _Reader, path: Path, asked: str) -> str:
    """The text of a file; older ones are in Latin-1."""
    where = f"{asked}: {path}" if asked else str(path)
    try:
        if not path.is_file():
            raise ChoraleError(f"{where}: expected an SFZ file, got none or no file")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1 - reader.size)
    except OSError as error:
        raise ChoraleError(f"{where}: can't be read ({error.strerror or error})") from error
    reader.size += len(raw)
    if reader.size > MOST_BYTES:
        raise ChoraleError(f"{where}: more than {MOST_BYTES} bytes of text; is it an SFZ file?")
    if re.search(rb"[\x00-\x08\x0e-\x1f]", raw):
        raise ChoraleError(f"{where}: not an SFZ text file; is it another kind of file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _blank(comment: re.Match) -> str:
    """What is left of a comment: its line breaks, so that lines keep their numbers."""
    return " " + "\n" * comment[0].count("\n")


def _note_text(reader: _Reader, text: str, place: str) -> None:
    """Text that is neither header nor opcode is passed over, but not silently."""
    if text := text.strip():
        reader.stranger += 1
        if len(reader.strange) < NAMED:
            reader.strange.append(f"{place}: not understood: {shown(text)}")
        if reader.stranger > MOST_STRANGE:
            raise ChoraleError(
                f"{place}: not understood, as {MOST_STRANGE} other places; is it an SFZ file?"
            )
