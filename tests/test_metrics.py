"""Metrics: hand-counted grids, slow and obvious counts, Bach's own rows."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coconet.corpus import load_corpus, load_jsb, transpose
from coconet.errors import ChoraleError
from coconet.grid import RANGES
from coconet.metrics import (
    METRICS,
    NAMES,
    Row,
    bach_rows,
    bach_spread,
    battery,
    count_metrics,
    rates,
    row_of,
    within_bach,
)

#: Few pitches, near each other: so that notes are held, doubled, crossed and parallel.
GRIDS = hnp.arrays(
    np.int16,
    st.tuples(st.just(4), st.integers(1, 24)),
    elements=st.sampled_from([0, 40, 48, 55, 57, 59, 60, 60, 62, 64, 67, 72, 84]),
)
#: Metrics that a transposition changes: the ranges' own, and no other.
FIXED_PITCHES = {"beyond"}


def counts_of(grid):
    return dict(zip(NAMES, count_metrics([grid])[0].tolist(), strict=True))


def grid_of(*voices):
    return np.array(voices, np.int16)


# ---------------------------------------------------------------- counted by hand

C = [[72], [67], [64], [48]]
HELD = np.repeat(C, 8, axis=1)
PARALLEL = grid_of([67, 69], [60, 62], [55, 53], [48, 50])
CROSSED = grid_of([60, 60], [62, 60], [64, 55], [65, 43])


@pytest.mark.parametrize(
    ("name", "grid", "expected"),
    [
        ("hold", HELD, [28, 28]),
        ("hold", grid_of([60, 60, 62, 0], [0] * 4, [0] * 4, [48, 0, 48, 48]), [2, 3]),
        ("onsets", HELD, [0, 8]),
        ("onsets", grid_of([60, 60, 62, 0], [0] * 4, [0] * 4, [48, 0, 48, 48]), [2, 4]),
        ("triads", np.array(C), [1, 1]),
        ("triads", grid_of([72], [67], [60], [48]), [1, 1]),  # no third: fits a triad
        ("triads", grid_of([72], [60], [60], [48]), [0, 1]),  # one pitch class is none
        ("triads", grid_of([72], [67], [65], [48]), [0, 1]),
        ("triads", grid_of([72], [67], [0], [0]), [0, 0]),
        ("dissonant", grid_of([74], [72], [66], [60]), [4, 6]),
        ("order", CROSSED, [1, 2]),
        ("moving", PARALLEL, [6, 6]),
        ("moving", grid_of([67, 69], [60, 62], [55, 0], [0, 50]), [1, 1]),
        ("fifths", PARALLEL, [2, 6]),  # soprano with alto and bass
        ("octaves", PARALLEL, [1, 6]),  # alto and bass
        ("fifths", grid_of([60, 62], [65, 67], [50, 50], [40, 40]), [0, 1]),  # crossed fourths
        ("beyond", grid_of([59, 60, 81, 82], [52] * 4, [0] * 4, [35, 36, 66, 67]), [4, 12]),
        ("cross SA", CROSSED, [1, 2]),
        ("cross AT", CROSSED, [1, 2]),
        ("cross TB", CROSSED, [1, 2]),
        ("spacing", grid_of([72, 73, 72], [60, 60, 60], [48, 48, 47], [40] * 3), [2, 3]),
        ("leaps", grid_of([60, 67, 75, 75], [0, 60, 0, 72], [55] * 4, [48, 36, 36, 38]), [2, 4]),
        # A sixth up and a step down; a tritone up at the end; the bass may leap.
        (
            "resolved",
            grid_of([60, 69, 69, 67], [60, 60, 66, 66], [50] * 4, [48, 36, 38, 38]),
            [1, 1],
        ),
        ("resolved", grid_of([60, 69, 71, 65, 64], [60] * 5, [50] * 5, [40] * 5), [0, 2]),
        ("resolved", grid_of([60, 69, 0, 67], [60] * 4, [50] * 4, [40] * 4), [0, 0]),
        ("repeated", np.repeat(C, 12, axis=1), [2, 2]),
        ("repeated", np.hstack([HELD, HELD + 1]), [2, 3]),
        ("repeated", grid_of([72] * 12, [67] * 12, [64] * 12, [48] * 8 + [0] * 4), [1, 1]),
        ("ending", np.array(C), [0, 0]),
    ],
)
def test_counted_by_hand(name, grid, expected):
    assert counts_of(grid)[name] == expected


# ---------------------------------------------------------------- counted slowly


def slow_counts(grid):
    """Every metric but the ending, cell by cell."""
    found = {name: [0, 0] for name in NAMES if name != "ending"}
    rows = grid.tolist()
    steps = len(rows[0])

    def count(name, condition):
        found[name][0] += bool(condition)
        found[name][1] += 1

    for voice, row in enumerate(rows):
        before = None  # the motion before this one, if no rest came between
        for step, pitch in enumerate(row):
            if pitch == 0:
                before = None
                continue
            count("beyond", not RANGES[voice][0] <= pitch <= RANGES[voice][1])
            if step == 0 or row[step - 1] == 0:
                continue
            size = pitch - row[step - 1]
            count("hold", size == 0)
            if size:
                count("leaps", abs(size) > 7)
                if voice < 3 and before is not None and abs(before) > 5:
                    count("resolved", abs(size) <= 2 and size * before < 0)
                before = size
    triads = [
        {(r + d) % 12 for d in t}
        for r in range(12)
        for t in ((4, 7, 0), (3, 7, 0), (3, 6, 0), (4, 8, 0))
    ]
    for step in range(steps):
        chord = [row[step] for row in rows]
        found["onsets"][1] += 1
        for row in rows if step else []:
            found["onsets"][0] += row[step] not in (0, row[step - 1])
        classes = {pitch % 12 for pitch in chord if pitch}
        if sum(pitch > 0 for pitch in chord) > 2:
            count("triads", len(classes) > 1 and any(classes <= triad for triad in triads))
        if all(chord):
            count("order", chord == sorted(chord, reverse=True))
        s, a, t, _ = chord
        if (s and a) or (a and t):
            count("spacing", (s and a and s - a > 12) or (a and t and a - t > 12))
        for upper, name in enumerate(("cross SA", "cross AT", "cross TB")):
            if chord[upper] and chord[upper + 1]:
                count(name, chord[upper] < chord[upper + 1])
        for a, b in combinations(rows, 2):
            if a[step] and b[step]:
                count("dissonant", abs(a[step] - b[step]) % 12 in (1, 2, 6, 10, 11))
            if step == 0 or 0 in (a[step], b[step], a[step - 1], b[step - 1]):
                continue
            moves = (a[step] - a[step - 1], b[step] - b[step - 1])
            count("moving", all(moves))
            if all(moves):
                sizes = {abs(a[step] - b[step]) % 12, abs(a[step - 1] - b[step - 1]) % 12}
                count("fifths", moves[0] * moves[1] > 0 and sizes == {7})
                count("octaves", moves[0] * moves[1] > 0 and sizes == {0})
    for step in range(4, steps, 4):
        chords = [[row[at] for row in rows] for at in (step - 4, step)]
        if all(chords[0] + chords[1]):
            count("repeated", chords[0] == chords[1])
    return found


@settings(max_examples=60)
@given(GRIDS)
def test_counts_agree_with_the_obvious_loops(grid):
    found = counts_of(grid)
    found.pop("ending")
    assert found == slow_counts(grid)


@pytest.mark.parametrize("split", ["demo", "valid"])
def test_counts_agree_with_the_obvious_loops_on_bach(split):
    for chorale in load_corpus(split)[:4]:
        if chorale.upbeat % 4 == 0:
            found = counts_of(chorale.grid)
            found.pop("ending")
            assert found == slow_counts(chorale.grid), chorale.bwv


def test_beats_begin_after_the_upbeat():
    chorale = load_corpus("demo")[0].replace(
        grid=np.hstack([np.repeat(C, 6, axis=1), np.repeat(np.add(C, 2), 4, axis=1)]),
        fermatas=None,
        phrases=(),
        upbeat=2,
    )
    position = NAMES.index("repeated")
    assert count_metrics([chorale])[0, position].tolist() == [0, 1]
    assert count_metrics([chorale.grid])[0, position].tolist() == [1, 2]


# ---------------------------------------------------------------- sets of pieces


@settings(max_examples=40)
@given(GRIDS, st.integers(-11, 11))
def test_transposition_changes_only_what_knows_the_ranges(grid, semitones):
    moved = np.where(grid > 0, grid + semitones, 0)
    before, after = counts_of(grid), counts_of(moved)
    for name in set(NAMES) - FIXED_PITCHES:
        assert before[name] == after[name], name


def test_transposed_bach_ends_as_bach():
    for chorale in load_corpus("demo"):
        for semitones in (-5, 3, 6):
            moved = counts_of(transpose(chorale, semitones).grid)
            assert moved["ending"] == counts_of(chorale.grid)["ending"] == [1, 1]


@settings(max_examples=25)
@given(st.lists(GRIDS, min_size=1, max_size=4), st.integers(2, 5))
def test_copies_of_all_pieces_change_no_rate(grids, copies):
    once, again = battery(grids), battery(grids * copies)
    np.testing.assert_allclose(once.values, again.values)
    assert again.pieces == copies * once.pieces


@settings(max_examples=25)
@given(st.lists(GRIDS, min_size=2, max_size=4))
def test_a_set_is_the_sum_of_its_pieces(grids):
    assert (battery(grids).counts.sum(0) == sum(count_metrics([g])[0] for g in grids)).all()


@settings(max_examples=25)
@given(GRIDS, GRIDS)
def test_stacked_quartets_count_as_two(one, two):
    steps = min(one.shape[1], two.shape[1])
    one, two = one[:, :steps], two[:, :steps]
    stacked = count_metrics([np.vstack([one, two])])[0]
    assert (stacked == count_metrics([one, two]).sum(0)).all()


def test_what_is_given_stays():
    grid = load_corpus("demo")[0].grid.copy()
    before = grid.copy()
    battery([grid], rng=np.random.default_rng(1))
    assert (grid == before).all()


def test_errors_are_those_of_an_obvious_bootstrap():
    pieces = load_corpus("valid")[:20]
    row = battery(pieces, rng=np.random.default_rng(3), resamples=3000)
    rng = np.random.default_rng(4)
    drawn = [rates(row.counts[rng.integers(20, size=20)].sum(0)) for _ in range(3000)]
    for name in ("hold", "triads", "moving", "leaps", "fifths"):
        position = NAMES.index(name)
        assert row.error(name) == pytest.approx(np.std(drawn, axis=0)[position], rel=0.1), name


def test_the_same_seed_gives_the_same_errors():
    rows = [battery(load_corpus("demo"), rng=np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(rows[0].errors, rows[1].errors)


def test_without_a_generator_or_with_one_piece_there_are_no_errors():
    demo = load_corpus("demo")
    assert np.isnan(battery(demo).errors).all()
    assert np.isnan(battery(demo[:1], rng=np.random.default_rng(1)).errors).all()


def test_nothing_to_count_among_is_no_number():
    row = battery([np.zeros((4, 8), int)] * 2, rng=np.random.default_rng(1))
    assert np.isnan(row.value("hold")) and np.isnan(row.error("hold"))
    assert row.value("onsets") == 0


# ---------------------------------------------------------------- Bach


@pytest.fixture(scope="module")
def bach():
    return bach_rows(rng=np.random.default_rng(1))


def test_bach_is_within_bach(bach):
    assert [row.pieces for row in bach] == [239, 77, 87]
    for row in bach:
        assert all(within_bach(row, bach).values())
    low, high = bach_spread(bach)
    assert (low <= high).all()


def test_bach_writes_well(bach):
    for row in bach:
        assert row.value("ending") > 0.89
        assert row.value("fifths") < 1 and row.value("octaves") < 1
        assert row.value("beyond") < 0.001


def test_what_is_not_bach_is_not_within(bach):
    noise = np.random.default_rng(2).integers(45, 75, (4, 128))
    inside = within_bach(battery([noise]), bach)
    assert not any(inside[name] for name in ("hold", "onsets", "triads", "order", "leaps"))
    silent = within_bach(battery([np.zeros((4, 8), int)]), bach)
    assert not silent["hold"]


def test_the_spread_is_widened_by_each_ends_own_errors():
    def row(value, error):
        full = np.ones(len(METRICS))
        return Row("", np.zeros((1, len(METRICS), 2)), value * full, error * full)

    low, high = bach_spread([row(1, 0.1), row(3, 0.5), row(2, 9)])
    np.testing.assert_allclose(low, 1 - 0.196)
    np.testing.assert_allclose(high, 3 + 0.98)


def test_the_papers_training_pieces(project):
    path = project.parent / "shared" / "data" / "jsb.npz"
    if not path.exists():
        pytest.skip("the paper's pieces aren't part of the project")
    row = battery([chorale for chorale in load_jsb(path) if chorale.split == "train"])
    expected = {
        "hold": 0.780,
        "onsets": 0.876,
        "triads": 0.690,
        "dissonant": 0.0997,
        "order": 0.976,
        "octaves": 0.61,
    }
    for name, value in expected.items():
        digits = 4 if name == "dissonant" else 2 if name == "octaves" else 3
        assert round(row.value(name), digits) == value, name
    # Counted by signed intervals, six parallel fourths of crossed voices would make 38.
    assert row.counts.sum(0)[NAMES.index("fifths")].tolist() == [32, 47475]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda: battery([]), "at least one piece"),
        (lambda: battery([np.ones((3, 8), int)]), "four voices"),
        (lambda: battery([np.ones((4, 8), int), np.full((4, 8), 300)]), "piece 1"),
        (lambda: battery([np.ones((4, 8, 2), int)]), "shape"),
        (lambda: battery(["piece.npy"]), "whole numbers"),
        (lambda: row_of(np.zeros((0, len(METRICS), 2), int), name="mine"), "mine"),
        (lambda: battery([np.array(C)]).value("beauty"), "expected one of hold"),
        (lambda: bach_spread([]), "at least one row"),
    ],
)
def test_bad_input_is_refused(act, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        act()
