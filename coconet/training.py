"""The training loop: updates, measurements, states, samples, Ctrl-C.

A run's folder is described in `coconet.runs`, its states in `coconet.checkpoint`,
what an update does in `coconet.trainer`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from coconet.checkpoint import LATEST, load_checkpoint, load_state
from coconet.chorale import Chorale
from coconet.distributed import Group, join
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.infill import choose_hidden, infill
from coconet.model import parameter_count
from coconet.predictor import NetworkPredictor
from coconet.runs import RunFolder, peak_memory
from coconet.settings import MEASURED, Settings, learning_rate
from coconet.trainer import Trainer, validate

#: Of the updates that `minutes` measures, those that only warm up caches and allocators.
UNMEASURED = 10
#: Passes of the sampler for a sample during training.
SAMPLE_PASSES = 48
#: With several processes, torchrun may hand on a Ctrl-C that each of them has had already.
REPEATED = 1.0

OnRow = Callable[[list[dict[str, float]]], None]


def train(
    run: Path | str,
    settings: Settings,
    chorales: Sequence[Chorale],
    *,
    resume: bool = False,
    init: Path | str | None = None,
    card: dict[str, Any] | None = None,
    progress: bool = True,
    on_row: OnRow | None = None,
) -> Path:
    """Train a network, or go on with a run, and return the folder of its last state.

    Parameters
    ----------
    run : the run's folder; it must hold no saved state unless `resume`
    settings : ignored when resuming, since the run has its own
    chorales : the data; those of `settings.splits` are trained on, 'valid' measured
    resume : go on from the newest state in `run`
    init : a checkpoint whose weights to begin from, with a fresh schedule; in
        place of `settings.init`
    card : what the checkpoint's card should say besides the settings
    on_row : called after each validation with all rows of the curves so far,
        columns as in `coconet.runs.COLUMNS`; in process 0 alone

    The first Ctrl-C finishes the update, saves and returns; the second raises
    KeyboardInterrupt at once. Where torchrun started several processes they train
    as one (`coconet.distributed`), and all must see the same `run`.
    """
    run = Path(run)
    state = load_state(run) if resume else None
    if state is not None:
        settings = Settings.from_fields(state[2].get("settings", {}))
    elif run.exists() and not run.is_dir():
        raise ChoraleError(f"{run}: expected a folder for the run, got a file")
    elif (run / LATEST).exists():
        raise ChoraleError(f"{run}: already holds a run; use --resume, or another --run")
    if init is not None and state is None:
        settings = replace(settings, init=str(init))
    begin_from = settings.init if state is None else None
    valid = [chorale for chorale in chorales if chorale.split == "valid"]
    with join(settings.device) as group:
        trainer = Trainer(
            settings,
            [chorale for chorale in chorales if chorale.split in settings.splits],
            valid,
            card=card,
            init=load_checkpoint(begin_from) if begin_from is not None else None,
            group=group,
        )
        if state is not None:
            trainer.restore(state[1], state[2])
        folder = None
        if group.leads:
            folder = RunFolder(run, settings, resumed=trainer.update if resume else None)
            _log_start(folder, trainer, resumed=resume)
        sampled = _sampled_melody(valid) if settings.resolution == 16 else None
        loop = _Loop(trainer, folder, sampled, progress=progress, on_row=on_row)
        return loop.run() or run


class _Loop:
    """Updates until the schedule ends or someone stops it; process 0 measures and writes."""

    def __init__(
        self,
        trainer: Trainer,
        folder: RunFolder | None,
        sampled: tuple[Chorale, np.ndarray] | None,
        *,
        progress: bool,
        on_row: OnRow | None,
    ):
        self.trainer = trainer
        self.folder = folder
        self.sampled = sampled
        self.progress = progress and folder is not None
        self.on_row = on_row
        self.losses: list[Tensor] = []
        self.stepping = 0.0  # seconds of the updates since the last measurement

    def run(self) -> Path | None:
        """Train; returns the last state's folder in process 0."""
        trainer, group = self.trainer, self.trainer.group
        saved = None
        with (
            _interrupts(group) as stopped,
            tqdm(
                total=trainer.settings.updates,
                initial=trainer.update,
                desc="training",
                unit="update",
                disable=not self.progress,
            ) as bar,
        ):
            took: list[float] = []
            while trainer.settings.updates is None or trainer.update < trainer.settings.updates:
                took.append(self._step())
                bar.update()
                if trainer.settings.updates is None and trainer.update >= MEASURED:
                    self._fix_updates(took)
                    bar.reset(total=trainer.settings.updates)
                    bar.update(trainer.update)
                settings = trainer.settings
                stopping = group.any(stopped.is_set())
                last = stopping or trainer.update == settings.updates
                if last or trainer.update % settings.valid_every == 0:
                    self._measure(bar)
                if last or trainer.update % settings.save_every == 0:
                    saved = self._save()
                if settings.samples_every and trainer.update % settings.samples_every == 0:
                    self._sample()
                if stopping:
                    break
        if saved is None:
            saved = self._save()
        self._log_end(stopping=trainer.update != trainer.settings.updates)
        return saved

    def _step(self) -> float:
        began = time.monotonic()
        self.losses.append(self.trainer.step())
        if self.trainer.settings.updates is None and self.trainer.group.device.type == "cuda":
            torch.cuda.synchronize()  # what is timed must be done
        took = time.monotonic() - began
        self.trainer.seconds += took
        self.stepping += took
        return took

    def _fix_updates(self, took: Sequence[float]) -> None:
        """Choose how many updates fill the minutes asked for, and write it down.

        took : seconds of each update of this process; the first few are slow
        """
        trainer, settings = self.trainer, self.trainer.settings
        seconds = float(np.mean(took[UNMEASURED:] or took))
        if self.folder is not None:
            began = time.monotonic()
            validate(trainer.average, trainer.valid)
            spent = time.monotonic() - began
            trainer.seconds += spent
            seconds += spent / settings.valid_every
        updates = max(MEASURED + 1, round(settings.minutes * 60 / seconds))
        trainer.settings = replace(settings, updates=trainer.group.first(updates))
        if self.folder is not None:
            self.folder.write_settings(trainer.settings)
            self.folder.log(f"{settings.minutes:g} minutes are {updates:,} updates here")

    def _measure(self, bar: tqdm) -> None:
        trainer = self.trainer
        loss = torch.stack(self.losses).mean()
        trainer.group.add_up([loss])
        if self.folder is not None:
            began = time.monotonic()
            row = {
                "update": trainer.update,
                "train_loss": round(loss.item(), 5),
                **validate(trainer.average, trainer.valid),
                "learning_rate": learning_rate(trainer.settings, trainer.update),
                "updates_per_second": round(len(self.losses) / max(self.stepping, 1e-9), 3),
            }
            trainer.seconds += time.monotonic() - began
            row["minutes"] = round(trainer.seconds / 60, 3)
            trainer.rows.append(row)
            self.folder.measured(trainer.rows)
            bar.set_postfix(train=f"{row['train_loss']:.3f}", valid=f"{row['valid_loss']:.3f}")
            if self.on_row is not None:
                self.on_row(trainer.rows)
        self.losses, self.stepping = [], 0.0

    def _save(self) -> Path | None:
        if self.folder is None:
            return None
        saved = self.trainer.save(self.folder.folder)
        self.folder.log(f"saved {saved.name}")
        return saved

    def _sample(self) -> None:
        """Harmonise the fixed melody with the averaged weights, as they are shipped."""
        if self.folder is None or self.sampled is None:
            return
        began = time.monotonic()
        trainer, (melody, hidden) = self.trainer, self.sampled
        predictor = NetworkPredictor(trainer.checkpoint().network(), name="in training")
        (written,) = infill(
            predictor, melody, hidden, passes=SAMPLE_PASSES, seed=trainer.settings.seed
        )
        written = written.replace(title=f"{melody.title}, after {trainer.update} updates")
        path = self.folder.write_sample(trainer.update, written)
        trainer.seconds += time.monotonic() - began
        self.folder.log(f"sample {path.name}")

    def _log_end(self, *, stopping: bool) -> None:
        if self.folder is None:
            return
        peak = peak_memory()
        self.folder.log(
            f"{'stopped' if stopping else 'finished'} at update {self.trainer.update:,} "
            f"after {self.trainer.seconds / 60:.1f} minutes"
            + ("" if peak is None else f", peak memory {peak:,.0f} MB")
        )


def _sampled_melody(chorales: Sequence[Chorale]) -> tuple[Chorale, np.ndarray] | None:
    """The melody that is harmonised during training: the soprano of the first that has one."""
    for chorale in chorales:
        lower = chorale.grid[1:] != REST
        if lower.any() and (chorale.grid[0] != REST).any():
            return chorale, choose_hidden(chorale, keep="soprano")
    return None


def _log_start(folder: RunFolder, trainer: Trainer, *, resumed: bool) -> None:
    group = trainer.group
    folder.log(
        f"{'resumed' if resumed else 'began'} at update {trainer.update:,}: "
        f"{parameter_count(trainer.network):,} parameters, {group.size} "
        f"process{'es' if group.size > 1 else ''} on {group.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )


@contextlib.contextmanager
def _interrupts(group: Group) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second interrupts as usual."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    at = 0.0

    def handle(signum: int, frame: object) -> None:
        nonlocal at
        if stopped.is_set():
            if group.size == 1 or time.monotonic() - at > REPEATED:
                raise KeyboardInterrupt
            return
        at = time.monotonic()
        stopped.set()
        if group.leads:
            tqdm.write("finishing this update and saving; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
