"""Contact sheets of many versions; long pieces and stacks in rolls that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from coconet.candidates import Candidate
from coconet.chorale import Chorale, clock, quartet
from coconet.colours import VOICE_COLOURS, voice_colour
from coconet.corpus import crop
from coconet.errors import ChoraleError
from coconet.grid import VOICES, notes_of, validate_hidden
from coconet.metrics import quartets_of
from coconet.plots import WIDTH, Picture, piano_roll, piano_roll_figure
from coconet.rolls import (
    MOST_STEPS,
    STACKED,
    name_voices,
    outlined,
    pitch_range,
    roll,
    told_of_unisons,
)
from coconet.theory import pitch_name

#: Versions on a page, at most: smaller rolls can't be read.
PAGE = 40
#: Size of one roll and its title, and of the page's own title and legend, in inches.
CELL, MARGIN = (3.5, 1.85), 0.9
#: Steps of a line of a long piece, and how many lines there are at most.
LINE, MOST_LINES = 384, 24
#: Width over height that a page comes near to.
SHAPE = 1.3
#: How opaque kept notes are beside written ones.
KEPT = 0.35
INK, PALE = "#444444", "#cccccc"


def contact_sheets(
    candidates: Sequence[Candidate], *, hidden: np.ndarray | None = None, title: str = ""
) -> list[Picture]:
    """Small piano rolls of versions, each with its number, key and telling figures.

    All share one range of pitches, and those of a page one length in steps.

    Parameters
    ----------
    candidates : as `candidates.describe` gives them, in the order of the sheet
    hidden : bool array, shape=(4, steps): the cells that were written; the notes of
        the others are pale
    title : above each page

    Returns
    -------
    list of figures, `PAGE` versions each

    Raises
    ------
    ChoraleError
        Without a version, and for a hidden array of another shape.
    """
    if not candidates:
        raise ChoraleError("contact sheet: expected at least one version")
    pitches = pitch_range([candidate.chorale for candidate in candidates])
    pages = [candidates[first : first + PAGE] for first in range(0, len(candidates), PAGE)]
    sheets = []
    for number, page in enumerate(pages, start=1):
        told = f"{title} ({number} of {len(pages)})" if len(pages) > 1 else title
        sheets.append(_sheet(page, hidden, told, pitches))
    return sheets


def quartets_figure(
    chorale: Chorale,
    *,
    hidden: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    title: str | None = None,
    pale: str = "kept",
) -> Picture:
    """Piano rolls of a stack's quartets, one below the other.

    Parameters
    ----------
    hidden : bool array, shape=(4, steps): the cells that were written in every quartet;
        the notes of the others are pale
    names : of the quartets; by default their numbers
    title : by default the chorale's
    pale : what pale notes are, in the legend

    Raises
    ------
    ChoraleError
        For voices in no whole quartets, another number of names, a hidden array of
        another shape.
    """
    count = len(quartets_of(chorale))
    names = [f"Quartet {number}" for number in range(1, count + 1)] if names is None else names
    if len(names) != count:
        raise ChoraleError(f"names: expected {count}, one a quartet, got {len(names)}")
    figure = Picture(figsize=(WIDTH, 2.5 * count + 0.9), layout="constrained")
    axes = figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    pitches = pitch_range([chorale])
    for number, (name, ax) in enumerate(zip(names, axes, strict=True), start=1):
        one = quartet(chorale, number)
        piano_roll(one, ax, hidden=hidden, title=name, pitches=pitches, legend=False)
        ax.label_outer()
    _legend(figure, hidden, pale)
    figure.suptitle(chorale.title if title is None else title)
    return figure


def long_roll(chorale: Chorale, *, title: str | None = None) -> Picture:
    """A long piece in lines, as a score is: rolls of all voices, one below the other.

    Lines begin at bar lines and are about equally long: up to 384 steps, and longer where
    there would be more than 24 lines.
    Above it stand its first bar and when it begins. Of stacked quartets, the notes lie
    on top of each other, which is told below.

    title : by default the chorale's
    """
    bar, first = chorale.bar, chorale.upbeat
    every = max(1, -(-(chorale.steps - first) // bar))
    lines = min(MOST_LINES, -(-every // max(LINE // bar, 1)))
    bars = -(-every // lines)  # as many in each line, about
    edges = [0, *range(first + bars * bar, chorale.steps, bars * bar), chorale.steps]
    count = len(edges) - 1
    height = 1.4 + 1.8 / count  # one line alone has room
    figure = Picture(figsize=(WIDTH, height * count + MARGIN), layout="constrained")
    axes = figure.subplots(count, 1, sharey=True, squeeze=False)[:, 0]
    pitches, longest = pitch_range([chorale]), int(np.diff(edges).max())
    for (start, end), ax in zip(pairwise(edges), axes, strict=True):
        part, number = crop(chorale, (start, end)), (start - first) // bar + 1
        roll(part, ax, pitches=pitches, steps=longest, first=number + bool(part.upbeat))
        begins = clock(start * chorale.seconds / chorale.steps)
        ax.set_title(f"bar {number}, {begins}", loc="left", fontsize=9, color=INK)
        ax.tick_params(labelsize=8)
        ax.set_xlabel("bar" if ax is axes[-1] else "", fontsize=9)
    size = f"{chorale.voices} voices × {chorale.steps} steps, {clock(chorale.seconds)}"
    axes[0].set_title(size, loc="right", fontsize=9, color=INK)
    figure.suptitle(chorale.title if title is None else title)
    name_voices(figure, chorale.voices, note=told_of_unisons([chorale]))
    return figure


def figure_of(chorale: Chorale, *, title: str | None = None) -> Picture:
    """The piano roll in which a piece can be read, whatever its size.

    One quartet of up to 400 steps with all that `plots.piano_roll` shows; up to four
    such quartets below each other; all else in lines, as `long_roll` draws it.

    title : by default the chorale's
    """
    if outlined(chorale):
        return piano_roll_figure(chorale, title=title)
    if chorale.steps <= MOST_STEPS and chorale.voices in (8, 12, 16):
        return quartets_figure(chorale, title=title)
    return long_roll(chorale, title=title)


def small_roll(
    chorale: Chorale,
    ax: Axes,
    *,
    hidden: np.ndarray | None = None,
    pitches: tuple[int, int],
    steps: int | None = None,
) -> Axes:
    """A piano roll without frills: the notes, bar lines, the C's.

    Parameters
    ----------
    hidden : bool array, shape=(voices, steps), or (4, steps) for every quartet; notes
        that begin in other cells are pale
    pitches : lowest and highest shown
    steps : how many the axis shows; by default the chorale's
    """
    quartets = max(1, chorale.voices // 4)
    written = np.ones(chorale.grid.shape, bool)
    if hidden is not None:
        repeated = np.tile(hidden, (chorale.voices // len(hidden), 1))
        written = validate_hidden(repeated, chorale.grid.shape)
    for row in reversed(range(chorale.voices)):
        notes = notes_of(chorale.grid[row : row + 1], chorale.onsets[row : row + 1])[0]
        height = 1.1 + 0.15 * (row % 4)
        # What is kept stands in every quartet alike: once is enough.
        for new in (False, True) if row < 4 else (True,):
            boxes = [
                _box(start, end, pitch, height)
                for start, end, pitch in notes
                if written[row, start] == new
            ]
            alpha = (STACKED if quartets > 1 else 1.0) if new else KEPT
            ax.add_collection(
                PolyCollection(
                    boxes, facecolor=voice_colour(row), alpha=alpha, lw=0, zorder=2 + new
                ),
                autolim=False,
            )
    low, high = pitches
    ax.set(xlim=(0, steps or chorale.steps), ylim=(low - 0.5, high + 0.5))
    for step in range(chorale.upbeat, chorale.steps, chorale.bar):
        ax.axvline(step, color=PALE, lw=0.5, zorder=0)
    ax.yaxis.set_major_locator(FixedLocator([p for p in range(low, high + 1) if p % 12 == 0]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda pitch, _: pitch_name(round(pitch))))
    ax.xaxis.set_major_locator(FixedLocator([]))
    ax.tick_params(length=2, labelsize=7, colors=INK)
    ax.grid(axis="y", color=PALE, lw=0.5)
    ax.set_axisbelow(True)
    for spine in ax.spines.values():
        spine.set(color=PALE, lw=0.6)
    return ax


def telling(candidate: Candidate) -> str:
    """The few figures that stand above a roll."""
    figures = [f"{candidate.row.value('onsets'):.2f} onsets a step"]
    figures.append(f"dissonant {candidate.row.value('dissonant'):.0%}")
    if candidate.cross:
        figures.append(f"across {candidate.cross['dissonant']:.0%}")
    else:
        count = candidate.parallels
        figures.append(f"{count or 'no'} parallel{'' if count == 1 else 's'}")
    return "   ".join(figures)


def _sheet(
    page: Sequence[Candidate], hidden: np.ndarray | None, title: str, pitches: tuple[int, int]
) -> Picture:
    columns = _columns(len(page))
    rows = -(-len(page) // columns)
    width, height = columns * CELL[0], rows * CELL[1]
    figure = Picture(figsize=(width, height + MARGIN), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    axes = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    longest = max(candidate.chorale.steps for candidate in page)
    for candidate, ax in zip(page, axes, strict=False):
        small_roll(candidate.chorale, ax, hidden=hidden, pitches=pitches, steps=longest)
        ax.label_outer()
        ax.set_title(
            f"{candidate.number}   {candidate.key}",
            loc="left", fontsize=9, fontweight="bold", color="black", pad=14,
        )  # fmt: skip
        ax.annotate(
            telling(candidate), (0, 1), (0, 4), xycoords="axes fraction",
            textcoords="offset points", fontsize=7.5, color=INK,
        )  # fmt: skip
    for ax in axes[len(page) :]:
        ax.set_axis_off()
    figure.suptitle(title, fontsize=12)
    _legend(figure, hidden, "kept")
    return figure


def _legend(figure: Picture, hidden: np.ndarray | None, pale: str) -> None:
    handles = [
        Patch(color=colour, label=name) for name, colour in zip(VOICES, VOICE_COLOURS, strict=True)
    ]
    if hidden is not None and not np.all(hidden):
        handles.append(Patch(color=INK, alpha=KEPT, label=f"{pale} (pale)", lw=0))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles) if figure.get_figwidth() > CELL[0] else 3,
        frameon=False,
        fontsize=9,
        handlelength=1.2,
        columnspacing=1.4,
    )


def _columns(count: int) -> int:
    """How many rolls stand in a row: few gaps, and a page near to `SHAPE`."""

    def cost(columns: int) -> float:
        rows = -(-count // columns)
        page = columns * CELL[0] / (rows * CELL[1] + MARGIN)
        return abs(np.log(page / SHAPE)) + 0.1 * (rows * columns - count)

    return min(range(min(2, count), count + 1), key=cost)


def _box(start: int, end: int, pitch: int, height: float) -> list[tuple[float, float]]:
    """The corners of a note; the gap after it tells it from the next."""
    left, right = start + 0.1, end - 0.25
    low, high = pitch - height / 2, pitch + height / 2
    return [(left, low), (right, low), (right, high), (left, high)]
