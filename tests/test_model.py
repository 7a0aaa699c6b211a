"""The networks: shapes, what they may see, padding, invalid settings."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.encoding import tokens_of
from coconet.errors import ChoraleError
from coconet.model import (
    DepthwiseTime,
    Dropout,
    FastConfig,
    PaperConfig,
    TimePadding,
    build_network,
    config_fields,
    config_from,
    parameter_count,
    tensor_shapes,
    use_generator,
)
from coconet.predictor import NetworkPredictor

SMALL = [
    FastConfig(step_width=16, beat_width=24, dilations=(1, 2)),
    PaperConfig(layers=5, filters=8),
]


def network_of(config, seed=0):
    """A network with no weight left at a value that hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    network = build_network(config, generator).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, TimePadding):
                module.vector.normal_(0, 1, generator=generator)
    return network


def grids_of(*shape, seed=0):
    return np.random.default_rng(seed).integers(36, 82, shape).astype(np.int16)


@pytest.mark.parametrize("config", SMALL)
@pytest.mark.parametrize("steps", [1, 4, 7, 32, 130])
def test_any_number_of_steps(config, steps):
    predictor = NetworkPredictor(network_of(config))
    found = predictor.predict(grids_of(2, 4, steps), np.ones((2, 4, steps), bool))
    assert found.shape == (2, 4, steps, 46)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("config", SMALL)
def test_hidden_values_are_never_seen(config):
    predictor = NetworkPredictor(network_of(config))
    hidden = np.random.default_rng(1).random((3, 4, 16)) < 0.5
    one = grids_of(3, 4, 16)
    two = np.where(hidden, grids_of(3, 4, 16, seed=2), one)
    np.testing.assert_array_equal(predictor.predict(one, hidden), predictor.predict(two, hidden))


@pytest.mark.parametrize("config", SMALL)
def test_kept_values_are_seen_across_voices_and_time(config):
    predictor = NetworkPredictor(network_of(config))
    grids, hidden = grids_of(1, 4, 16), np.zeros((1, 4, 16), bool)
    hidden[0, 0, 8] = True
    before = predictor.predict(grids, hidden)[0, 0, 8]
    for voice, step in ((3, 8), (0, 7), (0, 9)):
        changed = grids.copy()
        changed[0, voice, step] = 36 + (grids[0, voice, step] - 35) % 40
        assert abs(predictor.predict(changed, hidden)[0, 0, 8] - before).max() > 1e-6


@pytest.mark.parametrize("config", SMALL)
@pytest.mark.parametrize(("before", "after"), [(0, 4), (4, 0), (8, 24)])
def test_padding_with_outside_cells_changes_nothing(config, before, after):
    predictor = NetworkPredictor(network_of(config))
    grids, hidden = grids_of(2, 4, 24), np.random.default_rng(3).random((2, 4, 24)) < 0.4
    sides = ((0, 0), (0, 0), (before, after))
    outside = np.ones((2, 24 + before + after), bool)
    outside[:, before : before + 24] = False
    padded = predictor.predict(np.pad(grids, sides), np.pad(hidden, sides), outside)
    plain = predictor.predict(grids, hidden)
    np.testing.assert_allclose(padded[:, :, before : before + 24], plain, atol=2e-6)


@pytest.mark.parametrize("config", SMALL)
def test_a_true_end_is_told_from_the_edge_of_a_crop(config):
    network = network_of(config)
    tokens = torch.from_numpy(
        tokens_of(grids_of(1, 4, 16), np.ones((1, 4, 16), bool), None, (36, 81))
    )
    with torch.inference_mode():
        ended = network(tokens, torch.tensor([[False, True]]))
        cut = network(tokens, torch.tensor([[False, False]]))
    assert abs(ended - cut)[0, -1].max() > 1e-4


SIZES = {
    "batch": st.integers(1, 3),
    "time": st.integers(1, 9),
    "channels": st.integers(1, 4),
    "kernel": st.sampled_from([1, 2, 3, 5]),
    "dilation": st.integers(1, 4),
    "seed": st.integers(0, 1000),
}


