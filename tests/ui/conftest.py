"""A small stand-in for the library below the interface, so that these tests take milliseconds."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio


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
class FakeAdapter:
    color: tuple[int, int, int]
    steps: int
    scores: dict[str, float] = field(
        default_factory=lambda: {"style_before": 0.41, "style_after": 0.3, "content_before": 0.56, "content_after": 0.52}
    )

    def save(self, path: Path) -> None:
        Path(path).write_text(json.dumps({"color": self.color, "steps": self.steps}))


@dataclass
class FakePipeline:
    """Paints a photo in the mean colour of its style. `steps` is how long an adaptation would take unless stopped."""

    steps: int = 5
    color: tuple[int, int, int] | None = None
    on_step: Callable[[int], None] | None = None
    device: str = "cpu"

    def to(self, device) -> "FakePipeline":
        self.device = str(device)
        return self

    def clone(self) -> "FakePipeline":
        return FakePipeline(self.steps, self.color, self.on_step, self.device)

    def __call__(self, photo, style=None, strength=1.0, preserve_color=False, max_size=None) -> FakeOutput:
        color = _mean(style) if style else self.color
        if color is None:
            raise ValueError("style: give a style image, or load an adapter")
        return FakeOutput([Image.blend(photo.convert("RGB"), Image.new("RGB", photo.size, color), 0.5 * strength)])

    def adapt(self, paintings, max_seconds=60, callback=None) -> FakeAdapter:
        progress = FakeProgress(0, self.steps)
        while progress.step < self.steps and not progress.stopped:
            progress.step += 1
            if self.on_step:
                self.on_step(progress.step)
            callback(progress)
        self.color = _mean(paintings)
        return FakeAdapter(self.color, progress.step)

    def load_adapter(self, path, name) -> None:
        try:
            self.color = tuple(json.loads(Path(path).read_text())["color"])
        except (ValueError, KeyError):
            raise ValueError(f"{path} is not an adapter") from None

    def set_adapters(self, names, weights) -> None:
        self.color = tuple(round(value * weights[0]) for value in self.color)


def _mean(images) -> tuple[int, int, int]:
    return images[0].convert("RGB").resize((1, 1)).getpixel((0, 0))


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
    return Studio(lambda: pipeline)


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
