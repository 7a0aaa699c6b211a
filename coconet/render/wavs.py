"""Sample files: what their headers say, and whether their sound is whole.

A WAV file is a RIFF file of form 'WAVE': chunks of a name, a length and contents. 'fmt '
and 'data' tell rate, channels and frames; 'smpl', which samplers write, tells the key
that was recorded and where the sound may be looped (Multimedia Programming Interface
and Data Specifications 1.0, 1991, and its update of 1994). Only headers are read here,
700 in a fraction of a second; everything else than WAV goes through libsndfile, which
knows nothing of keys and loops.
"""

from __future__ import annotations

import functools
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from coconet.errors import ChoraleError
from coconet.render.tape import SILENCE

SUFFIXES = (".wav", ".wave", ".flac", ".aif", ".aiff", ".ogg")
#: Frames a second that a recording may have.
RATES = range(4000, 384_001)
#: What the format tag of a WAV file calls plain numbers: whole, floating, and packed as
#: telephones do; the last says that the tag stands further on.
INTEGER, FLOATING, PACKED, EXTENSIBLE = 1, 3, (6, 7), 0xFFFE
#: A data chunk of this length, as streams are written, lasts until the file's end.
UNKNOWN_LENGTH = 0xFFFFFFFF
#: Of a 'smpl' chunk: the recorded key and its fraction; then how many loops; each loop.
KEY, LOOPS, LOOP = struct.Struct("<12xII"), struct.Struct("<28xI4x"), struct.Struct("<4xIII8x")
#: A WAV file has a dozen of chunks; one of zeros would seem to have millions.
MOST_CHUNKS = 1_000
#: Frames that are read at once.
BLOCK = 1 << 16


