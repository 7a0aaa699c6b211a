"""What commands read: pieces as they are, and those of older programs."""

import numpy as np
import pytest

from coconet import transforms
from coconet.chorale import Chorale, save_chorale
from coconet.cli import main
from coconet.commands.common import one_quartet, read_source
from coconet.corpus import load_corpus, transpose
from coconet.errors import ChoraleError
from coconet.reading import MAX_STEPS, assumptions
from coconet.segment_files import save_segments
from coconet.segments import to_segments
from coconet.stepmap import StepMap, save_map
from coconet.traced import Traced


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


def test_the_key_of_a_bare_array_is_found(in_c, tmp_path):
    path = tmp_path / "plain.npy"
    np.save(path, transpose(in_c, 3).grid)
    chorale, _, notes = read_source(str(path))
    assert (chorale.tonic, chorale.mode, chorale.sharps) == (3, "major", -3)
    assert "tonic" not in chorale.assumed and "sharps" in chorale.assumed
    assert not any("tonic" in note for note in notes)
    # What a sidecar says stands, even where the notes say otherwise.
    told = save_chorale(in_c.replace(tonic=7, sharps=1), tmp_path / "told.npy")
    assert read_source(str(told))[0].tonic == 7


def test_what_is_not_surely_old_is_not_taken_for_it(tmp_path):
    path = tmp_path / "low.npy"
    np.save(path, np.full((4, 16), 45))
    assert (read_source(str(path))[0].grid == 45).all()
    np.save(path, np.full((4, 16), -3))
    with pytest.raises(ChoraleError, match="-3 is not a MIDI pitch"):
        read_source(str(path))


def canon_of(piece, voices):
    """As many voices as one likes, each a little after the one above."""
    rows = [np.roll(piece.grid[0], 4 * row) for row in range(voices)]
    return piece.replace(grid=np.array(rows), onsets=None)


@pytest.mark.parametrize("voices", [5, 6, 9])
def test_an_array_may_hold_any_number_of_voices(in_c, tmp_path, voices, capsys):
    canon = canon_of(in_c, voices)
    path = str(save_chorale(canon, tmp_path / "canon.npy"))
    chorale, absent, notes = read_source(path)
    assert np.array_equal(chorale.grid, canon.grid) and absent == ()
    assert notes == assumptions(canon)  # and nothing else
    assert main(["info", path]) == 0
    assert f"{voices} voices, {canon.steps} steps" in capsys.readouterr().out
    for number in (None, 1):
        with pytest.raises(ChoraleError, match=f"quartets of them, got {voices} voices"):
            one_quartet(chorale, number)


def test_a_step_map_tells_its_pieces(tmp_path, capsys):
    piece = Traced.begin(Chorale([[60, 62, 0, 64]], tempo=60.0))
    where = StepMap.of(transforms.canon(piece, distance=4), source_tempo=120.0)
    assert main(["info", str(save_map(where, tmp_path / "x.map.npz"))]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:4])
    assert said["result"] == "2 voices, 8 steps, 2.0 s"
    assert said["source"] == "1 voices, 4 steps, 0.5 s"


def test_an_array_may_be_long_but_not_for_a_model(in_c, tmp_path):
    steps = MAX_STEPS + 8
    np.save(tmp_path / "long.npy", np.resize(in_c.grid.T, (steps, 4)).T)
    chorale = read_source(str(tmp_path / "long.npy"))[0]
    assert chorale.steps == steps
    with pytest.raises(ChoraleError, match=f"{steps} steps, expected at most {MAX_STEPS}"):
        one_quartet(chorale, None)


@pytest.mark.parametrize(
    "command",
    [
        ["infill", "{}", "--rewrite", "bass"],
        ["replace", "{}"],
        ["generate", "--from", "{}", "--keep", "soprano"],
    ],
)
def test_what_needs_quartets_refuses_other_numbers(in_c, tmp_path, command, capsys):
    path = str(save_chorale(canon_of(in_c, 6), tmp_path / "canon.npy"))
    out = ["--out", str(tmp_path / "out")]
    assert main([*(part.format(path) for part in command), *out]) == 2
    said = capsys.readouterr().err
    assert "expected four voices, or quartets of them, got 6 voices" in said
    assert said.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_suffix_in_capitals_is_one(in_c, tmp_path):
    small = save_segments(to_segments(in_c), tmp_path / "cut.npy")
    told = read_source(str(small))[0]
    large = small.rename(tmp_path / "CUT.NPY")
    small.with_suffix(".json").rename(tmp_path / "CUT.json")
    assert np.array_equal(read_source(str(large))[0].grid, told.grid)


def test_a_folder_is_no_piece(tmp_path):
    with pytest.raises(ChoraleError, match=r"ends in .*, got a folder"):
        read_source(str(tmp_path))
