"""From a chorale to a sound file, judged by measuring it."""

import resource
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from pitch_error import cents_of_scale, measured, scale_piece
from recordings import sine

import coconet.render as sound
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.intonation import adapt
from coconet.render.audio import scratch_size, size_of
from coconet.render.events import TAIL
from coconet.render.hall import parse_hall
from coconet.render.samples import open_samples
from coconet.render.style import CALM, PLAIN, Style
from coconet.tuning import Tuning, load_tuning

FOUND = {(way.synth, way.instrument): way.works for way in sound.available_sound()}
ENGINES = [
    pytest.param(
        synth,
        instrument,
        id=f"{synth}-{instrument}",
        marks=pytest.mark.skipif(not FOUND[synth, instrument], reason=f"no {synth} here"),
    )
    for synth, instrument in (
        ("csound", "piano"), ("csound", "organ"), ("fluidsynth", "piano"), ("fluidsynth", "organ")
    )
]  # fmt: skip
ORGAN = pytest.mark.skipif(not FOUND["csound", "organ"], reason="no Csound here")
PIANO = pytest.mark.skipif(not FOUND["csound", "piano"], reason="no Csound or SoundFont here")
FLUIDSYNTH = pytest.mark.skipif(not FOUND["fluidsynth", "piano"], reason="no FluidSynth here")
#: What keeps a rendering quick, and its sound dry.
DRY = {"synth": "csound", "instrument": "organ", "hall": None, "style": "plain"}


def chorale(*voices, **fields):
    """A chorale from voices written as lists of (pitch, steps)."""
    rows = [[pitch for pitch, steps in voice for _ in range(steps)] for voice in voices]
    return Chorale(np.array(rows), **fields)


# --- the temperament as it sounds --------------------------------------------


@ORGAN
@pytest.mark.parametrize("tonic", [0, "F"])
def test_the_organ_sounds_all_12_degrees_in_tune(tmp_path, tonic):
    sound.render(scale_piece(), tmp_path / "a.wav", **DRY, tonic=tonic)
    errors = cents_of_scale(tmp_path / "a.wav") - load_tuning().deviations(tonic)
    assert np.abs(errors).max() < 0.02


@PIANO
def test_the_calibrated_piano_sounds_all_12_degrees_in_tune_in_its_hall(tmp_path):
    sound.render(scale_piece(), tmp_path / "a.wav", synth="csound", style="plain", hall="room")
    errors = cents_of_scale(tmp_path / "a.wav") - load_tuning().deviations(0)
    assert np.abs(errors).max() < 0.3, "the room's echoes of the note before are in it"


@FLUIDSYNTH
def test_fluidsynth_differs_from_equal_by_the_temperament(tmp_path):
    """The SoundFont's own error is in both renderings, so that it drops out."""
    heard = {}
    for tuning in ("equal", "secor-victorian"):
        path = tmp_path / f"{tuning}.wav"
        options = {**DRY, "synth": "fluidsynth"}
        sound.render(scale_piece(), path, **options, tuning=tuning)
        heard[tuning] = cents_of_scale(path)
    away = heard["secor-victorian"] - heard["equal"]
    assert np.abs(away - load_tuning().deviations(0)).max() < 0.6
    assert np.ptp(away) > 7, "the temperament is there at all"


@ORGAN
def test_another_pitch_standard_and_a_wild_temperament_are_heard(tmp_path):
    meantone = [0, 76, 193.2, 310.3, 386.3, 503.4, 579.5, 696.6, 772.6, 889.7, 1006.8, 1082.9]
    tuning = Tuning("low", meantone)
    rendering = sound.render(
        scale_piece(), tmp_path / "a.wav", **DRY, tuning=tuning, reference=415.3
    )
    assert rendering.tuning == "low"
    errors = cents_of_scale(tmp_path / "a.wav", flat=415.3 / 440)
    errors -= tuning.at(415.3).deviations(0)
    assert np.abs(errors).max() < 0.05


