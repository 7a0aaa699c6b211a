"""Conditions on features, as text: 'entropy > 3 and fifths = 0'.

A condition is comparisons joined by `and` and `or`; `and` binds tighter. Nothing in it
is ever run as code. What couldn't be counted (NaN) meets no comparison.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass

import numpy as np

from coconet.errors import ChoraleError, shown
from coconet.features import NAMES, column_of

SIGNS = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
COMPARISON = re.compile(
    r"\s*([a-z][a-z._ -]*?)\s*(<=|>=|!=|==|=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*",
    re.IGNORECASE,
)
EXAMPLE = "'entropy > 3 and fifths = 0'"


@dataclass(frozen=True)
class Comparison:
    """One column against one number."""

    column: int
    sign: str
    number: float

    def holds(self, values: np.ndarray) -> np.ndarray:
        known = ~np.isnan(values[:, self.column])
        return known & SIGNS[self.sign](values[:, self.column], self.number)

    def __str__(self) -> str:
        return f"{NAMES[self.column]} {self.sign} {self.number:g}"


@dataclass(frozen=True)
class Condition:
    """Comparisons: one of the tuples must hold, all of it.

    `str` of it names the columns in full.
    """

    one_of: tuple[tuple[Comparison, ...], ...]

    @property
    def columns(self) -> tuple[int, ...]:
        """Which columns it is about, in the order of its text."""
        return tuple(comparison.column for all_of in self.one_of for comparison in all_of)

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which pieces meet it.

        values : float array, shape=(pieces, features), in the order of `NAMES`

        Returns
        -------
        bool array, shape=(pieces,)
        """
        met = np.zeros(len(values), bool)
        for all_of in self.one_of:
            met |= np.all([comparison.holds(values) for comparison in all_of], axis=0)
        return met

    def __str__(self) -> str:
        return " or ".join(" and ".join(map(str, all_of)) for all_of in self.one_of)


def parse_condition(text: str) -> Condition:
    """A condition from its text; columns as in `features.column_of`.

    >>> str(parse_condition("entropy>3 and fifths = 0 or notes < 200"))
    'pitch-class entropy > 3 and fifths = 0 or notes < 200'

    Raises ChoraleError for another form, and for an unknown column, with the nearest.
    """
    if not isinstance(text, str) or not text.strip():
        raise ChoraleError(f"condition: expected one such as {EXAMPLE}, got {shown(text)}")
    return Condition(
        tuple(
            tuple(_comparison(part, text) for part in re.split(r"\band\b", alternative, flags=re.I))
            for alternative in re.split(r"\bor\b", text, flags=re.I)
        )
    )


def _comparison(part: str, text: str) -> Comparison:
    match = COMPARISON.fullmatch(part)
    if not match:
        where = f" at {shown(part.strip())}" if part.strip() != text.strip() else ""
        raise ChoraleError(
            f"condition {shown(text)}{where}: expected a column, one of {' '.join(SIGNS)} and a "
            f"number, joined by and/or, such as {EXAMPLE}"
        )
    name, sign, number = match.groups()
    return Comparison(column_of(name), sign, float(number))
