"""Endings: on the tonic every time, and nothing else is touched."""

import numpy as np
import pytest
from mocks import Listening, Recording, Uniform

from coconet import cadences, places
from coconet.cadences import Cadence, approach, ending, find_cadence, resolve_ending
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus, transpose
from coconet.endings import ends_on_tonic
from coconet.errors import ChoraleError
from coconet.gibbs import sample
from coconet.predictor import load_predictor
from coconet.theory import parallels
from coconet.tilt import Tilt
from coconet.together import together_weights

QUICK = {"tries": 2, "passes": 4}


@pytest.fixture(scope="module")
def demo():
    return {chorale.bwv: chorale for chorale in load_corpus("demo")}


@pytest.fixture(scope="module")
def pieces(demo):
    """Common and triple time, upbeats, both modes."""
    valid = {chorale.bwv: chorale for chorale in load_corpus("valid")}
    return [*demo.values(), *(valid[bwv] for bwv in ("11.6", "14.5", "17.7", "10.7"))]


def draw(seed=1):
    return np.random.default_rng(seed)


def stack(chorale, quartets):
    grid = np.vstack([chorale.grid] * quartets)
    return chorale.replace(grid=grid, onsets=np.vstack([chorale.onsets] * quartets))


def test_the_pieces_are_of_many_kinds(pieces):
    assert {piece.mode for piece in pieces} == {"major", "minor"}
    assert {piece.time_signature for piece in pieces} == {"4/4", "3/4"}
    assert {piece.upbeat > 0 for piece in pieces} == {True, False}


@pytest.mark.parametrize("predictor", [Uniform(), Listening()])
def test_every_ending_is_on_the_tonic(pieces, predictor):
    for chorale in pieces:
        before = chorale.grid.tobytes()
        after = resolve_ending(predictor, chorale, rng=draw(), **QUICK)
        where = find_cadence(chorale)
        assert ends_on_tonic(after.grid, chorale.tonic, chorale.mode), chorale.bwv
        assert np.array_equal(after.grid[:, : where.start], chorale.grid[:, : where.start])
        assert where.end - where.start == chorale.bar
        final = after.grid[:, where.chord : where.end]
        assert (final == final[:, :1]).all()
        assert chorale.grid.tobytes() == before


def test_the_models_endings_have_no_parallels(demo):
    predictor = load_predictor(places.models() / "chorales")
    for chorale in demo.values():
        after = resolve_ending(predictor, chorale, tries=4, passes=16, rng=draw())
        assert ends_on_tonic(after.grid, chorale.tonic, chorale.mode)
        arrivals = slice(find_cadence(chorale).start - 1, None)
        for interval in (0, 7):
            assert not parallels(after.grid, interval)[:, arrivals].any(), chorale.bwv


def test_any_key_can_be_the_goal(demo):
    """Twelve tonics, two modes, each with a predictor that knows nothing of them."""
    piece = crop(demo["373"], (96, 160))
    for tonic in range(12):
        for mode in ("major", "minor"):
            after = resolve_ending(
                Uniform(), piece, tonic=tonic, mode=mode, rng=draw(tonic), **QUICK
            )
            assert ends_on_tonic(after.grid, tonic, mode)


def test_kept_voices_stay(demo):
    piece = demo["244.3"]
    after = resolve_ending(Uniform(), piece, keep="soprano,bass", rng=draw(), **QUICK)
    assert np.array_equal(after.grid[[0, 3]], piece.grid[[0, 3]])
    assert np.array_equal(after.onsets[[0, 3]], piece.onsets[[0, 3]])
    assert (after.grid != piece.grid)[1:3].any()
    assert ends_on_tonic(after.grid, piece.tonic, piece.mode)
    assert after.provenance["ending"]["kept"] == ["soprano", "bass"]


