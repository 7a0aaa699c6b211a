"""A performance on MIDI channels: tempered, panned, bent, in as many passes as it takes.

What a MIDI channel says of pan and bend holds for all that sounds on it, dying notes
too. So the notes of a voice are spread over **lanes**, as many as it takes for each note
to keep its own: mostly one. A lane becomes a channel, 15 lanes make a **pass**, and the
sound of all passes is added.

Conventions
-----------
FluidSynth acts on messages once a **block** of 64 frames, and knows the time in whole
milliseconds. So times are rounded to blocks here, and a message gets the millisecond in
which its block begins: notes start within 0.73 ms of their time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import mido
import numpy as np

from coconet.errors import ChoraleError
from coconet.render.events import Performance
from coconet.render.tape import SAMPLE_RATE

#: Channel 10 (9 from 0) plays drums.
MELODIC = tuple(channel for channel in range(16) if channel != 9)
#: Frames between which nothing changes.
SYNTH_BLOCK = 64
#: Of a block: a time this near to the middle between two counts as the middle.
TIE = 1e-4
#: Cents: frequencies are no truer than this.
EXACT = 1e-6
#: A tick is a millisecond.
TICKS_PER_BEAT, MICROSECONDS_PER_BEAT = 500, 500_000
#: Seconds after a note's end in which a change of pan or bend would still be heard.
LINGER = 1.0
#: A glide moves in steps of about so many cents, no quicker than the blocks.
GLIDE_STEP = 4.0
#: Levels go into the velocity by up to half of so many dB, and else into a pass's level.
LEVEL_STEP = 12.0
#: Bends from -8192 to 8191 stand for the whole range either way.
BENDS = 1 << 13
#: Cents of each semitone of the range: FluidSynth takes 127/128 of them, as measured.
REACH = 100 * 127 / 128
#: The largest range in semitones that MIDI can set; glides stay a semitone within it.
WIDEST = 126
#: At one tick: set-up, notes that end, pans and bends, notes that begin, glides, the end.
SET_UP, OFF, PLACE, ON, GLIDE, END = range(6)


@dataclass(frozen=True, eq=False)
class Pass:
    """Some notes of a performance as a MIDI file.

    Attributes
    ----------
    midi : one track, a tick a millisecond, as long as the performance
    rows : int array: which of the performance's notes it holds
    keys, velocities : int arrays: MIDI's, of those notes
    level : dB by which its sound is to be raised before it is added to that of others
    """

    midi: mido.MidiFile
    rows: np.ndarray
    keys: np.ndarray
    velocities: np.ndarray
    level: float


@dataclass
class _Lane:
    """Notes of one voice that may share a channel.

    level : of its pass; pan : MIDI's, of the latest note
    free : when all has died away; unbent : when the latest glide has; in seconds
    """

    voice: int
    level: float
    pan: int
    free: float = 0.0
    unbent: float = 0.0
    rows: list[int] = field(default_factory=list)


def midi_passes(performance: Performance, *, programs: Sequence[int]) -> list[Pass]:
    """A performance as MIDI files, each of at most 15 melodic channels.

    A note that is struck again in its voice while it sounds ends there. A note's level
    multiplies its velocity by 10^(level/40), as SoundFonts have it; what is beyond
    ±6 dB, or would take it above 127, is left to the level of its pass.

    Parameters
    ----------
    programs : General MIDI program of each voice, 0-127

    Raises
    ------
    ChoraleError
        For a temperament of more than 12 pitch classes, and for a key or a glide that
        leaves MIDI's range.
    """
    notes = performance.notes
    keys, cents = octave_tuning(notes["hz"])
    cents = _whole_cents(cents)
    events = _Events(performance, keys, 100 * keys + cents[keys % 12])
    passes = []
    lanes = events.lanes()
    for level in sorted({lane.level for lane in lanes}):
        alike = [lane for lane in lanes if lane.level == level]
        for first in range(0, len(alike), len(MELODIC)):
            some = alike[first : first + len(MELODIC)]
            timed = [(0, SET_UP, mido.MetaMessage("set_tempo", tempo=MICROSECONDS_PER_BEAT))]
            timed.append((0, SET_UP, octave_message(cents)))
            for channel, lane in zip(MELODIC, some, strict=False):
                timed += events.messages(lane, channel, programs[lane.voice])
            last = max(tick for tick, _, _ in timed)
            end = max(last, math.ceil(performance.seconds * 1000))
            timed.append((end, END, mido.MetaMessage("end_of_track")))
            rows = np.sort(np.concatenate([lane.rows for lane in some]))
            midi = _midi_file(timed)
            passes.append(Pass(midi, rows, keys[rows], events.velocities[rows], level))
    return passes


class _Events:
    """The notes of a performance as MIDI has them: arrays, shape=(notes,).

    keys : MIDI's; pitches : whole cents above key 0, as they will sound
    begin, end : blocks
    """

    def __init__(self, performance: Performance, keys: np.ndarray, pitches: np.ndarray) -> None:
        self.notes = notes = performance.notes
        self.keys = keys
        self.begin, self.end = _blocks(notes, keys)
        self.pans = np.clip(np.rint(notes["pan"] * 128), 0, 127).astype(int)
        loudness = notes["level"] + 40 * np.log10(notes["velocity"] / 127)
        steps = np.maximum(np.rint(notes["level"] / LEVEL_STEP), np.ceil(loudness / LEVEL_STEP))
        self.levels = LEVEL_STEP * steps
        factors = 10 ** ((notes["level"] - self.levels) / 40)
        self.velocities = np.clip(np.rint(notes["velocity"] * factors), 1, 127).astype(int)
        moving = (notes["glide"] != 0) & (notes["glide_time"] > 0)
        goals = _whole_cents(_cents(notes["hz"]) + notes["glide"])
        self.glides = np.where(moving, goals - pitches, 0)
        if np.abs(self.glides).max(initial=0) >= REACH * WIDEST:
            raise ChoraleError(f"FluidSynth: a glide beyond {WIDEST} semitones; MIDI has none")

    def lanes(self) -> list[_Lane]:
        """The notes spread over lanes; voices from the top, the busiest lane of each first."""
        notes = self.notes
        found: dict[tuple[int, float], list[_Lane]] = {}
        order = np.argsort(notes["start"], kind="stable")
        for row in order.tolist():
            start, voice = float(notes["start"][row]), int(notes["voice"][row])
            level, pan = float(self.levels[row]), int(self.pans[row])
            lanes = found.setdefault((voice, level), [])
            lane = next((lane for lane in lanes if self._fits(row, start, lane)), None)
            if lane is None:
                lane = _Lane(voice, level, pan)
                lanes.append(lane)
            dead = start + float(notes["duration"][row]) + LINGER
            lane.pan = pan
            lane.free = max(lane.free, dead)
            if self.glides[row]:
                lane.unbent = dead
            lane.rows.append(row)
        return [lane for _, lanes in sorted(found.items()) for lane in lanes]

    def _fits(self, row: int, start: float, lane: _Lane) -> bool:
        """Whether a note can join a lane without being heard in its other notes."""
        if start >= lane.free:
            return True
        together = takewhile(lambda other: self.begin[other] == self.begin[row], lane.rows[::-1])
        twice = any(self.keys[other] == self.keys[row] for other in together)
        still = not self.glides[row] and start >= lane.unbent
        return still and self.pans[row] == lane.pan and not twice

    def messages(self, lane: _Lane, channel: int, program: int) -> list[tuple]:
        """What one lane plays: (tick, rank at the tick, message)."""
        control = mido.Message("control_change", channel=channel)
        timed = [(0, SET_UP, mido.Message("program_change", channel=channel, program=program))]
        semitones = int(np.abs(self.glides[lane.rows]).max() / REACH) + 1
        if self.glides[lane.rows].any():  # registered parameter 0: the range of bends
            for number, value in ((101, 0), (100, 0), (6, semitones), (38, 0)):
                timed.append((0, SET_UP, control.copy(control=number, value=value)))
        pan, bent = None, False
        for row in lane.rows:
            key, begin, end = int(self.keys[row]), int(self.begin[row]), int(self.end[row])
            if self.pans[row] != pan:
                pan = int(self.pans[row])
                timed.append((_tick(begin), PLACE, control.copy(control=10, value=pan)))
            if bent:
                timed.append((_tick(begin), PLACE, mido.Message("pitchwheel", channel=channel)))
            strike = mido.Message(
                "note_on", channel=channel, note=key, velocity=int(self.velocities[row])
            )
            timed.append((_tick(begin), ON, strike))
            timed.append((_tick(end), OFF, mido.Message("note_off", channel=channel, note=key)))
            bent = bool(self.glides[row])
            for block, bend in self._glide(row, semitones) if bent else ():
                message = mido.Message("pitchwheel", channel=channel, pitch=bend)
                timed.append((_tick(block), GLIDE, message))
        return timed

    def _glide(self, row: int, semitones: int) -> list[tuple[int, int]]:
        """Blocks and bends of a glide: evenly in cents, at its goal when the note ends."""
        note, cents, end = self.notes[row], int(self.glides[row]), int(self.end[row])
        blocks = min(
            float(note["glide_time"]) * SAMPLE_RATE / SYNTH_BLOCK, end - int(self.begin[row])
        )
        count = max(1, min(math.ceil(abs(cents) / GLIDE_STEP), int(blocks)))
        share = np.arange(1, count + 1) / count
        # Each step is centred on the time at which its pitch is due.
        at = np.floor(end - blocks * (1 - share + 0.5 / count)).astype(int)
        # Upwards, since FluidSynth rounds what isn't a whole cent downwards.
        bends = np.ceil(np.rint(share * cents) * BENDS / (REACH * semitones)).astype(int)
        return list(zip(at.tolist(), bends.tolist(), strict=True))


def _blocks(notes: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First block of each note, and the one in which it ends, later by at least one.

    A key that is struck anew would be cut short by the end of the note before, so that
    one ends then.
    """
    begin, end = _nearest_block(notes["start"]), _nearest_block(notes["start"] + notes["duration"])
    end = np.maximum(begin + 1, end)
    blocks = end.max(initial=0) + 1
    strikes = (notes["voice"].astype(int) * 128 + keys) * blocks + begin
    known = np.append(np.unique(strikes), np.iinfo(int).max)
    after = known[np.searchsorted(known, strikes, side="right")]
    again = after // blocks == strikes // blocks
    return begin, np.where(again, np.minimum(end, after % blocks), end)


