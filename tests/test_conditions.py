"""Conditions on features: which rows meet them, and what is refused."""

import numpy as np
import pytest

from coconet.conditions import parse_condition
from coconet.errors import ChoraleError
from coconet.features import NAMES, column_of

#: Four pieces: entropy, fifths, dissonance.
PIECES = ((3.2, 0, 0.1), (2.9, 5, 0.1), (3.1, 5, np.nan), (2.5, 0, 0.3))


@pytest.fixture(scope="module")
def values():
    table = np.full((len(PIECES), len(NAMES)), np.nan)
    table[:, [column_of(name) for name in ("entropy", "fifths", "dissonance")]] = PIECES
    return table


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("entropy > 3", [0, 2]),
        ("pitch-class entropy>3.0", [0, 2]),
        ("entropy >= 2.9 and fifths = 0", [0]),
        ("entropy < 2.6 or fifths != 0", [1, 2, 3]),
        # `and` binds tighter: this is (entropy > 3 and fifths = 0) or fifths == 5
        ("entropy > 3 and fifths = 0 or fifths == 5", [0, 1, 2]),
        ("fifths == 5 or entropy > 3 AND fifths = 0", [0, 1, 2]),
        ("dissonance <= .1", [0, 1]),
        ("dissonance != 99", [0, 1, 3]),  # what has no number meets nothing
        ("dissonance > -1e-3", [0, 1, 3]),
        ("notes > 0", []),
    ],
)
def test_a_condition_keeps_its_rows(text, rows, values):
    assert np.flatnonzero(parse_condition(text).holds(values)).tolist() == rows


def test_a_condition_says_how_it_was_understood():
    condition = parse_condition(" Entropy>3   or scale<=.5 and range==12")
    assert str(condition) == (
        "pitch-class entropy > 3 or scale consistency <= 0.5 and pitch range == 12"
    )
    assert parse_condition(str(condition)) == condition
    names = ("pitch-class entropy", "scale consistency", "pitch range")
    assert tuple(NAMES[column] for column in condition.columns) == names


def test_a_long_text_is_cut_in_its_complaint():
    for text in ("a " * 5000, "entropy > 3 and " + "b" * 5000, "a" * 5000 + " > 3"):
        with pytest.raises(ChoraleError) as caught:
            parse_condition(text)
        assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected one such as"),
        ("  ", "expected one such as"),
        (3, "expected one such as"),
        ("entropy", "a column, one of"),
        ("entropy >", "a column, one of"),
        ("3 < entropy", "a column, one of"),
        ("entropy > 3 and", "at ''"),
        ("entropy > 3, fifths = 0", "a column, one of"),
        ("2 < entropy < 3 and notes > 1", "at '2 < entropy < 3'"),
        ("entropy > nan", "a column, one of"),
        ("entropy => 3", "a column, one of"),
        ("(entropy > 3)", "a column, one of"),
        ("__import__('os').getcwd() > 3", "a column, one of"),
        ("disonance > 1", "did you mean dissonance"),
    ],
)
def test_anything_else_is_refused(text, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        parse_condition(text)
