"""What evaluation and sampling know of a model: grids in, probabilities out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from coconet.checkpoint import WEIGHTS, load_checkpoint, resolve_checkpoint
from coconet.encoding import tokens_of
from coconet.model import BEAT
from coconet.tilt import Tilt, load_tilt


class Predictor(Protocol):
    """Anything that predicts hidden cells; a uniform mock is one line."""

    pitches: tuple[int, int]
    """Lowest and highest MIDI pitch, both included."""

    def predict(
        self, grids: np.ndarray, hidden: np.ndarray, outside: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities of every pitch in every cell, given the cells that aren't hidden.

        Parameters
        ----------
        grids : int array, shape=(batch, 4, steps); values in hidden cells are ignored
        hidden : bool array, shape=(batch, 4, steps)
        outside : bool array, shape=(batch, steps), or None where nothing is.
            Step 0 must fall on a beat.

        Returns
        -------
        float32 array, shape=(batch, 4, steps, pitches): sums to 1 over pitches
        """
        ...


class NetworkPredictor:
    """A trained network as a Predictor.

    name : tells it from others in the provenance of what it wrote
    resolution : steps a whole note of the grids it knows
    tilt : the sampler's weights, where they were fitted
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str = "",
        resolution: int = 16,
        tilt: Tilt | None = None,
    ):
        self.network = network.eval()
        self.pitches: tuple[int, int] = tuple(network.config.pitches)
        self.name = name
        self.resolution = resolution
        self.tilt = tilt

    @torch.inference_mode()
    def predict(
        self, grids: np.ndarray, hidden: np.ndarray, outside: np.ndarray | None = None
    ) -> np.ndarray:
        batch, _, steps = grids.shape
        tokens = tokens_of(grids, hidden, outside, self.pitches)
        short = -steps % BEAT
        if short:
            blank = self.pitches[1] - self.pitches[0] + 3  # the symbol for outside
            tokens = np.pad(tokens, ((0, 0), (0, short), (0, 0)), constant_values=blank)
        ends = torch.ones(batch, 2, dtype=torch.bool)
        logits = self.network(torch.from_numpy(tokens), ends)[:, :steps]
        return torch.softmax(logits, -1).permute(0, 2, 1, 3).numpy()


def load_predictor(folder: Path | str, *, threads: int | None = None) -> NetworkPredictor:
    """The network of a checkpoint's folder, ready to predict.

    Its name is the folder's, with the beginning of the weights' SHA-256.

    threads : for torch, process-wide; torch's own choice by default
    """
    if threads is not None:
        torch.set_num_threads(threads)
    path = resolve_checkpoint(folder)
    checkpoint = load_checkpoint(path)
    digest = hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest()
    return NetworkPredictor(
        checkpoint.network(),
        name=f"{path.name} {digest[:12]}",
        resolution=checkpoint.resolution,
        tilt=load_tilt(path),
    )
