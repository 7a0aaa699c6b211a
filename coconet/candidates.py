"""Candidates: the versions of a piece in numbers, and how near to a corpus each came.

What a person needs to choose from, as a table to read and as CSV.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.grid import STEPS_PER_QUARTER
from coconet.metrics import NAMES, Row, count_metrics, quartets_of, row_of
from coconet.passages import Beats, Passage, nearest_harmony, nearest_passage
from coconet.tables import Table
from coconet.theory import key_name
from coconet.together import cross_metrics

#: Steps of the passages that are compared, at most.
LENGTH = 32
#: Metrics of a version that the table shows.
SHOWN = ("onsets", "triads", "dissonant")
#: And those between the quartets of a stack, with their headings.
ACROSS = {"dissonant": "across", "pitch classes": "classes", "same": "same"}


@dataclass(frozen=True, eq=False)
class Candidate:
    """One version in numbers.

    Attributes
    ----------
    number : from 1
    chorale : four voices, or a stack
    row : its metrics, all quartets together
    cross : how its quartets sound with each other, as `together.cross_metrics` counts;
        empty for one quartet
    cells, harmony : the passage of a corpus that is nearest to one of its quartets,
        cell by cell and by harmony, with that quartet's number from 1; None where
        no corpus was asked, or nothing is as long as a beat
    """

    number: int
    chorale: Chorale
    row: Row
    cross: dict[str, float]
    cells: tuple[Passage, int] | None = None
    harmony: tuple[Passage, int] | None = None

    @property
    def key(self) -> str:
        return key_name(self.chorale.tonic, self.chorale.mode, self.chorale.sharps)

    @property
    def parallels(self) -> int:
        """Moving pairs in parallel fifths, octaves or unisons, all quartets counted."""
        columns = [NAMES.index("fifths"), NAMES.index("octaves")]
        return int(self.row.counts[:, columns, 0].sum())


def describe(
    chorales: Sequence[Chorale],
    corpus: Sequence[Chorale] | Beats = (),
    *,
    numbers: Sequence[int] | None = None,
    voices: Sequence[int] = (0, 1, 2, 3),
    length: int = LENGTH,
) -> list[Candidate]:
    """Versions in numbers.

    Parameters
    ----------
    chorales : the versions, of four voices or stacks of quartets
    corpus : where the nearest passages are looked for, chorales or their `Beats`; nowhere
        by default
    numbers : of the versions; by default from 1
    voices : rows of each quartet that are compared across quartets: not those that all share
    length : steps of the passages, whole beats; shorter where a version is

    Raises
    ------
    ChoraleError
        For another number of numbers than of chorales, and voices in no whole quartets.
    """
    numbers = range(1, len(chorales) + 1) if numbers is None else numbers
    if len(numbers) != len(chorales):
        raise ChoraleError(f"numbers: expected {len(chorales)}, got {len(numbers)}")
    counts = count_metrics(chorales)
    corpus = Beats.of(corpus)
    candidates = []
    for number, chorale, counted in zip(numbers, chorales, counts, strict=True):
        quartets = [
            Chorale(quartet.grid, upbeat=chorale.upbeat, time_signature=chorale.time_signature)
            for quartet in quartets_of(chorale)
        ]
        upbeat = chorale.upbeat % STEPS_PER_QUARTER
        beats = max(0, chorale.steps - upbeat) // STEPS_PER_QUARTER
        found = {}
        if corpus.chorales and beats:
            steps = min(length, beats * STEPS_PER_QUARTER)
            for name, search in (("cells", nearest_passage), ("harmony", nearest_harmony)):
                near = [search(quartet, corpus, length=steps) for quartet in quartets]
                best = int(np.argmax([passage.share for passage in near]))
                found[name] = (near[best], best + 1)
        across = cross_metrics([chorale.grid], voices=voices)
        cross = {name: rate.value for name, rate in across.items()}
        candidates.append(
            Candidate(
                number=number,
                chorale=chorale,
                row=row_of(counted[None], name=str(number)),
                cross=cross if len(quartets) > 1 else {},
                **found,
            )
        )
    return candidates


def candidates_table(candidates: Sequence[Candidate], *, bach: Row | None = None) -> Table:
    """The figures that tell candidates apart, to read in a terminal or a notebook.

    bach : a row of his own to compare with, which comes last
    """
    if not candidates:
        raise ChoraleError("expected at least one version")
    stacks = any(candidate.cross for candidate in candidates)
    searched = any(candidate.cells for candidate in candidates)
    rows = []
    for candidate in candidates:
        row = [
            str(candidate.number),
            candidate.key,
            *_shares(candidate.row),
            str(candidate.parallels),
        ]
        if stacks:
            row += [_digits(candidate.cross.get(name, math.nan)) for name in ACROSS]
        for found in (candidate.cells, candidate.harmony) if searched else ():
            row += _told(found, stacks)
        rows.append(tuple(row))
    header = ["", "key", *SHOWN, "parallels"]
    notes = ["onsets a step; parallels: how many; the rest shares of 1; coconet report tells more"]
    if stacks:
        header += ACROSS.values()
        notes.append(
            "across: dissonant pairs of voices of different quartets; classes: pitch classes at"
            " once; same: cells as in another quartet"
        )
    if searched:
        of = "of BWV (quartet)" if stacks else "of BWV"
        header += ["cells", of, "harmony", of]
        notes.append(
            "cells, harmony: distance from the nearest passage of the train split, 0 is a copy"
        )
    if bach is not None:
        row = [bach.name, "", *_shares(bach)]
        rows.append((*row, *[""] * (len(header) - len(row))))
    return Table(tuple(header), tuple(rows), notes=tuple(notes))


def candidates_csv(
    candidates: Sequence[Candidate], *, more: Mapping[str, Sequence[str]] | None = None
) -> str:
    """All figures of the candidates as CSV, a line each; empty where there is nothing to count.

    more : further columns by name, a text a candidate
    """
    more = more or {}
    cross = list(dict.fromkeys(name for candidate in candidates for name in candidate.cross))
    passage = ("distance", "quartet", "span", "bwv", "at", "semitones")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["version", "key", "voices", "steps", "parallels", *NAMES]
        + [f"across {name}" for name in cross]
        + [f"{kind} {part}" for kind in ("cells", "harmony") for part in passage]
        + list(more)
    )
    for place, candidate in enumerate(candidates):
        chorale = candidate.chorale
        line: list[object] = [candidate.number, candidate.key, chorale.voices, chorale.steps]
        line.append(candidate.parallels)
        values = [*candidate.row.values, *(candidate.cross.get(name, math.nan) for name in cross)]
        line += ["" if math.isnan(value) else f"{value:.6g}" for value in values]
        for found in (candidate.cells, candidate.harmony):
            if found is None:
                line += [""] * len(passage)
                continue
            near, quartet = found
            line += [f"{near.distance:.6g}", quartet, "{}:{}".format(*near.span), near.bwv]
            line += ["{}:{}".format(*near.at), near.semitones]
        writer.writerow(line + [texts[place] for texts in more.values()])
    return text.getvalue()


def _shares(row: Row) -> list[str]:
    return [_digits(row.value(name)) for name in SHOWN]


def _told(found: tuple[Passage, int] | None, stacks: bool) -> list[str]:
    """How far the nearest passage is, and which it is."""
    if found is None:
        return ["–", ""]
    near, quartet = found
    where = f"{near.bwv or near.title} {near.at[0]}:{near.at[1]}"
    return [_digits(near.distance), f"{where} ({quartet})" if stacks else where]


def _digits(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
