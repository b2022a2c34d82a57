import copy
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from styleadapt import StyleAdapter, StyleTransferPipeline
from styleadapt.ui import studio as studio_module
from styleadapt.ui.limits import MAX_WORK_SIDE, STRIP_SIDE
from styleadapt.ui.studio import Look, Studio

PHOTO = Image.new("RGB", (30, 20), "white")


def test_the_packaged_weights_are_loaded(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # leaves the number of threads as it is
    assert isinstance(studio_module.load_packaged(), StyleTransferPipeline)


def test_the_adapters_weight_reaches_the_pipeline(studio, tmp_path):
    file = tmp_path / "adapter"
    file.write_text('{"color": [0, 0, 200]}')
    assert studio.stylize(PHOTO, Look(adapter_file=file, adapter_weight=0.5)).getpixel((0, 0)) == (127, 127, 177)
    assert studio.pipeline.color is None


def test_shares_and_blend_reach_the_pipeline(studio, tmp_path):
    file = tmp_path / "adapter"
    file.write_text('{"color": [0, 0, 200]}')
    red, black = Image.new("RGB", (8, 8), (200, 0, 0)), Image.new("RGB", (8, 8))
    assert studio.stylize(PHOTO, Look([red, black], [3, 1])).getpixel((0, 0)) == (202, 127, 127)
    assert studio.stylize(PHOTO, Look([red], None, file, 1.0, 0.25)).getpixel((0, 0)) == (202, 127, 152)


def test_a_strip_shows_the_photo_made_small_from_itself_to_the_full_style(studio):
    strip = studio.strip(Image.new("RGB", (2 * STRIP_SIDE, 100), "white"), Look([Image.new("RGB", (8, 8))]), False)
    assert strip.size == (5 * STRIP_SIDE, 50)
    assert [strip.getpixel((n * STRIP_SIDE, 0))[0] for n in range(5)] == [255, 223, 191, 159, 127]


def test_regions_take_one_style_each_and_the_last_style_takes_the_rest(studio):
    red, black = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8))
    left = Image.new("L", PHOTO.size)
    left.paste(255, (0, 0, 15, 20))
    one = studio.regions(PHOTO, [red], [left], 0, 1.0, False)
    assert (one.getpixel((0, 0)), one.getpixel((29, 0))) == ((255, 127, 127), (255, 255, 255))
    two = studio.regions(PHOTO, [red, black], [left], 0, 1.0, False)
    assert (two.getpixel((0, 0)), two.getpixel((29, 0))) == ((255, 127, 127), (127, 127, 127))


def test_the_real_pipeline_understands_all_that_the_page_offers(tiny_pipe, painting, tmp_path):
    studio, photo, size = Studio(lambda: tiny_pipe), PHOTO.resize((72, 40)), (72, 40)
    code = torch.zeros(1, 16)
    file = StyleAdapter(deltas={}, code=code, start_code=code, base=tiny_pipe.fingerprint).save(tmp_path / "a.safetensors")
    look = Look([painting, photo], [3, 1], file, 0.8, 0.5)
    assert studio.stylize(photo, look, 0.5, True).size == size
    assert studio.strip(photo, look, False).width > 4 * size[0]
    assert studio.regions(photo, [painting, photo], [Image.new("L", size, 100)], 0.02, 1.0, False).size == size


def test_only_an_adapter_makes_a_copy_of_the_generator(tiny_pipe, painting, tmp_path, monkeypatch):
    copies, clone = [], StyleTransferPipeline.clone
    monkeypatch.setattr(StyleTransferPipeline, "clone", lambda self: copies.append(self) or clone(self))
    monkeypatch.setattr(copy, "deepcopy", lambda *a, **k: pytest.fail("a copy was made"))
    studio, photo = Studio(lambda: tiny_pipe), PHOTO.resize((72, 40))
    before = {key: value.clone() for key, value in tiny_pipe.generator.state_dict().items()}
    first = studio.stylize(photo, Look([painting]))
    studio.strip(photo, Look([painting]), False)
    studio.regions(photo, [painting, photo], [Image.new("L", photo.size, 100)], 0.02, 1.0, False)
    studio.first_look(photo, painting)
    photo.save(tmp_path / "photo.png")
    list(studio.batch([tmp_path / "photo.png"], [painting], None, 1.0, False, tmp_path / "all.zip", tmp_path / "stop"))
    monkeypatch.undo()
    monkeypatch.setattr(StyleTransferPipeline, "clone", lambda self: copies.append(self) or clone(self))
    code = torch.randn(1, 16)
    adapter = StyleAdapter({}, code, code, tiny_pipe.fingerprint).save(tmp_path / "a.safetensors")
    studio.check_adapter(adapter)
    assert not copies
    studio.stylize(photo, Look(adapter_file=adapter))
    assert copies == [tiny_pipe] and not tiny_pipe.get_active_adapters()
    assert all(torch.equal(value, before[key]) for key, value in tiny_pipe.generator.state_dict().items())
    assert studio.stylize(photo, Look([painting])) == first


