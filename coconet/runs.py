"""What a run's folder holds besides its states.

- `config.yaml`: the settings; `coconet train --config` repeats the run with them
- `curves.csv`: the measurements, a row a validation, columns as in `COLUMNS`
- `events.out.tfevents.*`: the same for TensorBoard, a file for each start
- `samples/UPDATE.mid`: a fixed melody, harmonised by the weights of that update
- `log.txt`: what happened when
- `evaluation*.csv`, where `coconet evaluate --csv` wrote them: likelihoods
"""

from __future__ import annotations

import csv
import io
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.events import EventFile
from coconet.files import write_text
from coconet.grid import VOICES
from coconet.midi import write_midi
from coconet.settings import Settings, read_fields, write_settings

CONFIG, CURVES, LOG, SAMPLES = "config.yaml", "curves.csv", "log.txt", "samples"
#: Losses in nats a hidden cell; accuracies are shares of the hidden cells predicted right.
COLUMNS = (
    "update",
    "train_loss",
    "valid_loss",
    "accuracy",
    *(f"accuracy_{voice}" for voice in VOICES),
    "learning_rate",
    "updates_per_second",
    "minutes",
)


#: Columns of an evaluation that say how it was made: only equal ones compare.
RULES = ("unit", "order", "orders", "every", "seed", "resolution", "split", "data")


@dataclass(frozen=True)
class Likelihood:
    """What `coconet evaluate` found for one checkpoint of a run.

    nats : mean over pieces, a frame or a note; error : its standard error
    rules : how it was measured, such as
        'nats a frame, 5 random orders, 77 pieces of valid (chorales.npz 0123456789ab)'
    """

    update: float
    minutes: float
    nats: float
    error: float
    rules: str


class RunFolder:
    """A run's folder, open for one process of training to write into.

    folder : made where it is missing
    resumed : the update that a resumed run goes on from
    """

    def __init__(self, folder: Path, settings: Settings, *, resumed: int | None = None):
        self.folder = folder
        self.write_settings(settings)
        self.events = EventFile(folder, resumed=resumed)

    def write_settings(self, settings: Settings) -> None:
        write_settings(self.folder / CONFIG, settings)

    def log(self, text: str) -> None:
        """Add a line with the time to the log."""
        path = self.folder / LOG
        try:
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        except OSError as error:
            raise ChoraleError(f"{path}: can't be written ({error.strerror})") from error

    def measured(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the curves anew, and add the last row to the events and the log."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.folder / CURVES, text.getvalue())
        last = rows[-1]
        values = {_event_name(key): last[key] for key in COLUMNS[1:] if key in last}
        self.events.add(int(last["update"]), values)
        self.log(
            f"update {last['update']:,}: train {last['train_loss']:.4f}, "
            f"valid {last['valid_loss']:.4f} nats a hidden cell, accuracy {last['accuracy']:.3f}, "
            f"{last['updates_per_second']:.2f} updates a second"
        )

    def write_sample(self, update: int, chorale: Chorale) -> Path:
        path = self.folder / SAMPLES / f"{update:07d}.mid"
        return write_midi(chorale, path, force=True)


def read_settings(run: Path | str) -> Settings:
    """The settings of a run's folder."""
    path = Path(run) / CONFIG
    if not path.is_file():
        raise ChoraleError(f"{path}: no such file; expected the folder of a training run")
    return Settings.from_fields(read_fields(path))


def read_curves(run: Path | str) -> list[dict[str, float]]:
    """The rows of a run's curves; a value that is missing or no number is left out."""
    path = Path(run) / CURVES
    if not path.is_file():
        raise ChoraleError(
            f"{path}: no such file; expected the folder of a training run that has been measured"
        )
    rows = [
        {key: float(value) for key, value in line.items() if _is_number(value)}
        for line in _read_csv(path)
    ]
    if not rows or not all("update" in row for row in rows):
        raise ChoraleError(f"{path}: expected rows with an update each, as training writes them")
    return rows


def read_likelihoods(run: Path | str) -> list[Likelihood]:
    """What the run's `evaluation*.csv` hold, by update; empty where there are none.

    Only rows of the run's own states count, each at the update that its folder is
    named after; rows of the run's folder itself count at its last update.
    """
    here = Path(run).resolve()
    curves = read_curves(run)
    updates = [row["update"] for row in curves]
    minutes = [row.get("minutes", math.nan) for row in curves]
    found: dict[tuple[str, ...], dict[tuple[str, int], float]] = {}
    for path in sorted(Path(run).glob("evaluation*.csv")):
        times: Counter[tuple[str, ...]] = Counter()
        for line in _read_csv(path):
            needed = [
                line.get(name) for name in ("model", "checkpoint", "sha", "key", "nats", *RULES)
            ]
            if not all(isinstance(text, str) for text in needed) or not _is_number(line["nats"]):
                raise ChoraleError(f"{path}: expected the columns of coconet evaluate --csv")
            state = Path(os.path.normpath(here / line["checkpoint"]))
            name = state.name if state.parent == here else ""
            if not line["checkpoint"] or not (name.isdecimal() or state == here):
                continue
            group = (name, line["sha"], *(line[rule] for rule in RULES))
            # A piece that two files hold counts once; one that comes twice in a split, twice.
            once = (*group, line["model"], line["key"])
            times[once] += 1
            piece = line["key"], times[once]
            found.setdefault(group, {})[piece] = float(line["nats"])
    results = []
    for (name, _, *values), pieces in found.items():
        of = dict(zip(RULES, values, strict=True))
        nats = np.array(list(pieces.values()))
        update = float(name or updates[-1])
        rules = (
            f"nats a {of['unit']}, {of['orders']} {of['order']} order{'s' * (of['orders'] != '1')}"
        )
        rules += f", seed {of['seed']}" if of["seed"] != "1" else ""
        rules += f", {len(nats)} pieces of {of['split']} ({of['data']})"
        rules += f", one step in {of['every']}" if of["every"] != "1" else ""
        rules += f", resolution {of['resolution']}" if of["resolution"] != "16" else ""
        results.append(
            Likelihood(
                update,
                float(np.interp(update, updates, minutes)),
                float(nats.mean()),
                float(nats.std(ddof=1) / math.sqrt(len(nats))) if len(nats) > 1 else math.nan,
                rules,
            )
        )
    return sorted(results, key=lambda likelihood: likelihood.update)


def peak_memory() -> float | None:
    """Most memory that this process has held so far, in MB; None where no one can say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def _read_csv(path: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ChoraleError(f"{path}: can't be read ({error})") from error


def _is_number(text: object) -> bool:
    try:
        return math.isfinite(float(text))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _event_name(column: str) -> str:
    """The name under which TensorBoard shows a column: losses and accuracies in groups.

    >>> _event_name("train_loss"), _event_name("accuracy_alto"), _event_name("minutes")
    ('loss/train', 'accuracy/alto', 'run/minutes')
    """
    if column.endswith("_loss"):
        return f"loss/{column.removesuffix('_loss')}"
    if column.startswith("accuracy"):
        return f"accuracy/{column.removeprefix('accuracy').strip('_') or 'all'}"
    return f"run/{column}"
