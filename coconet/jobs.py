"""Many versions on several cores or machines, the same whatever there are.

A **version** is one result among many, known by its number from 1. A **job** is a
chunk of versions that one thread makes as one batch. Which versions share a job
depends on the task alone, never on the number of workers; all of a version's chance
comes from its own generators (`version_generators`); predictions don't depend on
the batch that they stand in. So a version's bytes depend on its number and the
task, not on how many others are made, where, or in which order.

Jobs run in this process, in processes of this machine (joblib's loky), or on a
cluster (joblib's Dask backend). A worker loads the model by its path, once a
process, and hands its results back; whoever started the jobs writes the files, so
that the machines share no disk.

    @dataclass(frozen=True)
    class Lengths:
        chorale: Chorale
        chunk: int = 8

        def __call__(self, predictor, numbers, tick=None):
            return [self.chorale.steps * number for number in numbers]

        def ticks(self, count):
            return 0

    for number, steps in run_jobs(Lengths(chorale), range(1, 21), model=folder, workers=2):
        ...
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from coconet import __version__, places
from coconet.cluster import Cluster, validate_address
from coconet.errors import ChoraleError

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: How often jobs whose workers were killed are started again while none gets done.
RESTARTS = 3
#: Seconds after which a process that has no job ends, so that the next call may find it.
IDLE = 60


class Task(Protocol):
    """What makes versions: a frozen dataclass of arrays and numbers, which can be pickled."""

    chunk: int
    """Versions a job, at most; it depends on the piece alone."""

    def __call__(
        self,
        predictor: Predictor,
        numbers: Sequence[int],
        tick: Callable[[], None] | None = None,
    ) -> list[Any]:
        """The versions of some numbers, in their order; `tick` is called after each pass."""
        ...

    def ticks(self, count: int) -> int:
        """How often `tick` is called for `count` versions of one job."""
        ...


def version_generators(seed: int, number: int, pieces: int = 1) -> list[np.random.Generator]:
    """All chance of one version: a generator for each of its pieces.

    Parameters
    ----------
    seed : 0 or more
    number : of the version, from 1
    pieces : such as the phrases of a chorale

    Returns
    -------
    list of Generators; those of a version are the same however many others there are
    """
    if seed < 0:
        raise ChoraleError(f"seed: expected 0 or more, got {seed}")
    children = np.random.SeedSequence(seed, spawn_key=(number,)).spawn(pieces)
    return [np.random.default_rng(child) for child in children]


def jobs_of(task: Task, numbers: Sequence[int]) -> list[tuple[int, ...]]:
    """The numbers that make one job each: those of 1 … chunk, of chunk + 1 … 2 · chunk, …"""
    if task.chunk < 1:
        raise ChoraleError(f"chunk: expected 1 or more versions a job, got {task.chunk}")
    if any(number < 1 for number in numbers):
        raise ChoraleError(f"numbers of versions: expected 1 or more, got {min(numbers)}")
    jobs: dict[int, list[int]] = {}
    for number in sorted(set(numbers)):
        jobs.setdefault((number - 1) // task.chunk, []).append(number)
    return [tuple(job) for job in jobs.values()]


def run_jobs(
    task: Task,
    numbers: Sequence[int],
    *,
    model: Path | str | None = None,
    predictor: Predictor | None = None,
    workers: int = 1,
    dask: str | None = None,
    on_tick: Callable[[int], None] | None = None,
    on_loss: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, Any]]:
    """Make versions, and hand each over as soon as its job is done.

    Parameters
    ----------
    task : what makes them
    numbers : of the versions, from 1; in any order, each once
    model : folder of the checkpoint; workers load it by this path, or, where it
        lies in the project, by its place in their own copy of the project
    predictor : the same model where it is loaded already; alone, without `model`, it
        serves for one worker
    workers : processes of this machine; 1 is this very process
    dask : address of a Dask scheduler, such as tcp://192.168.1.5:8786, whose workers
        are used in place of this machine's
    on_tick : called with the number of ticks done since the call before: one by one in
        this process, else a whole job's
    on_loss : called where a worker of this machine was killed, with the number of versions
        that are begun again or still to come

    Yields
    ------
    (number, result) in the order in which jobs get done

    Raises
    ------
    ChoraleError
        At once for arguments that make no sense and a scheduler that doesn't answer;
        later what the task raises, and where workers are killed over and over.
    """
    jobs = jobs_of(task, list(numbers))
    if workers < 1:
        raise ChoraleError(f"workers: expected 1 or more, got {workers}")
    if dask is not None and workers > 1:
        raise ChoraleError("--workers are this machine's, --dask are a cluster's: give one of them")
    workers = min(workers, max(1, len(jobs)))
    if predictor is None:
        if model is None:
            raise ChoraleError("expected a model's folder or a predictor, got neither")
        from coconet.predictor import load_predictor

        predictor = load_predictor(model)
    if dask is None and workers == 1:
        return _here(task, jobs, predictor, on_tick)
    if model is None:
        raise ChoraleError("workers load the model by its folder: give it, or use one worker")
    if dask is not None:
        validate_address(dask)
    pool = _Processes(workers) if dask is None else Cluster(dask)
    return _elsewhere(task, jobs, _Model.of(model, predictor), pool, on_tick, on_loss)


# ---------------------------------------------------------------- in this process


def _here(
    task: Task,
    jobs: Sequence[Sequence[int]],
    predictor: Predictor,
    on_tick: Callable[[int], None] | None,
) -> Iterator[tuple[int, Any]]:
    tick = None if on_tick is None else lambda: on_tick(1)
    for numbers in jobs:
        with _one_thread():
            results = task(predictor, numbers, tick)
        yield from zip(numbers, results, strict=True)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: with more, sums are added in another order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# ---------------------------------------------------------------- in a worker


@dataclass(frozen=True)
class _Model:
    """Which model a worker loads, and what must be the same there as here.

    folder : of the checkpoint; relative to the project where it lies in it
    weights : the sampler's, which lie beside the network's
    """

    folder: Path
    name: str
    precision: str
    weights: tuple[tuple[str, float], ...]
    surroundings: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path | str, predictor: Predictor) -> _Model:
        path = Path(folder).resolve()
        with contextlib.suppress(ValueError):
            path = path.relative_to(places.root().resolve())
        return cls(
            path, predictor.name, predictor.precision, _weights_of(predictor), _surroundings()
        )


def _weights_of(predictor: Predictor) -> tuple[tuple[str, float], ...]:
    from coconet.gibbs import tilt_of

    return tuple(tilt_of(predictor).weights.items())


def _surroundings() -> tuple[str, ...]:
    import torch

    return (
        f"coconet {__version__}",
        f"the sources {_sources()}",
        f"torch {torch.__version__}",
        f"numpy {np.__version__}",
        platform.machine(),
    )


@cache
def _sources() -> str:
    """A digest of the package's modules, the same whatever ends their lines."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        digest.update(f"{path.relative_to(package).as_posix()}\0{text}\0".encode())
    return digest.hexdigest()[:12]


