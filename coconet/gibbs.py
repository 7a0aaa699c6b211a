"""Annealed blocked Gibbs sampling over any Predictor.

At each pass a random share of the hidden cells is hidden anew, the model
predicts them all in one go, and all of them are drawn: independently where the
predictor carries no tilt, else one after another in sight of each other
(`coconet.tilt`). The share anneals from nearly everything to a little. With a
tilt the last two fifths of the passes write blocks: the cells of a beat in one
voice, each by a pass of its own that sees those before it, in places far apart
at once. Moving a whole note takes four cells; single ones can't.

Source: Yao et al. 2014, "On the equivalence between deep NADE and generative
stochastic networks"; Huang et al. 2017, section 4.2, whose constants these are.
The paper starts from random pitches and lets a tenth of them stand in the first
pass; here the first pass writes every hidden cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from coconet.chorale import Chorale
from coconet.encoding import lay_on_beats
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER, validate_hidden, validate_pitches
from coconet.theory import in_parallel
from coconet.tilt import MOST, Tilt, draw, draw_in_turn, heard_key, home_pull, validate_factor

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: What stays of the pull towards the key of a last phrase.
STAYS = 0.4
#: How much likelier a block in a parallel is written than another.
URGENT = 5
#: Beats in which one block is rewritten at a time.
WINDOW = 4
#: Steps of the last phrase of a chorale from nothing, at most half of it.
PHRASE = 32
#: What is called after a pass: its number, from 1, and the grids as they stand.
OnPass = Callable[[int, list[np.ndarray]], None]


@dataclass(frozen=True)
class Schedule:
    """How many cells each pass rewrites.

    passes : forward passes of the model
    most, least : share of the hidden cells rewritten in the first pass, and at the end
    until : share of the passes after which it stays at `least`
    home : share of the passes after which the last phrase of a chorale from
        nothing is written anew, in the key of what comes before
    blocks : share of the passes, at the end, that write blocks of one voice and
        one beat cell by cell; none without a tilt
    """

    passes: int = 64
    most: float = 0.9
    least: float = 0.1
    until: float = 0.7
    blocks: float = 0.4
    home: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.passes, int | np.integer) or not 1 <= self.passes <= 100_000:
            raise ChoraleError(f"passes: expected 1-100000, got {self.passes!r}")
        if not (
            0 < self.least <= self.most <= 1
            and 0 < self.until <= 1
            and 0 < self.home <= 1
            and 0 <= self.blocks < 1
        ):
            raise ChoraleError(
                "schedule: expected 0 < least <= most <= 1, 0 < until, home <= 1, "
                f"0 <= blocks < 1: {self}"
            )

    def share(self, number: int) -> float:
        """Share of the hidden cells that pass `number` (from 0) rewrites."""
        fall = number * (self.most - self.least) / (self.until * self.passes)
        return max(self.least, self.most - fall)

    @property
    def sweeps(self) -> int:
        """How often blocks are written, four passes each."""
        return int(self.blocks * self.passes) // STEPS_PER_QUARTER

    @property
    def turn(self) -> int:
        """The pass, from 0 but never the first, from which a last phrase is written anew."""
        return max(1, int(self.home * self.passes))

    def again(self, number: int, *, least: float | None = None) -> float:
        """Share of a last phrase's cells that pass `number`, from `turn` on, rewrites.

        It falls to `least` after `until` of the passes that are left.
        """
        least = self.least if least is None else least
        passes = self.until * (self.passes - self.turn)
        fall = (number - self.turn) * (self.most - least) / max(1, passes)
        return max(least, self.most - fall)


def rule_of_thumb(hidden: np.ndarray) -> int:
    """A number of passes that does for a region: one a hidden cell, 64 to 88.

    The paper's rule is one a cell of the grid. With many more passes a chorale settles
    into what is most usual: fewer dissonances and less movement than in Bach's own
    (docs/model.md).

    >>> rule_of_thumb(np.ones((4, 16), bool))
    64
    """
    return int(np.clip(hidden.sum(), 64, 88))


def sample(
    predictor: Predictor,
    chorales: Sequence[Chorale],
    hidden: Sequence[np.ndarray],
    *,
    schedule: Schedule | None = None,
    temperature: float = 1.0,
    tilt: float = 1.0,
    weights: Tilt | None = None,
    pulls: Sequence[np.ndarray | None] | None = None,
    rng: np.random.Generator | Sequence[np.random.Generator],
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
    tilt : what the weights are multiplied by; 0 draws the cells of a pass
        independently
    weights : by default those that the predictor carries (`predictor.tilt`), if any
    pulls : for each chorale None, or nats added to the model's log-probabilities:
        float array that broadcasts to (4, steps, pitches)
    rng : one generator a chorale, or the parent of as many children, so that a
        chorale comes out the same whatever stands beside it in the batch
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
        know, pulls that don't fit, a model of another resolution, and where nothing
        is hidden.
    """
    schedule = schedule or Schedule()
    if not chorales or len(chorales) != len(hidden):
        raise ChoraleError(
            f"expected one hidden array a chorale, got {len(chorales)} and {len(hidden)}"
        )
    resolution = getattr(predictor, "resolution", 16)
    if resolution != 16:
        raise ChoraleError(
            f"the model was trained on {resolution} steps a whole note, for comparing likelihoods; "
            "sampling needs one of 16"
        )
    temperature = validate_factor(temperature, "temperature")
    weights = (tilt_of(predictor) if weights is None else weights).scaled(tilt)
    regions = [
        _free_cells(chorale, region, predictor.pitches, fill_rests)
        for chorale, region in zip(chorales, hidden, strict=True)
    ]
    children = rng.spawn(len(chorales)) if isinstance(rng, np.random.Generator) else list(rng)
    if len(children) != len(chorales):
        raise ChoraleError(f"rng: expected {len(chorales)} generators, got {len(children)}")
    pulls = [None] * len(chorales) if pulls is None else list(pulls)
    if len(pulls) != len(chorales):
        raise ChoraleError(f"pulls: expected {len(chorales)}, one a chorale, got {len(pulls)}")
    factors = [
        None if pull is None else _factors(pull, chorale.steps, predictor.pitches)
        for pull, chorale in zip(pulls, chorales, strict=True)
    ]
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
            weights,
            [factors[i] for i in picked],
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
        pieces = [lay_on_beats(chorale) for chorale in chorales]
        spans = tuple(piece.span for piece in pieces)
        steps = max(len(piece.outside) for piece in pieces)
        outside = np.ones((len(pieces), steps), bool)
        for item, piece in enumerate(pieces):
            outside[item, : len(piece.outside)] = piece.outside
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


