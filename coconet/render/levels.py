"""How loud sound is: its peak, its true peak, its loudness; the level that a user asks for.

Conventions
-----------
Sound is float, of shape (frames, channels), full scale at ±1. Peaks are dBFS, true
peaks dBTP: decibels below full scale of the samples, and of the waveform between them.
Loudness is the integrated loudness of ITU-R BS.1770-4 in LUFS, every channel with
weight 1 (left, right or mono).

Everything is measured block by block. Memory stays below 50 MB whatever the length,
but for 8 bytes every 100 ms (0.9 MB in three hours), and the size of the blocks changes
nothing.

References
----------
ITU-R BS.1770-4: https://www.itu.int/rec/R-REC-BS.1770-4-201510-S
EBU Tech 3341 (test signals): https://tech.ebu.ch/docs/tech/tech3341.pdf
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from coconet.checks import choice, number, whole
from coconet.errors import ChoraleError, shown
from coconet.render.tape import SAMPLE_RATE, Sound, blocks_of, channels_of

DEFAULT_LEVEL = "peak:-1"
#: True peak in dBTP under which a loudness is met (EBU R 128, section i).
CEILING = -1.0
#: Lowest and highest target of each kind, and true peak.
TARGETS = {"peak": (-60, 0), "lufs": (-60, -5)}
CEILINGS = (-20, 0)
#: Blocks below this, in LUFS, count as silence.
ABSOLUTE_GATE = -70.0
#: LU below the mean of what is left, under which blocks count as pauses.
RELATIVE_GATE = -10.0
#: LUFS of a mean square of 1 after the filter: -0.691, BS.1770-4 section 2.
OFFSET = -0.691
#: A block is 400 ms, four hops; blocks overlap by 75 %.
HOPS = 4
HOP_SECONDS = 0.1
#: Fewest hops of a Fourier transform, and how many at a time, for numpy is quicker so.
WINDOW, TOGETHER = 7, 4
#: Points between two samples, and taps on either side of each, for the true peak.
OVERSAMPLING = 4
HALF_TAPS = 12
#: Frames that share one reading of the true peak.
GROUP = 32


@dataclass(frozen=True)
class Level:
    """What a sound is scaled to.

    Attributes
    ----------
    kind : 'peak' or 'lufs'
    target : dBFS of the highest sample, -60 to 0; or LUFS of the whole, -60 to -5
    ceiling : dBTP that a loudness may not exceed, -20 to 0; of no meaning for a peak
    """

    kind: str
    target: float
    ceiling: float = CEILING

    def __post_init__(self) -> None:
        bounds = TARGETS[choice(self.kind, "level", tuple(TARGETS))]
        object.__setattr__(self, "target", number(self.target, f"level {self.kind}", *bounds))
        object.__setattr__(self, "ceiling", number(self.ceiling, "true peak", *CEILINGS))

    def __str__(self) -> str:
        ceiling = f",{self.ceiling:g}" if self.kind == "lufs" and self.ceiling != CEILING else ""
        return f"{self.kind}:{self.target:g}{ceiling}"


def parse_level(level: str | Level) -> Level:
    """The level that text asks for: a peak of -60 to 0 dBFS, or a loudness of -60 to -5 LUFS.

    Behind a loudness may stand its own true-peak limit, -20 to 0 dBTP.

    >>> parse_level("peak:-1")
    Level(kind='peak', target=-1.0, ceiling=-1.0)
    >>> parse_level("lufs:-18,-2")
    Level(kind='lufs', target=-18.0, ceiling=-2.0)
    """
    if isinstance(level, Level):
        return level
    kind, _, values = str(level).partition(":")
    try:
        target, *ceiling = (float(word) for word in values.split(","))
    except ValueError as error:
        raise ChoraleError(
            f"level {shown(level)}: expected peak:-1, or another peak of -60 to 0 dBFS; or "
            "lufs:-18, a loudness of -60 to -5 LUFS, behind it if need be ,-2 for a true peak "
            "of -20 to 0 dBTP"
        ) from error
    if len(ceiling) > (choice(kind, "level", tuple(TARGETS)) == "lufs"):
        raise ChoraleError(f"level {shown(level)}: too many numbers; expected as in peak:-1")
    return Level(kind, target, *ceiling)


def decibels(factor: float) -> float:
    """A factor of amplitude in decibels; -inf for 0.

    >>> decibels(0.5)
    -6.020599913279624
    """
    return 20 * math.log10(factor) if factor > 0 else -math.inf


def factor(gain: float) -> float:
    """Decibels as a factor of amplitude.

    >>> factor(-20)
    0.1
    """
    return 10 ** (gain / 20)


def peak_of(sound: Sound) -> float:
    """The highest absolute sample of any sound; NaN where a sample is."""
    peak = 0.0
    for block in blocks_of(sound):
        # Without the copy that abs() makes; NaN comes through both.
        for end in (block.max(initial=0.0), block.min(initial=0.0)):
            peak = max(peak, abs(float(end))) if end == end else math.nan
        if math.isnan(peak):
            return peak
    return peak


def peak_level(sound: Sound) -> float:
    """Peak in dBFS; -inf for silence.

    >>> peak_level(np.array([[0.5, -1.0]]))
    0.0
    """
    return decibels(peak_of(sound))


def set_level(samples: np.ndarray, level: str | Level = DEFAULT_LEVEL) -> np.ndarray:
    """Scale an array to a level; the same shape, float32. Silence stays silence.

    A loudness is met as far as the true peak allows, without a limiter; where it can't
    be measured the true peak is set to the ceiling. `finish` in `render/finish.py` limits,
    and says what it did.

    Raises ChoraleError as `parse_level` and `measure` do.
    """
    wanted, measured = parse_level(level), measure(samples)
    gain = plain_gain(measured, wanted)
    if wanted.kind == "lufs" and math.isfinite(measured.true_peak):
        gain = min(gain, wanted.ceiling - measured.true_peak)
    return samples.astype(np.float32) * np.float32(factor(gain))


def plain_gain(measured: Measures, wanted: Level) -> float:
    """Decibels that bring what was measured to a level, whatever they do to its true peak.

    Where there is no loudness, the true peak goes to the ceiling; silence stays as it is.
    """
    if not math.isfinite(measured.peak):
        return 0.0
    if wanted.kind == "peak":
        return wanted.target - measured.peak
    if measured.loudness is None:
        return wanted.ceiling - measured.true_peak
    gain = 0.0
    # What is lifted out of the gate counts from then on: a few turns settle that.
    for _ in range(4):
        louder = measured.loudness_at(gain)
        gain += wanted.target - (measured.loudness if louder is None else louder)
    return gain


# --- loudness ----------------------------------------------------------------


def k_weighting(rate: int) -> np.ndarray:
    """The filter of BS.1770-4, figures 2 to 4, at any rate: second-order sections, (2, 6).

    A high shelf for the head, then a high-pass. The standard prints coefficients for
    48 kHz alone; these come from the analogue filters behind them by the bilinear
    transform, and agree with the printed ones to 1e-10.
    """
    shelf, high, quality = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = math.tan(math.pi * shelf / rate)
    top, middle = 10 ** (high / 20), 10 ** (high / 20 * 0.4996667741545416)
    a0 = 1 + k / quality + k * k
    head = [
        (top + middle * k / quality + k * k) / a0,
        2 * (k * k - top) / a0,
        (top - middle * k / quality + k * k) / a0,
        1,
        2 * (k * k - 1) / a0,
        (1 - k / quality + k * k) / a0,
    ]
    corner, quality = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * corner / rate)
    a0 = 1 + k / quality + k * k
    low = [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0]
    return np.array([head, low])


@functools.cache
def _weighting(rate: int, frames: int) -> np.ndarray:
    """The spectrum of `k_weighting` at the frequencies of a transform: complex64."""
    turn = np.exp(-2j * np.pi * np.arange(frames // 2 + 1) / frames)
    powers = turn ** np.arange(3)[:, None]
    sections = k_weighting(rate)
    return np.prod((sections[:, :3] @ powers) / (sections[:, 3:] @ powers), axis=0).astype("c8")


class LoudnessMeter:
    """Integrated loudness of sound that comes in blocks.

    The filter is applied by the Fourier transform (overlap-save), which needs numpy alone.
    The first hop of each transform only brings the filter into the state in which what
    came before left it: in a hop its slowest part loses 180 dB.

    Parameters
    ----------
    channels : how many there are
    rate : frames a second, 8000 to 384000
    """

    def __init__(self, channels: int = 2, rate: int = SAMPLE_RATE) -> None:
        rate = whole(rate, "rate", 8000, 384_000)
        self._hop = round(HOP_SECONDS * rate)
        self._transform = 1 << (WINDOW * self._hop - 1).bit_length()
        self._filter = _weighting(rate, self._transform)
        self._hops = self._transform // self._hop - 1
        self._rows = np.zeros((channels, (1 + TOGETHER * self._hops) * self._hop), np.float32)
        self._filled = self._hop
        self._energies: list[np.ndarray] = []

    def feed(self, block: np.ndarray) -> None:
        """Take the next block: float array, shape=(frames, channels)."""
        place, size = 0, self._rows.shape[1]
        while place < len(block):
            count = min(len(block) - place, size - self._filled)
            end = self._filled + count
            self._rows[:, self._filled : end] = block[place : place + count].T
            place, self._filled = place + count, end
            if end == size:
                self._energies.append(self._weighted())
                self._rows[:, : self._hop] = self._rows[:, -self._hop :]
                self._filled = self._hop

    @property
    def energies(self) -> np.ndarray:
        """Mean square of each hop of 100 ms, channels added: float array, shape=(hops,)."""
        return np.concatenate([*self._energies, self._weighted()])

    def _weighted(self) -> np.ndarray:
        """The energies of the hops that are full, but for the first."""
        channels, _ = self._rows.shape
        width = (1 + self._hops) * self._hop
        windows = np.lib.stride_tricks.sliding_window_view(self._rows, width, axis=1)
        windows = windows[:, :: self._hops * self._hop]
        spectra = np.fft.rfft(windows, self._transform)
        spectra *= self._filter
        heard = np.fft.irfft(spectra, self._transform)[:, :, self._hop : width]
        hops = heard.reshape(channels, TOGETHER, self._hops, self._hop)
        energies = np.vecdot(hops, hops).sum(axis=0, dtype=float).ravel() / self._hop
        return energies[: self._filled // self._hop - 1]


def integrated(energies: np.ndarray, gain: float = 0.0) -> float | None:
    """Gated loudness, in LUFS, of hops that are made `gain` decibels louder.

    energies : float array, shape=(hops,), as `LoudnessMeter` gives them

    None where nothing can be measured: less than one block of 400 ms, or no block above
    the absolute gate.
    """
    if len(energies) < HOPS:
        return None
    blocks = np.lib.stride_tricks.sliding_window_view(energies, HOPS).mean(axis=1)
    blocks = blocks * factor(gain) ** 2
    loud = blocks[blocks > 10 ** ((ABSOLUTE_GATE - OFFSET) / 10)]
    if not len(loud):
        return None
    loud = loud[loud > loud.mean() * 10 ** (RELATIVE_GATE / 10)]
    return OFFSET + 10 * math.log10(loud.mean())


def loudness(sound: Sound, rate: int = SAMPLE_RATE) -> float | None:
    """Integrated loudness in LUFS; None where it is too short or too soft to be measured.

    >>> seconds = np.arange(3 * 44100) / 44100
    >>> tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * seconds)
    >>> round(loudness(np.stack([tone, tone], axis=1)), 1)
    -23.0
    """
    return measure(sound, rate).loudness


# --- the true peak -----------------------------------------------------------


def _between() -> np.ndarray:
    """Samples to the points between them, for a whole group: float32 matrix.

    Rows are the frames of a group and `HALF_TAPS` on either side, columns the points a
    quarter, a half and three quarters of a frame after each frame of the group.
    """
    taps = np.arange(-HALF_TAPS + 1, HALF_TAPS + 1)
    matrix = np.zeros((GROUP + 2 * HALF_TAPS, GROUP, OVERSAMPLING - 1))
    for point in range(1, OVERSAMPLING):
        distance = taps - point / OVERSAMPLING
        window = np.i0(8 * np.sqrt(1 - (distance / HALF_TAPS) ** 2))
        weights = np.sinc(distance) * window
        weights /= weights.sum()
        for frame in range(GROUP):
            first = frame + 1
            matrix[first : first + len(taps), frame, point - 1] = weights
    return matrix.reshape(len(matrix), -1).astype(np.float32)


class GroupPeaks:
    """The true peak of every `GROUP` frames of sound that comes in blocks.

    The waveform is looked at in four places a frame, as BS.1770-4 annex 2 asks: at the
    samples, and between them by a windowed sinc of 24 taps. Before and after the sound is
    silence. A group is known once `HALF_TAPS` frames behind it are.
    """

    def __init__(self, channels: int = 2) -> None:
        self._matrix = _between()
        # No point between samples is higher than this many times the highest of them.
        self._most = float(np.abs(self._matrix).sum(axis=0).max())
        self._rest = np.zeros((channels, HALF_TAPS), np.float32)

    def feed(self, block: np.ndarray, floor: float = 0.0) -> np.ndarray:
        """Take the next frames: peaks, as factors, of the groups now known, shape=(groups,).

        floor : a group whose peak can't be above this factor counts as 0, which saves
            looking between its samples
        """
        rows = np.concatenate([self._rest, block.T.astype(np.float32)], axis=1)
        groups = max(0, (rows.shape[1] - 2 * HALF_TAPS) // GROUP)
        self._rest = rows[:, groups * GROUP :].copy()
        if not groups:
            return np.zeros(0, np.float32)
        width = GROUP + 2 * HALF_TAPS
        # A group and what surrounds it lie within two stretches of `GROUP` frames.
        stretches = np.arange(0, groups * GROUP + 1, GROUP)
        highest = np.maximum.reduceat(np.abs(rows), stretches, axis=1)
        loud = self._most * np.maximum(highest[:, :-1], highest[:, 1:]) > floor
        windows = np.lib.stride_tricks.sliding_window_view(rows, width, axis=1)
        windows = windows[:, : groups * GROUP : GROUP][loud]
        between, inside = windows @ self._matrix, windows[:, HALF_TAPS:-HALF_TAPS]
        peaks = np.zeros(loud.shape, np.float32)
        peaks[loud] = np.maximum(*(np.abs(points).max(axis=1) for points in (between, inside)))
        return peaks.max(axis=0)

    def end(self, floor: float = 0.0) -> np.ndarray:
        """The peaks of the last groups, the very last perhaps not full."""
        frames = self._rest.shape[1] - HALF_TAPS
        groups = -(-frames // GROUP)
        silence = np.zeros((groups * GROUP - frames + HALF_TAPS, len(self._rest)), np.float32)
        return self.feed(silence, floor)


def true_peak_level(sound: Sound) -> float:
    """True peak in dBTP; -inf for silence.

    >>> tone = 0.5 * np.sin(np.pi / 4 + np.pi / 2 * np.arange(4000)) * np.hanning(4000)
    >>> round(peak_level(tone[:, None]), 1), round(true_peak_level(tone[:, None]), 1)
    (-9.0, -6.0)
    """
    return measure(sound).true_peak


# --- everything at once ------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured.

    Attributes
    ----------
    peak : dBFS; true_peak : dBTP; -inf for silence
    energies : mean square of each hop of 100 ms, float array, shape=(hops,)
    """

    peak: float
    true_peak: float
    energies: np.ndarray

    @property
    def loudness(self) -> float | None:
        """Integrated loudness in LUFS; None where it can't be measured."""
        return integrated(self.energies)

    def loudness_at(self, gain: float) -> float | None:
        """The loudness after `gain` decibels."""
        return integrated(self.energies, gain)


