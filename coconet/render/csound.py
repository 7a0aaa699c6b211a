"""Csound, offline: a performance and a band make an orchestra, a score, and sound.

Frequencies go to Csound in Hz, so the temperament lives in `coconet.tuning` alone. The
orchestra is the files of the folder `orchestra`, one an instrument; `csd.py` writes the
same text for the program `csound`.

Csound runs in a child process by default: a damaged SoundFont can crash it, and that must
not take a notebook along. Its own way of failing is quiet: a missing font gives silence, a
bad score no sound. So its log is searched for errors and the sound is checked.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import numpy as np

from coconet.checks import flag
from coconet.errors import ChoraleError, shown
from coconet.render import csound_process
from coconet.render.audio import scratch_folder
from coconet.render.children import ended_by, patience_for, run_child
from coconet.render.chunks import check_chunk
from coconet.render.csound_paths import quoted
from coconet.render.events import Performance
from coconet.render.instruments import Part
from coconet.render.samples import SampleSet, sampler_score
from coconet.render.soundfonts import NO_SF3, SoundFont, install_command
from coconet.render.tape import CHANNELS, SAMPLE_RATE, SCRATCH_FULL
from coconet.tuning import KEYS, STANDARD, equal_frequencies

FOLDER = Path(__file__).parent / "orchestra"
#: Frames of Csound's block, as in header.orc. A part of a piece that begins at a multiple
#: of it sounds, sample by sample, as it does in the whole.
KSMPS = 64
#: Runs in one process: Csound 6.18 keeps a little of each, and crashes after some 340.
MOST_HERE = 200
_runs_here = itertools.count()
#: The keys of a piano: what lies beyond is played by the nearest one's sample.
LOWEST_KEY, HIGHEST_KEY = 21, 108
#: So many cents from equal temperament a sample's error is known.
MEASURED = 50


@dataclass(frozen=True, eq=False)
class Band:
    """What each voice plays, ready: `bands.csound_band` makes one.

    Attributes
    ----------
    parts : an instrument for each voice
    soundfont : the font of the piano; None where none plays
    errors : float array, shape=(128, 2): how far the sample of each key is out of tune, as
        `calibration.calibrate` measures it
    samples : the recordings of the instrument 'samples'; None where it doesn't play

    Raises ChoraleError without parts, for a missing or unfit font, missing recordings, and
    errors of another shape.
    """

    parts: tuple[Part, ...]
    soundfont: SoundFont | None = None
    errors: np.ndarray = field(default_factory=lambda: np.zeros((KEYS, 2)))
    samples: SampleSet | None = None

    def __post_init__(self) -> None:
        parts, font, samples = self.parts, self.soundfont, self.samples
        if not (isinstance(parts, tuple) and parts and all(isinstance(p, Part) for p in parts)):
            raise ChoraleError(f"band: parts: expected a tuple of Parts, got {shown(parts)}")
        needs = {part.instrument.needs for part in parts}
        if font is None and "soundfont" in needs:
            raise ChoraleError(
                f"Csound's piano needs a SoundFont: {install_command('fluid-soundfont-gm')}"
            )
        if not isinstance(font, SoundFont | None):
            raise ChoraleError(
                f"band: soundfont: expected one from open_soundfont(FILE), got {shown(font)}"
            )
        if font is not None and font.version == 3:
            raise ChoraleError(f"{font.path}: {NO_SF3}")
        if not isinstance(samples, SampleSet) and (samples is not None or "samples" in needs):
            raise ChoraleError(
                "the instrument 'samples' needs recordings: expected --samples FOLDER, in Python "
                f"samples=open_samples(FOLDER), got {shown(samples)}"
            )
        errors = self.errors
        if not (isinstance(errors, np.ndarray) and errors.dtype.kind == "f"):
            raise ChoraleError(f"band: errors: expected a float array, got {shown(errors)}")
        if errors.shape != (KEYS, 2) or not np.isfinite(errors).all():
            raise ChoraleError(
                f"band: errors: expected finite numbers of shape {(KEYS, 2)}, got {errors.shape}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The instruments that play, each once, in order: names of files of the orchestra."""
        return tuple(sorted({part.instrument.name for part in self.parts}))

    @property
    def ring(self) -> float:
        """Seconds that a note rings on after its end, at most."""
        ring = max(part.instrument.ring for part in self.parts)
        return ring if self.samples is None else max(ring, self.samples.ring)

    def __str__(self) -> str:
        return ", ".join(dict.fromkeys(map(str, self.parts)))


@functools.cache
def csound_version() -> str:
    """The version of the Csound library, such as '6.18'; raises ChoraleError without it."""
    try:
        thousands = csound_process.version()
    except ModuleNotFoundError as error:
        raise ChoraleError("Csound's Python binding is missing: pip install ctcsound") from error
    except (OSError, AttributeError) as error:
        raise ChoraleError(
            f"the Csound library is missing ({error}): {install_command('libcsnd-dev')}"
        ) from error
    return f"{thousands // 1000}.{thousands // 10 % 100:02d}"


