"""A performance on MIDI channels, followed message by message."""

import itertools

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.errors import ChoraleError
from coconet.render.channels import LINGER, MELODIC, midi_passes, octave_message, octave_tuning
from coconet.render.events import NOTE, Performance
from coconet.tuning import equal_frequencies

EQUAL = equal_frequencies()
#: Seconds by which a block's rounding may move a time, and a millisecond of the clock.
ROUNDING = 32 / 44100 + 1e-3


def performance(*notes, voices=None):
    """Notes from dicts of fields; middle C at velocity 80 where they say nothing."""
    plain = {"key": 60, "duration": 0.5, "velocity": 80, "pan": 0.5}
    rows = np.zeros(len(notes), NOTE)
    for row, given_fields in zip(rows, notes, strict=True):
        fields = plain | given_fields
        for name, value in ({"hz": EQUAL[fields["key"]]} | fields).items():
            row[name] = value
    rows = rows[np.lexsort((rows["voice"], rows["start"]))]
    end = float((rows["start"] + rows["duration"]).max())
    return Performance(rows, end + 1.5, voices or int(rows["voice"].max()) + 1)


def heard(run):
    """What a channel does, as a synthesiser follows it.

    Returns
    -------
    notes : (start, end, key, velocity, pan, channel) of each
    changes : (time, channel, kind) of each change of pan or bend
    """
    now, on, pans, notes, changes = 0.0, {}, {}, [], []
    bends = {}
    for message in run.midi:
        now += message.time
        if message.type == "note_on":
            place = message.channel, message.note
            assert place not in on, "struck again before its end"
            on[place] = now, message.velocity, pans[message.channel]
        elif message.type == "note_off":
            start, velocity, pan = on.pop((message.channel, message.note))
            notes.append((start, now, message.note, velocity, pan, message.channel))
        elif message.type == "control_change" and message.control == 10:
            pans[message.channel] = message.value
            changes.append((now, message.channel, "pan"))
        elif message.type == "pitchwheel":
            bends[message.channel] = message.pitch
            changes.append((now, message.channel, "bend"))
    assert not on, "all end"
    return notes, changes


NOTES = st.lists(
    st.fixed_dictionaries(
        {
            "start": st.floats(0, 6),
            "duration": st.floats(0.001, 2),
            "voice": st.integers(0, 19),
            "key": st.sampled_from([48, 60, 62]),
            "velocity": st.integers(1, 127),
            "pan": st.sampled_from([0, 0.5, 1]),
            "level": st.sampled_from([0, 0, -30.0, 24.0]),
            "glide": st.sampled_from([0, 0, 0, 200.0, -700.0]),
            "glide_time": st.floats(0, 0.5),
        }
    ),
    min_size=1,
    max_size=40,
)


@given(NOTES)
@settings(max_examples=35)
def test_every_note_is_played_once_and_disturbs_no_other(fields):
    piece = performance(*fields, voices=20)
    notes = piece.notes
    passes = midi_passes(piece, programs=[0] * 20)
    assert sorted(np.concatenate([run.rows for run in passes])) == list(range(len(notes)))
    for run in passes:
        played, changes = heard(run)
        own = notes[run.rows]
        assert {channel for *_, channel in played} <= set(MELODIC)
        # As played: sorted by start, key and velocity they are those of the performance.
        played.sort(key=lambda note: (note[2], note[0], note[4]))
        wanted = sorted(
            zip(run.rows, run.keys, run.velocities, strict=True),
            key=lambda row: (row[1], notes["start"][row[0]], notes["pan"][row[0]]),
        )
        assert [note[2] for note in played] == [key for _, key, _ in wanted]
        assert sorted(note[3] for note in played) == sorted(run.velocities.tolist())
        starts = np.sort([note[0] for note in played])
        assert np.abs(starts - np.sort(own["start"])).max() <= ROUNDING
        assert run.midi.length >= piece.seconds - 1e-9
        moving = {float(note["start"]) for note in own if note["glide"]}
        for time, channel, kind in changes:
            for start, end, *_, other in played:
                if other != channel or not start + 1e-9 < time < end + LINGER - 2 * ROUNDING:
                    continue
                # Only its own glide moves a note that sounds.
                assert kind == "bend"
                assert min(abs(start - begin) for begin in moving) <= ROUNDING


