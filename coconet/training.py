"""The training loop: loss, schedule, states, Ctrl-C.

The loss is that of an orderless NADE (Uria, Murray and Larochelle 2014; Huang et
al. 2017, equation 9): a uniformly drawn number of a crop's cells is hidden; the
cross-entropy of the hidden cells, divided by their number.

A run's folder holds `run.json` (the settings), `curves.csv`, and the states of
`coconet.checkpoint`. All chance comes from generators that are saved with the
state, so a resumed run ends where an unbroken one would have.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from coconet.checkpoint import LATEST, Checkpoint, load_checkpoint, load_state, save_state
from coconet.chorale import Chorale
from coconet.crops import Batch, Crops, fixed_batches, make_batch, pieces_of
from coconet.errors import ChoraleError
from coconet.files import read_json, write_json, write_text
from coconet.grid import validate_pitches
from coconet.model import (
    BEAT,
    Config,
    FastConfig,
    build_network,
    config_fields,
    config_from,
    use_generator,
)

#: Updates that `minutes` measures before it fixes how many there will be.
MEASURED = 50
#: Of those, the ones that only warm up caches and allocators.
UNMEASURED = 10


@dataclass(frozen=True)
class Settings:
    """Everything that a run's result depends on, besides data and machine.

    updates : length of the schedule; None while `minutes` still measures
    minutes : wall-clock length wanted, in place of `updates`
    batch : crops an update; crop : steps a crop, a multiple of 4
    learning_rate : peak, reached after `warmup` updates, then a cosine to 0
    weight_decay : of matrices; ema : decay of the averaged weights
    resolution : 16, 8 or 4: sixteenths, eighths or quarters
    seed, threads : as given; threads None leaves torch's own choice
    valid_every, save_every : updates between validations and between saves
    """

    model: Config = field(default_factory=FastConfig)
    updates: int | None = 20_000
    minutes: float | None = None
    batch: int = 24
    crop: int = 64
    learning_rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 0.02
    ema: float = 0.999
    resolution: int = 16
    seed: int = 1
    threads: int | None = None
    valid_every: int = 250
    save_every: int = 500

    def __post_init__(self) -> None:
        whole = ("batch", "crop", "warmup", "valid_every", "save_every")
        limits = {
            **dict.fromkeys(whole, (1, 10**6)),
            "crop": (BEAT, 4096),
            "updates": (1, 10**9),
            "minutes": (1e-9, 10**6),
            "learning_rate": (0, 10),
            "weight_decay": (0, 10),
            "ema": (0, 1),
            "seed": (0, 2**63 - 1),
            "threads": (1, 1024),
        }
        for key, (low, high) in limits.items():
            value = getattr(self, key)
            if value is None and key in ("updates", "minutes", "threads"):
                continue
            fraction = key in ("minutes", "learning_rate", "weight_decay", "ema")
            kinds = (int, float) if fraction else int
            if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
                kind = "a number" if fraction else "a whole number"
                raise ChoraleError(
                    f"training settings: {key}: expected {kind} from {low} to {high}, got {value!r}"
                )
        if self.crop % BEAT:
            raise ChoraleError(f"training settings: crop: expected whole beats, got {self.crop}")
        if self.updates is None and self.minutes is None:
            raise ChoraleError("training settings: expected updates or minutes")
        if self.resolution not in (16, 8, 4):
            raise ChoraleError(f"resolution: expected 16, 8 or 4, got {self.resolution!r}")

    def fields(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "model": config_fields(self.model)}

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Settings:
        """The settings that `fields` or a user's YAML names; raises ChoraleError."""
        fields = dict(fields)
        unknown = sorted(fields.keys() - cls.__dataclass_fields__.keys())
        if unknown:
            raise ChoraleError(f"training settings: unknown: {', '.join(unknown)}")
        if "model" in fields:
            if not isinstance(fields["model"], dict):
                raise ChoraleError(f"model: expected settings, got {fields['model']!r}")
            fields["model"] = config_from(fields["model"])
        if fields.get("minutes") is not None:
            fields.setdefault("updates", None)
        try:
            return cls(**fields)
        except TypeError as error:
            raise ChoraleError(f"training settings: {error}") from error


def hidden_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Cross-entropy in nats a hidden cell: the mean over each crop's, shape=(batch,)."""
    logits = network(batch.tokens, batch.ends)
    losses = F.cross_entropy(logits.flatten(0, 2), batch.targets.flatten(), reduction="none")
    counts = (batch.targets >= 0).flatten(1).sum(1).clamp(min=1)
    return losses.reshape(len(counts), -1).sum(1) / counts


