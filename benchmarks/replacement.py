"""Incremental replacement: its speed, how many passes it needs, how its time grows.

speed   seconds and memory of Schmücke dich in segments, (7, 16, 32): one version in one
        thread, then many with several workers
passes  notes kept and metrics of the last quartet at several numbers of passes, beside
        Bach's; the number from which more passes change nothing
growth  seconds against the number of segments, of voices and of chorales, with the
        straight line that fits best
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from coconet import places
from coconet.chorale import Chorale
from coconet.commands.replacing import ReplaceTask
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.jobs import run_jobs
from coconet.metrics import METRICS, NAMES, Row, bach_rows, bach_spread, battery
from coconet.plots import Picture, save_figure
from coconet.predictor import load_predictor
from coconet.replace import PASSES, Plan, stack_of
from coconet.replaced import Replaced
from coconet.segments import to_segments

#: True lengths of Schmücke dich's phrases, cut as they used to be.
SCHMUECKE = (40, 40, 40, 40, 32, 32, 16)
COLOUR, OTHER, BAND = "#0072B2", "#D55E00", "#e4e4e4"
#: Errors to either side in the picture.
ERRORS = 1.96
#: Errors from which a difference counts: of 18 comparisons a line, so far apart by chance
#: alone comes one in 20 lines.
FAR = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("speed", "passes", "growth"))
    parser.add_argument("--model", type=Path, default=places.models() / "chorales", metavar="DIR")
    parser.add_argument("--passes", type=int, nargs="+", metavar="N", help=(
        f"a replacement; speed: {PASSES}, passes: 8 16 32 64 128 256, growth: 16"
    ))  # fmt: skip
    parser.add_argument("--versions", type=int, metavar="N", help=(
        "speed: those made with several workers, 20; passes: of each demo chorale, 4"
    ))  # fmt: skip
    parser.add_argument("--workers", type=int, default=2, metavar="W")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is told")
    parser.add_argument("--together", type=float, metavar="W", help="as for coconet replace")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, metavar="DIR", help="also save the picture here")
    options = parser.parse_args()
    if options.what != "passes" and len(options.passes or ()) > 1:
        parser.error(f"--passes: {options.what} takes one number")
    try:
        {"speed": speed, "passes": passes, "growth": growth}[options.what](options)
    except ChoraleError as error:
        parser.error(str(error))


def plan_with(options: argparse.Namespace, passes: int, rounds: int = 4) -> Plan:
    together = {} if options.together is None else {"together": options.together}
    return Plan(passes=passes, rounds=rounds, **together)


def schmuecke() -> tuple[Chorale, ...]:
    """The seven segments of Schmücke dich, 32 steps each and the last 16."""
    (piece,) = [chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7"]
    return tuple(to_segments(piece, SCHMUECKE).chorales())


# ---------------------------------------------------------------- speed


def speed(options: argparse.Namespace) -> None:
    (number,) = options.passes or [PASSES]
    plan = plan_with(options, number)
    task = ReplaceTask(schmuecke(), plan, options.seed)
    predictor = load_predictor(options.model)
    print(f"Schmücke dich, (7, 16, 32): {plan.replacements} replacements of {number} passes")
    seconds = [
        timed(lambda: list(run_jobs(task, [1], predictor=predictor))) for _ in range(options.runs)
    ]
    print(
        f"one version, one thread: median {np.median(seconds):.2f} s of {options.runs}, "
        f"{min(seconds):.2f}-{max(seconds):.2f}"
    )
    print(f"peak memory of one process: {peak():.0f} MB")
    count = options.versions or 20
    began = time.perf_counter()
    jobs = run_jobs(
        task,
        range(1, count + 1),
        model=options.model,
        predictor=predictor,
        workers=options.workers,
    )
    with tqdm(total=count, unit="version", leave=False) as bar:
        for _ in jobs:
            bar.update()
    minutes = (time.perf_counter() - began) / 60
    print(f"{count} versions, {options.workers} workers, started anew: {minutes:.2f} min")
    print(f"peak memory of all processes: {peak(children=True):.0f} MB")


def peak(*, children: bool = False) -> float:
    """Largest resident memory so far, in MB: of this process, or with those it started.

    The peaks of all are added, though they needn't have been at the same time.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if not children:
        return own
    # Workers that wait for more jobs haven't been counted by the system yet.
    lists = Path("/proc/self/task").glob("*/children")
    running = [pid for listed in lists for pid in listed.read_text().split()]
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return own + (sum(map(high_water, running)) or ended)


