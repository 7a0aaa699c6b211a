"""Fitting the sampler's weights: which way they move, and that rates come to the target."""

import numpy as np
import pytest
import torch
from mocks import Uniform

from coconet.checkpoint import Checkpoint, save_checkpoint
from coconet.chorale import load_chorale
from coconet.cli import main
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.fitting import FitSettings, bach_target, comparison, fit_tilt, moved
from coconet.metrics import NAMES, battery, row_of
from coconet.model import PaperConfig, build_network
from coconet.tilt import Tilt, load_tilt, save_tilt

SMALL = FitSettings(samples=16, steps=64, passes=8, rounds=6)
TINY = FitSettings(samples=2, steps=16, passes=2, rounds=2)


class Pentatonic(Uniform):
    """One of a few pitches, all as likely: parallels come easily."""

    def predict(self, grids, hidden, outside=None):
        likely = np.isin(np.arange(36, 82) % 12, [0, 2, 7]) * np.float32(1)
        return np.broadcast_to(likely / likely.sum(), (*grids.shape, 46)).copy()


def row_with(**wanted):
    """A row of 100 pieces with the given numerators; all denominators are 1000 a piece."""
    counts = np.zeros((100, len(NAMES), 2), int)
    counts[..., 1] = 1000
    for name, number in wanted.items():
        counts[0, NAMES.index(name), 0] = number
    counts[:, NAMES.index("ending"), 1] = 1
    return row_of(counts)


BACH = row_with(fifths=60, octaves=30, ending=90)
START = Tilt(fifths=5, octaves=5, key=1, close=3)


@pytest.mark.parametrize(
    ("found", "moves"),
    [
        ({"fifths": 60, "octaves": 30, "ending": 90}, {}),
        ({"fifths": 120, "octaves": 30, "ending": 90}, {"fifths": 0.6886}),
        ({"fifths": 60, "octaves": 15, "ending": 90}, {"octaves": -0.6769}),
        ({"fifths": 0, "octaves": 30, "ending": 90}, {"fifths": -2}),
        ({"fifths": 60, "octaves": 30_000, "ending": 90}, {"octaves": 2}),
        ({"fifths": 60, "octaves": 30, "ending": 50}, {"close": 2}),
        ({"fifths": 60, "octaves": 30, "ending": 80}, {"close": 0.7861}),
        ({"fifths": 60, "octaves": 30, "ending": 100}, {"close": -2}),
    ],
)
def test_a_weight_moves_by_how_far_its_rate_stands_from_bachs(found, moves):
    for gain in (1, 0.5):
        after = moved(START, row_with(**found), BACH, gain)
        for name, before in START.weights.items():
            move = moves.get(name, 0)
            # A half step that is still too long is cut off at the same length.
            if abs(move) < 2:
                assert after.weights[name] == pytest.approx(before + gain * move, abs=1e-3)
            else:
                assert np.sign(after.weights[name] - before) == np.sign(move)
                assert abs(after.weights[name] - before) <= 2


def test_weights_never_leave_their_bounds():
    no_end = row_with(fifths=0, octaves=60_000, ending=0)
    tilt = START
    for _ in range(20):
        tilt = moved(tilt, no_end, BACH, 1)
    assert tilt.weights == {"fifths": 0, "octaves": 12, "key": 1, "close": 12}


def test_the_rates_come_to_the_target():
    target = bach_target()
    counts = target.counts.copy()
    # A pentatonic Bach with a hundredth of the moving pairs in fifths, one in fifty in octaves.
    moving = counts[:, NAMES.index("moving"), 0]
    counts[:, NAMES.index("fifths"), 0] = np.round(moving * 0.01)
    counts[:, NAMES.index("octaves"), 0] = np.round(moving * 0.02)
    target = row_of(counts)
    seen = []
    tilt, rounds = fit_tilt(Pentatonic(), SMALL, start=Tilt(), target=target, on_round=seen.append)
    assert seen == rounds
    assert [each.number for each in rounds] == list(range(7))
    assert not rounds[0].tilt
    late = row_of(np.concatenate([each.row.counts for each in rounds[4:]]))
    for name in ("fifths", "octaves"):
        assert rounds[0].row.value(name) > 1.8 * target.value(name)
        assert late.value(name) == pytest.approx(target.value(name), rel=0.3)
    assert tilt.fitted["rates"]["without weights"].keys() >= {"fifths", "octaves", "hold"}
    text = comparison(rounds, target)
    assert "without weights" in text and "rounds 4-6" in text


def test_the_same_seed_fits_the_same_weights(tmp_path):
    first, _ = fit_tilt(Uniform(), TINY)
    again, _ = fit_tilt(Uniform(), TINY)
    assert first == again
    save_tilt(tmp_path, first)
    assert load_tilt(tmp_path) == first
    assert load_tilt(tmp_path).fitted == first.fitted


def test_the_target_is_bach_in_train_and_valid():
    pieces = [*load_corpus("train"), *load_corpus("valid")]
    assert (bach_target().counts == battery(pieces).counts).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"samples": 1}, "samples: expected 2 or more, got 1"),
        ({"steps": 8}, "steps: expected 16 or more"),
        ({"passes": 0}, "passes: expected 1 or more"),
        ({"rounds": 0}, "rounds: expected 1 or more"),
        ({"seed": -1}, "seed: expected 0 or more"),
    ],
)
def test_bad_settings(settings, says):
    with pytest.raises(ChoraleError, match=says):
        FitSettings(**settings)


@pytest.fixture
def tiny(tmp_path):
    """A checkpoint of a small network that was never trained."""
    config = PaperConfig(layers=3, filters=4)
    network = build_network(config, torch.Generator().manual_seed(0))
    folder = tmp_path / "tiny"
    folder.mkdir()
    save_checkpoint(folder, Checkpoint(config, network.state_dict()))
    return folder


def test_the_command_stores_the_weights_and_infilling_uses_them(tiny, tmp_path, capsys):
    fit = ["fit-sampler", "--model", str(tiny), "--samples", "2", "--length", "16"]
    fit += ["--passes", "2", "--rounds", "2", "--threads", "1"]
    assert main(fit) == 0
    said = capsys.readouterr()
    assert "without weights" in said.out and "Bach, train and valid" in said.out
    tilt = load_tilt(tiny)
    assert tilt.fitted["passes"] == 2 and tilt.fitted["model"].startswith("tiny ")
    assert main(fit) == 2
    assert "already exists" in capsys.readouterr().err
    assert main([*fit, "--force"]) == 0
    assert load_tilt(tiny) == tilt
    music = {}
    for factor in ("0", "1", "0.5"):
        make = ["generate", "--model", str(tiny), "--length", "32", "--passes", "4"]
        make += ["--tilt", factor, "--out", str(tmp_path), "--name", factor]
        assert main([*make, "--no-audio"]) == 0
        chorale = load_chorale(tmp_path / f"{factor}.npy")
        assert chorale.provenance["tilt"] == float(factor)
        assert chorale.provenance["tilt weights"] == tilt.weights
        music[factor] = chorale.grid
    assert (music["0"] != music["1"]).any()
    capsys.readouterr()
    assert main([*make, "--tilt", "-1", "--no-audio", "--force"]) == 2
    assert "tilt: expected 0 or more, got -1.0" in capsys.readouterr().err


def test_spoilt_weights_are_one_line(tiny, capsys):
    (tiny / "sampler.json").write_text('{"format": 1}')
    assert main(["generate", "--model", str(tiny), "--length", "16", "--no-audio"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "expected weights fifths" in said
