"""Tables: each figure stands in its place, and what isn't Bach's stands out."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mocks import Uniform

from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.evaluation import score
from coconet.metrics import NAMES, Row, battery, within_bach
from coconet.passages import Passage
from coconet.referee import Referee
from coconet.tables import (
    PUBLISHED,
    Table,
    aligned,
    battery_table,
    in_blocks,
    likelihood_table,
    passages_table,
    short_names,
    shortened,
)


class Cells(HTMLParser):
    """The text of every cell of a table, row by row, and which ones have a colour of their own."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.coloured, self.open = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            if "background:#fde3d3" in dict(attributes)["style"]:
                self.coloured.add((len(self.rows) - 2, len(self.rows[-1])))
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def bach():
    rng = np.random.default_rng(1)
    pieces = load_corpus("valid")
    return [
        battery(part, name=f"Bach {k}", rng=rng) for k, part in enumerate((pieces[:20], pieces))
    ]


def test_a_table_is_the_same_as_html_and_as_text():
    table = Table(("", "a<b"), (("x & y", "1"), ("z", "2")), "top", ("below",), frozenset({(1, 1)}))
    read = Cells(table._repr_html_())
    assert read.rows == [["", "a<b"], ["x & y", "1"], ["z", "2*"], ["below"]]
    assert read.coloured == {(1, 1)} and not read.open
    assert str(table).splitlines() == ["top", "       a<b", "x & y    1", "z       2*", "below"]


def test_a_table_turned_has_its_rows_as_columns():
    rows = (("x", "1", "2"), ("y", "3", "4"))
    table = Table(("", "a", "b"), rows, "top", ("below",), frozenset({(0, 2), (1, 0)}))
    turned = table.turned()
    assert turned.header == ("", "x", "y")
    assert turned.rows == (("a", "1", "3"), ("b", "2", "4"))
    assert (turned.caption, turned.notes) == ("top", ("below",))
    assert turned.marked == {(1, 1)}  # a name that is now a heading has no mark
    assert turned.turned().rows == rows


def test_a_battery_stands_beside_bachs(bach):
    values = bach[1].values.copy()
    values[NAMES.index("fifths")], values[NAMES.index("beyond")] = 22.4, np.nan
    odd = Row("odd", bach[1].counts[:3], values, np.full(len(NAMES), np.nan))
    table = battery_table([odd], bach)
    assert table.header[1:4] == ("odd (3)", "Bach 0 (20)", f"Bach 1 ({len(bach[1].counts)})")
    assert [row[0].split(",")[0] for row in table.rows] == list(NAMES)
    fifths, beyond = (table.rows[NAMES.index(name)] for name in ("fifths", "beyond"))
    assert fifths[0] == "fifths, per 1000" and fifths[1] == "22.4" and beyond[1] == "–"
    inside = within_bach(odd, bach)
    strange = {NAMES[row] for row, _ in table.marked}
    assert "fifths" in strange and {column for _, column in table.marked} == {1}
    assert strange == {name for name in NAMES if not inside[name]} - {"beyond"}
    assert Cells(table._repr_html_()).coloured == table.marked
    hold = table.rows[0]
    assert hold[3] == f"{bach[1].value('hold'):.3f} ± {bach[1].error('hold'):.3f}"


def test_a_battery_may_be_a_few_metrics(bach):
    table = battery_table([bach[0]], bach, names=("octaves", "hold"))
    assert [row[0] for row in table.rows] == ["octaves, per 1000", "hold"]
    assert not table.marked  # his own are his


def test_likelihoods_stand_above_published_ones():
    pieces = [crop(chorale, (0, 16)) for chorale in load_corpus("demo")[:2]]
    scores = score(Uniform(), pieces, Referee(orders=1), model="none", progress=False)
    table = likelihood_table([scores])
    assert table.rows[0][:2] == ("none", f"{4 * np.log(46):.3f} ± 0.000")
    assert table.rows[0][4:] == ("100.0%", "1", "2 pieces")
    assert [row[0] for row in table.rows[1:]] == [row[0] for row in PUBLISHED]
    assert table.rows[1][1] == "0.570 ± 0.010"
    short = score(Uniform(), pieces, Referee(orders=1, every=5), progress=False)
    (row,) = likelihood_table([short], pieces="some", published=()).rows
    assert row[-1] == "some, one step in 5"
    notes = score(Uniform(), pieces, Referee(unit="note", orders=1), progress=False)
    assert (
        len(likelihood_table([notes]).rows) == 1 and "note" in likelihood_table([notes]).header[1]
    )
    with pytest.raises(ChoraleError, match="got 2"):
        likelihood_table([short, notes])


def test_nearest_passages_are_told():
    near = Passage((0, 32), 3, "1.6", "", (16, 48), -2, 0.75)
    copy = Passage((4, 14), 0, "", "By name", (0, 10), 0, 1.0)
    table = passages_table([("one", near, copy), ("two", near, None)])
    assert table.rows[0] == ("one", "75%", "0.25", "BWV 1.6", "2.5 quarters", "By name")
    assert table.rows[1][4:] == ("none", "")


