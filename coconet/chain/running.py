"""A chain run on a chorale: every stage, and the map back to the source."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from coconet.chain.layers import Chain, Layer
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.grid import is_whole, validate_grid
from coconet.stepmap import StepMap
from coconet.traced import MOST_CELLS, Traced
from coconet.transforms import LAYERS
from coconet.transforms.layer import traced_array

#: From a grid and a generator to a grid of the same shape, as `closing.ending_of` makes one.
Function = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Maker:
    """A callable for a chain that is made for the piece it gets.

    make : called with the chorale as it is before the layer, and with the options of
        the layer; returns a function from a grid and a generator to a grid
    """

    make: Callable[..., Function]

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options that it takes."""
        return tuple(list(inspect.signature(self.make).parameters)[1:])


@dataclass(frozen=True, eq=False)
class Stage:
    """What one layer of a chain did.

    label, name : of the layer
    before, after : the piece; its cells know where they come from in the chain's source
    seconds : that it took
    """

    label: str
    name: str
    before: Traced
    after: Traced
    seconds: float

    @property
    def chorale(self) -> Chorale:
        """The piece after the layer."""
        return self.after.chorale

    @property
    def changed(self) -> bool:
        """Whether the layer changed any cell, or where a note begins."""
        before, after = self.before, self.after
        return not (
            np.array_equal(before.grid, after.grid) and np.array_equal(before.onsets, after.onsets)
        )

    @cached_property
    def map(self) -> StepMap:
        """Of this layer alone, from `after` to `before`."""
        tempos = self.after.chorale.tempo, self.before.chorale.tempo
        return StepMap(*self.after.since, self.before.grid.shape, self.after.sounding, *tempos)


@dataclass(frozen=True, eq=False)
class ChainResult:
    """What a chain made of a chorale.

    chorale : the result; its provenance holds the chain
    source : what it was made of
    stages : one a layer, in order
    """

    chorale: Chorale
    source: Chorale
    stages: tuple[Stage, ...]

    @cached_property
    def map(self) -> StepMap:
        """From the result to the source."""
        return StepMap.of(self.stages[-1].after, source_tempo=self.source.tempo)

    def between(self, first: int | str, second: int | str) -> StepMap:
        """From the piece after one layer back to the piece after an earlier one.

        first, second : layers by their labels, or by their numbers from 1, where 0 is the
            source
        """
        start, end = self._number(first), self._number(second)
        if start >= end:
            raise ChoraleError(
                f"between {shown(first)} and {shown(second)}: expected them in order"
            )
        found = self.stages[start].map
        for stage in self.stages[start + 1 : end]:
            found = found.then(stage.map)
        return found

    def _number(self, place: int | str) -> int:
        labels = [stage.label for stage in self.stages]
        if isinstance(place, str) and place in labels:
            return labels.index(place) + 1
        if is_whole(place, 0, len(labels)):
            return int(place)
        raise ChoraleError(
            f"between: expected 0-{len(labels)} or one of {', '.join(labels)}, got {shown(place)}"
        )


