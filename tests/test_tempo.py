"""When each step begins: tempo curves, fermatas, phrases that broaden."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.render.tempo import (
    APPROACH,
    BREATH,
    CURVATURE,
    LAST,
    LAST_APPROACH,
    phrase_spans,
    step_times,
    tempo_at,
    validate_tempo,
)

SCHMUECKE = load_corpus("demo")[1]


def scale(steps, **fields):
    """One voice that changes its pitch at every step."""
    return Chorale(60 + np.arange(steps)[None] % 2, **fields)


curves = st.lists(
    st.tuples(st.integers(0, 96).map(lambda n: n / 4), st.floats(5, 1000)), min_size=1, max_size=6
).map(lambda points: tuple(sorted(dict(points).items())))


def test_a_plain_tempo_is_a_metronome():
    times, ends = step_times(SCHMUECKE, tempo=90, fermata=0)
    assert times == pytest.approx(np.arange(241) / 6)
    assert (times == ends).all()
    assert step_times(SCHMUECKE, fermata=0)[0][-1] == pytest.approx(SCHMUECKE.seconds)


@given(curves)
@settings(max_examples=25)
def test_a_curve_is_the_integral_of_its_tempo(curve):
    """Against a slow sum of short moments, each at its own tempo."""
    fine = 4000
    moments = (np.arange(24 * fine) + 0.5) / fine
    tempi = np.interp(moments, *np.array(curve).T)
    slow = np.cumsum((15 / tempi / fine).reshape(24, fine).sum(1))
    times, _ = step_times(scale(24), tempo=curve, fermata=0)
    assert np.allclose(times[1:], slow, rtol=1e-5)
    assert np.allclose(tempo_at(curve, moments), tempi)


def test_two_points_at_a_step_change_the_tempo_at_once():
    times, _ = step_times(scale(16), tempo=((0, 60), (8, 60), (8, 120), (16, 120)), fermata=0)
    assert np.diff(times) == pytest.approx([0.25] * 8 + [0.125] * 8)
    assert tempo_at(((8.0, 60.0), (8.0, 120.0)), np.array([7.9, 8, 9])).tolist() == [60, 120, 120]


@pytest.mark.parametrize("gap", [2**-53, 2**-51, 1e-12, 1e-6])
def test_points_may_be_as_near_as_numbers_can(gap):
    """0.1 + 0.2 isn't 0.3: such points change the tempo all but at once."""
    near = ((0.5, 5.0), (0.5 + gap, 1000.0))
    times, _ = step_times(scale(2), tempo=near, fermata=0)
    assert times == pytest.approx([0, 1.5 + 0.0075, 1.5 + 0.0225], abs=1e-4)


def test_the_tempo_just_before_a_step():
    sudden = ((0.0, 60.0), (8.0, 80.0), (8.0, 120.0), (10.0, 100.0))
    steps = np.array([0, 4, 8, 9, 10, 11])
    assert tempo_at(sudden, steps, before=True).tolist() == [60, 70, 80, 110, 100, 100]
    assert tempo_at(sudden, steps).tolist() == [60, 70, 120, 110, 100, 100]


def test_outside_its_points_a_curve_is_held():
    times, _ = step_times(scale(16), tempo=[[4, 60], [8, 120]], fermata=0)
    lengths = np.diff(times)
    assert lengths[:4] == pytest.approx([0.25] * 4)
    assert (np.diff(lengths[3:9]) < 0).all()
    assert lengths[8:] == pytest.approx([0.125] * 8)
    assert times[8] - times[4] == pytest.approx(15 * 4 * np.log(2) / 60)


def test_a_fermata_holds_and_breathes():
    fermatas = np.zeros(16, bool)
    fermatas[7] = True
    piece = Chorale(np.repeat([[60, 62]], 8, axis=1), tempo=60, fermatas=fermatas)
    times, ends = step_times(piece, fermata=0.5)
    assert times[[8, 16]] == pytest.approx([2.5, 5]), "the last chord is held like a fermata"
    assert np.flatnonzero(times != ends).tolist() == [8, 16]
    assert (times - ends)[[8, 16]] == pytest.approx(BREATH)
    slower, _ = step_times(piece, tempo=((0, 60), (8, 60), (8, 30)), fermata=0.5)
    assert slower[16] - slower[8] == pytest.approx(4 + 1), "beats are as long as they are there"


