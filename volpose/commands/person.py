"""What `volpose predict` does with a picture and with a video alike."""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from volpose.lift.faults import FEWEST, Found, somebody
from volpose.skeleton import H36M_17

WEIGHTS, LIFT = "studio-laptop-wild", "lift-mocap"  # unless others are named
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
        raise ValueError(f"{path}: expected joints of {count} {what}, found {len(found.joints)}")


def check_in_picture(found: Found, width: int, height: int, where: str) -> None:
    """Refuse joints that cannot be pixels of a picture of this size.

    Raises:
        ValueError: all of them lie in its corner, as if told in parts of the picture's sides, or
            most of them lie further outside than the picture is large.
    """
    known = found.known()
    at = known[known.isfinite().all(-1)]
    if not len(at):
        return
    size = at.new_tensor([width, height])
    in_corner = bool((at.abs() <= PARTS).all()) and min(width, height) > 2 * PARTS
    inside = ((at > -size) & (at < 2 * size)).all(-1)
    if in_corner or inside.float().mean() < 0.5:
        (x0, y0), (x1, y1) = at.amin(0).tolist(), at.amax(0).tolist()
        raise ValueError(
            f"{where}: expected px of a picture of {width} x {height}, found x from {x0:.5g} to "
            f"{x1:.5g} and y from {y0:.5g} to {y1:.5g}"
        )


def check_somebody(found: Found, where: str) -> None:
    """Refuse the joints of a picture from which nobody can be lifted.

    Raises:
        ValueError: too few joints, or all in one point.
    """
    if not bool(somebody(found).all()):
        raise ValueError(
            f"{where}: expected a person of at least {FEWEST} joints in different places, found "
            f"{int((found.confidence > 0).sum())} joints"
        )


def drawn(image: Tensor, joints_px: Tensor) -> Tensor:
    """The picture with the limbs in it."""
    from volpose.plot.frames import draw_on_picture

    return draw_on_picture(image, joints_px, H36M_17)


def shown(path: Path) -> str:
    """A file's name for a page, whatever bytes are in it."""
    return str(path.name).encode("utf8", "replace").decode("utf8")
