from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from styleadapt.ui import examples
from styleadapt.ui.examples import example_images, example_strip, fill_from


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    (tmp_path / "styles").mkdir()
    for name in ("b", "a"):
        Image.new("RGB", (8, 8)).save(tmp_path / "styles" / f"{name}.jpg")
    monkeypatch.setattr(examples, "ASSETS", tmp_path)


def test_examples_are_listed_by_name(packaged):
    assert [path.name for path in example_images("styles")] == ["a.jpg", "b.jpg"]
    assert example_images("photos") == []


@pytest.mark.parametrize(("target", "picked"), [(gr.Image, "b.jpg"), (gr.Gallery, ["b.jpg"])])
def test_a_click_fills_the_target(packaged, target, picked):
    images = example_images("styles")
    with gr.Blocks():
        event = fill_from(example_strip(images, "Examples", "strip"), images, target())
    answer = event.fn(SimpleNamespace(index=1))
    assert answer == (str(images[1]) if isinstance(picked, str) else [str(images[1])])


def test_no_strip_is_shown_without_examples():
    with gr.Blocks():
        assert not example_strip([], "Examples", "strip").visible
