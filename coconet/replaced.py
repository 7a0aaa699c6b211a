"""What incremental replacement did to a chorale, replacement by replacement, in shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, VOICES
from coconet.tables import Table
from coconet.theory import in_scale


@dataclass(frozen=True, eq=False)
class Replaced:
    """An original and the stack of quartets that it became.

    The shares are float arrays, shape=(rounds, voices of the order): one a
    replacement, in the order in which they were made. NaN where nothing counts.

    Attributes
    ----------
    original : chorale of four voices
    stack : chorale of 4·rounds voices, the quartet of the first round on top
    order : rows that each round replaced, in turn
    """

    original: Chorale
    stack: Chorale
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        voices, steps = self.original.grid.shape
        rows, own = self.stack.grid.shape
        if voices != len(VOICES) or rows % len(VOICES) or own != steps:
            raise ChoraleError(
                "replaced: expected a chorale of four voices and a stack of quartets as long, "
                f"got shapes {(voices, steps)} and {(rows, own)}"
            )

    @property
    def rounds(self) -> int:
        return self.stack.voices // len(VOICES)

    @cached_property
    def grids(self) -> np.ndarray:
        """The original, then the quartet of each round: int16, shape=(1 + rounds, 4, steps)."""
        quartets = self.stack.grid.reshape(self.rounds, *self.original.grid.shape)
        return np.concatenate([self.original.grid[None], quartets])

    def quartet(self, number: int) -> Chorale:
        """The quartet after round `number`; the original for 0."""
        if not 0 <= number <= self.rounds:
            raise ChoraleError(f"round: expected 0-{self.rounds}, got {number}")
        if number == 0:
            return self.original
        rows = slice(4 * number - 4, 4 * number)
        return self.stack.replace(grid=self.stack.grid[rows], onsets=self.stack.onsets[rows])

    @cached_property
    def kept(self) -> np.ndarray:
        """Share of the voice's notes that survive its replacement.

        A note survives where the new voice begins one of the same pitch at the same
        step. Repeated notes count as one, since a new voice can't tell them apart.
        """
        everywhere = np.ones(self.original.grid.shape, bool)
        onsets = np.array(
            [self.original.onsets_for(grid, hidden=everywhere) for grid in self.grids]
        )
        before, after = onsets[:-1, self.order], onsets[1:, self.order]
        same = self.grids[:-1, self.order] == self.grids[1:, self.order]
        return _share((before & after & same).sum(-1), before.sum(-1))

    @cached_property
    def out_of_key(self) -> np.ndarray:
        """Share of the new voice's sounding cells outside the original's scale.

        In minor that is the natural scale: a raised leading note is out of it.
        """
        after = self.grids[1:, self.order]
        sounding = after != REST
        inside = in_scale(after, self.original.tonic, self.original.mode)
        return _share((sounding & ~inside).sum(-1), sounding.sum(-1))

    @cached_property
    def distance(self) -> np.ndarray:
        """Share of sounding cells, all four voices, that differ from the original by then.

        The quartet is taken as it stands after the replacement: voices whose turn in the
        round is still to come are those of the round before.
        """
        sounding = self.original.grid != REST
        differs = ((self.grids != self.original.grid) & sounding).sum(-1)  # 1 + rounds, voices
        new = np.diff(differs[:, self.order], axis=0)
        total = differs[:-1].sum(-1, keepdims=True) + new.cumsum(-1)
        return _share(total, np.full(total.shape, sounding.sum()))

    @property
    def told(self) -> dict[str, Any]:
        """The shares in a sidecar's words: a list for each, a list in it for each round."""
        shares = {
            "notes kept": self.kept,
            "out of key": self.out_of_key,
            "distance from the original": self.distance,
        }
        voices = [VOICES[row] for row in self.order]
        return {"voices": voices} | {
            name: [[None if np.isnan(x) else round(float(x), 4) for x in row] for row in share]
            for name, share in shares.items()
        }


def replacement_table(versions: Sequence[Replaced]) -> Table:
    """The shares in per cent, a line a round; of several versions of one plan the means."""
    first = like_first(versions)
    letters = [VOICES[row][0].upper() for row in first.order]
    names = ("kept", "out of key", "distance")
    shares = [
        np.mean([getattr(version, name) for version in versions], axis=0)
        for name in ("kept", "out_of_key", "distance")
    ]
    header = [f"{name} {letters[0]}" for name in names]
    rows = [
        (str(number), *("–" if np.isnan(x) else f"{x:.0%}" for x in np.concatenate(line)))
        for number, line in enumerate(zip(*shares, strict=True), start=1)
    ]
    return Table(
        ("round", *(cell for name in header for cell in (name, *letters[1:]))),
        tuple(rows),
        notes=(
            "after each replacement: notes of the voice that survived it; its cells out of the "
            "key; cells of the quartet that differ from the original",
            *([f"means of {len(versions)} versions"] if len(versions) > 1 else []),
        ),
    )


def like_first(versions: Sequence[Replaced]) -> Replaced:
    """The first version; raises ChoraleError where others have other rounds or another order."""
    if not versions:
        raise ChoraleError("versions: expected at least one")
    first = versions[0]
    if any((v.rounds, v.order) != (first.rounds, first.order) for v in versions):
        raise ChoraleError("versions: expected the same rounds and order of voices in all")
    return first


def _share(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
