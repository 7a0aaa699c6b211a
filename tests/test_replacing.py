"""`coconet replace`: what it writes, that it can be made again, and what it refuses."""

import json
import pickle

import numpy as np
import pytest

from coconet import places
from coconet.chorale import load_chorale, read_array, save_chorale
from coconet.cli import main
from coconet.commands.replacing import JOB_VERSIONS, ReplaceTask
from coconet.corpus import crop, load_corpus
from coconet.grid import REST
from coconet.midi import read_midi
from coconet.plots import Picture
from coconet.predictor import load_predictor
from coconet.replace import Plan, remade
from coconet.segment_files import load_segments, save_segments
from coconet.segments import to_segments

BACH = next(c for c in load_corpus("demo") if c.bwv == "180.7")
#: Two phrases; the first is too long for a segment, and a cell of it gets lost there.
PIECE = crop(BACH, (40, 104)).replace(phrases=(40, 24))
QUICK = ["--passes", "1", "--rounds", "1", "--no-audio"]


@pytest.fixture(scope="module")
def model():
    return load_predictor(places.models() / "chorales")


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    return save_chorale(PIECE, tmp_path_factory.mktemp("piece") / "piece.npy")


@pytest.fixture
def sketches(monkeypatch):
    """Empty pictures: drawing takes longer than all else."""
    monkeypatch.setattr("coconet.morphs.morph", lambda replaced: Picture(figsize=(1, 1)))


def run(capsys, *arguments):
    code = main(["replace", *(str(argument) for argument in arguments)])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said


def refused(capsys, *arguments):
    """The one line with which the command refuses."""
    try:
        code = main(["replace", *(str(argument) for argument in arguments)])
    except SystemExit as stop:
        code = stop.code
    lines = [line for line in capsys.readouterr().err.splitlines() if "note: " not in line]
    assert code == 2 and len(lines) == 1, lines
    return lines[0]


def test_whole_pieces_with_all_their_files(piece, tmp_path, capsys, model):
    arguments = [piece, "--passes", 1, "--rounds", 2, "--keep", "bass", "--out", tmp_path]
    said = run(capsys, *arguments).out
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"piece-replaced.{end}" for end in ("json", "mid", "npy", "png", "wav")]
    made = load_chorale(tmp_path / "piece-replaced.npy")
    assert made.grid.shape == (8, 64)
    assert (made.grid[[3, 7]] == PIECE.grid[3]).all()
    assert (made.onsets[[3, 7]] == PIECE.onsets[3]).all()
    assert (made.tonic, made.mode, made.title) == (PIECE.tonic, PIECE.mode, PIECE.title)
    assert "8 voices, 64 steps" in said and "kept S" in said and "kept B" not in said
    lines = (tmp_path / "piece-replaced.mid").read_bytes()
    assert len(read_midi(lines).parts) == 8
    # The course is in the sidecar, and the whole can be made again from it alone.
    course = made.provenance["course"]
    assert course["voices"] == ["soprano", "alto", "tenor"]
    (again,) = remade(model, made)
    assert (again.stack.grid == made.grid).all()
    assert again.told == course
    assert str(piece) in made.provenance["command"] or made.provenance["source"] == str(piece)


@pytest.mark.usefixtures("sketches")
def test_segments_can_be_made_again_in_their_own_form_and_the_old_one(
    piece, tmp_path, capsys, model
):
    for form in ([], ["--legacy"]):
        out = tmp_path / "".join(["now", *form])
        said = run(capsys, piece, "--segments", *QUICK, "--out", out, *form)
        assert "with 32 steps a segment" in said.err and "cells change pitch" in said.err
        path = out / "piece-replaced.npy"
        made = load_segments(path)
        assert made.grid.shape == (2, 4, 32) == read_array(path).shape
        assert made.outside.sum(1).tolist() == [0, 8]
        assert made.join().grid.shape == (4, 64)
        again = made.filled([one.stack for one in remade(model, made)])
        assert (again.grid == made.grid).all()
    stored = read_array(path)
    sounding = made.grid != REST
    moved = made.grid[sounding] - 30 - PIECE.tonic
    assert (stored[sounding] == moved).all()
    now = load_segments(tmp_path / "now" / "piece-replaced.npy")
    assert (now.grid == made.grid).all()


