"""Layers that change pitches: against loops, and against the originals by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import DEFAULTS, Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, notes_of
from coconet.theory import dissonant_pairs, find_key, in_scale, scale
from coconet.traced import Traced
from coconet.transforms.pitch import bass_drop, invert, octave_shift, strip_dissonant, transpose


@pytest.fixture(scope="module")
def demo():
    return {chorale.bwv: chorale for chorale in load_corpus("demo")}


def rng(seed=1):
    return np.random.default_rng(seed)


def same_notes(before, after):
    """Whether notes begin and end where they did, so that only pitches differ."""
    return np.array_equal(before.onsets, after.onsets) and np.array_equal(
        before.grid == REST, after.grid == REST
    )


# ---------------------------------------------------------------- transpose


@settings(max_examples=50)
@given(pieces(), st.integers(-24, 24))
def test_transpose_moves_every_note_and_the_key(piece, by):
    moved = transpose(piece, by=by)
    expected = [[pitch and pitch + by for pitch in row] for row in piece.grid.tolist()]
    assert moved.grid.tolist() == expected
    assert moved.tonic == (piece.tonic + by) % 12
    assert same_notes(piece, moved)
    back = transpose(moved, by=-by)
    assert np.array_equal(back.grid, piece.grid)
    assert (back.tonic, back.mode, back.sharps) == (piece.tonic, piece.mode, piece.sharps)


@pytest.mark.parametrize(
    ("to", "by", "sharps"),
    [("C", -5, 0), (0, -5, 0), ("Bb", 5, -2), ("B", 6, 5), ("F", 0, -1), ("F#", 1, 6), (10, 5, -2)],
)
def test_to_a_tonic_the_nearest_way(demo, to, by, sharps):
    piece = demo["180.7"]  # F major
    moved = transpose(piece, to=to)
    assert np.array_equal(moved.grid, transpose(piece.grid, by=by))
    assert (moved.mode, moved.sharps) == ("major", sharps)
    assert find_key(moved.grid) == (moved.tonic, "major")


def test_a_signature_that_is_not_the_keys_moves_along(demo):
    dorian = demo["180.7"].replace(tonic=2, mode="minor", sharps=0)
    assert transpose(dorian, by=2).sharps == transpose(dorian, to="E").sharps == 2


def test_the_key_of_a_bare_array_is_found_and_then_known(demo):
    piece = demo["244.3"]  # B minor
    bare = Chorale(piece.grid, assumed=(*DEFAULTS, "onsets"))
    moved = transpose(bare, to="C")
    assert np.array_equal(moved.grid, transpose(piece, to="C").grid)
    assert (moved.tonic, moved.mode, moved.sharps) == (0, "minor", -3)
    assert not {"tonic", "mode", "sharps"} & {*moved.assumed}
    # Moved by semitones nothing is known that wasn't.
    assert transpose(bare, by=3).assumed == bare.assumed
    assert transpose(bare, by=3).tonic == DEFAULTS["tonic"]


def test_some_voices_move_and_the_key_stays(demo):
    piece = demo["180.7"]
    moved = transpose(piece, by=-12, voices="bass")
    assert np.array_equal(moved.grid[:3], piece.grid[:3])
    assert (moved.grid[3] == piece.grid[3] - 12).all()
    assert (transpose(piece, by=1, voices=[0]).tonic, moved.sharps) == (piece.tonic, piece.sharps)


# ---------------------------------------------------------------- invert


@settings(max_examples=50)
@given(pieces())
def test_real_inversion_keeps_each_voices_range_and_is_an_involution(piece):
    turned = invert(piece)
    for before, after in zip(piece.grid.tolist(), turned.grid.tolist(), strict=True):
        notes = [pitch for pitch in before if pitch]
        total = min(notes) + max(notes) if notes else 0
        assert after == [pitch and total - pitch for pitch in before]
    assert same_notes(piece, turned)
    assert np.array_equal(invert(turned).grid, piece.grid)


@settings(max_examples=40)
@given(pieces(), st.integers(100, 140))
def test_about_a_pitch_the_key_is_mirrored_too(piece, doubled):
    turned = invert(piece, axis=doubled / 2)
    expected = np.where(piece.grid, doubled - piece.grid, 0)
    assert np.array_equal(turned.grid, expected)
    inside = in_scale(piece.grid, piece.tonic, piece.mode)
    assert np.array_equal(in_scale(turned.grid, turned.tonic, turned.mode), inside)
    back = invert(turned, axis=doubled / 2)
    assert np.array_equal(back.grid, piece.grid)
    assert (back.tonic, back.mode) == (piece.tonic, piece.mode)


def test_the_dual_of_f_major(demo):
    piece = demo["180.7"]
    turned = invert(piece, axis="F4")
    assert (turned.tonic, turned.mode, turned.sharps) == (10, "minor", -5)
    assert find_key(turned.grid) == (10, "minor")
    # About axes of their own the voices are in no common key: it is to be found again.
    assert {"tonic", "mode", "sharps"} <= {*invert(piece).assumed}
    assert invert(piece, voices="soprano").tonic == piece.tonic


def test_c_major_about_c_is_f_minor():
    assert np.array_equal(
        np.sort(invert(np.array([[60, 62, 64, 65, 67, 69, 71]]), axis="C4")[0] % 12),
        np.sort(scale(5, "minor")),
    )


def test_a_note_never_becomes_the_number_of_a_rest():
    assert invert(np.array([[60]]), axis=30, beyond="clamp").tolist() == [[12]]
    assert transpose(np.array([[12]]), by=-12, beyond="skip").tolist() == [[12]]
    with pytest.raises(ChoraleError, match="C0 would become C-1, MIDI 0, outside 1-127"):
        transpose(np.array([[12]]), by=-12)


def slow_degrees(tonic, mode):
    """All notes of a key from far below MIDI to far above, in order."""
    classes = set(scale(tonic, mode).tolist())
    return [pitch for pitch in range(-240, 360) if pitch % 12 in classes]


@settings(max_examples=60)
@given(pieces(), st.integers(55, 70))
def test_tonal_inversion_counts_steps_of_the_scale(piece, axis):
    notes = slow_degrees(piece.tonic, piece.mode)
    at = max(place for place, pitch in enumerate(notes) if pitch <= axis)
    above = min(place for place, pitch in enumerate(notes) if pitch >= axis)
    turned = invert(piece, kind="tonal", axis=axis)
    for before, after in zip(
        piece.grid.ravel().tolist(), turned.grid.ravel().tolist(), strict=True
    ):
        if before == REST:
            assert after == REST
        elif before in notes:
            assert after == notes[at + above - notes.index(before)]
        else:
            image = notes[at + above - notes.index(before - 1)]
            assert after == (image if image - 1 in notes else image - 1)
    again = invert(turned, kind="tonal", axis=axis)
    inside = in_scale(piece.grid, piece.tonic, piece.mode)
    assert np.array_equal(again.grid[inside], piece.grid[inside])
    assert (turned.tonic, turned.mode) == (piece.tonic, piece.mode)


def test_tonal_by_hand():
    # C major about E: what was as many steps above it is as many below.
    scale_notes = Chorale([[64, 65, 67, 69, 71, 72, 74, 0, 60]])
    turned = invert(scale_notes, kind="tonal", axis="E4")
    assert turned.grid.tolist() == [[64, 62, 60, 59, 57, 55, 53, 0, 67]]
    # F#, C# and Bb lie between the images of their neighbours, and come back.
    chromatic = Chorale([[66, 61, 70]])
    turned = invert(chromatic, kind="tonal", axis="E4")
    assert turned.grid.tolist() == [[61, 66, 58]]
    assert invert(turned, kind="tonal", axis="E4").grid.tolist() == chromatic.grid.tolist()
    # D# and G#: D's and G's images are F and C, with no note between them and E or B.
    assert invert(np.array([[63, 68]]), kind="tonal", axis=64, tonic=0, mode="major").tolist() == [
        [65, 60]
    ]
    # Between two notes of the scale these swap places.
    swapped = invert(np.array([[64, 65]]), kind="tonal", axis=64.5, tonic="C", mode="major")
    assert swapped.tolist() == [[65, 64]]


def test_tonal_by_default_keeps_the_range_and_turns_back(demo):
    piece = demo["140.7"]
    diatonic = strip_dissonant(piece, rng=rng())
    turned = invert(diatonic, kind="tonal")
    assert in_scale(turned.grid, piece.tonic, piece.mode)[piece.grid > 0].all()
    for before, after in zip(diatonic.grid, turned.grid, strict=True):
        assert set((before.min(), before.max())) == set((after.min(), after.max()))
    assert np.array_equal(invert(turned, kind="tonal").grid, diatonic.grid)
    assert same_notes(diatonic, turned)


@pytest.mark.parametrize("bwv", ["180.7", "140.7", "244.3"])
def test_tonal_inversion_of_an_array_turns_back_with_key_and_axis(demo, bwv):
    """Chromatic notes and all: without them given, another key or axis may be found."""
    piece = demo[bwv]
    told = {"kind": "tonal", "tonic": piece.tonic, "mode": piece.mode, "axis": "F4"}
    back = invert(invert(piece.grid, **told), **told)
    inside = in_scale(piece.grid, piece.tonic, piece.mode)
    assert not inside.all() and np.array_equal(back[inside], piece.grid[inside])
    # What comes back of the others are notes outside the key, or their lower neighbours.
    lost = piece.grid[~inside].astype(int) - back[~inside]
    assert set(lost[piece.grid[~inside] != REST].tolist()) <= {0, 1}


def test_an_inverted_array_may_be_found_in_another_key(demo):
    """Why the key must be given to come back, as the help says."""
    grid = demo["180.7"].grid
    turned = invert(grid, kind="tonal")
    assert (find_key(grid), find_key(turned)) == ((5, "major"), (0, "major"))
    inside = in_scale(grid, 5, "major")
    again = invert(turned, kind="tonal")
    assert not np.array_equal(again[inside], grid[inside])
    again = invert(turned, kind="tonal", tonic="F", mode="major")
    assert np.array_equal(again[inside], grid[inside])


# ---------------------------------------------------------------- octaves


def test_clumps_by_hand():
    class Fixed(np.random.Generator):
        """Says where clumps begin: three places of 2 voices × 10 steps."""

        def __init__(self):
            super().__init__(np.random.PCG64(1))

        def random(self, size=None):
            draws = np.ones(size)
            draws[0, [1, 3]] = draws[1, 8] = 0
            return draws

    grid = np.full((2, 10), 60)
    grid[0, 4] = 0
    moved = octave_shift(grid, share=0.5, clump=4, rng=Fixed())
    # Steps 1-4 and 3-6: moved once where they overlap; the rest stays; the last is cut off.
    assert moved.tolist() == [
        [60, 72, 72, 72, 0, 72, 72, 60, 60, 60],
        [60, 60, 60, 60, 60, 60, 60, 60, 72, 72],
    ]


@settings(max_examples=50)
@given(pieces(), st.integers(1, 30), st.sampled_from([0, 0.3, 1]), st.sampled_from([1, -2]))
def test_clumps_against_a_slow_loop(piece, clump, share, octaves):
    moved = octave_shift(piece, share=share, clump=clump, octaves=octaves, rng=rng(7))
    begins = rng(7).random(piece.grid.shape) < share / clump
    expected = piece.grid.astype(int)
    for voice, row in enumerate(begins.tolist()):
        for step in range(piece.steps):
            if expected[voice, step] and any(row[max(0, step - clump + 1) : step + 1]):
                expected[voice, step] += 12 * octaves
    assert np.array_equal(moved.grid, expected)
    only = octave_shift(piece, share=share, clump=clump, octaves=octaves, voices=[0], rng=rng(7))
    assert np.array_equal(only.grid[0], moved.grid[0])
    assert np.array_equal(only.grid[1:], piece.grid[1:])


@pytest.mark.parametrize(("share", "clump"), [(0.15, 45), (0.15, 33), (0.5, 8), (1, 1), (1, 20)])
def test_the_share_that_is_moved(share, clump):
    grid = np.full((50, 20_000), 60)
    moved = octave_shift(grid, share=share, clump=clump, rng=rng()) != 60
    expected = 1 - (1 - share / clump) ** clump
    assert moved[:, clump - 1 :].mean() == pytest.approx(expected, abs=0.005)
    if clump == 45:
        assert expected == pytest.approx(0.139, abs=0.001)


def test_whole_notes_move_by_where_they_begin():
    piece = Chorale([[60, 60, 60, 0, 62, 62, 62, 62]])
    seeds = {}
    for seed in range(40):
        drawn = rng(seed).random((1, 8)) < 0.4
        moved = bass_drop(piece, share=0.4, each="note", rng=rng(seed)).grid[0]
        expected = [60 - 12 * drawn[0, 0]] * 3 + [0] + [62 - 12 * drawn[0, 4]] * 4
        assert moved.tolist() == expected
        seeds[tuple(moved.tolist())] = seed
    assert len(seeds) == 4
    shifted = octave_shift(piece, share=0.9, clump=2, each="note", rng=rng())
    assert same_notes(piece, shifted)


@pytest.mark.parametrize(
    ("voices", "drop"), [(1, [0]), (2, [1]), (3, [2]), (4, [3]), (6, [3]), (8, [3, 7])]
)
def test_the_bass_of_every_quartet_drops(voices, drop):
    grid = np.full((voices, 5), 60)
    expected = grid.copy()
    expected[drop] -= 12
    assert np.array_equal(bass_drop(grid, share=1, rng=rng()), expected)
    assert np.array_equal(bass_drop(grid, share=0, rng=rng()), grid)
    two = bass_drop(grid, share=1, octaves=2, voices=[0], rng=rng())
    assert (two[0] == 36).all() and (two[1:] == 60).all()


def test_a_sixth_of_the_steps_drop(demo):
    grid = np.tile(demo["180.7"].grid, (4, 50))
    dropped = bass_drop(grid, rng=rng()) != grid
    assert dropped[3::4].mean() == pytest.approx(1 / 6, abs=0.003)
    assert not np.delete(dropped, np.s_[3::4], axis=0).any()
    # A note that falls begins anew, and so does what follows it.
    piece = Chorale([[60] * 4])
    assert bass_drop(piece, share=1, rng=rng()).onsets.tolist() == [[True, False, False, False]]


# ---------------------------------------------------------------- strip dissonances


@settings(max_examples=60)
@given(pieces(), st.sampled_from([1, 15]))
def test_only_foreign_notes_change_each_as_a_whole(piece, tries):
    clean = strip_dissonant(piece, tries=tries, rng=rng())
    key = piece.tonic, piece.mode
    foreign = (piece.grid != REST) & ~in_scale(piece.grid, *key)
    assert in_scale(clean.grid, *key)[clean.grid != REST].all()
    assert np.array_equal(clean.grid[~foreign], piece.grid[~foreign])
    assert (abs(clean.grid.astype(int) - piece.grid)[foreign] <= 4).all()
    assert same_notes(piece, clean)


def slow_choice(grid, voice, start, end, key, waiting):
    """All (dissonances, distance) of the notes of the key within a major third."""
    quartet = range(voice // 4 * 4, min(voice // 4 * 4 + 4, len(grid)))
    found = {}
    for pitch in range(grid[voice, start] - 4, grid[voice, start] + 5):
        if pitch % 12 not in scale(*key):
            continue
        clashes = sum(
            abs(pitch - int(grid[other, step])) % 12 in (1, 2, 6, 10, 11)
            for other in quartet
            for step in range(start, end)
            if other != voice and grid[other, step] and (other, step) not in waiting
        )
        found[pitch] = (clashes, abs(pitch - grid[voice, start]))
    return found


@settings(max_examples=40)
@given(pieces(most_steps=12))
def test_with_many_tries_the_best_is_taken(piece):
    clean = strip_dissonant(piece, tries=100, rng=rng()).grid
    key = piece.tonic, piece.mode
    foreign = (piece.grid != REST) & ~in_scale(piece.grid, *key)
    waiting = {(int(voice), int(step)) for voice, step in np.argwhere(foreign)}
    grid = piece.grid.astype(int)
    notes = notes_of(piece.grid, piece.onsets)
    for voice in range(piece.voices):
        for start, end, _ in notes[voice]:
            if (voice, start) in waiting:
                found = slow_choice(grid, voice, start, end, key, waiting)
                assert found[int(clean[voice, start])] == min(found.values())
        grid[voice] = clean[voice]
        waiting = {place for place in waiting if place[0] != voice}


def test_bachs_chromatic_notes_give_way_without_new_dissonance(demo):
    for piece in demo.values():
        clean = strip_dissonant(piece, rng=rng())
        changed = clean.grid != piece.grid
        assert 0 < changed.mean() < 0.12
        before, after = (dissonant_pairs(c.grid).mean() for c in (piece, clean))
        assert after <= before
        assert (clean.tonic, clean.mode) == (piece.tonic, piece.mode)
    found = strip_dissonant(demo["180.7"].grid, rng=rng())
    assert np.array_equal(found, strip_dissonant(demo["180.7"], rng=rng()).grid)
    other = strip_dissonant(demo["180.7"], tonic="D", mode="major", rng=rng())
    assert in_scale(other.grid, 2, "major").all()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: transpose(c), "either by=SEMITONES or to=TONIC"),
        (lambda c: transpose(c, by=1, to="C"), "either by=SEMITONES or to=TONIC"),
        (lambda c: transpose(c, by=1.0), "by: expected a whole number, -126 to 126, got 1.0"),
        (lambda c: transpose(c, by=True), "by: expected a whole number"),
        (lambda c: transpose(c, to="H"), "tonic 'H'"),
        (lambda c: transpose(c, to=12), "to: expected a tonic 0-11 or a name, got 12"),
        (lambda c: transpose(c, to=True), "to: expected a tonic"),
        (lambda c: transpose(c, by=1, voices=[4]), "voices: expected"),
        (
            lambda c: transpose(c, by=60),
            r"soprano at step \d+: .* outside 1-127 .*: clamp .*: skip",
        ),
        (lambda c: transpose(c, by=9, highest="G5"), "outside 1-79"),
        (lambda c: transpose(c, by=9, beyond="wrap"), "beyond: expected refuse, clamp or skip"),
        (lambda c: transpose(c, by=1, voices=[3, 3]), r"voices: a row comes twice in \[3, 3\]"),
        (lambda c: transpose(c, by=1, voices=np.array(3)), r"voices: .*got array\(3\)"),
        (lambda c: transpose(c.grid[:3], by=1, voices="A,B"), "no bass among 3 voices"),
        (lambda c: transpose(c, to="C", tonic="H"), "tonic 'H'"),
        (lambda c: transpose(c, by=1, tonic="D"), "tonic: counts only with to=TONIC, got 'D'"),
        (lambda c: transpose(c, by=1, mode="minor"), "mode: counts only with to=TONIC"),
        (lambda c: invert(c, kind="tonal", mode={}), r"mode: expected major or minor, got \{\}"),
        (lambda c: invert(c, tonic="F#"), "tonic: counts only with kind='tonal', got 'F#'"),
        (lambda c: invert(c, mode="minor"), "mode: counts only with kind='tonal'"),
        (lambda c: invert(c, kind=np.ones(2)), "kind: expected real or tonal"),
        (lambda c: invert(c, kind="modal"), "kind: expected real or tonal, got 'modal'"),
        (lambda c: invert(c, axis=60.25), "axis: expected a MIDI pitch 1-127, a half or a name"),
        (lambda c: invert(c, axis=float("nan")), "axis: expected"),
        (lambda c: invert(c, axis=True), "axis: expected"),
        (lambda c: invert(c, axis=128), "axis: expected"),
        (lambda c: invert(c, axis="X4"), "pitch 'X4'"),
        (lambda c: invert(c, axis=127), "outside 1-127"),
        (lambda c: invert(c, kind="tonal", mode="lydian"), "mode: expected major or minor"),
        (lambda c: octave_shift(c), "rng=numpy.random.default_rng"),
        (lambda c: octave_shift(c, share=1.5, rng=rng()), "share: expected a number from 0 to 1"),
        (lambda c: octave_shift(c, share="a", rng=rng()), "share: expected a number from 0 to 1"),
        (lambda c: octave_shift(c, clump=0, rng=rng()), "clump: expected a whole number, 1 or"),
        (lambda c: octave_shift(c, clump=1.5, rng=rng()), "clump: expected a whole number"),
        (lambda c: octave_shift(c, octaves=11, rng=rng()), "octaves: expected .* -10 to 10"),
        (lambda c: octave_shift(c, each="bar", rng=rng()), "each: expected step or note"),
        (lambda c: octave_shift(c, octaves=5, share=1, rng=rng()), "beyond: clamp"),
        (lambda c: bass_drop(c, share=-0.1, rng=rng()), "share: expected a number from 0 to 1"),
        (lambda c: bass_drop(c), "rng=numpy.random.default_rng"),
        (lambda c: bass_drop(c, octaves=None, rng=rng()), "octaves: expected a whole number"),
        (lambda c: strip_dissonant(c), "rng=numpy.random.default_rng"),
        (lambda c: strip_dissonant(c, tries=0, rng=rng()), "tries: expected a whole number, 1 to"),
        (lambda c: strip_dissonant(c, tonic="Z", rng=rng()), "tonic 'Z'"),
    ],
)
def test_bad_input(demo, call, message):
    with pytest.raises(ChoraleError, match=message):
        call(demo["180.7"])


@pytest.mark.parametrize("layer", [octave_shift, bass_drop, strip_dissonant])
def test_same_seed_same_notes_and_the_trace_stays(demo, layer):
    piece = Traced.begin(demo["244.3"])
    before = piece.grid.tobytes()
    first, second, third = (layer(piece, rng=rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.grid, second.grid)
    assert not np.array_equal(first.grid, third.grid)
    assert np.array_equal(first.voice, piece.voice) and np.array_equal(first.step, piece.step)
    assert piece.grid.tobytes() == before
    assert np.array_equal(first.chorale.fermatas, piece.chorale.fermatas)


def test_silence_stays_silent():
    silent = np.zeros((4, 8), int)
    for result in (
        transpose(silent, by=3),
        transpose(silent, to="C"),
        invert(silent),
        invert(silent, kind="tonal"),
        octave_shift(silent, share=1, clump=1, rng=rng()),
        bass_drop(silent, each="note", share=1, rng=rng()),
        strip_dissonant(silent, rng=rng()),
    ):
        assert not result.any()
