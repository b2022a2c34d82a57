import pytest

from styleadapt.pipelines.strokes import check_stroke_size, read_stroke_size
from styleadapt.ui.blocks import build_app
from styleadapt.ui.stroke_size import CHOICES, read_strokes, stroke_size_input


def test_every_choice_is_a_stroke_size_and_automatic_is_the_first():
    assert CHOICES[0][1] == stroke_size_input("strokes").value == "auto"
    for _, value in CHOICES:
        assert check_stroke_size(read_stroke_size(value)) == read_strokes(value)


@pytest.mark.parametrize("value", ["0", 0, 1.5, "nan", True, "broad"])
def test_anything_else_is_refused_with_its_value(value):
    with pytest.raises(ValueError, match=f"the stroke size is .*{value}.*above 0 and up to 1"):
        read_strokes(value)


def test_programs_may_give_any_share():
    choice = stroke_size_input("strokes")
    assert choice.preprocess("0.03") == "0.03"


def test_every_function_that_paints_knows_it(pipeline, visitors):
    endpoints = build_app(lambda: pipeline, visitors).get_api_info()["named_endpoints"]
    for name in ("/stylize", "/refine", "/strip", "/regions", "/batch", "/video"):
        [found] = [p for p in endpoints[name]["parameters"] if p["parameter_name"] == "stroke_size"]
        assert found["parameter_has_default"] and found["parameter_default"] == "auto"
