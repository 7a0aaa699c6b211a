"""Csound's instruments, judged by measuring their sound; and its ways to fail."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pitch_error import cents_of_keyboard, keyboard, measured
from recordings import notes_of as recorded
from recordings import performance_of

from coconet.errors import ChoraleError
from coconet.render import children, csound, csound_process, soundfonts
from coconet.render.bands import csound_band
from coconet.render.csound import KSMPS, csound_version, play_csound, run_csound, sample_keys
from coconet.render.events import NOTE, Performance
from coconet.render.instruments import INSTRUMENTS, parse_parts
from coconet.render.tape import SAMPLE_RATE
from coconet.tuning import equal_frequencies, load_tuning

try:
    csound_version()
    CSOUND, FONT = True, soundfonts.find_soundfont()
except ChoraleError:
    CSOUND = FONT = None
HERE = pytest.mark.skipif(not CSOUND, reason="no Csound here")
PIANO = pytest.mark.skipif(FONT is None, reason="no Csound or SoundFont here")
HZ = equal_frequencies()
SYNTHESISED = [name for name, one in INSTRUMENTS.items() if not one.needs]
NAMES = [
    pytest.param("piano", marks=PIANO),
    *(pytest.param(name, marks=HERE) for name in SYNTHESISED),
]
SOUNDS = [
    pytest.param(f"{name}:{variant}" if variant else name, marks=PIANO if one.needs else HERE)
    for name, one in INSTRUMENTS.items()
    if one.needs != "samples"
    for variant in [word for word, _ in one.variants] or [""]
]


def notes_of(*rows):
    """Notes from dicts: 'key' is needed, the rest has values that make one note."""
    notes = np.zeros(len(rows), NOTE)
    for note, row in zip(notes, rows, strict=True):
        row = {"duration": 0.5, "velocity": 80, "pan": 0.5, "hz": HZ[row["key"]]} | row
        for name, value in row.items():
            note[name] = value
    return notes


def performed(*rows, seconds=1.0, voices=1):
    return Performance(notes_of(*rows), seconds, voices)


def sound_of(name, *rows, seconds=1.0, voices=1, isolate=False):
    band = csound_band(name, voices=voices, soundfont=FONT)
    return play_csound(performed(*rows, seconds=seconds, voices=voices), band, isolate=isolate)


def decibels(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=float))) + 1e-12)


def brightness(samples):
    """The centre of gravity of the spectrum, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples.mean(axis=1) * np.hanning(len(samples)))) ** 2
    return (spectrum * np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)).sum() / spectrum.sum()


# --- pitch ---------------------------------------------------------------------


@pytest.mark.parametrize("name", SOUNDS)
def test_notes_from_c2_to_c6_are_within_a_twentieth_of_a_cent(name):
    performance = keyboard(load_tuning("secor-victorian").frequencies(5), range(36, 85, 12))
    band = csound_band(name, voices=1, soundfont=FONT)
    errors = cents_of_keyboard(play_csound(performance, band, isolate=False), performance)
    assert np.abs(errors).max() < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_a_glide_moves_the_pitch_evenly_and_arrives(name):
    row = {"key": 60, "duration": 2.2, "glide": -300, "glide_time": 1.0}
    mono = sound_of(name, row, seconds=3).mean(axis=1)
    before, middle, after = (
        mono[int(first * SAMPLE_RATE) : int(last * SAMPLE_RATE)]
        for first, last in ((0.1, 1.15), (1.68, 1.72), (2.2, 2.26))
    )
    assert 1200 * np.log2(measured(before, SAMPLE_RATE, HZ[60]) / HZ[60]) == pytest.approx(
        0, abs=0.5
    )
    flat = 2 ** (-150 / 1200)
    assert 1200 * np.log2(measured(middle, SAMPLE_RATE, HZ[60] * flat) / HZ[60]) == pytest.approx(
        -150, abs=15
    )
    low = 2 ** (-300 / 1200)
    assert 1200 * np.log2(measured(after, SAMPLE_RATE, HZ[60] * low) / HZ[60]) == pytest.approx(
        -300, abs=15
    )


@PIANO
def test_a_shifted_sample_keeps_the_pitch_and_changes_the_colour():
    spectra, hz = [], HZ[55]
    for shift in (-5, 0, 5):
        samples = sound_of("piano:plain", {"key": 55, "duration": 0.9, "shift": shift}, seconds=1.5)
        mono = samples.mean(axis=1)[int(0.05 * SAMPLE_RATE) : int(0.85 * SAMPLE_RATE)]
        assert abs(1200 * np.log2(measured(mono, SAMPLE_RATE, hz) / hz)) < 1.5
        spectra.append(brightness(samples))
    assert np.ptp(spectra) > 10
    notes = notes_of({"key": 55}, {"key": 107, "shift": 5}, {"key": 22, "shift": -9})
    assert sample_keys(notes["hz"], notes["shift"]).tolist() == [55, 108, 21]


