"""Seconds of a report over 100 arrays (16, 264), and how its cost grows.

The arrays are stacks of four quartets, as voice replacement makes them: Bach's train
chorales, repeated to the length and moved a little. Medians, Bach's own features first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from coconet.corpus import load_corpus
from coconet.features import bach_features, describe
from coconet.reports import report_of

PIECES, VOICES, STEPS = 100, 16, 264


def stacks(count: int, voices: int, steps: int) -> list[np.ndarray]:
    """int arrays, shape=(voices, steps): quartets of chorales, each at its own place."""
    rng = np.random.default_rng(1)
    chorales = [chorale.grid for chorale in load_corpus("train")]
    made = []
    for _ in range(count):
        quartets = [chorales[k] for k in rng.integers(len(chorales), size=voices // 4)]
        made.append(np.vstack([np.resize(grid.T, (steps, 4)).T for grid in quartets]))
    return made


def seconds(work: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    chorales = load_corpus("train")
    anew = seconds(lambda: [describe(chorale) for chorale in chorales], options.runs)
    print(f"Bach's {len(chorales)} chorales: {anew:.2f} s, once")
    bach_features()
    pieces = stacks(PIECES, VOICES, STEPS)
    made = seconds(lambda: report_of(pieces).sorted_by().text(), options.runs)
    print(f"{PIECES} arrays ({VOICES}, {STEPS}), counted and told: {made:.2f} s")
    print("voices   steps      ms   ns a cell")
    for voices, steps in (
        (4, 264), (16, 264), (64, 264), (256, 264),
        (16, 1056), (16, 4224), (16, 16896), (16, 67584),
    ):  # fmt: skip
        (piece,) = stacks(1, voices, steps)
        one = seconds(lambda piece=piece: describe(piece), 4 * options.runs)
        print(f"{voices:6} {steps:7,} {1e3 * one:7.2f} {1e9 * one / piece.size:11.0f}")


if __name__ == "__main__":
    main()
