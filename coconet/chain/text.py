"""Chains as YAML, such as

name: stop and linger
seed: 7
layers:
  - join_quartets
  - stretch: {spans: challenging, low: 2, high: 8}
    label: linger
  - octave_shift: {share: 0.15, clump: 45}
    seed: 3
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from coconet import places
from coconet.chain.layers import HANDED_IN, Chain, Layer
from coconet.chorale import read_array
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.files import read_json

SUFFIX = ".yaml"
#: What an entry may hold beside its layer.
BESIDE = ("label", "seed")


def load_chain(path: Path | str, *, handed_in: Sequence[str] = HANDED_IN) -> Chain:
    """Read a chain from a YAML file, a shipped one by its name, or that of a result.

    path : a file, or a name such as 'stop_and_linger' (`shipped_chains` lists them); of a
        .json, the sidecar of what a chain made, the chain that its provenance holds

    Raises ChoraleError as `parse_chain`, with the file's name.
    """
    if not isinstance(path, str | Path):
        raise ChoraleError(f"expected the name of a chain's file, got {shown(path)}")
    if "\n" in str(path):
        told = f"expected the name of a file, got {shown(str(path))}"
        raise ChoraleError(f"{told}; parse_chain reads the text of a chain")
    found = shipped_chains().get(str(path), Path(path))
    source = _sidecars_chain(found) if found.suffix.lower() == ".json" else _text_of(found)
    try:
        return parse_chain(source, folder=found.parent, handed_in=handed_in)
    except ChoraleError as error:
        raise ChoraleError(f"{found}: {error}") from error


def parse_chain(
    source: str | Mapping[str, Any],
    *,
    folder: Path | str = ".",
    handed_in: Sequence[str] = HANDED_IN,
) -> Chain:
    """A chain from the text of a YAML, or from what that says.

    An entry of `layers` is the name of a layer, or a mapping of it to its options, and
    beside it `label` and `seed`. Text that ends in .npy, anywhere in the options, is the
    name of an array's file, and is read.

    Parameters
    ----------
    folder : where files that are named in the options lie
    handed_in : names of layers that come when the chain runs

    Raises
    ------
    ChoraleError
        For text that isn't YAML, has a key twice or uses anchors; for unknown layers,
        options and keys (names the nearest), and wrong types.
    """
    said = _parse_yaml(source) if isinstance(source, str) else source
    if not isinstance(said, Mapping):
        raise ChoraleError(f"chain: expected name, seed and layers, got {shown(said)}")
    known = ("name", "seed", "layers")
    for key in said:
        if key not in known:
            hint = nearest_name(str(key), known) or f" (expected {', '.join(known)})"
            raise ChoraleError(f"chain: unknown {shown(key)}{hint}")
    entries = said.get("layers")
    if not isinstance(entries, list | tuple) or not entries:
        raise ChoraleError(f"chain: layers: expected a list of layers, got {shown(entries)}")
    layers = []
    for number, entry in enumerate(entries, start=1):
        try:
            layers.append(_layer_of(entry, Path(folder)))
        except ChoraleError as error:
            raise ChoraleError(f"layer {number}: {error}") from error
    return Chain(layers, said.get("seed", 1), said.get("name", ""), handed_in)


def dump_chain(chain: Chain) -> str:
    """A chain as YAML that `parse_chain` reads; arrays are written out."""
    return yaml.safe_dump(chain.plain, sort_keys=False, allow_unicode=True, width=100)


def shipped_chains() -> dict[str, Path]:
    """The chains that come with the project, by their names."""
    return {path.stem: path for path in sorted(places.chains().glob(f"*{SUFFIX}"))}


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        shipped = shipped_chains()
        hint = nearest_name(str(path), shipped) or f"; shipped chains are {', '.join(shipped)}"
        raise ChoraleError(f"{path}: no such file{hint}") from error
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ChoraleError(f"{path}: not a text file in UTF-8") from error
    except ValueError as error:
        raise ChoraleError(f"{shown(str(path))}: no name of a file ({error})") from error


def _sidecars_chain(path: Path) -> Mapping[str, Any]:
    """The chain in the provenance of a result's sidecar."""
    provenance = read_json(path).get("provenance")
    if not isinstance(provenance, Mapping) or not isinstance(provenance.get("chain"), Mapping):
        raise ChoraleError(f"{path}: its provenance holds no chain; expected what a chain made")
    return provenance["chain"]


def _layer_of(entry: object, folder: Path) -> Layer:
    """A layer from an entry of a YAML."""
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, Mapping):
        raise ChoraleError(f"expected a layer's name or 'name: {{options}}', got {shown(entry)}")
    names = [key for key in entry if key not in BESIDE]
    if len(names) != 1 or not isinstance(names[0], str):
        told = shown(names) if names else "none"
        raise ChoraleError(
            f"expected one layer an entry, and beside it label and seed, got {told}; "
            "does a dash lack, or an indent?"
        )
    (name,) = names
    options = {} if entry[name] is None else entry[name]
    if isinstance(options, Mapping):
        options = _with_arrays(options, folder)
    label = "" if entry.get("label") is None else entry["label"]
    return Layer(name, options, entry.get("seed"), label)


def _with_arrays(value: Any, folder: Path) -> Any:
    """A plain value in which the names of .npy files are replaced by their arrays."""
    if isinstance(value, str) and value.lower().endswith(".npy"):
        return read_array(folder / value)
    if isinstance(value, Mapping):
        return {key: _with_arrays(one, folder) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_arrays(one, folder) for one in value]
    return value


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that comes twice, and anchors."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(None, None, "aliases aren't read", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"{shown(key.value)} comes twice"
                    raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        raise ChoraleError(f"{line}not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        told = str(error).replace("\n", " ")
        raise ChoraleError(f"not valid YAML ({told})") from error
