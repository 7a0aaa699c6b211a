"""Jobs: the same versions from one thread and from several processes, some of them killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib.externals.loky.process_executor import BrokenProcessPool

from coconet import jobs, places
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.gibbs import Schedule, sample
from coconet.jobs import jobs_of, run_jobs, version_generators
from coconet.predictor import load_predictor

HERE = Path(__file__).resolve().parent
MODEL = places.models() / "chorales"
PHRASE = crop(next(c for c in load_corpus("demo") if c.bwv == "180.7"), (0, 16))


@dataclass(frozen=True, eq=False)
class Rewrite:
    """New inner voices, in one pass after another, each of which may take its time."""

    chorale: Chorale = PHRASE
    passes: int = 3
    chunk: int = 2
    seed: int = 1
    pause: float = 0.0

    def __call__(self, predictor, numbers, tick=None):
        hidden = np.zeros(self.chorale.grid.shape, bool)
        hidden[1:3] = True
        time.sleep(self.pause)
        return sample(
            predictor,
            [self.chorale] * len(numbers),
            [hidden] * len(numbers),
            schedule=Schedule(self.passes),
            rng=[version_generators(self.seed, number)[0] for number in numbers],
            on_pass=None if tick is None else lambda number, grids: tick(),
        )

    def ticks(self, count):
        return self.passes


@dataclass(frozen=True, eq=False)
class Threads(Rewrite):
    """How many threads a job has."""

    def __call__(self, predictor, numbers, tick=None):
        return [torch.get_num_threads()] * len(numbers)


@dataclass(frozen=True, eq=False)
class Fatal(Rewrite):
    """Kills its process at one number: once, or, without a folder to note it in, always."""

    at: int = 3
    noted: Path | None = None

    def __call__(self, predictor, numbers, tick=None):
        note = None if self.noted is None else self.noted / f"killed {self.at}"
        if self.at in numbers and not (note and note.exists()):
            if note:
                note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(predictor, numbers, tick)


@dataclass(frozen=True, eq=False)
class Refusing(Rewrite):
    def __call__(self, predictor, numbers, tick=None):
        raise ChoraleError(f"no version {numbers[0]}: expected less")


@pytest.fixture(scope="module")
def predictor():
    return load_predictor(MODEL)


@pytest.fixture(scope="module")
def expected(predictor):
    """What one process makes of eight versions."""
    return dict(run_jobs(Rewrite(), range(1, 9), predictor=predictor))


@pytest.fixture(scope="module", autouse=True)
def _no_process_stays():
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def same(found, expected):
    return all(found[n].tobytes() == expected[n].tobytes() for n in found)


# ---------------------------------------------------------------- what a job is


@pytest.mark.parametrize(
    ("chunk", "numbers", "made"),
    [
        (3, range(1, 8), [(1, 2, 3), (4, 5, 6), (7,)]),
        (3, range(1, 5), [(1, 2, 3), (4,)]),
        (3, [8, 2, 3, 2], [(2, 3), (8,)]),
        (1, [2, 1], [(1,), (2,)]),
        (5, [], []),
    ],
)
def test_which_versions_share_a_job_depends_on_their_numbers(chunk, numbers, made):
    assert jobs_of(Rewrite(chunk=chunk), list(numbers)) == made


def test_the_chance_of_a_version_is_its_own():
    draws = {
        (seed, number, piece): generator.random()
        for seed in (1, 2)
        for number in (1, 2, 11)
        for piece, generator in enumerate(version_generators(seed, number, 3))
    }
    assert len(set(draws.values())) == len(draws)
    assert version_generators(2, 11, 8)[1].random() == draws[2, 11, 1]


def test_a_version_is_the_same_beside_any_others(predictor, expected):
    for task, numbers in ((Rewrite(chunk=1), [1, 5]), (Rewrite(chunk=8), [2, 5, 7, 8])):
        found = dict(run_jobs(task, numbers, predictor=predictor))
        assert list(found) == numbers and same(found, expected)
    assert len({grid.tobytes() for grid in expected.values()}) == 8


def test_a_job_has_one_thread_and_gives_the_others_back(predictor):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert dict(run_jobs(Threads(), [1, 2], predictor=predictor)) == {1: 1, 2: 1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_ticks_are_told_one_by_one(predictor):
    ticks = []
    for _ in run_jobs(Rewrite(passes=5), [1, 2, 3], predictor=predictor, on_tick=ticks.append):
        assert len(ticks) in (5, 10)
    assert ticks == [1] * 10


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        (Rewrite(), {"workers": 0}, "workers: expected 1 or more, got 0"),
        (Rewrite(chunk=0), {}, "chunk: expected 1 or more versions a job, got 0"),
        (Rewrite(), {"numbers": [0, 1]}, "numbers of versions: expected 1 or more, got 0"),
        (Rewrite(), {"predictor": None}, "expected a model's folder or a predictor"),
        (Rewrite(), {"workers": 2}, "workers load the model by its folder"),
        (Rewrite(), {"workers": 2, "dask": "a:1"}, "--dask are a cluster's: give one of them"),
        (Rewrite(), {"dask": "nonsense", "model": MODEL}, "expected a scheduler's address such"),
        (Rewrite(), {"dask": "http://a:80", "model": MODEL}, "expected a scheduler's address"),
        (Rewrite(), {"dask": "127.0.0.1:99999", "model": MODEL}, "expected a scheduler's address"),
        (Rewrite(), {"dask": "127.0.0.1:1", "model": MODEL}, "no Dask scheduler answers there"),
        (Rewrite(), {"dask": f"{'a' * 70}:1", "model": MODEL}, "no Dask scheduler answers there"),
        (Rewrite(seed=-1), {}, "seed: expected 0 or more, got -1"),
    ],
)
def test_bad_arguments(predictor, task, options, said):
    options = {"numbers": [1, 2, 3], "predictor": predictor, **options}
    with pytest.raises(ChoraleError, match=re.escape(said)):
        list(run_jobs(task, options.pop("numbers"), **options))


# ---------------------------------------------------------------- processes of this machine


def test_two_workers_make_the_same(predictor, expected):
    ticks = []
    found = dict(
        run_jobs(
            Rewrite(),
            range(1, 9),
            predictor=predictor,
            model=MODEL,
            workers=2,
            on_tick=ticks.append,
        )
    )
    assert found.keys() == expected.keys() and same(found, expected)
    assert ticks == [3] * 4
    threads = run_jobs(Threads(), range(1, 9), predictor=predictor, model=MODEL, workers=2)
    assert set(dict(threads).values()) == {1}


def test_jobs_of_a_killed_worker_are_started_again(predictor, expected, tmp_path):
    task, lost = Fatal(noted=tmp_path), []
    jobs = run_jobs(
        task, range(1, 9), predictor=predictor, model=MODEL, workers=2, on_loss=lost.append
    )
    found = dict(jobs)
    assert (tmp_path / "killed 3").exists()
    assert len(lost) == 1 and 1 <= lost[0] <= 8
    assert found.keys() == expected.keys() and same(found, expected)


def test_what_goes_wrong_in_a_worker_is_told_as_here(predictor):
    with pytest.raises(ChoraleError, match=r"^no version [13]: expected less$"):
        list(run_jobs(Refusing(), range(1, 5), predictor=predictor, model=MODEL, workers=2))


class Breaking:
    """Processes that don't live longer than some jobs."""

    restarts = 3
    killed = BrokenProcessPool

    def __init__(self, *lives):
        self.lives = list(lives)

    @contextlib.contextmanager
    def open(self):
        yield self.run

    def run(self, calls):
        for _ in range(self.lives.pop(0)):
            call, arguments, options = next(calls)
            yield call(*arguments, **options)
        raise BrokenProcessPool("killed")


