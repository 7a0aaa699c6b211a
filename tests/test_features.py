"""Features: MusPy's own numbers, slow and obvious counts, percentiles among Bach's."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.features import (
    ALIASES,
    FEATURES,
    NAMES,
    bach_features,
    column_of,
    describe,
    percentiles,
)
from coconet.grid import RANGES, notes_of, onsets_of

#: Few pitches, near each other: so that notes are held, doubled, crossed and parallel.
GRIDS = hnp.arrays(
    np.int16,
    st.tuples(st.integers(1, 9), st.integers(1, 16)),
    elements=st.sampled_from([0, 40, 48, 55, 57, 59, 60, 60, 62, 64, 66, 67, 72, 84]),
)


@pytest.fixture(scope="module")
def muspy():
    import muspy  # takes seconds to load, so only where it is asked for

    return muspy


def by_muspy(muspy, grid, onsets):
    """The first eight features, each voice a track; a sixteenth is MusPy's time step."""
    tracks = [
        muspy.Track(notes=[muspy.Note(start, pitch, end - start) for start, end, pitch in voice])
        for voice in notes_of(grid, onsets)
    ]
    music = muspy.Music(resolution=4, tracks=tracks)
    return {
        "pitch-class entropy": muspy.pitch_class_entropy(music),
        "pitch entropy": muspy.pitch_entropy(music),
        "scale consistency": muspy.scale_consistency(music),
        "pitch classes": muspy.n_pitch_classes_used(music),
        "pitches": muspy.n_pitches_used(music),
        "pitch range": muspy.pitch_range(music),
        "polyphony": muspy.polyphony(music),
        "polyphony rate": muspy.polyphony_rate(music),
    }


def expect(values, wanted):
    found = {name: values[NAMES.index(name)] for name in wanted}
    assert found == pytest.approx(wanted, abs=1e-6, nan_ok=True)


# ---------------------------------------------------------------- MusPy


def test_features_are_muspys_on_fifty_chorales(muspy):
    for chorale in load_corpus("train")[:50]:
        expect(describe(chorale), by_muspy(muspy, chorale.grid, chorale.onsets))


@settings(max_examples=40)
@given(GRIDS)
@example(np.pad(np.repeat([[67], [64], [60]], 4, axis=1), ((0, 0), (2, 3))))
def test_features_are_muspys_on_anything(muspy, grid):
    """Rests, silence, one voice, stacks: NaN where MusPy says NaN."""
    expect(describe(grid), by_muspy(muspy, grid, onsets_of(grid)))


# ---------------------------------------------------------------- slow and obvious


def slowly(grid):
    """The features that aren't MusPy's, cell by cell."""
    voices, steps = grid.shape
    dissonant = pairs = moving = fifths = octaves = 0
    for a, b in combinations(range(voices), 2):
        for t in range(steps):
            if grid[a, t] and grid[b, t]:
                pairs += 1
                dissonant += abs(int(grid[a, t]) - int(grid[b, t])) % 12 in (1, 2, 6, 10, 11)
            if t == 0 or a // 4 != b // 4 or not grid[[a, b], t - 1 : t + 1].all():
                continue
            up, down = (int(grid[row, t]) - int(grid[row, t - 1]) for row in (a, b))
            moving += up != 0 and down != 0
            if up * down > 0:
                was, is_ = (abs(int(grid[a, s]) - int(grid[b, s])) % 12 for s in (t - 1, t))
                fifths += was == is_ == 7
                octaves += was == is_ == 0
    crossed = neighbours = 0
    for first in range(0, voices, 4):
        for t in range(steps):
            column = grid[first : first + 4, t].tolist()
            both = [(u, v) for u, v in pairwise(column) if u and v]
            neighbours += bool(both)
            crossed += any(u < v for u, v in both)
    cells = [(row, int(p)) for row in range(voices) for p in grid[row] if p]
    beyond = sum(not RANGES[row % 4][0] <= p <= RANGES[row % 4][1] for row, p in cells)
    notes = sum(map(len, notes_of(grid, onsets_of(grid))))
    nan = float("nan")
    return {
        "dissonance": dissonant / pairs if pairs else nan,
        "fifths": 1000 * fifths / moving if moving else nan,
        "octaves": 1000 * octaves / moving if moving else nan,
        "crossings": crossed / neighbours if neighbours else nan,
        "beyond": beyond / len(cells) if cells else nan,
        "density": notes / (steps / 4),
        "length": steps / 4,
        "notes": notes,
        "distance": nan,
    }


