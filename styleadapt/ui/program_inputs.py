"""Answers programs that call the app: what each input means, and what is wrong with a value that it cannot take."""

from typing import Any

import gradio as gr
from gradio.data_classes import GradioDataModel, ListFiles
from gradio.utils import get_function_description
from pydantic import ValidationError

WANTED: dict[Any, str] = {
    gr.Gallery: "send a list of image files",
    gr.File: "send a list of files",
    gr.Image: "send an image file",
    gr.Video: "send a video file",
    gr.ImageEditor: "send the layers of an editor",
}
"""What an input that holds files is to be given."""


def serve_programs(app: gr.Blocks) -> None:
    """Describe the inputs of the public functions of `app` by their docstrings, and have values of the wrong kind answered in
    one plain line. Gradio's own description has no meanings, and its own answer to such values is that something went wrong."""
    for component in app.blocks.values():
        if isinstance(component, gr.Slider | gr.Number):
            _read_numbers(component)
        elif isinstance(component, gr.components.Component) and isinstance(component, tuple(WANTED)):
            wanted = next(text for kind, text in WANTED.items() if isinstance(component, kind))
            component.data_model = _read_files(component.data_model, str(component.label), wanted)  # type: ignore[arg-type]
    described: dict[Any, str] = {}
    for event in app.fns.values():
        if event.api_visibility != "private" and event.fn is not None:
            _, meanings, _ = get_function_description(event.fn)
            for component, meaning in zip(event.inputs, meanings.values()):
                # of a component that several functions share the first has the full meaning
                described.setdefault(component, meaning)
    for component, meaning in described.items():
        if not isinstance(component, gr.State):
            _describe(component, meaning)


def _read_numbers(component: gr.Slider | gr.Number) -> None:
    own = component.preprocess

    def preprocess(payload: Any) -> float | None:
        if payload is None:
            return None
        try:
            number = float(payload)
        except (TypeError, ValueError):
            raise gr.Error(f"{component.label}: send a number, not {type(payload).__name__}.", print_exception=False) from None
        try:
            return own(number)
        except ValueError as error:
            raise gr.Error(f"{component.label}: {error}", print_exception=False) from None

    component.preprocess = preprocess  # type: ignore[method-assign]


def _read_files(model: type[GradioDataModel], label: str, wanted: str) -> type[GradioDataModel]:
    class Answering(model):  # type: ignore[misc, valid-type]
        @classmethod
        def model_validate(cls, value: Any, **options: Any) -> GradioDataModel:
            try:
                return model.model_validate(_listed(model, value), **options)
            except ValidationError:
                raise gr.Error(f"{label}: {wanted}.", print_exception=False) from None

    return Answering


def _listed(model: type[GradioDataModel], value: Any) -> Any:
    """A file where a list of files is expected as that list, and files in the form that a gallery takes."""
    gallery = model is gr.Gallery.data_model
    if not gallery and model is not ListFiles:
        return value
    items = [value] if isinstance(value, dict) else value
    if not gallery or not isinstance(items, list):
        return items
    return [{"image": item} if isinstance(item, dict) and "path" in item else item for item in items]


def _describe(component: Any, meaning: str) -> None:
    own = component.api_info

    def api_info() -> dict[str, Any]:
        return {**own(), "additional_description": meaning}

    component.api_info = api_info
