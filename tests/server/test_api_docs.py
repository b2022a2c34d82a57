"""The examples of docs/api.md, run as they stand against a live server, in their order."""

import functools
import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from styleadapt.ui.examples import ASSETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:7860"
SIZE = (96, 64)
HAS_RESTORATION = (ASSETS / "restoration" / "model_index.json").is_file()
FILES = {"image", "style", "styles", "mask", "reference", "inside", "outside", "photos", "clip", "file", "files"}


def has_mcp() -> bool:
    """Whether there is an `mcp` that Gradio can use."""
    try:
        return int(importlib.metadata.version("mcp").split(".")[0]) < 2
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the examples name, small."""
    folder = tmp_path_factory.mktemp("documents")
    for name, source in (("photo.jpg", "photos/cat.jpg"), ("painting.jpg", "styles/mosaic.jpg")):
        with Image.open(ASSETS / source) as image:
            image.resize(SIZE).save(folder / name)
    Image.linear_gradient("L").resize(SIZE).save(folder / "mask.png")
    _clip(folder / "clip.mp4")
    return folder


def _clip(path: Path, frames: int = 4) -> None:
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(frames):
            image = Image.linear_gradient("L").rotate(10 * number).resize(SIZE).convert("RGB")
            file.mux(stream.encode(av.VideoFrame.from_image(image)))
        file.mux(stream.encode())


def run(blocks: list[str], served, folder, monkeypatch) -> dict:
    """What the blocks have defined after they ran in `folder`, with the server's address in place of the usual one."""
    monkeypatch.chdir(folder)
    names: dict = {}
    assert ADDRESS in "".join(blocks)
    for block in blocks:
        exec(compile(block.replace(ADDRESS, served.url), "docs/api.md", "exec"), names)
    return names


def test_every_named_function_is_documented(served):
    with served.visit("documents") as client:
        named = set(client.parameters)
    assert named == set(re.findall(r"^\| `(/\w+)` \|", PAGE, re.MULTILINE))
    examples = "".join(BLOCKS)
    assert all(f'api_name="{name}"' in examples for name in named)


def test_the_examples_of_the_client_run(served, folder, monkeypatch, capsys):
    left_out = ["from mcp"] if HAS_RESTORATION else ["from mcp", '"/restore"']
    names = run([block for block in BLOCKS if not any(text in block for text in left_out)], served, folder, monkeypatch)
    assert Image.open(names["picture"]["value"]).size == SIZE
    assert Image.open(names["strip"]).width > SIZE[0]
    assert Path(names["adapter"]).suffix == ".safetensors"
    assert Path(names["archive"]["value"]).stat().st_size and names["clip"]
    assert "Choose a photo first." in capsys.readouterr().out


@pytest.mark.skipif(not has_mcp(), reason='needs pip install "mcp<2"')
def test_the_example_of_mcp_runs(served, folder, monkeypatch, capsys):
    names = run([block for block in BLOCKS if "from mcp" in block], served, folder, monkeypatch)
    assert not names["result"].isError, names["result"].content
    assert "regions.png" in str(names["result"].content) and f"{SIZE[0]} × {SIZE[1]} px" in str(names["result"].content)
    assert "'stylize'" in capsys.readouterr().out


def test_only_files_have_to_be_given(served):
    with served.visit("defaults") as client:
        for name, endpoint in client.parameters.items():
            asked = {
                parameter["parameter_name"] for parameter in endpoint["parameters"] if not parameter["parameter_has_default"]
            }
            assert asked <= FILES, name


@pytest.mark.skipif(not has_mcp(), reason='needs pip install "mcp<2"')
def test_every_tool_of_mcp_can_be_called(served):
    """A schema whose references lead nowhere lets no call through."""
    with served.visit("schemas") as client:
        for tool in client.http.get("/gradio_api/mcp/schema").json():
            for reference in re.findall(r'"\$ref": ?"#/([^"]*)"', json.dumps(tool["inputSchema"])):
                functools.reduce(lambda node, key: node[key], reference.split("/"), tool["inputSchema"])
