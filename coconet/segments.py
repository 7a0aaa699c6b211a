"""Phrases, and segments: phrases laid on 32 steps each.

A chorale is cut into **phrases** of their true lengths. A phrase longer than a
**segment** is compressed: some of its steps stand for several, and expanding
repeats them. A shorter one is padded with outside cells. The model takes any
length, so this is a choice, made for the ways of working and the files of those
who began with a network of 32 steps.

Conventions
-----------
A segment's steps are **model** steps, a phrase's **true** steps. Segments are arrays
of shape (segments, voices, width); joined they are a chorale of shape (voices, steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, is_whole, onsets_of, validate_grid
from coconet.phrases import listed, phrase_lengths, validate_lengths

WIDTH = 32
#: Steps of a phrase: more than any piece has.
LONGEST = 100_000


@dataclass(frozen=True)
class Fit:
    """How a phrase of `true` steps lies on `model` steps.

    Each model step stands for true // model true steps, and true % model of them
    for one more: those from `at` on, by default the last. So 40 steps on 32 are 24
    as they are and 8 that stand for two each.

    >>> Fit(32, 40).at, Fit(4, 6, at=1).copies
    (24, array([1, 2, 2, 1]))
    """

    model: int
    true: int
    at: int | None = None

    def __post_init__(self) -> None:
        for name in ("model", "true"):
            length = getattr(self, name)
            if not is_whole(length) or not 1 <= length <= LONGEST:
                raise ChoraleError(f"{name} length: expected 1-{LONGEST} steps, got {length!r}")
            object.__setattr__(self, name, int(length))
        if self.model > self.true:
            raise ChoraleError(
                f"[{self.model}, {self.true}]: a phrase is compressed or left as it is: "
                "expected [model, true] with model <= true"
            )
        last = self.model - self.true % self.model
        at = last if self.at is None else self.at
        if not is_whole(at) or not 0 <= at <= last:
            raise ChoraleError(
                f"[{self.model}, {self.true}]: the steps that stand for more begin "
                f"at 0-{last}, got {at!r}"
            )
        object.__setattr__(self, "at", int(at))

    @property
    def copies(self) -> np.ndarray:
        """int array, shape=(model,): for how many true steps each model step stands."""
        whole, more = divmod(self.true, self.model)
        step = np.arange(self.model)
        return whole + ((self.at <= step) & (step < self.at + more)).astype(int)


#: A phrase's true length, or [model, true], or [model, true, at].
Length = int | Sequence[int] | Fit


@dataclass(frozen=True, eq=False)
class Segments:
    """Phrases of one piece, each on at most `width` steps.

    Attributes
    ----------
    chorale : the whole piece at true lengths. It is compressed and expanded when the
        segments are made, so that it says what they say; its phrases are theirs.
    fits : of the phrases, one a segment
    width : steps of a segment, those outside counted
    notes : what was guessed when the piece was read, and how surely

    Raises
    ------
    ChoraleError
        Where the fits don't add up to the piece, or a phrase is wider than a segment.
    """

    chorale: Chorale
    fits: tuple[Fit, ...]
    width: int = WIDTH
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fits = tuple(self.fits)
        validate_lengths([fit.true for fit in fits], self.chorale)
        for number, fit in enumerate(fits, start=1):
            if fit.model > self.width:
                raise ChoraleError(
                    f"phrase {number}: {fit.model} steps, a segment has {self.width}; "
                    f"compress it, as [{self.width}, {fit.true}]"
                )
        object.__setattr__(self, "fits", fits)
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "chorale", self._expand(*self._flat))

    @property
    def outside(self) -> np.ndarray:
        """bool array, shape=(segments, width): beyond the end of a phrase."""
        return np.arange(self.width) >= np.array([[fit.model] for fit in self.fits])

    @cached_property
    def grid(self) -> np.ndarray:
        """int16 array, shape=(segments, voices, width); rests outside."""
        return self._lay(self._flat[0], REST)

    @cached_property
    def onsets(self) -> np.ndarray:
        """bool array, shape=(segments, voices, width): where notes begin.

        None at a segment's first step where a note is held over from the one before.
        """
        return self._lay(self._flat[1], False)

    def join(self) -> Chorale:
        """The whole piece at its true lengths: shape=(voices, sum of the true lengths)."""
        return self.chorale

    def chorales(self) -> list[Chorale]:
        """Each segment without what is outside, as a chorale of model steps.

        Bar lines fall as in the part of the phrase that isn't compressed. All notes
        begin anew with the segment.
        """
        grid, onsets, fermatas = self._flat
        bar, pieces = self.chorale.bar, []
        edges = accumulate((fit.model for fit in self.fits), initial=0)
        begins = accumulate((fit.true for fit in self.fits), initial=0)
        for (a, b), begin in zip(pairwise(edges), begins, strict=False):
            own = grid[:, a:b]
            pieces.append(
                self.chorale.replace(
                    grid=own,
                    onsets=onsets[:, a:b] | onsets_of(own),
                    fermatas=fermatas[a:b],
                    phrases=(b - a,),
                    upbeat=(self.chorale.upbeat - begin) % bar,
                )
            )
        return pieces

    def filled(self, chorales: Sequence[Chorale]) -> Segments:
        """The same segments with other notes: the inverse of `chorales`.

        A note held over from one segment to the next stays one note, in a voice that has
        these segments' pitches on both sides. In a stack, quartets are compared in turn.

        Parameters
        ----------
        chorales : one a segment, of its model length; any number of voices, the same
            in all of them

        Raises
        ------
        ChoraleError
            For another number of chorales or another length of one.
        """
        shapes = [piece.grid.shape for piece in chorales]
        expected = [fit.model for fit in self.fits]
        if [shape[1] for shape in shapes] != expected or len({shape[0] for shape in shapes}) != 1:
            raise ChoraleError(
                f"expected chorales of {expected} steps and as many voices each, got {shapes}"
            )
        grid = np.hstack([piece.grid for piece in chorales])
        onsets = np.hstack([piece.onsets for piece in chorales])
        own_grid, own_onsets, fermatas = self._flat
        firsts = np.cumsum(expected[:-1], dtype=int)
        rows = np.arange(len(grid))[:, None] % len(own_grid)
        same = (grid[:, firsts] == own_grid[rows, firsts]) & (
            grid[:, firsts - 1] == own_grid[rows, firsts - 1]
        )
        onsets[:, firsts] = np.where(same, own_onsets[rows, firsts], onsets[:, firsts])
        joined = self._expand(grid, onsets, fermatas)
        return Segments(joined, self.fits, self.width, self.notes)

    def with_grid(self, grid: np.ndarray) -> Segments:
        """The same segments with other notes, as an array.

        Parameters
        ----------
        grid : int array, shape=(segments, voices, width); what is outside doesn't count.
            Notes of unchanged pitch keep their onsets, if there are as many voices.
        """
        grid = np.asarray(grid)
        shape = (len(self.fits), self.width)
        if grid.ndim != 3 or (grid.shape[0], grid.shape[2]) != shape:
            raise ChoraleError(
                f"expected segments of shape ({shape[0]}, voices, {shape[1]}), got {grid.shape}"
            )
        flat = validate_grid(
            grid.transpose(0, 2, 1)[~self.outside].T, name=self.chorale.title or "segments"
        )
        joined = self.chorale.replace(grid=np.repeat(flat, self._copies, axis=1))
        return Segments(joined, self.fits, self.width, self.notes)

    def replace(self, **changes: Any) -> Segments:
        """A copy whose chorale has other fields: title, tonic, mode, provenance …"""
        return Segments(self.chorale.replace(**changes), self.fits, self.width, self.notes)

    @cached_property
    def _copies(self) -> np.ndarray:
        """int array, shape=(all model steps,)."""
        return np.concatenate([fit.copies for fit in self.fits])

    @cached_property
    def _heads(self) -> np.ndarray:
        """int array, shape=(all model steps,): the first true step of each."""
        return np.cumsum(self._copies) - self._copies

    @cached_property
    def _flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Grid, onsets and fermatas on all model steps, side by side.

        A model step has the pitches of its first true step. A note that begins on a
        true step that goes begins on the next that stays, if it lasts so long.
        """
        chorale, heads = self.chorale, self._heads
        grid = chorale.grid[:, heads]
        since = np.concatenate([[0], heads[:-1] + 1])  # after the step that stayed before
        begins = np.logical_or.reduceat(chorale.onsets[:, : heads[-1] + 1], since, axis=1)
        onsets = (begins & (grid != REST)) | onsets_of(grid)
        return grid, onsets, np.logical_or.reduceat(chorale.fermatas, heads)

    def _expand(self, grid: np.ndarray, onsets: np.ndarray, fermatas: np.ndarray) -> Chorale:
        """The whole piece at true lengths, of what `_flat` holds."""
        copies, heads = self._copies, self._heads
        long = np.repeat(grid, copies, axis=1)
        begins = onsets_of(long)
        begins[:, heads] |= onsets
        ends = np.zeros(long.shape[1], bool)
        ends[heads + copies - 1] = fermatas
        return self.chorale.replace(
            grid=long,
            onsets=begins,
            fermatas=ends,
            phrases=tuple(fit.true for fit in self.fits),
        )

    def _lay(self, flat: np.ndarray, fill: object) -> np.ndarray:
        """An array on all model steps, shape=(voices, steps), as one of segments."""
        laid = np.full((len(self.fits), self.width, len(flat)), fill, flat.dtype)
        laid[~self.outside] = flat.T
        laid = laid.transpose(0, 2, 1)
        laid.flags.writeable = False
        return laid


