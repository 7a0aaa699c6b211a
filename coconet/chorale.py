"""A chorale: a grid, and what a bare array can't say.

Saved as `NAME.npy`, and beside it the sidecar `NAME.json`. The sidecar may be
absent; then defaults stand in, and `Chorale.assumed` names them.
"""

from __future__ import annotations

import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from coconet.errors import ChoraleError
from coconet.files import atomic_path, read_json, validate_writable, write_json
from coconet.grid import (
    REST,
    STEPS_PER_QUARTER,
    is_whole,
    onsets_of,
    validate_grid,
    validate_span,
    voice_name,
)

FORMAT = 1
#: What numpy raises for a damaged file.
READ_ERRORS = (ValueError, EOFError, SyntaxError, MemoryError, OverflowError, tokenize.TokenError)
#: What the sidecar may say, and what is assumed where it is silent.
DEFAULTS: dict[str, Any] = {
    "tonic": 0,
    "mode": "major",
    "sharps": 0,
    "time_signature": "4/4",
    "upbeat": 0,
    "tempo": 72.0,
}


@dataclass(frozen=True, eq=False)
class Chorale:
    """A grid with its onsets, metre, key and history.

    Attributes
    ----------
    grid : int16 array, shape=(voices, steps): MIDI pitches, 0 = rest
    onsets : bool array, shape=(voices, steps): where notes begin
    fermatas : bool array, shape=(steps,): on the last step of a held chord
    tonic : pitch class 0-11; mode : 'major' or 'minor'
    sharps : key signature, -7 (flats) to 7 (sharps)
    time_signature : such as '4/4'; upbeat : steps before the first bar line
    tempo : quarter notes a minute
    phrases : lengths of the phrases in steps, or () where unknown
    title, bwv : text, '' where unknown
    split : 'train', 'valid', 'test', 'demo', or None for a user's own
    provenance : enough to make it again: source, command, seed, model, settings
    assumed : names of the fields that nothing said, so that defaults stand in
    """

    grid: np.ndarray
    onsets: np.ndarray = None  # type: ignore[assignment]
    fermatas: np.ndarray = None  # type: ignore[assignment]
    tonic: int = DEFAULTS["tonic"]
    mode: str = DEFAULTS["mode"]
    sharps: int = DEFAULTS["sharps"]
    time_signature: str = DEFAULTS["time_signature"]
    upbeat: int = DEFAULTS["upbeat"]
    tempo: float = DEFAULTS["tempo"]
    phrases: tuple[int, ...] = ()
    title: str = ""
    bwv: str = ""
    split: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in ("title", "bwv"):
            # Control characters and halves of surrogate pairs are in no one's title.
            text = "".join(c for c in getattr(self, key) if c.isprintable()).strip()
            object.__setattr__(self, key, text)
        name = self.title or "chorale"
        grid = validate_grid(self.grid, name=name)
        steps = grid.shape[1]
        onsets = onsets_of(grid) if self.onsets is None else np.array(self.onsets)
        fermatas = np.zeros(steps, bool) if self.fermatas is None else np.array(self.fermatas)
        _expect(onsets.shape == grid.shape, name, f"onsets of shape {grid.shape}", onsets.shape)
        _expect(fermatas.shape == (steps,), name, f"fermatas of shape ({steps},)", fermatas.shape)
        onsets = onsets.astype(bool)
        _check_onsets(grid, onsets, name)
        _expect(is_whole(self.tonic, 0, 11), name, "a tonic of 0-11", self.tonic)
        _expect(self.mode in ("major", "minor"), name, "mode major or minor", self.mode)
        _expect(is_whole(self.sharps, -7, 7), name, "-7 to 7 sharps", self.sharps)
        parse_time_signature(self.time_signature)
        bar = self.bar
        upbeats = f"an upbeat of 0-{bar - 1} steps"
        _expect(is_whole(self.upbeat, 0, bar - 1), name, upbeats, self.upbeat)
        tempo = self.tempo
        good_tempo = isinstance(tempo, int | float) and not isinstance(tempo, bool)
        _expect(good_tempo and 5 <= tempo <= 1000, name, "a tempo of 5-1000", tempo)
        phrases = tuple(self.phrases)
        _expect(
            all(is_whole(length, 1, steps) for length in phrases) and sum(phrases) in (0, steps),
            name,
            f"phrases that add up to {steps} steps",
            phrases,
        )
        for key, value in (
            ("grid", grid),
            ("onsets", onsets),
            ("fermatas", fermatas.astype(bool)),
            ("tempo", float(tempo)),
            ("phrases", phrases),
        ):
            object.__setattr__(self, key, value)
        for array in (self.grid, self.onsets, self.fermatas):
            array.flags.writeable = False

    @property
    def voices(self) -> int:
        return self.grid.shape[0]

    @property
    def steps(self) -> int:
        return self.grid.shape[1]

    @property
    def bar(self) -> int:
        """Steps a bar."""
        return bar_steps(self.time_signature)

    @property
    def seconds(self) -> float:
        """Length at the chorale's tempo, in seconds."""
        return self.steps * 60 / self.tempo / STEPS_PER_QUARTER

    def replace(self, **changes: Any) -> Chorale:
        """A copy with some fields changed.

        A new grid without new onsets keeps the onsets of unchanged notes: a
        repeated note of a kept voice stays repeated.
        """
        if "grid" in changes and "onsets" not in changes:
            changes["onsets"] = self.onsets_for(np.asarray(changes["grid"]))
        return replace(self, **changes)

    def onsets_for(self, grid: np.ndarray, *, hidden: np.ndarray | None = None) -> np.ndarray:
        """Onsets of a rewritten grid: as they were where the pitch is, else merged.

        In cells of `hidden` (bool, shape=(voices, steps)) the old onsets say
        nothing, since those notes are newly written; there a note is never held
        over from one phrase into the next.
        """
        onsets = onsets_of(grid)
        if hidden is not None:
            after = np.flatnonzero(self.fermatas[:-1]) + 1
            onsets[:, after] |= hidden[:, after] & (grid[:, after] != REST)
        if grid.shape == self.grid.shape:
            same = (grid == self.grid) & (grid != REST)
            if hidden is not None:
                same &= ~hidden
            onsets |= same & self.onsets
        return onsets

    def bars_to_span(self, bars: str) -> tuple[int, int]:
        """Steps of the bars '5' or '5-8', numbered as in a score: an upbeat is bar 0."""
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*(?:-\s*([0-9]{1,6})\s*)?", bars)
        if not match:
            raise ChoraleError(f"bars {bars!r}: expected a number or a range such as 5-8")
        first = int(match[1])
        last = int(match[2] or first)
        lowest = 0 if self.upbeat else 1
        count = -(-(self.steps - self.upbeat) // self.bar)
        if not lowest <= first <= last <= count:
            raise ChoraleError(
                f"bars {bars!r}: expected bars within {lowest}-{count} of this piece, in order"
            )
        edges = (self.upbeat + (first - 1) * self.bar, self.upbeat + last * self.bar)
        return validate_span((max(0, edges[0]), min(self.steps, edges[1])), self.steps)


def quartet(chorale: Chorale, number: int) -> Chorale:
    """Quartet `number`, from 1, of a stack of voices."""
    count = chorale.voices // 4
    if chorale.voices % 4 or not 1 <= number <= count:
        raise ChoraleError(
            f"quartet: expected 1-{max(count, 1)} of a stack of whole quartets, "
            f"got {number} of {chorale.voices} voices"
        )
    rows = slice(4 * number - 4, 4 * number)
    return chorale.replace(grid=chorale.grid[rows], onsets=chorale.onsets[rows])


def parse_time_signature(text: str) -> tuple[int, int]:
    """'3/4' -> (3, 4), on the sixteenth grid; raises ChoraleError for anything else."""
    match = re.fullmatch(r"(\d{1,2})/(1|2|4|8|16)", str(text))
    if not match or int(match[1]) == 0:
        raise ChoraleError(
            f"time signature {text!r}: expected one such as 4/4, on the sixteenth grid"
        )
    return int(match[1]), int(match[2])


def bar_steps(time_signature: str) -> int:
    """Steps a bar.

    >>> bar_steps("3/4"), bar_steps("6/8")
    (12, 12)
    """
    beats, unit = parse_time_signature(time_signature)
    return beats * 16 // unit


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(83.4)
    '1:23'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def save_chorale(chorale: Chorale, path: Path | str, *, force: bool = False) -> Path:
    """Write `NAME.npy` and its sidecar `NAME.json`; return the array's path.

    Raises ChoraleError where either file exists (unless `force`) or can't be
    written; then neither is left half-written.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise ChoraleError(f"{path}: expected a name that ends in .npy")
    sidecar = path.with_suffix(".json")
    validate_writable(path, force=force)
    validate_writable(sidecar, force=force)
    # Both are written before either replaces an old one.
    with atomic_path(path, force=force) as array, atomic_path(sidecar, force=force) as side:
        with array.open("wb") as file:
            np.save(file, chorale.grid, allow_pickle=False)
        write_json(side, sidecar_of(chorale))
    return path


def load_chorale(path: Path | str) -> Chorale:
    """Read `NAME.npy` with its sidecar, if there is one beside it.

    An array that was edited keeps its sidecar: a new pitch begins a new note,
    whatever the sidecar's onsets say, and `assumed` then names the onsets.

    Raises ChoraleError for a file that isn't such an array, holds pickled
    objects, or is contradicted by its sidecar.
    """
    path = Path(path)
    grid = validate_grid(read_array(path), name=str(path))
    sidecar = path.with_suffix(".json")
    if not sidecar.exists():
        return Chorale(grid, title=path.stem, assumed=(*DEFAULTS, "onsets"))
    return chorale_from_sidecar(grid, read_json(sidecar), sidecar)


def read_array(path: Path | str) -> np.ndarray:
    """Read one .npy array, never running code; raises ChoraleError."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise ChoraleError(f"{path}: not a .npy file")
            file.seek(0)
            return np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise ChoraleError(f"{path}: no such file") from error
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror or error})") from error
    except READ_ERRORS as error:
        if isinstance(error, ChoraleError):
            raise
        hint = "it holds pickled objects" if "pickle" in str(error) else "is it truncated?"
        raise ChoraleError(f"{path}: can't be read as a plain array ({hint})") from error


