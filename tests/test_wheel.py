"""What `pip install` gives somebody who has no clone: the wheel beside the base requirements alone, in an empty folder."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from styleadapt.extras import EXTRAS

from .conftest import smooth_noise, stripes

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(*extras: str) -> set[str]:
    """Those of the base and of extras, which may name one another."""
    found = set(PROJECT["dependencies"])
    for extra in extras:
        for line in PROJECT["optional-dependencies"][extra]:
            within = re.fullmatch(r"styleadapt\[(.*)\]", line)
            found |= requirements(*within[1].split(",")) if within else {line}
    return found


def link_packages(folder: Path, lines: set[str]) -> None:
    """Links what is installed here of some requirements, and of theirs, into a folder."""
    waiting = [re.match(r"[\w.-]+", line)[0] for line in lines]
    done: set[str] = set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in done:
            continue
        done.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for top in {Path(file).parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))
        waiting += [re.match(r"[\w.-]+", line)[0] for line in distribution.requires or [] if "extra ==" not in line]


def test_the_space_installs_the_base_and_the_app():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert set(lines) == requirements("app") and lines == sorted(lines, key=str.lower)


def test_error_messages_name_extras_that_there_are():
    assert EXTRAS.keys() <= PROJECT["optional-dependencies"].keys()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs `styleadapt ARGUMENTS` from the wheel in an empty folder, which it gives back with the finished process."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    # a copy, because setuptools leaves a folder `build` beside what it builds
    source = folder / "source"
    shutil.copytree(ROOT / "styleadapt", source / "styleadapt", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", folder / "site", wheel], check=True)
    (folder / "packages").mkdir()
    link_packages(folder / "packages", requirements())
    (folder / "empty").mkdir()
    path = os.pathsep.join(str(folder / name) for name in ("site", "packages"))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def run(*arguments: object) -> tuple[subprocess.CompletedProcess, Path]:
        # -S: no other packages of this environment
        line = [sys.executable, "-S", folder / "site" / "bin" / "styleadapt", *arguments]
        done = subprocess.run(
            list(map(str, line)), capture_output=True, text=True, timeout=300, cwd=folder / "empty", env=environment
        )
        return done, folder / "empty"

    return run


@pytest.mark.slow
def test_the_wheel_stylizes_adapts_and_tells_its_environment(installed):
    done, folder = installed("--version")
    assert done.returncode == 0 and re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout), done.stderr
    smooth_noise((64, 48), 0).save(folder / "photo.png")
    stripes(96).save(folder / "style.png")
    done, _ = installed("adapt", "style.png", "-o", "style.safetensors", "--steps", 2, "--device", "cpu")
    assert done.returncode == 0 and "2 steps" in done.stdout, done.stderr
    for option, name in (("--style", "style.png"), ("--adapter", "style.safetensors")):
        done, _ = installed("stylize", "photo.png", option, name, "-o", f"by{option}.png", "--device", "cpu")
        assert done.returncode == 0, done.stderr
        assert Image.open(folder / f"by{option}.png").size == (64, 48)
    for arguments, extra in (
        (("app",), "app"),
        (("stylize", "clip.mp4", "--style", "style.png", "-o", "out.mp4"), "video"),
        (("stylize", "user/photos", "--style", "style.png", "-o", "out"), "train"),
        (("evaluate", "--backbone", "embedded", "--size", 48, "--limit", 2, "-o", "runs"), "metrics"),
        (("export", "-o", "exported"), "export"),
    ):
        done, _ = installed(*arguments)
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 1 and last.startswith("error: ") and f'pip install "styleadapt[{extra}]"' in last, done.stderr
    done, _ = installed("env")
    assert done.returncode == 0 and re.search(r"(?m)^\[app\]: +gradio not installed$", done.stdout), done.stderr


@pytest.mark.slow
def test_the_wheel_holds_what_the_package_reads(installed):
    _, folder = installed("--version")
    for kind in ("assets", "cli"):
        there, here = folder.parent / "site" / "styleadapt" / kind, ROOT / "styleadapt" / kind
        names = {path.relative_to(here) for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        assert names <= {path.relative_to(there) for path in there.rglob("*")}