def _anneal(
    predictor: Predictor,
    layout: Layout,
    free: np.ndarray,
    schedule: Schedule,
    temperature: float,
    tilt: Tilt,
    factors: Sequence[np.ndarray | None],
    children: Sequence[np.random.Generator],
    on_pass: OnPass | None,
) -> list[np.ndarray]:
    low, high = predictor.pitches
    grids = layout.grids.copy()
    flat = grids.reshape(len(grids), -1)  # a view: one row a chorale
    cells = [np.flatnonzero(region) for region in free]
    sweeps = schedule.sweeps if tilt else 0
    course = replace(schedule, passes=schedule.passes - STEPS_PER_QUARTER * sweeps)
    # Where no pitch is kept, nothing but chance says which key to end in.
    blank = ~((grids != REST) & ~free).any((1, 2)) & (tilt.key + tilt.close > 0)
    phrases = [_last_phrase(span) for span in layout.spans]
    keys: dict[int, int] = {}

    def write(hidden: np.ndarray, uniforms: np.ndarray, turns: np.ndarray, number: int) -> None:
        """Predict the hidden cells and draw those whose turn it is."""
        if hidden.any():
            found = predictor.predict(grids, hidden, layout.outside)
            if keys or any(factor is not None for factor in factors):
                found = found.copy()
            for item, (factor, (start, end)) in enumerate(zip(factors, layout.spans, strict=True)):
                if factor is not None:
                    found[item, :, start:end] *= factor
            if tilt:
                for item, key in keys.items():
                    phrase = phrases[item]
                    left = course.again(number, least=STAYS * course.most) / course.most
                    steps = phrase.stop - phrase.start
                    found[item, :, phrase] *= home_pull(key, steps, tilt, left, low, high)
                grids[...] = draw_in_turn(
                    found,
                    grids,
                    hidden,
                    tilt,
                    temperature=temperature,
                    uniforms=uniforms,
                    turns=turns,
                    low=low,
                )
            else:
                grids[hidden] = draw(found[hidden], temperature, uniforms[hidden], low)
        if on_pass is not None:
            on_pass(number + 1, layout.cut(grids))

    for number in range(course.passes):
        hidden = np.zeros(flat.shape, bool)
        uniforms, turns = np.zeros(flat.shape), np.zeros(flat.shape)
        for item, (own, child) in enumerate(zip(cells, children, strict=True)):
            # The first pass is a draft that sees the kept cells alone.
            shares = np.full(grids.shape[1:], 1.0 if number == 0 else course.share(number))
            if blank[item] and number >= course.turn:
                shares[:, phrases[item]] = course.again(number)
                if number == course.turn:
                    shares[:, phrases[item]] = 1.0
                    keys[item] = heard_key(grids[item, :, : phrases[item].start])
            chosen = own[child.random(len(own)) < shares.ravel()[own]]
            hidden[item, chosen] = True
            uniforms[item, chosen] = child.random(len(chosen))
            if tilt:
                turns[item, chosen] = child.random(len(chosen))
        shape = grids.shape
        write(hidden.reshape(shape), uniforms.reshape(shape), turns.reshape(shape), number)
    for first in range(course.passes, schedule.passes, STEPS_PER_QUARTER):
        # Cells of a beat in one voice, one after another, each by a pass of its own.
        hidden, uniforms = np.zeros(grids.shape, bool), np.zeros(grids.shape)
        for item, ((start, end), child) in enumerate(zip(layout.spans, children, strict=True)):
            hidden[item] = free[item] & _blocks(free[item], grids[item], (start, end), child)
            uniforms[item, :, start:end] = child.random((4, end - start))
        for place in range(STEPS_PER_QUARTER):
            turns = np.full(grids.shape, np.inf)
            turns[..., place::STEPS_PER_QUARTER] = 0
            write(hidden, uniforms, turns, first + place)
            hidden[..., place::STEPS_PER_QUARTER] = False
    return layout.cut(grids)


