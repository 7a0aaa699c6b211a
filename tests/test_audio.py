"""Sound files: written whole or not at all, read, weighed."""

import subprocess
import sys
import wave

import numpy as np
import pytest
import soundfile

from coconet.errors import ChoraleError
from coconet.render import audio
from coconet.render.tape import SAMPLE_RATE, Section, Tape

NAMES = ["a.wav", "a.flac", "a.mp3"]


def tone(seconds=0.5, channels=2):
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.tile(0.5 * np.sin(2 * np.pi * 440 * times)[:, None], channels).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "encoding", "subtype", "error"),
    [
        ("a.wav", None, "PCM_16", 2**-14),
        ("a.wav", "24", "PCM_24", 2**-22),
        ("a.wav", "float", "FLOAT", 0),
        ("a.FLAC", None, "PCM_16", 2**-14),
        ("a.flac", "24", "PCM_24", 2**-22),
        ("a.mp3", None, "MPEG_LAYER_III", 0.3),
    ],
)
def test_what_is_written_is_read(tmp_path, name, encoding, subtype, error, channels):
    path = audio.write_sound(tmp_path / "new" / name, tone(0.5, channels), encoding=encoding)
    found, rate = audio.read_sound(path)
    assert rate == SAMPLE_RATE and found.dtype == np.float32
    assert np.abs(found - tone(0.5, channels)).max() <= error
    assert soundfile.info(path).subtype == subtype
    assert audio.sound_facts(path) == (len(found), channels, SAMPLE_RATE)
    assert [file.name for file in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_tape_gives_the_same_file_as_an_array(tmp_path, name):
    """Also over the seams of blocks, and for a section that is scaled while it is read."""
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.normal(size=(700_000, 2))).astype(np.float32)
    if name == "a.mp3":
        sound = sound[:300_000]
    tape = Tape(tmp_path / "tape")
    tape.append(sound)
    options = {"tags": {"title": "a"}}
    first = audio.write_sound(tmp_path / name, tape, **options).read_bytes()
    second = audio.write_sound(tmp_path / f"b-{name}", sound, **options).read_bytes()
    assert first == second
    section = audio.write_sound(tmp_path / f"c-{name}", Section(tape, 100, 900, 0.5))
    scaled = audio.write_sound(tmp_path / f"d-{name}", sound[100:900] * np.float32(0.5))
    assert section.read_bytes() == scaled.read_bytes()


def test_no_file_holds_the_time_of_day(tmp_path):
    """libsndfile dates the PEAK chunk of a float WAV; also behind tags of its own name."""
    tags = {"title": "PEAK", "comment": "data"}
    data = audio.write_sound(tmp_path / "a.wav", tone(), encoding="float", tags=tags).read_bytes()
    at = data.index(b"PEAK\x18\x00\x00\x00\x01\x00\x00\x00")
    assert data[at + 12 : at + 16] == bytes(4)
    # What follows it, the peak of each channel, is untouched.
    assert np.frombuffer(data[at + 16 : at + 20], "<f4")[0] == pytest.approx(0.5, abs=1e-3)


def test_a_wav_is_one_to_others(tmp_path):
    path = audio.write_sound(tmp_path / "a.wav", tone())
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getnframes()) == (2, 2, 22050)


# --- disks that fill up ------------------------------------------------------

