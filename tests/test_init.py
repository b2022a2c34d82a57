import os
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


def run(code: str, home, **environment: str) -> str:
    """What `code` prints in a Python of its own, at home in the folder `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    line = [sys.executable, "-c", code]
    environment = {**kept, "HOME": str(home), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(line, capture_output=True, text=True, check=True, env=environment).stdout.strip()


def test_onnx_runtime_writes_no_device_id(tmp_path):
    pytest.importorskip("onnxruntime")
    run("import styleadapt, onnxruntime", tmp_path)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name or "deviceid" in path.name]


def test_telemetry_is_off_unless_the_user_has_chosen(tmp_path):
    code = "import os, styleadapt; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert run(code, tmp_path) == "1"
    assert run(code, tmp_path, ORT_DISABLE_TELEMETRY="0") == "0"
