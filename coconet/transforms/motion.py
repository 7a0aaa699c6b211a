"""Motion through time: backwards, slower, quicker, after each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coconet.checks import MOST_TIMES, flag, not_needed, whole
from coconet.errors import ChoraleError
from coconet.grid import REST, items_of, voice_name
from coconet.theory import degree_pitches, scale_degrees
from coconet.traced import NOWHERE, Traced
from coconet.transforms.cuts import thin
from coconet.transforms.layer import key_of, layer, rows_for
from coconet.transforms.ranges import fit_range


@layer
def retrograde(piece: Traced) -> Traced:
    """Play the piece backwards: each note begins where it ended.

    Phrases and bar lines are mirrored; a fermata stays with its chord, on whose last step
    it then stands. Twice gives the piece back; but a fermata that stood within a held
    chord is then on its last step.

    >>> retrograde(np.array([[60, 0, 62, 64]])).tolist()
    [[64, 62, 0, 60]]
    """
    chorale = piece.chorale
    ends = piece.sounding.copy()
    ends[:, :-1] &= piece.onsets[:, 1:] | ~piece.sounding[:, 1:]
    # The first step of each chord, from one change in any voice to the next, becomes its last.
    changes = (piece.onsets | (np.diff(piece.grid, axis=1, prepend=REST) != 0)).any(0)
    changes[0] = True
    chord = np.cumsum(changes) - 1
    held = np.zeros(piece.steps, bool)
    held[np.flatnonzero(changes)[chord[chorale.fermatas]]] = True
    return piece.take(
        np.arange(piece.voices)[:, None],
        np.arange(piece.steps)[None, ::-1],
        onsets=ends[:, ::-1],
        fermatas=held[::-1],
        phrases=chorale.phrases[::-1],
        upbeat=(piece.steps - chorale.upbeat) % chorale.bar,
    )


@layer
def augment(piece: Traced, *, by: int = 2) -> Traced:
    """Make every note `by` times as long; bars stay as long as they are.

    by : a whole number; 1 changes nothing

    Raises ChoraleError for another number, or where the piece would grow too big.

    >>> augment(np.array([[60, 62]]), by=3).tolist()
    [[60, 60, 60, 62, 62, 62]]
    """
    by = whole(by, "by", 1, MOST_TIMES)
    chorale = piece.chorale
    return piece.hold(np.full(piece.steps, by), upbeat=chorale.upbeat * by % chorale.bar)


@layer
def diminish(piece: Traced, *, by: int = 2) -> Traced:
    """Make the piece `by` times as quick: the first of every `by` steps stays.

    A note that begins on another step begins on the next that stays, if it lasts so
    long; a shorter one is lost. The last group may be short.

    by : a whole number; 1 changes nothing

    Raises ChoraleError for another number.

    >>> diminish(np.array([[60, 60, 62, 62, 64]])).tolist()
    [[60, 62, 64]]
    """
    return thin(piece, np.arange(0, piece.steps, whole(by, "by", 1, MOST_TIMES)))


# ---------------------------------------------------------------- canon


@layer
def canon(
    piece: Traced,
    *,
    voices: str | int | Sequence[str | int] | None = None,
    distance: int,
    interval: int | Sequence[int] = 0,
    followers: int = 1,
    tonal: bool = False,
    tonic: int | str | None = None,
    mode: str | None = None,
    beyond: str = "refuse",
    lowest: int | str = 1,
    highest: int | str = 127,
) -> Traced:
    """Let followers sing what the leaders sing, later and at an interval.

    Parameters
    ----------
    voices : the leaders: names such as 'soprano,bass', rows from 0, or 'highest' for
        the uppermost voice that sings; by default all. Other voices are left out.
    distance : steps by which each follower enters after the one before
    interval : how much higher than the leaders, negative for lower, one or one a
        follower: in semitones, or where `tonal` in steps of the scale
    followers : how many times the leaders' rows come again below
    tonal : move within the key. A note between two of the scale counts as the lower one
        raised, and stays raised.
    tonic, mode : the key, where `tonal`; by default the chorale's, or found
    beyond : of a note outside lowest-highest (MIDI pitches or names): 'refuse', 'clamp',
        which takes the nearest octave inside, or 'skip', which leaves it at the leader's

    Returns
    -------
    leaders·(1 + followers) voices of steps + distance·followers: the leaders, then the
    first follower … A voice rests before its entry and after its end. There are no
    fermatas and phrases that all voices share, so there are none.

    Raises
    ------
    ChoraleError
        For leaders that rest throughout while others sing, numbers that aren't whole,
        another number of intervals than of followers, a key where nothing is tonal, a
        note outside the range, or a piece that would grow too big.

    >>> canon(np.array([[60, 62, 64]]), distance=2, interval=-12).tolist()
    [[60, 62, 64, 0, 0], [0, 0, 48, 50, 52]]
    """
    rows = rows_for(piece, voices)
    _validate_leaders(piece, rows)
    distance = whole(distance, "distance", 1, MOST_TIMES)
    followers = whole(followers, "followers", 1, MOST_TIMES)
    moves = _intervals(interval, followers)
    if not flag(tonal, "tonal"):
        not_needed("tonal=True", tonic=tonic, mode=mode)
    steps = piece.steps + distance * followers
    piece.room_for(len(rows) * (1 + followers), steps)
    step = np.arange(steps) - distance * np.arange(1 + followers)[:, None]
    step[(step < 0) | (step >= piece.steps)] = NOWHERE
    made = piece.take(np.tile(rows, 1 + followers)[:, None], np.repeat(step, len(rows), axis=0))
    pitches, by = np.arange(128), np.array(moves)[:, None]
    if tonal:
        key = key_of(piece, tonic, mode)
        degrees, raised = scale_degrees(pitches, *key)
        pitches = degree_pitches(degrees + by, *key) + raised
    else:
        pitches = pitches + by
    pitches[:, REST] = REST
    part = np.repeat(np.arange(1 + followers), len(rows))[:, None]
    grid = pitches[part, made.grid]
    return made.sing(fit_range(made, grid, beyond, lowest, highest))


def _validate_leaders(piece: Traced, rows: np.ndarray) -> None:
    """Check that some leader sings, where any voice does."""
    sings = piece.sounding.any(1)
    if sings.any() and not sings[rows].any():
        leaders = ", ".join(voice_name(int(row)) for row in rows[:4])
        other = voice_name(int(np.argmax(sings)))
        rest = "rests" if len(rows) == 1 else "rest"
        raise ChoraleError(f"voices: {leaders} {rest} throughout; {other} sings: choose it")


def _intervals(interval: object, followers: int) -> list[int]:
    """How much higher the leaders sing, which is nothing, and each follower."""
    listed = items_of(interval)
    if listed is None:
        listed = [interval] * followers
    if len(listed) != followers:
        raise ChoraleError(
            f"interval: expected one number, or one for each of {followers} followers, "
            f"got {len(listed)}"
        )
    return [0, *(whole(move, "interval", -127, 127) for move in listed)]
