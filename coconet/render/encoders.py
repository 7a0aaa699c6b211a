"""Sound as the bytes of a file: containers, encodings, tags, dither.

libsndfile encodes; MP3 falls to ffmpeg where libsndfile was built without it. Both
swallow what goes wrong on a disk that fills up, so that here each write is watched.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import BinaryIO

import numpy as np

from coconet.checks import choice
from coconet.errors import ChoraleError
from coconet.render.tape import Sound, blocks_of, scratch_writing

#: Suffix -> container, as libsndfile calls it.
FORMATS = {".wav": "WAV", ".flac": "FLAC", ".mp3": "MP3"}
#: Suffix -> what may be asked for, the default first. MP3 knows no bits.
ENCODINGS = {".wav": ("16", "24", "float"), ".flac": ("16", "24"), ".mp3": ()}
SUBTYPES = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
#: Bytes of a sample.
WIDTHS = {"16": 2, "24": 3, "float": 4}
#: Bytes that the 32-bit sizes of a WAV can count, less room for its header and tags.
LARGEST_WAV = 2**32 - 2**16
#: Least and most frames a second.
RATES = (4000, 384_000)
#: Bits a second of an MP3: the most that the format knows; and the frames a second at
#: which it knows them.
MP3_RATE = 320_000
MP3_RATES = (32_000, 44_100, 48_000)
#: Tags that files have a place for; all others go into the comment.
TAGS = ("title", "artist", "software", "comment")
#: Longest tag, in characters.
LONGEST_TAG = 1000
#: ID3v2.3's frames for them, https://id3.org/id3v2.3.0#Declared_ID3v2_frames
ID3_FRAMES = {"title": b"TIT2", "artist": b"TPE1", "software": b"TSSE", "comment": b"COMM"}


def parse_encoding(encoding: str | None, suffix: str) -> str | None:
    """The encoding of a kind of file, or its default: '16', '24', 'float'; None for MP3.

    Raises ChoraleError for one that this kind of file doesn't know.

    >>> parse_encoding(None, ".flac"), parse_encoding("float", ".wav")
    ('16', 'float')
    """
    known = ENCODINGS[suffix]
    if encoding is None:
        return known[0] if known else None
    if not known:
        raise ChoraleError(
            f"encoding: an {suffix[1:].upper()} is always {MP3_RATE // 1000} kbit/s: "
            f"leave it out, got {encoding!r}"
        )
    return choice(encoding, f"encoding of a {suffix} file", known)


def container_of(suffix: str, encoding: str | None, size: int) -> tuple[str, str]:
    """Container and encoding in libsndfile's words, for so many bytes of samples.

    A WAV beyond 4 GB becomes an RF64 (EBU Tech 3306), which counts in 64 bits and reads
    like a WAV in all that follows the standard.

    >>> container_of(".wav", "24", 1000), container_of(".wav", "float", 5 * 10**9)
    (('WAV', 'PCM_24'), ('RF64', 'FLOAT'))
    """
    container = FORMATS[suffix]
    if encoding is None:
        return container, "MPEG_LAYER_III"
    if container == "WAV" and size > LARGEST_WAV:
        container = "RF64"
    return container, SUBTYPES[encoding]


def encode(
    sound: Sound,
    path: Path,
    *,
    name: str,
    suffix: str,
    encoding: str | None,
    rate: int,
    channels: int,
    tags: Mapping[str, object] | None,
) -> None:
    """Write sound into a file that is there already, block by block.

    sound : within ±1; name : how messages call the file
    suffix, encoding : as `parse_encoding` gives them

    Raises OSError where the file can't take it all, ChoraleError for what is missing.
    """
    import soundfile

    plain = plain_tags(tags or {})
    if suffix == ".mp3" and "MP3" not in soundfile.available_formats():
        _encode_by_ffmpeg(sound, path, rate=rate, channels=channels, tags=plain)
        return
    size = len(sound) * channels * WIDTHS.get(encoding, 0)
    container, subtype = container_of(suffix, encoding, size)
    stop = Event()
    # Ctrl-C reaches the main thread alone: inside libsndfile's callbacks it would be lost,
    # and a part of the file with it.
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(
            _encode_by_libsndfile,
            sound,
            path,
            name,
            container,
            subtype,
            rate,
            channels,
            plain,
            stop,
        )
        try:
            task.result()
        except BaseException:
            stop.set()
            raise


def _encode_by_libsndfile(
    sound: Sound,
    path: Path,
    name: str,
    container: str,
    subtype: str,
    rate: int,
    channels: int,
    tags: Mapping[str, str],
    stop: Event,
) -> None:
    """Encode in a thread where no signal arrives; once `stop` is set the file is given up."""
    import soundfile

    options, offset = {}, 0
    with path.open("r+b", buffering=0) as raw:
        if container == "MP3":
            # libsndfile's own tags end after 30 letters.
            offset = raw.write(id3(tags))
            options, tags = {"bitrate_mode": "CONSTANT", "compression_level": 0.0}, {}
        output = _Output(raw, offset)
        blocks = blocks_of(sound)
        try:
            with soundfile.SoundFile(
                output, "w", rate, channels, subtype, format=container, **options
            ) as file:
                for tag, value in tags.items():
                    setattr(file, tag, value)
                for block in dithered(blocks) if subtype == "PCM_16" else blocks:
                    file.write(block)
                    if output.error or stop.is_set():
                        break
        except soundfile.SoundFileError as error:
            if not output.error:
                raise ChoraleError(
                    f"{name}: {subtype} in {container} at {rate} frames a second can't be "
                    f"encoded ({reason_of(error)})"
                ) from error
        if output.error:
            raise output.error
        if container == "WAV" and subtype == "FLOAT":
            _forget_time(raw)


def reason_of(error: Exception) -> str:
    """libsndfile's words, without the name of the file that soundfile puts before them."""
    return getattr(error, "error_string", str(error)).rstrip(".")


