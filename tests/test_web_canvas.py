"""The page's drawing alone, in a real browser: what it makes of a photo with transparency."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

WEB = Path(__file__).resolve().parents[1] / "styleadapt" / "assets" / "web"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# A photo whose transparency falls from column to column, and a painting of one color that is half as large.
FINISHED = """async ([strength, alphas, photoColor, paintedColor]) => {
    const { contextOf, finish } = await import("./canvas.js");
    const pixels = new ImageData(alphas.length, 2);
    for (let i = 0; i < pixels.data.length; i += 4) {
        pixels.data.set([...photoColor, alphas[i / 4 % alphas.length]], i);
    }
    const small = contextOf(alphas.length / 2, 1);
    small.fillStyle = `rgb(${paintedColor})`;
    small.fillRect(0, 0, alphas.length, 1);
    const context = contextOf(alphas.length, 2);
    finish(context, await createImageBitmap(pixels), small.canvas, strength);
    return [...context.getImageData(0, 1, alphas.length, 1).data];
}"""
ALPHAS = [0, 51, 102, 153, 204, 255]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def page():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(WEB)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=120_000)
        page = browser.new_page()
        # Any address of the page will do: its own scripts must not run without the models.
        page.goto(f"http://127.0.0.1:{server.server_port}/style.css")
        yield page
        browser.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("strength", [0, 0.1, 0.25, 0.4, 0.5, 1])
def test_transparency_is_that_of_the_photo_and_colors_are_mixed(page, strength):
    photo, painted = (200, 40, 0), (0, 120, 240)
    found = page.evaluate(FINISHED, [strength, ALPHAS, photo, painted])
    share = min(1, 2 * strength)
    expected = [(1 - share) * a + share * b for a, b in zip(photo, painted)]
    for position, alpha in enumerate(ALPHAS):
        *color, found_alpha = found[4 * position : 4 * position + 4]
        assert abs(found_alpha - alpha) <= 1
        # A browser keeps colors multiplied by alpha, in whole levels.
        assert not alpha or color == pytest.approx(expected, abs=1 + 255 / alpha)
