"""Between grids and what the networks read; which cells to hide in training.

A **token** is one cell as a network reads it: `0 … n-1` for the n pitches the
model knows, then `n` hidden, `n+1` rest, `n+2` outside. Tokens have shape
(batch, steps, voices): time before voices, as the networks want it.
"""

from __future__ import annotations

import numpy as np

from coconet.grid import REST

#: Symbols after the pitches, in order: hidden, rest, outside.
EXTRA_SYMBOLS = 3


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
    flat = eligible.reshape(batch, -1)
    totals = flat.sum(1)
    counts = np.minimum(rng.integers(1, np.maximum(totals, 1) + 1), totals)
    order = np.where(flat, rng.random(flat.shape), 2.0)
    ranks = order.argsort(1).argsort(1)
    return (ranks < counts[:, None]).reshape(eligible.shape)
