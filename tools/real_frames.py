"""Real frames, what a 2D detector says of them, and how far a network is from that."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.crop import Box, crop_person, to_crop
from volpose.estimator import Estimator
from volpose.lift.formats import read_joints
from volpose.lift.picture import first_look
from volpose.predict import rounded
from volpose.skeleton import H36M_17
from volpose.video import Video

EVERY = 5  # frames of a video
MARGIN = 1.2  # of the box around the detector's joints, as in `wild`
SIDE = 256  # px of the crop, in which errors are given
SURE = 0.5  # what the detector must say of a joint, and of three in four of a frame's
NEAR = 0.1  # of the crop: a joint is found
# joints that a detector and Human3.6M mean alike
ENDS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JUDGED = tuple(name for name in H36M_17.joints if name.endswith(ENDS))
ROWS = [H36M_17.index(name) for name in JUDGED]


class Frames(NamedTuple):
    """Real frames, cropped around a detector's joints.

    Attributes:
        pictures: N, (3, H, W), uint8.
        boxes: around the person, by the detector.
        images: (N, 3, SIDE, SIDE) in [0, 1].
        joints: (N, 17, 2) what the detector says, px of the crop.
        known: (N, 17) where it is sure.
        video: (N) name of the video of each.
    """

    pictures: list[Tensor]
    boxes: Box
    images: Float[Tensor, "frames 3 side side"]
    joints: Float[Tensor, "frames 17 2"]
    known: Bool[Tensor, "frames 17"]
    video: list[str]

    def of(self, name: str) -> list[int]:
        """The frames of a video."""
        return [k for k, video in enumerate(self.video) if video == name]

    @property
    def shown(self) -> dict[str, int]:
        """Name of each video -> the middle one of its frames."""
        return {name: self.of(name)[len(self.of(name)) // 2] for name in dict.fromkeys(self.video)}


def read_frames(pairs: dict[str, str]) -> Frames:
    """One in `EVERY` frames of videos, where the detector is sure of most of a person.

    Args:
        pairs: path of a video -> path of its joints.

    Raises:
        ValueError: a video has another number of frames than its list of joints.
    """
    rows = []
    for path, joints in pairs.items():
        video, (at, sure) = Video(path), read_joints(joints)
        if video.count not in (0, len(at)):
            raise ValueError(f"{joints}: has {len(at)} frames, but {path} {video.count}")
        for number, image in enumerate(video):
            known = sure[number] >= SURE
            if number % EVERY or known[ROWS].float().mean() < 0.75:
                continue
            box = Box.around(torch.where(known[:, None], at[number], torch.nan), MARGIN)
            crop = crop_person(image, box, SIDE).clamp(0, 1)
            place = to_crop(at[number], box, SIDE)
            rows.append((image, box.center, box.side, crop, place, known, video.path.stem))
    pictures, centers, sides, *parts, names = zip(*rows, strict=True)
    boxes = Box(torch.stack(centers), torch.stack(sides))
    return Frames(list(pictures), boxes, *map(torch.stack, parts), list(names))


def judge(
    predicted: Float[Tensor, "frames 17 2"],
    joints: Float[Tensor, "frames 17 2"],
    known: Bool[Tensor, "frames 17"],
) -> dict:
    """How far 2D joints are from others, over the joints that a detector means alike.

    Args:
        predicted, joints: px of a crop of `SIDE`.
        known: where ``joints`` can be trusted.

    Returns:
        Median and mean (px) and the share that is found (percent); the same if a joint may also be
        its twin on the other side; medians by joint (None where none is known); number of joints.
    """
    crossed = (predicted[:, list(H36M_17.mirror)] - joints).norm(dim=-1)[:, ROWS]
    off, sure = (predicted - joints).norm(dim=-1)[:, ROWS], known[:, ROWS]
    either = torch.minimum(off, crossed)
    columns = {name: off[:, k][sure[:, k]] for k, name in enumerate(JUDGED)}
    by_joint = {k: round(float(v.median()), 2) if len(v) else None for k, v in columns.items()}
    found = {
        "median px": off[sure].median(),
        "mean px": off[sure].mean(),
        "found %": 100 * (off[sure] < NEAR * SIDE).float().mean(),
        "either side, median px": either[sure].median(),
        "either side, found %": 100 * (either[sure] < NEAR * SIDE).float().mean(),
    }
    found = {name: round(float(value), 2) for name, value in found.items()}
    return found | {"joints": int(sure.sum()), "by joint, median px": by_joint}


def judge_frames(predicted: Float[Tensor, "frames 17 2"], frames: Frames) -> dict:
    """The errors in all frames and in those of each video, and the joints in those to be shown."""
    found = {"all": judge(predicted, frames.joints, frames.known)}
    for name in frames.shown:
        rows = frames.of(name)
        found[name] = judge(predicted[rows], frames.joints[rows], frames.known[rows])
    shown = {name: rounded(predicted[k], 1) for name, k in frames.shown.items()}
    return {"frames": len(frames.video), "real": found, "shown_px": shown}


def look(estimator: Estimator, images: Tensor) -> Float[Tensor, "frames 17 2"]:
    """Where a network sees the joints, px of a crop of `SIDE`."""
    parts = [estimator.places(part, mirror=True)[0][..., :2] for part in images.split(50)]
    return torch.cat(parts) * (SIDE / estimator.config.image_size)


def judge_alone(estimator: Estimator, frames: Frames) -> dict:
    """The errors in whole frames, in which the network has to find the person itself.

    Returns:
        All frames and those of each video: what `judge` says, and ``person %``: the share of frames
        in which the network's box and the detector's overlap by half of what both cover.
    """
    looks = [first_look(picture, estimator) for picture in frames.pictures]
    joints = to_crop(torch.stack([seen.joints for seen in looks]), frames.boxes, SIDE)
    own = Box(*(torch.stack([getattr(seen.box, k) for seen in looks]) for k in ("center", "side")))
    there = own.overlap(frames.boxes) >= 0.5
    sure = torch.tensor([seen.height for seen in looks])
    found = {}
    for name, rows in (
        {"all": slice(None)} | {name: frames.of(name) for name in frames.shown}
    ).items():
        flat = judge(joints[rows], frames.joints[rows], frames.known[rows])
        share = round(100 * float(there[rows].float().mean()), 1)
        found[name] = flat | {"person %": share}
    return found | {
        "heights": {"person": rounded(sure[there], 3), "else": rounded(sure[~there], 3)}
    }
