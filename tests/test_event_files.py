"""Performances as tables: what is saved is loaded bit for bit, what is bad is told."""

import csv
import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import load_chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.places import root
from coconet.render import event_files
from coconet.render.dynamics import Walk, walk_velocity
from coconet.render.event_files import COLUMNS, PFIELDS, load_events, save_events, save_pfields
from coconet.render.events import NOTE, TAIL, Performance
from coconet.render.performance import perform
from coconet.render.style import CALM, ORIGINAL, PLAIN, Style
from coconet.tuning import load_tuning

HZ = load_tuning().frequencies(5)
SCHMUECKE = load_corpus("demo")[1]
STYLES = {
    "plain": PLAIN,
    "calm": CALM.loosened(),
    "original": ORIGINAL,
    "glides": Style(glide=0.3, levels={"bass": -3.3}, shift=-2, tempo=((0, 60), (3, 70))),
}


def assert_same(one, other):
    assert one.notes.dtype == other.notes.dtype == NOTE
    assert one.notes.tobytes() == other.notes.tobytes()
    assert one.times.tobytes() == other.times.tobytes()
    for name in ("seconds", "voices", "title", "walk"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize("name", STYLES)
def test_a_chorale_comes_back_bit_for_bit(tmp_path, name):
    played = perform(SCHMUECKE, HZ, STYLES[name], rng=np.random.default_rng(1))
    path = save_events(played, tmp_path / "a.csv")
    assert_same(load_events(path), played)
    assert save_events(load_events(path), tmp_path / "b.csv").read_bytes() == path.read_bytes()


@given(pieces(), st.integers(0, 99), st.sampled_from(list(STYLES)), st.text(max_size=20))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_comes_back_bit_for_bit(tmp_path, piece, seed, name, title):
    if not (piece.grid != REST).any() or piece.steps < 3:
        return
    piece = piece.replace(title=title)
    played = perform(piece, HZ, STYLES[name], rng=np.random.default_rng(seed))
    assert_same(load_events(save_events(played, tmp_path / "a.csv", force=True)), played)


def test_the_table_is_plain_csv_under_remarks(tmp_path):
    played = perform(SCHMUECKE, HZ)
    lines = save_events(played, tmp_path / "a.csv").read_text("utf-8").splitlines()
    remarks = [line for line in lines if line.startswith("#")]
    assert remarks[:3] == [
        "# format: 1",
        '# title: "Schmücke dich, o liebe Seele"',
        "# voices: 4",
    ]
    rows = list(csv.DictReader(lines[len(remarks) :]))
    assert tuple(rows[0]) == COLUMNS == NOTE.names
    assert len(rows) == len(played.notes)
    assert [float(row["hz"]) for row in rows] == played.notes["hz"].tolist()


def test_a_table_made_by_hand_needs_no_remarks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "\ufeff# made by hand: every line with a # is a remark\r\n"
        'voice,key,hz,"start",duration,velocity,level,pan,shift,glide,glide_time,step\r\n'
        "\r\n"
        '2,60, 261.6 ,0,1.5,80,0,.5,0,0,0,-1\r\n"0",72,523.25,1e-1,2,80,-3,1,0,-100,+2.0,-1\r\n',
        "utf-8",
    )
    found = load_events(path)
    assert found.notes["key"].tolist() == [60, 72] and found.notes["voice"].tolist() == [2, 0]
    assert (found.voices, found.seconds, found.title, found.steps) == (3, 2.1 + TAIL, "", 0)
    assert found.notes["glide"].tolist() == [0, -100]


