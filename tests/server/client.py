"""A visitor without a browser: raw HTTP to the served app, good or hostile, and what came back."""

import io
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

# Whatever tells where the server keeps its files, or how its code is laid out.
LEAK = re.compile(r"Traceback|File \"|site-packages|/(?:tmp|home|root|usr|opt|var|work|private)/[\w.-]+")


@dataclass(frozen=True)
class Answer:
    """How a call ended.

    Parameters:
        ok: whether the work was done.
        data: the outputs, without the session's state, if it was.
        text: what the server said if it was not, as sent.
    """

    ok: bool
    data: list
    text: str


class Client:
    """One visitor. A session of gradio is named by `session`, so that state, such as an adapter, carries from call to call."""

    def __init__(self, url: str, session: str):
        self.url = url
        self.session = session
        self.http = httpx.Client(base_url=url, timeout=300, trust_env=False)
        self.parameters = self.http.get("/gradio_api/info").json()["named_endpoints"]

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def upload(self, data: bytes, name: str = "picture.png", mime: str = "image/png") -> str:
        """Sends a file, as the page does, and returns the path by which the server knows it."""
        return self.post_files([("files", (name, data, mime))]).raise_for_status().json()[0]

    def post_files(self, files: list[tuple]) -> httpx.Response:
        return self.http.post("/gradio_api/upload", files=files)

    def call(self, api: str, **given: Any) -> Answer:
        """Calls a named function; parameters that are not given take their defaults."""
        body = {
            "data": [
                given.pop(parameter["parameter_name"], parameter["parameter_default"])
                for parameter in self.parameters[f"/{api}"]["parameters"]
            ]
        }
        assert not given, f"/{api} has no parameter {', '.join(given)}"
        return self.call_with(api, body)

    def call_with(self, api: str, body: dict) -> Answer:
        """Calls with a request of one's own making."""
        asked = self.http.post(f"/gradio_api/call/{api}", json={"session_hash": self.session, **body})
        if asked.status_code != 200:
            return Answer(False, [], asked.text)
        with self.http.stream("GET", f"/gradio_api/call/{api}/{asked.json()['event_id']}") as events:
            return _last(events.read().decode())

    def stylize(self, photo: str | dict | None, style: str | dict | None, **given: Any) -> Answer:
        return self.call("stylize", image=as_file(photo), style=[{"image": as_file(style), "caption": None}], **given)

    def fetch(self, file: dict) -> bytes:
        """The contents of a file that a call returned."""
        return self.http.get(file["url"]).raise_for_status().content


def _last(stream: str) -> Answer:
    event, data = "", ""
    for line in stream.splitlines():
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
    if event == "complete":
        return Answer(True, json.loads(data), "")
    return Answer(False, [], data)


def as_file(path: str | dict | None) -> dict | None:
    """How a file stands in a request."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}} if isinstance(path, str) else path


def picture(
    color: str | tuple[int, int, int] = "teal", size: tuple[int, int] = (48, 32), kind: str = "PNG", **options: Any
) -> bytes:
    """A plain image file."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind, **options)
    return file.getvalue()


def until(condition: Callable[[], object]) -> bool:
    """Whether `condition` holds before long."""
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
