"""Encodings, tags, dither; MP3 where libsndfile has none."""

import os
import struct

import numpy as np
import pytest
import soundfile

from coconet.errors import ChoraleError
from coconet.render import encoders
from coconet.render.audio import read_sound, write_sound
from coconet.render.encoders import container_of, dithered, parse_encoding, plain_tags
from coconet.render.tape import SAMPLE_RATE

TAGS = {
    "title": "Schmücke dich, o liebe Seele, deren Titel länger als dreißig Zeichen ist",
    "artist": "J. S. Bach",
    "tuning": "secor-victorian on F",
    "seed": 3,
}


def tone(seconds=0.5, channels=2):
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.tile(0.5 * np.sin(2 * np.pi * 440 * times)[:, None], channels).astype(np.float32)


@pytest.mark.parametrize(
    ("encoding", "suffix", "found"),
    [
        (None, ".wav", "16"),
        ("float", ".wav", "float"),
        (None, ".flac", "16"),
        ("24", ".flac", "24"),
        (None, ".mp3", None),
    ],
)
def test_encodings(encoding, suffix, found):
    assert parse_encoding(encoding, suffix) == found


@pytest.mark.parametrize(
    ("encoding", "suffix", "message"),
    [
        ("32", ".wav", "expected 16, 24 or float, got '32'"),
        ("float", ".flac", "expected 16 or 24"),
        (16, ".wav", "got 16"),
        ("16", ".mp3", "an MP3 is always 320 kbit/s"),
    ],
)
def test_encodings_that_a_file_does_not_know(encoding, suffix, message):
    with pytest.raises(ChoraleError, match=message):
        parse_encoding(encoding, suffix)


# --- more than 4 GB ----------------------------------------------------------


def test_beyond_four_gigabytes_a_wav_counts_in_64_bits(tmp_path, monkeypatch):
    assert container_of(".wav", "16", 2**32 - 2**17) == ("WAV", "PCM_16")
    assert container_of(".wav", "16", 2**32 - 2**15) == ("RF64", "PCM_16")
    assert container_of(".flac", "16", 2**33) == ("FLAC", "PCM_16")
    monkeypatch.setattr(encoders, "LARGEST_WAV", 1000)
    for encoding in ("16", "24", "float"):
        path = write_sound(tmp_path / f"{encoding}.wav", tone(), encoding=encoding, tags=TAGS)
        assert path.read_bytes()[:4] == b"RF64"
        assert read_sound(path)[0] == pytest.approx(tone(), abs=1e-4)
        with soundfile.SoundFile(path) as file:
            assert file.title == TAGS["title"]


# --- dither ------------------------------------------------------------------


def test_dither_does_not_depend_on_blocks():
    sound = tone()
    whole = np.concatenate(list(dithered([sound])))
    parts = np.concatenate(list(dithered([sound[:1], sound[1:700], sound[700:]])))
    assert np.array_equal(whole, parts) and whole.dtype == np.int16


def test_dither_keeps_what_is_softer_than_a_step():
    """A tone of a third of a step comes through; its error is noise of even strength."""
    times = np.arange(2**17) / SAMPLE_RATE
    soft = np.float32(np.sin(2 * np.pi * 500 * times)[:, None] / 32767 / 3)
    written = np.concatenate(list(dithered([soft])))[:, 0].astype(float)
    carrier = np.exp(-2j * np.pi * 500 * times)
    assert 2 * abs(np.mean(written * carrier)) == pytest.approx(1 / 3, rel=0.05)
    assert not np.round(soft * 32767).any()
    error = written - soft[:, 0] * 32767
    loud = np.abs(soft[:, 0]) > np.median(np.abs(soft))
    assert np.mean(error[loud] ** 2) == pytest.approx(np.mean(error[~loud] ** 2), rel=0.05)
    assert np.abs(error).max() <= 1.5 and abs(error.mean()) < 0.01


def test_silence_stays_silence_and_full_scale_within_range():
    ends = np.array([[0, 1, -1]] * 5000, np.float32)
    written = np.concatenate(list(dithered([ends])))
    assert not written[:, 0].any()
    assert written[:, 1].min() >= 32766 and written[:, 2].max() <= -32766


# --- tags --------------------------------------------------------------------


