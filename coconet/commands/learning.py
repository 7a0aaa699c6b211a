"""Commands that teach and examine: corpus, format, train, compare, evaluate, fit-sampler."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from coconet.commands.common import command_line, tell
from coconet.errors import INTERRUPTED, ChoraleError


def train(options: argparse.Namespace) -> int:
    """Train a network."""
    from coconet.distributed import speaks

    try:
        return _train(options)
    except ChoraleError as error:
        if speaks(error):
            raise
        return 2  # another process of the group says it


def compare(options: argparse.Namespace) -> int:
    """Show several training runs side by side."""
    from coconet.comparison import compare as compare_runs
    from coconet.files import validate_writable

    if options.out is not None:
        validate_writable(Path(options.out), force=options.force)
    comparison = compare_runs(options.runs)
    print(comparison.table())
    if options.out is not None:
        from coconet.curves import compare_curves
        from coconet.plots import save_figure

        figure = compare_curves(
            comparison.curves,
            likelihoods=comparison.likelihoods if comparison.rules else None,
            rules=comparison.rules,
        )
        print(save_figure(figure, options.out, force=options.force))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Score checkpoints on a split."""
    from coconet.checkpoint import resolve_checkpoint
    from coconet.evaluation import (
        SHORT,
        data_name,
        evenly,
        load_pieces,
        score,
        short_form,
        table,
        write_scores,
    )
    from coconet.files import validate_writable
    from coconet.predictor import load_predictor
    from coconet.referee import Referee

    if options.threads is not None and options.threads < 1:
        raise ChoraleError(f"--threads: expected 1 or more, got {options.threads}")
    if options.csv is not None:
        validate_writable(Path(options.csv), force=options.force)
    rules = {"unit": options.unit, "order": options.order, "seed": options.seed}
    if options.short:
        fixed = {"--split": options.split, "--pieces": options.pieces, "--orders": options.orders}
        given = [name for name, value in fixed.items() if value is not None]
        if given:
            raise ChoraleError(f"--short fixes the pieces and orders: leave out {given[0]}")
        referee = Referee(orders=SHORT.orders, every=SHORT.every, **rules)
        split = "valid"
        chorales = short_form(load_pieces(options.data, split))
    else:
        orders = {} if options.orders is None else {"orders": options.orders}
        referee = Referee(**orders, **rules)
        split = options.split or "valid"
        chorales = load_pieces(options.data, split)
        if options.pieces is not None:
            chorales = evenly(chorales, options.pieces)
    # A run at work may add a state meanwhile: what is loaded is what is written down.
    folders = [resolve_checkpoint(path).resolve() for path in options.checkpoints]
    predictors = [
        load_predictor(folder, threads=options.threads, precision=options.precision)
        for folder in folders
    ]
    for path, predictor in zip(options.checkpoints, predictors, strict=True):
        if split in predictor.splits:
            tell(
                [
                    f"{path} was trained on the split {split}:"
                    " figures of pieces that it has seen say nothing about others"
                ]
            )
    if len({predictor.resolution for predictor in predictors}) > 1:
        raise ChoraleError("checkpoints of different resolutions don't compare: score each alone")
    results = []
    data = data_name(options.data)
    for path, folder, predictor in zip(options.checkpoints, folders, predictors, strict=True):
        scores = score(predictor, chorales, referee, model=path)
        sha = predictor.name.rpartition(" ")[2]
        results.append(replace(scores, split=split, data=data, checkpoint=folder, sha=sha))
        if options.csv is not None:
            # After each model, so that an interruption loses only the one at work.
            write_scores(results, options.csv, force=options.force or len(results) > 1)
    print(table(results))
    if options.csv is not None:
        print(options.csv)
    return 0


