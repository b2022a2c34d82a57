"""The Restore tab: removes noise, JPEG artifacts, blur and holes from a photo, and colors gray ones."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from styleadapt.errors import RestorationStopped
from styleadapt.images.metadata import read_metadata
from styleadapt.ui.before_after import before_and_after, kept_suffix, shown
from styleadapt.ui.canvas import canvas, painted, show_canvas
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.examples import example_images, example_strip, fill_from
from styleadapt.ui.limits import SHORT_WORK, clamp
from styleadapt.ui.live_restoration import RestorationReport
from styleadapt.ui.long_work import LongWork, connect
from styleadapt.ui.progress import bar, status
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio
from styleadapt.ui.uploads import photo_input, read_image, read_photo

FIRST_NOTE = "Choose a damaged photo, and press Restore."
IDLE = status("")
AUTO = "auto"
TASKS = ("auto", "denoise", "jpeg", "deblur", "inpaint", "colorize")
TASK_LABELS = ("Auto", "Denoise", "JPEG", "Deblur", "Inpaint", "Colorize")
LEVEL_MEANINGS = {
    "denoise": "The standard deviation of the noise, above 0 and up to 255, or auto.",
    "jpeg": "The quality that the JPEG was saved with, from 1 to 100, or auto.",
    "deblur": "The standard deviation of the blur in pixels, above 0 and up to 8, or auto.",
}
"""What the level is of those tasks that have one."""

Shown = tuple[tuple[Image.Image, Image.Image], dict, str, Visitor]
Step = tuple[str, tuple[Image.Image, Image.Image] | dict, dict, str | dict, Visitor]


@dataclass(frozen=True)
class RestoreTab:
    """The component that other tabs set."""

    photo: gr.Image


class RestoreEvents(LongWork):
    """The events of the tab, without its layout."""

    kept = "the photo as it was"

    def restore(
        self,
        image: str | None,
        task: str,
        level: str | None,
        fidelity: float,
        mask: str | None = None,
        reference: str | None = None,
        visitor: Visitor | None = None,
    ) -> Shown:
        """Restore a damaged photo: take out noise, JPEG artifacts or blur, fill a hole, or give a gray photo its colors.

        Parameters:
            image: The photo, an image file of any size up to 24 megapixels.
            task: What to mend: "denoise", "jpeg" (artifacts), "deblur", "inpaint" (fill a hole), "colorize" (a gray photo), or
                "auto" for whatever is found of the first three.
            level: How strong the damage is, a number as text, or "auto", which estimates it: of "denoise" the standard deviation
                of the noise up to 255, of "jpeg" the quality from 1 to 100, of "deblur" the blur in pixels up to 8.
            fidelity: From 1, the least distortion, to 0, the most natural look. Not used with "colorize".
            mask: With "inpaint", an image of the photo's size, white in the hole and black outside; without one the hole is where
                the photo is transparent.
            reference: With "colorize", an image whose palette the photo takes.
        Returns:
            The photo and the restored photo, small enough to preview.
            The restored photo in full size, JPEG, PNG or WebP as the photo was, else PNG, with its EXIF but for the GPS position.
            The size and the time taken, and the damage that was found, as text.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            hole = read_image(mask) if mask else None
            try:
                *_, (_, *last) = self._restored(image, task, level, fidelity, hole, reference, visitor)
            except RestorationStopped:
                raise gr.Error("The restoration was stopped.", print_exception=False) from None
            return tuple(last)  # type: ignore[return-value]  # the last item is of the result

    def painted_restore(
        self,
        image: str | None,
        layers: list[str] | None,
        task: str,
        level: str | None,
        fidelity: float,
        mask: str | None,
        reference: str | None,
        visitor: Visitor | None,
    ) -> Iterator[Step]:
        """As `restore`, with the progress, where the hole may be painted: `layers` are files of transparent layers. An
        image of it goes first.

        What belongs to another task than the chosen one is out of sight, and not used.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            hole = None
            if task == "inpaint":
                hole = read_image(mask) if mask else _enlarged(painted(layers), image)
            shown_level = level if task in LEVEL_MEANINGS else AUTO
            palette = reference if task == "colorize" else None
            try:
                yield from self._restored(image, task, shown_level, fidelity, hole, palette, visitor)
            except RestorationStopped:
                yield status("Stopped. The photo is as it was."), gr.skip(), gr.skip(), gr.skip(), visitor

    def _restored(
        self,
        image: str | None,
        task: str,
        level: str | None,
        fidelity: float,
        hole: Image.Image | None,
        reference: str | None,
        visitor: Visitor,
    ) -> Iterator[Step]:
        with self.running(visitor) as stop_file:
            before = read_photo(image)
            assert image is not None  # `read_photo` has asked for it
            if task == "inpaint" and hole is None and before.mode != "RGBA":
                raise gr.Error("Paint over what is to be filled, or give an image of it.", print_exception=False)
            options: dict[str, Any] = {"task": task, "level": read_level(level), "fidelity": clamp(fidelity, 0, 1, default=1)}
            if hole is not None:
                options["mask"] = hole
            if reference:
                options["reference"] = read_image(reference)
            started = time.monotonic()
            yield status("Restoring …"), gr.skip(), gr.skip(), gr.skip(), visitor
            for item in self.studio.restore(Path(image), stop_file, **options):
                visitor.touch()
                if isinstance(item, RestorationReport):
                    left = f"Restoring, {math.ceil(item.seconds_left)} s left"
                    yield bar(left, item.fraction), gr.skip(), gr.skip(), gr.skip(), visitor
                    continue
                file = visitor.restored_file(kept_suffix(Path(image), item.picture, read_metadata(image)))
                preview, download, note = shown(image, before, item.picture, visitor, file, started)
                yield status("Done."), preview, download, note + damage_text(task, item.levels), visitor


def read_level(level: str | float | None) -> float | str:
    """The level that was written; "auto" if none was.

    Raises:
        ValueError: it is no number.

    >>> read_level(" 25 "), read_level(None)
    (25.0, 'auto')
    """
    text = AUTO if level is None else str(level).strip().lower() or AUTO
    if text == AUTO:
        return AUTO
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"the level is {text[:20]!r}; give a number, or auto") from None


def damage_text(task: str, levels: dict[str, float]) -> str:
    """What was assumed of the damage, to go on with after the size.

    >>> damage_text("auto", {"noise": 25.2, "jpeg": 70.0, "blur": 0.0})
    '. Assumed: noise 25.2, JPEG quality 30'
    """
    found = []
    if levels.get("noise"):
        found.append(f"noise {levels['noise']:.3g}")
    if levels.get("jpeg"):
        found.append(f"JPEG quality {100 - levels['jpeg']:.0f}")
    if levels.get("blur"):
        found.append(f"blur {levels['blur']:.2g} px")
    if found:
        return f". Assumed: {', '.join(found)}"
    return ". No damage was found: the photo is as it was" if task == AUTO else ""


def show_task(task: str) -> tuple[dict, dict, dict, dict, dict]:
    """Show what the task uses, and say what its level is: level, its column, fidelity, the hole's column, the reference's."""
    level = gr.update(value=AUTO, info=LEVEL_MEANINGS.get(task, ""))
    shows = (task in LEVEL_MEANINGS, task != "colorize", task == "inpaint", task == "colorize")
    return level, *(gr.update(visible=visible) for visible in shows)  # type: ignore[return-value]


def _enlarged(hole: Image.Image | None, photo: str | None) -> Image.Image | None:
    """A hole that was painted on the photo made small, in the photo's size; pixels that are painted in part are of it."""
    if hole is None or not photo:
        return None
    return hole.resize(read_photo(photo).size, Image.Resampling.BILINEAR).point([0] + 255 * [255])