def depthwise(batch, time, channels, kernel, dilation, seed):
    """Input and taps of a convolution, in float64, both with gradients."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (batch, time + (kernel - 1) * dilation, channels), (kernel, channels)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_the_depthwise_convolution_is_torchs_own(dilation, **sizes):
    x, taps = depthwise(dilation=dilation, **sizes)
    found = DepthwiseTime.apply(x, taps, dilation)
    expected = F.conv1d(
        x.transpose(1, 2), taps.T[:, None], groups=taps.shape[1], dilation=dilation
    ).transpose(1, 2)
    torch.testing.assert_close(found, expected)
    above = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, taps), above),
        torch.autograd.grad(expected, (x, taps), above),
    )


@settings(max_examples=10, deadline=None)
@given(**SIZES)
def test_gradients_of_the_depthwise_convolution_are_its_slopes(dilation, **sizes):
    x, taps = depthwise(dilation=dilation, **sizes)
    assert torch.autograd.gradcheck(DepthwiseTime.apply, (x, taps, dilation))


def dropout_of(share, seed=0):
    layer = Dropout(share).train()
    layer.generator = torch.Generator().manual_seed(seed)
    return layer


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(share):
    layer = dropout_of(share)
    dropped = round(share * 256) / 256
    found = layer(torch.ones(101, 103, 11))
    zeros = found.flatten() == 0
    torch.testing.assert_close(found.flatten()[~zeros].unique(), torch.tensor([1 / (1 - dropped)]))
    # Eight bytes of a random word each decide on one activation.
    for place in (slice(None), *(slice(byte, None, 8) for byte in range(8))):
        part = zeros[place]
        error = (dropped * (1 - dropped) / len(part)) ** 0.5
        assert abs(part.double().mean() - dropped) < 4 * error
        mean = found.flatten()[place].double().mean()
        assert abs(mean - 1) < 4 * error / (1 - dropped)


@settings(max_examples=30, deadline=None)
@given(shape=st.lists(st.integers(1, 9), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_dropout_takes_any_size_and_its_chance_from_its_generator(shape, seed):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    found = dropout_of(0.5, seed)(x)
    torch.random.manual_seed(seed + 1)
    assert torch.equal(dropout_of(0.5, seed)(x), found)
    kept = found != 0
    torch.testing.assert_close(found[kept], 2 * x[kept])
    # What is dropped gets no gradient, what is kept gets twice its own.
    slope = torch.autograd.grad(found.sum(), x)[0]
    assert torch.equal(slope, 2.0 * kept)


def test_dropout_draws_anew_each_time_and_does_nothing_in_evaluation():
    layer, x = dropout_of(0.5), torch.ones(50, 21)
    assert not torch.equal(layer(x), layer(x))
    assert not torch.equal(dropout_of(0.5, 0)(x), dropout_of(0.5, 1)(x))
    assert torch.equal(dropout_of(0)(x), x)
    assert torch.equal(layer.eval()(x), x)


def test_a_networks_dropout_takes_its_chance_from_one_generator():
    network = network_of(SMALL[0]).train()
    tokens = torch.from_numpy(
        tokens_of(grids_of(1, 4, 16), np.ones((1, 4, 16), bool), None, (36, 81))
    )

    def logits(seed):
        use_generator(network, torch.Generator().manual_seed(seed))
        return network(tokens, torch.ones(1, 2, dtype=torch.bool))

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))
    network.eval()
    assert torch.equal(logits(1), logits(2))


def test_the_default_network_is_the_size_it_claims():
    shapes = tensor_shapes(FastConfig())
    assert 5.4e6 < sum(np.prod(shape) for shape in shapes.values()) < 5.6e6
    trainable = parameter_count(build_network(PaperConfig(layers=8, filters=16)))
    assert trainable > 9 * 16 * 16 * 6


@pytest.mark.parametrize("config", [*SMALL, FastConfig(), PaperConfig()])
def test_configs_survive_json(config):
    assert (
        config_from(
            {k: list(v) if isinstance(v, tuple) else v for k, v in config_fields(config).items()}
        )
        == config
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"network": "transformer"},
        {"network": "fast", "wings": 2},
        {"network": "fast", "step_width": "128"},
        {"network": "fast", "step_width": 0},
        {"network": "fast", "step_width": 10**9},
        {"network": "fast", "kernel": 4},
        {"network": "fast", "dropout": 1.5},
        {"network": "fast", "dilations": 3},
        {"network": "fast", "pitches": [81, 36]},
        {"network": "fast", "pitches": [36]},
        {"network": "paper", "layers": True},
        {"network": "paper", "layers": 1},
        {"network": "fast", "dropout": 0.999},
        {"network": "fast", "dropout": float("nan")},
    ],
)
def test_impossible_settings_are_refused(fields):
    with pytest.raises(ChoraleError, match="network"):
        config_from(fields)
