"""Human3.6M as the paper's authors prepared it: annot/valid.h5, valid.mat and valid_images.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from volpose.data.files import column, existing, read_h5, read_mat, read_text, same_length
from volpose.data.h36m import PIXELS_PER_SCALE, check_order, check_subjects, named_people
from volpose.data.h36m_names import Name, read_name
from volpose.data.orders import from_authors
from volpose.data.people import People

PARTS = {"train": "train", "test": "valid"}
SAME_PX = 0.01
COMPARED = 200  # points


def authors_folder(folder: Path) -> Path | None:
    """The folder with annot, if this is the layout of the paper's authors."""
    places = (folder, folder / "h36m")
    return next((p for p in places if any((p / "annot").glob("*.h5"))), None)


def read_authors(folder: Path, split: str) -> People:
    """Read the layout of the paper's released code.

    Poses and intrinsics come from `valid.mat` where it is there. Without it `valid.h5` must hold
    S, and the intrinsics of each camera are fitted to S and part, which is exact for a pinhole.

    Args:
        folder: with annot and images.
        split: train, or test (the authors' valid).

    Raises:
        FileNotFoundError, ValueError: a file is missing, damaged, or they disagree.

    Paper: the released code's data; left leg first there, right leg first here.
    """
    part = PARTS[split]
    annot = folder / "annot"
    list_path = existing(annot / f"{part}_images.txt", f"the names of the pictures in {annot}")
    pictures = read_text(list_path, "a list of pictures").split()
    names = [read_name(picture, list_path) for picture in pictures]
    check_subjects(names, split, list_path)
    h5_path, mat_path = annot / f"{part}.h5", annot / f"{part}.mat"
    columns = read_h5(h5_path)
    center = column(columns, "center", h5_path, (None, 2))
    scale = column(columns, "scale", h5_path, (None,), (None, 1)).reshape(-1)
    same_length(h5_path, names=pictures, center=center, scale=scale)
    seen = None
    if "part" in columns:
        seen = from_authors(column(columns, "part", h5_path, (None, 17, 2)))
        same_length(h5_path, names=pictures, part=seen)
    if mat_path.is_file():
        pose, intrinsics = _read_struct(mat_path, pictures, center, scale)
    else:
        check_order(names, list_path)
        pose, intrinsics = _from_h5(columns, h5_path, mat_path, names, seen)
    box = center, scale * PIXELS_PER_SCALE
    title = f"Human3.6M {split} (authors' layout)"
    return named_people(title, folder / "images", pictures, names, pose, box, intrinsics, seen)


def _from_h5(
    columns: dict[str, np.ndarray],
    path: Path,
    mat_path: Path,
    names: list[Name],
    seen: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    if "S" not in columns or seen is None:
        raise ValueError(
            f"{path}: expected S (mm) and part (px) in it, or {mat_path.name} beside it; found "
            f"{', '.join(sorted(columns))}: without S there is no metric truth"
        )
    pose = column(columns, "S", path, (None, 17, 3), (None, 3, 17))
    pose = pose if pose.shape[2] == 3 else pose.transpose(0, 2, 1)
    same_length(path, names=names, S=pose)
    pose = from_authors(pose)
    return pose, _fit_intrinsics(pose, seen, names, path)


def _fit_intrinsics(
    pose: np.ndarray, seen: np.ndarray, names: list[Name], path: Path
) -> np.ndarray:
    """(N, 4) the focal lengths and principal points that take the poses to their pixels."""
    rows = np.empty((len(names), 4))
    cameras = np.array([n.camera for n in names])
    with np.errstate(all="ignore"):
        rays = pose[..., :2] / pose[..., 2:]
    for camera in set(cameras.tolist()):
        mine = cameras == camera
        for axis in range(2):
            ray, px = rays[mine, :, axis].ravel(), seen[mine, :, axis].ravel()
            good = np.isfinite(ray) & np.isfinite(px)
            if good.sum() < 2 or np.ptp(ray[good]) == 0:
                raise ValueError(f"{path}: S and part do not determine camera {camera}")
            rows[mine, axis], rows[mine, 2 + axis] = _fit_line(ray[good], px[good])
        if not (rows[mine, :2] > 0).all():
            raise ValueError(f"{path}: S and part do not fit a pinhole, camera {camera}")
    return rows


def _fit_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and offset of most points: medians of medians of slopes, then least squares."""
    some = np.unique(np.linspace(0, len(x) - 1, COMPARED).astype(int))
    with np.errstate(all="ignore"):
        slopes = (y[some, None] - y[some]) / (x[some, None] - x[some])
    slopes[~np.isfinite(slopes)] = np.nan
    slope = np.nanmedian(np.nanmedian(slopes, axis=1))
    off = np.abs(y - slope * x - np.median(y - slope * x))
    good = off <= np.maximum(3 * np.median(off), SAME_PX)
    slope, offset = np.polyfit(x[good], y[good], 1)
    return slope, offset


def _read_struct(
    path: Path, pictures: list[str], center: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, 17, 3) mm and intrinsics (N, 4) of valid.mat, checked against the other files."""
    annot: Any = read_mat(path, "annot")["annot"]
    if not isinstance(annot, dict):
        raise ValueError(f"{path}: expected a struct annot, found a {type(annot).__name__}")
    names, stored = annot.get("imgname"), annot.get("K")
    if not isinstance(names, list) or not isinstance(stored, list):
        raise ValueError(f"{path}: expected cells imgname and K in annot, found {[*annot]}")
    pose = _numbers(annot, "S", path, (len(pictures), 3, 17)).transpose(0, 2, 1)
    matrices = [column({"K": cell}, "K", path, (3, 3)) for cell in stored]
    same_length(path, imgname=names, S=pose, K=matrices, pictures=pictures)
    for mine, theirs in zip(pictures, names, strict=True):
        if not isinstance(theirs, str) or mine.rpartition(".")[0] != theirs.removesuffix(".jpg"):
            raise ValueError(f"{path}: imgname says {theirs!r} where the list says {mine!r}")
    for key, other in (("center", center), ("scale", scale)):
        own = _numbers(annot, key, path, other.shape)
        if not np.allclose(own, other, atol=SAME_PX, equal_nan=True):
            raise ValueError(f"{path}: {key} differs from {path.stem}.h5")
    k = np.stack(matrices)
    return from_authors(pose), np.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]], 1)


def _numbers(annot: dict[str, Any], key: str, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A field of the struct; a single sample has lost its first dimension on the way."""
    values = np.asarray(annot.get(key))
    if values.dtype.kind not in "biuf" or values.size != np.prod(shape):
        raise ValueError(
            f"{path}: {key} must be numbers of shape {shape}, one row a picture, but is "
            f"{values.dtype} of shape {values.shape}"
        )
    if values.ndim == len(shape) and values.shape != shape:
        raise ValueError(f"{path}: {key} must have shape {shape}, but has {values.shape}")
    return values.reshape(shape).astype(np.float64)
