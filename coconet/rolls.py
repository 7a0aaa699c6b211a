"""Piano rolls of any number of voices and steps: plain boxes, quickly drawn.

`plots.piano_roll` outlines every note, which is best for one quartet and a few phrases;
in longer pieces, and of more voices, the outlines would hide the notes. Like
`coconet.plots`, without pyplot and without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from coconet.chorale import Chorale, clock
from coconet.colours import VOICE_COLOURS, voice_colour
from coconet.grid import REST, VOICES, note_table
from coconet.plots import WIDTH, Picture
from coconet.theory import pitch_name

#: Steps and voices up to which `plots.piano_roll` can be read.
MOST_STEPS, MOST_VOICES = 400, 4
#: How opaque the notes of stacked quartets are: where two coincide they are darker.
STACKED = 0.6
#: Bars up to which each has its line, and bars that are numbered at most.
BAR_LINES, BAR_NUMBERS = 60, 20
#: Below a roll that hides some of them.
UNISONS = "Where voices sing one note, their boxes lie on top of each other."
PALE = "#dddddd"


def outlined(chorale: Chorale) -> bool:
    """Whether `plots.piano_roll` suits a piece: of one quartet, and not too long."""
    return chorale.steps <= MOST_STEPS and chorale.voices <= MOST_VOICES


def roll(
    chorale: Chorale,
    ax: Axes | None = None,
    *,
    title: str = "",
    pitches: tuple[int, int] | None = None,
    steps: int | None = None,
    first: int = 1,
    seconds: bool = False,
) -> Axes:
    """A piano roll of any number of voices and steps: every note a box, no frills.

    Parameters
    ----------
    ax : where to draw; by default a new figure's (`ax.figure`), with a legend, and a
        word about unisons where there are some
    pitches : lowest and highest shown; by default the chorale's with a margin
    steps : how many the axis shows; by default the chorale's
    first : number of the bar that begins at the first bar line
    seconds : across run seconds at the chorale's tempo, not bars
    """
    if ax is None:
        figure = Picture(figsize=(WIDTH, 3.6), layout="constrained")
        ax = figure.add_subplot()
        name_voices(figure, chorale.voices, note=told_of_unisons([chorale]))
    low, high = pitches or pitch_range([chorale])
    voice, start, end, pitch = _notes(chorale)
    shown = steps or chorale.steps
    _draw_boxes(ax, chorale, voice, (start, end), pitch, 1.1 + 0.15 * (voice % 4), shown, seconds)
    _draw_time(ax, chorale, shown, first, seconds)
    ax.set(ylim=(low - 0.5, high + 0.5), ylabel="pitch")
    ax.set_title(title, loc="left")
    octaves = [p for p in range(low, high + 1) if p % 12 == 0]
    ax.set_yticks(octaves, [pitch_name(p) for p in octaves])
    ax.grid(axis="y", color="#eeeeee", lw=0.6)
    ax.set_axisbelow(True)
    plain(ax)
    return ax


def lanes(
    chorale: Chorale, ax: Axes | None = None, *, title: str = "", seconds: bool = False
) -> Axes:
    """Who sounds when: a row a voice, and in it a box a note, whatever its pitch.

    So figures show even where voices double each other, as they can't in a `roll`.

    Parameters
    ----------
    ax : where to draw; by default a new figure's (`ax.figure`), with a legend
    seconds : across run seconds at the chorale's tempo, not bars
    """
    voices = chorale.voices
    if ax is None:
        figure = Picture(figsize=(WIDTH, 0.19 * voices + 1.4), layout="constrained")
        ax = figure.add_subplot()
        name_voices(figure, voices)
    voice, start, end, _ = _notes(chorale)
    height = np.full(len(voice), 0.8)
    _draw_boxes(ax, chorale, voice, (start, end), voice, height, chorale.steps, seconds, 1.0)
    _draw_time(ax, chorale, chorale.steps, 1, seconds)
    ax.set(ylim=(voices - 0.5, -0.5), ylabel="voice (row)")
    ax.set_title(title, loc="left")
    ax.set_yticks(range(0, voices, 4))
    plain(ax)
    return ax


def _notes(chorale: Chorale) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Voice, start, end and pitch of every note, the lower voices first: drawn below."""
    upside_down, *rest = note_table(chorale.grid[::-1], chorale.onsets[::-1])
    return chorale.voices - 1 - upside_down, *rest


