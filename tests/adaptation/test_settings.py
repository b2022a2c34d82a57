import pytest

from styleadapt.adaptation.settings import AdaptationConfig
from styleadapt.training.adversary import AdversarialSettings


@pytest.mark.parametrize(
    "options, message",
    [
        ({"check_every": 0}, "`check_every` is 0"),
        ({"largest_zoom": 0.5}, "`largest_zoom`"),
        ({"ema_decay": 1.0}, "`ema_decay`"),
        ({"train": "everything"}, "low-rank"),
        ({"optimizer": "adma"}, "adamw"),
        ({"lr_scheduler": "step"}, "cosine"),
        ({"correspondence_weight": 1.0}, "`batch_size`"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AdaptationConfig(**options)


def test_an_unknown_adversarial_form_is_refused():
    with pytest.raises(ValueError, match="hinge"):
        AdaptationConfig(adversarial=AdversarialSettings(adv_loss="hinje"))


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, 1.5)])
def test_style_scales_out_of_range_are_refused(scales):
    with pytest.raises(ValueError, match="`style_scales`"):
        AdaptationConfig(style_scales=scales)
