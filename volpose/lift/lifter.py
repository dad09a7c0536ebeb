"""The trained second half, ready to use: 2D joints and a camera in, metric poses out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose import pretrained
from volpose.camera import Camera
from volpose.crop import Box
from volpose.decode import confidence, integral_voxel, metric_pose, root_depth_from_limbs
from volpose.estimator import Estimator
from volpose.evaluate import TRUSTED
from volpose.grid import Grid
from volpose.lift.cameras import directions
from volpose.lift.doubt import Doubt, depth_spread
from volpose.lift.faults import FEWEST, Found
from volpose.lift.heatmaps import framed
from volpose.metrics import root_relative
from volpose.network import LIFTING
from volpose.skeleton import H36M_17, mirror_joints

BATCH = 64
# of the crop's side: how well the network places perfect joints of the people it was trained on,
# root mean square of x and y
OWN_ERROR = 0.002
EDGE = 1 / 32  # of the crop's side, from the outermost voxels
FEW_LIMBS = 3  # with both ends given: with less the others say more
MIRROR = (-1.0, 1.0, 1.0)  # what becomes of x, y, z in a mirror image


class Placed(NamedTuple):
    """Where the joints of people are in their crops.

    Attributes:
        places: x, y in crop pixels and z in mm from the root, whose own z is 0.
        confidence: heights of the volume's peaks in [0, 1], 0 for a joint on the border of the
            crop, which is somewhere beyond it (a perceptron: the given confidences).
        doubt_mm: two in three joints like it are no further off in depth; NaN for a joint that was
            not given, and for all if the network's card does not say.
    """

    places: Float[Tensor, "batch 17 3"]
    confidence: Float[Tensor, "batch 17"]
    doubt_mm: Float[Tensor, "batch 17"]


@dataclass(frozen=True, eq=False)
class Lifter:
    """A network that turns 2D joints into places.

    Args:
        network: of a kind in `volpose.network.LIFTING`.

    Raises:
        ValueError: the network is of another kind, or its card's doubt is damaged.

    Paper: Sec. 3.3.
    """

    network: Estimator

    def __post_init__(self) -> None:
        if self.network.config.kind not in LIFTING:
            raise ValueError(
                f"a lifter needs a network of kind {' or '.join(LIFTING)}, which reads 2D joints; "
                f"got {self.network.config.kind!r}"
            )
        _ = self.doubt  # a damaged one is refused at once

    @classmethod
    def load(cls, name: str | Path = "lift-mocap") -> Lifter:
        """A shipped lifting network by its name, or one from a weights file; see `pretrained`."""
        return cls(pretrained.load(name))

    @cached_property
    def doubt(self) -> Doubt | None:
        """What the network's card says of errors in depth, if anything."""
        return Doubt.of_card(self.network.card)

    @property
    def grid(self) -> Grid:
        """Of the volume."""
        return self.network.grid

    @torch.no_grad()
    def volume(
        self, found: Found, mirror: bool = True, up: Float[Tensor, "batch 3"] | None = None
    ) -> Float[Tensor, "batch joints depth height width"]:
        """The volumes of the joints of people, fp32.

        Args:
            found: x, y in pixels of the grid's crop.
            mirror: average with the mirror image's volume.
            up: which way is up, in the frame of the camera that looks at the person; 0 for a
                person of whom it is not known, None for all.

        Raises:
            ValueError: the network has no volume, or its weights are damaged.
        """
        if self.network.config.kind == "lift-perceptron":
            raise ValueError("a perceptron has no volume")
        one, other = self._both(found, mirror, up)
        volume = one.volume()
        if other is not None:
            volume = (volume + other.volume().flip(-1)[:, list(H36M_17.mirror)]) / 2
        if not bool(volume.isfinite().all()):
            raise ValueError("the network's volume is not finite: its weights are damaged")
        return volume

    @torch.no_grad()
    def places(
        self, found: Found, mirror: bool = True, up: Float[Tensor, "batch 3"] | None = None
    ) -> Placed:
        """Joints in a crop -> places, how sure they are, and how far off they may be.

        The volume is read as it was trained, by its center of mass. x and y are a compromise of
        what was given and what the network makes of it: the given joints of a person as far as the
        two agree, see `compromise`.

        Args:
            found, mirror, up: as in `volume`.
        """
        up = torch.zeros(len(found.joints), 3) if up is None else up
        given = zip(*(part.split(BATCH) for part in (*found, up)), strict=True)
        parts = [self._places(Found(joints, sure), mirror, up) for joints, sure, up in given]
        places, sure, doubt = (torch.cat(column) for column in zip(*parts, strict=True))
        places[:, H36M_17.root, 2] = 0
        flat = compromise(found, places[..., :2], OWN_ERROR * self.grid.crop_size)
        return Placed(torch.cat([flat, places[..., 2:]], -1), sure, doubt)

    def root_depth(
        self,
        places: Float[Tensor, "batch 17 3"],
        box: Box,
        view: Camera,
        given: Bool[Tensor, "batch 17"],
    ) -> Float[Tensor, " batch"]:
        """Where the limbs are closest to the mean lengths of the training's bodies, mm.

        Single limbs that are far off are doubted: one joint that a detector has put elsewhere must
        not move the whole person. Limbs of which a joint was not given count only if there are
        hardly any others.

        Args:
            places, box, view: as in `volpose.decode.root_depth_from_limbs`.
            given: which joints were found.

        Paper: Sec. 4.3, with Huber's loss instead of squares.
        """
        limbs, size = H36M_17.limbs, self.grid.crop_size
        start, end = (list(side) for side in zip(*limbs, strict=True))
        whole = given[:, start] & given[:, end]
        whole |= whole.sum(-1, keepdim=True) < FEW_LIMBS
        lengths = torch.where(whole, self.network.mean_limbs(), torch.nan)
        return root_depth_from_limbs(places, box, view, limbs, lengths, size, trusted=TRUSTED)

    def _places(self, found: Found, mirror: bool, up: Tensor) -> Placed:
        if self.network.config.kind == "lift":
            volume = self.volume(found, mirror, up)
            voxels = integral_voxel(volume)
            last = voxels.new_tensor(volume.shape[:-3:-1]) - 1  # along x and y
            edge = EDGE * (last + 1)
            inside = ((voxels[..., :2] > edge) & (voxels[..., :2] < last - edge)).all(-1)
            sure = torch.where(inside, confidence(volume), 0.0)
            doubt = torch.full_like(voxels[..., 2], torch.nan)
            if self.doubt:
                given = found.confidence > 0
                given[:, H36M_17.root] = True  # its depth is 0 by definition
                told = self.doubt.at(depth_spread(volume, voxels, self.grid))
                doubt = torch.where(given, told, torch.nan)
            return Placed(self.grid.to_places(voxels), sure, doubt)
        places, other = self._both(found, mirror, up)
        if other is not None:
            places = (places + mirror_joints(other, H36M_17) * other.new_tensor(MIRROR)) / 2
        places = self.grid.to_places(self.grid.from_unit(places))
        return Placed(places, found.confidence, torch.full_like(places[..., 2], torch.nan))

    def _both(self, found: Found, mirror: bool, up: Tensor | None) -> tuple:
        """What the network says of people, and of their mirror images if they are asked for."""
        model = self.network.model.eval()
        unit = 2 * found.joints / self.grid.crop_size - 1
        up = unit.new_zeros(len(unit), 3) if up is None else up
        one = model(unit, found.confidence, up)
        if not mirror:
            return one, None
        turn, twins = unit.new_tensor(MIRROR), list(H36M_17.mirror)
        return one, model(unit[:, twins] * turn[:2], found.confidence[:, twins], up * turn)


