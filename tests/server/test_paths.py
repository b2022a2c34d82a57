"""Names and paths from outside are never used as such: not to read or write a file of the server, nor to reach its net."""

import json
import socket
import threading
from pathlib import Path

import pytest

from .client import LEAK, as_file, picture

SECRETS = ["/etc/passwd", "/proc/self/environ", "/dev/zero", "/dev/stdin", "app.py", "../../../../../../etc/passwd", "~/.bashrc"]
SPELLINGS = [
    "file:///etc/passwd",
    "ftp://localhost/x",
    "data:text/plain,x",
    "",
    ".",
    "/",
    "a" * 5000,
    "x\0.png",
    "C:\\boot.ini",
    "//etc",
]
NAMES = {
    "../../x.png": "x.png",
    "/etc/passwd": "passwd",
    "C:\\windows\\y.png": "y.png",
    "<script>alert(1)</script>.png": None,
    "a\x00b.png": None,
    "a\r\nSet-Cookie: x.png": None,
    "-rf .png": None,
    "%2e%2e%2f%2e%2e%2fz.png": None,
    "\N{SNOWMAN}\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe": None,
    "long" * 500 + ".png": None,
}


@pytest.mark.parametrize("path", SECRETS + SPELLINGS)
def test_a_path_of_the_server_is_not_opened(client, path):
    good = client.upload(picture())
    for answer in (client.stylize(path, good), client.stylize(good, path), client.call("load_adapter", file=as_file(path))):
        assert not answer.ok
        assert not LEAK.search(answer.text), answer.text


def test_a_path_hidden_in_the_other_fields_is_not_opened(client):
    photo = {
        **as_file(client.upload(picture())),
        "url": "file:///etc/passwd",
        "orig_name": "/etc/passwd",
        "mime_type": "/etc/passwd",
    }
    answer = client.stylize(photo, photo)
    assert "passwd" not in json.dumps(answer.data)


def test_another_visitors_folder_is_not_opened(served, client):
    mine = client.upload(picture())
    assert client.stylize(mine, mine).ok
    kept = [path for path in served.files() if path.name == "stylized.png" and not path.is_relative_to(Path(mine).parents[1])]
    assert kept
    for path in kept:
        assert client.http.get(f"/gradio_api/file={path}").status_code == 403
        assert not client.stylize(str(path), mine).ok


def test_a_session_cannot_be_put_into_a_request(client):
    """The last input is the visitor's folder, and it is the server's to know."""
    good = as_file(client.upload(picture()))
    body = {"data": [good, [{"image": good}], "My adapter", 1, False, 1, {"folder": "/etc"}]}
    given = len(client.parameters["/stylize"]["parameters"]) + 1
    answer = client.call_with("stylize", {"data": (body["data"] + [{"folder": "/etc"}] * given)[:given]})
    assert not answer.ok and not LEAK.search(answer.text)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/x.png", "http://localhost:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://0:{port}/"]
)
def test_the_server_does_not_call_its_own_net(client, url):
    with socket.create_server(("127.0.0.1", 0)) as inside:
        called = threading.Event()

        def listen() -> None:
            try:
                inside.accept()[0].close()
                called.set()
            except OSError:
                return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        address = url.format(port=inside.getsockname()[1])
        good = client.upload(picture())
        for file in (
            address,
            {**as_file(good), "path": address, "url": address},
            {"url": address, "meta": {"_type": "gradio.FileData"}},
        ):
            answer = client.stylize(file, good)
            assert not answer.ok and not LEAK.search(answer.text)
            answer = client.call("load_adapter", file=as_file(file))
            assert not answer.ok and not LEAK.search(answer.text)
        assert not called.is_set()
        inside.shutdown(socket.SHUT_RDWR)
    listener.join(10)


def test_an_address_in_place_of_a_file_is_refused_in_a_line(client):
    address = "http://192.0.2.1/immense.png"
    answer = client.stylize(address, client.upload(picture()))
    assert not answer.ok and json.loads(answer.text)["error"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_stays_a_name(served, client, name):
    good = client.upload(picture())
    cache = Path(good).parents[1]
    before = set(served.files())
    path = client.upload(picture(), name)
    stored = Path(path).name
    assert cache.is_relative_to(served.temp) and Path(path).parents[1] == cache
    assert stored == (NAMES[name] or stored) and len(stored) < 256 and min(stored) >= " "
    assert all(new.is_relative_to(cache) for new in set(served.files()) - before)
    assert client.stylize(path, good).ok
    refused = client.stylize(client.upload(b"no picture", name), good)
    assert not refused.ok and "<script" not in refused.text and not LEAK.search(refused.text)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/self/environ", "../../../etc/passwd", "app.py", "file:///etc/passwd", "%2Fetc%2Fpasswd"]
)
@pytest.mark.parametrize("route", ["/gradio_api/file=", "/gradio_api/file/", "/static/", "/assets/", "/gradio_api/proxy="])
def test_no_route_hands_out_a_file_of_the_server(client, route, path):
    answer = client.http.get(f"{route}{path}")
    assert answer.status_code >= 400
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "name, mime", [("page.html", "text/html"), ("drawing.svg", "image/svg+xml"), ("script.js", "text/javascript")]
)
def test_an_uploaded_page_is_not_shown_as_one(client, name, mime):
    path = client.upload(b"<html><script>alert(1)</script></html>", name, mime)
    answer = client.http.get(f"/gradio_api/file={path}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"].startswith("application/octet-stream")
