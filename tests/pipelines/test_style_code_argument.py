"""A style code is a value: what `encode_style` gives is taken in the place of style images."""

import numpy as np
import pytest
import torch

from ..conftest import stripes


def same(first, second) -> bool:
    return bool((np.asarray(first) == np.asarray(second)).all())


def test_a_code_paints_what_its_image_paints(tiny_pipe, photo, painting):
    code = tiny_pipe.encode_style(painting)
    assert same(tiny_pipe(photo, style_code=code).images[0], tiny_pipe(photo, style=painting).images[0])


def test_several_codes_are_blended_as_images_are(tiny_pipe, photo, painting):
    styles = [painting, stripes(64, period=20)]
    codes = [tiny_pipe.encode_style(style) for style in styles]
    blended = tiny_pipe(photo, style=styles, style_weights=[1, 3]).images[0]
    for given in (codes, torch.cat(codes), tiny_pipe.encode_style(styles, [1, 3])):
        weights = None if isinstance(given, torch.Tensor) and len(given) == 1 else [1, 3]
        assert same(tiny_pipe(photo, style_code=given, style_weights=weights).images[0], blended)


def test_a_code_may_be_of_any_float_dtype(tiny_pipe, photo, painting):
    code = tiny_pipe.encode_style(painting).double()
    assert same(tiny_pipe(photo, style_code=code).images[0], tiny_pipe(photo, style=painting).images[0])


@pytest.mark.parametrize(
    "code, message",
    [
        (torch.zeros(1, 7), r"`style_code` is \(1, 7\); it must be a tensor \(1, 16\)"),
        (torch.zeros(16), r"`style_code` is \(16,\)"),
        (torch.full((1, 16), float("nan")), "not finite"),
        ([], "`style_code` is empty"),
        ("code", "`style_code` is str"),
    ],
)
def test_what_is_no_code_is_refused(tiny_pipe, photo, code, message):
    with pytest.raises(ValueError, match=message):
        tiny_pipe(photo, style_code=code)


def test_a_style_and_a_code_together_are_refused(tiny_pipe, photo, painting):
    with pytest.raises(ValueError, match="`style` and `style_code`"):
        tiny_pipe(photo, style=painting, style_code=tiny_pipe.encode_style(painting))
