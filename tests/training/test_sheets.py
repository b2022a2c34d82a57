import torch

from styleadapt.training.sheets import contact_sheet


def test_images_stand_where_they_belong():
    white, black = torch.ones(1, 3, 4, 4), -torch.ones(1, 3, 4, 4)
    sheet = contact_sheet([[white, black], [black, white]], gap=0)
    assert sheet.size == (8, 8)
    assert [sheet.getpixel(p) for p in ((1, 1), (5, 1), (1, 5), (5, 5))] == [(255,) * 3, (0,) * 3, (0,) * 3, (255,) * 3]


def test_images_of_other_sizes_are_fitted():
    assert contact_sheet([[torch.zeros(1, 3, 6, 4), torch.zeros(1, 3, 9, 9)]], gap=0).size == (8, 6)