@dataclass(frozen=True)
class Facts:
    """What the header of a sample file says.

    Attributes
    ----------
    path : of the file
    rate : frames a second
    channels : 1 or 2
    frames : how many there are, 1 or more
    floating : whether its values are floating-point numbers, which may be no numbers
    size : bytes of the file
    modified : when the file was last changed, in nanoseconds
    key : MIDI key that was recorded, with its fraction, where a 'smpl' chunk tells it
    loop : first frame of the loop and the one after its last, where a 'smpl' chunk does
    """

    path: Path
    rate: int
    channels: int
    frames: int
    floating: bool
    size: int
    modified: int
    key: float | None = None
    loop: tuple[int, int] | None = None

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def read_facts(path: Path | str) -> Facts:
    """What the header of a WAV, FLAC, AIFF or Ogg file says.

    A loop that doesn't lie within the sound, or runs backwards, counts as none, and so
    does a recorded key of 0, which is how many programs leave that field.

    Raises ChoraleError for a file that can't be read, is empty, cut off, of no frames,
    of more than two channels or of a kind that isn't known.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ChoraleError(f"{path}: expected a sound file, got none or no file")
        stat = path.stat()
        if not stat.st_size:
            raise ChoraleError(f"{path}: the file is empty (0 bytes); copy it again")
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"RIFF" and head[8:] == b"WAVE":
                facts = _wav(file, path, stat.st_size, stat.st_mtime_ns)
            else:
                facts = _other(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror or error})") from error
    if facts.channels not in (1, 2):
        raise ChoraleError(f"{path}: {facts.channels} channels; expected mono or stereo")
    if facts.rate not in RATES:
        raise ChoraleError(
            f"{path}: {facts.rate} frames a second; expected {RATES.start} to {RATES.stop - 1}"
        )
    if facts.frames < 1:
        raise ChoraleError(f"{path}: holds no sound (0 frames)")
    return facts


def check_data(
    facts: Facts, first: int = 0, last: int | None = None, *, level: float = 0.0
) -> None:
    """Check that a sample sounds where it is played.

    Parameters
    ----------
    first, last : frames of which it is played, by default all; of floating-point files
        all of these are read, of the others as many as it takes to find a sound
    level : dB at which the softest note plays it

    Raises
    ------
    ChoraleError
        For silence, and what is silence at that level, for values that aren't finite,
        where frames are missing, and where the file is no longer the one that `facts`
        tell of. It is read once a process.
    """
    try:
        stat = facts.path.stat()
    except OSError as error:
        raise ChoraleError(
            f"{facts.path}: can't be read any more ({error.strerror}); was it moved?"
        ) from error
    if (stat.st_size, stat.st_mtime_ns) != (facts.size, facts.modified):
        raise ChoraleError(
            f"{facts.path}: has changed since the samples were opened; open them again"
        )
    last = facts.frames if last is None else min(last, facts.frames)
    # In coarse steps, so that notes of many lengths ask for the same.
    steps = -(-last // (4 * BLOCK))
    last = min(facts.frames, steps * 4 * BLOCK)
    if complaint := _fault(facts, first, last, min(math.ceil(level), 0)):
        raise ChoraleError(f"{facts.path}: {complaint}")


@functools.lru_cache(maxsize=10_000)
def _fault(facts: Facts, first: int, last: int, level: int) -> str:
    """What is wrong with the frames `first` to `last`, '' where nothing is."""
    import soundfile

    top, needed = 0.0, SILENCE / 10 ** (level / 20)
    try:
        with soundfile.SoundFile(facts.path) as file:
            file.seek(first)
            at = first
            while at < last and not (top >= needed and not facts.floating):
                block = file.read(min(BLOCK, last - at), dtype="float32")
                if not len(block):
                    return f"truncated: {at} of {facts.frames} frames; copy it again"
                if not np.isfinite(block).all():
                    return f"holds values that aren't finite, within a second of frame {at}"
                top = max(top, float(np.abs(block).max()))
                at += len(block)
            file.seek(last - 1)
            if not len(file.read(1)):
                return f"truncated: expected {facts.frames} frames; copy it again"
    except (soundfile.SoundFileError, OSError) as error:
        return f"can't be read as sound ({error})"
    if top >= needed:
        return ""
    if top < SILENCE:
        return f"silent from frame {first} to {last}, where it is played"
    return (
        f"at most {20 * math.log10(top):.0f} dBFS from frame {first} to {last}, and played at "
        f"{level} dB, which is silence; raise its volume or the gain"
    )


def _wav(file: BinaryIO, path: Path, size: int, modified: int) -> Facts:
    """The chunks of a WAV file, whose first 12 bytes have been read."""
    form, data, sampler = b"", None, b""
    at, chunks = 12, 0
    while at + 8 <= size:
        chunks += 1
        if chunks > MOST_CHUNKS:
            raise ChoraleError(f"{path}: more than {MOST_CHUNKS} chunks; is the file damaged?")
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        room = size - at - 8
        if name == b"data":
            length = room if length == UNKNOWN_LENGTH else length
            if length > room:
                raise ChoraleError(
                    f"{path}: truncated: {room} of {length} bytes of sound; copy it again"
                )
            data = length
        elif name == b"fmt ":
            form = file.read(min(length, 40))
        elif name == b"smpl":
            sampler = file.read(min(length, 4096))
        at += 8 + length + length % 2  # chunks begin at even bytes
    if len(form) < 16 or data is None:
        raise ChoraleError(f"{path}: a WAV file without its {'data' if form else 'format'}")
    tag, channels, rate, _, width, bits = struct.unpack("<HHIIHH", form[:16])
    if tag == EXTENSIBLE and len(form) >= 26:
        tag = struct.unpack("<H", form[24:26])[0]
    if tag not in (INTEGER, FLOATING, *PACKED):
        raise ChoraleError(f"{path}: WAV of compressed kind {tag}; expected PCM or float")
    if not width or width != channels * -(-bits // 8):
        raise ChoraleError(
            f"{path}: a damaged WAV header: {channels} channels of {bits} bits in frames of "
            f"{width} bytes; copy it again"
        )
    frames = data // width
    key, loop = _sampler(sampler, frames)
    return Facts(path, rate, channels, frames, tag == FLOATING, size, modified, key, loop)


def _sampler(chunk: bytes, frames: int) -> tuple[float | None, tuple[int, int] | None]:
    """The recorded key and the first loop that a 'smpl' chunk tells."""
    if len(chunk) < LOOPS.size:
        return None, None
    unity, fraction = KEY.unpack_from(chunk)
    key = unity + fraction / 2**32 if 1 <= unity <= 127 else None
    count = min(LOOPS.unpack_from(chunk)[0], (len(chunk) - LOOPS.size) // LOOP.size)
    for number in range(count):
        kind, first, last = LOOP.unpack_from(chunk, LOOPS.size + number * LOOP.size)
        end = min(last + 1, frames) if last <= frames else 0
        if kind == 0 and first < end:
            return key, (first, end)
    return key, None


def _other(path: Path, size: int, modified: int) -> Facts:
    """What libsndfile says of a file."""
    import soundfile

    try:
        info = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        raise ChoraleError(
            f"{path}: not a sound file that can be read; expected WAV, FLAC, AIFF or Ogg"
        ) from error
    floating = info.subtype in ("FLOAT", "DOUBLE")
    return Facts(path, info.samplerate, info.channels, info.frames, floating, size, modified)
