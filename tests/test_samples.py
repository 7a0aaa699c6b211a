"""Recordings as an instrument: chosen by name and velocity, judged by what sounds."""

import os
import pickle
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from pitch_error import measured
from recordings import add_chunk, notes_of, performance_of, sine, smpl, unreadable

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.render.bands import csound_band
from coconet.render.chunks import chunk_starts, play_into
from coconet.render.csd import save_csd
from coconet.render.csound import KSMPS, csound_version, play_csound
from coconet.render.dynamics import midi_velocity
from coconet.render.performance import perform
from coconet.render.sample_names import key_of, read_names
from coconet.render.samples import open_samples, sampler_score
from coconet.render.style import ORIGINAL
from coconet.render.tape import Tape
from coconet.tuning import equal_frequencies, load_tuning

EQUAL = equal_frequencies()
RATE = 44100
try:
    csound_version()
    MISSING = ""
except ChoraleError as error:
    MISSING = str(error)
CSOUND = pytest.mark.skipif(bool(MISSING), reason=f"no Csound here: {MISSING}")


def folder_of(folder, names, **options):
    """A folder of short sines, each at the pitch that its name says."""
    for name, read in zip(names, read_names(names), strict=True):
        sine(folder / f"{name}.wav", EQUAL[read.key], seconds=0.02)
    return open_samples(folder, **options)


def sound_of(samples, notes, **options):
    band = csound_band("samples", voices=1, samples=samples)
    return play_csound(performance_of(notes, **options), band, isolate=False)


def cents(sound, notes):
    """How far each note sounds from its frequency."""
    found = []
    for note in notes:
        first = int((note["start"] + 0.05) * RATE)
        held = sound[first : first + int(0.8 * RATE)].sum(axis=1)
        found.append(1200 * np.log2(measured(held, RATE, note["hz"]) / note["hz"]))
    return np.array(found)


def peak(sound, first, last):
    return float(np.abs(sound[round(first * RATE) : round(last * RATE)]).max())


# --- names ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["47 emp G4-", "25 emp A#4+", "85 emp Bb3"], [(67, 47), (70, 25), (58, 85)]),
        (["A0v1", "A0v16", "D#1v3"], [(21, 1), (21, 16), (27, 3)]),
        (["Piano_C#4_v3", "Piano_Db4_v2"], [(61, 3), (61, 2)]),
        (["F#3-90", "Fs3-40", "F♯4-90"], [(54, 90), (54, 40), (66, 90)]),
        (["060_v64", "061_v64"], [(60, 64), (61, 64)]),
        (["60-64", "61-64", "60-90"], [(60, 64), (61, 64), (60, 90)]),
        (["60-64"], [(60, 64)]),
        (["mf C4", "ff C4", "pp D4", "f F4"], [(60, 80), (60, 112), (62, 33), (65, 96)]),
        (["47/G4", "63/G4"], [(67, 47), (67, 63)]),
        (["C4", "e4", "Cb4"], [(60, None), (64, None), (59, None)]),
        (["C-1", "G9"], [(0, None), (127, None)]),
        # What stands in every name says nothing, and neither does a count of the notes.
        (["Grand 2 C4", "Grand 2 D4"], [(60, None), (62, None)]),
        (["Studio B2 C4", "Studio B2 D4"], [(60, None), (62, None)]),
        (["01 A0", "02 Bb0", "03 B0"], [(21, None), (22, None), (23, None)]),
        (["Cello C2 f rr1", "Cello C2 f rr2"], [(36, 96), (36, 96)]),
        (["crab3", "mp3"], [(3, None), (3, None)]),
    ],
)
def test_names_tell_key_and_layer(names, expected):
    assert [(name.key, name.layer) for name in read_names(names)] == expected


@given(
    st.integers(12, 127),
    st.integers(1, 127),
    st.sampled_from(
        ["{v} emp {n}-", "{n}v{v}", "x_{n}_v{v}", "{n}-{v}", "{k:03d}_v{v}", "vel{v} {n}"]
    ),
    st.sampled_from(["C C# D D# E F F# G G# A A# B", "C Db D Eb E F Gb G Ab A Bb B"]),
)
def test_any_key_and_layer_in_any_pattern(key, layer, pattern, letters):
    name = f"{letters.split()[key % 12]}{key // 12 - 1}"
    (read,) = read_names([pattern.format(n=name, v=layer, k=key)])
    assert (read.key, read.layer, read.fault) == (key, layer, "")
    assert key_of(name) == key


# --- folders -----------------------------------------------------------------------


def test_a_grand_piano_in_seven_layers(tmp_path):
    """Relative strengths as names have them, then as the composer's own velocities."""
    strengths = [25, 31, 39, 47, 63, 78, 85]
    names = [f"{strength} emp {note}-" for strength in strengths for note in ("C4", "E4", "G#4")]
    samples = folder_of(tmp_path, names)
    assert samples.warnings == ()
    at = samples.choose(np.full(7, 62), np.array(strengths))
    assert [samples.regions[index].layer for index in at] == [str(one) for one in strengths]
    edges = samples.choose(np.full(4, 60), np.array([1, 28, 29, 127]))
    assert [samples.regions[index].layer for index in edges] == ["25", "25", "31", "85"]
    own = dict(zip(strengths, [60, 62, 64, 66, 68, 70, 72], strict=True))
    mapped = open_samples(tmp_path, layers=own)
    at = mapped.choose(np.full(4, 60), np.array([58, 66, 67, 71]))
    assert [mapped.regions[index].layer for index in at] == ["25", "47", "47", "78"]
    assert np.allclose(mapped.regions[at[1]].level(np.array([66])), 0)


