"""What this machine has of all that the project uses, and the exact fix for what it hasn't.

Looks without importing: it works, and works fast, whatever is missing or broken.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from coconet import __version__, places
from coconet.errors import ChoraleError

OLDEST_PYTHON = (3, 11)
#: Kinds of SoundFonts: with plain samples, and with compressed ones, for FluidSynth alone.
PLAIN, COMPRESSED = ".sf2", ".sf3"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes
    ----------
    name : what it is
    found : its version, or 'yes' where it has none; None where it is missing
    where : where it lies, '' where that is unknown
    fix : the command or the step that brings it, '' where it is there
    needed_for : what can't be done without it
    essential : infilling a chorale, with all its outputs, can't do without it
    """

    name: str
    found: str | None
    where: str
    fix: str
    needed_for: str
    essential: bool = True


@dataclass(frozen=True)
class Package:
    """A Python package: its name for pip, the module it brings, and its use."""

    name: str
    module: str
    needed_for: str
    essential: bool = True


#: Every package that pyproject.toml names as needed to run, on one machine or on several.
PACKAGES = (
    Package("numpy", "numpy", "everything"),
    Package("torch", "torch", "the model"),
    Package("safetensors", "safetensors", "checkpoints"),
    Package("tqdm", "tqdm", "progress bars"),
    Package("mido", "mido", "MIDI files"),
    Package("music21", "music21", "MusicXML; building the corpus"),
    Package("verovio", "verovio", "the engraved score"),
    Package("cairosvg", "cairosvg", "the score as PNG or PDF", essential=False),
    Package("matplotlib", "matplotlib", "piano rolls and curves"),
    Package("scipy", "scipy", "impulse responses of other rates", essential=False),
    Package("soundfile", "soundfile", "sound files"),
    Package("ctcsound", "ctcsound", "sound by Csound", essential=False),
    Package("midi2audio", "midi2audio", "sound by FluidSynth", essential=False),
    Package("pyyaml", "yaml", "settings in YAML files", essential=False),
    Package("jupyterlab", "jupyterlab", "the notebooks", essential=False),
    Package("joblib", "joblib", "several processes (--workers)", essential=False),
    Package("distributed", "distributed", "several machines (--dask)", essential=False),
)


def examine() -> list[Finding]:
    """Look for every program, library, package, SoundFont and file of the project."""
    packages = [_package(package) for package in PACKAGES]
    csound, fluidsynth, soundfont = _csound(), _fluidsynth(), _soundfont()
    cairo = _cairo()
    there = {finding.name for finding in packages if finding.found}
    there |= {finding.name for finding in (csound, fluidsynth, soundfont) if finding.found}
    if soundfont.found == PLAIN:
        there.add(PLAIN)
    return [
        _python(),
        *packages,
        csound,
        _csound_program(),
        fluidsynth,
        soundfont,
        cairo,
        _sound(there),
        _corpus(),
        _model(),
    ]


def report(findings: Iterable[Finding] | None = None, *, file: TextIO | None = None) -> int:
    """Print what is there, then what is missing with its fix.

    Returns
    -------
    0, or 1 where something essential is missing: the exit code of `coconet doctor`
    """
    findings = examine() if findings is None else list(findings)
    file = sys.stdout if file is None else file
    print(f"coconet {__version__} in {places.root()}", file=file)
    names = max(len(finding.name) for finding in findings)
    versions = max(len(finding.found or "MISSING") for finding in findings)
    for finding in findings:
        found = finding.found or "MISSING"
        line = f"  {finding.name:<{names}}  {found:<{versions}}  {finding.where}"
        print(line.rstrip(), file=file)
    missing = [finding for finding in findings if not finding.found]
    for finding in missing:
        print(f"\n{finding.name} is missing; it is needed for {finding.needed_for}:", file=file)
        print(textwrap.indent(finding.fix, "    "), file=file)
    essential = [finding.name for finding in missing if finding.essential]
    if essential:
        print(f"\nInfilling a chorale still needs: {', '.join(essential)}.", file=file)
    else:
        print("\nAll that infilling a chorale needs is there.", file=file)
    return int(bool(essential))


def _python() -> Finding:
    good = sys.version_info >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Finding(
        "Python",
        platform.python_version() if good else None,
        sys.executable,
        "" if good else f"Python {oldest} or newer; this one is {platform.python_version()}",
        "everything",
    )


def _package(package: Package) -> Finding:
    where = _module_folder(package.module)
    version = None
    if where:
        try:
            version = importlib.metadata.version(package.name)
        except importlib.metadata.PackageNotFoundError:
            version = "yes"
    fix = "" if where else _pip(package.name)
    return Finding(package.name, version, where, fix, package.needed_for, package.essential)


