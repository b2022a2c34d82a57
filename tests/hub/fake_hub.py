"""A stand-in for the Hub's HTTP API on this machine: repos, branches, large files by parts, commits, and faults on demand."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import pytest

TOKEN = "hf_secretsecretsecret"
PART_BYTES = 1000


@dataclass
class Fault:
    """The next `times` requests whose path contains `path` are answered with `status`, from 500 on with a
    page in HTML; 0 hangs up."""

    path: str
    status: int
    times: int = 1
    message: str = "out of order"


@dataclass
class FakeHub:
    """What the server was asked and what it holds.

    Args:
        users: names that a repo may be made for; the token's own user is the first.
        faults: to come.
        requests: `METHOD path` in order.
        files: by repo, branch and path.
        waits: of a client from `connected`.
    """

    users: tuple[str, ...] = ("user", "team")
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    visibility: dict[str, str | None] = field(default_factory=dict)
    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)
    waits: list[float] = field(default_factory=list)

    def __enter__(self) -> "FakeHub":
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hub.requests.append(f"{self.command} {self.path}")
                hub._answer(self, body)

            do_GET = do_POST = do_PUT = _any

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        fault = next((f for f in self.faults if f.times > 0 and f.path in handler.path), None)
        if fault is not None:
            fault.times -= 1
            if fault.status >= 500:
                handler.send_error(fault.status, "Service Unavailable")
            elif fault.status:
                self._send(handler, fault.status, {"error": fault.message})
            return
        # addresses for large files are signed and carry no token
        signed = handler.path.startswith("/storage/")
        if not signed and handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(handler, 401, {"error": "Invalid username or password."})
        route = handler.path.strip("/").split("/")
        if signed:
            self._storage(handler, route[1:], body)
        elif route == ["api", "repos", "create"]:
            self._create(handler, json.loads(body))
        elif route == ["api", "validate-yaml"]:
            bad = "license:" not in json.loads(body)["content"]
            self._send(handler, 400 if bad else 200, {"errors": [{"message": "no license"}] if bad else [], "warnings": []})
        elif route[2:] == ["info", "lfs", "objects", "batch"] or route[-1] == "batch":
            self._send(handler, 200, {"transfer": "basic", "objects": [self._batch(o) for o in json.loads(body)["objects"]]})
        elif "/".join(route[2:4]) not in self.visibility:
            self._send(handler, 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        elif route[4] == "branch":
            self._send(handler, 200, {})
        elif route[4] == "preupload":
            files = [f["path"] for f in json.loads(body)["files"]]
            mode = {True: "lfs", False: "regular"}
            answer = [{"path": p, "uploadMode": mode[p.endswith((".safetensors", ".jpg"))], "shouldIgnore": False} for p in files]
            self._send(handler, 200, {"files": answer})
        elif route[4] == "commit":
            self._commit(handler, "/".join(route[2:4]), route[5], body)

    def _send(self, handler, status: int, content: dict, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    def _create(self, handler, wanted: dict) -> None:
        owner = wanted.get("organization") or self.users[0]
        if owner not in self.users:
            return self._send(handler, 403, {"error": f"You don't have the rights to create a model under {owner}"})
        repo = f"{owner}/{wanted['name']}"
        exists = repo in self.visibility
        self.visibility.setdefault(repo, wanted.get("visibility") or ("private" if wanted.get("private") else None))
        self._send(handler, 409 if exists else 200, {"url": f"{self.endpoint}/{repo}", "name": repo})

    def _batch(self, wanted: dict) -> dict:
        oid, size = wanted["oid"], wanted["size"]
        if oid in self.stored:
            return wanted
        upload: dict = {"href": f"{self.endpoint}/storage/whole/{oid}"}
        if size > PART_BYTES:
            count = -(-size // PART_BYTES)
            header = {f"{n:05}": f"{self.endpoint}/storage/part/{oid}/{n}" for n in range(1, count + 1)}
            upload = {"href": f"{self.endpoint}/storage/join/{oid}", "header": {"chunk_size": str(PART_BYTES), **header}}
        return {**wanted, "actions": {"upload": upload, "verify": {"href": f"{self.endpoint}/storage/verify/{oid}"}}}

    def _storage(self, handler, route: list[str], body: bytes) -> None:
        kind, oid = route[:2]
        headers = {}
        if kind == "whole":
            self.stored[oid] = body
        elif kind == "part":
            self.parts[f"{oid}/{route[2]}"] = body
            headers = {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
        elif kind == "join":
            numbers = [part["partNumber"] for part in json.loads(body)["parts"]]
            self.stored[oid] = b"".join(self.parts[f"{oid}/{n}"] for n in numbers)
        elif kind == "verify":
            self.verified.add(oid)
        whole = kind in ("part",) or hashlib.sha256(self.stored[oid]).hexdigest() == oid
        self._send(handler, 200 if whole else 422, {}, headers)

    def _commit(self, handler, repo: str, branch: str, body: bytes) -> None:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.messages.append(value["summary"])
            elif line["key"] == "file":
                self.files[repo, branch, value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[repo, branch, value["path"]] = self.stored[value["oid"]]
        self._send(handler, 200, {"commitUrl": f"{self.endpoint}/{repo}/commit/abc", "commitOid": "abc"})


def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The stand-in, and a client that is on line with it, uploads over HTTP, and notes its waits between attempts in `hub.waits`
    instead of waiting."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with FakeHub() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.endpoint)
        hub.waits = waits
        yield hub
    huggingface_hub.close_session()