@ORGAN
def test_adaptive_thirds_are_pure_in_the_sound(tmp_path):
    third = chorale([(69, 8)], [(65, 8)], tempo=60, tonic=5)
    ratios = {}
    for tuning in ("equal", "adaptive"):
        samples = sound.sound_of(third, **DRY, tuning=tuning)[4410:70000].mean(axis=1)
        low, high = (measured(samples, 44100, hz) for hz in (349.2, 440.0))
        ratios[tuning] = high / low
    assert ratios["adaptive"] == pytest.approx(1.25, rel=1e-5)
    assert ratios["equal"] == pytest.approx(2 ** (4 / 12), rel=1e-5)
    rendering = sound.render(third, tmp_path / "a.wav", **DRY, tuning="adaptive")
    assert rendering.tuning == "adaptive over secor-victorian"
    wanted = adapt(third).hz[:, 0]
    assert np.sort(rendering.performance.notes["hz"]).tolist() == np.sort(wanted).tolist()


@ORGAN
def test_an_unknown_tonic_is_mentioned(tmp_path):
    piece = Chorale(np.full((1, 4), 60), assumed=("tonic",))
    options = {**DRY, "force": True}
    # Its steps are as large, but for the last one to the octave.
    stretched = Tuning("stretched", np.arange(12) * 99.0)
    assert sound.render(piece, tmp_path / "a.wav", tuning=stretched, **options).warnings
    assert sound.render(piece, tmp_path / "a.wav", **options).warnings
    assert not sound.render(piece, tmp_path / "a.wav", tonic=5, **options).warnings
    assert not sound.render(piece, tmp_path / "a.wav", tuning="equal", **options).warnings


# --- length, level, silence, and who is heard when ---------------------------


@pytest.mark.parametrize(("synth", "instrument"), ENGINES)
def test_length_level_and_every_note(tmp_path, synth, instrument):
    piece = chorale([(72, 4), (0, 8), (74, 4)], [(55, 4), (0, 8), (50, 4)], tempo=120, tonic=7)
    style = Style(broaden=0, dynamics="even")
    rendering = sound.render(
        piece, tmp_path / "a.wav", synth=synth, instrument=instrument, hall=None, style=style
    )
    samples, rate = soundfile.read(tmp_path / "a.wav")
    assert (rendering.synth, rendering.instrument, rendering.tonic) == (synth, instrument, 7)
    seconds = 16 * 0.125 + 0.5 * 0.5 + TAIL  # 16 sixteenths, the last chord's hold, its tail
    assert samples.shape == (round(seconds * rate), 2)
    assert rendering.seconds == len(samples) / rate
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
    options = {"synth": synth, "instrument": instrument, "hall": None, "style": "plain"}
    powers = []
    for name, piece in (("alone", alone), ("crowd", crowd)):
        path = tmp_path / f"{name}.wav"
        sound.render(piece, path, level="peak:-6", **options)
        samples, rate = soundfile.read(path)
        window = samples[int(1.5 * rate) : int(3 * rate)]
        powers.append((window**2).mean() / (samples[: int(0.4 * rate)] ** 2).mean())
    # Twice as many voices at first: the part afterwards is a quarter as strong beside it.
    assert powers[1] / powers[0] == pytest.approx(0.25, rel=0.5)


@ORGAN
@pytest.mark.parametrize(("hall", "seconds"), [("none", 0.0), ("room", 1.0), ("church", 1.0)])
def test_a_hall_rings_on_and_the_dry_sound_stays_where_it_was(hall, seconds):
    piece = chorale([(60, 4)], tempo=60)
    dry, wet = (sound.sound_of(piece, **{**DRY, "hall": one}) for one in (None, hall))
    response = parse_hall(hall)
    assert len(wet) == len(dry) + (len(response.impulse) - 1 if response else 0)
    onset = [int(np.flatnonzero(np.abs(one).max(axis=1) > 0.02)[0]) for one in (dry, wet)]
    assert onset[0] == pytest.approx(onset[1], abs=20)
    after = np.sqrt((wet[len(dry) - 22050 : len(dry)] ** 2).mean())
    assert (after > 1e-5) == (hall == "church"), "a church is heard a second after the end"


