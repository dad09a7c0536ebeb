"""The pinhole camera: millimeters to pixels and, with a depth, back."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Number = float | int


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera, or a batch of them, without lens distortion.

    The camera frame has x to the right, y down and z forward along the optical axis. Image pixels
    are continuous: (0, 0) is the outer corner of the first pixel. The fields broadcast against
    each other, so cameras at many positions may share one focal length.

    Args:
        focal: (..., 2) focal lengths along x and y, px.
        center: (..., 2) the principal point, where the optical axis meets the image, px.
        rotation: (..., 3, 3) turns world directions into camera directions. Default: identity.
        position: (..., 3) of the camera in the world, mm. Default: the origin.

    Raises:
        ValueError: a value is not finite, or a focal length is not positive.

    Paper: Sec. 4.3; lens distortion is ignored, as in the released code.
    """

    focal: Float[Tensor, "*#batch 2"]
    center: Float[Tensor, "*#batch 2"]
    rotation: Float[Tensor, "*#batch 3 3"] | None = None
    position: Float[Tensor, "*#batch 3"] | None = None

    def __post_init__(self):
        focal, center, rotation, position = self.focal, self.center, self.rotation, self.position
        rotation = focal.new_ones(3).diag() if rotation is None else rotation
        position = focal.new_zeros(3) if position is None else position
        batch = torch.broadcast_shapes(
            focal.shape[:-1], center.shape[:-1], rotation.shape[:-2], position.shape[:-1]
        )
        self._set("focal", focal.expand(*batch, 2))
        self._set("center", center.expand(*batch, 2))
        self._set("rotation", rotation.expand(*batch, 3, 3))
        self._set("position", position.expand(*batch, 3))
        check_values("camera focal", focal, "finite and positive", focal.isfinite() & (focal > 0))
        check_values("camera center", center, "finite", center.isfinite())
        check_values("camera rotation", rotation, "finite", rotation.isfinite())
        check_values("camera position", position, "finite", position.isfinite())

    def _set(self, field: str, value: Tensor) -> None:
        object.__setattr__(self, field, value)  # the way to set a field of a frozen dataclass

    @classmethod
    def from_values(cls, fx: Number, fy: Number, cx: Number, cy: Number) -> "Camera":
        """Build one camera at the origin from its four intrinsics, all in px."""
        return cls(torch.tensor([fx, fy]).float(), torch.tensor([cx, cy]).float())

    @classmethod
    def guess(cls, width: int, height: int) -> "Camera":
        """Assume a camera for an image of which nothing is known but its size in px.

        The assumption: the focal length is the longer side of the image (a field of view of 53
        degrees along it, between a phone's main lens and a normal lens), the principal point its
        middle. Where the true focal length is f times as long, depths come out f times too short.
        """
        longer = max(width, height)
        return cls.from_values(longer, longer, width / 2, height / 2)

    @property
    def batch_shape(self) -> torch.Size:
        """The batch dimensions; empty for a single camera."""
        return self.focal.shape[:-1]

    @property
    def matrix(self) -> Float[Tensor, "*batch 3 3"]:
        """The intrinsics as a matrix K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], px."""
        last_row = self.focal.new_tensor([0.0, 0.0, 1.0]).expand(*self.batch_shape, 1, 3)
        first_rows = torch.cat([torch.diag_embed(self.focal), self.center[..., None]], dim=-1)
        return torch.cat([first_rows, last_row], dim=-2)

    def to_camera(self, points_world: Float[Tensor, "*points J 3"]) -> Float[Tensor, "*out J 3"]:
        """Move points (..., J, 3) from the world frame to the camera frame, mm."""
        return (points_world - self.position[..., None, :]) @ self.rotation.mT

    def to_world(self, points_cam: Float[Tensor, "*points J 3"]) -> Float[Tensor, "*out J 3"]:
        """Move points (..., J, 3) from the camera frame to the world frame, mm."""
        return points_cam @ self.rotation + self.position[..., None, :]

    def project(self, points_cam: Float[Tensor, "*points J 3"]) -> Float[Tensor, "*out J 2"]:
        """Return where points of the camera frame appear in the image.

        Args:
            points_cam: (..., J, 3) mm, camera frame.

        Returns:
            (..., J, 2) px; NaN for a point that is not in front of the camera.
        """
        depth = points_cam[..., 2:]
        in_front = torch.where(depth > 0, depth, torch.nan)
        return points_cam[..., :2] / in_front * self.focal[..., None, :] + self.center[..., None, :]

    def back_project(
        self, points_px: Float[Tensor, "*points J 2"], depth: Float[Tensor, "*depths J"]
    ) -> Float[Tensor, "*out J 3"]:
        """Return the points that appear at the given pixels and have the given depths.

        Args:
            points_px: (..., J, 2) px.
            depth: (..., J) distance along the optical axis, mm.

        Returns:
            (..., J, 3) mm, camera frame.

        Paper: Sec. 4.3, from voxels to millimeters.
        """
        rays = (points_px - self.center[..., None, :]) / self.focal[..., None, :]
        xy = rays * depth[..., None]
        return torch.cat([xy, depth[..., None].expand(*xy.shape[:-1], 1)], dim=-1)

    def cropped(
        self, offset: Float[Tensor, "*#batch 2"], scale: Float[Tensor, "*#batch"]
    ) -> "Camera":
        """Return the camera of an image that is cut at `offset` and then enlarged by `scale`.

        A crop changes the intrinsics and nothing else: K' = scale (K - offset), exactly.

        Args:
            offset: (..., 2) the crop's top left corner in this camera's image, px.
            scale: (...) crop pixels per image pixel.
        """
        scale = scale[..., None]
        return Camera(
            self.focal * scale, (self.center - offset) * scale, self.rotation, self.position
        )

    def to(self, target: torch.device | torch.dtype | str) -> "Camera":
        """Return the camera on another device or with another float type."""
        fields = (self.focal, self.center, self.rotation, self.position)
        return Camera(*(field.to(target) for field in fields))

    def __getitem__(self, index) -> "Camera":
        """Select cameras of a batch, as in indexing a tensor's batch dimensions."""
        if not self.batch_shape:
            raise IndexError("a single camera cannot be indexed; only a batch of cameras can")
        fields = (self.focal, self.center, self.rotation, self.position)
        return Camera(*(field[index] for field in fields))


def check_values(argument: str, values: Tensor, expected: str, good: Tensor) -> None:
    """Raise a ValueError that counts the bad values and shows the first, if there are any."""
    if bool(good.all()):
        return
    bad = values[~good]
    raise ValueError(
        f"{argument} must be {expected}, but {bad.numel()} of {values.numel()} values are not; "
        f"the first is {bad[0].item():g}"
    )
