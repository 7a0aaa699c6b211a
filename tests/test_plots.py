"""Pictures: what is drawn where, in which colour, measured on the figure."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from coconet.chorale import Chorale
from coconet.colours import VOICE_COLOURS
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import notes_of
from coconet.plots import (
    before_after,
    piano_roll,
    piano_roll_figure,
    sampler_progress,
    save_figure,
    training_curves,
)


@pytest.fixture(scope="module")
def chorale() -> Chorale:
    return next(chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7")


def drawn(ax) -> dict[str, int]:
    """How many notes have which colour."""
    counts: dict[str, int] = {}
    for collection in ax.collections:
        if isinstance(collection, PatchCollection) and collection.get_paths():
            colour = to_hex(collection.get_facecolor()[0]).upper()
            counts[colour] = counts.get(colour, 0) + len(collection.get_paths())
    return counts


def test_a_piano_roll_has_every_note_in_its_voices_colour(chorale):
    ax = piano_roll(chorale)
    notes = notes_of(chorale.grid, chorale.onsets)
    assert drawn(ax) == {
        colour: len(line) for colour, line in zip(VOICE_COLOURS, notes, strict=True)
    }
    assert ax.get_xlim() == (0, chorale.steps)
    low, high = ax.get_ylim()
    assert low < chorale.grid.min() < chorale.grid.max() < high
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("bar", "pitch")
    assert ax.get_title(loc="left") == chorale.title
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "soprano", "alto", "tenor", "bass",
    ]  # fmt: skip


def test_bars_are_numbered_from_the_first_full_one():
    chorale = Chorale(np.full((4, 28), 60), time_signature="3/4", upbeat=4)
    ax = piano_roll(chorale)
    format_tick = ax.xaxis.get_major_formatter()
    assert [(tick, format_tick(tick)) for tick in ax.get_xticks()] == [(4, "1"), (16, "2")]


def test_rewritten_notes_stand_out(chorale):
    hidden = np.zeros(chorale.grid.shape, bool)
    hidden[1, :64] = True
    figure = Figure()
    ax = figure.add_subplot()
    assert piano_roll(chorale, ax, hidden=hidden, title="here") is ax
    written = sum(start < 64 for start, _, _ in notes_of(chorale.grid, chorale.onsets)[1])
    counts = drawn(ax)
    assert counts[VOICE_COLOURS[1]] == written
    assert not {VOICE_COLOURS[0], VOICE_COLOURS[2], VOICE_COLOURS[3]} & counts.keys()
    assert len(counts) == 5  # four faded, one full


def test_before_and_after_share_their_axes(chorale):
    hidden = np.zeros(chorale.grid.shape, bool)
    hidden[2] = True
    after = chorale.replace(
        grid=np.where(hidden & (chorale.grid > 0), chorale.grid - 7, chorale.grid)
    )
    figure = before_after(chorale, after, hidden)
    upper, lower = figure.axes
    assert upper.get_ylim() == lower.get_ylim() and upper.get_xlim() == lower.get_xlim()
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Before", "After"]
    with pytest.raises(ChoraleError, match="expected one shape"):
        before_after(chorale, Chorale(chorale.grid[:, :8]), hidden)


def test_sampler_progress_has_a_picture_a_frame(chorale):
    frames = [(number, chorale.grid[:, :32]) for number in (0, 1, 8, 64, 256)]
    figure = sampler_progress(frames, columns=3)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.axison]
    assert titles == ["before", "pass 1", "pass 8", "pass 64", "pass 256"]
    with pytest.raises(ChoraleError, match="at least one"):
        sampler_progress([])


def test_training_curves_show_what_is_there():
    rows = [
        {"update": 10, "train_loss": 2.0, "valid_loss": float("nan")},
        {"update": 20, "train_loss": 1.5, "valid_loss": 1.75},
        {"update": 30, "train_loss": 1.25, "valid_loss": 1.8},
    ]
    ax = training_curves(rows)
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines == {
        "training": [[10, 2.0], [20, 1.5], [30, 1.25]],
        "validation": [[20, 1.75], [30, 1.8]],
    }
    assert [text.get_text() for text in ax.texts] == ["best 1.750"]
    assert training_curves([]).lines[:] == []


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_saved_figures_are_reproducible(suffix, tmp_path):
    chorale = Chorale(np.full((4, 16), 60), title="Same")
    first = save_figure(piano_roll_figure(chorale), tmp_path / f"a.{suffix}").read_bytes()
    second = save_figure(piano_roll(chorale), tmp_path / f"b.{suffix}").read_bytes()
    assert first == second
    with pytest.raises(ChoraleError, match="already exists"):
        save_figure(piano_roll(chorale), tmp_path / f"a.{suffix}")
    with pytest.raises(ChoraleError, match=r"\.png, \.svg, \.pdf"):
        save_figure(piano_roll(chorale), tmp_path / "a.gif")


def test_colours_reach_the_paper(chorale, tmp_path):
    with Image.open(save_figure(piano_roll(chorale), tmp_path / "a.png")) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for colour in VOICE_COLOURS:
        exact = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (pixels == exact).all(1).sum() > 1000
    assert piano_roll_figure(chorale)._repr_png_().startswith(b"\x89PNG")


def test_voices_are_told_apart_without_red_and_green():
    """Distances in CIELAB after simulating the lack of red or green cones (Viénot 1999)."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in VOICE_COLOURS])
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    for seen in (np.eye(3), protan, deutan):
        xyz = np.clip(linear @ seen.T, 0, 1) @ to_xyz.T / [0.9505, 1, 1.089]
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        lab = np.stack(
            [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1
        )
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert distances[np.triu_indices(4, 1)].min() > 12


def test_pictures_need_neither_pyplot_nor_a_screen():
    code = "import sys, coconet.plots; print('matplotlib.pyplot' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
