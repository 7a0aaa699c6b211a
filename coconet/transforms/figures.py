"""Layers that break chords into figures: arpeggiation by masks, and dropout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from coconet.checks import choice, flag, needs_rng, share_of, whole
from coconet.errors import ChoraleError, shown
from coconet.grid import is_whole, items_of
from coconet.traced import MOST_CELLS, NOWHERE, Traced
from coconet.transforms.layer import layer, rows_for
from coconet.transforms.masks import mask_of

#: How messages call what is masked where there are no quartets or sections.
THE_PIECE = "the piece"


class Part(NamedTuple):
    """Cells that are masked by themselves.

    name : in messages
    number : from 0
    cells : int array: its cells in the piece, counted there row by row
    row, column : int arrays that broadcast to that shape: where they are in the part
    """

    name: str
    number: int
    cells: np.ndarray
    row: np.ndarray
    column: np.ndarray


@layer
def arpeggiate(
    piece: Traced,
    *,
    mask: np.ndarray | Sequence[Any] | Mapping[str, Any],
    skip: int = 1,
    held: bool = False,
    each: str | None = None,
    sections: int | Sequence[int] | None = None,
    voices: str | int | Sequence[str | int] | None = None,
    rng: np.random.Generator | None = None,
) -> Traced:
    """Chords broken into figures: a mask lays its pattern over blocks of the piece.

    The piece is cut into blocks as wide as the mask, from its first step on. In blocks
    0, skip, 2·skip … a cell whose place in the mask is 0 is silenced; the others stay as
    they are. A last, shorter block takes the beginning of the mask.

    Parameters
    ----------
    mask : an array of 0 and 1, shape=(voices, width), or one row for all voices;
        (count, voices, width) changes along the piece: its blocks take the masks from
        the first to the last, evenly. Or what `mask_of` reads. With `each` or `sections`
        also a list of these, in which {…, skip: 2} gives one its own skip: the first for
        quartet 1 of the source, the second for quartet 2, and round again when the list
        ends; of sections, one for each. An array of three axes is such a list there,
        and {array: …} of it one that changes. One mask alone is the same for all parts.
    skip : every how many blocks one is masked, 1 or more
    held : False silences what the mask cuts. With True a struck note rings on through
        the cut cells after it, until its voice's next struck cell or rest; cut cells
        before the first struck one are silent. A note struck after cut cells begins
        anew, at the same pitch too. A ringing cell comes from the last struck one.
    each : 'quartet' treats what came from each quartet of the source as a piece of its
        own, stacked or joined in time: a mask has as many rows as there are voices with
        cells of that quartet, blocks are counted along the steps where they are, and
        no note rings on into the cells of another
    sections : instead of `each`: how many equal sections, or their lengths in steps,
        each a piece of its own
    voices : that are broken up: names such as 'soprano,bass', or rows from 0; the others
        stay as they are
    rng : draws masks that are random

    Raises
    ------
    ChoraleError
        For a mask that isn't of 0 and 1, is wider than the piece or part that it is for,
        or has neither one row nor as many as there are voices; for another number of
        masks than of parts; and for sections that don't add up to the piece.

    >>> chord = np.array([[60] * 5, [48] * 5])
    >>> arpeggiate(chord, mask=[[0, 1], [1, 0]]).tolist()
    [[0, 60, 0, 60, 0], [48, 0, 48, 0, 48]]
    >>> arpeggiate(chord, mask=[[0, 1], [1, 0]], held=True).tolist()
    [[0, 60, 60, 60, 60], [48, 48, 48, 48, 48]]
    """
    held = flag(held, "held")
    skip = whole(skip, "skip", 1, MOST_CELLS)
    parts = list(_parts(piece, np.sort(rows_for(piece, voices)), each, sections))
    masks = _masks(
        mask,
        skip,
        [part.number for part in parts],
        rng,
        parted=each is not None or sections is not None,
        around=each is not None,
    )
    struck = np.ones(piece.grid.size, bool)
    number = np.full(piece.grid.size, NOWHERE, np.int32)
    for part, (pattern, own_skip) in zip(parts, masks, strict=True):
        steps = int(part.column.max()) + 1
        _check_size(pattern, int(part.row.max()) + 1, steps, part.name)
        laid = _laid(pattern, steps, own_skip)
        struck[part.cells] = laid[part.row % len(laid), part.column]
        number[part.cells] = part.number
    muted = ~struck.reshape(piece.grid.shape)
    cut = piece.silence(muted)
    return _rung(cut, piece.sounding & muted, number.reshape(muted.shape)) if held else cut


@layer
def dropout(piece: Traced, *, share: float, rng: np.random.Generator | None = None) -> Traced:
    """Cells silenced anywhere: exactly round(share · cells) of them, rests counted too.

    share : 0-1; rng : draws the cells

    Raises ChoraleError for another share.
    """
    cells = piece.grid.size
    gone = needs_rng(rng).choice(cells, round(share_of(share) * cells), replace=False)
    silent = np.zeros(cells, bool)
    silent[gone] = True
    return piece.silence(silent.reshape(piece.grid.shape))


def _parts(piece: Traced, rows: np.ndarray, each: object, sections: object) -> Iterator[Part]:
    """What of these rows, in ascending order, is masked by itself."""
    if each is not None:
        choice(each, "each", ["quartet"])
        if sections is not None:
            raise ChoraleError("expected either each='quartet' or sections, got both")
        yield from _quartets(piece, rows)
        return
    edges = [0, piece.steps] if sections is None else _edges(sections, piece.steps)
    begins, row, step = piece.steps * rows[:, None], np.arange(len(rows)), np.arange(piece.steps)
    for number, (start, end) in enumerate(pairwise(edges)):
        name = THE_PIECE if sections is None else f"section {number + 1}"
        yield Part(name, number, begins + step[start:end], row[:, None], step[: end - start])


def _quartets(piece: Traced, rows: np.ndarray) -> Iterator[Part]:
    """What came from each quartet of the source; its cells may lie anywhere."""
    source = np.full(piece.grid.shape, NOWHERE, np.int32)
    source[rows] = piece.voice[rows]
    cells = np.flatnonzero(source != NOWHERE)
    quartet = source.ravel()[cells] // 4
    order = np.argsort(quartet, kind="stable")  # so that a part's cells stay row by row
    cells, quartet = cells[order], quartet[order]
    begins = np.flatnonzero(np.diff(quartet, prepend=NOWHERE))
    for start, end in pairwise([*begins, len(cells)]):
        number, part = int(quartet[start]), cells[start:end]
        voice, step = np.divmod(part, piece.steps)
        row = np.cumsum(np.diff(voice, prepend=voice[0]) != 0)
        step -= step.min()
        here = np.zeros(step.max() + 1, bool)
        here[step] = True
        yield Part(f"quartet {number + 1}", number, part, row, (np.cumsum(here) - 1)[step])


def _edges(sections: object, steps: int) -> list[int]:
    """Where sections begin and end, from their number or their lengths."""
    if is_whole(sections, 1, steps):
        return [number * steps // int(sections) for number in range(int(sections) + 1)]
    lengths = items_of(sections)
    if not lengths or not all(is_whole(length, 1) for length in lengths):
        raise ChoraleError(
            f"sections: expected a number 1-{steps} or lengths in steps, got {shown(sections)}"
        )
    lengths = [int(length) for length in lengths]
    if sum(lengths) != steps:
        raise ChoraleError(f"sections: {sum(lengths)} steps for a piece of {steps}")
    return np.cumsum([0, *lengths]).tolist()


def _masks(
    mask: object,
    skip: int,
    numbers: Sequence[int],
    rng: np.random.Generator | None,
    *,
    parted: bool,
    around: bool,
) -> list[tuple[np.ndarray, int]]:
    """The mask and skip of each part of these numbers.

    parted : whether there are quartets or sections, which could have one each
    around : whether a list of masks is gone through again from its first when it ends, and
        may be longer than there are parts; all of them are drawn in any case
    """
    if not _is_list_of_masks(mask, many=parted):
        return [_mask_and_skip(mask, skip, rng)] * len(numbers)
    if not parted:
        raise ChoraleError("mask: a list of masks needs each='quartet' or sections=")
    if len(mask) != len(numbers) and not around:
        raise ChoraleError(
            f"mask: {len(mask)} masks for {len(numbers)} sections of the piece; "
            "expected one for all or one for each"
        )
    masks = [_mask_and_skip(spec, skip, rng) for spec in mask]
    return [masks[number % len(masks)] for number in numbers]


def _is_list_of_masks(mask: object, *, many: bool) -> bool:
    """Whether several masks are meant, where `many` parts could have one each.

    Nested lists and arrays mean the same, so that a chain written down is the same chain.
    """
    if isinstance(mask, list | tuple) and any(isinstance(item, Mapping) for item in mask):
        return True
    rank, item = 0, mask
    while isinstance(item, list | tuple) and len(item):
        rank, item = rank + 1, item[0]
    return many and rank + np.ndim(item) > 2


def _mask_and_skip(
    spec: object, skip: int, rng: np.random.Generator | None
) -> tuple[np.ndarray, int]:
    """A mask, and its own skip where it brings one."""
    if isinstance(spec, Mapping) and "skip" in spec:
        skip = whole(spec["skip"], "skip", 1, MOST_CELLS)
        spec = {kind: values for kind, values in spec.items() if kind != "skip"}
    return mask_of(spec, rng), skip


def _check_size(mask: np.ndarray, voices: int, steps: int, name: str) -> None:
    """Whether a mask fits the part of the piece that it is for."""
    height, width = mask.shape[-2:]
    if height not in (1, voices):
        has = "1 voice" if voices == 1 else f"{voices} voices"
        expected = "1" if voices == 1 else f"{voices}, or 1 for all"
        raise ChoraleError(f"mask: {height} rows, but {name} has {has} here; expected {expected}")
    if width > steps:
        raise ChoraleError(
            f"mask: {width} steps wide for {name} of {steps} steps; "
            "expected a longer piece, or a narrower mask"
        )


def _laid(mask: np.ndarray, steps: int, skip: int) -> np.ndarray:
    """A mask laid along some steps: bool array, shape=(rows of the mask, steps)."""
    block, column = np.divmod(np.arange(steps), mask.shape[-1])
    if mask.ndim == 3:
        turn = block // skip
        which = np.rint(np.linspace(0, len(mask) - 1, turn[-1] + 1)).astype(int)[turn]
        laid = mask[which, :, column].T
    else:
        laid = mask[:, column]
    return (laid == 1) | (block % skip != 0)


def _rung(cut: Traced, muted: np.ndarray, number: np.ndarray) -> Traced:
    """Notes that ring on through the muted cells after them, within parts of one number."""
    step = np.arange(cut.steps)
    enters = np.diff(number, axis=1, prepend=number[:, :1]) != 0
    begins = np.maximum.accumulate(np.where(enters, step, 0), axis=1)
    last = np.maximum.accumulate(np.where(muted, -1, step), axis=1)
    voice = np.arange(cut.voices)[:, None]
    rings = muted & (last >= begins) & cut.sounding[voice, last]
    return cut.take(
        voice,
        np.where(rings, last, step),
        onsets=cut.onsets,
        fermatas=cut.chorale.fermatas,
        phrases=cut.chorale.phrases,
    )
