"""A pipeline of restoration that takes milliseconds: untrained, but its networks change what they are given."""

import torch

from styleadapt import Inpainter, RestorationPipeline, Restorer
from styleadapt.adaptation.restoring import RestorationAdaptationConfig
from styleadapt.data.damaged import DamageMix

# of an adaptation to noisy crops that takes a moment
QUICK_ADAPTATION = RestorationAdaptationConfig(
    train="small",
    rank=2,
    estimate_weight=0.1,
    learning_rate=5e-3,
    batch_size=2,
    crop_size=32,
    pool_size=6,
    held_out=4,
    check_every=5,
    mix=DamageMix(noise=1, jpeg=0, blur=0, clean=0, sigma=(20, 40), poisson=0, stored=0, gray=0),
)


def tiny_restoration() -> RestorationPipeline:
    """It believes every photo to have noise of 25.5, JPEG quality 50 and a blur of 1.6 px. It has no colorizer."""
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        restorer = Restorer(widths=(8, 16), blocks=(1, 1), estimator_widths=(8, 8))
        torch.nn.init.normal_(restorer.leave.weight, std=0.05)
        torch.nn.init.zeros_(restorer.opinions.weight)
        restorer.opinions.bias.data = torch.tensor([0.2, 0.5, 0.4, 0.0, 0.0, 0.0])
        inpainter = Inpainter(widths=(8, 8, 8), dilations=(1, 2))
        torch.nn.init.normal_(inpainter.leave.weight, std=0.05)
        models.append((restorer, inpainter))
    (restorer, inpainter), (restorer_natural, inpainter_natural) = models
    return RestorationPipeline(restorer, restorer_natural, inpainter, inpainter_natural)
