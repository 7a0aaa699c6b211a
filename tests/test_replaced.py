"""What replacement did, in shares: against a slow count of notes and cells; as a table."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mocks import Knowing, Uniform

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.jobs import version_generators
from coconet.replace import Plan, replace_voices, stack_of
from coconet.replaced import Replaced, replacement_table
from coconet.theory import scale

BACH = next(c for c in load_corpus("demo") if c.bwv == "373")
QUICK = {"passes": 2, "rounds": 2}
CELLS = st.sampled_from([REST, 48, 55, 59, 60, 60, 61, 62])


def replaced(plan, piece=BACH, *, predictor=None, number=1):
    rngs = version_generators(1, number)
    return replace_voices(predictor or Uniform(), [piece], plan, rngs=rngs)[0]


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


def test_who_knows_the_answers_changes_nothing():
    piece = BACH.replace(grid=BACH.grid[:, :64], onsets=None, fermatas=None, phrases=())
    made = replaced(Plan(**QUICK), piece, predictor=Knowing(piece.grid))
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
    versions = [replaced(Plan(keep="bass", **QUICK), number=n) for n in (1, 2)]
    table = replacement_table(versions)
    assert table.header[:5] == ("round", "kept S", "A", "T", "out of key S")
    assert [row[0] for row in table.rows] == ["1", "2"]
    mean = np.mean([version.kept[1, 0] for version in versions])
    assert table.rows[1][1] == f"{mean:.0%}"
    with pytest.raises(ChoraleError, match="same rounds and order"):
        replacement_table([*versions, replaced(Plan(**QUICK))])
    with pytest.raises(ChoraleError, match="at least one"):
        replacement_table([])
    with pytest.raises(ChoraleError, match="stack of quartets as long"):
        Replaced(BACH, BACH.replace(grid=BACH.grid[:3], onsets=None), (0,))
    with pytest.raises(ChoraleError, match="round: expected 0-2"):
        versions[0].quartet(3)
