"""Layers: the speed of a whole chain, how its time grows, the step map there and back.

speed   milliseconds of stop_and_linger, layer by layer, from a stack of four quartets
        (16, 264) to (16, 4224); of the step map's way back and forth for 10,000 steps
growth  milliseconds against the cells of the result, with the straight line that fits
        best: longer pieces at 16 voices, more voices at the same length, and more quartets
        one after another, each with masks of its own
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from replacement import COLOUR, OTHER, Growth

from coconet import places
from coconet.chain import Chain, Layer, load_chain, run_chain
from coconet.chorale import Chorale, load_chorale
from coconet.errors import ChoraleError
from coconet.plots import Picture, save_figure
from coconet.stepmap import StepMap

EXAMPLE = "numpy_chorales/examples/bwv140.7-wachet-auf-ruft-uns-die-stimme.npy"
#: Steps of the source, and how often each is held: 4 · 4 · 264 = 4224 in the end.
STEPS, FACTOR = 264, 4
#: Steps of the map.
MAPPED = 10_000
#: Lengths, voices and quartets of the growth's pieces, as multiples of the source's.
TIMES = (1, 2, 3, 4, 6, 8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("speed", "growth"))
    parser.add_argument("--runs", type=int, default=21, help="of which the median is told (21)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also save the picture here")
    options = parser.parse_args()
    try:
        {"speed": speed, "growth": growth}[options.what](options)
    except ChoraleError as error:
        parser.error(str(error))


def stack(times: int = 1, *, quartets: int = 1) -> Chorale:
    """The example (16, 264), over and over, and on top of itself for so many times the quartets."""
    whole = load_chorale(places.root() / EXAMPLE)
    grid = np.tile(whole.grid[:, :STEPS], (quartets, times))
    return Chorale(grid, tempo=whole.tempo, tonic=whole.tonic, mode=whole.mode)


def walk() -> Chain:
    """stop_and_linger, with every step held as often: the length doesn't depend on chance."""
    chain = load_chain("stop_and_linger")
    held = {"spans": "all", "low": None, "high": None, "factor": FACTOR, "leave_out_last": False}
    return chain.changed("linger", **held)


# ---------------------------------------------------------------- speed


def speed(options: argparse.Namespace) -> None:
    source, chain = stack(), walk()
    results, seconds = [], []
    for _ in range(options.runs):
        began = time.perf_counter()
        result = run_chain(chain, source)
        where = result.map
        seconds.append(time.perf_counter() - began)
        assert where.voice.shape == result.chorale.grid.shape
        results.append(result)
    shape = results[0].chorale.grid.shape
    print(f"stop_and_linger, {source.grid.shape} to {shape}: {told(seconds)}, the step map with it")
    for number, stage in enumerate(results[0].stages):
        each = [result.stages[number].seconds for result in results]
        size = f"({stage.chorale.voices}, {stage.chorale.steps})"
        print(f"  {stage.label:<16} {size:>12}  {told(each)}")
    drawn = [timed(lambda: run_chain(load_chain("stop_and_linger"), source)) for _ in seconds]
    linger = run_chain(load_chain("stop_and_linger"), source).chorale.grid.shape
    print(f"as shipped, to {linger}, the YAML read each time: {told(drawn)}")
    mapped(options.runs)


