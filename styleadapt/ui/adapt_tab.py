"""The Adapt tab: learns a style from a few images with a live preview, and saves or loads adapters."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from PIL import Image

from styleadapt.adaptation.health import Advice, health
from styleadapt.images.images import open_image
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.examples import AdaptExample, adapt_example, example_images, example_strip, fill_from
from styleadapt.ui.limits import (
    DEFAULT_SECONDS,
    LIVE_PREVIEW_SIDE,
    MAX_ADAPTER_BYTES,
    MAX_SECONDS,
    MIN_SECONDS,
    clamp,
)
from styleadapt.ui.live_adaptation import Finished
from styleadapt.ui.long_work import LongWork, connect, ready
from styleadapt.ui.progress import bar, report_text, scores_text, status
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Look, Studio
from styleadapt.ui.uploads import StyleFiles, fit, photo_input, read_photo, read_styles, styles_input, uploaded_path

IDLE = status("Choose style images and a photo, then press Adapt.")
READY = "The adapter is ready. Download it, or use it on the Stylize tab."
ADVICE = Advice(
    style="Give it more seconds, or choose another style image or a closer crop of it.",
    content="Lower the strength or the adapter weight on the Stylize tab, or stop earlier.",
    memorization="Add more images of the style, give it fewer seconds, or lower the adapter weight on the Stylize tab.",
)

Shown = tuple[str, Image.Image | dict | None, Image.Image | dict | None, dict, Visitor]


@dataclass(frozen=True)
class AdaptTab:
    """The components that other tabs read or set."""

    photo: gr.Image
    styles: gr.Gallery
    use: gr.Button


class AdaptEvents(LongWork):
    """The events of the tab, without its layout."""

    kept = "the best state so far"

    def adapt(self, image: str | None, styles: StyleFiles | None, max_seconds: float, visitor: Visitor | None) -> Iterator[Shown]:
        """Learn the style of one or more images in up to five minutes, with a live preview on a photo.

        The adapter stays in this session, where /stylize can use it, and one session holds one adapter at a time.

        Parameters:
            image: The photo for the previews, an image file.
            styles: One to eight images of the style to learn.
            max_seconds: The time to spend, from 10 to 300 seconds; /stop ends it early and keeps the best state.
        Returns:
            The progress, as HTML text; at the end how healthy the adapter is, with a suggestion for each bad figure.
            The photo in the style before adaptation.
            The photo in the style learned so far.
            The adapter, a safetensors file, once it is ready.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            with self.running(visitor) as stop_file:
                content = open_image(fit(read_photo(image), LIVE_PREVIEW_SIDE))
                images = read_styles(styles)
                max_seconds = clamp(max_seconds, MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS)
                if stop_file.exists():
                    yield status("Stopped before it began."), gr.skip(), gr.skip(), gr.skip(), visitor
                    return
                zero_shot = self.studio.stylize(content, Look(images))
                yield status("Preparing …"), zero_shot, None, gr.update(interactive=False), visitor
                for item in self.studio.adapt(images, content, max_seconds, visitor.adapter_file, stop_file):
                    visitor.touch()
                    if isinstance(item, Finished):
                        text = status(f"{READY} {scores_text(item.scores)}") + health_list(item.scores)
                        yield text, zero_shot, item.preview, gr.update(value=visitor.adapter_file, interactive=True), visitor
                    else:
                        preview = gr.skip() if item.preview is None else item.preview
                        yield bar(report_text(item), item.fraction), gr.skip(), preview, gr.skip(), visitor

    def stop(self, visitor: Visitor | None) -> str:
        """End the long work that this session has running, and what its page has waiting.

        An adaptation keeps its best state so far, a batch the pictures that are ready. A program cancels its own job that waits.

        Returns:
            Whether there was anything to stop, as HTML text.
        """
        return super().stop(visitor)

    def load_adapter(self, file: str | None, visitor: Visitor | None) -> tuple[str, dict, Visitor]:
        """Load an adapter saved earlier, so that /stylize can use it in this session.

        Parameters:
            file: An adapter, a safetensors file made for the same base model.
        Returns:
            What was loaded and how healthy it is, as HTML text.
            The adapter, as the file to download.
        """
        with plain_errors():
            if not file:
                raise gr.Error("Choose an adapter file first.", print_exception=False)
            if Path(file).stat().st_size > MAX_ADAPTER_BYTES:
                raise gr.Error("This file is too large to be an adapter.", print_exception=False)
            scores = self.studio.check_adapter(Path(file))
            visitor = self.visitors.of(visitor)
            visitor.keep_adapter(Path(file))
            text = "The adapter is loaded. Use it on the Stylize tab."
            return status(text) + health_list(scores), gr.update(value=visitor.adapter_file, interactive=True), visitor


