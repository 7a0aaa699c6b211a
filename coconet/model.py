"""The two networks: tokens in, logits out.

Conventions
-----------
tokens : int tensor, shape=(batch, steps, 4), as in `coconet.encoding`
ends : bool tensor, shape=(batch, 2): whether the piece begins where the array
    begins, and ends where it ends. Beyond a true end everything is outside;
    beyond the edge of a crop nothing is known.
logits : float tensor, shape=(batch, steps, 4, pitches)

Each convolution over time sees, in outside cells and beyond a true end, a
learned vector instead of activations. So the networks know where pieces end, and
the result inside a piece is the same however much padding stands around it.

Source: Huang, Cooijmans, Roberts, Courville and Eck, "Counterpoint by
Convolution" (2017, arXiv 1903.07227), for the objective and `paper`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coconet.errors import ChoraleError

VOICE_COUNT = 4
BEAT = 4


@dataclass(frozen=True)
class FastConfig:
    """Sizes of the `fast` network.

    pitches : lowest and highest MIDI pitch
    step_width, beat_width : channels a step and a beat
    step_blocks : blocks at step level, before and after the beat trunk each
    dilations : of the beat trunk's blocks, in beats
    kernel : width of the convolutions over time
    dropout : in training, of each block's output, in steps of 1/256
    """

    pitches: tuple[int, int] = (36, 81)
    step_width: int = 128
    beat_width: int = 384
    step_blocks: int = 2
    dilations: tuple[int, ...] = (1, 2, 4, 1, 1, 2, 4, 1)
    kernel: int = 5
    dropout: float = 0.2


@dataclass(frozen=True)
class PaperConfig:
    """Sizes of the `paper` network: 64 layers of 128 filters in the paper."""

    pitches: tuple[int, int] = (36, 81)
    layers: int = 64
    filters: int = 128


class TimePadding(nn.Module):
    """Lays a learned vector over outside cells and beyond true ends.

    Takes x of shape (batch, time, …, channels) and returns it longer by `margin`
    at either end, ready for a convolution that adds no padding of its own.
    """

    def __init__(self, channels: int, margin: int):
        super().__init__()
        self.margin = margin
        self.vector = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, outside: Tensor, ends: Tensor) -> Tensor:
        batch, inner, last = x.shape[0], x.shape[2:-1], x.shape[-1]
        middle = (1,) * len(inner)
        x = torch.where(outside.reshape(batch, -1, *middle, 1), self.vector, x)
        edges = ends.to(x.dtype).reshape(batch, 2, *middle, 1) * self.vector
        edges = edges.expand(batch, 2, *inner, last)
        before = edges[:, :1].expand(batch, self.margin, *inner, last)
        after = edges[:, 1:].expand(batch, self.margin, *inner, last)
        return torch.cat([before, x, after], dim=1)


class Dropout(nn.Module):
    """Dropout whose chance comes from a generator of its own, so that a run can resume.

    The share is rounded to 1/256: one random byte an activation is enough, and
    eight of them cost no more than one draw of a float.
    """

    def __init__(self, share: float):
        super().__init__()
        self.dropped = round(share * 256)
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.dropped == 0:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.dropped
        return torch.where(kept, x * (256 / (256 - self.dropped)), 0.0)


class DepthwiseTime(torch.autograd.Function):
    """Depthwise convolution over time as one multiply-add a tap.

    x of shape (batch, time + (kernel - 1) * dilation, channels), taps of shape
    (kernel, channels), result of shape (batch, time, channels). torch's own, made
    for images, takes ten times as long backwards at these sizes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, taps)
        ctx.dilation = dilation
        time = x.shape[1] - (len(taps) - 1) * dilation
        y = x[:, :time] * taps[0]
        for number, tap in enumerate(taps[1:], start=1):
            y.addcmul_(x[:, number * dilation : number * dilation + time], tap)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, taps = ctx.saved_tensors
        time = gradient.shape[1]
        x_gradient, taps_gradient = torch.zeros_like(x), torch.empty_like(taps)
        for number, tap in enumerate(taps):
            window = slice(number * ctx.dilation, number * ctx.dilation + time)
            x_gradient[:, window].addcmul_(gradient, tap)
            taps_gradient[number] = (gradient * x[:, window]).sum((0, 1))
        return x_gradient, taps_gradient, None


