"""How far notes sound from where a temperament wants them, in cents.

Every instrument plays every key from C2 to C6 in every temperament that is shipped, on C;
the worst error of each is printed. FluidSynth is judged by the difference from the same
key rendered equal, so that its SoundFont's own error drops out. Some of the font's voices
are two that beat with each other: then the peak that was measured in equal temperament is
followed, though the other one may be the higher for once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from coconet.chorale import Chorale
from coconet.render.bands import csound_band
from coconet.render.csound import play_csound
from coconet.render.events import NOTE, Performance
from coconet.render.fluidsynth import play_fluidsynth
from coconet.render.instruments import INSTRUMENTS
from coconet.render.soundfonts import find_soundfont
from coconet.render.tape import SAMPLE_RATE
from coconet.tuning import equal_frequencies, load_tuning, tuning_names

#: The octave of `scale_piece`, and seconds of each note.
KEYS = range(60, 72)
SECONDS = 1.5
#: C2 to C6; seconds from note to note, seconds held, and the window that is measured.
RANGE = range(36, 85)
APART, HELD, WINDOW = 1.5, 0.9, (0.05, 0.85)
#: A peak is sought so far to either side, as a share of the frequency: 34 cents; 80 where
#: the font may be so far out of tune; 3 where the peak is followed from another rendering.
REACH, WIDE, NARROW = 0.02, 0.047, 0.002


def scale_piece() -> Chorale:
    """The octave from C4 in one voice, two quarters a note at 80: 1.5 s each."""
    return Chorale(np.repeat(list(KEYS), 8)[None], tempo=80, tonic=0)


def measured(samples: np.ndarray, rate: int, expected: float, reach: float = REACH) -> float:
    """Hz of a tone: where the spectrum of all samples under a Blackman window is highest.

    The spectrum is summed up at any frequency that is asked for, on ever finer grids.
    Nothing of it is shared with the package's own estimator, which fits a parabola to
    three bins of an FFT. Its own bias, on tones of many harmonics, is below 0.001 cents.
    """
    times = np.arange(len(samples)) / rate
    windowed = samples * np.blackman(len(samples))
    best, reach = expected, reach * expected
    while reach > 1e-6 * expected:
        # As fine at first, whatever the reach: a peak must not lie between two points.
        half = max(8, round(8 * reach / (REACH * expected)))
        grid = best + reach * np.linspace(-1, 1, 2 * half + 1)
        # Neighbours on the grid differ by one and the same turn.
        turn = np.exp(-2j * np.pi * (grid[1] - grid[0]) * times)
        wave = windowed * np.exp(-2j * np.pi * grid[0] * times)
        heights = []
        for _ in grid:
            heights.append(abs(wave.sum()))
            wave *= turn
        best, reach = grid[int(np.argmax(heights))], reach / 6
    return float(best)


def cents_of_scale(
    path: Path, window: tuple[float, float] = (0.05, 0.85), flat: float = 1.0
) -> np.ndarray:
    """Cents from equal temperament of the 12 notes of `scale_piece`, float, shape=(12,).

    window : the stretch of each note that is measured, in seconds from its start
    flat : factor by which the whole scale stands off A4 = 440 Hz
    """
    samples, rate = soundfile.read(path)
    mono = samples.mean(axis=1)
    equal = equal_frequencies()[KEYS.start : KEYS.stop]
    found = []
    for note, hz in enumerate(equal):
        first, last = (int((SECONDS * note + edge) * rate) for edge in window)
        found.append(measured(mono[first:last], rate, hz * flat))
    return 1200 * np.log2(np.array(found) / equal)


def keyboard(hz: np.ndarray, keys: range = RANGE) -> Performance:
    """One key after the other in one voice, `APART` seconds each, held for `HELD`.

    hz : float array, shape=(128,), the frequency of each key
    """
    notes = np.zeros(len(keys), NOTE)
    notes["start"] = np.arange(len(keys)) * APART
    notes["duration"] = HELD
    notes["key"] = keys
    notes["hz"] = hz[list(keys)]
    notes["velocity"] = 80
    notes["pan"] = 0.5
    return Performance(notes, len(keys) * APART, 1)


def cents_of_keyboard(
    samples: np.ndarray,
    performance: Performance,
    known: np.ndarray | None = None,
    reach: float = REACH,
) -> np.ndarray:
    """Cents by which each note of `keyboard` sounds too high: float, shape=(notes,).

    known : what they are about, where that is known, to follow one peak of several
    reach : how far a peak is sought to either side, as a share of its frequency
    """
    mono, found = samples.mean(axis=1), []
    near = np.zeros(len(performance.notes)) if known is None else known
    for note, cents in zip(performance.notes, near, strict=True):
        first, last = (int((note["start"] + edge) * SAMPLE_RATE) for edge in WINDOW)
        expected = note["hz"] * 2 ** (cents / 1200)
        found.append(measured(mono[first:last], SAMPLE_RATE, expected, reach))
    return 1200 * np.log2(np.array(found) / performance.notes["hz"])


def main() -> None:
    font = find_soundfont(plain=True)
    names = [
        f"{name}:{variant}" if variant else name
        for name, instrument in INSTRUMENTS.items()
        if instrument.needs != "samples" and (font or not instrument.needs_font)
        for variant in [word for word, _ in instrument.variants] or [""]
    ]
    print("Worst error in cents, C2-C6, tonic C")
    print(f"{'Csound':24}" + "".join(f"{name[:11]:>12}" for name in tuning_names()))
    for name in names:
        band, row = csound_band(name, voices=1, soundfont=font), ""
        for temperament in tuning_names():
            performance = keyboard(load_tuning(temperament).frequencies(0))
            errors = cents_of_keyboard(play_csound(performance, band), performance)
            row += f"{np.abs(errors).max():12.4f}"
        print(f"{name:24}{row}", flush=True)
    if font is None:
        return
    print("FluidSynth, as the difference from equal")
    for name, instrument in INSTRUMENTS.items():
        if instrument.program is None:
            continue
        own, row = None, ""
        for temperament in ("equal", *tuning_names()):
            performance = keyboard(load_tuning(temperament).frequencies(0))
            samples = play_fluidsynth(performance, instruments=name, soundfont=font)
            if own is None:
                own = cents_of_keyboard(samples, performance, reach=WIDE)
            else:
                cents = cents_of_keyboard(samples, performance, own, NARROW)
                row += f"{np.abs(cents - own).max():12.4f}"
        print(f"{name:24}{row}", flush=True)


if __name__ == "__main__":
    main()
