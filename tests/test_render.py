"""Sound, judged by measuring it."""

import resource
import struct
import subprocess
import sys
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from pitch_error import cents_of_scale, measured, scale_piece

import coconet.render as sound
from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.render import audio, csound, fluidsynth, soundfonts
from coconet.render.performance import LIFT, TAIL, perform, voice_pans
from coconet.tuning import Tuning, equal_frequencies, load_tuning

WAYS = [(way.synth, way.instrument, way.works) for way in sound.available_sound()]
ENGINES = [
    pytest.param(
        synth,
        instrument,
        id=f"{synth}-{instrument}",
        marks=pytest.mark.skipif(not works, reason=f"no {synth} {instrument} here"),
    )
    for synth, instrument, works in WAYS
]
ORGAN = pytest.mark.skipif(not WAYS[1][2], reason="no Csound here")
PIANO = pytest.mark.skipif(not WAYS[0][2], reason="no Csound or SoundFont here")
FLUIDSYNTH = pytest.mark.skipif(not WAYS[2][2], reason="no FluidSynth or SoundFont here")


def chorale(*voices, **fields):
    """A chorale from voices written as lists of (pitch, steps)."""
    rows = [[pitch for pitch, steps in voice for _ in range(steps)] for voice in voices]
    return Chorale(np.array(rows), **fields)


def test_the_estimator_knows_its_trade():
    rate = 44100
    for hz in (261.0, 262.4306, 300.123, 440.0):
        tone = np.sin(2 * np.pi * hz * np.arange(rate) / rate)
        assert 1200 * abs(np.log2(measured(tone, rate, hz * 1.004) / hz)) < 5e-3


# --- the temperament as it sounds --------------------------------------------


@ORGAN
@pytest.mark.parametrize("tonic", [0, 5])
def test_the_organ_sounds_all_12_degrees_in_tune(tmp_path, tonic):
    sound.render(scale_piece(), tmp_path / "a.wav", synth="csound", instrument="organ", tonic=tonic)
    errors = cents_of_scale(tmp_path / "a.wav") - load_tuning().deviations(tonic)
    assert np.abs(errors).max() < 0.02


@PIANO
def test_the_calibrated_piano_sounds_all_12_degrees_in_tune(tmp_path):
    sound.render(scale_piece(), tmp_path / "a.wav", synth="csound", instrument="piano")
    errors = cents_of_scale(tmp_path / "a.wav") - load_tuning().deviations(0)
    assert np.abs(errors).max() < 0.1


@FLUIDSYNTH
@pytest.mark.parametrize("instrument", ["piano", "organ"])
def test_fluidsynth_differs_from_equal_by_the_temperament(tmp_path, instrument):
    """The SoundFont's own error is in both renderings, so that it drops out."""
    for tuning in ("equal", "secor-victorian"):
        path = tmp_path / f"{tuning}.wav"
        sound.render(scale_piece(), path, synth="fluidsynth", instrument=instrument, tuning=tuning)
    tempered, equal = (
        cents_of_scale(tmp_path / f"{tuning}.wav") for tuning in ("secor-victorian", "equal")
    )
    heard = tempered - equal
    assert np.abs(heard - load_tuning().deviations(0)).max() < 0.5
    assert np.ptp(heard) > 7, "the temperament is there at all"


@ORGAN
def test_another_pitch_standard_and_a_wild_temperament_are_heard(tmp_path):
    meantone = [0, 76, 193.2, 310.3, 386.3, 503.4, 579.5, 696.6, 772.6, 889.7, 1006.8, 1082.9]
    tuning = Tuning("low", meantone, reference_hz=415.3)
    rendering = sound.render(
        scale_piece(), tmp_path / "a.wav", synth="csound", instrument="organ", tuning=tuning
    )
    assert rendering.tuning == "low"
    errors = cents_of_scale(tmp_path / "a.wav", flat=415.3 / 440) - tuning.deviations()
    assert np.abs(errors).max() < 0.05


