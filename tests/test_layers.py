"""What holds for every layer, whoever wrote it, and for any chain of them."""

from __future__ import annotations

import inspect
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet import places
from coconet.chain import Chain, Layer, run_chain
from coconet.chorale import Chorale, load_chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, onsets_of
from coconet.traced import NOWHERE, Traced
from coconet.transforms import LAYERS, options_of

#: Each layer with options that do something to eight voices.
OPTIONS = {
    "arpeggiate": {"mask": [[1, 0, 1], [0, 1, 1]] * 4, "held": True},
    "augment": {"by": 3},
    "bass_drop": {"share": 0.4, "beyond": "skip"},
    "canon": {"voices": "S,B", "distance": 4, "interval": [-2, -7], "followers": 2, "tonal": True},
    "choose_voices": {"rows": [[0, 5, 6, 3]] * 2, "lengths": [40, 24]},
    "compress": {"spans": [[8, 16]], "factor": 4},
    "crop": {"span": [5, 33]},
    "diminish": {"by": 2},
    "double_voices": {"times": 3},
    "dropout": {"share": 0.3},
    "invert": {"kind": "tonal"},
    "join_quartets": {"order": [2, 1, 2]},
    "octave_shift": {"share": 0.4, "clump": 5, "beyond": "skip"},
    "ornament": {"share": 0.5},
    "repeat": {"spans": [[3, 9], [20, 21]], "times": [2, 4]},
    "retrograde": {},
    "rotate_voices": {"by": 1, "every": 16},
    "stretch": {"low": 2, "high": 5},
    "strip_dissonant": {},
    "transpose": {"to": "G"},
}
#: Layers that change pitches; all others move cells, or silence or repeat them.
SING = {
    "bass_drop",
    "canon",
    "invert",
    "octave_shift",
    "ornament",
    "rotate_voices",
    "strip_dissonant",
    "transpose",
}
EACH = pytest.mark.parametrize("name", sorted(LAYERS))
BACH = next(chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7")


@pytest.fixture(scope="module")
def stack() -> Chorale:
    """Eight voices, 64 steps, with rests."""
    path = "numpy_chorales/examples/bwv140.7-wachet-auf-ruft-uns-die-stimme.npy"
    piece = crop(load_chorale(places.root() / path), (0, 64))
    grid, onsets = piece.grid[:8].copy(), piece.onsets[:8].copy()
    grid[2, 20:25] = grid[5, 60:] = REST
    onsets |= onsets_of(grid)
    onsets &= grid != REST
    return piece.replace(grid=grid, onsets=onsets, phrases=(40, 24))


def run_layer(name, piece, options, seed=1):
    """A layer, and a generator where it takes one."""
    draws = "rng" in inspect.signature(LAYERS[name]).parameters
    rng = {"rng": np.random.default_rng(seed)} if draws else {}
    return LAYERS[name](piece, **options, **rng)


def applied(name, piece, seed=1):
    """A layer with its options."""
    return run_layer(name, piece, OPTIONS[name], seed)


def test_every_layer_is_tested_here():
    assert OPTIONS.keys() == LAYERS.keys()
    for name, options in OPTIONS.items():
        assert set(options) <= set(options_of(name))


@EACH
def test_given_an_array_a_chorale_or_a_traced_one_it_gives_back_the_same_kind(name, stack):
    chorale, traced = applied(name, stack), applied(name, Traced.begin(stack))
    assert type(chorale) is Chorale and type(traced) is Traced
    assert (traced.grid == chorale.grid).all() and (traced.onsets == chorale.onsets).all()
    assert (chorale.title, chorale.provenance) == (stack.title, stack.provenance)
    assert chorale.fermatas.shape == (chorale.steps,)
    # An array says nothing of its key, so that what needs one may differ.
    known = Chorale(stack.grid, assumed=("tonic", "mode", "onsets"))
    array = applied(name, stack.grid)
    assert type(array) is np.ndarray and array.flags.writeable
    assert (array == applied(name, known).grid).all()


@EACH
def test_nothing_given_is_changed(name, stack):
    grid, onsets = stack.grid.tobytes(), stack.onsets.tobytes()
    options = repr(OPTIONS[name])
    array = stack.grid.copy()
    made = applied(name, array)
    applied(name, stack)
    made[:] = 1  # nor is it a view of what was given
    assert array.tobytes() == grid == stack.grid.tobytes()
    assert stack.onsets.tobytes() == onsets
    assert repr(OPTIONS[name]) == options


@EACH
def test_the_same_seed_gives_the_same_bytes(name, stack):
    one, again = applied(name, stack, seed=3), applied(name, stack, seed=3)
    assert one.grid.tobytes() == again.grid.tobytes()
    assert one.onsets.tobytes() == again.onsets.tobytes()


@EACH
def test_every_cell_comes_from_a_cell_of_the_source(name, stack):
    made = applied(name, Traced.begin(stack))
    nowhere = made.step == NOWHERE
    assert (nowhere == (made.voice == NOWHERE)).all()
    assert not made.sounding[nowhere].any()
    here = ~nowhere
    voice, step = made.voice[here], made.step[here]
    assert voice.min() >= 0 and (voice < 8).all() and step.min() >= 0 and (step < 64).all()
    if name not in SING:
        sounding = made.sounding & here
        assert (made.grid == stack.grid[made.voice, made.step])[sounding].all()


@EACH
def test_rests_stay_rests(name, stack):
    made = applied(name, Traced.begin(stack))
    rests = (made.step != NOWHERE) & (stack.grid[made.voice, made.step] == REST)
    assert rests.any() and not made.sounding[rests].any()


@EACH
@pytest.mark.parametrize("voices", [1, 3])
def test_any_number_of_voices_and_steps(name, voices):
    options = {
        "arpeggiate": {"mask": [[1]]},
        "canon": {"distance": 1},
        "choose_voices": {"rows": [[0]], "lengths": [1]},
        "compress": {"spans": [[0, 1]], "factor": 1},
        "crop": {"span": [0, 1]},
        "repeat": {"spans": [[0, 1]], "times": 2},
    }.get(name, OPTIONS[name])
    for cell in (60, REST):
        grid = np.full((voices, 1), cell)
        if name == "join_quartets":
            with pytest.raises(ChoraleError, match="whole quartets"):
                run_layer(name, grid, options)
        else:
            made = run_layer(name, grid, options)
            assert made.shape[0] >= 1 and made.shape[1] >= 1
            assert cell or not made.any()


#: Values that no option means, but for those in `MEANT`.
WRONG = ("no such thing", -0.5, [], [[]], {"a": 1}, float("nan"), [None], 10**30, -(10**30))
#: What of these makes sense, layer by layer: no spans, and clumps so long that none begins.
MEANT = {
    "compress": {("spans", "[]")},
    "octave_shift": {("clump", repr(10**30))},
    "stretch": {("spans", "[]")},
}


@EACH
def test_a_word_where_none_is_meant_is_refused_in_one_line(name, stack):
    """Every option of every layer: never numpy's traceback, never a wrong result."""
    taken = set()
    for option in options_of(name):
        for wrong in WRONG:
            options = OPTIONS[name] | {option: wrong}
            try:
                run_layer(name, stack, options)
            except ChoraleError as error:
                assert str(error) and "\n" not in str(error)
            else:
                taken.add((option, repr(wrong)))
    assert taken == MEANT.get(name, set())


# ---------------------------------------------------------------- followed through chains


def followed(voices: int, steps: int) -> dict[str, Layer]:
    """Layers by which every cell can still be told, for a piece of this size, 3 steps or more."""
    third = steps // 3
    thirds = [third, third, steps - 2 * third]
    rows = np.arange(12).reshape(3, 4) % voices
    half = 2 if steps > 5 else 1
    quartets = voices % 4 == 0
    return {
        "augment": Layer("augment", {"by": 2}),
        "break": Layer("arpeggiate", {"mask": [[1, 0, 1]], "held": True}),
        "break quartets": Layer(
            "arpeggiate", {"mask": [[[1]], [[0]]], "skip": 2, "held": True, "each": "quartet"}
        ),
        "break sections": Layer(
            "arpeggiate", {"mask": [[0]], "skip": 2, "held": True, "sections": thirds}
        ),
        "canon": Layer("canon", {"distance": 2}),
        "choose": Layer("choose_voices", {"rows": rows, "lengths": thirds}),
        "compress": Layer("compress", {"spans": [[0, half * (steps // half)]], "factor": half}),
        "crop": Layer("crop", {"span": [steps // 4, steps]}),
        "diminish": Layer("diminish", {"by": half}),
        "double": Layer("double_voices", {"times": 2}),
        "dropout": Layer("dropout", {"share": 0.2}),
        "invert": Layer("invert", {"axis": 64}),
        "join": Layer("join_quartets") if quartets else Layer("retrograde"),
        "linger": Layer("stretch", {"spans": [[0, 1], [2, 3]], "factor": [3, 2]}),
        "repeat": Layer("repeat", {"spans": [[1, 3]], "times": 3}),
        "retrograde": Layer("retrograde"),
        "rotate": Layer("rotate_voices", {"by": 1, "every": 4, "octaves": False}),
        "stretch": Layer("stretch", {"spans": "all", "low": 1, "high": 3}),
        "transpose": Layer("transpose", {"by": 3}),
    }


#: What layers of `followed` make of a pitch; the others leave it.
SUNG = {"invert": lambda pitch: 128 - pitch, "transpose": lambda pitch: pitch + 3}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(followed(8, 15))), min_size=1, max_size=6, unique=True),
    st.integers(0, 99),
)
def test_a_marked_cell_is_found_where_the_map_says(names, seed):
    """Every cell has a pitch of its own, so that the result itself tells where it comes from."""
    marked = np.arange(4, 124).reshape(8, 15)
    layers, shape, sung = [], marked.shape, marked
    for name in names:
        layer = followed(*shape)[name]
        layers.append(Layer(layer.name, layer.options, label=name))
        result = run_chain(Chain(layers, seed), Chorale(marked))
        shape = result.chorale.grid.shape
        sung = SUNG.get(name, lambda pitch: pitch)(sung)
    grid, found = result.chorale.grid, result.map
    sounding = grid != REST
    assert (sung[found.source(*np.indices(grid.shape))] == grid)[sounding].all()
    asked, voice, step = found.results(*np.indices(marked.shape))
    back = grid[voice, step]
    assert (back == sung.ravel()[asked])[back != REST].all()
    # And none is missing.
    for cell in (0, 59, 119):
        _, voice, step = found.results(*divmod(cell, 15))
        heard = [(v, s) for v, s in zip(voice, step, strict=True) if grid[v, s] != REST]
        assert heard == list(zip(*np.nonzero(grid == sung.ravel()[cell]), strict=True))


def fitting(name: str, piece: Traced) -> dict:
    """Options of a layer for a piece of any number of voices and of phrases."""
    phrases = piece.chorale.phrases or (piece.steps,)
    rows = (np.arange(len(phrases))[:, None] + np.arange(4)) % piece.voices
    even = not any(length % 2 for length in phrases)  # or a step of the next would join them
    return {
        "arpeggiate": {"mask": [[1, 0, 1]], "skip": 2, "held": True},
        "canon": {"voices": "soprano", "distance": 8, "interval": -5, "followers": 3},
        "choose_voices": {"rows": rows.tolist()},
        "crop": {"span": [phrases[0] * (len(phrases) > 1), piece.steps]},
        "diminish": {"by": 2 if even else 1},
        "join_quartets": {},
        "repeat": {"spans": [[3, 9], [10, 11]], "times": [2, 4]},  # inside the first phrase
        "transpose": {"by": 1},
    }.get(name, OPTIONS[name])


def ended(chorale: Chorale) -> list[bool]:
    """Of each phrase whether there is a fermata in it."""
    edges = np.cumsum((0, *chorale.phrases))
    return [bool(chorale.fermatas[start:end].any()) for start, end in pairwise(edges)]


#: Whether there are fermatas in phrases, after layers after which it isn't as before.
PHRASES = {
    "canon": lambda before, quartets: [],
    "choose_voices": lambda before, quartets: before or [False],  # its segments
    "crop": lambda before, quartets: before[1:] or before,
    "join_quartets": lambda before, quartets: before * quartets,
    "retrograde": lambda before, quartets: before[::-1],
}


@settings(max_examples=15, deadline=None)
@given(st.permutations(sorted(OPTIONS)))
def test_bach_through_all_layers_at_once(order):
    """Whatever a layer makes, the next takes; notes, fermatas and phrases fit all the way."""
    # The fourth phrase loses its fermata, so that phrases that change places are noticed.
    fermatas = BACH.fermatas & (np.arange(BACH.steps) != sum(BACH.phrases[:4]) - 1)
    source = BACH.replace(fermatas=fermatas)
    piece, layers = Traced.begin(source, limit=10**7), []
    voice, step = np.indices(source.grid.shape)
    for name in order:
        layers.append(Layer(name, fitting(name, piece), seed=1))
        before, piece = piece, run_layer(name, piece.anew(), layers[-1].options)
        assert (piece.onsets >= onsets_of(piece.grid)).all()
        assert not (piece.onsets & ~piece.sounding).any()
        made = ended(piece.chorale)
        assert sum(piece.chorale.phrases) == (piece.steps if made else 0)
        assert made == PHRASES.get(name, lambda same, _: same)(
            ended(before.chorale), before.voices // 4
        )
        nowhere = piece.since[0] == NOWHERE
        assert not piece.sounding[nowhere].any()
        assert not piece.sounding[~nowhere & ~before.sounding[piece.since]].any()
        if name not in SING:
            assert (piece.grid == before.grid[piece.since])[piece.sounding].all()
        # The way back, layer after layer.
        voice, step = (np.where(nowhere, NOWHERE, way[piece.since]) for way in (voice, step))
    result = run_chain(Chain(layers), source, limit=10**7)
    for name in ("grid", "onsets", "fermatas", "phrases", "tonic", "mode", "upbeat", "tempo"):
        assert np.array_equal(getattr(result.chorale, name), getattr(piece.chorale, name)), name
    assert np.array_equal(result.map.voice, voice) and np.array_equal(result.map.step, step)
    assert result.chorale.grid.any()
