"""Quartets that know each other: several ways, beside independent stacks and Bach's own."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from coconet import places
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.gibbs import Layout, Schedule, sample, tilt_of
from coconet.grid import REST
from coconet.metrics import Row, bach_rows, battery, within_bach
from coconet.predictor import Predictor, load_predictor
from coconet.replace import Plan, replace_voices
from coconet.theory import intervals, sounding_pairs
from coconet.together import DEFAULT, NAMES, Rate, cross_metrics, together_pull, together_weights

ALONE = ("dissonant", "triads", "hold", "onsets", "moving", "fifths", "octaves", "order")
SETTINGS = ("bass", "soprano", "nothing", "replacement")
QUARTETS = 4
Pull = Callable[[np.ndarray], np.ndarray | None]


def choose_pieces(count: int, longest: int) -> list[Chorale]:
    """Chorales spread over the valid split, and the demo split, from their beginnings."""
    valid, demo = load_corpus("valid"), load_corpus("demo")
    spread = np.linspace(0, len(valid) - 1, max(0, count - len(demo))).astype(int)
    chosen = [valid[number] for number in spread] + demo
    return [crop(chorale, (0, min(longest, chorale.steps))) for chorale in chosen[:count]]


# ---------------------------------------------------------------- one way: Bach's intervals


@cache
def interval_gains() -> np.ndarray:
    """Log-ratio of each interval mod 12 in Bach's train split to chance, shape=(12,)."""
    both, chance = np.zeros(12), np.zeros(12)
    for chorale in load_corpus("train"):
        found = intervals(chorale.grid)
        counts = np.bincount(found[sounding_pairs(chorale.grid)] % 12, minlength=12)
        both += counts + np.roll(counts[::-1], 1)
        classes = np.bincount(chorale.grid[chorale.grid != REST] % 12, minlength=12)
        share = classes / classes.sum()
        chance += [2 * counts.sum() * share @ np.roll(share, shift) for shift in range(12)]
    return np.log(both / chance)


def interval_pull(others: np.ndarray, pitches: tuple[int, int], weight: float) -> np.ndarray:
    """`weight` times the mean of the gains over the other quartets' voices."""
    low, high = pitches
    gains = interval_gains()[(np.arange(low, high + 1)[:, None] - np.arange(12)) % 12]
    counts = (((others % 12)[..., None] == np.arange(12)) & (others != REST)[..., None]).sum(0)
    share = counts / np.maximum(1, counts.sum(1, keepdims=True))
    return weight * (share @ gains.T)[None]


# ---------------------------------------------------------------- another: voices swapped in


class Swapped:
    """The model's predictions, times those with one voice of another quartet in its place.

    At each pass a voice and one of the other quartets are drawn; that quartet's voice
    stands in for the own one, in all predictions but its own.

    others : int array, shape=(quartets, batch, 4, steps), as the sampler lays them out
    weight : exponent of the second factor
    voices : rows that may be swapped
    """

    def __init__(
        self,
        predictor: Predictor,
        others: np.ndarray,
        weight: float,
        voices: Sequence[int],
        rng: np.random.Generator,
    ) -> None:
        self.predictor, self.pitches, self.tilt = predictor, predictor.pitches, predictor.tilt
        self.others, self.weight, self.voices, self.rng = others, weight, voices, rng

    def predict(
        self, grids: np.ndarray, hidden: np.ndarray, outside: np.ndarray | None = None
    ) -> np.ndarray:
        own = self.predictor.predict(grids, hidden, outside)
        items = np.arange(len(grids))
        voice = self.rng.choice(self.voices, len(grids))
        quartet = self.rng.integers(len(self.others), size=len(grids))
        grids, hidden = grids.copy(), hidden.copy()
        grids[items, voice] = self.others[quartet, items, voice]
        hidden[items, voice] = False
        swapped = np.maximum(self.predictor.predict(grids, hidden, outside), 1e-4)
        swapped[items, voice] = 1.0
        product = own * swapped**self.weight
        return product / product.sum(-1, keepdims=True)


# ---------------------------------------------------------------- stacks


def stacked(
    predictor: Predictor,
    chorales: Sequence[Chorale],
    kept: Sequence[int],
    passes: int,
    seed: int,
    *,
    pull: Pull = lambda others: None,
    together: float = 0.0,
    swap: float = 0.0,
) -> list[np.ndarray]:
    """Four quartets to the kept voices of each chorale, each in view of those before."""
    written = [row for row in range(4) if row not in kept]
    hidden = [np.isin(np.arange(4), written)[:, None].repeat(c.steps, 1) for c in chorales]
    if not kept:
        chorales = [
            Chorale(np.zeros(c.grid.shape, int), upbeat=c.upbeat, time_signature=c.time_signature)
            for c in chorales
        ]
    sources = np.random.SeedSequence(seed).spawn(len(chorales) + 1)
    rngs = [np.random.default_rng(source) for source in sources]
    stacks = [np.zeros((0, chorale.steps), np.int16) for chorale in chorales]
    for number in range(QUARTETS):
        model = predictor
        if swap and number:
            # One chunk, shortest first: what the sampler's own layout is.
            order = sorted(range(len(chorales)), key=lambda item: chorales[item].steps)
            others = [
                Layout.of([chorales[i].replace(grid=quartets[i], onsets=None) for i in order]).grids
                for quartets in zip(*(np.vsplit(stack, number) for stack in stacks), strict=True)
            ]
            model = Swapped(predictor, np.array(others), swap, written, rngs[-1])
        grids = sample(
            model,
            chorales,
            hidden,
            schedule=Schedule(passes=passes),
            weights=together_weights(tilt_of(predictor), 4 * number, together),
            pulls=[pull(stack) for stack in stacks],
            rng=rngs[:-1],
            fill_rests=not kept,
            chunk=len(chorales),
        )
        stacks = [np.vstack(pair) for pair in zip(stacks, grids, strict=True)]
    return stacks


