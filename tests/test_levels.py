"""Peak, true peak and loudness, against the standard's signals and another meter."""

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly, sosfilt

from coconet.errors import ChoraleError
from coconet.render import levels
from coconet.render.levels import Level, measure, parse_level
from coconet.render.tape import SAMPLE_RATE, Tape


def tone(hz, seconds, dbfs, channels=2, phase=0.0):
    angles = 2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE + phase
    return np.tile(10 ** (dbfs / 20) * np.sin(angles)[:, None], channels)


def music(seconds, seed=0):
    """Notes that die away over a little noise, loud and soft, left and right."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * SAMPLE_RATE)
    sound = rng.normal(size=(frames, 2)) * 1e-4
    for start in np.arange(0, seconds, 0.3):
        times = np.arange(frames - round(start * SAMPLE_RATE)) / SAMPLE_RATE
        note = np.sin(2 * np.pi * rng.uniform(100, 2000) * times) * np.exp(-3 * times)
        sound[-len(times) :] += note[:, None] * rng.uniform(0.02, 0.3, size=2)
    return sound


# --- loudness ----------------------------------------------------------------


def test_the_filter_is_the_standards():
    """BS.1770-4, tables 1 and 2: the coefficients printed for 48 kHz."""
    head, low = levels.k_weighting(48000)
    printed = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    assert head == pytest.approx([*printed, 1, -1.69065929318241, 0.73248077421585], abs=1e-10)
    assert low == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-10)


def stretches(*parts):
    return np.concatenate([tone(1000, seconds, dbfs) for seconds, dbfs in parts])


@pytest.mark.parametrize(
    ("sound", "lufs"),
    [
        (stretches((20, -23)), -23),
        (stretches((20, -33)), -33),
        (stretches((10, -36), (60, -23), (10, -36)), -23),
        (stretches((10, -72), (10, -36), (60, -23), (10, -36), (10, -72)), -23),
        (stretches((20, -26), (20.1, -20), (20, -26)), -23),
        (tone(1000, 5, -23, channels=1), -26),
    ],
    ids=["tone", "soft", "relative gate", "both gates", "in between", "mono"],
)
def test_the_signals_of_ebu_tech_3341(sound, lufs):
    assert levels.loudness(sound) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("seconds", [0.4, 0.75, 3.3])
def test_another_meter_agrees(seconds):
    sound = music(seconds)
    same = pyloudnorm.Meter(SAMPLE_RATE, filter_class="DeMan").integrated_loudness(sound)
    usual = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(sound)
    assert levels.loudness(sound) == pytest.approx(same, abs=0.01)
    assert levels.loudness(sound) == pytest.approx(usual, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192_000])
def test_the_fourier_transform_filters_as_the_recursion_does(rate):
    """Hop by hop, at any rate, for sound that changes by 60 dB."""
    rng = np.random.default_rng(rate)
    hop = rate // 10
    loudness = np.repeat(10 ** rng.uniform(-3, 0, size=(34, 1)), hop, axis=0)
    sound = np.float32(rng.normal(size=(34 * hop, 2)) * loudness)[: 33 * hop + 7]
    meter = levels.LoudnessMeter(2, rate)
    for block in np.array_split(sound, 5):
        meter.feed(block)
    slow = sosfilt(levels.k_weighting(rate), sound.astype(float), axis=0)[: 33 * hop]
    wanted = np.square(slow).reshape(33, hop, 2).mean(axis=1).sum(axis=1)
    assert 10 * np.log10(meter.energies / wanted) == pytest.approx(np.zeros(33), abs=1e-3)


def test_what_cannot_be_measured_has_no_loudness():
    assert levels.loudness(tone(1000, 0.39, -20)) is None
    assert levels.loudness(tone(1000, 2, -80)) is None
    assert levels.loudness(np.zeros((SAMPLE_RATE, 2))) is None


def test_the_gate_opens_as_the_gain_rises():
    """Sound below the absolute gate counts once it is made loud enough."""
    sound = stretches((4, -66), (4, -75))
    measured = measure(sound)
    assert measured.loudness == pytest.approx(-66, abs=0.5)
    louder = levels.loudness(sound * 10 ** (30 / 20))
    assert measured.loudness_at(30) == pytest.approx(louder, abs=1e-6)
    assert louder < measured.loudness + 30 - 1


# --- the true peak -----------------------------------------------------------


@pytest.mark.parametrize(
    ("hz", "phase"), [(SAMPLE_RATE / 4, 45), (SAMPLE_RATE / 6, 60), (SAMPLE_RATE / 8, 67.5)]
)
def test_true_peaks_of_ebu_tech_3341(hz, phase):
    """Tones whose samples miss their crests: -6 dBTP, +0.2 or -0.4 dB."""
    sound = tone(hz, 1, -6, phase=np.radians(phase)) * np.hanning(SAMPLE_RATE)[:, None]
    assert -6.4 <= levels.true_peak_level(sound) <= -5.8


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 2))
@settings(deadline=None, max_examples=40)
def test_the_true_peak_is_that_of_an_oversampled_sound(seed, frames, channels):
    """Music has little above 15 kHz: there it is what plain resampling gives, by 16."""
    sound = np.random.default_rng(seed).normal(size=(frames, channels))
    sound = resample_poly(sound, 3, 2, axis=0)
    slow = 20 * np.log10(np.abs(resample_poly(sound, 16, 1, axis=0)).max())
    found = levels.true_peak_level(sound)
    groups = levels.GroupPeaks(channels)
    every = max(groups.feed(sound).max(initial=0.0), groups.end().max(initial=0.0))
    assert found == pytest.approx(levels.decibels(float(every)), abs=1e-4), "none was passed over"
    assert slow - 0.75 < found < slow + 0.3
    assert found >= levels.peak_level(sound) - 1e-5


# --- in blocks ---------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 31, 32, 4409, 4411, 100_000])
def test_the_size_of_blocks_changes_nothing(size):
    sound = music(0.6)[: 3000 if size == 1 else None]
    whole, meter = measure(sound), levels.Meter()
    for first in range(0, len(sound), size):
        meter.feed(sound[first : first + size])
    blocks = meter.measures()
    assert blocks.peak == whole.peak
    assert blocks.true_peak == pytest.approx(whole.true_peak, abs=1e-5)
    assert blocks.energies == pytest.approx(whole.energies, rel=1e-9)


def test_a_tape_measures_like_an_array(tmp_path):
    sound = music(7).astype(np.float32)
    tape = Tape(tmp_path / "tape.f32")
    tape.append(sound)
    on_tape, array = measure(tape), measure(sound)
    assert on_tape.peak == array.peak == levels.peak_level(tape)
    assert on_tape.loudness == pytest.approx(array.loudness, abs=1e-9)


def test_silence_and_what_is_not_finite():
    assert levels.peak_level(np.zeros((9, 2))) == -np.inf
    assert levels.true_peak_level(np.zeros((9, 2))) == -np.inf
    assert np.isnan(levels.peak_of(np.array([[0.1, np.nan]])))
    assert levels.peak_of(np.array([[0.1, -np.inf]])) == np.inf


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.full((9, 2), np.nan), "aren't finite"),
        (np.full((9, 2), np.inf), "aren't finite"),
        (np.zeros(9), r"expected float sound of shape \(frames, 1 or 2\), got float64"),
        (np.zeros((9, 3)), r"got float64 of shape \(9, 3\)"),
        (np.zeros((9, 2), int), "got int64"),
    ],
)
def test_what_is_no_sound_is_not_measured(sound, message):
    for judge in (measure, levels.loudness, levels.true_peak_level, levels.set_level):
        with pytest.raises(ChoraleError, match=message):
            judge(sound)


def test_rates_that_are_none():
    for rate in (0, 7999, 44100.5, "44100"):
        with pytest.raises(ChoraleError, match="rate: expected a whole number, 8000 to 384000"):
            measure(np.zeros((9, 2)), rate)


# --- levels ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("peak:-1", Level("peak", -1)),
        ("peak:0", Level("peak", 0)),
        ("lufs:-18", Level("lufs", -18, -1)),
        ("lufs: -23.5 , -2", Level("lufs", -23.5, -2)),
        (Level("peak", -3), Level("peak", -3)),
    ],
)
def test_levels_as_text(text, level):
    assert parse_level(text) == level
    assert parse_level(str(level)) == level


@pytest.mark.parametrize(
    "text",
    [
        *("", "loud", "peak", "peak:", "peak:-1,-1", "lufs:-18,-1,-1", "lufs:-18,", None, -1),
    ],
)
def test_levels_that_are_none(text):
    with pytest.raises(ChoraleError, match=r"level .*: .*expected .*peak:-1") as caught:
        parse_level(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("peek:-1", "level: expected peak or lufs, got 'peek'; did you mean peak?"),
        ("rms:-20,-1", "level: expected peak or lufs, got 'rms'"),
        ("peak:1", "level peak: expected a number from -60 to 0, got 1.0"),
        ("peak:-61", "from -60 to 0, got -61.0"),
        ("peak:nan", "from -60 to 0, got nan"),
        ("lufs:-4", "level lufs: expected a number from -60 to -5"),
        ("lufs:-18,1", "true peak: expected a number from -20 to 0, got 1.0"),
        ("peak:-1,-1", "too many numbers"),
    ],
)
def test_what_is_wrong_with_a_level_is_told(text, message):
    with pytest.raises(ChoraleError) as caught:
        parse_level(text)
    assert message in str(caught.value)


@given(st.floats(1e-3, 1e3), st.floats(-60, 0))
@settings(deadline=None)
def test_a_peak_is_met(scale, decibels):
    noise = np.random.default_rng(0).normal(size=(64, 2)) * scale
    levelled = levels.set_level(noise, f"peak:{decibels}")
    assert levels.peak_level(levelled) == pytest.approx(decibels, abs=1e-3)
    assert levelled.dtype == np.float32


@pytest.mark.parametrize("target", [-40, -23, -18])
def test_a_loudness_is_met(target):
    levelled = levels.set_level(music(3), f"lufs:{target}")
    assert levels.loudness(levelled) == pytest.approx(target, abs=0.01)


def test_a_loudness_stops_at_the_true_peak():
    levelled = levels.set_level(music(3), "lufs:-5,-3")
    assert levels.true_peak_level(levelled) == pytest.approx(-3, abs=1e-3)
    short = levels.set_level(music(0.3), "lufs:-18,-3")
    assert levels.true_peak_level(short) == pytest.approx(-3, abs=1e-3)
    assert not levels.set_level(np.zeros((9, 2)), "lufs:-18").any()
