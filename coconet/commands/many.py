"""Many versions as files: which are finished, which names are taken, and the work between.

A version is a handful of files of one name; one of them is the sidecar, `NAME.json`,
whose provenance holds a **recipe**, all that the version's bytes depend on, and its
**fingerprint**. A version is finished where its files are there and its sidecar has
the fingerprint that is asked for: it is left as it is. So a command that was stopped
goes on where it was when it is given again. Files of any other origin stop it before
any work is done, unless they may be replaced; those in forms that aren't asked for, too,
since they would lie beside music that they don't belong to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconet.commands.common import tell
from coconet.errors import ChoraleError
from coconet.files import atomic_files, read_json, validate_writable
from coconet.jobs import Task, jobs_of, run_jobs
from coconet.outputs import names_of

if TYPE_CHECKING:
    from coconet.predictor import Predictor

SIDECAR = ".json"
#: Writes the files of one version: its result, the path of its `.npy`, its provenance.
Write = Callable[[Any, Path, dict[str, Any]], None]


@dataclass(frozen=True)
class Version:
    """The files of one version.

    number : from 1
    array : its `.npy`
    files : those that are wanted, one a suffix, the sidecar first
    others : of the same name, in forms that aren't wanted now; few will be there
    made : now; False where it was finished before
    """

    number: int
    array: Path
    files: tuple[Path, ...]
    others: tuple[Path, ...]
    made: bool


def make_versions(
    task: Task,
    *,
    count: int,
    folder: Path,
    name: str,
    suffixes: Sequence[str],
    forms: Sequence[str],
    recipe: Mapping[str, Any],
    write: Write,
    predictor: Predictor | None = None,
    model: Path | None = None,
    workers: int = 1,
    dask: str | None = None,
    force: bool = False,
) -> list[Version]:
    """Make versions 1 to `count` and write each as soon as it is there.

    Parameters
    ----------
    task : makes the results, as in `coconet.jobs`
    folder, name : of the files: NAME.npy, or NAME-1.npy, NAME-2.npy … where there
        are several versions
    suffixes : of each version's files, the sidecar's among them
    forms : all suffixes of files that the command can make; those are looked at, too
    recipe : all that the bytes depend on besides the version's number, fit for JSON:
        source, settings, seed, `coconet.infill.surroundings`
    write : writes all files of a version beside the path that it is given, and puts the
        provenance that it is given, which is the recipe, the number and the fingerprint,
        into the sidecar (under "provenance")
    predictor, model, workers, dask : as for `coconet.jobs.run_jobs`
    force : make all versions anew and replace what is there, in any form

    Returns
    -------
    list of Versions, by their number

    Raises
    ------
    ChoraleError
        Before any work for names that hold other files, for a sidecar that can't be
        read and for a folder that can't be written; later as `run_jobs` does. What is
        finished then stays.
    """
    from tqdm.auto import tqdm

    names = names_of(name, count)
    recipe = recipe_of(task, recipe)
    # The sidecar arrives first: what is there beside it is known to belong to it.
    suffixes = [SIDECAR, *(suffix for suffix in suffixes if suffix != SIDECAR)]
    unwanted = [suffix for suffix in forms if suffix not in suffixes]
    versions, wanted = {}, {}
    for number, one in enumerate(names, start=1):
        files = tuple(folder / f"{one}{suffix}" for suffix in suffixes)
        others = tuple(folder / f"{one}{suffix}" for suffix in unwanted)
        wanted[number] = provenance_of(recipe, number)
        if force:
            for path in (*files, *others):
                validate_writable(path, force=True)
        made = force or not is_finished(files, wanted[number], others=others)
        versions[number] = Version(number, folder / f"{one}.npy", files, others, made)
    left = [number for number, version in versions.items() if version.made]
    done = count - len(left)
    if done:
        tell([f"{done} of {count} finished already"])
    if not left:
        return list(versions.values())
    jobs = jobs_of(task, left)
    if len(jobs) < workers:
        work = f"{_some(len(left), 'version')} in {_some(len(jobs), 'job')}"
        tell([f"{work}: {_some(len(jobs), 'worker')} of {workers} in use"])
    try:
        with (
            tqdm(
                total=sum(task.ticks(len(job)) for job in jobs),
                desc="sampling",
                unit="pass",
                leave=False,
                delay=0.3,
            ) as bar,
            closing(
                run_jobs(
                    task,
                    left,
                    model=model,
                    predictor=predictor,
                    workers=workers,
                    dask=dask,
                    on_tick=bar.update,
                    on_loss=_tell_loss,
                )
            ) as results,
        ):
            for number, result in results:
                _write(write, result, versions[number], wanted[number], force)
                done += 1
    except KeyboardInterrupt:
        again = "" if force else "; the same command goes on from there"
        tell([f"{done} of {count} finished{again}"])
        raise
    return list(versions.values())


def _write(
    write: Write, result: Any, version: Version, provenance: dict[str, Any], force: bool
) -> None:
    """Write those files of a version that are wanted and not there."""
    # Another command may have made it meanwhile.
    if not force and is_finished(version.files, provenance, others=version.others):
        return
    absent = [path for path in version.files if force or not path.exists()]
    stale = version.others if force else ()
    with atomic_files(absent, force=force, stale=stale) as temporary:
        array = temporary / version.array.name
        write(result, array, provenance)
        if version.array not in absent and version.array.read_bytes() != array.read_bytes():
            raise ChoraleError(
                f"{version.array}: was changed since it was made, so that {absent[0].name} would "
                "not belong to it; choose another --name or --out, or --force"
            )


def _tell_loss(left: int) -> None:
    versions = f"{left} version{'s' * (left > 1)}"
    tell([f"a worker was killed (too little memory?); {versions} to go, with a new one"])


def recipe_of(task: Task, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with what any job of the task's adds to it."""
    return {**recipe, "chunk": task.chunk, "threads": 1}


