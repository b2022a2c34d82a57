"""Clips in a process that forks, as data loaders and ZeroGPU do: the decoder's threads do not come along."""

import gc
import os
import signal
import threading
import weakref

import pytest

from styleadapt.video.reading import VideoReader

from .made_clips import clip


@pytest.fixture
def no_collector():
    """What lies in a cycle stays until `gc.collect`."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_lost_clip_does_not_hang_the_collector_of_a_child(tmp_path, no_collector):
    lost = [VideoReader(clip(tmp_path / "clip.mp4"))]
    lost.append(lost)
    del lost
    if (child := os.fork()) == 0:
        gc.collect()
        os._exit(0)
    limit = threading.Timer(60, os.kill, (child, signal.SIGKILL))
    limit.start()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    limit.cancel()
    gc.collect()
    assert status == 0


def test_a_closed_clip_needs_no_collector(tmp_path, no_collector):
    with VideoReader(clip(tmp_path / "clip.mp4")) as reader:
        next(iter(reader))
    gone = weakref.ref(reader)
    del reader
    assert gone() is None
