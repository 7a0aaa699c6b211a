"""Voices chosen, joined, doubled, rotated: against plain loops, and by hand."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import assert_only_moved, columns, pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import RANGES, REST
from coconet.traced import Traced
from coconet.transforms.voices import (
    choose_voices,
    double_voices,
    join_quartets,
    offset_rows,
    rotate_voices,
)

BACH = next(c for c in load_corpus("demo") if c.bwv == "373")
STACK = BACH.replace(grid=np.vstack([BACH.grid] * 4), onsets=np.vstack([BACH.onsets] * 4))
CHORD = np.array([[72], [64], [55], [48]])


@st.composite
def cuts(draw, steps):
    """Lengths that add up to `steps`."""
    edges = sorted({0, steps, *draw(st.lists(st.integers(0, steps), max_size=4))})
    return np.diff(edges).tolist()


# ---------------------------------------------------------------- chosen


@settings(max_examples=60)
@given(pieces(), st.data())
def test_choose_voices_against_a_slow_loop(piece, data):
    lengths = data.draw(cuts(piece.steps))
    count = data.draw(st.integers(1, 5))
    row = st.integers(0, piece.voices - 1)
    chosen = st.lists(row, min_size=count, max_size=count)
    rows = data.draw(st.lists(chosen, min_size=len(lengths), max_size=len(lengths)))
    path = [own for own, length in zip(rows, lengths, strict=True) for _ in range(length)]
    expected = []
    for step, own in enumerate(path):
        column = [columns(piece)[step][row] for row in own]
        if step:  # a row that wasn't sung before begins anew
            column = [
                (pitch, begins or (pitch != REST and row != before))
                for (pitch, begins), row, before in zip(column, own, path[step - 1], strict=True)
            ]
        expected.append(column)
    made = choose_voices(Traced.begin(piece), rows=rows, lengths=lengths)
    assert columns(made.chorale) == expected
    assert made.voice.T.tolist() == path
    assert (made.chorale.fermatas == piece.fermatas).all()
    assert made.chorale.phrases == (piece.phrases or tuple(lengths))
    assert_only_moved(made, piece)


def test_the_original_voice_chooser_by_hand():
    """Four of sixteen voices, from another offset for each phrase."""
    grid = np.arange(1, 17)[:, None] + np.zeros((1, 7), int)
    rows = offset_rows([0, 12, 5], 4, 16)
    made = choose_voices(grid, rows=rows, lengths=[2, 3, 2])
    assert made.tolist() == [
        [1, 1, 13, 13, 13, 6, 6],
        [2, 2, 14, 14, 14, 7, 7],
        [3, 3, 15, 15, 15, 8, 8],
        [4, 4, 16, 16, 16, 9, 9],
    ]


def test_the_phrases_of_a_chorale_are_its_segments():
    rows = offset_rows([4 * (number % 4) for number in range(len(BACH.phrases))], 4)
    made = choose_voices(STACK, rows=rows)
    # All quartets are the same, so that nothing changes but where notes begin anew.
    assert (made.grid == BACH.grid).all() and made.phrases == BACH.phrases
    firsts = np.cumsum(BACH.phrases)[:-1]
    assert (made.onsets[:, firsts] == (BACH.grid[:, firsts] != REST)).all()


# ---------------------------------------------------------------- joined, doubled


@settings(max_examples=60)
@given(pieces(voices=(4, 8, 12)), st.data())
def test_join_quartets_against_a_slow_loop(piece, data):
    quartets = piece.voices // 4
    order = data.draw(st.none() | st.lists(st.integers(1, quartets), min_size=1, max_size=5))
    chosen = range(1, quartets + 1) if order is None else order
    made = join_quartets(Traced.begin(piece), order=order)
    expected = [column[4 * n - 4 : 4 * n] for n in chosen for column in columns(piece)]
    assert columns(made.chorale) == expected
    assert made.steps == len(chosen) * piece.steps
    assert made.chorale.fermatas.tolist() == piece.fermatas.tolist() * len(chosen)
    assert made.chorale.phrases == piece.phrases * len(chosen)
    assert_only_moved(made, piece)


def test_quartets_beyond_a_narrow_dtype():
    stack = np.arange(260)[:, None] % 127 + 1
    joined = join_quartets(stack, order=np.array([65, 1], np.uint8))
    assert joined.tolist() == np.hstack([stack[256:], stack[:4]]).tolist()


def test_no_note_is_held_over_a_join():
    made = join_quartets(Chorale(np.full((8, 2), 60)))
    assert made.onsets.all(0).tolist() == [True, False, True, False]
    again = join_quartets(Chorale(np.full((4, 1), 60)), order=[1, 1])
    assert again.onsets.all()


@given(pieces(), st.integers(1, 4))
def test_doubled_voices_come_again_below(piece, times):
    made = double_voices(Traced.begin(piece), times=times)
    assert columns(made.chorale) == [column * times for column in columns(piece)]
    assert (made.chorale.fermatas == piece.fermatas).all()
    assert made.chorale.phrases == piece.phrases
    assert_only_moved(made, piece)


# ---------------------------------------------------------------- rotated


@settings(max_examples=60)
@given(pieces(voices=(1, 2, 3, 4, 6, 8)), st.integers(-5, 5), st.none() | st.integers(1, 30))
def test_rotation_against_a_slow_loop(piece, by, every):
    size = 4 if piece.voices % 4 == 0 else piece.voices
    expected, before = [], None
    for step, column in enumerate(columns(piece)):
        turn = by * (1 + (step // every if every else 0))
        rows = [row // size * size + (row % size - turn) % size for row in range(piece.voices)]
        cells = [column[row] for row in rows]
        if before:
            cells = [
                (pitch, begins or (pitch != REST and row != was))
                for (pitch, begins), row, was in zip(cells, rows, before, strict=True)
            ]
        expected.append(cells)
        before = rows
    made = rotate_voices(Traced.begin(piece), by=by, every=every, octaves=False)
    assert columns(made.chorale) == expected
    assert_only_moved(made, piece)
    assert made.chorale.phrases == piece.phrases
    moved = rotate_voices(Traced.begin(piece), by=by, every=every)
    assert (moved.voice == made.voice).all() and (moved.onsets >= made.onsets).all()
    octaves = (moved.grid.astype(int) - made.grid) // 12
    assert (moved.grid == made.grid + 12 * octaves).all()
    for row in range(piece.voices):
        for line in range(piece.voices):
            here = (moved.voice[row] == line) & moved.sounding[row]
            shifts = set(octaves[row, here].tolist())
            assert len(shifts) <= 1 and (row != line or shifts <= {0})
            assert all(nearest(piece.grid[line], row % 4, shift) for shift in shifts - {0})


def nearest(line, voice, octaves):
    """Whether no other octave brings the line's median nearer to the voice's middle."""
    median, middle = np.median(line[line != REST]), sum(RANGES[voice]) / 2
    return all(
        abs(median + 12 * octaves - middle) <= abs(median + 12 * other - middle)
        for other in range(-5, 6)
    )


def test_four_rotations_of_a_quartet_are_the_identity():
    piece = Traced.begin(STACK)
    for _ in range(4):
        piece = rotate_voices(piece, octaves=False)
    assert columns(piece.chorale) == columns(STACK)
    assert (piece.voice == np.arange(16)[:, None]).all()


def test_rotation_by_hand():
    assert rotate_voices(CHORD, octaves=False).tolist() == [[48], [72], [64], [55]]
    assert rotate_voices(CHORD, by=-1, octaves=False).tolist() == [[64], [55], [48], [72]]
    # Middles: 70.5, 63, 57.5, 51. The bass goes up two octaves, the tenor stays.
    assert rotate_voices(CHORD).tolist() == [[72], [60], [52], [55]]
    turning = rotate_voices(np.repeat(CHORD, 4, axis=1), every=2, octaves=False)
    assert turning[0].tolist() == [48, 48, 55, 55]


def test_every_line_of_bach_comes_to_lie_in_its_new_voice():
    for by in (1, 2, 3):
        made = rotate_voices(STACK, by=by)
        for row, line in enumerate(made.grid):
            middle = sum(RANGES[row % 4]) / 2
            assert abs(np.median(line[line != REST]) - middle) <= 6


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 4, 8]), st.integers(1, 6), st.integers(1, 3))
def test_octaves_against_a_slow_loop(seed, voices, steps, by):
    rng = np.random.default_rng(seed)
    grid = rng.integers(1, 128, (voices, steps)) * (rng.random((voices, steps)) < 0.8)
    made = rotate_voices(grid, by=by)
    size = 4 if voices % 4 == 0 else voices
    for row in range(voices):
        from_row = row // size * size + (row % size - by) % size
        line = grid[from_row].tolist()
        notes = [pitch for pitch in line if pitch]
        moved = 0
        if notes and from_row != row:
            moved = math.floor((sum(RANGES[row % 4]) / 2 - statistics.median(notes)) / 12 + 0.5)
            while min(notes) + 12 * moved < 1:
                moved += 1
            while max(notes) + 12 * moved > 127:
                moved -= 1
        assert made[row].tolist() == [pitch and pitch + 12 * moved for pitch in line]


def test_octaves_never_leave_midi():
    high, low = [[100, 127], [1, 5], [60, 60], [60, 60]], [[60, 60], [120, 2], [60, 60], [1, 1]]
    for grid in (high, low):
        for by in (1, 2, 3):
            assert rotate_voices(np.array(grid), by=by).min() >= 1


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: choose_voices(STACK, rows=[[0]]), f"each of {len(BACH.phrases)} segments, got 1"),
        (
            lambda: choose_voices(CHORD, rows=[[0]], lengths=[2]),
            "for a piece of 1: 1 too many",
        ),
        (lambda: choose_voices(STACK, rows=[[0]], lengths=[8]), "too few"),
        (lambda: choose_voices(CHORD, rows=[[0], [1]]), "for one segment, got 2"),
        (lambda: choose_voices(CHORD, rows=[[0, 4]], lengths=[1]), "segment 1: row 4: .* 0-3"),
        (lambda: choose_voices(CHORD, rows=[[-1]], lengths=[1]), "row -1"),
        (lambda: choose_voices(CHORD, rows=[0], lengths=[1]), r"shape \(segments, voices\)"),
        (lambda: choose_voices(CHORD, rows=[[0.0]], lengths=[1]), "whole numbers"),
        (lambda: choose_voices(CHORD, rows=[[]], lengths=[1]), r"shape \(segments, voices\)"),
        (lambda: choose_voices(CHORD, rows=[[True]], lengths=[1]), "whole numbers"),
        (lambda: choose_voices(CHORD, rows=[[0], [0, 1]], lengths=[1]), "as many voices in each"),
        (lambda: offset_rows([13], 4, 16), "segment 1: row 16: expected 0-15"),
        (lambda: offset_rows([-1], 4), "offsets: expected a row from 0"),
        (lambda: offset_rows([0.5], 4), "offsets"),
        (lambda: offset_rows([], 4), "offsets"),
        (lambda: offset_rows(3, 4), "offsets"),
        (lambda: offset_rows(np.array(3), 4), "offsets"),
        (lambda: offset_rows([0], 0), "count: .*got 0"),
        (lambda: offset_rows([10**30], 4), "offsets"),
        (lambda: offset_rows([0], 10**9), "count: .*1 to 100000"),
        (lambda: offset_rows([0], 4, "16"), "voices: .*got '16'"),
        (lambda: choose_voices(CHORD, rows=[[0]], lengths=np.array(1)), r"got array\(1\)"),
        (lambda: join_quartets(CHORD[:3]), "whole quartets, got 3 voices"),
        (lambda: join_quartets(CHORD, order=[0]), r"quartets of 1-1, got \[0\]"),
        (lambda: join_quartets(CHORD, order=[2]), r"quartets of 1-1, got \[2\]"),
        (lambda: join_quartets(CHORD, order=[]), "order"),
        (lambda: join_quartets(CHORD, order="1"), "order"),
        (lambda: join_quartets(CHORD, order={1: 2}), "order: .*got {1: 2}"),
        (lambda: double_voices(CHORD, times=0), "times: .*got 0"),
        (lambda: double_voices(BACH, times=100_000), "the limit is 4,000,000"),
        (lambda: rotate_voices(CHORD, by=0.5), "by: .*got 0.5"),
        (lambda: rotate_voices(CHORD, every=0), "every: .*got 0"),
        (lambda: rotate_voices(CHORD, every=10**30), "every: .*1 to 100000"),
        (lambda: rotate_voices(CHORD, octaves="no"), "octaves: expected true or false"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ChoraleError, match=message):
        make()
