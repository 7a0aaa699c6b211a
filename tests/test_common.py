"""What commands read: pieces as they are, and those of older programs."""

import numpy as np
import pytest

from coconet.chorale import save_chorale
from coconet.commands.common import read_source
from coconet.corpus import load_corpus, transpose
from coconet.errors import ChoraleError


@pytest.fixture(scope="module")
def in_c():
    (piece,) = [chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7"]
    return transpose(piece, -5)


@pytest.mark.parametrize("quartets", [1, 4])
@pytest.mark.parametrize("rest", [0, -30])
def test_a_whole_piece_stored_minus_30(in_c, tmp_path, quartets, rest):
    stack = np.tile(in_c.grid.astype(int), (quartets, 1))
    path = tmp_path / "old.npy"
    np.save(path, np.where(stack == 0, rest, stack - 30))
    chorale, absent, notes = read_source(str(path))
    assert np.array_equal(chorale.grid, stack)
    assert absent == ()
    assert chorale.phrases == ()  # nothing tells them
    assert (chorale.tonic, chorale.mode) == (0, "major")
    assert notes[0].startswith("pitches: stored minus 30:")


def test_true_pitches_are_read_as_they_are(in_c, tmp_path):
    path = tmp_path / "plain.npy"
    np.save(path, in_c.grid)
    chorale, _, notes = read_source(str(path))
    assert np.array_equal(chorale.grid, in_c.grid)
    assert not any("minus 30" in note for note in notes)
    assert read_source(str(save_chorale(in_c, tmp_path / "own.npy")))[0].title == in_c.title
    np.save(path, in_c.grid[:3])
    assert np.array_equal(read_source(str(path), as_="S,A,T")[0].grid[:3], in_c.grid[:3])


def test_what_is_not_surely_old_is_not_taken_for_it(tmp_path):
    path = tmp_path / "low.npy"
    np.save(path, np.full((4, 16), 45))
    assert (read_source(str(path))[0].grid == 45).all()
    np.save(path, np.full((4, 16), -3))
    with pytest.raises(ChoraleError, match="-3 is not a MIDI pitch"):
        read_source(str(path))