def run_chain(
    chain: Chain,
    chorale: Chorale | np.ndarray,
    *,
    callables: Mapping[str, Function | Maker] | None = None,
    limit: int = MOST_CELLS,
    provenance: Mapping[str, Any] | None = None,
    on_layer: Callable[[int, Stage], None] | None = None,
) -> ChainResult:
    """Run all layers of a chain, one after the other.

    Parameters
    ----------
    chorale : the source, or its bare array (voices, steps); it isn't changed, and its
        title is the result's
    callables : by name, the layers that are handed in, such as
        `{"ending": coconet.closing.ending_maker(predictor)}`. They take a grid and a
        generator and return a grid of the same shape, so that each cell still comes from
        where it came from. A `Maker` makes such a function for the piece, and is needed
        where the chain gives options.
    limit : cells (voices × steps) that the piece may grow to
    provenance : what the result's provenance says besides, such as the source
    on_layer : called after each layer with its number, from 1, and its stage

    Returns
    -------
    ChainResult

    Raises
    ------
    ChoraleError
        For what isn't a chain or a grid; as the layers do, with the number and label of
        the layer; for a layer that is to be handed in and isn't, before any work; and
        beyond the limit.
    """
    if not isinstance(chain, Chain):
        raise ChoraleError(f"expected a Chain, such as load_chain gives, got {shown(chain)}")
    if not isinstance(chorale, Chorale):
        chorale = traced_array(chorale).chorale
    callables = callables or {}
    _validate_callables(chain, callables)
    if not is_whole(limit, 1):
        raise ChoraleError(f"limit: expected a number of cells, 1 or more, got {shown(limit)}")
    piece = Traced.begin(chorale, limit=limit)
    stages = []
    for number, layer in enumerate(chain.layers, start=1):
        began = time.perf_counter()
        try:
            after = _run(layer, piece.anew(), chain.generator(layer.label), callables)
        except ChoraleError as error:
            raise ChoraleError(f"layer {number} ({layer.label}): {error}") from error
        seconds = time.perf_counter() - began
        stages.append(Stage(layer.label, layer.name, piece, after, seconds))
        if on_layer is not None:
            on_layer(number, stages[-1])
        piece = after
    said = {"made by": "chain", "chain": chain.plain, "numpy": np.__version__}
    result = piece.chorale.replace(title=chorale.title, provenance={**(provenance or {}), **said})
    return ChainResult(result, chorale, tuple(stages))


def _run(
    layer: Layer,
    piece: Traced,
    rng: np.random.Generator,
    callables: Mapping[str, Function | Maker],
) -> Traced:
    """The piece after one layer."""
    options = copy.deepcopy(layer.options)
    if layer.name in callables:
        return _run_callable(callables[layer.name], piece, rng, options)
    function = LAYERS[layer.name]
    if "rng" in inspect.signature(function).parameters:
        options["rng"] = rng
    return function(piece, **options)


def _run_callable(
    function: Function | Maker, piece: Traced, rng: np.random.Generator, options: dict[str, Any]
) -> Traced:
    """The piece after a layer that was handed in."""
    if isinstance(function, Maker):
        function = function.make(piece.chorale, **options)
    grid = validate_grid(function(piece.grid.copy(), rng))
    if grid.shape != piece.grid.shape:
        raise ChoraleError(
            f"what was handed in: expected a grid of shape {piece.grid.shape}, got {grid.shape}"
        )
    return piece.sing(grid, onsets=piece.chorale.onsets_for(grid))


def _validate_callables(chain: Chain, callables: Mapping[str, Function | Maker]) -> None:
    """Check that what a chain needs is handed in, and nothing else."""
    for name, function in callables.items():
        if name not in chain.handed_in or name in LAYERS:
            raise ChoraleError(
                f"callables: {shown(name)} isn't handed in to this chain; expected "
                f"{', '.join(chain.handed_in)}"
            )
        if not callable(function) and not isinstance(function, Maker):
            raise ChoraleError(f"callables: {name}: expected a function, got {shown(function)}")
    for number, layer in enumerate(chain.layers, start=1):
        if layer.name in LAYERS:
            continue
        where = f"layer {number} ({layer.label})"
        if layer.name not in callables:
            hint = "callables={'ending': coconet.closing.ending_maker(predictor)}"
            raise ChoraleError(
                f"{where}: must be handed in when the chain runs, such as "
                f"run_chain(chain, chorale, {hint})"
            )
        function = callables[layer.name]
        if layer.options and not isinstance(function, Maker):
            raise ChoraleError(
                f"{where}: what was handed in takes no options, got {', '.join(layer.options)}; "
                "hand in a coconet.chain.Maker, such as coconet.closing.ending_maker makes"
            )
        for option in layer.options:
            if option not in function.options:
                near = nearest_name(option, function.options)
                its = f"its options are {', '.join(function.options)}"
                raise ChoraleError(f"{where}: unknown option {shown(option)}{near} ({its})")
