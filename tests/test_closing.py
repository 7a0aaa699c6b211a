"""The layer `ending` with its options: what it writes, and what it refuses."""

import numpy as np
import pytest
from mocks import Uniform

from coconet.cadences import ending
from coconet.chain import Chain, Layer, parse_chain, run_chain
from coconet.closing import ending_maker, ending_of
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.theory import parse_tonic

BACH = next(chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7")
PIECE = crop(BACH, (0, 64))
QUICK = {"tries": 1, "passes": 2}


def closed(piece, **options):
    chain = Chain([Layer("ending", QUICK | options)])
    return run_chain(chain, piece, callables={"ending": ending_maker(Uniform())}).chorale


def test_it_knows_the_metre_and_the_key_of_its_piece():
    waltz = PIECE.replace(time_signature="3/4", upbeat=4, tonic=parse_tonic("C"))
    made = closed(waltz)
    changed = np.flatnonzero((made.grid != waltz.grid).any(0))
    assert len(changed) and changed[0] >= 64 - 12 - 4
    lowest = made.grid[3, -1]
    assert lowest % 12 == 0 and lowest != REST
    assert closed(waltz, tonic="G", mode="minor").grid[3, -1] % 12 == 7


def test_a_key_that_is_only_assumed_is_heard():
    """The piece is in F; a bare array of it says nothing, and C major is no knowledge."""
    unknown = PIECE.replace(tonic=0, mode="major", assumed=("tonic", "mode"))
    assert closed(unknown).grid[3, -1] % 12 == closed(PIECE.grid).grid[3, -1] % 12
    assert closed(unknown).grid[3, -1] % 12 == parse_tonic("F")


def test_it_writes_what_the_ending_by_hand_does():
    function = ending_of(Uniform(), PIECE, span=(40, 64), keep=["alto"], together=0, **QUICK)
    known = {"tonic": PIECE.tonic, "mode": PIECE.mode}
    by_hand = ending(Uniform(), span=(40, 64), keep="alto", together=0, **known, **QUICK)
    made, expected = (make(PIECE.grid, np.random.default_rng(3)) for make in (function, by_hand))
    assert (made == expected).all() and (made != PIECE.grid).any()
    assert (made[1] == PIECE.grid[1]).all() and (made[:, :40] == PIECE.grid[:, :40]).all()


def test_every_option_can_be_said_in_a_yaml():
    text = """
layers:
- ending: {span: [48, 64], tonic: F, mode: major, keep: [soprano, alto], tries: 2, passes: 2,
           temperature: 0.5, tilt: 0, together: 0.25}
"""
    chain = parse_chain(text)
    made = run_chain(chain, PIECE, callables={"ending": ending_maker(Uniform())}).chorale
    assert (made.grid[:2] == PIECE.grid[:2]).all() and (made.grid[2:] != PIECE.grid[2:]).any()
    assert set(chain.layers[0].options) == set(ending_maker(Uniform()).options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tries": 0}, "tries: expected a whole number, 1 or more, got 0"),
        ({"tries": "many"}, "tries: expected a whole number"),
        ({"passes": 1.5}, "passes: expected a whole number"),
        ({"temperature": "hot"}, "temperature: expected a number, 0 or more, got 'hot'"),
        ({"temperature": 999 * "hot"}, "temperature: expected a number"),
        ({"tilt": -1}, "tilt: expected a number"),
        ({"together": 2}, "together: expected a number from 0 to 1, got 2"),
        ({"keep": 3}, "keep: expected names of voices, got 3"),
        ({"keep": [3]}, "keep: expected names of voices, got [3]"),
        ({"keep": "viola"}, "unknown voice 'viola'"),
        ({"tonic": "H"}, "H"),
        ({"mode": "dorian"}, "mode: expected major or minor, got 'dorian'"),
        ({"mode": 3}, "mode: expected major or minor, got 3"),
        ({"span": [3]}, "span: expected two steps"),
        ({"trys": 1}, "unknown option 'trys'; did you mean tries?"),
    ],
    ids=str,
)
def test_what_it_refuses_in_one_line(options, said):
    with pytest.raises(ChoraleError) as refusal:
        closed(PIECE, **options)
    assert said in str(refusal.value) and str(refusal.value).startswith("layer 1 (ending): ")
    assert len(str(refusal.value)) < 250 and "\n" not in str(refusal.value)


def test_it_is_refused_for_what_is_no_quartet():
    with pytest.raises(ChoraleError, match="expected stacked quartets, got 3 voices"):
        closed(PIECE.grid[:3])
