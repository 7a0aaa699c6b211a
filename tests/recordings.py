"""Recordings made for tests: sines at known pitches, and the headers that samplers write."""

import errno
import os
import struct
from pathlib import Path

import numpy as np
import soundfile

from coconet.render.events import NOTE, Performance


def sine(path, hz, *, rate=44100, seconds=1.5, channels=1, subtype="PCM_16", peak=0.5):
    """Write a sine; the suffix says in which kind of file."""
    times = np.arange(round(seconds * rate)) / rate
    tone = peak * np.sin(2 * np.pi * hz * times)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([tone] * channels, axis=1), rate, subtype=subtype)
    return Path(path)


def unreadable(monkeypatch, owner, method, name):
    """Have the system refuse what is called so: tests that root runs can't take its rights."""
    plain = getattr(owner, method)

    def refuse(path, *args, **options):
        if Path(path).name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return plain(path, *args, **options)

    monkeypatch.setattr(owner, method, refuse)


def smpl(key=60, fraction=0.0, loops=()):
    """A 'smpl' chunk: loops as (kind, first, last), the last frame inclusive."""
    chunk = struct.pack("<9I", 0, 0, 0, key, int(fraction * 2**32), 0, 0, len(loops), 0)
    for kind, first, last in loops:
        chunk += struct.pack("<6I", 0, kind, first, last, 0, 0)
    return b"smpl" + struct.pack("<I", len(chunk)) + chunk


def add_chunk(path, chunk, *, before=False):
    """Put a chunk into a WAV file, after its sound or before all else."""
    raw = Path(path).read_bytes()
    body = chunk + raw[12:] if before else raw[12:] + chunk
    Path(path).write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)


def notes_of(rows, **fields):
    """Notes of one voice from (key, velocity) or (key, velocity, hz), a second apart."""
    notes = np.zeros(len(rows), NOTE)
    notes["start"] = np.arange(len(rows))
    notes["duration"], notes["pan"] = 0.9, 0.5
    for at, (key, velocity, *hz) in enumerate(rows):
        notes["key"][at], notes["velocity"][at] = key, velocity
        notes["hz"][at] = hz[0] if hz else 440 * 2 ** ((key - 69) / 12)
    for name, value in fields.items():
        notes[name] = value
    return notes


def performance_of(notes, *, tail=0.5):
    """A performance of one voice."""
    end = float((notes["start"] + notes["duration"]).max()) + tail
    return Performance(notes, end, 1)
