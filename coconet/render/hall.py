"""A hall: impulse responses, made or read, and what they do to a sound.

Conventions
-----------
An **impulse response** is what a hall answers to one click, without the click itself: a
float32 array of shape (frames, 2). It has unit energy a channel, so that **wet** means
the same for every hall: the sound becomes (1 - wet) times itself plus wet times the
hall's answer, and noise is as loud in one as in the other. **Decay** is the seconds in
which the answer falls by 60 dB (T60); of a made hall it holds around 500 and 1000 Hz,
as ISO 3382-1 asks, lower tones ring longer and higher ones shorter. **Size** is the
hall's length in metres; **predelay** are seconds of silence before the first reflection,
beyond those that the size brings.

The dry sound is never moved: a recorded response loses the silence before its first
arrival, so that this one falls on the dry sound.

References
----------
Image sources: Allen and Berkley, JASA 65 (1979), 943. Decaying noise: Moorer, "About this
reverberation business", CMJ 3/2 (1979). The transition between both, and the decay
curve: ISO 3382-1; Schroeder, JASA 37 (1965), 409.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from coconet.checks import number
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.render.audio import FORMATS, read_sound, sound_facts
from coconet.render.tape import CHANNELS, SAMPLE_RATE, blocks_of

#: Longest impulse response, in seconds: twice what the longest cathedral needs.
LONGEST = 60.0
#: Name -> length in metres, decay and predelay in seconds, share of the hall's answer.
PRESETS = {
    "room": (7.0, 0.5, 0.0, 0.15),
    "chamber": (14.0, 1.1, 0.004, 0.2),
    "hall": (34.0, 1.9, 0.008, 0.25),
    "church": (55.0, 4.2, 0.015, 0.3),
}
NO_HALL = "none"
#: How much of each channel a made hall answers through the other one.
BLEND = 0.35
#: Width and height over length: near Sepmeyer's ratios, which spread a room's tones evenly.
SHAPE = (1.0, 0.72, 0.46)
#: Metres a second, in air at 20 °C.
SPEED = 343.2
#: Frequency in Hz -> decay over that at 500-1000 Hz, and level in dB; straight lines between.
BANDS = {
    63: (1.15, -4.0),
    125: (1.12, -1.0),
    250: (1.06, 0.0),
    500: (1.0, 0.0),
    1000: (1.0, 0.0),
    2000: (0.9, -1.0),
    4000: (0.7, -3.0),
    8000: (0.45, -6.0),
    16000: (0.28, -14.0),
}
#: Frames of noise that share one spectrum.
STRETCH = 1024
#: A recorded response begins above this share of its peak (ISO 3382-1: below -20 dB).
ONSET = 10 ** (-30 / 20)
#: What is softer than this share of the peak, -100 dB, is cut off its end.
END = 1e-5
#: Most frames of a Fourier transform, and how many at a time, for numpy is quicker with four rows.
TRANSFORM, TOGETHER = 1 << 18, 2


@dataclass(frozen=True, eq=False)
class Hall:
    """An impulse response, and how much of it is heard.

    Parameters
    ----------
    impulse : float array, shape=(frames, 2) or (frames,), at 44100 frames a second; one
        channel serves for both. It is scaled to unit energy a channel
    wet : 0-1
    name : how messages call it
    blend : 0-1: share of each channel that sounds through the other one's response. 0
        keeps left and right apart, 0.5 makes the hall answer both alike

    Raises ChoraleError for an empty, silent or overlong response, and for one that isn't
    finite or has another number of channels.
    """

    impulse: np.ndarray = field(repr=False)
    wet: float = 0.25
    name: str = "impulse"
    blend: float = 0.0

    def __post_init__(self) -> None:
        impulse = _checked(self.impulse, self.name)
        # In double precision: a minute of small squares adds up.
        energy = np.square(impulse, dtype=float).sum() / CHANNELS
        object.__setattr__(self, "impulse", (impulse / math.sqrt(energy)).astype(np.float32))
        object.__setattr__(self, "wet", number(self.wet, f"{self.name}: wet", 0, 1))
        object.__setattr__(self, "blend", number(self.blend, f"{self.name}: blend", 0, 1))

    @property
    def seconds(self) -> float:
        """How much longer a sound becomes, and a frame's time less."""
        return len(self.impulse) / SAMPLE_RATE


def _checked(impulse: np.ndarray, name: str) -> np.ndarray:
    """A response of two channels that can be used, shape=(frames, 2)."""
    impulse = np.asarray(impulse)
    if impulse.ndim == 1:
        impulse = impulse[:, None]
    if impulse.ndim != 2 or impulse.dtype.kind != "f":
        raise ChoraleError(
            f"{name}: expected a float array of shape (frames, 2), "
            f"got {impulse.dtype} of shape {impulse.shape}"
        )
    _check_shape(*impulse.shape, SAMPLE_RATE, name)
    if not np.isfinite(impulse).all():
        raise ChoraleError(f"{name}: the impulse response holds values that aren't finite")
    if np.abs(impulse).max() < np.finfo(np.float32).tiny:
        raise ChoraleError(f"{name}: the impulse response is silent")
    return np.broadcast_to(impulse, (len(impulse), CHANNELS))


