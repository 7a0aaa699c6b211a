"""How far each of the 12 degrees sounds from where the temperament wants it, in cents.

Every synthesiser that works here plays the octave from C4 in Secor's temperament
on C. FluidSynth is judged by the difference from the same key rendered equal, so
that its SoundFont's own error drops out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import soundfile

from coconet.chorale import Chorale
from coconet.render import available_sound, render
from coconet.theory import NAMES
from coconet.tuning import equal_frequencies, load_tuning

KEYS = range(60, 72)
SECONDS = 1.5


def scale_piece() -> Chorale:
    """The octave from C4 in one voice, two quarters a note at 80: 1.5 s each."""
    return Chorale(np.repeat(list(KEYS), 8)[None], tempo=80, tonic=0)


def measured(samples: np.ndarray, rate: int, expected: float) -> float:
    """Hz of a tone: shifted down to 0 Hz, averaged in blocks, and a very long FFT of those.

    Nothing of it is shared with the package's own estimator, which fits a
    parabola to three bins of a plain FFT.
    """
    block, size = 256, 2**18
    times = np.arange(len(samples)) / rate
    shifted = samples * np.blackman(len(samples)) * np.exp(-2j * np.pi * expected * times)
    blocks = shifted[: len(shifted) // block * block].reshape(-1, block).mean(axis=1)
    offsets = np.fft.fftfreq(size, block / rate)
    near = np.abs(offsets) < 0.02 * expected
    return expected + offsets[near][np.argmax(np.abs(np.fft.fft(blocks, size))[near])]


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


def main() -> None:
    wanted = load_tuning().deviations(0)
    print(f"{'':22}" + "".join(f"{name:>8}" for name in NAMES) + f"{'worst':>8}")
    print(f"{'wanted, from equal':22}" + "".join(f"{cents:8.3f}" for cents in wanted))
    with tempfile.TemporaryDirectory() as folder:
        for way in available_sound():
            if not way.works:
                print(f"{way.synth} {way.instrument}: {'; '.join(way.missing)}")
                continue
            cents = []
            for tuning in ("secor-victorian", "equal"):
                path = Path(folder) / f"{way.synth}-{way.instrument}-{tuning}.wav"
                render(
                    scale_piece(), path, synth=way.synth, instrument=way.instrument, tuning=tuning
                )
                cents.append(cents_of_scale(path))
            own = cents[1] if way.synth == "fluidsynth" else 0
            errors = cents[0] - own - wanted
            row = "".join(f"{error:8.3f}" for error in [*errors, np.abs(errors).max()])
            print(f"{f'{way.synth} {way.instrument}':22}{row}")


if __name__ == "__main__":
    main()
