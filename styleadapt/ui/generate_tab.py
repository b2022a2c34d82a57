"""The Generate tab: pictures from noise, mixtures, clips from one to another, and a generator that learns from images."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from styleadapt.errors import ModelLoadError
from styleadapt.pipelines.picture_sheets import picture_grid, repeated
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.limits import (
    DEFAULT_SECONDS,
    MAX_DOMAIN_BYTES,
    MAX_DOMAIN_IMAGES,
    MAX_GENERATED,
    MAX_SECONDS,
    MAX_WAY_STEPS,
    MIN_SECONDS,
    SHORT_WORK,
    WAY_RATE,
    clamp,
)
from styleadapt.ui.live_domain import DomainFinished
from styleadapt.ui.long_work import LongWork, connect
from styleadapt.ui.progress import bar, status
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio
from styleadapt.ui.uploads import StyleFiles, read_image, styles_input, uploaded_path

ANY = "any"
READY = "Choose a seed, and press Generate."
ABSENT = "The weights of generation are not installed on this server, so that nothing can be generated here."
IDLE = status("Choose images of one kind, then press Adapt the generator.")
_MOST_SEED = 2**31 - 1

Pictures = tuple[list[Image.Image], Image.Image | None, dict, str, Visitor]


class GenerateEvents(LongWork):
    """What happens on the tab, free of layout."""

    kept = "what has been learned"

    def generate(
        self,
        seed: float,
        num_images: float = 4,
        truncation: float = 0.7,
        label: str | None = ANY,
        tileable: bool = False,
        adapter_weight: float = 0.0,
        visitor: Visitor | None = None,
    ) -> Pictures:
        """Generate pictures from noise. The same seed and settings give the same pictures.

        Parameters:
            seed: A whole number, 0 or more: which pictures.
            num_images: How many pictures, 1 to 16.
            truncation: From 0, the mean picture, over 1, all the variety there is, to 1.5.
            label: The class of the pictures by name or number, or "any".
            tileable: Whether the pictures repeat without a seam.
            adapter_weight: How far to follow what the generator learned in this session with /adapt_generator, 0 for not at all.
        Returns:
            The pictures.
            The first picture repeated three times along both sides; nothing unless the pictures are tileable.
            All pictures on one sheet, a PNG file.
            What was made, as text.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            options = self._options(truncation, label, tileable)
            count = int(clamp(num_images, 1, MAX_GENERATED, default=4))
            pictures = self._make("__call__", visitor, adapter_weight, count, read_seed(seed), **options)
            return self._shown(pictures, options["tileable"], visitor)

    def mix(
        self,
        seed_a: float,
        seed_b: float,
        crossover: float = 0.5,
        truncation: float = 0.7,
        label: str | None = ANY,
        tileable: bool = False,
        adapter_weight: float = 0.0,
        visitor: Visitor | None = None,
    ) -> Pictures:
        """Mix two generated pictures: shapes of the one, colors and details of the other.

        Parameters:
            seed_a: The seed of the picture that gives its coarse shapes.
            seed_b: The seed of the picture that gives its details and colors.
            crossover: From 0, all of the second, to 1, all of the first.
            truncation: As of /generate.
            label: As of /generate.
            tileable: As of /generate.
            adapter_weight: As of /generate.
        Returns:
            The first picture, the mixture and the second picture.
            The mixture repeated three times along both sides; nothing unless the pictures are tileable.
            The three pictures on one sheet, a PNG file.
            What was made, as text.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            options = self._options(truncation, label, tileable)
            seeds = read_seed(seed_a), read_seed(seed_b)
            layers = getattr(self.studio.generation.generator, "num_layers", 0)
            part = clamp(crossover, 0, 1, default=0.5)
            # the ends are mixtures too, so that all three are made in one way
            pictures = [
                self._make("mix", visitor, adapter_weight, *seeds, crossover=layer, **options)[0]
                for layer in (layers, round(part * layers), 0)
            ]
            return self._shown(pictures, options["tileable"], visitor, first=1)

    def interpolate(
        self,
        seed_a: float,
        seed_b: float,
        steps: float = 48,
        truncation: float = 0.7,
        label: str | None = ANY,
        tileable: bool = False,
        adapter_weight: float = 0.0,
        visitor: Visitor | None = None,
    ) -> tuple[Path, Visitor]:
        """Make a short clip that goes from one generated picture to another.

        Parameters:
            seed_a: The seed of the first picture.
            seed_b: The seed of the last picture.
            steps: How many frames, 2 to 96, at 24 a second.
            truncation: As of /generate.
            label: As of /generate.
            tileable: As of /generate.
            adapter_weight: As of /generate.
        Returns:
            The clip, an MP4 file.
        """
        with plain_errors():
            from styleadapt.video.picture_clips import write_pictures

            visitor = self.visitors.of(visitor)
            seeds, count = (read_seed(seed_a), read_seed(seed_b)), int(clamp(steps, 2, MAX_WAY_STEPS, default=48))
            options = self._options(truncation, label, tileable)
            frames = self._make("interpolate", visitor, adapter_weight, *seeds, steps=count, **options)
            visitor.touch()
            write_pictures(frames, visitor.way_file, WAY_RATE)
            return visitor.way_file, visitor

    def adapt_generator(
        self, images: StyleFiles | None, max_seconds: float, seed: float, visitor: Visitor | None
    ) -> Iterator[tuple[str, Any, dict, Any, Visitor]]:
        """Teach the generator a new kind of picture from a few images, in up to five minutes, with a live preview.

        What is learned stays in this session, where the other functions can use it.

        Parameters:
            images: One to thirty images of one kind.
            max_seconds: The time to spend, from 10 to 300 seconds; /stop ends it early and keeps what has been learned.
            seed: Of the pictures in the preview.
        Returns:
            The progress, as HTML text; at the end how near the pictures came to the images.
            Pictures of the generator so far.
            The adapter, a safetensors file, once it is ready.
            How far the other functions follow it, which is set to 1.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            with self.running(visitor) as stop_file:
                opened = _read_images(images)
                shown, max_seconds = read_seed(seed), clamp(max_seconds, MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS)
                if stop_file.exists():
                    yield status("Stopped before it began."), gr.skip(), gr.skip(), gr.skip(), visitor
                    return
                file = visitor.domain_file
                yield status("Preparing …"), gr.skip(), gr.update(interactive=False), gr.skip(), visitor
                for item in self.studio.learn_domain(opened, max_seconds, shown, file, stop_file):
                    visitor.touch()
                    if isinstance(item, DomainFinished):
                        text = status(f"The generator has learned. {domain_text(item.scores)}")
                        yield text, item.preview, gr.update(value=file, interactive=True), 1.0, visitor
                    else:
                        text = f"Step {item.step}, {math.ceil(max(item.seconds_left, 0))} s left"
                        preview = gr.skip() if item.preview is None else item.preview
                        yield bar(text, item.fraction), preview, gr.skip(), gr.skip(), visitor

    def load_generator_adapter(self, file: str | None, visitor: Visitor | None) -> tuple[str, dict, float, Visitor]:
        """Load an adapter of the generator that was saved earlier, so that this session can use it.

        Parameters:
            file: An adapter, a safetensors file made for the same generator.
        Returns:
            What was loaded, as HTML text.
            The adapter, as the file to download.
            How far the other functions follow it, which is set to 1.
        """
        with plain_errors():
            from styleadapt.adapters.adapter import GeneratorAdapter

            if not file:
                raise gr.Error("Choose an adapter file first.", print_exception=False)
            if Path(file).stat().st_size > MAX_DOMAIN_BYTES:
                raise gr.Error("This file is too large to be an adapter.", print_exception=False)
            adapter = GeneratorAdapter.load(file)
            self.studio.generation.check_adapter(adapter)
            visitor = self.visitors.of(visitor)
            visitor.touch()
            adapter.save(visitor.domain_file)
            text = status(f"The adapter is loaded. {domain_text(adapter.scores)}")
            return text, gr.update(value=visitor.domain_file, interactive=True), 1.0, visitor

    def describe(self) -> tuple[dict, str | dict, dict]:
        """Show the classes, if there are any, and say where there are no weights: label, note, the button.

        Where there are weights the note stays what it says of the pictures."""
        try:
            pipe = self.studio.generation
        except ModelLoadError:
            return gr.update(visible=False), ABSENT, gr.update(interactive=False)
        names = pipe.class_names
        return gr.update(choices=[ANY, *names], visible=bool(names)), gr.skip(), gr.update(interactive=True)

    def open(self, shown: list | None, *arguments: Any) -> Pictures | list[dict]:
        """Generate the first pictures, unless some are shown already: the tab does not open empty."""
        try:
            _ = self.studio.generation
        except ModelLoadError:
            return [gr.skip()] * 5
        return [gr.skip()] * 5 if shown else self.generate(*arguments)

    def _options(self, truncation: float, label: str | None, tileable: bool) -> dict[str, Any]:
        pipe, text = self.studio.generation, ANY if label is None else str(label).strip() or ANY
        named = pipe.classes is not None and text in pipe.classes
        known: Any = None if text == ANY and not named else text if named or not text.isdecimal() else int(text)
        # unless asked for otherwise as the generator was trained
        tiles = True if tileable or pipe.config.tileable else None
        return {"truncation": clamp(truncation, 0, 1.5, default=0.7), "label": known, "tileable": tiles}

    def _make(self, method: str, visitor: Visitor, weight: float, *arguments: Any, **options: Any) -> list[Image.Image]:
        weight = clamp(weight, 0, 2, default=0)
        domain = visitor.domain_file if weight and visitor.domain_file.is_file() else None
        return self.studio.generate(method, *arguments, domain=domain, weight=weight, **options)

    def _shown(self, pictures: list[Image.Image], tileable: bool | None, visitor: Visitor, first: int = 0) -> Pictures:
        visitor.touch()
        picture_grid(pictures, None if first == 0 else len(pictures)).save(visitor.generated_file)
        width, height = pictures[0].size
        several = f"{len(pictures)} pictures" if len(pictures) > 1 else "1 picture"
        tiles = repeated(pictures[first]) if tileable else None
        return (
            pictures,
            tiles,
            gr.update(value=visitor.generated_file, interactive=True),
            f"{several} of {width} × {height} px",
            visitor,
        )