@ORGAN
def test_voices_stand_from_left_to_right_and_as_loud_as_they_should():
    silence = [(0, 8)]
    sides = {}
    for row, pitch in ((0, 72), (3, 48)):
        voices = [[(pitch, 8)] if voice == row else silence for voice in range(4)]
        left, right = (sound.sound_of(chorale(*voices), **DRY) ** 2).mean(axis=0)
        sides[row] = left / right
    assert sides[0] > 2 > 0.5 > sides[3]
    pair = chorale([(72, 8)], [(48, 8)])
    placed = Style(stage=(0.0, 1.0), levels={"alto": -12}, dynamics="even", broaden=0)
    left, right = sound.sound_of(pair, **{**DRY, "style": placed}).T[:, 4410:40000]
    assert measured(left, 44100, 525.0) == pytest.approx(525, abs=3)
    assert measured(right, 44100, 131.0) == pytest.approx(131, abs=1)
    even = sound.sound_of(pair, **{**DRY, "style": Style(stage=(0.0, 1.0), dynamics="even")})
    quieter = (right**2).mean() / (left**2).mean()
    before = np.divide(*(even[4410:40000] ** 2).mean(axis=0)[::-1])
    assert 10 * np.log10(quieter / before) == pytest.approx(-12, abs=0.2)


@pytest.mark.skipif(not all(FOUND.values()), reason="not both synthesisers here")
def test_both_synthesisers_begin_notes_at_the_same_time(tmp_path):
    """Within 5 ms: each note starts after silence, so that its beginning is plain."""
    piece = chorale([(60, 1), (0, 3)] * 12, tempo=90)
    style = Style(dynamics="even", broaden=0, jitter=0.02)
    starts = {}
    for synth in ("csound", "fluidsynth"):
        made = sound.render(
            piece, tmp_path / f"{synth}.wav", synth=synth, instrument="piano", hall=None,
            style=style, seed=5, encoding="float",
        )  # fmt: skip
        samples = np.abs(soundfile.read(made.path)[0]).max(axis=1)
        found = []
        for second in made.performance.notes["start"]:
            first = max(0, int((second - 0.03) * 44100))
            window = samples[first : first + 8820]
            found.append((first + np.argmax(window > 0.1 * window.max())) / 44100)
        starts[synth] = np.array(found)
    assert np.abs(starts["csound"] - starts["fluidsynth"]).max() < 0.005
    assert np.abs(starts["csound"] - made.performance.notes["start"]).max() < 0.01


@ORGAN
@pytest.mark.parametrize(
    ("level", "key", "target", "within"),
    [
        ("peak:-6", "peak", -6, 0.1),
        ("lufs:-20", "loudness", -20, 0.2),
        ("lufs:-9", "loudness", -9, 0.2),
    ],
)
def test_levels_are_met_and_nothing_clips(tmp_path, level, key, target, within):
    piece = chorale([(72, 8), (74, 8)], [(60, 16)], [(55, 16)], [(48, 16)], tempo=120)
    made = sound.render(piece, tmp_path / "a.wav", **DRY, level=level)
    samples, _ = soundfile.read(made.path)
    assert np.abs(samples).max() < 1
    assert getattr(made, key) == pytest.approx(target, abs=within)
    assert not made.warnings
    if key == "loudness":
        assert made.true_peak <= -0.9
        import pyloudnorm

        heard = pyloudnorm.Meter(44100).integrated_loudness(samples)
        assert heard == pytest.approx(target, abs=0.2)


# --- the same again, files, parts --------------------------------------------


