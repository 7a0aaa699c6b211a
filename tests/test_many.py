"""Versions as files: what is finished stays, what is of another origin stops the work."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import numpy as np
import pytest
from mocks import Uniform

from coconet.chorale import Chorale, load_chorale
from coconet.commands.many import make_versions, provenance_of
from coconet.errors import ChoraleError
from coconet.jobs import version_generators
from coconet.outputs import write_forms

FORMS = (".npy", ".json", ".mid")


@dataclass(frozen=True)
class Random:
    """Versions that are all chance."""

    seed: int = 1
    chunk: int = 3
    fails_at: int = 0
    error: type[BaseException] = ChoraleError

    def __call__(self, predictor, numbers, tick=None):
        if self.fails_at in numbers:
            raise self.error("it failed")
        return [version_generators(self.seed, n)[0].integers(40, 80, (4, 16)) for n in numbers]

    def ticks(self, count):
        return 1


class Folder:
    """A folder of versions, what was written into it last, and what each file was like."""

    def __init__(self, path):
        self.path = path

    def make(self, count, *, seed=1, task=None, suffixes=FORMS, changed=None, **options):
        self.written = []

        def write(grid, path, provenance):
            self.written.append(provenance["version"])
            write_forms(Chorale(grid, provenance=provenance), path, suffixes)
            if changed is not None:
                changed(path)

        return make_versions(
            Random(seed) if task is None else task,
            count=count,
            folder=self.path,
            name="new",
            suffixes=suffixes,
            forms=FORMS,
            recipe={"seed": seed, "phrases": (4, 12), "tempo": 72.0},
            write=write,
            predictor=Uniform(),
            **options,
        )

    def state(self):
        return {
            path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
            for path in sorted(self.path.iterdir())
        }


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "out")


def test_every_version_has_its_files(folder):
    versions = folder.make(4)
    assert [version.number for version in versions] == [1, 2, 3, 4] == folder.written
    assert sorted(folder.state()) == sorted(path.name for v in versions for path in v.files)
    for version in versions:
        assert version.made and version.array.name == f"new-{version.number}.npy"
        chorale = load_chorale(version.array)
        expected = version_generators(1, version.number)[0].integers(40, 80, (4, 16))
        np.testing.assert_array_equal(chorale.grid, expected)
        told = chorale.provenance
        assert told["version"] == version.number and told["phrases"] == [4, 12]
        assert (told["chunk"], told["threads"], told["seed"]) == (3, 1, 1)
        recipe = {key: told[key] for key in told if key not in ("version", "fingerprint")}
        assert provenance_of(recipe, version.number) == told


def test_a_single_version_has_the_plain_name(folder):
    (version,) = folder.make(1)
    assert version.array.name == "new.npy"
    assert sorted(folder.state()) == ["new.json", "new.mid", "new.npy"]


def test_fingerprints_tell_recipes_and_versions_apart():
    recipe = {"a": 1, "b": [1, 2], "c": {"x": 0.5, "y": None}}
    twin = {"c": {"y": None, "x": 0.5}, "b": (1, 2), "a": 1}
    prints = [
        provenance_of(one, number)["fingerprint"]
        for one, number in ((recipe, 1), (recipe, 2), ({**recipe, "a": 2}, 1), ({"a": 1}, 1))
    ]
    assert len(set(prints)) == 4 and all(len(text) == 64 for text in prints)
    assert provenance_of(twin, 1)["fingerprint"] == prints[0]


def test_finished_versions_are_left_alone(folder, capsys):
    folder.make(3)
    before = folder.state()
    assert [version.made for version in folder.make(3)] == [False] * 3
    assert folder.state() == before and folder.written == []
    assert "note: 3 of 3 finished already" in capsys.readouterr().err
    assert [version.made for version in folder.make(5)] == [False] * 3 + [True] * 2
    assert folder.state().items() >= before.items() and folder.written == [4, 5]


@pytest.mark.parametrize("error", [ChoraleError, KeyboardInterrupt])
def test_a_stopped_job_goes_on_where_it_was(folder, error, capsys):
    with pytest.raises(error, match="it failed"):
        folder.make(8, task=Random(fails_at=5, error=error))
    before = folder.state()
    assert len(before) == 9  # three versions, and no trace of others
    said = "3 of 8 finished; the same command goes on from there"
    assert (said in capsys.readouterr().err) == (error is KeyboardInterrupt)
    folder.make(8)
    assert folder.written == [4, 5, 6, 7, 8]
    assert folder.state().items() >= before.items() and len(folder.state()) == 24


def test_a_version_whose_writing_failed_leaves_nothing(folder):
    def fail(path):
        if path.name == "new-2.npy":
            raise ChoraleError("the pen broke")

    with pytest.raises(ChoraleError, match="the pen broke"):
        folder.make(3, changed=fail)
    assert sorted(folder.state()) == ["new-1.json", "new-1.mid", "new-1.npy"]


def test_files_that_are_missing_are_added(folder):
    folder.make(3, suffixes=FORMS[:2])
    before = folder.state()
    versions = folder.make(3)
    assert [version.made for version in versions] == [True] * 3
    after = folder.state()
    assert after.items() >= before.items()
    assert sorted(set(after) - set(before)) == ["new-1.mid", "new-2.mid", "new-3.mid"]


def test_an_array_that_was_edited_is_kept(folder):
    folder.make(2)
    array = folder.path / "new-2.npy"
    grid = np.load(array)
    grid[0, 0] += 1
    np.save(array, grid)
    before = folder.state()
    assert [version.made for version in folder.make(2)] == [False, False]
    assert folder.state() == before
    # Files that are made anew wouldn't belong to it.
    (folder.path / "new-2.mid").unlink()
    with pytest.raises(ChoraleError, match=r"new-2\.npy: was changed since it was made"):
        folder.make(2)
    assert folder.state() == {name: before[name] for name in before if name != "new-2.mid"}


def test_files_of_forms_that_are_not_asked_for_are_looked_at(folder):
    folder.path.mkdir()
    stranger = folder.path / "new-1.mid"
    stranger.write_bytes(b"MThd")
    with pytest.raises(ChoraleError, match=r"new-1\.mid: already exists, without a sidecar"):
        folder.make(2, suffixes=FORMS[:2])
    # It wouldn't belong to the new music, nor be made later.
    folder.make(2, suffixes=FORMS[:2], force=True)
    assert not stranger.exists()
    folder.make(2)
    assert len(stranger.read_bytes()) > 4
    # What belongs to it may stay; what belongs to other music may not.
    before = folder.state()
    assert not any(version.made for version in folder.make(2, suffixes=FORMS[:2]))
    assert folder.state() == before
    with pytest.raises(ChoraleError, match="is of another origin"):
        folder.make(2, seed=2, suffixes=FORMS[:2])
    folder.make(2, seed=2, suffixes=FORMS[:2], force=True)
    assert not list(folder.path.glob("*.mid"))


def test_old_files_stay_where_writing_fails(folder):
    folder.make(1)
    before = folder.state()

    def fail(path):
        raise ChoraleError("the pen broke")

    with pytest.raises(ChoraleError, match="the pen broke"):
        folder.make(1, suffixes=FORMS[:2], force=True, changed=fail)
    assert folder.state() == before


def test_two_commands_at_once_make_the_same(folder):
    """Another command finishes the versions while this one samples."""

    class Late(Random):
        def __call__(self, predictor, numbers, tick=None):
            Folder(folder.path).make(4)
            return super().__call__(predictor, numbers, tick)

    folder.path.mkdir()
    assert len(folder.make(4, task=Late())) == 4
    assert folder.written == [] and len(folder.state()) == 12
    assert not any(version.made for version in folder.make(4))


def test_workers_without_work_are_told_of(folder, capsys):
    folder.make(2, workers=3)
    assert "note: 2 versions in 1 job: 1 worker of 3 in use\n" in capsys.readouterr().err
    # What is finished makes no job. The model is asked for after the note.
    for workers, told in ((3, False), (4, True)):
        with pytest.raises(ChoraleError, match="workers load the model by its folder"):
            folder.make(8, workers=workers)
        said = "note: 6 versions in 3 jobs: 3 workers of 4 in use\n"
        assert (said in capsys.readouterr().err) == told


def other_recipe(folder):
    folder.make(2, seed=2)
    return r"new-1\.json: already exists and is of another origin \(not the same: seed\)"


def no_sidecar(folder):
    folder.make(2)
    (folder.path / "new-2.json").unlink()
    return r"new-2\.npy: already exists, without a sidecar"


def a_stranger(folder):
    folder.path.mkdir()
    (folder.path / "new-3.mid").write_bytes(b"MThd")
    return r"new-3\.mid: already exists, without a sidecar"


def torn(folder):
    folder.make(1)
    folder.make(2)
    (folder.path / "new-1.json").write_text('{"format": 1, "voi', encoding="utf-8")
    return r"new-1\.json: not valid JSON .* a broken sidecar beside files of that name"


def an_edited_sidecar(folder):
    folder.make(2)
    sidecar = folder.path / "new-2.json"
    said = json.loads(sidecar.read_text(encoding="utf-8"))
    said["provenance"] = "my own"
    sidecar.write_text(json.dumps(said), encoding="utf-8")
    return r"new-2\.json: already exists and is of another origin; choose"


@pytest.mark.parametrize("prepare", [other_recipe, no_sidecar, a_stranger, torn, an_edited_sidecar])
def test_files_of_another_origin_stop_the_work(folder, prepare):
    said = prepare(folder)
    before = folder.state()
    with pytest.raises(ChoraleError, match=said) as caught:
        folder.make(3)
    assert "--force" in str(caught.value) and "\n" not in str(caught.value)
    assert folder.state() == before and folder.written == []
    # Unless they may be replaced.
    assert all(version.made for version in folder.make(3, force=True))
    assert folder.written == [1, 2, 3]
    for number in (1, 2, 3):
        assert load_chorale(folder.path / f"new-{number}.npy").provenance["seed"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"count": 0}, "--count: expected 1 or more, got 0"),
        ({"count": 2, "workers": 0}, "workers: expected 1 or more, got 0"),
        ({"count": 9, "workers": 2}, "workers load the model by its folder"),
    ],
)
def test_bad_arguments(folder, options, said):
    with pytest.raises(ChoraleError, match=said):
        folder.make(**options)
    assert not folder.path.exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_file_where_the_folder_should_be(folder, force):
    folder.path.write_bytes(b"")
    with pytest.raises(ChoraleError, match="can't write into this folder"):
        folder.make(2, force=force)
    assert folder.written == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(folder):
    folder.path.mkdir(mode=0o500)
    with pytest.raises(ChoraleError, match="can't write into this folder"):
        folder.make(2)
    assert folder.written == []
