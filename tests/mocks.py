"""Predictors that know nothing, or everything."""

import numpy as np


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
        return (self.answers[..., None] == np.arange(low, high + 1)).astype(np.float32)


class Recording(Uniform):
    """Uniform, and keeps what it was shown."""

    def __init__(self):
        self.calls = []

    def predict(self, grids, hidden, outside=None):
        self.calls.append((grids.copy(), hidden.copy(), outside.copy()))
        return super().predict(grids, hidden, outside)
