"""Builds the whole interface, eight tabs around three pipelines, and sets how it is served."""

import importlib.util
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import gradio as gr

from styleadapt.ui.adapt_tab import AdaptTab, build_adapt_tab
from styleadapt.ui.assets_tab import build_assets_tab
from styleadapt.ui.batch_tab import build_batch_tab
from styleadapt.ui.disk import housekeeping, own_cache
from styleadapt.ui.examples import serve_examples
from styleadapt.ui.fetching import limit_fetching
from styleadapt.ui.generate_tab import build_generate_tab
from styleadapt.ui.labels import LABELS
from styleadapt.ui.limits import FILE_LIFETIME, MAX_FILE_SIZE, MAX_QUEUE, MAX_SESSIONS, SECONDS_BETWEEN_LOOKS, SWEEP_EVERY
from styleadapt.ui.look_choice import MY_ADAPTER
from styleadapt.ui.program_inputs import serve_programs
from styleadapt.ui.regions_tab import RegionsTab, build_regions_tab
from styleadapt.ui.restore_tab import RestoreTab, build_restore_tab
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio, load_packaged, load_packaged_generation, load_packaged_restoration
from styleadapt.ui.stylize_tab import StylizeTab, build_stylize_tab, show_source
from styleadapt.ui.theme import CSS, THEME
from styleadapt.ui.video_tab import build_video_tab

if TYPE_CHECKING:
    from styleadapt import GenerationPipeline, RestorationPipeline, StyleTransferPipeline

INTRO = """# styleadapt
Give a photo the style of any picture at once, or spend a minute to learn a style properly and keep it as a small file.
Damaged photos are restored, and pictures made from noise, on tabs of their own."""

# In the browser, because both values are there: another tab opens with what the visitor chose on the Stylize tab.
CARRY_OVER = """(photo, styles, adapt_photo, adapt_styles) =>
[adapt_photo ?? photo, adapt_styles?.length ? adapt_styles : styles]"""
# The Regions tab has the first examples from the beginning, so when it is opened for the first time, what is chosen on the
# Stylize tab goes first. The same file is not set again, which would load the canvas anew.
CARRY_ONE_STYLE_OVER = """(photo, styles, region_photo, inside) => {
    const opened = window.regionsOpened;
    window.regionsOpened = true;
    const choose = (other, own) => ((opened ? own ?? other : other ?? own) ?? null);
    const same = (one, other) => one?.orig_name === other?.orig_name && one?.path === other?.path;
    return [[photo, region_photo], [styles?.[0]?.image, inside]].map(
        ([other, own]) => (same(other, own) ? own ?? null : choose(other, own))
    );
}"""
CARRY_PHOTO_OVER = "(photo, restore_photo) => restore_photo ?? photo"


