"""The command line: each command does its job, and bad input is one line and exit code 2."""

import contextlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
import torch
from said import complaints

from coconet import places
from coconet.checkpoint import Checkpoint, save_checkpoint
from coconet.chorale import Chorale, load_chorale, save_chorale
from coconet.cli import main
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.model import FastConfig, PaperConfig, build_network
from coconet.options import build_parser
from coconet.outputs import names_of
from coconet.predictor import load_predictor
from coconet.reading import read_piece
from coconet.render import available_sound
from coconet.replace import PASSES, Plan
from coconet.segment_files import save_segments
from coconet.segments import to_segments
from coconet.settings import DEVICES, Settings
from coconet.tilt import Tilt, save_tilt
from coconet.together import DEFAULT

GOOD = np.full((4, 16), [[72], [67], [60], [48]])
MANY = ["--passes", "2", "--no-audio"]
QUICK = [*MANY, "--threads", "1"]


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    chorale = next(c for c in load_corpus("demo") if c.bwv == "373")
    return save_chorale(chorale, tmp_path_factory.mktemp("piece") / "piece.npy")


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr()


def refused(capsys, *arguments):
    """The one line with which a command refuses."""
    try:
        code, said = run(capsys, *arguments)
    except SystemExit as stop:
        code, said = stop.code, capsys.readouterr()
    lines = complaints(said.err)
    assert code == 2, said
    assert len(lines) == 1, said.err
    assert lines[0].startswith("coconet")
    return lines[0]


def test_infill_writes_every_form_and_keeps_what_is_kept(piece, tmp_path, capsys):
    arguments = ["infill", piece, "--rewrite", "alto,tenor", "--out", tmp_path, "--passes", 4]
    code, said = run(capsys, *arguments, "--threads", 1)
    assert code == 0, said.err
    names = sorted(path.name for path in tmp_path.iterdir())
    suffixes = ["json", "mid", "musicxml", "npy", "png", "svg", "wav"]
    assert names == [f"piece.{suffix}" for suffix in suffixes]
    assert "notes are new" in said.out and "alto, tenor rewritten in" in said.out
    before, after = load_chorale(piece), load_chorale(tmp_path / "piece.npy")
    assert (after.grid[[0, 3]] == before.grid[[0, 3]]).all()
    assert (after.grid[[1, 2]] != before.grid[[1, 2]]).any()
    for suffix in ("mid", "musicxml"):
        again = read_piece(tmp_path / f"piece.{suffix}").chorale
        assert (again.grid == after.grid).all()
    assert "after Johann Sebastian Bach" in (tmp_path / "piece.musicxml").read_text()
    sound, rate = soundfile.read(tmp_path / "piece.wav")
    assert len(sound) / rate > after.seconds
    assert 0.5 < abs(sound).max() <= 1
    assert after.provenance["seed"] == 1
    again = tmp_path / "again"
    assert run(capsys, *arguments[:-4], "--out", again, *QUICK, "--passes", 4)[0] == 0
    assert (load_chorale(again / "piece.npy").grid == after.grid).all()


def test_a_typed_melody_is_harmonised(tmp_path, capsys):
    melody = "F4:4 G4:4 A4:4 Bb4:4 A4:4 G4:4 F4:8"
    code, said = run(
        capsys, "infill", melody, "--as", "soprano", "--out", tmp_path, "--name", "mine", *QUICK
    )
    assert code == 0, said.err
    chorale = load_chorale(tmp_path / "mine.npy")
    assert chorale.grid[0].tolist() == np.repeat([65, 67, 69, 70, 69, 67, 65, 65], 4).tolist()
    assert (chorale.grid > 0).all()


def test_a_melody_in_another_metre_with_an_upbeat(tmp_path, capsys):
    arguments = ["infill", "E4:4 A4:4 A4:4 B4:4 C5:8", "--metre", "3/4", "--upbeat", 4]
    where = ["--name", "waltz", "--out", tmp_path, "--tempo", 90, *QUICK]
    code, said = run(capsys, *arguments, *where)
    assert code == 0, said.err
    made = load_chorale(tmp_path / "waltz.npy")
    assert (made.time_signature, made.upbeat, made.tempo) == ("3/4", 4, 90)
    assert "upbeat" in refused(capsys, *arguments[:-1], 12, *where, "--force")
    assert "time signature" in refused(capsys, *arguments[:2], "--metre", "3/5", *where)


