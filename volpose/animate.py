"""Poses over time as files for people who animate: BVH, which programs move a figure with, and CSV.

A BVH file has limbs of fixed length and angles for every joint; poses have joints, and limbs that
breathe. The limbs get their median lengths, and every joint the rotation that points its
limbs along the pose's. How far a limb turns about itself cannot be seen in joints: it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from volpose.skeleton import ROOT, Skeleton
from volpose.storage import write_text

# where a limb points when the figure stands with its arms spread, facing +z, y up: x, y, z
REST = {
    "hip": (1.0, 0.0, 0.0),
    "knee": (0.0, -1.0, 0.0),
    "ankle": (0.0, -1.0, 0.0),
    "spine": (0.0, 1.0, 0.0),
    "thorax": (0.0, 1.0, 0.0),
    "nose": (0.0, 0.9, 0.436),
    "head_top": (0.0, 1.0, 0.0),
    "shoulder": (1.0, 0.0, 0.0),
    "elbow": (1.0, 0.0, 0.0),
    "wrist": (1.0, 0.0, 0.0),
}
TO_Y_UP = np.array([1.0, -1.0, -1.0])  # from the camera's frame: x right, y down, z away
CENTIMETERS = 0.1
SEVERAL = "YZX"  # the order of angles that turn several limbs: hardly anybody lies on a side


def write_bvh(
    path: str | Path,
    poses: Float[Tensor, "frames joints 3"],
    skeleton: Skeleton,
    fps: float,
    up: Sequence[float] | None = None,
) -> None:
    """Write a motion as BVH: y up, centimeters, facing the camera is facing +z.

    The figure begins above the origin, and the lowest ankle of the motion is at the height 0; where
    the camera was is not in the file.

    Args:
        path: of the file; replaced as a whole.
        poses: mm, camera frame; with the root's own motion, or root-relative.
        skeleton: names the joints; its limbs must be those of `REST`.
        fps: frames per second.
        up: which way is up in the camera's frame; a level camera without.

    Raises:
        ValueError: a joint is not finite, the skeleton has other limbs, or fps is not positive.
    """
    joints = _checked(poses, skeleton, fps) * TO_Y_UP * CENTIMETERS
    if up is not None:
        y_up, _ = Rotation.align_vectors([[0.0, 1.0, 0.0]], [np.asarray(up) * TO_Y_UP])
        joints = y_up.apply(joints.reshape(-1, 3)).reshape(joints.shape)
    joints = joints - _origin(joints, skeleton)
    turned = joint_rotations(joints, skeleton)
    offsets = np.zeros((skeleton.num_joints, 3))
    for parent, joint in skeleton.limbs:
        # as its parent's rotation sees it: for hips and shoulders also where the pose has them
        limb = turned[parent].inv().apply(joints[:, joint] - joints[:, parent])
        offsets[joint] = np.median(limb, axis=0)
    angles = np.empty_like(joints)
    for joint, parent in enumerate(skeleton.parents):
        own = turned[joint] if parent == ROOT else turned[parent].inv() * turned[joint]
        angles[:, joint] = own.as_euler(channels(skeleton, joint))
    angles = np.degrees(_continued(angles))
    order: list[int] = []
    head = _hierarchy(skeleton, skeleton.root, offsets, order)
    columns = [joints[:, skeleton.root], *(angles[:, joint] for joint in order)]
    rows = np.concatenate(columns, axis=1)
    motion = [" ".join(f"{value:.4f}" for value in row) for row in rows]
    head = ["HIERARCHY", *head, "MOTION", f"Frames: {len(rows)}", f"Frame Time: {1 / fps:.7f}"]
    write_text(path, "\n".join(head + motion) + "\n")


def write_csv(
    path: str | Path,
    poses: Float[Tensor, "frames joints 3"],
    skeleton: Skeleton,
    fps: float,
    seen: Bool[Tensor, " frames"] | None = None,
) -> None:
    """Write a motion as a table: a row a frame, columns frame, time_s and x, y, z of each joint.

    Args:
        path, poses, skeleton, fps: as in `write_bvh`; poses stay in mm, in the camera's frame.
        seen: as in `volpose.lift.film.Film`; adds a column, 1 or 0.

    Raises:
        ValueError: as `write_bvh`.
    """
    joints = _checked(poses, skeleton, fps)
    names = [f"{joint}_{axis}_mm" for joint in skeleton.joints for axis in "xyz"]
    lines = [",".join(["frame", "time_s", *([] if seen is None else ["seen"]), *names])]
    for number, row in enumerate(joints.reshape(len(joints), -1)):
        told = [] if seen is None else [f"{int(seen[number])}"]
        values = [f"{value:.2f}" for value in row]
        lines.append(",".join([f"{number}", f"{number / fps:.4f}", *told, *values]))
    write_text(path, "\n".join(lines) + "\n")


def rest_directions(skeleton: Skeleton) -> Float[np.ndarray, "joints 3"]:
    """Where each joint lies from its parent in the rest pose, as unit vectors; 0 for the root.

    Raises:
        ValueError: the skeleton has a joint that is not in `REST`.
    """
    found = np.zeros((skeleton.num_joints, 3))
    for joint, name in enumerate(skeleton.joints):
        if joint == skeleton.root:
            continue
        part = name.removeprefix("left_").removeprefix("right_")
        if part not in REST:
            raise ValueError(f"skeleton {skeleton.name} has a joint without rest pose: {name}")
        # a figure that faces +z has its left at +x
        side = -1.0 if skeleton.is_right(joint) else 1.0
        found[joint] = np.array(REST[part]) * [side, 1.0, 1.0]
    return found


def channels(skeleton: Skeleton, joint: int) -> str:
    """The order of a joint's angles in a BVH file, which may differ from joint to joint.

    Where the middle angle is 90 degrees, the outer two turn about the same axis and can jump from a
    frame to the next. A joint with one limb turns about axes across it, without twist: with the
    axis along the limb in the middle that happens only where the limb points straight back.

    Args:
        skeleton: of the joint.
        joint: its number.

    Raises:
        ValueError: as `rest_directions`.
    """
    children = [c for p, c in skeleton.limbs if p == joint]
    if len(children) != 1:
        return SEVERAL
    along = int(np.abs(rest_directions(skeleton)[children[0]]).argmax())
    return ("ZXY", "ZYX", "XZY")[along]


def joint_rotations(
    joints: Float[np.ndarray, "frames joints 3"],
    skeleton: Skeleton,
) -> list[Rotation]:
    """For each joint, the rotation (frames) from the rest pose to where its limbs point.

    With several limbs it is the best one, least squares; with one, the parent's with the smallest
    turn added; without, the parent's.

    Args:
        joints: y up, in any unit.
        skeleton: of the joints.

    Raises:
        ValueError: as `rest_directions`.
    """
    directions = rest_directions(skeleton)
    found: list[Rotation | None] = [None] * skeleton.num_joints
    waiting = [skeleton.root]
    while waiting:
        joint = waiting.pop(0)
        children = [c for p, c in skeleton.limbs if p == joint]
        waiting += children
        limbs = _unit(joints[:, children] - joints[:, joint, None])
        parent = skeleton.parents[joint]
        if len(children) > 1:
            found[joint] = _aligned(directions[children], limbs)
        elif children:
            before = found[parent]
            found[joint] = (
                _smallest_turn(before.apply(directions[children[0]]), limbs[:, 0]) * before
            )
        else:
            found[joint] = found[parent]
    return found


def _origin(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Below the root of the first frame, as low as any ankle comes; joints y up."""
    x, _, z = joints[0, skeleton.root]
    ankles = [joint for joint, name in enumerate(skeleton.joints) if name.endswith("ankle")]
    return np.array([x, joints[:, ankles, 1].min(), z])


