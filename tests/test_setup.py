"""tools/setup.sh on imagined machines: stand-ins for Python, pip, apt and sudo tell what was asked.

The stand-in for Python runs the probe of PyTorch's index for real.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "tools" / "setup.sh"
TOOLS = (
    "bash",
    "cat",
    "cksum",
    "cp",
    "dirname",
    "env",
    "flock",
    "grep",
    "mkdir",
    "rm",
    "touch",
    "true",
)
SYSTEM = ("fluidsynth", "libcsnd-dev", "csound", "fluid-soundfont-gm", "libcairo2")

PYTHON = """#!/bin/bash
echo "python $*" >>"$LOG"
case "$*" in
    *version_info*) [ "$OLD" ] && exit 1; echo 3.11 ;;
    *ensurepip*) [ ! "$NO_VENV" ] || [ -e "$INSTALLED/python3.11-venv" ] || exit 1 ;;
    *importlib.metadata*) exit 1 ;;
    "-m venv --clear .venv") rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    -\\ *) exec "$REAL_PYTHON" "$@" ;;
    *"$KILLED_AT"*) [ ! "$KILLED_AT" ] || kill -9 $PPID ;;
esac
case "$*" in *"$FAILS_AT"*) [ ! "$FAILS_AT" ] || exit 1 ;; esac
"""
APT_GET = """#!/bin/bash
echo "apt-get $* [$DEBIAN_FRONTEND]" >>"$LOG"
[ ! "$APT_FAILS" ] || exit 100
case "$*" in
    *install*) for package in "$@"; do
        [ "$package" != "$UNKNOWN" ] || exit 100
    done
    for package in "$@"; do touch "$INSTALLED/$package"; done ;;