def test_generate_from_nothing_and_to_a_kept_bass(piece, tmp_path, capsys):
    code, said = run(capsys, "generate", "--count", 2, "--length", 32, "--out", tmp_path, *MANY)
    assert code == 0, said.err
    one, two = (load_chorale(tmp_path / f"chorale-{n}.npy").grid for n in (1, 2))
    assert one.shape == (4, 32)
    assert (one != two).any()
    code, said = run(
        capsys, "generate", "--keep", "bass", "--from", piece, "--out", tmp_path, *MANY
    )
    assert code == 0, said.err
    assert (load_chorale(tmp_path / "piece.npy").grid[3] == load_chorale(piece).grid[3]).all()


def test_render_and_info(piece, tmp_path, capsys):
    code, said = run(capsys, "render", piece, "--out", tmp_path / "a.wav", "--tempo", 200)
    assert code == 0, said.err
    assert "secor" in said.out
    assert run(capsys, "info", piece)[1].out.count("\n") > 8
    shipped = places.root() / "numpy_chorales" / "examples" / "schmuecke-new-alto-tenor.npy"
    code, said = run(capsys, "info", shipped)
    assert code == 0 and "made: command" in said.out, said.err
    assert max(map(len, said.out.splitlines())) < 200
    assert "+0.00" in run(capsys, "info", places.tunings() / "secor-victorian.scl")[1].out
    code, said = run(capsys, "info", places.models() / "chorales")
    assert "valid_loss" in said.out


def test_what_was_told_is_not_said_to_be_assumed(tmp_path, capsys):
    tune = ("infill", "E4:4 A4:4 A4:4 B4:4 C5:8", "--as", "soprano", "--passes", 1, "--no-audio")
    said = run(capsys, *tune, "--metre", "3/4", "--upbeat", 4, "--out", tmp_path / "a")[1]
    assert "assumed sharps 0, tempo 72.0." in said.err
    said = run(capsys, *tune, "--tempo", 60, "--out", tmp_path / "b")[1]
    assert "assumed time signature 4/4, sharps 0." in said.err


def test_segments_are_read_wherever_a_chorale_is(tmp_path, capsys):
    (chorale,) = [c for c in load_corpus("demo") if c.bwv == "180.7"]
    segments = to_segments(chorale, [40, 40, 40, 40, 32, 32, 16])
    sixteen = segments.filled(
        [
            c.replace(grid=np.tile(c.grid, (4, 1)), onsets=np.tile(c.onsets, (4, 1)))
            for c in segments.chorales()
        ]
    )
    path = save_segments(sixteen, tmp_path / "segments.npy")
    code, said = run(capsys, "info", path)
    assert code == 0, said.err
    assert "shape (7, 16, 32), values 0 to 77" in said.out and "32:40 32:40" in said.out
    assert "16 voices, 240 steps" in said.out and "40 40 40 40 32 32 16" in said.out
    assert "\ntenor 3 " in said.out
    code, said = run(capsys, "report", tmp_path)
    assert code == 0 and "segments" in said.out, said.err
    code, said = run(capsys, "infill", path, "--as", "soprano")
    assert code == 2 and "segments have all voices" in said.err


def test_choices_and_defaults_are_those_of_the_settings():
    """They stand there a second time, so that --help need not load torch."""
    (commands,) = build_parser()._subparsers._group_actions
    # --no-samples, which comes second, means the same setting.
    train = {action.dest: action for action in reversed(commands.choices["train"]._actions)}
    assert tuple(train["device"].choices) == DEVICES
    settings = Settings()
    for name in ("batch", "crop", "frames", "learning_rate", "resolution", "updates", "seed"):
        assert f"({getattr(settings, name):g})" in train[name].help, name
    assert f"({settings.samples_every})" in train["samples_every"].help
    replace = {action.dest: action for action in commands.choices["replace"]._actions}
    assert f"({DEFAULT:g})" in replace["together"].help
    assert (
        f"({Plan().rounds})" in replace["rounds"].help and f"({PASSES})" in replace["passes"].help
    )
    paper = PaperConfig()
    assert f"({paper.layers})" in train["layers"].help
    assert f"({paper.filters})" in train["filters"].help


