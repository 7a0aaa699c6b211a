"""Reading music21's streams: from printed notes to the sixteenth grid.

Conventions
-----------
Times of `Note` are quarter notes from the start of the piece, as exact
fractions. Repeats stay as printed, grace notes and unpitched notes are left
out, and tied notes are one note. A **line** is the list of notes of one voice,
in order. music21 itself is imported by whoever makes the stream; here it is
only met through its objects' attributes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coconet.chorale import DEFAULTS, Chorale, bar_steps
from coconet.errors import ChoraleError
from coconet.grid import DTYPE, REST, STEPS_PER_QUARTER, VOICES, notes_of, onsets_of, voice_name
from coconet.theory import find_key, key_sharps

if TYPE_CHECKING:
    from music21.stream import Score, Stream


class Note(NamedTuple):
    """One printed note head: its span in quarters, half open, and how it is marked."""

    start: Fraction
    end: Fraction
    pitch: int
    tied: bool = False
    """It continues the note before it."""
    fermata: bool = False


class Signatures(NamedTuple):
    """What the head of a score says; None where it says nothing."""

    time_signature: str | None
    sharps: int | None
    tempo: float | None
    upbeat: int
    """Steps before the first full bar."""


def chorale_of_stream(
    score: Score,
    *,
    title: str = "",
    bwv: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> tuple[Chorale, int]:
    """A four-part music21 score as a chorale on the sixteenth grid.

    Parameters
    ----------
    score : music21.stream.Score
        Four lines, top down: four parts of one voice each, or fewer parts
        whose measures hold several voices. Among more than four parts those
        named soprano, alto, tenor and bass are taken.
    title, bwv, provenance : what the chorale is to say of itself

    Returns
    -------
    chorale : Chorale
        With onsets, fermatas, key and time signature (the first, where they
        change), upbeat, tempo, and phrases that end at the fermatas.
        `assumed` names what the score does not say.
    rounded : int
        How many notes began or ended off the grid and were moved to the
        nearest step.

    Raises
    ------
    ChoraleError
        Where there are not four lines, a line has chords, or there are no notes.
    """
    name = title or bwv or "score"
    lines = lines_of(choir_of(score))
    if len(lines) != len(VOICES):
        raise ChoraleError(f"{name}: expected four voices, got {len(lines)}")
    signatures = signatures_of(score)
    grid, onsets, fermatas, rounded = lay_out(lines, name=name)
    said = {
        "time_signature": signatures.time_signature,
        "sharps": signatures.sharps,
        "tempo": signatures.tempo,
    }
    assumed = tuple(key for key, value in said.items() if value is None)
    tonic, mode = find_key(grid, sharps=signatures.sharps)
    said["sharps"] = key_sharps(tonic, mode) if signatures.sharps is None else signatures.sharps
    chorale = Chorale(
        grid,
        onsets=onsets,
        fermatas=fermatas,
        tonic=tonic,
        mode=mode,
        upbeat=signatures.upbeat,
        phrases=phrases_at(fermatas, grid),
        title=title,
        bwv=bwv,
        provenance=provenance or {},
        assumed=assumed,
        **{key: DEFAULTS[key] if value is None else value for key, value in said.items()},
    )
    return chorale, rounded


def choir_of(score: Score) -> list[Stream]:
    """The score's parts, or among more than four those of the choir.

    A part belongs to the choir if its name begins with a voice's name
    ("Soprano Oboe 1", "Bass Continuo"), and no other part's does.
    """
    parts = list(score.parts) or [score]
    if len(parts) <= len(VOICES):
        return parts
    found = {voice: [part for part in parts if _sings(part, voice)] for voice in VOICES}
    if any(len(matches) != 1 for matches in found.values()):
        names = ", ".join(str(part.partName) for part in parts)
        raise ChoraleError(f"expected one part for each of {', '.join(VOICES)} among: {names}")
    return [matches[0] for matches in found.values()]


def lines_of(parts: Sequence[Stream]) -> list[list[Note]]:
    """The lines of several parts, top down; a part may hold several voices.

    Where a part has one voice in some measures and several in others, the
    measures without voices belong to the part's first line.
    """
    lines: list[list[Note]] = []
    for part in parts:
        layers: dict[int, list[Note]] = {}
        for element in part.recurse().notes:
            # Grace notes and chord symbols take no time.
            if element.quarterLength and "Harmony" not in element.classes:
                layers.setdefault(_layer(element), []).extend(_notes(element, part))
        lines.extend(sorted(layers[layer]) for layer in sorted(layers))
    return lines


def signatures_of(score: Score) -> Signatures:
    """Time signature, key signature, tempo and upbeat, as the score begins."""
    meters = list(score.recurse().getElementsByClass("TimeSignature"))
    time_signature = meters[0].ratioString if meters else None
    keys = list(score.recurse().getElementsByClass("KeySignature"))
    tempos = [mark.getQuarterBPM() for mark in score.recurse().getElementsByClass("MetronomeMark")]
    tempo = next((float(tempo) for tempo in tempos if tempo), None)
    bar = bar_steps(time_signature or DEFAULTS["time_signature"])
    top = next(iter(score.parts), score)
    measures = list(top.getElementsByClass("Measure"))
    first = _step(Fraction(measures[1].offset)) if len(measures) > 1 else bar
    return Signatures(
        time_signature=time_signature,
        sharps=keys[0].sharps if keys else None,
        tempo=tempo,
        upbeat=first if first < bar else 0,
    )


def lay_out(
    lines: Sequence[Sequence[Note]], *, name: str = "score"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Lay lines of notes on the sixteenth grid.

    A beginning or end off the grid moves to the nearest step, half a step to
    the later one; a note that this leaves without length is dropped.

    Parameters
    ----------
    lines : one sequence of notes a voice, sorted by start

    Returns
    -------
    grid : int16 array, shape=(voices, steps)
    onsets : bool array, shape=(voices, steps)
    fermatas : bool array, shape=(steps,): on the last step of a held chord,
        which is the end of the highest voice's marked note
    rounded : number of notes that were off the grid

    Raises
    ------
    ChoraleError
        Where there are no notes, or a line sounds two at once.
    """
    steps = max((_step(note.end) for line in lines for note in line), default=0)
    if steps == 0:
        raise ChoraleError(f"{name}: there are no notes in it")
    grid = np.full((len(lines), steps), REST, DTYPE)
    onsets = np.zeros(grid.shape, bool)
    marked = np.zeros(grid.shape, bool)
    rounded = 0
    for voice, line in enumerate(lines):
        before = Fraction(0)
        for note in line:
            if note.start < before:
                raise ChoraleError(
                    f"{name}: the {voice_name(voice)} sounds two notes at once"
                    f" at step {_step(note.start)}: expected one line a voice"
                )
            before = note.end
            start, end = _step(note.start), _step(note.end)
            exact = (note.start * STEPS_PER_QUARTER, note.end * STEPS_PER_QUARTER)
            rounded += exact != (start, end)
            grid[voice, start:end] = note.pitch
            onsets[voice, start : min(start + 1, end)] = not note.tied
            marked[voice, start:end] = note.fermata
    onsets |= onsets_of(grid)
    return grid, onsets, _fermatas(grid, onsets, marked), rounded


