"""The Stylise tab: a photo in the style of any images, of the visitor's adapter, or of both; and a strip of its strengths."""

import functools
import math
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from styleadapt.data.images import load_image, save_image
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.examples import example_images, example_strip, fill_from
from styleadapt.ui.limits import MAX_STYLES, PREVIEW_SIDE, SHORT_WORK, STRIP_STRENGTHS, clamp
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Look, Studio
from styleadapt.ui.uploads import StyleFiles, fit, photo_input, read_photo, read_styles, styles_input

STYLE_IMAGES, MY_ADAPTER, BOTH = "Style images", "My adapter", "Both"
FIRST_NOTE = "Choose a photo and a style, or click an example."


@dataclass(frozen=True)
class StylizeTab:
    """The components that other tabs read or set."""

    photo: gr.Image
    styles: gr.Gallery
    source: gr.Radio
    styles_column: gr.Column
    weight: gr.Slider
    blend: gr.Slider


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
        shares: str | None,
        blend: float,
        visitor: Visitor | None,
    ) -> tuple[tuple[Image.Image, Image.Image], dict, str, Visitor]:
        """Paint a photo in the style of one or more images, of the adapter made or loaded in this session, or of both.

        Parameters:
            photo: The photo, an image file of any size up to 24 megapixels.
            styles: One to eight style images. Not used with "My adapter".
            source: Where the style comes from, "Style images", "My adapter" or "Both".
            strength: How much of the style to take, from 0 (the photo) to 1.
            keep_colours: Whether the photo keeps its own colours and takes only the brushwork.
            weight: How far to follow the adapter, from 0 to 1.5. Not used with "Style images".
            shares: How much of each style image to blend in, such as "3, 1" for two of them; equal parts if empty.
            blend: With "Both", how much of the style is the adapter's, from 0 (the style images) to 1 (the adapter).
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
            look = read_look(styles, source, weight, shares, blend, visitor)
            after = self.studio.stylise(before, look, strength, bool(keep_colours))
            return *shown(before, after, visitor, visitor.picture_file, started), visitor

    def strip(
        self,
        photo: str | None,
        styles: StyleFiles | None,
        source: str,
        keep_colours: bool,
        weight: float,
        shares: str | None,
        blend: float,
        visitor: Visitor | None,
    ) -> tuple[str, dict, Visitor]:
        """Paint a photo at five strengths of a style, from 0 to 1, in one picture side by side.

        Parameters:
            photo: The photo, an image file of any size up to 24 megapixels; it is made small.
            styles: One to eight style images. Not used with "My adapter".
            source: Where the style comes from, "Style images", "My adapter" or "Both".
            keep_colours: Whether the photo keeps its own colours and takes only the brushwork.
            weight: How far to follow the adapter, from 0 to 1.5. Not used with "Style images".
            shares: How much of each style image to blend in, such as "3, 1" for two of them; equal parts if empty.
            blend: With "Both", how much of the style is the adapter's, from 0 (the style images) to 1 (the adapter).
        Returns:
            The strip, to look at.
            The strip, a PNG file.
        """
        with plain_errors():
            before = read_photo(photo)
            visitor = self.visitors.of(visitor)
            look = read_look(styles, source, weight, shares, blend, visitor)
            picture = self.studio.strip(before, look, bool(keep_colours))
            visitor.touch()
            save_image(picture, visitor.strip_file)
            return str(visitor.strip_file), gr.update(value=visitor.strip_file, interactive=True), visitor


def read_look(styles: StyleFiles | None, source: str, weight: float, shares: str | None, blend: float, visitor: Visitor) -> Look:
    """The style that was chosen. Raises `gr.Error` when a part of it is missing or wrong, `ImageError` for a bad image."""
    if source == STYLE_IMAGES:
        paintings = read_styles(styles)
        return Look(paintings, read_shares(shares, len(paintings)))
    if source not in (MY_ADAPTER, BOTH):
        raise gr.Error(f"Choose one of {STYLE_IMAGES}, {MY_ADAPTER}, {BOTH}.", print_exception=False)
    adapter_file = own_adapter(visitor)
    weight = clamp(weight, 0, 1.5, default=1)
    if source == MY_ADAPTER:
        return Look(adapter_file=adapter_file, weight=weight)
    paintings = read_styles(styles)
    return Look(paintings, read_shares(shares, len(paintings)), adapter_file, weight, clamp(blend, 0, 1, default=0.5))


def shown(
    before: Image.Image, after: Image.Image, visitor: Visitor, file: Path, started: float
) -> tuple[tuple[Image.Image, Image.Image], dict, str]:
    """What a tab shows of a picture: both to compare, the one to download as `file`, its size and its time since `started`."""
    note = f"{after.width} × {after.height} px in {time.monotonic() - started:.1f} s"
    visitor.touch()
    # Little compression: on 12 megapixels the default level takes several seconds more.
    save_image(after, file, compress_level=1)
    preview = fit(before, PREVIEW_SIDE), fit(after, PREVIEW_SIDE)
    return preview, gr.update(value=file, interactive=True), note


def before_and_after(elem_id: str) -> gr.ImageSlider:
    """Where a tab shows a photo and its picture, one over the other."""
    return gr.ImageSlider(label="Before and after", elem_id=elem_id, buttons=["fullscreen"], interactive=False, max_height=520)


def own_adapter(visitor: Visitor) -> Path:
    """The file of the visitor's adapter. Raises `gr.Error` when there is none."""
    if not visitor.has_adapter:
        raise gr.Error("There is no adapter yet: make or load one on the Adapt tab.", print_exception=False)
    return visitor.adapter_file


