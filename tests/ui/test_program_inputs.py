import gradio as gr
import pytest

from styleadapt.ui.program_inputs import serve_programs

FILE = {"path": "cat.jpg", "meta": {"_type": "gradio.FileData"}}


def paint(image, styles, files, strength, note):
    """Paint.

    Parameters:
        image: The photo.
        styles: The styles.
        files: Any files.
        strength: How much.
    """


@pytest.fixture
def inputs():
    """The inputs of `paint` and its description in the API."""
    with gr.Blocks() as app:
        components = [
            gr.Image(label="Photo", type="filepath"),
            gr.Gallery(label="Styles"),
            gr.File(label="Files", file_count="multiple"),
            gr.Slider(0, 1, label="Strength"),
        ]
        gr.Button().click(paint, [*components, gr.State()], None, api_name="paint")
        serve_programs(app)
    return components, app.get_api_info()["named_endpoints"]["/paint"]["parameters"]


def test_the_page_for_programs_says_what_each_input_means(inputs):
    _, parameters = inputs
    meanings = [parameter["python_type"]["description"] for parameter in parameters]
    assert meanings == ["The photo.", "The styles.", "Any files.", "How much."]


@pytest.mark.parametrize("payload", [FILE, [FILE], [{"image": FILE}]])
def test_one_file_is_a_list_of_one_style(inputs, payload):
    styles = inputs[0][1]
    read = styles.data_model.model_validate(payload, context={"validate_meta": True})
    assert [item.image.path for item in read.root] == ["cat.jpg"]


@pytest.mark.parametrize("payload", [FILE, [FILE]])
def test_one_file_is_a_list_of_one_file(inputs, payload):
    files = inputs[0][2]
    assert [file.path for file in files.data_model.model_validate(payload).root] == ["cat.jpg"]


@pytest.mark.parametrize(
    ("number", "payload", "answer"),
    [(0, "cat.jpg", "Photo: send an image file"), (1, "cat.jpg", "Styles: send a list"), (2, 7, "Files: send a list of files")],
)
def test_what_is_no_file_is_answered_in_plain_words(inputs, number, payload, answer):
    with pytest.raises(gr.Error, match=answer):
        inputs[0][number].data_model.model_validate(payload)


def test_numbers_may_be_text_or_missing_and_nothing_else(inputs):
    strength = inputs[0][3]
    assert strength.preprocess("0.5") == 0.5 and strength.preprocess(None) is None
    with pytest.raises(gr.Error, match="Strength: send a number, not str"):
        strength.preprocess("much")
    with pytest.raises(gr.Error, match="Strength: send a number, not list"):
        strength.preprocess([1])
    with pytest.raises(gr.Error, match="greater than maximum"):
        strength.preprocess(7)