@ORGAN
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_every_kind_of_file_is_the_same_again_and_says_what_it_is(tmp_path, suffix):
    piece = chorale([(60, 8)], title="Ein Ton")
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        made = sound.render(piece, path, **{**DRY, "style": CALM.loosened()}, seed=7)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    samples, rate = soundfile.read(paths[0])
    assert len(samples) / rate == pytest.approx(made.seconds, abs=0.1)
    assert measured(samples[8820:70000, 0], rate, 261.6) == pytest.approx(262.431, abs=0.05)
    with soundfile.SoundFile(paths[0]) as file:
        assert file.title == "Ein Ton"
        assert "tuning=secor-victorian on C" in file.comment and "seed=7" in file.comment


@ORGAN
def test_another_seed_another_workers_number_and_no_child(tmp_path):
    rows = np.random.default_rng(3).integers(50, 80, (4, 96))
    piece = Chorale(rows, tempo=100)

    def bytes_of(**options):
        made = sound.render(piece, tmp_path / "a.wav", **{**DRY, **options}, force=True)
        return made.path.read_bytes()

    first = bytes_of()
    assert bytes_of(workers=1) == first
    assert bytes_of(isolate=False) == first
    loose = {"style": PLAIN.loosened()}
    assert bytes_of(**loose, seed=1) != bytes_of(**loose, seed=2)


@ORGAN
def test_a_performance_is_rendered_as_it_is(tmp_path):
    piece = chorale([(60, 4), (62, 4)], [(48, 8)], title="Two")
    performance, tempered = sound.perform_tempered(piece, tuning="vallotti", tonic="G")
    assert (tempered.tuning, tempered.tonic) == ("vallotti", 7)
    whole = sound.sound_of(piece, tuning="vallotti", tonic="G", instrument="organ", hall=None)
    assert np.array_equal(sound.sound_of(performance, instrument="organ", hall=None), whole)
    with pytest.raises(ChoraleError, match="tempo"):
        sound.sound_of(performance, instrument="organ", tempo=60)


@ORGAN
def test_a_bare_array_sounds_in_the_key_that_is_found_for_it(tmp_path):
    grid = np.array([[67] * 4 + [66] * 4 + [67] * 8, [62] * 16, [59] * 4 + [60] * 4 + [59] * 8])
    grid = np.concatenate([grid, [[55] * 4 + [50] * 4 + [43] * 8]])
    made = sound.render(grid, tmp_path / "a.wav", **DRY)
    assert (made.tonic, made.warnings) == (7, ())
    piece = Chorale(grid, tonic=7, mode="major", sharps=1)
    assert np.array_equal(soundfile.read(made.path)[0], sound_read(piece, tmp_path))


@ORGAN
def test_a_keyboard_mapping_and_a_pitch_standard_are_heard_and_told(tmp_path):
    kbm = tmp_path / "low-d.kbm"
    # Degree 0 on D, and the key A4 at 415 Hz.
    kbm.write_text("\n".join(["0", "0", "127", "62", "69", "415.0", "12"]))
    tuned = {"tuning": "vallotti", "keyboard": kbm}
    made = sound.render(scale_piece(), tmp_path / "a.wav", **DRY, **tuned)
    assert (made.tonic, made.reference) == (2, 415.0) and made.told.endswith(", A4 = 415 Hz")
    errors = cents_of_scale(made.path, flat=415 / 440)
    errors -= load_tuning("vallotti", reference=415).deviations("D")
    assert np.abs(errors).max() < 0.05
    with soundfile.SoundFile(made.path) as file:
        assert "reference=415;" in file.comment
    _, tempered = sound.perform_tempered(scale_piece(), tuning="vallotti")
    assert tempered.reference == pytest.approx(440) and "A4" not in tempered.told
    _, tempered = sound.perform_tempered(scale_piece(), tuning="adaptive", reference="C4=256")
    assert tempered.told.endswith(f", A4 = {tempered.reference:.5g} Hz")


