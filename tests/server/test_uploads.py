"""The door itself: files that are too large, that never end, that are broken off."""

import socket
from urllib.parse import urlsplit

import pytest

from styleadapt.ui.limits import MAX_ADAPTER_BYTES

from .client import LEAK, picture, until
from .conftest import serve_hurried

SECONDS = 30


def start_of_an_upload(served, field: str = "files", promised: int = 20_000_000, sent: bytes = b"x" * 300_000) -> socket.socket:
    """A connection on which a part of an upload has been sent and the rest is awaited."""
    address = urlsplit(served.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=SECONDS)
    connection.sendall(
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {promised}\r\n"
        "Content-Type: multipart/form-data; boundary=edge\r\n\r\n"
        f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="slow.png"\r\n\r\n'.encode()
        + sent
    )
    return connection


@pytest.mark.parametrize("size", [32_000_000, 70_000_000])
def test_a_file_over_the_limit_is_refused_and_nothing_of_it_is_kept(served, client, size):
    before = served.files()
    answer = client.post_files([("files", ("large.png", bytes(size), "image/png"))])
    assert answer.status_code == 413 and not LEAK.search(answer.text)
    assert served.files() == before


def test_a_large_picture_within_the_limit_is_kept(client):
    assert client.upload(picture() + bytes(29_000_000))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--edge",
        b"--edge--\r\n",
        b"--edge\r\n\r\nx\r\n--edge--\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\nx\r\n--edge--\r\n',
        b'--edge\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--edge--\r\n',
        b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a"\r\nX: '
        + b"y" * 100_000
        + b"\r\n\r\nx\r\n--edge--\r\n",
        b"\xff" * 1000,
    ],
    ids=["empty", "cut", "no part", "no header", "no name", "no file", "long header", "no form"],
)
def test_a_broken_form_is_refused(client, body):
    # Gradio drops the connection on some of them.
    headers = {"content-type": "multipart/form-data; boundary=edge", "connection": "close"}
    answer = client.http.post("/gradio_api/upload", content=body, headers=headers)
    assert answer.status_code == 200 or not LEAK.search(answer.text)
    good = client.upload(picture())
    assert client.stylize(good, good).ok


def test_others_are_served_while_an_upload_drips(served, client):
    slow = [start_of_an_upload(served) for _ in range(20)]
    try:
        good = client.upload(picture())
        for connection in slow:
            connection.sendall(b"x")
            assert client.stylize(good, good).ok
    finally:
        for connection in slow:
            connection.close()


@pytest.fixture(scope="module")
def hurried(tmp_path_factory):
    """A server on which a file lives for a moment."""
    with serve_hurried(tmp_path_factory.mktemp("hurried"), lifetime=2, sessions=10) as server:
        yield server


@pytest.mark.parametrize("field", ["files", "another"])
def test_an_upload_that_is_broken_off_does_not_stay(hurried, field):
    """Nor one that is not where gradio looks for it."""
    before = set(hurried.files())
    connection = start_of_an_upload(hurried, field)
    assert until(lambda: set(hurried.files()) - before)
    left = set(hurried.files()) - before
    connection.close()
    assert until(lambda: not left & set(hurried.files()))


def test_an_adapter_over_its_limit_is_refused(client):
    answer = client.call(
        "load_adapter",
        file={"path": client.upload(bytes(MAX_ADAPTER_BYTES + 1), "a.safetensors"), "meta": {"_type": "gradio.FileData"}},
    )
    assert not answer.ok and "too large" in answer.text
