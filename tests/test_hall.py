"""Halls: made, read, and convolved, against numpy's own convolution."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from coconet.errors import ChoraleError
from coconet.render import hall as halls
from coconet.render.hall import Hall, in_hall, make_hall, parse_hall, read_hall
from coconet.render.tape import SAMPLE_RATE


def noise(frames, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, channels)).astype(np.float32)


def decay_of(impulse, middle, first=-5, last=-35):
    """T60 in an octave band by Schroeder's backward integration, ISO 3382-1."""
    edges = [middle / 2**0.5, middle * 2**0.5]
    sections = butter(4, edges, "bandpass", fs=SAMPLE_RATE, output="sos")
    energy = np.square(sosfilt(sections, impulse, axis=0)).sum(axis=1)
    curve = np.cumsum(energy[::-1])[::-1]
    curve = 10 * np.log10(curve / curve[0] + 1e-20)
    start, end = np.argmax(curve <= first), np.argmax(curve <= last)
    slope = np.polyfit(np.arange(start, end) / SAMPLE_RATE, curve[start:end], 1)[0]
    return -60 / slope


# --- convolution -------------------------------------------------------------


def whole_in_hall(sound, hall):
    return np.concatenate(list(in_hall([sound], hall)))


def slowly(sound, hall):
    """What a hall does, by the definition."""
    sends = (1 - hall.blend) * sound + hall.blend * sound[:, ::-1]
    pairs = zip(sends.T.astype(float), hall.impulse.T.astype(float), strict=True)
    wet = np.stack([np.convolve(send, impulse) for send, impulse in pairs], axis=1)
    wet *= hall.wet
    wet[: len(sound)] += (1 - hall.wet) * sound
    return wet


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.integers(1, 200),
    st.integers(1, 90),
    st.sampled_from([8, 16, 64, 512]),
    st.floats(0, 1),
    st.floats(0, 1),
)
@settings(deadline=None, max_examples=50)
def test_a_hall_is_a_convolution(seed, frames, length, size, transform, wet, blend):
    """Of any lengths, in blocks of any size, in one part or in many."""
    sound = noise(frames, seed=seed)
    hall = Hall(noise(length, seed=seed + 1), wet, blend=blend)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(halls, "TRANSFORM", transform)
        blocks = [sound[first : first + size] for first in range(0, frames, size)]
        found = np.concatenate(list(in_hall(blocks, hall)))
    assert found.shape == (frames + length - 1, 2) and found.dtype == np.float32
    assert found == pytest.approx(slowly(sound, hall), abs=2e-5)


def test_a_long_response_in_several_parts():
    """Seven seconds: three parts at the true size of the transform."""
    impulse = np.zeros((7 * SAMPLE_RATE, 2), np.float32)
    impulse[0], impulse[-1] = 1, [1, -1]
    sound = noise(1000)
    found = whole_in_hall(sound, Hall(impulse, wet=1.0))
    half = np.sqrt(0.5)
    assert found[:1000] == pytest.approx(half * sound, abs=1e-5)
    assert found[-1000:] == pytest.approx(half * sound * [1, -1], abs=1e-5)
    assert np.abs(found[1000:-1000]).max() < 1e-5


def test_the_dry_sound_is_not_moved():
    sound = noise(5000)
    dry = whole_in_hall(sound, make_hall(decay=0.5, wet=0.0))
    assert np.array_equal(dry[:5000], sound) and not dry[5000:].any()
    hall = make_hall(decay=0.5, wet=0.2, predelay=0.05)
    quiet = round(0.05 * SAMPLE_RATE)
    click = np.zeros((quiet, 2), np.float32)
    click[0] = 1
    answer = whole_in_hall(click, hall)
    assert answer[0] == pytest.approx(0.8, abs=1e-6)
    assert np.abs(answer[1:quiet]).max() < 1e-6 < np.abs(answer[quiet:]).max()


def test_wet_means_the_same_for_every_hall():
    """Noise comes out of every hall as loud as it went in."""
    sound = noise(3 * SAMPLE_RATE)
    for name in halls.PRESETS:
        whole = whole_in_hall(sound, Hall(parse_hall(name).impulse, wet=1.0))
        assert np.square(whole).sum() == pytest.approx(np.square(sound).sum(), rel=0.1)


# --- a made hall -------------------------------------------------------------


@pytest.mark.parametrize("name", halls.PRESETS)
def test_halls_decay_as_asked(name):
    hall, (_, decay, _, wet) = parse_hall(name), halls.PRESETS[name]
    assert hall.wet == wet and hall.name == name
    middle = np.mean([decay_of(hall.impulse, hz) for hz in (500, 1000)])
    assert middle == pytest.approx(decay, rel=0.1)
    # The decay is straight from its beginning, slower below and quicker above.
    assert decay_of(hall.impulse, 1000, 0, -10) == pytest.approx(decay, rel=0.2)
    low, high = decay_of(hall.impulse, 125), decay_of(hall.impulse, 4000)
    assert low > decay > high > decay / 2
    assert np.square(hall.impulse).sum() == pytest.approx(2, rel=1e-4)


@given(st.floats(4, 80), st.floats(0.4, 3))
@settings(deadline=None, max_examples=10)
def test_any_decay_is_met(size, decay):
    impulse = make_hall(size, decay).impulse
    found = np.mean([decay_of(impulse, hz) for hz in (500, 1000)])
    assert found == pytest.approx(decay, rel=0.1)


