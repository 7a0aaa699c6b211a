"""Quartets that know each other: what sounds in the others, told to the sampler of one.

Quartets that are sampled one by one and stacked clash. Here the sampler of a
quartet is pulled, at each step, towards the pitch classes that sound in the other
quartets. Such a pull alone leaves out what is dissonant in Bach's harmony, since a
passing note or a seventh sounds in one voice while the chord sounds in three; so a
pitch class that clashes with the rest of the others' chord is pulled towards more
strongly. Dissonances are then shared instead of lost. How well that does, and what
else was tried, is in docs/model.md.

Conventions
-----------
A **stack** is quartets on top of each other, int array of shape (4·k, steps).
Dissonant are 1, 2, 6, 10 and 11 semitones mod 12 (`theory.DISSONANT`). Rests never
count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import NamedTuple

import numpy as np

from coconet.errors import ChoraleError
from coconet.grid import REST, validate_grid
from coconet.theory import DISSONANT, voice_pairs
from coconet.tilt import MOST, PERFECT, Tilt

#: The weight with which quartets are made where none is asked for.
DEFAULT = 0.5
#: Nats, at weight 1, of a pitch class that sounds in all the other quartets.
SHARED = 10.0
#: Nats that it gains besides where all else that sounds there clashes with it.
CLASHING = 10.0
#: By how much the sampler's weights against parallels grow, at weight 1.
FIRMER = 2.0
#: More quartets than anyone can tell apart; a slip of the keyboard otherwise.
MOST_QUARTETS = 64
#: bool, shape=(12, 12): pitch classes that are dissonant together.
CLASH = np.isin(np.subtract.outer(np.arange(12), np.arange(12)) % 12, DISSONANT)
#: What `cross_metrics` counts.
NAMES = ("dissonant", "pitch classes", "doubled", "same")


class Rate(NamedTuple):
    """A rate over several stacks, and its bootstrap error; NaN where there is none."""

    value: float
    error: float


def validate_together(together: object) -> float:
    """Return a weight as a float, 0-1, or raise ChoraleError."""
    number = isinstance(together, Real) and not isinstance(together, bool)
    if not (number and math.isfinite(together) and 0 <= together <= 1):
        raise ChoraleError(
            f"together: expected a weight from 0 (independent) to 1, got {together!r}"
        )
    return float(together)


def together_pull(
    others: np.ndarray,
    pitches: tuple[int, int],
    together: float,
    *,
    shared: float = SHARED,
    clashing: float = CLASHING,
) -> np.ndarray | None:
    """What each pitch of one quartet gains by what sounds in the others.

    With p(c) the share of the other quartets in which pitch class c sounds at a
    step, and r(c) the share of the other p(·) there that clash with c, a pitch of
    class c gains together · p(c) · (shared + clashing · r(c)) nats. So the pull is
    as strong however many quartets there are.

    Parameters
    ----------
    others : int array, shape=(4·k, steps): the other quartets, on top of each other
    pitches : lowest and highest of the model
    together : weight, 0-1; 0 is independence
    shared, clashing : nats at weight 1

    Returns
    -------
    float32 array, shape=(1, steps, pitches), 0 or more: for `gibbs.sample(pulls=)`;
    None where the weight is 0 or there are no others

    Raises
    ------
    ChoraleError
        For a weight beyond 0-1, or others that are no stack of quartets.
    """
    together = validate_together(together)
    if together == 0 or not len(others):
        return None
    quartets = _stack(others, "others").reshape(-1, 4, np.shape(others)[1])
    sounds = (quartets % 12)[..., None] == np.arange(12)  # quartets, voices, steps, classes
    share = (sounds & (quartets != REST)[..., None]).any(1).mean(0)  # steps, classes
    rest = np.maximum(share.sum(1, keepdims=True) - share, 1e-9)
    gains = together * share * (shared + clashing * (share @ CLASH) / rest)
    low, high = pitches
    return gains[None, :, np.arange(low, high + 1) % 12].astype(np.float32)


def together_weights(weights: Tilt, others: int, together: float) -> Tilt:
    """The sampler's weights beside `together_pull`: those against parallels are firmer.

    Where few pitch classes are left to four voices, more of them move in parallel
    octaves; `fifths` and `octaves`, fitted without a pull, count 1 + 2 · together
    times. The others stay as they are.

    Parameters
    ----------
    weights : those of the predictor (`gibbs.tilt_of`)
    others : how many voices there are to hear; without any the weights stay as they are
    together : weight, 0-1

    Returns
    -------
    Tilt, none of it above the most there is; for `gibbs.sample(weights=)`
    """
    factor = 1 + FIRMER * validate_together(together)
    if not others:
        return weights
    firmer = {name: min(MOST, factor * weights.weights[name]) for name in PERFECT.values()}
    return replace(weights, **firmer)


def count_cross(
    stacks: Sequence[np.ndarray], *, voices: Sequence[int] = (0, 1, 2, 3), size: int = 4
) -> np.ndarray:
    """What `cross_metrics` tells, as numerators and denominators.

    Returns
    -------
    int array, shape=(stacks, 4, 2), columns in the order of `NAMES`
    """
    if size not in (1, 4) or not set(voices) <= set(range(4)):
        raise ChoraleError(f"expected voices 0-3 and a size of 1 or 4, got {voices}, {size}")
    counts = np.zeros((len(stacks), len(NAMES), 2), np.int64)
    for number, stack in enumerate(stacks):
        grid = _stack(stack, f"stack {number}").astype(int)
        upper, lower = voice_pairs(len(grid))
        chosen = np.isin(np.arange(len(grid)) % 4, voices)
        across = (upper // size != lower // size) & chosen[upper] & chosen[lower]
        upper, lower = upper[across], lower[across]
        both = (grid[upper] != REST) & (grid[lower] != REST)
        interval = (grid[upper] - grid[lower]) % 12
        alike = both & (upper % size == lower % size)[:, None]
        bits = np.where(grid != REST, 1 << grid % 12, 0)
        classes = np.bitwise_count(np.bitwise_or.reduce(bits, axis=0))
        counts[number] = (
            ((np.isin(interval, DISSONANT) & both).sum(), both.sum()),
            (classes.sum(), (classes > 0).sum()),
            (((interval == 0) & both).sum(), both.sum()),
            (((grid[upper] == grid[lower]) & alike).sum(), alike.sum()),
        )
    return counts


def cross_metrics(
    stacks: Sequence[np.ndarray],
    *,
    voices: Sequence[int] = (0, 1, 2, 3),
    size: int = 4,
    rng: np.random.Generator | None = None,
    resamples: int = 1000,
) -> dict[str, Rate]:
    """How well quartets fit together: rates over voices of different quartets.

    Each is summed over all stacks before it is divided.

    Parameters
    ----------
    stacks : int arrays, shape=(4·k, steps)
    voices : rows of each quartet whose pairs are counted: leave out one that all
        quartets share
    size : voices that belong together; 1 compares every voice with every other, to
        see Bach's own texture in the same measures ('same' are then unisons)
    rng : for bootstrap errors over stacks; without it they are NaN
    resamples : sets drawn anew for the errors

    Returns
    -------
    dict with

    - 'dissonant': share of sounding pairs that are dissonant
    - 'pitch classes': sounding at once, all voices, a step
    - 'doubled': share of sounding pairs in unison or octaves
    - 'same': share of a voice's cells that equal the same voice's in another quartet

    NaN where there is nothing to count among.

    Raises
    ------
    ChoraleError
        For no stack, one that isn't (4·k, steps), unknown voices or another size.
    """
    if not len(stacks):
        raise ChoraleError("cross metrics: expected at least one stack")
    counts = count_cross(stacks, voices=voices, size=size)
    values = _divide(counts.sum(0))
    errors = np.full(len(NAMES), np.nan)
    if rng is not None and len(counts) > 1:
        drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
        errors = _divide(np.tensordot(drawn, counts, axes=1)).std(0)
    return {
        name: Rate(float(value), float(error))
        for name, value, error in zip(NAMES, values, errors, strict=True)
    }


def _stack(stack: np.ndarray, name: str) -> np.ndarray:
    """A stack of quartets, checked."""
    grid = validate_grid(stack, name=name)
    if len(grid) % 4:
        raise ChoraleError(f"{name}: expected stacked quartets, got {len(grid)} voices")
    return grid


def _divide(counts: np.ndarray) -> np.ndarray:
    """Numerators over denominators, shape=(..., metrics); NaN where nothing counts."""
    above, below = counts[..., 0], counts[..., 1]
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
