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
from coconet.theory import moving_pairs, parallels
from coconet.tilt import Tilt

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


def test_a_pull_joins_the_model_in_every_pass():
    chorale = Chorale(np.random.default_rng(3).integers(36, 82, (4, 18)), upbeat=2)
    hidden = np.zeros((4, 18), bool)
    hidden[1:3, 5:] = True
    pull = np.full((1, 1, 46), -50.0)
    pull[..., 0::12] = 0  # of 36-81: C alone
    still = np.zeros((4, 18, 46))
    for weights in (None, Tilt(fifths=3, octaves=3)):
        (pulled,) = run(Uniform(), [chorale], [hidden], pulls=[pull], weights=weights)
        assert (pulled[hidden] % 12 == 0).all()
        assert (pulled[~hidden] == chorale.grid[~hidden]).all()
        free, same = (
            run(Uniform(), [chorale], [hidden], pulls=pulls, weights=weights)[0]
            for pulls in (None, [still])
        )
        assert (free == same).all() and (free[hidden] % 12 != 0).any()


def test_a_generator_for_each_chorale_is_its_whole_chance():
    chorales = [Chorale(np.full((4, 12 + n), 60)) for n in range(3)]
    hidden = [np.ones(c.grid.shape, bool) for c in chorales]
    parent = np.random.default_rng(8)
    together = run(Uniform(), chorales, hidden, rng=parent)
    children = np.random.default_rng(8).spawn(3)
    alone = run(Uniform(), chorales[2:], hidden[2:], rng=children[2:])
    assert (together[2] == alone[0]).all()


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


class Leaning(Uniform):
    """Uniform, with weights for the sampler."""

    tilt = Tilt(fifths=6, octaves=6, key=1, close=3)


def test_weights_keep_the_promises_of_the_sampler():
    """Kept cells stay, chance stays with its chorale, padding changes nothing."""
    chorales = [chorale.replace(upbeat=0) for chorale in load_corpus("demo")]
    rng = np.random.default_rng(0)
    hidden = [rng.random(c.grid.shape) < 0.7 for c in chorales]
    chorales.append(Chorale(np.zeros((4, 30), int)))  # from nothing
    hidden.append(np.ones((4, 30), bool))
    together = run(Leaning(), chorales, hidden, fill_rests=True)
    chunked = run(Leaning(), chorales, hidden, fill_rests=True, chunk=1)
    first = run(Leaning(), chorales[:1], hidden[:1], fill_rests=True)
    assert (first[0] == together[0]).all()
    assert all((a == b).all() for a, b in zip(together, chunked, strict=True))
    for chorale, region, found in zip(chorales, hidden, together, strict=True):
        assert (found[~region] == chorale.grid[~region]).all()
        assert (found[region] >= 36).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
def test_the_shortest_chorales_from_nothing(steps):
    blank, everything = Chorale(np.zeros((4, steps), int)), np.ones((4, steps), bool)
    schedule = Schedule(passes=17)
    found = run(Leaning(), [blank], [everything], schedule=schedule, fill_rests=True)[0]
    assert ((found >= 36) & (found <= 81)).all()


def rates(predictor, **options):
    blank = Chorale(np.zeros((4, 96), int))
    grids = run(predictor, [blank] * 8, [np.ones((4, 96), bool)] * 8, fill_rests=True, **options)
    moving = sum(moving_pairs(grid).sum() for grid in grids)
    return [1000 * sum(parallels(grid, n).sum() for grid in grids) / moving for n in (7, 0)]


def test_weights_make_parallels_rare_and_no_tilt_makes_them_common():
    with_, without, none = rates(Leaning()), rates(Leaning(), tilt=0), rates(Uniform())
    assert without == none
    assert max(with_) * 4 < min(without)
    strong = rates(Leaning(), weights=Tilt(fifths=20, octaves=20))
    assert strong == [0, 0]


