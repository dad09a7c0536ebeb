"""Augmentation: joints stay on what they show, chance keeps to its limits, nothing else changes."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.small import studio_batch
from volpose.augment import NO_AUGMENTATION, PAPER, Augmentation, augment, draw
from volpose.skeleton import H36M_17, MPII_16

OFFICIAL = replace(PAPER, style="official")
MIRROR = Augmentation()
EVERY_KIND = {
    "mirror": MIRROR,
    "turn": Augmentation(rotation=30, mirror=False),
    "zoom": Augmentation(scale=0.25, mirror=False),
    "color": Augmentation(color=0.2, mirror=False),
    "paper": PAPER,
    "official": OFFICIAL,
}
# a blob in red, green and blue: at a wrist, at the other wrist, at the pelvis
BLOBS = [H36M_17.index(name) for name in ("left_wrist", "right_wrist", "pelvis")]


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vary(images, places, skeleton, augmentation, generator):
    chance = draw(len(images), generator)
    return augment(images, places, skeleton, augmentation, chance)


def noise(count: int, size: int = 12, skeleton=H36M_17):
    """Random pictures and places."""
    places = torch.rand(count, skeleton.num_joints, 3) * size
    return torch.rand(count, 3, size, size), places


def grid_of_centers(size: int):
    along = torch.arange(size, dtype=torch.float64) + 0.5
    return torch.stack(torch.meshgrid(along, along, indexing="xy"))


def render_blobs(places, size: int):
    """One soft dot in each color channel, at the places of three joints."""
    away = grid_of_centers(size) - places[:, BLOBS, :2, None, None].double()
    return (0.8 * torch.exp(-away.square().sum(2) / (2 * 1.5**2))).float()


def centroids(images):
    weights = images.double()[:, :, None]
    return (weights * grid_of_centers(images.shape[-1])).sum((-2, -1)) / weights.sum((-2, -1))


def handedness(triangle):
    """The sign says whether three points run clockwise."""
    a, b, c = triangle.unbind(1)
    (x, y), (u, v) = (b - a).unbind(-1), (c - a).unbind(-1)
    return x * v - y * u


@settings(max_examples=40)
@given(
    st.builds(
        Augmentation,
        rotation=st.sampled_from([0.0, 30.0, 90.0]),
        scale=st.sampled_from([0.0, 0.25]),
        mirror=st.booleans(),
        color=st.sampled_from([0.0, 0.2]),
        style=st.sampled_from(["paper", "official"]),
    ),
    st.integers(0, 10_000),
    st.sampled_from([57, 64]),
    st.floats(0, 2 * math.pi),
)
def test_joints_stay_on_the_blobs_they_show(augmentation, seed, size, start):
    angles = torch.tensor([start, start + 2, start + 4])
    places = torch.rand(6, 17, 3, generator=dice(seed))
    ring = torch.stack([angles.cos(), angles.sin()], dim=-1) * torch.tensor([[8.0], [14.0], [11.0]])
    places[:, BLOBS, :2] = ring + size / 2
    images, moved = vary(render_blobs(places, size), places, H36M_17, augmentation, dice(seed))
    seen, said = centroids(images), moved[:, BLOBS, :2].double()
    # in a mirrored picture the dot that was at the left wrist is at the right wrist now
    mirrored = handedness(seen) * handedness(places[:, BLOBS, :2]) < 0
    said[mirrored] = said[mirrored][:, [1, 0, 2]]
    assert (seen - said).norm(dim=-1).max() < 0.1
    assert augmentation.mirror or not mirrored.any()
    kept_depth = torch.where(mirrored[:, None], places[:, list(H36M_17.mirror), 2], places[..., 2])
    assert torch.equal(moved[..., 2], kept_depth)


def test_a_mirror_alone_is_exact():
    images, places = noise(64, skeleton=MPII_16)
    flipped, moved = vary(images, places, MPII_16, MIRROR, dice())
    coins = [not torch.equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert 20 < sum(coins) < 44
    twin = places[:, list(MPII_16.mirror)] * torch.tensor([-1.0, 1, 1]) + torch.tensor([12.0, 0, 0])
    for i, coin in enumerate(coins):
        assert torch.equal(flipped[i], images[i].flip(-1) if coin else images[i])
        assert torch.equal(moved[i], twin[i] if coin else places[i])


def test_everything_off_returns_the_same_tensors():
    images, places = noise(3)
    same_images, same_places = vary(images, places, H36M_17, NO_AUGMENTATION, dice())
    assert same_images is images
    assert same_places is places


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_inputs_are_left_alone_and_the_layout_stays(kind, layout):
    images, places = noise(5)
    images = images.to(memory_format=layout)
    before = images.clone(), places.clone()
    varied, moved = vary(images, places, H36M_17, EVERY_KIND[kind], dice())
    assert torch.equal(images, before[0])
    assert torch.equal(places, before[1])
    assert not torch.equal(varied, images)
    assert varied.stride() == images.stride()
    assert moved.shape == places.shape


@pytest.mark.parametrize("augmentation", [PAPER, OFFICIAL])
def test_a_variation_depends_on_the_position_only(augmentation):
    images, places = noise(20)
    whole = vary(images, places, H36M_17, augmentation, dice())
    for count in (1, 7):
        some = vary(images[:count], places[:count], H36M_17, augmentation, dice())
        torch.testing.assert_close(some[0], whole[0][:count])
        torch.testing.assert_close(some[1], whole[1][:count])
    again = vary(images, places, H36M_17, augmentation, dice())
    assert torch.equal(again[0], whole[0])


def turns_and_zooms(augmentation, count: int = 4000):
    """What happened to each picture, read off two joints (degrees, factor)."""
    images, places = torch.zeros(count, 3, 2, 2), torch.zeros(count, 17, 3)
    places[:, 0, :2], places[:, 7, :2] = torch.tensor([1.0, 1.0]), torch.tensor([2.0, 1.0])
    _, moved = vary(images, places, H36M_17, replace(augmentation, mirror=False), dice())
    x, y = (moved[:, 7, :2] - moved[:, 0, :2]).unbind(-1)
    return torch.rad2deg(torch.atan2(y, x)), torch.hypot(x, y)


def test_the_paper_draws_uniformly():
    turns, zooms = turns_and_zooms(PAPER)
    for drawn, low, high in ((turns, -30, 30), (zooms, 0.75, 1.25)):
        assert low <= drawn.min() + 1e-4
        assert drawn.max() - 1e-4 <= high
        deciles = torch.linspace(low, high, 11)
        shares = [((drawn >= a) & (drawn < b)).float().mean() for a, b in deciles.unfold(0, 2, 1)]
        assert torch.stack(shares).sub(0.1).abs().max() < 0.02


def test_the_released_code_draws_clamped_normals():
    turns, zooms = turns_and_zooms(OFFICIAL)
    still = turns.abs() < 1e-4
    assert still.float().mean().item() == pytest.approx(0.6, abs=0.02)
    turns = turns[~still]
    assert turns.abs().max().item() == pytest.approx(60, abs=1e-3)
    within = (turns.abs() < 30).float().mean().item()
    assert within == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.03)
    sides = 1 / zooms  # of the square that is shown
    for limit in (0.75, 1.25):  # the tail beyond one standard deviation ends up here
        at_limit = (sides - limit).abs() < 1e-5
        assert at_limit.float().mean().item() == pytest.approx(0.1587, abs=0.02)
    assert ((sides > 0.75 - 1e-5) & (sides < 1.25 + 1e-5)).all()


def test_turn_zoom_mirror_and_color_are_independent():
    images, places = torch.full((4000, 3, 2, 2), 0.5), torch.zeros(4000, 17, 3)
    _, mirrored = vary(images, places, H36M_17, MIRROR, dice())
    tinted, _ = vary(images, places, H36M_17, EVERY_KIND["color"], dice())
    drawn = [*turns_and_zooms(PAPER), mirrored[:, 0, 0], *tinted[:, :, 0, 0].unbind(1)]
    assert (torch.stack(drawn).corrcoef() - torch.eye(6)).abs().max() < 0.06


def test_outside_the_crop_is_black():
    images, places = torch.ones(40, 3, 32, 32), torch.zeros(40, 17, 3)
    places[:, 0, 0] = 32.0
    zoomed, moved = vary(images, places, H36M_17, EVERY_KIND["zoom"], dice())
    zooms = (moved[:, 0, 0] - moved[:, 1, 0]) / 32
    white = zoomed.mean((1, 2, 3))
    torch.testing.assert_close(white, zooms.clamp(max=1).square(), atol=0.03, rtol=0)
    assert (zoomed[zooms < 0.9][..., 0, 0] == 0).all()
    assert (zoomed[zooms < 0.9][..., 16, 16] > 0.999).all()


def test_color_scales_each_channel_and_clamps():
    images, places = noise(200, size=4)
    tinted, moved = vary(images, places, H36M_17, EVERY_KIND["color"], dice())
    assert torch.equal(moved, places)
    assert tinted.amax() == 1
    gains = torch.where(tinted < 1, tinted / images, 0).amax((-2, -1), keepdim=True)
    torch.testing.assert_close(tinted, (images * gains).clamp(0, 1))
    assert 0.8 <= gains.min() < 0.81
    assert 1.19 < gains.max() <= 1.2 + 1e-5


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_unknown_joints_stay_unknown(kind):
    images, places = noise(8)
    places[:, 0] = torch.nan  # no place at all
    places[:, 7, 2] = torch.nan  # annotated in the picture only
    _, moved = vary(images, places, H36M_17, EVERY_KIND[kind], dice())
    assert torch.equal(moved.isnan(), places.isnan())


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_all_is_done_on_the_device_of_the_pictures(kind):
    # "meta" tensors have no values, and refuse to be mixed with those of another device
    images, places = (tensor.to("meta") for tensor in noise(4))
    varied, moved = vary(images, places, H36M_17, EVERY_KIND[kind], dice())
    assert varied.device == moved.device == images.device


def test_autocast_moves_no_pixel():
    images, places = noise(4, size=32)
    plain = vary(images, places, H36M_17, PAPER, dice())
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = vary(images, places, H36M_17, PAPER, dice())
    assert torch.equal(plain[0], under_autocast[0])
    assert torch.equal(plain[1], under_autocast[1])


def test_studio_pictures_stay_in_range():
    batch = studio_batch()
    images = batch.image / 255
    varied, moved = vary(images, batch.places(32), H36M_17, PAPER, dice())
    assert varied.amin() >= 0
    assert varied.amax() <= 1
    assert moved.isfinite().all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rotation", -1.0, "rotation must be finite and not negative .degrees., got -1.0"),
        ("rotation", math.inf, "rotation must be finite"),
        ("rotation", math.nan, "rotation must be finite"),
        ("scale", 1.0, "scale must be at least 0 and below 1, got 1.0"),
        ("scale", -0.1, "scale must be at least 0"),
        ("scale", math.nan, "scale must be at least 0"),
        ("color", 1.1, "color must be 0 to 1, got 1.1"),
        ("color", -0.1, "color must be 0 to 1"),
        ("color", math.nan, "color must be 0 to 1"),
        ("style", "wild", "style must be paper or official, got 'wild'"),
    ],
)
def test_impossible_settings_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**{field: value})


@pytest.mark.usefixtures("jaxtyping_disabled")
def test_impossible_batches_are_refused():
    images, places = noise(4)
    for wrong_images, wrong_places, message in (
        (
            (images * 255).byte(),
            places,
            "images must be float32 or float64 in .0, 1., got torch.ui",
        ),
        (images.half(), places, "images must be float32 or float64"),
        (images[..., :-1], places, r"images must be square, got shape \(4, 3, 12, 11\)"),
        (images, places[:1], "places must be those of 4 images, got 1"),
        (images, places[:, :16], "positions must have 17 joints"),
    ):
        with pytest.raises(ValueError, match=message):
            vary(wrong_images, wrong_places, H36M_17, MIRROR, dice())
