"""2D joints as detectors list them, brought to the 17 joints of Human3.6M.

| format | who writes it |
|---|---|
| `h36m17` | Human3.6M's own order, `volpose.skeleton.H36M_17` |
| `coco17` | most detectors |
| `mpii16` | hourglass networks trained on MPII |
| `body25` | OpenPose |
| `mediapipe33` | MediaPipe's pose landmarks, times the size of the picture |

What a format lacks is put together from what it has, see `RULES`; where that is missing as well,
the joint has confidence 0. Stand-ins are close, not exact: a nose's tip is not Human3.6M's point
between neck and nose, and nobody can see the middle of a spine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.data.files import read_json
from volpose.lift.faults import Found
from volpose.lift.strays import strays
from volpose.skeleton import COCO_17, H36M_17, MPII_16

BODY_25 = (
    "nose thorax right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist pelvis "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle "
    "right_eye left_eye right_ear left_ear "
    "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel"
)
MEDIAPIPE_33 = (
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer "
    "left_ear right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb "
    "left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel "
    "left_foot_index right_foot_index"
)
FORMATS: dict[str, tuple[str, ...]] = {
    "h36m17": H36M_17.joints,
    "coco17": COCO_17.joints,
    "mpii16": MPII_16.joints,
    "body25": tuple(BODY_25.split()),
    "mediapipe33": tuple(MEDIAPIPE_33.split()),
}
HIPS = {"left_hip": 0.5, "right_hip": 0.5}
SHOULDERS = {"left_shoulder": 0.5, "right_shoulder": 0.5}
# The crown lies as far above the ears as 0.6 of the way from the shoulders' middle to the ears.
ABOVE_SHOULDERS = {"left_shoulder": -0.3, "right_shoulder": -0.3}
# Joint -> ways to find it, best first: each a weighted sum of joints that must all be known.
RULES: dict[str, tuple[dict[str, float], ...]] = {
    "pelvis": (HIPS,),
    "thorax": (SHOULDERS,),
    "spine": (
        {"pelvis": 0.5, "thorax": 0.5},
        {k: w / 2 for k, w in (HIPS | SHOULDERS).items()},
    ),
    "nose": ({"neck": 1.0},),  # MPII's upper neck is what Human3.6M calls neck or nose
    "head_top": (
        {"left_ear": 0.8, "right_ear": 0.8} | ABOVE_SHOULDERS,
        {"left_ear": 1.6} | ABOVE_SHOULDERS,
        {"right_ear": 1.6} | ABOVE_SHOULDERS,
        {"left_eye": 0.75, "right_eye": 0.75, "left_shoulder": -0.25, "right_shoulder": -0.25},
    ),
}
LARGEST = 1e6  # px
# Detectors list every joint, seen or not; one that they hardly believe in misleads more than it
# helps, and none of training is as unsure.
LEAST = 0.1
OVER = 1.1  # peaks of heatmaps, which many detectors take for confidences, can exceed 1 a little


def to_h36m(
    joints_px: Float[Tensor, "*batch K axes"],
    confidence: Float[Tensor, "*batch K"],
    format: str,
) -> Found:
    """Bring joints to the order and the definitions of `H36M_17`.

    A joint that is put together is as certain as its least certain part.

    Args:
        joints_px: px, in the order of the format; NaN where a joint was not found. Joints in space
            come through as well, for the map is linear.
        confidence: in [0, 1]; below `LEAST` a joint counts as not found.
        format: a key of `FORMATS`.

    Returns:
        (..., 17, axes) and (..., 17); a joint that is not known is at 0 with confidence 0.

    Raises:
        ValueError: unknown format, or another number of joints.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    names = FORMATS[format]
    if joints_px.shape[-2] != len(names):
        raise ValueError(f"{format} has {len(names)} joints, got {joints_px.shape[-2]}")
    believed = joints_px.isfinite().all(-1) & (confidence >= LEAST)
    sure = torch.where(believed, confidence, 0.0).clamp(0, 1)
    at = torch.where(sure[..., None] > 0, joints_px, 0.0)
    places, certain = [], []
    for joint in H36M_17.joints:
        place, best = torch.zeros_like(at[..., 0, :]), torch.zeros_like(sure[..., 0])
        for rule in ({joint: 1.0}, *RULES.get(joint, ())):
            if not all(part in names for part in rule):
                continue
            rows = [names.index(part) for part in rule]
            weights = at.new_tensor(list(rule.values()))
            known = sure[..., rows].amin(-1)
            use = (best == 0) & (known > 0)
            place = torch.where(
                use[..., None], (weights[:, None] * at[..., rows, :]).sum(-2), place
            )
            best = torch.where(use, known, best)
        places.append(place)
        certain.append(best)
    return Found(torch.stack(places, -2), torch.stack(certain, -1))


