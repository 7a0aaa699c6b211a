"""Everything that one chorale becomes: array, sidecar, MIDI, MusicXML, score, picture, sound.

All files of a chorale are made in a temporary folder beside their place and
moved there together, so that a failure leaves nothing half-made.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coconet.chorale import Chorale, save_chorale
from coconet.errors import ChoraleError
from coconet.files import validate_writable

SUFFIXES = (".npy", ".json", ".mid", ".musicxml", ".svg", ".png", ".wav")


def paths_of(folder: Path, name: str, *, audio: bool = True) -> list[Path]:
    """The files that `write_all` makes."""
    suffixes = SUFFIXES if audio else SUFFIXES[:-1]
    return [folder / f"{name}{suffix}" for suffix in suffixes]


def validate_outputs(
    folder: Path, names: Sequence[str], *, audio: bool = True, force: bool = False
) -> None:
    """Check that all files can be made, before any work is done; raises ChoraleError."""
    for name in names:
        if Path(name).name != name or name.startswith("."):
            raise ChoraleError(
                f"name {name!r}: expected a plain name of files; the folder is --out"
            )
        for path in paths_of(folder, name, audio=audio):
            validate_writable(path, force=force)


def write_all(
    chorale: Chorale,
    folder: Path,
    name: str,
    *,
    before: Chorale | None = None,
    hidden: np.ndarray | None = None,
    audio: bool = True,
    force: bool = False,
) -> list[Path]:
    """Write a chorale in every form.

    Parameters
    ----------
    before, hidden : what it was made from and the cells that were rewritten;
        they are marked in the score and the picture
    audio : also render a WAV

    Returns
    -------
    list of the files' paths

    Raises
    ------
    ChoraleError
        For a file that exists (unless `force`) or can't be written, and where
        no synthesiser works; then none of the files is made.
    """
    from coconet.midi import write_midi
    from coconet.musicxml import write_musicxml
    from coconet.plots import before_after, piano_roll_figure, save_figure
    from coconet.score import engrave

    paths = paths_of(folder, name, audio=audio)
    validate_outputs(folder, [name], audio=audio, force=force)
    fresh = not folder.exists()
    done = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".coconet-", dir=folder) as temporary:
            made = {path.suffix: Path(temporary) / path.name for path in paths}
            save_chorale(chorale, made[".npy"])
            write_midi(chorale, made[".mid"])
            write_musicxml(chorale, made[".musicxml"])
            engrave(chorale, hidden=hidden).save(made[".svg"])
            if before is None or hidden is None:
                figure = piano_roll_figure(chorale)
            else:
                figure = before_after(before, chorale, hidden)
            save_figure(figure, made[".png"])
            if audio:
                from coconet.render import render

                render(chorale, made[".wav"])
            for path in paths:
                os.replace(made[path.suffix], path)
        done = True
    except OSError as error:
        raise ChoraleError(f"{folder}: could not be written ({error.strerror})") from error
    finally:
        if fresh and not done:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return paths