def build_restore_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> RestoreTab:
    """Lay out the tab inside the current blocks and connect its events."""
    photos = example_images("photos")
    events = RestoreEvents(studio, visitors)

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            photo = photo_input("Photo", "restore-photo")
            photo_strip = example_strip(photos, "Example photos", "restore-example-photos")
            task = gr.Radio(
                list(zip(TASK_LABELS, TASKS)),
                value=AUTO,
                label="Task",
                info="Auto takes out noise, JPEG artifacts and blur, if it finds any.",
                elem_id="restore-task",
            )
            with gr.Column(visible=False) as level_column:
                level = gr.Textbox(value=AUTO, label="Level", max_lines=1, max_length=20, elem_id="restore-level")
            fidelity = gr.Slider(
                0,
                1,
                value=1,
                step=0.05,
                label="Fidelity",
                info="1: the least distortion, 0: the most natural look.",
                elem_id="restore-fidelity",
            )
            with gr.Column(visible=False) as reference_column:
                reference = photo_input("Reference for the colors (none: the colors of nature)", "restore-reference")
        with gr.Column(scale=6, min_width=320):
            with gr.Column(visible=False) as hole_column:
                editor = canvas("Paint over what is to be filled", "restore-canvas")
                with gr.Accordion("Or give the hole as an image", open=False, elem_id="restore-mask-panel"):
                    mask = photo_input("Hole: white inside, black outside", "restore-mask")
            with gr.Row():
                run = gr.Button("Restore", variant="primary", min_width=120, elem_id="restore-run")
                stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="restore-stop")
            progress = gr.HTML(IDLE, elem_id="restore-status")
            result = before_and_after("restore-result")
            note = gr.Markdown(FIRST_NOTE, elem_id="restore-note")
            download = gr.DownloadButton("Download in full size", interactive=False, elem_id="restore-download")

    settings = [task, level, fidelity, mask, reference, visitor]
    outputs = [result, download, note, visitor]
    aside: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    fill_from(photo_strip, photos, photo)
    photo.change(show_canvas, photo, editor, **aside)
    task.change(show_task, task, [level, level_column, fidelity, hole_column, reference_column], **aside)
    connect(
        events,
        events.painted_restore,
        run,
        stop,
        progress,
        IDLE,
        visitor,
        place=SHORT_WORK,
        inputs=[photo, editor, *settings],
        outputs=[progress, *outputs],
        api_name="painted_restore",
        api_visibility="private",
    )
    # Nothing on the page triggers it: other programs have no canvas to paint on.
    gr.on([], events.restore, [photo, *settings], outputs, api_name="restore", **SHORT_WORK)
    return RestoreTab(photo)