@pytest.mark.parametrize("name", SYNTHESISED)
@HERE
def test_high_notes_do_not_fold_back(name):
    """All that isn't near a harmonic of C7 is far below the note: nothing is mirrored at 22 kHz."""
    samples = sound_of(name, {"key": 96, "duration": 2}, seconds=2.5)
    mono = samples.mean(axis=1)[SAMPLE_RATE // 2 : 2 * SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(mono * np.blackman(len(mono))))
    order = np.fft.rfftfreq(len(mono), 1 / SAMPLE_RATE) / (HZ[96] / 2)
    between = (np.abs(order - np.rint(order)) * HZ[96] / 2 > 150) & (order > 1)
    assert 20 * np.log10(spectrum[between].max() / spectrum.max()) < -65


@pytest.mark.parametrize("key", [1, 20, 127])
@pytest.mark.parametrize("name", NAMES)
def test_the_lowest_and_the_highest_keys_sound(name, key):
    samples = sound_of(name, {"key": key, "velocity": 110})
    assert np.isfinite(samples).all() and np.abs(samples).max() > 1e-3
    assert np.abs(samples.mean(axis=0)).max() < 0.01, "no constant offset"


# --- time ----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_two_renderings_are_the_same_bytes_in_a_child_and_here(name):
    rows = [{"key": 60}, {"key": 64, "start": 0.1, "pan": 0.2}, {"key": 60, "start": 0.55}]
    first = sound_of(name, *rows, seconds=1.5, isolate=True)
    assert first.dtype == np.float32 and first.shape == (round(1.5 * SAMPLE_RATE), 2)
    assert np.array_equal(first, sound_of(name, *rows, seconds=1.5))


@pytest.mark.parametrize("name", NAMES)
def test_a_note_sounds_the_same_wherever_it_stands(name):
    """So that a piece may be cut into parts: nothing runs on from note to note."""
    rows = [{"key": 55, "start": 0.1234, "glide": 30, "glide_time": 0.2}, {"key": 62, "start": 0.4}]
    blocks = 441 * 3
    later = [row | {"start": row["start"] + blocks * KSMPS / SAMPLE_RATE} for row in rows]
    early = {"key": 67, "start": 0.0, "duration": 0.1}
    alone = sound_of(name, *rows, seconds=1.5)
    after = sound_of(name, early, *later, seconds=3.5)[blocks * KSMPS :][: len(alone)]
    assert np.array_equal(after, alone)


@pytest.mark.parametrize("name", NAMES)
def test_a_note_begins_on_its_very_frame(name):
    """Wherever in Csound's block that is: later by a frame, the same sound by a frame."""
    first = sound_of(name, {"key": 60, "duration": 0.2}, seconds=0.6)
    peak = np.abs(first).max()
    # What moves by the block, such as the drift of players, differs a little.
    for late in (1, 33, 63):
        row = {"key": 60, "duration": 0.2, "start": late / SAMPLE_RATE}
        moved = sound_of(name, row, seconds=0.6)
        assert np.abs(moved[late:] - first[:-late]).max() < 0.04 * peak, late
        attack = slice(0, 400)
        step = np.abs(np.diff(moved[late:][attack], axis=0)).max()
        assert step < 1.2 * np.abs(np.diff(first[attack], axis=0)).max(), late


@pytest.mark.parametrize("seconds", [0.9, 1.0, 1.00001, 1.23456])
@HERE
def test_the_length_is_exact(seconds):
    assert len(sound_of("organ", {"key": 60}, seconds=seconds)) == round(seconds * SAMPLE_RATE)


@pytest.mark.parametrize("name", NAMES)
def test_notes_begin_within_a_millisecond_and_end_in_silence_without_a_click(name):
    start, held = 0.12345, 0.4
    row = {"key": 57, "start": start, "duration": held, "velocity": 110}
    samples = sound_of(name, row, seconds=2).mean(axis=1)
    sounding = np.flatnonzero(samples)
    assert abs(sounding[0] / SAMPLE_RATE - start) < 1e-3
    ring = INSTRUMENTS[name].ring
    assert sounding[-1] / SAMPLE_RATE <= start + held + ring + 1e-3
    end = int((start + held) * SAMPLE_RATE)
    peak = np.abs(samples).max()
    # At its end a note goes on as it was: no step is larger than within the note.
    steps = np.abs(np.diff(samples))
    assert steps[end - 20 : end + 200].max() <= steps[end - 4000 : end - 20].max() * 1.5
    assert np.abs(samples[sounding[-1] - 20 :]).max() < 2e-3 * peak


@pytest.mark.parametrize("name", NAMES)
def test_very_short_notes_sound_and_end(name):
    samples = sound_of(name, {"key": 60, "duration": 0.004}, {"key": 60, "start": 0.5}, seconds=1.5)
    assert np.abs(samples[: SAMPLE_RATE // 20]).max() > 0
    assert np.isfinite(samples).all()


# --- loudness ------------------------------------------------------------------


def chord(velocity):
    keys, pans = (48, 55, 64, 72), (0.7, 0.57, 0.43, 0.3)
    return [
        {"key": key, "voice": voice, "pan": pan, "duration": 1.0, "velocity": velocity}
        for voice, (key, pan) in enumerate(zip(keys, pans, strict=True))
    ]


@PIANO
def test_instruments_are_about_equally_loud():
    levels = {
        part.values[0]: decibels(sound_of(part.values[0], *chord(80), seconds=1, voices=4))
        for part in SOUNDS
    }
    assert max(levels.values()) - min(levels.values()) < 3, levels


@pytest.mark.parametrize("name", NAMES)
def test_level_velocity_and_pan_do_what_they_say(name):
    plain = sound_of(name, {"key": 60})
    louder = sound_of(name, {"key": 60, "level": 6.0})
    assert louder == pytest.approx(plain * 10 ** (6 / 20), abs=1e-5)
    strong = sound_of(name, {"key": 60, "velocity": 110})
    assert decibels(strong) > decibels(plain) + 0.5
    left, right = np.abs(sound_of(name, {"key": 60, "pan": 0.0})).max(axis=0)
    assert right < 1e-6 < 1e-2 < left


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("piano", marks=PIANO),
        *(pytest.param(n, marks=HERE) for n in ("strings", "clavichord")),
    ],
)
def test_soft_notes_are_darker(name):
    soft, loud = (sound_of(name, {"key": 60, "velocity": velocity}) for velocity in (40, 110))
    assert brightness(loud) > 1.15 * brightness(soft)


@HERE
def test_each_voice_plays_its_instrument():
    rows = [{"key": 60, "voice": 0}, {"key": 48, "voice": 1}]
    both = sound_of("choir,organ:reeds", *rows, voices=2)
    apart = sound_of("choir", rows[0]) + sound_of("organ:reeds", rows[1] | {"voice": 0})
    assert both == pytest.approx(apart, abs=1e-6)


# --- what goes wrong -----------------------------------------------------------


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize(
    ("orchestra", "score"),
    [
        ("instr 1\n out oscil(1)\nendin", "i 1 0 1"),
        ("instr 2\nendin", "i 1 0 1"),
        ('instr 1\n a1 soundin "no.wav"\nendin', "i 1 0 1"),
        ('giFont sfload "none.sf2"', "f 0 1"),
        ("instr 1\nendin", 'i "organ" 0 1'),
    ],
)
@HERE
def test_csounds_quiet_failures_are_heard(orchestra, score, isolate):
    with pytest.raises(ChoraleError, match="Csound: ") as caught:
        run_csound(orchestra, score, 1.0, isolate=isolate)
    assert "\n" not in str(caught.value)


@HERE
def test_a_folder_may_be_called_error(tmp_path, monkeypatch):
    folder = tmp_path / "an error: it failed"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert np.abs(sound_of("organ", {"key": 60})).max() > 0.01
    assert not list(folder.iterdir())


@HERE
def test_a_silent_note_is_told(monkeypatch):
    text = csound.orchestra_of(csound_band("organ", voices=1))
    text = text.replace("aPipes *= aShape", "aPipes *= 0")
    monkeypatch.setattr(csound, "orchestra_of", lambda band: text)
    with pytest.raises(ChoraleError, match="silent"):
        sound_of("organ", {"key": 60})


def child_of(monkeypatch, tmp_path, code):
    """Another program in the place of the one that runs Csound."""
    file = tmp_path / "child.py"
    file.write_text(code)
    monkeypatch.setattr(csound_process, "__file__", str(file))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"crashed \(signal 11\)$"),
        ("import time; time.sleep(60)", "not finished within 0 s"),
        ("raise SystemExit(1)", "it gave no reason"),
        ("print('PortAudio error: no device')", "PortAudio error"),
        ("print('10 errors in performance')", "10 errors in performance"),
        ("print('0 errors in performance')", "no sound was written"),
        ("", "no sound was written"),
    ],
)
def test_a_child_that_fails_is_told(monkeypatch, tmp_path, code, message):
    child_of(monkeypatch, tmp_path, code)
    if "sleep" in code:
        monkeypatch.setattr(children, "PATIENCE", (0.3, 0.0))
    with pytest.raises(ChoraleError, match=message):
        run_csound("", "", 1.0)


