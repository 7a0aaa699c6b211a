"""The command generate: many versions, stacks, a sheet to choose from; stopped and gone on."""

import csv
import pickle

import numpy as np
import pytest
import soundfile
from mocks import Listening
from said import complaints

from coconet.chorale import load_chorale, save_chorale
from coconet.cli import main
from coconet.commands import generating
from coconet.commands.generating import GenerateTask
from coconet.corpus import crop, load_corpus
from coconet.infill import blank_chorale
from coconet.midi import write_midi

QUICK = ["--passes", "2", "--no-audio"]
MELODY = "F4:4 G4:4 A4:4 Bb4:4 A4:8 F4:8"


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    chorale = crop(next(c for c in load_corpus("demo") if c.bwv == "373"), (0, 32))
    return save_chorale(chorale, tmp_path_factory.mktemp("piece") / "piece.npy")


def run(capsys, *arguments):
    code = main(["generate", *map(str, arguments)])
    return code, capsys.readouterr()


def refused(capsys, *arguments):
    """The one line with which the command refuses."""
    try:
        code, said = run(capsys, *arguments)
    except SystemExit as stop:
        code, said = stop.code, capsys.readouterr()
    lines = complaints(said.err)
    assert code == 2, said
    assert len(lines) == 1, said.err
    return lines[0]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_chorale_in_every_form(tmp_path, capsys):
    code, said = run(capsys, "--length", 16, "--passes", 2, "--out", tmp_path, "--name", "one")
    assert code == 0, said.err
    suffixes = ["json", "mid", "musicxml", "npy", "png", "svg", "wav"]
    assert names(tmp_path) == [f"one.{suffix}" for suffix in suffixes]
    assert "version 1: 4 voices, 16 steps" in said.out
    assert load_chorale(tmp_path / "one.npy").provenance["source"] == "nothing"


