"""Grid: voxels and places are exact inverses, and the two depth limits are what they claim."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from volpose.grid import Grid

sizes = st.tuples(*[st.integers(1, 96)] * 3)
positions = st.lists(st.floats(-200, 200), min_size=3, max_size=3)


@given(shape=sizes, crop=st.floats(8, 2000), near=st.floats(-3000, -1), position=positions)
def test_voxels_and_places_are_inverse(shape, crop, near, position):
    grid = Grid(shape, crop, (near, near + 1986.046))
    voxels = torch.tensor([position], dtype=torch.float64)
    for there, back in (
        (grid.to_places, grid.to_voxels),
        (grid.to_voxels, grid.to_places),
        (grid.to_unit, grid.from_unit),
        (grid.from_unit, grid.to_unit),
    ):
        torch.testing.assert_close(back(there(voxels)), voxels, rtol=1e-12, atol=1e-8)


def test_literal_places_on_the_papers_grid():
    grid = Grid()
    voxels = torch.tensor([[0.0, 0.0, 0.0], [63.0, 31.5, 32.0], [31.5, 0.0, 31.5]])
    places = torch.tensor([[2.0, 2.0, -984.375], [254.0, 128.0, 15.625], [128.0, 2.0, 0.0]])
    torch.testing.assert_close(grid.to_places(voxels), places)


def test_slice_k_is_centered_as_documented():
    grid = Grid((8, 4, 4), 64.0)
    k = torch.arange(8.0)
    z = grid.to_places(torch.stack([0 * k, 0 * k, k], -1))[:, 2]
    torch.testing.assert_close(z, -1000 + (k + 0.5) * 2000 / 8)


def test_official_root_lies_in_slice_33_of_64():
    grid = Grid.official()
    assert grid.voxel_size[2] == pytest.approx(31.032, abs=1e-3)
    root = grid.to_voxels(torch.tensor([128.0, 128.0, 0.0]))
    assert int(root[2].round()) + 1 == 33


def test_unit_cube_has_the_grids_faces():
    grid = Grid((16, 32, 64), 128.0)
    faces = torch.tensor([[-0.5, -0.5, -0.5], [63.5, 31.5, 15.5]])
    torch.testing.assert_close(grid.to_unit(faces), torch.tensor([[-1.0] * 3, [1.0] * 3]))


def test_contains_ends_half_a_voxel_out():
    grid = Grid((4, 8, 16), 64.0)
    inside = torch.tensor([[-0.5, 0, 0], [15.49, 7.49, 3.49]])
    outside = torch.tensor(
        [[-0.51, 0, 0], [15.5, 0, 0], [0, 7.5, 0], [0, 0, 3.5], [0, 0, float("nan")]]
    )
    assert grid.contains(inside).all()
    assert not grid.contains(outside).any()


def test_coarsened_keeps_the_box():
    grid = Grid((64, 32, 32), 128.0)
    coarse = grid.coarsened(4)
    assert coarse.shape == (4, 32, 32)
    assert coarse.depth_limits == grid.depth_limits
    with pytest.raises(ValueError, match="depth must divide the grid's 64 slices, got 5"):
        grid.coarsened(5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (0, 4, 4)}, "shape must be three positive sizes"),
        ({"crop_size": 0.0}, "crop_size must be positive"),
        ({"depth_limits": (5.0, 5.0)}, "depth_limits must increase"),
    ],
)
def test_bad_grids_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Grid(**arguments)
