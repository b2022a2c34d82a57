"""A stand-in for a pipeline, for tests of what happens to a clip around it."""

import pytest

from styleadapt.pipelines.style_transfer import StyleTransferOutput
from styleadapt.pipelines.video import stylize_video

from ..conftest import stripes


class Copy:
    """Stands in for a pipeline: gives the frames back, and keeps their sizes and options."""

    def __init__(self):
        self.sizes, self.options = [], {}

    def encode_style(self, style=None, style_weights=None):
        if style is None:
            raise ValueError("no style: pass `style=` an image")

    def __call__(self, image, **options):
        self.sizes.append(image.size)
        self.options = options
        return StyleTransferOutput(images=[image])


@pytest.fixture
def copied(tmp_path):
    """Sends a clip through unchanged: `copied(source, target="o.mp4", **options)` gives the target's path and the summary."""

    def run(source, target="o.mp4", pipe=None, smoothing=0.0, **options):
        summary = stylize_video(pipe or Copy(), source, tmp_path / target, style=stripes(64), smoothing=smoothing, **options)
        return tmp_path / target, summary

    return run
