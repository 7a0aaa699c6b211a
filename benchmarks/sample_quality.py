"""Chorales from nothing beside Bach's: with and without the tilt, at several passes."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from coconet import places
from coconet.chorale import Chorale
from coconet.gibbs import Schedule, sample
from coconet.metrics import NAMES, Row, bach_rows, bach_spread, battery, within_bach
from coconet.predictor import load_predictor

ROW = "{:<26}" + "{:>9}" * len(NAMES) + "{:>7}{:>8}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=places.models() / "chorales", metavar="DIR")
    parser.add_argument("--samples", type=int, default=256, metavar="N")
    parser.add_argument("--length", type=int, default=128, metavar="STEPS")
    parser.add_argument("--passes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--tilt", type=float, nargs="+", default=[0.0, 1.0], metavar="X")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--save", type=Path, metavar="DIR", help="also keep the samples here")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    bach = bach_rows(rng=rng)
    low, high = (Row(name, bach[0].counts, values, values) for name, values in zip(
        ("lowest that is Bach's", "highest that is Bach's"), bach_spread(bach), strict=True
    ))  # fmt: skip
    print(ROW.format("", *(name[:8] for name in NAMES), "pieces", "minutes"))
    for row in (*bach, low, high):
        print(ROW.format(row.name, *(f"{value:.3f}" for value in row.values), row.pieces, ""))
    predictor = load_predictor(options.model, threads=options.threads)
    if predictor.tilt is None and any(options.tilt):
        sys.exit(f"{options.model}: no weights; coconet fit-sampler fits them")
    blank = Chorale(np.zeros((4, options.length), int))
    everything = np.ones(blank.grid.shape, bool)
    for passes in options.passes:
        for tilt in options.tilt:
            name = f"{passes} passes, tilt {tilt:g}"
            total = passes * -(-options.samples // 16)
            began = time.perf_counter()
            with tqdm(total=total, desc=name, unit="pass", leave=False) as bar:
                grids = sample(
                    predictor,
                    [blank] * options.samples,
                    [everything] * options.samples,
                    schedule=Schedule(passes=passes),
                    temperature=options.temperature,
                    tilt=tilt,
                    rng=np.random.default_rng(options.seed),
                    fill_rests=True,
                    on_pass=lambda number, grids, bar=bar: bar.update(),
                )
            minutes = (time.perf_counter() - began) / 60
            row = battery(grids, name=name, rng=rng)
            inside = within_bach(row, bach)
            values = (
                f"{value:.3f}" + ("" if inside[column] else "*")
                for column, value in zip(NAMES, row.values, strict=True)
            )
            print(ROW.format(name, *values, row.pieces, f"{minutes:.1f}"))
            errors = (f"± {error:.3f}" for error in row.errors)
            print(ROW.format("", *errors, "", ""), flush=True)
            if options.save is not None:
                options.save.mkdir(parents=True, exist_ok=True)
                np.save(options.save / f"{passes}-{tilt:g}.npy", np.stack(grids))
    print("* not between the two rows above: his splits, widened by 1.96 errors on either side")


if __name__ == "__main__":
    main()