def test_the_original_s_walk_plays_the_original_s_layers(tmp_path):
    """Its velocities 60, 62 … 72 had a layer each; a shift takes neighbouring keys' samples."""
    strengths = [25, 31, 39, 47, 63, 78, 85]
    samples = folder_of(tmp_path, [f"{s} emp {n}4-" for s in strengths for n in ("C", "F", "A")])
    at = samples.choose(np.full(7, 62), midi_velocity(range(60, 73, 2)))
    assert [samples.regions[index].layer for index in at] == [str(one) for one in strengths]
    piece = load_corpus("test")[0]
    rng = np.random.default_rng(1)
    notes = perform(piece, EQUAL, ORIGINAL, rng=rng).notes
    assert set(notes["shift"]) == {3, 4, 5}
    layers = np.array([int(region.layer) for region in samples.regions])
    chosen = layers[samples.played(notes)]
    nearest = np.abs(np.array(strengths) - notes["velocity"][:, None]).min(axis=1)
    assert (np.abs(chosen - notes["velocity"]) <= nearest + 1).all()


def test_ranks_take_equal_parts_of_the_velocities(tmp_path):
    samples = folder_of(tmp_path, [f"A0v{layer}" for layer in (1, 5, 9, 13)])
    assert [region.velocities for region in samples.regions] == [
        (1, 31),
        (32, 63),
        (64, 95),
        (96, 127),
    ]
    assert [region.reference for region in samples.regions] == [31, 63, 95, 127]


def test_a_layer_is_not_made_soft_twice(tmp_path):
    """Where recordings follow the square of the velocity, so does the sound."""
    recorded = {32: 0.04, 64: 0.16, 96: 0.36}
    for velocity, amplitude in recorded.items():
        sine(tmp_path / f"C4 v{velocity}.wav", EQUAL[60], peak=amplitude)
    samples = open_samples(tmp_path)
    velocities = np.arange(1, 128)
    chosen = samples.choose(np.full(127, 60), velocities)
    amplitude = [
        recorded[int(samples.regions[index].layer)]
        * 10 ** (samples.regions[index].level(velocity) / 20)
        for index, velocity in zip(chosen, velocities, strict=True)
    ]
    assert np.allclose(amplitude, 0.04 * (velocities / 32) ** 2)


@settings(max_examples=25)
@given(
    st.sets(st.integers(0, 127), min_size=1, max_size=6),
    st.sets(st.integers(1, 127), min_size=1, max_size=3),
    st.integers(0, 30),
    st.data(),
)
def test_the_nearest_sample_of_the_nearest_layer(tmp_path_factory, keys, layers, reach, data):
    """Compared with a search over all samples, one note at a time."""
    folder = tmp_path_factory.mktemp("set")
    samples = folder_of(
        folder, [f"{key:03d}_v{layer}" for key in keys for layer in layers], reach=reach
    )
    key, velocity = data.draw(st.integers(0, 127)), data.draw(st.integers(1, 127))
    near = min(abs(one - key) for one in keys)
    (index,) = samples.choose(np.array([key]), np.array([velocity]))
    if near > reach:
        assert index == -1
        return
    region = samples.regions[index]
    assert region.path.stem[:3] == f"{min(k for k in keys if abs(k - key) == near):03d}"
    if max(layers) > 31:
        away = [abs(layer - velocity) for layer in sorted(layers)]
        assert abs(int(region.layer) - velocity) <= min(away) + 1  # halves of odd distances
    assert region.keys[0] <= key <= region.keys[1]
    assert region.velocities[0] <= velocity <= region.velocities[1]


@pytest.mark.parametrize(("middle_c", "key"), [("C3", 72), ("C4", 60), ("C5", 48)])
def test_other_names_of_middle_c(tmp_path, middle_c, key):
    """Where names spell notes; numbers of keys are MIDI's."""
    samples = folder_of(tmp_path / "notes", ["C4"], middle_c=middle_c, reach=0)
    assert samples.keys.tolist() == [key]
    samples = folder_of(tmp_path / "numbers", ["060_v64"], middle_c=middle_c, reach=0)
    assert samples.keys.tolist() == [60]


def test_the_lowest_and_the_highest_note_of_each_middle_c(tmp_path):
    for middle_c, lowest, highest in (
        ("C3", "C-2", "G8"),
        ("C4", "C-1", "G9"),
        ("C5", "C0", "G10"),
    ):
        for name in (lowest, highest):
            sine(tmp_path / middle_c / f"{name}.wav", 440, seconds=0.02)
        samples = open_samples(tmp_path / middle_c, middle_c=middle_c, reach=0)
        assert samples.keys.tolist() == [0, 127]


