"""Sound files: read, checked, written whole or not at all; how large they become.

Conventions
-----------
Sound is a float32 array of shape (frames, channels), or a tape of two channels, full
scale at ±1. Levels are dBFS: decibels below full scale.

A file is written block by block: memory stays below 50 MB whatever its length. The same
sound and tags give the same bytes: no file holds a date. 16 bits are dithered, always by
the same noise: without dither a tone that dies away would end in buzzing (Lipshitz,
Wannamaker and Vanderkooy, "Quantization and dither", JAES 40/5, 1992). Digital silence
stays digital silence.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from coconet.checks import whole
from coconet.errors import ChoraleError
from coconet.files import atomic_path, user_path, validate_writable
from coconet.render.encoders import (
    FORMATS,
    MP3_RATE,
    MP3_RATES,
    RATES,
    WIDTHS,
    encode,
    parse_encoding,
    reason_of,
)
from coconet.render.levels import decibels, peak_of
from coconet.render.tape import (
    CHANNELS,
    FRAME_BYTES,
    SAMPLE_RATE,
    Sound,
    blocks_of,
    channels_of,
    scratch_writing,
)

#: Bytes of a file's header and tags, and more.
HEADER = 1 << 14
#: Tapes that lie in the scratch folder at once: dry, in its hall, limited.
TAPES = 3


# --- files -------------------------------------------------------------------


def check_clipping(sound: Sound, *, name: str = "sound") -> None:
    """Check that nothing exceeds full scale, as a file of integers would cut it off.

    Raises ChoraleError where something does, and for values that aren't finite.
    """
    peak = peak_of(sound)
    if math.isnan(peak) or math.isinf(peak):
        raise ChoraleError(f"{name}: the sound holds values that aren't finite")
    if peak > 1:
        over = sum(int((np.abs(block) > 1).sum()) for block in blocks_of(sound))
        raise ChoraleError(
            f"{name}: {over} samples exceed full scale (peak {decibels(peak):.1f} dBFS)"
        )


def validate_sound_path(path: Path | str, *, force: bool = False) -> Path:
    """Check that a sound file of a known kind can be made at `path`, and return it."""
    path = user_path(path)
    if path.suffix.lower() not in FORMATS:
        raise ChoraleError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    return validate_writable(path, force=force)


def write_sound(
    path: Path | str,
    sound: Sound,
    *,
    rate: int = SAMPLE_RATE,
    encoding: str | None = None,
    tags: Mapping[str, object] | None = None,
    force: bool = False,
) -> Path:
    """Write a .wav, .flac or .mp3, whole or not at all.

    Parameters
    ----------
    path : its suffix chooses the format. A WAV of more than 4 GB becomes an RF64; an MP3
        has 320 kbit/s throughout
    sound : tape, section, or float array of shape (frames, 1 or 2), within ±1
    rate : frames a second, 4000 to 384000; of an MP3 32000, 44100 or 48000
    encoding : '16' (the default), '24', or for a WAV 'float'
    tags : 'title', 'artist', 'software' and 'comment' have places of their own; all
        others, such as 'tuning' and 'seed', are written into the comment as
        'tuning=…; seed=…'
    force : replace an existing file

    Raises
    ------
    ChoraleError
        For an unknown suffix, encoding or rate, a file that exists or can't be written, a disk
        that fills up, no sound, sound beyond full scale. An old file then stays as it was.
    """
    path = validate_sound_path(path, force=force)
    suffix = path.suffix.lower()
    encoding = parse_encoding(encoding, suffix)
    rate = whole(rate, "rate", *RATES)
    if suffix == ".mp3" and rate not in MP3_RATES:
        known = f"{', '.join(map(str, MP3_RATES[:-1]))} or {MP3_RATES[-1]}"
        raise ChoraleError(f"rate: an MP3 has {known} frames a second, got {rate}")
    channels = channels_of(sound, str(path))
    if not len(sound):
        raise ChoraleError(f"{path}: there is no sound to write: 0 frames")
    check_clipping(sound, name=str(path))
    with atomic_path(path, force=force) as temporary:
        encode(
            sound,
            temporary,
            name=str(path),
            suffix=suffix,
            encoding=encoding,
            rate=rate,
            channels=channels,
            tags=tags,
        )
    return path


def sound_facts(path: Path | str) -> tuple[int, int, int]:
    """Frames, channels and frames a second of a sound file, without reading its samples.

    Raises ChoraleError for a file that can't be read as sound, or is truncated.
    """
    import soundfile

    _check_whole(path)
    try:
        facts = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        raise ChoraleError(f"{path}: can't be read as sound ({reason_of(error)})") from error
    return facts.frames, facts.channels, facts.samplerate


def read_sound(path: Path | str) -> tuple[np.ndarray, int]:
    """Read a sound file: float32 array of shape (frames, channels), frames a second.

    Raises ChoraleError for a file that can't be read as sound, or is truncated.
    """
    import soundfile

    frames, _, _ = sound_facts(path)
    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise ChoraleError(f"{path}: can't be read as sound ({reason_of(error)})") from error
    if len(samples) < frames:
        raise ChoraleError(f"{path}: truncated: {len(samples)} of {frames} frames")
    return samples, rate


def _check_whole(path: Path | str) -> None:
    """Check that a WAV is as long as its header says: libsndfile takes what there is."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(28)
            length = file.seek(0, 2)
    except FileNotFoundError as error:
        raise ChoraleError(f"{path}: no such file") from error
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror})") from error
    if len(head) < 28 or head[8:12] != b"WAVE":
        return
    size = struct.unpack("<I", head[4:8])[0]
    if head[:4] == b"RF64":
        size = struct.unpack("<Q", head[20:28])[0]
    # Programs that write into a pipe leave one of these for a size.
    if size not in (0, 0xFFFFFFFF) and size + 8 > length:
        raise ChoraleError(f"{path}: truncated: {length} of {size + 8} bytes")