class Block(nn.Module):
    """Depthwise convolution over time, layer norm, linear ×2, ReLU, linear, residual."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.dilation = dilation
        self.pad = TimePadding(channels, dilation * (kernel // 2))
        self.taps = nn.Parameter(torch.empty(kernel, channels))
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, outside: Tensor, ends: Tensor) -> Tensor:
        y = DepthwiseTime.apply(self.pad(x, outside, ends), self.taps, self.dilation)
        y = self.narrow(F.relu(self.widen(self.norm(y))))
        # The sum stays in full precision where linear layers work in half of it.
        return x + self.dropout(y.to(x.dtype))


class FastNetwork(nn.Module):
    """Convolutions over time only, pitch in the channels, most work at beat level.

    The number of steps must be a multiple of 4; step 0 falls on a beat.
    """

    def __init__(self, config: FastConfig):
        super().__init__()
        self.config = config
        self.pitch_count = config.pitches[1] - config.pitches[0] + 1
        step, beat, kernel, dropout = (
            config.step_width,
            config.beat_width,
            config.kernel,
            config.dropout,
        )
        self.symbols = self.pitch_count + 3
        side = kernel // 2
        #: Steps on either side of a cell beyond which nothing changes its logits; the
        #: last term is for the beat's other steps.
        self.reach = 2 * config.step_blocks * side + BEAT * side * sum(config.dilations) + BEAT - 1
        # A linear layer on one-hot planes is a sum of rows of a table.
        self.stem = nn.Embedding(VOICE_COUNT * self.symbols, step)
        self.place = nn.Parameter(torch.zeros(BEAT, step))

        def fine() -> nn.ModuleList:
            return nn.ModuleList(Block(step, kernel, 1, dropout) for _ in range(config.step_blocks))

        self.before = fine()
        self.down = nn.Linear(BEAT * step, beat)
        self.trunk = nn.ModuleList(Block(beat, kernel, d, dropout) for d in config.dilations)
        self.up = nn.Linear(beat, BEAT * step)
        self.after = fine()
        self.norm = nn.LayerNorm(step)
        self.head = nn.Linear(step, VOICE_COUNT * self.pitch_count)

    def forward(self, tokens: Tensor, ends: Tensor) -> Tensor:
        batch, steps, voices = tokens.shape
        outside = tokens[..., 0] == self.pitch_count + 2
        outside_beats = outside.reshape(batch, steps // BEAT, BEAT).all(-1)
        rows = tokens + torch.arange(voices, device=tokens.device) * self.symbols
        x = self.stem(rows).sum(2)
        x = (x.reshape(batch, -1, BEAT, x.shape[-1]) + self.place).reshape(x.shape)
        for block in self.before:
            x = block(x, outside, ends)
        y = self.down(x.reshape(batch, steps // BEAT, -1)).to(x.dtype)
        for block in self.trunk:
            y = block(y, outside_beats, ends)
        x = x + self.up(y).reshape(x.shape)
        for block in self.after:
            x = block(x, outside, ends)
        return self.head(self.norm(x)).reshape(batch, steps, voices, self.pitch_count)


class PaperLayer(nn.Module):
    """3×3 convolution over (steps, pitches) without bias, then batch norm."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.pad = TimePadding(inputs, 1)
        self.filters = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, outside: Tensor, ends: Tensor) -> Tensor:
        x = self.pad(x, outside, ends).permute(0, 3, 1, 2)
        return self.norm(F.conv2d(x, self.filters, padding=(0, 1))).permute(0, 2, 3, 1)


class PaperNetwork(nn.Module):
    """The paper's network: planes over (steps, pitches), a residual every second layer."""

    def __init__(self, config: PaperConfig):
        super().__init__()
        self.config = config
        self.pitch_count = config.pitches[1] - config.pitches[0] + 1
        planes = 3 * VOICE_COUNT + 1
        widths = [planes] + [config.filters] * (config.layers - 1) + [VOICE_COUNT]
        self.layers = nn.ModuleList(
            PaperLayer(inputs, outputs) for inputs, outputs in pairwise(widths)
        )

    def forward(self, tokens: Tensor, ends: Tensor) -> Tensor:
        batch, steps, voices = tokens.shape
        count = self.pitch_count
        one_hot = F.one_hot(tokens.long(), count + 3).to(self.layers[0].filters.dtype)
        outside = tokens[..., 0] == count + 2
        pitch_planes = one_hot[..., :count].permute(0, 1, 3, 2)
        flags = torch.cat([one_hot[..., count], one_hot[..., count + 1], one_hot[:, :, :1, -1]], -1)
        flags = flags.unsqueeze(2).expand(batch, steps, count, 2 * voices + 1)
        x = torch.cat([pitch_planes, flags], -1)  # batch, steps, pitches, planes
        x = F.relu(self.layers[0](x, outside, ends))
        middle = self.layers[1:-1]
        for first, second in zip(middle[::2], middle[1::2], strict=False):
            y = F.relu(first(x, outside, ends))
            x = F.relu(x + second(y, outside, ends))
        if len(middle) % 2:
            x = F.relu(middle[-1](x, outside, ends))
        return self.layers[-1](x, outside, ends).permute(0, 1, 3, 2)