def test_weights_fitted_to_another_network_are_told_of(tmp_path, capsys):
    config = FastConfig(step_width=16, beat_width=16, dilations=(1,), step_blocks=1)
    network = build_network(config, torch.Generator().manual_seed(1))
    folder = tmp_path / "model"
    save_checkpoint(folder, Checkpoint(config, network.state_dict()))
    write = ["generate", "--length", 16, "--model", folder, "--out", tmp_path, "--force", *MANY]
    name = load_predictor(folder).name
    for fitted, tilt, told in (
        ({"model": "model 0123456789ab"}, 1, True),
        ({"model": "model 0123456789ab"}, 0, False),
        ({"model": name}, 1, False),
        ({}, 1, False),
    ):
        save_tilt(folder, Tilt(fifths=1, fitted=fitted))
        code, said = run(capsys, *write, "--tilt", tilt)
        assert code == 0, said.err
        assert ("fitted to other weights" in said.err) is told, fitted


def test_train_and_go_on(tmp_path, capsys):
    settings = tmp_path / "run.yaml"
    settings.write_text(
        "model: {network: fast, step_width: 16, beat_width: 16, dilations: [1]}\n"
        "batch: 2\ncrop: 16\nwarmup: 2\nupdates: 9\nvalid_every: 3\nsave_every: 3\n"
    )
    where = ["train", "--run", tmp_path / "r"]
    code, said = run(capsys, *where, "--config", settings, "--updates", 6, "--threads", 1)
    assert code == 0, said.err
    assert (tmp_path / "r" / "curves.png").stat().st_size > 5000
    assert "updates: 6\n" in (tmp_path / "r" / "config.yaml").read_text()
    assert run(capsys, *where, "--resume")[0] == 0
    again = ["train", "--run", tmp_path / "again", "--config", tmp_path / "r" / "config.yaml"]
    code, said = run(capsys, *again, "--splits", "train,valid", "--no-samples")
    assert code == 0 and "not for evaluation" in said.out
    picture = tmp_path / "compared.png"
    code, said = run(capsys, "compare", tmp_path / "r", tmp_path / "again", "--out", picture)
    assert code == 0, said.err
    assert picture.stat().st_size > 5000
    assert [line.split()[1] for line in said.out.splitlines()[:3]] == ["update", "6", "6"]
    assert "no such file" in refused(capsys, "compare", tmp_path / "r", tmp_path / "none")
    assert "already exists" in refused(capsys, "compare", tmp_path / "r", "--out", picture)
    assert run(capsys, "info", tmp_path / "r")[0] == 0
    assert "already holds a run" in refused(capsys, *where)
    assert "its own settings" in refused(capsys, *where, "--resume", "--updates", 9)
    assert "unknown: speed" in refused(
        capsys, "train", "--run", tmp_path / "s", "--config", _file(tmp_path, "s.yaml", "speed: 1")
    )
    assert "YAML" in refused(
        capsys, "train", "--run", tmp_path / "s", "--config", _file(tmp_path, "t.yaml", "a: [")
    )


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _npy(folder, array, **options):
    np.save(folder / "bad.npy", array, **options)
    return folder / "bad.npy"


def _cluster(folder, voices):
    """A MIDI of one chord."""
    track = mido.MidiTrack([mido.Message("note_on", note=50 + 3 * v) for v in range(voices)])
    track += [mido.Message("note_off", note=50 + 3 * v, time=480 * (v == 0)) for v in range(voices)]
    file = mido.MidiFile(ticks_per_beat=480, tracks=[track])
    file.save(folder / "bad.mid")
    return folder / "bad.mid"