def compromise(
    found: Found, own: Float[Tensor, "batch joints 2"], own_error: float
) -> Float[Tensor, "batch joints 2"]:
    """Between the joints that were given and the network's own.

    Where all joints of a person lie as close to the network's as its own error explains, they are
    better than the network and are taken as they are. The further they are off, the more of it is
    their error and the less weight they have (James and Stein's estimator). A joint that was not
    found is the network's.

    Args:
        found: x, y in crop pixels.
        own: the network's, likewise.
        own_error: the network's for perfect joints, px, root mean square of x and y.
    """
    seen = (found.confidence > 0)[..., None]
    off = torch.where(seen, found.joints - own, 0.0)
    spread = off.square().sum((-2, -1)) / (2 * seen.sum((-2, -1))).clamp(min=1)
    weight = (own_error**2 / spread.clamp(min=1e-12)).clamp(max=1.0)
    return own + weight[:, None, None] * off


def upward(up: Float[Tensor, "*frames 3"] | None, view: Camera) -> Float[Tensor, "frames 3"] | None:
    """Which way is up to cameras that were turned to people.

    Args:
        up: in the frame of the camera itself, one or one for each person, of any length.
        view: as `volpose.lift.heatmaps.framed` turned it.

    Raises:
        ValueError: up is no direction.
    """
    if up is None:
        return None
    length = up.norm(dim=-1, keepdim=True)
    if not bool(((length > 0) & length.isfinite()).all()):
        raise ValueError(f"up must be a direction in the camera's frame, got {up.tolist()}")
    return directions(view, (up / length).expand(len(view.rotation), 3))


