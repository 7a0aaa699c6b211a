"""The nearest passage: what is planted is found; what is found is what a slow search finds."""

import numpy as np
import pytest

from coconet.chorale import Chorale
from coconet.corpus import load_corpus, transpose
from coconet.errors import ChoraleError
from coconet.passages import SHIFTS, above_nearest, longest_copy, nearest_passage


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("valid")[:12]


def noise(seed, steps):
    return np.random.default_rng(seed).integers(84, 96, (4, steps))


@pytest.mark.parametrize(("number", "semitones"), [(0, 0), (3, 5), (7, -4), (11, 12)])
def test_a_transposed_planted_passage_is_found(corpus, number, semitones):
    chorale = corpus[number]
    first = chorale.upbeat % 4
    at = first + 8
    grid = noise(number, 64)
    grid[:, 16:48] = transpose(chorale, semitones).grid[:, at : at + 32]
    found = nearest_passage(grid, corpus)
    assert found.distance == 0 and found.share == 1
    assert (found.span, found.number, found.at) == ((16, 48), number, (at, at + 32))
    assert (found.semitones, found.bwv, found.steps) == (semitones, chorale.bwv, 32)


@pytest.mark.parametrize(("number", "semitones"), [(1, 0), (4, 3), (10, -7)])
def test_the_longest_copy_is_found_at_any_step(corpus, number, semitones):
    grid = noise(number, 60)
    grid[:, 5:46] = transpose(corpus[number], semitones).grid[:, 11:52]
    found = longest_copy(grid, corpus)
    assert (found.span, found.number, found.at) == ((5, 46), number, (11, 52))
    assert (found.semitones, found.steps, found.distance) == (semitones, 41, 0)


def slow_nearest(grid, first, chorales, length):
    best = -1
    for start in range(first, grid.shape[1] - length + 1, 4):
        for chorale in chorales:
            for at in range(chorale.upbeat % 4, chorale.steps - length + 1, 4):
                theirs = chorale.grid[:, at : at + length].astype(int)
                for semitones in SHIFTS:
                    moved = np.where(theirs > 0, theirs + semitones, 0)
                    best = max(best, int((moved == grid[:, start : start + length]).sum()))
    return best / (4 * length)


def slow_longest(grid, chorales):
    longest = 0
    for chorale in chorales:
        theirs = chorale.grid.astype(int)
        for semitones in SHIFTS:
            moved = np.where(theirs > 0, theirs + semitones, 0)
            for offset in range(-grid.shape[1] + 1, chorale.steps):
                run = 0
                for step in range(grid.shape[1]):
                    inside = 0 <= step + offset < chorale.steps
                    same = inside and (moved[:, step + offset] == grid[:, step]).all()
                    run = run + 1 if same and grid[:, step].any() else 0
                    longest = max(longest, run)
    return longest


@pytest.mark.parametrize(("number", "length"), [(0, 8), (1, 16)])
def test_agrees_with_a_slow_search(number, length):
    piece, *others = (load_corpus("demo") + load_corpus("test"))[number : number + 3]
    first = piece.upbeat % 4
    grid = piece.grid[:, first : first + 28]
    found = nearest_passage(grid, others, length=length)
    assert found.share == slow_nearest(grid, 0, others, length)
    chorale = others[found.number]
    theirs = chorale.grid[:, slice(*found.at)].astype(int)
    moved = np.where(theirs > 0, theirs + found.semitones, 0)
    assert (moved == grid[:, slice(*found.span)]).mean() == found.share
    short = [Chorale(other.grid[:, :24]) for other in others]
    assert longest_copy(grid[:, :12], short).steps == slow_longest(grid[:, :12], short)


def test_a_passage_of_the_corpus_is_nearest_to_itself(corpus):
    for number, chorale in enumerate(corpus[:3]):
        found = nearest_passage(chorale, corpus)
        assert (found.distance, found.number, found.semitones) == (0, number, 0)
        assert found.span == found.at
        copy = longest_copy(chorale, corpus)
        assert (copy.span, copy.at, copy.number) == ((0, chorale.steps),) * 2 + (number,)


@pytest.mark.parametrize("search", [nearest_passage, longest_copy])
def test_a_passage_stands_above_its_nearest_in_one_key(corpus, search):
    piece = load_corpus("demo")[1]
    found = search(piece, corpus)
    both, differs = above_nearest(piece, found, corpus)
    assert both.grid.shape == differs.shape == (8, found.steps)
    assert np.array_equal(both.grid[:4], piece.grid[:, slice(*found.span)])
    moved = transpose(corpus[found.number], found.semitones).grid
    assert np.array_equal(both.grid[4:], moved[:, slice(*found.at)])
    assert (~differs[:4]).mean() == found.share
    assert np.array_equal(differs[4:], both.grid[:4] != both.grid[4:])
    assert (both.sharps, both.time_signature) == (piece.sharps, piece.time_signature)


def test_no_passage_runs_from_one_chorale_into_the_next(corpus):
    one, two = corpus[:2]
    grid = np.hstack([one.grid[:, -16:], two.grid[:, :16]])
    assert longest_copy(grid, corpus).steps <= 16
    assert nearest_passage(grid, corpus).distance > 0


def test_silence_is_no_copy(corpus):
    silent = Chorale(np.hstack([np.zeros((4, 16), int), corpus[0].grid]))
    assert longest_copy(np.zeros((4, 16), int), [silent]) is None
    assert longest_copy(noise(1, 16), corpus) is None


def test_the_upbeat_sets_the_beats(corpus):
    chorale = corpus[0]
    shifted = Chorale(np.hstack([noise(2, 2), chorale.grid[:, chorale.upbeat % 4 :]]), upbeat=2)
    found = nearest_passage(shifted, corpus)
    assert found.distance == 0 and found.span[0] % 4 == 2


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda bach: nearest_passage(bach[0], bach, length=30), "whole beats"),
        (lambda bach: nearest_passage(bach[0], bach, length=0), "whole beats"),
        (lambda bach: nearest_passage(bach[0].grid[:, :20], bach), "at least 8 whole beats, got 5"),
        (lambda bach: nearest_passage(np.ones((3, 64), int), bach), "4 voices"),
        (lambda bach: nearest_passage(bach[0], [Chorale(bach[0].grid[:, :20])]), "corpus"),
        (lambda bach: nearest_passage(bach[0], []), "corpus"),
        (lambda bach: longest_copy(bach[0], []), "corpus"),
        (lambda bach: longest_copy(np.full((4, 8), 200), bach), "MIDI pitch"),
    ],
)
def test_bad_input_is_refused(act, complaint, corpus):
    with pytest.raises(ChoraleError, match=complaint):
        act(corpus)
