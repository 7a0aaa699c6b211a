"""What several commands share: reading a source, loading the model, telling."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from coconet import places
from coconet.chorale import Chorale, read_array, sidecar_of
from coconet.errors import ChoraleError

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

    Segments are joined at their true lengths.
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
    from coconet.reading import read_piece

    reading = read_piece(source, as_=as_, strict=strict)
    return reading.chorale, tuple(reading.absent), list(reading.notes)


def holds_segments(source: str) -> bool:
    """Whether a source is an array of segments, which has an axis more than a chorale's."""
    path = Path(source)
    return path.suffix == ".npy" and path.exists() and read_array(path).ndim == 3


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
