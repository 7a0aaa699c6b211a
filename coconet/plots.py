"""Pictures: piano rolls, before and after, the sampler at work, training curves.

Every function draws on an `ax` (or makes a figure of its own) and returns it.
Figures are made without pyplot, so nothing global is touched and nothing needs
a screen; a notebook shows a figure that a cell ends with. Titles and names are
drawn as they are written: a file may call itself `From $5 to $10`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter

from coconet.chorale import Chorale, parse_time_signature
from coconet.colours import VOICE_COLOURS, voice_colour
from coconet.errors import ChoraleError
from coconet.files import atomic_path
from coconet.grid import VOICES, notes_of, onsets_of, validate_grid, validate_hidden
from coconet.theory import pitch_name

#: How far kept notes fade to white beside rewritten ones.
FADED = 0.55
#: Widest figure for one row of music, in inches; longer pieces get narrower steps.
WIDTH = 12.0
#: Inches that the name of a pitch needs beside an axis.
NAME_HEIGHT = 0.15
#: Width of notes' outlines in points, up to so many steps; in longer pieces they get
#: finer, since white ones would cover the notes.
LINE, ROOMY = 0.7, 256
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
#: What would make the same picture another file each time.
NO_METADATA = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class Picture(Figure):
    """A figure that notebooks show without any set-up, its texts as they are written."""

    def draw(self, renderer: RendererBase) -> None:
        as_written(self)
        super().draw(renderer)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=90, facecolor="white")
        return buffer.getvalue()


def as_written(artist: Artist) -> None:
    """Take no text of a figure, of axes or of a legend for formulas, whatever its dollars.

    Powers of ten at the ticks of logarithmic axes are formulas, and stay.
    """
    powers = {
        text
        for axis in artist.findobj(Axis)
        if isinstance(axis.get_major_formatter(), LogFormatter)
        for text in axis.findobj(Text)
        if text is not axis.label
    }
    for text in artist.findobj(Text):
        text.set_parse_math(text in powers)


def piano_roll(
    chorale: Chorale,
    ax: Axes | None = None,
    *,
    hidden: np.ndarray | None = None,
    title: str | None = None,
    pitches: tuple[int, int] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a chorale as a piano roll: bars across, pitches up, a colour a voice.

    Parameters
    ----------
    ax : where to draw; by default a new figure's (`ax.figure`)
    hidden : bool array, shape=(voices, steps): notes in these cells stand out
        in full colour and outline, the kept ones fade
    title : by default the chorale's own
    pitches : lowest and highest pitch shown; by default the chorale's with a margin
    legend : name the voices' colours

    Returns
    -------
    Axes
    """
    marked = None if hidden is None else validate_hidden(hidden, chorale.grid.shape)
    if ax is None:
        ax = Picture(figsize=(WIDTH, 4.2), layout="constrained").add_subplot()
    low, high = pitches or _pitches([chorale.grid])
    _draw_frame(ax, chorale, low, high)
    notes = notes_of(chorale.grid, chorale.onsets)
    shown = np.zeros(chorale.grid.shape, bool) if marked is None else marked
    # Kept notes first and lower voices first: nothing rewritten is covered by a kept
    # note, and lower bars are taller, so that each voice of a unison shows.
    for new in (False, True):
        for row in reversed(range(chorale.voices)):
            colour = voice_colour(row)
            _draw_notes(
                ax,
                _stretches(notes[row], shown[row], new),
                face=colour if new or marked is None else _faded(colour),
                edge="#222222" if new else "white",
                height=0.5 + 0.12 * (row % 4),
                line=LINE * min(1, ROOMY / chorale.steps),
            )
    for step in np.flatnonzero(chorale.fermatas):
        _draw_fermata(ax, step + 0.5)
    named = chorale.title if title is None else title
    ax.set_title(named, loc="left", pad=10, parse_math=False)
    if legend:
        _draw_legend(ax, chorale.voices, marked is not None)
    return ax


def piano_roll_figure(
    chorale: Chorale, *, hidden: np.ndarray | None = None, title: str | None = None
) -> Picture:
    """A figure that is one piano roll; see `piano_roll`."""
    return piano_roll(chorale, hidden=hidden, title=title).figure


