"""FluidSynth, judged by measuring what it plays of a sine."""

import contextlib
from functools import partial

import mido
import numpy as np
import pytest
import soundfile
from fonts import HZ, sine_font
from pitch_error import measured
from scipy.signal import hilbert
from test_channels import performance

from coconet.errors import ChoraleError
from coconet.render import fluidsynth, soundfonts
from coconet.render.channels import SYNTH_BLOCK, midi_passes
from coconet.render.chunks import play_into
from coconet.render.csound import Band, csound_version, play_csound
from coconet.render.fluidsynth import RING, SafeFluidSynth, play_fluidsynth
from coconet.render.instruments import INSTRUMENTS, parse_parts
from coconet.render.soundfonts import find_soundfont, open_soundfont
from coconet.render.tape import SAMPLE_RATE, Tape
from coconet.tuning import equal_frequencies, load_tuning


def works(version):
    with contextlib.suppress(ChoraleError, ImportError):
        return bool(version())
    return False


pytestmark = pytest.mark.skipif(
    not works(fluidsynth.fluidsynth_version), reason="no FluidSynth here"
)
REAL = find_soundfont(plain=True)
#: What the sine of the font is above A4 = 440 Hz, in cents.
SHARP = 1200 * np.log2(HZ / 440)


@pytest.fixture
def font(tmp_path):
    return open_soundfont(sine_font(tmp_path / "sine.sf2", (0, 19, 48)))


def loudness(samples, begin, end):
    """RMS of both channels between two times in seconds."""
    part = samples[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    return float(np.sqrt((part.astype(float) ** 2).mean()))


def pitch(samples, begin, end, hz):
    """Cents of the tone between two times from `hz`, the font's own sharpness taken off."""
    part = samples[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)].mean(axis=1)
    return 1200 * np.log2(measured(part, SAMPLE_RATE, hz) / hz) - SHARP


# --- pitch ---------------------------------------------------------------------


@pytest.mark.parametrize("tonic", [0, 5])
def test_every_key_from_c2_to_c6_is_in_tune(font, tonic):
    hz = load_tuning().frequencies(tonic)
    keys = range(36, 85)
    piece = performance(
        *[{"start": i / 2, "key": k, "hz": hz[k], "duration": 0.45} for i, k in enumerate(keys)]
    )
    samples = play_fluidsynth(piece, soundfont=font)
    errors = [pitch(samples, i / 2 + 0.03, i / 2 + 0.43, hz[key]) for i, key in enumerate(keys)]
    assert np.abs(errors).max() < 0.6


@pytest.mark.parametrize("cents", [100.0, -300.0, 702.0, -2400.0])
def test_a_glide_moves_evenly_and_arrives(font, cents):
    hz = equal_frequencies()[60]
    goal = hz * 2 ** (cents / 1200)
    piece = performance(
        {"start": 0, "duration": 2, "hz": hz, "glide": cents, "glide_time": 1.0},
        {"start": 2, "duration": 1, "hz": goal},
    )
    samples = play_fluidsynth(piece, soundfont=font)
    assert pitch(samples, 0.1, 0.9, hz) == pytest.approx(0, abs=0.6)
    phase = np.unwrap(np.angle(hilbert(samples.mean(axis=1).astype(float))))
    for time in (1.1, 1.3, 1.5, 1.7, 1.9, 1.96):
        first, last = (round((time + edge) * SAMPLE_RATE) for edge in (-0.03, 0.03))
        found = (phase[last] - phase[first]) / (last - first) * SAMPLE_RATE / (2 * np.pi)
        heard = 1200 * np.log2(found / hz) - SHARP
        # Within half a step, and a block of 1.5 ms.
        assert heard == pytest.approx(cents * (time - 1), abs=3 + 1.5e-3 * abs(cents))
    assert pitch(samples, 2.1, 2.9, goal) == pytest.approx(0, abs=0.6), "the next is not bent"


def test_more_than_12_pitch_classes_are_left_to_csound(font):
    with pytest.raises(ChoraleError, match="render it with Csound"):
        play_fluidsynth(performance({"hz": 440.0}, {"hz": 885.0}), soundfont=font)


# --- time ----------------------------------------------------------------------


def test_notes_start_within_a_millisecond(font):
    rng = np.random.default_rng(0)
    starts = np.arange(40) * 0.5 + rng.uniform(0, 0.2, 40)
    piece = performance(*[{"start": start, "duration": 0.1, "key": 80} for start in starts])
    samples = np.abs(play_fluidsynth(piece, soundfont=font)).max(axis=1)
    assert len(samples) == round(piece.seconds * SAMPLE_RATE)
    for start in starts:
        first = round((start - 0.1) * SAMPLE_RATE) if start > 0.1 else 0
        heard = first + np.flatnonzero(samples[first:] > 1e-5)[0]
        assert abs(heard / SAMPLE_RATE - start) < 1e-3


