"""The page in a real browser, with the runtime of the npm package onnxruntime-web: it paints what the torch pipeline paints."""

import functools
import http.server
import io
import shutil
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image

from styleadapt import StyleTransferPipeline
from styleadapt.cli.export import read_runtime
from styleadapt.pipelines.strokes import read_stroke_size, stroke_levels
from styleadapt.ui.stroke_size import CHOICES

from .conftest import smooth_noise, stripes
from .scripts.exported import exported

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
for package in ("onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason="needs styleadapt[export]")
expect = sync_api.expect

PACKAGE = "onnxruntime-web@1.30.0"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TIMEOUT = 120_000

pytestmark = [pytest.mark.export, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")]


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def runtime(request):
    """The runtime's files; the package is fetched once and kept in pytest's cache."""
    folder = request.config.cache.mkdir("onnxruntime-web")
    package = folder / f"{PACKAGE.replace('@', '-')}.tgz"
    if not package.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("needs npm")
        done = subprocess.run([npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode or not package.is_file():
            pytest.skip(f"npm cannot fetch {PACKAGE}: {done.stderr.strip()[-200:]}")
    return read_runtime(package)


@pytest.fixture(scope="module")
def address(runtime, tmp_path_factory):
    """Where the page is served, as any host of files would."""
    folder = shutil.copytree(exported() / "page", tmp_path_factory.mktemp("web") / "page")
    for name, data in runtime.items():
        (folder / "ort" / name).write_bytes(data)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=TIMEOUT)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page on a phone; whatever its console says is an error, and so is a request to anywhere else."""
    context = browser.new_context(accept_downloads=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    expect.set_options(timeout=TIMEOUT)
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: request.url.startswith((address, "blob:", "data:")) or trouble.append(request.url))
    page.goto(address)
    expect(page.get_by_role("button", name="Stylize")).to_be_enabled()
    yield page
    context.close()
    assert trouble == []


def encoded(image: Image.Image, name: str) -> dict:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}


def choose(page, photo: Image.Image, style: Image.Image | None = None) -> None:
    page.get_by_label("Photo", exact=True).set_input_files(encoded(photo, "photo.png"))
    expect(page.get_by_alt_text("The chosen photo")).to_be_visible()
    if style is not None:
        page.get_by_label("Style image").set_input_files(encoded(style, "style.png"))
        expect(page.get_by_alt_text("The chosen style image")).to_be_visible()


def stylized(page) -> Image.Image:
    page.get_by_role("button", name="Stylize").click()
    expect(page.locator("#status")).to_contain_text("painted at")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "stylized.png"
    return Image.open(download.value.path())


@pytest.fixture(scope="module")
def pipe():
    return StyleTransferPipeline.from_pretrained(exported() / "export")


def test_a_photo_becomes_what_torch_makes_of_it(page, pipe):
    photo, style = smooth_noise((203, 117), seed=5), stripes(96)
    choose(page, photo, style)
    found = stylized(page)
    assert found.size == photo.size
    expected = pipe(photo, style=style).images[0]
    assert np.abs(np.int16(found.convert("RGB")) - np.int16(expected)).max() <= 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_models_own_style_at_half_strength_keeps_transparency(page, pipe):
    photo = smooth_noise((120, 90), seed=6)
    choose(page, photo)
    page.get_by_label("Strength").fill("40")
    expected = pipe(photo, strength=0.4).images[0]
    assert np.abs(np.int16(stylized(page).convert("RGB")) - np.int16(expected)).max() <= 2
    holed = photo.copy()
    holed.putalpha(Image.linear_gradient("L").resize(photo.size))
    choose(page, holed)
    page.get_by_label("Strength").fill("100")
    found = stylized(page)
    assert np.abs(np.int16(found.getchannel("A")) - np.int16(holed.getchannel("A"))).max() <= 1


def test_a_large_photo_is_painted_smaller_and_scaled_back(page):
    choose(page, smooth_noise((700, 300), seed=7))
    page.get_by_label("Max size").select_option("512")
    assert stylized(page).size == (700, 300)
    expect(page.locator("#status")).to_contain_text("700 × 300 px, painted at 512 × 219 px")


def test_a_photo_that_is_still_being_decoded_is_waited_for(page):
    page.get_by_label("Photo", exact=True).set_input_files(encoded(Image.new("RGB", (4000, 3000), "teal"), "large.png"))
    page.get_by_label("Max size").select_option("512")
    assert stylized(page).size == (4000, 3000)


def test_a_file_that_is_no_picture_is_named(page):
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"not an image"}
    page.get_by_label("Photo", exact=True).set_input_files(broken)
    expect(page.get_by_role("alert")).to_have_text("broken.png is not a picture that this browser can read.")
    page.get_by_role("button", name="Stylize").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a photo first.")


def test_it_can_be_stopped_and_started_again(page):
    choose(page, smooth_noise((2000, 2000), seed=8, cell=200))
    page.get_by_label("Max size").select_option("2048")
    page.get_by_role("button", name="Stylize").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped.")
    page.get_by_label("Max size").select_option("512")
    assert stylized(page).size == (2000, 2000)


def test_broad_strokes_are_painted_small_first_as_torch_does(page, pipe):
    photo, style = smooth_noise((203, 117), seed=8), stripes(96)
    choose(page, photo, style)
    fine = stylized(page).convert("RGB")
    page.get_by_label("Stroke size").select_option("0.08")
    found = stylized(page).convert("RGB")
    assert found.size == photo.size and found.tobytes() != fine.tobytes()
    expected = pipe(photo, style=style, stroke_size=0.08).images[0]
    # the browser's resizing differs from Pillow's by a level here and there, which the next pass may amplify
    assert np.abs(np.int16(found) - np.int16(expected)).mean() < 3


def test_the_pages_levels_are_those_of_the_package(page):
    sizes = [(1, 1), (1, 4096), (1280, 960), (1281, 960), (2048, 1365), (4000, 3000)]
    for size in sizes:
        for stroke_size in ("auto", "0.005", "0.02", "0.08"):
            found = page.evaluate(
                "async ([size, strokes]) => (await import('./strokes.js')).strokeLevels(...size, strokes)", [size, stroke_size]
            )
            assert [tuple(level) for level in found] == stroke_levels(size, read_stroke_size(stroke_size))
    offered = page.get_by_label("Stroke size").locator("option").evaluate_all("all => all.map((one) => one.value)")
    assert offered == [value for _, value in CHOICES]
