"""Human3.6M as json files of each subject: Human36M_subject9_data.json and two beside it.

Poses are in the world, mm, 17 joints in Human3.6M's own order; the pictures lie in
`images/s_09_act_02_subact_01_ca_01/s_09_act_02_subact_01_ca_01_000001.jpg`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from volpose.camera import Camera
from volpose.data.files import column, existing, read_json
from volpose.data.h36m import check_order, named_people
from volpose.data.h36m_names import CAMERAS, SUBJECTS, Name
from volpose.data.people import DRAWN_BOX, People, boxes_around

MARGIN = 1.125  # the authors' boxes have 1.10 to 1.15 (S9, Posing)
# actions by number, from 2 on: the files' own order, which is not Table 4's
ACTIONS = """
    Directions Discussion Eating Greeting Phoning Posing Purchases Sitting SittingDown Smoking Photo
    Waiting Walking WalkDog WalkTogether
""".split()  # noqa: SIM905
PICTURE = re.compile(r"(?:.*/)?s_(\d+)_act_(\d+)_subact_(\d+)_ca_(\d+)_(\d+)\.jpg")
KEYS = ("subject", "action_idx", "subaction_idx", "cam_idx", "frame_idx")


def json_folder(folder: Path) -> Path | None:
    """The folder with annotations and images, if this is the layout of json files by subject."""
    found = [p for p in (folder, folder.parent) if any(_annotations(p).glob("*_joint_3d.json"))]
    return found[0] if found else None


def read_json_subjects(folder: Path, split: str, step: int = 1) -> People:
    """Read one set of json files a subject; boxes are drawn around the joints.

    Args:
        folder: with annotations and images.
        split: train or test.
        step: keep frames 1, 1 + step, 1 + 2 step, ...

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, or the files disagree.
    """
    place = _annotations(folder)
    there = [s for s in SUBJECTS[split] if _path(place, s, "data").exists()]
    if not there:
        raise FileNotFoundError(
            f"{_path(place, SUBJECTS[split][0], 'data')}: not found; expected it or another of "
            f"the subjects {SUBJECTS[split]}"
        )
    parts = [_read_subject(place, subject, step) for subject in there]
    pictures = [picture for part in parts for picture in part[0]]
    names = [name for part in parts for name in part[1]]
    world, cameras = (np.concatenate([part[k] for part in parts]) for k in (2, 3))
    cameras = _placed(cameras, world[:, 0])
    k = torch.from_numpy(cameras)
    camera = Camera(k[:, :2], k[:, 2:4], k[:, 4:13].unflatten(1, (3, 3)), k[:, 13:])
    pose = camera.to_camera(torch.from_numpy(world))
    center, side = boxes_around(camera.project(pose), MARGIN)
    box = center.numpy(), side.numpy()
    title = f"Human3.6M {split} (json layout)"
    return named_people(
        title, folder / "images", pictures, names, pose.numpy(), box, cameras, None, DRAWN_BOX
    )


def _placed(cameras: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """Cameras (n, 16) in whose pictures most people (n, 3) are.

    In the files that can be downloaded a point x of the world appears at R x + t; in those that
    their makers' program writes at R (x - t).
    """
    focal, center, rotation, position = np.split(cameras, (2, 4, 13), axis=1)
    turn = rotation.reshape(-1, 3, 3)

    def seen(position: np.ndarray) -> float:
        x = np.einsum("nij,nj->ni", turn, pelvis - position)
        px = focal * x[:, :2] / x[:, 2:] + center
        return float(((x[:, 2] > 0) & (px > 0).all(1) & (px < 2 * center).all(1)).mean())

    shift = -np.einsum("nij,nj->ni", turn, position)
    if seen(position) < 0.5 < seen(shift):
        position = shift
    return np.concatenate([focal, center, rotation, position], 1)


def _annotations(folder: Path) -> Path:
    return folder / "annotations"


def _path(place: Path, subject: str, what: str) -> Path:
    return place / f"Human36M_subject{subject[1:]}_{what}.json"


def _read_subject(
    place: Path, subject: str, step: int
) -> tuple[list[str], list[Name], np.ndarray, np.ndarray]:
    """Pictures, what their names say, poses (n, 17, 3) in the world and cameras (n, 16)."""
    path, joints_path = _path(place, subject, "data"), _path(place, subject, "joint_3d")
    stored = read_json(path)
    images = stored.get("images") if isinstance(stored, dict) else None
    if not isinstance(images, list) or not images:
        raise ValueError(f"{path}: expected an object with a list of images")
    cameras = _read_cameras(_path(place, subject, "camera"))
    joints = read_json(existing(joints_path, f"the poses of {path.name}"))
    pictures, names, poses, rows = [], [], [], []
    for number, image in enumerate(images):
        action, take, view, frame = _numbers(image, subject, path, number)
        if (frame - 1) % step:
            continue
        value: Any = joints
        for key in (action, take, frame - 1):
            value = value.get(str(key)) if isinstance(value, Mapping) else None
        if value is None:
            raise ValueError(f"{joints_path}: no pose of {image['file_name']}")
        poses.append(value)
        if view not in cameras:
            raise ValueError(f"{_path(place, subject, 'camera')}: no camera {view}")
        rows.append(cameras[view])
        pictures.append(image["file_name"])
        names.append(Name(subject, ACTIONS[action - 2], take, CAMERAS[view - 1], frame))
    check_order(names, path)
    try:
        world = np.array(poses)
    except ValueError as error:
        raise ValueError(f"{joints_path}: a pose is not 17 times x, y, z") from error
    world = column({"joints": world}, "joints", joints_path, (None, 17, 3))
    return pictures, names, world, np.stack(rows)


def _numbers(image: Any, subject: str, path: Path, number: int) -> tuple[int, int, int, int]:
    """Action, take, camera and frame (from 1) of an image, checked against its file's name."""
    text = image.get("file_name") if isinstance(image, Mapping) else None
    found = PICTURE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            f"{path}: image {number} has no file_name like s_09_act_02_subact_01_ca_01_000001.jpg"
        )
    told = [int(part) for part in found.groups()]
    stored = [image.get(key) for key in KEYS]
    if stored != [*told[:4], told[4] - 1] or told[0] != int(subject[1:]):
        raise ValueError(f"{path}: the numbers of image {number} contradict its name {text!r}")
    if not (2 <= told[1] < 2 + len(ACTIONS) and 1 <= told[3] <= len(CAMERAS)):
        raise ValueError(f"{path}: Human3.6M has no action and camera as in {text!r}")
    return told[1], told[2], told[3], told[4]


def _read_cameras(path: Path) -> dict[int, np.ndarray]:
    """Number -> focal lengths, principal point, rotation and position (16,) of a camera."""
    stored = read_json(existing(path, "the cameras beside the other files of the subject"))
    if not isinstance(stored, dict) or not all(isinstance(c, dict) for c in stored.values()):
        raise ValueError(f"{path}: expected an object of cameras")
    found = {}
    for key, camera in stored.items():
        if key not in map(str, range(1, len(CAMERAS) + 1)):
            raise ValueError(f"{path}: expected cameras 1 to {len(CAMERAS)}, found {key!r}")
        try:
            arrays = {name: np.asarray(value) for name, value in camera.items()}
        except ValueError as error:
            raise ValueError(f"{path}: camera {key} has uneven lists") from error
        focal, center, shift = (
            column(arrays, name, path, (length,), (length, 1)).reshape(-1)
            for name, length in (("f", 2), ("c", 2), ("t", 3))
        )
        rotation = column(arrays, "R", path, (3, 3))
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
            raise ValueError(f"{path}: R of camera {key} must be a rotation, but is not")
        position = -rotation.T @ shift  # a point of the world appears at R x + t
        found[int(key)] = np.concatenate([focal, center, rotation.reshape(-1), position])
    return found
