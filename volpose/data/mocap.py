"""Motion capture without pictures: BVH, ASF/AMC, or one NumPy archive, ours or VideoPose3D's.

A camera is put 5 m in front of every pose, level with the pelvis, so that samples are like those of
other sets; their pictures are black. The paper's decoupled network learns depth from such data.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from volpose.camera import Camera
from volpose.data.amc import read_amc
from volpose.data.bvh import Motion, read_bvh
from volpose.data.files import column, read_npz, same_length, words
from volpose.data.people import People, boxes_around
from volpose.data.rotations import upright
from volpose.data.videopose import is_videopose, read_videopose
from volpose.skeleton import DERIVED, H36M_17

DISTANCE, FOCAL, MIDDLE = 5000.0, 1145.0, 500.0  # mm, px, px: as in Human3.6M
MARGIN = 1.125
SUFFIXES = (".bvh", ".amc", ".npz")
# mm in a unit: millimeters, centimeters, inches, meters, and CMU's inches / 0.45
UNITS = (1.0, 10.0, 25.4, 1000.0, 25.4 / 0.45)
LEG_MM = (650.0, 1100.0)  # hip to ankle of an adult
# Names of the bones that begin at a joint, in lower case without prefix; {} is left or l, ...
BVH_BONES = {
    "hip": ("{}upleg", "{}thigh", "{}upperleg", "{}hip"),
    "knee": ("{}leg", "{}shin", "{}lowleg", "{}lowerleg", "{}calf", "{}knee"),
    "ankle": ("{}foot", "{}ankle"),
    "shoulder": ("{}arm", "{}shldr", "{}uparm", "{}upperarm", "{}shoulder"),
    "elbow": ("{}forearm", "{}lowarm", "{}lowerarm", "{}elbow"),
    "wrist": ("{}hand", "{}wrist"),
    "thorax": ("neck", "lowerneck"),
    "head_top": ("head.end",),
}
# Acclaim's bones end at a joint.
AMC_BONES = {
    "hip": "{}hipjoint",
    "knee": "{}femur",
    "ankle": "{}tibia",
    "shoulder": "{}clavicle",
    "elbow": "{}humerus",
    "wrist": "{}radius",
    "thorax": "thorax",
    "head_top": "head",
}
# CMU's forearm ends before the wrist: this far along the next bone is where the wrist bends.
WRIST_SHARE = 0.6


def mocap_files(folder: Path) -> list[Path]:
    """The motions in a folder, or the file itself."""
    if folder.is_file():
        return [folder] if folder.suffix.lower() in SUFFIXES else []
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def read_mocap(folder: Path, split: str, step: int = 1) -> People:
    """Read every n-th frame of every motion.

    Args:
        folder: of motions, or one file. Only a NumPy archive names a test split.
        split: train or test.
        step: n; of an archive, which may have left frames out, every n-th pose that it has.

    Returns:
        `H36M_17`; from BVH and AMC the nose is NaN, and the spine is the middle of pelvis and
        thorax.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, or the split is empty.
    """
    paths = mocap_files(folder)
    if not paths:
        raise FileNotFoundError(
            f"{folder}: no motion in it; expected .bvh, .amc with .asf, or .npz"
        )
    archives = [path for path in paths if path.suffix.lower() == ".npz"]
    if split == "test" and not archives:
        raise ValueError(f"{folder}: motions name no test split; expected split train")
    if archives:
        archive = _only(folder, archives)
        read = read_videopose if is_videopose(archive) else _read_archive
        return _people(folder, split, *read(archive, split, step))
    poses, subjects, actions, frames = [], [], [], []
    for path in paths:
        pose = read_motion(path, step)
        poses.append(pose)
        subjects += [re.split(r"[_\W]", path.stem)[0]] * len(pose)
        actions += [path.stem] * len(pose)
        frames += range(1, len(pose) * step + 1, step)
    whole = np.concatenate(poses).astype(np.float32)
    return _people(folder, split, whole, np.array(subjects), np.array(actions), np.array(frames))


def _only(folder: Path, archives: list[Path]) -> Path:
    """The archive to read: VideoPose3D keeps those of 2D joints beside that of poses."""
    poses = archives if len(archives) == 1 else [p for p in archives if is_videopose(p)]
    if len(poses) != 1:
        names = " and ".join(p.name for p in poses or archives)
        raise ValueError(f"{folder}: more than one archive, {names}; name one of them")
    return poses[0]


def read_motion(path: Path, step: int = 1) -> np.ndarray:
    """(frames, 17, 3) mm, z up, of one BVH or AMC file; a last frame that may be cut off is NaN.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged, names its bones in a way
            that is not known, or its legs have no length that a unit explains.
    """
    acclaim = path.suffix.lower() == ".amc"
    motion = (read_amc if acclaim else read_bvh)(path, step)
    names = {joint: _bone(joint, motion, acclaim) for joint in H36M_17.joints}
    for joint in ("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle"):
        if not names[joint]:
            bones = ", ".join(list(motion.points)[:8])
            raise ValueError(f"{path}: no bone is known to give the {joint}; found {bones}, ...")
    rest = motion.rest
    legs = [[rest[names[f"{s}_{j}"]] for j in ("hip", "knee", "ankle")] for s in ("left", "right")]
    leg = np.mean([np.linalg.norm(np.diff(points, axis=0), axis=1).sum() for points in legs])
    fits = [unit for unit in UNITS if LEG_MM[0] <= leg * unit <= LEG_MM[1]]
    if not fits:
        raise ValueError(f"{path}: no unit gives the legs, {leg:g} long, an adult's length")
    turn = upright(np.mean([points[2] - points[0] for points in legs], axis=0))
    nowhere = np.full_like(motion.points[names["left_hip"]], np.nan)
    places = {joint: motion.points[name] if name else nowhere for joint, name in names.items()}
    _move_wrists(places, motion)
    for joint in ("pelvis", "thorax", "spine"):
        if not names[joint]:
            places[joint] = np.mean([places[part] for part in DERIVED[joint]], axis=0)
    pose = np.stack([places[joint] for joint in H36M_17.joints], 1) @ turn.T * fits[0]
    if not motion.whole:
        pose[-1] = np.nan
    return pose


def _bone(joint: str, motion: Motion, acclaim: bool) -> str:
    """The name of the point that is the joint; empty if there is none."""
    side, _, part = joint.rpartition("_") if joint != "head_top" else ("", "", joint)
    if acclaim:
        name = AMC_BONES.get(part, "").format(side[:1])
        return name if name in motion.points else ""
    plain = {re.sub(r"^.*:|[_\- ]", "", name).lower(): name for name in motion.points}
    for pattern in BVH_BONES.get(part, ()):
        for word in (side, side[:1]):
            if pattern.format(word) in plain:
                return plain[pattern.format(word)]
    return ""


def _move_wrists(places: dict[str, np.ndarray], motion: Motion) -> None:
    """Put wrists where they bend, in CMU's own files and in the BVH made from them."""
    for side in ("left", "right"):
        for name in (f"{side[0]}wrist", f"{side.capitalize()}FingerBase"):
            if name in motion.points:
                wrist = places[f"{side}_wrist"]
                places[f"{side}_wrist"] = wrist + WRIST_SHARE * (motion.points[name] - wrist)


