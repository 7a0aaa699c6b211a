"""A chorale in a temperament: timed notes, before any synthesiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from coconet.checks import not_needed, whole
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import REST, items_of, validate_grid
from coconet.intonation import ADAPTIVE, LIMIT, adapt, tonic_of
from coconet.render.events import MOST_VOICES, Performance
from coconet.render.performance import perform
from coconet.render.style import CALM, Style, parse_style
from coconet.theory import NAMES, find_key, key_sharps
from coconet.tuning import DEFAULT, OCTAVE, STANDARD, Tuning, load_tuning

DEFAULT_SEED = 1
#: Cents and Hz below which two numbers count as one.
SAME_CENTS, SAME_HZ = 0.01, 0.005


@dataclass(frozen=True, eq=False)
class Tempered:
    """The frequencies that a chorale is played at.

    Attributes
    ----------
    hz : float array in Hz, shape=(128,), one a MIDI key, or (voices, steps), one a cell
    tuning : name of the temperament, or such as 'adaptive over NAME' (`Adapted.name`)
    tonic : pitch class of its degree 0
    reference : Hz of its A4
    told : one line for a person
    warnings : one line each
    """

    hz: np.ndarray
    tuning: str
    tonic: int
    reference: float
    told: str
    warnings: tuple[str, ...] = ()


def perform_tempered(
    chorale: Chorale | np.ndarray,
    *,
    tuning: str | Path | Tuning | None = None,
    keyboard: Path | str | None = None,
    reference: float | None = None,
    tonic: int | str | None = None,
    limit: float | None = None,
    style: str | Style | None = None,
    tempo: float | Sequence[Sequence[float]] | None = None,
    spans: object = None,
    seed: int | None = None,
) -> tuple[Performance, Tempered]:
    """Play a chorale in a temperament: timed notes, before any synthesiser.

    Parameters
    ----------
    chorale : of up to 64 voices; or a bare array of pitches, shape=(voices, steps), whose
        key is then found
    tuning : 'equal', a name in the `tunings` folder, the path of a .scl file, or a
        `Tuning`; Secor's Victorian temperament by default. 'adaptive': chord by chord, as
        pure as it can be (`intonation.adapt`)
    keyboard : path of a .kbm file
    reference : Hz of A4; 440 by default
    tonic : pitch class or name of the temperament's degree 0, or 'relative' for that of
        the relative major; by default where its keyboard mapping puts it, else the
        chorale's tonic
    limit : with 'adaptive', how many cents a note may drift from Secor's temperament (25)
    style : 'calm' (the default), 'plain', 'original' or a `Style`
    tempo : in place of the style's: quarter notes a minute, or ((step, tempo), …)
    spans : where a random walk rises, as for `performance.perform`
    seed : of what the style leaves to chance; 1 by default

    Raises ChoraleError as `load_tuning`, `adapt` and `perform` do, and for more voices.
    """
    seed = DEFAULT_SEED if seed is None else whole(seed, "seed", 0)
    chorale, played = chorale_of(chorale), style_of(style, tempo)
    tempered = _temper(chorale, tuning, keyboard, reference, tonic, limit)
    rng = np.random.default_rng(seed) if played.needs_chance else None
    return perform(chorale, tempered.hz, played, rng=rng, spans=spans), tempered


def style_of(
    style: str | Style | None, tempo: float | Sequence[Sequence[float]] | None = None
) -> Style:
    """The style that `perform_tempered` plays in; ChoraleError for what is none."""
    played = parse_style(CALM if style is None else style)
    return played if tempo is None else replace(played, tempo=tempo)


def chorale_of(music: object) -> Chorale:
    """A chorale; or an array as one, in the key that is found for it.

    Raises ChoraleError for what is neither, more than 64 voices, and an array of rests.
    """
    if isinstance(music, Chorale):
        grid = music.grid
    elif items_of(music) is None:
        raise ChoraleError(f"expected a chorale, an array or a performance, got {shown(music)}")
    else:
        grid = validate_grid(music)
    if len(grid) > MOST_VOICES:
        raise ChoraleError(
            f"{len(grid)} voices: expected at most {MOST_VOICES}; choose some of them "
            "(the layer choose_voices)"
        )
    if isinstance(music, Chorale):
        return music
    sounding = grid[(grid != REST).any(axis=1)]
    if not sounding.size:
        raise ChoraleError("array: has no notes to sound, only rests")
    tonic, mode = find_key(sounding)
    return Chorale(grid, tonic=tonic, mode=mode, sharps=key_sharps(tonic, mode))


def _temper(
    chorale: Chorale,
    tuning: str | Path | Tuning | None,
    keyboard: Path | str | None,
    reference: float | None,
    tonic: int | str | None,
    limit: float | None,
) -> Tempered:
    adaptive = isinstance(tuning, str) and tuning == ADAPTIVE
    if not adaptive:
        not_needed(f"tuning={ADAPTIVE!r}", limit=limit)
    base = load_tuning(
        DEFAULT if tuning is None or adaptive else tuning, keyboard=keyboard, reference=reference
    )
    place, warnings = tonic_of(chorale, base, tonic), []
    guessed = tonic is None and base.tonic is None and "tonic" in chorale.assumed
    # Equal temperament sounds the same on every tonic.
    if guessed and np.ptp(np.diff([*base.cents, OCTAVE])) > SAME_CENTS:
        warnings.append("the tonic is unknown: the temperament stands on C; say tonic=")
    if adaptive:
        limit = LIMIT if limit is None else limit
        adapted = adapt(chorale, tuning=base, tonic=place, limit=limit)
        hz, name, told = adapted.hz, adapted.name, adapted.summary()
    else:
        hz, name, told = base.frequencies(place), base.name, f"{base.name} on {NAMES[place]}"
        told += f": {base.description}" if base.description else ""
    key, hertz = STANDARD
    standard = float(base.frequencies(place)[key])
    if abs(standard - hertz) > SAME_HZ:
        told += f", A4 = {standard:.5g} Hz"
    return Tempered(hz, name, place, standard, told, tuple(warnings))
