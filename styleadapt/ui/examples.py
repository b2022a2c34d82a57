"""The example pictures that come with the package, and a strip of them to click."""

from pathlib import Path

import gradio as gr

import styleadapt

ASSETS = Path(styleadapt.__file__).parent / "assets"


def example_images(kind: str) -> list[Path]:
    """The packaged images of a kind, `photos` or `styles`, by name; empty when there are none."""
    return sorted((ASSETS / kind).glob("*.jpg"))


def serve_examples() -> None:
    """Let the server hand out the packaged images from where they are, wherever the package is installed."""
    gr.set_static_paths([ASSETS / "photos", ASSETS / "styles"])


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
