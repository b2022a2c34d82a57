"""What the browser tests have in common: the tabs, and steps that they all take."""

import io
import shutil

import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = sync_api.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 1000
TABS = {
    "Stylize": "stylize",
    "Regions": "regions",
    "Batch": "batch",
    "Video": "video",
    "Assets": "assets",
    "Adapt": "adapt",
    "Restore": "restore",
    "Generate": "generate",
}

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()
    expect(page.locator(f"#{TABS[name]}-run")).to_be_visible()


def wait_for_canvas(page, where="#regions-canvas"):
    """Until the photo is drawn where one paints on it: a canvas tells nothing but its pixels."""
    canvas = page.locator(f"{where} canvas").first
    for _ in range(600):
        picture = Image.open(io.BytesIO(canvas.screenshot()))
        if picture.convert("L").getpixel((picture.width // 2, picture.height // 2)) < 250:
            return canvas
    raise AssertionError("no photo appears on the canvas")


def upload(page, where, path):
    page.locator(f"{where} input[type=file]").set_input_files(path)
    expect(page.locator(f"{where} img[src*='{path.name}']")).to_be_visible()


def stylize(page):
    """Press Stylize and wait for a result that differs from the one on the page."""
    result = page.locator("#stylize-result img").last
    before = result.get_attribute("src")
    page.locator("#stylize-run").click()
    expect(result).not_to_have_attribute("src", before)
    expect(page.locator("#stylize-download")).to_be_enabled()


def download(page, button):
    with page.expect_download() as started:
        page.locator(button).click()
    return started.value


def paint_stroke(page, canvas) -> None:
    """Paints a short stroke in the middle of an editor's canvas."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y + 10, steps=5)
    page.mouse.up()
