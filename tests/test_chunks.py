"""Chunks of a performance sound like the whole, and end together where one fails."""

import itertools
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.errors import ChoraleError
from coconet.render import chunks
from coconet.render.children import ended_by, run_child
from coconet.render.chunks import GRAIN, audible, check_chunk, chunk_starts, cut, play_into
from coconet.render.events import NOTE, Performance
from coconet.render.tape import SAMPLE_RATE, Tape

#: Seconds that a note of the toy engine rings on.
RING = 0.3


def performance(*notes, seconds=None, **fields):
    """Notes from (start, duration) or (start, duration, Hz)."""
    rows = np.zeros(len(notes), NOTE)
    for row, (start, duration, *hz) in zip(rows, notes, strict=True):
        row["start"], row["duration"], row["hz"] = start, duration, *(hz or [300])
        row["velocity"] = 100
    end = max(start + duration for start, duration, *_ in notes) + RING
    return Performance(rows, end if seconds is None else seconds, 1, **fields)


def toy(part):
    """A sine for each note that falls to nothing within RING seconds of its end."""
    sound = np.zeros((round(part.seconds * SAMPLE_RATE), 2))
    for note in part.notes:
        first = round(note["start"] * SAMPLE_RATE)
        times = np.arange(round((note["duration"] + RING) * SAMPLE_RATE)) / SAMPLE_RATE
        tone = 0.1 * np.cos(2 * np.pi * note["hz"] * times) * (1 - times / times[-1])
        room = sound[first : first + len(tone)]
        room += tone[: len(room), None]
    return sound.astype(np.float32)


@pytest.fixture
def small(monkeypatch):
    """Chunks of two seconds or so."""
    monkeypatch.setattr(chunks, "SHORT", 1.0)
    monkeypatch.setattr(chunks, "LONGEST", 2.0)


#: On whole frames: between them the toy's rounding would depend on where it begins.
STARTS = st.integers(0, 6 * SAMPLE_RATE).map(lambda frame: frame / SAMPLE_RATE)


@given(
    st.lists(st.tuples(STARTS, st.floats(0.05, 3), st.floats(50, 500)), min_size=1, max_size=8),
    st.integers(1, 4),
    st.floats(0.5, 4),
)
@settings(max_examples=15)
def test_any_chunking_sounds_like_the_whole(tmp_path_factory, notes, workers, longest):
    piece = performance(*sorted(notes))
    tape = Tape(tmp_path_factory.mktemp("tape") / "tape.raw")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "SHORT", 1.0)
        patch.setattr(chunks, "LONGEST", longest)
        play_into(piece, tape, toy, ring=RING, workers=workers)
    assert len(tape) == round(piece.seconds * SAMPLE_RATE)
    assert np.abs(tape.read() - toy(piece)).max() < 1e-6


def test_any_number_of_workers_makes_the_same_bytes(tmp_path, small):
    """Whichever chunk is ready first, they are mixed in order."""
    rng = np.random.default_rng(0)
    piece = performance(*[(start, 1.5, 200 + 20 * start) for start in np.arange(0, 8, 0.5)])

    def late(part):
        time.sleep(rng.uniform(0, 0.02))
        return toy(part)

    kept = set()
    for workers in (1, 2, 3, 7):
        tape = Tape(tmp_path / f"{workers}.raw")
        play_into(piece, tape, late, ring=RING, workers=workers)
        kept.add(tape.path.read_bytes())
    assert len(kept) == 1


@given(st.floats(0.01, 20_000))
def test_where_a_performance_is_cut(seconds):
    starts = chunk_starts(seconds)
    assert starts[0] == 0 and (np.diff(starts) > 0).all()
    assert (starts % GRAIN == 0).all()
    assert GRAIN % 64 == 0 and GRAIN * 1000 % SAMPLE_RATE == 0
    lengths = np.diff([*starts / SAMPLE_RATE, seconds])
    assert lengths.max() < chunks.LONGEST + 1.3
    assert len(starts) == 1 if seconds <= chunks.SHORT else len(starts) % 2 == 0
    assert lengths.min() > lengths.max() - 1.3, "as long as each other"


def test_each_note_belongs_to_the_chunk_in_which_it_starts(small):
    edge = GRAIN * 3 / SAMPLE_RATE
    piece = performance((0, 5), (edge - 1e-9, 1), (edge, 0.2), seconds=4.0)
    (first, held), (second, brief) = cut(piece, RING)
    assert (first, second) == (0, 3 * GRAIN)
    assert held.notes["start"].tolist() == [0, edge - 1e-9]
    assert brief.notes["start"].tolist() == [0]
    assert held.seconds == 4.0, "no further than the piece"
    assert brief.seconds == pytest.approx(0.2 + RING, abs=1e-4)
    assert piece.notes["start"].tolist() == [0, edge - 1e-9, edge], "nothing is changed"


