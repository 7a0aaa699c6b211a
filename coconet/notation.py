"""What a chorale looks like on paper: bars, note values, ties, beams, accidentals.

Everything that a score needs beyond the grid is decided here, so that a writer
of some format only has to spell it out. Durations count sixteenths.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from coconet.chorale import Chorale, parse_time_signature
from coconet.grid import STEPS_PER_QUARTER, notes_of
from coconet.spelling import name_of, spell

#: Sixteenths -> the note's name and its dots.
VALUES = {
    1: ("16th", 0),
    2: ("eighth", 0),
    3: ("eighth", 1),
    4: ("quarter", 0),
    6: ("quarter", 1),
    8: ("half", 0),
    12: ("half", 1),
    16: ("whole", 0),
    24: ("whole", 1),
}
BEAMS = {1: 2, 2: 1, 3: 1}
SIGNS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}


class Measure(NamedTuple):
    """A bar: its number as printed (an upbeat is 0), its span, and where in the bar it begins."""

    number: int
    start: int
    end: int
    offset: int


@dataclass
class Symbol:
    """One printed note or rest: a note is several, tied, where it crosses a bar line."""

    start: int
    end: int
    pitch: int = 0
    place: int = 0
    tied_from: bool = False
    tied_to: bool = False
    fermata: bool = False
    written: bool = False
    accidental: str = ""
    beams: tuple[str, ...] = ()
    whole: bool = False
    """A rest that fills a full bar."""

    @property
    def steps(self) -> int:
        return self.end - self.start


def measures(chorale: Chorale) -> list[Measure]:
    """The bars of a chorale; the first may be an upbeat, the last may be short."""
    bar, upbeat, steps = chorale.bar, chorale.upbeat, chorale.steps
    found = [Measure(0, 0, min(upbeat, steps), bar - upbeat)] if upbeat else []
    for number, start in enumerate(range(upbeat, steps, bar), 1):
        found.append(Measure(number, start, min(start + bar, steps), 0))
    return found


def symbols(chorale: Chorale, bars: Sequence[Measure], marked: np.ndarray) -> list[list[Symbol]]:
    """What is printed of each voice, in order, notes and rests, accidentals not yet decided.

    A printed note, one piece of a tied one, counts as written by the model where any
    of its steps is `marked`.
    """
    meter = parse_time_signature(chorale.time_signature)
    places = spell(chorale.grid, chorale.onsets, sharps=chorale.sharps, mode=chorale.mode)
    notes = notes_of(chorale.grid, chorale.onsets)
    crowned = _crowned(chorale, notes)
    voices = []
    for row, line in enumerate(notes):
        printed: list[Symbol] = []
        now = 0
        for index, (start, end, pitch) in enumerate(line):
            printed += _rests(now, start, bars, meter)
            pieces = _pieces(start, end, bars, meter)
            for number, (a, b) in enumerate(pieces):
                last = number == len(pieces) - 1
                printed.append(
                    Symbol(
                        a,
                        b,
                        pitch,
                        places[row][index],
                        tied_from=number > 0,
                        tied_to=not last,
                        fermata=last and (row, index) in crowned,
                        written=bool(marked[row, a:b].any()),
                    )
                )
            now = end
        printed += _rests(now, chorale.steps, bars, meter)
        voices.append(_beamed(printed, bars, meter))
    return voices


def _crowned(
    chorale: Chorale, notes: Sequence[Sequence[tuple[int, int, int]]]
) -> set[tuple[int, int]]:
    """(voice, index) of the notes that carry a fermata: the highest of each chord.

    Preferably one that ends with the fermata's step, so that reading the score
    gives the same step back.
    """
    crowned = set()
    for step in np.flatnonzero(chorale.fermatas):
        sounding = [
            (end - 1 != step, row, index)
            for row, line in enumerate(notes)
            for index, (start, end, _) in enumerate(line)
            if start <= step < end
        ]
        if sounding:
            crowned.add(min(sounding)[1:])
    return crowned


def by_bar(line: Sequence[Symbol], bars: Sequence[Measure]) -> list[list[Symbol]]:
    """A voice's symbols, bar by bar."""
    found: list[list[Symbol]] = [[] for _ in bars]
    for symbol in line:
        found[_bar_at(symbol.start, bars)].append(symbol)
    return found


def bar_length(meter: tuple[int, int]) -> int:
    """Steps of a full bar."""
    return meter[0] * 16 // meter[1]


def _bar_at(step: int, bars: Sequence[Measure]) -> int:
    return bisect_right(bars, step, key=lambda bar: bar.start) - 1


def _rests(start: int, end: int, bars: Sequence[Measure], meter: tuple[int, int]) -> list[Symbol]:
    if start >= end:
        return []
    full = bar_length(meter)
    pieces = _pieces(start, end, bars, meter, rest=True)
    return [Symbol(low, high, whole=high - low == full) for low, high in pieces]


