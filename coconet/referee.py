"""The referee: how likely a model finds chorales, in nats, over any Predictor.

**Frames.** A random order of the frames (steps) of a piece is drawn, and one of the
voices inside each frame. A frame is predicted from the true frames before it in the
order; inside the frame a voice sees the model's own likeliest pitch for the voices
before it. A frame's nats are −Σ log p(true pitch) over its voices. Several orders
are combined in probability space, frame by frame: −(logsumexp over orders − log M).
The figure of a piece is the mean over its frames, the figure of a model the mean
over pieces. More orders read lower, so figures of different M don't compare.

**Notes.** An order of all cells; each is predicted from the true cells before it.
The figure of a piece is nats a cell that sounds.

**Chronological** orders take frames, or cells, in time: cells step by step from
soprano to bass, frames with the voices inside each still in random order.

**Rests** are context, as in training: visible from the beginning, never hidden,
never predicted. A rest counts 0, so a frame of rests reads 0 nats.

Source: Huang et al. 2017, "Counterpoint by Convolution" (arXiv 1903.07227),
algorithm 1, as its released code runs it: the text samples the voices inside a
frame, the code takes the likeliest pitch, and the code made the paper's table.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from coconet.chorale import Chorale
from coconet.encoding import lay_on_beats
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER, validate_pitches

if TYPE_CHECKING:
    from coconet.predictor import Predictor

UNITS = ("frame", "note")
ORDERS = ("random", "chronological")
#: A model that gives the truth no chance at all is charged 87 nats: float32's smallest.
LEAST = float(np.finfo(np.float32).tiny)
#: Steps in one forward pass, all windows together.
CHUNK = 8192
#: What is called with answers: the voice and step of each, int arrays of shape
#: (answers,), and its probabilities, a float array of shape (answers, pitches).
OnAnswer = Callable[[np.ndarray, np.ndarray, np.ndarray], object]


@dataclass(frozen=True)
class Referee:
    """The rules by which models are scored.

    unit : 'frame' or 'note'
    order : 'random' or 'chronological'
    orders : M, how many orders are combined; 1 for notes in time, of which there is
        but one order
    every : score only the steps 0, n, 2n … of a piece; all are context
    seed : of the orders, with the piece's own pitches: every model gets the same
        ones, whatever other pieces are scored
    """

    unit: str = "frame"
    order: str = "random"
    orders: int = 5
    every: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        for name, choices in (("unit", UNITS), ("order", ORDERS)):
            if getattr(self, name) not in choices:
                raise ChoraleError(
                    f"{name}: expected {' or '.join(choices)}, got {getattr(self, name)!r}"
                )
        for name, least, most in (("orders", 1, 1000), ("every", 1, 1000), ("seed", 0, 2**63)):
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or not least <= value <= most:
                raise ChoraleError(f"{name}: expected {least}-{most}, got {value!r}")
        if (self.unit, self.order) == ("note", "chronological"):
            object.__setattr__(self, "orders", 1)

    def draw(self, grid: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Order `number` of a piece.

        Parameters
        ----------
        grid : int array, shape=(4, steps), at the model's resolution
        number : from 0; doesn't depend on how many orders there are

        Returns
        -------
        ranks : int array, shape=(4, steps): when each cell is visited; a frame's
            cells share one rank if the unit is a frame
        voices : int array, shape=(steps, 4): the order of the voices inside each
            frame; for frames only
        """
        steps = grid.shape[1]
        rng = np.random.default_rng([self.seed, number, *key_of(grid)])
        random = self.order == "random"
        if self.unit == "note":
            flat = rng.permutation(4 * steps) if random else np.arange(4 * steps)
            return flat.reshape(steps, 4).T, np.tile(np.arange(4), (steps, 1))
        ranks = rng.permutation(steps) if random else np.arange(steps)
        voices = rng.permuted(np.tile(np.arange(4), (steps, 1)), axis=1)
        return np.tile(ranks, (4, 1)), voices


