"""Scoring models with the referee: whole splits, the short form, comparisons, CSV.

The figure of a model is the mean over pieces of each piece's mean nats a frame (or
note), its error the standard error over pieces. How a piece is scored, and what the
words mean, says `coconet.referee`.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from coconet import places
from coconet.chorale import Chorale
from coconet.corpus import FILE, load_corpus, load_jsb
from coconet.errors import ChoraleError
from coconet.files import atomic_path
from coconet.grid import REST, VOICES
from coconet.referee import CHUNK, PieceScore, ReadyPiece, Referee, resolution_of

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: Nats above which a frame counts as a surprise.
SURPRISE = 2.0
#: The short form: its number of pieces, and their lengths in sixteenths.
SHORT_PIECES = 12
SHORT_STEPS = (128, 256)
#: Rules of the short form. Every fifth step falls on all four sixteenths of the
#: beat alike; five orders, so that the figure is of the same kind as the whole one.
SHORT = Referee(every=5)


@dataclass(frozen=True)
class Summary:
    """A model's likelihood in a few figures.

    nats : mean over pieces of each piece's mean nats a frame (or note)
    error : its standard error over pieces; NaN for one piece
    median, p90, p99 : of all frames (notes) of all pieces
    surprises : share of them above 2 nats
    pieces, frames, notes : how many were scored
    voice_nats, voice_right : soprano to bass: mean nats a note, and share of the
        notes whose true pitch is the likeliest
    """

    nats: float
    error: float
    median: float
    p90: float
    p99: float
    surprises: float
    pieces: int
    frames: int
    notes: int
    voice_nats: tuple[float, ...]
    voice_right: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Scores:
    """A model's scores, piece by piece, and how they came about.

    precision : of the model's linear layers, where it tells
    split, data : where the pieces are from, as in `data_name`
    checkpoint, sha : the model's folder, and the beginning of its weights' SHA-256
    """

    model: str
    referee: Referee
    resolution: int
    pieces: tuple[PieceScore, ...]
    seconds: float
    precision: str = ""
    split: str = ""
    data: str = ""
    checkpoint: Path | None = None
    sha: str = ""

    def summary(self) -> Summary:
        return summarise(self.pieces)


@dataclass(frozen=True)
class Difference:
    """How one model's nats differ from another's on the same pieces.

    mean : over pieces; below zero where the other model is better than the first
    error : standard error of the mean over pieces; NaN for one piece
    """

    mean: float
    error: float
    pieces: int


def summarise(pieces: Sequence[PieceScore]) -> Summary:
    """The figures of one or more pieces."""
    if not pieces:
        raise ChoraleError("nothing was scored: expected at least one piece")
    nats = np.concatenate([piece.nats for piece in pieces])
    mean, error = _mean_and_error(np.array([piece.mean for piece in pieces]))
    median, p90, p99 = np.percentile(nats, [50, 90, 99]).tolist()
    cells = np.concatenate([piece.cells for piece in pieces], 1)
    right = np.concatenate([piece.right for piece in pieces], 1)
    return Summary(
        nats=mean,
        error=error,
        median=median,
        p90=p90,
        p99=p99,
        surprises=float((nats > SURPRISE).mean()),
        pieces=len(pieces),
        frames=int(sum(np.isfinite(piece.frames).sum() for piece in pieces)),
        notes=sum(piece.notes for piece in pieces),
        voice_nats=tuple(_mean(row) for row in cells),
        voice_right=tuple(_mean(row) for row in right),
    )


def compare_scores(first: Scores, other: Scores) -> Difference:
    """`other` minus `first`, piece by piece.

    Much smaller than the errors of the two figures: what is hard in a piece is hard
    for both. Raises ChoraleError unless rules, resolution and pieces are the same.
    """
    for what, a, b in (
        ("rules", first.referee, other.referee),
        ("resolutions", first.resolution, other.resolution),
    ):
        if a != b:
            raise ChoraleError(f"scores under different {what} don't compare: {a} and {b}")
    pairs = [sorted((piece.key, piece.mean) for piece in x.pieces) for x in (first, other)]
    keys = [[key for key, _ in side] for side in pairs]
    if keys[0] != keys[1]:
        raise ChoraleError(
            f"{first.model} and {other.model}: expected scores of the same pieces,"
            f" got {len(keys[0])} and {len(keys[1])}, not all the same"
        )
    means = np.array([[mean for _, mean in side] for side in pairs])
    differences = means[1] - means[0]
    return Difference(*_mean_and_error(differences), len(differences))


def score(
    predictor: Predictor,
    chorales: Sequence[Chorale],
    referee: Referee | None = None,
    *,
    model: str = "",
    chunk: int = CHUNK,
    progress: bool = True,
) -> Scores:
    """Score a model on whole chorales.

    Parameters
    ----------
    predictor : any Predictor, with what `coconet.referee.score_piece` makes use of
    chorales : of four voices
    referee : five random orders of frames by default
    model : a name for the scores; the predictor's own by default
    chunk : steps in one forward pass; the result doesn't depend on it
    progress : show a bar with the time left

    Raises
    ------
    ChoraleError
        For a piece without four voices, without a note, or with pitches that the
        model doesn't know; before anything is scored.
    """
    referee = referee or Referee()
    if not chorales:
        raise ChoraleError("nothing to score: expected at least one chorale")
    began = time.monotonic()
    pieces = [ReadyPiece(predictor, chorale, referee) for chorale in chorales]
    model = model or getattr(predictor, "name", "")
    with tqdm(
        total=sum(int(piece.work.sum()) for piece in pieces),
        desc=model,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left",
        disable=not progress,
    ) as bar:
        scored = tuple(piece.score(chunk, bar.update) for piece in pieces)
    seconds = time.monotonic() - began
    precision = getattr(predictor, "precision", "")
    return Scores(model, referee, resolution_of(predictor), scored, seconds, precision)


def table(results: Sequence[Scores]) -> str:
    """Scores of one or more models as lines of text, all under the same rules.

    Each model's likelihood; its notes by voice; and, from the second model on, the
    paired difference from the first.
    """
    first = results[0]
    found = [scores.summary() for scores in results]
    names = [scores.model for scores in results]
    width = max(12, *map(len, names))
    unit, rules = first.referee.unit, first.referee
    orders = f"{rules.orders} {rules.order} order{'s' * (rules.orders > 1)}"
    steps = "" if rules.every == 1 else f", one step in {rules.every}"
    pieces = found[0].pieces
    lines = [
        f"nats a {unit}: {pieces} piece{'s' * (pieces > 1)}, {found[0].frames:,} frames,"
        f" {found[0].notes:,} notes{steps}",
        f"{orders} of {unit}s, seed {rules.seed}, resolution {first.resolution}",
        "",
        f"{'model':<{width}}  {'mean ± error':>14}  median   90 %   99 %  > 2 nats  minutes",
    ]
    for scores, summary in zip(results, found, strict=True):
        lines.append(
            f"{scores.model:<{width}}  {_with_error(f'{summary.nats:>6.3f}', summary.error)}"
            f"  {summary.median:>6.3f} {summary.p90:>6.2f} {summary.p99:>6.2f}"
            f"  {summary.surprises:>8.1%}  {scores.seconds / 60:>7.1f}"
        )
    head = "".join(f"{voice:>16}" for voice in VOICES)
    lines += ["", f"{'nats a note':<{width}}{head}"]
    for name, summary in zip(names, found, strict=True):
        pairs = zip(summary.voice_nats, summary.voice_right, strict=True)
        cells = "".join(f"{nats:>8.3f} {right:>6.1%} " for nats, right in pairs)
        lines.append(f"{name:<{width}}{cells}")
    lines.append("(percentages: notes whose true pitch is the likeliest)")
    if len(results) > 1:
        lines += ["", f"minus {names[0]}, piece by piece (below zero is better)"]
        for scores in results[1:]:
            difference = compare_scores(first, scores)
            told = _with_error(f"{difference.mean:>+6.3f}", difference.error)
            lines.append(f"{scores.model:<{width}}  {told}".rstrip())
    return "\n".join(lines)


def _with_error(mean: str, error: float) -> str:
    """A mean and its error, in 14 columns; one piece has no error."""
    return f"{mean:<14}" if math.isnan(error) else f"{mean} ± {error:.3f}"


def load_pieces(data: Path | str | None = None, split: str = "valid") -> list[Chorale]:
    """The chorales of a split, from a corpus or from the paper's JSB file.

    data : an .npz as `coconet.corpus.save_corpus` or `load_jsb` describe it, told
        apart by the arrays in it; the project's own corpus by default
    split : 'train', 'valid', 'test' or 'demo'

    Raises ChoraleError where the file can't be read or the split is empty.
    """
    if data is not None and _is_jsb(Path(data)):
        found = [chorale for chorale in load_jsb(data) if chorale.split == split]
    else:
        found = load_corpus(split, data)
    if not found:
        raise ChoraleError(f"{data}: holds no chorale of the split {split!r}")
    return found


def data_name(data: Path | str | None = None) -> str:
    """A file of chorales by its name and the beginning of its SHA-256.

    >>> data_name().split()[0]
    'chorales.npz'
    """
    path = places.data() / FILE if data is None else Path(data)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror})") from error
    return f"{path.name} {digest[:12]}"


def evenly(chorales: Sequence[Chorale], count: int) -> list[Chorale]:
    """`count` of the chorales, evenly spaced from the first on.

    >>> evenly(["a", "b", "c", "d", "e"], 2)
    ['a', 'c']
    """
    if not 1 <= count <= len(chorales):
        raise ChoraleError(f"pieces: expected 1-{len(chorales)}, got {count}")
    return [chorales[i * len(chorales) // count] for i in range(count)]


def short_form(chorales: Sequence[Chorale]) -> list[Chorale]:
    """The pieces of the short form: 12, evenly spaced among those of moderate length.

    chorales : those of a valid split, in its order; what has rests, fewer than 128
        or more than 256 steps is passed over
    """
    low, high = SHORT_STEPS
    moderate = [c for c in chorales if low <= c.steps <= high and (c.grid != REST).all()]
    if len(moderate) < SHORT_PIECES:
        raise ChoraleError(
            f"the short form: expected {SHORT_PIECES} pieces of {low}-{high} steps without"
            f" rests, got {len(moderate)}; score the whole split"
        )
    return evenly(moderate, SHORT_PIECES)


def write_scores(results: Sequence[Scores], path: Path | str, *, force: bool = False) -> None:
    """Write a CSV, whole or not at all: a row for each model and piece.

    Its columns are the model, where the pieces are from, the rules, the piece with its
    key in hex, and the fields of `Summary` but the error. `checkpoint` is a path seen
    from the CSV's folder, so that a run may be moved with what was measured of it;
    `update` is what the folder of a run's state is named after.
    """
    rows = []
    folder = Path(path).resolve().parent
    for scores in results:
        for piece in scores.pieces:
            found = asdict(summarise([piece]))
            by_voice = {
                f"{kind}_{voice}": value
                for kind in ("nats", "right")
                for voice, value in zip(VOICES, found.pop(f"voice_{kind}"), strict=True)
            }
            del found["pieces"], found["error"]
            rows.append(
                {"model": scores.model, **_origin(scores, folder)}
                | {"resolution": scores.resolution, **asdict(scores.referee)}
                | {"piece": piece.name, "key": _hex(piece.key), **found, **by_voice}
            )
    if not rows:
        raise ChoraleError(f"{path}: nothing was scored")
    with (
        atomic_path(Path(path), force=force) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def _origin(scores: Scores, folder: Path) -> dict[str, object]:
    """Columns that tell which weights were scored, on what; `folder` is the CSV's."""
    checkpoint, update = "", ""
    if scores.checkpoint is not None:
        where = scores.checkpoint.resolve()
        try:
            checkpoint = Path(os.path.relpath(where, folder)).as_posix()
        except ValueError:  # another drive
            checkpoint = where.as_posix()
        update = str(int(where.name)) if where.name.isdecimal() else ""
    return {
        "checkpoint": checkpoint,
        "update": update,
        "sha": scores.sha,
        "precision": scores.precision,
        "split": scores.split,
        "data": scores.data,
    }


def _hex(key: Sequence[int]) -> str:
    """The key of a piece as text.

    >>> _hex((1, 2, 3, 255))
    '000000010000000200000003000000ff'
    """
    return "".join(f"{number:08x}" for number in key)


def _mean(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN where nothing is left."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean and its standard error; NaN for one value."""
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), float(error)


def _is_jsb(path: Path) -> bool:
    """Whether an .npz holds the arrays of the JSB file and isn't a corpus."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False
    return {"pitches", "lengths", "split"} <= names and "format" not in names
