"""From notes to voices: which note belongs to the soprano, alto, tenor, bass.

Where a source keeps its voices apart (a track, a staff, a layer each), they
stay apart. Where it mixes them, notes are dealt to voices by the least total
movement, so that a held note under a crossing and a rest keep their voice.
Times are steps; spans are half open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, groupby, pairwise, permutations
from math import floor
from statistics import median
from typing import NamedTuple

from coconet.errors import ChoraleError
from coconet.grid import RANGES, STEPS_PER_QUARTER, VOICES, voice_name
from coconet.streams import Note, Signatures

#: Cost in semitones of movement: a crossing pair, a semitone outside the voice's
#: range, a semitone from the middle of it.
CROSSING, OUTSIDE, OFF_CENTRE = 3.0, 2.0, 0.1
#: Partial assignments kept at each step. One state a permutation of four voices
#: is 24; more than that only arise where some voices hold and others move.
BEAM = 24


class Span(NamedTuple):
    """One note on the grid."""

    start: int
    end: int
    pitch: int
    fermata: bool = False


@dataclass(frozen=True)
class Part:
    """The notes of one track, staff or layer, as they came."""

    name: str
    notes: Sequence[Note]


@dataclass(frozen=True)
class RawPiece:
    """What a file says, before its notes are dealt to voices."""

    parts: Sequence[Part]
    signatures: Signatures
    title: str = ""
    bwv: str = ""
    key: tuple[int, str] | None = None
    fermatas: Sequence[int] = ()
    steps: int = 0
    """Length where the source knows it; else 0, and the last note ends the piece."""
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Voicing:
    """Notes dealt to voices.

    Attributes
    ----------
    lines : by row, the notes of a voice, in order and without overlap
    voices : number of rows, a multiple of four
    remarks : sentences for a person: what was done, with counts
    """

    lines: dict[int, list[Span]]
    voices: int = len(VOICES)
    remarks: list[str] = field(default_factory=list)


def deal(
    parts: Sequence[Part],
    *,
    rows: Sequence[int] | None = None,
    strict: bool = False,
    name: str = "piece",
    kind: str = "track",
) -> Voicing:
    """Deal the notes of a source's parts to voices.

    Parameters
    ----------
    parts : the tracks or layers with notes, in the source's order
    rows : the voices that the source holds, where the user says so
    strict : refuse notes off the grid instead of moving them
    kind : what the source calls a part, for the remarks

    Raises
    ------
    ChoraleError
        For no notes, more than four voices at once, another number of voices
        than `rows`, or notes off the grid under `strict`.
    """
    remarks: list[str] = []
    laid = [(part.name, snap(part.notes)) for part in parts if part.notes]
    if not laid:
        raise ChoraleError(f"{name}: there are no notes in it")
    _report_rounding([moved for _, (_, moved) in laid], strict, name, remarks)
    # What is a line as played stays one, also where the grid makes two of its notes meet.
    played = [part.notes for part in parts if part.notes]
    melodic = {i: laid[i][1][0] for i, notes in enumerate(played) if is_line(joined(notes))}
    melodic = _without_overlaps(melodic, remarks)
    parted = [(label, melodic.get(i, spans)) for i, (label, (spans, _)) in enumerate(laid)]

    named = _rows_by_name([label for label, _ in parted]) if rows is None else None
    if named is not None and all(is_line(spans) for _, spans in parted):
        lines = dict(zip(named, (spans for _, spans in parted), strict=True))
        voices = max(4 * (max(named) // 4 + 1), 4)
        remarks.insert(0, f"Voices by the names of the {kind}s.")
        return Voicing(_without_overlaps(lines, remarks), voices, remarks)

    lines = _separate_all([spans for _, spans in parted], name, kind, remarks)
    if rows is not None and len(rows) != len(lines):
        raise ChoraleError(
            f"{name}: expected as many voices as were named ({_names(rows)}), got {len(lines)}"
        )
    placed = tuple(rows) if rows is not None else place(lines)
    if len(lines) < len(VOICES):
        how = "as asked" if rows is not None else "by range; name others with --as (as_=)"
        remarks.insert(0, f"{_count(len(lines), 'voice')}, taken for {_names(placed)} {how}.")
    dealt = dict(zip(placed, lines, strict=True))
    return Voicing(_without_overlaps(dealt, remarks), len(VOICES), remarks)


def snap(notes: Sequence[Note]) -> tuple[list[Span], list[Span]]:
    """Notes on the sixteenth grid, tied ones joined, and those of them that had to move.

    A beginning or end off the grid moves to the nearest step, half a step to
    the later one; a note keeps at least one step.
    """
    spans, moved = [], []
    for note in joined(notes):
        edges = note.start * STEPS_PER_QUARTER, note.end * STEPS_PER_QUARTER
        start, end = (floor(edge + Fraction(1, 2)) for edge in edges)
        span = Span(start, max(end, start + 1), note.pitch, note.fermata)
        spans.append(span)
        if edges != (span.start, span.end):
            moved.append(span)
    return sorted(spans), moved


def joined(notes: Sequence[Note]) -> list[Note]:
    """The notes with each tied one joined to the one before it."""
    out: list[Note] = []
    open_notes: dict[tuple[int, Fraction], int] = {}
    for note in sorted(notes):
        index = open_notes.get((note.pitch, note.start)) if note.tied else None
        if index is None:
            index = len(out)
            out.append(note._replace(tied=False))
        else:
            fermata = out[index].fermata or note.fermata
            out[index] = out[index]._replace(end=note.end, fermata=fermata)
        open_notes[note.pitch, note.end] = index
    return out


def is_line(spans: Sequence[Span] | Sequence[Note]) -> bool:
    """Whether notes make one melodic line, apart from a legato that overlaps a little.

    Two notes that begin together, or a note that covers half of another or
    reaches the next but one, are a chord.
    """
    ordered = sorted(spans)
    for first, second in pairwise(ordered):
        overlap = first.end - second.start
        if first.start == second.start or 2 * overlap > min(
            first.end - first.start, second.end - second.start
        ):
            return False
    return all(a.end <= c.start for a, c in zip(ordered, ordered[2:], strict=False))


def polyphony(spans: Sequence[Span]) -> tuple[int, int]:
    """The most notes that sound at once, and the first step where they do."""
    edges = sorted(
        [(span.start, 1) for span in spans] + [(span.end, -1) for span in spans],
    )
    most, where, now = 0, 0, 0
    for step, change in edges:
        now += change
        if now > most:
            most, where = now, step
    return most, where


def separate(
    spans: Sequence[Span],
    voices: int,
    *,
    ranges: Sequence[tuple[int, int]] | None = None,
) -> list[list[Span]]:
    """Divide notes among voices by the least total movement.

    Dynamic programming over the moments where notes begin: a state is who
    sang what last and until when; each new note goes to a voice that is free.
    The cost is the distance from a voice's last pitch, plus `CROSSING` for
    each pair of voices out of order, plus the distance from the voices'
    ranges, where they are given.

    Parameters
    ----------
    spans : at most `voices` of them sound at once
    voices : number of lines to make, highest first
    ranges : lowest and highest pitch a voice

    Returns
    -------
    list of `voices` lists of Span
    """
    # A state: per voice (last pitch or None, end of its last note). Beside it
    # its cost and the trail of who got what.
    states: dict[tuple, tuple[float, tuple | None]] = {((None, 0),) * voices: (0.0, None)}
    for start, group in groupby(sorted(spans), key=lambda span: span.start):
        new = list(group)
        reached: dict[tuple, tuple[float, tuple | None]] = {}
        for state, (cost, trail) in states.items():
            free = [voice for voice in range(voices) if state[voice][1] <= start]
            for chosen in permutations(free, len(new)):
                later = list(state)
                price = cost
                for voice, span in zip(chosen, new, strict=True):
                    price += _step_cost(state[voice][0], span.pitch, ranges and ranges[voice])
                    later[voice] = (span.pitch, span.end)
                sounding = [pitch for pitch, end in later if end > start]
                price += CROSSING * sum(a < b for a, b in combinations(sounding, 2))
                key = tuple(later)
                if key not in reached or price < reached[key][0]:
                    reached[key] = (price, (trail, tuple(zip(chosen, new, strict=True))))
        states = dict(sorted(reached.items(), key=lambda item: item[1][0])[:BEAM])
    lines: list[list[Span]] = [[] for _ in range(voices)]
    _, trail = min(states.values(), key=lambda value: value[0])
    while trail is not None:
        trail, given = trail
        for voice, span in given:
            lines[voice].append(span)
    return [sorted(line) for line in lines]


def place(lines: Sequence[Sequence[Span]]) -> tuple[int, ...]:
    """The rows of one to four lines, highest first, that fit the voices' ranges best.

    A lone line within the soprano's range is the soprano: it is most likely a
    melody to harmonise.
    """
    if len(lines) == 1:
        low, high = RANGES[0]
        if all(low <= span.pitch <= high for span in lines[0]):
            return (0,)
    return min(
        combinations(range(len(VOICES)), len(lines)),
        key=lambda rows: sum(
            _misfit(line, RANGES[row]) for line, row in zip(lines, rows, strict=True)
        ),
    )


def _separate_all(
    parts: list[list[Span]], name: str, kind: str, remarks: list[str]
) -> list[list[Span]]:
    """Lines, highest first, out of parts that are lines or chords."""
    most, where = polyphony([span for spans in parts for span in spans])
    if all(is_line(spans) for spans in parts) and len(parts) <= len(VOICES):
        if len(parts) == len(VOICES):
            remarks.insert(0, f"Four {kind}s, one a voice, from the highest to the lowest.")
        return sorted(parts, key=_height, reverse=True)
    if most > len(VOICES):
        raise ChoraleError(
            f"{name}: {most} voices sound at once at step {where}"
            f" (quarter {where // STEPS_PER_QUARTER + 1}): expected one to four, or tracks"
            " named soprano, alto, tenor, bass, soprano 2 …"
        )
    sizes = [1 if is_line(spans) else polyphony(spans)[0] for spans in parts]
    if len(parts) > 1 and sum(sizes) <= len(VOICES):
        remarks.insert(
            0, f"{_count(len(parts), kind)} with chords, divided into voices by least movement."
        )
        ordered = sorted(zip(parts, sizes, strict=True), key=lambda p: _height(p[0]), reverse=True)
        return [
            line
            for spans, size in ordered
            for line in ([list(spans)] if size == 1 else separate(spans, size))
        ]
    pooled = sorted(span for spans in parts for span in spans)
    remarks.insert(
        0,
        f"{_count(len(parts), kind)} with up to {most} notes at once,"
        " divided into voices by least movement.",
    )
    return separate(pooled, most, ranges=RANGES if most == len(VOICES) else None)


def _without_overlaps(lines: dict[int, list[Span]], remarks: list[str]) -> dict[int, list[Span]]:
    """Each line with notes cut where the next begins; of two that begin together, the longer."""
    cut, dropped = 0, 0
    for row, line in lines.items():
        whole: list[Span] = []
        for span in sorted(line):
            if whole and whole[-1].start == span.start:
                dropped += 1
                whole.pop()
            elif whole and whole[-1].end > span.start:
                cut += 1
                whole[-1] = whole[-1]._replace(end=span.start)
            whole.append(span)
        lines[row] = whole
    if cut:
        remarks.append(f"{_count(cut, 'note')} overlapped the next of the voice: cut there.")
    if dropped:
        remarks.append(f"{_count(dropped, 'short note')} shared a step with the next: left out.")
    return lines


def _report_rounding(
    moved: Sequence[Sequence[Span]], strict: bool, name: str, remarks: list[str]
) -> None:
    count = sum(map(len, moved))
    if not count:
        return
    first = min(span.start for spans in moved for span in spans)
    if strict:
        raise ChoraleError(
            f"{name}: {_count(count, 'note')} off the sixteenth grid, the first near step {first}"
            " (triplets, or played by hand?): quantise them, or read without --strict"
        )
    remarks.append(
        f"{_count(count, 'note')} off the sixteenth grid moved to the nearest step,"
        f" the first near step {first}."
    )


def _rows_by_name(names: Sequence[str]) -> list[int] | None:
    """Rows by parts' names, such as 'Soprano' or 'tenor 2'; None unless all tell, apart."""
    rows = []
    for name in names:
        match = re.match(r"\s*(soprano|alto|tenor|bass)\b\s*(\d{1,2})?", name, re.IGNORECASE)
        if not match:
            return None
        quartet = int(match[2] or 1)
        rows.append(4 * (max(quartet, 1) - 1) + VOICES.index(match[1].lower()))
    return rows if len(set(rows)) == len(rows) else None


def _step_cost(last: int | None, pitch: int, limits: tuple[int, int] | None) -> float:
    cost = 0.0 if last is None else float(abs(pitch - last))
    if limits:
        low, high = limits
        cost += OUTSIDE * max(0, low - pitch, pitch - high)
        cost += OFF_CENTRE * abs(pitch - (low + high) / 2)
    return cost


def _misfit(line: Sequence[Span], limits: tuple[int, int]) -> float:
    low, high = limits
    outside = sum(max(0, low - span.pitch, span.pitch - high) for span in line) / len(line)
    return 12 * outside + abs(_height(line) - (low + high) / 2)


def _height(line: Sequence[Span]) -> float:
    return median(span.pitch for span in line) if line else 0.0


def _names(rows: Sequence[int]) -> str:
    return " and ".join(voice_name(row) for row in rows)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
