"""What makes an annotation unusable: found by checking its parts against each other.

A file in the wrong unit, rows that do not belong together or a joint order mixed up rarely raise an
error by themselves. But legs have a length, boxes surround joints, and joints appear where the
camera says.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from volpose.data.people import People

Report = Callable[[Tensor, str], None]

LEG_MM = (250.0, 650.0)  # mean of a person's thighs and shins; adults have 380 to 480
LONGEST_LIMB_MM = 1000.0
SMALLEST_IN_BOX = 0.4  # the joints' extent, in sides of their box
CONTRADICTION = "contradiction: "
MOST_CONTRADICTIONS = 0.25
SMALLEST_BOX_PX = 10.0
SMALLEST_FLAT = 0.02  # the same in photographs, which may show no more than a head
OUTSIDE_BOX = 0.02  # how far joints may leave it, in sides
DISAGREE = 0.06  # mean distance of two places of the joints, in sides: distortion alone makes 0.01


def find_faults(people: People) -> np.ndarray:
    """(N,) why each of the people cannot be used; empty if he can."""
    faults = np.full(len(people), "", dtype=object)
    if len(people) == 0:
        return faults

    def report(bad: Tensor, reason: str) -> None:
        faults[bad.numpy() & (faults == "")] = reason

    def contradict(bad: Tensor, reason: str) -> None:
        report(bad, CONTRADICTION + reason)

    pose, side = people.pose, people.box_side
    optional = [people.skeleton.index(joint) for joint in people.optional]
    needed = torch.ones(pose.shape[1], dtype=torch.bool)
    needed[optional] = False
    report(pose[:, needed].isnan().flatten(1).any(1), "a joint is missing (NaN)")
    report(~pose.nan_to_num(0.0).isfinite().flatten(1).all(1), "a joint is infinite")
    good_box = people.box_center.isfinite().all(1) & side.isfinite() & (side > 0)
    report(good_box & (side < SMALLEST_BOX_PX), f"the box is smaller than {SMALLEST_BOX_PX:g} px")
    report(~good_box, "no box, or one without a size")
    joints = people.joints
    known = joints.isfinite().all(-1)
    report(~known.any(1), "no joint is known, or none is in front of the camera")
    report((~known & needed).any(1), "a joint is not in front of the camera")
    if people.metric:
        _check_limbs(people, contradict)
    _check_boxes(people, joints, contradict)
    if people.seen is not None:
        off = (joints - people.seen).norm(dim=-1).nanmean(1)
        contradict(~(off <= DISAGREE * side), "2D and 3D joints disagree")
    return faults


def check_agreement(name: str, faults: np.ndarray) -> None:
    """Refuse a data set whose parts contradict each other in too many persons.

    Its rows were shuffled or its unit is another one; the few that agree do so by chance.

    Args:
        name: of the data set, for the error.
        faults: (N,) as found.

    Raises:
        ValueError: more than a quarter of those with joints and a box contradict themselves.
    """
    contradicts = np.array([fault.startswith(CONTRADICTION) for fault in faults.tolist()])
    whole = contradicts.sum() + (faults == "").sum()
    if contradicts.sum() > MOST_CONTRADICTIONS * whole:
        first = faults[contradicts][0]
        raise ValueError(
            f"{name}: {contradicts.sum()} of {whole} samples contradict themselves, so rows, units "
            f"or joint orders were mixed up; the first: {first.removeprefix(CONTRADICTION)}"
        )


def _check_limbs(people: People, report: Report) -> None:
    skeleton, pose = people.skeleton, people.pose
    start, end = (list(ends) for ends in zip(*skeleton.limbs, strict=True))
    limbs = (pose[:, end] - pose[:, start]).norm(dim=-1)
    legs = [k for k, joint in enumerate(end) if skeleton.joints[joint].endswith(("knee", "ankle"))]
    leg = limbs[:, legs].mean(1)
    low, high = LEG_MM
    report(
        ~((leg > low) & (leg < high)),
        f"legs' limbs are not {low:g} to {high:g} mm long",
    )
    report(
        (limbs > LONGEST_LIMB_MM).any(1),
        f"a limb is longer than {LONGEST_LIMB_MM:g} mm",
    )


def _check_boxes(people: People, joints: Tensor, report: Report) -> None:
    side = people.box_side[:, None]
    offset = (joints - people.box_center[:, None]) / side[..., None]
    low = offset.masked_fill(offset.isnan(), torch.inf).amin(1)
    high = offset.masked_fill(offset.isnan(), -torch.inf).amax(1)
    if not people.metric:  # a box from one point and a scale: only roughly around the joints
        report(
            ((low + high) / 2).abs().amax(1) > 1,
            "the box is elsewhere than the joints",
        )
        return
    reach = torch.maximum(-low, high).amax(1)
    report(reach > 0.5 + OUTSIDE_BOX, "joints are outside their box")
    report((high - low).amax(1) < SMALLEST_IN_BOX, "joints fill little of their box")