def health_list(scores: dict[str, float]) -> str:
    """HTML: what an adapter's scores say in plain words, a line for each finding; nothing for a file without scores."""
    findings = "".join(f"<li>{finding}</li>" for finding in health(scores, ADVICE))
    return findings and f"<ul>{findings}</ul>"


def opening_text(example: AdaptExample | None) -> str:
    """HTML: what the tab says before the first run, and how healthy the adapter of its example is."""
    if example is None:
        return IDLE
    style, photo = (name.replace("-", " ").replace("_", " ") for name in (example.style, example.photo))
    told = f"An example: the style “{style}”, learned in {example.steps} steps, on the photo “{photo}”."
    return IDLE + status(f"{told} {scores_text(example.scores)}") + health_list(example.scores)


def free(visitor: Visitor | None) -> tuple[dict, ...]:
    """The buttons after an adaptation: Adapt can be pressed again, Stop cannot, and an adapter can be used if there is one."""
    return *ready(visitor), gr.update(interactive=bool(visitor and visitor.has_adapter))


def build_adapt_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> AdaptTab:
    """Lay out the tab inside the current blocks and connect its events."""
    photos, example_styles = example_images("photos"), example_images("styles")
    example = adapt_example()
    events = AdaptEvents(studio, visitors)

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                with gr.Column(min_width=240):
                    styles = styles_input("Style images to learn", "adapt-styles")
                    style_strip = example_strip(example_styles, "Example styles", "adapt-example-styles")
                with gr.Column(min_width=240):
                    photo = photo_input("Photo for the preview", "adapt-photo")
                    photo_strip = example_strip(photos, "Example photos", "adapt-example-photos")
            seconds = gr.Slider(
                MIN_SECONDS,
                MAX_SECONDS,
                value=DEFAULT_SECONDS,
                step=5,
                label="Time to spend, in seconds",
                info="One minute is usually enough. Stop keeps the best state so far.",
                elem_id="adapt-seconds",
            )
            with gr.Row():
                run = gr.Button("Adapt", variant="primary", min_width=120, elem_id="adapt-run")
                stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="adapt-stop")
        with gr.Column(scale=6, min_width=320):
            progress = gr.HTML(opening_text(example), elem_id="adapt-status")
            with gr.Row():
                before = _preview("Before: zero-shot", "adapt-before", str(example.before) if example else None)
                after = _preview("After: adapted", "adapt-after", str(example.after) if example else None)
            with gr.Row():
                download = gr.DownloadButton("Download the adapter", interactive=False, min_width=160, elem_id="adapt-download")
                use = gr.Button("Use it on the Stylize tab", interactive=False, min_width=160, elem_id="adapt-use")
            load = gr.UploadButton("Load an adapter saved earlier", size="md", elem_id="adapt-load")
            # Gradio's own leaves an empty temporary file behind.
            load.preprocess = uploaded_path  # type: ignore[method-assign, assignment]

    fill_from(style_strip, example_styles, styles)
    fill_from(photo_strip, photos, photo)
    connect(
        events,
        events.adapt,
        run,
        stop,
        progress,
        IDLE,
        visitor,
        free=free,
        freed=[use],
        public_stop="stop",
        inputs=[photo, styles, seconds, visitor],
        outputs=[progress, before, after, download, visitor],
        api_name="adapt",
    )
    loaded = load.upload(
        events.load_adapter, [load, visitor], [progress, download, visitor], show_progress_on=progress, api_name="load_adapter"
    )
    loaded.success(lambda: gr.update(interactive=True), None, use, queue=False, show_progress="hidden", api_visibility="private")
    return AdaptTab(photo, styles, use)


def _preview(label: str, elem_id: str, value: str | None) -> gr.Image:
    return gr.Image(
        value=value,
        label=label,
        elem_id=elem_id,
        buttons=["fullscreen"],
        interactive=False,
        height=400,
        min_width=220,
        alt_text=label,
    )
