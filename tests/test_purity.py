"""How pure temperaments, keys, pieces and chords are, against slow counts note by note."""

import csv
import io
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import Chorale
from coconet.chord_sizes import chord_csv, chord_sizes, chord_table
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.intonation import adapt
from coconet.purity import (
    CIRCLE,
    beat_rate,
    deviations_from_just,
    fifths,
    just_cents,
    key_purity,
    major_thirds,
    minor_thirds,
    piece_purity,
    purity_csv,
    purity_table,
    purity_text,
)
from coconet.theory import NAMES
from coconet.tuning import load_tuning, tuning_names

JUST = {3: 315.641, 4: 386.314, 7: 701.955}
SYNTONIC = 1200 * np.log2(81 / 80)
#: What it is called with nothing chosen.
ADAPTIVE = "adaptive over secor-victorian"


@pytest.fixture(scope="module")
def schmuecke():
    return next(piece for piece in load_corpus() if piece.bwv == "180.7")


def chord(*pitches, steps=4, **fields):
    return Chorale(np.full((len(pitches), steps), np.array(pitches)[:, None]), **fields)


def judged(piece, frequencies):
    """(step, semitones reduced, distance from just) of every pair of sounding voices."""
    for step in range(piece.steps):
        for one, other in combinations(range(piece.voices), 2):
            high, low = sorted((piece.grid[one, step], piece.grid[other, step]), reverse=True)
            if low == REST or (high - low) % 12 in (0, 1, 2, 6, 10, 11):
                continue
            hz = [frequencies[v, step] for v in (one, other)]
            cents = 1200 * abs(math.log2(hz[0] / hz[1])) % 1200
            apart = (high - low) % 12
            if apart > 7 or apart == 5:  # a sixth or fourth: the interval that completes it
                apart, cents = 12 - apart, 1200 - cents
            yield step, int(apart), abs(cents - JUST[int(apart)])


@pytest.mark.parametrize("name", tuning_names())
@pytest.mark.parametrize("tonic", [0, 5, "Eb"])
def test_intervals_of_a_temperament_are_those_of_its_frequencies(name, tonic):
    hz = load_tuning(name).frequencies(tonic)
    for semitones, found in (
        (7, fifths(name, tonic)),
        (4, major_thirds(name, tonic)),
        (3, minor_thirds(name, tonic)),
    ):
        wide = 1200 * np.log2(hz[60 + semitones : 72 + semitones] / hz[60:72])
        assert found == pytest.approx(wide - JUST[semitones], abs=1e-3)


def test_what_is_known_of_temperaments():
    around = list(CIRCLE)
    assert fifths("equal") == pytest.approx(np.full(12, -1.955), abs=1e-3)
    assert major_thirds("equal") == pytest.approx(np.full(12, 13.686), abs=1e-3)
    assert minor_thirds("equal") == pytest.approx(np.full(12, -15.641), abs=1e-3)
    thirds = major_thirds("meantone-quarter")
    assert (np.abs(thirds) < 1e-6).sum() == 8
    assert fifths("pythagorean")[around][8] == pytest.approx(-23.46, abs=1e-3)
    # Round the circle all temperaments have the same comma to lose.
    for name in tuning_names():
        assert fifths(name).sum() == pytest.approx(-23.46, abs=1e-3)
        assert major_thirds(name).sum() == pytest.approx(12 * 13.686, abs=1e-2)


def test_the_temperament_moves_with_its_tonic():
    for tonic in range(12):
        assert fifths("young-1", tonic) == pytest.approx(np.roll(fifths("young-1"), tonic))


def test_offsets_may_have_any_shape():
    cents = np.random.default_rng(1).normal(size=(3, 5, 12))
    found = deviations_from_just(cents, 4)
    assert found.shape == cents.shape
    assert found[2, 3, 9] == pytest.approx(
        cents[2, 3, 1] - cents[2, 3, 9] + 400 - JUST[4], abs=1e-3
    )


@pytest.mark.parametrize(("semitones", "wide"), [(3, 6 / 5), (4, 5 / 4), (7, 3 / 2)])
def test_beats_are_the_difference_of_partials(semitones, wide):
    assert beat_rate(200, 200 * wide, semitones) == pytest.approx(0, abs=1e-9)
    numerator, denominator = {3: (6, 5), 4: (5, 4), 7: (3, 2)}[semitones]
    assert beat_rate(200, 201 * wide, semitones) == pytest.approx(numerator)
    assert beat_rate(200, 199 * wide, semitones) == pytest.approx(-numerator)
    assert denominator * wide == numerator


