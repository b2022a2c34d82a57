import json
import math

import pytest

from styleadapt.errors import BackboneError
from styleadapt.metrics.report import Figure, markdown_table, replace_section, table_cells, text_table


def test_every_figure_stands_beside_its_backbone():
    ours = [Figure("gram", 0.5, "embedded", low=0.25, high=0.75), Figure("ssim", 0.625, None, True)]
    theirs = [Figure("gram", 0.75, "embedded"), Figure("parameters", 3691564)]
    assert table_cells({"ours": ours, "theirs": theirs}) == [
        ["figure", "ours", "theirs", "better", "backbone"],
        ["gram", "0.5 [0.25, 0.75]", "0.75", "lower", "embedded"],
        ["ssim", "0.625", "-", "higher", "-"],
        ["parameters", "-", "3,691,564", "lower", "-"],
    ]
    assert text_table({"ours": ours}).splitlines()[1] == "gram    0.5 [0.25, 0.75]  lower   embedded"
    assert markdown_table({"a|b": ours}).splitlines()[0] == "| figure | a\\|b | better | backbone |"


def test_different_backbones_do_not_share_a_row():
    with pytest.raises(BackboneError, match="embedded, torchvision:vgg19"):
        text_table({"ours": [Figure("gram", 0.5, "embedded")], "theirs": [Figure("gram", 0.5, "torchvision:vgg19")]})


def test_what_is_not_a_number_is_shown_and_stored():
    figures = [Figure("a", math.nan), Figure("b", math.inf, low=math.nan, high=math.nan)]
    assert [str(f) for f in figures] == ["-", "inf"]
    assert json.loads(json.dumps([f.as_json() for f in figures], allow_nan=False))[1]["value"] is None


CARD = "---\nlicense: other\n---\n\n# monet\n\n## Scores\n\n| a |\n\n## Training\n\nsteps\n"


def test_a_card_gets_the_section_once():
    first = replace_section(CARD, "Evaluation", "old table")
    assert first.index("## Scores") < first.index("## Evaluation") < first.index("## Training")
    second = replace_section(first, "Evaluation", "new table")
    assert second == first.replace("old table", "new table")
    assert replace_section("", "Evaluation", "table") == "## Evaluation\n\ntable\n"
    at_end = replace_section("# a\n", "Evaluation", "table")
    assert at_end == "# a\n\n## Evaluation\n\ntable\n" and replace_section(at_end, "Evaluation", "table") == at_end
