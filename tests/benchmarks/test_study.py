import json

import pytest
import yaml

from ..conftest import smooth_noise, stripes


@pytest.fixture
def arguments(tmp_path):
    """Plan, data and photos of a study of two runs, as the command line takes them."""
    for folder, images in {
        "ann/shots10": [stripes(80)],
        "ann/reference": [stripes(80, 12), stripes(80, 5)],
        "photos": [],
    }.items():
        (tmp_path / folder).mkdir(parents=True)
        for i, image in enumerate(images or [smooth_noise((90, 80), seed) for seed in range(2)]):
            image.save(tmp_path / folder / f"{i}.png")
    defaults = {"crop_size": 64, "pool_size": 2, "adv_weight": 0, "rank": 2}
    plan = {"artists": ["ann"], "seconds": 1.0, "shots": 1, "photos": 2, "size": 80, "backbone": "embedded", "defaults": defaults}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump({**plan, "arms": {"rate": {"low / slow": {"learning_rate": 1e-4}}}}))
    return ["run", tmp_path / "plan.yaml", "--data", tmp_path, "--photos", tmp_path / "photos", "--output", tmp_path / "out"]


def test_two_parts_make_the_whole_and_nothing_is_run_twice(command, arguments, tmp_path):
    for part in ("0/2", "1/2"):
        done = command("study", *arguments, "--part", part)
        assert done.returncode == 0 and "1 runs to do" in done.stdout, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out" / "runs.jsonl").read_text().splitlines()]
    assert [row["factor"] for row in rows] == ["default", "rate"] and all(row["steps"] >= 1 for row in rows)
    assert {p.name for p in (tmp_path / "out" / "pictures").iterdir()} == {
        "default_default_ann_1-shot_seed0_1s.jpg",
        "rate_low---slow_ann_1-shot_seed0_1s.jpg",
    }
    assert "0 runs to do" in command("study", *arguments).stdout


@pytest.mark.parametrize(
    "changes, message", [(["--part", "2/2"], "`--part` is '2/2'"), (["--data", "/nowhere"], "no folder /nowhere/ann/shots10")]
)
def test_what_cannot_be_run_is_named(command, arguments, changes, message):
    done = command("study", *arguments, *changes)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1


def test_a_report_without_rows_is_refused(command, tmp_path):
    done = command("study", "report", tmp_path, "--output", tmp_path / "report")
    assert done.returncode == 1 and "run the study first" in done.stderr
