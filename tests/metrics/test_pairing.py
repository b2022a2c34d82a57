from pathlib import Path

import pytest

from styleadapt.metrics.pairing import all_pairs, cyclic_pairs, drawn, match_outputs


def paths(*names):
    return [Path(name) for name in names]


def test_the_shorter_list_starts_again():
    assert [p.name for p in cyclic_pairs(paths("a.jpg"), paths("x.png", "y.png"))] == ["a__x", "a__y"]
    assert len(cyclic_pairs(paths(*"abcde"), paths(*"xyz"))) == 5


def test_pictures_are_matched_by_the_names_of_photo_and_style():
    outputs = paths("o/a__x.png", "o/a__b__x.png", "o/a.png", "o/c__x.png")
    pairs, unmatched = match_outputs(outputs, paths("a.jpg", "a__b.jpg"), paths("x.jpg", "y.jpg"))
    assert [(p.photo.name, p.style.name, p.output) for p in pairs] == [
        ("a.jpg", "x.jpg", outputs[0]),
        ("a__b.jpg", "x.jpg", outputs[1]),
    ]
    assert unmatched == outputs[2:]


def test_a_photo_s_name_is_enough_with_one_style_or_one_model_of_several():
    outputs = paths("a.png", "b.png", "c.png")
    photos = paths("a.jpg", "b.jpg", "c.jpg")
    assert [p.name for p in match_outputs(outputs, photos, paths("x.jpg"))[0]] == ["a__x", "b__x", "c__x"]
    turns = match_outputs(outputs, photos, paths("x.jpg", "y.jpg"), by_photo=True)[0]
    assert [p.name for p in turns] == ["a__x", "b__y", "c__x"]


def test_ambiguous_and_foreign_names_are_refused():
    for pairs_of in (cyclic_pairs, all_pairs):
        with pytest.raises(ValueError, match=r"styles x\.jpg and y/x\.png have one name"):
            pairs_of(paths("a.jpg"), paths("x.jpg", "y/x.png"))
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png have one name"):
        match_outputs(paths("a.png"), paths("a.jpg", "a.png"), paths("x.jpg"))
    with pytest.raises(ValueError, match="both of a and x"):
        match_outputs(paths("a.png", "a__x.png"), paths("a.jpg"), paths("x.jpg"))
    with pytest.raises(ValueError, match="none of 1 pictures.*PHOTO__STYLE.png"):
        match_outputs(paths("z.png"), paths("a.jpg"), paths("x.jpg"))


def test_a_draw_keeps_the_order_and_follows_the_seed():
    pairs = all_pairs(paths(*"abcdef"), paths(*"xyz"))
    some = drawn(pairs, 5, 0)
    assert len(some) == 5 and some == sorted(some, key=pairs.index)
    assert some == drawn(pairs, 5, 0) != drawn(pairs, 5, 1)
    assert drawn(pairs, 99, 0) == pairs
