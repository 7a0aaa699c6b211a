"""Notes outside a range: refused by name, clamped, or left as they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, notes_of
from coconet.traced import Traced
from coconet.transforms.ranges import as_pitch, fit_range


def test_by_hand():
    # A note of two steps whose second is moved too high, a rest, one too low, one inside.
    piece = Traced.begin(Chorale([[60, 60, 0, 40, 62]]))
    moved = np.array([[60, 84, 0, 28, 74]])
    assert fit_range(piece, moved, "clamp", 36, 75).tolist() == [[60, 72, 0, 40, 74]]
    assert fit_range(piece, moved, "skip", 36, 75).tolist() == [[60, 60, 0, 40, 74]]
    assert fit_range(piece, moved, "clamp", "C2", "B5").tolist() == [[60, 72, 0, 40, 74]]
    with pytest.raises(ChoraleError) as error:
        fit_range(piece, moved, "refuse", 36, 75)
    assert str(error.value) == (
        "soprano at step 1: C4 would become C6, MIDI 84, outside 36-75 (and 1 more); "
        "beyond: clamp takes the nearest octave inside, beyond: skip leaves the note as it was"
    )


def test_what_does_not_move_is_not_judged():
    piece = Traced.begin(Chorale([[20, 60]]))
    for beyond in ("refuse", "clamp", "skip"):
        assert fit_range(piece, np.array([[20, 61]]), beyond, 36, 75).tolist() == [[20, 61]]


def brought_back(pitch, low, high):
    """The same pitch class inside, octave by octave."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch


@settings(max_examples=60)
@given(pieces(), st.integers(-100, 100), st.integers(30, 60), st.integers(11, 40))
def test_against_a_slow_loop(piece, by, low, width):
    high = low + width
    moved = np.where(piece.grid == REST, REST, piece.grid.astype(int) + by)
    traced = Traced.begin(piece)
    clamped, skipped = (fit_range(traced, moved, way, low, high) for way in ("clamp", "skip"))
    for voice, notes in enumerate(notes_of(piece.grid, piece.onsets)):
        for start, end, pitch in notes:
            inside = low <= pitch + by <= high or by == 0
            expected = pitch + by if inside else brought_back(pitch + by, low, high)
            assert (clamped[voice, start:end] == expected).all()
            assert (skipped[voice, start:end] == (pitch + by if inside else pitch)).all()
    for grid in (clamped, skipped):
        assert ((grid == REST) == (piece.grid == REST)).all()


@pytest.mark.parametrize(
    ("beyond", "low", "high", "message"),
    [
        ("clip", 1, 127, "beyond: expected refuse, clamp or skip, got 'clip'; did you mean clamp"),
        ("refuse", 0, 127, "lowest: expected a whole number, 1 to 127, got 0"),
        ("refuse", 1, 60.5, "highest: expected a whole number, 1 to 127, got 60.5"),
        ("refuse", "H2", 127, "pitch 'H2'"),
        ("refuse", 72, 60, "lowest: expected a pitch up to the highest, 60, got 72"),
        ("clamp", 60, 70, "expected a range of an octave, got 60-70"),
    ],
)
def test_bad_ranges(beyond, low, high, message):
    piece = Traced.begin(Chorale([[60, 62]]))
    with pytest.raises(ChoraleError, match=message):
        fit_range(piece, np.array([[80, 82]]), beyond, low, high)


def test_pitches_by_number_or_name():
    assert as_pitch("Bb3", "lowest") == as_pitch(np.int16(58), "lowest") == 58
