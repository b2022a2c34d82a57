"""Fetches files that a program names by a web address: from public addresses only, in bounded memory and time."""

import asyncio
from urllib.parse import urljoin

import gradio as gr
import httpx
from gradio import processing_utils
from safehttpx import AsyncSecureTransport, async_validate_url, matches_domain_whitelist

from styleadapt.ui.limits import FETCH_SECONDS, MAX_FETCH_BYTES

MAX_REDIRECTS = 5


def limit_fetching() -> None:
    """Let gradio fetch by `fetch`. Its own has the protection of the server's network, but loads any amount into memory."""
    processing_utils.async_ssrf_protected_get = fetch


async def fetch(url: str) -> httpx.Response:
    """Fetch what is at `url`, with status 200. Raises `gr.Error` when it cannot be had within the limits."""
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            for _ in range(MAX_REDIRECTS + 1):
                response = await _get(url)
                if response.status_code == 200:
                    return response
                if not response.has_redirect_location:
                    break
                url = urljoin(url, response.headers["Location"])
    except gr.Error:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        pass
    raise gr.Error("The web address could not be fetched. Upload the file, or check the address.", print_exception=False)


async def _get(url: str) -> httpx.Response:
    """One step, without redirects. The connection goes to the very address that was found to be public."""
    host = httpx.URL(url).host
    known = matches_domain_whitelist(host, processing_utils.PUBLIC_HOSTNAME_WHITELIST)
    transport = None if known else AsyncSecureTransport(await async_validate_url(host))
    # Nothing is decompressed here: a small answer may hold an immense file.
    headers = {"Accept-Encoding": "identity"}
    async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", url, headers=headers) as response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_FETCH_BYTES:
                megabytes = MAX_FETCH_BYTES // 1_000_000
                raise gr.Error(f"The file at the web address is larger than {megabytes} MB.", print_exception=False)
        location = {name: value for name, value in response.headers.items() if name.lower() == "location"}
        return httpx.Response(response.status_code, headers=location, content=bytes(body))
