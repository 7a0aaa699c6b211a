"""A trained `fast` network, laid out anew for prediction: same weights, fewer operations.

What `coconet.model.FastNetwork` computes in evaluation, with the whole array being
the piece. Layer norms' weights are folded into the linear layers after them, the
places in a beat into the table of symbols; linear layers are oneDNN's, with weights
packed once and ReLU done in passing, in bfloat16 where the processor multiplies it
natively. What comes out differs from the network's own logits by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coconet.model import BEAT, VOICE_COUNT, Block, FastNetwork
from coconet.precision import type_name, working_type


class FastInference:
    """The logits of a FastNetwork, in all cells or at one step an item.

    precision : of the linear layers, as in `coconet.precision`
    """

    def __init__(self, network: FastNetwork, precision: str = "auto"):
        config = network.config
        self.type = working_type(precision)
        self.precision = type_name(self.type)
        self.pitch_count = network.pitch_count
        # A row for each place in the beat, voice and symbol.
        table = network.stem.weight + network.place[:, None] / VOICE_COUNT
        self.table = table.detach().flatten(0, 1).contiguous()
        rows = torch.arange(BEAT * VOICE_COUNT, dtype=torch.int32) * network.symbols
        self.rows = rows.view(BEAT, VOICE_COUNT)
        self.before = [self._layer(block) for block in network.before]
        self.down = self._linear(network.down)
        self.trunk = [self._layer(block) for block in network.trunk]
        self.up = self._linear(network.up)
        self.after = [self._layer(block) for block in network.after]
        self.head = self._linear(network.head, network.norm)
        # Beats on either side that the input of each trunk block must reach, for the
        # steps at both ends of what the blocks after the trunk see.
        side = config.kernel // 2
        reach = -(-config.step_blocks * side // BEAT)
        self.final_reach = reach
        self.reaches: list[int] = []
        for dilation in reversed(config.dilations):
            reach += side * dilation
            self.reaches.insert(0, reach)

    @torch.inference_mode()
    def logits(self, tokens: Tensor) -> Tensor:
        """Logits of every cell.

        tokens : int32, shape=(batch, steps, 4), steps a multiple of 4

        Returns float32, shape=(batch, steps, 4, pitches).
        """
        x, outside, outside_beats = self._steps(tokens)
        batch, steps, _ = x.shape
        y = self._cast(self.down(self._lower(x.view(batch, steps // BEAT, -1))))
        for layer in self.trunk:
            y = layer(y, outside_beats)
        x = x + self.up(self._lower(y)).view(x.shape)
        return self._finish(x, outside)

    @torch.inference_mode()
    def logits_at(self, tokens: Tensor, at: Tensor) -> Tensor:
        """Logits at one step of each item: as `logits`, with no more done than that needs.

        at : int64, shape=(batch,)

        Returns float32, shape=(batch, 4, pitches).
        """
        x, outside, outside_beats = self._steps(tokens)
        batch, steps, _ = x.shape
        beat = at // BEAT
        y = self._cast(self.down(self._lower(x.view(batch, steps // BEAT, -1))))
        first = torch.zeros_like(beat)
        for layer, reach in zip(self.trunk, self.reaches, strict=True):
            width = 2 * reach + 1
            if width < 0.9 * y.shape[1]:
                # Moved to lie within the beats at hand, where those end.
                begin = torch.minimum(
                    torch.maximum(beat - reach, first), first + y.shape[1] - width
                )
                y, outside_beats = _cut(width, begin - first, y, outside_beats)
                first = begin
            y = layer(y, outside_beats)
        width = min(2 * self.final_reach + 1, steps // BEAT)
        begin = (beat - self.final_reach).clamp(0, steps // BEAT - width)
        y, _ = _cut(width, begin - first, y, None)
        x, outside = _cut(width * BEAT, begin * BEAT, x, outside)
        x = x + self.up(self._lower(y)).view(x.shape)
        logits = self._finish(x, outside)
        return logits[torch.arange(batch), at - begin * BEAT]

    def _steps(self, tokens: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Activations of steps before the trunk; outside steps and beats, None without any."""
        batch, steps, _ = tokens.shape
        rows = tokens.view(batch, -1, BEAT, VOICE_COUNT) + self.rows
        x = F.embedding_bag(rows.view(-1, VOICE_COUNT), self.table, mode="sum")
        x = x.view(batch, steps, -1)
        outside = tokens[..., :1] == self.pitch_count + 2
        outside_beats = None
        if outside.any():
            outside_beats = outside.view(batch, -1, BEAT).all(-1, keepdim=True)
        else:
            outside = None
        for layer in self.before:
            x = layer(x, outside)
        return x, outside, outside_beats

    def _finish(self, x: Tensor, outside: Tensor | None) -> Tensor:
        for layer in self.after:
            x = layer(x, outside)
        logits = self._cast(self.head(self._lower(F.layer_norm(x, x.shape[-1:]))))
        return logits.view(*x.shape[:2], VOICE_COUNT, self.pitch_count)

    def _layer(self, block: Block) -> Layer:
        return Layer(
            block.pad.margin,
            block.pad.vector.detach(),
            list(block.taps.detach()),
            block.dilation,
            self._linear(block.widen, block.norm, relu=True),
            self._linear(block.narrow),
            self.type,
        )

    def _linear(
        self, linear: nn.Linear, norm: nn.LayerNorm | None = None, *, relu: bool = False
    ) -> Callable[[Tensor], Tensor]:
        weight, bias = linear.weight.detach(), linear.bias.detach()
        if norm is not None:
            bias = bias + weight @ norm.bias.detach()
            weight = weight * norm.weight.detach()
        return packed_linear(weight.to(self.type), bias.to(self.type), relu=relu)

    def _lower(self, x: Tensor) -> Tensor:
        return x if self.type == torch.float32 else x.to(self.type)

    def _cast(self, x: Tensor) -> Tensor:
        return x if self.type == torch.float32 else x.float()


