"""One run in one process: what it learns, by which updates, and how it is measured.

The loss is that of an orderless NADE (Uria, Murray and Larochelle 2014; Huang et
al. 2017, equation 9): the cross-entropy of a crop's hidden cells, divided by their
number. How many are hidden is drawn uniformly, of the cells or, in the share
`frames` of the crops, of whole frames (`coconet.encoding`).

Crops and hidden cells are drawn from one generator that is saved with the state;
dropout's chance follows from seed, update and process. So a resumed run ends
where an unbroken one would have.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coconet.checkpoint import Checkpoint, save_state
from coconet.chorale import Chorale
from coconet.crops import Batch, Crops, fixed_batches, make_batch, pieces_of
from coconet.distributed import Group
from coconet.errors import ChoraleError
from coconet.grid import VOICES, validate_pitches
from coconet.model import FastNetwork, build_network, config_fields, use_generator
from coconet.precision import type_name, working_type
from coconet.settings import Settings, learning_rate


def hidden_loss(network: nn.Module, batch: Batch, precision: str = "float32") -> Tensor:
    """Cross-entropy in nats a hidden cell: the mean over each crop's, shape=(batch,).

    precision : of a `fast` network's linear layers, as in `coconet.precision`
    """
    device = batch.tokens.device.type
    lower = _working_type(network, precision, device)
    with torch.autocast(device, lower, enabled=lower != torch.float32):
        logits = network(batch.tokens, batch.ends)
    return _losses(logits.float(), batch.targets)


@torch.inference_mode()
def validate(network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
    """How well hidden cells of fixed batches are predicted.

    Returns
    -------
    'valid_loss', the mean over crops in nats a hidden cell; 'accuracy', the share
    of hidden cells whose likeliest pitch is the true one, and 'accuracy_soprano'
    … 'accuracy_bass', the same by voice (0 for a voice without hidden cells)
    """
    losses, right, scored = [], np.zeros(len(VOICES)), np.zeros(len(VOICES))
    for batch in batches:
        logits = network(batch.tokens, batch.ends)
        losses.append(_losses(logits, batch.targets))
        right += (logits.argmax(-1) == batch.targets).sum((0, 1)).cpu().numpy()
        scored += (batch.targets >= 0).sum((0, 1)).cpu().numpy()
    shares = right / np.maximum(scored, 1)
    return {
        "valid_loss": round(float(torch.cat(losses).mean()), 5),
        "accuracy": round(float(right.sum() / max(scored.sum(), 1)), 5),
        **{f"accuracy_{v}": round(float(s), 5) for v, s in zip(VOICES, shares, strict=True)},
    }


class Trainer:
    """One run in one process: network, averaged weights, optimiser, chance, measurements."""

    def __init__(
        self,
        settings: Settings,
        train: Sequence[Chorale],
        valid: Sequence[Chorale],
        *,
        card: dict[str, Any] | None = None,
        init: Checkpoint | None = None,
        group: Group | None = None,
    ):
        self.settings = settings
        self.group = group = group or Group()
        self.card = dict(card or {})
        self.update = 0
        self.seconds = 0.0
        self.rows: list[dict[str, float]] = []
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        for chorale in (*train, *valid):
            validate_pitches(chorale.grid, *settings.model.pitches, name=chorale.title or "data")
        if not train:
            raise ChoraleError(f"nothing to train on: no data in {', '.join(settings.splits)}")
        if not valid:
            raise ChoraleError("nothing to measure by: the data's valid split is empty")
        if settings.batch < group.size:
            raise ChoraleError(
                f"batch: expected a crop or more for each of {group.size} processes, "
                f"got {settings.batch}"
            )
        self.rng = np.random.default_rng(settings.seed)
        # Fresh weights are drawn on the processor: the same on every device.
        network = build_network(settings.model, torch.Generator().manual_seed(settings.seed))
        if init is not None:
            # Dropout is no part of what was learned: a run may go on with more of it.
            known, wanted = (
                {**config_fields(c), "dropout": 0} for c in (init.config, settings.model)
            )
            if known != wanted:
                raise ChoraleError(
                    f"--init: the checkpoint's network is {init.config}, the run's {settings.model}"
                )
            network.load_state_dict(dict(init.weights))
        self.network = network.to(group.device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.generator = torch.Generator(group.device)
        use_generator(self.network, self.generator)
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
        self.crops = Crops(pieces_of(train, settings.resolution), settings.crop)
        pieces = pieces_of(valid, settings.resolution)
        self.valid = [
            _part(batch, slice(None), group.device)
            for batch in fixed_batches(pieces, settings.crop, settings.model.pitches)
        ]

    def step(self) -> Tensor:
        """One update; returns this process's part of the batch's loss in nats, a scalar."""
        settings, group = self.settings, self.group
        crops = self.crops.draw(settings.batch, self.rng)
        whole = make_batch(
            crops, settings.crop, settings.model.pitches, self.rng, frames=settings.frames
        )
        batch = _part(whole, group.part(settings.batch), group.device)
        for param_group in self.optimiser.param_groups:
            param_group["lr"] = learning_rate(settings, self.update)
        self.generator.manual_seed(_seed(settings.seed, self.update, group.rank))
        self.network.train()
        loss = hidden_loss(self.network, batch, settings.precision).sum() / settings.batch
        self.optimiser.zero_grad()
        loss.backward()
        self._share_gradients()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.update += 1
        self._average()
        return loss.detach()

    def save(self, run: Path) -> Path:
        """Write the state into a run's folder; returns the state's own."""
        tensors = {f"network.{k}": v.cpu() for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v.cpu() for k, v in self.average.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = value.cpu()
        rest = {
            "settings": self.settings.fields(),
            "update": self.update,
            "seconds": self.seconds,
            "rng": self.rng.bit_generator.state,
            "rows": self.rows,
            "card": self.card,
        }
        return save_state(run, self.update, self.checkpoint(), tensors, rest)

    def restore(self, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
        """Take up a saved state; raises ChoraleError where it doesn't fit."""
        try:
            for prefix, network in (("network.", self.network), ("average.", self.average)):
                network.load_state_dict(
                    {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                )
            for name, parameter in self.network.named_parameters():
                self.optimiser.state[parameter] = {
                    key: tensors[f"optimiser.{key}.{name}"].to(self.group.device)
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }
            self.rng.bit_generator.state = rest["rng"]
            self.update, self.seconds = int(rest["update"]), float(rest["seconds"])
            self.rows, self.card = list(rest["rows"]), dict(rest["card"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ChoraleError(f"the saved state doesn't fit ({error})") from error

    def checkpoint(self) -> Checkpoint:
        """The averaged weights on the processor, with the card as it stands."""
        settings = self.settings
        card = {
            **self.card,
            "splits": list(settings.splits),
            "settings": settings.fields(),
            "update": self.update,
            "minutes": round(self.seconds / 60, 1),
            "processes": self.group.size,
            "device": self.group.device.type,
            "threads": torch.get_num_threads(),
            "precision": type_name(
                _working_type(self.network, settings.precision, self.group.device.type)
            ),
            "torch": torch.__version__,
        }
        if not settings.held_out:
            card["warning"] = "trained on its own validation data: not for evaluation"
        if self.rows:
            last = self.rows[-1]
            card |= {key: last[key] for key in ("valid_loss", "accuracy") if key in last}
        weights = {name: tensor.cpu() for name, tensor in self.average.state_dict().items()}
        return Checkpoint(settings.model, weights, card, settings.resolution)

    def _share_gradients(self) -> None:
        """Add up the processes' gradients; take the mean of statistics such as batch norm's."""
        statistics = [b for b in self.network.buffers() if b.is_floating_point()]
        if self.group.size > 1:
            for buffer in statistics:
                buffer /= self.group.size
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        self.group.add_up([*gradients, *statistics])

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.ema, (1 + self.update) / (10 + self.update))
        averaged, current = self.average.state_dict(), self.network.state_dict()
        for name, tensor in averaged.items():
            if tensor.is_floating_point():
                tensor.lerp_(current[name], 1 - decay)
            else:
                tensor.copy_(current[name])


def _working_type(network: nn.Module, precision: str, device: str) -> torch.dtype:
    """The `paper` network's batch norms and residual sums need float32."""
    return working_type(precision, device) if isinstance(network, FastNetwork) else torch.float32


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of each crop's hidden cells, shape=(batch,)."""
    losses = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none")
    counts = (targets >= 0).flatten(1).sum(1).clamp(min=1)
    return losses.reshape(len(counts), -1).sum(1) / counts


def _part(batch: Batch, items: slice, device: torch.device) -> Batch:
    """Some items of a batch, on a device."""
    tensors = {entry.name: getattr(batch, entry.name) for entry in fields(batch)}
    return replace(batch, **{name: tensor[items].to(device) for name, tensor in tensors.items()})


def _seed(*numbers: int) -> int:
    """One seed from several numbers, for torch."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
