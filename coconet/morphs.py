"""Pictures of incremental replacement: how a chorale changes from round to round.

Like `coconet.plots`, without pyplot and without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import PercentFormatter

from coconet.colours import VOICE_COLOURS, voice_colour
from coconet.grid import VOICES
from coconet.plots import WIDTH, Picture, piano_roll
from coconet.replaced import Replaced, like_first
from coconet.theory import key_name

#: Rounds that one picture shows, evenly chosen, the last among them.
MOST_ROLLS = 6
#: Inches of a piano roll, of the curves, and of title and legend together.
ROLL, CURVES, MARGINS = 2.5, 2.9, 1.0
INK, PALE = "#222222", "#888888"
#: The three shares that `Replaced` counts: attribute, what it is called, its line.
SHARES = (
    ("distance", "cells that differ from the original", "-"),
    ("kept", "notes that survive", "--"),
    ("out_of_key", "new cells out of the key", ":"),
)


def morph(replaced: Replaced, *, title: str | None = None, curves: bool = True) -> Picture:
    """The original and the quartets that it became, one below the other.

    Cells that differ from the original stand out in full colour and outline; what is
    still as it was fades.

    Parameters
    ----------
    title : by default the original's own, and its key
    curves : also draw `replacement_curves`, below
    """
    numbers = [0, *_chosen(replaced.rounds)]
    heights = [ROLL] * len(numbers) + [CURVES] * curves
    figure = Picture(figsize=(WIDTH, sum(heights) + MARGINS), layout="constrained")
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    sounding = replaced.grids[replaced.grids > 0]
    pitches = (int(sounding.min()) - 2, int(sounding.max()) + 2)
    for ax, number in zip(axes, numbers, strict=False):
        piano_roll(
            replaced.quartet(number),
            ax,
            hidden=None if number == 0 else replaced.grids[number] != replaced.original.grid,
            title=_roll_title(replaced, number),
            pitches=pitches,
            legend=False,
        )
        ax.set_yticks([pitch for pitch in range(*pitches) if pitch % 12 == 0])
        if number != numbers[-1]:
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
    if curves:
        replacement_curves([replaced], axes[-1], title="Replacement by replacement")
    original = replaced.original
    key = key_name(original.tonic, original.mode, original.sharps)
    name = f"{original.title or 'Chorale'}, in {key}"
    figure.suptitle(name if title is None else title, fontsize=13)
    figure.legend(
        handles=[
            *(Patch(color=c, label=v) for v, c in zip(VOICES, VOICE_COLOURS, strict=True)),
            Rectangle((0, 0), 1, 1, facecolor=PALE, edgecolor=INK, label="another pitch"),
            Patch(color="#c9c9c9", label="as in the original"),
        ],
        loc="outside lower center",
        ncols=6,
        frameon=False,
        fontsize=9,
        handlelength=1.2,
    )
    return figure


def replacement_curves(
    versions: Sequence[Replaced], ax: Axes | None = None, *, title: str = ""
) -> Axes:
    """Notes kept, cells out of key and distance from the original over the replacements.

    Each replacement's marks have the colour of the voice that was replaced. Of several
    versions of one plan the lines are means, and a band spans all of them.
    """
    first = like_first(versions)
    lines = [Line2D([], [], color="#777777", lw=1.2, ls=s, label=n) for _, n, s in SHARES]
    if ax is None:
        ax = Picture(figsize=(WIDTH, 3.6), layout="constrained").add_subplot()
        # A morph names the voices by itself.
        dots = {"ls": "", "marker": "o", "ms": 5}
        lines += [
            Line2D([], [], color=voice_colour(row), label=VOICES[row], **dots)
            for row in sorted(first.order)
        ]
    colours = [voice_colour(row) for row in first.order] * first.rounds
    numbers = np.arange(1, len(colours) + 1)
    for attribute, label, line in SHARES:
        shares = np.array([getattr(version, attribute).ravel() for version in versions])
        mean = shares.mean(0)
        if len(versions) > 1:
            ax.fill_between(numbers, shares.min(0), shares.max(0), color="#000000", alpha=0.07)
        ax.plot(numbers, mean, ls=line, color="#777777", lw=1.2, zorder=2, label=label)
        ax.scatter(numbers, mean, c=colours, s=30, zorder=3, edgecolor="white", linewidth=0.6)
    for boundary in range(1, first.rounds):
        ax.axvline(boundary * len(first.order) + 0.5, color="#dddddd", lw=0.8, zorder=0)
    ax.set(xlim=(0.4, len(numbers) + 0.6), ylim=(0, 1), xlabel="replacement", ylabel="share")
    ax.set_xticks(numbers if len(numbers) <= 32 else numbers[:: len(first.order)])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="y", alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=2)
    if title:
        ax.set_title(title, loc="left")
    ax.legend(
        handles=lines,
        loc="lower right",
        bbox_to_anchor=(1, 1.0),
        ncols=len(lines),
        columnspacing=1.4,
        frameon=False,
        fontsize=9,
        borderaxespad=0.2,
    )
    return ax


def _chosen(rounds: int) -> list[int]:
    """The rounds that are shown: all, or some evenly spaced ones."""
    return np.unique(np.linspace(1, rounds, min(rounds, MOST_ROLLS)).round().astype(int)).tolist()


def _roll_title(replaced: Replaced, number: int) -> str:
    if number == 0:
        return "The original"
    return f"Round {number}: {replaced.distance[number - 1, -1]:.0%} of the cells differ"
