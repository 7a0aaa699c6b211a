"""Sound on disk: as long as the disk allows, and never as a whole in memory.

A `Tape` is raw float32 stereo in a file of its own, full scale at ±1. Synthesisers mix
into it, the hall and the mastering run over it block by block. A `Section` is a stretch
of a tape, louder or softer and with its ends faded, worked out while it is read: what
only scales needs no second file. Whatever is called **sound** below is a tape, a section
or a plain array of shape (frames, channels).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coconet.checks import whole
from coconet.errors import ChoraleError, shown

CHANNELS = 2
SAMPLE_RATE = 44100
#: What to look at where a synthesiser's own file comes to nothing.
SCRATCH_FULL = "is the disk of temporary files full? (TMPDIR names another folder)"
#: A peak below this, -80 dBFS, is silence: a missing sample, or an empty score.
SILENCE = 1e-4
#: Frames that are in memory at once: 6 s, 2 MB.
BLOCK = 1 << 18
FRAME_BYTES = CHANNELS * 4


@contextlib.contextmanager
def scratch_writing(folder: Path | str) -> Iterator[None]:
    """Tell in one line of a temporary file that can't be made or written.

    folder : where it lies

    Raises ChoraleError for an OSError in the block, such as a full disk.
    """
    try:
        yield
    except OSError as error:
        raise ChoraleError(
            f"{folder}: temporary files can't be written ({error.strerror or error}); "
            "set TMPDIR to another folder"
        ) from error


class Tape:
    """Raw float32 stereo in a file, which is emptied first.

    Parameters
    ----------
    path : of the file, in a scratch folder

    Whatever writes raises ChoraleError where the disk can't take it.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with scratch_writing(self.path.parent):
            self.path.write_bytes(b"")

    @classmethod
    def beside(cls, folder: Path | str, stem: str) -> Tape:
        """An empty tape of a name that no other has."""
        with scratch_writing(folder):
            handle, name = tempfile.mkstemp(prefix=f"{stem}-", suffix=".f32", dir=folder)
        os.close(handle)
        return cls(name)

    def __len__(self) -> int:
        """How many frames there are."""
        return self.path.stat().st_size // FRAME_BYTES

    @property
    def seconds(self) -> float:
        return len(self) / SAMPLE_RATE

    def read(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Frames `first` to `last` (exclusive): float32 array, shape=(frames, 2)."""
        last = len(self) if last is None else min(last, len(self))
        count = max(0, last - first) * CHANNELS
        samples = np.fromfile(self.path, "<f4", count, offset=first * FRAME_BYTES)
        return samples.reshape(-1, CHANNELS)

    def blocks(self, size: int = BLOCK) -> Iterator[np.ndarray]:
        """All of it in order: float32 arrays, shape=(up to `size`, 2)."""
        yield from blocks_of(self, size)

    def append(self, samples: np.ndarray) -> None:
        """Put sound after the end: float array, shape=(frames, 2)."""
        _check_stereo(samples)
        with scratch_writing(self.path.parent), self.path.open("ab") as file:
            file.write(np.ascontiguousarray(samples, "<f4").data)

    def add(self, first: int, samples: np.ndarray) -> None:
        """Mix sound into what is there, from frame `first` on; a gap before it is silence.

        samples : float array, shape=(frames, 2)
        """
        first = whole(first, "first frame", 0)
        _check_stereo(samples)
        there = self.read(first, first + len(samples))
        mixed = np.array(samples, "<f4")
        mixed[: len(there)] += there
        with scratch_writing(self.path.parent), self.path.open("r+b") as file:
            file.seek(first * FRAME_BYTES)
            file.write(mixed.data)

    def cut(self, frames: int) -> None:
        """Make it exactly so many frames long; what is missing is silence."""
        with scratch_writing(self.path.parent), self.path.open("r+b") as file:
            file.truncate(frames * FRAME_BYTES)


@dataclass(frozen=True)
class Section:
    """A stretch of a tape, made louder or softer and faded at its ends while it is read.

    Attributes
    ----------
    tape : where the sound lies; it must stay as it is while the section is used
    first, last : frames of the tape, `last` exclusive
    gain : factor
    fade_in, fade_out : frames at the beginning and the end over which the sound comes
        and goes, by half a cosine
    """

    tape: Tape
    first: int
    last: int
    gain: float = 1.0
    fade_in: int = 0
    fade_out: int = 0

    def __len__(self) -> int:
        """How many frames there are."""
        return self.last - self.first

    @property
    def seconds(self) -> float:
        return len(self) / SAMPLE_RATE

    def read(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Frames `first` to `last` (exclusive) of the section: float32, shape=(frames, 2)."""
        last = len(self) if last is None else min(last, len(self))
        sound = self.tape.read(self.first + first, self.first + last)
        if self.gain != 1:
            sound *= np.float32(self.gain)
        _fade(sound, first, self.fade_in)
        _fade(sound[::-1], len(self) - last, self.fade_out)
        return sound

    def blocks(self, size: int = BLOCK) -> Iterator[np.ndarray]:
        """All of it in order: float32 arrays, shape=(up to `size`, 2)."""
        yield from blocks_of(self, size)


#: What can be measured and written.
Sound = Tape | Section | np.ndarray


def blocks_of(sound: Sound, size: int = BLOCK) -> Iterator[np.ndarray]:
    """Any sound in order: arrays of shape (up to `size`, channels)."""
    for first in range(0, len(sound), size):
        if isinstance(sound, np.ndarray):
            yield sound[first : first + size]
        else:
            yield sound.read(first, first + size)


def channels_of(sound: Sound, name: str = "sound") -> int:
    """How many channels a sound has, 1 or 2.

    name : how messages call it

    Raises ChoraleError for an array that is no float array of shape (frames, 1 or 2).
    """
    if not isinstance(sound, np.ndarray):
        return CHANNELS
    if sound.ndim != 2 or sound.shape[1] not in (1, CHANNELS) or sound.dtype.kind != "f":
        raise ChoraleError(
            f"{name}: expected float sound of shape (frames, 1 or 2), "
            f"got {sound.dtype} of shape {sound.shape}"
        )
    return sound.shape[1]


def _check_stereo(samples: np.ndarray) -> None:
    """Check what is put on a tape: another shape would shift all that follows."""
    if not isinstance(samples, np.ndarray):
        raise ChoraleError(f"tape: expected a float array, got {shown(samples)}")
    if channels_of(samples, "tape") != CHANNELS:
        raise ChoraleError(
            f"tape: expected float sound of shape (frames, {CHANNELS}), got {samples.shape}"
        )


def ahead(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same blocks; a second core makes the next one while one is being used."""
    source = iter(blocks)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(next, source, None)
        while (block := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield block


def _fade(sound: np.ndarray, first: int, fade: int) -> None:
    """Fade in, in place: `sound` begins `first` frames after the fade does."""
    count = min(fade - first, len(sound))
    if count > 0:
        share = (np.arange(first, first + count) + 0.5) / fade
        sound[:count] *= (0.5 - 0.5 * np.cos(np.pi * share)).astype(np.float32)[:, None]
