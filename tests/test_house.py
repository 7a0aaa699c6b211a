"""The house: what is declared in one place is true in the others."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "coconet"
LIGHT = ("theory", "transforms", "metrics", "tuning", "corpus")
HEAVY = ("torch", "music21", "matplotlib")
#: Names on conda-forge that differ from pip's.
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib", "pysoundfile": "soundfile"}
#: What environment.yml names besides: no package of pip's, or pip itself.
CONDA_ONLY = {"python", "pip", "cairo", "fluidsynth", "libsndfile"}
#: Modules whose name differs from their package's.
MODULE_NAMES = {"pyyaml": "yaml"}
#: Modules that come with a package which needs them itself.
BROUGHT_ALONG = {"cairocffi": "cairosvg", "IPython": "jupyterlab", "PIL": "matplotlib"}


# ---------------------------------------------------------------- dependencies


def requirements(lines: list[str]) -> dict[str, Requirement]:
    found = (Requirement(line) for line in lines)
    return {canonicalize_name(requirement.name): requirement for requirement in found}


@pytest.fixture(scope="module")
def pyproject() -> dict:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run_time(pyproject) -> dict[str, Requirement]:
    return requirements(pyproject["project"]["dependencies"])


@pytest.fixture(scope="module")
def importable(pyproject, run_time) -> set[str]:
    """What the package imports, some of it only where it runs on several machines."""
    return {*run_time, *requirements(pyproject["project"]["optional-dependencies"]["cluster"])}


@pytest.fixture(scope="module")
def declared(pyproject, run_time) -> dict[str, Requirement]:
    """Everything that pyproject.toml asks for, to build, run and test."""
    extras = pyproject["project"]["optional-dependencies"]
    development = requirements(extras["dev"])
    assert not run_time.keys() & development.keys()
    # What runs on several machines is tested too.
    assert set(extras["cluster"]) <= set(extras["dev"])
    return run_time | development | requirements(pyproject["build-system"]["requires"])


def test_conda_and_pip_name_the_same_packages(pyproject, declared):
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    entries = environment["dependencies"]
    by_conda = requirements([entry for entry in entries if isinstance(entry, str)])
    (by_pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    assert by_pip.pop() == "-e ."
    python = by_conda["python"]
    assert str(python.specifier) == pyproject["project"]["requires-python"]
    conda = requirements(by_pip) | {
        CONDA_NAMES.get(name, name): requirement
        for name, requirement in by_conda.items()
        if name not in CONDA_ONLY
    }
    conda_versions = {name: str(requirement.specifier) for name, requirement in conda.items()}
    pip_versions = {name: str(requirement.specifier) for name, requirement in declared.items()}
    assert conda_versions == pip_versions
    assert set(by_conda) >= CONDA_ONLY


def test_constraints_pin_what_is_declared(declared):
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = requirements([line for line in lines if not line.startswith("#")])
    for name, pin in pins.items():
        # One exact version, and none that only one platform has, such as 2.13.0+cpu.
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier)), name
        assert not name.startswith("nvidia"), name
    for name, requirement in declared.items():
        version = Version(str(pins[name].specifier).removeprefix("=="))
        assert version in requirement.specifier, f"{name} {version}"
    assert str(pins["torch"].specifier) == "==2.13.0"


def test_the_doctor_looks_for_every_dependency(importable):
    from coconet.doctor import PACKAGES

    looked_for = {package.name: package.module for package in PACKAGES}
    assert looked_for == {name: MODULE_NAMES.get(name, name) for name in importable}


def test_every_dependency_has_a_reason(importable):
    section = architecture().partition("## Dependencies")[2].partition("## ")[0]
    reasons = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", section, re.MULTILINE))
    assert reasons.keys() == importable


def test_every_dependency_is_used(importable):
    """And nothing is imported that isn't declared."""
    used = {"jupyterlab"}  # by `make lab`
    for path in MODULES:
        imports = imports_of(path)
        used |= imports.loads | imports.when_called
    assert {BROUGHT_ALONG.get(name, name) for name in used} == {
        MODULE_NAMES.get(name, name) for name in importable
    }


# ---------------------------------------------------------------- imports


class Room(NamedTuple):
    floor: int
    loads: frozenset[str]
    when_called: frozenset[str]


class Imports(NamedTuple):
    modules: frozenset[str]
    loads: frozenset[str]
    when_called: frozenset[str]


def architecture() -> str:
    return (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")


def rooms() -> dict[str, Room]:
    """The table of docs/architecture.md: floor and libraries of each module."""
    row = re.compile(r"^\| `([\w/]+\.py)` \| [^|]+ \|([^|]*)\|([^|]*)\|$", re.MULTILINE)
    return {
        path: Room(floor, frozenset(split(loads)), frozenset(split(when_called)))
        for floor, (path, loads, when_called) in enumerate(row.findall(architecture()))
    }


def split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def file_of(module: str) -> str | None:
    """'coconet.grid' -> 'grid.py'; None for what is no module, such as a function."""
    parts = module.split(".")[1:]
    for path in (Path(*parts).with_suffix(".py") if parts else None, Path(*parts, "__init__.py")):
        if path and (PACKAGE / path).is_file():
            return path.as_posix()
    return None


def imports_of(path: str) -> Imports:
    """What a module imports: the package's own modules, libraries at once, libraries later."""
    own: set[str] = set()
    libraries: dict[bool, set[str]] = {False: set(), True: set()}

    def visit(node: ast.AST, later: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue  # nothing is imported when the program runs
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            names = []
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                submodules = [f"{child.module}.{alias.name}" for alias in child.names]
                names = [name if file_of(name) else child.module for name in submodules]
            for name in names:
                if name.partition(".")[0] == "coconet":
                    own.add(file_of(name))
                elif name.partition(".")[0] not in sys.stdlib_module_names:
                    libraries[later].add(name.partition(".")[0])
            visit(child, later or is_function)

    visit(ast.parse((PACKAGE / path).read_text(encoding="utf-8")), False)
    own.discard("__init__.py")
    return Imports(
        frozenset(own), frozenset(libraries[False]), frozenset(libraries[True] - libraries[False])
    )


MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
)


def test_the_table_of_rooms_is_complete():
    assert sorted(rooms()) == MODULES


@pytest.mark.parametrize("path", MODULES)
def test_imports_go_down(path):
    table = rooms()
    imports = imports_of(path)
    assert None not in imports.modules, f"{path} imports a module that isn't there"
    above = {other for other in imports.modules if table[other].floor >= table[path].floor}
    assert not above, f"{path} imports from modules that stand below it in docs/architecture.md"
    assert table[path].loads == imports.loads
    assert table[path].when_called == imports.when_called


def test_only_one_module_knows_ctcsound():
    knowing = {path for path in MODULES if "ctcsound" in "".join(map(str, imports_of(path)[1:]))}
    assert knowing == {"render/csound_process.py"}


@pytest.mark.parametrize("name", LIGHT)
def test_light_modules_stay_light(name):
    assert not loaded_by(f"import coconet.{name}") & set(HEAVY)


def test_rendering_loads_no_csound():
    assert "ctcsound" not in loaded_by("import coconet.render, coconet.render.csound")


def test_the_command_loads_nothing_before_it_runs():
    assert not loaded_by("import coconet.cli") & {*HEAVY, "numpy"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    return set(done.stdout.split())


# ---------------------------------------------------------------- files


def test_continuous_integration_runs_make_test():
    script = PROJECT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "make test"


def test_the_licence_is_mit():
    text = (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "The coconet authors" in text
