"""A video's 2D joints to a motion of one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from volpose.camera import Camera
from volpose.crop import Box
from volpose.decode import metric_pose
from volpose.lift.doubt import doubt_bars
from volpose.lift.faults import FEWEST, Found, somebody
from volpose.lift.heatmaps import framed
from volpose.lift.lifter import Lifter, upward
from volpose.metrics import root_relative
from volpose.predict import SCALE, check_finite, rounded, rounded_if_known
from volpose.skeleton import H36M_17
from volpose.steady import steady_limbs

TRACKED = 0.5  # s before and after a frame, in whose middle a person is expected
FURTHEST, LARGEST = 0.6, 1.6  # parts of the joints' extent; factor of it
# s; joints are smoothed over the first before they are lifted, poses over the second after it. Of
# noise that is new in each frame the first leaves the network less to misread; where a detector
# errs for many frames alike, as real ones do, both help less. Films of the training's and the
# test's subjects and the book's four cameras were looked at; 0.03 to 0.05 does as well
TREMBLE, CALM = 0.03, 0.045
FAINT = 0.05  # a missing joint of which the frames around are less sure stays missing
# sides of the box a second: the price of believing that a detector has exchanged legs or arms; so
# high that legs which pass each other do not bounce back instead
EXCHANGED = 0.6
STRIDE = 0.25  # s; the root's distance, which is known least, is smoothed over it


@dataclass(frozen=True, eq=False)
class Film:
    """A motion, as lifted from a video.

    Attributes:
        pose_mm: from the root, mm, camera frame (x right, y down, z away).
        root_mm: the root in the camera's frame, mm.
        joints_px: in the picture, px.
        confidence: in [0, 1]; 0 in frames where nobody was seen.
        doubt_mm: as in `volpose.lift.lifter.Lifted`; NaN also in frames where nobody was seen.
        seen: whether a frame had enough joints, of the person of the frames around; the others
            are between their neighbors.
        exchanged: whether legs or arms had changed sides, and were changed back.
        fps: frames per second.
    """

    pose_mm: Float[Tensor, "frames 17 3"]
    root_mm: Float[Tensor, "frames 3"]
    joints_px: Float[Tensor, "frames 17 2"]
    confidence: Float[Tensor, "frames 17"]
    doubt_mm: Float[Tensor, "frames 17"]
    seen: Bool[Tensor, " frames"]
    exchanged: Bool[Tensor, " frames"]
    fps: float

    @property
    def whole_mm(self) -> Float[Tensor, "frames 17 3"]:
        """The joints in the camera's frame, mm."""
        return self.pose_mm + self.root_mm[:, None]

    def doubt_ends(self) -> Float[Tensor, "frames 17 2 3"] | None:
        """Both ends of a bar through each joint, see `doubt_bars`; mm from the root, or None.

        NaN for joints that were not given, and in frames where nobody was seen.
        """
        known = bool(self.doubt_mm.isfinite().any())
        return doubt_bars(self.pose_mm, self.whole_mm, self.doubt_mm) if known else None

    def to_json(self) -> dict:
        """The motion as plain lists and numbers; the schema is ``volpose/schemas/film.json``."""
        frames = [
            {
                "seen": bool(self.seen[k]),
                "pose_mm": rounded(self.pose_mm[k], 1),
                "root_mm": rounded(self.root_mm[k], 1),
                "joints_px": rounded(self.joints_px[k], 2),
                "confidence": rounded(self.confidence[k], 4),
                "depth_doubt_mm": rounded_if_known(self.doubt_mm[k], 1),
            }
            for k in range(len(self.seen))
        ]
        return {
            "joints": list(H36M_17.joints),
            "fps": round(self.fps, 4),
            "scale": SCALE,
            "frames": frames,
        }


