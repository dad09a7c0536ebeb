"""The loss, the decoders, the forward pass and the studio, each against a plain way to do it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from volpose.bench.timing import Effort, compare, race, rounded
from volpose.decode import argmax_voxel, peak_voxel
from volpose.grid import Grid
from volpose.losses import volume_loss
from volpose.network import NetworkConfig
from volpose.precision import convolve_in_bf16, has_fast_bf16
from volpose.studio import Studio
from volpose.targets import GaussianTarget, coarse_to_fine_targets

LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}


@dataclass(frozen=True)
class Volumes:
    """A batch of volumes as the last convolution of a network leaves them.

    Args:
        batch: number of samples.
        shape: (J, d, H, W).
        dtype: "fp32" or "bf16".
        layout: "contiguous" or "channels-last".
    """

    batch: int
    shape: tuple[int, int, int, int]
    dtype: str
    layout: str

    def __str__(self) -> str:
        sizes = " x ".join(map(str, (self.batch, *self.shape)))
        return f"{sizes}, {self.dtype} {self.layout}"

    @property
    def bytes(self) -> int:
        """Memory that the volumes take."""
        return self.batch * math.prod(self.shape) * DTYPES[self.dtype].itemsize

    def make(self, device: str | torch.device = "cpu") -> tuple[Tensor, GaussianTarget]:
        """Random likelihoods (B, J, d, H, W), the same in every call, and a target for them."""
        dice = torch.Generator().manual_seed(0)
        joints, *sizes = self.shape
        channels = torch.rand(self.batch, joints * sizes[0], *sizes[1:], generator=dice)
        channels = channels.to(device, DTYPES[self.dtype], memory_format=LAYOUTS[self.layout])
        largest = torch.tensor(sizes[::-1]) - 1.0
        voxels = (torch.rand(self.batch, joints, 3, generator=dice) * largest).to(device)
        (target,) = coarse_to_fine_targets(voxels, Grid(tuple(sizes)), sizes[:1])
        return channels.unflatten(1, (joints, sizes[0])), target


def limits(size: int, mebibytes: int, effort: Effort, device: str) -> dict:
    """What the machine can do at best: the fastest of several tries.

    Args:
        size: of the square matrices that are multiplied.
        mebibytes: of the buffer that is copied; far more than the caches hold.
        effort, device: as in `race`.

    Returns:
        ``fp32_gflops`` and ``bf16_gflops`` of a matrix product; ``copy_gb_s`` and, for half a MiB
        that stays in the cache of a core, ``cache_gb_s``: bytes read plus bytes written.
    """
    matrices = {name: torch.rand(size, size, device=device).to(DTYPES[name]) for name in DTYPES}
    far = [torch.ones(mebibytes * 2**18, device=device) for _ in range(2)]
    near, times_near = [torch.ones(2**17, device=device) for _ in range(2)], 100
    works = {f"{name}_gflops": _product(matrix) for name, matrix in matrices.items()}
    works["copy_gb_s"] = lambda: far[1].copy_(far[0])
    works["cache_gb_s"] = lambda: [near[1].copy_(near[0]) for _ in range(times_near)]
    for work in works.values():
        work()
    amounts = [2 * size**3] * 2 + [2 * far[0].nbytes, 2 * near[0].nbytes * times_near]
    times = race(works, effort, device)
    return {
        name: rounded(amount / 1e9 / times[name]["fastest_s"])
        for name, amount in zip(works, amounts, strict=True)
    }


def _product(matrix: Tensor) -> Callable[[], Tensor]:
    out = torch.empty_like(matrix)
    return lambda: torch.mm(matrix, matrix, out=out)


LOSSES = {
    "naive": lambda volume, target: F.mse_loss(volume, target.volume().to(volume.dtype)),
    "naive in fp32": lambda volume, target: F.mse_loss(volume.float(), target.volume()),
    "fused": lambda volume, target: volume_loss([volume], [target], "mean"),
}


def loss_work(form: str, case: Volumes, device: str) -> Callable[[], tuple[Tensor, Tensor]]:
    """Forward and backward through one of `LOSSES`: gives loss and gradient."""
    volume, target = case.make(device)
    volume.requires_grad_()

    def work() -> tuple[Tensor, Tensor]:
        value = LOSSES[form](volume, target)
        value.backward()
        gradient, volume.grad = volume.grad, None
        return value, gradient

    return work


def loss(case: Volumes, effort: Effort, device: str, limit: dict) -> dict:
    """The volumetric loss, forward and backward; at best the time to read and write a volume.

    The naive form builds the target and takes PyTorch's mean squared error, in the volume's number
    format or in fp32. "copy" copies the volume and does nothing else.
    """
    forms = [form for form in LOSSES if case.dtype != "fp32" or form != "naive in fp32"]
    works: dict[str, Callable] = {form: loss_work(form, case, device) for form in forms}
    volume, _ = case.make(device)
    gradient = torch.empty_like(volume)

    def bare_copy() -> None:
        gradient.copy_(volume)

    works["copy"] = bare_copy
    entry = compare(f"loss, {case}", works, effort, device, TOLERANCE[case.dtype])
    return entry | {"ours": "fused", "limit_s": rounded(2 * case.bytes / 1e9 / limit["copy_gb_s"])}


def decode(case: Volumes, effort: Effort, device: str, limit: dict) -> list[dict]:
    """Both decoders; at best the time to read a volume once.

    The argmax is compared with PyTorch's, on a contiguous copy if the volume is not contiguous;
    the peak with a loop in numpy that takes one joint after another.
    """
    volume, _ = case.make(device)
    decoders = {
        "argmax": {"unravel": lambda: _argmax(volume), "volpose": lambda: argmax_voxel(volume)},
        "peak": {"joint by joint": lambda: _peaks(volume), "volpose": lambda: peak_voxel(volume)},
    }
    least = rounded(case.bytes / 1e9 / limit["copy_gb_s"])
    return [
        compare(f"{name}, {case}", works, effort, device, 1e-5)
        | {"ours": "volpose", "limit_s": least}
        for name, works in decoders.items()
    ]


def _argmax(volume: Tensor) -> Tensor:
    flat = volume.contiguous().flatten(-3).argmax(-1)
    z, y, x = torch.unravel_index(flat, volume.shape[-3:])
    return torch.stack([x, y, z], -1).float()


def _peaks(volume: Tensor, reach: int = 2) -> Tensor:
    """What `peak_voxel` computes, as one would first write it."""
    volumes = volume.float().cpu().numpy()
    peaks = np.zeros((*volumes.shape[:2], 3), np.float32)
    for sample, joint in np.ndindex(volumes.shape[:2]):
        one = volumes[sample, joint]
        top = np.unravel_index(one.argmax(), one.shape)
        padded = np.pad(one.clip(0), reach)
        box = padded[tuple(slice(center, center + 2 * reach + 1) for center in top)]
        for axis, center in enumerate(top):
            shift = 0.0
            if 0 < center < one.shape[axis] - 1:
                sums = box.sum(tuple({0, 1, 2} - {axis}))[reach - 1 : reach + 2]
                a, b, c = np.log(sums.clip(np.finfo(np.float32).tiny))
                shift = np.clip((c - a) / (2 * max(2 * b - a - c, 1e-6)), -1, 1)
            peaks[sample, joint, 2 - axis] = center + shift
    return torch.from_numpy(peaks)


def flops(network: NetworkConfig, backward: bool = False) -> int:
    """Operations (two for a product and a sum) that one crop takes in a network's convolutions."""
    # imported here: it looks for Triton, which the book's API pages stand in for
    from torch.utils.flop_counter import FlopCounterMode

    model, crop = network.build(), torch.rand(1, 3, network.image_size, network.image_size)
    with torch.set_grad_enabled(backward), FlopCounterMode(display=False) as counter:
        volumes = model(crop)
        if backward:
            torch.stack([volume.sum() for volume in volumes]).sum().backward()
    return counter.get_total_flops()


