"""Training: it learns, resumes exactly, survives a kill, finishes on Ctrl-C."""

import itertools
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch

from coconet.checkpoint import load_checkpoint
from coconet.corpus import load_corpus
from coconet.crops import Crops, make_batch, pieces_of
from coconet.errors import ChoraleError
from coconet.grid import RANGES, REST
from coconet.model import FastConfig, PaperConfig
from coconet.training import (
    Settings,
    Trainer,
    hidden_loss,
    learning_rate,
    read_settings,
    train,
)

TINY = FastConfig(step_width=16, beat_width=16, dilations=(1, 2), step_blocks=1)
SHORT = Settings(
    model=TINY, updates=12, warmup=4, batch=4, crop=32, valid_every=5, save_every=5, threads=1
)
#: A run in a process of its own, so that it can be killed.
SCRIPT = textwrap.dedent("""
    import sys
    from dataclasses import replace
    from coconet.corpus import load_corpus
    from coconet.model import FastConfig
    from coconet.training import Settings, train
    tiny = FastConfig(step_width=16, beat_width=16, dilations=(1, 2), step_blocks=1)
    settings = Settings(model=tiny, updates=100_000, warmup=4, batch=4, crop=32,
                        valid_every=20, save_every=10, threads=1)
    chorales = [c for s in ("train", "valid") for c in load_corpus(s)[:4]]
    train(sys.argv[1], settings, chorales, progress=False)
""")


@pytest.fixture(scope="module")
def chorales():
    return [chorale for split in ("train", "valid") for chorale in load_corpus(split)[:6]]


def weights(folder):
    return load_checkpoint(folder).weights


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(chorales, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", SHORT, chorales, progress=False)

    class Killed(Exception):
        pass

    def kill(rows):
        if rows[-1]["update"] == 10:
            raise Killed

    with pytest.raises(Killed):
        train(tmp_path / "broken", SHORT, chorales, progress=False, on_row=kill)
    assert (tmp_path / "broken" / "latest").read_text().strip() == "0000005"
    resumed = train(tmp_path / "broken", SHORT, chorales, resume=True, progress=False)
    assert resumed.name == whole.name == "0000012"
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    curves = [(tmp_path / run / "curves.csv").read_text() for run in ("whole", "broken")]
    rows = [[line.split(",")[:4] for line in text.splitlines()] for text in curves]
    assert rows[0] == rows[1]


def test_it_learns_a_piece_by_heart(chorales, tmp_path):
    piece = chorales[0]
    settings = Settings(
        model=FastConfig(step_width=32, beat_width=48, dilations=(1, 2), dropout=0),
        updates=250, warmup=20, batch=8, crop=32, valid_every=50, save_every=250, threads=1,
        learning_rate=1e-2, ema=0.95,
    )  # fmt: skip
    rows = []
    train(
        tmp_path / "run",
        settings,
        [piece, piece.replace(split="valid")],
        progress=False,
        on_row=lambda found: rows.extend(found[-1:]),
    )
    assert rows[0]["valid_loss"] > 1.5 * rows[-1]["valid_loss"]
    assert rows[-1]["valid_loss"] < 1.9  # uniform: 3.83


def test_the_paper_network_trains_too(chorales, tmp_path):
    settings = Settings(
        model=PaperConfig(layers=4, filters=6), updates=3, warmup=1, batch=2, crop=16, threads=1
    )
    folder = train(tmp_path / "run", settings, chorales, progress=False)
    assert load_checkpoint(folder).card["valid_loss"] < 10


def test_minutes_are_measured_and_written_down(chorales, tmp_path):
    settings = Settings(
        model=TINY, updates=None, minutes=1e-6, warmup=4, batch=2, crop=16, threads=1
    )
    train(tmp_path / "run", settings, chorales, progress=False)
    assert read_settings(tmp_path / "run").updates == 51


def test_measuring_goes_on_after_an_interruption(chorales, tmp_path, monkeypatch):
    """Every update takes 1 s by this clock, so 2 minutes are 120 updates, broken or not."""
    clock = itertools.count()
    monkeypatch.setattr("coconet.training.time.monotonic", lambda: next(clock))
    settings = Settings(
        model=TINY, updates=None, minutes=2, warmup=4, batch=1, crop=8, threads=1,
        valid_every=500, save_every=30,
    )  # fmt: skip

    class Killed(Exception):
        pass

    class Counting(Trainer):
        def step(self):
            if self.update == 40:
                raise Killed
            return super().step()

    monkeypatch.setattr("coconet.training.Trainer", Counting)
    with pytest.raises(Killed):
        train(tmp_path / "run", settings, chorales, progress=False)
    monkeypatch.setattr("coconet.training.Trainer", Trainer)
    train(tmp_path / "run", settings, chorales, resume=True, progress=False)
    assert read_settings(tmp_path / "run").updates == 120
    train(tmp_path / "whole", settings, chorales, progress=False)
    assert read_settings(tmp_path / "whole").updates == 120


def test_data_without_a_valid_split_is_refused_at_once(chorales, tmp_path):
    with pytest.raises(ChoraleError, match="valid split is empty"):
        train(tmp_path / "run", SHORT, [c for c in chorales if c.split == "train"])


@pytest.mark.parametrize("resolution", [16, 8, 4])
def test_every_resolution_keeps_bar_lines_on_beats(resolution):
    stride = 16 // resolution
    for chorale in load_corpus("valid"):
        piece = pieces_of([chorale], resolution)[0]
        lead = int(piece.outside.argmin())
        first = chorale.upbeat % stride
        bar = (chorale.upbeat - first) // stride + lead  # where the first bar line falls
        assert bar % 4 == 0
        kept = chorale.grid[:, first::stride]
        assert (piece.grid[:, lead : lead + kept.shape[1]] == kept).all()


def test_init_takes_weights_and_a_fresh_schedule(chorales, tmp_path):
    first = train(tmp_path / "one", SHORT, chorales, progress=False)
    still = Settings.from_fields(SHORT.fields() | {"updates": 1, "learning_rate": 1e-12})
    second = train(tmp_path / "two", still, chorales, init=first, progress=False)
    expected, found = weights(first), weights(second)
    assert all(torch.allclose(expected[n], found[n], atol=1e-3) for n in expected)
    other = Settings(model=PaperConfig(layers=3, filters=4), updates=1)
    with pytest.raises(ChoraleError, match="--init"):
        train(tmp_path / "three", other, chorales, init=first, progress=False)


def test_a_used_folder_or_an_empty_one_is_refused(chorales, tmp_path):
    train(tmp_path / "run", SHORT, chorales, progress=False)
    with pytest.raises(ChoraleError, match="already holds a run"):
        train(tmp_path / "run", SHORT, chorales, progress=False)
    with pytest.raises(ChoraleError, match="nothing to resume"):
        train(tmp_path / "none", SHORT, chorales, resume=True, progress=False)


def start(run):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(run)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (run / "latest").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_a_kill_at_any_moment_leaves_a_good_checkpoint(tmp_path):
    run = tmp_path / "run"
    process = start(run)
    for delay in (0.01, 0.07, 0.15):
        time.sleep(delay)
        process.kill()
        process.wait()
        assert load_checkpoint(run).card["update"] % 10 == 0
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.replace("progress=False", "progress=False, resume=True"),
             str(run)], stderr=subprocess.PIPE,
        )  # fmt: skip
        before = (run / "latest").read_text()
        deadline = time.monotonic() + 60
        while (run / "latest").read_text() == before:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
    process.kill()
    process.wait()


