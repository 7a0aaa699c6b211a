"""TensorBoard's event files: numbers by update, written without TensorBoard.

A file is a row of records: length, checksum, an `Event` message, checksum. An
event holds a time, an update and a number under a name. TensorBoard itself, with
the six packages that it brings, is needed only by those who look.

Source: tensorflow/core/lib/io/record_writer.h (records, masked CRC-32C) and
tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path

from coconet.errors import ChoraleError

#: Begins every file.
VERSION = b"brain.Event:2"
#: Reversed polynomial of CRC-32C (Castagnoli).
POLYNOMIAL = 0x82F63B78
VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5
#: Numbers of the fields that are used, from the .proto files.
WALL_TIME, STEP, FILE_VERSION, SUMMARY, SESSION_LOG = 1, 2, 3, 5, 7
VALUE, TAG, SIMPLE_VALUE = 1, 1, 2
STATUS, START = 1, 1


class EventFile:
    """A new event file in a folder, for one process of a run.

    resumed : the update that a resumed run goes on from. TensorBoard then drops
        what earlier files say of later updates; None for a new run.
    """

    def __init__(self, folder: Path, *, resumed: int | None = None):
        opening = [_record(_event(field(FILE_VERSION, VERSION)))]
        if resumed is not None:
            session = field(SESSION_LOG, field(STATUS, START))
            opening.append(_record(_event(session, step=resumed + 1)))
        # TensorBoard reads files in the order of their names.
        earlier = [path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*.*")]
        numbers = [int(time.time()), *(int(part) + 1 for part in earlier if part.isdigit())]
        self.path = folder / f"events.out.tfevents.{max(numbers):010d}.coconet"
        self._append(b"".join(opening))

    def add(self, update: int, values: Mapping[str, float]) -> None:
        """Add numbers of one update, by name."""
        summary = b"".join(
            field(VALUE, field(TAG, name.encode()) + field(SIMPLE_VALUE, float(value)))
            for name, value in values.items()
        )
        self._append(_record(_event(field(SUMMARY, summary), step=update)))

    def _append(self, data: bytes) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise ChoraleError(f"{self.path}: can't be written ({error.strerror})") from error


def field(number: int, value: int | float | bytes) -> bytes:
    """One field of a protocol buffer; floats take 4 bytes.

    >>> field(1, 150).hex(), field(2, b"testing").hex()
    ('089601', '120774657374696e67')
    """
    if isinstance(value, bytes):
        return _varint(number << 3 | BYTES) + _varint(len(value)) + value
    if isinstance(value, float):
        return _varint(number << 3 | FLOAT) + struct.pack("<f", value)
    return _varint(number << 3 | VARINT) + _varint(value)


def crc32c(data: bytes) -> int:
    """The CRC-32C checksum (RFC 3720).

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _event(content: bytes, *, step: int = 0) -> bytes:
    wall_time = _varint(WALL_TIME << 3 | DOUBLE) + struct.pack("<d", time.time())
    return wall_time + (field(STEP, step) if step else b"") + content


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    """A checksum as it stands in a record: rotated, and moved by a constant."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ POLYNOMIAL * (crc & 1)
        table.append(crc)
    return table


_TABLE = _table()
