"""Maps optional packages to the extras of `pip install styleadapt[...]` that bring them."""

# Names of modules as Python imports them; pyproject.toml says which versions.
EXTRAS = {
    "app": ("gradio",),
    "train": ("datasets", "tensorboard"),
    "video": ("av",),
    "export": ("onnx", "onnxscript", "onnxruntime", "openvino"),
    "metrics": ("skimage", "scipy"),
}


def describe_missing(error: ImportError) -> str:
    """The message of an import error in one line; it names the command that installs what is missing if an extra has it.

    >>> describe_missing(ModuleNotFoundError("No module named 'av'", name="av"))
    'the package av is not installed: pip install "styleadapt[video]"'
    """
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if isinstance(error, ModuleNotFoundError) and package in packages:
            return f'the package {package} is not installed: pip install "styleadapt[{extra}]"'
    return " ".join(str(error).split())
