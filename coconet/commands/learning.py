"""Commands that teach: corpus, train."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from coconet.commands.common import command_line
from coconet.errors import ChoraleError


def train(options: argparse.Namespace) -> int:
    """Train a network."""
    from coconet.corpus import load_corpus
    from coconet.plots import save_figure, training_curves
    from coconet.training import Settings, read_settings
    from coconet.training import train as run_training

    run = Path(options.run)
    fields = _settings(options)
    if options.resume and fields:
        raise ChoraleError(f"--resume: the run has its own settings; leave out {', '.join(fields)}")
    settings = read_settings(run) if options.resume else Settings.from_fields(fields)

    def draw_curves(rows: list[dict[str, float]]) -> None:
        save_figure(training_curves(rows), run / "curves.png", force=True)

    folder = run_training(
        run,
        settings,
        load_corpus(path=options.data),
        resume=options.resume,
        init=options.init,
        card={
            "data": options.data or "data/chorales.npz, split train",
            "command": command_line(),
            **({"init": options.init} if options.init else {}),
        },
        on_row=draw_curves,
    )
    print(f"{folder}: config.json and weights.safetensors are a checkpoint, ready for --model")
    return 0


def corpus(options: argparse.Namespace) -> int:
    """Build data/chorales.npz from music21's corpus."""
    from coconet.build import build_corpus

    counts = build_corpus(out=options.out, jsb=options.jsb, workers=options.workers)
    for key, value in counts.items():
        print(f"{key:<12} {value}")
    return 0


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Settings of a new run: the file's, with the command line's laid over them."""
    fields: dict[str, Any] = {}
    if options.config is not None:
        import yaml

        try:
            text = Path(options.config).read_text(encoding="utf-8")
            fields = yaml.safe_load(text) or {}
        except OSError as error:
            raise ChoraleError(f"{options.config}: can't be read ({error.strerror})") from error
        except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            line = str(error).replace("\n", " ")
            raise ChoraleError(f"{options.config}: not valid YAML ({line})") from error
        if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
            raise ChoraleError(f"{options.config}: expected settings such as 'updates: 20000'")
    names = ("batch", "crop", "learning_rate", "resolution", "seed", "threads")
    fields |= {key: getattr(options, key) for key in names if getattr(options, key) is not None}
    if options.updates is not None or options.minutes is not None:
        fields |= {"updates": options.updates, "minutes": options.minutes}
    sizes = {key: getattr(options, key) for key in ("network", "layers", "filters")}
    sizes = {key: value for key, value in sizes.items() if value is not None}
    if sizes:
        model = fields.get("model") or {}
        if not isinstance(model, dict):
            raise ChoraleError(f"{options.config}: model: expected settings, got {model!r}")
        fields["model"] = {"network": "fast", **model, **sizes}
    return fields
