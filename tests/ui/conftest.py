"""A small stand-in for the library below the interface, so that these tests take milliseconds."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pytest
import torch
from PIL import Image

from styleadapt import AdapterError, StyleAdapter
from styleadapt.images.images import load_image
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio

from ..tiny_generation import tiny_generation
from ..tiny_restoration import tiny_restoration


@dataclass
class FakeOutput:
    images: list[Image.Image]


@dataclass
class FakeProgress:
    step: int
    steps: int
    stopped: bool = False

    seconds = property(lambda self: self.step * 1.0)
    seconds_left = property(lambda self: (self.steps - self.step) * 1.0)
    fraction = property(lambda self: self.step / self.steps)
    style = property(lambda self: 0.4 - 0.1 * self.fraction)
    content = property(lambda self: 0.6 - 0.1 * self.fraction)

    def preview(self, photo: Image.Image) -> Image.Image:
        return Image.blend(photo.convert("RGB"), Image.new("RGB", photo.size, "navy"), 0.5 * self.fraction)

    def stop(self) -> None:
        self.stopped = True


@dataclass
class FakeRefinement:
    step: int
    steps: int
    stopped: bool = False

    seconds_left = property(lambda self: (self.steps - self.step) * 1.0)
    fraction = property(lambda self: self.step / self.steps)

    def preview(self) -> Image.Image:
        return Image.new("RGB", (30, 20), "navy")

    def stop(self) -> None:
        self.stopped = True


@dataclass
class FakeAdapter:
    color: tuple[int, int, int]
    steps: int
    scores: dict[str, float] = field(
        default_factory=lambda: {"style_before": 0.41, "style_after": 0.3, "content_before": 0.56, "content_after": 0.52}
    )

    def save(self, path: Path) -> None:
        code = torch.tensor([self.color]).float()
        StyleAdapter(deltas={}, code=code, start_code=code, base="fake", scores=self.scores).save(path)


@dataclass
class FakePipeline:
    """Paints a photo in the mean color of its style. `steps` is how long an adaptation would take unless stopped."""

    steps: int = 5
    color: tuple[int, int, int] | None = None
    on_step: Callable[[int], None] | None = None
    device: str = "cpu"

    def to(self, device) -> "FakePipeline":
        self.device = str(device)
        return self

    def clone(self) -> "FakePipeline":
        return FakePipeline(self.steps, self.color, self.on_step, self.device)

    def __call__(
        self,
        image,
        style=None,
        style_weights=None,
        strength=1.0,
        preserve_color=False,
        max_size=None,
        mask=None,
        mask_feather=0.02,
        adapter_blend=0.0,
        stroke_size="auto",
        refine=None,
        refine_callback=None,
    ) -> FakeOutput:
        photo = load_image(image).convert("RGB")
        styles = style if isinstance(style, list) else [style] if style else []
        if not styles and self.color is None:
            raise ValueError("style: give a style image, or load an adapter")
        if mask is not None:
            return FakeOutput([_paint_regions(photo, styles, mask if isinstance(mask, list) else [mask], strength)])
        progress = FakeRefinement(0, self.steps if refine else 0)
        while progress.step < progress.steps and not progress.stopped:
            progress.step += 1
            refine_callback(progress)
        color = self.color
        if styles:
            color = _mix([_mean(s) for s in styles], style_weights or [1.0] * len(styles))
            if self.color is not None:
                color = _mix([color, self.color], [1 - adapter_blend, adapter_blend])
        return FakeOutput([_tint(photo, color, strength)])

    def strength_strip(self, image, style=None, strengths=(0, 0.25, 0.5, 0.75, 1.0), **options) -> Image.Image:
        pictures = [self(image, style, strength=strength, **options).images[0] for strength in strengths]
        width, height = pictures[0].size
        strip = Image.new("RGB", (width * len(pictures), height))
        for position, picture in enumerate(pictures):
            strip.paste(picture, (position * width, 0))
        return strip

    def adapt(self, styles, max_seconds=60, callback=None) -> FakeAdapter:
        progress = FakeProgress(0, self.steps)
        while progress.step < self.steps and not progress.stopped:
            progress.step += 1
            if self.on_step:
                self.on_step(progress.step)
            callback(progress)
        self.color = _mean(styles[0])
        return FakeAdapter(self.color, progress.step)

    def check_adapter(self, adapter) -> None:
        if adapter.base != "fake":
            raise AdapterError(f"the adapter was made for the base {adapter.base}")

    def load_adapter(self, adapter, name) -> None:
        """A `StyleAdapter` whose style code is a color, its file, or a file of JSON with a color."""
        if isinstance(adapter, Path) and adapter.read_bytes().startswith(b'{"color"'):
            self.color = tuple(json.loads(adapter.read_text())["color"])
        else:
            loaded = StyleAdapter.load(adapter) if isinstance(adapter, Path) else adapter
            self.color = tuple(round(value) for value in loaded.code[0].tolist())

    def set_adapters(self, names, weights) -> None:
        self.color = tuple(round(value * weights[0]) for value in self.color)


def _mean(image) -> tuple[int, int, int]:
    return load_image(image).convert("RGB").resize((1, 1)).getpixel((0, 0))


def _mix(colors, weights) -> tuple[int, int, int]:
    return tuple(round(sum(w * c for w, c in zip(weights, band)) / sum(weights)) for band in zip(*colors))


def _tint(photo, color, strength) -> Image.Image:
    return Image.blend(photo, Image.new("RGB", photo.size, color), 0.5 * strength)


def _paint_regions(photo, styles, masks, strength) -> Image.Image:
    """Each style in its mask, without soft borders; one style more than masks takes the rest."""
    rest = styles[len(masks) :]
    picture = _tint(photo, _mean(rest[0]), strength) if rest else photo.copy()
    for style, mask in zip(styles, masks):
        picture.paste(_tint(photo, _mean(style), strength), mask=mask.convert("L").resize(photo.size))
    return picture


@pytest.fixture(scope="package", autouse=True)
def gradios_cache(tmp_path_factory):
    """The app chooses its folder through the environment, where it would stay after these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()


