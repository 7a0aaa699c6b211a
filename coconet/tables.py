"""Tables to read: likelihoods, metrics beside Bach's, nearest passages; lines, CSV, figures.

Plain HTML that a notebook shows by itself; `str` of one is the same as text.
"""

from __future__ import annotations

import csv
import html
import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, takewhile

import numpy as np

from coconet.errors import ChoraleError
from coconet.evaluation import Scores
from coconet.metrics import METRICS, NAMES, Row, bach_spread, within_bach
from coconet.passages import Passage

#: Figures that others have published: model, nats a frame, error, and what was scored.
PUBLISHED = (
    ("Coconet, 64 layers × 128 filters (Huang et al. 2017)", 0.57, 0.01, "JSB, test, whole"),
    ("a public replication, 170,000 parameters", 0.614, 0.015, "JSB, test, whole"),
)
#: Characters of a line, where no terminal says how many it has.
LINE = 100
#: Between a piece's name and that of a group of its voices.
GROUP = " · "
#: Characters of a piece's name beside that of a group, at least.
SHORTEST = 8
#: White paper and dark ink, whatever the notebook's theme.
STYLE = "background:#ffffff;color:#222222;border-collapse:collapse;font-size:0.9em;margin:0.5em 0"
RULE = "border-bottom:1px solid #bbbbbb"
STRANGE = "background:#fde3d3;font-weight:bold"


