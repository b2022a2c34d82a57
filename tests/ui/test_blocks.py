import importlib.util

import pytest
from gradio.utils import get_function_description

from styleadapt.ui import build_app, launch_options

from ..tiny_generation import tiny_generation
from ..tiny_restoration import tiny_restoration


@pytest.fixture
def app(pipeline, visitors):
    return build_app(lambda: pipeline, visitors, tiny_restoration, tiny_generation)


def test_the_public_api_is_named_and_documented(app):
    endpoints = app.get_api_info()["named_endpoints"]
    assert set(endpoints) == {
        "/stylize",
        "/refine",
        "/strip",
        "/regions",
        "/batch",
        "/video",
        "/assets",
        "/adapt",
        "/restore",
        "/stop",
        "/load_adapter",
        "/generate",
        "/mix",
        "/interpolate",
        "/adapt_generator",
        "/load_generator_adapter",
    }
    functions = {function.api_name: function for function in app.fns.values()}
    for name, endpoint in endpoints.items():
        description, parameters, returns = get_function_description(functions[name[1:]].fn)
        assert description
        assert parameters.keys() - {"visitor"} == {parameter["parameter_name"] for parameter in endpoint["parameters"]}
        assert all(text for parameter, text in parameters.items() if parameter != "visitor")
        assert len(returns) == len(endpoint["returns"])


def test_the_queue_is_limited(app):
    assert app._queue.max_size
    classes = {function.api_name: (function.concurrency_id, function.concurrency_limit) for function in app.fns.values()}
    assert classes["adapt"] == classes["refine"] == classes["batch"] == classes["video"] == classes["assets"] == ("cpu", 1)
    assert classes["stylize"] == classes["strip"] == classes["regions"] == classes["restore"] == ("stylize", 1)
    assert classes["generate"] == classes["mix"] == classes["interpolate"] == ("stylize", 1)
    assert classes["adapt_generator"] == ("cpu", 1)


def test_the_canvas_has_the_first_photo_from_the_beginning(app):
    values = {block.elem_id: block.value for block in app.blocks.values() if hasattr(block, "value")}
    assert values["regions-photo"] and values["regions-canvas"]["background"]


def test_an_idle_queue_looks_for_work_a_few_times_a_second(app):
    assert app._queue.sleep_when_free >= 0.05 and app._queue.progress_update_sleep_when_free >= 0.05


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


@pytest.mark.parametrize(("package", "variable", "served"), [(True, None, True), (True, "false", False), (False, "true", False)])
def test_the_functions_are_tools_of_an_mcp_server_where_its_package_is_there(monkeypatch, package, variable, served):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "spec" if package else None)
    monkeypatch.delenv("GRADIO_MCP_SERVER", raising=False)
    if variable:
        monkeypatch.setenv("GRADIO_MCP_SERVER", variable)
    assert launch_options()["mcp_server"] is served
