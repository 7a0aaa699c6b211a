"""Jobs on a real Dask cluster that loses its workers; addresses where there is none."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from test_jobs import MODEL, PHRASE, Fatal, Refusing, Rewrite, Threads

from coconet import cluster, jobs
from coconet.cli import main
from coconet.commands.many import make_versions
from coconet.errors import ChoraleError
from coconet.infill import surroundings
from coconet.jobs import run_jobs
from coconet.outputs import write_forms
from coconet.predictor import load_predictor

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def predictor():
    return load_predictor(MODEL)


class Program:
    """A scheduler or a worker, and what it says."""

    def __init__(self, module, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *options, "--no-dashboard"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Jobs see to it themselves that they have one thread.
            env=os.environ | {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "2"},
        )
        self.said: list[str] = []
        threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True).start()

    def wait_for(self, pattern, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in list(self.said):
                if found := re.search(pattern, line):
                    return found[0]
            time.sleep(0.05)
        raise AssertionError("".join(self.said))

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def machines():
    """A scheduler's address and two workers."""
    programs = [Program("dask_scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        address = programs[0].wait_for(r"tcp://127\.0\.0\.1:\d+")
        for _ in range(2):
            programs.append(
                Program(
                    "dask_worker", address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"
                )
            )
        for worker in programs[1:]:
            worker.wait_for("Registered to|Starting established connection")
        yield address, programs[1:]
    finally:
        for program in reversed(programs):
            program.kill()


def stamp(path):
    """What changes whenever a file is written again."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_a_cluster_loses_its_workers(machines, predictor, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    address, workers = machines
    stamps = {}

    def make(folder, count, on_write=lambda number: None, **options):
        def write(grid, path, provenance):
            # Files of the versions before are all there now.
            stamps.update(
                {file: stamp(file) for file in folder.glob("new-*") if file not in stamps}
            )
            told = {**provenance, "command": f"--count {count} {options}"}
            write_forms(PHRASE.replace(grid=grid, provenance=told), path, (".npy", ".json"))
            on_write(provenance["version"])

        return make_versions(
            Rewrite(pause=0.2, chunk=1),
            count=count,
            folder=folder,
            name="new",
            suffixes=(".npy", ".json"),
            forms=(".npy", ".json"),
            recipe={"seed": 1, **surroundings(predictor)},
            write=write,
            predictor=predictor,
            model=MODEL,
            **options,
        )

    # Some versions are there already; one of the two workers is killed on the way.
    here, there = tmp_path / "here", tmp_path / "there"
    make(there, 3, dask=address)
    assert not any(version.made for version in make(there, 3, dask=address))
    written = []

    def kill(number):
        written.append(number)
        if len(written) == 2:
            workers[0].kill()

    made = make(there, 9, kill, dask=address)
    assert workers[0].process.returncode == -signal.SIGKILL
    assert [version.made for version in made] == [False] * 3 + [True] * 6
    # Nothing is lost, nothing written twice, and all but the command line, which tells the
    # address, is what one process makes.
    assert sorted(written) == [4, 5, 6, 7, 8, 9] and len(stamps) >= 16
    assert all(stamp(path) == before for path, before in stamps.items())
    make(here, 9)
    for path in sorted(here.iterdir()):
        one, two = path.read_bytes(), (there / path.name).read_bytes()
        if path.suffix == ".json":
            one, two = json.loads(one), json.loads(two)
            assert one["provenance"].pop("command") != two["provenance"].pop("command")
            assert list(one["provenance"]) == list(two["provenance"])
        assert one == two, path.name
    assert len(list(here.iterdir())) == len(list(there.iterdir())) == 18

    threads = run_jobs(Threads(), range(1, 5), predictor=predictor, model=MODEL, dask=address)
    assert set(dict(threads).values()) == {1}

    # What goes wrong in a job is told as it is here.
    with pytest.raises(ChoraleError, match=r"^no version \d: expected less$"):
        list(run_jobs(Refusing(), range(1, 5), predictor=predictor, model=MODEL, dask=address))

    # What a worker hasn't got is named.
    home = types.ModuleType("at_home")
    home.Own = type("Own", (Rewrite,), {"__module__": "at_home"})
    monkeypatch.setitem(sys.modules, "at_home", home)
    with pytest.raises(ChoraleError, match=r"a worker can't read the jobs \(No module named"):
        list(run_jobs(home.Own(), [1, 2], predictor=predictor, model=MODEL, dask=address))

    # A job that kills every worker is given up, here after the first.
    with distributed.Client(address, set_as_default=False) as client:
        client.run_on_scheduler(
            lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0)
        )
    with pytest.raises(ChoraleError, match="workers were killed over and over"):
        list(run_jobs(Fatal(at=1), range(1, 5), predictor=predictor, model=MODEL, dask=address))

    # Now no worker is left.
    monkeypatch.setattr(cluster, "ANSWER", 2)
    with pytest.raises(ChoraleError, match="the scheduler has no workers; start some"):
        list(run_jobs(Rewrite(), range(1, 5), predictor=predictor, model=MODEL, dask=address))


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 8])
def test_a_stranger_at_the_address(predictor, greeting, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    line, _ = server.accept()
                    line.sendall(greeting)

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ChoraleError, match=f"{address}: no Dask scheduler answers there"):
            run_jobs(Rewrite(), [1], predictor=predictor, model=MODEL, dask=address)
        assert time.monotonic() - began < 10


STRANGER = """
import sys
from coconet import cluster
from coconet.errors import ChoraleError
cluster.ANSWER = 1
try:
    cluster.validate_address(sys.argv[1])
    with cluster.Cluster(sys.argv[1]).open():
        pass
except ChoraleError as error:
    print(error, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("scheme", "greeting"),
    [("tcp", (100).to_bytes(8, "little") + b"x" * 100), ("tls", b""), ("tcp", None)],
)
def test_a_stranger_who_might_be_a_scheduler(scheme, greeting):
    """One who sends a plausible size, or says nothing where all is secret; or a silent one."""
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        lines = []

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    lines.append(server.accept()[0])
                    lines[-1].sendall(greeting or b"")

        threading.Thread(target=answer, daemon=True).start()
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        said = subprocess.run(
            [sys.executable, "-c", STRANGER, address], capture_output=True, text=True, timeout=60
        ).stderr
    assert said.startswith(f"--dask {address}: no Dask scheduler answers there (")
    assert said.count("\n") == 1, said


def test_one_deadline_for_the_name_the_line_and_the_greeting(monkeypatch):
    """A name that is looked up for ever, and one of many machines that all say nothing."""
    monkeypatch.setattr(cluster, "ANSWER", 0.6)
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    done, look_up = threading.Event(), socket.getaddrinfo

    def slow(*given, **options):
        done.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        with pytest.raises(ChoraleError, match=r"no Dask scheduler answers there \(timed out\)"):
            cluster.validate_address(f"somewhere:{port}")
        assert not done.is_set()
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with pytest.raises(ChoraleError, match=r"no Dask scheduler answers there \(timed out\)"):
            cluster.validate_address(f"127.0.0.1:{port}")
    finally:
        done.set()
        silent.close()


@pytest.mark.parametrize("command", [["replace", "bwv:180.7"], ["generate"]])
def test_the_address_is_looked_at_before_any_work(command, capsys, monkeypatch):
    monkeypatch.setattr("coconet.predictor.load_predictor", pytest.fail)
    assert main([*command, "--dask", "127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_distributed(predictor, monkeypatch):
    monkeypatch.setattr(jobs, "validate_address", lambda address: None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ChoraleError, match=r"needs the package distributed: pip install .*cluster"):
        run_jobs(Rewrite(), [1], predictor=predictor, model=MODEL, dask="127.0.0.1:8786")
