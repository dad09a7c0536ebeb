"""All annotations of a data set as columns; the pictures stay on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from volpose.affine import AnyCamera
from volpose.skeleton import Skeleton

ANNOTATED_BOX = "annotated center and scale"
DRAWN_BOX = "true joints"


@dataclass(frozen=True, eq=False)
class People:
    """N annotated persons; their pictures stay on disk.

    Args:
        name: of the data set, its layout and split, for results.
        folder: that the pictures' names start from.
        skeleton: names the joints.
        picture: (N,) file names; empty where there is none.
        pose: (N, J, 3) mm, camera frame; NaN for a joint that is not known.
        camera: C cameras of whole pictures; affine ones `of_image` where there is no 3D truth.
        camera_of: (N,) the camera of each person.
        box_center: (N, 2) px.
        box_side: (N,) px.
        subject, action: (N,) names.
        frame: (N,) number of the frame in its sequence.
        view: (N,) name of the camera.
        seen: (N, J, 2) px, where a file also says where the joints appear: a check on the rest.
        optional: joints that may be missing.
        metric: whether there is 3D truth.
        box_source: what the boxes follow from.
        frame_step: how far apart frames are, as `every` has left them.
    """

    name: str
    folder: Path
    skeleton: Skeleton
    picture: np.ndarray
    pose: Float[Tensor, "N J 3"]
    camera: AnyCamera
    camera_of: Int[Tensor, " N"]
    box_center: Float[Tensor, "N 2"]
    box_side: Float[Tensor, " N"]
    subject: np.ndarray
    action: np.ndarray
    frame: np.ndarray
    view: np.ndarray
    seen: Float[Tensor, "N J 2"] | None = None
    optional: tuple[str, ...] = ()
    metric: bool = True
    box_source: str = DRAWN_BOX
    frame_step: int = 1

    def __len__(self) -> int:
        return len(self.pose)

    @property
    def joints(self) -> Float[Tensor, "N J 2"]:
        """The joints in the whole pictures, px."""
        return self.camera[self.camera_of].project(self.pose)

    def where(self, chosen: np.ndarray) -> People:
        """The persons for whom `chosen` (N,) is true."""
        rows = torch.from_numpy(np.flatnonzero(chosen))
        names = ("picture", "subject", "action", "frame", "view")
        arrays = {name: getattr(self, name)[chosen] for name in names}
        tensors = {
            name: getattr(self, name)[rows]
            for name in ("pose", "camera_of", "box_center", "box_side")
        }
        seen = None if self.seen is None else self.seen[rows]
        return replace(self, **arrays, **tensors, seen=seen)

    def every(self, step: int) -> People:
        """Frames 1, 1 + step, 1 + 2 step, ... of every sequence.

        Of films that someone has thinned before, all frames stay, if they are as far apart already,
        at uneven distances, or at such that the frames asked for are not among them. `frame_step`
        says how far apart those are that stay.
        """
        between = self._between_frames()
        if not len(between):
            return self
        apart = int(np.median(between))
        if apart >= step or step % apart or np.gcd.reduce(between) != apart:
            return replace(self, frame_step=apart)
        thinned = self.where((self.frame - self.frame.min()) % step == 0)
        return replace(thinned, frame_step=step)

    def _between_frames(self) -> np.ndarray:
        """Distances of neighboring frames; a sequence is all pictures that differ in a number."""
        films = [name.rpartition(".")[0].rstrip("0123456789") for name in self.picture.tolist()]
        _, film = np.unique(films, return_inverse=True)
        order = np.lexsort((self.frame, film))
        between, same = np.diff(self.frame[order]), np.diff(film[order]) == 0
        return between[same & (between > 0)]


def distinct_cameras(rows: np.ndarray) -> tuple[np.ndarray, Int[Tensor, " N"]]:
    """The different rows (C, k) among rows (N, k), and which of them each is."""
    found, which = np.unique(rows, axis=0, return_inverse=True)
    return found, torch.from_numpy(which.reshape(-1))


def boxes_around(
    joints: Float[Tensor, "N J 2"], margin: float
) -> tuple[Float[Tensor, "N 2"], Float[Tensor, " N"]]:
    """Center (N, 2) and side (N,) of squares around joints, px; NaN where no joint is known.

    Unlike `Box.around` it gives every row its box, or NaN: a data set may have bad rows.
    """
    missing = joints.isnan()
    low = joints.masked_fill(missing, torch.inf).amin(1)
    high = joints.masked_fill(missing, -torch.inf).amax(1)
    side = margin * (high - low).amax(-1)
    good = side.isfinite() & (side > 0)
    return (low + high).div(2).where(good[:, None], torch.nan), side.where(good, torch.nan)
