"""A performance as a Csound document, rendered by the program csound."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.render import soundfonts
from coconet.render.audio import read_sound
from coconet.render.bands import csound_band
from coconet.render.csd import csd_of, save_csd
from coconet.render.csound import csound_version, play_csound
from coconet.render.events import NOTE
from coconet.render.performance import perform
from coconet.tuning import load_tuning

try:
    csound_version()
    FONT = soundfonts.find_soundfont()
except ChoraleError:
    FONT = None
PROGRAM = pytest.mark.skipif(
    FONT is None or shutil.which("csound") is None, reason="no program csound or SoundFont here"
)


@pytest.fixture(scope="module")
def performance():
    """The first bars of a real chorale."""
    piece = load_corpus()[0]
    whole = perform(piece, load_tuning().frequencies(piece.tonic))
    notes = whole.notes[whole.spans[:, 1] < 4]
    return replace(whole, notes=notes, seconds=5.0, title="Ach Gott <em>\n& Herr")


@PROGRAM
def test_the_program_csound_renders_it_to_the_same_samples(performance, tmp_path):
    band = csound_band("piano:soft,choir,strings,organ:reeds", voices=4, soundfont=FONT)
    file = save_csd(tmp_path / "a b.csd", performance, band, tuning="Secor, on C")
    wav = tmp_path / "out.wav"
    done = subprocess.run(
        ["csound", "-o", str(wav), str(file)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    heard, rate = read_sound(wav)
    ours = play_csound(performance, band)
    assert rate == 44100 and 0 <= len(heard) - len(ours) <= 64
    assert np.abs(ours).max() > 0.01
    assert np.abs(heard[: len(ours)] - ours).max() < 1e-6


def test_the_document_tells_what_it_is(performance):
    text = csd_of(performance, csound_band("organ,choir,choir,organ:flutes", voices=4), tuning="T")
    head = text.split("; What all instruments share")[0]
    assert "; Ach Gott (em) & Herr\n" in head, "on one line, and no section ends there"
    assert f"; 4 voices, {len(performance.notes)} notes, 5.00 s; organ, choir, organ:flutes" in head
    assert "\n; T\n" in head and "csound -o" in head and "--sample-accurate" in head
    assert "by their paths" not in head
    assert "instr organ" in text and "instr choir" in text and "instr piano" not in text
    assert text.count('\ni "') == len(performance.notes)
    for section in ("CsoundSynthesizer", "CsOptions", "CsInstruments", "CsScore"):
        assert text.count(f"<{section}>") == text.count(f"</{section}>") == 1


@PROGRAM
def test_a_font_is_named_by_its_path(performance):
    text = csd_of(performance, csound_band("piano", voices=4, soundfont=FONT))
    assert f'sfload "{FONT.path}"' in text and "by their paths" in text


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a.txt", {}, r"ends in \.csd"),
        ("there.csd", {}, "already exists"),
        ("a.csd", {"voices": 5}, "the band has 4 parts"),
        ("a.csd", {"notes": np.zeros(0, NOTE)}, "has no notes to write"),
    ],
)
def test_bad_calls_write_nothing(tmp_path, performance, name, change, message):
    (tmp_path / "there.csd").write_text("precious")
    with pytest.raises(ChoraleError, match=message):
        save_csd(tmp_path / name, replace(performance, **change), csound_band("organ", voices=4))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["precious"]
    save_csd(tmp_path / "there.csd", performance, csound_band("organ", voices=4), force=True)
    assert "</CsoundSynthesizer>" in (tmp_path / "there.csd").read_text()