@HERE
@pytest.mark.parametrize(("needs", "suspected"), [("soundfont", True), ("", False)])
def test_a_crash_blames_a_font_only_where_one_plays(monkeypatch, tmp_path, needs, suspected):
    child_of(monkeypatch, tmp_path, "import os; os.abort()")
    font = soundfonts.SoundFont(tmp_path / "a.sf2", 2)
    band = csound.Band(parse_parts("piano", 1), font) if needs else csound_band("organ", voices=1)
    with pytest.raises(ChoraleError, match=r"crashed \(signal 6\)") as caught:
        play_csound(performed({"key": 60}), band)
    assert str(caught.value).endswith("is the SoundFont damaged?") == suspected


@pytest.mark.parametrize("checked", [True, False])
@HERE
def test_sound_that_ends_too_soon_is_told(monkeypatch, checked):
    run = csound.run_csound
    monkeypatch.setattr(csound, "run_csound", lambda *args, **more: run(*args, **more)[:11025])
    with pytest.raises(ChoraleError, match=r"expected \d\.\d\d s of sound, got 0\.25 s"):
        play_csound(performed({"key": 60}), csound_band("organ", voices=1), checked=checked)


def performed_in_a_thread(sound, stop=None):
    """Whether Csound went on to the end: elsewhere, since it changes how its thread counts."""
    with ThreadPoolExecutor(1) as pool:
        job = "instr 1\nendin", "f 0 1", str(sound), stop
        return pool.submit(csound_process.perform, *job).result()[0]


