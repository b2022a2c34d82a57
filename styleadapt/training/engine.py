"""The training engine: two players, one loop, on Accelerate.

A `Task` brings models, losses and validation; the engine brings optimisers, schedules, mixed precision, accumulation, EMA,
checkpoints, resuming and trackers. Reference-guided stylisation is one task; unpaired translation can be another.
"""

import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.logging import get_logger
from accelerate.utils import set_seed
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader, Dataset, Subset

from .checkpoints import checkpoint_step, resolve_checkpoint, save_checkpoint
from .config import RunConfig

logger = get_logger(__name__)


class DivergenceError(RuntimeError):
    """Training was stopped because a loss stopped being a number; the last checkpoint stands."""


class Task(Protocol):
    """What a training run optimises."""

    modules: dict[str, torch.nn.Module]
    generator_names: tuple[str, ...]
    discriminator_names: tuple[str, ...]

    def rate_factor(self, parameter: str) -> float:
        """Factor on the learning rate for a parameter, by its name after its model's (`generator.enter.weight`)."""

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> Any:
        """The generator's forward pass, shared by both players' losses."""

    def discriminator_loss(self, state: Any, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of the discriminator and figures to log."""

    def generator_loss(self, state: Any, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of the generator and figures to log."""

    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """Writes a sheet of pictures to `folder`, with the averaged weights in place, and returns scores."""

    def save_pretrained(self, folder: Path) -> None:
        """Writes the models as a repo that the pipelines load."""


class Trainer:
    """Trains a task.

    Args:
        config: the run's configuration.
        task: what to train.
        dataset: item n must depend on n alone, and there must be `max_train_steps` batches of them; then a resumed run sees
            what an unbroken one would have seen.
    """

    def __init__(self, config: RunConfig, task: Task, dataset: Dataset):
        self.config, self.task, self.dataset = config, task, dataset
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            log_with=None if config.report_to == "none" else config.report_to,
            project_dir=config.output_dir,
            dataloader_config=DataLoaderConfiguration(even_batches=False),
        )
        self.step = 0

    def train(self) -> dict[str, float]:
        """Runs until `max_train_steps`, saves the averaged models to `output_dir/final`, and returns the last scores.

        Raises:
            DivergenceError: a loss became NaN or infinite.
        """
        config, accelerator, task = self.config, self.accelerator, self.task
        set_seed(config.seed)
        if config.channels_last:
            for module in task.modules.values():
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
        generator_parameters = _trainable(task.modules[name] for name in task.generator_names)
        discriminator_parameters = _trainable(task.modules[name] for name in task.discriminator_names)
        ema = EMAModel(generator_parameters, decay=config.ema_decay, use_ema_warmup=True, power=3 / 4)
        ema.to(accelerator.device)
        optimizers = [
            self._optimizer(task.generator_names, config.learning_rate),
            self._optimizer(task.discriminator_names, config.lr_d),
        ]
        schedulers = [
            get_scheduler(
                config.lr_scheduler,
                optimizer,
                num_warmup_steps=config.lr_warmup_steps,
                num_training_steps=config.max_train_steps,
            )
            for optimizer in optimizers
        ]
        names = list(task.modules)
        prepared = accelerator.prepare(*task.modules.values(), *optimizers)
        task.modules.update(zip(names, prepared))
        optimizers = list(prepared[len(names) :])
        accelerator.register_for_checkpointing(ema, *schedulers)
        if accelerator.log_with:
            accelerator.init_trackers("styleadapt", config={k: str(v) for k, v in vars(config).items()})

        logger.info(
            "training on %d processes, %s, %s", accelerator.num_processes, accelerator.device, accelerator.mixed_precision
        )
        if config.resume_from_checkpoint:
            self._resume(config.resume_from_checkpoint)
        batches = iter(self._loader())
        figures: dict[str, list[torch.Tensor]] = {}
        scores: dict[str, float] = {}
        started = time.monotonic()
        first_step = self.step
        while self.step < config.max_train_steps:
            for part in range(config.gradient_accumulation_steps):
                batch = next(batches)
                # from the step and not from a running state, so that a resumed run draws what an unbroken one draws
                torch.manual_seed(hash((config.seed, self.step, part, accelerator.process_index)) % 2**63)
                with accelerator.accumulate(*(task.modules[n] for n in (*task.generator_names, *task.discriminator_names))):
                    step_figures = self._update(batch, optimizers, generator_parameters, discriminator_parameters)
            for scheduler in schedulers:
                scheduler.step()
            ema.step(generator_parameters)
            self.step += 1
            for name, value in step_figures.items():
                figures.setdefault(name, []).append(value.detach())
            if self.step % config.logging_steps == 0 or self.step == config.max_train_steps:
                rate = float(schedulers[0].get_last_lr()[0])
                self._log(figures, rate, (time.monotonic() - started) / (self.step - first_step))
                figures = {}
            if config.validation_steps and self.step % config.validation_steps == 0:
                scores = self._validate(ema, generator_parameters)
            if self.step % config.checkpointing_steps == 0:
                self._refuse_non_finite(figures)
                self._save()
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            ema.copy_to(generator_parameters)
            task.save_pretrained(Path(config.output_dir) / "final")
        accelerator.end_training()
        return scores

    def _update(self, batch, optimizers, generator_parameters, discriminator_parameters) -> dict[str, torch.Tensor]:
        accelerator, task = self.accelerator, self.task
        generator_optimizer, discriminator_optimizer = optimizers
        state = task.forward(batch, self.step)
        d_loss, d_figures = task.discriminator_loss(state, self.step)
        accelerator.backward(d_loss)
        self._apply(discriminator_optimizer, discriminator_parameters)

        for parameter in discriminator_parameters:
            parameter.requires_grad_(False)
        g_loss, g_figures = task.generator_loss(state, self.step)
        accelerator.backward(g_loss)
        for parameter in discriminator_parameters:
            parameter.requires_grad_(True)
        self._apply(generator_optimizer, generator_parameters)
        return {"loss_g": g_loss, "loss_d": d_loss, **g_figures, **d_figures}

    def _apply(self, optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> None:
        """Clips and steps; a gradient that is not finite is dropped, for one bad batch must not spoil the weights."""
        if self.accelerator.sync_gradients:
            norm = self.accelerator.clip_grad_norm_(parameters, self.config.max_grad_norm)
            # with fp16 the gradient scaler skips such steps itself, and lowers its scale
            if self.accelerator.scaler is None and not torch.isfinite(norm):
                logger.warning("step %d: the gradient is not finite, the step is skipped", self.step)
                optimizer.zero_grad()
                return
        optimizer.step()
        optimizer.zero_grad()

    def _optimizer(self, names: tuple[str, ...], rate: float) -> torch.optim.Optimizer:
        c = self.config
        groups: dict[float, list[torch.nn.Parameter]] = {1.0: []}
        for name in names:
            for key, parameter in self.task.modules[name].named_parameters():
                if parameter.requires_grad:
                    groups.setdefault(self.task.rate_factor(f"{name}.{key}"), []).append(parameter)
        return torch.optim.AdamW(
            [{"params": parameters, "lr": factor * rate} for factor, parameters in groups.items()],
            lr=rate,
            betas=(c.adam_beta1, c.adam_beta2),
            eps=c.adam_epsilon,
            weight_decay=c.adam_weight_decay,
            fused=True,
        )

    def _loader(self) -> Iterable[dict[str, torch.Tensor]]:
        """Batches from the sample after the last one that was trained on; every process takes its own slice."""
        c, processes = self.config, self.accelerator.num_processes
        per_step = c.train_batch_size * c.gradient_accumulation_steps * processes
        first, last = self.step * per_step, c.max_train_steps * per_step
        samples = len(self.dataset)  # type: ignore[arg-type]  # Dataset leaves it to its subclasses
        if samples < last:
            raise ValueError(f"the dataset has {samples} samples, {last} are needed")
        workers = c.dataloader_num_workers
        loader = DataLoader(
            Subset(self.dataset, range(first, last)),
            c.train_batch_size,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
        )
        return self.accelerator.prepare(loader)

    def _resume(self, wanted: str) -> None:
        folder = resolve_checkpoint(self.config.output_dir, wanted)
        if folder is None:
            logger.info("no checkpoint in %s yet, starting from step 0", self.config.output_dir)
            return
        self.accelerator.load_state(str(folder))
        self.step = checkpoint_step(folder)
        logger.info("resumed from %s", folder)

    def _save(self) -> None:
        """Every process takes part, only the main one renames: a folder under its final name is whole."""
        accelerator, c = self.accelerator, self.config
        if accelerator.num_processes == 1:
            save_checkpoint(
                c.output_dir, self.step, lambda folder: accelerator.save_state(str(folder)), c.checkpoints_total_limit
            )
            return
        shared = Path(c.output_dir) / f"tmp-shared-{self.step}"
        accelerator.save_state(str(shared))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            save_checkpoint(
                c.output_dir,
                self.step,
                lambda folder: [p.rename(folder / p.name) for p in shared.iterdir()],
                c.checkpoints_total_limit,
            )
            shared.rmdir()
        accelerator.wait_for_everyone()

    def _validate(self, ema: EMAModel, parameters: list[torch.nn.Parameter]) -> dict[str, float]:
        if not self.accelerator.is_main_process:
            return {}
        ema.store(parameters)
        ema.copy_to(parameters)
        try:
            scores = self.task.validate(self.step, Path(self.config.output_dir) / "validation")
        finally:
            ema.restore(parameters)
        self.accelerator.log({f"validation/{k}": v for k, v in scores.items()}, step=self.step)
        logger.info("step %d validation %s", self.step, json.dumps({k: round(v, 4) for k, v in scores.items()}))
        return scores

    def _log(self, figures: dict[str, list[torch.Tensor]], rate: float, seconds: float) -> None:
        self._refuse_non_finite(figures)
        means = {name: float(torch.stack(values).float().mean()) for name, values in figures.items()}
        self.accelerator.log({**means, "learning_rate": rate, "seconds_per_step": seconds}, step=self.step)
        left = seconds * (self.config.max_train_steps - self.step)
        text = " ".join(f"{name} {value:.4f}" for name, value in means.items())
        logger.info("step %d/%d %.2f s/step %.0f min left %s", self.step, self.config.max_train_steps, seconds, left / 60, text)

    def _refuse_non_finite(self, figures: dict[str, list[torch.Tensor]]) -> None:
        bad = [name for name, values in figures.items() if not math.isfinite(float(torch.stack(values).float().mean()))]
        if bad:
            raise DivergenceError(
                f"{', '.join(bad)} stopped being finite before step {self.step}; the last checkpoint stands. "
                "Lower `learning_rate` or `lr_d`, or set `mixed_precision: no`"
            )


def _trainable(modules: Iterable[torch.nn.Module]) -> list[torch.nn.Parameter]:
    return [p for module in modules for p in module.parameters() if p.requires_grad]
