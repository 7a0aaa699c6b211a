"""Temperaments, and the frequency of each MIDI key.

Conventions
-----------
A temperament is 12 **degrees**; degree 0 is 1/1, and the octave is 2/1. The
**tonic** is the pitch class (0-11 from C) on which degree 0 stands: a scale
that is written on C is rotated to the key of the piece. Pitches are cents
above degree 0, frequencies are Hz. The **reference** is A4 (key 69) at 440 Hz
whatever the tonic, unless a keyboard mapping, or who loads it, says otherwise.

A Scala scale (.scl) gives the degrees. A Scala keyboard mapping (.kbm) says
which keys play them and at what pitch; without one, the 12 degrees stand on
the 12 keys. The formats: `coconet.scala`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from coconet import places
from coconet.checks import number, whole
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.files import user_path
from coconet.grid import is_whole, items_of
from coconet.scala import KEYS, OCTAVE, KeyboardMapping, parse_kbm, parse_scl, read_text
from coconet.theory import parse_pitch, parse_tonic, pitch_name

DEGREES = 12
#: Key and frequency of the pitch standard, A4.
STANDARD = (69, 440.0)
#: Where A4 of a pitch standard can stand, in Hz: far beyond any that was ever used.
STANDARDS = (300.0, 600.0)
DEFAULT = "secor-victorian"
#: How far the last degree may lie from 2/1, for files in rounded cents.
OCTAVE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Tuning:
    """Twelve degrees to the octave, and the pitch standard.

    Attributes
    ----------
    name : short name, such as that of its file
    cents : 12 rising floats, cents above degree 0; the first is 0, all are below 1200
    description : one line, '' where there is none
    reference_key, reference_hz : the key whose frequency is fixed, in Hz
    tonic : pitch class of degree 0 where a keyboard mapping fixes it, else None; a name
        such as 'Bb' is read
    """

    name: str
    cents: tuple[float, ...]
    description: str = ""
    reference_key: int = STANDARD[0]
    reference_hz: float = STANDARD[1]
    tonic: int | None = None

    def __post_init__(self) -> None:
        cents = _numbers(self.cents, self.name)
        if len(cents) != DEGREES:
            raise ChoraleError(
                f"{self.name}: expected {DEGREES} notes to the octave, got {len(cents)}"
            )
        if cents[0] != 0.0:
            raise ChoraleError(f"{self.name}: expected degree 0 at 0 cents, got {cents[0]:g}")
        _check_rising((*cents, OCTAVE), self.name)
        key = whole(self.reference_key, f"{self.name}: reference key", 0, KEYS - 1)
        hz = number(self.reference_hz, f"{self.name}: reference frequency", 0)
        if hz == 0:
            raise ChoraleError(f"{self.name}: expected a reference frequency above 0 Hz, got 0")
        tonic = None if self.tonic is None else parse_pitch_class(self.tonic)
        read = {"cents": cents, "reference_key": key, "reference_hz": hz, "tonic": tonic}
        for name, value in read.items():
            object.__setattr__(self, name, value)

    def frequencies(self, tonic: int | str | None = None) -> np.ndarray:
        """Frequency of each MIDI key.

        Parameters
        ----------
        tonic : pitch class 0-11 of degree 0, or its name, such as 'Bb'; by
            default where the keyboard mapping puts it, else C

        Returns
        -------
        float64 array, shape=(128,), in Hz

        Raises ChoraleError for a tonic that doesn't exist.

        >>> load_tuning("equal").frequencies()[69].item()
        440.0
        """
        place = (self.tonic or 0) if tonic is None else parse_pitch_class(tonic)
        octave, degree = np.divmod(np.arange(KEYS) - place, DEGREES)
        cents = octave * OCTAVE + np.array(self.cents)[degree]
        return self.reference_hz * 2 ** ((cents - cents[self.reference_key]) / OCTAVE)

    def deviations(self, tonic: int | str | None = None) -> np.ndarray:
        """Cents from equal temperament at A4 = 440 Hz, for C, C# … B.

        Returns
        -------
        float64 array, shape=(12,)
        """
        keys = np.arange(60, 60 + DEGREES)
        return OCTAVE * np.log2(self.frequencies(tonic)[keys] / equal_frequencies()[keys])

    def at(self, reference: object) -> Tuning:
        """The same temperament at another pitch: see `parse_reference`."""
        key, hz = parse_reference(reference)
        return replace(self, reference_key=key, reference_hz=hz)


def equal_frequencies() -> np.ndarray:
    """Equal temperament at A4 = 440 Hz: float64 array, shape=(128,), in Hz."""
    key, hz = STANDARD
    return hz * 2 ** ((np.arange(KEYS) - key) / DEGREES)


def load_tuning(
    tuning: str | Path | Tuning = DEFAULT,
    *,
    keyboard: Path | str | None = None,
    reference: object = None,
) -> Tuning:
    """Read a temperament.

    Parameters
    ----------
    tuning : the name of a file in the project's `tunings` folder (`tuning_names`
        lists them), or the path of a .scl file; a `Tuning` comes back as it is
    keyboard : path of a .kbm file that maps the scale to the keys
    reference : the pitch standard, such as 415 or 'C4=256': see `parse_reference`;
        by default the keyboard mapping's, else A4 at 440 Hz

    Raises
    ------
    ChoraleError
        For a missing, binary or malformed file (with the line's number), for a
        tuning that doesn't give 12 rising notes to a pure octave, and for a
        reference that is no pitch standard.

    >>> load_tuning("vallotti", reference=415).frequencies()[69].item()
    415.0
    """
    loaded = _loaded(tuning, keyboard)
    return loaded if reference is None else loaded.at(reference)


def tuning_names() -> tuple[str, ...]:
    """The names of the temperaments in the project's `tunings` folder, from a to z."""
    return tuple(sorted(file.stem for file in places.tunings().glob("*.scl")))


def parse_reference(reference: object) -> tuple[int, float]:
    """A pitch standard as a MIDI key and its frequency in Hz.

    Parameters
    ----------
    reference : Hz of A4, such as 415 or '415'; or a key and its Hz, as text such as
        'C4=256' or as a pair such as (60, 256)

    Raises ChoraleError for all else, and where A4, in equal temperament, would stand
    outside 300-600 Hz: then the wrong key is meant.

    >>> parse_reference(415), parse_reference("C4=256")
    ((69, 415.0), (60, 256.0))
    """
    pair: list[object] | None = items_of(reference)
    if isinstance(reference, str):
        pair = [part.strip() for part in reference.split("=")]
        pair = pair if len(pair) > 1 else [STANDARD[0], pair[0]]
    elif pair is None:
        pair = [STANDARD[0], reference]
    if len(pair) != 2:
        raise ChoraleError(f"reference: expected one key and its Hz, got {shown(reference)}")
    key, hz = pair
    if isinstance(key, str):
        key = parse_pitch(key)
    if isinstance(hz, str) and re.fullmatch(r"\d{1,6}(\.\d*)?( ?Hz)?", hz):
        hz = float(hz.removesuffix("Hz"))
    key = whole(key, "reference: key", 0, KEYS - 1)
    hz = number(hz, "reference: Hz", 0)
    low, high = STANDARDS
    standard = hz * 2 ** ((STANDARD[0] - key) / DEGREES)
    if not low <= standard <= high:
        where = "" if key == STANDARD[0] else f" for {pitch_name(key)}, which puts A4 at"
        where += "" if key == STANDARD[0] else f" {standard:.4g} Hz"
        raise ChoraleError(
            f"reference: expected A4 at {low:g} to {high:g} Hz, such as 415 or 440, "
            f"got {hz:g} Hz{where}"
        )
    return key, hz


def parse_pitch_class(tonic: object) -> int:
    """A tonic, 0-11 or a name such as 'Bb', as a pitch class; ChoraleError for all else."""
    if isinstance(tonic, str):
        return parse_tonic(tonic)
    if not is_whole(tonic, 0, DEGREES - 1):
        raise ChoraleError(
            f"tonic {shown(tonic)}: expected a pitch class 0-11, or a name such as F or Bb"
        )
    return int(tonic)


def _loaded(tuning: str | Path | Tuning, keyboard: Path | str | None) -> Tuning:
    """The tuning of a file, by its name or path, under a keyboard mapping, if there is one."""
    if isinstance(tuning, Tuning):
        if keyboard is not None:
            raise ChoraleError("a keyboard mapping needs the .scl file it belongs to")
        return tuning
    path = _find_scale(tuning)
    degrees, description = parse_scl(read_text(path), name=str(path))
    if keyboard is None:
        return Tuning(path.stem, _keyboard_octave(degrees, str(path)), description)
    mapping = parse_kbm(read_text(keyboard), str(keyboard))
    return _mapped(path.stem, degrees, description, mapping)


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


def _numbers(values: object, name: str) -> tuple[float, ...]:
    listed = items_of(values)
    if listed is None:
        raise ChoraleError(f"{name}: expected {DEGREES} numbers, in cents, got {shown(values)}")
    return tuple(number(value, f"{name}: cents", 0) for value in listed)


def _check_rising(cents: tuple[float, ...], name: str) -> None:
    for degree, (low, high) in enumerate(itertools.pairwise(cents), 1):
        if not low < high:
            raise ChoraleError(
                f"{name}: expected rising notes, but degree {degree} ({high:.3f} cents) "
                f"isn't above degree {degree - 1} ({low:.3f} cents)"
            )


def _find_scale(tuning: str | Path) -> Path:
    """The path of a .scl file, given by path or by name; a name beats a folder of that name."""
    if not isinstance(tuning, str | Path):
        raise ChoraleError(
            f"tuning: expected a name or the path of a .scl file, got {shown(tuning)}"
        )
    path = user_path(tuning)
    shipped = places.tunings() / f"{path.name.removesuffix('.scl')}.scl"
    named = len(path.parts) == 1 and shipped.exists()
    if named and not (path.suffix == ".scl" and path.exists()):
        return shipped
    if path.exists():
        return path
    known = tuning_names()
    raise ChoraleError(
        f"{tuning}: no such tuning; expected the path of a .scl file, or: {', '.join(known)} "
        "(adaptive, chord by chord, is for render and purity)"
        f"{nearest_name(path.stem, (*known, 'adaptive'))}"
    )
