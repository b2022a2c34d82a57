"""Photos of a camera's and of 8K's size through the packaged pipeline, each in a process of its own."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from PIL import Image
from styleadapt import StyleTransferPipeline
from styleadapt.devices.memory import own_peak_mb

width, height = map(int, sys.argv[1:])
photo = Image.linear_gradient("L").resize((width, height)).convert("RGB")
picture = StyleTransferPipeline.from_pretrained()(photo, style=Image.radial_gradient("L").convert("RGB")).images[0]
assert picture.size == (width, height), picture.size
print(own_peak_mb())
"""


@pytest.mark.slow
@pytest.mark.parametrize("size, megabytes", [((4000, 3000), 2000), ((7680, 4320), 3000)])
def test_memory_of_large_photos_is_bounded(size, megabytes):
    done = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, size)], capture_output=True, text=True, check=True)
    assert 500 < float(done.stdout) < megabytes
