"""Between chorales and what the networks read; which cells to hide in training.

A **token** is one cell as a network reads it: `0 … n-1` for the n pitches the
model knows, then `n` hidden, `n+1` rest, `n+2` outside. Tokens have shape
(batch, steps, voices): time before voices, as the networks want it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from coconet.chorale import Chorale
from coconet.grid import REST, STEPS_PER_QUARTER

#: Symbols after the pitches, in order: hidden, rest, outside.
EXTRA_SYMBOLS = 3


@dataclass(frozen=True, eq=False)
class Laid:
    """A chorale laid on beats.

    grid : int array, shape=(voices, steps), steps a multiple of 4: rests around the piece
    outside : bool array, shape=(steps,): before an upbeat and after the end
    span : where the piece lies, half open
    """

    grid: np.ndarray
    outside: np.ndarray
    span: tuple[int, int]

    @property
    def own(self) -> np.ndarray:
        """The piece itself, shape=(voices, span's steps)."""
        return self.grid[:, slice(*self.span)]


def lay_on_beats(chorale: Chorale, resolution: int = 16) -> Laid:
    """A chorale at a resolution, outside cells added before an upbeat and after the end.

    resolution : steps a whole note, 16, 8 or 4: of the chorale's own steps every 1st,
        2nd or 4th is kept, those on bar lines among them

    >>> laid = lay_on_beats(Chorale(np.full((4, 9), 60), upbeat=2))
    >>> laid.grid.shape, laid.span
    ((4, 12), (2, 11))
    """
    stride = 16 // resolution
    own = chorale.grid[:, chorale.upbeat % stride :: stride]
    steps = own.shape[1]
    # The bar line, and with it step 0, falls on a beat of four of the kept steps.
    lead = -(chorale.upbeat // stride) % STEPS_PER_QUARTER
    around = (lead, -(lead + steps) % STEPS_PER_QUARTER)
    outside = np.pad(np.zeros(steps, bool), around, constant_values=True)
    return Laid(np.pad(own, ((0, 0), around)), outside, (lead, lead + steps))


def tokens_of(
    grids: np.ndarray,
    hidden: np.ndarray,
    outside: np.ndarray | None,
    pitches: tuple[int, int],
) -> np.ndarray:
    """Tokens of a batch of grids.

    Parameters
    ----------
    grids : int array, shape=(batch, voices, steps); values in hidden or outside
        cells are ignored, the others are rests or lie within `pitches`
    hidden : bool array, shape=(batch, voices, steps)
    outside : bool array, shape=(batch, steps), or None where nothing is
    pitches : lowest and highest pitch of the model

    Returns
    -------
    int32 array, shape=(batch, steps, voices)
    """
    low, high = pitches
    count = high - low + 1
    tokens = np.where(grids == REST, count + 1, grids.astype(np.int32) - low)
    tokens = np.where(hidden, count, tokens)
    if outside is not None:
        tokens = np.where(outside[:, None, :], count + 2, tokens)
    return np.ascontiguousarray(tokens.transpose(0, 2, 1), dtype=np.int32)


def draw_hidden(eligible: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hide a uniformly drawn number of cells, chosen uniformly (orderless NADE).

    The number is drawn from 1…D, D being the item's eligible cells: the paper's
    text draws the size of the context instead, its code the hidden count, which
    equation 9 needs (Huang et al. 2017, section 3).

    Parameters
    ----------
    eligible : bool array, shape=(batch, voices, steps): cells that may be hidden,
        that is neither rest nor outside

    Returns
    -------
    bool array of the same shape, at least one True an item with eligible cells
    """
    batch = len(eligible)
    flat = eligible.reshape(batch, math.prod(eligible.shape[1:]))
    totals = flat.sum(1)
    counts = np.minimum(rng.integers(1, np.maximum(totals, 1) + 1), totals)
    order = np.where(flat, rng.random(flat.shape), 2.0)
    ranks = order.argsort(1).argsort(1)
    return (ranks < counts[:, None]).reshape(eligible.shape)


def draw_hidden_frames(eligible: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hide a uniformly drawn number of whole frames, a few voices of some left standing.

    A frame is a step with its four voices, and what the paper's likelihood is
    counted by: each is predicted, voice after voice, from the frames drawn before
    it. Those being predicted have one to three voices to go by; their share of an
    item's hidden frames is the square of a uniform draw.

    Parameters
    ----------
    eligible : bool array, shape=(batch, voices, steps), as for `draw_hidden`

    Returns
    -------
    bool array of the same shape, at least one True an item with eligible cells
    """
    batch, voices, steps = eligible.shape
    frames = eligible.any(1)
    whole = draw_hidden(frames[:, None], rng)[:, 0]
    begun = whole & (rng.random((batch, steps)) < rng.random((batch, 1)) ** 2)
    standing = rng.integers(1, voices, (batch, 1, steps))
    ranks = rng.random(eligible.shape).argsort(1).argsort(1)
    hidden = eligible & whole[:, None] & ~(begun[:, None] & (ranks < standing))
    # What stands may be all there was.
    empty = ~hidden.any((1, 2))
    hidden[empty] = (eligible & whole[:, None])[empty]
    return hidden
