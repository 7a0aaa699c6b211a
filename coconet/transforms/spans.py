"""Interesting places, and lingering there: steps scored, spans found, spans stretched.

Every step is scored against a key. Runs of steps where some voice leaves it are
challenging spans, what lies between is in tune; together they tile the piece.
Stretching holds each step of a span for several: find an interesting place, stop and
linger a while.

Conventions
-----------
Spans are half-open pairs of steps, as an int array of shape (spans, 2), in the order of
the piece. The first bar line moves with its step, the others stand a bar apart from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from coconet.checks import (
    MOST_TIMES,
    choice,
    flag,
    needs_rng,
    not_needed,
    share_of,
    whole,
)
from coconet.errors import ChoraleError, shown
from coconet.grid import REST, is_whole, items_of, validate_span
from coconet.theory import in_scale
from coconet.traced import Traced
from coconet.transforms.layer import AnyPiece, as_traced, key_of, layer, rows_for

#: Spans that have a name.
NAMED = ("challenging", "in tune", "all")

# ---------------------------------------------------------------- scores and spans


def score_steps(
    piece: AnyPiece,
    *,
    tonic: int | str | None = None,
    mode: str | None = None,
    voices: str | int | Sequence[str | int] | None = None,
    leave_out_last: bool = False,
) -> np.ndarray:
    """The share of each step's sounding voices that are in the key.

    Rests never count; the original counted them as C.

    Parameters
    ----------
    piece : an array (voices, steps), a Chorale or a Traced
    tonic, mode : the key; what isn't given is the chorale's, or found. In minor the
        scale is the natural one, so that a raised leading note is out of it.
    voices : that count: names such as 'soprano,bass', or rows from 0; by default all
    leave_out_last : don't count the last of these voices, as the original didn't

    Returns
    -------
    float array, shape=(steps,), 0-1; 1 where none of these voices sounds

    Raises
    ------
    ChoraleError
        For a key or voices that don't exist, and where no voice is left to count.

    >>> score_steps(np.array([[67, 66, 0], [60, 60, 0]]), tonic="C", mode="major").tolist()
    [1.0, 0.5, 1.0]
    """
    traced = as_traced(piece)
    rows = rows_for(traced, voices)
    if flag(leave_out_last, "leave_out_last"):
        rows = rows[:-1]
    if not len(rows):
        raise ChoraleError("voices: none is left to score")
    grid = traced.grid[rows]
    sounding = (grid != REST).sum(0)
    inside = in_scale(grid, *key_of(traced, tonic, mode)).sum(0)
    return np.divide(inside, sounding, out=np.ones(traced.steps), where=sounding > 0)


def challenging_spans(scores: np.ndarray, *, below: float = 1.0) -> np.ndarray:
    """Runs of steps that score less than `below`.

    Parameters
    ----------
    scores : float array, shape=(steps,), as from `score_steps`
    below : 0-1

    Returns
    -------
    int array, shape=(spans, 2): half open; a run of one step has length 1, and there
    may be none

    >>> challenging_spans(np.array([0.5, 1, 1, 0.8, 0.8])).tolist()
    [[0, 1], [3, 5]]
    """
    return _runs(_validate_scores(scores) < share_of(below, "below"))


def in_tune_spans(scores: np.ndarray, *, below: float = 1.0) -> np.ndarray:
    """What lies between the challenging spans.

    >>> in_tune_spans(np.array([0.5, 1, 1, 0.8, 0.8])).tolist()
    [[1, 3]]
    """
    return _runs(_validate_scores(scores) >= share_of(below, "below"))


def _runs(where: np.ndarray) -> np.ndarray:
    """Start and end of each run of True: int array, shape=(runs, 2)."""
    edges = np.diff(where.astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def _validate_scores(scores: object) -> np.ndarray:
    try:
        array = np.asarray(scores)
    except ValueError:
        array = np.empty((0, 0), object)
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "iuf":
        raise ChoraleError(
            "scores: expected numbers of shape (steps,), as from score_steps, "
            f"got {array.dtype} of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        step = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ChoraleError(f"scores: step {step}: {array[step]} is not a number")
    return array


def validate_spans(spans: Iterable[Sequence[int]], steps: int) -> np.ndarray:
    """Spans given by hand as an int array, shape=(spans, 2), in the order given.

    Raises ChoraleError for what are no pairs, and for spans that are empty, leave the
    piece of `steps` steps or overlap.
    """
    listed = items_of(spans)
    if listed is None:
        raise ChoraleError(
            f"spans: expected {', '.join(NAMED)} or a list of [start, end] pairs, "
            f"got {shown(spans)}"
        )
    if len(listed) == 2 and all(is_whole(edge) for edge in listed):
        raise ChoraleError(f"spans: expected a list of pairs, got one; did you mean [{listed}]?")
    pairs = np.array([validate_span(pair, steps) for pair in listed], int).reshape(-1, 2)
    ranked = pairs[np.argsort(pairs[:, 0], kind="stable")]
    for place in np.flatnonzero(ranked[1:, 0] < ranked[:-1, 1])[:1]:
        (a, b), (c, d) = ranked[place : place + 2]
        raise ChoraleError(f"spans {a}:{b} and {c}:{d} overlap")
    return pairs


# ---------------------------------------------------------------- stretching


@layer
def stretch(
    piece: Traced,
    *,
    spans: str | Iterable[Sequence[int]] = "challenging",
    factor: int | Sequence[int] | None = None,
    low: int | None = None,
    high: int | None = None,
    curve: Sequence[Sequence[float]] | None = None,
    tonic: int | str | None = None,
    mode: str | None = None,
    voices: str | int | Sequence[str | int] | None = None,
    below: float = 1.0,
    leave_out_last: bool = False,
    rng: np.random.Generator | None = None,
) -> Traced:
    """Hold each step of some spans for several: stop and linger a while.

    Parameters
    ----------
    spans : 'challenging', 'in tune', 'all', or pairs of steps anywhere that don't overlap
    factor : a whole number from 1, or one a span in the order in which they are given
    low, high : instead, a whole number drawn for each span, both included
        (the original drew low … high - 1)
    curve : instead, [[place, factor], …] with places rising within 0-1 of the piece and
        factors from 1: at each span's middle the factor on the straight line between
        its neighbours, rounded
    tonic, mode, voices, below, leave_out_last : how challenging and in-tune spans are
        found: the key, by default the chorale's, or found; which voices are asked, by
        name or row, by default all, or all but the last of them; and the share of them
        in the key, 0-1, below which a step is challenging. See `score_steps` and
        `challenging_spans`; refused with other spans
    rng : draws factors, where low and high say so

    A held step begins no note anew. Fermatas go to the last of a step's copies, phrases
    grow.

    Raises
    ------
    ChoraleError
        For spans as in `validate_spans`, for what is said of scores where none decides,
        for none or several ways of factors, for factors that aren't whole or below 1, and
        for a piece that would grow too big.

    >>> stretch(np.array([[60, 61, 62]]), spans=[[1, 2]], factor=3).tolist()
    [[60, 61, 61, 61, 62]]
    """
    copies = stretch_copies(
        piece,
        spans=spans,
        factor=factor,
        low=low,
        high=high,
        curve=curve,
        tonic=tonic,
        mode=mode,
        voices=voices,
        below=below,
        leave_out_last=leave_out_last,
        rng=rng,
    )
    upbeat = piece.chorale.upbeat
    beyond = max(0, upbeat - piece.steps)  # a piece may end before its first bar line
    reached = int(copies[:upbeat].sum()) + beyond
    return piece.hold(copies, upbeat=reached % piece.chorale.bar)


def stretch_copies(piece: AnyPiece, **options: Any) -> np.ndarray:
    """For how many steps `stretch` with these options holds each: int array, shape=(steps,)."""
    traced = as_traced(piece)
    spans, factors = _plan(traced, **options)
    copies = np.ones(traced.steps, int)
    copies[steps_within(spans, traced.steps)] = np.repeat(factors, spans[:, 1] - spans[:, 0])
    return copies


def stretch_table(piece: AnyPiece, **options: Any) -> np.ndarray:
    """Where `stretch` with these options brings each span.

    A generator must be in the same state as for `stretch`.

    Returns
    -------
    int array, shape=(spans, 5): start, end, factor, new start, new end, in the order of
    the piece

    >>> stretch_table(np.full((1, 8), 60), spans=[[6, 8], [1, 3]], factor=[2, 5]).tolist()
    [[1, 3, 5, 1, 11], [6, 8, 2, 14, 18]]
    """
    traced = as_traced(piece)
    spans, factors = _plan(traced, **options)
    grown = (spans[:, 1] - spans[:, 0]) * (factors - 1)
    ends = spans[:, 1] + np.cumsum(grown)
    starts = spans[:, 0] + np.cumsum(grown) - grown
    return np.column_stack([spans, factors, starts, ends])


def _plan(
    piece: Traced,
    *,
    spans: str | Iterable[Sequence[int]] = "challenging",
    factor: int | Sequence[int] | None = None,
    low: int | None = None,
    high: int | None = None,
    curve: Sequence[Sequence[float]] | None = None,
    rng: np.random.Generator | None = None,
    **scoring: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Spans in the order of the piece, and the factor of each."""
    given = {
        "factor": factor is not None,
        "low and high": low is not None or high is not None,
        "curve": curve is not None,
    }
    ways = [name for name, said in given.items() if said]
    if len(ways) != 1:
        raise ChoraleError(
            "factors: expected one of factor, low and high, or curve, "
            f"got {' and '.join(ways) or 'none'}"
        )
    pairs = spans_of(piece, spans, **scoring)
    order = np.argsort(pairs[:, 0])
    ranked = pairs[order]
    if factor is not None:
        return ranked, one_each(factor, "factor", pairs)[order]
    if curve is not None:
        return ranked, _on_curve(curve, ranked.sum(1) / (2 * piece.steps))
    low = whole(low, "low", 1, MOST_TIMES)
    high = whole(high, "high", low, MOST_TIMES)
    return ranked, needs_rng(rng).integers(low, high, size=len(pairs), endpoint=True)