@dataclass(frozen=True, eq=False)
class PieceScore:
    """How likely a model finds one piece. NaN stands where nothing was scored.

    name : BWV number or title
    unit : what `nats` are of: 'frame' or 'note'
    frames : float array, shape=(steps,): nats of each frame
    cells : float array, shape=(4, steps): nats of each note; NaN on rests. The orders
        are combined cell by cell, so a frame's cells add up to its nats only for M = 1
        or unit 'note'.
    right : float array, shape=(4, steps): share of the orders in which the true
        pitch is the likeliest; NaN on rests
    key : four ints that tell the piece's pitches from any other's
    """

    name: str
    unit: str
    frames: np.ndarray
    cells: np.ndarray
    right: np.ndarray
    key: tuple[int, ...]

    @property
    def nats(self) -> np.ndarray:
        """Nats of each frame or note that was scored, in time; a note's cells by voice."""
        values = self.frames if self.unit == "frame" else self.cells
        return values[np.isfinite(values)]

    @property
    def mean(self) -> float:
        return float(self.nats.mean())

    @property
    def notes(self) -> int:
        """Cells scored: notes in steps."""
        return int(np.isfinite(self.cells).sum())


def score_piece(
    predictor: Predictor, chorale: Chorale, referee: Referee | None = None, *, chunk: int = CHUNK
) -> PieceScore:
    """Score a model on one chorale: nats of each frame and of each note.

    Parameters
    ----------
    predictor : any Predictor. Where it has them, three more attributes are used:
        `resolution`, steps a whole note (16): every 2nd or 4th step is kept for 8 or 4;
        `reach`, steps on either side beyond which nothing changes a prediction (None:
        everything does): only so much context is shown, beginning on a beat;
        `predict_at(grids, hidden, outside, steps)`, shape=(batch, 4, pitches):
        predictions of one step each, in place of `predict`.
    chorale : of four voices
    referee : five random orders of frames by default
    chunk : steps in one forward pass; the result doesn't depend on it

    Raises
    ------
    ChoraleError
        For a piece without four voices, without a note to score, or with pitches
        that the model doesn't know.

    >>> from coconet.corpus import load_corpus
    >>> class Uniform:
    ...     pitches = (36, 81)
    ...     def predict(self, grids, hidden, outside=None):
    ...         return np.full((*grids.shape, 46), 1 / 46)
    >>> found = score_piece(Uniform(), load_corpus("demo")[0])
    >>> bool(np.isclose(found.frames[0], 4 * np.log(46))), found.cells.shape
    (True, (4, 272))
    """
    return ReadyPiece(predictor, chorale, referee or Referee()).score(chunk)


