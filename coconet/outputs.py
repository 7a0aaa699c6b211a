"""Everything that one chorale becomes: array, sidecar, MIDI, MusicXML, score, picture, sound.

All files of a chorale are made in a temporary folder beside their place and
moved there together, so that a failure leaves nothing half-made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coconet.chorale import Chorale, save_chorale
from coconet.errors import ChoraleError
from coconet.files import atomic_files, validate_writable

SUFFIXES = (".npy", ".json", ".mid", ".musicxml", ".svg", ".png", ".wav")


def names_of(name: str, count: int) -> list[str]:
    """What versions are called: NAME, or NAME-1, NAME-2 … where there are several.

    Raises ChoraleError for no version, and for a name with a folder or a dot before it.
    """
    if count < 1:
        raise ChoraleError(f"--count: expected 1 or more, got {count}")
    if Path(name).name != name or name.startswith("."):
        raise ChoraleError(f"name {name!r}: expected a plain name of files; the folder is --out")
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]


def paths_of(folder: Path, name: str, *, audio: bool = True) -> list[Path]:
    """The files that `write_all` makes."""
    suffixes = SUFFIXES if audio else SUFFIXES[:-1]
    return [folder / f"{name}{suffix}" for suffix in suffixes]


def validate_outputs(
    folder: Path, names: Sequence[str], *, audio: bool = True, force: bool = False
) -> None:
    """Check that all files can be made, before any work is done; raises ChoraleError.

    names : as `names_of` gives them
    """
    for name in names:
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
    paths = paths_of(folder, name, audio=audio)
    validate_outputs(folder, names_of(name, 1), audio=audio, force=force)
    with atomic_files(paths, force=force) as temporary:
        forms = [path.suffix for path in paths]
        write_forms(chorale, temporary / paths[0].name, forms, before=before, hidden=hidden)
    return paths


def write_forms(
    chorale: Chorale,
    path: Path,
    suffixes: Sequence[str] = SUFFIXES,
    *,
    before: Chorale | None = None,
    hidden: np.ndarray | None = None,
) -> None:
    """Write a chorale in some forms beside each other, one by one.

    Parameters
    ----------
    path : of its array, NAME.npy, in a folder that is there; the other files have
        the same name with another suffix
    suffixes : of those to write; the array and its sidecar always are
    before, hidden : as for `write_all`

    Raises ChoraleError as the writers do; what was written before stays.
    """
    save_chorale(chorale, path)
    made = {suffix: path.with_suffix(suffix) for suffix in suffixes}
    if ".mid" in made:
        from coconet.midi import write_midi

        write_midi(chorale, made[".mid"])
    if ".musicxml" in made:
        from coconet.musicxml import write_musicxml

        write_musicxml(chorale, made[".musicxml"])
    if ".svg" in made:
        from coconet.score import engrave

        engrave(chorale, hidden=hidden).save(made[".svg"])
    if ".png" in made:
        from coconet.plots import before_after, save_figure
        from coconet.sheets import figure_of

        marked = before is not None and hidden is not None
        figure = before_after(before, chorale, hidden) if marked else figure_of(chorale)
        save_figure(figure, made[".png"])
    if ".wav" in made:
        from coconet.render import render

        render(chorale, made[".wav"])