def _module_folder(module: str) -> str:
    """The folder of an installed module, or ''."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return ""
    return str(Path(spec.origin).parent) if spec and spec.origin else ""


def _csound() -> Finding:
    version, where, fix = None, "", _install("libcsnd-dev", brew="csound")
    try:
        from coconet.render.csound_process import libraries

        library, _ = libraries()
    except ImportError:
        fix = f"{_pip('numpy')}\nThen ask again: without it Csound can't be looked for."
    except OSError:
        pass  # ctcsound, too, opens both libraries, and fails where either is missing
    else:
        thousands = library.csoundGetVersion()
        version = f"{thousands // 1000}.{thousands // 10 % 100:02d}"
        where, fix = _library_path(library), ""
    return Finding(
        "Csound",
        version,
        where,
        fix,
        "sound by Csound: every instrument in exact temperament",
        essential=False,
    )


def _csound_program() -> Finding:
    program = shutil.which("csound")
    return Finding(
        "csound program",
        "yes" if program else None,
        program or "",
        "" if program else _install("csound", brew="csound"),
        "playing the .csd files that render --csd writes; rendering itself does without",
        essential=False,
    )


def _cairo() -> Finding:
    library = _load(("libcairo.so.2", "cairo-2", "cairo", "libcairo-2"))
    return Finding(
        "cairo",
        "yes" if library else None,
        _library_path(library) if library else "",
        "" if library else _install("libcairo2", brew="cairo", conda="cairo"),
        "the score as PNG or PDF",
        essential=False,
    )


def _load(names: Iterable[str]) -> ctypes.CDLL | None:
    """The first of some libraries that can be opened, by its file or its bare name."""
    for name in names:
        for candidate in (name, ctypes.util.find_library(name)):
            if candidate:
                try:
                    return ctypes.CDLL(candidate)
                except OSError:
                    continue
    return None


def _library_path(library: ctypes.CDLL) -> str:
    """The file of an open library where the system tells, else its name."""
    stem = Path(library._name).name.partition(".so")[0]
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return str(library._name)
    files = (line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count(" ") > 5)
    return next((file for file in files if Path(file).name.startswith(f"{stem}.")), library._name)


def _fluidsynth() -> Finding:
    program = shutil.which("fluidsynth")
    version = None
    if program:
        try:
            from coconet.render.fluidsynth import fluidsynth_version

            version = fluidsynth_version()
        except ImportError:
            version = "yes"  # a Python package is missing, and is reported as such
        except ChoraleError:
            program = None
    return Finding(
        "FluidSynth",
        version,
        program or "",
        "" if program else _install("fluidsynth", brew="fluid-synth", conda="fluidsynth"),
        "sound by FluidSynth",
        essential=False,
    )


def _soundfont() -> Finding:
    """The best font with plain samples, which both synthesisers play, else a compressed one."""
    kind, where, fix = None, "", _install_soundfont()
    try:
        from coconet.render.soundfonts import find_soundfont

        font = find_soundfont(plain=True) or find_soundfont(plain=False)
        if font is not None:
            kind, where, fix = PLAIN if font.version == 2 else COMPRESSED, str(font.path), ""
    except ImportError:
        fix = f"{_pip('numpy')}\nThen ask again: without it no SoundFont can be looked for."
    except ChoraleError as error:
        fix = f"COCONET_SOUNDFONT names a bad one: {error}"
    return Finding(
        "SoundFont",
        kind,
        where,
        fix,
        "the piano of Csound, and FluidSynth",
        essential=False,
    )


def _sound(there: set[str]) -> Finding:
    ways = {
        "Csound's piano": {"ctcsound", "Csound", PLAIN},
        "Csound's other instruments": {"ctcsound", "Csound"},
        "FluidSynth": {"midi2audio", "mido", "FluidSynth", "SoundFont"},
    }
    working = [way for way, needs in ways.items() if needs <= there]
    return Finding(
        "sound",
        "yes" if working else None,
        ", ".join(working),
        "" if working else "either Csound, or FluidSynth with a SoundFont: see above",
        "WAV files",
    )


def _corpus() -> Finding:
    file = places.data() / "chorales.npz"
    return Finding(
        "corpus",
        "yes" if file.is_file() else None,
        str(file) if file.is_file() else "",
        "" if file.is_file() else f"coconet corpus    # makes {file}",
        "the chorales by BWV number, and training",
    )


def _model() -> Finding:
    folder = places.models()
    models = sorted(
        config.parent.name
        for config in folder.glob("*/config.json")
        if config.with_name("weights.safetensors").is_file()
    )
    fix = (
        f"git checkout -- {shlex.quote(str(folder))}    # where this is a clone; else fetch it "
        "again, or train one: coconet train"
    )
    return Finding(
        "model",
        ", ".join(models) or None,
        str(folder) if models else "",
        "" if models else fix,
        "infilling",
    )


def _pip(package: str) -> str:
    """The command that brings a Python package into this very interpreter."""
    command = [sys.executable, "-m", "pip", "install"]
    constraints = places.root() / "constraints.txt"
    if constraints.is_file():
        command += ["-c", str(constraints)]
    return shlex.join([*command, package])


def _install(apt: str, *, brew: str, conda: str | None = None) -> str:
    """The command that brings a system package here, by the first manager that has it."""
    if conda and os.environ.get("CONDA_PREFIX"):
        return f"conda install -c conda-forge {conda}"
    if shutil.which("apt-get"):
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        return f"{'' if is_root else 'sudo '}apt-get install --no-install-recommends {apt}"
    if sys.platform == "darwin" or shutil.which("brew"):
        return f"brew install {brew}"
    return f"your system's package manager; the package is called {apt} on Debian, {brew} elsewhere"


def _install_soundfont() -> str:
    if shutil.which("apt-get"):
        return _install("fluid-soundfont-gm", brew="")
    return "fetch a General MIDI SoundFont such as FluidR3_GM.sf2, and name it in COCONET_SOUNDFONT"