def test_a_calibration_is_remembered_and_a_spoilt_one_measured_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "a.sf2"
    path.write_bytes(soundfont_of(bytes(100)))
    font = soundfonts.open_soundfont(path)
    measurements = []

    def measure(font):
        measurements.append(font)
        return np.linspace(-5, 5, 128)

    monkeypatch.setattr(csound, "_measure", measure)
    first = csound.calibrate(font)
    assert np.array_equal(csound.calibrate(font), first)
    assert len(measurements) == 1
    (file,) = (tmp_path / "coconet").iterdir()
    whole = file.read_text()
    for spoilt in ("", "{}", "[]", whole[:-100], whole.replace("0.85", "0.5"), "\x00"):
        measurements.clear()
        file.write_text(spoilt)
        assert np.array_equal(csound.calibrate(font), first)
        assert len(measurements) == 1, spoilt
    path.write_bytes(soundfont_of(bytes(99) + b"1"))
    csound.calibrate(soundfonts.open_soundfont(path))
    assert len(measurements) == 2, "another font is another measurement"


# --- length, level, silence, and who is heard when ---------------------------


@pytest.mark.parametrize(("synth", "instrument"), ENGINES)
def test_length_level_and_every_note(tmp_path, synth, instrument):
    piece = chorale([(72, 4), (0, 8), (74, 4)], [(55, 4), (0, 8), (50, 4)], tempo=120, tonic=7)
    rendering = sound.render(piece, tmp_path / "a.wav", synth=synth, instrument=instrument)
    samples, rate = soundfile.read(tmp_path / "a.wav")
    assert (rendering.synth, rendering.instrument, rendering.tonic) == (synth, instrument, 7)
    seconds = 16 * 0.125 + 0.5 * 0.5 + TAIL  # 16 sixteenths, the last chord's hold, its tail
    assert rendering.seconds == pytest.approx(seconds, abs=1e-3)
    assert samples.shape == (round(seconds * rate), 2)
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-1, abs=0.01)
    assert rendering.peak == pytest.approx(-1, abs=0.01)
    loudness = [
        np.sqrt((samples[int(a * rate) : int(b * rate)] ** 2).mean())
        for a, b in ((0.1, 0.4), (1.2, 1.45), (1.7, 2.1), (seconds - 0.1, seconds))
    ]
    first, pause, last, tail = loudness
    assert min(first, last) > 0.02, "both chords sound, the held last one to its end"
    assert pause < 0.05 * first, "the rest is a rest"
    assert tail < 0.01 * last, "nothing is cut off"


@pytest.mark.parametrize(("synth", "instrument"), ENGINES)
def test_sixteen_voices_with_unisons_lose_no_note(tmp_path, synth, instrument):
    """A voice that leaves a unison must not take the others along."""
    held, brief = [(60, 16)], [(60, 2), (0, 14)]
    alone = chorale(*[held] * 8, *[[(0, 16)]] * 8, tempo=60)
    crowd = chorale(*[held] * 8, *[brief] * 8, tempo=60)
    powers = []
    for name, piece in (("alone", alone), ("crowd", crowd)):
        path = tmp_path / f"{name}.wav"
        sound.render(piece, path, synth=synth, instrument=instrument, level="peak:-6")
        samples, rate = soundfile.read(path)
        window = samples[int(1.5 * rate) : int(3 * rate)]
        powers.append((window**2).mean() / (samples[: int(0.4 * rate)] ** 2).mean())
    # Twice as many voices at first: the part afterwards is a quarter as strong beside it.
    assert powers[1] / powers[0] == pytest.approx(0.25, rel=0.5)


@ORGAN
def test_voices_stand_from_left_to_right(tmp_path):
    samples = {}
    for name, piece in (
        ("soprano", chorale([(72, 8)], [(0, 8)], [(0, 8)], [(0, 8)])),
        ("bass", chorale([(0, 8)], [(0, 8)], [(0, 8)], [(48, 8)])),
    ):
        sound.render(piece, tmp_path / f"{name}.wav", synth="csound", instrument="organ")
        left, right = (soundfile.read(tmp_path / f"{name}.wav")[0] ** 2).mean(axis=0)
        samples[name] = left / right
    assert samples["soprano"] > 2 > 0.5 > samples["bass"]


