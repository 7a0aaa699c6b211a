"""Endings: the last bar of a piece, or of a section, written anew towards the tonic.

The sampler of `gibbs` is pulled: in the final chord to the notes of the tonic triad,
its root in the bass; in the beat before to the degrees that Bach's voices sing
there, mostly the dominant's. Several endings are drawn and the best is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.endings import ends_on_tonic, key_before_the_end
from coconet.errors import ChoraleError
from coconet.gibbs import Layout, Schedule, sample, tilt_of
from coconet.grid import (
    REST,
    STEPS_PER_QUARTER,
    is_whole,
    validate_span,
    voice_indices,
    voice_name,
)
from coconet.theory import find_key, key_name, parallels, pitch_name
from coconet.tilt import MOST
from coconet.together import DEFAULT, together_pull, together_weights

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: Steps on either side of an ending that the model sees.
CONTEXT = 64
#: Chords counted before any was: how far statistics of few cadences are trusted.
PRIOR = 12.0
FIFTH = 7
#: Thirds above the tonic that a final chord may have: in minor the Picardy third comes
#: first, as in nine of ten of Bach's.
THIRDS = {"major": (4,), "minor": (4, 3)}


@dataclass(frozen=True)
class Cadence:
    """Where an ending lies and where it goes.

    start, chord, end : steps: what is written anew begins at `start`, its final chord at
        `chord`; the first silent step, or the first after the section, is `end`
    tonic, mode : the key it ends in
    """

    start: int
    chord: int
    end: int
    tonic: int
    mode: str


def resolve_ending(
    predictor: Predictor,
    chorale: Chorale,
    *,
    span: Sequence[int] | None = None,
    tonic: int | None = None,
    mode: str | None = None,
    keep: str | Iterable[str] = (),
    tries: int = 8,
    passes: int = 32,
    temperature: float = 1.0,
    tilt: float = 1.0,
    together: float = DEFAULT,
    rng: np.random.Generator,
) -> Chorale:
    """Write the last bar anew, so that it closes on the tonic.

    Each quartet of a stack is written in turn, in view of those before it. Of the
    endings drawn the one with the fewest parallels is taken, of several such the one
    that the model finds likeliest. The final chord is held from a beat on: from the one
    where the last chord began, a beat or more before the end, if that leaves a beat
    to lead there; else for about half of the span. Voices that rest throughout the
    span and the bar before it stay silent; of those that sound the lowest of
    each quartet has the root.

    Parameters
    ----------
    chorale : of four voices or stacked quartets
    span : half-open pair of steps to write anew, such as the last bar of a section; by
        default a bar's length, from a beat on. Silence at its end stays.
    tonic, mode : pitch class 0-11, 'major' or 'minor'; by default, each for itself, the
        chorale's, where it knows it, else what is heard before the end. Minor may end on
        a major third.
    keep : voices by name that stay as they are, in all quartets
    tries : endings drawn for each quartet
    passes, temperature, tilt : as for `gibbs.sample`
    together : how much the other quartets count, as for `together_pull`; the weights
        against parallels are firmer by it (`together_weights`)
    rng : the only source of chance

    Returns
    -------
    Chorale; nothing before or after the span has changed

    Raises
    ------
    ChoraleError
        Where nothing sounds in the span; for a kept voice whose last note isn't of the
        tonic triad, or a kept lowest one that isn't on its root; where voices that are
        kept or rest leave no room for a third; and for bad options.
    """
    name = chorale.title or "chorale"
    if chorale.voices % 4:
        raise ChoraleError(f"{name}: expected stacked quartets, got {chorale.voices} voices")
    if tries < 1:
        raise ChoraleError(f"tries: expected 1 or more, got {tries}")
    cadence = find_cadence(chorale, span=span, tonic=tonic, mode=mode)
    kept_rows = voice_indices(keep) if keep else ()
    kept = np.isin(np.arange(chorale.voices) % 4, kept_rows)
    near = slice(max(0, cadence.start - chorale.bar), cadence.end)
    sings = (chorale.grid[:, near] != REST).any(1)
    hidden = _hidden(chorale.grid, sings & ~kept, cadence)
    if not hidden.any():
        raise ChoraleError(f"{name}: all voices that sing are kept, so there is no ending to write")
    lowest = _lowest(sings)
    thirds = _thirds(chorale.grid[:, cadence.end - 1], sings & kept, lowest, cadence, name)
    schedule = Schedule(passes=passes)
    grid = chorale.grid.copy()
    quartets = len(grid) // 4
    for number, child in enumerate(rng.spawn(quartets)):
        rows = slice(4 * number, 4 * number + 4)
        if not hidden[rows].any():
            continue
        own = chorale.replace(grid=grid[rows], onsets=chorale.onsets[rows])
        written = np.arange(len(grid)) < rows.start
        grid[rows] = _best(
            predictor,
            own,
            hidden[rows],
            lowest[rows],
            cadence,
            thirds,
            others=grid[written],
            options={"schedule": schedule, "temperature": temperature, "tilt": tilt},
            together=together,
            tries=tries,
            rng=child,
        )
        # A major and a minor third would clash.
        last = grid[rows, cadence.end - 1]
        degrees = (last[last != REST] - cadence.tonic) % 12
        thirds = tuple(third for third in thirds if third in degrees)
    record = {
        "span": [cadence.start, cadence.end],
        "final chord": cadence.chord,
        "tonic": cadence.tonic,
        "mode": cadence.mode,
        "kept": [voice_name(row) for row in kept_rows],
        "tries": tries,
        "passes": passes,
        "temperature": temperature,
        "tilt": tilt,
        "together": together,
    }
    return chorale.replace(
        grid=grid,
        onsets=chorale.onsets_for(grid, hidden=hidden),
        provenance={**chorale.provenance, "ending": record},
    )


def ending(
    predictor: Predictor, *, time_signature: str = "4/4", upbeat: int = 0, **options: Any
) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """`resolve_ending` as a layer: from a grid and a generator to a grid.

    Parameters
    ----------
    time_signature, upbeat : of the grids to come, for the default span
    options : those of `resolve_ending`; without a key, the one heard before the end

    Returns
    -------
    function of an int array, shape=(4·k, steps), and a numpy Generator to an int16 array
    of the same shape; its argument stays as it is
    """

    def resolve(grid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chorale = Chorale(
            grid, time_signature=time_signature, upbeat=upbeat, assumed=("tonic", "mode")
        )
        return resolve_ending(predictor, chorale, rng=rng, **options).grid.copy()

    return resolve


def find_cadence(
    chorale: Chorale,
    *,
    span: Sequence[int] | None = None,
    tonic: int | None = None,
    mode: str | None = None,
) -> Cadence:
    """Where the ending of a piece or a section lies, and in which key.

    Parameters are those of `resolve_ending`.
    """
    name = chorale.title or "chorale"
    sounding = (chorale.grid != REST).any(0)
    if span is not None:
        start, end = validate_span(span, chorale.steps)
        sounding[:start] = sounding[end:] = False
    if not sounding.any():
        raise ChoraleError(f"{name}: nothing sounds, so there is no ending to write")
    end = int(np.flatnonzero(sounding)[-1]) + 1
    if span is None:
        start = max(0, _on_beat(end - chorale.bar, chorale))
    if tonic is not None and not is_whole(tonic, 0, 11):
        raise ChoraleError(f"tonic: expected a pitch class 0-11, got {tonic!r}")
    if mode not in (None, *THIRDS):
        raise ChoraleError(f"mode: expected major or minor, got {mode!r}")
    before = chorale.grid[:, :end]
    heard = key_before_the_end(before) or find_key(before)
    if tonic is None:
        tonic = heard[0] if "tonic" in chorale.assumed else chorale.tonic
    if mode is None:
        mode = heard[1] if "mode" in chorale.assumed else chorale.mode
    chord = _on_beat(min(_last_chord(before), end - STEPS_PER_QUARTER), chorale)
    if chord < start + STEPS_PER_QUARTER:  # nothing would lead there
        half = max(STEPS_PER_QUARTER, (end - start) // 2)
        chord = max(start, _on_beat(end - half, chorale))
    return Cadence(start, chord, end, int(tonic), mode)


@cache
def approach() -> np.ndarray:
    """How Bach's voices go to the last chord: nats that each degree gains in the beat before.

    Counted over those chorales of the train split that end on their tonic, beside all
    that their voices sing.

    Returns
    -------
    float array, shape=(2, 4, 12), not to be written to: major and minor, voices,
    semitones above the tonic
    """
    modes = tuple(THIRDS)
    before, all_over = np.zeros((2, 4, 12)), np.zeros((2, 4, 12))
    for chorale in load_corpus("train"):
        if ends_on_tonic(chorale.grid, chorale.tonic, chorale.mode):
            chord = _last_chord(chorale.grid)
            counts = _degrees(chorale.grid, chorale.tonic)
            mode = modes.index(chorale.mode)
            before[mode] += counts[:, max(0, chord - STEPS_PER_QUARTER) : chord].sum(1)
            all_over[mode] += counts.sum(1)
    usual = (all_over + 1) / (all_over + 1).sum(-1, keepdims=True)
    beats = before / STEPS_PER_QUARTER
    found = (beats + PRIOR * usual) / (beats.sum(-1, keepdims=True) + PRIOR)
    gains = np.log(found / usual)
    gains.setflags(write=False)
    return gains


def _on_beat(step: int, chorale: Chorale) -> int:
    """The beat in which a step lies: where it begins."""
    return step - (step - chorale.upbeat) % STEPS_PER_QUARTER


def _last_chord(grid: np.ndarray) -> int:
    """The step from which the last chord that sounds is held."""
    end = np.flatnonzero((grid != REST).any(0))[-1] + 1
    other = np.flatnonzero((grid[:, :end] != grid[:, end - 1 : end]).any(0))
    return int(other[-1]) + 1 if len(other) else 0


def _degrees(grid: np.ndarray, tonic: int) -> np.ndarray:
    """float array, shape=(voices, steps, 12): 1 at each cell's degree; nothing for rests."""
    return np.eye(12)[(grid - tonic) % 12] * (grid != REST)[..., None]


