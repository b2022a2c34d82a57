"""Request after request: the server's memory and disk end where they began."""

import numpy as np
import pytest

from .client import as_file, picture, until
from .conftest import serve_hurried

SIZE = (256, 192)
PICTURE_BYTES = 3 * SIZE[0] * SIZE[1]


def soak(served, requests: int, visitors: int, adapter: bytes, every: int) -> np.ndarray:
    """Sends requests one after the other, all with new pictures, from so many visitors in turn, and every so many an adapter.

    Returns the server's memory in bytes after each.
    """
    memory = []
    with served.visit("soak") as client:
        for number in range(requests):
            client.session = f"soak-{number % visitors}"
            color = (number % 256, number // 256, 128)
            photo = client.upload(picture(color, SIZE), "photo.png")
            style = client.upload(picture(color[::-1], SIZE), "style.png")
            answer = client.stylize(photo, style)
            assert answer.ok, answer.text
            if number % every == 0:
                file = client.upload(adapter, f"{number}.safetensors", "application/octet-stream")
                assert client.call("load_adapter", file=as_file(file)).ok
                answer = client.stylize(photo, style, source="My adapter")
                assert answer.ok, answer.text
            memory.append(served.memory())
    return np.array(memory)


def growth(memory: np.ndarray) -> float:
    """Bytes a request, the median over all stretches of a tenth of the run, without its first third, in which caches fill.

    A pool grows in a few large steps, which the median passes over; what is kept of every request is in all stretches.
    """
    stretch = len(memory) // 10
    settled = memory[len(memory) // 3 :]
    return float(np.median(settled[stretch:] - settled[:-stretch])) / stretch


def test_what_is_kept_of_every_request_is_seen():
    steps = np.where(np.arange(40) < 25, 40e6, 90e6)
    assert growth(steps) == 0
    assert growth(steps + np.arange(40) * PICTURE_BYTES) == PICTURE_BYTES


def test_forty_requests_leave_nothing_in_memory(served, adapter):
    # To keep anything of a request is to keep a picture as bytes at least.
    assert growth(soak(served, 40, 4, adapter, every=20)) < PICTURE_BYTES / 2


@pytest.mark.slow
def test_five_hundred_requests_of_as_many_visitors_leave_nothing(tmp_path_factory, adapter):
    """Gradio keeps a quarter of a megabyte for each session that it remembers, so here it remembers few."""
    with serve_hurried(tmp_path_factory.mktemp("soak"), lifetime=60, sessions=20) as server:
        before = set(server.files())
        memory = soak(server, 500, 500, adapter, every=50)
        assert growth(memory) < PICTURE_BYTES / 10
        assert until(lambda: set(server.files()) <= before)
