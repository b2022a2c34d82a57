"""Foreign, damaged and hostile files in place of an adapter: refused in a line, and the adapter before it stays."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from .client import LEAK, as_file, picture
from .hostile_adapters import HEADERS, join, split

LONGEST_MESSAGE = 600


def load(client, data: bytes, name: str = "mine.safetensors"):
    return client.call("load_adapter", file=as_file(client.upload(data, name, "application/octet-stream")))


def with_adapter(client):
    photo = client.upload(picture("teal", (64, 48)))
    return client.stylize(photo, photo, source="My adapter")


@pytest.fixture
def loaded(client, adapter):
    """A visitor who has an adapter already, and the picture that it makes."""
    assert load(client, adapter).ok
    return client, client.fetch(with_adapter(client).data[1]["value"])


def refused(answer) -> bool:
    return not answer.ok and not LEAK.search(answer.text) and len(answer.text) < LONGEST_MESSAGE


def test_every_hostile_header_is_refused_and_the_adapter_before_it_stays(loaded, adapter):
    client, before = loaded
    for name, damage in HEADERS.items():
        answer = load(client, damage(adapter))
        assert refused(answer) and "<" not in answer.text, f"{name}: {answer}"
    assert client.fetch(with_adapter(client).data[1]["value"]) == before


FOREIGN = {
    "picture": picture(),
    "pickle": pickle.dumps({"code": [1, 2, 3]}),
    "archive": b"PK\x03\x04" + bytes(100),
    "text": b"code: 1\n",
    "other model": save({"weight": np.zeros((4, 4), np.float32)}),
    "empty model": save({}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_no_adapter(client, name):
    answer = load(client, FOREIGN[name])
    assert refused(answer) and "mine.safetensors" in answer.text, answer.text
    assert refused(with_adapter(client))


def test_a_pickle_is_never_executed(served, client):
    """Neither plain nor in the archive that torch writes."""
    trap = served.temp / "sprung"

    class Trap:
        def __reduce__(self):
            return open, (str(trap), "w")

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Trap()))
        file.writestr("archive/version", "3")
    for name in ("mine.pt", "mine.bin", "mine.safetensors"):
        for data in (pickle.dumps(Trap()), archive.getvalue()):
            assert refused(load(client, data, name))
    assert not trap.exists()


def test_an_adapter_of_the_largest_numbers_is_refused_or_paints_something(client, adapter):
    header, data = split(adapter)
    answer = load(client, join(header, b"\xff\x7b" * (len(data) // 2)))
    assert answer.ok or refused(answer)
    painted = with_adapter(client)
    assert painted.ok or refused(painted), painted.text


def test_an_adapters_words_are_not_shown_as_html(client, adapter):
    header, data = split(adapter)
    described = json.loads(header["__metadata__"]["adapter"])
    described["config"] = {"<script>": "<script>alert(1)</script>"}
    header["__metadata__"] |= {"adapter": json.dumps(described), "base_name": "<script>alert(1)</script>"}
    answer = load(client, join(header, data))
    assert "<script" not in json.dumps(answer.data) + answer.text
