"""From a chorale to timed notes, in every style."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import disjoint_spans, pieces

from coconet.chorale import Chorale, load_chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, note_table
from coconet.places import root
from coconet.render.dynamics import Walk, midi_velocity, phrase_velocities
from coconet.render.events import NOTE, TAIL, Performance, WalkCounts
from coconet.render.performance import PLACES, perform, voice_pans
from coconet.render.style import CALM, LIFT, ORIGINAL, PLAIN, STYLES, Style, parse_style
from coconet.render.tempo import step_times
from coconet.transforms.spans import challenging_spans, score_steps
from coconet.tuning import equal_frequencies, load_tuning

EQUAL = equal_frequencies()
SCHMUECKE = load_corpus("demo")[1]


def chorale(*voices, **fields):
    """A chorale from voices written as lists of (pitch, steps)."""
    rows = [[pitch for pitch, steps in voice for _ in range(steps)] for voice in voices]
    return Chorale(np.array(rows), **fields)


def rng(seed=0):
    return np.random.default_rng(seed)


# --- which notes, when ----------------------------------------------------------


def test_a_held_note_is_one_and_a_repeated_note_two():
    grid = np.full((1, 8), 60)
    onsets = np.zeros((1, 8), bool)
    onsets[0, [0, 4]] = True
    style = replace(PLAIN, tempo=60)
    once = perform(Chorale(grid), EQUAL, style)
    twice = perform(Chorale(grid, onsets=onsets), EQUAL, style)
    assert once.notes["start"].tolist() == [0]
    assert once.notes["duration"][0] == pytest.approx(2 - LIFT)
    assert twice.notes["start"] == pytest.approx([0, 1])
    assert twice.spans[0, 1] < 1, "and a gap between them"


@given(pieces(), st.floats(20, 300))
@settings(max_examples=40)
def test_every_sounding_step_is_performed(piece, tempo):
    style = replace(PLAIN, tempo=tempo)
    if not (piece.grid != REST).any():
        with pytest.raises(ChoraleError, match="has no notes to sound, only rests"):
            perform(piece, EQUAL, style)
        return
    performance = perform(piece, EQUAL, style)
    step = 15 / tempo
    heard = np.zeros_like(piece.grid)
    for note in performance.notes:
        first = round(note["start"] / step)
        assert note["step"] == first and piece.onsets[note["voice"], first]
        # A note is lifted by at most a quarter of its length, less than half a step of one.
        last = round((note["start"] + note["duration"] + min(LIFT, step / 4)) / step)
        assert (heard[note["voice"], first:last] == 0).all()
        heard[note["voice"], first:last] = note["key"]
    assert np.array_equal(heard, piece.grid)
    assert len(performance.notes) == piece.onsets.sum()
    assert performance.seconds == pytest.approx(piece.steps * step + TAIL)
    assert np.array_equal(performance.notes["hz"], EQUAL[performance.notes["key"]])


@given(pieces(), st.sampled_from(list(STYLES)), st.integers(0, 9))
@settings(max_examples=40)
def test_every_style_plays_every_piece(piece, name, seed):
    if not (piece.grid != REST).any():
        return
    performance = perform(piece, EQUAL, name, rng=rng(seed))
    notes = performance.notes
    assert len(notes) == piece.onsets.sum()
    assert (notes["start"] >= 0).all() and (notes["duration"] > 0).all()
    assert (np.diff(notes["start"]) >= 0).all()
    assert ((notes["velocity"] >= 1) & (notes["velocity"] <= 127)).all()
    assert ((notes["pan"] >= 0) & (notes["pan"] <= 1)).all()
    assert performance.seconds >= performance.spans.max() + TAIL - 1e-9
    assert (performance.voices, performance.steps) == piece.grid.shape
    again = perform(piece, EQUAL, name, rng=rng(seed))
    assert np.array_equal(notes, again.notes)


def test_a_real_chorale_calmly():
    """BWV 180.7: longer than its metronome, phrases as they are sung, no chance."""
    performance = perform(SCHMUECKE, load_tuning().frequencies(SCHMUECKE.tonic))
    assert performance.title == "Schmücke dich, o liebe Seele"
    assert len(performance.notes) == SCHMUECKE.onsets.sum()
    assert SCHMUECKE.seconds + 2 < performance.seconds - TAIL < SCHMUECKE.seconds + 6
    notes = performance.notes
    expected = phrase_velocities(SCHMUECKE)[notes["voice"], notes["step"]]
    assert (notes["velocity"] == np.rint(expected)).all()
    assert (notes["start"] == performance.times[notes["step"]]).all()
    assert not notes["level"].any() and not notes["shift"].any() and not notes["glide"].any()


def test_stacks_of_64_voices_play():
    (path,) = sorted((root() / "numpy_chorales" / "examples").glob("bwv373*replaced.npy"))
    stack = load_chorale(path)
    stack = Chorale(np.vstack([stack.grid] * 4), onsets=np.vstack([stack.onsets] * 4))
    performance = perform(stack, EQUAL)
    assert (performance.voices, len(performance.notes)) == (64, stack.onsets.sum())
    assert len(np.unique(performance.notes["pan"].round(9))) == 64


def test_frequencies_may_differ_from_cell_to_cell():
    piece = chorale([(60, 4), (62, 4)], [(48, 8)])
    cells = np.where(piece.onsets, 100.0 + np.arange(16).reshape(2, 8), np.nan)
    notes = perform(piece, cells).notes
    assert notes["hz"].tolist() == [100, 108, 104], "each takes its own where it begins"


# --- touch --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hold", "expected"), [(0.2, 0.7), (0, 0.5), (-0.02, 0.48), (-0.1, 0.4), (-3, 0.375)]
)
def test_holding_and_lifting(hold, expected):
    style = replace(PLAIN, hold=hold, tempo=60)
    performance = perform(chorale([(60, 2), (62, 2), (0, 4)]), EQUAL, style)
    assert performance.notes["duration"] == pytest.approx([expected] * 2), "before a rest too"


def test_a_held_last_note_sounds_past_the_end():
    """The original lost it."""
    performance = perform(chorale([(60, 4), (62, 12)]), EQUAL, ORIGINAL, rng=rng())
    assert performance.notes["key"].tolist() == [60, 62]
    assert performance.notes["duration"] == pytest.approx(np.array([4, 12]) * 15 / 72 + 0.2)
    assert performance.seconds == pytest.approx(performance.spans.max() + TAIL)
    assert performance.spans.max() > performance.times[-1]


def test_glides_arrive_at_the_next_pitch_when_it_begins():
    tuning = load_tuning()
    piece = chorale([(60, 4), (67, 2), (67, 2), (64, 2), (0, 2), (62, 4)], [(48, 16)], tempo=60)
    piece = piece.replace(onsets=piece.onsets | (np.arange(16) == 6) & (piece.grid == 67))
    style = replace(PLAIN, glide=0.4, hold=0.2)
    notes = perform(piece, tuning.frequencies(7), style).notes
    upper = notes[notes["voice"] == 0]
    # c-g glides, g-g is no way to go, g-e glides for half the note, before a rest none does.
    assert np.flatnonzero(upper["glide"]).tolist() == [0, 2]
    assert upper["glide_time"] == pytest.approx([0.4, 0, 0.25, 0, 0])
    for i in (0, 2):
        assert upper["start"][i] + upper["duration"][i] == upper["start"][i + 1], "no hold"
        arrived = upper["hz"][i] * 2 ** (upper["glide"][i] / 1200)
        assert arrived == pytest.approx(upper["hz"][i + 1], rel=1e-12)
    assert upper["duration"][1] == pytest.approx(0.5 + 0.2)
    assert not notes[notes["voice"] == 1]["glide"].any()


def test_a_repeated_key_is_struck_anew():
    """Even where adaptive intonation gives it another frequency."""
    piece = chorale([(60, 8), (62, 4)]).replace(onsets=np.arange(12)[None] % 4 == 0)
    cells = 260.0 + np.arange(12)[None]
    notes = perform(piece, cells, replace(PLAIN, glide=0.1)).notes
    assert (notes["glide"] > 0).tolist() == [False, True, False]
    assert notes["start"][1] - notes["start"][0] - notes["duration"][0] == pytest.approx(LIFT)


def test_glides_only_where_they_are_marked_and_never_across_a_breath():
    marks = np.zeros((4, 240), bool)
    marks[0] = True
    style = Style(glide=0.1, glides=marks)
    notes = perform(SCHMUECKE, EQUAL, style).notes
    assert set(notes["voice"][notes["glide"] != 0]) == {0}
    piece = chorale([(60, 4), (62, 4)], fermatas=np.arange(8) == 3)
    for fermata, cents in ((0.5, 0), (0, 200)):
        notes = perform(piece, EQUAL, Style(glide=0.1, fermata=fermata)).notes
        assert notes["glide"] == pytest.approx([cents, 0])
    with pytest.raises(ChoraleError, match=r"glides: expected shape \(4, 240\), got \(1, 240\)"):
        perform(SCHMUECKE, EQUAL, Style(glide=0.1, glides=marks[:1]))


@given(pieces(), st.integers(0, 99), st.floats(0.01, 1))
@settings(max_examples=30)
def test_glides_meet_starts_that_are_drawn(piece, seed, jitter):
    if not (piece.grid != REST).any():
        return
    style = Style(glide=0.3, jitter=jitter, fermata=0, tempo=200)
    notes = perform(piece, EQUAL, style, rng=rng(seed)).notes
    for note in notes[notes["glide"] != 0]:
        assert 0 < note["glide_time"] <= note["duration"] / 2 + 1e-12
        arrives = note["start"] + note["duration"]
        later = notes[(notes["voice"] == note["voice"]) & (notes["step"] > note["step"])]
        following = later[later["step"].argmin()]
        assert following["start"] == pytest.approx(arrives, abs=1e-12)


# --- dynamics, places, levels, shifts -------------------------------------------------


def test_velocities_by_hand_are_played():
    by_hand = np.arange(960).reshape(4, 240) % 127 + 1
    notes = perform(SCHMUECKE, EQUAL, Style(dynamics=by_hand)).notes
    assert (notes["velocity"] == by_hand[notes["voice"], notes["step"]]).all()


@pytest.mark.parametrize("voices", [1, 2, 4, 8, 16, 20, 64])
def test_pans_are_spread_evenly_within_the_stage(voices):
    pans = voice_pans(voices)
    assert pans.shape == (voices,)
    assert pans.min() > 0 and pans.max() < 1
    assert pans.mean() == pytest.approx(0.5)
    assert len(np.unique(pans.round(6))) == voices


def test_voices_stand_where_they_are_put():
    fixed = perform(SCHMUECKE, EQUAL, Style(stage=(0, 0.25, 0.75, 1))).notes
    assert (fixed["pan"] == np.array([0, 0.25, 0.75, 1])[fixed["voice"]]).all()
    drawn = perform(SCHMUECKE, EQUAL, Style(stage="random"), rng=rng()).notes
    places, counts = np.unique(drawn["pan"], return_counts=True)
    assert (places == PLACES).all() and counts.min() > 10


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (None, [0] * 8),
        (range(8), list(range(8))),
        ({"bass": -6}, [0, 0, 0, -6, 0, 0, 0, -6]),
        ({"soprano,alto": 3, -1: -2.5}, [3, 3, 0, 0, 3, 3, 0, -2.5]),
    ],
)
def test_levels_a_voice(levels, expected):
    stack = Chorale(np.vstack([SCHMUECKE.grid] * 2))
    style = Style(levels=levels)
    for same in (style, replace(style, tempo=60)):
        notes = perform(stack, EQUAL, same).notes
        assert (notes["level"] == np.array(expected)[notes["voice"]]).all()


def test_a_shift_that_wanders():
    assert (perform(SCHMUECKE, EQUAL, Style(shift=-3)).notes["shift"] == -3).all()
    notes = perform(SCHMUECKE, EQUAL, Style(shift=4, wander=True), rng=rng()).notes
    assert np.unique(notes["shift"]).tolist() == [3, 4, 5]


# --- chance ------------------------------------------------------------------------------


def test_starts_and_velocities_are_loosened():
    exact = perform(SCHMUECKE, EQUAL)
    loose = [perform(SCHMUECKE, EQUAL, CALM.loosened(), rng=rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(loose[0].notes, loose[1].notes)
    assert not np.array_equal(loose[0].notes, loose[2].notes)
    first, played = (np.sort(p.notes, order=["voice", "step"]) for p in (exact, loose[0]))
    moved = (played["start"] - first["start"])[first["step"] > 0]
    assert moved.std() == pytest.approx(0.006, rel=0.2) and abs(moved.mean()) < 0.002
    assert (played["velocity"] - first["velocity"]).std() == pytest.approx(2.5, rel=0.2)
    assert (played["duration"] == first["duration"]).all()
    assert played["start"].min() >= 0


def test_the_zfactor_is_relative_to_the_tempo():
    style = replace(PLAIN, zfactor=10, tempo=((0, 120), (120, 120), (120, 30)))
    exact = perform(SCHMUECKE, EQUAL, replace(style, zfactor=None)).notes
    notes = perform(SCHMUECKE, EQUAL, style, rng=rng()).notes
    first, played = (np.sort(each, order=["voice", "step"]) for each in (exact, notes))
    moved = played["start"] - first["start"]
    quick = (first["step"] < 120) & (first["step"] > 0)
    assert moved[quick].std() == pytest.approx(1 / (10 * 5 * 0.5), rel=0.2)
    assert moved[first["step"] >= 120].std() == pytest.approx(1 / (10 * 5 * 2), rel=0.2)


@pytest.mark.parametrize(
    "style",
    [
        ORIGINAL,
        CALM.loosened(),
        Style(jitter=0.1),
        Style(zfactor=10),
        Style(loose=1),
        Style(stage="random"),
        Style(wander=True),
        Style(dynamics=Walk()),
    ],
)
def test_chance_needs_a_generator(style):
    assert style.needs_chance
    for wrong in (None, 7):
        with pytest.raises(ChoraleError, match="chance is asked for: expected rng="):
            perform(SCHMUECKE, EQUAL, style, rng=wrong)


@pytest.mark.parametrize("style", [PLAIN, CALM, Style(shift=3, glide=1, levels={"bass": 1})])
def test_what_leaves_nothing_to_chance_needs_none(style):
    assert not style.needs_chance
    assert np.array_equal(
        perform(SCHMUECKE, EQUAL, style).notes,
        perform(SCHMUECKE, EQUAL, style, rng=rng()).notes,
    )


# --- the original ---------------------------------------------------------------------------


def transcribed(grid, challenging, rng, zfactor, quarter):
    """The original's loop, step by step, with the note that it lost: rows and counts."""
    counts = asdict(WalkCounts(15.0))
    rows, volume = [], 15
    for voice, line in enumerate(grid.tolist()):
        velocity, began = 67, 0
        for step in range(1, len(line) + 1):
            if step < len(line) and line[step] == line[step - 1]:
                continue
            pitch, first, began = line[step - 1], began, step
            if pitch == 0:
                continue
            if step in challenging:
                counts["challenging"] += 1
                if rng.integers(0, 2) == 0:
                    velocity += 1
                    counts["velocity_rises"] += 1
                if rng.integers(0, 2) == 0:
                    volume += 0.25
                    counts["volume_rises"] += 1
            else:
                counts["calm"] += 1
                if rng.integers(0, 3) == 0:
                    velocity -= 1
                    counts["velocity_falls"] += 1
                if rng.integers(0, 3) == 0:
                    volume -= 0.25
                    counts["volume_falls"] += 1
            if volume < 10 or volume > 18:
                volume = 15
                counts["volume_resets"] += 1
            if velocity < 58 or velocity > 71:
                velocity = 67
                counts["velocity_resets"] += 1
            start = first * quarter / 4 + rng.standard_normal() / (zfactor * 5 * quarter)
            stereo = rng.choice([1, 3, 5, 7, 8, 9, 11, 13, 15])
            shift = 4 + rng.choice([-1, 0, 1])
            length = (step - first) * quarter / 4 + 0.2
            rows.append((voice, first, max(0, start), length, velocity, volume, stereo, shift))
    return rows, counts


