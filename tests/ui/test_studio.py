from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from styleadapt.ui.limits import MAX_WORK_SIDE

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
