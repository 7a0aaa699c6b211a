"""Checkpoints: a folder with `config.json` and `weights.safetensors`.

A run's folder holds its last two states, each a checkpoint with the training
state beside it (`state.safetensors`, `state.json`), and a file `latest` that
names the newer. A state is written as a new folder under a temporary name, then
`latest` is replaced: a run killed at any moment leaves a good state behind.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from coconet.errors import ChoraleError
from coconet.files import atomic_path, read_json, write_json, write_text
from coconet.grid import VOICES
from coconet.model import Config, build_network, config_fields, config_from, tensor_shapes

FORMAT = 1
LATEST = "latest"
CONFIG, WEIGHTS = "config.json", "weights.safetensors"
STATES_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A network's config and weights, and the card that says how they came about.

    resolution : steps a whole note of the grids it was trained on: 16, 8 or 4
    """

    config: Config
    weights: Mapping[str, Tensor]
    card: Mapping[str, Any] = field(default_factory=dict)
    resolution: int = 16

    def network(self) -> nn.Module:
        """The network with these weights, in float32 and ready to predict."""
        network = build_network(self.config)
        network.load_state_dict(dict(self.weights))  # copies into float32
        return network.eval().requires_grad_(False)


def save_checkpoint(folder: Path | str, checkpoint: Checkpoint, *, half: bool = True) -> None:
    """Write `config.json` and `weights.safetensors` into an existing or new folder.

    half : floating weights as float16, as in the checkpoints that are shipped
    """
    folder = Path(folder)
    weights = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in checkpoint.weights.items()
    }
    _save_tensors(weights, folder / WEIGHTS)
    write_json(
        folder / CONFIG,
        {
            "format": FORMAT,
            "voices": list(VOICES),
            "resolution": checkpoint.resolution,
            "model": config_fields(checkpoint.config),
            "card": dict(checkpoint.card),
        },
    )


def resolve_checkpoint(path: Path | str) -> Path:
    """The folder of a checkpoint: the path itself, or what its `latest` file names."""
    path = Path(path)
    pointer = path / LATEST
    if pointer.is_file():
        name = _latest(path)
        if not name or Path(name).name != name or not (path / name).is_dir():
            raise ChoraleError(f"{pointer}: expected the name of a state in {path}, got {name!r}")
        return path / name
    if not path.is_dir():
        raise ChoraleError(f"{path}: no such checkpoint; expected a folder with config.json")
    return path


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint, or a run's newest one.

    Raises ChoraleError for a missing file, another format, other voices, unknown
    settings, truncated weights, and names, shapes or values that don't fit.
    """
    folder = resolve_checkpoint(path)
    config_path, weights_path = folder / CONFIG, folder / WEIGHTS
    for needed in (config_path, weights_path):
        if not needed.is_file():
            raise ChoraleError(f"{folder}: incomplete checkpoint: {needed.name} is missing")
    side = read_json(config_path)
    if side.get("format") != FORMAT:
        raise ChoraleError(
            f"{config_path}: expected checkpoint format {FORMAT}, got {side.get('format')!r}"
        )
    if side.get("voices") != list(VOICES):
        raise ChoraleError(
            f"{config_path}: expected voices {', '.join(VOICES)}, got {side.get('voices')!r}"
        )
    resolution = side.get("resolution", 16)
    if resolution not in (16, 8, 4):
        raise ChoraleError(f"{config_path}: expected resolution 16, 8 or 4, got {resolution!r}")
    model, card = side.get("model"), side.get("card", {})
    for name, value in (("model", model), ("card", card)):
        if not isinstance(value, dict):
            raise ChoraleError(f"{config_path}: {name}: expected an object, got {value!r}")
    try:
        config = config_from(model)
    except ChoraleError as error:
        raise ChoraleError(f"{config_path}: {error}") from error
    weights = _load_tensors(weights_path)
    expected = tensor_shapes(config)
    got = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(expected.keys() | got.keys()):
        if expected.get(name) != got.get(name):
            raise ChoraleError(
                f"{weights_path}: doesn't fit config.json: {name}: "
                f"expected shape {expected.get(name)}, got {got.get(name)}"
            )
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ChoraleError(f"{weights_path}: {name} holds values that are not numbers")
    return Checkpoint(config, weights, card, resolution)


def save_state(
    run: Path,
    update: int,
    checkpoint: Checkpoint,
    tensors: Mapping[str, Tensor],
    rest: Mapping[str, Any],
) -> Path:
    """Add a state to a run's folder, point `latest` at it, drop all but the last two.

    tensors : everything that a resumed run needs exactly, in full precision
    rest : plain values: update, generators, measurements so far
    """
    folder = run / f"{update:07d}"
    if folder.is_dir() and _latest(run) == folder.name:
        return folder  # saved already; never take away what `latest` names
    temporary = run / f".{folder.name}-new"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_checkpoint(temporary, checkpoint)
        _save_tensors(dict(tensors), temporary / "state.safetensors")
        write_json(temporary / "state.json", dict(rest))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
        write_text(run / LATEST, folder.name + "\n")
    except OSError as error:
        raise ChoraleError(f"{folder}: the state could not be written ({error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    states = sorted(p for p in run.iterdir() if p.is_dir() and p.name.isdigit())
    for old in states[:-STATES_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def load_state(run: Path) -> tuple[Checkpoint, dict[str, Tensor], dict[str, Any]]:
    """The newest state of a run, as `save_state` took it."""
    if not (run / LATEST).is_file():
        raise ChoraleError(f"{run}: nothing to resume: no state has been saved there")
    folder = resolve_checkpoint(run)
    checkpoint = load_checkpoint(folder)
    return checkpoint, _load_tensors(folder / "state.safetensors"), read_json(folder / "state.json")


def _latest(run: Path) -> str:
    """What the file `latest` of a run says, or ''."""
    try:
        return (run / LATEST).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:
            raise ChoraleError(f"{path}: could not be written ({error})") from error


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ChoraleError(f"{path}: no such file") from error
    except (OSError, SafetensorError, json.JSONDecodeError, ValueError) as error:
        raise ChoraleError(f"{path}: can't be read; is it truncated? ({error})") from error