def read_joints(path: str | Path, names: Sequence[str] = ()) -> Found:
    """Read 2D joints from JSON: one person in one picture, or in many, or in a video's frames.

    Args:
        path: of ``{"format": "coco17", "joints_px": [[x, y], ...], "confidence": [...]}``, of a
            list of these, or of an object of these by the names of pictures. A joint may be null
            or NaN where it was not found, and so may its confidence; without any confidence all
            joints count alike, but for those at exactly [0, 0], where detectors put what they did
            not find. A frame or a picture may be null: nobody was found. A joint where none of the
            person's can be counts as not found, see `volpose.lift.strays`.
        names: of pictures, in the order that is wanted; they only matter to such an object.

    Returns:
        (frames, 17, 2) and (frames, 17), as `to_h36m` gives them.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a folder.
        ValueError: the file holds something else; the sentence names file, frame and field.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected one JSON file with all joints")
    content = read_json(path)
    if not isinstance(content, list) and not (names and _is_named(content)):
        return joints_of(content, f"{path}: ")
    if isinstance(content, list):
        frames = {f"frame {number}": frame for number, frame in enumerate(content)}
    else:
        missing = [name for name in names if name not in content]
        if missing:
            raise ValueError(
                f"{path}: expected joints of {missing[0]}, or null, found none "
                f"({len(missing)} of {len(names)} pictures have no joints in it)"
            )
        frames = {name: content[name] for name in names}
    if not frames:
        raise ValueError(f"{path}: expected at least one frame, found none")
    read = [joints_of(frame, f"{path}: {name}: ") for name, frame in frames.items()]
    return Found(*(torch.cat(part) for part in zip(*read, strict=True)))


def _is_named(content: object) -> bool:
    """Whether it is an object of pictures by their names, and not one picture."""
    if not isinstance(content, dict) or not content:
        return False
    return all(frame is None or isinstance(frame, dict) for frame in content.values())


def joints_of(frame: object, where: str = "") -> Found:
    """What a detector says of one picture, as (1, 17, 2) and (1, 17); None is nobody.

    Args:
        frame: with format, joints_px and confidence, as in a file.
        where: begins the sentence of an error.

    Raises:
        ValueError: it is something else.
    """
    joints = H36M_17.num_joints
    if frame is None:
        return Found(torch.zeros(1, joints, 2), torch.zeros(1, joints))
    return Found(*(part[None] for part in _frame(frame, where)))


def _frame(frame: object, where: str) -> Found:
    if not isinstance(frame, dict):
        raise ValueError(
            f"{where}expected an object with format and joints_px, found {_kind(frame)}"
        )
    format = frame.get("format")
    if not isinstance(format, str) or format not in FORMATS:
        said = "nothing" if format is None else repr(format)
        raise ValueError(f"{where}format: expected one of {', '.join(FORMATS)}, found {said}")
    count = len(FORMATS[format])
    joints = _listed(frame.get("joints_px"), count, f"{where}joints_px of {format}")
    points = [_point(joint, f"{where}joints_px[{row}]") for row, joint in enumerate(joints)]
    sure = frame.get("confidence")
    if sure is None:
        certain = [0.0 if point == [0, 0] else 1.0 for point in points]
    else:
        sure = _listed(sure, count, f"{where}confidence of {format}")
        certain = _confidences(sure, format == "coco17", where)
    at, certain = torch.tensor(points), torch.tensor(certain, dtype=torch.float32)
    known = at.isfinite().all(-1) & (certain >= LEAST)
    return to_h36m(at, certain.masked_fill(strays(at, known, FORMATS[format]), 0.0), format)


def _confidences(values: list, coco: bool, where: str) -> list[float]:
    """Numbers from 0 to 1; null and NaN are 0, and COCO's visibilities (0, 1, 2) are 0 or 1."""
    sure = [0.0 if value is None or value != value else value for value in values]
    if coco and all(value in (0, 1, 2) and not isinstance(value, bool) for value in sure):
        return [min(float(value), 1.0) for value in sure]
    for row, value in enumerate(sure):
        if not _is_number(value) or not 0 <= value <= OVER:
            raise ValueError(
                f"{where}confidence[{row}]: expected a number from 0 to 1, found {value!r}"
            )
    return sure


def _listed(values: object, count: int, what: str) -> list:
    if not isinstance(values, list) or len(values) != count:
        found = f"a list of {len(values)}" if isinstance(values, list) else _kind(values)
        raise ValueError(f"{what}: expected a list of {count}, found {found}")
    return values


def _point(point: object, what: str) -> list[float]:
    if point is None:
        return [math.nan, math.nan]
    if isinstance(point, list) and len(point) == 2 and any(x is None or x != x for x in point):
        return [math.nan, math.nan]
    if not isinstance(point, list) or len(point) != 2 or not all(map(_is_number, point)):
        raise ValueError(f"{what}: expected [x, y] in px or null, found {str(point)[:60]}")
    if max(map(abs, point)) > LARGEST:
        raise ValueError(f"{what}: expected px within +-{LARGEST:g}, found {point}")
    return [float(x) for x in point]


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < math.inf


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
