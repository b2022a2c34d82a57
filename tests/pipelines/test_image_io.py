"""Arrays and tensors as images, and as results."""

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import ImageError
from styleadapt.images.images import load_image
from styleadapt.models.ugatit import UGATITGenerator
from styleadapt.pipelines.translation import TranslationPipeline

from ..conftest import smooth_noise

PHOTO = np.array(smooth_noise((24, 16), 3))
FORMS = {
    "bytes": PHOTO,
    "floats": PHOTO / 255,
    "half floats": (PHOTO / 255).astype(np.float16),
    "batch": PHOTO[None],
    "tensor of bytes": torch.from_numpy(PHOTO).permute(2, 0, 1),
    "tensor of floats": torch.from_numpy(PHOTO).permute(2, 0, 1) / 255,
    "tensor with gradients": (torch.from_numpy(PHOTO).permute(2, 0, 1) / 255).requires_grad_(),
    "tensor of a batch": torch.from_numpy(PHOTO).permute(2, 0, 1)[None].double() / 255,
}


@pytest.mark.parametrize("form", FORMS)
def test_arrays_and_tensors_are_images(tiny_pipe, form):
    expected = tiny_pipe(Image.fromarray(PHOTO), style=Image.fromarray(PHOTO)).images[0]
    difference = np.asarray(tiny_pipe(FORMS[form], style=FORMS[form]).images[0], int) - np.asarray(expected, int)
    assert np.abs(difference).max() <= (2 if form == "half floats" else 0)


def test_truth_values_are_a_mask(tiny_pipe, painting):
    mask = np.zeros(PHOTO.shape[:2], bool)
    mask[:, :12] = True
    for given in (mask, torch.from_numpy(mask)):
        result = np.asarray(tiny_pipe(PHOTO, style=painting, mask=given, mask_feather=0).images[0])
        assert (result[:, 12:] == PHOTO[:, 12:]).all() and (result[:, :12] != PHOTO[:, :12]).any()


@pytest.mark.parametrize(
    "array, message",
    [
        (PHOTO / 127.5 - 1, r"in \[0, 1\]; bring it there with \(x \+ 1\) / 2"),
        (PHOTO.astype(np.float32), "divide it by 255"),
        (PHOTO.transpose(2, 0, 1), r"has shape \(3, 16, 24\), an image is \(H, W\)"),
        (torch.from_numpy(PHOTO), r"has shape \(16, 24, 3\), an image as a tensor is"),
        (PHOTO.astype(np.int64), "has dtype int64"),
    ],
)
def test_an_array_that_is_no_image_is_refused_with_a_way_out(array, message):
    with pytest.raises(ImageError, match=f"the array .*{message}"):
        load_image(array)


@pytest.mark.parametrize("alpha", [False, True])
def test_results_are_given_as_arrays_and_tensors(tiny_pipe, painting, alpha):
    photo = Image.fromarray(PHOTO)
    if alpha:
        photo.putalpha(77)
    images = tiny_pipe([photo, photo], style=painting).images
    expected = np.stack([np.asarray(image) for image in images]) / np.float32(255)
    array = tiny_pipe([photo, photo], style=painting, output_type="np").images
    tensor = tiny_pipe([photo, photo], style=painting, output_type="pt").images
    assert array.dtype == np.float32 and tensor.dtype == torch.float32
    assert np.array_equal(array, expected) and np.array_equal(tensor.numpy(), expected.transpose(0, 3, 1, 2))
    assert np.array_equal(tiny_pipe(tensor[:, :3], style=painting).images[0], tiny_pipe(array[..., :3], style=painting).images[0])


@pytest.mark.parametrize("output_type", ["latent", "numpy", None])
def test_another_type_of_result_is_refused_by_name(tiny_pipe, photo, painting, output_type):
    with pytest.raises(ValueError, match=f"`output_type` is {output_type!r}; it must be one of 'pil', 'np', 'pt'"):
        tiny_pipe(photo, style=painting, output_type=output_type)


def test_photos_of_different_sizes_are_refused_for_an_array_before_any_is_painted(tiny_pipe, photo, painting, monkeypatch):
    monkeypatch.setattr(tiny_pipe, "_render", lambda *_: pytest.fail("a photo was painted"))
    with pytest.raises(ValueError, match="these are 24 x 16 RGB, 96 x 72 RGB"):
        tiny_pipe([photo, Image.fromarray(PHOTO)], style=painting, output_type="np")
    with pytest.raises(ValueError, match="a strip is one PIL image"):
        tiny_pipe.strength_strip(photo, painting, output_type="np")


def test_translation_gives_and_takes_them_too():
    generators = [UGATITGenerator(channels=4, blocks=1, image_size=16, light=True) for _ in range(2)]
    pipe = TranslationPipeline(*generators)
    result = pipe(torch.from_numpy(PHOTO).permute(2, 0, 1), return_attention=True, output_type="pt")
    assert result.images.shape == result.attentions.shape == (1, 3, 16, 24)
    assert np.array_equal(pipe(PHOTO, output_type="np").images[0].transpose(2, 0, 1), result.images[0].numpy())
    with pytest.raises(ValueError, match="`output_type` is 'latent'"):
        pipe(PHOTO, output_type="latent")
