"""Text files are UTF-8, whatever the locale: the linter's rule, and what it cannot see for want of types."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("scripts", "benchmarks", "tools", "styleadapt")
FILES = [ROOT / "app.py", *(file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))]


def unencoded(source: str) -> list[str]:
    """The calls in `source` that read or write text in the encoding of the locale."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if _opens_text(call) and not any(k.arg == "encoding" for k in call.keywords)]


def _opens_text(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text"):
        return True
    if ast.unparse(call.func) not in ("open", "os.fdopen"):
        return False
    mode = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    return not mode or "b" not in ast.literal_eval(mode[0])


def test_what_is_looked_for_is_found():
    source = "p.read_text(); p.write_text('x', encoding='utf-8'); open('x', 'rb'); open('x'); os.fdopen(3, 'w')"
    assert unencoded(source) == ["p.read_text()", "open('x')", "os.fdopen(3, 'w')"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_text_file_is_utf_8(file):
    assert unencoded(file.read_text(encoding="utf-8")) == []
