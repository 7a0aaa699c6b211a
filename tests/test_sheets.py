"""Contact sheets: each version has its place, and the page its limits."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import same_color

from coconet.candidates import describe
from coconet.chorale import clock
from coconet.colours import voice_colour
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.grid import notes_of
from coconet.plots import save_figure
from coconet.sheets import (
    KEPT,
    PAGE,
    contact_sheets,
    figure_of,
    long_roll,
    quartets_figure,
    telling,
)


@pytest.fixture(scope="module")
def pieces():
    return [crop(chorale, (0, 32)) for chorale in load_corpus("valid")[:8]]


def rolls(figure):
    return [ax for ax in figure.axes if ax.axison]


def notes(chorale):
    return sum(map(len, notes_of(chorale.grid, chorale.onsets)))


def drawn(ax):
    return sum(len(collection.get_paths()) for collection in ax.collections)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 12, 40])
def test_each_version_has_a_roll_with_number_key_and_figures(pieces, count):
    found = describe([pieces[n % len(pieces)] for n in range(count)])
    (sheet,) = contact_sheets(found, title="Some")
    axes = rolls(sheet)
    assert len(axes) == count
    for candidate, ax in zip(found, axes, strict=True):
        assert ax.get_title(loc="left") == f"{candidate.number}   {candidate.key}"
        assert telling(candidate) in [text.get_text() for text in ax.texts]
        assert drawn(ax) == notes(candidate.chorale)
    width, height = sheet.get_size_inches()
    assert count < 3 or 0.8 < width / height < 2
    assert len({ax.get_ylim() for ax in axes}) == 1


def test_more_versions_take_more_pages(pieces):
    found = describe([pieces[0]] * (PAGE + 1))
    first, second = contact_sheets(found, title="Many")
    assert (len(rolls(first)), len(rolls(second))) == (PAGE, 1)
    assert second.get_suptitle() == "Many (2 of 2)"
    assert rolls(second)[0].get_title(loc="left").startswith(f"{PAGE + 1} ")


def test_kept_notes_are_pale_and_stand_once_in_a_stack(pieces):
    one, two = pieces[0], pieces[0]
    stack = one.replace(grid=np.vstack([one.grid, two.grid]), onsets=np.vstack([one.onsets] * 2))
    hidden = np.ones((4, 32), bool)
    hidden[3] = False
    (sheet,) = contact_sheets(describe([stack]), hidden=hidden)
    pale = [c for c in rolls(sheet)[0].collections if c.get_alpha() == KEPT and c.get_paths()]
    assert len(pale) == 1
    assert same_color(pale[0].get_facecolor()[0][:3], voice_colour(3))
    assert len(pale[0].get_paths()) == len(notes_of(one.grid, one.onsets)[3])
    assert "across" in telling(describe([stack])[0])


def test_a_sheet_is_the_same_picture_each_time(pieces, tmp_path):
    files = [
        save_figure(contact_sheets(describe(pieces[:3]))[0], tmp_path / f"{n}.png", dpi=60)
        for n in range(2)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_quartets_of_a_stack_stand_below_each_other(pieces):
    stack = pieces[0].replace(
        grid=np.vstack([piece.grid for piece in pieces[:3]]),
        onsets=np.vstack([piece.onsets for piece in pieces[:3]]),
    )
    figure = quartets_figure(stack, title="Three")
    titles = [ax.get_title(loc="left") for ax in rolls(figure)]
    assert titles == ["Quartet 1", "Quartet 2", "Quartet 3"]
    assert figure.get_suptitle() == "Three"


def test_pitch_names_have_room(pieces):
    stack = pieces[0].replace(
        grid=np.vstack([pieces[0].grid] * 2), onsets=np.vstack([pieces[0].onsets] * 2)
    )
    wide = stack.grid.copy()
    wide[0][wide[0] > 0] += 24
    for piece in (stack.replace(grid=wide), pieces[0]):
        figure = quartets_figure(piece)
        figure.canvas.draw()
        for ax in rolls(figure):
            boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
            assert len(boxes) >= 3
            assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))


def test_a_long_piece_is_drawn_in_lines_from_bar_lines_on():
    bach = next(chorale for chorale in load_corpus("demo") if chorale.bwv == "244.3")
    long = bach.replace(
        grid=np.tile(bach.grid, (1, 9)),
        onsets=np.tile(bach.onsets, (1, 9)),
        fermatas=np.tile(bach.fermatas, 9),
        phrases=(),
        time_signature="3/4",
        upbeat=4,
    )
    figure = long_roll(long, title="Long")
    titles = [ax.get_title(loc="left") for ax in rolls(figure)]
    bars = -(-(long.steps - 4) // 12)
    assert len(titles) == -(-bars // (384 // 12)) == 5
    line = -(-bars // 5) * 12
    begins = clock((4 + line) * 15 / long.tempo)
    assert titles[:2] == ["bar 0, 0:00", f"bar {1 + line // 12}, {begins}"]
    # A note that is cut by the end of a line is drawn in both.
    cut = sum(drawn(ax) for ax in rolls(figure)) - notes(long)
    assert 0 <= cut <= 4 * (len(titles) - 1)
    assert figure.get_suptitle() == "Long"
    numbered = [ax.get_xticklabels()[0].get_text() for ax in rolls(figure)]
    assert numbered[:2] == ["1", f"{1 + line // 12}"]
    assert len({ax.get_xlim() for ax in rolls(figure)}) == 1
    hours = long.replace(grid=np.full((1, 99_999), 60), onsets=None, fermatas=None)
    assert len(rolls(long_roll(hours))) <= 25


@pytest.mark.parametrize(
    ("voices", "times", "panels", "lines"),
    [(4, 1, 1, False), (4, 13, 2, True), (16, 1, 4, False), (6, 1, 1, True), (20, 1, 1, True)],
)
def test_a_picture_that_can_be_read_whatever_the_size(pieces, voices, times, panels, lines):
    grid = np.tile(pieces[0].grid, (-(-voices // 4), times))[:voices]
    piece = pieces[0].replace(grid=grid, onsets=None, fermatas=None, phrases=(), title="Any")
    figure = figure_of(piece)
    assert len(rolls(figure)) == panels
    boxes = [collection for ax in rolls(figure) for collection in ax.collections]
    assert all(max(collection.get_linewidth()) == 0 for collection in boxes) == lines
    assert "Any" in (figure.get_suptitle(), rolls(figure)[0].get_title(loc="left"))


def test_silence_can_be_drawn(pieces):
    silent = pieces[0].replace(grid=np.zeros((4, 32), int))
    assert drawn(rolls(contact_sheets(describe([silent]))[0])[0]) == 0


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda pieces: contact_sheets([]), "at least one"),
        (
            lambda pieces: contact_sheets(describe(pieces[:1]), hidden=np.ones((4, 5), bool)),
            "expected the grid's shape",
        ),
        (lambda pieces: quartets_figure(pieces[0], names=["one", "two"]), "expected 1, one a"),
    ],
)
def test_bad_input_is_refused(pieces, act, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        act(pieces)
