import json

import pytest

from styleadapt import ModelLoadError, StyleTransferPipeline, TranslationPipeline


def test_a_repo_of_another_pipeline_is_refused(tiny_pipe, tmp_path):
    tiny_pipe.save_pretrained(tmp_path)
    with pytest.raises(ModelLoadError, match="describes StyleTransferPipeline, but this class loads TranslationPipeline"):
        TranslationPipeline.from_pretrained(tmp_path)


@pytest.mark.parametrize("entry", [["diffusers", "UNet2DModel"], ["os", "system"], None, "generator"])
def test_components_of_other_classes_are_refused_before_anything_is_loaded(tiny_pipe, tmp_path, entry):
    tiny_pipe.save_pretrained(tmp_path)
    file = tmp_path / "model_index.json"
    index = json.loads(file.read_text())
    index["generator"] = entry if entry is not None else [None, None]
    file.write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match="`generator`, expected a StyleGenerator"):
        StyleTransferPipeline.from_pretrained(tmp_path)


def test_a_path_of_this_machine_does_not_become_the_name(tiny_pipe, tmp_path):
    tiny_pipe.save_pretrained(tmp_path / "mine")
    pipe = StyleTransferPipeline.from_pretrained(tmp_path / "mine")
    assert pipe.config["_name_or_path"] == "mine"
