"""Chains of layers: in order, re-ordered, from YAML and back, and what they refuse."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mocks import Uniform

from coconet import places, transforms
from coconet.cadences import ending
from coconet.chain import (
    Chain,
    Layer,
    Maker,
    dump_chain,
    load_chain,
    parse_chain,
    run_chain,
    shipped_chains,
)
from coconet.chorale import Chorale, load_chorale, save_chorale
from coconet.corpus import crop, load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, is_whole
from coconet.traced import Traced

DEMO = {chorale.bwv: chorale for chorale in load_corpus("demo")}
BACH = crop(DEMO["180.7"], (0, 64))
STACK = load_chorale(
    places.root() / "numpy_chorales/examples/bwv180.7-schmuecke-dich-o-liebe-seele.npy"
)
#: What a message shows the beginning of.
LONG = "so on and\n" * 200
#: Layers with options, of which all but `retrograde` and `augment` draw.
WALK = (
    Layer("stretch", {"spans": [[4, 8], [20, 30]], "low": 2, "high": 5}),
    Layer("octave_shift", {"share": 0.3, "clump": 6, "beyond": "skip"}),
    Layer("retrograde"),
    Layer("dropout", {"share": 0.2}),
    Layer("octave_shift", {"share": 0.3, "clump": 9, "beyond": "skip"}),
    Layer("augment", {"by": 2}),
)


def stage_of(result, label):
    (found,) = [stage for stage in result.stages if stage.label == label]
    return found


# ---------------------------------------------------------------- running


def test_a_chain_equals_its_layers_by_hand():
    chain = Chain(WALK, seed=5)
    result = run_chain(chain, BACH)
    by_hand, traced = BACH, Traced.begin(BACH)
    for layer in chain.layers:
        function = getattr(transforms, layer.name)
        draws = layer.name not in ("retrograde", "augment")
        for_one, for_other = (
            {"rng": chain.generator(layer.label)} if draws else {} for _ in range(2)
        )
        by_hand = function(by_hand, **layer.options, **for_one)
        traced = function(traced, **layer.options, **for_other)
    assert (result.chorale.grid == by_hand.grid).all()
    assert (result.chorale.onsets == by_hand.onsets).all()
    assert (result.chorale.fermatas == by_hand.fermatas).all()
    assert result.chorale.phrases == by_hand.phrases
    assert (result.map.voice == traced.voice).all() and (result.map.step == traced.step).all()


def test_stages_lead_from_the_source_to_the_result():
    result = run_chain(Chain(WALK), BACH)
    assert [stage.label for stage in result.stages] == [
        "stretch",
        "octave_shift",
        "retrograde",
        "dropout",
        "octave_shift 2",
        "augment",
    ]
    assert result.stages[0].before.chorale is BACH
    for stage, following in zip(result.stages, result.stages[1:], strict=False):
        assert following.before is stage.after
    assert (result.chorale.grid == result.stages[-1].chorale.grid).all()
    seen = []
    run_chain(Chain(WALK), BACH, on_layer=lambda number, stage: seen.append((number, stage.label)))
    assert seen == list(enumerate([stage.label for stage in result.stages], start=1))


def test_a_bare_array_is_a_source_too():
    grid = BACH.grid.copy()
    chain = Chain(["retrograde", Layer("dropout", {"share": 0.2})], seed=3)
    made = run_chain(chain, grid)
    assert (made.chorale.grid == run_chain(chain, BACH).chorale.grid).all()
    assert (grid == BACH.grid).all()
    for source, said in (("bwv:180.7", "grid: "), (grid[0], "grid: "), (grid * 9, "MIDI pitch")):
        with pytest.raises(ChoraleError, match=said):
            run_chain(chain, source)
    with pytest.raises(ChoraleError, match="expected a Chain"):
        run_chain("retrograde", grid)


def test_maps_between_stages_compose_to_the_whole():
    result = run_chain(Chain(WALK, seed=2), BACH)
    whole = result.between(0, len(WALK))
    assert (whole.voice == result.map.voice).all() and (whole.step == result.map.step).all()
    for middle in ("stretch", "octave_shift 2", 3):
        again = result.between(0, middle).then(result.between(middle, "augment"))
        assert (again.step == result.map.step).all()
    late = result.between("dropout", "augment")
    assert late.shape == stage_of(result, "dropout").chorale.grid.shape
    assert (late.step == np.arange(late.steps) // 2).all()
    for first, second in ((2, 2), ("augment", "stretch"), (0, 7), ("strech", 3), (-1, 2), (0, 1.0)):
        with pytest.raises(ChoraleError, match="between"):
            result.between(first, second)


def test_a_result_is_made_again_from_its_provenance_alone(tmp_path):
    masks = np.random.default_rng(2).integers(0, 2, (3, 4, 6))
    layers = (
        *WALK,
        Layer("choose_voices", {"rows": np.array([[3, 1, 0, 2]]), "lengths": (64,)}),
        Layer("arpeggiate", {"mask": masks, "sections": 3}),
        Layer("arpeggiate", {"mask": [masks[0], {"array": masks}], "each": "quartet"}, seed=8),
    )
    chain = Chain(layers, seed=7).moved("choose_voices", 0).without("octave_shift")
    made = run_chain(chain, BACH).chorale
    path = save_chorale(made, tmp_path / "made.npy")
    again = run_chain(load_chain(path.with_suffix(".json")), BACH).chorale
    assert again.grid.tobytes() == made.grid.tobytes()
    assert again.onsets.tobytes() == made.onsets.tobytes()
    assert again.provenance == made.provenance
    for name, said in (("none", "no such file"), ("other", "holds no chain"), ("bad", "JSON")):
        (tmp_path / "other.json").write_text('{"provenance": {"chain": 3}}', encoding="utf-8")
        (tmp_path / "bad.json").write_text('{"provenance": ', encoding="utf-8")
        with pytest.raises(ChoraleError, match=said):
            load_chain(tmp_path / f"{name}.json")


def test_the_result_keeps_its_title_and_tells_how_it_was_made():
    chain = Chain([Layer("stretch", {"spans": "all", "factor": np.int64(2)})], seed=3, name="slow")
    result = run_chain(chain, BACH, provenance={"source": "bwv:180.7"})
    assert result.chorale.title == BACH.title
    said = json.loads(json.dumps(dict(result.chorale.provenance)))
    assert said["source"] == "bwv:180.7"
    again = run_chain(parse_chain(said["chain"]), BACH)
    assert (again.chorale.grid == result.chorale.grid).all()
    assert BACH.provenance.get("chain") is None


# ---------------------------------------------------------------- chance


def test_same_seed_same_bytes_another_seed_another_piece():
    one, two, three = (run_chain(Chain(WALK, seed=seed), BACH) for seed in (8, 8, 9))
    assert one.chorale.grid.tobytes() == two.chorale.grid.tobytes()
    assert one.map.step.tobytes() == two.map.step.tobytes()
    assert one.chorale.grid.tobytes() != three.chorale.grid.tobytes()


def test_the_generator_is_as_documented():
    chain = Chain([Layer("dropout", {"share": 0.1}, label="où"), Layer("retrograde", seed=4)], 7)
    words = np.frombuffer(hashlib.sha256("où".encode()).digest(), "<u4")
    expected = np.random.default_rng(np.random.SeedSequence([7, *words.tolist()]))
    assert (chain.generator("où").random(5) == expected.random(5)).all()
    own = np.random.default_rng(4).random(5)
    assert (chain.generator("retrograde").random(5) == own).all()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_change_to_one_layer_leaves_the_draws_of_the_others(data):
    """Whatever is moved, changed, removed: each layer that stays draws what it drew."""
    chain = Chain(WALK, seed=data.draw(st.integers(0, 99)))
    label = data.draw(st.sampled_from(chain.labels))
    moved = chain.moved(label, data.draw(st.integers(0, len(WALK) - 1)))
    added = Chain([Layer("dropout", {"share": 0.1}, label="new"), *chain.layers], chain.seed)
    for other in (moved, chain.without(label), added):
        for name in set(chain.labels) & set(other.labels):
            assert chain.generator(name).integers(1 << 60) == other.generator(name).integers(
                1 << 60
            )
    assert sorted(moved.labels) == sorted(chain.labels)
    assert label not in chain.without(label).labels


def test_a_change_is_heard_only_where_it_is_made():
    chain = Chain(WALK, seed=4)
    before = run_chain(chain, BACH)
    after = run_chain(chain.changed("dropout", share=0.7), BACH)
    for stage, other in zip(before.stages[:3], after.stages[:3], strict=True):
        assert (stage.chorale.grid == other.chorale.grid).all()
    # The same clumps rise; where both sound they agree.
    one, two = before.chorale.grid, after.chorale.grid
    both = (one != REST) & (two != REST)
    assert both.any() and (one == two)[both].all() and (one != two).any()


# ---------------------------------------------------------------- YAML


def test_one_layer_may_draw_anew():
    chain = Chain(WALK)
    again = chain.reseeded("dropout", 5)
    for label in chain.labels:
        same = chain.generator(label).random() == again.generator(label).random()
        assert same == (label != "dropout")
    assert again.generator("dropout").random() == np.random.default_rng(5).random()
    assert again.reseeded("dropout", None).plain == chain.plain


TEXT = """
name: a walk
seed: 6
layers:
  - stretch: {spans: [[0, 4]], low: 2, high: 3}
    label: linger
  - retrograde
  - octave_shift: {beyond: skip}
    seed: 3
  - octave_shift:
  - arpeggiate: {mask: pattern.npy, held: true}
