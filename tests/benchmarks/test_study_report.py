import json
import math

import pytest
from PIL import Image

from study_plan import StudyError
from study_report import compare, pareto_front, write_report


def row(arm, artist, style, content, factor="f", **more):
    task = {"factor": factor, "arm": arm, "artist": artist, "shots": 3, "seed": 0, "seconds": 5.0, "steps": 7}
    figures = {"style": style, "shots_style": style, "content": content, "cfsd": 0.1, "kid": 1.0}
    return {**task, **figures, "curve": [[0, 1.0, 1.0], [20, style, content]], **more}


def base(artist, style, content, **more):
    return row("default", artist, style, content, factor="default", **more)


def test_figures_are_shares_of_the_defaults_on_the_same_task():
    rows = [base("a", 0.2, 1.0), base("b", 0.8, 0.5), row("x", "a", 0.1, 1.0), row("x", "b", 0.4, 1.0, kid=3.0)]
    figures = compare(rows)["f", "x"]
    assert figures["style"] == pytest.approx((0.5, 0.5, 0.5))
    assert figures["content"][0] == pytest.approx(math.sqrt(2)) and figures["content"][1:] == pytest.approx((1, 2))
    assert figures["balance"][0] == pytest.approx(math.sqrt(0.5 * math.sqrt(2)))
    assert figures["kid"][0] == 1.0 and figures["runs"][0] == 2


def test_a_seed_is_compared_with_the_same_seed():
    rows = [base("a", 0.2, 1), base("a", 0.4, 1, seed=1), row("x", "a", 0.4, 1, seed=1)]
    assert compare(rows)["f", "x"]["style"][0] == pytest.approx(1)


def test_without_the_defaults_there_is_nothing_to_compare_with():
    with pytest.raises(StudyError, match="defaults"):
        compare([row("x", "a", 1, 1)])


def test_the_front_holds_what_nothing_beats():
    rows = [base("a", 1, 1), row("better", "a", 0.9, 0.9), row("other", "a", 0.8, 1.2), row("worse", "a", 0.95, 1.3)]
    assert pareto_front(compare(rows)) == [("f", "other"), ("f", "better")]


def test_a_report_has_its_table_plots_and_sheet(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [base("a", 0.2, 1), row("x", "a", 0.1, 1.1), row("y/z", "a", 0.3, 0.9)]
    (tmp_path / "pictures").mkdir()
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows) + '{"half a li')
    for name in ("default_default", "f_x", "f_y-z"):
        Image.new("RGB", (40, 20)).save(tmp_path / "pictures" / f"{name}_a_3-shot_seed0_5s.jpg")
    write_report(tmp_path, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"table.md", "pareto.png", "curves.png", "best-and-worst.jpg"}
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| f | **x** | 1 | 7 | 0.50 (0.50 to 0.50) |" in table and "| default | figures | 1 | 7 | 0.200 |" in table
    assert Image.open(tmp_path / "out" / "best-and-worst.jpg").size == (40, 3 * 34)
