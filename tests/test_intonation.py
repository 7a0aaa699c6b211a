"""Adaptive just intonation: pure where it can be, held where notes are held, never far off."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, notes_of
from coconet.intonation import ADAPTIVE, JUST, LIMIT, adapt, tonic_of
from coconet.tuning import Tuning, equal_frequencies, load_tuning, tuning_names

COMMA = 1200 * np.log2(81 / 80)
#: I, vi, ii, V in close position: from chord to chord a note or two in common.
PUMP = ((67, 64, 60), (69, 64, 60), (69, 65, 62), (67, 59, 62))


def chord(*pitches, steps=4, **fields):
    return Chorale(np.full((len(pitches), steps), np.array(pitches)[:, None]), **fields)


def pump(times):
    """I-vi-ii-V as often, and I at the end; what two chords have in common is held."""
    quarters = [*PUMP * times, PUMP[0]]
    return Chorale(np.array(quarters).T.repeat(4, axis=1))


def above_bass(adapted, step=0):
    """Cents of each note above the last voice's at a step."""
    return 1200 * np.log2(adapted.hz[:, step] / adapted.hz[-1, step])


@pytest.fixture(scope="module")
def schmuecke():
    return next(piece for piece in load_corpus() if piece.bwv == "180.7")


@pytest.mark.parametrize("tuning", tuning_names())
@pytest.mark.parametrize(
    ("pitches", "ratios"),
    [
        ((67, 64, 60), (3 / 2, 5 / 4)),
        ((67, 63, 60), (3 / 2, 6 / 5)),
        ((72, 64, 55), (8 / 3, 5 / 3)),
        ((84, 79, 76, 60, 48), (8, 6, 5, 2)),
        ((65, 60), (4 / 3,)),
        ((69, 60), (5 / 3,)),
        ((67, 62, 60), (3 / 2, 9 / 8)),  # two fifths agree on the second
        ((71, 67, 64, 60), (15 / 8, 3 / 2, 5 / 4)),
        ((70, 67, 63, 60), (9 / 5, 3 / 2, 6 / 5)),
        ((72, 60), (2,)),
    ],
)
def test_a_lone_chord_that_can_be_pure_is_exactly_pure(tuning, pitches, ratios):
    # The seconds' weak springs agree in the chords of thirds but not quite in sevenths.
    near = 0.05 if len({pitch % 12 for pitch in pitches}) > 3 else 1e-9
    found = above_bass(adapt(chord(*pitches), tuning=tuning, limit=60))
    assert found[:-1] == pytest.approx(1200 * np.log2(ratios), abs=near)


@pytest.mark.parametrize(
    ("pitches", "cents"),
    [((68, 64, 60), (800, 400)), ((69, 66, 63, 60), (900, 600, 300)), ((66, 60), (600,))],
)
def test_chords_that_cannot_be_pure_share_the_error(pitches, cents):
    assert above_bass(adapt(chord(*pitches), tuning="equal"))[:-1] == pytest.approx(cents)


@pytest.mark.parametrize("tonic", [0, 5, "Bb"])
def test_a_lone_chord_lies_on_average_where_the_temperament_wants_it(tonic):
    adapted = adapt(chord(67, 64, 60), tuning="vallotti", tonic=tonic)
    assert adapted.drift == pytest.approx(np.zeros(4), abs=1e-9)
    wanted = load_tuning("vallotti").frequencies(tonic)[[67, 64, 60]]
    assert np.log2(adapted.hz[:, 0] / wanted).mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("before", "after", "ratios"),
    [
        ((72, 67, 65, 60), (72, 67, 64, 60), (2, 3 / 2, 5 / 4)),  # a suspended fourth resolves
        ((67, 64, 48), (69, 65, 48), (10 / 3, 8 / 3)),  # a new chord over a pedal
        ((67, 60), (67, 67), (1,)),  # a voice moves into the unison of one that holds
        ((71, 65, 62), (72, 64, 60), (2, 5 / 4)),  # a diminished triad goes home
        ((67, 67, 60), (REST, 67, 64), (6 / 5,)),  # one voice of two lets go, a third moves
    ],
)
def test_what_begins_is_pure_to_what_is_held(before, after, ratios):
    found = adapt(Chorale(np.array([before, after]).T), tuning="equal")
    sounding = found.hz[found.hz[:, 1] > 0, 1]
    assert 1200 * np.log2(sounding[:-1] / sounding[-1]) == pytest.approx(
        1200 * np.log2(ratios), abs=0.15
    )


def test_without_a_limit_the_comma_pump_sinks_a_comma_a_round():
    adapted = adapt(pump(5), tuning="equal", limit=math.inf)
    assert adapted.drift[::16] == pytest.approx(-COMMA * np.arange(6), abs=0.05)
    for step in range(0, 64, 16):
        assert above_bass(adapted, step)[:2] == pytest.approx([701.955, 386.314], abs=0.02)


