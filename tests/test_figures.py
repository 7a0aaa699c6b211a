"""Arpeggiation and dropout: the original's by hand, and against slow loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pieces

from coconet.chorale import Chorale
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.grid import REST, onsets_of
from coconet.traced import NOWHERE, Traced
from coconet.transforms.figures import arpeggiate, dropout
from coconet.transforms.masks import fixed_mask
from coconet.transforms.motion import canon
from coconet.transforms.voices import choose_voices, double_voices, join_quartets


@pytest.fixture(scope="module")
def demo():
    return {chorale.bwv: chorale for chorale in load_corpus("demo")}


@pytest.fixture(scope="module")
def stack(demo):
    """Four quartets of a chorale, (16, steps), told apart by their pitches."""
    piece = demo["140.7"]
    grids = [np.where(piece.grid, piece.grid - 2 * quartet, REST) for quartet in range(4)]
    return piece.replace(grid=np.vstack(grids), onsets=np.tile(piece.onsets, (4, 1)))


def rng(seed=1):
    return np.random.default_rng(seed)


# ---------------------------------------------------------------- by hand


GRID = np.array([[72, 72, 74, 74, 76, 76, 77, 77, 79], [48, 50, 52, 53, 55, 57, 59, 60, 62]])
MASK = np.array([[1, 0, 0], [0, 1, 1]])


def test_the_mask_multiplies_every_block():
    assert arpeggiate(GRID, mask=MASK).tolist() == [
        [72, 0, 0, 74, 0, 0, 77, 0, 0],
        [0, 50, 52, 0, 55, 57, 0, 60, 62],
    ]


def test_the_mask_multiplies_every_skipth_block():
    assert arpeggiate(GRID, mask=MASK, skip=2).tolist() == [
        [72, 0, 0, 74, 76, 76, 77, 0, 0],
        [0, 50, 52, 53, 55, 57, 0, 60, 62],
    ]
    assert arpeggiate(GRID, mask=MASK, skip=3).tolist() == [
        [72, 0, 0, 74, 76, 76, 77, 77, 79],
        [0, 50, 52, 53, 55, 57, 59, 60, 62],
    ]


def test_a_last_short_block_takes_the_masks_beginning():
    assert arpeggiate(GRID[:, :7], mask=[[0, 1, 1, 0]]).tolist() == [
        [0, 72, 74, 0, 0, 76, 77],
        [0, 50, 52, 0, 0, 57, 59],
    ]


def test_held_by_hand():
    grid = [[60, 60, 62, 62, 0, 64, 64, 64], [48, 50, 52, 53, 55, 57, 59, 60]]
    mask = [[0, 1, 0, 0, 1, 0, 1, 0], [1, 0, 0, 1, 1, 0, 0, 0]]
    piece = Traced.begin(Chorale(grid))
    cut, held = (arpeggiate(piece, mask=mask, held=held) for held in (False, True))
    assert cut.grid.tolist() == [[0, 60, 0, 0, 0, 0, 64, 0], [48, 0, 0, 53, 55, 0, 0, 0]]
    # Silent before the first struck cell; a source rest ends what rings.
    assert held.grid.tolist() == [
        [0, 60, 60, 60, 0, 0, 64, 64],
        [48, 48, 48, 53, 55, 55, 55, 55],
    ]
    assert held.step.tolist() == [[0, 1, 1, 1, 4, 5, 6, 6], [0, 0, 0, 3, 4, 4, 4, 4]]
    assert np.flatnonzero(held.onsets[0]).tolist() == [1, 6]
    assert np.flatnonzero(held.onsets[1]).tolist() == [0, 3, 4]


def test_a_note_struck_again_begins_anew_at_the_same_pitch():
    piece = Chorale([[60] * 6])
    held = arpeggiate(piece, mask=[[1, 1, 0]], held=True)
    assert held.grid.tolist() == piece.grid.tolist()
    assert held.onsets.tolist() == [[True, False, False, True, False, False]]


def test_nothing_rings_on_into_another_section():
    grid = [[60] * 4 + [62] * 4]
    held = arpeggiate(grid, mask=[[0, 1, 0, 0]], sections=2, held=True)
    assert held.tolist() == [[0, 60, 60, 60, 0, 62, 62, 62]]
    # Of a note as long as both sections, the second's part begins with its own struck cell.
    held = arpeggiate(Chorale([[60] * 8]), mask=[[0, 1, 0, 0]], sections=2, held=True)
    assert held.grid.tolist() == [[0, 60, 60, 60, 0, 60, 60, 60]]
    assert np.flatnonzero(held.onsets).tolist() == [1, 5]


def test_nothing_rings_on_into_another_quartets_cells():
    quartets = np.repeat([[60] * 4, [62] * 4], 4, axis=0)
    joined = double_voices(join_quartets(Traced.begin(Chorale(quartets))))
    held = arpeggiate(joined, mask=[[0, 1, 0, 0]], each="quartet", held=True)
    assert held.grid.tolist() == [[0, 60, 60, 60, 0, 62, 62, 62]] * 8
    # Back in a quartet after another, it doesn't ring on over what lies between.
    rows = [[0], [4], [0]]
    chosen = choose_voices(Traced.begin(Chorale(quartets)), rows=rows, lengths=[1, 1, 2])
    held = arpeggiate(chosen, mask=[[[1, 0, 0]], [[1]]], each="quartet", held=True)
    assert held.grid.tolist() == [[60, 62, 0, 0]]


# ---------------------------------------------------------------- slow loops


def cut_slowly(grid, mask, skip):
    """The mask laid over a piece as lists, cell by cell; `mask` has one row a voice."""
    result = [list(row) for row in grid]
    width = len(mask[0])
    for voice, row in enumerate(result):
        for step in range(len(row)):
            if step // width % skip == 0 and not mask[voice][step % width]:
                row[step] = REST
    return result


def ring_slowly(grid, cut, parts=None):
    """A struck note rings until its voice's next struck cell, rest or part."""
    result = []
    for before, struck, part in zip(grid, cut, parts or grid, strict=True):
        rings, row = REST, []
        for step, (pitch, sounds) in enumerate(zip(before, struck, strict=True)):
            enters = parts is not None and step and part[step] != part[step - 1]
            rings = sounds if sounds or not pitch or enters else rings
            row.append(rings)
        result.append(row)
    return result


