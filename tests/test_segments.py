"""Segments: compressed, padded, expanded and joined; what that costs."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.phrases import choose_phrases
from coconet.segments import Fit, Lost, fit_of, lost, to_segments


@pytest.fixture(scope="module")
def demo():
    return {chorale.bwv: chorale for chorale in load_corpus("demo")}


# ---------------------------------------------------------------- one phrase


def compress_slowly(row, model, true):
    """The first 2·model - true steps, then every second one."""
    keep = 2 * model - true
    return [*row[:keep], *row[keep::2]]


def expand_slowly(row, model, true):
    """The first 2·model - true steps, then each twice."""
    keep = 2 * model - true
    return [*row[:keep], *(step for step in row[keep:] for _ in range(2))]


@pytest.mark.parametrize("true", [32, 33, 40, 48, 56, 63, 64])
def test_tails_are_compressed_and_expanded_as_they_used_to_be(true, demo):
    piece = demo["140.7"]
    grid = piece.grid[:, :true]
    segments = to_segments(Chorale(grid), [[32, true]])
    expected = [compress_slowly(row, 32, true) for row in grid]
    assert segments.grid.tolist() == [expected]
    assert segments.join().grid.tolist() == [expand_slowly(row, 32, true) for row in expected]


@pytest.mark.parametrize(
    ("fit", "copies"),
    [
        (Fit(4, 4), [1, 1, 1, 1]),
        (Fit(4, 6), [1, 1, 2, 2]),
        (Fit(4, 6, 0), [2, 2, 1, 1]),
        (Fit(4, 6, 1), [1, 2, 2, 1]),
        (Fit(4, 8), [2, 2, 2, 2]),
        (Fit(4, 9), [2, 2, 2, 3]),
        (Fit(4, 12), [3, 3, 3, 3]),
        (Fit(1, 3), [3]),
    ],
)
def test_copies(fit, copies):
    assert fit.copies.tolist() == copies


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fit(32, 0), "true length: expected 1-100000"),
        (lambda: Fit(4, 10**12), "true length: expected 1-100000"),
        (lambda: Fit(0, 4), "model length: expected 1"),
        (lambda: Fit(4, 4.0), "true length"),
        (lambda: Fit(True, 4), "model length"),
        (lambda: Fit(32, 24), "model <= true"),
        (lambda: Fit(32, 40, 25), "begin at 0-24, got 25"),
        (lambda: Fit(32, 40, -1), "begin at 0-24"),
        (lambda: fit_of(0), "true length: expected 1"),
        (lambda: fit_of([32, 40, 24, 1]), "got \\[32, 40, 24, 1\\]"),
        (lambda: fit_of(3.5), "length: expected steps, .* got 3.5"),
    ],
)
def test_impossible_fits_are_refused(make, message):
    with pytest.raises(ChoraleError, match=message):
        make()


# ---------------------------------------------------------------- whole pieces


def test_schmuecke_as_it_used_to_be_laid(demo):
    lengths = [40] * 4 + [32, 32, 16]
    segments = to_segments(demo["180.7"], lengths)
    assert segments.grid.shape == (7, 4, 32)
    assert segments.grid.dtype == np.int16
    assert segments.outside.sum(1).tolist() == [0] * 6 + [16]
    assert not segments.grid.transpose(0, 2, 1)[segments.outside].any()
    assert segments.join().grid.shape == (4, 240)
    assert segments.join().phrases == (40, 40, 40, 40, 32, 32, 16)


def test_what_is_lost_is_told(demo):
    before = demo["180.7"]
    segments = to_segments(before)
    found = lost(before, segments)
    after = segments.join()
    notes = 0  # of `before`, counted one by one
    for voice in range(4):
        starts = np.flatnonzero(before.onsets[voice])
        for start, end in zip(starts, [*starts[1:], before.steps], strict=True):
            same = after.grid[voice, start:end] == before.grid[voice, start:end]
            notes += not (same & (before.grid[voice, start:end] > 0)).any()
    assert found == Lost(3, 960, notes, int(before.onsets.sum()), 0)
    assert notes == 3
    assert str(found) == (
        "3 of 960 cells change pitch, 3 of 253 notes vanish, 0 of those left begin elsewhere"
    )
    assert str(lost(before, before)) == "nothing is lost"


def test_a_repeated_note_on_a_step_that_goes():
    onsets = np.zeros((1, 8), bool)
    onsets[0, [0, 5]] = True
    before = Chorale(np.full((1, 8), 60), onsets=onsets)
    segments = to_segments(before, [[4, 8]])
    # It is struck on the next step that stays.
    assert np.flatnonzero(segments.join().onsets[0]).tolist() == [0, 6]
    assert lost(before, segments) == Lost(0, 8, 0, 2, 1)


def test_other_spans_than_the_tail_lose_less(demo):
    """The tail is a habit; where nothing moves in eighths nothing is lost."""
    piece = demo["180.7"]
    before = choose_phrases(piece, piece.phrases, [1])
    losses = [lost(before, to_segments(before, [[32, 40, at]])).cells for at in range(25)]
    assert losses[24] > min(losses) == 0


def draw_piece(data):
    """Phrases on segments, and a piece whose compressed steps are held: nothing can get lost."""
    width = data.draw(st.integers(1, 12))
    lengths, copies = [], []
    for _ in range(data.draw(st.integers(1, 4))):
        model = data.draw(st.integers(1, width))
        true = data.draw(st.integers(model, 3 * model))
        at = data.draw(st.integers(0, model - true % model))
        lengths.append(Fit(model, true, at))
        copies.append(lengths[-1].copies)
    copies = np.concatenate(copies)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    short = rng.integers(60, 64, (4, len(copies))) * (rng.random((4, len(copies))) < 0.9)
    grid = short.repeat(copies, axis=1)
    onsets = np.zeros(grid.shape, bool)
    onsets[:, np.cumsum(copies) - copies] = rng.random(short.shape) < 0.3
    fermatas = np.zeros(grid.shape[1], bool)
    fermatas[np.cumsum(copies) - 1] = rng.random(len(copies)) < 0.3
    onsets |= np.diff(grid, prepend=-1, axis=1) != 0
    return Chorale(grid, onsets=onsets & (grid > 0), fermatas=fermatas), lengths, width


@given(st.data())
def test_round_trips_are_identities_where_nothing_was_lost(data):
    before, lengths, width = draw_piece(data)
    bytes_before = before.grid.tobytes()
    segments = to_segments(before, lengths, width=width)
    after = segments.join()
    assert np.array_equal(after.grid, before.grid)
    assert np.array_equal(after.onsets, before.onsets)
    assert np.array_equal(after.fermatas, before.fermatas)
    assert not lost(before, segments)
    assert before.grid.tobytes() == bytes_before
    same = segments.with_grid(segments.grid)
    assert np.array_equal(same.join().onsets, after.onsets)
    filled = segments.filled(segments.chorales())
    assert np.array_equal(filled.join().onsets, after.onsets)
    assert np.array_equal(filled.grid, segments.grid)
    assert np.array_equal(filled.join().fermatas, after.fermatas)


@given(st.data())
def test_segments_of_any_piece_say_the_same_twice(data):
    held, lengths, width = draw_piece(data)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    grid = rng.integers(60, 63, held.grid.shape)
    onsets = (rng.random(grid.shape) < 0.3) | (np.diff(grid, prepend=-1, axis=1) != 0)
    once = to_segments(Chorale(grid, onsets=onsets), lengths, width=width)
    again = to_segments(once.join(), lengths, width=width)
    assert np.array_equal(again.grid, once.grid)
    assert np.array_equal(again.onsets, once.onsets)
    assert np.array_equal(again.join().onsets, once.join().onsets)
    # Model steps are true steps, and those that outlast their neighbour keep their pitch.
    heads = np.cumsum(np.concatenate([fit.copies for fit in lengths]))
    heads = np.concatenate([[0], heads[:-1]])
    assert np.array_equal(once.join().grid[:, heads], grid[:, heads])


def test_a_segment_for_the_sampler(demo):
    segments = to_segments(demo["244.3"])
    pieces = segments.chorales()
    assert [piece.steps for piece in pieces] == [32] * 4
    assert [piece.upbeat for piece in pieces] == [4] * 4
    for piece, grid in zip(pieces, segments.grid, strict=True):
        assert np.array_equal(piece.grid, grid)
        assert piece.onsets[:, 0].all()
        assert piece.fermatas[-1]


def test_sixteen_voices_go_into_the_same_segments(demo):
    segments = to_segments(demo["180.7"], [40] * 4 + [32, 32, 16])
    pieces = [
        piece.replace(grid=np.tile(piece.grid, (4, 1)), onsets=np.tile(piece.onsets, (4, 1)))
        for piece in segments.chorales()
    ]
    stacked = segments.filled(pieces)
    assert stacked.grid.shape == (7, 16, 32)
    assert stacked.join().grid.shape == (16, 240)
    assert np.array_equal(stacked.grid[:, 12:], segments.grid)
    assert np.array_equal(segments.with_grid(stacked.grid).grid, stacked.grid)


def test_a_note_held_over_from_phrase_to_phrase_stays_one():
    onsets = np.zeros((1, 64), bool)
    onsets[0, 0] = True
    piece = Chorale(np.full((1, 64), 60), onsets=onsets)
    segments = to_segments(piece, [32, 32])
    assert segments.onsets[:, 0, 0].tolist() == [True, False]
    assert segments.join().onsets.sum() == 1
    assert [int(part.onsets.sum()) for part in segments.chorales()] == [1, 1]
    assert segments.filled(segments.chorales()).join().onsets.sum() == 1
    other = [Chorale([[60] * 32, [60] * 32]), Chorale([[60] * 32, [62] * 32])]
    assert segments.filled(other).join().onsets.sum(1).tolist() == [1, 2]


def test_other_fields(demo):
    segments = to_segments(demo["180.7"])
    changed = segments.replace(title="in C", tonic=0)
    assert (changed.chorale.tonic, changed.chorale.title) == (0, "in C")
    assert np.array_equal(changed.grid, segments.grid)


@pytest.mark.parametrize(
    ("lengths", "width", "message"),
    [
        ([40] * 5, 32, "200 steps for a piece of 240: 40 too few"),
        ([[32, 40]] * 7, 32, "280 steps for a piece of 240: 40 too many"),
        ([240, 0], 32, "phrase 2: true length: expected 1"),
        ([40] * 5 + [3.5], 32, "phrase 6: length: expected steps"),
        (160, 32, "lengths: expected a list, one a phrase, got 160"),
        ("160", 32, "lengths: expected a list, one a phrase, got '160'"),
        ([], 32, "lengths: expected a list"),
        ([[48, 240]], 32, "phrase 1: 48 steps, a segment has 32"),
        ([240], 0, "width"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(demo, lengths, width, message):
    with pytest.raises(ChoraleError, match=message):
        to_segments(demo["180.7"], lengths, width=width)


def test_other_notes_must_fit(demo):
    segments = to_segments(demo["180.7"])
    for call in (
        lambda: segments.with_grid(segments.grid[:2]),
        lambda: segments.with_grid(segments.grid[0]),
        lambda: segments.filled(segments.chorales()[:2]),
        lambda: lost(demo["140.7"], segments),
    ):
        with pytest.raises(ChoraleError, match="expected"):
            call()
