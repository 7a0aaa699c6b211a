"""The referee: it agrees with a plain reading of the algorithm, whatever the batches."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from mocks import Knowing, Listening, Reaching, Recording, Uniform

from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.referee import UNITS, Referee, score_piece

WAYS = [(unit, order) for unit in UNITS for order in ("random", "chronological")]


@pytest.fixture(scope="module")
def piece():
    """The first bars of a chorale with an upbeat, rests cut into them."""
    chorale = next(c for c in load_corpus("valid") if c.upbeat == 4)
    grid = crop(chorale, (0, 21)).grid.copy()
    grid[1, 3:6] = grid[:, 9] = grid[:3, 20] = 0
    return Chorale(grid, upbeat=4, title="a beginning")


def obvious(predictor, grid, referee, lead=0):
    """Nats of frames and cells, one frame, one voice, one pass at a time."""
    voices, steps = grid.shape
    low = predictor.pitches[0]
    after = -(lead + steps) % 4
    outside = np.pad(np.zeros(steps, bool), (lead, after), constant_values=True)

    def predict(shown, visible, voice, step):
        laid = np.pad(shown, ((0, 0), (lead, after)))
        hidden = np.pad(~visible & (grid != 0), ((0, 0), (lead, after)))
        return predictor.predict(laid[None], hidden[None], outside[None])[0, voice, lead + step]

    logs = np.full((referee.orders, voices, steps), np.nan)
    for number in range(referee.orders):
        ranks, turns = referee.draw(grid, number)
        visible = np.zeros(grid.shape, bool)
        for rank in range(ranks.max() + 1):
            cells = np.argwhere(ranks == rank)
            step = cells[0, 1]
            shown = grid.copy()
            seen = visible.copy()
            for voice in turns[step] if len(cells) == 4 else cells[:, 0]:
                if grid[voice, step] == 0:
                    continue
                found = predict(shown, seen, voice, step)
                logs[number, voice, step] = np.log(found[grid[voice, step] - low])
                shown[voice, step] = found.argmax() + low
                seen[voice, step] = True
            visible[ranks == rank] = True
    cells = -np.log(np.exp(logs).mean(0))
    if referee.unit == "note":
        return np.nansum(cells, 0), cells
    return -np.log(np.exp(np.nansum(logs, 1)).mean(0)), cells


@pytest.mark.parametrize(("unit", "order"), WAYS)
@pytest.mark.parametrize("orders", [1, 3])
def test_it_agrees_with_a_slow_and_obvious_one(piece, unit, order, orders):
    predictor = Listening(hearing=6)
    referee = Referee(unit=unit, order=order, orders=orders)
    found = score_piece(predictor, piece, referee)
    frames, cells = obvious(predictor, piece.grid, referee)
    np.testing.assert_allclose(found.frames, frames, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found.cells, cells, rtol=1e-4)


@settings(max_examples=25)
@given(
    steps=st.integers(1, 24),
    upbeat=st.integers(0, 7),
    way=st.sampled_from(WAYS),
    orders=st.integers(1, 3),
    hearing=st.integers(0, 5),
    chunk=st.sampled_from([1, 7, 40, 10_000]),
    rests=st.sampled_from([0, 0.1, 0.7]),
    seed=st.integers(0, 99),
)
def test_any_piece_in_windows_as_in_one(steps, upbeat, way, orders, hearing, chunk, rests, seed):
    rng = np.random.default_rng(seed)
    grid = rng.integers(36, 82, (4, steps))
    grid[:, 1:][rng.random((4, steps - 1)) < rests] = 0
    chorale = Chorale(grid, upbeat=upbeat)
    referee = Referee(*way, orders, seed=seed)
    found = score_piece(Reaching(hearing), chorale, referee, chunk=chunk)
    frames, cells = obvious(Listening(hearing), chorale.grid, referee, lead=-upbeat % 4)
    np.testing.assert_allclose(found.frames, frames, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.cells, cells, rtol=1e-4, atol=1e-5)
    assert np.array_equal(np.isfinite(found.right), grid != 0)


def test_only_the_context_within_reach_is_shown():
    class Watched(Reaching):
        longest = 0

        def predict(self, grids, hidden, outside=None):
            self.longest = max(self.longest, grids.shape[2])
            return super().predict(grids, hidden, outside)

    watched = Watched(hearing=3)
    score_piece(watched, load_corpus("demo")[1], Referee(orders=1, every=4))
    # Three steps on either side of the first sixteenth of a beat: that beat and the one before.
    assert watched.longest == 8


def test_predictions_of_one_step_are_used_where_a_model_has_them(piece):
    class At(Reaching):
        def predict_at(self, grids, hidden, outside, steps):
            return super().predict(grids, hidden, outside)[np.arange(len(steps)), :, steps]

        def predict(self, grids, hidden, outside=None):
            raise AssertionError

    found = score_piece(At(), piece)
    np.testing.assert_allclose(found.frames, score_piece(Listening(), piece).frames, rtol=1e-4)


@pytest.mark.parametrize(("unit", "order"), WAYS)
def test_a_uniform_model_reads_the_log_of_its_pitches(piece, unit, order):
    found = score_piece(Uniform(), piece, Referee(unit=unit, order=order))
    sounding = piece.grid != 0
    np.testing.assert_allclose(found.frames, sounding.sum(0) * np.log(46), rtol=1e-6)
    np.testing.assert_allclose(found.cells[sounding], np.log(46), rtol=1e-6)
    assert np.isnan(found.cells[~sounding]).all()
    assert found.frames[0] == pytest.approx(4 * np.log(46))
    assert found.frames[9] == pytest.approx(0, abs=1e-12)  # all rest
    assert found.notes == sounding.sum()
    assert len(found.nats) == (sounding.sum() if unit == "note" else sounding.shape[1])


@pytest.mark.parametrize(("unit", "order"), WAYS)
def test_a_model_that_knows_reads_nothing(unit, order):
    chorale = load_corpus("demo")[0]  # whole bars, so that nothing is laid around it
    found = score_piece(Knowing(chorale.grid), chorale, Referee(unit=unit, order=order, orders=2))
    assert (found.nats == 0).all()
    assert (found.right[chorale.grid != 0] == 1).all()


def test_what_the_model_is_shown(piece):
    """The true notes of earlier frames, its own likeliest of earlier voices, and all rests."""
    recording = Recording()
    referee = Referee(orders=1)
    score_piece(recording, piece, referee, chunk=1)
    ranks, turns = referee.draw(piece.grid, 0)
    calls = iter(recording.calls)
    sounding = piece.grid != 0
    for step in range(piece.steps):
        earlier = ranks < ranks[0, step]
        guessed = np.zeros(sounding.shape, bool)
        for voice in turns[step]:
            if not sounding[voice, step]:
                continue
            grids, hidden, outside = next(calls)
            inside = ~outside[0]
            shown, unseen = grids[0][:, inside], hidden[0][:, inside]
            np.testing.assert_array_equal(unseen, sounding & ~earlier & ~guessed)
            np.testing.assert_array_equal(shown[~unseen & ~guessed], piece.grid[~unseen & ~guessed])
            assert (shown[guessed] == 36).all()  # the first of equals
            assert (shown[unseen] == 0).all()
            assert not hidden[0][:, outside[0]].any()
            guessed[voice, step] = True
    assert next(calls, None) is None


def test_orders_are_combined_in_probability_space(piece):
    """Three orders by hand: the mean of the frames' probabilities, not of their nats."""
    predictor = Listening()

    class Third(Referee):
        def draw(self, grid, number):
            return super().draw(grid, 2)

    class Second(Referee):
        def draw(self, grid, number):
            return super().draw(grid, 1)

    alone = [
        score_piece(predictor, piece, rules(orders=1)).frames for rules in (Referee, Second, Third)
    ]
    together = score_piece(predictor, piece, Referee(orders=3)).frames
    np.testing.assert_allclose(np.exp(-together), np.exp(-np.array(alone)).mean(0), rtol=1e-6)
    assert together.mean() < np.mean(alone) - 0.1


