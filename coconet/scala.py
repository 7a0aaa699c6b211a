"""Scala's text files: scales (.scl) and keyboard mappings (.kbm).

A scale lists degrees, in cents or as ratios; a mapping says which keys play them and at
what pitch. Bad lines are told by their numbers. Formats:
https://www.huygens-fokker.org/scala/scl_format.html and
https://www.huygens-fokker.org/scala/help.htm#mappings
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from coconet.errors import ChoraleError
from coconet.files import user_path

#: MIDI's keys.
KEYS = 128
OCTAVE = 1200.0
#: No scale needs a larger file; what is larger isn't one.
MAX_BYTES = 1_000_000

_CENTS = re.compile(r"\s*(-?(?:\d+\.\d*|\.\d+))(?=\s|$)")
_RATIO = re.compile(r"\s*(-?\d{1,300})(?:\s*/\s*(-?\d{1,300}))?(?=\s|$)")
_COUNT = re.compile(r"\s*(\d{1,6})(?=\s|$)")


def parse_scl(text: str, name: str = "scale") -> tuple[list[float], str]:
    """Degrees of a Scala scale.

    Parameters
    ----------
    text : the contents of a .scl file
    name : how messages call it

    Returns
    -------
    degrees : cents above 1/1 of degrees 1, 2 … up to the formal octave
    description : the file's first line

    Raises
    ------
    ChoraleError
        Naming the line that isn't a pitch, or a count that doesn't fit.

    >>> parse_scl("! two.scl\\nA fifth\\n2\\n3/2 sol\\n1200.\\n")[1]
    'A fifth'
    """
    lines = _lines(text)
    if len(lines) < 2:
        raise ChoraleError(f"{name}: expected a description and a number of notes; is it empty?")
    description = lines[0][1].strip()
    body = [(number, line) for number, line in lines[1:] if line.strip()]
    if not body:
        raise ChoraleError(f"{name}: expected a number of notes after the description")
    number, line = body[0]
    match = _COUNT.match(line)
    if not match:
        raise ChoraleError(
            f"{name}, line {number}: expected the number of notes, got {_shown(line)}"
        )
    count, found = int(match[1]), body[1:]
    degrees = [_pitch(line, f"{name}, line {number}") for number, line in found]
    if len(degrees) != count:
        raise ChoraleError(
            f"{name}: says {count} notes but holds {len(degrees)}; is a line missing or too many?"
        )
    return degrees, description


@dataclass(frozen=True)
class KeyboardMapping:
    """A Scala keyboard mapping.

    Attributes
    ----------
    name : how messages call it
    first, last : the keys it speaks of
    middle : the key on which the mapping begins
    reference_key, reference_hz : the key whose frequency is fixed, in Hz
    octave : the scale's degree at which the mapping repeats
    degrees : degree of each key from `middle` up, None for a silent key; ()
        for one key a degree
    """

    name: str
    first: int
    last: int
    middle: int
    reference_key: int
    reference_hz: float
    octave: int
    degrees: tuple[int | None, ...]


def parse_kbm(text: str, name: str = "keyboard mapping") -> KeyboardMapping:
    """Read the contents of a .kbm file; ChoraleError names the line that is wrong."""
    lines = [(number, line.split()[0]) for number, line in _lines(text) if line.split()]
    fields = (
        "the size of the map",
        "the first key",
        "the last key",
        "the middle key",
        "the reference key",
        "the reference frequency",
        "the degree of the octave",
    )
    if len(lines) < len(fields):
        raise ChoraleError(f"{name}: ends before {fields[len(lines)]}")
    values: list[float] = []
    for field, (line, word) in zip(fields, lines, strict=False):
        where = f"{name}, line {line}"
        if field == "the reference frequency":
            values.append(_number(word, where, field))
        else:
            values.append(_integer(word, where, field, KEYS - 1 if "key" in field else 10_000))
    size, first, last, middle, key, hz, octave = values
    entries = lines[len(fields) :]
    if len(entries) > size:
        raise ChoraleError(
            f"{name}, line {entries[int(size)][0]}: more entries than the map's size, {size}"
        )
    degrees = [
        None if word.lower() == "x" else _integer(word, f"{name}, line {number}", "a degree or x")
        for number, word in entries
    ]
    degrees += [None] * (int(size) - len(degrees))
    return KeyboardMapping(
        name, int(first), int(last), int(middle), int(key), hz, int(octave), tuple(degrees)
    )


def _pitch(line: str, where: str) -> float:
    """Cents of one pitch line: a value with a point is cents, any other a ratio."""
    if match := _CENTS.match(line):
        return float(match[1])
    match = _RATIO.match(line)
    if not match:
        raise ChoraleError(
            f"{where}: expected cents such as 701.955 or a ratio such as 3/2, got {_shown(line)}"
        )
    numerator, denominator = int(match[1]), int(match[2] or 1)
    if numerator <= 0 or denominator <= 0:
        raise ChoraleError(f"{where}: expected a ratio above zero, got {_shown(line)}")
    return OCTAVE * (math.log2(numerator) - math.log2(denominator))


def _integer(word: str, where: str, field: str, highest: int = 10_000) -> int:
    if not re.fullmatch(r"\d{1,6}", word) or int(word) > highest:
        raise ChoraleError(
            f"{where}: expected {field}, a whole number up to {highest}, got {_shown(word)}"
        )
    return int(word)


def _number(word: str, where: str, field: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d*)?|\.\d+", word) or float(word) == 0:
        raise ChoraleError(f"{where}: expected {field} in Hz, above zero, got {_shown(word)}")
    return float(word)


def _lines(text: str) -> list[tuple[int, str]]:
    """Numbered lines without comments; a description may be an empty line."""
    numbered = enumerate(re.split(r"\r\n|\n|\r", text), 1)
    return [(number, line) for number, line in numbered if not line.startswith("!")]


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 40 else text[:37] + "...")


def read_text(path: Path | str) -> str:
    """A small text file; Scala's archive is in Latin-1, newer files in UTF-8."""
    path = user_path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror or error})") from error
    if len(raw) > MAX_BYTES or re.search(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]", raw):
        raise ChoraleError(f"{path}: not a Scala text file; is it another kind of file?")
    raw = raw.removesuffix(b"\x1a")  # DOS's end-of-file mark
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
