"""Annealed blocked Gibbs sampling over any Predictor.

At each pass a random share of the hidden cells is hidden anew, the model
predicts them all in one go, and all of them are drawn at once. The share
anneals from nearly everything to a little, so that the last passes are almost
those of a Gibbs sampler on single cells.

Source: Yao et al. 2014, "On the equivalence between deep NADE and generative
stochastic networks"; Huang et al. 2017, section 4.2, whose constants these are.
The paper starts from random pitches and lets a tenth of them stand in the first
pass; here the first pass writes every hidden cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER, validate_hidden, validate_pitches

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: What is called after a pass: its number, from 1, and the grids as they stand.
OnPass = Callable[[int, list[np.ndarray]], None]
#: Probabilities below this share of the likeliest pitch's are noise, not music.
FLOOR = 1e-4


@dataclass(frozen=True)
class Schedule:
    """How many cells each pass rewrites.

    passes : forward passes of the model
    most, least : share of the hidden cells rewritten in the first pass, and at the end
    until : share of the passes after which it stays at `least`
    """

    passes: int = 64
    most: float = 0.9
    least: float = 0.1
    until: float = 0.7

    def __post_init__(self) -> None:
        if not isinstance(self.passes, int | np.integer) or not 1 <= self.passes <= 100_000:
            raise ChoraleError(f"passes: expected 1-100000, got {self.passes!r}")
        if not (0 < self.least <= self.most <= 1 and 0 < self.until <= 1):
            raise ChoraleError(f"schedule: expected 0 < least <= most <= 1, 0 < until <= 1: {self}")

    def share(self, number: int) -> float:
        """Share of the hidden cells that pass `number` (from 0) rewrites."""
        fall = number * (self.most - self.least) / (self.until * self.passes)
        return max(self.least, self.most - fall)


def rule_of_thumb(hidden: np.ndarray) -> int:
    """A number of passes that does for a region: one a hidden cell, 64 to 256.

    The paper's rule is one a cell of the grid; from 256 on the samples of 128
    steps no longer change in kind.

    >>> rule_of_thumb(np.ones((4, 16), bool))
    64
    """
    return int(np.clip(hidden.sum(), 64, 256))


def sample(
    predictor: Predictor,
    chorales: Sequence[Chorale],
    hidden: Sequence[np.ndarray],
    *,
    schedule: Schedule | None = None,
    temperature: float = 1.0,
    rng: np.random.Generator,
    fill_rests: bool = False,
    chunk: int = 16,
    on_pass: OnPass | None = None,
) -> list[np.ndarray]:
    """Rewrite the hidden cells of chorales, and nothing else.

    Parameters
    ----------
    predictor : any Predictor
    chorales : of four voices and any lengths
    hidden : bool array of each grid's shape; True = the model writes this cell
    schedule : 64 passes by default
    temperature : 1 draws as the model says, 0 takes the likeliest pitch, more
        than 1 is bolder
    rng : parent of one child generator a chorale, so that a chorale comes out
        the same whatever stands beside it in the batch (for a given chunk size)
    fill_rests : write into hidden rests too; by default they stay rests
    chunk : chorales in one forward pass
    on_pass : called after each pass of each chunk with the number of passes done
        so far, all chunks counted, and the grids of that chunk's chorales as they
        stand, shortest first

    Returns
    -------
    list of int16 arrays, each of its chorale's shape; kept cells are the same

    Raises
    ------
    ChoraleError
        For hidden arrays of another shape, kept pitches that the model doesn't
        know, and where nothing is hidden.
    """
    schedule = schedule or Schedule()
    if not chorales or len(chorales) != len(hidden):
        raise ChoraleError(
            f"expected one hidden array a chorale, got {len(chorales)} and {len(hidden)}"
        )
    if not (np.isfinite(temperature) and temperature >= 0):
        raise ChoraleError(f"temperature: expected 0 or more, got {temperature!r}")
    regions = [
        _free_cells(chorale, region, predictor.pitches, fill_rests)
        for chorale, region in zip(chorales, hidden, strict=True)
    ]
    children = rng.spawn(len(chorales))
    # Pieces of like length share a chunk; the order of the results is the caller's.
    order = sorted(range(len(chorales)), key=lambda i: chorales[i].steps)
    grids: list[np.ndarray] = [chorale.grid for chorale in chorales]
    for first in range(0, len(order), chunk):
        picked = order[first : first + chunk]
        layout = Layout.of([chorales[i] for i in picked])
        found = _anneal(
            predictor,
            layout,
            layout.lay([regions[i] for i in picked], False),
            schedule,
            temperature,
            [children[i] for i in picked],
            None if on_pass is None else _after(on_pass, first // chunk * schedule.passes),
        )
        for i, grid in zip(picked, found, strict=True):
            grids[i] = grid
    return grids


@dataclass(frozen=True)
class Layout:
    """Chorales of different lengths in one batch, each with step 0 on a beat.

    grids : int16 array, shape=(batch, 4, steps)
    outside : bool array, shape=(batch, steps): before an upbeat and after the end
    spans : where each chorale lies, half open
    """

    grids: np.ndarray
    outside: np.ndarray
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, chorales: Sequence[Chorale]) -> Layout:
        leads = [-chorale.upbeat % STEPS_PER_QUARTER for chorale in chorales]
        spans = tuple(
            (lead, lead + chorale.steps) for lead, chorale in zip(leads, chorales, strict=True)
        )
        longest = max(end for _, end in spans)
        steps = longest + -longest % STEPS_PER_QUARTER
        outside = np.ones((len(chorales), steps), bool)
        for item, (start, end) in enumerate(spans):
            outside[item, start:end] = False
        layout = cls(np.zeros((len(chorales), 4, steps), np.int16), outside, spans)
        return cls(layout.lay([chorale.grid for chorale in chorales], REST), outside, spans)

    def lay(self, arrays: Sequence[np.ndarray], fill: object) -> np.ndarray:
        """Arrays of the chorales' shapes as one of the batch's."""
        shape = (len(arrays), 4, self.outside.shape[1])
        laid = np.full(shape, fill, dtype=arrays[0].dtype)
        for item, (array, (start, end)) in enumerate(zip(arrays, self.spans, strict=True)):
            laid[item, :, start:end] = array
        return laid

    def cut(self, laid: np.ndarray) -> list[np.ndarray]:
        """The chorales' own stretches of a batch's array, copied."""
        return [array[:, a:b].copy() for array, (a, b) in zip(laid, self.spans, strict=True)]


def draw(
    probabilities: np.ndarray, temperature: float, uniforms: np.ndarray, low: int
) -> np.ndarray:
    """Draw a pitch for each row of probabilities.

    Parameters
    ----------
    probabilities : float array, shape=(cells, pitches)
    temperature : 0 takes the likeliest
    uniforms : float array, shape=(cells,), in [0, 1)
    low : the pitch of column 0

    Returns
    -------
    int16 array, shape=(cells,)
    """
    best = probabilities.max(1, keepdims=True)
    if temperature == 0:
        return (probabilities.argmax(1) + low).astype(np.int16)
    relative = probabilities / best
    weights = np.where(relative < FLOOR, 0.0, relative.astype(np.float64) ** (1 / temperature))
    totals = weights.cumsum(1)
    return ((totals > uniforms[:, None] * totals[:, -1:]).argmax(1) + low).astype(np.int16)


def _anneal(
    predictor: Predictor,
    layout: Layout,
    free: np.ndarray,
    schedule: Schedule,
    temperature: float,
    children: Sequence[np.random.Generator],
    on_pass: OnPass | None,
) -> list[np.ndarray]:
    low, high = predictor.pitches
    grids = layout.grids.copy()
    cells = [np.flatnonzero(region) for region in free]
    flat = grids.reshape(len(grids), -1)  # a view: one row a chorale
    for number in range(schedule.passes):
        hidden = np.zeros(flat.shape, bool)
        uniforms = []
        for row, own, child in zip(hidden, cells, children, strict=True):
            # The first pass is a draft that sees the kept cells alone.
            share = 1.0 if number == 0 else schedule.share(number)
            chosen = own[child.random(len(own)) < share]
            row[chosen] = True
            uniforms.append(child.random(len(chosen)))
        if hidden.any():
            found = predictor.predict(grids, hidden.reshape(grids.shape), layout.outside)
            chosen_rows = found.reshape(-1, high - low + 1)[hidden.ravel()]
            flat[hidden] = draw(chosen_rows, temperature, np.concatenate(uniforms), low)
        if on_pass is not None:
            on_pass(number + 1, layout.cut(grids))
    return layout.cut(grids)


def _after(on_pass: OnPass, before: int) -> OnPass:
    """`on_pass`, with the passes of earlier chunks counted in."""
    return lambda number, grids: on_pass(before + number, grids)


def _free_cells(
    chorale: Chorale, hidden: np.ndarray, pitches: tuple[int, int], fill_rests: bool
) -> np.ndarray:
    """The cells of a hidden region that get written, after checking it."""
    name = chorale.title or "chorale"
    if chorale.voices != 4:
        raise ChoraleError(f"{name}: the model writes four voices, got {chorale.voices}")
    region = validate_hidden(hidden, chorale.grid.shape)
    validate_pitches(np.where(region, REST, chorale.grid), *pitches, name=name)
    free = region if fill_rests else region & (chorale.grid != REST)
    if not free.any():
        raise ChoraleError(f"{name}: nothing to write: no cell is hidden, or all hidden are rests")
    return free