def _aligned(rest: np.ndarray, limbs: np.ndarray) -> Rotation:
    """The rotations that bring rest (n, 3) closest to limbs (frames, n, 3): Kabsch."""
    u, _, vt = np.linalg.svd(np.einsum("fni,nj->fij", limbs, rest))
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]
    return Rotation.from_matrix(u @ vt)


def _smallest_turn(before: np.ndarray, after: np.ndarray) -> Rotation:
    """The turns by the smallest angle from unit vectors to others, (frames, 3) each."""
    axis = np.cross(before, after)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    cosine = (before * after).sum(-1, keepdims=True)
    # straight back: any axis across will do
    across = _unit(np.cross(before, np.eye(3)[np.abs(before).argmin(-1)]))
    axis = np.where(sine > 1e-8, axis / np.maximum(sine, 1e-12), across)
    return Rotation.from_rotvec(axis * np.arctan2(sine, cosine))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _continued(angles: np.ndarray) -> np.ndarray:
    """Angles (frames, joints, 3) without the jumps at which a figure spins between two frames.

    Whole turns change nothing, nor do half turns of the outer angles with the middle one's
    supplement; of all these a frame takes what is closest to the frame before.
    """
    found = angles.copy()
    for before, now in pairwise(found):
        ways = np.stack([now, now * [1, -1, 1] + np.pi])
        ways -= 2 * np.pi * np.round((ways - before) / (2 * np.pi))
        second = np.abs(ways - before).sum(-1).argmin(0) == 1
        now[:] = np.where(second[:, None], ways[1], ways[0])
    return found


def _hierarchy(
    skeleton: Skeleton, joint: int, offsets: np.ndarray, order: list[int], depth: int = 0
) -> list[str]:
    """The lines of a joint and all below it; ``order`` gets the joints as they come."""
    order.append(joint)
    root, tab = depth == 0, "  " * depth
    angles = " ".join(f"{axis}rotation" for axis in channels(skeleton, joint))
    columns = f"6 Xposition Yposition Zposition {angles}" if root else f"3 {angles}"
    offset = " ".join(f"{value:.4f}" for value in offsets[joint])
    lines = [f"{tab}{'ROOT' if root else 'JOINT'} {skeleton.joints[joint]}", tab + "{"]
    lines += [f"{tab}  OFFSET {offset}", f"{tab}  CHANNELS {columns}"]
    children = [c for p, c in skeleton.limbs if p == joint]
    for child in children:
        lines += _hierarchy(skeleton, child, offsets, order, depth + 1)
    if not children:
        lines += [f"{tab}  End Site", f"{tab}  {{", f"{tab}    OFFSET 0.0 0.0 0.0", f"{tab}  }}"]
    return [*lines, tab + "}"]


def _checked(poses: Tensor, skeleton: Skeleton, fps: float) -> np.ndarray:
    if poses.ndim != 3 or tuple(poses.shape[1:]) != (skeleton.num_joints, 3) or len(poses) == 0:
        raise ValueError(
            f"poses must be (frames, {skeleton.num_joints}, 3), got shape {tuple(poses.shape)}"
        )
    if not bool(poses.isfinite().all()):
        frame = int((~poses.isfinite()).flatten(1).any(1).nonzero()[0])
        raise ValueError(f"poses must be finite, but frame {frame} has an unknown joint")
    if not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    return poses.double().cpu().numpy()
