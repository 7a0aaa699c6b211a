"""Bach's four-part chorales: load them, crop them, move them to other keys.

The corpus lies in `data/chorales.npz`: plain arrays, described in
`data/README.md`, built by `coconet.build`. Using it needs only numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coconet import places
from coconet.chorale import DEFAULTS, Chorale, read_npz
from coconet.errors import ChoraleError
from coconet.files import atomic_path
from coconet.grid import RANGES, REST, validate_span
from coconet.splits import SPLITS
from coconet.streams import phrases_at

FORMAT = 1
FILE = "chorales.npz"
#: At most a tritone, so that every key is reached once.
SHIFTS = (-6, 5)
#: Arrays of the .npz that hold one value a chorale, each a field of `Chorale`.
FIELDS = ("bwv", "title", "split", "tonic", "mode", "sharps", "time_signature", "upbeat", "tempo")
_TYPES = {"tonic": np.uint8, "sharps": np.int8, "upbeat": np.uint8, "tempo": np.float32}


def load_corpus(split: str | None = None, path: Path | str | None = None) -> list[Chorale]:
    """The chorales of one split, or all of them, in the order of their BWV numbers.

    Parameters
    ----------
    split : 'train', 'valid', 'test' or 'demo'; all four by default
    path : an .npz that `save_corpus` wrote; the project's own by default

    Raises
    ------
    ChoraleError
        For an unknown split, or a file that is missing or of another form.

    >>> [chorale.bwv for chorale in load_corpus("demo")]
    ['140.7', '180.7', '244.3', '373']
    """
    if split is not None and split not in SPLITS:
        raise ChoraleError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    path = places.data() / FILE if path is None else Path(path)
    names = ("format", "source", "lengths", "pitches", "onsets", "fermatas", "assumed", *FIELDS)
    arrays = read_npz(path, names)
    if arrays["format"].tolist() != FORMAT:
        raise ChoraleError(f"{path}: expected corpus format {FORMAT}, got {arrays['format']}")
    lengths, total = arrays["lengths"], int(arrays["lengths"].sum())
    columns = {name: arrays[name].tolist() for name in ("assumed", *FIELDS)}
    packed = -(-total // 8)
    shapes = {"pitches": (4, total), "onsets": (4, packed), "fermatas": (packed,)}
    shapes |= {name: lengths.shape for name in columns}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ChoraleError(
                f"{path}: expected {name} of shape {shape}, got {arrays[name].shape}"
            )
    onsets = np.unpackbits(arrays["onsets"], axis=1, count=total).astype(bool)
    fermatas = np.unpackbits(arrays["fermatas"], count=total).astype(bool)
    chorales = []
    for number, end in enumerate(np.cumsum(lengths)):
        if split is not None and columns["split"][number] != split:
            continue
        steps = slice(end - lengths[number], end)
        grid = arrays["pitches"][:, steps]
        chorales.append(
            Chorale(
                grid,
                onsets=onsets[:, steps],
                fermatas=fermatas[steps],
                phrases=phrases_at(fermatas[steps], grid),
                provenance={"source": str(arrays["source"])},
                assumed=tuple(columns["assumed"][number].split()),
                **{name: columns[name][number] for name in FIELDS},
            )
        )
    return chorales


def save_corpus(chorales: Sequence[Chorale], path: Path | str, *, source: str) -> None:
    """Write four-part chorales as one .npz, whole or not at all, the same bytes each time.

    Parameters
    ----------
    chorales : each with its `split`
    source : where they come from, which becomes their provenance

    Raises
    ------
    ChoraleError
        Where a chorale has no split or not four voices, or the file can't be written.
    """
    for chorale in chorales:
        if chorale.split not in SPLITS or chorale.voices != 4:
            raise ChoraleError(
                f"{chorale.title or chorale.bwv}: expected four voices and a split,"
                f" got {chorale.voices} voices and {chorale.split!r}"
            )
    if not chorales:
        raise ChoraleError(f"{path}: expected at least one chorale")
    arrays = {
        "format": np.array(FORMAT, np.int32),
        "source": np.array(source),
        "lengths": np.array([chorale.steps for chorale in chorales], np.int32),
        "pitches": np.concatenate([chorale.grid for chorale in chorales], 1).astype(np.uint8),
        "onsets": np.packbits(np.concatenate([chorale.onsets for chorale in chorales], 1), axis=1),
        "fermatas": np.packbits(np.concatenate([chorale.fermatas for chorale in chorales])),
        "assumed": np.array([" ".join(chorale.assumed) for chorale in chorales]),
    }
    for name in FIELDS:
        arrays[name] = np.array([getattr(chorale, name) for chorale in chorales], _TYPES.get(name))
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_jsb(path: Path | str) -> list[Chorale]:
    """The 382 chorales of the paper, in file order, each with its `split`.

    Parameters
    ----------
    path : an .npz with `pitches` (uint8, shape=(steps, 4), 0 = rest), `lengths`
        (int, shape=(pieces,)) and `split` (text, shape=(pieces,))

    Raises
    ------
    ChoraleError
        For a file that is missing, of another form, or holds pickled objects.
    """
    path = Path(path)
    arrays = read_npz(path, ("pitches", "lengths", "split"))
    pitches, lengths, splits = arrays["pitches"], arrays["lengths"], arrays["split"]
    if pitches.shape != (lengths.sum(), 4) or lengths.shape != splits.shape:
        raise ChoraleError(
            f"{path}: expected pitches of shape ({lengths.sum()}, 4) and {lengths.shape} splits,"
            f" got {pitches.shape} and {splits.shape}"
        )
    return [
        Chorale(
            pitches[end - length : end].T,
            title=f"JSB {number}",
            split=str(split),
            assumed=(*DEFAULTS, "onsets"),
        )
        for number, (length, end, split) in enumerate(
            zip(lengths, np.cumsum(lengths), splits, strict=True)
        )
    ]


def crop(chorale: Chorale, span: Sequence[int]) -> Chorale:
    """A stretch of a chorale, with its onsets, fermatas, phrases and bar lines.

    A note that is cut at its beginning begins with the crop; a fermata whose
    chord is cut at its end is lost.

    Parameters
    ----------
    span : half-open pair of steps within the piece

    Raises
    ------
    ChoraleError
        For a span that is empty or leaves the piece.
    """
    start, end = validate_span(span, chorale.steps)
    grid = chorale.grid[:, start:end]
    onsets = chorale.onsets[:, start:end].copy()
    onsets[:, 0] = grid[:, 0] != REST
    phrases: tuple[int, ...] = ()
    if chorale.phrases:
        edges = np.clip(np.cumsum((0, *chorale.phrases)), start, end)
        phrases = tuple(np.diff(np.unique(edges)).tolist())
    return chorale.replace(
        grid=grid,
        onsets=onsets,
        fermatas=chorale.fermatas[start:end],
        phrases=phrases,
        upbeat=(chorale.upbeat - start) % chorale.bar,
    )


def transpositions(
    grid: np.ndarray,
    *,
    ranges: Sequence[tuple[int, int]] = RANGES,
    limits: tuple[int, int] = SHIFTS,
) -> np.ndarray:
    """Semitones by which a grid may move so that each voice stays in its own range.

    Parameters
    ----------
    grid : int array, shape=(voices, steps)
    ranges : lowest and highest pitch of each voice
    limits : lowest and highest shift, 0 between them

    Returns
    -------
    int array, ascending, always with 0: a piece that leaves the ranges as it
    stands is still Bach's

    >>> transpositions(np.array([[79, 70], [60, 60], [50, 50], [40, 40]]))
    array([-4, -3, -2, -1,  0,  1,  2])
    """
    low, high = limits
    for row, (lowest, highest) in zip(grid, ranges, strict=True):
        sounding = row[row != REST]
        if len(sounding):
            low = max(low, lowest - int(sounding.min()))
            high = min(high, highest - int(sounding.max()))
    return np.arange(min(low, 0), max(high, 0) + 1)


def transpose(chorale: Chorale, semitones: int) -> Chorale:
    """The chorale in another key: pitches, tonic and signature move together.

    The new signature is the one with the fewest accidentals (-5 to 6).

    Raises
    ------
    ChoraleError
        Where a pitch would leave MIDI's 1-127.
    """
    sounding = chorale.grid != REST
    grid = np.where(sounding, chorale.grid + semitones, REST)
    if (sounding & ((grid < 1) | (grid > 127))).any():
        raise ChoraleError(
            f"{chorale.title or 'chorale'}: {semitones:+d} semitones would leave MIDI's 1-127"
        )
    sharps = (chorale.sharps + 7 * semitones + 5) % 12 - 5 if semitones else chorale.sharps
    return chorale.replace(
        grid=grid, onsets=chorale.onsets, tonic=(chorale.tonic + semitones) % 12, sharps=sharps
    )
