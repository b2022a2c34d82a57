"""Measures how the time of a stylization is divided among the kinds of layers."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from torch.profiler import ProfilerActivity, profile, record_function

IMAGES, BETWEEN, OTHER = "image in and out", "between operations", "other operations"
# parts of the names of torch's operations; the first kind that fits is taken
KINDS = {
    "upsampling": ("upsample",),
    "convolutions": ("conv", "addmm", "matmul", "linear"),
    "padding": ("pad",),
    "activations": ("relu", "tanh", "clamp"),
    "normalization and noise": ("mean", "sum", "var", "sqrt", "addcmul", "mul", "div", "neg", "norm"),
    "additions": ("add", "sub"),
    "attention's maximum": ("amax",),
    "copies and conversions": ("copy", "_to", "::to", "contiguous", "clone", "cat", "repeat", "unshuffle", "empty"),
}
_CALL = "styleadapt::call"


@dataclass(frozen=True)
class KindTime:
    """
    Args:
        kind: of `KINDS`; or `OTHER`; or `IMAGES`, all before the first convolution and after the last; or `BETWEEN`, what no
            operation takes from the one to the other: Python, and waiting.
        seconds: in one call.
        mostly: the operation with the largest part in it, "" for what is no operation.
    """

    kind: str
    seconds: float
    mostly: str = ""


def layer_times(call: Callable[[], object], repeats: int = 5) -> list[KindTime]:
    """The time of one call on the CPU, split by the kind of operation; the parts sum up to the whole.

    An operation counts as what torch calls it, whatever layer or function it comes from; the multiply-adds of normalizations and
    of noise have the same name.

    Args:
        call: runs a network once, images in, images out. It must not be compiled, or its operations have no names.
        repeats: the fastest of so many calls is taken, after one that warms up.

    Returns:
        The kinds by their time, the longest first.

    Raises:
        ValueError: no convolution ran in `call`.

    >>> import torch
    >>> layer = torch.nn.Conv2d(3, 8, 3)
    >>> "convolutions" in [part.kind for part in layer_times(lambda: layer(torch.zeros(1, 3, 64, 64)), repeats=1)]
    True
    """
    call()
    return min((_profiled(call) for _ in range(repeats)), key=lambda parts: sum(part.seconds for part in parts))


def _profiled(call: Callable[[], object]) -> list[KindTime]:
    with profile(activities=[ProfilerActivity.CPU]) as profiler, record_function(_CALL):
        call()
    events = profiler.events() or []
    whole = next(event for event in events if event.name == _CALL)
    convolutions = [event.time_range for event in events if "conv" in event.name]
    if not convolutions:
        raise ValueError("`call` ran no convolution, so there is no network whose time could be split")
    start, end = min(time.start for time in convolutions), max(time.end for time in convolutions)
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        if event is not whole and start <= event.time_range.start and event.time_range.end <= end:
            by_kind[kind_of(event.name)][event.name] += event.self_cpu_time_total
    parts = [KindTime(kind, times.total() / 1e6, times.most_common(1)[0][0]) for kind, times in by_kind.items()]
    network = (end - start) / 1e6
    parts.append(KindTime(BETWEEN, network - sum(part.seconds for part in parts)))
    parts.append(KindTime(IMAGES, whole.cpu_time_total / 1e6 - network))
    return sorted(parts, key=lambda part: -part.seconds)


def kind_of(operation: str) -> str:
    """The kind of an operation by its name in torch.

    >>> kind_of("aten::upsample_bilinear2d"), kind_of("aten::add_"), kind_of("aten::fft")
    ('upsampling', 'additions', 'other operations')
    """
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), OTHER)
