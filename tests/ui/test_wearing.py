import json

from styleadapt.ui.wearing import wearing


def test_without_an_adapter_the_shared_pipeline_itself_works(pipeline):
    assert wearing(pipeline, None) is pipeline


def test_an_adapter_is_worn_by_a_copy_at_its_weight(pipeline, tmp_path):
    file = tmp_path / "adapter"
    file.write_text(json.dumps({"color": [0, 0, 200]}))
    assert wearing(pipeline, file).color == (0, 0, 200) and wearing(pipeline, file, 0.5).color == (0, 0, 100)
    assert pipeline.color is None
