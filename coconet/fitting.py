"""Fitting the sampler's weights: what it writes from nothing, held beside Bach's.

Stochastic approximation (Robbins and Monro 1951) of an exponential family's
weights: each round samples chorales from nothing with the weights as they
stand, then moves each weight by the logarithm of the sampler's rate over
Bach's, the first round by all of it, round n by an n-th. The weight of the last
chord moves by log-odds, the other way round: there Bach's share is the higher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.gibbs import OnPass, Schedule, sample
from coconet.metrics import NAMES, Row, battery, row_of
from coconet.tilt import Tilt

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: Weights that move by the logarithm of a rate, and the one that moves by log-odds.
RATES, ENDING = ("fifths", "octaves"), "ending"
#: What is told of each round.
COLUMNS = ("hold", "onsets", "triads", "dissonant", "order", "moving", *RATES, ENDING)
#: From where the weights begin.
START = Tilt(fifths=7.0, octaves=7.5, key=1.0, close=4.0)
#: Fitted weights stay here: beyond it a weight changes nothing but hides a runaway.
BOUND = 12.0
#: The largest step of a weight, in nats.
STRIDE = 2.0


@dataclass(frozen=True)
class FitSettings:
    """What is sampled in each round.

    samples, steps : chorales from nothing, and their length
    passes : of the sampler
    rounds : in which the weights move
    seed : round n samples with `default_rng([seed, n])`
    """

    samples: int = 48
    steps: int = 128
    passes: int = 88
    rounds: int = 6
    seed: int = 1

    def __post_init__(self) -> None:
        lowest = {"samples": 2, "steps": 16, "passes": 1, "rounds": 1, "seed": 0}
        for name, least in lowest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ChoraleError(f"{name}: expected {least} or more, got {value!r}")


@dataclass(frozen=True, eq=False)
class Round:
    """Some weights, and what was sampled with them.

    number : 0 is without weights
    row : the samples in numbers
    """

    number: int
    tilt: Tilt
    row: Row

    def __str__(self) -> str:
        told = (f"{name} {self.row.value(name):.2f}" for name in (*RATES, ENDING))
        return f"round {self.number}: {self.tilt.told}; samples: {', '.join(told)}"


OnRound = Callable[[Round], None]


def bach_target() -> Row:
    """Bach's rates in train and valid together: one split holds too few parallels."""
    pieces = [*load_corpus("train"), *load_corpus("valid")]
    return battery(pieces, name="Bach, train and valid")


def fit_tilt(
    predictor: Predictor,
    settings: FitSettings | None = None,
    *,
    start: Tilt = START,
    target: Row | None = None,
    on_pass: OnPass | None = None,
    on_round: OnRound | None = None,
) -> tuple[Tilt, list[Round]]:
    """The weights with which chorales from nothing have Bach's rates of parallels.

    Parameters
    ----------
    predictor : of 16 steps a whole note; its own `tilt` is not looked at
    settings : 48 samples of 128 steps, 88 passes and 6 rounds by default
    start : the weights to begin with; `key` stays as it is
    target : the rates to come to, `bach_target` by default
    on_pass : as for `coconet.gibbs.sample`, passes counted within a round
    on_round : called after each round, and once before the first for the
        samples without weights

    Returns
    -------
    (Tilt, list of Rounds); the tilt's `fitted` holds settings and rates
    """
    settings = settings or FitSettings()
    target = bach_target() if target is None else target
    tilt, rounds = start, []
    for number in range(settings.rounds + 1):
        used = tilt if number else Tilt()
        written = _written(predictor, used, settings, number, on_pass)
        rounds.append(Round(number, used, battery(written, name=f"round {number}")))
        if on_round is not None:
            on_round(rounds[-1])
        if number:
            tilt = moved(tilt, rounds[-1].row, target, 1 / number)
    told = {
        row.name: {
            name: round(row.value(name), 4) for name in COLUMNS if np.isfinite(row.value(name))
        }
        for row in told_rows(rounds, target)
    }
    model = getattr(predictor, "name", type(predictor).__name__)
    fitted = {**asdict(settings), "model": model, "rates": told}
    return Tilt(**tilt.weights, fitted=fitted), rounds


def told_rows(rounds: Sequence[Round], target: Row) -> list[Row]:
    """The samples without weights, those of the later half of the rounds, and Bach."""
    late = rounds[1 + (len(rounds) - 1) // 2 :]
    counts = np.concatenate([each.row.counts for each in late])
    before = row_of(rounds[0].row.counts, name="without weights")
    name = f"rounds {late[0].number}-{late[-1].number}"
    return [before, row_of(counts, name=name), target]


def comparison(rounds: Sequence[Round], target: Row) -> str:
    """The table of `told_rows`."""
    lines = [" " * 22 + " ".join(f"{name:>9}" for name in COLUMNS)]
    for row in told_rows(rounds, target):
        lines.append(f"{row.name:<22}" + " ".join(f"{row.value(name):9.3f}" for name in COLUMNS))
    return "\n".join(lines)


def moved(tilt: Tilt, row: Row, target: Row, gain: float) -> Tilt:
    """The weights after one round: moved by `gain` times how far the rates stand from Bach's.

    A rate of 0 is no reason to run away: half a parallel is added to what was
    counted, and to what Bach's rate leads to expect.
    """
    weights = tilt.weights
    for name in RATES:
        counted, among = row.counts[:, NAMES.index(name)].sum(0)
        expected = target.value(name) / 1000 * among
        weights[name] += _stride(gain * np.log((counted + 0.5) / (expected + 0.5)))
    ended, pieces = row.counts[:, NAMES.index(ENDING)].sum(0)
    expected = target.value(ENDING) * pieces
    odds = np.log((expected + 0.5) / (pieces - expected + 0.5))
    odds -= np.log((ended + 0.5) / (pieces - ended + 0.5))
    weights["close"] += _stride(gain * odds)
    return Tilt(**{name: float(np.clip(weight, 0, BOUND)) for name, weight in weights.items()})


def _stride(step: float) -> float:
    return float(np.clip(step, -STRIDE, STRIDE))


def _written(
    predictor: Predictor,
    tilt: Tilt,
    settings: FitSettings,
    number: int,
    on_pass: OnPass | None,
) -> list[np.ndarray]:
    """Chorales from nothing under some weights."""
    blank = Chorale(np.zeros((4, settings.steps), int))
    return sample(
        predictor,
        [blank] * settings.samples,
        [np.ones(blank.grid.shape, bool)] * settings.samples,
        schedule=Schedule(passes=settings.passes),
        weights=tilt,
        rng=np.random.default_rng([settings.seed, number]),
        fill_rests=True,
        on_pass=on_pass,
    )
