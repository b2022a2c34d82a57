import numpy as np
from PIL import Image

from styleadapt.training.trackers import log_picture


class Tracker:
    def __init__(self, name):
        self.name, self.seen = name, []

    def log_images(self, values, step, **options):
        self.seen.append((values, step, options))


def test_pictures_in_the_form_that_each_tracker_takes(tmp_path):
    Image.new("RGB", (4, 2), (255, 0, 0)).save(tmp_path / "sheet.png")
    board, wandb = Tracker("tensorboard"), Tracker("wandb")
    for tracker in (board, wandb):
        log_picture(tracker, "validation", tmp_path / "sheet.png", 7)
    values, step, options = board.seen[0]
    assert values["validation"].shape == (1, 2, 4, 3) and step == 7 and options == {"dataformats": "NHWC"}
    assert np.array_equal(wandb.seen[0][0]["validation"][0], values["validation"][0])
