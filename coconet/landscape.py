"""A landscape of candidates: two features across and up, Bach's chorales behind.

Like `coconet.plots`, without pyplot and without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from coconet.errors import ChoraleError, shown
from coconet.features import FEATURES, Feature, column_of
from coconet.grid import items_of
from coconet.plots import Picture
from coconet.reports import USUAL, Report
from coconet.tables import short_names

#: Features that are placed by default; the second pair where no row has both of the first.
AXES = ("pitch-class entropy", "dissonance")
AXES_OF_ONE = ("pitch-class entropy", "pitch range")
#: Candidates as usual in Bach, and others: colours of Okabe and Ito, each with a mark.
INSIDE, OUTSIDE = ("#0072B2", "o"), ("#D55E00", "D")
BACH, BAND, LINE, INK = "#a9a9a9", "#f2f2f2", "#666666", "#222222"
#: What lies within a range, in words.
MOST = f"{USUAL[1] - USUAL[0]:g} % of Bach's"
#: Where a label may stand beside its point, in points across and up: the first that is free.
PLACES = (
    (7, 0), (-7, 0), (0, 8), (0, -8), (6, 6), (-6, 6), (6, -6), (-6, -6),
    (14, 14), (-14, 14), (14, -14), (-14, -14), (0, 22), (0, -22),
)  # fmt: skip
#: Half a point's size; and from where on a line leads from the point to its name, in points.
POINT, NEAR = 4, 8
#: Characters of a name, and names in all: more can't be read.
LONGEST, MOST_NAMES = 30, 40


def landscape(
    report: Report,
    *,
    axes: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    title: str | None = None,
) -> Picture:
    """All rows of a report by two features, Bach's chorales in grey behind.

    Between each pair of lines lie 95 in a hundred of Bach's chorales, by each feature. Rows
    that are like different voices of his have no range in common, so that there are no
    lines: each is within, or beyond, that of its own voices. Names stand where there is
    room for them, at most forty, the report's first rows first.

    Parameters
    ----------
    report : as `reports.report_of` gives it; its order decides whose name is written
    axes : two features, across and up; by default pitch-class entropy and dissonance, or
        pitch range in place of the latter where all rows are single voices
    labels : one a row, in place of its name; '' for none
    title : by default what is shown

    Raises
    ------
    ChoraleError
        For other than two known features, a feature twice, labels in another number,
        and where nothing can be placed.
    """
    if axes is None:
        dissonant = not np.isnan(report.column(AXES[1])).all()
        axes = AXES if dissonant else AXES_OF_ONE
    columns = _columns(axes)
    names = items_of(report.names if labels is None else labels)
    if names is None or len(names) != len(report):
        raise ChoraleError(f"labels: expected {len(report)}, one a row, got {shown(labels)}")
    points = report.values[:, columns]
    known = ~np.isnan(points).any(1)
    if not known.any():
        raise ChoraleError(f"landscape: no piece has both {axes[0]} and {axes[1]}")
    bach = report.take(np.flatnonzero(known)).bach()[..., columns]
    usual = ~report.strange[:, columns].any(1)
    within = "within that" if len(bach) == 1 else f"within {MOST} same voices"
    figure = Picture(figsize=(8.6, 6.4), layout="constrained")
    ax = figure.add_subplot()
    behind = _draw_bach(ax, bach)
    for (colour, mark), chosen, told in (
        (INSIDE, known & usual, within),
        (OUTSIDE, known & ~usual, "beyond"),
    ):
        if chosen.any():
            ax.plot(
                *points[chosen].T, mark, color=colour, ms=7 if mark == "o" else 6.5, mec="white",
                mew=0.7, ls="", zorder=4, label=f"{told} ({chosen.sum()})",
            )  # fmt: skip
    _draw_axes(ax, [FEATURES[column] for column in columns], np.vstack([points[known], behind]))
    placed = int(known.sum())
    told = f"{placed} candidate{'s' * (placed != 1)} beside Bach's chorales"
    if placed < len(report):
        told += f" ({len(report) - placed} without a value left out)"
    ax.set_title(told if title is None else title, loc="left")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.draw_without_rendering()
    named = [str(name) for name, is_ in zip(names, known, strict=True) if is_]
    _write_names(ax, points[known], named)
    return figure


def _columns(axes: Sequence[str]) -> list[int]:
    columns = [column_of(name) for name in items_of(axes) or [axes]]
    if len(set(columns)) != 2 or len(columns) != 2:
        raise ChoraleError(f"axes: expected two different features, got {shown(axes)}")
    return columns


def _draw_bach(ax: Axes, bach: np.ndarray) -> np.ndarray:
    """His chorales as points, and the ranges of most of them; returns what is drawn.

    Of a feature that his chorales lack, such as the distance from an original, there is
    no range, and no points.

    bach : float array, shape=(sets of voices, chorales, 2)
    """
    there = ~np.isnan(bach).any(-1)
    known = bach[there]
    if len(known):
        sets = "" if len(bach) == 1 else f", {len(bach)} sets of voices"
        ax.plot(
            *known.T, "o", color=BACH, ms=4, mew=0, alpha=0.7, ls="", zorder=2,
            label=f"Bach's chorales ({there.any(0).sum()}{sets})",
        )  # fmt: skip
    if len(bach) == 1:
        _draw_ranges(ax, bach[0], known)
    return known


def _draw_ranges(ax: Axes, bach: np.ndarray, known: np.ndarray) -> None:
    """From where to where most of his chorales lie, by each feature."""
    if len(known):
        low, high = np.percentile(known, USUAL, axis=0)
        ax.add_patch(Rectangle(low, *(high - low), color=BAND, lw=0, zorder=0))
    told = f"{MOST}, by each feature"
    for values, line in zip(bach.T, (ax.axvline, ax.axhline), strict=True):
        values = values[~np.isnan(values)]
        for edge in np.percentile(values, USUAL) if len(values) else ():
            line(edge, color=BACH, lw=0.9, ls=(0, (4, 3)), zorder=1, label=told)
            told = None


def _draw_axes(ax: Axes, features: Sequence[Feature], points: np.ndarray) -> None:
    low, high = points.min(0), points.max(0)
    margin = 0.07 * np.where(high > low, high - low, 1)
    ax.set(
        xlim=(low[0] - margin[0], high[0] + margin[0]),
        ylim=(low[1] - margin[1], high[1] + margin[1]),
    )
    across, up = (_axis_label(feature) for feature in features)
    ax.set_xlabel(across)
    ax.set_ylabel(up)
    ax.spines[["top", "right"]].set_visible(False)


def _axis_label(feature: Feature) -> str:
    return f"{feature.name} ({feature.unit})\n{feature.counted}"


def _write_names(ax: Axes, points: np.ndarray, names: Sequence[str]) -> None:
    """Names beside their points, where they cover neither another name nor a point."""
    pixel = ax.figure.dpi / 72
    spots = ax.transData.transform(points)
    taken = [*np.hstack([spots - POINT * pixel, spots + POINT * pixel])]
    frame = ax.get_window_extent()
    named = short_names(names[:MOST_NAMES], LONGEST)
    for point, spot, name in zip(points, spots, named, strict=False):  # the others have none
        if not name:
            continue
        told = _drawable(name)
        label = ax.text(*point, told, fontsize=8, parse_math=False)
        size = label.get_window_extent().size
        label.remove()
        for place in PLACES:
            shift = np.array(place) * pixel
            boxes = [_box(spot, size, shift)]
            if _is_far(place):
                boxes.append(_leader_box(spot, shift, POINT * pixel))
            free = not any(_covers(box, np.array(taken)) for box in boxes)
            if free and _inside(boxes[0], frame.extents):
                taken += boxes
                _write(ax, told, point, place)
                break


def _drawable(name: str) -> str:
    """A name with a box for each sign that the font lacks: nothing is warned of."""
    font = get_font(findfont("sans"))
    return "".join(sign if font.get_char_index(ord(sign)) else "□" for sign in name)


def _box(spot: np.ndarray, size: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Left, bottom, right and top of a label that stands `shift` beside its point, in pixels."""
    corner = spot + shift - size * (1 - np.sign(shift)) / 2
    return np.concatenate([corner, corner + size])