class Meter:
    """Peak, true peak and loudness of sound that comes in blocks.

    channels : how many there are; rate : frames a second, 8000 to 384000
    """

    def __init__(self, channels: int = 2, rate: int = SAMPLE_RATE) -> None:
        self._loudness = LoudnessMeter(channels, rate)
        self._groups = GroupPeaks(channels)
        self._peak = self._true_peak = 0.0

    def feed(self, block: np.ndarray) -> None:
        """Take the next block: float array, shape=(frames, channels).

        Raises ChoraleError for values that aren't finite.
        """
        peak = peak_of(block)
        if not math.isfinite(peak):
            raise ChoraleError("the sound holds values that aren't finite: it can't be measured")
        self._peak = max(self._peak, peak)
        self._true_peak = max(self._true_peak, peak)
        self._heard(self._groups.feed(block, self._true_peak))
        self._loudness.feed(block)

    def measures(self) -> Measures:
        """What there is to say once all blocks are fed."""
        self._heard(self._groups.end(self._true_peak))
        return Measures(decibels(self._peak), decibels(self._true_peak), self._loudness.energies)

    def _heard(self, peaks: np.ndarray) -> None:
        self._true_peak = max(self._true_peak, float(peaks.max(initial=0.0)))


def measure(sound: Sound, rate: int = SAMPLE_RATE) -> Measures:
    """Peak, true peak and loudness of any sound, in one reading of it.

    Raises ChoraleError for an array that is no sound, and for values that aren't finite.
    """
    meter = Meter(channels_of(sound), rate)
    for block in blocks_of(sound):
        meter.feed(block)
    return meter.measures()
