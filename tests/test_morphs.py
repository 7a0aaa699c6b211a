"""Pictures of replacement: every round under the original, every replacement on the curves."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from mocks import Uniform

from coconet.colours import VOICE_COLOURS
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.jobs import version_generators
from coconet.morphs import MOST_ROLLS, morph, replacement_curves
from coconet.phrases import cut_phrases
from coconet.plots import save_figure
from coconet.replace import Plan, replace_voices

PHRASE = cut_phrases(load_corpus("demo")[1])[0]


def replaced(plan, count=1):
    rngs = [version_generators(1, number)[0] for number in range(1, count + 1)]
    return replace_voices(Uniform(), [PHRASE] * count, plan, rngs=rngs)


def test_the_original_stands_above_each_round_and_the_curves_below(tmp_path):
    (made,) = replaced(Plan(rounds=3, passes=2))
    figure = morph(made)
    *rolls, curves = figure.axes
    titles = [ax.get_title(loc="left") for ax in rolls]
    assert titles[0] == "The original"
    assert titles[3] == f"Round 3: {made.distance[-1, -1]:.0%} of the cells differ"
    assert {ax.get_xlim() for ax in rolls} == {(0, PHRASE.steps)}
    assert len({ax.get_ylim() for ax in rolls}) == 1
    assert figure.get_suptitle() == "Schmücke dich, o liebe Seele, in F major"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["soprano", "alto", "tenor", "bass", "another pitch", "as in the original"]
    assert len(curves.lines[0].get_xdata()) == 12
    assert save_figure(figure, tmp_path / "morph.png").stat().st_size > 20_000


def test_many_rounds_are_shown_by_some_of_them():
    (made,) = replaced(Plan(order="alto", rounds=13, passes=1))
    figure = morph(made, title="here", curves=False)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert len(titles) == 1 + MOST_ROLLS and titles[-1].startswith("Round 13:")
    assert figure.get_suptitle() == "here"


def test_the_curves_show_every_replacement_in_the_colour_of_its_voice():
    versions = replaced(Plan(keep="tenor", rounds=2, passes=2), count=3)
    ax = replacement_curves(versions, title="Three")
    distance, kept, out = ax.lines[:3]
    assert np.allclose(distance.get_ydata(), np.mean([v.distance for v in versions], 0).ravel())
    assert np.allclose(kept.get_ydata(), np.mean([v.kept for v in versions], 0).ravel())
    assert np.allclose(out.get_ydata(), np.mean([v.out_of_key for v in versions], 0).ravel())
    points, *_ = [c for c in ax.collections if len(c.get_offsets()) == 6]
    shown = [to_hex(colour).upper() for colour in points.get_facecolors()]
    assert shown == [VOICE_COLOURS[row] for row in (0, 1, 3)] * 2
    assert ax.get_title(loc="left") == "Three"
    with pytest.raises(ChoraleError, match="at least one"):
        replacement_curves([])