def phrases_at(fermatas: np.ndarray, grid: np.ndarray) -> tuple[int, ...]:
    """Lengths of the phrases that end at fermatas, () where there are none.

    Rests of all voices after a fermata still belong to the phrase before.

    Parameters
    ----------
    fermatas : bool array, shape=(steps,); grid : int array, shape=(voices, steps)

    >>> phrases_at(np.array([0, 1, 0, 0, 1], bool), np.array([[60, 60, 0, 62, 62]]))
    (3, 2)
    """
    sounding = (grid != REST).any(0)
    steps = len(fermatas)
    ends = set()
    for end in np.flatnonzero(fermatas) + 1:
        later = np.flatnonzero(sounding[end:])
        ends.add(int(end + later[0]) if len(later) else steps)
    if not ends:
        return ()
    edges = sorted(ends | {0, steps})
    return tuple(end - start for start, end in pairwise(edges))


def _fermatas(grid: np.ndarray, onsets: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """One fermata a chord: lower voices' marks count where no higher one's note is marked."""
    fermatas = np.zeros(grid.shape[1], bool)
    taken = np.zeros(grid.shape[1], bool)
    for voice, notes in enumerate(notes_of(grid, onsets)):
        for start, end, _ in notes:
            if marked[voice, start:end].any() and not taken[start:end].any():
                taken[start:end] = True
                fermatas[end - 1] = True
    return fermatas


def _step(quarters: Fraction) -> int:
    """The nearest step; half a step goes to the later one, so the earlier note keeps its place."""
    return floor(quarters * STEPS_PER_QUARTER + Fraction(1, 2))


def _notes(element: Any, part: Stream) -> list[Note]:
    """The notes of a music21 note or chord."""
    start = Fraction(element.getOffsetInHierarchy(part))
    end = start + Fraction(element.quarterLength)
    fermata = any("Fermata" in expression.classes for expression in element.expressions)
    heads = element.notes if element.isChord else [element]
    return [
        Note(
            start,
            end,
            int(head.pitch.midi),
            tied=head.tie is not None and head.tie.type in ("continue", "stop"),
            fermata=fermata,
        )
        for head in heads
        if hasattr(head, "pitch")
    ]


def _layer(element: Any) -> int:
    """Which voice of its measure a note stands in, from 0."""
    voice = element.activeSite
    if "Voice" not in voice.classes:
        return 0
    return list(voice.activeSite.getElementsByClass("Voice")).index(voice)


def _sings(part: Stream, voice: str) -> bool:
    return re.match(rf"\s*{voice}\b", str(part.partName), re.IGNORECASE) is not None
