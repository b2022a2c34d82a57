"""The training engine: one loop for every task, on Accelerate.

A `Task` brings models, phases with their losses, and validation; the engine brings optimizers, schedules, mixed precision,
accumulation, moving averages, checkpoints, resuming and trackers. It knows no family.
"""

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.logging import get_logger
from accelerate.utils import GradientAccumulationPlugin, ProjectConfiguration, broadcast, set_seed
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils.data import Dataset

from ..data.streams import StreamedDataset
from ..errors import ConfigError
from .average import MovingAverage
from .best import BestModels
from .checkpoints import checkpoint_step, replace_folder, require_none_after, resolve_checkpoint, save_checkpoint
from .config import RunConfig
from .divergence import DivergenceGuard, least_loss
from .dry_run import activation_bytes, describe
from .loader import Batches
from .loading import load_models_and_optimizers, read_older_states
from .optimizers import averaged_weights, build_optimizer, parameter_groups
from .phases import Phase, optimized_modules
from .run_state import RunningMeans, read_progress, require_same_settings, write_progress, write_settings
from .schedules import advance_schedule, build_schedule
from .task import Task
from .trackers import log_picture

logger = get_logger(__name__)


class Trainer:
    """Trains a task.

    Args:
        config: the run's configuration.
        task: what to train.
        dataset: item n must depend on n alone, and there must be `max_train_steps` batches of them; then a resumed run sees
            what an unbroken one would have seen. Or a stream.

    Raises:
        ConfigError: a precision that this machine has not.
    """

    def __init__(self, config: RunConfig, task: Task, dataset: Dataset | StreamedDataset):
        self.config, self.task, self.dataset = config, task, dataset
        # a step's batches are fetched together, so that the last of them is no sign to synchronize
        accumulation = GradientAccumulationPlugin(num_steps=config.gradient_accumulation_steps, sync_with_dataloader=False)
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_plugin=accumulation,
            log_with=None if config.report_to == "none" else config.report_to,
            project_config=ProjectConfiguration(
                project_dir=config.output_dir, logging_dir=str(Path(config.output_dir, config.logging_dir or ""))
            ),
            dataloader_config=DataLoaderConfiguration(even_batches=False),
        )
        if self.accelerator.mixed_precision == "fp16" and self.accelerator.device.type == "cpu":
            # Accelerate would train in full precision without a word
            raise ConfigError("`mixed_precision` is 'fp16', in which a CPU cannot train; set it to bf16 or no")
        # forms without a name are those of tasks whose loss ends at 0
        least = least_loss(getattr(config, "adv_loss", ""), getattr(config, "label_smoothing", 0.0))
        self.guard = DivergenceGuard(config.collapse_steps, least)
        self.figures, self.step = RunningMeans(), 0
        self.best = BestModels(Path(config.output_dir) / "best", config.metric_for_best_model, config.greater_is_better)
        self.phases = list(task.phases())
        self.started, self.seconds_before = time.monotonic(), 0.0

    def train(self) -> dict[str, float]:
        """Runs until `max_train_steps` or `max_train_minutes`, saves the averaged models to `output_dir/final`, and returns their
        scores.

        Raises:
            ConfigError: settings that this machine, this task or the checkpoint cannot use, or an `output_dir` in use.
            DivergenceError: a loss or all gradients stopped being finite, or the discriminator collapsed.
        """
        config, accelerator, task = self.config, self.accelerator, self.task
        checkpoint = self._checkpoint()
        self._prepare()
        logger.info(
            "training on %d processes, %s, %s", accelerator.num_processes, accelerator.device, accelerator.mixed_precision
        )
        place = self._resume(checkpoint) if checkpoint else None
        self.batches = Batches(accelerator, config, self.dataset, self.step, place)
        batches = iter(self.batches)
        if config.dry_run:
            self._describe(next(batches))
            return {}
        scores: dict[str, float] = {}
        validated, first_step, started = -1, self.step, time.monotonic()
        self.started = started - self.seconds_before
        done = self._fraction()
        while done < 1:
            self.figures.add(self._train_step([next(batches) for _ in range(config.gradient_accumulation_steps)]))
            self.average.step()
            self.step += 1
            done = self._fraction()
            self._advance_schedules(done)
            if self.step % config.logging_steps == 0 or done == 1:
                means = self.figures.means()
                self.guard.watch(self.step, means)
                self._log(means, (time.monotonic() - started) / (self.step - first_step), done)
                self.figures.clear()
            if config.validation_steps and self.step % config.validation_steps == 0:
                scores, validated = self._validate(), self.step
            if self.step % config.checkpointing_steps == 0:
                self.guard.require_finite(self.step, self.figures.means())
                self._save()
        if config.validation_steps and validated != self.step:
            scores = self._validate()
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            with self._averaged():
                replace_folder(Path(config.output_dir) / "final", task.save_pretrained)
        accelerator.end_training()
        return scores

    def _fraction(self) -> float:
        """Of the run that is done, 0 to 1, by steps or by minutes, whichever is farther; the same in all processes."""
        c = self.config
        by_steps = self.step / c.max_train_steps
        if c.max_train_minutes is None:
            return min(by_steps, 1.0)
        by_time = (time.monotonic() - self.started) / (60 * c.max_train_minutes)
        done = torch.tensor([min(max(by_steps, by_time), 1.0)], dtype=torch.float64)
        return float(broadcast(done.to(self.accelerator.device).float()))

    def _advance_schedules(self, done: float) -> None:
        """Brings the rates to where they are at this fraction of the run; without a time limit that is one step on."""
        position = max(self.step, math.floor(done * self.config.max_train_steps))
        for scheduler in self.schedulers:
            if scheduler.last_epoch < position:
                advance_schedule(scheduler, position)

    def _checkpoint(self) -> Path | None:
        """The checkpoint to go on from, in a folder that has none of later steps."""
        c = self.config
        checkpoint = resolve_checkpoint(c.output_dir, c.resume_from_checkpoint) if c.resume_from_checkpoint else None
        if c.resume_from_checkpoint and checkpoint is None:
            logger.info("no checkpoint in %s yet, starting from step 0", c.output_dir)
        if not c.dry_run:
            require_none_after(c.output_dir, checkpoint_step(checkpoint) if checkpoint else 0)
        return checkpoint

    def _prepare(self) -> None:
        """Optimizers, schedules and the average, and everything in Accelerate's hands."""
        c, accelerator, task = self.config, self.accelerator, self.task
        set_seed(c.seed)
        if c.allow_tf32:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        if c.gradient_checkpointing:
            self._recompute_activations()
        for module in task.modules.values():
            if c.channels_last:
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
            if c.torch_compile:
                # with layouts of its own choice the compiler fails on the gradient of a padding that repeats the border
                module.compile(options={"layout_optimization": False})
        optimized = optimized_modules(self.phases)
        self.parameters = {name: _trainable([task.modules[name]]) for names, _ in optimized.values() for name in names}
        averaged = dict.fromkeys(name for phase in self.phases if phase.averaged for name in phase.modules)
        # the players against those that are averaged
        self.opponents = [name for name in self.parameters if name not in averaged]
        optimizers = [self._optimizer(names, getattr(c, rate)) for names, rate in optimized.values()]
        self.schedulers = [
            build_schedule(c.lr_scheduler, o, c.lr_warmup_steps, c.max_train_steps, c.lr_num_cycles, c.lr_power, c.lr_step_rules)
            for o in optimizers
        ]
        names = list(task.modules)
        prepared = accelerator.prepare(*task.modules.values(), *optimizers)
        task.modules.update(zip(names, prepared))
        self.optimizers = dict(zip(optimized, prepared[len(names) :]))
        self.average = MovingAverage([p for name in averaged for p in self.parameters[name]], c.ema_decay)
        if accelerator.log_with and not c.dry_run:
            accelerator.init_trackers(c.tracker_project_name, config={k: str(v) for k, v in vars(c).items()})

    def _recompute_activations(self) -> None:
        able: list[Any] = [m for m in self.task.modules.values() if getattr(m, "_supports_gradient_checkpointing", False)]
        if not able:
            raise ConfigError("`gradient_checkpointing` is not supported by these models; leave it out")
        for module in able:
            module.enable_gradient_checkpointing()

    def _train_step(self, batches: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """One step of every phase that is due, each on all batches.

        A single batch is passed through `forward` once, for all phases. Several are passed through again for every phase: the
        losses of a later one must come from the modules that an earlier one has stepped, for all batches, or processes and
        accumulation would not be interchangeable; and no more than one graph is in memory.
        """
        accelerator, task = self.accelerator, self.task
        once, state = len(batches) == 1, None
        figures: dict[str, torch.Tensor] = {}
        for number, phase in enumerate(self.phases):
            if not phase.due(self.step):
                continue
            # the first phase freezes nothing, since the graph that it makes in `forward` is that of the later ones as well
            with self._frozen(phase) if number else contextlib.nullcontext():
                for part, batch in self._numbered(batches):
                    with accelerator.accumulate(*task.modules.values()):
                        if state is None or not once:
                            with torch.set_grad_enabled(once or not set(phase.modules) <= set(self.opponents)):
                                state = self._forward(batch, part)
                        self._seed(part, number + 1)
                        loss, more = phase.loss(state, self.step)
                        accelerator.backward(loss)
                        self._apply(phase)
            figures |= {phase.figure: loss, **more}
        ada = getattr(task, "ada", None)
        if ada is not None:
            figures["ada_p"] = torch.tensor(ada.update(lambda sums: accelerator.reduce(sums, "sum")))
        return figures

    @contextlib.contextmanager
    def _frozen(self, phase: Phase) -> Iterator[None]:
        """Freezes the modules that the phase does not train."""
        others = [p for name, group in self.parameters.items() if name not in phase.modules for p in group]
        for parameter in others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)

    def _numbered(self, batches: list[dict[str, torch.Tensor]]) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        """A step's batches; from the second on, spectral normalization keeps its estimate, which would depend on their number."""
        parts = [part for name in self.opponents for part in self.task.modules[name].modules()]
        # not the whole module, whose batch normalization would go by its running statistics
        estimates = [part for part in parts if isinstance(part, ParametrizationList) and part.training]
        for part, batch in enumerate(batches):
            for estimate in estimates:
                estimate.train(part == 0)
            yield part, batch
        for estimate in estimates:
            estimate.train()

    def _forward(self, batch: dict[str, torch.Tensor], part: int) -> Any:
        self._seed(part, 0)
        return self.task.forward(batch, self.step)

    def _seed(self, part: int, use: int) -> None:
        """Seeds from the step and the batch's number in it, not from a running state: a resumed run draws what an unbroken one
        draws, and several processes draw what one process draws that accumulates."""
        number = part * self.accelerator.num_processes + self.accelerator.process_index
        torch.manual_seed(hash((self.config.seed, self.step, number, use)) % 2**63)

    def _apply(self, phase: Phase) -> None:
        """Clips and steps; a gradient that is not finite is dropped, for one bad batch must not spoil the weights."""
        optimizer = self.optimizers[phase.optimizer_name]
        if not self.accelerator.sync_gradients:
            optimizer.step()
            optimizer.zero_grad()
            return
        parameters = [p for name in phase.modules for p in self.parameters[name]]
        norm = self.accelerator.clip_grad_norm_(parameters, self.config.max_grad_norm)
        # with fp16 the gradient scaler skips such steps itself, and lowers its scale
        finite = self.accelerator.scaler is not None or bool(torch.isfinite(norm))
        if finite:
            optimizer.step()
            finite = not optimizer.step_was_skipped
        optimizer.zero_grad()
        if not finite:
            logger.warning("step %d: the gradient of the %s is not finite, the step is skipped", self.step, phase.name)
        self.guard.watch_gradient(self.step, phase.name, finite)

    def _optimizer(self, names: tuple[str, ...], rate: float) -> torch.optim.Optimizer:
        c = self.config
        return build_optimizer(
            c.optimizer,
            parameter_groups({name: self.task.modules[name] for name in names}, rate, self.task.rate_factor),
            lr=rate,
            betas=(c.adam_beta1, c.adam_beta2),
            weight_decay=c.adam_weight_decay,
            eps=c.adam_epsilon,
        )

    def _describe(self, batch: dict[str, torch.Tensor]) -> None:
        """Prints what this run would do."""
        task = self.task
        activations = activation_bytes(task, self.phases, batch, self.config.max_train_steps)
        if self.accelerator.is_main_process:
            averaged = sum(p.numel() for p in self.average.parameters)
            config = dataclasses.replace(self.config, mixed_precision=str(self.accelerator.mixed_precision))
            print(describe(config, task.modules, averaged, activations, self.accelerator.num_processes))

    def _resume(self, folder: Path) -> dict[str, Any] | None:
        """Takes up everything that a checkpoint holds, and returns the place in a stream."""
        accelerator = self.accelerator
        require_same_settings(folder, self.config, accelerator.num_processes, self.optimizers)
        load_models_and_optimizers(folder, accelerator, self.task.modules.values(), self.optimizers.values())
        progress = read_progress(folder, accelerator.process_index)
        if "average_steps" in progress:
            self.average.load(folder, progress["average_steps"])
        else:
            values, states = read_older_states(folder, len(self.schedulers))
            self.average.take(values, states["average_steps"])
            progress |= states
        for scheduler, position in zip(self.schedulers, progress["schedules"]):
            advance_schedule(scheduler, position)
        ada = getattr(self.task, "ada", None)
        if ada and progress["ada"]:
            ada.load_state_dict(progress["ada"])
        if "figures" in progress:
            self.figures.load_state_dict(progress["figures"])
            self.guard.load_state_dict(progress["guard"])
            self.seconds_before = progress.get("seconds", 0.0)
        self.step = checkpoint_step(folder)
        self.best.resume()
        logger.info("resumed from %s", folder)
        return progress.get("batches")

    def _write_state(self, folder: Path) -> None:
        """This process's part of a checkpoint."""
        accelerator, ada = self.accelerator, getattr(self.task, "ada", None)
        accelerator.save_state(str(folder))
        progress = {
            "figures": self.figures.state_dict(),
            "guard": self.guard.state_dict(),
            "batches": self.batches.state_dict(),
            "seconds": time.monotonic() - self.started,
            "average_steps": self.average.steps,
            "schedules": [scheduler.last_epoch for scheduler in self.schedulers],
            "ada": ada.state_dict() if ada else None,
        }
        write_progress(folder, accelerator.process_index, progress)
        if accelerator.is_main_process:
            self.average.save(folder)
            write_settings(folder, self.config, accelerator.num_processes, self.optimizers)

    def _save(self) -> None:
        """Every process takes part, only the main one renames: a folder under its final name is whole."""
        accelerator, c = self.accelerator, self.config
        if accelerator.num_processes == 1:
            save_checkpoint(c.output_dir, self.step, self._write_state, c.checkpoints_total_limit)
            return
        shared = Path(c.output_dir) / f"tmp-shared-{self.step}"
        self._write_state(shared)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            parts = list(shared.iterdir())
            save_checkpoint(c.output_dir, self.step, lambda f: [p.rename(f / p.name) for p in parts], c.checkpoints_total_limit)
            shared.rmdir()
        accelerator.wait_for_everyone()

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """The averaged weights in place: those of schedule-free optimizers, who average themselves, or the moving average."""
        own = self.config.optimizer == "schedule_free"
        with averaged_weights(*self.optimizers.values()), contextlib.nullcontext() if own else self.average.in_place():
            yield

    def _validate(self) -> dict[str, float]:
        if not self.accelerator.is_main_process:
            return {}
        folder = Path(self.config.output_dir) / "validation"
        with self._averaged():
            scores = self.task.validate(self.step, folder)
            self.best.renew(self.step, scores, self.task.save_pretrained)
        self.accelerator.log({f"validation/{k}": v for k, v in scores.items()}, step=self.step)
        sheet = folder / f"step-{self.step}.jpg"
        for tracker in self.accelerator.trackers if sheet.is_file() else []:
            log_picture(tracker, "validation", sheet, self.step)
        logger.info("step %d validation %s", self.step, json.dumps({k: round(v, 4) for k, v in scores.items()}))
        return scores

    def _log(self, means: dict[str, float], seconds: float, done: float) -> None:
        rate = float(self.schedulers[0].get_last_lr()[0])
        self.accelerator.log({**means, "learning_rate": rate, "seconds_per_step": seconds}, step=self.step)
        # of a run that a time limit will end, too
        left = seconds * (self.config.max_train_steps - self.step)
        if self.config.max_train_minutes is not None:
            left = min(left, 60 * self.config.max_train_minutes * (1 - done))
        text = " ".join(f"{name} {value:.4f}" for name, value in means.items())
        logger.info("step %d/%d %.2f s/step %.0f min left %s", self.step, self.config.max_train_steps, seconds, left / 60, text)


def _trainable(modules: Iterable[torch.nn.Module]) -> list[torch.nn.Parameter]:
    return [p for module in modules for p in module.parameters() if p.requires_grad]
