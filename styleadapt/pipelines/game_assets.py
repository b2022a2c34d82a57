"""The pipeline of game assets: a set of sprites, sheets and textures in, the same set in one style out."""

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.utils import BaseOutput
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import ModelLoadError
from ..game.palettes import MOST_COLORS, make_palette, palette_indexes, read_palette
from ..game.pieces import Asset, CutAsset, Piece, cut_asset, spread_order
from ..game.sheets import Grid, parse_grid
from ..game.sprites import indexed_image
from ..images.images import load_image
from ..images.whole_files import write_whole
from ..runtime.shared_statistics import Moments, Pieces, collect_statistics, paint
from .image_io import ImageLike, as_list
from .style_codes import encoding_size
from .style_transfer import StyleTransferPipeline

PaletteLike = str | os.PathLike | np.ndarray | Sequence[Sequence[int]]
SAMPLE_PIXELS = 1 << 22
"""Of a set, that the statistics and the palette are taken of; a larger set is represented by pieces spread over it."""
_SAMPLE_SIDE = 1024
_WORKING_SIDE, _MOST_TIMES = 256, 4
_MOST_ENLARGED_PIXELS = 1 << 22
_BATCH_PIXELS = 1 << 19
_ENCODED_PIECES = 16
_PALETTE_PIXELS = 1 << 20


