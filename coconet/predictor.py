"""What evaluation and sampling know of a model: grids in, probabilities out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from coconet.checkpoint import WEIGHTS, load_checkpoint, resolve_checkpoint
from coconet.encoding import tokens_of
from coconet.errors import ChoraleError
from coconet.inference import FastInference
from coconet.model import BEAT, FastNetwork
from coconet.precision import validate_precision
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
    precision : of the linear layers, as in `coconet.precision`; a `paper` network
        takes 'auto' and 'float32' alone
    splits : of the corpus, those that it was trained on, where that is known
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str = "",
        resolution: int = 16,
        tilt: Tilt | None = None,
        precision: str = "auto",
        splits: Sequence[str] = (),
    ):
        self.network = network.eval()
        fast = isinstance(network, FastNetwork)
        if validate_precision(precision) == "bfloat16" and not fast:
            raise ChoraleError(f"{name or 'network'}: only a fast network can work in bfloat16")
        self.inference = FastInference(network, precision) if fast else None
        #: Steps on either side beyond which nothing changes a prediction; None: everything does.
        self.reach: int | None = network.reach if fast else None
        self.splits = tuple(splits)
        self.precision = self.inference.precision if fast else "float32"
        self.pitches: tuple[int, int] = tuple(network.config.pitches)
        self.name = name
        self.resolution = resolution
        self.tilt = tilt

    @torch.inference_mode()
    def predict(
        self, grids: np.ndarray, hidden: np.ndarray, outside: np.ndarray | None = None
    ) -> np.ndarray:
        logits = self._logits(self._tokens(grids, hidden, outside))[:, : grids.shape[2]]
        return torch.softmax(logits, -1).permute(0, 2, 1, 3).numpy()

    @torch.inference_mode()
    def predict_at(
        self, grids: np.ndarray, hidden: np.ndarray, outside: np.ndarray | None, steps: np.ndarray
    ) -> np.ndarray:
        """What `predict` says of one step of each item.

        steps : int array, shape=(batch,)

        Returns
        -------
        float32 array, shape=(batch, 4, pitches)
        """
        tokens = self._tokens(grids, hidden, outside)
        at = torch.from_numpy(np.asarray(steps, np.int64))
        if self.inference is not None:
            logits = self.inference.logits_at(tokens, at)
        else:
            logits = self._logits(tokens)[torch.arange(len(at)), at]
        return torch.softmax(logits, -1).numpy()

    def _tokens(
        self, grids: np.ndarray, hidden: np.ndarray, outside: np.ndarray | None
    ) -> torch.Tensor:
        tokens = tokens_of(grids, hidden, outside, self.pitches)
        short = -grids.shape[2] % BEAT
        if short:
            blank = self.pitches[1] - self.pitches[0] + 3  # the symbol for outside
            tokens = np.pad(tokens, ((0, 0), (0, short), (0, 0)), constant_values=blank)
        return torch.from_numpy(tokens)

    def _logits(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.inference is not None:
            return self.inference.logits(tokens)
        return self.network(tokens, torch.ones(len(tokens), 2, dtype=torch.bool))


def load_predictor(
    folder: Path | str, *, threads: int | None = None, precision: str = "auto"
) -> NetworkPredictor:
    """The network of a checkpoint's folder, ready to predict.

    Its name is the folder's, with the beginning of the weights' SHA-256.

    threads : for torch, process-wide; torch's own choice by default
    precision : of the linear layers, as in `coconet.precision`
    """
    if threads is not None:
        torch.set_num_threads(threads)
    path = resolve_checkpoint(folder)
    checkpoint = load_checkpoint(path)
    digest = hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest()
    splits = checkpoint.card.get("splits")
    return NetworkPredictor(
        checkpoint.network(),
        name=f"{path.name} {digest[:12]}",
        resolution=checkpoint.resolution,
        tilt=load_tilt(path),
        precision=precision,
        splits=splits if isinstance(splits, list) else (),
    )
