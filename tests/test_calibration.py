"""How far a SoundFont's piano is out of tune: measured, remembered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitch_error import cents_of_keyboard, keyboard

from coconet.errors import ChoraleError
from coconet.render import calibration, soundfonts
from coconet.render.bands import csound_band
from coconet.render.calibration import calibrate, fundamental
from coconet.render.csound import Band, csound_version, play_csound
from coconet.render.instruments import parse_part
from coconet.tuning import equal_frequencies, load_tuning

try:
    csound_version()
    FONT = soundfonts.find_soundfont()
except ChoraleError:
    FONT = None
PIANO = pytest.mark.skipif(FONT is None, reason="no Csound or SoundFont here")
ERRORS = np.linspace([-5, -0.01], [5, 0.01], 128)


@pytest.fixture
def font(tmp_path, monkeypatch):
    """A file that passes for a SoundFont, a cache of its own, and how often it is measured."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.sf2"
    path.write_bytes(bytes(100))
    measured = []

    def measure(font):
        measured.append(font)
        return ERRORS

    monkeypatch.setattr(calibration, "_measure", measure)
    return soundfonts.SoundFont(path, 2), measured


def test_a_calibration_is_remembered_and_a_spoilt_one_measured_anew(font, tmp_path):
    font, measured = font
    first = calibrate(font)
    assert np.array_equal(first, ERRORS.round(5)) and first.shape == (128, 2)
    assert np.array_equal(calibrate(font), first)
    assert len(measured) == 1
    (file,) = (tmp_path / "cache" / "coconet").glob("soundfont-*.json")
    whole = file.read_text()
    spoilt = ["", "{}", "[]", whole[:-100], whole.replace("0.85", "0.5"), "\x00"]
    spoilt.append(whole.replace("-5.0", "-500.0"))
    for text in spoilt:
        assert text != whole
        measured.clear()
        file.write_text(text)
        assert np.array_equal(calibrate(font), first)
        assert len(measured) == 1, text[:40]
    calibrate(font, cache=False)
    assert len(measured) == 2
    font.path.write_bytes(bytes(99) + b"1")
    calibrate(soundfonts.SoundFont(font.path, 2))
    assert len(measured) == 3


def test_an_orchestra_that_changed_is_measured_anew(font, monkeypatch):
    font, measured = font
    calibrate(font)
    monkeypatch.setattr(calibration, "orchestra_of", lambda band: "another")
    calibrate(font)
    assert len(measured) == 2


def test_an_unwritable_cache_only_costs_time(font, monkeypatch, tmp_path):
    font, measured = font
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert np.array_equal(calibrate(font), calibrate(font))
    assert len(measured) == 2


def test_compressed_samples_are_refused(tmp_path):
    with pytest.raises(ChoraleError, match=r"compressed samples \(\.sf3\)"):
        calibrate(soundfonts.SoundFont(tmp_path / "a.sf3", 3))


@given(st.floats(60, 2000), st.floats(-50, 50), st.floats(0, 6.28), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_the_estimator_finds_the_fundamental(hz, cents, phase, harmonics):
    times = np.arange(35280) / 44100
    true = hz * 2 ** (cents / 1200)
    tone = sum(
        np.sin(2 * np.pi * true * n * times + n * phase) / n for n in range(1, harmonics + 1)
    )
    assert abs(1200 * np.log2(fundamental(tone, hz) / true)) < 0.01


def test_no_tone_has_no_fundamental():
    assert np.isnan(fundamental(np.zeros(4410), 440.0))
    far = np.sin(2 * np.pi * 2000 * np.arange(44100) / 44100)
    assert np.isnan(fundamental(far, 440.0))


@PIANO
def test_a_calibrated_piano_is_in_tune_and_the_same_one_uncalibrated_is_not():
    keys = range(36, 85, 8)
    performance = keyboard(load_tuning("pythagorean").frequencies(0), keys)
    band = csound_band("piano", voices=1, soundfont=FONT)
    assert np.abs(cents_of_keyboard(play_csound(performance, band), performance)).max() < 0.05
    raw = Band((parse_part("piano"),), FONT)
    heard = cents_of_keyboard(play_csound(performance, raw), performance)
    assert np.abs(heard).max() > 0.5
    away = 1200 * np.log2(performance.notes["hz"] / equal_frequencies()[list(keys)])
    error, slope = band.errors[list(keys)].T
    assert heard == pytest.approx(error + slope * away, abs=0.05)


@PIANO
def test_a_font_without_a_piano_is_refused(monkeypatch):
    silence = lambda performance, band, **options: np.zeros((44100 * 150, 2), np.float32)  # noqa: E731
    monkeypatch.setattr(calibration, "play_csound", silence)
    with pytest.raises(ChoraleError, match="only 0 of 88 piano keys sound in tune"):
        calibrate(FONT, cache=False)
