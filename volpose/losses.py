"""The two losses the paper compares: on coordinates (Eq. 1) and on volumes (Eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

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


def stage_losses(
    volumes: Sequence[Tensor], targets: Sequence[GaussianTarget], reduction: str = "mean"
) -> list[Float[Tensor, ""]]:
    """The terms of `volume_loss`, one for each hourglass of the stack."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    if len(volumes) != len(targets):
        raise ValueError(f"got {len(volumes)} volumes for {len(targets)} targets")
    return [_stage_loss(v, t, reduction) for v, t in zip(volumes, targets, strict=True)]


def _stage_loss(volume: Tensor, target: GaussianTarget, reduction: str) -> Tensor:
    expected = (*target.z.shape, target.y.shape[-1], target.x.shape[-1])
    if volume.shape != expected:
        raise ValueError(f"volume must have the target's shape {expected}, got {volume.shape}")
    squared = SquaredDistance.apply(volume, *target)
    joints = target.valid.sum().clamp(min=1)
    if reduction == "mean":
        return squared / (joints * math.prod(expected[-3:]))
    if reduction == "sum":
        return squared / max(target.valid[..., 0].numel(), 1)
    energy = torch.where(target.valid, target.energy(), 0.0).sum()
    return squared / energy.clamp(min=torch.finfo(energy.dtype).tiny)


class SquaredDistance(torch.autograd.Function):
    """||p - G||^2 over the labeled joints, without building G.

    G is the product of a plane and a line, so p - G takes one pass over p; the backward pass is a
    multiple of it. Sums are kept in fp32 when the volume is bf16.
    """

    @staticmethod
    def forward(ctx, volume, x, y, z, valid):
        """Args: volume (*batch, J, d, H, W) and the fields of its `GaussianTarget`."""
        plane = (y[..., :, None] * x[..., None, :])[..., None, :, :].to(volume.dtype)
        line = z[..., :, None, None].to(volume.dtype)
        difference = torch.addcmul(volume, plane, line, value=-1)
        if not bool(valid.all()):
            difference.masked_fill_(~valid[..., None, None, None], 0)
        ctx.save_for_backward(difference)
        # in the order of memory, whatever the layout, so that nothing is copied but to fp32
        order = sorted(range(difference.dim()), key=difference.stride, reverse=True)
        flat = difference.permute(order).reshape(-1)
        flat = flat.float() if flat.dtype in (torch.bfloat16, torch.float16) else flat
        return torch.dot(flat, flat)

    @staticmethod
    def backward(ctx, gradient):
        (difference,) = ctx.saved_tensors
        return difference * (2 * gradient).to(difference.dtype), None, None, None, None
