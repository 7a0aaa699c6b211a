"""Predictors that know nothing, or everything."""

import numpy as np
import torch

from coconet.encoding import tokens_of


class Uniform:
    """Every pitch is as likely as any other."""

    pitches = (36, 81)

    def predict(self, grids, hidden, outside=None):
        low, high = self.pitches
        return np.full((*grids.shape, high - low + 1), 1 / (high - low + 1), np.float32)


class Knowing:
    """Knows the answers: puts all probability on those of a given batch."""

    pitches = (36, 81)

    def __init__(self, answers):
        self.answers = answers

    def predict(self, grids, hidden, outside=None):
        low, high = self.pitches
        answers = np.broadcast_to(self.answers, grids.shape)
        return (answers[..., None] == np.arange(low, high + 1)).astype(np.float32)


class Recording(Uniform):
    """Uniform, and keeps what it was shown."""

    def __init__(self):
        self.calls = []

    def predict(self, grids, hidden, outside=None):
        self.calls.append((grids.copy(), hidden.copy(), outside.copy()))
        return super().predict(grids, hidden, outside)


class Listening:
    """Predicts from what it can see up to `hearing` steps away, and from the place in the beat.

    Log-probabilities are sums of random numbers, one for each visible symbol, its
    voice and its distance; beyond the array all is outside. It tells no one its reach.
    """

    pitches = (36, 81)

    def __init__(self, hearing=3, seed=0, resolution=16):
        rng = np.random.default_rng(seed)
        self.hearing, self.resolution = hearing, resolution
        self.weights = rng.normal(0, 0.3, (4, 2 * hearing + 1, 4, 49, 46)).astype(np.float32)
        self.place = rng.normal(0, 1, (4, 4, 46)).astype(np.float32)

    def predict(self, grids, hidden, outside=None):
        steps = grids.shape[2]
        tokens = tokens_of(grids, hidden, outside, self.pitches)
        margin = ((0, 0), (self.hearing, self.hearing), (0, 0))
        tokens = np.pad(tokens, margin, constant_values=48)
        scores = np.tile(self.place, (steps // 4 + 1, 1, 1))[None, :steps]
        for distance in range(2 * self.hearing + 1):
            for voice in range(4):
                heard = tokens[:, distance : distance + steps, voice]
                scores = scores + self.weights[:, distance, voice, heard].transpose(1, 2, 0, 3)
        found = np.exp(scores - scores.max(-1, keepdims=True))
        return (found / found.sum(-1, keepdims=True)).transpose(0, 2, 1, 3)


class Reaching(Listening):
    """The same, and tells its reach."""

    def __init__(self, hearing=3, **options):
        super().__init__(hearing, **options)
        self.reach = hearing


@torch.no_grad()
def random_weights(network, seed):
    """The network with every weight drawn, those too that begin at zero or one."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        wide = parameter.shape[-1] if parameter.ndim > 1 else 4
        parameter.normal_(0, wide**-0.5, generator=generator)
    return network.eval()
