"""Pictures of several runs: every run in every panel, in one colour."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from coconet.colours import VOICE_COLOURS
from coconet.curves import RUN_COLOURS, compare_curves, run_curves
from coconet.grid import VOICES


def rows(speed, count=30):
    return [
        {
            "update": update,
            "minutes": update * speed,
            "valid_loss": 0.5 + np.exp(-update),
            **{f"accuracy_{voice}": 0.8 - np.exp(-update) for voice in VOICES},
        }
        for update in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def runs():
    return {f"run {number}": rows(1 + number) for number in range(6)}


def test_a_run_is_drawn_against_what_is_asked(runs):
    ax = run_curves({"a": rows(2.0)}, column="valid_loss", against="minutes", title="loss")
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xdata(orig=False), 2 * np.arange(1, 31))
    np.testing.assert_allclose(line.get_ydata(orig=False), 0.5 + np.exp(-np.arange(1.0, 31)))
    assert (ax.get_xlabel(), ax.get_title()) == ("minutes", "loss")


def test_runs_differ_in_colour_or_stroke(runs):
    ax = run_curves(runs, column="valid_loss")
    styles = {(to_hex(line.get_color()), line.get_linestyle()) for line in ax.lines}
    assert len(styles) == len(runs)
    assert not {colour for colour, _ in styles} & {to_hex(colour) for colour in VOICE_COLOURS}


def test_the_comparison_has_a_panel_a_measurement_by_updates_and_minutes(runs):
    figure = compare_curves(runs)
    assert len(figure.axes) == 10
    assert [ax.get_xlabel() for ax in figure.axes] == ["update"] * 5 + ["minutes"] * 5
    for ax, voice, colour in zip(figure.axes[1:5], VOICES, VOICE_COLOURS, strict=True):
        assert voice in ax.get_title() and to_hex(ax.title.get_color()).upper() == colour
    assert all(len(ax.lines) == len(runs) for ax in figure.axes)


def test_a_first_steep_fall_leaves_the_rest_legible(runs):
    figure = compare_curves(runs)
    low, high = figure.axes[0].get_ylim()
    assert low < 0.5 < high < 0.6


def test_a_run_without_a_likelihood_leaves_the_others_their_colours(runs):
    measured = {"run 1": [{"update": 30, "minutes": 60.0, "nats": 0.6, "error": 0.02}]}
    figure = compare_curves(runs, likelihoods=measured, rules="nats a frame")
    assert len(figure.axes) == 12
    panel = figure.axes[5]
    drawn = [line for line in panel.lines if len(line.get_xdata()) and line.get_marker() == "o"]
    assert [to_hex(line.get_color()) for line in drawn] == [to_hex(RUN_COLOURS[1])]
    low, high = panel.get_ylim()
    assert low < 0.58 < 0.62 < high
