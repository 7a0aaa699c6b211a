"""Voices chosen for each segment: the best there are, by the rules that were given."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.chain import parse_chain, run_chain
from coconet.choosing import EXACT_LIMIT, choices_table, choose_rows, score_rows
from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.theory import DISSONANT
from coconet.transforms.voices import choose_voices

#: Sixteen voices: the openings of four chorales, of which each is consonant in itself.
PIECES = [chorale for chorale in load_corpus("train") if chorale.steps >= 96][:4]
STACK = Chorale(np.vstack([piece.grid[:, :96] for piece in PIECES]), phrases=(32, 40, 24))


def rng(seed=1):
    return np.random.default_rng(seed)


def dissonant(grid):
    """Share of sounding pairs, pair by pair."""
    pairs = [(a, b) for a, b in combinations(grid.astype(int), 2)]
    found = [abs(a - b)[(a != REST) & (b != REST)] % 12 for a, b in pairs]
    found = np.concatenate(found) if found else np.array([])
    return np.isin(found, DISSONANT).mean() if len(found) else np.inf


def by_brute_force(grid, count, merit, allowed=lambda rows: True):
    """The highest merit, choice by choice."""
    choices = [c for c in combinations(range(len(grid)), count) if allowed(c)]
    return max(merit(grid[list(rows)]) for rows in choices)


def segments(piece, lengths):
    return np.split(piece, np.cumsum(lengths)[:-1], axis=1)


@given(st.integers(2, 7), st.integers(2, 14), st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=25)
def test_the_best_is_found(voices, steps, seed, data):
    grid = rng(seed).choice([0, 60, 61, 62, 64, 65, 67, 69], size=(voices, steps))
    count = data.draw(st.integers(2, voices))
    lengths = [1, steps - 1]
    for chosen, part in zip(
        choose_rows(grid, count, lengths=lengths), segments(grid, lengths), strict=True
    ):
        assert sorted(set(chosen.tolist())) == chosen.tolist() and len(chosen) == count
        best = by_brute_force(part, count, lambda part: -dissonant(part))
        assert dissonant(part[chosen]) == pytest.approx(-best)


def test_the_first_of_equals_is_taken():
    grid = np.array([[60], [60], [61], [60]])
    assert choose_rows(grid, 2).tolist() == [[0, 1]]
    assert choose_rows(grid, 2, wish="apart").tolist() == [[0, 2]]
    assert choose_rows(np.zeros((4, 3), int), 2).tolist() == [[0, 1]]


def test_phrases_are_the_segments_and_the_choice_fits_the_layer():
    chosen = choose_rows(STACK, 4, parts=True)
    assert chosen.shape == (3, 4)
    assert (chosen % 4 == np.arange(4)).all()
    eight = choose_rows(STACK, 8, parts=True)
    assert (eight % 4 == [0, 1, 2, 3, 0, 1, 2, 3]).all()
    assert (eight[:, :4] < eight[:, 4:]).all()
    sung = choose_voices(STACK, rows=chosen)
    edges = np.cumsum((0, *STACK.phrases))
    for rows, start, end in zip(chosen, edges[:-1], edges[1:], strict=True):
        assert (sung.grid[:, start:end] == STACK.grid[rows, start:end]).all()
    whole = choose_rows(STACK.replace(phrases=()), 4)
    assert whole.shape == (1, 4)


def test_a_saved_choice_is_read_by_a_chain(tmp_path):
    chosen = choose_rows(STACK, 4)
    chosen[0] = [0, 1, 2, 3]
    np.save(tmp_path / "rows.npy", chosen)
    chain = parse_chain("layers: [choose_voices: {rows: rows.npy}]", folder=tmp_path)
    sung = run_chain(chain, STACK).chorale
    assert (sung.grid == choose_voices(STACK, rows=chosen).grid).all()


def test_entropy_and_a_function_of_ones_own():
    def classes(grid):
        return len(np.unique(grid[grid > 0] % 12))

    rich = choose_rows(STACK, 3, wish="entropy", lengths=[96])
    assert score_rows(STACK, rich, wish="entropy", lengths=[96]).worse[0] > 0.99
    own = choose_rows(STACK, 3, wish=classes, lengths=[96])[0]
    assert classes(STACK.grid[own]) == by_brute_force(STACK.grid, 3, classes)


def test_near_bach_finds_bach_among_noise():
    noise = rng().integers(40, 80, size=(6, 96))
    stack = np.vstack([noise[:3], PIECES[0].grid[:, :96], noise[3:]])
    assert choose_rows(stack, 4, wish="bach", lengths=[48, 48]).tolist() == [[3, 4, 5, 6]] * 2


@pytest.mark.parametrize("exact_limit", [EXACT_LIMIT, 0])
@pytest.mark.parametrize(
    ("rules", "holds"),
    [
        ({"keep": [5]}, lambda rows: 5 in rows),
        ({"keep": 2, "bass": True}, lambda rows: 2 in rows and (rows % 4 == 3).any()),
        ({"keep": "bass"}, lambda rows: rows.tolist() == [3, 7, 11, 15]),
        ({"keep": [-1]}, lambda rows: 15 in rows),
        ({"bass": True}, lambda rows: (rows % 4 == 3).any()),
        ({"parts": True}, lambda rows: len(set(rows % 4)) == 4),
        (
            {"parts": True, "keep": [0], "different": 3},
            lambda rows: len(set(rows % 4)) == 4 and rows[0] == 0,
        ),
        ({"different": 4}, lambda rows: True),
    ],
)
def test_rules_hold(rules, holds, exact_limit):
    chosen = choose_rows(STACK, 4, exact_limit=exact_limit, rng=rng(), **rules)
    assert all(holds(rows) for rows in chosen)
    for before, after in pairwise(chosen):
        assert (~np.isin(after, before)).sum() >= rules.get("different", 0)


@pytest.mark.parametrize("exact_limit", [EXACT_LIMIT, 0])
def test_a_bass_is_chosen_though_others_would_be_better(exact_limit):
    grid = np.array([[60], [64], [67], [61], [72], [76], [79], [66]])
    options = {"exact_limit": exact_limit, "rng": rng()}
    assert 3 not in choose_rows(grid, 3, **options) % 4
    assert (choose_rows(grid, 3, bass=True, **options) % 4 == 3).sum() == 1


@pytest.mark.parametrize("count", [4, 8])
@pytest.mark.parametrize("wish", ["consonant", "entropy", "bach", {"consonant": 1, "apart": 1}])
def test_swaps_end_where_no_swap_helps_and_near_the_best(count, wish):
    exact = score_rows(STACK, choose_rows(STACK, count, wish=wish), wish=wish)
    rows = choose_rows(STACK, count, wish=wish, exact_limit=0, rng=rng())
    swapped = score_rows(STACK, rows, wish=wish)
    assert (swapped.worse > 0.995).all()
    assert np.isclose(swapped.values, exact.values).mean() > 0.6


def test_one_swap_never_betters_what_swaps_found():
    grid = STACK.grid[:, :20]
    (chosen,) = choose_rows(grid, 5, exact_limit=0)
    for row in chosen:
        for other in set(range(16)) - set(chosen.tolist()):
            swapped = [*(set(chosen.tolist()) - {row}), other]
            assert dissonant(grid[swapped]) >= dissonant(grid[chosen]) - 1e-9


def test_many_voices_are_chosen_by_swaps():
    many = np.vstack([STACK.grid] * 3)
    chosen = choose_rows(many, 8, lengths=[96], rng=rng())
    assert (chosen == choose_rows(many, 8, lengths=[96], rng=rng())).all()
    random = [dissonant(many[rng(n).choice(48, 8, replace=False)]) for n in range(30)]
    assert dissonant(many[chosen[0]]) < min(random)


def test_scores_stand_beside_the_best_and_the_median():
    rows = np.array([[0, 1, 2, 3], [7, 4, 5, 6], [0, 5, 10, 15]])
    scored = score_rows(STACK, rows)
    assert scored.rows.tolist() == rows.tolist() and scored.counted == 1820
    for number, part in enumerate(segments(STACK.grid, STACK.phrases)):
        every = [dissonant(part[list(c)]) for c in combinations(range(16), 4)]
        own = dissonant(part[rows[number]])
        told = (scored.values, scored.best, scored.median, scored.worse)
        expected = (own, min(every), np.median(every), np.mean(np.array(every) > own + 1e-9))
        assert [float(array[number]) for array in told] == pytest.approx(expected)


def test_beyond_the_limit_random_choices_stand_for_all():
    scored = score_rows(STACK, choose_rows(STACK, 8), exact_limit=100, rng=rng())
    assert scored.sampled and (scored.values <= scored.best).all()
    assert "random choices" in str(choices_table(scored))
    with pytest.raises(ChoraleError, match="chance is asked for"):
        score_rows(STACK, choose_rows(STACK, 8), exact_limit=100)


def test_a_table_tells_rows_and_voices():
    scored = score_rows(STACK, [[0, 5, 10, 15]] * 3)
    table = choices_table(scored, caption="Four of sixteen")
    assert table.header[:4] == ("segment", "steps", "rows", "voices")
    assert table.rows[1][:4] == ("2", "32–72", "0 5 10 15", "S1 A2 T3 B4")
    assert "dissonant pairs" in table.notes[0] and "1,820 choices" in table.notes[0]
    silent = score_rows(np.zeros((4, 3), int), [[0, 1]])
    assert choices_table(silent).rows[0][4:] == ("–", "–", "–", "0.0%")


def test_nothing_given_is_changed():
    grid, rows = STACK.grid.copy(), np.array([[3, 2, 1, 0]] * 3)
    choose_rows(grid, 4)
    score_rows(STACK, rows)
    assert (grid == STACK.grid).all() and rows[0].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"count": 0}, "expected 1-16 of 16 voices, got 0"),
        ({"count": 17}, "expected 1-16 of 16 voices, got 17"),
        ({"count": 2.5}, "count: expected"),
        ({"lengths": [32, 40]}, "phrases of 72 steps for a piece of 96: 24 too few"),
        ({"lengths": 96}, "expected a list"),
        ({"wish": "loud"}, "wish: expected consonant"),
        ({"wish": "bach", "features": ["loudness"]}, "features: expected dissonance"),
        ({"count": np.arange(99)}, r"count: expected 1-16 of 16 voices, got array.{74}…$"),
        ({"keep": [16]}, "keep: expected names such as soprano,bass or rows 0-15"),
        ({"keep": [1, 1]}, "keep: a row comes twice"),
        ({"keep": [1, -15]}, "keep: a row comes twice"),
        ({"keep": [[0, 1]]}, "keep: expected names"),
        ({"keep": "flute"}, "unknown voice 'flute'"),
        ({"count": 3, "keep": "bass"}, "keep: 4 rows for a choice of 3"),
        ({"exact_limit": 0, "rng": 1}, "chance is asked for"),
        ({"rng": 1}, "chance is asked for"),
        ({"exact_limit": 10**9}, "exact_limit: expected a whole number, 0 to 1000000"),
        ({"bass": "no"}, "bass: expected true or false, got 'no'"),
        ({"parts": np.array([1, 0])}, "parts: expected true or false"),
        ({"keep": [0, 1, 2, 3, 4]}, "5 rows for a choice of 4"),
        ({"count": 3, "parts": True}, "expected multiples of 4, got 3 of 16"),
        ({"count": 13, "different": 4}, "at most 3 of 13 rows can change"),
        ({"different": -1}, "at most 4 of 4"),
        ({"parts": True, "keep": [0, 4]}, "segment 1: no 4 of 16 voices were found"),
        ({"parts": True, "keep": [0, 4], "exact_limit": 0}, "no 4 of 16 voices were found"),
        ({"exact_limit": -1}, "exact_limit: expected"),
        ({"count": 1}, "consonant: is counted among several voices"),
    ],
)
def test_what_cannot_be_chosen_is_refused(options, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        choose_rows(STACK, **{"count": 4, **options})


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([0, 1, 2, 3], r"expected whole numbers of shape \(segments, voices\)"),
        ([[0.5, 1]] * 3, "expected whole numbers"),
        ([[0, 1], [2, 3], [4]], "as many voices in each segment"),
        ([[0, 1]] * 2, "expected some for each of 3 segments, got 2"),
        ([[0, 16]] * 3, "row 16: expected 0-15"),
        ([[1, 1]] * 3, "segment 1: row 1 comes twice"),
    ],
)
def test_rows_that_cannot_be_are_refused(rows, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        score_rows(STACK, rows)