def play_csound(
    performance: Performance, band: Band, *, isolate: bool = True, checked: bool = True
) -> np.ndarray:
    """Sound of a performance.

    Parameters
    ----------
    performance : of as many voices as the band has
    band : what each of them plays, from `csound_band`
    isolate : run Csound in a child process, which may crash, and is ended where it hangs;
        False: in this one. The sound is the same
    checked : whether a note that can't be heard is an error

    Returns
    -------
    float32 array, shape=(round(seconds * SAMPLE_RATE), 2), before levelling; the same each
    time, to the byte

    Raises
    ------
    ChoraleError
        Without Csound, for a band of another number of voices, and where Csound fails,
        ends too soon or leaves out a note.
    """
    isolate = flag(isolate, "isolate")
    csound_version()
    name = f"Csound, {band.soundfont.path}" if band.soundfont else "Csound"
    frames = round(performance.seconds * SAMPLE_RATE)
    if not len(performance.notes):
        return np.zeros((frames, CHANNELS), np.float32)
    samples = run_csound(
        orchestra_of(band),
        "\n".join(score_of(performance, band)),
        performance.seconds,
        name=name,
        isolate=isolate,
        suspect="; is the SoundFont damaged?" if band.soundfont else "",
    )[:frames]
    if len(samples) < frames:
        raise ChoraleError(
            f"{name}: expected {frames / SAMPLE_RATE:.2f} s of sound, "
            f"got {len(samples) / SAMPLE_RATE:.2f} s"
        )
    if checked:
        check_chunk(samples, performance, name=name)
    return samples


def orchestra_of(band: Band) -> str:
    """Csound's orchestra for a band: the header, and the file of each instrument."""
    text = "\n".join(map(_read_orchestra, ("header", *band.names)))
    if band.soundfont is not None:
        text = text.replace('"$FONT"', quoted(band.soundfont.path))
    return text


def score_of(performance: Performance, band: Band) -> list[str]:
    """Csound's score: one line for each table of samples, one for each note, in order.

    Times are whole frames, so that a note begins on the same one in any part of a piece.

    Raises ChoraleError where performance and band have different numbers of voices.
    """
    notes = performance.notes
    voices = np.unique(notes["voice"])
    if performance.voices != len(band.parts) or not np.isin(voices, range(len(band.parts))).all():
        raise ChoraleError(
            f"the band has {len(band.parts)} parts, the performance {performance.voices} voices; "
            "was the band made for another piece?"
        )
    statements, fields = _own_fields(notes, band)
    # Csound cuts fractions of a frame off: a quarter keeps a start from falling on the one
    # before where its decimals are a little short.
    starts = (_frames(notes["start"]) + 0.25) / SAMPLE_RATE
    lengths = np.maximum(1, _frames(notes["duration"])) / SAMPLE_RATE
    lines = [
        f'i "{band.parts[note["voice"]].instrument.name}" {start:.9f} {length:.9f} '
        f"{note['hz']:.12g} {note['velocity']} {note['pan']:.6g} {note['level']:.6g} "
        f"{note['glide']:.9g} {note['glide_time']:.9g} "
        + " ".join(f"{value:.12g}" for value in own)
        for note, start, length, own in zip(notes, starts, lengths, fields, strict=True)
    ]
    # `f 0` keeps Csound going until the end, and a block longer: it stops at whole ones.
    end = (round(performance.seconds * SAMPLE_RATE) + KSMPS) / SAMPLE_RATE
    return [*statements, f"f 0 {end:.9f}", *lines]


