"""Tempo: when each step begins.

Conventions
-----------
Tempi are quarter notes a minute, and a beat is a quarter. Steps are places in the grid and
needn't be whole: step 3.5 is halfway through step 3. A note that lasts until a step falls
silent at its **end**, which comes before the next step's beginning only after a fermata,
by a breath.

A phrase's end is broadened as measured by Friberg and Sundberg (1999), "Does music
performance allude to locomotion? A model of final ritardandi derived from measurements of
stopping runners", J. Acoust. Soc. Am. 105(3): over the broadened stretch, with x from 0 to
1 in beats, the speed is (1 + (w^q - 1) x)^(1/q) of the speed before it, where w is the last
speed and q = 3.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from coconet.checks import number
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import REST, STEPS_PER_QUARTER, items_of
from coconet.streams import phrases_at

#: Tempi, and beats by which a fermata may lengthen a chord.
SLOWEST, QUICKEST, LONGEST_FERMATA = 5, 1000, 8
#: At a fermata the singers breathe: this many beats of silence after the chord.
BREATH = 0.125
#: Beats before a phrase's last chord over which it broadens, and before the piece's.
APPROACH, LAST_APPROACH = 2, 4
#: How many times as much the piece's end broadens as its phrases' ends.
LAST = 2.5
#: Friberg and Sundberg's q: the higher, the later the slowing sets in.
CURVATURE = 3
#: Of the broadened speed, values a step whose mean counts.
FINE = 16

#: A tempo, or break points (step, tempo) with straight lines between them.
Tempo = float | tuple[tuple[float, float], ...]


def validate_tempo(tempo: object) -> Tempo:
    """Return a tempo as a float, or break points as pairs of floats.

    tempo : quarters a minute, 5-1000; or ((step, tempo), …) with steps that rise from 0 on.
        Two points at one step make the tempo change at once.

    Raises ChoraleError for all else.
    """
    points = items_of(tempo)
    if points is None:
        return number(tempo, "tempo", SLOWEST, QUICKEST)
    pairs = []
    for count, point in enumerate(points, start=1):
        pair = items_of(point) or []
        if len(pair) != 2:
            raise ChoraleError(f"tempo: point {count}: expected (step, tempo), got {shown(point)}")
        step = number(pair[0], f"tempo: point {count}: step", 0)
        pairs.append((step, number(pair[1], f"tempo: point {count}", SLOWEST, QUICKEST)))
    if not pairs:
        raise ChoraleError("tempo: expected a number or points (step, tempo), got none")
    steps = [step for step, _ in pairs]
    for before, after in pairwise(steps):
        if after < before:
            raise ChoraleError(f"tempo: expected rising steps, got {after:g} after {before:g}")
    thrice = [step for step, later in zip(steps, steps[2:], strict=False) if step == later]
    if thrice:
        raise ChoraleError(f"tempo: expected at most two points at a step, step {thrice[0]:g}")
    return tuple(pairs)


def tempo_at(tempo: Tempo, steps: np.ndarray, *, before: bool = False) -> np.ndarray:
    """The tempo at some steps: float array of their shape, quarters a minute.

    Straight lines between break points; before the first and after the last it is theirs;
    where two points share a step the later one counts, or the earlier one if the tempo just
    `before` the steps is asked for.

    >>> tempo_at(((4.0, 60.0), (8.0, 100.0)), np.array([0, 5, 9])).tolist()
    [60.0, 70.0, 100.0]
    """
    steps = np.asarray(steps, float)
    if not isinstance(tempo, tuple):
        return np.full(steps.shape, float(tempo))
    at, tempi = np.array(tempo).T
    after = np.searchsorted(at, steps, side="left" if before else "right")
    low, high = np.clip(after - 1, 0, None), np.clip(after, None, len(at) - 1)
    width = at[high] - at[low]
    # At a place outside the points both are the same one.
    part = np.divide(steps - at[low], width, out=np.zeros(steps.shape), where=width > 0)
    return tempi[low] + part * (tempi[high] - tempi[low])


def phrase_spans(chorale: Chorale) -> list[tuple[int, int]]:
    """Half-open spans of a chorale's phrases, which tile it.

    They are those that it knows of, or else those that end at its fermatas; without any it
    is one phrase.
    """
    lengths = chorale.phrases or phrases_at(chorale.fermatas, chorale.grid) or (chorale.steps,)
    return list(pairwise(accumulate(lengths, initial=0)))


def step_times(
    chorale: Chorale, *, tempo: Tempo | None = None, fermata: float = 0.5, broaden: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """When each step begins, and when a note that lasts until it falls silent.

    The last chord is held like one with a fermata.

    Parameters
    ----------
    tempo : as of `validate_tempo`; by default the chorale's own
    fermata : beats, 0-8, by which a fermata lengthens its step
    broaden : 0-1, by how much longer a step gets at a phrase's last chord; the piece's last
        one by 2.5 times that. It sets in two beats before that chord, or four, and goes on
        to the phrase's end.

    Returns
    -------
    times, ends : float arrays, shape=(steps + 1,), in seconds; times rise strictly

    Raises
    ------
    ChoraleError
        For what `validate_tempo` refuses, numbers outside their ranges, and break points
        after the chorale's end.
    """
    tempo = validate_tempo(chorale.tempo if tempo is None else tempo)
    fermata = number(fermata, "fermata", 0, LONGEST_FERMATA)
    broaden = number(broaden, "broaden", 0, 1)
    if isinstance(tempo, tuple) and tempo[-1][0] > chorale.steps:
        raise ChoraleError(
            f"tempo: a point at step {tempo[-1][0]:g}, but {chorale.title or 'the chorale'} ends "
            f"at step {chorale.steps}"
        )
    beat = 60 / tempo_at(tempo, np.arange(chorale.steps))
    held = chorale.fermatas.copy()
    held[_last_sounding(chorale)] = True
    lengths = _step_seconds(tempo, chorale.steps) * _slowness(chorale, broaden)
    lengths += held * fermata * beat
    times = np.concatenate([[0.0], np.cumsum(lengths)])
    breath = np.where(held, min(BREATH, fermata / 2) * beat, 0.0)
    return times, times - np.concatenate([[0.0], breath])


def _step_seconds(tempo: Tempo, steps: int) -> np.ndarray:
    """How long each step lasts: float array, shape=(steps,).

    Along a straight line of tempo from a to b, s steps last 15 s log(b / a) / (b - a)
    seconds: the integral of 15 / tempo.
    """
    if not isinstance(tempo, tuple):
        return np.full(steps, 60 / tempo / STEPS_PER_QUARTER)
    inner = [step for step, _ in tempo if 0 < step < steps]
    edges = np.unique(np.concatenate([np.arange(steps + 1), inner]))
    left, right = edges[:-1], edges[1:]
    # No point lies between two edges: there the tempo runs straight.
    first, last = tempo_at(tempo, left), tempo_at(tempo, right, before=True)
    mean = (first + last) / 2
    half = (last - first) / (last + first)
    # log(b / a) is 2 arctanh(half), which keeps its digits where a and b are nearly the same.
    bent = np.divide(np.arctanh(half), half, out=np.ones_like(half), where=half != 0)
    seconds = (right - left) * 60 / STEPS_PER_QUARTER / mean * bent
    return np.bincount(np.floor(left).astype(int), seconds, minlength=steps)


def _slowness(chorale: Chorale, broaden: float) -> np.ndarray:
    """By what factor broadening lengthens each step: float array, shape=(steps,), 1 or more."""
    slow = np.ones(chorale.steps)
    if not broaden:
        return slow
    begins = chorale.onsets.any(0)
    spans = [(start, end) for start, end in phrase_spans(chorale) if begins[start:end].any()]
    for start, end in spans:
        last = (start, end) == spans[-1]
        chord = start + int(np.flatnonzero(begins[start:end])[-1])
        first = max(start, chord - STEPS_PER_QUARTER * (LAST_APPROACH if last else APPROACH))
        slowest = 1 / (1 + broaden * (LAST if last else 1))
        slow[chord:end] = 1 / slowest
        if chord > first:
            x = (np.arange((chord - first) * FINE) + 0.5) / ((chord - first) * FINE)
            speed = (1 + (slowest**CURVATURE - 1) * x) ** (1 / CURVATURE)
            slow[first:chord] = (1 / speed).reshape(-1, FINE).mean(1)
    return slow


def _last_sounding(chorale: Chorale) -> int:
    """The last step in which anything sounds; of silence the last step."""
    sounding = np.flatnonzero((chorale.grid != REST).any(0))
    return int(sounding[-1]) if len(sounding) else chorale.steps - 1
