"""HumanEva-I, KTH Football II and MPII, written as their own tools write them."""

import json
from pathlib import Path

import h5py
import numpy as np
import scipy.io
import torch

from tests.twins.film import film, joints_of
from volpose.skeleton import HUMANEVA_15, KTH_14, MPII_16

# Names in the order of each data set, typed here once more: the test of the readers' orders.
HUMANEVA = """
    pelvis thorax left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist
    left_hip left_knee left_ankle right_hip right_knee right_ankle head_top
""".split()  # noqa: SIM905
KTH = """
    right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow
    right_shoulder left_shoulder left_elbow left_wrist neck head_top
""".split()  # noqa: SIM905
MPII = """
    right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax neck head_top
    right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist
""".split()  # noqa: SIM905


def in_order(pose: torch.Tensor, skeleton, order: list[str]) -> np.ndarray:
    """The film's joints, in an order of names."""
    found = joints_of(pose, skeleton)
    return found[..., [skeleton.index(name) for name in order], :].numpy().astype(float)


def write_humaneva(folder: Path) -> Path:
    """Validate/S1/Walking_1.mat: 585 frames, most of them damaged; images of the others."""
    views, length, first = film(), 585, 5
    pose = np.full((length, 15, 3), np.nan)
    seen = np.full((3, length, 15, 2), np.nan)
    rows = np.arange(len(views[0].pose)) * 100 + 7
    pose[rows] = in_order(views[0].world, HUMANEVA_15, HUMANEVA)
    for number, view in enumerate(views):
        joints = joints_of(view.pose, HUMANEVA_15)
        joints = joints[:, [HUMANEVA_15.index(name) for name in HUMANEVA]]
        seen[number, rows] = view.camera.project(joints).numpy()
        delay = (82, 81, 82)[number]
        place = folder / "images" / "S1" / f"Walking_1_(C{number + 1})"
        place.mkdir(parents=True)
        for row, picture in zip(rows, view.pictures, strict=True):
            picture.save(place / f"{row + first + delay:06d}.png")
    (folder / "Validate" / "S1").mkdir(parents=True)
    scipy.io.savemat(
        folder / "Validate" / "S1" / "Walking_1.mat", {"poses_3d": pose, "poses_2d": seen}
    )
    return folder


def write_kth(folder: Path) -> Path:
    """player2/Sequence 1 with three text files, a number a line, and the pictures."""
    place = folder / "player2" / "Sequence 1"
    place.mkdir(parents=True)
    views = film()
    world = in_order(views[0].world, KTH_14, KTH) / 1000
    matrices = np.stack([affine(view, world) for view in views], 1)  # (T, 3, 2, 4)
    full = np.concatenate([world, np.ones_like(world[..., :1])], 2)
    seen = np.einsum("tvij,tkj->tvki", matrices, full)
    for name, values in (
        ("positions3d", world),
        ("positions2d", seen),
        ("cameras", matrices.transpose(0, 1, 3, 2)),  # column after column
    ):
        text = "".join(f"{value:.6f}\n" for value in values.ravel())
        (place / f"{name}.txt").write_text(text)
    for number, view in enumerate(views):
        (place / f"Camera {number + 1}").mkdir()
        for k, picture in enumerate(view.pictures):
            picture.save(place / f"Camera {number + 1}" / f"{k + 1:05d}.png")
    return folder


def affine(view, world: np.ndarray) -> np.ndarray:
    """(T, 2, 4) px per m: the view's camera as if all of a person were as far as his pelvis."""
    rotation = view.camera.rotation.numpy().astype(float)
    scale = (view.camera.focal / view.pose[:, 0, 2:]).numpy().astype(float) * 1000
    rows = rotation[:, :2] * scale[..., None]
    hips = world[:, [2, 3]].mean(1)
    start = view.joints[:, [1, 4]].mean(1).numpy() - np.einsum("tij,tj->ti", rows, hips)
    return np.concatenate([rows, start[..., None]], 2)