def _check_shape(frames: int, channels: int, rate: int, name: str) -> None:
    if channels == 4:
        raise ChoraleError(
            f"{name}: four channels (true stereo) mean four responses, from left and right to "
            "left and right: expected one or two channels; keep the first and the last"
        )
    if channels not in (1, CHANNELS):
        raise ChoraleError(
            f"{name}: expected an impulse response of one or two channels, got {channels}"
        )
    if not 0 < frames <= LONGEST * rate:
        raise ChoraleError(
            f"{name}: expected an impulse response of up to {LONGEST:.0f} s, "
            f"got {frames / rate:.1f} s; is it a piece of music?"
        )


# --- a hall of one's own making ----------------------------------------------


def make_hall(
    size: float = 34.0,
    decay: float = 1.9,
    predelay: float = 0.008,
    *,
    wet: float = 0.25,
    blend: float = BLEND,
    name: str = "hall",
    rng: np.random.Generator | None = None,
) -> Hall:
    """An impulse response from a hall's size and decay.

    The first reflections come from the walls of a shoebox, in time and direction. Noise,
    other noise left and right, grows out of them and decays at each frequency at its own
    rate. Both share one energy, so that the decay is straight from the beginning.

    Parameters
    ----------
    size : length in metres, 2 to 200
    decay : T60 in seconds around 500-1000 Hz, 0.1 to 20
    predelay : seconds, 0 to 0.5
    wet, blend : as `Hall` takes them
    rng : draws the noise; by default always the same

    >>> make_hall(decay=1.0).impulse.shape
    (51068, 2)
    """
    size = number(size, f"{name}: size", 2, 200)
    decay = number(decay, f"{name}: decay", 0.1, 20)
    predelay = number(predelay, f"{name}: predelay", 0, 0.5)
    rng = np.random.default_rng(0) if rng is None else rng
    frames = round(decay * max(ring for ring, _ in BANDS.values()) * SAMPLE_RATE)
    times = np.arange(frames) / SAMPLE_RATE
    # Reflections are too dense to be told apart after about the square root of the volume
    # in cubic metres, in milliseconds (Polack); in a dry room most is over before.
    mixing = min(math.sqrt(size**3 * math.prod(SHAPE)) / 1000, decay / 8)
    delays, gains = _reflections(size, mixing)
    first = delays.min()
    onset = np.clip((times - first) / max(mixing - first, 1e-3), 0, 1)
    onset = np.sin(np.pi / 2 * onset) ** 2
    tail = _noise(frames, decay, rng) * onset[:, None]
    early = _bursts(delays, gains, frames, rng)
    # The reflections carry what the growing noise leaves of an even decay.
    even = np.exp(-2 * math.log(1000) * times / decay)
    missing = (even * (1 - onset**2) * (times >= first)).sum()
    share = missing / (even * onset**2).sum()
    early *= math.sqrt(share * np.square(tail).sum() / np.square(early).sum())
    impulse = early + tail
    fade = frames // 20
    impulse[-fade:] *= (0.5 + 0.5 * np.cos(np.pi * np.arange(fade) / fade))[:, None]
    impulse = np.pad(impulse, ((round(predelay * SAMPLE_RATE), 0), (0, 0)))
    return Hall(impulse, wet, name, blend)


