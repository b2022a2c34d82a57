import pytest
import torch

from styleadapt.errors import ConfigError, DivergenceError, HubError, ImageError, ModelLoadError, SourceError
from styleadapt.training.command_line import one_line_errors


@pytest.mark.parametrize("kind", [ConfigError, SourceError, ImageError, ModelLoadError, DivergenceError, HubError])
def test_what_the_user_can_mend_is_one_line(kind):
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise kind("this is wrong\n  and that")
    assert caught.value.code == "error: this is wrong and that"


def test_a_full_disk_is_one_line():
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise OSError(28, "No space left on device", "run/checkpoint-5")
    assert caught.value.code == "error: [Errno 28] No space left on device: 'run/checkpoint-5'"


def test_a_defect_keeps_its_traceback():
    with pytest.raises(TypeError), one_line_errors():
        raise TypeError("defect")


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, n):
        raise SourceError("no image: there are none")


def test_a_workers_error_is_its_last_line():
    with pytest.raises(SystemExit) as caught, one_line_errors():
        next(iter(torch.utils.data.DataLoader(Broken(), num_workers=1)))
    assert caught.value.code == "error: no image: there are none"