def test_notes_beyond_the_models_pitches_are_heard_an_octave_nearer(demo):
    """As layers that spread octaves leave them: they stay, and the rest is written."""
    chorale = demo["180.7"]
    wide = chorale.grid + np.array([[24], [0], [0], [-12]])
    piece = chorale.replace(grid=wide, onsets=chorale.onsets)
    assert wide.max() > Uniform().pitches[1] and wide.min() < Uniform().pitches[0]
    written = resolve_ending(Listening(), piece, rng=draw(), keep="soprano,bass", **QUICK).grid
    assert np.array_equal(written[[0, 3]], wide[[0, 3]])
    start = find_cadence(piece).start
    assert np.array_equal(written[:, :start], wide[:, :start])
    assert (written[1:3, start:] != wide[1:3, start:]).any()
    assert ends_on_tonic(written, piece.tonic, piece.mode)


def test_a_third_is_found_even_in_the_only_free_voice(demo):
    """Only the alto may bring it: none of few draws does by itself, so it is given one."""
    piece = demo["373"]  # G D B G
    grid = piece.grid.copy()
    grid[2, -16:] = 62
    lacking = piece.replace(grid=grid)
    for seed in range(8):
        after = resolve_ending(Uniform(), lacking, keep="S,T,B", tries=1, passes=2, rng=draw(seed))
        assert after.grid[1, -1] % 12 == 11
    with pytest.raises(ChoraleError, match="leave no room for the third of G major"):
        resolve_ending(Uniform(), lacking, keep="S,A,T", tries=1, passes=2, rng=draw())


def test_sixteen_voices_share_one_third(demo):
    minor = demo["244.3"]
    for seed in range(3):
        after = resolve_ending(Uniform(), stack(minor, 4), rng=draw(seed), **QUICK)
        assert after.voices == 16
        for row in range(0, 16, 4):
            assert ends_on_tonic(after.grid[row : row + 4], 11, "minor")
        assert ends_on_tonic(after.grid, 11, "minor")
    first = resolve_ending(Uniform(), stack(minor, 2), rng=draw(2), **QUICK)
    assert np.array_equal(first.grid[:4], after.grid[:4])  # whatever stands above it


def test_a_kept_minor_third_forbids_the_picardy(demo):
    piece = demo["244.3"]
    grid = piece.grid.copy()
    grid[1, -16:] = 62
    for seed in range(3):
        after = resolve_ending(
            Uniform(), piece.replace(grid=grid), keep="alto", rng=draw(seed), **QUICK
        )
        assert set((after.grid[:, -1] - 11) % 12) <= {0, 3, 7}


def test_a_section_in_the_middle(demo):
    piece = demo["180.7"]
    after = resolve_ending(Uniform(), piece, span=(64, 80), tonic=0, rng=draw(), **QUICK)
    changed = np.flatnonzero((after.grid != piece.grid).any(0))
    assert set(changed) <= set(range(64, 80))
    assert ends_on_tonic(after.grid[:, :80], 0, "major")
    assert np.array_equal(after.fermatas, piece.fermatas)


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 16])
def test_short_pieces(demo, steps):
    piece = crop(demo["180.7"], (0, steps))
    after = resolve_ending(Uniform(), piece, rng=draw(), **QUICK)
    assert ends_on_tonic(after.grid, 5, "major")


def test_silence_at_the_end_stays(demo):
    piece = demo["180.7"]
    grid = np.pad(piece.grid, ((0, 0), (0, 16)))
    after = resolve_ending(Uniform(), Chorale(grid, tonic=5), rng=draw(), **QUICK)
    assert not after.grid[:, 240:].any()
    assert find_cadence(Chorale(grid)).end == 240
    assert ends_on_tonic(after.grid, 5, "major")


def test_a_voice_that_rests_at_the_end_joins_the_last_chord(demo):
    grid = demo["180.7"].grid.copy()
    grid[3, -20:] = 0
    after = resolve_ending(Uniform(), Chorale(grid, tonic=5), rng=draw(), **QUICK)
    where = find_cadence(Chorale(grid))
    assert after.grid[3, where.chord :].all()
    assert not after.grid[3, 220 : where.chord].any()
    assert ends_on_tonic(after.grid, 5, "major")


