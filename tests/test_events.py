"""TensorBoard's files, read back by a slow reader of their own."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coconet.errors import ChoraleError
from coconet.events import EventFile, crc32c, field

#: The record of torch.utils.tensorboard's add_scalar("loss/train", 0.5, 7, walltime=1.5e9).
GENUINE = bytes.fromhex(
    "200000000000000029eda95009000000c00b5ad64110072a130a110a0a6c6f73732f747261696e15"
    "0000003f3893fc6b"
)


def read_message(data):
    """Fields of a protocol buffer: (number, value) pairs, values raw."""
    fields, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        size = {1: 8, 5: 4}.get(key & 7)
        if key & 7 == 0:
            fields.append((key >> 3, varint()))
            continue
        size = varint() if key & 7 == 2 else size
        fields.append((key >> 3, data[at : at + size]))
        at += size
    return fields


def read_records(data):
    """Every record's message, after a check of both its checksums."""
    messages, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        body = data[at + 12 : at + 12 + size]
        for start, part in ((at + 8, data[at : at + 8]), (at + 12 + size, body)):
            (masked,) = struct.unpack_from("<I", data, start)
            rotated = masked - 0xA282EAD8 & 0xFFFFFFFF
            assert (rotated >> 17 | rotated << 15) & 0xFFFFFFFF == bitwise_crc(part)
        messages.append(dict(read_message(body)))
        at += 16 + size
    return messages


def bitwise_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@given(st.binary(max_size=60))
def test_the_checksum_is_that_of_the_standard(data):
    assert crc32c(data) == bitwise_crc(data)
    assert crc32c(b"123456789") == 0xE3069283


@given(st.integers(0, 2**63), st.integers(1, 2**20))
def test_whole_numbers_are_varints(value, number):
    assert read_message(field(number, value)) == [(number, value)]


def test_what_is_written_is_read_back(tmp_path):
    file = EventFile(tmp_path)
    file.add(7, {"loss/train": 0.5, "accuracy/alto": 0.25})
    file.add(300, {"loss/train": 0.125})
    first, *rest = read_records(file.path.read_bytes())
    assert first[3] == b"brain.Event:2"
    assert [message[2] for message in rest] == [7, 300]
    values = [dict(read_message(value)) for _, value in read_message(rest[0][5])]
    assert [(one[1], struct.unpack("<f", one[2])[0]) for one in values] == [
        (b"loss/train", 0.5),
        (b"accuracy/alto", 0.25),
    ]


def test_the_bytes_are_those_of_the_genuine_writer(tmp_path, monkeypatch):
    monkeypatch.setattr("coconet.events.time.time", lambda: 1.5e9)
    file = EventFile(tmp_path)
    before = len(file.path.read_bytes())
    file.add(7, {"loss/train": 0.5})
    assert file.path.read_bytes()[before:] == GENUINE


def test_a_resumed_run_takes_back_later_updates_in_a_later_file(tmp_path, monkeypatch):
    monkeypatch.setattr("coconet.events.time.time", lambda: 1.5e9)
    files = [EventFile(tmp_path), EventFile(tmp_path, resumed=20), EventFile(tmp_path, resumed=40)]
    names = [file.path.name for file in files]
    assert names == sorted(set(names))
    _, session = read_records(files[1].path.read_bytes())
    assert session[2] == 21
    assert read_message(session[7]) == [(1, 1)]  # SessionLog.START


def test_a_folder_that_is_gone_is_told(tmp_path):
    with pytest.raises(ChoraleError, match="can't be written"):
        EventFile(tmp_path / "gone")
