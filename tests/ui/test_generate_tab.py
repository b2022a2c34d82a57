import gradio as gr
import numpy as np
import pytest
from PIL import Image

from styleadapt import GenerationPipeline, GeneratorAdapter
from styleadapt.pipelines.picture_sheets import picture_grid, repeated
from styleadapt.ui.generate_tab import ABSENT, GenerateEvents, read_seed
from styleadapt.ui.studio import Studio
from styleadapt.video.reading import Picture, VideoReader

from ..conftest import stripes
from ..tiny_generation import tiny_generation


@pytest.fixture(scope="module")
def shared() -> GenerationPipeline:
    return tiny_generation()


@pytest.fixture
def events(pipeline, shared, visitors) -> GenerateEvents:
    return GenerateEvents(Studio(lambda: pipeline, load_generation=lambda: shared), visitors)


@pytest.fixture
def classy(pipeline, visitors) -> GenerateEvents:
    return GenerateEvents(Studio(lambda: pipeline, load_generation=lambda: tiny_generation(2)), visitors)


@pytest.fixture
def domain(tmp_path) -> list[tuple[str, None]]:
    stripes(32).save(tmp_path / "stripes.png")
    return [(str(tmp_path / "stripes.png"), None)]


@pytest.fixture
def adapter(tmp_path) -> str:
    return str(tiny_generation().adapt(stripes(16), steps=1).save(tmp_path / "adapter.safetensors"))


def same(a, b) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_pictures_are_those_of_the_pipeline(events, shared, visitor):
    pictures, tiles, download, note, same_visitor = events.generate(5, 3, 0.9, visitor=visitor)
    expected = shared(3, 5, 0.9).images
    assert all(same(*pair) for pair in zip(pictures, expected)) and tiles is None
    assert same(Image.open(download["value"]), picture_grid(expected))
    assert note == "3 pictures of 16 × 16 px" and same_visitor is visitor


def test_tileable_pictures_are_shown_repeated(events, shared, visitor):
    pictures, tiles, *_ = events.generate(1, 1, tileable=True, visitor=visitor)
    assert same(pictures[0], shared(1, 1, tileable=True).images[0]) and same(tiles, repeated(pictures[0]))


def test_mixing_shows_both_and_what_comes_out(events, shared, visitor):
    (first, mixed, second), _, download, *_ = events.mix(1, 2, 0.5, visitor=visitor)
    assert same(first, shared(1, 1).images[0]) and same(second, shared(1, 2).images[0])
    assert same(mixed, shared.mix(1, 2, crossover=3).images[0])
    assert Image.open(download["value"]).size == (48, 16)


def test_the_tab_opens_with_pictures_once(events, shared, visitor):
    pictures = events.open(None, 3, 2, 0.7, "any", False, 0.0, visitor)[0]
    assert len(pictures) == 2 and same(pictures[1], shared(2, 3).images[1])
    assert events.open([("shown.png", None)], 3, 2) == [gr.skip()] * 5


def test_a_clip_goes_from_one_to_the_other(events, visitor):
    file, _ = events.interpolate(1, 2, 5, visitor=visitor)
    with VideoReader(file) as clip:
        assert clip.size == (16, 16) and sum(isinstance(item, Picture) for item in clip) == 5
    assert len(list(visitor.folder.glob("*.mp4"))) == 1
    visitor.leave()
    assert not file.exists()


def test_classes_are_offered_and_taken(events, classy, visitor):
    label, note, run = classy.describe()
    assert label["choices"] == ["any", "c0", "c1"] and label["visible"] and run["interactive"]
    assert note == gr.skip()
    assert not events.describe()[0]["visible"]
    by_name, *by_number = (classy.generate(0, 1, label=label, visitor=visitor)[0][0] for label in ("c1", "1", 1))
    assert all(same(by_name, picture) for picture in by_number)
    first = classy.generate(0, 1, label="c0", visitor=visitor)[0][0]
    assert not same(by_name, first) and same(first, classy.generate(0, 1, label=0, visitor=visitor)[0][0])


