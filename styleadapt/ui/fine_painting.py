"""Adds the quality Fine to the Stylize tab: the picture is refined for a chosen time while the visitor watches."""

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import gradio as gr
from PIL import Image

from styleadapt.ui.before_after import shown
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.limits import DEFAULT_REFINE_SECONDS, MAX_REFINE_SECONDS, MIN_REFINE_SECONDS, clamp
from styleadapt.ui.live_refinement import RefinementFinished, RefinementReport
from styleadapt.ui.long_work import LongWork
from styleadapt.ui.look_choice import read_look
from styleadapt.ui.progress import bar, status
from styleadapt.ui.session import Visitor
from styleadapt.ui.stroke_size import read_strokes
from styleadapt.ui.uploads import StyleFiles, read_photo

FAST, FINE = "Fast", "Fine"
IDLE = status("Fine works on this one picture for the time you give it.")

Shown = tuple[str, tuple[Image.Image, Image.Image] | dict, dict, str | dict, Visitor]


class FineEvents(LongWork):
    """The events of Fine, without its layout."""

    kept = "the best picture so far"

    def refine(
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
        max_seconds: float = DEFAULT_REFINE_SECONDS,
    ) -> Iterator[Shown]:
        """Paint a photo in the style of one or more images, and spend up to three minutes on bringing it nearer to them.

        Parameters:
            image: The photo, an image file of any size up to 24 megapixels.
            style: One to eight style images, which are needed here.
            source: Where the style comes from, "Style images", or "Both" to start from the adapter's picture.
            strength: How much of the style to take, from 0 (the photo) to 1.
            preserve_color: Whether the photo keeps its own colors and takes only the brushwork.
            adapter_weight: How far to follow the adapter, from 0 to 1.5. Not used with "Style images".
            style_weights: How much of each style image to blend in, such as "3, 1" for two of them; equal parts if empty.
            adapter_blend: With "Both", how much of the first picture's style is the adapter's, from 0 to 1 (the adapter's alone).
            stroke_size: About how wide the strokes are, a share of the photo's longer side such as "0.02", or "auto".
            max_seconds: The time to spend, from 10 to 180 seconds; /stop ends it early and keeps the best picture so far.
        Returns:
            The progress, as HTML text.
            The photo and the picture so far, small enough to preview.
            The picture in full size, once it is ready: a PNG file with the EXIF of the photo, except for its GPS position.
            The size and the time taken, as text.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            with self.running(visitor) as stop_file:
                before = read_photo(image)
                look = read_look(style, source, adapter_weight, style_weights, adapter_blend, visitor)
                if look.styles is None:
                    raise gr.Error("Fine needs style images: choose them, or Fast.", print_exception=False)
                settings = clamp(strength, 0, 1, default=1), bool(preserve_color), read_strokes(stroke_size)
                max_seconds = clamp(max_seconds, MIN_REFINE_SECONDS, MAX_REFINE_SECONDS, DEFAULT_REFINE_SECONDS)
                started = time.monotonic()
                yield status("Preparing …"), gr.skip(), gr.update(interactive=False), gr.skip(), visitor
                for item in self.studio.refine(before, look, *settings, max_seconds, stop_file):
                    visitor.touch()
                    if isinstance(item, RefinementFinished):
                        text = status(f"Done after {item.steps} steps.")
                        yield text, *shown(image, before, item.picture, visitor, visitor.picture_file, started), visitor
                        return
                    pair: tuple[Image.Image, Image.Image] | dict = gr.skip()
                    if item.preview is not None:
                        pair = before.convert("RGB").resize(item.preview.size), item.preview
                    yield bar(report_text(item), item.fraction), pair, gr.skip(), gr.skip(), visitor


class FineInputs(NamedTuple):
    """The components of the choice between fast and fine."""

    quality: gr.Radio
    column: gr.Column
    seconds: gr.Slider
    run: gr.Button
    stop: gr.Button
    progress: gr.HTML


def report_text(report: RefinementReport) -> str:
    """One line for a report: "Step 120, 34 s left"."""
    return f"Step {report.step}, {math.ceil(report.seconds_left)} s left"


def fine_inputs() -> FineInputs:
    """Lay out the choice, and what belongs to Fine, inside the current blocks."""
    quality = gr.Radio(
        [FAST, FINE],
        value=FAST,
        label="Quality",
        info="Fine goes on with the fast picture, and brings it nearer to the style images.",
        elem_id="stylize-quality",
    )
    with gr.Column(visible=False) as column:
        seconds = gr.Slider(
            MIN_REFINE_SECONDS,
            MAX_REFINE_SECONDS,
            value=DEFAULT_REFINE_SECONDS,
            step=5,
            label="Time to spend, in seconds",
            info="Stop keeps the best picture so far.",
            elem_id="refine-seconds",
        )
        with gr.Row():
            run = gr.Button("Stylize finely", variant="primary", min_width=120, elem_id="refine-run")
            stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="refine-stop")
        progress = gr.HTML(IDLE, elem_id="refine-status")
    return FineInputs(quality, column, seconds, run, stop, progress)


def show_quality(quality: str) -> tuple[dict, dict]:
    """Show the button of Fast or the column of Fine, whichever is chosen."""
    return gr.update(visible=quality != FINE), gr.update(visible=quality == FINE)
