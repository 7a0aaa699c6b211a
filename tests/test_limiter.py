"""The limiter: what it holds, and what it leaves alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.errors import ChoraleError
from coconet.render.levels import true_peak_level
from coconet.render.limiter import RELEASE, Limiter, limit, limited
from coconet.render.tape import SAMPLE_RATE


def bursts(seed, frames, channels=2):
    """Noise with steps of loudness, up to the very ends."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 1, size=frames // 500 + 1) ** 3, 500)[:frames]
    return rng.normal(size=(frames, channels)) * loudness[:, None]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6000),
    st.integers(1, 2),
    st.floats(-20, 0),
    st.floats(-20, 20),
)
@settings(deadline=None, max_examples=60)
def test_the_ceiling_holds(seed, frames, channels, ceiling, gain):
    sound = bursts(seed, frames, channels)
    held = limit(sound, ceiling, gain)
    assert held.shape == sound.shape and held.dtype == np.float32
    assert true_peak_level(held) <= ceiling + 1e-3


def test_what_is_soft_is_only_scaled():
    sound = np.sin(np.arange(20000) / 9)[:, None] * np.ones((1, 2), np.float32) * 0.1
    assert np.allclose(limit(sound, -1.0, 6.0), sound * 10 ** (6 / 20), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("size", [1, 31, 33, 1000, 6000])
def test_the_size_of_blocks_changes_nothing(size):
    sound = bursts(1, 800 if size == 1 else 20000).astype(np.float32)
    blocks = [sound[first : first + size] for first in range(0, len(sound), size)]
    limiter = Limiter(3.0, -6.0)
    held = np.concatenate(list(limited(limiter, blocks)))
    assert np.abs(held - limit(sound, -6.0, 3.0)).max() < 1e-5
    assert limiter.reduction > 6


def test_both_channels_go_down_together_and_come_back():
    """A loud click on the left turns the right down as far, before it and for a while."""
    right = 0.1 * np.sin(np.arange(SAMPLE_RATE) / 7)
    left = np.zeros(SAMPLE_RATE)
    left[20000] = 4.0
    held = limit(np.stack([left, right], axis=1), 0.0)
    gains = np.where(np.abs(right) > 1e-3, held[:, 1] / np.where(right, right, 1), np.nan)
    assert np.abs(held[20000]).max() == pytest.approx(1, abs=0.02)
    assert gains[:19500] == pytest.approx(np.where(np.isnan(gains[:19500]), np.nan, 1), nan_ok=True)
    down = -20 * np.log10(gains)
    assert np.nanmax(down) == pytest.approx(20 * np.log10(4), abs=0.2)
    after = 20000 + round(RELEASE * SAMPLE_RATE)
    there = np.nanmean(down[after : after + 50])
    assert there == pytest.approx(np.nanmax(down) / np.e, rel=0.1)
    # No step: a quarter of a decibel within a tenth of a millisecond at most.
    assert np.nanmax(np.abs(down[4:] - down[:-4])) < 0.3


@pytest.mark.parametrize(
    ("sound", "numbers", "message"),
    [
        (np.full((9, 2), np.nan), (-1.0,), "aren't finite"),
        (np.zeros((9, 4)), (-1.0,), r"got float64 of shape \(9, 4\)"),
        (np.zeros((9, 2)), (1.0,), "ceiling: expected a number from -60 to 0"),
        (np.zeros((9, 2)), (-1.0, np.inf), "gain: expected a number"),
    ],
)
def test_what_cannot_be_limited(sound, numbers, message):
    with pytest.raises(ChoraleError, match=message):
        limit(sound, *numbers)
