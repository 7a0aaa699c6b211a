"""A network as a Predictor: one step as in the whole, windows as in the whole piece."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mocks import random_weights

from coconet import places
from coconet.checkpoint import load_checkpoint
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.model import FastConfig, PaperConfig, build_network
from coconet.predictor import NetworkPredictor, load_predictor
from coconet.referee import UNITS, Referee, score_piece

FAST = FastConfig(step_width=8, beat_width=16, dilations=(1, 2), step_blocks=1, kernel=3)
PAPER = PaperConfig(layers=5, filters=8)


def predictor_of(config):
    return NetworkPredictor(random_weights(build_network(config), 1), precision="float32")


@pytest.mark.parametrize("config", [FAST, PAPER])
@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 4),
    steps=st.integers(1, 90),
    around=st.tuples(st.integers(0, 3), st.integers(0, 9)) | st.none(),
    seed=st.integers(0, 1000),
)
def test_one_step_is_as_in_the_whole(config, batch, steps, around, seed):
    rng = np.random.default_rng(seed)
    grids = rng.integers(36, 82, (batch, 4, steps))
    grids[rng.random(grids.shape) < 0.2] = 0
    hidden = rng.random(grids.shape) < 0.5
    outside = None
    if around is not None:
        places = rng.integers(0, np.array(around) + 1, (batch, 2))  # each item's own
        number = np.arange(steps)
        outside = (number < places[:, :1]) | (number >= steps - places[:, 1:])
    at = rng.integers(0, steps, batch)
    predictor = predictor_of(config)
    found = predictor.predict_at(grids, hidden, outside, at)
    expected = predictor.predict(grids, hidden, outside)[np.arange(batch), :, at]
    assert (found.shape, found.dtype) == ((batch, 4, 46), np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("config", [FAST, PAPER])
@pytest.mark.parametrize("steps", [5, 6, 7])
def test_an_unfinished_beat_is_filled_with_outside_steps(config, steps):
    rng = np.random.default_rng(steps)
    grids, hidden = rng.integers(36, 82, (2, 4, 8)), rng.random((2, 4, 8)) < 0.5
    outside = np.tile(np.arange(8) >= steps, (2, 1))
    predictor = predictor_of(config)
    found = predictor.predict(grids[..., :steps], hidden[..., :steps])
    expected = predictor.predict(grids, hidden, outside)[:, :, :steps]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


class Whole:
    """The same predictor, but it tells neither its reach nor one step alone."""

    def __init__(self, predictor):
        self.pitches, self.predict = predictor.pitches, predictor.predict


@pytest.mark.parametrize("unit", UNITS)
def test_a_network_is_scored_in_windows_as_on_the_whole_piece(unit):
    chorale = next(c for c in load_corpus("valid") if c.upbeat == 4)
    grid = crop(chorale, (0, 75)).grid.copy()
    grid[1, 3:6] = grid[:, 40] = 0
    piece = Chorale(grid, upbeat=2)
    predictor = predictor_of(FAST)
    assert 2 * predictor.reach + 8 < piece.steps
    referee = Referee(unit=unit, orders=2)
    found = score_piece(predictor, piece, referee)
    expected = score_piece(Whole(predictor), piece, referee)
    np.testing.assert_allclose(found.frames, expected.frames, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.cells, expected.cells, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found.right, expected.right)


def test_what_is_shipped_belongs_together():
    """The card is of a finished run on the train split, the sampler's weights of this network."""
    folder = places.models() / "chorales"
    predictor = load_predictor(folder)
    card = load_checkpoint(folder).card
    assert card["update"] == card["settings"]["updates"]
    assert predictor.splits == ("train",)
    assert predictor.tilt.fitted["model"] == predictor.name
    assert " /" not in card["command"] and not card["data"].startswith("/")
