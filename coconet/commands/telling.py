"""The command that tells what a file holds: info."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from coconet.chorale import read_array
from coconet.commands.common import holds_segments, read_source
from coconet.grid import STEPS_PER_QUARTER, voice_name

#: Characters of a sidecar's value that are told.
LONG = 120


def info(options: argparse.Namespace) -> int:
    """Tell what a checkpoint, chorale, tuning or step map holds."""
    path = Path(options.file)
    if path.is_dir():
        rows = _checkpoint_rows(path)
    elif path.suffix.lower() == ".scl":
        rows = _tuning_rows(path)
    elif path.suffix.lower() == ".npz":
        rows = _map_rows(path)
    else:
        rows = _chorale_rows(options.file)
    width = max(len(key) for key, _ in rows)
    for key, value in rows:
        print(f"{key:<{width}}  {value}")
    return 0


def _checkpoint_rows(path: Path) -> list[tuple[str, object]]:
    from coconet.checkpoint import load_checkpoint, resolve_checkpoint
    from coconet.model import config_fields
    from coconet.tilt import load_tilt

    checkpoint = load_checkpoint(path)
    count = sum(tensor.numel() for tensor in checkpoint.weights.values())
    folder = resolve_checkpoint(path)
    size = (folder / "weights.safetensors").stat().st_size
    card = {key: value for key, value in checkpoint.card.items() if key != "settings"}
    tilt = load_tilt(folder)
    nats = "none fitted" if tilt is None else tilt.told
    return [
        ("checkpoint", folder),
        *config_fields(checkpoint.config).items(),
        ("weights", f"{count:,} in {size / 1e6:.1f} MB"),
        *card.items(),
        ("sampler's weights", nats),
    ]


def _tuning_rows(path: Path) -> list[tuple[str, object]]:
    from coconet.theory import NAMES
    from coconet.tuning import load_tuning

    tuning = load_tuning(path)
    rows: list[tuple[str, object]] = [("tuning", tuning.name)]
    for name, cents in zip(NAMES, tuning.deviations(0), strict=True):
        rows.append((name, f"{cents:+.2f} cents from equal, degree 0 on C"))
    return rows


def _map_rows(path: Path) -> list[tuple[str, object]]:
    from coconet.stepmap import load_map
    from coconet.traced import NOWHERE

    where = load_map(path)
    voices, steps = where.shape
    come = where.step[where.sounding & (where.step != NOWHERE)]
    share = len(come) / max(1, where.sounding.sum())
    seconds = steps * 60 / where.source_tempo / STEPS_PER_QUARTER
    return [
        ("step map", path),
        (
            "result",
            f"{where.voices} voices, {where.steps} steps, {where.seconds(where.steps):.1f} s",
        ),
        ("tempo", f"{where.tempo:g} quarters a minute"),
        ("source", f"{voices} voices, {steps} steps, {seconds:.1f} s"),
        ("its tempo", f"{where.source_tempo:g} quarters a minute"),
        ("comes from it", f"{share:.0%} of what sounds"),
        ("heard of it", f"{len(np.unique(come))} of its {steps} steps"),
    ]


def _chorale_rows(source: str) -> list[tuple[str, object]]:
    from coconet.theory import key_name, pitch_name

    chorale, absent, notes = read_source(source)
    number, kind = abs(chorale.sharps), "sharp" if chorale.sharps > 0 else "flat"
    signature = f"{number} {kind}{'s' * (number != 1)}" if number else "no signature"
    laid = _segment_rows(source) if holds_segments(source) else []
    rows: list[tuple[str, object]] = [
        ("title", chorale.title or "(none)"),
        *laid,
        ("piece", f"{chorale.voices} voices, {chorale.steps} steps, {chorale.seconds:.1f} s"),
        ("key", f"{key_name(chorale.tonic, chorale.mode, chorale.sharps)}, {signature}"),
        ("metre", f"{chorale.time_signature}, upbeat of {chorale.upbeat} steps"),
        ("tempo", f"{chorale.tempo:g} quarters a minute"),
        ("phrases", " ".join(map(str, chorale.phrases)) or "unknown"),
        ("fermatas", int(chorale.fermatas.sum())),
    ]
    for row, voice in enumerate(map(voice_name, range(chorale.voices))):
        sounding = chorale.grid[row][chorale.grid[row] > 0]
        if row in absent or not len(sounding):
            rows.append((voice, "absent" if row in absent else "silent"))
        else:
            span = f"{pitch_name(int(sounding.min()))}-{pitch_name(int(sounding.max()))}"
            rows.append((voice, f"{int(chorale.onsets[row].sum())} notes, {span}"))
    if chorale.assumed:
        rows.append(("assumed", ", ".join(chorale.assumed)))
    rows += [("note", note) for note in notes]
    rows += [(f"made: {key}", _beginning(value)) for key, value in chorale.provenance.items()]
    return rows


def _segment_rows(source: str) -> list[tuple[str, object]]:
    from coconet.segment_files import load_segments

    array, segments = read_array(source), load_segments(source)
    fits = " ".join(f"{fit.model}:{fit.true}" for fit in segments.fits)
    low, high = int(array.min()), int(array.max())
    return [
        ("segments", f"array of shape {array.shape}, values {low} to {high}"),
        ("model:true", f"{fits} steps"),
    ]


def _beginning(value: object) -> str:
    """A value of a sidecar on one line; only its beginning where it is long."""
    text = str(value)
    return text if len(text) <= LONG else f"{text[:LONG]} … ({len(text):,} characters)"