class _Output:
    """A file that libsndfile writes: what goes wrong is kept, for callbacks can't raise.

    raw : an unbuffered file; offset : where in it the encoder's file begins
    """

    def __init__(self, raw: BinaryIO, offset: int) -> None:
        self.error: BaseException | None = None
        self._raw = raw
        self._offset = offset

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        try:
            while view and not self.error:
                view = view[self._raw.write(view) :]
        except BaseException as error:
            self.error = error  # raised afterwards
        return len(data)

    def read(self, count: int) -> bytes:
        return self._raw.read(count)

    def seek(self, to: int, whence: int = 0) -> int:
        self._raw.seek(to + self._offset if whence == 0 else to, whence)
        return self.tell()

    def tell(self) -> int:
        return self._raw.tell() - self._offset


def _forget_time(raw: BinaryIO) -> None:
    """Zero the time of day that libsndfile puts into the PEAK chunk of a float WAV."""
    at = 12
    while True:
        raw.seek(at)
        name, size = struct.unpack("<4sI", raw.read(8))
        if name == b"PEAK":
            raw.seek(at + 12)
            raw.write(bytes(4))
        if name in (b"PEAK", b"data"):
            return
        at += 8 + size + size % 2


def dithered(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Sound as whole 16-bit numbers: int16 arrays, the same shapes.

    The noise is the difference of successive uniform draws: triangular, two steps wide,
    mostly where the ear is least keen, and always the same. Zeros stay zeros.
    """
    rng = np.random.default_rng(16)
    before = None
    for block in blocks:
        draws = rng.random(block.shape, np.float32)
        first = np.zeros_like(draws[:1]) if before is None else before
        scaled = block * np.float32(32767)
        scaled += draws
        scaled[:1] -= first
        scaled[1:] -= draws[:-1]
        np.rint(scaled, out=scaled)
        np.clip(scaled, -32768, 32767, out=scaled)
        scaled[block == 0] = 0
        before = draws[-1:]
        yield scaled.astype(np.int16)


# --- tags --------------------------------------------------------------------


def plain_tags(tags: Mapping[str, object]) -> dict[str, str]:
    """Tags that every file has a place for; what else there is goes into the comment.

    >>> plain_tags({"title": "Jesu", "tuning": "secor-victorian", "seed": 3})
    {'title': 'Jesu', 'comment': 'tuning=secor-victorian; seed=3'}
    """
    plain = {name: _line(tags[name]) for name in TAGS if tags.get(name) not in (None, "")}
    others = [
        f"{name}={value}" for name, value in tags.items() if name not in TAGS and value is not None
    ]
    if others:
        said = [plain["comment"]] if "comment" in plain else []
        plain["comment"] = _line("; ".join([*said, *others]))
    return plain


def _line(value: object) -> str:
    """A value as one line of Unicode without control characters."""
    text = str(value).encode("utf-8", "replace").decode()
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:LONGEST_TAG]


def id3(tags: Mapping[str, str]) -> bytes:
    """An ID3v2.3 tag, https://id3.org/id3v2.3.0; nothing where there are no tags."""
    frames = b""
    for name, value in tags.items():
        # Encoding 1 is UTF-16; a comment has a language and an empty description before it.
        content = value.encode("utf-16")
        if name == "comment":
            content = b"eng" + "".encode("utf-16") + bytes(2) + content
        frames += ID3_FRAMES[name] + struct.pack(">IH", len(content) + 1, 0) + b"\x01" + content
    if not frames:
        return b""
    size = bytes(len(frames) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + frames


# --- ffmpeg ------------------------------------------------------------------


def _encode_by_ffmpeg(
    sound: Sound, path: Path, *, rate: int, channels: int, tags: Mapping[str, str]
) -> None:
    """An MP3 through the program ffmpeg, which reads raw samples from a file."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise ChoraleError(
            f"{path.suffix}: libsndfile has no MP3 here, and ffmpeg isn't there to stand in: "
            "sudo apt-get install --no-install-recommends ffmpeg, or write .wav or .flac"
        )
    command = [program, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-y"]
    command += ["-f", "f32le", "-ar", str(rate), "-ac", str(channels), "-i", "pipe:0"]
    command += ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
    command += ["-c:a", "libmp3lame", "-b:a", str(MP3_RATE), "-id3v2_version", "0", "-f", "mp3"]
    seconds = len(sound) / rate
    with tempfile.TemporaryDirectory(prefix="coconet-") as folder:
        raw, encoded = Path(folder, "raw.f32"), Path(folder, "encoded.mp3")
        with raw.open("w+b") as file:
            with scratch_writing(tempfile.gettempdir()):
                for block in blocks_of(sound):
                    file.write(np.ascontiguousarray(block, "<f4").data)
                file.seek(0)
            done = _run([*command, str(encoded)], file, 60 + seconds)
        size = encoded.stat().st_size if encoded.exists() else 0
        if done.returncode or size < 0.95 * seconds * MP3_RATE / 8:
            why = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = why[-1] if why else f"exit code {done.returncode}, {size} bytes"
            raise ChoraleError(f"ffmpeg: the MP3 could not be written ({reason})")
        with path.open("wb") as file, encoded.open("rb") as music:
            file.write(id3(tags))
            shutil.copyfileobj(music, file)


def _run(command: list[str], stdin: BinaryIO, timeout: float) -> subprocess.CompletedProcess:
    """Run ffmpeg; ChoraleError where it can't be started or doesn't end."""
    try:
        return subprocess.run(command, stdin=stdin, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise ChoraleError(
            f"ffmpeg: gave no MP3 within {timeout:.0f} s; write .wav or .flac"
        ) from error
    except OSError as error:
        raise ChoraleError(f"ffmpeg: can't be run ({error.strerror})") from error