@FLUIDSYNTH
def test_fluidsynth_cannot_play_adaptive_intonation_and_csound_is_named(tmp_path):
    piece = next(piece for piece in load_corpus("demo") if piece.bwv == "180.7")
    options = {"synth": "fluidsynth", "instrument": "piano", "tuning": "adaptive"}
    with pytest.raises(ChoraleError, match=r"12 notes to the octave.*render it with Csound"):
        sound.render(crop(piece, (0, 32)), tmp_path / "a.wav", **options)
    assert list(tmp_path.iterdir()) == []


def comment_of(made):
    with soundfile.SoundFile(made.path) as file:
        return file.comment


@ORGAN
def test_a_seed_is_told_only_where_something_was_drawn_by_it(tmp_path):
    piece, loose = chorale([(60, 8)]), {**DRY, "style": CALM.loosened(), "force": True}
    made = sound.render(piece, tmp_path / "a.wav", **{**DRY, "seed": 7})
    assert made.seed is None and "seed" not in comment_of(made)
    made = sound.render(piece, tmp_path / "a.wav", **loose)
    assert made.seed == 1 and "seed=1" in comment_of(made)
    drawn = sound.render(made.performance, tmp_path / "b.wav", instrument="organ", hall=None)
    assert drawn.seed is None and "seed" not in comment_of(drawn)
    with pytest.raises(ChoraleError, match="seed: counts only with a chorale"):
        sound.render(made.performance, tmp_path / "c.wav", instrument="organ", seed=0)


@ORGAN
def test_ones_own_tags_are_written(tmp_path):
    tags = {"artist": "A choir", "take": 3, "tuning": None, "places": np.array([1, 2])}
    made = sound.render(chorale([(60, 8)]), tmp_path / "a.flac", **DRY, tags=tags)
    assert "take=3; places=[1 2]" in comment_of(made) and "tuning" not in comment_of(made)
    assert soundfile.SoundFile(made.path).artist == "A choir"


@ORGAN
def test_silence_is_cut_off_as_far_down_as_asked_for(tmp_path):
    piece = chorale([(0, 8), (60, 8), (0, 8)], tempo=60)
    options = {**DRY, "hall": "church", "force": True}
    lengths = [
        sound.render(piece, tmp_path / "a.wav", **options, trim=trim).seconds
        for trim in (False, -100, -40, -20)
    ]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) == 4


@ORGAN
def test_a_walk_rises_in_the_spans_that_are_named(tmp_path):
    piece = chorale([(pitch, 1) for pitch in range(60, 76)])
    options = {**DRY, "style": "original", "force": True}
    for spans, inside in (([(0, 16)], 16), ([(0, 4)], 4), ([], 0)):
        made = sound.render(piece, tmp_path / "a.wav", **options, spans=spans)
        assert made.performance.walk.challenging == pytest.approx(inside, abs=1)


@ORGAN
def test_steps_are_found_in_a_file_whose_beginning_was_trimmed(tmp_path):
    piece = chorale([(0, 8), (60, 4), (64, 4)], tempo=60)
    made = sound.render(piece, tmp_path / "a.wav", **DRY, trim=True)
    assert made.trimmed[0] == pytest.approx(2, abs=0.02)
    assert made.second_of([0, 8, 12, 14]).tolist() == pytest.approx([-2, 0, 1, 1.5], abs=0.02)
    assert made.step_at(0) == pytest.approx(8, abs=0.1)
    steps = np.linspace(8.1, 15, 9)
    assert made.step_at(made.second_of(steps)) == pytest.approx(steps)
    samples, rate = soundfile.read(made.path)
    for step, hz in ((9, 262.4), (13, 329.6)):
        first = int(made.second_of(step) * rate)
        assert measured(samples[first : first + 22050, 0], rate, hz) == pytest.approx(hz, rel=0.01)
    end = min(made.seconds, float(made.second_of(16)))
    assert made.step_at(end) == pytest.approx(16, abs=0.2)
    for second in (-0.1, end + 0.1, np.nan, "soon"):
        with pytest.raises(ChoraleError, match="second: expected"):
            made.step_at(second)
    whole = sound.render(piece, tmp_path / "b.wav", **DRY)
    assert whole.step_at(whole.second_of(16)) == 16
    assert whole.step_at(0) == 0 and whole.second_of(8) == whole.performance.second_of(8)