#: Two threads of a worker must not load the model at the same time.
_LOADING = threading.Lock()


@lru_cache(maxsize=1)
def _load(model: _Model) -> Predictor:
    from coconet.predictor import load_predictor

    for expected, got in zip(model.surroundings, _surroundings(), strict=True):
        if expected != got:
            raise ChoraleError(
                f"worker on {platform.node()}: expected {expected}, got {got}; docs/workers.md "
                "tells what must be the same on every machine"
            )
    predictor = load_predictor(places.root() / model.folder, precision=model.precision)
    if predictor.name != model.name:
        raise ChoraleError(
            f"worker on {platform.node()}: expected the model {model.name}, "
            f"got {predictor.name}; copy the same checkpoint to every machine"
        )
    if _weights_of(predictor) != model.weights:
        raise ChoraleError(
            f"worker on {platform.node()}: the sampler's weights of {model.name} are others "
            "than here; copy the same checkpoint, sampler.json too, to every machine"
        )
    return predictor


def _work(task: Task, numbers: Sequence[int], model: _Model) -> tuple[Sequence[int], list[Any]]:
    """One job, in a process that does nothing else."""
    import torch

    torch.set_num_threads(1)
    with _LOADING:
        predictor = _load(model)
    return numbers, task(predictor, numbers)


def _elsewhere(
    task: Task,
    jobs: Sequence[tuple[int, ...]],
    model: _Model,
    pool: _Processes | Cluster,
    on_tick: Callable[[int], None] | None,
    on_loss: Callable[[int], None] | None,
) -> Iterator[tuple[int, Any]]:
    """Run jobs in workers; those whose worker was killed are started again."""
    from joblib import delayed

    left, idle = list(jobs), 0
    while left:
        before = len(left)
        try:
            with (
                pool.open() as parallel,
                _closing(parallel(delayed(_work)(task, job, model) for job in list(left))) as done,
            ):
                for numbers, results in done:
                    left.remove(numbers)
                    if on_tick is not None:
                        on_tick(task.ticks(len(numbers)))
                    yield from zip(numbers, results, strict=True)
        except pool.killed as error:
            idle = 0 if len(left) < before else idle + 1
            if idle == pool.restarts:
                raise ChoraleError(
                    f"workers were killed over and over with {sum(map(len, left))} versions to "
                    "go: too little memory is the likely cause. What is finished is kept: the "
                    "same command, with fewer workers, goes on from there"
                ) from error
            if on_loss is not None:
                on_loss(sum(map(len, left)))


@contextlib.contextmanager
def _closing(results: Iterator[Any]) -> Iterator[Iterator[Any]]:
    """Stop what is still running when its results are no longer wanted."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            # joblib warns that results are thrown away, which is what is meant.
            warnings.simplefilter("ignore")
            results.close()


class _Processes:
    """Processes of this machine."""

    restarts = RESTARTS

    def __init__(self, workers: int):
        from joblib.externals.loky.process_executor import BrokenProcessPool

        self.workers = workers
        self.killed = BrokenProcessPool

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        from joblib import Parallel, parallel_config

        with parallel_config(
            backend="loky",
            inner_max_num_threads=1,
            idle_worker_timeout=IDLE,
            initializer=_settle,
            initargs=(os.getpid(),),
        ):
            parallel = Parallel(self.workers, return_as="generator_unordered", batch_size=1)
        yield parallel


def _settle(parent: int) -> None:
    """What a new process does first: bind its end to that of the one which started it."""
    # Ctrl-C goes to every process of a terminal, but one of them ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        # A parent that was killed told no one; its number on Windows stays, and this with it.
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