def _truncated(folder):
    path = _cluster(folder, 4)
    path.write_bytes(path.read_bytes()[:40])
    return path


def test_a_lone_bass_is_taken_for_the_bass_that_is_kept(tmp_path, capsys):
    melody = "F4:4 G4:4 A4:8"
    keep = ["generate", "--keep", "bass", "--from", melody, "--name", "b", "--out", tmp_path]
    assert run(capsys, *keep, *MANY)[0] == 0
    assert load_chorale(tmp_path / "b.npy").grid[3].tolist() == [65] * 4 + [67] * 4 + [69] * 8
    two = _file(tmp_path, "two.npy", b"")
    np.save(two, np.array([[72] * 8, [0] * 8, [0] * 8, [48] * 8]))
    line = refused(capsys, "generate", "--keep", "alto", "--from", two, "--out", tmp_path, *MANY)
    assert "has no alto" in line
    # Two rows of four sound, as many as are kept: they are still those that they are.
    both = refused(capsys, "generate", "--keep", "soprano,alto", "--from", two, *MANY)
    assert "has no alto, only soprano, bass" in both
    assert "--length" in refused(capsys, *keep, "--length", 7, "--force")


def test_quartets_with_silent_voices(tmp_path, capsys):
    stack = np.vstack([GOOD, GOOD])
    stack[6] = 0
    path = _npy(tmp_path, stack)
    for quartet, row in ((1, 1), (2, 2)):
        arguments = ["infill", path, "--quartet", quartet, "--rewrite", "alto", "--force"]
        assert run(capsys, *arguments, "--name", "q", "--out", tmp_path, *QUICK)[0] == 0
        assert (load_chorale(tmp_path / "q.npy").grid[row] > 0).all()


def test_a_model_of_another_resolution_is_not_for_infilling(piece, tmp_path, capsys):
    model = tmp_path / "model"
    shutil.copytree(places.models() / "chorales", model)
    side = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(side | {"resolution": 8}))
    line = refused(capsys, "infill", piece, "--rewrite", "alto", "--model", model,
                   "--out", tmp_path / "out", *QUICK)  # fmt: skip
    assert "8 steps a whole note" in line


BAD_TRAINING = [
    (["--threads", 0], "threads"),
    (["--seed", 10**22], "seed"),
    (["--splits", "train,demo"], "demo is never trained on"),
    (["--learning-rate", "nan"], "learning_rate"),
    (["--config", "learning_rate: fast"], "learning_rate"),
    (["--config", "model: fast"], "model"),
    (["--config", "1: 2"], "settings"),
    (["--config", "[" * 5000], "YAML"),
    (
        ["--config", "model: {network: fast, pitches: [48, 81]}"],
        "the model's pitches 48-81",
    ),
    (["--init", "nowhere"], "no such checkpoint"),
]


@pytest.mark.parametrize(("options", "says"), BAD_TRAINING)
def test_bad_training_is_refused_before_anything_is_made(tmp_path, capsys, options, says):
    if options[0] == "--config":
        options = ["--config", _file(tmp_path, "run.yaml", options[1])]
    assert says in refused(capsys, "train", "--run", tmp_path / "r", *options)
    assert not (tmp_path / "r").exists()
    (tmp_path / "file").write_text("")
    assert "folder" in refused(capsys, "train", "--run", tmp_path / "file")