esac
"""
DPKG_QUERY = """#!/bin/bash
[ -e "$INSTALLED/${!#}" ] && echo installed
"""
SUDO = """#!/bin/bash
[ "$SUDO_WORKS" ] || exit 1
shift
exec "$@"
"""


@dataclass
class Machine:
    """A folder with the project's set-up files, and a PATH of stand-ins."""

    folder: Path
    settings: dict[str, str]

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = self.settings | settings
        self.log.write_text("")
        return subprocess.run(
            [self.folder / "bin" / "bash", self.folder / "tools" / "setup.sh", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def asked(self, *words: str) -> list[str]:
        """The calls of the last run that hold all the words."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if all(word in line for word in words)]

    def program(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(text)
        file.chmod(0o755)


@pytest.fixture
def machine(tmp_path) -> Machine:
    for name in ("bin", "tools", "installed"):
        (tmp_path / name).mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (tmp_path / "bin" / tool).symlink_to(found)
    settings = {
        "PATH": str(tmp_path / "bin"),
        "LOG": str(tmp_path / "log"),
        "INSTALLED": str(tmp_path / "installed"),
        "REAL_PYTHON": sys.executable,
        "TORCH_INDEX": "",
        "USER_ID": "1000",
    }
    machine = Machine(tmp_path, settings)
    machine.program("python3", PYTHON)
    machine.program("apt-get", APT_GET)
    machine.program("dpkg-query", DPKG_QUERY)
    machine.program("sudo", SUDO)
    machine.program("id", '#!/bin/bash\necho "$USER_ID"\n')
    machine.program("uname", "#!/bin/bash\necho Linux\n")
    for package in SYSTEM:
        (tmp_path / "installed" / package).touch()
    return machine


def remove_system_packages(machine: Machine) -> None:
    for package in SYSTEM:
        (machine.folder / "installed" / package).unlink()


# ---------------------------------------------------------------- the environment


def test_a_second_run_does_nothing(machine):
    first = machine.run()
    assert first.returncode == 0, first.stderr
    assert machine.asked("-m venv")
    setuptools, project = machine.asked("pip", " install ")
    assert "-c constraints.txt" in setuptools and "setuptools" in setuptools
    assert "-c constraints.txt" in project and "--editable .[dev]" in project
    second = machine.run()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert not machine.asked(" install ")


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_runs_pip_again(machine, name):
    machine.run()
    (machine.folder / name).touch()
    machine.run()
    assert not machine.asked(" install ")
    with (machine.folder / name).open("a") as file:
        file.write("# changed\n")
    machine.run()
    assert machine.asked(" install ") and not machine.asked("-m venv")


def test_a_copied_folder_is_set_up_again(machine, tmp_path_factory):
    """An editable installation points to the folder that it was made in."""
    machine.run()
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(machine.folder, copy, symlinks=True)
    moved = Machine(copy, machine.settings | {"LOG": str(copy / "log")})
    moved.run()
    assert moved.asked(" install ")


@pytest.mark.parametrize("step", ["setuptools", "--editable"])
def test_a_failure_of_pip_is_told_and_tried_again(machine, step):
    failed = machine.run(FAILS_AT=step)
    assert failed.returncode == 1
    assert "is there a network?" in failed.stderr
    assert machine.run().returncode == 0
    assert machine.asked("--editable") and not machine.asked("-m venv")
    assert machine.run().stdout == ""


@pytest.mark.parametrize("step", ["setuptools", "--editable"])
def test_a_killed_set_up_starts_afresh(machine, step):
    assert machine.run(KILLED_AT=step).returncode == -9
    again = machine.run()
    assert again.returncode == 0, again.stderr
    assert machine.asked("-m venv --clear") and machine.asked("--editable")
    assert machine.run().stdout == ""


def test_python_is_too_old(machine):
    done = machine.run(OLD="yes")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    done = machine.run(OLD="yes", PYTHON="python3")
    assert done.returncode == 1
    assert "PYTHON=python3 is not a Python 3.11 or newer" in done.stderr


# ---------------------------------------------------------------- apt


@pytest.mark.parametrize("rights", [{"USER_ID": "0"}, {"SUDO_WORKS": "yes"}], ids=["root", "sudo"])
def test_missing_system_packages_are_installed(machine, rights):
    remove_system_packages(machine)
    done = machine.run(**rights)
    assert done.returncode == 0, done.stderr
    (call,) = machine.asked("apt-get", "install")
    assert all(package in call for package in SYSTEM)
    assert "--no-install-recommends" in call and "[noninteractive]" in call
    assert "missing" not in done.stdout
    assert machine.run(**rights).stdout == ""
    assert not machine.asked("apt-get")


def test_only_what_is_missing_is_installed(machine):
    (machine.folder / "installed" / "libcairo2").unlink()
    machine.run(USER_ID="0")
    (call,) = machine.asked("apt-get", "install")
    assert "libcairo2" in call and "fluidsynth" not in call


def test_one_unknown_package_keeps_no_other_out(machine):
    remove_system_packages(machine)
    done = machine.run(USER_ID="0", UNKNOWN="libcsnd-dev")
    assert done.returncode == 0, done.stderr
    left = {path.name for path in (machine.folder / "installed").iterdir()}
    assert set(SYSTEM) - left == {"libcsnd-dev"}
    assert "libcsnd-dev: Csound's sound" in done.stdout


def test_without_root_it_goes_on_and_says_what_to_type(machine):
    remove_system_packages(machine)
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert not machine.asked("apt-get")
    assert machine.asked("--editable")
    command = f"sudo apt-get install --no-install-recommends {' '.join(SYSTEM)}\n"
    assert command in done.stdout
    assert "fluidsynth: FluidSynth's sound" in done.stdout


def test_apt_that_fails_is_asked_again_only_when_told_to(machine):
    remove_system_packages(machine)
    done = machine.run(USER_ID="0", APT_FAILS="yes")
    assert done.returncode == 0, done.stderr
    assert machine.asked("--editable")
    reminder = f"apt-get install --no-install-recommends {' '.join(SYSTEM)}\n"
    assert reminder in done.stdout
    again = machine.run(USER_ID="0", APT_FAILS="yes")
    assert again.returncode == 0 and reminder in again.stdout
    assert not machine.asked("apt-get")
    assert machine.run("--retry", USER_ID="0").returncode == 0
    assert machine.asked("apt-get", "install")
    assert machine.run(USER_ID="0").stdout == ""


def test_the_venv_module_is_brought_too(machine):
    done = machine.run(NO_VENV="yes", USER_ID="0")
    assert done.returncode == 0, done.stderr
    (call,) = machine.asked("apt-get", "install")
    assert "python3.11-venv" in call


def test_a_system_without_apt(machine):
    remove_system_packages(machine)
    (machine.folder / "bin" / "apt-get").unlink()
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert "coconet doctor" in done.stdout
    assert machine.run().stdout == ""


# ---------------------------------------------------------------- PyTorch's index


@contextlib.contextmanager
def index(handler: type[http.server.BaseHTTPRequestHandler]):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/whl/cpu"
        server.shutdown()


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/whl/cpu/torch/" else 404)
        self.end_headers()
        self.wfile.write(b"<a href='torch'>torch</a>")

    def log_message(self, *arguments):
        pass


class Refusing(Answering):
    def do_GET(self):
        self.send_error(403)


def test_an_index_that_answers_is_used(machine):
    with index(Answering) as url:
        done = machine.run(TORCH_INDEX=url)
    assert done.returncode == 0, done.stderr
    assert f"CPU build from {url}" in done.stdout
    (call,) = machine.asked("pip", f"--index-url {url} torch==2.13.0")
    assert "--no-deps" in call
    assert machine.asked("--editable")


def test_an_index_that_breaks_off_is_replaced(machine):
    with index(Answering) as url:
        done = machine.run(TORCH_INDEX=url, FAILS_AT="--index-url")
    assert done.returncode == 0, done.stderr
    assert "that failed: PyTorch comes from pip's ordinary index" in done.stdout
    assert machine.asked("--editable")


def test_an_index_that_refuses_is_left_alone(machine):
    with index(Refusing) as url:
        done = machine.run(TORCH_INDEX=url)
    assert done.returncode == 0, done.stderr
    assert "doesn't answer" in done.stdout and not machine.asked("--index-url")


def test_a_dead_index_is_left_alone(machine):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = machine.run(TORCH_INDEX=f"http://127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    assert "doesn't answer" in done.stdout and not machine.asked("--index-url")


def test_a_hanging_index_is_given_up(machine):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        done = machine.run(TORCH_INDEX=f"http://127.0.0.1:{silent.getsockname()[1]}")
        seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert "doesn't answer" in done.stdout and not machine.asked("--index-url")
    assert 4 < seconds < 30  # 5 s, and some for a busy machine


def test_no_index_is_asked_for(machine):
    done = machine.run(TORCH_INDEX="")
    assert "PyTorch comes from pip's ordinary index" in done.stdout
    assert not machine.asked("--index-url")


def test_make_offers_every_target():
    make = shutil.which("make")
    if make is None:
        pytest.skip("needs make")
    for target in ("help", "setup", "run", "test", "lab", "lint", "clean"):
        done = subprocess.run(
            [make, "--dry-run", target], cwd=SCRIPT.parents[1], capture_output=True, text=True,
            env=os.environ | {"MAKEFLAGS": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        sets_up = "tools/setup.sh" in done.stdout
        assert sets_up == (target not in ("help", "clean"))
