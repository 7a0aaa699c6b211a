"""What the headers of samples say, and whether their sound is whole."""

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from recordings import add_chunk, sine, smpl

from coconet.errors import ChoraleError
from coconet.render.wavs import BLOCK, check_data, read_facts

KINDS = [
    ("a.wav", "PCM_U8", 22050, 1),
    ("a.wav", "PCM_16", 44100, 2),
    ("a.wav", "PCM_24", 48000, 2),
    ("a.WAV", "PCM_32", 96000, 1),
    ("a.wav", "FLOAT", 44100, 1),
    ("a.wav", "DOUBLE", 192000, 2),
    ("a.wav", "ULAW", 8000, 1),
    ("a.flac", "PCM_24", 48000, 2),
    ("a.aiff", "PCM_16", 44100, 1),
    ("a.ogg", "VORBIS", 44100, 2),
]


@pytest.mark.parametrize(("name", "subtype", "rate", "channels"), KINDS)
def test_headers_say_what_libsndfile_says(tmp_path, name, subtype, rate, channels):
    path = sine(tmp_path / name, 440, rate=rate, seconds=0.3, channels=channels, subtype=subtype)
    facts, info = read_facts(path), soundfile.info(path)
    assert (facts.rate, facts.channels, facts.frames) == (rate, channels, info.frames)
    assert facts.floating == (subtype in ("FLOAT", "DOUBLE"))
    assert facts.size == path.stat().st_size
    assert (facts.key, facts.loop) == (None, None)
    check_data(facts)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("odd", [False, True])
def test_a_sampler_s_chunk_tells_key_and_loop(tmp_path, before, odd):
    path = sine(tmp_path / "a.wav", 440, seconds=0.1)
    if odd:  # a chunk of an odd length is followed by a byte that doesn't count
        add_chunk(path, b"note" + struct.pack("<I", 3) + b"abc\0", before=before)
    add_chunk(path, smpl(69, 0.25, [(0, 100, 999)]), before=before)
    facts = read_facts(path)
    assert (facts.key, facts.loop, facts.frames) == (69.25, (100, 1000), 4410)


@pytest.mark.parametrize(
    ("key", "loops", "expected"),
    [
        (0, [], (None, None)),  # a field that nobody filled in
        (200, [], (None, None)),
        (60, [(1, 10, 20)], (60, None)),  # to and fro
        (60, [(2, 10, 20), (0, 30, 40)], (60, (30, 41))),  # the first that runs forwards
        (60, [(0, 40, 30)], (60, None)),
        (60, [(0, 10, 4410)], (60, (10, 4410))),  # the end written as one too many
        (60, [(0, 10, 5000)], (60, None)),
    ],
)
def test_keys_and_loops_that_make_no_sense_count_as_none(tmp_path, key, loops, expected):
    path = sine(tmp_path / "a.wav", 440, seconds=0.1)
    add_chunk(path, smpl(key, 0, loops))
    facts = read_facts(path)
    assert (facts.key, facts.loop) == expected


def _empty(path):
    path.write_bytes(b"")


def _cut(path):
    sine(path, 440)
    path.write_bytes(path.read_bytes()[:-1000])


def _without_sound(path):
    soundfile.write(path, np.zeros((0, 1)), 44100)


def _surround(path):
    soundfile.write(path, np.zeros((100, 6)), 44100)


def _headless(path):
    sine(path, 440)
    path.write_bytes(path.read_bytes()[:36])


def _packed(path):
    soundfile.write(path, np.zeros(5000), 44100, subtype="IMA_ADPCM")


def _slow(path):
    soundfile.write(path, np.zeros(50), 500)


def _zeros(path):
    sine(path, 440)
    path.write_bytes(path.read_bytes()[:12] + bytes(100_000))


def _wrong_width(path):
    sine(path, 440)
    raw = path.read_bytes()
    path.write_bytes(raw[:32] + b"\x01" + raw[33:])


