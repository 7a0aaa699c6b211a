"""Standard MIDI Files, in and out.

One track a voice, 480 ticks a quarter. What MIDI has no event for is written
so that other programs show something sensible and this one gets it back:

- an upbeat is a first bar with a short time signature of its own;
- a fermata is a marker on the last step of its chord;
- length in steps (closing rests!), tonic, mode and BWV number stand in a text
  event that begins with "coconet:".
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import mido

from coconet.chorale import Chorale, bar_steps, parse_time_signature
from coconet.errors import ChoraleError
from coconet.files import atomic_path
from coconet.grid import STEPS_PER_QUARTER, notes_of, voice_name
from coconet.streams import Note, Signatures
from coconet.voicing import Part, RawPiece

TICKS_PER_QUARTER = 480
TICKS_PER_STEP = TICKS_PER_QUARTER // STEPS_PER_QUARTER
VELOCITY = 80
DRUMS = 9
#: Names of the 15 major key signatures in MIDI, from seven flats to seven sharps.
MAJOR = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
MINOR = tuple(
    f"{name}m"
    for name in ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
)
FERMATA = "fermata"
SIGNATURE = "coconet:"
#: MIDI's own tempo where a file sets none.
DEFAULT_TEMPO = 120.0
#: No chorale comes near it; a larger file is a mistake or an attack.
MAX_BYTES = 16_000_000


class _Event(NamedTuple):
    tick: int
    message: mido.Message | mido.MetaMessage


def write_midi(chorale: Chorale, path: Path | str, *, force: bool = False) -> Path:
    """Write a chorale as a MIDI file of type 1 and return its path.

    Raises ChoraleError where the file exists (unless `force`) or can't be
    written; nothing half-written stays behind.
    """
    with atomic_path(Path(path), force=force) as temporary:
        midi_of(chorale).save(temporary)
    return Path(path)


def midi_of(chorale: Chorale) -> mido.MidiFile:
    """A chorale as a MIDI file in memory: a track of facts, then one a voice."""
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER, charset="utf-8")
    end = chorale.steps * TICKS_PER_STEP
    file.tracks.append(_track(_facts(chorale), end))
    for row, notes in enumerate(notes_of(chorale.grid, chorale.onsets)):
        # Quartets share channels two to sixteen apart at most; drums are left out.
        channel = [c for c in range(16) if c != DRUMS][row % 15]
        events = [_Event(0, mido.MetaMessage("track_name", name=voice_name(row).capitalize()))]
        for start, stop, pitch in notes:
            for kind, step in (("note_on", start), ("note_off", stop)):
                velocity = VELOCITY if kind == "note_on" else 0
                message = mido.Message(kind, note=pitch, velocity=velocity, channel=channel)
                events.append(_Event(step * TICKS_PER_STEP, message))
        file.tracks.append(_track(events, end))
    return file


def read_midi(data: bytes, *, name: str = "MIDI") -> RawPiece:
    """The notes and facts of a MIDI file, before they are dealt to voices.

    A part is what one track plays on one channel; drums are left out.

    Raises
    ------
    ChoraleError
        For data that is empty, truncated, not MIDI, in SMPTE time, of type 2,
        or without notes.
    """
    file = _parse(data, name)
    tracks = [_timed(track) for track in file.tracks]
    facts = sorted(
        (event for track in tracks for event in track if event.message.is_meta),
        key=lambda event: event.tick,
    )
    remarks: list[str] = []
    quarter = file.ticks_per_beat
    signatures = _signatures(facts, quarter, remarks)
    parts: list[Part] = []
    for track in tracks:
        parts.extend(_parts_of(track, quarter, remarks))
    if not parts:
        raise ChoraleError(f"{name}: there are no notes in it")
    own = _own_facts(facts)
    first = tracks[0]
    named = file.type == 1 and not any(event.message.type == "note_on" for event in first)
    return RawPiece(
        parts,
        signatures,
        title=_name_of(first) if named else "",
        bwv=own.get("bwv", ""),
        key=_own_key(own),
        fermatas=[
            event.tick * STEPS_PER_QUARTER // quarter
            for event in facts
            if event.message.type == "marker" and event.message.text.strip().lower() == FERMATA
        ],
        steps=int(own["steps"]) if re.fullmatch(r"\d{1,5}", own.get("steps", "")) else 0,
        remarks=remarks,
    )


def _facts(chorale: Chorale) -> list[_Event]:
    """Title, metre, upbeat, key, tempo, fermatas, as meta events."""
    names = MAJOR if chorale.mode == "major" else MINOR
    own = f"{SIGNATURE} steps={chorale.steps} tonic={chorale.tonic} mode={chorale.mode}"
    if chorale.bwv:
        own += f" bwv={chorale.bwv}"
    events = [
        _Event(0, mido.MetaMessage("track_name", name=chorale.title)),
        _Event(0, mido.MetaMessage("text", text=own)),
        _Event(0, mido.MetaMessage("key_signature", key=names[chorale.sharps + 7])),
        _Event(0, mido.MetaMessage("set_tempo", tempo=round(60e6 / chorale.tempo))),
    ]
    if chorale.upbeat:
        events.append(_Event(0, _meter(*_short_bar(chorale.upbeat))))
    meter = _meter(*parse_time_signature(chorale.time_signature))
    events.append(_Event(chorale.upbeat * TICKS_PER_STEP, meter))
    for step in chorale.fermatas.nonzero()[0]:
        marker = mido.MetaMessage("marker", text=FERMATA)
        events.append(_Event(int(step) * TICKS_PER_STEP, marker))
    return sorted(events, key=lambda event: event.tick)


def _short_bar(steps: int) -> tuple[int, int]:
    """A time signature for a bar of so many sixteenths, in quarters where they fit.

    >>> _short_bar(4), _short_bar(6), _short_bar(5)
    ((1, 4), (3, 8), (5, 16))
    """
    length = Fraction(steps, 16)
    unit = max(4, length.denominator)
    return int(length * unit), unit


def _meter(beats: int, unit: int) -> mido.MetaMessage:
    return mido.MetaMessage("time_signature", numerator=beats, denominator=unit)


def _track(events: Iterable[_Event], end: int) -> mido.MidiTrack:
    """A track of timed events; at one tick notes end before others begin."""
    track = mido.MidiTrack()
    now = 0
    for tick, message in sorted(events, key=lambda e: (e.tick, e.message.type == "note_on")):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
    return track


def _parse(data: bytes, name: str) -> mido.MidiFile:
    if not data:
        raise ChoraleError(f"{name}: the file is empty")
    if len(data) > MAX_BYTES:
        raise ChoraleError(f"{name}: {len(data)} bytes, expected a MIDI file of a chorale")
    if data[:4] == b"RIFF":
        data = data[20:]  # RMID wraps a plain file
    if data[:4] != b"MThd":
        raise ChoraleError(f"{name}: not a MIDI file: expected it to begin with MThd")
    try:
        file = mido.MidiFile(file=io.BytesIO(data), clip=True)
    except EOFError as error:
        raise ChoraleError(f"{name}: the MIDI file is truncated") from error
    except (OSError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise ChoraleError(f"{name}: the MIDI file is damaged ({error})") from error
    if file.ticks_per_beat <= 0:
        raise ChoraleError(
            f"{name}: expected ticks a quarter, got SMPTE time: export it with musical time"
        )
    if file.type == 2:
        raise ChoraleError(f"{name}: expected a MIDI file of type 0 or 1, got type 2 (patterns)")
    return file


def _timed(track: mido.MidiTrack) -> list[_Event]:
    """A track's messages with their absolute ticks."""
    events, now = [], 0
    for message in track:
        now += message.time
        events.append(_Event(now, message))
    return events