def forward(
    name: str, network: NetworkConfig, batch: int, effort: Effort, device: str, limit: dict
) -> dict:
    """A network as PyTorch builds it, channels-last, and in bf16 where that pays.

    Args:
        name: of the network.
        network: with random weights; has volumes.
        batch: number of crops.
        effort, device: as in `race`.
        limit: of `limits`.

    Returns:
        As `compare`; ``gflop`` of the batch, and ``limit_s``: as long as a matrix product of as
        many operations takes.
    """
    works = {"plain": _forward(network, batch, "fp32", "contiguous", device)}
    works["channels-last"] = _forward(network, batch, "fp32", "channels-last", device)
    ours, dtype = "channels-last", "fp32"
    if has_fast_bf16(torch.device(device)):
        ours = dtype = "bf16"
        works[ours] = _forward(network, batch, "bf16", "channels-last", device)
    entry = compare(f"forward, {name}, {batch} crops", works, effort, device, 0.1)
    gflop = batch * flops(network) / 1e9
    least = rounded(gflop / limit[f"{dtype}_gflops"])
    return entry | {"ours": ours, "gflop": rounded(gflop), "limit_s": least}


def _forward(
    network: NetworkConfig, batch: int, dtype: str, layout: str, device: str
) -> Callable[[], Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = network.build().to(device).eval()
        crops = torch.rand(batch, 3, network.image_size, network.image_size).to(device)
    model = model.to(memory_format=LAYOUTS[layout])
    model = convolve_in_bf16(model) if dtype == "bf16" else model
    crops = crops.to(DTYPES[dtype], memory_format=LAYOUTS[layout])
    mode = torch.no_grad if layout == "contiguous" else torch.inference_mode

    def work() -> Tensor:
        with mode():
            return model(crops)[-1]

    return work


def render(size: int, images: int, effort: Effort, device: str) -> dict:
    """The studio, one picture at a time and many together; ``images_per_s`` of the latter."""
    studio = Studio("train", size=size, count=images, device=device)
    works = {
        "one by one": lambda: torch.cat([studio.batch([i]).image for i in range(images)]),
        "together": lambda: studio.batch(range(images)).image,
    }
    entry = compare(f"render, {images} pictures of {size} px", works, effort, device)
    median = entry["times"]["together"]["median_s"]
    megapixels = images * size**2 / 1e6
    rates = {"images_per_s": images / median, "s_per_megapixel": median / megapixels}
    return entry | {"ours": "together"} | {name: rounded(rate) for name, rate in rates.items()}
