from functools import partial

import gradio as gr
import pytest
from PIL import Image

from styleadapt.ui.assets_tab import AssetsEvents, build_assets_tab, finished_text, read_grid, report_text
from styleadapt.ui.limits import MAX_ASSETS
from styleadapt.ui.live_assets import AssetsFinished, AssetsReport, assets_live
from styleadapt.ui.look_choice import MY_ADAPTER, STYLE_IMAGES

from ..conftest import smooth_noise


@pytest.fixture
def events(studio, tiny_pipe, visitors, monkeypatch) -> AssetsEvents:
    monkeypatch.setattr(studio, "assets", partial(assets_live, tiny_pipe), raising=False)
    return AssetsEvents(studio, visitors)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for n, path in enumerate(paths):
        smooth_noise((24, 16), n, cell=4).save(path)
    return [str(path) for path in paths]


def _assets(events, files, styles, visitor, source=STYLE_IMAGES, grid="", colors=0.0, tile=False):
    return events.assets(files, styles, source, tile, grid, colors, True, 1.0, visitor)


def test_a_set_shows_its_progress_and_ends_with_a_zip_file_and_an_animation(events, files, styles, visitor):
    first, *_, (text, pictures, animation, download, same) = _assets(events, files, styles, visitor, grid="8x8", colors=4)
    assert "Preparing" in first[0] and not first[3]["interactive"]
    assert "2 pictures of 2 files are ready." in text and same is visitor
    assert [(picture.size, name) for picture, name in pictures] == [((24, 16), "a.png"), ((24, 16), "b.png")]
    assert animation == str(visitor.animation_file) and Image.open(animation).n_frames == 6
    assert download["value"] == visitor.assets_file and not visitor.stop()
    visitor.leave()
    assert not visitor.assets_file.exists() and not visitor.animation_file.exists()


def test_stop_in_the_queue_makes_nothing(events, files, styles, visitor):
    events.prepare(visitor)
    assert "keeping the pictures that are ready" in events.stop(visitor)
    *_, (text, pictures, animation, download, _) = _assets(events, files, styles, visitor)
    assert "Stopped. 0 pictures of 2 files" in text and pictures == [] and animation is None
    assert "interactive" not in download


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"files": []}, "Choose assets first"),
        ({"files": ["a.png"] * (MAX_ASSETS + 1)}, "too many here"),
        ({"styles": []}, "at least one style image"),
        ({"source": MY_ADAPTER}, "no adapter yet"),
        ({"grid": "seven"}, "width by height"),
        ({"grid": "7x7"}, "do not fill"),
    ],
)
def test_what_is_missing_or_wrong_is_said(events, files, styles, visitor, change, said):
    arguments = {"files": files, "styles": styles, "visitor": visitor, **change}
    with pytest.raises(gr.Error, match=said):
        list(_assets(events, **arguments))
    assert not visitor.stop()


def test_the_texts():
    assert report_text(AssetsReport(0, 4)) == "0 of 4 files"
    text = finished_text(AssetsFinished(1, 2, [("<b>.png", "is <i>")], [], False, False))
    assert "1 pictures of 2 files" in text and "<li>&lt;b&gt;.png: is &lt;i&gt;</li>" in text
    assert read_grid(None) is None and read_grid("8x9").height == 9


def test_the_tab_lists_its_inputs(studio, visitors):
    with gr.Blocks() as app:
        build_assets_tab(studio, visitors, gr.State())
    [endpoint] = [e for name, e in app.get_api_info()["named_endpoints"].items() if name == "/assets"]
    assert [p["parameter_name"] for p in endpoint["parameters"] if not p["parameter_has_default"]] == ["files"]
