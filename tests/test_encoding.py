"""Tokens and hidden draws."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coconet.encoding import draw_hidden, tokens_of


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


@given(
    hnp.arrays(bool, st.tuples(st.integers(1, 5), st.just(4), st.integers(1, 12))),
    st.integers(0, 2**32),
)
def test_only_eligible_cells_are_hidden_and_at_least_one(eligible, seed):
    hidden = draw_hidden(eligible, np.random.default_rng(seed))
    assert (hidden <= eligible).all()
    assert (hidden.any((1, 2)) == eligible.any((1, 2))).all()


def test_the_number_hidden_is_uniform_and_so_is_each_cell():
    eligible = np.ones((20_000, 4, 5), bool)
    hidden = draw_hidden(eligible, np.random.default_rng(1))
    counts = np.bincount(hidden.sum((1, 2)), minlength=21)
    assert counts[0] == 0
    assert abs(counts[1:] / 1000 - 1).max() < 0.15  # 4.7 standard errors
    assert abs(hidden.mean(0) / (21 / 40) - 1).max() < 0.03
