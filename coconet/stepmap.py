"""The step map: from any cell of a result back to its source, forth again, and to seconds.

A map is made by a chain of layers (`coconet.chain`) or from a `Traced`. It is kept as
an .npz beside the result, so that what is heard at some second of a finished piece can
be looked up in the chorale that it was made of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from coconet.chorale import read_npz
from coconet.errors import ChoraleError, shown
from coconet.files import atomic_path
from coconet.grid import STEPS_PER_QUARTER, is_whole
from coconet.traced import NOWHERE, Traced

FORMAT = 1
SUFFIX = ".npz"
#: Steps by which a time may lie before a step and still count as its beginning: rounding.
ROUNDING = 1e-6
NAMES = ("format", "voice", "step", "sounding", "shape", "tempo", "source_tempo")


class Found(NamedTuple):
    """Cells that come from the cells asked for: int arrays, shape=(found,).

    asked : for which of the cells asked for, counted from 0
    voice, step : of the result, in order of the cells asked for, then by voice and step
    """

    asked: np.ndarray
    voice: np.ndarray
    step: np.ndarray


@dataclass(frozen=True, eq=False)
class StepMap:
    """Where each cell of a result comes from.

    Attributes
    ----------
    voice, step : int32 arrays, shape=(voices, steps) of the result: the source's row and
        step; `NOWHERE` (-1) in both where a cell comes from no cell of the source
    shape : of the source, (voices, steps)
    sounding : bool array, shape=(voices, steps): cells of the result that aren't rests
    tempo, source_tempo : quarter notes a minute, of the result and of its source

    Raises
    ------
    ChoraleError
        For arrays of other shapes, and places that aren't in the source.
    """

    voice: np.ndarray
    step: np.ndarray
    shape: tuple[int, int]
    sounding: np.ndarray
    tempo: float
    source_tempo: float

    def __post_init__(self) -> None:
        voice, step, sounding = (np.asarray(a) for a in (self.voice, self.step, self.sounding))
        shape = tuple(self.shape)
        if not (len(shape) == 2 and all(is_whole(size, 1) for size in shape)):
            raise ChoraleError(
                f"map: expected the source's (voices, steps), got {shown(self.shape)}"
            )
        for name, array, kinds in (
            ("voice", voice, "iu"),
            ("step", step, "iu"),
            ("sounding", sounding, "b"),
        ):
            if array.ndim != 2 or array.shape != voice.shape or array.dtype.kind not in kinds:
                raise ChoraleError(
                    f"map: {name}: expected an array (voices, steps) like the others, "
                    f"got {array.dtype} of shape {array.shape}"
                )
        if not voice.size:
            raise ChoraleError(f"map: expected voices and steps, got shape {voice.shape}")
        _validate_places(voice, step, shape)
        for name in ("tempo", "source_tempo"):
            tempo = getattr(self, name)
            number = isinstance(tempo, int | float | np.number) and not isinstance(tempo, bool)
            if not (number and math.isfinite(tempo) and tempo > 0):
                raise ChoraleError(f"map: {name}: expected quarters a minute, got {shown(tempo)}")
            object.__setattr__(self, name, float(tempo))
        object.__setattr__(self, "shape", (int(shape[0]), int(shape[1])))
        for name, array, dtype in (
            ("voice", voice, np.int32),
            ("step", step, np.int32),
            ("sounding", sounding, bool),
        ):
            # Arrays that nobody can write to needn't be copied.
            array = np.array(array, dtype, copy=True if array.flags.writeable else None)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def of(cls, traced: Traced, *, source_tempo: float | None = None) -> StepMap:
        """The map of a traced piece; by default its source had the same tempo."""
        tempo = traced.chorale.tempo
        return cls(
            traced.voice,
            traced.step,
            traced.source,
            traced.sounding,
            tempo,
            tempo if source_tempo is None else source_tempo,
        )

    @property
    def voices(self) -> int:
        """Voices of the result."""
        return self.voice.shape[0]

    @property
    def steps(self) -> int:
        """Steps of the result."""
        return self.voice.shape[1]

    def source(self, voice: object, step: object) -> tuple[np.ndarray, np.ndarray]:
        """Voice and step of the source that cells of the result come from.

        Parameters
        ----------
        voice, step : int arrays that broadcast: cells of the result

        Returns
        -------
        two int32 arrays of the broadcast shape; `NOWHERE` in both where there is none

        Raises ChoraleError for a cell outside the result.
        """
        cells = _cells(voice, step, self.voice.shape, "the result")
        return self.voice[cells], self.step[cells]

    def results(self, voice: object, step: object) -> Found:
        """All cells of the result that come from some cells of the source.

        Parameters
        ----------
        voice, step : int arrays that broadcast: cells of the source

        Raises ChoraleError for a cell outside the source.
        """
        rows, columns = _cells(voice, step, self.shape, "the source")
        asked = (rows * self.shape[1] + columns).ravel()
        order, edges = self._inverse
        counts = edges[asked + 1] - edges[asked]
        which = np.repeat(np.arange(len(asked)), counts)
        first = np.cumsum(counts) - counts
        places = order[np.arange(len(which)) + (edges[asked] - first)[which]]
        return Found(which, *np.divmod(places, self.steps))

    def column(self, step: object) -> np.ndarray:
        """The source's step for whole steps of the result.

        Voices may come from several steps, as in a canon: the one that most of the
        sounding voices come from counts, the earliest of several such; where nothing
        sounds, all voices count. `NOWHERE` where none of them comes from the source.
        Int array of the shape of `step`.
        """
        return self._columns[_cells(0, step, self.voice.shape, "the result")[1]]

    def seconds(self, step: object) -> np.ndarray:
        """When steps of the result begin, at its tempo; the step after the last is its end."""
        steps = _cells(0, step, (1, self.steps + 1), "the result and its end")[1]
        return steps * _seconds_a_step(self.tempo)

    def step_at(self, seconds: object) -> np.ndarray:
        """Which steps of the result sound at some seconds from its beginning.

        Raises ChoraleError for a time before the beginning, or at the end or after it.
        """
        try:
            times = np.asarray(seconds, float)
        except (TypeError, ValueError) as error:
            raise ChoraleError(f"seconds: expected numbers, got {shown(seconds)}") from error
        steps = np.floor(times / _seconds_a_step(self.tempo) + ROUNDING)
        outside = ~((steps >= 0) & (steps < self.steps))
        if outside.any():
            length = self.steps * _seconds_a_step(self.tempo)
            raise ChoraleError(
                f"seconds: expected a time within 0 to {length:.3f} s, "
                f"got {float(times[outside][0]):g}"
            )
        return steps.astype(np.int64)

    def source_seconds(self, step: object) -> np.ndarray:
        """When what is heard in steps of the result is heard in the source, at its tempo.

        Float array of the shape of `step`: the beginning of `column(step)`; NaN for NOWHERE.
        """
        columns = self.column(step)
        seconds = columns * _seconds_a_step(self.source_tempo)
        return np.where(columns == NOWHERE, np.nan, seconds)

    def then(self, after: StepMap) -> StepMap:
        """This map and, of its result, another: from that one's result to this one's source."""
        if after.shape != self.voice.shape:
            raise ChoraleError(
                f"map: expected one of a source of shape {self.voice.shape}, got {after.shape}"
            )
        return StepMap(
            *composed((self.voice, self.step), (after.voice, after.step)),
            self.shape,
            after.sounding,
            after.tempo,
            self.source_tempo,
        )

    @cached_property
    def _inverse(self) -> tuple[np.ndarray, np.ndarray]:
        """Flat cells of the result by the source's cell, and where each of those begins."""
        cells = self.shape[0] * self.shape[1]
        # NOWHERE becomes a cell after the last, which sorts to the end.
        source = np.where(self.step == NOWHERE, cells, self.voice * self.shape[1] + self.step)
        source = source.ravel()
        edges = np.append(0, np.cumsum(np.bincount(source, minlength=cells + 1)[:cells]))
        return np.argsort(source, kind="stable"), edges

    @cached_property
    def _columns(self) -> np.ndarray:
        """For all steps what `column` gives."""
        heard = self.sounding | ~self.sounding.any(0)
        steps = np.sort(np.where(heard, self.step, NOWHERE), axis=0)
        row = np.arange(self.voices)[:, None]
        begins = np.ones(steps.shape, bool)
        begins[1:] = steps[1:] != steps[:-1]
        length = row - np.maximum.accumulate(np.where(begins, row, 0), axis=0) + 1
        length[steps == NOWHERE] = 0
        return np.take_along_axis(steps, length.argmax(0)[None], axis=0)[0]


