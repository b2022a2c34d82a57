#!/usr/bin/env python
"""Trains a model from nothing, or goes on from one: stylization, U-GAT-IT between two domains, restoration, or generation.

    accelerate launch scripts/train.py --config configs/base.yaml --photos DIR --paintings DIR [DIR ...]
    accelerate launch scripts/train.py --config configs/ugatit.yaml --domain_a DIR --domain_b DIR
    accelerate launch scripts/train.py --task restoration --config configs/denoise.yaml --photos DIR [DIR ...]
    accelerate launch scripts/train.py --task inpainting --config configs/inpaint.yaml --photos DIR [DIR ...]
    accelerate launch scripts/train.py --task colorization --config configs/colorize.yaml --photos DIR [DIR ...]
    accelerate launch scripts/train.py --task generation --config configs/textures-64.yaml --train_data_dir DIR
    accelerate launch scripts/train.py --config ... --resume_from_checkpoint latest
    accelerate launch scripts/train.py --config ... --push_to_hub --hub_model_id USER/NAME

Every option but `--task` can stand in the YAML file or on the command line, which wins. Without `--task` the task is unpaired
translation if `domain_a` is in either, else stylization; `--task NAME --help` lists a task's options. The result,
`output_dir/final`, is a model repo for the pipeline of the task, such as `StyleTransferPipeline.from_pretrained`.
"""

import argparse
import logging

from styleadapt.console import careful_output
from styleadapt.errors import ConfigError
from styleadapt.tasks.registry import TASKS, run
from styleadapt.training.command_line import one_line_errors
from styleadapt.training.config import load_yaml, parse_config


@careful_output()
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with one_line_errors():
        task, arguments = chosen_task()
        if task not in TASKS:
            raise ConfigError(f"`task` is {task!r}; allowed: {', '.join(TASKS)}")
        builder = TASKS[task]
        run(builder, parse_config(builder.config, __doc__ or "", arguments))


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


if __name__ == "__main__":
    main()
