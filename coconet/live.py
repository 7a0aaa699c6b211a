"""What a notebook shows while a network learns: curves, score, sound, anew each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coconet.chorale import Chorale
from coconet.corpus import crop
from coconet.plots import training_curves
from coconet.reading import read_piece
from coconet.render.player import play
from coconet.runs import SAMPLES
from coconet.score import engrave


class LiveTraining:
    """A view of a training run in a notebook: hand it to `train` as `on_row`.

    After each measurement it draws the curves and, where the run has written a
    new sample since, engraves and plays its beginning.

    run : the run's folder
    steps : of each sample that are shown
    sound : whether to play them too
    """

    def __init__(self, run: Path | str, *, steps: int = 64, sound: bool = True):
        self.run = Path(run)
        self.steps = steps
        self.sound = sound
        self.shown: int | None = None
        self.handles: dict[str, Any] = {}

    def __call__(self, rows: Sequence[Mapping[str, float]]) -> None:
        self._show("curves", training_curves(rows).figure)
        newest = max(_sample_files(self.run), default=None)
        if newest is None or newest == self.shown:
            return
        self.shown = newest
        chorale = read_samples(self.run, steps=self.steps)[newest]
        self._show("score", engrave(chorale))
        if self.sound:
            self._show("player", play(chorale))

    def _show(self, place: str, thing: Any) -> None:
        """Show a thing in place of the one that stood there."""
        from IPython.display import display

        handle = self.handles.get(place)
        if handle is None:  # none yet, or not in a notebook
            self.handles[place] = display(thing, display_id=True)
        else:
            handle.update(thing)


def read_samples(run: Path | str, *, steps: int | None = None) -> dict[int, Chorale]:
    """The samples of a run by their update, ascending; none where it has none.

    steps : only so many from the beginning; all by default
    """
    chorales = {}
    for update, path in sorted(_sample_files(Path(run)).items()):
        chorale = read_piece(path).chorale
        end = chorale.steps if steps is None else min(steps, chorale.steps)
        chorales[update] = crop(chorale, (0, end))
    return chorales


def _sample_files(run: Path) -> dict[int, Path]:
    return {int(path.stem): path for path in (run / SAMPLES).glob("*.mid") if path.stem.isdigit()}
