from styleadapt.ui.live_adaptation import Report
from styleadapt.ui.progress import bar, report_text, scores_text, status


def test_a_report_tells_step_time_left_and_gains():
    report = Report(step=120, seconds_left=33.2, fraction=0.4, style=(0.41, 0.30), content=(0.56, 0.52))
    assert report_text(report) == "Step 120, 34 s left, style 0.41 → 0.30, content 0.56 → 0.52"


def test_before_the_first_measurement_there_is_only_time():
    assert report_text(Report(step=0, seconds_left=58, fraction=0)) == "Preparing, 58 s left"


def test_time_left_is_never_negative():
    assert "0 s left" in report_text(Report(step=1, seconds_left=-0.5, fraction=1.1, style=(1, 1), content=(1, 1)))


def test_what_changes_every_second_is_not_announced():
    assert 'role="status"' in status("Ready")
    assert "role" not in bar("Step 1", 0.5)


def test_the_bar_stays_inside():
    assert 'value="1.000"' in bar("Step 1", 1.7)
    assert 'value="0.000"' in bar("Step 1", -1)


def test_scores_are_put_in_words():
    scores = {"style_before": 0.41, "style_after": 0.3, "content_before": 0.56, "content_after": 0.52}
    assert "0.41 → 0.30" in scores_text(scores)
    assert "0.56 → 0.52" in scores_text(scores)
