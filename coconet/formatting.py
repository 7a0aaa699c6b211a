"""A training set from one's own MIDI and MusicXML; what `coconet format` does.

Pieces that are the same harmonisation (see `coconet.splits`) share a split, so
that nothing is measured on what was trained on. What can't be used is skipped,
each file with its reason.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from coconet.build import without_silent_bars
from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.files import write_text
from coconet.grid import RANGES, VOICES, validate_pitches, voice_name
from coconet.reading import SUFFIXES, read_piece
from coconet.splits import groups_of, same_harmonisation

#: Lowest and highest pitch of all voices: what the networks know.
PITCHES = (min(low for low, _ in RANGES), max(high for _, high in RANGES))
SHARES = {"valid": 0.1, "test": 0.1}
#: Which split a group takes where several are known: the first of these.
STRICTEST = ("test", "valid", "demo", "train")
#: What a corpus file holds of an upbeat: one byte.
LONGEST_UPBEAT = 255
COLUMNS = ("file", "split", "steps", "title", "reason")


@dataclass(frozen=True)
class Formatted:
    """Pieces for training, and what became of each file.

    Attributes
    ----------
    chorales : four voices each; `split` is None until `split_pieces` gives one
    files : where each of them comes from, in the same order
    skipped : the other files, each with its reason in one line
    """

    chorales: tuple[Chorale, ...]
    files: tuple[Path, ...]
    skipped: Mapping[Path, str]

    def count(self, split: str) -> int:
        """Pieces in a split."""
        return sum(chorale.split == split for chorale in self.chorales)


def find_files(sources: Iterable[Path | str]) -> list[Path]:
    """All files that are named or lie in the folders named, at any depth, in order.

    Names that begin with a dot are left out, and so is what is named twice.

    Raises
    ------
    ChoraleError
        For a source that isn't there, or a folder without a file.
    """
    found: dict[Path, None] = {}
    for source in map(Path, sources):
        if source.is_dir():
            paths = sorted(
                Path(folder, name)
                for folder, _, names in os.walk(source)
                for name in names
                if not _is_dotted(Path(folder, name).relative_to(source))
            )
            if not paths:
                raise ChoraleError(f"{source}: there is no file in this folder")
            found |= dict.fromkeys(paths)
        elif source.exists():
            found[source] = None
        else:
            raise ChoraleError(f"{source}: no such file or folder")
    return list(found)


def read_pieces(
    files: Sequence[Path | str],
    *,
    min_voices: int = len(VOICES),
    pitches: tuple[int, int] = PITCHES,
    workers: int = 1,
    progress: bool = True,
) -> Formatted:
    """Read pieces, and skip what can't be trained on.

    Bars in which every voice rests are left out. A piece with the same cells
    as an earlier one is skipped.

    Parameters
    ----------
    files : MIDI, MusicXML or arrays; see `find_files` for folders
    min_voices : skip pieces with fewer, 1-4; absent voices are rests
    pitches : lowest and highest that may occur
    workers : processes that read; progress : whether to show a bar

    Returns
    -------
    Formatted, its chorales without a split

    Raises
    ------
    ChoraleError
        For voices or workers out of their range, never for a file.
    """
    if not 1 <= min_voices <= len(VOICES):
        raise ChoraleError(f"voices: expected 1-{len(VOICES)}, got {min_voices}")
    if workers < 1:
        raise ChoraleError(f"workers: expected 1 or more, got {workers}")
    files = [Path(file) for file in files]
    kept: dict[Path, Chorale] = {}
    skipped: dict[Path, str] = {}
    contents: dict[bytes, Path] = {}
    for file, result in _read_all(files, workers=workers, progress=progress):
        reason = result if isinstance(result, str) else _objection(*result, min_voices, pitches)
        if not reason:
            chorale = result[0].replace(split=None)
            first = contents.setdefault(chorale.grid.tobytes(), file)
            reason = "" if first is file else f"the same notes as {first}"
        if reason:
            skipped[file] = reason
        else:
            kept[file] = chorale
    return Formatted(tuple(kept.values()), tuple(kept), skipped)


def split_pieces(
    formatted: Formatted,
    *,
    shares: Mapping[str, float] = SHARES,
    like: Sequence[Chorale] = (),
    seed: int = 1,
) -> Formatted:
    """Give each piece a split; see `assign_shares`. The same seed, the same splits.

    Raises ChoraleError where there is no piece, or there are too few.
    """
    if seed < 0:
        raise ChoraleError(f"seed: expected 0 or more, got {seed}")
    if not formatted.chorales:
        raise ChoraleError(f"none of the {len(formatted.skipped)} files can be used")
    rng = np.random.default_rng(seed)
    splits = assign_shares(formatted.chorales, shares, like=like, rng=rng)
    chorales = (c.replace(split=s) for c, s in zip(formatted.chorales, splits, strict=True))
    return replace(formatted, chorales=tuple(chorales))


def assign_shares(
    chorales: Sequence[Chorale],
    shares: Mapping[str, float],
    *,
    like: Sequence[Chorale] = (),
    rng: np.random.Generator,
) -> list[str]:
    """A split for each chorale: groups of the same harmonisation, drawn at random.

    A group is drawn for valid or test while it fits into what is left of the
    split's share; at least one goes to each split whose share isn't zero.

    Parameters
    ----------
    shares : of the chorales, for 'valid' and 'test'
    like : chorales with a split; a group with one of them takes its split,
        the strictest of test, valid, demo and train where there are several

    Raises
    ------
    ChoraleError
        Where there are fewer groups than splits to fill.
    """
    validate_shares(shares)
    count = len(chorales)
    everything = [chorale.grid for chorale in (*chorales, *like)]
    groups = groups_of(len(everything), same_harmonisation(everything))
    members: dict[int, list[int]] = {}
    for item, group in enumerate(groups[:count]):
        members.setdefault(group, []).append(item)
    known: dict[int, set[str | None]] = {}
    for group, chorale in zip(groups[count:], like, strict=True):
        known.setdefault(group, set()).add(chorale.split)
    splits = [""] * count
    open_groups = []
    for group, items in members.items():
        if group in known:
            split = next(split for split in STRICTEST if split in known[group])
            for item in items:
                splits[item] = split
        else:
            open_groups.append(items)
    wanted = [split for split in ("valid", "test") if shares.get(split)]
    room = {split: max(1, round(shares[split] * count)) - splits.count(split) for split in wanted}
    drawn = [open_groups[k] for k in rng.permutation(len(open_groups))]
    # Stable: groups of one size stay as they were drawn. The smallest make sure of each split.
    smallest = sorted(drawn, key=len)
    for split in [*wanted, "train"]:
        if split not in splits:
            if not smallest:
                raise ChoraleError(
                    f"too few pieces for splits {', '.join([*wanted, 'train'])}: {count}, of"
                    f" {len(members)} harmonisation{'s' * (len(members) > 1)};"
                    " add pieces, or set a share to 0"
                )
            group = smallest.pop(0)
            room[split] = room.get(split, count) - len(group)
            for item in group:
                splits[item] = split
    for items in drawn:
        if splits[items[0]]:
            continue
        split = next((name for name in wanted if len(items) <= room[name]), "train")
        room[split] = room.get(split, count) - len(items)
        for item in items:
            splits[item] = split
    return splits


def validate_shares(shares: Mapping[str, float]) -> None:
    """Check that shares of valid and test leave something to train on; raises ChoraleError."""
    values = list(shares.values())
    if set(shares) - {"valid", "test"}:
        raise ChoraleError(f"shares: expected those of valid and test, got {', '.join(shares)}")
    if not all(0 <= value < 1 for value in values) or not sum(values) < 1:
        said = ", ".join(f"{name} {value:g}" for name, value in shares.items())
        raise ChoraleError(f"shares: expected 0 or more each and less than 1 together, got {said}")


def write_table(formatted: Formatted, path: Path | str, *, force: bool = False) -> None:
    """Write what became of each file as CSV: its split, or why it was skipped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for file, chorale in zip(formatted.files, formatted.chorales, strict=True):
        writer.writerow((file, chorale.split, chorale.steps, chorale.title, ""))
    writer.writerows((file, "", "", "", reason) for file, reason in formatted.skipped.items())
    write_text(Path(path), text.getvalue(), force=force)


