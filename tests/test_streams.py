"""Printed scores on the grid: what is read, what is rounded, what is refused."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from music21 import (
    chord,
    converter,
    corpus,
    expressions,
    harmony,
    key,
    meter,
    note,
    stream,
    tempo,
    tie,
)

from coconet.errors import ChoraleError
from coconet.grid import REST, notes_of
from coconet.streams import Note, chorale_of_stream, lay_out, phrases_at

VOICES = ("Soprano", "Alto", "Tenor", "Bass")
TRIAD = ("E5", "C5", "G4", "C3")


def part_of(name, elements, *, first=()):
    """A part of one voice: (pitch or None for a rest, quarters) pairs or music21 elements."""
    part = stream.Part(id=name)
    part.partName = name
    for element in first:
        part.append(element)
    for element in elements:
        if isinstance(element, tuple):
            pitch, quarters = element
            element = note.Rest() if pitch is None else note.Note(pitch)
            element.quarterLength = quarters
        part.append(element)
    return part


def score_of(*soprano, names=VOICES, first=(), length=None):
    """Four voices: the given soprano over one long triad."""
    parts = [part_of(names[0], soprano, first=first)]
    length = length or parts[0].quarterLength
    for name, pitch in zip(names[1:], TRIAD[1:], strict=True):
        parts.append(part_of(name, [(pitch, length)]))
    return stream.Score(parts)


def test_notes_rests_and_repeated_notes():
    score = score_of(("E5", 1), ("E5", 0.5), (None, 0.5), ("F5", 1.5), ("D5", 0.25))
    chorale, rounded = chorale_of_stream(score, title="Probe", bwv="0")
    assert rounded == 0 and chorale.steps == 15
    assert chorale.grid[0].tolist() == [76] * 6 + [REST] * 2 + [77] * 6 + [74]
    assert np.flatnonzero(chorale.onsets[0]).tolist() == [0, 4, 8, 14]
    assert chorale.grid[1:, 0].tolist() == [72, 67, 48]
    assert (chorale.title, chorale.bwv, chorale.phrases) == ("Probe", "0", ())


def test_tied_notes_are_one_note():
    first, second, third = (note.Note("E5", quarterLength=1) for _ in range(3))
    first.tie, second.tie = tie.Tie("start"), tie.Tie("continue")
    third.tie = tie.Tie("stop")
    third.expressions.append(expressions.Fermata())
    chorale, _ = chorale_of_stream(score_of(first, second, third, ("E5", 1)))
    assert notes_of(chorale.grid, chorale.onsets)[0] == [(0, 12, 76), (12, 16, 76)]
    assert np.flatnonzero(chorale.fermatas).tolist() == [11]


def test_grace_notes_and_chord_symbols_are_left_out():
    symbol = harmony.ChordSymbol("C")
    chorale, rounded = chorale_of_stream(
        score_of(note.Note("F5").getGrace(), ("E5", 2), symbol, ("D5", 2))
    )
    assert rounded == 0
    assert notes_of(chorale.grid, chorale.onsets)[0] == [(0, 8, 76), (8, 16, 74)]


def test_fermatas_end_phrases_and_lower_voices_marks_count_where_the_soprano_has_none():
    def held(pitch, quarters, fermata):
        made = note.Note(pitch, quarterLength=quarters)
        made.expressions = [expressions.Fermata()] if fermata else []
        return made

    soprano = [held("E5", 2, True), held("D5", 2, False), held("C5", 2, True)]
    bass = [("C3", 1), held("D3", 1, True), held("G3", 2, True), held("C3", 2, True)]
    score = stream.Score(
        [
            part_of("Soprano", soprano),
            part_of("Alto", [("C5", 6)]),
            part_of("Tenor", [("G4", 6)]),
            part_of("Bass", bass),
        ]
    )
    chorale, _ = chorale_of_stream(score)
    assert np.flatnonzero(chorale.fermatas).tolist() == [7, 15, 23]
    assert chorale.phrases == (8, 8, 8)


def test_signatures_tempo_and_upbeat():
    marks = (key.KeySignature(-3), meter.TimeSignature("3/4"), tempo.MetronomeMark(number=88))
    score = score_of(("G5", 1), ("E-5", 3), ("D5", 3), first=marks)
    upbeat = stream.Score()
    for part in score.parts:
        bars = stream.Part(id=part.id)
        bars.partName = part.partName
        for number, (start, end) in enumerate(((0, 1), (1, 4), (4, 7))):
            bar = stream.Measure(number=number)
            for element in part.flatten():
                begin, stop = float(element.offset), float(element.offset + element.quarterLength)
                if isinstance(element, note.Note) and begin < end and stop > start:
                    cut = note.Note(element.pitch, quarterLength=min(end, stop) - max(start, begin))
                    cut.tie = tie.Tie("stop") if begin < start else None
                    bar.insert(max(start, begin) - start, cut)
                elif number == 0 and not isinstance(element, note.Note):
                    bar.insert(0, element)
            bars.append(bar)
        upbeat.insert(0, bars)
    chorale, _ = chorale_of_stream(upbeat)
    assert (chorale.sharps, chorale.time_signature, chorale.tempo) == (-3, "3/4", 88)
    assert (chorale.upbeat, chorale.steps, chorale.assumed) == (4, 28, ())
    assert (chorale.tonic, chorale.mode) == (0, "minor")
    assert chorale.onsets[1].sum() == 1


def test_what_the_score_does_not_say_is_assumed_by_name():
    chorale, _ = chorale_of_stream(score_of(("E5", 4)))
    assert set(chorale.assumed) == {"time_signature", "sharps", "tempo"}
    assert (chorale.time_signature, chorale.sharps, chorale.tempo) == ("4/4", 0, 72)


def test_a_change_of_metre_keeps_the_first():
    score = score_of(("E5", 4), meter.TimeSignature("3/4"), ("D5", 3), length=7)
    score.parts[0].insert(0, meter.TimeSignature("4/4"))
    assert chorale_of_stream(score)[0].time_signature == "4/4"


def test_notes_off_the_grid_are_rounded_and_counted():
    third = Fraction(1, 3)
    score = score_of(("E5", third), ("F5", third), ("G5", third), ("A5", 0.125), ("B5", 0.875))
    chorale, rounded = chorale_of_stream(score)
    assert rounded == 5
    assert chorale.grid[0].tolist() == [76, 77, 77, 79, 81, 83, 83, 83]


@pytest.mark.parametrize("unit", [1, 2, 3, 5])
def test_rounding_moves_no_edge_by_more_than_half_a_step(unit):
    rng = np.random.default_rng(unit)
    edges = np.unique(rng.integers(1, 60, 20))
    times = [Fraction(int(edge), 3 * unit) for edge in edges]
    line = [
        Note(start, end, 60 + number % 2) for number, (start, end) in enumerate(pairwise(times))
    ]
    grid, onsets, _, rounded = lay_out([line])
    assert rounded == sum((4 * n.start) % 1 != 0 or (4 * n.end) % 1 != 0 for n in line)
    laid = notes_of(grid, onsets)[0]
    for start, end, pitch in laid:
        assert any(
            n.pitch == pitch and abs(4 * n.start - start) <= 0.5 and abs(4 * n.end - end) <= 0.5
            for n in line
        )


def test_two_staves_with_two_voices_each():
    staves = []
    for upper, lower in (("E5", "C5"), ("G4", "C3")):
        bar = stream.Measure(number=1)
        for name, pitch in (("1", upper), ("2", lower)):
            voice = stream.Voice(id=name)
            voice.append([note.Note(pitch, quarterLength=2), note.Note(pitch, quarterLength=2)])
            bar.insert(0, voice)
        staves.append(stream.Part([bar]))
    chorale, _ = chorale_of_stream(stream.Score(staves))
    assert chorale.grid[:, 0].tolist() == [76, 72, 67, 48]
    assert chorale.onsets.sum(1).tolist() == [2, 2, 2, 2]


def test_the_choir_is_taken_from_among_instruments():
    score = score_of(("E5", 4), names=("Soprano\rOboe 1", "Alto", "Tenor Viola", "Bass Continuo"))
    score.insert(0, part_of("Horn 1", [("C4", 4)]))
    score.insert(0, part_of("Bassoon", [("C2", 4)]))
    assert chorale_of_stream(score)[0].grid[:, 0].tolist() == [76, 72, 67, 48]


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (stream.Score([part_of("Soprano", [("E5", 4)])]), "expected four voices, got 1"),
        (
            stream.Score([part_of(name, [(None, 4)]) for name in VOICES]),
            "expected four voices, got 0",
        ),
        (score_of(chord.Chord(["C5", "E5"], quarterLength=4)), "soprano sounds two notes at once"),
        (
            stream.Score(
                [part_of(n, [("C4", 4)]) for n in ("Soprano 1", "Soprano 2", *VOICES[1:])]
            ),
            "one part for each",
        ),
        (score_of(("E5", 4), first=[meter.TimeSignature("2/4+3/8")]), "time signature"),
    ],
    ids=["one voice", "only rests", "chords", "five voices", "compound metre"],
)
def test_refused(score, said):
    with pytest.raises(ChoraleError, match=said):
        chorale_of_stream(score)


def test_rests_of_all_voices_end_the_phrase_before():
    grid = np.array([[60, 60, 0, 62, 62, 62, 0]])
    fermatas = np.array([0, 1, 0, 0, 0, 1, 0], bool)
    assert phrases_at(fermatas, grid) == (3, 4)
    assert phrases_at(np.zeros(7, bool), grid) == ()


def test_a_real_chorale_sounds_what_music21_says_at_every_step():
    path = next(p for p in corpus.getComposer("bach") if p.name == "bwv66.6.mxl")
    score = converter.parse(path, forceSource=True, storePickle=False)
    chorale, rounded = chorale_of_stream(score)
    assert rounded == 0
    for voice, part in enumerate(score.parts):
        notes = list(part.flatten().notes)
        for step in range(chorale.steps):
            time = Fraction(step, 4)
            sounding = [n for n in notes if n.offset <= time < n.offset + n.quarterLength]
            expected = sounding[0].pitch.midi if sounding else REST
            assert chorale.grid[voice, step] == expected, (voice, step)
        attacks = {int(4 * n.offset) for n in notes if n.tie is None or n.tie.type == "start"}
        assert attacks == set(np.flatnonzero(chorale.onsets[voice]).tolist())
    assert (chorale.sharps, chorale.upbeat, chorale.time_signature) == (3, 4, "4/4")
    held = [n for n in score.parts[0].flatten().notes if n.expressions]
    assert [int(4 * (n.offset + n.quarterLength)) for n in held] == [16, 32, 48, 80, 116, 144]
    assert (np.flatnonzero(chorale.fermatas) + 1).tolist() == np.cumsum(chorale.phrases).tolist()
    assert np.cumsum(chorale.phrases).tolist() == [16, 32, 48, 80, 116, 144]