FULL = """
import resource, sys, numpy as np
from coconet.errors import ChoraleError
from coconet.render.audio import write_sound
from coconet.render.tape import Tape
tape = Tape(sys.argv[2])
tape.append(np.random.default_rng(0).uniform(-0.5, 0.5, (300_000, 2)))
for size in (20, 200_000):
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        write_sound(sys.argv[1], tape, force=True)
    except ChoraleError as error:
        print(error)
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_the_old_file(tmp_path, name):
    """A limit on the size of files stands in: at the header, and in the middle."""
    path = tmp_path / name
    path.write_text("precious")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(tmp_path / "tape")],
        capture_output=True,
        text=True,
        check=True,
    )
    for said in done.stdout.splitlines():
        assert "could not be written (File too large)" in said
    assert done.stdout.count("\n") == 2
    assert path.read_text() == "precious"
    assert {file.name for file in tmp_path.iterdir()} == {name, "tape"}


@pytest.mark.parametrize("name", NAMES)
def test_a_device_without_room(tmp_path, monkeypatch, name):
    """The error of a disk without any space, at each write that there is."""
    from coconet.render import encoders

    class Full(encoders._Output):
        def __init__(self, raw, offset):
            super().__init__(open("/dev/full", "r+b", buffering=0), offset)  # noqa: SIM115

    monkeypatch.setattr(encoders, "_Output", Full)
    with pytest.raises(ChoraleError, match="No space left on device"):
        audio.write_sound(tmp_path / name, tone())
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_a_file_is_written_is_heard(tmp_path, monkeypatch):
    from coconet.render import encoders

    class Raw:
        def write(self, data):
            raise KeyboardInterrupt

        def tell(self):
            return 0

        def seek(self, *_):
            return 0

    output = encoders._Output
    monkeypatch.setattr(encoders, "_Output", lambda raw, offset: output(Raw(), offset))
    with pytest.raises(KeyboardInterrupt):
        audio.write_sound(tmp_path / "a.wav", tone())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp3", ".flac"])
def test_ctrl_c_amid_the_encoder_leaves_the_old_file(tmp_path, suffix):
    """At any moment of it: inside libsndfile's callbacks Python would only print it."""
    path = tmp_path / f"a{suffix}"
    path.write_text("precious")
    code = (
        "import numpy as np, signal, threading, time; from coconet.render import audio, encoders\n"
        "noise = np.random.default_rng(0).uniform(-.5, .5, (44100 * 40, 2)).astype('f4')\n"
        "output = encoders._Output.write\n"
        "def write(self, data):\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    return output(self, data)\n"
        "encoders._Output.write = write\n"
        f"audio.write_sound({str(path)!r}, noise, force=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "KeyboardInterrupt" in done.stderr and "ignored" not in done.stderr
    assert done.returncode != 0
    assert path.read_text() == "precious" and list(tmp_path.iterdir()) == [path]


# --- what is refused ---------------------------------------------------------


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.full((100, 2), 1.01, np.float32), r"200 samples exceed full scale \(peak 0.1 dBFS\)"),
        (np.full((100, 2), np.nan, np.float32), "aren't finite"),
        (np.full((100, 2), -np.inf, np.float32), "aren't finite"),
        (np.zeros((0, 2), np.float32), "0 frames"),
        (np.zeros((9, 3), np.float32), r"shape \(frames, 1 or 2\)"),
        (np.zeros(9, np.float32), r"shape \(9,\)"),
        (np.zeros((9, 2), int), "got int64"),
    ],
)
def test_what_cannot_be_written(tmp_path, sound, message):
    with pytest.raises(ChoraleError, match=message):
        audio.write_sound(tmp_path / "a.wav", sound)
    assert list(tmp_path.iterdir()) == []


def test_clipping_on_a_tape_is_noticed(tmp_path):
    tape = Tape(tmp_path / "tape")
    tape.append(np.zeros((300_000, 2)))
    tape.append(np.full((3, 2), 1.5))
    with pytest.raises(ChoraleError, match="6 samples exceed"):
        audio.write_sound(tmp_path / "a.wav", tape)


def test_names_and_existing_files(tmp_path):
    with pytest.raises(ChoraleError, match=r"ends in \.wav, \.flac, \.mp3"):
        audio.write_sound(tmp_path / "a.ogg", tone())
    (tmp_path / "a.wav").write_text("precious")
    with pytest.raises(ChoraleError, match="already exists"):
        audio.write_sound(tmp_path / "a.wav", tone())
    audio.write_sound(tmp_path / "a.wav", tone(), force=True)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-5000])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a.wav", lambda path: path.unlink(), "no such file"),
        ("a.wav", lambda path: path.write_bytes(b""), "can't be read as sound"),
        ("a.wav", lambda path: path.write_text("text " * 50), "can't be read as sound"),
        ("a.wav", truncated, "truncated: 83244 of 88244 bytes"),
        ("a.flac", truncated, "truncated|can't be read"),
        ("a.wav", lambda path: path.unlink() or path.mkdir(), "can't be read"),
    ],
)
def test_files_that_are_no_sound(tmp_path, name, change, message):
    path = audio.write_sound(tmp_path / name, tone())
    change(path)
    with pytest.raises(ChoraleError, match=message) as caught:
        audio.read_sound(path)
    assert str(caught.value).count(str(path)) == 1 and "\n" not in str(caught.value)