def test_a_recording_that_says_its_key_itself(tmp_path):
    """The header counts where the name says nothing, and for the cents; else the name."""
    for name, key, fraction in (("first", 50, 0.25), ("C4", 60, 0.1), ("C5", 60, 0.1)):
        add_chunk(sine(tmp_path / f"{name}.wav", 440, seconds=0.1), smpl(key, fraction))
    samples = open_samples(tmp_path)
    found = [1200 * np.log2(region.hz / EQUAL[60]) for region in samples.regions]
    assert found == pytest.approx([-975, 10, 1200])
    assert samples.warnings == (
        "the header names another key than the file's name, which counts: C5 (C4)",
    )


def test_every_name_that_isn_t_understood_is_told(tmp_path):
    samples = folder_of(tmp_path, ["C4 v1", "D4 v1"])
    sine(tmp_path / "noise.wav", 440)
    sine(tmp_path / "C4 v1 take2.wav", 440)
    sine(tmp_path / "E4 v1 v2.wav", 440)
    sine(tmp_path / "G10.wav", 440)
    (tmp_path / "readme.txt").write_text("not a sample")
    (tmp_path / "._C4 v1.wav").write_bytes(b"what another system leaves behind")
    (tmp_path / "set.sfz").write_text("")
    again = open_samples(tmp_path)
    assert len(again.regions) == len(samples.regions) == 2
    assert [line.split(":")[0] for line in again.warnings] == [
        "E4 v1 v2",
        "G10",
        "noise",
        "not used, since another sample has the same key and layer",
        "the folder holds set.sfz, too; to use it, give its path",
    ]
    assert again.warnings[3].endswith("C4 v1 take2")


def test_a_header_s_key_may_lie_beyond_the_last(tmp_path):
    add_chunk(sine(tmp_path / "high.wav", 440, seconds=0.1), smpl(127, 0.7))
    sine(tmp_path / "C4.wav", EQUAL[60], seconds=0.1)
    samples = open_samples(tmp_path)
    assert [region.path.stem for region in samples.regions] == ["C4"]
    assert samples.warnings == (
        "high: not used: its header's key, 127.70, is nearest to 128, outside MIDI's 0-127",
    )


def test_folders_behind_links_are_read_once(tmp_path):
    sine(tmp_path / "else" / "C5.wav", EQUAL[72], seconds=0.1)
    sine(tmp_path / "set" / "C4.wav", EQUAL[60], seconds=0.1)
    for name, goal in (("link", "else"), ("again", "else"), ("circle", "set")):
        (tmp_path / "set" / name).symlink_to(tmp_path / goal, target_is_directory=True)
    samples = open_samples(tmp_path / "set")
    assert [region.path.stem for region in samples.regions] == ["C4", "C5"]
    assert samples.warnings == ()


@pytest.mark.parametrize("method", ["scandir", "stat"])
def test_a_folder_that_can_t_be_read_is_told(tmp_path, monkeypatch, method):
    for name in ("a", "b"):
        sine(tmp_path / name / "C4.wav", EQUAL[60], seconds=0.1)
    unreadable(monkeypatch, os, method, "b")
    with pytest.raises(ChoraleError, match=r"b: can't be read \(Permission denied\)"):
        open_samples(tmp_path)


def test_only_some_of_a_folder(tmp_path):
    for name in ("47 emp C4", "47 sec C4", "63 emp C4"):
        sine(tmp_path / f"{name}.wav", EQUAL[60], seconds=0.05)
    samples = open_samples(tmp_path, only="*emp*")
    assert [region.path.stem for region in samples.regions] == ["47 emp C4", "63 emp C4"]