def test_limits_are_kept(events, visitor):
    assert len(events.generate(0, 10**6, visitor=visitor)[0]) == 16
    assert len(events.generate(0, -5, float("nan"), visitor=visitor)[0]) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda events: events.generate(-1), "the seed is -1"),
        (lambda events: events.generate(None), "the seed is None"),
        (lambda events: events.generate(0.5), "the seed is 0.5"),
        (lambda events: events.generate(0, label="oak"), "knows no classes"),
        (lambda events: list(events.adapt_generator(None, 10, 0, None)), "Choose at least one image"),
        (lambda events: list(events.adapt_generator([("a", None)] * 31, 10, 0, None)), "31 images are too many"),
        (lambda events: events.load_generator_adapter(None, None), "Choose an adapter file"),
        (lambda events: events.load_generator_adapter(__file__, None), "not a readable safetensors file"),
    ],
)
def test_what_cannot_be_done_is_answered_in_one_line(events, call, message):
    with pytest.raises(gr.Error, match=message) as caught:
        call(events)
    assert "\n" not in caught.value.message


def test_a_server_without_the_weights_says_so(pipeline, visitors, visitor, monkeypatch, tmp_path):
    from styleadapt.pipelines import generation

    monkeypatch.setattr(generation.resources, "files", lambda package: tmp_path)
    events = GenerateEvents(Studio(lambda: pipeline), visitors)
    label, note, run = events.describe()
    assert note == ABSENT and not run["interactive"] and not label["visible"]
    with pytest.raises(gr.Error, match="the weights of generation are not installed here"):
        events.generate(0, visitor=visitor)
    assert events.open(None, 0) == [gr.skip()] * 5


def test_an_adaptation_is_watched_stopped_kept_and_used(events, shared, domain, visitor, monkeypatch):
    from styleadapt.ui import live_domain

    monkeypatch.setattr(live_domain, "SECONDS_BETWEEN_REPORTS", 0)
    monkeypatch.setattr(live_domain, "SECONDS_BETWEEN_PREVIEWS", 0)
    before = events.generate(0, 1, visitor=visitor)[0][0]
    events.prepare(visitor)
    shown = []
    for text, preview, *rest in events.adapt_generator(domain, 300, 0, visitor):
        shown.append((text, preview, rest))
        # ticks of the clock come before the first step
        if isinstance(preview, list):
            events.stop(visitor)
    assert any("Step 1," in text for text, *_ in shown)
    text, preview, (download, weight, _) = shown[-1]
    assert "The generator has learned" in text and "variety" in text and len(preview) == 6 and weight == 1
    assert GeneratorAdapter.load(download["value"]).images == 1
    assert not shared.get_active_adapters()
    assert same(before, events.generate(0, 1, visitor=visitor)[0][0])
    assert not same(before, events.generate(0, 1, adapter_weight=2, visitor=visitor)[0][0])


def test_a_saved_adapter_is_loaded_again_and_one_of_another_generator_refused(events, adapter, visitor, pipeline, visitors):
    before = events.generate(0, 1, visitor=visitor)[0][0]
    text, download, weight, _ = events.load_generator_adapter(adapter, visitor)
    assert "loaded" in text and weight == 1 and download["value"] == visitor.domain_file
    assert not same(before, events.generate(0, 1, adapter_weight=2, visitor=visitor)[0][0])
    other = GenerateEvents(Studio(lambda: pipeline, load_generation=lambda: tiny_generation(2)), visitors)
    with pytest.raises(gr.Error, match="was made for the base"):
        other.load_generator_adapter(adapter, visitor)


def test_what_waits_can_be_stopped_before_it_began(events, domain, visitor):
    events.prepare(visitor)
    events.stop(visitor)
    [(text, *_)] = events.adapt_generator(domain, 10, 0, visitor)
    assert "Stopped before it began" in text


def test_seeds_are_whole_numbers():
    assert read_seed(7) == read_seed(7.0) == 7
