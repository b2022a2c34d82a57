import os

from safetensors import safe_open

from styleadapt.augment.style_bank import read_bank

from ..commands import ROOT, run_script
from ..conftest import stripes

SCRIPT = ROOT / "tools" / "package_style_codes.py"


def test_it_packages_codes_of_drawings_and_paintings(tmp_path):
    (tmp_path / "paintings").mkdir()
    for period in (4, 8, 16):
        stripes(64, period).save(tmp_path / "paintings" / f"{period}.png")
    (tmp_path / "paintings" / "broken.png").write_bytes(b"nothing")
    file = tmp_path / "codes.safetensors"
    options = ["--paintings", tmp_path / "paintings", "--painted", 2, "--drawn", 5, "--seeds", 1, "--size", 32, "--output", file]
    done = run_script([SCRIPT, *options], ROOT, os.environ)
    assert done.returncode == 0 and "drawn: 5 codes of 10 images" in done.stdout and "broken.png" in done.stderr, done.stderr
    assert read_bank(file).shape == (7, 192)
    with safe_open(str(file), "pt") as stored:
        assert len(stored.metadata()["weights"]) == 16