@ORGAN
def test_an_array_of_sound_tells_its_warnings():
    piece = Chorale(np.full((1, 8), 60), assumed=("tonic",))
    with pytest.warns(UserWarning, match="the tonic is unknown") as told:
        samples = sound.sound_of(piece, **DRY)
    assert told[0].filename == __file__
    assert samples.dtype == np.float32
    assert len(np.unique(samples)) > 2000, "it isn't brought to 16 bits"


def sound_read(piece, folder):
    return soundfile.read(sound.render(piece, folder / "b.wav", **DRY).path)[0]


@ORGAN
def test_samples_of_ones_own_play_and_are_counted(tmp_path):
    for name, hz in (("C3", 130.813), ("C4", 261.626), ("C5", 523.251)):
        sine(tmp_path / "own" / f"{name}.wav", hz, rate=48000)
    piece = chorale([(60, 8), (64, 8)], tempo=60)
    made = sound.render(
        piece, tmp_path / "a.wav", samples=tmp_path / "own", hall=None, tuning="equal"
    )
    samples, rate = soundfile.read(made.path)
    # As exact as the sine was written down, to a thousandth of a hertz.
    assert measured(samples[4410:60000, 0], rate, 261.6) == pytest.approx(261.6256, rel=1e-5)
    assert made.instrument == "samples" and made.samples.used.tolist() == [0, 2, 0]
    assert "C3.wav" in str(made.samples) and made.soundfont is None
    with pytest.raises(ChoraleError, match="instrument 'samples'"):
        sound.render(piece, tmp_path / "b.wav", samples=tmp_path / "own", instrument="organ")
    with pytest.raises(ChoraleError, match="FluidSynth can't play"):
        sound.render(piece, tmp_path / "b.wav", samples=tmp_path / "own", synth="fluidsynth")


@ORGAN
def test_recordings_that_ring_on_are_heard_to_their_end(tmp_path):
    sine(tmp_path / "own" / "C4.wav", 261.626, seconds=9)
    piece = chorale([(60, 4)], tempo=60)
    own = open_samples(tmp_path / "own", release=4)
    long = sound.render(piece, tmp_path / "a.wav", samples=own, hall=None, style="plain")
    assert long.seconds == pytest.approx(1 + 4, abs=0.05)
    assert np.abs(soundfile.read(long.path)[0][-44100:-22050]).max() > 1e-5


@ORGAN
def test_a_shift_that_nothing_can_play_is_told(tmp_path):
    piece, shifted = chorale([(60, 4)]), Style(shift=3)
    made = sound.render(piece, tmp_path / "a.wav", **{**DRY, "style": shifted})
    assert any("shift isn't heard" in line for line in made.warnings)
    assert not sound.render(piece, tmp_path / "b.wav", **DRY).warnings


@ORGAN
def test_progress_is_told_to_the_end():
    told, begun = [], []
    piece = chorale([(60, 32), (62, 32)] * 2, tempo=60)
    sound.sound_of(piece, **DRY, on_start=begun.append, on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) > 1
    assert begun[0].seconds == pytest.approx(32 + TAIL)