def test_where_the_last_chord_is():
    chords = np.repeat([[72, 71, 72], [67, 67, 67], [64, 62, 64], [48, 43, 48]], 8, axis=1)
    piece = Chorale(chords, time_signature="3/4")
    assert find_cadence(piece) == Cadence(12, 16, 24, 0, "major")
    assert find_cadence(piece, span=(0, 16)) == Cadence(0, 8, 16, 0, "major")
    # A whole bar of one chord: half of it leads to the other half.
    assert find_cadence(Chorale(chords[:, :1].repeat(32, 1))).chord == 24
    # An upbeat: a bar's length all the same, and the chord stays on its beat.
    assert find_cadence(Chorale(chords, upbeat=4)) == Cadence(8, 16, 24, 0, "major")
    late = np.repeat(chords[:, [0, 8]], [12, 12], axis=1)
    assert find_cadence(Chorale(late, upbeat=4)) == Cadence(8, 12, 24, 0, "major")
    # Ends between beats: it begins on one.
    assert find_cadence(Chorale(chords[:, :22])) == Cadence(4, 16, 22, 0, "major")


def test_the_last_chord_stays_where_it_was():
    """Unless it fills its bar. On a beat always, and something always leads there."""
    stayed = []
    for chorale in load_corpus("valid") + load_corpus("test"):
        where = find_cadence(chorale)
        assert (where.chord - chorale.upbeat) % 4 == 0
        assert where.start + 4 <= where.chord <= where.end - 4
        same = chorale.grid[:, : where.end] == chorale.grid[:, where.end - 1 : where.end]
        stayed.append(where.chord == np.flatnonzero(~same.all(0))[-1] + 1)
    assert np.mean(stayed) > 0.8


def test_tonic_and_mode_are_known_each_for_itself(demo):
    piece = demo["244.3"]  # B minor
    for options, assumed, expected in (
        ({}, ("tonic", "mode"), (11, "minor")),
        ({"tonic": 11}, ("tonic", "mode"), (11, "minor")),
        ({"tonic": 4}, ("mode",), (4, "minor")),
        ({"mode": "major"}, ("tonic", "mode"), (11, "major")),
        ({}, ("tonic",), (11, "major")),
        ({}, ("mode",), (0, "minor")),
        ({}, (), (0, "major")),
    ):
        where = find_cadence(piece.replace(tonic=0, mode="major", assumed=assumed), **options)
        assert (where.tonic, where.mode) == expected


def test_who_rests_throughout_stays_silent(demo):
    piece = demo["180.7"]
    for silent in ([1], [3], [2, 3]):
        grid = piece.grid.copy()
        grid[silent] = 0
        after = resolve_ending(Uniform(), Chorale(grid, tonic=5), rng=draw(), **QUICK)
        assert not after.grid[silent].any()
        sings = np.setdiff1d(range(4), silent)
        assert ends_on_tonic(after.grid[sings], 5, "major")  # the lowest has the root
    quartet = np.vstack([piece.grid, piece.grid])
    quartet[:4, -40:] = 0
    after = resolve_ending(Uniform(), Chorale(quartet, tonic=5), rng=draw(), **QUICK)
    assert np.array_equal(after.grid[:4], quartet[:4])
    assert ends_on_tonic(after.grid[4:], 5, "major")
    quartet[7] = 0
    with pytest.raises(ChoraleError, match="all voices that sing are kept"):
        resolve_ending(Uniform(), Chorale(quartet, tonic=5), keep="S,A,T", rng=draw(), **QUICK)


def test_a_rest_is_no_third(demo):
    """In A flat a silent cell's 0 would be degree 4."""
    grid = np.vstack([transpose(demo["180.7"], 3).grid] * 2)
    grid[2, :] = 0
    chorale = Chorale(grid, tonic=8, mode="minor")
    for seed in range(4):
        after = resolve_ending(Uniform(), chorale, rng=draw(seed), **QUICK)
        last = after.grid[:, -1]
        assert len(set((last[last > 0] - 8) % 12) & {3, 4}) == 1