def _lowest(sings: np.ndarray) -> np.ndarray:
    """bool array, shape=(4·k,): of the voices that sing the lowest of each quartet."""
    quartets = sings.reshape(-1, 4)
    after = np.cumsum(quartets[:, ::-1], axis=1)[:, ::-1]
    return (quartets & (after == 1)).ravel()


def _thirds(
    last: np.ndarray, kept: np.ndarray, lowest: np.ndarray, cadence: Cadence, name: str
) -> tuple[int, ...]:
    """Thirds that the kept voices' last notes allow; ChoraleError where they allow no tonic."""
    tonic = cadence.tonic
    degrees = (last.astype(int) - tonic) % 12
    sounding = kept & (last != REST)
    triad = np.isin(degrees, (0, FIFTH, *THIRDS[cadence.mode]))
    wrong = (sounding & ~triad) | (kept & lowest & (~sounding | (degrees != 0)))
    key = key_name(tonic, cadence.mode)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        ends = f"ends on {pitch_name(int(last[row]))}" if last[row] != REST else "rests at the end"
        expected = "the tonic" if lowest[row] else "a note of the tonic triad"
        raise ChoraleError(
            f"{name}: the kept {voice_name(row)} {ends}, expected {expected} of {key}; "
            "don't keep it, or give the key in which it ends (tonic=, mode=)"
        )
    said = {int(degree) for degree in degrees[sounding] if degree in (3, 4)}
    if len(said) > 1:
        raise ChoraleError(f"{name}: the kept voices end on both thirds of {key}")
    return tuple(third for third in THIRDS[cadence.mode] if third in said or not said)


