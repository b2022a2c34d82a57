import pytest
import torch

from styleadapt.devices.device import usable_device


@pytest.mark.parametrize("there, kind", [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_used_where_there_is_one(monkeypatch, there, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert usable_device() == torch.device(kind)


def test_a_named_device_is_used():
    assert usable_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["toaster", "meta", "cuda:63"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match=name) as caught:
        usable_device(name)
    assert "\n" not in str(caught.value)
