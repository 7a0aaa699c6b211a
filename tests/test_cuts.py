"""Stretching undone, spans repeated and cropped: against plain loops and other functions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pieces import assert_only_moved, columns, disjoint_spans, labels, pieces

from coconet.chorale import Chorale
from coconet.corpus import crop as crop_chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.segments import to_segments
from coconet.traced import Traced
from coconet.transforms.cuts import compress, crop, repeat
from coconet.transforms.spans import stretch, stretch_table

BACH = next(c for c in load_corpus("demo") if c.bwv == "180.7")
LINE = np.arange(60, 70)[None]


@settings(max_examples=60)
@given(pieces(), st.data())
def test_stretch_then_compress_is_the_identity(piece, data):
    spans = data.draw(disjoint_spans(piece.steps))
    number = st.integers(1, 5)
    factors = data.draw(st.lists(number, min_size=len(spans), max_size=len(spans)))
    table = stretch_table(piece, spans=spans, factor=factors)
    assert (np.diff(table[:, 3:]) == np.diff(table[:, :2]) * table[:, 2:3]).all()
    made = stretch(Traced.begin(piece), spans=spans, factor=factors)
    order = data.draw(st.permutations(range(len(table))))
    back = compress(made, spans=table[order, 3:], factor=table[order, 2])
    assert (back.grid == piece.grid).all() and (back.onsets == piece.onsets).all()
    assert (back.chorale.fermatas == piece.fermatas).all()
    assert back.chorale.phrases == piece.phrases
    voice, step = np.indices(piece.grid.shape)
    assert (back.voice == voice).all() and (back.step == step).all()


@given(pieces(), st.integers(1, 4))
def test_compress_is_what_segments_do(piece, factor):
    steps = piece.steps // factor
    assume(steps)
    piece = crop_chorale(piece, (0, steps * factor)).replace(phrases=())
    (expected,) = to_segments(piece, [[steps, piece.steps]], width=steps).chorales()
    made = compress(piece, spans="all", factor=factor)
    assert columns(made) == columns(expected)
    assert (made.fermatas == expected.fermatas).all()


def test_a_short_note_is_lost_and_a_longer_one_begins_later():
    made = compress(Chorale(np.array([[60, 61, 61, 62]])), spans=[[0, 4]], factor=2)
    assert columns(made) == [[(60, True)], [(61, True)]]
    repeated = np.array([[True, True, False, False]])
    piece = Chorale(np.full((1, 4), 60), onsets=repeated, phrases=(1, 3))
    made = compress(piece, spans=[[0, 4]], factor=2)
    assert columns(made) == [[(60, True)], [(60, True)]]
    assert made.phrases == (1, 1)


@settings(max_examples=60)
@given(pieces(), st.data())
def test_repeat_against_a_slow_loop(piece, data):
    spans = data.draw(disjoint_spans(piece.steps))
    number = st.integers(1, 4)
    times = data.draw(st.lists(number, min_size=len(spans), max_size=len(spans)))
    starts = {start: (end, count) for (start, end), count in zip(spans, times, strict=True)}
    path, fresh, step = [], [], 0
    while step < piece.steps:
        end, count = starts.get(step, (step + 1, 1))
        for time in range(count):
            path += range(step, end)
            fresh += [time > 0] + [False] * (end - step - 1)
        step = end
    expected = [
        [(pitch, begins or (anew and pitch != REST)) for pitch, begins in columns(piece)[step]]
        for step, anew in zip(path, fresh, strict=True)
    ]
    made = repeat(Traced.begin(piece), spans=spans, times=times)
    assert columns(made.chorale) == expected
    assert made.chorale.fermatas.tolist() == piece.fermatas[path].tolist()
    assert_only_moved(made, piece)
    assert (made.step == path).all()
    if piece.phrases:
        label, ends = labels(piece), set(np.cumsum(piece.phrases).tolist())
        lengths = [1]
        for last, step in pairwise(path):
            if label[last] != label[step] or last + 1 in ends:
                lengths.append(0)
            lengths[-1] += 1
        assert made.chorale.phrases == tuple(lengths)


def test_repeated_phrases_come_again():
    piece = Chorale(np.full((1, 12), 60), phrases=(4, 8))
    assert repeat(piece, spans=[[0, 4]], times=3).phrases == (4, 4, 4, 8)
    assert repeat(piece, spans="all", times=2).phrases == (4, 8, 4, 8)
    assert repeat(piece, spans=[[6, 8]], times=2).phrases == (4, 10)
    assert repeat(piece, spans=[[2, 6]], times=2).phrases == (4, 2, 2, 8)


@given(pieces(), st.data())
def test_crop_against_a_slow_loop(piece, data):
    start = data.draw(st.integers(0, piece.steps - 1))
    end = data.draw(st.integers(start + 1, piece.steps))
    first, *others = columns(piece)[start:end]
    made = crop(Traced.begin(piece), span=[start, end])
    assert columns(made.chorale) == [[(pitch, pitch != REST) for pitch, _ in first], *others]
    assert made.chorale.fermatas.tolist() == piece.fermatas[start:end].tolist()
    number = labels(piece)[start:end]
    assert made.chorale.phrases == tuple(number.count(one) for one in sorted(set(number)))
    upbeats = [(step - piece.upbeat) % piece.bar for step in range(start, start + piece.bar)]
    assert made.chorale.upbeat == upbeats.index(0)
    assert_only_moved(made, piece)
    assert (made.step == np.arange(start, end)).all()
    corpus = crop_chorale(piece, (start, end))
    assert (made.onsets == corpus.onsets).all() and made.chorale.phrases == corpus.phrases


def test_the_first_bar_line_moves_along():
    piece = Chorale(np.full((1, 40), 60), upbeat=4)
    assert compress(piece, spans=[[0, 4]], factor=2).upbeat == 2
    assert repeat(piece, spans=[[0, 2]], times=4).upbeat == 10
    assert repeat(piece, spans="all", times=2).upbeat == 4
    short = piece.replace(grid=np.full((1, 6), 60), fermatas=None, upbeat=10)
    assert compress(short, spans="all", factor=1).upbeat == 10  # four steps after its end
    assert repeat(short, spans=[[0, 1]], times=3).upbeat == 12


def test_named_spans():
    grid = np.array([[60, 61, 61, 62]])
    piece = Chorale(grid)  # in C
    assert compress(piece, spans="challenging", factor=2).grid.tolist() == [[60, 61, 62]]
    assert repeat(piece, spans="in tune", times=2).grid.tolist() == [[60, 60, 61, 61, 62, 62]]
    assert compress(grid, spans=[], factor=2).tolist() == grid.tolist()


def test_named_spans_are_found_as_stretch_finds_them():
    """Stretched spans compressed by the same name and options give the piece back."""
    for options in (
        {"tonic": "G", "mode": "major"},
        {"tonic": "F", "mode": "minor", "below": 0.75, "spans": "in tune"},
        {"tonic": "F", "mode": "major", "voices": "soprano,bass"},
        {"tonic": "F", "mode": "major", "leave_out_last": True},
    ):
        options = {"spans": "challenging", **options}
        table = stretch_table(BACH, factor=3, **options)
        made = stretch(BACH, factor=3, **options)
        assert len(table) and made.steps < 3 * BACH.steps
        assert (compress(made, factor=3, **options).grid == BACH.grid).all()
        twice = repeat(BACH, spans=table[:, :2], times=2)
        assert columns(repeat(BACH, times=2, **options)) == columns(twice)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: compress(LINE, spans=[[1, 4]], factor=2), "span 1:4: 3 steps .* divided by 2"),
        (lambda: compress(LINE, spans="all", factor=0), "factor: .*got 0"),
        (lambda: repeat(LINE, spans="all", times=0), "times: .*got 0"),
        (lambda: repeat(LINE, spans=[[0, 2]], times=[1.5]), "times of span 0:2: .*got 1.5"),
        (lambda: repeat(LINE, spans="all", times=2, tonic="D"), "tonic: counts only with spans="),
        (lambda: compress(LINE, spans=[[0, 2]], factor=2, below=0.5), "below: counts only with"),
        (lambda: repeat(LINE, spans="challenging", times=2, tonic="H"), "tonic 'H'"),
        (lambda: crop(LINE, span=[4, 4]), "span 4:4"),
        (lambda: crop(LINE, span="all"), "expected two steps"),
        (lambda: repeat(BACH, spans="all", times=100_000), "the limit is 4,000,000"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ChoraleError, match=message):
        make()
