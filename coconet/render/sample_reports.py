"""Which samples a rendering used, and which never: as text, as a table, as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from coconet.errors import ChoraleError
from coconet.render.regions import Region
from coconet.theory import pitch_name

if TYPE_CHECKING:
    from coconet.tables import Table

HEADER = ("sample", "layer", "keys", "velocities", "notes")
#: Bytes of a value in Csound's tables, where looped samples are held.
VALUE_BYTES = 8
#: Never-used samples that are named for each layer; the CSV names all.
NAMED = 6
#: Rows of the report as text.
ROWS = 30
#: Characters of a file's name in the table.
LONGEST = 50


@dataclass(frozen=True, eq=False)
class SampleReport:
    """What became of each region.

    Attributes
    ----------
    name : of the set
    regions : all of it
    used : int array, shape=(regions,): how many notes each one played
    """

    name: str
    regions: tuple[Region, ...] = field(repr=False)
    used: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        used = np.asarray(self.used)
        if used.shape != (len(self.regions),) or used.dtype.kind not in "iu" or (used < 0).any():
            raise ChoraleError(
                f"used: expected a count for each of {len(self.regions)} regions, "
                f"got {used.dtype} of shape {used.shape}"
            )

    @property
    def summary(self) -> str:
        """One line: how many files played, their size on disk, what looped ones hold."""
        files = {region.path: region.facts for region in self.regions}
        played = {region.path: region.facts for region in self._those(used=True)}
        size, whole = (sum(facts.size for facts in some.values()) for some in (played, files))
        held = {
            region.path: region.facts.frames * region.facts.channels * VALUE_BYTES
            for region in self._those(used=True)
            if region.looped
        }
        memory = f", {sum(held.values()) / 1e6:.1f} MB in memory for loops" if held else ""
        return (
            f"{self.name}: {len(played)} of {len(files)} samples played {self.used.sum()} notes "
            f"({size / 1e6:.1f} of {whole / 1e6:.1f} MB on disk{memory})"
        )

    def table(self, most: int | None = None) -> Table:
        """The samples that played, most notes first; below, the others, layer by layer.

        most : rows at most, the others are only counted; by default all
        """
        from coconet.tables import Table  # what it brings along takes a tenth of a second

        order = np.argsort(-self.used, kind="stable")[: np.count_nonzero(self.used)]
        rows = tuple(
            (_short(self.regions[at]), *_where(self.regions[at]), str(self.used[at]))
            for at in order[:most]
        )
        left = len(order) - len(rows)
        more = [f"and {left} more that played; the CSV has all"] if left else []
        return Table(HEADER, rows, caption=self.summary, notes=(*more, *self._never()))

    def csv(self) -> str:
        """A line a region in the set's order, those that never played with 0 notes."""
        from coconet.tables import csv_of

        pairs = zip(self.regions, self.used, strict=True)
        rows = [(str(region.path), *_where(region), int(count)) for region, count in pairs]
        return csv_of(HEADER, rows)

    def __str__(self) -> str:
        return str(self.table(ROWS))

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def _those(self, *, used: bool) -> list[Region]:
        return [
            region
            for region, count in zip(self.regions, self.used, strict=True)
            if (count > 0) == used
        ]

    def _never(self) -> list[str]:
        """One line a layer: how many of its samples never played, and the first of them."""
        played = {region.path for region in self._those(used=True)}
        layers: dict[str, list[str]] = {}
        for region in self._those(used=False):
            names = layers.setdefault(region.layer, [])
            if region.path not in played and region.path.name not in names:
                names.append(region.path.name)
        return [_line(layer, names) for layer, names in layers.items() if names]


def span(low: int, high: int) -> str:
    """Keys from the lowest to the highest.

    >>> span(60, 60), span(60, 63)
    ('C4', 'C4-Eb4')
    """
    ends = pitch_name(low), pitch_name(high)
    return ends[0] if low == high else "-".join(ends)


def _where(region: Region) -> tuple[str, str, str]:
    """Layer, keys and velocities as a row has them."""
    soft, loud = region.velocities
    return region.layer, span(*region.keys), f"{soft}-{loud}"


def _short(region: Region) -> str:
    name = region.path.name
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _line(layer: str, names: Sequence[str]) -> str:
    head = f"layer {layer}: " if layer else ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    kind = "sample" if len(names) == 1 else "samples"
    return f"{head}{len(names)} {kind} never played: {', '.join(names[:NAMED])}{more}"