def fit_sampler(options: argparse.Namespace) -> int:
    """Fit the sampler's weights and store them in the checkpoint's folder."""
    from tqdm.auto import tqdm

    from coconet import places
    from coconet.checkpoint import resolve_checkpoint
    from coconet.commands.common import SHIPPED_MODEL, open_predictor
    from coconet.files import validate_writable
    from coconet.fitting import FitSettings, bach_target, comparison, fit_tilt
    from coconet.infill import CHUNK
    from coconet.tilt import FILE, save_tilt

    settings = FitSettings(
        samples=options.samples,
        steps=options.length,
        passes=options.passes,
        rounds=options.rounds,
        seed=options.seed,
    )
    model = places.models() / SHIPPED_MODEL if options.model is None else options.model
    folder = resolve_checkpoint(model)
    validate_writable(folder / FILE, force=options.force)
    predictor = open_predictor(options)
    chunks = -(-settings.samples // CHUNK)
    total = (settings.rounds + 1) * chunks * settings.passes
    with tqdm(total=total, desc="fitting", unit="pass") as bar:
        target = bach_target()
        tilt, rounds = fit_tilt(
            predictor,
            settings,
            target=target,
            on_pass=lambda number, grids: bar.update(),
            on_round=lambda found: bar.write(str(found)),
        )
    print(comparison(rounds, target))
    print(save_tilt(folder, tilt))
    return 0


def corpus(options: argparse.Namespace) -> int:
    """Build data/chorales.npz from music21's corpus."""
    from coconet.build import build_corpus

    counts = build_corpus(out=options.out, jsb=options.jsb, workers=options.workers)
    for key, value in counts.items():
        print(f"{key:<12} {value}")
    return 0


def format(options: argparse.Namespace) -> int:
    """Make a training set of one's own files."""
    from coconet.corpus import load_corpus, save_corpus
    from coconet.files import validate_writable
    from coconet.formatting import (
        find_files,
        read_pieces,
        split_pieces,
        validate_shares,
        write_table,
    )
    from coconet.splits import SPLITS

    out = Path(options.out)
    if out.suffix.lower() != ".npz":
        raise ChoraleError(f"{out}: expected a name that ends in .npz for what is written")
    table = out.with_suffix(".csv")
    for path in (out, table) if options.csv else (out,):
        validate_writable(path, force=options.force)
    shares = {"valid": options.valid, "test": options.test}
    validate_shares(shares)
    like = () if options.like is None else load_corpus(path=options.like)
    formatted = read_pieces(
        find_files(options.sources), min_voices=options.min_voices, workers=options.workers
    )
    if formatted.skipped:
        width = min(60, max(len(str(file)) for file in formatted.skipped))
        print(f"{'skipped':<{width}}  reason")
        for file, reason in formatted.skipped.items():
            print(f"{file!s:<{width}}  {reason}")
        print(flush=True)
    formatted = split_pieces(formatted, shares=shares, like=like, seed=options.seed)
    save_corpus(formatted.chorales, out, source=f"coconet format: {', '.join(options.sources)}")
    if options.csv:
        write_table(formatted, table, force=options.force)
    counts = {split: formatted.count(split) for split in SPLITS if formatted.count(split)}
    told = ", ".join(f"{split} {count}" for split, count in counts.items())
    print(f"{out}: {len(formatted.files)} pieces ({told}), {len(formatted.skipped)} files skipped")
    return 0


def _train(options: argparse.Namespace) -> int:
    from coconet.corpus import load_corpus
    from coconet.distributed import started
    from coconet.plots import save_figure, training_curves
    from coconet.runs import read_settings
    from coconet.settings import Settings
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
        load_corpus(path=settings.data),
        resume=options.resume,
        card={
            "data": settings.data or "data/chorales.npz",
            "command": command_line(),
            **({"init": settings.init} if settings.init else {}),
        },
        on_row=draw_curves,
    )
    if started()[0] != 0:
        return 0
    print(f"{folder}: config.json and weights.safetensors are a checkpoint, ready for --model")
    if not settings.held_out:
        print(f"note: trained on {', '.join(settings.splits)}: not for evaluation")
    updates = read_settings(run).updates
    if updates is None or int(folder.name) < updates:
        of = "" if updates is None else f" of {updates:,}"
        tell([f"stopped after {int(folder.name):,}{of} updates: --resume goes on"])
        return INTERRUPTED
    return 0


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Settings of a new run: the file's, with the command line's laid over them."""
    from coconet.settings import read_fields

    fields: dict[str, Any] = {} if options.config is None else read_fields(options.config)
    names = ("batch", "crop", "learning_rate", "resolution", "splits", "seed", "threads")
    names += ("frames", "precision", "device", "samples_every", "data", "init")
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
