"""A folder of samples as regions: names tell key and layer, the gaps are filled.

Each key takes the nearest sample of each layer, at most `reach` semitones away; of two
equally near ones the lower. A sample is tuned to its key, or where a 'smpl' chunk tells
that key with its cents, to those. Layers share the velocities 1-127:

- words (pp, mf …) and numbers, where one is above 31, are velocities: each layer is as
  loud as recorded at its own, and reaches halfway to the next;
- smaller numbers, v1 to v16 say, only rank the layers: they take equal parts, and each
  is as loud as recorded at its upper end;
- `layers` says otherwise: for a layer as written, the velocity that is its own.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from coconet.checks import choice, number, whole
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.render.regions import (
    LONGEST_RING,
    LOUDEST,
    NOTHING,
    SHORTEST_RELEASE,
    Region,
    empty_chart,
    key_hz,
)
from coconet.render.sample_names import WORDS, read_names
from coconet.render.wavs import SUFFIXES, Facts, read_facts
from coconet.theory import pitch_name
from coconet.tuning import KEYS

#: Numbers up to this one rank the layers; with a larger one among them they are velocities.
LARGEST_RANK = 31
#: A folder holds no more sound files than this, or files at all, or it isn't a set of samples.
MOST_SOUNDS, MOST_FILES = 10_000, 100_000
#: What names call MIDI key 60, and the semitones to add.
MIDDLE_C = {"C4": 0, "C3": 12, "C5": -12}


@dataclass(frozen=True)
class _Sample:
    """A file whose name is understood; its layer as written."""

    facts: Facts
    key: int
    layer: int | str | None
    take: int


def folder_regions(
    folder: Path,
    *,
    only: str = "*",
    middle_c: str = "C4",
    layers: Mapping[int | str, int] | None = None,
    reach: int = 12,
    release: float = 0.25,
) -> tuple[list[Region], np.ndarray, list[str]]:
    """The regions of a folder, the chart of which one plays where, and what was odd.

    Parameters
    ----------
    folder : with sound files, in folders of it as well
    only : which of them, as a pattern of their names such as '*emp*'
    middle_c : what the names call MIDI key 60: C4, C3 or C5
    layers : velocity 1-127 of each layer, by its number or word; by default by its name
    reach : semitones by which a sample may be transposed at most, 0-127
    release : seconds in which a note dies away when it is let go, 0-60; shorter ones than
        10 ms would click

    Returns
    -------
    regions : one a file, ordered by key, then layer; their ranges are those of the chart
    chart : int array, shape=(128, 128): region of each key and velocity, or -1
    warnings : one line each, such as a name that isn't understood

    Raises ChoraleError for options out of range, a folder where no name is understood,
    and files that can't be read, are empty or cut off.
    """
    choice(middle_c, "middle_c", tuple(MIDDLE_C))
    reach = whole(reach, "reach", 0, LOUDEST)
    release = max(number(release, "release", 0, LONGEST_RING), SHORTEST_RELEASE)
    samples, warnings = _samples(folder, _files(folder, only), MIDDLE_C[middle_c])
    own, ranked = _velocities({sample.layer for sample in samples}, layers)
    samples.sort(key=lambda sample: (sample.key, own[sample.layer]))
    regions = []
    for sample in samples:
        facts = sample.facts
        recorded = facts.key if facts.key and round(facts.key) == sample.key else sample.key
        regions.append(
            Region(
                facts,
                (sample.key, sample.key),
                (1, LOUDEST),
                key_hz(recorded),
                layer="" if sample.layer is None else str(sample.layer),
                reference=own[sample.layer],
                end=facts.frames,
                mode="no_loop" if facts.loop is None else "loop_continuous",
                loop=facts.loop,
                release=release,
                source=facts.path.name,
            )
        )
    chart = _chart(samples, own, ranked=ranked, reach=reach)
    return with_ranges(regions, chart), chart, warnings


def with_ranges(regions: Sequence[Region], chart: np.ndarray) -> list[Region]:
    """Regions that say for which keys and velocities the chart chooses them.

    Those that it chooses nowhere stay as they are.
    """
    ranged = []
    for index, region in enumerate(regions):
        keys, velocities = np.nonzero(chart == index)
        if len(keys):
            region = replace(
                region,
                keys=(int(keys.min()), int(keys.max())),
                velocities=(int(velocities.min()), int(velocities.max())),
            )
        ranged.append(region)
    return ranged


def _files(folder: Path, only: str) -> list[Path]:
    """Sound files of a folder and those in it, in the order of their names."""
    if not isinstance(only, str) or not only:
        raise ChoraleError(f"only: expected a pattern such as '*emp*', got {shown(only)}")
    found, sounding, files = [], 0, 0
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        # A link may lead back to a folder above it, or to one that was read already.
        if (own := _identity(place)) in seen:
            folders.clear()
            continue
        seen.add(own)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        sounds = [
            name
            for name in sorted(names)
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
        sounding, files = sounding + len(sounds), files + len(names) + len(folders)
        found += [Path(place, name) for name in sounds if fnmatch.fnmatch(name, only)]
        if sounding > MOST_SOUNDS or files > MOST_FILES:
            raise ChoraleError(
                f"{folder}: more than {MOST_SOUNDS} sound files or {MOST_FILES} of any kind; "
                "expected a set of samples"
            )
    if not found:
        cause = f"none of {sounding} is called {only!r}" if sounding else "is it the right one?"
        raise ChoraleError(
            f"{folder}: expected sound files ({', '.join(SUFFIXES)}), got none; {cause}"
        )
    return found


def _refuse(error: OSError) -> NoReturn:
    raise ChoraleError(f"{error.filename}: can't be read ({error.strerror or error})") from error


def _identity(folder: str) -> tuple[int, int]:
    """What is the same for a folder by whichever name."""
    try:
        stat = os.stat(folder)
    except OSError as error:
        _refuse(error)
    return stat.st_dev, stat.st_ino


def _samples(folder: Path, files: Sequence[Path], shift: int) -> tuple[list[_Sample], list[str]]:
    """The files whose names are understood, one a key and layer, and warnings."""
    names = [str(file.relative_to(folder).with_suffix("")) for file in files]
    kept: dict[tuple[int, int | str | None], _Sample] = {}
    faults, doubled, otherwise = [], [], []
    for file, name, named in zip(files, names, read_names(names, shift), strict=True):
        facts = read_facts(file)
        key, fault = named.key, named.fault
        if key is None and not fault:
            key = None if facts.key is None else round(facts.key)
            fault = "" if facts.key else "its name holds no note, and its header none either"
            if key is not None and key >= KEYS:
                fault = (
                    f"its header's key, {facts.key:.2f}, is nearest to {key}, outside MIDI's 0-127"
                )
        if fault:
            faults.append(f"{name}: not used: {fault}")
            continue
        if facts.key and round(facts.key) != key:
            otherwise.append(f"{name} ({pitch_name(round(facts.key))})")
        layer = _word(named.layer) if named.word else named.layer
        sample = _Sample(facts, key, layer, named.take)
        other = kept.setdefault((key, layer), sample)
        if other is not sample:
            kept[key, layer] = min(other, sample, key=lambda one: one.take)
            doubled.append(name if kept[key, layer] is other else other.facts.path.stem)
    if not kept:
        raise ChoraleError(
            f"{folder}: no sample's name is understood; {faults[0]}; "
            "expected a note in each, such as 'C#4 v3.wav'"
        )
    warnings = faults
    if doubled:
        warnings.append(
            f"not used, since another sample has the same key and layer: {_listed(doubled)}"
        )
    if otherwise:
        warnings.append(
            f"the header names another key than the file's name, which counts: {_listed(otherwise)}"
        )
    return list(kept.values()), warnings


def _word(velocity: int) -> str:
    return next(word for word, own in WORDS.items() if own == velocity)


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _velocities(
    found: set[int | str | None], given: Mapping[int | str, int] | None
) -> tuple[dict[int | str | None, int], bool]:
    """The velocity of each layer, and whether they are only ranked."""
    if given is not None:
        if not isinstance(given, Mapping) or not given:
            raise ChoraleError(
                f"layers: expected a velocity for each layer, as {{47: 66}}, got {shown(given)}"
            )
        return _given_velocities(found, given), False
    numbers = sorted(layer for layer in found if isinstance(layer, int))
    words = {layer for layer in found if isinstance(layer, str)}
    if not words and numbers and numbers[-1] <= LARGEST_RANK:
        # A sample without a number goes with the loudest.
        own = {n: LOUDEST * (rank + 1) // len(numbers) for rank, n in enumerate(numbers)}
        return {None: LOUDEST} | own, True
    own = {number: min(max(number, 1), LOUDEST) for number in numbers}
    return {None: LOUDEST} | own | {word: WORDS[word] for word in words}, False


def _given_velocities(
    found: set[int | str | None], given: Mapping[int | str, int]
) -> dict[int | str | None, int]:
    """The velocities that the user gives the layers that are there."""
    # As YAML or a command line may have them, 47 and '47' are the same.
    known = {str(layer): layer for layer in found if layer is not None}
    own = {
        known.get(str(layer)): whole(own, f"layers: {layer}", 1, LOUDEST)
        for layer, own in given.items()
        if str(layer) in known
    }
    for layer in given:
        if str(layer) not in known:
            raise ChoraleError(
                f"layers: no sample has layer {layer}; expected "
                f"{', '.join(sorted(known)) or 'none, since the names tell none'}"
                f"{nearest_name(str(layer), known)}"
            )
    if missing := sorted(text for text, layer in known.items() if layer not in own):
        raise ChoraleError(f"layers: expected a velocity for layer {missing[0]} as well")
    if len(set(own.values())) < len(own):
        raise ChoraleError("layers: expected another velocity for each layer, got one twice")
    return {None: LOUDEST} | own


def _chart(
    samples: Sequence[_Sample], own: Mapping[int | str | None, int], *, ranked: bool, reach: int
) -> np.ndarray:
    """Which sample plays each key at each velocity: its place among `samples`, or -1."""
    layers = sorted({own[sample.layer] for sample in samples})
    keys = np.arange(KEYS)
    nearest = np.full((len(layers), KEYS), NOTHING)  # layer, key -> sample
    for row, velocity in enumerate(layers):
        members = np.array([at for at, one in enumerate(samples) if own[one.layer] == velocity])
        recorded = np.array([samples[at].key for at in members])
        away = np.abs(recorded[:, None] - keys)  # sample, key
        best = away.argmin(axis=0)
        nearest[row] = np.where(away.min(axis=0) <= reach, members[best], NOTHING)
    chart, velocities = empty_chart(), np.arange(1, LOUDEST + 1)
    for key in keys:
        there = np.flatnonzero(nearest[:, key] != NOTHING)
        if len(there):
            tops = np.array(layers)[there]
            edges = tops[:-1] if ranked else (tops[:-1] + tops[1:]) // 2
            rows = there[np.searchsorted(edges, velocities)]
            chart[key, 1:] = nearest[rows, key]
    return chart