def test_a_chorale_from_nothing_ends_at_home_and_one_with_a_kept_end_keeps_it():
    chorale = Chorale(np.zeros((4, 16), int))
    leaning = Leaning()
    leaning.tilt = Tilt(close=20)
    everything = np.ones((4, 16), bool)
    for seed in range(5):
        found = run(leaning, [chorale], [everything], seed=seed, fill_rests=True)[0]
        degrees = (found[:, -4:] - found[3, -1]) % 12
        assert set(degrees[3].tolist()) == {0}
        assert set(degrees.ravel().tolist()) <= {0, 3, 4, 7}
    kept = load_corpus("demo")[0]
    hidden = np.ones(kept.grid.shape, bool)
    hidden[:, -4:] = False
    free = run(Uniform(), [kept], [hidden], weights=Tilt(fifths=1e-9))[0]
    pulled = run(Uniform(), [kept], [hidden], weights=Tilt(fifths=1e-9, key=20, close=20))[0]
    assert (free == pulled).all()
    assert (pulled[:, -4:] == kept.grid[:, -4:]).all()


class LeaningRecording(Recording):
    tilt = Tilt(fifths=6, octaves=6)


def test_the_last_passes_write_blocks_cell_by_cell():
    chorale = Chorale(np.full((4, 62), 60), upbeat=6)  # two steps outside lead up to it
    hidden = np.random.default_rng(0).random((4, 62)) < 0.8
    recording = LeaningRecording()
    schedule = Schedule(passes=80, blocks=0.5)
    found = run(recording, [chorale], [hidden], schedule=schedule)[0]
    assert len(recording.calls) == 80
    assert (found[~hidden] == 60).all()
    visited = np.zeros((4, 16), int)
    for first in range(40, 80, 4):
        shown = [call[1][0] for call in recording.calls[first : first + 4]]
        beats = shown[0].reshape(4, 16, 4)
        free = np.pad(hidden, ((0, 0), (2, 0))).reshape(4, 16, 4)
        touched = beats.any(2)
        assert (beats == free * touched[:, :, None]).all()
        assert 4 <= touched.sum() <= 5  # one in four beats, whatever the windows' offset
        assert touched.any(0).sum() == touched.sum()
        for place, later in enumerate(shown):
            expected = shown[0].copy().reshape(4, 16, 4)
            expected[..., :place] = False
            assert (later == expected.reshape(4, 64)).all()
        visited += touched
    assert (visited.sum(1) > 0).all() and (visited.sum(0) > 0).all()
    plain = Recording()
    run(plain, [chorale], [hidden], schedule=schedule)
    shares = [call[1][0].mean() for call in plain.calls]
    assert shares[-1] == pytest.approx(0.08, abs=0.06)


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
        ([BASE], [np.ones((4, 8), bool)], {"rng": []}, "expected 1 generators, got 0"),
        ([BASE], [np.ones((4, 8), bool)], {"pulls": []}, "pulls: expected 1, one a chorale"),
        *(
            ([BASE], [np.ones((4, 8), bool)], {"pulls": [pull]}, "pulls: expected finite nats")
            for pull in (
                np.zeros((4, 8)),
                np.zeros((4, 7, 46)),
                np.zeros((1, 1, 46), int),
                np.full((1, 1, 46), np.nan),
            )
        ),
        ([BASE], [np.ones((4, 8), bool)], {"temperature": np.nan}, "temperature"),
        ([BASE], [np.ones((4, 8), bool)], {"tilt": -1}, "tilt: expected 0 or more, got -1"),
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


@pytest.mark.parametrize(
    "options",
    [
        *({"passes": passes} for passes in (0, -1, 2.5, 10**6)),
        {"least": 0},
        {"most": 1.1},
        {"until": 0},
        {"home": 0},
        {"home": 1.5},
        {"blocks": 1},
        {"blocks": -0.1},
    ],
)
def test_bad_schedules(options):
    with pytest.raises(ChoraleError, match=r"passes|schedule"):
        Schedule(**options)


def test_pitches_outside_the_model_may_be_rewritten():
    grid = np.full((4, 8), 60)
    grid[0, :] = 100
    hidden = np.zeros((4, 8), bool)
    hidden[0] = True
    assert run(Uniform(), [Chorale(grid)], [hidden])[0].max() <= 81
