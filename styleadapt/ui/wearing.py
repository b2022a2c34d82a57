"""The shared pipeline as it is, or a copy of it that wears a visitor's adapter."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from styleadapt import StyleTransferPipeline

ADAPTER_NAME = "visitor"


def wearing(pipeline: "StyleTransferPipeline", adapter_file: Path | None, weight: float = 1.0) -> "StyleTransferPipeline":
    """What stylizes with an adapter: a copy of `pipeline`, since an adapter changes the generator's weights. Without one nothing
    is copied, and `pipeline` itself stylizes.

    Parameters:
        adapter_file: the adapter, or None.
        weight: how far to follow it.
    """
    if adapter_file is None:
        return pipeline
    session = pipeline.clone()
    session.load_adapter(adapter_file, name=ADAPTER_NAME)
    session.set_adapters([ADAPTER_NAME], [weight])
    return session