def _parts_of(track: Sequence[_Event], quarter: int, remarks: list[str]) -> list[Part]:
    """A track's notes, a part for each channel."""
    name = _name_of(track)
    parts: dict[int, list[Note]] = {}
    sounding: dict[tuple[int, int], list[int]] = {}
    drums = 0

    def end(channel: int, pitch: int, tick: int) -> None:
        start = sounding[channel, pitch].pop(0)
        if tick > start and pitch > 0:
            edges = Fraction(start, quarter), Fraction(tick, quarter)
            parts.setdefault(channel, []).append(Note(*edges, pitch))

    for tick, message in track:
        if message.type not in ("note_on", "note_off"):
            continue
        if message.channel == DRUMS:
            drums += 1
        elif message.type == "note_on" and message.velocity:
            sounding.setdefault((message.channel, message.note), []).append(tick)
        elif sounding.get((message.channel, message.note)):
            end(message.channel, message.note, tick)
    hanging = [key for key, starts in sounding.items() for _ in starts]
    for channel, pitch in hanging:
        end(channel, pitch, track[-1].tick)
    if hanging:
        remarks.append(f"{len(hanging)} notes never end: held to the end of their track.")
    if drums:
        remarks.append("A drum track (channel 10) was left out.")
    return [Part(name, notes) for _, notes in sorted(parts.items())]