def composed(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Voice and step of the first's source for each cell of the second's result.

    first : voice and step of the source, for each cell of a piece
    second : voice and step of that piece, for each cell of what was made of it
    """
    (voice, step), (rows, columns) = first, second
    nowhere = columns == NOWHERE
    found = voice[rows, columns], step[rows, columns]
    if nowhere.any():
        found = tuple(np.where(nowhere, np.int32(NOWHERE), places) for places in found)
    return found


def save_map(stepmap: StepMap, path: Path | str, *, force: bool = False) -> Path:
    """Write a map as .npz of plain arrays, the same bytes each time; return the path.

    Raises ChoraleError for another suffix, an existing file (unless `force`) and a
    folder that can't be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ChoraleError(f"{path}: expected a name that ends in {SUFFIX}")
    arrays = {
        "format": np.array(FORMAT, np.int32),
        "voice": stepmap.voice,
        "step": stepmap.step,
        "sounding": stepmap.sounding,
        "shape": np.array(stepmap.shape, np.int64),
        "tempo": np.array(stepmap.tempo),
        "source_tempo": np.array(stepmap.source_tempo),
    }
    with atomic_path(path, force=force) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def load_map(path: Path | str) -> StepMap:
    """Read a map that `save_map` wrote; raises ChoraleError for any other file."""
    arrays = read_npz(path, NAMES)
    kind = arrays["format"].tolist()
    if kind != FORMAT:
        raise ChoraleError(f"{path}: expected map format {FORMAT}, got {shown(kind)}")
    try:
        return StepMap(
            arrays["voice"],
            arrays["step"],
            tuple(np.atleast_1d(arrays["shape"]).tolist()),
            arrays["sounding"],
            arrays["tempo"].tolist(),
            arrays["source_tempo"].tolist(),
        )
    except ChoraleError as error:
        raise ChoraleError(f"{path}: {error}") from error


def _seconds_a_step(tempo: float) -> float:
    return 60 / tempo / STEPS_PER_QUARTER


def _cells(
    voice: object, step: object, shape: tuple[int, int], where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Voice and step as int arrays of one shape, all within a piece of `shape`."""
    found = []
    for name, asked, size in (("voice", voice, shape[0]), ("step", step, shape[1])):
        try:
            places = np.asarray(asked)
        except ValueError:  # rows of unequal length
            places = np.array(None)
        if places.dtype.kind not in "iu":
            raise ChoraleError(f"{name}: expected whole numbers, got {shown(asked)}")
        bad = (places < 0) | (places >= size)
        if bad.any():
            raise ChoraleError(f"{name}: expected 0-{size - 1} of {where}, got {places[bad][0]}")
        found.append(places.astype(np.int64))
    try:
        return tuple(np.broadcast_arrays(*found))
    except ValueError as error:
        shapes = " and ".join(str(places.shape) for places in found)
        raise ChoraleError(f"voice and step: expected shapes that fit, got {shapes}") from error


def _validate_places(voice: np.ndarray, step: np.ndarray, shape: tuple[int, int]) -> None:
    """Check that all cells come from a cell of the source, or from nowhere."""
    inside = (voice >= 0) & (voice < shape[0]) & (step >= 0) & (step < shape[1])
    bad = ~(inside | ((voice == NOWHERE) & (step == NOWHERE)))
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise ChoraleError(
            f"map: voice {row}, step {column}: comes from voice {voice[row, column]}, "
            f"step {step[row, column]}; the source has shape {shape}"
        )
