"""One run: the loss and the accuracies against slow, obvious ones; slices of a batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from coconet.checkpoint import load_state
from coconet.corpus import load_corpus
from coconet.crops import Crops, make_batch, pieces_of
from coconet.distributed import Group
from coconet.errors import ChoraleError
from coconet.grid import VOICES
from coconet.model import FastConfig, PaperConfig
from coconet.settings import Settings
from coconet.trainer import Trainer, hidden_loss, validate

TINY = FastConfig(step_width=16, beat_width=16, dilations=(1, 2), step_blocks=1, dropout=0)
SETTINGS = Settings(model=TINY, updates=10, warmup=4, batch=5, crop=16, threads=1)


@pytest.fixture(scope="module")
def chorales():
    return load_corpus("train")[:4], load_corpus("valid")[:2]


@pytest.fixture(scope="module")
def batch():
    crops = Crops(pieces_of(load_corpus("train")[:2]), 16).draw(3, np.random.default_rng(0))
    return make_batch(crops, 16, (36, 81), np.random.default_rng(1))


@pytest.fixture(scope="module")
def logits():
    return torch.randn(3, 16, 4, 46, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_that_of_hidden_cells_each_crop_counting_once(batch, logits):
    expected = []
    for item in range(3):
        costs = [
            -torch.log_softmax(logits[item, t, v], 0)[batch.targets[item, t, v]].item()
            for t in range(16)
            for v in range(4)
            if batch.targets[item, t, v] >= 0
        ]
        expected.append(np.mean(costs))
    found = hidden_loss(lambda tokens, ends: logits, batch)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    measured = validate(lambda tokens, ends: logits, [batch, batch])
    assert measured["valid_loss"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_accuracy_is_the_share_of_hidden_cells_right(batch, logits):
    # Every third likeliest pitch is made the true one, so that there is something to count.
    helped = logits.clone()
    for cell in (batch.targets >= 0).nonzero().tolist()[::3]:
        helped[(*cell, batch.targets[tuple(cell)])] += 100
    right = {voice: [] for voice in range(4)}
    for item, t, v in (batch.targets >= 0).nonzero().tolist():
        right[v].append(int(helped[item, t, v].argmax()) == int(batch.targets[item, t, v]))
    found = validate(lambda tokens, ends: helped, [batch])
    assert found["accuracy"] == pytest.approx(
        np.mean([one for voice in right.values() for one in voice]), abs=1e-5
    )
    for v, voice in enumerate(VOICES):
        assert found[f"accuracy_{voice}"] == pytest.approx(np.mean(right[v]), abs=1e-5)
    assert 0.3 < found["accuracy"] < 0.5


@pytest.mark.parametrize("size", [2, 3, 5])
def test_slices_add_up_to_the_whole_batch(chorales, size):
    """Loss and gradients of all processes, each computed alone, sum to those of one."""
    exact = replace(SETTINGS, precision="float32")

    def first_update(group):
        trainer = Trainer(exact, *chorales, group=group)
        shared = []
        trainer._share_gradients = lambda: shared.extend(
            p.grad.clone() for p in trainer.network.parameters()
        )
        return float(trainer.step()), shared

    loss, gradients = first_update(Group())
    parts = [first_update(Group(rank, size)) for rank in range(size)]
    assert sum(part for part, _ in parts) == pytest.approx(loss, abs=1e-6)
    for number, expected in enumerate(gradients):
        found = sum(grads[number] for _, grads in parts)
        assert torch.allclose(found, expected, atol=1e-6)


def hidden_in_a_step(chorales, **settings):
    """Hidden cells of the batch that one update's network reads, shape=(batch, 4, steps)."""
    trainer = Trainer(replace(SETTINGS, batch=60, **settings), *chorales)
    read = []
    trainer.network.register_forward_pre_hook(lambda network, inputs: read.append(inputs[0]))
    trainer.step()
    (tokens,) = read
    return (tokens == trainer.network.pitch_count).permute(0, 2, 1)


def test_settings_say_in_how_many_crops_whole_frames_are_hidden(chorales):
    def whole(hidden):
        """Share of the frames touched in which all four cells are hidden."""
        return float(hidden.all(1).sum() / hidden.any(1).sum())

    # Two thirds by frames; a quarter by cells, a share of them drawn uniformly.
    by_cells, half, by_frames = (
        whole(hidden_in_a_step(chorales, frames=share)) for share in (0.0, 0.5, 1.0)
    )
    assert by_cells < 0.3 < half < 0.6 < by_frames


def test_an_update_works_in_the_precision_of_its_settings(chorales):
    losses, weights = {}, {}
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(replace(SETTINGS, precision=precision), *chorales)
        losses[precision] = float(trainer.step())
        weights[precision] = torch.cat([p.flatten() for p in trainer.network.parameters()])
        assert weights[precision].dtype == torch.float32
    assert 0 < abs(losses["bfloat16"] - losses["float32"]) < 0.002
    assert not torch.equal(weights["bfloat16"], weights["float32"])


def test_more_processes_than_crops_are_refused(chorales):
    with pytest.raises(ChoraleError, match="6 processes"):
        Trainer(SETTINGS, *chorales, group=Group(0, 6))


def test_a_state_of_another_network_is_refused(chorales, tmp_path):
    trainer = Trainer(SETTINGS, *chorales)
    trainer.step()
    trainer.save(tmp_path)
    other = Settings(model=PaperConfig(layers=3, filters=4), updates=1, crop=16)
    _, tensors, rest = load_state(tmp_path)
    with pytest.raises(ChoraleError, match="doesn't fit"):
        Trainer(other, *chorales).restore(tensors, rest)
    with pytest.raises(ChoraleError, match="doesn't fit"):
        Trainer(SETTINGS, *chorales).restore(tensors, {**rest, "rng": 3})
