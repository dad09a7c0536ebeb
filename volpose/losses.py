"""The two losses the paper compares: on coordinates (Eq. 1) and on volumes (Eq. 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.fused import SquaredDistance
from volpose.targets import GaussianTarget

REDUCTIONS = ("mean", "sum", "relative")


def coordinate_loss(
    predicted: Float[Tensor, "*batch joints 3"],
    truth: Float[Tensor, "*batch joints 3"],
    valid: Bool[Tensor, "*batch joints"] | None = None,
) -> Float[Tensor, ""]:
    """Squared distance of every joint, summed over the joints and averaged over the batch.

    Args:
        predicted, truth: positions in one unit, such as those of `Grid.to_unit`.
        valid: False for a joint that is not to be learned from; its truth may be NaN.

    Raises:
        ValueError: the two have other shapes.

    Paper: Sec. 3.1, Eq. 1.
    """
    if predicted.shape != truth.shape:
        raise ValueError(
            f"predicted must have truth's shape {tuple(truth.shape)}, got {tuple(predicted.shape)}"
        )
    if valid is None:
        valid = torch.ones(truth.shape[:-1], dtype=torch.bool, device=truth.device)
    if valid.shape != truth.shape[:-1]:
        raise ValueError(
            f"valid must have shape {tuple(truth.shape[:-1])}, got {tuple(valid.shape)}"
        )
    difference = torch.where(valid[..., None], predicted - truth, torch.zeros_like(predicted))
    return difference.float().square().sum((-2, -1)).mean()


def volume_loss(
    volumes: Sequence[Tensor], targets: Sequence[GaussianTarget], reduction: str = "mean"
) -> Float[Tensor, ""]:
    """Squared difference of predicted and target volumes, summed over the stack.

    The targets are never built: see `volpose.fused.SquaredDistance`.

    Args:
        volumes: one (*batch, J, d, H, W) tensor for each hourglass.
        targets: one `GaussianTarget` for each hourglass, of the same shapes.
        reduction: "sum" over voxels, averaged over the batch (Eq. 3 as printed); "mean" over the
            voxels of the labeled joints (the released code); "relative" to the energy of the
            target, so that 1.0 is the loss of a network that predicts nothing, at every depth.

    Raises:
        ValueError: unknown reduction, or another number of volumes than of targets.

    Paper: Sec. 3.1, Eq. 3; summed over the hourglasses as in Sec. 3.2.
    """
    return torch.stack(stage_losses(volumes, targets, reduction)).sum()


def plain_volume_loss(
    volumes: Sequence[Tensor], targets: Sequence[GaussianTarget], reduction: str = "mean"
) -> Float[Tensor, ""]:
    """The same number as `volume_loss`, written as in the paper: for reading and for tests.

    Args and errors as in `volume_loss`. Paper: Sec. 3.1, Eq. 3.
    """
    total = torch.zeros((), device=volumes[0].device)
    for volume, target in zip(volumes, targets, strict=True):
        labeled = target.valid[..., None, None, None]
        difference = torch.where(labeled, volume.float() - target.volume(), 0.0)
        total = total + difference.square().sum() / normalizer(target, reduction)
    return total


def stage_losses(
    volumes: Sequence[Tensor],
    targets: Sequence[GaussianTarget],
    reduction: str | Sequence[Tensor] = "mean",
) -> list[Float[Tensor, ""]]:
    """The terms of `volume_loss`, one for each hourglass of the stack.

    Args:
        volumes, targets: as in `volume_loss`.
        reduction: as in `volume_loss`, or for each stage the number to divide the sum of squares
            by: processes that share a batch take the mean of their `normalizer`.
    """
    if len(volumes) != len(targets):
        raise ValueError(f"got {len(volumes)} volumes for {len(targets)} targets")
    if isinstance(reduction, str):
        reduction = [normalizer(target, reduction) for target in targets]
    return [_stage_loss(*each) for each in zip(volumes, targets, reduction, strict=True)]


def normalizer(target: GaussianTarget, reduction: str) -> Float[Tensor, ""]:
    """What the sum of squares of one stage is divided by.

    Args:
        target: of the stage.
        reduction: as in `volume_loss`.

    Raises:
        ValueError: unknown reduction.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    if reduction == "sum":
        return target.x.new_tensor(float(max(target.valid[..., 0].numel(), 1)))
    if reduction == "mean":
        voxels = target.z.shape[-1] * target.y.shape[-1] * target.x.shape[-1]
        return target.valid.sum().clamp(min=1).to(target.x.dtype) * voxels
    energy = torch.where(target.valid, target.energy(), 0.0).sum()
    return energy.clamp(min=torch.finfo(energy.dtype).tiny)


def _stage_loss(volume: Tensor, target: GaussianTarget, divisor: Tensor) -> Tensor:
    expected = (*target.z.shape, target.y.shape[-1], target.x.shape[-1])
    if volume.shape != expected:
        raise ValueError(f"volume must have the target's shape {expected}, got {volume.shape}")
    if volume.dtype == torch.float16:  # where a gradient of one voxel in millions would be 0
        volume = volume.float()
    return SquaredDistance.apply(volume, *target, 1 / divisor)
