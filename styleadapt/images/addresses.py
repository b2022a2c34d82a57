"""Fetches images from web addresses, within limits of size and time."""

import time

import httpx

from ..errors import ImageError

MAX_BYTES = 200 << 20
CONNECT_SECONDS = 10.0
MAX_SECONDS = 60.0


def is_address(source: object) -> bool:
    """Whether an image is named by a web address and not by a path; only a text can be one.

    >>> is_address("https://example.org/a.jpg"), is_address("photos/a.jpg")
    (True, False)
    """
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def fetch_image(address: str) -> bytes:
    """The bytes at an http or https address; redirections are followed.

    Raises:
        ImageError: the address is malformed, the server is out of reach or answers with an error, or there are more than
            `MAX_BYTES`, or they take more than `MAX_SECONDS`.
    """
    deadline = time.monotonic() + MAX_SECONDS
    data = bytearray()
    try:
        with httpx.stream(
            "GET", address, follow_redirects=True, timeout=CONNECT_SECONDS, headers={"User-Agent": "styleadapt"}
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise ImageError(f"cannot be fetched: the server answers {response.status_code} {response.reason_phrase}")
            for piece in response.iter_bytes():
                data += piece
                if len(data) > MAX_BYTES:
                    raise ImageError(f"has more than {MAX_BYTES >> 20} MB, the most that is fetched; download it first")
                if time.monotonic() > deadline:
                    raise ImageError(f"takes more than {MAX_SECONDS:.0f} seconds to fetch; download it first")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImageError(f"cannot be fetched: {' '.join(str(error).split()) or type(error).__name__}") from error
    return bytes(data)
