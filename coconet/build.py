"""Building the corpus from music21's scores; what `coconet corpus` does."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from coconet import places
from coconet.chorale import DEFAULTS, Chorale
from coconet.corpus import FILE, load_jsb, save_corpus
from coconet.errors import ChoraleError
from coconet.files import validate_writable, write_text
from coconet.grid import REST
from coconet.splits import SPLITS, assign_splits
from coconet.streams import chorale_of_stream, phrases_at

SPLITS_FILE = "splits.csv"
COLUMNS = ("bwv", "split", "jsb", "title")


def build_corpus(
    *,
    out: Path | str | None = None,
    jsb: Path | str | None = None,
    workers: int = 2,
    progress: bool = True,
) -> dict[str, int]:
    """Write `chorales.npz` from the corpus that comes with music21.

    Every four-part chorale by Bach is taken; among more parts, those named
    soprano, alto, tenor and bass. Bars in which only instruments play are left
    out, and so are exact duplicates.

    Parameters
    ----------
    out : folder to write into; the project's `data` by default
    jsb : the paper's pieces (see `corpus.load_jsb`). With them the splits are
        worked out anew and `splits.csv` is written too; otherwise they are
        those of `splits.csv` in the project's `data`.
    workers : processes that parse; progress : whether to show a bar

    Returns
    -------
    counts : `files`, `refused` (files that are not in four parts),
        `duplicates`, `rounded` (notes off the grid), `silent` (steps left
        out), `chorales`, and chorales in each split

    Raises
    ------
    ChoraleError
        Where music21 or the JSB file is missing, `splits.csv` has no line for a
        chorale, or the folder can't be written.
    """
    folder = places.data() if out is None else Path(out)
    validate_writable(folder / FILE, force=True)
    table = places.data() / SPLITS_FILE
    pieces = None if jsb is None else load_jsb(jsb)
    splits = read_splits(table) if pieces is None else {}
    source, paths = _scores()
    chorales, counts = _read_all(paths, workers=workers, progress=progress)
    rows = []
    if pieces is not None:
        for chorale, (split, twins) in zip(chorales, assign_splits(chorales, pieces), strict=True):
            splits[chorale.bwv] = split
            rows.append((chorale.bwv, split, " ".join(map(str, twins)), chorale.title))
    unknown = [chorale.bwv for chorale in chorales if chorale.bwv not in splits]
    if unknown:
        raise ChoraleError(
            f"{table}: no line for BWV {', '.join(unknown[:5])} ({len(unknown)} in all): made from"
            " another version of music21? Name the paper's JSB file to split anew"
        )
    chorales = [chorale.replace(split=splits[chorale.bwv]) for chorale in chorales]
    save_corpus(chorales, folder / FILE, source=source)
    if rows:
        _write_splits(folder / SPLITS_FILE, rows)
    counts["chorales"] = len(chorales)
    return counts | {name: sum(piece.split == name for piece in chorales) for name in SPLITS}


def read_splits(path: Path | str) -> dict[str, str]:
    """The split of each BWV number in a `splits.csv`; raises ChoraleError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ChoraleError(
            f"{path}: no such file; name the paper's JSB file to split anew"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ChoraleError(f"{path}: can't be read ({error})") from error
    splits: dict[str, str] = {}
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        bwv, split = row.get("bwv"), row.get("split")
        if not bwv or bwv in splits or split not in SPLITS:
            raise ChoraleError(
                f"{path}: line {reader.line_num}: expected a new BWV number and one of"
                f" {', '.join(SPLITS)}, got {bwv!r} and {split!r}"
            )
        splits[bwv] = split
    return splits


def without_silent_bars(chorale: Chorale) -> Chorale:
    """The chorale without the bars in which every voice rests.

    There the instruments play alone. An upbeat or a last bar that is cut short
    counts as a bar; rests within a bar stay.
    """
    bars = (np.arange(chorale.steps) - chorale.upbeat) // chorale.bar
    heard = np.isin(bars, bars[(chorale.grid != REST).any(0)])
    if heard.all():
        return chorale
    grid, fermatas = chorale.grid[:, heard], chorale.fermatas[heard]
    return chorale.replace(
        grid=grid,
        onsets=chorale.onsets[:, heard],
        fermatas=fermatas,
        phrases=phrases_at(fermatas, grid),
        upbeat=chorale.upbeat if heard[0] else 0,
    )


def _scores() -> tuple[str, list[Path]]:
    """What the corpus comes from, and its scores by Bach in a fixed order."""
    try:
        import music21
    except ImportError as error:
        raise ChoraleError("music21 is missing: python -m pip install music21") from error
    # Its .rntxt files are analyses in Roman numerals. Where a number has two
    # scores, the one in .krn comes last and gets the suffix.
    paths = [Path(path) for path in music21.corpus.getComposer("bach")]
    paths = [path for path in paths if path.suffix in (".mxl", ".xml", ".krn")]
    paths.sort(key=lambda path: (path.suffix == ".krn", _by_number(_number(path))))
    return f"music21 {music21.VERSION_STR}, corpus/bach", paths


def _read_all(
    paths: Sequence[Path], *, workers: int, progress: bool
) -> tuple[list[Chorale], dict[str, int]]:
    """The chorales in order of their numbers, and what was counted on the way."""
    from tqdm.auto import tqdm

    titles = _titles()
    chorales: dict[str, Chorale] = {}
    contents = set()
    counts = {"files": len(paths), "refused": 0, "duplicates": 0, "rounded": 0, "silent": 0}
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(workers)) if workers > 1 else None
        results = pool.map(_read, paths, chunksize=4) if pool else map(_read, paths)
        results = tqdm(results, total=len(paths), desc="reading scores", disable=not progress)
        for path, result in zip(paths, results, strict=True):
            if result is None:
                counts["refused"] += 1
                continue
            printed, rounded = result
            chorale = without_silent_bars(printed)
            content = (chorale.grid.tobytes(), chorale.onsets.tobytes())
            if content in contents:
                counts["duplicates"] += 1
                continue
            contents.add(content)
            counts["rounded"] += rounded
            counts["silent"] += printed.steps - chorale.steps
            bwv = _number(path)
            if bwv in chorales:
                bwv = f"{bwv}-{path.suffix[1:]}"
            title = titles.get(bwv) or titles.get(bwv.partition("-")[0], "")
            chorales[bwv] = chorale.replace(bwv=bwv, title=title)
    return sorted(chorales.values(), key=lambda chorale: _by_number(chorale.bwv)), counts


