import torch
from PIL import Image

from styleadapt import TranslationPipeline
from styleadapt.images.images import image_to_tensor
from ugatit_networks import NETWORKS, official_checkpoint, reference_generator


def test_an_official_checkpoint_becomes_a_repo_that_translates_as_the_reference(command, photo, tmp_path):
    torch.manual_seed(0)
    checkpoint = official_checkpoint(light=True)
    torch.save(checkpoint, tmp_path / "official.pt")
    done = command("convert_ugatit", tmp_path / "official.pt", tmp_path / "repo")
    assert done.returncode == 0, done.stderr
    assert "generator_a2b" in done.stdout and "light True" in done.stdout
    folders = {path.name for path in (tmp_path / "repo").iterdir() if path.is_dir()}
    sides = [f"{kind}_{side}" for kind in ("discriminator_global", "discriminator_local") for side in "ab"]
    assert folders == {"generator_a2b", "generator_b2a", *sides}
    pipe = TranslationPipeline.from_pretrained(tmp_path / "repo")
    x = image_to_tensor(photo)
    for direction, official in zip(("a2b", "b2a"), NETWORKS):
        expected = (reference_generator(checkpoint[official], x, True)[0] + 1) * 127.5
        found = (image_to_tensor(pipe(photo, direction=direction).images[0]) + 1) * 127.5
        assert (found - expected).abs().max() <= 0.51


def test_anything_else_ends_with_one_line(command, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    done = command("convert_ugatit", tmp_path / "picture.png", tmp_path / "repo")
    assert done.returncode == 1 and "picture.png is not a PyTorch checkpoint" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not (tmp_path / "repo").exists()