def test_an_adapters_scores_are_read_from_its_file(tiny_pipe, tmp_path):
    code = torch.zeros(1, 16)
    scores = {"style_before": 0.4, "style_after": 0.3}
    adapter = StyleAdapter(deltas={}, code=code, start_code=code, base=tiny_pipe.fingerprint, scores=scores)
    assert Studio(lambda: tiny_pipe).check_adapter(adapter.save(tmp_path / "a.safetensors")) == scores


def test_the_time_on_a_borrowed_gpu_follows_the_work(pipeline, monkeypatch):
    asked = []
    monkeypatch.setattr(studio_module, "on_gpu", lambda function, duration: asked.append((function.__name__, duration)))
    Studio(lambda: pipeline)
    durations = dict(asked)
    small, large = Image.new("RGB", (100, 100)), Image.new("RGB", (6000, 4000))
    assert durations["_stylize"](small, Look([small])) < durations["_stylize"](large, Look([small]))
    assert durations["_regions"](large, [small], [small]) < durations["_regions"](large, [small, small], [small])
    assert durations["_adapt"]([small], small, 60, "adapter", "stop") > 60
    assert durations["_batch"]([1]) < durations["_batch"]([1] * 20)
    assert durations["_video"](1, 2, 3, 4, 5, 6, 256, 8, 9) < durations["_video"](1, 2, 3, 4, 5, 6, 1024, 8, 9)


def test_a_foreign_file_is_not_an_adapter(studio, tmp_path):
    file = tmp_path / "adapter"
    file.write_text("junk")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        studio.check_adapter(Path(file))


def test_large_photos_are_worked_at_a_bounded_size(studio, pipeline, monkeypatch):
    seen = []

    def paint(self, photo, max_size=None, **options):
        seen.append(max_size)
        return SimpleNamespace(images=[photo])

    monkeypatch.setattr(type(pipeline), "__call__", paint)
    studio.stylize(PHOTO, Look([PHOTO]))
    studio.first_look(PHOTO, PHOTO)
    assert seen == [MAX_WORK_SIDE, MAX_WORK_SIDE]


def test_the_pipeline_loads_while_the_server_starts(pipeline):
    may_load = threading.Event()
    studio = Studio(lambda: may_load.wait(10) and pipeline)
    may_load.set()
    assert studio.pipeline is pipeline


def test_a_failure_to_load_is_raised_at_every_use():
    studio = Studio(lambda: (_ for _ in ()).throw(OSError("no weights")))
    for _ in range(2):
        with pytest.raises(OSError, match="no weights"):
            studio.stylize(PHOTO, Look([PHOTO]))


def test_a_process_that_forks_has_loaded_before_in_the_main_thread(pipeline, monkeypatch):
    monkeypatch.setattr(studio_module, "FORKS", True)
    threads = []
    Studio(lambda: threads.append(threading.current_thread()) or pipeline)
    assert threads == [threading.main_thread()]


@pytest.mark.parametrize("forks", [False, True])
@pytest.mark.parametrize(("available", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_pipeline_is_on_the_gpu_where_there_is_one(pipeline, monkeypatch, forks, available, device):
    monkeypatch.setattr(studio_module, "FORKS", forks)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    studio = Studio(lambda: pipeline)
    assert studio.pipeline is pipeline and pipeline.device == device


def test_calls_that_borrow_no_gpu_stay_on_the_cpu(pipeline, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    paint, check_adapter, devices = type(pipeline).__call__, type(pipeline).check_adapter, []
    monkeypatch.setattr(type(pipeline), "__call__", lambda self, *a, **k: devices.append(self.device) or paint(self, *a, **k))
    monkeypatch.setattr(
        type(pipeline), "check_adapter", lambda self, *a, **k: devices.append(self.device) or check_adapter(self, *a, **k)
    )
    studio = Studio(lambda: pipeline)
    code = torch.zeros(1, 3)
    file = StyleAdapter(deltas={}, code=code, start_code=code, base="fake").save(tmp_path / "adapter.safetensors")
    studio.first_look(PHOTO, PHOTO)
    studio.check_adapter(file)
    studio.stylize(PHOTO, Look([PHOTO]))
    assert devices == ["cpu", "cpu", "cuda"]


def test_the_real_pipeline_has_a_twin_on_the_cpu(tiny_pipe, monkeypatch):
    """Placed on "meta" in the place of a GPU: what the twin shared would have no values left."""
    monkeypatch.setattr(studio_module, "usable_device", lambda: torch.device("meta"))
    studio = Studio(lambda: tiny_pipe)
    assert studio.pipeline.device.type == "meta"
    assert studio.first_look(PHOTO, PHOTO).size == PHOTO.size