def respread(path, *, digits=10, dialect="excel", quote_all=False):
    """Save a file of events as a spreadsheet does that was given it as CSV.

    It quotes what holds quotes, drops digits and fills up all lines with empty cells.
    """
    rows = list(csv.reader(path.read_text("utf-8").splitlines()))
    width = max(map(len, rows)) + 2

    def shown(cell):
        try:
            return f"{float(cell):.{digits}g}"
        except ValueError:
            return cell

    rows = [[shown(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    rows += [[""] * width] * 2
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, quoting=quoting).writerows(rows)


@pytest.mark.parametrize("quote_all", [False, True])
@pytest.mark.parametrize("name", STYLES)
def test_what_a_spreadsheet_saves_again_is_read(tmp_path, name, quote_all):
    played = perform(SCHMUECKE, HZ, STYLES[name], rng=np.random.default_rng(1))
    path = save_events(played, tmp_path / "a.csv")
    respread(path, quote_all=quote_all)
    found = load_events(path)
    for column in COLUMNS:
        assert found.notes[column] == pytest.approx(played.notes[column], rel=1e-9, abs=1e-9)
    assert found.times == pytest.approx(played.times)
    assert found.seconds == pytest.approx(played.seconds)
    said = ("voices", "title", "walk")
    assert [getattr(found, key) for key in said] == [getattr(played, key) for key in said]


def test_rows_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(event_files, "BLOCK", 7)
    played = perform(SCHMUECKE, HZ)
    path = save_events(played, tmp_path / "a.csv")
    assert_same(load_events(path), played)
    lines = path.read_text("utf-8").splitlines()
    lines[100] = lines[100].replace(",", ",x", 1)
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(ChoraleError, match=r"a\.csv, line 101: duration: expected a number"):
        load_events(path)


@pytest.mark.parametrize(
    "title",
    [
        "O\u00a0Haupt",
        "Two\tparts",
        "First\nSecond\r",
        "\u2028",
        " about ",
        'a "b", c # d',
        "𝄞\u200d",
    ],
)
def test_a_title_comes_back_as_it_was(tmp_path, title):
    played = replace(perform(SCHMUECKE, HZ), title=title)
    assert load_events(save_events(played, tmp_path / "a.csv")).title == title


def test_a_titles_control_characters_reach_no_terminal(tmp_path):
    played = replace(perform(SCHMUECKE, HZ), title="\x1b[31mred\x07\x9b")
    assert load_events(save_events(played, tmp_path / "a.csv")).title == "[31mred"


def test_what_cannot_be_loaded_is_not_saved(tmp_path):
    played = perform(SCHMUECKE, HZ)
    for wrong, message in (
        ({"notes": played.notes[:0]}, "has no notes to sound"),
        ({"voices": 65}, "voices: expected a whole number, 1 to 64"),
        ({"seconds": 1.0}, "seconds: expected a number from"),
    ):
        with pytest.raises(ChoraleError, match=message):
            save_events(replace(played, **wrong), tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_remarks_may_follow_the_notes(tmp_path):
    path = save_events(perform(SCHMUECKE, HZ), tmp_path / "a.csv")
    lines = path.read_text("utf-8").splitlines()
    remarks = [line for line in lines if line.startswith("#")]
    path.write_text("\n".join([*lines[len(remarks) :], *remarks]), "utf-8")
    assert_same(load_events(path), perform(SCHMUECKE, HZ))


@pytest.mark.parametrize("filling", ["\n", "# a remark\n", ",,,\r\n"])
def test_what_says_nothing_takes_no_memory(tmp_path, filling):
    path = tmp_path / "a.csv"
    path.write_text(filling * 100_000 + table(), newline="")
    tracemalloc.start()
    found = load_events(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.notes) == 2
    assert most < 1_000_000


def test_a_walk_of_numpys_numbers_is_saved(tmp_path):
    style = replace(ORIGINAL, dynamics=Walk(volume=np.float32(12)))
    played = perform(SCHMUECKE, HZ, style, rng=np.random.default_rng(1))
    assert_same(load_events(save_events(played, tmp_path / "a.csv")), played)


GOOD = {
    "start": "0.5", "duration": "1.0", "voice": "1", "step": "2", "key": "60", "hz": "261.6",
    "velocity": "80", "level": "0.0", "pan": "0.5", "shift": "0", "glide": "0.0",
    "glide_time": "0.0",
}  # fmt: skip
SAID = {
    "format": "1",
    "title": '"T"',
    "voices": "2",
    "seconds": "4.0",
    "times": "[0.0, 0.2, 0.5, 1.5]",
}


def table(row=None, said=None, *, before=None):
    """A file of two notes on lines 7 and 8, the second one changed."""
    remarks = [f"# {name}: {value}" for name, value in (SAID | (said or {})).items()]
    first, second = GOOD | (before or {}), GOOD | (row or {})
    lines = [",".join(values) for values in (GOOD, first.values(), second.values())]
    return "\n".join([*remarks, *lines]) + "\n"


def test_the_table_that_is_spoilt_below_is_good(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(table())
    assert load_events(path).steps == 3


def test_edited_notes_may_stand_in_any_order_and_end_later(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(table({"start": "0.4", "duration": "7.5"}))
    changed = load_events(path)
    assert changed.notes["start"].tolist() == [0.4, 0.5]
    assert changed.seconds == pytest.approx(7.9 + TAIL)
    path.write_text(table())
    assert load_events(path).seconds == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header with start, duration.*missing: start, duration"),
        ("# format: 1\n", "expected a header"),
        (",".join(COLUMNS), "holds no notes"),
        (table().replace(",hz,", ",Hz,"), "missing: hz"),
        (table().replace("_time\n", "_time,more\n"), "line 6: column 'more' is unknown; leave"),
        (table().replace(",hz,", ",,hz,"), "line 6: column '' is unknown"),
        (table().replace("start,d", "start,start,d"), "line 6: column 'start' comes twice"),
        (table(said={"times": "[]"}).replace(",", ";"), "line 6: expected commas between"),
        (table() + "1,2,3\n", "line 9: expected 12 cells, got 3"),
        (table() + '"1,2\n', "line 9: not a line of CSV"),
        ('"# title: ""x"\n' + table(), "line 1: title: expected JSON"),
        ('"# title: x\n' + table(), "line 1: not a line of CSV"),
        (table({"hz": '"261,6"'}), "line 8: hz: expected a number.*'261,6'; decimals need a point"),
        (table({"hz": "261,6"}), "line 8: expected 12 cells, got 13; decimal commas?"),
        (table(said={"format": "1;;;"}).replace(",", ";"), "line 6: expected commas between"),
        (",".join(COLUMNS).replace(",", "\t"), "line 1: expected commas between the columns, got"),
        (table({"hz": "nan"}), "line 8: hz: expected a number from 1 to 22050, got 'nan'"),
        (table({"hz": ""}), "line 8: hz: expected a number from 1 to 22050, got ''"),
        (table({"hz": "0"}), "line 8: hz: expected a number from 1 to 22050, got '0'"),
        (table({"hz": "1_00"}), "line 8: hz: expected a number"),
        (table({"hz": "9" * 5000}), "line 8: hz: expected a number"),
        (table({"start": "-0.5"}), "line 8: start: expected a number from 0 to 86400, got '-0.5'"),
        (table({"start": "inf"}), "line 8: start: expected a number"),
        (table({"start": "1e9"}), "line 8: start: expected a number from 0 to 86400, got '1e9'"),
        (table({"duration": "0"}), "line 8: duration: expected a number from 1e-06"),
        (table({"key": "128"}), "line 8: key: expected a whole number from 1 to 127, got '128'"),
        (table({"key": "0"}), "line 8: key: expected a whole number from 1 to 127, got '0'"),
        (table({"key": "60.0"}), "line 8: key: expected a whole number"),
        (table({"key": "9" * 5000}), "line 8: key: expected a whole number"),
        (table({"velocity": "0"}), "line 8: velocity: expected a whole number from 1 to 127"),
        (table({"pan": "1.1"}), "line 8: pan: expected a number from 0 to 1, got '1.1'"),
        (table({"level": "99"}), "line 8: level: expected a number from -120 to 80"),
        (table({"shift": "-26"}), "line 8: shift: expected a whole number from -25 to 25"),
        (table({"glide_time": "1.1"}), "line 8: the note glides for longer than it lasts"),
        (table({"voice": "2"}), "line 8: the note has a voice beyond 1, the last of 2; change"),
        (table({"step": "3"}), "line 8: the note has a step beyond 2, the last of 3 in 'times'"),
        (table(said={"format": "2"}), "expected events of format 1, got 2"),
        (table(said={"format": "1\n# format: 1"}), "line 2: says format a second time"),
        (table(said={"title": "T"}), "line 2: title: expected JSON, got 'T'"),
        (table(said={"title": "3"}), "title: expected a text in quotes, got 3"),
        (table(said={"voices": "2.5"}), "voices: expected a whole number, 1 to 64, got 2.5"),
        (table(said={"voices": "65"}), "voices: expected a whole number, 1 to 64, got 65"),
        (table({"voice": "64"}), "line 8: voice: expected a whole number from 0 to 63, got '64'"),
        (table() + "# format: 2\n", "line 9: says format a second time"),
        (table(said={"title": "1"}) + "# walk: 3\n", "title: expected a text in quotes, got 1"),
        (table(said={"seconds": "NaN"}), "seconds: expected a number from 1.5 to 86400"),
        (table(said={"seconds": "1e300"}), "seconds: expected a number from 1.5 to 86400"),
        (table(said={"times": "[0, true]"}), "times: expected a list of seconds"),
        (table(said={"times": "[0, 1, 1]"}), "times: expected seconds that rise from 0"),
        (table(said={"times": "[0.1, 1]"}), "times: expected seconds that rise from 0"),
        (table(said={"times": "[0]"}), "times: expected seconds that rise from 0"),
        (table(said={"times": "[0, NaN, 3]"}), "times: expected seconds that rise from 0"),
        (table(said={"times": "[0, 1e9]"}), "times: expected seconds that rise from 0"),
        (table(said={"times": "[0, 1%s]" % ("0" * 400)}), "times: a number is too large"),
        (table(said={"times": '"soon"'}), "times: expected a list of seconds"),
        (table(said={"times": "[" * 9999}), "line 5: times: expected JSON"),
        (table(said={"walk": "{}"}), "walk: expected volume, challenging, .*got {}"),
        (
            table(said={"walk": json.dumps(dict.fromkeys(
                ("volume", "challenging", "calm", "velocity_rises", "velocity_falls",
                 "volume_rises", "volume_falls", "velocity_resets", "volume_resets"), -1))}),
            "walk: challenging: expected a count, got -1",
        ),
        (b"\xff\xfe\x00s\x00t", "not a text in UTF-8"),
        (b"start\0", "not a text"),
        (b"\x89PNG\r\n\x1a\n", "not a text in UTF-8"),
    ],
)  # fmt: skip
def test_bad_files_are_told_by_line(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ChoraleError, match=message) as caught:
        load_events(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_hostile_sizes_and_files_that_are_none(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text(table())
    monkeypatch.setattr(event_files, "MAX_BYTES", 100)
    with pytest.raises(ChoraleError, match=r"a\.csv: larger than"):
        load_events(path)
    with pytest.raises(ChoraleError, match="no such file"):
        load_events(tmp_path / "b.csv")
    for wrong in (tmp_path, "a" * 300 + ".csv", "~nobody-here/a.csv", "a\0.csv"):
        with pytest.raises(ChoraleError, match=r"can't be read|expected the path of a file"):
            load_events(wrong)


@pytest.mark.parametrize("save", [save_events, save_pfields])
def test_files_are_written_whole_or_not_at_all(tmp_path, save):
    played = perform(SCHMUECKE, HZ)
    path = tmp_path / "new" / "a.csv"
    save(played, path)
    old = path.read_bytes()
    with pytest.raises(ChoraleError, match="already exists"):
        save(perform(SCHMUECKE, HZ, PLAIN), path)
    assert path.read_bytes() == old
    save(perform(SCHMUECKE, HZ, PLAIN), path, force=True)
    assert path.read_bytes() != old
    with pytest.raises(ChoraleError, match=r"expected a name that ends in \.csv"):
        save(played, tmp_path / "a.txt")
    assert [file.name for file in path.parent.iterdir()] == ["a.csv"]


# --- the original's columns ----------------------------------------------------------


def test_the_originals_columns(tmp_path):
    (source,) = (root() / "numpy_chorales" / "examples").glob("bwv180.7*replaced.npy")
    played = perform(load_chorale(source), HZ, ORIGINAL, rng=np.random.default_rng(3))
    path = save_pfields(played, tmp_path / "a.csv")
    with path.open(newline="") as file:
        head = next(csv.reader(file))
        rows = [dict(zip(head, map(float, row), strict=True)) for row in csv.reader(file)]
    assert head == list(PFIELDS)
    assert ",".join(head) == (
        "inst,start,dur,velocity,tone,octave,voice,stereo,envelop,glis,upsamp,rEnvel,2nd G,3rd G,"
        "volume,chan"
    )
    assert len(rows) == len(played.notes)
    for row, note in zip(rows, played.notes, strict=True):
        assert (row["start"], row["dur"]) == (note["start"], note["duration"])
        assert 12 * row["octave"] + row["tone"] == note["key"]
        assert row["stereo"] / 16 == note["pan"] and row["upsamp"] == note["shift"]
        assert 58 <= row["velocity"] <= 71 and row["velocity"] == walk_velocity(note["velocity"])
        assert 10 <= row["volume"] <= 18 and row["volume"] % 0.25 == 0
        assert [row[name] for name in ("inst", "voice", "chan")] == [1, 1, 1]
        assert not any(row[name] for name in ("envelop", "glis", "rEnvel", "2nd G", "3rd G"))
    starts = [row["start"] for row in rows]
    assert starts == sorted(starts)
    assert len({row["volume"] for row in rows}) > 10


@pytest.mark.parametrize("volume", [15.0, 24.0])
def test_volumes_are_about_their_base(tmp_path, volume):
    walk = Walk(volume=volume, volumes=(volume, 30), falls=10**6)
    style = replace(ORIGINAL, dynamics=walk)
    played = perform(SCHMUECKE, HZ, style, rng=np.random.default_rng(0), spans=[])
    text = save_pfields(played, tmp_path / "a.csv").read_text()
    volumes = {row["volume"] for row in csv.DictReader(text.splitlines())}
    assert volumes == {str(volume)}


def test_other_styles_are_brought_to_the_originals_units(tmp_path):
    text = save_pfields(perform(SCHMUECKE, HZ), tmp_path / "a.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["volume"] for row in rows} == {"15.0"}
    assert {row["stereo"] for row in rows} == {"5", "7", "9", "11"}
    assert all(60 <= int(row["velocity"]) <= 80 for row in rows)
    middle = Performance(np.zeros(1, NOTE), 1.0, 1)
    middle.notes["key"] = 60
    assert save_pfields(middle, tmp_path / "b.csv").read_text().splitlines()[1].split(",")[5] == "5"
