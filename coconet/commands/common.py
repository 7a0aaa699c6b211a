"""What several commands share: reading a source, loading the model, telling."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coconet import places
from coconet.chorale import Chorale, quartet, read_array, sidecar_of
from coconet.errors import ChoraleError
from coconet.grid import VOICES

SHIPPED_MODEL = "chorales"


def sound_works() -> bool:
    """Whether any synthesiser works; if not, says what would bring one."""
    from coconet.render import available_sound

    ways = available_sound()
    if any(way.works for way in ways):
        return True
    lacks = dict.fromkeys(reason for way in ways for reason in way.missing)
    print(f"no sound will be made: {'; '.join(lacks)}", file=sys.stderr)
    return False


def open_predictor(options: argparse.Namespace) -> Any:
    from coconet.predictor import load_predictor

    threads = getattr(options, "threads", None)
    if threads is not None and threads < 1:
        raise ChoraleError(f"--threads: expected 1 or more, got {threads}")
    predictor = load_predictor(model_folder(options), threads=threads)
    if getattr(options, "tilt", 0):
        tell(_fitted_to_others(predictor))
    return predictor


def model_folder(options: argparse.Namespace) -> Path:
    """The checkpoint that --model names, or the shipped one."""
    return places.models() / SHIPPED_MODEL if options.model is None else Path(options.model)


def _fitted_to_others(predictor: Any) -> list[str]:
    """What to tell where the sampler's weights were fitted to other weights of the network."""
    fitted = {} if predictor.tilt is None else predictor.tilt.fitted
    name, _, own = predictor.name.rpartition(" ")
    of = fitted.get("model")
    if not isinstance(of, str) or of.rpartition(" ")[2] == own:
        return []
    return [
        f"the sampler's weights of {name} were fitted to other weights of the network"
        f" ({of}, here {own}); coconet fit-sampler fits them anew"
    ]


def read_source(
    source: str, *, as_: str | None = None, strict: bool = False
) -> tuple[Chorale, tuple[int, ...], list[str]]:
    """A chorale from a file, a typed melody or the corpus; its absent rows; what to tell.

    Segments are joined at their true lengths. A whole piece that is surely stored minus
    30, as older programs do, is read so. An array may hold any number of voices and steps:
    what hands a piece to a model asks for less with `one_quartet`.
    """
    if source.lower().startswith("bwv:"):
        if as_ is not None:
            raise ChoraleError(f"{source}: a chorale of the corpus has all voices: leave --as out")
        from coconet.corpus import load_corpus

        number = source[4:].strip()
        found = [chorale for chorale in load_corpus() if chorale.bwv == number]
        if not found:
            raise ChoraleError(f"{source}: not in the corpus; data/splits.csv lists what is")
        return found[0], (), []
    if holds_segments(source):
        if as_ is not None:
            raise ChoraleError(f"{source}: segments have all voices: leave --as out")
        from coconet.segment_files import load_segments

        segments = load_segments(source)
        return segments.join(), (), list(segments.notes)
    if as_ is None and _holds_an_old_piece(source):
        from coconet.segment_files import load_segments

        segments = load_segments(source)
        return segments.join().replace(phrases=()), (), list(segments.notes)  # they are unknown
    from coconet.reading import read_piece

    reading = read_piece(source, as_=as_, strict=strict)
    return reading.chorale, tuple(reading.absent), list(reading.notes)


def as_told(
    chorale: Chorale, notes: Sequence[str], options: argparse.Namespace
) -> tuple[Chorale, list[str]]:
    """The chorale with --metre, --upbeat and --tempo in place of its own, and what to tell."""
    from coconet.reading import assumptions

    given = {"time_signature": options.metre, "upbeat": options.upbeat, "tempo": options.tempo}
    given = {key: value for key, value in given.items() if value is not None}
    left = tuple(key for key in chorale.assumed if key not in given)
    told = chorale.replace(**given, assumed=left)
    others = [note for note in notes if note not in assumptions(chorale)]
    return told, [*others, *(assumptions(told) if len(others) < len(notes) else [])]


def one_quartet(chorale: Chorale, number: int | None) -> Chorale:
    """The quartet that --quartet means, from 1; of several it must be said which.

    Raises ChoraleError for another number of voices, and for more steps than a score has.
    """
    from coconet.reading import MAX_STEPS

    name = chorale.title or "chorale"
    if chorale.steps > MAX_STEPS:
        raise ChoraleError(f"{name}: {chorale.steps} steps, expected at most {MAX_STEPS}")
    count, over = divmod(chorale.voices, len(VOICES))
    if over:
        raise ChoraleError(
            f"{name}: expected four voices, or quartets of them, got {chorale.voices} voices"
            " (the layer choose_voices of coconet chain takes some of them)"
        )
    if number is None and count > 1:
        raise ChoraleError(f"{name}: holds {count} quartets; choose one (--quartet)")
    return quartet(chorale, 1 if number is None else number)


def absent_of(absent: Sequence[int], number: int | None) -> tuple[int, ...]:
    """Which of a stack's absent rows are those of one quartet, counted within it."""
    first = 0 if number is None else len(VOICES) * (number - 1)
    return tuple(row - first for row in absent if 0 <= row - first < len(VOICES))


def holds_segments(source: str) -> bool:
    """Whether a source is an array of segments, which has an axis more than a chorale's."""
    path = Path(source)
    return _is_array(path) and read_array(path).ndim == 3


def _holds_an_old_piece(source: str) -> bool:
    """Whether a source is a plain array (4·k, steps), surely stored minus 30."""
    path = Path(source)
    if not _is_array(path) or path.with_suffix(".json").exists():
        return False
    from coconet.segment_files import guess_offset

    array = read_array(path)
    if array.ndim != 2 or array.dtype.kind not in "iu" or len(array) % 4 or not array.size:
        return False
    offset, sure, _ = guess_offset(array[None])
    return bool(offset and sure)


def _is_array(path: Path) -> bool:
    return path.suffix.lower() == ".npy" and path.is_file()


def parse_span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*:\s*([0-9]{1,6})\s*", text)
    if not match:
        raise ChoraleError(f"--span {text!r}: expected two steps such as 32:64")
    return int(match[1]), int(match[2])


def file_name(chorale: Chorale, source: str) -> str:
    """A name for files: the source's own, or the title in plain letters."""
    path = Path(source)
    if path.suffix and os.path.exists(source):
        return path.stem
    title = " ".join(filter(None, (f"bwv{chorale.bwv}" if chorale.bwv else "", chorale.title)))
    folded = title.translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})).lower()
    return re.sub(r"[^a-z0-9.]+", "-", folded).strip("-.")[:60] or "melody"


def digest_of(chorale: Chorale) -> str:
    """SHA-256 of a chorale and all that its sidecar says, but not where it came from."""
    said = {**sidecar_of(chorale), "provenance": {}, "grid": chorale.grid.tolist()}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def command_line() -> str:
    return shlex.join(["coconet", *sys.argv[1:]])


def tell(notes: list[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def tell_files(files: list[Path]) -> None:
    for path in files:
        print(f"  {path}  {path.stat().st_size / 1e3:,.0f} kB")