def lift_film(
    found: Found,
    camera: Camera,
    lifter: Lifter,
    fps: float,
    mirror: bool = True,
    up: Float[Tensor, "*frames 3"] | None = None,
) -> Film:
    """Lift the 2D joints of a video.

    Legs or arms that a detector has exchanged for a few frames are changed back. The joints, before
    and after they are lifted, and the root's distance are smoothed in time; a joint that is missing
    for a frame or two is taken from the frames around. At last limbs get lengths that stay.
    Filtering the volumes, which helps networks that see pictures most, helps less here: x and y are
    given, and the boxes around given joints are not steady.

    Args:
        found: joints of one person, px, in the order of `H36M_17`.
        camera: of the video; it stands still or not.
        lifter: the network.
        fps: frames per second.
        mirror: average with the mirror images.
        up: as in `volpose.lift.lifter.lift`, one for the film or one for each frame.

    Raises:
        ValueError: fewer than two frames show somebody, fps is not positive, up is no direction,
            or joints and camera lead to no finite motion.

    Paper: Sec. 3.3; filtering in time is named in Sec. 3.1.
    """
    if not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    seen = _same_person(found, somebody(found), fps)
    if int(seen.sum()) < 2:
        raise ValueError(
            f"a film needs two frames with at least {FEWEST} joints of a person, got "
            f"{int(seen.sum())} in {len(seen)} frames"
        )
    camera = Camera(camera.focal, camera.center)
    size = lifter.grid.crop_size
    own, changed = _own_sides(found, seen, fps)
    calm = calm_joints(own, seen, fps)
    crop, view, box = framed(calm, camera, size)
    if up is not None and up.ndim == 2:
        up = up[seen]
    places, *sure = lifter.places(crop, mirror, up=upward(up, view))
    depth = lifter.root_depth(places, box, view, calm.confidence > 0)
    depth = _smoothed(depth, seen, STRIDE * fps)
    pose = _smoothed(view.to_world(metric_pose(places, box, view, depth, size)), seen, CALM * fps)
    pose = steady_limbs(_between(pose, seen), H36M_17, fps, seen)
    joints_px = camera.project(pose)
    check_finite(joints_px, camera)
    certain = torch.zeros(len(seen), H36M_17.num_joints)
    doubt = torch.full_like(certain, torch.nan)
    certain[seen], doubt[seen] = sure
    doubt[seen] = doubt[seen].masked_fill(own.confidence == 0, torch.nan)  # put in, not given
    exchanged = seen.clone()
    exchanged[seen] = changed
    root = H36M_17.root
    parts = root_relative(pose, root), pose[:, root], joints_px, certain, doubt
    return Film(*parts, seen, exchanged, float(fps))


def calm_joints(found: Found, seen: Bool[Tensor, " frames"], fps: float) -> Found:
    """2D joints smoothed in time, each by itself, over `TREMBLE`.

    A joint that is missing is between the frames that have it if they are near, and less sure.

    Args:
        found: joints of the frames that were seen, px.
        seen: of all frames, in time.
        fps: frames per second.

    Paper: not in the paper.
    """
    sure = torch.zeros(len(seen), H36M_17.num_joints, dtype=torch.float64)
    joints = torch.zeros(*sure.shape, 2, dtype=torch.float64)
    sure[seen], joints[seen] = found.confidence.double(), found.joints.double()
    for joint, known in enumerate((sure > 0).unbind(1)):
        if bool(known.any()):
            joints[:, joint] = _between(joints[known, joint], known)
    joints, near = (
        torch.from_numpy(gaussian_filter1d(part.numpy(), TREMBLE * fps, axis=0))
        for part in (joints, sure)
    )
    sure = torch.where((sure == 0) & (near > FAINT), near, sure)
    return Found(joints[seen].to(found.joints), sure[seen].to(found.confidence))


def _same_person(
    found: Found, seen: Bool[Tensor, " frames"], fps: float
) -> Bool[Tensor, " frames"]:
    """Of the frames where somebody was seen, those with the person of the frames around.

    Where several people are in a video, detectors now and then find another one. The boxes of two
    frames are compared around the joints that both have: who is half hidden stays the same person.
    """
    if not bool(seen.any()):
        return seen
    known = Found(*(part[seen] for part in found)).known().double()
    side = _extent(known)[1].clamp(min=1.0)
    frame, half = torch.arange(len(known)), round(TRACKED * fps)
    apart, size, usual = [], [], []
    for step in range(-half, half + 1):
        other = (frame + step).clamp(0, len(known) - 1)
        both = (known + known[other]).isfinite().all(-1, keepdim=True)
        here, there = (_extent(torch.where(both, j, torch.nan)) for j in (known, known[other]))
        enough = both.sum((-2, -1)) >= FEWEST
        apart.append(torch.where(enough[:, None], here[0] - there[0], torch.nan))
        grown = here[1].clamp(min=1.0) / there[1].clamp(min=1.0)
        size.append(torch.where(enough, grown.log(), torch.nan))
        usual.append(side[other])
    away, grown = (np.nanmedian(torch.stack(part), axis=0) for part in (apart, size))
    away = np.linalg.norm(away, axis=-1) / np.median(torch.stack(usual), axis=0)
    kept = seen.clone()
    kept[seen] = torch.from_numpy((away < FURTHEST) & (np.abs(grown) < np.log(LARGEST)))
    return kept


