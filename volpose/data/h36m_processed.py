"""Human3.6M as h36m-fetch unpacks it: S1/Directions-1/annot.h5 with imageSequence beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from volpose.camera import Camera
from volpose.data.files import column, existing, read_h5, same_length
from volpose.data.h36m import check_order, named_people
from volpose.data.h36m_names import CAMERAS, SUBJECTS, Name, known_action
from volpose.data.orders import from_32
from volpose.data.people import DRAWN_BOX, People, boxes_around

MARGIN = 1.125  # the authors' boxes have 1.10 to 1.15 (S9, Posing)


def processed_folder(folder: Path) -> Path | None:
    """The folder with S1, S5, ..., if this is the layout of h36m-fetch."""
    places = (folder, folder / "processed")
    return next((p for p in places if next(p.glob("S*/*/annot.h5"), None)), None)


def read_processed(folder: Path, split: str) -> People:
    """Read the layout of h36m-fetch; boxes are drawn around the joints.

    Args:
        folder: with a folder for each subject.
        split: train or test.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged.
    """
    paths = [
        path for subject in SUBJECTS[split] for path in sorted(folder.glob(f"{subject}/*/annot.h5"))
    ]
    if not paths:
        existing(folder / SUBJECTS[split][0], f"folders of the subjects {SUBJECTS[split]}")
        raise FileNotFoundError(f"{folder}: no annot.h5 of the subjects {SUBJECTS[split]}")
    columns = [_read_sequence(path) for path in paths]
    pictures = [picture for c in columns for picture in c[0]]
    names = [name for c in columns for name in c[1]]
    pose, seen, cameras = (np.concatenate([c[k] for c in columns]) for k in (2, 3, 4))
    k = torch.from_numpy(cameras)
    joints = Camera(k[:, :2], k[:, 2:]).project(torch.from_numpy(pose))
    center, side = boxes_around(joints, MARGIN)
    box = center.numpy(), side.numpy()
    title = f"Human3.6M {split} (h36m-fetch layout)"
    return named_people(title, folder, pictures, names, pose, box, cameras, seen, DRAWN_BOX)


def _read_sequence(
    path: Path,
) -> tuple[list[str], list[Name], np.ndarray, np.ndarray, np.ndarray]:
    columns = read_h5(path)
    universal = "pose/3d" not in columns
    key = "pose/3d-univ" if universal else "pose/3d"
    pose = column(columns, key, path, (None, 32, 3))
    seen = column(columns, "pose/2d", path, (None, 32, 2))
    frame = column(columns, "frame", path, (None,)).astype(int)
    serial = column(columns, "camera", path, (None,)).astype(int).astype(str)
    same_length(path, pose=pose, seen=seen, frame=frame, camera=serial)
    subject, folder = path.parts[-3], path.parts[-2]
    numbers = column(columns, "subject", path, (None,)).astype(int)
    if not (numbers == int(subject.removeprefix("S"))).all():
        raise ValueError(
            f"{path}: expected subject {subject}, found numbers {set(numbers.tolist())}"
        )
    action, _, take = folder.replace(" ", "-").partition("-")
    action = known_action(action, path)
    rows = {}
    for camera in set(serial.tolist()):
        if camera not in CAMERAS:
            raise ValueError(f"{path}: Human3.6M has no camera {camera}")
        names = [f"intrinsics-univ/{camera}", f"intrinsics/{camera}"]
        name = names[0] if universal and names[0] in columns else names[1]
        fx, cx, fy, cy = column(columns, name, path, (4,))  # in this order there
        if not (np.isfinite([fx, cx, fy, cy]).all() and fx > 0 and fy > 0):
            raise ValueError(f"{path}: {name} must be a focal length and center, twice, px")
        rows[camera] = (fx, fy, cx, cy)
    pictures = [
        f"{subject}/{folder}/imageSequence/{camera}/img_{number:06d}.jpg"
        for camera, number in zip(serial, frame, strict=True)
    ]
    known = [
        Name(subject, action, int(take) if take.isdecimal() else 0, camera, number)
        for camera, number in zip(serial.tolist(), frame.tolist(), strict=True)
    ]
    check_order(known, path)
    cameras = np.array([rows[camera] for camera in serial.tolist()])
    return pictures, known, from_32(pose), from_32(seen), cameras