@pytest.mark.parametrize(("returned", "whole"), [([0, 0, 1], True), ([0, -1], False)])
@HERE
def test_an_error_while_csound_plays_is_no_success(monkeypatch, tmp_path, returned, whole):
    import ctcsound

    answers = iter(returned)
    monkeypatch.setattr(ctcsound.Csound, "performBuffer", lambda self: next(answers))
    assert performed_in_a_thread(tmp_path / "sound.raw") == whole


@HERE
def test_csound_that_is_stopped_did_not_end(tmp_path):
    stop = threading.Event()
    stop.set()
    assert not performed_in_a_thread(tmp_path / "sound.raw", stop)
    assert performed_in_a_thread(tmp_path / "sound.raw", threading.Event())


@HERE
def test_csound_here_ends_with_its_household():
    """As where another part of the piece fails."""
    band, household = csound_band("strings", voices=1), children.Household()
    long = performed({"key": 60, "duration": 90000.0}, seconds=90000.0)
    score = "\n".join(csound.score_of(long, band))
    timer = threading.Timer(0.5, household.end)
    begin = time.monotonic()
    timer.start()
    with household.entered(), pytest.raises(ChoraleError, match="Csound: "):
        run_csound(csound.orchestra_of(band), score, 1.0, isolate=False)
    timer.join()
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": ()}, "expected a tuple of Parts"),
        ({"parts": "organ"}, "expected a tuple of Parts, got 'organ'"),
        ({"parts": ("organ",)}, "expected a tuple of Parts"),
        ({"parts": parse_parts("piano", 1)}, "Csound's piano needs a SoundFont"),
        ({"parts": parse_parts("samples", 1)}, "samples=open_samples"),
        ({"samples": "folder"}, "got 'folder'"),
        ({"soundfont": "a.sf2"}, r"from open_soundfont\(FILE\), got 'a.sf2'"),
        ({"soundfont": soundfonts.SoundFont(Path("a.sf3"), 3)}, "compressed samples"),
        ({"errors": np.zeros(128)}, r"of shape \(128, 2\), got \(128,\)"),
        ({"errors": np.full((128, 2), np.nan)}, "expected finite numbers"),
        ({"errors": [0.0]}, "expected a float array"),
    ],
)
def test_a_band_of_ones_own_is_checked(changes, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        csound.Band(**({"parts": parse_parts("organ", 1)} | changes))
    assert "\n" not in str(caught.value)


@HERE
def test_after_many_runs_here_csound_runs_in_children(monkeypatch):
    """Csound crashes after hundreds of runs in one process."""
    runs = []
    run_child = csound.run_child
    monkeypatch.setattr(csound, "run_child", lambda *a, **k: runs.append(a) or run_child(*a, **k))
    monkeypatch.setattr(csound, "_runs_here", itertools.count(csound.MOST_HERE - 1))
    band = csound_band("organ", voices=1)
    performance = performance_of(recorded([(60, 80)]))
    here, there = (play_csound(performance, band, isolate=False) for _ in range(2))
    assert len(runs) == 1 and np.array_equal(here, there)


@HERE
def test_ctrl_c_is_heard_while_csound_runs_here(monkeypatch):
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    band = csound_band("strings", voices=1)
    long = performed({"key": 60, "duration": 90000.0}, seconds=90000.0)
    score = "\n".join(csound.score_of(long, band))
    begin = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_csound(csound.orchestra_of(band), score, 1.0, isolate=False)
    finally:
        timer.cancel()
    assert time.monotonic() - begin < 20


@HERE
def test_csound_here_leaves_the_smallest_numbers_as_they_are():
    sound_of("organ", {"key": 60})
    assert np.float64(5e-324) * 1.0 > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voices": 2}, "the band has 1 parts, the performance 2 voices"),
        ({"notes": notes_of({"key": 60, "voice": 1})}, "the band has 1 parts"),
    ],
)
@HERE
def test_a_band_of_another_piece_is_refused(change, message):
    performance = replace(performed({"key": 60}), **change)
    with pytest.raises(ChoraleError, match=message):
        play_csound(performance, csound_band("organ", voices=1))


