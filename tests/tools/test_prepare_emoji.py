import io
import json
import tarfile

import pytest
from PIL import Image

SYMBOLS = [f"1f6{i:02x}" for i in range(18)]
TONES = ("1f3fb", "1f3ff")


def table() -> list[dict]:
    """Eighteen symbols without skin tones, one hand with two, and one that no design has drawn."""
    entries = [{"image": f"{symbol}.png"} for symbol in SYMBOLS]
    tones = {tone.upper(): {"image": f"1f44b-{tone}.png"} for tone in TONES}
    return [*entries, {"image": "1f44b.png", "skin_variations": tones}, {"image": "1f999.png"}]


def png(color) -> bytes:
    image = Image.new("RGBA", (64, 64))
    image.paste(color, (16, 16, 48, 48))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def files(design: str, color) -> dict[str, bytes]:
    names = [*SYMBOLS, "1f44b", *(f"1f44b-{tone}" for tone in TONES)]
    images = {f"img/{design}/64/{name}.png": png(color) for name in names}
    sheet = {f"img/{design}/sheets/64.png": b"large", "README.md": b"read me"}
    return {"emoji.json": json.dumps(table()).encode(), **images, **sheet}


@pytest.fixture
def packages(tmp_path):
    """One design as a tarball with hostile members, the other as a folder."""
    tarball, folder = tmp_path / "google.tgz", tmp_path / "twitter"
    with tarfile.open(tarball, "w:gz") as archive:
        members = {f"package/{name}": data for name, data in files("google", (255, 0, 0, 255)).items()}
        members |= {"package/../../../img/google/64/1f44b.png": b"evil", "/package/img/google/64/1f44b.png": b"evil"}
        members |= {"package/img/google/64/../../../../1f601.png": b"evil"}
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("package/img/google/64/1f999.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    for name, data in files("twitter", (0, 0, 255, 255)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return tarball, folder


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_two_designs_become_a_split_data_set(command, packages, tmp_path):
    options = ("--a", packages[0], "--b", packages[1])
    for out in ("one", "again"):
        done = command("prepare_emoji", tmp_path / out, *options)
        assert done.returncode == 0, done.stderr
    assert "2 symbols" in done.stdout and "17 symbols" in done.stdout
    parts = {part: names(tmp_path / "one" / part / "a") for part in ("train", "test")}
    for part, found in parts.items():
        assert found == names(tmp_path / "one" / part / "b") == names(tmp_path / "again" / part / "a")
    assert not parts["train"] & parts["test"] and len(parts["train"] | parts["test"]) == 21
    hands = {f"1f44b{tone}.png" for tone in ("", "-1f3fb", "-1f3ff")}
    assert hands <= parts["train"] or hands <= parts["test"]
    for domain, color in (("a", (255, 0, 0)), ("b", (0, 0, 255))):
        image = Image.open(tmp_path / "one" / "test" / domain / sorted(parts["test"])[0])
        assert image.size == (64, 64) and image.mode == "RGB"
        assert image.getpixel((0, 0)) == (255, 255, 255) and image.getpixel((32, 32)) == color
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "google.tgz", "twitter", "one", "again"}


@pytest.mark.parametrize(
    "source, message",
    [("left-pad", "no package emoji-datasource-NAME"), ("elsewhere", "needs emoji.json"), ("text.tgz", "not a gzip file")],
)
def test_anything_else_ends_with_one_line(command, packages, tmp_path, source, message):
    (tmp_path / "text.tgz").write_text("no tarball")
    place = tmp_path / source if (tmp_path / source).exists() or source == "elsewhere" else source
    done = command("prepare_emoji", tmp_path / "out", "--a", place, "--b", packages[1])
    assert done.returncode == 1 and message in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_data_set_that_is_there_is_left_alone(command, packages, tmp_path):
    (tmp_path / "out" / "train").mkdir(parents=True)
    done = command("prepare_emoji", tmp_path / "out", "--a", packages[0], "--b", packages[1])
    assert done.returncode == 1 and "exists" in done.stderr