def _nearest_block(seconds: np.ndarray) -> np.ndarray:
    """Halves go up, and what misses them by a rounding error: chunks and the whole agree."""
    return np.floor(seconds * (SAMPLE_RATE / SYNTH_BLOCK) + 0.5 + TIE).astype(int)


def _tick(block: int) -> int:
    """The whole millisecond that FluidSynth's clock shows at a block."""
    return block * SYNTH_BLOCK * 1000 // SAMPLE_RATE


def _midi_file(timed: list[tuple]) -> mido.MidiFile:
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(timed, key=lambda item: item[:2]):
        message.time = tick - now
        track.append(message)
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
    pitches = _cents(hz) / 100
    # Halves go up, and what misses them by a rounding error, alike in every octave.
    keys = np.floor(pitches + 0.5 + EXACT / 100).astype(int)
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


def octave_message(cents: Sequence[float]) -> mido.Message:
    """The real-time octave tuning message, one-byte form: 64 + whole cents, C to B."""
    head = [0x7F, 0x7F, 0x08, 0x08, 0x03, 0x7F, 0x7F]
    return mido.Message("sysex", data=head + [64 + round(float(value)) for value in cents])


def _whole_cents(cents: np.ndarray) -> np.ndarray:
    """Halves go to the even cent, and what misses them by a rounding error: octaves agree."""
    return np.rint(np.rint(cents / EXACT) * EXACT).astype(int)


def _cents(hz: np.ndarray) -> np.ndarray:
    """Cents above MIDI's key 0."""
    return 6900 + 1200 * np.log2(hz / 440)