def assert_like_the_original(piece, spans, seed, zfactor):
    style = replace(ORIGINAL, zfactor=zfactor)
    performance = perform(piece, EQUAL, style, rng=rng(seed), spans=spans)
    pairs = challenging_spans(score_steps(piece)) if spans is None else spans
    inside = {step for start, end in pairs for step in range(start, end)}
    rows, counts = transcribed(piece.grid, inside, rng(seed), zfactor, 60 / piece.tempo)
    notes = np.sort(performance.notes, order=["voice", "step"])
    voice, step, start, length, velocity, volume, stereo, shift = zip(*rows, strict=True)
    assert (notes["voice"] == voice).all() and (notes["step"] == step).all()
    assert notes["start"] == pytest.approx(start, abs=1e-9)
    assert notes["duration"] == pytest.approx(length)
    assert (notes["velocity"] == midi_velocity(velocity)).all()
    assert 15 * 10 ** (notes["level"] / 20) == pytest.approx(volume, abs=1e-9)
    assert (notes["pan"] * 16 == stereo).all() and (notes["shift"] == shift).all()
    assert performance.walk == WalkCounts(**counts)
    return performance.walk


@given(st.data(), st.integers(0, 2**32), st.sampled_from([10, 14, 18]))
@settings(max_examples=40)
def test_the_original_draw_by_draw(data, seed, zfactor):
    piece = data.draw(pieces())
    piece = Chorale(piece.grid, tempo=data.draw(st.sampled_from([30, 72, 80])))  # merged notes
    if not (piece.grid != REST).any():
        return
    spans = data.draw(st.one_of(st.none(), disjoint_spans(piece.steps)))
    assert_like_the_original(piece, spans, seed, zfactor)


