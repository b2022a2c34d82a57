"""The config of a saved model, checked against the signature of the model's constructor."""

import difflib
import inspect
import json
import math
import types
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ..errors import ModelLoadError


def read_config(file: str, cls: type) -> dict[str, Any]:
    """The constructor's arguments in a model's config.json, of the types that its signature states.

    Args:
        file: path of the config.json.
        cls: class of the model.

    Raises:
        ModelLoadError: the file is no JSON object, of another class, or has a key or a value that the constructor does not take.
    """
    try:
        config = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLoadError(f"{file} is not readable JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelLoadError(f"{file}: expected a JSON object, found {_shortened(config)}")
    found = config.get("_class_name")
    if found != cls.__name__:
        raise ModelLoadError(f"{file}: expected a {cls.__name__} in `_class_name`, found {_shortened(found)}")
    parameters = dict(inspect.signature(cls, eval_str=True).parameters)
    arguments = {}
    for key, value in config.items():
        # keys with an underscore, and `auto_map`, are diffusers' own notes
        if key.startswith("_") or key == "auto_map":
            continue
        if key not in parameters:
            allowed = ", ".join(sorted(parameters)) or "nothing"
            raise ModelLoadError(f"{file}: unknown key `{key}`{nearest(key, parameters)}; {cls.__name__} takes {allowed}")
        hint = parameters[key].annotation
        try:
            arguments[key] = _typed(value, hint)
        except TypeError as error:
            expected = inspect.formatannotation(hint)
            raise ModelLoadError(f"{file}: `{key}` is {_shortened(value)}, expected {expected}") from error
    return arguments


def _typed(value: Any, hint: Any) -> Any:
    """A JSON value as the annotated type, lists as tuples where tuples are due; a TypeError where it is of another type."""
    origin, args = get_origin(hint) or hint, get_args(hint)
    if hint in (Any, inspect.Parameter.empty):
        return value
    if origin in (Union, types.UnionType):
        for choice in args:
            try:
                return _typed(value, choice)
            except TypeError:
                continue
        raise TypeError(hint)
    if origin in (tuple, list):
        if not isinstance(value, list):
            raise TypeError(hint)
        if origin is list or args[1:] == (...,) or not args:
            args = (args[0] if args else Any,) * len(value)
        if len(args) != len(value):
            raise TypeError(hint)
        return origin(map(_typed, value, args))
    if origin is Literal:
        fits = any(type(value) is type(choice) and value == choice for choice in args)
    elif origin is float:
        fits = type(value) in (int, float) and math.isfinite(value)
    else:
        fits = type(value) is (type(None) if origin is None else origin)
    if not fits:
        raise TypeError(hint)
    return value


def nearest(name: str, known: Collection[str]) -> str:
    """
    >>> nearest("slop", ["slope", "bias"])
    ' (did you mean `slope`?)'
    """
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _shortened(value: Any, length: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= length else text[:length] + "..."
