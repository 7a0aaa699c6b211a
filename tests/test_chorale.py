"""A chorale and its sidecar: what is saved comes back, what contradicts is refused."""

import json
import pickle

import numpy as np
import pytest

from coconet.chorale import Chorale, bar_steps, clock, load_chorale, save_chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError

GRID = np.array([[72] * 8, [67] * 8, [64] * 8, [48] * 4 + [0] * 4])


def fields(chorale):
    names = chorale.__dataclass_fields__
    return {n: v.tolist() if isinstance(v := getattr(chorale, n), np.ndarray) else v for n in names}


def test_real_chorales_come_back_as_saved(tmp_path):
    for number, chorale in enumerate(load_corpus("demo")):
        saved = save_chorale(chorale, tmp_path / f"{number}.npy")
        assert fields(load_chorale(saved)) == fields(chorale)


def test_without_a_sidecar_defaults_are_used_and_named(tmp_path):
    np.save(tmp_path / "bare.npy", GRID)
    chorale = load_chorale(tmp_path / "bare.npy")
    assert (chorale.grid == GRID).all()
    assert {"tonic", "mode", "tempo", "time_signature", "onsets"} <= set(chorale.assumed)


def test_existing_files_stay_unless_forced(tmp_path):
    path = tmp_path / "a.npy"
    save_chorale(Chorale(GRID, title="first"), path)
    with pytest.raises(ChoraleError, match="already exists"):
        save_chorale(Chorale(GRID, title="second"), path)
    assert load_chorale(path).title == "first"
    save_chorale(Chorale(GRID, title="second"), path, force=True)
    assert load_chorale(path).title == "second"


def test_an_orphaned_sidecar_is_not_overwritten(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ChoraleError, match=r"a\.json: already exists"):
        save_chorale(Chorale(GRID), tmp_path / "a.npy")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": 9}, "speaks of shape"),
        ({"onsets": ["x......."] * 3}, "onsets: expected 4 strings of 8 signs"),
        ({"onsets": ["x..."] * 4}, "onsets: expected 4 strings of 8 signs"),
        ({"onsets": 3}, "onsets: expected 4 strings of 8 signs"),
        ({"fermatas": [8]}, "fermatas: expected steps of the piece, got 8"),
        ({"fermatas": [-1]}, "fermatas"),
        ({"fermatas": [3.7]}, "fermatas"),
        ({"tonic": 12}, "tonic"),
        ({"mode": "dorian"}, "mode"),
        ({"sharps": 9}, "sharps"),
        ({"time_signature": "4/3"}, "time signature"),
        ({"upbeat": 16}, "upbeat"),
        ({"tempo": -3}, "tempo"),
        ({"tempo": "fast"}, "tempo"),
        ({"phrases": [4, 5]}, "phrases"),
        ({"phrases": 3}, "wrong form"),
        ({"format": 99}, "expected sidecar format 1, got 99"),
    ],
)
def test_a_sidecar_that_contradicts_its_array_is_refused(tmp_path, change, says):
    path = save_chorale(Chorale(GRID), tmp_path / "a.npy")
    sidecar = path.with_suffix(".json")
    said = json.loads(sidecar.read_text()) | change
    sidecar.write_text(json.dumps(said))
    with pytest.raises(ChoraleError, match=says) as caught:
        load_chorale(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a .npy file"),
        (b"MThd\x00\x00", "not a .npy file"),
        (pickle.dumps([1, 2]), "not a .npy file"),
        (b"\x93NUMPY\x01\x00", "truncated"),
    ],
)
def test_files_that_are_no_arrays(tmp_path, content, says):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ChoraleError, match=says):
        load_chorale(tmp_path / "a.npy")


def test_truncated_pickled_and_missing_arrays(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, GRID)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ChoraleError, match="truncated"):
        load_chorale(path)
    np.save(path, np.array([{"code": "would run"}], object), allow_pickle=True)
    with pytest.raises(ChoraleError, match="pickled"):
        load_chorale(path)
    with pytest.raises(ChoraleError, match="no such file"):
        load_chorale(tmp_path / "none.npy")


