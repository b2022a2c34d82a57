import gradio as gr
import pytest
import torch
from PIL import Image

from styleadapt import StyleAdapter
from styleadapt.ui.adapt_tab import IDLE, AdaptEvents, free, health_list, opening_text
from styleadapt.ui.examples import adapt_example, example_images
from styleadapt.ui.studio import Studio


@pytest.fixture
def events(studio, visitors) -> AdaptEvents:
    return AdaptEvents(studio, visitors)


def test_an_adaptation_starts_with_zero_shot_and_ends_with_an_adapter(events, photo, styles, visitor):
    first, *_, last = events.adapt(photo, styles, 60, visitor)
    _, zero_shot, after, _, same = first
    assert isinstance(zero_shot, Image.Image) and after is None and same is visitor
    text, zero_shot, after, file, _ = last
    assert "ready" in text and "0.41 → 0.30" in text
    assert "<li>Style gained: good. The results are 27% nearer" in text
    assert zero_shot.size == after.size == (300, 200)
    assert file["value"] == visitor.adapter_file and file["interactive"]
    assert visitor.has_adapter and not visitor.stop()


def test_a_bad_figure_comes_with_what_can_be_done_on_the_page():
    style, content = {"style_before": 0.4, "style_after": 0.4}, {"content_before": 0.5, "content_after": 1.0}
    text = health_list({**style, **content, "memorization": 0.6})
    assert text.count("<li>") == text.count(": bad.") == 3
    assert "more seconds" in text and "Lower the strength" in text and "Add more images" in text


def test_good_figures_come_without_suggestions():
    style, content = {"style_before": 0.4, "style_after": 0.3}, {"content_before": 0.5, "content_after": 0.5}
    text = health_list({**style, **content, "memorization": 0.0})
    assert text.count(": good.") == 3
    assert "more seconds" not in text and "Lower the strength" not in text and "Add more images" not in text


def test_stop_ends_the_run_and_keeps_the_best_state(events, pipeline, photo, styles, visitor):
    pipeline.steps = 1_000_000
    events.prepare(visitor)
    run = events.adapt(photo, styles, 60, visitor)
    next(run)
    assert "Stopping" in events.stop(visitor)
    *_, (text, *_) = run
    assert "ready" in text
    assert visitor.has_adapter


def test_a_run_stopped_in_the_queue_does_not_begin(events, photo, styles, visitor):
    events.prepare(visitor)
    events.stop(visitor)
    [(text, *_)] = events.adapt(photo, styles, 60, visitor)
    assert "before it began" in text
    assert not visitor.has_adapter
    assert "nothing to stop" in events.stop(visitor)


def test_the_budget_is_clamped_and_the_preview_is_small(events, studio, styles, tmp_path, visitor, monkeypatch):
    seen = []
    monkeypatch.setattr(studio, "adapt", lambda paintings, photo, seconds, *_: seen.append((photo.size, seconds)) or [])
    path = tmp_path / "large.png"
    Image.new("L", (2048, 1024)).save(path)
    list(events.adapt(str(path), styles, 86_400, visitor))
    assert seen == [((512, 256), 300)]


@pytest.mark.parametrize("missing", ["photo", "styles"])
def test_missing_images_are_asked_for_and_end_the_run(events, photo, styles, visitor, missing):
    given = {"photo": photo, "styles": styles, missing: None}
    events.prepare(visitor)
    with pytest.raises(gr.Error, match="first"):
        list(events.adapt(given["photo"], given["styles"], 60, visitor))
    assert not visitor.stop()


def test_a_saved_adapter_can_be_loaded_again(events, visitors, visitor, photo, styles, tmp_path):
    list(events.adapt(photo, styles, 60, visitor))
    file = tmp_path / "saved.safetensors"
    file.write_bytes(visitor.adapter_file.read_bytes())
    text, download, later = events.load_adapter(str(file), visitors.open())
    assert "loaded" in text and "<li>Style gained: good. The results are 27% nearer" in text
    assert later.adapter_file.read_bytes() == file.read_bytes()
    assert download["value"] == later.adapter_file


@pytest.mark.parametrize(("content", "message"), [(b"junk", "not a readable safetensors file"), (bytes(3_000_000), "too large")])
def test_a_bad_adapter_is_refused_and_the_old_one_stays(events, visitor, tmp_path, content, message):
    visitor.adapter_file.write_text('{"color": [1, 2, 3]}')
    file = tmp_path / "bad.safetensors"
    file.write_bytes(content)
    with pytest.raises(gr.Error, match=message) as caught:
        events.load_adapter(str(file), visitor)
    assert str(tmp_path) not in caught.value.message
    assert visitor.adapter_file.read_text() == '{"color": [1, 2, 3]}'


def save_adapter(file, base, code=0.0):
    code = torch.full((1, 16), code)
    return StyleAdapter(deltas={}, code=code, start_code=code, base=base).save(file)


def save_for_another_base(file, base):
    save_adapter(file, base="another")


def save_with_nan(file, base):
    save_adapter(file, base, code=float("nan"))


def save_truncated(file, base):
    save_adapter(file, base)
    file.write_bytes(file.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (save_for_another_base, "made for the base another .* the pipeline holds {base}"),
        (save_with_nan, "file.safetensors holds values that are not finite in `code`"),
        (save_truncated, "file.safetensors is not a readable safetensors file"),
    ],
)
def test_the_real_pipeline_refuses_a_bad_adapter_and_stays_as_it_was(tiny_pipe, visitors, visitor, tmp_path, save, message):
    studio, file = Studio(lambda: tiny_pipe), tmp_path / "file.safetensors"
    save(file, tiny_pipe.fingerprint)
    with pytest.raises(gr.Error, match=message.format(base=tiny_pipe.fingerprint)) as caught:
        AdaptEvents(studio, visitors).load_adapter(str(file), visitor)
    assert str(tmp_path) not in caught.value.message and "\n" not in caught.value.message
    assert not visitor.has_adapter and studio.pipeline.get_active_adapters() == []


def test_the_real_pipeline_takes_an_adapter_of_its_own(tiny_pipe, visitors, visitor, tmp_path):
    file = save_adapter(tmp_path / "file.safetensors", tiny_pipe.fingerprint)
    text, _, _ = AdaptEvents(Studio(lambda: tiny_pipe), visitors).load_adapter(str(file), visitor)
    assert "loaded" in text and "<ul>" not in text and visitor.has_adapter


def test_no_file_is_asked_for(events, visitor):
    with pytest.raises(gr.Error, match="Choose an adapter"):
        events.load_adapter(None, visitor)


def test_use_is_offered_only_with_an_adapter(visitor):
    assert [update["interactive"] for update in free(visitor)] == [True, False, False]
    visitor.adapter_file.write_bytes(b"weights")
    assert [update["interactive"] for update in free(visitor)] == [True, False, True]
    assert not free(None)[2]["interactive"]


def test_the_packaged_example_is_of_the_first_packaged_images_and_small():
    example = adapt_example()
    assert (example.photo, example.style) == (example_images("photos")[0].stem, example_images("styles")[0].stem)
    assert example.scores["style_after"] < example.scores["style_before"]
    before, after = Image.open(example.before), Image.open(example.after)
    assert before.size == after.size and before.tobytes() != after.tobytes()
    assert example.before.stat().st_size + example.after.stat().st_size < 300_000
    assert "An example" in opening_text(example) and "Style gained" in opening_text(example)


def test_a_package_without_the_example_opens_the_tab_without_it(tmp_path):
    assert adapt_example(tmp_path) is None
    assert opening_text(None) == IDLE
