"""Motion capture as training and test data of the lifting network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from volpose.data.mocap import read_mocap

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