def test_the_original_on_a_real_stack():
    (path,) = sorted((root() / "numpy_chorales" / "examples").glob("bwv140.7*replaced.npy"))
    stack = load_chorale(path)
    walk = assert_like_the_original(Chorale(stack.grid, tonic=3, tempo=72), None, 1, 14)
    assert walk.challenging > 50 and walk.velocity_resets and walk.volume_resets
    assert walk.notes == len(note_table(stack.grid, Chorale(stack.grid).onsets)[0])
    assert str(walk).startswith(f"{walk.notes} notes, {walk.challenging} challenging: velocity ")


def test_a_walk_with_levels_and_looseness_keeps_its_own_volume():
    style = replace(ORIGINAL, levels={"bass": -6}, loose=2)
    plain = perform(SCHMUECKE, EQUAL, ORIGINAL, rng=rng()).notes
    mixed = perform(SCHMUECKE, EQUAL, replace(ORIGINAL, levels={"bass": -6}), rng=rng()).notes
    bass = plain["voice"] == 3
    assert mixed["level"] == pytest.approx(plain["level"] - 6 * bass)
    loose = perform(SCHMUECKE, EQUAL, style, rng=rng()).notes["velocity"]
    assert 18 < loose.mean() < 60, "about the walk's velocities"


def test_spans_count_only_for_a_walk():
    with pytest.raises(ChoraleError, match="spans: counts only with dynamics='walk'"):
        perform(SCHMUECKE, EQUAL, CALM, spans=[[0, 4]])
    everywhere = perform(SCHMUECKE, EQUAL, ORIGINAL, rng=rng(), spans=[[0, 240]]).walk
    # The last notes end where the piece does, after the span.
    assert everywhere.calm == 4
    assert perform(SCHMUECKE, EQUAL, ORIGINAL, rng=rng(), spans=[]).walk.challenging == 0


