import numpy as np
import pytest
import torch

from styleadapt.models.generator import StyleGenerator
from styleadapt.runtime import shared_statistics
from styleadapt.runtime.bands import render
from styleadapt.runtime.shared_statistics import Pieces, anchors, collect_statistics, paint

from ..conftest import TINY_GENERATOR, smooth_noise


@pytest.fixture
def generator():
    """Untrained, but with noise that is seen and kernels that follow the code."""
    torch.manual_seed(0)
    generator = StyleGenerator(**TINY_GENERATOR, kernel_rank=2).eval()
    with torch.no_grad():
        for noise in (generator.noise8, generator.noise4, generator.noise2):
            torch.nn.init.normal_(noise.gain.weight, std=0.3)
        for block in (*generator.blocks8, *generator.blocks4):
            torch.nn.init.normal_(block.kernel1.basis_out, std=0.1)
    return generator


CODE = torch.linspace(-1, 1, 16)[None]


def pixels(*sizes_and_seeds) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.array(smooth_noise(size, seed, cell=6))) for size, seed in sizes_and_seeds])


def difference(a: torch.Tensor, b: torch.Tensor) -> int:
    return int((a.int() - b.int()).abs().max())


@pytest.mark.parametrize("size", [(50, 37), (1, 1), (64, 40), (9, 130)])
def test_a_set_of_one_picture_is_that_picture_stylized(generator, size):
    photo = pixels((size, 3))
    statistics = collect_statistics(generator, [Pieces(photo)], CODE)
    assert difference(paint(generator, Pieces(photo), CODE, statistics)[0], render(generator, photo[0], CODE)) <= 1


def test_statistics_are_those_of_all_pixels_of_the_set(generator):
    """Of the first normalization, calculated by hand."""
    one, other = pixels(((24, 24), 1), ((24, 24), 2)), pixels(((40, 8), 3))
    mean, variance = collect_statistics(generator, [Pieces(one), Pieces(other)], CODE)[0]
    maps = []
    for batch in (one, other):
        photo = batch.permute(0, 3, 1, 2).float() / 127.5 - 1
        photo = torch.nn.functional.pad(photo, (4, 4, 4, 4), mode="replicate")
        with torch.no_grad():
            maps.append(generator.enter(torch.nn.functional.pixel_unshuffle(photo, 4)).permute(1, 0, 2, 3).flatten(1))
    together = torch.cat(maps, 1)
    assert torch.allclose(mean[0], together.mean(1), atol=1e-5)
    assert torch.allclose(variance[0], together.var(1, correction=0), atol=1e-4)


def test_what_is_not_seen_does_not_count(generator):
    one, other = pixels(((32, 32), 1)), pixels(((32, 32), 2))
    wide = torch.cat([one, other, other], 2)
    seen = torch.zeros(1, 32, 96, dtype=torch.bool)
    seen[:, :, 8:24] = True
    mean, variance = collect_statistics(generator, [Pieces(wide, seen=seen)], CODE)[0]
    photo = torch.nn.functional.pad(wide.permute(0, 3, 1, 2).float() / 127.5 - 1, (4, 4, 4, 4), mode="replicate")
    with torch.no_grad():
        maps = generator.enter(torch.nn.functional.pixel_unshuffle(photo, 4))[0, :, :, 3:7].flatten(1)
    assert torch.allclose(mean[0], maps.mean(1), atol=1e-5)
    assert torch.allclose(variance[0], maps.var(1, correction=0), atol=1e-4)
    everything = [Pieces(one), Pieces(one, seen=torch.ones(1, 32, 32, dtype=torch.bool))]
    for (mean, _), (same, _) in zip(*(collect_statistics(generator, [pieces], CODE) for pieces in everything)):
        assert torch.allclose(mean, same, atol=1e-4)


def test_a_piece_is_the_same_alone_and_among_others(generator):
    batch = pixels(((40, 24), 1), ((40, 24), 2), ((40, 24), 3))
    statistics = collect_statistics(generator, [Pieces(batch)], CODE)
    together = paint(generator, Pieces(batch), CODE, statistics)
    assert difference(together[1:2], paint(generator, Pieces(batch[1:2]), CODE, statistics)) <= 1
    own = collect_statistics(generator, [Pieces(batch[1:2])], CODE)
    assert difference(together[1:2], paint(generator, Pieces(batch[1:2]), CODE, own)) > 3


