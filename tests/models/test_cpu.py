import torch

from styleadapt.models.cpu import configure_cpu, supports_bf16


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


def test_bf16_support_is_a_plain_answer():
    assert supports_bf16(torch.device("cpu")) in (True, False)