@settings(max_examples=60)
@given(GRIDS)
def test_features_are_those_counted_slowly(grid):
    before = grid.copy()
    expect(describe(grid), slowly(grid))
    assert (grid == before).all()


def test_hand_counted():
    #      a fifth that moves in parallel; then both voices rest, then a unison on B3
    upper = [67, 67, 69, 69, 0, 0, 59, 59]
    lower = [60, 60, 62, 62, 0, 0, 59, 59]
    found = dict(zip(NAMES, describe([upper, lower]).tolist(), strict=True))
    assert found["pitches"] == 5 and found["pitch classes"] == 5 and found["pitch range"] == 10
    assert found["polyphony"] == (4 * 2 + 2 * 1) / 6
    assert found["polyphony rate"] == 0 and found["notes"] == 6 and found["density"] == 3
    assert found["dissonance"] == 0 and found["fifths"] == 1000 and found["octaves"] == 0
    assert found["crossings"] == 0 and found["beyond"] == 2 / 12  # the soprano's B3
    assert found["scale consistency"] == 1
    assert found["pitch entropy"] == pytest.approx(4 / 6 * np.log2(6) + 2 / 6 * np.log2(3))


def test_a_repeated_note_counts_where_onsets_say_so():
    grid = np.array([[60, 60, 60, 60]])
    onsets = np.array([[True, False, True, False]])
    assert describe(grid)[column_of("notes")] == 1
    assert describe(Chorale(grid, onsets=onsets))[column_of("notes")] == 2


def test_one_pitch_has_an_entropy_of_plain_zero():
    found = describe(np.full((4, 1), 60))
    for name in ("pitch entropy", "pitch-class entropy"):
        assert found[column_of(name)] == 0 and not np.signbit(found[column_of(name)])


# ---------------------------------------------------------------- groups, originals


