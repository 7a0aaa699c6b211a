"""Temperaments: Scala files, and the frequency of each MIDI key.

Conventions
-----------
A temperament is 12 **degrees**; degree 0 is 1/1, and the octave is 2/1. The
**tonic** is the pitch class (0-11 from C) on which degree 0 stands: a scale
that is written on C is rotated to the key of the piece. Pitches are cents
above degree 0, frequencies are Hz. The **reference** is A4 (key 69) at 440 Hz
whatever the tonic, unless a keyboard mapping says otherwise.

A Scala scale (.scl) gives the degrees. A Scala keyboard mapping (.kbm) says
which keys play them and at what pitch; without one, the 12 degrees stand on
the 12 keys. Formats: https://www.huygens-fokker.org/scala/scl_format.html and
https://www.huygens-fokker.org/scala/help.htm#mappings
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coconet import places
from coconet.errors import ChoraleError

KEYS = 128
DEGREES = 12
OCTAVE = 1200.0
#: Key and frequency of the pitch standard, A4.
STANDARD = (69, 440.0)
DEFAULT = "secor-victorian"
#: No scale needs a larger file; what is larger isn't one.
MAX_BYTES = 1_000_000
#: How far the last degree may lie from 2/1, for files in rounded cents.
OCTAVE_TOLERANCE = 0.01

_CENTS = re.compile(r"\s*(-?(?:\d+\.\d*|\.\d+))(?=\s|$)")
_RATIO = re.compile(r"\s*(-?\d{1,300})(?:\s*/\s*(-?\d{1,300}))?(?=\s|$)")
_COUNT = re.compile(r"\s*(\d{1,6})(?=\s|$)")


@dataclass(frozen=True)
class Tuning:
    """Twelve degrees to the octave, and the pitch standard.

    Attributes
    ----------
    name : short name, such as that of its file
    cents : 12 rising floats, cents above degree 0; the first is 0, all are below 1200
    description : one line, '' where there is none
    reference_key, reference_hz : the key whose frequency is fixed, in Hz
    tonic : pitch class of degree 0 where a keyboard mapping fixes it, else None
    """

    name: str
    cents: tuple[float, ...]
    description: str = ""
    reference_key: int = STANDARD[0]
    reference_hz: float = STANDARD[1]
    tonic: int | None = None

    def __post_init__(self) -> None:
        cents = tuple(float(value) for value in self.cents)
        if len(cents) != DEGREES:
            raise ChoraleError(
                f"{self.name}: expected {DEGREES} notes to the octave, got {len(cents)}"
            )
        if cents[0] != 0.0:
            raise ChoraleError(f"{self.name}: expected degree 0 at 0 cents, got {cents[0]:g}")
        _check_rising((*cents, OCTAVE), self.name)
        if not (math.isfinite(self.reference_hz) and self.reference_hz > 0):
            raise ChoraleError(
                f"{self.name}: expected a reference frequency above 0 Hz, got {self.reference_hz}"
            )
        object.__setattr__(self, "cents", cents)

    def frequencies(self, tonic: int | None = None) -> np.ndarray:
        """Frequency of each MIDI key.

        Parameters
        ----------
        tonic : pitch class 0-11 of degree 0; by default where the keyboard
            mapping puts it, else C

        Returns
        -------
        float64 array, shape=(128,), in Hz

        >>> load_tuning("equal").frequencies()[69].item()
        440.0
        """
        if tonic is None:
            tonic = self.tonic or 0
        if not 0 <= tonic < DEGREES:
            raise ChoraleError(f"tonic {tonic}: expected a pitch class 0-11")
        octave, degree = np.divmod(np.arange(KEYS) - tonic, DEGREES)
        cents = octave * OCTAVE + np.array(self.cents)[degree]
        return self.reference_hz * 2 ** ((cents - cents[self.reference_key]) / OCTAVE)

    def deviations(self, tonic: int | None = None) -> np.ndarray:
        """Cents from equal temperament at A4 = 440 Hz, for C, C# … B.

        Returns
        -------
        float64 array, shape=(12,)
        """
        keys = np.arange(60, 60 + DEGREES)
        return OCTAVE * np.log2(self.frequencies(tonic)[keys] / equal_frequencies()[keys])


def equal_frequencies() -> np.ndarray:
    """Equal temperament at A4 = 440 Hz: float64 array, shape=(128,), in Hz."""
    key, hz = STANDARD
    return hz * 2 ** ((np.arange(KEYS) - key) / DEGREES)


def load_tuning(
    tuning: str | Path | Tuning = DEFAULT, *, keyboard: Path | str | None = None
) -> Tuning:
    """Read a temperament.

    Parameters
    ----------
    tuning : 'equal', the name of a file in the project's `tunings` folder, or
        the path of a .scl file; a `Tuning` comes back as it is
    keyboard : path of a .kbm file that maps the scale to the keys

    Raises
    ------
    ChoraleError
        For a missing, binary or malformed file (with the line's number), and
        for a tuning that doesn't give 12 rising notes to a pure octave.
    """
    if isinstance(tuning, Tuning):
        if keyboard is not None:
            raise ChoraleError("a keyboard mapping needs the .scl file it belongs to")
        return tuning
    if str(tuning) == "equal":
        degrees = [100.0 * degree for degree in range(1, DEGREES + 1)]
        name, description = "equal", "12 equal semitones"
    else:
        path = _find_scale(tuning)
        name = path.stem
        degrees, description = parse_scl(_read_text(path), name=str(path))
    if keyboard is not None:
        return _mapped(name, degrees, description, parse_kbm(_read_text(keyboard), str(keyboard)))
    source = name if str(tuning) == "equal" else str(path)
    return Tuning(name, _keyboard_octave(degrees, source), description)


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
    for field, (number, word) in zip(fields, lines, strict=False):
        where = f"{name}, line {number}"
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


def _mapped(name: str, degrees: list[float], description: str, keyboard: KeyboardMapping) -> Tuning:
    """The tuning of a scale under a keyboard mapping, where every key sounds."""
    if (keyboard.first, keyboard.last) != (0, KEYS - 1):
        raise ChoraleError(
            f"{keyboard.name}: expected the keys 0 to 127, got {keyboard.first} to {keyboard.last}:"
            " the other keys would be without a pitch"
        )
    if keyboard.degrees:
        degrees = _chosen(degrees, keyboard)
    return Tuning(
        name,
        _keyboard_octave(degrees, keyboard.name),
        description,
        keyboard.reference_key,
        keyboard.reference_hz,
        keyboard.middle % DEGREES,
    )


def _chosen(degrees: list[float], keyboard: KeyboardMapping) -> list[float]:
    """The scale's degrees that the mapping picks, in keyboard order, with the octave."""
    if len(keyboard.degrees) != DEGREES:
        raise ChoraleError(
            f"{keyboard.name}: expected a map of {DEGREES} keys, got {len(keyboard.degrees)}"
        )
    if None in keyboard.degrees:
        silent = keyboard.degrees.index(None)
        raise ChoraleError(f"{keyboard.name}: key {silent} of the map has no degree")
    scale = [0.0, *degrees]
    beyond = [degree for degree in (*keyboard.degrees, keyboard.octave) if degree >= len(scale)]
    if beyond:
        raise ChoraleError(
            f"{keyboard.name}: degree {beyond[0]} isn't in the scale of {len(degrees)} notes"
        )
    base = scale[keyboard.degrees[0]]
    picked = [scale[degree] - base for degree in keyboard.degrees[1:]]
    return [*picked, scale[keyboard.octave]]


def _keyboard_octave(degrees: list[float], name: str) -> tuple[float, ...]:
    """The 12 degrees 0-11 of a scale that ends with its octave."""
    if len(degrees) != DEGREES:
        hint = "; a keyboard mapping can choose 12 of them" if len(degrees) > DEGREES else ""
        raise ChoraleError(
            f"{name}: expected {DEGREES} notes to the octave, got {len(degrees)}{hint}"
        )
    _check_rising((0.0, *degrees), name)
    if abs(degrees[-1] - OCTAVE) > OCTAVE_TOLERANCE:
        raise ChoraleError(
            f"{name}: expected the last note at the octave, 2/1, got {degrees[-1]:.3f} cents"
        )
    return (0.0, *degrees[:-1])


def _check_rising(cents: tuple[float, ...], name: str) -> None:
    for degree, (low, high) in enumerate(itertools.pairwise(cents), 1):
        if not low < high:
            raise ChoraleError(
                f"{name}: expected rising notes, but degree {degree} ({high:.3f} cents) "
                f"isn't above degree {degree - 1} ({low:.3f} cents)"
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


def _find_scale(tuning: str | Path) -> Path:
    """The path of a .scl file, given by path or by name."""
    path = Path(tuning).expanduser()
    if path.exists():
        return path
    folder = places.tunings()
    shipped = folder / f"{Path(tuning).name.removesuffix('.scl')}.scl"
    if len(path.parts) == 1 and shipped.exists():
        return shipped
    names = ", ".join(sorted({"equal", *(file.stem for file in folder.glob("*.scl"))}))
    raise ChoraleError(f"{tuning}: no such tuning; expected the path of a .scl file, or: {names}")


def _read_text(path: Path | str) -> str:
    """A small text file; Scala's archive is in Latin-1, newer files in UTF-8."""
    path = Path(path).expanduser()
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