# --- what is refused, and that nothing is left behind ------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (".", {}, "ends in"),
        ("a.ogg", {}, r"ends in \.wav, \.flac, \.mp3"),
        ("a.wav", {"synth": "timidity"}, "expected csound or fluidsynth"),
        ("a.wav", {"instrument": "kazoo"}, "expected piano, organ"),
        ("a.wav", {"level": "loud"}, "peak:-1"),
        ("a.wav", {"level": "peak:3"}, "peak"),
        ("a.wav", {"level": "peak:nan"}, "peak"),
        ("a.wav", {"hall": "cellar"}, "room, chamber, hall, church"),
        ("a.wav", {"hall": "nowhere.wav"}, "nowhere.wav"),
        ("a.wav", {"style": "wild"}, "plain, calm or original"),
        ("a.wav", {"tempo": 0}, "tempo: expected a number from 5 to 1000, got 0"),
        ("a.wav", {"tempo": float("nan")}, "tempo"),
        ("a.wav", {"tempo": ((0, 60), (999, 60))}, "999"),
        ("a.wav", {"tuning": "nowhere"}, "no such tuning"),
        ("a.wav", {"tonic": 12}, "tonic"),
        ("a.wav", {"tonic": "H#"}, "tonic"),
        ("a.wav", {"limit": 10}, "adaptive"),
        ("a.wav", {"tuning": "adaptive", "limit": -1}, "limit"),
        ("a.wav", {"reference": 4}, "reference"),
        ("a.wav", {"encoding": "8"}, "encoding"),
        ("a.mp3", {"encoding": "24"}, "encoding"),
        ("a.wav", {"samples": "nowhere"}, "nowhere"),
        ("a.wav", {"seed": -1, "style": "original"}, "seed"),
        ("a.wav", {"seed": "7"}, "seed: expected a whole number, 0 or more, got '7'"),
        ("a.wav", {"encoding": 24}, "encoding of a .wav file: expected"),
        ("a.wav", {"trim": "yes"}, "trim: true, false, or what is silence in dB: .*got 'yes'"),
        ("a.wav", {"trim": -10}, "trim: .*from -120 to -20, got -10"),
        ("a.wav", {"trim": float("nan")}, "trim"),
        ("a.wav", {"tags": "x"}, "tags: expected values by name, as .*, got 'x'"),
        ("a.wav", {"tags": {1: "x"}}, "tags: expected values by name"),
        ("a.wav", {"isolate": "maybe", "synth": "fluidsynth"}, "isolate: expected true or false"),
        ("a.wav", {"workers": 1.5}, "workers: expected a whole number, 1 to 256"),
        ("a.wav", {"spans": [(0, 4)]}, "spans: counts only with dynamics='walk'"),
        ("a.wav", {"keyboard": "none.kbm"}, "none.kbm"),
        ("a.wav", {"workers": 0, "instrument": "organ"}, "workers"),
        ("a.wav", {"soundfont": "nowhere.sf2"}, "nowhere.sf2"),
    ],
)
@ORGAN
def test_bad_options_write_nothing(tmp_path, name, options, message):
    begun = []
    with pytest.raises(ChoraleError, match=message) as caught:
        sound.render(scale_piece(), tmp_path / name, **options, on_start=begun.append)
    assert "\n" not in str(caught.value)
    assert not begun and list(tmp_path.iterdir()) == []


@ORGAN
@pytest.mark.parametrize(
    ("music", "message"),
    [
        (Chorale(np.zeros((4, 8), int)), "only rests"),
        (Chorale(np.full((65, 4), 60)), "65 voices: expected at most 64"),
        (np.zeros((4, 8), int), "only rests"),
        (np.full((4, 8), 200), "200"),
        (np.full(8, 60), "shape"),
        (np.full((2, 8), 60.5), "60.5"),
        (None, "expected a chorale, an array or a performance"),
        ("bwv:373", "expected a chorale, an array or a performance"),
    ],
)
def test_music_that_cannot_be_rendered(tmp_path, music, message):
    with pytest.raises(ChoraleError, match=message):
        sound.render(music, tmp_path / "a.wav", **DRY)
    assert list(tmp_path.iterdir()) == []


