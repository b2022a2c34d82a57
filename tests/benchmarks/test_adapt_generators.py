import json

import pytest
from PIL import Image

from ..conftest import smooth_noise, stripes


@pytest.mark.slow
def test_every_method_is_measured_beside_the_source(command, tmp_path):
    for folder, offset in (("shots", 0), ("reference", 10)):
        (tmp_path / folder).mkdir()
        for n in range(4):
            stripes(80, 8 + offset + 2 * n).save(tmp_path / folder / f"{n}.png")
    options = {"--minutes": 0.03, "--samples": 6, "--backbone": "embedded", "--output": tmp_path / "out"}
    given = [value for pair in options.items() for value in pair]
    done = command("adapt_generators", "--shots", tmp_path / "shots", "--reference", tmp_path / "reference", *given)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert list(found) == ["minutes", "source", "adapt", "plain", "kept"]
    assert all(figures["diversity"] > 0 for name, figures in found.items() if name != "minutes")
    assert len({figures["distance"] for name, figures in found.items() if name != "minutes"}) == 4
    for name, share in (("source", 1.0), ("adapt", found["adapt"]["distance"] / found["source"]["distance"])):
        line = next(line for line in done.stdout.splitlines() if line.startswith(name))
        assert float(line.split()[2]) == pytest.approx(share, abs=0.01)
    assert Image.open(tmp_path / "out" / "sheet.jpg").width > 64


def test_a_reference_alone_is_not_enough(command, tmp_path):
    smooth_noise((80, 80), 1).save(tmp_path / "a.png")
    done = command("adapt_generators", "--reference", tmp_path, "--output", tmp_path / "out")
    assert done.returncode == 2 and "--shots" in done.stderr