def read_seed(seed: float | None) -> int:
    """The seed as a whole number.

    Raises:
        ValueError: it is none, or negative.

    >>> read_seed(3.0)
    3
    """
    if not isinstance(seed, (int, float)) or isinstance(seed, bool) or seed != seed or seed % 1 or not 0 <= seed <= _MOST_SEED:
        raise ValueError(f"the seed is {seed!r}; give a whole number from 0 to {_MOST_SEED}")
    return int(seed)


def domain_text(scores: dict[str, float]) -> str:
    """One line for an adapter's scores; nothing for a file without."""
    names = ("style_before", "style_after", "diversity_before", "diversity_after")
    if not all(name in scores for name in names):
        return ""
    before, after, first, last = (scores[name] for name in names)
    distance, variety = f"{before:.2f} → {after:.2f}", f"{first:.2f} → {last:.2f}"
    return f"Distance to the images {distance} (lower is better), variety {variety} (higher is better)."


def _read_images(files: StyleFiles | None) -> list[Image.Image]:
    if not files:
        raise gr.Error("Choose at least one image first.", print_exception=False)
    if len(files) > MAX_DOMAIN_IMAGES:
        raise gr.Error(f"{len(files)} images are too many here: use up to {MAX_DOMAIN_IMAGES}.", print_exception=False)
    return [read_image(path) for path, _ in files]


