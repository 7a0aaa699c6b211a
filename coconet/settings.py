"""Settings of a training run: everything that its result depends on, besides the machine.

They stand in the run's folder as `config.yaml`, and in the card of each of its
checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from coconet.errors import ChoraleError
from coconet.files import write_text
from coconet.model import BEAT, Config, FastConfig, config_fields, config_from
from coconet.precision import validate_precision
from coconet.splits import SPLITS

#: Updates that `minutes` measures before it fixes how many there will be.
MEASURED = 50
DEVICES = ("auto", "cpu", "cuda")
#: The showpieces are never trained on.
TRAINABLE = tuple(split for split in SPLITS if split != "demo")
FRACTIONS = ("minutes", "frames", "learning_rate", "weight_decay", "ema")
OPTIONAL = ("updates", "minutes", "threads")
LIMITS = {
    "updates": (1, 10**9),
    "minutes": (1e-9, 10**6),
    "batch": (1, 10**6),
    "crop": (BEAT, 4096),
    "frames": (0, 1),
    "learning_rate": (0, 10),
    "warmup": (1, 10**6),
    "weight_decay": (0, 10),
    "ema": (0, 1),
    "seed": (0, 2**63 - 1),
    "threads": (1, 1024),
    "valid_every": (1, 10**6),
    "save_every": (1, 10**6),
    "samples_every": (0, 10**6),
}


@dataclass(frozen=True)
class Settings:
    """Everything that a run's result depends on, besides the machine.

    updates : length of the schedule; None while `minutes` still measures
    minutes : wall-clock length wanted, in place of `updates`
    batch : crops an update, of all processes together
    crop : steps a crop, a multiple of 4
    frames : share of the crops in which whole frames are hidden, not single cells
    learning_rate : peak, reached after `warmup` updates, then a cosine to 0
    weight_decay : of matrices; ema : decay of the averaged weights
    precision : of the linear layers, as in `coconet.precision`
    resolution : 16, 8 or 4: sixteenths, eighths or quarters
    splits : of the data, those that are trained on: train, valid, test, never demo
    seed, threads : as given; threads None leaves torch's own choice
    device : 'cpu', 'cuda', or 'auto': a GPU where there is one for each process
    valid_every, save_every : updates between validations and between saves
    samples_every : updates between harmonisations of a fixed melody; 0 for none
    data, init : the corpus and the checkpoint that the run began from, by name;
        None where it was the project's own corpus, and fresh weights
    """

    model: Config = field(default_factory=FastConfig)
    updates: int | None = 20_000
    minutes: float | None = None
    batch: int = 12
    crop: int = 128
    frames: float = 0.5
    learning_rate: float = 3e-3
    warmup: int = 200
    weight_decay: float = 0.02
    ema: float = 0.999
    precision: str = "auto"
    resolution: int = 16
    splits: tuple[str, ...] = ("train",)
    seed: int = 1
    threads: int | None = None
    device: str = "auto"
    valid_every: int = 250
    save_every: int = 500
    samples_every: int = 500
    data: str | None = None
    init: str | None = None

    def __post_init__(self) -> None:
        for key, (low, high) in LIMITS.items():
            value = getattr(self, key)
            if value is None and key in OPTIONAL:
                continue
            kinds = (int, float) if key in FRACTIONS else int
            if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
                kind = "a number" if key in FRACTIONS else "a whole number"
                raise _bad(f"{key}: expected {kind} from {low} to {high}, got {value!r}")
        if self.crop % BEAT:
            raise _bad(f"crop: expected whole beats, got {self.crop}")
        if self.updates is None and self.minutes is None:
            raise _bad("expected updates or minutes")
        validate_precision(self.precision)
        if self.resolution not in (16, 8, 4):
            raise ChoraleError(f"resolution: expected 16, 8 or 4, got {self.resolution!r}")
        if self.device not in DEVICES:
            raise _bad(f"device: expected {', '.join(DEVICES)}, got {self.device!r}")
        for key in ("data", "init"):
            if not isinstance(getattr(self, key), str | None):
                raise _bad(f"{key}: expected a path, got {getattr(self, key)!r}")
        object.__setattr__(self, "splits", _splits(self.splits))

    def fields(self) -> dict[str, Any]:
        """Plain values for JSON and YAML."""
        fields = {**asdict(self), "model": config_fields(self.model)}
        fields["splits"] = list(self.splits)
        fields["model"] = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in fields["model"].items()
        }
        return fields

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Settings:
        """The settings that `fields` or a user's YAML names; raises ChoraleError."""
        fields = dict(fields)
        unknown = sorted(fields.keys() - cls.__dataclass_fields__.keys())
        if unknown:
            raise _bad(f"unknown: {', '.join(unknown)}")
        if "model" in fields:
            if not isinstance(fields["model"], dict):
                raise ChoraleError(f"model: expected settings, got {fields['model']!r}")
            fields["model"] = config_from(fields["model"])
        if fields.get("minutes") is not None:
            fields.setdefault("updates", None)
        for key in FRACTIONS:
            # YAML 1.1 takes 2e-3, without a point, for text.
            if isinstance(fields.get(key), str):
                fields[key] = _number(fields[key])
        try:
            return cls(**fields)
        except TypeError as error:
            raise _bad(str(error)) from error

    @property
    def held_out(self) -> bool:
        """Whether the valid and test splits are kept out of training, for evaluation."""
        return not {"valid", "test"} & set(self.splits)


def learning_rate(settings: Settings, update: int) -> float:
    """Linear warm-up, then a cosine to zero at the last update.

    While `minutes` measures, the length is unknown and the rate stays at its peak.
    """
    measuring = settings.minutes is not None and update < MEASURED
    if update < settings.warmup or settings.updates is None or measuring:
        return settings.learning_rate * min(1.0, (update + 1) / settings.warmup)
    share = (update - settings.warmup) / max(1, settings.updates - settings.warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def read_fields(path: Path | str) -> dict[str, Any]:
    """The settings that a YAML file names, unchecked; raises ChoraleError where it isn't one."""
    try:
        fields = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        line = str(error).replace("\n", " ")
        raise ChoraleError(f"{path}: not valid YAML ({line})") from error
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise ChoraleError(f"{path}: expected settings such as 'updates: 20000'")
    return fields


def write_settings(path: Path | str, settings: Settings) -> None:
    """Write settings as YAML that `coconet train --config` takes."""
    text = yaml.safe_dump(settings.fields(), sort_keys=False, default_flow_style=None)
    write_text(Path(path), text)


def _bad(what: str) -> ChoraleError:
    return ChoraleError(f"training settings: {what}")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _splits(value: object) -> tuple[str, ...]:
    """Names of splits from a list or 'train,valid', in their usual order."""
    names = value.split(",") if isinstance(value, str) else value
    known = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    stripped = {name.strip() for name in names} if known else set()
    if "demo" in stripped:
        raise _bad("splits: demo is never trained on")
    if not stripped or not stripped <= set(TRAINABLE):
        raise _bad(f"splits: expected some of {', '.join(TRAINABLE)}, got {value!r}")
    return tuple(name for name in TRAINABLE if name in stripped)
