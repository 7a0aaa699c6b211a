"""Training: it learns, resumes exactly, survives a kill, finishes on Ctrl-C."""

import itertools
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from coconet.checkpoint import load_checkpoint
from coconet.corpus import load_corpus, save_corpus
from coconet.crops import Crops, make_batch, pieces_of
from coconet.errors import INTERRUPTED, ChoraleError
from coconet.grid import RANGES, REST
from coconet.model import FastConfig, PaperConfig
from coconet.reading import read_piece
from coconet.runs import read_curves, read_settings
from coconet.settings import Settings, write_settings
from coconet.trainer import Trainer
from coconet.training import train

TINY = FastConfig(step_width=16, beat_width=16, dilations=(1, 2), step_blocks=1)
SHORT = Settings(
    model=TINY, updates=12, warmup=4, batch=4, crop=32, valid_every=5, save_every=5, threads=1,
    samples_every=0, device="cpu",
)  # fmt: skip
#: A run in a process of its own, so that it can be killed.
SCRIPT = textwrap.dedent("""
    import sys
    from dataclasses import replace
    from coconet.corpus import load_corpus
    from coconet.model import FastConfig
    from coconet.settings import Settings
    from coconet.training import train
    tiny = FastConfig(step_width=16, beat_width=16, dilations=(1, 2), step_blocks=1)
    settings = Settings(model=tiny, updates=100_000, warmup=4, batch=4, crop=32,
                        valid_every=20, save_every=10, samples_every=0, threads=1, device="cpu")
    chorales = [c for s in ("train", "valid") for c in load_corpus(s)[:4]]
    train(sys.argv[1], settings, chorales, progress=False)
""")


@pytest.fixture(scope="module")
def chorales():
    return [chorale for split in ("train", "valid") for chorale in load_corpus(split)[:6]]


def weights(folder):
    return load_checkpoint(folder).weights


def curves(run):
    """A run's measurements but those of its clock."""
    clock = ("minutes", "updates_per_second")
    return [
        {key: value for key, value in row.items() if key not in clock} for row in read_curves(run)
    ]


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
    assert curves(tmp_path / "whole") == curves(tmp_path / "broken")
    log = (tmp_path / "broken" / "log.txt").read_text()
    assert "began at update 0" in log and "resumed at update 5" in log and "finished" in log
    assert len(list((tmp_path / "broken").glob("events.out.tfevents.*"))) == 2


def test_the_config_of_a_run_repeats_it_exactly(chorales, tmp_path):
    first = train(tmp_path / "one", replace(SHORT, learning_rate=3e-3), chorales, progress=False)
    settings = read_settings(tmp_path / "one")
    assert settings == replace(SHORT, learning_rate=3e-3)
    second = train(tmp_path / "two", settings, chorales, progress=False)
    expected, found = weights(first), weights(second)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert curves(tmp_path / "one") == curves(tmp_path / "two")


def test_samples_keep_the_melody_and_leave_the_runs_chance_alone(chorales, tmp_path):
    plain = train(tmp_path / "plain", SHORT, chorales, progress=False)
    settings = replace(SHORT, samples_every=4)
    sampled = train(tmp_path / "sampled", settings, chorales, progress=False)
    expected, found = weights(plain), weights(sampled)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert not (tmp_path / "plain" / "samples").exists()
    files = sorted((tmp_path / "sampled" / "samples").iterdir())
    assert [path.name for path in files] == ["0000004.mid", "0000008.mid", "0000012.mid"]
    melody = next(chorale for chorale in chorales if chorale.split == "valid")
    for path in files:
        written = read_piece(str(path)).chorale
        assert (written.grid[0] == melody.grid[0]).all()
        assert ((written.grid == REST) == (melody.grid == REST)).all()
        assert (written.grid[1:] != melody.grid[1:]).any()


def test_a_model_trained_on_what_measures_it_says_so(chorales, tmp_path):
    settings = replace(SHORT, updates=2, splits=("valid", "train"))
    card = load_checkpoint(train(tmp_path / "run", settings, chorales, progress=False)).card
    assert card["splits"] == ["train", "valid"]
    assert "not for evaluation" in card["warning"]
    plain = load_checkpoint(train(tmp_path / "plain", SHORT, chorales, progress=False)).card
    assert plain["splits"] == ["train"] and "warning" not in plain


def test_pieces_of_other_splits_are_not_seen(chorales, tmp_path, monkeypatch):
    seen = []

    class Noting(Trainer):
        def __init__(self, settings, train, valid, **more):
            seen.append(({c.split for c in train}, {c.split for c in valid}))
            super().__init__(settings, train, valid, **more)

    monkeypatch.setattr("coconet.training.Trainer", Noting)
    everything = [*chorales, *load_corpus("test")[:2], *load_corpus("demo")]
    for splits in (("train",), ("train", "valid", "test")):
        settings = replace(SHORT, updates=1, splits=splits)
        train(tmp_path / str(len(splits)), settings, everything, progress=False)
    assert seen == [({"train"}, {"valid"}), ({"train", "valid", "test"}, {"valid"})]


def test_it_learns_a_piece_by_heart(chorales, tmp_path):
    piece = chorales[0]
    settings = Settings(
        model=FastConfig(step_width=32, beat_width=48, dilations=(1, 2), dropout=0),
        updates=250, warmup=20, batch=8, crop=32, valid_every=50, save_every=250, threads=1,
        learning_rate=1e-2, ema=0.95, frames=0.0,
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
    still = replace(still, model=replace(still.model, dropout=0.5))
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
    return started([sys.executable, "-c", SCRIPT, run], run)


def started(command, run):
    """The process of a command that trains, once it has saved a state."""
    command = list(map(str, command))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
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


def test_the_command_says_that_it_was_stopped(chorales, tmp_path):
    run, data = tmp_path / "run", tmp_path / "data.npz"
    save_corpus(chorales, data, source="two splits")
    write_settings(tmp_path / "config.yaml", replace(SHORT, updates=100_000, save_every=1))
    command = [sys.executable, "-m", "coconet", "train", "--data", data, "--run", run]
    process = started([*command, "--config", tmp_path / "config.yaml"], run)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, err
    update = int((run / "latest").read_text())
    assert f"stopped after {update:,} of 100,000 updates: --resume goes on" in err.decode()


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