def test_how_pure_each_key_is():
    found = key_purity("kirnberger-3")
    assert found.shape == (2, 12)
    hz = load_tuning("kirnberger-3").frequencies()
    for row, thirds in ((0, (4, 3)), (1, (3, 4))):
        for tonic in range(12):
            root, third, fifth = hz[[60 + tonic, 60 + tonic + thirds[0], 67 + tonic]]
            away = [
                1200 * math.log2(third / root) - JUST[thirds[0]],
                1200 * math.log2(fifth / third) - JUST[thirds[1]],
                1200 * math.log2(fifth / root) - JUST[7],
            ]
            assert found[row, tonic] == pytest.approx(np.abs(away).mean(), abs=1e-3)
    primary = key_purity("kirnberger-3", triads="primary")
    assert primary[0, 2] == pytest.approx(found[0, [2, 7, 9]].mean())
    assert primary[1, 2] == pytest.approx((found[1, 2] + found[1, 7] + found[0, 9]) / 3)
    assert found[0].argmin() == 0 and key_purity("kirnberger-3", 5)[0].argmin() == 5
    assert np.ptp(key_purity("equal"), axis=1) == pytest.approx([0, 0], abs=1e-6)


@settings(max_examples=40)
@given(pieces(range(1, 6), 12))
def test_a_piece_is_as_pure_as_its_pairs_of_voices_are(piece):
    adapted = adapt(piece, tuning="young-2")
    keys = load_tuning("werckmeister-3").frequencies(piece.tonic)
    for row, hz in zip(
        piece_purity(piece, ["werckmeister-3", adapted]),
        (keys[piece.grid], adapted.hz),
        strict=True,
    ):
        slow = list(judged(piece, hz))
        parts = {k: [away for _, apart, away in slow if apart == k] for k in JUST}
        whole = [away for *_, away in slow]
        for told, values in (
            (row.minor_thirds, parts[3]),
            (row.major_thirds, parts[4]),
            (row.fifths, parts[7]),
            (row.overall, whole),
            (row.pure, [away <= 5 for away in whole]),
        ):
            wanted = np.mean(values) if values else np.nan
            assert told == pytest.approx(wanted, abs=2e-3, nan_ok=True)
        if not slow:
            assert row.worst is None
            continue
        means = {step: np.mean([away for at, _, away in slow if at == step]) for step, *_ in slow}
        assert row.worst.deviation == pytest.approx(max(means.values()), abs=2e-3)
        assert means[row.worst.step] == pytest.approx(row.worst.deviation, abs=2e-3)


def test_the_worst_chord_is_told_in_full():
    grid = np.array([[67] * 4 + [68] * 4, [64] * 4 + [63] * 4, [60] * 4 + [56] * 4])
    (row,) = piece_purity(Chorale(grid, upbeat=4), "meantone-quarter", tonic="C")
    assert (row.worst.step, row.worst.place) == (4, "bar 1, beat 1")
    assert row.worst.notes == ("G#3", "Eb4", "G#4")
    ((name, size, away),) = row.worst.sizes
    assert name == "G#-Eb" and size == pytest.approx(737.637, abs=1e-3)
    assert away == pytest.approx(35.682, abs=1e-3)
    assert "bar 1, beat 1: G#3 Eb4 G#4: G#-Eb 738 (+35.7)" in str(row.worst)


def test_adaptive_intonation_is_called_by_its_temperament_and_limit():
    piece = chord(67, 64, 60)
    several = [adapt(piece, tuning="equal"), adapt(piece, limit=12), adapt(piece, limit=math.inf)]
    names = ["adaptive over equal", f"{ADAPTIVE} (limit 12)", f"{ADAPTIVE} (no limit)"]
    assert [each.name for each in several] == names
    assert [row.tuning for row in piece_purity(piece, several)] == names
    assert chord_sizes(piece, several)[0].tunings == tuple(names)


def test_a_pure_chord_and_nothing_at_all():
    (row,) = piece_purity(chord(67, 64, 60), "adaptive")
    assert (row.tuning, row.pure) == (ADAPTIVE, 1.0)
    assert row.overall == pytest.approx(0, abs=1e-9)
    for empty in (Chorale(np.zeros((4, 8), int)), chord(60), chord(62, 60), chord(72, 60)):
        for row in piece_purity(empty):
            assert np.isnan([row.overall, row.fifths, row.pure]).all() and row.worst is None
        assert "–" in purity_text(piece_purity(empty))