@settings(max_examples=25)
@given(GRIDS, st.data())
def test_a_group_is_like_a_piece_of_its_voices(grid, data):
    first = 4 * data.draw(st.integers(0, (len(grid) - 1) // 4))
    last = data.draw(st.integers(first + 1, min(first + 4, len(grid))))
    alone = describe(grid[first:last])
    np.testing.assert_array_equal(describe(grid, voices=range(first, last)), alone)


def test_a_bass_has_a_basss_range():
    grid = np.array([[60], [60], [60], [40]])
    assert describe(grid, voices=[3])[column_of("beyond")] == 0
    assert describe(grid[3:])[column_of("beyond")] == 1
    assert describe(grid, voices=[3, 0])[column_of("crossings")] == 0
    for told in ("bass", "B", -1, [3], range(3, 4)):
        np.testing.assert_array_equal(describe(grid, voices=told), describe(grid, voices=3))


def test_distance_counts_cells_that_differ():
    (chorale,) = (c for c in load_corpus("demo") if c.bwv == "373")
    grid = chorale.grid.copy()
    grid[1, :10] = 0
    share = 10 / grid.size
    assert describe(grid, original=chorale)[column_of("distance")] == share
    stack = np.vstack([chorale.grid, grid])
    assert describe(stack, original=chorale)[column_of("distance")] == share / 2
    assert describe(stack, original=chorale, voices=range(4, 8))[-1] == share
    assert describe(chorale, original=chorale)[-1] == 0
    assert describe(stack, original=stack)[-1] == 0 < describe(stack, original=stack[::-1])[-1]
    np.testing.assert_array_equal(describe(chorale)[:-1], describe(chorale, original=grid)[:-1])


# ---------------------------------------------------------------- Bach


def test_bachs_chorales_are_counted_once():
    bach = bach_features("valid")
    assert bach.shape == (len(load_corpus("valid")), len(FEATURES))
    assert bach_features("valid", voices=range(4)) is bach and not bach.flags.writeable
    basses = bach_features("valid", voices=[3])
    assert bach_features("valid", voices="bass") is basses
    chorale = load_corpus("valid")[5]
    np.testing.assert_array_equal(basses[5], describe(chorale, voices=[3]))
    middle = dict(zip(NAMES, np.median(bach, axis=0), strict=True))
    assert 2.8 < middle["pitch-class entropy"] < 3.2 and 3.8 < middle["polyphony"] <= 4


@settings(max_examples=40)
@given(
    hnp.arrays(float, (3, 2), elements=st.sampled_from([0, 1, 1.5, 2, 3, np.nan])),
    hnp.arrays(float, (5, 2), elements=st.sampled_from([0, 1, 2, np.nan])),
)
def test_percentiles_count_who_lies_below(values, bach):
    found = percentiles(values, bach)
    for (row, column), mine in np.ndenumerate(values):
        others = [x for x in bach[:, column] if not np.isnan(x)]
        if np.isnan(mine) or not others:
            assert np.isnan(found[row, column])
            continue
        below = sum(x < mine for x in others) + sum(x == mine for x in others) / 2
        assert found[row, column] == pytest.approx(100 * below / len(others))
    np.testing.assert_array_equal(percentiles(values[0], bach), found[0])


def test_columns_have_names_of_several_forms():
    assert all(column_of(name) == place for place, name in enumerate(NAMES))
    assert NAMES[column_of("Pitch_Class ENTROPY")] == "pitch-class entropy"
    assert all(NAMES[column_of(alias)] == name for alias, name in ALIASES.items())
    # What stands above a column in a table is a name of it, too.
    for place, feature in enumerate(FEATURES):
        assert column_of(" ".join(feature.heading)) == place
    assert NAMES[column_of("notes a quarter")] == "density"


def test_an_unknown_column_is_answered_in_a_short_line():
    with pytest.raises(ChoraleError) as caught:
        column_of("paralel fifths")
    said = str(caught.value)
    assert said.startswith("column 'paralel fifths': unknown; did you mean parallel fifths? ")
    assert "report --columns" in said and len(said) < 120


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda: describe(np.zeros((4, 0))), "no steps"),
        (lambda: describe(np.full((4, 8), 200)), "not a MIDI pitch"),
        (lambda: describe(np.ones((4, 8), int), voices=[4]), "rows 0-3"),
        (lambda: describe(np.ones((4, 8), int), voices=[]), "rows 0-3"),
        (lambda: describe(np.ones((4, 8), int), voices="flute"), "unknown voice 'flute'"),
        (lambda: describe(np.ones((3, 8), int), voices="bass"), "no bass among 3 voices"),
        (lambda: describe(np.ones((4, 8), int), voices=[1, -3]), "a row comes twice"),
        (lambda: describe(np.ones((4, 8), int), original=np.ones((4, 9), int)), "piece's shape"),
        (lambda: describe(np.ones((6, 8), int), original=np.ones((4, 8), int)), "piece's shape"),
        (lambda: describe(np.ones((4, 8), int), original="a.npy"), "original"),
        (lambda: describe(np.ones((4, 8), int), voices=np.array(7)), "rows 0-3"),
        (lambda: bach_features("all"), "split"),
        (lambda: bach_features(None), "split"),
        (lambda: bach_features(voices=[7]), "rows 0-3"),
        (lambda: percentiles([1.0, 2.0], np.ones((3, 5))), "features of shape"),
        (lambda: column_of("entorpy"), "did you mean entropy"),
        (lambda: column_of("zzz"), "expected one such as fifths"),
    ],
)
def test_bad_input_is_refused(act, complaint):
    with pytest.raises(ChoraleError, match=complaint):
        act()