@settings(max_examples=50)
@given(
    st.integers(1, 4).flatmap(
        lambda rows: st.lists(
            st.lists(st.text("ab", max_size=9), min_size=rows, max_size=rows),
            min_size=3,
            max_size=9,
        )
    ),
    st.integers(1, 60),
    st.integers(1, 2),
)
def test_a_wide_table_stands_in_blocks(columns, width, first):
    blocks = in_blocks(list(zip(*columns, strict=True)), width=width, first=first)
    sizes = [max(map(len, column)) + 2 for column in columns]
    always, at, count = sum(sizes[:first]) - 2, first, 0
    while at < len(sizes):  # as many columns as fit, and one at least
        used, count = always + sizes[at], count + 1
        at += 1
        while at < len(sizes) and used + sizes[at] <= width:
            used, at = used + sizes[at], at + 1
    assert len(blocks) == count
    widest = always + max(sizes[first:])
    assert max(len(line) for block in blocks for line in block) <= max(width, widest)
    cells = ["".join(cell for column in columns[first:] for cell in column[row : row + 1])
             for row in range(len(columns[0]))]  # fmt: skip
    heads = ["".join(column[row] for column in columns[:first]) for row in range(len(cells))]
    for row, (head, cell) in enumerate(zip(heads, cells, strict=True)):
        told = "".join("".join(block[row].split()).removeprefix(head) for block in blocks)
        assert told == cell


def test_wide_signs_take_two_columns():
    assert aligned([["", "n"], ["世界", "1"], ["e\u0301t", "10"]]) == [
        "       n",
        "世界   1",
        "e\u0301t    10",
    ]


def test_names_stay_on_one_line():
    assert shortened("a\n b\x1b[31m\tc", 20) == "a b [31m c"
    assert shortened("chorale-version-012", 12) == "chora…on-012"


TITLE = "bwv180.7-schmuecke-dich-o-liebe-seele"


@pytest.mark.parametrize(
    ("longest", "names", "told"),
    [
        # What fits stays, on one line; equal names stay equal.
        (40, [TITLE, "a\nb · bass", "", ""], [TITLE, "a b · bass", "", ""]),
        # They differ where they begin; the group stays whole.
        (
            26,
            [f"{TITLE}-replaced · quartet {n}" for n in (1, 2)]
            + ["bwv373-liebster-jesu-replaced · quartet 1"],
            [f"bwv180.7-schm… · quartet {n}" for n in (1, 2)] + ["bwv373-liebst… · quartet 1"],
        ),
        # They differ where they end, all of them or some; and both there and before.
        (20, [f"{TITLE}-{n:02}" for n in (1, 12)], ["bwv180.7…01", "bwv180.7…12"]),
        (
            20,
            [*(f"{TITLE}-{n}-slow" for n in "ab"), "bwv373-liebster-jesu-wir-sind-hier", "c"],
            ["bwv180.7…a-slow", "bwv180.7…b-slow", "bwv373-liebster-jes…", "c"],
        ),
        (
            14,
            [f"take-{n}-of-a-long-{end}" for n in "12" for end in ("day", "night")],
            ["…1-…day", "…1-…night", "…2-…day", "…2-…night"],
        ),
        # One begins the other; no word ends before they differ.
        (16, [TITLE, f"{TITLE}-slow"], ["bwv180…seele", "bwv180…seele-sl…"]),
        (12, ["x" * 30 + n + "y" * 9 for n in "ab"], ["xxxxx…ayyyy…", "xxxxx…byyyy…"]),
        # One piece alone loses its middle, and so does what leaves it no room.
        (
            20,
            [f"{TITLE} · bass", f"{TITLE} · alto"],
            [f"bwv180…-seele · {voice}" for voice in ("bass", "alto")],
        ),
        (12, ["a-name · 0 1 2 3 4 5"], ["a-nam… 3 4 5"]),
        (9, [], []),
    ],
)
def test_long_names_keep_what_tells_them_apart(longest, names, told):
    assert short_names(names, longest) == told


WORDS = st.lists(st.sampled_from(["o", "dich", "liebe", "seele-schmuecke"]), max_size=6)


@given(WORDS, WORDS, st.sets(st.integers(0, 9999), min_size=1, max_size=9), st.integers(14, 60))
def test_names_that_differ_in_a_word_show_it(before, after, numbers, longest):
    names = ["-".join([*before, str(number), *after]) for number in sorted(numbers)]
    told = short_names(names, longest)
    assert len(set(told)) == len(names) and max(map(len, told)) <= longest
    for name, number, short in zip(names, sorted(numbers), told, strict=True):
        assert short == name if len(name) <= longest else "…" in short
        assert len(names) == 1 or str(number) in short


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda bach: Table(("a", "b"), (("1",),)), "row 0: expected 2 cells"),
        (lambda bach: likelihood_table([]), "got 0"),
        (lambda bach: battery_table(bach, bach, names=("sweetness",)), "sweetness"),
        (lambda bach: battery_table(bach, []), "row of Bach"),
    ],
)
def test_bad_input_is_refused(bach, act, said):
    with pytest.raises(ChoraleError, match=said):
        act(bach)
