import torch

from styleadapt import RestorationPipeline, StyleTransferPipeline

from ..tiny_restoration import tiny_restoration


def test_the_mean_of_two_models_is_written(command, repo, tiny_pipe, tmp_path):
    for parameter in (*tiny_pipe.generator.parameters(), *tiny_pipe.discriminator.parameters()):
        parameter.data += 1
    tiny_pipe.save_pretrained(tmp_path / "other")
    done = command("average_weights", repo, tmp_path / "other", "--weights", 0.25, 0.75, "--output", tmp_path / "mean")
    assert done.returncode == 0, done.stderr
    mean, start = (StyleTransferPipeline.from_pretrained(folder) for folder in (tmp_path / "mean", repo))
    for key, value in start.generator.named_parameters():
        torch.testing.assert_close(mean.generator.get_parameter(key), value + 0.75)
    for key, value in start.style_encoder.state_dict().items():
        torch.testing.assert_close(mean.style_encoder.state_dict()[key], value)
    for key, value in tiny_pipe.discriminator.named_parameters():
        torch.testing.assert_close(mean.discriminator.get_parameter(key), value)


def test_networks_of_restoration_that_all_models_have_are_averaged(command, tmp_path):
    one, other = tiny_restoration(), tiny_restoration()
    for parameter in other.inpainter.parameters():
        parameter.data += 1
    one.save_pretrained(tmp_path / "one")
    RestorationPipeline(inpainter=other.inpainter).save_pretrained(tmp_path / "other")
    models = (tmp_path / "one", tmp_path / "other")
    done = command("average_weights", *models, "--task", "restoration", "--weights", 0.25, 0.75, "--output", tmp_path / "mean")
    assert done.returncode == 0, done.stderr
    mean = RestorationPipeline.from_pretrained(tmp_path / "mean")
    for key, value in one.inpainter.named_parameters():
        torch.testing.assert_close(mean.inpainter.get_parameter(key), value + 0.75)


def test_weights_that_do_not_sum_to_1_are_refused(command, repo, tmp_path):
    done = command("average_weights", repo, repo, "--weights", 1, 1, "--output", tmp_path / "mean")
    assert done.returncode == 2 and "sum to 1" in done.stderr