def run_csound(
    orchestra: str,
    score: str,
    seconds: float,
    *,
    name: str = "Csound",
    isolate: bool = True,
    suspect: str = "",
) -> np.ndarray:
    """Run Csound on an orchestra and a score.

    Parameters
    ----------
    orchestra, score : Csound's text; two channels at `SAMPLE_RATE`
    seconds : of sound that is expected, by which a hang is told from work
    name : how messages call it
    isolate : in a child process; else here, for the first `MOST_HERE` runs
    suspect : what a message adds where it crashes

    Returns
    -------
    float32 array, shape=(frames, 2), as long as Csound went on

    Raises
    ------
    ChoraleError
        Where Csound doesn't start, crashes, hangs, or complains in its log.
    """
    with scratch_folder() as folder:
        sound = folder / "sound.raw"
        job = {"orchestra": orchestra, "score": score, "sound": str(sound)}
        if isolate or next(_runs_here) >= MOST_HERE:
            log = _run_child(job, patience_for(seconds), name, suspect)
        else:
            log = _run_here(job, name)
        if not sound.exists():
            raise ChoraleError(f"{name}: no sound was written: {_complaint(log)}")
        samples = np.fromfile(sound, "<f4")
    return samples[: len(samples) // CHANNELS * CHANNELS].reshape(-1, CHANNELS)


def sample_keys(hz: np.ndarray, shift: np.ndarray | int = 0) -> np.ndarray:
    """The piano keys whose samples play notes: the nearest ones, shifted, on the keyboard.

    Parameters
    ----------
    hz : float array, shape=(notes,), above 0
    shift : semitones from each note's own key

    Returns
    -------
    int array, shape=(notes,), 21-108

    >>> sample_keys(np.array([440.0, 442.0, 4186.0]), 2).tolist()
    [71, 71, 108]
    """
    key, standard = STANDARD
    keys = np.rint(key + 12 * np.log2(np.asarray(hz) / standard)).astype(int) + shift
    return np.clip(keys, LOWEST_KEY, HIGHEST_KEY)


@functools.cache
def _read_orchestra(name: str) -> str:
    file = FOLDER / f"{name}.orc"
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ChoraleError(
            f"{file}: can't be read ({error.strerror}); is the installation complete?"
        ) from error


def _own_fields(notes: np.ndarray, band: Band) -> tuple[list[str], list[list[float]]]:
    """Statements that make tables of samples, and of each note the p-fields from p10 on."""
    needs = np.array([part.instrument.needs for part in band.parts])[notes["voice"]]
    fields = [
        [float(band.parts[voice].variant)] if band.parts[voice].instrument.variants else []
        for voice in notes["voice"]
    ]
    keys = sample_keys(notes["hz"], notes["shift"])
    away = 1200 * np.log2(notes["hz"] / equal_frequencies()[keys])
    error, slope = band.errors[keys].T
    cents = error + slope * np.clip(away, -MEASURED, MEASURED)
    for note in np.flatnonzero(needs == "soundfont"):
        fields[note] = [keys[note], cents[note], *fields[note]]
    sampled = np.flatnonzero(needs == "samples")
    if not len(sampled):
        return [], fields
    statements, rows, _ = sampler_score(notes[sampled], band.samples)
    for note, row in zip(sampled, rows, strict=True):
        fields[note] = list(row)
    return statements, fields


def _frames(seconds: np.ndarray) -> np.ndarray:
    """Whole frames; the millionth keeps halves from falling now this way and now that."""
    return np.floor(seconds * SAMPLE_RATE + 0.5 + 1e-6)


def _run_child(job: dict[str, str], patience: float, name: str, suspect: str) -> str:
    """Run `csound_process` as a program of its own and return Csound's log."""
    try:
        child = run_child(
            [sys.executable, "-P", "-S", csound_process.__file__, str(csound_process.binding())],
            patience=patience,
            text=json.dumps(job),
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )
    except subprocess.TimeoutExpired as error:
        raise ChoraleError(f"{name}: not finished within {patience:.0f} s") from error
    except OSError as error:
        raise ChoraleError(f"{sys.executable}: can't be started ({error.strerror})") from error
    log = child.stdout + child.stderr
    if child.returncode < 0:
        raise ChoraleError(f"{name}: crashed (signal {-child.returncode}){suspect}")
    _listen(child.returncode == 0, log, name)
    return log


def _run_here(job: dict[str, str], name: str) -> str:
    """Run `csound_process` in a thread and return Csound's log.

    Its own thread, since Csound has the processor take the smallest numbers for zero, which
    must not spread to other work; and so that Ctrl-C is heard meanwhile. The end of the
    household of the thread that calls stops it as well.
    """
    stop = Event()
    with ended_by(stop.set), ThreadPoolExecutor(1, thread_name_prefix="csound") as pool:
        task = pool.submit(csound_process.perform, **job, stop=stop)
        try:
            works, log = task.result()
        finally:
            stop.set()
    _listen(works, log, name)
    return log


def _listen(works: bool, log: str, name: str) -> None:
    if not works or _complaints(log):
        raise ChoraleError(f"{name}: {_complaint(log)}")


def _complaints(log: str) -> list[str]:
    """Lines of Csound's log that speak of an error; it ends with a count of them.

    Lines that name the file of the sound don't count: its folder may be called anything.
    """
    words = ("error", "cannot", "can't", "could not", "failed", "deleted", "not found")
    return [
        line.strip()
        for line in log.splitlines()
        if any(word in line.lower() for word in words)
        and not re.search(r"(?<!\d)0 errors in performance", line)
        and not line.rstrip().endswith("(raw)")
    ]


def _complaint(log: str) -> str:
    lines = _complaints(log) or [line.strip() for line in log.splitlines() if line.strip()]
    if lines and re.search(r"errors in performance", lines[0]):
        return f"{lines[0]}, and no reason given; {SCRATCH_FULL}"
    return lines[0] if lines else "it gave no reason"
