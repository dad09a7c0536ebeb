"""The networks: hourglasses stacked coarse-to-fine, and the coordinate-regression baseline.

Every volumetric network maps (B, 3, S, S) images to a list of volumes (B, J, d, S/4, S/4), one for
each hourglass. This file imports nothing of ours: it takes numbers, not skeletons.

Differences from the released Torch7 code: batch norm and weights are PyTorch's; the last
convolution of each stage starts near zero, so that training starts from "predicts nothing"; no
1x1 convolution stands between the last residual of a stage and its head, as it does in `hg.lua`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class Residual(nn.Module):
    """Pre-activation bottleneck: 1x1 to half the channels, 3x3, 1x1, added to the input.

    Paper: Sec. 3.2, the building block of Newell et al.'s hourglass.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.branch = nn.Sequential(
            *normalized(channels_in),
            nn.Conv2d(channels_in, half, 1),
            *normalized(half),
            nn.Conv2d(half, half, 3, padding=1),
            *normalized(half),
            nn.Conv2d(half, channels_out, 1),
        )
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x).add_(self.skip(x))


class Hourglass(nn.Module):
    """Shrink ``depth`` times, work at every scale, grow back, add.

    Args:
        depth: number of halvings; the input's sides must be multiples of 2 ** depth.
        channels_in, features, channels_out: width at the input, inside and at the output.
        residuals: blocks in a row on each branch; 1 is Newell's hourglass, 3 the released one.

    Paper: Sec. 3.2.
    """

    def __init__(
        self, depth: int, channels_in: int, features: int, channels_out: int, residuals: int = 1
    ) -> None:
        super().__init__()
        self.keep = _residuals(channels_in, features, channels_out, residuals)
        self.shrink = _residuals(channels_in, features, features, residuals)
        if depth > 1:
            self.inner = Hourglass(depth - 1, features, features, channels_out, residuals)
        else:
            self.inner = Residual(features, channels_out)
        self.grow = Residual(channels_out, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        low = self.grow(self.inner(self.shrink(F.max_pool2d(x, 2))))
        return self.keep(x).add_(F.interpolate(low, scale_factor=2, mode="nearest"))


class Stem(nn.Module):
    """Images to features at a quarter of the resolution; also returns what the pooling gave.

    Args:
        features: width of the features.
        blocks: residuals between the pooling and the widening; Newell has 1, the released code 2.
    """

    def __init__(self, features: int, blocks: int = 1) -> None:
        super().__init__()
        quarter, half = features // 4, features // 2
        self.shrink = nn.Sequential(
            nn.Conv2d(3, quarter, 7, stride=2, padding=3),
            *normalized(quarter),
            Residual(quarter, half),
            nn.MaxPool2d(2),
        )
        self.widen = _residuals(half, half, features, blocks + 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.shrink(images)
        return self.widen(pooled), pooled


class Stage(nn.Module):
    """One hourglass and its head: features in; features and a volume out.

    Args:
        num_joints, depth: the volume is (B, J, depth, H, W).
        features: width of what comes in and of what goes out.
        hourglass_depth, residuals: as in `Hourglass`.
    """

    def __init__(
        self, num_joints: int, depth: int, features: int, hourglass_depth: int, residuals: int
    ) -> None:
        super().__init__()
        self.volume_shape = (num_joints, depth)
        self.hourglass = Hourglass(hourglass_depth, features, features, features, residuals)
        self.after = nn.Sequential(Residual(features, features), *normalized(features))
        self.head = near_zero(nn.Conv2d(features, num_joints * depth, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.after(self.hourglass(x))
        channels = self.head(features)  # (B, J*d, H, W), joint-major
        return features, channels.unflatten(1, self.volume_shape)


class CoarseToFine(nn.Module):
    """Hourglasses in a row; each predicts a volume, deeper ones with more slices.

    ``z_bins`` *is* Table 2: (64,) is one hourglass, (64, 64) naive stacking, (1, 2, 4, 64) the
    paper's best row. Stages are wired as by Newell et al.: input + features + volume, the last
    two through a 1x1 convolution each. The authors' wider wiring is
    `volpose.released.ReleasedCoarseToFine`.

    Args:
        num_joints: J.
        z_bins: depth resolution d of each hourglass's volume.
        features: width of the network.
        hourglass_depth: halvings inside an hourglass; 4 takes 64 x 64 features down to 4 x 4.
        residuals: blocks in a row on each branch of an hourglass.

    Attributes:
        recompute: forget each stage's activations and compute them again in the backward pass.

    Raises:
        ValueError: ``z_bins`` that decrease or do not divide the last.

    Paper: Sec. 3.2, Table 2.
    """

    recompute = False

    def __init__(
        self,
        num_joints: int = 17,
        z_bins: Sequence[int] = (1, 2, 4, 64),
        features: int = 256,
        hourglass_depth: int = 4,
        residuals: int = 1,
    ) -> None:
        super().__init__()
        self.z_bins = check_z_bins(z_bins)
        self.stem = Stem(features)
        self.stages = nn.ModuleList(
            Stage(num_joints, d, features, hourglass_depth, residuals) for d in self.z_bins
        )
        between = self.z_bins[:-1]
        self.from_features = nn.ModuleList(nn.Conv2d(features, features, 1) for _ in between)
        self.from_volume = nn.ModuleList(nn.Conv2d(num_joints * d, features, 1) for d in between)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> list[Tensor]:
        """Images in [0, 1] -> one (B, J, d, S/4, S/4) volume for each entry of ``z_bins``."""
        x, _ = self.stem(images)
        volumes = []
        for i, stage in enumerate(self.stages):
            features, volume = recomputed(stage, x) if self.recompute else stage(x)
            volumes.append(volume)
            if i < len(self.from_volume):
                named = self.from_volume[i](volume.flatten(1, 2))
                x = self.from_features[i](features).add_(x).add_(named)
        return volumes


class CoordinateRegression(nn.Module):
    """One hourglass and a fully connected layer that names the coordinates: the baseline.

    Args:
        heatmap_size: side of the features, a quarter of the image's.
        num_joints, features, hourglass_depth, residuals: as in `CoarseToFine`.

    Paper: Sec. 3.1, Eq. 1, Table 1.
    """

    def __init__(
        self,
        num_joints: int = 17,
        heatmap_size: int = 64,
        features: int = 256,
        hourglass_depth: int = 4,
        residuals: int = 1,
    ) -> None:
        super().__init__()
        self.num_joints = num_joints
        self.stem = Stem(features)
        self.hourglass = Hourglass(hourglass_depth, features, features, features, residuals)
        halvings = max(0, (heatmap_size // 8).bit_length() - 1)  # down to 8 x 8
        blocks = [
            m for _ in range(halvings) for m in (Residual(features, features), nn.MaxPool2d(2))
        ]
        side = heatmap_size >> halvings
        self.head = nn.Sequential(
            *blocks,
            Residual(features, features),
            *normalized(features),
            nn.Flatten(),
            near_zero(nn.Linear(features * side**2, 3 * num_joints)),
        )

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch J 3"]:
        """Images in [0, 1] -> positions x, y, z in the unit cube of `Grid.to_unit`."""
        features = self.head[:-1](self.hourglass(self.stem(images)[0]))
        # the coordinates themselves in fp32: in bf16 they would be rounded to 8 mm
        return self.head[-1](features.float()).unflatten(1, (self.num_joints, 3))


def check_z_bins(z_bins: Sequence[int]) -> tuple[int, ...]:
    """The depth resolutions of a stack as a checked tuple.

    Raises:
        ValueError: empty, not positive, decreasing, or not dividing the last.

    Paper: Sec. 3.2, Table 2.
    """
    bins = tuple(int(d) for d in z_bins)
    if not bins or min(bins) < 1 or any(bins[-1] % d for d in bins) or list(bins) != sorted(bins):
        raise ValueError(
            "z_bins must be positive, never decrease, and each divide the last, such as "
            f"(1, 2, 4, 64); got {tuple(z_bins)}"
        )
    return bins


def recomputed(stage: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What ``stage(x)`` gives, without keeping its activations for the backward pass."""
    norms = [m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)]

    @contextmanager
    def again() -> Iterator[None]:
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0  # running statistics must not count the batch twice
        try:
            yield
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum

    return checkpoint(stage, x, use_reentrant=False, context_fn=lambda: (nullcontext(), again()))


def near_zero(layer: nn.Module) -> nn.Module:
    """Start a last layer near zero.

    With PyTorch's default the noise of an untrained volume costs 40 times more than predicting
    nothing, and the first thousands of images only suppress it.
    """
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)
    return layer


def count_parameters(model: nn.Module) -> int:
    """Number of trainable numbers in a network."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def normalized(channels: int) -> tuple[nn.Module, nn.Module]:
    """Batch norm and ReLU: what stands before every convolution but the first."""
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


def _residuals(channels_in: int, features: int, channels_out: int, count: int) -> nn.Sequential:
    """``count`` residuals in a row: channels_in -> features -> ... -> channels_out."""
    widths = [channels_in, *[features] * (count - 1), channels_out]
    return nn.Sequential(*[Residual(a, b) for a, b in itertools.pairwise(widths)])
