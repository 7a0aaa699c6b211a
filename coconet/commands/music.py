"""The command that makes music of a marked chorale: infill."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from coconet.chorale import Chorale, read_array
from coconet.commands.common import (
    absent_of,
    as_told,
    command_line,
    file_name,
    one_quartet,
    open_predictor,
    parse_span,
    read_source,
    sound_works,
    tell,
    tell_files,
)
from coconet.errors import ChoraleError
from coconet.grid import VOICES


def infill(options: argparse.Namespace) -> int:
    """Rewrite what is marked in a chorale."""
    from coconet.infill import changed_notes, choose_hidden

    chorale, absent, notes = read_source(options.source, as_=options.as_, strict=options.strict)
    chorale, notes = as_told(one_quartet(chorale, options.quartet), notes, options)
    absent = absent_of(absent, options.quartet)
    region = choose_hidden(
        chorale,
        keep=options.keep,
        rewrite=options.rewrite,
        spans=[parse_span(text) for text in options.span],
        bars=options.bars,
        hidden=None if options.hidden is None else read_array(options.hidden),
        absent=absent,
        fill_rests=options.fill_rests,
    )
    if len(absent) == 4:
        raise ChoraleError(f"{options.source}: no voice to build on; use coconet generate")
    name = options.name or file_name(chorale, options.source)
    began = time.monotonic()

    tell(notes)
    results = _write_results(options, name, chorale, region)
    rows = np.flatnonzero(region.any(1))
    voices = [VOICES[row] for row in rows]
    for number, (result, files) in enumerate(results, start=1):
        new, total = changed_notes(chorale, result, rows=rows)
        label = f"version {number}: " if options.count > 1 else ""
        print(
            f"{label}{', '.join(voices)} rewritten in {int(region.any(0).sum())} steps: "
            f"{new} of their {total} notes are new"
        )
        tell_files(files)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


def _write_results(
    options: argparse.Namespace, name: str, chorale: Chorale, region: np.ndarray
) -> list[tuple[Chorale, list[Path]]]:
    """Check the outputs, infill with a progress bar, write every version."""
    from tqdm.auto import tqdm

    from coconet.gibbs import rule_of_thumb
    from coconet.infill import CHUNK
    from coconet.infill import infill as fill
    from coconet.outputs import names_of, validate_outputs, write_all

    names = names_of(name, options.count)
    folder = Path(options.out)
    audio = not options.no_audio and sound_works()
    validate_outputs(folder, names, audio=audio, force=options.force)
    predictor = open_predictor(options)
    passes = options.passes or rule_of_thumb(region)
    chunks = -(-options.count // CHUNK)
    total = passes * chunks
    with tqdm(total=total, desc="sampling", unit="pass", leave=False, delay=0.3) as bar:
        versions = fill(
            predictor,
            chorale,
            region,
            count=options.count,
            passes=options.passes,
            temperature=options.temperature,
            tilt=options.tilt,
            seed=options.seed,
            provenance={"source": options.source, "command": command_line()},
            on_pass=lambda number, grids: bar.update(),
        )
    return [
        (
            result,
            write_all(
                result,
                folder,
                one,
                before=chorale,
                hidden=region,
                audio=audio,
                force=options.force,
            ),
        )
        for result, one in zip(
            tqdm(versions, desc="writing", leave=False, delay=1), names, strict=True
        )
    ]
