"""The Regions tab: applies a style inside what the visitor paints on the photo, and another or none outside."""

import time
from dataclasses import dataclass

import gradio as gr
from PIL import Image

from styleadapt.ui.before_after import before_and_after, shown
from styleadapt.ui.canvas import canvas, painted, show_canvas
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.examples import example_images, example_strip, fill_from
from styleadapt.ui.limits import MAX_FEATHER, SHORT_WORK, clamp
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.stroke_size import read_strokes, stroke_size_input
from styleadapt.ui.studio import Studio
from styleadapt.ui.uploads import photo_input, read_image, read_photo

FIRST_NOTE = "Choose a photo, paint on it where the style goes, and press Stylize regions."
DEFAULT_FEATHER = 0.02

Shown = tuple[tuple[Image.Image, Image.Image], dict, str, Visitor]


@dataclass(frozen=True)
class RegionsTab:
    """The components that other tabs set."""

    photo: gr.Image
    inside: gr.Image


class RegionsEvents:
    """The events of the tab, without its layout."""

    def __init__(self, studio: Studio, visitors: Visitors):
        self.studio = studio
        self.visitors = visitors

    def regions(
        self,
        image: str | None,
        mask: str | None,
        inside: str | None,
        mask_feather: float,
        strength: float,
        preserve_color: bool,
        outside: str | None = None,
        visitor: Visitor | None = None,
        stroke_size: str | None = None,
    ) -> Shown:
        """Paint one region of a photo in a style, and the rest in another or not at all, with a soft border between them.

        Parameters:
            image: The photo, an image file of any size up to 24 megapixels.
            mask: An image of the region, of any size: white is inside, black outside, gray between them.
            inside: The style image for the region.
            mask_feather: The width of the soft border, from 0 to 0.1 of the photo's longer side.
            strength: How much of the styles to take, from 0 (the photo) to 1.
            preserve_color: Whether the photo keeps its own colors and takes only the brushwork.
            outside: The style image for the rest; without one the rest stays the photo.
            stroke_size: About how wide the strokes are, a share of the photo's longer side such as "0.02", or "auto".
        Returns:
            The photo and the stylized photo, small enough to preview.
            The stylized photo in full size, a PNG file with the EXIF of the photo, except for its GPS position.
            The size and the time taken, as text.
        """
        settings = inside, mask_feather, strength, preserve_color, outside, visitor, stroke_size
        return self.painted_regions(image, None, mask, *settings)

    def painted_regions(
        self,
        image: str | None,
        layers: list[str] | None,
        mask: str | None,
        inside: str | None,
        mask_feather: float,
        strength: float,
        preserve_color: bool,
        outside: str | None,
        visitor: Visitor | None,
        stroke_size: str | None = None,
    ) -> Shown:
        """As `regions`, where the region may be painted: `layers` are files of transparent layers. An image of it goes first."""
        with plain_errors():
            before = read_photo(image)
            region = read_image(mask) if mask else read_painted(layers)
            if not inside:
                raise gr.Error("Choose a style image for the inside first.", print_exception=False)
            styles = [read_image(path) for path in (inside, outside) if path]
            mask_feather = clamp(mask_feather, 0, MAX_FEATHER, default=DEFAULT_FEATHER)
            strength, strokes = clamp(strength, 0, 1, default=1), read_strokes(stroke_size)
            visitor = self.visitors.of(visitor)
            started = time.monotonic()
            after = self.studio.regions(before, styles, [region], mask_feather, strength, bool(preserve_color), strokes)
            return *shown(image, before, after, visitor, visitor.regions_file, started), visitor


def read_painted(layers: list[str] | None) -> Image.Image:
    """Reads what is painted, as `painted` does. Raises `gr.Error` when that is nothing."""
    region = painted(layers)
    if region is None:
        raise gr.Error("Paint on the photo where the style goes, or give an image of the region.", print_exception=False)
    return region


def build_regions_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> RegionsTab:
    """Lay out the tab inside the current blocks and connect its events."""
    photos, example_styles = example_images("photos"), example_images("styles")
    events = RegionsEvents(studio, visitors)
    # The canvas has the photo from the beginning: an event that comes before the canvas is ready would be lost.
    first_photo = str(photos[0]) if photos else None

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            photo = photo_input("Photo", "regions-photo", value=first_photo)
            photo_strip = example_strip(photos, "Example photos", "regions-example-photos")
            with gr.Row():
                with gr.Column(min_width=240):
                    inside = photo_input(
                        "Style inside", "regions-inside", value=str(example_styles[0]) if example_styles else None
                    )
                    inside_strip = example_strip(example_styles, "Example styles inside", "regions-example-inside")
                with gr.Column(min_width=240):
                    outside = photo_input("Style outside (none: the photo)", "regions-outside")
                    outside_strip = example_strip(example_styles, "Example styles outside", "regions-example-outside")
            mask_feather = gr.Slider(
                0,
                MAX_FEATHER,
                value=DEFAULT_FEATHER,
                step=0.005,
                label="Mask feather",
                info="The width of the soft border, as a share of the photo's longer side.",
                elem_id="regions-mask-feather",
            )
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="regions-strength")
            stroke_size = stroke_size_input("regions-stroke-size")
            preserve_color = gr.Checkbox(label="Preserve color", elem_id="regions-preserve-color")
        with gr.Column(scale=6, min_width=320):
            editor = canvas("Paint the inside", "regions-canvas", show_canvas(first_photo))
            with gr.Accordion("Or give the region as an image", open=False, elem_id="regions-mask-panel"):
                mask = photo_input("Region: white inside, black outside", "regions-mask")
            run = gr.Button("Stylize regions", variant="primary", elem_id="regions-run")
            result = before_and_after("regions-result")
            note = gr.Markdown(FIRST_NOTE, elem_id="regions-note")
            download = gr.DownloadButton("Download in full size", interactive=False, elem_id="regions-download")

    settings = [inside, mask_feather, strength, preserve_color, outside, visitor, stroke_size]
    outputs = [result, download, note, visitor]
    fill_from(photo_strip, photos, photo)
    fill_from(inside_strip, example_styles, inside)
    fill_from(outside_strip, example_styles, outside)
    photo.change(show_canvas, photo, editor, queue=False, show_progress="hidden", api_visibility="private")
    run.click(
        events.painted_regions,
        [photo, editor, mask, *settings],
        outputs,
        show_progress_on=result,
        scroll_to_output=True,
        api_visibility="private",
        **SHORT_WORK,
    )
    # Nothing on the page triggers it: other programs have no canvas to paint on.
    gr.on([], events.regions, [photo, mask, *settings], outputs, api_name="regions", **SHORT_WORK)
    return RegionsTab(photo, inside)
