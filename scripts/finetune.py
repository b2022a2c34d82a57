#!/usr/bin/env python
"""Fine-tunes the pretrained generator and discriminator to a set of images of a style: the result is a model repo or an adapter.

    accelerate launch scripts/finetune.py --config configs/finetune.yaml --train_data_dir DIR
    accelerate launch scripts/finetune.py --config configs/finetune.yaml --dataset_name user/paintings --streaming
    accelerate launch scripts/finetune.py --config configs/finetune.yaml --train_data_dir DIR --resume_from_checkpoint latest
    accelerate launch scripts/finetune.py --config configs/finetune.yaml --train_data_dir DIR --dry_run

Every option can stand in the YAML file or on the command line, which wins. The result, `output_dir/final`, is a model repo for
`StyleTransferPipeline.from_pretrained`, or holds `adapter.safetensors` for its `load_adapter`.
"""

import logging

from accelerate.utils import set_seed

from styleadapt.console import careful_output
from styleadapt.devices.cpu import configure_cpu
from styleadapt.tasks.finetuning import FinetuneConfig, finetune
from styleadapt.training.command_line import one_line_errors
from styleadapt.training.config import parse_config


@careful_output()
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with one_line_errors():
        config = parse_config(FinetuneConfig, __doc__)
        configure_cpu()
        set_seed(config.seed)
        finetune(config)


if __name__ == "__main__":
    main()
