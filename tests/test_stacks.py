"""Stacks: kept voices in every quartet, each version by itself, quartets that hear each other."""

import numpy as np
import pytest
from mocks import Listening, Uniform

from coconet import places
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.gibbs import Schedule, sample
from coconet.infill import blank_chorale, choose_hidden
from coconet.jobs import version_generators
from coconet.predictor import load_predictor
from coconet.stacks import harmonise
from coconet.theory import find_key
from coconet.tilt import Tilt
from coconet.together import cross_metrics, together_pull


@pytest.fixture(scope="module")
def predictor():
    return load_predictor(places.models() / "chorales", threads=1)


@pytest.fixture(scope="module")
def piece():
    return crop(next(c for c in load_corpus("demo") if c.bwv == "373"), (0, 48))


def rngs(*numbers, seed=1):
    return [version_generators(seed, number)[0] for number in numbers]


@pytest.mark.parametrize("keep", ["bass", "soprano", "alto,bass"])
def test_what_is_kept_stands_in_every_quartet(piece, keep):
    hidden = choose_hidden(piece, keep=keep)
    made = harmonise(Uniform(), piece, hidden, quartets=3, rngs=rngs(1, 2), passes=2)
    assert len(made) == 2
    for stack in made:
        assert stack.grid.shape == (12, piece.steps)
        for quartet in range(3):
            rows = slice(4 * quartet, 4 * quartet + 4)
            assert (stack.grid[rows][~hidden] == piece.grid[~hidden]).all()
            assert (stack.onsets[rows][~hidden] == piece.onsets[~hidden]).all()
            assert (stack.grid[rows][hidden] > 0).all()
        assert (stack.grid[:4] != stack.grid[4:8]).any()
        assert (stack.tonic, stack.fermatas.tolist()) == (piece.tonic, piece.fermatas.tolist())


def test_a_version_is_the_same_whatever_stands_beside_it(piece):
    hidden = choose_hidden(piece, keep="bass")
    how = {"quartets": 2, "passes": 4}
    several = harmonise(Listening(), piece, hidden, rngs=rngs(1, 2, 3), **how)
    for number in (1, 2, 3):
        alone = harmonise(Listening(), piece, hidden, rngs=rngs(number), **how)[0]
        assert np.array_equal(alone.grid, several[number - 1].grid)
    assert (several[0].grid != several[1].grid).any()


def test_the_first_quartet_is_the_same_however_many_follow(piece):
    hidden = choose_hidden(piece, keep="soprano")
    made = {
        k: harmonise(Listening(), piece, hidden, quartets=k, rngs=rngs(1), passes=4)[0]
        for k in (1, 2)
    }
    assert np.array_equal(made[1].grid, made[2].grid[:4])


def test_without_heeding_each_other_quartets_are_samples_in_a_row(piece):
    hidden = choose_hidden(piece, keep="bass")
    stack = harmonise(
        Listening(), piece, hidden, quartets=3, rngs=rngs(4), passes=4, together=0
    )[0]  # fmt: skip
    (rng,) = rngs(4)
    alone = [
        sample(
            Listening(), [piece], [hidden], schedule=Schedule(4), rng=[rng], fill_rests=True
        )[0]
        for _ in range(3)
    ]  # fmt: skip
    assert np.array_equal(stack.grid, np.vstack(alone))


def test_later_quartets_are_drawn_with_firmer_weights_against_parallels():
    model, blank = Listening(), blank_chorale(32)
    model.tilt = Tilt(fifths=3.0, octaves=8.0, key=1.0, close=2.0)
    hidden = np.ones(blank.grid.shape, bool)
    how = {"tilt": 0.5, "fill_rests": True}
    (stack,) = harmonise(
        model, blank, hidden, quartets=2, rngs=rngs(4), passes=10, tilt=0.5, together=1.0
    )
    (rng,) = rngs(4)
    (first,) = sample(model, [blank], [hidden], schedule=Schedule(10), rng=[rng], **how)
    (second,) = sample(
        model, [blank], [hidden], schedule=Schedule(10), rng=[rng], **how,
        weights=Tilt(fifths=9.0, octaves=20.0, key=1.0, close=2.0),
        pulls=[together_pull(first, model.pitches, 1.0)],
    )  # fmt: skip
    assert np.array_equal(stack.grid, np.vstack([first, second]))


def test_quartets_that_heed_each_other_clash_less(predictor, piece):
    hidden = choose_hidden(piece, keep="bass")
    apart, near = (
        cross_metrics(
            [
                stack.grid
                for stack in harmonise(
                    predictor, piece, hidden, quartets=2, rngs=rngs(1, 2, 3, 4), passes=16,
                    together=weight,
                )
            ],
            voices=(0, 1, 2),
        )["dissonant"].value
        for weight in (0, 1)
    )  # fmt: skip
    assert near < 0.8 * apart, (near, apart)


def test_a_stack_from_nothing_tells_its_own_key(predictor):
    blank = blank_chorale(32, tonic=6)
    hidden = np.ones(blank.grid.shape, bool)
    for stack in harmonise(predictor, blank, hidden, quartets=2, rngs=rngs(1, 2), passes=12):
        assert (stack.tonic, stack.mode) == find_key(stack.grid)
        assert (stack.grid > 0).all()


def test_every_pass_of_every_quartet_is_told_of(piece):
    told = []
    hidden = choose_hidden(piece, keep="bass")
    harmonise(
        Uniform(), piece, hidden, quartets=3, rngs=rngs(1, 2), passes=5,
        on_pass=lambda number, grids: told.append((number, len(grids))),
    )  # fmt: skip
    assert told == [(number, 2) for number in range(1, 16)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"quartets": 0}, "expected 1-64 quartets, got 0"),
        ({"quartets": 65}, "expected 1-64 quartets"),
        ({"quartets": 1.5}, "expected 1-64 quartets"),
        ({"together": -0.1}, "together: expected a weight from 0"),
        ({"together": 2}, "together: expected a weight from 0"),
        ({"together": float("nan")}, "together: expected a weight from 0"),
        ({"rngs": []}, "a generator a version"),
        ({"passes": 0}, "passes"),
        ({"temperature": -1}, "temperature"),
        ({"hidden": np.ones((4, 3), bool)}, "expected the grid's shape"),
        ({"hidden": np.zeros((4, 48), bool)}, "nothing to write"),
        ({"predictor": Listening(resolution=8)}, "8 steps a whole note"),
    ],
)
def test_bad_input_is_refused(piece, change, complaint):
    given = {
        "predictor": Uniform(),
        "hidden": choose_hidden(piece, keep="bass"),
        "rngs": rngs(1),
        "passes": 2,
    } | change
    with pytest.raises(ChoraleError, match=complaint):
        harmonise(given.pop("predictor"), piece, given.pop("hidden"), **given)
