"""What all layers share: they take arrays, chorales and traced chorales alike."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from coconet.chorale import DEFAULTS, Chorale
from coconet.errors import ChoraleError, nearest_name, shown
from coconet.grid import VOICES, is_whole, items_of, validate_grid, voice_indices
from coconet.theory import SCALES, find_key, key_scores, parse_tonic
from coconet.traced import Traced

#: What a layer takes.
AnyPiece = np.ndarray | Chorale | Traced
#: What a layer gives back: the kind that it is given.
Piece = TypeVar("Piece", np.ndarray, Chorale, Traced)
Options = ParamSpec("Options")
#: How often a step, a span or a voice may come, and steps between entries: plenty.
MOST_TIMES = 100_000

#: What the docstring of every layer says.
TAKES = "`piece`: an array (voices, steps), a Chorale or a Traced; the same kind comes back."
#: Every layer by its name, as a chain calls it.
LAYERS: dict[str, Callable[..., Any]] = {}


def layer(
    function: Callable[Concatenate[Traced, Options], Traced],
) -> Callable[Concatenate[Piece, Options], Piece]:
    """A function of a `Traced` made one of arrays, chorales and traced chorales.

    Given an array (voices, steps) it returns a new array; given a chorale, a chorale
    whose onsets, fermatas and phrases came along; given a `Traced`, one that still
    knows where its cells come from; `help` says so. Nothing given is changed. The layer
    is known to chains by the function's name.
    """

    @functools.wraps(function)
    def apply(piece: Piece, *args: Options.args, **options: Options.kwargs) -> Piece:
        made = function(as_traced(piece), *args, **options)
        if isinstance(piece, Traced):
            return made
        return made.chorale if isinstance(piece, Chorale) else made.grid.copy()

    signature = inspect.signature(function)
    piece, *options = signature.parameters.values()
    apply.__signature__ = signature.replace(
        parameters=[piece.replace(annotation=AnyPiece), *options], return_annotation=AnyPiece
    )
    summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
    apply.__doc__ = f"{summary}\n\n{TAKES}\n{rest}"
    taken = LAYERS.get(function.__name__, function)
    assert taken.__module__ == function.__module__  # a module may be loaded again
    LAYERS[function.__name__] = apply
    return apply


def traced_array(grid: object) -> Traced:
    """A bare array as a `Traced`; what it can't say is assumed."""
    return Traced.begin(Chorale(validate_grid(grid), assumed=(*DEFAULTS, "onsets")))


def as_traced(piece: AnyPiece) -> Traced:
    """Whatever a layer takes, as a `Traced`."""
    if isinstance(piece, Traced):
        return piece
    return Traced.begin(piece) if isinstance(piece, Chorale) else traced_array(piece)


def options_of(name: str) -> tuple[str, ...]:
    """The names of a layer's options, without the piece and the generator."""
    return tuple(
        key for key in list(inspect.signature(LAYERS[name]).parameters)[1:] if key != "rng"
    )


def needs_rng(rng: object) -> np.random.Generator:
    """The generator of a layer that draws; ChoraleError where there is none."""
    if not isinstance(rng, np.random.Generator):
        raise ChoraleError(
            f"chance is asked for: expected rng=numpy.random.default_rng(SEED), got {shown(rng)}"
        )
    return rng


def key_of(
    piece: Traced, tonic: int | str | None = None, mode: str | None = None
) -> tuple[int, str]:
    """The key given; what isn't given is the chorale's, or found where that only assumes it.

    Of a key whose tonic alone is known, or mode alone, the other is what fits it best.
    """
    chorale = piece.chorale
    if tonic is not None:
        if isinstance(tonic, bool) or not isinstance(tonic, str | int | np.integer):
            expected = "expected a pitch class 0-11 or a name"
            raise ChoraleError(f"tonic: {expected}, got {shown(tonic)}")
        tonic = parse_tonic(tonic)
    elif "tonic" not in chorale.assumed:
        tonic = chorale.tonic
    if mode is not None:
        mode = choice(mode, "mode", tuple(SCALES))
    elif "mode" not in chorale.assumed:
        mode = chorale.mode
    if tonic is not None and mode is not None:
        return tonic, mode
    found = find_key(piece.grid)
    if found[0] == tonic or found[1] == mode or tonic is mode is None:
        return found
    scores = key_scores(piece.grid)
    if tonic is None:
        return int(scores[list(SCALES).index(mode)].argmax()), mode
    return tonic, list(SCALES)[scores[:, tonic].argmax()]


def rows_of(voices: object, count: int) -> np.ndarray:
    """Rows of a piece of `count` voices.

    Parameters
    ----------
    voices : None for all; names such as 'bass' or 'soprano,alto', which mean those
        voices of every quartet; or row numbers from 0, negative ones from below

    Raises ChoraleError for none, and for voices that the piece hasn't or that come twice.
    """
    if voices is None:
        return np.arange(count)
    lone = isinstance(voices, str) or is_whole(voices)
    listed = [voices] if lone else items_of(voices) or [None]
    if all(isinstance(row, str) for row in listed):
        return _named_rows(",".join(listed).split(","), count)
    if not all(is_whole(row, -count, count - 1) for row in listed):
        raise ChoraleError(
            f"voices: expected names such as soprano,bass or rows 0-{count - 1}, "
            f"got {shown(voices)}"
        )
    rows = np.array(listed, int) % count
    if len(np.unique(rows)) < len(rows):
        raise ChoraleError(f"voices: a row comes twice in {shown(voices)}")
    return rows


def _named_rows(names: Sequence[str], count: int) -> np.ndarray:
    """Rows of the voices of that name in every quartet, from the top."""
    part = np.arange(count) % 4
    for index in voice_indices(names):
        if index not in part:
            raise ChoraleError(f"voices: no {VOICES[index]} among {count} voices")
    return np.flatnonzero(np.isin(part, voice_indices(names)))


def choice(value: object, name: str, known: Sequence[str]) -> str:
    """One of some words, or ChoraleError, which names the nearest."""
    if not isinstance(value, str) or value not in known:
        expected = f"{', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else repr(known[0])
        near = nearest_name(value, known) if isinstance(value, str) else ""
        raise ChoraleError(f"{name}: expected {expected}, got {shown(value)}{near}")
    return value


def whole(value: object, name: str, low: int, high: int | None = None) -> int:
    """A whole number within low…high, or ChoraleError."""
    if not is_whole(value, low, high):
        top = "or more" if high is None else f"to {high}"
        raise ChoraleError(f"{name}: expected a whole number, {low} {top}, got {shown(value)}")
    return int(value)


def share(value: object, name: str = "share") -> float:
    """A number from 0 to 1, or ChoraleError."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise ChoraleError(f"{name}: expected a number from 0 to 1, got {shown(value)}")
    return float(value)


def flag(value: object, name: str) -> bool:
    """True or False, or ChoraleError: YAML's "no" in quotes is a word."""
    if not isinstance(value, bool | np.bool_):
        raise ChoraleError(f"{name}: expected true or false, got {shown(value)}")
    return bool(value)
