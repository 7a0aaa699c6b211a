"""Whole-or-nothing files: written beside their name, then moved over it.

An interrupted or failed write leaves the old file as it was and nothing new.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from coconet.errors import ChoraleError, shown


def user_path(path: Path | str) -> Path:
    """A path that a user named, its ~ replaced by the home folder; nothing need lie there.

    Raises ChoraleError for what no file can be called: another type, ~ and a user that
    there isn't, a NUL, a name that is too long; and for a folder that can't be entered.
    """
    try:
        found = Path(path).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.stat()
    except OSError as error:
        raise ChoraleError(f"{shown(str(path))}: can't be read ({error.strerror})") from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise ChoraleError(f"{shown(path)}: expected the path of a file ({error})") from error
    return found


def validate_writable(path: Path, *, force: bool = False) -> Path:
    """Check that a file can be made at `path` and return it as a `Path`.

    Nothing is made. Raises ChoraleError where the file exists and `force` is
    False, or where its folder, or the nearest one above it, can't be written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise ChoraleError(f"{path}: expected the name of a file, got a folder")
        if path.exists() and not force:
            raise ChoraleError(f"{path}: already exists; choose another name, or --force")
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ChoraleError(
            f"{path.parent}: can't write into this folder ({error.strerror})"
        ) from error
    return path


@contextlib.contextmanager
def atomic_path(path: Path, *, force: bool = True) -> Iterator[Path]:
    """Yield a temporary name beside `path`; move it over `path` if the block succeeds.

    Missing parent folders are made.
    The temporary name keeps the suffix of `path`, for writers that choose a
    format by it. Raises ChoraleError for what `validate_writable` refuses and
    for any OSError in the block, such as a full disk.
    """
    path = validate_writable(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise ChoraleError(f"{path}: could not be written ({error.strerror})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise ChoraleError(f"{path}: could not be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_files(
    paths: Sequence[Path], *, force: bool = True, stale: Sequence[Path] = ()
) -> Iterator[Path]:
    """Yield a temporary folder; move files of these names out of it if the block succeeds.

    The block makes a file there for the name of each of `paths`, which lie in one
    folder; missing folders are made. The files arrive in the order of `paths`, and just
    before them the files `stale` are removed, if they are there. Where anything fails
    nothing is moved or removed and no folder is left. Raises ChoraleError for what
    `validate_writable` refuses and for any OSError in the block.
    """
    paths = [validate_writable(path, force=force) for path in paths]
    folder = paths[0].parent
    fresh, done = not folder.exists(), False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".coconet-", dir=folder) as temporary:
            yield Path(temporary)
            made = [Path(temporary, path.name) for path in paths]
            for path in made:
                path.stat()  # all are there, or none is moved
            for path in stale:
                path.unlink(missing_ok=True)
            for source, path in zip(made, paths, strict=True):
                os.replace(source, path)
        done = True
    except OSError as error:
        raise ChoraleError(f"{folder}: could not be written ({error.strerror})") from error
    finally:
        if fresh and not done:
            with contextlib.suppress(OSError):
                folder.rmdir()


def write_text(path: Path, text: str, *, force: bool = True) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic_path(path, force=force) as temporary:
        # A name that isn't UTF-8, quoted from a command line, must not lose the rest.
        temporary.write_text(text, encoding="utf-8", errors="replace")


def write_json(path: Path, value: object, *, force: bool = True) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n", force=force)


def read_json(path: Path) -> dict:
    """Read a JSON object; raises ChoraleError where it is missing or malformed."""
    path = Path(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ChoraleError(f"{path}: no such file") from error
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror})") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ChoraleError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise ChoraleError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def _umask() -> int:
    """The process's umask: mkstemp makes private files, users expect ordinary ones."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
