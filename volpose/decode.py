"""From volumes to a metric pose: find the peaks, find the depth of the root, lift."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from volpose.affine import AnyCamera
from volpose.camera import Camera
from volpose.crop import Box, crop_camera
from volpose.skeleton import Skeleton, check_limbs

Volume = Float[Tensor, "*batch depth height width"]


def argmax_voxel(volume: Volume) -> Float[Tensor, "*batch 3"]:
    """The voxel of each joint's highest likelihood, x, y, z; the earliest one of equals.

    Paper: Sec. 3.1 ("the voxel with the maximum likelihood").
    """
    height, width = volume.shape[-2:]
    flat = volume.flatten(-3).argmax(-1)
    x, y, z = flat % width, flat // width % height, flat // (width * height)
    # never in bfloat16, whose 8 bits are too few for millimeters
    return torch.stack([x, y, z], -1).to(torch.promote_types(volume.dtype, torch.float32))


def confidence(volume: Volume) -> Float[Tensor, "*batch"]:
    """The height of each joint's peak, clamped to [0, 1]: 1 for a perfectly drawn joint."""
    return volume.amax((-3, -2, -1)).float().clamp(0, 1)


def peak_voxel(volume: Volume, reach: int = 2) -> Float[Tensor, "*batch 3"]:
    """The peak of each joint between the voxels; needs no retraining.

    Around the highest voxel a box of 2 * reach + 1 voxels is cut out. Along each axis the box is
    summed over the two others, and a parabola through the logarithms of the three middle sums
    gives the peak: exact for any Gaussian, and steadied by the sums when the volume is predicted.

    Args:
        volume: likelihoods; what is below zero counts as zero.
        reach: half the side of the box in voxels.

    Returns:
        x, y, z. An axis keeps its integer where the highest voxel lies on the grid's border.

    Paper: not in the paper, which takes the argmax (Sec. 3.1).
    """
    volume = volume.contiguous()  # once, not for each of the two passes
    return between_voxels(volume, argmax_voxel(volume).long(), reach)


def between_voxels(
    volume: Volume, top: Int[Tensor, "*batch 3"], reach: int = 2
) -> Float[Tensor, "*batch 3"]:
    """Where the peak at a given voxel lies between the voxels, as `peak_voxel` finds it.

    Args:
        volume: likelihoods.
        top: integer voxels x, y, z of local maxima.
        reach: half the side of the box in voxels.
    """
    box, inside = _boxes(volume, top, reach)
    box = box.float().clamp(min=0) * inside
    shifts = []
    for axis, (size, others) in enumerate(
        zip(volume.shape[:-4:-1], [(-3, -2), (-3, -1), (-2, -1)], strict=True)
    ):
        low, middle, high = box.sum(others)[..., reach - 1 : reach + 2].unbind(-1)
        interior = (top[..., axis] > 0) & (top[..., axis] < size - 1)
        shifts.append(torch.where(interior, _parabola_peak(low, middle, high), 0.0))
    return (top + torch.stack(shifts, -1)).to(torch.promote_types(volume.dtype, torch.float32))


def window_voxel(volume: Volume, reach: int = 2) -> Float[Tensor, "*batch 3"]:
    """The mean position near the peak, weighted by the likelihood.

    What lies far away no longer pulls, as it does in `integral_voxel`; the window's rim still does.

    Args:
        volume: likelihoods; what is below zero counts as zero.
        reach: half the side of the window around the highest voxel.

    Returns:
        x, y, z.

    Paper: not in the paper; known as local soft-argmax.
    """
    volume = volume.contiguous()
    top = argmax_voxel(volume)
    box, inside = _boxes(volume, top.long(), reach)
    return top + integral_voxel(box.float() * inside) - reach


def integral_voxel(volume: Volume) -> Float[Tensor, "*batch 3"]:
    """The mean position x, y, z, weighted by the likelihood; what is below zero counts as zero.

    It needs no peak and has a gradient, but every bit of likelihood far away pulls on it: it suits
    networks that were trained through it, not those trained on Gaussians.

    Returns:
        x, y, z; the middle of the grid for a volume without any likelihood.

    Paper: not in the paper; integral regression came after it.
    """
    weights = volume.float().clamp(min=0)
    means = []
    for size, others in zip(volume.shape[:-4:-1], [(-3, -2), (-3, -1), (-2, -1)], strict=True):
        line = weights.sum(others) + torch.finfo(torch.float32).tiny
        at = torch.arange(size, device=volume.device, dtype=torch.float32)
        means.append((line * at).sum(-1) / line.sum(-1))
    return torch.stack(means, -1)