class ReadyPiece:
    """One chorale, ready to be scored: laid on beats, its orders drawn.

    grid : int16 array, shape=(4, total), total a multiple of 4: the piece at the
        model's resolution, from `lead` on; rests around it
    ranks : int array, shape=(orders, 4, total)
    order, step, turns : what is to be predicted, item by item: the voices `turns`,
        shape=(items, 4 or 1), of one step under one order; -1 where there is none
    work : int array, shape=(items,): steps that pass through the network
    """

    def __init__(self, predictor: Predictor, chorale: Chorale, referee: Referee):
        self.predictor, self.referee = predictor, referee
        self.name = chorale.bwv or chorale.title or "chorale"
        if chorale.voices != 4:
            raise ChoraleError(f"{self.name}: expected four voices, got {chorale.voices}")
        laid = lay_on_beats(chorale, resolution_of(predictor))
        self.own = own = laid.own
        validate_pitches(own, *predictor.pitches, name=self.name)
        self.grid, self.outside = laid.grid, laid.outside
        self.lead, end = laid.span
        steps = own.shape[1]
        around = (self.lead, self.grid.shape[1] - end)
        drawn = [referee.draw(own, number) for number in range(referee.orders)]
        self.ranks = np.stack([np.pad(ranks, ((0, 0), around)) for ranks, _ in drawn])
        self.scored = np.arange(steps) % referee.every == 0
        sounding = (own != REST) & self.scored
        if not sounding.any():
            raise ChoraleError(f"{self.name}: nothing to score: no note on the steps to score")
        if referee.unit == "note":
            self.order, voice, step = np.nonzero(np.stack([sounding] * referee.orders))
            self.turns = voice[:, None]
        else:
            self.order, step = np.nonzero(np.stack([sounding.any(0)] * referee.orders))
            voices = np.stack([voices for _, voices in drawn])[self.order, step]
            voices = np.where(sounding[voices, step[:, None]], voices, -1)
            later = np.argsort(voices < 0, axis=1, kind="stable")
            self.turns = np.take_along_axis(voices, later, 1)
        self.step = step + self.lead
        self.start, self.length = self._windows()
        self.work = self.length * (self.turns >= 0).sum(1)

    def _windows(self) -> tuple[np.ndarray, np.ndarray]:
        """For each item, where the context that the model can see begins, and its length."""
        total, beat = self.grid.shape[1], STEPS_PER_QUARTER
        reach = getattr(self.predictor, "reach", None)
        reach = total if reach is None else int(reach)
        start = np.maximum(self.step - reach, 0) // beat * beat
        end = np.minimum(-(-(self.step + reach + 1) // beat) * beat, total)
        return start, end - start

    def score(
        self,
        chunk: int,
        on_work: Callable[[int], object] | None = None,
        on_answer: OnAnswer | None = None,
    ) -> PieceScore:
        if chunk < 1:
            raise ChoraleError(f"chunk: expected 1 step or more, got {chunk}")
        shape = (self.referee.orders, *self.own.shape)
        logs, right = np.full(shape, np.nan), np.full(shape, np.nan)
        # Windows of like length share a pass; the shorter ones show a little more.
        by_length = np.argsort(-self.length, kind="stable")
        first = 0
        while first < len(by_length):
            width = int(self.length[by_length[first]])
            items = by_length[first : first + max(1, chunk // width)]
            first += len(items)
            self._predict(items, width, logs, right, on_answer)
            if on_work is not None:
                on_work(int(self.work[items].sum()))
        cells = _mix(logs)
        if self.referee.unit == "note":
            frames = np.where(self.scored, np.nansum(cells, axis=0), np.nan)
        else:
            frames = np.where(self.scored, _mix(np.nansum(logs, axis=1)), np.nan)
        return PieceScore(
            self.name, self.referee.unit, frames, cells, right.mean(0), key_of(self.own)
        )

    def _predict(
        self,
        items: np.ndarray,
        width: int,
        logs: np.ndarray,
        right: np.ndarray,
        on_answer: OnAnswer | None,
    ) -> None:
        """Fill in log p(true) and whether the truth is the likeliest, for some items."""
        low = self.predictor.pitches[0]
        order, step, turns = self.order[items], self.step[items], self.turns[items]
        start = np.minimum(self.start[items], self.grid.shape[1] - width)
        where = start[:, None] + np.arange(width)  # items, width
        rank = self.ranks[order, turns[:, 0], step]
        grids = self.grid[:, where].swapaxes(0, 1).copy()  # items, 4, width
        hidden = self.ranks[order[:, None], :, where].swapaxes(1, 2) >= rank[:, None, None]
        hidden &= grids != REST
        grids[hidden] = REST  # not even by mistake does a model see the answers
        outside, column = self.outside[where], step - start
        for turn in turns.T:
            going = np.flatnonzero(turn >= 0)
            if not len(going):
                break
            voice, at = turn[going], column[going]
            found = self._look(grids[going], hidden[going], outside[going], at)
            found = found[np.arange(len(going)), voice]  # items, pitches
            likeliest = found.argmax(1) + low
            truth = self.grid[voice, step[going]]
            chance = found[np.arange(len(going)), truth - low].astype(np.float64)
            if not np.isfinite(chance).all():
                raise ChoraleError(f"{self.name}: the model predicts what is not a number")
            cell = order[going], voice, step[going] - self.lead
            logs[cell] = np.log(np.maximum(chance, LEAST))
            right[cell] = likeliest == truth
            if on_answer is not None:
                on_answer(voice, cell[2], found)
            grids[going, voice, at] = likeliest
            hidden[going, voice, at] = False

    def _look(
        self, grids: np.ndarray, hidden: np.ndarray, outside: np.ndarray, steps: np.ndarray
    ) -> np.ndarray:
        """Probabilities of one step an item, shape=(items, 4, pitches)."""
        predict_at = getattr(self.predictor, "predict_at", None)
        if predict_at is not None:
            return predict_at(grids, hidden, outside, steps)
        return self.predictor.predict(grids, hidden, outside)[np.arange(len(steps)), :, steps]


def _mix(logs: np.ndarray) -> np.ndarray:
    """Nats of the mean probability over the first axis; NaN stays NaN."""
    with np.errstate(invalid="ignore"):
        return math.log(len(logs)) - np.logaddexp.reduce(logs, axis=0)


def key_of(grid: np.ndarray) -> tuple[int, ...]:
    """Four ints that tell a grid from any other."""
    digest = hashlib.sha256(np.ascontiguousarray(grid, "<i2").tobytes()).digest()
    return tuple(np.frombuffer(digest[:16], "<u4").tolist())


def resolution_of(predictor: Predictor) -> int:
    return getattr(predictor, "resolution", 16)
