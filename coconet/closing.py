"""The layer `ending` of a chain, with a model: the last bar written anew towards the tonic.

Layers never import a model, so a chain that holds `ending` is handed it when it runs:

    predictor = load_predictor(places.models() / "chorales")
    run_chain(chain, chorale, callables={"ending": ending_maker(predictor)})

`cadences.ending` makes it too, but for one metre and without options in the chain.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coconet.cadences import THIRDS, ending
from coconet.chain.running import Function, Maker
from coconet.checks import choice, number, whole
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import items_of
from coconet.theory import parse_tonic
from coconet.together import DEFAULT

if TYPE_CHECKING:
    from coconet.predictor import Predictor


def ending_maker(predictor: Predictor) -> Maker:
    """The layer `ending` for `run_chain`, with all options of `ending_of`."""
    return Maker(functools.partial(ending_of, predictor))


def ending_of(
    predictor: Predictor,
    chorale: Chorale,
    *,
    span: Sequence[int] | None = None,
    tonic: int | str | None = None,
    mode: str | None = None,
    keep: str | Sequence[str] = (),
    tries: int = 8,
    passes: int = 32,
    temperature: float = 1.0,
    tilt: float = 1.0,
    together: float = DEFAULT,
) -> Function:
    """The last bar, or a span, written anew by the model towards the tonic.

    Metre, upbeat and key are the chorale's; a key that it only assumes is the one heard
    before the end. Layers that spread octaves may stand before it or after it: a note
    beyond its range the model hears an octave nearer. The step map leads from a cell
    that is written anew to the one that stood there. More in
    `coconet.cadences.resolve_ending`.

    Parameters
    ----------
    span : instead of the last bar a pair of steps, half open, such as [224, 240]
    tonic, mode : the key: 0-11 or a name such as 'F#', and 'major' or 'minor'
    keep : names of voices that stay as they are, in all quartets
    tries : endings drawn for each quartet, 1 or more; the one with the fewest parallels
        is taken
    passes : of the sampler for each of them, 1 or more
    temperature : 0 for the likeliest notes, 1 as Bach, above 1 bolder
    tilt : times the model's fitted weights against parallels, 0 or more
    together : 0-1, how much the quartets heed each other

    Returns
    -------
    function of a grid, int array (4·k, steps), and a numpy Generator to a new grid

    Raises
    ------
    ChoraleError
        For bad options, now or when the function is called, as `resolve_ending` does.
    """
    names = [keep] if isinstance(keep, str) else items_of(keep)
    if names is None or not all(isinstance(name, str) for name in names):
        raise ChoraleError(f"keep: expected names of voices, got {shown(keep)}")
    key = {
        "tonic": None if tonic is None else parse_tonic(tonic),
        "mode": None if mode is None else choice(mode, "mode", tuple(THIRDS)),
    }
    for name in key:
        if key[name] is None and name not in chorale.assumed:
            key[name] = getattr(chorale, name)
    return ending(
        predictor,
        time_signature=chorale.time_signature,
        upbeat=chorale.upbeat,
        span=span,
        keep=keep,
        tries=whole(tries, "tries", 1),
        passes=whole(passes, "passes", 1),
        temperature=number(temperature, "temperature", 0),
        tilt=number(tilt, "tilt", 0),
        together=number(together, "together", 0, 1),
        **key,
    )