def test_a_wav_from_a_pipe_has_no_size_and_is_read(tmp_path):
    path = audio.write_sound(tmp_path / "a.wav", tone())
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff" * 4
    path.write_bytes(data)
    assert len(audio.read_sound(path)[0]) == 22050


# --- sizes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "encoding"), [("a.wav", None), ("a.wav", "24"), ("a.wav", "float"), ("a.mp3", None)]
)
def test_sizes_are_known_before(tmp_path, name, encoding):
    path = audio.write_sound(tmp_path / name, tone(2.0), encoding=encoding, tags={"title": "a"})
    size = path.stat().st_size
    assert size <= audio.size_of(2.0, path.suffix, encoding) <= size + 20_000
    with pytest.raises(ChoraleError, match="expected one of"):
        audio.size_of(2.0, ".ogg")


def test_three_hours_are_refused_where_they_do_not_fit(tmp_path, monkeypatch):
    wanted = audio.scratch_size(3 * 3600)
    assert wanted == 3 * 3 * 3600 * SAMPLE_RATE * 8
    usage = audio.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(audio.shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(ChoraleError, match=r"11\.4 GB are needed, 1\.0 GB are free"):
        audio.validate_space(tmp_path / "new" / "folder", wanted)
    audio.validate_space(tmp_path, 10**9)
    with pytest.raises(ChoraleError, match="TMPDIR"), audio.scratch_folder(wanted):
        pass


def test_scratch_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(audio.tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(ChoraleError, match="set TMPDIR"), audio.scratch_folder():
        pass
    monkeypatch.setattr(audio.tempfile, "tempdir", str(tmp_path))
    with audio.scratch_folder(1000) as folder:
        (folder / "a").write_text("a")
    assert list(tmp_path.iterdir()) == []
    # What goes wrong elsewhere is no fault of the folder.
    with pytest.raises(BrokenPipeError, match="pipe"), audio.scratch_folder():
        raise BrokenPipeError("pipe")
    assert list(tmp_path.iterdir()) == []


def test_scratch_that_cannot_be_removed_does_not_cost_the_sound(tmp_path, monkeypatch):
    monkeypatch.setattr(audio.tempfile, "tempdir", str(tmp_path))
    with audio.scratch_folder() as folder:
        folder.rmdir()
        folder.write_text("no folder any more")


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [
        ("a.wav", 0, "rate: expected a whole number, 4000 to 384000, got 0"),
        ("a.wav", "44100", "got '44100'"),
        ("a.flac", 44100.5, "got 44100.5"),
        ("a.mp3", 96000, "an MP3 has 32000, 44100 or 48000 frames a second, got 96000"),
        ("a.mp3", 22050, "got 22050"),
    ],
)
def test_rates_that_no_file_has(tmp_path, name, rate, message):
    with pytest.raises(ChoraleError, match=message):
        audio.write_sound(tmp_path / name, tone(), rate=rate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        *(("a.wav", 4000), ("a.wav", 384_000), ("a.flac", 4000), ("a.flac", 192_000)),
        *(("a.mp3", 32_000), ("a.mp3", 48_000)),
    ],
)
def test_other_rates(tmp_path, name, rate):
    path = audio.write_sound(tmp_path / name, tone(), rate=rate)
    assert audio.sound_facts(path)[1:] == (2, rate)


def test_what_cannot_be_encoded_is_told_by_the_files_own_name(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "RATES", (1, 10**7))
    path = tmp_path / "a.flac"
    with pytest.raises(ChoraleError) as caught:
        audio.write_sound(path, tone(), rate=3_000_000)
    said = str(caught.value)
    assert said.startswith(f"{path}: PCM_16 in FLAC at 3000000 frames a second can't be encoded (")
    assert "object at" not in said and "_Output" not in said and "\n" not in said


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, coconet.render.finish; "
        "print(*{'scipy', 'soundfile', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
