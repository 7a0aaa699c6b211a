"""SoundFonts: where one lies, and whether it is whole.

A SoundFont is a RIFF file of form 'sfbk'. Version 2 (.sf2) holds plain
samples; version 3 (.sf3) holds compressed ones, which Csound reads without a
word and plays far too quietly.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coconet import places
from coconet.errors import ChoraleError
from coconet.files import read_json, write_json

#: Best first: a font with a good stereo piano, then smaller ones.
PREFERRED = ("FluidR3_GM", "FluidR3_GS", "GeneralUser", "MuseScore_General", "TimGM6mb")
LAST_RESORTS = ("default-GM", "sf_GMbank")
NO_SF3 = (
    "Csound can't play compressed samples (.sf3); expected an .sf2 SoundFont, or FluidSynth "
    "(synth='fluidsynth')"
)


@dataclass(frozen=True)
class SoundFont:
    """A checked SoundFont file: its path, and its version (2, or 3 for .sf3)."""

    path: Path
    version: int

    def digest(self) -> str:
        """A hash of the whole file, by which measurements of it are kept.

        Hashing 148 MB takes 0.2 s, so it is remembered in the cache folder, as long as
        the file's path, size and time of change stay the same.

        Raises ChoraleError where the file can't be read any more.
        """
        with self.reading():
            stat = self.path.stat()
        state = {"size": stat.st_size, "modified": stat.st_mtime_ns}
        name = hashlib.blake2b(os.fsencode(self.path), digest_size=16).hexdigest()
        file = places.cache() / f"digest-{name}.json"
        with contextlib.suppress(ChoraleError, KeyError, TypeError):
            entry = read_json(file)
            if entry == state | {"digest": str(entry["digest"])}:
                return entry["digest"]
        with self.reading():
            digest = _digest(self.path)
        with contextlib.suppress(ChoraleError):  # an unwritable cache only costs time
            write_json(file, state | {"digest": digest})
        return digest

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Tell in one line where the file can't be read any more, as an OSError says."""
        try:
            yield
        except OSError as error:
            raise ChoraleError(
                f"{self.path}: SoundFont can't be read any more ({error.strerror or error}); "
                "was it moved?"
            ) from error


def open_soundfont(path: Path | str) -> SoundFont:
    """Check a SoundFont's header and length; raises ChoraleError."""
    path = Path(path).expanduser()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(34)
    except OSError as error:
        raise ChoraleError(
            f"{path}: SoundFont can't be read ({error.strerror or error}); for a good one: "
            f"{install_command('fluid-soundfont-gm')}"
        ) from error
    if len(head) < 34 or head[:4] != b"RIFF" or head[8:12] != b"sfbk":
        raise ChoraleError(f"{path}: not a SoundFont; expected an .sf2 file")
    declared = struct.unpack("<I", head[4:8])[0] + 8
    if size < declared:
        raise ChoraleError(
            f"{path}: SoundFont is truncated: {size} of {declared} bytes; fetch it again"
        )
    # The INFO list begins with the version, in the chunk 'ifil'.
    version = struct.unpack("<H", head[32:34])[0] if head[24:28] == b"ifil" else 2
    compressed = version == 3 or path.suffix.lower() == ".sf3"
    return SoundFont(path.resolve(), 3 if compressed else 2)


def find_soundfont(*, plain: bool = True) -> SoundFont | None:
    """The best SoundFont of this machine, or None.

    $COCONET_SOUNDFONT goes first and must then be a good one. The usual folders
    follow, better pianos first.

    Parameters
    ----------
    plain : only those with plain samples, as Csound needs
    """
    chosen = os.environ.get("COCONET_SOUNDFONT")
    if chosen:
        return open_soundfont(chosen)
    suffixes = (".sf2",) if plain else (".sf2", ".sf3")
    files = []
    for folder in soundfont_folders():
        with contextlib.suppress(OSError):  # not there, or not to be read: there are others
            files += [file for file in sorted(folder.iterdir()) if file.suffix.lower() in suffixes]
    for file in sorted(files, key=_rank):
        try:
            font = open_soundfont(file)
        except ChoraleError:
            continue  # a broken file is no reason to overlook a good one
        if font.version == 2 or not plain:
            return font
    return None


def soundfont_folders() -> list[Path]:
    """Where SoundFonts usually lie, the user's own folders first."""
    home = Path.home()
    prefixes = [os.environ.get("CONDA_PREFIX"), sys.prefix, "/usr", "/usr/local", "/opt/homebrew"]
    folders = [home / ".local/share/soundfonts", home / ".local/share/sounds/sf2"]
    folders += [home / "soundfonts", home / ".fluidsynth"]
    for prefix in dict.fromkeys(prefix for prefix in prefixes if prefix):
        share = Path(prefix) / "share"
        folders += [share / "sounds/sf2", share / "sounds/sf3", share / "soundfonts"]
        folders += [share / "samples"]
    return folders


def install_command(package: str) -> str:
    """The exact command that brings a Debian package; elsewhere, its name."""
    if shutil.which("apt-get"):
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"{sudo}apt-get install --no-install-recommends {package}"
    return f"install the package {package} (Debian, Ubuntu), or your system's equivalent"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _rank(file: Path) -> int:
    for rank, name in enumerate(PREFERRED):
        if file.stem.lower().startswith(name.lower()):
            return rank
    for rank, name in enumerate(LAST_RESORTS):
        if file.stem.lower().startswith(name.lower()):
            return 1000 + rank
    return 500