def _pieces(
    start: int,
    end: int,
    bars: Sequence[Measure],
    meter: tuple[int, int],
    *,
    rest: bool = False,
) -> list[tuple[int, int]]:
    """A span cut at bar lines, and within a bar into values that show the beats."""
    pieces = []
    for bar in bars[_bar_at(start, bars) : _bar_at(end - 1, bars) + 1]:
        low, high = max(start, bar.start), min(end, bar.end)
        if rest and high - low == bar_length(meter):
            pieces.append((low, high))
            continue
        while low < high:
            position = low - bar.start + bar.offset
            length = _first_value(position, high - low, meter, rest)
            pieces.append((low, low + length))
            low += length
    return pieces


def _first_value(position: int, length: int, meter: tuple[int, int], rest: bool) -> int:
    """The longest note value that may begin at this place of the bar without hiding a beat."""
    for value in sorted(VALUES, reverse=True):
        if value <= length and _shows_beats(position, value, length, meter, rest=rest):
            return value
    return 1


def _shows_beats(
    position: int, value: int, length: int, meter: tuple[int, int], *, rest: bool
) -> bool:
    beat = _beat(meter)
    into, end = position % beat, position + value
    if into + value <= beat:
        # Within one beat: no dotted value off an eighth, no longer value off a sixteenth.
        return value <= 2 or into % 2 == 0
    middle = 8 if meter == (4, 4) else None
    crosses = middle is not None and position < middle < end
    if into == 0:
        if beat == 6:
            return value % 6 == 0
        if rest:
            return value in (4, 8, 16) and not (crosses and position % 8)
        return value % 4 == 0 or value == 6
    # Off the beat only the plain syncopation, never over the middle of 4/4.
    syncopation = value == length == beat == 4 and into == 2
    return syncopation and not rest and not crosses


def _beat(meter: tuple[int, int]) -> int:
    """Steps a beat: a dotted quarter in 6/8, 9/8, 12/8; a quarter otherwise."""
    beats, unit = meter
    return 6 if unit == 8 and beats % 3 == 0 and beats > 3 else STEPS_PER_QUARTER


def _beamed(line: list[Symbol], bars: Sequence[Measure], meter: tuple[int, int]) -> list[Symbol]:
    """Join eighths and sixteenths of one beat by beams."""
    beat = _beat(meter)
    groups: dict[tuple[int, int], list[Symbol]] = defaultdict(list)
    for symbol in line:
        bar = bars[_bar_at(symbol.start, bars)]
        groups[bar.start, (symbol.start - bar.start + bar.offset) // beat].append(symbol)
    for group in groups.values():
        run: list[Symbol] = []
        for symbol in [*group, None]:
            if symbol and symbol.pitch and symbol.steps in BEAMS:
                run.append(symbol)
            else:
                _join(run)
                run = []
    return line


def _join(run: Sequence[Symbol]) -> None:
    if len(run) < 2:
        return
    counts = [BEAMS[symbol.steps] for symbol in run]
    for index, symbol in enumerate(run):
        beams = []
        for level in range(1, counts[index] + 1):
            before = index > 0 and counts[index - 1] >= level
            after = index + 1 < len(run) and counts[index + 1] >= level
            if before or after:
                beams.append({(0, 1): "begin", (1, 1): "continue", (1, 0): "end"}[before, after])
            else:
                beams.append("forward hook" if index == 0 else "backward hook")
        symbol.beams = tuple(beams)


def mark_accidentals(
    lines: Sequence[Sequence[Symbol]], bars: Sequence[Measure], sharps: int
) -> None:
    """Decide which notes of a staff show an accidental.

    One holds for its line of the staff to the end of the bar, in both voices;
    a note tied over the bar line shows none.
    """
    flat = [symbol for line in lines for symbol in line]
    order = np.argsort([symbol.start for symbol in flat], kind="stable")
    signature = _signature(sharps)
    shown: dict[tuple[int, str, int], int] = {}
    for index in order:
        symbol = flat[index]
        if not symbol.pitch:
            continue
        letter, alteration, octave = name_of(symbol.place, symbol.pitch)
        key = (_bar_at(symbol.start, bars), letter, octave)
        if symbol.tied_from:
            continue
        if alteration != shown.get(key, signature[letter]):
            symbol.accidental = SIGNS[alteration]
            shown[key] = alteration


def _signature(sharps: int) -> dict[str, int]:
    """Alteration of each letter under a key signature."""
    order = "FCGDAEB"
    altered = order[:sharps] if sharps > 0 else order[7 + sharps :] if sharps < 0 else ""
    return {letter: (1 if sharps > 0 else -1) * (letter in altered) for letter in order}