@pytest.fixture
def visitors(tmp_path) -> Visitors:
    return Visitors(tmp_path / "visits")


@pytest.fixture
def visitor(visitors) -> Visitor:
    return visitors.open()


@pytest.fixture
def studio(pipeline) -> Studio:
    return Studio(lambda: pipeline, tiny_restoration, tiny_generation)


@pytest.fixture
def photo(tmp_path) -> str:
    """A photo of 300 x 200 px, as the path gradio would hand over."""
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(path)
    return str(path)


@pytest.fixture
def styles(tmp_path) -> list[tuple[str, None]]:
    """One red style image, as a gallery would hand it over."""
    path = tmp_path / "style.png"
    Image.new("RGB", (64, 64), "red").save(path)
    return [(str(path), None)]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the real app is served, with the packaged weights of stylization, and untrained ones of the others."""
    if not (resources.files("styleadapt") / "assets" / "weights" / "model_index.json").is_file():
        pytest.skip("needs the packaged weights")
    from styleadapt.ui import build_app, launch_options
    from styleadapt.ui.session import Visitors

    app = build_app(
        visitors=Visitors(tmp_path_factory.mktemp("visits")), load_restoration=tiny_restoration, load_generation=tiny_generation
    )
    _, url, _ = app.launch(**launch_options(), server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    yield url
    app.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    from .browsing import CHROMIUM, SECONDS, sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=120 * SECONDS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """Opens the app as a new visitor; called twice, there are two of them. Options are those of a browser context."""
    from .browsing import SECONDS, expect

    contexts = []

    def open_page(path="", **options):
        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120 * SECONDS)
        page.requests, page.errors = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(address + path)
        expect(page.locator("#stylize-run")).to_be_visible()
        return page

    expect.set_options(timeout=120 * SECONDS)
    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def picture(tmp_path):
    """A photo of an unusual size, told from the examples by its name."""
    path = tmp_path / "upload.png"
    Image.linear_gradient("L").resize((203, 117)).convert("RGB").save(path)
    return path
