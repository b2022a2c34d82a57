"""The adaptations of these tests see with one VGG-16, which takes longer to load than most of them take to train."""

import functools

import pytest

from styleadapt.models.vgg16 import load_vgg16

_shared = functools.cache(load_vgg16)


@pytest.fixture(autouse=True)
def _one_vgg16(monkeypatch):
    monkeypatch.setattr("styleadapt.losses.features.load_vgg16", _shared)
