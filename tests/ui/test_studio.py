import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from styleadapt.ui import studio as studio_module
from styleadapt.ui.limits import MAX_WORK_SIDE
from styleadapt.ui.studio import Studio

PHOTO = Image.new("RGB", (30, 20), "white")


def test_the_adapters_weight_reaches_the_pipeline(studio, tmp_path):
    file = tmp_path / "adapter"
    file.write_text('{"color": [0, 0, 200]}')
    assert studio.stylise_adapted(PHOTO, file, 0.5, 1.0, False).getpixel((0, 0)) == (127, 127, 177)
    assert studio.pipeline.color is None


def test_a_foreign_file_is_not_an_adapter(studio, tmp_path):
    file = tmp_path / "adapter"
    file.write_text("junk")
    with pytest.raises(ValueError, match="not an adapter"):
        studio.check_adapter(Path(file))


def test_large_photos_are_worked_at_a_bounded_size(studio, pipeline, monkeypatch):
    seen = []

    def paint(self, photo, style, strength, preserve_color, max_size):
        seen.append(max_size)
        return SimpleNamespace(images=[photo])

    monkeypatch.setattr(type(pipeline), "__call__", paint)
    studio.stylise(PHOTO, [PHOTO], 1.0, False)
    studio.first_look(PHOTO, PHOTO)
    assert seen == [MAX_WORK_SIDE, MAX_WORK_SIDE]


def test_the_pipeline_loads_while_the_server_starts(pipeline):
    may_load = threading.Event()
    studio = Studio(lambda: may_load.wait(10) and pipeline)
    may_load.set()
    assert studio.pipeline is pipeline


def test_a_failure_to_load_is_raised_at_every_use():
    studio = Studio(lambda: (_ for _ in ()).throw(OSError("no weights")))
    for _ in range(2):
        with pytest.raises(OSError, match="no weights"):
            studio.stylise(PHOTO, [PHOTO], 1.0, False)


def test_a_process_that_forks_has_loaded_before_in_the_main_thread(pipeline, monkeypatch):
    monkeypatch.setattr(studio_module, "FORKS", True)
    threads = []
    Studio(lambda: threads.append(threading.current_thread()) or pipeline)
    assert threads == [threading.main_thread()]


@pytest.mark.parametrize("forks", [False, True])
@pytest.mark.parametrize(("available", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_pipeline_is_on_the_gpu_where_there_is_one(pipeline, monkeypatch, forks, available, device):
    monkeypatch.setattr(studio_module, "FORKS", forks)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    studio = Studio(lambda: pipeline)
    assert studio.pipeline is pipeline and pipeline.device == device


def test_calls_that_borrow_no_gpu_stay_on_the_cpu(pipeline, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    paint, load_adapter, devices = type(pipeline).__call__, type(pipeline).load_adapter, []
    monkeypatch.setattr(type(pipeline), "__call__", lambda self, *a, **k: devices.append(self.device) or paint(self, *a, **k))
    monkeypatch.setattr(
        type(pipeline), "load_adapter", lambda self, *a, **k: devices.append(self.device) or load_adapter(self, *a, **k)
    )
    studio = Studio(lambda: pipeline)
    file = tmp_path / "adapter"
    file.write_text('{"color": [0, 0, 200]}')
    studio.first_look(PHOTO, PHOTO)
    studio.check_adapter(file)
    studio.stylise(PHOTO, [PHOTO], 1.0, False)
    assert devices == ["cpu", "cpu", "cuda"]


def test_the_real_pipeline_has_a_twin_on_the_cpu(tiny_pipe, monkeypatch):
    """Placed on "meta" in the place of a GPU: what the twin shared would have no values left."""
    monkeypatch.setattr(studio_module, "usable_device", lambda: torch.device("meta"))
    studio = Studio(lambda: tiny_pipe)
    assert studio.pipeline.device.type == "meta"
    assert studio.first_look(PHOTO, PHOTO).size == PHOTO.size
