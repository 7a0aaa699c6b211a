"""The last steps, judged by measuring what comes out."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.errors import ChoraleError
from coconet.render.audio import read_sound, write_sound
from coconet.render.finish import CUT_OUT, FADE_IN, FADE_OUT, finish
from coconet.render.hall import in_hall, parse_hall
from coconet.render.levels import loudness, measure, peak_level, true_peak_level
from coconet.render.tape import SAMPLE_RATE, Section, Tape


def music(seconds, seed=0):
    """Notes that die away, as quick as they come."""
    rng = np.random.default_rng(seed)
    sound = np.zeros((round(seconds * SAMPLE_RATE), 2))
    for start in np.arange(0, seconds, 0.25):
        times = np.arange(len(sound) - round(start * SAMPLE_RATE)) / SAMPLE_RATE
        note = np.sin(2 * np.pi * rng.uniform(100, 1500) * times) * np.exp(-4 * times)
        sound[-len(times) :] += note[:, None] * rng.uniform(0.05, 0.3, size=2)
    return sound.astype(np.float32)


def taped(folder, sound, name="dry.f32"):
    tape = Tape(folder / name)
    tape.append(sound)
    return tape


# --- the level ---------------------------------------------------------------


@pytest.mark.parametrize("hall", [None, "room", "church:wet=0.5"])
@pytest.mark.parametrize("level", ["peak:-1", "peak:0", "peak:-20"])
def test_a_peak_is_met(tmp_path, hall, level):
    tape = taped(tmp_path, music(2))
    finished = finish(tape, scratch=tmp_path, hall=hall, level=level)
    wanted = float(level.partition(":")[2])
    path = write_sound(tmp_path / "a.wav", finished.tape, encoding="24")
    found, _ = read_sound(path)
    assert peak_level(found) == pytest.approx(wanted, abs=0.01)
    assert np.abs(found).max() <= 1
    assert finished.peak == pytest.approx(wanted, abs=1e-6)
    assert finished.true_peak == pytest.approx(true_peak_level(found), abs=0.01)
    assert finished.loudness == pytest.approx(loudness(found), abs=0.01)
    assert finished.seconds == len(found) / SAMPLE_RATE
    assert finished.reduction == 0 and isinstance(finished.tape, Section)


@pytest.mark.parametrize("level", ["lufs:-30", "lufs:-23,-3", "lufs:-15", "lufs:-13,-2"])
def test_a_loudness_is_met_under_the_true_peak(tmp_path, level):
    tape = taped(tmp_path, music(4))
    finished = finish(tape, scratch=tmp_path, level=level)
    target, _, ceiling = level.removeprefix("lufs:").partition(",")
    found = finished.tape.read()
    assert loudness(found) == pytest.approx(float(target), abs=0.1)
    assert true_peak_level(found) <= float(ceiling or -1) + 1e-3
    assert finished.loudness == pytest.approx(loudness(found), abs=1e-3)
    assert finished.true_peak == pytest.approx(true_peak_level(found), abs=1e-3)
    assert not finished.warnings


def test_a_loudness_by_the_limiter(tmp_path):
    sound = music(4)
    measured = measure(sound)
    # Two and a half decibels more than the true peak has room for.
    target = round(measured.loudness - measured.true_peak - 1.5 + 2.5, 1)
    level = f"lufs:{target},-1.5"
    finished = finish(taped(tmp_path, sound), scratch=tmp_path, level=level)
    found = finished.tape.read()
    assert 1 < finished.reduction <= 6.1
    assert loudness(found) == pytest.approx(target, abs=0.2)
    assert len(found) == len(sound)
    assert true_peak_level(found) <= -1.5 + 1e-3
    assert finished.gain > target - finished.loudness_before


def test_a_loudness_out_of_reach_is_met_as_far_as_can_be(tmp_path):
    sound = 0.01 * music(4)
    sound[SAMPLE_RATE] = 0.8
    finished = finish(taped(tmp_path, sound), scratch=tmp_path, level="lufs:-14")
    (warning,) = finished.warnings
    assert "LUFS instead of -14: the limiter takes 6.0 dB" in warning
    found = finished.tape.read()
    assert true_peak_level(found) <= -1 + 1e-3
    assert loudness(found) == pytest.approx(finished.loudness, abs=1e-3)
    assert finished.loudness < -20


@pytest.mark.parametrize(
    "sound", [music(0.3), music(2) * 1e-3 * np.float32(0.3)], ids=["too short", "too soft"]
)
def test_what_cannot_be_measured_is_set_by_its_peak(tmp_path, sound):
    finished = finish(taped(tmp_path, sound), scratch=tmp_path, level="lufs:-18,-2")
    assert "too short or too soft" in finished.warnings[0]
    assert finished.loudness_before is None
    assert true_peak_level(finished.tape.read()) == pytest.approx(-2, abs=0.01)


def test_a_true_peak_above_full_scale_is_mentioned(tmp_path):
    """A tone whose samples all miss its crests."""
    angles = np.pi / 4 + np.pi / 2 * np.arange(SAMPLE_RATE)
    sound = np.tile(np.sin(angles)[:, None] * np.hanning(SAMPLE_RATE)[:, None], 2)
    finished = finish(taped(tmp_path, sound), scratch=tmp_path, level="peak:0")
    assert finished.true_peak == pytest.approx(3, abs=0.1)
    assert "+3.0 dBTP" in finished.warnings[0] and "peak:-4" in finished.warnings[0]
    assert not finish(taped(tmp_path, sound), scratch=tmp_path, level="peak:-4").warnings


# --- the ends ----------------------------------------------------------------


def placed(before, sounding, after, hiss=0.0):
    """A tone of full strength between two silences, which may hiss."""
    tone = np.sin(np.arange(sounding) / 5 + 1)
    sound = np.tile(np.concatenate([np.zeros(before), tone, np.zeros(after)])[:, None], 2)
    return (sound + hiss * np.random.default_rng(0).normal(size=sound.shape)).astype(np.float32)


@given(st.integers(0, 400_000), st.integers(1500, 60_000), st.integers(0, 400_000), st.booleans())
@settings(deadline=None, max_examples=8)
def test_silence_is_cut_off_and_nothing_else(tmp_path_factory, before, sounding, after, hiss):
    folder = tmp_path_factory.mktemp("trim")
    sound = placed(before, sounding, after, 1e-4 * hiss)
    finished = finish(taped(folder, sound), scratch=folder, trim=True, level="peak:0")
    fade_in, fade_out = (round(s * SAMPLE_RATE) for s in (FADE_IN, FADE_OUT))
    kept_before, kept_after = min(before, fade_in), min(after, fade_out)
    # The first and the last sample of the tone may themselves be near zero.
    first, last = finished.trimmed
    assert first * SAMPLE_RATE == pytest.approx(before - kept_before, abs=3)
    assert last * SAMPLE_RATE == pytest.approx(after - kept_after, abs=3)
    found = finished.tape.read()
    start = round(first * SAMPLE_RATE)
    inside = slice(kept_before, kept_before + sounding)
    wanted = sound[start : start + len(found)] * 10 ** (finished.gain / 20)
    # An end less than 10 ms behind the sound is a hard one.
    whole = sounding - max(0, round(CUT_OUT * SAMPLE_RATE) - after) - 3
    assert np.allclose(found[inside][:whole], wanted[inside][:whole], atol=1e-5)
    if kept_before > 10:
        assert np.abs(found[:2]).max() < 1e-6
    assert np.abs(found[-1]).max() < 1e-4


def test_the_threshold_may_be_chosen(tmp_path):
    """Hiss of -66 dB is silence above -60 dB, but sound above -80."""
    tape = taped(tmp_path, placed(50_000, 30_000, 50_000, hiss=1e-4))
    assert sum(finish(tape, scratch=tmp_path, trim=True).trimmed) > 2
    assert sum(finish(tape, scratch=tmp_path, trim=-90).trimmed) < 0.01


def test_untrimmed_only_a_hard_end_is_faded(tmp_path):
    sound = placed(1000, 20_000, 0)
    finished = finish(taped(tmp_path, sound), scratch=tmp_path, level="peak:-6")
    cut = round(CUT_OUT * SAMPLE_RATE)
    found = finished.tape.read()
    assert np.allclose(found[:-cut], sound[:-cut] * 10 ** (finished.gain / 20), atol=1e-6)
    assert np.abs(found[-1]).max() < 1e-4
    soft = placed(1000, 20_000, 1000)
    finished = finish(taped(tmp_path, soft), scratch=tmp_path, trim=None, level="peak:-6")
    assert finished.trimmed == (0, 0) and len(finished.tape) == 22_000
    assert np.allclose(finished.tape.read(), soft * 10 ** (finished.gain / 20), atol=1e-6)


# --- the whole ---------------------------------------------------------------


def test_the_hall_is_the_hall(tmp_path):
    sound = music(1.5)
    tape = taped(tmp_path, sound)
    finished = finish(tape, scratch=tmp_path, hall="chamber", level="peak:-3")
    wet = np.concatenate(list(in_hall([sound], parse_hall("chamber"))))
    found = finished.tape.read()
    assert np.allclose(found, wet * 10 ** (finished.gain / 20), atol=1e-5)
    assert np.array_equal(tape.read(), sound)


@pytest.mark.parametrize("options", [{"hall": "room"}, {"level": "lufs:-7"}])
def test_a_second_finish_leaves_the_first(tmp_path, options):
    """Of the same tape in the same folder."""
    tape = taped(tmp_path, music(1.5))
    first = finish(tape, scratch=tmp_path, **options)
    before = first.tape.read()
    finish(tape, scratch=tmp_path, hall="church", level="lufs:-10")
    limited = finish(tape, scratch=tmp_path, level="lufs:-8")
    assert limited.reduction > 0
    assert np.array_equal(first.tape.read(), before)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_twice_is_the_same_file(tmp_path, name):
    files = []
    for turn in ("one", "two"):
        folder = tmp_path / turn
        folder.mkdir()
        tape = taped(folder, music(1))
        finished = finish(tape, scratch=folder, hall="room", trim=True, level="lufs:-6")
        files.append(write_sound(folder / name, finished.tape, tags={"seed": 1}).read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("sound", "options", "message"),
    [
        (np.zeros((5000, 2)), {}, "is silent"),
        (np.zeros((0, 2)), {}, "is silent"),
        (np.full((5000, 2), 1e-5), {}, r"is silent \(peak -100.0 dBFS\)"),
        (np.full((5000, 2), np.nan), {}, "aren't finite"),
        (np.full((5000, 2), np.nan), {"hall": "room"}, "aren't finite"),
        (np.array([[np.inf, 0], [0.1, 0]]), {}, "aren't finite"),
        (np.ones((5000, 2)), {"level": "loud"}, "expected peak:-1"),
        (np.ones((5000, 2)), {"hall": "cave"}, "expected room"),
        (np.ones((5000, 2)), {"trim": -10}, "trim: expected a number from -120 to -20"),
        (np.ones((5000, 2)), {"trim": "yes"}, "trim: expected"),
    ],
)
def test_what_cannot_be_finished(tmp_path, sound, options, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        finish(taped(tmp_path, sound), scratch=tmp_path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("frames", [1, 2, 31, 100])
@pytest.mark.parametrize("level", ["peak:-1", "lufs:-18"])
def test_the_shortest_sounds(tmp_path, frames, level):
    tape = taped(tmp_path, np.full((frames, 2), 0.5))
    finished = finish(tape, scratch=tmp_path, trim=True, level=level)
    assert len(finished.tape) == frames
    assert measure(finished.tape).peak <= -1 + 1e-6


MEMORY = """
import resource, sys, numpy as np, soundfile
from pathlib import Path
from coconet.render.audio import write_sound
from coconet.render.finish import finish
from coconet.render.tape import Tape
folder = Path(sys.argv[1])
tape = Tape(folder / "dry.f32")
block = np.random.default_rng(0).standard_normal((1 << 18, 2), np.float32) * np.float32(0.1)
for _ in range(int(sys.argv[2])):
    tape.append(block)
del block
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
finished = finish(tape, scratch=folder, hall="room", level="lufs:-9")
write_sound(folder / "a.wav", finished.tape, force=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_length(tmp_path):
    """Two minutes take what half of one takes, below the 100 MB that are promised."""
    grown = []
    for blocks in (5, 20):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(tmp_path), str(blocks)],
            capture_output=True,
            text=True,
            check=True,
        )
        grown.append(int(done.stdout) / 1024)
    assert max(grown) < 100 and grown[1] < grown[0] + 15
