"""What buys likelihood for a processor's minute: short runs of equal cost, side by side.

Each rung trains the default recipe with one thing changed, for about the same
processor time on one thread, and is judged by the referee's short form on the valid
split, piece by piece against the first rung.
Short runs favour what learns quickly: what matters only near the plateau, such as
dropout, has to be judged by longer ones (--minutes).

    python benchmarks/ladder.py --minutes 3 base frames=0 crop=64,batch=24 …
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from coconet import model
from coconet.corpus import load_corpus
from coconet.crops import fixed_batches, pieces_of
from coconet.evaluation import SHORT, Scores, compare_scores, score, short_form
from coconet.model import FastConfig
from coconet.predictor import NetworkPredictor
from coconet.settings import Settings
from coconet.trainer import Trainer, validate

#: Updates that warm up, then those whose cost fixes the length of the schedule.
UNMEASURED, MEASURED = 10, 40


class MuonAndAdam:
    """torch's Muon for the trunk's matrices, AdamW for all else; one learning rate."""

    def __init__(self, network: nn.Module, settings: Settings):
        def in_trunk(name: str) -> bool:
            return name.startswith(("trunk", "down", "up")) and name.endswith("weight")

        named = list(network.named_parameters())
        matrices = [p for name, p in named if in_trunk(name) and p.ndim == 2]
        chosen = {id(p) for p in matrices}
        rest = [p for _, p in named if id(p) not in chosen]
        decay = settings.weight_decay
        self.parts = [
            torch.optim.Muon(matrices, lr=1.0, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=1.0, betas=(0.9, 0.98), weight_decay=decay, fused=True),
        ]
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        for part in self.parts:
            part.step()


class Gelu:
    """`coconet.model` with GELU where it has ReLU."""

    def __enter__(self) -> None:
        self.relu, model.F.relu = F.relu, lambda x: F.gelu(x, approximate="tanh")

    def __exit__(self, *error: object) -> None:
        model.F.relu = self.relu


def use_muon(trainer: Trainer) -> None:
    trainer.optimiser = MuonAndAdam(trainer.network, trainer.settings)


def use_compile(trainer: Trainer) -> None:
    """Needs a C++ compiler, whose own time, in processes of its own, isn't counted."""
    torch._dynamo.config.recompile_limit = 64
    for block in (*trainer.network.before, *trainer.network.trunk, *trainer.network.after):
        block.compile()


def use_constant(trainer: Trainer) -> None:
    """A learning rate that never anneals."""
    trainer.settings = replace(trainer.settings, updates=None, minutes=1.0)


EXTRAS: dict[str, Callable[[Trainer], None]] = {
    "muon": use_muon,
    "compile": use_compile,
    "constant": use_constant,
}


def parse_rung(text: str) -> tuple[Settings, list[str]]:
    """Settings of a rung such as 'crop=64,batch=24' or 'muon'; what else it wants."""
    sizes = {field.name for field in fields(FastConfig)}
    changes: dict[str, object] = {}
    extras: list[str] = []
    network: dict[str, object] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        if part in ("base", "gelu", *EXTRAS):
            extras += [part] if part != "base" else []
        elif key == "dilations":
            network[key] = tuple(int(n) for n in value.split("-"))
        elif key in sizes:
            network[key] = json.loads(value)
        else:
            changes[key] = json.loads(value) if value[0].isdigit() else value
    settings = Settings(threads=1, samples_every=0, device="cpu", **changes)
    return replace(settings, model=replace(settings.model, **network)), extras


def climb(name: str, minutes: float, corpus: dict[str, list]) -> tuple[dict, Scores]:
    """Train one rung and judge it."""
    settings, extras = parse_rung(name)
    began = time.process_time()
    trainer = Trainer(settings, corpus["train"], corpus["valid"])
    for extra in extras:
        if extra in EXTRAS:
            EXTRAS[extra](trainer)
    start = time.process_time()
    budget = 60 * minutes
    while (spent := time.process_time() - start) < budget:
        trainer.step()
        if trainer.update == UNMEASURED:
            warm = time.process_time()
        if trainer.update == UNMEASURED + MEASURED and "constant" not in extras:
            cost = (time.process_time() - warm) / MEASURED
            total = trainer.update + math.ceil((budget - spent) / cost)
            trainer.settings = replace(trainer.settings, updates=total)
        if trainer.settings.updates is not None and trainer.update >= trainer.settings.updates:
            break
    batches = fixed_batches(pieces_of(corpus["valid"]), 128, settings.model.pitches)
    predictor = NetworkPredictor(trainer.average, name=name)
    if "gelu" in extras:
        predictor.inference = None
    judged = score(predictor, short_form(corpus["valid"]), SHORT, progress=False)
    row = {
        "rung": name,
        "updates": trainer.update,
        "minutes": round(spent / 60, 2),
        "parameters": round(sum(p.numel() for p in trainer.network.parameters()) / 1e6, 2),
        "hidden-cell loss": round(validate(trainer.average, batches)["valid_loss"], 4),
        "nats a frame": round(judged.summary().nats, 4),
        "in all": round((time.process_time() - began) / 60, 2),
    }
    return row, judged


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rungs", nargs="+", help="such as base, frames=0, muon, beat_width=512")
    parser.add_argument("--minutes", type=float, default=3.0, help="of processor time a rung (3)")
    parser.add_argument("--csv", type=Path, help="results so far, rewritten after each rung")
    options = parser.parse_args()
    corpus = {split: load_corpus(split) for split in ("train", "valid")}
    rows: list[dict] = []
    first: Scores | None = None
    for name in options.rungs:
        if "gelu" in name.split(","):
            with Gelu():
                row, judged = climb(name, options.minutes, corpus)
        else:
            row, judged = climb(name, options.minutes, corpus)
        first = first or judged
        found = compare_scores(first, judged)
        row |= {"against the first": round(found.mean, 4), "error": round(found.error, 4)}
        rows.append(row)
        print(*(f"{key} {value}" for key, value in row.items()), sep="  ", flush=True)
        if options.csv is not None:
            with options.csv.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
