"""Sound as an array: levels, checks, and files.

Conventions
-----------
Sound is a float32 array of shape (frames, channels), full scale at ±1. Levels
are dBFS: decibels below full scale.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from coconet.errors import ChoraleError
from coconet.files import atomic_path, validate_writable

SAMPLE_RATE = 44100
#: A peak below this, -80 dBFS, is silence: a missing sample, or an empty score.
SILENCE = 1e-4
#: Seconds by which a synthesiser may miss the expected length.
LENGTH_TOLERANCE = 0.25
#: Suffix -> (container, encoding), as libsndfile calls them.
FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
DEFAULT_LEVEL = "peak:-1"


def peak_level(samples: np.ndarray) -> float:
    """Peak in dBFS; -inf for silence.

    >>> peak_level(np.array([[0.5, -1.0]]))
    0.0
    """
    peak = float(np.abs(samples).max(initial=0.0))
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def parse_level(level: str) -> float:
    """The peak in dBFS that 'peak:-1' asks for; from -60 to 0.

    >>> parse_level("peak:-1")
    -1.0
    """
    kind, _, value = str(level).partition(":")
    try:
        decibels = float(value)
    except ValueError:
        decibels = math.nan
    if kind != "peak" or not -60 <= decibels <= 0:
        raise ChoraleError(f"level {level!r}: expected peak:-1, or another peak of -60 to 0 dBFS")
    return decibels


def set_level(samples: np.ndarray, level: str = DEFAULT_LEVEL) -> np.ndarray:
    """Scale sound to a peak; the same array shape, float32. Silence stays silence."""
    wanted = parse_level(level)
    peak = float(np.abs(samples).max(initial=0.0))
    gain = 10 ** (wanted / 20) / peak if peak > 0 else 1.0
    return (samples * np.float32(gain)).astype(np.float32)


def check_sound(
    samples: np.ndarray,
    seconds: float,
    *,
    rate: int = SAMPLE_RATE,
    name: str = "sound",
    spans: np.ndarray | None = None,
) -> None:
    """Check that a synthesiser did its work.

    Parameters
    ----------
    samples : float array, shape=(frames, channels)
    seconds : how long the sound should be
    rate : frames a second
    name : how messages call it, such as 'Csound'
    spans : float array, shape=(notes, 2): start and end, in seconds, of the
        notes that should be heard

    Raises
    ------
    ChoraleError
        For the wrong length, values that aren't finite, silence, or silence
        throughout one of the spans.
    """
    length = len(samples) / rate
    if abs(length - seconds) > LENGTH_TOLERANCE:
        raise ChoraleError(f"{name}: expected {seconds:.2f} s of sound, got {length:.2f} s")
    if not np.isfinite(samples).all():
        raise ChoraleError(f"{name}: the sound holds values that aren't finite")
    loudness = np.abs(samples).max(axis=1, initial=0.0)
    if loudness.max(initial=0.0) < SILENCE:
        raise ChoraleError(f"{name}: the sound is silent; does the SoundFont hold this instrument?")
    if spans is None:
        return
    heard = np.concatenate([[0], np.cumsum(loudness >= SILENCE)])
    first, last = np.clip(np.rint(spans * rate).astype(int), 0, len(samples)).T
    silent = np.flatnonzero(heard[last] == heard[first])
    if len(silent):
        start, end = spans[silent[0]]
        raise ChoraleError(
            f"{name}: a note at {start:.2f}-{end:.2f} s is silent; "
            "does the SoundFont hold this key?"
        )


def check_clipping(samples: np.ndarray, *, name: str = "sound") -> None:
    """Check that nothing exceeds full scale, as a file of integers would cut it off."""
    over = int((np.abs(samples) > 1).sum())
    if over:
        raise ChoraleError(
            f"{name}: {over} samples exceed full scale (peak {peak_level(samples):.1f} dBFS)"
        )


def fit_length(samples: np.ndarray, seconds: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Cut sound, or lengthen it by silence, to a whole number of frames."""
    frames = round(seconds * rate)
    missing = max(0, frames - len(samples))
    return np.pad(samples[:frames], ((0, missing), (0, 0)))


def validate_sound_path(path: Path | str, *, force: bool = False) -> Path:
    """Check that a sound file of a known kind can be made at `path`, and return it."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ChoraleError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    return validate_writable(path, force=force)


def write_sound(
    path: Path | str, samples: np.ndarray, *, rate: int = SAMPLE_RATE, force: bool = False
) -> Path:
    """Write a .wav, .flac or .mp3, whole or not at all.

    Parameters
    ----------
    path : its suffix chooses the format: 16-bit WAV or FLAC, or MP3
    samples : float array, shape=(frames, channels), within ±1

    Raises
    ------
    ChoraleError
        For an unknown suffix, a file that exists or can't be written, sound
        beyond full scale.
    """
    import soundfile

    path = validate_sound_path(path, force=force)
    check_clipping(samples, name=str(path))
    container, encoding = FORMATS[path.suffix.lower()]
    # Encoded in memory, so that Python itself notices a full disk.
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, rate, format=container, subtype=encoding)
    with atomic_path(path, force=force) as temporary:
        temporary.write_bytes(encoded.getbuffer())
    return path


def read_sound(path: Path | str) -> tuple[np.ndarray, int]:
    """Read a sound file: float32 array of shape (frames, channels), frames a second."""
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise ChoraleError(f"{path}: can't be read as sound ({error})") from error
    return samples, rate


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder for a synthesiser's files; ChoraleError where none can be written."""
    try:
        with tempfile.TemporaryDirectory(prefix="coconet-") as folder:
            yield Path(folder)
    except OSError as error:
        raise ChoraleError(
            f"{tempfile.gettempdir()}: temporary files can't be written "
            f"({error.strerror or error}); set TMPDIR to another folder"
        ) from error