def _blocks(
    free: np.ndarray, grid: np.ndarray, span: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Blocks of one voice and one beat that don't touch: about one in four beats.

    Parameters
    ----------
    free : bool array, shape=(4, steps): cells that may be written
    grid : int array, shape=(4, steps): where a parallel begins or arrives, a
        block is `URGENT` times as likely to be chosen
    span : where the chorale lies

    Returns
    -------
    bool array, shape=(4, steps)
    """
    begin, end = span[0] // STEPS_PER_QUARTER, -(-span[1] // STEPS_PER_QUARTER)
    beats = free.shape[1] // STEPS_PER_QUARTER
    blocks = free.reshape(4, beats, -1).any(2)[:, begin:end]
    urgent = in_parallel(grid).reshape(4, beats, -1).any(2)[:, begin:end]
    # The highest of u^(1/w) is a draw with chances in proportion to w.
    order = rng.random(blocks.shape) ** np.where(urgent, 1 / URGENT, 1.0)
    order = np.where(blocks, order, 0.0)
    window = (np.arange(end - begin) + rng.integers(WINDOW)) // WINDOW
    best = np.zeros(window[-1] + 1)
    np.maximum.at(best, window, order.max(0))
    chosen = np.zeros((4, beats), bool)
    chosen[:, begin:end] = (order == best[window]) & (order > 0)
    return chosen.repeat(STEPS_PER_QUARTER, axis=1)


def _factors(pull: np.ndarray, steps: int, pitches: tuple[int, int]) -> np.ndarray:
    """What a pull multiplies probabilities by: at most 1, the largest of each cell 1."""
    low, high = pitches
    pull = np.asarray(pull)
    shape = (4, steps, high - low + 1)
    fits = pull.ndim == 3 and all(
        own in (1, whole) for own, whole in zip(pull.shape, shape, strict=True)
    )
    if not fits or pull.dtype.kind != "f" or not np.isfinite(pull).all():
        raise ChoraleError(
            f"pulls: expected finite nats that broadcast to {shape}, "
            f"got {pull.dtype} of shape {pull.shape}"
        )
    return np.exp(np.clip(pull - pull.max(-1, keepdims=True), -MOST, 0)).astype(np.float32)


def tilt_of(predictor: Predictor) -> Tilt:
    """The weights that a predictor carries; none where it carries none."""
    return getattr(predictor, "tilt", None) or Tilt()


def _last_phrase(span: tuple[int, int]) -> slice:
    """The steps of a chorale's last phrase: two bars, or half of a shorter chorale."""
    start, end = span
    return slice(end - min(PHRASE, (end - start) // 2), end)


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
