import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
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


def test_a_process_that_forks_has_loaded_before(pipeline, monkeypatch):
    monkeypatch.setattr(studio_module, "FORKS", True)
    loaded = []
    Studio(lambda: loaded.append(pipeline))
    assert loaded