BAD_SOURCES = [
    (lambda f: _file(f, "bad.mid", b""), "empty"),
    (_truncated, "truncated"),
    (lambda f: _file(f, "bad.mid", b"RIFF0000WAVE"), "not a MIDI"),
    (lambda f: _cluster(f, 0), "no notes"),
    *[(lambda f, n=n: _cluster(f, n), f"{n} voices sound at once") for n in (5, 6, 7, 8, 9)],
    (lambda f: _file(f, "bad.musicxml", "<score"), "well-formed"),
    (lambda f: _npy(f, GOOD + 0.5), "not a whole number"),
    (lambda f: _npy(f, np.where(GOOD == 72, np.nan, GOOD)), "not a number"),
    (lambda f: _npy(f, GOOD[0]), r"expected shape \(voices, steps\)"),
    (lambda f: _npy(f, GOOD[:, :0]), "no steps"),
    (lambda f: _npy(f, np.where(GOOD == 72, 128, GOOD)), "soprano at step 0: 128"),
    (lambda f: _npy(f, np.where(GOOD == 72, -5, GOOD)), "soprano at step 0: -5"),
    (lambda f: _npy(f, np.where(GOOD == 48, 30, GOOD)), "bass at step 0: 30 is outside the model"),
    (lambda f: _npy(f, np.vstack([GOOD, GOOD])), "--quartet"),
    (lambda f: _npy(f, np.array([{}], object), allow_pickle=True), "pickled"),
    (lambda f: _file(f, "bad.npy", pickle.dumps(1)), "not a .npy file"),
    (lambda f: f / "none.mid", "no such file"),
    (lambda f: "H4:4 G4:2", "H4"),
    (lambda f: "bwv:9999", "not in the corpus"),
]


@pytest.mark.parametrize(("make", "says"), BAD_SOURCES)
def test_bad_sources_are_refused_in_one_line_and_leave_nothing(tmp_path, capsys, make, says):
    out = tmp_path / "out"
    line = refused(capsys, "infill", make(tmp_path), "--rewrite", "alto", "--out", out, *QUICK)
    assert re.search(says, line), line
    assert not out.exists()


BAD_OPTIONS = [
    ([], "nothing is hidden"),
    (["--rewrite", "violin"], "unknown voice 'violin'"),
    (["--rewrite", "alto", "--keep", "bass"], "not both"),
    (["--span", "5"], "expected two steps"),
    (["--span", "9:3"], "span 9:3"),
    (["--bars", "77"], "bars '77'"),
    (["--hidden", "HIDDEN"], "expected the grid's shape"),
    (["--rewrite", "alto", "--temperature", "-1"], "temperature"),
    (["--rewrite", "alto", "--temperature", "hot"], "invalid float value"),
    (["--rewrite", "alto", "--passes", "0"], "passes"),
    (["--rewrite", "alto", "--count", "0"], "count"),
    (["--rewrite", "alto", "--threads", "0"], "threads"),
    (["--rewrite", "alto", "--quartet", "2"], "quartet"),
    (["--rewrite", "alto", "--model", "nowhere"], "no such checkpoint"),
    (["--rewrite", "alto", "--seed", "-1"], "seed"),
    (["--frobnicate"], "unrecognized arguments"),
    (["--rewrite", "alto", "--name", "a/b"], "plain name"),
    (["--rewrite", "alto", "--name", "x" * 300], "File name too long"),
    (["--bars", "9" * 5000], "bars"),
]


@pytest.mark.parametrize(("options", "says"), BAD_OPTIONS)
def test_bad_options(piece, tmp_path, capsys, options, says):
    np.save(tmp_path / "hidden.npy", np.ones((4, 3), bool))
    options = [str(tmp_path / "hidden.npy") if o == "HIDDEN" else o for o in options]
    out = tmp_path / "out"
    base = [] if "--passes" in options else ["--passes", "2"]
    line = refused(capsys, "infill", piece, "--out", out, "--no-audio", *base, *options)
    assert says in line
    assert not out.exists()


def test_names_of_versions():
    assert names_of("a", 1) == ["a"]
    assert names_of("a", 3) == ["a-1", "a-2", "a-3"]
    for name, count, says in (("a", 0, "--count"), ("a/b", 1, "plain name"), (".a", 2, "plain")):
        with pytest.raises(ChoraleError, match=says):
            names_of(name, count)