def cut_quartets_slowly(grid, quartets, mask, skip):
    """A mask of one row laid along the steps at which there are cells of each quartet."""
    result = [list(row) for row in grid]
    for quartet in {number for row in quartets for number in row} - {NOWHERE}:
        steps = [
            step for step, column in enumerate(zip(*quartets, strict=True)) if quartet in column
        ]
        for voice, row in enumerate(quartets):
            for place, step in enumerate(steps):
                block, column = divmod(place, len(mask))
                if row[step] == quartet and block % skip == 0 and not mask[column]:
                    result[voice][step] = REST
    return result


@st.composite
def masks_of(draw, piece):
    height = draw(st.sampled_from([1, piece.voices]))
    shape = height, draw(st.integers(1, piece.steps))
    return (rng(draw(st.integers(0, 999))).random(shape) < 0.6).astype(int)


@settings(max_examples=80)
@given(st.data())
def test_against_a_slow_loop(data):
    piece = data.draw(pieces())
    mask = data.draw(masks_of(piece))
    skip = data.draw(st.integers(1, 4))
    traced = Traced.begin(piece)
    cut, held = (arpeggiate(traced, mask=mask, skip=skip, held=held) for held in (False, True))
    rows = np.broadcast_to(mask, (piece.voices, mask.shape[1])).tolist()
    expected = cut_slowly(piece.grid.tolist(), rows, skip)
    assert cut.grid.tolist() == expected
    assert held.grid.tolist() == ring_slowly(piece.grid.tolist(), expected)
    # Cut, cells are only silenced; held, what is struck is as it was, and only rings longer.
    struck = cut.sounding
    assert np.array_equal(cut.grid[struck], piece.grid[struck])
    assert np.array_equal(held.grid[struck], cut.grid[struck])
    assert np.array_equal(held.onsets, cut.onsets)
    after_silence = struck & (np.pad(cut.grid, ((0, 0), (1, 0)))[:, :-1] == REST)
    assert (held.onsets >= after_silence).all()
    assert np.array_equal(cut.onsets, struck & (piece.onsets | after_silence))
    # What sounds in a cell is what its trace says.
    sounds = held.sounding
    assert np.array_equal(held.grid[sounds], piece.grid[held.voice, held.step][sounds])
    for result in (cut, held):
        assert np.array_equal(result.chorale.fermatas, piece.fermatas)
        assert result.chorale.phrases == piece.phrases


