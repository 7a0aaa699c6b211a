"""The grid: validation, hidden regions, onsets, notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coconet.errors import ChoraleError
from coconet.grid import (
    REST,
    hidden_region,
    is_whole,
    items_of,
    notes_of,
    onsets_of,
    validate_grid,
    validate_hidden,
    validate_pitches,
    validate_span,
    voice_indices,
    voice_name,
)

GRIDS = hnp.arrays(
    np.int64,
    st.tuples(st.integers(1, 8), st.integers(1, 24)),
    elements=st.sampled_from([0, 60, 62, 64, 127]),
)


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ([[60.5, 60]], "soprano at step 0: 60.5 is not a whole number"),
        ([[60, np.nan]], "soprano at step 1: nan is not a number"),
        ([[60, np.inf]], "soprano at step 1: inf is not a number"),
        ([60, 60], r"expected shape \(voices, steps\), got \(2,\)"),
        (np.zeros((7, 4, 32), int), "segments"),
        ([[60, 61], [128, 60]], "alto at step 0: 128 is not a MIDI pitch"),
        ([[60, -5]], "soprano at step 1: -5 is not a MIDI pitch"),
        ([[-5, 60], [200, 300]], "and 2 more cells"),
        (np.zeros((4, 0)), "has no steps"),
        (np.zeros((0, 4)), "at least one voice"),
        ([["60", "61"]], "expected whole numbers"),
        ([[None, 60]], "expected whole numbers"),
        ([[60, 61], [60]], "unequal length"),
        (np.ones((4, 4), bool), "booleans"),
        (np.zeros((2, 3), complex), "expected whole numbers"),
    ],
)
def test_bad_grids_are_named(grid, says):
    with pytest.raises(ChoraleError, match=says):
        validate_grid(grid)


def test_a_transposed_grid_is_recognised():
    with pytest.raises(ChoraleError, match="did you mean its transpose"):
        validate_grid(np.zeros((32, 4), int), voices=4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_good_grids_come_back_as_new_int16(dtype):
    grid = np.array([[60, 0, 127]], dtype)
    found = validate_grid(grid)
    assert found.dtype == np.int16
    assert (found == grid).all()
    found[:] = 1
    assert grid[0, 0] == 60


def test_pitches_outside_the_model_are_named_by_voice_step_and_pitch():
    grid = np.full((4, 8), 60)
    grid[3, 5] = 35
    with pytest.raises(ChoraleError, match="bass at step 5: 35 is outside the model's pitches"):
        validate_pitches(grid, 36, 81)
    grid[3, 5] = REST
    validate_pitches(grid, 36, 81)


@pytest.mark.parametrize("hidden", [np.ones((4, 7), bool), np.full((4, 8), 60), [["a"] * 8] * 4])
def test_bad_hidden_arrays(hidden):
    with pytest.raises(ChoraleError, match="hidden"):
        validate_hidden(hidden, (4, 8))


@pytest.mark.parametrize("span", [(3, 3), (5, 2), (-1, 4), (0, 9)])
def test_bad_spans(span):
    with pytest.raises(ChoraleError, match="expected 0 <= start < end <= 8"):
        validate_span(span, 8)


@pytest.mark.parametrize(
    "span",
    [
        (1, 2, 3),
        (1,),
        "12",
        3,
        None,
        (0.0, 4),
        (False, 4),
        np.array(3),
        {1, 2},
        {1: 2, 3: 4},
        b"12",
    ],
)
def test_no_spans(span):
    with pytest.raises(ChoraleError, match="span: expected two steps, start and end, got"):
        validate_span(span, 8)


def test_items_of_a_series():
    assert items_of(range(2)) == items_of(iter((0, 1))) == items_of(np.array([0, 1])) == [0, 1]
    assert items_of([]) == [] and len(items_of(np.zeros((3, 2)))) == 3
    for value in (3, None, "12", b"12", np.array(3), {1, 2}, {1: 2}, np.int64(3)):
        assert items_of(value) is None


def test_whole_numbers():
    assert is_whole(3) and is_whole(np.int16(3)) and is_whole(0, 0, 0) and is_whole(-(10**30))
    for value in (True, np.True_, 3.0, np.float64(3), "3", None):
        assert not is_whole(value)
    assert is_whole(11, 0, 11) and not is_whole(12, 0, 11) and not is_whole(-1, 0)


def test_voices_by_name_or_letter():
    assert voice_indices("bass, S") == (0, 3)
    assert voice_name(7) == "bass 2"
    with pytest.raises(ChoraleError, match="unknown voice 'cello'"):
        voice_indices("alto,cello")
    with pytest.raises(ChoraleError, match="bass is named twice"):
        voice_indices("bass,alto,B")


def test_hidden_region_is_where_voices_and_spans_cross():
    region = hidden_region((4, 10), voices=[1, 2], spans=[(0, 2), (8, 10)])
    assert region.sum() == 8
    assert region[1:3, [0, 1, 8, 9]].all()
    assert hidden_region((4, 10)).all()


def test_onsets_tied_over_bars_or_not():
    grid = np.full((1, 10), 60)
    assert np.flatnonzero(onsets_of(grid)[0]).tolist() == [0]
    assert np.flatnonzero(onsets_of(grid, ties="bar", bar=4, upbeat=2)[0]).tolist() == [0, 2, 6]
    with pytest.raises(ChoraleError, match="'merge' or 'bar'"):
        onsets_of(grid, ties="none")


@given(GRIDS, st.data())
def test_notes_tell_the_grid_and_its_onsets_again(grid, data):
    extra = data.draw(hnp.arrays(bool, grid.shape))
    onsets = (onsets_of(grid) | extra) & (grid != REST)
    rebuilt, starts = np.zeros_like(grid), np.zeros_like(onsets)
    for voice, notes in enumerate(notes_of(grid, onsets)):
        for start, end, pitch in notes:
            assert (rebuilt[voice, start:end] == 0).all()  # notes never overlap
            rebuilt[voice, start:end] = pitch
            starts[voice, start] = True
    assert (rebuilt == grid).all()
    assert (starts == onsets).all()
