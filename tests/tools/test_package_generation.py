import pytest
import torch
from safetensors.torch import load_file

from styleadapt import GenerationPipeline
from styleadapt.models.stylegan2 import StyleGAN2Generator
from tools import package_generation


def test_a_repo_is_packaged_in_half_precision(tmp_path, monkeypatch, capsys):
    generator = StyleGAN2Generator(16, latent_dim=8, code_dim=8, mapping_layers=1, channel_base=64)
    generator.tileable = True
    GenerationPipeline(generator).save_pretrained(tmp_path / "run")
    monkeypatch.setattr("sys.argv", ["package_generation.py", str(tmp_path / "run"), "--output", str(tmp_path / "out")])
    assert package_generation.main() == 0 and "MB in" in capsys.readouterr().out
    weights = load_file(tmp_path / "out" / "generator" / "diffusion_pytorch_model.safetensors")
    assert all(value.dtype == torch.float16 for value in weights.values())
    pipe = GenerationPipeline.from_pretrained(str(tmp_path / "out"))
    assert pipe.config.tileable and pipe(num_images=1, seed=0).images[0].size == (16, 16)


def test_no_repo_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["package_generation.py", str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="error: "):
        package_generation.main()
