"""What a picture holds, for tests to look at."""

from __future__ import annotations

from coconet.plots import Picture


def axes():
    return Picture().add_subplot()


def boxes(ax):
    """Left, right, bottom and top of what is drawn as boxes, and their colours."""
    (drawn,) = [c for c in ax.collections if len(c.get_paths())]
    edges = [path.get_extents() for path in drawn.get_paths()]
    return [(e.x0, e.x1, e.y0, e.y1) for e in edges], drawn.get_facecolors()
