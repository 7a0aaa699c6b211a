"""Two real processes train as one; when one is killed the run fails clearly, and goes on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

import pytest
import torch
import torch.distributed as dist
from test_trainer import TINY

from coconet.corpus import load_corpus, save_corpus
from coconet.distributed import Group, LostProcess, join, speaks, started
from coconet.errors import ChoraleError
from coconet.runs import read_curves
from coconet.settings import Settings, write_settings
from coconet.training import train

SETTINGS = Settings(
    model=TINY, updates=14, warmup=4, batch=5, crop=16, threads=1, valid_every=4, save_every=4,
    samples_every=0, learning_rate=5e-3, device="cpu", precision="float32",
)  # fmt: skip
#: The command `coconet`, but the last process is killed in its tenth update.
MORTAL = textwrap.dedent("""
    import os, signal, sys
    import coconet.training
    from coconet.cli import main
    from coconet.trainer import Trainer

    class Mortal(Trainer):
        def step(self):
            if self.update == 9 and self.group.rank == self.group.size - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().step()

    coconet.training.Trainer = Mortal
    sys.exit(main(sys.argv[1:]))
""")


@pytest.fixture(scope="module")
def chorales():
    return [*load_corpus("train")[:4], *load_corpus("valid")[:2]]


@pytest.fixture(scope="module")
def alone(chorales, tmp_path_factory):
    """The curve of one process."""
    run = tmp_path_factory.mktemp("alone")
    train(run, SETTINGS, chorales, progress=False)
    return read_curves(run)


@pytest.fixture
def config(chorales, tmp_path):
    save_corpus(chorales, tmp_path / "data.npz", source="two splits")
    write_settings(tmp_path / "config.yaml", SETTINGS)
    return ["train", "--config", tmp_path / "config.yaml", "--data", tmp_path / "data.npz"]


def torchrun(*arguments, processes=2):
    """Processes on this machine; torchrun finds a free port."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*command, f"--nproc-per-node={processes}", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def assert_same_curve(found, expected):
    assert [row["update"] for row in found] == [row["update"] for row in expected] == [4, 8, 12, 14]
    for one, other in zip(found, expected, strict=True):
        for key in ("train_loss", "valid_loss"):
            assert one[key] == pytest.approx(other[key], abs=1e-4), key


def test_two_processes_have_the_curve_of_one(alone, config, tmp_path):
    done = torchrun("-m", "coconet", *config, "--run-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert_same_curve(read_curves(tmp_path / "run"), alone)
    assert "2 processes on cpu" in (tmp_path / "run" / "log.txt").read_text()
    assert done.stdout.count("ready for --model") == 1


def test_when_one_is_killed_the_run_fails_clearly_and_goes_on(alone, chorales, config, tmp_path):
    script, run = tmp_path / "mortal.py", tmp_path / "run"
    script.write_text(MORTAL)
    done = torchrun(script, *config, "--run-dir", run, processes=3)
    assert done.returncode != 0
    # It may stand behind another process's progress bar.
    said = re.findall("coconet train: .*", done.stderr)
    assert len(said) == 1, done.stderr
    assert re.search("process [01] of 3", said[0]) and "--resume" in said[0]
    assert (run / "latest").read_text().strip() == "0000008"
    train(run, SETTINGS, chorales, resume=True, progress=False)
    assert_same_curve(read_curves(run), alone)


def test_alone_nothing_is_shared():
    assert started() == (0, 1)
    with join("cpu") as group:
        assert (group.size, group.leads, group.device) == (1, True, torch.device("cpu"))
        numbers = torch.arange(3.0)
        group.add_up([numbers])
        assert numbers.tolist() == [0, 1, 2]
        assert group.any(True) and not group.any(False) and group.first(7) == 7
    assert speaks(ChoraleError("anything"))


@pytest.fixture
def rank(monkeypatch):
    """Makes this process, to all appearances, one of three that torchrun started."""

    def be(rank, port=1, agent=True):
        environment = {"RANK": rank, "WORLD_SIZE": 3, "MASTER_ADDR": "localhost"}
        environment |= {"MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": agent}
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))

    return be


@pytest.mark.parametrize("error", [LostProcess("gone"), ChoraleError("wrong")])
def test_of_several_processes_the_first_that_asks_speaks(rank, error):
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    told = []
    for number in (2, 0, 1):
        rank(number, store.port)
        told.append(speaks(error))
    assert told == [True, False, False]


def test_without_torchruns_store_a_lost_process_is_told_of_all_the_same(rank):
    for number, expected in enumerate([(True, True), (True, False), (False, False)]):
        rank(number, agent=False)
        assert (speaks(LostProcess("gone")), speaks(ChoraleError("wrong"))) == expected


@pytest.mark.parametrize(("size", "count"), [(1, 5), (2, 5), (3, 24), (7, 7), (4, 3)])
def test_parts_cover_every_item_once(size, count):
    parts = [range(count)[Group(rank, size).part(count)] for rank in range(size)]
    assert [item for part in parts for item in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ChoraleError, match="expected a GPU"), join("cuda"):
        pass