# --- how large things become -------------------------------------------------


def size_of(seconds: float, suffix: str, encoding: str | None = None) -> int:
    """Bytes of a file of so many seconds, in stereo; of a FLAC an upper bound.

    >>> size_of(60, ".wav") // 10**6, size_of(3 * 3600, ".mp3") // 10**6
    (10, 432)
    """
    if suffix.lower() not in FORMATS:
        raise ChoraleError(f"{suffix!r}: expected one of {', '.join(FORMATS)}")
    encoding = parse_encoding(encoding, suffix.lower())
    if encoding is None:
        return HEADER + round(seconds * MP3_RATE / 8)
    return HEADER + round(seconds * SAMPLE_RATE) * CHANNELS * WIDTHS[encoding]


def scratch_size(seconds: float, tapes: int = TAPES) -> int:
    """Bytes that the tapes of a piece of so many seconds take while it is rendered."""
    return tapes * round(seconds * SAMPLE_RATE) * FRAME_BYTES


def validate_space(folder: Path | str, size: int) -> None:
    """Check that a disk has room for so many bytes; ChoraleError where it hasn't."""
    folder = Path(folder)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise ChoraleError(f"{folder}: can't be read ({error.strerror})") from error
    if size > free:
        raise ChoraleError(
            f"{folder}: {size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; "
            "make room, or for temporary files set TMPDIR to another folder"
        )


@contextlib.contextmanager
def scratch_folder(size: int = 0) -> Iterator[Path]:
    """A temporary folder for tapes and a synthesiser's files.

    size : bytes that it must have room for

    Raises ChoraleError where none can be written, or the disk has no room.
    """
    validate_space(tempfile.gettempdir(), size)
    with contextlib.ExitStack() as stack:
        with scratch_writing(tempfile.gettempdir()):
            # What can't be removed costs room, but mustn't cost the sound.
            made = tempfile.TemporaryDirectory(prefix="coconet-", ignore_cleanup_errors=True)
            folder = stack.enter_context(made)
        yield Path(folder)