def build_generate_tab(studio: Studio, visitors: Visitors, visitor: gr.State, page: gr.Tab) -> None:
    """Lay out the tab inside the current blocks and connect its events; `page` is the tab itself."""
    events = GenerateEvents(studio, visitors)

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            seed = _seed("Seed", 0, "generate-seed")
            num_images = gr.Slider(1, MAX_GENERATED, value=4, step=1, label="Number of images", elem_id="generate-num-images")
            truncation = gr.Slider(
                0,
                1.5,
                value=0.7,
                step=0.05,
                label="Truncation",
                info="Less: better pictures that are more alike. 1: all the variety that the generator has.",
                elem_id="generate-truncation",
            )
            label = gr.Dropdown([ANY], value=ANY, label="Class", visible=False, allow_custom_value=True, elem_id="generate-label")
            tileable = gr.Checkbox(label="Tileable: the pictures repeat without a seam", elem_id="generate-tileable")
            weight = gr.Slider(
                0,
                2,
                value=0,
                step=0.05,
                label="Adapter weight",
                info="How far to follow what the generator has learned below.",
                elem_id="generate-adapter-weight",
            )
            run = gr.Button("Generate", variant="primary", elem_id="generate-run")
            with gr.Accordion("Mix two, or go from one to the other", open=False, elem_id="generate-two"):
                with gr.Row():
                    seed_a = _seed("Seed of the first", 0, "generate-seed-a")
                    seed_b = _seed("Seed of the second", 1, "generate-seed-b")
                crossover = gr.Slider(
                    0,
                    1,
                    value=0.5,
                    step=0.05,
                    label="Crossover",
                    info="1: all of the first, less: details and colors of the second.",
                    elem_id="generate-crossover",
                )
                steps = gr.Slider(2, MAX_WAY_STEPS, value=48, step=1, label="Frames of the clip", elem_id="generate-steps")
                with gr.Row():
                    mix = gr.Button("Mix", min_width=120, elem_id="generate-mix")
                    interpolate = gr.Button("Make a clip", min_width=120, elem_id="generate-interpolate")
            with gr.Accordion("Adapt the generator to your images", open=False, elem_id="generate-adapt"):
                images = styles_input(f"Images of one kind, up to {MAX_DOMAIN_IMAGES}", "generate-images")
                seconds = gr.Slider(
                    MIN_SECONDS,
                    MAX_SECONDS,
                    value=DEFAULT_SECONDS,
                    step=5,
                    label="Time to spend, in seconds",
                    elem_id="generate-seconds",
                )
                with gr.Row():
                    learn = gr.Button("Adapt the generator", min_width=120, elem_id="generate-learn")
                    stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="generate-stop")
                progress = gr.HTML(IDLE, elem_id="generate-status")
                adapter = gr.DownloadButton("Download the adapter", interactive=False, elem_id="generate-adapter")
                load = gr.UploadButton("Load an adapter saved earlier", size="md", elem_id="generate-load")
                # Gradio's own leaves an empty temporary file behind.
                load.preprocess = uploaded_path  # type: ignore[method-assign, assignment]
        with gr.Column(scale=6, min_width=320):
            gallery = gr.Gallery(
                label="Pictures", elem_id="generate-gallery", columns=4, height=400, format="png", interactive=False, buttons=[]
            )
            note = gr.Markdown(READY, elem_id="generate-note")
            download = gr.DownloadButton("Download all on one sheet", interactive=False, elem_id="generate-download")
            tiles = gr.Image(
                label="Repeated three times",
                elem_id="generate-tiles",
                format="png",
                buttons=["fullscreen"],
                interactive=False,
                height=320,
                alt_text="The first picture repeated three times along both sides",
            )
            clip = gr.Video(label="Clip", elem_id="generate-clip", buttons=["download"], interactive=False, height=320)

    shared = [truncation, label, tileable, weight, visitor]
    outputs = [gallery, tiles, download, note, visitor]
    opened = page.select(events.describe, None, [label, note, run], queue=False, show_progress="hidden", api_visibility="private")
    opened.success(
        events.open,
        [gallery, seed, num_images, *shared],
        outputs,
        show_progress_on=gallery,
        api_visibility="private",
        **SHORT_WORK,
    )
    run.click(events.generate, [seed, num_images, *shared], outputs, show_progress_on=gallery, api_name="generate", **SHORT_WORK)
    mix.click(events.mix, [seed_a, seed_b, crossover, *shared], outputs, show_progress_on=gallery, api_name="mix", **SHORT_WORK)
    interpolate.click(
        events.interpolate,
        [seed_a, seed_b, steps, *shared],
        [clip, visitor],
        show_progress_on=clip,
        api_name="interpolate",
        **SHORT_WORK,
    )
    connect(
        events,
        events.adapt_generator,
        learn,
        stop,
        progress,
        IDLE,
        visitor,
        inputs=[images, seconds, seed, visitor],
        outputs=[progress, gallery, adapter, weight, visitor],
        api_name="adapt_generator",
    )
    load.upload(
        events.load_generator_adapter,
        [load, visitor],
        [progress, adapter, weight, visitor],
        show_progress_on=progress,
        api_name="load_generator_adapter",
    )


def _seed(label: str, value: int, elem_id: str) -> gr.Number:
    return gr.Number(value=value, precision=0, minimum=0, maximum=_MOST_SEED, label=label, elem_id=elem_id)
