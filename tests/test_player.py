"""Players in a notebook, judged by what they would play."""

import io

import numpy as np
import pytest
import soundfile
from fonts import sine_font
from IPython.display import Audio, Markdown

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.features import column_of, describe
from coconet.render import player, render, soundfonts
from coconet.render.audio import read_sound
from coconet.render.fluidsynth import fluidsynth_version
from coconet.render.player import QuickLook, mp3_of, play, quick_play
from coconet.render.tape import SAMPLE_RATE
from coconet.render.ways import Way
from coconet.tuning import load_tuning


def works(version):
    try:
        version()
    except (ChoraleError, ImportError):
        return False
    return True


FLUIDSYNTH = pytest.mark.skipif(not works(fluidsynth_version), reason="no FluidSynth here")


@pytest.fixture
def font(tmp_path):
    return sine_font(tmp_path / "sine.sf2", (0, 19))


@FLUIDSYNTH
def test_a_bare_array_is_heard_at_once(font):
    look = quick_play(np.array([[60] * 4 + [64] * 4]), tempo=60, soundfont=font)
    assert isinstance(look, QuickLook) and isinstance(look.audio, Audio)
    assert look.seconds == pytest.approx(2 + 1.5, abs=1e-3)
    assert look.scale_consistency == 1.0
    assert str(look) == "scale consistency 1.00; 4 s; FluidSynth, piano"
    assert "<audio" in look._repr_html_() and str(look) in look._repr_html_()
    samples, rate = soundfile.read(io.BytesIO(look.audio.data))
    assert len(samples) / rate == pytest.approx(3.5, abs=0.1)
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples[rate // 4 : rate * 3 // 4] * np.hanning(rate // 2)))
    wanted = load_tuning().frequencies(0)[60] * 441 / 440
    assert np.argmax(spectrum) * 2 == pytest.approx(wanted, abs=2)


@FLUIDSYNTH
def test_a_chorale_tells_its_scale_consistency(font):
    whole = load_corpus("demo")[0]
    chorale = Chorale(whole.grid[:, :48], onsets=whole.onsets[:, :48], tempo=whole.tempo)
    look = quick_play(chorale, soundfont=font, instrument="organ")
    assert look.scale_consistency == pytest.approx(
        describe(chorale)[column_of("scale consistency")]
    )
    assert look.played_by == "FluidSynth, organ"
    assert len(look.audio.data) < 20_000 * look.seconds


@pytest.mark.parametrize(
    ("music", "options", "message"),
    [
        ([60, 62], {}, r"expected shape \(voices, steps\)"),
        ([[0, 0]], {}, "no notes|only rests"),
        ([[60.5]], {}, "not a whole number"),
        ([[60]], {"instrument": "kazoo"}, "instrument: expected"),
        ([[60]], {"instrument": "samples"}, r"say play\(\.\.\., samples=\.\.\.\)"),
        ([[60]], {"soundfont": "none.sf2"}, "can't be read"),
        ([[60]], {"tempo": 0}, "tempo"),
        ([[60]], {"tuning": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_played_is_told(music, options, message):
    with pytest.raises(ChoraleError, match=message):
        quick_play(np.array(music), **options)


def test_a_notebook_runs_through_where_nothing_plays(monkeypatch):
    def missing(*_):
        raise ChoraleError("it is missing: install it")

    monkeypatch.setattr(player, "_fluidsynth", missing)
    monkeypatch.setattr(player, "_csound", missing)
    shown = quick_play(np.full((1, 4), 60))
    assert isinstance(shown, Markdown)
    assert shown.data == "*No sound: it is missing: install it.*"


@FLUIDSYNTH
def test_without_a_font_csounds_organ_plays_or_all_lacks_are_told(monkeypatch):
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [])
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    shown = quick_play(np.full((1, 4), 60))
    if isinstance(shown, Markdown):
        assert "no SoundFont" in shown.data
    else:
        assert shown.played_by == "Csound, organ"


@FLUIDSYNTH
def test_what_is_played_is_what_a_file_would_hold(font, tmp_path):
    """In stereo, in the hall, at the level that was asked for."""
    chorale = Chorale(np.array([[60] * 4 + [64] * 4, [48] * 8]), tempo=120)
    options = {"synth": "fluidsynth", "soundfont": font, "hall": "room", "level": "peak:-6"}
    audio = play(chorale, **options)
    assert isinstance(audio, Audio)
    heard, rate = soundfile.read(io.BytesIO(audio.data))
    render(chorale, tmp_path / "a.wav", **options)
    wanted, _ = read_sound(tmp_path / "a.wav")
    assert heard.shape[1] == 2 and rate == SAMPLE_RATE
    assert len(heard) == pytest.approx(len(wanted), abs=0.1 * rate)
    assert np.abs(heard).max() == pytest.approx(10 ** (-6 / 20), rel=0.1)
    both = [np.abs(np.fft.rfft(sound[:rate].mean(axis=1))) for sound in (heard, wanted)]
    assert np.argmax(both[0]) == np.argmax(both[1])


@FLUIDSYNTH
def test_what_a_user_asks_for_in_vain_is_told(font):
    with pytest.raises(ChoraleError, match="expected peak:-1"):
        play(Chorale(np.full((1, 4), 60)), synth="fluidsynth", soundfont=font, level="loud")


def test_nothing_is_played_where_no_synthesiser_works(monkeypatch):
    way = Way("csound", "piano", (), ("Csound is missing: install it",))
    monkeypatch.setattr(player, "available_sound", lambda _: (way, way))
    shown = play(Chorale(np.full((1, 4), 60)))
    assert isinstance(shown, Markdown)
    assert shown.data == "*No sound: Csound is missing: install it.*"


def test_sound_in_a_notebook_is_small():
    tone = 0.5 * np.sin(np.arange(441000) * 0.05)[:, None] * np.ones((1, 2), np.float32)
    data = mp3_of(tone)
    samples, rate = soundfile.read(io.BytesIO(data))
    assert samples.shape[1] == 2 and len(samples) / rate == pytest.approx(10, abs=0.1)
    assert len(data) < 25_000 * 10
