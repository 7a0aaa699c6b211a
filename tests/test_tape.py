"""Tapes and sections against plain arrays."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet.errors import ChoraleError
from coconet.render.tape import SAMPLE_RATE, Section, Tape, ahead, blocks_of


def noise(frames, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 2)).astype(np.float32)


@pytest.fixture
def tape(tmp_path):
    return Tape(tmp_path / "tape.f32")


def test_what_is_put_on_a_tape_comes_back(tape):
    assert len(tape) == 0 and tape.read().shape == (0, 2) and list(tape.blocks()) == []
    sound = noise(1000)
    tape.append(sound[:300])
    tape.append(sound[300:].astype(float))
    assert np.array_equal(tape.read(), sound)
    assert tape.seconds == 1000 / SAMPLE_RATE
    assert np.array_equal(tape.read(10, 20), sound[10:20])
    assert len(tape.read(990, 2000)) == 10 and len(tape.read(2000, 3000)) == 0
    assert [len(block) for block in tape.blocks(400)] == [400, 400, 200]


def test_a_tape_is_emptied_first(tape):
    tape.append(noise(10))
    assert len(Tape(tape.path)) == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=20)
def test_mixing_is_addition(tmp_path_factory, parts):
    tape = Tape(tmp_path_factory.mktemp("mix") / "tape.f32")
    wanted = np.zeros((max(first + count for first, count in parts), 2), np.float32)
    for seed, (first, count) in enumerate(parts):
        tape.add(first, noise(count, seed))
        wanted[first : first + count] += noise(count, seed)
    assert np.array_equal(tape.read(), wanted)
    tape.cut(1)
    tape.cut(20)
    assert np.array_equal(tape.read(0, 1), wanted[:1])
    assert len(tape) == 20 and not tape.read(1).any()


@pytest.mark.parametrize(
    "samples",
    [np.zeros(8), np.zeros((4, 1)), np.zeros((2, 4)), np.zeros((4, 2), int), [[0.0, 0.0]]],
)
def test_only_stereo_goes_onto_a_tape(tape, samples):
    for put in (tape.append, lambda samples: tape.add(0, samples)):
        with pytest.raises(ChoraleError, match="tape: expected"):
            put(samples)
    with pytest.raises(ChoraleError, match="first frame"):
        tape.add(-1, noise(3))
    assert len(tape) == 0


def test_tapes_beside_others_have_names_of_their_own(tmp_path):
    tapes = [Tape.beside(tmp_path, "dry") for _ in range(3)]
    for seed, tape in enumerate(tapes):
        tape.append(noise(5, seed))
    for seed, tape in enumerate(tapes):
        assert tape.path.parent == tmp_path and np.array_equal(tape.read(), noise(5, seed))


FULL = """
import resource, sys, numpy as np
from coconet.errors import ChoraleError
from coconet.render.tape import Tape
tape = Tape(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
sound = np.ones((1000, 2))
for put in (tape.append, lambda sound: tape.add(10, sound), lambda sound: tape.cut(2000)):
    try:
        put(sound)
    except ChoraleError as error:
        print(error)
"""


def test_a_disk_that_fills_up_is_told(tmp_path):
    """A limit on the size of files stands in."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "tape")],
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert len(said) == 3
    for line in said:
        assert line.startswith(f"{tmp_path}: temporary files can't be written (File too large)")
        assert line.endswith("set TMPDIR to another folder")
    with pytest.raises(ChoraleError, match="set TMPDIR"):
        Tape(tmp_path / "none" / "tape")


@given(
    st.integers(0, 30),
    st.integers(1, 50),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=30)
def test_a_section_read_in_blocks_is_the_section(
    tmp_path_factory, first, frames, fade_in, fade_out, size
):
    tape = Tape(tmp_path_factory.mktemp("section") / "tape.f32")
    tape.append(noise(90))
    fades = min(fade_in, frames), min(fade_out, frames)
    section = Section(tape, first, first + frames, 0.5, *fades)
    wanted = noise(90)[first : first + frames] / 2
    for rows, fade in ((wanted, fades[0]), (wanted[::-1], fades[1])):
        for place in range(fade):
            rows[place] *= np.sin(np.pi / 2 * (place + 0.5) / fade) ** 2
    assert section.read() == pytest.approx(wanted, abs=1e-6)
    assert np.array_equal(np.concatenate(list(section.blocks(size))), section.read())
    assert len(section) == frames and section.seconds == frames / SAMPLE_RATE


def test_blocks_made_ahead_are_the_same_in_order_and_errors_come_through():
    def source():
        yield from np.arange(12.0).reshape(3, 2, 2)
        raise ValueError("no more")

    found = []
    with pytest.raises(ValueError, match="no more"):
        found.extend(ahead(source()))
    assert np.array_equal(found, np.arange(12.0).reshape(3, 2, 2))
    assert list(ahead([])) == []


def test_arrays_come_in_blocks_too():
    assert [block.shape for block in blocks_of(np.zeros((5, 1)), 2)] == [(2, 1), (2, 1), (1, 1)]