@pytest.mark.skipif(REAL is None or not works(csound_version), reason="no Csound or font here")
def test_csound_and_fluidsynth_agree_in_onsets():
    """The same piano of the same font: the rise to a twentieth of each note's peak."""
    rng = np.random.default_rng(1)
    starts = 0.1 + np.arange(8) + rng.uniform(0, 0.2, 8)
    keys = rng.integers(40, 80, 8).tolist()
    piece = performance(*[{"start": s, "key": k} for s, k in zip(starts, keys, strict=True)])
    band = Band(parse_parts("piano:plain", 1), REAL)
    onsets = []
    for samples in (play_fluidsynth(piece, soundfont=REAL), play_csound(piece, band)):
        windows = [samples[round((s - 0.02) * SAMPLE_RATE) :][:22050] for s in starts]
        peaks = [np.abs(window).max(axis=1) for window in windows]
        onsets.append([np.argmax(window > 0.05 * window.max()) for window in peaks])
    apart = np.diff(onsets, axis=0) / SAMPLE_RATE
    assert np.abs(apart).max() < 5e-3


# --- loudness, voices ------------------------------------------------------------


@pytest.mark.parametrize("level", [-40.0, -20.0, -6.0, 0.0, 3.0, 12.0, 24.0])
def test_levels_are_decibels(font, level):
    plain, changed = (
        loudness(play_fluidsynth(performance({"level": x}), soundfont=font), 0.1, 0.4)
        for x in (0.0, level)
    )
    assert 20 * np.log10(changed / plain) == pytest.approx(level, abs=0.3)


def test_the_gain_is_fluidsynths(font):
    soft, loud = (
        loudness(play_fluidsynth(performance({}), soundfont=font, gain=gain), 0.1, 0.4)
        for gain in (0.1, 1.0)
    )
    assert loud / soft == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("voices", [4, 16, 64])
