"""Maps of a material, told apart by the suffixes of their names, and normal maps that follow new strokes."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np

COLOR = "color"

# What Unity, Unreal, Godot, Blender and the free libraries of materials call them. Without the last number and the resolution.
_SUFFIXES = {
    COLOR: "albedo basecolor base_color color colour col diffuse diff alb albedotransparency base_map basemap d bc a c",
    "normal": "normal normals nrm norm nor nm n normal_map normalmap normalgl normaldx "
    "normal_gl normal_ogl normal_dx nor_gl nor_dx",
    "roughness": "roughness rough rgh r",
    "smoothness": "smoothness gloss glossiness",
    "metallic": "metallic metalness metal metallicsmoothness mtl m",
    "height": "height displacement disp displ dsp bump heightmap parallax h",
    "ao": "ao ambientocclusion ambient_occlusion occlusion occ",
    "specular": "specular spec specularity s",
    "packed": "orm arm rma mra ord maskmap mask_map mask",
    "emission": "emissive emission emit e",
    "opacity": "opacity transparency",
}
_ROLES = {suffix: role for role, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_AMBIGUOUS = {suffix for suffix in _ROLES if len(suffix) == 1}
_RESOLUTION = re.compile(r"[_-](\d{1,2}k|\d{3,4}(px)?)$", re.IGNORECASE)
_STROKES_TO_HEIGHT = 4.0
"""Pixels of height that the whole step from black to white of a stroke stands for."""


def material_roles(names: Iterable[str]) -> dict[str, str]:
    """What each picture is in its material: `"color"`, which also every picture is that belongs to none, or `"normal"`,
    `"roughness"`, `"smoothness"`, `"metallic"`, `"height"`, `"ao"`, `"specular"`, `"packed"`, `"emission"`, `"opacity"`.

    A suffix of one letter, as Unreal has them, may mean anything (`wall_n` is a wall to the north): it counts if the name begins
    with `T_`, or if the color map of the same material is among the names under one of its suffixes.

    Args:
        names: paths with forward slashes.

    >>> material_roles(["brick_Normal.png", "T_Wall_N.png", "wall_n.png", "brick.png"])
    {'brick_Normal.png': 'normal', 'T_Wall_N.png': 'normal', 'wall_n.png': 'color', 'brick.png': 'color'}
    """
    names = list(names)
    split = {name: _split(name) for name in names}
    colored = {base for base, suffix in split.values() if suffix and _ROLES[suffix] == COLOR}
    roles = {}
    for name, (base, suffix) in split.items():
        believed = suffix and (suffix not in _AMBIGUOUS or base in colored or PurePosixPath(name).name.startswith("T_"))
        roles[name] = _ROLES[suffix] if believed else COLOR
    return roles


def color_map_of(name: str, names: Iterable[str]) -> str | None:
    """The color map of the material that a map belongs to, if it is among `names`.

    >>> color_map_of("a/brick_normal.png", ["a/brick.png", "b/brick.png"])
    'a/brick.png'
    """
    base = _split(name)[0]
    for other in names:
        other_base, suffix = _split(other)
        if other != name and other_base == base and (not suffix or _ROLES[suffix] == COLOR):
            return other
    return None


def green_is_down(name: str) -> bool:
    """Whether a normal map is in DirectX's convention, by its name; of those that do not say so, Unreal's are.

    >>> green_is_down("T_Wall_N.png"), green_is_down("wall_nor_gl.png")
    (True, False)
    """
    told = re.search(r"(?:^|[_-])nor(?:mal)?[_-]?(dx|directx|gl|ogl|opengl)(?![a-z])", PurePosixPath(name).stem.lower())
    return told[1].startswith("d") if told else PurePosixPath(name).name.startswith("T_")


def matching_normals(
    normals: np.ndarray, before: np.ndarray, after: np.ndarray, tile: bool = False, flip_green: bool = False
) -> np.ndarray:
    """A normal map on which the strokes of a stylized color map stand out.

    The change of brightness from the one color map to the other is taken as height, so that shading that was painted before is
    not counted again. Its slopes are added to those of the normal map: partial derivative blending (Barre-Brisebois and Hill,
    "Blending in detail", 2012).

    Args:
        normals: `(H, W, 3)` bytes.
        before, after: color maps, `(H, W, 3)` bytes.
        tile: slopes go around the edges.
        flip_green: the map is in DirectX's convention.

    Returns:
        `(H, W, 3)` bytes, of unit length where they are decoded.

    >>> flat = np.full((4, 4, 3), (128, 128, 255), np.uint8)
    >>> bool(np.abs(matching_normals(flat, flat, flat).astype(int) - flat).max() <= 1)
    True
    """
    height = (after.astype(np.float32) - before).mean(2) / 255 * _STROKES_TO_HEIGHT
    around = np.pad(height, 1, mode="wrap" if tile else "edge")
    down_x = (around[1:-1, 2:] - around[1:-1, :-2]) / 2
    down_y = (around[2:, 1:-1] - around[:-2, 1:-1]) / 2
    n = normals.astype(np.float32) / 127.5 - 1
    z = np.maximum(n[..., 2], 0.05)
    # a surface that rises to the right leans to the left, and one that rises downward leans up, which is green in OpenGL
    x = n[..., 0] / z - down_x
    y = n[..., 1] / z + (-down_y if flip_green else down_y)
    blended = np.dstack([x, y, np.ones_like(x)])
    blended /= np.linalg.norm(blended, axis=2, keepdims=True)
    return np.rint((blended + 1) * 127.5).astype(np.uint8)


def _split(name: str) -> tuple[str, str]:
    """A material's name in small letters with its folder, and the suffix of the map, "" if there is none that is known."""
    path = PurePosixPath(name)
    stem = _RESOLUTION.sub("", path.stem)
    for suffix in sorted(_ROLES, key=len, reverse=True):
        match = re.search(rf"[_\-. ]({suffix})$", stem, re.IGNORECASE) or (
            # CamelCase, such as BrickNormal
            re.search(rf"(?<=[a-z0-9])({suffix.capitalize()})$", stem) if len(suffix) > 3 else None
        )
        if match:
            return f"{path.parent}/{stem[: match.start()].lower()}", suffix
    return f"{path.parent}/{stem.lower()}", ""
