"""The last steps: a hall, silence trimmed, ends faded, the level set.

Nothing is read more often than it must: what a hall answers is measured while it is
written, what is trimmed or faded is read once more, and again where a limiter is needed.
What is merely trimmed, faded and scaled becomes a `Section`, which is worked out while the
file is written. Memory stays below 100 MB whatever the length (150 MB with an impulse
response of a minute), but for what `render/levels.py` keeps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coconet.checks import number
from coconet.errors import ChoraleError
from coconet.render.hall import Hall, in_hall, parse_hall
from coconet.render.levels import (
    ABSOLUTE_GATE,
    DEFAULT_LEVEL,
    Level,
    Measures,
    Meter,
    decibels,
    factor,
    measure,
    parse_level,
    peak_of,
    plain_gain,
)
from coconet.render.limiter import MARGIN, Limiter, limited
from coconet.render.tape import BLOCK, SAMPLE_RATE, SILENCE, Section, Tape, ahead

#: dB below the peak under which sound at the ends is silence.
TRIM = -60.0
#: Seconds of fade: before the first sound, after the last, and of an end that is cut hard.
FADE_IN, FADE_OUT, CUT_OUT = 0.005, 0.05, 0.01
#: Most decibels that the limiter may take away; more is heard.
MOST_LIMITING = 6.0
#: LU by which a limited sound may miss its loudness, and how often that is tried for.
CLOSE, TRIES = 0.05, 6
#: LU from which on a miss is reported.
MISSED = 0.2


@dataclass(frozen=True, eq=False)
class Finished:
    """A sound that is ready to be written.

    Attributes
    ----------
    tape : the sound: a tape of its own, or a section of one in the scratch folder or of
        the one that was given; it lasts as long as that one
    peak : dBFS; true_peak : dBTP
    loudness_before, loudness : LUFS before the level was set and after, or None where
        the sound is too short or too soft to be measured
    gain : decibels by which all was made louder
    reduction : most decibels that the limiter took away; 0 where there was none
    trimmed : seconds cut off at the beginning and at the end
    warnings : one line each
    """

    tape: Tape | Section
    peak: float
    true_peak: float
    loudness_before: float | None
    loudness: float | None
    gain: float
    reduction: float
    trimmed: tuple[float, float]
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.tape.seconds


def finish(
    tape: Tape,
    *,
    scratch: Path | str,
    hall: str | Hall | None = None,
    trim: bool | float | None = False,
    level: str | Level = DEFAULT_LEVEL,
) -> Finished:
    """Put a tape into a hall, trim it, fade its ends and set its level.

    Parameters
    ----------
    tape : stays as it is, and must be there as long as the result is used
    scratch : folder for two more tapes, of names that no others have
    hall : as `parse_hall` in `render/hall.py` takes it
    trim : whether silence at both ends is cut off; or what is silence, in dB below the
        peak, -120 to -20 (True: -60). What comes before the first sound fades in over
        5 ms, what comes after the last fades out over 50 ms. An end that is cut off while
        it sounds fades over 10 ms, trimmed or not
    level : 'peak:-1' sets the highest sample; 'lufs:-18' sets the loudness and holds the
        true peak under -1 dBTP, if need be by a limiter that takes at most 6 dB away.
        What is too short or too soft to be measured gets that true peak instead

    Raises
    ------
    ChoraleError
        For options that are wrong, an empty or silent tape, values that aren't finite.
    """
    wanted, hall = parse_level(level), parse_hall(hall)
    plain = trim is None or isinstance(trim, bool | np.bool_)
    threshold = TRIM if plain else number(trim, "trim", -120, -20)
    measured = None
    if hall is not None:
        wet = Tape.beside(scratch, f"{tape.path.stem}-hall")
        measured = _copied(in_hall(tape.blocks(), hall), wet)
        tape, peak = wet, factor(measured.peak)
    else:
        peak = peak_of(tape)
    if not math.isfinite(peak):
        raise ChoraleError("the sound holds values that aren't finite: it can't be finished")
    if peak < SILENCE:
        raise ChoraleError(
            f"the sound is silent (peak {decibels(peak):.1f} dBFS): does the instrument sound?"
        )
    section = _section(tape, peak * factor(threshold), trim=bool(trim) if plain else True)
    if measured is None or section != Section(tape, 0, len(tape)):
        measured = measure(section)
    trimmed = section.first / SAMPLE_RATE, (len(tape) - section.last) / SAMPLE_RATE
    return _levelled(section, measured, wanted, trimmed, Path(scratch))


def _copied(blocks: Iterator[np.ndarray], tape: Tape) -> Measures:
    """Put blocks on a tape, and measure them meanwhile."""
    meter = Meter()
    for block in ahead(blocks):
        tape.append(block)
        meter.feed(block)
    return meter.measures()


# --- the ends ----------------------------------------------------------------


def _section(tape: Tape, threshold: float, *, trim: bool) -> Section:
    """What is kept of a tape, with its fades."""
    first, last = _first_above(tape, threshold), _last_above(tape, threshold) + 1
    before, after = (min(round(s * SAMPLE_RATE), BLOCK) for s in (FADE_IN, FADE_OUT))
    cut = min(round(CUT_OUT * SAMPLE_RATE), len(tape))
    if not trim:
        return Section(tape, 0, len(tape), fade_out=cut if last > len(tape) - cut else 0)
    start, end = max(0, first - before), min(len(tape), last + after)
    fade_out = max(end - last, cut) if end == len(tape) else end - last
    return Section(tape, start, end, fade_in=first - start, fade_out=min(fade_out, end - start))


def _first_above(tape: Tape, threshold: float) -> int:
    """The first frame at or above a threshold that some frame reaches."""
    place = 0
    for block in tape.blocks():
        loud = np.abs(block).max(axis=1) >= threshold
        if loud.any():
            return place + int(np.argmax(loud))
        place += len(block)
    return place


def _last_above(tape: Tape, threshold: float) -> int:
    """The last frame at or above a threshold that some frame reaches."""
    for first in range((len(tape) - 1) // BLOCK * BLOCK, -1, -BLOCK):
        loud = np.abs(tape.read(first, first + BLOCK)).max(axis=1) >= threshold
        if loud.any():
            return first + int(np.flatnonzero(loud)[-1])
    return 0


# --- the level ---------------------------------------------------------------


def _levelled(
    section: Section,
    measured: Measures,
    wanted: Level,
    trimmed: tuple[float, float],
    scratch: Path,
) -> Finished:
    if not math.isfinite(measured.peak):
        raise ChoraleError("nothing is left of the sound once its ends are faded")
    gain = plain_gain(measured, wanted)
    warnings = []
    if wanted.kind == "lufs" and measured.loudness is None:
        warnings.append(
            "the sound is too short or too soft for its loudness to be measured: its true "
            f"peak is set to {wanted.ceiling:g} dBTP instead"
        )
    elif wanted.kind == "lufs" and measured.true_peak + gain > wanted.ceiling:
        return _under_ceiling(section, measured, gain, wanted, trimmed, scratch)
    true_peak = measured.true_peak + gain
    if wanted.kind == "peak" and true_peak > 0:
        warnings.append(
            f"the true peak is {true_peak:+.1f} dBTP: some players will clip; "
            f"choose level peak:{wanted.target - true_peak - 1:.0f} or a loudness"
        )
    # Rounded down, so that in float32 nothing exceeds the target.
    times = float(np.nextafter(np.float32(factor(gain)), np.float32(0)))
    return Finished(
        Section(
            section.tape, section.first, section.last, times, section.fade_in, section.fade_out
        ),
        measured.peak + gain,
        true_peak,
        measured.loudness,
        measured.loudness_at(gain),
        gain,
        0.0,
        trimmed,
        tuple(warnings),
    )


def _under_ceiling(
    section: Section,
    measured: Measures,
    gain: float,
    wanted: Level,
    trimmed: tuple[float, float],
    scratch: Path,
) -> Finished:
    """The loudness met by a limiter, which takes some of it away again: the gain is tried.

    The gain grows by the secant method until the loudness is met, or until the limiter
    would take away more than it may.
    """
    room = wanted.ceiling - MARGIN - measured.true_peak
    most = room + MOST_LIMITING
    gain, tried = min(gain, most), []
    tape = Tape.beside(scratch, f"{section.tape.path.stem}-limited")
    for _ in range(TRIES):
        tape.cut(0)
        limiter, meter = Limiter(gain, wanted.ceiling), Meter()
        for block in ahead(limited(limiter, section.blocks())):
            tape.append(block)
            meter.feed(block)
        result = meter.measures()
        found = ABSOLUTE_GATE if result.loudness is None else result.loudness
        missing = wanted.target - found
        if abs(missing) <= CLOSE or (gain >= most and missing > 0):
            break
        tried.append((gain, missing))
        gain = min(most, _next_gain(tried, room))
    warnings = ()
    if abs(missing) > MISSED:
        warnings = (
            f"the loudness is {found:.1f} LUFS instead of {wanted.target:g}: the limiter "
            f"takes {limiter.reduction:.1f} dB off the peaks, and more would be heard",
        )
    return Finished(
        tape,
        result.peak,
        result.true_peak,
        measured.loudness,
        result.loudness,
        gain,
        limiter.reduction,
        trimmed,
        warnings,
    )


def _next_gain(tried: list[tuple[float, float]], room: float) -> float:
    """The gain to be tried next, from gains and the loudness that each left missing.

    room : the gain up to which nothing is limited. Beyond it the limiter takes away about
        the square of what is too much: that is the slope until two tries show it
    """
    gain, missing = tried[-1]
    if len(tried) < 2:
        slope = 1 - 2 * missing / (gain - room)
    else:
        before, lacked = tried[-2]
        slope = (lacked - missing) / (gain - before)
    return gain + missing / min(max(slope, 0.2), 1.0)
