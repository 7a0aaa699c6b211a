"""Backwards, slower, quicker, in canon: against plain loops over notes and steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import assert_only_moved, columns, labels, pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, notes_of
from coconet.theory import scale
from coconet.traced import NOWHERE, Traced
from coconet.transforms.motion import augment, canon, diminish, retrograde

BACH = next(c for c in load_corpus("demo") if c.bwv == "140.7")
LINE = np.array([[60, 62, 64, 65]])

# ---------------------------------------------------------------- retrograde


@given(pieces())
def test_backwards_notes_begin_where_they_ended(piece):
    made = retrograde(Traced.begin(piece))
    expected = [
        [(piece.steps - end, piece.steps - start, pitch) for start, end, pitch in notes[::-1]]
        for notes in notes_of(piece.grid, piece.onsets)
    ]
    assert notes_of(made.grid, made.onsets) == expected
    assert made.onsets.sum() == piece.onsets.sum()
    # A fermata goes to the last step of its chord: back, in the piece, while nothing changes.
    cells, expected = columns(piece), [False] * piece.steps
    for step in np.flatnonzero(piece.fermatas).tolist():
        while step and all(
            now == before and not begins
            for (now, begins), (before, _) in zip(cells[step], cells[step - 1], strict=True)
        ):
            step -= 1
        expected[piece.steps - 1 - step] = True
    assert made.chorale.fermatas.tolist() == expected
    assert_only_moved(made, piece)
    back = retrograde(made)
    assert columns(back.chorale) == columns(piece)
    assert back.chorale.phrases == piece.phrases
    assert (back.step == np.arange(piece.steps)).all()


def test_bar_lines_are_mirrored():
    piece = Chorale(np.full((1, 40), 60), upbeat=4, phrases=(12, 28))  # bar lines at 4, 20, 36
    made = retrograde(piece)
    assert made.upbeat == 4  # at 4, 20, 36
    assert made.phrases == (28, 12)
    assert retrograde(piece.replace(upbeat=10)).upbeat == 14  # at 10, 26 -> 14, 30
    assert retrograde(retrograde(BACH)).upbeat == BACH.upbeat


def test_fermatas_stay_with_their_chords():
    piece = Chorale([[60, 60, 62, 62, 62, 0]], fermatas=[False, True, False, False, True, False])
    made = retrograde(piece)
    assert made.grid.tolist() == [[0, 62, 62, 62, 60, 60]]
    assert np.flatnonzero(made.fermatas).tolist() == [3, 5]
    assert (retrograde(made).fermatas == piece.fermatas).all()
    assert (retrograde(retrograde(BACH)).fermatas == BACH.fermatas).all()
    # Within a held chord: it comes back on the chord's last step.
    within = retrograde(retrograde(Chorale([[60, 60, 60, 62]], fermatas=[0, 1, 0, 0])))
    assert np.flatnonzero(within.fermatas).tolist() == [2]


# ---------------------------------------------------------------- slower, quicker


@given(pieces(), st.integers(1, 5))
def test_augmented_notes_are_as_many_times_as_long(piece, by):
    made = augment(Traced.begin(piece), by=by)
    expected = [
        [(start * by, end * by, pitch) for start, end, pitch in notes]
        for notes in notes_of(piece.grid, piece.onsets)
    ]
    assert notes_of(made.grid, made.onsets) == expected
    assert made.onsets.sum() == piece.onsets.sum()
    assert made.chorale.phrases == tuple(by * length for length in piece.phrases)
    assert made.chorale.upbeat == by * piece.upbeat % 16
    assert_only_moved(made, piece)
    back = diminish(made, by=by)
    assert columns(back.chorale) == columns(piece)
    assert (back.chorale.fermatas == piece.fermatas).all()
    assert back.chorale.phrases == piece.phrases
    assert (back.step == np.arange(piece.steps)).all()


@given(pieces(), st.integers(1, 30))
def test_diminish_against_a_slow_loop(piece, by):
    cells = columns(piece)
    heads = range(0, piece.steps, by)
    expected = []
    for head in heads:
        column = []
        for voice in range(piece.voices):
            pitch, begins = cells[head][voice]
            # A note that began since the last step that stays, if it is still heard.
            for step in range(max(0, head - by + 1), head):
                begins = begins or cells[step][voice][1]
            before = expected[-1][voice][0] if expected else REST
            column.append((pitch, pitch != REST and (begins or pitch != before)))
        expected.append(column)
    made = diminish(Traced.begin(piece), by=by)
    assert columns(made.chorale) == expected
    groups = [piece.fermatas[head : head + by].any() for head in heads]
    assert made.chorale.fermatas.tolist() == groups
    kept = [labels(piece)[head] for head in heads] if piece.phrases else []
    assert made.chorale.phrases == tuple(kept.count(number) for number in dict.fromkeys(kept))
    assert_only_moved(made, piece)
    left = max(0, piece.upbeat - piece.steps)  # a piece may end before its first bar line
    assert made.chorale.upbeat == (sum(head < piece.upbeat for head in heads) + left) % 16


# ---------------------------------------------------------------- canon


@settings(max_examples=60)
@given(pieces(), st.data())
def test_canon_against_a_slow_loop(piece, data):
    rows = data.draw(
        st.none() | st.lists(st.integers(0, piece.voices - 1), min_size=1, unique=True)
    )
    followers = data.draw(st.integers(1, 3))
    distance = data.draw(st.integers(1, 30))
    moves = data.draw(
        st.lists(st.integers(-20, 20), min_size=followers, max_size=followers) | st.integers(-9, 9)
    )
    tonal = data.draw(st.booleans())
    made = canon(
        Traced.begin(piece),
        voices=rows,
        distance=distance,
        interval=moves,
        followers=followers,
        tonal=tonal,
    )
    cells, expected = columns(piece), []
    for number in range(1 + followers):
        move = 0 if number == 0 else moves if isinstance(moves, int) else moves[number - 1]
        for row in range(piece.voices) if rows is None else rows:
            line = [(REST, False)] * (piece.steps + distance * followers)
            for step in range(piece.steps):
                pitch, begins = cells[step][row]
                if pitch != REST:
                    pitch = moved(pitch, move, piece) if tonal else pitch + move
                line[step + distance * number] = (pitch, begins)
            expected.append(line)
    assert columns(made.chorale) == [list(column) for column in zip(*expected, strict=True)]
    assert not (made.sounding & (made.voice == NOWHERE)).any()
    first = made.step[: len(expected) // (1 + followers)]
    assert (first[:, : piece.steps] == np.arange(piece.steps)).all()
    assert (first[:, piece.steps :] == NOWHERE).all()
    assert not made.chorale.phrases and not made.chorale.fermatas.any()


def moved(pitch, by, piece):
    """So many notes of the scale higher, counted from the one at or below; then as far above."""
    inside = set(scale(piece.tonic, piece.mode).tolist())
    notes = [note for note in range(-200, 300) if note % 12 in inside]
    below = max(place for place, note in enumerate(notes) if note <= pitch)
    return notes[below + by] + pitch - notes[below]


def test_canon_by_hand():
    grid = np.array([[72, 74], [60, 0]])
    assert canon(grid, distance=1, interval=[7, -5], followers=2).tolist() == [
        [72, 74, 0, 0],
        [60, 0, 0, 0],
        [0, 79, 81, 0],
        [0, 67, 0, 0],
        [0, 0, 67, 69],
        [0, 0, 55, 0],
    ]
    assert canon(grid, voices="alto", distance=3).tolist() == [[60, 0, 0, 0, 0], [0, 0, 0, 60, 0]]


def test_a_canon_of_the_highest_voice_that_sings():
    melody = np.array([[0, 0], [0, 0], [0, 0], [43, 45]])
    assert canon(melody, voices="highest", distance=1).tolist() == [[43, 45, 0], [0, 43, 45]]
    soprano = canon(BACH, voices="soprano", distance=16)
    assert (canon(BACH, voices="highest", distance=16).grid == soprano.grid).all()
    # One leader that sings is enough, and of silence a canon is silent.
    assert canon(melody, voices="alto,bass", distance=1).shape == (4, 3)
    assert not canon(np.zeros((2, 3), int), voices="alto", distance=1).any()


@pytest.mark.parametrize(
    ("key", "interval", "pitches", "expected"),
    [
        (("C", "major"), 2, [60, 64, 65, 71], [64, 67, 69, 74]),
        (("C", "major"), -1, [60, 62, 65], [59, 60, 64]),
        (("C", "major"), 7, [60, 66], [72, 78]),
        (("C", "major"), 1, [66, 61, 0], [68, 63, 0]),  # F sharp: G sharp
        (("A", "minor"), 1, [68, 69], [70, 71]),  # G sharp: A sharp
        (("F", "major"), 1, [69, 70], [70, 72]),
    ],
)
def test_tonal_answers(key, interval, pitches, expected):
    tonic, mode = key
    made = canon([pitches], distance=1, interval=interval, tonal=True, tonic=tonic, mode=mode)
    assert made[1, 1:].tolist() == expected


def test_a_tonal_canon_of_bach_stays_in_the_key():
    made = canon(BACH, voices="soprano", distance=16, interval=-4, tonal=True)
    inside = scale(BACH.tonic, BACH.mode)
    share = [np.isin(row[row != REST] % 12, inside).mean() for row in made.grid]
    assert share[0] == share[1] == 1
    real = canon(BACH, voices="soprano", distance=16, interval=-6)
    assert np.isin(real.grid[1][real.grid[1] != REST] % 12, inside).mean() < 0.9


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: augment(LINE, by=0), "by: expected a whole number, 1 to 100000, got 0"),
        (lambda: augment(LINE, by=1.5), "by: .*got 1.5"),
        (lambda: augment(BACH, by=100_000), "the limit is 4,000,000"),
        (lambda: diminish(LINE, by=-2), "by: .*got -2"),
        (lambda: diminish(LINE, by=True), "by: .*got True"),
        (
            lambda: canon([[0], [0], [0], [43]], voices="soprano", distance=1),
            "^voices: soprano rests throughout; bass sings: choose it$",
        ),
        (
            lambda: canon([[0], [60], [0]], voices=[2, 0], distance=1),
            "^voices: tenor, soprano rest throughout; alto sings",
        ),
        (lambda: canon(LINE, distance=0), "distance: .*got 0"),
        (lambda: canon(LINE, distance=2.0), "distance: .*got 2.0"),
        (lambda: canon(LINE, distance=1, followers=0), "followers: .*got 0"),
        (lambda: canon(LINE, distance=1, interval=0.5), "interval: .*got 0.5"),
        (lambda: canon(LINE, distance=1, interval="5"), "interval: .*got '5'"),
        (lambda: canon(LINE, distance=1, interval=[1, 2]), "each of 1 followers, got 2"),
        (lambda: canon(LINE, distance=1, voices="alto"), "voices: no alto among 1 voices"),
        (lambda: canon(LINE, distance=1, voices=[0, -1]), r"a row comes twice in \[0, -1\]"),
        (lambda: canon(LINE, distance=1, voices=np.array(0)), r"voices: .*got array\(0\)"),
        (lambda: canon(LINE, distance=1, interval=b"a"), "interval: .*got b'a'"),
        (lambda: canon(LINE, distance=1, tonal="no"), "tonal: expected true or false"),
        (lambda: canon(LINE, distance=1, tonal=True, tonic="H"), "tonic 'H'"),
        (lambda: canon(LINE, distance=1, tonic="D"), "tonic: counts only with tonal=True, got 'D'"),
        (lambda: canon(LINE, distance=1, beyond=np.ones(2)), "beyond: expected refuse, clamp"),
        (lambda: canon(LINE, distance=1, beyond="clam"), "did you mean clamp?"),
        (lambda: canon(LINE, distance=1, interval=64), "E4 would become .* MIDI 128"),
        (lambda: canon(LINE, distance=1, interval=-60), "C4 would become .* MIDI 0"),
        (lambda: canon(LINE, distance=1, interval=1, tonal=True, mode="x"), "mode: expected"),
        (lambda: canon(BACH, distance=100_000, followers=10_000), "the limit is"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ChoraleError, match=message):
        make()


def test_notes_outside_a_range_can_be_brought_back():
    made = canon(LINE, distance=4, interval=12, highest="E5", beyond="clamp")
    assert made[1, 4:].tolist() == [72, 74, 76, 65]
    made = canon(LINE, distance=4, interval=12, highest="E5", beyond="skip")
    assert made[1, 4:].tolist() == [72, 74, 76, 65]
