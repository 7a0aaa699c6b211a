"""The command `replace`: a chorale rewritten voice by voice, as often as is asked for."""

from __future__ import annotations

import argparse
import dataclasses
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coconet.chorale import Chorale, load_chorale, read_array, save_chorale
from coconet.cluster import validate_address
from coconet.commands.common import (
    command_line,
    digest_of,
    file_name,
    holds_segments,
    model_folder,
    one_quartet,
    open_predictor,
    read_source,
    sound_works,
    tell,
    tell_files,
)
from coconet.commands.many import Version, make_versions
from coconet.errors import ChoraleError
from coconet.gibbs import tilt_of
from coconet.infill import surroundings
from coconet.jobs import version_generators
from coconet.phrases import choose_phrases, phrase_lengths, repeats
from coconet.replace import Plan, replace_voices, stack_of, validate_voices, written_out
from coconet.replaced import Replaced, replacement_table
from coconet.segment_files import load_segments, save_segments
from coconet.segments import Length, Segments, fit_of, lost, to_segments
from coconet.theory import parse_tonic

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: About how many steps a job holds: with more a batch is no quicker, and waits longer.
JOB_STEPS, JOB_VERSIONS = 512, 16
#: With more versions than these none is sounded, since sixteen voices take longer to play
#: than to write and few of many will be chosen; and only their arrays are named.
FEW = 4
#: What a version is written as, with sound or without.
SUFFIXES = (".npy", ".json", ".mid", ".png", ".wav")


