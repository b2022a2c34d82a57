"""Safetensors files made to do harm, each a small change of a good adapter: headers that lie, numbers that poison."""

import json
import struct
from collections.abc import Callable
from typing import Any

HARD_LIMIT = 100_000_000  # of a header, in the format's own description


def split(good: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the tensors' bytes of a safetensors file."""
    length = struct.unpack("<Q", good[:8])[0]
    return json.loads(good[8 : 8 + length]), good[8 + length :]


def join(header: dict[str, Any] | bytes, data: bytes, length: int | None = None) -> bytes:
    """A file with that header, which claims to have `length` bytes."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def _claims(length: int) -> Callable[[bytes], bytes]:
    return lambda good: struct.pack("<Q", length) + good[8:]


def _of_tensor(name: str, **fields: Any) -> Callable[[bytes], bytes]:
    """The good file with other fields in the header's entry of one tensor."""

    def build(good: bytes) -> bytes:
        header, data = split(good)
        header[name] = {**header[name], **fields}
        return join(header, data)

    return build


def _of_adapter(**fields: Any) -> Callable[[bytes], bytes]:
    """The good file with other fields in what it says of itself."""

    def build(good: bytes) -> bytes:
        header, data = split(good)
        described = json.loads(header["__metadata__"]["adapter"])
        header["__metadata__"]["adapter"] = json.dumps({**described, **fields})
        return join(header, data)

    return build


def _of_metadata(**fields: Any) -> Callable[[bytes], bytes]:
    def build(good: bytes) -> bytes:
        header, data = split(good)
        return join({**header, "__metadata__": {**header["__metadata__"], **fields}}, data)

    return build


def overlap(good: bytes) -> bytes:
    """All tensors at the same place."""
    header, data = split(good)
    for entry in (entry for name, entry in header.items() if name != "__metadata__"):
        width = entry["data_offsets"][1] - entry["data_offsets"][0]
        entry["data_offsets"] = [0, width]
    return join(header, data)


def many_tensors(good: bytes) -> bytes:
    """A header as long as an upload may be, full of empty tensors."""
    header, data = split(good)
    end = len(data)
    empty = {f"t{n}": {"dtype": "F16", "shape": [0], "data_offsets": [end, end]} for n in range(30_000)}
    return join({**header, **empty}, data)


def long_name(good: bytes) -> bytes:
    """A tensor with a name of a million letters and lines."""
    header, data = split(good)
    header["line\n" * 200_000] = header.pop(next(name for name in header if name.endswith(".delta")))
    return join(header, data)


def duplicate_keys(good: bytes) -> bytes:
    header, data = split(good)
    encoded = json.dumps(header).encode()
    return join(encoded[:-1] + b', "code": ' + json.dumps(header["start_code"]).encode() + b"}", data)


def deep_json(good: bytes) -> bytes:
    return join(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, split(good)[1])


def not_utf8(good: bytes) -> bytes:
    header, data = split(good)
    return join(json.dumps(header).encode().replace(b"code", b"\xff\xfe\xc3("), data)


def poisoned(value: bytes) -> Callable[[bytes], bytes]:
    """The good file with a half-precision number of one's own at its end."""
    return lambda good: good[:-2] + value


HEADERS: dict[str, Callable[[bytes], bytes]] = {
    "length 0": _claims(0),
    "length of the limit": _claims(HARD_LIMIT),
    "length 2^63": _claims(1 << 63),
    "length 2^64 - 1": _claims((1 << 64) - 1),
    "shorter length": lambda good: struct.pack("<Q", struct.unpack("<Q", good[:8])[0] - 7) + good[8:],
    "truncated": lambda good: good[: len(good) // 2],
    "longer": lambda good: good + b"more",
    "empty": lambda good: b"",
    "seven bytes": lambda good: good[:7],
    "array": lambda good: join(b"[]", b""),
    "number": lambda good: join(b"1e999", b""),
    "overlap": overlap,
    "negative offsets": _of_tensor("code", data_offsets=[-8, 0]),
    "offsets beyond": _of_tensor("code", data_offsets=[0, 1 << 62]),
    "negative shape": _of_tensor("code", shape=[1, -16]),
    "shape that overflows": _of_tensor("code", shape=[1 << 32, 1 << 32]),
    "unknown type": _of_tensor("code", dtype="PYTHON"),
    "fractional shape": _of_tensor("code", shape=[1.5, 16]),
    "no tensors": lambda good: join({"__metadata__": split(good)[0]["__metadata__"]}, b""),
    "30,000 tensors": many_tensors,
    "long name": long_name,
    "long name twice": lambda good: long_name(overlap(good)),
    "base of lines": _of_metadata(base="line\n" * 100_000),
    "format of lines": _of_metadata(format="line\n" * 100_000),
    "code of another shape": _of_tensor("code", shape=[192]),
    "duplicate keys": duplicate_keys,
    "deep": deep_json,
    "not UTF-8": not_utf8,
    "metadata of numbers": _of_metadata(adapter=5),
    "metadata that is no JSON": _of_metadata(adapter="{"),
    "metadata that is a list": _of_metadata(adapter="[]"),
    "metadata of depth": _of_metadata(adapter="[" * 100_000 + "]" * 100_000),
    "metadata of a long number": _of_metadata(adapter=f'{{"steps": {"9" * 5000}}}'),
    "other kind": _of_metadata(kind="restoration"),
    "kind of lines": _of_metadata(kind="line\n" * 100_000),
    "other format": _of_metadata(format="styleadapt-adapter-999"),
    "other base": _of_metadata(base="0" * 16, base_name="<b>/etc/passwd</b>"),
    "unknown field": _of_adapter(deltas={}),
    "text for scores": _of_adapter(scores="high"),
    "text for a score": _of_adapter(scores={"style_before": "<script>"}),
    "NaN for a score": _of_adapter(scores={"style_before": float("nan")}),
    "text for steps": _of_adapter(steps="many"),
    "list for config": _of_adapter(config=[1]),
    "NaN": poisoned(b"\x00\x7e"),
    "infinity": poisoned(b"\x00\x7c"),
}
"""Files that must be refused: name -> what makes one from a good adapter."""