def test_arrays_of_a_chorale_cannot_be_changed_and_leave_the_callers_alone():
    grid = GRID.copy()
    chorale = Chorale(grid)
    grid[:] = 1
    assert (chorale.grid == GRID).all()
    with pytest.raises(ValueError, match="read-only"):
        chorale.grid[0, 0] = 1


def test_new_grids_keep_repeated_notes_where_nothing_changed():
    onsets = np.zeros(GRID.shape, bool)
    onsets[:, [0, 2]] = True
    chorale = Chorale(GRID, onsets=onsets)
    changed = GRID.copy()
    changed[1] = 65
    again = chorale.replace(grid=changed)
    assert np.flatnonzero(again.onsets[0]).tolist() == [0, 2]
    assert np.flatnonzero(again.onsets[1]).tolist() == [0]


def test_new_notes_are_not_held_over_a_fermata():
    fermatas = np.zeros(8, bool)
    fermatas[3] = True
    chorale = Chorale(GRID, fermatas=fermatas)
    hidden = np.zeros(GRID.shape, bool)
    hidden[1] = True
    onsets = chorale.onsets_for(GRID, hidden=hidden)
    assert np.flatnonzero(onsets[1]).tolist() == [0, 4]
    assert np.flatnonzero(onsets[0]).tolist() == [0]


def test_bars_are_numbered_as_printed():
    chorale = Chorale(np.full((4, 36), 60), time_signature="3/4", upbeat=4)
    assert chorale.bars_to_span("0") == (0, 4)
    assert chorale.bars_to_span("1-2") == (4, 28)
    assert chorale.bars_to_span("3") == (28, 36)  # the last bar lacks the upbeat
    for bad in ("4", "2-1", "x", "1-9"):
        with pytest.raises(ChoraleError, match="bars"):
            chorale.bars_to_span(bad)
    with pytest.raises(ChoraleError, match="bars"):
        Chorale(GRID).bars_to_span("0")
    assert bar_steps("2/2") == 16


def test_an_edited_array_keeps_its_sidecar(tmp_path):
    path = save_chorale(Chorale(GRID, tempo=50, sharps=-1, tonic=5), tmp_path / "a.npy")
    edited = GRID.copy()
    edited[1] = [65, 65, 67, 69, 69, 0, 0, 64]
    np.save(path, edited)
    chorale = load_chorale(path)
    assert (chorale.grid == edited).all()
    assert (chorale.tempo, chorale.sharps, chorale.tonic) == (50, -1, 5)
    assert np.flatnonzero(chorale.onsets[1]).tolist() == [0, 2, 3, 7]
    assert chorale.assumed == ("onsets",)


def test_titles_lose_what_no_file_can_hold():
    assert Chorale(GRID, title=" Ach\x00 Gott\ud800\n").title == "Ach Gott"


def test_a_damaged_header(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, GRID)
    path.write_bytes(path.read_bytes().replace(b"(4, 8)", b"(4, 8("))
    with pytest.raises(ChoraleError, match="truncated"):
        load_chorale(path)


def test_a_failed_overwrite_keeps_the_old_pair(tmp_path, monkeypatch):
    path = save_chorale(Chorale(GRID, title="old"), tmp_path / "a.npy")

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coconet.chorale.write_json", full)
    with pytest.raises(ChoraleError, match="No space left"):
        save_chorale(Chorale(GRID[:, :4], title="new"), path, force=True)
    monkeypatch.undo()
    old = load_chorale(path)
    assert (old.title, old.steps) == ("old", 8)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ChoraleError, match="can't write"):
        save_chorale(Chorale(GRID), tmp_path / "file" / "a.npy")


def test_minutes_and_seconds():
    assert [clock(s) for s in (0, 59.6, 125)] == ["0:00", "1:00", "2:05"]
