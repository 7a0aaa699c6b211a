"""Masks: exact shades, even changes, and what a chain's YAML may ask for."""

import re
from itertools import pairwise

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet import places
from coconet.errors import ChoraleError
from coconet.transforms.figures import arpeggiate
from coconet.transforms.masks import (
    changing_masks,
    fixed_mask,
    mask_of,
    random_mask,
    shaded_mask,
    validate_mask,
)


def rng(seed=1):
    return np.random.default_rng(seed)


def test_the_fixed_mask_is_a_wave():
    mask = fixed_mask()
    assert mask.shape == (16, 8) and mask.dtype == np.uint8
    assert (mask.sum(1) == 5).all()  # of eight steps
    assert (mask.sum(0) == 10).all()  # of sixteen voices: as full at any time
    entries = (mask == 1) & (np.roll(mask, 1, axis=1) == 0)
    assert entries.argmax(1).tolist() == [3, 2, 1, 0, 5, 4, 3, 2, 7, 6, 5, 4, 1, 0, 7, 6]
    assert np.array_equal(fixed_mask(4), mask[:4])


@pytest.mark.parametrize("voices", range(1, 21))
def test_of_four_voices_and_more_of_the_wave_some_voice_always_sounds(voices):
    assert fixed_mask(voices).any(axis=0).all() == (voices >= 4)


def test_the_share_of_random_masks():
    assert random_mask((100, 200), share=0.3, rng=rng()).mean() == pytest.approx(0.3, abs=0.01)
    assert random_mask([16, 18], rng=rng()).shape == (16, 18)
    assert not random_mask((4, 4), share=0, rng=rng()).any()
    assert random_mask((4, 4), share=1, rng=rng()).all()


@pytest.mark.parametrize(
    ("shape", "zeros", "ones", "sounding"),
    [
        ((16, 18), 2, 6, 216),  # the four of the original's notebooks
        ((16, 18), 4, 4, 144),
        ((16, 20), 1, 4, 256),
        ((16, 20), 2, 2, 160),
        ((4, 6), 0, 1, 24),
        ((1, 3), 2, 1, 1),
    ],
)
def test_shades_are_exact(shape, zeros, ones, sounding):
    mask = shaded_mask(shape, zeros, ones, rng=rng())
    assert mask.shape == shape and mask.sum() == sounding
    assert np.array_equal(mask, shaded_mask(shape, zeros, ones, rng=rng()))
    if 1 < sounding < mask.size:
        assert not np.array_equal(mask, shaded_mask(shape, zeros, ones, rng=rng(2)))


@pytest.mark.filterwarnings("error")
def test_a_shape_of_a_narrow_dtype():
    shape = np.array([16, 20], np.uint8)
    assert random_mask(shape, rng=rng()).shape == shaded_mask(shape, 1, 3, rng=rng()).shape


def test_shuffled_everywhere():
    masks = [shaded_mask((2, 3), 1, 1, rng=rng(seed)) for seed in range(2000)]
    assert np.mean(masks, axis=0) == pytest.approx(np.full((2, 3), 0.5), abs=0.05)


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(2, 12), st.integers(0, 99))
def test_changes_are_even_and_never_turn_back(voices, width, count, seed):
    first, last = (random_mask((voices, width), rng=rng(seed + end)) for end in (0, 1000))
    masks = changing_masks(first, last, count, rng=rng(seed))
    assert masks.shape == (count, voices, width) and masks.dtype == np.uint8
    assert np.array_equal(masks[0], first) and np.array_equal(masks[-1], last)
    flips = [int((after != before).sum()) for before, after in pairwise(masks)]
    assert sum(flips) == (first != last).sum()  # so that no cell flips twice
    assert max(flips) - min(flips) <= 1


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("[[1, 0], [0, 1]]", (2, 2)),
        ("array: [[1, 0], [0, 1]]", (2, 2)),
        ("fixed: true", (16, 8)),
        ("fixed: {voices: 4}", (4, 8)),
        ("random: {shape: [16, 18], share: 0.5}", (16, 18)),
        ("random: {shape: [1, 3]}", (1, 3)),
        ("shaded: {shape: [16, 18], zeros: 2, ones: 6}", (16, 18)),
        ("changing: {first: [[1, 1]], last: {random: {shape: [1, 2]}}, count: 8}", (8, 1, 2)),
    ],
)
def test_what_a_chain_says(text, shape):
    mask = mask_of(yaml.safe_load(text), rng())
    assert mask.shape == shape and mask.dtype == np.uint8
    assert np.isin(mask, (0, 1)).all()


