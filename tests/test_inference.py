"""The network laid out for prediction computes what the network computes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mocks import random_weights

from coconet.inference import FastInference, packed_linear
from coconet.model import BEAT, FastConfig, build_network

SMALL = FastConfig(step_width=16, beat_width=24, dilations=(1, 3, 2), step_blocks=2)
COUNT = 46
CONFIGS = st.builds(
    FastConfig,
    step_width=st.sampled_from([8, 16]),
    beat_width=st.sampled_from([8, 24]),
    step_blocks=st.integers(1, 4),
    dilations=st.lists(st.integers(1, 4), max_size=3).map(tuple),
    kernel=st.sampled_from([1, 3, 5, 7]),
)


def network(config=SMALL, seed=1):
    """All weights random, those too that are zero or one at first."""
    return random_weights(build_network(config), seed)


def draw_tokens(seed, batch, beats, blank=0):
    """Random symbols; `blank` steps at the end of item 0, and one at its beginning, outside."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, COUNT + 2, (batch, beats * BEAT, 4)).astype(np.int32)
    if blank:
        tokens[0, -blank:] = tokens[0, 0] = COUNT + 2
    return torch.from_numpy(tokens)


@torch.inference_mode()
def reference(net, tokens):
    return net(tokens, torch.ones(len(tokens), 2, dtype=torch.bool))


@settings(max_examples=50, deadline=None)
@given(
    config=CONFIGS,
    seed=st.integers(0, 1000),
    batch=st.integers(1, 4),
    beats=st.integers(1, 40),
    blank=st.integers(0, 3),
)
def test_logits_are_the_networks_own(config, seed, batch, beats, blank):
    net = network(config, seed)
    tokens = draw_tokens(seed, batch, beats, blank)
    found = FastInference(net, "float32").logits(tokens)
    torch.testing.assert_close(found, reference(net, tokens), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("precision", "near"), [("float32", 2e-5), ("bfloat16", 0.05)])
@settings(max_examples=50, deadline=None)
@given(
    config=CONFIGS,
    seed=st.integers(0, 1000),
    beats=st.integers(1, 60),
    blank=st.integers(0, 3),
)
def test_logits_at_one_step_are_those_of_the_whole(precision, near, config, seed, beats, blank):
    """Near both ends and far from them, whatever is left out on the way."""
    net = network(config, seed)
    steps = beats * BEAT
    at = torch.tensor([0, steps - 1, steps // 2, seed % steps])
    tokens = draw_tokens(seed, len(at), beats, blank)
    inference = FastInference(net, precision)
    expected = inference.logits(tokens)[torch.arange(len(at)), at]
    found = inference.logits_at(tokens, at)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=near, rtol=near)


def test_nothing_beyond_the_reach_changes_a_prediction_and_something_within_does():
    net = network()
    steps = 6 * net.reach // BEAT * BEAT
    middle = steps // 2
    rng = np.random.default_rng(1)
    heard = False
    for offset in range(BEAT):  # every place in a beat
        at = middle + offset
        tokens = draw_tokens(1, 1, steps // BEAT)
        before = reference(net, tokens)[0, at]
        beyond = tokens.clone()
        fresh = torch.from_numpy(rng.integers(0, COUNT, tokens.shape).astype(np.int32))
        beyond[:, : at - net.reach] = fresh[:, : at - net.reach]
        beyond[:, at + net.reach + 1 :] = fresh[:, at + net.reach + 1 :]
        assert torch.equal(reference(net, beyond)[0, at], before)
        within = tokens.clone()
        for edge in (at - net.reach, at + net.reach):
            within[:, edge] = (tokens[:, edge] + 1) % COUNT
        heard = heard or not torch.equal(reference(net, within)[0, at], before)
    assert heard


def test_bfloat16_is_near_float32():
    net = network(FastConfig(step_width=64, beat_width=64, dilations=(1, 2)))
    tokens = draw_tokens(3, 4, 16)
    exact = torch.log_softmax(FastInference(net, "float32").logits(tokens), -1)
    found = torch.log_softmax(FastInference(net, "bfloat16").logits(tokens), -1)
    assert 0 < (found - exact).abs().mean() < 0.02


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_packed_layers_with_and_without_onednn(monkeypatch, relu, fused):
    if not fused:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    rng = torch.Generator().manual_seed(1)
    weight, bias, x = (torch.randn(shape, generator=rng) for shape in ((6, 5), (6,), (2, 3, 5)))
    with torch.inference_mode():
        found = packed_linear(weight, bias, relu=relu)(x)
    expected = x @ weight.T + bias
    torch.testing.assert_close(found, expected.clamp(min=0) if relu else expected)