def _is_dotted(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read_all(
    files: Sequence[Path], *, workers: int, progress: bool
) -> Iterable[tuple[Path, tuple[Chorale, tuple[int, ...]] | str]]:
    from tqdm.auto import tqdm

    with contextlib.ExitStack() as stack:
        many = workers > 1 and len(files) > 1
        pool = stack.enter_context(ProcessPoolExecutor(workers)) if many else None
        results = pool.map(_read, files, chunksize=4) if pool else map(_read, files)
        bar = tqdm(results, total=len(files), desc="reading", unit="file", disable=not progress)
        yield from zip(files, bar, strict=True)


def _read(file: Path) -> tuple[Chorale, tuple[int, ...]] | str:
    """A piece and its absent rows, or why it can't be read."""
    if file.suffix.lower() not in SUFFIXES:
        return f"expected a name that ends in {', '.join(SUFFIXES)}"
    try:
        reading = read_piece(file)
        return without_silent_bars(reading.chorale), reading.absent
    except ChoraleError as error:
        return str(error).removeprefix(f"{file}: ")
    except Exception as error:  # one odd file among thousands must not end the work
        return f"can't be read ({type(error).__name__}: {' '.join(str(error).split())})"


def _objection(
    chorale: Chorale, absent: Sequence[int], min_voices: int, pitches: tuple[int, int]
) -> str:
    """Why a piece can't be trained on; '' where it can."""
    if chorale.voices != len(VOICES):
        return f"{chorale.voices} voices, expected at most {len(VOICES)}"
    present = [voice_name(row) for row in range(chorale.voices) if row not in absent]
    if len(present) < min_voices:
        voices = "voice" if len(present) == 1 else "voices"
        return f"{len(present)} {voices} ({', '.join(present)}), expected {min_voices} or more"
    if chorale.steps < chorale.bar:
        return f"{chorale.steps} steps, shorter than a bar of {chorale.bar}"
    if chorale.upbeat > LONGEST_UPBEAT:
        return f"an upbeat of {chorale.upbeat} steps, expected at most {LONGEST_UPBEAT}"
    try:
        validate_pitches(chorale.grid, *pitches, name="pitches")
    except ChoraleError as error:
        return str(error).removeprefix("pitches: ")
    return ""
