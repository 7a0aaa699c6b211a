"""Several processes that train as one.

`torchrun --standalone --nproc-per-node=N -m coconet train …` starts N processes
and tells each its rank. All draw the same batch from the same generator and each
takes its own slice of it; their gradients are added up, so that every process
makes the same update. Process 0 alone measures, writes and shows progress.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from coconet.errors import ChoraleError

#: How long a process waits for the others, while process 0 validates for instance.
PATIENCE = timedelta(minutes=30)
#: How long it waits for torchrun's store when it has an error to tell of.
SHORTLY = timedelta(seconds=5)
GO_ON = "go on from the last saved state with --resume"


class LostProcess(ChoraleError):
    """Another process of the group is gone."""


@dataclass(frozen=True)
class Group:
    """This process's place among those that train together; alone by default.

    rank : from 0; size : how many there are; device : where this one computes
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This process's share of `count` items; the shares differ by one at most.

        >>> [Group(rank, 3).part(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor, of one dtype, by its sum over all processes."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _losses():
            dist.all_reduce(flat)
            sums = flat.split([tensor.numel() for tensor in tensors])
            for tensor, total in zip(tensors, sums, strict=True):
                tensor.copy_(total.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true in any process."""
        if self.size == 1:
            return flag
        count = torch.tensor([float(flag)], device=self.device)
        self.add_up([count])
        return bool(count.item() > 0)

    def first(self, value: int) -> int:
        """What process 0 says; the others' values are ignored."""
        if self.size == 1:
            return value
        said = torch.tensor([value], dtype=torch.int64, device=self.device)
        with _losses():
            dist.broadcast(said, 0)
        return int(said.item())


@contextlib.contextmanager
def join(device: str = "auto") -> Iterator[Group]:
    """The group that torchrun started this process in, or this process alone.

    device : 'cpu', 'cuda', or 'auto': a GPU where there is one for each process
    of this machine. GPUs talk through nccl, processors through gloo.

    Raises ChoraleError where a GPU is wanted that isn't there, and LostProcess,
    here or later, where the others can't be reached.
    """
    rank, size = started()
    chosen = _device(device)
    if size == 1:
        yield Group(device=chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    with _losses():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        with _told_to_stop():
            yield Group(rank, size, chosen)
    finally:
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()


def started() -> tuple[int, int]:
    """Rank and number of processes, as torchrun's environment has them; 0 and 1 without it."""
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1
    return (rank, size) if size > 1 and "MASTER_ADDR" in os.environ else (0, 1)


def speaks(error: ChoraleError) -> bool:
    """Whether this process is the one to tell the user of an error that others meet too.

    It is the first that asks torchrun's store, which outlives them all. Without
    that store process 0 speaks, and process 1 too where another one is lost.
    """
    rank, size = started()
    if size > 1 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        with contextlib.suppress(KeyError, ValueError, RuntimeError):
            store = dist.TCPStore(
                os.environ["MASTER_ADDR"],
                int(os.environ["MASTER_PORT"]),
                timeout=SHORTLY,
                wait_for_workers=False,
            )
            return store.add(f"told {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", 1) == 1
    return rank == 0 or (rank == 1 and isinstance(error, LostProcess))


def _device(name: str) -> torch.device:
    local = int(os.environ.get("LOCAL_RANK", 0)) if started()[1] > 1 else 0
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if started()[1] > 1 else 1
    there = torch.cuda.device_count()
    if name == "cpu" or (name == "auto" and there < beside):
        return torch.device("cpu")
    if there < beside:
        raise ChoraleError(f"device: expected a GPU for each of {beside} processes, found {there}")
    return torch.device("cuda", local)


@contextlib.contextmanager
def _losses() -> Iterator[None]:
    """What torch raises when another process is gone or silent, as LostProcess."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        rank, size = started()
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise LostProcess(
            f"process {rank} of {size} has lost another one: {GO_ON} ({reason})"
        ) from error


@contextlib.contextmanager
def _told_to_stop() -> Iterator[None]:
    """SIGTERM, which torchrun sends to the rest when one process has died, as LostProcess."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        rank, size = started()
        raise LostProcess(
            f"process {rank} of {size} was told to stop, as when another one is lost: {GO_ON}"
        )

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