"""


def test_a_yaml_says_what_python_says(tmp_path):
    pattern = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.uint8)
    np.save(tmp_path / "pattern.npy", pattern)
    (tmp_path / "walk.yaml").write_text(TEXT, encoding="utf-8")
    chain = load_chain(tmp_path / "walk.yaml")
    assert (chain.name, chain.seed) == ("a walk", 6)
    assert chain.labels == ("linger", "retrograde", "octave_shift", "octave_shift 2", "arpeggiate")
    assert chain.layers[2].seed == 3
    piece = BACH.replace(grid=np.where(BACH.grid == REST, REST, BACH.grid - 12))
    made = run_chain(chain.without("octave_shift 2"), piece).chorale
    by_hand = transforms.stretch(
        piece, spans=[(0, 4)], low=2, high=3, rng=chain.generator("linger")
    )
    by_hand = transforms.retrograde(by_hand)
    by_hand = transforms.octave_shift(by_hand, beyond="skip", rng=np.random.default_rng(3))
    by_hand = transforms.arpeggiate(by_hand, mask=pattern, held=True)
    assert (made.grid == by_hand.grid).all()


#: Python's, of any size, and NumPy's.
SEEDS = st.none() | st.integers(0, 2**70) | st.integers(0, 2**63 - 1).map(np.int64)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_written_as_yaml_and_read_again_a_chain_is_the_same(data):
    words = st.characters(codec="utf-8", categories=["L", "N", "P"], include_characters=" ")
    labels = st.text(words, max_size=8)
    layers = [
        Layer(
            layer.name,
            layer.options,
            data.draw(SEEDS),
            data.draw(labels.map(lambda text, n=n: text and f"{text}{n}")),
        )
        for n, layer in enumerate(data.draw(st.permutations(WALK)))
    ]
    mask = Layer("arpeggiate", {"mask": np.eye(4, dtype=np.uint8)}, label="mask")
    chain = Chain([*layers, mask], data.draw(SEEDS.filter(is_whole)), data.draw(labels))
    again = parse_chain(dump_chain(chain))
    assert again.plain == chain.plain == parse_chain(json.loads(json.dumps(chain.plain))).plain
    assert again.labels == chain.labels
    assert [layer.seed for layer in again.layers] == [layer.seed for layer in chain.layers]


def test_a_seed_of_numpy_is_the_same_as_pythons(tmp_path):
    chains = [
        Chain([Layer("dropout", {"share": 0.3}), Layer("retrograde", seed=kind(4))], kind(9))
        for kind in (int, np.int64, np.uint8)
    ]
    results = [run_chain(chain, BACH) for chain in chains]
    for chain, result in zip(chains, results, strict=True):
        assert dump_chain(chain) == dump_chain(chains[0])
        assert result.chorale.grid.tobytes() == results[0].chorale.grid.tobytes()
        saved = save_chorale(result.chorale, tmp_path / "made.npy", force=True)
        assert load_chain(saved.with_suffix(".json")).plain == chains[0].plain


def test_words_of_numpy_are_written_too():
    words = {"kinds": np.array(["turn", "trill"]), "voices": np.str_("bass")}
    again = parse_chain(dump_chain(Chain([Layer("ornament", words)])))
    assert again.layers[0].options == {"kinds": ["turn", "trill"], "voices": "bass"}


def test_a_moved_chain_keeps_its_labels_when_it_is_written():
    moved = Chain(WALK).moved("octave_shift 2", 0)
    assert parse_chain(dump_chain(moved)).labels == moved.labels


BAD_TEXTS = [
    ("", "expected name, seed and layers, got None"),
    ("- retrograde", "expected name, seed and layers"),
    ("layers: [", "line 1: not valid YAML"),
    ("layers: []", "expected a list of layers"),
    ("layers: retrograde", "expected a list of layers, got 'retrograde'"),
    ("layer: [retrograde]", "unknown 'layer'; did you mean layers?"),
    ("layers: [retrograde]\nlayers: [augment]", "line 2: not valid YAML: 'layers' comes twice"),
    ("layers:\n- augment: {by: 2, by: 3}", "line 2: not valid YAML: 'by' comes twice"),
    ("layers: &a [*a]", "aliases aren't read"),
    ("layers: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ("layers: [" + "[" * 1100, "not valid YAML"),
    ("layers:\n- retrograd", "layer 1: unknown layer 'retrograd'; did you mean retrograde?"),
    ("layers:\n- augment: {bi: 2}", "augment: unknown option 'bi'; did you mean by?"),
    ("layers:\n- retrograde: {by: 2}", "unknown option 'by' (it has no options)"),
    ("layers:\n- augment: 2", "expected options such as {share: 0.2}, got 2"),
    ("layers:\n- stretch: {}\n- crop: {}", "layer 2: crop: needs span"),
    ("layers:\n- {augment: , retrograde: }", "expected one layer an entry"),
    ("layers:\n- label: x", "expected one layer an entry, and beside it label and seed, got none"),
    ("layers:\n- 3", "layer 1: expected a layer's name"),
    ("layers:\n- retrograde:\n  seed: -1", "seed: expected a whole number, 0 or more, got -1"),
    ("layers:\n- retrograde:\n  seed: 1.5", "seed: expected a whole number"),
    ("layers:\n- retrograde:\n  label: [x]", "label: expected words, got ['x']"),
    ("layers:\n- retrograde:\n  label: " + 61 * "x", "60 characters or fewer, got 61"),
    ("layers:\n- augment\n- retrograde:\n  label: augment", "layer 2: is labelled 'augment'"),
    ("layers:\n- augment: {by: 2001-01-01}", "by: expected numbers, words, lists"),
    ("layers:\n- augment: {by: .nan}", "expected numbers"),
    ("layers:\n- choose_voices: {rows: no.npy}", "no.npy: no such file"),
    ("seed: true\nlayers: [retrograde]", "chain: seed: expected a whole number"),
    ("name: 3\nlayers: [retrograde]", "chain: name: expected words, got 3"),
]


@pytest.mark.parametrize(("text", "said"), BAD_TEXTS, ids=lambda text: repr(text)[:40])
def test_a_bad_yaml_is_refused_in_one_line(text, said, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ChoraleError) as refused:
        load_chain(path)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_a_file_that_is_no_text_or_not_there(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ChoraleError, match="not a text file"):
        load_chain(tmp_path / "x.yaml")
    with pytest.raises(ChoraleError, match=r"did you mean stop_and_linger\?"):
        load_chain("stop_and_lingr")
    with pytest.raises(ChoraleError, match="shipped chains are"):
        load_chain(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Chain([]), "expected a list of layers"),
        (lambda: Chain("retrograde"), "expected a list of layers"),
        (lambda: Chain([3]), "layer 1: expected a layer, got 3"),
        (lambda: Chain(["retrograde", "retrogade"]), "layer 2: unknown layer 'retrogade'"),
        (lambda: Chain(["retrograde"], seed=-2), "chain: seed"),
        (lambda: Layer("", {}), "expected the name of a layer"),
        (lambda: Layer("stretch", {"curve": {1: 2}}), "expected numbers, words"),
        (lambda: Layer("stretch", {"rng": 2}), "unknown option 'rng'"),
        (lambda: Chain(WALK).moved("stretch", 6), "place: expected 0-5, got 6"),
        (lambda: Chain(WALK).without("strech"), "did you mean stretch?"),
        (lambda: Chain(WALK).changed("augment", buy=2), "did you mean by?"),
        (lambda: Chain(WALK).reseeded("augment", -1), "augment: seed: expected a whole number"),
        (lambda: Chain(WALK).reseeded("augmet", 1), "did you mean augment?"),
        (lambda: Chain(WALK).moved("stretch", LONG), "place: expected 0-5, got 'so"),
        (lambda: Chain(WALK).index(LONG), "no layer is labelled 'so"),
        (lambda: Chain([Layer(LONG)]), "unknown layer 'so"),
        (lambda: Layer("stretch", {LONG: 2}), "unknown option 'so"),
        (lambda: run_chain(Chain(WALK), BACH).between(LONG, 3), "between: expected 0-6 or one of"),
        (lambda: run_chain(Chain(WALK), BACH, limit=LONG), "expected a number of cells"),
        (lambda: run_chain(Chain(WALK), BACH, callables={LONG: min}), "callables: 'so"),
        (lambda: run_chain(Chain(["ending"]), BACH, callables={"ending": [LONG]}), "got ['so"),
        (lambda: parse_chain({LONG: 3}), "chain: unknown 'so"),
        (lambda: parse_chain({"layers": [{LONG: None, "retrograde": None}]}), "got ['so"),
        (lambda: load_chain(3), "expected the name of a chain's file, got 3"),
        (lambda: load_chain(TEXT), "parse_chain reads the text of a chain"),
    ],
)
def test_what_python_may_not_say(make, said):
    with pytest.raises(ChoraleError) as refused:
        make()
    assert said in str(refused.value)
    assert len(str(refused.value)) < 400 and "\n" not in str(refused.value)


def test_a_layer_that_fails_is_named_and_a_limit_comes_before_memory():
    chain = Chain(["retrograde", Layer("augment", {"by": 0}, label="slow")])
    with pytest.raises(ChoraleError, match=r"^layer 2 \(slow\): by: expected a whole number"):
        run_chain(chain, BACH)
    grows = Chain([Layer("augment", {"by": 1000}), Layer("double_voices", {"times": 1000})])
    with pytest.raises(ChoraleError, match=r"^layer 2 \(double_voices\): .* limit is 4,000,000"):
        run_chain(grows, BACH)
    with pytest.raises(ChoraleError, match=r"^layer 1 .* the limit is 500 \(raise it"):
        run_chain(grows, BACH, limit=500)
    for bad in (0, 1.5, True, "all"):
        with pytest.raises(ChoraleError, match="limit: expected a number of cells"):
            run_chain(grows, BACH, limit=bad)


# ---------------------------------------------------------------- what is handed in


def test_an_ending_is_handed_in_and_leaves_the_trace():
    resolve = ending(Uniform(), tries=1, passes=2)
    chain = Chain(["retrograde", "ending"])
    result = run_chain(chain, BACH, callables={"ending": resolve})
    before, after = (stage.chorale for stage in result.stages)
    assert (before.grid[:, :-16] == after.grid[:, :-16]).all()
    assert (before.grid != after.grid).any()
    assert (after.onsets == before.onsets_for(after.grid)).all()
    assert (result.map.step == np.arange(BACH.steps)[::-1]).all()
    by_hand = resolve(before.grid, chain.generator("ending"))
    assert (after.grid == by_hand).all()


def test_a_maker_gets_the_piece_and_the_options():
    seen = []

    def make(chorale, *, by=1, beyond="refuse"):
        seen.append((chorale.steps, chorale.time_signature, by))
        return lambda grid, rng: transforms.transpose(grid, by=by, beyond=beyond)

    chain = Chain([Layer("augment", {"by": 2}), Layer("lift", {"by": 3})], handed_in=["lift"])
    result = run_chain(chain, BACH, callables={"lift": Maker(make)})
    assert seen == [(2 * BACH.steps, BACH.time_signature, 3)]
    lifted = np.where(BACH.grid == REST, REST, BACH.grid + 3)
    assert (result.chorale.grid[:, ::2] == lifted).all()
    wrong = Chain([Layer("lift", {"bye": 3})], handed_in=["lift"])
    with pytest.raises(ChoraleError, match=r"layer 1 \(lift\): unknown option 'bye'; did you mean"):
        run_chain(wrong, BACH, callables={"lift": Maker(make)})


@pytest.mark.parametrize(
    ("layers", "callables", "said"),
    [
        (["ending"], {}, "layer 1 (ending): must be handed in when the chain runs"),
        ([Layer("ending", {"keep": "bass"})], {"ending": min}, "takes no options, got keep"),
        (["retrograde"], {"closing": min}, "'closing' isn't handed in to this chain"),
        (["retrograde"], {"retrograde": min}, "'retrograde' isn't handed in"),
        (["ending"], {"ending": 3}, "ending: expected a function, got 3"),
        (["ending"], {"ending": lambda grid, rng: grid[:2]}, "expected a grid of shape (4, 64)"),
        (["ending"], {"ending": lambda grid, rng: grid + 100}, "is not a MIDI pitch"),
    ],
)
def test_what_may_not_be_handed_in(layers, callables, said):
    with pytest.raises(ChoraleError) as refused:
        run_chain(Chain(layers), BACH, callables=callables)
    assert said in str(refused.value)


# ---------------------------------------------------------------- the shipped chains


@pytest.mark.parametrize("quartets", [1, 2, 4, 5])
@pytest.mark.parametrize("name", sorted(shipped_chains()))
def test_a_shipped_chain_runs_on_any_number_of_quartets(name, quartets):
    rows = [*range(16), *range(4)][: 4 * quartets]
    source = STACK.replace(grid=STACK.grid[rows], onsets=STACK.onsets[rows])
    chain = load_chain(name)
    result = run_chain(chain, source)
    assert result.chorale.steps > source.steps
    assert (result.chorale.grid != REST).any(1).all()
    where = result.map
    here = where.step >= 0
    assert where.shape == source.grid.shape and here.mean() > 0.5
    assert chain.name.replace(" ", "_") == name
    assert parse_chain(dump_chain(chain)).plain == chain.plain


@pytest.fixture(scope="module")
def lingering():
    """stop_and_linger on four quartets: the chain, and by its label what each layer made."""
    chain = load_chain("stop_and_linger")
    result = run_chain(chain, STACK)
    return chain, {stage.label: stage for stage in result.stages}


def test_stop_and_linger_holds_where_a_voice_but_the_last_leaves_the_key(lingering):
    chain, stages = lingering
    tonic, scale = STACK.tonic, [0, 2, 4, 5, 7, 9, 11]
    assert STACK.mode == "major"
    strange = np.zeros(STACK.steps, bool)
    for step in range(STACK.steps):
        for pitch in STACK.grid[:-1, step]:
            strange[step] |= pitch != REST and (pitch - tonic) % 12 not in scale
    assert 10 < strange.sum() < STACK.steps / 2
    held = np.bincount(stages["linger"].map.step[0])
    assert (held[~strange] == 1).all()
    assert set(held[strange]) <= set(range(2, 9)) and len(set(held[strange])) > 2
    both = strange[1:] & strange[:-1]
    assert (held[1:] == held[:-1])[both].all()
    # A last bass that leaves the key alone is no reason to linger; any other voice is.
    assert not strange[0]
    for row, lingers in ((15, False), (14, True), (3, True)):
        grid = STACK.grid.copy()
        grid[row, 0] = 37 + tonic
        made = run_chain(chain, STACK.replace(grid=grid)).stages[0]
        assert (np.bincount(made.map.step[0])[0] > 1) == lingers


def test_stop_and_linger_breaks_each_quartet_as_if_before_they_are_joined(lingering):
    """As the original does: a quartet, doubled, has blocks multiplied by its own mask."""
    chain, stages = lingering
    rng = chain.generator("arpeggiate")
    long, quarters = stages["linger"].chorale.grid, []
    sizes = [(18, 2, 6, 3), (18, 4, 4, 2), (20, 1, 4, 3), (20, 2, 2, 2)]
    for number, (width, zeros, ones, skip) in enumerate(sizes):
        mask = transforms.shaded_mask((16, width), zeros, ones, rng=rng)
        doubled = np.tile(long[4 * number : 4 * number + 4], (4, 1))
        for block in range(0, doubled.shape[1], width * skip):
            part = doubled[:, block : block + width]
            doubled[:, block : block + width] = part * mask[:, : part.shape[1]]
        quarters.append(doubled)
    assert (stages["arpeggiate"].chorale.grid == np.hstack(quarters)).all()


def test_stop_and_linger_spreads_octaves(lingering):
    """A sixth of the basses' steps fall by one; clumps of all voices rise by one or two."""
    _, stages = lingering
    grids = [stages[label].chorale.grid for label in ("arpeggiate", "bass_drop", "more octaves")]
    figures, dropped, spread = (grid.astype(int) for grid in grids)
    sounds = figures != REST
    basses = np.arange(16) % 4 == 3
    fell = dropped - figures
    assert not fell[~basses].any() and set(fell[basses].ravel()) == {0, -12}
    assert (fell[basses] < 0)[sounds[basses]].mean() == pytest.approx(1 / 6, abs=0.03)
    rose = spread - dropped
    assert set(rose[sounds]) == {0, 12, 24} and not rose[~sounds].any()
    assert 0.15 < (rose[sounds] > 0).mean() < 0.35
    # In clumps: a voice that has risen mostly stays there for the next step.
    both = sounds[:, 1:] & sounds[:, :-1]
    assert (np.diff(rose, axis=1) != 0)[both].mean() < 0.02


def test_a_chain_of_one_voice_and_one_step():
    dot = Chorale(np.array([[60]]))
    result = run_chain(Chain(["retrograde", Layer("augment", {"by": 3})]), dot)
    assert result.chorale.grid.tolist() == [[60, 60, 60]]
    assert result.map.column(np.arange(3)).tolist() == [0, 0, 0]


def test_the_readme_of_the_chains_tells_the_truth():
    text = (places.chains() / "README.md").read_text(encoding="utf-8")
    (yaml,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    chain = parse_chain(yaml)
    assert chain.labels == ("stretch", "retrograde", "high places")
    assert run_chain(chain, BACH).chorale.steps == 2 * BACH.steps
    _, code, closing = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"chorale": STACK}
    exec(code, names)
    assert names["other"].labels[0] == "octaves"
    assert names["result"].stages[1].label == "linger"
    names = {"chorale": BACH}
    exec(closing, names)
    before, after = (stage.chorale.grid for stage in names["closed"].stages)
    assert (before[0] == after[0]).all() and (before != after).any()
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.yaml\)", text, re.MULTILINE)
    assert sorted(listed) == sorted(shipped_chains())
