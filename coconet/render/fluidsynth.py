"""FluidSynth through midi2audio, made safe, in the same temperament.

The temperament is sent as one message of the MIDI Tuning Standard (the scale
and octave tuning of MIDI 1.0's addendum CA-021, one-byte form): whole cents
from equal for each pitch class. FluidSynth itself floors pitches to whole
cents, so nothing finer would be heard. Its own way of failing is quiet: a
missing font or program is replaced by another, a truncated MIDI gives no
sound, and the exit code is 0. So everything is checked before and after.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
from midi2audio import FluidSynth

from coconet.checks import number
from coconet.errors import ChoraleError
from coconet.render.audio import read_sound, scratch_folder
from coconet.render.channels import SYNTH_BLOCK, Pass, midi_passes
from coconet.render.children import patience_for, run_child
from coconet.render.chunks import check_chunk
from coconet.render.events import Performance
from coconet.render.instruments import DEFAULT_INSTRUMENT, INSTRUMENTS, parse_parts
from coconet.render.presets import Presets
from coconet.render.soundfonts import SoundFont, install_command
from coconet.render.tape import CHANNELS, SAMPLE_RATE, SCRATCH_FULL, scratch_writing

#: What FluidSynth is told at the time 0 sounds so many frames later.
DELAY = SYNTH_BLOCK
#: Sixteen voices stay within full scale, and float sound is levelled afterwards.
GAIN = 0.5
#: Seconds after its end in which a note is heard: so long the slowest instrument of
#: FluidR3, the choir, takes to fall below -100 dBFS. The piano takes 0.7 s.
RING = 2.5


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
    missing; chorus would put the temperament out by 1.7 cents. A user's own
    FluidSynth configuration isn't read: it could change anything.
    """

    def __init__(
        self, sound_font: Path | str, sample_rate: int = SAMPLE_RATE, *, gain: float = GAIN
    ) -> None:
        fluidsynth_version()
        super().__init__(str(sound_font), sample_rate)
        self.gain = number(gain, "gain", 0.01, 10)

    def midi_to_audio(
        self, midi_file: Path | str, audio_file: Path | str, *, seconds: float | None = None
    ) -> None:
        """Render a MIDI file to a float WAV.

        seconds : its length, which tells how long this may take; by default it is read

        Raises ChoraleError for a missing font, a missing or broken MIDI file,
        and where FluidSynth doesn't start, fails, complains, takes forever or writes nothing.
        """
        for file, kind in ((self.sound_font, "SoundFont"), (midi_file, "MIDI file")):
            if not Path(file).is_file():
                raise ChoraleError(f"{file}: no such {kind}")
        patience = patience_for(_length_of(midi_file) if seconds is None else seconds)
        # As absolute paths: a name that begins with a dash would be an option.
        font, midi, sound = (
            Path(file).absolute() for file in (self.sound_font, midi_file, audio_file)
        )
        sound.unlink(missing_ok=True)
        command = ["fluidsynth", "-ni", "-q", "-f", os.devnull, "-R", "0", "-C", "0"]
        command += ["-g", str(self.gain), "-z", "4096", "-o", "synth.polyphony=1024"]
        # Only the programs that are played are loaded: 0.1 s saved of a large font.
        command += ["-o", "synth.dynamic-sample-loading=1"]
        command += ["-O", "float", "-T", "wav", "-F", str(sound), "-r", str(self.sample_rate)]
        command += [str(font), str(midi)]
        try:
            done = run_child(command, patience=patience)
        except subprocess.TimeoutExpired as error:
            raise ChoraleError(f"FluidSynth didn't finish within {patience:.0f} s") from error
        except OSError as error:
            raise ChoraleError(
                f"FluidSynth can't be started ({error.strerror or error})"
            ) from error
        complaints = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        if done.returncode != 0 or complaints or not sound.exists():
            sound.unlink(missing_ok=True)
            # Negative codes, like this signal, are POSIX's: no other system looks it up.
            if done.returncode < 0 and done.returncode == -signal.SIGXFSZ:
                reason = f"a limit on the size of files (ulimit -f) ended it; {SCRATCH_FULL}"
            elif done.returncode < 0:
                reason = f"crashed (signal {-done.returncode}); is the SoundFont damaged?"
            else:
                reason = (complaints or done.stderr.splitlines() or ["it gave no reason"])[0]
            raise ChoraleError(f"FluidSynth, {self.sound_font}: {reason.strip()}")


def _length_of(midi_file: Path | str) -> float:
    """Seconds of a MIDI file; ChoraleError where it is none."""
    try:
        return mido.MidiFile(midi_file).length
    except (OSError, EOFError, ValueError, LookupError, TypeError, OverflowError) as error:
        reason = str(error) or "it ends too soon"
        raise ChoraleError(f"{midi_file}: can't be read as MIDI ({reason})") from error


