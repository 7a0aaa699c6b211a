"""Tokens and hidden draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coconet.chorale import Chorale
from coconet.encoding import draw_hidden, draw_hidden_frames, lay_on_beats, tokens_of


@given(
    steps=st.integers(1, 40),
    upbeat=st.integers(0, 15),
    resolution=st.sampled_from([16, 8, 4]),
    voices=st.sampled_from([1, 4]),
)
def test_a_chorale_laid_on_beats_keeps_its_bar_lines_and_lies_between_outside_steps(
    steps, upbeat, resolution, voices
):
    numbered = np.tile(np.arange(1, steps + 1), (voices, 1))
    laid = lay_on_beats(Chorale(numbered, upbeat=upbeat), resolution)
    start, end = laid.span
    assert laid.grid.shape == (voices, len(laid.outside))
    assert len(laid.outside) % 4 == 0
    assert start < 4
    assert len(laid.outside) - end < 4
    assert np.flatnonzero(~laid.outside).tolist() == list(range(start, end))
    assert (laid.grid[:, laid.outside] == 0).all()
    stride = 16 // resolution
    kept = [step for step in range(steps) if (step - upbeat) % stride == 0]
    assert laid.own.tolist() == [[step + 1 for step in kept]] * voices
    for place, step in enumerate(kept, start):
        assert (step - upbeat) // stride % 4 == place % 4


def test_tokens_name_pitches_hidden_rests_and_outside():
    grids = np.array([[[36, 81, 0, 50]] * 4])
    hidden = np.zeros((1, 4, 4), bool)
    hidden[0, 0, :3] = True
    outside = np.array([[False, False, False, True]])
    tokens = tokens_of(grids, hidden, outside, (36, 81))
    assert tokens.shape == (1, 4, 4)
    assert tokens[0, :, 0].tolist() == [46, 46, 46, 48]
    assert tokens[0, :, 1].tolist() == [0, 45, 47, 48]


def test_values_in_hidden_and_outside_cells_leave_no_trace():
    rng = np.random.default_rng(0)
    one, two = rng.integers(36, 82, (2, 3, 4, 8))
    hidden, outside = rng.random((3, 4, 8)) < 0.5, rng.random((3, 8)) < 0.3
    unseen = hidden | outside[:, None]
    two = np.where(unseen, two, one)
    tokens = [tokens_of(grids, hidden, outside, (36, 81)) for grids in (one, two)]
    assert (tokens[0] == tokens[1]).all()


@pytest.mark.parametrize("draw", [draw_hidden, draw_hidden_frames])
@given(
    eligible=hnp.arrays(bool, st.tuples(st.integers(0, 5), st.just(4), st.integers(1, 12))),
    seed=st.integers(0, 2**32),
)
def test_only_eligible_cells_are_hidden_and_at_least_one(draw, eligible, seed):
    hidden = draw(eligible, np.random.default_rng(seed))
    assert (hidden <= eligible).all()
    assert (hidden.any((1, 2)) == eligible.any((1, 2))).all()


def test_the_number_hidden_is_uniform_and_so_is_each_cell():
    eligible = np.ones((20_000, 4, 5), bool)
    hidden = draw_hidden(eligible, np.random.default_rng(1))
    counts = np.bincount(hidden.sum((1, 2)), minlength=21)
    assert counts[0] == 0
    assert abs(counts[1:] / 1000 - 1).max() < 0.15  # 4.7 standard errors
    assert abs(hidden.mean(0) / (21 / 40) - 1).max() < 0.03


def test_frames_are_hidden_whole_or_with_one_to_three_voices_standing():
    eligible = np.ones((20_000, 4, 5), bool)
    hidden = draw_hidden_frames(eligible, np.random.default_rng(1))
    voices = hidden.sum(1)  # hidden voices of each frame
    frames = np.bincount((voices > 0).sum(1), minlength=6)
    assert frames[0] == 0
    assert abs(frames[1:] / 4000 - 1).max() < 0.08  # 5 standard errors
    assert abs((voices > 0).mean(0) / 0.6 - 1).max() < 0.03
    # A uniform draw squared is a third in the mean; those begun show 1, 2 or 3 voices alike.
    kinds = np.bincount(voices[voices > 0], minlength=5)[1:] / (voices > 0).sum()
    assert np.allclose(kinds, [1 / 9, 1 / 9, 1 / 9, 2 / 3], atol=0.015)
