"""How far a SoundFont's piano is out of tune, key by key: measured once, remembered.

Samples are tuned by ear and stretched like a piano's strings; most are a few cents off.
Each key is played as `piano.orc` plays it, its pitch is measured, and from then on the
note is asked for so much lower. A piano's pitch drifts as it dies away, and a sample that
plays quicker drifts sooner: so each key is measured a little flat and a little sharp, and
what lies between follows from a straight line.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import numpy as np

from coconet import places
from coconet.errors import ChoraleError
from coconet.files import read_json, write_json
from coconet.render.csound import (
    HIGHEST_KEY,
    LOWEST_KEY,
    Band,
    orchestra_of,
    play_csound,
)
from coconet.render.events import NOTE, Performance
from coconet.render.instruments import parse_part
from coconet.render.soundfonts import NO_SF3, SoundFont
from coconet.render.tape import SAMPLE_RATE
from coconet.tuning import KEYS, equal_frequencies

#: Of a measured note, when the window begins and ends, in seconds: a slow beat
#: of a chorale. (A piano's pitch falls by a cent or two as the note dies away.)
WINDOW = (0.05, 0.85)
#: Seconds between the starts of two measured notes: the first has died away.
APART = WINDOW[1] + 0.5
#: The measured peak is sought within this many cents of equal temperament.
SEARCH = 60
#: Cents below and above equal temperament at which keys are measured.
DETUNED = 30
#: A SoundFont's piano may be this far out of tune; more is not the fundamental.
PLAUSIBLE = 50
#: A piano has at least this many keys that sound in tune.
FEWEST = 48


def calibrate(soundfont: SoundFont, *, cache: bool = True) -> np.ndarray:
    """How far each key of a SoundFont's piano is out of tune; remembered by the file's hash.

    Every key is played `DETUNED` cents below and above its equal-tempered frequency; the
    peak of its spectrum tells how far the sample is off. Keys that a piano lacks, or that
    sound no clear tone, take their nearest neighbour's figures.

    Parameters
    ----------
    cache : read and write the measurement in the user's cache folder

    Returns
    -------
    float array, shape=(128, 2): cents by which each key's sample is too high at its
    equal-tempered frequency, and how many more for each cent that it is played above that

    Raises
    ------
    ChoraleError
        For an .sf3 font, or one without a piano that sounds.
    """
    if soundfont.version == 3:
        raise ChoraleError(f"{soundfont.path}: {NO_SF3}")
    file = places.cache() / f"soundfont-{soundfont.digest()}.json"
    method = _method(soundfont)
    if cache and (remembered := _remembered(file, method)) is not None:
        return remembered
    errors = np.round(_measure(soundfont), 5)
    if cache:
        with contextlib.suppress(ChoraleError):  # an unwritable cache only costs time
            write_json(file, method | {"errors": errors.tolist()})
    return errors


def fundamental(samples: np.ndarray, expected: float, *, rate: int = SAMPLE_RATE) -> float:
    """Frequency of a steady tone near the one expected.

    The peak of the spectrum under a Blackman window, refined by a parabola through the
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
    spectrum = np.abs(np.fft.rfft(samples * np.blackman(len(samples)), size))
    width = 2 ** (SEARCH / 1200)
    low, high = int(expected / width * size / rate), int(expected * width * size / rate) + 2
    peak = low + int(np.argmax(spectrum[low:high]))
    left, middle, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-30)
    if middle <= max(left, right) - 1e-12 or middle < np.log(1e-6 * len(samples)):
        return float("nan")
    return (peak + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / size


def _plain_piano(soundfont: SoundFont) -> Band:
    """The piano as it is measured: uncorrected, at no velocity in particular."""
    return Band((parse_part("piano:plain"),), soundfont)


def _method(soundfont: SoundFont) -> dict:
    """How a measurement is made: one that was made otherwise doesn't count."""
    orchestra = orchestra_of(_plain_piano(soundfont)).replace(str(soundfont.path), "")
    digest = hashlib.blake2b(orchestra.encode(), digest_size=8).hexdigest()
    return {"format": 3, "window": list(WINDOW), "detuned": DETUNED, "orchestra": digest}


def _measure(soundfont: SoundFont) -> np.ndarray:
    keys = np.arange(LOWEST_KEY, HIGHEST_KEY + 1)
    equal = equal_frequencies()[keys]
    low, high = (
        _cents_of(soundfont, keys, equal * 2 ** (cents / 1200)) for cents in (-DETUNED, DETUNED)
    )
    heard = (np.abs(low) <= PLAUSIBLE) & (np.abs(high) <= PLAUSIBLE)
    if heard.sum() < FEWEST:
        raise ChoraleError(
            f"{soundfont.path}: only {heard.sum()} of {len(keys)} piano keys sound in tune; "
            "is it a SoundFont with a piano as its first instrument?"
        )
    nearest = np.abs(np.arange(KEYS)[:, None] - keys[heard]).argmin(axis=1)
    errors = np.stack([(low + high) / 2, (high - low) / (2 * DETUNED)], axis=1)
    return errors[heard][nearest]


def _cents_of(soundfont: SoundFont, keys: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Cents by which each key sounds above the frequency asked for; NaN without a tone."""
    notes = np.zeros(len(keys), NOTE)
    notes["start"] = np.arange(len(keys)) * APART
    notes["duration"] = WINDOW[1]
    notes["key"] = keys
    notes["hz"] = hz
    notes["velocity"] = 100
    notes["pan"] = 0.5
    performance = Performance(notes, len(keys) * APART, 1)
    samples = play_csound(performance, _plain_piano(soundfont), checked=False).mean(axis=1)
    found = np.full(len(keys), np.nan)
    for row, wanted in enumerate(hz):
        first, last = (round((row * APART + edge) * SAMPLE_RATE) for edge in WINDOW)
        found[row] = 1200 * np.log2(fundamental(samples[first:last], wanted) / wanted)
    return found


def _remembered(file: Path, method: dict) -> np.ndarray | None:
    """An earlier measurement, or None where there is none that makes sense."""
    try:
        entry = read_json(file)
        errors = np.array(entry["errors"], float)
    except (ChoraleError, KeyError, TypeError, ValueError):
        return None
    same = all(entry.get(key) == value for key, value in method.items())
    sane = errors.shape == (KEYS, 2) and bool((np.abs(errors) <= PLAUSIBLE).all())
    return errors if same and sane else None
