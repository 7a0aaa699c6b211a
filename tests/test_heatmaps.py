"""Heatmaps: every probability, kept note, true note and hidden cell is where it belongs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from mocks import Uniform
from PIL import Image

from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.grid import VOICES, notes_of, onsets_of
from coconet.heatmaps import (
    KEPT,
    TRUE_NOTE,
    Watched,
    hidden_cells,
    probability_heatmaps,
    settling,
)
from coconet.infill import choose_hidden, infill

LOW, HIGH = 36, 81


@pytest.fixture(scope="module")
def passage() -> Chorale:
    return crop(next(c for c in load_corpus("demo") if c.bwv == "373"), (0, 32))


@pytest.fixture(scope="module")
def scattered(passage) -> np.ndarray:
    return np.random.default_rng(1).random(passage.grid.shape) < 0.5


def random_probabilities(steps: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.dirichlet(np.full(HIGH - LOW + 1, 0.1), (4, steps)).astype(np.float32)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_title(loc="left").lower() in VOICES]


def boxes(ax, colour, *, face):
    """Corners of the rectangles of a colour: (left, lowest pitch, width, height)."""
    found = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    colour_of = Rectangle.get_facecolor if face else Rectangle.get_edgecolor
    return [
        (*patch.get_xy(), patch.get_width(), patch.get_height())
        for patch in found
        if to_hex(colour_of(patch)) == colour.lower() and patch.get_fill() == face
    ]


def test_a_heatmap_shows_each_hidden_cells_probabilities(passage, scattered):
    probabilities = random_probabilities(32)
    figure = probability_heatmaps(probabilities, passage, scattered, title="here")
    axes = panels(figure)
    assert [ax.get_title(loc="left").lower() for ax in axes] == list(VOICES)
    assert figure.get_suptitle() == "here"
    for row, ax in enumerate(axes):
        (image,) = ax.images
        shown = np.asarray(image.get_array())
        for step in range(32):
            expected = probabilities[row, step] if scattered[row, step] else np.zeros(46)
            assert np.array_equal(shown[:, step], expected)
        # Row k of the image lies on pitch 36 + k, column t on step t.
        assert image.get_extent() == [0, 32, LOW - 0.5, HIGH + 0.5]
        low, high = ax.get_ylim()
        assert low < passage.grid[row].min() and passage.grid[row].max() < high
        format_tick = ax.yaxis.get_major_formatter()
        assert {format_tick(tick)[0] for tick in ax.get_yticks()} <= {"C", "F", "A"}


def test_kept_notes_and_true_notes_are_told_apart(passage, scattered):
    figure = probability_heatmaps(random_probabilities(32), passage, scattered)
    for row, ax in enumerate(panels(figure)):
        kept = {(left, low + 0.5) for left, low, _, height in boxes(ax, KEPT, face=True)}
        assert kept == {
            (step, passage.grid[row, step]) for step in range(32) if not scattered[row, step]
        }
        framed = {
            (step, round(low + 0.5))
            for left, low, width, _ in boxes(ax, TRUE_NOTE, face=False)
            for step in range(round(left), round(left + width))
        }
        assert framed == {
            (step, passage.grid[row, step]) for step in range(32) if scattered[row, step]
        }


def test_hidden_cells_are_outlined(passage, scattered):
    figure = probability_heatmaps(random_probabilities(32), passage, scattered)
    for row, ax in enumerate(panels(figure)):
        (outline,) = ax.collections
        covered = np.zeros(32, bool)
        for box in outline.get_segments():
            start, end = int(box[:, 0].min()), int(box[:, 0].max())
            assert not covered[max(0, start - 1) : end].any()  # each stretch once, and whole
            covered[start:end] = True
        assert np.array_equal(covered, scattered[row])


def test_bars_are_numbered_from_the_first_full_one():
    chorale = Chorale(np.full((4, 28), 60), time_signature="3/4", upbeat=4)
    uniform = np.full((4, 28, 46), 1 / 46)
    ax = panels(probability_heatmaps(uniform, chorale, np.ones((4, 28), bool)))[2]
    format_tick = ax.xaxis.get_major_formatter()
    assert [(tick, format_tick(tick)) for tick in ax.get_xticks()] == [(4, "1"), (16, "2")]


def test_each_region_is_a_picture_of_its_own(passage, scattered):
    regions = [scattered, ~scattered, np.ones_like(scattered)]
    figure = hidden_cells(regions, passage, columns=2)
    shown = [ax for ax in figure.axes if ax.axison]
    counts = [int(region.sum()) for region in regions]
    assert [ax.get_title(loc="left") for ax in shown] == [
        f"{count} of 128 cells hidden" for count in counts
    ]
    for ax, region in zip(shown, regions, strict=True):
        hatched = np.zeros(region.shape, bool)
        for collection in ax.collections:
            for path in collection.get_paths() if collection.get_hatch() else ():
                (left, top), (right, bottom) = path.vertices.min(0), path.vertices.max(0)
                hatched[round((top + bottom) / 2), round(left) : round(right)] = True
        assert np.array_equal(hatched, region)


def test_a_watched_predictor_answers_as_before_and_remembers(passage):
    hidden = choose_hidden(passage, keep="soprano")
    watched = Watched(Uniform())
    assert watched.pitches == Uniform.pitches
    seen = infill(watched, passage, hidden, passes=3, seed=4)[0]
    assert np.array_equal(seen.grid, infill(Uniform(), passage, hidden, passes=3, seed=4)[0].grid)
    first, probabilities, grid = watched.looks[0]
    assert np.array_equal(first, hidden) and np.allclose(probabilities, 1 / 46)
    assert np.array_equal(grid[0], passage.grid[0])


def test_an_animation_has_a_frame_a_pass(passage, tmp_path):
    hidden = choose_hidden(passage, keep="soprano")
    steady = random_probabilities(32)
    looks = []
    for count in (96, 40, 3):
        now = np.zeros(hidden.size, bool)
        now[np.flatnonzero(hidden)[:count]] = True
        looks.append((now.reshape(hidden.shape), steady, passage.grid))
    animation = settling(looks, passage, seconds=0.2)
    path = animation.save(tmp_path / "a.gif")
    assert len(path.read_bytes()) < 200_000
    with Image.open(io.BytesIO(animation.gif)) as gif:
        assert gif.n_frames == 3
        times, pictures = [], []
        for frame in range(3):
            gif.seek(frame)
            times.append(gif.info["duration"])
            pictures.append(np.asarray(gif.convert("RGB")).astype(int))
    assert times == [200, 200, 800]
    assert pictures[0].shape[2] == 3 and len({picture.tobytes() for picture in pictures}) == 3
    # The soprano is kept: its panel, without the heading, never changes.
    height, width, _ = pictures[0].shape
    upper_left = [picture[height // 10 : height // 2, : width // 2] for picture in pictures]
    assert np.array_equal(upper_left[0], upper_left[2])
    assert animation._repr_html_().startswith('<img alt="Settling" src="data:image/gif;base64,')
    fewer = settling(looks, passage, frames=2)
    with Image.open(io.BytesIO(fewer.gif)) as gif:
        assert gif.n_frames == 2


def test_standing_notes_are_dark_where_they_stand(passage):
    """The last frame of a run that hides nothing more holds a dark cell for each note."""
    hidden = choose_hidden(passage, keep="soprano")
    nothing = np.zeros_like(hidden)
    blank = np.zeros((4, 32, 46), np.float32)
    looks = [(hidden, blank, passage.grid), (nothing, blank, passage.grid)]
    with Image.open(io.BytesIO(settling(looks, passage).gif)) as gif:
        dark = []
        for frame in range(2):
            gif.seek(frame)
            pixels = np.asarray(gif.convert("RGB")).astype(int)
            dark.append((pixels.max(2) < 70).sum())
    area = dark[1] - dark[0]
    notes = sum(len(line) for line in notes_of(passage.grid[1:], onsets_of(passage.grid[1:])))
    assert notes > 15 and area > 96 * 20  # at 72 dots an inch a cell has some 8 × 5 pixels


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c, h: probability_heatmaps(np.ones((1, 4, 32, 46)), c, h), "not a batch"),
        (lambda c, h: probability_heatmaps(np.ones((4, 32, 46)), c, h[:2]), "hidden: expected"),
        (lambda c, h: hidden_cells([], c), "at least one"),
        (lambda c, h: hidden_cells([h[:, :4]], c), "hidden: expected"),
        (lambda c, h: settling([], c), "was the predictor watched"),
        (lambda c, h: settling([(h, np.ones((4, 32, 46)), c.grid)], c, frames=0), "1 or more"),
        (lambda c, h: settling([(h, np.ones((4, 32, 46)), c.grid)], c).save("a.png"), "in .gif"),
        (
            lambda c, h: probability_heatmaps(
                np.ones((8, 32, 46)), Chorale(np.vstack([c.grid] * 2)), np.vstack([h] * 2)
            ),
            "four voices, got 8",
        ),
    ],
)
def test_bad_input_is_refused(passage, scattered, call, said):
    with pytest.raises(ChoraleError, match=said):
        call(passage, scattered)
