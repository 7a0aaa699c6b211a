"""Incremental replacement: what each replacement sees, what stays, how it is made again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mocks import Listening, Recording, Uniform

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.gibbs import Schedule, sample
from coconet.grid import REST, hidden_region, onsets_of
from coconet.jobs import version_generators
from coconet.phrases import cut_phrases
from coconet.replace import PASSES, Plan, read_out, remade, replace_voices, written_out
from coconet.tilt import Tilt
from coconet.together import DEFAULT, together_pull

BACH = next(c for c in load_corpus("demo") if c.bwv == "373")
PHRASES = cut_phrases(BACH)
QUICK = {"passes": 2, "rounds": 2}
CELLS = st.sampled_from([REST, 48, 55, 59, 60, 60, 61, 62])


def replaced(plan, pieces=(BACH,), *, predictor=None, number=1):
    rngs = version_generators(1, number, len(pieces))
    return replace_voices(predictor or Uniform(), pieces, plan, rngs=rngs)


# ---------------------------------------------------------------- the plan


@pytest.mark.parametrize(
    ("fields", "order", "keep"),
    [
        ({}, (0, 1, 2, 3), ()),
        ({"keep": "bass"}, (0, 1, 2), (3,)),
        ({"order": "B, tenor,soprano"}, (3, 2, 0), ()),
        ({"order": [2, "alto"], "keep": ["s"]}, (2, 1), (0,)),
    ],
)
def test_a_plan_says_which_voices_come_in_turn(fields, order, keep):
    plan = Plan(**fields)
    assert (plan.order, plan.keep) == (order, keep)
    assert (plan.passes, plan.together) == (PASSES, DEFAULT)
    assert plan.replacements == 4 * len(order)
    assert Plan(**plan.told) == plan


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"keep": "bass,bass"}, "keep: bass is named twice"),
        ({"order": "alto,tenor,a"}, "order: alto is named twice"),
        ({"keep": "soprano,alto,tenor,bass"}, "all four voices are kept"),
        ({"order": "alto,bass", "keep": "bass"}, "bass can't be both"),
        ({"order": ()}, "at least one voice"),
        ({"order": "violin"}, "unknown voice 'violin'"),
        ({"order": [4]}, "rows 0-3"),
        ({"keep": [True]}, "rows 0-3"),
        ({"rounds": 0}, "rounds: expected 1-64, got 0"),
        ({"rounds": 2.5}, "rounds"),
        ({"passes": 0}, "passes"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "1"}, "temperature: expected 0 or more, got '1'"),
        ({"tilt": float("inf")}, "tilt"),
        ({"tilt": None}, "tilt: expected 0 or more, got None"),
        ({"order": 5}, "order: expected voices by name or row, got 5"),
        ({"order": [None]}, "rows 0-3"),
        ({"keep": 3}, "keep: expected voices by name or row, got 3"),
        ({"together": 1.1}, "together: expected a weight"),
        ({"together": float("nan")}, "together"),
    ],
)
def test_plans_that_make_no_sense(fields, says):
    with pytest.raises(ChoraleError, match=says):
        Plan(**fields)


# ---------------------------------------------------------------- replacing


def test_each_voice_is_sampled_from_the_other_three_as_they_are_by_then():
    model = Recording()
    plan = Plan(order="tenor,soprano,bass", **QUICK, tilt=0)
    made = replaced(plan, predictor=model)[0]
    assert made.stack.grid.shape == (8, BACH.steps)
    grids = made.grids
    for call, (seen, hidden, _) in enumerate(model.calls):
        number, place = divmod(call // plan.passes, 3)
        expected = np.array(
            [
                grids[number + (row in plan.order[:place]), row]  # new in this round already
                for row in range(4)
            ]
        )
        row = plan.order[place]
        others = np.arange(4) != row
        assert not hidden[0][others].any()
        assert np.array_equal(seen[0, others, : BACH.steps], expected[others])
    assert call == plan.replacements * plan.passes - 1
    # The alto is neither in the order nor kept: it stays all the same, repeated notes too.
    assert (grids[:, 1] == BACH.grid[1]).all()
    assert (made.stack.onsets[[1, 5]] == BACH.onsets[1]).all()


def test_kept_voices_stand_in_every_quartet_and_rests_stay():
    grid = BACH.grid.copy()
    grid[1, 10:20] = REST
    piece = BACH.replace(grid=grid)
    before = piece.grid.copy()
    made = replaced(Plan(keep="soprano,bass", **QUICK), [piece])[0]
    for quartet in (made.quartet(1), made.quartet(2)):
        assert (quartet.grid[[0, 3]] == grid[[0, 3]]).all()
        assert (quartet.onsets[[0, 3]] == piece.onsets[[0, 3]]).all()
        assert ((quartet.grid == REST) == (grid == REST)).all()
        assert (quartet.grid[[1, 2]] != grid[[1, 2]]).any()
        assert quartet.fermatas.tolist() == piece.fermatas.tolist()
    assert (piece.grid == before).all()
    stack = made.stack
    assert (stack.title, stack.tonic, stack.phrases) == (piece.title, piece.tonic, piece.phrases)
    assert stack.split is None
    after = np.flatnonzero(piece.fermatas[:-1]) + 1
    assert (stack.onsets | (stack.grid == REST))[:, after].all()


def test_a_piece_comes_out_the_same_whatever_stands_beside_it():
    plan = Plan(**QUICK)
    together = replaced(plan, PHRASES[:3])
    rngs = version_generators(1, 1, 3)
    for piece, rng, made in zip(PHRASES[:3], rngs, together, strict=True):
        (alone,) = replace_voices(Uniform(), [piece], plan, rngs=[rng], chunk=1)
        assert (alone.stack.grid == made.stack.grid).all()
    assert (replaced(plan, number=2)[0].stack.grid != replaced(plan)[0].stack.grid).any()


def test_later_rounds_hear_the_earlier_quartets_and_the_first_hears_none():
    alone, near = (replaced(Plan(**QUICK, together=weight))[0] for weight in (0, 1))
    assert (alone.grids[1] == near.grids[1]).all()
    assert (alone.grids[2] != near.grids[2]).any()


def test_where_a_voice_rests_throughout_a_phrase_it_is_left_so():
    silent = PHRASES[0].grid.copy()
    silent[2] = REST
    pieces = [PHRASES[0].replace(grid=silent), PHRASES[1]]
    first, second = replaced(Plan(**QUICK), pieces)
    assert not first.stack.grid[[2, 6]].any()
    assert second.stack.grid[[2, 6]].all()
    assert np.isnan(first.kept[:, 2]).all() and np.isfinite(np.delete(first.kept, 2, 1)).all()
    assert first.told["notes kept"][0][2] is None


def test_later_rounds_are_drawn_with_firmer_weights_against_parallels():
    model = Listening()
    model.tilt = Tilt(fifths=3.0, octaves=8.0, key=1.0, close=2.0)
    plan = Plan(order="bass", rounds=2, passes=10, tilt=0.5)
    made = replaced(plan, predictor=model)[0]
    (rng,) = version_generators(1, 1)
    piece, hidden = BACH, hidden_region(BACH.grid.shape, voices=[3])
    for number in (1, 2):
        weights = Tilt(fifths=6.0, octaves=16.0, key=1.0, close=2.0) if number == 2 else None
        pull = together_pull(piece.grid, model.pitches, DEFAULT) if number == 2 else None
        (grid,) = sample(
            model, [piece], [hidden], schedule=Schedule(10), tilt=0.5, weights=weights,
            pulls=[pull], rng=[rng],
        )  # fmt: skip
        assert (grid == made.grids[number]).all()
        piece = piece.replace(grid=grid)


def test_every_pass_is_told():
    passes = []
    plan = Plan(order="alto,bass", **QUICK)
    rngs = version_generators(1, 1, 2)
    replace_voices(Uniform(), PHRASES[:2], plan, rngs=rngs, on_pass=lambda: passes.append(1))
    assert len(passes) == plan.replacements * plan.passes


def _silent(row):
    grid = BACH.grid.copy()
    grid[row] = REST
    return BACH.replace(grid=grid)


class Coarse(Uniform):
    resolution = 4


@pytest.mark.parametrize(
    ("pieces", "predictor", "says"),
    [
        ([], Uniform(), "a generator a piece"),
        ([_silent(2)], Uniform(), "tenor never sounds"),
        ([_silent([1, 3])], Uniform(), "alto and bass never sound:"),
        ([_silent([1, 2, 3])], Uniform(), "alto, tenor and bass never sound:"),
        ([BACH.replace(grid=BACH.grid[:3], onsets=None)], Uniform(), "four voices, got 3"),
        ([BACH], Coarse(), "4 steps a whole note"),
        ([BACH.replace(grid=BACH.grid - 30, onsets=None)], Uniform(), "outside the model's"),
    ],
)
def test_pieces_that_can_not_be_replaced(pieces, predictor, says):
    with pytest.raises(ChoraleError, match=says):
        replaced(Plan(**QUICK), pieces, predictor=predictor)


def test_each_piece_needs_a_generator():
    with pytest.raises(ChoraleError, match="a generator a piece, got 1 and 2"):
        replace_voices(Uniform(), [BACH] * 2, Plan(**QUICK), rngs=version_generators(1, 1))


# ---------------------------------------------------------------- made again


@given(hnp.arrays(np.int16, st.tuples(st.integers(1, 5), st.integers(1, 20)), elements=CELLS))
def test_a_chorale_written_out_reads_the_same(grid):
    onsets = onsets_of(grid)
    onsets[:, ::3] |= grid[:, ::3] != REST
    read = read_out(written_out(Chorale(grid, onsets=onsets)))
    assert (read[0] == grid).all() and (read[1] == onsets).all()


@pytest.mark.parametrize(
    "texts", [["F4"], ["F4:x"], ["F4:0"], [":2"], [""], ["F4:2", "F4:3"], ["H4:2"], [5]]
)
def test_what_can_not_be_read_out(texts):
    with pytest.raises(ChoraleError, match="expected"):
        read_out(texts)


def made_with_provenance(plan):
    """A stack that says how it was made, as `coconet replace` does."""
    (made,) = replaced(plan, number=3)
    said = {"original": [written_out(BACH)], **plan.told, "seed": 1, "version": 3}
    said |= {"model": "Uniform", "precision": "float32", "tilt weights": Tilt().weights}
    return made.stack.replace(provenance=said)


@pytest.mark.parametrize(
    "fields", [{"order": "bass,alto", "temperature": 0.9}, {"keep": "alto,bass"}, {"rounds": 1}]
)
def test_a_stack_is_made_again_from_what_its_sidecar_says(fields):
    made = made_with_provenance(Plan(**{**QUICK, **fields}))
    assert (BACH.onsets != onsets_of(BACH.grid)).any()  # repeated notes are at stake
    (again,) = remade(Uniform(), made)
    assert (again.stack.grid == made.grid).all() and (again.stack.onsets == made.onsets).all()
    assert (again.original.grid == BACH.grid).all()
    assert (again.original.onsets == BACH.onsets).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, "expected provenance"),
        ({"original": 3}, "expected provenance"),
        ({"seed": "x"}, "expected provenance"),
        ({"model": "chorales 0123"}, "made with model chorales 0123, the predictor's is Uniform"),
        ({"precision": "bfloat16"}, "precision bfloat16, the predictor's is float32"),
        ({"tilt weights": {**Tilt().weights, "fifths": 2.0}}, "made with tilt weights"),
    ],
)
def test_what_can_not_be_made_again(change, says):
    made = made_with_provenance(Plan(**QUICK))
    said = {} if change is None else {**made.provenance, **change}
    with pytest.raises(ChoraleError, match=says):
        remade(Uniform(), made.replace(provenance=said))
