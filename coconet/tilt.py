"""The tilt: what a draw of many cells at once can't see, weighed cell by cell.

A network gives each hidden cell its own probabilities. Drawn independently, two
voices move in parallel fifths and octaves many times as often as Bach's, though
each chord is as good as his. Here the hidden cells of a pass are drawn one
after another from the same probabilities, in a random order; a pitch that would
make a parallel with the cells that stand by then loses some nats. Weights are
those of an exponential family: `fit_tilt` moves them until the sampler's rates
are Bach's, no rule is set by hand.

Cells that don't touch, that is those more than a step apart, can't see each
other: they are drawn together, with the result of the random order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from coconet.errors import ChoraleError
from coconet.files import read_json, write_json
from coconet.grid import STEPS_PER_QUARTER
from coconet.theory import PROFILES, key_scores

FILE = "sampler.json"
FORMAT = 1
#: Weights beyond this many nats mean never.
MOST = 20.0
#: Probabilities below this share of the likeliest pitch's are noise, not music.
FLOOR = 1e-4
#: Intervals mod 12 that must not move in parallel, and the weight of each.
PERFECT = {7: "fifths", 0: "octaves"}


@dataclass(frozen=True)
class Tilt:
    """Weights in nats, 0 to 20, and how they were found.

    fifths, octaves : lost by a pitch for each parallel that it makes
    key, close : of chorales from nothing, see `home_pull`
    fitted : what `fit_tilt` tells of itself: settings and rates
    """

    fifths: float = 0.0
    octaves: float = 0.0
    key: float = 0.0
    close: float = 0.0
    fitted: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name, value in self.weights.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and 0 <= value <= MOST):
                raise ChoraleError(f"tilt: {name}: expected 0-{MOST:g} nats, got {value!r}")

    @property
    def weights(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("fifths", "octaves", "key", "close")}

    @property
    def told(self) -> str:
        """The weights in a line."""
        return ", ".join(f"{name} {nats:.2f}" for name, nats in self.weights.items()) + " nats"

    def scaled(self, factor: float) -> Tilt:
        """All weights times `factor`, which is 0 or more; none above the most there is."""
        factor = validate_factor(factor, "tilt")
        scaled = {name: min(MOST, factor * value) for name, value in self.weights.items()}
        return Tilt(**scaled, fitted=self.fitted)

    def __bool__(self) -> bool:
        return any(self.weights.values())


def validate_factor(factor: object, name: str) -> float:
    """Return a temperature, or what weights are multiplied by, as a float; 0 or more."""
    number = isinstance(factor, Real) and not isinstance(factor, bool)
    if not (number and math.isfinite(factor) and factor >= 0):
        raise ChoraleError(f"{name}: expected 0 or more, got {factor!r}")
    return float(factor)


def save_tilt(folder: Path | str, tilt: Tilt) -> Path:
    """Write `sampler.json` into a checkpoint's folder, whole or not at all."""
    path = Path(folder) / FILE
    write_json(path, {"format": FORMAT, "weights": tilt.weights, "fitted": dict(tilt.fitted)})
    return path