@pytest.mark.usefixtures("sketches")
def test_finished_versions_are_left_as_they_are_and_each_is_the_same_for_any_count(
    piece, tmp_path, capsys
):
    arguments = [piece, *QUICK, "--name", "many", "--out", tmp_path, "--count"]
    first = run(capsys, *arguments, 2).out
    assert "version 2: 4 voices" in first
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    said = run(capsys, *arguments, 3)
    assert "2 of 3 finished already" in said.err and "finished before" in said.out
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 4
    alone = run(capsys, piece, *QUICK, "--seed", 2, "--out", tmp_path / "two").out
    assert "4 voices" in alone
    grids = [load_chorale(tmp_path / f"many-{n}.npy").grid for n in (1, 2, 3)]
    other = load_chorale(tmp_path / "two" / "piece-replaced.npy").grid
    assert len({grid.tobytes() for grid in [*grids, other]}) == 4


@pytest.mark.usefixtures("sketches")
def test_an_old_array_of_segments_goes_on(piece, tmp_path, capsys):
    segments = to_segments(PIECE)
    grid = np.tile(segments.grid, (1, 2, 1))
    grid[:, 4:] += (grid[:, 4:] > 0).astype(np.int16) * 2
    save_segments(segments.with_grid(grid), tmp_path / "old.npy", legacy=True)
    (tmp_path / "old.json").unlink()
    told = refused(capsys, tmp_path / "old.npy", *QUICK)
    assert "holds 2 quartets" in told
    said = run(
        capsys, tmp_path / "old.npy", *QUICK, "--quartet", 2, "--segments", "--out", tmp_path,
        "--keep", "soprano",
    )  # fmt: skip
    assert "stored minus 30" in said.err
    made = load_segments(tmp_path / "old-replaced.npy")
    sounding = made.grid[:, 0] > 0
    kept = grid[:, 4] - PIECE.tonic
    assert (made.grid[:, 0][sounding] == kept[sounding]).all()


@pytest.mark.usefixtures("sketches")
def test_an_array_with_another_offset_is_read_as_is_said(tmp_path, capsys):
    grid = to_segments(PIECE).grid.astype(int)
    np.save(tmp_path / "odd.npy", np.where(grid == REST, -90, grid - 90))
    arguments = [tmp_path / "odd.npy", *QUICK, "--segments", "--keep", "soprano"]
    arguments += ["--out", tmp_path / "out"]
    assert "was another offset taken off?" in refused(capsys, *arguments)
    assert "tonic 'H'" in refused(capsys, *arguments, "--offset", 90, "--tonic", "H")
    run(capsys, *arguments, "--offset", 90, "--tonic", "F#")
    made = load_segments(tmp_path / "out" / "odd-replaced.npy")
    assert (made.grid[:, 0] == grid[:, 0]).all() and made.chorale.tonic == 6
    again = [tmp_path / "out" / "odd-replaced.npy", *QUICK, "--offset", 90]
    assert "its sidecar" in refused(capsys, *again)


@pytest.mark.usefixtures("sketches")
def test_repeated_phrases_are_dropped(tmp_path, capsys):
    twice = np.hstack([PIECE.grid[:, :40], PIECE.grid])
    chorale = PIECE.replace(grid=twice, onsets=None, fermatas=None, phrases=(40, 40, 24))
    save_chorale(chorale, tmp_path / "twice.npy")
    arguments = [tmp_path / "twice.npy", "--segments", *QUICK]
    run(capsys, *arguments, "--drop-repeats", "--out", tmp_path / "once")
    made = load_segments(tmp_path / "once" / "twice-replaced.npy")
    assert [(fit.model, fit.true) for fit in made.fits] == [(32, 40), (24, 24)]
    run(capsys, *arguments, "--lengths", "32:40,40,24", "--out", tmp_path / "all")
    assert load_segments(tmp_path / "all" / "twice-replaced.npy").grid.shape == (3, 4, 32)
    run(capsys, *arguments, "--by", "bars:2", "--out", tmp_path / "bars")
    fits = load_segments(tmp_path / "bars" / "twice-replaced.npy").fits
    assert [fit.true for fit in fits] == [32, 32, 32, 8]


