"""Imports the public names of a package when they are first used, so that importing the package costs nothing."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(package: str, public: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The functions `__getattr__` and `__dir__` of a package (PEP 562), and its `__all__`.

    Args:
        package: its `__name__`.
        public: the names, and the module of the package that each is in.
    """

    def get(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{public[name]}"), name)

    return get, lambda: sorted({*vars(sys.modules[package]), *public}), sorted(public)
