"""When to stop a run that cannot recover, and what to tell its user."""

import math
from collections.abc import Mapping

# An adversarial loss of the discriminator this close to 0 gives neither player a gradient worth the name.
COLLAPSED = 0.01


class DivergenceError(RuntimeError):
    """Training was stopped: a loss stopped being a number, or the discriminator collapsed; the last checkpoint stands."""


class DivergenceGuard:
    """Watches the means of the logged figures.

    Args:
        collapse_steps: the discriminator's adversarial loss, `d_adv`, may stay at 0 for so many steps; 0 does not watch it.

    >>> guard = DivergenceGuard(collapse_steps=100)
    >>> guard.watch(50, {"d_adv": 0.001})
    >>> guard.watch(150, {"d_adv": 0.002})
    Traceback (most recent call last):
    styleadapt.training.divergence.DivergenceError: the discriminator has collapsed: its adversarial loss lay below 0.01 from \
step 50 to step 150 (0.0020 at last), it tells real from generated images without effort and the generator learns nothing from \
it; the last checkpoint stands. Lower `lr_d`, set `r1_gamma: 10`, `augment: color,translation,cutout` or `instance_noise: 0.1`, \
or train on more images; `collapse_steps: 0` goes on regardless
    """

    def __init__(self, collapse_steps: int):
        self.collapse_steps = collapse_steps
        self._since: int | None = None
        self._last: tuple[int, dict[str, float]] | None = None

    def require_finite(self, step: int, means: Mapping[str, float]) -> None:
        """
        Raises:
            DivergenceError: a figure is NaN or infinite.
        """
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        if not bad:
            return
        seen = "it was never finite"
        if self._last is not None:
            seen = f"at step {self._last[0]}: " + ", ".join(f"{n} {v:.4g}" for n, v in self._last[1].items() if n in bad)
        raise DivergenceError(
            f"{', '.join(bad)} stopped being finite before step {step} ({seen}); the last checkpoint stands. "
            "Lower `learning_rate` or `lr_d`, lower `max_grad_norm`, or set `mixed_precision: no`"
        )

    def watch(self, step: int, means: Mapping[str, float]) -> None:
        """
        Raises:
            DivergenceError: a figure is NaN or infinite, or the discriminator's loss has been 0 for too long.
        """
        self.require_finite(step, means)
        self._last = (step, dict(means))
        loss = means.get("d_adv")
        if loss is None or abs(loss) >= COLLAPSED:
            self._since = None
            return
        self._since = step if self._since is None else self._since
        if self.collapse_steps and step - self._since >= self.collapse_steps:
            raise DivergenceError(
                f"the discriminator has collapsed: its adversarial loss lay below {COLLAPSED} from step {self._since} to step "
                f"{step} ({loss:.4f} at last), it tells real from generated images without effort and the generator learns "
                "nothing from it; the last checkpoint stands. Lower `lr_d`, set `r1_gamma: 10`, "
                "`augment: color,translation,cutout` or `instance_noise: 0.1`, or train on more images; "
                "`collapse_steps: 0` goes on regardless"
            )
