import json

import pytest


@pytest.mark.slow
def test_it_prints_seconds_ratio_and_memory(command, tmp_path):
    """Tiny sizes: what is checked is that it measures, not how fast."""
    sizes = ("--size", 32, "--channels", 2, "--blocks", 1, "--n_layers_global", 5, "--n_layers_local", 4, "--light")
    done = command("benchmark_ugatit", *sizes, "--rounds", 1, "--threads", 1, "--json", tmp_path / "b.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "b.json").read_text())
    assert report.keys() == {"reference", "styleadapt"} and "1.00" in done.stdout
    assert all(figures["seconds"] > 0 and figures["peak_mb"] > 50 for figures in report.values())
