import pytest

from styleadapt.ui import build_app, launch_options


@pytest.fixture
def app(pipeline, visitors):
    return build_app(lambda: pipeline, visitors)


def test_the_public_api_is_named_and_documented(app):
    endpoints = app.get_api_info()["named_endpoints"]
    assert set(endpoints) == {"/stylise", "/adapt", "/stop", "/load_adapter"}
    functions = {function.api_name: function for function in app.fns.values()}
    for endpoint in endpoints:
        assert functions[endpoint[1:]].fn.__doc__


def test_the_queue_is_limited(app):
    assert app._queue.max_size
    adapt = next(function for function in app.fns.values() if function.api_name == "adapt")
    assert (adapt.concurrency_limit, adapt.concurrency_id) == (1, "cpu")


def test_temporary_files_and_visits_expire(app):
    assert app.delete_cache
    [state] = [block for block in app.blocks.values() if type(block).__name__ == "State"]
    assert 0 < state.time_to_live < float("inf")


def test_the_end_of_a_visit_removes_its_files(app, visitors):
    [state] = [block for block in app.blocks.values() if type(block).__name__ == "State"]
    visitor = visitors.open()
    state.delete_callback(visitor)
    state.delete_callback(None)
    assert not visitor.folder.exists()


def test_the_app_is_served_without_share_link_and_with_an_upload_limit():
    options = launch_options()
    assert options["share"] is False
    assert options["max_file_size"]
