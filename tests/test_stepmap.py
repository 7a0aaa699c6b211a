"""The step map: there and back, through chains, in seconds, as a file."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet import transforms
from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.stepmap import NAMES, StepMap, load_map, save_map
from coconet.traced import NOWHERE, Traced

BACH = next(chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7")


def drawn_map(data, shape=None):
    """A map of any kind, cells from nowhere and rests among them."""
    voices, steps = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    source = shape or (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    voice, step = (rng.integers(0, size, (voices, steps)) for size in source)
    nowhere = rng.random((voices, steps)) < 0.2
    voice[nowhere] = step[nowhere] = NOWHERE
    return StepMap(voice, step, source, rng.random((voices, steps)) < 0.7, 60, 90)


def cells_of(shape):
    return [(voice, step) for voice in range(shape[0]) for step in range(shape[1])]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_there_and_back_as_a_loop_would(data):
    found = drawn_map(data)
    came_from = {cell: [] for cell in cells_of(found.shape)}
    for cell in cells_of(found.voice.shape):
        place = (int(found.voice[cell]), int(found.step[cell]))
        assert tuple(map(int, found.source(*cell))) == place
        if place != (NOWHERE, NOWHERE):
            came_from[place].append(cell)
    rows, columns = np.indices(found.shape)
    asked, voice, step = found.results(rows, columns)
    expected = [
        (number, *cell) for number, cells in enumerate(came_from.values()) for cell in cells
    ]
    assert list(zip(asked.tolist(), voice.tolist(), step.tolist(), strict=True)) == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_whole_step_comes_from_where_most_of_its_voices_do(data):
    found = drawn_map(data)
    for column in range(found.steps):
        heard = found.sounding[:, column]
        heard = heard if heard.any() else np.ones(found.voices, bool)
        steps = [s for s in found.step[heard, column].tolist() if s != NOWHERE]
        most = max((steps.count(s) for s in steps), default=0)
        expected = min((s for s in steps if steps.count(s) == most), default=NOWHERE)
        assert int(found.column(column)) == expected


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_one_map_after_another_is_one_map(data):
    first = drawn_map(data)
    second = drawn_map(data, first.voice.shape)
    both = first.then(second)
    for cell in cells_of(second.voice.shape):
        middle = tuple(map(int, second.source(*cell)))
        nowhere = middle == (NOWHERE, NOWHERE)
        expected = middle if nowhere else tuple(map(int, first.source(*middle)))
        assert tuple(map(int, both.source(*cell))) == expected
    assert both.shape == first.shape
    assert (both.sounding == second.sounding).all()


def test_followed_through_repeats_joins_and_doublings():
    stack = np.arange(1, 25).reshape(8, 3)  # each cell has a pitch of its own
    piece = transforms.stretch(Traced.begin(Chorale(stack)), spans=[[1, 2]], factor=3)
    piece = transforms.double_voices(transforms.join_quartets(piece))
    where = StepMap.of(piece)
    assert where.shape == (8, 3) and where.voice.shape == (8, 10)
    assert (stack[where.source(*np.indices((8, 10)))] == piece.grid).all()
    # The second quartet's bass at its second step: six cells, in two voices.
    asked, voice, step = where.results(7, 1)
    assert set(asked.tolist()) == {0}
    assert list(zip(voice.tolist(), step.tolist(), strict=True)) == [
        (3, 6), (3, 7), (3, 8), (7, 6), (7, 7), (7, 8)
    ]  # fmt: skip
    assert where.column(np.arange(10)).tolist() == [0, 1, 1, 1, 2, 0, 1, 1, 1, 2]


def test_seconds_and_steps_at_both_tempos():
    slow = Traced.begin(BACH.replace(tempo=60.0))
    where = StepMap.of(transforms.augment(slow, by=2), source_tempo=90)
    assert where.seconds([0, 4, where.steps]).tolist() == [0, 1, where.steps / 4]
    assert where.step_at([0, 0.24, 0.25, 1.01]).tolist() == [0, 0, 1, 4]
    assert where.source_seconds([0, 5, 12]).tolist() == [0, 2 / 6, 1]
    steps = np.arange(where.steps)
    for tempo in (59.9, 72, 133.7):
        other = StepMap(where.voice, where.step, where.shape, where.sounding, tempo, tempo)
        assert (other.step_at(other.seconds(steps)) == steps).all()
        assert (other.step_at(other.seconds(steps + 1) - 1e-3) == steps).all()


def test_what_comes_from_nowhere_has_no_time_in_the_source():
    where = StepMap([[NOWHERE, 0]], [[NOWHERE, 3]], (1, 4), [[True, True]], 60, 60)
    assert np.isnan(where.source_seconds(0)) and where.source_seconds(1) == 0.75
    assert len(where.results(0, 0).voice) == 0


def test_a_rest_has_a_source_too():
    piece = Traced.begin(Chorale(np.array([[60, 61], [REST, 50]])))
    hushed = piece.silence(np.array([[True, False], [False, False]]))
    assert StepMap.of(hushed).column([0, 1]).tolist() == [0, 1]


def test_a_file_gives_the_map_back_the_same_bytes_each_time(tmp_path):
    piece = transforms.canon(Traced.begin(BACH), distance=8, interval=0)
    where = StepMap.of(piece, source_tempo=80)
    assert (where.step == NOWHERE).any()
    paths = [save_map(where, tmp_path / f"{name}.npz") for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = load_map(paths[0])
    for name in ("voice", "step", "sounding"):
        assert (getattr(again, name) == getattr(where, name)).all()
    assert (again.shape, again.tempo, again.source_tempo) == (where.shape, where.tempo, 80)
    with pytest.raises(ChoraleError, match="already exists"):
        save_map(where, paths[0])
    with pytest.raises(ChoraleError, match=r"ends in \.npz"):
        save_map(where, tmp_path / "a.npy")


def arrays(**changes):
    good = {
        "format": np.array(1),
        "voice": np.array([[0, NOWHERE]], np.int32),
        "step": np.array([[1, NOWHERE]], np.int32),
        "sounding": np.array([[True, False]]),
        "shape": np.array([1, 2]),
        "tempo": np.array(72.0),
        "source_tempo": np.array(72.0),
    }
    assert good.keys() == set(NAMES)
    return good | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": np.array(2)}, "expected map format 1, got 2"),
        ({"format": np.arange(999)}, "expected map format 1, got [0, 1"),
        ({"voice": np.array([[0, 0, 0]])}, "step: expected an array (voices, steps) like"),
        ({"voice": np.array([[0.0, -1]])}, "voice: expected an array"),
        ({"sounding": np.array([[1, 0]])}, "sounding: expected an array"),
        ({"step": np.array([[2, -1]])}, "comes from voice 0, step 2; the source has shape (1, 2)"),
        ({"step": np.array([[1, 0]])}, "comes from voice -1, step 0"),
        ({"shape": np.array([1, 2, 3])}, "expected the source's (voices, steps)"),
        ({"shape": np.array(7)}, "expected the source's (voices, steps)"),
        ({"shape": np.array([0, 2])}, "expected the source's (voices, steps)"),
        ({"tempo": np.array(0.0)}, "tempo: expected quarters a minute, got 0.0"),
        ({"source_tempo": np.array(np.nan)}, "source_tempo: expected quarters"),
        ({"tempo": np.array([1.0, 2])}, "tempo: expected quarters"),
        ({name: np.zeros((0, 0), int) for name in ("voice", "step")}
         | {"sounding": np.zeros((0, 0), bool)}, "expected voices and steps"),
    ],
)  # fmt: skip
def test_a_file_that_contradicts_itself(changes, said, tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(ChoraleError) as refused:
        load_map(path)
    assert said in str(refused.value) and str(refused.value).startswith(str(path))


def test_files_that_are_no_maps(tmp_path):
    path = tmp_path / "bad.npz"
    with pytest.raises(ChoraleError, match="no such file"):
        load_map(path)
    path.write_bytes(b"PK no zip")
    with pytest.raises(ChoraleError, match="can't be read"):
        load_map(path)
    np.savez(path, voice=np.zeros(3))
    with pytest.raises(ChoraleError, match="holds no array named"):
        load_map(path)
    np.savez(path, **arrays(voice=np.array([[{}, 1]], object)))
    with pytest.raises(ChoraleError, match="can't be read"):
        load_map(path)
    np.savez_compressed(path, **arrays())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ChoraleError, match="can't be read"):
        load_map(path)
    with zipfile.ZipFile(path, "w") as file:
        for name in NAMES:
            file.writestr(f"{name}.npy", pickle.dumps(3))
    with pytest.raises(ChoraleError, match="something other than plain arrays"):
        load_map(path)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda m: m.source(4, 0), "voice: expected 0-3 of the result, got 4"),
        (lambda m: m.source(0, [0, -1]), "step: expected 0-479 of the result, got -1"),
        (lambda m: m.source(0, 1.5), "step: expected whole numbers, got 1.5"),
        (lambda m: m.source([0, 1], [0, 1, 2]), "expected shapes that fit, got (2,) and (3,)"),
        (lambda m: m.results(0, 240), "step: expected 0-239 of the source, got 240"),
        (lambda m: m.column("now"), "step: expected whole numbers, got 'now'"),
        (lambda m: m.seconds(481), "expected 0-480 of the result and its end, got 481"),
        (lambda m: m.step_at(-0.1), "expected a time within 0 to 100.000 s, got -0.1"),
        (lambda m: m.step_at(100), "got 100"),
        (lambda m: m.step_at(np.nan), "got nan"),
        (lambda m: m.step_at("now"), "seconds: expected numbers, got 'now'"),
        (lambda m: m.step_at("now" * 99), "seconds: expected numbers, got 'now"),
        (lambda m: m.column(["now\n"] * 99), "step: expected whole numbers, got ['now"),
        (lambda m: m.source([[0], [0, 1]], 0), "voice: expected whole numbers, got [[0], [0, 1]]"),
        (lambda m: m.then(m), "expected one of a source of shape (4, 480), got (4, 240)"),
    ],
)
def test_what_a_map_may_not_be_asked(ask, said):
    where = StepMap.of(transforms.augment(Traced.begin(BACH)))
    with pytest.raises(ChoraleError) as refused:
        ask(where)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 200 and "\n" not in str(refused.value)


def test_a_map_can_be_neither_changed_nor_changed_behind_its_back():
    voice, step = np.zeros((1, 2), np.int32), np.zeros((1, 2), np.int32)
    where = StepMap(voice, step, (1, 1), np.ones((1, 2), bool), 60, 60)
    step[:] = 9
    assert where.source(0, 1)[1] == 0
    with pytest.raises(ValueError, match="read-only"):
        where.step[:] = 1
    assert where.results(np.uint8(0), np.uint8(0)).step.tolist() == [0, 1]
