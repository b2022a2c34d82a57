"""An untrained pipeline of generation that differs from seed to seed, for tests of what is built on it."""

import torch

from styleadapt import GenerationPipeline, StyleGAN2Generator


def tiny_generation(num_classes: int = 0) -> GenerationPipeline:
    """Pictures of 16 px; classes are called c0, c1, ..."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = StyleGAN2Generator(
            16, latent_dim=6, code_dim=8, mapping_layers=1, mapping_lr=1.0, channel_base=64, num_classes=num_classes
        )
    return GenerationPipeline(generator, classes=[f"c{n}" for n in range(num_classes)] or None)
