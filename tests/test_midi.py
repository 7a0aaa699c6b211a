"""Pieces in and out: MIDI, MusicXML, arrays, typed melodies; notes dealt to voices."""

from __future__ import annotations

import io
import zipfile
from itertools import permutations, product
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.chorale import Chorale, save_chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import notes_of, onsets_of
from coconet.midi import midi_of, write_midi
from coconet.musicxml import write_musicxml
from coconet.reading import MAX_STEPS, parse_melody, read_piece
from coconet.spelling import name_of, spell
from coconet.voicing import CROSSING, Span, is_line, polyphony, separate

FACTS = ("tonic", "mode", "sharps", "time_signature", "upbeat", "tempo", "title", "bwv")
ARRAYS = ("grid", "onsets", "fermatas")
SCHMUCKE = Path(__file__).parents[1] / "../shared/data/schmucke/schmucke.mid"


@pytest.fixture(scope="module")
def bach() -> dict[str, Chorale]:
    return {chorale.bwv: chorale for chorale in load_corpus()}


@st.composite
def chorales(draw) -> Chorale:
    """Any grid with any metre, upbeat, key, tempo, repeats and fermatas."""
    quartets = draw(st.sampled_from([1, 1, 1, 2]))
    steps = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = draw(st.sampled_from([1, 2, 4, 8]))
    grid = rng.integers(30, 90, (4 * quartets, steps))
    grid = np.repeat(grid, lengths, axis=1)[:, :steps]
    grid[rng.random(grid.shape) < draw(st.sampled_from([0, 0.2]))] = 0
    grid[:, 0] = rng.integers(40, 80, 4 * quartets)  # every voice sings somewhere
    onsets = onsets_of(grid) | ((rng.random(grid.shape) < 0.2) & (grid > 0))
    meter = draw(st.sampled_from(["4/4", "3/4", "3/2", "6/8", "12/8", "5/4", "7/8", "2/2"]))
    plain = Chorale(grid, time_signature=meter)
    return Chorale(
        grid,
        onsets=onsets,
        fermatas=rng.random(steps) < 0.1,
        time_signature=meter,
        upbeat=draw(st.integers(0, plain.bar - 1)),
        sharps=draw(st.integers(-7, 7)),
        tonic=draw(st.integers(0, 11)),
        mode=draw(st.sampled_from(["major", "minor"])),
        tempo=draw(st.sampled_from([5, 54, 72, 100.5, 208])),
        title=draw(st.sampled_from(["Wer weiß, wie nahe mir", "Ein’ feste Burg", "讃美歌"])),
        bwv=draw(st.sampled_from(["", "244.3"])),
    )


def differences(first: Chorale, second: Chorale) -> list[str]:
    facts = [name for name in FACTS if getattr(first, name) != getattr(second, name)]
    arrays = [
        name for name in ARRAYS if not np.array_equal(getattr(first, name), getattr(second, name))
    ]
    return facts + arrays