def _signatures(facts: Sequence[_Event], quarter: int, remarks: list[str]) -> Signatures:
    """Metre, upbeat, key signature and tempo, as the file begins."""
    meters = _changes(facts, "time_signature", ("numerator", "denominator"))
    keys = _changes(facts, "key_signature", ("key",))
    tempos = _changes(facts, "set_tempo", ("tempo",))
    upbeat = 0
    if len(meters) > 1 and meters[0][0] == 0:
        # A first bar shorter than the second's metre is an upbeat.
        (_, first), (tick, second) = meters[:2]
        short = Fraction(first[0] * 16, first[1])
        if (
            short
            == Fraction(tick * STEPS_PER_QUARTER, quarter)
            < Fraction(second[0] * 16, second[1])
        ):
            upbeat = int(short) if short.denominator == 1 else 0
            meters = meters[1:]
    time_signature = None
    if meters:
        time_signature = "{}/{}".format(*meters[0][1])
        try:
            bar_steps(time_signature)
        except ChoraleError:
            remarks.append(f"Time signature {time_signature} isn't on the sixteenth grid: ignored.")
            time_signature, upbeat = None, 0
    tempo = round(60e6 / tempos[0][1][0], 3) if tempos and tempos[0][1][0] else DEFAULT_TEMPO
    if not 5 <= tempo <= 1000:
        remarks.append(f"A tempo of {tempo:g} can't be meant: {DEFAULT_TEMPO:g} taken.")
        tempo = DEFAULT_TEMPO
    for events, what in ((meters, "Metre"), (keys, "Key signature"), (tempos, "Tempo")):
        if len(events) > 1:
            remarks.append(f"{what} changes later on: the first one is taken for the whole piece.")
    key = keys[0][1][0] if keys else None
    sharps = None if key is None else (MINOR if key.endswith("m") else MAJOR).index(key) - 7
    return Signatures(time_signature, sharps, tempo, upbeat)


def _changes(
    facts: Sequence[_Event], kind: str, fields: tuple[str, ...]
) -> list[tuple[int, tuple]]:
    """Events of a kind as (tick, values), without those that repeat the one before."""
    changes: list[tuple[int, tuple]] = []
    for tick, message in facts:
        if message.type == kind:
            values = tuple(getattr(message, field) for field in fields)
            if not changes or changes[-1][1] != values:
                changes.append((tick, values))
    return changes


def _own_facts(facts: Sequence[_Event]) -> dict[str, str]:
    """The pairs key=value of this project's own text event, {} in a file from elsewhere."""
    for _, message in facts:
        if message.type == "text" and message.text.startswith(SIGNATURE):
            return dict(re.findall(r"(\w+)=(\S+)", message.text))
    return {}


def _own_key(own: dict[str, str]) -> tuple[int, str] | None:
    tonic, mode = own.get("tonic", ""), own.get("mode")
    if re.fullmatch(r"\d|1[01]", tonic) and mode in ("major", "minor"):
        return int(tonic), mode
    return None


def _name_of(track: Sequence[_Event]) -> str:
    """A track's name. mido reads text as Latin-1; where the bytes are UTF-8, they are meant so."""
    name = next((e.message.name.strip() for e in track if e.message.type == "track_name"), "")
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return name
