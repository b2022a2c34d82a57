#!/usr/bin/env python
"""Trains a model from nothing, or goes on from one: stylisation by photos and paintings, or U-GAT-IT between two domains.

    accelerate launch scripts/train.py --config configs/base.yaml --photos DIR --paintings DIR [DIR ...]
    accelerate launch scripts/train.py --config configs/ugatit.yaml --domain_a DIR --domain_b DIR
    accelerate launch scripts/train.py --config ... --resume_from_checkpoint latest
    accelerate launch scripts/train.py --config ... --push_to_hub --hub_model_id USER/NAME

Every option can stand in the YAML file or on the command line, which wins. With `domain_a` in either, the task is unpaired
translation, and `--domain_a DIR --help` lists its options. The result, `output_dir/final`, is a model repo for
`StyleTransferPipeline.from_pretrained` or `TranslationPipeline.from_pretrained`.
"""

import argparse
import logging

from accelerate.utils import set_seed

from styleadapt.console import careful_output
from styleadapt.models.cpu import configure_cpu
from styleadapt.training import stylization, translation
from styleadapt.training.command_line import one_line_errors
from styleadapt.training.config import load_yaml, parse_config
from styleadapt.training.engine import Trainer
from styleadapt.training.publishing import publish_run


@careful_output()
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with one_line_errors():
        if is_translation():
            train_translation()
        else:
            train_stylization()


def is_translation() -> bool:
    """Is `domain_a` given, on the command line or in the YAML file?"""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config")
    parser.add_argument("--domain_a")
    given, _ = parser.parse_known_args()
    return given.domain_a is not None or (given.config is not None and "domain_a" in load_yaml(given.config))


def train_translation() -> None:
    config = parse_config(translation.UnpairedConfig, __doc__)
    dataset = translation.build_dataset(config)
    configure_cpu()
    set_seed(config.seed)
    trainer = Trainer(config, translation.UnpairedTask(config, translation.build_models(config)), dataset)
    scores = trainer.train()
    publish_run(trainer, scores, translation.card_facts(config, dataset))


def train_stylization() -> None:
    config = parse_config(stylization.StylizationConfig, __doc__)
    dataset = stylization.build_dataset(config)
    configure_cpu()
    set_seed(config.seed)
    task = stylization.StylizationTask(config, stylization.build_models(config))
    if not config.pretrained_model_name_or_path:
        task.calibrate(dataset)
    trainer = Trainer(config, task, dataset)
    scores = trainer.train()
    publish_run(trainer, scores, stylization.card_facts(config, dataset))


if __name__ == "__main__":
    main()
