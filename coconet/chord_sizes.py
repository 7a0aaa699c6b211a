"""The chords of a piece, and how large they are in one temperament or several.

Conventions are those of `coconet.purity`. A chord is a set of pitch classes that sound
together, whichever lies lowest; it is named by its root and kind where it is a triad or
a seventh chord, and by its notes where not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER
from coconet.purity import (
    JUST,
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

    Chords of two or more pitch classes, in any inversion. Parameters and errors are those
    of `purity.piece_purity`.
    """
    classes = sung_classes(chorale) > 0
    codes = classes @ (1 << np.arange(12))
    known = offsets_of(chorale, tunings, tonic)
    names = tuple(name for name, _, _ in known)
    chords = []
    for code in np.unique(codes):
        notes = np.flatnonzero(code >> np.arange(12) & 1)
        if len(notes) < 2:
            continue
        at = np.flatnonzero(codes == code)
        name, root = _named(notes, chorale, at)
        semitones = np.sort((notes - root) % 12)[1:]
        above = (root + semitones) % 12
        sizes, deviations = [], []
        for _, _, cents in known:
            here = np.broadcast_to(cents, (chorale.steps, 12))[at]
            sizes.append((here[:, above] - here[:, [root]]).mean(0) + 100 * semitones)
            away = [
                np.abs(deviations_from_just(here, k))[:, note].mean()
                for k in JUST
                for note in notes
                if (note + k) % 12 in notes
            ]
            deviations.append(float(np.mean(away)) if away else float("nan"))
        chords.append(
            ChordSize(
                name,
                root,
                tuple(semitones.tolist()),
                len(at) / STEPS_PER_QUARTER,
                names,
                tuple(tuple(row.tolist()) for row in sizes),
                tuple(deviations),
            )
        )
    return tuple(sorted(chords, key=lambda chord: (-chord.quarters, chord.name)))


def chord_table(chords: Sequence[ChordSize], title: str = "", *, most: int = 20) -> Table:
    """Chords as a table: sizes above the root in cents, and the distance from just.

    most : so many chords, the longest
    """
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
                just = just_cents(semitones) if semitones in JUST else ""
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
