"""A limiter: the true peak held under a ceiling, as inaudibly as can be.

Both channels are turned down together, so that the image stays where it is. The gain is
worked out every 32 frames: it is down 6 ms before a peak comes, stays down while the
peak lasts, and comes back within a fraction of a second. What never comes near the
ceiling is only multiplied by a constant.

The scheme, a running maximum followed by a running mean of the same length, so that the
mean has arrived where the maximum wants it: Hämäläinen, "Smoothing of the control signal
without clipped output in digital peak limiters", DAFx-02.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from coconet.checks import number
from coconet.errors import ChoraleError
from coconet.render.levels import GROUP, GroupPeaks, factor
from coconet.render.tape import SAMPLE_RATE, channels_of

#: Groups of `GROUP` frames over which the gain goes down: 6 ms.
ATTACK = 8
#: Seconds in which a reduction in decibels falls to 1/e of itself.
RELEASE = 0.15
#: Decibels kept below the ceiling: a moving gain bends the waveform between samples.
MARGIN = 0.05
#: Reductions below this many decibels are none.
LEAST = 1e-4


class Limiter:
    """Sound that comes in blocks, made louder and then limited.

    Parameters
    ----------
    gain : decibels by which all is made louder first
    ceiling : dBTP that the result stays under
    channels : how many there are

    Attributes
    ----------
    reduction : most decibels taken away so far
    """

    def __init__(self, gain: float, ceiling: float, channels: int = 2) -> None:
        self.reduction = 0.0
        self._gain = gain
        self._threshold = ceiling - MARGIN
        # What stays under this before the gain needs no closer look.
        self._floor = factor(self._threshold - gain)
        self._peaks = GroupPeaks(channels)
        self._sound = np.zeros((0, channels), np.float32)
        # Reductions that groups ask for, from the one before the first edge that isn't
        # worked out. Edges begin before the sound does: the gain may have to be down at once.
        self._asked = np.zeros(1 + ATTACK)
        self._held = np.zeros(ATTACK)
        self._early = ATTACK
        # The gain at the edge where `_sound` begins, once it is known.
        self._edge = np.zeros(0)

    def feed(self, block: np.ndarray) -> np.ndarray:
        """Take the next block; give what is ready, which lags behind by 10 ms or so."""
        self._sound = np.concatenate([self._sound, block.astype(np.float32)])
        return self._ready(self._peaks.feed(block, self._floor))

    def end(self) -> np.ndarray:
        """What is left when there is no more to come."""
        last = np.append(self._peaks.end(self._floor), np.zeros(ATTACK + 2, np.float32))
        return self._ready(last)

    def _ready(self, peaks: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            wanted = 20 * np.log10(peaks, dtype=float) + self._gain - self._threshold
        self._asked = np.append(self._asked, np.maximum(wanted, 0))
        edges = len(self._asked) - 1 - ATTACK
        if edges < 1:
            return self._sound[:0]
        # An edge lies between two groups and must do for both; `ATTACK` groups ahead the
        # gain begins to go down.
        windows = np.lib.stride_tricks.sliding_window_view(self._asked, ATTACK + 2)
        held = _released(windows.max(axis=1), self._held[-1])
        padded = np.append(self._held, held)
        smooth = np.convolve(padded, np.full(ATTACK + 1, 1 / (ATTACK + 1)), "valid")
        smooth[smooth < LEAST] = 0
        self._asked, self._held = self._asked[edges:], padded[-ATTACK:]
        self.reduction = max(self.reduction, float(smooth.max()))
        gains = np.append(self._edge, 10 ** ((self._gain - smooth[self._early :]) / 20))
        self._early = max(0, self._early - edges)
        self._edge = gains[-1:]
        return self._turned(gains) if len(gains) else self._sound[:0]

    def _turned(self, gains: np.ndarray) -> np.ndarray:
        """The frames between the edges that are known, each times its gain."""
        frames = min((len(gains) - 1) * GROUP, len(self._sound))
        ready, self._sound = self._sound[:frames], self._sound[frames:]
        if gains.min() == gains.max():
            return ready * np.float32(gains[0])
        slopes = np.diff(gains)[:, None] * (np.arange(GROUP) / GROUP)
        ramps = (gains[:-1, None] + slopes).astype(np.float32)
        return ready * ramps.reshape(-1, 1)[:frames]


def _released(asked: np.ndarray, before: float) -> np.ndarray:
    """Reductions that fall off by themselves no quicker than the release lets them.

    held[n] = max(asked[n], held[n - 1] * fall). Divided by fall ** n this is a running
    maximum; in logarithms, and a stretch at a time, nothing overflows.
    """
    slope = GROUP / SAMPLE_RATE / RELEASE
    rise = np.arange(1, len(asked) + 1) * slope
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(asked) + rise, np.log(before))
    return np.exp(np.maximum.accumulate(logs) - rise)


def limited(limiter: Limiter, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """All that a limiter makes of some blocks, in order."""
    for block in blocks:
        yield limiter.feed(block)
    yield limiter.end()


def limit(samples: np.ndarray, ceiling: float, gain: float = 0.0) -> np.ndarray:
    """An array made `gain` decibels louder and held under a true peak: float32, same shape.

    samples : float array, shape=(frames, 1 or 2), at 44100 frames a second
    ceiling : dBTP, -60 to 0; gain : dB, -120 to 120

    Raises ChoraleError for other numbers, an array that is no sound, and values that
    aren't finite.

    >>> loud = np.sin(np.arange(44100) / 20)[:, None]
    >>> bool(np.abs(limit(loud, -6.0)).max() <= 10 ** (-6 / 20))
    True
    """
    channels = channels_of(samples)
    if not np.isfinite(samples).all():
        raise ChoraleError("the sound holds values that aren't finite: it can't be limited")
    ceiling, gain = number(ceiling, "ceiling", -60, 0), number(gain, "gain", -120, 120)
    blocks = limited(Limiter(gain, ceiling, channels), [samples])
    return np.concatenate(list(blocks))