def test_bach_in_all_that_is_shipped(schmuecke):
    rows = piece_purity(schmuecke)
    assert [row.tuning for row in rows] == [*tuning_names(), ADAPTIVE]
    by_name = {row.tuning: row for row in rows}
    assert all(row.tonic == 5 for row in rows)
    assert by_name[ADAPTIVE].overall < 0.5 and by_name[ADAPTIVE].pure > 0.95
    assert by_name["secor-victorian"].overall < by_name["equal"].overall - 3
    assert by_name["equal"].major_thirds == pytest.approx(13.686, abs=1e-3)
    assert by_name["pythagorean"].fifths == pytest.approx(0, abs=0.01)
    assert by_name["meantone-quarter"].major_thirds == pytest.approx(0, abs=0.01)


def test_purity_as_table_text_and_csv(schmuecke):
    rows = piece_purity(schmuecke, ["equal", load_tuning("vallotti"), adapt(schmuecke)])
    table = purity_table(rows, schmuecke.title)
    assert [line[0] for line in table.rows] == ["equal", "vallotti", ADAPTIVE]
    assert schmuecke.title in table.caption and "<table" in table._repr_html_()
    text = purity_text(rows, schmuecke.title)
    assert str(table) in text and "Worst chords:" in text
    assert max(map(len, str(table).splitlines())) <= 110
    assert max(map(len, text.splitlines())) <= 130
    read = list(csv.DictReader(io.StringIO(purity_csv(rows))))
    assert [float(line["overall"]) for line in read] == [row.overall for row in rows]
    assert read[0]["tonic"] == "F" and int(read[0]["worst_step"]) == rows[0].worst.step


