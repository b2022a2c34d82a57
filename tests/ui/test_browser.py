"""The real app in a real browser: every tab from upload to download, stopping, errors, and two visitors side by side."""

import zipfile

import av
import pytest
from PIL import Image

from .browsing import TABS, download, expect, needs_chromium, open_tab, paint_stroke, stylize, upload, wait_for_canvas

pytestmark = needs_chromium


def test_a_photo_is_uploaded_stylized_and_downloaded_in_its_size(visit, picture):
    page = visit()
    upload(page, "#stylize-photo", picture)
    upload(page, "#stylize-styles", picture)
    stylize(page)
    expect(page.locator("#stylize-note")).to_contain_text("203 × 117 px")
    file = download(page, "#stylize-download")
    assert file.suggested_filename == "stylized.png"
    assert Image.open(file.path()).size == (203, 117)


def test_a_click_on_an_example_stylizes_it(visit):
    page = visit()
    page.locator("#example-photos button").nth(1).click()
    expect(page.locator("#stylize-note")).to_contain_text("px in")
    page.locator("#example-styles button").nth(1).click()
    expect(page.locator("#stylize-download")).to_be_enabled()


def test_a_bad_file_is_answered_with_a_plain_line(visit, tmp_path):
    page = visit()
    path = tmp_path / "broken.png"
    path.write_bytes(b"not an image")
    page.locator("#stylize-photo input[type=file]").set_input_files(path)
    expect(page.locator("#stylize-photo img[src*='broken.png']")).to_be_attached()
    page.locator("#stylize-run").click()
    message = page.get_by_test_id("toast-body")
    expect(message).to_contain_text("broken.png")
    assert "Traceback" not in message.inner_text()
    assert "/" not in message.inner_text()


def test_two_styles_are_blended_by_their_shares(visit, picture):
    page = visit()
    upload(page, "#stylize-styles", picture)
    expect(page.get_by_label("Style weights")).to_be_visible()
    page.get_by_label("Style weights").fill("3")
    page.locator("#stylize-run").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("2 numbers")
    page.get_by_label("Style weights").fill("3, 1")
    stylize(page)


def test_strengths_are_compared_side_by_side(visit, picture):
    page = visit()
    upload(page, "#stylize-photo", picture)
    page.get_by_role("button", name="Compare strengths").click()
    page.locator("#strip-run").click()
    expect(page.locator("#strip-result img")).to_be_visible()
    expect(page.locator("#strip-download")).to_be_enabled()
    file = download(page, "#strip-download")
    strip = Image.open(file.path())
    assert strip.width > 5 * 203 - 1 and strip.height >= 117


def test_a_region_is_painted_and_only_it_takes_the_style(visit, tmp_path):
    path = tmp_path / "plain.png"
    Image.new("RGB", (400, 300), (120, 160, 200)).save(path)
    page = visit()
    upload(page, "#stylize-photo", path)
    open_tab(page, "Regions")
    expect(page.locator("#regions-photo img[src*='plain.png']")).to_be_visible()
    expect(page.locator("#regions-inside img")).to_be_visible()
    canvas = wait_for_canvas(page)
    page.locator("#regions-run").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Paint on the photo")
    paint_stroke(page, canvas)
    page.locator("#regions-run").click()
    expect(page.locator("#regions-download")).to_be_enabled()
    expect(page.locator("#regions-note")).to_contain_text("400 × 300 px")
    result = Image.open(download(page, "#regions-download").path()).convert("RGB")
    assert result.getpixel((2, 2)) == result.getpixel((397, 297)) == (120, 160, 200)
    assert result.getpixel((200, 150)) != (120, 160, 200)


def test_the_canvas_opens_with_the_photo(visit):
    page = visit()
    open_tab(page, "Regions")
    wait_for_canvas(page)


def test_the_regions_tab_takes_the_photo_of_the_stylize_tab_when_it_is_first_opened(visit, picture, tmp_path):
    page = visit()
    open_tab(page, "Regions")
    upload(page, "#regions-photo", picture)
    other = tmp_path / "other.png"
    Image.new("RGB", (90, 60), "teal").save(other)
    open_tab(page, "Stylize")
    upload(page, "#stylize-photo", other)
    open_tab(page, "Regions")
    expect(page.locator("#regions-photo img[src*='upload.png']")).to_be_visible()


