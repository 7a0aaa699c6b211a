"""Pictures of how good a model is: surprise over a chorale, distance from Bach's spread.

Like `coconet.plots`, without pyplot and without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.ticker import FuncFormatter, NullLocator

from coconet.errors import ChoraleError
from coconet.evaluation import SURPRISE
from coconet.metrics import NAMES, Row, bach_spread
from coconet.plots import WIDTH, Picture, piano_roll
from coconet.surprise import Surprise

#: From clear paper over yellow to brown: none of the voices' colours, and ever darker.
SURPRISED = LinearSegmentedColormap.from_list(
    "surprised", [(1, 1, 1, 0), "#fbe98a", "#e3a500", "#7a4b00"]
)
#: Nats at which the colours end.
DARKEST = 4.0
#: Sets of pieces: colours of Okabe and Ito, each with a mark of its own.
SETS = (("#D55E00", "s"), ("#0072B2", "o"), ("#009E73", "D"), ("#CC79A7", "P"))
BACHS, BAND = "#555555", "#e4e4e4"


def surprise_roll(
    found: Surprise, *, passages: Sequence[tuple[int, int]] = (), title: str | None = None
) -> Picture:
    """A piano roll, its frames coloured by nats, and below it the same as a curve.

    Parameters
    ----------
    passages : half-open pairs of steps that are bracketed and numbered, from 1
    title : by default the chorale's own
    """
    chorale, frames = found.chorale, found.score.frames
    figure = Picture(figsize=(WIDTH, 6.6), layout="constrained")
    roll, curve = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    piano_roll(chorale, roll, title=title)
    low, high = roll.get_ylim()
    image = roll.imshow(
        np.ma.masked_invalid(frames)[None],
        extent=(0, chorale.steps, low, high),
        origin="lower",
        aspect="auto",
        cmap=SURPRISED,
        norm=Normalize(0, DARKEST, clip=True),
        interpolation="nearest",
        zorder=0.05,
    )
    figure.colorbar(
        image, ax=[roll, curve], label="nats a frame", extend="max", shrink=0.7, aspect=30
    )
    roll.set_xlabel("")
    roll.tick_params(labelbottom=False)
    edges = np.arange(chorale.steps + 1)
    curve.stairs(np.nan_to_num(frames), edges, fill=True, color="#e3a500", alpha=0.6)
    curve.stairs(frames, edges, baseline=None, color="#7a4b00", lw=0.9)
    mean = found.score.mean
    for height, style, name in (
        (mean, "--", f"mean {mean:.2f}"),
        (SURPRISE, ":", f"surprise: {SURPRISE:g}"),
    ):
        curve.axhline(height, color="#222222", lw=0.9, ls=style, label=name)
    top = 1.25 * max(SURPRISE, float(np.nanmax(frames)))
    for number, (start, end) in enumerate(passages, start=1):
        curve.plot([start + 0.5, end - 0.5], [0.88 * top] * 2, color="#222222", lw=1.5)
        curve.text((start + end) / 2, 0.9 * top, str(number), ha="center", va="bottom", fontsize=10)
    curve.set(xlabel="bar", ylabel="nats a frame", ylim=(0, top * 1.08))
    for bar in roll.get_xticks():
        curve.axvline(bar, color="#dddddd", lw=0.7, zorder=0)
    curve.spines[["top", "right"]].set_visible(False)
    curve.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.98),
        ncols=2,
        frameon=False,
        fontsize=9,
        borderaxespad=0.1,
    )
    return figure


def beside_bach(
    rows: Sequence[Row],
    bach: Sequence[Row],
    *,
    names: Sequence[str] = NAMES,
    title: str = "How far from Bach",
) -> Picture:
    """How far each metric lies from Bach's spread, for one to four sets of pieces.

    The spread, from -1 to 1, reaches from his lowest to his highest split, each
    widened by 1.96 errors. Beyond twice that the axis is logarithmic.

    Parameters
    ----------
    rows : sets of pieces; bach : his own sets, as `bach_rows` gives them
    names : of the metrics shown

    Raises
    ------
    ChoraleError
        For no row or more than four, an unknown metric, or no row of Bach's.
    """
    if not 1 <= len(rows) <= len(SETS):
        raise ChoraleError(f"rows: expected 1-{len(SETS)} sets of pieces, got {len(rows)}")
    lowest, highest = bach_spread(bach)
    figure = Picture(figsize=(10, 0.34 * len(names) + 1.8), layout="constrained")
    ax = figure.add_subplot()
    heights = np.arange(len(names))[::-1]
    ax.axvspan(-1, 1, color=BAND, lw=0, zorder=0, label="Bach's spread")
    columns = [NAMES.index(name) if name in NAMES else _unknown(name) for name in names]
    middle, half = (lowest + highest)[columns] / 2, (highest - lowest)[columns] / 2
    half = np.where(half > 0, half, np.nan)  # a metric that never varies has no scale

    def placed(row: Row) -> tuple[np.ndarray, np.ndarray]:
        return (row.values[columns] - middle) / half, row.errors[columns] / half

    for number, row in enumerate(bach):
        label = "Bach's three splits" if number == 0 else None
        ax.plot(
            placed(row)[0], heights, "|", color=BACHS, ms=9, mew=1.8, ls="", label=label, zorder=2
        )
    shifts = np.linspace(0.18, -0.18, len(rows)) if len(rows) > 1 else [0.0]
    for row, (colour, mark), shift in zip(rows, SETS, shifts, strict=False):
        where, error = placed(row)
        known = np.isfinite(where)
        ax.errorbar(
            where[known],
            heights[known] + shift,
            xerr=np.nan_to_num(error[known]),
            fmt=mark,
            ms=7,
            color=colour,
            mec="white",
            mew=0.6,
            elinewidth=1,
            label=f"{row.name} ({row.pieces})",
            zorder=3,
        )
    ax.set_xscale("symlog", linthresh=2, linscale=1.4)
    left, right = ax.get_xlim()
    ax.set_xlim(min(left, -2.5), max(right, 2.5))
    ticks = [t for t in (-100, -30, -10, -5, -2, -1, 0, 1, 2, 5, 10, 30, 100, 300)]
    ax.set_xticks([t for t in ticks if ax.get_xlim()[0] <= t <= ax.get_xlim()[1]])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.axvline(0, color="#bbbbbb", lw=0.8, zorder=1)
    for height in heights:
        ax.axhline(height, color="#eeeeee", lw=0.7, zorder=0.5)
    ax.set_yticks(heights, names)
    ax.set(
        ylim=(-0.7, len(names) - 0.3),
        xlabel="half-widths of Bach's spread from its middle (logarithmic beyond ±2)",
        ylabel="metric",
    )
    ax.set_title(title, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _unknown(name: str) -> int:
    raise ChoraleError(f"metric {name!r}: expected one of {', '.join(NAMES)}")
