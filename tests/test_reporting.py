"""`coconet report`: a row a piece, a set beside Bach's, folders with anything in them."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coconet.chorale import save_chorale
from coconet.cli import main
from coconet.corpus import load_corpus
from coconet.features import FEATURES, describe
from coconet.metrics import METRICS
from coconet.reports import report_of
from coconet.segment_files import save_segments
from coconet.segments import to_segments
from coconet.tables import LINE

C = np.repeat([[72], [67], [64], [48]], 16, axis=1)


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """A terminal of a hundred columns, whatever the tests run in."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pieces")
    for chorale in load_corpus("demo"):
        save_chorale(chorale, path / f"bwv{chorale.bwv}.npy")
    return path


def run(capsys, *arguments):
    code = main(["report", *map(str, arguments)])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said


def told_files(out):
    """The paths of the last lines, which tell of files."""
    return [line.split()[0] for line in out.splitlines() if line.endswith(" kB")]


def rows_of(table):
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------- a row a piece


def test_pieces_are_sorted_by_their_entropy(folder, tmp_path, capsys):
    table = tmp_path / "table.csv"
    out = run(capsys, folder, "--csv", table).out
    assert max(map(len, out.splitlines())) <= LINE
    pieces = {f"bwv{chorale.bwv}": chorale for chorale in load_corpus("demo")}
    wanted = report_of(pieces).sorted_by()
    assert [row["name"] for row in rows_of(table)] == list(wanted.names)
    assert out.startswith(wanted.text())
    heads = [line.split()[0] for line in out.splitlines() if line.startswith("bwv")]
    assert heads[:4] == list(wanted.names)
    assert told_files(out) == [str(table)] == [out.splitlines()[-1].split()[0]]
    assert main(["report", str(folder), "--csv", str(table)]) == 2
    assert "already exists" in capsys.readouterr().err


def test_pieces_are_filtered_sorted_cut_and_drawn(folder, tmp_path, capsys):
    table, picture = tmp_path / "table.csv", tmp_path / "picture.png"
    out = run(
        capsys, folder, C_file(tmp_path), "--where", "entropy > 2.8 or notes = 4",
        "--sort", "density", "--ascending", "--top", 2, "--csv", table,
        "--picture", picture, "--axes", "density, range",
    ).out  # fmt: skip
    pieces = {f"bwv{chorale.bwv}": chorale for chorale in load_corpus("demo")} | {"c": C}
    found = report_of(pieces).where("entropy > 2.8 or notes = 4")
    wanted = found.sorted_by("density", ascending=True).head(2)
    assert wanted.names[0] == "c"
    assert told_files(out) == [str(table), str(picture)]
    assert [row["name"] for row in rows_of(table)] == list(wanted.names)
    assert f"{len(found)} of 5 rows: pitch-class entropy > 2.8 or notes = 4" in out
    assert f"the first 2 of {len(found)} rows" in out
    assert Image.open(picture).size[0] > 1000
    none = run(capsys, folder, "--where", "entropy > 3.6").out
    assert none.strip() == "0 of 4 rows: pitch-class entropy > 3.6"


def C_file(folder):
    np.save(folder / "c.npy", C)
    return folder / "c.npy"


def test_groups_and_an_original(tmp_path, capsys):
    chorale = load_corpus("demo")[0]
    changed = np.vstack([chorale.grid, np.roll(chorale.grid, 4, 1)])
    np.save(tmp_path / "stack.npy", changed)
    np.save(tmp_path / "other.npy", np.repeat(C, 2, axis=1))
    table = tmp_path / "table.csv"
    told = run(
        capsys, tmp_path, "--groups", "quartets", "--original", f"bwv:{chorale.bwv}", "--csv", table
    ).out
    rows = {row["name"]: row for row in rows_of(table)}
    assert set(rows) == {"stack · quartet 1", "stack · quartet 2", "other"}
    assert float(rows["stack · quartet 1"]["distance"]) == 0
    wanted = describe(changed, original=chorale, voices=range(4, 8))[-1]
    assert float(rows["stack · quartet 2"]["distance"]) == pytest.approx(wanted, rel=1e-5)
    assert rows["other"]["distance"] == "" and "no distance for 1 of 2 pieces" in told
    out = run(capsys, tmp_path / "stack.npy", "--groups", "0:8,bass").out
    assert "stack · 0:8" in out and "stack · bass" in out