def mpii_people() -> list[tuple[str, np.ndarray, np.ndarray, float]]:
    """Name, joints in MATLAB's px, a point in the middle, scale; the first lacks a wrist."""
    found = []
    for number, view in enumerate(film()):
        joints = view.camera.project(joints_of(view.pose, MPII_16))
        joints = joints[:, [MPII_16.index(name) for name in MPII]].numpy() + 0.5
        for k, rows in enumerate(joints.astype(float)):
            height = view.box.side[k].item() / 1.2
            found.append(
                (f"{number}{k:07d}.jpg", rows, (rows.min(0) + rows.max(0)) / 2, height / 200)
            )
    found[0][1][10] = np.nan
    return found


def write_mpii(folder: Path, form: str) -> Path:
    """The annotation as mat, json or h5, and the pictures."""
    people = mpii_people()
    (folder / "images").mkdir(parents=True)
    pictures = [picture for view in film() for picture in view.pictures]
    for (name, *_), picture in zip(people, pictures, strict=True):
        picture.save(folder / "images" / name, quality=95)
    (folder / "annot").mkdir()
    {"mat": _mpii_mat, "json": _mpii_json, "h5": _mpii_h5}[form](folder, people)
    return folder


def _mpii_json(folder: Path, people: list) -> None:
    records = [
        {
            "joints_vis": [int(v) for v in np.isfinite(joints[:, 0])],
            "joints": np.nan_to_num(joints, nan=-1.0).tolist(),
            "image": name,
            "scale": scale,
            "center": center.tolist(),
        }
        for name, joints, center, scale in people
    ]
    (folder / "annot" / "train.json").write_text(json.dumps(records))


def _mpii_h5(folder: Path, people: list) -> None:
    with h5py.File(folder / "annot" / "train.h5", "w") as stored:
        stored["part"] = np.stack([np.nan_to_num(p[1], nan=0.0) for p in people])
        # as the stacked hourglass stores them: lower and larger than in MPII's own file
        stored["center"] = np.stack([p[2] + (0, 15 * p[3]) for p in people])
        stored["scale"] = np.array([1.25 * p[3] for p in people])
        stored["imgname"] = np.array([p[0].encode() for p in people])
        stored["visible"] = np.ones((len(people), 16))
    names = "".join(f"{p[0]}\n" for p in people)
    (folder / "annot" / "train_images.txt").write_text(names)


def _struct(records: list[dict]) -> np.ndarray:
    """A MATLAB struct array: one row."""
    found = np.empty((1, len(records)), dtype=[(key, object) for key in records[0]])
    for column, record in enumerate(records):
        found[0, column] = tuple(record.values())
    return found


def _mpii_mat(folder: Path, people: list) -> None:
    """RELEASE; the second picture shows two persons, one without a box; the last is for testing."""
    entries = []
    for number, (name, joints, center, scale) in enumerate(people):
        points = [
            {"x": x, "y": y, "id": np.float64(k), "is_visible": np.float64(1)}
            for k, (x, y) in enumerate(joints)
            if np.isfinite(x)
        ]
        objpos = {"x": center[0], "y": center[1]}
        person = {
            "x1": 1.0,
            "annopoints": {"point": _struct(points)},
            "scale": scale,
            "objpos": objpos,
        }
        persons = [person]
        if number == 1:
            persons.append(person | {"scale": np.empty((0, 0)), "objpos": np.empty((0, 0))})
        entries.append({"image": {"name": name}, "annorect": _struct(persons), "vididx": 1.0})
    entries.append({"image": {"name": "test.jpg"}, "annorect": np.empty((0, 0)), "vididx": 1.0})
    flags = np.array([[1.0] * len(people) + [0.0]])
    release = {"annolist": _struct(entries), "img_train": flags, "version": "12"}
    scipy.io.savemat(folder / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
