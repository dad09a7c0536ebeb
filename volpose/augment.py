"""Augmentation: training pictures turned, zoomed, mirrored and tinted, and their joints with them.

A whole batch is varied at once, on the device it is on. The random numbers are drawn on the CPU, so
a run is the same on every device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

from volpose.skeleton import Skeleton, mirror_joints

STYLES = ("paper", "official")
NUMBERS = 7  # that a picture takes: turn, whether to turn, zoom, mirror, red, green, blue
TURNED = 0.4  # share of the pictures that the released code turns


@dataclass(frozen=True)
class Augmentation:
    """How far training pictures are varied.

    Args:
        rotation: in the image plane, degrees.
        scale: 0.25 zooms between 0.75 and 1.25.
        mirror: mirror half of the pictures.
        color: 0.2 multiplies each RGB channel by U(0.8, 1.2), clamped to [0, 1].
        style: "paper" draws rotation and zoom uniformly in their limits. "official" draws the
            released code's clamped normals: four pictures in ten are turned, by a normal of
            standard deviation ``rotation`` clamped at twice that; the side of the square that is
            shown is multiplied by 1 + ``scale`` times a normal clamped at +-1, so the zoom is one
            over that, 0.8 to 1.33 for 0.25.

    Raises:
        ValueError: a number is negative or not finite, scale is not below 1, color is above 1, or
            there is no such style.

    Paper: Sec. 4.3 states rotation, scale and mirror; color is from the released code. That code
    tosses one mirror coin for a batch; here every picture has its own.
    """

    rotation: float = 0.0
    scale: float = 0.0
    mirror: bool = True
    color: float = 0.0
    style: str = "paper"

    def __post_init__(self) -> None:
        if not 0 <= self.rotation < math.inf:
            raise ValueError(
                f"rotation must be finite and not negative (degrees), got {self.rotation}"
            )
        if not 0 <= self.scale < 1:
            raise ValueError(f"scale must be at least 0 and below 1, got {self.scale}")
        if not 0 <= self.color <= 1:
            raise ValueError(f"color must be 0 to 1, got {self.color}")
        if self.style not in STYLES:
            raise ValueError(f"style must be {' or '.join(STYLES)}, got {self.style!r}")


NO_AUGMENTATION = Augmentation(mirror=False)
# Rotation, scale and mirror as the paper states them; color as in the released code.
PAPER = Augmentation(rotation=30.0, scale=0.25, mirror=True, color=0.2)


def draw(count: int, generator: torch.Generator) -> Float[Tensor, "{count} n"]:
    """Random numbers for ``count`` pictures, one row each, uniform in [0, 1).

    Every picture takes seven, whatever is switched on. So its variation depends on the generator
    and its position in the batch only, and switching one kind off leaves the others as they were.

    Args:
        count: of the pictures.
        generator: on the CPU.
    """
    return torch.rand(count, NUMBERS, generator=generator, dtype=torch.float64)


def augment(
    images: Float[Tensor, "B 3 S S"],
    places: Float[Tensor, "B J 3"],
    skeleton: Skeleton,
    augmentation: Augmentation,
    chance: Float[Tensor, "B n"],
) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B J 3"]]:
    """Vary every picture of a batch, and move its joints with it.

    Pictures turn and zoom about the middle of the crop. What lies outside the crop becomes black.
    Zooming out skips pixels, up to 1 / (1 - scale) at a step, without averaging: at 0.75 the
    aliasing is mild. A mirror alone moves whole pixels, exactly. Depth stays as it is.

    Args:
        images: (B, 3, S, S) RGB in [0, 1]; not changed.
        places: (B, J, 3), x and y in pixels of these images, z in mm from the root; NaN where
            unknown, and then it stays NaN.
        skeleton: the joints in the rows of the places; a mirror swaps left and right.
        augmentation: how far.
        chance: on the CPU, a row of `draw` for every picture.

    Returns:
        Images and places of the same shapes, in the same memory format. With everything switched
        off they are the very same tensors.

    Raises:
        ValueError: the images are not square or not float32 or float64, or the places are not
            those of as many pictures or of the skeleton's joints.

    Paper: Sec. 4.3.
    """
    _check(images, places)
    warps = augmentation.rotation > 0 or augmentation.scale > 0
    if not (warps or augmentation.mirror or augmentation.color):
        return images, places
    mirrored = (chance[:, 3] < 0.5) & augmentation.mirror
    linear = _linear(chance, mirrored, augmentation)
    mirrored = mirrored.to(images.device)
    if augmentation.color:
        gains = (1 + augmentation.color * (2 * chance[:, 4:] - 1)).to(images)
        images = (images * gains[:, :, None, None]).clamp_(0, 1)
    if warps:
        images = _warp(images, linear)
    elif augmentation.mirror:
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    twins = mirror_joints(places, skeleton)
    places = torch.where(mirrored[:, None, None], twins, places)
    return images, _move(places, linear, images.shape[-1] / 2)


def _linear(
    chance: Float[Tensor, "B n"], mirrored: Bool[Tensor, " B"], augmentation: Augmentation
) -> Float[Tensor, "B 2 2"]:
    """Where each picture moves a point, as seen from the middle: turned, zoomed, then mirrored."""
    if augmentation.style == "paper":
        turn, zoom = 2 * chance[:, 0] - 1, 1 + augmentation.scale * (2 * chance[:, 2] - 1)
    else:
        # normals from uniform numbers: torch.randn would give a picture others in a larger batch
        normal = torch.special.ndtri(chance)
        turn = normal[:, 0].clamp(-2, 2) * (chance[:, 1] < TURNED)
        zoom = 1 / (1 + augmentation.scale * normal[:, 2].clamp(-1, 1))
    angle = turn * math.radians(augmentation.rotation)
    side = 1 - 2 * mirrored.double()
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    return torch.stack([side * cos, -side * sin, sin, cos], dim=-1).unflatten(-1, (2, 2))


def _warp(images: Tensor, linear: Tensor) -> Tensor:
    """Move the pictures' points; for that, each new pixel looks up where it came from."""
    size = images.shape[-1]
    along_x, along_y = torch.linalg.inv(linear).to(images)[:, None].unbind(dim=-1)
    # from -1 to 1 over the faces of the crop, so that the middle is the origin
    centers = torch.arange(1, 2 * size, 2, device=images.device).to(images)[:, None] / size - 1
    # not affine_grid: autocast and TF32 would round its matrix product
    grid = (centers * along_y)[:, :, None] + (centers * along_x)[:, None]
    warped = grid_sample(images, grid, align_corners=False)
    if warped.stride() == images.stride():
        return warped
    return torch.empty_like(images).copy_(warped)  # grid_sample forgets channels_last


def _move(places: Tensor, linear: Tensor, middle: float) -> Tensor:
    """Move x and y about the middle of the crop."""
    offset = (middle - middle * linear.sum(-1)).to(places)
    # not a matrix product, as above
    flat = (linear.to(places)[:, None] * places[..., None, :2]).sum(-1) + offset[:, None]
    return torch.cat([flat, places[..., 2:]], dim=-1)


def _check(images: Tensor, places: Tensor) -> None:
    if images.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"images must be float32 or float64 in [0, 1], got {images.dtype}")
    if images.shape[-1] != images.shape[-2]:
        raise ValueError(f"images must be square, got shape {tuple(images.shape)}")
    if len(places) != len(images):
        raise ValueError(f"places must be those of {len(images)} images, got {len(places)}")
