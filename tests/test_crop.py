"""The crop against brute force: averages, sub-pixel places, shifts, borders, and its camera."""

import math
import time

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from volpose.camera import Camera
from volpose.crop import Box, crop_camera, crop_person, to_crop, to_image


def box_at(x: float, y: float, side: float) -> Box:
    return Box(torch.tensor([x, y], dtype=torch.float64), torch.tensor(side, dtype=torch.float64))


def blob(center: tuple[float, float], sigma: float, size: int) -> torch.Tensor:
    """An image of a Gaussian; the center of the first pixel is (0.5, 0.5)."""
    pixels = torch.arange(size, dtype=torch.float64) + 0.5
    x = torch.exp(-((pixels - center[0]) ** 2) / (2 * sigma**2))
    y = torch.exp(-((pixels - center[1]) ** 2) / (2 * sigma**2))
    return (y[:, None] * x).expand(3, size, size)


def center_of_mass(image: torch.Tensor) -> torch.Tensor:
    pixels = torch.arange(image.shape[-1], dtype=image.dtype) + 0.5
    mass = image[0]
    return torch.stack([(mass.sum(0) * pixels).sum(), (mass.sum(1) * pixels).sum()]) / mass.sum()


def area_average(image: torch.Tensor, x0: float, x1: float, y0: float, y1: float) -> list[float]:
    """The mean of a black-bordered image over a rectangle, one pixel after another."""
    total = [0.0, 0.0, 0.0]
    for row in range(max(0, math.floor(y0)), min(image.shape[1], math.ceil(y1))):
        for column in range(max(0, math.floor(x0)), min(image.shape[2], math.ceil(x1))):
            width = min(column + 1, x1) - max(column, x0)
            height = min(row + 1, y1) - max(row, y0)
            for channel in range(3):
                total[channel] += width * height * image[channel, row, column].item()
    return [value / ((x1 - x0) * (y1 - y0)) for value in total]


def test_the_whole_image_at_its_own_size_is_unchanged():
    image = torch.rand(3, 32, 32, dtype=torch.float64)
    assert torch.allclose(crop_person(image, box_at(16, 16, 32), 32), image)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_shrinking_by_an_integer_is_average_pooling(factor):
    image = torch.rand(2, 3, 120, 120, dtype=torch.float64)
    crop = crop_person(image, box_at(60, 60, 120), 120 // factor)
    assert torch.allclose(crop, F.avg_pool2d(image, factor))


@settings(max_examples=15, deadline=None)
@given(st.floats(2, 12), st.floats(2, 12), st.floats(5, 30), st.integers(0, 2**31))
def test_shrinking_averages_the_area_under_each_pixel(x, y, side, seed):
    size = 4
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 13, 15, generator=generator, dtype=torch.float64)
    crop = crop_person(image, box_at(x, y, side), size)
    left, top, step = x - side / 2, y - side / 2, side / size
    for row in range(size):
        for column in range(size):
            edges = (left + column * step, left + (column + 1) * step)
            edges += (top + row * step, top + (row + 1) * step)
            expected = area_average(image, *edges)
            assert crop[:, row, column].tolist() == pytest.approx(expected, abs=1e-9)


