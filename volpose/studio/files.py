"""The files of a split on disk: who may write them, and whether they are whole."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import torch

from volpose.studio.actions import ACTIONS
from volpose.studio.look import SUBJECTS
from volpose.studio.variation import Variation

HEADER, IMAGES, LABELS, PARTS = "studio.json", "images.npy", "labels.npz", "parts"
LABEL_NAMES = {"pose", "focal", "center", "rotation", "position", "box_center", "box_side"}
LABEL_NAMES |= {"subject", "action"}


def read_header(folder: Path) -> dict:
    """The configuration of a split; dials that an older version did not know are at rest.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        found = json.loads((folder / HEADER).read_text())
    except ValueError as error:
        raise ValueError(f"{folder / HEADER}: damaged ({error})") from error
    if not isinstance(found, dict) or not {"split", "size", "seed", "count", "variation"} <= set(
        found
    ):
        raise ValueError(f"{folder / HEADER}: not the header of a split")
    if isinstance(found["variation"], dict):
        found["variation"] = Variation().to_json() | found["variation"]
    return found


def holds_pictures(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a file holds pictures of this shape."""
    try:
        pictures = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return pictures.shape == shape and pictures.dtype == np.uint8


def reserve_pictures(path: Path, shape: tuple[int, ...]) -> None:
    """Reserve the pictures' file: a disk that fills up later would kill the writing process."""
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


def read_labels(path: Path) -> dict[str, torch.Tensor]:
    """All labels of a split by name.

    Raises:
        ValueError: the file is damaged, or names an unknown action or subject.
    """
    try:
        with np.load(path) as stored:
            labels = {name: torch.from_numpy(stored[name]) for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(f"{path}: damaged ({error})") from error
    missing = sorted(LABEL_NAMES - set(labels))
    if missing:
        raise ValueError(f"{path}: not the labels of a split; {missing[0]} is missing")
    for name, known in (("action", ACTIONS), ("subject", SUBJECTS)):
        if len(labels[name]) and int(labels[name].max()) >= len(known):
            raise ValueError(f"{path}: unknown {name} number {int(labels[name].max())}")
    return labels
