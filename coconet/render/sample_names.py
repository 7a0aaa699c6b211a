"""What the name of a sample says: which key was struck, and how strongly.

Conventions
-----------
A note is a letter, an accidental (#, s, b or a sign) and an octave: C4 is middle C. A
velocity layer is a number after v, vel, velocity, vl, layer or dyn, a word from ppp to
fff, or a plain number. Where no name holds a note, the first plain number is a MIDI key.
What is the same in every name says nothing: 'Grand 2 C4' and 'Grand 2 E4' are not two of
a kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Velocities of the words, as notation programs have them.
WORDS = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 127}
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
SHIFTS = {"": 0, "#": 1, "s": 1, "♯": 1, "b": -1, "♭": -1}

_NOTE = re.compile(r"(?<![A-Za-z])([A-Ga-g])([#sb♯♭]?)(-[12]|10|\d)(?!\d)")
_LAYER = re.compile(r"(?<![a-z])(?:velocity|layer|vel|dyn|vl|v)[ _-]?(\d{1,3})(?!\d)", re.I)
_TAKE = re.compile(r"(?<![a-z])(?:rr|take|seq)[ _-]?(\d{1,3})(?!\d)", re.I)
_WORD = re.compile(r"(?<![^\W_])(p{1,3}|mp|mf|f{1,3})(?![^\W_]|[#♯♭])", re.I)
_NUMBER = re.compile(r"(?<![\d.])\d{1,4}(?![\d.]*\d)")


@dataclass(frozen=True)
class Named:
    """What a name says.

    key : MIDI key, by C4 = 60; None where it doesn't tell
    layer : number of the layer, as written; None where it doesn't tell
    word : whether the layer is a word, so that its number is that of `WORDS`
    take : number among several recordings of the same
    fault : why the name isn't understood, else ''
    """

    key: int | None = None
    layer: int | None = None
    word: bool = False
    take: int = 0
    fault: str = ""


def key_of(text: str) -> int | None:
    """MIDI key of a note's name or number, None for anything else.

    >>> key_of("c#4"), key_of("Bb-1"), key_of("60"), key_of("H2")
    (61, 10, 60, None)
    """
    if re.fullmatch(r"-?[0-9]{1,3}", text):
        return int(text)
    found = _NOTE.fullmatch(text)
    return _key(*found.groups()) if found else None


def read_names(names: Sequence[str], shift: int = 0) -> list[Named]:
    """What names without their suffixes say, each in the light of all.

    shift : semitones that are added to notes, where C4 isn't the maker's middle C; numbers
        of keys stay as they are

    >>> [(name.key, name.layer) for name in read_names(["47 emp G4-", "63 emp G#4"])]
    [(67, 47), (68, 63)]
    >>> [(name.key, name.layer) for name in read_names(["060_v64", "061_v64"])]
    [(60, 64), (61, 64)]
    """
    parts = [_parted(name) for name in names]
    by_note = [at for at, part in enumerate(parts) if part["notes"]]
    by_number = [at for at, part in enumerate(parts) if not part["notes"]]
    for group in (by_note, by_number):
        for column in ("notes", "numbers"):
            _drop_shared([parts[at] for at in group], column)
    _drop_counters([parts[at] for at in by_note])
    return [_understood(part, shift) for part in parts]


def _key(letter: str, sign: str, octave: str) -> int:
    return 12 * (int(octave) + 1) + STEPS[letter.lower()] + SHIFTS[sign]


def _parted(name: str) -> dict:
    """The notes, layers, words, takes and plain numbers of a name."""
    found = {"name": name}
    # Each kind is cut out, so that its digits aren't taken for something else.
    for kind, pattern in (("takes", _TAKE), ("layers", _LAYER), ("notes", _NOTE)):
        found[kind] = [match.groups() for match in pattern.finditer(name)]
        name = pattern.sub(" | ", name)
    found["words"] = [word.lower() for word in _WORD.findall(name)]
    found["numbers"] = [int(number) for number in _NUMBER.findall(name)]
    return found


def _drop_shared(parts: list[dict], column: str) -> None:
    """Leave out what stands at the same place in every name, as long as there are several."""
    counts = {len(part[column]) for part in parts}
    if len(parts) < 2 or len(counts) != 1 or counts == {0}:
        return
    places = list(zip(*(part[column] for part in parts), strict=True))
    kept = [place for place, values in enumerate(places) if len(set(values)) > 1]
    if column == "notes" and not kept:
        kept = [len(places) - 1]  # many layers of one note
    if column == "numbers" and not parts[0]["notes"] and not kept:
        kept = list(range(len(places)))
    for part in parts:
        part[column] = [part[column][place] for place in kept]


def _drop_counters(parts: list[dict]) -> None:
    """Leave out plain numbers that only count the notes: 01 A0, 02 Bb0, 03 B0."""
    lone = [part for part in parts if len(part["numbers"]) == 1 and len(part["notes"]) == 1]
    numbers = {part["numbers"][0] for part in lone}
    notes = {_key(*part["notes"][0]) for part in lone}
    in_turn = numbers and max(numbers) - min(numbers) + 1 == len(numbers)
    if len(parts) > 2 and in_turn and len(lone) == len(parts) == len(numbers) == len(notes):
        for part in parts:
            part["numbers"] = []


def _understood(part: dict, shift: int) -> Named:
    notes = {_key(*note) + shift for note in part["notes"]}
    numbers = part["numbers"]
    if len(notes) > 1:
        spelled = ", ".join("".join(note) for note in part["notes"])
        return Named(fault=f"its name holds several notes ({spelled})")
    key = notes.pop() if notes else None
    if key is None and numbers:
        key, numbers = numbers[0], numbers[1:]
    if key is not None and not 0 <= key <= 127:
        return Named(fault=f"key {key} is outside MIDI's 0-127")
    if part["layers"]:
        numbers = [int(layer) for (layer,) in part["layers"]]
    elif part["words"]:
        numbers = [WORDS[word] for word in part["words"]]
    if len(set(numbers)) > 1:
        listed = ", ".join(map(str, numbers))
        return Named(fault=f"several numbers could be its velocity ({listed})")
    take = int(part["takes"][0][0]) if part["takes"] else 0
    word = bool(part["words"]) and not part["layers"]
    return Named(key, numbers[0] if numbers else None, word, take)
