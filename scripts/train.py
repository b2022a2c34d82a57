#!/usr/bin/env python
"""Trains a model from nothing, or goes on from one: stylisation, U-GAT-IT between two domains, or restoration of photos.

    accelerate launch scripts/train.py --config configs/base.yaml --photos DIR --paintings DIR [DIR ...]
    accelerate launch scripts/train.py --config configs/ugatit.yaml --domain_a DIR --domain_b DIR
    accelerate launch scripts/train.py --task restoration --config configs/denoise.yaml --photos DIR [DIR ...]
    accelerate launch scripts/train.py --task inpainting --config configs/inpaint.yaml --photos DIR [DIR ...]
    accelerate launch scripts/train.py --task colorization --config configs/colorize.yaml --photos DIR [DIR ...]
    accelerate launch scripts/train.py --config ... --resume_from_checkpoint latest
    accelerate launch scripts/train.py --config ... --push_to_hub --hub_model_id USER/NAME

Every option but `--task` can stand in the YAML file or on the command line, which wins. Without `--task` the task is unpaired
translation if `domain_a` is in either, else stylisation; `--task NAME --help` lists a task's options. The result,
`output_dir/final`, is a model repo for the pipeline of the task, such as `StyleTransferPipeline.from_pretrained`.
"""

import argparse
import logging

from accelerate.utils import set_seed

from styleadapt.console import careful_output
from styleadapt.devices.cpu import configure_cpu
from styleadapt.errors import ConfigError
from styleadapt.hub.publishing import publish_run
from styleadapt.tasks import colorization, inpainting, restoration, stylization, translation
from styleadapt.tasks.restoration_config import ColorizationConfig, InpaintingConfig, RestorationConfig
from styleadapt.training.command_line import one_line_errors
from styleadapt.training.config import load_yaml, parse_config
from styleadapt.training.engine import Trainer


@careful_output()
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with one_line_errors():
        task, arguments = chosen_task()
        if task not in TASKS:
            raise ConfigError(f"`task` is {task!r}; allowed: {', '.join(TASKS)}")
        TASKS[task](arguments)


def chosen_task() -> tuple[str, list[str]]:
    """The task's name, and the command line without it; where none is named, `domain_a` there or in the YAML file decides."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--task")
    named, arguments = parser.parse_known_args()
    if named.task is not None:
        return named.task, arguments
    parser.add_argument("--config")
    parser.add_argument("--domain_a")
    given, _ = parser.parse_known_args()
    by_file = given.config is not None and "domain_a" in load_yaml(given.config)
    return "translation" if given.domain_a is not None or by_file else "stylization", arguments


def train_translation(arguments: list[str]) -> None:
    config = parse_config(translation.UnpairedConfig, __doc__, arguments)
    dataset = translation.build_dataset(config)
    configure_cpu()
    set_seed(config.seed)
    trainer = Trainer(config, translation.UnpairedTask(config, translation.build_models(config)), dataset)
    scores = trainer.train()
    publish_run(trainer, scores, translation.card_facts(config, dataset))


def train_stylization(arguments: list[str]) -> None:
    config = parse_config(stylization.StylizationConfig, __doc__, arguments)
    dataset = stylization.build_dataset(config)
    configure_cpu()
    set_seed(config.seed)
    task = stylization.StylizationTask(config, stylization.build_models(config))
    if not config.pretrained_model_name_or_path:
        task.calibrate(dataset)
    trainer = Trainer(config, task, dataset)
    scores = trainer.train()
    publish_run(trainer, scores, stylization.card_facts(config, dataset))


def train_restoration(arguments: list[str]) -> None:
    config = parse_config(RestorationConfig, __doc__, arguments)
    dataset = restoration.build_dataset(config)
    configure_cpu()
    set_seed(config.seed)
    trainer = Trainer(config, restoration.RestorationTask(config, restoration.build_models(config)), dataset)
    scores = trainer.train()
    publish_run(trainer, scores, restoration.card_facts(config, dataset))


def train_inpainting(arguments: list[str]) -> None:
    config = parse_config(InpaintingConfig, __doc__, arguments)
    dataset = inpainting.build_dataset(config)
    configure_cpu()
    set_seed(config.seed)
    trainer = Trainer(config, inpainting.InpaintingTask(config, inpainting.build_models(config)), dataset)
    scores = trainer.train()
    publish_run(trainer, scores, inpainting.card_facts(config, dataset))


def train_colorization(arguments: list[str]) -> None:
    config = parse_config(ColorizationConfig, __doc__, arguments)
    dataset = colorization.build_dataset(config)
    configure_cpu()
    set_seed(config.seed)
    task = colorization.ColorizationTask(config, colorization.build_models(config))
    if not config.pretrained_model_name_or_path:
        task.calibrate(dataset)
    trainer = Trainer(config, task, dataset)
    scores = trainer.train()
    publish_run(trainer, scores, colorization.card_facts(config, dataset))


TASKS = {
    "stylization": train_stylization,
    "translation": train_translation,
    "restoration": train_restoration,
    "inpainting": train_inpainting,
    "colorization": train_colorization,
}

if __name__ == "__main__":
    main()
