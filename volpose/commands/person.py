"""What `volpose predict` does with a picture and with a video alike."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from volpose.crop import Box
from volpose.lift.doubt import guesses
from volpose.lift.faults import FEWEST, Found, somebody
from volpose.lift.heatmaps import MARGIN
from volpose.skeleton import H36M_17

WEIGHTS, LIFT = "studio-laptop-anywhere", "lift-mocap"  # unless others are named
REMEDIES = "give --box X,Y,W,H, 2D joints with --joints2d FILE, or --detect"
GUESS = f"nobody said where the person is, so the answer is a guess; {REMEDIES}"
UNSURE = "what was found is faint, as walls and shadows are"
UPRIGHT = "px are those of the upright picture, turned as its EXIF tag or the video's says"
OUTSIDE = 0.15  # share of the joints
# Mean confidence of `lift-mocap`. Of the joints in `book/images/real/walk.json`, and of the true
# ones of the studio, 19 people in 20 have 0.69 or more; of 17 joints anywhere 19 in 20 have 0.67 or
# less, half of them 0.53, of head and shoulders alone 0.20.
DOUBTFUL = 0.6
# Root mean square distance of the joints from the network's own, in parts of the crop. Of motion
# capture with noise of 10 px at 256 two people in 100 have more; of joints in the order of another
# format (COCO's) 8 in 10.
UNLIKE = 0.035
MANY = 5  # names in one sentence
PARTS = 1.5  # joints all within so many px are parts of a picture's sides, as MediaPipe tells them


def joints_source(options: argparse.Namespace) -> str | None:
    """Where the 2D joints come from, in words; None if a network of our own is to find them."""
    return str(options.joints2d) if options.joints2d else "MediaPipe" if options.detect else None


def files_read(options: argparse.Namespace, inputs: list[Path]) -> list[Path]:
    """All files of a command that no output may replace."""
    named = (options.joints2d, options.detector, options.weights, options.lift)
    return [*inputs, *(Path(path) for path in named if path)]


def check_count(found: Found, count: int, what: str, path: Path) -> None:
    """Refuse the joints of a file that belong to another number of pictures, or frames.

    Raises:
        ValueError: they do.
    """
    if len(found.joints) != count:
        what = what if count > 1 else what.removesuffix("s")
        raise ValueError(f"{path}: expected joints of {count} {what}, found {len(found.joints)}")


def check_in_picture(found: Found, width: int, height: int, where: str) -> None:
    """Refuse joints that cannot be pixels of a picture of this size.

    Raises:
        ValueError: all of them lie in its corner, as if told in parts of the picture's sides, none
            of them is in it, or most of them lie further outside than the picture is large.
    """
    known = found.known()
    at = known[known.isfinite().all(-1)]
    if not len(at):
        return
    size = at.new_tensor([width, height])
    in_corner = bool((at.abs() <= PARTS).all()) and min(width, height) > 2 * PARTS
    near = ((at > -size) & (at < 2 * size)).all(-1)
    if in_corner or near.float().mean() < 0.5 or not _inside(at, size).any():
        (x0, y0), (x1, y1) = at.amin(0).tolist(), at.amax(0).tolist()
        raise ValueError(
            f"{where}: expected px of a picture of {width} x {height}, found x from {x0:.5g} to "
            f"{x1:.5g} and y from {y0:.5g} to {y1:.5g}; {UPRIGHT}"
        )


def doubts(
    found: Found,
    confidence: Tensor,
    joints_px: Tensor,
    width: int,
    height: int,
    up: Sequence[float] | None = None,
    own: bool = False,
) -> list[str]:
    """What the user should know before believing a pose that was lifted.

    Args:
        found: the 2D joints of the frames in which the person was seen.
        confidence: (frames, 17), of the pose.
        joints_px: (frames, 17, 2), of the pose.
        width, height: of the picture, px.
        up: which way was said to be up, if anything was said.
        own: whether the 2D joints are those of a network of ours.
    """
    notes, known = [], found.confidence > 0
    if up is not None and up[1] > max(abs(up[0]), abs(up[2])):
        notes.append("--up points down in the picture, where y grows: 0,-1,0 is a level camera's")
    at = found.joints[known]
    outside = 1 - float(_inside(at, at.new_tensor([width, height])).float().mean())
    if outside > OUTSIDE:
        notes.append(
            f"{outside:.0%} of the 2D joints lie outside of the picture of {width} x {height} px; "
            f"unless its border cuts the person, they belong to another size or turn: {UPRIGHT}"
        )
    given = known.float().mean(0).tolist()
    guessed = [name for name, share in zip(H36M_17.joints, given, strict=True) if share < 0.5]
    if guessed:
        often = "" if len(found.joints) == 1 else " in most frames"
        words = f"not given{often}, or too far from all others, so guessed"
        notes.append(f"{words}: {', '.join(guessed)}")
    away = _unlikeness(found, joints_px)
    if away > UNLIKE:
        ask = "are they in the order of their format, upright, and of one person?"
        ask = "they are hardly a person's" if own else ask
        notes.append(
            f"the 2D joints lie {away:.0%} of the person's size from those of any pose known: {ask}"
        )
    mean = float(confidence.mean())
    if mean < DOUBTFUL:
        notes.append(f"confidence {mean:.2f}, where a whole person mostly has 0.7 or more: a guess")
    return notes


def _unlikeness(found: Found, joints_px: Tensor) -> float:
    """How far joints are from the lifted pose's, in parts of the crop; the median of frames."""
    known = (found.confidence > 0)[..., None]
    off = torch.where(known, found.joints - joints_px, 0.0).square().sum((-2, -1))
    off = (off / (2 * known.sum((-2, -1)))).sqrt()
    return float((off / Box.around(found.known(), MARGIN).side).median())


def _inside(at: Tensor, size: Tensor) -> Tensor:
    return ((at >= 0) & (at <= size)).all(-1)


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(names[:MANY]) + more


def check_somebody(found: Found, where: str) -> None:
    """Refuse the joints of a picture from which nobody can be lifted.

    Raises:
        ValueError: too few joints, or all in one point.
    """
    if not bool(somebody(found).all()):
        known = int((found.confidence > 0).sum())
        words = f"{known} of the {H36M_17.num_joints}" if known < FEWEST else "all in one point"
        raise ValueError(
            f"{where}: expected a person of at least {FEWEST} joints in different places, found "
            f"{words}"
        )


def drawn(image: Tensor, joints_px: Tensor, doubt_mm: Tensor | None = None) -> Tensor:
    """The picture with the limbs in it; thin ones to joints that were guessed.

    Args:
        image, joints_px: of a picture and the pose in it.
        doubt_mm: of the joints, NaN for those that were not given; where all are NaN, or without
            it, none counts as guessed.
    """
    from volpose.plot.frames import draw_on_picture

    return draw_on_picture(image, joints_px, H36M_17, guesses(doubt_mm))


def shown(path: Path) -> str:
    """A file's name for a page, whatever bytes are in it."""
    return str(path.name).encode("utf8", "replace").decode("utf8")
