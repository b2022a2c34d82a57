import pytest

from styleadapt.data.records import Columns, EncodedImage, find_columns
from styleadapt.errors import ImageError, SourceError

from .made_sets import encoded, level

datasets = pytest.importorskip("datasets")


def test_bytes_paths_and_addresses_are_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(7))
    for data in (encoded(7), str(tmp_path / "a.png"), f"file://{tmp_path}/a.png"):
        sample = EncodedImage(data, 3, "a").decode()
        assert level(sample) == 7 and sample.label == 3 and sample.name == "a"


@pytest.mark.parametrize(
    "data, reason",
    [
        (None, "no image in this row"),
        (b"", "^is empty"),
        ("nowhere.png", "^does not exist"),
        ("file:///nowhere.png", "^does not exist"),
    ],
)
def test_what_is_wrong_is_said_without_the_name(data, reason):
    with pytest.raises(ImageError, match=reason):
        EncodedImage(data, None, "a").decode()


def test_columns_are_found_by_their_type():
    f = datasets.Features
    binary, text, number = datasets.Value("binary"), datasets.Value("string"), datasets.Value("int64")
    image, classes = datasets.Image(), datasets.ClassLabel(names=["x", "y"])
    assert find_columns(f(mask=image, image=image, label=classes), "set", None, None) == Columns(("image",), "label", ("x", "y"))
    assert find_columns(f(jpg=image, png=image, cls=number), "set", None, None) == Columns(("jpg", "png"), "cls")
    assert find_columns(f(data=binary, label=text), "set", None, None) == Columns(("data",))
    assert find_columns(f(data=binary, label=text), "set", None, "label") == Columns(("data",), "label", None, True)
    assert find_columns(f(data=binary, label=text), "set", None, None, labeled=True) == Columns(("data",), "label", None, True)
    assert find_columns(f(data=binary, label=text, cls=number), "set", None, None, True) == Columns(("data",), "cls")
    with pytest.raises(SourceError, match="set has no column label, labels, cls, but data; name"):
        find_columns(f(data=binary), "set", None, None, labeled=True)
    assert find_columns(f(a={"bytes": binary, "path": text}), "set", None, None) == Columns(("a",))
    with pytest.raises(SourceError, match=r"set has no column of images: a \(string\), b \(int64\)"):
        find_columns(f(a=text, b=number), "set", None, None)
    with pytest.raises(SourceError, match="`label_column` is 'a', which holds float32"):
        find_columns(f(image=image, a=datasets.Value("float32")), "set", None, "a")


def test_the_first_filled_column_is_the_image():
    columns = Columns(("jpg", "png"), extra=("__key__", "__url__"))
    row = {"jpg": None, "png": {"bytes": b"x", "path": None}, "__key__": "07", "__url__": "hf://data/3.tar"}
    assert columns.encoded(row) == EncodedImage(b"x", None, "3.tar/07")
    assert columns.encoded({**row, "png": None}).data is None


def test_images_without_names_are_told_apart():
    columns = Columns(("a",))
    one, other = (columns.encoded({"a": {"bytes": data, "path": None}}) for data in (b"x", b"y"))
    assert one.name != other.name and columns.encoded({"a": None}, 4).name == "row 4"
