"""Reports: rows sorted, filtered and compared with Bach's; as text, as table, as CSV."""

import csv
import io

import numpy as np
import pytest

from coconet.corpus import load_corpus, transpose
from coconet.errors import ChoraleError
from coconet.features import FEATURES, NAMES, bach_features, column_of, describe, percentiles
from coconet.reports import LINE, USUAL, feature_table, report_of

C = np.repeat([[72], [67], [64], [48]], 16, axis=1)


@pytest.fixture(scope="module")
def pieces():
    demo = {f"bwv{chorale.bwv}": chorale for chorale in load_corpus("demo")}
    return {"still": C, **demo, "silent": np.zeros((4, 16), int)}


@pytest.fixture(scope="module")
def report(pieces):
    return report_of(pieces)


def test_a_row_is_a_piece_beside_bachs(pieces, report):
    assert report.names == tuple(pieces) and len(report) == 6
    for row, piece in enumerate(pieces.values()):
        np.testing.assert_array_equal(report.values[row], describe(piece))
    np.testing.assert_array_equal(
        report.percentiles, percentiles(report.values, bach_features("train"))
    )
    low, high = USUAL
    where = report.percentiles
    assert (report.strange == ((where < low) | (where > high))).all()
    assert report.strange[0, column_of("entropy")] and not report.strange[5, column_of("entropy")]


def test_rows_are_sorted_and_what_has_no_number_is_last(report):
    down, up = report.sorted_by(), report.sorted_by(ascending=True)
    entropies = down.column("pitch-class entropy")
    assert (np.diff(entropies[:-1]) <= 0).all() and np.isnan(entropies[-1])
    assert up.names == (*down.names[-2::-1], "silent")
    assert down.names[-2:] == ("still", "silent")
    assert report.sorted_by("notes", ascending=True).names[0] == "silent"
    equal = report.take([0, 0, 0]).sorted_by("range")
    assert equal.names == ("still",) * 3
    # Equal rows stay in the order given.
    many = report.take([*range(1, 5)] * 20)
    assert many.sorted_by("beyond").names == many.names


def test_rows_are_filtered_and_counted(report):
    kept = report.where("notes > 20 and entropy > 0").sorted_by("density").head(2)
    by_hand = sorted(
        (name for name in report.names if name.startswith("bwv")),
        key=lambda name: -report.column("density")[report.names.index(name)],
    )
    assert list(kept.names) == by_hand[:2]
    none = report.where("entropy > 99")
    assert len(none) == 0 and none.csv().count("\n") == 1
    assert report.head(None).names == report.names


def test_groups_are_compared_with_the_same_voices_of_bach():
    chorale = load_corpus("demo")[1]
    stack = np.vstack([chorale.grid, transpose(chorale, 2).grid])
    quartets = report_of({"it": stack}, groups="quartets")
    assert quartets.names == ("it · quartet 1", "it · quartet 2")
    assert quartets.values[0, column_of("range")] == quartets.values[1, column_of("range")]
    voices = report_of({"it": stack}, groups="voices")
    assert voices.names[0] == "it · soprano" and voices.names[7] == "it · bass 2"
    assert voices.voices == ((0,), (1,), (2,), (3,)) * 2
    np.testing.assert_array_equal(
        voices.percentiles[3],
        percentiles(describe(stack, voices=[3]), bach_features("train", voices=[3])),
    )
    some = report_of({"it": stack}, groups="0:8, 4:6")
    assert some.names == ("it · 0:8", "it · 4:6") and some.voices == ((0, 1, 2, 3), (0, 1))
    np.testing.assert_array_equal(some.values[0], describe(stack))
    listed = report_of([stack], groups=[[5, 0], [7]])
    assert listed.names == ("piece 1 · 0 5", "piece 1 · 7")
    assert report_of([stack], groups=np.array([[0, 5]])).names == listed.names[:1]
    # Voices have their names, as everywhere: those of every quartet.
    basses = report_of({"it": stack}, groups="bass, 0:4")
    assert basses.names == ("it · bass", "it · 0:4") and basses.voices == ((3,), (0, 1, 2, 3))
    np.testing.assert_array_equal(basses.values[0], describe(stack, voices=[3, 7]))
    for groups in (["bass"], [["bass"]], [[3, -1]]):
        np.testing.assert_array_equal(report_of([stack], groups=groups).values, basses.values[:1])
    assert report_of([chorale], groups="quartets").names == (chorale.title,)
    assert "same voices" in voices.text() and "same voices" not in quartets.text()
    # A voice that never sounds, such as those that a melody lacks, is like none of his.
    melody = report_of([np.vstack([C[:1], 0 * C[1:]])])
    assert melody.voices == ((0,),)
    # More than four voices can't be compared with four in all columns: it is said.
    assert any("more than four" in note for note in some.notes) and not quartets.notes