def _read(path: Path) -> tuple[Chorale, int] | None:
    """The chorale in a score and how many notes were rounded; None if it isn't in four parts."""
    from music21 import converter

    # music21's cache, which is made of pickles, is neither read nor written.
    score = converter.parse(path, forceSource=True, storePickle=False)
    try:
        chorale, rounded = chorale_of_stream(score, bwv=_number(path))
    except ChoraleError:
        return None
    # The tempo marks are the encoders' for playback, between 76 and 176: no one's reading of Bach.
    return chorale.replace(tempo=DEFAULTS["tempo"], assumed=("tempo",)), rounded


def _titles() -> dict[str, str]:
    """Titles by BWV number, with and without its suffix, from music21's own tables."""
    from music21.corpus.chorales import ChoraleList, ChoraleListRKBWV

    titles: dict[str, str] = {}
    for table in (ChoraleList().byBWV, ChoraleListRKBWV().byBWV):
        for number, entry in table.items():
            title = entry["title"].replace("AAch", "Ach")  # a misprint in the table
            titles[str(number)] = title
            titles.setdefault(str(number).partition("-")[0], title)
    return titles


def _number(path: Path) -> str:
    """The BWV number in a file's name: '244.29-a' of bwv244.29-a.mxl."""
    return path.stem.removeprefix("bwv")


def _by_number(bwv: str) -> tuple[list[int], str]:
    """Key that sorts BWV numbers as numbers: 4.8 before 10.7."""
    digits, _, suffix = bwv.partition("-")
    return [int(part) for part in digits.split(".")], suffix


def _write_splits(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_text(path, text.getvalue())
