import numpy as np
import pytest

from styleadapt.game.materials import color_map_of, green_is_down, matching_normals, material_roles


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("brick_Albedo.png", "color"),
        ("brick_BaseColor.png", "color"),
        ("brick_diff_2k.jpg", "color"),
        ("brick.png", "color"),
        ("hero_walk_01.png", "color"),
        ("brick_Normal.png", "normal"),
        ("brick_nor_gl_4k.png", "normal"),
        ("Bricks076_1K_NormalDX.png", "normal"),
        ("BrickNormal.png", "normal"),
        ("brick_AmbientOcclusion.png", "ao"),
        ("brick-roughness.png", "roughness"),
        ("brick_rough_1k.png", "roughness"),
        ("brick_MetallicSmoothness.png", "metallic"),
        ("brick_disp.png", "height"),
        ("a/T_Brick_ORM.png", "packed"),
        ("T_Brick_N.png", "normal"),
        ("brick_arm_2k.png", "packed"),
        ("abnormal.png", "color"),
        ("normal.png", "color"),
    ],
)
def test_maps_are_told_by_their_suffixes(name, role):
    assert material_roles([name]) == {name: role}


def test_one_letter_means_a_map_only_in_a_material():
    names = ["castle_n.png", "castle_s.png", "castle.png", "m/wall_D.png", "m/wall_N.png", "m/wall_R.png"]
    assert list(material_roles(names).values()) == ["color", "color", "color", "color", "normal", "roughness"]


def test_the_color_map_of_a_material():
    names = ["m/wall_BaseColor.png", "m/wall_Normal.png", "m/floor.png"]
    assert color_map_of("m/wall_Normal.png", names) == "m/wall_BaseColor.png"
    assert color_map_of("m/roof_Normal.png", names) is None


def test_conventions_of_green():
    assert green_is_down("x/wall_nor_dx_2k.png") and green_is_down("Bricks_NormalDX.png")
    assert not green_is_down("wall_normal.png")
    assert green_is_down("T_Wall_N.png") and green_is_down("T_normal_glass_N.png")
    assert not green_is_down("T_Wall_normal_gl.png") and not green_is_down("T_Wall_normal_ogl_2k.png")


@pytest.mark.parametrize("flip", [False, True])
def test_a_ridge_leans_to_its_sides(flip):
    flat = np.full((16, 16, 3), (128, 128, 255), np.uint8)
    before = np.zeros((16, 16, 3), np.uint8)
    ridge = before.copy()
    ridge[4:12, 4:12] = 255
    normals = matching_normals(flat, before, ridge, flip_green=flip).astype(int)
    # at its left edge it looks left, at its right edge right; at its top it looks up, which is green in OpenGL
    assert normals[8, 3, 0] < 100 and normals[8, 12, 0] > 155
    assert (normals[3, 8, 1] > 155) is not flip and (normals[12, 8, 1] < 100) is not flip
    assert np.abs(normals[8, 8] - flat[8, 8]).max() <= 1
    length = np.linalg.norm(normals / 127.5 - 1, axis=2)
    assert np.abs(length - 1).max() < 0.02


def test_slopes_go_around_the_edges_of_a_texture():
    flat = np.full((8, 8, 3), (128, 128, 255), np.uint8)
    ridge = np.zeros((8, 8, 3), np.uint8)
    ridge[:, 0] = 255
    rolled = matching_normals(flat, 0 * ridge, np.roll(ridge, 3, 1), tile=True)
    assert (np.roll(matching_normals(flat, 0 * ridge, ridge, tile=True), 3, 1) == rolled).all()
