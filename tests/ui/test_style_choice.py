import gradio as gr
import pytest

from styleadapt.ui.look_choice import MY_ADAPTER, STYLE_IMAGES
from styleadapt.ui.style_choice import read_choice, style_choice


def test_style_images_are_read(styles, visitor):
    [painting], adapter_file = read_choice(STYLE_IMAGES, styles, visitor)
    assert painting.getpixel((0, 0)) == (255, 0, 0) and adapter_file is None
    with pytest.raises(gr.Error, match="style image first"):
        read_choice(STYLE_IMAGES, None, visitor)


def test_the_adapter_needs_no_style_images_but_has_to_be_there(visitor):
    with pytest.raises(gr.Error, match="Adapt tab"):
        read_choice(MY_ADAPTER, None, visitor)
    visitor.adapter_file.write_bytes(b"weights")
    assert read_choice(MY_ADAPTER, None, visitor) == (None, visitor.adapter_file)


def test_the_choice_begins_with_style_images_and_nothing_of_it_is_public():
    with gr.Blocks() as app:
        source, styles = style_choice("somewhere")
    assert source.value == STYLE_IMAGES and (source.elem_id, styles.elem_id) == ("somewhere-source", "somewhere-styles")
    assert app.get_api_info()["named_endpoints"] == {}