@settings(max_examples=50)
@given(st.data())
def test_sections_are_pieces_of_their_own(data):
    piece = data.draw(pieces())
    edges = data.draw(st.sets(st.integers(1, piece.steps), max_size=3)) | {piece.steps}
    lengths = np.diff([0, *sorted(edges)]).tolist()
    parts = np.split(piece.grid, sorted(edges)[:-1], axis=1)
    options = {"skip": data.draw(st.integers(1, 3)), "held": data.draw(st.booleans())}
    specs = [data.draw(masks_of(Chorale(part))) for part in parts]
    whole = arpeggiate(piece, mask=specs, sections=lengths, **options)
    made = [arpeggiate(part, mask=mask, **options) for part, mask in zip(parts, specs, strict=True)]
    assert np.array_equal(whole.grid, np.hstack(made))


@st.composite
def scrambled(draw):
    """A stack whose quartets lie one after another, on top of each other, here and there."""
    piece = Traced.begin(draw(pieces(voices=(4, 8, 12), most_steps=12)))
    for move in draw(st.lists(st.sampled_from(["join", "double", "choose", "follow"]), max_size=3)):
        if move == "join" and piece.voices % 4 == 0:
            piece = join_quartets(piece)
        elif move == "double":
            piece = double_voices(piece)
        elif move == "choose":
            row = st.integers(0, piece.voices - 1)
            rows = draw(st.lists(st.lists(row, min_size=4, max_size=4), min_size=1, max_size=3))
            rows = rows[: piece.steps]
            lengths = [1] * (len(rows) - 1) + [piece.steps - len(rows) + 1]
            piece = choose_voices(piece, rows=rows, lengths=lengths)
        elif move == "follow":
            piece = canon(piece, distance=3, voices=[0, piece.voices - 1])
    return piece