def _is_far(place: tuple[int, int]) -> bool:
    return max(map(abs, place)) > NEAR


def _leader_box(spot: np.ndarray, shift: np.ndarray, own: float) -> np.ndarray:
    """What the line from a point to its name covers, beyond the point's `own` pixels."""
    ends = np.array([spot + (own + 2) * np.sign(shift), spot + shift])
    return np.concatenate([ends.min(0) - 1, ends.max(0) + 1])


def _inside(box: np.ndarray, frame: np.ndarray) -> bool:
    return bool((box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all())


def _covers(box: np.ndarray, others: np.ndarray) -> bool:
    """Whether a box has more than its edge in common with any of the others."""
    return bool(((box[:2] < others[:, 2:]) & (others[:, :2] < box[2:])).all(1).any())


def _write(ax: Axes, text: str, point: np.ndarray, place: tuple[int, int]) -> None:
    across, up = place
    label = ax.annotate(
        text, tuple(point), place, textcoords="offset points", fontsize=8, color=INK, zorder=5,
        ha="left" if across > 0 else "right" if across < 0 else "center",
        va="bottom" if up > 0 else "top" if up < 0 else "center",
        arrowprops=_leader(across, up) if _is_far(place) else None, parse_math=False,
    )  # fmt: skip
    label.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _leader(across: int, up: int) -> dict[str, object]:
    """A line from the corner, or the middle of the side, that is nearest to the point."""
    corner = (0.5 - np.sign(across) / 2, 0.5 - np.sign(up) / 2)
    return {"arrowstyle": "-", "color": LINE, "lw": 0.8, "shrinkA": 0, "relpos": corner}