BAD = [
    ({"only": "*x*"}, "none of 2 is called"),
    ({"only": 3}, "only: expected a pattern"),
    ({"middle_c": "C6"}, "middle_c: expected C4, C3 or C5"),
    ({"reach": -1}, "reach: expected a whole number, 0 to 127"),
    ({"release": "long"}, "release: expected a number from 0 to 60"),
    ({"fine": "very"}, "fine: expected"),
    ({"gain": 200}, "gain: expected a number from -40 to 40"),
    ({"layers": [1]}, "layers: expected a velocity for each layer"),
    ({"layers": {40: 60}}, "layers: expected a velocity for layer 80 as well"),
    ({"layers": {40: 60, 80: 60}}, "layers: expected another velocity for each layer"),
    ({"layers": {40: 60, 90: 70}}, "layers: no sample has layer 90; expected 40, 80"),
    ({"layers": {40: 0, 80: 60}}, "layers: 40: expected a whole number, 1 to 127"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD)
def test_bad_options_are_refused(tmp_path, options, complaint):
    folder_of(tmp_path, ["C4 v40", "C4 v80"])
    with pytest.raises(ChoraleError, match=complaint):
        open_samples(tmp_path, **options)


def test_what_isn_t_a_set_of_samples_is_refused(tmp_path):
    with pytest.raises(ChoraleError, match=r"expected a folder of samples or an \.sfz file, got n"):
        open_samples(tmp_path / "none")
    with pytest.raises(ChoraleError, match=r"expected sound files .*got none; is it the right one"):
        open_samples(tmp_path)
    for name in ("~nobody-is-called-so", tmp_path / ("x" * 300)):
        with pytest.raises(ChoraleError, match="can't be read"):
            open_samples(name)
    path = sine(tmp_path / "noise.wav", 440)
    with pytest.raises(ChoraleError, match="got another file"):
        open_samples(path)
    with pytest.raises(ChoraleError, match="no sample's name is understood; noise: not used"):
        open_samples(tmp_path)
    (tmp_path / "C4.wav").write_bytes(b"")
    with pytest.raises(ChoraleError, match=r"C4\.wav: the file is empty"):
        open_samples(tmp_path)
    text = tmp_path / "set.sfz"
    text.write_text("<region> sample=noise.wav")
    with pytest.raises(ChoraleError, match="reach: counts only with a folder of samples"):
        open_samples(text, reach=3)


def test_keys_that_would_be_silent_are_named(tmp_path):
    samples = folder_of(tmp_path, ["C3", "C4"], reach=2)
    samples.check(np.array([46, 62]), np.array([1, 127]))
    with pytest.raises(ChoraleError) as caught:
        samples.check(np.array([60, 63, 45]), np.array([64, 64, 80]))
    assert "no sample for A2 (45), Eb4 (63) at velocities 64-80" in str(caught.value)
    assert "the set has Bb2-D3, Bb3-D4" in str(caught.value)
    for keys, velocities in (([128], [1]), ([60], [0]), ([60.5], [1])):
        with pytest.raises(ChoraleError, match="expected whole numbers"):
            samples.choose(np.array(keys), np.array(velocities))


def test_velocities_that_a_text_leaves_out_are_named(tmp_path):
    sine(tmp_path / "a.wav", 440)
    (tmp_path / "set.sfz").write_text(
        "<region> sample=a.wav key=60 hivel=40 <region> sample=a.wav key=60 lovel=120"
        "<region> sample=a.wav key=62 hivel=40"
    )
    samples = open_samples(tmp_path / "set.sfz")
    for rows, more in ([(60, 64), (60, 40)], ""), ([(60, 64), (62, 99)], ", nor for 1 other keys"):
        with pytest.raises(ChoraleError) as caught:
            sampler_score(notes_of(rows), samples)
        assert f"no sample for C4 (60) at velocity 64{more}" in str(caught.value)
        assert "it has some at 1-40, 120-127: change the dynamics" in str(caught.value)


def test_recordings_too_soft_to_be_heard_are_named_with_their_volume(tmp_path):
    sine(tmp_path / "a.wav", 440, peak=0.1)
    (tmp_path / "set.sfz").write_text("<region> sample=a.wav key=60 volume=-45")
    notes = notes_of([(60, 100)])
    samples = open_samples(tmp_path / "set.sfz", gain=-10)
    with pytest.raises(ChoraleError, match=r"set.sfz:1 \(-55.0 dB\): .*a.wav: at most -20 dBFS"):
        sampler_score(notes_of([(60, 100), (60, 64)]), samples)
    sampler_score(notes, open_samples(tmp_path / "set.sfz"))
    sampler_score(notes_of([(60, 100)], level=-40.0), samples)  # it need not be heard


# --- the report ---------------------------------------------------------------------


def test_the_report_tells_used_from_never_used(tmp_path):
    samples = folder_of(tmp_path, ["C4 v40", "C4 v80", "C5 v40", "C5 v80"])
    notes = notes_of([(60, 40), (62, 40), (61, 90)])
    used = sampler_score(notes, samples).used
    counted = np.bincount(samples.played(notes), minlength=len(samples.regions))
    assert used.tolist() == counted.tolist() == [2, 1, 0, 0]
    report = samples.report(used)
    lines = str(report).splitlines()
    assert lines[0].startswith(f"{tmp_path.name}: 2 of 4 samples played 3 notes (0.0 of 0.0 MB")
    assert [line.split()[:2] for line in lines[2:4]] == [["C4", "v40.wav"], ["C4", "v80.wav"]]
    assert lines[-2:] == [
        "layer 40: 1 sample never played: C5 v40.wav",
        "layer 80: 1 sample never played: C5 v80.wav",
    ]
    rows = [line.split(",")[1:] for line in report.csv().splitlines()[1:]]
    assert rows == [
        ["40", "C3-F#4", "1-60", "2"],
        ["80", "C3-F#4", "61-127", "1"],
        ["40", "G4-C6", "1-60", "0"],
        ["80", "G4-C6", "61-127", "0"],
    ]
    few = report.table(most=1)
    assert len(few.rows) == 1 and few.notes[0] == "and 1 more that played; the CSV has all"
    with pytest.raises(ChoraleError, match="expected a count for each of 4 regions"):
        samples.report(np.zeros(3, int))


def test_only_what_plays_is_made_known_to_csound(tmp_path):
    samples = pickle.loads(pickle.dumps(folder_of(tmp_path, ["C4 v40", "C4 v80", "C5 v40"])))
    statements, fields, used = sampler_score(notes_of([(60, 40), (60, 41), (72, 40)]), samples)
    assert len(statements) == 2 and fields.shape == (3, 17) and used.sum() == 3
    assert fields[0, 0] == fields[1, 0] != fields[2, 0]


# --- sound ----------------------------------------------------------------------------


@CSOUND
def test_every_rate_width_and_kind_sounds_in_tune(tmp_path):
    """Each is a semitone or more away from what it plays, at an odd frequency."""
    kinds = [
        ("C3", 22050, 1, "PCM_U8", "wav"),
        ("G3", 96000, 2, "PCM_24", "wav"),
        ("D4", 48000, 1, "FLOAT", "wav"),
        ("A4", 44100, 2, "DOUBLE", "wav"),
        ("E5", 32000, 2, "PCM_16", "flac"),
        ("B5", 48000, 1, "PCM_24", "aiff"),
    ]
    for name, rate, channels, subtype, suffix in kinds:
        hz = EQUAL[key_of(name)]
        path = tmp_path / f"{name}.{suffix}"
        sine(path, hz, rate=rate, channels=channels, subtype=subtype, seconds=3)
    samples = open_samples(tmp_path)
    keys = [45, 51, 53, 58, 61, 66, 71, 73, 80, 85]
    notes = notes_of([(key, 127, EQUAL[key] * 1.0037) for key in keys])
    sound = sound_of(samples, notes)
    assert np.abs(cents(sound, notes)).max() < 0.01
    # Mono and stereo are equally loud, at the middle 3 dB down.
    assert np.allclose(
        [peak(sound, n + 0.3, n + 0.8) for n in range(10)], 0.5 * 0.5**0.5, rtol=0.01
    )


@CSOUND
@pytest.mark.parametrize(
    ("rate", "hz", "cubic", "fine"),
    [
        # Error beside the tone and of its level, in dB, as docs/samples.md has them.
        (44100, 4000, (-63, 0), (-71, 0)),
        (44100, 10_000, (-31, -0.46), (-71, 0)),
        (44100, 12_000, (-24, -0.89), (-58, 0)),
        (44100, 15_000, (-16, -1.97), (-52, 0)),
        (96000, 10_000, (-58, -0.02), (-84, 0.08)),
        (96000, 15_000, (-44, -0.11), (-80, -0.33)),
    ],
)
def test_what_reading_between_frames_leaves(tmp_path, rate, hz, cubic, fine):
    sine(tmp_path / "A4.wav", hz, rate=rate, seconds=2, subtype="FLOAT")
    notes = notes_of([(69, 127, 441.27)])
    window = np.hanning(RATE // 2) ** 2
    times = np.arange(RATE // 2) / RATE
    expected = 0.5 * 0.5**0.5 * np.sin(2 * np.pi * hz * 441.27 / 440 * times)
    right = (np.abs(np.fft.rfft(expected * window)) ** 2).sum()
    for finely, (noise, level) in ((False, cubic), (True, fine)):
        sound = sound_of(open_samples(tmp_path, fine=finely), notes)[RATE // 8 :, 0]
        power = np.abs(np.fft.rfft(sound[: RATE // 2] * window)) ** 2
        tone = power[power.argmax() - 20 : power.argmax() + 21].sum()
        assert 10 * np.log10((power.sum() - tone) / power.sum()) == pytest.approx(noise, abs=3)
        assert 10 * np.log10(tone / right) == pytest.approx(level, abs=0.1)


@CSOUND
def test_a_text_s_tuning_sounds(tmp_path):
    sine(tmp_path / "a.wav", 430, seconds=3)
    tune = 1200 * np.log2(440 / 430)
    (tmp_path / "set.sfz").write_text(f"<region> sample=a.wav pitch_keycenter=a4 tune={tune:.6f}")
    notes = notes_of([(69, 100), (64, 100), (72, 100)])
    sound = sound_of(open_samples(tmp_path / "set.sfz"), notes)
    assert np.abs(cents(sound, notes)).max() < 0.01


@CSOUND
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("offset", [0, 150])
def test_a_loop_sounds_as_long_as_its_note(tmp_path, channels, rate, offset):
    """Ten periods go round and round; each channel has its own sound."""
    hz = rate / 100
    times = np.arange(1, 3001) / rate
    tone = 0.5 * np.sin(2 * np.pi * hz * times)
    both = np.stack([tone, -tone], axis=1)[:, :channels]
    soundfile.write(tmp_path / "a.wav", both, rate, subtype="FLOAT")
    (tmp_path / "set.sfz").write_text(
        f"<region> sample=a.wav key=69 loop_mode=loop_continuous offset={offset}"
        f" loop_start=1000 loop_end=1999 tune={1200 * np.log2(440 / hz):.9f}"
    )
    notes = notes_of([(69, 127, 441.5)], duration=5)
    sound = sound_of(open_samples(tmp_path / "set.sfz"), notes)
    assert np.abs(cents(sound[:, :1], notes)).max() < 0.01
    held = sound[2000 : 5 * RATE, 0]
    phase = 2 * np.pi * 441.5 * np.arange(len(held)) / RATE
    waves = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    rest = held - waves @ np.linalg.lstsq(waves, held, rcond=None)[0]
    assert np.abs(rest).max() < 1e-4  # no click where it comes round
    assert np.allclose(sound[:, 1], (1 if channels == 1 else -1) * sound[:, 0], atol=1e-6)
    assert peak(sound, 5.1, 5.5) == 0


@CSOUND
def test_a_loop_up_to_the_end_of_its_file_doesn_t_click(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * np.arange(4000) / 100)
    soundfile.write(tmp_path / "A4.wav", tone, 44000, subtype="FLOAT")
    add_chunk(tmp_path / "A4.wav", smpl(69, 0, [(0, 1000, 3999)]))
    notes = notes_of([(69, 127, 443.0)], duration=2)
    samples = open_samples(tmp_path)
    sound = sound_of(samples, notes)[1000 : 2 * RATE, 0]
    assert samples.regions[0].loop == (1000, 4000)
    steps = np.abs(np.diff(sound, 2))
    assert steps.max() < 1.02 * np.median(np.sort(steps)[-1000:])


@CSOUND
@pytest.mark.parametrize(
    ("opcodes", "after"),
    [
        ("loop_mode=no_loop", (0, 0)),
        ("loop_mode=one_shot", (1, 0)),
        ("loop_mode=loop_continuous loop_start=441 loop_end=4850", (0, 0)),
        ("loop_mode=loop_sustain loop_start=441 loop_end=4850 ampeg_release=3", (0.036, 0)),
        ("loop_mode=loop_continuous loop_start=441 loop_end=4850 ampeg_release=3", (0.36, 0.05)),
    ],
)
def test_what_follows_when_a_key_is_let_go(tmp_path, opcodes, after):
    """A tone of a second, a tenth as loud from a half on: it ends, plays on, or goes round."""
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    if "sustain" in opcodes:
        tone[RATE // 2 :] *= 0.1
    soundfile.write(tmp_path / "a.wav", tone, RATE, subtype="FLOAT")
    (tmp_path / "set.sfz").write_text(f"<region> sample=a.wav key=69 {opcodes}")
    notes = notes_of([(69, 127)], duration=0.3)
    sound = sound_of(open_samples(tmp_path / "set.sfz"), notes, tail=2.2) / (0.5 * 0.5**0.5)
    assert peak(sound, 0.1, 0.29) == pytest.approx(1, rel=0.01)
    found = peak(sound, 0.9, 0.95), peak(sound, 2.0, 2.2)
    assert found == (pytest.approx(after[0], rel=0.1), pytest.approx(after[1], rel=0.1))
    # No click anywhere but where the recording itself has one.
    jumps = np.abs(np.diff(sound[:, 0]))
    assert jumps.max() < 2 * np.pi * 440 / RATE * 1.1


@CSOUND
def test_a_sample_that_is_over_is_silent_and_one_that_is_cut_doesn_t_click(tmp_path):
    sine(tmp_path / "a.wav", 440, seconds=2)
    (tmp_path / "set.sfz").write_text("<region> sample=a.wav key=69 end=22049")
    sound = sound_of(open_samples(tmp_path / "set.sfz"), notes_of([(69, 127)]))
    assert peak(sound, 0, 0.49) > 0.3
    assert peak(sound, 0.51, 1.4) == 0
    assert np.abs(np.diff(sound[:, 0])).max() < 0.03


@CSOUND
def test_the_envelope_of_a_text(tmp_path):
    sine(tmp_path / "a.wav", 440, seconds=3)
    (tmp_path / "set.sfz").write_text(
        "<region> sample=a.wav key=69 ampeg_attack=.4 ampeg_hold=.2 ampeg_decay=.4 "
        "ampeg_sustain=20 ampeg_release=.5"
    )
    notes = notes_of([(69, 127)], duration=2)
    sound = sound_of(open_samples(tmp_path / "set.sfz"), notes, tail=1) / (0.5 * 0.5**0.5)
    at = [(0.2, 0.5), (0.5, 1.0), (0.8, 0.6), (1.5, 0.2), (1.95, 0.2), (2.6, 0.0)]
    for second, expected in at:
        assert peak(sound, second - 0.005, second + 0.005) == pytest.approx(expected, abs=0.03)


@CSOUND
def test_a_key_let_go_while_the_sound_rises_stops_it_there(tmp_path):
    sine(tmp_path / "a.wav", 440, seconds=2)
    (tmp_path / "set.sfz").write_text(
        "<region> sample=a.wav key=69 ampeg_attack=1 ampeg_release=.5"
    )
    notes = notes_of([(69, 127)], duration=0.25)
    sound = sound_of(open_samples(tmp_path / "set.sfz"), notes, tail=1) / (0.5 * 0.5**0.5)
    assert np.abs(sound).max() == pytest.approx(0.25, abs=0.01)


@CSOUND
def test_pan_gain_and_level(tmp_path):
    sine(tmp_path / "a.wav", 440, seconds=3)
    text = "<region> sample=a.wav key=69 pan={} volume=-6"
    for pan, left, right in ((-100, 1, 0), (0, 0.5**0.5, 0.5**0.5), (100, 0, 1)):
        (tmp_path / "set.sfz").write_text(text.format(pan))
        samples = open_samples(tmp_path / "set.sfz", gain=3)
        sound = sound_of(samples, notes_of([(69, 127)], level=-3.0))
        peaks = np.abs(sound).max(axis=0)
        assert np.allclose(peaks, 0.5 * 10 ** (-6 / 20) * np.array([left, right]), atol=2e-3)


@CSOUND
def test_a_shift_takes_another_sample_at_the_same_pitch(tmp_path):
    """The recordings differ in a partial, by which one tells which of them sounds."""
    for name, ratio in (("C4", 3), ("C5", 5)):
        hz = EQUAL[key_of(name)]
        times = 2 * np.pi * hz * np.arange(3 * RATE) / RATE
        tone = 0.3 * np.sin(times) + 0.1 * np.sin(ratio * times)
        soundfile.write(tmp_path / f"{name}.wav", tone, RATE)
    samples = open_samples(tmp_path)
    notes = notes_of([(60, 100), (60, 100), (60, 100)], shift=[0, 12, 24])
    assert [samples.regions[at].path.stem for at in samples.played(notes)] == ["C4", "C5", "C5"]
    sound = sound_of(samples, notes)
    assert np.abs(cents(sound, notes)).max() < 0.01
    for second, ratio in ((0, 3), (1, 5), (2, 5)):
        held = sound[int((second + 0.1) * RATE) :][: int(0.7 * RATE), 0]
        partials = [
            np.abs(np.exp(-2j * np.pi * n * EQUAL[60] * np.arange(len(held)) / RATE) @ held)
            for n in (3, 5)
        ]
        assert partials[ratio == 5] > 100 * partials[ratio == 3]


def test_a_shift_into_a_gap_goes_to_the_nearest_key(tmp_path):
    samples = folder_of(tmp_path, ["C4", "C5"], reach=1)
    notes = notes_of([(60, 100)] * 3, shift=[4, 8, -24])
    assert [samples.regions[at].path.stem for at in samples.played(notes)] == ["C4", "C5", "C4"]
    with pytest.raises(ChoraleError, match=r"no sample for E4 \(64\)"):
        samples.played(notes_of([(64, 100)]))


def test_a_shift_goes_to_the_nearest_key_that_sounds_at_its_velocity(tmp_path):
    sine(tmp_path / "a.wav", 440)
    (tmp_path / "set.sfz").write_text(
        "<region> sample=a.wav key=60 <region> sample=a.wav key=64 hivel=40"
        "<region> sample=a.wav key=70 lovel=50"
    )
    samples = open_samples(tmp_path / "set.sfz")
    notes = notes_of([(60, 30), (60, 60), (60, 60), (60, 60)], shift=[4, 4, 6, 90])
    assert samples.played(notes).tolist() == [1, 0, 2, 2]
    (tmp_path / "set.sfz").write_text("<region> sample=a.wav key=60 hivel=40")
    with pytest.raises(ChoraleError, match=r"no sample for C4 \(60\) at velocity 60; it has some"):
        open_samples(tmp_path / "set.sfz").played(notes)


@CSOUND
def test_a_glide_moves_the_pitch_evenly(tmp_path):
    sine(tmp_path / "A4.wav", 440, seconds=5)
    notes = notes_of([(69, 127)], duration=3, glide=-200.0, glide_time=1.0)
    sound = sound_of(open_samples(tmp_path), notes)[:, 0]
    for first, away in ((0.5, 0.0), (2.4, -100.0)):
        # Around its middle an even glide has the middle's pitch.
        part = sound[int(first * RATE) : int((first + 0.2) * RATE)]
        hz = 440 * 2 ** (away / 1200)
        assert 1200 * abs(np.log2(measured(part, RATE, hz) / hz)) < 1


@CSOUND
def test_samples_broken_where_they_play_are_named(tmp_path):
    soundfile.write(tmp_path / "C4.wav", np.zeros(RATE), RATE)
    tone = np.sin(np.arange(RATE) / 10)
    tone[500] = np.inf
    soundfile.write(tmp_path / "C6.wav", tone, RATE, subtype="FLOAT")
    samples = open_samples(tmp_path)
    with pytest.raises(ChoraleError, match=r"C4\.wav: silent"):
        sampler_score(notes_of([(60, 64)]), samples)
    with pytest.raises(ChoraleError, match=r"C6\.wav: holds values that aren't finite"):
        sampler_score(notes_of([(84, 64)]), samples)


@CSOUND
@pytest.mark.parametrize("name", ["it's; a [C4] (100%)", "Flügel €", "#include"])
def test_folders_of_any_name_play(tmp_path, name):
    sine(tmp_path / name / "C#4 ♯, é.wav", EQUAL[61], seconds=2)
    notes = notes_of([(61, 100)])
    assert np.abs(cents(sound_of(open_samples(tmp_path / name), notes), notes)) < 0.01


@pytest.mark.parametrize("name", ["a$b", 'a"b', "a\\b", "a{b", "a}b"])
def test_paths_that_csound_can_t_read_are_refused(tmp_path, name):
    sine(tmp_path / name / "C4.wav", EQUAL[60], seconds=0.1)
    with pytest.raises(ChoraleError, match="Csound can't read a path with braces, quotes"):
        sampler_score(notes_of([(60, 64)]), open_samples(tmp_path / name))


@CSOUND
def test_a_chorale_by_samples_is_the_same_each_time(tmp_path):
    for key in range(36, 85, 5):
        for layer, amplitude in ((40, 0.1), (80, 0.4)):
            path = tmp_path / f"{key:03d}_v{layer}.wav"
            sine(path, EQUAL[key], rate=48000, seconds=2, peak=amplitude, channels=2)
    samples = open_samples(tmp_path)
    bach = load_corpus("test")[0]
    piece = Chorale(bach.grid[:, :48], tempo=bach.tempo)
    performance = perform(piece, load_tuning().frequencies(piece.tonic or 0))
    band = csound_band("samples", voices=4, samples=samples)
    sound = play_csound(performance, band)
    assert (sound == play_csound(performance, band, isolate=False)).all()
    used = sampler_score(performance.notes, samples).used
    assert used.sum() == len(performance.notes)
    assert samples.ring == 0.25 <= band.ring


@CSOUND
@pytest.mark.parametrize("key", [68, 80])
def test_a_part_of_a_piece_sounds_as_in_the_whole(tmp_path, key):
    """Moved by whole blocks of Csound, looped or not, the sound is the same to the bit."""
    sine(tmp_path / "A4.wav", 440, seconds=3, rate=48000, channels=2)
    add_chunk(sine(tmp_path / "A5.wav", 880, seconds=1), smpl(81, 0, [(0, 1000, 40_000)]))
    samples, moved = open_samples(tmp_path), KSMPS * 251
    notes = notes_of([(key, 90)], glide=30.0, glide_time=0.2)
    later = notes.copy()
    later["start"] += moved / RATE
    early, late = sound_of(samples, notes), sound_of(samples, later)
    assert (late[moved : len(early)] == early[: len(early) - moved]).all()


@CSOUND
@pytest.mark.parametrize(
    "opcodes",
    [
        "",
        "offset=333 end=30000",
        "loop_mode=one_shot",  # two octaves down, four times as long
        "loop_mode=loop_continuous loop_start=100 loop_end=20000 ampeg_release=.5",
        "loop_mode=loop_sustain loop_start=100 loop_end=20000 ampeg_attack=.1 ampeg_release=1",
    ],
)
def test_parts_of_a_piece_make_the_whole(tmp_path, opcodes):
    sine(tmp_path / "a.wav", 440, seconds=2, rate=48000, channels=2)
    (tmp_path / "set.sfz").write_text(f"<region> sample=a.wav pitch_keycenter=69 {opcodes}")
    samples, rng = open_samples(tmp_path / "set.sfz"), np.random.default_rng(1)
    keys = [*rng.integers(50, 75, 10).tolist(), 45, 60]
    notes = notes_of([(key, 90) for key in keys], duration=0.2)
    notes["start"] = [*np.sort(rng.uniform(0, 6, 10)), 6.35, 7]  # the second part begins at 6.4
    notes["glide"], notes["glide_time"] = rng.choice([0, 50], 12), 0.1
    performance = performance_of(notes, tail=6)
    band = csound_band("samples", voices=1, samples=samples)
    tape = Tape(tmp_path / "sound.f32")

    def engine(part):
        return play_csound(part, band, isolate=False)

    play_into(performance, tape, engine, ring=band.ring, workers=1)
    whole = engine(performance)
    assert len(chunk_starts(performance.seconds)) == 2
    if "one_shot" in opcodes:
        assert peak(whole, 12, 13) > 0.1
    # Where parts overlap, the sum is rounded another time.
    assert np.abs(tape.read() - whole).max() < 1e-7


@CSOUND
def test_sound_that_rings_for_minutes_ends_within_one(tmp_path):
    sine(tmp_path / "a.wav", 440, seconds=3)
    for text in ("loop_mode=one_shot", "ampeg_release=99"):
        (tmp_path / "set.sfz").write_text(f"<region> sample=a.wav pitch_keycenter=120 {text}")
        samples = open_samples(tmp_path / "set.sfz")
        _, fields, _ = sampler_score(notes_of([(20, 64)]), samples)
        assert samples.ring == 60 and fields[0, 14] + max(fields[0, 15], 0.9) <= 60.9


@CSOUND
@pytest.mark.skipif(not shutil.which("csound"), reason="no program csound here")
def test_an_exported_score_sounds_the_same(tmp_path):
    sine(tmp_path / "set" / "A4 é.wav", 440, seconds=3, rate=48000, channels=2, subtype="PCM_24")
    add_chunk(sine(tmp_path / "set" / "A5.wav", 880), smpl(81, 0, [(0, 1000, 40_000)]))
    samples = open_samples(tmp_path / "set")
    notes = notes_of([(68, 90), (80, 100)])
    band = csound_band("samples", voices=1, samples=samples)
    path = save_csd(tmp_path / "piece.csd", performance_of(notes), band)
    subprocess.run(
        ["csound", "-o", "sound.wav", path], cwd=tmp_path, check=True, capture_output=True
    )
    program, _ = soundfile.read(tmp_path / "sound.wav", dtype="float32")
    sound = play_csound(performance_of(notes), band)
    assert np.abs(program[: len(sound)] - sound).max() < 1e-6
