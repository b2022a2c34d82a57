import json

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--sizes", 64, "--batches", 1, 2, "--mixed_precision", "bf16"),
        ("--task", "ugatit", "--sizes", 32, "--batches", 1, "--light", "true", "--channels", 2, "--blocks", 1)
        + ("--n_layers_global", 4, "--n_layers_local", 4),
    ],
)
def test_every_row_has_speed_and_memory(command, tmp_path, options):
    """Tiny sizes: what is checked is that it measures, not how fast."""
    done = command("benchmark_training", *options, "--steps", 2, "--threads", 1, "--json", tmp_path / "b.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "b.json").read_text())
    assert [row["batch"] for row in rows] == ([1, 2] if len(rows) == 2 else [1])
    for row in rows:
        assert row["images_per_second"] == pytest.approx(row["batch"] / row["seconds"])
        assert row["peak_mb"] > 50


def test_settings_that_no_run_can_use_are_refused(command):
    done = command("benchmark_training", "--sizes", 64, "--batches", 1, "--optimizer", "adamm")
    assert done.returncode == 1 and "`optimizer` is 'adamm'" in done.stderr