BAD = [
    (_zeros, "more than 1000 chunks; is the file damaged"),
    (_wrong_width, "1 channels of 16 bits in frames of 1 bytes"),
    (_empty, r"the file is empty \(0 bytes\)"),
    (_cut, "truncated: 131300 of 132300 bytes"),
    (_without_sound, "0 frames"),
    (_surround, "6 channels; expected mono or stereo"),
    (_headless, "without its data"),
    (_packed, "compressed kind 17"),
    (_slow, "500 frames a second; expected 4000"),
    (lambda path: path.write_text("a song"), "not a sound file"),
    (lambda path: path.mkdir(), "expected a sound file, got none or no file"),
    (lambda path: None, "expected a sound file, got none or no file"),
]


@pytest.mark.parametrize(("make", "complaint"), BAD)
def test_a_bad_file_is_named_with_its_fault(tmp_path, make, complaint):
    path = tmp_path / "bad one.wav"
    make(path)
    with pytest.raises(ChoraleError, match=complaint) as caught:
        read_facts(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_stream_of_unknown_length_lasts_until_its_end(tmp_path):
    path = sine(tmp_path / "a.wav", 440, seconds=0.1)
    raw = path.read_bytes()
    path.write_bytes(raw[:40] + b"\xff\xff\xff\xff" + raw[44:])
    assert read_facts(path).frames == 4410


def _wav_bytes():
    tone = np.sin(np.arange(441) / 10)
    with io.BytesIO() as file:
        soundfile.write(file, tone, 44100, format="WAV")
        return file.getvalue()


WAV = _wav_bytes()


@given(data=st.data())
def test_any_bytes_are_facts_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.wav"
    raw = bytearray(WAV)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(12, 48))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(12, len(raw)))])
    try:
        facts = read_facts(path)
    except ChoraleError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert 0 < facts.frames <= path.stat().st_size and facts.channels in (1, 2)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_silence_where_it_plays_is_refused(tmp_path, subtype):
    path = tmp_path / "a.wav"
    late = np.zeros(9 * BLOCK)
    late[8 * BLOCK :] = 0.5
    soundfile.write(path, late, 44100, subtype=subtype)
    facts = read_facts(path)
    check_data(facts)
    check_data(facts, 7 * BLOCK)
    with pytest.raises(ChoraleError, match="silent"):
        check_data(facts, 0, 4 * BLOCK)


def test_values_that_aren_t_numbers_are_refused_where_they_play(tmp_path):
    path = tmp_path / "a.wav"
    tone = np.sin(np.arange(9 * BLOCK) / 10)
    tone[8 * BLOCK + 5] = np.nan
    soundfile.write(path, tone, 44100, subtype="FLOAT")
    facts = read_facts(path)
    check_data(facts, 0, 3 * BLOCK)
    with pytest.raises(ChoraleError, match="aren't finite"):
        check_data(facts)


def test_a_file_that_has_changed_meanwhile_is_refused(tmp_path):
    path = sine(tmp_path / "a.wav", 440, seconds=0.1)
    facts = read_facts(path)
    check_data(facts)
    sine(path, 440, seconds=0.2)
    with pytest.raises(ChoraleError, match=r"a\.wav: has changed since"):
        check_data(facts)
    path.unlink()
    with pytest.raises(ChoraleError, match=r"a\.wav: can't be read any more"):
        check_data(facts)


def test_a_cut_off_flac_is_found_when_it_is_read(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 9 * BLOCK), 44100)
    path.write_bytes(path.read_bytes()[:100_000])
    facts = read_facts(path)
    assert facts.frames == 9 * BLOCK  # its header doesn't know
    with pytest.raises(ChoraleError, match=r"a\.flac: (truncated|can't be read)"):
        check_data(facts)


def test_what_is_silence_at_its_level_is_refused(tmp_path):
    facts = read_facts(sine(tmp_path / "a.wav", 440, seconds=0.1, peak=0.1))
    check_data(facts, level=-59.0)
    check_data(facts, level=40.0)
    with pytest.raises(
        ChoraleError, match="at most -20 dBFS from frame 0 to 4410, and played at -61 dB, which is"
    ):
        check_data(facts, level=-61.5)
