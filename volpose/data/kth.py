"""KTH Multiview Football II: footballers seen by three affine cameras, 14 joints.

A sequence is a folder with `positions2d.txt` (frames x 3 cameras x 14 joints x 2, px),
`positions3d.txt` (frames x 14 x 3, m), `cameras.txt` (frames x 3 cameras x 2 x 4, column after
column) and `Camera 1/00001.png`. Numbers stand one a line.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from volpose.affine import AffineCamera
from volpose.data.files import read_numbers
from volpose.data.people import People, boxes_around
from volpose.skeleton import KTH_14

MARGIN = 1.25
VIEWS, JOINTS = 3, 14
TEST = ("Player 2", "Sequence 1")


def kth_sequences(folder: Path) -> list[Path]:
    """The folders of sequences in a folder."""
    found = (
        p.parent for depth in ("", "*/", "*/*/") for p in folder.glob(f"{depth}positions3d.txt")
    )
    return sorted(set(found))


def read_kth(folder: Path, split: str) -> People:
    """Read sequences; player and sequence are numbers in the folders' names.

    Args:
        folder: a sequence, or one above.
        split: test is sequence 1 of player 2, as in the paper, train is the rest.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, or the split is empty.

    Paper: Sec. 4.1 and Table 7. The root of the tree is the neck here; the paper's scores take
    the center of the chest.
    """
    paths = kth_sequences(folder)
    if not paths:
        raise FileNotFoundError(f"{folder}: no positions3d.txt in it or two folders further down")
    chosen = [p for p in paths if (sequence_name(p) == TEST) == (split == "test")]
    if not chosen:
        found = ", ".join(" ".join(sequence_name(p)) for p in paths)
        raise ValueError(f"{folder}: no sequence belongs to {split}; found {found}")
    parts = [_read_sequence(path, folder) for path in chosen]
    pose, matrix, seen, frame, view, picture, player, sequence = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    camera = AffineCamera.from_matrix(torch.from_numpy(matrix)).to(torch.float32)
    world = torch.from_numpy(pose).float()
    in_camera = camera.to_camera(world)
    center, side = boxes_around(camera.project(in_camera), MARGIN)
    return People(
        name=f"KTH Football II {split}",
        folder=folder,
        skeleton=KTH_14,
        picture=picture,
        pose=in_camera,
        camera=camera,
        camera_of=torch.arange(len(pose)),
        box_center=center,
        box_side=side,
        subject=player,
        action=sequence,
        frame=frame,
        view=view,
        seen=torch.from_numpy(seen).float(),
    )


def sequence_name(path: Path) -> tuple[str, str]:
    """Player and sequence, such as ("Player 2", "Sequence 1"), from the folders of a sequence."""
    text = " ".join(path.absolute().parts[-4:])
    found = [
        re.findall(rf"{word}\s*_?(\d+)", text, re.IGNORECASE) for word in ("player", "sequence")
    ]
    player, sequence = (numbers[-1] if numbers else "?" for numbers in found)
    return f"Player {player}", f"Sequence {sequence}"


def _read_sequence(path: Path, folder: Path) -> tuple[np.ndarray, ...]:
    """Pose (n, 14, 3) mm, matrix (n, 2, 4) per mm, and labels of every frame in every view."""
    pose = _shaped(path / "positions3d.txt", (JOINTS, 3)) * 1000
    seen = _shaped(path / "positions2d.txt", (VIEWS, JOINTS, 2))
    matrix = _shaped(path / "cameras.txt", (VIEWS, 4, 2)).transpose(0, 1, 3, 2).copy()
    counts = {
        "positions3d.txt": len(pose),
        "positions2d.txt": len(seen),
        "cameras.txt": len(matrix),
    }
    if len(set(counts.values())) > 1:
        raise ValueError(f"{path}: expected as many frames in each file, found {counts}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{path / 'cameras.txt'}: a number is not finite")
    matrix[..., :3] /= 1000
    frames = len(pose)
    number, view = np.divmod(np.arange(frames * VIEWS), VIEWS)
    start = path.relative_to(folder).as_posix()
    pictures = [
        f"{start}/Camera {v + 1}/{k + 1:05d}.png" for k, v in zip(number, view, strict=True)
    ]
    player, sequence = sequence_name(path)
    return (
        np.repeat(pose, VIEWS, 0),
        matrix.reshape(-1, 2, 4),
        seen.reshape(-1, JOINTS, 2),
        number + 1,
        np.array([f"Camera {v + 1}" for v in view]),
        np.array(pictures),
        np.full(len(number), player),
        np.full(len(number), sequence),
    )


def _shaped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    values = read_numbers(path)
    frames, rest = divmod(values.size, int(np.prod(shape)))
    if rest or not frames:
        raise ValueError(
            f"{path}: expected {' x '.join(map(str, shape))} numbers a frame, found {values.size}"
        )
    return values.reshape(frames, *shape)