def before_after(
    before: Chorale,
    after: Chorale,
    hidden: np.ndarray,
    *,
    title: str | None = None,
) -> Picture:
    """Two piano rolls, one above the other: what was hidden, and what was written there.

    Raises ChoraleError where the shapes of the three differ.
    """
    if before.grid.shape != after.grid.shape:
        raise ChoraleError(
            f"before and after: expected one shape, got {before.grid.shape} and {after.grid.shape}"
        )
    hidden = validate_hidden(hidden, before.grid.shape)
    figure = Picture(figsize=(WIDTH, 7.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    pitches = _pitches([before.grid, after.grid])
    piano_roll(before, upper, hidden=hidden, title="Before", pitches=pitches, legend=False)
    piano_roll(after, lower, hidden=hidden, title="After", pitches=pitches, legend=False)
    upper.set_xlabel("")
    _draw_legend(upper, before.voices, marked=True)
    figure.suptitle(after.title if title is None else title)
    return figure


def sampler_progress(
    frames: Sequence[tuple[int, np.ndarray]],
    *,
    hidden: np.ndarray | None = None,
    columns: int = 4,
    title: str = "The sampler at work",
) -> Picture:
    """Small piano rolls of the grid after some passes of the Gibbs sampler.

    Parameters
    ----------
    frames : (pass, grid) pairs, grid an int array of shape (voices, steps);
        one picture each, so choose a handful
    hidden : bool array of the grid's shape: cells that the sampler writes
    columns : pictures a row
    """
    if not frames:
        raise ChoraleError("frames: expected at least one (pass, grid)")
    chorales = [
        Chorale(grid, onsets=onsets_of(validate_grid(grid, name=f"pass {number}")))
        for number, grid in frames
    ]
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    figure = Picture(figsize=(3.4 * columns, 2.3 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    pitches = _pitches([chorale.grid for chorale in chorales])
    for ax, (number, _), chorale in zip(axes.flat, frames, chorales, strict=False):
        name = "before" if number == 0 else f"pass {number}"
        piano_roll(chorale, ax, hidden=hidden, title=name, pitches=pitches, legend=False)
        ax.label_outer()
    for ax in axes.flat[len(frames) :]:
        ax.set_axis_off()
    figure.suptitle(title)
    count = chorales[0].voices
    figure.legend(
        handles=_handles(count, hidden is not None),
        loc="outside lower center",
        ncols=6,
        frameon=False,
    )
    return figure


def training_curves(
    rows: Iterable[Mapping[str, float]],
    ax: Axes | None = None,
    *,
    title: str = "Training",
) -> Axes:
    """Loss over updates, in the training and the validation split.

    Parameters
    ----------
    rows : mappings with 'update' and any of 'train_loss' and 'valid_loss',
        in nats a hidden cell; a value that is None, NaN or absent is left out
    """
    rows = list(rows)
    if ax is None:
        ax = Picture(figsize=(8, 4.5), layout="constrained").add_subplot()
    styles = {
        "train_loss": ("training", {"color": "#777777", "lw": 1}),
        "valid_loss": ("validation", {"color": VOICE_COLOURS[1], "lw": 2, "marker": "o", "ms": 3}),
    }
    for key, (label, style) in styles.items():
        points = [(row["update"], row[key]) for row in rows if _is_number(row.get(key))]
        if points:
            updates, losses = zip(*points, strict=True)
            ax.plot(updates, losses, label=label, **style)
    valid = [
        (row["valid_loss"], row["update"]) for row in rows if _is_number(row.get("valid_loss"))
    ]
    if valid:
        best, update = min(valid)
        ax.annotate(
            f"best {best:.3f}",
            (update, best),
            textcoords="offset points",
            xytext=(0, 8),
            ha="center",
            color=VOICE_COLOURS[1],
            fontsize=9,
        )
    ax.set(xlabel="update", ylabel="loss (nats a hidden cell)", title=title)
    ax.margins(y=0.12)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    if ax.lines:
        ax.legend(frameon=False)
    return ax


def save_figure(
    figure: Figure | Axes, path: Path | str, *, force: bool = False, dpi: int = 150
) -> Path:
    """Write a figure, or the one that axes stand in, as .png, .svg or .pdf; return the path.

    The file holds no date and no version, so the same figure gives the same bytes.
    Raises ChoraleError for another suffix, an existing file (unless `force`)
    or a folder that can't be written.
    """
    import matplotlib

    figure = figure.figure if isinstance(figure, Axes) else figure
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        raise ChoraleError(f"{path}: expected a name that ends in {', '.join(FIGURE_SUFFIXES)}")
    with (
        atomic_path(path, force=force) as temporary,
        matplotlib.rc_context({"svg.hashsalt": "coconet"}),
    ):
        figure.savefig(temporary, dpi=dpi, metadata=NO_METADATA[suffix], facecolor="white")
    return path


def _draw_frame(ax: Axes, chorale: Chorale, low: int, high: int) -> None:
    """Bars across with their numbers, beats faint, black keys shaded; pitches named.

    These are the C's, F's and A's, or, where they would run into each other, the C's.
    """
    ax.set(xlim=(0, chorale.steps), ylim=(low - 0.5, high + 0.5), xlabel="bar", ylabel="pitch")
    for pitch in range(low, high + 1):
        if pitch % 12 in (1, 3, 6, 8, 10):
            ax.axhspan(pitch - 0.5, pitch + 0.5, color="#f4f4f4", lw=0, zorder=0)
    bars = list(range(chorale.upbeat, chorale.steps, chorale.bar))
    unit = 16 // parse_time_signature(chorale.time_signature)[1] or 1
    for step in range(chorale.upbeat % unit, chorale.steps, unit):
        ax.axvline(step, color="#eeeeee", lw=0.6, zorder=0.1)
    for step in bars:
        ax.axvline(step, color="#bbbbbb", lw=0.8, zorder=0.2)
    every = max(1, -(-len(bars) // 20))
    numbers = {bar: number for number, bar in enumerate(bars, 1)}
    ax.set_xticks([bar for bar, number in numbers.items() if (number - 1) % every == 0])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: str(numbers.get(round(step), ""))))
    semitone = ax.bbox.height / ax.get_figure(root=True).dpi / (high - low + 1)
    named = (0, 5, 9) if 3 * semitone > NAME_HEIGHT else (0,)
    ax.set_yticks([pitch for pitch in range(low, high + 1) if pitch % 12 in named])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda pitch, _: pitch_name(round(pitch))))
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=2)


def _stretches(
    notes: Sequence[tuple[int, int, int]], marked: np.ndarray, new: bool
) -> list[tuple[int, int, int]]:
    """The stretches of notes that are marked (`new`) or not, as (start, end, pitch)."""
    found = []
    for start, end, pitch in notes:
        edges = start + 1 + np.flatnonzero(np.diff(marked[start:end]))
        for a, b in pairwise([start, *edges, end]):
            if marked[a] == new:
                found.append((int(a), int(b), pitch))
    return found


def _draw_notes(
    ax: Axes,
    notes: Sequence[tuple[int, int, int]],
    *,
    face: str | tuple,
    edge: str,
    height: float,
    line: float,
) -> None:
    patches = [
        FancyBboxPatch(
            (start + 0.2, pitch - height / 2),
            end - start - 0.4,
            height,
            boxstyle="round,pad=0.1,rounding_size=0.2",
        )
        for start, end, pitch in notes
    ]
    ax.add_collection(
        PatchCollection(patches, facecolor=face, edgecolor=edge, linewidth=line, zorder=2),
        autolim=False,
    )


def _draw_fermata(ax: Axes, step: float) -> None:
    """A small fermata above the frame; few fonts have the sign itself."""
    style = {"transform": ax.get_xaxis_transform(), "clip_on": False, "color": "#555555"}
    ax.plot(step, 1.012, marker=Outline.arc(0, 180), ms=8, mfc="none", **style)
    ax.plot(step, 1.016, marker=".", ms=2.5, **style)


def _draw_legend(ax: Axes, voices: int, marked: bool) -> None:
    ax.legend(
        handles=_handles(voices, marked),
        loc="lower right",
        bbox_to_anchor=(1, 1.03),
        ncols=6,
        frameon=False,
        fontsize=9,
        handlelength=1.2,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def _handles(voices: int, marked: bool) -> list[Patch]:
    handles = [
        Patch(color=colour, label=name)
        for name, colour in list(zip(VOICES, VOICE_COLOURS, strict=True))[:voices]
    ]
    if marked:
        handles.append(
            Rectangle((0, 0), 1, 1, facecolor="#888888", edgecolor="#222222", label="rewritten")
        )
        handles.append(Patch(color=_faded("#888888"), label="kept"))
    return handles


def _pitches(grids: Sequence[np.ndarray]) -> tuple[int, int]:
    """Lowest and highest pitch of some grids, with a margin of two semitones."""
    sounding = np.concatenate([grid[grid > 0] for grid in grids])
    if not len(sounding):
        return 48, 72
    return int(sounding.min()) - 2, int(sounding.max()) + 2


def _faded(colour: str) -> tuple[float, float, float]:
    red, green, blue = (FADED + (1 - FADED) * part for part in to_rgb(colour))
    return red, green, blue


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))
