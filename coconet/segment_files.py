"""Segments as files: the project's own, and arrays that have only their numbers.

`NAME.npy` holds the array, `NAME.json` beside it the sidecar: the fits, and the
chorale that the segments join to. An array without a sidecar says neither its
key nor, perhaps, its pitches: older programs stored them minus 30 and in C. What it
seems to be is guessed, and `Segments.notes` tells each guess and how surely.

Conventions
-----------
The **offset** is what was taken off each pitch before it was stored. A stored value
of 0, or of minus the offset, is a rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from coconet.chorale import (
    DEFAULTS,
    Chorale,
    chorale_from_sidecar,
    load_chorale,
    read_array,
    sidecar_of,
)
from coconet.errors import ChoraleError
from coconet.files import atomic_path, read_json, validate_writable, write_json
from coconet.grid import DTYPE, RANGES, REST, is_whole, voice_name
from coconet.segments import Fit, Length, Segments, fits_of, to_segments
from coconet.theory import key_name, key_scores, key_sharps

FORMAT = 1
KIND = "segments"
#: What was taken off each pitch by the programs whose arrays are read here.
OFFSET = 30
#: Semitones by which a voice may leave its range: a piece moved to C by up to a tritone.
MOVED = 6
#: By how much the best key must fit better than the next tonic's for a sure guess: so
#: far apart, 95 in 100 of Bach's chorales have the tonic that is found.
SURE = 0.15
#: Shares of pitches in range by which an array is turned: by columns more than the first, by
#: rows less than the second. Of Bach's chorales all pitches are, turned at most 0.96.
TURNED = (0.99, 0.97)


def save_segments(
    segments: Segments, path: Path | str, *, force: bool = False, legacy: bool = False
) -> Path:
    """Write `NAME.npy` and its sidecar `NAME.json`; return the array's path.

    Parameters
    ----------
    force : overwrite files of these names
    legacy : store the array as older programs do, minus 30 and in C, which a tonic up
        to F falls to and a higher one rises to, as int64, rests as -30;
        `load_segments` gives the true pitches back

    Raises
    ------
    ChoraleError
        Where either file exists (unless `force`) or can't be written, and for pitches
        that can't be stored so. Then neither file is left half-written.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise ChoraleError(f"{path}: expected a name that ends in .npy")
    sidecar = path.with_suffix(".json")
    validate_writable(path, force=force)
    validate_writable(sidecar, force=force)
    tonic = segments.chorale.tonic
    # Never more than a tritone, so that the bass stays above 30.
    moved = 0 if not legacy else -tonic if tonic < 6 else 12 - tonic
    stored = _old_form(segments.grid, moved, path) if legacy else segments.grid
    side = {
        "format": FORMAT,
        "kind": KIND,
        "shape": list(stored.shape),
        "fits": [[fit.model, fit.true, fit.at] for fit in segments.fits],
        "offset": OFFSET if legacy else 0,
        "moved": moved,
        "notes": list(segments.notes),
        "chorale": sidecar_of(segments.chorale),
    }
    # Both are written before either replaces an old one.
    with atomic_path(path, force=force) as array, atomic_path(sidecar, force=force) as beside:
        with array.open("wb") as file:
            np.save(file, stored, allow_pickle=False)
        write_json(beside, side)
    return path


def load_segments(
    path: Path | str,
    *,
    offset: int | None = None,
    tonic: int | None = None,
    mode: str | None = None,
    lengths: Sequence[Length] | None = None,
) -> Segments:
    """Read an array of segments, with its sidecar or without.

    Parameters
    ----------
    path : .npy of shape (segments, voices, steps), or (voices, steps), which becomes
        one segment as wide as the piece, or as many as there are `lengths`
    offset : what was taken off the pitches; by default guessed, 0 or 30, by the
        voices' ranges
    tonic, mode : the key in which the array stands, pitch class 0-11, 'major' or 'minor'; by
        default guessed by its pitch classes
    lengths : one a segment: a true length, [model, true] or [model, true, at]; by
        default what sounds of each segment, not expanded. What lies beyond a length is
        outside.

    Returns
    -------
    Segments, in true MIDI pitches; `notes` says what was guessed, and how surely

    Raises
    ------
    ChoraleError
        For a file that isn't such an array, one contradicted by its sidecar or by the
        offset (the first bad cell is named), one that is surely turned, lengths that
        don't fit, a segment or a voice that never sounds, and options beside a sidecar
        that says it all.
    """
    path = Path(path)
    array = read_array(path)
    sidecar = path.with_suffix(".json")
    given = {"offset": offset, "tonic": tonic, "mode": mode}
    if sidecar.exists():
        named = [name for name, value in given.items() if value is not None]
        if named:
            raise ChoraleError(
                f"{path}: its sidecar {sidecar.name} says its key and pitches: "
                f"give no {', '.join(named)}, or remove the sidecar"
            )
        side = read_json(sidecar)
        if side.get("kind") == KIND:
            if lengths is not None:
                raise ChoraleError(f"{path}: its sidecar says its lengths: give none")
            return _from_sidecar(array, side, path, sidecar)
        if array.ndim == 3:
            raise ChoraleError(
                f"{sidecar}: expected a sidecar of kind {KIND!r}, got {side.get('kind')!r}"
            )
        return _cut(load_chorale(path), lengths)
    return _bare(array, path, lengths, **given)


