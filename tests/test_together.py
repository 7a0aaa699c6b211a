"""Quartets that hear each other, against slow and obvious versions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mocks import Uniform

from coconet import places
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.gibbs import Schedule, sample
from coconet.grid import REST
from coconet.metrics import battery
from coconet.predictor import load_predictor
from coconet.theory import DISSONANT
from coconet.tilt import MOST, Tilt
from coconet.together import (
    CLASHING,
    DEFAULT,
    NAMES,
    SHARED,
    count_cross,
    cross_metrics,
    together_pull,
    together_weights,
)

PITCHES = (36, 81)
STACKS = st.integers(1, 4).flatmap(
    lambda k: hnp.arrays(
        np.int16,
        st.tuples(st.just(4 * k), st.integers(1, 6)),
        elements=st.sampled_from([0, 43, 48, 55, 57, 60, 61, 64, 67, 71, 72]),
    )
)


def opening(bwv="180.7", steps=32):
    (chorale,) = (c for c in load_corpus("demo") if c.bwv == bwv)
    return crop(chorale, (0, steps))


def obvious_pull(others, together):
    gains = np.zeros((others.shape[1], 46))
    for step in range(others.shape[1]):
        share = [0.0] * 12
        for quartet in range(0, len(others), 4):
            for pc in {int(p) % 12 for p in others[quartet : quartet + 4, step] if p != REST}:
                share[pc] += 4 / len(others)
        for pitch in range(36, 82):
            own = share[pitch % 12]
            beside = sum(share) - own
            clashing = sum(share[c] for c in range(12) if (pitch - c) % 12 in DISSONANT)
            part = clashing / beside if beside > 1e-6 else 0
            gains[step, pitch - 36] = together * own * (SHARED + CLASHING * part)
    return gains


def obvious_cross(stack, voices, size):
    counts = np.zeros((4, 2), int)
    for step in range(stack.shape[1]):
        column = [int(pitch) for pitch in stack[:, step]]
        classes = {pitch % 12 for pitch in column if pitch}
        counts[1] += (len(classes), bool(classes))
        for a, b in itertools.combinations(range(len(column)), 2):
            if a // size == b // size or a % 4 not in voices or b % 4 not in voices:
                continue
            if not (column[a] and column[b]):
                continue
            interval = abs(column[a] - column[b]) % 12
            counts[0] += (interval in DISSONANT, 1)
            counts[2] += (interval == 0, 1)
            if a % size == b % size:
                counts[3] += (column[a] == column[b], 1)
    return counts


@given(STACKS, st.sampled_from([0.25, 0.5, 1.0]))
def test_the_pull_agrees_with_the_obvious_loop(others, together):
    before = others.copy()
    pull = together_pull(others, PITCHES, together)
    assert pull.shape == (1, others.shape[1], 46)
    assert pull.dtype == np.float32
    assert (others == before).all()
    np.testing.assert_allclose(pull[0], obvious_pull(others, together), atol=1e-4)


@given(STACKS, st.sampled_from([(0, 1, 2, 3), (0, 1, 2), (3,)]), st.sampled_from([1, 4]))
def test_cross_metrics_agree_with_the_obvious_loop(stack, voices, size):
    found = count_cross([stack], voices=voices, size=size)[0]
    assert (found == obvious_cross(stack, voices, size)).all()


def test_no_weight_or_no_others_is_no_pull():
    others = opening().grid
    assert together_pull(others, PITCHES, 0) is None
    assert together_pull(others, PITCHES, 0.0) is None
    assert together_pull(others[:0], PITCHES, 1) is None


@given(STACKS, st.randoms(use_true_random=False))
def test_neither_register_nor_order_of_voices_or_quartets_changes_the_pull(others, random):
    pull = together_pull(others, PITCHES, 0.7)
    quartets = [others[row : row + 4] for row in range(0, len(others), 4)]
    random.shuffle(quartets)
    voices = random.sample(range(4), 4)
    moved = np.vstack([quartet[voices] for quartet in quartets])
    moved = np.where(moved == REST, REST, moved + random.choice([-12, 0, 12]))
    np.testing.assert_allclose(together_pull(moved, PITCHES, 0.7), pull, atol=1e-5)
    # Nor how many quartets there are, as long as they sound the same.
    np.testing.assert_allclose(
        together_pull(np.tile(others, (2, 1)), PITCHES, 0.7), pull, atol=1e-5
    )


@given(STACKS, st.integers(1, 11))
def test_what_is_transposed_pulls_to_transposed_pitches(others, semitones):
    moved = np.where(others == REST, REST, others + semitones)
    pull, shifted = (together_pull(grid, (36, 83), 1.0)[0] for grid in (others, moved))
    np.testing.assert_allclose(shifted, np.roll(pull, semitones, axis=1), atol=1e-4)


def test_a_chord_pulls_to_its_tones_and_most_to_the_one_that_clashes():
    chord = np.array([[72, 74], [67, 67], [64, 64], [48, 48]])  # C major; D in passing above it
    pull = together_pull(chord, PITCHES, 1.0)[0, :, 60 - 36 : 72 - 36]
    sounding = {0: [0, 4, 7], 1: [0, 2, 4, 7]}
    for step, classes in sounding.items():
        assert np.flatnonzero(pull[step]).tolist() == classes
    np.testing.assert_allclose(pull[0, [0, 4, 7]], SHARED)
    assert pull[1].argmax() == 2
    np.testing.assert_allclose(pull[1, 7], SHARED)  # G clashes with none of them


def test_where_the_others_rest_nothing_pulls():
    others = opening().grid.copy()
    others[:, 8:12] = REST
    pull = together_pull(others, PITCHES, 1.0)
    assert (pull[:, 8:12] == 0).all()
    assert (pull[:, 12:].max(-1) > 0).all()


def write(others, together, *, seed=1):
    """A quartet of a model that knows nothing, beside others."""
    steps = others.shape[1]
    (grid,) = sample(
        Uniform(),
        [Chorale(np.zeros((4, steps), int))],
        [np.ones((4, steps), bool)],
        schedule=Schedule(passes=4),
        pulls=[together_pull(others, PITCHES, together)],
        rng=[np.random.default_rng(seed)],
        fill_rests=True,
    )
    return np.vstack([others, grid])


def test_the_more_they_hear_each_other_the_less_they_clash():
    others = opening(steps=64).grid
    stacks = [write(others, together) for together in (0.0, 0.1, 0.2, 0.4, 1.0)]
    shares = [cross_metrics([stack])["dissonant"].value for stack in stacks]
    assert shares[0] > 0.35  # chance: 5 of 12
    # Beyond that, a model that knows nothing takes up the others' dissonances alone.
    assert all(after < before for before, after in itertools.pairwise(shares[:4]))
    assert shares[-1] < 0.5 * shares[0]
    classes = [cross_metrics([stack])["pitch classes"].value for stack in stacks]
    assert classes[0] > 5 > classes[-1]


def test_at_zero_a_quartet_is_what_it_is_alone():
    chorale = opening()
    hidden = np.ones(chorale.grid.shape, bool)
    hidden[3] = False
    options = {"schedule": Schedule(passes=3), "rng": [np.random.default_rng(5)]}
    (alone,) = sample(Uniform(), [chorale], [hidden], **options)
    options["rng"] = [np.random.default_rng(5)]
    pulls = [together_pull(chorale.grid, PITCHES, 0)]
    (beside,) = sample(Uniform(), [chorale], [hidden], pulls=pulls, **options)
    assert (alone == beside).all()


def test_the_weights_against_parallels_grow_with_the_pull_alone():
    weights = Tilt(fifths=3.0, octaves=9.0, key=1.0, close=5.0, fitted={"seed": 1})
    assert together_weights(weights, 0, 1.0) == weights
    assert together_weights(weights, 8, 0) == weights
    assert not together_weights(Tilt(), 8, 1.0)
    half, full = (together_weights(weights, 4, together) for together in (0.5, 1.0))
    assert half == Tilt(fifths=6.0, octaves=18.0, key=1.0, close=5.0)
    assert full == Tilt(fifths=9.0, octaves=MOST, key=1.0, close=5.0)
    assert full.fitted == weights.fitted
    for others in (0, 4):
        with pytest.raises(ChoraleError, match="together: expected a weight"):
            together_weights(weights, others, 2.0)


def test_bachs_own_texture_in_these_measures():
    grids = [chorale.grid for chorale in load_corpus("valid")]
    texture = cross_metrics(grids, size=1, rng=np.random.default_rng(1), resamples=100)
    assert texture["dissonant"].value == pytest.approx(battery(grids).value("dissonant"))
    assert 0.09 < texture["dissonant"].value < 0.12
    assert 3.0 < texture["pitch classes"].value < 3.4
    assert 0 < texture["dissonant"].error < 0.01
    # A chorale alone has no voices of different quartets.
    assert np.isnan(cross_metrics(grids)["dissonant"].value)


def test_copies_are_seen_through():
    grid = opening().grid
    copied = cross_metrics([np.tile(grid, (4, 1))])
    assert copied["same"].value == 1
    assert list(copied) == list(NAMES)
    assert np.isnan(copied["dissonant"].error)  # one stack has no spread
    other = opening("140.7").grid
    assert cross_metrics([np.vstack([grid, other])])["same"].value < 0.3


BASE = np.full((4, 8), 60)


@pytest.mark.parametrize(
    ("others", "together", "complaint"),
    [
        *((BASE, weight, "together: expected a weight") for weight in (-0.1, 1.5, np.nan, np.inf)),
        *((BASE, weight, "together: expected a weight") for weight in ("much", None, True)),
        (BASE[:3], 0.5, "others: expected stacked quartets, got 3 voices"),
        (BASE[0], 0.5, "others: expected shape"),
        (BASE[None], 0.5, "others: expected shape"),
        (BASE - 61, 0.5, "others: soprano at step 0: -1"),
        (BASE + 0.5, 0.5, "not a whole number"),
    ],
)
def test_bad_input_is_told(others, together, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        together_pull(others, PITCHES, together)


def test_others_of_another_length_are_refused_by_the_sampler():
    with pytest.raises(ChoraleError, match="pulls: expected finite nats"):
        sample(
            Uniform(),
            [Chorale(BASE)],
            [np.ones(BASE.shape, bool)],
            pulls=[together_pull(BASE[:, :6], PITCHES, DEFAULT)],
            rng=np.random.default_rng(1),
        )


@pytest.mark.parametrize(
    ("stacks", "options", "complaint"),
    [
        ([], {}, "at least one stack"),
        ([BASE[:2]], {}, "stack 0: expected stacked quartets"),
        ([BASE], {"size": 3}, "size of 1 or 4"),
        ([BASE], {"voices": (4,)}, "voices 0-3"),
    ],
)
def test_bad_stacks_are_told(stacks, options, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        cross_metrics(stacks, **options)


def test_with_the_shipped_model_later_quartets_join_in_the_first_ones_harmony():
    predictor = load_predictor(places.models() / "chorales", threads=1)
    chorales = [crop(chorale, (0, 32)) for chorale in load_corpus("demo")]
    hidden = np.ones((4, 32), bool)
    hidden[0] = False
    shares = {}
    for together in (0.0, DEFAULT):
        rngs = [np.random.default_rng(number) for number in range(len(chorales))]
        stacks = [np.zeros((0, 32), np.int16)] * len(chorales)
        for _ in range(2):
            pulls = [together_pull(stack, predictor.pitches, together) for stack in stacks]
            grids = sample(
                predictor,
                chorales,
                [hidden] * len(chorales),
                schedule=Schedule(passes=8),
                pulls=pulls,
                rng=rngs,
            )
            stacks = [np.vstack(pair) for pair in zip(stacks, grids, strict=True)]
        shares[together] = cross_metrics(stacks, voices=(1, 2, 3))["dissonant"].value
    assert shares[DEFAULT] < 0.7 * shares[0.0]
