"""HumanEva-I as the usual MATLAB conversion writes it: Train/S1/Walking_1.mat, 15 joints.

Each file holds `poses_3d` (frames, 15, 3), mm in the world, and `poses_2d` (3, frames, 15, 2), px
in the color cameras C1 to C3; frames of damaged motion capture are NaN. Frames of the videos are
read from `images/S1/Walking_1_(C1)/000123.jpg` (or png), which `ffmpeg -i "Walking_1_(C1).avi"
"%06d.jpg"` writes.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from volpose.camera import Camera
from volpose.data.files import column, read_mat
from volpose.data.people import People, boxes_around
from volpose.data.resection import fit_pinhole
from volpose.skeleton import HUMANEVA_15

MARGIN = 1.125
CAMERAS = ("C1", "C2", "C3")
FOLDERS = {"train": "Train", "test": "Validate"}
# First frame and the one after the last, by split, action and subject.
FRAMES = {
    ("Train", "Walking"): {"S1": (590, 1203), "S2": (438, 876), "S3": (448, 939)},
    ("Train", "Jog"): {"S1": (367, 740), "S2": (398, 795), "S3": (401, 842)},
    ("Validate", "Walking"): {"S1": (5, 590), "S2": (5, 438), "S3": (5, 448)},
    ("Validate", "Jog"): {"S1": (5, 367), "S2": (5, 398), "S3": (5, 401)},
}
# Frame k of the motion capture is frame k + delay of the video, counted from 1, as VideoPose3D's
# program has it; HumanEva's own takes the frame before, 1/60 s earlier. Nobody says which fits.
DELAYS = {
    "Walking": {"S1": (82, 81, 82), "S2": (115, 115, 114), "S3": (80, 80, 80)},
    "Jog": {"S1": (51, 51, 50), "S2": (100, 100, 99), "S3": (65, 65, 65)},
}
ACTIONS = {"Walking": "Walking", "Jog": "Jogging"}  # as in Table 6


def humaneva_folder(folder: Path) -> Path | None:
    """The folder with Train and Validate, if this is HumanEva-I."""
    places = (folder, folder / "converted_15j")
    return next((p for p in places if any((p / f).is_dir() for f in FOLDERS.values())), None)


def read_humaneva(folder: Path, split: str) -> People:
    """Read Walking and Jogging of S1 to S3, seen by the three color cameras.

    The files hold no cameras. A pinhole is fitted to all joints of a subject in each camera; lens
    distortion stays in its residual, which must be small.

    Args:
        folder: with Train and Validate; images lie in it or beside it.
        split: train, or test (Validate, as in the paper).

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged.

    Paper: Sec. 4.1 and Table 6, which do not say which camera and joints they use.
    """
    paths = [
        folder / FOLDERS[split] / subject / f"{action}_1.mat"
        for subject in ("S1", "S2", "S3")
        for action in ACTIONS
    ]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise FileNotFoundError(f"{paths[0]}: no such file; expected it or another of Table 6")
    sequences = [_read_sequence(path) for path in found]
    world = np.concatenate([pose for pose, _ in sequences])
    seen = np.concatenate([px for _, px in sequences], 1)
    labels = [label for path in found for label in _labels(path)]
    images = next((p for p in (folder / "images", folder.parent / "images") if p.is_dir()), folder)
    return _people(f"HumanEva-I {split}", images, world, seen, labels)


def _read_sequence(path: Path) -> tuple[np.ndarray, np.ndarray]:
    columns = read_mat(path, "poses_3d", "poses_2d")
    first, end = _frames(path)
    pose = column(columns, "poses_3d", path, (end - first, 15, 3))
    seen = column(columns, "poses_2d", path, (len(CAMERAS), end - first, 15, 2))
    return pose, seen


def _frames(path: Path) -> tuple[int, int]:
    subject, action = path.parts[-2], path.stem.removesuffix("_1")
    return FRAMES[path.parts[-3], action][subject]


def _labels(path: Path) -> list[tuple[str, str, int]]:
    """Subject, action as in file names, and number of each frame."""
    subject, action = path.parts[-2], path.stem.removesuffix("_1")
    return [(subject, action, frame) for frame in range(*_frames(path))]


def _people(
    name: str,
    images: Path,
    world: np.ndarray,
    seen: np.ndarray,
    labels: list[tuple[str, str, int]],
) -> People:
    """All frames, camera after camera.

    Args:
        name: of the data set.
        images: folder of the frames.
        world: (R, 15, 3) mm.
        seen: (V, R, 15, 2) px.
        labels: of the R frames.
    """
    views, subjects = len(seen), sorted({subject for subject, *_ in labels})
    actor = np.array([subjects.index(subject) for subject, *_ in labels])
    fits = [
        fit_pinhole(
            world[actor == k],
            seen[view, actor == k],
            f"{images}: camera {CAMERAS[view]} of {subject}",
        )
        for view in range(views)
        for k, subject in enumerate(subjects)
    ]
    camera = Camera(*(torch.from_numpy(np.stack(part)).float() for part in zip(*fits, strict=True)))
    which = torch.from_numpy(
        np.concatenate([actor + view * len(subjects) for view in range(views)])
    )
    points = torch.from_numpy(np.tile(world, (views, 1, 1))).float()
    pose = camera[which].to_camera(points)
    center, side = boxes_around(camera[which].project(pose), MARGIN)
    pictures = [_picture(images, label, view) for view in range(views) for label in labels]
    return People(
        name=name,
        folder=images,
        skeleton=HUMANEVA_15,
        picture=np.array(pictures),
        pose=pose,
        camera=camera,
        camera_of=which,
        box_center=center,
        box_side=side,
        subject=np.array([subject for subject, *_ in labels] * views),
        action=np.array([ACTIONS[action] for _, action, _ in labels] * views),
        frame=np.array([frame for *_, frame in labels] * views),
        view=np.repeat(np.array(CAMERAS), len(labels)),
        seen=torch.from_numpy(seen.reshape(-1, *seen.shape[2:])).float(),
    )


def _picture(images: Path, label: tuple[str, str, int], view: int) -> str:
    subject, action, frame = label
    folder = f"{subject}/{action}_1_({CAMERAS[view]})"
    number = frame + DELAYS[action][subject][view]
    return f"{folder}/{number:06d}{_suffix(images / folder)}"


@lru_cache(maxsize=64)
def _suffix(folder: Path) -> str:
    return ".png" if next(folder.glob("*.png"), None) else ".jpg"
