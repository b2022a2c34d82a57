"""Images at addresses of this machine."""

import functools
import http.server
import threading

import numpy as np
import pytest

from styleadapt.errors import ImageError
from styleadapt.images import addresses
from styleadapt.images.images import load_image


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved.png":
            self.send_response(302)
            self.send_header("Location", "/a.png")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, photo, monkeypatch):
    """Its address; `/a.png` is the photo, and `/page.html` is none."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    photo.save(tmp_path / "a.png")
    (tmp_path / "page.html").write_text("<html>not found</html>", encoding="utf-8")
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


@pytest.mark.parametrize("name", ["a.png", "moved.png"])
def test_an_image_at_an_address_is_read(server, photo, name):
    assert np.array_equal(load_image(f"{server}/{name}"), photo)


def test_a_pipeline_takes_addresses(server, tiny_pipe, photo, painting):
    result = tiny_pipe(f"{server}/a.png", style=f"{server}/a.png").images[0]
    assert np.array_equal(result, tiny_pipe(photo, style=photo).images[0])


@pytest.mark.parametrize(
    "name, reason", [("absent.png", "the server answers 404"), ("page.html", "is not an image of a known format")]
)
def test_an_address_without_an_image_is_refused_by_name(server, name, reason):
    with pytest.raises(ImageError, match=f"{server}/{name} .*{reason}"):
        load_image(f"{server}/{name}")


def test_what_is_too_large_or_too_slow_is_refused(server, monkeypatch):
    monkeypatch.setattr(addresses, "MAX_BYTES", 1000)
    with pytest.raises(ImageError, match="more than 0 MB"):
        load_image(f"{server}/a.png")
    monkeypatch.undo()
    monkeypatch.setattr(addresses, "MAX_SECONDS", -1.0)
    with pytest.raises(ImageError, match="seconds to fetch"):
        load_image(f"{server}/a.png")


def test_a_server_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for address in ("http://127.0.0.1:9/a.png", "http://127.0.0.1:port/a.png", "https://"):
        with pytest.raises(ImageError, match="cannot be fetched"):
            load_image(address)


def test_a_path_object_is_never_an_address(server):
    from pathlib import Path

    with pytest.raises(ImageError, match="does not exist"):
        load_image(Path(f"{server}/a.png"))
