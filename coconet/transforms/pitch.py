"""Layers that change pitches and leave the rhythm: transpose, invert, spread the octaves.

What a layer would write outside MIDI's 1-127, or a smaller range, is refused or
brought back: see `coconet.transforms.ranges.fit_range`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coconet.checks import choice, needs_rng, not_needed, share_of, whole
from coconet.chorale import DEFAULTS
from coconet.errors import ChoraleError, shown
from coconet.grid import REST, is_whole
from coconet.theory import (
    DISSONANT,
    degree_pitches,
    in_scale,
    key_sharps,
    key_tonic,
    parse_pitch,
    parse_tonic,
    scale,
    scale_degrees,
)
from coconet.traced import Traced
from coconet.transforms.layer import key_of, layer, rows_for
from coconet.transforms.ranges import fit_range

#: How many semitones from an out-of-key note its replacement may lie: a major third.
NEAR = 4


@layer
def transpose(
    piece: Traced,
    *,
    by: int | None = None,
    to: int | str | None = None,
    voices: str | int | Sequence[str | int] | None = None,
    tonic: int | str | None = None,
    mode: str | None = None,
    beyond: str = "refuse",
    lowest: int | str = 1,
    highest: int | str = 127,
) -> Traced:
    """All notes moved by the same interval; tonic and key signature move along.

    Parameters
    ----------
    by : semitones, up or, negative, down
    to : instead of `by`, the new tonic, 0-11 or a name, reached the nearest way; a
        tritone goes up
    voices : which: names such as 'soprano,bass', or rows from 0; by default all. Where
        only some voices move, the key stays.
    tonic, mode : the key to start from, for `to`; by default the chorale's, or found
    beyond : of a note outside lowest-highest (MIDI pitches or names): 'refuse', 'clamp',
        which takes the nearest octave inside, or 'skip', which leaves it as it was

    Raises
    ------
    ChoraleError
        For both or neither of `by` and `to`, for what they can't be, for a key to start
        from where `by` needs none, and for a note outside the range.

    >>> transpose(np.array([[60, 64, 0]]), by=-2).tolist()
    [[58, 62, 0]]
    """
    if (by is None) == (to is None):
        raise ChoraleError("transpose: expected either by=SEMITONES or to=TONIC")
    rows, key = rows_for(piece, voices), None
    if to is None:
        not_needed("to=TONIC", tonic=tonic, mode=mode)
        by = whole(by, "by", -126, 126)
    else:
        key = key_of(piece, tonic, mode)
        by = (_pitch_class(to) - key[0] + 5) % 12 - 5
    grid = piece.grid.copy()
    grid[rows] += np.int16(by) * piece.sounding[rows]
    grid = fit_range(piece, grid, beyond, lowest, highest)
    all_move = len(np.unique(rows)) == piece.voices
    return piece.sing(grid, **(_moved_key(piece, by, key) if all_move else {}))


@layer
def invert(
    piece: Traced,
    *,
    kind: str = "real",
    axis: int | float | str | None = None,
    voices: str | int | Sequence[str | int] | None = None,
    tonic: int | str | None = None,
    mode: str | None = None,
    beyond: str = "refuse",
    lowest: int | str = 1,
    highest: int | str = 127,
) -> Traced:
    """Upside down: what rose falls by as much. Twice, a real inversion is as if never.

    Parameters
    ----------
    kind : 'real' keeps each interval's semitones: p becomes 2·axis − p. The key becomes
        its mirror image (C major about C is F minor); where the voices turn about axes
        that lead to several keys, none is known any more. 'tonal' keeps each interval's
        steps of the scale: notes of the key stay in the key, and are themselves again
        after a second inversion with the same tonic, mode and axis, all three given. A
        chromatic note counts as the note below it, raised. Its image is the image of that
        note, lowered, and it comes back too; but where lowering gives a note of the scale,
        the image isn't altered, and the chromatic note is lost.
    axis : the pitch that stays: MIDI, a half such as 65.5, or a name such as 'F4'. By
        default for each voice the middle between its lowest and highest note (for
        'tonal', of the key), so that it keeps its range; of the inverted piece it is the
        same, unless a chromatic note beyond these was lost. A tonal axis between two
        notes of the scale swaps these.
    voices : which: names such as 'soprano,bass', or rows from 0; by default all
    tonic, mode : the key, for 'tonal'; by default the chorale's, or found: an inverted
        array may be found to be in another
    beyond : of a note outside lowest-highest (MIDI pitches or names): 'refuse', 'clamp',
        which takes the nearest octave inside, or 'skip', which leaves it as it was

    Raises
    ------
    ChoraleError
        For another kind, an axis that is neither pitch nor half-way between two, a key
        that doesn't exist or isn't needed, and a note outside the range.

    >>> invert(np.array([[60, 64, 65]])).tolist(), invert(np.array([[60, 64]]), axis=60).tolist()
    ([[65, 61, 60]], [[60, 56]])
    """
    choice(kind, "kind", ("real", "tonal"))
    rows = rows_for(piece, voices)
    centre = None if axis is None else _axis(axis)
    facts: dict[str, Any] = {}
    if kind == "real":
        not_needed("kind='tonal'", tonic=tonic, mode=mode)
        sums = _real_sums(piece, centre)
        images = sums[:, None] - np.arange(128)
        if len(np.unique(rows)) == piece.voices:
            facts = _mirrored_key(piece, sums[piece.sounding.any(1)])
    else:
        images = _tonal_images(piece, centre, *key_of(piece, tonic, mode))
    images[:, REST] = REST
    grid = piece.grid.copy()
    grid[rows] = images[rows[:, None], piece.grid[rows]]
    return piece.sing(fit_range(piece, grid, beyond, lowest, highest), **facts)


@layer
def octave_shift(
    piece: Traced,
    *,
    share: float = 0.15,
    clump: int = 45,
    octaves: int = 1,
    each: str = "step",
    voices: str | int | Sequence[str | int] | None = None,
    beyond: str = "refuse",
    lowest: int | str = 1,
    highest: int | str = 127,
    rng: np.random.Generator | None = None,
) -> Traced:
    """Clumps of successive steps of a voice, some octaves higher.

    At each step of each voice a clump begins with probability share / clump; where
    clumps overlap the voice is moved once. So a step that has at least clump − 1 before
    it is moved with probability 1 − (1 − share / clump)^clump, a little under `share`
    (0.139 for 0.15), and the first steps of a piece more seldom.

    Parameters
    ----------
    share : 0-1, about the share of steps that are moved
    clump : steps, 1 or more
    octaves : up, or, negative, down
    each : 'step' moves just those steps, even of a held note; 'note' moves the notes
        that begin in a clump, whole
    voices : which: names such as 'soprano,bass', or rows from 0; by default all. A
        voice's clumps are the same whichever others are moved.
    beyond : of a note outside lowest-highest (MIDI pitches or names): 'refuse', 'clamp',
        which takes the nearest octave inside, or 'skip', which leaves it as it was
    rng : draws where clumps begin

    Raises ChoraleError for numbers that these can't be, and for a note outside the range.
    """
    share, clump = share_of(share), whole(clump, "clump", 1)
    rows = rows_for(piece, voices)
    begins = needs_rng(rng).random(piece.grid.shape) < share / clump
    open_clumps = np.cumsum(begins, axis=1)
    open_clumps[:, clump:] -= np.cumsum(begins[:, : max(0, piece.steps - clump)], axis=1)
    return _move_octaves(piece, open_clumps > 0, rows, octaves, each, (beyond, lowest, highest))


@layer
def bass_drop(
    piece: Traced,
    *,
    share: float = 1 / 6,
    octaves: int = 1,
    each: str = "step",
    voices: str | int | Sequence[str | int] | None = None,
    beyond: str = "refuse",
    lowest: int | str = 1,
    highest: int | str = 127,
    rng: np.random.Generator | None = None,
) -> Traced:
    """The bass some octaves lower, now and then.

    Parameters
    ----------
    share : 0-1, the probability that a step, or a note, drops
    octaves : down
    each : 'step' draws for every step, so that held notes break; 'note' for every note
    voices : which: names or rows from 0; by default the last of each full quartet, or, where
        there is none, the last voice
    beyond : of a note outside lowest-highest (MIDI pitches or names): 'refuse', 'clamp',
        which takes the nearest octave inside, or 'skip', which leaves it as it was
    rng : draws what drops

    Raises ChoraleError for numbers that these can't be, and for a note outside the range.
    """
    share = share_of(share)
    octaves = whole(octaves, "octaves", -10, 10)
    if voices is None:
        rows = np.arange(3, piece.voices, 4) if piece.voices > 3 else [piece.voices - 1]
    else:
        rows = rows_for(piece, voices)
    drops = needs_rng(rng).random(piece.grid.shape) < share
    return _move_octaves(piece, drops, rows, -octaves, each, (beyond, lowest, highest))


@layer
def strip_dissonant(
    piece: Traced,
    *,
    tonic: int | str | None = None,
    mode: str | None = None,
    tries: int = 15,
    rng: np.random.Generator | None = None,
) -> Traced:
    """Notes outside the key replaced by notes of the key, each as a whole.

    For each of them, `tries` notes of the key within a major third are drawn; the one
    that makes the fewest dissonances with the rest of its quartet, counted over all
    its steps, is taken, of several the nearest. Voices are treated from the top of
    each quartet down; those below that still wait for their turn aren't counted.

    Parameters
    ----------
    tonic, mode : the key; by default the chorale's, or found
    tries : draws a note, 1-100: 1 takes any note of the key nearby
    rng : draws the notes to try

    Raises ChoraleError for another number of tries, and for a key that doesn't exist.
    """
    tries = whole(tries, "tries", 1, 100)
    tonic, mode = key_of(piece, tonic, mode)
    foreign = piece.sounding & ~in_scale(piece.grid, tonic, mode)
    begins = foreign & piece.onsets
    draws = needs_rng(rng).random((int(begins.sum()), tries))
    order = np.full(piece.grid.shape, -1)
    order[begins] = np.arange(len(draws))
    grid = piece.grid.astype(int)
    settled = piece.sounding & ~foreign
    for voice in range(min(4, piece.voices)):
        mine = np.zeros_like(foreign)
        mine[voice::4] = foreign[voice::4]
        row, step = np.nonzero(mine)
        if not len(row):
            continue
        first = np.flatnonzero(begins[row, step])
        clashes = np.add.reduceat(_clashes(grid, settled, row, step), first, dtype=int)
        pitches = grid[row[first], step[first]]
        tried = draws[order[row[first], step[first]]]
        chosen = _replacements(pitches, clashes, tried, tonic, mode)
        grid[row, step] = np.repeat(chosen, np.diff(first, append=len(row)))
        settled |= mine
    return piece.sing(grid)


def _move_octaves(
    piece: Traced,
    where: np.ndarray,
    rows: np.ndarray,
    octaves: int,
    each: str,
    limits: tuple[str, int | str, int | str],
) -> Traced:
    """Some cells of some rows moved by octaves; with each='note', by where notes begin."""
    octaves = whole(octaves, "octaves", -10, 10)
    if choice(each, "each", ("step", "note")) == "note":
        where = np.append(where[piece.onsets], False)[piece.note]
    moved = np.zeros_like(where)
    moved[rows] = where[rows]
    grid = np.where(moved & piece.sounding, piece.grid + 12 * octaves, piece.grid)
    return piece.sing(fit_range(piece, grid, *limits))


# ---------------------------------------------------------------- keys


def _moved_key(piece: Traced, by: int, key: tuple[int, str] | None) -> dict[str, Any]:
    """Tonic and signature after a move of `by` semitones.

    key : where the tonic to reach was said, the key before; else fields that were only
        assumed stay so
    """
    chorale = piece.chorale
    sharps = chorale.sharps
    if by % 12:
        sharps = key_sharps(key_tonic(sharps, "major") + by, "major")
    if key is None:
        moved = {"tonic": (chorale.tonic + by) % 12, "sharps": sharps}
        return {name: fact for name, fact in moved.items() if name not in chorale.assumed}
    tonic, mode = (key[0] + by) % 12, key[1]
    if key != (chorale.tonic, chorale.mode) or {"tonic", "mode", "sharps"} & {*chorale.assumed}:
        sharps = key_sharps(tonic, mode)
    rest = tuple(name for name in chorale.assumed if name not in ("tonic", "mode", "sharps"))
    return {"tonic": tonic, "mode": mode, "sharps": sharps, "assumed": rest}


def _mirrored_key(piece: Traced, sums: np.ndarray) -> dict[str, Any]:
    """The key after each pitch p of a voice became its sum − p.

    The mirror turns a major scale into a natural minor one, and back: C major about
    C, a sum of 0 mod 12, has the notes of F minor.
    """
    chorale, names = piece.chorale, ("tonic", "mode", "sharps")
    if not len(sums) or {*names} <= {*chorale.assumed}:
        return {}
    total = int(sums[0]) % 12
    if (sums % 12 != total).any() or {*names} & {*chorale.assumed}:
        assumed = tuple(dict.fromkeys((*chorale.assumed, *names)))
        return {name: DEFAULTS[name] for name in names} | {"assumed": assumed}
    return {
        "tonic": (total - chorale.tonic + 5) % 12,
        "mode": "minor" if chorale.mode == "major" else "major",
        "sharps": key_sharps((total - key_tonic(chorale.sharps, "major") - 4) % 12, "major"),
    }


# ---------------------------------------------------------------- mirrors


def _real_sums(piece: Traced, axis: float | None) -> np.ndarray:
    """What each voice's pitches and their images add up to: int array, shape=(voices,)."""
    if axis is not None:
        return np.full(piece.voices, int(2 * axis))
    low, high = _extremes(piece.grid, piece.sounding)
    return low + high


