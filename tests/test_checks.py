"""Options checked: what is read, and one line for what isn't."""

import numpy as np
import pytest

from coconet.checks import (
    choice,
    flag,
    needs_rng,
    not_needed,
    number,
    rows_of,
    share_of,
    validate_choice,
    whole,
)
from coconet.errors import ChoraleError


@pytest.mark.parametrize("value", [None, 3, "", ["cut"], np.array(["cut", "keep"]), "Cut"])
def test_a_word_of_some(value):
    assert choice("cut", "way", ("cut", "keep")) == "cut"
    with pytest.raises(ChoraleError, match="way: expected cut or keep, got "):
        choice(value, "way", ("cut", "keep"))


@pytest.mark.parametrize(
    ("voices", "rows"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("bass", [3, 7]),
        ("s, bass", [0, 3, 4, 7]),
        (["S", "A"], [0, 1, 4, 5]),
        (2, [2]),
        (-1, [7]),
        ([5, 0], [5, 0]),
        (np.array([1, -2], np.int8), [1, 6]),
    ],
)
def test_voices_by_name_or_row(voices, rows):
    assert rows_of(voices, 8).tolist() == rows


@pytest.mark.parametrize(
    ("voices", "message"),
    [
        (8, "rows 0-7, got 8"),
        ([], r"got \[\]"),
        (["S", 1], r"got \['S', 1\]"),
        (True, "got True"),
        (1.0, "got 1.0"),
        ({1, 2}, "got {1, 2}"),
        (np.array([[1], [2]]), r"got array\(\[\[1\], \[2\]\]\)$"),
        ([1, 1], "comes twice"),
        ([7, -1], "comes twice"),
        ("alto,a", "named twice"),
        ("viola", "unknown voice"),
    ],
)
def test_voices_that_are_none(voices, message):
    with pytest.raises(ChoraleError, match=message):
        rows_of(voices, 8)


def test_the_highest_that_sings():
    sings = np.array([False, False, True, True])
    assert rows_of("highest", 4, sings=sings).tolist() == [2]
    assert rows_of("highest", 4, sings=np.zeros(4, bool)).tolist() == [0]
    assert rows_of("bass", 4, sings=sings).tolist() == [3]
    with pytest.raises(ChoraleError, match="unknown voice 'highest'"):
        rows_of("highest", 4)


def test_a_voice_that_a_small_piece_lacks():
    assert rows_of("alto", 2).tolist() == [1]
    with pytest.raises(ChoraleError, match="no tenor among 2 voices"):
        rows_of("alto,tenor", 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: whole(0, "times", 1), "^times: expected a whole number, 1 or more, got 0$"),
        (lambda: whole(9, "times", 1, 8), "^times: expected a whole number, 1 to 8, got 9$"),
        (lambda: whole(2.0, "times", 1), "got 2.0$"),
        (lambda: whole(True, "times", 1), "got True$"),
        (lambda: number(-1, "tilt", 0), "^tilt: expected a number, 0 or more, got -1$"),
        (lambda: number(float("nan"), "tilt", 0), "got nan$"),
        (lambda: number(np.float32("inf"), "tilt", 0), "got .*inf"),
        (lambda: number(10**400, "tilt", 0), "got 1000"),
        (lambda: number(1j, "tilt", 0), "got 1j$"),
        (lambda: number("1", "tilt", 0), "got '1'$"),
        (lambda: number(False, "tilt", 0), "got False$"),
        (lambda: share_of(1.5), "^share: expected a number from 0 to 1, got 1.5$"),
        (lambda: share_of(None, "below"), "^below: .*got None$"),
        (lambda: flag("no", "held"), "^held: expected true or false, got 'no'$"),
        (lambda: flag(1, "held"), "got 1$"),
        (lambda: choice("kut", "way", ("cut", "keep")), r"did you mean cut\?$"),
        (lambda: choice("x", "way", ("cut",)), "^way: expected 'cut', got 'x'$"),
        (
            lambda: not_needed("way='cut'", tonic=None, mode="minor"),
            "^mode: counts only with way='cut', got 'minor'$",
        ),
        (lambda: not_needed("way='cut'", voices=np.arange(2)), r"^voices: .* array\(\[0, 1\]\)$"),
        (lambda: needs_rng(None), "^chance is asked for: .*got None$"),
        (lambda: needs_rng(7), "got 7$"),
        (lambda: rows_of(4, 4, "keep"), "^keep: expected names .* rows 0-3, got 4$"),
        (lambda: validate_choice([[0], [1, 2]], 4), "^rows: expected as many voices in each"),
        (lambda: validate_choice([0, 1], 4), r"of shape \(segments, voices\), got .* \(2,\)"),
        (lambda: validate_choice([[0.0]], 4), "got float64"),
        (lambda: validate_choice([[0]], 4, segments=2), "each of 2 segments, got 1$"),
        (lambda: validate_choice([[0, 1], [2, 4]], 4), "segment 2: row 4: expected 0-3"),
        (lambda: validate_choice([[0, -1]], 4), "segment 1: row -1"),
        (lambda: validate_choice([[1, 0], [3, 3]], 4, once=True), "segment 2: row 3 comes twice"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ChoraleError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_what_is_read():
    not_needed("way='cut'", tonic=None, mode=None)
    assert whole(np.int8(3), "times", 1) == 3 and type(whole(np.int8(3), "times", 1)) is int
    assert number(np.float32(0.5), "tilt", 0) == 0.5 and type(number(1, "tilt", 0)) is float
    assert (share_of(0), share_of(1)) == (0.0, 1.0)
    assert flag(np.False_, "held") is False
    rng = np.random.default_rng(0)
    assert needs_rng(rng) is rng


def test_choices_of_voices():
    given = np.array([[3, 0], [1, 1]], np.uint8)
    read = validate_choice(given, 4, segments=2)
    assert read.tolist() == given.tolist() and read.dtype == int
    read[:] = 2  # a new array: what is given stays
    assert given.tolist() == [[3, 0], [1, 1]]
    ints = np.array([[0]])
    assert not np.shares_memory(validate_choice(ints, 1), ints)
