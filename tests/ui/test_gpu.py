from types import SimpleNamespace

from styleadapt.ui import gpu


def test_without_the_package_a_function_stays_itself(monkeypatch):
    monkeypatch.setattr(gpu, "spaces", None)
    assert gpu.on_gpu(len, duration=5) is len


def test_with_the_package_a_gpu_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(
        gpu, "spaces", SimpleNamespace(GPU=lambda duration: asked.append(duration) or (lambda function: function))
    )
    assert gpu.on_gpu(len, duration=5) is len
    assert asked == [5]
