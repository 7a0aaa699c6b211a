"""What all layers share: they take arrays, chorales and traced chorales alike."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from coconet.checks import choice, rows_of
from coconet.chorale import DEFAULTS, Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import validate_grid
from coconet.theory import SCALES, find_key, key_scores, parse_tonic
from coconet.traced import Traced

#: What a layer takes.
AnyPiece = np.ndarray | Chorale | Traced
#: What a layer gives back: the kind that it is given.
Piece = TypeVar("Piece", np.ndarray, Chorale, Traced)
Options = ParamSpec("Options")

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


def rows_for(piece: Traced, voices: object) -> np.ndarray:
    """Rows that a layer's option `voices` means: see `checks.rows_of`."""
    return rows_of(voices, piece.voices, sings=piece.sounding.any(1))


def options_of(name: str) -> tuple[str, ...]:
    """The names of a layer's options, without the piece and the generator."""
    return tuple(
        key for key in list(inspect.signature(LAYERS[name]).parameters)[1:] if key != "rng"
    )


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