@pytest.mark.parametrize(("unit", "order"), WAYS)
def test_every_order_visits_everything_once(piece, unit, order):
    referee = Referee(unit=unit, order=order)
    grid = piece.grid
    drawn = [referee.draw(grid, number) for number in range(4)]
    visits = 4 * piece.steps if unit == "note" else piece.steps
    for ranks, voices in drawn:
        shown = ranks if unit == "note" else ranks[0]
        assert sorted(shown.ravel()) == list(range(visits))
        assert unit == "note" or (ranks == ranks[0]).all()
        assert (np.sort(voices, 1) == np.arange(4)).all()
    if order == "chronological":
        assert (np.diff(drawn[0][0], axis=1) > 0).all()
    else:
        assert not np.array_equal(drawn[0][0], drawn[1][0])
        assert not np.array_equal(drawn[0][0], referee.draw(grid + 1, 0)[0])
        other = Referee(unit=unit, order=order, seed=2).draw(grid, 0)
        assert not np.array_equal(drawn[0][0], other[0])
    if unit == "frame":
        assert len(np.unique(drawn[0][1], axis=0)) > 1


def test_notes_in_time_have_one_order():
    assert Referee(unit="note", order="chronological", orders=5).orders == 1
    np.testing.assert_array_equal(
        Referee(unit="note", order="chronological").draw(np.full((4, 2), 60), 0)[0],
        [[0, 4], [1, 5], [2, 6], [3, 7]],
    )


