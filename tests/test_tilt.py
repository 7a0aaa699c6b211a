"""The tilt: its penalty beside a plain count, drawing in turn, the file it lies in."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coconet.corpus import load_corpus
from coconet.endings import ends_on_tonic
from coconet.errors import ChoraleError
from coconet.theory import in_scale, moving_pairs, parallels
from coconet.tilt import Tilt, draw, draw_in_turn, home_pull, load_tilt, save_tilt

LOW, HIGH = 48, 72
COUNT = HIGH - LOW + 1


def one_after_another(probabilities, grid, hidden, tilt, uniforms, turns):
    """`draw_in_turn` of one item, plainly: parallels are counted in the whole grid."""
    grid = np.where(hidden, 0, grid)
    cells = sorted(zip(*np.nonzero(hidden), strict=True), key=lambda cell: turns[cell])
    for voice, step in cells:
        lost = np.zeros(COUNT)
        for column in range(COUNT):
            trial = grid.copy()
            for sign, pitch in ((1, LOW + column), (-1, 0)):
                trial[voice, step] = pitch
                lost[column] += sign * tilt.fifths * parallels(trial, 7).sum()
                lost[column] += sign * tilt.octaves * parallels(trial, 0).sum()
        weights = probabilities[voice, step] * np.exp(-lost)
        shares = weights.cumsum() / weights.sum()
        grid[voice, step] = LOW + np.searchsorted(shares, uniforms[voice, step], side="right")
    return grid


@settings(deadline=None, max_examples=15)
@given(
    st.integers(1, 3),
    st.integers(1, 7),
    st.sampled_from([0.1, 0.5, 1.0]),
    st.integers(0, 2**32),
)
def test_drawing_in_turn_is_drawing_one_after_another(batch, steps, share, seed):
    rng = np.random.default_rng(seed)
    shape = (batch, 4, steps)
    # Few pitches, so that parallels, unisons, crossings and rests are everywhere.
    grids = rng.choice([0, 50, 52, 55, 57, 62, 64, 69], shape)
    hidden = rng.random(shape) < share
    probabilities = rng.dirichlet(np.ones(COUNT), shape).astype(np.float32) + np.float32(0.01)
    tilt = Tilt(fifths=rng.uniform(0, 6), octaves=float(rng.choice([0, 5])))
    uniforms, turns = rng.random((2, *shape))
    found = draw_in_turn(
        probabilities, grids, hidden, tilt, temperature=1, uniforms=uniforms, turns=turns, low=LOW
    )
    for item in range(batch):
        plain = one_after_another(
            probabilities[item].astype(float),
            grids[item],
            hidden[item],
            tilt,
            uniforms[item],
            turns[item],
        )
        assert (found[item] == plain).all()


def test_without_weights_the_turns_do_not_matter():
    rng = np.random.default_rng(0)
    shape = (2, 4, 20)
    grids, hidden = rng.integers(LOW, HIGH + 1, shape), rng.random(shape) < 0.7
    probabilities = rng.dirichlet(np.ones(COUNT), shape).astype(np.float32)
    uniforms = rng.random(shape)
    for temperature in (0, 0.7, 1):
        found = draw_in_turn(
            probabilities,
            grids,
            hidden,
            Tilt(),
            temperature=temperature,
            uniforms=uniforms,
            turns=rng.random(shape),
            low=LOW,
        )
        at_once = draw(probabilities[hidden], temperature, uniforms[hidden], LOW)
        assert (found[hidden] == at_once).all()
        assert (found[~hidden] == grids[~hidden]).all()


def test_strong_weights_leave_hardly_any_parallel():
    rng = np.random.default_rng(0)
    shape = (8, 4, 64)
    # Nothing but fifths and octaves to choose from: parallels come easily.
    flat = np.zeros((*shape, COUNT), np.float32)
    flat[..., ::12] = flat[..., 7::12] = 1 / 4
    counts = {}
    for name, tilt in (("without", Tilt()), ("with", Tilt(fifths=20, octaves=20))):
        found = draw_in_turn(
            flat,
            np.zeros(shape, int),
            np.ones(shape, bool),
            tilt,
            temperature=1,
            uniforms=rng.random(shape),
            turns=rng.random(shape),
            low=LOW,
        )
        counts[name] = [
            sum(parallels(grid, interval).sum() for grid in found) for interval in (7, 0)
        ]
        assert sum(moving_pairs(grid).sum() for grid in found) > 1000
    assert min(counts["without"]) > 40
    assert (10 * np.array(counts["with"]) < counts["without"]).all()


def test_the_likeliest_pitch_is_the_likeliest_after_the_penalty():
    rows = np.array([[0.5, 0.3, 0.2]])
    penalty = np.array([[1.0, 0.0, 0.0]])
    assert draw(rows, 0, np.zeros(1), LOW)[0] == LOW
    assert draw(rows, 0, np.zeros(1), LOW, penalty)[0] == LOW + 1
    many = np.random.default_rng(0).random(40_000)
    for temperature in (0.5, 1, 2):
        found = draw(rows.repeat(40_000, 0), temperature, many, LOW, penalty.repeat(40_000, 0))
        expected = (rows[0] * np.exp(-penalty[0])) ** (1 / temperature)
        shares = np.bincount(found - LOW, minlength=3) / len(found)
        assert abs(shares - expected / expected.sum()).max() < 0.012  # 4.8 standard errors


@pytest.mark.parametrize("key", range(24))
def test_home_is_its_scale_and_its_triad(key):
    tilt = Tilt(key=1, close=20)
    pull = home_pull(key, 12, tilt, 1, 36, 81)
    assert pull.shape == (4, 12, 46)
    assert (pull <= 1).all() and (pull > 0).all()
    tonic, mode = key % 12, ("major", "minor")[key // 12]
    likely = pull[:, 0] > 1 / 3
    # A minor key may raise its leading note.
    inside = in_scale(np.arange(36, 82)[None], tonic, mode)[0]
    assert (likely[0] >= (pull[0, 0] == 1)).all()
    assert not likely[:, ~inside & (np.arange(36, 82) % 12 != (tonic + 11) % 12)].any()
    chord = 36 + np.array([(pull[voice, -1] * pull[voice, 0]).argmax() for voice in range(4)])
    chord[1] = chord[0] + (tonic + (4 if mode == "major" else 3) - chord[0]) % 12
    assert ends_on_tonic(chord[:, None], tonic, mode)
    # Later passes are freer, but the end stays.
    late = home_pull(key, 12, tilt, 0, 36, 81)
    assert (late[:, :8] == 1).all()
    assert (late[3, -4:].argmax(1) + 36).tolist() == [36 + (tonic - 36) % 12] * 4


def test_the_weights_lie_beside_the_checkpoint(tmp_path):
    tilt = Tilt(fifths=4.5, octaves=5, key=0.5, close=2, fitted={"samples": 48})
    assert load_tilt(tmp_path) is None
    path = save_tilt(tmp_path, tilt)
    assert load_tilt(tmp_path) == tilt
    assert load_tilt(tmp_path).fitted == {"samples": 48}
    assert json.loads(path.read_text())["weights"]["fifths"] == 4.5
    assert [entry.name for entry in tmp_path.iterdir()] == ["sampler.json"]
    assert tilt.scaled(0.5).weights == {"fifths": 2.25, "octaves": 2.5, "key": 0.25, "close": 1}
    assert not tilt.scaled(0)
    assert tilt.scaled(100).octaves == 20


GOOD = {"format": 1, "weights": {"fifths": 1, "octaves": 1, "key": 0, "close": 0}}


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ("", "not valid JSON"),
        ("[1]", "expected a JSON object"),
        ({**GOOD, "format": 2}, "expected format 1, got 2"),
        ({"format": 1}, "expected weights fifths, octaves, key, close, got None"),
        ({"format": 1, "weights": {"fifths": 1}}, "expected weights"),
        ({"format": 1, "weights": {**GOOD["weights"], "sixths": 1}}, "expected weights"),
        ({**GOOD, "weights": {**GOOD["weights"], "fifths": -1}}, "fifths: expected 0-20 nats"),
        ({**GOOD, "weights": {**GOOD["weights"], "fifths": 21}}, "fifths: expected 0-20 nats"),
        ({**GOOD, "weights": {**GOOD["weights"], "close": "2"}}, "close: expected 0-20 nats"),
        ({**GOOD, "weights": {**GOOD["weights"], "key": True}}, "key: expected 0-20 nats"),
        ('{"format": 1, "weights": {"fifths": NaN, "octaves": 1, "key": 0, "close": 0}}', "fifths"),
        ({**GOOD, "fitted": 3}, "fitted: expected an object"),
    ],
)
def test_bad_files(tmp_path, held, says):
    text = held if isinstance(held, str) else json.dumps(held)
    (tmp_path / "sampler.json").write_text(text)
    with pytest.raises(ChoraleError, match=says) as told:
        load_tilt(tmp_path)
    assert "sampler.json" in str(told.value)


@pytest.mark.parametrize("factor", [-1, np.nan, np.inf, None, "1", True])
def test_bad_factors(factor):
    with pytest.raises(ChoraleError, match="tilt: expected 0 or more"):
        Tilt(fifths=1).scaled(factor)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 3), hnp.arrays(bool, (4, 48)))
def test_bach_himself_is_hardly_penalised(number, hidden):
    """Where the model knows Bach's cells, drawing in turn gives them back."""
    grid = load_corpus("demo")[number].grid[:, :48]
    sure = (grid[..., None] == np.arange(36, 82)).astype(np.float32)
    hidden = hidden & (grid > 0)
    rng = np.random.default_rng(0)
    found = draw_in_turn(
        sure[None],
        grid[None],
        hidden[None],
        Tilt(fifths=9, octaves=9),
        temperature=1,
        uniforms=rng.random((1, 4, 48)),
        turns=rng.random((1, 4, 48)),
        low=36,
    )
    assert (found[0] == grid).all()