@ORGAN
def test_sixty_four_voices_sound(tmp_path):
    piece = Chorale(np.tile(np.arange(40, 72).repeat(2)[:, None], (1, 4)), tempo=120)
    made = sound.render(piece, tmp_path / "a.wav", **DRY)
    assert len(made.performance.notes) == 64 and made.peak == pytest.approx(-1, abs=0.01)


@ORGAN
def test_three_hours_are_refused_where_there_is_no_room(tmp_path, monkeypatch):
    piece = Chorale(np.full((1, 4000), 60), tempo=5.5)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**9})())
    with pytest.raises(ChoraleError, match=r"GB are needed, 1\.0 GB are free"):
        sound.render(piece, tmp_path / "a.wav", **DRY)
    assert list(tmp_path.iterdir()) == []


@ORGAN
def test_room_is_needed_for_the_file_and_for_what_is_temporary_at_once(tmp_path, monkeypatch):
    """Each of them would fit on a disk where both don't."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    piece = chorale([(60, 64)], tempo=60)
    seconds = sound.perform_tempered(piece, style="plain")[0].seconds
    size, scratch = size_of(seconds, ".wav"), scratch_size(seconds)
    for free, fits in ((size + scratch, True), (size + scratch - 1, False)):
        usage = type("Usage", (), {"free": free})()
        monkeypatch.setattr("shutil.disk_usage", lambda path, usage=usage: usage)
        if fits:
            assert sound.render(piece, tmp_path / "new" / "a.wav", **DRY).path.exists()
            continue
        with pytest.raises(ChoraleError, match="are free"):
            sound.render(piece, tmp_path / "new" / "b.wav", **DRY)
        assert not (tmp_path / "new" / "b.wav").exists()


@pytest.mark.parametrize(("synth", "instrument"), ENGINES[1:3])
def test_a_limit_on_files_is_told_as_what_it_is(tmp_path, synth, instrument):
    """As a full disk: no SoundFont is suspected, and nothing is left."""
    code = (
        "import numpy as np; from coconet.render import render\n"
        f"render(np.full((4, 64), 60), {str(tmp_path / 'a.wav')!r}, synth={synth!r},"
        f" instrument={instrument!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000)),
    )  # fmt: skip
    complaint = done.stderr.splitlines()[-1]
    assert "ChoraleError" in complaint and "TMPDIR" in complaint and "damaged" not in complaint
    assert list(tmp_path.iterdir()) == []


@ORGAN
def test_an_existing_file_is_only_replaced_by_force(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("precious")
    with pytest.raises(ChoraleError, match="already exists"):
        sound.render(chorale([(60, 4)]), path, **DRY)
    with pytest.raises(ChoraleError, match="only rests"):
        sound.render(chorale([(0, 4)]), path, force=True, **DRY)
    assert path.read_text() == "precious"
    sound.render(chorale([(60, 4)]), path, force=True, **DRY)
    assert soundfile.info(path).frames > 0


@ORGAN
@given(
    st.integers(1, 6), st.integers(1, 24), st.integers(0, 2**32 - 1), st.floats(40, 300)
)  # fmt: skip
@settings(max_examples=6)
def test_any_grid_becomes_as_many_seconds_as_its_performance_has(voices, steps, seed, tempo):
    grid = np.random.default_rng(seed).integers(30, 90, (voices, steps))
    piece = Chorale(grid, tempo=tempo)
    begun = []
    samples = sound.sound_of(piece, **{**DRY, "style": CALM}, on_start=begun.append)
    assert len(samples) == round(begun[0].seconds * 44100)
    assert np.isfinite(samples).all()
    for start, end in begun[0].spans:
        assert np.abs(samples[int(start * 44100) : int(end * 44100) + 1]).max() > 1e-4


def test_only_one_module_loads_ctcsound():
    code = (
        "import sys, coconet.render, coconet.render.audio, coconet.render.csound,"
        " coconet.render.fluidsynth, coconet.render.bands; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ctcsound" not in done.stdout.split()
