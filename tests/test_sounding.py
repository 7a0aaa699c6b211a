"""The commands on sound and tuning: render, purity."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from recordings import sine
from said import complaints

from coconet.chorale import Chorale, save_chorale
from coconet.cli import main
from coconet.corpus import crop, load_corpus
from coconet.render import available_sound
from coconet.render.csound import csound_version
from coconet.render.event_files import load_events

WORKS = {(way.synth, way.instrument) for way in available_sound() if way.works}
CSOUND = pytest.mark.skipif(("csound", "organ") not in WORKS, reason="no Csound here")
#: Quick to play.
ORGAN = ("--instrument", "organ", "--hall", "none")


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    chorale = next(c for c in load_corpus("demo") if c.bwv == "373")
    return save_chorale(crop(chorale, (0, 32)), tmp_path_factory.mktemp("piece") / "piece.npy")


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr()


def refused(capsys, *arguments, told=None):
    """The one line with which a command refuses.

    told : what it says on stdout, if that counts
    """
    try:
        code, said = run(capsys, *arguments)
    except SystemExit as stop:
        code, said = stop.code, capsys.readouterr()
    lines = complaints(said.err)
    assert (code, len(lines)) == (2, 1), said.err
    assert told in (None, said.out)
    return lines[0]


@CSOUND
def test_render_writes_all_that_is_asked_for(piece, tmp_path, capsys):
    names = ("a.flac", "a.csv", "b.csv", "a.csd", "a.png")
    out, events, pfields, csd, picture = (tmp_path / name for name in names)
    code, said = run(
        capsys, "render", piece, "--out", out, "--instrument", "choir,strings,strings,organ",
        "--style", "original", "--tuning", "adaptive", "--limit", 12, "--seed", 4,
        "--hall", "church:wet=0.4", "--level", "lufs:-20", "--encoding", 24, "--trim",
        "--events", events, "--pfields", pfields, "--csd", csd, "--picture", picture,
    )  # fmt: skip
    assert code == 0, said.err
    for word in ("-20.0 LUFS", "choir, strings, organ", "adaptive just", "challenging", "trimmed"):
        assert word in said.out
    assert soundfile.info(out).subtype == "PCM_24"
    notes = load_events(events).notes
    rows = list(csv.reader(pfields.open()))
    assert len(rows) == len(notes) + 1 and len(rows[0]) == 16
    assert "instr choir" in csd.read_text() and "limit 12" in csd.read_text()
    with soundfile.SoundFile(out) as file:
        assert "tuning=adaptive over secor-victorian (limit 12) on" in file.comment
        assert "seed=4" in file.comment
    assert picture.read_bytes().startswith(b"\x89PNG")


@CSOUND
def test_events_are_rendered_again_to_the_same_sound(piece, tmp_path, capsys):
    first, second, events = (tmp_path / name for name in ("a.wav", "b.wav", "a.csv"))
    options = (*ORGAN, "--encoding", "float")
    made = ("--tuning", "vallotti", "--tonic", "G", "--reference", 415, "--tempo", "0:90,16:60")
    code, said = run(capsys, "render", piece, "--out", first, *made, *options, "--events", events)
    assert code == 0 and ", A4 = 415 Hz\n" in said.out, said.err
    assert run(capsys, "render", events, "--out", second, *options)[0] == 0
    assert np.array_equal(soundfile.read(first)[0], soundfile.read(second)[0])
    for option in (
        "--tempo", "--limit", "--fermata", "--broaden", "--hold", "--glide", "--shift", "--seed",
        "--tonic", "--reference", "--levels", "--stage", "--style", "--tuning", "--keyboard",
        "--dynamics",
    ):  # fmt: skip
        said = refused(capsys, "render", events, "--out", tmp_path / "c.wav", option, 0)
        assert f"{option}: the events of" in said
    said = refused(capsys, "render", events, "--out", tmp_path / "c.wav", "--loose")
    assert "--loose: the events of" in said and not (tmp_path / "c.wav").exists()


def test_a_csd_is_refused_before_anything_is_written_where_csound_is_missing(
    piece, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ctcsound", None)
    csound_version.cache_clear()
    out, csd = tmp_path / "a.wav", tmp_path / "a.csd"
    said = refused(capsys, "render", piece, "--out", out, "--csd", csd)
    csound_version.cache_clear()
    assert "ctcsound" in said
    assert not list(tmp_path.iterdir())


@CSOUND
@pytest.mark.skipif(shutil.which("csound") is None, reason="no program csound here")
def test_a_csd_sounds_the_same_in_the_program_csound(piece, tmp_path, capsys):
    for name, hz in (("A2", 110.0), ("A3", 220.0), ("A4", 440.0)):
        sine(tmp_path / "own" / f"{name}.wav", hz)
    for name, options in (("organ", ORGAN), ("own", ("--samples", tmp_path / "own"))):
        csd, ours, theirs = (tmp_path / f"{name}.{kind}" for kind in ("csd", "wav", "theirs.wav"))
        code, said = run(
            capsys, "render", piece, "--out", ours, *options, "--hall", "none", "--csd", csd,
            "--encoding", "float", "--level", "peak:-1",
        )  # fmt: skip
        assert code == 0, said.err
        subprocess.run(["csound", "-o", theirs, csd], check=True, capture_output=True, cwd=tmp_path)
        mine, other = soundfile.read(ours)[0], soundfile.read(theirs)[0]
        other = other[: len(mine)]
        # Ours was brought to a peak of -1 dBFS.
        scale = np.abs(mine).max() / np.abs(other).max()
        assert np.abs(mine - scale * other)[:-22050].max() < 1e-5


@CSOUND
def test_what_is_read_is_never_written_over(piece, tmp_path, capsys):
    events, hall = tmp_path / "a.csv", sine(tmp_path / "hall.wav", 440.0)
    made = ("render", piece, "--out", tmp_path / "a.wav", *ORGAN, "--events", events)
    assert run(capsys, *made)[0] == 0
    before = events.read_bytes(), hall.read_bytes()
    again = ("render", events, "--out", tmp_path / "b.wav", *ORGAN, "--force")
    assert "is read here" in refused(capsys, *again, "--events", events)
    own = ("render", piece, "--out", hall, "--force", "--hall", f"{hall}:wet=0.1")
    assert "is read here" in refused(capsys, *own)
    assert (events.read_bytes(), hall.read_bytes()) == before


@CSOUND
def test_samples_of_ones_own_are_counted(piece, tmp_path, capsys):
    for name, hz in (("C3", 130.81), ("C4", 261.63), ("C5", 523.25), ("C8", 4186.0)):
        sine(tmp_path / "own" / f"{name}.wav", hz)
    code, said = run(
        capsys, "render", piece, "--out", tmp_path / "a.wav", "--samples", tmp_path / "own",
        "--samples-used", tmp_path / "used.csv",
    )  # fmt: skip
    assert code == 0, said.err
    assert "3 of 4 samples played" in said.out and "C8.wav" in said.out
    code, said = run(
        capsys, "render", piece, "--out", tmp_path / "b.wav", "--samples", tmp_path / "own",
        "--only", "C[34]*", "--reach", 20, "--release", 0.1, "--fine",
    )  # fmt: skip
    assert code == 0 and "2 of 2 samples played" in said.out, said.err
    rows = list(csv.DictReader((tmp_path / "used.csv").open()))
    assert sum(int(row["notes"]) for row in rows) > 30 and rows[-1]["notes"] == "0"


@CSOUND
def test_a_long_piece_says_its_size_first(tmp_path, capsys, monkeypatch):
    piece = save_chorale(Chorale(np.full((1, 1800), 60), tempo=5), tmp_path / "long.npy")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**9})())
    out = tmp_path / "a.wav"
    code, said = run(capsys, "render", piece, "--out", out, *ORGAN)
    assert code == 2 and not out.exists()
    first, second = said.err.splitlines()[-2:]
    assert "of sound" in first and "GB of temporary files" in first
    assert "GB are needed, 1.0 GB are free" in second


def test_the_list_names_everything(capsys):
    code, said = run(capsys, "render", "--list")
    assert code == 0
    for word in ("organ:plenum", "werckmeister-3", "adaptive", "original", "church", "samples"):
        assert word in said.out


@CSOUND
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected IN and --out"),
        (("IN",), "expected IN and --out"),
        (("IN", "--out", "a.txt"), "ends in"),
        (("IN", "--out", "a.wav", "--csd", "a.txt"), "--csd: expected a name that ends in .csd"),
        (("IN", "--out", "a.wav", "--picture", "a.wav"), "--picture: expected a name"),
        (("IN", "--out", "a.wav", "--events", "a.csv", "--pfields", "a.csv"), "got it twice"),
        (("IN", "--out", "a.wav", "--samples-used", "a.csv"), "expected --samples"),
        (("IN", "--out", "a.wav", "--csd", "a.csd", "--synth", "fluidsynth"), "for Csound"),
        (("IN", "--out", "a.wav", "--tempo", "fast"), "--tempo: expected a number"),
        (("IN", "--out", "a.wav", "--tempo", "0:60,8"), "step:tempo pairs"),
        (("IN", "--out", "a.wav", "--tempo", "0:60,8:nan"), "--tempo: expected a number"),
        (("IN", "--out", "a.wav", "--levels", "soprano:loud"), "--levels: expected a number"),
        (("IN", "--out", "a.wav", "--levels", "treble:3"), "treble"),
        (("IN", "--out", "a.wav", "--levels", "alto:3,alto:4"), "alto has two"),
        (("IN", "--out", "a.wav", "--levels", "1,2"), "levels"),
        (("IN", "--out", "a.wav", "--stage", "0.5,2,0,0"), "stage"),
        (("IN", "--out", "a.wav", "--stage", "left"), "spread or random"),
        (("IN", "--out", "a.wav", "--glide", "-1"), "glide"),
        (("IN", "--out", "a.wav", "--hall", "church:wet=2"), "wet"),
        (("IN", "--out", "a.wav", "--tonic", "H#"), "tonic"),
        (("IN", "--out", "a.wav", "--keyboard", "none.kbm"), "none.kbm"),
        (("IN", "--out", "a.wav", "--instrument", "organ:loud"), "organ:plenum"),
        (("none.csv", "--out", "a.wav"), "none.csv"),
        (("IN", "--out", "a.wav", "--fine"), "--fine: expected --samples"),
        (("IN", "--out", "a.wav", "--middle-c", "C3"), "--middle-c: expected --samples"),
        (("IN", "--out", "a.wav", "--samples", ".", "--layers", "1:x"), "as 25:45,47:75"),
        (("IN", "--out", "a.wav", "--samples", "."), "expected sound files (.wav,"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(
    piece, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, "render", *(piece if word == "IN" else word for word in arguments))
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_purity_tells_temperaments_and_chords(piece, tmp_path, capsys):
    code, said = run(capsys, "purity", piece, "--csv", tmp_path / "a.csv")
    assert code == 0, said.err
    rows = {row["tuning"]: row for row in csv.DictReader((tmp_path / "a.csv").open())}
    assert {"equal", "vallotti", "adaptive over secor-victorian"} <= rows.keys()
    assert all(name in said.out for name in rows)
    picture = tmp_path / "a.png"
    code, said = run(
        capsys, "purity", piece, "--tunings", "equal, adaptive", "--chords", "--tonic", "relative",
        "--picture", picture,
    )  # fmt: skip
    assert code == 0 and "400.0 700.0" in said.out
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tunings", "nowhere"), "no such tuning"),
        (("--tunings", "equal,,vallotti"), "--tunings: expected names"),
        (("--tonic", "X"), "tonic"),
        (("--picture", "a.gif"), "--picture: expected a name that ends in"),
        (("--csv", "a.txt"), "--csv: expected a name that ends in .csv"),
        (("--csv", "a.csv", "--picture", "a.gif"), "--picture: expected a name"),
        (("--tunings", "adaptive", "--picture", "a.png"), "--picture: shows fixed temperaments"),
        (("--csv", "a.csv", "--tunings", "adaptive", "--picture", "a.png"), "fixed temperaments"),
        (("--csv", "a.csv", "--chords", "--tonic", "X", "--picture", "a.png"), "tonic"),
    ],
)
def test_purity_refuses(piece, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "purity", piece, *arguments, told="")
    assert list(tmp_path.iterdir()) == []
