import os
import runpy

import pytest

from ..commands import ROOT, run_script
from ..tiny_restoration import tiny_restoration

SCRIPT = ROOT / "benchmarks" / "benchmark_restoration.py"


@pytest.mark.slow
def test_a_row_for_every_task_with_its_time_and_its_peak(tmp_path):
    tiny_restoration().save_pretrained(tmp_path)
    line = [SCRIPT, "--megapixels", "0.02", "--tasks", "denoise, fidelity 0.5", "inpaint"]
    done = run_script([*line, "--pretrained_model_name_or_path", tmp_path], ROOT, os.environ)
    assert not done.returncode, done.stderr
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in done.stdout.splitlines()]
    assert [row[0] for row in rows[2:]] == ["denoise, fidelity 0.5", "inpaint"]
    assert all(float(row[1]) >= 0 and 0.1 < float(row[2]) < 4 for row in rows[2:])


def test_every_task_is_one_that_the_pipeline_has():
    tasks = runpy.run_path(str(SCRIPT))["TASKS"]
    for name, options in tasks.items():
        plain = {"task": name, "level": "auto", "fidelity": 1.0, "mask": None, "reference": None}
        tiny_restoration().check_inputs(None, **{**plain, **options})
