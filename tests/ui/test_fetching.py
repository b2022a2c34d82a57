import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import gradio as gr
import pytest
from gradio import processing_utils

from styleadapt.ui import fetching
from styleadapt.ui.fetching import fetch, limit_fetching


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path in ("/again", "/inside"):
            self.send_response(302)
            self.send_header("Location", {"/again": "/picture", "/inside": "http://127.0.0.1/"}[self.path])
            self.end_headers()
        elif self.path == "/picture":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(b"picture")
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while not self.wfile.closed:
                self.wfile.write(bytes(1000))
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def site(monkeypatch):
    """A server that passes for a public one under the name example.org."""
    server = HTTPServer(("127.0.0.1", 0), Pages)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    validate = fetching.async_validate_url

    async def local(host):
        return "127.0.0.1" if host == "example.org" else await validate(host)

    monkeypatch.setattr(fetching, "async_validate_url", local)
    yield f"http://example.org:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("page", ["/picture", "/again"])
def test_a_file_is_fetched_as_it_is_and_redirects_are_followed(site, page):
    assert asyncio.run(fetch(site + page)).content == b"picture"


@pytest.mark.parametrize("page", ["/absent", "/inside", "https://[bad", "http://127.0.0.1:1/", "ftp://example.org/", "http:///x"])
def test_what_cannot_be_had_and_what_is_not_public_is_refused_in_a_line(site, page):
    with pytest.raises(gr.Error, match="could not be fetched"):
        asyncio.run(fetch(site + page if page.startswith("/") else page))


def test_a_file_without_end_is_given_up_at_the_limit(site, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_FETCH_BYTES", 2_000_000)
    with pytest.raises(gr.Error, match="larger than 2 MB"):
        asyncio.run(fetch(site + "/endless"))


def test_a_slow_answer_is_given_up(site, monkeypatch):
    async def never(host):
        await asyncio.Event().wait()

    monkeypatch.setattr(fetching, "async_validate_url", never)
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.05)
    with pytest.raises(gr.Error, match="could not be fetched"):
        asyncio.run(fetch(site + "/picture"))


def test_gradio_fetches_by_it(site, tmp_path, monkeypatch):
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", None)
    limit_fetching()
    path = asyncio.run(processing_utils.async_ssrf_protected_download(site + "/picture", str(tmp_path)))
    with open(path, "rb") as file:
        assert file.read() == b"picture"
