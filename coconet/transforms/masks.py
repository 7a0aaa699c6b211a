"""Masks: the 0/1 patterns of `coconet.transforms.figures.arpeggiate`.

Conventions
-----------
A mask is a uint8 array of shape (voices, width), one column a step: 1 lets a cell
sound, 0 silences it. Masks that change along a piece are (count, voices, width). Where
a mask is given, a flat row of cells is a mask of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from coconet.checks import choice, needs_rng, share_of, whole
from coconet.errors import ChoraleError, shown
from coconet.grid import is_whole, items_of
from coconet.traced import MOST_CELLS


def fixed_mask(voices: int = 16) -> np.ndarray:
    """A broken chord that rises and falls away, eight steps wide.

    In each quartet the bass enters first, then tenor, alto and soprano, a step apart;
    each sounds for five steps and is silent for three. Each quartet begins two steps
    after the one above it, so that the waves overlap: of four voices and more, some voice
    always sounds.

    >>> fixed_mask(4)
    array([[0, 0, 0, 1, 1, 1, 1, 1],
           [0, 0, 1, 1, 1, 1, 1, 0],
           [0, 1, 1, 1, 1, 1, 0, 0],
           [1, 1, 1, 1, 1, 0, 0, 0]], dtype=uint8)
    """
    voice = np.arange(whole(voices, "voices", 1, MOST_CELLS // 8))[:, None]
    begins = 3 - voice % 4 + 2 * (voice // 4)
    return ((np.arange(8) - begins) % 8 < 5).astype(np.uint8)


def random_mask(
    shape: Sequence[int], *, share: float = 0.5, rng: np.random.Generator
) -> np.ndarray:
    """A mask each of whose cells is 1 with probability `share`, whatever the others are.

    shape : (voices, width)

    Raises ChoraleError for another shape or share.
    """
    share = share_of(share)
    return (needs_rng(rng).random(_shape(shape)) < share).astype(np.uint8)


def shaded_mask(
    shape: Sequence[int], zeros: int, ones: int, *, rng: np.random.Generator
) -> np.ndarray:
    """A shuffled mask with exactly `zeros` zeros for every `ones` ones.

    shape : (voices, width); its cells must divide by zeros + ones
    zeros : 0 or more; ones : 1 or more

    Raises ChoraleError for another shape, no ones, and cells that don't divide.
    """
    voices, width = _shape(shape)
    zeros, ones = whole(zeros, "zeros", 0), whole(ones, "ones", 0)
    if not ones:
        raise ChoraleError(
            f"zero ratio: {zeros} zeros to 0 ones would silence everything; expected 1 or more ones"
        )
    groups, rest = divmod(voices * width, zeros + ones)
    if rest:
        raise ChoraleError(
            f"mask of {voices} voices × {width} steps: {voices * width} cells don't divide by "
            f"{zeros} zeros + {ones} ones"
        )
    cells = np.repeat(np.array([0, 1], np.uint8), [groups * zeros, groups * ones])
    return needs_rng(rng).permutation(cells).reshape(voices, width)


def changing_masks(
    first: object, last: object, count: int, *, rng: np.random.Generator
) -> np.ndarray:
    """Masks that lead from one to another: the cells that differ flip one after another.

    They flip in random order, none twice, as many from each mask to the next, give or
    take one.

    Parameters
    ----------
    first, last : masks of the same shape
    count : how many masks, both ends included: 2 or more

    Returns
    -------
    uint8 array, shape=(count, voices, width)

    Raises ChoraleError for masks of unlike shapes or of other values, and another count.
    """
    first = validate_mask(first, name="first mask", many=False)
    last = validate_mask(last, name="last mask", many=False)
    if first.shape != last.shape:
        raise ChoraleError(
            f"changing masks: expected two of one shape, got {first.shape} and {last.shape}"
        )
    count = whole(count, "count", 2, MOST_CELLS // first.size)
    differ = np.argwhere(first != last)
    turn = np.zeros(first.shape, int)
    turn[tuple(differ.T)] = needs_rng(rng).permutation(len(differ))
    flips = np.rint(np.linspace(0, len(differ), count)).astype(int)
    return np.where(turn < flips[:, None, None], last, first)


def validate_mask(mask: object, *, name: str = "mask", many: bool = True) -> np.ndarray:
    """Return a mask as a new uint8 array, or say what is wrong.

    Parameters
    ----------
    mask : array_like of 0 and 1, shape=(voices, width), or (width,) for one row, or, with
        `many`, also (count, voices, width)

    Raises
    ------
    ChoraleError
        For another shape, no cells, or a value other than 0 and 1; the first is named.
    """
    shapes = "(width,), (voices, width)" + (" or (count, voices, width)" if many else "")
    try:
        array = np.asarray(mask)
    except ValueError as error:
        raise ChoraleError(f"{name}: rows of unequal length; expected shape {shapes}") from error
    if array.dtype.kind not in "biuf":
        raise ChoraleError(f"{name}: expected zeros and ones, got {shown(mask)}")
    if array.ndim not in ((1, 2, 3) if many else (1, 2)) or not array.size:
        raise ChoraleError(f"{name}: expected shape {shapes}, got {array.shape}")
    if array.ndim == 1:
        array = array[None]
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        raise ChoraleError(
            f"{name}: expected zeros and ones only, got {array[place]} at row {place[-2]}, "
            f"step {place[-1]} (a grid handed in as a mask?)"
        )
    return array.astype(np.uint8)


def mask_of(spec: object, rng: np.random.Generator | None = None) -> np.ndarray:
    """The mask, or the changing masks, that a chain's YAML asks for.

    Parameters
    ----------
    spec : 1 sounds, 0 is silent; shapes are [voices, width in steps]. One of
        [[1, 0], [0, 1]]: a list a voice, or one flat list for all voices
        {array: [[1, 0], [0, 1]]}: the same
        {fixed: true} or {fixed: {voices: 4}}: rises from the bass and falls away, eight
            steps wide, for 16 voices or as many as are told
        {random: {shape: [16, 18], share: 0.5}}: each cell sounds with probability
            share, 0-1 (0.5)
        {shaded: {shape: [16, 18], zeros: 2, ones: 6}}: shuffled, with exactly so many
            zeros for so many ones; these must divide the cells
        {changing: {first: SPEC, last: SPEC, count: 8}}: so many masks, two or more, that
            lead from one mask of this list to another of the same shape
    rng : draws what is random; a fixed mask needs none

    Raises ChoraleError for another kind or value, naming the nearest, and where one lacks.
    """
    if not isinstance(spec, Mapping):
        return validate_mask(spec)
    if len(spec) != 1:
        raise ChoraleError(f"mask: expected one of {', '.join(_KINDS)}, got {shown(spec)}")
    ((kind, values),) = spec.items()
    make, required, optional = _KINDS[choice(kind, "mask", tuple(_KINDS))]
    if kind == "array":
        values = {"mask": values}
    elif kind == "fixed" and values is True:
        values = {}
    if not isinstance(values, Mapping):
        raise ChoraleError(f"mask: {kind}: expected values by name, got {shown(values)}")
    for name in values:
        choice(name, f"mask: {kind}", required + optional)
    missing = [name for name in required if name not in values]
    if missing:
        raise ChoraleError(f"mask: {kind}: needs {', '.join(missing)}")
    return make(dict(values), rng)


def _changing(values: dict[str, Any], rng: np.random.Generator | None) -> np.ndarray:
    first, last = (mask_of(values[end], rng) for end in ("first", "last"))
    return changing_masks(first, last, values["count"], rng=rng)


#: What makes each kind of mask, the values that it needs, and those that it may have.
_KINDS: dict[str, tuple[Callable[..., np.ndarray], tuple[str, ...], tuple[str, ...]]] = {
    "array": (lambda values, rng: validate_mask(**values), ("mask",), ()),
    "fixed": (lambda values, rng: fixed_mask(**values), (), ("voices",)),
    "random": (lambda values, rng: random_mask(**values, rng=rng), ("shape",), ("share",)),
    "shaded": (lambda values, rng: shaded_mask(**values, rng=rng), ("shape", "zeros", "ones"), ()),
    "changing": (_changing, ("first", "last", "count"), ()),
}


def _shape(shape: object) -> tuple[int, int]:
    """Voices and width of a mask, checked."""
    sizes = items_of(shape) or []
    if len(sizes) != 2 or not all(is_whole(size, 1) for size in sizes):
        raise ChoraleError(f"mask: expected shape [voices, width], got {shown(shape)}")
    voices, width = (int(size) for size in sizes)
    if voices * width > MOST_CELLS:
        raise ChoraleError(f"mask: {voices} × {width} is more than {MOST_CELLS:,} cells")
    return voices, width