@HERE
def test_nothing_to_play_is_silence():
    samples = play_csound(Performance(np.zeros(0, NOTE), 0.5, 1), csound_band("organ", voices=1))
    assert samples.shape == (22050, 2) and not samples.any()


@pytest.mark.parametrize(
    ("instrument", "options", "message"),
    [
        ("piano", {}, "Csound's piano needs a SoundFont"),
        ("samples", {}, "samples=open_samples"),
        ("samples", {"samples": "folder"}, "got 'folder'"),
        ("piano", {"soundfont": soundfonts.SoundFont(Path("a.sf3"), 3)}, "compressed samples"),
        ("piano", {"soundfont": soundfonts.SoundFont(Path('a"b.sf2'), 2)}, "can't read a path"),
        ("piano", {"soundfont": soundfonts.SoundFont(Path("a$b.sf2"), 2)}, "can't read a path"),
        ("piano", {"soundfont": "/none/a.sf2"}, "can't be read"),
        ("kazoo", {}, "expected piano"),
    ],
)
def test_a_band_that_lacks_something_is_refused(instrument, options, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        csound_band(instrument, voices=1, **options)
    assert "\n" not in str(caught.value)


def test_an_organ_needs_no_font():
    band = csound_band("organ:flutes,choir", voices=2, soundfont="/none/a.sf2")
    assert (band.soundfont, band.samples, str(band)) == (None, None, "organ:flutes, choir")
    assert band.names == ("choir", "organ") and band.ring == INSTRUMENTS["choir"].ring


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("libraries", OSError("libcsnd6.so: cannot open"), "--no-install-recommends libcsnd-dev"),
        ("binding", ModuleNotFoundError("No module named 'ctcsound'"), "pip install ctcsound"),
    ],
)
def test_a_missing_library_names_its_package(monkeypatch, function, error, message):
    def fail():
        raise error

    monkeypatch.setattr(csound_process, "binding", lambda: Path("site-packages"))
    monkeypatch.setattr(csound_process, function, fail)
    monkeypatch.setattr(soundfonts.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    csound_version.cache_clear()
    try:
        with pytest.raises(ChoraleError, match=message):
            csound_version()
    finally:
        csound_version.cache_clear()


def test_a_missing_binding_is_found_missing(monkeypatch):
    monkeypatch.setattr(csound_process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="ctcsound"):
        csound_process.binding()


@HERE
def test_the_version_is_told_without_the_binding_and_is_the_bindings():
    code = (
        "from coconet.render.csound import csound_version; import sys; "
        "print(csound_version(), 'ctcsound' in sys.modules); "
        "import ctcsound; print(ctcsound.libcsound.csoundGetVersion())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, loaded, thousands = done.stdout.split()
    assert loaded == "False"
    assert version == f"{int(thousands) // 1000}.{int(thousands) // 10 % 100:02d}"


def test_the_child_imports_nothing_of_the_package():
    code = f"import runpy, sys; runpy.run_path({csound_process.__file__!r}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not {"coconet", "numpy", "ctcsound"} & loaded


def test_the_header_says_what_the_package_says():
    header = (csound.FOLDER / "header.orc").read_text()
    assert f"\nsr = {SAMPLE_RATE}\nksmps = {KSMPS}\nnchnls = 2\n0dbfs = 1\n" in header
