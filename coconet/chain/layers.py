"""Layers in order, each with a generator of its own.

Each layer of a chain has its own generator, so that changing, adding, removing or moving
one leaves the draws of all others as they were. Its seed is
`SeedSequence([chain's seed, *words])`, where `words` are the SHA-256 digest of the
layer's label in UTF-8 as eight little-endian 32-bit numbers. A layer with a `seed` of
its own has `numpy.random.default_rng(seed)`, as one would call it by hand. A label is the
layer's name, and from its second occurrence on a number too: 'octave_shift',
'octave_shift 2'. Layers that come several times should be given labels before they are
moved about in a file; `Chain.moved` and its like keep them.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coconet.checks import whole
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.grid import is_whole
from coconet.transforms import LAYERS
from coconet.transforms.layer import options_of

#: Layers that aren't in `LAYERS` but may be handed in when a chain runs.
HANDED_IN = ("ending",)
#: Characters of a label; it becomes part of file names.
LONGEST_LABEL = 60


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a chain.

    Attributes
    ----------
    name : of a function of `coconet.transforms`, or of one that is handed in
    options : what it is called with, plain values or arrays
    seed : of its own generator; by default the chain's seed and the label decide
    label : to tell it from others; by default its name, numbered in the chain

    Raises
    ------
    ChoraleError
        For an option that the layer doesn't have (names the nearest) or that it lacks,
        values that aren't plain, and a bad seed or label. Whether values make sense
        is found out when the layer runs.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ChoraleError(f"expected the name of a layer, got {shown(self.name)}")
        if not isinstance(self.label, str) or not self.label.isprintable():
            raise ChoraleError(f"{self.name}: label: expected words, got {shown(self.label)}")
        if len(self.label) > LONGEST_LABEL:
            raise ChoraleError(
                f"{self.name}: label: expected {LONGEST_LABEL} characters or fewer, "
                f"got {len(self.label)}"
            )
        if self.seed is not None:
            # A seed of NumPy's becomes Python's: JSON and YAML can't say the former.
            object.__setattr__(self, "seed", whole(self.seed, f"{self.name}: seed", 0))
        if not isinstance(self.options, Mapping):
            raise ChoraleError(
                f"{self.name}: expected options such as {{share: 0.2}}, got {shown(self.options)}"
            )
        _plain(self.options, self.name)
        object.__setattr__(self, "options", copy.deepcopy(dict(self.options)))
        if self.name in LAYERS:
            self._validate_names()

    @property
    def plain(self) -> dict[str, Any]:
        """What a YAML would say of it, fit for JSON; arrays as lists."""
        said = {self.name: _plain(self.options, self.name)}
        given = {"label": self.label, "seed": self.seed}
        return said | {key: value for key, value in given.items() if value not in ("", None)}

    def _validate_names(self) -> None:
        known = options_of(self.name)
        for option in self.options:
            if option not in known:
                its = f"its options are {', '.join(known)}" if known else "it has no options"
                near = nearest_name(option, known)
                raise ChoraleError(f"{self.name}: unknown option {shown(option)}{near} ({its})")
        parameters = inspect.signature(LAYERS[self.name]).parameters
        lacking = [
            option
            for option in known
            if parameters[option].default is inspect.Parameter.empty and option not in self.options
        ]
        if lacking:
            raise ChoraleError(f"{self.name}: needs {', '.join(lacking)}")


@dataclass(frozen=True, eq=False)
class Chain:
    """Layers in order.

    Attributes
    ----------
    layers : all with labels, once they are in a chain; a name alone stands for a layer
        without options
    seed : from which all layers' generators come
    name : '' where it has none
    handed_in : names of layers that come with `callables` when it runs

    Raises
    ------
    ChoraleError
        For no layer, one that is unknown (names the nearest), and labels that are the same.
    """

    layers: Sequence[Layer]
    seed: int = 1
    name: str = ""
    handed_in: Sequence[str] = HANDED_IN

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", whole(self.seed, "chain: seed", 0))
        if not isinstance(self.name, str):
            raise ChoraleError(f"chain: name: expected words, got {shown(self.name)}")
        listed = not isinstance(self.layers, str | Mapping) and isinstance(self.layers, Iterable)
        layers = list(self.layers) if listed else []
        if not layers:
            raise ChoraleError(f"chain: expected a list of layers, got {shown(self.layers)}")
        known = {*LAYERS, *self.handed_in}
        counts: dict[str, int] = {}
        for place, given in enumerate(layers):
            layer = Layer(given) if isinstance(given, str) else given
            if not isinstance(layer, Layer):
                raise ChoraleError(f"layer {place + 1}: expected a layer, got {shown(given)}")
            if layer.name not in known:
                raise ChoraleError(
                    f"layer {place + 1}: unknown layer {shown(layer.name)}"
                    f"{nearest_name(layer.name, known)} (coconet chain --list names all)"
                )
            counts[layer.name] = counts.get(layer.name, 0) + 1
            label = layer.label or _default_label(layer.name, counts[layer.name])
            layers[place] = dataclasses.replace(layer, label=label)
        _validate_labels(layers)
        object.__setattr__(self, "layers", tuple(layers))
        object.__setattr__(self, "handed_in", tuple(self.handed_in))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(layer.label for layer in self.layers)

    @property
    def plain(self) -> dict[str, Any]:
        """The chain as plain data, fit for JSON and for `parse_chain`."""
        counts: dict[str, int] = {}
        said = []
        for layer in self.layers:
            counts[layer.name] = counts.get(layer.name, 0) + 1
            usual = layer.label == _default_label(layer.name, counts[layer.name])
            said.append(dataclasses.replace(layer, label="").plain if usual else layer.plain)
        name = {"name": self.name} if self.name else {}
        return {**name, "seed": self.seed, "layers": said}

    def index(self, label: str) -> int:
        """The place of a layer, from 0; ChoraleError where no layer has the label."""
        if label not in self.labels:
            near = nearest_name(str(label), self.labels)
            raise ChoraleError(
                f"chain: no layer is labelled {shown(label)}{near} "
                f"(labels: {', '.join(self.labels)})"
            )
        return self.labels.index(label)

    def moved(self, label: str, place: int) -> Chain:
        """The chain with one layer at another place, from 0; all keep their labels and draws."""
        layers = list(self.layers)
        layer = layers.pop(self.index(label))
        if not is_whole(place, 0, len(layers)):
            raise ChoraleError(f"place: expected 0-{len(layers)}, got {shown(place)}")
        layers.insert(place, layer)
        return dataclasses.replace(self, layers=layers)

    def changed(self, label: str, **options: Any) -> Chain:
        """The chain with some options of one layer changed."""
        layers = list(self.layers)
        at = self.index(label)
        options = {**layers[at].options, **options}
        layers[at] = dataclasses.replace(layers[at], options=options)
        return dataclasses.replace(self, layers=layers)

    def reseeded(self, label: str, seed: int | None) -> Chain:
        """The chain with other draws for one layer; None gives it back the chain's."""
        layers = list(self.layers)
        at = self.index(label)
        layers[at] = dataclasses.replace(layers[at], seed=seed)
        return dataclasses.replace(self, layers=layers)

    def without(self, label: str) -> Chain:
        """The chain without one of its layers."""
        at = self.index(label)
        return dataclasses.replace(self, layers=self.layers[:at] + self.layers[at + 1 :])

    def generator(self, label: str) -> np.random.Generator:
        """The generator of one layer, new each time; see the module's docstring."""
        layer = self.layers[self.index(label)]
        if layer.seed is not None:
            return np.random.default_rng(layer.seed)
        words = np.frombuffer(hashlib.sha256(label.encode()).digest(), "<u4").tolist()
        return np.random.default_rng(np.random.SeedSequence([self.seed, *words]))


def _plain(value: Any, where: str) -> Any:
    """An option as JSON and YAML can say it; ChoraleError for what they can't."""
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        return _plain(value.tolist(), where)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one, where) for one in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(one, f"{where}: {key}") for key, one in value.items()}
    raise ChoraleError(
        f"{where}: expected numbers, words, lists, mappings of words to them, or arrays, "
        f"got {shown(value)}"
    )


def _default_label(name: str, occurrence: int) -> str:
    return name if occurrence == 1 else f"{name} {occurrence}"


def _validate_labels(layers: Sequence[Layer]) -> None:
    seen: dict[str, int] = {}
    for number, layer in enumerate(layers, start=1):
        if layer.label in seen:
            raise ChoraleError(
                f"layer {number}: is labelled {layer.label!r}, as layer {seen[layer.label]} is; "
                "give it another label"
            )
        seen[layer.label] = number
