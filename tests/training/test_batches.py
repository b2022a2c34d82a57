import pytest
import torch
from accelerate import Accelerator
from torch.utils.data import Subset

from styleadapt.data.sources import open_source
from styleadapt.data.streams import StreamedDataset, StreamLoader
from styleadapt.errors import ConfigError
from styleadapt.training.config import RunConfig, build_config
from styleadapt.training.loader import Batches

from ..data.made_sets import make_parquet
from .toy import Points, Toy, train_toy


def config(**values):
    return build_config(RunConfig, {"train_batch_size": 2, "max_train_steps": 4, "dataloader_num_workers": 0, **values})


def test_from_a_step_on():
    whole = [batch["x"] for batch in Batches(Accelerator(), config(), Points())]
    rest = [batch["x"] for batch in Batches(Accelerator(), config(), Points(), step=3)]
    assert len(whole) == 4 and len(rest) == 1 and torch.equal(rest[0], whole[3])


def test_too_few_samples_are_counted():
    with pytest.raises(ConfigError, match="7 samples, 8 are needed for `max_train_steps` 4, 2 a step"):
        Batches(Accelerator(), config(), Subset(Points(), range(7)))


class Stream(Toy):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, batch, step):
        self.seen += batch["x"][:, 0].tolist()
        return super().forward(batch, step)


def test_a_stream_goes_on_where_it_stood_without_reading_again(tmp_path, monkeypatch):
    folder = make_parquet(tmp_path / "set", 24, files=3)

    def dataset():
        stream = open_source(folder, streaming=True, shuffle_buffer=2)
        return StreamedDataset(stream, lambda sample, rng: {"x": torch.tensor([sample.image.getpixel((0, 0))[0] / 24, 0.5])})

    settings = {"train_batch_size": 2, "checkpointing_steps": 2}
    whole, broken, resumed = Stream(), Stream(), Stream()
    train_toy(tmp_path / "whole", whole, dataset(), max_train_steps=8, **settings)
    train_toy(tmp_path / "broken", broken, dataset(), max_train_steps=5, **settings)
    loaded = []
    load = StreamLoader.load_state_dict
    monkeypatch.setattr(StreamLoader, "load_state_dict", lambda self, state: (loaded.append(state["batches"]), load(self, state)))
    train_toy(tmp_path / "broken", resumed, dataset(), max_train_steps=8, resume_from_checkpoint="latest", **settings)
    assert loaded == [4] and resumed.seen == whole.seen[8:]
