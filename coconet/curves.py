"""Pictures of training runs side by side: loss, accuracy, likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from coconet.colours import VOICE_COLOURS
from coconet.grid import VOICES
from coconet.plots import Picture

#: A colour and a stroke a run, from the same palette as the voices', which keep their own.
RUN_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#999999")
STROKES = ("-", "--", ":", "-.")


def run_curves(
    runs: Mapping[str, Sequence[Mapping[str, float]]],
    ax: Axes | None = None,
    *,
    column: str,
    against: str = "update",
    title: str = "",
) -> Axes:
    """Draw one measurement of several training runs, a colour and a stroke a run.

    Parameters
    ----------
    runs : rows of each run's curves by its name, as `coconet.runs.read_curves`
        gives them; a row without the measurement is left out. An 'error' in a
        row is drawn as a bar of one standard error up and down.
    column : such as 'valid_loss' or 'accuracy_alto'
    against : 'update' or 'minutes'
    """
    if ax is None:
        ax = Picture(figsize=(8, 4.5), layout="constrained").add_subplot()
    for number, (name, rows) in enumerate(runs.items()):
        points = [row for row in rows if _is_number(row.get(column)) and _is_number(row[against])]
        errors = [row.get("error", np.nan) for row in points]
        ax.errorbar(
            [row[against] for row in points],
            [row[column] for row in points],
            yerr=None if np.isnan(errors).all() else errors,
            label=name,
            color=RUN_COLOURS[number % len(RUN_COLOURS)],
            ls=STROKES[number // len(RUN_COLOURS) % len(STROKES)],
            lw=1.8,
            marker="o" if len(points) < 8 else None,
            ms=5,
            capsize=3,
        )
    ax.set_title(title)
    ax.set_xlabel(against)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def compare_curves(
    runs: Mapping[str, Sequence[Mapping[str, float]]],
    *,
    likelihoods: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    rules: str = "",
) -> Picture:
    """Loss, accuracy by voice, and likelihood of training runs, by updates and by minutes.

    Parameters
    ----------
    runs : rows of each run's curves by its name
    likelihoods : rows with 'update', 'minutes', 'nats' and 'error' by the run's
        name; without any there is no such column
    rules : how the likelihoods were measured

    The first tenth of each run may leave the picture, so that the rest can be told apart.
    """
    panels = [("valid_loss", "validation loss", "nats a hidden cell", None, runs)]
    panels += [
        (f"accuracy_{voice}", f"{voice}, hidden cells right", "share", colour, runs)
        for voice, colour in zip(VOICES, VOICE_COLOURS, strict=True)
    ]
    if likelihoods:
        panels.append(("nats", "likelihood", "nats", None, likelihoods))
    figure = Picture(figsize=(3.3 * len(panels), 6.4), layout="constrained")
    axes = figure.subplots(2, len(panels), sharey="col")
    for row, against in zip(axes, ("update", "minutes"), strict=True):
        for ax, (column, title, unit, colour, source) in zip(row, panels, strict=True):
            # A run without a likelihood keeps its place, and so its colour, there.
            shown = {name: source.get(name, ()) for name in runs}
            run_curves(shown, ax, column=column, against=against, title=title)
            ax.set_ylabel(unit)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            if colour is not None:
                ax.title.set_color(colour)
    for ax, (column, *_, source) in zip(axes[0], panels, strict=True):
        ax.set_ylim(*_late_range(source.values(), column))
    if rules:
        figure.supxlabel(f"likelihood: {rules}", x=0.995, ha="right", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    return figure


def _late_range(runs: Iterable[Sequence[Mapping[str, float]]], column: str) -> tuple:
    """Lowest and highest value of a column after the first tenth of each run, with a margin."""
    late = [
        row[column]
        for rows in runs
        for row in rows
        if _is_number(row.get(column)) and row["update"] > rows[-1]["update"] / 10
    ]
    errors = [row["error"] for rows in runs for row in rows if _is_number(row.get("error"))]
    if not late:
        return None, None
    margin = 0.06 * (max(late) - min(late)) + 1.2 * max(errors, default=0) + 1e-6
    return min(late) - margin, max(late) + margin


def _is_number(value: object) -> bool:
    return value is not None and math.isfinite(value)