def test_workers_that_are_always_killed_end_in_one_error(predictor, expected):
    model = jobs._Model.of(MODEL, predictor)
    pool = Breaking(0, 1, 0, 0, 2, 0, 0, 0, 9)
    found = {}
    with pytest.raises(ChoraleError, match=r"killed over and over with 2 versions to go: too li"):
        for number, grid in jobs._elsewhere(
            Rewrite(), jobs_of(Rewrite(), range(1, 9)), model, pool, None, None
        ):
            found[number] = grid
    assert pool.lives == [9]  # up to three in a row that get nothing done
    assert same(found, expected) and len(found) == 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "chorales 0123"}, "expected the model chorales 0123, got chorales "),
        (
            {"surroundings": ("torch 0.1", *jobs._surroundings()[1:])},
            "expected torch 0.1, got coco",
        ),
        ({"weights": (("fifths", 0.0),)}, "the sampler's weights of chorales "),
        ({"folder": Path("nowhere")}, "nowhere"),
    ],
)
def test_a_worker_with_another_model_or_other_versions_refuses(predictor, changes, said):
    model = jobs._Model.of(MODEL, predictor)
    assert jobs._load(model).name == predictor.name
    with pytest.raises(ChoraleError, match=re.escape(said)):
        jobs._load(replace(model, **changes))


def test_workers_of_another_checkout_are_told_apart(tmp_path, monkeypatch):
    def digest(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_bytes(text)
        return jobs._sources.__wrapped__()

    assert f"the sources {jobs._sources()}" in jobs._surroundings()
    assert re.fullmatch("[0-9a-f]{12}", jobs._sources())
    monkeypatch.setattr(jobs, "__file__", str(tmp_path / "jobs.py"))
    first = digest(jobs=b"a = 1\n", model=b"b = 2\n")
    assert digest(model=b"b = 2\r\n") == first  # as git may write it on Windows
    assert len({first, digest(model=b"b = 3\n"), digest(grid=b"")}) == 3


def test_a_model_of_the_project_is_found_wherever_the_project_lies(predictor, tmp_path):
    assert jobs._Model.of(MODEL, predictor).folder == Path("models/chorales")
    assert jobs._Model.of(tmp_path, predictor).folder == tmp_path.resolve()


STOPPED = """
import time
from joblib import delayed
from coconet.jobs import _Processes
with _Processes(2).open() as parallel:
    for _ in parallel(delayed(time.sleep)(0.5) for _ in range(99)):
        print("done", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
@pytest.mark.parametrize(("number", "whole"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_no_process_outlives_its_parent(number, whole):
    """Ctrl-C, which the terminal sends to all, and the end of the one that started the others."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == "done\n"
        (os.killpg if whole else os.kill)(process.pid, number)
        _, said = process.communicate(timeout=20)
        if number == signal.SIGINT:
            # One traceback, of the process that was interrupted.
            assert said.count("Traceback") == said.count("KeyboardInterrupt") == 1, said
        until = time.monotonic() + 20
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < until:
                os.killpg(process.pid, 0)
                time.sleep(0.1)
            raise AssertionError("some processes are still there")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
