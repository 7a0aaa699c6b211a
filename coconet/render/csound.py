"""Csound, offline: a calibrated SoundFont piano, or an organ that needs no font.

Frequencies go to Csound in Hz, so the temperament lives in `coconet.tuning`
alone. Csound runs in a child process: a damaged SoundFont can crash it, and
that must not take a notebook along. Its own way of failing is quiet: a missing
font gives silence, a bad score no sound. So its log is searched for errors and
the sound is checked.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import coconet
from coconet import places
from coconet.errors import ChoraleError
from coconet.files import read_json, write_json
from coconet.render.audio import SAMPLE_RATE, check_sound, fit_length, read_sound, scratch_folder
from coconet.render.performance import NOTE, Performance
from coconet.render.soundfonts import NO_SF3, SoundFont, install_command
from coconet.tuning import KEYS, equal_frequencies

INSTRUMENTS = ("piano", "organ")
#: The keys of a piano, which are measured; beyond them the nearest one speaks.
CALIBRATED = range(21, 109)
#: Of a measured note, when the window begins and ends, in seconds: a slow beat
#: of a chorale. (A piano's pitch falls by a cent or two as the note dies away.)
WINDOW = (0.05, 0.85)
#: The measured peak is sought within this many cents of equal temperament.
SEARCH = 60
#: A SoundFont's piano may be this far out of tune; more is not the fundamental.
PLAUSIBLE = 50
#: Seconds that Csound may take: for itself, and for each second of sound. A hang is
#: rare and a crowded machine common, so they are many.
PATIENCE = (300.0, 10.0)
#: Kept with a measurement, which counts only as long as it is made in the same way.
METHOD = {"format": 1, "window": list(WINDOW)}

HEADER = f"""
sr = {SAMPLE_RATE}
ksmps = 32
nchnls = 2
0dbfs = 1
"""

# p4 Hz, p5 key whose sample is played, p6 velocity, p7 pan. The font is always
# asked for velocity 100, since some swap samples above 120; dynamics are in the
# amplitude, 1/32768 being full scale. Flag 1 makes sfplay3 take Hz.
PIANO = """
giFont sfload "{font}"
giPiano sfpreset 0, 0, giFont, 0
instr 1
  aEnv linsegr 0, .003, 1, .25, 0
  iAmp = (p6 / 127)^2 / 32768
  aL, aR sfplay3 100, p5, iAmp, p4, giPiano, 1, 0, 2
  outs aL * aEnv * cos(p7 * $M_PI_2), aR * aEnv * sin(p7 * $M_PI_2)
endin
"""

# Principal, octave, fifth, superoctave …; above C6 the upper partials would
# fold back under half the sampling rate, so high notes have fewer.
ORGAN = """
giFull ftgen 0, 0, 65536, 10, 1, .8, .45, .5, .12, .25, .06, .2, .03, .05, 0, .04, 0, 0, 0, .02
giHigh ftgen 0, 0, 65536, 10, 1, .8, .45, .5
giPure ftgen 0, 0, 65536, 10, 1
instr 1
  iTable = p4 < 1050 ? giFull : (p4 < 5000 ? giHigh : giPure)
  aEnv linsegr 0, .04, 1, .12, 0
  aTone poscil3 .1 * (p6 / 127)^2, p4, iTable
  outs aTone * aEnv * cos(p7 * $M_PI_2), aTone * aEnv * sin(p7 * $M_PI_2)
