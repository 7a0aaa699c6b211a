"""Sound in pictures: how loud several renderings are, over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from coconet.checks import number, whole
from coconet.colours import voice_colour
from coconet.errors import ChoraleError, shown
from coconet.performance_plots import label_seconds
from coconet.plots import WIDTH, Picture, as_written

#: Seconds over which loudness is averaged, as for the short flicker of a level meter.
WINDOW = 0.05
#: dBFS below which nothing is drawn.
FLOOR = -90.0


def level_curve(samples: np.ndarray, rate: int, *, window: float = WINDOW) -> np.ndarray:
    """How loud a sound is from moment to moment.

    Parameters
    ----------
    samples : float array, shape=(frames,) or (frames, channels), full scale at ±1
    rate : frames a second
    window : seconds over which the power of all channels is averaged, up to 60; whole frames

    Returns
    -------
    float array, shape=(windows,): dBFS of each, -inf where it is silent; a sine at full
    scale in every channel has -3

    Raises
    ------
    ChoraleError
        For other arrays, and for sound that is shorter than one window or isn't finite.

    >>> level_curve(np.full((200, 2), 0.1), 1000, window=0.1).round(3).tolist()
    [-20.0, -20.0]
    """
    size = _frames(window, rate)
    sound = np.asarray(samples)
    known = sound.ndim in (1, 2) and sound.dtype.kind == "f" and sound.size
    if not known or len(sound) < size:
        raise ChoraleError(
            f"sound: expected floats of shape (frames, channels), {size} frames or more, "
            f"got {sound.dtype} of shape {sound.shape}"
        )
    blocks = sound[: len(sound) // size * size].reshape(len(sound) // size, -1)
    power = np.square(blocks, dtype=float).mean(axis=1)
    if not np.isfinite(power).all():
        raise ChoraleError("sound: holds values that aren't finite")
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def level_curves(
    sounds: Mapping[str, np.ndarray],
    rate: int,
    ax: Axes | None = None,
    *,
    window: float = WINDOW,
    title: str = "Loudness over time",
) -> Axes:
    """Several sounds' loudness in one picture: what a hall adds, what a level changes.

    Parameters
    ----------
    sounds : up to four of them, each under the name that it is called by, as
        `level_curve` takes them
    rate : frames a second, of all
    ax : to draw on; by default axes of a new figure
    """
    if not isinstance(sounds, Mapping) or not 1 <= len(sounds) <= 4:
        raise ChoraleError(f"sounds: expected 1-4 of them by name, got {shown(sounds)}")
    curves = {name: level_curve(sound, rate, window=window) for name, sound in sounds.items()}
    if ax is None:
        ax = Picture(figsize=(WIDTH, 3.4), layout="constrained").add_subplot()
    width = _frames(window, rate) / rate
    for row, (name, curve) in enumerate(curves.items()):
        middles = (np.arange(len(curve)) + 0.5) * width
        ax.plot(middles, np.maximum(curve, FLOOR), color=voice_colour(row), lw=1.2, label=name)
    # A float file may hold more than full scale.
    ax.set_ylim(FLOOR, max(0.0, *(curve.max() + 1 for curve in curves.values())))
    ax.set_xlim(0, max(map(len, curves.values())) * width)
    label_seconds(ax)
    ax.set_ylabel("level (dBFS)")
    ax.set_title(title, loc="left", parse_math=False)
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        as_written(ax.legend(frameon=False, ncols=len(curves), loc="upper right"))
    return ax


def _frames(window: float, rate: int) -> int:
    """Frames of one window, or ChoraleError."""
    rate = whole(rate, "rate", 1)
    return round(number(window, "window", 1 / rate, 60) * rate)
