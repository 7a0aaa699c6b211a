"""FluidSynth through midi2audio, made safe, in the same temperament.

The temperament is sent as one message of the MIDI Tuning Standard (the scale
and octave tuning of MIDI 1.0's addendum CA-021, one-byte form): whole cents
from equal for each pitch class. FluidSynth itself floors pitches to whole
cents, so nothing finer would be heard. Its own way of failing is quiet: a
missing font is replaced by another, a truncated MIDI gives no sound, and the
exit code is 0. So everything is checked before and after.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

import mido
import numpy as np
from midi2audio import FluidSynth

from coconet.errors import ChoraleError
from coconet.render.audio import SAMPLE_RATE, check_sound, fit_length, read_sound, scratch_folder
from coconet.render.performance import Performance
from coconet.render.soundfonts import SoundFont, install_command

#: General MIDI programs of the instruments.
PROGRAMS = {"piano": 0, "organ": 19}
#: Channel 10 (9 from 0) plays drums.
CHANNELS = tuple(channel for channel in range(16) if channel != 9)
#: Ticks of a tenth of a millisecond.
TICKS_PER_BEAT, MICROSECONDS_PER_BEAT = 5000, 500_000
TICKS_PER_SECOND = TICKS_PER_BEAT * 1_000_000 // MICROSECONDS_PER_BEAT
#: Sixteen voices stay within full scale, and float sound is levelled afterwards.
GAIN = 0.5
#: Seconds that FluidSynth may take: for itself, and for each second of sound.
PATIENCE = (300.0, 10.0)


@functools.cache
def fluidsynth_version() -> str:
    """The version of the program, such as '2.3.1'; raises ChoraleError without it."""
    program = shutil.which("fluidsynth")
    if program is None:
        raise ChoraleError(f"FluidSynth is missing: {install_command('fluidsynth')}")
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChoraleError(f"{program}: FluidSynth doesn't run ({error})") from error
    match = re.search(r"version (\d+(?:\.\d+)*)", done.stdout)
    return match[1] if match else "unknown"


class SafeFluidSynth(FluidSynth):
    """midi2audio's FluidSynth that fails loudly, without reverb and chorus.

    Its parent ignores the exit code and plays another font where one is
    missing; chorus would put the temperament out by 1.7 cents.
    """

    def __init__(self, sound_font: Path | str, sample_rate: int = SAMPLE_RATE) -> None:
        fluidsynth_version()
        super().__init__(str(sound_font), sample_rate)

    def midi_to_audio(self, midi_file: Path | str, audio_file: Path | str) -> None:
        """Render a MIDI file to a float WAV.

        Raises ChoraleError for a missing font or MIDI file, and where
        FluidSynth fails, complains, takes forever or writes nothing.
        """
        for file, kind in ((self.sound_font, "SoundFont"), (midi_file, "MIDI file")):
            if not Path(file).is_file():
                raise ChoraleError(f"{file}: no such {kind}")
        with mido.MidiFile(midi_file) as midi:
            patience = PATIENCE[0] + PATIENCE[1] * midi.length
        sound = Path(audio_file)
        sound.unlink(missing_ok=True)
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", str(GAIN)]
        command += ["-O", "float", "-T", "wav", "-F", str(sound), "-r", str(self.sample_rate)]
        command += [self.sound_font, str(midi_file)]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=patience,
            )
        except subprocess.TimeoutExpired as error:
            raise ChoraleError(f"FluidSynth didn't finish within {patience:.0f} s") from error
        complaints = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        if done.returncode != 0 or complaints or not sound.exists():
            sound.unlink(missing_ok=True)
            if done.returncode < 0:
                reason = f"crashed (signal {-done.returncode}); is the SoundFont damaged?"
            else:
                reason = (complaints or done.stderr.splitlines() or ["it gave no reason"])[0]
            raise ChoraleError(f"FluidSynth, {self.sound_font}: {reason.strip()}")


def render_fluidsynth(
    performance: Performance, *, instrument: str = "piano", soundfont: SoundFont | None = None
) -> np.ndarray:
    """Sound of a performance.

    Each voice has a channel of its own, since on a shared one unisons cut each
    other off. More than 15 voices are rendered in groups, and added.

    Parameters
    ----------
    instrument : 'piano' or 'organ', of the General MIDI set
    soundfont : .sf2 or .sf3

    Returns
    -------
    float32 array, shape=(frames, 2), at `SAMPLE_RATE`, before levelling

    Raises
    ------
    ChoraleError
        Without FluidSynth or a font, and where FluidSynth fails.
    """
    if instrument not in PROGRAMS:
        raise ChoraleError(f"instrument {instrument!r}: expected one of {', '.join(PROGRAMS)}")
    fluidsynth_version()
    if soundfont is None:
        raise ChoraleError(f"FluidSynth needs a SoundFont: {install_command('fluid-soundfont-gm')}")
    engine, name = SafeFluidSynth(soundfont.path), f"FluidSynth, {soundfont.path}"
    groups = np.array_split(np.arange(performance.voices), -(-performance.voices // len(CHANNELS)))
    total = np.zeros((round(performance.seconds * SAMPLE_RATE), 2), np.float32)
    for voices in groups:
        if not np.isin(performance.notes["voice"], voices).any():
            continue
        with scratch_folder() as folder:
            midi, sound = folder / "performance.mid", folder / "sound.wav"
            midi_of(performance, program=PROGRAMS[instrument], voices=voices).save(midi)
            engine.midi_to_audio(midi, sound)
            samples, _ = read_sound(sound)
        samples = samples[: len(total)]  # FluidSynth goes on for two seconds more
        check_sound(samples, performance.seconds, name=name)
        total += fit_length(samples, performance.seconds)
    check_sound(total, performance.seconds, name=name, spans=performance.spans)
    return total


def midi_of(
    performance: Performance, *, program: int = 0, voices: np.ndarray | None = None
) -> mido.MidiFile:
    """A performance as a MIDI file for a synthesiser: timed in seconds, tempered, panned.

    Parameters
    ----------
    program : General MIDI program, 0-127
    voices : at most 15 rows; all of them by default

    Raises
    ------
    ChoraleError
        For a temperament of more than 12 pitch classes.
    """
    rows = np.arange(performance.voices) if voices is None else np.asarray(voices)
    keys, cents = octave_tuning(performance.notes["hz"])
    channels = dict(zip(rows.tolist(), CHANNELS, strict=False))
    end = round(performance.seconds * TICKS_PER_SECOND)
    # At one tick: set-up first, then notes that end, then notes that begin.
    timed = [(0, 0, mido.MetaMessage("set_tempo", tempo=MICROSECONDS_PER_BEAT))]
    timed.append((0, 0, octave_message(cents)))
    for channel in channels.values():
        timed.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
    for note, key in zip(performance.notes, keys.tolist(), strict=True):
        if int(note["voice"]) not in channels:
            continue
        channel = channels[int(note["voice"])]
        start = round(note["start"] * TICKS_PER_SECOND)
        stop = max(start + 1, round((note["start"] + note["duration"]) * TICKS_PER_SECOND))
        pan = round(float(note["pan"]) * 127)
        velocity = int(note["velocity"])
        timed += [
            (start, 2, mido.Message("control_change", channel=channel, control=10, value=pan)),
            (start, 3, mido.Message("note_on", channel=channel, note=key, velocity=velocity)),
            (stop, 1, mido.Message("note_off", channel=channel, note=key)),
        ]
    timed.append((end, 4, mido.MetaMessage("end_of_track")))
    track = mido.MidiTrack()
    now = 0
    for tick, _, message in sorted(timed, key=lambda item: item[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    return mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track])


def octave_tuning(hz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The MIDI keys nearest to some frequencies, and one deviation a pitch class.

    Parameters
    ----------
    hz : float array, shape=(notes,)

    Returns
    -------
    keys : int array, shape=(notes,)
    cents : float array, shape=(12,), cents from equal for C, C# … B; 0 where unused

    Raises
    ------
    ChoraleError
        Where one pitch class needs two deviations, or a key lies outside MIDI's.
    """
    pitches = 69 + 12 * np.log2(hz / 440)
    keys = np.rint(pitches).astype(int)
    if ((keys < 0) | (keys > 127)).any():
        raise ChoraleError("FluidSynth: a frequency lies outside MIDI's keys 0-127")
    away = 100 * (pitches - keys)
    cents = np.zeros(12)
    for degree in np.unique(keys % 12):
        found = away[keys % 12 == degree]
        if np.ptp(found) > 1:
            raise ChoraleError(
                "FluidSynth can tune 12 notes to the octave, and this performance needs more: "
                "render it with Csound"
            )
        cents[degree] = found.mean()
    return keys, cents


def octave_message(cents: np.ndarray) -> mido.Message:
    """The real-time octave tuning message, one-byte form: 64 + whole cents, C to B."""
    head = [0x7F, 0x7F, 0x08, 0x08, 0x03, 0x7F, 0x7F]
    return mido.Message("sysex", data=head + [64 + round(float(value)) for value in cents])