def test_the_last_chord_is_the_last_that_sounds():
    times, _ = step_times(Chorale(np.array([[60] * 4 + [0] * 4]), tempo=60), fermata=1)
    assert np.diff(times).argmax() == 3


def test_phrases_broaden_towards_their_last_chord():
    """BWV 180.7, six phrases: against the formula, integrated slowly over each step."""
    share = 0.1
    plain = np.diff(step_times(SCHMUECKE, fermata=0)[0])
    factor = np.diff(step_times(SCHMUECKE, fermata=0, broaden=share)[0]) / plain
    expected = np.ones(240)
    spans = phrase_spans(SCHMUECKE)
    assert spans == [(0, 40), (40, 80), (80, 120), (120, 160), (160, 192), (192, 240)]
    for number, (start, end) in enumerate(spans):
        final = number == len(spans) - 1
        chord = max(s for s in range(start, end) if SCHMUECKE.onsets[:, s].any())
        beats = LAST_APPROACH if final else APPROACH
        w = 1 / (1 + share * (LAST if final else 1))
        for step in range(chord - 4 * beats, chord):
            x = (step - chord + 4 * beats + (np.arange(5000) + 0.5) / 5000) / (4 * beats)
            speed = (1 + (w**CURVATURE - 1) * x) ** (1 / CURVATURE)
            expected[step] = (1 / speed).mean()
        expected[chord:end] = 1 / w
    assert factor == pytest.approx(expected, rel=1e-4)
    assert factor.max() == pytest.approx(1 + LAST * share)
    assert (factor == 1).sum() > 100


@given(pieces(), st.floats(0, 1), st.floats(0, 8), st.one_of(st.floats(5, 1000), curves))
@settings(max_examples=50)
def test_time_never_stands_still(piece, broaden, fermata, tempo):
    if isinstance(tempo, tuple):
        tempo = tuple((step * piece.steps / 24, speed) for step, speed in tempo)
    times, ends = step_times(piece, tempo=tempo, fermata=fermata, broaden=broaden)
    assert times[0] == 0 and (np.diff(times) > 0).all()
    assert (ends <= times).all() and (ends[1:] > times[:-1]).all()
    plain, _ = step_times(piece, tempo=tempo, fermata=0)
    assert (np.diff(times) >= np.diff(plain) * (1 - 1e-9)).all()
    spans = phrase_spans(piece)
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert (spans[0][0], spans[-1][1]) == (0, piece.steps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tempo": 4}, "tempo: expected a number from 5 to 1000, got 4"),
        ({"tempo": "fast"}, "tempo: expected a number from 5 to 1000, got 'fast'"),
        ({"tempo": float("nan")}, "expected a number from 5 to 1000, got nan"),
        ({"tempo": []}, r"expected a number or points \(step, tempo\), got none"),
        ({"tempo": [72, 60]}, r"point 1: expected \(step, tempo\), got 72"),
        ({"tempo": [(0, 72, 1)]}, r"point 1: expected \(step, tempo\)"),
        ({"tempo": [(0, 72), (4, 2000)]}, "point 2: expected a number from 5 to 1000, got 2000"),
        ({"tempo": [(-1, 72)]}, "point 1: step: expected a number, 0 or more, got -1"),
        ({"tempo": [(8, 72), (4, 60)]}, "expected rising steps, got 4 after 8"),
        ({"tempo": [(4, 72), (4, 60), (4, 50)]}, "at most two points at a step, step 4"),
        ({"tempo": [(0, 72), (241, 60)]}, "a point at step 241, but Schmücke .* ends at step 240"),
        ({"fermata": 9}, "fermata: expected a number from 0 to 8, got 9"),
        ({"broaden": -0.1}, "broaden: expected a number from 0 to 1, got -0.1"),
        ({"broaden": True}, "broaden: expected a number from 0 to 1, got True"),
    ],
)
def test_what_no_one_can_play_is_refused(options, message):
    with pytest.raises(ChoraleError, match=message):
        step_times(SCHMUECKE, **options)


def test_good_tempi_become_plain_floats():
    assert validate_tempo(np.float32(72)) == 72.0
    assert validate_tempo(np.array([[0, 60], [8, 72]])) == ((0.0, 60.0), (8.0, 72.0))