endin
"""


@functools.cache
def csound_version() -> str:
    """The version of the Csound library, such as '6.18'; raises ChoraleError without it."""
    try:
        import ctcsound
    except ModuleNotFoundError as error:
        raise ChoraleError("Csound's Python binding is missing: pip install ctcsound") from error
    except (OSError, AttributeError, SystemExit) as error:
        raise ChoraleError(
            f"the Csound library is missing ({error}): {install_command('libcsnd-dev')}"
        ) from error
    thousands = ctcsound.libcsound.csoundGetVersion()
    return f"{thousands // 1000}.{thousands // 10 % 100:02d}"


def render_csound(
    performance: Performance, *, instrument: str = "piano", soundfont: SoundFont | None = None
) -> np.ndarray:
    """Sound of a performance.

    Parameters
    ----------
    instrument : 'piano', which needs a `soundfont`, or 'organ'
    soundfont : with plain samples; measured once and corrected

    Returns
    -------
    float32 array, shape=(frames, 2), at `SAMPLE_RATE`, before levelling

    Raises
    ------
    ChoraleError
        Without Csound, for an .sf3 font, and where Csound fails.
    """
    csound_version()
    notes = performance.notes.copy()
    if instrument not in INSTRUMENTS:
        raise ChoraleError(f"instrument {instrument!r}: expected one of {', '.join(INSTRUMENTS)}")
    if instrument == "piano" and soundfont is None:
        raise ChoraleError(
            f"Csound's piano needs a SoundFont: {install_command('fluid-soundfont-gm')}"
        )
    if instrument == "organ":
        name, orchestra = "Csound", ORGAN
    else:
        name, orchestra = f"Csound, {soundfont.path}", _piano(soundfont)
        keys = np.clip(np.rint(69 + 12 * np.log2(notes["hz"] / 440)), 0, KEYS - 1).astype(int)
        notes["key"] = keys
        notes["hz"] *= 2 ** (-calibrate(soundfont)[keys] / 1200)
    samples = _play(orchestra, notes, performance.seconds, name)
    check_sound(samples, performance.seconds, name=name, spans=performance.spans)
    return fit_length(samples, performance.seconds)


def calibrate(soundfont: SoundFont, *, cache: bool = True) -> np.ndarray:
    """How far each key of a SoundFont's piano is out of tune; remembered by the file's hash.

    Every key is played at its equal-tempered frequency; the peak of its
    spectrum tells how far the sample is off. Keys that a piano lacks, or that
    sound no clear tone, take their nearest neighbour's figure.

    Parameters
    ----------
    cache : read and write the measurement in the user's cache folder

    Returns
    -------
    float array, shape=(128,), cents measured above those asked for

    Raises
    ------
    ChoraleError
        For an .sf3 font, or one without a piano that sounds.
    """
    if soundfont.version == 3:
        raise ChoraleError(f"{soundfont.path}: {NO_SF3}")
    file = places.cache() / f"soundfont-{soundfont.digest()}.json"
    if cache and (remembered := _remembered(file)) is not None:
        return remembered
    cents = np.round(_measure(soundfont), 4)
    if cache:
        entry = METHOD | {"cents": cents.tolist()}
        with contextlib.suppress(ChoraleError):  # an unwritable cache only costs time
            write_json(file, entry)
    return cents


def fundamental(samples: np.ndarray, expected: float, *, rate: int = SAMPLE_RATE) -> float:
    """Frequency of a steady tone near the one expected.

    The peak of the Hann-windowed spectrum, refined by a parabola through the
    logarithms of three bins; zero-padding makes the parabola's bias vanish.

    Parameters
    ----------
    samples : float array, shape=(frames,)
    expected : Hz; the peak is sought within `SEARCH` cents of it

    Returns
    -------
    Hz, or NaN where there is no peak within the search
    """
    size = 8 * 2 ** int(np.ceil(np.log2(len(samples))))
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    width = 2 ** (SEARCH / 1200)
    low, high = int(expected / width * size / rate), int(expected * width * size / rate) + 2
    peak = low + int(np.argmax(spectrum[low:high]))
    left, middle, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-30)
    if middle <= max(left, right) - 1e-12 or middle < np.log(1e-6 * len(samples)):
        return float("nan")
    return (peak + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / size


def _measure(soundfont: SoundFont) -> np.ndarray:
    keys = np.array(CALIBRATED)
    apart = WINDOW[1] + 0.4
    notes = np.zeros(len(keys), NOTE)
    notes["start"] = np.arange(len(keys)) * apart
    notes["duration"] = WINDOW[1]
    notes["key"] = keys
    notes["velocity"] = 100
    notes["pan"] = 0.5
    equal = equal_frequencies()
    notes["hz"] = equal[keys]
    seconds = len(keys) * apart
    name = f"Csound, {soundfont.path}"
    samples = _play(_piano(soundfont), notes, seconds, name)
    check_sound(samples, seconds, name=name)
    samples = samples.mean(axis=1)
    found = np.full(len(keys), np.nan)
    for row, key in enumerate(keys):
        start = notes["start"][row]
        first, last = (int((start + edge) * SAMPLE_RATE) for edge in WINDOW)
        found[row] = 1200 * np.log2(fundamental(samples[first:last], equal[key]) / equal[key])
    heard = np.abs(found) <= PLAUSIBLE
    if heard.sum() < 48:
        raise ChoraleError(
            f"{soundfont.path}: only {heard.sum()} of {len(keys)} piano keys sound in tune; "
            "is it a SoundFont with a piano as its first instrument?"
        )
    nearest = np.abs(np.arange(KEYS)[:, None] - keys[heard]).argmin(axis=1)
    return found[heard][nearest]


def _remembered(file: Path) -> np.ndarray | None:
    """An earlier measurement, or None where there is none that makes sense."""
    try:
        entry = read_json(file)
        cents = np.array(entry["cents"], float)
    except (ChoraleError, KeyError, TypeError, ValueError):
        return None
    same = all(entry.get(key) == value for key, value in METHOD.items())
    return cents if same and cents.shape == (KEYS,) else None


def _piano(soundfont: SoundFont) -> str:
    path = str(soundfont.path)
    if any(letter in path for letter in '"\\\n'):
        raise ChoraleError(f"{path}: Csound can't read a path with quotes or backslashes")
    return PIANO.format(font=path)


def _play(orchestra: str, notes: np.ndarray, seconds: float, name: str) -> np.ndarray:
    """Run Csound on notes; `f 0` keeps it going until the end."""
    score = [f"f 0 {seconds:.6f}"]
    for note in notes:
        score.append(
            f"i1 {note['start']:.6f} {note['duration']:.6f} {note['hz']:.9f} "
            f"{note['key']} {note['velocity']} {note['pan']:.4f}"
        )
    with scratch_folder() as folder:
        sound = folder / "sound.wav"
        job = {"orchestra": HEADER + orchestra, "score": "\n".join(score), "sound": str(sound)}
        log = _run_child(job, PATIENCE[0] + PATIENCE[1] * seconds, name)
        if not sound.exists():
            raise ChoraleError(f"{name}: no sound was written: {_complaint(log)}")
        samples, _ = read_sound(sound)
    return samples


def _run_child(job: dict[str, str], patience: float, name: str) -> str:
    """Run `_perform` in a child process and return Csound's log."""
    package = str(Path(coconet.__file__).resolve().parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", "coconet.render.csound"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
    except subprocess.TimeoutExpired as error:
        raise ChoraleError(f"{name}: not finished within {patience:.0f} s") from error
    log = child.stdout + child.stderr
    if child.returncode < 0:
        raise ChoraleError(
            f"{name}: crashed (signal {-child.returncode}); is the SoundFont damaged?"
        )
    if child.returncode != 0 or _complaints(log):
        raise ChoraleError(f"{name}: {_complaint(log)}")
    return log


def _complaints(log: str) -> list[str]:
    """Lines of Csound's log that speak of an error; it ends with a count of them."""
    words = ("error", "cannot", "can't", "could not", "failed", "deleted", "not found")
    return [
        line.strip()
        for line in log.splitlines()
        if any(word in line.lower() for word in words) and "0 errors in performance" not in line
    ]


def _complaint(log: str) -> str:
    lines = _complaints(log) or [line.strip() for line in log.splitlines() if line.strip()]
    return lines[0] if lines else "it gave no reason"


def _perform(orchestra: str, score: str, sound: str) -> int:
    """In the child: render a score to a float WAV; the log goes to standard output."""
    import ctcsound

    ctcsound.csoundInitialize(3)  # no signal handlers: Ctrl-C stays Python's
    engine = ctcsound.Csound()
    engine.createMessageBuffer(False)
    for option in ("-d", "-m0", "-W", "-f", f"-o{sound}"):
        engine.setOption(option)
    steps = (
        lambda: engine.compileOrc(orchestra),
        lambda: engine.readScore(score),
        engine.start,
    )
    failed = any(step() != 0 for step in steps)
    while not failed and engine.performKsmps() == 0:
        pass
    engine.cleanup()  # closes the file
    while engine.messageCnt():
        sys.stdout.write(engine.firstMessage())
        engine.popFirstMessage()
    return int(failed)


if __name__ == "__main__":
    sys.exit(_perform(**json.load(sys.stdin)))
