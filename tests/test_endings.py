"""Endings: the key is heard before the end, and the last chord is judged by it."""

import numpy as np
import pytest

from coconet.corpus import load_corpus
from coconet.endings import ends_on_tonic, key_before_the_end
from coconet.errors import ChoraleError


@pytest.mark.parametrize(
    ("chord", "tonic", "mode", "expected"),
    [
        ((72, 67, 64, 48), 0, "major", True),
        ((72, 67, 63, 48), 0, "minor", True),
        ((72, 67, 64, 48), 0, "minor", True),  # Picardy
        ((72, 67, 63, 48), 0, "major", False),
        ((72, 72, 64, 48), 0, "major", True),  # no fifth
        ((72, 67, 60, 48), 0, "major", False),  # no third
        ((72, 64, 63, 48), 0, "minor", False),  # both thirds
        ((72, 67, 64, 52), 0, "major", False),  # third in the bass
        ((72, 67, 64, 43), 0, "major", False),  # fifth in the bass
        ((74, 67, 59, 43), 0, "major", False),  # the dominant
        ((72, 69, 64, 48), 0, "major", False),  # a sixth beside it
        ((72, 67, 64, 0), 0, "major", False),  # no bass
        ((0, 0, 64, 48), 0, "major", True),
        ((0, 0, 0, 0), 0, "major", False),
    ],
)
def test_last_chords(chord, tonic, mode, expected):
    grid = np.array(chord)[:, None]
    assert ends_on_tonic(grid, tonic, mode) is expected
    moved = np.where(grid > 0, grid + 5, 0)
    assert ends_on_tonic(moved, (tonic + 5) % 12, mode) is expected
    silence = np.hstack([grid, np.zeros((4, 3), int)])
    assert ends_on_tonic(silence, tonic, mode) is expected


def test_an_unknown_mode_is_refused():
    with pytest.raises(ChoraleError, match="major or minor"):
        ends_on_tonic(np.array([[60]]), 0, "dorian")


def ending_on(chorale, chord):
    """The chorale with another last chord: as long as its last bass note."""
    grid = chorale.grid.copy()
    start = np.flatnonzero(grid[3] != grid[3, -1])[-1] + 1
    grid[:, start:] = np.array(chord)[:, None]
    return grid


def test_the_key_does_not_hear_the_last_chord():
    for chorale in load_corpus("test")[:20]:
        heard = key_before_the_end(chorale.grid)
        for chord in ((70, 66, 61, 42), (73, 68, 65, 49)):
            assert key_before_the_end(ending_on(chorale, chord)) == heard


def test_ending_on_the_dominant_is_no_ending():
    judged = 0
    for chorale in load_corpus("valid"):
        key = key_before_the_end(chorale.grid)
        if key[0] == chorale.tonic:
            dominant = np.add([72, 67, 64, 48], key[0] - 5)
            assert not ends_on_tonic(ending_on(chorale, dominant), *key), chorale.bwv
            judged += 1
    assert judged > 60


@pytest.mark.parametrize(("split", "least"), [("train", 0.89), ("valid", 0.89), ("test", 0.89)])
def test_bach_ends_on_the_tonic(split, least):
    ends = [ends_on_tonic(c.grid, *key_before_the_end(c.grid)) for c in load_corpus(split)]
    assert np.mean(ends) > least


def test_nothing_before_the_end_is_no_key():
    assert key_before_the_end(np.full((4, 16), [[72], [67], [64], [48]])) is None
    assert key_before_the_end(np.zeros((4, 8), int)) is None
