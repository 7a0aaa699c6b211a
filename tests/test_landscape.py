"""The landscape: every candidate in its place, Bach's behind, names that don't collide."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Annotation, Text

from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.features import FEATURES, bach_features, column_of
from coconet.landscape import INSIDE, MOST_NAMES, OUTSIDE, landscape
from coconet.reports import report_of

C = np.repeat([[72], [67], [64], [48]], 16, axis=1)


def test_candidates_stand_where_their_features_are():
    chorales = {chorale.bwv: chorale for chorale in load_corpus("demo")}
    report = report_of({**chorales, "still": C, "silent": np.zeros((4, 16), int)})
    ax = landscape(report, axes=("density", "scale consistency")).axes[0]
    columns = [column_of("density"), column_of("scale consistency")]
    drawn = {line.get_color(): line.get_xydata() for line in ax.lines if line.get_ls() == "None"}
    bach = bach_features("train")[:, columns]
    assert any(np.array_equal(points, bach) for points in drawn.values())
    strange = report.strange[:, columns].any(1)
    known = np.arange(len(report)) < 5  # silence has no scale
    for (colour, _), chosen in ((INSIDE, known & ~strange), (OUTSIDE, known & strange)):
        np.testing.assert_array_equal(drawn[colour], report.values[chosen][:, columns])
    assert ax.get_xlabel().startswith("density (a quarter)")
    assert ax.get_ylabel().startswith("scale consistency (share)")
    assert ax.get_title(loc="left") == (
        "5 candidates beside Bach's chorales (1 without a value left out)"
    )
    legend = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert legend[0] == f"Bach's chorales ({len(bach)})" and len(legend) == 4


def test_single_voices_which_have_no_dissonance_are_placed_by_range():
    report = report_of({"bass": load_corpus("demo")[0].grid[3:]})
    ax = landscape(report).axes[0]
    assert ax.get_xlabel().startswith("pitch-class entropy")
    assert ax.get_ylabel().startswith("pitch range")
    (two,) = landscape(report_of({"two": C[:2]})).axes
    assert two.get_ylabel().startswith("dissonance")


@pytest.mark.parametrize("count", [1, 12, 200])
def test_names_never_collide(count):
    chorales = load_corpus("train")[:count]
    report = report_of({f"{n:03} {c.title}": c for n, c in enumerate(chorales)}).sorted_by()
    figure = landscape(report, labels=[f"a candidate {name[:3]}" for name in report.names])
    ax = figure.axes[0]
    figure.draw_without_rendering()
    names = [child for child in ax.get_children() if isinstance(child, Annotation)]
    assert 0 < len(names) <= min(count, MOST_NAMES)
    boxes = [Text.get_window_extent(name) for name in names]  # without the leading line
    frame = ax.get_window_extent()
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in boxes)
    spots = [name.figure.axes[0].transData.transform(name.xy) for name in names]
    for name, spot, box in zip(names, spots, boxes, strict=True):
        if name.arrow_patch is not None:  # its line crosses no other name
            end = np.clip(spot, (box.x0, box.y0), (box.x1, box.y1))
            for part in np.linspace(spot, end, 20):
                assert not any(b.contains(*part) for b in boxes if b is not box)
    for one, other in combinations(boxes, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        up = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert min(across, up) < 1, "two names cover each other by more than a pixel"


def test_labels_and_a_feature_that_bach_lacks():
    chorale = load_corpus("demo")[0]
    report = report_of({"same": chorale, "other": np.roll(chorale.grid, 3, 1)}, original=chorale)
    figure = landscape(report, axes=("distance", "notes"), labels=("A", ""), title="mine")
    ax = figure.axes[0]
    assert [c.get_text() for c in ax.get_children() if isinstance(c, Annotation)] == ["A"]
    assert ax.get_title(loc="left") == "mine"
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert not any(text.startswith("Bach's chorales") for text in told)


def test_voices_are_each_beside_the_same_of_bach():
    """What is usual differs from voice to voice, so that no lines are drawn for all."""
    axes, bach = ("range", "density"), len(bach_features("train"))
    columns = [column_of(name) for name in axes]
    voices = report_of(load_corpus("demo"), groups="voices")
    figure = landscape(voices, axes=axes)
    behind, *drawn = figure.axes[0].lines
    assert len(behind.get_xydata()) == 4 * bach
    strange = voices.strange[:, columns].any(1)
    assert [len(line.get_xydata()) for line in drawn] == [(~strange).sum(), strange.sum()]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told[0] == f"Bach's chorales ({bach}, 4 sets of voices)"
    assert told[1].startswith("within 95 % of Bach's same voices (") and len(told) == 3
    assert not figure.axes[0].patches
    # A melody can't be placed by dissonance, and those that can are like the same of his.
    melody = np.vstack([C[:1], 0 * C[1:]])
    some = landscape(report_of({"mine": load_corpus("demo")[0], "melody": melody}))
    assert some.legends[0].get_texts()[0].get_text() == f"Bach's chorales ({bach})"
    basses = landscape(report_of(load_corpus("demo"), groups="bass"), axes=axes)
    assert len(basses.axes[0].lines) > 5 and len(basses.axes[0].patches) == 1
    assert basses.legends[0].get_texts()[0].get_text() == f"Bach's chorales ({bach})"


def test_names_are_written_as_they_are(recwarn):
    figure = landscape(report_of({"$a_{1$": C, "two\nlines 世": load_corpus("demo")[0]}))
    figure.draw_without_rendering()
    told = {c.get_text() for c in figure.axes[0].get_children() if isinstance(c, Annotation)}
    assert told == {"$a_{1$", "two lines □"}
    assert not recwarn.list


def test_long_names_keep_what_tells_them_apart():
    chorales = load_corpus("demo")
    title = "a-name-that-is-much-too-long-for-a-picture"
    names = [f"{title}-{n}-replaced" for n in range(len(chorales))]
    figure = landscape(report_of(chorales, names=names))
    told = {c.get_text() for c in figure.axes[0].get_children() if isinstance(c, Annotation)}
    assert told == {f"a…{n}-replaced" for n in range(len(chorales))}


def test_the_longest_labels_of_axes_fit():
    longest = sorted(FEATURES, key=lambda feature: len(feature.counted))[-2:]
    figure = landscape(report_of(load_corpus("demo")), axes=[feature.name for feature in longest])
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        box = axis.label.get_window_extent()
        room = figure.axes[0].get_window_extent()
        assert (box.width if axis.axis_name == "x" else box.height) < (
            room.width if axis.axis_name == "x" else room.height
        )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"axes": ("notes",)}, "two different features"),
        ({"axes": "notes"}, "two different features"),
        ({"axes": ("entropy", "pitch-class entropy")}, "two different features"),
        ({"axes": ("notes", "beauty")}, "'beauty': unknown"),
        ({"axes": ("notes", "distance")}, "no piece has both"),
        ({"labels": ("a", "b")}, "expected 1, one a row"),
    ],
)
def test_bad_input_is_refused(options, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        landscape(report_of([C]), **options)