def test_the_adapt_tab_opens_with_a_finished_example(visit):
    page = visit()
    open_tab(page, "Adapt")
    expect(page.locator("#adapt-before img[src*='before']")).to_be_visible()
    expect(page.locator("#adapt-after img[src*='after']")).to_be_visible()
    expect(page.locator("#adapt-status")).to_contain_text("An example")
    expect(page.locator("#adapt-status")).to_contain_text("Style gained")


def test_a_region_can_be_given_without_painting(visit, picture, tmp_path):
    mask = tmp_path / "mask.png"
    Image.linear_gradient("L").resize((20, 10)).save(mask)
    page = visit()
    open_tab(page, "Regions")
    upload(page, "#regions-photo", picture)
    page.get_by_role("button", name="Or give the region as an image").click()
    upload(page, "#regions-mask", mask)
    page.locator("#regions-outside").scroll_into_view_if_needed()
    page.locator("#regions-example-outside button").nth(1).click()
    expect(page.locator("#regions-outside img")).to_be_visible()
    page.locator("#regions-run").click()
    expect(page.locator("#regions-note")).to_contain_text("203 × 117 px")


def test_a_batch_is_downloaded_as_one_file(visit, picture, tmp_path):
    page = visit()
    open_tab(page, "Batch")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    page.locator("#batch-photos input[type=file]").set_input_files([picture, bad])
    expect(page.locator("#batch-photos")).to_contain_text("bad")
    page.locator("#batch-run").click()
    expect(page.locator("#batch-status")).to_contain_text("1 of 2 photos are stylized")
    expect(page.locator("#batch-status")).to_contain_text("bad.png")
    expect(page.locator("#batch-pictures img").first).to_be_visible()
    with zipfile.ZipFile(download(page, "#batch-download").path()) as archive:
        assert archive.namelist() == ["upload.png"]


def test_a_clip_is_stylized_played_and_downloaded(visit, tmp_path):
    clip = tmp_path / "clip.mp4"
    save_clip(clip)
    page = visit()
    open_tab(page, "Video")
    page.locator("#video-clip input[type=file]").set_input_files(clip)
    expect(page.locator("#video-clip video")).to_be_visible()
    page.locator("#video-run").click()
    expect(page.locator("#video-download")).to_be_enabled()
    expect(page.locator("#video-status")).to_contain_text("8 frames")
    page.wait_for_function("document.querySelector('#video-result video')?.readyState >= 2")
    assert download(page, "#video-download").suggested_filename.endswith(".mp4")