def test_enlarging_is_linear_interpolation():
    image = torch.rand(1, 3, 20, 20, dtype=torch.float64)
    crop = crop_person(image, box_at(10, 10, 10), 32)
    enlarged = F.interpolate(image, size=(64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(crop, enlarged[..., 16:48, 16:48])


def test_large_blocks_of_color_come_out_exactly():
    colors = torch.rand(3, 4, 4, dtype=torch.float64)
    image = colors.repeat_interleave(50, dim=1).repeat_interleave(50, dim=2)
    crop = crop_person(image, box_at(100, 100, 200), 64)
    centers = crop[:, 8::16, 8::16]
    assert torch.allclose(centers, colors)


@pytest.mark.parametrize("side", [31.7, 64.0, 100.3, 180.9])
@pytest.mark.parametrize("center", [(100.0, 100.0), (103.37, 96.81)])
def test_a_blob_lands_where_to_crop_says(side, center):
    image = blob(center, sigma=2.0, size=200)
    box = box_at(101.23, 98.6, side)
    found = center_of_mass(crop_person(image, box, 64))
    expected = to_crop(torch.tensor([center], dtype=torch.float64), box, 64)[0]
    assert (found - expected).abs().max() < 0.01  # crop pixels


@settings(max_examples=25, deadline=None)
@given(st.floats(20, 60), st.floats(8, 50), st.integers(-9, 9), st.integers(-9, 9))
def test_moving_image_and_box_alike_changes_nothing(place, side, dx, dy):
    image = torch.zeros(3, 80, 80, dtype=torch.float64)
    image[:, 30:50, 30:50] = torch.rand(3, 20, 20, dtype=torch.float64)
    moved = image.roll((dy, dx), dims=(1, 2))
    crop = crop_person(image, box_at(place, place, side), 16)
    again = crop_person(moved, box_at(place + dx, place + dy, side), 16)
    assert torch.allclose(crop, again, atol=1e-12)


def test_outside_the_image_is_black():
    crop = crop_person(torch.ones(3, 100, 100), Box.from_corner(-50, -50, 100, 100), 10)
    expected = torch.zeros(3, 10, 10)
    expected[:, 5:, 5:] = 1
    assert torch.allclose(crop, expected)


def test_brightness_does_not_depend_on_the_size():
    image = torch.full((3, 90, 90), 0.7)
    for size in (7, 64, 256):
        crop = crop_person(image, Box.from_corner(20.3, 21.9, 50, 50), size)
        assert torch.allclose(crop, torch.full((3, size, size), 0.7), atol=1e-5)


def test_stripes_finer_than_the_crop_turn_gray():
    image = torch.zeros(3, 512, 512)
    image[..., ::2] = 1
    crop = crop_person(image, Box.from_corner(0, 0, 512, 512), 50)
    assert (crop - 0.5).abs().max() < 0.05


def test_bytes_and_floats_agree():
    image = torch.randint(0, 256, (3, 60, 80), dtype=torch.uint8)
    box = Box.from_corner(10.2, 5.7, 44, 44)
    crop = crop_person(image, box, 32)
    assert crop.dtype == torch.float32
    assert torch.allclose(crop, crop_person(image.float() / 255, box, 32), atol=1e-6)
    assert crop.amax() <= 1


def test_the_image_decides_the_float_type():
    box = Box.from_corner(0, 0, 20, 20)
    for dtype in (torch.float32, torch.float64):
        assert crop_person(torch.rand(3, 20, 20, dtype=dtype), box, 8).dtype == dtype


def test_a_batch_is_its_samples():
    images = torch.rand(3, 3, 50, 70)
    boxes = Box(torch.tensor([[20.0, 20], [35, 25], [60.5, 40]]), torch.tensor([30.0, 60, 25.5]))
    crops = crop_person(images, boxes, 24)
    for i in range(3):
        assert torch.allclose(crops[i], crop_person(images[i], boxes[i], 24), atol=1e-6)
    people = crop_person(images[0], boxes, 24)
    assert torch.allclose(people[1], crop_person(images[0], boxes[1], 24), atol=1e-6)


def test_gradients_reach_the_image():
    image = torch.rand(3, 30, 30, requires_grad=True)
    crop_person(image, Box.from_corner(5, 5, 10, 10), 8).sum().backward()
    assert image.grad[:, 7:13, 7:13].abs().amin() > 0
    assert image.grad[:, 20:, :].abs().amax() == 0


def test_a_large_image_is_cropped_quickly():
    image, box = torch.rand(3, 1000, 1000), Box.from_corner(200, 150, 500, 600)
    crop_person(image, box)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        crop_person(image, box)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1  # about 7 ms on one free core


coordinates = st.floats(-2000, 2000)


@settings(max_examples=50, deadline=None)
@given(coordinates, coordinates, coordinates, coordinates, st.floats(1, 3000), st.integers(8, 512))
def test_to_image_undoes_to_crop(x, y, cx, cy, side, size):
    box, points = box_at(cx, cy, side), torch.tensor([[x, y]], dtype=torch.float64)
    assert torch.allclose(to_image(to_crop(points, box, size), box, size), points, atol=1e-6)
    assert torch.allclose(to_crop(to_image(points, box, size), box, size), points, atol=1e-6)


def test_to_crop_by_hand():
    box = box_at(100, 200, 50)
    points = torch.tensor([[100.0, 200.0], [75.0, 175.0], [125.0, 200.0]]).double()
    assert to_crop(points, box, 256).tolist() == [[128, 128], [0, 0], [256, 128]]


@settings(max_examples=50, deadline=None)
@given(coordinates, coordinates, st.floats(10, 3000), st.integers(0, 2**31))
def test_the_camera_of_the_crop_projects_into_the_crop(cx, cy, side, seed):
    generator = torch.Generator().manual_seed(seed)
    points = 2000 * torch.rand(17, 3, generator=generator, dtype=torch.float64) - 1000
    points[:, 2] += 5000
    camera = Camera.from_values(1145.0, 1144.0, 512.5, 515.5).to(torch.float64)
    box = box_at(cx, cy, side)
    expected = to_crop(camera.project(points), box, 256)
    assert torch.allclose(crop_camera(camera, box, 256).project(points), expected, atol=1e-6)


def test_box_from_corner_is_the_square_about_the_same_center():
    box = Box.from_corner(10, 20, 30, 60)
    assert box.center.tolist() == [25, 50]
    assert box.side.item() == 60


def test_box_around_joints_ignores_missing_ones():
    nan = math.nan
    joints = torch.tensor([[10.0, 20.0], [30.0, 100.0], [nan, nan], [nan, 500.0]])
    joints[3, 1] = nan
    box = Box.around(joints, margin=1.25)
    assert box.center.tolist() == [20, 60]
    assert box.side.item() == 100
    assert Box.around(torch.rand(2, 3, 17, 2)).center.shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: box_at(0, math.nan, 5), "box center must be finite, but 1 of 2"),
        (lambda: box_at(0, 0, 0), "box side must be finite and positive, but 1 of 1"),
        (lambda: Box.from_corner(0, 0, 10, -3), "width and height .* the first is -3"),
        (lambda: Box.from_corner(0, 0, math.inf, 3), "width and height .* inf"),
        (lambda: Box.around(torch.full((2, 4, 2), math.nan)), "joints_px must be known"),
        (lambda: Box.around(torch.ones(4, 2)), "box side"),
    ],
)
def test_bad_boxes_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("corner", [(-100, 10), (10, -100), (200, 10), (10, 100)])
def test_a_box_outside_the_image_is_refused(corner):
    box = Box.from_corner(*corner, 100, 100)
    with pytest.raises(
        ValueError, match="box must overlap the image of 200 x 100 px, but it has its center"
    ):
        crop_person(torch.zeros(3, 100, 200), box)


def test_an_image_of_integers_is_refused():
    with pytest.raises(ValueError, match=r"image must be float or uint8, but it is torch\.int64"):
        crop_person(torch.zeros(3, 9, 9, dtype=torch.int64), Box.from_corner(0, 0, 9, 9))


def test_a_single_box_cannot_be_indexed():
    with pytest.raises(IndexError, match="single box"):
        box_at(0, 0, 1)[0]


def test_overlap_is_intersection_over_union():
    here = Box(torch.zeros(4, 2), torch.full((4,), 2.0))
    center = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0], [0.0, 0.0]])
    there = Box(center, torch.tensor([2.0, 2.0, 2.0, 1.0]))
    assert here.overlap(there).tolist() == pytest.approx([1, 1 / 3, 0, 1 / 4])
    assert torch.equal(here.overlap(there), there.overlap(here))
