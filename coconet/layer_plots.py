"""Pictures of layers: scores and spans, the map of a stretch, masks, choices, a chain's stages.

Like `coconet.plots`, without pyplot and without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from coconet.checks import validate_choice
from coconet.chorale import Chorale, clock
from coconet.colours import VOICE_COLOURS, voice_colour
from coconet.errors import ChoraleError
from coconet.grid import VOICES, validate_span
from coconet.plots import WIDTH, Picture, piano_roll
from coconet.rolls import (
    lanes,
    name_voices,
    outlined,
    pitch_range,
    plain,
    roll,
    told_of_unisons,
)
from coconet.transforms.masks import validate_mask

#: Masks in one row of a picture, and masks in all; of more some are chosen evenly.
ROW_OF_MASKS, MOST_MASKS = 6, 12
#: Inches of a chain's stage.
STAGE = 1.5
#: Challenging: amber, none of the voices' colours; a stretch is the darker the longer.
CHALLENGING, EDGE, INK, PALE = "#fbe98a", "#7a4b00", "#222222", "#cccccc"
#: What is shaded in another colour than what is challenging, or lingers.
SHADES = {"in tune": "#b9d5ea"}
FACTORS = LinearSegmentedColormap.from_list("factors", ["#f2c744", "#c97b00", "#5a3200"])


def spans_figure(
    chorale: Chorale,
    scores: np.ndarray,
    spans: Sequence[Sequence[int]],
    *,
    title: str | None = None,
    label: str = "challenging",
) -> Picture:
    """A piano roll with spans shaded, and below it the score of every step.

    Parameters
    ----------
    scores : float array, shape=(steps,), 0-1: see `transforms.spans.score_steps`
    spans : half-open pairs of steps
    title : by default the chorale's own
    label : what the spans are, such as 'in tune', which has a colour of its own
    """
    colour = SHADES.get(label, CHALLENGING)
    scores = np.asarray(scores, float)
    if scores.shape != (chorale.steps,):
        raise ChoraleError(f"scores: expected shape ({chorale.steps},), got {scores.shape}")
    edges = [validate_span(span, chorale.steps) for span in spans]
    figure = Picture(figsize=(WIDTH, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1))
    if outlined(chorale):
        piano_roll(chorale, upper, title="", legend=False)
    else:
        roll(chorale, upper)
    upper.set_xlabel("")
    upper.tick_params(labelbottom=False)
    for ax in (upper, lower):
        for start, end in edges:
            ax.axvspan(start, end, color=colour, alpha=0.55, lw=0, zorder=0.15)
    lower.stairs(scores, np.arange(chorale.steps + 1), color=INK, lw=1.1, baseline=None)
    lower.set(
        ylim=(min(0.5, scores.min()) - 0.05, 1.05),
        ylabel="share of voices\nin the key",
        xlabel="bar",
    )
    lower.grid(axis="y", alpha=0.25)
    plain(lower)
    shade = Patch(color=colour, label=label)
    name_voices(figure, chorale.voices, shade, note=told_of_unisons([chorale]))
    figure.suptitle(chorale.title if title is None else title)
    return figure


def stretch_map(
    table: np.ndarray,
    steps: int,
    ax: Axes | None = None,
    *,
    title: str = "The stretch",
    label: str = "challenging",
) -> Axes:
    """Where each step of a stretched piece comes from: the result across, the source up.

    Spans are coloured by their factors; what lies between runs on at its old pace.

    Parameters
    ----------
    table : int array, shape=(spans, 5): old start, old end, factor, new start, new end,
        in order; see `transforms.spans.stretch_table`
    steps : of the source
    label : what the spans are, such as 'in tune', which has a colour of its own
    """
    table = np.asarray(table)
    if table.ndim != 2 or table.shape[1] != 5:
        raise ChoraleError(f"table: expected shape (spans, 5), got {table.shape}")
    if len(table) and table[-1, 1] > steps:
        raise ChoraleError(f"table: its last span ends at {table[-1, 1]}, the source at {steps}")
    if ax is None:
        ax = Picture(figsize=(WIDTH, 4.6), layout="constrained").add_subplot()
    old, factor, new = table[:, :2], table[:, 2], table[:, 3:]
    grown = steps + int((np.diff(new) - np.diff(old)).sum())
    ends = np.stack([new, old], axis=-1)  # spans, both ends, (across, up)
    inner = np.vstack([[[0, 0]], ends.reshape(-1, 2), [[grown, steps]]]).reshape(-1, 2, 2)
    ax.add_collection(LineCollection(inner, colors="#8a8a8a", linewidths=1.6, zorder=2))
    colour = SHADES.get(label, CHALLENGING)
    for start, end in new:
        ax.axvspan(start, end, color=colour, alpha=0.35, lw=0, zorder=0)
    if len(table):
        shade = Patch(color=colour, alpha=0.5, lw=0, label=label)
        ax.legend(handles=[shade], loc="upper left", frameon=False)
        highest = int(factor.max())
        scale = BoundaryNorm(np.arange(0.5, max(highest, 2) + 1), FACTORS.N)
        lines = LineCollection(ends, cmap=FACTORS, norm=scale, linewidths=4, zorder=3)
        lines.set_array(factor)
        ax.add_collection(lines)
        bar = ax.figure.colorbar(lines, ax=ax, label="factor", pad=0.01, fraction=0.03)
        bar.ax.yaxis.set_major_locator(MaxNLocator(8, integer=True))
        bar.ax.minorticks_off()
        _name_factors(ax, table, grown)
    ax.set(
        xlim=(0, grown), ylim=(0, steps), xlabel="step of the result", ylabel="step of the source"
    )
    ax.set_title(f"{title}: {steps} steps become {grown}", loc="left")
    ax.grid(alpha=0.25)
    plain(ax)
    return ax


def masks_figure(
    masks: Sequence[np.ndarray] | np.ndarray,
    *,
    names: Sequence[str] | None = None,
    title: str = "",
) -> Picture:
    """Masks side by side: voices down, steps across; a cell that sounds has its voice's colour.

    Parameters
    ----------
    masks : one 0/1 array (voices, width) or several; of masks that change (count,
        voices, width) at most `MOST_MASKS` are shown, the first and the last among them
    names : one a mask; by default their numbers, where there are several
    """
    if not len(masks):
        raise ChoraleError("masks: expected at least one mask")
    listed = [
        validate_mask(mask, name=f"mask {number}", many=False)
        for number, mask in enumerate([masks] if np.ndim(masks[0]) < 2 else masks, start=1)
    ]
    names = [f"mask {n}" for n in range(1, len(listed) + 1)] if names is None else list(names)
    if len(names) != len(listed):
        raise ChoraleError(f"names: expected {len(listed)}, one a mask, got {len(names)}")
    shown = np.unique(np.linspace(0, len(listed) - 1, min(len(listed), MOST_MASKS)).round())
    columns = min(len(shown), ROW_OF_MASKS)
    rows = -(-len(shown) // columns)
    tallest = max(len(mask) for mask in listed)
    size = (WIDTH if columns > 2 else 2.4 + 4 * columns, rows * (0.17 * tallest + 0.75) + 0.9)
    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, number in zip(axes.flat, shown.astype(int), strict=False):
        _draw_mask(ax, listed[number], names[number] if len(listed) > 1 else "")
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    name_voices(figure, tallest, Patch(fc="white", ec=PALE, label="silent"))
    figure.suptitle(title)
    return figure


def choice_figure(
    rows: np.ndarray,
    voices: int,
    *,
    lengths: Sequence[int] | None = None,
    title: str = "The voices of each segment",
) -> Picture:
    """Which voices sing which segment: segments across, all voices down, the chosen filled.

    Parameters
    ----------
    rows : int array, shape=(segments, count); see `choosing.choose_rows`
    voices : of the stack
    lengths : of the segments, in steps; by default all are drawn alike
    """
    rows = validate_choice(rows, voices)
    alike = lengths is None
    lengths = (1,) * len(rows) if alike else tuple(lengths)
    if len(lengths) != len(rows):
        raise ChoraleError(f"lengths: expected {len(rows)}, one a segment, got {len(lengths)}")
    edges = np.cumsum((0, *lengths))
    figure = Picture(figsize=(WIDTH, 0.21 * voices + 1.5), layout="constrained")
    ax = figure.add_subplot()
    for row in range(voices):
        sung = (rows == row).any(1)
        bars = [(edges[n], lengths[n]) for n in np.flatnonzero(sung)]
        ax.broken_barh(bars, (row - 0.44, 0.88), facecolor=voice_colour(row), ec="white", lw=0.8)
        if row % 4 == 0 and row:
            ax.axhline(row - 0.5, color="#999999", lw=0.8, zorder=0)
    for edge in edges:
        ax.axvline(edge, color=PALE, lw=0.7, zorder=0)
    ax.set(xlim=(0, edges[-1]), ylim=(voices - 0.5, -0.5), ylabel="row")
    ax.set_xlabel("segment" + ("" if alike else " (as wide as it is long)"))
    ax.set_yticks(range(voices), [f"{VOICES[r % 4]}  {r}" for r in range(voices)], fontsize=8)
    ax.set_xticks((edges[1:] + edges[:-1]) / 2, [str(n) for n in range(1, len(rows) + 1)])
    ax.set_title(title, loc="left")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure


def stages_figure(
    stages: Sequence[tuple[str, Chorale]], *, title: str = "", by_voice: bool = False
) -> Picture:
    """A chain's stages as small piano rolls, one below the other, on one axis of time.

    Parameters
    ----------
    stages : what each is called, and the piece as it then is, at its own tempo
    by_voice : draw `lanes`, a row a voice, instead of pitches
    """
    stages = list(stages)
    if not stages:
        raise ChoraleError("stages: expected at least one")
    figure = Picture(figsize=(WIDTH, STAGE * len(stages) + 1.1), layout="constrained")
    axes = figure.subplots(len(stages), 1, sharex=True, squeeze=False)[:, 0]
    pieces = [chorale for _, chorale in stages]
    pitches = pitch_range(pieces)
    for ax, (label, chorale) in zip(axes, stages, strict=True):
        if by_voice:
            lanes(chorale, ax, seconds=True)
        else:
            roll(chorale, ax, pitches=pitches, seconds=True)
        length = f"{chorale.voices} voices × {chorale.steps} steps, {clock(chorale.seconds)}"
        ax.set_title(label, loc="left", fontsize=10, weight="bold")
        ax.set_title(length, loc="right", fontsize=9, color="#555555")
        ax.set(ylabel="")
        ax.label_outer()
    axes[-1].set_xlim(0, max(chorale.seconds for chorale in pieces))
    figure.supylabel("voice (row)" if by_voice else "pitch", fontsize=10)
    note = "" if by_voice else told_of_unisons(pieces)
    name_voices(figure, max(chorale.voices for chorale in pieces), note=note)
    figure.suptitle(title)
    return figure


def _name_factors(ax: Axes, table: np.ndarray, grown: int) -> None:
    """The factors beside their spans, where neighbours leave room."""
    last = -np.inf
    for first, end, factor, start, stop in table.tolist():
        middle = (start + stop) / 2
        if middle - last > 0.025 * grown:
            ax.annotate(
                f"×{factor}", (middle, (first + end) / 2), (-2, 5), textcoords="offset points",
                ha="right", fontsize=8, color=EDGE,
            )  # fmt: skip
            last = middle


def _draw_mask(ax: Axes, mask: np.ndarray, name: str) -> None:
    voices, width = mask.shape
    cells = np.where(mask == 1, np.arange(voices)[:, None] % 4 + 1, 0)
    ax.imshow(
        cells, cmap=ListedColormap(["white", *VOICE_COLOURS]), vmin=0, vmax=4, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    ax.vlines(np.arange(width + 1) - 0.5, -0.5, voices - 0.5, color=PALE, lw=0.6)
    ax.hlines(np.arange(voices + 1) - 0.5, -0.5, width - 0.5, color=PALE, lw=0.6)
    ax.set_xticks(range(0, width, 4))
    ax.set_yticks(range(0, voices, 4))
    ax.tick_params(length=0, labelsize=8)
    ax.set(xlabel="step", ylabel="voice (row)")
    told = f"{mask.mean():.0%} sounds"
    ax.set_title(f"{name}: {told}" if name else told, loc="left", fontsize=9)
    for spine in ax.spines.values():
        spine.set(color=PALE, lw=0.6)