def read_shares(text: str | None, styles: int) -> list[float] | None:
    """One number for each of so many style images, from text such as "3, 1"; None for equal parts.

    >>> read_shares("3, 1", 2), read_shares(" ", 2)
    ([3.0, 1.0], None)
    """
    words = re.split(r"[\s,;:]+", (text or "").strip(" \t,;"))[: MAX_STYLES + 1]
    if words == [""]:
        return None
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != styles or not all(0 <= number < math.inf for number in numbers) or not sum(numbers) > 0:
        example = ", ".join(["3", *["1"] * (styles - 1)])
        raise gr.Error(
            f"The shares have to be {styles} numbers, one a style image, such as {example}; or leave them empty.",
            print_exception=False,
        )
    return numbers


def show_source(source: str) -> tuple[dict, dict, dict]:
    """Show the style images, the adapter's weight and the blend of the two, whichever the chosen source uses."""
    images, adapter = source in (STYLE_IMAGES, BOTH), source in (MY_ADAPTER, BOTH)
    return gr.update(visible=images), gr.update(visible=adapter), gr.update(visible=images and adapter)


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
            shares = gr.Textbox(
                value="",
                label="Shares of the style images",
                info="One number each, in their order; equal parts if empty.",
                placeholder="3, 1",
                max_lines=1,
                max_length=100,
                visible=False,
                elem_id="stylize-shares",
            )
            source = gr.Radio(
                [STYLE_IMAGES, MY_ADAPTER, BOTH],
                value=STYLE_IMAGES,
                label="Style from",
                info="Make an adapter on the Adapt tab, or load one there.",
                elem_id="stylize-source",
            )
            blend = gr.Slider(
                0,
                1,
                value=0.5,
                step=0.05,
                label="Blend",
                info="0: the style images, 1: my adapter.",
                visible=False,
                elem_id="stylize-blend",
            )
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="stylize-strength")
            weight = gr.Slider(0, 1.5, value=1, step=0.05, label="Adapter weight", visible=False, elem_id="stylize-weight")
            keep_colours = gr.Checkbox(label="Keep the photo's colours", elem_id="stylize-keep-colours")
            run = gr.Button("Stylise", variant="primary", elem_id="stylize-run")
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

    stylise: dict[str, Any] = {
        "fn": events.stylise,
        "inputs": [photo, styles, source, strength, keep_colours, weight, shares, blend, visitor],
        "outputs": [result, download, note, visitor],
        "show_progress_on": result,
        "scroll_to_output": True,
        **SHORT_WORK,
    }
    gr.on(None, events.first_look, None, result, api_visibility="private", **SHORT_WORK)
    run.click(**stylise, api_name="stylise")
    fill_from(photo_strip, photos, photo).then(**stylise, api_visibility="private")
    fill_from(style_strip, paintings, styles).then(**stylise, api_visibility="private")
    strip_run.click(
        events.strip,
        [photo, styles, source, keep_colours, weight, shares, blend, visitor],
        [strip, strip_download, visitor],
        show_progress_on=strip,
        api_name="strip",
        **SHORT_WORK,
    )
    aside: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    styles.change(lambda files: gr.update(visible=len(files or []) > 1), styles, shares, **aside)
    source.change(show_source, source, [styles_column, weight, blend], **aside)
    return StylizeTab(photo, styles, source, styles_column, weight, blend)