def to_segments(
    chorale: Chorale, lengths: Sequence[Length] | None = None, *, width: int = WIDTH
) -> Segments:
    """Lay the phrases of a chorale on segments; what that costs is told by `lost`.

    Parameters
    ----------
    chorale : of any number of voices
    lengths : of the phrases, in order, that add up to the piece: a true length, which
        is compressed to `width` where it is longer; or [model, true], or
        [model, true, at], where the steps from `at` on are compressed (see `Fit`). By
        default those of `phrase_lengths`.
    width : steps of a segment

    Raises
    ------
    ChoraleError
        For lengths that don't add up to the piece (it says by how much), below 1, wider
        than a segment, or of another form.

    >>> segments = to_segments(Chorale(np.full((4, 56), 60)), [40, 16])
    >>> segments.grid.shape, segments.outside.sum(1).tolist(), segments.join().steps
    ((2, 4, 32), [0, 16], 56)
    """
    if not is_whole(width) or width < 1:
        raise ChoraleError(f"width: expected 1 step or more, got {width!r}")
    chosen = phrase_lengths(chorale) if lengths is None else lengths
    return Segments(chorale, fits_of(chosen, width), width)


def fits_of(lengths: Sequence[Length], width: int = WIDTH) -> tuple[Fit, ...]:
    """The lengths of all phrases as `fit_of` makes them; an error names the phrase."""
    fits = []
    for number, length in enumerate(listed(lengths), start=1):
        try:
            fits.append(fit_of(length, width))
        except ChoraleError as error:
            raise ChoraleError(f"phrase {number}: {error}") from error
    return tuple(fits)


