"""Pictures of what a model is asked and what it answers: hidden cells, probabilities.

One panel a voice, in the order soprano, alto, tenor, bass; steps across, pitches up.
Like `coconet.plots`, without pyplot and without a screen.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, PowerNorm, to_rgb
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from PIL import Image

from coconet.chorale import Chorale
from coconet.colours import voice_colour
from coconet.errors import ChoraleError
from coconet.files import atomic_path
from coconet.grid import RANGES, REST, VOICES, validate_hidden
from coconet.plots import Picture
from coconet.theory import pitch_name

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: From white to dark blue: safe for colour-blind eyes, in print, and under the marks.
PROBABILITY_COLOURS = "Blues"
#: Brings out small probabilities: a tenth is drawn at a third of the scale.
GAMMA = 0.5
KEPT, KEPT_PAPER, TRUE_NOTE, STANDING = "#8a8a8a", "#eeeeee", "#D55E00", "#2b2b2b"
#: Semitones shown beyond each voice's range.
MARGIN = 2
TICKS = (0, 0.01, 0.1, 0.25, 0.5, 1)


class Watched:
    """A Predictor that hands everything on and remembers each answer.

    looks : for each prediction of one chorale (hidden, probabilities, grid),
        shapes (4, steps), (4, steps, pitches) and (4, steps)
    """

    def __init__(self, predictor: Predictor):
        self.predictor = predictor
        self.looks: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.predictor, name)

    def predict(
        self, grids: np.ndarray, hidden: np.ndarray, *context: Any, **options: Any
    ) -> np.ndarray:
        found = self.predictor.predict(grids, hidden, *context, **options)
        self.looks.append((hidden[0].copy(), found[0].copy(), grids[0].copy()))
        return found


def probability_heatmaps(
    probabilities: np.ndarray,
    chorale: Chorale,
    hidden: np.ndarray,
    *,
    pitches: tuple[int, int] = (36, 81),
    title: str = "What the model expects",
) -> Picture:
    """The four voices' probabilities, hidden cells outlined, the true notes marked.

    Where a cell is kept, its note is grey: there the model is asked nothing.

    Parameters
    ----------
    probabilities : float array, shape=(4, steps, pitches), as a Predictor gives them
    chorale : of four voices; its notes are the true ones
    hidden : bool array, shape=(4, steps)
    pitches : lowest and highest of `probabilities`

    Raises
    ------
    ChoraleError
        For arrays of other shapes.
    """
    hidden = _validated(probabilities, chorale, hidden, pitches)
    figure, axes, images = _panels(chorale, pitches)
    for row, ax in enumerate(axes):
        images[row].set_data(_picture(probabilities[row], hidden[row]))
        _draw_kept(ax, chorale.grid[row], hidden[row])
        _draw_true(ax, chorale.grid[row], hidden[row])
        _outline(ax, hidden[row])
    _furnish(figure, axes, images, true=True, kept=not hidden.all(), title=title)
    return figure


def hidden_cells(
    regions: Sequence[np.ndarray], chorale: Chorale, *, columns: int = 2, title: str = ""
) -> Picture:
    """Which cells are hidden: a small picture a region, a row a voice, a column a step.

    Kept cells have their voice's colour, hidden ones are hatched, rests are blank.

    Parameters
    ----------
    regions : bool arrays, each of shape=(4, steps)
    columns : pictures a row
    """
    if not regions:
        raise ChoraleError("regions: expected at least one hidden array")
    regions = [validate_hidden(region, chorale.grid.shape) for region in regions]
    columns = min(columns, len(regions))
    rows = -(-len(regions) // columns)
    figure = Picture(figsize=(12 / 2 * columns, 1.45 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax, region in zip(axes.flat, regions, strict=False):
        _draw_cells(ax, chorale, region)
        asked = int((chorale.grid != REST).sum())
        ax.set_title(f"{int(region.sum())} of {asked} cells hidden", loc="left", fontsize=10)
        ax.label_outer()
    for ax in axes.flat[len(regions) :]:
        ax.set_axis_off()
    handles = [Patch(color=voice_colour(row), label=f"{VOICES[row]}, kept") for row in range(4)]
    handles.append(Patch(fc="white", ec="#777777", hatch="////", label="hidden"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    if title:
        figure.suptitle(title)
    return figure


@dataclass(frozen=True)
class Animation:
    """A moving picture that notebooks show without any set-up.

    gif : the file's bytes
    """

    gif: bytes = field(repr=False)
    title: str = ""

    def save(self, path: Path | str, *, force: bool = False) -> Path:
        """Write a .gif; raises ChoraleError for another suffix or an existing file."""
        path = Path(path)
        if path.suffix.lower() != ".gif":
            raise ChoraleError(f"{path}: expected a name that ends in .gif")
        with atomic_path(path, force=force) as temporary:
            temporary.write_bytes(self.gif)
        return path

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.gif).decode("ascii")
        return f'<img alt="{self.title}" src="data:image/gif;base64,{data}">'


def settling(
    looks: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    chorale: Chorale,
    *,
    pitches: tuple[int, int] = (36, 81),
    frames: int = 24,
    seconds: float = 0.5,
    title: str = "Settling",
) -> Animation:
    """The heatmaps while the sampler works, as an animation.

    In each frame the cells that the pass hides show their probabilities; in the
    others stands the pitch of an earlier pass.

    Parameters
    ----------
    looks : (hidden, probabilities, grid) a pass, as `Watched` remembers them;
        steps beyond the chorale's are left out
    chorale : for bars, and for the cells that are kept throughout
    frames : at most so many passes, closer together at the beginning
    seconds : that a frame stands; the last stands for four of them
    """
    if not looks:
        raise ChoraleError("looks: expected at least one prediction; was the predictor watched?")
    if frames < 1:
        raise ChoraleError(f"frames: expected 1 or more, got {frames}")
    steps = chorale.steps
    written = np.any([hidden[:, :steps] for hidden, _, _ in looks], axis=0)
    _validated(looks[0][1][:, :steps], chorale, written, pitches)
    figure, axes, images = _panels(chorale, pitches)
    figure.set_size_inches(9, 5)
    for row, ax in enumerate(axes):
        _draw_kept(ax, chorale.grid[row], written[row])
    standing = [_standing_image(image) for image in images]
    heading = _furnish(figure, axes, images, standing=True, kept=not written.all(), title=title)
    moments = np.unique(np.geomspace(1, len(looks), frames).round().astype(int)) - 1
    boxes: list[LineCollection] = []
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(72)
    pictures = []
    for number in moments:
        hidden, probabilities, grid = (array[:, :steps] for array in looks[number])
        for box in boxes:
            box.remove()
        boxes = [_outline(ax, hidden[row]) for row, ax in enumerate(axes)]
        stands = written & ~hidden & (grid != REST)
        for row in range(len(axes)):
            images[row].set_data(_picture(probabilities[row], written[row] & hidden[row]))
            pitch = np.arange(pitches[0], pitches[1] + 1)[:, None]
            standing[row].set_data(np.ma.masked_equal(stands[row] & (grid[row] == pitch), False))
        count = int(hidden.sum())
        cells = "cell" if count == 1 else "cells"
        heading.set_text(f"{title}: pass {number + 1} of {len(looks)}, {count} {cells} hidden")
        canvas.draw()
        figure.set_layout_engine("none")  # the first drawing laid everything out
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return Animation(_gif(pictures, seconds), title)


def _gif(pictures: Sequence[np.ndarray], seconds: float) -> bytes:
    """Pictures of one size as a GIF with one palette; the last stands four times as long."""
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette().ravel().tolist())
    first, *others = (
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in pictures
    )
    times = [round(1000 * seconds)] * len(pictures)
    times[-1] *= 4
    buffer = io.BytesIO()
    first.save(
        buffer, "GIF", save_all=True, append_images=others, duration=times, loop=0, optimize=True
    )
    return buffer.getvalue()


def _palette() -> np.ndarray:
    """The few colours of an animation: shape=(colours, 3), uint8.

    Those of the probabilities, greys, and the voices' on white at two strengths.
    """
    blues = colormaps[PROBABILITY_COLOURS](np.linspace(0, 1, 40))[:, :3]
    greys = np.linspace(0, 1, 12)[:, None].repeat(3, 1)
    voices = np.array([to_rgb(voice_colour(row)) for row in range(len(VOICES))])
    return np.round(255 * np.concatenate([blues, greys, voices, (1 + voices) / 2])).astype(np.uint8)


def _standing_image(image: AxesImage) -> AxesImage:
    """An image above another, for the notes that stand: one dark colour, or nothing."""
    array = np.ma.masked_all(image.get_array().shape)
    colours = ListedColormap([STANDING])
    return image.axes.imshow(
        array, extent=image.get_extent(), origin="lower", aspect="auto", cmap=colours, zorder=1.3
    )


def _validated(
    probabilities: np.ndarray, chorale: Chorale, hidden: np.ndarray, pitches: tuple[int, int]
) -> np.ndarray:
    if chorale.voices != len(VOICES):
        raise ChoraleError(f"heatmaps: expected four voices, got {chorale.voices}")
    expected = (*chorale.grid.shape, pitches[1] - pitches[0] + 1)
    if np.shape(probabilities) != expected:
        raise ChoraleError(
            f"probabilities: expected shape {expected}, got {np.shape(probabilities)}"
            " (one chorale's, not a batch?)"
        )
    return validate_hidden(hidden, chorale.grid.shape)


def _panels(
    chorale: Chorale, pitches: tuple[int, int]
) -> tuple[Picture, list[Axes], list[AxesImage]]:
    """A figure with a panel a voice, each an empty heatmap with its axes drawn."""
    figure = Picture(figsize=(12, 6.4), layout="constrained")
    axes = list(figure.subplots(2, 2, sharex=True).flat)
    low, high = pitches
    images = []
    for row, ax in enumerate(axes):
        images.append(
            ax.imshow(
                np.zeros((high - low + 1, chorale.steps)),
                extent=(0, chorale.steps, low - 0.5, high + 0.5),
                origin="lower",
                aspect="auto",
                cmap=PROBABILITY_COLOURS,
                norm=PowerNorm(GAMMA, 0, 1),
                interpolation="nearest",
            )
        )
        own = chorale.grid[row][chorale.grid[row] != REST]
        lowest, highest = (
            min([RANGES[row][0], *own.tolist()]) - MARGIN,
            max([RANGES[row][1], *own.tolist()]) + MARGIN,
        )
        ax.set_ylim(max(low, lowest) - 0.5, min(high, highest) + 0.5)
        ax.set_title(VOICES[row].capitalize(), loc="left", color=voice_colour(row), weight="bold")
        _draw_axes(ax, chorale)
        ax.label_outer()
        ax.set_ylabel("pitch" if row % 2 == 0 else "")
        ax.tick_params(labelleft=True)
    return figure, axes, images


def _draw_axes(ax: Axes, chorale: Chorale) -> None:
    """Bars with their numbers, a faint line a semitone at the C's, their names."""
    bars = list(range(chorale.upbeat, chorale.steps, chorale.bar))
    numbers = {bar: number for number, bar in enumerate(bars, 1)}
    every = max(1, -(-len(bars) // 12))
    ax.set_xticks([bar for bar, number in numbers.items() if (number - 1) % every == 0])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: str(numbers.get(round(step), ""))))
    ax.set_xticks(range(chorale.upbeat % 4, chorale.steps, 4), minor=True)
    ax.set_xlabel("bar (small ticks: quarters; a column a sixteenth)")
    for bar in bars:
        ax.axvline(bar, color="#bbbbbb", lw=0.6, zorder=1.5)
    low, high = ax.get_ylim()
    names = [pitch for pitch in range(round(low), round(high) + 1) if pitch % 12 in (0, 5, 9)]
    ax.set_yticks([pitch for pitch in names if low <= pitch <= high])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda pitch, _: pitch_name(round(pitch))))
    ax.tick_params(length=2, which="both")
    ax.spines[["top", "right"]].set_visible(False)


