"""Phrases: their lengths, those that come again, pieces made of some of them."""

import numpy as np
import pytest

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.phrases import choose_phrases, cut_phrases, phrase_lengths, repeats, validate_lengths


@pytest.fixture(scope="module")
def demo():
    return {chorale.bwv: chorale for chorale in load_corpus("demo")}


def test_fermatas_tell_the_phrases(demo):
    assert phrase_lengths(demo["180.7"]) == (40, 40, 40, 40, 32, 48)
    unknown = demo["244.3"].replace(phrases=())
    assert phrase_lengths(unknown) == demo["244.3"].phrases == (48, 48, 48, 32)


def test_bars_keep_the_upbeat(demo):
    herzliebster = demo["244.3"]
    assert herzliebster.upbeat == 4
    assert phrase_lengths(herzliebster, by=3) == (48, 48, 48, 32)
    for piece in cut_phrases(herzliebster, phrase_lengths(herzliebster, by=1)):
        assert piece.upbeat == 4
    odd = Chorale(np.full((4, 30), 60), time_signature="3/4", upbeat=4)
    assert phrase_lengths(odd, by=1) == (12, 12, 6)


def test_a_cut_piece_is_all_there(demo):
    for chorale in demo.values():
        pieces = cut_phrases(chorale)
        assert np.array_equal(np.hstack([piece.grid for piece in pieces]), chorale.grid)
        assert [piece.steps for piece in pieces] == list(chorale.phrases)
        assert all(piece.phrases == (piece.steps,) for piece in pieces)


def test_repeats_are_found_and_dropped(demo):
    piece = demo["180.7"]
    lengths = phrase_lengths(piece)
    sung = choose_phrases(piece, lengths, [0, 1, 0, 1, 2, 3, 4, 5])
    assert sung.steps == 320
    assert repeats(sung, sung.phrases) == (None, None, 0, 1, None, None, None, None)
    once = choose_phrases(sung, sung.phrases)
    assert np.array_equal(once.grid, piece.grid)
    assert once.phrases == lengths
    # As many steps and pitches, but one note struck twice.
    struck = sung.onsets.copy()
    held = np.argwhere(~struck[:, 80:120])[0]
    struck[held[0], 80 + held[1]] = True
    assert repeats(sung.replace(onsets=struck), sung.phrases)[2] is None


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((40, 40), "80 steps for a piece of 240: 160 too few"),
        ((240, 8), "248 steps for a piece of 240: 8 too many"),
        ((240, 0), "phrase 2: expected 1 step or more, got 0"),
        ((250, -10), "phrase 2"),
        ((120.0, 120), "phrase 1"),
        (2.5, "got 2.5"),
        ("160", "got '160'"),
        (True, "got True"),
        ((), "lengths: expected a list"),
    ],
)
def test_lengths_are_checked(demo, lengths, message):
    for check in (
        lambda: validate_lengths(lengths, demo["180.7"]),
        lambda: phrase_lengths(demo["180.7"], by=lengths),
        lambda: cut_phrases(demo["180.7"], lengths),
    ):
        with pytest.raises(ChoraleError, match=message):
            check()


def test_a_piece_without_a_title_is_not_named(demo):
    with pytest.raises(ChoraleError, match=r"^lengths: phrases of 239 steps for a piece of 240"):
        validate_lengths([239], demo["180.7"].replace(title=""))


def test_lengths_of_a_narrow_dtype_add_up(demo):
    assert validate_lengths(np.array([200, 40], np.uint8), demo["180.7"]) == (200, 40)
    with pytest.raises(ChoraleError, match="phrases of 496 steps"):
        validate_lengths(np.array([248, 248], np.uint8), demo["180.7"])


@pytest.mark.parametrize(
    ("by", "message"), [("bars", "expected 'fermatas'"), (0, "1 or more"), ("fermatas", "bars")]
)
def test_other_ways_are_refused(by, message):
    with pytest.raises(ChoraleError, match=message):
        phrase_lengths(Chorale(np.full((4, 16), 60)), by=by)


@pytest.mark.parametrize("by", [2.5, True, None, np.array(240), {240: 1}])
def test_no_list_of_lengths(demo, by):
    with pytest.raises(ChoraleError, match="lengths: expected a list, one a phrase"):
        phrase_lengths(demo["180.7"], by=by)


def test_a_number_of_bars_is_no_list_of_lengths(demo):
    with pytest.raises(ChoraleError, match="lengths: expected a list, one a phrase, got 2"):
        cut_phrases(demo["180.7"], 2)


@pytest.mark.parametrize("chosen", [[6], [-1], []])
def test_unknown_phrases_are_refused(demo, chosen):
    with pytest.raises(ChoraleError, match="0-5"):
        choose_phrases(demo["180.7"], phrase_lengths(demo["180.7"]), chosen)
