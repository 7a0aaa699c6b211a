"""Many pieces in numbers, side by side: sorted, filtered, as text, as a table, as CSV.

A report has a row for each piece, or for each group of its voices, and beside every
number where it lies among Bach's chorales: a bass among his basses, a whole piece among
his whole chorales.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import fill

import numpy as np

from coconet.checks import rows_of, whole
from coconet.chorale import Chorale
from coconet.conditions import Condition, parse_condition
from coconet.errors import ChoraleError, shown
from coconet.features import (
    FEATURES,
    NAMES,
    QUARTET,
    Feature,
    Piece,
    Voices,
    bach_features,
    column_of,
    describe,
    fits_original,
    percentiles,
)
from coconet.grid import VOICES, is_whole, items_of, validate_grid, voice_name
from coconet.tables import GROUP, LINE, Table, csv_of, figure, in_blocks, short_names

#: By which column a report is sorted, highest first: those with character on top.
SORTED_BY = "pitch-class entropy"
#: From where to where a number is as usual in Bach, in percent of his chorales.
USUAL = (2.5, 97.5)
#: Characters of a name in a line of text, at most.
LONGEST_NAME = 34
#: What a voice is called alone in `groups`.
CALLED = (*VOICES, *(name[0] for name in VOICES))
Groups = str | Sequence[Voices]


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """Pieces, or groups of their voices, in numbers beside Bach's.

    Attributes
    ----------
    names : one a row
    values, percentiles : float arrays, shape=(rows, features), in the order of
        `features.NAMES`; NaN where nothing could be counted
    voices : for each row which voices of Bach's chorales it is compared with, 0-3
    notes : what should be known of the numbers
    split : the part of the corpus that it is compared with
    ordered : the column by which the rows are sorted, or None; and whether ascending
    """

    names: tuple[str, ...]
    values: np.ndarray
    percentiles: np.ndarray
    voices: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()
    split: str = "train"
    ordered: tuple[str, bool] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @property
    def strange(self) -> np.ndarray:
        """bool array, shape=(rows, features): beyond where most of Bach's chorales lie."""
        low, high = USUAL
        return (self.percentiles < low) | (self.percentiles > high)

    def column(self, name: str) -> np.ndarray:
        """One feature of all rows; raises ChoraleError for an unknown name."""
        return self.values[:, column_of(name)]

    def bach(self) -> np.ndarray:
        """Bach's chorales for comparison, each set of voices once: (sets, chorales, features)."""
        sets = sorted(set(self.voices)) or [tuple(range(QUARTET))]
        return np.stack([bach_features(self.split, voices=rows) for rows in sets])

    def take(self, rows: Sequence[int] | np.ndarray) -> Report:
        """These rows, in this order."""
        rows = np.asarray(rows, int)
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            values=self.values[rows],
            percentiles=self.percentiles[rows],
            voices=tuple(self.voices[row] for row in rows),
        )

    def sorted_by(self, name: str = SORTED_BY, *, ascending: bool = False) -> Report:
        """Highest first, or lowest; equal ones as they were; what has no number last."""
        values = self.column(name)
        keys = np.where(np.isnan(values), np.inf, values if ascending else -values)
        made = self.take(np.argsort(keys, kind="stable"))
        return replace(made, ordered=(NAMES[column_of(name)], ascending))

    def where(self, condition: str | Condition) -> Report:
        """The rows that meet a condition such as 'entropy > 3 and fifths = 0'."""
        if not isinstance(condition, Condition):
            condition = parse_condition(condition)
        return self.take(np.flatnonzero(condition.holds(self.values)))

    def head(self, count: int | None) -> Report:
        """The first rows; all of them for None."""
        return self.take(np.arange(len(self))[: None if count is None else whole(count, "top", 1)])

    @property
    def columns(self) -> tuple[Feature, ...]:
        """Those worth showing: without an original there is no distance."""
        known = ~np.isnan(self.column("distance"))
        return FEATURES if known.any() else tuple(f for f in FEATURES if f.name != "distance")

    def table(self, *, caption: str = "") -> Table:
        """For a notebook: percentiles in brackets; what isn't usual in Bach stands out."""
        strange = self.strange[:, [column_of(feature.name) for feature in self.columns]]
        return Table(
            ("", *(f"{feature.name}, {feature.unit}" for feature in self.columns)),
            tuple(self._rows()),
            caption=caption,
            notes=(*self._legend(), *self.notes),
            marked=frozenset((int(i), int(j) + 1) for i, j in np.argwhere(strange)),
        )

    def text(self, *, width: int = LINE) -> str:
        """For a terminal of so many characters: columns in blocks, where they don't fit."""
        table = self.table()
        headings = zip(*map(self._heading, self.columns), strict=True)
        lines = [["", *(f"{part} " for part in heading)] for heading in headings]
        longest = min(LONGEST_NAME, max(width // 3, 8))
        rows = table.starred()
        names = short_names(self.names, longest) + [name for name, *_ in rows[len(self) :]]
        for name, (_, *cells) in zip(names, rows, strict=True):
            lines.append([name, *(c if c.endswith("*") else f"{c} " for c in cells)])
        text: list[str] = []
        for block in in_blocks(lines, width=width, gap=1):
            text += [*filter(None, block), ""]
        return "\n".join([*text, *(fill(note, max(width, 20)) for note in table.notes)])

    def csv(self) -> str:
        """Every number in full, and its percentile."""
        both = np.stack([self.values, self.percentiles], axis=2).reshape(len(self), 2 * len(NAMES))
        header = ["name", *(name + part for name in NAMES for part in ("", " percentile"))]
        return csv_of(header, ([n, *row] for n, row in zip(self.names, both.tolist(), strict=True)))

    def _rows(self) -> list[tuple[str, ...]]:
        """A text a cell, and last where most of Bach's chorales lie, if that is one range."""
        places = [column_of(feature.name) for feature in self.columns]
        rows = [
            (name, *(_cell(FEATURES[k], values[k], among[k]) for k in places))
            for name, values, among in zip(self.names, self.values, self.percentiles, strict=True)
        ]
        if len(set(self.voices)) == 1:
            rows.append((f"{USUAL[1] - USUAL[0]:g} % of Bach's", *self._usual(places)))
        return rows

    def _usual(self, places: Sequence[int]) -> list[str]:
        (bach,) = self.bach()
        told = []
        for place in places:
            known = bach[~np.isnan(bach[:, place]), place]
            ends = np.percentile(known, USUAL) if len(known) else [math.nan] * 2
            low, high = (_told(FEATURES[place], end) for end in ends)
            told.append(f"{low}–{high}" if len(known) else "–")
        return told

    def _heading(self, feature: Feature) -> tuple[str, str]:
        above, below = feature.heading
        by, ascending = self.ordered or ("", False)
        return above, ("↑" if ascending else "↓") * (feature.name == by) + below

    def _legend(self) -> tuple[str, ...]:
        count = len(bach_features(self.split))
        compared = "" if set(self.voices) <= {tuple(range(QUARTET))} else ", of the same voices"
        return (
            f"in brackets: how many in a hundred of Bach's {count} chorales ({self.split} split"
            f"{compared}) lie below, equal ones counted half; "
            f"* beyond his {USUAL[0]:g} to {USUAL[1]:g} %",
        )


def report_of(
    pieces: Mapping[str, Piece] | Sequence[Piece],
    *,
    names: Sequence[str] | None = None,
    original: Piece | None = None,
    groups: Groups | None = None,
    split: str = "train",
) -> Report:
    """A report of pieces, in the order given.

    Parameters
    ----------
    pieces : chorales or int arrays of shape (voices, steps), by name or in a list
    names : of a list; by default titles, or numbers
    original : what the pieces were made from; they have a distance where their shape
        is its own, or stacks quartets of its length
    groups : a row for each of 'quartets', 'voices', or some voices by name or as half-open
        ranges of rows, such as 'bass' (that of every quartet), '0:8' or 'soprano,0:4'; or
        lists of rows or names, a group each; by default the whole piece
    split : of the corpus, for the percentiles

    Raises
    ------
    ChoraleError
        Without a piece, for a bad one, voices that a piece lacks, too few names.
    """
    named = _named(pieces, names)
    before = None if original is None else _grid_of(original, "original").shape
    told, values, among, voices = [], [], [], []
    strangers, many = 0, False
    for name, piece in named:
        grid = _grid_of(piece, name)
        fits = before is not None and fits_original(grid.shape, before)
        strangers += before is not None and not fits
        for group, rows in _groups_of(len(grid), groups, name):
            alike = _alike(grid, rows)
            found = describe(piece, voices=rows, original=original if fits else None)
            told.append(f"{name}{GROUP}{group}" if group else name)
            values.append(found)
            among.append(percentiles(found, bach_features(split, voices=alike)))
            voices.append(alike)
            many |= len(rows) > QUARTET
    notes = []
    if strangers:
        notes.append(
            f"no distance for {strangers} of {len(named)} pieces: their shape is neither the "
            f"original's {before} nor quartets of its length"
        )
    if many:
        notes.append(
            "more than four voices beside Bach's four: polyphony, density and notes grow with "
            "their number; a row a quartet compares like with like"
        )
    return Report(
        tuple(told), np.array(values), np.array(among), tuple(voices), tuple(notes), split
    )


def feature_table(
    pieces: Mapping[str, Piece] | Sequence[Piece],
    *,
    names: Sequence[str] | None = None,
    original: Piece | None = None,
    groups: Groups | None = None,
    split: str = "train",
    sort: str = SORTED_BY,
    ascending: bool = False,
    where: str | None = None,
    top: int | None = None,
    caption: str = "",
) -> Table:
    """The features of pieces as a notebook's table, Bach's percentiles beside each number.

    Parameters
    ----------
    pieces, names, original, groups, split : as for `report_of`
    sort : column by which the rows are sorted, highest first, or lowest if `ascending`
    where : a condition such as 'entropy > 3'
    top : how many rows, at most
    """
    report = report_of(pieces, names=names, original=original, groups=groups, split=split)
    found = report if where is None else report.where(where)
    return found.sorted_by(sort, ascending=ascending).head(top).table(caption=caption)


def _named(
    pieces: Mapping[str, Piece] | Sequence[Piece], names: Sequence[str] | None
) -> list[tuple[str, Piece]]:
    if isinstance(pieces, Mapping):
        names = list(pieces) if names is None else names
        pieces = list(pieces.values())
    listed = [pieces] if isinstance(pieces, Chorale) else items_of(pieces)
    if not listed:
        raise ChoraleError(f"report: expected at least one piece, got {shown(pieces)}")
    if names is None:
        names = [
            (isinstance(piece, Chorale) and piece.title) or f"piece {number}"
            for number, piece in enumerate(listed, start=1)
        ]
    told = items_of(names)
    if told is None or len(told) != len(listed):
        raise ChoraleError(f"names: expected {len(listed)}, one a piece, got {shown(names)}")
    return list(zip(map(str, told), listed, strict=True))


def _grid_of(piece: Piece, name: str) -> np.ndarray:
    return piece.grid if isinstance(piece, Chorale) else validate_grid(piece, name=name)


def _alike(grid: np.ndarray, rows: Sequence[int]) -> tuple[int, ...]:
    """Which of Bach's voices these rows are like; what never sounds is like none."""
    sounding = [row for row in rows if grid[row].any()]
    return tuple(sorted({row % QUARTET for row in sounding or rows}))


def _groups_of(count: int, groups: Groups | None, name: str) -> list[tuple[str, Sequence[int]]]:
    """The groups of a piece's voices: what to call each, and its rows."""
    if groups is None:
        return [("", range(count))]
    if not isinstance(groups, str):
        return [_listed(rows, count, name) for rows in items_of(groups) or [groups]]
    if groups == "voices":
        return [(voice_name(row), [row]) for row in range(count)]
    if groups == "quartets":
        starts = range(0, count, QUARTET)
        return [
            (f"quartet {n}" if count > QUARTET else "", range(row, min(row + QUARTET, count)))
            for n, row in enumerate(starts, start=1)
        ]
    return [(part.strip(), _said(part, count, name, groups)) for part in groups.split(",")]


def _listed(rows: object, count: int, name: str) -> tuple[str, Sequence[int]]:
    """One group, by its rows or its voices' names: what to call it, and its rows, ascending."""
    if rows is None or is_whole(rows):
        raise ChoraleError(f"groups: expected lists of rows or names, got {shown(rows)}")
    found = sorted(rows_of(rows, count, f"groups of {name}").tolist())
    return rows if isinstance(rows, str) else " ".join(map(str, found)), found


def _said(text: str, count: int, name: str, groups: str) -> Sequence[int]:
    """The rows of a voice's name, or of a range."""
    if text.strip().lower() in CALLED:
        return rows_of(text, count, f"groups of {name}").tolist()
    match = re.fullmatch(r"\s*(\d{1,4})\s*:\s*(\d{1,4})\s*", text)
    if not match:
        raise ChoraleError(
            f"groups {shown(groups)}: expected quartets, voices, names of voices such as bass "
            "or ranges of rows such as 0:8"
        )
    start, end = int(match[1]), int(match[2])
    if start >= end:
        raise ChoraleError(
            f"groups {text.strip()}: expected the first row before the end, such as 0:4 (rows 0-3)"
        )
    if end > count:
        raise ChoraleError(
            f"groups {text.strip()}: expected rows within 0:{count}, the voices of {name}"
        )
    return range(start, end)


def _cell(feature: Feature, value: float, among: float) -> str:
    told = _told(feature, value)
    return told if math.isnan(among) else f"{told} ({_percent(among)})"


def _told(feature: Feature, value: float) -> str:
    return figure(value, feature.digits, share=feature.unit == "share")


def _percent(among: float) -> str:
    """A whole number, but never 0 or 100 where some of Bach's do lie beyond."""
    if 0 < among < 1:
        return "<1"
    return ">99" if 99 < among < 100 else f"{among:.0f}"