@settings(max_examples=60)
@given(chorale=chorales())
def test_midi_keeps_everything(chorale, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.mid"
    reading = read_piece(write_midi(chorale, path, force=True), strict=True)
    assert differences(chorale, reading.chorale) == []
    assert reading.absent == () and reading.chorale.assumed == ()


@pytest.mark.parametrize("layout", ["closed", "open"])
@pytest.mark.parametrize("bwv", ["180.7", "123.6", "248.23-2", "140.7"])
def test_musicxml_keeps_everything(bach, bwv, layout, tmp_path):
    chorale = bach[bwv].replace(tempo=63.0)
    path = write_musicxml(chorale, tmp_path / "a.musicxml", layout=layout)
    reading = read_piece(path, strict=True)
    assert differences(chorale, reading.chorale) == []


@settings(max_examples=15)
@given(chorale=chorales())
def test_musicxml_keeps_every_note(chorale, tmp_path_factory):
    sounding = np.flatnonzero(chorale.grid.any(0))[-1] + 1  # closing rests are not notes
    path = tmp_path_factory.getbasetemp() / "any.musicxml"
    read = read_piece(write_musicxml(chorale, path, force=True), strict=True).chorale
    assert np.array_equal(read.grid, chorale.grid[:, :sounding])
    assert np.array_equal(read.onsets, chorale.onsets[:, :sounding])
    assert (read.time_signature, read.sharps) == (chorale.time_signature, chorale.sharps)


def test_spelling_is_that_of_the_edition(bach, tmp_path):
    """Written and read again, each voice has the note names of music21's corpus."""
    from music21 import converter, corpus

    for bwv in ("180.7", "244.3"):
        chorale = bach[bwv]
        printed = corpus.parse(f"bach/bwv{bwv}")
        written = converter.parse(write_musicxml(chorale, tmp_path / f"{bwv}.xml", layout="open"))
        for true, ours in zip(printed.parts[:4], written.parts, strict=True):
            names = [n.pitch.nameWithOctave for n in true.flatten().notes]
            assert {n.pitch.nameWithOctave for n in ours.flatten().notes} == set(names)


@pytest.mark.parametrize(
    ("pitches", "sharps", "mode", "names"),
    [
        ([69, 68, 69, 70, 69, 66, 67], -1, "minor", "A G# A Bb A F# G"),
        ([60, 61, 60, 58, 56], -4, "major", "C Db C Bb Ab"),
        ([67, 66, 67, 65, 64], 0, "major", "G F# G F E"),
        ([70, 71, 72, 65, 66], 6, "major", "A# B B# E# F#"),
    ],
)
def test_spelling_follows_the_key_and_the_voice(pitches, sharps, mode, names):
    grid = np.array([pitches])
    (places,) = spell(grid, onsets_of(grid), sharps=sharps, mode=mode)
    spelled = [name_of(place, pitch) for place, pitch in zip(places, pitches, strict=True)]
    signs = {-1: "b", 0: "", 1: "#"}
    assert " ".join(letter + signs[sign] for letter, sign, _ in spelled) == names


def pooled(chorale: Chorale, groups) -> mido.MidiFile:
    """The chorale's MIDI with several voices a track, on one channel, without names."""
    file = midi_of(chorale)
    out = mido.MidiFile(type=1, ticks_per_beat=480, charset="utf-8")
    out.tracks.append(file.tracks[0])
    for group in groups:
        notes = [[m for m in file.tracks[row + 1] if m.type != "track_name"] for row in group]
        track = mido.merge_tracks([mido.MidiTrack(messages) for messages in notes])
        # At one tick notes end first, or a repeated pitch would end as it begins.
        now, timed = 0, []
        for message in track:
            now += message.time
            timed.append((now, message.type == "note_on", message))
        timed.sort(key=lambda item: (item[0], item[1], item[2].type == "end_of_track"))
        track, now = mido.MidiTrack(), 0
        for tick, _, message in timed:
            if hasattr(message, "channel"):
                message = message.copy(channel=0)
            track.append(message.copy(time=tick - now))
            now = tick
        out.tracks.append(track)
    return out


@pytest.mark.parametrize(
    ("groups", "share", "says"),
    [
        ([(0, 1, 2, 3)], 0.97, "up to 4 notes at once"),
        ([(0, 1), (2, 3)], 0.98, "2 tracks with chords"),
        ([(3,), (1,), (0,), (2,)], 1.0, "Four tracks"),
    ],
)
def test_voices_out_of_fewer_tracks(bach, groups, share, says, tmp_path):
    right = total = 0
    for bwv in ("180.7", "140.7", "244.3", "373", "5.7"):
        chorale = bach[bwv]
        pooled(chorale, groups).save(tmp_path / "a.mid")
        reading = read_piece(tmp_path / "a.mid")
        assert says in reading.notes[0]
        # No note is lost or moved, whoever sings it.
        assert np.array_equal(np.sort(reading.chorale.grid, 0), np.sort(chorale.grid, 0))
        for true, ours in zip(
            notes_of(chorale.grid, chorale.onsets),
            notes_of(reading.chorale.grid, reading.chorale.onsets),
            strict=True,
        ):
            right += len(set(true) & set(ours))
            total += len(true)
    assert right / total >= share


def test_separation_survives_a_crossing_and_a_rest():
    held = [Span(0, 4, 67), Span(4, 12, 65), Span(12, 16, 67)]
    crossing = [Span(0, 4, 60), Span(4, 6, 64), Span(6, 10, 69), Span(10, 16, 62)]
    resting = [Span(0, 4, 48), Span(12, 16, 50)]
    lines = separate(sorted(held + crossing + resting), 3)
    assert lines == [held, crossing, resting]


def test_separation_is_the_cheapest_by_trying_all():
    """Against all assignments of notes that begin together, in total movement."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        chords = rng.integers(50, 70, (4, 3))
        spans = [Span(i, i + 1, int(p)) for i, chord in enumerate(chords) for p in chord]

        def price(rows):
            movement = np.abs(np.diff(rows, axis=0)).sum()
            crossed = sum((rows[:, i] < rows[:, j]).sum() for i, j in ((0, 1), (0, 2), (1, 2)))
            return movement + CROSSING * crossed

        best = min(
            price(np.array(rows)) for rows in product(*(list(permutations(c)) for c in chords))
        )
        found = np.array([[span.pitch for span in line] for line in separate(spans, 3)]).T
        assert price(found) == best


def test_lines_and_polyphony():
    assert is_line([Span(0, 5, 60), Span(4, 8, 62)])  # legato
    assert not is_line([Span(0, 4, 60), Span(0, 4, 64)])
    assert not is_line([Span(0, 8, 60), Span(2, 4, 62), Span(4, 8, 64)])
    assert polyphony([Span(0, 4, 60), Span(4, 8, 62), Span(6, 9, 48)]) == (2, 6)


@pytest.mark.parametrize(
    ("melody", "as_", "rows"),
    [
        ("F4:4 G4:2 r:2 A4", None, (0,)),
        ("F2:4 C3 F2", None, (3,)),
        ("G3:4 A3 D4", None, (2,)),
        ("F4:4 G4", "alto", (1,)),
        ("F4:4 | G4", "T", (2,)),
    ],
)
def test_melodies_find_their_voice(melody, as_, rows):
    reading = read_piece(melody, as_=as_)
    assert reading.chorale.voices == 4
    assert tuple(np.flatnonzero(reading.chorale.grid.any(1))) == rows
    assert set(reading.absent) == set(range(4)) - set(rows)
    assert "taken for" in reading.notes[0]


def test_melody_lengths_and_rests():
    chorale = read_piece("F4:4 F4 r:2 Bb4:1 c#5").chorale
    assert chorale.grid[0].tolist() == [65] * 8 + [0] * 2 + [70, 73]
    assert np.flatnonzero(chorale.onsets[0]).tolist() == [0, 4, 10, 11]
    assert chorale.assumed == ("time_signature", "sharps", "tempo")
    closing = read_piece("F4:4 r:4").chorale
    assert closing.steps == 8
    assert len(parse_melody("r F4").parts[0].notes) == 1


def test_two_voices_are_placed_by_range_or_as_asked(bach, tmp_path):
    outer = bach["180.7"].grid[[0, 3]]
    path = save_chorale(Chorale(outer), tmp_path / "outer.npy")
    assert read_piece(path).absent == (1, 2)
    reading = read_piece(path, as_="alto,tenor")
    assert reading.absent == (0, 3)
    assert np.array_equal(reading.chorale.grid[[1, 2]], outer)
    with pytest.raises(ChoraleError, match="as many voices as were named"):
        read_piece(path, as_="soprano")


def test_quartets_and_silent_voices_pass_through(bach, tmp_path):
    grid = np.concatenate([bach["180.7"].grid] * 2)
    grid[5] = 0
    reading = read_piece(save_chorale(Chorale(grid), tmp_path / "a.npy"))
    assert reading.absent == (5,)
    assert np.array_equal(reading.chorale.grid, grid)
    for write, name in ((write_midi, "a.mid"), (write_musicxml, "a.musicxml")):
        again = read_piece(write(reading.chorale, tmp_path / name))
        assert again.absent == (5,)
        assert np.array_equal(again.chorale.grid, grid)


def tracks_of(*tracks, division=480) -> mido.MidiFile:
    """A MIDI file of (start, end, pitch) in ticks, a track each."""
    file = mido.MidiFile(type=1, ticks_per_beat=division)
    for notes in tracks:
        events = sorted(
            [(start, 1, pitch) for start, _, pitch in notes]
            + [(end, 0, pitch) for _, end, pitch in notes]
        )
        track, now = mido.MidiTrack(), 0
        for tick, on, pitch in events:
            track.append(mido.Message("note_on", note=pitch, velocity=64 * on, time=tick - now))
            now = tick
        file.tracks.append(track)
    return file


def test_notes_off_the_grid_are_moved_and_counted(tmp_path):
    triplets = [(i * 160, (i + 1) * 160, 60 + i) for i in range(3)]
    tracks_of([*triplets, (480, 960, 65)]).save(tmp_path / "a.mid")
    reading = read_piece(tmp_path / "a.mid")
    assert reading.chorale.grid[0].tolist() == [60, 61, 61, 62] + [65] * 4
    assert any("3 notes off the sixteenth grid" in note for note in reading.notes)
    with pytest.raises(ChoraleError, match="3 notes off the sixteenth grid, the first near step 0"):
        read_piece(tmp_path / "a.mid", strict=True)


def test_overlaps_are_cut_and_counted(tmp_path):
    tracks_of([(0, 600, 72), (480, 960, 74)], [(0, 960, 48)]).save(tmp_path / "a.mid")
    reading = read_piece(tmp_path / "a.mid")
    assert reading.absent == (1, 2)
    assert reading.chorale.grid[0].tolist() == [72] * 4 + [74] * 4
    assert any("1 note overlapped the next" in note for note in reading.notes)


def test_an_ornament_too_quick_for_the_grid_loses_notes_but_no_voice(tmp_path):
    turn = [(i * 40, (i + 1) * 40, pitch) for i, pitch in enumerate((72, 74, 72, 71, 72, 74))]
    others = [[(0, 960, pitch)] for pitch in (67, 60, 48)]
    tracks_of([*turn, (240, 960, 72)], *others).save(tmp_path / "a.mid")
    reading = read_piece(tmp_path / "a.mid")
    assert (reading.chorale.grid[0, 2:] == 72).all()
    assert set(reading.chorale.grid[0, :2].tolist()) <= {71, 72, 74}
    assert reading.chorale.grid[1:, 0].tolist() == [67, 60, 48]
    assert any("shared a step" in note for note in reading.notes)


def test_upbeat_shows_as_a_short_first_bar(bach, tmp_path):
    chorale = bach["1.6"]
    meters = [
        (message.numerator, message.denominator)
        for message in midi_of(chorale).tracks[0]
        if message.type == "time_signature"
    ]
    assert meters == [(1, 4), (4, 4)]
    assert read_piece(write_midi(chorale, tmp_path / "a.mid")).chorale.upbeat == 4


def test_foreign_text_is_read_as_latin_or_utf8(tmp_path):
    for charset in ("latin-1", "utf-8"):
        file = mido.MidiFile(type=1, charset=charset)
        file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name="Schmücke")]))
        file.tracks.append(tracks_of([(0, 480, 65)]).tracks[0])
        file.save(tmp_path / f"{charset}.mid")
        assert read_piece(tmp_path / f"{charset}.mid").chorale.title == "Schmücke"


def good_midi() -> bytes:
    buffer = io.BytesIO()
    tracks_of([(0, 480, 60), (480, 960, 62)]).save(file=buffer)
    return buffer.getvalue()


def midi_bytes(*tracks, division=480) -> bytes:
    buffer = io.BytesIO()
    tracks_of(*tracks, division=division).save(file=buffer)
    return buffer.getvalue()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.xml", data)
    return buffer.getvalue()


DEEP = b"<score-partwise>" + b"<a>" * 99 + b"</a>" * 99 + b"</score-partwise>"
BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><score-partwise/>'


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.mid", b"", "the file is empty"),
        ("a.mid", b"\x89PNG\r\n", "not a MIDI file"),
        ("a.mid", good_midi()[:-9], "truncated"),
        ("a.mid", good_midi()[:10], "truncated|damaged"),
        ("a.mid", good_midi()[:18] + b"JUNK" + good_midi()[22:], "damaged|truncated"),
        ("a.mid", midi_bytes([]), "no notes"),
        ("a.mid", good_midi()[:12] + b"\xe7\x28" + good_midi()[14:], "SMPTE"),
        ("a.mid", good_midi()[:9] + b"\x02" + good_midi()[10:], "type 2"),
        ("a.mid", midi_bytes([(0, 9, 60 + i) for i in range(7)]), "7 voices sound at once"),
        ("a.mid", midi_bytes(*[[(0, 480, 50 + i)] for i in range(5)]), "5 voices sound at once"),
        ("a.mid", midi_bytes([(0, 480, 60)] * 9), "9 voices sound at once"),
        ("a.mid", midi_bytes([(0, 120 * MAX_STEPS + 120, 60)]), "sixteenths long"),
        ("a.musicxml", b"", "the file is empty"),
        ("a.musicxml", b"<score-partwise>", "not well-formed"),
        ("a.musicxml", b"<html/>", "score-partwise"),
        ("a.musicxml", b"\x00\x01\x02", "XML"),
        ("a.musicxml", BOMB, "entity"),
        ("a.musicxml", DEEP, "nested deeper"),
        ("a.musicxml", b"<score-partwise><part/></score-partwise>", "not readable|no notes"),
        ("a.mxl", zipped(score=BOMB), "entity"),
        ("a.mxl", b"PK\x03\x04 and no more", "damaged"),
        ("a.mxl", zipped(), "damaged|no score|not well-formed"),
        ("a.mxl", zipped(score=b"<a>" + b" " * 33_000_000), "larger than 32 MB"),
        ("a.npy", b"\x93NUMPY", "can't be read"),
        ("a.doc", b"x", "expected a file"),
    ],
)  # fmt: skip
def test_bad_files_give_one_clear_line(name, data, says, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ChoraleError, match=says) as caught:
        read_piece(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("H4:2", {}, "expected a file .* or a melody"),
        ("F4:4 H4:2", {}, r"item 2 \('H4:2'\): pitch 'H4'"),
        ("F4:0", {}, "item 1 .*1 or more sixteenths"),
        ("F4:4 G4:-1", {}, "item 2 .*1 or more sixteenths"),
        ("F4:4 G4:x", {}, "item 2"),
        ("F4:99999", {}, "longer than 20000"),
        ("F4:4 C12", {}, "outside MIDI"),
        ("r:4", {}, "no notes"),
        ("", {}, "expected a file"),
        ("nowhere.mid", {}, "no such file"),
        ("nowhere", {}, "expected a file"),
        ("x\0y", {}, "expected a file"),
        ("F4:4", {"as_": "descant"}, "unknown voice 'descant'"),
        ("F4:4", {"as_": "soprano,bass"}, "soprano and bass.* got 1"),
    ],
)
def test_bad_sources_give_one_clear_line(source, options, says):
    with pytest.raises(ChoraleError, match=says) as caught:
        read_piece(source, **options)
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_midi_is_read_or_refused(data, tmp_path_factory):
    """No damage makes anything but a reading or a ChoraleError."""
    raw = bytearray(good_midi())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(4, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mid"
    path.write_bytes(bytes(raw))
    try:
        assert read_piece(path).chorale.steps <= MAX_STEPS
    except ChoraleError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(("write", "suffix"), [(write_midi, "mid"), (write_musicxml, "musicxml")])
def test_existing_files_stay_without_force(write, suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    path.write_text("mine")
    chorale = read_piece("F4:4").chorale
    with pytest.raises(ChoraleError, match="already exists"):
        write(chorale, path)
    assert path.read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == [path.name]
    first = write(chorale, path, force=True).read_bytes()
    assert write(chorale, path, force=True).read_bytes() == first


@pytest.mark.skipif(not SCHMUCKE.exists(), reason="the original system's file isn't here")
def test_the_original_systems_midi(bach):
    reading = read_piece(SCHMUCKE)
    assert reading.chorale.sharps == -1 and reading.chorale.tempo == 96
    assert reading.absent == ()
    assert reading.chorale.steps == 320
    assert (reading.chorale.tonic, reading.chorale.mode) == (5, "major")
