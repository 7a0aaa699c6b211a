"""From a composer's marks to a region, and from there to new chorales."""

import numpy as np
import pytest
from mocks import Uniform

from coconet.chorale import Chorale, quartet
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.infill import (
    blank_chorale,
    changed_notes,
    choose_hidden,
    infill,
    with_found_key,
)

PIECE = Chorale(np.full((4, 64), [[72], [67], [60], [48]]), upbeat=4)


@pytest.mark.parametrize(
    ("marks", "voices", "steps"),
    [
        ({"rewrite": "alto,tenor"}, [1, 2], range(64)),
        ({"keep": "soprano"}, [1, 2, 3], range(64)),
        ({"keep": ["s", "b"], "spans": [(3, 9)]}, [1, 2], range(3, 9)),
        ({"spans": [(0, 2), (60, 64)]}, [0, 1, 2, 3], [0, 1, 60, 61, 62, 63]),
        ({"bars": ["0-1"]}, [0, 1, 2, 3], range(20)),
        ({"rewrite": "bass", "bars": ["2"]}, [3], range(20, 36)),
        ({"absent": (1, 2, 3)}, [1, 2, 3], range(64)),
    ],
)
def test_marks_mean_regions(marks, voices, steps):
    expected = np.zeros((4, 64), bool)
    expected[np.ix_(voices, list(steps))] = True
    assert (choose_hidden(PIECE, **marks) == expected).all()


def test_rests_stay_unless_asked_for_and_absent_voices_rest_with_the_others():
    grid = PIECE.grid.copy()
    grid[1, :8] = 0
    piece = PIECE.replace(grid=grid)
    assert not choose_hidden(piece, rewrite="alto")[1, :8].any()
    assert choose_hidden(piece, rewrite="alto", fill_rests=True)[1].all()
    melody = np.zeros((4, 8), int)
    melody[0] = [60, 60, 0, 0, 62, 62, 64, 64]
    region = choose_hidden(Chorale(melody), absent=(1, 2, 3))
    assert (region == (np.arange(4)[:, None] > 0) & (melody[0] > 0)).all()


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        ({}, "nothing is hidden"),
        ({"keep": "soprano,alto,tenor,bass"}, "nothing is hidden"),
        ({"keep": "soprano", "rewrite": "alto"}, "not both"),
        ({"keep": "bass", "absent": (1, 2, 3)}, "the source has no bass, only soprano"),
        ({"rewrite": "violin"}, "unknown voice 'violin'"),
        ({"spans": [(60, 70)]}, "span 60:70"),
        ({"bars": ["9"]}, "bars '9'"),
        ({"hidden": np.ones((4, 3))}, "expected the grid's shape"),
        ({"hidden": np.ones((4, 64)), "rewrite": "alto"}, "already says it all"),
    ],
)
def test_marks_that_mean_nothing(marks, says):
    with pytest.raises(ChoraleError, match=says):
        choose_hidden(PIECE, **marks)


def test_infilling_keeps_what_is_kept_and_tells_how_it_was_made():
    chorale = load_corpus("demo")[0]
    hidden = choose_hidden(chorale, rewrite="alto,tenor")
    one, two = infill(Uniform(), chorale, hidden, count=2, passes=3, seed=7)
    assert (one.grid[~hidden] == chorale.grid[~hidden]).all()
    assert (one.onsets[[0, 3]] == chorale.onsets[[0, 3]]).all()
    assert (one.grid != two.grid).any()
    assert (infill(Uniform(), chorale, hidden, passes=3, seed=7)[0].grid == one.grid).all()
    assert (chorale.split, one.split) == ("demo", None)
    assert {"seed": 7, "passes": 3, "version": 1}.items() <= one.provenance.items()
    new, total = changed_notes(chorale, one)
    assert 0 < new <= total == one.onsets.sum()
    assert changed_notes(chorale, chorale)[0] == 0


def test_quartets_of_a_stack():
    stack = PIECE.replace(grid=np.vstack([PIECE.grid, PIECE.grid - 5]))
    assert (quartet(stack, 2).grid == PIECE.grid - 5).all()
    with pytest.raises(ChoraleError, match="choose a quartet"):
        choose_hidden(stack, rewrite="alto")
    for number in (0, 3):
        with pytest.raises(ChoraleError, match="expected 1-2"):
            quartet(stack, number)


def test_from_nothing():
    blank = blank_chorale(32, tempo=60)
    made = infill(Uniform(), blank, np.ones((4, 32), bool), passes=2)[0]
    assert (made.grid > 0).all()
    with pytest.raises(ChoraleError, match="length"):
        blank_chorale(0)


def test_the_key_is_found_in_the_notes():
    bach = next(c for c in load_corpus("demo") if c.bwv == "244.3")
    found = with_found_key(blank_chorale(bach.steps).replace(grid=bach.grid))
    assert (found.tonic, found.mode, found.sharps) == (11, "minor", 2)
    assert np.array_equal(found.grid, bach.grid)