def test_versions_with_a_contact_sheet_and_a_table(tmp_path, capsys):
    where = ["--length", 32, "--out", tmp_path, "--name", "many", *QUICK]
    code, said = run(capsys, "--count", 3, *where)
    assert code == 0, said.err
    assert {"many-sheet.png", "many-sheet.csv", "many-1.npy", "many-3.npy"} <= set(names(tmp_path))
    with (tmp_path / "many-sheet.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["version"] for line in lines] == ["1", "2", "3"]
    for number, line in enumerate(lines, start=1):
        made = load_chorale(tmp_path / f"many-{number}.npy")
        assert made.provenance["fingerprint"] == line["fingerprint"]
        assert 0 <= float(line["harmony distance"]) <= 1
    rows = [row.split() for row in said.out.splitlines()]
    assert [row[0] for row in rows[1:5]] == ["1", "2", "3", "Bach"]
    plain = tmp_path / "plain"
    where[3] = plain
    assert run(capsys, "--count", 2, "--no-sheet", *where)[0] == 0
    assert not list(plain.glob("*sheet*"))
    assert all(
        np.array_equal(np.load(plain / f"many-{n}.npy"), np.load(tmp_path / f"many-{n}.npy"))
        for n in (1, 2)
    )


def test_a_stopped_command_goes_on_and_asks_for_more(tmp_path, capsys):
    where = ["--length", 16, "--out", tmp_path, "--name", "on", *QUICK]
    assert run(capsys, "--count", 3, *where)[0] == 0
    before = {path.name: path.stat().st_ino for path in tmp_path.glob("on-[123].*")}
    (tmp_path / "on-2.mid").unlink()
    code, said = run(capsys, "--count", 4, *where)
    assert code == 0, said.err
    assert "2 of 4 finished already" in said.err
    after = {path.name: path.stat().st_ino for path in tmp_path.glob("on-[123].*")}
    assert {name for name in before if before[name] != after[name]} <= {
        path.name for path in tmp_path.glob("on-2.*")
    }
    assert len((tmp_path / "on-sheet.csv").read_text().splitlines()) == 5
    line = refused(capsys, "--count", 4, *where, "--seed", 2)
    assert "on-sheet.csv" in line and "already exists" in line
    assert run(capsys, "--count", 2, *where, "--seed", 2, "--force")[0] == 0


def test_a_sheet_of_someone_else_is_never_replaced(tmp_path, capsys):
    (tmp_path / "a-sheet.csv").write_text("version,fingerprint\n1,precious\n")
    where = ["--count", 2, "--length", 16, "--out", tmp_path, "--name", "a", *QUICK]
    assert "already exists" in refused(capsys, *where)
    for other in (b"", b"\xff\x00,\n,,\n"):
        (tmp_path / "a-sheet.csv").write_bytes(other)
        assert "already exists" in refused(capsys, *where)
    assert names(tmp_path) == ["a-sheet.csv"]
    assert run(capsys, *where, "--force")[0] == 0


@pytest.fixture
def bare(monkeypatch):
    """Two versions a page, without their pictures: drawing takes longer than all else."""
    monkeypatch.setattr(generating, "SUFFIXES", (".npy", ".json", ".wav"))
    monkeypatch.setattr("coconet.sheets.PAGE", 2)


@pytest.mark.usefixtures("bare")
def test_a_sheet_is_replaced_only_as_it_was_written(tmp_path, capsys):
    where = ["--length", 16, "--out", tmp_path, "--name", "p", *QUICK, "--count"]
    table, page, other = (tmp_path / f"p-sheet{end}" for end in (".csv", ".png", "-2.png"))
    assert run(capsys, *where, 3)[0] == 0
    before = {path: path.stat().st_ino for path in (table, page, other)}
    written = table.read_bytes()
    assert run(capsys, *where, 3)[0] == 0
    assert before == {path: path.stat().st_ino for path in before}
    # Fewer versions leave no page of those before.
    assert run(capsys, *where, 2)[0] == 0
    assert len(table.read_text().splitlines()) == 3 and page.exists() and not other.exists()
    # A page that the table doesn't need is someone else's.
    other.write_bytes(b"mine")
    assert f"{other}: already exists" in refused(capsys, *where, 3)
    assert run(capsys, *where, 2)[0] == 0
    assert other.read_bytes() == b"mine"
    other.unlink()
    assert run(capsys, *where, 3)[0] == 0
    assert table.read_bytes() == written
    # So is a table with a column more, or one that nothing proves any longer.
    mine = written.replace(b"\n", b",liked\n")
    table.write_bytes(mine)
    for count in (2, 3, 4):
        assert f"{table}: already exists" in refused(capsys, *where, count)
    assert table.read_bytes() == mine and not (tmp_path / "p-4.npy").exists()
    table.write_bytes(written)
    (tmp_path / "p-2.npy").unlink()
    assert f"{table}: already exists" in refused(capsys, *where, 3)
    assert run(capsys, *where, 2, "--seed", 2, "--force")[0] == 0
    assert table.read_bytes() != written and not other.exists()


def test_one_quartet_of_a_stack_is_kept(piece, tmp_path, capsys):
    grid = load_chorale(piece).grid
    np.save(tmp_path / "stack.npy", np.vstack([grid, grid - 2 * (grid > 0)]))
    keep = ["--keep", "bass", "--from", tmp_path / "stack.npy", "--out", tmp_path, *QUICK]
    assert "holds 2 quartets; choose one (--quartet)" in refused(capsys, *keep)
    assert run(capsys, *keep, "--quartet", 2, "--name", "two")[0] == 0
    assert (np.load(tmp_path / "two.npy")[3] == grid[3] - 2 * (grid[3] > 0)).all()
    assert "expected 1-2" in refused(capsys, *keep, "--quartet", 3, "--name", "three")


def test_voices_that_a_source_names_are_not_taken_for_others(piece, tmp_path, capsys):
    chorale = load_chorale(piece)
    outer = chorale.replace(grid=chorale.grid * np.array([[1], [0], [0], [1]]), onsets=None)
    np.save(tmp_path / "outer.npy", outer.grid)
    write_midi(outer, tmp_path / "outer.mid")
    for name in ("outer.npy", "outer.mid"):
        line = refused(capsys, "--keep", "soprano,alto", "--from", tmp_path / name, *QUICK)
        assert "the source has no alto, only soprano, bass" in line


def test_what_a_typed_melody_does_not_say(tmp_path, capsys):
    facts = ["--metre", "3/4", "--upbeat", 4, "--tempo", 90, "--out", tmp_path, *QUICK]
    assert run(capsys, "--keep", "soprano", "--from", MELODY, "--name", "m", *facts)[0] == 0
    assert run(capsys, "--length", 16, "--name", "n", *facts)[0] == 0
    for name in "mn":
        made = load_chorale(tmp_path / f"{name}.npy")
        assert (made.time_signature, made.upbeat, made.tempo) == ("3/4", 4, 90)
        assert "tempo" not in made.assumed


def test_what_was_assumed_is_told_before_the_work(capsys):
    code, said = run(capsys, "--keep", "soprano", "--from", MELODY, "--model", "nowhere", *QUICK)
    notes, refusal = said.err.split("coconet generate: ")
    assert code == 2 and "assumed" in notes and "no such checkpoint" in refusal


def test_a_kept_voice_harmonised_and_stacked_many_times(piece, tmp_path, capsys):
    keep = ["--keep", "bass", "--from", piece, "--out", tmp_path, *QUICK]
    code, said = run(capsys, *keep, "--count", 2, "--stack", 3, "--name", "s")
    assert code == 0, said.err
    one, two = (load_chorale(tmp_path / f"s-{n}.npy") for n in (1, 2))
    assert one.voices == two.voices == 12
    assert (one.grid != two.grid).any()
    assert (one.grid[3::4] == load_chorale(piece).grid[3]).all()
    assert "across" in said.out and "harmony" in said.out
    assert one.provenance["stack"] == 3 and 0 < one.provenance["together"] <= 1
    assert run(capsys, *keep, "--stack", 3, "--together", 0, "--name", "apart")[0] == 0
    apart = load_chorale(tmp_path / "apart.npy").grid
    assert (apart[:4] == one.grid[:4]).all() and (apart != one.grid).any()


def test_a_typed_melody_is_kept_as_the_voice_that_is_named(tmp_path, capsys):
    keep = ["--keep", "soprano", "--from", MELODY, "--name", "m", "--out", tmp_path, *QUICK]
    assert run(capsys, *keep)[0] == 0
    melody = np.repeat([65, 67, 69, 70, 69, 69, 65, 65], 4)
    assert (np.load(tmp_path / "m.npy")[0] == melody).all()


def test_a_stack_sounds(tmp_path, capsys):
    code, said = run(
        capsys, "--length", 8, "--stack", 2, "--passes", 1, "--out", tmp_path, "--name", "s"
    )
    assert code == 0, said.err
    assert abs(soundfile.read(tmp_path / "s.wav")[0]).max() > 0.5
    assert "8 voices, 8 steps" in said.out


def test_two_workers_write_what_one_does(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(generating, "JOB_STEPS", 16)
    made = {}
    for workers in (1, 2):
        out = tmp_path / str(workers)
        where = ["--length", 16, "--count", 2, "--workers", workers, "--out", out, "--no-sheet"]
        assert run(capsys, *where, *QUICK)[0] == 0
        made[workers] = [(out / f"chorale-{n}.npy").read_bytes() for n in (1, 2)]
    assert made[1] == made[2]


def test_a_version_does_not_depend_on_the_others_of_its_job():
    chorale = blank_chorale(16)
    hidden = np.ones((4, 16), bool)
    task = GenerateTask(chorale, hidden, 1, 2, 3, 1.0, 1.0, 0.5)
    ticks = []
    together = task(Listening(), [1, 2, 3], lambda: ticks.append(1))
    assert len(ticks) == task.ticks(3) == 6
    again = pickle.loads(pickle.dumps(task))
    assert np.array_equal(again(Listening(), [2])[0].grid, together[1].grid)
    assert [GenerateTask(blank_chorale(n), hidden, 1, 1, 1, 1, 1, 0).chunk for n in
            (4, 128, 320, 5000)] == [16, 4, 1, 1]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--keep", "bass"], "--keep and --from belong together"),
        (["--as", "bass"], "--as says"),
        (["--quartet", "1"], "--quartet says"),
        (["--keep", "soprano,alto,tenor,bass", "--from", "bwv:373"], "nothing is hidden"),
        (["--metre", "3/5"], "time signature"),
        (["--keep", "bass,bass", "--from", MELODY], "bass is named twice"),
        (["--keep", "violin", "--from", MELODY], "unknown voice"),
        (["--keep", "bass", "--from", MELODY, "--length", "7"], "--length"),
        (["--keep", "bass", "--from", "none.mid"], "no such file"),
        (["--length", "2"], "length: expected 4 to 20000"),
        (["--stack", "0"], "stack: expected 1-64 quartets"),
        (["--stack", "two"], "invalid int"),
        (["--together", "0.5"], "--stack K makes several"),
        (["--together", "-1", "--stack", "2"], "expected a weight from 0"),
        (["--together", "nan", "--stack", "2"], "expected a weight from 0"),
        (["--count", "0"], "count"),
        (["--passes", "0"], "passes"),
        (["--temperature", "nan"], "temperature"),
        (["--tilt", "-1"], "tilt"),
        (["--seed", "-1"], "seed"),
        (["--workers", "0"], "workers"),
        (["--dask", "nowhere"], "--dask"),
        (["--name", "a/b"], "plain name"),
        (["--model", "nowhere"], "no such checkpoint"),
    ],
)
def test_bad_options_are_refused_in_one_line_and_leave_nothing(tmp_path, capsys, options, says):
    out = tmp_path / "out"
    size = [] if {"--length", "--from"} & set(options) else ["--length", "8"]
    line = refused(capsys, *QUICK, "--count", "2", *size, "--out", out, *options)
    assert says in line, line
    assert not out.exists()
