"""Human3.6M's three layouts, written as their own tools write them."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from tests.twins.film import SERIALS, film, frame_number

# right leg first, as numbers: row k of the authors is row AUTHORS[k] of Human3.6M's own order
AUTHORS = [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
NATIVE_32 = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]


def names(subject: str = "S9") -> list[str]:
    """S9_Walking_1.54138969_000001 and so on, view after view."""
    return [
        f"{subject}_Walking_1.{serial}_{frame_number(k):06d}"
        for serial, view in zip(SERIALS, film(), strict=True)
        for k in range(len(view.pictures))
    ]


def columns(order: list[int]) -> dict[str, np.ndarray]:
    """What all layouts hold, in one of the orders of the joints."""
    views = film()
    return {
        "S": np.concatenate([v.pose[:, order].numpy() for v in views]).astype(float),
        "part": np.concatenate([v.joints[:, order].numpy() for v in views]).astype(float),
        "center": np.concatenate([v.box.center.numpy() for v in views]).astype(float),
        "scale": np.concatenate([v.box.side.numpy() for v in views]).astype(float) / 200,
        "K": np.concatenate([v.matrix for v in views]),
    }


def save_pictures(folder: Path, paths: list[str]) -> None:
    pictures = [picture for view in film() for picture in view.pictures]
    pictures *= len(paths) // len(pictures)  # as often as there are subjects
    for path, picture in zip(paths, pictures, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        picture.save(folder / path, quality=95)


def cells(values: list) -> np.ndarray:
    """A MATLAB cell column."""
    found = np.empty((len(values), 1), dtype=object)
    found[:, 0] = values if isinstance(values[0], str) else [*values]
    return found


def write_struct(path: Path, data: dict[str, np.ndarray], pictures: list[str]) -> None:
    """valid.mat, as the authors' demo has it: names without a suffix, poses (n, 3, 17)."""
    k = np.empty((len(pictures), 1), dtype=object)
    for row, matrix in enumerate(data["K"]):
        k[row, 0] = matrix
    annot = {
        "imgname": cells(pictures),
        "center": data["center"],
        "scale": data["scale"][:, None],
        "S": data["S"].transpose(0, 2, 1),
        "K": k,
    }
    scipy.io.savemat(path, {"annot": annot})


def write_training(folder: Path) -> Path:
    """annot/train.h5 with S1 and S5, who both do what the film shows."""
    data = {key: np.concatenate([values] * 2) for key, values in columns(AUTHORS).items()}
    pictures = names("S1") + names("S5")
    (folder / "annot").mkdir(parents=True)
    (folder / "annot" / "train_images.txt").write_text("".join(f"{n}.jpg\n" for n in pictures))
    with h5py.File(folder / "annot" / "train.h5", "w") as stored:
        for key in ("center", "scale", "part", "S"):
            stored[key] = data[key]
    save_pictures(folder, [f"images/{name}.jpg" for name in pictures])
    return folder


def write_authors(folder: Path, struct: bool = True) -> Path:
    """annot/valid.h5 and so on; with `struct` poses are in valid.mat alone, else in valid.h5."""
    data, pictures = columns(AUTHORS), names()
    (folder / "annot").mkdir(parents=True)
    (folder / "annot" / "valid_images.txt").write_text("".join(f"{n}.jpg\n" for n in pictures))
    with h5py.File(folder / "annot" / "valid.h5", "w") as stored:
        for key in ("center", "scale") if struct else ("center", "scale", "part", "S"):
            stored[key] = data[key]
        if not struct:
            stored["zind"] = np.full(data["S"].shape[:2], 33.0)
    if struct:
        write_struct(folder / "annot" / "valid.mat", data, pictures)
    save_pictures(folder, [f"images/{name}.jpg" for name in pictures])
    return folder


