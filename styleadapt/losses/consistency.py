"""Consistency losses: they keep a generator that is adapted to a few images close to its source model."""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F


def fisher_diagonal(losses: Iterable[torch.Tensor], parameters: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Diagonal of the empirical Fisher information: mean over samples of the squared gradient of a sample's negative
    log-likelihood (Kirkpatrick et al., arXiv 1612.00796, section 2).

    For a generator the likelihood of a sample is the source discriminator's opinion of it, -log sigmoid(D(G(x))) (Li et al.,
    arXiv 2012.02780): `losses.adversarial.nonsaturating_generator_loss`.

    Args:
        losses: one scalar with a graph for each sample; a generator expression keeps one graph in memory at a time.
        parameters: those with `requires_grad=True` are measured.

    Returns:
        by name, of the parameters' shapes, 0 or more. A parameter that no loss depends on has 0.

    Raises:
        ValueError: no losses.

    >>> w = torch.ones(2, requires_grad=True)
    >>> fisher_diagonal((n * w.sum() for n in (1, 3)), {"w": w})["w"]  # (1 + 9) / 2
    tensor([5., 5.])
    """
    trained = {name: p for name, p in parameters.items() if p.requires_grad}
    fisher = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in trained.items()}
    count = 0
    for loss in losses:
        gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        for name, gradient in zip(fisher, gradients):
            if gradient is not None:
                fisher[name] += gradient.detach().float().square()
        count += 1
    if not count:
        raise ValueError("the Fisher information needs one sample's loss at least, got none")
    return {name: total / count for name, total in fisher.items()}


def elastic_penalty(
    parameters: Mapping[str, torch.Tensor], anchors: Mapping[str, torch.Tensor], fisher: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """Sum over all weights of fisher * (weight - anchor)^2: what mattered to the source stays where it was (elastic weight
    consolidation of a generator, Li et al., arXiv 2012.02780; Kirkpatrick et al., arXiv 1612.00796, eq. 3, has half of it).

    Args:
        parameters: weights of the generator in training.
        anchors: the source generator's, by the same names, detached.
        fisher: from `fisher_diagonal`; its names are the ones that are compared.

    Returns:
        scalar.

    Raises:
        ValueError: a name in `fisher` that the others lack.

    >>> w = {"w": torch.tensor([3.0, 1.0])}
    >>> elastic_penalty(w, {"w": torch.ones(2)}, {"w": torch.tensor([0.5, 9.0])})
    tensor(2.)
    """
    missing = [name for name in fisher if name not in parameters or name not in anchors]
    if missing:
        raise ValueError(f"elastic weight consolidation has no weight or anchor for `{missing[0]}`; are the models the same?")
    terms = [(fisher[name] * (parameters[name].float() - anchors[name].float()).square()).sum() for name in fisher]
    return torch.stack(terms).sum()


def correspondence_loss(adapted: Mapping[str, torch.Tensor], source: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Cross-domain correspondence: among images of one batch, who resembles whom must stay (Ojha et al., arXiv 2104.06820,
    section 3.1).

    For every layer and image a softmax over the cosine similarities to the other images makes a distribution; the loss is its
    KL divergence, KL(source || adapted) as in the authors' code. Batches of a few images are enough; 4 are used there.

    Args:
        adapted: features of the adapted generator's outputs, or of its own layers, `{layer: (B, ...)}`, B of 3 at least.
        source: those of the source generator for the same inputs; no gradient flows into them.

    Returns:
        `(B,)`, mean over the layers; 0 where the resemblances are equal.

    Raises:
        ValueError: fewer than 3 images: with 2 there is nothing to compare, the loss would always be 0.

    >>> f = {"a": torch.rand(4, 8, 2, 2)}
    >>> correspondence_loss(f, f)
    tensor([0., 0., 0., 0.])
    """
    total: torch.Tensor | float = 0.0
    for name, theirs in source.items():
        ours = adapted[name]
        if len(ours) < 3:
            raise ValueError(f"cross-domain correspondence needs 3 images a batch at least, got {len(ours)}")
        p, q = _log_resemblance(theirs.detach()), _log_resemblance(ours)
        total = total + (p.exp() * (p - q)).sum(1)
    return torch.as_tensor(total) / len(source)


def _log_resemblance(features: torch.Tensor) -> torch.Tensor:
    """`(B, ...)` -> `(B, B - 1)`, log of the softmax over the cosine similarities to all others."""
    flat = F.normalize(features.flatten(1).float(), dim=1)
    count = len(flat)
    others = ~torch.eye(count, dtype=torch.bool, device=flat.device)
    return F.log_softmax((flat @ flat.T)[others].view(count, count - 1), 1)
