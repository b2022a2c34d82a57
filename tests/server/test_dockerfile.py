"""The Dockerfile, read: what it copies is there, it starts the app, and it agrees with the README and the requirements."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile and its arguments, continued lines joined and comments dropped."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#"))
    return [tuple(line.split(maxsplit=1)) for line in text.replace("\\\n", " ").splitlines() if line.strip()]  # type: ignore[misc]


def arguments(name: str) -> list[str]:
    return [value for instruction, value in instructions() if instruction == name]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for value in arguments("ENV") for pair in value.split())


def copied() -> list[str]:
    """Everything that a COPY takes from the repository."""
    return [word for value in arguments("COPY") for word in value.split()[:-1] if not word.startswith("--")]


def front_matter() -> dict[str, str]:
    lines = (ROOT / "README.md").read_text().split("---")[1].strip().splitlines()
    return {key: value.strip(' "') for key, value in (line.split(":", 1) for line in lines)}


def test_python_is_that_of_the_space():
    assert arguments("FROM") == [f"python:{front_matter()['python_version']}-slim"]


def test_all_that_is_copied_is_there_and_let_through():
    ignore = (ROOT / ".dockerignore").read_text().split()
    assert copied()
    for source in copied():
        assert (ROOT / source).exists()
        assert not any(part.startswith((".", "/")) for part in Path(source).parts)
        # All is left out but what is named.
        assert "*" in ignore and f"!{source}" in ignore


@pytest.mark.parametrize("needed", ["styleadapt/ui/blocks.py", "styleadapt/assets/weights/model_index.json", "app.py"])
def test_what_the_app_runs_on_is_copied(needed):
    assert (ROOT / needed).is_file()
    assert any(fnmatch.fnmatch(needed, pattern) for source in copied() for pattern in (source, f"{source}/*"))


def test_it_starts_the_app_of_the_space():
    [command] = arguments("CMD")
    assert json.loads(command) == ["python", front_matter()["app_file"]]
    assert arguments("WORKDIR")


def test_it_listens_where_the_container_is_open():
    own = environment()
    assert own["GRADIO_SERVER_NAME"] == "0.0.0.0"
    assert arguments("EXPOSE") == [own["GRADIO_SERVER_PORT"]] == ["7860"]


def test_it_does_not_run_as_root():
    names = [name for name, _ in instructions()]
    assert "--uid 1000 user" in arguments("RUN")[0] and arguments("USER") == ["user"]
    assert names.index("USER") < names.index("COPY") < names.index("CMD")
    assert environment()["HOME"] == "/home/user" and arguments("WORKDIR")[0].startswith("/home/user/")
    assert all("--chown=user" in value for value in arguments("COPY"))


def test_dependencies_come_first_and_without_cuda():
    install = next(value for value in arguments("RUN") if "pip install" in value)
    torch = re.search(r"^torch\S*$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert torch and f'"{torch[0]}" --index-url https://download.pytorch.org/whl/cpu' in install
    assert "-r requirements.txt" in install
    assert environment()["PIP_NO_CACHE_DIR"] == "1"
    order = [value for name, value in instructions() if name in ("COPY", "RUN")]
    assert order.index(install) < next(n for n, value in enumerate(order) if value.endswith("./styleadapt"))
