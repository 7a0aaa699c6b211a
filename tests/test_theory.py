"""Keys, intervals and parallels, against slow and obvious versions and known pieces."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.theory import (
    NO_INTERVAL,
    degree_pitches,
    dissonance_counts,
    dissonance_steps,
    dissonant_pairs,
    find_key,
    in_parallel,
    in_scale,
    intervals,
    key_sharps,
    key_tonic,
    moving_pairs,
    parallels,
    parse_pitch,
    parse_tonic,
    pitch_name,
    scale,
    scale_degrees,
    sounding_pairs,
    voice_pairs,
)
from coconet.transforms import challenging_spans, stretch
from coconet.transforms.spans import steps_within

GRIDS = hnp.arrays(
    np.int16,
    st.tuples(st.integers(2, 6), st.integers(2, 20)),
    elements=st.sampled_from([0, 48, 50, 55, 57, 60, 62, 67, 69]),
)


def obvious_parallels(grid, interval):
    found = []
    for upper, lower in itertools.combinations(range(len(grid)), 2):
        for step in range(1, grid.shape[1]):
            a, b = (int(grid[v, step - 1]) for v in (upper, lower))
            c, d = (int(grid[v, step]) for v in (upper, lower))
            moving = 0 not in (a, b, c, d) and a != c and b != d
            same_way = (c > a) == (d > b)
            fits = abs(a - b) % 12 == interval and abs(c - d) % 12 == interval
            found.append(moving and same_way and fits)
    return np.array(found).reshape(-1, grid.shape[1] - 1)


@given(GRIDS, st.sampled_from([0, 7]))
def test_parallels_agree_with_the_obvious_loop(grid, interval):
    assert (parallels(grid, interval) == obvious_parallels(grid, interval)).all()
    assert (parallels(grid, interval) <= moving_pairs(grid)).all()


@given(
    hnp.arrays(
        np.int16,
        st.tuples(st.integers(1, 6), st.integers(1, 8)),
        elements=st.just(0) | st.integers(40, 80),
    )
)
def test_pairs_of_voices_agree_with_the_obvious_loop(grid):
    sounding, dissonant = sounding_pairs(grid), dissonant_pairs(grid)
    found = intervals(grid)
    for pair, (upper, lower) in enumerate(zip(*voice_pairs(len(grid)), strict=True)):
        for step, (a, b) in enumerate(zip(grid[upper].tolist(), grid[lower].tolist(), strict=True)):
            both = a != 0 and b != 0
            assert sounding[pair, step] == both
            assert found[pair, step] == (a - b if both else NO_INTERVAL)
            assert dissonant[pair, step] == (both and abs(a - b) % 12 in (1, 2, 6, 10, 11))
    counted, among = dissonance_counts(grid)
    assert counted.tolist() == dissonant.sum(0).tolist()
    assert among.tolist() == sounding.sum(0).tolist()
    rates = [c / a if a else 0 for c, a in zip(counted, among, strict=True)]
    assert dissonance_steps(grid).tolist() == rates


def test_dissonant_places_are_found_and_lingered_on():
    """The scores of `challenging_spans` may come from dissonance as well as from the key."""
    grid = load_corpus("demo")[0].grid
    spans = challenging_spans(1 - dissonance_steps(grid))
    within = steps_within(spans, grid.shape[1])
    assert 0 < within.sum() < grid.shape[1]
    assert (within == dissonant_pairs(grid).any(0)).all()
    made = stretch(grid, spans=spans, factor=3)
    assert made.shape[1] == grid.shape[1] + 2 * within.sum()
    assert dissonance_steps(made).sum() == pytest.approx(3 * dissonance_steps(grid).sum())


def test_a_textbook_parallel_fifth_and_octave():
    grid = np.array([[67, 69], [60, 62], [48, 50]])
    assert parallels(grid, 7).sum() == 2  # soprano over alto, and over bass a twelfth
    assert parallels(grid, 0).sum() == 1
    assert intervals(grid)[:, 0].tolist() == [7, 19, 12]


def test_bach_hardly_ever_writes_parallel_fifths():
    chorales = load_corpus("train")
    moving = sum(moving_pairs(c.grid).sum() for c in chorales)
    fifths = sum(parallels(c.grid, 7).sum() for c in chorales)
    assert 0.2 < 1000 * fifths / moving < 2


def test_keys_of_the_showpieces():
    found = {c.bwv: find_key(c.grid, sharps=c.sharps) for c in load_corpus("demo")}
    assert found["180.7"] == (5, "major")
    assert found["140.7"] == (3, "major")
    assert found["244.3"] == (11, "minor")


def test_the_mode_is_not_fooled_by_a_picardy_third():
    minor = np.tile(np.array([[72, 75, 79], [67, 68, 71], [63, 60, 62], [48, 44, 43]]), 8)
    ending = np.array([[72], [67], [64], [48]])
    assert find_key(np.hstack([minor, ending]), sharps=-3) == (0, "minor")


@given(GRIDS)
def test_cells_in_parallel_are_those_of_a_parallel(grid):
    touched = np.zeros(grid.shape, bool)
    pairs = list(itertools.combinations(range(len(grid)), 2))
    for interval in (7, 0):
        for pair, step in np.argwhere(parallels(grid, interval)):
            for voice in pairs[pair]:
                touched[voice, step : step + 2] = True
    assert np.array_equal(in_parallel(grid), touched)


def test_signatures_and_tonics_agree():
    for sharps in range(-5, 7):
        for mode in ("major", "minor"):
            assert key_sharps(key_tonic(sharps, mode), mode) == sharps
    assert key_tonic(3, "minor") == 6


@given(st.integers(12, 127))
def test_pitch_names_are_read_back(pitch):
    assert parse_pitch(pitch_name(pitch)) == pitch


@pytest.mark.parametrize("name", ["", "H4", "C", "Cx4", "4", "C99", "B#9"])
def test_bad_pitch_names(name):
    with pytest.raises(ChoraleError, match="pitch"):
        parse_pitch(name)


@pytest.mark.parametrize("name", ["H", "12", "", "F##b?"])
def test_bad_tonics(name):
    with pytest.raises(ChoraleError, match=r"tonic .*(C#|0-11)$"):
        parse_tonic(name)


@pytest.mark.parametrize("name", ["F minor", "Fm", "c# Moll"])
def test_a_tonic_says_no_mode(name):
    with pytest.raises(ChoraleError, match=r"such as F, Bb or C#; the mode is told by mode$"):
        parse_tonic(name)


@given(
    hnp.arrays(int, st.integers(1, 30), elements=st.integers(-30, 160)),
    st.integers(0, 11),
    st.sampled_from(["major", "minor"]),
)
def test_degrees_are_the_notes_of_the_scale_counted(pitches, tonic, mode):
    inside = [pitch for pitch in range(-60, 200) if pitch % 12 in scale(tonic, mode)]
    zero = inside.index(tonic)  # the tonic in MIDI's lowest octave
    degrees, raised = scale_degrees(pitches, tonic, mode)
    for pitch, degree, by in zip(pitches, degrees, raised, strict=True):
        assert inside[zero + degree] + by == pitch
        assert by == (pitch not in inside)
    assert np.array_equal(degree_pitches(degrees, tonic, mode) + raised, pitches)


def test_rests_are_in_no_scale():
    grid = np.array([[0, 60, 61]])
    assert in_scale(grid, 0, "major").tolist() == [[False, True, False]]
    assert scale(9, "minor").tolist() == [9, 11, 0, 2, 4, 5, 7]
    with pytest.raises(ChoraleError, match="mode"):
        scale(0, "lydian")
