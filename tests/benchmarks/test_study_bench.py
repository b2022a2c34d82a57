from dataclasses import replace

import pytest
from PIL import Image

from study_bench import Bench, append_row, read_rows, remaining
from study_plan import Run, Study, StudyError

from ..conftest import smooth_noise, stripes

STUDY = Study(
    artists=["ann"],
    photos=2,
    size=96,
    shots=1,
    backbone="embedded",
    defaults={"crop_size": 64, "pool_size": 2, "adv_weight": 0, "rank": 2},
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    for folder, images in {
        "data/ann/shots10": [stripes(100)],
        "data/ann/reference": [stripes(100, 12), stripes(100, 5), stripes(100, 8)],
        "photos": [smooth_noise((120, 100), seed) for seed in range(3)],
    }.items():
        (root / folder).mkdir(parents=True)
        for i, image in enumerate(images):
            image.save(root / folder / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def bench(folders):
    return Bench(STUDY, folders / "data", folders / "photos")


def test_a_run_gives_a_row_with_figures_curve_and_settings(bench):
    run = replace(STUDY.runs()[0], seconds=2.0)
    row, pictures = bench.execute(run)
    assert len(pictures) == 2 and pictures[0].size == (96, 96)
    assert row["steps"] >= 1 and row["worked"] > 0 and row["curve"][0][0] == 0 and row["backbone"] == "embedded"
    assert all(row[name] > 0 for name in ("style", "shots_style", "content", "cfsd"))
    assert row["settings"]["crop_size"] == 64 and row["base"] == bench.pipe.fingerprint


def test_zero_seconds_is_zero_shot_and_leaves_no_adapter(bench):
    row, pictures = bench.execute(replace(STUDY.runs()[0], seconds=0))
    again = bench.pipe(bench.photos, style=Image.open(bench.data / "ann" / "shots10" / "0.png").resize((96, 96))).images
    assert "steps" not in row and pictures[0].size == again[0].size


def test_the_works_themselves_are_nearest_to_the_works(bench, folders):
    works = [Image.open(file).resize((96, 96)) for file in sorted((folders / "data/ann/reference").iterdir())]
    ours, others = bench.measure(works[:2], "ann", 1), bench.measure(bench.photos, "ann", 1)
    assert ours["style"] < 0.5 * others["style"] and ours["kid"] < others["kid"]
    assert others["content"] == 0 and others["cfsd"] == pytest.approx(0, abs=1e-6)


def test_missing_folders_and_images_are_named(folders):
    with pytest.raises(StudyError, match="no folder .*bob"):
        Bench(replace(STUDY, artists=["bob"]), folders / "data", folders / "photos")
    with pytest.raises(StudyError, match="holds 1 images, 3"):
        Bench(replace(STUDY, shots=3), folders / "data", folders / "photos")


def test_rows_survive_a_kill_and_are_not_run_again(tmp_path):
    runs = [Run("f", "a", {}, "ann", 1, seed, 5.0) for seed in range(3)]
    rows = tmp_path / "runs.jsonl"
    for run in runs[:2]:
        append_row(rows, vars(run))
    with rows.open("a") as file:
        file.write('{"factor": "f", "ar')  # killed while writing
    assert list(remaining(runs, read_rows(rows))) == runs[2:]
    append_row(rows, vars(runs[2]))
    assert len(read_rows(rows)) == 3 and not list(remaining(runs, read_rows(rows)))