def _reflections(size: float, until: float) -> tuple[np.ndarray, np.ndarray]:
    """Delays behind the direct sound, in seconds, and gains, shape=(reflections, 2).

    Image sources of a shoebox up to the third order. Singers and listener stand off the
    middle, so that few reflections fall together.
    """
    room = size * np.array(SHAPE)
    source, listener = room * (0.21, 0.46, 0.31), room * (0.67, 0.55, 0.27)
    direct = np.linalg.norm(source - listener)
    orders = np.array(list(itertools.product(range(-3, 4), repeat=3)))
    order = np.abs(orders).sum(axis=1)
    orders, order = orders[(order > 0) & (order <= 3)], order[(order > 0) & (order <= 3)]
    images = np.where(orders % 2, room - source, source) + orders * room
    away = images - listener
    paths = np.linalg.norm(away, axis=1)
    # Equal power between left and right by the angle across the hall.
    angle = np.pi / 4 * (1 + away[:, 1] / paths)
    strength = 0.85**order * direct / paths
    gains = strength[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    delays = (paths - direct) / SPEED
    soon = delays <= max(until, np.sort(delays)[5])
    return delays[soon], gains[soon]


def _bursts(
    delays: np.ndarray, gains: np.ndarray, frames: int, rng: np.random.Generator
) -> np.ndarray:
    """The first reflections, shape=(frames, 2): each a click scattered over 3 ms.

    Walls scatter; a row of bare clicks would colour the sound like a comb.
    """
    length = round(0.003 * SAMPLE_RATE)
    times = np.arange(length) / SAMPLE_RATE
    fall = np.exp(-times / 0.0006)
    early = np.zeros((frames + length, CHANNELS))
    for delay, gain in zip(delays, gains, strict=True):
        burst = rng.normal(size=(length, CHANNELS)) * fall[:, None] * 0.5
        burst[0] += 1
        first = min(round(delay * SAMPLE_RATE), frames)
        early[first : first + length] += burst * gain
    # Walls take the high tones first: a one-pole low-pass at 4.9 kHz.
    dull = 0.5 ** np.arange(16)
    return np.stack([np.convolve(row, dull)[:frames] for row in early.T], axis=1)


def _noise(frames: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Noise that decays at every frequency at its own rate, shape=(frames, 2).

    Short stretches of noise, each with the spectrum that is left at its time, overlap by
    half under windows whose squares add up to one.
    """
    hop = STRETCH // 2
    starts = hop * np.arange(-1, -(-frames // hop))
    frequencies = np.fft.rfftfreq(STRETCH, 1 / SAMPLE_RATE)
    rings = [ring for ring, _ in BANDS.values()]
    rates = math.log(1000) / (decay * np.interp(_octaves(frequencies), range(len(rings)), rings))
    middles = (starts + hop) / SAMPLE_RATE
    levels = _colour(frequencies) * np.exp(-middles[:, None] * rates)
    window = np.sin(np.pi * (np.arange(STRETCH) + 0.5) / STRETCH)
    noise = np.zeros(((len(starts) + 1) * hop, CHANNELS))
    for channel in noise.T:
        spectra = np.fft.rfft(rng.normal(size=(len(starts), STRETCH)), axis=1) * levels
        parts = np.fft.irfft(spectra, STRETCH, axis=1) * window
        channel[:-hop] += parts[:, :hop].ravel()
        channel[hop:] += parts[:, hop:].ravel()
    return noise[hop : hop + frames]


def _colour(frequencies: np.ndarray) -> np.ndarray:
    """The level of the bands as one smooth curve, silent below the lowest: a factor each."""
    levels = [level for _, level in BANDS.values()]
    octaves = _octaves(frequencies)
    low = np.sqrt(np.clip(1 + octaves, 0, 1))
    return low * 10 ** (np.interp(octaves, np.arange(len(levels)), levels) / 20)


def _octaves(frequencies: np.ndarray) -> np.ndarray:
    """Octaves above the lowest band; 0 Hz lies far below."""
    return np.log2(np.maximum(frequencies, 1) / min(BANDS))


# --- a hall from text or a file ----------------------------------------------


def parse_hall(text: str | Hall | None) -> Hall | None:
    """The hall that text asks for, or None for none.

    'room', 'chamber', 'hall', 'church', 'none', or the path of a sound file with an
    impulse response, of any rate and one or two channels; behind a colon options:
    'hall:wet=0.3,decay=2.5', 'church:size=80,predelay=0.03', 'own.wav:wet=0.2,blend=0.3'.

    Raises ChoraleError for what is unknown, out of range, or can't be read.

    >>> parse_hall("hall:wet=0.4").wet, parse_hall("none")
    (0.4, None)
    """
    if text is None or isinstance(text, Hall):
        return text
    text = str(text)
    name, options = _options(text)
    if name == NO_HALL:
        if options:
            raise ChoraleError(f"hall {shown(text)}: options count only with a hall")
        return None
    if name in PRESETS:
        known = ("size", "decay", "predelay", "wet")
        _check_known(options, (*known, "blend"), text)
        return make_hall(**{**dict(zip(known, PRESETS[name], strict=True)), **options}, name=name)
    if Path(name).suffix.lower() not in FORMATS:
        names = (*PRESETS, NO_HALL)
        raise ChoraleError(
            f"hall {shown(text)}: expected {', '.join(PRESETS)}, {NO_HALL}, or the path of a "
            f"{', '.join(FORMATS)} file{nearest_name(name, names)}"
        )
    _check_known(options, ("wet", "blend"), text)
    return replace(read_hall(name), **options)


def _options(text: str) -> tuple[str, dict[str, float]]:
    """What stands before the last colon, and the numbers behind it by name."""
    name, colon, rest = text.rpartition(":")
    # A Windows drive, or a file whose name holds a colon, has no '=' behind it.
    if not colon or "=" not in rest:
        return text.strip().removesuffix(":"), {}
    options = {}
    for part in rest.split(","):
        key, _, value = (word.strip() for word in part.partition("="))
        if key in options:
            raise ChoraleError(f"hall {shown(text)}: {key!r} comes twice")
        try:
            options[key] = float(value)
        except ValueError as error:
            raise ChoraleError(f"hall {shown(text)}: expected NAME=NUMBER, got {part!r}") from error
    return name.strip(), options


def _check_known(options: dict[str, float], known: tuple[str, ...], text: str) -> None:
    for key in options:
        if key not in known:
            raise ChoraleError(
                f"hall {shown(text)}: expected one of {', '.join(known)}, "
                f"got {key!r}{nearest_name(key, known)}"
            )


def read_hall(path: Path | str, *, wet: float = 0.25, blend: float = 0.0) -> Hall:
    """An impulse response from a sound file.

    Another rate than 44100 is resampled. One channel serves for both ears. Silence before
    the first arrival is cut off, and so is what is inaudible at the end.

    Raises ChoraleError for a file that can't be read, is truncated, silent or longer than
    a minute, holds values that aren't finite, or has other than one or two channels.
    """
    name = str(path)
    frames, channels, rate = sound_facts(path)
    _check_shape(frames, channels, rate, name)
    impulse = _checked(read_sound(path)[0], name)
    if rate != SAMPLE_RATE:
        from scipy.signal import resample_poly

        common = math.gcd(rate, SAMPLE_RATE)
        impulse = resample_poly(impulse, SAMPLE_RATE // common, rate // common, axis=0)
    loud = np.abs(impulse).max(axis=1)
    first = int(np.argmax(loud >= ONSET * loud.max()))
    last = int(np.flatnonzero(loud >= END * loud.max())[-1]) + 1
    return Hall(impulse[first:last], wet, name, blend)


# --- what a hall does to a sound ---------------------------------------------


def in_hall(blocks: Iterable[np.ndarray], hall: Hall) -> Iterator[np.ndarray]:
    """Sound in a hall, block by block: float32 arrays, shape=(frames, 2).

    blocks : float arrays of shape (frames, 2), of any lengths

    As a whole the result is `len(hall.impulse) - 1` frames longer than the sound. Memory
    doesn't grow with it: 50 MB for a response of a few seconds, 130 MB for a minute. Parts
    of up to 3 s of the response are convolved by the Fourier transform (overlap-add,
    uniformly partitioned; Wefers, "Partitioned convolution algorithms", 2015).
    """
    length = len(hall.impulse)
    transform = min(TRANSFORM, max(TRANSFORM >> 4, 1 << (4 * length - 1).bit_length()))
    part = min(length, transform // 2)
    hop = transform - part + 1 if part == length else part
    spectra = [
        np.fft.rfft(np.float32(hall.wet) * hall.impulse[first : first + part].T, transform)
        for first in range(0, length, part)
    ]
    dry, blend = np.float32([1 - hall.wet, hall.blend])
    sent: deque[np.ndarray] = deque(maxlen=len(spectra))
    rows = np.zeros((CHANNELS, TOGETHER, transform), np.float32)
    over = np.zeros((CHANNELS, transform - hop), np.float32)
    silence = np.broadcast_to(np.float32(0), (length - 1, CHANNELS))
    for chunk in _rechunked(itertools.chain(blocks, blocks_of(silence)), TOGETHER * hop):
        turned = np.ascontiguousarray(chunk.T)
        pieces = np.split(turned, range(hop, len(chunk), hop), axis=1)
        for place, piece in enumerate(pieces):
            rows[:, place, : piece.shape[1]] = piece + blend * (piece[::-1] - piece)
            rows[:, place, piece.shape[1] : hop] = 0
        here = np.fft.rfft(rows[:, : len(pieces)])
        heard = np.empty_like(here)
        for place in range(len(pieces)):
            sent.appendleft(here[:, place])
            np.multiply(sent[0], spectra[0], out=heard[:, place])
            for earlier, spectrum in zip(list(sent)[1:], spectra[1:], strict=False):
                heard[:, place] += earlier * spectrum
        answers = np.fft.irfft(heard, transform)
        result = np.empty_like(chunk)
        for place, piece in enumerate(pieces):
            answer = answers[:, place]
            answer[:, : over.shape[1]] += over
            over = answer[:, hop:].copy()
            result[place * hop : (place + 1) * hop] = (answer[:, : piece.shape[1]] + dry * piece).T
        yield from blocks_of(result)


def _rechunked(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same frames in float32 blocks of `size`; the last may be shorter."""
    held, count = [], 0
    for block in blocks:
        held.append(np.asarray(block, np.float32))
        count += len(block)
        if count < size:
            continue
        joined = np.concatenate(held)
        whole = count // size * size
        yield from (joined[first : first + size] for first in range(0, whole, size))
        held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)
