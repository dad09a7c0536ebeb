"""The pinhole camera: projection and its inverse, frames, crops, bad values."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from volpose.camera import Camera

seeds = st.integers(0, 2**31)


def some_camera(seed: int, batch: tuple[int, ...] = ()) -> Camera:
    """A camera at any place, looking anywhere, with focal lengths between 500 and 1500 px."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*batch, *shape, generator=generator, dtype=torch.float64)

    rotation, _ = torch.linalg.qr(uniform(3, 3) - 0.5)
    rotation = rotation * torch.linalg.det(rotation)[..., None, None]
    return Camera(500 + 1000 * uniform(2), 1000 * uniform(2), rotation, 8000 * uniform(3) - 4000)


def points_in_front(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    points = 2000 * torch.rand(*shape, 3, generator=generator, dtype=torch.float64) - 1000
    points[..., 2] += 4000
    return points


def test_project_by_hand():
    camera = Camera.from_values(1000, 500, 320, 240)
    points = torch.tensor([[0.0, 0.0, 4000.0], [400.0, -800.0, 2000.0]])
    assert camera.project(points).tolist() == [[320, 240], [520, 40]]


def test_back_project_by_hand():
    camera = Camera.from_values(1000, 500, 320, 240)
    points = camera.back_project(torch.tensor([[520.0, 40.0]]), torch.tensor([2000.0]))
    assert points.tolist() == [[400, -800, 2000]]


def test_matrix_projects_like_the_camera():
    camera = some_camera(3, (2,))
    points = points_in_front(4, 2, 17)
    homogeneous = points @ camera.matrix.mT
    assert torch.allclose(homogeneous[..., :2] / homogeneous[..., 2:], camera.project(points))
    assert Camera.from_values(1, 2, 3, 4).matrix.tolist() == [[1, 0, 3], [0, 2, 4], [0, 0, 1]]


def test_world_to_camera_by_hand():
    # A camera 5 m in front of a person at the world's origin, 1 m high, looking back at him:
    # its x is the world's x, its y points down the world's z, its depth runs along the world's y.
    rotation = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    camera = Camera(
        torch.tensor([1000.0, 1000.0]),
        torch.tensor([500.0, 500.0]),
        rotation,
        torch.tensor([0.0, -5000.0, 1000.0]),
    )
    head_world = torch.tensor([[200.0, 0.0, 1700.0]])
    assert camera.to_camera(head_world).tolist() == [[200, -700, 5000]]
    assert camera.project(camera.to_camera(head_world)).tolist() == [[540, 360]]


@settings(max_examples=50, deadline=None)
@given(seeds, st.sampled_from([(), (1,), (3,), (2, 3)]))
def test_back_projection_undoes_projection(seed, batch):
    camera = some_camera(seed, batch)
    points = points_in_front(seed + 1, *batch, 17)
    again = camera.back_project(camera.project(points), points[..., 2])
    assert torch.allclose(again, points, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(seeds, st.sampled_from([(), (3,), (2, 3)]))
def test_world_and_camera_frames_are_inverse(seed, batch):
    camera = some_camera(seed, batch)
    points = points_in_front(seed + 1, *batch, 5)
    assert torch.allclose(camera.to_world(camera.to_camera(points)), points, atol=1e-6)
    assert torch.allclose(camera.to_camera(camera.to_world(points)), points, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(seeds, st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_a_crop_is_a_change_of_intrinsics(seed, scale, x, y):
    camera = some_camera(seed)
    points = points_in_front(seed + 1, 17)
    offset = torch.tensor([x, y], dtype=torch.float64)
    cropped = camera.cropped(offset, torch.tensor(scale, dtype=torch.float64))
    expected = scale * (camera.project(points) - offset)
    assert torch.allclose(cropped.project(points), expected, atol=1e-6)
    assert torch.equal(cropped.to_camera(points), camera.to_camera(points))


def test_one_camera_serves_a_batch_of_poses_and_of_crops():
    camera = some_camera(0)
    points = points_in_front(1, 4, 17)
    assert camera.project(points).shape == (4, 17, 2)
    assert camera.to_camera(points).shape == (4, 17, 3)
    offset = torch.zeros(4, 2, dtype=torch.float64)
    assert camera.cropped(offset, torch.ones(4).double()).batch_shape == (4,)


def test_fields_broadcast_and_a_batch_is_indexed():
    position = torch.arange(15.0).reshape(5, 3)
    cameras = Camera(torch.ones(2), torch.zeros(2), position=position)
    assert cameras.batch_shape == (5,)
    assert cameras.focal.shape == (5, 2)
    assert cameras.rotation.shape == (5, 3, 3)
    assert cameras[3].position.tolist() == [9, 10, 11]
    assert cameras[1:3].batch_shape == (2,)
    assert cameras[torch.tensor([True, False, True, False, True])].batch_shape == (3,)
    with pytest.raises(IndexError, match="single camera"):
        cameras[0][0]


def test_to_changes_the_type_of_every_field():
    camera = Camera.from_values(1000, 1000, 500, 500).to(torch.float64)
    fields = (camera.focal, camera.center, camera.rotation, camera.position)
    assert {field.dtype for field in fields} == {torch.float64}
    assert camera.project(points_in_front(0, 17)).dtype == torch.float64


def test_a_point_behind_the_camera_has_no_image():
    camera = Camera.from_values(1000, 1000, 500, 500)
    points = torch.tensor([[0.0, 0.0, -1000.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1000.0]])
    assert camera.project(points).isnan().all(dim=-1).tolist() == [True, True, False]


def test_the_guessed_camera_sees_53_degrees_along_the_longer_side():
    for width, height in [(1920, 1080), (1080, 1920)]:
        camera = Camera.guess(width, height)
        longer = max(width, height)
        angle = 2 * math.degrees(math.atan(longer / 2 / camera.focal[0].item()))
        assert angle == pytest.approx(53.13, abs=0.01)
        assert camera.center.tolist() == [width / 2, height / 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((math.nan, 1, 0, 0), "camera focal must be finite and positive, but 1 of 2 .* nan"),
        ((1000, 0, 0, 0), "camera focal must be finite and positive, but 1 of 2 .* first is 0"),
        ((-5, -6, 0, 0), "camera focal .* 2 of 2 values are not; the first is -5"),
        ((1000, math.inf, 0, 0), "camera focal .* inf"),
        ((1000, 1000, math.nan, 0), "camera center must be finite, but 1 of 2 .* nan"),
    ],
)
def test_bad_intrinsics_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Camera.from_values(*values)


def test_bad_pose_of_the_camera_is_refused():
    ones, bad = torch.ones(2), torch.tensor([0.0, torch.nan, 0.0])
    with pytest.raises(ValueError, match="camera position must be finite, but 1 of 3"):
        Camera(ones, ones, position=bad)
    with pytest.raises(ValueError, match="camera rotation must be finite, but 3 of 9"):
        Camera(ones, ones, rotation=bad.expand(3, 3))