@dataclass(frozen=True)
class Layer:
    """A `coconet.model.Block` ready to predict, both ends being the piece's own."""

    margin: int
    vector: Tensor
    taps: list[Tensor]
    dilation: int
    widen: Callable[[Tensor], Tensor]
    narrow: Callable[[Tensor], Tensor]
    type: torch.dtype

    def __call__(self, x: Tensor, outside: Tensor | None) -> Tensor:
        batch, time, channels = x.shape
        edge = self.vector.expand(batch, self.margin, channels)
        inner = x if outside is None else torch.where(outside, self.vector, x)
        padded = torch.cat([edge, inner, edge], 1)
        y = padded[:, :time] * self.taps[0]
        for number, tap in enumerate(self.taps[1:], start=1):
            y.addcmul_(padded[:, number * self.dilation : number * self.dilation + time], tap)
        y = F.layer_norm(y, (channels,))
        if self.type != torch.float32:
            y = y.to(self.type)
        return x + self.narrow(self.widen(y))


def packed_linear(
    weight: Tensor, bias: Tensor, *, relu: bool = False
) -> Callable[[Tensor], Tensor]:
    """A linear layer, and ReLU after it if asked, as one function.

    oneDNN's where torch was built with it: for float32 on some processors more than
    twice as fast as torch's own.
    """
    after = "relu" if relu else "none"
    packs = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if weight.dtype == torch.bfloat16:
        packs = packs and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if packs:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, bias, after, [], "")
    if relu:
        return lambda x: F.linear(x, weight, bias).relu_()
    return lambda x: F.linear(x, weight, bias)


def _cut(
    width: int, first: Tensor, x: Tensor, outside: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """A window of each item, and of what is outside in it; first : shape=(batch,)."""
    rows = torch.arange(len(x))[:, None]
    columns = first[:, None] + torch.arange(width)
    return x[rows, columns], None if outside is None else outside[rows, columns]
