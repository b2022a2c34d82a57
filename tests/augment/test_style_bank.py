import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from styleadapt.augment.style_bank import PACKAGED_BANK, bank_digest, draw_codes, farthest_points, packaged_bank, read_bank
from styleadapt.augment.style_paint import weights_fingerprint
from styleadapt.errors import ImageError

from ..conftest import stripes


def test_the_packaged_bank_is_small_and_fits_the_packaged_weights():
    codes = packaged_bank()
    assert 200 <= len(codes) <= 1000 and codes.shape[1] == 192 and torch.isfinite(codes).all()
    assert PACKAGED_BANK.stat().st_size < 300_000
    with safe_open(str(PACKAGED_BANK), "pt") as file:
        assert set(file.keys()) == {"drawn", "paintings"}
        assert file.metadata()["weights"] == weights_fingerprint(), "run tools/package_style_codes.py again"


def test_its_styles_differ():
    codes = packaged_bank()
    nearest = (torch.cdist(codes, codes) + 1e9 * torch.eye(len(codes))).min(1).values
    spread = (codes - codes.mean(0)).norm(dim=1).mean()
    assert nearest.min() > 0.05 * spread and nearest.median() > 0.3 * spread


def test_farthest_points_cover_clusters_before_they_repeat_one():
    random = torch.Generator().manual_seed(0)
    centers = 10 * torch.randn(5, 8, generator=random)
    points = (centers[:, None] + 0.01 * torch.randn(5, 20, 8, generator=random)).flatten(0, 1)
    assert sorted((farthest_points(points, 5) // 20).tolist()) == [0, 1, 2, 3, 4]
    assert len(farthest_points(points[:3], 10)) == 3


def test_codes_are_those_of_the_bank_or_lie_between_two():
    bank = torch.eye(6)
    random = torch.Generator().manual_seed(0)
    whole = draw_codes(bank, 200, random, mixed=0)
    assert (whole.max(1).values == 1).all() and len(whole.unique(dim=0)) == 6
    mixed = draw_codes(bank, 200, random, mixed=1)
    assert torch.allclose(mixed.sum(1), torch.ones(200)) and ((mixed > 0).sum(1) <= 2).all()
    assert ((mixed > 0).sum(1) == 2).float().mean() > 0.7


def test_a_file_of_codes_is_read(tmp_path):
    save_file({"b": torch.ones(1, 192).half(), "a": torch.zeros(2, 192).half()}, tmp_path / "codes.safetensors")
    codes = read_bank(tmp_path / "codes.safetensors")
    assert codes.shape == (3, 192) and codes.dtype == torch.float32 and codes[2, 0] == 1


def test_what_holds_no_styles_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(N, 192\)"):
        read_bank(torch.zeros(2, 5))
    with pytest.raises(ValueError, match="NaN"):
        read_bank(torch.full((1, 192), torch.nan))
    with pytest.raises(FileNotFoundError, match="no image file"):
        read_bank(tmp_path)
    with pytest.raises(FileNotFoundError, match="no style codes"):
        read_bank(tmp_path / "absent.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no style codes"):
        read_bank(tmp_path / "broken.safetensors")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match="broken.png"):
        read_bank([Image.new("RGB", (8, 8)), tmp_path / "broken.png"])


def test_what_a_style_image_hides_does_not_matter():
    clear, other = stripes(64), Image.new("RGB", (64, 64), (9, 200, 30))
    alpha = Image.new("L", (64, 64))
    alpha.paste(255, (0, 0, 64, 32))
    other.paste(clear.crop((0, 0, 64, 32)))
    for image in (clear, other):
        image.putalpha(alpha)
    assert torch.equal(read_bank(clear), read_bank(other)) and bank_digest(clear) == bank_digest(other)
