import gradio as gr
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw

from styleadapt.pipelines.picture_files import save_picture
from styleadapt.pipelines.pictures import read_picture
from styleadapt.ui.progress import status
from styleadapt.ui.restore_tab import TASKS, RestoreEvents, read_level, show_task
from styleadapt.ui.studio import Studio

SIZE = (60, 40)


@pytest.fixture(scope="module")
def shared():
    """One pipeline for the tests of this file."""
    from ..tiny_restoration import tiny_restoration

    return tiny_restoration()


@pytest.fixture
def events(pipeline, shared, visitors) -> RestoreEvents:
    return RestoreEvents(Studio(lambda: pipeline, lambda: shared), visitors)


@pytest.fixture
def old_photo(tmp_path) -> str:
    """A JPEG that says who took it, and where."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({ExifTags.GPS.GPSLatitudeRef: "N"})
    Image.linear_gradient("L").resize(SIZE).convert("RGB").save(tmp_path / "old.jpg", exif=exif)
    return str(tmp_path / "old.jpg")


@pytest.fixture
def mask(tmp_path) -> str:
    """White in its middle."""
    image = Image.new("L", SIZE)
    image.paste(255, (20, 10, 40, 30))
    image.save(tmp_path / "mask.png")
    return str(tmp_path / "mask.png")


def arrays(*images) -> list[np.ndarray]:
    return [np.asarray(image).astype(int) for image in images]


@pytest.mark.parametrize(
    ("task", "level", "said"),
    [
        ("auto", "auto", "noise 25.5, JPEG quality 50, blur 1.6 px"),
        ("denoise", "25", "noise 25"),
        ("jpeg", None, "JPEG quality 50"),
        ("deblur", "2", "blur 2 px"),
    ],
)
def test_a_photo_is_restored_and_the_assumed_damage_is_said(events, old_photo, visitor, task, level, said):
    (before, after), download, note, same = events.restore(old_photo, task, level, 1.0, None, None, visitor)
    assert same is visitor and note.startswith("60 × 40 px in ") and said in note
    assert before.size == after.size == SIZE and not np.array_equal(*arrays(before, after))
    assert download["interactive"] and Image.open(download["value"]).size == SIZE


def test_the_download_is_of_the_photos_kind_and_says_what_it_said_but_where(events, old_photo, photo, visitor):
    _, download, *_ = events.restore(old_photo, "denoise", "25", 1.0, None, None, visitor)
    assert download["value"].name == "restored.jpg"
    with Image.open(download["value"]) as image:
        assert image.format == "JPEG" and image.getexif()[ExifTags.Base.Artist] == "Ada"
        assert not image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    _, second, *_ = events.restore(photo, "denoise", "25", 1.0, None, None, visitor)
    assert second["value"].name == "restored.png" and not download["value"].exists()


def test_16_bits_and_gray_are_kept(events, tmp_path, visitor):
    save_picture(np.full((40, 60, 3), 30000, np.uint16), tmp_path / "deep.png")
    Image.linear_gradient("L").resize(SIZE).save(tmp_path / "gray.jpg")
    (_, after), download, *_ = events.restore(str(tmp_path / "deep.png"), "denoise", "25", 1.0, None, None, visitor)
    assert after.mode == "RGB" and read_picture(download["value"]).deep
    _, download, *_ = events.restore(str(tmp_path / "gray.jpg"), "denoise", "25", 1.0, None, None, visitor)
    assert Image.open(download["value"]).mode == "L"


def test_only_the_hole_is_filled(events, photo, tmp_path, visitor):
    Image.linear_gradient("L").resize(SIZE).convert("RGB").save(tmp_path / "photo.png")
    image = Image.new("L", SIZE)
    image.paste(255, (20, 10, 40, 30))
    image.save(tmp_path / "hole.png")
    result = events.restore(str(tmp_path / "photo.png"), "inpaint", "auto", 1.0, str(tmp_path / "hole.png"), None, visitor)
    changed = (np.abs(np.subtract(*arrays(*result[0]))) > 0).any(-1)
    assert changed.any() and not changed[:10].any() and not changed[:, :20].any()


def test_a_hole_that_is_painted_on_the_small_photo_fits_the_large_one(events, tmp_path, visitor):
    Image.linear_gradient("L").resize((1000, 600)).convert("RGB").save(tmp_path / "photo.png")
    layer = Image.new("RGBA", (500, 300))
    ImageDraw.Draw(layer).rectangle((200, 100, 299, 199), (225, 29, 143, 128))
    layer.save(tmp_path / "layer.png")
    layers = [str(tmp_path / "layer.png")]
    *_, (_, (before, after), *_) = events.painted_restore(
        str(tmp_path / "photo.png"), layers, "inpaint", "auto", 1.0, None, None, visitor
    )
    rows, columns = np.nonzero((np.abs(np.subtract(*arrays(before, after))) > 0).any(-1))
    assert rows.min() > 195 and rows.max() < 405 and columns.min() > 395 and columns.max() < 605


def test_where_a_photo_is_transparent_is_a_hole(events, tmp_path, visitor):
    image = Image.linear_gradient("L").resize(SIZE).convert("RGB")
    alpha = Image.new("L", SIZE, 255)
    alpha.paste(0, (20, 10, 40, 30))
    image.putalpha(alpha)
    image.save(tmp_path / "torn.png")
    _, download, *_ = events.restore(str(tmp_path / "torn.png"), "inpaint", "auto", 1.0, None, None, visitor)
    assert Image.open(download["value"]).mode == "RGB"


def test_what_belongs_to_a_task_that_is_not_chosen_is_not_used_on_the_page(events, old_photo, mask, visitor):
    plain = events.restore(old_photo, "auto", "auto", 1.0, None, None, visitor)
    layers = ["no such layer"]
    *_, (_, *page) = events.painted_restore(old_photo, layers, "auto", "9999", 1.0, mask, "no such reference", visitor)
    assert np.array_equal(*arrays(plain[0][1], page[0][1]))


def test_fidelity_is_clamped_and_changes_the_picture(events, old_photo, visitor):
    results = [
        events.restore(old_photo, "denoise", "25", fidelity, None, None, visitor)[0][1]
        for fidelity in (1, 7, None, float("nan"), 0)
    ]
    first, *same, other = arrays(*results)
    assert all(np.array_equal(first, array) for array in same) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": None}, "Choose a photo first"),
        ({"task": "inpaint"}, "Paint over what is to be filled"),
        ({"task": "denoise", "level": "lots"}, "the level is 'lots'; give a number, or auto"),
        ({"task": "denoise", "level": "300"}, "up to 255"),
        ({"task": "jpeg", "level": "nan"}, "JPEG quality, from 1 to 100"),
        ({"task": "auto", "level": "25"}, "has no level of its own"),
        ({"task": "sharpen"}, "must be one of denoise"),
        ({"task": "colorize"}, "have no colorizer"),
        ({"task": "denoise", "mask": "mask"}, "is of task 'inpaint'"),
        ({"task": "inpaint", "mask": "photo"}, "make the mask of the photo's size"),
    ],
)
def test_what_does_not_go_together_is_answered_in_one_line(events, old_photo, mask, photo, visitor, given, message):
    files = {"mask": mask, "photo": photo}
    settings = {"image": old_photo, "task": "denoise", "level": "auto", "mask": None, **given}
    settings["mask"] = files.get(settings["mask"])
    with pytest.raises(gr.Error, match=message) as caught:
        events.restore(**settings, fidelity=1.0, visitor=visitor)
    assert "\n" not in caught.value.message


def test_a_full_mask_is_refused_and_an_empty_one_changes_nothing(events, photo, tmp_path, visitor):
    Image.new("L", (300, 200), 255).save(tmp_path / "full.png")
    Image.new("L", (300, 200)).save(tmp_path / "empty.png")
    with pytest.raises(gr.Error, match="covers the whole photo"):
        events.restore(photo, "inpaint", "auto", 1.0, str(tmp_path / "full.png"), None, visitor)
    (before, after), *_ = events.restore(photo, "inpaint", "auto", 1.0, str(tmp_path / "empty.png"), None, visitor)
    assert np.array_equal(*arrays(before, after))


def test_a_server_without_the_weights_says_so(pipeline, visitors, visitor, old_photo, monkeypatch, tmp_path):
    from styleadapt.pipelines import restoration

    monkeypatch.setattr(restoration.resources, "files", lambda package: tmp_path)
    events = RestoreEvents(Studio(lambda: pipeline), visitors)
    with pytest.raises(gr.Error, match="the weights of restoration are not installed here"):
        events.restore(old_photo, "auto", "auto", 1.0, None, None, visitor)


def test_levels_are_read_as_they_are_written():
    assert [read_level(text) for text in (" Auto", "", None, "25", 7)] == ["auto", "auto", "auto", 25, 7]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_shows_what_it_uses(task):
    level, level_column, fidelity, hole, reference = show_task(task)
    assert level["value"] == "auto" and bool(level["info"]) == level_column["visible"] == (task in ("denoise", "jpeg", "deblur"))
    assert fidelity["visible"] == (task != "colorize")
    assert (hole["visible"], reference["visible"]) == (task == "inpaint", task == "colorize")


def test_a_restoration_for_a_program_that_is_stopped_is_an_error_and_later_work_is_not(events, old_photo, visitor, monkeypatch):
    from styleadapt.ui import live_restoration

    settings = (old_photo, "denoise", "25", 1.0, None, None, visitor)
    other = visitor.begin_run("adapt")
    visitor.stop()
    assert events.restore(*settings)[1]["value"].is_file() and other.exists()
    with monkeypatch.context() as patched:
        patched.setattr(live_restoration, "unwanted", lambda stop_file: True)
        with pytest.raises(gr.Error, match="stopped"):
            events.restore(*settings)
    assert visitor.stop()  # what ran before the restoration is still within reach


def test_a_long_restoration_shows_the_time_left_and_can_be_stopped(events, old_photo, visitor, monkeypatch):
    monkeypatch.setattr("styleadapt.ui.live_restoration.SECONDS_BETWEEN_REPORTS", 0)
    settings = (old_photo, None, "denoise", "25", 1.0, None, None, visitor)
    first, report, last = events.painted_restore(*settings)
    assert "Restoring" in first[0] and first[1] == gr.skip()
    assert "Restoring, 0 s left" in report[0] and "<progress" in report[0]
    assert "Done." in last[0] and last[2]["value"].is_file() and last[4] is visitor and not visitor.stop()
    assert events.stop(visitor) == status("There is nothing to stop.")
    events.prepare(visitor)
    assert "Stopping, and keeping the photo as it was" in events.stop(visitor)
    first, last = events.painted_restore(*settings)
    assert "Stopped" in last[0] and last[1] == last[2] == last[3] == gr.skip() and not visitor.stop()