def provenance_of(recipe: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The recipe of one version with its fingerprint: SHA-256 of it as canonical JSON."""
    whole = {**recipe, "version": number}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False, allow_nan=False)
    # As the sidecar will give it back: lists, not tuples.
    return {**json.loads(text), "fingerprint": hashlib.sha256(text.encode()).hexdigest()}


def is_finished(
    files: Sequence[Path], wanted: Mapping[str, Any], *, others: Sequence[Path] = ()
) -> bool:
    """Whether all files of a version are there, with the fingerprint that is wanted.

    files : the sidecar first
    others : files that needn't be there, but if they are, then of the same origin

    Raises ChoraleError for files of another origin, or none that is known.
    """
    sidecar, there = files[0], [path for path in (*files, *others) if path.exists()]
    if not there:
        validate_writable(sidecar)
        return False
    if not sidecar.exists():
        raise ChoraleError(
            f"{there[0]}: already exists, without a sidecar that tells what made it; "
            "choose another --name or --out, or --force"
        )
    try:
        said = read_json(sidecar)
    except ChoraleError as error:
        raise ChoraleError(
            f"{error}: a broken sidecar beside files of that name; remove it, choose "
            "another --name or --out, or --force"
        ) from error
    # A sidecar of segments holds that of the chorale which they join to.
    inner = said.get("chorale")
    found = (inner if isinstance(inner, dict) else said).get("provenance")
    found = found if isinstance(found, dict) else {}
    if found.get("fingerprint") != wanted["fingerprint"]:
        differ = [key for key in wanted if key != "fingerprint" and found.get(key) != wanted[key]]
        known = "fingerprint" in found and differ
        raise ChoraleError(
            f"{sidecar}: already exists and is of another origin"
            + (f" (not the same: {', '.join(differ[:4])})" if known else "")
            + "; choose another --name or --out, or --force"
        )
    return all(path in there for path in files)


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