@ORGAN
def test_the_same_chorale_gives_the_same_bytes(tmp_path):
    for name in ("a.wav", "b.wav"):
        sound.render(scale_piece(), tmp_path / name, synth="csound", instrument="organ", tempo=600)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
@ORGAN
def test_every_kind_of_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    rendering = sound.render(chorale([(60, 8)]), path, synth="csound", instrument="organ")
    samples, rate = audio.read_sound(path)
    assert len(samples) / rate == pytest.approx(rendering.seconds, abs=0.1)
    assert measured(samples[8820:, 0], rate, 261.6) == pytest.approx(262.431, abs=0.05)


# --- the performance ---------------------------------------------------------

EQUAL = equal_frequencies()


def test_a_held_note_is_one_and_a_repeated_note_two():
    grid = np.full((1, 8), 60)
    onsets = np.zeros((1, 8), bool)
    onsets[0, [0, 4]] = True
    once = perform(Chorale(grid, tempo=60), EQUAL, fermata=0)
    twice = perform(Chorale(grid, onsets=onsets, tempo=60), EQUAL, fermata=0)
    assert once.notes["start"].tolist() == [0]
    assert once.notes["duration"][0] == pytest.approx(2 - LIFT)
    assert twice.notes["start"] == pytest.approx([0, 1])
    assert twice.notes["start"][0] + twice.notes["duration"][0] < 1, "and a gap between them"


def test_a_fermata_holds_and_breathes():
    fermatas = np.zeros(16, bool)
    fermatas[7] = True
    piece = chorale([(60, 8), (62, 8)], tempo=60, fermatas=fermatas)
    plain, held = (perform(piece, EQUAL, fermata=beats) for beats in (0, 0.5))
    assert plain.notes["start"] == pytest.approx([0, 2])
    assert held.notes["start"] == pytest.approx([0, 2.5])
    ends = held.spans[:, 1]
    assert 2.2 < ends[0] < 2.4, "longer than written, then a breath"
    assert held.seconds == pytest.approx(2.5 + 2.5 + TAIL)


@given(
    st.integers(1, 16).flatmap(
        lambda voices: st.lists(
            st.lists(st.sampled_from([0, 48, 50, 60, 61]), min_size=5, max_size=5),
            min_size=voices,
            max_size=voices,
        )
    ),
    st.floats(20, 300),
)
@settings(max_examples=60, deadline=None)
def test_every_sounding_step_is_performed(grid, tempo):
    piece = Chorale(np.array(grid))
    if not (piece.grid > 0).any():
        with pytest.raises(ChoraleError, match="only rests"):
            perform(piece, EQUAL, tempo=tempo)
        return
    performance = perform(piece, EQUAL, tempo=tempo, fermata=0)
    step = 15 / tempo
    heard = np.zeros_like(piece.grid)
    for note in performance.notes:
        first = round(note["start"] / step)
        # A note is lifted by at most a quarter of its length, less than half a step of one.
        last = round((note["start"] + note["duration"] + min(LIFT, step / 4)) / step)
        assert (heard[note["voice"], first:last] == 0).all()
        heard[note["voice"], first:last] = note["key"]
    assert np.array_equal(heard, piece.grid)
    assert performance.seconds == pytest.approx(5 * step + TAIL)
    assert np.array_equal(performance.notes["hz"], EQUAL[performance.notes["key"]])


def test_chance_comes_only_from_a_generator():
    piece = scale_piece()
    exact = perform(piece, EQUAL)
    assert np.array_equal(exact.notes, perform(piece, EQUAL).notes)
    loose = [perform(piece, EQUAL, rng=np.random.default_rng(seed)).notes for seed in (1, 1, 2)]
    assert np.array_equal(loose[0], loose[1])
    assert not np.array_equal(loose[0], loose[2])
    assert np.abs(loose[0]["start"] - exact.notes["start"]).max() < 0.02


@pytest.mark.parametrize("voices", [1, 2, 4, 8, 16, 20])
def test_pans_are_spread_evenly_within_the_stage(voices):
    pans = voice_pans(voices)
    assert pans.shape == (voices,)
    assert pans.min() > 0 and pans.max() < 1
    assert pans.mean() == pytest.approx(0.5)
    assert len(np.unique(pans.round(6))) == voices


