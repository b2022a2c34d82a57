#!/usr/bin/env python
"""Trains generator, style encoder and discriminator on a folder of photos and folders of paintings.

    accelerate launch scripts/train.py --config configs/base.yaml --photos DIR --paintings DIR [DIR ...]
    accelerate launch scripts/train.py --config configs/base.yaml ... --resume_from_checkpoint latest

Every option can stand in the YAML file or on the command line, which wins. The result, `output_dir/final`, is a model
repo for `StyleTransferPipeline.from_pretrained`.
"""

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from accelerate.utils import set_seed

from styleadapt.models.cpu import configure_cpu
from styleadapt.models.modeling import ModelLoadError
from styleadapt.training.config import ConfigError, parse_config
from styleadapt.training.engine import DivergenceError, Trainer
from styleadapt.training.stylization import StylizationConfig, StylizationTask, build_dataset, build_models


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        config = parse_config(StylizationConfig, __doc__)
        dataset = build_dataset(config)
        configure_cpu()
        set_seed(config.seed)
        task = StylizationTask(config, build_models(config))
    except (ConfigError, FileNotFoundError, ImportError, ModelLoadError) as error:
        sys.exit(f"error: {error}")
    if not config.pretrained_model_name_or_path:
        task.calibrate(dataset)
    try:
        Trainer(config, task, dataset).train()
    except (DivergenceError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