NETWORKS = {"fast": (FastConfig, FastNetwork), "paper": (PaperConfig, PaperNetwork)}
Config = FastConfig | PaperConfig


def config_from(fields: dict) -> Config:
    """The config that `config_fields` wrote; raises ChoraleError for anything else."""
    fields = dict(fields)
    network = fields.pop("network", None)
    if network not in NETWORKS:
        raise ChoraleError(f"network: expected one of {', '.join(NETWORKS)}, got {network!r}")
    defaults = NETWORKS[network][0]()
    for key, value in fields.items():
        default = getattr(defaults, key, None)
        if default is None:
            raise ChoraleError(f"{network} network: unknown setting {key!r}")
        fields[key] = tuple(value) if isinstance(value, list) else value
        wanted = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(fields[key], wanted) or isinstance(value, bool):
            raise ChoraleError(
                f"{network} network: {key} expects {type(default).__name__}, got {value!r}"
            )
    config = NETWORKS[network][0](**fields)
    _validate(config)
    return config


def config_fields(config: Config) -> dict:
    """A config as plain values for JSON, with the network's name."""
    name = next(name for name, (kind, _) in NETWORKS.items() if isinstance(config, kind))
    return {"network": name, **asdict(config)}


def build_network(config: Config, generator: torch.Generator | None = None) -> nn.Module:
    """A network with fresh weights drawn from `generator` (left at zero without one)."""
    network = _skeleton(config).to_empty(device="cpu")
    with torch.no_grad():
        _initialise(network, generator)
    return network


def tensor_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that the network's weights hold."""
    return {name: tuple(tensor.shape) for name, tensor in _skeleton(config).state_dict().items()}


def use_generator(network: nn.Module, generator: torch.Generator) -> None:
    """Take all dropout's chance from `generator`."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _skeleton(config: Config) -> nn.Module:
    """The network without memory behind its tensors."""
    kind = next(network for entry, network in NETWORKS.values() if isinstance(config, entry))
    with torch.device("meta"):
        return kind(config)


def _initialise(network: nn.Module, generator: torch.Generator | None) -> None:
    def normal(tensor: Tensor, std: float) -> None:
        tensor.zero_() if generator is None else tensor.normal_(0, std, generator=generator)

    for module in network.modules():
        if isinstance(module, nn.Linear):
            normal(module.weight, 1 / math.sqrt(module.in_features))
            module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            normal(module.weight, 0.5)
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
            module.weight.fill_(1)
            module.bias.zero_()
        elif isinstance(module, PaperLayer):
            normal(module.filters, math.sqrt(2 / (9 * module.filters.shape[1])))
        elif isinstance(module, TimePadding):
            module.vector.zero_()
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    for block in blocks:
        normal(block.taps, 1 / math.sqrt(len(block.taps)))
        block.narrow.weight.div_(math.sqrt(len(blocks)))
    if isinstance(network, FastNetwork):
        normal(network.place, 0.5)
        network.head.weight.mul_(0.1)


def _validate(config: Config) -> None:
    low, high = config.pitches if len(config.pitches) == 2 else (0, 0)
    sizes = [value for key, value in asdict(config).items() if key not in ("pitches", "dropout")]
    flat = [n for size in sizes for n in (size if isinstance(size, tuple) else (size,))]
    sound = (
        all(isinstance(n, int) and 0 < n <= 4096 for n in [low, high, *flat])
        and low < high <= 127
        and 0 <= getattr(config, "dropout", 0) < 1
        and round(256 * getattr(config, "dropout", 0)) < 256
        and getattr(config, "kernel", 1) % 2 == 1
        and getattr(config, "layers", 2) >= 2
    )
    if not sound:
        raise ChoraleError(f"impossible network settings: {config}")
