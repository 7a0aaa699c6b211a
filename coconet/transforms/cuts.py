"""Steps left out and steps that come again: compressed, repeated, cropped.

Bar lines are treated as in `spans`: the first moves with its step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import crop as crop_chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, onsets_of, validate_span
from coconet.traced import Traced
from coconet.transforms.layer import layer
from coconet.transforms.spans import one_each, spans_of, steps_within


@layer
def compress(
    piece: Traced,
    *,
    spans: str | Iterable[Sequence[int]],
    factor: int | Sequence[int],
    tonic: int | str | None = None,
    mode: str | None = None,
    voices: str | int | Sequence[str | int] | None = None,
    below: float = 1.0,
    leave_out_last: bool = False,
) -> Traced:
    """Keep every factor-th step of some spans: the inverse of `stretch`.

    Parameters
    ----------
    spans : as for `stretch`, as they lie in this, the stretched piece (the last two
        columns of `stretch_table`)
    factor : a whole number from 1 that divides the spans' lengths, or one a span
    tonic, mode, voices, below, leave_out_last : how named spans are found, as for `stretch`

    The steps that stay are the first of each group. A note that begins on a step that
    goes begins on the next that stays, if it lasts so long; a shorter one is lost.

    Raises
    ------
    ChoraleError
        For spans and factors as in `stretch`, and for a length that can't be divided.

    >>> compress(np.array([[60, 61, 61, 61, 62]]), spans=[[1, 4]], factor=3).tolist()
    [[60, 61, 62]]
    """
    pairs = spans_of(
        piece,
        spans,
        tonic=tonic,
        mode=mode,
        voices=voices,
        below=below,
        leave_out_last=leave_out_last,
    )
    factors = one_each(factor, "factor", pairs)
    order = np.argsort(pairs[:, 0])
    pairs, factors = pairs[order], factors[order]
    lengths = pairs[:, 1] - pairs[:, 0]
    for (start, end), by in zip(pairs, factors, strict=True):
        if (end - start) % by:
            raise ChoraleError(f"span {start}:{end}: {end - start} steps can't be divided by {by}")
    inside = np.flatnonzero(steps_within(pairs, piece.steps))
    offset = inside - np.repeat(pairs[:, 0], lengths)
    stays = np.ones(piece.steps, bool)
    stays[inside] = offset % np.repeat(factors, lengths) == 0
    return thin(piece, np.flatnonzero(stays))


def thin(piece: Traced, heads: np.ndarray) -> Traced:
    """Only some steps of a piece, of which the first is one.

    A note that begins on a step that goes begins on the next that stays, if it lasts so
    long; a fermata there goes to the step that stays before.

    heads : int array, ascending from 0: the steps that stay
    """
    since = np.append(0, heads[:-1] + 1)  # after the step that stayed before
    begins = np.logical_or.reduceat(piece.onsets[:, : heads[-1] + 1], since, axis=1)
    grid = piece.grid[:, heads]
    return piece.take(
        np.arange(piece.voices)[:, None],
        heads[None],
        onsets=(begins & (grid != REST)) | onsets_of(grid),
        fermatas=np.logical_or.reduceat(piece.chorale.fermatas, heads),
        phrases=phrases_along(piece.chorale, heads),
        upbeat=_bar_line(piece, int(np.searchsorted(heads, piece.chorale.upbeat))),
    )


@layer
def repeat(
    piece: Traced,
    *,
    spans: str | Iterable[Sequence[int]],
    times: int | Sequence[int],
    tonic: int | str | None = None,
    mode: str | None = None,
    voices: str | int | Sequence[str | int] | None = None,
    below: float = 1.0,
    leave_out_last: bool = False,
) -> Traced:
    """Let some spans sound several times in a row, each as a whole.

    Parameters
    ----------
    spans : as for `stretch`
    times : a whole number from 1, or one a span
    tonic, mode, voices, below, leave_out_last : how named spans are found, as for `stretch`

    All voices begin anew with a repetition. Fermatas and phrases come again; a phrase
    ends where it ended, and where a step of another follows.

    Raises
    ------
    ChoraleError
        For spans and numbers as in `stretch`.

    >>> repeat(np.array([[60, 61, 62]]), spans=[[1, 3]], times=2).tolist()
    [[60, 61, 62, 61, 62]]
    """
    pairs = spans_of(
        piece,
        spans,
        tonic=tonic,
        mode=mode,
        voices=voices,
        below=below,
        leave_out_last=leave_out_last,
    )
    counts = np.ones(piece.steps, int)
    counts[pairs[:, 0]] = one_each(times, "times", pairs)
    # Blocks: the spans, and each step between them by itself.
    first = ~steps_within(pairs, piece.steps)
    first[pairs[:, 0]] = True
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, piece.steps))
    counts = counts[starts]
    piece.room_for(piece.voices, int((counts * lengths).sum()))
    starts, lengths = np.repeat(starts, counts), np.repeat(lengths, counts)
    begins = np.cumsum(lengths) - lengths
    index = np.arange(lengths.sum()) + np.repeat(starts - begins, lengths)
    again = begins[1:][starts[1:] == starts[:-1]]
    onsets = piece.onsets[:, index]
    onsets[:, again] = piece.grid[:, index[again]] != REST
    chorale = piece.chorale
    reached = np.flatnonzero(index >= chorale.upbeat)
    return piece.take(
        np.arange(piece.voices)[:, None],
        index[None],
        onsets=onsets,
        fermatas=chorale.fermatas[index],
        phrases=phrases_along(chorale, index),
        upbeat=_bar_line(piece, int(reached[0] if len(reached) else len(index))),
    )


@layer
def crop(piece: Traced, *, span: Sequence[int]) -> Traced:
    """One span alone, with its bar lines; a note cut at its beginning begins there.

    span : pair of steps, half open, such as [0, 64]

    Raises ChoraleError for a span that is empty or leaves the piece.

    >>> crop(np.array([[60, 61, 62, 63]]), span=[1, 3]).tolist()
    [[61, 62]]
    """
    start, end = validate_span(span, piece.steps)
    part = crop_chorale(piece.chorale, (start, end))
    return piece.take(
        np.arange(piece.voices)[:, None],
        np.arange(start, end)[None],
        onsets=part.onsets,
        fermatas=part.fermatas,
        phrases=part.phrases,
        upbeat=part.upbeat,
    )


def _bar_line(piece: Traced, place: int) -> int:
    """The upbeat of a piece made of this one, whose first bar line is now at `place`.

    A piece may end before its first bar line; then `place` is where it ends now.
    """
    beyond = max(0, piece.chorale.upbeat - piece.steps)
    return (place + beyond) % piece.chorale.bar


def phrases_along(chorale: Chorale, steps: np.ndarray) -> list[int]:
    """Lengths of the phrases of a piece made of these steps, in this order.

    A phrase ends where it ended, and where a step of another follows. Empty where the
    chorale knows of none.
    """
    if not chorale.phrases:
        return []
    number = np.repeat(np.arange(len(chorale.phrases)), chorale.phrases)
    last = np.append(number[1:] != number[:-1], True)
    ends = last[steps] | np.append(np.diff(number[steps]) != 0, True)
    ends[-1] = True
    return np.diff(np.flatnonzero(ends), prepend=-1).tolist()
