"""The Stylize tab: stylizes a photo with images, with the visitor's adapter, or with both, and compares strengths."""

import functools
import time
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from styleadapt.images.images import load_image, save_image
from styleadapt.ui.before_after import before_and_after, shown
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.examples import example_images, example_strip, fill_from
from styleadapt.ui.fine_painting import IDLE, FineEvents, fine_inputs, show_quality
from styleadapt.ui.limits import SHORT_WORK, STRIP_STRENGTHS, clamp
from styleadapt.ui.long_work import connect
from styleadapt.ui.look_choice import BOTH, MY_ADAPTER, STYLE_IMAGES, read_look
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.stroke_size import read_strokes, stroke_size_input
from styleadapt.ui.studio import Studio
from styleadapt.ui.uploads import StyleFiles, photo_input, read_photo, styles_input

FIRST_NOTE = "Choose a photo and a style, or click an example."


@dataclass(frozen=True)
class StylizeTab:
    """The components that other tabs read or set."""

    photo: gr.Image
    styles: gr.Gallery
    source: gr.Radio
    styles_column: gr.Column
    adapter_weight: gr.Slider
    adapter_blend: gr.Slider


class StylizeEvents:
    """The events of the tab, without its layout."""

    def __init__(self, studio: Studio, visitors: Visitors):
        self.studio = studio
        self.visitors = visitors

    def first_look(self) -> tuple[Image.Image, Image.Image] | None:
        """Return what the page opens with: the first example photo, plain and stylized. None in a package without examples."""
        with plain_errors():
            return self._first_look

    @functools.cached_property
    def _first_look(self) -> tuple[Image.Image, Image.Image] | None:
        photos, example_styles = example_images("photos"), example_images("styles")
        if not photos or not example_styles:
            return None
        photo = load_image(photos[0])
        return photo, self.studio.first_look(photo, load_image(example_styles[0]))

    def stylize(
        self,
        image: str | None,
        style: StyleFiles | None,
        source: str,
        strength: float,
        preserve_color: bool,
        adapter_weight: float,
        style_weights: str | None,
        adapter_blend: float,
        visitor: Visitor | None,
        stroke_size: str | None = None,
    ) -> tuple[tuple[Image.Image, Image.Image], dict, str, Visitor]:
        """Paint a photo in the style of one or more images, of the adapter made or loaded in this session, or of both.

        Parameters:
            image: The photo, an image file of any size up to 24 megapixels.
            style: One to eight style images. Not used with "My adapter".
            source: Where the style comes from, "Style images", "My adapter" or "Both".
            strength: How much of the style to take, from 0 (the photo) to 1.
            preserve_color: Whether the photo keeps its own colors and takes only the brushwork.
            adapter_weight: How far to follow the adapter, from 0 to 1.5. Not used with "Style images".
            style_weights: How much of each style image to blend in, such as "3, 1" for two of them; equal parts if empty.
            adapter_blend: With "Both", how much of the style is the adapter's, from 0 (the style images) to 1 (the adapter).
            stroke_size: About how wide the strokes are, a share of the photo's longer side such as "0.02", or "auto".
        Returns:
            The photo and the stylized photo, small enough to preview.
            The stylized photo in full size, a PNG file with the EXIF of the photo, except for its GPS position.
            The size and the time taken, as text.
        """
        with plain_errors():
            before = read_photo(image)
            visitor = self.visitors.of(visitor)
            strength, strokes = clamp(strength, 0, 1, default=1), read_strokes(stroke_size)
            started = time.monotonic()
            look = read_look(style, source, adapter_weight, style_weights, adapter_blend, visitor)
            after = self.studio.stylize(before, look, strength, bool(preserve_color), strokes)
            return *shown(image, before, after, visitor, visitor.picture_file, started), visitor

    def strip(
        self,
        image: str | None,
        style: StyleFiles | None,
        source: str,
        preserve_color: bool,
        adapter_weight: float,
        style_weights: str | None,
        adapter_blend: float,
        visitor: Visitor | None,
        stroke_size: str | None = None,
    ) -> tuple[str, dict, Visitor]:
        """Paint a photo at five strengths of a style, from 0 to 1, in one picture side by side.

        Parameters:
            image: The photo, an image file of any size up to 24 megapixels; it is made small.
            style: One to eight style images. Not used with "My adapter".
            source: Where the style comes from, "Style images", "My adapter" or "Both".
            preserve_color: Whether the photo keeps its own colors and takes only the brushwork.
            adapter_weight: How far to follow the adapter, from 0 to 1.5. Not used with "Style images".
            style_weights: How much of each style image to blend in, such as "3, 1" for two of them; equal parts if empty.
            adapter_blend: With "Both", how much of the style is the adapter's, from 0 (the style images) to 1 (the adapter).
            stroke_size: About how wide the strokes are, a share of the photo's longer side such as "0.02", or "auto".
        Returns:
            The strip, to look at.
            The strip, a PNG file.
        """
        with plain_errors():
            before = read_photo(image)
            visitor = self.visitors.of(visitor)
            look = read_look(style, source, adapter_weight, style_weights, adapter_blend, visitor)
            picture = self.studio.strip(before, look, bool(preserve_color), read_strokes(stroke_size))
            visitor.touch()
            save_image(picture, visitor.strip_file)
            return str(visitor.strip_file), gr.update(value=visitor.strip_file, interactive=True), visitor


