"""Pictures of verdicts: every frame's nats and every metric where it belongs."""

import numpy as np
import pytest

from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.metrics import NAMES, Row, bach_spread, battery
from coconet.plots import save_figure
from coconet.referee import PieceScore
from coconet.surprise import Surprise
from coconet.verdicts import beside_bach, surprise_roll


@pytest.fixture(scope="module")
def found():
    chorale = load_corpus("demo")[2]
    frames = np.random.default_rng(1).gamma(1, 0.6, chorale.steps)
    frames[7] = np.nan
    score = PieceScore("x", "frame", frames, chorale.grid * 0.0, chorale.grid * 0.0, ())
    return Surprise(chorale, score, np.full((*chorale.grid.shape, 46), 1 / 46), 36)


@pytest.fixture(scope="module")
def bach():
    rng = np.random.default_rng(1)
    pieces = load_corpus("valid")
    return [battery(part, name="Bach", rng=rng) for part in (pieces[:25], pieces[25:])]


def test_frames_are_coloured_by_their_nats_above_their_curve(found, tmp_path):
    figure = surprise_roll(found, passages=[(20, 52), (84, 116)])
    roll, curve, bar = figure.axes
    assert roll.get_title(loc="left") == found.chorale.title
    (image,) = roll.images
    shown = image.get_array()
    assert image.get_extent()[:2] == [0, found.chorale.steps]
    assert shown.mask[0, 7] and shown.mask.sum() == 1
    assert np.array_equal(shown.filled(np.nan)[0], found.score.frames, equal_nan=True)
    # The colours only get darker, so they can be read without their hues.
    levels = image.cmap(np.linspace(0, 1, 50))
    paper = levels[:, :3] * levels[:, 3:] + 1 - levels[:, 3:]
    assert (np.diff(paper @ [0.2126, 0.7152, 0.0722]) < 1e-3).all()
    assert curve.get_xlim() == roll.get_xlim() == (0, found.chorale.steps)
    filled, line = (patch.get_data().values for patch in curve.patches)
    assert np.array_equal(line, found.score.frames, equal_nan=True) and filled[7] == 0
    assert [text.get_text() for text in curve.texts] == ["1", "2"]
    assert bar.get_ylabel() == curve.get_ylabel() == "nats a frame"
    assert save_figure(figure, tmp_path / "roll.png").stat().st_size > 20_000


def test_the_bar_numbers_stand_under_the_curve(found):
    figure = surprise_roll(found, title="here")
    figure.draw_without_rendering()
    roll, curve, _ = figure.axes
    assert roll.get_title(loc="left") == "here"
    assert [label.get_text() for label in curve.get_xticklabels()][:3] == ["1", "2", "3"]
    assert curve.get_xticks()[0] == found.chorale.upbeat
    assert not any(label.get_visible() for label in roll.get_xticklabels())


def lines_of(ax, label):
    (held,) = [c for c in ax.containers if c.get_label().startswith(label)]
    return held.lines[0].get_xydata()


def test_metrics_are_placed_by_bachs_spread(bach):
    low, high = bach_spread(bach)
    spread = {"at the low end": low, "middle": (low + high) / 2, "far": high + 9 * (high - low)}
    rows = [
        Row(name, bach[0].counts, values, bach[0].errors * np.nan)
        for name, values in spread.items()
    ]
    (ax,) = beside_bach(rows, bach).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == list(NAMES)
    varied = high > low
    for name, place in zip(spread, (-1, 0, 19), strict=True):
        points = lines_of(ax, name)
        assert np.allclose(points[:, 0], place)
        assert np.array_equal(
            np.sort(points[:, 1].round())[::-1], np.flatnonzero(varied[::-1])[::-1]
        )
    left, right = ax.get_xlim()
    assert left <= -2.5 and right >= 19


def test_bachs_own_rows_lie_within(bach):
    (ax,) = beside_bach(bach[:1], bach, names=("hold", "fifths")).axes
    points = lines_of(ax, "Bach (25)")
    assert len(points) == 2 and (abs(points[:, 0]) <= 1).all()


def test_what_could_not_be_counted_is_left_out(bach):
    values = np.full(len(NAMES), np.nan)
    values[0] = bach[0].values[0]
    row = Row("little", bach[0].counts[:1], values, values * np.nan)
    (ax,) = beside_bach([row], bach).axes
    assert len(lines_of(ax, "little (1)")) == 1


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda bach: beside_bach([], bach), "1-4 sets"),
        (lambda bach: beside_bach(bach * 3, bach), "1-4 sets"),
        (lambda bach: beside_bach(bach, bach, names=("sweetness",)), "sweetness"),
        (lambda bach: beside_bach(bach, []), "row of Bach"),
    ],
)
def test_bad_input_is_refused(bach, act, said):
    with pytest.raises(ChoraleError, match=said):
        act(bach)
