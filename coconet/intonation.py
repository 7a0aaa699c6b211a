"""Adaptive just intonation: every chord tuned anew, so that it is pure where it can be.

Conventions
-----------
A pitch is told by its **offset**: cents from equal temperament at A4 = 440 Hz. Notes
that sound together and share a pitch class share an offset, so that unisons and octaves
are pure, always; what is sought are the offsets of at most 12 pitch classes a step. A
note that is held keeps its pitch from its onset to its end.

Method
------
Springs, after John deLaubenfels ("My spring method", https://www.adaptune.com, 2000;
William Sethares, "Tuning, Timbre, Spectrum, Scale", 2nd ed. 2005, chapter 8): between
any two sounding pitch classes there is a spring that rests at a just interval, and where
notes begin the springs relax,

    minimise  Σ w(i, j) (x_i - x_j - d(i, j))²  over the offsets x of what begins,

what is held standing still. Seconds, sevenths and tritones hang on springs so weak that
they only decide where the consonances leave something open. Where nothing is held, the
sum leaves the height of the whole chord open, which is then set so that it lies, on
average, where the temperament wants it, or the notes just heard: so a chord of thirds
and fifths that agree is exactly pure. Hermode tuning (Werner Mohrlok, 2003) sets a
chord's height in the same way.

Intervals are told apart by semitones alone: an augmented second is tuned as a minor
third, a diminished fourth as a major one. And what is held may already stand a comma
from where a new chord wants it: then what begins settles in between, and that chord may
be less pure than in a temperament, half a comma at its fifths.

Pure intervals don't add up: I-vi-ii-V-I over held common notes ends a comma, 21.5 cents,
lower than it began. Two things keep the piece from sinking: a limit that no note passes,
and a spring from every note that begins to its place in the temperament, which stiffens
as the piece nears the limit, so that the comma is spread over several chords.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coconet.checks import number, share_of
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import REST
from coconet.theory import NAMES
from coconet.tuning import (
    DEFAULT,
    OCTAVE,
    Tuning,
    equal_frequencies,
    load_tuning,
    parse_pitch_class,
)

#: How lists of tunings call it.
ADAPTIVE = "adaptive"
#: The tonic of the major key with the same signature.
RELATIVE = "relative"
#: The just intervals by semitones, as ratios; an interval and its complement make an
#: octave. A tritone has no one size (45/32 or 64/45), so that half an octave stands for it.
JUST = {1: (16, 15), 2: (9, 8), 3: (6, 5), 4: (5, 4), 5: (4, 3), 7: (3, 2), 8: (8, 5),
        9: (5, 3), 10: (16, 9), 11: (15, 8)}  # fmt: skip
#: How strong each spring is, by semitones: fifths, thirds, and what is dissonant.
STRENGTHS = {7: 2.0, 5: 2.0, 3: 1.0, 4: 1.0, 8: 1.0, 9: 1.0}
DISSONANT = 0.001
#: Cents that no note may lie from the temperament by default: a comma and a little more.
LIMIT = 25.0
#: The stiffest spring to the temperament that may be asked for: no chord bends it.
STIFFEST = 1000
#: How far a chord's height follows the notes just heard, by default.
MEMORY = 0.5
#: The spring to the temperament as what is held reaches the limit, and the power with which
#: it stiffens on the way: nothing to speak of at half the limit. Without it a piece that
#: sinks would lie on the limit, tempered and flat for good.
BRAKE = (2.0, 4)


def _springs() -> tuple[np.ndarray, np.ndarray]:
    """Rests and strengths of all springs: two float arrays, shape=(12, 12).

    At [i, j] stands by how many cents the just interval from pitch class j up to i is
    wider than the tempered one, and how strong the spring between them is.
    """
    rest, strength = np.zeros(12), np.full(12, DISSONANT)
    for semitones, (numerator, denominator) in JUST.items():
        rest[semitones] = OCTAVE * math.log2(numerator / denominator) - 100 * semitones
        strength[semitones] = STRENGTHS.get(semitones, DISSONANT)
    strength[0] = 0
    up = np.subtract.outer(np.arange(12), np.arange(12)) % 12
    return rest[up], strength[up]


RESTS, SPRINGS = _springs()


@dataclass(frozen=True, eq=False)
class Adapted:
    """A chorale in adaptive just intonation.

    Attributes
    ----------
    hz : float64 array, shape=(voices, steps): frequencies, 0 at rests
    cents : float64 array, shape=(voices, steps): offsets from equal temperament at
        A4 = 440 Hz, 0 at rests
    away : float64 array, shape=(voices, steps): how far each note lies above the
        temperament, in cents, 0 at rests
    base : float64 array, shape=(12,): the offsets of the temperament, for C, C# … B
    limit : in cents; inf for none
    tuning : name of the temperament; tonic : pitch class of its degree 0
    title : of the piece
    """

    hz: np.ndarray
    cents: np.ndarray
    away: np.ndarray
    base: np.ndarray
    limit: float
    tuning: str
    tonic: int
    title: str = ""

    @property
    def name(self) -> str:
        """What tables and files call it: 'adaptive over NAME', with a limit of one's own.

        >>> adapt(Chorale([[60]]), tuning="equal", limit=12).name
        'adaptive over equal (limit 12)'
        """
        told = "" if self.limit == LIMIT else f" ({self._limit})"
        return f"{ADAPTIVE} over {self.tuning}{told}"

    @property
    def _limit(self) -> str:
        return "no limit" if math.isinf(self.limit) else f"limit {self.limit:g}"

    @property
    def drift(self) -> np.ndarray:
        """How far the sounding notes lie above the temperament, on average.

        Returns
        -------
        float64 array, shape=(steps,), in cents; NaN where nothing sounds
        """
        count = (self.hz > 0).sum(0)
        nothing = np.full(len(count), np.nan)
        return np.divide(self.away.sum(0), count, out=nothing, where=count > 0)

    @property
    def farthest(self) -> float:
        """The largest distance of a note from the temperament, in cents."""
        return float(np.abs(self.away).max())

    def summary(self) -> str:
        """One line for a person."""
        heard = self.drift[~np.isnan(self.drift)]
        if not len(heard):
            return "adaptive just intonation: nothing sounds"
        return (
            f"adaptive just intonation over {self.tuning} on {NAMES[self.tonic]}: drift "
            f"{heard.min():+.1f} to {heard.max():+.1f} cents, {heard[-1]:+.1f} at the end; "
            f"no note more than {self.farthest:.1f} cents from the temperament ({self._limit})"
        )


def adapt(
    chorale: Chorale,
    *,
    tuning: str | Path | Tuning = DEFAULT,
    tonic: int | str | None = None,
    limit: float = LIMIT,
    lean: float = 0.0,
    memory: float = MEMORY,
) -> Adapted:
    """Tune a chorale chord by chord.

    Parameters
    ----------
    tuning : the temperament that it leans on, as `tuning.load_tuning` takes it; its
        reference pitch is kept
    tonic : pitch class, or name, of the temperament's degree 0; by default where its
        keyboard mapping puts it, else the chorale's tonic
    limit : no note lies farther than this from the temperament, in cents, 0 or more;
        0 is the temperament itself, `math.inf` lets the piece drift
    lean : strength, 0-1000, of the spring from a note that begins, while others are held,
        to its place in the temperament, near the limit or not; 1 is as strong as a third's
    memory : how far a chord's height, where nothing is held, follows notes that have just
        been heard, 0-1; the rest follows the temperament

    Returns
    -------
    Adapted; `Adapted.hz` is what `render.performance.perform` takes as frequencies

    Raises
    ------
    ChoraleError
        For options out of range, and what `load_tuning` refuses.

    >>> triad = Chorale(np.full((3, 4), [[67], [64], [60]]))
    >>> adapted = adapt(triad, tuning="equal")
    >>> (adapted.cents[:, 0] - adapted.cents[2, 0]).round(3).tolist()
    [1.955, -13.686, 0.0]
    """
    cents = math.inf if limit == math.inf else number(limit, "limit", 0)
    pull, follow = number(lean, "lean", 0, STIFFEST), share_of(memory, "memory")
    if not isinstance(chorale, Chorale):
        raise ChoraleError(f"expected a Chorale, got {shown(chorale)}")
    base_tuning = load_tuning(tuning)
    place = tonic_of(chorale, base_tuning, tonic)
    base = base_tuning.deviations(place)
    grid, steps = chorale.grid, np.arange(chorale.steps)
    sounding = grid != REST
    offsets = _relaxed(*_classes(chorale), base, cents, pull, follow)
    found = np.where(sounding, offsets[steps, grid % 12], 0.0)
    hz = np.where(sounding, equal_frequencies()[grid] * 2 ** (found / OCTAVE), 0.0)
    away = np.where(sounding, found - base[grid % 12], 0.0)
    return Adapted(hz, found, away, base, cents, base_tuning.name, place, title=chorale.title)


def tonic_of(chorale: Chorale, tuning: Tuning, tonic: int | str | None = None) -> int:
    """The pitch class on which a temperament stands for a chorale.

    That which is asked for; else where the keyboard mapping puts it; else the chorale's
    tonic. 'relative' is the tonic of the major key with the same signature: a minor
    piece's chords are purer there, since it is a temperament's best key that is major.
    Raises ChoraleError for a tonic that doesn't exist.

    >>> piece = Chorale([[60, 63]], tonic=9, mode="minor")
    >>> equal = load_tuning("equal")
    >>> tonic_of(piece, equal), tonic_of(piece, equal, "relative"), tonic_of(piece, equal, "Bb")
    (9, 0, 10)
    """
    if isinstance(tonic, str) and tonic == RELATIVE:
        return (chorale.tonic + 3 * (chorale.mode == "minor")) % 12
    if tonic is not None:
        return parse_pitch_class(tonic)
    return chorale.tonic if tuning.tonic is None else tuning.tonic


def _classes(chorale: Chorale) -> tuple[np.ndarray, np.ndarray]:
    """Which pitch classes begin and which are held: two bool arrays, shape=(steps, 12)."""
    grid, steps = chorale.grid, chorale.steps
    begins, held = np.zeros((steps, 12), bool), np.zeros((steps, 12), bool)
    sounding = grid != REST
    for marks, cells in (
        (begins, sounding & chorale.onsets),
        (held, sounding & ~chorale.onsets),
    ):
        voice, step = np.nonzero(cells)
        marks[step, grid[voice, step] % 12] = True
    return begins & ~held, held


def _relaxed(
    begins: np.ndarray,
    held: np.ndarray,
    base: np.ndarray,
    limit: float,
    lean: float,
    memory: float,
) -> np.ndarray:
    """The offset of each pitch class at each step, silent ones as they were last.

    Parameters
    ----------
    begins, held : bool arrays, shape=(steps, 12); none both begins and is held

    Returns
    -------
    float array, shape=(steps, 12), never farther than `limit` from `base`
    """
    offsets = np.empty((len(begins), 12))
    now, heard = base.copy(), np.zeros(12, bool)
    for step in range(len(begins)):
        if begins[step].any():
            new, fixed = np.flatnonzero(begins[step]), np.flatnonzero(held[step])
            if len(fixed):
                found = _against(new, fixed, now, base, limit, lean)
            else:
                follow = memory * heard[new]
                wanted = follow * now[new] + (1 - follow) * base[new]
                found = _alone(new, wanted, base[new], limit)
            now[new] = np.clip(found, base[new] - limit, base[new] + limit)
        heard = begins[step] | held[step]
        offsets[step] = now
    return offsets


def _alone(new: np.ndarray, wanted: np.ndarray, base: np.ndarray, limit: float) -> np.ndarray:
    """A chord over silence: its intervals first, then its height, within the limit if it can."""
    shape = _shape(new)
    height = (wanted - shape).mean()
    if math.isfinite(limit):
        lowest, highest = (base - limit - shape).max(), (base + limit - shape).min()
        if lowest <= highest:
            height = min(max(height, lowest), highest)
    return shape + height


def _shape(new: np.ndarray) -> np.ndarray:
    """Offsets at which the springs of a chord are at rest, the first being 0."""
    pairs = np.ix_(new, new)
    found = np.zeros(len(new))
    if len(new) > 1:
        forces = (SPRINGS[pairs] * RESTS[pairs]).sum(1)
        stiffness = np.diag(SPRINGS[pairs].sum(1)) - SPRINGS[pairs]
        found[1:] = np.linalg.solve(stiffness[1:, 1:], forces[1:])
    return found


def _against(
    new: np.ndarray,
    fixed: np.ndarray,
    now: np.ndarray,
    base: np.ndarray,
    limit: float,
    lean: float,
) -> np.ndarray:
    """Offsets of what begins against what is held; what passes the limit is stopped there.

    What is stopped counts as held for the others, which relax once more.

    Parameters
    ----------
    now, base : float arrays, shape=(12,): the offsets before, and those of the temperament
    """
    strength, power = BRAKE
    drift = abs((now[fixed] - base[fixed]).mean())
    lean = lean + (strength * (drift / limit) ** power if limit else 0.0)
    place, found = base[new], np.empty(len(new))
    free = np.ones(len(new), bool)
    while free.any():
        loose, others = new[free], np.concatenate([fixed, new[~free]])
        heights = np.concatenate([now[fixed], found[~free]])
        inner, outer = np.ix_(loose, loose), np.ix_(loose, others)
        stiffness = np.diag(SPRINGS[inner].sum(1) + SPRINGS[outer].sum(1) + lean) - SPRINGS[inner]
        forces = (SPRINGS[inner] * RESTS[inner]).sum(1) + lean * place[free]
        forces += (SPRINGS[outer] * (RESTS[outer] + heights)).sum(1)
        found[free] = np.linalg.solve(stiffness, forces)
        beyond = free & (np.abs(found - place) > limit)
        if not beyond.any():
            break
        found = np.where(beyond, np.clip(found, place - limit, place + limit), found)
        free &= ~beyond
    return found
