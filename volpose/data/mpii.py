"""MPII Human Pose: 16 joints in photographs, without depth; three forms of the annotation.

The original MATLAB file, the json lists of later programs (`annot/train.json`), and the HDF5 files
of the stacked hourglass (`annot/train.h5` with `train_images.txt`). The last have boxes that are
already lower and larger, so that they do not cut the feet off; those of the others become so here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from volpose.affine import AffineCamera
from volpose.data.files import column, read_h5, read_json, read_mat, read_text, same_length, words
from volpose.data.people import ANNOTATED_BOX, People
from volpose.skeleton import MPII_16

JOINTS = MPII_16.num_joints
FIRST_PIXEL = 0.5  # MATLAB's pixel 1 has its middle at 0.5
SIDE = 200.0  # px for each unit of scale
DOWN, LARGER = 15.0, 1.25  # px for each unit of scale, and times: the box must not cut the feet off
PARTS = {"train": ("train",), "test": ("valid", "val", "validation")}


class Person(NamedTuple):
    """Picture, joints (16, 2) in MATLAB's px with NaN, the box's center, its side in 200 px."""

    picture: str
    joints: np.ndarray
    center: np.ndarray
    scale: float


def mpii_file(folder: Path, split: str) -> Path | None:
    """The file with the annotation of a split, if this is MPII."""
    for place in (folder / "annot", folder):
        for part in PARTS[split]:
            for suffix in ("json", "h5"):
                if (place / f"{part}.{suffix}").is_file():
                    return place / f"{part}.{suffix}"
        released = sorted(place.glob("mpii_human_pose*.mat"))
        if released:
            return released[0]
    return None


def is_mpii_h5(path: Path | None) -> bool:
    """Whether a file is of HDF5 and has MPII's number of joints.

    Raises:
        ValueError: the file is damaged.
    """
    if path is None or path.suffix != ".h5":
        return False
    part = read_h5(path).get("part")
    return part is not None and part.ndim == 3 and part.shape[1] == JOINTS


def read_mpii(folder: Path, split: str) -> People:
    """Read persons with their visible and hidden joints; joints out of the picture are NaN.

    Args:
        folder: with images, and the annotation in it or in annot.
        split: train, or test (the validation set of json and HDF5 files; MPII's own test set has
            no public joints).

    Returns:
        People without depth: x and y of a pose are px of the picture, z is NaN.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged, or the split is empty.

    Paper: Sec. 4.1, qualitative results, and the 2D part of the decoupled network.
    """
    path = mpii_file(folder, split)
    if path is None:
        raise FileNotFoundError(
            f"{folder}: no annotation of {split}; expected annot/{PARTS[split][0]}.json or .h5, "
            "or mpii_human_pose_v1_u12_1.mat"
        )
    readers = {".mat": _from_mat, ".json": _from_json, ".h5": _from_h5}
    if path.suffix == ".mat" and split == "test":
        raise ValueError(f"{path}: MPII's test set has no public joints; expected split train")
    people = list(readers[path.suffix](path))
    if not people:
        raise ValueError(f"{path}: no person with joints")
    joints = np.stack([person.joints for person in people]) - FIRST_PIXEL
    scale = np.array([person.scale for person in people])
    center = np.stack([person.center for person in people]) - FIRST_PIXEL
    pose = np.concatenate([joints, np.full_like(joints[..., :1], np.nan)], 2)
    count = len(people)
    return People(
        name=f"MPII {split} ({path.suffix[1:]})",
        folder=folder / "images",
        skeleton=MPII_16,
        picture=np.array([person.picture for person in people]),
        pose=torch.from_numpy(pose).float(),
        camera=AffineCamera.of_image(1),
        camera_of=torch.zeros(count, dtype=torch.long),
        box_center=torch.from_numpy(center).float(),
        box_side=torch.from_numpy(scale * SIDE).float(),
        subject=np.full(count, "MPII"),
        action=np.full(count, "any"),
        frame=np.arange(count),
        view=np.full(count, "any"),
        optional=MPII_16.joints,
        metric=False,
        box_source=ANNOTATED_BOX,
    )


def _from_h5(path: Path) -> Iterator[Person]:
    columns = read_h5(path)
    names_path = path.with_name(f"{path.stem}_images.txt")
    if names_path.is_file():
        names = read_text(names_path, "a list of pictures").split()
        if "imgname" in columns and words(columns, "imgname", path) != names:
            raise ValueError(f"{path}: imgname differs from {names_path.name}")
    else:
        names = words(columns, "imgname", path)
    joints = column(columns, "part", path, (None, JOINTS, 2))
    center = column(columns, "center", path, (None, 2))
    scale = column(columns, "scale", path, (None,), (None, 1)).reshape(-1)
    same_length(path, pictures=names, part=joints, center=center, scale=scale)
    joints = np.where((joints > 0).all(2, keepdims=True), joints, np.nan)  # 0, 0: not there
    return map(Person, names, joints, center, scale)


def _from_json(path: Path) -> Iterator[Person]:
    records = read_json(path)
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise ValueError(
            f"{path}: expected a list of records with joints, joints_vis, image, center and scale"
        )
    for number, record in enumerate(records):
        if not isinstance(record.get("image"), str):
            raise ValueError(f"{path}: record {number} has no image")
        arrays = {key: _array(value) for key, value in record.items() if key != "image"}
        joints = column(arrays, "joints", path, (JOINTS, 2))
        visible = column(arrays, "joints_vis", path, (JOINTS,), (JOINTS, 1)).reshape(JOINTS, 1)
        center = column(arrays, "center", path, (2,))
        scale = column(arrays, "scale", path, ())
        joints = np.where(visible > 0, joints, np.nan)
        yield _with_feet(record["image"], joints, center, float(scale))


def _array(value: Any) -> Any:
    """Numbers in lists as an array; uneven lists as something that `column` refuses."""
    try:
        return np.asarray(value)
    except ValueError:
        return "uneven lists"


def _from_mat(path: Path) -> Iterator[Person]:
    release = read_mat(path, "RELEASE")["RELEASE"]
    if not isinstance(release, Mapping) or not {"annolist", "img_train"} <= set(release):
        raise ValueError(f"{path}: expected a struct RELEASE with annolist and img_train")
    entries, training = _listed(release["annolist"]), _listed(release["img_train"])
    same_length(path, annolist=entries, img_train=training)
    if not all(flag in (0, 1) for flag in training):
        raise ValueError(f"{path}: img_train must be 0 or 1 for every picture")
    for number, (entry, flag) in enumerate(zip(entries, training, strict=True)):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("image"), Mapping):
            raise ValueError(f"{path}: annolist({number + 1}) has no image")
        name = entry["image"].get("name")
        if not isinstance(name, str):
            raise ValueError(f"{path}: annolist({number + 1}).image.name is no text")
        for person in _listed(entry.get("annorect", [])) if flag == 1 else []:
            if isinstance(person, Mapping) and isinstance(person.get("annopoints"), Mapping):
                yield _person(name, person, path)


def _person(name: str, person: Mapping, path: Path) -> Person:
    joints = np.full((JOINTS, 2), np.nan)
    for point in _listed(person["annopoints"].get("point", [])):
        values = [
            point.get(key) if isinstance(point, Mapping) else None for key in ("id", "x", "y")
        ]
        if not all(isinstance(v, int | float | np.number) for v in values):
            raise ValueError(f"{path}: a point of {name} lacks id, x or y")
        if values[0] not in range(JOINTS):
            raise ValueError(f"{path}: {name} has a joint {values[0]}; expected 0 to {JOINTS - 1}")
        joints[int(values[0])] = values[1:]
    where, scale = person.get("objpos"), person.get("scale")
    center = [where.get(key) if isinstance(where, Mapping) else None for key in ("x", "y")]
    given = all(isinstance(v, int | float | np.number) for v in [*center, scale])
    if not given:  # some persons have no box; they are counted as unusable
        return Person(name, joints, np.full(2, np.nan), float("nan"))
    return _with_feet(name, joints, np.array(center, float), float(scale))


def _with_feet(name: str, joints: np.ndarray, center: np.ndarray, scale: float) -> Person:
    """A person whose box is made lower and larger, as in the HDF5 files."""
    return Person(name, joints, center + np.array((0.0, DOWN * scale)), LARGER * scale)


def _listed(value: Any) -> list:
    """A MATLAB struct array as a list: one element loses its array on the way, none becomes one."""
    return (
        list(value) if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) else [value]
    )
