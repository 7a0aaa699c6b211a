"""In which floating-point type the `fast` network's linear layers work.

'float32'; 'bfloat16', whose products cost a quarter where the machine has them
and much more where it hasn't; 'auto', the faster of the two. Norms, sums and the
residual stream are float32 always; what a linear layer gives, logits too, is
rounded to its type. The `paper` network always works in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coconet.errors import ChoraleError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "float32", "bfloat16")
#: torch's own tests of the processor, by name: they aren't in all of its builds.
_TESTS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def validate_precision(precision: str) -> str:
    if precision not in PRECISIONS:
        raise ChoraleError(f"precision: expected {', '.join(PRECISIONS)}, got {precision!r}")
    return precision


def working_type(precision: str = "auto", device: str = "cpu") -> torch.dtype:
    """The type that a precision means on a device, 'cpu' or 'cuda'."""
    import torch

    validate_precision(precision)
    if precision != "auto":
        return getattr(torch, precision)
    if device == "cuda":
        native = torch.cuda.is_bf16_supported()
    else:
        native = any(getattr(torch.cpu, test, lambda: False)() for test in _TESTS)
    return torch.bfloat16 if native else torch.float32


def type_name(kind: torch.dtype) -> str:
    """'float32' or 'bfloat16'."""
    return str(kind).removeprefix("torch.")
