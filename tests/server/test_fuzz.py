"""Thousands of damaged files through the two entrances for strangers' files: the only answer is the library's own error."""

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from styleadapt.adapters.adapter import StyleAdapter
from styleadapt.errors import AdapterError, ImageError
from styleadapt.images.images import load_image

from .hostile_adapters import join, split

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged EXIF data

ENTRANCES = 1000
MANY = 20_000
MAX_PIXELS = 20_000


def budget(examples: int) -> settings:
    """The same cases in every run, and none kept on disk."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def _encoded(mode: str, kind: str, **options: object) -> bytes:
    ramp = np.arange(16 * 12 * 3, dtype=np.uint8).reshape(12, 16, 3)
    file = io.BytesIO()
    Image.fromarray(ramp).convert(mode).save(file, kind, **options)
    return file.getvalue()


SEEDS = [
    _encoded("RGB", "PNG"),
    _encoded("P", "PNG", transparency=3),
    _encoded("LA", "PNG"),
    _encoded("I", "PNG"),
    _encoded("RGB", "JPEG"),
    _encoded("RGB", "JPEG", progressive=True),
    _encoded("CMYK", "JPEG"),
    _encoded("P", "GIF"),
    _encoded("RGB", "WEBP", lossless=True),
    _encoded("RGBA", "WEBP"),
    _encoded("RGB", "TIFF"),
    _encoded("RGB", "TIFF", compression="tiff_lzw"),
    _encoded("RGB", "TIFF", compression="tiff_adobe_deflate"),
    _encoded("1", "TIFF", compression="group4"),
    _encoded("RGB", "BMP"),
    _encoded("P", "BMP"),
    _encoded("RGB", "PPM"),
    *([_encoded("RGB", "JPEG2000")] if features.check("jpg_2000") else []),
    *([_encoded("RGB", "AVIF")] if features.check("avif") else []),
]

# A few small harms, most of them near the start, where a file says what it is.
HARMS = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "set", "flip", "cut", "drop", "double", "insert", "swell"]),
        st.one_of(st.integers(0, 80), st.integers(0, 4000)),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)


def harmed(data: bytes, harms: list[tuple[str, int, bytes]]) -> bytes:
    for kind, position, value in harms:
        at = position % (len(data) + 1)
        end = at + len(value)
        if kind == "set":
            data = data[:at] + value + data[end:]
        elif kind == "flip":
            data = data[:at] + bytes(byte ^ mask for byte, mask in zip(data[at:end], value)) + data[end:]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[end:]
        elif kind == "double":
            data = data[:end] + data[at:]
        elif kind == "insert":
            data = data[:at] + value + data[at:]
        else:
            data = data[:at] + b"\xff" * len(value) + data[end:]
    return data


def enter_image(data: bytes) -> None:
    try:
        image = load_image(data, max_pixels=MAX_PIXELS)
    except ImageError as error:
        message = str(error)
        assert message.startswith("the image ") and "\n" not in message
    else:
        assert image.mode in ("RGB", "RGBA") and 0 < image.width * image.height <= MAX_PIXELS


@budget(ENTRANCES)
@given(st.sampled_from(SEEDS), HARMS)
def test_a_damaged_image_is_read_or_refused(seed, harms):
    enter_image(harmed(seed, harms))


@budget(ENTRANCES // 3)
@given(st.sampled_from([seed[:12] for seed in SEEDS]), st.binary(max_size=400))
def test_what_only_begins_like_an_image_is_refused(start, rest):
    enter_image(start + rest)


@pytest.mark.slow
@budget(MANY)
@given(st.sampled_from(SEEDS), HARMS)
def test_many_damaged_images_are_read_or_refused(seed, harms):
    enter_image(harmed(seed, harms))


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    torch.manual_seed(0)
    made = StyleAdapter(
        {"c.lora_A.weight": torch.randn(2, 4), "c.lora_B.weight": torch.randn(8, 2)}, torch.randn(1, 4), torch.randn(1, 4), "base"
    )
    return made.save(tmp_path_factory.mktemp("adapter") / "good.safetensors").read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "mine.safetensors"


def enter_adapter(place, data: bytes) -> None:
    place.write_bytes(data)
    try:
        loaded = StyleAdapter.load(place)
    except AdapterError as error:
        message = str(error)
        assert "mine.safetensors" in message and len(message) < 400 and "\n" not in message
    else:
        assert all(tensor.isfinite().all() for tensor in (loaded.code, loaded.start_code, *loaded.deltas.values()))
        assert isinstance(loaded.config, dict) and isinstance(loaded.scores, dict) and isinstance(loaded.steps, int)


@budget(ENTRANCES)
@given(harms=HARMS)
def test_a_damaged_adapter_is_read_or_refused(good, place, harms):
    enter_adapter(place, harmed(good, harms))


ODD = st.sampled_from(
    [None, True, 0, -1, 2**31, 2**63, 2**64, 1e308, float("nan"), float("inf"), "", "F16", "\0", "a\nb", "x" * 300]
    + [[], [0], [-1, 1], [0, 2**63], [1, 4, 1], [[0], 1], {}, {"a": 1}, {"a": float("nan")}, {"a\n": "b"}, {"a": {"b": []}}]
)
FIELDS = st.sampled_from(["dtype", "shape", "data_offsets", "more"])


@budget(ENTRANCES)
@given(tensor=st.sampled_from(["code", "start_code", "c.lora_A.weight"]), name=FIELDS, value=ODD)
def test_a_header_that_lies_of_a_tensor_is_read_or_refused(good, place, tensor, name, value):
    header, data = split(good)
    header[tensor] = {**header[tensor], name: value}
    enter_adapter(place, join(header, data))


@budget(ENTRANCES)
@given(
    described=st.dictionaries(
        st.sampled_from(["config", "scores", "images", "steps", "seconds", "deltas", "self", "x"]), ODD, max_size=4
    )
)
def test_a_description_of_other_types_is_read_or_refused(good, place, described):
    header, data = split(good)
    header["__metadata__"]["adapter"] = json.dumps(described)
    enter_adapter(place, join(header, data))


@pytest.mark.slow
@budget(MANY)
@given(harms=HARMS)
def test_many_damaged_adapters_are_read_or_refused(good, place, harms):
    enter_adapter(place, harmed(good, harms))
