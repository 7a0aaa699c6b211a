"""Wishes: counted for all choices at once, the same as one by one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.features import NAMES, bach_features, describe
from coconet.wishes import (
    COUNTED,
    OF_SEVERAL,
    WISHES,
    Segment,
    Wish,
    bach_moments,
    merits_of,
    wish_of,
)

#: Rests, unisons, octaves and pitches on both sides of 64.
PITCHES = st.sampled_from([0, 48, 60, 61, 62, 63, 64, 66, 72, 127])
GRIDS = st.tuples(st.integers(2, 7), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.int16, shape, elements=PITCHES)
)


def some(voices, count):
    return np.array(list(combinations(range(voices), count)))


def part(grid, rows):
    return grid[list(rows)]


def share(grid, is_counted):
    """Pair by pair, step by step."""
    counted = sounding = 0
    for column in grid.T.astype(int):
        for one, other in combinations(column[column > 0], 2):
            counted += is_counted(abs(one - other))
            sounding += 1
    return counted / sounding if sounding else np.nan


@given(GRIDS, st.data())
@settings(max_examples=40)
def test_all_choices_at_once_are_as_one_by_one(grid, data):
    choices = some(len(grid), data.draw(st.integers(1, len(grid))))
    segment = Segment(Chorale(grid))
    slow = {
        "consonant": [share(part(grid, c), lambda i: i % 12 in (1, 2, 6, 10, 11)) for c in choices],
        "apart": [share(part(grid, c), lambda i: i == 0) for c in choices],
    }
    for name, expected in slow.items():
        np.testing.assert_allclose(WISHES[name].count(segment, choices), expected)
    table = np.array([describe(part(grid, c)) for c in choices])
    for name, count in COUNTED.items():
        expected = table[:, NAMES.index(name)]
        np.testing.assert_allclose(count(segment, choices), expected, atol=1e-12, err_msg=name)


def test_features_are_those_of_the_report_on_real_chorales():
    four = np.arange(4)[None]
    for chorale in load_corpus("demo"):
        told = describe(chorale)
        for name, count in COUNTED.items():
            assert count(Segment(chorale), four)[0] == pytest.approx(told[NAMES.index(name)])


def test_bachs_moments_are_those_of_his_chorales():
    values = bach_features("train")
    for name, (mean, spread) in bach_moments(4, False).items():
        assert mean == pytest.approx(np.nanmean(values[:, NAMES.index(name)]))
        assert spread == pytest.approx(np.nanstd(values[:, NAMES.index(name)]))
    # Fewer notes spread over fewer pitch classes.
    entropy = "pitch-class entropy"
    assert bach_moments(4, True)[entropy][0] < bach_moments(4, False)[entropy][0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_moments_of_fewer_voices_are_those_of_all_sets_of_his(count):
    voices = combinations(range(4), count)
    values = np.concatenate([bach_features("train", voices=rows) for rows in voices])
    for name, (mean, spread) in bach_moments(count, False).items():
        column = values[:, NAMES.index(name)]
        assert (mean, spread) == pytest.approx((np.nanmean(column), np.nanstd(column)))
    assert set(bach_moments(count, False)) == {*COUNTED} - ({*OF_SEVERAL} if count == 1 else set())


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_any_voices_of_a_real_chorale_are_near_bach(count):
    """A duet of his is as near to his duets as a whole chorale to his chorales."""
    wish = wish_of("bach", None, count=count, phrases=False)
    chorales = load_corpus("valid")
    found = np.array([wish.count(Segment(chorale), some(4, count)) for chorale in chorales])
    assert 0.5 < np.median(found) < 1.2
    noise = Chorale(np.random.default_rng(1).integers(40, 80, (4, 128)))
    assert (wish.count(Segment(noise), some(4, count)) > 3).all()


def test_what_bach_is_compared_with_is_told():
    told = {
        count: wish_of("bach", None, count=count, phrases=True).told.split(" in ")[0]
        for count in (1, 2, 4, 8)
    }
    assert told == {
        1: "distance from any 1 voice of Bach's phrases",
        2: "distance from any 2 voices of Bach's phrases",
        4: "distance from Bach's phrases",
        8: "distance from Bach's phrases of four voices",
    }


def test_near_bach_is_a_distance_in_deviations():
    chorale = load_corpus("demo")[0]
    wish = wish_of("bach", ["dissonance", "density"], count=4, phrases=False)
    (found,) = wish.count(Segment(chorale), np.arange(4)[None])
    told, bach = describe(chorale), bach_features("train")
    columns = [NAMES.index("dissonance"), NAMES.index("density")]
    z = (told - bach.mean(0))[columns] / bach.std(0)[columns]
    assert found == pytest.approx(np.sqrt((z**2).mean()))
    assert wish.sign == -1 and "dissonance, density, standard deviations" in wish.told


def test_phrases_are_near_bachs_phrases_and_pieces_near_his_chorales():
    segment, four = Segment(load_corpus("demo")[0]), np.arange(4)[None]
    (entropy,) = COUNTED["pitch-class entropy"](segment, four)
    for phrases, told in ((True, "Bach's phrases"), (False, "Bach's chorales")):
        wish = wish_of("bach", "pitch-class entropy", count=4, phrases=phrases)
        mean, spread = bach_moments(4, phrases)["pitch-class entropy"]
        assert wish.count(segment, four)[0] == pytest.approx(abs(entropy - mean) / spread)
        assert told in wish.told


def test_merits_that_differ_in_their_last_bits_are_equal():
    wish = Wish("told", 1, lambda segment, rows: np.array([0.3, 0.1 + 0.2]))
    one, other = merits_of(some(2, 1), Segment(Chorale(np.full((2, 1), 60))), wish)
    assert one == other


def test_what_grows_with_the_voices_does_not_count_where_bach_has_fewer():
    two, four, eight = (
        wish_of("bach", None, count=count, phrases=True).told for count in (2, 4, 8)
    )
    for growing in ("polyphony", "density"):
        assert growing in two and growing in four and growing not in eight
    assert "dissonance" in eight


def test_weights_add_merits_in_their_own_units():
    grid = np.array([[60, 60], [60, 67], [61, 64]])
    choices, segment = some(3, 2), Segment(Chorale(grid))
    wish = wish_of({"consonant": 2, "apart": 0.5}, None, count=2, phrases=False)
    # 0 and 1: unison, fifth; 0 and 2: second, third; 1 and 2: second, third.
    assert merits_of(choices, segment, wish).tolist() == [-0.25, -1, -1]


def test_what_cannot_be_counted_comes_last():
    grid = np.array([[60, 60], [0, 0], [61, 61]])
    for wished in ("consonant", {"consonant": -1}, lambda grid: np.nan):
        wish = wish_of(wished, None, count=2, phrases=False)
        merits = merits_of(np.array([[0, 1]]), Segment(Chorale(grid)), wish)
        assert merits.tolist() == [-np.inf]


def test_one_voice_alone_is_near_bach_without_pairs():
    assert "dissonance" not in wish_of("bach", None, count=1, phrases=True).told
    for name in ("dissonance", "polyphony"):
        with pytest.raises(ChoraleError, match=f"{name}: is counted among several"):
            wish_of("bach", [name], count=1, phrases=True)


@pytest.mark.parametrize(
    ("wished", "features", "complaint"),
    [
        ("loud", None, "expected consonant, entropy, apart or bach, got 'loud'"),
        ("consonat", None, "did you mean consonant"),
        (3, None, "a name, weights of names or a function"),
        ([0] * 99, None, "function of a grid, got .{79}…$"),
        ({}, None, "a name, weights of names or a function"),
        ({"loud": 1}, None, "got 'loud'"),
        ({"apart": "much"}, None, "weight of 'apart': expected a number, got 'much'"),
        ({"apart": np.inf}, None, "weight of 'apart': expected a number"),
        ({"apart": np.nan}, None, "weight of 'apart': expected a number"),
        ({"apart": 10**400}, None, "weight of 'apart': expected a number"),
        ({"apart": True}, None, "weight of 'apart': expected a number"),
        ("bach", ["loudness"], "features: expected dissonance, .* or density, got 'loudness'"),
        ("bach", ["densty"], "did you mean density"),
        ("bach", [], r"features: expected dissonance.*got \[\]"),
        ("bach", 3, "features: expected dissonance.*got 3"),
        ("bach", [["density"]], "features: expected dissonance"),
        ("bach", ["density", "density"], "each once"),
        ("apart", ["density"], "only the wish 'bach' asks for some"),
        ({"apart": 1}, ["density"], "only the wish 'bach' asks for some"),
        (len, ["density"], "only the wish 'bach' asks for some"),
    ],
)
def test_wishes_that_are_unknown_are_refused(wished, features, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        wish_of(wished, features, count=4, phrases=False)


def test_a_function_must_return_a_number():
    segment, choice = Segment(Chorale(np.full((2, 2), 60))), np.array([[0, 1]])
    for answer in ("nice", None, [1], 1j, np.inf, 10**400):
        wish = wish_of(lambda grid, answer=answer: answer, None, count=2, phrases=False)
        with pytest.raises(ChoraleError, match="expected the function's number, got "):
            wish.count(segment, choice)
    for answer in (True, np.True_, 1, np.array(1.0), np.float32(1)):
        wish = wish_of(lambda grid, answer=answer: answer, None, count=2, phrases=False)
        assert wish.count(segment, choice) == [1]


def test_weights_may_hold_features_for_bach():
    one = wish_of({"bach": 1, "apart": 0}, ["density"], count=4, phrases=False)
    segment, choice = Segment(load_corpus("demo")[0]), np.arange(4)[None]
    alone = wish_of("bach", ["density"], count=4, phrases=False)
    assert one.count(segment, choice) == -alone.count(segment, choice)