@dataclass(frozen=True)
class SetLook:
    """What all pieces of a set have in common.

    Args:
        code: style code `(1, D)`.
        statistics: of the normalizations, see `runtime.shared_statistics`.
        palette: `(N, 3)` bytes, or None for all colors.
        dither: ordered dithering, with a palette.
        strength: 0 for the pieces as they are, 1 for the full style.
        pixel_art: enlarged pixel art is painted in its own pixels.
        enlarge: how many times as wide and high the pieces are painted; large ones less, so that 4 megapixels come of it.
        shared_statistics: the set's share in the statistics that a piece is normalized by, 0 to 1; the rest is the piece's own.
            None is half for textures that repeat, and all for other pieces.
    """

    code: torch.Tensor
    statistics: list[Moments]
    palette: np.ndarray | None = None
    dither: bool = False
    strength: float = 1.0
    pixel_art: bool = True
    enlarge: int = 1
    shared_statistics: float | None = 1.0

    def save(self, path: str | os.PathLike) -> None:
        """Writes it as a safetensors file, whole or not at all."""
        tensors = {"code": self.code.float().cpu().contiguous()}
        for n, (mean, var) in enumerate(self.statistics):
            tensors |= {f"mean.{n}": mean.cpu().contiguous(), f"var.{n}": var.cpu().contiguous()}
        if self.palette is not None:
            tensors["palette"] = torch.from_numpy(self.palette.copy())
        options = {name: getattr(self, name) for name in ("dither", "strength", "pixel_art", "enlarge", "shared_statistics")}
        # numbers may be NumPy's, which JSON does not know
        look = json.dumps(options, default=lambda number: number.item())
        write_whole(Path(path), save(tensors, metadata={"look": look}))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "SetLook":
        """Reads what `save` wrote.

        Raises:
            ModelLoadError: no such file, or not one that `save` wrote.
        """
        try:
            with safe_open(str(path), "pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  it is no dict
                options = json.loads((file.metadata() or {})["look"])
            count = sum(key.startswith("mean.") for key in tensors)
            moments = [(tensors[f"mean.{n}"], tensors[f"var.{n}"]) for n in range(count)]
            palette = tensors["palette"].numpy() if "palette" in tensors else None
            return cls(tensors["code"], moments, palette, **options)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise ModelLoadError(f"{path} is no look of a set: {' '.join(str(error).split())[:200]}") from error


@dataclass
class GameAssetOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): the pictures, each of its asset's size with its alpha; of mode "P" where a palette was
            asked for and holds the transparency too.
        look (`SetLook`): what they have in common, for more pieces of the set.
    """

    images: Any
    look: Any = None


class GameAssetPipeline:
    """Stylizes sets of game assets: one style, shared statistics, and one palette; alpha, sizes and frames as they were.

    Args:
        stylizer: what paints. The pipelines share its models, and an adapter that is active there is active here.

    Example:
        pipe = GameAssetPipeline.from_pretrained()
        walls, floor = pipe(["wall.png", "floor.png"], style="painting.jpg", tile=True).images
        pipe(["hero.png"], style="painting.jpg", grid="32x32", colors=32).images[0].save("hero-out.png")
    """

    def __init__(self, stylizer: StyleTransferPipeline):
        stylizer._require_torch("`GameAssetPipeline`")
        self.stylizer = stylizer

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike | None = None, **kwargs: Any
    ) -> "GameAssetPipeline":
        """Loads what `StyleTransferPipeline.from_pretrained` does, and raises what it raises."""
        return cls(StyleTransferPipeline.from_pretrained(pretrained_model_name_or_path, **kwargs))

    def to(self, *args: Any, **kwargs: Any) -> "GameAssetPipeline":
        """Moves the models, as in diffusers."""
        self.stylizer.to(*args, **kwargs)
        return self

    def __call__(
        self,
        images: ImageLike | Sequence[ImageLike],
        style: ImageLike | Sequence[ImageLike] | None = None,
        style_code: torch.Tensor | None = None,
        tile: bool = False,
        grid: str | Grid | None = None,
        colors: int | None = None,
        palette: PaletteLike | None = None,
        dither: bool = False,
        strength: float = 1.0,
        pixel_art: bool = True,
        enlarge: int | None = None,
        shared_statistics: float | None = None,
        look: SetLook | None = None,
    ) -> GameAssetOutput:
        """Stylizes one set.

        Args:
            images: all assets of the set, of any sizes: as of `StyleTransferPipeline`.
            style, style_code: as of `StyleTransferPipeline`; may be left out while an adapter is active.
            tile: the pictures, or the frames of the sheets, are textures that repeat.
            grid: the pictures are sheets with frames of that width and height, such as "32x48".
            colors: number of colors of the whole set at most, up to 256.
            palette: colors that they are taken from instead: a .gpl or .hex file, or `(N, 3)` whole numbers from 0 to 255, as an
                array or a list.
            dither: between the colors of the palette, by an ordered pattern.
            strength: 0 gives the assets back, 1 the full style.
            pixel_art: enlarged pixel art is found, and painted in its own pixels.
            enlarge: all pieces are painted so many times as wide and high, up to 8, and reduced again: strokes then are finer and
                small sprites easier to recognize. If left out, as often as brings a middling piece to 256 pixels, up to 4.
            shared_statistics: the set's share in the statistics that a piece is normalized by. 1 keeps dark pieces dark and
                bright ones bright, but paints some much more than others; 0 paints all alike, whatever their color; between
                them a set is of one style, and its pieces can be told. If left out, half for textures that repeat, and all for
                sprites, which then flicker least.
            look: what an earlier call gave, in the place of the style and all that follows.

        Raises:
            ValueError: arguments that do not go together, a picture that cannot be read (`ImageError`), a sheet that the grid
                does not fill, a picture of one pixel.
        """
        cells = parse_grid(grid) if isinstance(grid, str) else grid
        assets = []
        for source in as_list(images, "images"):
            image = load_image(source)
            assets.append(Asset(image, cells.frames(image.size) if cells else (), tile))
        if look is None:
            in_order = (assets[n] for n in spread_order(len(assets)))
            look = self.prepare(
                in_order, style, style_code, colors, palette, dither, strength, pixel_art, enlarge, shared_statistics
            )
        return GameAssetOutput(images=self.paint(assets, look), look=look)

    @torch.inference_mode()
    def prepare(
        self,
        assets: Iterable[Asset],
        style: ImageLike | Sequence[ImageLike] | None = None,
        style_code: torch.Tensor | None = None,
        colors: int | None = None,
        palette: PaletteLike | None = None,
        dither: bool = False,
        strength: float = 1.0,
        pixel_art: bool = True,
        enlarge: int | None = None,
        shared_statistics: float | None = None,
    ) -> SetLook:
        """What the pieces of a set have in common, without painting them all.

        Args:
            assets: of the set; as many are taken as 4 megapixels hold, in their order, of large pieces the 1024 x 1024 in
                which most is seen.
            style, style_code, colors, palette, dither, strength, pixel_art, enlarge, shared_statistics: as of a call.

        Raises:
            ValueError: as a call, or no asset with a visible pixel.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"`strength` is {strength}; it must lie between 0 and 1")
        if colors is not None and palette is not None:
            raise ValueError("`colors` and `palette` are both given; pass one of them")
        if colors is not None and not 1 <= colors <= MOST_COLORS:
            raise ValueError(f"`colors` is {colors}; a palette has 1 to {MOST_COLORS}")
        if dither and colors is None and palette is None:
            raise ValueError("`dither` is given without `colors` or `palette`")
        if enlarge is not None and not (1 <= enlarge <= 2 * _MOST_TIMES and enlarge == int(enlarge)):
            raise ValueError(f"`enlarge` is {enlarge}; it must be a whole number, 1 to {2 * _MOST_TIMES}")
        if shared_statistics is not None and not 0 <= shared_statistics <= 1:
            raise ValueError(f"`shared_statistics` is {shared_statistics}; it must lie between 0 and 1")
        code = self.stylizer._codes(style, None, 0.0, 0, style_code)[0]
        given = _given_palette(palette)
        pieces = _sample(assets, pixel_art)
        if not pieces:
            raise ValueError("the set has no visible pixel to take statistics of")
        if strength < 1:
            own = [self.stylizer._code_of(encoding_size(Image.fromarray(piece.pixels))) for piece in pieces[:_ENCODED_PIECES]]
            code = torch.lerp(torch.cat(own).mean(0, keepdim=True), code, strength)
        times = _usual_times(pieces) if enlarge is None else int(enlarge)
        pieces = pieces[: _how_many(pieces, SAMPLE_PIXELS // times**2)]
        batches = [batch for batch, _ in _batches([piece.enlarged(_times(piece, times)) for piece in pieces])]
        statistics = collect_statistics(self.stylizer.generator, batches, code, shared_statistics)
        look = SetLook(code, statistics, given, dither, strength, pixel_art, times, shared_statistics)
        if colors is None:
            return look
        painted = self._paint_pieces(pieces, look)
        seen = [values[piece.seen] for piece, values in zip(pieces, painted)]
        step = max(1, sum(map(len, seen)) // _PALETTE_PIXELS)
        found = make_palette([values[::step] for values in seen], colors)
        return dataclasses.replace(look, palette=found)

    @torch.inference_mode()
    def paint(self, assets: Sequence[Asset], look: SetLook) -> list[Image.Image]:
        """The pictures of assets of a set, which may be painted in any parts and order.

        Args:
            assets: pieces of one size are painted together.
            look: as `prepare` gave it, for the same models.

        Raises:
            ImageError: a picture that cannot be cut.
        """
        cuts = [cut_asset(asset, look.pixel_art) for asset in assets]
        pieces = [piece for cut in cuts for piece in cut.pieces]
        painted = iter(self._paint_pieces(pieces, look))
        return [_assembled(cut, [next(painted) for _ in cut.pieces], look) for cut in cuts]

    def _paint_pieces(self, pieces: Sequence[Piece], look: SetLook) -> list[np.ndarray]:
        generator = self.stylizer.generator
        code = look.code.to(generator.device, generator.dtype)
        statistics = [(mean.to(generator.device), var.to(generator.device)) for mean, var in look.statistics]
        painted: dict[int, np.ndarray] = {}
        times = [_times(piece, look.enlarge) for piece in pieces]
        for batch, numbers in _batches([piece.enlarged(n) for piece, n in zip(pieces, times)]):
            for number, values in zip(numbers, paint(generator, batch, code, statistics, look.shared_statistics).numpy()):
                values = pieces[number].reduced(values, times[number])
                if look.strength < 0.5:
                    share = 2 * look.strength
                    whole = np.tile(pieces[number].pixels, (*pieces[number].repeats, 1))
                    values = np.rint(whole * (1 - share) + values * share).astype(np.uint8)
                painted[number] = values
        return [painted[number] for number in range(len(pieces))]


def _given_palette(palette: PaletteLike | None) -> np.ndarray | None:
    if palette is None:
        return None
    if isinstance(palette, (str, os.PathLike)):
        return read_palette(palette)
    try:
        colors = np.asarray(palette)
    except ValueError:  # the rows of a list have several lengths
        colors = np.empty(0)
    if colors.ndim != 2 or colors.shape[1] != 3 or not 1 <= len(colors) <= MOST_COLORS:
        raise ValueError(f"`palette` has the shape {colors.shape}; it must be (N, 3), N from 1 to {MOST_COLORS}")
    if colors.dtype.kind not in "ui" or colors.min() < 0 or colors.max() > 255:
        raise ValueError(f"`palette` holds {colors.dtype} from {colors.min()} to {colors.max()}; give whole numbers, 0 to 255")
    return colors.astype(np.uint8)


def _sample(assets: Iterable[Asset], pixel_art: bool) -> list[Piece]:
    pieces: list[Piece] = []
    room = SAMPLE_PIXELS
    for asset in assets:
        for piece in cut_asset(asset, pixel_art).pieces:
            rows = _fullest(piece.seen.sum(1))
            columns = _fullest(piece.seen[rows].sum(0))
            pixels, seen = piece.pixels[rows, columns], piece.seen[rows, columns]
            if pieces and seen.size > room:
                return pieces
            pieces.append(Piece(pixels, seen, piece.tile))
            room -= seen.size
    return pieces


def _fullest(seen: np.ndarray) -> slice:
    """The 1024 rows or columns with the most visible pixels, of which `seen` has the number in each; the first of equal ones."""
    side = min(len(seen), _SAMPLE_SIDE)
    start = int(np.convolve(seen, np.ones(side, int), "valid").argmax())
    return slice(start, start + side)


def _usual_times(pieces: Sequence[Piece]) -> int:
    middling = sorted(max(piece.seen.shape) for piece in pieces)[len(pieces) // 2]
    return max(1, min(_MOST_TIMES, _WORKING_SIDE // middling))


def _times(piece: Piece, enlarge: int) -> int:
    return max(1, min(enlarge, math.isqrt(_MOST_ENLARGED_PIXELS // piece.seen.size)))


def _how_many(pieces: Sequence[Piece], pixels: int) -> int:
    """So many of the first pieces have so many pixels; 1 at least."""
    total = np.cumsum([piece.seen.size for piece in pieces])
    return max(1, int((total <= pixels).sum()))


def _batches(pieces: Sequence[Piece]) -> Iterator[tuple[Pieces, list[int]]]:
    """Pieces of one kind and size, with their numbers, as many as are painted at a time."""
    alike: dict[tuple, list[int]] = {}
    for number, piece in enumerate(pieces):
        alike.setdefault((piece.tile, piece.pixels.shape), []).append(number)
    for (tile, (height, width, _)), numbers in alike.items():
        step = max(1, _BATCH_PIXELS // (height * width))
        for start in range(0, len(numbers), step):
            some = numbers[start : start + step]
            seen = torch.from_numpy(np.stack([pieces[n].seen for n in some]))
            yield Pieces(torch.from_numpy(np.stack([pieces[n].pixels for n in some])), tile, seen), some


def _assembled(cut: CutAsset, painted: list[np.ndarray], look: SetLook) -> Image.Image:
    image = cut.asset.image
    alpha = np.asarray(image.getchannel("A")) if image.mode == "RGBA" else None
    key, keyed = cut.asset.key, cut.asset.keyed
    if look.palette is None:
        rgb = cut.assembled(painted, np.array(image.convert("RGB")))
        if key is not None:
            # the color next to the key, which would be a hole
            rgb[(rgb == key).all(2)] = (*key[:2], key[2] ^ 1)
            rgb[keyed] = key
        return Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))
    palette = look.palette
    if key is not None and (palette != key).any():
        palette = palette[(palette != key).any(1)]  # what is painted in the key would be a hole
    indexes = [palette_indexes(values, palette, look.dither) for values in painted]
    placed = cut.assembled(indexes, np.zeros(image.size[::-1], np.uint8))
    if key is not None and keyed.any():
        rgb = np.where(keyed[..., None], np.array(key, np.uint8), palette[placed])
        return Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))
    return indexed_image(placed, palette, alpha)
