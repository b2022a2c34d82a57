from pathlib import Path

import pytest
import yaml

from study_plan import Study, StudyError, configure

PLANS = Path(__file__).resolve().parents[2] / "configs" / "study"


def write(tmp_path, **values):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({"artists": ["a", "b"], **values}))
    return path


def test_runs_are_every_arm_on_every_artist_with_every_seed(tmp_path):
    arms = {"rate": {"low": {"learning_rate": 1e-3}}, "shots": {"one": {"shots": 1}}, "zero-shot": {"none": {"seconds": 0}}}
    runs = Study.from_file(write(tmp_path, seeds=[0, 1], arms=arms, defaults={"rank": 8})).runs()
    assert len(runs) == 4 * 2 * 2 and len({run.key for run in runs}) == len(runs)
    assert [run.factor for run in runs[:4]] == ["default"] * 4
    by_factor = {run.factor: run for run in runs}
    assert by_factor["rate"].settings == {"rank": 8, "learning_rate": 1e-3}
    assert by_factor["shots"].shots == 1 and by_factor["shots"].settings == {"rank": 8}
    assert by_factor["zero-shot"].seconds == 0 and by_factor["rate"].seconds == 30


def test_nested_settings_leave_their_neighbors():
    config = configure({"losses.content": 5, "adversarial.adv_loss": "lsgan", "rank": 4})
    assert config.losses.content == 5 and config.losses.gram == configure({}).losses.gram
    assert config.adversarial.adv_loss == "lsgan" and config.rank == 4


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"learning_rat": 1}, "did you mean `learning_rate`"),
        ({"losses.contents": 1}, "did you mean `content`"),
        ({"rank.of": 1}, "`rank` has no settings"),
        ({"train": "everything"}, "allowed: code"),
        ({"adversarial.adv_loss": "hinje"}, "hinge"),
        ({"losses.gram": -1}, "0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(StudyError, match=message):
        configure(settings)


@pytest.mark.parametrize(
    "values, message", [({"artist": []}, "`artists`"), ({"artists": []}, "names no"), ({"arms": {"f": {"a": {"x": 1}}}}, "`x`")]
)
def test_plans_that_cannot_be_run_are_refused(tmp_path, values, message):
    with pytest.raises(StudyError, match=message):
        Study.from_file(write(tmp_path, **values))


@pytest.mark.parametrize("plan", sorted(PLANS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_plans_of_the_repository_can_be_run(plan):
    assert len(Study.from_file(plan).artists) >= 4
