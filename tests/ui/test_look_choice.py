import gradio as gr
import pytest
from PIL import Image

from styleadapt.ui.look_choice import BOTH, MY_ADAPTER, STYLE_IMAGES, own_adapter, read_look, read_style_weights
from styleadapt.ui.studio import Look


@pytest.fixture
def owner(visitor):
    """A visitor with an adapter."""
    visitor.adapter_file.write_text('{"color": [0, 0, 200]}')
    return visitor


def test_each_choice_has_what_it_is_made_of_and_nothing_else(owner, styles):
    assert read_look(styles, STYLE_IMAGES, 0.5, "2", 0.25, owner) == Look([Image.new("RGB", (64, 64), "red")], [2.0])
    assert read_look(styles, MY_ADAPTER, 0.5, "2", 0.25, owner) == Look(adapter_file=owner.adapter_file, adapter_weight=0.5)
    both = read_look(styles, BOTH, 0.5, "2", 0.25, owner)
    assert both == Look([Image.new("RGB", (64, 64), "red")], [2.0], owner.adapter_file, 0.5, 0.25)


def test_numbers_out_of_reach_are_brought_within_it_and_missing_ones_filled_in(owner, styles):
    far = read_look(styles, BOTH, 9, None, -1, owner)
    assert (far.adapter_weight, far.adapter_blend) == (1.5, 0)
    missing = read_look(styles, BOTH, None, None, None, owner)
    assert (missing.adapter_weight, missing.adapter_blend) == (1, 0.5)


@pytest.mark.parametrize("source", [MY_ADAPTER, BOTH])
def test_an_adapter_that_is_not_there_is_asked_for(visitor, styles, source):
    with pytest.raises(gr.Error, match="no adapter yet"):
        read_look(styles, source, 1, None, 0.5, visitor)
    with pytest.raises(gr.Error, match="no adapter yet"):
        own_adapter(visitor)


@pytest.mark.parametrize(
    ("text", "styles", "style_weights"),
    [(None, 2, None), ("  ", 2, None), ("3, 1", 2, [3, 1]), ("0.5;0", 2, [0.5, 0]), ("2 : 1 : 1", 3, [2, 1, 1]), ("1,", 1, [1])],
)
def test_style_weights_are_read_as_people_write_them(text, styles, style_weights):
    assert read_style_weights(text, styles) == style_weights


@pytest.mark.parametrize("text", ["1", "1, 2, 3", "a, b", "-1, 2", "0, 0", "nan, 1", "inf, 1", "9" * 400 + ", 1"])
def test_shares_that_do_not_fit_are_refused_with_an_example(text):
    with pytest.raises(gr.Error, match="2 numbers, one a style image, such as 3, 1"):
        read_style_weights(text, 2)