@given(st.floats(-60, 24), st.integers(1, 127))
def test_levels_are_velocities_and_levels_of_passes(level, velocity):
    """A SoundFont attenuates by 40 log10(127 / velocity) dB."""
    (run,) = midi_passes(performance({"level": level, "velocity": velocity}), programs=[0])
    (reached,) = run.velocities
    assert 1 <= reached <= 127
    wanted = level + 40 * np.log10(velocity / 127)
    rounding = 40 * np.log10((reached + 0.5) / max(reached - 0.5, 0.5)) if velocity > 1 else 12
    assert run.level + 40 * np.log10(reached / 127) == pytest.approx(wanted, abs=rounding)
    assert abs(level - run.level) <= 12
    if level == 0:
        assert (run.level, reached) == (0, velocity)


def test_a_plain_piece_is_one_pass_with_a_channel_a_voice():
    piece = performance(*[{"voice": voice, "start": 0.5 * voice} for voice in range(15)])
    (run,) = midi_passes(piece, programs=list(range(15)))
    messages = [message for message in run.midi if not message.is_meta]
    assert messages[0].type == "sysex"
    programs = [m for m in messages if m.type == "program_change"]
    assert [(m.channel, m.program) for m in programs] == list(zip(MELODIC, range(15), strict=True))
    strikes = [message.channel for message in messages if message.type == "note_on"]
    assert strikes == [*range(9), *range(10, 16)], "no voice plays the drums"
    assert not [message for message in messages if message.type == "pitchwheel"]
    assert len(midi_passes(performance(*[{"voice": v} for v in range(64)]), programs=[0] * 64)) == 5


def test_a_note_that_is_struck_again_ends_there():
    piece = performance({"start": 0, "duration": 1.2}, {"start": 1, "duration": 1})
    (run,) = midi_passes(piece, programs=[0])
    (first, second), _ = heard(run)
    assert first[:2] == pytest.approx((0, 1), abs=ROUNDING)
    assert second[:2] == pytest.approx((1, 2), abs=ROUNDING)
    kinds = [message.type for message in run.midi if message.type.startswith("note")]
    assert kinds == ["note_on", "note_off", "note_on", "note_off"]


def test_the_tuning_message_byte_for_byte():
    cents = [5.3, 0, 2.3, 2.1, -2.6, 4.4, -1.1, 5.4, 0.9, 0, 3.3, -2.4]
    expected = "F0 7F 7F 08 08 03 7F 7F 45 40 42 42 3D 44 3F 45 41 40 43 3E F7"
    assert octave_message(cents).hex() == expected


def test_a_low_pitch_standard_moves_to_the_nearest_keys():
    """At A4 = 415.305 Hz the keys lie a semitone lower, and nothing is left to tune."""
    keys, cents = octave_tuning(EQUAL[60:72] * 2 ** (-1 / 12))
    assert keys.tolist() == list(range(59, 71))
    assert cents == pytest.approx(np.zeros(12), abs=1e-6)


@pytest.mark.parametrize("half", [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
def test_half_cents_go_the_same_way_in_every_octave(half):
    """Whatever the last bits of a frequency are."""
    told = set()
    for octave, bits in itertools.product(range(-4, 4), (-3e-16, 0, 3e-16)):
        hz = 440 * 2 ** (octave + half / 1200) * (1 + bits)
        (run,) = midi_passes(performance({"hz": hz}), programs=[0])
        told.add(next(m.hex() for m in run.midi if m.type == "sysex"))
    assert len(told) == 1


def test_quarter_tones_belong_to_the_key_above_in_every_octave():
    hz = 440 * 2.0 ** (np.arange(-4, 4) + 0.5 / 12)
    for bits in (-3e-16, 0, 3e-16):
        keys, cents = octave_tuning(hz * (1 + bits))
        assert keys.tolist() == [70 + 12 * octave for octave in range(-4, 4)]
        assert cents[10] == pytest.approx(-50)


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ([{"hz": 440.0}, {"hz": 885.0}], "needs more: render it with Csound"),
        ([{"hz": 5.0}], "outside MIDI's keys"),
        ([{"hz": 15000.0}], "outside MIDI's keys"),
        ([{"glide": 12700.0, "glide_time": 0.1}], "beyond 126 semitones"),
    ],
)
def test_what_midi_cannot_say_is_refused(notes, message):
    with pytest.raises(ChoraleError, match=message):
        midi_passes(performance(*notes), programs=[0])


def test_the_midi_is_a_file(tmp_path):
    (run,) = midi_passes(
        performance({}, {"start": 1, "glide": 100, "glide_time": 0.2}), programs=[0]
    )
    run.midi.save(tmp_path / "a.mid")
    assert mido.MidiFile(tmp_path / "a.mid").length == pytest.approx(3, abs=1e-3)