def _tonal_images(piece: Traced, axis: float | None, tonic: int, mode: str) -> np.ndarray:
    """The image of each MIDI pitch in each voice, mirrored by steps of the scale.

    Returns an int array, shape=(voices, 128); `invert` says what becomes of which note.
    """
    degrees, raised = scale_degrees(np.arange(128), tonic, mode)
    if axis is None:
        own = piece.sounding & (raised[piece.grid] == 0)
        low, high = _extremes(piece.grid, np.where(own.any(1, keepdims=True), own, piece.sounding))
        sums = degrees[low] + degrees[high]
    else:
        above = int(np.ceil(axis))
        sums = np.full(piece.voices, degrees[int(axis)] + degrees[above] + raised[above])
    images = degree_pitches(sums[:, None] - degrees, tonic, mode)
    chromatic = np.isin((images - 1) % 12, scale(tonic, mode), invert=True)
    return images - raised * chromatic


def _extremes(grid: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest pitch of each voice among some of its cells; 0 where there are none."""
    low = grid.min(axis=1, initial=127, where=where).astype(int)
    high = grid.max(axis=1, initial=0, where=where).astype(int)
    return np.minimum(low, high), high


# ---------------------------------------------------------------- notes of the key


def _clashes(
    grid: np.ndarray, settled: np.ndarray, row: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Dissonances that cells would make, moved by −NEAR … NEAR semitones.

    settled : bool array, shape=(voices, steps): cells that count
    row, step : of the cells; returns an int array, shape=(cells, 2·NEAR + 1)
    """
    shifts = np.arange(-NEAR, NEAR + 1)
    table = np.isin((np.arange(12)[:, None] + shifts) % 12, DISSONANT)
    found = np.zeros((len(row), len(shifts)), np.int8)
    for voice in range(4):
        other = row // 4 * 4 + voice
        there = other < len(grid)
        other = np.where(there, other, row)
        counts = there & (other != row) & settled[other, step]
        found += counts[:, None] & table[(grid[row, step] - grid[other, step]) % 12]
    return found


def _replacements(
    pitches: np.ndarray, clashes: np.ndarray, draws: np.ndarray, tonic: int, mode: str
) -> np.ndarray:
    """The best among the notes of the key that were drawn, one for each pitch.

    clashes : int array, shape=(notes, 2·NEAR + 1), see `_clashes`
    draws : float array, shape=(notes, tries), each 0-1 and below 1
    """
    near = pitches[:, None] + np.arange(-NEAR, NEAR + 1)
    fits = np.isin(near % 12, scale(tonic, mode)) & (near >= 1) & (near <= 127)
    listed = np.argsort(~fits, axis=1, kind="stable")
    tried = (draws * fits.sum(1, keepdims=True)).astype(int)
    tried = np.take_along_axis(listed, tried, axis=1)
    worth = clashes * (NEAR + 1) + np.abs(near - pitches[:, None])
    best = np.take_along_axis(worth, tried, axis=1).argmin(1)
    rows = np.arange(len(pitches))
    return near[rows, tried[rows, best]]


# ---------------------------------------------------------------- what is asked for


def _pitch_class(value: object) -> int:
    if not isinstance(value, str) and not is_whole(value, 0, 11):
        raise ChoraleError(f"to: expected a tonic 0-11 or a name, got {shown(value)}")
    return parse_tonic(value)


def _axis(value: object) -> float:
    """A pitch, by name or number, or halfway between two."""
    if isinstance(value, str):
        return float(parse_pitch(value))
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 1 <= value <= 127 or (2 * value) % 1:
        raise ChoraleError(
            f"axis: expected a MIDI pitch 1-127, a half or a name, got {shown(value)}"
        )
    return float(value)
