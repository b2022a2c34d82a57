#!/usr/bin/env python
"""Fine-tunes the pretrained generator and discriminator to a set of images: the result is a model repo or an adapter.

    accelerate launch scripts/finetune.py --config configs/finetune.yaml --train_data_dir DIR
    accelerate launch scripts/finetune.py --config configs/finetune.yaml --dataset_name user/paintings --streaming
    accelerate launch scripts/finetune.py --config configs/finetune.yaml --train_data_dir DIR --resume_from_checkpoint latest
    accelerate launch scripts/finetune.py --config configs/finetune.yaml --train_data_dir DIR --dry_run

    accelerate launch scripts/finetune.py --task generation --train_data_dir DIR --output adapter --train_parameters affine+lora

Without `--task` it is stylization; `--task generation` adapts a generator of pictures from noise. Every other option can stand in
the YAML file or on the command line, which wins. The result, `output_dir/final`, is a model repo for `from_pretrained` of the
pipeline, or holds `adapter.safetensors` for its `load_adapter`.
"""

import argparse
import logging

from accelerate.utils import set_seed

from styleadapt.console import careful_output
from styleadapt.devices.cpu import configure_cpu
from styleadapt.errors import ConfigError
from styleadapt.tasks.finetuning import FinetuneConfig, finetune
from styleadapt.tasks.registry import FINETUNING, run
from styleadapt.training.command_line import one_line_errors
from styleadapt.training.config import parse_config


@careful_output()
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with one_line_errors():
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--task", default="stylization")
        given, arguments = parser.parse_known_args()
        if given.task in FINETUNING:
            builder = FINETUNING[given.task]
            run(builder, parse_config(builder.config, __doc__, arguments))
            return
        if given.task != "stylization":
            raise ConfigError(f"`task` is {given.task!r}; allowed: {', '.join(['stylization', *FINETUNING])}")
        config = parse_config(FinetuneConfig, __doc__, arguments)
        configure_cpu()
        set_seed(config.seed)
        finetune(config)


if __name__ == "__main__":
    main()
