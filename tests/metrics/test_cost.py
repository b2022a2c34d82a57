import subprocess
import sys

import pytest
import torch.nn as nn

from styleadapt.metrics.cost import count_parameters, file_bytes

# In a process of its own: where others have worked before, freed memory is used again.
PEAK = """
import psutil
import torch
from styleadapt.metrics.cost import peak_memory_mb

before = peak_memory_mb()
held = psutil.Process().memory_info().rss / 2**20
assert held <= before + 1, (held, before)
# 64 MB more than the process has ever held at once
torch.ones(int(before - held + 64) * 2**18)
assert before + 32 < peak_memory_mb() < before + 128, (before, held, peak_memory_mb())
"""


def test_peak_memory_remembers_what_was_freed():
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_shared_parameters_count_once():
    layer = nn.Linear(4, 3)
    assert count_parameters([nn.Sequential(layer, layer), layer]) == 15


def test_bytes_of_files_and_folders(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "inner" / "b").write_bytes(b"123")
    assert file_bytes(tmp_path / "a") == 5 and file_bytes(tmp_path) == 8
    with pytest.raises(FileNotFoundError, match="none"):
        file_bytes(tmp_path / "none")