@pytest.mark.parametrize("share", [1, 0.5])
@pytest.mark.parametrize("shift", [(8, 0), (0, 16), (24, 40), (-8, 8)])
def test_a_rolled_texture_gives_the_rolled_picture(generator, shift, share):
    texture = pixels(((64, 48), 5))
    assert texture.float().std() > 10
    pictures = []
    for picture in (texture, texture.roll(shift, (1, 2))):
        piece = Pieces(picture, tile=True)
        pictures.append(paint(generator, piece, CODE, collect_statistics(generator, [piece], CODE, share), share))
    assert difference(pictures[0].roll(shift, (1, 2)), pictures[1]) <= 1
    # and the picture is not the same everywhere, nor without circular edges
    assert difference(pictures[0], pictures[0].roll(shift, (1, 2))) > 3
    plain = Pieces(texture)
    assert difference(pictures[0], paint(generator, plain, CODE, collect_statistics(generator, [plain], CODE))) > 3


def test_with_no_share_of_the_set_a_piece_is_painted_as_if_it_were_alone(generator):
    one, other = pixels(((32, 24), 1), ((32, 24), 2))
    pieces = Pieces(torch.stack([one, other // 8]))
    statistics = collect_statistics(generator, [pieces], CODE, share=0)
    painted = paint(generator, pieces, CODE, statistics, share=0)
    for piece, picture in zip(pieces.pixels, painted):
        alone = Pieces(piece[None])
        assert difference(picture, paint(generator, alone, CODE, collect_statistics(generator, [alone], CODE))[0]) <= 1


def test_a_dark_piece_comes_nearer_to_its_set_with_a_smaller_share(generator):
    bright, dark = pixels(((32, 24), 1)), pixels(((32, 24), 2)) // 8
    brightness = []
    for share in (1, 0.5, 0):
        statistics = collect_statistics(generator, [Pieces(bright), Pieces(dark)], CODE, share)
        pictures = [paint(generator, Pieces(piece), CODE, statistics, share).float() for piece in (bright, dark)]
        brightness.append(float((pictures[0].std() - pictures[1].std()).abs() + (pictures[0] - pictures[1]).mean().abs()))
    assert brightness[0] > brightness[1] > brightness[2]


def test_a_piece_of_which_nothing_is_seen_has_the_statistics_of_the_set(generator):
    piece, hidden = pixels(((24, 24), 1)), torch.zeros(1, 24, 24, dtype=torch.bool)
    statistics = collect_statistics(generator, [Pieces(piece)], CODE, share=0.5)
    painted = paint(generator, Pieces(piece, seen=hidden), CODE, statistics, share=0.5)
    assert difference(painted, paint(generator, Pieces(piece), CODE, statistics, share=1)) == 0


def test_textures_have_half_of_the_set_and_sprites_all_of_it_if_nothing_is_said(generator):
    one, other = pixels(((32, 24), 1)), pixels(((32, 24), 2)) // 4
    for tile, share in ((True, 0.5), (False, 1.0)):
        pieces = [Pieces(one, tile), Pieces(other, tile)]
        usual, stated = (collect_statistics(generator, pieces, CODE, s) for s in (None, share))
        assert all(torch.equal(a, b) for one, two in zip(usual, stated) for a, b in zip(one, two))
        assert torch.equal(paint(generator, pieces[0], CODE, usual), paint(generator, pieces[0], CODE, usual, share))
        assert not torch.equal(paint(generator, pieces[0], CODE, usual), paint(generator, pieces[0], CODE, usual, 0.2))


@pytest.mark.parametrize("tile", [False, True])
def test_bands_of_rows_change_nothing(generator, monkeypatch, tile):
    piece = Pieces(pixels(((64, 200), 5)), tile=tile)
    statistics = collect_statistics(generator, [piece], CODE)
    whole = paint(generator, piece, CODE, statistics)
    monkeypatch.setattr(shared_statistics, "_BAND_PIXELS", 1)
    assert difference(whole, paint(generator, piece, CODE, statistics)) <= 1


def test_anchors_of_equal_blocks_are_told_apart_by_the_rest():
    texture = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    texture[0, :8, :8] = texture[0, 16:24, 16:24] = 255
    texture[0, 20, 28] = 90
    for shift in ((8, 8), (16, 0), (24, 16)):
        (row, column), (moved_row, moved_column) = *anchors(Pieces(texture)), *anchors(Pieces(texture.roll(shift, (1, 2))))
        assert ((moved_row - row) % 32, (moved_column - column) % 32) == shift


def test_what_cannot_be_used_is_refused(generator):
    with pytest.raises(ValueError, match="no piece"):
        collect_statistics(generator, [], CODE)
    with pytest.raises(ValueError, match="no piece"):
        collect_statistics(generator, [Pieces(pixels(((16, 16), 1)), seen=torch.zeros(1, 16, 16, dtype=torch.bool))], CODE)
    with pytest.raises(ValueError, match="20 x 16 cannot repeat"):
        Pieces(torch.zeros(1, 16, 20, 3, dtype=torch.uint8), tile=True)
    with pytest.raises(ValueError, match=r"shape \(16, 16, 3\)"):
        Pieces(torch.zeros(16, 16, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="NaN"):
        collect_statistics(generator, [Pieces(pixels(((16, 16), 1)))], CODE * float("nan"))