def read_npz(path: Path | str, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read the named arrays of an .npz, never running code; raises ChoraleError."""
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            missing = [name for name in names if name not in arrays]
            if missing:
                raise ChoraleError(f"{path}: holds no array named {', '.join(missing)}")
            found = {name: arrays[name] for name in names}
        if not all(isinstance(array, np.ndarray) for array in found.values()):
            raise ChoraleError(f"{path}: holds something other than plain arrays")
        return found
    except FileNotFoundError as error:
        raise ChoraleError(f"{path}: no such file") from error
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror or error})") from error
    except (*READ_ERRORS, TypeError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, ChoraleError):
            raise
        raise ChoraleError(f"{path}: can't be read as an .npz of plain arrays ({error})") from error


def sidecar_of(chorale: Chorale) -> dict[str, Any]:
    """What the sidecar says of a chorale, ready for JSON."""
    return {
        "format": FORMAT,
        "voices": chorale.voices,
        "steps": chorale.steps,
        "title": chorale.title,
        "bwv": chorale.bwv,
        "split": chorale.split,
        "tonic": chorale.tonic,
        "mode": chorale.mode,
        "sharps": chorale.sharps,
        "time_signature": chorale.time_signature,
        "upbeat": chorale.upbeat,
        "tempo": chorale.tempo,
        "phrases": list(chorale.phrases),
        "fermatas": np.flatnonzero(chorale.fermatas).tolist(),
        "onsets": ["".join("x" if cell else "." for cell in row) for row in chorale.onsets],
        "assumed": list(chorale.assumed),
        "provenance": dict(chorale.provenance),
    }


def chorale_from_sidecar(grid: np.ndarray, side: dict[str, Any], path: Path) -> Chorale:
    """The chorale of a grid and what a sidecar says of it; `path` is for complaints.

    Raises ChoraleError for another format, a contradiction, or a field that can't be.
    """
    if side.get("format") != FORMAT:
        raise ChoraleError(f"{path}: expected sidecar format {FORMAT}, got {side.get('format')!r}")
    said = (side.get("voices", grid.shape[0]), side.get("steps", grid.shape[1]))
    if said != grid.shape:
        raise ChoraleError(
            f"{path}: contradicts its array: it speaks of shape {said}, the array has "
            f"{grid.shape}; cut a chorale with coconet.corpus.crop, or remove the sidecar"
        )
    fields = {key: side.get(key, default) for key, default in DEFAULTS.items()}
    assumed = set(side.get("assumed", ())) | {key for key in DEFAULTS if key not in side}
    try:
        if "onsets" in side:
            onsets = _parse_onsets(side["onsets"], grid.shape)
            fields["onsets"] = (onsets | onsets_of(grid)) & (grid != REST)
            if (fields["onsets"] != onsets).any():
                assumed.add("onsets")
        else:
            assumed.add("onsets")
        fermatas = np.zeros(grid.shape[1], bool)
        for step in side.get("fermatas", []):
            _expect(is_whole(step, 0, grid.shape[1] - 1), "fermatas", "steps of the piece", step)
            fermatas[step] = True
        return Chorale(
            grid,
            fermatas=fermatas,
            phrases=tuple(side.get("phrases", ())),
            title=str(side.get("title", "")),
            bwv=str(side.get("bwv", "")),
            split=side.get("split"),
            provenance=dict(side.get("provenance", {})),
            assumed=tuple(sorted(assumed)),
            **fields,
        )
    except ChoraleError as error:
        raise ChoraleError(f"{path}: {error}") from error
    except (TypeError, ValueError, IndexError) as error:
        raise ChoraleError(f"{path}: a field has the wrong form ({error})") from error


def _parse_onsets(rows: object, shape: tuple[int, int]) -> np.ndarray:
    """Onsets from a sidecar's strings, one a voice, 'x' where a note begins."""
    good = isinstance(rows, list) and all(isinstance(row, str) for row in rows)
    if not good or len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        raise ChoraleError(f"onsets: expected {shape[0]} strings of {shape[1]} signs, x or .")
    return np.array([[sign == "x" for sign in row] for row in rows])


def _check_onsets(grid: np.ndarray, onsets: np.ndarray, name: str) -> None:
    for wrong, complaint in (
        (onsets & (grid == REST), "a note begins on a rest"),
        (onsets_of(grid) & ~onsets, "the pitch changes where no note begins"),
    ):
        if wrong.any():
            voice, step = (int(i) for i in np.argwhere(wrong)[0])
            raise ChoraleError(
                f"{name}: onsets don't fit the grid: "
                f"{voice_name(voice)} at step {step}: {complaint}"
            )


def _expect(condition: bool, name: str, expected: str, got: object) -> None:
    if not condition:
        raise ChoraleError(f"{name}: expected {expected}, got {got!r}")
