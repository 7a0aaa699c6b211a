"""The nearest passage: what is planted is found; what is found is what a slow search finds."""

import numpy as np
import pytest

from coconet.chorale import Chorale
from coconet.corpus import load_corpus, transpose
from coconet.errors import ChoraleError
from coconet.passages import (
    SHIFTS,
    TURNS,
    above_nearest,
    longest_copy,
    nearest_harmony,
    nearest_passage,
)


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


def slow_harmony(grid, at):
    """The 24 numbers of the beat that begins at a step."""
    heard, bass = np.zeros(12, int), np.zeros(12, int)
    for step in range(at, at + 4):
        pitches = sorted(int(pitch) for pitch in grid[:, step] if pitch)
        for pitch_class in {pitch % 12 for pitch in pitches}:
            heard[pitch_class] += 1
        if pitches:
            bass[pitches[0] % 12] += 1
    return heard, bass


def slow_shared(one, other, semitones):
    least = most = 0
    for mine, theirs in zip(one, other, strict=True):
        for pitch_class in range(12):
            pair = mine[(pitch_class + semitones) % 12], theirs[pitch_class]
            least, most = least + min(pair), most + max(pair)
    return least / most if most else 1.0


@pytest.mark.parametrize(("number", "seed"), [(0, 1), (2, 2)])
def test_harmony_agrees_with_a_slow_search(number, seed):
    rng = np.random.default_rng(seed)
    piece, *others = (load_corpus("demo") + load_corpus("test"))[number : number + 3]
    grid = piece.grid[:, piece.upbeat % 4 :][:, :20].copy()
    grid[rng.random(grid.shape) < 0.2] = 0
    grid[:, 4:8] = 0
    others = [Chorale(other.grid[:, :26], upbeat=other.upbeat) for other in others]
    own = [slow_harmony(grid, at) for at in range(0, 20, 4)]
    best = {}
    for corpus_number, other in enumerate(others):
        first = other.upbeat % 4
        theirs = [slow_harmony(other.grid, at) for at in range(first, 23, 4)]
        for semitones in TURNS:
            alike = [[slow_shared(a, b, semitones) for b in theirs] for a in own]
            for here in range(len(own) - 2):
                for there in range(len(theirs) - 2):
                    share = np.mean([alike[here + k][there + k] for k in range(3)])
                    best[corpus_number, here * 4, first + there * 4, semitones] = share
    found = nearest_harmony(grid, others, length=12)
    assert found.share == pytest.approx(max(best.values()), abs=1e-6)
    told = (found.number, found.span[0], found.at[0], found.semitones)
    assert best[told] == pytest.approx(found.share, abs=1e-6)


def test_the_same_chords_in_other_voices_are_the_same_harmony(corpus):
    chorale = corpus[5]
    first = chorale.upbeat % 4
    grid = transpose(chorale, 3).grid[:, first : first + 32].copy()
    full = (grid > 0).all(0)
    assert full.any()
    grid[0] += np.where(grid[0] > 0, 12, 0).astype(grid.dtype)
    grid[[1, 2]] = grid[[2, 1]]
    found = nearest_harmony(grid, corpus)
    assert (found.distance, found.number, found.semitones) == (0, 5, 3)
    assert nearest_passage(grid, corpus).distance > 0.3


@pytest.mark.parametrize(
    ("chord", "share"),
    [
        ((72, 64, 55, 48), 1),  # the same chord
        ((79, 72, 60, 48), 3 / 4),  # without its third
        ((72, 67, 60, 52), 3 / 5),  # its first inversion
        ((76, 72, 69, 57), 1 / 3),  # a minor chord with two of its notes
    ],
)
def test_what_chords_share(chord, share):
    bach = Chorale(np.repeat([[76], [67], [60], [48]], 8, 1))
    other = np.repeat(np.array(chord)[:, None], 8, 1)
    # The second beat is the same, so that no transposition is better.
    other[:, 4:] = bach.grid[:, 4:]
    assert nearest_harmony(other, [bach], length=8).share == pytest.approx((share + 1) / 2)


def test_a_passage_of_the_corpus_is_nearest_to_itself(corpus):
    for number, chorale in enumerate(corpus[:3]):
        found = nearest_passage(chorale, corpus)
        assert (found.distance, found.number, found.semitones) == (0, number, 0)
        assert found.span == found.at
        copy = longest_copy(chorale, corpus)
        assert (copy.span, copy.at, copy.number) == ((0, chorale.steps),) * 2 + (number,)


@pytest.mark.parametrize("search", [nearest_passage, nearest_harmony, longest_copy])
def test_a_passage_stands_above_its_nearest_in_one_key(corpus, search):
    piece = load_corpus("demo")[1]
    found = search(piece, corpus)
    both, differs = above_nearest(piece, found, corpus)
    assert both.grid.shape == differs.shape == (8, found.steps)
    assert np.array_equal(both.grid[:4], piece.grid[:, slice(*found.span)])
    moved = transpose(corpus[found.number], found.semitones).grid
    assert np.array_equal(both.grid[4:], moved[:, slice(*found.at)])
    assert search is nearest_harmony or (~differs[:4]).mean() == found.share
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
        (lambda bach: nearest_harmony(bach[0], bach, length=6), "whole beats"),
        (lambda bach: nearest_harmony(bach[0].grid[:, :9], bach), "at least 8 whole beats, got 2"),
        (lambda bach: nearest_harmony(bach[0].grid[:, :3], bach), "8 whole beats, got 0"),
        (lambda bach: nearest_passage(bach[0].grid[:, :3], bach), "8 whole beats, got 0"),
        (lambda bach: nearest_harmony(bach[0], []), "corpus"),
        (lambda bach: nearest_passage(bach[0], [Chorale(bach[0].grid[:, :20])]), "corpus"),
        (lambda bach: nearest_passage(bach[0], []), "corpus"),
        (lambda bach: longest_copy(bach[0], []), "corpus"),
        (lambda bach: longest_copy(np.full((4, 8), 200), bach), "MIDI pitch"),
    ],
)
def test_bad_input_is_refused(act, complaint, corpus):
    with pytest.raises(ChoraleError, match=complaint):
        act(corpus)
