import pytest
import torch

from styleadapt.runtime.precision import fast_compute_dtype, loading_dtype

CPU = torch.device("cpu")


@pytest.fixture(params=[True, False])
def fast(request, monkeypatch):
    monkeypatch.setattr("styleadapt.runtime.precision.supports_bf16", lambda device: request.param)
    return request.param


def test_auto_loads_bfloat16_in_openvino_alone(fast):
    assert loading_dtype("auto", "openvino") == (torch.bfloat16 if fast else torch.float32)
    assert loading_dtype("auto", "torch") == loading_dtype("auto", "onnx") == torch.float32


def test_a_type_that_is_named_is_taken_everywhere(fast):
    for backend in ("torch", "onnx", "openvino"):
        assert loading_dtype(torch.bfloat16, backend) == torch.bfloat16


@pytest.mark.parametrize("wanted", ["bfloat16", "half", 16])
def test_anything_else_is_refused(wanted):
    with pytest.raises(ValueError, match=f"`dtype` is {wanted!r}; it must be a torch.dtype or 'auto'"):
        loading_dtype(wanted, "torch")


def test_float32_weights_are_calculated_in_bfloat16_where_that_is_fast(fast):
    assert fast_compute_dtype(CPU, torch.float32) == (torch.bfloat16 if fast else None)
    assert fast_compute_dtype(CPU, torch.float16) is None