@dataclass(frozen=True, eq=False)
class Lifted:
    """Metric poses of the frames of a video, or of one picture.

    Attributes:
        pose_mm: from the root, mm, in the camera's frame (x right, y down, z away).
        root_mm: the root in the camera's frame, mm.
        confidence: in [0, 1], the height of each joint's peak.
        doubt_mm: two in three joints like it are no further off in depth, the root's distance
            taken for granted; NaN for a joint that was not given, and for all if the network's
            card does not say.
        box: of the crop, in the picture of a camera turned to the person.
    """

    pose_mm: Float[Tensor, "frames 17 3"]
    root_mm: Float[Tensor, "frames 3"]
    confidence: Float[Tensor, "frames 17"]
    doubt_mm: Float[Tensor, "frames 17"]
    box: Box


def lift(
    found: Found,
    camera: Camera,
    lifter: Lifter,
    root_depth: Float[Tensor, " frames"] | None = None,
    mirror: bool = True,
    up: Float[Tensor, "*frames 3"] | None = None,
) -> Lifted:
    """Lift 2D joints to metric poses.

    Args:
        found: joints of the frames, px of the picture, in the order of `H36M_17`; other formats
            come through `volpose.lift.formats.to_h36m`.
        camera: of the picture.
        lifter: the network.
        root_depth: of the pelvis along the optical axis, mm. Without it the depth is the one at
            which the limbs are closest to the mean lengths of the training's bodies.
        mirror: average with the mirror image.
        up: which way is up in the camera's frame (x right, y down, z away), of any length:
            (0, -1, 0) for a level camera. None where it is not known.

    Raises:
        ValueError: fewer than four joints of a frame are known, or all lie in one point; up is no
            direction.

    Paper: Sec. 3.3; Sec. 4.3 from places to mm.
    """
    known = (found.confidence > 0).sum(-1).tolist()
    for frame, count in enumerate(known):
        if count < FEWEST:
            raise ValueError(f"frame {frame}: expected at least {FEWEST} known joints, got {count}")
    at_origin = Camera(camera.focal, camera.center)
    size = lifter.grid.crop_size
    crop, view, box = framed(found, at_origin, size)
    places, sure, doubt = lifter.places(crop, mirror, upward(up, view))
    if root_depth is None:
        depth = lifter.root_depth(places, box, view, found.confidence > 0)
    else:
        one = torch.ones_like(places[:, H36M_17.root, 2])
        ray = view.to_world(metric_pose(places, box, view, one, size))[:, H36M_17.root]
        depth = root_depth / ray[:, 2]
    pose = view.to_world(metric_pose(places, box, view, depth, size))
    root = H36M_17.root
    return Lifted(root_relative(pose, root), pose[:, root], sure, doubt, box)
