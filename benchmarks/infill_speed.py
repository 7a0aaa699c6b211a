"""Seconds and memory of infilling with the shipped model, after loading it."""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import numpy as np
import torch

from coconet import places
from coconet.corpus import crop, load_corpus
from coconet.infill import blank_chorale, choose_hidden, infill
from coconet.predictor import load_predictor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=places.models() / "chorales")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    began = time.perf_counter()
    predictor = load_predictor(options.model, threads=options.threads)
    print(f"loading: {time.perf_counter() - began:.2f} s, {torch.get_num_threads()} threads")
    piece = next(c for c in load_corpus("demo") if c.bwv == "180.7")
    phrase = crop(piece, (0, 32))
    blank = blank_chorale(128)
    cases = {
        "one voice of 32 steps, 64 passes": (phrase, choose_hidden(phrase, rewrite="alto"), 64),
        "two voices of 240 steps, 256 passes": (
            piece, choose_hidden(piece, rewrite="alto,tenor"), 256,
        ),
        "four voices of 128 steps from nothing, 256 passes": (
            blank, np.ones(blank.grid.shape, bool), 256,
        ),
    }  # fmt: skip
    for name, (chorale, hidden, passes) in cases.items():
        seconds = []
        for _ in range(options.runs):
            began = time.perf_counter()
            infill(predictor, chorale, hidden, passes=passes)
            seconds.append(time.perf_counter() - began)
        middle = statistics.median(seconds)
        print(
            f"{name}: median {middle:.2f} s of {options.runs}, "
            f"{min(seconds):.2f}-{max(seconds):.2f}; {1000 * middle / passes:.1f} ms a pass"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory of this process: {peak / 1024:.0f} MB")


if __name__ == "__main__":
    main()