def _from_sidecar(array: np.ndarray, side: dict[str, Any], path: Path, sidecar: Path) -> Segments:
    if side.get("format") != FORMAT:
        raise ChoraleError(f"{sidecar}: expected format {FORMAT}, got {side.get('format')!r}")
    if side.get("shape") != list(array.shape) or array.ndim != 3:
        raise ChoraleError(
            f"{sidecar}: contradicts its array: it speaks of shape {side.get('shape')}, "
            f"the array has {list(array.shape)}"
        )
    try:
        fits = tuple(Fit(*lengths) for lengths in side["fits"])
        offset, moved = side["offset"], side["moved"]
        notes = tuple(str(note) for note in side.get("notes", ()))
        if not is_whole(moved, -11, 11):
            raise ChoraleError(f"moved: expected semitones within an octave, got {moved!r}")
        pitches = _pitches(array, offset, path, moved=moved, said_by=sidecar)
        laid = _lay(pitches, fits, sidecar)
        chorale = chorale_from_sidecar(laid.chorale.grid, dict(side["chorale"]), sidecar)
        notes += tuple(_left_out(pitches, fits))
        return Segments(chorale, fits, array.shape[2], tuple(dict.fromkeys(notes)))
    except ChoraleError as error:
        message = str(error)
        named = message.startswith((str(path), str(sidecar)))
        raise ChoraleError(message if named else f"{sidecar}: {message}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ChoraleError(
            f"{sidecar}: a field is missing or has the wrong form ({error})"
        ) from error


def _bare(
    array: np.ndarray,
    path: Path,
    lengths: Sequence[Length] | None,
    *,
    offset: int | None,
    tonic: int | None,
    mode: str | None,
) -> Segments:
    """Segments of an array that has only its numbers."""
    whole = array.ndim == 2
    _check_shape(array, path)
    array = array[None] if whole else array
    _check_turned(array, path)
    assumed, notes = {"onsets", *DEFAULTS}, []
    if offset is None:
        offset, _, note = guess_offset(array)
        notes.append(note)
    pitches = _pitches(array, offset, path)
    zeros = int(((array == 0) & (offset != 0)).sum())
    if zeros:
        notes.append(f"{zeros} cells hold 0: taken for rests, not for pitch {offset}")
    if whole:
        segments = _cut(Chorale(pitches[0], title=path.stem), lengths)
    else:
        fits = _fits(pitches, lengths, path)
        if lengths is None:
            notes.append("true lengths: not known, taken for those of the array")
        notes += _left_out(pitches, fits)
        segments = _lay(pitches, fits, path)
    _check_voices(segments.chorale, path)
    _check_key(tonic, mode)
    if tonic is None or mode is None:
        (tonic, mode), note = guess_key(segments.chorale.grid, tonic=tonic, mode=mode)
        notes.append(note)
    else:
        assumed -= {"tonic", "mode", "sharps"}
    named = segments.replace(
        tonic=int(tonic),
        mode=mode,
        sharps=key_sharps(int(tonic), mode),
        title=path.stem,
        assumed=tuple(sorted(assumed)),
    )
    return replace(named, notes=tuple(notes))


def guess_offset(array: np.ndarray) -> tuple[int, bool, str]:
    """Whether pitches were stored as they are or minus 30, by the ranges of the voices.

    Parameters
    ----------
    array : int array, shape=(segments, voices, steps), rows soprano, alto, tenor, bass …

    Returns
    -------
    (0 or 30, whether surely, what was found in a sentence)
    """
    shares = _in_range(array)
    best = OFFSET if shares[OFFSET] > shares[0] else 0
    other = OFFSET - best
    sure = shares[best] > 0.9 and shares[other] < 0.5
    told = "stored minus 30" if best else "stored as they are"
    doubt = "" if sure else ", but not surely; offset= (--offset) settles it"
    note = (
        f"pitches: {told}{doubt}: so {shares[best]:.0%} of them lie in their voice's range, "
        f"with an offset of {other} {shares[other]:.0%}"
    )
    return best, sure, note