# --- from steps to seconds and back ---------------------------------------------------------


def test_steps_and_seconds_are_two_ways_along_one_road():
    performance = perform(SCHMUECKE, EQUAL, Style(tempo=((0, 60), (240, 90)), broaden=0.2))
    times, _ = step_times(SCHMUECKE, tempo=((0, 60), (240, 90)), fermata=0.5, broaden=0.2)
    assert (performance.times == times).all()
    assert performance.second_of(np.arange(241)) == pytest.approx(times)
    steps = np.linspace(0, 240, 999)
    assert performance.step_at(performance.second_of(steps)) == pytest.approx(steps)
    assert performance.second_of(3.5) == pytest.approx((times[3] + times[4]) / 2)
    for call, wrong, message in (
        (performance.second_of, 241, "step: expected 0 to 240, got 241"),
        (performance.second_of, "x", "step: expected numbers, got 'x'"),
        (performance.step_at, -0.1, "second: expected 0 to .*, got -0.1"),
        (performance.step_at, [0, np.nan], "second: expected 0 to .*, got nan"),
        (Performance(np.zeros(0, NOTE), 1.0, 1).step_at, 0, "these notes come from no grid"),
    ):
        with pytest.raises(ChoraleError, match=message):
            call(wrong)


# --- what can't be ----------------------------------------------------------------------------


