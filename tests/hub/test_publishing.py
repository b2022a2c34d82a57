import dataclasses
import json
from types import SimpleNamespace

import pytest

from styleadapt.hub import publishing
from styleadapt.hub.model_card import RunFacts
from styleadapt.hub.publishing import public_settings, publish_run, result_folder
from styleadapt.tasks.finetuning import FinetuneConfig
from styleadapt.tasks.stylization import StylizationConfig
from styleadapt.tasks.translation import UnpairedConfig
from styleadapt.training.config import RunConfig

PUBLIC = {
    *("adv_loss", "augment", "feature_network", "optimizer", "lr_scheduler", "lr_step_rules", "mixed_precision", "report_to"),
    *("metric_for_best_model", "tracker_project_name", "train_parameters", "targets"),
    *("dataset_config_name", "split", "image_column", "revision", "variant", "output"),
}


@pytest.mark.parametrize("cls", [FinetuneConfig, StylizationConfig, UnpairedConfig])
def test_every_text_that_may_be_a_path_is_private(cls):
    texts = {field.name for field in dataclasses.fields(cls) if "str" in str(field.type) and "dict" not in str(field.type)}
    assert texts & public_settings(cls()).keys() == texts & PUBLIC


@pytest.fixture
def pushed(monkeypatch):
    calls = []
    monkeypatch.setattr(publishing, "push_run_to_hub", lambda *args, **options: calls.append((*args, options)))
    return calls


@pytest.fixture
def trainer(tmp_path):
    """Of a run of six steps whose best was the fourth, and which was published."""
    config = RunConfig(output_dir=str(tmp_path / "monet"), push_to_hub=True, learning_rate=0.5, logging_dir="/home/ann/logs")
    for folder in ("best", "final", "validation"):
        (tmp_path / "monet" / folder).mkdir(parents=True)
    (tmp_path / "monet" / "best" / "score.json").write_text(json.dumps({"step": 4, "gram": 1.0, "content": 3.0}))
    for step in (4, 6):
        (tmp_path / "monet" / "validation" / f"step-{step}.jpg").write_text(f"sheet {step}")
    return SimpleNamespace(config=config, step=6, best=SimpleNamespace(score=None))


@pytest.mark.parametrize("best, name, step, scores", [(None, "final", 6, {"gram": 2.0}), (1.0, "best", 4, None)])
def test_the_card_says_what_is_published(trainer, pushed, best, name, step, scores):
    trainer.best.score = best
    publish_run(trainer, {"gram": 2.0}, RunFacts(data="Ten paintings."))
    [(folder, repo, facts, options)] = pushed
    assert folder == result_folder(trainer) and folder.name == name and repo == "monet" and options == {"private": None}
    assert facts.data == "Ten paintings." and facts.settings == {"learning_rate": 0.5}
    assert (facts.step, facts.scores) == (step, scores or {"gram": 1.0, "content": 3.0})
    assert (folder / facts.samples).read_text() == f"sheet {step}"


def test_without_scores_there_is_no_step_and_no_sheet(trainer, pushed):
    trainer.config.hub_model_id, trainer.config.hub_private = "user/name", True
    publish_run(trainer, {}, RunFacts())
    [(_, repo, facts, options)] = pushed
    assert (facts.step, facts.samples, repo, options) == (None, None, "user/name", {"private": True})


@pytest.mark.parametrize("asked, dry, main", [(False, False, True), (True, True, True), (True, False, False)])
def test_nothing_is_published_unasked_in_a_dry_run_or_by_another_process(trainer, pushed, monkeypatch, asked, dry, main):
    trainer.config.push_to_hub, trainer.config.dry_run = asked, dry
    monkeypatch.setattr(publishing, "process_state", lambda: SimpleNamespace(is_main_process=main))
    publish_run(trainer, {"gram": 2.0}, RunFacts())
    assert pushed == []
