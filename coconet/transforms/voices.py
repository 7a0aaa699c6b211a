"""Which voices sing what: chosen phrase by phrase, joined, doubled, rotated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coconet.checks import MOST_TIMES, flag, validate_choice, whole
from coconet.errors import ChoraleError, shown
from coconet.grid import RANGES, REST, VOICES, is_whole, items_of
from coconet.phrases import validate_lengths
from coconet.traced import Traced
from coconet.transforms.layer import layer

QUARTET = len(VOICES)


@layer
def choose_voices(
    piece: Traced, *, rows: Sequence[Sequence[int]], lengths: Sequence[int] | None = None
) -> Traced:
    """For each segment some of the voices, such as four of sixteen.

    Parameters
    ----------
    rows : int array, shape=(segments, k): in each segment the rows, from 0, that sing
        there; one may come twice
    lengths : of the segments in steps; by default the chorale's phrases, or one segment
        where they are unknown

    Returns
    -------
    k voices. Where a row changes from one segment to the next a note begins; where it
    stays, a note may be held over.

    Raises
    ------
    ChoraleError
        For lengths that don't add up to the piece (it says by how much), another number
        of segments, or rows that the piece hasn't.

    >>> choose_voices(np.array([[60, 60], [55, 57]]), rows=[[0], [1]], lengths=[1, 1]).tolist()
    [[60, 57]]
    """
    chorale = piece.chorale
    found = chorale.phrases or (chorale.steps,)
    if lengths is not None:
        found = validate_lengths(lengths, chorale)
    rows = validate_choice(rows, piece.voices, segments=len(found))
    piece.room_for(rows.shape[1], piece.steps)
    return piece.take(
        np.repeat(rows, found, axis=0).T,
        np.arange(piece.steps)[None],
        fermatas=chorale.fermatas,
        phrases=chorale.phrases or found,
    )


def offset_rows(offsets: Sequence[int], count: int, voices: int | None = None) -> np.ndarray:
    """For each segment `count` neighbouring rows, from its own offset on.

    Parameters
    ----------
    offsets : one a segment: the first row, from 0
    count : rows a segment
    voices : how many the stack has; where it is given, rows beyond are refused

    Returns
    -------
    int array, shape=(segments, count), as `choose_voices` takes it

    >>> offset_rows([0, 8, 4], 4).tolist()
    [[0, 1, 2, 3], [8, 9, 10, 11], [4, 5, 6, 7]]
    """
    count = whole(count, "count", 1, MOST_TIMES)
    listed = items_of(offsets)
    if not listed or not all(is_whole(offset, 0, MOST_TIMES) for offset in listed):
        raise ChoraleError(f"offsets: expected a row from 0 for each segment, got {shown(offsets)}")
    rows = np.array(listed, int)[:, None] + np.arange(count)
    if voices is None:
        return rows
    return validate_choice(rows, whole(voices, "voices", 1))


@layer
def join_quartets(piece: Traced, *, order: Sequence[int] | None = None) -> Traced:
    """The quartets of a stack one after another in time: (4·k, steps) -> (4, k·steps).

    Parameters
    ----------
    order : numbers of quartets, from 1; one may come several times or not at all. By
        default all, from the top.

    No note is held over a join. Fermatas and phrases come again with each quartet.

    Raises
    ------
    ChoraleError
        For voices that are no whole quartets, and quartets that aren't there.

    >>> join_quartets(np.array([[60], [57], [53], [48], [62], [58], [55], [43]])).tolist()
    [[60, 62], [57, 58], [53, 55], [48, 43]]
    """
    count = piece.voices // QUARTET
    if piece.voices % QUARTET:
        raise ChoraleError(f"expected whole quartets, got {piece.voices} voices")
    if order is None:
        order = range(1, count + 1)
    listed = items_of(order)
    if not listed or not all(is_whole(number, 1, count) for number in listed):
        raise ChoraleError(f"order: expected quartets of 1-{count}, got {shown(order)}")
    steps = len(listed) * piece.steps
    piece.room_for(QUARTET, steps)
    first = QUARTET * (np.repeat(np.array(listed, int), piece.steps) - 1)
    voice = first + np.arange(QUARTET)[:, None]
    step = np.tile(np.arange(piece.steps), len(listed))[None]
    return piece.take(
        voice,
        step,
        onsets=piece.onsets[voice, step],  # its first step begins every note that sounds there
        fermatas=np.tile(piece.chorale.fermatas, len(listed)),
        phrases=piece.chorale.phrases * len(listed),
    )


@layer
def double_voices(piece: Traced, *, times: int = 2) -> Traced:
    """The whole stack again below itself, `times` times in all.

    times : a whole number from 1; 1 changes nothing

    Raises ChoraleError for another number, or where the piece would grow too big.

    >>> double_voices(np.array([[60], [55]])).tolist()
    [[60], [55], [60], [55]]
    """
    times = whole(times, "times", 1, MOST_TIMES)
    piece.room_for(times * piece.voices, piece.steps)
    return piece.take_voices(np.tile(np.arange(piece.voices), times))


@layer
def rotate_voices(
    piece: Traced, *, by: int = 1, every: int | None = None, octaves: bool = True
) -> Traced:
    """Let each voice sing what the voice above sang, within every quartet.

    The alto sings the soprano's line, the tenor the alto's, the bass the tenor's, and
    the soprano the bass's. A stack that isn't of whole quartets is rotated as a whole.

    Parameters
    ----------
    by : how many voices down, a whole number; negative for up
    every : steps after which it goes on by as many voices again; by default never
    octaves : move each line by octaves so that its median pitch lies nearest the middle
        of its new voice's usual range (`grid.RANGES`): one shift for a line in a voice,
        within MIDI's range. Where False pitches stay, and four rotations of a quartet
        give it back.

    Raises
    ------
    ChoraleError
        For numbers that aren't whole.

    >>> rotate_voices(np.array([[72], [64], [55], [48]])).tolist()
    [[72], [60], [52], [55]]
    """
    by = whole(by, "by", -MOST_TIMES, MOST_TIMES)
    every = piece.steps if every is None else whole(every, "every", 1, MOST_TIMES)
    size = piece.voices if piece.voices % QUARTET else QUARTET
    turns = by * (1 + np.arange(piece.steps) // every)
    part = np.arange(piece.voices)[:, None]
    voice = part - part % size + (part % size - turns) % size
    made = piece.take(
        voice,
        np.arange(piece.steps)[None],
        fermatas=piece.chorale.fermatas,
        phrases=piece.chorale.phrases,
    )
    if not flag(octaves, "octaves"):
        return made
    moves = np.where(voice == part, 0, 12 * _octaves(piece)[voice, part % QUARTET])
    return made.sing(np.where(made.sounding, made.grid + moves, REST))


def _octaves(piece: Traced) -> np.ndarray:
    """int array, shape=(voices, 4): by how many octaves the line of each row (down) moves
    to sing as each voice of a quartet (across); of a silent line it means nothing."""
    silent = 128  # above all notes, so that rests come last
    ranked = np.sort(np.where(piece.sounding, piece.grid, silent), axis=1)
    count = piece.sounding.sum(1)[:, None]
    among = np.concatenate([(count - 1) // 2, count // 2, count - 1], axis=1).clip(0)
    low_middle, high_middle, highest = np.take_along_axis(ranked, among, axis=1).T[:, :, None]
    middles = np.mean(RANGES, axis=1)
    nearest = np.floor((middles - (low_middle + high_middle) / 2) / 12 + 0.5).astype(int)
    return nearest.clip(-((ranked[:, :1] - 1) // 12), (127 - highest) // 12)
