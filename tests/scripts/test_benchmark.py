import json


def test_it_prints_seconds_ratios_and_memory(command, tmp_path):
    """Tiny sizes: what is checked is that it measures, not how fast."""
    done = command("benchmark", "--sizes", 64, "--rounds", 1, "--threads", 1, "--json", tmp_path / "b.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "b.json").read_text())
    assert {"styleadapt", "styleadapt-encode"} <= report.keys()
    for method, figures in report.items():
        assert method in done.stdout
        assert figures["seconds"]["64"] > 0 and figures["peak_mb"] > 50
