import gradio as gr
import pytest
from PIL import Image, ImageDraw

from styleadapt.ui import uploads
from styleadapt.ui.regions_tab import RegionsEvents, read_painted


@pytest.fixture
def events(studio, visitors) -> RegionsEvents:
    return RegionsEvents(studio, visitors)


@pytest.fixture
def red(tmp_path) -> str:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


@pytest.fixture
def black(tmp_path) -> str:
    Image.new("RGB", (8, 8)).save(tmp_path / "black.png")
    return str(tmp_path / "black.png")


@pytest.fixture
def white_photo(tmp_path) -> str:
    Image.new("RGB", (60, 40), "white").save(tmp_path / "white.png")
    return str(tmp_path / "white.png")


@pytest.fixture
def left_mask(tmp_path) -> str:
    """White on its left half."""
    mask = Image.new("L", (30, 20))
    mask.paste(255, (0, 0, 15, 20))
    mask.save(tmp_path / "mask.png")
    return str(tmp_path / "mask.png")


def save_layer(path, box) -> str:
    """A transparent layer, half opaque in `box`."""
    layer = Image.new("RGBA", (30, 20))
    ImageDraw.Draw(layer).rectangle(box, (225, 29, 143, 128))
    layer.save(path)
    return str(path)


def test_the_region_takes_one_style_and_the_rest_stays_the_photo(events, white_photo, left_mask, red, visitor):
    (before, after), download, note, same = events.regions(white_photo, left_mask, red, 0, 1.0, False, None, visitor)
    assert same is visitor and "60 × 40 px" in note
    assert before.getpixel((5, 5)) == after.getpixel((55, 5)) == (255, 255, 255)
    assert after.getpixel((5, 5)) == (255, 127, 127)
    assert download["interactive"] and Image.open(download["value"]).tobytes() == after.tobytes()


def test_the_rest_may_take_another_style(events, white_photo, left_mask, red, black, visitor):
    (_, after), *_ = events.regions(white_photo, left_mask, red, 0, 1.0, False, black, visitor)
    assert (after.getpixel((5, 5)), after.getpixel((55, 5))) == ((255, 127, 127), (127, 127, 127))


def test_a_painted_region_serves_and_an_image_of_it_goes_first(events, white_photo, left_mask, red, tmp_path, visitor):
    layer = save_layer(tmp_path / "layer.png", (15, 0, 29, 19))
    (_, after), *_ = events.painted_regions(white_photo, [layer], None, red, 0, 1.0, False, None, visitor)
    assert (after.getpixel((5, 5)), after.getpixel((55, 5))) == ((255, 255, 255), (255, 127, 127))
    (_, after), *_ = events.painted_regions(white_photo, [layer], left_mask, red, 0, 1.0, False, None, visitor)
    assert (after.getpixel((5, 5)), after.getpixel((55, 5))) == ((255, 127, 127), (255, 255, 255))


def test_settings_are_clamped(events, studio, white_photo, left_mask, red, visitor, monkeypatch):
    seen = []
    monkeypatch.setattr(studio, "regions", lambda photo, styles, masks, *settings: seen.append(settings) or photo)
    events.regions(white_photo, left_mask, red, 7, None, None, None, visitor)
    events.regions(white_photo, left_mask, red, 0, 1, False, None, visitor, "0.02")
    assert seen == [(0.1, 1, False, "auto"), (0, 1, False, 0.02)]


def test_layers_are_read_as_one_region_whatever_their_opacity(tmp_path):
    layers = [save_layer(tmp_path / "a.png", (0, 0, 4, 4)), save_layer(tmp_path / "b.png", (10, 10, 14, 14))]
    region = read_painted(layers)
    assert [region.getpixel(at) for at in ((2, 2), (12, 12), (20, 2))] == [255, 255, 0]


@pytest.mark.parametrize("layers", [None, [], "empty"])
def test_nothing_painted_is_asked_for(tmp_path, layers):
    if layers == "empty":
        Image.new("RGBA", (30, 20)).save(tmp_path / "empty.png")
        layers = [str(tmp_path / "empty.png")]
    with pytest.raises(gr.Error, match="Paint on the photo"):
        read_painted(layers)


@pytest.mark.parametrize(
    ("missing", "message"), [("photo", "Choose a photo"), ("inside", "for the inside"), ("mask", "Paint on")]
)
def test_what_is_missing_is_asked_for(events, white_photo, left_mask, red, visitor, missing, message):
    given = {"photo": white_photo, "mask": left_mask, "inside": red, missing: None}
    with pytest.raises(gr.Error, match=message):
        events.regions(given["photo"], given["mask"], given["inside"], 0, 1.0, False, None, visitor)


def test_bad_and_oversize_layers_are_refused_in_one_line(events, white_photo, red, tmp_path, visitor, monkeypatch):
    bad = tmp_path / "layer.png"
    bad.write_bytes(b"not an image")
    with pytest.raises(gr.Error, match="layer.png is not an image") as caught:
        events.painted_regions(white_photo, [str(bad)], None, red, 0, 1.0, False, None, visitor)
    assert str(tmp_path) not in caught.value.message
    monkeypatch.setattr(uploads, "MAX_PIXELS", 100)
    with pytest.raises(gr.Error, match="30 x 20"):
        events.painted_regions(red, [save_layer(bad, (0, 0, 4, 4))], None, red, 0, 1.0, False, None, visitor)
