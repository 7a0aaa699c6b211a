"""What holds for every layer, whoever wrote it, and for any chain of them."""

from __future__ import annotations

import inspect

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


def applied(name, piece, seed=1):
    """A layer with its options, and a generator where it takes one."""
    draws = "rng" in inspect.signature(LAYERS[name]).parameters
    rng = {"rng": np.random.default_rng(seed)} if draws else {}
    return LAYERS[name](piece, **OPTIONS[name], **rng)


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
    draws = "rng" in inspect.signature(LAYERS[name]).parameters
    rng = {"rng": np.random.default_rng(1)} if draws else {}
    for cell in (60, REST):
        grid = np.full((voices, 1), cell)
        if name == "join_quartets":
            with pytest.raises(ChoraleError, match="whole quartets"):
                LAYERS[name](grid, **options)
        else:
            made = LAYERS[name](grid, **options, **rng)
            assert made.shape[0] >= 1 and made.shape[1] >= 1
            assert cell or not made.any()


#: Values that no option means, but for those in `MEANT`.
WRONG = ("no such thing", -0.5, [], [[]], {"a": 1}, float("nan"), [None], 10**30, -(10**30))
#: What of these makes sense: no spans, no voices, a level below all scores, clumps so long
#: that none begins.
MEANT = {
    ("spans", "[]"),
    ("voices", "[]"),
    ("kinds", "[]"),
    ("below", "-0.5"),
    ("clump", repr(10**30)),
}


@EACH
def test_a_word_where_none_is_meant_is_refused_in_one_line(name, stack):
    """Every option of every layer: never numpy's traceback, never a wrong result."""
    draws = "rng" in inspect.signature(LAYERS[name]).parameters
    rng = {"rng": np.random.default_rng(1)} if draws else {}
    for option in options_of(name):
        for wrong in WRONG:
            options = OPTIONS[name] | {option: wrong}
            try:
                LAYERS[name](stack, **options, **rng)
            except ChoraleError as error:
                assert str(error) and "\n" not in str(error)
            else:
                assert (option, repr(wrong)) in MEANT, (name, option, wrong)


# ---------------------------------------------------------------- followed through chains

#: Layers that move cells and leave their pitches, with options for pieces of any size.
MOVES = (
    Layer("augment", {"by": 2}),
    Layer("crop", {"span": [1, 7]}),
    Layer("diminish", {"by": 2}),
    Layer("double_voices", {"times": 2}),
    Layer("dropout", {"share": 0.2}),
    Layer("join_quartets"),
    Layer("repeat", {"spans": [[1, 3]], "times": 3}),
    Layer("retrograde"),
    Layer("rotate_voices", {"by": 1, "octaves": False}),
    Layer("stretch", {"spans": "all", "low": 1, "high": 3}),
    Layer("stretch", {"spans": [[0, 1], [2, 3]], "factor": [3, 2]}),
    Layer("arpeggiate", {"mask": [[1, 0, 1]], "held": True}),
    Layer("canon", {"distance": 2}),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(MOVES), min_size=1, max_size=6, unique_by=id), st.integers(0, 99))
def test_a_marked_cell_is_found_where_the_map_says(layers, seed):
    """Every cell has a pitch of its own, so that the result itself tells where it comes from."""
    marked = np.arange(1, 121).reshape(8, 15)
    result = run_chain(Chain(layers, seed), Chorale(marked))
    grid, found = result.chorale.grid, result.map
    sounding = grid != REST
    assert (marked[found.source(*np.indices(grid.shape))] == grid)[sounding].all()
    asked, voice, step = found.results(*np.indices(marked.shape))
    back = grid[voice, step]
    assert (back == asked + 1)[back != REST].all()
    # And none is missing.
    for cell in (1, 60, 120):
        place = np.argwhere(marked == cell)[0]
        _, voice, step = found.results(*place)
        heard = [(v, s) for v, s in zip(voice, step, strict=True) if grid[v, s] != REST]
        assert heard == list(zip(*np.nonzero(grid == cell), strict=True))


def test_bach_through_all_layers_at_once():
    """Whatever a layer makes, the next takes; onsets fit all the way."""
    layers = [Layer(name, options) for name, options in OPTIONS.items() if name != "arpeggiate"]
    fixed = {
        "choose_voices": {"rows": [[0, 1, 2, 3]], "lengths": None},
        "canon": {"voices": "soprano", "distance": 8, "interval": -5, "followers": 3},
        "join_quartets": {},
        "transpose": {"by": 1},
    }
    layers = [Layer(one.name, fixed.get(one.name, one.options)) for one in layers]
    for order in (layers, layers[::-1]):
        piece = BACH.replace(phrases=())
        for layer in order:
            if layer.name == "choose_voices":
                lengths = [piece.steps]
                layer = Layer(layer.name, {"rows": [[0, 1, 2, 3]], "lengths": lengths})
            piece = run_chain(Chain([layer]), piece, limit=10**7).chorale
            assert (piece.onsets >= onsets_of(piece.grid)).all()
            assert not (piece.onsets & (piece.grid == REST)).any()
