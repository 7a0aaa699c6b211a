"""Pictures of performances: who plays what when and how loudly, and how the tempo runs.

Like `coconet.plots`, without pyplot and without a screen.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.ticker import FuncFormatter, MaxNLocator

from coconet.chorale import clock
from coconet.colours import VOICE_COLOURS
from coconet.errors import ChoraleError
from coconet.grid import STEPS_PER_QUARTER
from coconet.plots import WIDTH, Picture
from coconet.render.events import Performance
from coconet.rolls import UNISONS, name_voices, plain
from coconet.theory import pitch_name

#: Semitones that the loudest note is high in a roll; a softer one is lower in proportion.
HEIGHT = 1.3
#: How opaque notes are: of one quartet, of more.
CLEAR, STACKED = 0.8, 0.45
#: Notes up to which velocities have stems and beginnings are marked.
FEW = 2500
INK, PALE = "#222222", "#eeeeee"


def performance_figure(performance: Performance, *, title: str | None = None) -> Picture:
    """A piano roll in seconds, and below it each note's velocity and the tempo.

    Notes that come from no grid have no tempo to show.

    Parameters
    ----------
    title : by default the performance's own
    """
    _check(performance)
    timed = performance.steps > 0
    figure = Picture(figsize=(WIDTH, 7.6 if timed else 6.2), layout="constrained")
    ratios = (3.2, 1, 1) if timed else (3.2, 1)
    axes = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    performance_roll(performance, axes[0])
    velocities(performance, axes[1])
    if timed:
        tempo_curve(performance, axes[2])
    for ax in axes[:-1]:
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
    figure.align_ylabels(axes)
    name_voices(figure, performance.voices, note=_told_of_unisons(performance))
    figure.suptitle(performance.title if title is None else title)
    return figure


def performance_roll(performance: Performance, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Notes as they sound: from their start to their end, the louder the higher, glides slanted.

    Each note is a box in its voice's colour at its key; where it begins its edge is dark.

    Parameters
    ----------
    ax : where to draw; by default a new figure's (`ax.figure`), with a legend
    """
    _check(performance)
    if ax is None:
        figure = Picture(figsize=(WIDTH, 4.4), layout="constrained")
        ax = figure.add_subplot()
        name_voices(figure, performance.voices, note=_told_of_unisons(performance))
    notes = performance.notes[np.argsort(-performance.notes["voice"], kind="stable")]
    start, end = notes["start"], notes["start"] + notes["duration"]
    bend, key = end - notes["glide_time"], notes["key"].astype(float)
    last = key + notes["glide"] / 100
    half = HEIGHT / 2 * notes["velocity"] / notes["velocity"].max()
    across = np.stack([start, bend, end, end, bend, start], axis=1)
    up = np.stack([key - half, key - half, last - half, last + half, key + half, key + half], 1)
    colours = _colours(notes["voice"])
    solid = colours.copy()
    colours[:, 3] = CLEAR if performance.voices <= len(VOICE_COLOURS) else STACKED
    corners = np.stack([across, up], axis=2)
    ax.add_collection(PolyCollection(corners, facecolors=colours, lw=0, zorder=2), autolim=False)
    if len(notes) <= FEW:
        edges = corners[:, [0, 5]]
        ax.add_collection(LineCollection(edges, colors=solid, lw=0.9, zorder=3), autolim=False)
    low, high = int(np.floor(min(key.min(), last.min()))), int(np.ceil(max(key.max(), last.max())))
    octaves = [pitch for pitch in range(low - 2, high + 3) if pitch % 12 == 0]
    ax.set(ylim=(low - 2, high + 2), ylabel="pitch")
    ax.set_yticks(octaves, [pitch_name(pitch) for pitch in octaves])
    ax.grid(axis="y", color=PALE, lw=0.6)
    ax.set_title(title, loc="left", parse_math=False)
    _draw_seconds(ax, performance)
    return ax