def test_columns_may_be_called_by_their_headings(folder, tmp_path, capsys):
    table, picture = tmp_path / "table.csv", tmp_path / "picture.png"
    out = run(
        capsys, folder, "--sort", "notes a quarter", "--csv", table, "--picture", picture,
        "--where", "parallel fifths < 99 and polyph. rate >= 0 or beyond range > 2",
        "--axes", "beyond range,from the original", "--original", "bwv:373",
    ).out  # fmt: skip
    assert "fifths < 99 and polyphony rate >= 0 or beyond > 2" in out
    density = [float(row["density"]) for row in rows_of(table)]
    assert density == sorted(density, reverse=True) and picture.exists()


# ---------------------------------------------------------------- folders


def test_a_folder_may_hold_other_things(folder, tmp_path, capsys):
    save_chorale(load_corpus("demo")[0], tmp_path / "good.npy")
    for form in (".mid", ".map.npz", ".score.musicxml"):  # what is read, too: not worth a word
        (tmp_path / f"good{form}").touch()
    for name in ("notes.txt", "alone.mid", ".hidden.npy"):
        (tmp_path / name).touch()
    np.save(tmp_path / "hidden-cells.npy", np.ones((4, 8), bool))
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    np.save(tmp_path / "below" / "deeper" / "good.npy", C)
    (tmp_path / ".cache").mkdir()
    np.save(tmp_path / ".cache" / "good.npy", C)
    said = run(capsys, tmp_path)
    assert "other files skipped: 2 (.mid, .txt)" in said.err
    assert "--deep also reads 1 folder below it" in said.err
    assert "left out" in said.err and "booleans" in said.err and "not a .npy file" in said.err
    assert "good " in said.out and "hidden" not in said.out
    deep = run(capsys, tmp_path, "--deep")
    assert "below/deeper/good " in deep.out and "--deep" not in deep.err
    twice = run(capsys, tmp_path / "good.npy", tmp_path / "below" / "deeper" / "good.npy").out
    assert "good (1) " in twice and "good (2) " in twice


def test_what_is_said_of_many_is_said_once(tmp_path, capsys):
    for number in range(5):
        np.save(tmp_path / f"n{number}.npy", C)
    said = run(capsys, tmp_path)
    assert said.err.count("\n") == 1 and "5 pieces: " in said.err
    assert "onsets" in said.err and "tempo" not in said.err  # which no column counts


def test_segments_and_mixed_shapes_stand_side_by_side(tmp_path, capsys):
    (chorale,) = (c for c in load_corpus("demo") if c.bwv == "180.7")
    save_segments(to_segments(chorale, [40, 40, 40, 40, 32, 32, 16]), tmp_path / "cut.npy")
    np.save(tmp_path / "five.npy", np.vstack([C, C[:1]]))
    table = tmp_path / "table.csv"
    run(capsys, tmp_path, "--csv", table)
    rows = {row["name"]: row for row in rows_of(table)}
    assert set(rows) == {"cut", "five"} and int(rows["five"]["notes"]) == 5


# ---------------------------------------------------------------- a set beside Bach's


def test_a_set_stands_beside_bachs(folder, tmp_path, capsys):
    table = tmp_path / "table.csv"
    out = run(capsys, folder, "--against-bach", "--csv", table).out
    assert max(map(len, out.splitlines())) < 120
    rows = rows_of(table)
    names = ["all 4", *sorted(p.stem for p in folder.glob("*.npy"))]
    assert [row["name"] for row in rows] == [*names, "Bach, train", "Bach, valid", "Bach, test"]
    for row in rows:
        assert out.count(row["name"]) >= 3, row["name"]  # once a block of columns
        for metric in METRICS:
            counted, among = int(row[metric.name + " counted"]), int(row[metric.name + " among"])
            if among:
                assert float(row[metric.name]) == pytest.approx(
                    metric.scale * counted / among, rel=1e-5
                )