def replaced(
    predictor: Predictor, chorales: Sequence[Chorale], passes: int, seed: int, together: float
) -> list[np.ndarray]:
    """Sixteen voices by incremental replacement."""
    rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(len(chorales))]
    plan = Plan(passes=passes, together=together)
    return [r.stack.grid for r in replace_voices(predictor, chorales, plan, rngs=rngs)]


# ---------------------------------------------------------------- the table


def told(stacks: list[np.ndarray], written: Sequence[int], bach: list[Row]) -> str:
    """A row of the table: between quartets, then each quartet alone."""
    rng = np.random.default_rng(1)
    across = cross_metrics(stacks, voices=written, rng=rng)
    cells = [_told(across["dissonant"]), _told(cross_metrics(stacks, rng=rng)["dissonant"])]
    cells += [_told(across[name]) for name in NAMES[1:]]
    row = battery(stacks, rng=rng)
    inside = within_bach(row, bach)
    cells += [
        _told(Rate(row.value(name), row.error(name))) + ("" if inside[name] else "*")
        for name in ALONE
    ]
    return " | ".join(cells)


def _told(rate: Rate) -> str:
    return "" if np.isnan(rate.value) else f"{rate.value:.3f} ± {rate.error:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=places.models() / "chorales", metavar="DIR")
    parser.add_argument("--pieces", type=int, default=20, metavar="N")
    parser.add_argument("--longest", type=int, default=128, metavar="STEPS")
    parser.add_argument("--passes", type=int, default=64)
    parser.add_argument("--settings", nargs="+", default=SETTINGS, choices=SETTINGS)
    parser.add_argument(
        "--together", type=float, nargs="*", default=[0.0, 0.25, DEFAULT, 1.0], metavar="W"
    )
    parser.add_argument("--intervals", type=float, nargs="*", default=[2.0, 4.0], metavar="X")
    parser.add_argument("--swap", type=float, nargs="*", default=[1.0], metavar="X")
    parser.add_argument("--no-clash", type=float, nargs="*", default=[DEFAULT], metavar="W")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    predictor = load_predictor(options.model, threads=1)
    chorales = choose_pieces(options.pieces, options.longest)
    bach = bach_rows(rng=np.random.default_rng(1))
    headings = ("setting", "quartets", "dissonant", "all voices", *NAMES[1:], *ALONE, "minutes")
    print("|", " | ".join(headings), "|\n|" + "---|" * len(headings))
    own = [chorale.grid for chorale in chorales]
    print(f"| | Bach's own | {told(own, range(4), bach)} | |")
    texture = cross_metrics(own, size=1, rng=np.random.default_rng(1))
    shares = [_told(texture[name]) for name in NAMES]
    cells = [shares[0], shares[0], *shares[1:3], *[""] * (len(ALONE) + 2)]
    print("| | his voices, one with another |", " | ".join(cells), "|", flush=True)

    for setting in options.settings:
        replacing = setting == "replacement"
        kept = {"bass": (3,), "soprano": (0,)}.get(setting, ())
        written = [row for row in range(4) if row not in kept]
        common = (options.passes, options.seed)
        if replacing:
            make = partial(replaced, predictor, chorales, *common)
            ways = {f"together {w:g}": partial(make, w) for w in options.together}
        else:
            make = partial(stacked, predictor, chorales, kept, *common)
            at = predictor.pitches
            ways = {}
            for x in options.intervals:
                pull = partial(interval_pull, pitches=at, weight=x)
                ways[f"Bach's intervals × {x:g}"] = partial(make, pull=_from_second(pull))
            for x in options.swap:
                ways[f"a voice swapped, power {x:g}"] = partial(make, swap=x)
            for w in options.no_clash:
                pull = partial(together_pull, pitches=at, together=w, clashing=0.0)
                ways[f"together {w:g}, clashes no more than others"] = partial(make, pull=pull)
            for w in options.together:
                pull = partial(together_pull, pitches=at, together=w)
                ways[f"together {w:g}"] = partial(make, pull=pull, together=w)
        for name, way in ways.items():
            began = time.perf_counter()
            stacks = way()
            minutes = (time.perf_counter() - began) / 60
            print(f"| {setting} | {name} | {told(stacks, written, bach)} | {minutes:.1f} |")
            if not replacing and name == "together 0":
                copies = [np.tile(stack[:4], (QUARTETS, 1)) for stack in stacks]
                print(f"| {setting} | its first, four times | {told(copies, written, bach)} | |")
            print(end="", flush=True)
    print("\n* outside Bach's spread: his splits, widened by 1.96 errors on either side")


def _from_second(pull: Pull) -> Pull:
    """No pull where there are no others yet."""
    return lambda others: pull(others) if len(others) else None


if __name__ == "__main__":
    main()