def show_source(source: str) -> tuple[dict, dict, dict]:
    """Show the style images, the adapter's weight and the blend of the two, whichever the chosen source uses."""
    images, adapter = source in (STYLE_IMAGES, BOTH), source in (MY_ADAPTER, BOTH)
    return gr.update(visible=images), gr.update(visible=adapter), gr.update(visible=images and adapter)


def build_stylize_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> StylizeTab:
    """Lay out the tab inside the current blocks and connect its events."""
    photos, example_styles = example_images("photos"), example_images("styles")
    events = StylizeEvents(studio, visitors)

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                with gr.Column(min_width=240):
                    photo = photo_input("Photo", "stylize-photo", value=str(photos[0]) if photos else None)
                    photo_strip = example_strip(photos, "Example photos", "example-photos")
                with gr.Column(min_width=240) as styles_column:
                    styles = styles_input("Style images", "stylize-styles", value=example_styles[:1])
                    style_strip = example_strip(example_styles, "Example styles", "example-styles")
            style_weights = gr.Textbox(
                value="",
                label="Style weights",
                info="One number each, in their order; equal parts if empty.",
                placeholder="3, 1",
                max_lines=1,
                max_length=100,
                visible=False,
                elem_id="stylize-style-weights",
            )
            source = gr.Radio(
                [STYLE_IMAGES, MY_ADAPTER, BOTH],
                value=STYLE_IMAGES,
                label="Style from",
                info="Make an adapter on the Adapt tab, or load one there.",
                elem_id="stylize-source",
            )
            adapter_blend = gr.Slider(
                0,
                1,
                value=0.5,
                step=0.05,
                label="Adapter blend",
                info="0: the style images, 1: my adapter.",
                visible=False,
                elem_id="stylize-adapter-blend",
            )
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="stylize-strength")
            adapter_weight = gr.Slider(
                0, 1.5, value=1, step=0.05, label="Adapter weight", visible=False, elem_id="stylize-adapter-weight"
            )
            stroke_size = stroke_size_input("stylize-stroke-size")
            preserve_color = gr.Checkbox(label="Preserve color", elem_id="stylize-preserve-color")
            fine = fine_inputs()
            run = gr.Button("Stylize", variant="primary", elem_id="stylize-run")
        with gr.Column(scale=6, min_width=320):
            result = before_and_after("stylize-result")
            note = gr.Markdown(FIRST_NOTE, elem_id="stylize-note")
            download = gr.DownloadButton("Download in full size", interactive=False, elem_id="stylize-download")
            with gr.Accordion("Compare strengths", open=False, elem_id="strip"):
                strip_label = "Strength " + ", ".join(f"{strength:g}" for strength in STRIP_STRENGTHS)
                strip = gr.Image(
                    label=strip_label,
                    elem_id="strip-result",
                    buttons=["fullscreen"],
                    interactive=False,
                    alt_text=f"The photo at {strip_label}, side by side",
                )
                with gr.Row():
                    strip_run = gr.Button("Make a strip", min_width=140, elem_id="strip-run")
                    strip_download = gr.DownloadButton(
                        "Download the strip", interactive=False, min_width=140, elem_id="strip-download"
                    )

    stylize: dict[str, Any] = {
        "fn": events.stylize,
        "inputs": [
            photo,
            styles,
            source,
            strength,
            preserve_color,
            adapter_weight,
            style_weights,
            adapter_blend,
            visitor,
            stroke_size,
        ],
        "outputs": [result, download, note, visitor],
        "show_progress_on": result,
        "scroll_to_output": True,
        **SHORT_WORK,
    }
    gr.on(None, events.first_look, None, result, api_visibility="private", **SHORT_WORK)
    run.click(**stylize, api_name="stylize")
    fill_from(photo_strip, photos, photo).then(**stylize, api_visibility="private")
    fill_from(style_strip, example_styles, styles).then(**stylize, api_visibility="private")
    strip_run.click(
        events.strip,
        [photo, styles, source, preserve_color, adapter_weight, style_weights, adapter_blend, visitor, stroke_size],
        [strip, strip_download, visitor],
        show_progress_on=strip,
        api_name="strip",
        **SHORT_WORK,
    )
    fine_events = FineEvents(studio, visitors)
    connect(
        fine_events,
        fine_events.refine,
        fine.run,
        fine.stop,
        fine.progress,
        IDLE,
        visitor,
        inputs=[*stylize["inputs"], fine.seconds],
        outputs=[fine.progress, *stylize["outputs"]],
        api_name="refine",
    )
    aside: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    styles.change(lambda files: gr.update(visible=len(files or []) > 1), styles, style_weights, **aside)
    source.change(show_source, source, [styles_column, adapter_weight, adapter_blend], **aside)
    fine.quality.change(show_quality, fine.quality, [run, fine.column], **aside)
    return StylizeTab(photo, styles, source, styles_column, adapter_weight, adapter_blend)