def test_the_tail_neither_rings_nor_sits_in_the_middle():
    """No echo comes again and again, no tone stands out; left and right are two noises."""
    tail = make_hall(rng=np.random.default_rng(5)).impulse[round(0.3 * SAMPLE_RATE) :][:32768]
    level = (
        tail / np.sqrt(np.mean(tail.reshape(-1, 1024, 2) ** 2, axis=(1, 2))).repeat(1024)[:, None]
    )
    white = np.diff(level[:, 0], prepend=0)
    spectrum = np.abs(np.fft.rfft(white, 65536)) ** 2
    lags = np.fft.irfft(spectrum)[:16384]
    assert np.abs(lags[200:]).max() < 0.1 * lags[0]
    bands = spectrum[2000:24000].reshape(-1, 11).mean(axis=1)
    smooth = np.convolve(bands, np.ones(101) / 101, "same")
    assert (bands / smooth)[60:-60].max() < 6
    assert abs(np.corrcoef(level.T)[0, 1]) < 0.1


def test_chance_comes_from_the_generator():
    assert np.array_equal(make_hall(decay=0.3).impulse, make_hall(decay=0.3).impulse)
    other = make_hall(decay=0.3, rng=np.random.default_rng(1)).impulse
    assert not np.array_equal(other, make_hall(decay=0.3).impulse)


def test_predelay_and_size_move_the_first_reflection():
    def first(**options):
        loud = np.abs(make_hall(decay=1.0, **options).impulse).max(axis=1)
        return np.argmax(loud > 0.02) / SAMPLE_RATE

    early = first(size=20, predelay=0)
    assert first(size=20, predelay=0.1) == pytest.approx(early + 0.1, abs=1e-4)
    assert first(size=40, predelay=0) > 1.5 * early > 0


# --- text and files ----------------------------------------------------------


def wav(folder, impulse, rate=SAMPLE_RATE, name="own.wav"):
    path = folder / name
    soundfile.write(path, impulse, rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize("channels", [1, 2])
def test_a_recorded_response_is_aligned(tmp_path, channels):
    """A click that comes late is a hall without any: the dry sound itself."""
    impulse = np.zeros((3000, channels))
    impulse[1000] = 0.25
    hall = parse_hall(f"{wav(tmp_path, impulse)}:wet=0.6")
    assert hall.wet == 0.6 and hall.impulse.shape == (1, 2)
    sound = noise(500)
    assert np.abs(whole_in_hall(sound, hall) - sound).max() < 1e-5


def test_other_rates_are_resampled(tmp_path):
    times = np.arange(48000) / 48000
    impulse = np.sin(2 * np.pi * 1000 * times) * np.exp(-5 * times)
    hall = read_hall(wav(tmp_path, impulse, 48000))
    spectrum = np.abs(np.fft.rfft(hall.impulse[:, 0], SAMPLE_RATE))
    assert np.argmax(spectrum) == 1000
    assert hall.seconds == pytest.approx(1, abs=0.01)


def test_a_path_may_hold_a_colon(tmp_path):
    path = wav(tmp_path, np.array([1.0, 0.5]), name="a:b.wav")
    assert parse_hall(str(path)).name == str(path)
    assert parse_hall(path).wet == 0.25
    assert parse_hall(f"{path}:blend=0.5,wet=0").blend == 0.5


@pytest.mark.parametrize("text", [None, "none", " none "])
def test_no_hall(text):
    assert parse_hall(text) is None


def test_options_of_a_hall():
    hall = parse_hall("hall: wet = 0.3, decay=0.5,predelay=0.1,size=10")
    same = make_hall(10, 0.5, 0.1, wet=0.3)
    assert hall.wet == 0.3 and np.array_equal(hall.impulse, same.impulse)
    assert parse_hall(hall) is hall


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hal", "expected room, .*did you mean hall"),
        ("", "expected room"),
        ("hall:wet", "expected room"),
        ("hall:wet=", "expected NAME=NUMBER, got 'wet='"),
        ("hall:wet=much", "NAME=NUMBER"),
        ("hall:wet=.1,wet=.9", "'wet' comes twice"),
        ("own.wav:blend=.1, blend=.1", "'blend' comes twice"),
        ("hall:wet=2", "hall: wet: expected a number from 0 to 1"),
        ("hall:wet=nan", "from 0 to 1"),
        ("hall:decay=0", "decay: expected a number from 0.1 to 20"),
        ("hall:size=1e9", "size: expected"),
        ("church:predelay=-1", "predelay: expected"),
        ("hall:dacay=2", "got 'dacay'; did you mean decay"),
        ("none:wet=0.2", "options count only with a hall"),
        ("absent.wav", "absent.wav: no such file"),
        ("absent.wav:decay=2", "expected one of wet, blend, got 'decay'"),
    ],
)
def test_text_that_is_no_hall(text, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        parse_hall(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("impulse", "message"),
    [
        (np.zeros((900, 2)), "is silent"),
        (np.full((900, 2), np.nan), "aren't finite"),
        (np.ones((900, 4)), "true stereo.* expected one or two channels"),
        (np.ones((900, 6)), "one or two channels, got 6"),
        (np.ones(61 * SAMPLE_RATE), "up to 60 s, got 61.0 s; is it a piece of music"),
        (np.ones((0, 2)), "got 0.0 s"),
    ],
)
def test_recordings_that_are_no_response(tmp_path, impulse, message):
    path = wav(tmp_path, impulse)
    with pytest.raises(ChoraleError, match=message) as caught:
        parse_hall(str(path))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_recording_is_refused(tmp_path):
    path = wav(tmp_path, noise(9000))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ChoraleError, match="truncated"):
        read_hall(path)
    path.write_text("not a sound")
    with pytest.raises(ChoraleError, match="can't be read as sound"):
        read_hall(path)


def test_arrays_that_are_no_response():
    for impulse in (np.ones((4, 2), int), np.ones((2, 2, 2)), np.ones((9, 3))):
        with pytest.raises(ChoraleError, match="impulse: expected"):
            Hall(impulse)