def high_water(pid: str) -> float:
    """MB that a running process had at most."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


# ---------------------------------------------------------------- passes


def passes(options: argparse.Namespace) -> None:
    numbers = sorted(options.passes or [8, 16, 32, 64, 128, 256])
    count = options.versions or 4
    pieces = load_corpus("demo")
    rng = np.random.default_rng(1)
    bach = bach_rows(rng=rng)
    predictor = load_predictor(options.model)
    rows, kept = [], []
    for number in numbers:
        plan = plan_with(options, number)
        replaced = []
        with tqdm(total=len(pieces), desc=f"{number} passes", leave=False) as bar:
            for piece in pieces:
                task = ReplaceTask((piece,), plan, options.seed)
                made = run_jobs(
                    task,
                    range(1, count + 1),
                    model=options.model,
                    predictor=predictor,
                    workers=options.workers,
                )
                replaced += [
                    Replaced(piece, stack_of(piece, grid, plan.order), plan.order)
                    for _, (grid,) in made
                ]
                bar.update()
        rows.append(battery([r.quartet(r.rounds) for r in replaced], name=str(number), rng=rng))
        kept.append([r.kept.mean() for r in replaced])
    kept = np.array(kept)  # passes, stacks
    errors = kept.std(1) / np.sqrt(kept.shape[1])
    print_metrics(rows, kept.mean(1), errors, bach)
    enough = enough_passes(rows, kept.mean(1), errors)
    print(f"passes from which none of these differs from {numbers[-1]} passes: {enough}")
    if options.out is not None:
        figure = passes_figure(rows, numbers, kept.mean(1), errors, bach)
        print(save_figure(figure, options.out / "passes.png", force=True))


def differs(rows: Sequence[Row]) -> np.ndarray:
    """bool array, shape=(rows, metrics): further from the last row than chance explains."""
    values = np.array([row.values for row in rows])
    errors = np.array([row.errors for row in rows])
    return abs(values - values[-1]) > FAR * np.hypot(errors, errors[-1])


def enough_passes(rows: Sequence[Row], kept: np.ndarray, errors: np.ndarray) -> str:
    """The name of the first row from which on no row differs from the last.

    Where the row before the last does, the last says nothing of itself: more would be needed.
    """
    other = abs(kept - kept[-1]) > FAR * np.hypot(errors, errors[-1])
    changed = np.flatnonzero(differs(rows).any(1) | other)
    first = changed[-1] + 1 if len(changed) else 0
    if first == len(rows) - 1:
        return f"none of those tried; try more than {rows[-1].name}"
    return rows[first].name


def print_metrics(
    rows: Sequence[Row], kept: np.ndarray, errors: np.ndarray, bach: Sequence[Row]
) -> None:
    """A line a number of passes and one of errors; * marks what differs from the last line."""
    line = "{:<10}" + "{:>9}" * (len(NAMES) + 1)
    print(line.format("passes", "kept", *(name[:8] for name in NAMES)))
    for label, values in zip(("Bach from", "Bach to"), bach_spread(bach), strict=True):
        print(line.format(label, "", *(f"{value:.3f}" for value in values)))
    for number, (row, marks) in enumerate(zip(rows, differs(rows), strict=True)):
        values = (f"{v:.3f}" + "*" * bool(m) for v, m in zip(row.values, marks, strict=True))
        print(line.format(row.name, f"{kept[number]:.3f}", *values))
        spread = (f"± {error:.3f}" for error in row.errors)
        print(line.format("", f"± {errors[number]:.3f}", *spread))
    print(f"{rows[0].pieces} last quartets a line; * differs from the last line by more than")
    print(
        f"{FAR:g} errors; 'kept' is the mean share of a voice's notes that survive its replacement"
    )


def passes_figure(
    rows: Sequence[Row],
    numbers: Sequence[int],
    kept: np.ndarray,
    errors: np.ndarray,
    bach: Sequence[Row],
) -> Picture:
    """Notes kept and every metric against passes, Bach's spread in grey."""
    figure = Picture(figsize=(13, 7.5), layout="constrained")
    axes = figure.subplots(3, -(-(len(METRICS) + 1) // 3), sharex=True).ravel()
    for ax in axes[len(METRICS) + 1 :]:
        ax.remove()
    low, high = bach_spread(bach)
    axes[0].errorbar(numbers, kept, ERRORS * errors, color=COLOUR, marker="o", ms=4, capsize=2)
    axes[0].set_title("notes kept a replacement", fontsize=9, loc="left")
    axes[0].set_ylabel("share", fontsize=8)
    for column, (metric, ax) in enumerate(zip(METRICS, axes[1:], strict=False)):
        ax.axhspan(low[column], high[column], color=BAND, lw=0)
        values = [row.values[column] for row in rows]
        bars = [ERRORS * row.errors[column] for row in rows]
        ax.errorbar(numbers, values, bars, color=COLOUR, marker="o", ms=4, capsize=2)
        ax.set_title(metric.name, fontsize=9, loc="left")
        ax.set_ylabel(metric.unit, fontsize=8)
    for ax in axes[: len(METRICS) + 1]:
        ax.set_xscale("log", base=2)
        ax.set_xticks(numbers, [str(number) for number in numbers])
        ax.minorticks_off()
        ax.set_ylim(
            bottom=max(0.0, ax.get_ylim()[0])
        )  # shares aren't negative, whatever errors say
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("passes a replacement", fontsize=10)
    figure.suptitle(
        f"The last of four quartets after replacement, {rows[0].pieces} stacks a point, "
        "±1.96 errors; in grey Bach's own spread",
        fontsize=11,
    )
    return figure


# ---------------------------------------------------------------- growth


@dataclass(frozen=True)
class Growth:
    """Seconds against one size, all else the same.

    unit : what is counted; beside : what stays the same
    sizes : int array, shape=(n,); seconds : float array of the same shape
    """

    unit: str
    beside: str
    sizes: np.ndarray
    seconds: np.ndarray

    @property
    def line(self) -> np.ndarray:
        """Slope, and value at 0, of the straight line that fits best."""
        return np.polyfit(self.sizes, self.seconds, 1)

    @property
    def fit(self) -> float:
        """R² of the line."""
        left = self.seconds - np.polyval(self.line, self.sizes)
        return 1 - (left**2).mean() / self.seconds.var()

    def __str__(self) -> str:
        slope, start = self.line
        return f"{1000 * slope:.0f} ms a {self.unit}, {start:.2f} s besides, R² = {self.fit:.4f}"


def growth(options: argparse.Namespace) -> None:
    (number,) = options.passes or [16]
    predictor = load_predictor(options.model)
    phrase = schmuecke()[0]

    def made(segments: int, voices: int, chorales: int) -> list[object]:
        plan = plan_with(options, number, rounds=voices // 4)
        task = ReplaceTask((phrase,) * segments, plan, options.seed)
        return list(run_jobs(task, range(1, chorales + 1), predictor=predictor))

    counts = (1, 2, 4, 6, 8, 12, 16)
    cases = (
        ("segment", "32 steps, 16 voices, one chorale", counts, lambda n: made(n, 16, 1)),
        ("voice", "4 segments, one chorale", (4, 8, 12, 16, 20, 24, 32), lambda n: made(4, n, 1)),
        ("chorale", "2 segments, 16 voices", counts, lambda n: made(2, 16, n)),
    )
    found = []
    for unit, beside, sizes, work in cases:
        work(4)  # warm-up
        # Sizes take turns, so that a busy minute of the machine falls on all of them.
        seconds = [
            [timed(lambda n=n, work=work: work(n)) for n in sizes] for _ in range(options.runs)
        ]
        found.append(Growth(unit, beside, np.array(sizes), np.median(seconds, axis=0)))
        told = ", ".join(f"{n}: {s:.2f}" for n, s in zip(sizes, found[-1].seconds, strict=True))
        print(f"{unit}s ({beside}): {told} s; {found[-1]}")
    if options.out is not None:
        figure = growth_figure(found, number)
        print(save_figure(figure, options.out / "growth.png", force=True))


def growth_figure(found: Sequence[Growth], passes: int) -> Picture:
    """Seconds against each size, with the lines."""
    figure = Picture(figsize=(13, 4), layout="constrained")
    for ax, one in zip(figure.subplots(1, len(found)), found, strict=True):
        ends = np.array([0, one.sizes.max()])
        ax.plot(ends, np.polyval(one.line, ends), color=OTHER, lw=1.2, zorder=1, label="best line")
        ax.plot(one.sizes, one.seconds, "o", color=COLOUR, label="measured")
        ax.set(xlabel=f"{one.unit}s ({one.beside})", ylabel="seconds")
        ax.set(xlim=(0, None), ylim=(0, None), xticks=one.sizes)
        ax.set_title(str(one), fontsize=10, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, loc="upper left")
    figure.suptitle(
        f"Time of incremental replacement, {passes} passes a replacement, one thread", fontsize=11
    )
    return figure


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
