"""Which synthesiser plays what, on whole and on bare machines."""

import subprocess
import sys

import pytest

import coconet.render as sound
from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.render import csound, fluidsynth, soundfonts, ways
from coconet.render.instruments import INSTRUMENTS
from coconet.render.soundfonts import SoundFont
from coconet.render.ways import NoSound, available_sound, choose_way

FOUND = {(way.synth, way.instrument): way for way in available_sound()}
BOTH = pytest.mark.skipif(
    not (FOUND["csound", "piano"].works and FOUND["fluidsynth", "piano"].works),
    reason="not both synthesisers and a SoundFont here",
)
CSOUND = pytest.mark.skipif(not FOUND["csound", "organ"].works, reason="no Csound here")


def forget():
    csound.csound_version.cache_clear()
    fluidsynth.fluidsynth_version.cache_clear()


@pytest.fixture
def bare(monkeypatch):
    """A machine without Csound, FluidSynth and SoundFonts."""
    monkeypatch.setitem(sys.modules, "ctcsound", None)
    monkeypatch.setattr(fluidsynth.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(soundfonts.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [])
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    forget()
    yield
    forget()


@pytest.fixture
def without_font(monkeypatch):
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [])
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)


def test_every_instrument_has_its_ways():
    synthesised = [name for name, one in INSTRUMENTS.items() if one.needs != "samples"]
    assert [name for synth, name in FOUND if synth == "csound"] == synthesised
    assert [name for synth, name in FOUND if synth == "fluidsynth"] == synthesised


def test_a_bare_machine_is_told_every_exact_fix(tmp_path, bare):
    with pytest.raises(NoSound) as caught:
        sound.render(Chorale([[60, 60]]), tmp_path / "a.wav")
    for fix in (
        "pip install ctcsound",
        "sudo apt-get install --no-install-recommends fluidsynth",
        "sudo apt-get install --no-install-recommends fluid-soundfont-gm",
    ):
        assert fix in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(way.works for way in available_sound())
    assert list(tmp_path.iterdir()) == []


@CSOUND
def test_without_a_font_csounds_organ_plays(tmp_path, without_font):
    rendering = sound.render(Chorale([[60] * 4]), tmp_path / "a.wav")
    assert (rendering.synth, rendering.instrument, rendering.soundfont) == ("csound", "organ", None)
    with pytest.raises(ChoraleError, match="no SoundFont"):
        choose_way(4, instrument="piano")
    assert choose_way(4, instrument="choir").synth == "csound"


@BOTH
@pytest.mark.parametrize(
    ("wishes", "synth", "instrument"),
    [
        ({}, "csound", "piano"),
        ({"synth": "fluidsynth"}, "fluidsynth", "piano"),
        ({"instrument": "organ"}, "csound", "organ"),
        ({"synth": "fluidsynth", "instrument": "choir"}, "fluidsynth", "choir"),
        ({"instrument": "organ:reeds"}, "csound", "organ:reeds"),
        ({"instrument": "choir,strings,strings,organ"}, "csound", "choir, strings, organ"),
        ({"instrument": "samples"}, "csound", "samples"),
    ],
)
def test_the_first_way_that_fits_is_chosen(wishes, synth, instrument):
    chosen = choose_way(4, **wishes)
    assert (chosen.synth, chosen.instrument, len(chosen.parts)) == (synth, instrument, 4)
    assert (chosen.soundfont is not None) == (synth == "fluidsynth" or instrument == "piano")


@BOTH
def test_where_csound_is_missing_fluidsynth_plays(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctcsound", None)
    forget()
    try:
        assert choose_way(4).synth == "fluidsynth"
        assert choose_way(4, instrument="choir,strings,strings,organ").synth == "fluidsynth"
        with pytest.raises(ChoraleError, match="pip install ctcsound"):
            choose_way(4, instrument="organ:reeds")
    finally:
        forget()


@BOTH
def test_compressed_fonts_are_for_fluidsynth_alone(monkeypatch, tmp_path):
    font = SoundFont(tmp_path / "a.sf3", 3)
    monkeypatch.setattr(ways, "open_soundfont", lambda path: font)
    assert choose_way(4, soundfont="a.sf3").synth == "fluidsynth"
    for instrument in ("piano", None):
        with pytest.raises(ChoraleError, match="compressed samples") as caught:
            choose_way(4, synth="csound", instrument=instrument, soundfont="a.sf3")
        assert not isinstance(caught.value, NoSound), "all is installed"


@BOTH
@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"synth": "timidity"}, "expected csound or fluidsynth"),
        ({"instrument": "kazoo"}, "expected piano, organ"),
        ({"instrument": "piano,organ"}, "one for each of 4 voices, got 2"),
        ({"instrument": 3}, "expected a name"),
        ({"synth": "fluidsynth", "instrument": "organ:reeds"}, "FluidSynth plays what"),
        ({"synth": "fluidsynth", "instrument": "samples"}, "render it with Csound"),
        ({"soundfont": "nowhere.sf2"}, "can't be read"),
        ({"soundfont": "FONT", "instrument": "organ:flutes"}, "needs no SoundFont"),
        ({"soundfont": "FONT", "instrument": "organ", "synth": "csound"}, "needs no SoundFont"),
        ({"prefer": "timidity"}, "prefer: expected csound or fluidsynth"),
    ],
)
def test_wishes_that_cannot_be_met(wishes, message):
    font = str(FOUND["csound", "piano"].soundfont.path)
    wishes = {name: font if wish == "FONT" else wish for name, wish in wishes.items()}
    with pytest.raises(ChoraleError, match=message) as caught:
        choose_way(4, **wishes)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, NoSound)


@BOTH
@pytest.mark.parametrize("instrument", ["organ", "choir,strings,strings,organ"])
def test_a_named_font_is_heard_wherever_one_is_played(instrument, monkeypatch):
    """Csound's organ has none, FluidSynth's has."""
    font = FOUND["csound", "piano"].soundfont
    chosen = choose_way(4, instrument=instrument, soundfont=font.path)
    assert (chosen.synth, chosen.soundfont) == ("fluidsynth", font)
    assert choose_way(4, instrument=instrument).synth == "csound"
    mixed = choose_way(4, instrument="piano,organ,organ,organ", soundfont=font.path)
    assert (mixed.synth, mixed.soundfont) == ("csound", font)
    monkeypatch.setattr(fluidsynth.shutil, "which", lambda _: None)
    forget()
    try:
        with pytest.raises(ChoraleError, match="needs no SoundFont; leave it out, or: Fluid"):
            choose_way(4, instrument=instrument, soundfont=font.path)
    finally:
        forget()


@BOTH
@pytest.mark.parametrize(
    ("wishes", "synth"),
    [
        ({}, "fluidsynth"),
        ({"instrument": "organ"}, "fluidsynth"),
        ({"instrument": "organ:reeds"}, "csound"),
        ({"synth": "csound"}, "csound"),
    ],
)
def test_the_preferred_one_plays_where_both_fit(wishes, synth):
    assert choose_way(4, prefer="fluidsynth", **wishes).synth == synth


def test_looking_for_ways_loads_no_synthesiser():
    code = "import sys, coconet.render.ways; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"ctcsound", "midi2audio", "scipy", "matplotlib"} & set(done.stdout.split())