@dataclass(frozen=True, repr=False)
class Table:
    """A table of text: the first column to the left, the others to the right.

    header : a heading a column
    rows : a text a column
    caption : a line above
    notes : lines below
    marked : (row, column) of cells that stand out, from 0
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    marked: frozenset[tuple[int, int]] = frozenset()

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ChoraleError(
                    f"row {number}: expected {len(self.header)} cells, got {len(row)}"
                )

    def starred(self) -> list[list[str]]:
        """The rows, with a star to what stands out: some viewers strip colours."""
        return [
            [cell + "*" * ((i, j) in self.marked) for j, cell in enumerate(row)]
            for i, row in enumerate(self.rows)
        ]

    def turned(self) -> Table:
        """Rows as columns, for a few things in many numbers."""
        lines = zip(self.header, *self.rows, strict=True)
        header, *rows = (tuple(line) for line in lines)
        marked = frozenset((j - 1, i + 1) for i, j in self.marked if j)
        return replace(self, header=header, rows=tuple(rows), marked=marked)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        text = aligned([self.header, *self.starred()])
        return "\n".join([*([self.caption] if self.caption else []), *text, *self.notes])

    def _repr_html_(self) -> str:
        def cell(text: str, column: int, tag: str, extra: str = "") -> str:
            style = f"text-align:{'right' if column else 'left'};padding:0.2em 0.8em;{extra}"
            return f'<{tag} style="{style}">{html.escape(text)}</{tag}>'

        head = "".join(cell(text, j, "th", RULE) for j, text in enumerate(self.header))
        body = [
            "".join(
                cell(text, j, "td", STRANGE if (i, j) in self.marked else "")
                for j, text in enumerate(row)
            )
            for i, row in enumerate(self.starred())
        ]
        # Jupyter stripes rows by its own theme; one background for all is readable in each.
        line = '<tr style="background:#ffffff">'
        caption = (
            f'<caption style="text-align:left;font-weight:bold;color:#222222;'
            f'background:#ffffff;padding:0.3em 0.8em">{html.escape(self.caption)}</caption>'
            if self.caption
            else ""
        )
        below = "".join(
            f'{line}<td colspan="{len(self.header)}" style="text-align:left;font-size:0.9em;'
            f'padding:0.3em 0.8em">{html.escape(note)}</td></tr>'
            for note in self.notes
        )
        rows = "".join(f"{line}{row}</tr>" for row in body)
        return (
            f'<table style="{STYLE}">{caption}<thead>{line}{head}</tr></thead>'
            f"<tbody>{rows}</tbody><tfoot>{below}</tfoot></table>"
        )


def aligned(rows: Sequence[Sequence[str]], *, gap: int = 2, left: int = 1) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right.

    Parameters
    ----------
    gap : blanks between two columns
    left : how many columns stand to the left, from the first

    >>> aligned([["a", "bc", "1"], ["b", "d", "20"]], left=2)
    ['a  bc   1', 'b  d   20']
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        blanks = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        pairs = enumerate(zip(row, blanks, strict=True))
        cells = [cell + blank if at < left else blank + cell for at, (cell, blank) in pairs]
        lines.append((" " * gap).join(cells).rstrip())
    return lines


def in_blocks(
    rows: Sequence[Sequence[str]], *, width: int, gap: int = 2, first: int = 1
) -> list[list[str]]:
    """The lines of a wide table in blocks of columns, evenly filled.

    Parameters
    ----------
    width : characters that a line may have; a single column may be wider
    first : how many columns stand in every block

    Returns
    -------
    a list of lines a block, as few blocks as there can be

    >>> in_blocks([["", "a", "b"], ["x", "1", "2"]], width=6)
    [['   a', 'x  1'], ['   b', 'x  2']]
    """
    columns = list(zip(*rows, strict=True))
    widths = [max(map(_width, column)) + gap for column in columns]
    always, rest = sum(widths[:first]) - gap, range(first, len(columns))

    def filled(limit: int) -> list[list[int]]:
        blocks: list[list[int]] = []
        for place in rest:
            if not blocks or always + sum(widths[p] for p in (*blocks[-1], place)) > limit:
                blocks.append([])
            blocks[-1].append(place)
        return blocks

    fewest = len(filled(width))
    blocks = next(b for b in map(filled, range(width + 1)) if len(b) == fewest)
    chosen = ([*columns[:first], *(columns[place] for place in block)] for block in blocks)
    return [aligned(list(zip(*block, strict=True)), gap=gap) for block in chosen]


def shortened(name: str, longest: int) -> str:
    """A name on one line, without its middle where it is long: versions differ at the end.

    >>> shortened("a piece\\n of mine, version 12", 13)
    'a piec…ion 12'
    """
    name = _on_one_line(name)
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[half + 1 - longest :]}"


def short_names(names: Sequence[str], longest: int) -> list[str]:
    """Names on a line each; of long ones what tells them apart stays.

    What follows `GROUP` in a name stays whole, and names of the same piece are cut alike.
    Names of one piece alone are cut as `shortened` does.

    Parameters
    ----------
    longest : characters of a name

    >>> short_names(["a-long-name-one-replaced · bass", "a-long-name-two-replaced · bass"], 18)
    ['a…one-repl… · bass', 'a…two-repl… · bass']
    """
    told = [_on_one_line(name) for name in names]
    parts = [name.rpartition(GROUP) for name in told]
    room = longest - max((len(mark + group) for stem, mark, group in parts if stem), default=0)
    if room < SHORTEST or max(map(len, told), default=0) <= longest:
        return [shortened(name, longest) for name in told]
    stems = [stem or group for stem, _, group in parts]
    cut = _cut_apart(list(dict.fromkeys(stem for stem in stems if len(stem) > room)), room)
    counted = Counter(cut.values())
    cut |= _without_shared([stem for stem, told in cut.items() if counted[told] > 1], room)
    return [
        cut.get(stem, stem) + (mark + group if whole else "")
        for stem, (whole, mark, group) in zip(stems, parts, strict=True)
    ]


def _cut_apart(names: Sequence[str], room: int, *, at_words: bool = True) -> dict[str, str]:
    """Different long names, cut to `room`: where they begin alike, from there on.

    at_words : what they begin with is whole words
    """
    if len(names) < 2:
        return {name: shortened(name, room) for name in names}
    split = zip(*(_words(name) if at_words else name for name in names), strict=False)
    alike = sum(len(parts[0]) for parts in takewhile(lambda parts: len({*parts}) == 1, split))
    begun = names[0][:alike]
    if alike > room // 2:
        begun = _words(begun)[0][: room // 2 - 1].rstrip("-_/. ") + "…"
    cut: dict[str, list[str]] = {}
    for name in names:
        cut.setdefault(_ended(begun + name[alike:], room), []).append(name)
    made: dict[str, str] = {}
    for told, meant in cut.items():
        if len(meant) == 1:
            made[meant[0]] = told
        else:  # they have more in common: the next cut begins later, at last at a letter
            made |= _cut_apart(meant, room, at_words=len(cut) > 1)
    return made


def _without_shared(names: Sequence[str], room: int) -> dict[str, str]:
    """Names without the words that all of them have."""
    words = {name: _words(name) for name in names}
    shared = set.intersection(*map(set, words.values())) if names else set()
    return {
        name: _ended(
            "".join(
                "…" if is_shared else "".join(run)
                for is_shared, run in groupby(parts, key=shared.__contains__)
            ),
            room,
        )
        for name, parts in words.items()
    }


def _words(name: str) -> list[str]:
    """Its words, each with what stands between it and the next."""
    return re.split(r"(?<=[\s_/-])", name)


def _ended(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _on_one_line(name: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())


def figure(value: float, digits: int, *, share: bool = False) -> str:
    """A number with so many digits after the point; a share without its zero.

    >>> figure(0.25, 3, share=True), figure(math.nan, 3)
    ('.250', '–')
    """
    if math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("0") if share else text


def csv_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV: six digits of every number, nothing where there is none.

    >>> csv_of(["name", "n", "share"], [["a, b", 3, math.nan]])
    'name,n,share\\n"a, b",3,\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(map(_in_full, row) for row in rows)
    return text.getvalue()


def _in_full(cell: object) -> object:
    if not isinstance(cell, float):
        return cell
    return "" if math.isnan(cell) else f"{cell:.6g}"


def _width(text: str) -> int:
    """Columns of a terminal: two for a wide sign, none for an accent of its own."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def likelihood_table(
    results: Sequence[Scores],
    *,
    pieces: str = "",
    published: Sequence[tuple[str, float, float, str]] = PUBLISHED,
) -> Table:
    """Models' nats a frame (or note) and, below, figures that others have published.

    pieces : what was scored, in words; by default their number
    published : in nats a frame, so left out where notes were scored

    Raises ChoraleError where nothing was scored, or frames and notes both.
    """
    units = {scores.referee.unit for scores in results}
    if len(units) != 1:
        raise ChoraleError(f"likelihoods: expected scores of frames or of notes, got {len(units)}")
    (unit,) = units
    rows = []
    for scores in results:
        found, rules = scores.summary(), scores.referee
        what = pieces or f"{found.pieces} pieces"
        what += "" if rules.every == 1 else f", one step in {rules.every}"
        rows.append(
            (
                scores.model,
                _measured(found.nats, found.error),
                f"{found.median:.2f}",
                f"{found.p99:.2f}",
                f"{found.surprises:.1%}",
                f"{rules.orders}",
                what,
            )
        )
    for name, nats, error, what in published if unit == "frame" else ():
        rows.append((name, _measured(nats, error), "", "", "", "5", what))
    header = ("model", f"nats a {unit}", "median", "99 %", "> 2 nats", "orders", "scored")
    return Table(header, tuple(rows), notes=("± standard error over pieces; lower is better",))


