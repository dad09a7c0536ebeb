"""The distance of a volume to a Gaussian, and its gradient, in one pass that builds no target."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType

import torch
from torch import Tensor

# voxels worked on at a time: what one step leaves, the next finds in the cache
CHUNK = 2**21
COPIED = 2**18  # in bf16 and fp16, where a chunk is also copied to fp32


class SquaredDistance(torch.autograd.Function):
    """factor * ||p - G||^2 over the labeled joints of volumes p (B, J, d, H, W).

    G is the product of a plane and a line, so p - G takes one pass over p and no memory; the
    gradient is a multiple of it, so the same pass writes it. The backward pass hands the gradient
    on, and multiplies only if something other than 1 comes in. Sums are kept in fp32 for bf16.
    """

    @staticmethod
    def forward(ctx, volume, x, y, z, valid, factor):
        """Args: volume, the fields of its `GaussianTarget`, and a number in a 0-dim tensor."""
        ctx.save_for_backward(volume, x, y, z, valid, factor)
        energy, ctx.gradient = _one_pass(volume, x, y, z, valid, factor, ctx.needs_input_grad[0])
        return energy * factor

    @staticmethod
    def backward(ctx, incoming):
        if torch.is_grad_enabled():  # create_graph: its gradient would lack a term, unnoticed
            raise RuntimeError("volume_loss has no second derivative; use plain_volume_loss")
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:  # a second time through a graph that was kept
            _, gradient = _one_pass(*ctx.saved_tensors, True)
        return _scaled(gradient, incoming), None, None, None, None, None


def _one_pass(
    volume: Tensor, x: Tensor, y: Tensor, z: Tensor, valid: Tensor, factor: Tensor, keep: bool
) -> tuple[Tensor, Tensor | None]:
    """||p - G||^2, and 2 * factor * (p - G) if it is to be kept."""
    if (kernel := _kernel(volume)) is not None:
        gradient, energy = kernel.difference_and_energy(volume, x, y, z, valid, 2 * factor)
        return energy, gradient if keep else None
    gradient = torch.empty_like(volume) if keep else None
    batch = volume.dim() - 4
    # everything as (B, J, d, H, W), then in the order of memory, whatever the layout
    p, x, y, z, valid = (t.reshape(-1, *t.shape[batch:]) for t in (volume, x, y, z, valid))
    order = sorted(range(5), key=p.stride, reverse=True)
    plane = (y[:, :, None, :, None] * x[:, :, None, None, :]).to(p.dtype)
    plane = plane.permute(order).contiguous().expand(p.permute(order).shape)
    line = z[..., None, None].to(p.dtype).permute(order).expand_as(plane)
    masked = not bool(valid.all())
    hidden = (~valid)[..., None, None, None].permute(order).expand_as(plane)
    out = None if gradient is None else gradient.view(p.shape).permute(order)
    p, exact = p.permute(order), torch.promote_types(p.dtype, torch.float32)
    energy = torch.zeros((), dtype=exact, device=p.device)
    for piece in _pieces(p):
        here = None if out is None else out[piece]
        difference = torch.addcmul(p[piece], plane[piece], line[piece], value=-1, out=here)
        if masked:
            difference.masked_fill_(hidden[piece], 0)
        row = difference.reshape(-1).to(exact)
        energy += torch.dot(row, row)
        if keep:
            difference.mul_(2 * factor)
    return energy, gradient


def _pieces(p: Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of the two slowest axes, of about CHUNK voxels each; a GPU takes all at once."""
    size = COPIED if p.dtype.itemsize < 4 else CHUNK
    size = size if p.device.type == "cpu" else max(p.numel(), 1)
    samples = max(1, size // max(1, p[0].numel()))
    rows = max(1, size // max(1, p[0, 0].numel())) if samples == 1 else p.shape[1]
    for start in range(0, p.shape[0], samples):
        for row in range(0, p.shape[1], rows):
            yield slice(start, start + samples), slice(row, row + rows)


def _scaled(gradient: Tensor, incoming: Tensor) -> Tensor:
    if (kernel := _kernel(gradient)) is not None:
        return kernel.scale_in_place(gradient, incoming)
    if incoming.device.type == "cpu" and incoming.item() == 1:
        return gradient
    return gradient.mul_(incoming)


def _kernel(volume: Tensor) -> ModuleType | None:
    """`volpose.loss_kernel` if it can take this volume."""
    return _loaded_kernel() if volume.is_cuda and volume.dtype != torch.float16 else None


@lru_cache
def _loaded_kernel() -> ModuleType | None:
    """None without Triton, or without the C compiler that Triton needs when it first runs."""
    try:
        from volpose import loss_kernel

        one = torch.ones((), device="cuda")
        loss_kernel.scale_in_place(one.clone(), one)
    except (ImportError, RuntimeError):
        return None
    return loss_kernel
