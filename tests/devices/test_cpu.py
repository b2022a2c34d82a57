import sys

import psutil
import pytest
import torch

from styleadapt.devices.cpu import configure_cpu, release_memory, supports_bf16


def test_threads_are_set_and_reported():
    before = torch.get_num_threads()
    try:
        assert configure_cpu(1) == 1 == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_the_users_choice_of_threads_stands(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert configure_cpu() == before


@pytest.mark.parametrize(("launcher", "threads"), [({}, 1), ({"ACCELERATE_DYNAMO_BACKEND": "NO", "LOCAL_WORLD_SIZE": "2"}, 3)])
def test_processes_that_accelerate_started_share_the_cores(monkeypatch, launcher, threads):
    before = torch.get_num_threads()
    for name, value in {"OMP_NUM_THREADS": "1", **launcher}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(6), raising=False)
    torch.set_num_threads(1)
    try:
        assert configure_cpu() == threads
        assert configure_cpu(2) == 2
    finally:
        torch.set_num_threads(before)


def test_bf16_support_is_a_plain_answer():
    assert supports_bf16(torch.device("cpu")) in (True, False)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_released_memory_is_no_longer_the_process_s():
    process = psutil.Process()
    configure_cpu(torch.get_num_threads())
    blocks = [torch.ones(1 << 20) for _ in range(60)]
    held = torch.ones(8)  # behind them, so that they are not at the heap's end
    full = process.memory_info().rss
    del blocks
    release_memory()
    assert held.sum() == 8
    assert process.memory_info().rss < full - 100e6
