"""Virtual cameras around motion capture, and the camera that looks straight at a person.

What a crop shows depends on where in the picture it was cut: near the border a person is seen
askew. The lifting network always sees the person as a camera does that was turned to face them.
With joints instead of pixels that turn is exact and costs nothing.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.camera import Camera

DISTANCE = (2000.0, 9000.0)  # mm, from the camera to the pelvis, along the ground
HEIGHT = (400.0, 2400.0)  # mm above the ground: from the knees to a raised arm
HIGH = (2400.0, 6000.0)  # balconies, lamp posts and ceilings
STEEPEST = math.radians(65)
ASIDE = (math.radians(18), math.radians(10))  # sigma of the aim, to the side and up
ROLL = math.radians(5)  # sigma, of cameras that somebody has set up
HELD = math.radians(15)  # sigma, of cameras in the hand or fixed to whatever there was
FOCAL = (500.0, 2000.0)  # px in a picture of 1000 px: a field of view of 90 to 28 degrees
MIDDLE = 500.0


def virtual_cameras(
    pose: Float[Tensor, "batch joints 3"],
    generator: torch.Generator,
    roll: float = ROLL,
    root: int = 0,
) -> Camera:
    """Draw a camera for each person, from every side, low and high, near and far.

    Args:
        pose: mm, z up; the lowest joint stands on the ground.
        generator: of the random numbers.
        roll: sigma of the cameras' roll, radians; three times as much at most.
        root: the joint that cameras look at, about.

    Returns:
        B cameras; every joint is in front of its camera.

    Paper: Sec. 3.3 names motion capture as training data, not the cameras.
    """
    count = len(pose)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def normal(sigma: float, most: float) -> Tensor:
        return (sigma * torch.randn(count, generator=generator)).clamp(-most, most)

    target = pose[:, root]
    ground = pose[..., 2].amin(-1)
    away = torch.exp(uniform(math.log(DISTANCE[0]), math.log(DISTANCE[1])))
    height = torch.where(uniform(0, 1) < 0.75, uniform(*HEIGHT), uniform(*HIGH))
    rise = torch.minimum(ground + height - target[:, 2], away * math.tan(STEEPEST))
    yaw = uniform(0, 2 * math.pi)
    position = target + torch.stack([away * yaw.cos(), away * yaw.sin(), rise], -1)
    facing = look_at(position, target)
    side, up = normal(ASIDE[0], 2 * ASIDE[0]), normal(ASIDE[1], 2 * ASIDE[1])
    turn = _about(2, normal(roll, 3 * roll)) @ _about(0, up) @ _about(1, side)
    focal = torch.exp(uniform(math.log(FOCAL[0]), math.log(FOCAL[1])))
    return Camera(
        focal[:, None].expand(-1, 2), torch.full((count, 2), MIDDLE), turn @ facing, position
    )


def look_at(
    position: Float[Tensor, "*batch 3"], target: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """The rotation of a level camera that sees a target in its middle; the world's z is up."""
    forward = torch.nn.functional.normalize(target - position, dim=-1)
    down = forward.new_tensor([0.0, 0.0, -1.0]).expand_as(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(down, forward), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], -2)


def turned_to(camera: Camera, point_px: Float[Tensor, "*batch 2"]) -> Camera:
    """The camera turned about its center, the short way, until it looks straight at a point.

    Args:
        camera: whose frame is the world of the camera that is returned.
        point_px: in its picture, such as the center of a box.

    Returns:
        A camera with the point at its principal point, (0, 0) px; one px there is one px at the
        middle of the given camera's picture.
    """
    ray = camera.back_project(point_px[..., None, :], torch.ones_like(point_px[..., :1]))
    x, y, z = torch.nn.functional.normalize(ray[..., 0, :], dim=-1).unbind(-1)
    # Rodrigues' formula for the turn that takes (x, y, z) to (0, 0, 1); z > 0 in any picture
    s = 1 / (1 + z)
    rows = [[1 - s * x * x, -s * x * y, -x], [-s * x * y, 1 - s * y * y, -y], [x, y, z]]
    rotation = torch.stack([torch.stack(row, -1) for row in rows], -2)
    focal = camera.focal.mean(-1, keepdim=True).expand_as(camera.focal)
    return Camera(focal, torch.zeros_like(camera.center), rotation)


def seen_from(
    view: Camera, camera: Camera, points_px: Float[Tensor, "*batch J 2"]
) -> Float[Tensor, "*batch J 2"]:
    """Where points of a camera's picture appear to the same camera, turned.

    Args:
        view: what `turned_to` gave.
        camera: what it was given.
        points_px: in the camera's picture; NaN stays NaN.
    """
    rays = camera.back_project(points_px, torch.ones_like(points_px[..., 0]))
    return view.project(view.to_camera(rays))


def directions(view: Camera, up: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Directions in a camera's frame, as the same camera has them that was turned.

    Args:
        view: what `turned_to` gave.
        up: in the frame of the camera that it was given.
    """
    return (view.rotation @ up[..., None])[..., 0]


def _about(axis: int, angle: Tensor) -> Float[Tensor, "*batch 3 3"]:
    """Turns about one of the camera's axes x, y, z."""
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    a, b = [i for i in range(3) if i != axis]
    rows = [[zero] * 3 for _ in range(3)]
    rows[axis][axis] = one
    rows[a][a] = rows[b][b] = angle.cos()
    rows[a][b], rows[b][a] = -angle.sin(), angle.sin()
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