def build_app(
    load: Callable[[], "StyleTransferPipeline"] = load_packaged,
    visitors: Visitors | None = None,
    load_restoration: Callable[[], "RestorationPipeline"] = load_packaged_restoration,
    load_generation: Callable[[], "GenerationPipeline"] = load_packaged_generation,
) -> gr.Blocks:
    """The interface around the pipelines, ready for `launch(**launch_options())`.

    Parameters:
        load: makes the pipeline that all visitors share; it is called in the background while the server starts.
        visitors: where visitors' files go; by default the system's temporary folder.
        load_restoration, load_generation: make the pipelines of the Restore and the Generate tab, at their first use.
    """
    own_cache()
    limit_fetching()
    visitors = visitors or Visitors()
    studio = Studio(load, load_restoration, load_generation)
    serve_examples()

    with gr.Blocks(title="styleadapt", analytics_enabled=False, delete_cache=(SWEEP_EVERY, FILE_LIFETIME)) as app:
        visitor = gr.State(time_to_live=FILE_LIFETIME, delete_callback=_remove)
        gr.Markdown(INTRO, elem_id="intro")
        with gr.Tabs() as tabs:
            with gr.Tab("Stylize", id="stylize", elem_id="tab-stylize"):
                stylize = build_stylize_tab(studio, visitors, visitor)
            with gr.Tab("Regions", id="regions", elem_id="tab-regions") as regions_page:
                regions = build_regions_tab(studio, visitors, visitor)
            with gr.Tab("Batch", id="batch", elem_id="tab-batch"):
                build_batch_tab(studio, visitors, visitor)
            with gr.Tab("Video", id="video", elem_id="tab-video"):
                build_video_tab(studio, visitors, visitor)
            with gr.Tab("Assets", id="assets", elem_id="tab-assets"):
                build_assets_tab(studio, visitors, visitor)
            with gr.Tab("Adapt", id="adapt", elem_id="tab-adapt") as adapt_page:
                adapt = build_adapt_tab(studio, visitors, visitor)
            with gr.Tab("Restore", id="restore", elem_id="tab-restore") as restore_page:
                restore = build_restore_tab(studio, visitors, visitor)
            with gr.Tab("Generate", id="generate", elem_id="tab-generate") as generate_page:
                build_generate_tab(studio, visitors, visitor, generate_page)
        _connect(tabs, stylize, regions, regions_page, adapt, adapt_page)
        _connect_restore(stylize, restore, restore_page)

        def arrive(request: gr.Request) -> Visitor:
            return visitors.open(request.session_hash)

        def depart(request: gr.Request) -> None:
            visitors.leave(request.session_hash)

        app.load(arrive, None, visitor, queue=False, show_progress="hidden", api_visibility="private")
        app.unload(depart)
        serve_programs(app)
    app.visitors = visitors  # type: ignore[attr-defined]  # for `housekeeping`
    app.queue(max_size=MAX_QUEUE, api_open=False)
    # Gradio looks for events a thousand times a second and for progress a hundred times, which takes 5 % of a core for nobody.
    app._queue.sleep_when_free = app._queue.progress_update_sleep_when_free = SECONDS_BETWEEN_LOOKS
    return app


def launch_options() -> dict:
    """Arguments for the app's `launch`: looks and limits, no share link, nothing fetched from elsewhere.

    The named functions are tools of an MCP server too where the package `mcp` is there, unless GRADIO_MCP_SERVER is "false".
    """
    mcp = importlib.util.find_spec("mcp") is not None and os.environ.get("GRADIO_MCP_SERVER", "true").lower() == "true"
    return {
        "theme": THEME,
        "css": CSS,
        "js": LABELS,
        "share": False,
        "mcp_server": mcp,
        "app_kwargs": {"lifespan": housekeeping},
        "max_file_size": MAX_FILE_SIZE,
        "state_session_capacity": MAX_SESSIONS,
        "footer_links": ["api"],
        "run_history": False,
        "enable_monitoring": False,
        "pwa": False,
        "ssr_mode": False,
    }


def _connect(
    tabs: gr.Tabs, stylize: StylizeTab, regions: RegionsTab, regions_page: gr.Tab, adapt: AdaptTab, adapt_page: gr.Tab
) -> None:
    """What one tab hands to the other."""
    regions_page.select(
        None,
        [stylize.photo, stylize.styles, regions.photo, regions.inside],
        [regions.photo, regions.inside],
        js=CARRY_ONE_STYLE_OVER,
        api_visibility="private",
    )
    adapt_page.select(
        None,
        [stylize.photo, stylize.styles, adapt.photo, adapt.styles],
        [adapt.photo, adapt.styles],
        js=CARRY_OVER,
        api_visibility="private",
    )
    adapt.use.click(
        lambda: (gr.Tabs(selected="stylize"), MY_ADAPTER, *show_source(MY_ADAPTER)),
        None,
        [tabs, stylize.source, stylize.styles_column, stylize.adapter_weight, stylize.adapter_blend],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def _connect_restore(stylize: StylizeTab, restore: RestoreTab, restore_page: gr.Tab) -> None:
    restore_page.select(None, [stylize.photo, restore.photo], restore.photo, js=CARRY_PHOTO_OVER, api_visibility="private")


def _remove(visitor: Visitor | None) -> None:
    if visitor:
        visitor.remove()
