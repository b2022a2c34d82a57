import pytest

from styleadapt.errors import ConfigError
from styleadapt.tasks.style_config import StylizationConfig
from styleadapt.training.config import build_config


@pytest.mark.parametrize(
    "values, message",
    [
        ({"painting_weights": [1.0, 2.0]}, "`painting_weights`"),
        ({"losses": {"gram": "a lot"}}, "`losses.gram`: Expected a float. Got value: a lot"),
        ({"losses": {"gram": [1]}}, r"`losses.gram`: .* Got value: \[1\]"),
        ({"losses": {"color": True}}, "`losses.color`: .* Got value: True"),
        ({"losses": {"tone": -1}}, "the weight of `tone` is -1.0; it must be a number, 0 or more"),
        ({"losses": {"gramm": 1}}, "does not accept option 'gramm'; did you mean `gram`"),
        ({"cam_weight": -1.0}, "`cam_weight` is -1.0"),
        ({"generator": {"chanels": [8, 16]}}, "unknown key `chanels` in `generator`; did you mean `channels`"),
        ({"style_encoder": {"width": 8}}, "unknown key `width` in `style_encoder`; known keys: code_dim, hidden_dim"),
        ({"discriminator": {"code_dims": 8}}, "`discriminator`; did you mean `code_dim`"),
        ({"painting_short_side": [1, 2, 3]}, "`painting_short_side`"),
        ({"correspondence_weight": 1.0, "train_batch_size": 2}, "3 samples at least"),
        ({"ewc_weight": 1.0}, "belongs to fine-tuning"),
    ],
)
def test_bad_values_are_refused(image_folders, values, message):
    photos, paintings = map(str, image_folders)
    with pytest.raises(ConfigError, match=message):
        build_config(StylizationConfig, {"photos": photos, "paintings": [paintings], **values})


def test_a_loss_weight_may_be_written_as_yaml_reads_it():
    config = build_config(StylizationConfig, {"photos": "a", "paintings": ["b"], "losses": {"gram": "1e-3", "tone": 0}})
    assert config.losses.gram == 0.001 and config.losses.tone == 0
