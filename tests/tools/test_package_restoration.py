import runpy
import sys

import pytest
import torch
from safetensors.torch import load_file

from styleadapt.models.inpainter import Inpainter
from styleadapt.models.restorer import Restorer
from styleadapt.pipelines.restoration import RestorationPipeline

from ..commands import ROOT


@pytest.fixture
def package(monkeypatch):
    """Runs the script in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["package_restoration.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "tools" / "package_restoration.py"), run_name="__main__")
        return ended.value.code

    return run


def test_networks_of_several_runs_become_one_repo_in_half_precision(package, tmp_path, capsys):
    torch.manual_seed(0)
    for run in ("first", "second"):
        RestorationPipeline(Restorer(widths=(8, 8), blocks=(1, 1), estimator_widths=(8,))).save_pretrained(tmp_path / run)
    packed = ("--output", tmp_path / "packed")
    assert package("--restorer", tmp_path / "first", "--restorer_natural", tmp_path / "second", *packed) == 0
    RestorationPipeline(inpainter=Inpainter(widths=(8, 8, 8), dilations=(1,))).save_pretrained(tmp_path / "third")
    assert package("--inpainter", tmp_path / "third", *packed) == 0
    assert "restorer_natural" in capsys.readouterr().out
    for part, run in (("restorer", "first"), ("restorer_natural", "second")):
        kept = load_file(tmp_path / "packed" / part / "diffusion_pytorch_model.safetensors")
        original = load_file(tmp_path / run / "restorer" / "diffusion_pytorch_model.safetensors")
        assert all(torch.equal(kept[key], value.half()) for key, value in original.items())
    pipe = RestorationPipeline.from_pretrained(tmp_path / "packed")
    assert pipe.inpainter is not None and pipe.colorizer is None
    assert str(tmp_path) not in (tmp_path / "packed" / "model_index.json").read_text()
    assert str(package("--restorer", tmp_path / "third", *packed)).startswith("error: ")
