"""The sampler: what it keeps, what it writes, and that chance stays with its chorale."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mocks import Knowing, Recording, Uniform

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.gibbs import Schedule, draw, sample
from coconet.grid import REST

FEW = Schedule(passes=4)


def run(predictor, chorales, hidden, seed=1, **options):
    options = {"schedule": FEW, "rng": np.random.default_rng(seed), **options}
    return sample(predictor, chorales, hidden, **options)


@settings(deadline=None)
@given(
    hnp.arrays(np.int16, st.tuples(st.just(4), st.integers(1, 20)),
               elements=st.sampled_from([0, 36, 50, 60, 81])),
    st.data(),
)  # fmt: skip
def test_kept_cells_come_back_and_hidden_ones_are_pitches(grid, data):
    hidden = data.draw(hnp.arrays(bool, grid.shape))
    fill = data.draw(st.booleans())
    free = hidden if fill else hidden & (grid != REST)
    if not free.any():
        with pytest.raises(ChoraleError, match="nothing to write"):
            run(Uniform(), [Chorale(grid)], [hidden], fill_rests=fill)
        return
    found = run(Uniform(), [Chorale(grid)], [hidden], fill_rests=fill)[0]
    assert (found[~free] == grid[~free]).all()
    assert ((found[free] >= 36) & (found[free] <= 81)).all()


def test_a_chorale_comes_out_the_same_whatever_stands_beside_it():
    chorales = load_corpus("demo")
    hidden = [np.ones(c.grid.shape, bool) for c in chorales]
    together = run(Uniform(), chorales, hidden)
    first = run(Uniform(), chorales[:1], hidden[:1])
    chunked = run(Uniform(), chorales, hidden, chunk=2)
    assert (together[0] == first[0]).all()
    assert all((a == b).all() for a, b in zip(together, chunked, strict=True))
    assert (run(Uniform(), chorales[:1], hidden[:1], seed=2)[0] != first[0]).any()


def test_a_predictor_that_knows_the_answer_gives_it_back():
    chorale = load_corpus("demo")[0]
    hidden = np.random.default_rng(0).random(chorale.grid.shape) < 0.6
    steps = -(-chorale.steps // 4) * 4
    answers = np.pad(chorale.grid, ((0, 0), (0, steps - chorale.steps)), constant_values=60)[None]
    for temperature in (0, 1, 3):
        found = run(Knowing(answers), [chorale], [hidden], temperature=temperature)[0]
        assert (found == chorale.grid).all()


def test_every_pass_anneals_and_hides_only_what_is_free():
    chorale = Chorale(np.full((4, 64), 60), upbeat=6)
    hidden = np.zeros((4, 64), bool)
    hidden[1:3] = True
    recording = Recording()
    run(recording, [chorale], [hidden], schedule=Schedule(passes=40))
    shares = []
    for grids, shown, outside in recording.calls:
        # A beat begins with step 2: two steps outside lead up to it.
        assert outside[0].tolist() == [True] * 2 + [False] * 64 + [True] * 2
        assert not shown[0, [0, 3]].any()
        assert not (shown & outside[:, None]).any()
        assert (grids[0, :, 2:66][[0, 3]] == 60).all()
        shares.append(shown[0, 1:3, 2:66].mean())
    assert shares[0] == 1
    expected = [Schedule(passes=40).share(n) for n in range(1, 40)]
    assert abs(np.array(shares[1:]) - expected).max() < 0.25
    assert np.mean(shares[30:]) == pytest.approx(0.1, abs=0.03)


def test_draws_follow_the_probabilities_and_the_temperature():
    rng = np.random.default_rng(0)
    row = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    rows = np.tile(row, (40_000, 1))
    for temperature in (0.5, 1.0, 2.0):
        found = draw(rows, temperature, rng.random(len(rows)), 36)
        expected = row ** (1 / temperature) / (row ** (1 / temperature)).sum()
        shares = np.bincount(found - 36, minlength=4) / len(rows)
        assert abs(shares - expected).max() < 0.012  # 4.8 standard errors
    assert (draw(rows, 0, rng.random(len(rows)), 36) == 39).all()
    edge = draw(np.tile([0.0, 1.0, 0.0], (2, 1)), 1.0, np.array([0.0, 1 - 2**-53]), 36)
    assert (edge == 37).all()


def test_the_callback_sees_each_pass():
    chorale = load_corpus("demo")[0]
    seen = []
    found = run(
        Uniform(),
        [chorale] * 3,
        [np.ones(chorale.grid.shape, bool)] * 3,
        chunk=2,
        on_pass=lambda number, grids: seen.append((number, grids)),
    )
    assert [number for number, _ in seen] == list(range(1, 9))
    assert [len(grids) for _, grids in seen] == [2] * 4 + [1] * 4
    assert (seen[-1][1][0] == found[2]).all()


BASE = Chorale(np.full((4, 8), 60))


@pytest.mark.parametrize(
    ("chorales", "hidden", "options", "says"),
    [
        ([BASE], [np.zeros((4, 8), bool)], {}, "nothing to write"),
        ([BASE], [np.ones((4, 7), bool)], {}, r"expected the grid's shape \(4, 8\)"),
        ([BASE], [], {}, "one hidden array a chorale"),
        ([], [], {}, "one hidden array a chorale"),
        ([Chorale(np.full((8, 8), 60))], [np.ones((8, 8), bool)], {}, "four voices, got 8"),
        ([BASE], [np.ones((4, 8), bool)], {"temperature": -1}, "temperature"),
        ([BASE], [np.ones((4, 8), bool)], {"temperature": np.nan}, "temperature"),
        (
            [BASE.replace(grid=np.full((4, 8), 90))],
            [np.eye(4, 8, dtype=bool)],
            {},
            "soprano at step 1: 90 is outside the model's pitches 36-81",
        ),
    ],
)
def test_bad_requests(chorales, hidden, options, says):
    with pytest.raises(ChoraleError, match=says):
        run(Uniform(), chorales, hidden, **options)


@pytest.mark.parametrize("passes", [0, -1, 2.5, 10**6])
def test_bad_schedules(passes):
    with pytest.raises(ChoraleError, match="passes"):
        Schedule(passes=passes)


def test_pitches_outside_the_model_may_be_rewritten():
    grid = np.full((4, 8), 60)
    grid[0, :] = 100
    hidden = np.zeros((4, 8), bool)
    hidden[0] = True
    assert run(Uniform(), [Chorale(grid)], [hidden])[0].max() <= 81
