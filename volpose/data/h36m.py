"""Human3.6M in the layouts that people have: the authors', h36m-fetch's, mmpose's, and json files.

All give the 17 joints of `H36M_17`, mm, camera frame. Lens distortion is ignored, as in the
released code. Nothing of the data set is shipped; its licence is Human3.6M's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from volpose.camera import Camera
from volpose.data.files import Columns, column, existing, read_npz, read_pickle, same_length, words
from volpose.data.h36m_names import SUBJECTS, Name, read_name
from volpose.data.people import ANNOTATED_BOX, People, distinct_cameras
from volpose.skeleton import H36M_17

PIXELS_PER_SCALE = 200.0


def named_people(
    name: str,
    folder: Path,
    pictures: Sequence[str],
    names: list[Name],
    pose: np.ndarray,
    box: tuple[np.ndarray, np.ndarray],
    cameras: np.ndarray,
    seen: np.ndarray | None,
    box_source: str = ANNOTATED_BOX,
) -> People:
    """Put columns of Human3.6M together.

    Args:
        name: of layout and split.
        folder: of the pictures.
        pictures: N file names.
        names: what they say.
        pose: (N, 17, 3) mm, in the order of `H36M_17`.
        box: center (N, 2) and side (N,), px.
        cameras: (N, 4) focal lengths and principal point, px; or (N, 16) with rotation (9) and
            position (3, mm) behind.
        seen: (N, 17, 2) px, if the file says where the joints appear.
        box_source: what the boxes follow from.
    """
    if not np.isfinite(cameras).all() or (cameras[:, :2] <= 0).any():
        raise ValueError(f"{folder}: {name}: a camera's numbers are not finite and positive")
    found, which = distinct_cameras(cameras)
    numbers = torch.from_numpy(found).float()
    frame = (numbers[:, 4:13].unflatten(1, (3, 3)), numbers[:, 13:]) if found.shape[1] > 4 else ()
    return People(
        name=name,
        folder=folder,
        skeleton=H36M_17,
        picture=np.array(pictures),
        pose=torch.from_numpy(pose).float(),
        camera=Camera(numbers[:, :2], numbers[:, 2:4], *frame),
        camera_of=which,
        box_center=torch.from_numpy(box[0]).float(),
        box_side=torch.from_numpy(box[1]).float(),
        subject=np.array([n.subject for n in names]),
        action=np.array([n.action for n in names]),
        frame=np.array([n.frame for n in names]),
        view=np.array([n.camera for n in names]),
        seen=None if seen is None else torch.from_numpy(seen).float(),
        box_source=box_source,
    )


def check_subjects(names: list[Name], split: str, path: Path) -> None:
    """Refuse a test set that holds a training subject, and the other way round.

    Raises:
        ValueError: somebody is in the wrong split.
    """
    strangers = sorted({n.subject for n in names} - set(SUBJECTS[split]))
    if strangers:
        raise ValueError(
            f"{path}: expected subjects {SUBJECTS[split]} ({split}), found {strangers}"
        )


def check_order(names: list[Name], path: Path) -> None:
    """Refuse names that were shuffled: nothing else ties them to the rows of the other arrays.

    Raises:
        ValueError: a sequence is not in one piece, or its frames do not follow each other.
    """
    ended: set[tuple] = set()
    for before, name in pairwise(names):
        last, sequence = before[:4], name[:4]  # all but the frame
        if last != sequence:
            ended.add(last)
        elif name.frame > before.frame:
            continue
        if sequence in ended or last == sequence:
            raise ValueError(f"{path}: the names are not in the order of the frames: {name}")


def mmpose_folder(folder: Path) -> Path | None:
    """The folder with annotation_body3d and images, if this is mmpose's layout."""
    places = (folder, folder / "processed", folder.parent)
    return next((p for p in places if (p / "annotation_body3d").is_dir()), None)


def read_mmpose(folder: Path, split: str) -> People:
    """Read what mmpose's conversion writes: `annotation_body3d/fps10/h36m_test.npz` and more.

    Args:
        folder: with annotation_body3d and images.
        split: train or test.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged.
    """
    annotations = folder / "annotation_body3d"
    rates = ("fps10", "fps50")
    paths = [annotations / rate / f"h36m_{split}.npz" for rate in rates]
    path = next((p for p in paths if p.is_file()), paths[0])
    columns = read_npz(path)
    pictures = words(columns, "imgname", path)
    pose = column(columns, "S", path, (None, 17, 4), (None, 17, 3))
    seen = column(columns, "part", path, (None, 17, 3), (None, 17, 2))[..., :2]
    center = column(columns, "center", path, (None, 2))
    scale = column(columns, "scale", path, (None,))
    same_length(path, imgname=pictures, S=pose, part=seen, center=center, scale=scale)
    names = [read_name(picture, path) for picture in pictures]
    check_subjects(names, split, path)
    check_order(names, path)
    if pose.shape[2] == 4:
        pose[pose[..., 3] <= 0] = np.nan
    cameras = _mmpose_cameras(annotations / "cameras.pkl", names)
    box = center, scale * PIXELS_PER_SCALE
    title = f"Human3.6M {split} (mmpose layout, {path.parent.name})"
    return named_people(
        title, folder / "images", pictures, names, pose[..., :3] * 1000, box, cameras, seen
    )


def _mmpose_cameras(path: Path, names: list[Name]) -> np.ndarray:
    """(N, 16) focal lengths, principal point, rotation and position of each picture's camera."""
    existing(path, "cameras.pkl beside the annotation, as mmpose's conversion writes it")
    stored = read_pickle(path)
    if not isinstance(stored, dict):
        raise ValueError(f"{path}: expected a dict of cameras, found a {type(stored).__name__}")
    rows: dict[tuple[str, str], np.ndarray] = {}
    for key in {(n.subject, n.camera) for n in names}:
        if not isinstance(stored.get(key), dict):
            raise ValueError(f"{path}: expected a camera {key}, found {len(stored)} others")
        rows[key] = _mmpose_camera(stored[key], path)
    return np.stack([rows[n.subject, n.camera] for n in names])


def _mmpose_camera(stored: Columns, path: Path) -> np.ndarray:
    focal, center, position = (
        column(stored, name, path, (length, 1), (length,)).reshape(-1)
        for name, length in (("f", 2), ("c", 2), ("T", 3))
    )
    to_world = column(stored, "R", path, (3, 3))
    if not np.allclose(to_world @ to_world.T, np.eye(3), atol=1e-3):
        raise ValueError(f"{path}: R must be a rotation, but is not")
    return np.concatenate([focal, center, to_world.T.reshape(-1), position * 1000])