@pytest.mark.parametrize("limit", [5.0, 12.0, LIMIT, 60.0])
def test_the_limit_holds_and_the_pump_settles_within_it(limit):
    adapted = adapt(pump(12), tuning="equal", limit=limit)
    assert adapted.farthest <= limit + 1e-9
    rounds = adapted.drift[::16]
    assert rounds[-1] == pytest.approx(rounds[-2], abs=0.05), "it sinks no further"
    # The comma is spread: none of the chords is as far from pure as in equal temperament
    # that has sunk to the limit.
    if limit >= LIMIT:
        last = above_bass(adapted, 16 * 12)
        assert abs(last[1] - 386.314) < 8
        assert rounds[-1] > -limit + 2


def test_the_spring_to_the_temperament_bounds_the_pump_by_itself():
    ends = [
        adapt(pump(12), tuning="equal", limit=math.inf, lean=lean).drift[-1]
        for lean in (0.0, 0.1, 0.5, 5.0)
    ]
    assert np.all(np.diff(ends) > 0) and ends[0] < -11 * COMMA and ends[-1] > -COMMA


def test_memory_draws_a_chord_to_what_was_just_heard():
    grid = np.array([(64, 60, 57), (65, 60, 57), (64, 60, 55)]).T.repeat(4, axis=1)
    onsets = np.zeros(grid.shape, bool)
    onsets[:, ::4] = True  # common notes are struck again
    piece = Chorale(grid, onsets=onsets)

    def jump(memory):
        return abs(np.diff(adapt(piece, tuning="equal", memory=memory).cents[1])).sum()

    assert jump(1.0) < jump(0.5) < jump(0.0)


def test_a_temperaments_own_pitch_standard_is_kept():
    low = adapt(chord(67, 64, 60), tuning=load_tuning("vallotti", reference=415))
    usual = adapt(chord(67, 64, 60), tuning="vallotti")
    assert low.hz == pytest.approx(usual.hz * 415 / 440, rel=1e-12)
    assert low.farthest == pytest.approx(usual.farthest, abs=1e-9)


def test_limit_nought_is_the_temperament_itself(schmuecke):
    adapted = adapt(schmuecke, tuning="young-1", limit=0)
    keys = load_tuning("young-1").frequencies(schmuecke.tonic)
    assert adapted.hz == pytest.approx(
        np.where(schmuecke.grid == REST, 0, keys[schmuecke.grid]), rel=1e-12
    )


@settings(max_examples=40)
@given(
    pieces(range(1, 6), 16),
    st.sampled_from([0.0, 1e-300, 3.0, 25.0, math.inf]),
    st.sampled_from([0.0, 0.3, 1000]),
)
def test_what_holds_for_any_piece(piece, limit, lean):
    adapted = adapt(piece, tuning="werckmeister-3", limit=limit, lean=lean)
    sounding = piece.grid != REST
    assert adapted.hz.shape == piece.grid.shape and adapted.hz.dtype == np.float64
    assert ((adapted.hz > 0) == sounding).all() and np.isfinite(adapted.hz).all()
    assert adapted.hz[sounding] == pytest.approx(
        (equal_frequencies()[piece.grid] * 2 ** (adapted.cents / 1200))[sounding]
    )
    # No note leaves the limit.
    base = load_tuning("werckmeister-3").deviations(piece.tonic)
    assert adapted.base == pytest.approx(base)
    away = np.where(sounding, adapted.cents - base[piece.grid % 12], 0)
    assert adapted.away == pytest.approx(away, abs=1e-9)
    assert adapted.farthest <= limit + 1e-9
    # A note keeps its pitch as long as it is held.
    for voice, notes in enumerate(notes_of(piece.grid, piece.onsets)):
        for start, end, _ in notes:
            assert (adapted.hz[voice, start:end] == adapted.hz[voice, start]).all()
    # Unisons and octaves are pure.
    for step in range(piece.steps):
        for one in range(piece.voices):
            for other in range(one):
                if sounding[[one, other], step].all():
                    apart = int(piece.grid[one, step]) - int(piece.grid[other, step])
                    if apart % 12 == 0:
                        ratio = adapted.hz[one, step] / adapted.hz[other, step]
                        assert ratio == pytest.approx(2 ** (apart / 12), rel=1e-12)
    means = [
        away[sounding[:, step], step].mean() if sounding[:, step].any() else np.nan
        for step in range(piece.steps)
    ]
    assert adapted.drift == pytest.approx(means, abs=1e-9, nan_ok=True)