def _extent(known: Float[Tensor, "frames joints 2"]) -> tuple[Tensor, Tensor]:
    """Center (frames, 2) and longer side (frames) of joints, of which NaN are unknown."""
    missing = known.isnan()
    low = known.masked_fill(missing, torch.inf).amin(-2)
    high = known.masked_fill(missing, -torch.inf).amax(-2)
    return (low + high) / 2, (high - low).amax(-1)


def _own_sides(
    found: Found, seen: Bool[Tensor, " frames"], fps: float
) -> tuple[Found, Bool[Tensor, " seen"]]:
    """The frames that were seen, with legs and arms changed back where both had changed sides.

    And which frames those were.

    Of all ways to change some frames the one is taken along which the joints move least, where
    every changed frame has its price: a detector is right more often than not (Viterbi).
    """
    number = seen.nonzero()[:, 0]
    joints, sure = found.joints[seen].clone(), found.confidence[seen].clone()
    side = Box.around(Found(joints, sure).known()).side[1:]
    any_part = torch.zeros(len(number), dtype=torch.bool)
    for words in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")):
        part = [j for j, name in enumerate(H36M_17.joints) if name.endswith(words)]
        twins = [H36M_17.mirror[j] for j in part]
        ways = torch.stack([joints[:, part], joints[:, twins]])  # as found, and changed
        known = torch.stack([sure[:, part], sure[:, twins]]) > 0
        both = (known[:, None, :-1] & known[None, :, 1:]).double()
        apart = (ways[:, None, :-1] - ways[None, :, 1:]).norm(dim=-1) * both  # from, to, frame
        moved = apart.sum(-1) / both.sum(-1).clamp(min=1) / side / number.diff()
        changed = _cheapest(moved, EXCHANGED / fps)
        any_part |= changed
        joints[:, part] = torch.where(changed[:, None, None], ways[1], ways[0])
        sure[:, part] = torch.where(changed[:, None], sure[:, twins], sure[:, part])
    return Found(joints, sure), any_part


def _cheapest(moved: Float[Tensor, "2 2 steps"], price: float) -> Bool[Tensor, " frames"]:
    """The second of two ways, or the first, frame by frame; each second one has a price."""
    own = moved.new_tensor([0.0, price])
    total, came_from = own, []
    for step in moved.unbind(-1):
        total, before = (total[:, None] + step).min(0)
        total = total + own
        came_from.append(before)
    at = int(total.argmin())
    path = [at]
    for before in reversed(came_from):
        at = int(before[at])
        path.append(at)
    return torch.tensor(path[::-1], dtype=torch.bool)


def _smoothed(values: Tensor, seen: Bool[Tensor, " frames"], sigma: float) -> Tensor:
    """Of the frames that were seen; those between them hold their places in time."""
    every = _between(values, seen).double().numpy()
    return torch.from_numpy(gaussian_filter1d(every, sigma, axis=0)).to(values)[seen]


def _between(values: Tensor, seen: Bool[Tensor, " frames"]) -> Tensor:
    """Values of the frames that were seen, and of the others between them by straight lines."""
    known = seen.nonzero()[:, 0].numpy()
    flat = values.reshape(len(values), -1).double().numpy()
    every = np.arange(len(seen))
    filled = np.stack([np.interp(every, known, column) for column in flat.T], -1)
    return torch.from_numpy(filled).to(values).view(len(seen), *values.shape[1:])