def test_a_set_is_marked_where_it_is_not_as_in_bach(tmp_path, capsys):
    rng = np.random.default_rng(2)
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", rng.integers(45, 75, (4, 64)))
    first = run(capsys, tmp_path, "--against-bach").out.splitlines()
    assert first[1].startswith("all 2") and "*" in first[1]
    assert not any("*" in line for line in first if line.startswith(("a ", "b ", "Bach")))


def test_a_large_set_has_a_row_for_every_piece_only_where_asked(tmp_path, capsys):
    for number in range(9):
        np.save(tmp_path / f"n{number}.npy", C)
    assert "n3" not in run(capsys, tmp_path, "--against-bach").out
    assert "n3" in run(capsys, tmp_path, "--against-bach", "--each").out


@pytest.mark.parametrize("option", ["--against-bach", "--nearest"])
def test_a_piece_that_cannot_be_compared_is_named_and_left_out(option, tmp_path, capsys):
    for chorale in load_corpus("demo")[:2]:
        save_chorale(chorale, tmp_path / f"bwv{chorale.bwv}.npy")
    np.save(tmp_path / "five.npy", np.vstack([C, C[:1]]))
    said = run(capsys, tmp_path, option)
    assert said.err.count(f"{option} leaves out five: expected") == 1
    if option == "--against-bach":
        assert "all 2 " in said.out and "five" not in said.out
    else:  # it has its row of features all the same
        features, passages = said.out.split("nearest 32 steps")
        assert "five " in features and "five" not in passages and "bwv140.7 " in passages
    assert main(["report", str(tmp_path / "five.npy"), option]) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith(f"coconet report: {option}: five: expected")


def test_a_piece_too_short_for_a_passage_is_left_out(tmp_path, capsys):
    save_chorale(load_corpus("demo")[0], tmp_path / "good.npy")
    np.save(tmp_path / "short.npy", C[:, :8])
    said = run(capsys, tmp_path, "--nearest")
    assert "--nearest leaves out short: expected at least 8 whole beats, got 2" in said.err
    assert "good " in said.out.split("nearest 32 steps")[1]


# ---------------------------------------------------------------- more


def test_the_nearest_passage_is_found(capsys):
    out = run(capsys, "bwv:140.7", "--nearest").out
    assert "longest copy" in out and "steps, " in out and "entropy" in out


def test_the_terminal_says_how_wide_tables_are(folder, capsys, monkeypatch):
    for options, name, blocks in (([], "bwv373 ", (3, 1)), (["--against-bach"], "all 4 ", (4, 2))):
        for width, count in zip((80, 200), blocks, strict=True):
            monkeypatch.setenv("COLUMNS", str(width))
            out = run(capsys, folder, *options).out
            assert max(map(len, out.splitlines())) <= width
            assert out.count(f"\n{name}") == count


def test_many_bad_files_are_told_in_few_lines(folder, tmp_path, capsys):
    save_chorale(load_corpus("demo")[0], tmp_path / "good.npy")
    for number in range(30):
        np.save(tmp_path / f"mask{number}.npy", np.ones((4, 8), bool))
    said = run(capsys, tmp_path).err
    assert said.count("\n") == 9 and f"left out: 22 more files of {tmp_path}" in said


