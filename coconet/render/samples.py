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
from typing import NamedTuple, NoReturn

import numpy as np

from coconet.checks import flag, not_needed, number
from coconet.errors import ChoraleError, shown
from coconet.render.chunks import AUDIBLE
from coconet.render.csound_paths import quoted
from coconet.render.regions import LOUDEST, NOTHING, Region
from coconet.render.sample_folders import folder_regions
from coconet.render.sample_reports import SampleReport, span
from coconet.render.sfz_regions import sfz_regions
from coconet.render.wavs import check_data
from coconet.theory import pitch_name

#: Csound's tables of looped samples have numbers from here on, those of paths from 1 on.
FIRST_TABLE = 10_001
#: Frames of a recording from which the sound between them is reckoned: by cubic curves,
#: or finely, by windowed sines.
CUBIC, SINES = 4, 16
#: p-fields of a note from p10 on.
FIELDS = 17
#: Keys that a message names.
NAMED = 8
#: dB by which a set may be louder or softer: more makes recordings silence, or noise.
MOST_GAIN = 40


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
        """Check that each note sounds; ChoraleError names the keys that would be silent.

        It tells keys that the set hasn't at all from velocities that it hasn't for them.
        """
        keys, velocities = np.asarray(keys), np.asarray(velocities)
        silent = self.choose(keys, velocities) == NOTHING
        if not silent.any():
            return
        keys, velocities = keys[silent], velocities[silent]
        known = np.isin(keys, self.keys)
        if known.all():
            self._complain_of_velocities(keys, velocities)
        lost = np.unique(keys[~known]).tolist()
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise ChoraleError(
            f"{self.path}: no sample for {', '.join(map(_named, lost[:NAMED]))}{more} at "
            f"{_velocities(velocities[~known])}; the set has "
            f"{', '.join(span(*run) for run in _runs(self.keys))}: transpose the piece, or add "
            "samples"
        )

    def played(self, notes: np.ndarray) -> np.ndarray:
        """Which region plays each note of dtype `NOTE`, its shift included: int array.

        A shift goes to the nearest key that sounds at the note's velocity. Raises
        ChoraleError for notes that would be silent.
        """
        keys, velocities = np.array(notes["key"], int), notes["velocity"]
        if (moved := np.flatnonzero(notes["shift"])).size:
            # From beyond MIDI's keys the nearest one is the same as from the last of them.
            wanted = np.clip(keys[moved] + notes["shift"][moved], 0, LOUDEST)
            nearest = self._nearest()[wanted, velocities[moved]]
            # Where none sounds, the note keeps its own, so that the message names it.
            keys[moved] = np.where(nearest == NOTHING, keys[moved], nearest)
        self.check(keys, velocities)
        return self.choose(keys, velocities)

    def report(self, used: np.ndarray) -> SampleReport:
        """What a rendering used and what never.

        Parameters
        ----------
        used : how many notes each region played, int array, shape=(regions,); as
            `sampler_score` counts, added up over the parts of a piece, or all of
            `numpy.bincount(samples.played(notes), minlength=len(samples.regions))`
        """
        return SampleReport(self.path.name, self.regions, np.asarray(used))

    def _complain_of_velocities(self, keys: np.ndarray, velocities: np.ndarray) -> NoReturn:
        """Raise ChoraleError for keys that sound, but not at these velocities."""
        key = int(keys[0])
        there = ", ".join(f"{low}-{high}" for low, high in _runs(np.flatnonzero(self._at(key))))
        others = len(np.unique(keys)) - 1
        more = f", nor for {others} other keys at theirs" if others else ""
        raise ChoraleError(
            f"{self.path}: no sample for {_named(key)} at {_velocities(velocities[keys == key])}"
            f"{more}; it has some at {there}: change the dynamics, or the ranges of velocities"
        )

    def _nearest(self) -> np.ndarray:
        """The key that sounds nearest to each key at each velocity: int array, or -1."""
        sounds, keys = self.chart != NOTHING, np.arange(len(self.chart), dtype=np.int16)
        away = np.abs(keys[:, None] - keys)[:, :, None]  # wanted, key
        nearest = np.where(sounds, away, len(keys)).argmin(axis=1)  # of wanted, key, velocity
        return np.where(sounds.any(axis=0), nearest, NOTHING)

    def _at(self, key: int) -> np.ndarray:
        return self.chart[key] != NOTHING


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
    gain : dB by which all of it is louder, -40 to 40
    fine : read each frame of recordings without loops from the 16 around it, where cubic
        curves through 4 are the default: two to three times slower, and of recordings at 44.1
        kHz what lies at 10 kHz errs by -71 dB in place of -31, at 15 kHz by -52 in place
        of -16; below 3 kHz, and of recordings at 96 kHz, curves do as well

    Raises
    ------
    ChoraleError
        For what isn't there, isn't understood, is empty or cut off, and where nothing
        would sound.
    """
    gain, fine = number(gain, "gain", -MOST_GAIN, MOST_GAIN), flag(fine, "fine")
    options = {
        "only": only,
        "middle_c": middle_c,
        "layers": layers,
        "reach": reach,
        "release": release,
    }
    try:
        path = Path(path).expanduser()
        path, regions, chart, warnings = _opened(path, options)
    except (OSError, RuntimeError) as error:  # a RuntimeError: ~nobody, or links in a circle
        reason = getattr(error, "strerror", None) or error
        raise ChoraleError(f"{path}: can't be read ({reason})") from error
    louder = tuple(replace(region, gain=region.gain + gain) for region in regions)
    return SampleSet(path, louder, chart, tuple(warnings), fine)


def _opened(
    path: Path, options: dict[str, object]
) -> tuple[Path, list[Region], np.ndarray, list[str]]:
    """The whole path of a folder or text, its regions, their chart, and warnings."""
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
    return path, regions, chart, warnings


def _named(key: int) -> str:
    return f"{pitch_name(key)} ({key})"


def _velocities(velocities: np.ndarray) -> str:
    soft, loud = velocities.min(), velocities.max()
    return f"velocity {soft}" if soft == loud else f"velocities {soft}-{loud}"


def _runs(numbers: np.ndarray) -> list[tuple[int, int]]:
    """Rising whole numbers as runs without gaps, each by its first and last."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts]


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
    levels = region.level(notes["velocity"]) + notes["level"]
    # The others may be silent, as in `chunks.audible`.
    heard = levels[40 * np.log10(notes["velocity"] / LOUDEST) + notes["level"] >= AUDIBLE]
    try:
        check_data(region.facts, region.offset, last, level=heard.min(initial=0))
    except ChoraleError as error:
        if region.source == region.path.name:  # a file of a folder, which it names anyway
            raise
        raise ChoraleError(f"{region.source} ({region.gain:.1f} dB): {error}") from error


def _statements(region: Region, number: int) -> list[str]:
    """Lines of the score: the path for one that is read as it plays, else its tables."""
    path = quoted(region.path, score=True)
    if not region.looped:
        return [f'i "recording" 0 0 {number} {path}']
    skip = region.offset / region.facts.rate
    return [
        f"f {number + channel} 0 0 -1 {path} {skip:.9f} 0 {channel + 1}"
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
