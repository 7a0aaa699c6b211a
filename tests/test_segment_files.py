"""Segments as files: what is written comes back; old arrays are read and guessed at."""

import json
from pathlib import Path

import numpy as np
import pytest

from coconet.chorale import save_chorale
from coconet.corpus import load_corpus, transpose
from coconet.errors import ChoraleError
from coconet.segment_files import guess_key, guess_offset, load_segments, save_segments
from coconet.segments import to_segments

OLD = Path(__file__).resolve().parents[2] / "shared" / "data" / "schmucke"
SCHMUECKE = [40] * 4 + [32, 32, 16]


@pytest.fixture(scope="module")
def segments():
    (piece,) = [chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7"]
    return to_segments(piece, SCHMUECKE)


@pytest.fixture
def in_c(segments):
    """As older programs stored it: in C, minus 30, rests as -30."""
    return moved(segments, -5).grid.astype(int) - 30


def moved(segments, semitones):
    return to_segments(transpose(segments.join(), semitones), segments.fits)


def stored(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_written_comes_back(segments, tmp_path, legacy):
    path = save_segments(segments, tmp_path / "a.npy", legacy=legacy)
    again = load_segments(path)
    assert again.grid.tobytes() == segments.grid.tobytes()
    assert again.onsets.tobytes() == segments.onsets.tobytes()
    assert again.fits == segments.fits
    for key in ("tonic", "mode", "sharps", "upbeat", "tempo", "title", "bwv", "phrases", "assumed"):
        assert getattr(again.chorale, key) == getattr(segments.chorale, key)
    assert np.array_equal(again.chorale.fermatas, segments.chorale.fermatas)
    second = save_segments(again, tmp_path / "b.npy", legacy=legacy)
    assert second.read_bytes() == path.read_bytes()
    assert second.with_suffix(".json").read_bytes() == path.with_suffix(".json").read_bytes()


def test_the_old_form(segments, in_c, tmp_path):
    path = save_segments(segments, tmp_path / "old.npy", legacy=True)
    array = np.load(path)
    assert array.dtype == np.int64
    assert np.array_equal(array, in_c)
    assert (array[-1, :, 16:] == -30).all()
    # Without its sidecar it is read as an old array.
    path.with_suffix(".json").unlink()
    again = load_segments(path, lengths=[fit.true for fit in segments.fits])
    assert np.array_equal(again.grid, moved(segments, -5).grid)
    assert again.chorale.tonic == 0
    assert "stored minus 30:" in again.notes[0]
    assert "C major:" in again.notes[1]


def test_nothing_is_overwritten(segments, tmp_path):
    path = save_segments(segments, tmp_path / "a.npy")
    with pytest.raises(ChoraleError, match="already exists"):
        save_segments(segments, path)
    path.unlink()
    with pytest.raises(ChoraleError, match="already exists"):
        save_segments(segments, path)
    assert not path.exists()
    save_segments(segments, path, force=True)


def test_an_edited_array_keeps_its_sidecar(segments, tmp_path):
    path = save_segments(segments, tmp_path / "a.npy")
    array = np.load(path)
    array[0, 0, 3] += 2
    np.save(path, array)
    again = load_segments(path)
    assert again.grid[0, 0, 3] == segments.grid[0, 0, 3] + 2
    assert again.onsets[0, 0, 3]
    assert "onsets" in again.chorale.assumed


def test_the_other_layout(segments, tmp_path):
    piece = segments.join()
    for array in (piece.grid, transpose(piece, -5).grid.astype(int) - 30):
        path = stored(tmp_path / "piece.npy", array)
        assert load_segments(path).grid.shape == (1, 4, 240)
        again = load_segments(path, lengths=SCHMUECKE)
        semitones = int(segments.grid[0, 0, 0] - again.grid[0, 0, 0])
        assert semitones in (0, 5)
        assert np.array_equal(moved(again, semitones).grid, segments.grid)
    path = save_chorale(piece, tmp_path / "whole.npy")
    assert load_segments(path).chorale.tonic == 5
    assert load_segments(path, lengths=SCHMUECKE).grid.tobytes() == segments.grid.tobytes()


def test_key_and_offset_of_bachs_own_chorales():
    """The offset is always found; the key is, wherever the guess calls itself sure."""
    sure, right = 0, 0
    for chorale in load_corpus("valid") + load_corpus("test"):
        for offset, tonic in ((0, chorale.tonic), (30, 0)):
            array = chorale.grid.astype(int)
            array = array if offset == 0 else np.where(array == 0, 0, array - tonic - offset)
            found, sure_of_it, note = guess_offset(array[None])
            assert found == offset, chorale.bwv
            assert sure_of_it and "not surely" not in note
        (tonic, _), note = guess_key(chorale.grid)
        if "not surely" not in note:
            sure += 1
            right += tonic == chorale.tonic
    assert sure > 60
    assert right / sure > 0.9


def test_what_is_said_is_not_guessed(segments, in_c, tmp_path):
    path = stored(tmp_path / "old.npy", in_c)
    again = load_segments(path, offset=30, tonic=7, mode="major", lengths=SCHMUECKE)
    assert again.chorale.tonic == 7
    assert again.notes == ()
    assert again.grid[0, 0, 0] + 5 == segments.grid[0, 0, 0]
    assert "mode: minor" in load_segments(path, tonic=9, offset=30).notes[-1]
    assert load_segments(path, mode="minor").chorale.mode == "minor"


def test_sounding_padding_is_left_out(in_c, tmp_path):
    """Older programs wrote notes into the padding, too."""
    in_c[-1, :, 16:] = in_c[-1, :, 15:16]
    path = stored(tmp_path / "old.npy", in_c)
    assert load_segments(path).join().steps == 7 * 32
    again = load_segments(path, lengths=SCHMUECKE)
    assert again.join().steps == 240
    assert "segment 7: 16 sounding steps beyond its length left out" in again.notes


def test_zeros_in_a_file_stored_minus_30_are_rests(in_c, tmp_path):
    in_c[0, 2, :4] = 0
    again = load_segments(stored(tmp_path / "old.npy", in_c))
    assert not again.grid[0, 2, :4].any()
    assert any(note.startswith("4 cells hold 0: taken for rests") for note in again.notes)


def test_an_unclear_offset_is_told(tmp_path):
    path = stored(tmp_path / "low.npy", np.full((2, 4, 16), 45))
    told = load_segments(path).notes
    assert "pitches: stored minus 30, but not surely; offset= (--offset) settles it" in told[0]
    assert "not surely; tonic= (--tonic) settles it" in told[-1]


def test_offsets_of_small_types_do_not_overflow():
    for dtype in (np.int8, np.uint8):
        assert guess_offset(np.full((1, 4, 8), 120, dtype))[0] == 0


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_turned_arrays_are_told(segments, in_c, tmp_path, low, whole):
    """Their 32 steps would do as rows of eight quartets."""
    array = in_c if low else segments.grid
    array = array[0] if whole else array
    path = stored(tmp_path / "turned.npy", array.swapaxes(-1, -2))
    with pytest.raises(ChoraleError, match="did you mean its transpose"):
        load_segments(path)


def test_no_chorale_seems_turned(tmp_path):
    for chorale in load_corpus("valid"):
        whole = chorale.grid[:, : chorale.steps // 4 * 4]
        assert load_segments(stored(tmp_path / "a.npy", whole)).join().voices == 4
        with pytest.raises(ChoraleError, match="did you mean its transpose"):
            load_segments(stored(tmp_path / "b.npy", whole.T))


def test_a_bad_cell_is_the_arrays(segments, tmp_path):
    path = save_segments(segments, tmp_path / "a.npy", legacy=True)
    array = np.load(path)
    array[2, 1, 5] = 120
    np.save(path, array)
    with pytest.raises(ChoraleError) as caught:
        load_segments(path)
    assert str(caught.value).startswith(f"{path}: segment 3, alto at step 5: 120 is pitch 155")
    assert str(caught.value).endswith("above 127; was the array edited?")


def test_notes_typed_outside_are_told(segments, tmp_path):
    path = save_segments(segments, tmp_path / "a.npy")
    array = np.load(path)
    array[-1, 0, 20:23] = 72
    np.save(path, array)
    told = load_segments(path).notes
    assert told == ("segment 7: 3 sounding steps beyond its length left out",)


def bad(edit):
    def change(array):
        array = array.copy()
        edit(array)
        return array

    return change


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda a: a[0, 0], {}, "expected whole numbers of shape"),
        (lambda a: a[None], {}, "shape \\(1, 7, 4, 32\\)"),
        (lambda a: a / 2, {}, "float64"),
        (lambda a: a[:, :3], {}, "four voices"),
        (lambda a: a[0, :, :30].T, {}, "did you mean its transpose"),
        (lambda a: a[:, :, :0], {}, "shape"),
        (bad(lambda a: a.__setitem__((2, 1, 5), -40)), {}, "segment 3, alto at step 5: -40"),
        (lambda a: a, {"offset": 10**30}, "an offset of 0-127"),
        (lambda a: a, {"offset": 0}, "with an offset of 0, below 1"),
        (lambda a: a + 40, {"offset": 80}, "above 127"),
        (bad(lambda a: a.__setitem__((slice(None), 2), -30)), {}, "the tenor never sounds"),
        (bad(lambda a: a.__setitem__(3, -30)), {}, "segment 4 never sounds"),
        (lambda a: a, {"lengths": [32] * 6}, "7 lengths, one a segment, got 6"),
        (lambda a: a, {"lengths": [32] * 6 + [0]}, "phrase 7: true length: expected 1"),
        (lambda a: a, {"lengths": 5}, "lengths: expected a list, one a phrase, got 5"),
        (lambda a: a[0], {"lengths": []}, "lengths: expected a list"),
        (lambda a: a, {"offset": True}, "an offset of 0-127, got True"),
        (lambda a: a, {"tonic": True}, "tonic of 0-11, got True"),
        (lambda a: a, {"tonic": 3.0, "mode": "minor"}, "tonic of 0-11, got 3.0"),
        (lambda a: a, {"lengths": [[40, 40]] * 7}, "segment 1 has 32 steps, got 40"),
        (lambda a: a, {"tonic": 12}, "tonic of 0-11"),
        (lambda a: a, {"tonic": 0, "mode": "dorian"}, "dorian"),
    ],
)
def test_bad_arrays_are_refused(in_c, tmp_path, change, options, message):
    path = stored(tmp_path / "bad.npy", change(in_c))
    with pytest.raises(ChoraleError, match=message) as caught:
        load_segments(path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "expected format 1, got 2"),
        ({"shape": [7, 4, 40]}, "contradicts its array"),
        ({"fits": [[32, 40]]}, "1 fits for 7 segments"),
        ({"fits": [[32, 0]] * 7}, "true length: expected 1"),
        ({"fits": "32"}, "wrong form"),
        ({"fits": None}, "wrong form"),
        ({"offset": "30"}, "an offset of 0-127"),
        ({"offset": -70}, "an offset of 0-127"),
        ({"offset": 10**30}, "an offset of 0-127"),
        ({"offset": 100}, "above 127"),
        ({"moved": 100}, "within an octave"),
        ({"moved": 1.5}, "within an octave"),
        ({"moved": True}, "within an octave"),
        ({"chorale": {}}, "sidecar format"),
        ({"chorale": []}, "sidecar format"),
        ({"kind": "chorale"}, "kind 'segments'"),
    ],
)
def test_bad_sidecars_are_refused(segments, tmp_path, change, message):
    path = save_segments(segments, tmp_path / "a.npy")
    sidecar = path.with_suffix(".json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | change))
    with pytest.raises(ChoraleError, match=message) as caught:
        load_segments(path)
    assert "a.json" in str(caught.value)


def test_no_half_sidecar(segments, tmp_path):
    path = save_segments(segments, tmp_path / "a.npy")
    path.with_suffix(".json").write_text('{"format": 1,')
    with pytest.raises(ChoraleError, match="not valid JSON"):
        load_segments(path)


@pytest.mark.parametrize("options", [{"offset": 30}, {"tonic": 0}, {"lengths": [32] * 7}])
def test_a_sidecar_says_it_all(segments, tmp_path, options):
    path = save_segments(segments, tmp_path / "a.npy")
    with pytest.raises(ChoraleError, match="sidecar"):
        load_segments(path, **options)


@pytest.mark.parametrize("semitones", range(-5, 6))
def test_in_any_key_the_old_form_holds_the_pitches_of_a_bass(segments, tmp_path, semitones):
    other = moved(segments, semitones)
    path = save_segments(other, tmp_path / "a.npy", legacy=True)
    chord = np.load(path)[-1, :, 15]
    assert chord[-1] % 12 == 6 and (chord > 0).all()  # C, minus 30
    assert np.array_equal(load_segments(path).grid, other.grid)


def test_pitches_too_low_for_the_old_form(segments, tmp_path):
    low = moved(segments, -12)  # its lowest pitch is 29
    with pytest.raises(ChoraleError, match="too low for the old form"):
        save_segments(low, tmp_path / "low.npy", legacy=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not OLD.exists(), reason="needs the arrays of the original")
@pytest.mark.parametrize(
    ("name", "voices", "told", "sounding"),
    [
        ("as_written", 4, "stored as they are:", 16),
        ("chorale_HP8001", 16, "stored minus 30:", 32),
        ("chorale_HP80035", 16, "stored minus 30:", 32),
    ],
)
def test_the_originals_arrays(name, voices, told, sounding, segments):
    again = load_segments(OLD / f"{name}.npy")
    assert again.grid.shape == (7, voices, 32)
    assert again.grid[0, :4, 0].tolist() == [64, 60, 55, 48]
    assert told in again.notes[0]
    assert (again.chorale.tonic, again.chorale.mode) == (0, "major")
    assert again.fits[-1].model == sounding
    lengths = [fit.true for fit in segments.fits]
    assert load_segments(OLD / f"{name}.npy", lengths=lengths).join().steps == 240
    if voices == 4:
        # But for rests and crossings that its reader lost, our segments are the same.
        same = again.grid == moved(segments, -5).grid
        assert same.mean() > 0.96
        assert same[[2, 6]].all()
