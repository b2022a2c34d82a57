"""The rooms of the package import downward alone: pyproject.toml has the contract, docs/architecture.md a sentence a room."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"


def test_no_room_imports_from_one_above_it():
    done = subprocess.run([sys.executable, "-c", LINT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_room_has_its_place_in_the_contract():
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (ROOT / "styleadapt").glob("*/__init__.py")]
    assert [room for room in rooms if f'styleadapt.{room}"' not in contract and f"styleadapt.{room} " not in contract] == []


def test_every_room_has_its_folder_of_tests():
    rooms = {path.parent.name for path in (ROOT / "styleadapt").glob("*/__init__.py")}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert rooms - folders == set() and folders - rooms == {"benchmarks", "scripts", "server", "tools"}
