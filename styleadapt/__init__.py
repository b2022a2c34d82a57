"""styleadapt: stylize any photo with any painting, and adapt a GAN to a new style in about a minute."""

import os
from typing import TYPE_CHECKING

from .lazy import attach

__version__ = "0.1.0"

# ONNX Runtime, which diffusers imports wherever it is installed, otherwise writes a device id to disk and queues an event.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_PUBLIC = {
    "StyleTransferPipeline": "pipelines.style_transfer",
    "StyleTransferOutput": "pipelines.style_transfer",
    "Adapter": "adapters.adapter",
    "StyleAdapter": "adapters.adapter",
    "StyleAugment": "augment.style_augment",
    "RestorationAdapter": "adapters.adapter",
    "GeneratorAdapter": "adapters.adapter",
    "AdapterError": "errors",
    "TranslationPipeline": "pipelines.translation",
    "TranslationOutput": "pipelines.translation",
    "RestorationPipeline": "pipelines.restoration",
    "RestorationOutput": "pipelines.restoration",
    "RestorationProgress": "pipelines.restoration",
    "RestorationAdaptationConfig": "adaptation.restoring",
    "RestorationAdaptationProgress": "adaptation.restoring",
    "GameAssetPipeline": "pipelines.game_assets",
    "GameAssetOutput": "pipelines.game_assets",
    "GenerationPipeline": "pipelines.generation",
    "GenerationOutput": "pipelines.generation",
    "GeneratedImages": "pipelines.generated_images",
    "DiscriminatorClassifier": "pipelines.classification",
    "ClassificationOutput": "pipelines.classification",
    "stylize_video": "pipelines.video",
    "VideoError": "errors",
    "AdaptationConfig": "adaptation.settings",
    "AdaptationProgress": "adaptation.adapt",
    "GeneratorAdaptationConfig": "adaptation.generator_adaptation",
    "GeneratorAdaptationProgress": "adaptation.generator_adaptation",
    "RefinementConfig": "adaptation.refinement",
    "RefinementProgress": "adaptation.refinement",
    "StyleGenerator": "models.generator",
    "StyleEncoder": "models.style_encoder",
    "StyleDiscriminator": "models.discriminator",
    "Restorer": "models.restorer",
    "Inpainter": "models.inpainter",
    "StyleGAN2Generator": "models.stylegan2",
    "UGATITGenerator": "models.ugatit",
    "UGATITDiscriminator": "models.ugatit",
    "ModelLoadError": "errors",
    "ImageError": "errors",
}
__getattr__, __dir__, __all__ = attach(__name__, _PUBLIC)

if TYPE_CHECKING:
    # ruff: noqa: F401
    from .adaptation.adapt import AdaptationProgress
    from .adaptation.generator_adaptation import GeneratorAdaptationConfig, GeneratorAdaptationProgress
    from .adaptation.refinement import RefinementConfig, RefinementProgress
    from .adaptation.restoring import RestorationAdaptationConfig, RestorationAdaptationProgress
    from .adaptation.settings import AdaptationConfig
    from .adapters.adapter import Adapter, GeneratorAdapter, RestorationAdapter, StyleAdapter
    from .augment.style_augment import StyleAugment
    from .errors import AdapterError
    from .images.images import ImageError
    from .models.discriminator import StyleDiscriminator
    from .models.generator import StyleGenerator
    from .models.inpainter import Inpainter
    from .models.modeling import ModelLoadError
    from .models.restorer import Restorer
    from .models.style_encoder import StyleEncoder
    from .models.stylegan2 import StyleGAN2Generator
    from .models.ugatit import UGATITDiscriminator, UGATITGenerator
    from .pipelines.classification import ClassificationOutput, DiscriminatorClassifier
    from .pipelines.game_assets import GameAssetOutput, GameAssetPipeline
    from .pipelines.generated_images import GeneratedImages
    from .pipelines.generation import GenerationOutput, GenerationPipeline
    from .pipelines.restoration import RestorationOutput, RestorationPipeline, RestorationProgress
    from .pipelines.style_transfer import StyleTransferOutput, StyleTransferPipeline
    from .pipelines.translation import TranslationOutput, TranslationPipeline
    from .pipelines.video import stylize_video
    from .video.reading import VideoError
