"""How loud each note is: evenly, phrase by phrase, by hand, by a random walk."""

import numpy as np
import pytest
from hypothesis import given, settings
from pieces import pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.render.dynamics import (
    ACCENTS,
    DISSONANCE,
    DOWNBEAT,
    LOUDEST,
    SOFTEST,
    SWELL,
    VELOCITIES,
    Walk,
    Walker,
    even_velocities,
    given_velocities,
    midi_velocity,
    phrase_velocities,
    validate_velocities,
    walk_velocity,
)
from coconet.render.events import WalkCounts
from coconet.render.tempo import phrase_spans

CHORALES = load_corpus("demo")


def test_even_velocities_tell_voices_and_bar_lines():
    found = even_velocities(CHORALES[2])  # 4/4 with an upbeat of 4 steps
    assert found[:, 0].tolist() == list(VELOCITIES)
    assert (np.array(VELOCITIES) + DOWNBEAT == found[:, 4::16].T).all()
    assert np.unique(found[0]).tolist() == [84, 88]


@pytest.mark.parametrize("piece", CHORALES, ids=lambda piece: piece.bwv)
def test_phrases_swell_and_relax(piece):
    found = phrase_velocities(piece)
    assert found.min() >= SOFTEST and found.max() <= LOUDEST
    for start, end in phrase_spans(piece):
        struck = start + np.flatnonzero(piece.onsets[:, start:end].any(0))
        beats = struck[(struck - piece.upbeat) % 4 == 0]
        soprano = found[0, beats]
        middle = soprano[len(beats) // 4 : -(len(beats) // 4) or None].mean()
        assert middle > max(soprano[0], soprano[-1]) + 4
        assert soprano.argmax() not in (0, len(beats) - 1)
        assert np.ptp(soprano) > SWELL / 2
    assert (found[0] > found[1]).all() and (found[3] > found[2]).all(), "outer voices lead"
    # On the whole a phrase is about as loud as an even one.
    assert found[piece.onsets].mean() == pytest.approx(
        even_velocities(piece)[piece.onsets].mean(), abs=4
    )


def test_the_peak_is_the_highest_note():
    low = np.full(64, 60)
    early, late = low.copy(), low.copy()
    early[28:32], late[44:48] = 72, 72
    peaks = []
    for row in (early, late):
        piece = Chorale(row[None], onsets=np.ones((1, 64), bool), phrases=(64,))
        peaks.append(phrase_velocities(piece)[0, ::16].argmax())
    assert peaks[0] < peaks[1]


@pytest.mark.parametrize(
    ("metre", "upbeat", "bar"),
    [
        ("4/4", 0, "|.-.+.-.+.-.+.-."),
        ("3/4", 4, "|.-.+.-.+.-."),
        ("3/2", 8, "|...-...+...-...+...-..."),
        ("6/8", 2, "|.-.-.+.-.-."),
        ("12/8", 6, "|.-.-.+.-.-.+.-.-.+.-.-."),
        ("3/8", 2, "|-+-+-"),
        ("5/16", 0, "|++++"),
    ],
)
def test_accents_follow_the_metre(metre, upbeat, bar):
    """Of one held note, which has no swell: what remains is the metre."""
    piece = Chorale(np.full((1, 64), 60), time_signature=metre, upbeat=upbeat)
    found = phrase_velocities(piece)[0] - VELOCITIES[0]
    expected = np.resize([ACCENTS["|+-.".index(sign)] for sign in bar], 64 + len(bar))
    assert found == pytest.approx(expected[len(bar) - upbeat :][:64])


@pytest.mark.parametrize("chords", [1, 2, 3, 8, 40])
def test_short_phrases_are_as_loud_as_long_ones(chords):
    piece = Chorale(60 + np.repeat(np.arange(chords) % 2, 16)[None])
    struck = phrase_velocities(piece)[0, ::16]
    assert struck.mean() == pytest.approx(VELOCITIES[0] + DOWNBEAT)
    assert np.ptp(struck) == pytest.approx(0 if chords < 3 else SWELL, abs=SWELL / 8)


def test_dissonances_weigh_more():
    chords = {"consonant": (64, 60), "dissonant": (62, 60)}
    loud = {
        name: phrase_velocities(Chorale(np.repeat([[a], [b]], 16, axis=1)))[0, 0]
        for name, (a, b) in chords.items()
    }
    assert loud["dissonant"] - loud["consonant"] == pytest.approx(DISSONANCE)


@given(pieces())
@settings(max_examples=30)
def test_phrases_of_anything_stay_within_bounds(piece):
    found = phrase_velocities(piece)
    assert found.shape == piece.grid.shape
    assert found.min() >= SOFTEST and found.max() <= LOUDEST
    assert (found == phrase_velocities(piece)).all()


def test_velocities_by_hand_come_back_as_they_are():
    piece = Chorale(np.array([[60, 60, 0, 62]]))
    by_hand = validate_velocities([[40, -1, 0, 127]])
    assert given_velocities(by_hand, piece).tolist() == [[40, -1, 0, 127]], "only onsets count"
    assert not by_hand.flags.writeable


@pytest.mark.parametrize(
    ("velocities", "message"),
    [
        ([[0, 60, 0, 62]], "soprano at step 0: expected a velocity 1-127, got 0"),
        ([[60, 60, 0, 128]], "soprano at step 3: expected a velocity 1-127, got 128"),
        ([[60, 60]], r"expected velocities of shape \(1, 4\), got \(1, 2\)"),
        ([60, 60, 60, 60], "whole numbers of shape"),
        ([[60.5] * 4], "whole numbers of shape"),
        ([[60], [60, 61]], "whole numbers of shape"),
        ([], "whole numbers of shape"),
        (60, "whole numbers of shape"),
    ],
)
def test_other_velocities_are_refused(velocities, message):
    piece = Chorale(np.array([[60, 60, 0, 62]]))
    with pytest.raises(ChoraleError, match=message):
        given_velocities(validate_velocities(velocities), piece)


# --- the random walk -----------------------------------------------------------


def test_the_layers_are_the_originals():
    layers = {60: 25, 62: 31, 64: 39, 66: 47, 68: 63, 70: 78, 72: 85}
    assert midi_velocity(list(layers)).tolist() == list(layers.values())
    every = np.arange(52, 85)
    assert (walk_velocity(midi_velocity(every)) == every).all(), "there and back"
    assert (np.diff(midi_velocity(every)) >= 3).all()
    assert walk_velocity([1, 127]).tolist() == [52, 84]


def test_a_walk_rises_falls_and_begins_anew():
    """With chances of one in one everything moves at every note."""
    walk = Walk(velocity=60, velocities=(59, 61), volume=10, volumes=(9.5, 11), rises=1, falls=1)
    walker = Walker(walk, np.random.default_rng(0))
    path = []
    for challenging in (True, True, False, False, False):
        walker.step(challenging)
        path.append((walker.velocity, walker.volume))
    assert path == [(61, 10.25), (60, 10.5), (59, 10.25), (60, 10.0), (59, 9.75)]
    assert walker.counts == WalkCounts(10, 2, 3, 2, 3, 2, 3, velocity_resets=2, volume_resets=0)
    assert walker.counts.notes == 5
    walker.begin_voice()
    assert (walker.velocity, walker.volume) == (60, 9.75), "volume is carried over"


def test_a_walk_takes_numpys_numbers():
    walk = Walk(velocity=np.int64(60), volume=np.float32(15), volumes=np.array([1, 20]))
    assert [type(value) for value in (walk.velocity, walk.volume, *walk.volumes)] == [
        int, float, float, float,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"velocity": 72}, "walk: velocity: expected a whole number, 58 to 71, got 72"),
        ({"velocity": 67.0}, "walk: velocity: expected a whole number"),
        ({"velocities": (71, 58)}, "walk: highest velocity: expected a whole number, 71 to 84"),
        ({"velocities": (0, 71)}, "walk: lowest velocity: expected a whole number, 52 to 84"),
        ({"velocities": 58}, "walk: velocities: expected the lowest and the highest, got 58"),
        ({"volumes": (10, 18, 20)}, "walk: volumes: expected the lowest and the highest"),
        ({"volume": 9}, "walk: volume: expected a number from 10"),
        ({"volumes": (0, 18)}, "walk: lowest volume: expected a number from 1 to 100, got 0"),
        ({"volume_step": -1}, "walk: volume_step: expected a number from 0 to 100, got -1"),
        ({"rises": 0}, "walk: rises: expected a whole number, 1 to"),
        ({"falls": 2.5}, "walk: falls: expected a whole number, 1 to"),
    ],
)
def test_walks_that_lead_nowhere_are_refused(options, message):
    with pytest.raises(ChoraleError, match=message):
        Walk(**options)