def pitch_range(chorales: Sequence[Chorale]) -> tuple[int, int]:
    """Lowest and highest pitch of chorales, with a margin; of silence, two octaves."""
    sounding = np.concatenate([chorale.grid[chorale.grid != REST] for chorale in chorales])
    return (int(sounding.min()) - 2, int(sounding.max()) + 2) if len(sounding) else (48, 72)


def name_voices(figure: Picture, voices: int, *others: Patch, note: str = "") -> None:
    """A legend below: a note, the voices' colours, and what else there is."""
    named = [Patch(color=voice_colour(row), label=VOICES[row]) for row in range(min(voices, 4))]
    style = {"loc": "outside lower center", "frameon": False, "fontsize": 9}
    figure.legend(handles=[*named, *others], ncols=5, title=note, title_fontsize=8, **style)


def told_of_unisons(chorales: Sequence[Chorale]) -> str:
    """A note that a roll hides unisons, where there are some; else ''."""
    for chorale in chorales:
        ordered = np.sort(chorale.grid, axis=0)
        if ((ordered[1:] == ordered[:-1]) & (ordered[1:] != REST)).any():
            return UNISONS
    return ""


def plain(ax: Axes) -> None:
    """No frame above and to the right, short ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=2)


def _draw_boxes(
    ax: Axes,
    chorale: Chorale,
    voice: np.ndarray,
    steps: tuple[np.ndarray, np.ndarray],
    middle: np.ndarray,
    height: np.ndarray,
    shown: int,
    seconds: bool,
    opacity: float | None = None,
) -> None:
    """Notes as boxes in their voices' colours.

    The gap that tells a note from the next is a tenth of a step, and wider where so
    many steps are shown that it couldn't be seen.
    """
    unit = chorale.seconds / chorale.steps if seconds else 1
    gap = min(max(0.1, 0.0008 * shown), 0.3)
    left, right = steps[0] * unit, (steps[1] - gap) * unit
    low, high = middle - height / 2, middle + height / 2
    corners = np.array([[left, low], [left, high], [right, high], [right, low]])
    colours = np.array([to_rgba(colour) for colour in VOICE_COLOURS])[voice % 4]
    colours[:, 3] = opacity or (1 if chorale.voices <= MOST_VOICES else STACKED)
    boxes = PolyCollection(corners.transpose(2, 0, 1), facecolors=colours, lw=0, zorder=2)
    ax.add_collection(boxes, autolim=False)


def _draw_time(ax: Axes, chorale: Chorale, steps: int, first: int, seconds: bool) -> None:
    """The axis across: bars with their numbers, or minutes and seconds."""
    if seconds:
        ax.set_xlim(0, steps * chorale.seconds / chorale.steps)
        ax.set_xlabel("minutes and seconds")
        ax.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 1.5, 2, 3, 6, 10], integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda second, _: clock(second)))
        return
    bars = np.arange(chorale.upbeat, chorale.steps, chorale.bar)
    every = max(1, -(-len(bars) // BAR_NUMBERS))
    numbers = range(first, first + len(bars), every)
    ax.set_xlim(0, steps)
    ax.set_xticks(bars[::every], [str(number) for number in numbers])
    ax.set_xlabel("bar")
    for bar in bars[:: 1 if len(bars) <= BAR_LINES else every]:
        ax.axvline(bar, color=PALE, lw=0.7, zorder=0)
