"""The command generate: chorales from nothing, or many harmonisations of kept voices."""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coconet.chorale import Chorale, load_chorale
from coconet.cluster import validate_address
from coconet.commands.common import (
    absent_of,
    as_told,
    command_line,
    digest_of,
    file_name,
    model_folder,
    one_quartet,
    open_predictor,
    read_source,
    sound_works,
    tell,
    tell_files,
)
from coconet.commands.many import Version, make_versions, provenance_of, recipe_of
from coconet.errors import ChoraleError
from coconet.files import atomic_files, validate_writable
from coconet.grid import VOICES, voice_indices
from coconet.jobs import version_generators
from coconet.outputs import SUFFIXES, names_of, write_forms

if TYPE_CHECKING:
    from coconet.candidates import Candidate
    from coconet.passages import Beats
    from coconet.predictor import Predictor

#: Steps that one job samples at a time: more are hardly quicker, and leave cores idle.
JOB_STEPS = 512
#: The column of a contact sheet's table that tells which version a line is of.
FINGERPRINT = "fingerprint"


@dataclass(frozen=True, eq=False)
class GenerateTask:
    """Versions of one chorale, as `coconet.jobs` runs them; each a stack of quartets.

    chorale, hidden : what is kept, and the cells that are written
    seed : of all chance; the rest as `coconet.stacks.harmonise` takes it
    """

    chorale: Chorale
    hidden: np.ndarray
    seed: int
    quartets: int
    passes: int
    temperature: float
    tilt: float
    together: float

    def __post_init__(self) -> None:
        from coconet.stacks import validate_stack

        validate_stack(self.quartets, self.together)
        for name in ("temperature", "tilt"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ChoraleError(f"{name}: expected 0 or more, got {value!r}")

    @property
    def chunk(self) -> int:
        """Versions a job."""
        return int(np.clip(JOB_STEPS // self.chorale.steps, 1, 16))

    def __call__(
        self,
        predictor: Predictor,
        numbers: Sequence[int],
        tick: Callable[[], None] | None = None,
    ) -> list[Chorale]:
        from coconet.stacks import harmonise

        return harmonise(
            predictor,
            self.chorale,
            self.hidden,
            quartets=self.quartets,
            rngs=[version_generators(self.seed, number)[0] for number in numbers],
            passes=self.passes,
            temperature=self.temperature,
            tilt=self.tilt,
            together=self.together,
            on_pass=None if tick is None else lambda number, grids: tick(),
        )

    def ticks(self, count: int) -> int:
        return self.quartets * self.passes


def generate(options: argparse.Namespace) -> int:
    """Write chorales from nothing, or many harmonisations of kept voices."""
    from coconet.gibbs import Schedule, rule_of_thumb, tilt_of
    from coconet.infill import surroundings
    from coconet.together import DEFAULT

    began = time.monotonic()
    if options.dask is not None:
        validate_address(options.dask)
    chorale, region, before, notes = _kept(options)
    name = options.name or (file_name(chorale, options.source) if options.source else "chorale")
    names_of(name, options.count)  # refuses a bad one before the model is loaded
    folder = Path(options.out)
    if options.together is not None and options.stack == 1:
        raise ChoraleError("--together: one quartet has no other to heed; --stack K makes several")
    passes = rule_of_thumb(region) if options.passes is None else options.passes
    task = GenerateTask(
        chorale,
        region,
        seed=options.seed,
        quartets=options.stack,
        passes=Schedule(passes).passes,
        temperature=options.temperature,
        tilt=options.tilt,
        together=DEFAULT if options.together is None else options.together,
    )
    tell(notes)
    audio = not options.no_audio and sound_works()
    predictor = open_predictor(options)
    recipe = {
        "made by": "generate",
        "digest": digest_of(chorale),
        "seed": task.seed,
        "stack": task.quartets,
        "together": task.together,
        "passes": task.passes,
        "temperature": task.temperature,
        "tilt": task.tilt,
        "tilt weights": tilt_of(predictor).weights,
        "hidden": ["".join("x" if cell else "." for cell in row) for row in region],
        **surroundings(predictor),
    }
    recipe = recipe_of(task, recipe)
    sheet = None
    if options.sheet and options.count > 1:
        sheet = _Sheet(folder, name, options.count, region, recipe, options.force)
        sheet.validate()
    suffixes = SUFFIXES if audio else SUFFIXES[:-1]

    def write(version: Chorale, path: Path, provenance: dict[str, Any]) -> None:
        told = {"source": options.source or "nothing", "command": command_line()}
        version = version.replace(provenance={**told, **provenance})
        _write(version, path, suffixes, region, before)

    versions = make_versions(
        task,
        count=options.count,
        folder=folder,
        name=name,
        suffixes=suffixes,
        forms=SUFFIXES,
        recipe=recipe,
        write=write,
        predictor=predictor,
        model=model_folder(options),
        workers=options.workers,
        dask=options.dask,
        force=options.force,
    )
    _tell_versions(versions, sheet)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


def _kept(
    options: argparse.Namespace,
) -> tuple[Chorale, np.ndarray, Chorale | None, list[str]]:
    """What is kept, the cells to write, the source if there is one, what to tell."""
    from coconet.infill import blank_chorale, choose_hidden

    for name, value in (("--as", options.as_), ("--quartet", options.quartet)):
        if options.source is None and value is not None:
            raise ChoraleError(f"{name} says which voices of the source: it needs --from")
    if (options.keep is None) != (options.source is None):
        raise ChoraleError("--keep and --from belong together")
    if options.source is None:
        length = 128 if options.length is None else options.length
        chorale, _ = as_told(blank_chorale(length), (), options)
        return chorale, np.ones(chorale.grid.shape, bool), None, []
    if options.length is not None:
        raise ChoraleError("--length is the source's own where --from is given")
    chorale, absent, notes = read_source(options.source, as_=options.as_)
    guessed = any("name others with --as" in note for note in notes)
    if guessed and 4 - len(absent) == len(voice_indices(options.keep)):
        # Just the voices to be kept, in a source that doesn't tell which they are.
        chorale, absent, notes = read_source(options.source, as_=options.keep)
    chorale, notes = as_told(one_quartet(chorale, options.quartet), notes, options)
    absent = absent_of(absent, options.quartet)
    region = choose_hidden(chorale, keep=options.keep, absent=absent)
    return chorale, region, chorale, notes


def _write(
    version: Chorale,
    path: Path,
    suffixes: Sequence[str],
    region: np.ndarray,
    before: Chorale | None,
) -> None:
    """All files of a version; a stack's picture has a roll for each quartet."""
    if version.voices == 4:
        hidden = None if before is None else region
        write_forms(version, path, suffixes, before=before, hidden=hidden)
        return
    from coconet.plots import save_figure
    from coconet.sheets import quartets_figure

    hidden = None if before is None else np.tile(region, (version.voices // 4, 1))
    forms = [suffix for suffix in suffixes if suffix != ".png"]
    write_forms(version, path, forms, hidden=hidden)
    figure = quartets_figure(version, hidden=None if before is None else region)
    save_figure(figure, path.with_suffix(".png"))


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The contact sheet and the table of several versions, worked out from their files.

    count : of versions, two or more
    recipe : of the versions, so that an older sheet of theirs is known
    force : replace what is there, of whatever origin
    """

    folder: Path
    name: str
    count: int
    region: np.ndarray
    recipe: Mapping[str, Any]
    force: bool
    _described: list[Candidate] = field(default_factory=list)

    @property
    def table(self) -> Path:
        return self.folder / f"{self.name}-sheet.csv"

    def pages(self, count: int) -> list[Path]:
        """The pictures of so many versions."""
        from coconet.sheets import PAGE

        pages = range(1, -(-count // PAGE) + 1)
        names = [f"{self.name}-sheet{f'-{page}' if page > 1 else ''}.png" for page in pages]
        return [self.folder / name for name in names]

    @property
    def files(self) -> list[Path]:
        """The table, then the pages."""
        return [self.table, *self.pages(self.count)]

    def validate(self) -> None:
        """Check, before any work, that each file is free, or of an older sheet of the versions."""
        told = self._told()
        own = [self.table, *self.pages(len(told))] if self._is_own(told) else []
        for path in self.files:
            validate_writable(path, force=self.force or path in own)

    def candidates(self, count: int) -> list[Candidate]:
        """Versions 1 to `count` in numbers, each worked out once."""
        from tqdm.auto import tqdm

        from coconet.candidates import describe

        written = np.flatnonzero(self.region.any(1)).tolist()
        left = list(enumerate(names_of(self.name, count), start=1))[len(self._described) :]
        for number, name in tqdm(left, desc="comparing", unit="version", leave=False, delay=0.3):
            chorale = load_chorale(self.folder / f"{name}.npy")
            self._described.extend(
                describe([chorale], self._train, numbers=[number], voices=written)
            )
        return self._described[:count]

    def write(self) -> list[Path]:
        """Write the table and the pages, all or none; not where they are there as they should."""
        from coconet.plots import save_figure
        from coconet.sheets import contact_sheets

        candidates, files = self.candidates(self.count), self.files
        text = _table(candidates)
        if not self.force and all(path.exists() for path in files) and _holds(self.table, text):
            return files
        kept = None if self.region.all() else self.region
        figures = contact_sheets(candidates, hidden=kept, title=_title(candidates, kept))
        stale = self.pages(len(self._told()))[len(figures) :]
        with atomic_files(files, stale=stale) as temporary:
            (temporary / self.table.name).write_bytes(text.encode())
            for figure, path in zip(figures, files[1:], strict=True):
                save_figure(figure, temporary / path.name)
        return files

    @cached_property
    def _train(self) -> Beats:
        from coconet.corpus import load_corpus
        from coconet.passages import Beats

        return Beats(load_corpus("train"))

    def _told(self) -> list[tuple[int, str]]:
        """Version and fingerprint of each line of an older table; none where it isn't one."""
        try:
            with self.table.open(encoding="utf-8", newline="") as file:
                return [(int(line["version"]), line[FINGERPRINT]) for line in csv.DictReader(file)]
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            return []

    def _is_own(self, told: Sequence[tuple[int, str]]) -> bool:
        """Whether the older table is, to the letter, what this recipe's versions make."""
        numbers = range(1, len(told) + 1)
        wanted = [(number, provenance_of(self.recipe, number)[FINGERPRINT]) for number in numbers]
        if len(told) < 2 or list(told) != wanted:
            return False
        try:
            return _holds(self.table, _table(self.candidates(len(told))))
        except ChoraleError:  # a version is gone: nothing tells what the table should be
            return False


def _table(candidates: Sequence[Candidate]) -> str:
    """The table of a contact sheet, as CSV."""
    from coconet.candidates import candidates_csv

    more = {FINGERPRINT: [c.chorale.provenance.get(FINGERPRINT, "") for c in candidates]}
    return candidates_csv(candidates, more=more)


def _holds(path: Path, text: str) -> bool:
    return path.read_bytes() == text.encode()


def _title(candidates: Sequence[Candidate], kept: np.ndarray | None) -> str:
    chorale = candidates[0].chorale
    what = f"{len(candidates)} chorales from nothing" if kept is None else chorale.title
    if kept is not None:
        voices = ", ".join(VOICES[row] for row in np.flatnonzero(~kept.all(1)))
        what += f"{': ' if what else ''}{voices} kept, {len(candidates)} versions"
    return what + (f", {chorale.voices // 4} quartets each" if chorale.voices > 4 else "")


def _tell_versions(versions: Sequence[Version], sheet: _Sheet | None) -> None:
    """Each version, or a table of all to choose from and the contact sheet."""
    from coconet.theory import key_name

    if sheet is None:
        for version in versions:
            chorale = load_chorale(version.array)
            print(
                f"version {version.number}: {chorale.voices} voices, {chorale.steps} steps, "
                f"{chorale.seconds:.0f} s of music, "
                f"{key_name(chorale.tonic, chorale.mode, chorale.sharps)}"
            )
            tell_files(list(version.files))
        return
    from coconet.candidates import candidates_table
    from coconet.corpus import load_corpus
    from coconet.metrics import battery

    bach = battery(load_corpus("valid"), name="Bach")
    print(candidates_table(sheet.candidates(sheet.count), bach=bach))
    suffixes = " ".join(path.suffix for path in versions[0].files)
    first, last = versions[0].array, versions[-1].array
    print(f"\n  {first.with_suffix('')} … {last.stem}: {suffixes}")
    tell_files(sheet.write())