# --- MIDI for FluidSynth -----------------------------------------------------


def test_the_tuning_message_byte_for_byte():
    cents = [5.3, 0, 2.3, 2.1, -2.6, 4.4, -1.1, 5.4, 0.9, 0, 3.3, -2.4]
    expected = "F0 7F 7F 08 08 03 7F 7F 45 40 42 42 3D 44 3F 45 41 40 43 3E F7"
    assert fluidsynth.octave_message(cents).hex() == expected


def test_the_midi_plays_what_the_performance_says():
    performance = perform(scale_piece(), load_tuning().frequencies())
    midi = fluidsynth.midi_of(performance)
    now, starts, ends, keys = 0.0, [], [], []
    for message in midi:
        now += message.time
        if message.type == "note_on":
            starts.append(now)
            keys.append(message.note)
        elif message.type == "note_off":
            ends.append(now)
    assert keys == list(range(60, 72))
    assert starts == pytest.approx(performance.spans[:, 0], abs=1e-4)
    assert ends == pytest.approx(performance.spans[:, 1], abs=1e-4)
    assert midi.length == pytest.approx(performance.seconds, abs=1e-4)
    early = [message.type for message in midi.tracks[0][:4]]
    assert early == ["set_tempo", "sysex", "program_change", "control_change"]


def test_no_voice_plays_the_drums():
    performance = perform(chorale(*[[(60, 4)]] * 15), EQUAL)
    channels = [
        message.channel for message in fluidsynth.midi_of(performance) if message.type == "note_on"
    ]
    assert sorted(channels) == [*range(9), *range(10, 16)]


def test_a_low_pitch_standard_moves_to_the_nearest_keys():
    """At A4 = 415.305 Hz the keys lie a semitone lower, and nothing is left to tune."""
    keys, cents = fluidsynth.octave_tuning(EQUAL[60:72] * 2 ** (-1 / 12))
    assert keys.tolist() == list(range(59, 71))
    assert cents == pytest.approx(np.zeros(12), abs=1e-6)


def test_more_than_12_pitch_classes_are_refused():
    with pytest.raises(ChoraleError, match="render it with Csound"):
        fluidsynth.octave_tuning(np.array([440.0, 885.0]))


@FLUIDSYNTH
def test_midi2audio_made_safe(tmp_path):
    font = soundfonts.find_soundfont(plain=False).path
    midi, wav = tmp_path / "a.mid", tmp_path / "a.wav"
    fluidsynth.midi_of(perform(scale_piece(), EQUAL, tempo=600)).save(midi)
    with pytest.raises(ChoraleError, match="no such SoundFont"):
        fluidsynth.SafeFluidSynth(tmp_path / "none.sf2").midi_to_audio(midi, wav)
    with pytest.raises(ChoraleError, match="no such MIDI file"):
        fluidsynth.SafeFluidSynth(font).midi_to_audio(tmp_path / "none.mid", wav)
    with pytest.raises(ChoraleError, match="FluidSynth"):
        fluidsynth.SafeFluidSynth(font).midi_to_audio(midi, tmp_path / "none" / "a.wav")
    assert not wav.exists()
    fluidsynth.SafeFluidSynth(font).midi_to_audio(midi, wav)
    assert soundfile.info(wav).duration >= mido.MidiFile(midi).length


# --- what is refused, and that nothing is left behind ------------------------


def soundfont_of(body, version=2):
    info = b"sfbkLIST" + struct.pack("<I", 16) + b"INFOifil" + struct.pack("<IHH", 4, version, 1)
    content = info + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


FONTS = {
    "absent.sf2": (None, "can't be read"),
    "text.sf2": (b"not a font", "not a SoundFont"),
    "truncated.sf2": (soundfont_of(bytes(5000))[:-1], "truncated: 5035 of 5036 bytes"),
    "compressed.sf3": (soundfont_of(bytes(5000), 3), "compressed samples"),
    "disguised.sf2": (soundfont_of(bytes(5000), 3), "compressed samples"),
    "hollow.sf2": (soundfont_of(bytes(5000)), "hollow.sf2"),
}


