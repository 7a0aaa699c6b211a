"""The command generate: chorales from nothing, or many harmonisations of kept voices."""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coconet.chorale import DEFAULTS, Chorale, load_chorale
from coconet.commands.common import (
    command_line,
    digest_of,
    file_name,
    model_folder,
    open_predictor,
    read_source,
    sound_works,
    tell,
    tell_files,
)
from coconet.commands.many import make_versions, provenance_of, recipe_of
from coconet.errors import ChoraleError
from coconet.files import atomic_files, validate_writable
from coconet.grid import VOICES, voice_indices
from coconet.jobs import version_generators
from coconet.outputs import SUFFIXES, write_forms

if TYPE_CHECKING:
    from coconet.candidates import Candidate
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
    chorale, region, before, notes = _kept(options)
    name = options.name or (file_name(chorale, options.source) if options.source else "chorale")
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
    sheet = _Sheet(folder, name, options.count, region, recipe) if options.sheet else None
    if sheet and not options.force:
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
        recipe=recipe,
        write=write,
        predictor=predictor,
        model=model_folder(options),
        workers=options.workers,
        dask=options.dask,
        force=options.force,
    )
    tell(notes)
    _tell_versions([load_chorale(version.array) for version in versions], versions, sheet)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


def _kept(
    options: argparse.Namespace,
) -> tuple[Chorale, np.ndarray, Chorale | None, list[str]]:
    """What is kept, the cells to write, the source if there is one, what to tell."""
    from coconet.infill import blank_chorale, choose_hidden

    if (options.keep is None) != (options.source is None):
        raise ChoraleError("--keep and --from belong together")
    if options.source is None:
        if options.as_ is not None:
            raise ChoraleError("--as says which voices the source's are: it needs --from")
        length = 128 if options.length is None else options.length
        tempo = DEFAULTS["tempo"] if options.tempo is None else options.tempo
        chorale = blank_chorale(length, tempo=tempo)
        return chorale, np.ones(chorale.grid.shape, bool), None, []
    if options.length is not None or options.tempo is not None:
        raise ChoraleError("--length and --tempo are the source's own where --from is given")
    chorale, absent, notes = read_source(options.source, as_=options.as_)
    if options.as_ is None and 4 - len(absent) == len(voice_indices(options.keep)):
        # A source that holds just the voices to be kept.
        chorale, absent, notes = read_source(options.source, as_=options.keep)
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
    """The contact sheet and the table of several versions.

    recipe : of the versions, so that an older sheet of theirs may be replaced
    """

    folder: Path
    name: str
    count: int
    region: np.ndarray
    recipe: Mapping[str, Any]

    @property
    def written(self) -> list[int]:
        """The voices that aren't kept."""
        return np.flatnonzero(self.region.any(1)).tolist()

    @property
    def files(self) -> list[Path]:
        """The table, then the pages."""
        from coconet.sheets import PAGE

        pages = range(1, -(-self.count // PAGE) + 1)
        names = [f"{self.name}-sheet{f'-{page}' if page > 1 else ''}.png" for page in pages]
        return [self.folder / f"{self.name}-sheet.csv", *(self.folder / name for name in names)]

    def validate(self) -> None:
        """Check, before any work, that the files are free, or hold these very versions."""
        table = self.files[0]
        if self.count > 1 and not (table.exists() and self._is_own(table)):
            for path in self.files:
                validate_writable(path)

    def write(self, candidates: Sequence[Candidate]) -> list[Path]:
        """Write the table and the pages, all or none."""
        from coconet.candidates import candidates_csv
        from coconet.plots import save_figure
        from coconet.sheets import contact_sheets

        kept = None if self.region.all() else self.region
        pages = contact_sheets(candidates, hidden=kept, title=_title(candidates, kept))
        more = {FINGERPRINT: [c.chorale.provenance.get(FINGERPRINT, "") for c in candidates]}
        files = self.files
        with atomic_files(files) as temporary:
            (temporary / files[0].name).write_text(
                candidates_csv(candidates, more=more), encoding="utf-8"
            )
            for page, path in zip(pages, files[1:], strict=True):
                save_figure(page, temporary / path.name)
        return files

    def _is_own(self, table: Path) -> bool:
        """Whether each line of an older table is of a version that this recipe makes."""
        try:
            with table.open(encoding="utf-8", newline="") as file:
                lines = list(csv.DictReader(file))
            told = [(int(line["version"]), line[FINGERPRINT]) for line in lines]
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            return False
        return bool(told) and all(
            provenance_of(self.recipe, number)[FINGERPRINT] == fingerprint
            for number, fingerprint in told
        )


def _title(candidates: Sequence[Candidate], kept: np.ndarray | None) -> str:
    chorale = candidates[0].chorale
    what = f"{len(candidates)} chorales from nothing" if kept is None else chorale.title
    if kept is not None:
        voices = ", ".join(VOICES[row] for row in np.flatnonzero(~kept.all(1)))
        what += f"{': ' if what else ''}{voices} kept, {len(candidates)} versions"
    return what + (f", {chorale.voices // 4} quartets each" if chorale.voices > 4 else "")


def _tell_versions(chorales: Sequence[Chorale], versions: Sequence[Any], sheet: Any) -> None:
    """The one version, or a table of all to choose from and the contact sheet."""
    from coconet.theory import key_name

    if len(chorales) == 1 or sheet is None:
        for version, chorale in zip(versions, chorales, strict=True):
            print(
                f"version {version.number}: {chorale.voices} voices, {chorale.steps} steps, "
                f"{chorale.seconds:.0f} s of music, "
                f"{key_name(chorale.tonic, chorale.mode, chorale.sharps)}"
            )
            tell_files(version.files)
        return
    from tqdm.auto import tqdm

    from coconet.candidates import candidates_table, describe
    from coconet.corpus import load_corpus
    from coconet.metrics import battery

    train = load_corpus("train")
    shown = tqdm(chorales, desc="comparing", unit="version", leave=False, delay=0.3)
    candidates = [
        candidate
        for number, chorale in enumerate(shown, start=1)
        for candidate in describe([chorale], train, numbers=[number], voices=sheet.written)
    ]
    print(candidates_table(candidates, bach=battery(load_corpus("valid"), name="Bach")))
    suffixes = " ".join(path.suffix for path in versions[0].files)
    first, last = versions[0].array, versions[-1].array
    print(f"\n  {first.with_suffix('')} … {last.stem}: {suffixes}")
    tell_files(sheet.write(candidates))