def test_unisons_of_many_voices_lose_none(font, voices):
    """Equal sines add up exactly; and a voice that leaves takes no other along."""
    one = play_fluidsynth(performance({"duration": 1.5}), soundfont=font)
    stay = [{"duration": 1.5, "voice": voice} for voice in range(voices // 2)]
    leave = [{"duration": 0.5, "voice": voices - 1 - voice} for voice in range(voices // 2)]
    all_of_them = play_fluidsynth(performance(*stay, *leave), soundfont=font)
    for begin, end, count in ((0.1, 0.4, voices), (1.0, 1.4, voices / 2)):
        gain = loudness(all_of_them, begin, end) / loudness(one, begin, end)
        assert gain == pytest.approx(count, rel=1e-3)


def test_a_note_struck_again_is_held_to_its_end(font):
    """The end of the note before, which overlaps, must not cut it off."""
    piece = performance({"start": 0, "duration": 1.2}, {"start": 1, "duration": 1.5})
    samples = play_fluidsynth(piece, soundfont=font)
    assert loudness(samples, 1.5, 2.4) == pytest.approx(loudness(samples, 0.2, 0.9), rel=0.01)
    assert loudness(samples, 2.8, 3.0) < 1e-3 * loudness(samples, 0.2, 0.9)


def test_each_voice_has_its_place_and_instrument(font):
    """Each program of the font is an octave above the one before."""
    piece = performance(
        {"start": 0, "voice": 0, "pan": 0.0},
        {"start": 1, "voice": 1, "pan": 1.0},
        {"start": 2, "voice": 2, "pan": 0.5},
    )
    samples = play_fluidsynth(piece, instruments="piano,organ,strings", soundfont=font)
    for voice, (left, right) in enumerate([(1, 0), (0, 1), (1, 1)]):
        sides = np.sqrt((samples[voice * 44100 + 4410 :][:13230].astype(float) ** 2).mean(axis=0))
        assert (sides > 0.5 * sides.max()).tolist() == [left, right]
        hz = equal_frequencies()[60 + 12 * voice]
        assert pitch(samples, voice + 0.1, voice + 0.4, hz) == pytest.approx(0, abs=0.6)


def test_a_place_holds_until_the_note_has_died_away(font):
    """Random places a note: the second must not pull the first across."""
    first = {"start": 0, "duration": 2, "key": 48, "pan": 0.0}
    second = {"start": 1, "duration": 1, "key": 72, "pan": 1.0}
    samples = play_fluidsynth(performance(first, second), soundfont=font)
    assert loudness(samples[:, :1], 1.1, 1.9) == pytest.approx(
        loudness(samples[:, :1], 0.1, 0.9), rel=0.01
    )


# --- chunks ----------------------------------------------------------------------


def test_chunks_sound_like_the_whole(font, tmp_path):
    rng = np.random.default_rng(0)
    piece = performance(
        *[
            {
                "start": start,
                "voice": voice,
                "key": int(rng.integers(48, 76)),
                "duration": 0.48,
                "pan": (voice + 0.5) / 4,
            }
            for start in np.arange(0, 20, 0.5)
            for voice in range(4)
        ]
    )
    engine = partial(play_fluidsynth, soundfont=font)
    tapes = [Tape(tmp_path / f"{workers}.raw") for workers in (1, 2)]
    for workers, tape in enumerate(tapes, 1):
        play_into(piece, tape, engine, ring=RING, workers=workers, name="FluidSynth")
    assert tapes[0].path.read_bytes() == tapes[1].path.read_bytes()
    whole = engine(piece)
    different = np.flatnonzero(np.abs(tapes[0].read() - whole).max(axis=1) > 1e-5)
    # Only the first 1.5 ms of a few notes: there FluidSynth fades from what its reused
    # voice played before.
    starts = np.unique(np.rint(piece.notes["start"] * SAMPLE_RATE))
    since = different - starts[np.searchsorted(starts - SYNTH_BLOCK, different, side="right") - 1]
    assert np.abs(since).max(initial=0) <= 2 * SYNTH_BLOCK
    assert len(different) < 0.01 * len(whole)


# --- what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("instruments", "message"),
    [
        ("choir", r"has no choir .*program 53\); choose piano or organ or strings, or another"),
        ("organ:flutes", "FluidSynth has no organ:flutes, only organ"),
        ("samples", "FluidSynth can't play samples: render it with Csound"),
        ("kazoo", "instrument: expected piano"),
        ("piano,organ", "expected one for all or one for each of 1 voice"),
    ],
)
def test_instruments_that_are_not_there_are_refused(font, instruments, message):
    """FluidSynth itself would play the piano without a word."""
    with pytest.raises(ChoraleError, match=message):
        play_fluidsynth(performance({}), instruments=instruments, soundfont=font)


def test_a_key_that_the_font_lacks_is_named_though_others_sound(tmp_path):
    font = open_soundfont(sine_font(tmp_path / "small.sf2", keys=(40, 80)))
    piece = performance({"key": 60, "voice": 0}, {"key": 84, "voice": 1})
    with pytest.raises(ChoraleError, match=r"small\.sf2: sine 0: key 84 at velocity 80 is silent"):
        play_fluidsynth(piece, soundfont=font)


def test_no_font_and_a_wild_gain_are_refused(font):
    with pytest.raises(ChoraleError, match="FluidSynth needs a SoundFont: "):
        play_fluidsynth(performance({}), soundfont=None)
    for gain in (0, 11, float("nan"), "loud"):
        with pytest.raises(ChoraleError, match=r"gain: expected a number from 0\.01 to 10"):
            play_fluidsynth(performance({}), soundfont=font, gain=gain)


def test_every_instrument_but_the_users_own_has_a_program():
    programs = {name: instrument.program for name, instrument in INSTRUMENTS.items()}
    assert programs.pop("samples") is None
    assert sorted(programs.values()) == [0, 6, 7, 19, 48, 52]


def test_midi2audio_made_safe(font, tmp_path):
    midi, wav = tmp_path / "a.mid", tmp_path / "a.wav"
    midi_passes(performance({}), programs=[0])[0].midi.save(midi)
    with pytest.raises(ChoraleError, match="no such SoundFont"):
        SafeFluidSynth(tmp_path / "none.sf2").midi_to_audio(midi, wav)
    with pytest.raises(ChoraleError, match="no such MIDI file"):
        SafeFluidSynth(font.path).midi_to_audio(tmp_path / "none.mid", wav)
    with pytest.raises(ChoraleError, match="FluidSynth"):
        SafeFluidSynth(font.path).midi_to_audio(midi, tmp_path / "none" / "a.wav")
    assert not wav.exists()
    SafeFluidSynth(font.path).midi_to_audio(midi, wav)
    assert soundfile.info(wav).duration >= mido.MidiFile(midi).length


def test_files_in_a_folder_of_ones_own_may_begin_with_a_dash(font, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    font.path.rename(tmp_path / "-x.sf2")
    midi_passes(performance({}), programs=[0])[0].midi.save("-a.mid")
    SafeFluidSynth("-x.sf2").midi_to_audio("-a.mid", "-a.wav")
    assert np.abs(soundfile.read("-a.wav")[0]).max() > 0.001


@pytest.mark.parametrize("content", [b"", b"no MIDI at all", b"MThd\0\0\0\x06\0\0\0\1\0\1MTrk"])
def test_what_is_no_midi_is_told(font, tmp_path, content):
    midi = tmp_path / "a.mid"
    midi.write_bytes(content)
    with pytest.raises(ChoraleError, match=r"a\.mid: can't be read as MIDI \(.+\)$"):
        SafeFluidSynth(font.path).midi_to_audio(midi, tmp_path / "a.wav")


def test_a_program_that_cannot_be_started_is_told(font, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fluidsynth, "run_child", fail)
    with pytest.raises(ChoraleError, match=r"FluidSynth can't be started \(Permission denied\)"):
        play_fluidsynth(performance({}), soundfont=font)


def test_a_missing_program_is_told_with_the_fix(monkeypatch, font):
    monkeypatch.setattr(fluidsynth.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(soundfonts.os, "geteuid", lambda: 1000)
    fluidsynth.fluidsynth_version.cache_clear()
    with pytest.raises(ChoraleError, match=r"sudo apt-get install .* fluidsynth"):
        play_fluidsynth(performance({}), soundfont=font)
    fluidsynth.fluidsynth_version.cache_clear()