def test_the_first_ctrl_c_finishes_the_update_and_saves(tmp_path):
    run = tmp_path / "run"
    process = start(run)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    checkpoint = load_checkpoint(run)
    assert checkpoint.card["update"] > 0
    assert f"{checkpoint.card['update']:07d}" == (run / "latest").read_text().strip()


def test_targets_are_the_hidden_pitches_within_the_piece():
    pieces = pieces_of(load_corpus("train")[:5])
    crops = Crops(pieces, 32)
    rng = np.random.default_rng(0)
    drawn = crops.draw(16, rng)
    batch = make_batch(drawn, 32, (36, 81), rng)
    hidden = batch.tokens == 46
    scored = batch.targets >= 0
    assert torch.equal(hidden, scored)
    for item, (piece, first, shift) in enumerate(drawn):
        cut = piece.grid[:, first : first + 32].T
        targets = batch.targets[item, : len(cut)].numpy()
        assert (targets[targets >= 0] == (cut + shift - 36)[targets >= 0]).all()
        assert (cut[targets >= 0] != REST).all()


def test_an_upbeat_keeps_the_beats_in_place():
    chorale = next(c for c in load_corpus() if c.upbeat % 4)
    piece = pieces_of([chorale])[0]
    lead = int(piece.outside.argmin())
    assert (lead + chorale.upbeat) % 4 == 0
    assert piece.grid.shape[1] % 4 == 0
    assert (piece.grid[:, lead : lead + chorale.steps] == chorale.grid).all()


def test_transpositions_lead_no_voice_out_of_its_range():
    moved = 0
    for piece in pieces_of(load_corpus("train")):
        for row, (low, high) in zip(piece.grid, RANGES, strict=True):
            sounding = row[row != REST].astype(int)
            assert sounding.min() + piece.shifts.min() >= min(low, sounding.min())
            assert sounding.max() + piece.shifts.max() <= max(high, sounding.max())
        assert 0 in piece.shifts
        moved += len(piece.shifts) > 1
    assert moved > 200


def test_the_loss_is_that_of_hidden_cells_each_crop_counting_once():
    pieces = pieces_of(load_corpus("train")[:2])
    batch = make_batch(Crops(pieces, 16).draw(3, np.random.default_rng(0)), 16, (36, 81),
                       np.random.default_rng(1))  # fmt: skip
    logits = torch.randn(3, 16, 4, 46, generator=torch.Generator().manual_seed(0))
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


def test_the_schedule_warms_up_and_falls_to_nothing():
    settings = Settings(updates=1000, warmup=100, learning_rate=1.0)
    rates = [learning_rate(settings, update) for update in range(1000)]
    assert rates[0] == 0.01
    assert max(rates) == rates[100] == 1.0
    assert rates[-1] < 1e-4
    assert all(a >= b for a, b in itertools.pairwise(rates[100:]))


@pytest.mark.parametrize(
    "fields",
    [
        {"batch": 0},
        {"crop": 63},
        {"updates": 0},
        {"updates": None},
        {"minutes": -1},
        {"minutes": float("nan")},
        {"resolution": 12},
        {"seed": -1},
        {"speed": 9},
        {"model": {"network": "fast", "step_width": -1}},
        {"batch": "many"},
    ],
)
def test_bad_settings_are_refused(fields):
    with pytest.raises(ChoraleError):
        Settings.from_fields(fields)
