"""The doctor: what is there, what is missing, and a fix for each thing that is."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from fonts import sine_font

from coconet import doctor
from coconet.render import csound_process, soundfonts

FOUND = doctor.Finding("numpy", "2.0", "/lib/numpy", "", "everything")
MISSING = doctor.Finding("cairo", None, "", "apt-get install libcairo2", "pictures", False)


def printed(findings) -> tuple[int, str]:
    file = io.StringIO()
    return doctor.report(findings, file=file), file.getvalue()


@pytest.mark.parametrize(
    ("findings", "code", "said"),
    [
        ([FOUND], 0, "All that infilling a chorale needs is there."),
        ([FOUND, MISSING], 0, "All that infilling a chorale needs is there."),
        ([FOUND, replace(MISSING, essential=True)], 1, "Infilling a chorale still needs: cairo."),
    ],
    ids=["all there", "something optional missing", "something essential missing"],
)
def test_exit_code_follows_what_is_essential(findings, code, said):
    got, text = printed(findings)
    assert got == code
    assert text.splitlines()[-1] == said


def test_a_fix_follows_each_missing_thing():
    _, text = printed([FOUND, MISSING])
    assert "cairo  MISSING\n" in text
    assert "cairo is missing; it is needed for pictures:\n    apt-get install libcairo2\n" in text


def test_this_machine():
    findings = doctor.examine()
    names = [finding.name for finding in findings]
    assert len(names) == len({name.lower() for name in names})
    by_name = {finding.name: finding for finding in findings}
    assert by_name["numpy"].found and "numpy" in by_name["numpy"].where
    assert by_name["Python"].where == sys.executable
    for finding in findings:
        assert bool(finding.found) != bool(finding.fix), finding
        assert finding.needed_for


def test_no_library_is_loaded():
    program = (
        "import sys; from coconet.doctor import PACKAGES, examine; examine();"
        "print(*{package.module for package in PACKAGES} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"torch", "music21", "matplotlib", "ctcsound", "verovio"} & set(done.stdout.split())


def test_a_bare_machine():
    """No library, no program: everything is reported missing, each with a fix."""
    program = (
        "import sys\n"
        "from coconet.doctor import PACKAGES\n"
        "sys.modules.update({package.module: None for package in PACKAGES})\n"
        "from coconet.cli import main\n"
        "sys.exit(main(['doctor']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"PATH": "/nowhere"}
    )
    assert done.returncode == 1, done.stderr
    for package in doctor.PACKAGES:
        assert f"{package.name} is missing; it is needed for {package.needed_for}" in done.stdout
    assert "FluidSynth is missing" in done.stdout
    assert "sound is missing" in done.stdout
    assert "pip install" in done.stdout


@pytest.mark.parametrize(
    ("programs", "platform", "conda", "expected"),
    [
        (("apt-get",), "linux", None, "apt-get install --no-install-recommends fluidsynth"),
        (("brew",), "darwin", None, "brew install fluid-synth"),
        (("apt-get",), "linux", "/opt/conda", "conda install -c conda-forge fluidsynth"),
        ((), "linux", None, "fluidsynth on Debian"),
    ],
)
def test_the_fix_suits_the_machine(monkeypatch, programs, platform, conda, expected):
    monkeypatch.setattr(
        doctor.shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None
    )
    monkeypatch.setattr(doctor.sys, "platform", platform)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    if conda:
        monkeypatch.setenv("CONDA_PREFIX", conda)
    by_name = {finding.name: finding for finding in doctor.examine()}
    assert by_name["FluidSynth"].found is None
    assert expected in by_name["FluidSynth"].fix


@pytest.mark.parametrize(
    ("there", "ways"),
    [
        (set(), ""),
        ({"FluidSynth", "midi2audio", "mido"}, ""),
        ({"ctcsound"}, ""),
        ({"ctcsound", "Csound"}, "Csound's other instruments"),
        ({"ctcsound", "Csound", "SoundFont"}, "Csound's other instruments"),
        (
            {"ctcsound", "Csound", "SoundFont", ".sf2"},
            "Csound's piano, Csound's other instruments",
        ),
        ({"FluidSynth", "midi2audio", "mido", "SoundFont"}, "FluidSynth"),
    ],
)
def test_sound_needs_a_whole_chain(there, ways):
    finding = doctor._sound(there)
    assert (finding.where, bool(finding.found)) == (ways, bool(ways))


def test_a_project_without_corpus_and_model(monkeypatch, tmp_path):
    monkeypatch.setenv("COCONET_HOME", str(tmp_path))
    by_name = {finding.name: finding for finding in doctor.examine()}
    assert by_name["corpus"].found is None and "coconet corpus" in by_name["corpus"].fix
    assert by_name["model"].found is None and "coconet train" in by_name["model"].fix
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    assert doctor._model().found is None  # no weights
    (folder / "weights.safetensors").touch()
    assert doctor._model().found == "mine"


@pytest.mark.parametrize("chosen", [False, True], ids=["found", "named"])
@pytest.mark.parametrize(
    ("files", "kind", "piano"),
    [
        ((), None, False),
        (("FluidR3_GM.sf3",), ".sf3", False),
        (("FluidR3_GM.sf3", "a.sf2"), ".sf2", True),
    ],
)
def test_csounds_piano_needs_plain_samples(monkeypatch, tmp_path, files, kind, piano, chosen):
    for file in files:
        sine_font(tmp_path / file)
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [] if chosen else [tmp_path])
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    if chosen and files:
        monkeypatch.setenv("COCONET_SOUNDFONT", str(tmp_path / files[-1]))
    csound = doctor.Finding("Csound", "6.18", "", "", "sound")
    binding = doctor.Finding("ctcsound", "6.18", "", "", "sound")
    monkeypatch.setattr(doctor, "_csound", lambda: csound)
    monkeypatch.setattr(doctor, "_package", lambda package: replace(binding, name=package.name))
    by_name = {finding.name: finding for finding in doctor.examine()}
    font = by_name["SoundFont"]
    assert (font.found, bool(font.fix)) == (kind, kind is None)
    assert font.where == (str(tmp_path / files[-1]) if files else "")
    assert ("Csound's piano" in by_name["sound"].where) == piano


def test_csound_is_there_where_ctcsound_would_open_it(monkeypatch):
    class Library:
        _name = "libcsound64.so"

        @staticmethod
        def csoundGetVersion():
            return 6180

    monkeypatch.setattr(csound_process, "libraries", lambda: (Library, Library))
    found = doctor._csound()
    assert (found.found, found.fix) == ("6.18", "")

    def missing():
        raise OSError("libcsnd6.so: cannot open shared object file")

    monkeypatch.setattr(csound_process, "libraries", missing)
    found = doctor._csound()
    assert found.found is None and ("libcsnd" in found.fix or "csound" in found.fix)


def test_a_bad_soundfont_is_told(monkeypatch, tmp_path):
    bad = tmp_path / "bad.sf2"
    bad.write_bytes(b"no SoundFont")
    monkeypatch.setenv("COCONET_SOUNDFONT", str(bad))
    finding = doctor._soundfont()
    assert finding.found is None
    assert "COCONET_SOUNDFONT" in finding.fix and str(bad) in finding.fix