def play_fluidsynth(
    performance: Performance,
    *,
    instruments: object = DEFAULT_INSTRUMENT,
    soundfont: SoundFont | None,
    gain: float = GAIN,
) -> np.ndarray:
    """Sound of a performance: an engine for `chunks.play_into`.

    Each voice has channels of its own, since on a shared one unisons cut each other off.
    A note that is struck again while it sounds ends there. Levels move the velocity, so
    that a SoundFont's timbre may change with them by as much as 6 dB would. Sample
    shifts have no counterpart in FluidSynth and are passed over.

    Parameters
    ----------
    instruments : such as 'organ' or 'choir,strings,strings,organ': what
        `instruments.parse_parts` reads, without variants
    soundfont : .sf2 or .sf3, which must have those programs
    gain : FluidSynth's own, 0.01-10

    Returns
    -------
    float32 array, shape=(frames, 2), at `SAMPLE_RATE`, before levelling

    Raises
    ------
    ChoraleError
        Without FluidSynth, a font, or a program in it; for a temperament of more than
        12 pitch classes; where FluidSynth fails or a note is silent.
    """
    fluidsynth_version()
    if soundfont is None:
        raise ChoraleError(f"FluidSynth needs a SoundFont: {install_command('fluid-soundfont-gm')}")
    chosen = programs_of(instruments, performance.voices)
    font = Presets(soundfont)
    check_programs(font, chosen)
    name = f"FluidSynth, {soundfont.path}"
    engine = SafeFluidSynth(soundfont.path, gain=gain)
    total = np.zeros((round(performance.seconds * SAMPLE_RATE), CHANNELS), np.float32)
    for run in midi_passes(performance, programs=chosen):
        check_keys(font, run, np.array(chosen)[performance.notes["voice"][run.rows]])
        with scratch_folder() as folder:
            midi, sound = folder / "performance.mid", folder / "sound.wav"
            with scratch_writing(folder):
                run.midi.save(midi)
            engine.midi_to_audio(midi, sound, seconds=performance.seconds)
            samples, _ = read_sound(sound)
        samples = samples[DELAY:][: len(total)]  # FluidSynth goes on for two seconds more
        if len(samples) < len(total):
            raise ChoraleError(
                f"{name}: expected {performance.seconds:.2f} s of sound, "
                f"got {len(samples) / SAMPLE_RATE:.2f} s"
            )
        own = performance.notes[run.rows]
        own["velocity"], own["level"] = run.velocities, 0.0  # as loud as this pass has them
        check_chunk(samples, Performance(own, performance.seconds, performance.voices), name=name)
        total += samples * np.float32(10 ** (run.level / 20))
    return total


def programs_of(instruments: object, voices: int) -> list[int]:
    """General MIDI programs, 0-127, one a voice.

    Raises ChoraleError for what `instruments.parse_parts` refuses, for a variant, and for
    an instrument that only Csound has.
    """
    parts = parse_parts(instruments, voices)
    for part in parts:
        if part.instrument.program is None:
            raise ChoraleError(f"FluidSynth can't play {part}: render it with Csound")
        if part.variant:
            raise ChoraleError(
                f"FluidSynth has no {part}, only {part.instrument.name}: choose that, or render "
                "it with Csound"
            )
    return [part.instrument.program for part in parts]


def check_programs(font: Presets, programs: Sequence[int]) -> None:
    """Check that a SoundFont has some General MIDI programs.

    FluidSynth plays another one without a word where one is missing, mostly the piano.
    """
    names = {known.program: known.name for known in INSTRUMENTS.values()}
    for program in programs:
        if (0, program) not in font.names:
            there = [name for number, name in names.items() if (0, number) in font.names]
            choices = f"choose {' or '.join(there)}, or another font" if there else "use another"
            raise ChoraleError(
                f"{font.path}: has no {names.get(program, 'instrument')} (General MIDI program "
                f"{program + 1}); {choices}: {install_command('fluid-soundfont-gm')}"
            )


def check_keys(font: Presets, run: Pass, programs: np.ndarray) -> None:
    """Check that a SoundFont sounds each note of a pass, among others too.

    programs : int array: General MIDI program of each note
    """
    for program in np.unique(programs):
        own = np.flatnonzero(programs == program)
        heard = font.sounding(int(program))[run.keys[own], run.velocities[own]]
        for note in own[~heard][:1]:
            raise ChoraleError(
                f"{font.path}: {font.names[0, int(program)]}: key {run.keys[note]} at velocity "
                f"{run.velocities[note]} is silent in this SoundFont; transpose the piece, or use "
                f"another: {install_command('fluid-soundfont-gm')}"
            )