def battery_table(
    rows: Sequence[Row], bach: Sequence[Row], *, names: Sequence[str] = NAMES
) -> Table:
    """Metrics down, sets across, Bach's last; what isn't his stands out.

    Parameters
    ----------
    rows : sets of pieces; bach : his own sets, as `bach_rows` gives them
    names : of the metrics shown

    Raises
    ------
    ChoraleError
        For an unknown metric, or without a row of Bach's.
    """
    low, high = bach_spread(bach)
    inside = [within_bach(row, bach) for row in rows]
    body, marked = [], set()
    for name in names:
        values = [row.value(name) for row in (*rows, *bach)]
        errors = [row.error(name) for row in (*rows, *bach)]
        metric = METRICS[NAMES.index(name)]
        digits = 1 if metric.scale > 1 and max(np.nan_to_num(values)) >= 10 else 2
        digits = digits if metric.scale > 1 else 3
        for column, where in enumerate(inside, start=1):
            if not where[name] and not math.isnan(values[column - 1]):
                marked.add((len(body), column))
        a, b = low[NAMES.index(name)], high[NAMES.index(name)]
        told = name if metric.unit == "share" else f"{name}, {metric.unit}"
        body.append(
            (
                told,
                *(_measured(v, e, digits) for v, e in zip(values, errors, strict=True)),
                f"{max(0.0, a):.{digits}f} to {b:.{digits}f}",
            )
        )
    header = ("", *(f"{row.name} ({row.pieces})" for row in (*rows, *bach)), "Bach's spread")
    notes = (
        "shares of 1 unless a unit stands there; ± bootstrap errors over pieces;"
        " in brackets the number of pieces",
        "Bach's spread: from his lowest to his highest split, each widened by 1.96 errors;"
        " * beyond it",
    )
    return Table(header, tuple(body), notes=notes, marked=frozenset(marked))


def passages_table(found: Sequence[tuple[str, Passage, Passage | None]]) -> Table:
    """For each piece its nearest passage in a corpus, and its longest copy.

    found : name of the piece, `nearest_passage`, `longest_copy`
    """
    rows = []
    for name, near, copy in found:
        quarters = f"{copy.steps / 4:g} quarters" if copy else "none"
        rows.append(
            (
                name,
                f"{near.share:.0%}",
                f"{near.distance:.2f}",
                f"BWV {near.bwv}" if near.bwv else near.title,
                quarters,
                "" if copy is None else f"BWV {copy.bwv}" if copy.bwv else copy.title,
            )
        )
    header = ("", "equal cells", "distance", "nearest to", "longest copy", "of")
    return Table(header, tuple(rows))


def _measured(value: float, error: float, digits: int = 3) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")
