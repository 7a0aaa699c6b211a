"""Pictures of layers: what they show is what there is."""

import numpy as np
import pytest
from drawn import boxes
from matplotlib.colors import same_color

from coconet.chorale import Chorale
from coconet.colours import VOICE_COLOURS, voice_colour
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.layer_plots import (
    CHALLENGING,
    MOST_MASKS,
    choice_figure,
    masks_figure,
    spans_figure,
    stages_figure,
    stretch_map,
)
from coconet.plots import save_figure
from coconet.rolls import MOST_STEPS, UNISONS
from coconet.transforms.spans import challenging_spans, score_steps, stretch, stretch_table

SCHMUECKE = load_corpus("demo")[1]


def shaded(ax):
    """Half-open spans of the amber bands."""
    bands = [patch for patch in ax.patches if same_color(patch.get_facecolor()[:3], CHALLENGING)]
    return [[band.get_x(), band.get_x() + band.get_width()] for band in bands]


@pytest.mark.parametrize("long", [False, True])
def test_spans_are_shaded_and_every_step_scored(long, tmp_path):
    piece = stretch(SCHMUECKE, spans="all", factor=4) if long else SCHMUECKE
    assert (piece.steps > MOST_STEPS) == long
    scores = score_steps(piece)
    spans = challenging_spans(scores)
    figure = spans_figure(piece, scores, spans)
    upper, lower = figure.axes
    assert len(spans) and shaded(upper) == shaded(lower) == spans.tolist()
    (steps,) = [patch for patch in lower.patches if hasattr(patch, "get_data")]
    assert (steps.get_data().values == scores).all()
    assert figure.get_suptitle() == "Schmücke dich, o liebe Seele"
    assert save_figure(figure, tmp_path / "spans.png", dpi=50).stat().st_size > 10_000


def test_many_voices_and_no_span():
    stack = Chorale(np.vstack([SCHMUECKE.grid] * 4))
    figure = spans_figure(stack, np.ones(stack.steps), [], title="calm", label="none")
    assert shaded(figure.axes[0]) == []
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["soprano", "alto", "tenor", "bass", "none"]
    assert figure.legends[0].get_title().get_text() == UNISONS


def test_the_map_leads_from_the_result_to_the_source():
    spans = [[8, 12], [20, 21]]
    table = stretch_table(SCHMUECKE, spans=spans, factor=[3, 5])
    ax = stretch_map(table, SCHMUECKE.steps, title="Here")
    plain, coloured = (
        [np.array(line).round().astype(int).tolist() for line in lines.get_segments()]
        for lines in ax.collections
    )
    assert coloured == [[[8, 8], [20, 12]], [[28, 20], [33, 21]]]
    assert plain == [[[0, 0], [8, 8]], [[20, 12], [28, 20]], [[33, 21], [252, 240]]]
    assert [text.get_text() for text in ax.texts] == ["×3", "×5"]
    assert ax.get_title(loc="left") == "Here: 240 steps become 252"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["challenging"]
    assert ax.get_xlim() == (0, 252) and ax.get_ylim() == (0, 240)


def test_what_is_in_tune_is_not_shaded_as_what_is_challenging():
    table = stretch_table(SCHMUECKE, spans="in tune", factor=2)
    ax = stretch_map(table, SCHMUECKE.steps, label="in tune")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["in tune"]
    assert shaded(ax) == []
    spans = table[:, :2]
    figure = spans_figure(SCHMUECKE, np.ones(240), spans, label="in tune")
    assert shaded(figure.axes[0]) == []
    assert figure.legends[0].get_texts()[-1].get_text() == "in tune"


def test_the_map_of_no_stretch_is_a_line():
    ax = stretch_map(np.empty((0, 5), int), 7)
    assert ax.collections[0].get_segments()[0].tolist() == [[0, 0], [7, 7]]
    assert ax.get_title(loc="left") == "The stretch: 7 steps become 7"


