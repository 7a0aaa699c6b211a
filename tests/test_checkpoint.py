"""Checkpoints: saved and loaded, and everything that can be wrong with one."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from coconet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, save_state
from coconet.errors import ChoraleError
from coconet.model import FastConfig, build_network
from coconet.predictor import NetworkPredictor, load_predictor

CONFIG = FastConfig(step_width=16, beat_width=16, dilations=(1,), step_blocks=1)


@pytest.fixture
def checkpoint():
    network = build_network(CONFIG, torch.Generator().manual_seed(1))
    return Checkpoint(CONFIG, network.state_dict(), {"command": "coconet train"})


def test_a_checkpoint_predicts_the_same_after_loading(checkpoint, tmp_path):
    grids, hidden = np.full((1, 4, 8), 60), np.ones((1, 4, 8), bool)
    save_checkpoint(tmp_path / "full", checkpoint, half=False)
    expected = NetworkPredictor(checkpoint.network()).predict(grids, hidden)
    found = load_predictor(tmp_path / "full").predict(grids, hidden)
    np.testing.assert_array_equal(found, expected)
    save_checkpoint(tmp_path / "half", checkpoint)
    found = load_predictor(tmp_path / "half").predict(grids, hidden)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    sizes = [(tmp_path / n / "weights.safetensors").stat().st_size for n in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    assert load_checkpoint(tmp_path / "half").card == {"command": "coconet train"}


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def tensors(folder, change):
    found = load_file(folder / "weights.safetensors")
    change(found)
    save_file(found, folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda f: shutil.rmtree(f), "no such checkpoint"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "expected a JSON object"),
        (lambda f: edit(f, format=2), "expected checkpoint format 1, got 2"),
        (lambda f: edit(f, voices=["bass", "tenor", "alto", "soprano"]), "expected voices"),
        (lambda f: edit(f, model={"network": "fast"}), "expected shape"),
        (lambda f: edit(f, model={}), "network: expected one of"),
        (lambda f: edit(f, model=None), "model: expected an object, got None"),
        (lambda f: edit(f, model=["fast"]), "model: expected an object"),
        (lambda f: edit(f, card=["x"]), "card: expected an object"),
        (lambda f: edit(f, card=None), "card: expected an object, got None"),
        (
            lambda f: (f / "weights.safetensors").write_bytes(
                (f / "weights.safetensors").read_bytes()[:-100]
            ),
            "truncated",
        ),
        (lambda f: (f / "weights.safetensors").write_bytes(b""), "truncated"),
        (lambda f: tensors(f, lambda t: t.pop("head.bias")), "head.bias: expected shape"),
        (
            lambda f: tensors(f, lambda t: t.update({"head.bias": torch.zeros(3)})),
            r"expected shape \(184,\), got \(3,\)",
        ),
        (
            lambda f: tensors(f, lambda t: t["head.bias"].fill_(float("nan"))),
            "head.bias holds values that are not numbers",
        ),
        (lambda f: (f / "latest").write_text("../elsewhere"), "expected the name of a state"),
    ],
)
def test_spoilt_checkpoints_are_refused_in_one_line(checkpoint, tmp_path, spoil, says):
    folder = tmp_path / "c"
    save_checkpoint(folder, checkpoint)
    spoil(folder)
    with pytest.raises(ChoraleError, match=says) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_saving_what_is_latest_again_never_takes_it_away(checkpoint, tmp_path, monkeypatch):
    save_state(tmp_path, 1, checkpoint, {"a": torch.zeros(2)}, {"update": 1})

    def die(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("coconet.checkpoint.os.replace", die)
    save_state(tmp_path, 1, checkpoint, {"a": torch.zeros(2)}, {"update": 1})
    assert load_checkpoint(tmp_path).config == CONFIG
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path, 2, checkpoint, {"a": torch.zeros(2)}, {"update": 2})
    assert load_checkpoint(tmp_path).config == CONFIG


def test_weights_may_be_read_by_whoever_may_read_the_config(checkpoint, tmp_path):
    save_checkpoint(tmp_path, checkpoint)
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_run_keeps_two_states_and_a_failed_save_keeps_the_last(checkpoint, tmp_path, monkeypatch):
    for update in (1, 2, 3):
        save_state(tmp_path, update, checkpoint, {"a": torch.zeros(2)}, {"update": update})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0000002", "0000003", "latest"]

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coconet.checkpoint.save_file", full)
    with pytest.raises(ChoraleError, match="No space left"):
        save_state(tmp_path, 4, checkpoint, {"a": torch.zeros(2)}, {"update": 4})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0000002", "0000003", "latest"]
    assert load_checkpoint(tmp_path).config == CONFIG
