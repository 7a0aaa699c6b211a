"""Surprise: what the referee heard is what is told, in the right place and spelling."""

import numpy as np
import pytest
from mocks import Listening, Uniform

from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.grid import notes_of
from coconet.referee import PieceScore, Referee, score_piece
from coconet.surprise import Surprise, bars_of, place_of, surprise

LOW, HIGH = Uniform.pitches


@pytest.fixture(scope="module")
def chorale():
    """Two bars and an upbeat of a chorale in B minor."""
    return crop(next(c for c in load_corpus("demo") if c.bwv == "244.3"), (0, 36))


def made(chorale, frames, *, cells=None, expected=None):
    """A Surprise with given nats."""
    cells = np.tile(np.asarray(frames) / 4, (4, 1)) if cells is None else cells
    score = PieceScore("made", "frame", np.asarray(frames, float), cells, cells * 0, ())
    if expected is None:
        expected = np.full((*chorale.grid.shape, HIGH - LOW + 1), 1 / 46)
    return Surprise(chorale, score, expected, LOW)


@pytest.mark.parametrize(
    "rules", [Referee(orders=3), Referee(unit="note", orders=2), Referee(orders=2, every=3)]
)
def test_what_was_expected_explains_every_cells_nats(chorale, rules):
    found = surprise(Listening(), chorale, rules, progress=False)
    score = score_piece(Listening(), chorale, rules)
    assert np.array_equal(found.score.cells, score.cells, equal_nan=True)
    voice, step = np.nonzero(np.isfinite(score.cells))
    assert np.allclose(found.expected[voice, step].sum(-1), 1, atol=1e-5)
    chances = found.expected[voice, step, chorale.grid[voice, step] - LOW]
    assert np.allclose(-np.log(chances), score.cells[voice, step], atol=1e-5)
    assert np.isnan(found.expected[~np.isfinite(score.cells)]).all()


def test_the_size_of_a_pass_changes_nothing(chorale):
    a, b = (surprise(Listening(), chorale, chunk=n, progress=False) for n in (40, 8192))
    assert np.allclose(a.expected, b.expected, atol=1e-6)


def test_notes_are_told_by_their_hardest_cell(chorale):
    cells = np.random.default_rng(1).random(chorale.grid.shape)
    found = made(chorale, cells.sum(0), cells=cells)
    notes = found.notes()
    assert len(notes) == sum(map(len, notes_of(chorale.grid, chorale.onsets)))
    assert [note.nats for note in notes] == sorted((note.nats for note in notes), reverse=True)
    for note in notes:
        own = cells[note.voice, note.start : note.end]
        assert note.nats == own.max() == cells[note.voice, note.step]
        assert (chorale.grid[note.voice, note.start : note.end] == note.pitch).all()
    assert found.marks(notes).all()
    few = found.notes((8, 12))
    assert {note.step // 4 for note in few} == {2}
    assert all(note.start < 12 and note.end > 8 for note in few)
    assert found.marks(few[:1]).sum() == few[0].end - few[0].start


def test_cells_that_were_not_scored_are_no_surprise(chorale):
    cells = np.full(chorale.grid.shape, np.nan)
    cells[2, 20] = 3.0
    (note,) = made(chorale, np.nansum(cells, 0), cells=cells).notes()
    assert (note.voice, note.step, note.nats) == (2, 20, 3.0)


def test_the_hardest_bars_are_found():
    chorale = load_corpus("demo")[0]  # 4/4, no upbeat, 17 bars
    frames = np.zeros(chorale.steps)
    frames[5 * 16 + 3], frames[9 * 16], frames[10 * 16 + 15] = 9, 4, 4
    passages = made(chorale, frames).passages(2, bars=2)
    assert passages[0] in [(4 * 16, 6 * 16), (5 * 16, 7 * 16)]
    assert passages[1] == (9 * 16, 11 * 16)
    assert made(chorale, frames).passages(1, bars=1) == [(80, 96)]


@pytest.mark.parametrize("upbeat", [0, 4])
@pytest.mark.parametrize("bars", [1, 2, 50])
def test_passages_are_whole_bars_that_do_not_overlap(upbeat, bars):
    chorale = Chorale(np.full((4, 102), 60), upbeat=upbeat)
    frames = np.random.default_rng(bars).random(102)
    passages = made(chorale, frames).passages(50, bars=bars)
    covered = np.zeros(102, int)
    for a, b in passages:
        covered[a:b] += 1
        assert a == 0 or (a - upbeat) % 16 == 0
        assert b == 102 or (b - upbeat) % 16 == 0
    assert covered.max() == 1
    assert bars != 1 or covered.all()
    means = [frames[a:b].mean() for a, b in passages]
    assert means == sorted(means, reverse=True)


def test_what_was_expected_instead_is_spelled_in_its_place(chorale):
    found = made(chorale, np.zeros(chorale.steps))
    note = next(n for n in found.notes() if n.voice == 3 and n.pitch % 12 == 11)
    chances = np.zeros(HIGH - LOW + 1)
    chances[[note.pitch - LOW, note.pitch - 1 - LOW, note.pitch + 2 - LOW]] = 0.1, 0.7, 0.2
    expected = np.tile(chances, (4, chorale.steps, 1))
    cells = np.full(chorale.grid.shape, -np.log(0.1))
    found = made(chorale, cells.sum(0), cells=cells, expected=expected)
    note = next(n for n in found.notes() if (n.voice, n.start) == (note.voice, note.start))
    octave = note.pitch // 12 - 1
    # In B minor the leading note is A sharp, never B flat.
    assert found.instead(note) == [(f"A#{octave}", 0.7), (f"C#{octave + 1}", 0.2)]
    told = found.told(note)
    assert told.startswith(place_of(chorale, note.step) + ", bass: Bach has B")
    assert "gave 10 %" in told and f"A#{octave} (70 %) or C#{octave + 1} (20 %)" in told


@pytest.mark.parametrize(
    ("upbeat", "metre", "step", "place"),
    [
        (0, "4/4", 0, "bar 1, beat 1"),
        (4, "4/4", 0, "bar 0, beat 4"),
        (4, "3/4", 17, "bar 2, beat 1.25"),
        (0, "3/8", 9, "bar 2, beat 2.5"),
    ],
)
def test_places_are_those_of_a_score(upbeat, metre, step, place):
    chorale = Chorale(np.full((4, 40), 60), time_signature=metre, upbeat=upbeat)
    assert place_of(chorale, step) == place


def test_spans_are_told_as_bars():
    chorale = Chorale(np.full((4, 40), 60), upbeat=4)
    assert bars_of(chorale, (4, 36)) == "bars 1–2"
    assert bars_of(chorale, (0, 4)) == "bar 0"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda c: surprise(Listening(resolution=8), c, progress=False), "16 steps"),
        (lambda c: surprise(Uniform(), Chorale(c.grid[:3]), progress=False), "four voices"),
        (lambda c: made(c, np.zeros(36)).passages(0), "1 or more"),
        (lambda c: made(c, np.zeros(36)).passages(bars=0), "1 or more"),
        (lambda c: made(c, np.zeros(36)).notes((30, 60)), "span"),
    ],
)
def test_bad_input_is_refused(chorale, act, said):
    with pytest.raises(ChoraleError, match=said):
        act(chorale)
