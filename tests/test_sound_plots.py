"""Pictures of sound, looked at."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from coconet.errors import ChoraleError
from coconet.plots import save_figure
from coconet.sound_plots import FLOOR, level_curve, level_curves

RATE = 8000
TIMES = np.arange(RATE) / RATE
TONE = np.sin(2 * np.pi * 400 * TIMES)


def test_a_sine_at_full_scale_has_minus_3_decibels():
    assert level_curve(TONE, RATE) == pytest.approx(-3.01, abs=0.01)
    assert level_curve(np.stack([TONE, 0 * TONE], axis=1), RATE) == pytest.approx(-6.02, abs=0.01)


def test_silence_has_no_level_and_is_drawn_at_the_floor():
    sound = np.concatenate([TONE, np.zeros(RATE)])
    assert np.isneginf(level_curve(sound, RATE)[RATE // 400 :]).all()
    (line,) = level_curves({"a": sound}, RATE).lines
    assert line.get_ydata()[-1] == FLOOR
    assert line.get_xdata()[-1] == pytest.approx(1.975)


def test_each_sound_is_named_in_its_own_colour():
    ax = level_curves({"dry": TONE, "hall": 0.5 * TONE}, RATE, title="A hall")
    assert len({line.get_color() for line in ax.lines}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["dry", "hall"]
    assert (ax.get_title("left"), ax.get_ylabel()) == ("A hall", "level (dBFS)")
    lines = {line.get_label(): line.get_ydata().mean() for line in ax.lines}
    assert lines["dry"] - lines["hall"] == pytest.approx(6.02, abs=0.01)


def test_names_are_no_formulas_on_any_axes(tmp_path):
    odd = r"Cash $\foo$"
    for ax in (None, Figure().add_subplot()):
        ax = level_curves({odd: TONE, "b": TONE}, RATE, ax, title=odd)
        assert save_figure(ax, tmp_path / "a.svg", force=True).exists()
        assert ax.get_title("left") == odd


@pytest.mark.parametrize(
    ("sounds", "message"),
    [
        ({}, "expected 1-4"),
        ({str(n): TONE for n in range(5)}, "expected 1-4"),
        (TONE, "expected 1-4"),
        ({"a": np.zeros(3)}, "400 frames or more"),
        ({"a": np.zeros((9000, 0))}, "shape"),
        ({"a": np.zeros((9, 9, 9))}, "shape"),
        ({"a": np.zeros(RATE, int)}, "expected floats"),
        ({"a": np.full(RATE, np.nan)}, "finite"),
    ],
)
def test_what_is_no_sound_is_refused(sounds, message):
    with pytest.raises(ChoraleError, match=message):
        level_curves(sounds, RATE)


def test_windows_are_whole_frames():
    """A window of 2.5 frames has 2: the curve must not be drawn longer than the sound."""
    ax = level_curves({"a": TONE}, RATE, window=2.5 / RATE)
    assert ax.lines[0].get_xdata()[-1] == pytest.approx(1, abs=1e-3)
    assert ax.get_xlim() == (0, 1)
    for window in (0, 0.5 / RATE, float("nan"), 100):
        with pytest.raises(ChoraleError, match="window: expected a number from"):
            level_curve(TONE, RATE, window=window)


def test_what_is_louder_than_full_scale_is_seen():
    ax = level_curves({"a": 4 * TONE}, RATE)
    assert ax.get_ylim()[1] > 20 * np.log10(4) - 3.01
