"""What a SoundFont holds: its programs, and the keys and velocities that sound.

A SoundFont's instruments are in the RIFF list 'pdta': presets (phdr) own zones (pbag,
pgen), which name instruments (inst) with zones of their own (ibag, igen), which name
samples; keys and velocities narrow both. Everywhere the last record only marks the end.
SoundFont Technical Specification 2.04, section 7:
http://www.synthfont.com/sfspec24.pdf
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from coconet.errors import ChoraleError
from coconet.render.soundfonts import SoundFont

#: Numbers of generators.
INSTRUMENT, KEYS, VELOCITIES, SAMPLE = 41, 43, 44, 53
#: A range of keys or velocities as a generator's amount: high byte, low byte.
ALL = 127 << 8

PRESET = np.dtype(
    [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("zone", "<u2"), ("rest", "V12")]
)
HOLDER = np.dtype([("name", "S20"), ("zone", "<u2")])
ZONE = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
GENERATOR = np.dtype([("kind", "<u2"), ("amount", "<u2")])
RECORDS = {
    b"phdr": PRESET,
    b"pbag": ZONE,
    b"pgen": GENERATOR,
    b"inst": HOLDER,
    b"ibag": ZONE,
    b"igen": GENERATOR,
}


class Presets:
    """The presets of a SoundFont.

    Attributes
    ----------
    names : name of each preset by (bank, program)

    Raises ChoraleError for a font without any, whose lists are damaged, or that can't be
    read any more.
    """

    def __init__(self, soundfont: SoundFont) -> None:
        self.path = soundfont.path
        with soundfont.reading():
            try:
                self._lists = _read(self.path)
            except (struct.error, ValueError) as error:
                raise self._damaged() from error
        self._heads = self._lists[b"phdr"]
        if len(self._heads) < 2:
            raise self._damaged()
        self.names = {
            (int(head["bank"]), int(head["program"])): head["name"].decode("latin-1").strip()
            for head in self._heads[:-1]
        }

    def sounding(self, program: int, bank: int = 0) -> np.ndarray:
        """Which keys sound at which velocities: bool array, shape=(128, 128).

        All False where the font doesn't have the program.
        """
        found = np.zeros((128, 128), bool)
        inside: dict[int, np.ndarray] = {}
        match = (self._heads["program"] == program) & (self._heads["bank"] == bank)
        try:
            for row in np.flatnonzero(match[:-1])[:1]:
                for ranges, number in self._zones(b"phdr", row, INSTRUMENT):
                    if number not in inside:
                        inside[number] = np.zeros_like(found)
                        for part, _ in self._zones(b"inst", number, SAMPLE):
                            inside[number][part] = True
                    found[ranges] |= inside[number][ranges]
        except IndexError as error:
            raise self._damaged() from error
        return found

    def _zones(
        self, holders: bytes, row: int, target: int
    ) -> Iterator[tuple[tuple[slice, slice], int]]:
        """Zones of a preset or an instrument: keys and velocities, and the number they name.

        A first zone that names nothing holds the defaults of the others.
        """
        bags, generators = (b"pbag", b"pgen") if holders == b"phdr" else (b"ibag", b"igen")
        first, last = self._lists[holders]["zone"][[row, row + 1]].tolist()
        default = {KEYS: ALL, VELOCITIES: ALL}
        for zone in range(first, last):
            begin, end = self._lists[bags]["generator"][[zone, zone + 1]].tolist()
            if end > len(self._lists[generators]):
                raise IndexError(end)
            own = default | dict(self._lists[generators][begin:end].tolist())
            if target in own:
                spans = [divmod(own[kind], 256) for kind in (KEYS, VELOCITIES)]
                keys, velocities = (slice(low, high + 1) for high, low in spans)
                yield (keys, velocities), own[target]
            elif zone == first:
                default = own

    def _damaged(self) -> ChoraleError:
        return ChoraleError(f"{self.path}: a SoundFont without instruments; is it damaged?")


def _read(path: Path) -> dict[bytes, np.ndarray]:
    """The lists of `RECORDS` as structured arrays."""
    lists = {}
    with path.open("rb") as file:
        end = _enter(file, b"RIFF", b"sfbk", 1 << 33)
        end = _enter(file, b"LIST", b"pdta", end)
        inside = file.tell()
        for kind, record in RECORDS.items():
            file.seek(inside)
            last = _enter(file, kind, b"", end)
            lists[kind] = np.frombuffer(file.read(last - file.tell()), record)
    return lists


def _enter(file: BinaryIO, kind: bytes, form: bytes, end: int) -> int:
    """Move into the first RIFF chunk of a kind and form before `end`; where that one ends.

    struct.error, as for any file that is too short, where there is none.
    """
    while file.tell() < end:
        tag, size = struct.unpack("<4sI", file.read(8))
        inside = file.tell()
        if tag == kind and file.read(len(form)) == form:
            return inside + size
        file.seek(inside + size + size % 2)
    raise struct.error(f"no chunk {kind!r}")