@torch.inference_mode()
def validate(network: nn.Module, batches: Sequence[Batch]) -> float:
    """Mean loss of hidden cells over fixed batches, in nats."""
    return float(torch.cat([hidden_loss(network, batch) for batch in batches]).mean())


def learning_rate(settings: Settings, update: int) -> float:
    """Linear warm-up, then a cosine to zero at the last update."""
    if update < settings.warmup or settings.updates is None:
        return settings.learning_rate * min(1.0, (update + 1) / settings.warmup)
    share = (update - settings.warmup) / max(1, settings.updates - settings.warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


class Trainer:
    """One run: network, averaged weights, optimiser, generators, curves."""

    def __init__(
        self,
        run: Path,
        settings: Settings,
        train: Sequence[Chorale],
        valid: Sequence[Chorale],
        *,
        card: dict[str, Any] | None = None,
        init: Checkpoint | None = None,
    ):
        self.run = run
        self.settings = settings
        self.card = dict(card or {})
        self.update = 0
        self.seconds = 0.0
        self.rows: list[dict[str, float]] = []
        self.rng = np.random.default_rng(settings.seed)
        self.generator = torch.Generator().manual_seed(settings.seed)
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        self.network = build_network(settings.model, self.generator)
        if init is not None:
            if init.config != settings.model:
                raise ChoraleError(
                    f"--init: the checkpoint's network is {init.config}, the run's {settings.model}"
                )
            self.network.load_state_dict(dict(init.weights))
        use_generator(self.network, self.generator)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        for chorale in (*train, *valid):
            validate_pitches(chorale.grid, *settings.model.pitches, name=chorale.title or "data")
        if not valid:
            raise ChoraleError("nothing to measure by: the data's valid split is empty")
        self.crops = Crops(pieces_of(train, settings.resolution), settings.crop)
        self.valid = fixed_batches(
            pieces_of(valid, settings.resolution), settings.crop, settings.model.pitches
        )

    def step(self) -> float:
        """One update; returns the batch's loss in nats."""
        settings = self.settings
        crops = self.crops.draw(settings.batch, self.rng)
        batch = make_batch(crops, settings.crop, settings.model.pitches, self.rng)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(settings, self.update)
        self.network.train()
        loss = hidden_loss(self.network, batch).mean()
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.update += 1
        self._average()
        return float(loss.detach())

    def save(self) -> Path:
        """Write the state; returns its folder."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        tensors["generator"] = self.generator.get_state()
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = value
        rest = {
            "settings": self.settings.fields(),
            "update": self.update,
            "seconds": self.seconds,
            "rng": self.rng.bit_generator.state,
            "rows": self.rows,
            "card": self.card,
        }
        return save_state(self.run, self.update, self.checkpoint(), tensors, rest)

    def restore(self, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
        """Take up a saved state; raises ChoraleError where it doesn't fit."""
        try:
            for prefix, network in (("network.", self.network), ("average.", self.average)):
                network.load_state_dict(
                    {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                )
            self.generator.set_state(tensors["generator"])
            for name, parameter in self.network.named_parameters():
                self.optimiser.state[parameter] = {
                    key: tensors[f"optimiser.{key}.{name}"]
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }
            self.rng.bit_generator.state = rest["rng"]
            self.update, self.seconds = int(rest["update"]), float(rest["seconds"])
            self.rows, self.card = list(rest["rows"]), dict(rest["card"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ChoraleError(f"{self.run}: the saved state doesn't fit ({error})") from error

    def checkpoint(self) -> Checkpoint:
        """The averaged weights, with the card as it stands."""
        card = {
            **self.card,
            "settings": self.settings.fields(),
            "update": self.update,
            "minutes": round(self.seconds / 60, 1),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        if self.rows:
            card["valid_loss"] = self.rows[-1]["valid_loss"]
        resolution = self.settings.resolution
        return Checkpoint(self.settings.model, self.average.state_dict(), card, resolution)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.ema, (1 + self.update) / (10 + self.update))
        averaged, current = self.average.state_dict(), self.network.state_dict()
        for name, tensor in averaged.items():
            if tensor.is_floating_point():
                tensor.lerp_(current[name], 1 - decay)
            else:
                tensor.copy_(current[name])


def train(
    run: Path | str,
    settings: Settings,
    chorales: Sequence[Chorale],
    *,
    resume: bool = False,
    init: Path | str | None = None,
    card: dict[str, Any] | None = None,
    progress: bool = True,
    on_row: Callable[[list[dict[str, float]]], None] | None = None,
) -> Path:
    """Train a network, or go on with a run, and return the folder of its last state.

    Parameters
    ----------
    run : the run's folder; it must hold no saved state unless `resume`
    settings : ignored when resuming, since the run has its own
    chorales : the data; those of split 'train' are trained on, 'valid' measured
    resume : go on from the newest state in `run`
    init : a checkpoint whose weights to begin from, with a fresh schedule
    card : what the checkpoint's card should say besides the settings
    on_row : called after each validation with all rows of the curves so far

    The first Ctrl-C finishes the update, saves and returns; the second raises
    KeyboardInterrupt at once.
    """
    run = Path(run)
    state = load_state(run) if resume else None
    if state is not None:
        settings = Settings.from_fields(state[2].get("settings", {}))
    elif run.exists() and not run.is_dir():
        raise ChoraleError(f"{run}: expected a folder for the run, got a file")
    elif (run / LATEST).exists():
        raise ChoraleError(f"{run}: already holds a run; use --resume, or another --run")
    trainer = Trainer(
        run,
        settings,
        [chorale for chorale in chorales if chorale.split == "train"],
        [chorale for chorale in chorales if chorale.split == "valid"],
        card=card,
        init=load_checkpoint(init) if init is not None else None,
    )
    if state is not None:
        trainer.restore(state[1], state[2])
    write_json(run / "run.json", trainer.settings.fields())
    return _loop(trainer, progress=progress, on_row=on_row)


def read_settings(run: Path | str) -> Settings:
    """The settings of a run's folder."""
    return Settings.from_fields(read_json(Path(run) / "run.json"))


def _loop(
    trainer: Trainer,
    *,
    progress: bool,
    on_row: Callable[[list[dict[str, float]]], None] | None,
) -> Path:
    losses: list[float] = []
    folder = None
    with (
        _interrupts() as stopped,
        tqdm(
            total=trainer.settings.updates,
            initial=trainer.update,
            desc="training",
            unit="update",
            disable=not progress,
        ) as bar,
    ):
        measured: list[float] = []
        while trainer.settings.updates is None or trainer.update < trainer.settings.updates:
            began = time.monotonic()
            losses.append(trainer.step())
            took = time.monotonic() - began
            trainer.seconds += took
            measured.append(took)
            bar.update()
            if trainer.settings.updates is None and trainer.update == MEASURED:
                _fix_updates(trainer, measured)
                bar.reset(total=trainer.settings.updates)
                bar.update(trainer.update)
            last = trainer.update == trainer.settings.updates or stopped.is_set()
            if last or trainer.update % trainer.settings.valid_every == 0:
                row = _measure(trainer, losses)
                losses = []
                bar.set_postfix(train=f"{row['train_loss']:.3f}", valid=f"{row['valid_loss']:.3f}")
                if on_row is not None:
                    on_row(trainer.rows)
            if last or trainer.update % trainer.settings.save_every == 0:
                folder = trainer.save()
            if stopped.is_set():
                break
    return folder if folder is not None else trainer.save()


def _fix_updates(trainer: Trainer, measured: Sequence[float]) -> None:
    """Choose how many updates fill the minutes asked for, and write it down.

    measured : seconds of each update of this process; the first few are slow
    """
    seconds = float(np.mean(measured[UNMEASURED:] or measured))
    updates = max(MEASURED + 1, round(trainer.settings.minutes * 60 / seconds))
    trainer.settings = replace(trainer.settings, updates=updates)
    write_json(trainer.run / "run.json", trainer.settings.fields())


def _measure(trainer: Trainer, losses: Sequence[float]) -> dict[str, float]:
    began = time.monotonic()
    row = {
        "update": trainer.update,
        "train_loss": round(float(np.mean(losses)), 5),
        "valid_loss": round(validate(trainer.average, trainer.valid), 5),
        "learning_rate": learning_rate(trainer.settings, trainer.update),
    }
    trainer.seconds += time.monotonic() - began
    row["minutes"] = round(trainer.seconds / 60, 3)
    trainer.rows.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, row.keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(trainer.rows)
    write_text(trainer.run / "curves.csv", text.getvalue())
    return row


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second interrupts as usual."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def first(signum: int, frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tqdm.write("finishing this update and saving; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, first)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