@PIANO
@pytest.mark.parametrize("name", FONTS)
def test_csound_refuses_a_bad_font(tmp_path, name):
    content, message = FONTS[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ChoraleError, match=message) as caught:
        sound.render(scale_piece(), tmp_path / "a.wav", synth="csound", soundfont=tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.wav").exists()


@FLUIDSYNTH
@pytest.mark.parametrize("name", ["absent.sf2", "text.sf2", "truncated.sf2", "hollow.sf2"])
def test_fluidsynth_refuses_a_bad_font(tmp_path, name):
    content, message = FONTS[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ChoraleError, match=message):
        sound.render(
            scale_piece(), tmp_path / "a.wav", synth="fluidsynth", soundfont=tmp_path / name
        )
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.ogg", {}, r"ends in \.wav, \.flac, \.mp3"),
        ("a.wav", {"synth": "timidity"}, "expected one of csound, fluidsynth"),
        ("a.wav", {"instrument": "kazoo"}, "expected one of piano, organ"),
        ("a.wav", {"level": "loud"}, "expected peak:-1"),
        ("a.wav", {"level": "peak:3"}, "expected peak:-1"),
        ("a.wav", {"level": "peak:nan"}, "expected peak:-1"),
        ("a.wav", {"tempo": 0}, "5-1000 quarter notes"),
        ("a.wav", {"tempo": float("nan")}, "5-1000 quarter notes"),
        ("a.wav", {"fermata": -1}, "0-8 beats"),
        ("a.wav", {"tuning": "nowhere"}, "no such tuning"),
        ("a.wav", {"tonic": 12}, "pitch class"),
    ],
)
def test_bad_options_write_nothing(tmp_path, name, options, message):
    with pytest.raises(ChoraleError, match=message):
        sound.render(scale_piece(), tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


@ORGAN
def test_an_existing_file_is_only_replaced_by_force(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("precious")
    options = {"synth": "csound", "instrument": "organ"}
    with pytest.raises(ChoraleError, match="already exists"):
        sound.render(chorale([(60, 4)]), path, **options)
    with pytest.raises(ChoraleError, match="only rests"):
        sound.render(chorale([(0, 4)]), path, force=True, **options)
    assert path.read_text() == "precious"
    sound.render(chorale([(60, 4)]), path, force=True, **options)
    assert soundfile.info(path).frames > 0


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on the size of files stands in for a full disk."""
    path = tmp_path / "a.wav"
    path.write_text("precious")
    code = (
        "import numpy as np; from coconet.render.audio import write_sound\n"
        f"write_sound({str(path)!r}, np.zeros((44100, 2), 'f4'), force=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert "ChoraleError" in done.stderr and "could not be written" in done.stderr
    assert path.read_text() == "precious"
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:-30000], "expected 2.00 s of sound, got 1.32 s"),
        (lambda x: np.pad(x, ((0, 30000), (0, 0))), "expected 2.00 s of sound, got 2.68 s"),
        (lambda x: x[:0], "got 0.00 s"),
        (lambda x: x * 1e-6, "is silent"),
        (lambda x: np.where(np.arange(len(x))[:, None] < 44100, x, 0), "note at 1.00-1.90 s"),
        (lambda x: np.where(np.arange(len(x))[:, None] == 5, np.nan, x), "aren't finite"),
    ],
)
def test_sound_that_went_wrong_is_noticed(change, message):
    tone = np.sin(np.arange(88200) / 10)[:, None] * np.ones((1, 2), np.float32)
    spans = np.array([[0, 0.9], [1, 1.9]])
    audio.check_sound(tone, 2.0, spans=spans)
    with pytest.raises(ChoraleError, match=message):
        audio.check_sound(change(tone), 2.0, spans=spans)


def test_clipping_is_refused(tmp_path):
    with pytest.raises(ChoraleError, match="exceed full scale"):
        audio.write_sound(tmp_path / "a.wav", np.full((100, 2), 1.01, np.float32))
    assert list(tmp_path.iterdir()) == []


@given(st.floats(1e-3, 1e3), st.floats(-60, 0))
@settings(deadline=None)
def test_levels_are_met(scale, decibels):
    noise = np.random.default_rng(0).normal(size=(64, 2)) * scale
    levelled = audio.set_level(noise, f"peak:{decibels}")
    assert audio.peak_level(levelled) == pytest.approx(decibels, abs=1e-3)


@ORGAN
@pytest.mark.parametrize(
    "orchestra",
    ["instr 1\n out oscil(1)\nendin", "instr 2\nendin", 'instr 1\n a1 soundin "no.wav"\nendin'],
)
def test_csounds_quiet_failures_are_heard(orchestra):
    notes = perform(scale_piece(), EQUAL).notes
    with pytest.raises(ChoraleError, match="Csound: "):
        csound._play(orchestra, notes, 2.0, "Csound")


# --- a bare machine ----------------------------------------------------------


@pytest.fixture
def bare(monkeypatch):
    """A machine without Csound, FluidSynth and SoundFonts."""
    monkeypatch.setitem(sys.modules, "ctcsound", None)
    monkeypatch.setattr(fluidsynth.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(soundfonts.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [])
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    caches = (csound.csound_version, fluidsynth.fluidsynth_version)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_a_bare_machine_is_told_every_exact_fix(tmp_path, bare):
    with pytest.raises(ChoraleError) as caught:
        sound.render(scale_piece(), tmp_path / "a.wav")
    for fix in (
        "pip install ctcsound",
        "sudo apt-get install --no-install-recommends fluidsynth",
        "sudo apt-get install --no-install-recommends fluid-soundfont-gm",
    ):
        assert fix in str(caught.value)
    assert not any(way.works for way in sound.available_sound())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_names_its_package(bare, tmp_path, monkeypatch):
    (tmp_path / "ctcsound.py").write_text("raise OSError('libcsnd6.so: cannot open')")
    monkeypatch.delitem(sys.modules, "ctcsound")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ChoraleError, match="--no-install-recommends libcsnd-dev"):
        csound.csound_version()


@ORGAN
def test_without_a_font_csounds_organ_plays(tmp_path, monkeypatch):
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [])
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    rendering = sound.render(chorale([(60, 4)]), tmp_path / "a.wav")
    assert (rendering.synth, rendering.instrument, rendering.soundfont) == ("csound", "organ", None)


def test_fonts_are_found_in_order_of_quality(tmp_path, monkeypatch):
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [tmp_path / "none", tmp_path])
    assert soundfonts.find_soundfont() is None
    for name in ("sf_GMbank.sf2", "my own.sf2", "TimGM6mb.sf2", "FluidR3_GM.sf2"):
        (tmp_path / name).write_bytes(soundfont_of(bytes(100)))
        assert soundfonts.find_soundfont().path.name == name
    (tmp_path / "FluidR3_GM.sf2").write_bytes(b"broken")
    assert soundfonts.find_soundfont().path.name == "TimGM6mb.sf2"
    monkeypatch.setenv("COCONET_SOUNDFONT", str(tmp_path / "my own.sf2"))
    assert soundfonts.find_soundfont().path.name == "my own.sf2"
    monkeypatch.setenv("COCONET_SOUNDFONT", str(tmp_path / "gone.sf2"))
    with pytest.raises(ChoraleError, match=r"gone\.sf2"):
        soundfonts.find_soundfont()


@ORGAN
def test_an_unknown_tonic_is_mentioned(tmp_path):
    piece = Chorale(np.full((1, 4), 60), assumed=("tonic",))
    options = {"synth": "csound", "instrument": "organ", "force": True}
    assert sound.render(piece, tmp_path / "a.wav", **options).warnings
    assert not sound.render(piece, tmp_path / "a.wav", tonic=5, **options).warnings
    assert not sound.render(piece, tmp_path / "a.wav", tuning="equal", **options).warnings


def test_only_csounds_module_loads_ctcsound():
    code = (
        "import sys, coconet.render, coconet.render.audio, coconet.render.csound,"
        " coconet.render.fluidsynth; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {"torch", "music21", "matplotlib", "ctcsound", "verovio"} & loaded
    package = Path(sound.__file__).parents[1]
    users = [file.name for file in package.rglob("*.py") if "import ctcsound" in file.read_text()]
    assert users == ["csound.py"]
