"""Target volumes: one Gaussian per joint, drawn at every depth resolution of the stack (Eq. 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.grid import Grid


class GaussianTarget(NamedTuple):
    """A batch of 3D Gaussians, kept as three one-dimensional factors.

    A Gaussian is separable, so J x (W + H + d) numbers say all that J x d x H x W voxels would.

    Attributes:
        x, y, z: the factors, (*batch, J, W), (*batch, J, H) and (*batch, J, d), peak about 1.
        valid: (*batch, J), False for a joint that teaches nothing: it is not annotated, or lies
            outside the grid.
    """

    x: Float[Tensor, "*batch joints width"]
    y: Float[Tensor, "*batch joints height"]
    z: Float[Tensor, "*batch joints depth"]
    valid: Bool[Tensor, "*batch joints"]

    def volume(self) -> Float[Tensor, "*batch joints depth height width"]:
        """The product of the factors, for looking at and for the plain loss. Paper: Eq. 2."""
        return self.z[..., :, None, None] * self.y[..., None, :, None] * self.x[..., None, None, :]

    def energy(self) -> Float[Tensor, "*batch joints"]:
        """The sum of squares of each joint's volume, without building it."""
        return self.x.square().sum(-1) * self.y.square().sum(-1) * self.z.square().sum(-1)


def coarse_to_fine_targets(
    voxels: Float[Tensor, "*batch joints 3"],
    grid: Grid,
    z_bins: Sequence[int],
    sigma: float = 2.0,
    style: str = "paper",
    annotated: Bool[Tensor, "*batch joints"] | None = None,
    beside: str = "masked",
) -> list[GaussianTarget]:
    """One target for each hourglass of the stack.

    A coarse target is the fine one max-pooled along z: the peak stays 1 at every depth
    resolution, and with a single slice the target is the 2D heatmap.

    Args:
        voxels: joint positions in ``grid``, sub-voxel, x, y, z. NaN means not annotated.
        grid: the finest grid; its D must be a multiple of every entry of ``z_bins``.
        z_bins: number of slices of each stage's volume, such as (1, 2, 4, 64).
        sigma: standard deviation in voxels of the finest grid.
        style: "paper" (sub-voxel centers, this ``sigma``); "deep", the same with twice the
            ``sigma`` along z, as thick in mm as the targets of half as many slices; or "official",
            the released code's: centers rounded, sigma 3.25 cut at 6 cells in x and y, its own
            width in z.
        annotated: False where a joint has no label.
        beside: what a joint teaches whose x or y lies outside the grid: "masked", nothing; "empty",
            that it is not there: its volume is zero. (The released code does the latter, and leaves
            the rim of a blob that reaches into the grid.)

    Returns:
        A list of `GaussianTarget`, one for each entry of ``z_bins``. A joint outside the grid is
        never smeared onto the border.

    Raises:
        ValueError: unknown style or ``beside``, sigma not positive, or a depth that does not
            divide D.

    Paper: Sec. 3.1, Eq. 2; Sec. 3.2. Eq. 2 has the factor 1 / (2 pi sigma^2); here, as in the
    released code, the peak is 1.
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive (voxels), got {sigma}")
    if style not in _FACTORS:
        raise ValueError(f"style must be one of {', '.join(_FACTORS)}, got {style!r}")
    if beside not in ("masked", "empty"):
        raise ValueError(f'beside must be "masked" or "empty", got {beside!r}')
    known = voxels.isfinite().all(-1)
    if annotated is not None:
        if annotated.shape != known.shape:
            raise ValueError(
                f"annotated must have shape {tuple(known.shape)}, got {tuple(annotated.shape)}"
            )
        known = known & annotated
    inside = known & grid.contains(voxels)
    flat = torch.cat([voxels[..., :2], torch.zeros_like(voxels[..., 2:])], -1)
    valid = inside | (known & ~grid.contains(flat)) if beside == "empty" else inside
    centers = torch.where(inside[..., None], voxels, torch.zeros_like(voxels))
    targets = []
    for depth in z_bins:
        x, y, z = _FACTORS[style](centers, grid, grid.coarsened(depth), sigma)
        targets.append(GaussianTarget(x * inside[..., None], y, z, valid))
    return targets


def gaussian_volume(
    voxels: Float[Tensor, "*batch joints 3"], grid: Grid, sigma: float = 2.0
) -> Float[Tensor, "*batch joints depth height width"]:
    """The likelihood volume of each joint: a Gaussian with peak 1 at its sub-voxel position.

    A joint outside the grid, or NaN, gives a volume of zeros. Paper: Sec. 3.1, Eq. 2.
    """
    (target,) = coarse_to_fine_targets(voxels, grid, grid.shape[:1], sigma)
    return target.volume() * target.valid[..., None, None, None]


def gaussian(
    center: Float[Tensor, "*batch"], count: int, sigma: float | Float[Tensor, "*#batch 1"]
) -> Float[Tensor, "*b n"]:
    """A one-dimensional Gaussian with peak 1 sampled at 0 ... count - 1; zero where below 1e-12.

    Without the cut, products of tails are denormal numbers, and a CPU needs many times longer for
    each of them.
    """
    at = torch.arange(count, device=center.device, dtype=center.dtype)
    bell = torch.exp(-((at - center[..., None]) ** 2) / (2 * sigma**2))
    return torch.where(bell < 1e-12, torch.zeros_like(bell), bell)


def _paper_factors(
    centers: Tensor, grid: Grid, coarse: Grid, sigma: float, times_in_z: float = 1.0
) -> list[Tensor]:
    depth, height, width = grid.shape
    x, y, z = centers.unbind(-1)
    fine_z = gaussian(z, depth, times_in_z * sigma)
    # max-pool over each coarse slice: (..., J, D) -> (..., J, d, D/d) -> (..., J, d)
    coarse_z = fine_z.unflatten(-1, (coarse.shape[0], -1)).amax(-1)
    return [gaussian(x, width, sigma), gaussian(y, height, sigma), coarse_z]


def _official_factors(centers: Tensor, grid: Grid, coarse: Grid, sigma: float) -> list[Tensor]:
    """Windows as in the released code, whose unit is the paper's sigma.

    Its window of 6 * unit + 1 cells holds a Gaussian of sigma = window / 4. The released code
    clips at the left and top border so that the blob moves by 1 or 2 cells; that is not copied.
    """
    unit = sigma  # sigma = 2 gives the 13 cells of the released code
    depth, height, width = grid.shape
    slices = coarse.shape[0]
    window_xy = 2 * math.floor(3 * unit + 0.5) + 1
    window_z = 2 * math.floor((6 * unit * slices / depth + 1) / 2) + 1
    x, y, z = torch.round(centers).unbind(-1)
    coarse_z = torch.div(z, depth // slices, rounding_mode="floor")
    return [
        _windowed(x, width, window_xy),
        _windowed(y, height, window_xy),
        _windowed(coarse_z, slices, window_z),
    ]


def _windowed(center: Tensor, count: int, window: int) -> Tensor:
    """A Gaussian of sigma = window / 4, zero outside the window; a single 1 for a window of 1."""
    at = torch.arange(count, device=center.device, dtype=center.dtype)
    inside = (at - center[..., None]).abs() <= window // 2
    return gaussian(center, count, window / 4) * inside


_FACTORS = {
    "paper": _paper_factors,
    "deep": partial(_paper_factors, times_in_z=2.0),
    "official": _official_factors,
}
