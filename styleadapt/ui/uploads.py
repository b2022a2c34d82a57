"""Lays out inputs that give file paths, and reads uploaded files within the limits."""

from pathlib import Path

import gradio as gr
from PIL import Image

from styleadapt.images.images import load_image
from styleadapt.ui.limits import MAX_PIXELS, MAX_STYLES

from ..errors import ImageError

StyleFiles = list[tuple[str, str | None]]

FILE_SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "An http or https address, or the path that an upload was answered with."},
        "meta": {
            "type": "object",
            "properties": {"_type": {"type": "string", "enum": ["gradio.FileData"]}},
            "required": ["_type"],
        },
    },
    "required": ["path", "meta"],
}
"""A file in a list, for programs. Gradio's own schemas of lists hold references that lead nowhere in a tool's schema."""


def uploaded_path(payload: gr.FileData | None) -> str | None:
    """The path of an upload that gradio has stored, unopened."""
    if payload is None:
        return None
    if not payload.path:
        raise gr.Error("Send the image as a file.", print_exception=False)
    return payload.path


def photo_input(label: str, elem_id: str, value: str | None = None) -> gr.Image:
    """An image input whose file only `read_photo` opens. Do not update its properties from an event: set its value."""
    image = gr.Image(
        value=value,
        label=label,
        elem_id=elem_id,
        type="filepath",
        sources=["upload", "clipboard"],
        buttons=["fullscreen"],
        height=260,
        alt_text=label,
        interactive=True,
    )
    # Gradio's own opens the file, and on a bad one fails with the server's path in place of a message.
    image.preprocess = uploaded_path  # type: ignore[method-assign, assignment]
    return image


def styles_input(label: str, elem_id: str, value: list[Path] | None = None) -> gr.Gallery:
    """An input for one or more style images, given to events as `StyleFiles`."""
    gallery = gr.Gallery(
        value=value,
        label=label,
        elem_id=elem_id,
        type="filepath",
        sources=["upload", "clipboard"],
        file_types=["image"],
        buttons=[],
        columns=2,
        height=260,
        object_fit="cover",
        interactive=True,
    )
    item = {"type": "object", "properties": {"image": FILE_SCHEMA}, "required": ["image"]}
    gallery.api_info = lambda: {"type": "array", "items": item}  # type: ignore[method-assign]
    return gallery


def read_photo(path: str | None) -> Image.Image:
    """The photo at `path`, upright. Raises `gr.Error` when there is none, `ImageError` when it cannot be used."""
    if not path:
        raise gr.Error("Choose a photo first.", print_exception=False)
    return read_image(path)


def read_styles(files: StyleFiles | None) -> list[Image.Image]:
    """The style images of a `styles_input`. Raises as `read_photo`, and `gr.Error` for too many."""
    if not files:
        raise gr.Error("Choose at least one style image first.", print_exception=False)
    if len(files) > MAX_STYLES:
        raise gr.Error(f"{len(files)} style images are too many here: use up to {MAX_STYLES}.", print_exception=False)
    return [read_image(path) for path, _ in files]


def fit(image: Image.Image, side: int) -> Image.Image:
    """`image`, shrunk so that neither side is longer than `side` pixels."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS)


def read_image(path: str) -> Image.Image:
    """The image at `path`, upright, mode "RGB" or "RGBA". Raises `ImageError` when it cannot be used."""
    try:
        # As a path it is never an address, which this server would fetch for a visitor.
        return load_image(Path(path), max_pixels=MAX_PIXELS)
    except ImageError as error:
        # The rest of the message is advice for programmers.
        raise ImageError(str(error).split("; raise it with")[0]) from None
