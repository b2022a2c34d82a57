"""Judges an adaptation by its scores: how much of the style it gained, how much content it kept, whether it memorized images."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Advice:
    """Advice for the user about each kind of bad figure, a sentence each, in the words of the interface that shows it."""

    style: str
    content: str
    memorization: str


@dataclass(frozen=True)
class Finding:
    """One figure in plain words.

    Args:
        figure: "Style gained", "Content kept" or "Memorization".
        value: a share, 1 for 100 %; high is good in the first two, low in the last.
        verdict: "good", "fair" or "bad".
        sentence: what the value says.
        suggestion: what to do about it; None unless the verdict is "bad".
    """

    figure: str
    value: float
    verdict: str
    sentence: str
    suggestion: str | None

    def __str__(self) -> str:
        return f"{self.figure}: {self.verdict}. " + " ".join(filter(None, (self.sentence, self.suggestion)))


def health(scores: Mapping[str, float], advice: Advice) -> list[Finding]:
    """The findings that an adapter's scores allow; an adapter file of an older version has fewer scores, and gives fewer.

    The limits are measured on the packaged styles. A minute of adaptation through EfficientNet-Lite0 gains 20 to 30 % of style,
    through VGG-16 more, up to 60 % on strong single styles, and keeps more than 95 % of the content; 60 steps without any content
    loss kept 69 %. Zero-shot results have lost up to 11 % of the photos' variety; with half of the same picture blended into each
    of them, 30 to 44 %.

    Args:
        scores: of a `StyleAdapter`: `style_before` and `style_after`, `content_before` and `content_after`, and `memorization`.
        advice: suggestions for this interface.

    >>> advice = Advice("Take more time.", "Lower the strength.", "Add style images.")
    >>> [finding] = health({"style_before": 0.05, "style_after": 0.05}, advice)
    >>> print(finding)
    Style gained: bad. The results are 0% nearer to the style than before the adaptation. Take more time.
    """
    found = []
    if {"style_before", "style_after"} <= scores.keys() and scores["style_before"] > 0:
        gained = 1 - scores["style_after"] / scores["style_before"]
        change = "farther from" if gained < 0 else "nearer to"
        sentence = f"The results are {abs(gained):.0%} {change} the style than before the adaptation."
        found.append(_finding("Style gained", gained, _verdict(gained, 0.1, 0.03), sentence, advice.style))
    if {"content_before", "content_after"} <= scores.keys() and scores["content_before"] < 2:
        # 2 is the distance of unrelated pictures
        kept = (2 - scores["content_after"]) / (2 - scores["content_before"])
        sentence = f"The results keep {kept:.0%} as much of the photo's structure as before the adaptation."
        found.append(_finding("Content kept", kept, _verdict(kept, 0.95, 0.85), sentence, advice.content))
    if "memorization" in scores:
        lost = scores["memorization"]
        sentence = f"Results of different photos are {1 - lost:.0%} as different from one another as the photos."
        found.append(_finding("Memorization", lost, _verdict(1 - lost, 0.85, 0.7), sentence, advice.memorization))
    return found


def lost_variety(outputs: Sequence[Mapping[str, torch.Tensor]], photos: Sequence[Mapping[str, torch.Tensor]]) -> float:
    """Computes how much less the results of different photos differ from one another than the photos do.

    A model that has learned its few training images by heart draws the same thing again, whatever it is given. Ojha et al. (arXiv
    2104.06820, section 4) measure that as the mean distance of pairs of results around one training image, which is 0 for a
    model that has memorized it. An adapter has one style code, so that all its results are one such cluster. The distance is
    that of the content loss, where texture and color hardly count: all results are meant to share those. The distance to the
    nearest training image itself does not serve here: features of the same picture, shifted by a few pixels, are as unlike as
    those of two pictures.

    Args:
        outputs, photos: instance-normalized feature maps `{layer: (1, C, h, w)}` of each result and of each photo, all of one
            size, 2 or more.

    Returns:
        0 where the results differ as much as the photos do, or more; 1 where they are all the same.

    >>> photos = [{"a": m[None]} for m in torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))]
    >>> lost_variety(photos, photos), lost_variety(photos[:1] * 3, photos)
    (0.0, 1.0)
    """
    ours, theirs = (
        sum(float((one[layer] - other[layer]).square().mean()) for one, other in itertools.combinations(maps, 2) for layer in one)
        for maps in (outputs, photos)
    )
    return max(0.0, theirs - ours) / theirs if theirs > 0 else 0.0


def _verdict(value: float, good: float, fair: float) -> str:
    return "good" if value >= good else "fair" if value >= fair else "bad"


def _finding(figure: str, value: float, verdict: str, sentence: str, suggestion: str) -> Finding:
    return Finding(figure, value, verdict, sentence, suggestion if verdict == "bad" else None)
