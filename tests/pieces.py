"""Random chorales small enough for a slow reference, and what holds for layers that move cells."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from coconet.chorale import Chorale
from coconet.grid import REST, onsets_of
from coconet.traced import NOWHERE, Traced


@st.composite
def pieces(draw, voices=range(1, 7), most_steps=24):
    """Chorales with rests, repeated notes, fermatas, phrases and an upbeat, or without some."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from(voices)), draw(st.integers(1, most_steps))
    grid = rng.choice([REST, 48, 60, 61, 62, 66, 67], shape)
    held = rng.random(shape) < draw(st.sampled_from([0, 0.5, 0.8]))
    for step in range(1, shape[1]):
        grid[:, step] = np.where(held[:, step], grid[:, step - 1], grid[:, step])
    onsets = ((rng.random(shape) < 0.2) & (grid != REST)) | onsets_of(grid)
    ends = rng.random(shape[1]) < 0.2
    ends[-1] = True
    return Chorale(
        grid,
        onsets=onsets,
        fermatas=rng.random(shape[1]) < 0.2,
        phrases=np.diff(np.flatnonzero(ends), prepend=-1).tolist() if draw(st.booleans()) else (),
        upbeat=draw(st.integers(0, 15)),
        tonic=draw(st.integers(0, 11)),
        mode=draw(st.sampled_from(["major", "minor"])),
    )


@st.composite
def disjoint_spans(draw, steps):
    """Some spans that don't overlap, in any order."""
    edges = sorted(draw(st.sets(st.integers(0, steps), max_size=8)))
    pairs = [list(pair) for pair in zip(edges[::2], edges[1::2], strict=False)]
    if draw(st.booleans()):  # neighbours that touch
        pairs = [list(pair) for pair in pairwise(edges)]
    return draw(st.permutations(pairs))


def assert_only_moved(result: Traced, source: Chorale) -> None:
    """Each cell is the one that its trace names; what comes from nowhere is a rest."""
    assert result.source == source.grid.shape
    nowhere = result.voice == NOWHERE
    assert (nowhere == (result.step == NOWHERE)).all()
    expected = np.where(nowhere, REST, source.grid[result.voice, result.step])
    assert (result.grid == expected).all()


def columns(chorale: Chorale) -> list[list[tuple[int, bool]]]:
    """(pitch, whether a note begins) of each voice, step by step, as plain lists."""
    pitches, begins = chorale.grid.T.tolist(), chorale.onsets.T.tolist()
    return [list(zip(*column, strict=True)) for column in zip(pitches, begins, strict=True)]


def labels(chorale: Chorale) -> list[int]:
    """The number of each step's phrase; none where the chorale knows of no phrases."""
    return [number for number, length in enumerate(chorale.phrases) for _ in range(length)]
