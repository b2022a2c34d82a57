import json
import re
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from styleadapt.adaptation.adapt import AdaptationConfig
from styleadapt.hub.model_card import ADAPTER_FILE, PACKAGED, RunFacts, build_model_card

from ..conftest import smooth_noise, stripes

FACTS = RunFacts(
    base_model="user/base",
    data="Paintings of Argenteuil by Claude Monet, public domain, from the Hub.",
    datasets=["user/argenteuil"],
    images=10,
    unreadable=2,
    settings={"max_train_steps": 500, "adv_loss": "hinge", "losses": {"gram": 140}},
    scores={"style": 0.25, "content_distance": 1.0},
    scores_before={"style": 0.5},
    samples="samples.jpg",
    tags=["monet", "gan"],
)


def make_run(folder: Path, *files: str, pipeline: str = "StyleTransferPipeline") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        (folder / name).write_text(json.dumps({"_class_name": pipeline}) if name.endswith(".json") else "")
    return folder


def snippet(card: ModelCard) -> str:
    return re.search(r"```python\n(.*?)```", card.text, re.DOTALL).group(1)


def section(card: ModelCard, title: str) -> str:
    return card.text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_front_matter_and_sections(tmp_path):
    folder = make_run(tmp_path / "run", "model_index.json", "samples.jpg")
    build_model_card(folder, "user/monet", FACTS).save(folder / "README.md")
    card = ModelCard.load(folder / "README.md")
    assert card.data.to_dict() == {
        "license": "other",
        "library_name": "diffusers",
        "pipeline_tag": "image-to-image",
        "tags": ["styleadapt", "style-transfer", "gan", "monet"],
        "base_model": "user/base",
        "base_model_relation": "finetune",
        "datasets": ["user/argenteuil"],
    }
    assert "# monet\n\nModel for `styleadapt`, fine-tuned from `user/base`." in card.text
    assert "![Results](samples.jpg)" in card.text
    assert "| style | 0.5000 | 0.2500 |\n| content distance | - | 1.0000 |" in section(card, "Scores")
    training = section(card, "Training")
    assert (
        "Argenteuil" in training
        and "10 images, of which 2 could not be read" in training
        and "| `adv_loss` | hinge |" in training
    )
    assert "shapes" in section(card, "Limitations") and "named no license" in section(card, "License")


def test_the_least_that_is_known_makes_a_card(tmp_path):
    card = build_model_card(make_run(tmp_path, ADAPTER_FILE), "user/monet", RunFacts(scores={"style": float("nan")}))
    assert "Style adapter for `styleadapt`, trained from nothing" in card.text and "| style | - |" in card.text
    assert "adapter" in card.data.tags and "not described" in card.text and "trained from nothing.\n" in card.text
    free = build_model_card(tmp_path, "user/monet", RunFacts(license="cc0-1.0", license_note="All images are our own."))
    assert free.data.license == "cc0-1.0" and free.data.get("license_name") is None
    assert "`cc0-1.0`. All images are our own." in section(free, "License")


def test_a_local_base_is_no_repo_and_its_path_stays_private(tmp_path):
    base = make_run(tmp_path / "secret" / "base")
    card = build_model_card(make_run(tmp_path, ADAPTER_FILE), "user/monet", RunFacts(base_model=str(base)))
    assert "fine-tuned from `base`" in card.text and "secret" not in str(card) and card.data.get("base_model") is None
    packaged = build_model_card(tmp_path, "user/monet", RunFacts(base_model=PACKAGED))
    assert packaged.data.license_name == "research-non-commercial" and "non-commercial use" in section(packaged, "License")
    assert "fine-tuned from `packaged weights`" in packaged.text and packaged.data.get("base_model") is None
    assert ".from_pretrained()\n" in snippet(packaged)
    assert '.from_pretrained("path/to/base")  # base, wherever you have it\n' in snippet(card)


def test_an_adapter_is_loaded_on_its_own_base_at_its_revision(tmp_path):
    make_run(tmp_path, ADAPTER_FILE)
    facts = RunFacts(base_model="user/base", base_revision="v2")
    assert '.from_pretrained("user/base", revision="v2")\n' in snippet(build_model_card(tmp_path, "user/monet", facts))
    unknown = snippet(build_model_card(tmp_path, "user/monet", RunFacts()))
    assert '.from_pretrained("path/to/base")  # the base model, wherever you have it\n' in unknown


def test_what_the_scores_are_of_is_said_and_no_more(tmp_path):
    folder = make_run(tmp_path, "model_index.json")
    card = build_model_card(folder, "user/monet", RunFacts(scores={"gram": 0.5}))
    assert "On the run's validation pairs; lower is better." in card.text and "not trained on" not in card.text
    facts = RunFacts(scores={"gram": 0.5}, scored_on="pairs of training images", step=400)
    assert "At step 400, on pairs of training images; lower is better." in build_model_card(folder, "user/monet", facts).text


def test_what_the_model_does_is_said_at_the_top(tmp_path):
    card = build_model_card(make_run(tmp_path, "model_index.json"), "user/base", RunFacts(purpose="It stylizes."))
    assert "# base\n\nModel for `styleadapt`, trained from nothing. It stylizes.\n" in card.text


def test_table_cells_hold_any_value(tmp_path):
    card = build_model_card(make_run(tmp_path, ADAPTER_FILE), "user/monet", RunFacts(settings={"a": "x|y\nz"}))
    assert "| `a` | x\\|y z |" in card.text


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to publish: neither model_index.json nor adapter.safetensors"):
        build_model_card(tmp_path, "user/monet", RunFacts())
    make_run(tmp_path, ADAPTER_FILE)
    with pytest.raises(FileNotFoundError, match="shows grid.jpg"):
        build_model_card(tmp_path, "user/monet", RunFacts(samples="grid.jpg"))


@pytest.fixture
def published(tmp_path, tiny_pipe, monkeypatch):
    """A directory in which `user/base`, `user/monet` and its adapter are found as on the Hub."""
    monkeypatch.chdir(tmp_path)
    fast = AdaptationConfig(rank=2, crop_size=64, pool_size=2, check_every=1, batch_size=1, frozen_layers=1)
    tiny_pipe.save_pretrained("user/base")
    adapter = tiny_pipe.adapt(stripes(72), steps=1, content=[smooth_noise((80, 72), 0)], config=fast)
    adapter.save(tmp_path / ADAPTER_FILE)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, file, **options: {"user/monet": tmp_path}[repo] / file)
    return tmp_path


@pytest.mark.parametrize("kind", ["pipeline", "adapter"])
def test_the_snippet_runs_as_printed(published, kind):
    if kind == "pipeline":
        (published / "user/base").rename(published / "user/monet")
        card = build_model_card("user/monet", "user/monet", RunFacts())
    else:
        (published / "user/base").rename(published / "base")
        card = build_model_card(published, "user/monet", RunFacts(base_model="user/base"))
        (published / "base").rename(published / "user/base")
    exec(compile(snippet(card), "README.md", "exec"), {})
    size = Image.open(Path(__file__).parents[2] / "styleadapt/assets/photos/cat.jpg").size
    assert Image.open("stylized.png").size == size
    assert ("load_adapter" in snippet(card)) == (kind == "adapter")


def test_the_snippet_of_a_translation_names_its_pipeline(tmp_path):
    folder = make_run(tmp_path, "model_index.json", pipeline="TranslationPipeline")
    code = snippet(build_model_card(folder, "user/emoji", RunFacts()))
    assert 'TranslationPipeline.from_pretrained("user/emoji")' in code and 'direction="a2b"' in code
