"""What all figures share: the colors of the sides, and which limbs and joints can be drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from volpose.skeleton import Skeleton

# The paper's Fig. 4 has left red and right green; this pair is told apart by color-blind readers
# too. The neutral colors are readable on white and on black.
COLORS = {"left": "#D55E00", "right": "#009E73", "middle": "#808A99"}
DASHES = {"left": "solid", "right": "dash", "middle": "solid"}
TRUTH_COLOR = "#9A9A9A"
HIGHLIGHT_COLOR = "#4C8DFF"
SIDES = tuple(COLORS)
THIN = 0.35  # of the usual width, for a limb of which an end was guessed


def side_of(skeleton: Skeleton, joint: int) -> str:
    """The side a joint and the limb that ends in it are on: "left", "right" or "middle"."""
    if skeleton.is_left(joint):
        return "left"
    return "right" if skeleton.is_right(joint) else "middle"


def limbs_of_side(
    points: np.ndarray, skeleton: Skeleton, side: str | None = None
) -> list[tuple[int, int]]:
    """(parent, joint) of the limbs on one side, or of all, whose two ends are known (not NaN)."""
    known = np.isfinite(points).all(axis=-1)
    return [
        (parent, joint)
        for parent, joint in skeleton.limbs
        if known[parent] and known[joint] and side in (None, side_of(skeleton, joint))
    ]


def is_guess(guessed: Bool[Tensor, " joints"] | None, limb: tuple[int, int]) -> bool:
    """Whether an end of a limb was guessed; without ``guessed`` nothing was."""
    return guessed is not None and bool(guessed[list(limb)].any())


def check_joints(argument: str, points: Float[Tensor, "joints n"], skeleton: Skeleton) -> None:
    """Raise a ValueError if there is not one point for each joint, or if no point is known."""
    if points.shape[0] != skeleton.num_joints:
        raise ValueError(
            f"{argument} must have {skeleton.num_joints} joints (skeleton {skeleton.name}), "
            f"but it has {points.shape[0]}"
        )
    if not bool(points.isfinite().all(dim=-1).any()):
        raise ValueError(f"{argument} must have a joint that is not NaN, but it has none")


def check_alt(alt: str) -> str:
    """Return the description of a figure in words; raise a ValueError if it is empty."""
    if not alt.strip():
        raise ValueError("alt must describe the figure in words, but it is empty")
    return alt


def as_array(values: Tensor) -> np.ndarray:
    """A tensor on any device as a double array."""
    return values.detach().cpu().double().numpy()


def as_pixels(image: Shaped[Tensor, "3 height width"]) -> np.ndarray:
    """An image, uint8 or float in [0, 1], as a uint8 array (H, W, 3)."""
    if image.is_floating_point():
        image = (image.detach().clamp(0, 1) * 255).round().byte()
    return np.ascontiguousarray(image.cpu().permute(1, 2, 0).numpy())


def spoken(joint: str) -> str:
    """The name of a joint as it is written in a text: "left_wrist" -> "left wrist"."""
    return joint.replace("_", " ")


def bounds(points: Sequence[np.ndarray], margin: float = 1.08) -> tuple[np.ndarray, float]:
    """Center (3,) and half side of the smallest cube around all known points, and some margin."""
    stacked = np.concatenate(points)
    stacked = stacked[np.isfinite(stacked).all(axis=-1)]
    low, high = stacked.min(axis=0), stacked.max(axis=0)
    return (low + high) / 2, max(float((high - low).max()) / 2, 1.0) * margin
