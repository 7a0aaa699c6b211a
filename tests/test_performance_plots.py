"""Pictures of performances: what they show is what is played."""

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.text import Text

from coconet.chorale import Chorale
from coconet.colours import voice_colour
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.performance_plots import (
    FEW,
    HEIGHT,
    performance_figure,
    performance_roll,
    tempo_curve,
    velocities,
)
from coconet.plots import Picture, before_after, piano_roll, piano_roll_figure, save_figure
from coconet.render.events import NOTE, Performance
from coconet.render.performance import perform
from coconet.render.style import ORIGINAL, Style
from coconet.rolls import UNISONS
from coconet.tuning import equal_frequencies

EQUAL = equal_frequencies()
SCHMUECKE = load_corpus("demo")[1]


def corners(ax):
    """The outlines of the notes, and their colours."""
    notes = ax.collections[0]
    return np.array([path.vertices[:6] for path in notes.get_paths()]), notes.get_facecolors()


ODD = r"Cash $\foo$"


@pytest.mark.parametrize(
    "draw",
    [
        lambda chorale, played: performance_figure(played),
        lambda chorale, played: piano_roll_figure(chorale),
        lambda chorale, played: before_after(chorale, chorale, chorale.grid > 60),
        lambda chorale, played: piano_roll(chorale, Figure().add_subplot()),
        lambda chorale, played: performance_roll(played, Figure().add_subplot(), title=ODD),
        lambda chorale, played: velocities(played, Figure().add_subplot(), title=ODD),
        lambda chorale, played: tempo_curve(played, Figure().add_subplot(), title=ODD),
    ],
)
def test_titles_are_no_formulas(tmp_path, draw):
    chorale = Chorale(SCHMUECKE.grid[:, :32], title=ODD)
    assert save_figure(draw(chorale, perform(chorale, EQUAL)), tmp_path / "a.svg").exists()


def test_a_notebook_too_shows_texts_as_they_are_written():
    picture = Picture()
    ax = picture.add_subplot()
    ax.plot([1, 2], [1, 1000], label=ODD)
    ax.legend()
    ax.set(yscale="log", ylabel=ODD)
    ax.set_xticks([1, 2], [ODD, "b"])
    ax.annotate(ODD, (1, 10))
    picture.suptitle(ODD)
    assert picture._repr_png_().startswith(b"\x89PNG")
    texts = {text.get_text(): text.get_parse_math() for text in picture.findobj(Text)}
    assert texts[ODD] is False
    powers = [text for text in texts if "10^" in text]
    assert powers and all(texts[text] for text in powers)


def test_a_figure_shows_notes_velocities_and_tempo(tmp_path):
    played = perform(SCHMUECKE, EQUAL)
    figure = performance_figure(played)
    roll, loudness, tempo = figure.axes
    assert figure.get_suptitle() == "Schmücke dich, o liebe Seele"
    assert [ax.get_ylabel() for ax in figure.axes] == ["pitch", "velocity", "quarters\na minute"]
    assert tempo.get_xlabel() == "minutes and seconds" and roll.get_xlabel() == ""
    assert roll.get_xlim() == tempo.get_xlim() == (0, played.seconds)
    outlines, colours = corners(roll)
    notes = played.notes
    order = np.argsort(-notes["voice"], kind="stable")
    edges = np.stack([outlines[:, :, 0].min(1), outlines[:, :, 0].max(1)], axis=1)
    assert np.allclose(edges, played.spans[order])
    assert np.allclose(outlines[:, :, 1].mean(1), notes["key"][order])
    heights = np.ptp(outlines[:, :, 1], axis=1)
    assert heights.max() == pytest.approx(HEIGHT)
    assert heights == pytest.approx(HEIGHT * notes["velocity"][order] / notes["velocity"].max())
    for colour, voice in zip(colours, notes["voice"][order], strict=True):
        assert same_color(colour[:3], voice_colour(voice))
    dots = loudness.collections[-1].get_offsets()
    assert (dots == np.column_stack([notes["start"], notes["velocity"]])).all()
    (steps,) = tempo.patches
    assert steps.get_data().values == pytest.approx(15 / np.diff(played.times))
    assert (steps.get_data().edges == played.times).all()
    assert save_figure(figure, tmp_path / "a.png", dpi=50).stat().st_size > 10_000


def test_glides_are_slanted():
    piece = Chorale(np.repeat([[60, 64]], 4, axis=1), tempo=60)
    outlines, _ = corners(performance_roll(perform(piece, EQUAL, Style(glide=0.25, fermata=0))))
    first = outlines[0]
    middle = {round(x, 6): first[np.isclose(first[:, 0], x), 1].mean() for x in first[:, 0]}
    bend, end = sorted(middle)[1:]
    assert end - bend == pytest.approx(0.25)
    assert list(middle.values())[:1] == [60] and middle[end] == pytest.approx(64)


def test_stacks_and_long_pieces(tmp_path):
    stack = Chorale(np.vstack([SCHMUECKE.grid] * 16), onsets=np.vstack([SCHMUECKE.onsets] * 16))
    played = perform(stack, EQUAL, ORIGINAL, rng=np.random.default_rng(1))
    assert len(played.notes) > FEW
    figure = performance_figure(played, title="64 voices")
    assert figure.get_suptitle() == "64 voices"
    assert figure.legends[0].get_title().get_text() == UNISONS
    assert len(figure.legends[0].get_texts()) == 4
    outlines, colours = corners(figure.axes[0])
    assert len(outlines) == len(played.notes) and colours[:, 3].max() < 0.5
    assert len(figure.axes[0].collections) == 1, "no edges, which would hide the rest"
    assert save_figure(figure, tmp_path / "a.png", dpi=50).stat().st_size > 10_000


def test_notes_from_no_grid_have_no_tempo():
    notes = np.zeros(1, NOTE)
    for name, value in {"duration": 1, "key": 60, "hz": 261.6, "velocity": 80}.items():
        notes[name] = value
    played = Performance(notes, 2.5, 1)
    figure = performance_figure(played)
    assert len(figure.axes) == 2 and figure.legends[0].get_title().get_text() == ""
    with pytest.raises(ChoraleError, match="tempo: these notes come from no grid"):
        tempo_curve(played)


@pytest.mark.parametrize("draw", [performance_figure, performance_roll, velocities, tempo_curve])
def test_nothing_is_no_picture(draw):
    with pytest.raises(ChoraleError, match="performance: has no notes to draw"):
        draw(Performance(np.zeros(0, NOTE), 1.0, 1))


def test_parts_are_drawn_where_they_are_told():
    played = perform(SCHMUECKE, EQUAL)
    for draw in (performance_roll, velocities, tempo_curve):
        ax = draw(played, title="mine")
        assert ax.get_title(loc="left") == "mine" and ax.get_xlabel() == "minutes and seconds"
        assert draw(played, ax) is ax
