"""The affine camera: no vanishing point, so a depth never changes where a point appears.

It stands for data without a pinhole: football filmed from far away, calibrated by 2 x 4 matrices,
and photographs of which only pixels are known. Its methods are those of `Camera`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.camera import Camera, check_values

FLAT = 1e-4  # a scale below flattens the plane


@dataclass(frozen=True, eq=False)
class AffineCamera:
    """A camera that adds a matrix times x, y (mm) to a point of the image; or a batch of them.

    Args:
        scale: (..., 2, 2) px per mm, of x and y in the camera frame.
        center: (..., 2) where the camera frame's axis x = y = 0 meets the image, px.
        rotation: (..., 3, 3) turns world directions into camera directions. Default: identity.
        position: (..., 3) of the camera frame's origin in the world, mm. Default: the origin.

    Raises:
        ValueError: a value is not finite, or a scale flattens the plane or mirrors it.

    Paper: not said; the cameras of KTH Football II (Sec. 4.2) are such, and the pinhole lift of
    Sec. 4.3 has no focal length there.
    """

    scale: Float[Tensor, "*batch 2 2"]
    center: Float[Tensor, "*batch 2"]
    rotation: Float[Tensor, "*batch 3 3"] | None = None
    position: Float[Tensor, "*batch 3"] | None = None

    def __post_init__(self) -> None:
        batch = self.center.shape[:-1]
        rotation = torch.eye(3).to(self.center) if self.rotation is None else self.rotation
        position = torch.zeros(3).to(self.center) if self.position is None else self.position
        object.__setattr__(self, "rotation", rotation.expand(*batch, 3, 3))
        object.__setattr__(self, "position", position.expand(*batch, 3))
        for name in ("scale", "center", "rotation", "position"):
            values = getattr(self, name)
            check_values(f"affine camera {name}", values, "finite", values.isfinite())
        area = torch.linalg.det(self.scale) / self.scale.square().sum((-2, -1))
        name = "affine camera's determinant over its squares"
        check_values(name, area, f"above {FLAT}", area > FLAT)

    @classmethod
    def from_matrix(cls, matrix: Float[Tensor, "*batch 2 4"]) -> AffineCamera:
        """Build the camera whose matrix takes world points (x, y, z, 1), in mm, to px.

        The rows of the matrix are made orthogonal: they become x and y of the camera frame, and
        z is what completes them to a right-handed frame, away from the camera.

        Raises:
            ValueError: the rows are zero or parallel, so no depth axis follows from them.
        """
        first, second = matrix[..., 0, :3], matrix[..., 1, :3]
        x_axis = torch.nn.functional.normalize(first, dim=-1)
        along = (second * x_axis).sum(-1, keepdim=True)
        across = second - along * x_axis
        y_axis = torch.nn.functional.normalize(across, dim=-1)
        rotation = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], -2)
        length = first.norm(dim=-1, keepdim=True)
        upper = torch.cat([length, torch.zeros_like(length)], -1)
        lower = torch.cat([along, across.norm(dim=-1, keepdim=True)], -1)
        return cls(torch.stack([upper, lower], -2), matrix[..., 3], rotation)

    @classmethod
    def of_image(cls, count: int) -> AffineCamera:
        """Cameras of pictures of which nothing is known: x and y of a pose are px of the image."""
        return cls(torch.eye(2).expand(count, 2, 2), torch.zeros(count, 2))

    @property
    def batch_shape(self) -> torch.Size:
        """The batch dimensions; empty for a single camera."""
        return self.center.shape[:-1]

    to_camera = Camera.to_camera  # the same change of frame
    to_world = Camera.to_world

    def project(self, points_cam: Float[Tensor, "*points J 3"]) -> Float[Tensor, "*out J 2"]:
        """Where points (..., J, 3) mm of the camera frame appear, px; whatever their depth."""
        return points_cam[..., :2] @ self.scale.mT + self.center[..., None, :]

    def back_project(
        self, points_px: Float[Tensor, "*points J 2"], depth: Float[Tensor, "*depths J"]
    ) -> Float[Tensor, "*out J 3"]:
        """The points (..., J, 3) mm that appear at px (..., J, 2) and have depths (..., J), mm."""
        xy = (points_px - self.center[..., None, :]) @ torch.linalg.inv(self.scale).mT
        return torch.cat([xy, depth[..., None].expand(*xy.shape[:-1], 1)], -1)

    def cropped(self, offset: Float[Tensor, "*#batch 2"], scale: Float[Tensor, "*#batch"]):
        """The camera of an image cut at `offset` (px) and enlarged by `scale`, as for `Camera`."""
        center = (self.center - offset) * scale[..., None]
        matrix = (self.scale * scale[..., None, None]).expand(*center.shape[:-1], 2, 2)
        return AffineCamera(matrix, center, self.rotation, self.position)

    def to(self, target: torch.device | torch.dtype | str) -> AffineCamera:
        """The camera on another device or with another float type."""
        fields = (self.scale, self.center, self.rotation, self.position)
        return AffineCamera(*(field.to(target) for field in fields))

    def __getitem__(self, index) -> AffineCamera:
        """Select cameras of a batch, as in indexing a tensor's batch dimensions."""
        if not self.batch_shape:
            raise IndexError("a single camera cannot be indexed; only a batch of cameras can")
        fields = (self.scale, self.center, self.rotation, self.position)
        return AffineCamera(*(field[index] for field in fields))


AnyCamera = Camera | AffineCamera