def test_styles_by_name():
    assert [parse_style(name) for name in ("plain", "calm", "original")] == [PLAIN, CALM, ORIGINAL]
    assert parse_style(CALM) is CALM
    with pytest.raises(ChoraleError, match="style: expected plain, calm or original, got 'clam'"):
        parse_style("clam")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tempo": 2}, "tempo: expected a number from 5 to 1000"),
        ({"fermata": -1}, "fermata: expected a number from 0 to 8"),
        ({"broaden": 2}, "broaden: expected a number from 0 to 1"),
        ({"hold": 10}, "hold: expected a number from -5 to 5"),
        ({"jitter": -0.1}, "jitter: expected a number from 0 to 1"),
        ({"zfactor": 0}, "zfactor: expected a number from 0.1"),
        ({"zfactor": 10, "jitter": 0.1}, "jitter and zfactor: expected one of them, got both"),
        ({"loose": "much"}, "loose: expected a number from 0 to 40"),
        ({"dynamics": "evn"}, "dynamics: expected even, phrase or walk.*did you mean even"),
        ({"dynamics": None}, "dynamics: expected even, phrase, walk, a Walk or whole numbers"),
        ({"stage": "fixed"}, "stage: expected spread or random, got 'fixed'"),
        ({"stage": 0.5}, "stage: expected spread, random or a place a voice, 0-1, got 0.5"),
        ({"stage": (0.5, 1.5)}, "stage: voice 1: expected a number from 0 to 1, got 1.5"),
        ({"levels": 3}, "levels: expected decibels, one a voice, got 3"),
        ({"levels": {}}, "levels: expected decibels, one a voice"),
        ({"levels": (0, 30)}, "levels: voice 1: expected a number from -60 to 24, got 30"),
        ({"levels": {"bass": "loud"}}, "levels: bass: expected a number from -60 to 24"),
        ({"levels": {0.5: 1}}, "levels: expected names of voices or rows, got 0.5"),
        ({"glide": 61}, "glide: expected a number from 0 to 60"),
        ({"glides": np.ones((4, 8), bool)}, "glides: expected a time for them, glide=SECONDS"),
        ({"glide": 1, "glides": [[1, 0]]}, "glides: expected booleans of shape"),
        ({"glide": 1, "glides": True}, "glides: expected booleans of shape"),
        ({"glide": 1, "glides": [[True], []]}, "glides: expected booleans of shape"),
        ({"shift": 25}, "shift: expected a whole number, -24 to 24"),
        ({"shift": 1.5}, "shift: expected a whole number"),
        ({"wander": "no"}, "wander: expected true or false, got 'no'"),
    ],
)
def test_styles_that_no_one_can_play_are_refused(options, message):
    with pytest.raises(ChoraleError, match=message):
        Style(**options)