def _hidden(grid: np.ndarray, written: np.ndarray, cadence: Cadence) -> np.ndarray:
    """The cells to write in some voices: what sounds in the span, and all of the final chord."""
    hidden = np.zeros(grid.shape, bool)
    span = slice(cadence.start, cadence.end)
    hidden[:, span] = grid[:, span] != REST
    hidden[:, cadence.chord : cadence.end] = True
    hidden[~written] = False
    return hidden


def _best(
    predictor: Predictor,
    chorale: Chorale,
    hidden: np.ndarray,
    lowest: np.ndarray,
    cadence: Cadence,
    thirds: Sequence[int],
    *,
    others: np.ndarray,
    options: dict[str, Any],
    together: float,
    tries: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The best of several endings of one quartet: int16 array, shape=(4, steps)."""
    # What is far away is left out, so that a long piece takes no longer than a short one.
    begin = max(0, cadence.start - CONTEXT)
    seen = (begin, min(chorale.steps, cadence.end + CONTEXT))
    near = hidden[:, slice(*seen)]
    piece = _within(crop(chorale, seen), predictor.pitches)
    start, chord, end = (step - begin for step in (cadence.start, cadence.chord, cadence.end))
    beside = together_pull(others[:, slice(*seen)], predictor.pitches, together)
    weights = together_weights(tilt_of(predictor), len(others), together)
    free = np.flatnonzero(near[:, end - 1] & ~lowest)
    root = int(np.flatnonzero(lowest)[0])
    # Without a third nothing is the tonic: where no draw has one, it is given to a voice.
    for forced in (False, True):
        pulls = []
        for number in range(tries):
            third = thirds[number % len(thirds)]
            voice = int(free[number // len(thirds) % len(free)]) if forced and len(free) else None
            pull = _pull(piece.steps, chord, end, cadence, lowest, third, voice, predictor.pitches)
            pulls.append(pull if beside is None else pull + beside)
        found = sample(
            predictor,
            [piece] * tries,
            [near] * tries,
            weights=weights,
            pulls=pulls,
            rng=rng,
            fill_rests=True,
            **options,
        )
        for grid in found:
            held = near[:, chord:end]
            grid[:, chord:end] = np.where(held, grid[:, end - 1 : end], grid[:, chord:end])
        good = [
            grid
            for grid in found
            if ends_on_tonic(grid[: root + 1, :end], cadence.tonic, cadence.mode)
        ]
        if good:
            break
    else:
        raise ChoraleError(
            f"{chorale.title or 'chorale'}: voices that are kept or rest leave no room for the "
            f"third of {key_name(cadence.tonic, cadence.mode)} in the last chord"
        )
    # Parallels that arrive in the ending, or from it in what comes after.
    arrivals = slice(max(0, start - 1), end)
    wrong = [int((parallels(g, 7) | parallels(g, 0))[:, arrivals].sum()) for g in good]
    fewest = [grid for grid, count in zip(good, wrong, strict=True) if count == min(wrong)]
    best = fewest[int(np.argmax(_likelihoods(predictor, piece, fewest, near)))]
    result = chorale.grid.copy()
    result[:, slice(*seen)] = np.where(near, best, result[:, slice(*seen)])
    return result


def _within(chorale: Chorale, pitches: tuple[int, int]) -> Chorale:
    """What the model sees of notes beyond its pitches: the same an octave or more nearer."""
    grid, (low, high) = chorale.grid.astype(int), pitches
    nearer = np.clip(grid, low + (grid - low) % 12, high - (high - grid) % 12)
    return chorale.replace(grid=np.where(grid == REST, REST, nearer), onsets=chorale.onsets)


def _pull(
    steps: int,
    chord: int,
    end: int,
    cadence: Cadence,
    lowest: np.ndarray,
    third: int,
    voice: int | None,
    pitches: tuple[int, int],
) -> np.ndarray:
    """Nats for the sampler, shape=(4, steps, pitches); `voice`, if any, must have the third."""
    low, high = pitches
    degrees = (np.arange(low, high + 1) - cadence.tonic) % 12
    pull = np.zeros((4, steps, len(degrees)))
    lead = slice(max(0, chord - STEPS_PER_QUARTER), chord)
    pull[:, lead] = approach()[tuple(THIRDS).index(cadence.mode)][:, None, degrees]
    final = np.full((4, len(degrees)), -MOST)
    final[:, np.isin(degrees, (0, third, FIFTH))] = 0
    final[lowest] = np.where(degrees == 0, 0, -MOST)
    if voice is not None:
        final[voice] = np.where(degrees == third, 0, -MOST)
    pull[:, chord:end] = final[:, None]
    return pull


def _likelihoods(
    predictor: Predictor, piece: Chorale, grids: Sequence[np.ndarray], hidden: np.ndarray
) -> np.ndarray:
    """How likely the model finds the hidden cells, voice by voice given all else: nats.

    Returns
    -------
    float array, shape=(grids,)
    """
    layout = Layout.of([piece.replace(grid=grid, onsets=None) for grid in grids])
    region = layout.lay([hidden] * len(grids), False)
    low, high = predictor.pitches
    total = np.zeros(len(grids))
    for voice in range(4):
        own = region & (np.arange(4) == voice)[:, None]
        if own.any():
            found = predictor.predict(layout.grids, own, layout.outside)
            places = np.clip(layout.grids - low, 0, high - low)[..., None].astype(int)
            chances = np.take_along_axis(found, places, -1)[..., 0].astype(float)
            total += (np.log(np.maximum(chances, 1e-9)) * own).sum((1, 2))
    return total
