"""A chorale whose cells know where they come from.

Layers (`coconet.transforms`) move, silence and change the cells of a chorale. Each
cell of a `Traced` remembers the voice and step of the source that it was, through any
number of layers; `NOWHERE` stands where a layer put in what the source lacks, such as
the silence before a canon's second voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, onsets_of

#: Voice and step of a cell that comes from no cell of the source.
NOWHERE = -1
#: Cells that a piece may grow to, unless more are asked for: 58 hours of four voices, at 72
#: quarter notes a minute.
MOST_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Traced:
    """A chorale, and for each of its cells the voice and step of the source.

    The way back has two stretches, so that a chain can tell what one layer did as well as
    what all of them did: `cells` leads to the piece that this one was begun with, by `begin`
    or, before each layer of a chain, by `anew`; `places` leads from there to the source.
    `since` reads off the first, `voice` and `step` read off both. A layer is written with
    `take`, `hold`, `sing` and the like, which keep grid, onsets and way back in agreement,
    and never with the constructor. A silenced cell still knows what it was.

    >>> piece = Traced.begin(Chorale(np.array([[60, 62, 64]])))
    >>> made = piece.take(np.array([[0]]), np.array([[2, 2, NOWHERE, 0]]))
    >>> made.grid.tolist(), made.step.tolist()
    ([[64, 64, 0, 60]], [[2, 2, -1, 0]])
    >>> later = made.anew().take(np.array([[0]]), np.array([[3, 1]]))
    >>> later.step.tolist(), later.since[1].tolist()
    ([[0, 2]], [[3, 1]])

    Attributes
    ----------
    chorale : the piece as it is now
    cells : int32 array, shape=(voices, steps): the cell that each comes from in the piece
        that it was begun with, counted there row by row; `NOWHERE` where there is none
    places : of each cell of the piece that it was begun with, the voice and the step of
        the source: two int32 arrays of that piece's shape
    source : shape of the source, (voices, steps)
    limit : cells that it may grow to; see `room_for`
    """

    chorale: Chorale
    cells: np.ndarray
    places: tuple[np.ndarray, np.ndarray]
    source: tuple[int, int]
    limit: int = MOST_CELLS

    def __post_init__(self) -> None:
        cells = np.ascontiguousarray(self.cells, np.int32)
        assert cells.shape == self.chorale.grid.shape
        cells.flags.writeable = False
        object.__setattr__(self, "cells", cells)

    @classmethod
    def begin(cls, chorale: Chorale, *, limit: int = MOST_CELLS) -> Traced:
        """A chorale before any layer: each cell is its own source."""
        voices, steps = chorale.grid.shape
        voice, step = np.arange(voices, dtype=np.int32), np.arange(steps, dtype=np.int32)
        places = np.broadcast_arrays(voice[:, None], step)
        return cls(chorale, _counted(chorale), tuple(places), chorale.grid.shape, limit)

    def anew(self) -> Traced:
        """The same piece as a beginning: `since` counts from here, `voice` and `step` don't."""
        places = (self.voice, self.step)
        return Traced(self.chorale, _counted(self.chorale), places, self.source, self.limit)

    @cached_property
    def voice(self) -> np.ndarray:
        """int32 array, shape=(voices, steps): the source's row that a cell comes from.

        `NOWHERE`, as in `step`, where there is none.
        """
        return self._looked_up(self.places[0])

    @cached_property
    def step(self) -> np.ndarray:
        """int32 array, shape=(voices, steps): the source's step that a cell comes from."""
        return self._looked_up(self.places[1])

    @property
    def since(self) -> tuple[np.ndarray, np.ndarray]:
        """Voice and step of the piece that it was begun with, as `voice` and `step`."""
        nowhere = self.cells == NOWHERE
        found = np.divmod(self.cells, np.int32(self.places[0].shape[1]))
        return tuple(np.where(nowhere, np.int32(NOWHERE), places) for places in found)

    def _looked_up(self, places: np.ndarray) -> np.ndarray:
        found = places.ravel()[self.cells]
        found[self.cells == NOWHERE] = NOWHERE
        found.flags.writeable = False
        return found

    @property
    def grid(self) -> np.ndarray:
        return self.chorale.grid

    @property
    def onsets(self) -> np.ndarray:
        return self.chorale.onsets

    @property
    def voices(self) -> int:
        return self.chorale.voices

    @property
    def steps(self) -> int:
        return self.chorale.steps

    @property
    def sounding(self) -> np.ndarray:
        """bool array, shape=(voices, steps): cells that aren't rests."""
        return self.grid != REST

    @property
    def note(self) -> np.ndarray:
        """int array, shape=(voices, steps): notes counted from 0 row by row, -1 on rests."""
        number = np.cumsum(self.onsets).reshape(self.grid.shape) - 1
        return np.where(self.sounding, number, -1)

    def room_for(self, voices: int, steps: int) -> None:
        """Check that a piece of this size may be made, before memory is filled.

        Raises ChoraleError where nothing would be left, and for one that is bigger than
        this one and than `limit` cells. A piece that doesn't grow is never refused.
        """
        if voices < 1 or steps < 1:
            raise ChoraleError(f"nothing would be left: {voices} voices of {steps} steps")
        if voices * steps > max(self.limit, self.grid.size):
            raise ChoraleError(
                f"the piece would grow from {self.voices} voices × {self.steps} steps to "
                f"{voices} × {steps}, {voices * steps:,} cells; the limit is {self.limit:,} "
                "(raise it with Traced.begin(chorale, limit=…), run_chain(…, limit=…) or, "
                "on the command line, --limit)"
            )

    def take(
        self,
        voice: np.ndarray,
        step: np.ndarray,
        *,
        onsets: np.ndarray | None = None,
        fermatas: np.ndarray | None = None,
        phrases: Sequence[int] = (),
        **facts: Any,
    ) -> Traced:
        """The piece whose cells are those at the given places of this one.

        Parameters
        ----------
        voice, step : int arrays that broadcast to (voices, steps) of the new piece;
            NOWHERE in either is a rest
        onsets : bool array of the new shape; by default a note begins where it began
            here, and where what is taken doesn't follow on what is taken before. A step
            taken several times in a row is held.
        fermatas : bool array, shape=(steps,); by default none
        phrases : lengths in steps; by default unknown
        facts : other fields of the chorale that change: tonic, upbeat, tempo …
        """
        voices, steps = np.broadcast_shapes(np.shape(voice), np.shape(step))
        self.room_for(voices, steps)
        voice, step = np.broadcast_arrays(voice, step)
        nowhere = (voice == NOWHERE) | (step == NOWHERE)
        grid = self.grid[voice, step]
        cells = self.cells[voice, step]
        if nowhere.any():
            grid = np.where(nowhere, REST, grid)
            cells = np.where(nowhere, np.int32(NOWHERE), cells)
        if onsets is None:
            begins = self.onsets[voice, step] & ~nowhere
            ahead = np.diff(step, axis=1)
            same = voice[:, 1:] == voice[:, :-1]
            begins[:, 1:] &= ~(same & (ahead == 0))
            begins[:, 1:] |= ~same | (ahead < 0) | (ahead > 1)
            onsets = (begins & (grid != REST)) | onsets_of(grid)
        made = self.chorale.replace(
            grid=grid,
            onsets=onsets,
            fermatas=np.zeros(steps, bool) if fermatas is None else fermatas,
            phrases=tuple(int(length) for length in phrases),
            **facts,
        )
        return self._with(made, cells)

    def take_voices(self, rows: Sequence[int]) -> Traced:
        """The piece made of these rows, in this order; a row may come several times."""
        rows = np.asarray(rows, int)
        self.room_for(len(rows), self.steps)
        made = self.chorale.replace(grid=self.grid[rows], onsets=self.onsets[rows])
        return self._with(made, self.cells[rows])

    def hold(self, copies: np.ndarray, **facts: Any) -> Traced:
        """Each step held so many times: onsets on the first copy, fermatas on the last.

        copies : int array, shape=(steps,), 0 or more; phrases grow along
        facts : other fields of the chorale that change
        """
        copies = np.asarray(copies)
        self.room_for(self.voices, int(copies.sum()))
        index = np.repeat(np.arange(self.steps), copies)
        last = np.append(index[1:] != index[:-1], True)
        edges = np.cumsum((0, *self.chorale.phrases))
        totals = np.append(0, np.cumsum(copies))[edges]
        phrases = np.diff(totals)
        return self.take(
            np.arange(self.voices)[:, None],
            index[None],
            fermatas=self.chorale.fermatas[index] & last,
            phrases=phrases[phrases > 0].tolist(),
            **facts,
        )

    def sing(self, grid: np.ndarray, *, onsets: np.ndarray | None = None, **facts: Any) -> Traced:
        """Other pitches in the same cells.

        onsets : by default notes begin where they began, and where the pitch changes
        """
        if onsets is None:
            onsets = ((self.onsets & self.sounding) | onsets_of(grid)) & (grid != REST)
        made = self.chorale.replace(grid=grid, onsets=onsets, **facts)
        return self._with(made, self.cells)

    def silence(self, where: np.ndarray) -> Traced:
        """Rests in some cells; what follows a rest begins anew.

        where : bool array, shape=(voices, steps)
        """
        return self.sing(np.where(where, REST, self.grid))

    def _with(self, chorale: Chorale, cells: np.ndarray) -> Traced:
        if "onsets" in chorale.assumed and _are_default(self) and not _are_default(chorale):
            # A layer lets notes begin where no change of pitch tells it: now something says so.
            assumed = tuple(name for name in chorale.assumed if name != "onsets")
            chorale = chorale.replace(assumed=assumed)
        return Traced(chorale, cells, self.places, self.source, self.limit)


def _are_default(piece: Chorale | Traced) -> bool:
    """Whether notes begin where the grid alone would have them begin."""
    return np.array_equal(piece.onsets, onsets_of(piece.grid))


def _counted(chorale: Chorale) -> np.ndarray:
    """The cells of a piece counted row by row."""
    return np.arange(chorale.grid.size, dtype=np.int32).reshape(chorale.grid.shape)