def slow(piece, base, memory):
    """The springs again, note by note, relaxed by many small steps; no limit, no lean."""
    strong = {3: 1.0, 4: 1.0, 5: 2.0, 7: 2.0, 8: 1.0, 9: 1.0}
    now, found, heard = list(base), [], set()
    for step in range(piece.steps):
        cells = [(v, piece.grid[v, step] % 12) for v in range(piece.voices)]
        cells = [(v, note) for v, note in cells if piece.grid[v, step] != REST]
        held = {note for v, note in cells if not piece.onsets[v, step]}
        new = sorted({note for _, note in cells} - held)
        pulls = [
            (i, j, strong.get((i - j) % 12, 0.001), _widening((i - j) % 12))
            for i in new
            for j in sorted({note for _, note in cells})
            if i != j
        ]
        wanted = [now[i] * memory + base[i] * (1 - memory) if i in heard else base[i] for i in new]
        moved = math.inf
        while moved > 1e-6:
            before = list(now)
            for i in new:
                mine = [(w, now[j] + d) for one, j, w, d in pulls if one == i]
                if mine:
                    now[i] = sum(w * x for w, x in mine) / sum(w for w, _ in mine)
            moved = max(abs(one - other) for one, other in zip(before, now, strict=True))
        if new and not held:
            shift = np.mean([want - now[i] for i, want in zip(new, wanted, strict=True)])
            for i in new:
                now[i] += shift
        heard = {note for _, note in cells}
        found.append({note: now[note] for note in heard})
    return found


def _widening(semitones):
    numerator, denominator = JUST.get(semitones, (0, 0))
    if not numerator:
        return 0.0
    return 1200 * math.log2(numerator / denominator) - 100 * semitones


@pytest.mark.parametrize("seed", range(3))
def test_the_springs_are_those_of_a_slow_reference(seed):
    rng = np.random.default_rng(seed)
    piece = Chorale(rng.choice([0, 60, 64, 67, 69, 65, 62], (3, 5)))
    memory = (0.0, 0.5, 1.0)[seed]
    adapted = adapt(piece, tuning="equal", limit=math.inf, memory=memory)
    for step, notes in enumerate(slow(piece, np.zeros(12), memory)):
        for voice in range(3):
            if pitch := piece.grid[voice, step]:
                assert adapted.cents[voice, step] == pytest.approx(notes[pitch % 12], abs=0.02)


def test_bachs_chorales_come_out_nearly_pure_without_sinking():
    for piece in load_corpus("demo"):
        adapted = adapt(piece)
        assert adapted.farthest <= LIMIT + 1e-9
        assert np.nanmean(np.abs(adapted.drift)) < 5
        final = adapted.hz[:, -1]
        ratios = 1200 * np.log2(final / final[-1]) % 1200
        just = np.array([0, 386.314, 701.955, 315.641, 1200])
        assert np.abs(ratios[:, None] - just).min(1).max() < 6, piece.bwv


def test_the_same_piece_gives_the_same_pitches(schmuecke):
    first, second = adapt(schmuecke), adapt(schmuecke)
    assert (first.hz == second.hz).all() and first.summary() == second.summary()
    assert first.tuning == "secor-victorian" and first.tonic == 5 and first.title
    assert "\n" not in first.summary() and "on F" in first.summary()
    assert "nothing sounds" in adapt(Chorale(np.zeros((4, 8), int))).summary()
    assert "no limit" in adapt(schmuecke, limit=math.inf).summary()


def test_where_a_temperament_stands():
    piece = chord(60, tonic=7)
    fixed = Tuning("mine", tuple(100.0 * degree for degree in range(12)), tonic=2)
    assert tonic_of(piece, load_tuning("equal")) == 7
    assert tonic_of(piece, fixed) == 2
    assert tonic_of(piece, fixed, "F") == 5
    assert adapt(piece, tuning=fixed).tonic == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": -1}, "limit: expected a number, 0 or more, got -1"),
        ({"limit": math.nan}, "limit: expected a number"),
        ({"limit": "25"}, "limit: expected a number"),
        ({"limit": None}, "limit: expected a number"),
        ({"lean": -0.1}, "lean: expected a number"),
        ({"lean": math.inf}, "lean: expected a number from 0 to 1000"),
        ({"lean": 1e300}, "lean: expected a number from 0 to 1000"),
        ({"memory": 1.5}, "memory: expected a number from 0 to 1"),
        ({"memory": True}, "memory: expected a number"),
        ({"tonic": "H#"}, "tonic 'H#': expected"),
        ({"tonic": 12}, "tonic 12: expected a pitch class"),
        ({"tuning": ADAPTIVE}, "no such tuning"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        adapt(chord(67, 64, 60), **options)
    assert "\n" not in str(caught.value)


def test_a_bare_array_is_refused():
    with pytest.raises(ChoraleError, match="expected a Chorale"):
        adapt(np.full((4, 16), 60))
