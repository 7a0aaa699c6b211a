"""How pure a temperament is, and how pure a piece is in it.

Conventions
-----------
A **deviation** is how much wider than just an interval is, in cents: negative where it
is too narrow. Just are the ratios of `CONSONANCES`: fifths 3/2, major thirds 5/4 and minor
thirds 6/5, and fourths and sixths with them, since a fourth is as far from 4/3 as its
fifth from 3/2, only the other way. Octaves are left out, and so are all dissonances:
seconds, sevenths and tritones have no one size at which they stop beating. Intervals are
reduced to the octave, and told apart by semitones alone: an augmented second counts as
a minor third. Where a number is told of each pitch class, the interval above it
is meant, from C up.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coconet.checks import choice, number
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import REST, items_of
from coconet.intonation import ADAPTIVE, JUST, Adapted, adapt, tonic_of
from coconet.metrics import TRIADS
from coconet.surprise import place_of
from coconet.tables import Table
from coconet.theory import NAMES, pitch_name
from coconet.tuning import OCTAVE, Tuning, load_tuning, tuning_names

#: The consonances that are judged, by semitones: their just ratios.
CONSONANCES = {semitones: JUST[semitones] for semitones in (3, 4, 7)}
#: Pitch classes around the circle of fifths, from C.
CIRCLE = tuple(7 * place % 12 for place in range(12))
#: An interval this close to just counts as pure, in cents: about what an ear tells apart.
PURE = 5.0
#: The primary triads of each mode, as semitones of their roots above the tonic and their
#: place in `metrics.TRIADS`; the minor dominant has its leading note.
PRIMARY = {"major": ((0, 0), (5, 0), (7, 0)), "minor": ((0, 1), (5, 1), (7, 0))}

#: A fixed temperament, by name or made, or a piece in adaptive just intonation.
AnyTuning = str | Path | Tuning | Adapted


def just_cents(semitones: int) -> float:
    """The just size of a minor third (3), major third (4) or fifth (7), in cents.

    >>> round(just_cents(4), 3)
    386.314
    """
    if semitones not in CONSONANCES:
        raise ChoraleError(f"interval: expected 3, 4 or 7 semitones, got {shown(semitones)}")
    numerator, denominator = CONSONANCES[semitones]
    return OCTAVE * float(np.log2(numerator / denominator))


def deviations_from_just(cents: np.ndarray, semitones: int) -> np.ndarray:
    """How much wider than just an interval is above each pitch class.

    Parameters
    ----------
    cents : float array, shape=(..., 12): each pitch class's offset from equal temperament
    semitones : 3, 4 or 7

    Returns
    -------
    float array of its shape, in cents
    """
    cents = np.asarray(cents, float)
    return np.roll(cents, -semitones, -1) - cents + 100 * semitones - just_cents(semitones)


def fifths(tuning: str | Path | Tuning, tonic: int | str | None = None) -> np.ndarray:
    """How much wider than 3/2 the fifth above each pitch class is.

    Returns
    -------
    float array, shape=(12,), in cents, from C up; `[list(CIRCLE)]` orders it by fifths

    >>> np.abs(fifths("werckmeister-3")[list(CIRCLE)]).round(1).tolist()
    [5.9, 5.9, 5.9, 0.0, 0.0, 5.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return deviations_from_just(load_tuning(tuning).deviations(tonic), 7)


def major_thirds(tuning: str | Path | Tuning, tonic: int | str | None = None) -> np.ndarray:
    """How much wider than 5/4 the major third above each pitch class is; as `fifths`."""
    return deviations_from_just(load_tuning(tuning).deviations(tonic), 4)


def minor_thirds(tuning: str | Path | Tuning, tonic: int | str | None = None) -> np.ndarray:
    """How much wider than 6/5 the minor third above each pitch class is; as `fifths`."""
    return deviations_from_just(load_tuning(tuning).deviations(tonic), 3)


def beat_rate(low: float, high: float, semitones: int) -> float:
    """How often an interval beats, in Hz: the difference of the partials that almost meet.

    Of a major third 5:4 these are the fifth of the lower note and the fourth of the upper.

    Parameters
    ----------
    low, high : frequencies of its notes, in Hz
    semitones : 3, 4 or 7

    Returns
    -------
    float, negative where the interval is too narrow

    >>> round(beat_rate(261.6256, 329.6276, 4), 2)
    10.38
    """
    just_cents(semitones)
    numerator, denominator = CONSONANCES[semitones]
    return denominator * high - numerator * low


def key_purity(
    tuning: str | Path | Tuning, tonic: int | str | None = None, *, triads: str = "tonic"
) -> np.ndarray:
    """How pure each of the 24 keys is.

    Parameters
    ----------
    tonic : pitch class of the temperament's degree 0, not of the key
    triads : 'tonic' for the tonic triad alone; 'primary' for I, IV and V, in minor
        i, iv and the major V

    Returns
    -------
    float array, shape=(2, 12): the mean deviation, without its sign, of the triads' thirds
    and fifths, in cents; rows major and minor, columns the key's tonic from C up

    >>> key_purity("meantone-quarter").round(1)[0, [0, 8]].tolist()
    [3.6, 27.4]
    """
    choice(triads, "triads", ("tonic", "primary"))
    cents = load_tuning(tuning).deviations(tonic)
    away = {semitones: np.abs(deviations_from_just(cents, semitones)) for semitones in CONSONANCES}
    impure = np.zeros((2, 12))
    for kind in (0, 1):
        _, third, fifth = TRIADS[kind]
        upper = np.roll(away[fifth - third], -third)
        impure[kind] = (away[third] + away[fifth] + upper) / 3
    if triads == "tonic":
        return impure
    return np.stack(
        [
            np.mean([np.roll(impure[kind], -root) for root, kind in PRIMARY[mode]], axis=0)
            for mode in PRIMARY
        ]
    )


@dataclass(frozen=True)
class Worst:
    """The chord of a piece that is least pure.

    Attributes
    ----------
    step : where it begins; place : the same as bar and beat
    notes : names of its pitches, the lowest first
    sizes : of the judged intervals in it: names of its notes, the size in cents, reduced
        to the octave, and how much wider than just it is
    deviation : the mean of those, without signs, each as often as voices sing it
    """

    step: int
    place: str
    notes: tuple[str, ...]
    sizes: tuple[tuple[str, float, float], ...]
    deviation: float

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {size:.0f} ({away:+.1f})" for name, size, away in self.sizes)
        return f"{self.place}: {' '.join(self.notes)}: {sizes}"


@dataclass(frozen=True)
class Purity:
    """How pure a piece is in one temperament; NaN for what it doesn't hold.

    Attributes
    ----------
    tuning : its name; tonic : pitch class on which it stands
    major_thirds, minor_thirds, fifths, overall : the mean deviation, without its sign, of
        all that sound, by time and pairs of voices, in cents; sixths and fourths count with
        the thirds and fifths that they complete
    pure : share of the intervals' time within 5 cents of just, 0-1
    worst : the least pure chord, or None where no interval is judged
    """

    tuning: str
    tonic: int
    major_thirds: float
    minor_thirds: float
    fifths: float
    overall: float
    pure: float
    worst: Worst | None


def piece_purity(
    chorale: Chorale,
    tunings: Iterable[AnyTuning] | AnyTuning | None = None,
    *,
    tonic: int | str | None = None,
    seconds: np.ndarray | Sequence[float] | None = None,
) -> tuple[Purity, ...]:
    """How pure the chords of a piece are in one temperament or several.

    Every pair of sounding voices a third, fourth, fifth or sixth apart counts, as long as
    it sounds.

    Parameters
    ----------
    tunings : names, paths, `Tuning`s, 'adaptive' for adaptive just intonation over the
        default temperament, or what `intonation.adapt` gave; by default all of the project
        and 'adaptive'
    tonic : on which the temperaments stand; by default the chorale's tonic, but where
        a keyboard mapping says otherwise
    seconds : how long each step sounds, shape=(steps,), such as `np.diff(performance.times)`
        for a piece that slows down; by default all are as long

    Returns
    -------
    one Purity a tuning, in their order; `purity_table` makes them a table to read

    Raises
    ------
    ChoraleError
        For what `load_tuning` refuses, a piece adapted from another grid, and steps that
        aren't all finite and above 0 seconds.

    >>> [row] = piece_purity(Chorale(np.full((3, 4), [[67], [64], [60]])), "equal")
    >>> round(row.major_thirds, 2), round(row.fifths, 2), round(row.pure, 2)
    (13.69, 1.96, 0.33)
    """
    pairs = _pairs(sung_classes(chorale))
    lengths = _lengths(seconds, chorale.steps)
    counts = {semitones: lengths[:, None] * pairs[semitones] for semitones in CONSONANCES}
    rows = []
    for name, place, cents in offsets_of(chorale, tunings, tonic):
        away = {k: np.abs(deviations_from_just(cents, k)) for k in CONSONANCES}
        rows.append(_purity(chorale, name, place, cents, counts, away))
    return tuple(rows)


def purity_table(rows: Sequence[Purity], title: str = "") -> Table:
    """Purity as a table: `str` of it is text, and a notebook shows it by itself."""
    header = ("tuning", "on", "major thirds", "minor thirds", "fifths", "all", "within 5", "worst")
    lines = [
        (
            row.tuning,
            NAMES[row.tonic],
            *(cents_text(v) for v in (row.major_thirds, row.minor_thirds, row.fifths, row.overall)),
            "–" if np.isnan(row.pure) else f"{100 * row.pure:.0f} %",
            "–" if row.worst is None else f"{row.worst.deviation:.1f}, {row.worst.place}",
        )
        for row in rows
    ]
    notes = (
        "Mean distance from just, in cents, of the intervals between voices, by time;",
        "sixths and fourths with the thirds and fifths that they complete.",
        f"The share of time within {PURE:g} cents; the chord farthest from just on average.",
    )
    caption = f"How pure is {title}?" if title else "How pure?"
    return Table(header, tuple(lines), caption, notes)


def purity_text(rows: Sequence[Purity], title: str = "") -> str:
    """Purity as text: the table, and below it each temperament's worst chord in full."""
    worst = [f"{row.tuning}: {row.worst}" for row in rows if row.worst is not None]
    return "\n".join([str(purity_table(rows, title)), *(["", "Worst chords:"] if worst else ()),
                      *worst])  # fmt: skip


def purity_csv(rows: Sequence[Purity]) -> str:
    """Purity as CSV with a header: full precision, one row a temperament."""
    numbers = ("major_thirds", "minor_thirds", "fifths", "overall", "pure")
    fields = ("tuning", "tonic", *numbers, "worst_deviation", "worst_step", "worst_notes")
    lines = []
    for row in rows:
        worst = row.worst
        told = (worst.deviation, worst.step, " ".join(worst.notes)) if worst else ("", "", "")
        numbered = ["" if np.isnan(getattr(row, key)) else getattr(row, key) for key in numbers]
        lines.append((row.tuning, NAMES[row.tonic], *numbered, *told))
    return csv_text([fields, *lines])


def sung_classes(chorale: Chorale) -> np.ndarray:
    """How many voices sing each pitch class at each step: int array, shape=(steps, 12)."""
    if not isinstance(chorale, Chorale):
        raise ChoraleError(f"expected a Chorale, got {shown(chorale)}")
    cells = chorale.grid % 12 + 12 * np.arange(chorale.steps)
    counts = np.bincount(cells[chorale.grid != REST], minlength=12 * chorale.steps)
    return counts.reshape(chorale.steps, 12)


def _pairs(sung: np.ndarray) -> dict[int, np.ndarray]:
    """Pairs of voices an interval apart, above each pitch class: shape=(steps, 12) each."""
    return {semitones: sung * np.roll(sung, -semitones, 1) for semitones in CONSONANCES}


def _lengths(seconds: np.ndarray | Sequence[float] | None, steps: int) -> np.ndarray:
    """How long each step sounds, checked: float array, shape=(steps,)."""
    if seconds is None:
        return np.ones(steps)
    listed = items_of(seconds)
    if listed is None or len(listed) != steps:
        raise ChoraleError(f"seconds: expected {steps} numbers, one a step, got {shown(seconds)}")
    lengths = np.array([number(value, "seconds: a step's", 0) for value in listed])
    if not lengths.all():
        raise ChoraleError(
            f"seconds: expected every step above 0, but step {int(lengths.argmin())} lasts 0"
        )
    return lengths


def offsets_of(
    chorale: Chorale, tunings: Iterable[AnyTuning] | AnyTuning | None, tonic: int | str | None
) -> list[tuple[str, int, np.ndarray]]:
    """Name, tonic and offsets of each tuning: shape=(12,), or (steps, 12) where they move."""
    if tunings is None:
        listed: Iterable[AnyTuning] = (*tuning_names(), ADAPTIVE)
    elif isinstance(tunings, str | Path | Tuning | Adapted):
        listed = (tunings,)
    else:
        listed = items_of(tunings) or ()
    known = []
    for tuning in listed:
        if isinstance(tuning, str) and tuning == ADAPTIVE:
            tuning = adapt(chorale, tonic=tonic)
        if isinstance(tuning, Adapted):
            known.append((tuning.name, tuning.tonic, _moving(chorale, tuning)))
        else:
            loaded = load_tuning(tuning)
            place = tonic_of(chorale, loaded, tonic)
            known.append((loaded.name, place, loaded.deviations(place)))
    if not known:
        raise ChoraleError(f"tunings: expected at least one, got {shown(tunings)}")
    return known


def _moving(chorale: Chorale, adapted: Adapted) -> np.ndarray:
    """The offsets of adapted pitch classes, step by step: shape=(steps, 12)."""
    sounding = chorale.grid != REST
    if adapted.hz.shape != chorale.grid.shape or ((adapted.hz > 0) != sounding).any():
        raise ChoraleError(
            f"tunings: a piece adapted with shape {adapted.hz.shape} isn't this one, of shape "
            f"{chorale.grid.shape}; adapt(chorale) anew"
        )
    cents = np.tile(adapted.base, (chorale.steps, 1))
    voice, step = np.nonzero(sounding)
    cents[step, chorale.grid[voice, step] % 12] = adapted.cents[voice, step]
    return cents


def _purity(
    chorale: Chorale,
    name: str,
    place: int,
    cents: np.ndarray,
    counts: dict[int, np.ndarray],
    away: dict[int, np.ndarray],
) -> Purity:
    totals = {k: counts[k].sum() for k in CONSONANCES}
    sums = {k: (counts[k] * away[k]).sum() for k in CONSONANCES}
    everything = sum(totals.values())
    near = sum((counts[k] * (away[k] <= PURE)).sum() for k in CONSONANCES)
    mean = {k: float(sums[k] / totals[k]) if totals[k] else float("nan") for k in CONSONANCES}
    return Purity(
        name,
        place,
        mean[4],
        mean[3],
        mean[7],
        float(sum(sums.values()) / everything) if everything else float("nan"),
        float(near / everything) if everything else float("nan"),
        _worst(chorale, cents, counts, away) if everything else None,
    )


def _worst(
    chorale: Chorale,
    cents: np.ndarray,
    counts: dict[int, np.ndarray],
    away: dict[int, np.ndarray],
) -> Worst:
    weights = sum(counts[k].sum(1) for k in CONSONANCES)
    sums = sum((counts[k] * away[k]).sum(1) for k in CONSONANCES)
    means = np.divide(sums, weights, out=np.full(chorale.steps, -1.0), where=weights > 0)
    # Rounded, so that of equal chords the first is told whatever the rounding of sums.
    step = int(np.argmax(means.round(6)))
    here = np.broadcast_to(cents, (chorale.steps, 12))[step]
    sizes = [
        (f"{NAMES[note]}-{NAMES[(note + k) % 12]}", away_here + just_cents(k), away_here)
        for k in CONSONANCES
        for note in np.flatnonzero(counts[k][step]).tolist()
        for away_here in [float(deviations_from_just(here, k)[note])]
    ]
    pitches = np.unique(chorale.grid[:, step][chorale.grid[:, step] != REST]).tolist()
    return Worst(
        step,
        place_of(chorale, step),
        tuple(pitch_name(pitch) for pitch in pitches),
        tuple(sizes),
        float(means[step]),
    )


def cents_text(value: float) -> str:
    """A distance in cents as a table shows it; a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:.1f}"


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV, numbers in full."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