def write_mmpose(folder: Path) -> Path:
    """annotation_body3d/fps10/h36m_test.npz and cameras.pkl, meters, protocol 3."""
    data, pictures = columns(list(range(17))), names()
    paths = [f"S9/{name.rpartition('_')[0]}/{name}.jpg" for name in pictures]
    place = folder / "annotation_body3d" / "fps10"
    place.mkdir(parents=True)
    ones = np.ones((*data["S"].shape[:2], 1))
    np.savez(
        place / "h36m_test.npz",
        imgname=np.array(paths),
        center=data["center"],
        scale=data["scale"],
        part=np.concatenate([data["part"], ones], 2),
        S=np.concatenate([data["S"] / 1000, ones], 2),
    )
    cameras = {}
    for serial, view in zip(SERIALS, film(), strict=True):
        camera = view.camera[0]
        cameras["S9", serial] = {
            "R": camera.rotation.T.numpy().astype(float),
            "T": camera.position.numpy().astype(float)[:, None] / 1000,
            "f": camera.focal.numpy().astype(float)[:, None],
            "c": camera.center.numpy().astype(float)[:, None],
            "k": np.zeros((3, 1)),
            "p": np.zeros((2, 1)),
            "w": 250,
            "h": 250,
            "name": "camera",
            "id": serial,
        }
    data = pickle.dumps(cameras, protocol=3).replace(b"numpy._core.", b"numpy.core.")
    (folder / "annotation_body3d" / "cameras.pkl").write_bytes(data)
    save_pictures(folder / "images", paths)
    return folder


def write_processed(folder: Path, universal: bool = False) -> Path:
    """S9/Walking-1/annot.h5 with imageSequence; 32 points."""
    place = folder / "processed" / "S9" / "Walking-1"
    place.mkdir(parents=True)
    views = film()
    pose = np.random.default_rng(0).normal(0, 1e3, (sum(len(v.pose) for v in views), 32, 3))
    seen = np.random.default_rng(0).normal(0, 1e3, (*pose.shape[:2], 2))
    data = columns(list(range(17)))
    pose[:, NATIVE_32], seen[:, NATIVE_32] = data["S"], data["part"]
    frames = [frame_number(k) for view in views for k in range(len(view.pose))]
    serials = [s for s, view in zip(SERIALS, views, strict=True) for _ in view.pose]
    with h5py.File(place / "annot.h5", "w") as stored:
        stored["pose/3d-univ" if universal else "pose/3d"] = pose
        stored["pose/2d"] = seen
        stored["frame"] = np.array(frames)
        stored["camera"] = np.array(serials).astype(int)
        for key, value in (("subject", 9), ("action", 14), ("subaction", 1)):
            stored[key] = np.full(len(pose), value)
        for serial, view in zip(SERIALS, views, strict=True):
            k = view.matrix[0]
            stored[f"intrinsics/{serial}"] = np.array([k[0, 0], k[0, 2], k[1, 1], k[1, 2]])
    paths = [f"imageSequence/{s}/img_{f:06d}.jpg" for s, f in zip(serials, frames, strict=True)]
    save_pictures(place, paths)
    return folder


def write_json(folder: Path) -> Path:
    """annotations/Human36M_subject9_data.json and so on; Walking is action 14."""
    place = folder / "annotations"
    place.mkdir(parents=True)
    images, cameras, poses = [], {}, {}
    for number, view in enumerate(film(), 1):
        camera = view.camera[0]
        rotation = camera.rotation.numpy().astype(float)
        cameras[str(number)] = {
            "R": rotation.tolist(),
            "t": (-rotation @ camera.position.numpy().astype(float)).tolist(),
            "f": camera.focal.tolist(),
            "c": camera.center.tolist(),
        }
        for k, world in enumerate(view.world):
            stem = f"s_09_act_14_subact_01_ca_{number:02d}"
            images.append(
                {
                    "id": len(images),
                    "file_name": f"{stem}/{stem}_{frame_number(k):06d}.jpg",
                    "width": 250,
                    "height": 250,
                    "subject": 9,
                    "action_name": "Walking",
                    "action_idx": 14,
                    "subaction_idx": 1,
                    "cam_idx": number,
                    "frame_idx": frame_number(k) - 1,
                }
            )
            poses[str(frame_number(k) - 1)] = world.tolist()
    data = {"images": images, "annotations": []}
    for name, value in (("data", data), ("camera", cameras), ("joint_3d", {"14": {"1": poses}})):
        (place / f"Human36M_subject9_{name}.json").write_text(json.dumps(value))
    save_pictures(folder / "images", [image["file_name"] for image in images])
    return folder


def write_videopose(folder: Path) -> Path:
    """data_3d_h36m.npz; a dict in an array, meters, 32 points."""
    folder.mkdir(parents=True)
    world = film()[0].world.numpy()
    pose = np.random.default_rng(0).normal(0, 1, (len(world), 32, 3))
    pose[:, NATIVE_32] = world / 1000
    stored = {"S9": {"Walking 1": pose.astype(np.float32)}, "S11": {}}
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=stored)
    return folder