@settings(max_examples=80)
@given(scrambled(), st.data())
def test_each_quartet_against_a_slow_loop(piece, data):
    quartets = np.where(piece.voice == NOWHERE, NOWHERE, piece.voice // 4)
    present = np.unique(quartets[quartets != NOWHERE])
    widest = min([5, *(int((quartets == number).any(0).sum()) for number in present)])
    mask = data.draw(st.lists(st.integers(0, 1), min_size=1, max_size=widest))
    skip = data.draw(st.integers(1, 3))
    expected = cut_quartets_slowly(piece.grid.tolist(), quartets.tolist(), mask, skip)
    cut = arpeggiate(piece, mask=[mask], skip=skip, each="quartet")
    assert cut.grid.tolist() == expected
    held = arpeggiate(piece, mask=[mask], skip=skip, each="quartet", held=True)
    assert held.grid.tolist() == ring_slowly(piece.grid.tolist(), expected, quartets.tolist())


def test_equal_sections():
    grid = np.full((1, 10), 60)
    silenced = arpeggiate(grid, mask=[[0]], skip=99, sections=3)
    assert np.flatnonzero(silenced[0] == REST).tolist() == [0, 3, 6]


# ---------------------------------------------------------------- masks that change


def test_masks_that_change_along_the_piece():
    # Three masks of one column: all four steps' cells on, half, none; skip leaves gaps.
    masks = np.array([[[1], [1]], [[1], [0]], [[0], [0]]])
    grid = np.full((2, 6), 60)
    made = arpeggiate(grid, mask=masks)
    assert (made > 0).astype(int).tolist() == [[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]]
    made = arpeggiate(grid, mask=masks, skip=2)  # blocks 0, 2 and 4 are masked
    assert (made > 0).astype(int).tolist() == [[1, 1, 1, 1, 0, 1], [1, 1, 0, 1, 0, 1]]
    # One block alone takes the first mask; more masks than blocks: the ends and some between.
    assert arpeggiate(grid[:, :1], mask=masks).all()
    many = np.linspace(1, 0, 9).round().astype(int)[:, None, None]
    assert (arpeggiate(grid[:1, :2], mask=many) > 0).tolist() == [[True, False]]


def test_from_full_chords_to_silence(demo):
    spec = {"changing": {"first": [[1] * 8] * 4, "last": [[0] * 8] * 4, "count": 12}}
    made = arpeggiate(demo["180.7"], mask=spec, rng=rng()).grid
    shares = [(block > 0).mean() for block in np.array_split(made, 6, axis=1)]
    assert shares == sorted(shares, reverse=True)
    assert (made[:, :8] > 0).all() and not made[:, -8:].any()


# ---------------------------------------------------------------- one mask a quartet


ROWS = ((4, 18, 2, 6, 3), (4, 18, 4, 4, 2), (4, 20, 1, 4, 3), (4, 20, 2, 2, 2))


def spec_of(height, width, zeros, ones, skip):
    return {"shaded": {"shape": [height, width], "zeros": zeros, "ones": ones}, "skip": skip}


def test_one_mask_a_quartet_before_joining(stack):
    specs = [spec_of(*row) for row in ROWS]
    made = arpeggiate(stack, mask=specs, each="quartet", rng=rng())
    draws = rng()
    for quartet, (*shape, zeros, ones, skip) in enumerate(ROWS):
        rows = np.s_[4 * quartet : 4 * quartet + 4]
        single = {"shaded": {"shape": shape, "zeros": zeros, "ones": ones}}
        alone = arpeggiate(stack.grid[rows], mask=single, skip=skip, rng=draws)
        assert np.array_equal(made.grid[rows], alone)


def test_the_same_masks_after_joining_and_doubling(stack):
    specs = [spec_of(*row) for row in ROWS]
    piece = Traced.begin(stack)
    before = join_quartets(arpeggiate(piece, mask=specs, each="quartet", rng=rng()))
    after = arpeggiate(join_quartets(piece), mask=specs, each="quartet", rng=rng())
    assert before.grid.shape == after.grid.shape == (4, 4 * stack.steps)
    assert np.array_equal(before.grid, after.grid)
    # In another order the masks go with their quartets.
    order = [3, 1, 4, 2]
    moved = arpeggiate(join_quartets(piece, order=order), mask=specs, each="quartet", rng=rng())
    parts = np.split(after.grid, 4, axis=1)
    assert np.array_equal(moved.grid, np.hstack([parts[number - 1] for number in order]))
    # Doubled to sixteen voices, each section has a mask of all of them, as the original had.
    doubled = double_voices(join_quartets(piece), times=4)
    tall = [spec_of(16, *row[1:]) for row in ROWS]
    made = arpeggiate(doubled, mask=tall, each="quartet", rng=rng())
    draws = rng()
    for number, spec in enumerate(tall):
        columns = np.s_[:, number * stack.steps : (number + 1) * stack.steps]
        alone = arpeggiate(doubled.grid[columns], mask=[spec], sections=1, rng=draws)
        assert np.array_equal(made.grid[columns], alone)


def test_one_mask_for_all_quartets(stack):
    made = arpeggiate(stack, mask=fixed_mask(4), each="quartet")
    assert np.array_equal(made.grid, arpeggiate(stack.grid, mask=np.tile(fixed_mask(4), (4, 1))))
    lists = fixed_mask(4).tolist()
    assert np.array_equal(arpeggiate(stack, mask=lists, each="quartet").grid, made.grid)
    assert np.array_equal(arpeggiate(stack, mask=[lists] * 4, each="quartet").grid, made.grid)
    own = [{"array": lists, "skip": 1}, *[{"array": lists}] * 3]
    assert np.array_equal(
        arpeggiate(stack, mask=own, skip=2, each="quartet").grid[4:],
        arpeggiate(stack, mask=lists, skip=2, each="quartet").grid[4:],
    )
    assert np.array_equal(
        arpeggiate(stack, mask=own, skip=2, each="quartet").grid[:4], made.grid[:4]
    )


@pytest.mark.parametrize("quartets", [1, 2, 3, 6])
def test_any_number_of_quartets_goes_round_the_masks(demo, quartets):
    piece = demo["180.7"].grid[:, :60]
    stack = np.vstack([piece] * quartets)
    masks = [np.eye(4)[:, ::-1], np.eye(4), [[1, 0, 1]]]
    made = arpeggiate(stack, mask=masks, each="quartet")
    for number in range(quartets):
        alone = arpeggiate(piece, mask=masks[number % 3])
        assert np.array_equal(made[4 * number : 4 * number + 4], alone)
    # A quartet keeps its mask where the ones before it are left as they are.
    rows = [4 * quartets - 1]
    made = arpeggiate(stack, mask=[mask[-1:] for mask in masks], each="quartet", voices=rows)
    alone = arpeggiate(piece[3:], mask=masks[(quartets - 1) % 3][-1:])
    assert np.array_equal(made[-1:], alone) and np.array_equal(made[:-1], stack[:-1])


def test_what_is_drawn_for_one_quartet_doesnt_depend_on_the_others(stack):
    specs = [{"random": {"shape": [4, 8]}}, {"random": {"shape": [4, 12]}}]
    whole = arpeggiate(stack.grid, mask=specs, each="quartet", rng=rng())
    assert np.array_equal(
        arpeggiate(stack.grid[:4], mask=specs, each="quartet", rng=rng()), whole[:4]
    )


def test_lists_and_arrays_of_masks_are_the_same(stack):
    three = rng().integers(0, 2, (3, 4, 5))
    for parts in ({"each": "quartet"}, {"sections": 3}):
        height = {"each": three, "sections": np.tile(three, (1, 4, 1))}[next(iter(parts))]
        made = arpeggiate(stack.grid, mask=height, **parts)
        for same in (height.tolist(), list(height)):
            assert np.array_equal(arpeggiate(stack.grid, mask=same, **parts), made)
        changing = arpeggiate(stack.grid, mask={"array": height}, **parts)
        assert not np.array_equal(changing, made)


def test_some_voices_are_broken_up_and_others_left(stack):
    mask = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    quartet = stack.grid[:4]
    made = arpeggiate(quartet, mask=mask, voices="alto,tenor,bass")
    assert np.array_equal(made[0], quartet[0])
    assert np.array_equal(made[1:], arpeggiate(quartet[1:], mask=mask))
    made = arpeggiate(stack, mask=[mask] * 4, each="quartet", voices="alto,tenor,bass").grid
    assert np.array_equal(made[::4], stack.grid[::4])
    assert np.array_equal(made[13:], arpeggiate(stack.grid[13:], mask=mask))


def test_the_silence_around_a_canon_belongs_to_no_quartet(stack):
    followed = canon(Traced.begin(stack), distance=8, voices="soprano")
    made = arpeggiate(followed, mask=[[1, 0, 1]], each="quartet")
    for quartet in range(4):
        rows = [quartet, quartet + 4]
        alone = arpeggiate(followed.grid[rows], mask=[[1, 0, 1]])
        assert np.array_equal(made.grid[rows], alone)


# ---------------------------------------------------------------- dropout


@settings(max_examples=50)
@given(pieces(), st.floats(0, 1))
def test_exactly_that_share_of_all_cells_drops_out(piece, share):
    made = dropout(piece, share=share, rng=rng(5))
    counted = dropout(np.full(piece.grid.shape, 60), share=share, rng=rng(5))
    gone = counted == REST
    assert gone.sum() == round(share * piece.grid.size)
    assert np.array_equal(made.grid, np.where(gone, REST, piece.grid))
    assert (made.onsets >= onsets_of(made.grid)).all()


def test_dropout_falls_anywhere():
    chords = np.full((3, 4), 60)
    gone = [dropout(chords, share=0.25, rng=rng(seed)) == REST for seed in range(600)]
    assert np.mean(gone, axis=0) == pytest.approx(np.full((3, 4), 0.25), abs=0.07)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.ones((4, 300))}, "300 steps wide for the piece of 240 steps"),
        ({"mask": [[1] * 81] * 4, "sections": 3}, "81 steps wide for section 1 of 80 steps"),
        ({"mask": np.ones((3, 4))}, "but the piece has 4 voices here; expected 4, or 1 for all"),
        (
            {"mask": np.ones((4, 4)), "each": "quartet", "voices": "alto"},
            "^mask: 4 rows, but quartet 1 has 1 voice here; expected 1$",
        ),
        ({"mask": {"fixed": True}}, "16 rows, but the piece has 4 voices"),
        ({"mask": {"fixed": True}, "each": "quartet"}, "16 rows, but quartet 1 has 4 voices here"),
        ({"mask": [[1, 2]]}, "zeros and ones only, got 2"),
        ({"mask": [[1, -1]]}, "zeros and ones only, got -1"),
        ({"mask": "wave"}, "expected zeros and ones, got 'wave'"),
        ({"mask": []}, "expected shape"),
        ({"mask": [[1, 0]], "skip": 0}, "skip: expected a whole number, 1 to 4000000, got 0"),
        ({"mask": {"fixed": {"voices": 4}, "skip": 0}}, "skip: expected a whole number, 1"),
        ({"mask": [[1, 0]], "held": "yes"}, "held: expected true or false, got 'yes'"),
        ({"mask": [[1, 0]], "each": "voice"}, "each: expected 'quartet', got 'voice'"),
        ({"mask": [[1, 0]], "each": "quartet", "sections": 2}, "either each='quartet' or sections"),
        ({"mask": [[1, 0]], "sections": 0}, "sections: expected a number 1-240 or lengths"),
        ({"mask": [[1, 0]], "sections": 241}, "sections: expected a number 1-240"),
        ({"mask": [[1, 0]], "sections": [100, 100]}, "sections: 200 steps for a piece of 240"),
        ({"mask": [[1, 0]], "sections": [240, 0]}, "sections: expected a number"),
        ({"mask": [[1, 0]], "sections": "phrases"}, "sections: expected a number"),
        ({"mask": [[1, 0]], "sections": np.array(3)}, r"sections: expected .*got array\(3\)"),
        ({"mask": [[1, 0]], "sections": np.array([200, 100], np.uint8)}, "300 steps for a piece"),
        ({"mask": [[1, 0]], "each": np.array(["quartet"] * 2)}, "each: expected 'quartet'"),
        ({"mask": [[1, 0]], "each": "quartets"}, "did you mean quartet"),
        ({"mask": [{"fixed": True}] * 2}, "a list of masks needs each='quartet' or sections"),
        (
            {"mask": [{"fixed": {"voices": 4}}] * 2, "sections": 3},
            "2 masks for 3 sections of the piece",
        ),
        ({"mask": {"random": {"shape": [4, 4]}}}, "chance is asked for"),
        ({"mask": {"shaded": {"shape": [4, 4], "zeros": 3, "ones": 2}}}, "don't divide"),
    ],
)
def test_bad_input(demo, options, message):
    piece = demo["180.7"]
    before = piece.grid.tobytes()
    with pytest.raises(ChoraleError, match=message):
        arpeggiate(piece, **options)
    assert piece.grid.tobytes() == before


@pytest.mark.parametrize(
    ("share", "generator", "message"),
    [
        (1.2, rng(), "share: expected a number from 0 to 1, got 1.2"),
        (True, rng(), "share: expected a number"),
        (0.2, None, "chance is asked for"),
        (0.2, 7, "chance is asked for: .* got 7"),
    ],
)
def test_bad_dropout(share, generator, message):
    with pytest.raises(ChoraleError, match=message):
        dropout(np.full((2, 4), 60), share=share, rng=generator)
