"""How good is a pose: MPJPE, PA-MPJPE, PCP and PCK; `ActionTable` averages them.

All functions take the prediction first and the truth second, in mm, and keep the batch dimensions.
None aligns anything by itself unless its name says so.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.action_table import ACTIONS_15, ActionTable
from volpose.skeleton import Skeleton, check_limbs

__all__ = [
    "ACTIONS_15",
    "PARTS",
    "ActionTable",
    "auc",
    "mpjpe",
    "pa_mpjpe",
    "part_scores",
    "pck",
    "pcp",
    "procrustes_align",
    "root_relative",
]

# The parts of Table 7, each with the joints at its two ends; scores are means of left and right.
PARTS = {
    "upper arms": ("shoulder", "elbow"),
    "lower arms": ("elbow", "wrist"),
    "upper legs": ("hip", "knee"),
    "lower legs": ("knee", "ankle"),
}


def root_relative(
    pose: Float[Tensor, "*batch J 3"], root: int | Sequence[int] = 0
) -> Float[Tensor, "*batch J 3"]:
    """Subtract the root from a pose.

    Args:
        pose: (..., J, 3) mm.
        root: the index of the root; of several joints the mean is the root, as for KTH, where
            the paper takes the center of the chest.

    Returns:
        (..., J, 3) mm from the root.

    Paper: Sec. 4.2.
    """
    roots = [root] if isinstance(root, int) else list(root)
    return pose - pose[..., roots, :].mean(dim=-2, keepdim=True)


def mpjpe(
    predicted: Float[Tensor, "*batch J 3"],
    truth: Float[Tensor, "*batch J 3"],
    valid: Bool[Tensor, "*batch J"] | None = None,
) -> Float[Tensor, "*batch"]:
    """Mean per joint position error: the paper's "3D error", when both poses are root-relative.

    Args:
        predicted: (..., J, 3) mm.
        truth: (..., J, 3) mm.
        valid: (..., J), False for a joint to leave out. Default: all count.

    Returns:
        (...) mm; NaN where no joint is valid.

    Raises:
        ValueError: the two have other numbers of joints.

    Paper: Sec. 4.2.
    """
    _check_valid(valid, truth)
    if valid is not None:  # before the norm: a gradient through NaN is NaN even where it is masked
        predicted, truth = (torch.where(valid[..., None], p, 0.0) for p in (predicted, truth))
    return _mean_of_valid(_joint_errors(predicted, truth), valid)


def procrustes_align(
    predicted: Float[Tensor, "*batch J 3"],
    truth: Float[Tensor, "*batch J 3"],
    scale: bool = True,
    valid: Bool[Tensor, "*batch J"] | None = None,
) -> Float[Tensor, "*batch J 3"]:
    """Move the prediction onto the truth by the best rotation, translation and scale.

    Best is the least sum of squared distances (Kabsch, Umeyama). A reflection is never used: a
    pose with left and right swapped stays wrong.

    Args:
        predicted: (..., J, 3) mm.
        truth: (..., J, 3) mm.
        scale: whether the size may change as well.
        valid: (..., J), False for a joint that has no say in the alignment. Default: all count.

    Returns:
        (..., J, 3) mm, the prediction after the alignment.

    Raises:
        ValueError: the two have other joints, or a valid joint is not finite.

    Paper: Sec. 4.2, "reconstruction error".
    """
    _check_same_joints(predicted, truth)
    _check_valid(valid, truth)
    valid = torch.ones_like(truth[..., 0], dtype=torch.bool) if valid is None else valid
    weight = valid.to(truth.dtype)[..., None]
    predicted_mean, from_mean = _centered(predicted, weight, "predicted")
    truth_mean, to_mean = _centered(truth, weight, "truth")
    u, stretch, vh = torch.linalg.svd(to_mean.mT @ from_mean)
    # If U Vh reflects, turn the axis of least agreement round: the best proper rotation.
    sign = torch.ones_like(stretch)
    sign[..., 2] = torch.where(torch.linalg.det(u @ vh) < 0, -1.0, 1.0)
    rotation = u * sign[..., None, :] @ vh
    factor = torch.ones_like(stretch[..., :1])
    if scale:
        spread = from_mean.square().sum(dim=(-2, -1)).clamp_min(torch.finfo(truth.dtype).tiny)
        factor = ((stretch * sign).sum(dim=-1) / spread)[..., None]
    turned = (predicted - predicted_mean) @ rotation.mT
    return factor[..., None] * turned + truth_mean


def pa_mpjpe(
    predicted: Float[Tensor, "*batch J 3"],
    truth: Float[Tensor, "*batch J 3"],
    valid: Bool[Tensor, "*batch J"] | None = None,
) -> Float[Tensor, "*batch"]:
    """MPJPE after Procrustes alignment with scale: the paper's "reconstruction error".

    Arguments, result and errors are those of `mpjpe` and `procrustes_align`.

    Paper: Sec. 4.2.
    """
    return mpjpe(procrustes_align(predicted, truth, valid=valid), truth, valid)


def pcp(
    predicted: Float[Tensor, "*batch J 3"],
    truth: Float[Tensor, "*batch J 3"],
    limbs: Sequence[tuple[int, int]],
    threshold: float | int = 0.5,
    strict: bool = False,
) -> Bool[Tensor, "*batch L"]:
    """Say which limbs are correct: their ends are off by at most half the limb's true length.

    Args:
        predicted: (..., J, 3) mm.
        truth: (..., J, 3) mm.
        limbs: L pairs (parent, joint), such as `Skeleton.limbs`.
        threshold: in true limb lengths.
        strict: each of the two ends must be within the threshold, instead of their mean.

    Returns:
        (..., L), True for a correct limb; False where an end is unknown (NaN). PCP is the share
        of True.

    Paper: Sec. 4.2, KTH Football II.
    """
    check_limbs(limbs, truth.shape[-2])
    errors = _joint_errors(predicted, truth)
    parents, joints = (list(ends) for ends in zip(*limbs, strict=True))
    length = (truth[..., parents, :] - truth[..., joints, :]).norm(dim=-1)
    start, end = errors[..., parents], errors[..., joints]
    off = torch.maximum(start, end) if strict else (start + end) / 2
    return off <= threshold * length


def part_scores(correct: Bool[Tensor, "*batch L"], skeleton: Skeleton) -> dict[str, float]:
    """Summarize the limbs of `pcp` as Table 7 does: upper and lower arms and legs.

    Args:
        correct: (..., L), in the order of `skeleton.limbs`.
        skeleton: names the limbs.

    Returns:
        For each of `PARTS` the fraction of correct limbs, over left, right and all poses.

    Paper: Table 7.
    """
    if correct.shape[-1] != len(skeleton.limbs):
        raise ValueError(
            f"correct must have the {len(skeleton.limbs)} limbs of {skeleton.name}, but its shape "
            f"is {tuple(correct.shape)}"
        )
    columns = {
        part: [
            skeleton.limbs.index((skeleton.index(f"{side}_{a}"), skeleton.index(f"{side}_{b}")))
            for side in ("left", "right")
        ]
        for part, (a, b) in PARTS.items()
    }
    return {part: correct[..., both].double().mean().item() for part, both in columns.items()}


def pck(
    predicted: Float[Tensor, "*batch J 3"],
    truth: Float[Tensor, "*batch J 3"],
    threshold: float | int = 150.0,
    valid: Bool[Tensor, "*batch J"] | None = None,
) -> Float[Tensor, "*batch"]:
    """Fraction of correct joints: those with an error below the threshold (in mm).

    Not in the paper; later work reports it, root-relative, at 150 mm.
    """
    _check_valid(valid, truth)
    errors = _joint_errors(predicted, truth)
    return _mean_of_valid((errors < threshold).to(errors.dtype), valid)


def auc(
    predicted: Float[Tensor, "*batch J 3"],
    truth: Float[Tensor, "*batch J 3"],
    thresholds: Iterable[float | int] = range(0, 151, 5),
    valid: Bool[Tensor, "*batch J"] | None = None,
) -> Float[Tensor, "*batch"]:
    """Area under the curve of PCK over the threshold: the mean of `pck` at these thresholds (mm).

    With the usual 31 thresholds a perfect pose has 30/31, for no error is below 0.
    """
    scores = [pck(predicted, truth, threshold, valid) for threshold in thresholds]
    return torch.stack(scores).mean(dim=0)


def _joint_errors(predicted: Tensor, truth: Tensor) -> Tensor:
    _check_same_joints(predicted, truth)
    return (predicted - truth).norm(dim=-1)


def _check_same_joints(predicted: Tensor, truth: Tensor) -> None:
    if predicted.shape[-2:] != truth.shape[-2:]:
        raise ValueError(
            f"predicted and truth must have the same joints (..., J, 3), but predicted has shape "
            f"{tuple(predicted.shape)} and truth {tuple(truth.shape)}"
        )


def _check_valid(valid: Tensor | None, truth: Tensor) -> None:
    if valid is not None and valid.shape[-1:] != truth.shape[-2:-1]:
        raise ValueError(
            f"valid must have truth's {truth.shape[-2]} joints, but its shape is "
            f"{tuple(valid.shape)}"
        )


def _mean_of_valid(values: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return values.mean(dim=-1)
    return torch.where(valid, values, 0.0).sum(dim=-1) / valid.sum(dim=-1)


def _centered(pose: Tensor, weight: Tensor, argument: str) -> tuple[Tensor, Tensor]:
    """Return the mean (..., 1, 3) of the valid joints, and the pose about it, 0 where invalid."""
    pose = torch.where(weight > 0, pose, 0.0)
    missing = ~pose.isfinite()
    if bool(missing.any()):
        raise ValueError(
            f"{argument} must be finite at every valid joint, but {int(missing.sum())} of "
            f"{missing.numel()} values are not"
        )
    mean = (pose * weight).sum(dim=-2, keepdim=True) / weight.sum(-2, keepdim=True).clamp_min(1)
    return mean, (pose - mean) * weight
