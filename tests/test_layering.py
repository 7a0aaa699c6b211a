"""`coconet chain`: what it writes, what it tells, and what it refuses."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest
import soundfile

from coconet import transforms
from coconet.chain import load_chain, run_chain
from coconet.chorale import load_chorale, save_chorale
from coconet.cli import main
from coconet.closing import ending_of
from coconet.corpus import crop, load_corpus
from coconet.midi import read_midi
from coconet.plots import Picture
from coconet.segment_files import save_segments
from coconet.segments import to_segments
from coconet.stepmap import load_map

BACH = next(chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7")
PIECE = crop(BACH, (0, 64))
WALK = """
name: A short walk
seed: 4
layers:
  - stretch: {spans: [[8, 12]], low: 2, high: 5}
    label: linger, here
  - octave_shift: {share: 0.3, clump: 8, beyond: skip}
  - retrograde
"""


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    return save_chorale(PIECE, tmp_path_factory.mktemp("piece") / "piece.npy")


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    path = tmp_path_factory.mktemp("chain") / "walk.yaml"
    path.write_text(WALK, encoding="utf-8")
    return path


@pytest.fixture
def sketches(monkeypatch):
    """Empty pictures and no score: drawing takes longer than all else."""
    monkeypatch.setattr("coconet.sheets.figure_of", lambda piece: Picture((1, 1)))
    monkeypatch.setattr("coconet.commands.layering._score", lambda piece: {})


def run(capsys, *arguments):
    code = main(["chain", *(str(argument) for argument in arguments)])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said


def refused(capsys, *arguments):
    """The one line with which the command refuses."""
    try:
        code = main(["chain", *(str(argument) for argument in arguments)])
    except SystemExit as stop:
        code = stop.code
    lines = [line for line in capsys.readouterr().err.splitlines() if "note: " not in line]
    assert code == 2 and len(lines) == 1, lines
    return lines[0]


def test_every_form_and_the_map(piece, walk, tmp_path, capsys):
    said = run(capsys, piece, "--chain", walk, "--out", tmp_path, "--tempo", 240)
    names = sorted(path.name for path in tmp_path.iterdir())
    forms = ("json", "map.npz", "mid", "musicxml", "npy", "png", "svg", "wav")
    assert names == [f"piece-a_short_walk.{form}" for form in forms]
    made = load_chorale(tmp_path / "piece-a_short_walk.npy")
    chain = load_chain(walk)
    expected = run_chain(chain, PIECE.replace(tempo=240.0))
    assert (made.grid == expected.chorale.grid).all()
    assert (made.onsets == expected.chorale.onsets).all()
    assert made.provenance["chain"] == chain.plain and made.provenance["source"] == str(piece)
    assert made.title == "Schmücke dich, o liebe Seele: A short walk" and made.tempo == 240
    where = load_map(tmp_path / "piece-a_short_walk.map.npz")
    assert (where.voice == expected.map.voice).all() and (where.step == expected.map.step).all()
    assert where.source_tempo == 240 and where.shape == PIECE.grid.shape
    lines = said.out.splitlines()
    assert (
        lines[0] == "Schmücke dich, o liebe Seele: 4 voices × 64 steps, 0:04, A short walk, seed 4"
    )
    assert [line.split()[1] for line in lines[2:5]] == ["linger,", "octave_shift", "retrograde"]
    assert f"4 × {made.steps}" in lines[4]


def test_each_layer_is_kept(piece, walk, tmp_path, capsys, sketches):
    run(capsys, piece, "--chain", walk, "--out", tmp_path, "--keep-all", "--no-audio")
    stages = run_chain(load_chain(walk), PIECE).stages
    for number, label in ((1, "linger_here"), (2, "octave_shift")):
        name = f"piece-a_short_walk-{number}-{label}"
        kept = load_chorale(tmp_path / f"{name}.npy")
        assert (kept.grid == stages[number - 1].chorale.grid).all()
        assert (kept.onsets == stages[number - 1].chorale.onsets).all()
        assert kept.title == f"{PIECE.title}: A short walk, after {stages[number - 1].label}"
        assert len(read_midi((tmp_path / f"{name}.mid").read_bytes()).parts) == 4
        assert (tmp_path / f"{name}.png").exists()
    assert not list(tmp_path.glob("*-3-*")) and not list(tmp_path.glob("*.wav"))


def test_each_layer_is_heard(piece, walk, tmp_path, capsys, monkeypatch, sketches):
    stages = run_chain(load_chain(walk), PIECE.replace(tempo=240.0)).stages
    longer = (stages[-1].chorale.seconds + 1) / 60  # than the result alone
    monkeypatch.setattr("coconet.commands.layering.LONG_MINUTES", longer)
    rest = [piece, "--chain", walk, "--out", tmp_path, "--tempo", 240, "--keep-all", "--name", "x"]
    assert "minutes of sound take a while" in run(capsys, *rest).err
    for name, stage in zip(("x-1-linger_here", "x-2-octave_shift", "x"), stages, strict=True):
        sound = soundfile.info(tmp_path / f"{name}.wav")
        assert stage.chorale.seconds < sound.duration < stage.chorale.seconds + 10  # it fades
    run(capsys, *rest, "--no-audio", "--force")
    assert not list(tmp_path.glob("*.wav"))


def test_from_ten_layers_on_the_files_are_in_order(tmp_path, capsys, sketches):
    path = tmp_path / "chain.yaml"
    layers = "".join(f"\n- transpose: {{by: {1 - 2 * (n % 2)}}}" for n in range(11))
    path.write_text(f"name: x\nlayers:{layers}\n", encoding="utf-8")
    run(capsys, "C4:4", "--chain", path, "--keep-all", "--no-audio", "--out", tmp_path / "out")
    kept = sorted(one.stem for one in (tmp_path / "out").glob("melody-x-*.npy"))
    assert kept[0] == "melody-x-01-transpose" and kept[-1] == "melody-x-10-transpose_10"


def test_what_changed_nothing_is_told(tmp_path, capsys, sketches):
    path = tmp_path / "chain.yaml"
    path.write_text("layers: [double_voices: {times: 1}, retrograde]\n", encoding="utf-8")
    said = run(capsys, "C4:4 D4:4", "--chain", path, "--no-audio", "--out", tmp_path)
    assert "note: double_voices changed nothing" in said.err
    assert "retrograde changed nothing" not in said.err
    assert "\nsource heard: of how many of the source's notes" in said.out


def test_silence_is_refused_and_nothing_written(tmp_path, capsys):
    path = tmp_path / "chain.yaml"
    path.write_text("layers: [retrograde, dropout: {share: 1}]\n", encoding="utf-8")
    line = refused(capsys, "C4:4", "--chain", path, "--out", tmp_path / "out")
    assert line == "coconet chain: layer 2 (dropout): nothing sounds after it"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("melody", ["G2:4 A2:4 B2:8", "C3:8 D3", "E4:4 C4", "C6:4 E6", "C1:4 D1"])
def test_a_slow_canon_of_a_melody_of_any_range(melody, tmp_path, capsys, sketches):
    run(capsys, melody, "--chain", "slow_canon", "--no-audio", "--no-score", "--out", tmp_path)
    made = load_chorale(tmp_path / "melody-slow_canon.npy")
    assert made.voices == 4 and (made.grid > 0).any(1).all()
    assert made.title == "Melody: slow canon"
    assert not list(tmp_path.glob("*.musicxml")) and not list(tmp_path.glob("*.svg"))


def test_no_model_is_loaded_without_an_ending(tmp_path):
    code = "import sys; from coconet.cli import main; main(); sys.exit('torch' in sys.modules)"
    words = ["chain", "C4:4", "--chain", "slow_canon", "--no-score", "--no-audio", "--out", "out"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "melody-slow_canon.npy").exists()


def test_a_seed_replaces_the_chains_own_and_gives_the_same_again(
    piece, walk, tmp_path, capsys, sketches
):
    quick = ["--chain", walk, "--no-audio", "--name", "x"]
    for folder, seed in (("a", 9), ("b", 9), ("c", 8)):
        run(capsys, piece, *quick, "--seed", seed, "--out", tmp_path / folder)
    one, again, other = ((tmp_path / folder / "x.npy").read_bytes() for folder in "abc")
    assert one == again != other
    one, again = ((tmp_path / folder / "x.map.npz").read_bytes() for folder in "ab")
    assert one == again
    said = load_chorale(tmp_path / "a" / "x.npy").provenance
    assert said["chain"]["seed"] == 9


def test_a_result_is_made_again_by_its_sidecar(piece, walk, tmp_path, capsys, sketches):
    rest = [piece, "--no-audio", "--out", tmp_path]
    run(capsys, *rest, "--chain", walk, "--seed", 9, "--name", "one")
    run(capsys, *rest, "--chain", tmp_path / "one.json", "--name", "again")
    one, again = ((tmp_path / f"{name}.npy").read_bytes() for name in ("one", "again"))
    assert one == again
    digests = [load_chorale(tmp_path / f"{n}.npy").provenance["digest"] for n in ("one", "again")]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ["stop_and_linger", "slow_canon", "broken_chords"])
def test_what_everybody_tries_first(name, tmp_path, capsys, sketches):
    run(capsys, "bwv:180.7", "--chain", name, "--no-audio", "--out", tmp_path)
    assert len(list(tmp_path.glob(f"bwv180.7-*-{name}.npy"))) == 1


def test_a_shipped_chain_by_name_of_a_chorale_of_the_corpus(tmp_path, capsys, sketches):
    run(capsys, "bwv:140.7", "--chain", "slow_canon", "--no-audio", "--out", tmp_path)
    (path,) = tmp_path.glob("bwv140.7-*-slow_canon.npy")
    assert load_chorale(path).voices == 4


def test_segments_are_joined_at_their_true_lengths(tmp_path, walk, capsys, sketches):
    segments = to_segments(PIECE.replace(phrases=(40, 24)), [40, 24])
    path = save_segments(segments, tmp_path / "phrases.npy")
    run(capsys, path, "--chain", walk, "--no-audio", "--out", tmp_path, "--name", "made")
    where = load_map(tmp_path / "made.map.npz")
    assert where.shape == (4, 64)


def test_a_long_piece_has_a_score_of_pages(piece, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("coconet.commands.layering.SHEET_CELLS", 500)
    monkeypatch.setattr("coconet.rolls.MOST_STEPS", 64)
    path = tmp_path / "slow.yaml"
    path.write_text("layers:\n- augment: {by: 3}\n", encoding="utf-8")
    rest = ["C4:16 G4:16 C5:16", "--chain", path, "--no-audio", "--out", tmp_path]
    said = run(capsys, *rest, "--name", "long")
    assert "4 voices × 144 steps are too long for one sheet: the score is a .pdf" in said.err
    assert (tmp_path / "long.pdf").read_bytes().startswith(b"%PDF-")
    assert "long.pdf" in said.out and "long.svg" not in said.out
    assert (tmp_path / "long.png").exists() and not (tmp_path / "long.svg").exists()
    monkeypatch.setattr("coconet.commands.layering.SHEET_CELLS", 10_000)
    monkeypatch.setattr("coconet.score.TALLEST", 400)
    said = run(capsys, piece, *rest[1:], "--name", "tall")
    assert "too long for one sheet" in said.err and (tmp_path / "tall.pdf").exists()
    monkeypatch.setattr("coconet.sheets.figure_of", lambda piece: Picture((1, 1)))
    run(capsys, *rest, "--name", "long", "--force", "--no-score")
    assert not (tmp_path / "long.pdf").exists()
    monkeypatch.setattr("coconet.commands.layering.SCORE_CELLS", 575)
    said = run(capsys, *rest, "--name", "longer")
    assert (
        "no score: 4 voices × 144 steps are more than the 575 cells, or 50 voices, that" in said.err
    )
    assert not list(tmp_path.glob("longer.[sp][vd]*"))


def test_force_removes_what_an_older_result_left(piece, walk, tmp_path, capsys, sketches):
    older = [tmp_path / f"x.{form}" for form in ("svg", "pdf", "wav")]
    rest = [piece, "--chain", walk, "--no-audio", "--out", tmp_path, "--name", "x"]
    for path in older:
        path.write_text("older", encoding="utf-8")
        assert f"{path}: already exists" in refused(capsys, *rest)
        assert [*tmp_path.iterdir()] == [path]
        run(capsys, *rest, "--force")
        assert not path.exists()
        for made in tmp_path.iterdir():
            made.unlink()


def test_the_list_tells_every_layer_and_chain(capsys):
    said = run(capsys, "--list").out
    lines = said.splitlines()
    assert max(map(len, lines)) <= 100
    for name in (*transforms.LAYERS, "ending"):
        assert any(line.startswith(f"{name}: ") for line in lines)
    stretch = lines[next(i for i, line in enumerate(lines) if line.startswith("stretch: ")) + 1]
    assert stretch.startswith("    spans: challenging, factor, low, high,")
    assert "    distance (needed), voices, interval: 0," in said  # what is needed comes first
    assert (
        "leave_out_last: false" in said
        and "kinds: [passing, neighbour, trill, mordent, turn]" in said
    )
    assert "rng" not in said and "None" not in said
    assert "shipped chains: broken_chords, slow_canon, stop_and_linger" in said


@pytest.mark.parametrize("name", [*transforms.LAYERS, "ending"])
def test_one_layer_is_told_in_full(name, capsys):
    said = run(capsys, "--list", name).out
    assert (
        said.startswith(f"{name}: ") and f"\n{said.splitlines()[1]}\n" in run(capsys, "--list").out
    )
    for hidden in ("rng", "True", "False", "Raises", ">>>", "Traced", "\n\n\n"):
        assert hidden not in said
    explained = said.split("\n\n", 1)[1]
    function = {**transforms.LAYERS, "ending": ending_of}[name]
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and one.name != "rng":
            assert re.search(rf"\b{one.name}\b", explained), one.name


def test_words_and_masks_are_told(capsys):
    assert "'refuse', 'clamp'" in run(capsys, "--list", "transpose").out
    assert (
        "{shaded: {shape: [16, 18], zeros: 2, ones: 6}}" in run(capsys, "--list", "arpeggiate").out
    )
    assert "may stand before it or after it" in run(capsys, "--list", "ending").out
    assert "unknown layer 'strech'; did you mean stretch?" in refused(capsys, "--list", "strech")


def test_an_ending_of_the_shipped_model(piece, tmp_path, capsys, sketches):
    path = tmp_path / "close.yaml"
    path.write_text("layers:\n- ending: {tries: 1, passes: 2, keep: soprano}\n", encoding="utf-8")
    rest = ["--chain", path, "--no-audio", "--out", tmp_path, "--name", "x"]
    run(capsys, piece, *rest)
    made = load_chorale(tmp_path / "x.npy")
    assert (made.grid[:, :-16] == PIECE.grid[:, :-16]).all()
    assert (made.grid[0] == PIECE.grid[0]).all()
    assert made.provenance["model"].startswith("chorales")
    path.write_text("layers:\n- ending: {trys: 1}\n", encoding="utf-8")
    assert "unknown option 'trys'; did you mean tries?" in refused(capsys, piece, *rest, "--force")


def test_what_it_refuses(piece, walk, tmp_path, capsys):
    out = ["--out", tmp_path / "out", "--no-audio"]
    assert "expected a source and --chain" in refused(capsys, piece, *out)
    assert "expected a source and --chain" in refused(capsys, "--chain", walk)
    assert "no such file" in refused(capsys, piece, "--chain", tmp_path / "no.yaml", *out)
    rest = [piece, "--chain", walk, *out]
    line = refused(capsys, *rest, "--limit", 200)
    assert line.startswith("coconet chain: layer 1 (linger, here): the piece would grow")
    assert "the limit is 200" in line and "--limit" in line
    assert "limit: expected a number of cells" in refused(capsys, *rest, "--limit", 0)
    assert "seed: expected a whole number" in refused(capsys, *rest, "--seed", -1)
    assert "a plain name of files" in refused(capsys, *rest, "--name", "a/b")
    assert not (tmp_path / "out").exists()
