"""The Assets tab: stylizes sprites, sheets and textures of a game as one set, and shows them tiled and animated."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from PIL import Image

from styleadapt.game.sheets import Grid, parse_grid
from styleadapt.ui.batch_tab import uploaded_paths
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.limits import MAX_ASSETS, MAX_COLORS, clamp
from styleadapt.ui.live_assets import AssetsFinished, AssetsReport
from styleadapt.ui.long_work import LongWork, connect
from styleadapt.ui.progress import bar, count_text, set_text, status
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio
from styleadapt.ui.style_choice import read_choice, style_choice
from styleadapt.ui.uploads import FILE_SCHEMA, StyleFiles

IDLE = status("Choose sprites, sheets or textures and a style, then press Stylize the set.")

Pictures = list[tuple[Image.Image, str]]
Shown = tuple[str, Pictures | dict, str | dict | None, dict, Visitor]


class AssetsEvents(LongWork):
    """What happens on the tab, free of layout."""

    kept = "the pictures that are ready"

    def assets(
        self,
        files: list[str] | None,
        style: StyleFiles | None,
        source: str,
        tile: bool,
        grid: str | None,
        colors: float,
        dither: bool,
        strength: float,
        visitor: Visitor | None,
    ) -> Iterator[Shown]:
        """Paint up to forty game assets as one set, in one style and with shared statistics, and get them as one ZIP file.

        Names, sizes and transparency stay. The frames of a sheet are painted apart: those of its JSON file (Aseprite or
        TexturePacker), or of `grid`. Normal, roughness and other maps of materials are kept. Files that cannot be used are
        skipped and listed at the end.

        Parameters:
            files: The assets, PNG, JPEG, WebP, BMP or TIFF files of 4 megapixels together, and JSON files of sheets.
            style: One to eight style images, blended in equal parts. Not used with "My adapter".
            source: Where the style comes from, "Style images" or "My adapter", which is the one made or loaded in this session.
            tile: Whether the pictures, or the frames of sheets, are textures that repeat.
            grid: Width and height of a frame, such as "32x48", where the pictures are sheets without a JSON file; or empty.
            colors: Number of colors of the whole set at most, from 1 to 256; 0 for all colors.
            dither: Whether to mix those colors by an ordered pattern.
            strength: How much of the style to take, from 0 (the assets) to 1.
        Returns:
            The progress, as HTML text; at the end what was made, and why each skipped file was skipped.
            The pictures, small, with their names; textures that repeat as 3 x 3 of them.
            The animation of the first sheet's frames, or of pictures of one size, as a WebP file; none if there is none.
            The ZIP file, once it is ready, with the palette if there is one; /stop ends the work early and keeps what is ready.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            with self.running(visitor) as stop_file:
                paths = _files(files)
                choice = read_choice(source, style, visitor)
                cells = read_grid(grid)
                count = round(clamp(colors, 0, MAX_COLORS, default=0)) or None
                options = {
                    "colors": count,
                    "dither": bool(dither) and count is not None,
                    "strength": clamp(strength, 0, 1, default=1),
                }
                yield status("Preparing …"), [], None, gr.update(interactive=False), visitor
                targets = visitor.assets_file, visitor.animation_file, stop_file
                for item in self.studio.assets(paths, *choice, bool(tile), cells, options, *targets):
                    visitor.touch()
                    if isinstance(item, AssetsFinished):
                        file = gr.update(value=visitor.assets_file, interactive=True) if item.pictures else gr.skip()
                        animation = str(visitor.animation_file) if item.animated else None
                        yield finished_text(item), item.previews, animation, file, visitor
                        return
                    yield bar(report_text(item), item.done / item.files), gr.skip(), gr.skip(), gr.skip(), visitor


def report_text(report: AssetsReport) -> str:
    """One line for a report.

    >>> report_text(AssetsReport(3, 12, 33.4))
    '3 of 12 files, 34 s left'
    """
    return count_text(report.done, report.files, "files", report.seconds_left)


def finished_text(finished: AssetsFinished) -> str:
    """HTML: what was made, and a line for each file that was skipped."""
    made = f"{finished.pictures} pictures of {finished.files} files are ready."
    return set_text(made, finished.pictures, finished.stopped, finished.failed)


def read_grid(text: str | None) -> Grid | None:
    """The grid that was written; None if none was. Raises `ImageError` for what is no grid.

    >>> read_grid(" "), read_grid("16x24").width
    (None, 16)
    """
    return parse_grid(text) if text and text.strip() else None


def build_assets_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> None:
    """Lay out the tab inside the current blocks and connect its events."""
    events = AssetsEvents(studio, visitors)

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                with gr.Column(min_width=240):
                    files = gr.File(
                        label=f"Assets, up to {MAX_ASSETS}",
                        file_count="multiple",
                        file_types=["image", ".json"],
                        height=260,
                        elem_id="assets-files",
                    )
                    # Gradio's own leaves empty temporary files behind, and refuses all for one wrong extension.
                    files.preprocess = uploaded_paths  # type: ignore[method-assign, assignment]
                    files.api_info = lambda: {"type": "array", "items": FILE_SCHEMA}  # type: ignore[method-assign]
                source, styles = style_choice("assets")
            tile = gr.Checkbox(label="They are textures that repeat", elem_id="assets-tile")
            grid = gr.Textbox(
                label="Frames of sheets",
                info="Width by height in pixels, such as 32x48. Empty: whole pictures, or as JSON files tell.",
                value="",
                max_lines=1,
                max_length=20,
                elem_id="assets-grid",
            )
            colors = gr.Slider(
                0, MAX_COLORS, value=0, step=1, label="Colors of the set", info="0: all colors.", elem_id="assets-colors"
            )
            dither = gr.Checkbox(label="Mix the colors by a pattern", elem_id="assets-dither")
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="assets-strength")
            with gr.Row():
                run = gr.Button("Stylize the set", variant="primary", min_width=120, elem_id="assets-run")
                stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="assets-stop")
        with gr.Column(scale=6, min_width=320):
            progress = gr.HTML(IDLE, elem_id="assets-status")
            download = gr.DownloadButton("Download the set as a ZIP file", interactive=False, elem_id="assets-download")
            animation = gr.Image(
                label="Animation",
                elem_id="assets-animation",
                type="filepath",
                height=280,
                buttons=["fullscreen"],
                interactive=False,
            )
            pictures = gr.Gallery(
                label="Pictures",
                elem_id="assets-pictures",
                columns=2,
                object_fit="contain",
                format="png",
                buttons=["fullscreen"],
                interactive=False,
            )

    connect(
        events,
        events.assets,
        run,
        stop,
        progress,
        IDLE,
        visitor,
        inputs=[files, styles, source, tile, grid, colors, dither, strength, visitor],
        outputs=[progress, pictures, animation, download, visitor],
        api_name="assets",
    )


def _files(files: list[str] | None) -> list[Path]:
    if not files:
        raise gr.Error("Choose assets first.", print_exception=False)
    if len(files) > MAX_ASSETS:
        raise gr.Error(f"{len(files)} files are too many here: use up to {MAX_ASSETS}.", print_exception=False)
    return [Path(file) for file in files]
