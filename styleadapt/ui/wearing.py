"""Gives the shared pipeline, or a copy of it with a visitor's adapter."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from styleadapt import GenerationPipeline, StyleTransferPipeline

ADAPTER_NAME = "visitor"


Pipeline = TypeVar("Pipeline", "StyleTransferPipeline", "GenerationPipeline")


def wearing(pipeline: Pipeline, adapter_file: Path | None, weight: float = 1.0) -> Pipeline:
    """What works with an adapter: a copy of `pipeline`, since an adapter changes the generator's weights. Without one nothing
    is copied, and `pipeline` itself works.

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
