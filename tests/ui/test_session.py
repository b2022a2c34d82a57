import os
import time
from types import SimpleNamespace

from gradio.context import LocalContext

from styleadapt.ui.session import Visitors


def test_visitors_have_different_unguessable_folders(visitors):
    first, second = visitors.open(), visitors.open()
    assert first.folder != second.folder
    assert first.folder.parent == second.folder.parent == visitors.root
    assert len(first.folder.name) >= 8


def test_folders_are_private_to_the_server(visitors):
    assert visitors.open().folder.stat().st_mode & 0o077 == 0


def test_an_unknown_client_gets_a_visit_and_a_known_one_keeps_it(visitors):
    visitor = visitors.of(None)
    assert visitors.of(visitor) is visitor


def test_an_adapter_belongs_to_one_visitor(visitors, tmp_path):
    file = tmp_path / "adapter"
    file.write_bytes(b"weights")
    first, second = visitors.open(), visitors.open()
    first.keep_adapter(file)
    assert first.adapter_file.read_bytes() == b"weights"
    assert not second.has_adapter


def test_stop_reaches_what_runs(visitor):
    assert not visitor.stop()
    stop_file = visitor.begin_run("adapt")
    assert not stop_file.exists()
    assert visitor.stop()
    assert stop_file.exists()
    visitor.end_run(stop_file)
    assert not visitor.stop()


def test_work_that_waits_is_stopped_before_it_begins(visitor):
    visitor.wait("adapt")
    assert visitor.stop()
    visitor.wait("batch")
    assert visitor.begin_run("adapt").exists() and not visitor.begin_run("batch").exists()


def test_work_that_never_began_leaves_nothing_to_stop(visitor):
    visitor.wait("adapt")
    visitor.leave_queue("adapt")
    assert not visitor.stop()


def test_all_of_a_visitors_work_is_stopped_together_and_later_work_is_not(visitor):
    first, second = visitor.begin_run("adapt"), visitor.begin_run("restore")
    assert visitor.stop()
    assert first.exists() and second.exists()
    assert not visitor.begin_run("restore").exists()


def test_the_end_of_one_piece_of_work_leaves_the_others_to_stop(visitor):
    first, second = visitor.begin_run("adapt"), visitor.begin_run("restore")
    visitor.end_run(second)
    assert visitor.stop() and first.exists() and not second.exists()


def test_callers_through_mcp_share_a_session_of_gradios_but_no_visit(visitors, visitor):
    token = LocalContext.request.set(SimpleNamespace(headers={"x-gradio-user": "mcp"}))
    try:
        assert visitors.of(visitor) is not visitor
    finally:
        LocalContext.request.reset(token)
    assert visitors.of(visitor) is visitor


def test_a_closed_page_stops_the_work_and_drops_results_but_not_the_adapter(visitors, tmp_path):
    visitor = visitors.open(session="tab")
    stop_file = visitor.begin_run("adapt")
    results = [visitor.picture_file, visitor.strip_file, visitor.regions_file, visitor.zip_file, visitor.video_file]
    results.append(visitor.restored_file(".jpg"))
    assert len({file.name for file in results}) == 6
    for file in results:
        file.write_bytes(b"result")
    visitor.adapter_file.write_bytes(b"weights")
    visitors.leave("tab")
    assert stop_file.exists()
    assert not any(file.exists() for file in results)
    assert visitor.has_adapter
    visitors.leave("unknown")
    visitors.leave(None)


def test_the_end_of_a_visit_deletes_everything(visitor):
    visitor.begin_run("adapt")
    visitor.adapter_file.write_bytes(b"weights")
    visitor.remove()
    assert not visitor.folder.exists()


def test_a_visitor_survives_the_loss_of_the_folder(visitor):
    visitor.remove()
    assert not visitor.has_adapter
    assert visitor.touch().is_dir()


def test_only_folders_unused_for_long_are_swept(tmp_path):
    visitors = Visitors(tmp_path, lifetime=60)
    old, used, fresh = (visitors.open() for _ in range(3))
    hour_ago = time.time() - 3600
    for visitor in (old, used):
        os.utime(visitor.folder, (hour_ago, hour_ago))
    visitors.of(used)
    visitors.sweep()
    assert [visitor.folder.exists() for visitor in (old, used, fresh)] == [False, True, True]


def test_folders_unused_for_longest_go_when_all_are_too_large(tmp_path):
    visitors = Visitors(tmp_path, quota=250)
    opened = [visitors.open() for _ in range(4)]
    for age, visitor in enumerate(opened):
        visitor.adapter_file.write_bytes(bytes(100))
        os.utime(visitor.folder, (time.time() - age,) * 2)
    visitors.sweep()
    assert [visitor.folder.exists() for visitor in opened] == [True, True, False, False]


def test_sweeping_an_absent_root_is_nothing(tmp_path):
    Visitors(tmp_path / "absent").sweep()
