"""Performances are checked as a whole, by whatever takes one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import pieces

import coconet.render as sound
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.render.event_files import save_events
from coconet.render.events import LIMITS, NOTE, Performance, validate_performance
from coconet.render.performance import perform
from coconet.render.style import CALM, ORIGINAL, Style
from coconet.tuning import load_tuning

HZ = load_tuning().frequencies()
#: Two notes in two voices, on a grid of three steps.
GOOD = Performance(
    np.array(
        [
            (0.5, 1.0, 0, 0, 60, 261.6, 80, 0.0, 0.5, 0, 0.0, 0.0),
            (0.5, 1.0, 1, 2, 48, 130.8, 80, 0.0, 0.5, 0, 100.0, 0.5),
        ],
        NOTE,
    ),
    4.0,
    2,
    np.array([0.0, 0.2, 0.5, 1.5]),
    "Two",
)


def spoilt(**values):
    """The good performance with fields of its second note, or its own, changed."""
    notes = GOOD.notes.copy()
    for name in values.keys() & LIMITS.keys():
        notes[name][1] = values.pop(name)
    return replace(GOOD, **({"notes": notes} | values))


def test_a_good_performance_comes_back():
    assert validate_performance(GOOD) is GOOD


BAD = [
    ({"hz": 0}, "note 1: hz: expected a number from 1 to 22050, got 0"),
    ({"hz": 30000}, "note 1: hz: expected a number"),
    ({"velocity": 0}, "note 1: velocity: expected a whole number from 1 to 127, got 0"),
    ({"velocity": 300}, "note 1: velocity: expected a whole number"),
    ({"start": -1}, "note 1: start: expected a number from 0 to 86400, got -1"),
    ({"duration": 0}, "note 1: duration: expected a number"),
    ({"pan": 7}, "note 1: pan: expected a number from 0 to 1, got 7"),
    ({"level": 400}, "note 1: level: expected a number from -120 to 80, got 400"),
    ({"key": 200}, "note 1: key: expected a whole number from 1 to 127, got 200"),
    ({"key": 0}, "note 1: key"),
    ({"shift": 26}, "note 1: shift"),
    ({"voice": -1}, "note 1: voice: expected a whole number from 0 to 63, got -1"),
    ({"voice": 2}, "note 1: the note has a voice beyond 1, the last of 2"),
    ({"step": 3}, "note 1: the note has a step beyond 2, the last of 3"),
    ({"glide_time": 1.1}, "note 1: the note glides for longer than it lasts"),
    ({"duration": 3.6}, "note 1: the note ends after the performance's 4 seconds"),
    ({"start": 0.4}, "note 1: the note starts before the note above it"),
    ({"voice": 0, "start": 0.4}, "starts before"),
    ({"seconds": float("nan")}, "seconds: expected a number from 1.5 to 86400.0, got nan"),
    ({"seconds": float("inf")}, "seconds: expected a number"),
    ({"seconds": "4"}, "seconds: expected a number"),
    ({"seconds": 1e6}, "seconds: expected a number"),
    ({"voices": 0}, "voices: expected a whole number, 1 to 64, got 0"),
    ({"voices": 65}, "voices: expected a whole number, 1 to 64, got 65"),
    ({"voices": 2.5}, "voices: expected a whole number"),
    ({"times": [0.0, 1.0, 2.0, 3.0]}, "times: expected an array of seconds"),
    ({"times": np.array([0.0, 0.5, np.nan, 1.0])}, "times: expected seconds that rise from 0"),
    ({"times": np.array([0.0, 1.0, 1.0, 2.0])}, "times: expected seconds that rise from 0"),
    ({"times": np.array([0.5, 1.0, 1.5, 2.0])}, "times: expected seconds that rise from 0"),
    ({"times": np.array([0.0, 1.0, 2.0, 5.0])}, "seconds: expected a number from 5.0"),
    ({"title": None}, "title: expected a text, got None"),
    ({"walk": "walk"}, "walk: expected WalkCounts, got 'walk'"),
    ({"notes": GOOD.notes[:0]}, "has no notes to sound"),
    ({"notes": GOOD.notes[["start", "hz"]]}, "notes: expected an array of dtype NOTE"),
    ({"notes": np.zeros(2)}, "notes: expected an array of dtype NOTE"),
    ({"notes": None}, "notes: expected an array of dtype NOTE, got None"),
    *(
        ({name: value}, f"note 1: {name}: expected a number")
        for name in LIMITS
        if NOTE[name].kind == "f"
        for value in (np.nan, np.inf)
    ),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_what_no_one_can_play_is_neither_rendered_nor_saved(tmp_path, values, message):
    wrong, begun = spoilt(**values), []
    for refuse in (
        lambda: validate_performance(wrong),
        lambda: sound.render(wrong, tmp_path / "a.wav", on_start=begun.append),
        lambda: save_events(wrong, tmp_path / "a.csv"),
    ):
        with pytest.raises(ChoraleError, match=message) as caught:
            refuse()
        assert "\n" not in str(caught.value) and str(caught.value).startswith("performance: ")
    assert not begun and not list(tmp_path.iterdir())


def test_what_is_no_performance_is_not_saved(tmp_path):
    with pytest.raises(ChoraleError, match=r"expected a Performance, got array\(\[\[60\]\]\)"):
        save_events(np.array([[60]]), tmp_path / "a.csv")


@given(pieces(), st.integers(0, 99), st.booleans())
def test_whatever_is_performed_is_good(piece, seed, original):
    if not (piece.grid != REST).any():
        return
    style = ORIGINAL if original else Style(glide=0.3, jitter=0.05, tempo=300)
    played = perform(piece, HZ, style, rng=np.random.default_rng(seed))
    assert validate_performance(played) is played
    assert validate_performance(perform(piece, HZ, CALM)).voices == piece.voices
