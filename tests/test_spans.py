"""Scores, spans and stretching: against plain loops, and the original by hand."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import assert_only_moved, columns, disjoint_spans, labels, pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.theory import scale
from coconet.traced import Traced
from coconet.transforms.spans import (
    challenging_spans,
    in_tune_spans,
    score_steps,
    stretch,
    stretch_copies,
    stretch_table,
)

BACH = next(c for c in load_corpus("demo") if c.bwv == "180.7")
LINE = np.arange(60, 70)[None]
NAMED_ALONE = "counts only with spans='challenging' or spans='in tune', got"


# ---------------------------------------------------------------- as the original did


def test_the_original_by_hand():
    """Sixteen voices in C: steps 0, 3, 4 and 7 have an F sharp or more of them."""
    grid = np.full((16, 8), 60)
    grid[0, 0] = grid[5, 3] = grid[6, 3] = grid[15, 4] = grid[2, 7] = 66
    scores = score_steps(grid, tonic=0, mode="major")
    assert (16 * scores).tolist() == [15, 16, 16, 14, 15, 16, 16, 15]
    assert challenging_spans(scores).tolist() == [[0, 1], [3, 5], [7, 8]]
    assert in_tune_spans(scores).tolist() == [[1, 3], [5, 7]]
    # The last voice was left out of the score, so that its F sharp challenged no one.
    short = score_steps(grid, tonic=0, mode="major", leave_out_last=True)
    assert (15 * short).round(9).tolist() == [14, 15, 15, 13, 15, 15, 15, 14]
    assert challenging_spans(short).tolist() == [[0, 1], [3, 4], [7, 8]]
    # A span is repeated step by step: 3 4 by three is 3 3 3 4 4 4.
    options = {"tonic": 0, "mode": "major", "factor": [2, 3, 4]}
    made = stretch(Traced.begin(Chorale(grid)), **options)
    assert made.step[0].tolist() == [0, 0, 1, 2, 3, 3, 3, 4, 4, 4, 5, 6, 7, 7, 7, 7]
    assert stretch_table(grid, **options).tolist() == [
        [0, 1, 2, 0, 2],
        [3, 5, 3, 4, 10],
        [7, 8, 4, 12, 16],
    ]


# ---------------------------------------------------------------- scores and spans


@settings(max_examples=50)
@given(pieces(), st.data())
def test_scores_against_a_slow_count(piece, data):
    voices = data.draw(
        st.none() | st.lists(st.integers(0, piece.voices - 1), min_size=1, unique=True)
    )
    inside = set(scale(piece.tonic, piece.mode).tolist())
    expected = []
    for step in range(piece.steps):
        rows = range(piece.voices) if voices is None else voices
        heard = [int(piece.grid[row, step]) for row in rows if piece.grid[row, step]]
        good = [pitch for pitch in heard if pitch % 12 in inside]
        expected.append(len(good) / len(heard) if heard else 1.0)
    got = score_steps(piece, voices=voices)
    assert got.tolist() == expected
    key = {"tonic": piece.tonic, "mode": piece.mode}
    assert (got == score_steps(piece.grid, voices=voices, **key)).all()


def test_in_bach_few_steps_leave_the_key():
    scores = score_steps(BACH)
    assert (scores == score_steps(BACH.grid, tonic="F", mode="major")).all()
    assert 0.02 < (scores < 1).mean() < 0.3
    assert (score_steps(BACH, tonic="F#") < 1).mean() > 0.9


@pytest.mark.parametrize(
    ("scores", "challenging", "in_tune"),
    [
        ([1, 1], [], [[0, 2]]),
        ([0.5, 0.9], [[0, 2]], []),
        ([0.5], [[0, 1]], []),
        ([1, 0.5, 1], [[1, 2]], [[0, 1], [2, 3]]),
        ([0.5, 1, 1, 0.5], [[0, 1], [3, 4]], [[1, 3]]),
    ],
)
def test_spans_by_hand(scores, challenging, in_tune):
    for found, expected in (
        (challenging_spans(scores), challenging),
        (in_tune_spans(scores), in_tune),
    ):
        assert found.tolist() == expected
        assert found.shape == (len(expected), 2)


@given(st.lists(st.sampled_from([0, 0.25, 0.5, 1]), min_size=1), st.sampled_from([0.5, 1]))
def test_spans_tile_the_piece(scores, below):
    runs, start = {True: [], False: []}, 0
    for low, run in groupby(score < below for score in scores):
        end = start + len(list(run))
        runs[low].append([start, end])
        start = end
    assert challenging_spans(scores, below=below).tolist() == runs[True]
    assert in_tune_spans(scores, below=below).tolist() == runs[False]


# ---------------------------------------------------------------- stretching


@settings(max_examples=60)
@given(pieces(), st.data())
def test_stretch_against_a_slow_loop(piece, data):
    spans = data.draw(disjoint_spans(piece.steps))
    number = st.integers(1, 5)
    factors = data.draw(st.lists(number, min_size=len(spans), max_size=len(spans)))
    copies = [1] * piece.steps
    for (start, end), factor in zip(spans, factors, strict=True):
        copies[start:end] = [factor] * (end - start)
    expected, fermatas, phrases = [], [], []
    for step, column in enumerate(columns(piece)):
        for copy in range(copies[step]):
            expected.append([(pitch, begins and copy == 0) for pitch, begins in column])
            fermatas.append(bool(piece.fermatas[step]) and copy == copies[step] - 1)
            phrases += labels(piece)[step : step + 1]
    made = stretch(Traced.begin(piece), spans=spans, factor=factors)
    assert columns(made.chorale) == expected
    assert made.chorale.fermatas.tolist() == fermatas
    assert labels(made.chorale) == phrases
    assert made.steps == sum(copies)
    assert stretch_copies(piece, spans=spans, factor=factors).tolist() == copies
    assert_only_moved(made, piece)
    # The order of pitches within a voice survives.
    for old, new in zip(piece.grid, made.grid, strict=True):
        assert [key for key, _ in groupby(old)] == [key for key, _ in groupby(new)]


def test_the_first_bar_line_moves_along():
    piece = Chorale(np.full((1, 40), 60), upbeat=4)
    assert stretch(piece, spans=[[2, 4]], factor=3).upbeat == 8
    assert stretch(piece, spans=[[4, 8]], factor=3).upbeat == 4
    assert stretch(piece, spans="all", factor=5).upbeat == 4  # 20, after a whole bar
    short = piece.replace(grid=np.full((1, 6), 60), fermatas=None, upbeat=10)
    assert stretch(short, spans="all", factor=1).upbeat == 10  # four steps after its end
    assert stretch(short, spans="all", factor=2).upbeat == 0


def test_factors_are_drawn_one_a_span_both_ends_included():
    table = stretch_table(BACH, spans=[[i, i + 1] for i in range(200)], low=2, high=5, rng=rng(1))
    assert sorted(set(table[:, 2].tolist())) == [2, 3, 4, 5]
    made = stretch(BACH, low=2, high=8, rng=rng(3))
    assert made.steps == stretch_copies(BACH, low=2, high=8, rng=rng(3)).sum()
    assert made.grid.tobytes() == stretch(BACH, low=2, high=8, rng=rng(3)).grid.tobytes()
    assert made.grid.shape != stretch(BACH, low=2, high=8, rng=rng(4)).grid.shape
    fixed = stretch_table(BACH, low=3, high=3, rng=rng(1))
    assert fixed[:, :2].tolist() == challenging_spans(score_steps(BACH)).tolist()
    assert set(fixed[:, 2]) == {3}


def test_a_curve_is_read_at_the_middle_of_each_span():
    spans = [[0, 2], [4, 6], [8, 10]]  # middles at 0.1, 0.5, 0.9
    assert factors_on(spans, [[0, 1], [1, 9]]) == [2, 5, 8]  # 1.8, 5, 8.2
    assert factors_on(spans, [[0.5, 2]]) == [2, 2, 2]
    assert factors_on(spans, [[0.1, 2], [0.5, 2.5], [0.9, 1]]) == [2, 3, 1]


def factors_on(spans, curve):
    return stretch_table(LINE, spans=spans, curve=curve)[:, 2].tolist()


def test_spans_by_name():
    key = {"tonic": "C", "mode": "major"}
    grid = np.array([[60, 61, 62, 63, 63]])
    assert stretch(grid, factor=2, **key).tolist() == [[60, 61, 61, 62, 63, 63, 63, 63]]
    in_tune = stretch(grid, spans="in tune", factor=2, **key)
    assert in_tune.tolist() == [[60, 60, 61, 62, 62, 63, 63]]
    assert stretch(grid, spans="all", factor=2).tolist() == [np.repeat(grid[0], 2).tolist()]
    # Nothing to linger on changes nothing.
    assert stretch(np.array([[60, 62]]), factor=9, **key).tolist() == [[60, 62]]
    assert stretch(grid, spans=[], factor=9).tolist() == grid.tolist()
    two = np.array([[60, 60], [61, 60]])
    assert stretch_table(two, factor=2, below=0.5, **key).tolist() == []


def test_some_voices_alone_may_be_scored():
    """The soprano leaves C at step 1, the alto at step 2."""
    grid = np.array([[60, 61, 60, 60], [55, 55, 54, 55]])
    made = stretch(grid, tonic="C", mode="major", voices=[1], factor=3)
    assert made.tolist() == [[60, 61, 60, 60, 60, 60], [55, 55, 54, 54, 54, 55]]


def test_too_much_is_refused_before_memory_is_filled():
    with pytest.raises(ChoraleError, match=r"4 voices × 240 steps to 4 × 24000000.*the limit"):
        stretch(BACH, spans="all", factor=100_000)


# ---------------------------------------------------------------- bad input


def rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: score_steps(LINE, tonic="H"), "tonic 'H'"),
        (lambda: score_steps(LINE, mode="dorian"), "mode: expected major or minor"),
        (lambda: score_steps(LINE, voices=[1]), "rows 0-0"),
        (lambda: score_steps(LINE, leave_out_last=True), "none is left"),
        (lambda: challenging_spans([[1.0]]), r"shape \(steps,\)"),
        (lambda: challenging_spans([]), r"shape \(steps,\)"),
        (lambda: challenging_spans(["a"]), "expected numbers"),
        (lambda: in_tune_spans([1, np.nan]), "step 1: nan"),
        (lambda: in_tune_spans([1], below=2), "below: expected a number from 0 to 1"),
        (lambda: stretch(LINE), "one of factor, low and high, or curve, got none"),
        (lambda: stretch(LINE, factor=2, curve=[[0, 2]]), "got factor and curve"),
        (lambda: stretch(LINE, low=2, rng=rng(1)), "high: expected a whole number, 2 to"),
        (lambda: stretch(LINE, low=3, high=2, rng=rng(1)), "high: .*3 to 100000, got 2"),
        (lambda: stretch(LINE, low=0, high=2, rng=rng(1)), "low: .*got 0"),
        (lambda: stretch(LINE, low=1, high=2), "expected rng="),
        (lambda: stretch(LINE, spans="challanging", factor=2), "did you mean challenging"),
        (lambda: challenging_spans([[1], [1, 2]]), r"shape \(steps,\)"),
        (lambda: stretch(LINE, spans=3, factor=2), "or a list of .* pairs, got 3"),
        (lambda: stretch(LINE, spans=np.array(3), factor=2), r"pairs, got array\(3\)"),
        (lambda: stretch(LINE, spans={2, 4}, factor=2), "pairs, got {2, 4}"),
        (lambda: stretch(LINE, spans=[np.eye(2)], factor=2), r"got array\(\[\[1., 0.\], "),
        (lambda: stretch(LINE, factor=2, tonic="H"), "tonic 'H'"),
        (lambda: stretch(LINE, factor=2, mode=[]), "mode: expected .*, got \\[\\]"),
        # What is said of scores is refused where no score decides.
        (lambda: stretch(LINE, spans=[[2, 4]], factor=2, tonic="D"), f"tonic: {NAMED_ALONE} 'D'"),
        (lambda: stretch(LINE, spans="all", factor=2, mode="minor"), f"mode: {NAMED_ALONE}"),
        (lambda: stretch(LINE, spans="all", factor=2, voices=[0]), f"voices: {NAMED_ALONE}"),
        (lambda: stretch(LINE, spans="all", factor=2, below=0.5), f"below: {NAMED_ALONE} 0.5"),
        (lambda: stretch(LINE, spans="all", factor=2, leave_out_last=True), NAMED_ALONE),
        (lambda: stretch(LINE, spans="all", factor=2, below="x"), "below: .*got 'x'"),
        (lambda: stretch(LINE, spans="all", factor=2, leave_out_last="no"), "true or false"),
        (lambda: stretch(LINE, spans="all", factor={1: 2}), "factor: .*got {1: 2}"),
        (lambda: stretch(LINE, spans=[2, 4], factor=2), r"did you mean \[\[2, 4\]\]"),
        (lambda: stretch(LINE, spans=[[2, 4, 5]], factor=2), "expected two steps"),
        (lambda: stretch(LINE, spans=[[2.0, 4]], factor=2), "expected two steps"),
        (lambda: stretch(LINE, spans=[["2", "4"]], factor=2), "expected two steps"),
        (lambda: stretch(LINE, spans=[[4, 4]], factor=2), "span 4:4"),
        (lambda: stretch(LINE, spans=[[8, 11]], factor=2), "span 8:11: .* <= 10 steps"),
        (lambda: stretch(LINE, spans=[[-1, 2]], factor=2), "span -1:2"),
        (lambda: stretch(LINE, spans=[[6, 9], [2, 4], [3, 5]], factor=2), "2:4 and 3:5 overlap"),
        (lambda: stretch(LINE, spans="all", factor=0), "factor: .*got 0"),
        (lambda: stretch(LINE, spans="all", factor=-2), "factor: .*got -2"),
        (lambda: stretch(LINE, spans="all", factor=1.5), "factor: .*got 1.5"),
        (lambda: stretch(LINE, spans="all", factor=2.0), "factor: .*got 2.0"),
        (lambda: stretch(LINE, spans="all", factor=True), "factor: .*got True"),
        (lambda: stretch(LINE, spans="all", factor="2"), "factor: .*got '2'"),
        (lambda: stretch(LINE, spans="all", factor=np.array(2)), "factor: .*got array"),
        (lambda: stretch(LINE, spans="all", factor=10**30), "factor: .*1 to 100000"),
        (lambda: stretch(LINE, spans="all", factor=[1, 2]), "each of 1 spans, got 2"),
        (lambda: stretch(LINE, spans=[[0, 1], [3, 5]], factor=[2, 0]), "factor of span 3:5: .* 0"),
        (lambda: stretch(LINE, curve=3), "curve: expected \\[\\[place, factor\\]"),
        (lambda: stretch(LINE, curve=[]), "curve: expected \\[\\[place, factor\\]"),
        (lambda: stretch(LINE, curve=[[0, "x"]]), "curve: expected \\[\\[place, factor\\]"),
        (lambda: stretch(LINE, curve=[["0", "2"]]), "curve: expected \\[\\[place, factor\\]"),
        (lambda: stretch(LINE, curve=[[0, 1], [1]]), "curve: expected \\[\\[place, factor\\]"),
        (lambda: stretch(LINE, curve=np.array([[0, 2j]])), "curve: expected .*2.j"),
        (lambda: stretch(LINE, curve=[[0, 1], [0, 2]]), "places that rise"),
        (lambda: stretch(LINE, curve=[[0, 1], [1.5, 2]]), "places that rise within 0-1"),
        (lambda: stretch(LINE, curve=[[np.nan, 1]]), "places that rise within 0-1"),
        (lambda: stretch(LINE, curve=[[0, 0.5]]), "factors 1-100000, got \\[0.5\\]"),
        (lambda: stretch(LINE, curve=[[0, np.nan]]), "factors 1-100000"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ChoraleError, match=message):
        make()
