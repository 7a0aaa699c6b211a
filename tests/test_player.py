"""Players in a notebook, judged by what they would play."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from fonts import sine_font
from IPython.display import Audio, Markdown

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.features import column_of, describe
from coconet.render import perform_tempered, player, render, soundfonts, ways
from coconet.render.audio import read_sound
from coconet.render.csound import csound_version
from coconet.render.fluidsynth import fluidsynth_version
from coconet.render.player import QuickLook, mp3_of, play, quick_play
from coconet.render.tape import SAMPLE_RATE
from coconet.render.ways import available_sound
from coconet.tuning import load_tuning


def works(version):
    try:
        version()
    except (ChoraleError, ImportError):
        return False
    return True


FLUIDSYNTH = pytest.mark.skipif(not works(fluidsynth_version), reason="no FluidSynth here")
CSOUND = pytest.mark.skipif(not works(csound_version), reason="no Csound here")


@pytest.fixture
def font(tmp_path):
    return sine_font(tmp_path / "sine.sf2", (0, 19))


@pytest.fixture
def bare(monkeypatch):
    """A machine on which nothing is installed."""
    lacks = ("it is missing: install it",)
    none = tuple(replace(way, found=(), missing=lacks, soundfont=None) for way in available_sound())
    monkeypatch.setattr(ways, "available_sound", lambda *_: none)


@pytest.fixture
def played(monkeypatch):
    """The performances that synthesisers were given."""
    given, whole = [], player.play_into

    def play_into(performance, *rest, **options):
        given.append(performance)
        whole(performance, *rest, **options)

    monkeypatch.setattr(player, "play_into", play_into)
    return given


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
        ([[60]], {"tonic": "H"}, "H"),
    ],
)
def test_what_cannot_be_played_is_told(music, options, message, bare):
    """Where nothing is installed, too: a wrong word isn't a missing program."""
    with pytest.raises(ChoraleError, match=message):
        quick_play(np.array(music), **options)


@pytest.mark.parametrize("look", [play, quick_play])
def test_a_notebook_runs_through_where_nothing_plays(look, bare):
    shown = look(Chorale(np.full((1, 4), 60)))
    assert isinstance(shown, Markdown)
    assert shown.data == "*No sound: it is missing: install it.*"


@CSOUND
def test_a_font_that_nothing_would_play_is_refused(font):
    with pytest.raises(ChoraleError, match="Csound's organ needs no SoundFont; leave it out"):
        quick_play(np.full((1, 4), 60), instrument="organ:plenum", soundfont=font)


@FLUIDSYNTH
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tempo": 90},
        {"tuning": "vallotti"},
        {"tonic": "relative"},
        {"tuning": load_tuning("young-1", reference=415), "tonic": "Eb"},
    ],
)
def test_the_temperament_is_that_of_a_rendering(font, played, options):
    """An array's key is found, and the temperament stands there."""
    minor = np.array([[62, 64, 65, 67, 69, 65, 61, 62] * 2, [50] * 16])
    quick_play(minor, soundfont=font, **options)
    wanted, tempered = perform_tempered(minor, style="plain", **options)
    assert tempered.tonic == {"relative": 5, "Eb": 3}.get(options.get("tonic"), 2)
    assert played[0].notes.tolist() == wanted.notes.tolist()


@CSOUND
def test_adaptive_intonation_is_heard_at_once(played):
    whole = load_corpus("demo")[0]
    chorale = Chorale(whole.grid[:, :64], onsets=whole.onsets[:, :64], tonic=whole.tonic)
    look = quick_play(chorale, tuning="adaptive", instrument="organ")
    assert look.played_by == "Csound, organ"
    wanted, _ = perform_tempered(chorale, tuning="adaptive", style="plain")
    assert played[0].notes["hz"].tolist() == wanted.notes["hz"].tolist()
    heights = set(wanted.notes[["key", "hz"]].tolist())
    assert len(heights) > len({key for key, _ in heights}), "no temperament of fixed keys"


@FLUIDSYNTH
def test_a_performance_is_heard_as_it_is(font, played):
    performance, _ = perform_tempered(np.full((2, 8), 60), tempo=50, style="original")
    look = quick_play(performance, soundfont=font)
    assert played == [performance]
    assert (look.scale_consistency, look.warnings) == (1.0, ())
    assert look.seconds == pytest.approx(performance.seconds, abs=1e-3)


@pytest.mark.parametrize("options", [{"tempo": 60}, {"tuning": "equal"}, {"tonic": 0}])
def test_a_performance_has_a_tuning_and_a_tempo_of_its_own(options):
    performance, _ = perform_tempered(np.full((1, 8), 60))
    with pytest.raises(ChoraleError, match="a performance has its own frequencies and times"):
        quick_play(performance, **options)


def test_a_performance_that_is_none_is_told():
    performance, _ = perform_tempered(np.full((1, 8), 60))
    performance.notes["hz"] = np.nan
    with pytest.raises(ChoraleError, match="hz: expected"):
        quick_play(performance)


@FLUIDSYNTH
def test_warnings_stand_under_the_player(font):
    """Of a chorale whose key is unknown the temperament stands on C."""
    chorale = Chorale(np.full((1, 4), 60), assumed=("tonic",))
    for shown in (
        play(chorale, synth="fluidsynth", soundfont=font),
        quick_play(chorale, soundfont=font),
    ):
        assert [line.partition(":")[0] for line in shown.warnings] == ["the tonic is unknown"]
        assert "<div>Warning: the tonic is unknown" in shown._repr_html_()
    assert "\nWarning: the tonic is unknown" in str(shown)


def test_what_stands_under_a_player_is_text():
    told = QuickLook(player._player()(b"", ["a < b"]), 1.0, 2, "<script>")
    assert "<div>Warning: a &lt; b</div>" in told._repr_html_()
    assert "&lt;script&gt;" in told._repr_html_()


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


def test_sound_in_a_notebook_is_small():
    tone = 0.5 * np.sin(np.arange(441000) * 0.05)[:, None] * np.ones((1, 2), np.float32)
    data = mp3_of(tone)
    samples, rate = soundfile.read(io.BytesIO(data))
    assert samples.shape[1] == 2 and len(samples) / rate == pytest.approx(10, abs=0.1)
    assert len(data) < 25_000 * 10
