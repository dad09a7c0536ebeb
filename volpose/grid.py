"""Where a voxel is: the one place that knows axis order and depth limits.

Positions are written (x, y, z), sizes (D, H, W), because that is how points and tensors are read.
The clash is handled here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float
from torch import Tensor

OFFICIAL_DEPTH_LIMITS = (-1005.186, 980.860)


@dataclass(frozen=True)
class Grid:
    """A box of voxels around a person: x, y span the crop, z spans metric depth about the root.

    Voxel (i, j, k) is *centered* at integer coordinates; the grid reaches half a voxel further on
    every side. *Voxels* are positions in the grid; *places* are x, y in crop pixels and z in mm
    from the root joint.

    Args:
        shape: (D, H, W), the number of voxels along z, y and x.
        crop_size: side of the square crop in pixels.
        depth_limits: near and far face of the grid, mm from the root. The paper uses +-1 m.

    Raises:
        ValueError: a size is not positive, or the limits are not increasing.

    Paper: Sec. 3.1 (volume of size w x h x d) and Sec. 4.3 (2 m about the root joint).
    """

    shape: tuple[int, int, int] = (64, 64, 64)
    crop_size: float = 256.0
    depth_limits: tuple[float, float] = (-1000.0, 1000.0)

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape must be three positive sizes (D, H, W), got {self.shape}")
        if not self.crop_size > 0:
            raise ValueError(f"crop_size must be positive (pixels), got {self.crop_size}")
        near, far = self.depth_limits
        if not near < far:
            raise ValueError(f"depth_limits must increase (near, far in mm), got {(near, far)}")

    @classmethod
    def official(cls, crop_size: float = 256.0) -> Grid:
        """The grid of the authors' released code: 64 slices of 31.032 mm, the root in slice 33.

        The root then lies near the center of a slice; on the paper's symmetric grid it lies on the
        border of two.
        """
        return cls((64, 64, 64), crop_size, OFFICIAL_DEPTH_LIMITS)

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Size of a voxel along x and y in crop pixels and along z in mm."""
        depth, height, width = self.shape
        near, far = self.depth_limits
        return self.crop_size / width, self.crop_size / height, (far - near) / depth

    def coarsened(self, depth: int) -> Grid:
        """The same box with ``depth`` slices: the grid of one stage of the stack.

        Raises:
            ValueError: ``depth`` does not divide the number of slices.
        """
        if depth < 1 or self.shape[0] % depth:
            raise ValueError(f"depth must divide the grid's {self.shape[0]} slices, got {depth}")
        return replace(self, shape=(depth, *self.shape[1:]))

    def to_voxels(self, places: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Places (crop px, crop px, mm from the root) -> sub-voxel positions x, y, z."""
        size, low = self._affine(places)
        return (places - low) / size - 0.5

    def to_places(self, voxels: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Sub-voxel positions x, y, z -> places; the inverse of `to_voxels`."""
        size, low = self._affine(voxels)
        return (voxels + 0.5) * size + low

    def to_unit(self, voxels: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Voxels -> the cube [-1, 1]^3 whose faces are the grid's, for coordinate regression."""
        return (voxels + 0.5) / self._half(voxels) - 1

    def from_unit(self, unit: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """The cube [-1, 1]^3 -> voxels; the inverse of `to_unit`."""
        return (unit + 1) * self._half(unit) - 0.5

    def contains(self, voxels: Float[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"]:
        """Whether each position lies in the grid; NaN does not."""
        return ((voxels >= -0.5) & (voxels < 2 * self._half(voxels) - 0.5)).all(-1)

    def _affine(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Voxel size and lower corner, both (3,) in the order x, y, z."""
        return like.new_tensor(self.voxel_size), like.new_tensor([0.0, 0.0, self.depth_limits[0]])

    def _half(self, like: Tensor) -> Tensor:
        return like.new_tensor(self.shape[::-1]) / 2
