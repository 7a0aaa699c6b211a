"""A set of pieces in rates, Bach's sets below: as text, as CSV.

What `reports` is for single pieces; the rates are those of `coconet.metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import fill

from coconet.metrics import METRICS, WIDTH, Metric, Row, within_bach
from coconet.tables import LINE, csv_of, figure, in_blocks, short_names

#: Characters of a name: each stands once a block of columns.
LONGEST_NAME = 18


def set_text(rows: Sequence[Row], bach: Sequence[Row], *, width: int = LINE) -> str:
    """A set's rates, and Bach's, in blocks of columns for a terminal of so many characters.

    Parameters
    ----------
    rows : of pieces: first the whole set, whose values are starred where they aren't Bach's
    bach : his own sets, as `metrics.bach_rows` gives them
    """
    inside = within_bach(rows[0], bach) if rows else {}
    lines = [["", "pieces", *(f"{metric.name} " for metric in METRICS)]]
    every = (*rows, *bach)
    names = short_names([row.name for row in every], LONGEST_NAME)
    for number, (name, row) in enumerate(zip(names, every, strict=True)):
        strange = [number == 0 and not inside.get(metric.name, True) for metric in METRICS]
        cells = (
            _cell(*told) for told in zip(METRICS, row.values, row.errors, strange, strict=True)
        )
        lines.append([name, str(row.pieces), *cells])
    text: list[str] = []
    for block in in_blocks(lines, width=width, gap=1, first=2):
        text += [*block, ""]
    notes = [f"shares of 1; {_units()}; --columns tells what each counts"]
    notes.append("± bootstrap errors over pieces")
    if inside:
        notes.append(f"* not between Bach's lowest and highest row, widened by {WIDTH:g} errors")
    return "\n".join([*text, *(fill(note, max(width, 20)) for note in notes)])


def set_csv(rows: Sequence[Row]) -> str:
    """The table in full: of each metric its value, its error and both counts."""
    parts = ("", " error", " counted", " among")
    header = ["name", "pieces", *(metric.name + part for metric in METRICS for part in parts)]
    lines = []
    for row in rows:
        counts = row.counts.sum(0).tolist()
        of_each = zip(row.values.tolist(), row.errors.tolist(), counts, strict=True)
        figures = (x for value, error, both in of_each for x in (value, error, *both))
        lines.append([row.name, row.pieces, *figures])
    return csv_of(header, lines)


def _cell(metric: Metric, value: float, error: float, strange: bool) -> str:
    """Three digits of a share; two of a rate per 1000."""
    digits, share = (2, False) if metric.scale > 1 else (3, True)
    told = figure(value, digits, share=share)
    if not math.isnan(error):
        told += f"±{figure(error, digits, share=share)}"
    return told + ("*" if strange and not math.isnan(value) else " ")


def _units() -> str:
    """The metrics that aren't shares, unit by unit."""
    units = dict.fromkeys(metric.unit for metric in METRICS if metric.unit != "share")
    of = {unit: [metric.name for metric in METRICS if metric.unit == unit] for unit in units}
    return ", ".join(f"{' and '.join(names)} {unit}" for unit, names in of.items())
