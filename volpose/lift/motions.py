"""Motion capture as training and test data of the lifting network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from volpose.data.mocap import read_mocap
from volpose.skeleton import H36M_17
from volpose.studio import Studio
from volpose.studio.dataset import SMALLEST

VARIATION, BATCH = "hard", 500
NARROW = 0.76  # the hips of the markers against those of the studio's bodies
LICENCE = (
    "CC BY 4.0; trained on motion capture obtained from mocap.cs.cmu.edu, a database created with "
    "funding from NSF EIA-0196217"
)


class Poses(NamedTuple):
    """Poses (B, 17, 3), mm, z up, of some numbers, and whose they are."""

    pose: Float[Tensor, "batch 17 3"]
    subject: list[str]


@dataclass(frozen=True, eq=False)
class Motions:
    """The poses of a split of motion capture; the cameras come later, anew for every step.

    Args:
        pose: mm, z up; NaN for a joint that is not known.
        subject: whose pose it is, for each.
        name: of the data and the split, with a checksum of the poses.
    """

    pose: Float[Tensor, "n 17 3"]
    subject: np.ndarray
    name: str

    @classmethod
    def read(cls, path: str | Path, split: str, step: int = 1) -> Motions:
        """Read every n-th frame of a split.

        Args:
            path: of a folder of motions, or of one file, as for `read_mocap`.
            split: train or test.
            step: n.

        Raises:
            FileNotFoundError, ValueError: a file is missing or damaged, or the split is empty.
        """
        people = read_mocap(Path(path), split, step)
        pose = people.camera[people.camera_of].to_world(people.pose)
        pose = pose - pose[:, :1]
        whole = pose.isfinite().all(-1).sum(-1) >= pose.shape[1] - len(people.optional)
        pose, subject = pose[whole], people.subject[whole.numpy()]
        share = f", 1 frame of {step}" if step > 1 else ""
        told = hashlib.sha256(pose.round().numpy().tobytes()).hexdigest()[:12]
        name = f"motion capture {split}{share}, {len(pose)} poses, sha256 {told}"
        return cls(pose, subject, name)

    def with_studio(self, count: int) -> Motions:
        """These poses and some of the studio's training actors, who do other things.

        Args:
            count: poses of the studio, of its setting ``hard``, where actors do more than their
                actions ask for. Their hips are made as narrow as markers say they are.
        """
        studio = Studio("train", size=SMALLEST, variation=VARIATION, count=count)
        parts = [studio.poses(rows.tolist()) for rows in torch.arange(count).split(BATCH)]
        pose = torch.cat(parts)
        pose = narrowed(pose - pose[:, : H36M_17.root + 1], NARROW)
        names = [f"studio {studio.shot(index).subject}" for index in range(count)]
        return Motions(
            torch.cat([self.pose, pose]),
            np.concatenate([self.subject, np.array(names)]),
            f"{self.name}; and {count} poses of {studio}",
        )

    @property
    def licence(self) -> str:
        """Of weights that were trained on it."""
        return LICENCE

    def __len__(self) -> int:
        return len(self.pose)

    def __str__(self) -> str:
        return self.name

    def batch(self, indices: list[int]) -> Poses:
        """The poses with these numbers."""
        return Poses(self.pose[indices], self.subject[indices].tolist())


def narrowed(pose: Float[Tensor, "n 17 3"], factor: float) -> Float[Tensor, "n 17 3"]:
    """People whose hips are closer together, or further apart; legs go with them.

    Args:
        pose: mm, in any frame.
        factor: of the distance from the pelvis to either hip.
    """
    moved = pose.clone()
    for side in ("left", "right"):
        leg = [H36M_17.index(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
        moved[:, leg] += (factor - 1) * (pose[:, leg[:1]] - pose[:, [H36M_17.root]])
    return moved