def fit_of(length: Length, width: int = WIDTH) -> Fit:
    """A phrase's true length, [model, true] or [model, true, at] as a `Fit`."""
    if isinstance(length, Fit):
        return length
    if is_whole(length):
        return Fit(max(1, min(int(length), width)), length)
    try:
        return Fit(*length)
    except TypeError as error:
        raise ChoraleError(
            f"length: expected steps, [model, true] or [model, true, at], got {length!r}"
        ) from error


# ---------------------------------------------------------------- what compression costs


@dataclass(frozen=True)
class Lost:
    """What is no longer there after a piece was compressed and expanded.

    cells : whose pitch differs, of `of_cells` that sound before or after
    notes : of which no cell is left at its pitch, of `of_notes`
    onsets : of the notes that are left, those that no longer begin where they did
    """

    cells: int
    of_cells: int
    notes: int
    of_notes: int
    onsets: int

    def __bool__(self) -> bool:
        return bool(self.cells or self.notes or self.onsets)

    def __str__(self) -> str:
        if not self:
            return "nothing is lost"
        return (
            f"{self.cells} of {self.of_cells} cells change pitch, {self.notes} of "
            f"{self.of_notes} notes vanish, {self.onsets} of those left begin elsewhere"
        )


def lost(before: Chorale, after: Chorale | Segments) -> Lost:
    """What differs between a piece and the same after compression."""
    after = after.join() if isinstance(after, Segments) else after
    if before.grid.shape != after.grid.shape:
        raise ChoraleError(f"expected shape {before.grid.shape}, got {after.grid.shape}")
    sounding = before.grid != REST
    same = (before.grid == after.grid) & sounding
    begins = before.onsets
    number = np.cumsum(begins).reshape(begins.shape)  # of each cell's note, voice after voice
    left = np.zeros(int(begins.sum()) + 1, bool)
    left[number[same]] = True
    return Lost(
        cells=int((before.grid != after.grid).sum()),
        of_cells=int((sounding | (after.grid != REST)).sum()),
        notes=int((~left[1:]).sum()),
        of_notes=int(begins.sum()),
        onsets=int((begins & left[number] & ~(after.onsets & same)).sum()),
    )
