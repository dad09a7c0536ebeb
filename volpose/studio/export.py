"""Writes studio pictures in the layout of the paper's authors' Human3.6M annotation.

Whoever has the real data set in that layout can try a program on the studio's, and the other way
round. Joints are in the authors' order, left leg first.
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from PIL import Image

from volpose.data.orders import to_authors
from volpose.data.samples import Batch
from volpose.grid import OFFICIAL_DEPTH_LIMITS
from volpose.studio.dataset import Studio
from volpose.studio.look import CAMERAS, FRAME_HEIGHT, FRAME_WIDTH
from volpose.studio.plan import FRAMES_PER_SECOND, Shot

PIXELS_PER_SCALE = 200.0
NUM_SLICES = 64
JPEG_QUALITY = 95
RENDERED_TOGETHER = 2  # whole frames are large


def write_h36m(studio: Studio, folder: str | Path, indices: Sequence[int]) -> Path:
    """Write samples as whole images with annotation files.

    The folder gets `images/*.jpg` and `annot/train*` for a training studio, `annot/valid*` for
    another: `.h5` with part (px), center (px), scale (box side / 200 px), zind (slice of the
    depth, 1 to 64) and S (mm, camera frame); `_images.txt` with the names; `.mat` with a struct
    `annot` of imgname, center, scale, S (n, 3, 17) and the intrinsics K.

    Args:
        studio: whose samples; its variation must have fixed cameras, which name the images.
        folder: where to write; files of the same names are replaced.
        indices: of the samples.

    Returns:
        The folder.

    Raises:
        ValueError: no indices, or the studio's cameras are not fixed.
    """
    if not studio.variation.fixed_cameras:
        raise ValueError("studio must have fixed cameras to be written in Human3.6M's layout")
    if len(indices) == 0:
        raise ValueError("indices must name at least one sample, but is empty")
    folder = Path(folder)
    part = "train" if studio.split == "train" else "valid"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annot").mkdir(exist_ok=True)
    names, rows = [], []
    for start in range(0, len(indices), RENDERED_TOGETHER):
        shots = [studio.shot(int(index)) for index in indices[start : start + RENDERED_TOGETHER]]
        batch = studio.stage.shoot(shots, studio.size, whole_frame=True).to("cpu")
        for shot, image in zip(shots, batch.image, strict=True):
            names.append(image_name(shot))
            frame = image[:, :FRAME_HEIGHT, :FRAME_WIDTH].permute(1, 2, 0).numpy()
            Image.fromarray(frame).save(folder / "images" / names[-1], quality=JPEG_QUALITY)
        rows.append(_annotation(batch))
    columns = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    _write_annotation(folder / "annot", part, names, columns)
    return folder


def image_name(shot: Shot) -> str:
    """The file name of a shot, such as S9_Posing_1.55011271_000001.jpg; take and frame from 1."""
    frame = round(shot.time * FRAMES_PER_SECOND) + 1
    serial = CAMERAS[shot.camera][0]
    return f"{shot.subject}_{shot.action}_{shot.take + 1}.{serial}_{frame:06d}.jpg"


def depth_slices(depth: np.ndarray) -> np.ndarray:
    """The released code's depth slices, 1 to 64, of depths from the root (mm)."""
    near, far = OFFICIAL_DEPTH_LIMITS
    slices = np.floor((depth - near) / (far - near) * NUM_SLICES) + 1
    return slices.clip(1, NUM_SLICES)


def _annotation(batch: Batch) -> dict[str, np.ndarray]:
    pose = to_authors(batch.pose.numpy())
    return {
        "part": to_authors(batch.joints.numpy()),
        "center": batch.box.center.numpy(),
        "scale": batch.box.side.numpy() / PIXELS_PER_SCALE,
        "zind": depth_slices(pose[..., 2] - pose[:, :1, 2]),
        "S": pose,
        "K": batch.camera.matrix.numpy(),
    }


def _write_annotation(
    folder: Path, part: str, names: list[str], columns: dict[str, np.ndarray]
) -> None:
    with h5py.File(folder / f"{part}.h5", "w") as stored:
        for key in ("part", "center", "scale", "zind", "S"):
            stored[key] = columns[key].astype(np.float64)
    (folder / f"{part}_images.txt").write_text("\n".join(names) + "\n")
    annot = {
        "imgname": _cells(names),
        "center": columns["center"].astype(np.float64),
        "scale": columns["scale"].astype(np.float64)[:, None],
        "S": columns["S"].transpose(0, 2, 1).astype(np.float64),
        "K": _cells(list(columns["K"].astype(np.float64))),
    }
    scipy.io.savemat(folder / f"{part}.mat", {"annot": annot})


def _cells(values: list) -> np.ndarray:
    """A MATLAB cell column."""
    cells = np.empty((len(values), 1), dtype=object)
    for row, value in enumerate(values):
        cells[row, 0] = value
    return cells
