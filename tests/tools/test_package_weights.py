import torch
from safetensors.torch import load_file

from styleadapt import StyleTransferPipeline


def test_a_repo_is_written_in_half_precision_and_loads_as_float32(command, repo, tmp_path):
    done = command("package_weights", "--model", repo, "--output", tmp_path / "packed")
    assert done.returncode == 0, done.stderr
    tensors = load_file(tmp_path / "packed" / "generator" / "diffusion_pytorch_model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert str(tmp_path) not in (tmp_path / "packed" / "model_index.json").read_text()
    assert StyleTransferPipeline.from_pretrained(tmp_path / "packed").generator.dtype == torch.float32


def test_a_folder_that_is_no_repo_ends_with_one_line(command, tmp_path):
    done = command("package_weights", "--model", tmp_path)
    assert done.returncode == 1 and "model_index.json" in done.stderr and "Traceback" not in done.stderr