def save_clip(path):
    """Eight frames of 96 x 64 px."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=8, width=96, height=64, pix_fmt="yuv420p")
        for shift in range(8):
            frame = Image.linear_gradient("L").resize((96, 64)).rotate(shift).convert("RGB")
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())


def test_an_adaptation_in_progress_does_not_keep_a_picture_waiting(visit, picture):
    busy, other = visit(), visit()
    open_tab(busy, "Adapt")
    upload(busy, "#adapt-photo", picture)
    busy.locator("#adapt-run").click()
    expect(busy.locator("#adapt-status")).to_contain_text("s left")
    upload(other, "#stylize-photo", picture)
    stylize(other)
    expect(busy.locator("#adapt-stop")).to_be_enabled()
    busy.locator("#adapt-stop").click()
    expect(busy.locator("#adapt-status")).to_contain_text("ready")


def test_an_adaptation_is_watched_stopped_used_and_loaded_by_its_owner_alone(visit, picture):
    page = visit()
    open_tab(page, "Adapt")
    upload(page, "#adapt-photo", picture)
    page.locator("#adapt-run").click()
    status = page.locator("#adapt-status")
    expect(status).to_contain_text("s left")
    expect(page.locator("#adapt-before img")).to_be_visible()
    page.locator("#adapt-stop").click()
    expect(status).to_contain_text("ready")
    expect(status).to_contain_text("Style gained")
    expect(page.locator("#adapt-after img")).to_be_visible()
    expect(page.locator("#adapt-stop")).to_be_disabled()

    file = download(page, "#adapt-download")
    assert file.suggested_filename.endswith(".safetensors")
    page.locator("#adapt-use").click()
    expect(page.get_by_label("My adapter")).to_be_checked()
    stylize(page)

    other = visit()
    other.get_by_label("My adapter").check()
    other.locator("#stylize-run").click()
    expect(other.get_by_test_id("toast-body")).to_contain_text("no adapter yet")

    open_tab(other, "Adapt")
    with other.expect_file_chooser() as chooser:
        other.locator("#adapt-load").click()
    chooser.value.set_files(file.path().rename(picture.with_name("mine.safetensors")))
    expect(other.locator("#adapt-status")).to_contain_text("loaded")
    expect(other.locator("#adapt-status")).to_contain_text("Style gained")
    other.locator("#adapt-use").click()
    stylize(other)
    other.get_by_label("Both").check()
    other.get_by_label("range slider for Adapter blend").fill("0.25")
    stylize(other)


@pytest.mark.parametrize(
    ("tab", "message"),
    [("Batch", "Choose photos first"), ("Video", "Choose a clip first"), ("Assets", "Choose assets first")],
)
def test_after_an_error_the_work_can_be_started_again(visit, tab, message):
    page = visit()
    open_tab(page, tab)
    page.locator(f"#{TABS[tab]}-run").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text(message)
    expect(page.locator(f"#{TABS[tab]}-run")).to_be_enabled()
    expect(page.locator(f"#{TABS[tab]}-stop")).to_be_disabled()


def test_a_painted_hole_is_filled_and_the_rest_stays(visit, tmp_path):
    path = tmp_path / "plain.png"
    Image.new("RGB", (400, 300), (120, 160, 200)).save(path)
    page = visit()
    open_tab(page, "Restore")
    upload(page, "#restore-photo", path)
    page.locator("#restore-task").get_by_text("Inpaint", exact=True).click()
    canvas = wait_for_canvas(page, "#restore-canvas")
    page.locator("#restore-run").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Paint over what is to be filled")
    paint_stroke(page, canvas)
    page.locator("#restore-run").click()
    expect(page.locator("#restore-download")).to_be_enabled()
    expect(page.locator("#restore-note")).to_contain_text("400 × 300 px")
    file = download(page, "#restore-download")
    assert file.suggested_filename == "restored.png"
    result = Image.open(file.path()).convert("RGB")
    assert result.getpixel((2, 2)) == result.getpixel((397, 297)) == (120, 160, 200)
    assert result.getpixel((200, 150)) != (120, 160, 200)


def test_the_level_is_asked_for_where_the_task_has_one(visit, picture):
    page = visit()
    open_tab(page, "Restore")
    upload(page, "#restore-photo", picture)
    expect(page.locator("#restore-level")).to_be_hidden()
    page.locator("#restore-task").get_by_text("Denoise", exact=True).click()
    expect(page.locator("#restore-level")).to_contain_text("standard deviation of the noise")
    page.locator("#restore-level textarea, #restore-level input").first.fill("25")
    page.locator("#restore-run").click()
    expect(page.locator("#restore-note")).to_contain_text("203 × 117 px")
    expect(page.locator("#restore-note")).to_contain_text("Assumed: noise 25")


def test_a_set_of_game_assets_is_seen_animated_and_downloaded(visit, tmp_path):
    page = visit()
    open_tab(page, "Assets")
    files = []
    for n in range(2):
        files.append(tmp_path / f"walk{n}.png")
        Image.linear_gradient("L").rotate(90 * n).resize((24, 24)).convert("RGB").save(files[-1])
    page.locator("#assets-files input[type=file]").set_input_files(files)
    page.locator("#assets-run").click()
    expect(page.locator("#assets-download")).to_be_enabled()
    expect(page.locator("#assets-status")).to_contain_text("2 pictures of 2 files are ready")
    expect(page.locator("#assets-animation img").first).to_be_visible()
    archive = zipfile.ZipFile(download(page, "#assets-download").path())
    assert {"walk0.png", "walk1.png"} <= set(archive.namelist())


def test_pictures_are_generated_mixed_and_downloaded(visit):
    page = visit()
    open_tab(page, "Generate")
    expect(page.locator("#generate-gallery img")).to_have_count(4)  # it does not open empty
    page.locator("#generate-num-images input[type=number]").fill("2")
    page.locator("#generate-run").click()
    expect(page.locator("#generate-gallery img")).to_have_count(2)
    assert Image.open(download(page, "#generate-download").path()).size == (32, 16)
    page.get_by_text("Mix two, or go from one to the other").click()
    page.locator("#generate-mix").click()
    expect(page.locator("#generate-gallery img")).to_have_count(3)  # the two, and the mixture between them


def test_an_adaptation_of_the_generator_without_images_can_be_started_again(visit):
    page = visit()
    open_tab(page, "Generate")
    page.get_by_text("Adapt the generator to your images").click()
    page.locator("#generate-learn").click()
    expect(page.get_by_test_id("toast-body")).to_be_visible()
    expect(page.locator("#generate-learn")).to_be_enabled()
    expect(page.locator("#generate-stop")).to_be_disabled()
