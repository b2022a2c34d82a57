"""The code cells of the notebook run as they stand, in their order, with fewer steps and smaller pictures."""

import json
from pathlib import Path

import numpy as np
import pytest

from styleadapt import AdaptationConfig

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "quickstart.ipynb"
SMALLER = {"SIZE = 384": "SIZE = 96", "STEPS = 100": "STEPS = 2"}


def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


@pytest.fixture
def quick_adaptation(monkeypatch):
    """Small crops and few of them are the defaults of an adaptation."""
    settings = {"crop_size": 96, "pool_size": 2, "style_size": 96}
    defaults = dict(zip(AdaptationConfig.__dataclass_fields__, AdaptationConfig.__init__.__defaults__))
    monkeypatch.setattr(AdaptationConfig.__init__, "__defaults__", tuple({**defaults, **settings}.values()))


def test_the_notebook_runs(quick_adaptation, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "notebook"}
    changed = set()
    for number, cell in enumerate(cells()):
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        for line, smaller in SMALLER.items():
            if line in source:
                source = source.replace(line, smaller)
                changed.add(line)
        exec(compile(source, f"cell {number} of {NOTEBOOK.name}", "exec"), names)
    assert changed == set(SMALLER)
    assert "step 0: style distance" in capsys.readouterr().out
    assert names["adapter"].steps == 2
    pictures = [np.asarray(names[name]) for name in ("zero_shot", "adapted", "both", "half_adapter", "loaded")]
    assert {picture.shape for picture in pictures} == {np.asarray(names["photo"]).shape}
    # an adapter is saved in half precision
    assert difference(names["loaded"], names["adapted"]) < 0.5
    assert difference(names["half_adapter"], names["adapted"]) > 1
    assert difference(names["both"], names["zero_shot"]) > 1


def difference(a, b) -> float:
    """Of two pictures, on average, in levels of 255."""
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def test_the_notebook_is_stored_without_results():
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