def guess_key(
    grid: np.ndarray, *, tonic: int | None = None, mode: str | None = None
) -> tuple[tuple[int, str], str]:
    """The key in which an array stands, by its pitch classes alone (`theory.key_scores`).

    The last bass note, which `theory.find_key` trusts, may be padding here.

    Parameters
    ----------
    grid : int array, shape=(voices, steps)
    tonic, mode : where one of them is known

    Returns
    -------
    (tonic, mode), and what was found in a sentence
    """
    _check_key(tonic, mode)
    scores = key_scores(grid)
    allowed = np.ones(scores.shape, bool)
    if tonic is not None:
        allowed &= np.arange(12) == tonic
    if mode is not None:
        allowed &= np.array([[mode == "major"], [mode == "minor"]])
    row, found = np.unravel_index(np.where(allowed, scores, -np.inf).argmax(), scores.shape)
    others = np.delete(scores.max(0), found)
    gap = scores[row, found] - others.max()
    key = (int(found), ("major", "minor")[row])
    next_best = int(np.delete(np.arange(12), found)[others.argmax()])
    if tonic is not None:
        return key, f"mode: {key[1]}, by the pitch classes"
    doubt = "" if gap > SURE else ", but not surely; tonic= (--tonic) settles it"
    moved = "; where the piece was moved to C, its own key is not known" if found == 0 else ""
    return key, (
        f"key: {key_name(*key)}{doubt}: correlation {scores[row, found]:.2f}, "
        f"with {key_name(next_best, key[1]).split()[0]} as tonic {others.max():.2f}{moved}"
    )


def _cut(chorale: Chorale, lengths: Sequence[Length] | None) -> Segments:
    """A piece as one segment of its own width, or as those of `lengths`."""
    if lengths is None:
        return to_segments(chorale, [chorale.steps], width=chorale.steps)
    fits = fits_of(lengths)
    return to_segments(chorale, fits, width=max(fit.model for fit in fits))


def _fits(pitches: np.ndarray, lengths: Sequence[Length] | None, path: Path) -> tuple[Fit, ...]:
    """How the phrases lie on the segments of an array; silence at the end is outside."""
    sounding = (pitches != REST).any(1)
    silent = np.flatnonzero(~sounding.any(1))
    if len(silent):
        raise ChoraleError(f"{path}: segment {silent[0] + 1} never sounds")
    width = pitches.shape[2]
    models = width - sounding[:, ::-1].argmax(1)
    if lengths is None:
        return tuple(Fit(int(model), int(model)) for model in models)
    fits = fits_of(lengths, width)
    if len(fits) != len(models):
        raise ChoraleError(
            f"{path}: expected {len(models)} lengths, one a segment, got {len(fits)}"
        )
    for number, fit in enumerate(fits, start=1):
        if fit.model > width:
            raise ChoraleError(f"{path}: segment {number} has {width} steps, got {fit.model}")
    return fits


def _lay(pitches: np.ndarray, fits: tuple[Fit, ...], path: Path) -> Segments:
    """Segments of checked pitches, shape=(segments, voices, width)."""
    if len(fits) != len(pitches):
        raise ChoraleError(f"{path}: {len(fits)} fits for {len(pitches)} segments")
    rests = Chorale(
        np.full((pitches.shape[1], sum(fit.true for fit in fits)), REST), title=path.stem
    )
    return Segments(rests, fits, pitches.shape[2]).with_grid(pitches)


def _left_out(pitches: np.ndarray, fits: tuple[Fit, ...]) -> list[str]:
    """What sounds beyond the end of a phrase and is not read, in a sentence a segment."""
    beyond = np.arange(pitches.shape[2]) >= np.array([[fit.model] for fit in fits])
    return [
        f"segment {number}: {count} sounding steps beyond its length left out"
        for number, count in enumerate(((pitches != REST).any(1) & beyond).sum(1), start=1)
        if count
    ]


