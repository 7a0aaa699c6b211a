"""Chorales whose cells know where they come from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import Chorale, load_chorale, save_chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, notes_of, onsets_of
from coconet.traced import NOWHERE, Traced
from coconet.transforms import repeat, retrograde, stretch, transpose


@pytest.fixture(scope="module")
def traced() -> Traced:
    return Traced.begin(next(c for c in load_corpus("demo") if c.bwv == "140.7"))


def test_before_any_layer_each_cell_is_its_own_source(traced):
    assert (traced.voice == np.arange(4)[:, None]).all()
    assert (traced.step == np.arange(traced.steps)).all()
    assert traced.source == traced.grid.shape


def test_a_held_step_is_one_note_and_its_fermata_comes_last(traced):
    copies = np.ones(traced.steps, int)
    at = int(np.flatnonzero(traced.chorale.fermatas)[0])
    copies[at] = 5
    held = traced.hold(copies)
    assert held.steps == traced.steps + 4
    assert held.onsets.sum() == traced.onsets.sum()
    assert not held.chorale.fermatas[at : at + 4].any() and held.chorale.fermatas[at + 4]
    assert held.chorale.phrases[0] == traced.chorale.phrases[0] + 4
    assert (held.step[:, at : at + 5] == at).all()


def test_phrases_without_a_step_vanish(traced):
    copies = np.ones(traced.steps, int)
    first, *others = traced.chorale.phrases
    copies[:first] = 0
    assert traced.hold(copies).chorale.phrases == tuple(others)


def test_a_repeated_note_stays_repeated_and_a_cut_begins_a_new_one():
    grid = np.full((1, 6), 60)
    onsets = np.array([[True, False, True, False, False, False]])
    traced = Traced.begin(Chorale(grid, onsets=onsets))
    back = traced.take(np.zeros((1, 1), int), np.array([[2, 3, 0, 1, 5, 5]]))
    assert back.onsets.tolist() == [[True, False, True, False, True, False]]


@given(pieces())
def test_notes_are_counted_row_by_row(piece):
    expected, count = np.full(piece.grid.shape, -1), 0
    for voice, notes in enumerate(notes_of(piece.grid, piece.onsets)):
        for start, end, _ in notes:
            expected[voice, start:end] = count
            count += 1
    assert np.array_equal(Traced.begin(piece).note, expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cells_are_taken_as_a_loop_would(data):
    voices, steps = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    grid = rng.choice([REST, 60, 62], (voices, steps))
    onsets = (rng.random(grid.shape) < 0.3) & (grid != REST) | onsets_of(grid)
    traced = Traced.begin(Chorale(grid, onsets=onsets))
    shape = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    voice = rng.integers(NOWHERE, voices, shape)
    step = rng.integers(NOWHERE, steps, shape)
    got = traced.take(voice, step)
    for row in range(shape[0]):
        before = None
        for column in range(shape[1]):
            place = (voice[row, column], step[row, column])
            if NOWHERE in place:
                assert got.grid[row, column] == REST and not got.onsets[row, column]
                assert got.voice[row, column] == got.step[row, column] == NOWHERE
                before = None
                continue
            pitch = grid[place]
            assert got.grid[row, column] == pitch
            assert (got.voice[row, column], got.step[row, column]) == place
            held = before == place
            follows = before is not None and before == (place[0], place[1] - 1)
            changed = before is None or grid[before] != pitch
            begins = pitch != REST and (
                changed or (not held and (onsets[place] or not follows))
            )  # fmt: skip
            assert got.onsets[row, column] == begins
            before = place


def test_the_trace_goes_through_several_layers(traced):
    rows = traced.take_voices([3, 0])
    copies = np.ones(rows.steps, int)
    copies[10] = 3
    again = rows.hold(copies).silence(np.arange(rows.steps + 2) == 0)
    assert (again.voice == np.array([[3], [0]])).all()
    assert again.step[0, 8:15].tolist() == [8, 9, 10, 10, 10, 11, 12]
    assert again.source == traced.source
    assert (again.grid[:, 0] == REST).all() and not again.onsets[:, 0].any()
    assert (again.grid[:, 1:] == traced.grid[again.voice, again.step][:, 1:]).all()


def test_other_pitches_keep_the_onsets_of_repeated_notes(traced):
    higher = traced.sing(np.where(traced.sounding, traced.grid + 12, REST))
    assert (higher.onsets == traced.onsets).all()
    assert (traced.grid[:, 0] != higher.grid[:, 0]).all(), "nothing given is changed"


@pytest.mark.parametrize(
    ("voices", "steps", "words"),
    [
        (0, 4, "nothing would be left"),
        (4, 0, "nothing would be left"),
        (16, 10**9, "16,000,000,000 cells; the limit is 4,000,000"),
    ],
)
def test_growing_beyond_the_limit_is_refused_before_memory_is_filled(traced, voices, steps, words):
    with pytest.raises(ChoraleError, match=words):
        traced.room_for(voices, steps)


def test_a_piece_beyond_the_limit_may_change_as_long_as_it_does_not_grow():
    big = Traced.begin(Chorale(np.full((2, 6), 60)), limit=8)
    for voices, steps in ((2, 6), (3, 4), (1, 12), (1, 9)):
        big.room_for(voices, steps)
    with pytest.raises(ChoraleError, match=r"from 2 voices × 6 steps to 2 × 7, 14 .* limit is 8"):
        big.room_for(2, 7)
    # And the message says truly what raises it.
    raised = Traced.begin(big.chorale, limit=14)
    raised.room_for(2, 7)
    raised.take_voices([0, 1]).anew().room_for(2, 7)
    with pytest.raises(ChoraleError, match=r"begin\(chorale, limit=…\), run_chain\(…, limit"):
        raised.room_for(2, 8)


def test_layers_of_a_long_piece_that_do_not_grow_it():
    grid = np.full((4, 1_100_000), 60)
    assert retrograde(grid).shape == stretch(grid, spans="all", factor=1).shape == grid.shape
    with pytest.raises(ChoraleError, match="limit"):
        stretch(grid, spans=[[0, 1]], factor=2)


def test_onsets_that_a_layer_writes_are_no_longer_assumed(tmp_path):
    bare = Chorale(np.array([[60, 62]]), assumed=("tonic", "onsets"))
    again = repeat(bare, spans=[[1, 2]], times=2)
    assert again.onsets.tolist() == [[True, True, True]] and again.assumed == ("tonic",)
    saved = load_chorale(save_chorale(again, tmp_path / "again.npy"))
    assert saved.assumed == ("tonic",) and saved.onsets.tolist() == again.onsets.tolist()
    assert retrograde(again).assumed == transpose(again, by=1).assumed == ("tonic",)
    # Where they still are what pitches alone tell, nothing has said them.
    held = stretch(bare, spans="all", factor=2)
    assert held.assumed == bare.assumed and held.onsets.sum() == 2
    # Of an array edited beside its sidecar some are said and some assumed: it stays so.
    edited = again.replace(assumed=("onsets",))
    assert transpose(edited, by=1).assumed == ("onsets",)


@pytest.mark.parametrize(("copies", "words"), [(0, "nothing would be left"), (10**8, "limit")])
def test_holding_steps_asks_for_room_too(traced, copies, words):
    with pytest.raises(ChoraleError, match=words):
        traced.hold(np.full(traced.steps, copies))


def test_anew_counts_from_here_and_still_knows_the_source(traced):
    rows = np.arange(traced.voices)[:, None]
    first = traced.take(rows, np.array([[9, NOWHERE, 7, 8]]))
    second = first.anew().take(rows, np.array([[1, 3, 0, NOWHERE]]))
    assert (second.step == [NOWHERE, 8, 9, NOWHERE]).all()
    assert (second.voice == np.where(second.step == NOWHERE, NOWHERE, rows)).all()
    voice, step = second.since
    assert (step == [1, 3, 0, NOWHERE]).all() and (voice[:, :3] == rows).all()
    assert (voice[:, 3] == NOWHERE).all()
    assert second.source == traced.source
    # Without it, both count from the beginning.
    once = traced.take(rows, np.array([[4, NOWHERE]]))
    assert (once.since[0] == once.voice).all() and (once.since[1] == once.step).all()
