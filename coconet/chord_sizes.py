"""The chords of a piece, and how large they are in one temperament or several.

Conventions are those of `coconet.purity`. A chord is a set of pitch classes that sound
together, whichever lies lowest; it is named by its root and kind where it is a triad or
a seventh chord, and by its notes where not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from coconet.checks import whole
from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER
from coconet.purity import (
    CONSONANCES,
    AnyTuning,
    cents_text,
    csv_text,
    deviations_from_just,
    just_cents,
    offsets_of,
    sung_classes,
)
from coconet.tables import Table
from coconet.theory import NAMES

#: Chords that are named, by the semitones above their roots, the fuller ones last.
CHORDS = {
    "": (0, 4, 7), "m": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11), "m7b5": (0, 3, 6, 10), "dim7": (0, 3, 6, 9),
}  # fmt: skip


@dataclass(frozen=True)
class ChordSize:
    """One chord of a piece, and how large it is in several temperaments.

    Attributes
    ----------
    name : such as 'F', 'Dm' or 'C7'; its notes where it has no name
    root : pitch class of its root, or of the note above which sizes are told
    semitones : of its other notes above the root
    quarters : how long it sounds in all
    tunings : names of the temperaments
    sizes : cents above the root, a row a temperament, a column a note; where the notes
        move, as in adaptive just intonation, their mean over time
    deviations : the mean distance of its thirds and fifths from just, a temperament;
        NaN where it has none
    """

    name: str
    root: int
    semitones: tuple[int, ...]
    quarters: float
    tunings: tuple[str, ...]
    sizes: tuple[tuple[float, ...], ...]
    deviations: tuple[float, ...]


def chord_sizes(
    chorale: Chorale,
    tunings: Iterable[AnyTuning] | AnyTuning | None = None,
    *,
    tonic: int | str | None = None,
) -> tuple[ChordSize, ...]:
    """Every chord of a piece, the longest first, and its size under each temperament.

    Chords of two or more pitch classes, in any inversion, as long as they are written.

    Parameters
    ----------
    tunings, tonic : as for `purity.piece_purity`

    Raises ChoraleError as `purity.piece_purity` does.

    >>> [found] = chord_sizes(Chorale(np.full((3, 4), [[67], [64], [60]])), "pythagorean")
    >>> found.name, found.quarters, np.round(found.sizes[0], 3).tolist()
    ('C', 1.0, [407.82, 701.955])
    """
    classes = sung_classes(chorale) > 0
    codes = classes @ (1 << np.arange(12))
    offsets = offsets_of(chorale, tunings, tonic)
    names = tuple(name for name, _, _ in offsets)
    known = [_Offsets(cents) for _, _, cents in offsets]
    chords = []
    for code in np.unique(codes):
        notes = np.flatnonzero(code >> np.arange(12) & 1)
        if len(notes) < 2:
            continue
        at = np.flatnonzero(codes == code)
        name, root = _named(notes, chorale, at)
        semitones = np.sort((notes - root) % 12)[1:]
        above = (root + semitones) % 12
        judged = [
            (row, note)
            for row, wide in enumerate(CONSONANCES)
            for note in notes.tolist()
            if (note + wide) % 12 in notes
        ]
        chords.append(
            ChordSize(
                name,
                root,
                tuple(semitones.tolist()),
                len(at) / STEPS_PER_QUARTER,
                names,
                tuple(tuple(each.sizes(at, root, above).tolist()) for each in known),
                tuple(each.deviation(at, judged) for each in known),
            )
        )
    return tuple(sorted(chords, key=lambda chord: (-chord.quarters, chord.name)))


class _Offsets:
    """A tuning's offsets, shape=(12,), or (steps, 12) where they move, and its intervals."""

    def __init__(self, cents: np.ndarray) -> None:
        self._cents = np.atleast_2d(cents)
        self._away = np.abs(
            np.stack([deviations_from_just(self._cents, wide) for wide in CONSONANCES], axis=1)
        )  # steps or one, intervals, pitch classes

    def sizes(self, at: np.ndarray, root: int, above: np.ndarray) -> np.ndarray:
        """Cents of some pitch classes above a root, their mean over the steps `at`."""
        here = self._here(self._cents, at)
        return (here[:, above] - here[:, [root]]).mean(0) + 100 * ((above - root) % 12)

    def deviation(self, at: np.ndarray, judged: list[tuple[int, int]]) -> float:
        """Mean distance from just of (interval, pitch class) at some steps; NaN for none."""
        if not judged:
            return float("nan")
        rows, notes = zip(*judged, strict=True)
        return float(self._here(self._away, at)[:, rows, notes].mean())

    @staticmethod
    def _here(values: np.ndarray, at: np.ndarray) -> np.ndarray:
        return values[at] if len(values) > 1 else values


def chord_table(chords: Sequence[ChordSize], title: str = "", *, most: int = 20) -> Table:
    """Chords as a table: sizes above the root in cents, and the distance from just.

    most : so many chords, the longest
    """
    whole(most, "most", 1)
    if not chords:
        raise ChoraleError("chords: expected at least one; does the piece have one voice only?")
    rows = [
        (
            chord.name,
            f"{chord.quarters:g}",
            *(
                f"{' '.join(f'{value:.1f}' for value in size)} ({cents_text(away)})"
                for size, away in zip(chord.sizes, chord.deviations, strict=True)
            ),
        )
        for chord in chords[:most]
    ]
    notes = ["Cents above the root; in brackets the mean distance of thirds and fifths from just."]
    if len(chords) > most:
        notes.append(f"The {most} longest of {len(chords)} chords.")
    caption = f"The chords of {title}" if title else "Chords"
    return Table(("chord", "quarters", *chords[0].tunings), tuple(rows), caption, tuple(notes))


def chord_csv(chords: Sequence[ChordSize]) -> str:
    """Chords as CSV with a header: one row a chord, temperament and interval."""
    rows: list[Sequence[object]] = [
        ("chord", "root", "quarters", "tuning", "semitones", "cents", "just", "chord_deviation")
    ]
    for chord in chords:
        for tuning, sizes, away in zip(chord.tunings, chord.sizes, chord.deviations, strict=True):
            for semitones, size in zip(chord.semitones, sizes, strict=True):
                just = just_cents(semitones) if semitones in CONSONANCES else ""
                told = "" if np.isnan(away) else away
                root = NAMES[chord.root]
                rows.append((chord.name, root, chord.quarters, tuning, semitones, size, just, told))
    return csv_text(rows)


def _named(notes: np.ndarray, chorale: Chorale, at: np.ndarray) -> tuple[str, int]:
    """A chord's name and root; one without a name stands on its most frequent bass."""
    basses = np.where(chorale.grid[:, at] == REST, 128, chorale.grid[:, at]).min(0) % 12
    lowest = np.bincount(basses, minlength=12)
    # Symmetric chords have several roots: the one that lies lowest most of the time.
    for root in sorted(notes.tolist(), key=lambda note: -lowest[note]):
        for suffix, semitones in CHORDS.items():
            if set(((notes - root) % 12).tolist()) == set(semitones):
                return NAMES[root] + suffix, root
    root = int(lowest.argmax())
    order = sorted(notes.tolist(), key=lambda note: (note - root) % 12)
    return "-".join(NAMES[note] for note in order), root
