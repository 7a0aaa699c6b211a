"""The phrases of a chorale: how long they are, which come again, a piece of some of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from coconet.chorale import Chorale
from coconet.corpus import crop
from coconet.errors import ChoraleError, shown
from coconet.grid import is_whole, items_of
from coconet.streams import phrases_at


def phrase_lengths(
    chorale: Chorale, *, by: str | int | Sequence[int] = "fermatas"
) -> tuple[int, ...]:
    """True lengths of a chorale's phrases, in steps.

    Parameters
    ----------
    by : 'fermatas', the phrases that the chorale knows of or else what its fermatas
        say; or a number of bars a phrase, each with the upbeat that the first has, the
        last as long as what remains; or the lengths themselves, which are checked

    Raises
    ------
    ChoraleError
        Where there is no fermata, for less than one bar, for lengths below 1 or that
        don't add up to the piece, and for anything else.
    """
    name = chorale.title or "chorale"
    if isinstance(by, str):
        if by != "fermatas":
            raise ChoraleError(f"phrases: expected 'fermatas', bars or lengths, got {by!r}")
        found = chorale.phrases or phrases_at(chorale.fermatas, chorale.grid)
        if not found:
            raise ChoraleError(
                f"{name}: has no fermatas to tell its phrases; give their lengths, or bars a phrase"
            )
        return found
    if is_whole(by):
        if by < 1:
            raise ChoraleError(f"bars a phrase: expected 1 or more, got {by}")
        edges = [*range(0, chorale.steps, int(by) * chorale.bar), chorale.steps]
        return tuple(end - start for start, end in pairwise(edges))
    return validate_lengths(by, chorale)


def validate_lengths(lengths: Sequence[int], chorale: Chorale) -> tuple[int, ...]:
    """Return the lengths of phrases as ints, each 1 or more, that add up to the piece."""
    lengths = listed(lengths)
    for number, length in enumerate(lengths, start=1):
        if not is_whole(length, 1):
            raise ChoraleError(f"phrase {number}: expected 1 step or more, got {shown(length)}")
    lengths = tuple(int(length) for length in lengths)  # a sum of NumPy's could overflow
    total = sum(lengths)
    if total != chorale.steps:
        differ = abs(total - chorale.steps)
        raise ChoraleError(
            f"{chorale.title or 'lengths'}: phrases of {total} steps for a piece of "
            f"{chorale.steps}: {differ} too {'many' if total > chorale.steps else 'few'}"
        )
    return lengths


def listed(lengths: object) -> list[Any]:
    """Lengths, one a phrase, as a list; ChoraleError for a lone number, a text or none at all."""
    found = items_of(lengths)
    if not found:
        raise ChoraleError(f"lengths: expected a list, one a phrase, got {shown(lengths)}")
    return found


def cut_phrases(chorale: Chorale, lengths: Sequence[int] | None = None) -> list[Chorale]:
    """The phrases of a chorale, each a chorale with its own upbeat.

    lengths : in steps; by default those of `phrase_lengths`
    """
    if lengths is None:
        lengths = phrase_lengths(chorale)
    lengths = validate_lengths(lengths, chorale)
    return [crop(chorale, span) for span in pairwise(accumulate(lengths, initial=0))]


def repeats(chorale: Chorale, lengths: Sequence[int]) -> tuple[int | None, ...]:
    """For each phrase the first that has the same notes, from 0; None where it is new."""
    pieces = cut_phrases(chorale, lengths)
    seen: dict[bytes, int] = {}
    found = []
    for number, piece in enumerate(pieces):
        notes = piece.grid.tobytes() + piece.onsets.tobytes()
        first = seen.setdefault(notes, number)
        found.append(None if first == number else first)
    return tuple(found)


def choose_phrases(
    chorale: Chorale, lengths: Sequence[int], chosen: Sequence[int] | None = None
) -> Chorale:
    """The piece made of some of its phrases, in the given order; their lengths with it.

    Parameters
    ----------
    lengths : of all phrases, in steps
    chosen : numbers of phrases, from 0; by default all that aren't `repeats`

    Returns
    -------
    Chorale whose `phrases` are the chosen ones; its bar lines are those of its beginning
    """
    pieces = cut_phrases(chorale, lengths)
    if chosen is None:
        chosen = [number for number, first in enumerate(repeats(chorale, lengths)) if first is None]
    wrong = [number for number in chosen if not is_whole(number) or not 0 <= number < len(pieces)]
    if wrong or not len(chosen):
        raise ChoraleError(
            f"phrases: expected numbers 0-{len(pieces) - 1}, got {list(wrong or chosen)}"
        )
    parts = [pieces[number] for number in chosen]
    return chorale.replace(
        grid=np.hstack([part.grid for part in parts]),
        onsets=np.hstack([part.onsets for part in parts]),
        fermatas=np.concatenate([part.fermatas for part in parts]),
        phrases=tuple(part.steps for part in parts),
        upbeat=parts[0].upbeat,
    )
