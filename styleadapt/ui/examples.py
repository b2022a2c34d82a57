"""Finds the packaged example pictures, and lays them out as strips to click."""

import json
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

import styleadapt

ASSETS = Path(styleadapt.__file__).parent / "assets"
ADAPT_EXAMPLE = ASSETS / "adapt_example"


@dataclass(frozen=True)
class AdaptExample:
    """A finished adaptation, made by `tools/make_adapt_example.py`.

    Parameters:
        style, photo: names of the packaged style that was learned and of the packaged photo in it.
        before, after: files of the photo in the style, zero-shot and adapted.
        steps: how many steps the style was learned in.
        scores: of the adapter.
    """

    style: str
    photo: str
    before: Path
    after: Path
    steps: int
    scores: dict[str, float]


def adapt_example(folder: Path = ADAPT_EXAMPLE) -> AdaptExample | None:
    """The packaged example of an adaptation; None in a package without it."""
    file = folder / "example.json"
    if not file.is_file():
        return None
    return AdaptExample(before=folder / "before.jpg", after=folder / "after.jpg", **json.loads(file.read_text(encoding="utf-8")))


def example_images(kind: str) -> list[Path]:
    """The packaged images of a kind, `photos` or `styles`, by name; empty when there are none."""
    return sorted((ASSETS / kind).glob("*.jpg"))


def serve_examples() -> None:
    """Let the server hand out the packaged images from where they are, wherever the package is installed."""
    gr.set_static_paths([ASSETS / "photos", ASSETS / "styles", ADAPT_EXAMPLE])


def example_strip(images: list[Path], label: str, elem_id: str) -> gr.Gallery:
    """A row of thumbnails, scrolled sideways. Connect it with `fill_from`."""
    return gr.Gallery(
        value=[(image, image.stem.replace("-", " ").replace("_", " ")) for image in images],
        label=label,
        show_label=False,
        container=False,
        elem_id=elem_id,
        elem_classes="example-strip",
        columns=len(images) or 1,
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=bool(images),
    )


def fill_from(strip: gr.Gallery, images: list[Path], target: gr.Image | gr.Gallery) -> gr.events.Dependency:
    """Let a click on a strip set `target`, and return the event, so that more can follow it."""

    def pick(picked: gr.SelectData) -> str | list[str]:
        path = str(images[picked.index])
        return [path] if isinstance(target, gr.Gallery) else path

    return strip.select(pick, None, target, queue=False, show_progress="hidden", api_visibility="private")