@pytest.mark.parametrize("resolution", [8, 4])
def test_coarser_models_hear_the_steps_on_bar_lines(resolution):
    chorale = Chorale(np.arange(40, 50) + np.array([[18], [12], [6], [0]]), upbeat=6)
    recording = Recording()
    recording.resolution = resolution
    found = score_piece(recording, chorale, Referee(order="chronological", orders=1))
    first = {8: 0, 4: 2}[resolution]
    kept = chorale.grid[:, first :: 16 // resolution]
    assert found.frames.shape == (kept.shape[1],)
    grids, hidden, outside = recording.calls[-1]
    assert grids.shape[2] % 4 == 0
    # The bar line, step 6, stands on a beat of four of the kept steps.
    bar = list(range(first, 10, 16 // resolution)).index(6)
    lead = int(outside[0].argmin())
    assert (lead + bar) % 4 == 0
    last = grids[-1][:, ~outside[-1]]
    np.testing.assert_array_equal(last[:, :-1], kept[:, :-1])
    assert hidden[-1].sum() == 1


def test_some_steps_only(piece):
    whole = score_piece(Listening(), piece)
    some = score_piece(Listening(), piece, Referee(every=5))
    scored = np.arange(piece.steps) % 5 == 0
    np.testing.assert_allclose(some.frames[scored], whole.frames[scored], rtol=1e-5)
    np.testing.assert_array_equal(np.isnan(some.frames), ~scored)
    assert np.isnan(some.cells[:, ~scored]).all()


def test_no_chance_at_all_costs_a_finite_number_of_nats():
    chorale = load_corpus("demo")[0]
    wrong = Knowing(np.full(chorale.grid.shape, 36))
    found = score_piece(wrong, chorale, Referee(unit="note", orders=1))
    np.testing.assert_allclose(found.nats, 87.3, atol=0.1)


class Broken(Uniform):
    def predict(self, grids, hidden, outside=None):
        return super().predict(grids, hidden, outside) * np.nan


FULL = np.full((4, 4), 60)
BAD = [
    (lambda: Referee(unit="bar"), "unit: expected frame or note, got 'bar'"),
    (lambda: Referee(order="backwards"), "order: expected random or chronological"),
    (lambda: Referee(orders=0), "orders: expected 1-1000, got 0"),
    (lambda: Referee(orders=2.5), "orders: expected 1-1000, got 2.5"),
    (lambda: Referee(every=0), "every: expected"),
    (lambda: Referee(seed=-1), "seed: expected"),
    (lambda: score_piece(Uniform(), Chorale(FULL[:2], title="duet")), "duet: expected four voices"),
    (lambda: score_piece(Uniform(), Chorale(FULL * 0)), "holds no note|no note"),
    (lambda: score_piece(Uniform(), Chorale(FULL // 2)), "outside the model's pitches 36-81"),
    (lambda: score_piece(Uniform(), Chorale(FULL), chunk=0), "chunk: expected"),
    (lambda: score_piece(Broken(), Chorale(FULL)), "not a number"),
]


@pytest.mark.parametrize(("call", "says"), BAD)
def test_what_cannot_be_scored_is_refused(call, says):
    with pytest.raises(ChoraleError, match=says):
        call()
