import numpy as np
import pytest
from PIL import Image

from styleadapt.errors import ImageError
from styleadapt.game.pieces import Asset, cut_asset, resized_around, spread_order
from styleadapt.game.sheets import Frame, Grid

from ..conftest import smooth_noise

NOISE = np.asarray(smooth_noise((48, 32), 1, cell=4))


def put_together(asset, change=lambda pixels: pixels, **options):
    cut = cut_asset(asset, **options)
    finished = [piece.reduced(change(piece.enlarged(2).pixels), 2) for piece in cut.pieces]
    return cut.assembled(finished, np.zeros((asset.image.height, asset.image.width, 3), np.uint8))


def test_what_was_cut_is_put_together_again():
    image = Image.fromarray(NOISE)
    frames = [Frame("a", (0, 0, 10, 20), rotated=True), Frame("b", (12, 2, 30, 12), size=(24, 24), offset=(3, 5))]
    for asset in (Asset(image), Asset(image, Grid(16, 16).frames(image.size)), Asset(image, frames), Asset(image, tile=True)):
        assert (put_together(asset) == NOISE).all()


def test_frames_are_apart_upright_and_in_their_place():
    frames = [Frame("a", (0, 0, 10, 20), rotated=True), Frame("b", (12, 2, 30, 12), size=(24, 24), offset=(3, 5))]
    alpha = np.zeros((32, 48), np.uint8)
    alpha[0:20, 0:10] = alpha[2:12, 12:30] = 255
    cut = cut_asset(Asset(Image.fromarray(np.dstack([NOISE, alpha])), frames))
    turned, trimmed = cut.pieces
    assert (np.rot90(turned.pixels, -1) == NOISE[:20, :10]).all()
    assert trimmed.pixels.shape == (24, 24, 3) and (trimmed.pixels[5:15, 3:21] == NOISE[2:12, 12:30]).all()
    # its trimmed rim has the nearest colors
    assert (trimmed.pixels[0, 10] == trimmed.pixels[5, 10]).all() and trimmed.seen.sum() == 180


def test_what_lies_outside_of_frames_is_a_piece_and_a_frame_that_is_not_seen_is_none():
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:16, :16] = 0
    image = Image.fromarray(np.dstack([NOISE, alpha]))
    assert len(cut_asset(Asset(image, Grid(16, 16).frames(image.size))).pieces) == 5
    frames = [Frame("a", (0, 0, 16, 16)), Frame("b", (16, 0, 32, 16)), Frame("again", (16, 0, 32, 16))]
    whole, one = cut_asset(Asset(image, frames)).pieces
    assert whole.seen.shape == (32, 48) and one.seen.shape == (16, 16)


def test_pixel_art_is_taken_in_its_own_pixels():
    art = Image.fromarray(NOISE.repeat(3, 0).repeat(3, 1))
    for pieces, size in (
        (cut_asset(Asset(art)).pieces, (32, 48)),
        (cut_asset(Asset(art), pixel_art=False).pieces, (96, 144)),
        (cut_asset(Asset(art, Grid(48, 48).frames(art.size))).pieces, (16, 16)),
    ):
        assert pieces[0].seen.shape == size
    painted = put_together(Asset(art), lambda pixels: 255 - pixels)
    assert (painted == 255 - np.asarray(art)).all()


def test_neither_an_empty_frame_nor_what_is_around_frames_takes_detail_from_a_sheet():
    fine, coarse = NOISE[:, :48], NOISE[:16, :24].repeat(2, 0).repeat(2, 1)
    pixels, alpha = np.hstack([fine, fine[::-1], coarse, fine]), np.full((32, 192), 255, np.uint8)
    alpha[:, 144:] = 0
    sheet = Image.fromarray(np.dstack([pixels, alpha]))
    frames = Grid(48, 32).frames(sheet.size)
    assert (put_together(Asset(sheet, frames))[alpha > 0] == pixels[alpha > 0]).all()
    # of the coarse frame alone, all around it is one fine piece
    around, frame = cut_asset(Asset(sheet, frames[2:])).pieces
    assert around.seen.shape == (32, 192) and frame.seen.shape == (16, 24)


def test_a_texture_of_another_size_still_repeats():
    texture = NOISE[:30, :45]
    [piece] = cut_asset(Asset(Image.fromarray(texture), tile=True)).pieces
    assert piece.enlarged(1).pixels.shape == (32, 48, 3) and piece.enlarged(8).pixels.shape == (240, 360, 3)
    assert np.abs(piece.reduced(piece.enlarged(1).pixels, 1).astype(int) - texture).mean() < 2
    piece = piece.enlarged(1)
    rolled = resized_around(np.roll(texture, (15, 15), (0, 1)), (48, 32))
    assert np.abs(np.roll(piece.pixels.astype(int), (16, 16), (0, 1)) - rolled).max() <= 1


def test_one_period_of_a_texture_is_painted():
    cell = NOISE[:16, :24]
    texture = Image.fromarray(np.tile(cell, (3, 2, 1)))
    [piece] = cut_asset(Asset(texture, tile=True)).pieces
    assert piece.repeats == (3, 2) and (piece.pixels == cell).all()
    assert (put_together(Asset(texture, tile=True)) == np.asarray(texture)).all()
    assert cut_asset(Asset(texture)).pieces[0].repeats == (1, 1)
    for plain in (Image.new("RGB", (64, 64), "red"), Image.fromarray(np.tile(NOISE[:4, :24], (8, 1, 1)))):
        assert cut_asset(Asset(plain, tile=True)).pieces[0].repeats[0] == 1


@pytest.mark.parametrize("size", [(1, 1), (4097, 4096)])
def test_pictures_without_or_with_too_many_pixels_are_refused(size):
    with pytest.raises(ImageError, match=f"{size[0]} x {size[1]} pixel"):
        cut_asset(Asset(Image.new("RGB", size)))


def test_a_frame_that_is_larger_than_what_is_painted_is_refused():
    frames = [Frame("a", (0, 0, 8, 8)), Frame("b", (8, 0, 16, 8), size=(4097, 4096))]
    with pytest.raises(ImageError, match="frame 'b' of 4097 x 4096 pixels, the limit is 16,777,216"):
        cut_asset(Asset(Image.new("RGB", (16, 8)), frames))


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_an_order_that_is_spread_has_every_number(count):
    order = spread_order(count)
    assert sorted(order) == list(range(count))