def test_masks_need_no_generator_where_nothing_is_drawn():
    assert np.array_equal(mask_of({"fixed": True}), fixed_mask())
    given_mask = np.ones((2, 3), bool)
    made = mask_of(given_mask)
    made[0, 0] = 0
    assert given_mask.all()  # a copy
    with pytest.raises(ChoraleError, match=r"rng=numpy\.random\.default_rng"):
        mask_of({"random": {"shape": [4, 4]}})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fixed_mask(0), "voices: expected a whole number, 1"),
        (lambda: random_mask((4,), rng=rng()), r"expected shape \[voices, width\], got \(4,\)"),
        (lambda: random_mask("44", rng=rng()), "expected shape"),
        (lambda: random_mask(4, rng=rng()), "expected shape"),
        (lambda: random_mask((4, 0), rng=rng()), "expected shape"),
        (lambda: random_mask((4, 2.5), rng=rng()), "expected shape"),
        (lambda: random_mask((10**6, 10**6), rng=rng()), "more than 4,000,000 cells"),
        (lambda: random_mask((4, 4), share=2, rng=rng()), "share: expected a number from 0 to 1"),
        (lambda: random_mask((4, 4), rng=None), "chance is asked for"),
        (lambda: shaded_mask((4, 4), 1, 0, rng=rng()), "zero ratio: 1 zeros to 0 ones"),
        (lambda: shaded_mask((4, 4), 0, 0, rng=rng()), "zero ratio: 0 zeros to 0 ones"),
        (lambda: shaded_mask((4, 4), -1, 2, rng=rng()), "zeros: expected a whole number, 0 or"),
        (lambda: shaded_mask((4, 4), 1, 1.5, rng=rng()), "ones: expected a whole number, 0 or"),
        (
            lambda: shaded_mask((16, 18), 2, 3, rng=rng()),
            r"16 voices × 18 steps: 288 cells don't divide by 2 zeros \+ 3 ones",
        ),
        (
            lambda: changing_masks([[1]], [[1, 0]], 3, rng=rng()),
            r"two of one shape, got \(1, 1\) and \(1, 2\)",
        ),
        (lambda: changing_masks([[1]], [[0]], 1, rng=rng()), "count: expected a whole number, 2"),
        (lambda: changing_masks([[1]], [[0]], 10**9, rng=rng()), "2 to 4000000"),
        (lambda: changing_masks([[[1]]], [[0]], 3, rng=rng()), "first mask: expected shape"),
        (lambda: changing_masks([[1]], [[7]], 3, rng=rng()), "last mask: .* got 7 at row 0, step"),
        (lambda: validate_mask([[0, 1], [1, 2]]), "zeros and ones only, got 2 at row 1, step 1"),
        (lambda: validate_mask([[0.5]]), "zeros and ones only, got 0.5"),
        (lambda: validate_mask([[float("nan")]]), "zeros and ones only, got nan"),
        (lambda: validate_mask([[0, 1], [1]]), "rows of unequal length"),
        (lambda: validate_mask([["x", "."]]), "expected zeros and ones, got"),
        (lambda: validate_mask(1), r"expected shape \(width,\), \(voices, width\) or .*, got \(\)"),
        (lambda: validate_mask([0, 2]), "zeros and ones only, got 2 at row 0, step 1"),
        (lambda: validate_mask([]), "expected shape"),
        (lambda: validate_mask([[]]), "expected shape"),
        (lambda: validate_mask(None), "expected zeros and ones, got None"),
        (lambda: mask_of("fixed"), "expected zeros and ones, got 'fixed'"),
        (lambda: mask_of({}), "expected one of array, fixed, random, shaded, changing"),
        (lambda: mask_of({"fixed": True, "random": {}}), "expected one of"),
        (lambda: mask_of({"shade": {}}), "or changing, got 'shade'; did you mean shaded"),
        (lambda: mask_of({3: {}}), "mask: expected array, fixed, .*, got 3"),
        (lambda: mask_of({"fixed": False}), "fixed: expected values by name, got False"),
        (lambda: mask_of({"random": [4, 4]}, rng()), "random: expected values by name"),
        (lambda: mask_of({"random": {}}, rng()), "random: needs shape"),
        (lambda: mask_of({"shaded": {"shape": [4, 4], "one": 1}}, rng()), "'one'; did you mean"),
        (lambda: mask_of({"shaded": {"shape": [4, 4], "ones": 1}}, rng()), "shaded: needs zeros"),
        (lambda: mask_of({"array": [[2]]}), "zeros and ones only"),
    ],
)
def test_bad_masks(call, message):
    with pytest.raises(ChoraleError, match=message):
        call()


def test_a_flat_row_is_one_row():
    assert validate_mask([1, 0]).tolist() == mask_of({"array": [1, 0]}).tolist() == [[1, 0]]
    masks = mask_of({"changing": {"first": [1, 0], "last": [[0, 1]], "count": 2}}, rng())
    assert masks.tolist() == [[[1, 0]], [[0, 1]]]
    chord = [[60] * 4, [48] * 4]
    made = arpeggiate(chord, mask=[1, 0])
    assert made.tolist() == [[60, 0, 60, 0], [48, 0, 48, 0]]
    assert arpeggiate(chord, mask=np.array([1, 0]), sections=2).tolist() == made.tolist()


def test_the_forms_that_writers_of_chains_are_told_are_read():
    told = (places.chains() / "README.md").read_text(encoding="utf-8")
    forms = re.findall(r"^\| `([\[{].*?)` \|", told, re.MULTILINE)
    read = [
        yaml.safe_load(form.replace("MASK", "[[0, 1]]").replace("…", "[[0, 1]]")) for form in forms
    ]
    assert len(read) == 7
    shapes = [mask_of(spec, rng()).shape for spec in read[:-1]]
    assert shapes == [(1, 4), (4, 2), (4, 8), (16, 18), (16, 18), (8, 1, 2)]
    quartets = np.full((12, 4), 60)
    made = arpeggiate(quartets, mask=read[-1], each="quartet")
    assert made.tolist() == [[0, 60, 0, 60]] * 12
