"""The Stylise tab: a photo in the style of any images, or of the visitor's adapter."""

import functools
import time
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from styleadapt.data.images import load_image, save_image
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.examples import example_images, example_strip, fill_from
from styleadapt.ui.limits import PREVIEW_SIDE, clamp
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio
from styleadapt.ui.uploads import StyleFiles, fit, photo_input, read_photo, read_styles, styles_input

STYLE_IMAGES, MY_ADAPTER = "Style images", "My adapter"
FIRST_NOTE = "Choose a photo and a style, or click an example."


@dataclass(frozen=True)
class StylizeTab:
    """The components that other tabs read or set."""

    photo: gr.Image
    styles: gr.Gallery
    source: gr.Radio
    styles_column: gr.Column
    weight: gr.Slider


class StylizeEvents:
    """What happens on the tab, free of layout."""

    def __init__(self, studio: Studio, visitors: Visitors):
        self.studio = studio
        self.visitors = visitors

    def first_look(self) -> tuple[Image.Image, Image.Image] | None:
        """What the page opens with: the first examples, stylised. None in a package without examples."""
        with plain_errors():
            return self._first_look

    @functools.cached_property
    def _first_look(self) -> tuple[Image.Image, Image.Image] | None:
        photos, paintings = example_images("photos"), example_images("styles")
        if not photos or not paintings:
            return None
        photo = load_image(photos[0])
        return photo, self.studio.first_look(photo, load_image(paintings[0]))

    def stylise(
        self,
        photo: str | None,
        styles: StyleFiles | None,
        source: str,
        strength: float,
        keep_colours: bool,
        weight: float,
        visitor: Visitor | None,
    ) -> tuple[tuple[Image.Image, Image.Image], dict, str, Visitor]:
        """Paint a photo in the style of one or more images, or of the adapter made or loaded in this session.

        Parameters:
            photo: The photo, an image file of any size up to 24 megapixels.
            styles: One to eight style images, blended in equal parts. Not used with "My adapter".
            source: Where the style comes from, "Style images" or "My adapter".
            strength: How much of the style to take, from 0 (the photo) to 1.
            keep_colours: Whether the photo keeps its own colours and takes only the brushwork.
            weight: How far to follow the adapter, from 0 to 1.5. Not used with "Style images".
        Returns:
            The photo and the stylised photo, small enough to preview.
            The stylised photo in full size, a PNG file.
            The size and the time taken, as text.
        """
        with plain_errors():
            before = read_photo(photo)
            visitor = self.visitors.of(visitor)
            strength = clamp(strength, 0, 1, default=1)
            started = time.monotonic()
            if source == MY_ADAPTER:
                if not visitor.has_adapter:
                    raise gr.Error("There is no adapter yet: make or load one on the Adapt tab.", print_exception=False)
                weight = clamp(weight, 0, 1.5, default=1)
                after = self.studio.stylise_adapted(before, visitor.adapter_file, weight, strength, bool(keep_colours))
            else:
                after = self.studio.stylise(before, read_styles(styles), strength, bool(keep_colours))
            note = f"{after.width} × {after.height} px in {time.monotonic() - started:.1f} s"
            visitor.touch()
            # Little compression: on 12 megapixels the default level takes several seconds more.
            save_image(after, visitor.picture_file, compress_level=1)
            preview = fit(before, PREVIEW_SIDE), fit(after, PREVIEW_SIDE)
            return preview, gr.update(value=visitor.picture_file, interactive=True), note, visitor


def show_source(source: str) -> tuple[dict, dict]:
    """Show the style images or the adapter's weight, whichever the chosen source uses."""
    return gr.update(visible=source != MY_ADAPTER), gr.update(visible=source == MY_ADAPTER)


def build_stylize_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> StylizeTab:
    """Lay out the tab inside the current blocks and connect its events."""
    photos, paintings = example_images("photos"), example_images("styles")
    events = StylizeEvents(studio, visitors)

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                with gr.Column(min_width=240):
                    photo = photo_input("Photo", "stylize-photo", value=str(photos[0]) if photos else None)
                    photo_strip = example_strip(photos, "Example photos", "example-photos")
                with gr.Column(min_width=240) as styles_column:
                    styles = styles_input("Style images", "stylize-styles", value=paintings[:1])
                    style_strip = example_strip(paintings, "Example styles", "example-styles")
            source = gr.Radio(
                [STYLE_IMAGES, MY_ADAPTER],
                value=STYLE_IMAGES,
                label="Style from",
                info="Make an adapter on the Adapt tab, or load one there.",
                elem_id="stylize-source",
            )
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="stylize-strength")
            weight = gr.Slider(0, 1.5, value=1, step=0.05, label="Adapter weight", visible=False, elem_id="stylize-weight")
            keep_colours = gr.Checkbox(label="Keep the photo's colours", elem_id="stylize-keep-colours")
            run = gr.Button("Stylise", variant="primary", elem_id="stylize-run")
        with gr.Column(scale=6, min_width=320):
            result = gr.ImageSlider(
                label="Before and after",
                elem_id="stylize-result",
                buttons=["fullscreen"],
                interactive=False,
                max_height=520,
            )
            note = gr.Markdown(FIRST_NOTE, elem_id="stylize-note")
            download = gr.DownloadButton("Download in full size", interactive=False, elem_id="stylize-download")

    stylise: dict[str, Any] = {
        "fn": events.stylise,
        "inputs": [photo, styles, source, strength, keep_colours, weight, visitor],
        "outputs": [result, download, note, visitor],
        "show_progress_on": result,
        "scroll_to_output": True,
        "concurrency_limit": 1,
        "concurrency_id": "stylise",
    }
    gr.on(None, events.first_look, None, result, api_visibility="private")
    run.click(**stylise, api_name="stylise")
    fill_from(photo_strip, photos, photo).then(**stylise, api_visibility="private")
    fill_from(style_strip, paintings, styles).then(**stylise, api_visibility="private")
    source.change(show_source, source, [styles_column, weight], queue=False, api_visibility="private")
    return StylizeTab(photo, styles, source, styles_column, weight)
