"""The real app in a real browser: upload, stylise, adapt, stop, download, load again; and two visitors side by side."""

import shutil
from importlib import resources

import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = sync_api.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 1000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the app is served, with the packaged weights."""
    if not (resources.files("styleadapt") / "assets" / "weights" / "model_index.json").is_file():
        pytest.skip("needs the packaged weights")
    from styleadapt.ui import build_app, launch_options
    from styleadapt.ui.session import Visitors

    app = build_app(visitors=Visitors(tmp_path_factory.mktemp("visits")))
    _, url, _ = app.launch(**launch_options(), server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    yield url
    app.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=120 * SECONDS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """Opens the app as a new visitor; called twice, there are two of them."""
    contexts = []

    def open_page():
        context = browser.new_context(accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120 * SECONDS)
        page.requests = []
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(address)
        expect(page.locator("#stylize-run")).to_be_visible()
        return page

    expect.set_options(timeout=120 * SECONDS)
    yield open_page
    for context in contexts:
        context.close()


def _upload(page, where, path):
    page.locator(f"{where} input[type=file]").set_input_files(path)
    expect(page.locator(f"{where} img[src*='{path.name}']")).to_be_visible()


def _stylise(page):
    before = page.locator("#stylize-note").inner_text()
    page.locator("#stylize-run").click()
    expect(page.locator("#stylize-download")).to_be_enabled()
    expect(page.locator("#stylize-note")).not_to_have_text(before)


def _download(page, button):
    with page.expect_download() as download:
        page.locator(button).click()
    return download.value


@pytest.fixture
def picture(tmp_path):
    """A photo of an unusual size, told from the examples by its name."""
    path = tmp_path / "upload.png"
    Image.linear_gradient("L").resize((203, 117)).convert("RGB").save(path)
    return path


def test_a_photo_is_uploaded_stylised_and_downloaded_in_its_size(visit, picture):
    page = visit()
    _upload(page, "#stylize-photo", picture)
    _upload(page, "#stylize-styles", picture)
    _stylise(page)
    expect(page.locator("#stylize-note")).to_contain_text("203 × 117 px")
    download = _download(page, "#stylize-download")
    assert download.suggested_filename == "stylised.png"
    assert Image.open(download.path()).size == (203, 117)


def test_a_click_on_an_example_stylises_it(visit):
    page = visit()
    page.locator("#example-photos button").nth(1).click()
    expect(page.locator("#stylize-note")).to_contain_text("px in")
    page.locator("#example-styles button").nth(1).click()
    expect(page.locator("#stylize-download")).to_be_enabled()


def test_a_bad_file_is_answered_with_a_plain_line(visit, tmp_path):
    page = visit()
    path = tmp_path / "broken.png"
    path.write_bytes(b"not an image")
    page.locator("#stylize-photo input[type=file]").set_input_files(path)
    expect(page.locator("#stylize-photo img[src*='broken.png']")).to_be_attached()
    page.locator("#stylize-run").click()
    message = page.get_by_test_id("toast-body")
    expect(message).to_contain_text("broken.png")
    assert "Traceback" not in message.inner_text()
    assert "/" not in message.inner_text()


def test_an_adaptation_is_watched_stopped_used_and_loaded_by_its_owner_alone(visit, picture):
    page = visit()
    page.get_by_role("tab", name="Adapt").click()
    _upload(page, "#adapt-photo", picture)
    page.locator("#adapt-run").click()
    status = page.locator("#adapt-status")
    expect(status).to_contain_text("s left")
    expect(page.locator("#adapt-before img")).to_be_visible()
    page.locator("#adapt-stop").click()
    expect(status).to_contain_text("ready")
    expect(page.locator("#adapt-after img")).to_be_visible()
    expect(page.locator("#adapt-stop")).to_be_disabled()

    download = _download(page, "#adapt-download")
    assert download.suggested_filename.endswith(".safetensors")
    page.locator("#adapt-use").click()
    expect(page.get_by_label("My adapter")).to_be_checked()
    _stylise(page)

    other = visit()
    other.get_by_label("My adapter").check()
    other.locator("#stylize-run").click()
    expect(other.get_by_test_id("toast-body")).to_contain_text("no adapter yet")

    other.get_by_role("tab", name="Adapt").click()
    with other.expect_file_chooser() as chooser:
        other.locator("#adapt-load").click()
    chooser.value.set_files(download.path().rename(picture.with_name("mine.safetensors")))
    expect(other.locator("#adapt-status")).to_contain_text("loaded")
    other.locator("#adapt-use").click()
    _stylise(other)


def test_nothing_is_fetched_from_another_server_and_a_phone_needs_no_sideways_scrolling(visit, address):
    page = visit()
    page.set_viewport_size({"width": 390, "height": 844})
    assert [url for url in page.requests if not url.startswith((address, "data:", "blob:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