def test_other_tags_go_into_the_comment():
    tags = {"comment": "a\nb", "seed": 3, "title": "", "artist": None, "tonic": None}
    assert plain_tags(tags) == {"comment": "a b; seed=3"}
    assert plain_tags({"title": "a\x00\x1b b\udcff"}) == {"title": "a b?"}
    assert len(plain_tags({"title": "x" * 5000})["title"]) == encoders.LONGEST_TAG
    assert plain_tags({}) == {} and encoders.id3({}) == b""


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_tags_are_read_back(tmp_path, name):
    path = write_sound(tmp_path / name, tone(), tags=TAGS)
    with soundfile.SoundFile(path) as file:
        assert file.title == TAGS["title"]
        assert file.artist == TAGS["artist"]
        assert file.comment == "tuning=secor-victorian on F; seed=3"
    bare = write_sound(tmp_path / f"b-{name}", tone())
    with soundfile.SoundFile(bare) as file:
        assert not file.title and not file.comment


# --- MP3 ---------------------------------------------------------------------


def bitrates(data):
    """Bits a second of every frame of an MP3, by the headers of the frames."""
    rates = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
    at, found = data.index(b"\xff\xfb"), set()
    while at + 4 <= len(data):
        assert data[at : at + 2] == b"\xff\xfb"
        rate = rates[data[at + 2] >> 4] * 1000
        found.add(rate)
        at += 144 * rate // SAMPLE_RATE + (data[at + 2] >> 1 & 1)
    return found


def test_an_mp3_has_320_kilobits_throughout(tmp_path):
    sound = tone(0.4)
    path = write_sound(tmp_path / "a.mp3", sound, tags=TAGS)
    assert bitrates(path.read_bytes()) == {320_000}
    found, rate = read_sound(path)
    assert rate == SAMPLE_RATE and found.shape == sound.shape
    assert found[2000:-2000] == pytest.approx(sound[2000:-2000], abs=0.01)


@pytest.fixture
def no_mp3(tmp_path, monkeypatch):
    """A libsndfile without MP3, and a folder where a program is looked for."""
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "", "FLAC": ""})
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(
        encoders.shutil, "which", lambda name: next(map(str, folder.glob(name)), None)
    )
    return folder


def program(folder, script):
    (folder / "ffmpeg").write_text("#!/bin/sh\n" + script)
    (folder / "ffmpeg").chmod(0o755)


def test_ffmpeg_stands_in(tmp_path, no_mp3):
    """A program that writes what it is given: the raw sound, in this order and whole."""
    program(no_mp3, f'echo "$@" > {tmp_path}/said\nfor last; do :; done\ncat > "$last"')
    path = write_sound(tmp_path / "a.mp3", tone(), tags=TAGS)
    data = path.read_bytes()
    size = struct.unpack(">I", data[6:10])[0]
    head = 10 + sum((size >> 8 * place & 127) << 7 * place for place in range(4))
    assert data[:3] == b"ID3" and data[head:] == tone().tobytes()
    said = (tmp_path / "said").read_text()
    for words in ("-f f32le -ar 44100 -ac 2 -i pipe:0", "-c:a libmp3lame -b:a 320000", "bitexact"):
        assert words in said


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "ffmpeg isn't there to stand in: sudo apt-get install"),
        ("echo bad >&2; echo Unknown encoder libmp3lame >&2; exit 1", r"\(Unknown encoder"),
        ("exit 0", "exit code 0, 0 bytes"),
        ('for last; do :; done; echo short > "$last"', "6 bytes"),
        ("exec sleep 20", "gave no MP3 within 0 s"),
    ],
)
def test_what_ffmpeg_may_do_wrong(tmp_path, no_mp3, monkeypatch, script, message):
    if script is not None:
        program(no_mp3, script)
    run = encoders._run
    monkeypatch.setattr(encoders, "_run", lambda command, stdin, _: run(command, stdin, 0.4))
    path = tmp_path / "a.mp3"
    path.write_text("precious")
    with pytest.raises(ChoraleError, match=message) as caught:
        write_sound(path, tone(), force=True)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "precious"
    assert {file.name for file in tmp_path.iterdir()} <= {"a.mp3", "bin"}
