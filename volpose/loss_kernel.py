"""The arithmetic of Eq. 3 on a GPU: one Triton kernel that reads a volume once and writes once.

The package imports this module only for volumes on a CUDA device, and only where Triton is
installed; it comes with PyTorch's CUDA packages. Elsewhere PyTorch computes the same numbers.

Why it is about as fast as the loss can be: every voxel costs a handful of operations, so only
memory traffic counts. The gradient with respect to the volume has to be written and the volume
has to be read, and that is all that `difference_and_energy` moves for forward and backward
together, 4 bytes for a bf16 voxel. The target never exists in memory: its factors are J (d + H + W)
numbers a sample, and they stay in cache.
"""

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float
from torch import Tensor

DTYPES = (torch.float32, torch.bfloat16, torch.float64)
SHORTEST_ROW = 32  # voxels; a shorter row of a tile would leave most of a warp without work
TILE = 2048  # voxels for each program of 4 warps: 2 loads of 16 bytes for each thread, in bf16
BLOCK = 8192  # voxels for each program of 8 warps that only multiplies, or does nothing


def difference_and_energy(
    volume: Float[Tensor, "*batch joints depth height width"],
    x: Float[Tensor, "*batch joints width"],
    y: Float[Tensor, "*batch joints height"],
    z: Float[Tensor, "*batch joints depth"],
    valid: Bool[Tensor, "*batch joints"],
    factor: Float[Tensor, ""],
) -> tuple[Float[Tensor, "*batch joints depth height width"], Float[Tensor, ""]]:
    """factor * (volume - target) and ||volume - target||^2 over the labeled joints, in one pass.

    The arithmetic is fp32 (fp64 for an fp64 volume), sums have a fixed order and the host waits for
    nothing. The volume may be contiguous, channels-last or any other dense layout; one with gaps
    is copied first.

    Args:
        volume: fp32, bf16 or fp64. At joints that are not labeled it may hold anything.
        x, y, z, valid: the fields of a `volpose.targets.GaussianTarget`.
        factor: what to multiply the difference by, on the volume's device.

    Returns:
        gradient: of the volume's dtype and layout, 0 at joints that are not labeled.
        energy: the sum of squares, not multiplied by ``factor``, in fp32 (fp64).

    Raises:
        TypeError: a volume of another dtype. In fp16 ``factor`` times the difference is often 0.
        ValueError: shapes that do not fit each other.

    Paper: Sec. 3.1, Eq. 3.
    """
    if volume.dtype not in DTYPES:
        raise TypeError(f"volume must be one of {DTYPES}, got {volume.dtype}")
    shapes = [tuple(part.shape) for part in (x, y, z, valid)]
    joints = volume.shape[:-3]
    expected = [(*joints, volume.shape[axis]) for axis in (-1, -2, -3)] + [tuple(joints)]
    if shapes != expected:
        raise ValueError(f"x, y, z, valid must have the volume's shapes {expected}, got {shapes}")
    samples = volume.reshape(-1, *volume.shape[-4:])
    if (layout := _layout(samples)) is None:
        samples = samples.contiguous()
        layout = _layout(samples)
    strides, columns = layout
    gradient = torch.empty_like(samples)
    rows = samples.numel() // columns
    tile_columns = min(triton.next_power_of_2(columns), 128)
    tile_rows = TILE // tile_columns
    programs = triton.cdiv(rows, tile_rows) * triton.cdiv(columns, tile_columns)
    partial = samples.new_empty(programs, dtype=torch.promote_types(volume.dtype, torch.float32))
    if programs:
        lines = [line.contiguous() for line in (x, y, z, valid.view(torch.uint8))]
        sizes = [samples.shape[0], rows, *samples.shape[1:], *strides]
        with torch.cuda.device_of(volume):
            _difference[(programs,)](
                samples, gradient, partial, *lines, factor, *sizes, columns, tile_rows, tile_columns
            )
    return gradient.view(volume.shape), partial.sum()


