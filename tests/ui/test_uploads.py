import json

import gradio as gr
import pytest
from PIL import Image

from styleadapt.ui import uploads
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.uploads import fit, photo_input, read_photo, read_styles, styles_input


def test_a_bad_upload_is_answered_with_one_line_and_no_server_path(tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"not an image")
    payload = gr.data_classes.ImageData(path=str(path), orig_name="holiday.jpg")
    assert photo_input("Photo", "photo").preprocess(payload) == str(path)
    with pytest.raises(gr.Error) as caught, plain_errors():
        read_photo(str(path))
    assert "holiday.jpg" in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert "\n" not in caught.value.message


def test_an_image_sent_inside_the_request_is_refused():
    with pytest.raises(gr.Error, match="as a file"):
        photo_input("Photo", "photo").preprocess(gr.data_classes.ImageData(url="data:image/png;base64,AAAA"))


def test_missing_uploads_are_asked_for():
    with pytest.raises(gr.Error, match="photo"):
        read_photo(None)
    with pytest.raises(gr.Error, match="style image"):
        read_styles([])


def test_too_many_styles_are_refused(styles):
    with pytest.raises(gr.Error, match="up to 8"):
        read_styles(styles * 9)


def test_too_many_pixels_are_refused_without_advice_for_programmers(photo, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_PIXELS", 1000)
    with pytest.raises(gr.Error) as caught, plain_errors():
        read_photo(photo)
    assert caught.value.message.startswith("photo.png has 300 x 200")
    assert "load_image" not in caught.value.message


@pytest.mark.parametrize(("size", "fitted"), [((300, 200), (100, 67)), ((50, 20), (50, 20)), ((5000, 1), (100, 1))])
def test_fit(size, fitted):
    assert fit(Image.new("RGB", size), 100).size == fitted


def test_the_schema_of_style_images_describes_what_the_server_takes():
    schema = styles_input("Styles", "styles").api_info_as_input()
    assert "$ref" not in json.dumps(schema)
    payload = [{"image": {"path": "https://example.org/a.png", "meta": {"_type": "gradio.FileData"}}}]
    assert schema["items"]["required"] == ["image"] and schema["items"]["properties"]["image"]["required"] == ["path", "meta"]
    assert gr.Gallery.data_model(root=payload).root[0].image.path == "https://example.org/a.png"