def _read_archive(
    path: Path, split: str, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    columns = read_npz(path)
    pose = column(columns, "pose_m", path, (None, 17, 3)).astype(np.float32) * 1000
    joints = words(columns, "joint_names", path)
    subjects, motions = (words(columns, name, path) for name in ("subjects", "motion_action"))
    numbers = {
        name: column(columns, name, path, (None,)).astype(int)
        for name in ("subject_idx", "motion_idx", "src_frame", "is_test")
    }
    same_length(path, pose_m=pose, **numbers)
    for name, known in (("subject_idx", subjects), ("motion_idx", motions)):
        if not (numbers[name].min() >= 0 and numbers[name].max() < len(known)):
            raise ValueError(f"{path}: {name} must be below {len(known)}")
    if len(joints) != 17:
        raise ValueError(f"{path}: expected 17 joint_names, found {len(joints)}")
    rows = [_short(joint) for joint in joints]
    missing = set(H36M_17.joints) - set(rows)
    if missing:
        raise ValueError(f"{path}: expected a joint {min(missing)}, found {', '.join(joints)}")
    mine = numbers["is_test"] == (split == "test")
    if not mine.any():
        raise ValueError(f"{path}: no pose belongs to split {split}")
    mine[mine] = _rank(numbers["motion_idx"][mine]) % step == 0
    pose = pose[:, [rows.index(joint) for joint in H36M_17.joints]]
    subject = np.array(subjects)[numbers["subject_idx"]]
    action = np.array(motions)[numbers["motion_idx"]]
    return pose[mine], subject[mine], action[mine], numbers["src_frame"][mine] + 1


def _rank(motion: np.ndarray) -> np.ndarray:
    """Which pose of its motion each is, from 0; numbers of frames tell not, some are missing."""
    order = np.argsort(motion, kind="stable")
    _, first, which = np.unique(motion[order], return_index=True, return_inverse=True)
    rank = np.empty(len(motion), int)
    rank[order] = np.arange(len(motion)) - first[which]
    return rank


def _short(joint: str) -> str:
    return re.sub(r"^l_", "left_", re.sub(r"^r_", "right_", joint))


def _people(
    folder: Path,
    split: str,
    pose: np.ndarray,
    subject: np.ndarray,
    action: np.ndarray,
    frame: np.ndarray,
) -> People:
    """Poses (n, 17, 3), mm, z up, each before its own camera."""
    world = torch.from_numpy(pose).float()
    ahead = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    root = world[:, H36M_17.root].nan_to_num(0.0)
    position = root - torch.tensor([0.0, DISTANCE, 0.0])
    camera = Camera(torch.full((1, 2), FOCAL), torch.full((1, 2), MIDDLE), ahead[None], position)
    in_camera = camera.to_camera(world)
    center, side = boxes_around(camera.project(in_camera), MARGIN)
    count = len(pose)
    return People(
        name=f"motion capture {split}",
        folder=folder,
        skeleton=H36M_17,
        picture=np.full(count, ""),
        pose=in_camera,
        camera=camera,
        camera_of=torch.arange(count),
        box_center=center,
        box_side=side,
        subject=subject,
        action=action,
        frame=frame,
        view=np.full(count, "5 m ahead"),
        optional=("nose", "head_top"),
    )