def spans_of(
    piece: Traced,
    spans: object,
    *,
    below: float = 1.0,
    leave_out_last: bool = False,
    **scoring: Any,
) -> np.ndarray:
    """Named or given spans as int array, shape=(spans, 2).

    Raises ChoraleError for what `score_steps` and `validate_spans` refuse, and for what is
    said of scores where no score decides: for spans given by hand, and for 'all'.
    """
    below, last = share_of(below, "below"), flag(leave_out_last, "leave_out_last")
    if isinstance(spans, str) and choice(spans, "spans", NAMED) != "all":
        scores = score_steps(piece, leave_out_last=last, **scoring)
        find = challenging_spans if spans == "challenging" else in_tune_spans
        return find(scores, below=below)
    given = {"below": below if below < 1 else None, "leave_out_last": last or None, **scoring}
    not_needed("spans='challenging' or spans='in tune'", **given)
    if isinstance(spans, str):
        return np.array([[0, piece.steps]])
    return validate_spans(spans, piece.steps)


def one_each(value: object, name: str, spans: np.ndarray) -> np.ndarray:
    """A whole number from 1 for each span, from one for all or from a list."""
    listed = items_of(value)
    if listed is None:
        return np.full(len(spans), whole(value, name, 1, MOST_TIMES))
    if len(listed) != len(spans):
        raise ChoraleError(
            f"{name}: expected one number, or one for each of {len(spans)} spans, got {len(listed)}"
        )
    names = (f"{name} of span {start}:{end}" for start, end in spans)
    checked = [whole(*each, 1, MOST_TIMES) for each in zip(listed, names, strict=True)]
    return np.array(checked, int)


def _on_curve(curve: object, places: np.ndarray) -> np.ndarray:
    """The curve's factors at some places, rounded: int array of their shape."""
    try:
        points = np.array(curve)
    except ValueError:
        points = np.empty(0)
    if points.dtype.kind not in "iuf" or points.shape[1:] != (2,) or not len(points):
        raise ChoraleError(f"curve: expected [[place, factor], …], got {shown(curve)}")
    at, factors = points.T
    if not (np.diff(at) > 0).all() or not ((at >= 0) & (at <= 1)).all():
        raise ChoraleError(f"curve: expected places that rise within 0-1, got {at.tolist()}")
    if not ((factors >= 1) & (factors <= MOST_TIMES)).all():
        raise ChoraleError(f"curve: expected factors 1-{MOST_TIMES}, got {factors.tolist()}")
    return np.floor(np.interp(places, at, factors) + 0.5).astype(int)


def steps_within(spans: np.ndarray, steps: int) -> np.ndarray:
    """bool array, shape=(steps,): within one of these spans, which don't overlap."""
    edges = np.zeros(steps + 1, int)
    np.add.at(edges, spans[:, 0], 1)
    np.add.at(edges, spans[:, 1], -1)
    return np.cumsum(edges[:-1]) > 0