def _in_range(array: np.ndarray) -> dict[int, float]:
    """For offsets 0 and 30 the share of sounding cells that lie in their voice's range."""
    low, high = np.array(RANGES)[np.arange(array.shape[1]) % len(RANGES)].T[:, :, None]
    stored, shares = array.astype(np.int64), {}
    for offset in (0, OFFSET):
        pitch, sounding = stored + offset, (stored != 0) & (stored != -offset)
        fits = (pitch >= low - MOVED) & (pitch <= high + MOVED)
        shares[offset] = float((fits & sounding).sum() / max(1, sounding.sum()))
    return shares


def _check_shape(array: np.ndarray, path: Path) -> None:
    if array.ndim not in (2, 3) or array.dtype.kind not in "iu" or 0 in array.shape:
        raise ChoraleError(
            f"{path}: expected whole numbers of shape (segments, voices, steps) or "
            f"(voices, steps), got {array.dtype} of shape {array.shape}"
        )
    voices, steps = array.shape[-2:]
    if voices % 4:
        turned = steps % 4 == 0
        raise ChoraleError(
            f"{path}: expected four voices or stacked quartets, got shape {array.shape}"
            + ("; did you mean its transpose?" if turned else "")
        )


def _check_turned(array: np.ndarray, path: Path) -> None:
    """Refuse an array, shape=(segments, rows, columns), whose columns are surely the voices."""
    turned = array.swapaxes(1, 2)
    if turned.shape[1] % 4 == 0:
        rows, columns = (max(_in_range(way).values()) for way in (array, turned))
        if columns > TURNED[0] and rows < TURNED[1]:
            raise ChoraleError(
                f"{path}: expected rows soprano, alto, tenor, bass: {columns:.0%} of the pitches "
                f"lie in the ranges of columns in that order, {rows:.0%} in those of rows; "
                "did you mean its transpose?"
            )


def _check_key(tonic: object, mode: object) -> None:
    if tonic is not None and not is_whole(tonic, 0, 11):
        raise ChoraleError(f"key: expected a tonic of 0-11, got {tonic!r}")
    if mode not in (None, "major", "minor"):
        raise ChoraleError(f"key: expected mode major or minor, got {mode!r}")


def _check_voices(chorale: Chorale, path: Path) -> None:
    silent = np.flatnonzero((chorale.grid == REST).all(1))
    if len(silent):
        raise ChoraleError(f"{path}: the {voice_name(int(silent[0]))} never sounds")


def _pitches(
    array: np.ndarray,
    offset: int,
    path: Path,
    *,
    moved: int = 0,
    said_by: Path | None = None,
) -> np.ndarray:
    """True MIDI pitches of a stored array, rests 0; `said_by` is its sidecar, if any."""
    if array.dtype.kind not in "iu":
        raise ChoraleError(f"{path}: expected whole numbers, got {array.dtype}")
    if not is_whole(offset, 0, 127):
        raise ChoraleError(f"{said_by or path}: expected an offset of 0-127, got {offset!r}")
    stored = array.astype(np.int64)
    rest = (stored == 0) | (stored == -offset)
    pitches = np.where(rest, REST, stored + offset - moved)
    bad = ~rest & ((pitches < 1) | (pitches > 127))
    if bad.any():
        place = np.argwhere(bad)[0]
        segment, voice, step = (int(i) for i in place)
        below = "below 1" if pitches[tuple(place)] < 1 else "above 127"
        how = f"an offset of {offset}" + (f", moved by {moved}" if moved else "")
        cause = "was another offset taken off?"
        if said_by is not None:
            how, cause = f"{how}, as {said_by.name} says", "was the array edited?"
        raise ChoraleError(
            f"{path}: segment {segment + 1}, {voice_name(voice)} at step {step}: "
            f"{stored[tuple(place)]} is pitch {pitches[tuple(place)]} with {how}, "
            f"{below}; {cause}"
        )
    return pitches.astype(DTYPE)


def _old_form(grid: np.ndarray, moved: int, path: Path) -> np.ndarray:
    """The array as older programs store it: moved to C, minus 30."""
    stored = grid.astype(np.int64) + moved - OFFSET
    low = (grid != REST) & (stored <= 0)
    if low.any():
        segment, voice, step = (int(i) for i in np.argwhere(low)[0])
        was, would = grid[segment, voice, step], stored[segment, voice, step]
        raise ChoraleError(
            f"{path}: segment {segment + 1}, {voice_name(voice)} at step {step}: pitch {was} "
            f"would be stored as {would}, in C and minus 30: too low for the old form"
        )
    return np.where(grid == REST, -OFFSET, stored)
