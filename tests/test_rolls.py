"""Piano rolls of any size: every note is there, and can be told from the next."""

import numpy as np
import pytest
from drawn import axes, boxes
from matplotlib.colors import same_color

from coconet.chorale import Chorale
from coconet.colours import voice_colour
from coconet.corpus import crop, load_corpus
from coconet.grid import notes_of
from coconet.rolls import (
    STACKED,
    UNISONS,
    lanes,
    outlined,
    pitch_range,
    roll,
    told_of_unisons,
)
from coconet.transforms import repeat

SCHMUECKE = load_corpus("demo")[1]


@pytest.mark.parametrize("chorale", load_corpus("demo"), ids=lambda chorale: chorale.bwv)
def test_a_roll_has_a_box_a_note(chorale):
    ax = roll(chorale, axes())
    found, colours = boxes(ax)
    voices = notes_of(chorale.grid, chorale.onsets)
    expected = [(a, b, p, row) for row, notes in enumerate(voices) for a, b, p in notes]
    drawn = [(left, right, (low + high) / 2) for left, right, low, high in found]
    for (left, right, pitch), (start, end, middle, _) in zip(
        sorted(drawn), sorted((a, b, p, r) for a, b, p, r in expected), strict=True
    ):
        assert left == start and end - 0.31 < right < end and pitch == pytest.approx(middle)
    soprano = sum(same_color(colour[:3], voice_colour(0)) for colour in colours)
    assert soprano == len(voices[0])
    assert ax.get_xlim() == (0, chorale.steps)


def test_a_roll_of_its_own_has_a_title_and_names_its_voices():
    ax = roll(SCHMUECKE, title="Here")
    assert ax.get_title(loc="left") == "Here"
    labels = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert labels == ["soprano", "alto", "tenor", "bass"]


def test_a_roll_in_seconds_and_one_of_silence():
    ax = roll(SCHMUECKE.replace(tempo=30), axes(), seconds=True)
    assert ax.get_xlim() == (0, SCHMUECKE.steps / 2)
    assert boxes(ax)[0][0][0] == 0
    silent = roll(Chorale(np.zeros((3, 5), int)), axes())
    assert not sum(len(c.get_paths()) for c in silent.collections)


def test_lanes_show_voices_that_double_each_other():
    grid = np.array([[60, 60, 0, 62], [60, 60, 60, 60]])
    ax = lanes(Chorale(grid), title="Who sounds")
    found = sorted(
        (round(low + 0.4), left, round(right + 0.1)) for left, right, low, _ in boxes(ax)[0]
    )
    assert found == [(0, 0, 2), (0, 3, 4), (1, 0, 4)]
    assert ax.get_ylim() == (1.5, -0.5) and ax.get_title(loc="left") == "Who sounds"


def test_a_roll_may_show_more_steps_and_begin_at_another_bar():
    part = crop(SCHMUECKE.replace(upbeat=0), (24, 64))
    ax = roll(part, axes(), steps=100, first=3)
    assert ax.get_xlim() == (0, 100)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3", "4"]
    assert [*ax.get_xticks()] == [8, 24]


def test_repeated_notes_are_told_apart_however_many_steps_are_shown():
    short = Chorale(np.full((1, 8), 60), onsets=np.ones((1, 8), bool))
    assert len(boxes(roll(short, axes()))[0]) == 8
    for steps, gap in ((8, 0.1), (250, 0.2), (5000, 0.3)):
        left = [(a, b) for a, b, *_ in boxes(roll(short, axes(), steps=steps))[0]]
        assert left[0] == (0, pytest.approx(1 - gap))


def test_notes_of_stacked_quartets_shine_through():
    quartet = SCHMUECKE.grid[:, :32]
    for voices, opacity in ((quartet, 1), (np.vstack([quartet] * 2), STACKED)):
        assert set(boxes(roll(Chorale(voices), axes()))[1][:, 3]) == {opacity}


@pytest.mark.parametrize(
    ("steps", "lines", "numbers"), [(160, 10, 10), (960, 60, 20), (1600, 20, 20)]
)
def test_bars_have_lines_and_numbers_where_there_is_room(steps, lines, numbers):
    ax = roll(Chorale(np.full((1, steps), 60), onsets=np.ones((1, steps), bool)), axes())
    assert len(ax.get_xticks()) == numbers
    assert len(ax.lines) == lines


def test_unisons_are_told_of_where_there_are_some():
    alone = Chorale(np.array([[60, 0], [0, 60], [0, 62]]))
    doubled = Chorale(np.array([[60, 60], [62, 60]]))
    assert told_of_unisons([alone]) == "" and told_of_unisons([alone, doubled]) == UNISONS
    for piece, note in ((alone, ""), (doubled, UNISONS)):
        assert roll(piece).figure.legends[0].get_title().get_text() == note


def test_one_quartet_that_is_not_too_long_has_outlines():
    assert outlined(SCHMUECKE)
    assert not outlined(repeat(SCHMUECKE, spans="all", times=2))
    assert not outlined(Chorale(np.vstack([SCHMUECKE.grid] * 2)))


def test_the_range_of_pitches_has_a_margin():
    pieces = [Chorale(np.array([[60, 0]])), Chorale(np.array([[72]]))]
    assert pitch_range(pieces) == (58, 74)
    assert pitch_range([Chorale(np.zeros((1, 1), int))]) == (48, 72)
