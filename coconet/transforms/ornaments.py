"""Ornaments: notes of the scale put between, above and below those of a piece."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from coconet.checks import choice, needs_rng, share_of
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import items_of
from coconet.theory import degree_pitches, scale_degrees
from coconet.traced import Traced
from coconet.transforms.layer import key_of, layer, rows_for

KINDS = ("passing", "neighbour", "trill", "mordent", "turn")


@layer
def ornament(
    piece: Traced,
    *,
    kinds: str | Iterable[str] = KINDS,
    share: float = 0.2,
    voices: str | int | Sequence[str | int] | None = None,
    tonic: int | str | None = None,
    mode: str | None = None,
    rng: np.random.Generator | None = None,
) -> Traced:
    """Some notes ornamented, on the grid of sixteenths, with notes of the key alone.

    Of the notes that allow at least one of the kinds, round(share · notes) are drawn,
    and for each one of the kinds that it allows. A note of n steps becomes:

    passing (n of 2 or more, and the next note a third away with one note of the scale
        between): its second half, n // 2 steps, becomes that note.
    neighbour (n of 3 or more where the next note has the same pitch, else n of 8 or
        more): it goes to its upper or lower neighbour, drawn, for max(1, n // 4) steps,
        and comes back for as many.
    trill (n of 4 or more): main and upper note in turn, a step each; it ends on the main
        note, two steps long where n is even.
    mordent (n of 3 or more): a step of the main note, a step of the lower one, and back.
    turn (n of 5 or more): the last four steps are upper, main, lower, main.

    A neighbour is the next note of the scale, a semitone or two away; in minor the scale
    is the natural one. Notes outside the scale allow nothing: their neighbours depend on
    where they lead. Nothing leads from a note under a fermata, or the last of a phrase,
    to the next. All ornamented notes begin on their pitch, and all but those with a
    passing note end on it. No other note changes, and where none allows an ornament
    nothing does. What the new notes form with the other voices isn't looked at.

    Parameters
    ----------
    kinds : one or more of the above; as a string, with commas
    share : 0-1, of the notes that allow an ornament
    voices : which: names such as 'soprano,bass', or rows from 0; by default all
    tonic, mode : the key; by default the chorale's, or found
    rng : draws notes, kinds and neighbours

    Raises ChoraleError for another kind or share, and for a key that doesn't exist.

    >>> rng = np.random.default_rng(1)
    >>> ornament(np.array([[60, 60, 64, 64]]), kinds="passing", share=1, tonic="C", rng=rng)
    array([[60, 62, 64, 64]], dtype=int16)
    """
    wanted, share = _kinds(kinds), share_of(share)
    rows = rows_for(piece, voices)
    rng = needs_rng(rng)
    notes = _notes(piece, *key_of(piece, tonic, mode))
    allowed = _allowed(notes) & np.isin(KINDS, wanted) & np.isin(notes.row, rows)[:, None]
    able = np.flatnonzero(allowed.any(1))
    chosen = rng.choice(able, round(share * len(able)), replace=False)
    if not len(chosen):
        return piece
    # Of several random numbers above 0 each is the largest equally often.
    lots = 1 - rng.random((len(chosen), len(KINDS)))
    kind = np.full(len(notes.row), -1)
    kind[chosen] = (lots * allowed[chosen]).argmax(1)
    goes_up = np.zeros(len(notes.row), bool)
    goes_up[chosen] = rng.random(len(chosen)) < 0.5
    return piece.sing(_ornamented(piece, notes, kind, goes_up))


class _Notes(NamedTuple):
    """The notes of a piece, in the order in which `Traced.note` counts them.

    number : `Traced.note`; all others are int arrays, shape=(notes,)
    upper, lower : neighbours of a note of the scale; between : the one note of the scale
        between it and one a third away that follows; 0 where there is none
    """

    number: np.ndarray
    row: np.ndarray
    start: np.ndarray
    length: np.ndarray
    pitch: np.ndarray
    following: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    between: np.ndarray


def _notes(piece: Traced, tonic: int, mode: str) -> _Notes:
    number = piece.note
    row, start = np.nonzero(piece.onsets)
    length = np.bincount(number[number >= 0], minlength=len(row))
    pitch = piece.grid[row, start].astype(int)
    follows = np.zeros(len(row), bool)
    follows[:-1] = (row[1:] == row[:-1]) & (start[:-1] + length[:-1] == start[1:])
    follows &= ~_rests_on(piece.chorale, start, start + length)
    following = np.where(follows, np.roll(pitch, -1), 0)
    degree, raised = scale_degrees(pitch, tonic, mode)
    near = degree_pitches(degree + np.array([[1], [-1]]), tonic, mode)
    upper, lower = np.where((raised == 0) & (near >= 1) & (near <= 127), near, 0)
    leap = np.where(follows, following - pitch, 0)
    reached, above = scale_degrees(following, tonic, mode)
    rises = np.isin(leap, (3, 4)) & (reached + (above > 0) == degree + 2)
    falls = np.isin(leap, (-3, -4)) & (reached == degree - 2)
    between = rises * upper + falls * lower
    return _Notes(number, row, start, length, pitch, following, upper, lower, between)


def _rests_on(chorale: Chorale, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether a fermata or the end of a phrase falls within spans of steps: bool array."""
    stops = chorale.fermatas.copy()
    stops[np.cumsum(chorale.phrases, dtype=int) - 1] = True
    passed = np.append(0, np.cumsum(stops))
    return passed[end] > passed[start]


def _allowed(notes: _Notes) -> np.ndarray:
    """bool array, shape=(notes, kinds): which kinds each note allows."""
    length, up, down = notes.length, notes.upper > 0, notes.lower > 0
    returns = (length >= 3) & (notes.following == notes.pitch)
    columns = {
        "passing": (length >= 2) & (notes.between > 0),
        "neighbour": (returns | (length >= 8)) & up & down,
        "trill": (length >= 4) & up,
        "mordent": (length >= 3) & down,
        "turn": (length >= 5) & up & down,
    }
    return np.stack([columns[kind] for kind in KINDS], axis=1)


def _ornamented(piece: Traced, notes: _Notes, kind: np.ndarray, goes_up: np.ndarray) -> np.ndarray:
    """The grid with ornaments.

    kind : int array, shape=(notes,): an index of KINDS, or -1 for none
    goes_up : bool array, shape=(notes,): which neighbour a neighbour note is
    """
    grid = piece.grid.astype(int)
    row, step = np.nonzero((notes.number >= 0) & (kind[notes.number] >= 0))
    note = notes.number[row, step]
    kind, length, place = kind[note], notes.length[note], step - notes.start[note]
    left = length - place  # steps until the note's end, its own counted
    upper, lower = notes.upper[note], notes.lower[note]
    away = np.maximum(1, length // 4)
    is_kind = {name: kind == index for index, name in enumerate(KINDS)}
    grid[row, step] = np.select(
        [
            is_kind["passing"] & (left <= length // 2),
            is_kind["neighbour"] & (away < left) & (left <= 2 * away),
            is_kind["trill"] & (place % 2 == 1) & (left > 1),
            is_kind["mordent"] & (place == 1),
            is_kind["turn"] & (left == 4),
            is_kind["turn"] & (left == 2),
        ],
        [notes.between[note], np.where(goes_up[note], upper, lower), upper, lower, upper, lower],
        grid[row, step],
    )
    return grid


def _kinds(kinds: object) -> list[str]:
    """The kinds asked for, checked."""
    if isinstance(kinds, str):
        kinds = [kind.strip() for kind in kinds.split(",")]
    listed = items_of(kinds)
    if not listed:
        raise ChoraleError(f"kinds: expected some of {', '.join(KINDS)}, got {shown(kinds)}")
    return [choice(kind, "kinds", KINDS) for kind in listed]