def test_existing_files_stay_without_force(piece, tmp_path, capsys):
    (tmp_path / "piece.mid").write_text("precious")
    arguments = ["infill", piece, "--rewrite", "alto", "--out", tmp_path, *QUICK]
    assert "already exists" in refused(capsys, *arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["piece.mid"]
    assert (tmp_path / "piece.mid").read_text() == "precious"
    assert run(capsys, *arguments, "--force")[0] == 0
    assert (tmp_path / "piece.mid").read_bytes().startswith(b"MThd")


def test_a_folder_that_cannot_be_written(piece, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    line = refused(
        capsys, "infill", piece, "--rewrite", "alto", "--out", tmp_path / "file" / "x", *QUICK
    )
    assert "can't write" in line


def test_a_full_disk_leaves_nothing(piece, tmp_path, capsys, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    out = tmp_path / "out"
    line = refused(capsys, "infill", piece, "--rewrite", "alto", "--out", out, *QUICK)
    assert "No space left" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["11", *["100."] * 11], "11"),
        (["13", *["100."] * 13], "13"),
        (["12", "0/1", *["100."] * 11], "line"),
        (["12", "abc", *["100."] * 11], "line"),
    ],
)
def test_bad_tunings(piece, tmp_path, capsys, lines, says):
    tuning = _file(tmp_path, "bad.scl", "\n".join(["! bad", "bad", *lines]))
    line = refused(capsys, "render", piece, "--tuning", tuning, "--out", tmp_path / "a.wav")
    assert says in line
    assert not (tmp_path / "a.wav").exists()


def test_render_refuses_what_would_be_silent(piece, tmp_path, capsys):
    font = _file(tmp_path, "font.sf3", b"RIFF")
    out = tmp_path / "a.wav"
    line = refused(capsys, "render", piece, "--synth", "csound", "--soundfont", font, "--out", out)
    assert "sf3" in line
    silent = tmp_path / "silent.npy"
    np.save(silent, np.zeros((4, 16), int))
    assert refused(capsys, "render", silent, "--out", out)
    assert "tonic" in refused(capsys, "render", piece, "--tonic", "H", "--out", out)
    assert not out.exists()


@pytest.mark.parametrize("spoil", ["config.json", "weights.safetensors", "truncated", "version"])
def test_spoilt_models(piece, tmp_path, capsys, spoil):
    model = tmp_path / "model"
    shutil.copytree(places.models() / "chorales", model)
    if spoil == "truncated":
        path = model / "weights.safetensors"
        path.write_bytes(path.read_bytes()[:10_000])
    elif spoil == "version":
        side = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(side | {"format": 99}))
    else:
        (model / spoil).unlink()
    refused(capsys, "infill", piece, "--rewrite", "alto", "--model", model,
            "--out", tmp_path / "out", *QUICK)  # fmt: skip
    refused(capsys, "info", model)


def test_without_arguments_and_with_help():
    environment = {**os.environ, "PYTHONPATH": str(places.root())}
    command = [sys.executable, "-X", "importtime", "-m", "coconet"]
    found = subprocess.run([*command, "infill", "--help"], capture_output=True, text=True,
                           env=environment)  # fmt: skip
    assert found.returncode == 0
    assert "--rewrite" in found.stdout
    for heavy in ("torch", "numpy", "music21", "matplotlib"):
        assert f" {heavy}\n" not in found.stderr
    bare = subprocess.run([sys.executable, "-m", "coconet"], capture_output=True, text=True,
                          env=environment)  # fmt: skip
    assert bare.returncode == 2
    assert len(bare.stderr.splitlines()) == 1


@pytest.mark.skipif(not any(way.works for way in available_sound()), reason="no synthesiser here")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_rendering_that_is_ended_leaves_nothing(tmp_path, number):
    """Neither temporary files, which may be large, nor synthesisers."""
    piece = save_chorale(Chorale(np.full((16, 4000), 60), tempo=60), tmp_path / "long.npy")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-m", "coconet", "render", piece, "--out", tmp_path / "a.wav"],
        env=os.environ | {"TMPDIR": str(scratch)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not list(scratch.rglob("sound.*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 128 + number
    assert "Traceback" not in said
    assert list(scratch.iterdir()) == [] and not (tmp_path / "a.wav").exists()
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if _holds(path, scratch)]


def _holds(path, text):
    """Whether a running process has a text in its environment."""
    with contextlib.suppress(OSError):
        return str(text).encode() in path.read_bytes()
    return False