def test_distances_stand_where_shapes_fit(pieces):
    original = pieces["bwv373"]
    shifted = np.roll(original.grid, 1, axis=1)
    told = {**pieces, "shifted": shifted, "stack": np.vstack([original.grid, shifted])}
    report = report_of(told, original=original)
    distances = dict(zip(report.names, report.column("distance"), strict=True))
    share = (shifted != original.grid).mean()
    assert distances["bwv373"] == 0 and distances["shifted"] == share
    assert distances["stack"] == share / 2 and np.isnan(distances["bwv180.7"])
    assert "no distance for 5 of 8 pieces" in report.notes[0]
    assert report.columns == FEATURES
    assert "distance" not in {feature.name for feature in report_of(pieces).columns}


def test_text_fits_a_terminal_and_tells_every_number(report):
    text = report.sorted_by("fifths").text()
    lines = text.splitlines()
    assert max(map(len, lines)) <= LINE
    blocks = text.count("95 % of Bach's")
    assert blocks == len(text.split("\n\n")) - 1
    for name in report.names:
        assert sum(line.startswith(f"{name} ") for line in lines) == blocks, name
    assert all(feature.heading[1] in text for feature in report.columns)
    dissonance, among = (
        told[1, column_of("dissonance")] for told in (report.values, report.percentiles)
    )
    assert f" {dissonance:.3f} ({among:.0f})".replace(" 0.", " .") in text
    assert text.count("↓") == 1 and "↓fifths" in text
    assert "↑entropy" in report.sorted_by(ascending=True).text()
    shown = report.take([0]).text()
    assert shown.count("*") == report.strange[0].sum() + 1  # and the line that explains it


