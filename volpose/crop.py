"""The crop: a square box around the person, and the image inside it at the network's size."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from volpose.affine import AnyCamera
from volpose.camera import Number, check_values


@dataclass(frozen=True, eq=False)
class Box:
    """A square in an image, or a batch of squares; it may reach beyond the image.

    Args:
        center: (..., 2) px.
        side: (...) px.

    Raises:
        ValueError: a value is not finite, or a side is not positive.
    """

    center: Float[Tensor, "*batch 2"]
    side: Float[Tensor, "*batch"]

    def __post_init__(self):
        center, side = self.center, self.side
        check_values("box center", center, "finite", center.isfinite())
        check_values("box side", side, "finite and positive", side.isfinite() & (side > 0))

    @classmethod
    def from_corner(cls, x: Number, y: Number, width: Number, height: Number) -> "Box":
        """Build the square with the same center as a rectangle, and its longer side.

        Args:
            x: left edge of the rectangle, px.
            y: top edge, px.
            width: px.
            height: px.

        Raises:
            ValueError: a value is not finite, or width or height is not positive.
        """
        size = torch.tensor([width, height]).float()
        check_values(
            "box width and height", size, "finite and positive", size.isfinite() & (size > 0)
        )
        center = torch.tensor([x + width / 2, y + height / 2]).float()
        return cls(center, size.amax())

    @classmethod
    def around(cls, joints_px: Float[Tensor, "*batch J 2"], margin: Number = 1.25) -> "Box":
        """Build the box around a person whose joints are known.

        Args:
            joints_px: (..., J, 2) px; a joint with NaN is ignored.
            margin: the side in units of the longer side of the joints' bounding rectangle.

        Raises:
            ValueError: a person has no joint, or all joints in one point.
        """
        missing = joints_px.isnan()
        lowest = joints_px.masked_fill(missing, torch.inf).amin(dim=-2)
        highest = joints_px.masked_fill(missing, -torch.inf).amax(dim=-2)
        check_values("joints_px", lowest, "known for one joint of each person", lowest.isfinite())
        return cls((lowest + highest) / 2, margin * (highest - lowest).amax(dim=-1))

    def overlap(self, other: "Box") -> Float[Tensor, "*batch"]:
        """Return intersection over union with other boxes, 0 to 1."""
        ends = [
            (box.center - box.side[..., None] / 2, box.side[..., None]) for box in (self, other)
        ]
        low = torch.maximum(*(start for start, _ in ends))
        high = torch.minimum(*(start + side for start, side in ends))
        both = (high - low).clamp_min(0).prod(-1)
        return both / (self.side.square() + other.side.square() - both)

    def to(self, target: torch.device | torch.dtype | str) -> "Box":
        """Return the box on another device or with another float type."""
        return Box(self.center.to(target), self.side.to(target))

    def __getitem__(self, index) -> "Box":
        """Select boxes of a batch, as in indexing a tensor's batch dimensions."""
        if self.side.ndim == 0:
            raise IndexError("a single box cannot be indexed; only a batch of boxes can")
        return Box(self.center[index], self.side[index])


def crop_person(
    image: Shaped[Tensor, "*batch 3 H W"], box: Box, size: int = 256
) -> Float[Tensor, "*out 3 {size} {size}"]:
    """Cut the box out of the image and bring it to the network's size.

    Shrinking averages over area, so nothing flickers or aliases; enlarging interpolates linearly.
    The box is followed exactly, to fractions of a pixel. What lies outside the image is black.

    Args:
        image: (3, H, W) or (B, 3, H, W), RGB; float in [0, 1], or uint8.
        box: one box, or one for each image, or several boxes on one image.
        size: of the crop, px.

    Returns:
        (..., 3, size, size) float in [0, 1].

    Raises:
        ValueError: the image is neither float nor uint8, or a box does not overlap its image.

    Paper: Sec. 4.3, Human3.6M crops.
    """
    if not (image.is_floating_point() or image.dtype == torch.uint8):
        raise ValueError(f"image must be float or uint8, but it is {image.dtype}")
    height, width = image.shape[-2:]
    _check_overlap(box, height, width)
    left, top = (box.center - box.side[..., None] / 2).unbind(dim=-1)
    weights_x, columns = _resampling(left, box.side, width, size)
    weights_y, rows = _resampling(top, box.side, height, size)
    image = image[..., rows, columns]
    if image.dtype == torch.uint8:
        image, weights_y = image.to(box.side.dtype), weights_y / 255
    weights_x, weights_y = weights_x.to(image.dtype), weights_y.to(image.dtype)
    return weights_y[..., None, :, :] @ image @ weights_x[..., None, :, :].mT


def _resampling(
    start: Tensor, side: Tensor, length: int, size: int
) -> tuple[Float[Tensor, "*batch {size} n"], slice]:
    """Return the weights (..., size, n) of n pixels in a row, and which n of `length` these are.

    An output pixel is the mean of the image over a window as wide as the output pixel is in the
    image, but never narrower than one image pixel. So the weight of an image pixel is its overlap
    with the window. Shrinking by an integer gives the mean of a block; at a width of one the
    overlap is a triangle, which is linear interpolation. The image is their separable product.
    """
    step = side / size
    window = step.clamp_min(1.0)[..., None, None]
    outputs = torch.arange(size, device=side.device, dtype=side.dtype)
    middle = (start[..., None] + (outputs + 0.5) * step[..., None])[..., None]
    low, high = middle - window / 2, middle + window / 2
    # only the pixels that a window can reach: the rest of a large photograph would cost time
    first = max(0, int(low.amin().floor()))
    last = min(length, int(high.amax().ceil()))
    pixels = torch.arange(first, last, device=side.device, dtype=side.dtype)
    overlap = torch.minimum(pixels + 1, high) - torch.maximum(pixels, low)
    return overlap.clamp_min(0) / window, slice(first, last)


def _check_overlap(box: Box, height: int, width: int) -> None:
    half = box.side[..., None] / 2
    image_size = box.center.new_tensor([width, height])
    inside = ((box.center + half > 0) & (box.center - half < image_size)).all(dim=-1)
    if bool(inside.all()):
        return
    (x, y), side = box.center[~inside][0].tolist(), box.side[~inside][0].item()
    which = "it" if inside.numel() == 1 else f"box {int((~inside).flatten().nonzero()[0])}"
    raise ValueError(
        f"box must overlap the image of {width} x {height} px, but {which} has its center at "
        f"({x:g}, {y:g}) and side {side:g} px"
    )


def to_crop(
    points_px: Float[Tensor, "*points J 2"], box: Box, size: Number = 256
) -> Float[Tensor, "*out J 2"]:
    """Move points (..., J, 2) from image pixels to crop pixels: x' = (x - cx) size/side + size/2.

    Paper: Sec. 4.3.
    """
    scale = size / box.side[..., None, None]
    return (points_px - box.center[..., None, :]) * scale + size / 2


def to_image(
    points_crop: Float[Tensor, "*points J 2"], box: Box, size: Number = 256
) -> Float[Tensor, "*out J 2"]:
    """Move points (..., J, 2) from crop pixels to image pixels; undoes `to_crop`.

    Paper: Sec. 4.3.
    """
    scale = box.side[..., None, None] / size
    return (points_crop - size / 2) * scale + box.center[..., None, :]


def crop_camera(camera: AnyCamera, box: Box, size: Number = 256) -> AnyCamera:
    """Return the camera that takes the crop as its image: `project` there is `to_crop` here."""
    return camera.cropped(box.center - box.side[..., None] / 2, size / box.side)