@pytest.mark.parametrize(
    ("frequencies", "style", "message"),
    [
        (EQUAL[:100], CALM, r"frequencies: expected Hz of shape \(128,\) or \(4, 240\), got float"),
        (["a"] * 128, CALM, "frequencies: expected Hz of shape"),
        ([[440], []], CALM, "frequencies: expected Hz of shape"),
        (np.full(128, np.nan), CALM, "soprano at step 0: expected 1-22050 Hz, got nan"),
        (EQUAL * 100, CALM, "soprano at step 0: expected 1-22050 Hz, got 44000"),
        (EQUAL, Style(tempo=((0, 60), (300, 72))), "a point at step 300"),
        (EQUAL, Style(stage=(0.5, 0.5)), "stage: expected a place for each of 4 voices, got 2"),
        (EQUAL, Style(levels=(1, 2)), "levels: expected one for each of 4 voices, got 2"),
        (EQUAL, Style(levels={9: 1}), "levels: expected names such as soprano,bass or rows 0-3"),
        (EQUAL, Style(levels={"bass": 1, 3: 2}), "levels: bass is set by 'bass' and again by 3"),
        (EQUAL, Style(dynamics=[[1, 2]]), r"dynamics: expected velocities of shape \(4, 240\)"),
        (EQUAL, "clam", "style: expected plain, calm or original"),
    ],
)
def test_what_does_not_fit_a_chorale_is_refused(frequencies, style, message):
    with pytest.raises(ChoraleError, match=message):
        perform(SCHMUECKE, frequencies, style)


@pytest.mark.parametrize("what", [SCHMUECKE.grid, None, "bwv180.7"])
def test_only_chorales_are_performed(what):
    with pytest.raises(ChoraleError, match="expected a Chorale, got"):
        perform(what, EQUAL)


def test_a_performance_lasts_a_day_at_most():
    long = Chorale(np.full((1, 120_000), 60))
    assert perform(long, EQUAL).seconds > 20_000
    with pytest.raises(ChoraleError, match="expected a day at most; is the tempo too slow"):
        perform(long, EQUAL, Style(tempo=15))
