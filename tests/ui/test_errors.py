import gradio as gr
import pytest

from styleadapt.ui.errors import one_line, plain_errors


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("strength: 3 is more than 1", "strength: 3 is more than 1"),
        ("/tmp/gradio/3f/cat.jpg is not an image", "cat.jpg is not an image"),
        ("cannot read '/srv/a b/cat.jpg'", "cannot read 'cat.jpg'"),
        ("C:\\Users\\me\\cat.jpg is not an image", "cat.jpg is not an image"),
        ("first line\nTraceback: second", "first line"),
        ("a ratio of 1/2 or https://huggingface.co/docs", "a ratio of 1/2 or https://huggingface.co/docs"),
        ("", "The work could not be done."),
    ],
)
def test_one_line_without_server_paths(message, shown):
    assert one_line(message) == shown


def test_a_library_error_is_shown_as_it_is():
    with pytest.raises(gr.Error) as caught, plain_errors():
        raise ValueError("/cache/x/cat.jpg: not <an> image")
    assert caught.value.message == "cat.jpg: not &lt;an&gt; image"


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("secret /srv"), OSError(28, "No space left", "/srv/secret"), MemoryError("secret"), KeyError("secret")],
)
def test_an_unexpected_failure_tells_no_detail(failure):
    with pytest.raises(gr.Error) as caught, plain_errors():
        raise failure
    assert "secret" not in caught.value.message
    assert "srv" not in caught.value.message
    assert "\n" not in caught.value.message


def test_an_error_made_for_the_visitor_passes_through():
    error = gr.Error("Choose a photo first.")
    with pytest.raises(gr.Error) as caught, plain_errors():
        raise error
    assert caught.value is error
