"""Contact sheets: each version has its place, and the page its limits."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from coconet.candidates import describe
from coconet.colours import voice_colour
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.grid import notes_of
from coconet.plots import save_figure
from coconet.sheets import KEPT, PAGE, contact_sheets, quartets_figure, telling


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
