"""Pairs photos with styles as the protocols of the literature do, and matches ready pictures to them by name."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
SEPARATOR = "__"


@dataclass(frozen=True)
class Pair:
    """A photo, a style image, and the ready picture made of both, if there is one.

    >>> Pair(Path("photos/cat.jpg"), Path("styles/mosaic.jpg")).name
    'cat__mosaic'
    """

    photo: Path
    style: Path
    output: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.photo.stem}{SEPARATOR}{self.style.stem}"


def cyclic_pairs(photos: Sequence[Path], styles: Sequence[Path]) -> list[Pair]:
    """Photo i with style i, the shorter list from its start again until the longer one ends.

    Raises:
        ValueError: two photos or two styles of one name, by which pictures are told apart.

    >>> [p.name for p in cyclic_pairs([Path("a"), Path("b"), Path("c")], [Path("x"), Path("y")])]
    ['a__x', 'b__y', 'c__x']
    """
    by_stem(photos, "photos")
    by_stem(styles, "styles")
    count = max(len(photos), len(styles))
    return [Pair(photos[i % len(photos)], styles[i % len(styles)]) for i in range(count)]


def all_pairs(photos: Sequence[Path], styles: Sequence[Path]) -> list[Pair]:
    """Every photo with every style.

    Raises:
        ValueError: as `cyclic_pairs`.

    >>> [p.name for p in all_pairs([Path("a"), Path("b")], [Path("x"), Path("y")])]
    ['a__x', 'a__y', 'b__x', 'b__y']
    """
    by_stem(photos, "photos")
    by_stem(styles, "styles")
    return [Pair(photo, style) for photo in photos for style in styles]


def match_outputs(
    outputs: Sequence[Path], photos: Sequence[Path], styles: Sequence[Path], *, by_photo: bool = False
) -> tuple[list[Pair], list[Path]]:
    """Ready pictures and what they were made of, by their names without extensions.

    A picture is called `PHOTO__STYLE`, or `PHOTO` where there is one style alone. With `by_photo`, for a model that knows one
    style from several images, `PHOTO` is enough too, and the styles are taken in turn.

    Returns:
        The pairs in the order of `outputs`, and the pictures that match nothing.

    Raises:
        ValueError: two photos, two styles or two pictures of one name, or no picture that matches.

    >>> match_outputs([Path("o/cat__mosaic.png"), Path("o/dog.png")], [Path("p/cat.jpg")], [Path("s/mosaic.jpg")])[1]
    [PosixPath('o/dog.png')]
    """
    photo_by_name, style_by_name = by_stem(photos, "photos"), by_stem(styles, "styles")
    pairs: dict[tuple[str, str], Pair] = {}
    unmatched = []
    for output in outputs:
        parts = output.stem.split(SEPARATOR)
        # a name of a photo or style may hold the separator itself
        splits = ((SEPARATOR.join(parts[:i]), SEPARATOR.join(parts[i:])) for i in range(1, len(parts)))
        found = next(((p, s) for p, s in splits if p in photo_by_name and s in style_by_name), None)
        if found is None and output.stem in photo_by_name and (by_photo or len(styles) == 1):
            found = output.stem, styles[len(pairs) % len(styles)].stem
        if found is None:
            unmatched.append(output)
        elif found in pairs:
            raise ValueError(f"{pairs[found].output} and {output} are both of {' and '.join(found)}; leave one out")
        else:
            pairs[found] = Pair(photo_by_name[found[0]], style_by_name[found[1]], output)
    if not pairs:
        raise ValueError(
            f"none of {len(outputs)} pictures matches a photo and a style, {outputs[0].name} for instance; call them "
            f"PHOTO{SEPARATOR}STYLE.png, or PHOTO.png with a single style"
        )
    return list(pairs.values()), unmatched


def drawn(items: Sequence[T], limit: int | None, seed: int) -> list[T]:
    """At most `limit` of the items, drawn by `seed`, in their order.

    >>> pairs = all_pairs([Path("a"), Path("b")], [Path("x"), Path("y")])
    >>> len(drawn(pairs, 3, 0)), drawn(pairs, None, 0) == pairs
    (3, True)
    """
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i] for i in sorted(random.Random(seed).sample(range(len(items)), limit))]


def by_stem(files: Sequence[Path], kind: str) -> dict[str, Path]:
    """The files by their names without folder and extension.

    Raises:
        ValueError: two of one name; `kind` says of what.

    >>> by_stem([Path("photos/cat.jpg")], "photos")
    {'cat': PosixPath('photos/cat.jpg')}
    """
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in found:
            raise ValueError(f"{kind} {found[file.stem]} and {file} have one name; rename one, pictures are told apart by names")
        found[file.stem] = file
    return found
