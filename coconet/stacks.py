"""Stacks: several quartets to the same kept voices, each in view of those before.

All versions are sampled as one batch, quartet after quartet. The k-th is pulled
towards what stands well against the first k - 1 (`coconet.together`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.gibbs import OnPass, Schedule, rule_of_thumb, sample, tilt_of
from coconet.grid import REST, validate_hidden
from coconet.infill import CHUNK, with_found_key
from coconet.predictor import Predictor
from coconet.together import (
    DEFAULT,
    MOST_QUARTETS,
    together_pull,
    together_weights,
    validate_together,
)


def harmonise(
    predictor: Predictor,
    chorale: Chorale,
    hidden: np.ndarray,
    *,
    quartets: int = 1,
    rngs: Sequence[np.random.Generator],
    passes: int | None = None,
    temperature: float = 1.0,
    tilt: float = 1.0,
    together: float = DEFAULT,
    on_pass: OnPass | None = None,
) -> list[Chorale]:
    """Write the hidden cells of a chorale anew for each quartet of each version.

    Parameters
    ----------
    chorale : of four voices; all rests where nothing is kept (`infill.blank_chorale`)
    hidden : bool array, shape=(4, steps), as `infill.choose_hidden` gives it; hidden
        rests are written too
    quartets : how many stand on top of each other, from 1
    rngs : one generator a version; a version is the same whatever stands beside it
    passes : of the sampler, a quartet; by default one a hidden cell, 64 to 88
    temperature : 0 takes the likeliest pitches
    tilt : how much the fitted weights of `predictor.tilt` count; 0 turns them off
    together : how much a quartet heeds those before it, 0-1; 0 is independence. From the
        second quartet on, the weights against parallels are firmer by it
        (`together.together_weights`)
    on_pass : called after each pass of each quartet, all counted, as
        `coconet.gibbs.sample` does

    Returns
    -------
    list of Chorales, one a version, grid of shape (4·quartets, steps), first quartet
    on top: kept notes stand in every quartet and keep their onsets, new ones begin
    where the pitch changes and after a fermata. Where nothing was kept, the key is
    what the notes tell.

    Raises
    ------
    ChoraleError
        For fewer than one quartet, no version, a weight that isn't 0-1, and what
        `coconet.gibbs.sample` refuses.
    """
    validate_stack(quartets, together)
    if not rngs:
        raise ChoraleError("rngs: expected a generator a version, got none")
    hidden = validate_hidden(hidden, chorale.grid.shape)
    schedule = Schedule(passes=rule_of_thumb(hidden) if passes is None else passes)
    versions, steps = len(rngs), chorale.steps
    stacks = np.zeros((versions, 0, steps), chorale.grid.dtype)
    for number in range(quartets):
        written = sample(
            predictor,
            [chorale] * versions,
            [hidden] * versions,
            schedule=schedule,
            temperature=temperature,
            tilt=tilt,
            weights=together_weights(tilt_of(predictor), stacks.shape[1], together),
            pulls=[together_pull(stack, predictor.pitches, together) for stack in stacks],
            rng=rngs,
            fill_rests=True,
            chunk=CHUNK,
            on_pass=on_pass and _after(on_pass, number * schedule.passes * -(-versions // CHUNK)),
        )
        stacks = np.concatenate([stacks, np.array(written)], axis=1)
    finished = [_stacked(chorale, hidden, stack) for stack in stacks]
    kept = ((chorale.grid != REST) & ~hidden).any()
    return finished if kept else [with_found_key(stack) for stack in finished]


def validate_stack(quartets: int, together: float) -> None:
    """Check how many quartets there are and how they heed each other; raises ChoraleError."""
    if not isinstance(quartets, int | np.integer) or not 1 <= quartets <= MOST_QUARTETS:
        raise ChoraleError(f"stack: expected 1-{MOST_QUARTETS} quartets, got {quartets!r}")
    validate_together(together)


def _stacked(chorale: Chorale, hidden: np.ndarray, stack: np.ndarray) -> Chorale:
    """A version's quartets as one chorale, with the onsets of each."""
    quartets = stack.reshape(-1, 4, chorale.steps)
    onsets = [chorale.onsets_for(grid, hidden=hidden) for grid in quartets]
    return chorale.replace(grid=stack, onsets=np.vstack(onsets), split=None)


def _after(on_pass: OnPass, before: int) -> OnPass:
    """`on_pass`, with the passes of earlier quartets counted in."""
    return lambda number, grids: on_pass(before + number, grids)