def test_weights_against_parallels_are_firmer_beside_other_quartets(demo, monkeypatch):
    seen = []

    def watched(*args, **options):
        seen.append(options["weights"])
        return sample(*args, **options)

    monkeypatch.setattr(cadences, "sample", watched)
    predictor = Uniform()
    predictor.tilt = Tilt(fifths=1.0, octaves=2.0)
    resolve_ending(predictor, stack(demo["180.7"], 2), together=0.5, rng=draw(), **QUICK)
    assert seen[0] == predictor.tilt
    assert seen[-1] == together_weights(predictor.tilt, 4, 0.5) != predictor.tilt


def test_bach_goes_home_from_the_dominant():
    gains = approach()
    assert gains.shape == (2, 4, 12)
    assert (gains[:, 3].argmax(-1) == 7).all()  # the bass sings its root
    assert (gains[:, 1].argmax(-1) == 11).all()  # the alto the leading note
    assert (gains[:, 0].argmax(-1) == [2, 11]).all()
    with pytest.raises(ValueError, match="read-only"):
        gains += 1


def test_what_the_predictor_sees_does_not_grow_with_the_piece(demo):
    seen = Recording()
    resolve_ending(seen, demo["140.7"], rng=draw(), **QUICK)
    assert {grids.shape[2] for grids, _, _ in seen.calls} == {80}


def test_as_a_layer(demo):
    piece = stack(transpose(demo["180.7"], 2), 2)
    layer = ending(Uniform(), **QUICK)
    before = piece.grid.tobytes()
    grid = layer(piece.grid, draw())
    assert grid.dtype == np.int16
    assert grid.flags.writeable
    assert ends_on_tonic(grid, 7, "major")  # heard, not told
    assert np.array_equal(grid, layer(piece.grid, draw()))
    assert not np.array_equal(grid, layer(piece.grid, draw(2)))
    assert piece.grid.tobytes() == before
    other = ending(Uniform(), tonic=2, mode="minor", time_signature="3/4", **QUICK)
    assert ends_on_tonic(other(piece.grid, draw()), 2, "minor")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "soprano", "tonic": 7}, "the kept soprano ends on F4, expected a note of"),
        ({"keep": "bass", "tonic": 9, "mode": "minor"}, "the kept bass ends on F2, expected the"),
        ({"keep": "S,A,T,B"}, "all voices that sing are kept"),
        ({"keep": "cello"}, "unknown voice"),
        ({"tries": 0}, "tries: expected 1"),
        ({"passes": 0}, "passes"),
        ({"span": (230, 250)}, "span 230:250"),
        ({"span": (1, 2, 3)}, "span: expected two steps"),
        ({"span": "12"}, "span: expected two steps"),
        ({"tonic": 12}, "pitch class 0-11"),
        ({"tonic": True}, "pitch class 0-11"),
        ({"tonic": 7.0}, "pitch class 0-11"),
        ({"mode": "dorian"}, "major or minor"),
    ],
)
def test_what_cannot_be_is_told(demo, options, message):
    with pytest.raises(ChoraleError, match=message):
        resolve_ending(Uniform(), demo["180.7"], rng=draw(), **(QUICK | options))


def test_kept_voices_that_contradict_each_other(demo):
    piece = demo["244.3"]
    grid = piece.grid.copy()
    grid[1, -4:], grid[2, -4:] = 63, 62
    with pytest.raises(ChoraleError, match="both thirds of B minor"):
        resolve_ending(Uniform(), piece.replace(grid=grid), keep="A,T", rng=draw(), **QUICK)
    grid[3, -4:] = 0
    with pytest.raises(ChoraleError, match="kept bass rests at the end"):
        resolve_ending(Uniform(), piece.replace(grid=grid), keep="B", rng=draw(), **QUICK)


def test_nothing_that_sounds_has_no_ending():
    with pytest.raises(ChoraleError, match="nothing sounds"):
        resolve_ending(Uniform(), Chorale(np.zeros((4, 16), int)), rng=draw())
    with pytest.raises(ChoraleError, match="stacked quartets, got 3"):
        resolve_ending(Uniform(), Chorale(np.full((3, 16), 60)), rng=draw())