def _boxes(volume: Tensor, center: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Cut a (2r+1)^3 box around an integer voxel x, y, z; also say which of it is in the grid."""
    offsets = torch.arange(-reach, reach + 1, device=volume.device)
    sizes = volume.shape[-3:]
    at = [center[..., 2 - axis, None] + offsets for axis in range(3)]  # z, y, x
    known = [(a >= 0) & (a < n) for a, n in zip(at, sizes, strict=True)]
    z, y, x = (a.clamp(0, n - 1) for a, n in zip(at, sizes, strict=True))
    flat = (z[..., :, None, None] * sizes[1] + y[..., None, :, None]) * sizes[2]
    flat = flat + x[..., None, None, :]
    box = volume.flatten(-3).gather(-1, flat.flatten(-3)).view(flat.shape)
    inside = (
        known[0][..., :, None, None] & known[1][..., None, :, None] & known[2][..., None, None, :]
    )
    return box, inside


def _parabola_peak(low: Tensor, middle: Tensor, high: Tensor) -> Tensor:
    """Where the parabola through the logs of three neighbors peaks, in voxels from the middle."""
    tiny = torch.finfo(middle.dtype).tiny
    a, b, c = (v.clamp(min=tiny).log() for v in (low, middle, high))
    curvature = (2 * b - a - c).clamp(min=1e-6)
    return ((c - a) / (2 * curvature)).clamp(-1, 1)


def mirror_average(
    volumes_of: Callable[[Tensor], Tensor],
    crops: Float[Tensor, "batch 3 side side"],
    skeleton: Skeleton,
) -> Float[Tensor, "batch joints depth height width"]:
    """Average the volumes of the crops and of their mirror images, mirrored back.

    Args:
        volumes_of: maps crops to the last volumes (B, J, D, H, W).
        crops: images.
        skeleton: says which joints change places.

    Paper: not in the paper; the released test code does it.
    """
    mirrored = volumes_of(crops.flip(-1)).flip(-1)
    if mirrored.shape[1] != skeleton.num_joints:
        raise ValueError(
            f"volumes must have the {skeleton.num_joints} joints of {skeleton.name}, but there are "
            f"{mirrored.shape[1]}"
        )
    back = mirrored[:, list(skeleton.mirror)]
    return (volumes_of(crops) + back) / 2


def metric_pose(
    places: Float[Tensor, "*batch joints 3"],
    box: Box,
    camera: AnyCamera,
    root_depth: Float[Tensor, "*#batch"],
    crop_size: float = 256.0,
) -> Float[Tensor, "*batch joints 3"]:
    """Lift places to millimeters in the camera's frame.

    A crop is a change of intrinsics and nothing else, so the rays are exact.

    Args:
        places: x, y in crop pixels, z in mm from the root.
        box: where the crop was taken.
        camera: the camera of the whole image.
        root_depth: depth of the root joint, mm.
        crop_size: side of the crop in pixels.

    Paper: Sec. 4.3.
    """
    depth = root_depth[..., None] + places[..., 2]
    return crop_camera(camera, box, crop_size).back_project(places[..., :2], depth)


def root_depth_from_limbs(
    places: Float[Tensor, "*batch joints 3"],
    box: Box,
    camera: Camera,
    limbs: Sequence[tuple[int, int]],
    lengths: Float[Tensor, "*#batch limbs"],
    crop_size: float = 256.0,
    steps: int = 8,
    trusted: float = math.inf,
) -> Float[Tensor, "*batch"]:
    """The root depth at which the limbs are closest to known lengths, least squares.

    With Z the root depth, a limb is the vector Z a + b, where a and b follow from its two rays. A
    closed form that equates the sums of squares starts a few Gauss-Newton steps; all batched.

    Args:
        places, box, camera, crop_size: as in `metric_pose`.
        limbs: (parent, joint) index pairs.
        lengths: their lengths, mm: the subject's own or the mean of the training subjects; NaN for
            a limb that does not count.
        steps: Gauss-Newton steps.
        trusted: mm; a limb that is off by more counts with the distance and no longer with its
            square (Huber's loss), so that one wrong joint cannot move the whole person.

    Returns:
        Root depth in mm, positive.

    Raises:
        ValueError: there are other numbers of limbs and lengths.

    Paper: Sec. 4.3 (root depth from an average skeleton), used for Table 4.
    """
    _check_lengths(places, limbs, lengths)
    lengths = lengths.to(places.device)
    rays = crop_camera(camera, box, crop_size).back_project(
        places[..., :2], torch.ones_like(places[..., 2])
    )
    start, end = (list(side) for side in zip(*limbs, strict=True))
    offset = places[..., 2:] * rays
    a = rays[..., end, :] - rays[..., start, :]
    b = offset[..., end, :] - offset[..., start, :]
    counts = lengths.isfinite()
    a, b = (torch.where(counts[..., None], side, 0.0) for side in (a, b))
    lengths = torch.where(counts, lengths, 0.0)
    nearest = 1.0 - places[..., 2].amin(-1)  # every joint stays in front of the camera
    return _closest_factor(a, b, lengths, nearest, steps, trusted)


def orthographic_pose(
    places: Float[Tensor, "*batch joints 3"],
    limbs: Sequence[tuple[int, int]],
    lengths: Float[Tensor, "*#batch limbs"],
    steps: int = 8,
    trusted: float = math.inf,
) -> Float[Tensor, "*batch joints 3"]:
    """Lift places to millimeters without a camera, as if all of a person were equally far away.

    One factor, mm per crop pixel, turns x and y into mm; it is the one at which the limbs are
    closest to known lengths, least squares. The depths stay as they are.

    Args:
        places: x, y in crop pixels, z in mm from the root.
        limbs: (parent, joint) index pairs.
        lengths: their lengths, mm.
        steps, trusted: as in `root_depth_from_limbs`.

    Returns:
        mm, x to the right, y down, z forward; the crop's corner and the root's depth are 0.

    Raises:
        ValueError: there are other numbers of limbs and lengths.

    Paper: not said; KTH Football II (Sec. 4.2) has affine cameras, without a focal length.
    """
    _check_lengths(places, limbs, lengths)
    start, end = (list(side) for side in zip(*limbs, strict=True))
    limb = places[..., end, :] - places[..., start, :]
    flat, deep = limb.clone(), limb.clone()
    flat[..., 2], deep[..., :2] = 0.0, 0.0
    smallest = torch.full_like(places[..., 0, 0], 1e-3)
    factor = _closest_factor(flat, deep, lengths.to(places), smallest, steps, trusted)
    return torch.cat([factor[..., None, None] * places[..., :2], places[..., 2:]], -1)


def _closest_factor(
    a: Tensor, b: Tensor, lengths: Tensor, lowest: Tensor, steps: int, trusted: float
) -> Tensor:
    """The Z, at least `lowest`, at which the vectors Z a + b (..., L, 3) are closest to lengths."""
    # sum |Z a + b|^2 = sum L^2, a quadratic in Z
    aa, ab, bb = a.square().sum((-2, -1)), (a * b).sum((-2, -1)), b.square().sum((-2, -1))
    rest = lengths.square().sum(-1) - bb
    found = ((ab.square() + aa * rest).clamp(min=0).sqrt() - ab) / aa.clamp(min=1e-12)
    for _ in range(steps):
        found = torch.maximum(found, lowest)
        limb = found[..., None, None] * a + b
        norm = limb.norm(dim=-1).clamp(min=1e-6)
        slope = (limb * a).sum(-1) / norm
        off = norm - lengths
        weight = (trusted / off.abs().clamp(min=1e-6)).clamp(max=1.0)
        curvature = (weight * slope.square()).sum(-1).clamp(min=1e-12)
        found = found - (weight * off * slope).sum(-1) / curvature
    return torch.maximum(found, lowest)


def _check_lengths(places: Tensor, limbs: Sequence[tuple[int, int]], lengths: Tensor) -> None:
    if lengths.shape[-1] != len(limbs):
        raise ValueError(f"lengths must name {len(limbs)} limbs, got {lengths.shape[-1]}")
    check_limbs(limbs, places.shape[-2])


def limb_lengths(
    pose: Float[Tensor, "*batch joints 3"], limbs: Sequence[tuple[int, int]]
) -> Float[Tensor, "*batch limbs"]:
    """Length of every limb, mm."""
    check_limbs(limbs, pose.shape[-2])
    start, end = (list(side) for side in zip(*limbs, strict=True))
    return (pose[..., end, :] - pose[..., start, :]).norm(dim=-1)
