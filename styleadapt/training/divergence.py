"""Detects runs that cannot recover, and explains to the user what to change."""

import math
from collections.abc import Mapping
from typing import Any

from ..errors import DivergenceError

# An adversarial loss of the discriminator this close to its least value gives neither player a gradient worth the name.
COLLAPSED = 0.01
# So many steps in a row without a gradient that is finite are no accident; fp16's first search for a scale takes fewer.
MAX_SKIPPED = 50


def least_loss(adv_loss: str, label_smoothing: float = 0.0) -> float | None:
    """The adversarial loss of a discriminator that tells real from generated images perfectly. None for WGAN, whose loss has no
    lower bound, and is near 0 where the critic cannot tell them apart.

    Args:
        adv_loss: a name of `losses.adversarial.ADVERSARIAL_LOSSES`.
        label_smoothing: the target for real images is 1 minus this; a cross-entropy is then never below the target's entropy.

    >>> least_loss("hinge"), least_loss("wgan"), round(least_loss("bce", 0.1), 3)
    (0.0, None, 0.325)
    """
    if adv_loss == "wgan":
        return None
    if not label_smoothing or adv_loss == "lsgan":
        return 0.0
    if adv_loss == "relativistic":
        # both terms read the same difference of logits, with targets 1 - smoothing and 1
        return 2 * _entropy(label_smoothing / 2)
    return _entropy(label_smoothing)


def _entropy(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


class DivergenceGuard:
    """Watches the means of the logged figures, and the gradients.

    Args:
        collapse_steps: the discriminator's adversarial loss, `d_adv`, may stay at its least value for so many steps; 0 does not
            watch it.
        least: that value, see `least_loss`; None does not watch it.

    >>> guard = DivergenceGuard(collapse_steps=100)
    >>> guard.watch(50, {"d_adv": 0.001})
    >>> guard.watch(150, {"d_adv": 0.002})
    Traceback (most recent call last):
    styleadapt.errors.DivergenceError: the discriminator has collapsed: its adversarial loss lay below 0.01 from \
step 50 to step 150 (0.0020 at last), it tells real from generated images without effort and the generator learns nothing from \
it; the last checkpoint stands. Lower `lr_d`, set `r1_gamma: 1e-4`, `augment: color,translation,cutout` or \
`instance_noise: 0.1`, or train on more images; `collapse_steps: 0` goes on regardless
    """

    def __init__(self, collapse_steps: int, least: float | None = 0.0):
        self.collapse_steps, self.least = collapse_steps, least
        self._since: int | None = None
        self._last: tuple[int, dict[str, float]] | None = None
        self._skipped: dict[str, int] = {}

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
            DivergenceError: a figure is NaN or infinite, or the discriminator's loss has been at its least for too long.
        """
        self.require_finite(step, means)
        self._last = (step, dict(means))
        loss = means.get("d_adv")
        if loss is None or self.least is None or abs(loss - self.least) >= COLLAPSED:
            self._since = None
            return
        self._since = step if self._since is None else self._since
        if self.collapse_steps and step - self._since >= self.collapse_steps:
            # the gamma is for logits of patches, whose gradients add up: at 184 to 320 px the R1 of the packaged discriminator
            # then weighs 0.7 to 1.8, as much as its loss
            raise DivergenceError(
                f"the discriminator has collapsed: its adversarial loss lay below {self.least + COLLAPSED:.4g} from step "
                f"{self._since} to step {step} ({loss:.4f} at last), it tells real from generated images without effort and the "
                "generator learns nothing from it; the last checkpoint stands. Lower `lr_d`, set `r1_gamma: 1e-4`, "
                "`augment: color,translation,cutout` or `instance_noise: 0.1`, or train on more images; "
                "`collapse_steps: 0` goes on regardless"
            )

    def watch_gradient(self, step: int, player: str, finite: bool) -> None:
        """Counts the steps that a player had to leave out since its gradient was not finite.

        Raises:
            DivergenceError: `MAX_SKIPPED` of them in a row.
        """
        self._skipped[player] = 0 if finite else self._skipped.get(player, 0) + 1
        if self._skipped[player] >= MAX_SKIPPED:
            raise DivergenceError(
                f"the gradient of the {player} was not finite in {MAX_SKIPPED} steps in a row, the last of them step {step}: "
                "the steps were skipped and it learns nothing; the last checkpoint stands. Lower `learning_rate` or `lr_d`, "
                "set `mixed_precision: no`, or look for a loss or penalty whose derivative is infinite"
            )

    def state_dict(self) -> dict[str, Any]:
        """Returns what a resumed run needs to stop where an unbroken one would, in plain numbers and strings."""
        return {"since": self._since, "last": self._last, "skipped": dict(self._skipped)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state from `state_dict`."""
        self._since, self._skipped = state["since"], dict(state["skipped"])
        self._last = None if state["last"] is None else (state["last"][0], dict(state["last"][1]))