def test_masks_stand_side_by_side():
    low, high = np.array([[0, 1], [1, 0]]), np.ones((5, 3), int)
    figure = masks_figure([low, high], names=["first", "second"], title="Two")
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["first: 50% sounds", "second: 100% sounds"]
    shown = [ax.images[0].get_array().tolist() for ax in figure.axes]
    assert shown[0] == [[0, 1], [2, 0]]
    assert [row[0] for row in shown[1]] == [1, 2, 3, 4, 1]
    colours = figure.axes[0].images[0].get_cmap().colors
    assert colours == ["white", *VOICE_COLOURS]


def test_of_masks_that_change_some_are_shown():
    masks = np.zeros((40, 4, 8), int)
    masks[-1] = 1
    titles = [ax.get_title(loc="left") for ax in masks_figure(masks).axes]
    assert len(titles) == MOST_MASKS
    assert titles[0] == "mask 1: 0% sounds" and titles[-1] == "mask 40: 100% sounds"
    assert [ax.get_title(loc="left") for ax in masks_figure(masks[-1]).axes] == ["100% sounds"]


def test_chosen_voices_are_filled():
    figure = choice_figure(np.array([[0, 5], [5, 7]]), 8, lengths=[10, 30])
    (ax,) = figure.axes
    found = {
        (row, *(int(x) for x in (path.get_extents().x0, path.get_extents().x1)))
        for row, bars in enumerate(ax.collections)
        for path in bars.get_paths()
    }
    assert found == {(0, 0, 10), (5, 0, 10), (5, 10, 40), (7, 10, 40)}
    assert same_color(ax.collections[5].get_facecolor()[0], voice_colour(5))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[5] == "alto  5"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]


def test_stages_may_be_drawn_a_row_a_voice():
    grid = np.array([[60, 60, 0, 62], [60, 60, 60, 60]])
    figure = stages_figure([("one", Chorale(grid)), ("two", SCHMUECKE)], by_voice=True)
    assert [ax.get_ylim() for ax in figure.axes] == [(1.5, -0.5), (3.5, -0.5)]
    assert figure.get_supylabel() == "voice (row)"
    assert figure.legends[0].get_title().get_text() == ""


def test_stages_share_one_axis_of_time():
    slow = stretch(SCHMUECKE, spans="all", factor=2)
    stages = [("source", SCHMUECKE), ("slow", slow), ("calm", SCHMUECKE.replace(tempo=36))]
    figure = stages_figure(stages, title="A chain")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["source", "slow", "calm"]
    assert figure.axes[1].get_title(loc="right") == "4 voices × 480 steps, 1:40"
    assert {ax.get_xlim() for ax in figure.axes} == {(0, slow.seconds)}
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert [max(right for _, right, *_ in boxes(ax)[0]) for ax in figure.axes] == pytest.approx(
        [50, 100, 100], abs=0.1
    )


@pytest.mark.parametrize(
    ("draw", "complaint"),
    [
        (lambda: spans_figure(SCHMUECKE, np.ones(3), []), r"expected shape \(240,\), got \(3,\)"),
        (lambda: spans_figure(SCHMUECKE, np.ones(240), [(3, 3)]), "span 3:3"),
        (lambda: stretch_map(np.ones((2, 3)), 9), r"expected shape \(spans, 5\)"),
        (lambda: stretch_map(np.array([[0, 12, 2, 0, 24]]), 9), "ends at 12, the source at 9"),
        (lambda: masks_figure(np.full((4, 8), 2)), "mask 1: expected zeros and ones only"),
        (lambda: masks_figure([np.ones((4, 8)), np.ones((4, 0))]), "mask 2: expected"),
        (lambda: masks_figure(np.ones((2, 4, 8)), names=["one"]), "expected 2, one a mask"),
        (lambda: masks_figure([]), "at least one mask"),
        (lambda: choice_figure([0, 1], 4), r"whole numbers of shape \(segments, voices\)"),
        (lambda: choice_figure([[0, 1], [2]], 4), "as many voices in each segment"),
        (lambda: choice_figure([[0, 4]], 4), "row 4: expected 0-3"),
        (lambda: choice_figure([[0, 1]], 4, lengths=[3, 4]), "expected 1, one a segment"),
        (lambda: stages_figure([]), "at least one"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        draw()