def test_long_rests_cost_nothing(tmp_path, small):
    played, shares = [], []

    def engine(part):
        played.append(part.seconds)
        return toy(part)

    piece = performance((0, 0.5), (3000, 0.5))
    tape = Tape(tmp_path / "tape.raw")
    play_into(piece, tape, engine, ring=RING, on_progress=shares.append)
    assert played == pytest.approx([0.8, 3000 + 0.8 - 3000 // 0.64 * 0.64], abs=2)
    assert shares == [0.5, 1.0]
    assert len(tape) == round(piece.seconds * SAMPLE_RATE)
    assert not tape.read(2 * SAMPLE_RATE, 3 * SAMPLE_RATE).any()


def test_few_chunks_are_in_memory_at_once(tmp_path, small):
    """The first chunk is held back: the others don't run ahead of it."""
    workers, alive, most, gate = 2, [0], [0], threading.Event()
    lock = threading.Lock()

    def gone():
        with lock:
            alive[0] -= 1

    def engine(part):
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            first = most[0] == 1
        if first:
            gate.wait(0.2)
        sound = toy(part)
        weakref.finalize(sound, gone)
        return sound

    piece = performance(*[(start, 0.4) for start in range(40)])
    play_into(piece, Tape(tmp_path / "tape.raw"), engine, ring=RING, workers=workers)
    assert len(list(cut(piece, RING))) >= 20
    assert most[0] <= workers + 1
    assert alive[0] == 0


# --- what goes wrong -----------------------------------------------------------


def test_where_one_fails_the_others_are_told_to_stop(tmp_path, small):
    """Engines that are no programs: here they would wait for ten minutes."""
    stopped, calls, waiting = [], itertools.count(), threading.Event()

    def engine(part):
        if next(calls):
            assert waiting.wait(60)
            raise ChoraleError("no")
        stop = threading.Event()
        with ended_by(stop.set):
            waiting.set()
            stopped.append(stop.wait(600))
        return toy(part)

    piece = performance(*[(start, 0.4) for start in range(8)])
    with pytest.raises(ChoraleError, match="no"):
        play_into(piece, Tape(tmp_path / "tape.raw"), engine, ring=RING, workers=2)
    assert stopped == [True]


@pytest.mark.parametrize("end", [ChoraleError("no"), KeyboardInterrupt(), ZeroDivisionError()])
@pytest.mark.parametrize("where", ["engine", "progress"])
def test_where_one_fails_the_children_of_the_others_end(tmp_path, small, end, where):
    """Engines that wait for ten minutes are ended at once, and no more are started."""
    codes, calls, waiting = [], itertools.count(), threading.Event()

    def engine(part):
        failing = 1 if where == "engine" else 0
        if next(calls) == failing:
            if where == "engine":
                waiting.wait(60)
                raise end
            return toy(part)
        waiting.set()
        codes.append(run_child(["sleep", "600"], patience=600).returncode)
        return toy(part)

    def progress(share):
        waiting.wait(60)
        raise end

    piece = performance(*[(start, 0.4) for start in range(40)])
    begun = time.monotonic()
    with pytest.raises(type(end)):
        play_into(
            piece, Tape(tmp_path / "tape.raw"), engine, ring=RING, workers=2, on_progress=progress
        )
    assert time.monotonic() - begun < 60
    assert codes and set(codes) == {-9}
    assert len(codes) <= 3
    assert not [t for t in threading.enumerate() if t.name.startswith("synthesiser")]


def test_complaints_name_the_time_in_the_whole_piece(tmp_path, small):
    piece = performance((0, 0.5), (7.0, 0.5), (7.6, 0.3), (9.0, 0.5))
    tape = Tape(tmp_path / "tape.raw")

    def deaf(part):
        """Leaves the first note of the second part out."""
        return toy(replace(part, notes=part.notes[1:])) if len(part.notes) > 1 else toy(part)

    with pytest.raises(ChoraleError, match=r"^Toy: a note at 7\.00-7\.50 s is silent"):
        play_into(piece, tape, deaf, ring=RING, name="Toy")

    def stubborn(part):
        if len(part.notes) > 1:
            raise ChoraleError("Toy: a note at 2.00 s is too high")
        return toy(part)

    with pytest.raises(ChoraleError, match=r"at 2\.00 s is too high \(in the part from 6\.40 s on"):
        play_into(piece, tape, stubborn, ring=RING, name="Toy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:-1], r"expected sound of shape \(35280, 2\), got \(35279, 2\)"),
        (lambda x: x[:, :1], r"got \(35280, 1\)"),
        (lambda x: x[:0], r"got \(0, 2\)"),
        (lambda x: np.where(np.arange(len(x))[:, None] == 5, np.nan, x), "aren't finite"),
        (lambda x: np.where(np.arange(len(x))[:, None] == 5, np.inf, x), "aren't finite"),
        (lambda x: x * 1e-6, r"a note at 0\.00-0\.50 s is silent"),
    ],
)
def test_sound_that_went_wrong_is_noticed(change, message):
    piece = performance((0, 0.5))
    check_chunk(toy(piece), piece, name="Toy")
    with pytest.raises(ChoraleError, match=message):
        check_chunk(change(toy(piece)), piece, name="Toy")


def test_what_is_meant_to_be_soft_may_be_silent():
    piece = performance((0, 0.5), (0.1, 0.2), (0.2, 0.2))
    piece.notes["velocity"] = [127, 1, 127]
    piece.notes["level"] = [0, 0, -60]
    assert audible(piece).tolist() == [True, False, False]
    soft = replace(piece, notes=piece.notes[1:])
    check_chunk(np.zeros((round(soft.seconds * SAMPLE_RATE), 2), np.float32), soft, name="Toy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: expected a whole number, 1 to 256, got 0"),
        ({"workers": 1.5}, "workers: expected a whole number"),
        ({"ring": -1}, "ring: expected a number from 0 to 60"),
        ({"ring": float("nan")}, "ring: expected a number"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(ChoraleError, match=message):
        play_into(
            performance((0, 1)), Tape(tmp_path / "tape.raw"), toy, **({"ring": RING} | options)
        )


def test_nothing_to_sound_is_refused(tmp_path):
    empty = Performance(np.zeros(0, NOTE), 2.0, 1, title="Pause")
    with pytest.raises(ChoraleError, match="Pause: has no notes to sound"):
        play_into(empty, Tape(tmp_path / "tape.raw"), toy, ring=RING)