@dataclasses.dataclass(frozen=True, eq=False)
class ReplaceTask:
    """Versions of one replacement, for `coconet.jobs.run_jobs`.

    pieces : the chorale, or its segments
    plan : see `coconet.replace.Plan`; seed : of all chance

    A version is a tuple of int16 arrays, one a piece, shape=(4·rounds, steps).
    """

    pieces: tuple[Chorale, ...]
    plan: Plan
    seed: int

    @property
    def chunk(self) -> int:
        steps = sum(piece.steps for piece in self.pieces)
        return int(np.clip(JOB_STEPS // steps, 1, JOB_VERSIONS))

    def __call__(
        self,
        predictor: Predictor,
        numbers: Sequence[int],
        tick: Callable[[], None] | None = None,
    ) -> list[tuple[np.ndarray, ...]]:
        count = len(self.pieces)
        rngs = [rng for n in numbers for rng in version_generators(self.seed, n, count)]
        made = replace_voices(
            predictor,
            self.pieces * len(numbers),
            self.plan,
            rngs=rngs,
            chunk=len(rngs),
            on_pass=tick,
        )
        grids = [replaced.stack.grid for replaced in made]
        return [tuple(grids[n : n + count]) for n in range(0, len(grids), count)]

    def ticks(self, count: int) -> int:
        return self.plan.replacements * self.plan.passes


def replace(options: argparse.Namespace) -> int:
    """Rewrite a chorale voice by voice."""
    began = time.monotonic()
    if options.dask is not None:
        validate_address(options.dask)
    fields = ("order", "rounds", "keep", "passes", "temperature", "tilt", "together")
    given = {name: getattr(options, name) for name in fields}
    plan = Plan(**{name: value for name, value in given.items() if value is not None})
    if options.together is not None and plan.rounds == 1:
        raise ChoraleError("--together: one round has no other to heed; --rounds N makes several")
    if options.legacy and not options.segments:
        raise ChoraleError("--legacy is a form of segments: it needs --segments")
    chorale, segments, notes = _read(options)
    pieces = (chorale,) if segments is None else tuple(segments.chorales())
    validate_voices(pieces)
    tell(notes)
    audio = not options.no_audio and options.count <= FEW and sound_works()
    if options.count > FEW and not options.no_audio:
        tell([f"more than {FEW} versions: no WAV; coconet render plays those that you choose"])
    predictor = open_predictor(options)
    task = ReplaceTask(pieces, plan, options.seed)

    def write(result: tuple[np.ndarray, ...], path: Path, provenance: dict[str, Any]) -> None:
        stacks = [
            stack_of(piece, grid, plan.order) for piece, grid in zip(pieces, result, strict=True)
        ]
        made = stacks[0] if segments is None else segments.filled(stacks)
        _write(made, chorale, plan, path, {**provenance, **origin}, audio, options.legacy)

    origin = {"source": options.source, "command": command_line()}
    folder = "segmented_chorales" if options.segments else "numpy_chorales"
    versions = make_versions(
        task,
        count=options.count,
        folder=Path(options.out or folder),
        name=options.name or f"{file_name(chorale, options.source)}-replaced",
        suffixes=SUFFIXES if audio else SUFFIXES[:-1],
        forms=SUFFIXES,
        recipe={
            "made by": "replace",
            "original": [written_out(piece) for piece in pieces],
            "original's sidecar": digest_of(chorale),
            "form": _form(segments, options.legacy),
            **plan.told,
            "seed": options.seed,
            "tilt weights": tilt_of(predictor).weights,
            **surroundings(predictor),
        },
        write=write,
        predictor=predictor,
        model=model_folder(options),
        workers=options.workers,
        dask=options.dask,
        force=options.force,
    )
    _tell_versions(versions, chorale, plan)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


def _read(options: argparse.Namespace) -> tuple[Chorale, Segments | None, list[str]]:
    """The chorale of four voices, its segments where they are asked for, what to tell."""
    path = Path(options.source)
    if holds_segments(options.source):
        if options.by is not None or options.drop_repeats:
            raise ChoraleError(
                f"{path}: holds segments, which are cut already: leave --by, --drop-repeats out"
            )
        segments = load_segments(
            path,
            offset=options.offset,
            tonic=None if options.tonic is None else parse_tonic(options.tonic),
            lengths=_lengths(options.lengths),
        )
        own = one_quartet(segments.chorale, options.quartet)
        segments = dataclasses.replace(segments, chorale=own)
        return segments.join(), segments if options.segments else None, list(segments.notes)
    if options.offset is not None or options.tonic is not None:
        raise ChoraleError(
            f"{options.source}: holds no segments; --offset and --tonic are for an array of them"
        )
    chorale, _, notes = read_source(options.source)
    chorale = one_quartet(chorale, options.quartet)
    if not options.segments:
        if options.lengths is not None or options.by is not None or options.drop_repeats:
            raise ChoraleError("--lengths, --by and --drop-repeats say how to cut --segments")
        return chorale, None, notes
    segments, gone = _cut(chorale, options)
    return segments.join(), segments, [*notes, *gone]


def _cut(chorale: Chorale, options: argparse.Namespace) -> tuple[Segments, list[str]]:
    """A chorale in segments, and what to tell of what that cost."""
    if options.lengths is not None and options.by is not None:
        raise ChoraleError("--lengths and --by: give one of them, not both")
    lengths: Sequence[Length] | None = _lengths(options.lengths)
    if lengths is None:
        lengths = phrase_lengths(chorale, by=_bars(options.by))
    if options.drop_repeats:
        true = [fit_of(length).true for length in lengths]
        firsts = zip(lengths, repeats(chorale, true), strict=True)
        lengths = [length for length, first in firsts if first is None]
        chorale = choose_phrases(chorale, true)
    segments = to_segments(chorale, lengths)
    gone = lost(chorale, segments)
    return segments, [f"with {segments.width} steps a segment {gone}"] if gone else []


def _lengths(text: str | None) -> list[Length] | None:
    """'40,32:48' -> [40, [32, 48]]."""
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,5}(:\d{1,5}){0,2}(,\d{1,5}(:\d{1,5}){0,2})*", text):
        raise ChoraleError(
            f"--lengths {text!r}: expected true lengths in steps, such as 40,40,32, "
            "or model:true, such as 32:40"
        )
    parts = [[int(number) for number in part.split(":")] for part in text.split(",")]
    return [part[0] if len(part) == 1 else part for part in parts]


def _bars(text: str | None) -> str | int:
    """'bars:2' -> 2; 'fermatas', the default, as it is."""
    if text in (None, "fermatas"):
        return "fermatas"
    match = re.fullmatch(r"bars:(\d{1,3})", text)
    if not match:
        raise ChoraleError(f"--by {text!r}: expected fermatas or bars:N")
    return int(match[1])


def _form(segments: Segments | None, legacy: bool) -> dict[str, Any]:
    """In which form a version is written."""
    if segments is None:
        return {"segments": False}
    fits = [[fit.model, fit.true, fit.at] for fit in segments.fits]
    return {"segments": True, "width": segments.width, "fits": fits, "legacy": legacy}


def _write(
    made: Chorale | Segments,
    chorale: Chorale,
    plan: Plan,
    path: Path,
    provenance: dict[str, Any],
    audio: bool,
    legacy: bool,
) -> None:
    """All files of one version, beside `path`."""
    from coconet.midi import write_midi
    from coconet.morphs import morph
    from coconet.plots import save_figure

    whole = made if isinstance(made, Chorale) else made.join()
    replaced = Replaced(chorale, whole, plan.order)
    provenance = {**provenance, "course": replaced.told}
    if isinstance(made, Chorale):
        save_chorale(made.replace(provenance=provenance), path)
    else:
        save_segments(made.replace(provenance=provenance), path, legacy=legacy)
    write_midi(whole, path.with_suffix(".mid"))
    save_figure(morph(replaced), path.with_suffix(".png"))
    if audio:
        from coconet.render import render

        render(whole, path.with_suffix(".wav"))


def _tell_versions(versions: Sequence[Version], chorale: Chorale, plan: Plan) -> None:
    """What became of the chorale, and the files."""
    replaced = []
    for version in versions:
        array = version.array
        whole = read_array(array).ndim == 2
        stack = load_chorale(array) if whole else load_segments(array).join()
        replaced.append(Replaced(chorale, stack, plan.order))
        label = f"version {version.number}: " if len(versions) > 1 else ""
        distance = replaced[-1].distance[-1, -1]
        print(
            f"{label}{stack.voices} voices, {stack.steps} steps; "
            f"{distance:.0%} of the last quartet's cells differ from the original"
            + ("" if version.made else "; finished before")
        )
        tell_files(list(version.files) if len(versions) <= FEW else [array])
    print(replacement_table(replaced))