@pytest.mark.parametrize("width", [80, 200])
def test_text_is_as_wide_as_the_terminal(report, width):
    text = report.text(width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("95 % of Bach's") == {80: 3, 200: 1}[width]


def test_names_of_odd_signs_stay_in_their_line():
    text = report_of({"two\nlines": C, "世界": C}).text()
    assert "\ntwo lines       1.50 (0)*" in text and "\n世界            1.50 (0)*" in text


def test_long_names_lose_their_middle():
    name = "a-chorale-whose-name-is-much-too-long-version-012"
    text = report_of({name: C}).text()
    assert "a-chorale-" in text and "…" in text and "-version-012 " in text


def test_names_of_groups_keep_what_tells_them_apart():
    stack = np.vstack([C, C])
    ends = ("first-of-all-my-versions-replaced", "other-of-all-my-versions-replaced")
    text = report_of({f"a-title-of-some-length-{end}": stack for end in ends}, groups="quartets")
    heads = {line[:27].strip() for line in text.text(width=80).splitlines() if "quartet" in line}
    assert heads == {
        f"a…{end} · quartet {n}" for end in ("first-of-al…", "other-of-al…") for n in (1, 2)
    }


def test_the_note_says_how_equal_ones_count():
    """Nothing beyond its range is as usual in Bach: not 0 of a hundred, though none lies below."""
    report, column = report_of([C]), column_of("beyond")
    assert report.values[0, column] == 0 == bach_features("train")[:, column].min()
    assert report.percentiles[0, column] > 40
    assert "lie below, equal ones counted half" in report.table().notes[0]


def test_a_table_marks_what_is_not_usual_in_bach(pieces, report):
    table = feature_table(pieces, sort="notes", where="notes > 0", top=3, caption="mine")
    order = report.sorted_by("notes").names[:3]
    assert [row[0] for row in table.rows] == [*order, "95 % of Bach's"]
    assert table.header[1] == "pitch-class entropy, bits"
    assert len(table.header) == len(FEATURES)  # the name of each, and no distance
    assert table.caption == "mine"
    # A report shows itself so, at the end of a notebook's cell.
    assert report._repr_html_() == report.table()._repr_html_() and repr(report) == report.text()
    named = feature_table([C], names=["mine"], split="valid")
    assert named.rows[0][0] == "mine" and "(valid split)" in named.notes[0]
    row = report.names.index(order[0])
    strange = {1 + k for k in np.flatnonzero(report.strange[row])}
    assert {column for line, column in table.marked if line == 0} == strange
    assert not any(line == 3 for line, _ in table.marked)


def test_the_csv_holds_every_number(report):
    rows = list(csv.DictReader(io.StringIO(report.csv())))
    assert [row["name"] for row in rows] == list(report.names)
    for place, row in enumerate(rows):
        for column, name in enumerate(NAMES):
            for key, wanted in ((name, report.values), (f"{name} percentile", report.percentiles)):
                value = wanted[place, column]
                found = float(row[key]) if row[key] else np.nan
                assert found == pytest.approx(value, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda: report_of({}), "at least one piece"),
        (lambda: report_of([]), "at least one piece"),
        (lambda: report_of(3), "at least one piece, got 3"),
        (lambda: report_of("a.npy"), "at least one piece, got 'a.npy'"),
        (lambda: report_of([C], names="a"), "names: expected 1"),
        (lambda: report_of([C, C], names=["one"]), "names: expected 2"),
        (lambda: report_of({"mine": np.ones((4, 8, 2), int)}), "mine: expected shape"),
        (lambda: report_of([C], original=C[:, None]), "original: expected shape"),
        (lambda: report_of([C], groups="octets"), "quartets, voices, names of voices"),
        (lambda: report_of([C[:3]], groups="bass"), "groups of piece 1: no bass among 3 voices"),
        (lambda: report_of([C], groups=[["flute"]]), "unknown voice 'flute'"),
        (lambda: report_of([C], groups=[None]), "lists of rows or names"),
        (lambda: report_of([C], groups=[0, 1]), "lists of rows or names"),
        (lambda: report_of({"mine": C}, groups="0:8"), "within 0:4, the voices of mine"),
        (lambda: report_of([C], groups="2:2"), "first row before the end"),
        (lambda: report_of([C], groups="4:0"), "groups 4:0: expected the first row before"),
        (lambda: report_of([C], groups=[[0, 4]]), "rows 0-3"),
        (lambda: report_of([C], groups=[[]]), "rows 0-3"),
        (lambda: report_of([C], groups=[3]), "lists of rows"),
        (lambda: report_of([C], groups=3), "lists of rows"),
        (lambda: report_of([C], groups=[]), "rows 0-3"),
        (lambda: report_of([C], groups=[["a", 1]]), "groups of piece 1: expected .* rows 0-3"),
        (lambda: report_of([C], groups=[[1, 1]]), "a row comes twice"),
        (lambda: report_of([C], split=["train"]), "split"),
        (lambda: report_of([C]).where(None), "expected one such as"),
        (lambda: feature_table([C], where=""), "expected one such as"),
        (lambda: report_of([C], split="mine"), "split"),
        (lambda: report_of([C]).sorted_by("beauty"), "column 'beauty': unknown"),
        (lambda: report_of([C]).where("beauty > 3"), "column 'beauty': unknown"),
        (lambda: report_of([C]).head(0), "1 or more"),
        (lambda: report_of([C]).head(2.5), "1 or more"),
    ],
)
def test_bad_input_is_refused(act, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        act()
