"""The whole interface: two tabs around one pipeline, and the terms on which it is served."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import gradio as gr

from styleadapt.ui.adapt_tab import AdaptTab, build_adapt_tab
from styleadapt.ui.examples import serve_examples
from styleadapt.ui.limits import FILE_LIFETIME, MAX_FILE_SIZE, MAX_QUEUE, MAX_SESSIONS, SWEEP_EVERY
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio, load_packaged
from styleadapt.ui.stylize_tab import MY_ADAPTER, StylizeTab, build_stylize_tab, show_source
from styleadapt.ui.theme import CSS, THEME

if TYPE_CHECKING:
    from styleadapt import StyleTransferPipeline

INTRO = """# styleadapt
Give a photo the style of any picture at once, or spend a minute to learn a style properly and keep it as a small file."""

# In the browser, because both values are there: the Adapt tab opens with what the visitor chose on the Stylise tab.
CARRY_OVER = """(photo, styles, adapt_photo, adapt_styles) =>
[adapt_photo ?? photo, adapt_styles?.length ? adapt_styles : styles]"""


def build_app(load: Callable[[], "StyleTransferPipeline"] = load_packaged, visitors: Visitors | None = None) -> gr.Blocks:
    """The interface around a pipeline, ready for `launch(**launch_options())`.

    Parameters:
        load: makes the pipeline that all visitors share; it is called in the background while the server starts.
        visitors: where visitors' files go; by default the system's temporary folder.
    """
    visitors = visitors or Visitors()
    studio = Studio(load)
    serve_examples()

    with gr.Blocks(title="styleadapt", analytics_enabled=False, delete_cache=(SWEEP_EVERY, FILE_LIFETIME)) as app:
        visitor = gr.State(time_to_live=FILE_LIFETIME, delete_callback=_remove)
        gr.Markdown(INTRO, elem_id="intro")
        with gr.Tabs() as tabs:
            with gr.Tab("Stylise", id="stylise", elem_id="tab-stylise"):
                stylize = build_stylize_tab(studio, visitors, visitor)
            with gr.Tab("Adapt", id="adapt", elem_id="tab-adapt") as adapt_page:
                adapt = build_adapt_tab(studio, visitors, visitor)
        _connect(tabs, stylize, adapt, adapt_page)

        def arrive(request: gr.Request) -> Visitor:
            return visitors.open(request.session_hash)

        def depart(request: gr.Request) -> None:
            visitors.leave(request.session_hash)

        app.load(arrive, None, visitor, queue=False, show_progress="hidden", api_visibility="private")
        app.unload(depart)
    return app.queue(max_size=MAX_QUEUE, api_open=False)


def launch_options() -> dict:
    """Arguments for the app's `launch`: looks and limits, no share link, nothing fetched from elsewhere."""
    return {
        "theme": THEME,
        "css": CSS,
        "share": False,
        "max_file_size": MAX_FILE_SIZE,
        "state_session_capacity": MAX_SESSIONS,
        "footer_links": ["api"],
        "run_history": False,
        "enable_monitoring": False,
        "pwa": False,
        "ssr_mode": False,
    }


def _connect(tabs: gr.Tabs, stylize: StylizeTab, adapt: AdaptTab, adapt_page: gr.Tab) -> None:
    """What one tab hands to the other."""
    adapt_page.select(
        None,
        [stylize.photo, stylize.styles, adapt.photo, adapt.styles],
        [adapt.photo, adapt.styles],
        js=CARRY_OVER,
        api_visibility="private",
    )
    adapt.use.click(
        lambda: (gr.Tabs(selected="stylise"), MY_ADAPTER, *show_source(MY_ADAPTER)),
        None,
        [tabs, stylize.source, stylize.styles_column, stylize.weight],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def _remove(visitor: Visitor | None) -> None:
    if visitor:
        visitor.remove()