def mapped(runs: int) -> None:
    """The map of 10,000 steps in four and in sixteen voices, there and back."""
    steps = np.arange(MAPPED)
    for voices in (4, 16):
        source = Chorale(np.resize(stack().grid[:voices], (voices, MAPPED // 4)))
        found = run_chain(Chain([Layer("augment", {"by": 4}), "retrograde"]), source).map
        first, again, heard = [], [], []
        for _ in range(runs):
            one = fresh(found)
            first.append(timed(lambda one=one: there_and_back(one)))
            again.append(timed(lambda one=one: there_and_back(one)))
            one = fresh(found)
            heard.append(timed(lambda one=one: one.source_seconds(steps)))
        print(
            f"map ({voices}, {MAPPED}): a cell of every step to its source, and back to all that "
            f"comes from it: {told(first)}; again {told(again)}; all steps to the source's "
            f"seconds: {told(heard)}"
        )


def fresh(found: StepMap) -> StepMap:
    """The same map with nothing worked out yet."""
    tempos = found.tempo, found.source_tempo
    return StepMap(found.voice, found.step, found.shape, found.sounding, *tempos)


def there_and_back(found: StepMap) -> None:
    steps = np.arange(found.steps)
    found.results(*found.source(steps % found.voices, steps))


def told(seconds: list[float]) -> str:
    """The median, and from where to where."""
    low, middle, high = (1000 * np.quantile(seconds, share) for share in (0, 0.5, 1))
    return f"{middle:.1f} ms ({low:.1f}-{high:.1f})"


# ---------------------------------------------------------------- growth


def growth(options: argparse.Namespace) -> None:
    chain = walk()
    # Masks of one row are for any number of voices.
    any_voices = chain.changed("arpeggiate", mask={"random": {"shape": [1, 18]}}, skip=2)
    cases = (
        ("longer pieces", "16 voices", [(stack(times), chain) for times in TIMES]),
        (
            "more voices",
            f"{4 * FACTOR * STEPS} steps, masks of one row",
            [(stack(), any_voices.changed("double_voices", times=4 * times)) for times in TIMES],
        ),
        ("more quartets", "16 voices", [(stack(quartets=times), chain) for times in TIMES]),
    )
    work = [(piece, one) for *_, pieces in cases for piece, one in pieces]
    cells = [run_chain(one, piece).chorale.grid.size / 1000 for piece, one in work]
    # All take turns, so that a busy minute of the machine falls on all of them.
    seconds = [
        [timed(lambda piece=piece, one=one: run_chain(one, piece)) for piece, one in work]
        for _ in range(options.runs)
    ]
    found = []
    for (unit, beside, _), *measured in zip(
        cases,
        np.reshape(cells, (len(cases), -1)),
        np.reshape(np.median(seconds, axis=0), (len(cases), -1)),
        strict=True,
    ):
        grown = Growth(unit, beside, *measured)
        found.append(grown)
        each = zip(grown.sizes, 1000 * grown.seconds, strict=True)
        times = ", ".join(f"{cells:.0f}: {middle:.1f}" for cells, middle in each)
        print(f"{unit} ({beside}), thousands of cells: ms: {times}; {line(grown)}")
    if options.out is not None:
        print(save_figure(picture(found), options.out / "layers.png", force=True))


def line(one: Growth) -> str:
    slope, start = one.line
    return (
        f"{1e3 * slope:.2f} ms a thousand cells, {1e3 * start:.1f} ms besides, R² = {one.fit:.4f}"
    )


def picture(found: list[Growth]) -> Picture:
    """Milliseconds against cells, with the lines."""
    figure = Picture(figsize=(15, 4), layout="constrained")
    for ax, one in zip(figure.subplots(1, len(found), sharey=True), found, strict=True):
        ends = np.array([0, one.sizes.max()])
        fitted = 1000 * np.polyval(one.line, ends)
        ax.plot(ends, fitted, color=OTHER, lw=1.2, zorder=1, label="best line")
        ax.plot(one.sizes, 1000 * one.seconds, "o", color=COLOUR, label="measured")
        ax.set(xlabel="voices × steps of the result, thousands", ylabel="milliseconds")
        ax.set(xlim=(0, None), ylim=(0, None))
        ax.set_title(f"{one.unit} ({one.beside})\n{line(one)}", fontsize=10, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, loc="upper left")
        ax.label_outer()
    figure.suptitle("Time of the chain stop_and_linger, one thread", fontsize=11)
    return figure


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
