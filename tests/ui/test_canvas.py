from gradio.components.image_editor import EditorData
from gradio.data_classes import FileData
from PIL import Image

from styleadapt.ui.canvas import canvas, painted, show_canvas, uploaded_layers
from styleadapt.ui.limits import CANVAS_SIDE


def test_a_layer_without_transparency_is_painted_all_over_and_others_are_brought_to_the_size_of_the_first(tmp_path):
    layers = []
    for name, size, box in (("a", (30, 20), (0, 0, 5, 5)), ("b", (60, 40), (50, 0, 60, 40))):
        layer = Image.new("RGBA", size)
        layer.paste((225, 29, 143, 1), box)
        layer.save(tmp_path / f"{name}.png")
        layers.append(str(tmp_path / f"{name}.png"))
    region = painted(layers)
    assert region.size == (30, 20) and [region.getpixel(at) for at in ((2, 2), (28, 10), (15, 10))] == [255, 255, 0]
    Image.new("RGB", (30, 20)).save(tmp_path / "full.png")
    assert painted([str(tmp_path / "full.png")]).getextrema() == (255, 255)
    assert painted([]) is painted(None) is None


def test_the_canvas_shows_the_photo_made_small(tmp_path):
    Image.new("RGB", (2 * CANVAS_SIDE, CANVAS_SIDE)).save(tmp_path / "large.png")
    shown = show_canvas(str(tmp_path / "large.png"))
    assert shown["background"].size == (CANVAS_SIDE, CANVAS_SIDE // 2) and shown["layers"] == []
    assert show_canvas(None)["background"] is None


def test_the_canvas_hands_over_files_and_keeps_nothing_in_memory():
    editor = canvas("Paint", "canvas")
    payload = EditorData(background=FileData(path="photo.png"), layers=[FileData(path="layer.png")])
    assert editor.preprocess(payload) == uploaded_layers(payload) == ["layer.png"]
    assert uploaded_layers(None) is None
    assert not getattr(editor.accept_blobs, "_is_server_fn", False)
