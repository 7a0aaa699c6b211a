"""Incremental replacement: what each replacement sees, what stays, and what is counted."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mocks import Knowing, Recording, Uniform

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, onsets_of
from coconet.jobs import version_generators
from coconet.phrases import cut_phrases
from coconet.replace import (
    PASSES,
    Plan,
    read_out,
    remade,
    replace_voices,
    stack_of,
    written_out,
)
from coconet.replaced import Replaced, replacement_table
from coconet.theory import scale
from coconet.together import DEFAULT

BACH = next(c for c in load_corpus("demo") if c.bwv == "373")
PHRASES = cut_phrases(BACH)
QUICK = {"passes": 2, "rounds": 2}
CELLS = st.sampled_from([REST, 48, 55, 59, 60, 60, 61, 62])


def replaced(plan, pieces=(BACH,), *, predictor=None, number=1):
    rngs = version_generators(1, number, len(pieces))
    return replace_voices(predictor or Uniform(), pieces, plan, rngs=rngs)


@st.composite
def stacks(draw):
    """An original with fermatas, a stack of some rounds, and an order of voices."""
    rounds, steps = draw(st.integers(1, 3)), draw(st.integers(1, 12))
    grid = draw(hnp.arrays(np.int16, (4 + 4 * rounds, steps), elements=CELLS))
    order = draw(st.permutations(range(4)))[: draw(st.integers(1, 4))]
    fermatas = draw(hnp.arrays(bool, steps))
    quartets = grid.reshape(-1, 4, steps)
    for before, after in pairwise(quartets):
        still = [row for row in range(4) if row not in order]
        after[still] = before[still]
        after[before == REST] = REST
        after[(after == REST) & (before != REST)] = 60
    original = Chorale(quartets[0], fermatas=fermatas, tonic=5, mode="minor")
    return Replaced(original, stack_of(original, grid[4:], order), tuple(order))


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
        ({"tilt": float("inf")}, "tilt"),
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


def test_passes_and_replacements_are_told():
    passes, steps = [], []
    plan = Plan(order="alto,bass", **QUICK)
    rngs = version_generators(1, 1, 2)
    made = replace_voices(
        Uniform(), PHRASES[:2], plan, rngs=rngs,
        on_pass=lambda: passes.append(1), on_step=lambda *told: steps.append(told),
    )  # fmt: skip
    assert len(passes) == plan.replacements * plan.passes
    assert [number for number, _ in steps] == [1, 2, 3, 4]
    for replaced_piece, grid in zip(made, steps[-1][1], strict=True):
        assert (grid == replaced_piece.stack.grid[4:]).all()


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
        ([BACH.replace(grid=BACH.grid[:3], onsets=None)], Uniform(), "four voices, got 3"),
        ([BACH], Coarse(), "4 steps a whole note"),
        ([BACH.replace(grid=BACH.grid - 30, onsets=None)], Uniform(), "outside the model's"),
    ],
)
def test_pieces_that_can_not_be_replaced(pieces, predictor, says):
    with pytest.raises(ChoraleError, match=says):
        replaced(Plan(**QUICK), pieces, predictor=predictor)
    with pytest.raises(ChoraleError, match="a generator a piece, got 1 and 2"):
        replace_voices(Uniform(), [BACH] * 2, Plan(**QUICK), rngs=version_generators(1, 1))


# ---------------------------------------------------------------- what is counted


def test_who_knows_the_answers_changes_nothing():
    piece = BACH.replace(grid=BACH.grid[:, :64], onsets=None, fermatas=None, phrases=())
    made = replaced(Plan(**QUICK), [piece], predictor=Knowing(piece.grid))[0]
    assert (made.kept == 1).all() and (made.distance == 0).all()
    outside = ~np.isin(piece.grid % 12, scale(piece.tonic, piece.mode))
    assert np.allclose(made.out_of_key, outside.mean(1))


@settings(max_examples=60)
@given(stacks())
def test_the_shares_against_a_slow_count(made):
    grids = made.grids.tolist()
    breaks = {0} | {step + 1 for step in np.flatnonzero(made.original.fermatas)}

    def notes(row):
        """Where notes begin and their pitches; equal neighbours are one, within a phrase."""
        return {
            (step, pitch)
            for step, pitch in enumerate(row)
            if pitch and (step in breaks or row[step - 1] != pitch)
        }

    def share(above, below):
        return above / below if below else np.nan

    inside = set(scale(made.original.tonic, made.original.mode).tolist())
    current = [list(row) for row in grids[0]]
    sounding = sum(pitch != REST for row in grids[0] for pitch in row)
    for number in range(made.rounds):
        for place, row in enumerate(made.order):
            before, current[row] = current[row], grids[number + 1][row]
            old, new = notes(before), notes(current[row])
            cells = [pitch for pitch in current[row] if pitch]
            out = sum(pitch % 12 not in inside for pitch in cells)
            differ = sum(
                a != b for rows in zip(grids[0], current, strict=True)
                for a, b in zip(*rows, strict=True)
            )  # fmt: skip
            counted = [share(len(old & new), len(old)), share(out, len(cells))]
            counted.append(share(differ, sounding))
            found = [made.kept, made.out_of_key, made.distance]
            got = [values[number, place] for values in found]
            assert np.allclose(got, counted, equal_nan=True), (number, row)


def test_the_table_gives_a_line_a_round_and_means_of_several_versions():
    versions = [replaced(Plan(keep="bass", **QUICK), number=n)[0] for n in (1, 2)]
    table = replacement_table(versions)
    assert table.header[:5] == ("round", "kept S", "A", "T", "out of key S")
    assert [row[0] for row in table.rows] == ["1", "2"]
    mean = np.mean([version.kept[1, 0] for version in versions])
    assert table.rows[1][1] == f"{mean:.0%}"
    with pytest.raises(ChoraleError, match="same rounds and order"):
        replacement_table([*versions, replaced(Plan(**QUICK))[0]])
    with pytest.raises(ChoraleError, match="at least one"):
        replacement_table([])
    with pytest.raises(ChoraleError, match="stack of quartets as long"):
        Replaced(BACH, BACH.replace(grid=BACH.grid[:3], onsets=None), (0,))
    with pytest.raises(ChoraleError, match="round: expected 0-2"):
        versions[0].quartet(3)


# ---------------------------------------------------------------- made again


@given(hnp.arrays(np.int16, st.tuples(st.integers(1, 5), st.integers(1, 20)), elements=CELLS))
def test_a_chorale_written_out_reads_the_same(grid):
    onsets = onsets_of(grid)
    onsets[:, ::3] |= grid[:, ::3] != REST
    assert (read_out(written_out(Chorale(grid, onsets=onsets))) == grid).all()


@pytest.mark.parametrize("texts", [["F4"], ["F4:x"], [""], ["F4:2", "F4:3"], ["H4:2"], [5]])
def test_what_can_not_be_read_out(texts):
    with pytest.raises(ChoraleError, match="expected"):
        read_out(texts)


def test_a_stack_is_made_again_from_what_its_sidecar_says():
    plan = Plan(order="bass,alto", **QUICK, temperature=0.9)
    (made,) = replaced(plan, number=3)
    said = {"original": [written_out(BACH)], **plan.told, "seed": 1, "version": 3}
    (again,) = remade(Uniform(), made.stack.replace(provenance=said))
    assert (again.stack.grid == made.stack.grid).all()
    assert (again.original.grid == BACH.grid).all()
    for broken in ({}, {**said, "original": 3}, {**said, "seed": "x"}):
        with pytest.raises(ChoraleError, match="expected provenance"):
            remade(Uniform(), made.stack.replace(provenance=broken))