def test_a_job_holds_few_steps_and_its_ticks_are_its_passes(model):
    plan = Plan(rounds=1, passes=2, order="alto")
    task = ReplaceTask((PIECE,), plan, 1)
    assert ReplaceTask((BACH,), plan, 1).chunk == 2
    assert ReplaceTask((crop(BACH, (0, 16)),), plan, 1).chunk == JOB_VERSIONS
    ticks = []
    one, two = task(model, [1, 2], lambda: ticks.append(1))
    assert len(ticks) == task.ticks(2) == 2
    assert (pickle.loads(pickle.dumps(task))(model, [2])[0][0] == two[0]).all()
    assert (one[0] != two[0]).any()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--keep", "bass,bass"], "bass is named twice"),
        (["--keep", "soprano,alto,tenor,bass"], "all four voices are kept"),
        (["--order", "alto", "--keep", "alto"], "can't be both"),
        (["--rounds", "0"], "rounds: expected 1-64"),
        (["--together", "2"], "together: expected a weight"),
        (["--legacy"], "it needs --segments"),
        (["--by", "fermatas"], "say how to cut --segments"),
        (["--drop-repeats"], "say how to cut --segments"),
        (["--segments", "--lengths", "40,20"], "phrases of 60 steps for a piece of 64: 4 too few"),
        (["--segments", "--lengths", "0,64"], "true length: expected 1"),
        (["--segments", "--lengths", "40;24"], "--lengths '40;24'"),
        (["--segments", "--lengths", "40,24", "--by", "bars:2"], "not both"),
        (["--segments", "--by", "bars"], "--by 'bars'"),
        (["--segments", "--by", "bars:0"], "1 or more"),
        (["--together", "0.9"], "--rounds N makes several"),
        (["--offset", "30"], "--offset and --tonic are for an array of them"),
        (["--tonic", "F"], "--offset and --tonic are for an array of them"),
        (["--quartet", "2"], "quartet: expected 1-1"),
        (["--count", "0"], "--count"),
        (["--seed", "-1"], "seed"),
        (["--workers", "0"], "workers"),
        (["--name", "a/b"], "plain name"),
        (["--model", "nowhere"], "nowhere"),
    ],
)
def test_what_is_refused(options, says, piece, tmp_path, capsys):
    assert says in refused(capsys, piece, *QUICK, "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("sketches")
def test_sources_that_are_refused(piece, tmp_path, capsys):
    assert "alto, tenor and bass never sound" in refused(capsys, "F4:8 G4:8", *QUICK)
    out = ["--out", tmp_path, "--name", "taken"]
    (tmp_path / "taken.npy").write_bytes(b"mine")
    assert "already exists" in refused(capsys, piece, *QUICK, *out)
    (tmp_path / "taken.json").write_text("{broken")
    assert "broken sidecar" in refused(capsys, piece, *QUICK, *out)
    assert (tmp_path / "taken.npy").read_bytes() == b"mine"
    run(capsys, piece, *QUICK, *out, "--force")
    assert "not the same: passes" in refused(capsys, piece, *QUICK, *out, "--passes", 2)
    segments = to_segments(PIECE)
    save_segments(segments, tmp_path / "cut.npy")
    assert "cut already" in refused(capsys, tmp_path / "cut.npy", "--by", "bars:1", *QUICK)
    side = json.loads((tmp_path / "cut.json").read_text())
    (tmp_path / "cut.json").write_text(json.dumps({**side, "shape": [1, 4, 32]}))
    assert "contradicts its array" in refused(capsys, tmp_path / "cut.npy", *QUICK)


@pytest.mark.usefixtures("sketches")
def test_many_versions_are_not_sounded_and_named_in_a_line_each(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("coconet.commands.replacing.FEW", 1)
    melody = crop(PIECE, (0, 16)).replace(phrases=())
    save_chorale(melody, tmp_path / "short.npy")
    arguments = [tmp_path / "short.npy", *QUICK[:4], "--count", 2, "--out", tmp_path / "out"]
    said = run(capsys, *arguments)
    assert "no WAV" in said.err
    assert not list((tmp_path / "out").glob("*.wav"))
    assert sum("short-replaced-" in line for line in said.out.splitlines()) == 2
