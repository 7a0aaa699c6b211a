"""What a training step reads: crops of chorales in any key, some of their cells hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coconet.chorale import Chorale
from coconet.corpus import transpositions
from coconet.encoding import draw_hidden, draw_hidden_frames, lay_on_beats, tokens_of
from coconet.errors import ChoraleError
from coconet.grid import REST
from coconet.model import BEAT


@dataclass(frozen=True)
class Piece:
    """A chorale laid on beats: its grid, and which steps are outside.

    grid : int array, shape=(4, steps), steps a multiple of 4
    outside : bool array, shape=(steps,)
    shifts : transpositions that keep each voice in its range, in semitones
    """

    grid: np.ndarray
    outside: np.ndarray
    shifts: np.ndarray


def pieces_of(chorales: Sequence[Chorale], resolution: int = 16) -> list[Piece]:
    """Chorales laid on beats, outside cells added before an upbeat and after the end."""
    pieces = []
    for chorale in chorales:
        laid = lay_on_beats(chorale, resolution)
        if laid.own.shape[1]:
            pieces.append(Piece(laid.grid, laid.outside, transpositions(chorale.grid)))
    return pieces


@dataclass(frozen=True)
class Batch:
    """Crops with some cells hidden.

    tokens : int32, shape=(batch, steps, 4); ends : bool, shape=(batch, 2)
    targets : int64, shape=(batch, steps, 4): pitch minus the lowest; -100 where
        a cell isn't scored
    """

    tokens: Tensor
    ends: Tensor
    targets: Tensor


def make_batch(
    crops: Sequence[tuple[Piece, int, int]],
    length: int,
    pitches: tuple[int, int],
    rng: np.random.Generator,
    *,
    frames: float = 0.0,
) -> Batch:
    """Cut crops, move them, hide cells.

    crops : (piece, first step, semitones) each
    length : steps a crop; what reaches beyond the piece is outside
    frames : share of the crops in which whole frames are hidden, not single cells
    """
    grids = np.zeros((len(crops), 4, length), np.int64)
    outside = np.ones((len(crops), length), bool)
    ends = np.zeros((len(crops), 2), bool)
    for item, (piece, start, shift) in enumerate(crops):
        cut = piece.grid[:, start : start + length]
        grids[item, :, : cut.shape[1]] = np.where(cut == REST, REST, cut + shift)
        outside[item, : cut.shape[1]] = piece.outside[start : start + length]
        ends[item] = start == 0, start + length >= piece.grid.shape[1]
    eligible = (grids != REST) & ~outside[:, None]
    by_frames = rng.random(len(crops)) < frames
    hidden = np.empty_like(eligible)
    hidden[~by_frames] = draw_hidden(eligible[~by_frames], rng)
    hidden[by_frames] = draw_hidden_frames(eligible[by_frames], rng)
    tokens = tokens_of(grids, hidden, outside, pitches)
    targets = np.where(hidden, grids - pitches[0], -100).transpose(0, 2, 1)
    return Batch(
        torch.from_numpy(tokens),
        torch.from_numpy(ends),
        torch.from_numpy(np.ascontiguousarray(targets)),
    )


class Crops:
    """Draws training crops: pieces by their length, beats and keys uniformly.

    First steps are drawn from a little beyond the piece at both ends and pulled
    in, so that beginnings and endings are seen more often than by chance.
    """

    def __init__(self, pieces: Sequence[Piece], length: int):
        if not pieces:
            raise ChoraleError("nothing to train on: the data's train split is empty")
        self.pieces = pieces
        self.length = length
        self.margin = length // 4
        lasts = [max(0, piece.grid.shape[1] - length) for piece in pieces]
        self.lasts = np.array(lasts)
        weights = self.lasts + 2 * self.margin
        self.shares = weights / weights.sum()

    def draw(self, count: int, rng: np.random.Generator) -> list[tuple[Piece, int, int]]:
        crops = []
        for index in rng.choice(len(self.pieces), size=count, p=self.shares):
            piece, last = self.pieces[index], self.lasts[index]
            beat = rng.integers(-self.margin // BEAT, (last + self.margin) // BEAT + 1)
            start = int(np.clip(beat * BEAT, 0, last))
            crops.append((piece, start, int(rng.choice(piece.shifts))))
        return crops


def fixed_batches(
    pieces: Sequence[Piece], length: int, pitches: tuple[int, int], *, seed: int = 0
) -> list[Batch]:
    """The same crops with the same cells hidden for every model: whole pieces, cut in a row.

    length : steps a crop
    """
    rng = np.random.default_rng(seed)
    crops = [
        (piece, start, 0) for piece in pieces for start in range(0, piece.grid.shape[1], length)
    ]
    size = 32
    return [
        make_batch(crops[i : i + size], length, pitches, rng) for i in range(0, len(crops), size)
    ]