def _picture(probabilities: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Probabilities of one voice as an image, pitches by steps; nothing where it is kept."""
    return np.where(hidden[:, None], probabilities, 0.0).T.copy()


def _draw_kept(ax: Axes, row: np.ndarray, hidden: np.ndarray) -> None:
    low, high = ax.get_ylim()
    for start, end in _runs(~hidden):
        ax.add_patch(
            Rectangle((start, low), end - start, high - low, color=KEPT_PAPER, lw=0, zorder=1.2)
        )
    for step in np.flatnonzero(~hidden & (row != REST)):
        ax.add_patch(Rectangle((step, row[step] - 0.5), 1, 1, color=KEPT, lw=0, zorder=1.4))


def _draw_true(ax: Axes, row: np.ndarray, hidden: np.ndarray) -> None:
    """A frame around each stretch of a hidden voice's true pitch."""
    asked = hidden & (row != REST)
    edges = [0, *(1 + np.flatnonzero((np.diff(row) != 0) | np.diff(asked))), len(row)]
    for start, end in pairwise(edges):
        if asked[start]:
            ax.add_patch(
                Rectangle(
                    (start + 0.08, row[start] - 0.5),
                    end - start - 0.16,
                    1,
                    fill=False,
                    ec=TRUE_NOTE,
                    lw=1.4,
                    zorder=2.5,
                )
            )


def _outline(ax: Axes, hidden: np.ndarray) -> LineCollection:
    """A black frame around each stretch of hidden cells."""
    low, high = ax.get_ylim()
    boxes = [
        [(start, low), (end, low), (end, high), (start, high), (start, low)]
        for start, end in _runs(hidden)
    ]
    lines = LineCollection(boxes, colors="#222222", linewidths=0.9, zorder=2.2)
    ax.add_collection(lines, autolim=False)
    return lines


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """Half-open stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _draw_cells(ax: Axes, chorale: Chorale, region: np.ndarray) -> None:
    for row in range(4):
        sounding = chorale.grid[row] != REST
        for marked, style in (
            (sounding & ~region[row], {"facecolor": voice_colour(row), "edgecolor": "white"}),
            (
                region[row],
                {"facecolor": "white", "edgecolor": "#777777", "hatch": "////"},
            ),
        ):
            cells = [(int(step), 1) for step in np.flatnonzero(marked)]
            ax.broken_barh(cells, (row - 0.45, 0.9), linewidth=0.4, **style)
    ax.set(xlim=(0, chorale.steps), ylim=(3.5, -0.5), xlabel="step (a sixteenth)")
    ax.set_yticks(range(4), VOICES)
    ax.set_xticks(range(0, chorale.steps + 1, 8))
    ax.tick_params(length=2)
    ax.spines[:].set_visible(False)


def _furnish(
    figure: Picture,
    axes: Sequence[Axes],
    images: Sequence[AxesImage],
    *,
    true: bool = False,
    standing: bool = False,
    kept: bool,
    title: str,
) -> Text:
    """Colour bar, legend and title; returns the title."""
    bar = figure.colorbar(images[0], ax=list(axes), ticks=TICKS, fraction=0.03, pad=0.01)
    bar.set_label("probability")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    handles = [Patch(fill=False, ec="#222222", lw=0.9, label="hidden cells")]
    if true:
        handles.append(Patch(fill=False, ec=TRUE_NOTE, lw=1.4, label="true note"))
    if standing:
        handles.append(Patch(color=STANDING, label="note that stands for now"))
    if kept:
        handles.append(Patch(color=KEPT, label="kept note"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure.suptitle(title)
