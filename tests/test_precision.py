"""Which floating-point type linear layers work in."""

import pytest
import torch

from coconet.errors import ChoraleError
from coconet.precision import working_type


@pytest.mark.parametrize(
    ("precision", "native", "expected"),
    [
        ("float32", True, torch.float32),
        ("bfloat16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_auto_takes_bfloat16_only_where_the_processor_has_it(
    monkeypatch, precision, native, expected
):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert working_type(precision) is expected


def test_a_torch_that_cannot_tell_works_in_float32(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert working_type("auto") is torch.float32


def test_unknown_precisions_are_refused():
    with pytest.raises(ChoraleError, match="expected auto, float32, bfloat16, got 'int8'"):
        working_type("int8")
