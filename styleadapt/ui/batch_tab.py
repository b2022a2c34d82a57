"""The Batch tab: stylizes many photos in one style, and gives them as one ZIP file."""

import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, ListFiles
from PIL import Image

from styleadapt.ui.errors import plain_errors
from styleadapt.ui.examples import example_images
from styleadapt.ui.limits import MAX_BATCH, SECONDS_BETWEEN_PREVIEWS, clamp
from styleadapt.ui.live_batch import BatchFinished, BatchReport
from styleadapt.ui.long_work import LongWork, connect
from styleadapt.ui.progress import bar, count_text, set_text, status
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.stroke_size import read_strokes, stroke_size_input
from styleadapt.ui.studio import Studio
from styleadapt.ui.style_choice import read_choice, style_choice
from styleadapt.ui.uploads import FILE_SCHEMA, StyleFiles, uploaded_path

IDLE = status("Choose photos and a style, then press Stylize all.")
EXAMPLES = 4

Pictures = list[tuple[Image.Image, str]]
Shown = tuple[str, Pictures | dict, dict, Visitor]


class BatchEvents(LongWork):
    """The events of the tab, without its layout."""

    kept = "the pictures that are ready"

    def batch(
        self,
        photos: list[str] | None,
        style: StyleFiles | None,
        source: str,
        strength: float,
        preserve_color: bool,
        visitor: Visitor | None,
        stroke_size: str | None = None,
    ) -> Iterator[Shown]:
        """Paint up to twenty photos in one style and get them as one ZIP file.

        Photos that cannot be read are skipped and listed at the end. In the ZIP file each picture has the size and the name of
        its photo; JPEG, PNG and WebP stay what they are, other formats become PNG. EXIF stays, except for the GPS position.

        Parameters:
            photos: The photos, image files of up to 24 megapixels each.
            style: One to eight style images, blended in equal parts. Not used with "My adapter".
            source: Where the style comes from, "Style images" or "My adapter", which is the one made or loaded in this session.
            strength: How much of the style to take, from 0 (the photo) to 1.
            preserve_color: Whether the photos keep their own colors and take only the brushwork.
            stroke_size: About how wide the strokes are, a share of the photo's longer side such as "0.02", or "auto".
        Returns:
            The progress, as HTML text; at the end what was made, and why each skipped photo was skipped.
            The pictures so far, small, with their photos' names.
            The ZIP file, once it is ready; /stop ends the work early and keeps the pictures that are ready.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            with self.running(visitor) as stop_file:
                paths = _photos(photos)
                choice = read_choice(source, style, visitor)
                strength, strokes = clamp(strength, 0, 1, default=1), read_strokes(stroke_size)
                yield status("Preparing …"), [], gr.update(interactive=False), visitor
                pictures: Pictures = []
                shown_at = float("-inf")
                settings = strength, bool(preserve_color), visitor.zip_file, stop_file, strokes
                work = self.studio.batch(paths, *choice, *settings)
                for item in work:
                    visitor.touch()
                    if isinstance(item, BatchFinished):
                        file = gr.update(value=visitor.zip_file, interactive=True) if item.pictures else gr.skip()
                        yield finished_text(item), pictures, file, visitor
                        return
                    if item.preview is not None:
                        pictures.append((item.preview, paths[item.done - 1].name))
                    # Each showing sends all of them.
                    due = time.monotonic() - shown_at >= SECONDS_BETWEEN_PREVIEWS
                    if due:
                        shown_at = time.monotonic()
                    yield bar(report_text(item), item.fraction), pictures if due else gr.skip(), gr.skip(), visitor


def report_text(report: BatchReport) -> str:
    """One line for a report: "3 of 12 photos, 34 s left"."""
    return count_text(report.done, report.photos, "photos", report.seconds_left)


def finished_text(finished: BatchFinished) -> str:
    """HTML: what was made, and a line for each photo that was skipped."""
    made = f"{finished.pictures} of {finished.photos} photos are stylized."
    skipped = ((name, _reason(name, why)) for name, why in finished.failed)
    return set_text(made, finished.pictures, finished.stopped, skipped)


def build_batch_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> None:
    """Lay out the tab inside the current blocks and connect its events."""
    events = BatchEvents(studio, visitors)
    examples = example_images("photos")[:EXAMPLES]

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                with gr.Column(min_width=240):
                    photos = gr.File(
                        label=f"Photos, up to {MAX_BATCH}",
                        file_count="multiple",
                        file_types=["image"],
                        height=260,
                        elem_id="batch-photos",
                    )
                    # Gradio's own leaves empty temporary files behind, and refuses all for one wrong extension.
                    photos.preprocess = uploaded_paths  # type: ignore[method-assign, assignment]
                    photos.api_info = lambda: {"type": "array", "items": FILE_SCHEMA}  # type: ignore[method-assign]
                    try_examples = gr.Button(
                        "Use the example photos", size="sm", visible=bool(examples), elem_id="batch-examples"
                    )
                source, styles = style_choice("batch")
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="batch-strength")
            stroke_size = stroke_size_input("batch-stroke-size")
            preserve_color = gr.Checkbox(label="Preserve color", elem_id="batch-preserve-color")
            with gr.Row():
                run = gr.Button("Stylize all", variant="primary", min_width=120, elem_id="batch-run")
                stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="batch-stop")
        with gr.Column(scale=6, min_width=320):
            progress = gr.HTML(IDLE, elem_id="batch-status")
            download = gr.DownloadButton("Download all as a ZIP file", interactive=False, elem_id="batch-download")
            pictures = gr.Gallery(
                label="Pictures",
                elem_id="batch-pictures",
                columns=2,
                object_fit="contain",
                buttons=["fullscreen"],
                interactive=False,
            )

    try_examples.click(
        lambda: [str(photo) for photo in examples], None, photos, queue=False, show_progress="hidden", api_visibility="private"
    )
    connect(
        events,
        events.batch,
        run,
        stop,
        progress,
        IDLE,
        visitor,
        inputs=[photos, styles, source, strength, preserve_color, visitor, stroke_size],
        outputs=[progress, pictures, download, visitor],
        api_name="batch",
    )


def uploaded_paths(payload: ListFiles | FileData | None) -> list[str]:
    """The paths of the uploads that gradio has stored, unopened."""
    if payload is None:
        return []
    files = payload.root if isinstance(payload, ListFiles) else [payload]
    return [path for path in map(uploaded_path, files) if path]


def _photos(files: list[str] | None) -> list[Path]:
    if not files:
        raise gr.Error("Choose photos first.", print_exception=False)
    if len(files) > MAX_BATCH:
        raise gr.Error(f"{len(files)} photos are too many here: use up to {MAX_BATCH}.", print_exception=False)
    return [Path(file) for file in files]


def _reason(name: str, why: str) -> str:
    """`why` without the name that most messages begin with."""
    return why.removeprefix(f"{name} ")