@settings(max_examples=15)
@given(pieces(range(2, 5), 8), st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_steps_that_sound_longer_weigh_more(piece, times):
    times = times[: piece.steps]
    slower = Chorale(np.repeat(piece.grid, times, axis=1), tonic=piece.tonic)
    (found,) = piece_purity(piece, "young-1", seconds=np.array(times) / 8)
    (wanted,) = piece_purity(slower, "young-1")
    for field in ("major_thirds", "minor_thirds", "fifths", "overall", "pure"):
        assert getattr(found, field) == pytest.approx(getattr(wanted, field), nan_ok=True)
    if found.worst is not None:
        assert found.worst.deviation == pytest.approx(wanted.worst.deviation)


@pytest.mark.parametrize("name", sorted({*tuning_names()} - {"equal", "pythagorean"}))
def test_temperaments_favour_degree_0s_major_and_its_relative_minor(name):
    major, minor = key_purity(name, triads="primary")
    assert major[0] < major.mean() - 1.5
    assert minor[9] < minor[0] - 1, "so a minor piece is purer on its relative major"


def test_adaptive_intonation_hardly_ever_makes_a_chord_worse():
    """Of Bach's chords one in a hundred at most, where what is held stands a comma off."""
    gains = []
    for piece in load_corpus()[::45]:
        keys = load_tuning().frequencies(piece.tonic)
        means = []
        for hz in (adapt(piece).hz, keys[piece.grid]):
            away = [[] for _ in range(piece.steps)]
            for step, _, cents in judged(piece, hz):
                away[step].append(cents)
            means.append([np.mean(step) if step else 0.0 for step in away])
        gains.extend(np.subtract(means[1], means[0]))
    assert np.mean(np.array(gains) < -1) < 0.01
    assert np.mean(gains) > 6


@pytest.mark.parametrize(
    ("pitches", "name", "semitones"),
    [
        ((67, 64, 60), "C", (4, 7)),
        ((64, 60, 55), "C", (4, 7)),
        ((69, 65, 62), "Dm", (3, 7)),
        ((65, 62, 59, 55), "G7", (4, 7, 10)),
        ((65, 62, 59), "Bdim", (3, 6)),
        ((68, 64, 60), "Caug", (4, 8)),
        ((68, 64, 60, 52), "Eaug", (4, 8)),
        ((67, 64, 60, 57), "Am7", (3, 7, 10)),
        ((67, 65, 60), "C-F-G", (5, 7)),
        ((67, 60), "C-G", (7,)),
    ],
)
def test_chords_are_named_by_root_and_kind(pitches, name, semitones):
    (found,) = chord_sizes(chord(*pitches, steps=6), "equal")
    assert (found.name, found.semitones, found.quarters) == (name, semitones, 1.5)
    assert found.sizes[0] == pytest.approx([100 * n for n in semitones])
    assert NAMES[found.root] == name.rstrip("dimaug7")[:1]


def test_chords_have_the_sizes_of_their_temperaments():
    grid = np.array([[67, 67, 67, 68], [64, 64, 64, 65], [60, 60, 60, 61]])
    first, second = chord_sizes(Chorale(grid), ["kirnberger-3", "meantone-quarter", "adaptive"])
    assert (first.name, first.quarters, second.name) == ("C", 0.75, "C#")
    assert first.tunings == ("kirnberger-3", "meantone-quarter", ADAPTIVE)
    assert first.sizes[0] == pytest.approx((386.314, 696.578), abs=1e-3)
    assert first.sizes[2] == pytest.approx((386.314, 701.955), abs=1e-3)
    assert first.deviations[2] == pytest.approx(0, abs=1e-9)
    assert second.sizes[1] == pytest.approx((427.373, 696.578), abs=1e-3)
    assert first.deviations[1] == pytest.approx(2 * SYNTONIC / 4 / 3, abs=1e-6)
    assert np.isnan(chord_sizes(chord(62, 60), "equal")[0].deviations[0])


def test_chords_that_move_are_as_large_as_on_average(schmuecke):
    adapted = adapt(schmuecke, tuning="equal", limit=12)
    found = {chord.name: chord for chord in chord_sizes(schmuecke, adapted)}["C7"]
    away, above = [], []
    for step in range(schmuecke.steps):
        sung = schmuecke.grid[:, step] % 12
        if set(sung.tolist()) != {0, 4, 7, 10}:
            continue
        of = dict(zip(sung.tolist(), adapted.cents[:, step].tolist(), strict=True))
        above.append([of[4] - of[0] + 400, of[7] - of[0] + 700, of[10] - of[0] + 1000])
        third, fifth, _ = above[-1]
        upper = [fifth - third - JUST[3], of[10] - of[7] + 300 - JUST[3]]
        away.append([third - JUST[4], fifth - JUST[7], *upper])
    assert found.quarters == len(above) / 4
    assert found.sizes[0] == pytest.approx(np.mean(above, axis=0))
    assert found.deviations[0] == pytest.approx(np.abs(away).mean(), abs=1e-3)
    assert np.ptp(above, axis=0).max() > 1


def test_chords_of_a_piece_last_as_long_as_it_does(schmuecke):
    chords = chord_sizes(schmuecke, ["equal", "adaptive"])
    classes = [set((column[column != REST] % 12).tolist()) for column in schmuecke.grid.T]
    several = [frozenset(notes) for notes in classes if len(notes) > 1]
    assert sum(found.quarters for found in chords) == len(several) / 4
    assert len(chords) == len(set(several))
    assert [found.quarters for found in chords] == sorted(
        (found.quarters for found in chords), reverse=True
    )
    table = chord_table(chords, schmuecke.title, most=5)
    assert len(table.rows) == 5 and table.header == ("chord", "quarters", "equal", ADAPTIVE)
    assert "400.0 700.0 (10.4)" in str(table) and f"of {len(chords)} chords" in str(table)
    read = list(csv.DictReader(io.StringIO(chord_csv(chords))))
    assert len(read) == sum(2 * len(found.semitones) for found in chords)
    assert float(read[0]["just"]) == pytest.approx(JUST[4], abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda piece: just_cents(5), "expected 3, 4 or 7 semitones, got 5"),
        (lambda piece: beat_rate(200, 300, 6), "expected 3, 4 or 7 semitones"),
        (lambda piece: fifths("nowhere"), "no such tuning"),
        (lambda piece: fifths("equal", "H#"), "tonic 'H#'"),
        (lambda piece: key_purity("equal", triads="all"), "triads: expected tonic or primary"),
        (lambda piece: piece_purity(piece, []), "tunings: expected at least one"),
        (lambda piece: piece_purity(piece, 3), "tunings: expected at least one, got 3"),
        (lambda piece: piece_purity(piece, ["equal", 3]), "tuning: expected a name"),
        (lambda piece: piece_purity(piece, tonic=12), "tonic 12: expected a pitch class"),
        (lambda piece: piece_purity(piece.grid), "expected a Chorale"),
        (lambda piece: piece_purity(piece, adapt(chord(60, steps=2))), "isn't this one"),
        (lambda piece: chord_sizes(piece.grid), "expected a Chorale"),
        (lambda piece: chord_table(()), "chords: expected at least one"),
        (lambda piece: chord_table(chord_sizes(piece), most=0), "most: expected a whole number, 1"),
        (lambda piece: piece_purity(piece, seconds=[1, 2]), "seconds: expected 4 numbers"),
        (lambda piece: piece_purity(piece, seconds=2.0), "seconds: expected 4 numbers"),
        (lambda piece: piece_purity(piece, seconds=[1, 0, 1, 1]), "but step 1 lasts 0"),
        (lambda piece: piece_purity(piece, seconds=[1, np.nan, 1, 1]), "a step's: expected a num"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        call(chord(67, 64, 60))
    assert "\n" not in str(caught.value)
