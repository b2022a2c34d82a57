from styleadapt.ui.theme import CSS, THEME


def test_nothing_is_fetched_from_another_server():
    assert THEME._stylesheets == []
    assert "url(" not in CSS and "@import" not in CSS
