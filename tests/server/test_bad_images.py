"""Bombs, foreign files and nonsense instead of pictures: one line for whoever sent them, and the server goes on."""

import pytest

from .client import LEAK, as_file, picture
from .hostile_images import BOMBS, FOREIGN

# Small pictures with something odd about them, which are used as they are, or without it.
HARMLESS = {"tiff_strip", "tiff_loop", "png_with_text_bomb", "png_with_profile_bomb"}
LONGEST_MESSAGE = 400


def refused(answer) -> bool:
    return not answer.ok and not LEAK.search(answer.text) and len(answer.text) < LONGEST_MESSAGE


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_is_refused_before_it_goes_off(served, client, name):
    before = served.memory()
    bomb = client.upload(BOMBS[name](), f"{name}.png")
    good = client.upload(picture())
    for answer in (client.stylize(bomb, good), client.stylize(good, bomb)):
        assert answer.ok if name in HARMLESS else refused(answer), answer.text
    # Each bomb would take gigabytes, or at least the hundred megabytes that it unpacks to.
    assert served.memory() - before < 90_000_000
    assert client.stylize(good, good).ok


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_a_foreign_file_is_refused_by_name(client, name):
    foreign = client.upload(FOREIGN[name], "holiday.jpg", "image/jpeg")
    good = client.upload(picture())
    restored = [
        client.call("restore", image=as_file(foreign)),
        client.call("restore", image=as_file(good), mask=as_file(foreign)),
    ]
    for answer in (client.stylize(foreign, good), *restored):
        assert refused(answer) and "holiday.jpg" in answer.text, answer.text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_half_a_picture_is_refused_by_name(client, kind):
    whole = picture(size=(96, 96), kind=kind)
    half = client.upload(whole[: len(whole) // 2], f"half.{kind.lower()}")
    answer = client.stylize(half, half)
    assert refused(answer) and "half." in answer.text, answer.text


@pytest.mark.parametrize("mime", ["text/html", "application/x-sh", "image/svg+xml", "", "no type at all"])
def test_the_type_that_a_picture_claims_to_have_does_not_matter(client, mime):
    photo = client.upload(picture("navy", (33, 21)), "photo.png", mime)
    assert client.stylize(photo, photo).ok


@pytest.mark.parametrize(
    "nonsense",
    [5, [], {}, "", "photo", {"path": 5}, {"path": None}, {"path": {"path": "x"}}, {"url": "data:image/png;base64,AA"}],
)
def test_nonsense_in_place_of_a_file_is_refused(client, nonsense):
    good = client.upload(picture())
    for answer in (
        client.call("stylize", image=nonsense),
        client.call("stylize", image={"path": good, "meta": {"_type": "gradio.FileData"}}, style=[{"image": nonsense}]),
        client.call("restore", image=nonsense),
        client.call("restore", image={"path": good, "meta": {"_type": "gradio.FileData"}}, task="inpaint", mask=nonsense),
        client.call("load_adapter", file=nonsense),
    ):
        assert refused(answer), answer.text
    assert client.stylize(good, good).ok


@pytest.mark.parametrize("number", [None, "much", [], {}, float("1e999"), -5, 1e300, True])
def test_a_strength_that_is_no_number_is_the_default_or_refused(client, number):
    good = client.upload(picture())
    answer = client.stylize(good, good, strength=number if number != float("inf") else "Infinity")
    assert answer.ok or refused(answer), answer.text


def test_too_many_styles_are_refused(client):
    good = {"path": client.upload(picture()), "meta": {"_type": "gradio.FileData"}}
    answer = client.call("stylize", image=good, style=[{"image": good}] * 500)
    assert refused(answer) and "500" in answer.text


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": 5}, {"data": []}, {"data": [None] * 99}, {"data": [[[]]]}])
def test_a_request_of_another_form_is_refused(client, body):
    assert refused(client.call_with("stylize", body))


def test_json_without_end_is_refused(client):
    answer = client.http.post(
        "/gradio_api/call/stylize", content=b'{"data":' + b"[" * 200_000, headers={"content-type": "application/json"}
    )
    assert answer.status_code >= 400 and not LEAK.search(answer.text)
    assert client.stylize(client.upload(picture()), client.upload(picture())).ok


def test_no_event_of_the_page_falls_over_nonsense(client):
    """Also those that the API does not name: anyone can send them."""
    for function in client.http.get("/config").json()["dependencies"]:
        if not function["backend_fn"]:
            continue
        for data in (["x"] * len(function["inputs"]), [{"path": "/etc/passwd"}] * len(function["inputs"])):
            body = {"data": data, "fn_index": function["id"], "session_hash": client.session, "event_data": {"index": 10**9}}
            answer = client.http.post("/gradio_api/run/predict", json=body)
            # A good answer names files, as the page needs them.
            assert answer.status_code == 200 or not LEAK.search(answer.text), function
    good = client.upload(picture())
    assert client.stylize(good, good).ok