def scale_in_place(
    gradient: Float[Tensor, "*shape"], scalar: Float[Tensor, ""]
) -> Float[Tensor, "*shape"]:
    """Multiply a dense tensor by a number on its device; a number of 1 moves no memory.

    Args:
        gradient: changed in place, without autograd's knowledge.
        scalar: fp32 or of the gradient's dtype. The device reads it; the host waits for nothing.

    Returns:
        ``gradient``.

    Raises:
        ValueError: a gradient with gaps between its numbers.
    """
    if _layout(gradient) is None:
        raise ValueError(f"gradient must be dense, got strides {gradient.stride()}")
    count = gradient.numel()
    if count:
        with torch.cuda.device_of(gradient):
            _scale[(triton.cdiv(count, BLOCK),)](gradient, scalar, count, BLOCK, num_warps=8)
    return gradient


def _layout(tensor: Tensor) -> tuple[list[int], int] | None:
    """The stride of each axis and the length of a row of tiles; None if there are gaps.

    A dense tensor, in the order of memory, is a matrix (rows, columns) wherever it is cut between
    two axes. It is cut where a row first has `SHORTEST_ROW` voxels, so that most of the division
    that finds b, j, k, h and w is done once for a row or once for a column, not for each voxel.
    """
    strides = [s if n > 1 else 1 for s, n in zip(tensor.stride(), tensor.shape, strict=True)]
    filled, columns = 1, 1
    for stride, size in sorted(zip(strides, tensor.shape, strict=True)):
        if size > 1 and stride != filled:
            return None
        filled *= max(size, 1)
        columns = filled if columns < SHORTEST_ROW else columns
    return strides, columns


# Triton reads the source of the functions below: a type checker must not wrap them.


@triton.jit
@no_type_check
def _difference(
    volume,
    gradient,
    partial,
    x,
    y,
    z,
    valid,
    factor,
    batch,
    rows,
    joints: tl.constexpr,
    depth: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
    stride_b: tl.constexpr,
    stride_j: tl.constexpr,
    stride_k: tl.constexpr,
    stride_h: tl.constexpr,
    stride_w: tl.constexpr,
    columns: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
):
    """One tile of the volume, seen as a matrix (rows, columns) in the order of memory."""
    program = tl.program_id(0)
    tiles: tl.constexpr = (columns + tile_columns - 1) // tile_columns  # side by side
    row = program // tiles * tile_rows + tl.arange(0, tile_rows)[:, None]
    column = program % tiles * tile_columns + tl.arange(0, tile_columns)[None, :]
    b = _index(row, column, stride_b, batch, columns)
    j = _index(row, column, stride_j, joints, columns)
    k = _index(row, column, stride_k, depth, columns)
    h = _index(row, column, stride_h, height, columns)
    w = _index(row, column, stride_w, width, columns)
    joint = b * joints + j

    # a remainder is never out of range, so only the volume itself needs a mask at the rim
    inside = (row < rows) & (column < columns)
    at = row.to(tl.int64) * columns + column
    real = partial.dtype.element_ty
    target = tl.load(z + joint * depth + k).to(real) * tl.load(y + joint * height + h).to(real)
    target = target * tl.load(x + joint * width + w).to(real)
    difference = tl.load(volume + at, mask=inside, other=0.0).to(real) - target

    keep = inside & (tl.load(valid + joint) != 0)
    scaled = tl.where(keep, difference * tl.load(factor).to(real), 0.0)
    tl.store(gradient + at, scaled.to(gradient.dtype.element_ty), mask=inside)
    tl.store(partial + program, tl.sum(tl.sum(tl.where(keep, difference * difference, 0.0), 1), 0))


@triton.jit
@no_type_check
def _index(row, column, stride: tl.constexpr, size, columns: tl.constexpr):
    """Where along one axis: a column of numbers for an outer axis, a row of them for an inner."""
    return row // (stride // columns) % size if stride >= columns else column // stride % size


@triton.jit
@no_type_check
def _scale(gradient, scalar, count, block: tl.constexpr):
    """Multiply one block of numbers in the order of memory, unless by 1."""
    factor = tl.load(scalar)
    if factor != 1:
        at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
        value = tl.load(gradient + at, mask=at < count) * factor
        tl.store(gradient + at, value.to(gradient.dtype.element_ty), mask=at < count)
