"""Milliseconds of one prediction, beside its matrix products alone.

Whole predictions as the sampler makes them, numpy in and out, against nothing but
the network's linear layers at the same sizes, in the same precision and by the same
packed product; and against the network as it is trained. Medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from coconet import places
from coconet.inference import packed_linear
from coconet.model import BEAT, FastNetwork
from coconet.precision import working_type
from coconet.predictor import NetworkPredictor, load_predictor

SHAPES = ((1, 32), (28, 32), (1, 128), (16, 128))


def median(work: Callable[[], object], runs: int) -> float:
    """Milliseconds, after a warm-up."""
    for _ in range(5):
        work()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds))


def products(network: FastNetwork, batch: int, steps: int, kind: torch.dtype) -> Callable[[], None]:
    """The linear layers of a prediction, each on its own random input."""
    work = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear):
            at_beats = name.startswith(("trunk", "down", "up"))
            rows = batch * steps // (BEAT if at_beats else 1)
            x = torch.randn(rows, layer.in_features).to(kind)
            weight, bias = layer.weight.detach().to(kind), layer.bias.detach().to(kind)
            work.append((packed_linear(weight, bias), x))

    @torch.inference_mode()
    def run() -> None:
        for product, x in work:
            product(x)

    return run


def multiplications(network: FastNetwork, steps: int) -> int:
    """Multiply-accumulates of the linear layers in one pass over `steps`."""
    return sum(
        layer.weight.numel() * steps // (BEAT if name.startswith(("trunk", "down", "up")) else 1)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=places.models() / "chorales")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    network = load_predictor(options.model, threads=options.threads).network
    print(
        f"{multiplications(network, 128) / 1e9:.3f} GMAC a pass over 128 steps, "
        f"{torch.get_num_threads()} threads, auto is {working_type()}".replace("torch.", "")
    )
    rng = np.random.default_rng(1)
    for batch, steps in SHAPES:
        grids = rng.integers(40, 80, (batch, 4, steps))
        hidden = rng.random(grids.shape) < 0.5
        tokens = torch.from_numpy(rng.integers(0, 46, (batch, steps, 4)).astype(np.int32))
        ends = torch.ones(batch, 2, dtype=torch.bool)

        @torch.inference_mode()
        def plain(tokens: torch.Tensor = tokens, ends: torch.Tensor = ends) -> None:
            torch.softmax(network(tokens, ends), -1).numpy()

        parts = [f"as trained {median(plain, options.runs):.2f}"]
        for precision in ("float32", "bfloat16"):
            predictor = NetworkPredictor(network, precision=precision)

            def predict(
                predictor: NetworkPredictor = predictor,
                grids: np.ndarray = grids,
                hidden: np.ndarray = hidden,
            ) -> None:
                predictor.predict(grids, hidden)

            bare = median(products(network, batch, steps, working_type(precision)), options.runs)
            whole = median(predict, options.runs)
            parts.append(
                f"{precision} {whole:.2f}, products alone {bare:.2f} ({whole / bare:.2f} times)"
            )
        print(f"{batch} × {steps} steps, ms a pass: {'; '.join(parts)}")


if __name__ == "__main__":
    main()
