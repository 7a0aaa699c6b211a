"""Recordings of one's own as an instrument: a folder of them, or an SFZ file.

A `SampleSet` knows which recording plays which key at which velocity. Notes sound at
their own frequency, whatever was recorded: a recording is played faster or slower by
the ratio of the two. Only what plays is read. Csound reads WAV, FLAC, AIFF and Ogg of
any rate and width from where they lie, so nothing is converted, and a score that is
exported refers to the user's own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from coconet.checks import flag, not_needed, number
from coconet.errors import ChoraleError, shown
from coconet.render.regions import LOUDEST, NOTHING, Region
from coconet.render.sample_folders import folder_regions
from coconet.render.sample_reports import SampleReport, span
from coconet.render.sfz_regions import sfz_regions
from coconet.render.wavs import check_data
from coconet.theory import pitch_name

#: Csound's tables of looped samples have numbers from here on, those of paths from 1 on.
FIRST_TABLE = 10_001
#: What a path in Csound's score can't hold.
FORBIDDEN = '"\\$\n\r'
#: Frames of a recording from which the sound between them is reckoned: by cubic curves,
#: or finely, by windowed sines.
CUBIC, SINES = 4, 16
#: p-fields of a note from p10 on.
FIELDS = 17
#: Keys that a message names.
NAMED = 8


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Recordings, and which of them plays what; `open_samples` makes one.

    Attributes
    ----------
    path : of the folder or the SFZ file
    regions : every recording with its ranges
    chart : int array, shape=(128, 128): region of each key and velocity, or -1
    warnings : one line each: what was left out, and what was odd
    fine : whether recordings are read with more care, as `open_samples` tells
    """

    path: Path
    regions: tuple[Region, ...] = field(repr=False)
    chart: np.ndarray = field(repr=False)
    warnings: tuple[str, ...] = ()
    fine: bool = False

    @property
    def keys(self) -> np.ndarray:
        """The keys that sound at some velocity: int array, rising."""
        return np.flatnonzero((self.chart != NOTHING).any(axis=1))

    @property
    def ring(self) -> float:
        """Seconds that a note rings on after its end, at most."""
        return max(region.ring for region in self.regions)

    def choose(self, keys: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        """Which region plays each note: int array, -1 where none does.

        keys : whole numbers 0-127; velocities : 1-127, of the same shape
        """
        keys, velocities = np.asarray(keys), np.asarray(velocities)
        for name, array, low in (("keys", keys, 0), ("velocities", velocities, 1)):
            bad = array.dtype.kind not in "iu" or ((array < low) | (array > LOUDEST)).any()
            if array.size and bad:
                raise ChoraleError(
                    f"{name}: expected whole numbers {low}-{LOUDEST}, got {shown(array.tolist())}"
                )
        return self.chart[keys.astype(int), velocities.astype(int)]

    def check(self, keys: np.ndarray, velocities: np.ndarray) -> None:
        """Check that each note sounds; ChoraleError names the keys that would be silent."""
        keys, velocities = np.asarray(keys), np.asarray(velocities)
        silent = self.choose(keys, velocities) == NOTHING
        if not silent.any():
            return
        lost = np.unique(keys[silent])
        soft, loud = velocities[silent].min(), velocities[silent].max()
        names = [f"{pitch_name(key)} ({key})" for key in lost.tolist()]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        at = f"velocity {soft}" if soft == loud else f"velocities {soft}-{loud}"
        raise ChoraleError(
            f"{self.path}: no sample for {', '.join(names[:NAMED])}{more} at {at}; the set has "
            f"{', '.join(span(*run) for run in self._runs())}: transpose the piece, or add samples"
        )

    def played(self, notes: np.ndarray) -> np.ndarray:
        """Which region plays each note of dtype `NOTE`, its shift included: int array.

        A shift goes to the nearest key that the set has. Raises ChoraleError for notes that
        would be silent.
        """
        keys = np.asarray(notes["key"], int)
        away = np.abs(self.keys - (keys + notes["shift"])[:, None])
        keys = np.where(notes["shift"] == 0, keys, self.keys[away.argmin(axis=1)])
        self.check(keys, notes["velocity"])
        return self.choose(keys, notes["velocity"])

    def report(self, used: np.ndarray) -> SampleReport:
        """What a rendering used and what never.

        Parameters
        ----------
        used : how many notes each region played, int array, shape=(regions,); as
            `sampler_score` counts, added up over the parts of a piece, or all of
            `numpy.bincount(samples.played(notes), minlength=len(samples.regions))`
        """
        return SampleReport(self.path.name, self.regions, np.asarray(used))

    def _runs(self) -> list[tuple[int, int]]:
        """The keys that sound, as runs from the lowest to the highest."""
        ends = np.flatnonzero(np.diff(self.keys) > 1)
        parts = np.split(self.keys, ends + 1)
        return [(int(part[0]), int(part[-1])) for part in parts]


class SamplerScore(NamedTuple):
    """What Csound needs to play notes by samples.

    statements : lines of the score that make known the files
    fields : float array, shape=(notes, 17): p10 and following of each note, as
        `orchestra/samples.orc` says
    used : int array, shape=(regions,): how many of the notes each region plays
    """

    statements: list[str]
    fields: np.ndarray
    used: np.ndarray


def open_samples(
    path: Path | str,
    *,
    only: str | None = None,
    middle_c: str | None = None,
    layers: Mapping[int | str, int] | None = None,
    reach: int | None = None,
    release: float | None = None,
    gain: float = 0.0,
    fine: bool = False,
) -> SampleSet:
    """Recordings from a folder or an SFZ file; only headers are read.

    Parameters
    ----------
    path : of a folder of sound files that are named by note and layer, as
        `sample_names` tells, or of an .sfz
    only : of a folder, files whose names fit a pattern such as '*emp*'; by default all
    middle_c : of a folder, what names call MIDI key 60: C4 (the default), C3 or C5
    layers : of a folder, the velocity 1-127 that is each layer's own, such as
        {25: 60, 31: 62}; by default what the names say
    reach : of a folder, by how many semitones a sample may be transposed; by default 12
    release : of a folder, seconds in which notes die away once let go; by default 0.25
    gain : dB by which all of it is louder, -96 to 96
    fine : read each frame of recordings without loops from the 16 around it, where cubic
        curves through 4 are the default: three times slower, and what lies at 10 kHz
        errs by -70 dB in place of -31

    Raises
    ------
    ChoraleError
        For what isn't there, isn't understood, is empty or cut off, and where nothing
        would sound.
    """
    path = Path(path).expanduser()
    gain, fine = number(gain, "gain", -96, 96), flag(fine, "fine")
    options = {
        "only": only,
        "middle_c": middle_c,
        "layers": layers,
        "reach": reach,
        "release": release,
    }
    if path.is_dir():
        path = path.resolve()
        given = {name: value for name, value in options.items() if value is not None}
        regions, chart, warnings = folder_regions(path, **given)
        texts = sorted(file.name for file in path.glob("*.sfz"))
        if texts:
            warnings.append(f"the folder holds {texts[0]}, too; to use it, give its path")
    elif path.suffix.lower() == ".sfz" and path.is_file():
        not_needed("a folder of samples", **options)
        path = path.resolve()
        regions, chart, warnings = sfz_regions(path)
    else:
        there = "another file" if path.exists() else "nothing there"
        raise ChoraleError(f"{path}: expected a folder of samples or an .sfz file, got {there}")
    louder = tuple(replace(region, gain=region.gain + gain) for region in regions)
    return SampleSet(path, louder, chart, tuple(warnings), fine)


def sampler_score(notes: np.ndarray, sample_set: SampleSet) -> SamplerScore:
    """What Csound needs to play notes by samples: files, p-fields from p10 on, counts.

    Parameters
    ----------
    notes : structured array of dtype `NOTE`

    Raises
    ------
    ChoraleError
        For keys that would be silent, samples that are silent or broken where they are
        played, and paths that Csound can't read.
    """
    chosen = sample_set.played(notes)
    used = np.bincount(chosen, minlength=len(sample_set.regions))
    statements: list[str] = []
    numbers: dict[tuple, int] = {}
    fields = np.zeros((len(notes), FIELDS))
    fields[:, -1] = SINES if sample_set.fine else CUBIC
    for index in np.flatnonzero(used):
        region, rows = sample_set.regions[index], np.flatnonzero(chosen == index)
        _check(region, notes[rows])
        source = (region.path, region.offset if region.looped else None)
        if source not in numbers:
            # Of a looped sample the second table is its right channel.
            numbers[source] = (FIRST_TABLE if region.looped else 1) + 2 * len(numbers)
            statements += _statements(region, numbers[source])
        fields[rows, :-1] = _fields(region, numbers[source], notes[rows])
    return SamplerScore(statements, fields, used)


def _check(region: Region, notes: np.ndarray) -> None:
    """Check the part of a sample that these notes play."""
    held = notes["duration"].max() + region.release
    cents = np.maximum(notes["glide"], 0)
    speed = (notes["hz"] * 2 ** (cents / 1200)).max() / region.hz
    last = region.end
    if not region.looped and region.mode != "one_shot":
        last = min(last, region.offset + int(held * speed * region.facts.rate) + 1)
    check_data(region.facts, region.offset, last)


def _statements(region: Region, number: int) -> list[str]:
    """Lines of the score: the path for one that is read as it plays, else its tables."""
    path = str(region.path)
    if any(letter in path for letter in FORBIDDEN):
        raise ChoraleError(
            f"{shown(path)}: Csound can't read a path with quotes, backslashes, dollar signs or "
            "line breaks; move or rename the samples"
        )
    if not region.looped:
        return [f'i "recording" 0 0 {number} "{path}"']
    skip = region.offset / region.facts.rate
    return [
        f'f {number + channel} 0 0 -1 "{path}" {skip:.9f} 0 {channel + 1}'
        for channel in range(region.facts.channels)
    ]


def _fields(region: Region, number: int, notes: np.ndarray) -> np.ndarray:
    """p10 to p25 of notes that one region plays: float array, shape=(notes, 16)."""
    facts = region.facts
    first, last = region.loop or (0, 0)
    if region.looped:
        first, last = _inside(first - region.offset, last - region.offset, region)
    turns = {"loop_continuous": 1, "loop_sustain": 2}.get(region.mode, 0) if region.looped else 0
    skipped = 0 if region.looped else region.offset / facts.rate  # a table begins there
    left = (region.end - region.offset) / facts.rate
    envelope = (region.attack, region.hold, region.decay, region.sustain, region.release)
    shared = (facts.channels, turns, first, last, skipped, left, *envelope)
    fields = np.zeros((len(notes), FIELDS - 1))
    fields[:, 0], fields[:, 1], fields[:, 3] = number, region.hz, region.pan
    fields[:, 2] = region.level(notes["velocity"])
    fields[:, 4:15] = shared
    if region.mode == "one_shot":
        latest = notes["duration"] + region.ring - region.release
        fields[:, 15] = np.minimum(region.seconds(notes["hz"]), latest)
    return fields


def _inside(first: int, last: int, region: Region) -> tuple[int, int]:
    """A loop that leaves two frames behind it: reading between frames needs them.

    What lies a few frames earlier is the same round of the same wave.
    """
    behind = region.facts.frames - region.offset - last
    back = min(max(0, 2 - behind), first)
    return first - back, last - back