def velocities(performance: Performance, ax: Axes | None = None, *, title: str = "") -> Axes:
    """How loud each note is: MIDI velocity where it begins, in its voice's colour.

    A level that isn't 0 dB, as from a random walk or a mix, isn't part of it.

    Parameters
    ----------
    ax : where to draw; by default a new figure's (`ax.figure`), with a legend
    """
    _check(performance)
    if ax is None:
        figure = Picture(figsize=(WIDTH, 2.6), layout="constrained")
        ax = figure.add_subplot()
        name_voices(figure, performance.voices)
    notes = performance.notes
    colours = _colours(notes["voice"])
    few = len(notes) <= FEW
    low, high = int(notes["velocity"].min()), int(notes["velocity"].max())
    floor = max(0, low - max(4, (high - low) // 4))
    if few:
        pale = colours.copy()
        pale[:, 3] = 0.25
        ax.vlines(notes["start"], floor, notes["velocity"], colors=pale, lw=0.7, zorder=1)
    ax.scatter(
        notes["start"], notes["velocity"], s=9 if few else 3, c=colours, lw=0, zorder=2,
        alpha=0.9 if few else 0.5, clip_on=False,
    )  # fmt: skip
    ax.set(ylim=(floor, min(130, high + 4)), ylabel="velocity")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.grid(axis="y", color=PALE, lw=0.6)
    ax.set_title(title, loc="left", parse_math=False)
    _draw_seconds(ax, performance)
    return ax


def tempo_curve(performance: Performance, ax: Axes | None = None, *, title: str = "") -> Axes:
    """The tempo of each step as it is heard, so that fermatas are deep notches.

    Parameters
    ----------
    ax : where to draw; by default a new figure's (`ax.figure`)

    Raises ChoraleError for notes that come from no grid.
    """
    _check(performance)
    if not performance.steps:
        raise ChoraleError("tempo: these notes come from no grid, so they have no tempo")
    if ax is None:
        ax = Picture(figsize=(WIDTH, 2.6), layout="constrained").add_subplot()
    tempi = 60 / STEPS_PER_QUARTER / np.diff(performance.times)
    ax.stairs(tempi, performance.times, color=INK, lw=1.1, baseline=None)
    low, high = tempi.min(), tempi.max()
    margin = max(0.08 * (high - low), 0.1 * high)
    ax.set(ylim=(max(0, low - margin), high + margin), ylabel="quarters\na minute")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.grid(axis="y", color=PALE, lw=0.6)
    ax.set_title(title, loc="left", parse_math=False)
    _draw_seconds(ax, performance)
    return ax


def _check(performance: Performance) -> None:
    if not len(performance.notes):
        raise ChoraleError(f"{performance.title or 'performance'}: has no notes to draw")


def _told_of_unisons(performance: Performance) -> str:
    """A note that the roll hides unisons, where there are some; else ''."""
    notes = np.sort(performance.notes, order=["key", "start"])
    here, after = notes[:-1], notes[1:]
    together = (here["key"] == after["key"]) & (here["voice"] != after["voice"])
    together &= after["start"] < here["start"] + here["duration"]
    return UNISONS if together.any() else ""


def _colours(voices: np.ndarray) -> np.ndarray:
    """The colour of each voice: float array, shape=(notes, 4)."""
    return np.array([to_rgba(colour) for colour in VOICE_COLOURS])[voices % len(VOICE_COLOURS)]


def _draw_seconds(ax: Axes, performance: Performance) -> None:
    """The axis across, as long as the performance."""
    ax.set_xlim(0, performance.seconds)
    label_seconds(ax)
    plain(ax)


def label_seconds(ax: Axes) -> None:
    """Label the axis across, which is in seconds, in minutes and seconds."""
    ax.set_xlabel("minutes and seconds")
    ax.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 1.5, 2, 3, 6, 10], integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda second, _: clock(second)))
    ax.set_axisbelow(True)