def test_columns_are_told(capsys):
    out = run(capsys, "--columns").out
    assert all(column.counted in out for column in (*METRICS, *FEATURES))
    assert "entropy = pitch-class entropy" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "expected arrays"),
        (["--nearest", "--against-bach"], "--nearest"),
        (["--columns", "--csv", "{tmp}/a.csv"], "--csv: expected the pieces"),
        (["--columns", "--sort", "notes"], "--sort: expected the pieces"),
        (["{tmp}"], "found none"),
        (["{tmp}/none.npy"], "no such file"),
        (["{tmp}/none"], "no such file or folder"),
        (["bwv:140.7", "--seed", "-1"], "--seed"),
        (["bwv:140.7", "--csv", "{tmp}"], "folder"),
        (["bwv:140.7", "--sort", "entorpy"], "did you mean entropy"),
        (["bwv:140.7", "--where", "entropy"], "expected a column"),
        (["bwv:140.7", "--where", "notess > 3"], "did you mean notes"),
        (["bwv:140.7", "--top", "0"], "1 or more"),
        (["bwv:140.7", "--groups", "4:0"], "the first row before the end"),
        (["bwv:140.7", "--sort", "zzz"], "coconet report --columns lists all"),
        (["bwv:140.7", "--groups", "0:8"], "voices of bwv:140.7"),
        (["bwv:140.7", "--groups", "flute"], "names of voices such as bass"),
        (["bwv:140.7", "--original", "{tmp}/none.npy"], "no such file"),
        (["bwv:140.7", "--axes", "notes,density"], "expected --picture"),
        (["bwv:140.7", "--csv", "{tmp}/a.csv", "--picture", "{tmp}/a.gif"], "ends in .png"),
        (["bwv:140.7", "--picture", "{tmp}/a.png", "--axes", "notes"], "two different"),
        (["bwv:140.7", "--picture", "{tmp}/a.png", "--where", "notes < 9"], "no row meets"),
        (["bwv:140.7", "--against-bach", "--where", "notes < 9"], "--where: --against-bach"),
        (["bwv:140.7", "--each"], "--each: without --against-bach"),
        ([""], "expected a file"),
        (["bwv:140.7", "--where", ""], "expected one such as"),
        (["bwv:140.7", "--sort", ""], "column ''"),
        (["bwv:140.7", "--groups", ""], "groups ''"),
        (["bwv:140.7", "--csv", ""], "the name of a file"),
        (["bwv:140.7", "--picture", ""], "the name of a file"),
        (["bwv:140.7", "--picture", "{tmp}/a.png", "--axes", ""], "column ''"),
        (["bwv:140.7", "--axes", ""], "expected --picture"),
        (["bwv:140.7", "--sort", "distance"], "--sort: for the distance expected --original"),
        (["bwv:140.7", "--where", "distance > 0"], "--where: for the distance"),
        (["bwv:140.7", "--csv", "{tmp}/a.png", "--picture", "{tmp}/a.png"], "two files"),
        (["bwv:140.7", "--original", "{tmp}"], "got a folder"),
    ],
)
def test_report_refuses_in_one_line(arguments, complaint, tmp_path, capsys):
    assert main(["report", *(text.format(tmp=tmp_path) for text in arguments)]) == 2
    said = capsys.readouterr().err
    assert complaint in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_where_nothing_is_met_that_is_said(folder, tmp_path, capsys):
    table = tmp_path / "table.csv"
    out = run(capsys, folder, "--where", "entropy > 99", "--csv", table).out
    assert out.startswith("0 of 4 rows: pitch-class entropy > 99\n")
    assert told_files(out) == [str(table)] and rows_of(table) == []


def test_a_folder_without_a_chorale_says_why(tmp_path, capsys):
    np.save(tmp_path / "cells.npy", np.ones((4, 8), bool))
    assert main(["report", str(tmp_path)]) == 2
    assert "none of its arrays is a chorale" in capsys.readouterr().err
    (tmp_path / "below").mkdir()
    (tmp_path / "cells.npy").rename(tmp_path / "below" / "cells.npy")
    assert main(["report", str(tmp_path)]) == 2
    assert "found none (--deep also reads 1 folder below it)" in capsys.readouterr().err


def test_folders_below_are_only_looked_into_where_asked(tmp_path, capsys, monkeypatch):
    save_chorale(load_corpus("demo")[0], tmp_path / "good.npy")
    (tmp_path / "below").mkdir()
    looked, scan = [], os.scandir
    monkeypatch.setattr("os.scandir", lambda path: looked.append(Path(path).name) or scan(path))
    run(capsys, tmp_path)
    assert "below" not in looked
    run(capsys, tmp_path, "--deep")
    assert "below" in looked
