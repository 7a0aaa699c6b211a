"""How a piece ends: the key that was heard before, and whether the last chord is its tonic's.

A tonic read off the final bass would call every ending right. So the key is
taken from what comes before it.
"""

from __future__ import annotations

import numpy as np

from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER
from coconet.theory import key_scores


def key_before_the_end(grid: np.ndarray) -> tuple[int, str] | None:
    """Tonic and mode by what comes before the last bass note, so blind to how the piece ends.

    Pitch classes are compared with key profiles (`theory.key_scores`): those of
    the whole, once more those of the last four beats, and at half weight those
    of the first two beats, where a chorale states and confirms its key.

    Returns
    -------
    (tonic, mode), or None where nothing comes before
    """
    bass = np.flatnonzero(grid[-1] != REST)
    if not len(bass):
        return None
    changes = np.flatnonzero(grid[-1, : bass[-1]] != grid[-1, bass[-1]])
    before = grid[:, : changes[-1] + 1] if len(changes) else grid[:, :0]
    beats = STEPS_PER_QUARTER
    scores = key_scores(before) + key_scores(before[:, -4 * beats :])
    scores = scores + key_scores(before[:, : 2 * beats]) / 2
    if not scores.any():
        return None
    row, tonic = np.unravel_index(np.argmax(scores), scores.shape)
    return int(tonic), ("major", "minor")[row]


def ends_on_tonic(grid: np.ndarray, tonic: int, mode: str) -> bool:
    """Whether the last chord is the tonic triad, its root in the bass.

    The fifth may be missing, the third may not; a minor piece may end on a
    major third (Picardy).

    Parameters
    ----------
    grid : int array, shape=(voices, steps); the last row is the bass, the last
        chord what sounds at the last step that isn't silent
    tonic : pitch class 0-11; mode : 'major' or 'minor'

    >>> ends_on_tonic(np.array([[72], [64], [60], [48]]), 0, "minor")
    True
    >>> ends_on_tonic(np.array([[74], [67], [59], [43]]), 0, "major")
    False
    """
    if mode not in ("major", "minor"):
        raise ChoraleError(f"mode: expected major or minor, got {mode!r}")
    steps = np.flatnonzero((grid != REST).any(0))
    if not len(steps):
        return False
    chord = grid[:, steps[-1]].astype(int)
    degrees = set(((chord[chord != REST] - tonic) % 12).tolist())
    thirds = [{0, 4}] if mode == "major" else [{0, 4}, {0, 3}]
    on_root = chord[-1] != REST and (chord[-1] - tonic) % 12 == 0
    return bool(on_root and any(degrees - {7} == third for third in thirds))
