import subprocess
import sys

import pytest

import styleadapt


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, styleadapt; print([m for m in ('torch', 'diffusers', 'gradio', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("name", styleadapt.__all__)
def test_every_public_name_is_there(name):
    assert getattr(styleadapt, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="StyleTransfer"):
        styleadapt.StyleTransfer  # noqa: B018