def load_tilt(folder: Path | str) -> Tilt | None:
    """The weights in a checkpoint's folder; None where none were fitted.

    Raises ChoraleError for a file of another format, with other or missing
    weights, or weights that are no numbers from 0 to 20.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    held = read_json(path)
    if held.get("format") != FORMAT:
        raise ChoraleError(f"{path}: expected format {FORMAT}, got {held.get('format')!r}")
    weights, fitted = held.get("weights"), held.get("fitted", {})
    names = list(Tilt().weights)
    if not isinstance(weights, dict) or sorted(weights) != sorted(names):
        raise ChoraleError(f"{path}: expected weights {', '.join(names)}, got {weights!r}")
    if not isinstance(fitted, dict):
        raise ChoraleError(f"{path}: fitted: expected an object, got {fitted!r}")
    try:
        return Tilt(**weights, fitted=fitted)
    except ChoraleError as error:
        raise ChoraleError(f"{path}: {error}") from error


def draw(
    probabilities: np.ndarray,
    temperature: float,
    uniforms: np.ndarray,
    low: int,
    penalty: np.ndarray | None = None,
) -> np.ndarray:
    """Draw a pitch for each row of probabilities.

    Parameters
    ----------
    probabilities : float array, shape=(cells, pitches)
    temperature : 0 takes the likeliest
    uniforms : float array, shape=(cells,), in [0, 1)
    low : the pitch of column 0
    penalty : nats that each pitch loses, shape=(cells, pitches), before the
        temperature does its work; none by default

    Returns
    -------
    int16 array, shape=(cells,)
    """
    best = probabilities.max(1, keepdims=True)
    if temperature == 0 and penalty is None:
        return (probabilities.argmax(1) + low).astype(np.int16)
    relative = probabilities / best
    weights = np.where(relative < FLOOR, 0.0, relative.astype(np.float64))
    if penalty is not None:
        weights *= np.exp(-penalty)
        weights /= weights.max(1, keepdims=True)
    if temperature == 0:
        return (weights.argmax(1) + low).astype(np.int16)
    totals = (weights ** (1 / temperature)).cumsum(1)
    return ((totals > uniforms[:, None] * totals[:, -1:]).argmax(1) + low).astype(np.int16)


def draw_in_turn(
    probabilities: np.ndarray,
    grids: np.ndarray,
    hidden: np.ndarray,
    tilt: Tilt,
    *,
    temperature: float,
    uniforms: np.ndarray,
    turns: np.ndarray,
    low: int,
) -> np.ndarray:
    """Draw the hidden cells one after another, each in sight of those drawn before.

    Parameters
    ----------
    probabilities : float array, shape=(batch, 4, steps, pitches)
    grids : int array, shape=(batch, 4, steps): the kept cells are read
    hidden : bool array of the same shape: the cells that don't stand yet
    tilt : the weights
    temperature : as for `draw`
    uniforms : float array, shape=(batch, 4, steps), in [0, 1): each cell's chance
    turns : float array, shape=(batch, 4, steps): cells with lower numbers are
        drawn first, those with infinity stay hidden
    low : the lowest pitch of the model

    Returns
    -------
    int16 array, shape=(batch, 4, steps); an item's depends on that item alone
    """
    batch, voices, steps = grids.shape
    # A step of nothing at either end; nothing stands yet where a cell is hidden.
    standing = np.zeros((batch, voices, steps + 2), np.int64)
    standing[..., 1:-1] = np.where(hidden, 0, grids)
    waiting = np.full((batch, voices, steps + 2), np.inf)
    waiting[..., 1:-1] = np.where(hidden, turns, np.inf)
    drawn = np.isfinite(waiting[..., 1:-1])
    left = int(drawn.sum())
    while left:
        # Whoever comes first among the cells of three steps in a row can be drawn now.
        first = waiting.min(1)
        first = np.minimum(np.minimum(first[:, :-2], first[:, 2:]), first[:, 1:-1])
        ready = (waiting[..., 1:-1] == first[:, None]) & np.isfinite(first)[:, None]
        item, voice, step = np.nonzero(ready)
        rows = probabilities[item, voice, step]
        penalty = parallel_penalty(standing, item, voice, step + 1, tilt, low, rows.shape[1])
        found = draw(rows, temperature, uniforms[item, voice, step], low, penalty)
        standing[item, voice, step + 1] = found
        waiting[item, voice, step + 1] = np.inf
        left -= len(item)
    return np.where(drawn, standing[..., 1:-1], grids).astype(np.int16)


def heard_key(grid: np.ndarray) -> int:
    """The key that fits a grid best (`theory.key_scores`): 0-11 major, 12-23 minor."""
    return int(key_scores(grid).argmax())


def home_pull(key: int, steps: int, tilt: Tilt, left: float, low: int, high: int) -> np.ndarray:
    """How the last phrase of a chorale from nothing is drawn home.

    With no pitch kept, the parts of a long piece settle in keys of their own, and
    it ends in whichever the last part is in. So pitch classes that are rare in
    the key of what comes before lose some of their log-ratio to its commonest
    one (`tilt.key` times `left`, in the profiles of `theory.PROFILES`); and in
    the last beat pitches outside the tonic triad lose `tilt.close` nats, in the
    bass all but the tonic.

    Parameters
    ----------
    key : 0-11 major, 12-23 minor
    steps : of the phrase
    left : 1 at first, falling to 0
    low, high : the model's pitches

    Returns
    -------
    float32 array, shape=(4, steps, pitches): factors, at most 1
    """
    mode, tonic = ("major", "minor")[key // 12], key % 12
    degrees = (np.arange(low, high + 1) - tonic) % 12
    profile = np.array(PROFILES[mode])
    pull = np.tile(tilt.key * left * np.log(profile / profile.max())[degrees], (4, steps, 1))
    triad = (0, 4, 7) if mode == "major" else (0, 3, 4, 7)
    last = slice(-STEPS_PER_QUARTER, None)
    pull[:3, last] -= tilt.close * ~np.isin(degrees, triad)
    pull[3, last] -= tilt.close * (degrees != 0)
    return np.exp(pull).astype(np.float32)


def parallel_penalty(
    standing: np.ndarray,
    item: np.ndarray,
    voice: np.ndarray,
    step: np.ndarray,
    tilt: Tilt,
    low: int,
    count: int,
) -> np.ndarray | None:
    """Nats that each pitch would lose in each of some cells.

    Parameters
    ----------
    standing : int array, shape=(batch, 4, steps): 0 where nothing sounds or stands yet
    item, voice, step : indices of the cells, none in the first or last step
    tilt : the weights
    low, count : the lowest pitch, and how many

    Returns
    -------
    float array, shape=(cells, count), or None where no pitch loses anything
    """
    weights = np.zeros(12)
    for interval, name in PERFECT.items():
        weights[interval] = tilt.weights[name]
    others = (voice[:, None] + np.arange(1, 4)) % 4  # cells, others
    sides = step[:, None] + np.array([-1, 1])  # cells, sides: into this step, out of it
    here = standing[item[:, None], others, step[:, None]][:, :, None]
    there = standing[item[:, None, None], others[:, :, None], sides[:, None]]
    own = standing[item[:, None], voice[:, None], sides][:, None]
    interval = abs(own - there) % 12
    alive = (here > 0) & (there > 0) & (own > 0) & (here != there) & (weights[interval] > 0)
    cell, other, side = np.nonzero(alive)
    if not len(cell):
        return None
    here, there = here[cell, other, 0], there[cell, other, side]
    own, interval = own[cell, 0, side], interval[cell, other, side]
    pitch = np.arange(low, low + count)
    keeps = abs(pitch - here[:, None]) % 12 == interval[:, None]
    follows = np.sign(pitch - own[:, None]) == np.sign(here - there)[:, None]
    penalty = np.zeros((len(item), count))
    np.add.at(penalty, cell, weights[interval][:, None] * (keeps & follows))
    return penalty
