"""One picture whose 2D joints are known, lifted; and 2D joints by a network of our own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from volpose.crop import Box, crop_person, to_image
from volpose.estimator import Estimator
from volpose.lift.faults import Found
from volpose.lift.heatmaps import MARGIN, reach
from volpose.lift.lifter import Lifter, lift
from volpose.predict import Prediction, camera_for, check_finite
from volpose.skeleton import H36M_17

CROP = 256  # px, of the crop in a prediction
SURE = 0.2  # height of a peak below which a joint does not move the box
# Mean height of the peaks below which nobody is there. Measured with `studio-laptop-anywhere`: the
# best windows of pictures of noise reach 0.12, boxes of the studio beside the actor 0.01, and all
# but 1 % of 300 people of the studio's `wild` in their boxes are higher. Real rooms that the studio
# does not know are not that empty: see `results/studio_to_real`.
SOMEBODY = 0.23
FOUND = 0.45  # of 108 whole real frames 17 reached it, all with a person
SMALL = 512  # px, of the copy in which a person is looked for
SIDES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18)  # of windows, in units of the picture's longer side
STEP = 0.3  # from window to window, in units of their side
LOOKS, CLOSER = 3, 6  # at the best windows, each at the box around the joints seen before
TOGETHER = 64  # windows
PATIENCE = 16  # frames of a video at most until somebody is looked for again


def lift_picture(
    image: UInt8[Tensor, "3 height width"],
    found: Found,
    lifter: Lifter,
    camera: Sequence[float] | None = None,
    joints_source: str = "given",
    weights: str = "",
    up: Sequence[float] | None = None,
) -> Prediction:
    """The pose of one person from a picture's 2D joints; the picture itself is only shown.

    Args:
        image: the photograph.
        found: joints of one person, (1, 17, 2) and (1, 17), as `volpose.lift.formats` gives them.
        lifter: the network.
        camera: fx, fy, cx, cy in px; guessed without it.
        joints_source, weights: where the joints came from and the network's name, for the record.
        up: which way is up in the camera's frame, see `volpose.lift.lifter.lift`.

    Raises:
        ValueError: there is no joint, all are in one point, a camera that is none, an up that is
            no direction, or joints and camera lead to no finite pose.

    Paper: Sec. 3.3.
    """
    height, width = image.shape[-2:]
    view, camera_source = camera_for(camera, width, height)
    lifted = lift(
        found, view, lifter, up=None if up is None else torch.tensor(up, dtype=torch.float32)
    )
    box = Box.around(found.known()[0], MARGIN * float(reach(found)))
    joints_px = view.project(lifted.pose_mm + lifted.root_mm[:, None])
    check_finite(joints_px, view)
    return Prediction(
        skeleton=H36M_17,
        pose_mm=lifted.pose_mm[0],
        joints_px=joints_px[0],
        confidence=lifted.confidence[0],
        doubt_mm=lifted.doubt_mm[0],
        root_depth_mm=float(lifted.root_mm[0, 2]),
        root_source="mean limb lengths of the training's bodies",
        camera_source=camera_source,
        box_source=f"around the 2D joints ({joints_source})",
        weights=weights,
        image=image,
        crop=crop_person(image, box, CROP),
        volume=None,
        box=box,
        camera=view,
        up=None if up is None else tuple(map(float, up)),
    )


class Look(NamedTuple):
    """What a network for pictures sees in a box.

    Attributes:
        joints: px of the picture.
        sure: heights of their peaks.
        box: where it looked.
    """

    joints: Float[Tensor, "joints 2"]
    sure: Float[Tensor, " joints"]
    box: Box

    @property
    def height(self) -> float:
        """Mean height of the peaks."""
        return float(self.sure.mean())

    @property
    def somebody(self) -> bool:
        """Whether the peaks are as high as where a person is."""
        return self.height >= SOMEBODY

    @property
    def trust(self) -> float:
        """By which looks are compared: the height, times how well its box fits the joints in it.

        What is small in its box is seen better in another, and is often no person.
        """
        return self.height * float(self.around().overlap(self.box))

    def around(self) -> Box:
        """The box around the joints that are sure; the same box if they are hardly any."""
        known = self.joints[self.sure > SURE]
        apart = known.amax(0) - known.amin(0) if len(known) else self.joints.new_zeros(2)
        return Box.around(known) if float(apart.max()) > 1 else self.box

    def next_box(self, width: int, height: int) -> Box:
        """`around`; the same box if the middle of that is not in the picture."""
        box = self.around()
        x, y = box.center.tolist()
        return box if 0 <= x <= width and 0 <= y <= height else self.box


def look(image: UInt8[Tensor, "3 height width"], estimator: Estimator, box: Box) -> Look:
    """Where a network sees the joints of the person in a box, px of the picture."""
    return _looks(image, estimator, [box])[0]


def first_look(
    image: UInt8[Tensor, "3 height width"],
    estimator: Estimator,
    box: Sequence[float] | None = None,
) -> Look:
    """Find a person: look into windows of all sizes, and again at what the best ones show.

    Args:
        image: RGB.
        estimator: the network.
        box: x, y, width, height of the person, px; then only this window is looked into.

    Returns:
        Of all looks the one with the most `trust`.
    """
    height, width = image.shape[-2:]
    boxes, scale = [], 1.0
    if box:
        boxes = [Box.from_corner(*map(float, box))]
    else:  # in a small copy, or cutting the windows out would take longer than looking
        scale = min(1.0, SMALL / max(width, height))
        size = [max(1, round(scale * side)) for side in (height, width)]
        image = interpolate(image[None] / 255, size, mode="bilinear", antialias=True)[0]
        height, width = size
        boxes = windows(width, height)
    latest = sorted(_looks(image, estimator, boxes), key=lambda seen: seen.trust)[-CLOSER:]
    looks = latest
    for _ in range(LOOKS - 1):
        latest = _looks(image, estimator, [seen.next_box(width, height) for seen in latest])
        looks = looks + latest
    found = max(looks, key=lambda seen: seen.trust)
    place = Box(found.box.center / scale, found.box.side / scale)
    return Look(found.joints / scale, found.sure, place)


def windows(width: int, height: int) -> list[Box]:
    """Squares of all sizes all over a picture, px."""
    found = []
    for part in SIDES:
        side, axes = part * max(width, height), []
        for extent in (width, height):
            room = max(0.0, extent - side)
            steps = math.ceil(room / (STEP * side)) + 1
            axes.append(torch.linspace(-room / 2, room / 2, steps) + extent / 2)
        found += [Box(center, torch.tensor(side)) for center in torch.cartesian_prod(*axes)]
    return found


def _looks(image: Tensor, estimator: Estimator, boxes: list[Box]) -> list[Look]:
    """One look into each box."""
    size, found = estimator.config.image_size, []
    for start in range(0, len(boxes), TOGETHER):
        some = boxes[start : start + TOGETHER]
        box = Box(torch.stack([b.center for b in some]), torch.stack([b.side for b in some]))
        places, sure = estimator.places(crop_person(image, box, size))
        joints = to_image(places[..., :2], box, float(size))
        found += [Look(joints[k], sure[k], box[k]) for k in range(len(some))]
    return found


def own_joints(
    frames: Iterable[UInt8[Tensor, "3 height width"]],
    estimator: Estimator,
    box: Sequence[float] | None = None,
) -> Found:
    """2D joints of one person in the frames of a video, by a network for pictures.

    The box of each frame lies around the joints of the last frame that showed somebody. As long as
    there is none, a search takes seconds, and the next one is made after twice as many frames.

    Args:
        frames: RGB.
        estimator: the network, of 17 joints.
        box: x, y, width, height of the person in the first frame, px; without it she is looked for.

    Returns:
        Joints (frames, 17, 2), px, and the heights of their peaks; zeros where nobody was seen.

    Raises:
        ValueError: there are no frames.

    Paper: Sec. 3.3: the first half of the decoupled architecture.
    """
    joints, sure, around, due, gap = [], [], None, 0, 1
    for number, image in enumerate(frames):
        if not (around or box) and number < due:
            joints.append(torch.zeros_like(joints[-1]))
            sure.append(torch.zeros_like(sure[-1]))
            continue
        seen = look(image, estimator, around) if around else first_look(image, estimator, box)
        due, gap = number + gap, min(2 * gap, PATIENCE)
        if seen.somebody:
            around = seen.next_box(image.shape[2], image.shape[1])
        joints.append(seen.joints)
        sure.append(seen.sure if seen.somebody else torch.zeros_like(seen.sure))
    if not joints:
        raise ValueError("there are no frames")
    return Found(torch.stack(joints), torch.stack(sure))
