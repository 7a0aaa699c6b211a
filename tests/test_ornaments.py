"""Ornaments: each kind by hand, and against the rules written as a loop over notes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, notes_of
from coconet.theory import in_scale, scale
from coconet.traced import Traced
from coconet.transforms.ornaments import KINDS, ornament


@pytest.fixture(scope="module")
def demo():
    return {chorale.bwv: chorale for chorale in load_corpus("demo")}


def rng(seed=1):
    return np.random.default_rng(seed)


def ornamented(row, kind, seed=1, **options):
    """One voice in C major with all notes ornamented that allow it."""
    piece = Chorale([row], tonic=0, mode="major")
    return ornament(piece, kinds=kind, share=1, rng=rng(seed), **options).grid[0].tolist()


# ---------------------------------------------------------------- by hand

C, D, E, F, G, A, B = 60, 62, 64, 65, 67, 69, 71


@pytest.mark.parametrize(
    ("kind", "row", "expected"),
    [
        # Thirds up and down, with the second half of the note: 2, 1 and 1 of 4, 2 and 3 steps.
        ("passing", [C, C, C, C, E, E, C], [C, C, D, D, E, D, C]),
        ("passing", [B, B, B, G], [B, B, A, G]),
        ("passing", [E, E, G, G, E], [E, F, G, F, E]),  # a minor third
        ("passing", [C, E], [C, E]),  # too short
        ("passing", [C, C, F], [C, C, F]),  # a fourth
        ("passing", [C, C, D], [C, C, D]),  # a step
        ("passing", [C, C, 0, E], [C, C, 0, E]),  # a rest between
        ("passing", [3, 3, 0], [3, 3, 0]),  # a rest is no pitch a third below
        ("passing", [66, 66, 70], [66, 66, 70]),  # two notes of the scale between F# and Bb
        ("passing", [C, C, 63], [C, D, 63]),  # one between C and Eb
        ("trill", [C, C, C, C], [C, D, C, C]),
        ("trill", [E] * 5, [E, F, E, F, E]),
        ("trill", [B] * 8, [B, 72, B, 72, B, 72, B, B]),
        ("trill", [C] * 3, [C] * 3),
        ("mordent", [C, C, C], [C, B - 12, C]),
        ("mordent", [G] * 6, [G, F, G, G, G, G]),
        ("mordent", [G, G], [G, G]),
        ("turn", [G] * 5, [G, A, G, F, G]),
        ("turn", [G] * 8, [G, G, G, G, A, G, F, G]),
        ("turn", [G] * 4, [G] * 4),
        # A chromatic note: F# leads up and would want E below, Gb leads down and wants Ab.
        ("turn", [66] * 5, [66] * 5),
        ("mordent", [66] * 5, [66] * 5),
        ("passing", [66, 66, A], [66, 66, A]),
        ("neighbour", [G] * 7, [G] * 7),  # too short for one that nothing returns to
        ("trill", [127] * 4, [127] * 4),  # MIDI has no upper neighbour
        ("mordent", [1] * 4, [1] * 4),
        ("passing, trill", [C, C, F], [C, C, F]),
    ],
)
def test_each_kind(kind, row, expected):
    assert ornamented(row, kind) == expected


def test_nothing_passes_from_one_phrase_into_the_next():
    line = Chorale([[C, C, E, E, G, G, G, G]], tonic=0)
    within = ornament(line, kinds="passing", share=1, rng=rng()).grid[0]
    assert within.tolist() == [C, D, E, F, G, G, G, G]
    fermata = line.replace(fermatas=np.arange(8) == 2)
    for piece in (fermata, line.replace(phrases=(4, 4))):
        made = ornament(piece, kinds="passing", share=1, rng=rng()).grid[0]
        assert made.tolist() == [C, D, E, E, G, G, G, G]


def test_neighbours_go_up_or_down():
    repeated = Chorale(
        [[G] * 8], onsets=[[True, False, False, False, True, False, False, False]], tonic=0
    )
    made = {
        tuple(ornament(repeated, kinds="neighbour", share=1, rng=rng(seed)).grid[0].tolist())
        for seed in range(30)
    }
    # The last note is short, and nothing of its pitch follows.
    assert made == {(G, G, A, G, G, G, G, G), (G, G, F, G, G, G, G, G)}
    long = {tuple(ornamented([G] * 8, "neighbour", seed=seed)) for seed in range(30)}
    assert long == {(G, G, G, G, A, A, G, G), (G, G, G, G, F, F, G, G)}


def test_new_notes_begin_and_no_note_is_tied_to_the_next():
    piece = Chorale([[C, C, C, C, E, E, E]], tonic=0)
    made = ornament(piece, kinds="passing", share=1, rng=rng())
    assert made.onsets[0].tolist() == [True, False, True, False, True, False, False]
    made = ornament(piece, kinds="mordent", share=1, rng=rng())
    assert made.onsets[0].tolist() == [True, True, True, False, True, True, True]
    onsets = [[True, False, False, False] * 2]
    repeated = Chorale([[C] * 8], onsets=onsets, tonic=0)
    made = ornament(repeated, kinds="trill", share=1, rng=rng())
    assert made.grid[0].tolist() == [C, D, C, C] * 2
    assert made.onsets[0].tolist() == [True, True, True, False] * 2


# ---------------------------------------------------------------- against a loop


def slow_forms(pitch, length, following, key):
    """What each kind that a note allows may make of it, as lists of pitches."""
    classes = set(scale(*key).tolist())
    if pitch % 12 not in classes:
        return {}
    notes = [p for p in range(1, 128) if p % 12 in classes]
    up = next((p for p in notes if p > pitch), None)
    down = next((p for p in reversed(notes) if p < pitch), None)
    between = [p for p in notes if min(pitch, following) < p < max(pitch, following)]
    forms = {}
    if length >= 2 and following and abs(following - pitch) in (3, 4) and len(between) == 1:
        forms["passing"] = [[pitch] * (length - length // 2) + between * (length // 2)]
    if up and down and (length >= 8 or (length >= 3 and following == pitch)):
        away = max(1, length // 4)
        forms["neighbour"] = [
            [pitch] * (length - 2 * away) + [other] * away + [pitch] * away for other in (up, down)
        ]
    if up and length >= 4:
        trill = [up if place % 2 else pitch for place in range(length)]
        forms["trill"] = [[*trill[:-1], pitch]]
    if down and length >= 3:
        forms["mordent"] = [[pitch, down] + [pitch] * (length - 2)]
    if up and down and length >= 5:
        forms["turn"] = [[pitch] * (length - 4) + [up, pitch, down, pitch]]
    return forms


@settings(max_examples=60)
@given(
    pieces(most_steps=40),
    st.lists(st.sampled_from(KINDS), min_size=1, unique=True),
    st.sampled_from([0, 0.3, 1]),
    st.integers(0, 999),
)
def test_against_a_loop_over_notes(piece, kinds, share, seed):
    made = ornament(piece, kinds=kinds, share=share, rng=rng(seed))
    ends = np.cumsum(piece.phrases).tolist()
    stops = [piece.fermatas[step] or step + 1 in ends for step in range(piece.steps)]
    changed = allowing = 0
    for voice, notes in enumerate(notes_of(piece.grid, piece.onsets)):
        for note, after in pairwise([*notes, (None, None, None)]):
            start, end, pitch = note
            leads = after[0] == end and not any(stops[start:end])
            following = after[2] if leads else 0
            forms = slow_forms(pitch, end - start, following, (piece.tonic, piece.mode))
            allowed = [form for kind in kinds for form in forms.get(kind, [])]
            allowing += bool(allowed)
            now = made.grid[voice, start:end].tolist()
            if now != [pitch] * (end - start):
                changed += 1
                assert now in allowed
    assert changed == round(share * allowing)
    assert np.array_equal(made.grid == REST, piece.grid == REST)
    new = made.grid != piece.grid
    assert in_scale(made.grid, piece.tonic, piece.mode)[new].all()
    assert (made.onsets >= piece.onsets).all()
    assert np.array_equal(made.grid[piece.onsets], piece.grid[piece.onsets])


def test_a_share_of_bachs_notes(demo):
    piece = Traced.begin(demo["180.7"])
    before = piece.grid.tobytes()
    made = ornament(piece, share=0.2, rng=rng())
    assert np.array_equal(made.voice, piece.voice) and np.array_equal(made.step, piece.step)
    assert np.array_equal(made.chorale.fermatas, piece.chorale.fermatas)
    assert made.chorale.phrases == piece.chorale.phrases
    assert 0.02 < (made.grid != piece.grid).mean() < 0.1
    assert piece.grid.tobytes() == before
    again, other = (ornament(piece, share=0.2, rng=rng(seed)) for seed in (1, 2))
    assert np.array_equal(again.grid, made.grid) and not np.array_equal(other.grid, made.grid)
    only = ornament(piece, share=1, voices="soprano", rng=rng()).grid
    assert np.array_equal(only[1:], piece.grid[1:]) and (only[0] != piece.grid[0]).any()
    # A bare array is in the key that is found in it.
    bare = ornament(demo["180.7"].grid, share=1, kinds="turn,trill", rng=rng())
    assert in_scale(bare, 5, "major")[bare != piece.grid].all()
    assert not np.array_equal(bare, ornament(piece.grid, share=1, tonic="E", rng=rng()))


def test_each_allowed_kind_is_as_likely():
    # A note of four steps allows a trill and a mordent; far apart, so that none passes.
    grid = np.tile(np.repeat([48, 60], 4), 1000)[None]
    made = ornament(Chorale(grid, tonic=0), share=1, rng=rng()).grid.reshape(-1, 4)
    trills = (made[:, 1] > made[:, 0]).mean()
    assert trills == pytest.approx(0.5, abs=0.04)
    assert (made[:, 1] != made[:, 0]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kinds": "trills"},
            "kinds: .* or turn, got 'trills'; did you mean trill",
        ),
        ({"kinds": ["turn", 3]}, "kinds: expected .*, got 3"),
        ({"kinds": ""}, "kinds: expected .*, got ''"),
        ({"kinds": np.array(3)}, r"kinds: expected .*, got array\(3\)"),
        ({"kinds": [["turn"]]}, r"kinds: expected .*, got \['turn'\]"),
        ({"kinds": []}, r"kinds: expected some of passing, .*, got \[\]"),
        ({"kinds": None}, "kinds: expected some of"),
        ({"share": 1.01}, "share: expected a number from 0 to 1, got 1.01"),
        ({"voices": "soprano,flute"}, "unknown voice 'flute'"),
        ({"voices": 7}, "voices: expected names such as"),
        ({"tonic": "Q"}, "tonic 'Q'"),
        ({"mode": "dorian"}, "mode: expected major or minor"),
        ({"rng": None}, "chance is asked for"),
    ],
)
def test_bad_input(demo, options, message):
    with pytest.raises(ChoraleError, match=message):
        ornament(demo["180.7"], **({"rng": rng()} | options))


def test_nothing_where_nothing_allows_it():
    for grid in (np.zeros((2, 8), int), np.array([[60, 67, 60, 67]])):
        assert np.array_equal(ornament(grid, share=1, rng=rng()), grid)
