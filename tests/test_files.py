"""Files that are written whole or not at all."""

from __future__ import annotations

import pytest

from coconet.errors import ChoraleError
from coconet.files import atomic_files


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_files_arrive_together(tmp_path):
    paths = [tmp_path / "new" / name for name in ("b.json", "a.npy", "a.tar.gz")]
    with atomic_files(paths) as folder:
        for path in paths:
            (folder / path.name).write_text(path.name)
        (folder / "draft").touch()
        assert not any(path.exists() for path in paths)
    assert [path.read_text() for path in paths] == [path.name for path in paths]
    assert names(tmp_path) == ["a.npy", "a.tar.gz", "b.json", "new"]


@pytest.mark.parametrize("error", [ChoraleError("no"), OSError(28, "No space left"), SystemExit()])
def test_a_failure_leaves_all_as_it_was(tmp_path, error):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_text("before")
    for folder in ("old", "new"):
        expected = SystemExit if isinstance(error, SystemExit) else ChoraleError
        with pytest.raises(expected), atomic_files([tmp_path / folder / "a"]) as temporary:
            (temporary / "a").write_text("after")
            raise error
    assert names(tmp_path) == ["a", "old"]
    assert (tmp_path / "old" / "a").read_text() == "before"


def test_stale_files_go_when_the_others_arrive(tmp_path):
    a, stale = tmp_path / "a", [tmp_path / "b", tmp_path / "c"]
    stale[0].touch()
    with pytest.raises(ChoraleError), atomic_files([a], stale=stale):
        pass  # `a` isn't made
    assert names(tmp_path) == ["b"]
    with atomic_files([a], stale=stale) as temporary:
        (temporary / "a").touch()
        assert stale[0].exists()
    assert names(tmp_path) == ["a"]


def test_a_file_that_was_not_made_is_an_error(tmp_path):
    with (
        pytest.raises(ChoraleError, match="could not be written"),
        atomic_files([tmp_path / "new" / "a", tmp_path / "new" / "b"]) as temporary,
    ):
        (temporary / "a").touch()
    assert names(tmp_path) == []


def test_a_taken_name_is_refused_before_the_work(tmp_path):
    (tmp_path / "b").touch()
    with (
        pytest.raises(ChoraleError, match=r"b: already exists; choose another name, or --force"),
        atomic_files([tmp_path / "a", tmp_path / "b"], force=False),
    ):
        raise AssertionError("must not be reached")
