"""A trained network together with all it takes to use it: grid, joints, crop size, decoder."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from volpose.decode import (
    argmax_voxel,
    confidence,
    integral_voxel,
    mirror_average,
    peak_voxel,
    window_voxel,
)
from volpose.grid import Grid
from volpose.network import LIFTING, NetworkConfig
from volpose.precision import convolve_in_bf16, resolve
from volpose.skeleton import SKELETONS, Skeleton, mirror_joints
from volpose.storage import load_weights, read_safetensors, write_safetensors

DECODERS = {
    "peak": peak_voxel,
    "argmax": argmax_voxel,
    "integral": integral_voxel,
    "window": window_voxel,
}


@dataclass(frozen=True, eq=False)
class Estimator:
    """A network that turns crops into places.

    Args:
        config: how the network is built and read.
        model: the network.
        card: where it comes from: data, seed, time, licence, mean limb lengths of its training
            subjects (mm).
    """

    config: NetworkConfig
    model: nn.Module
    card: dict = field(default_factory=dict)

    @classmethod
    def untrained(cls, config: NetworkConfig) -> Estimator:
        """A network with random weights."""
        return cls(config, config.build())

    @property
    def grid(self) -> Grid:
        """The grid of the last volume."""
        return self.config.grid

    @property
    def skeleton(self) -> Skeleton:
        """The joints the network predicts."""
        return SKELETONS[self.config.skeleton]

    def mean_limbs(self) -> Float[Tensor, " limbs"]:
        """Mean limb lengths (mm) of whom the network was trained on, from its card.

        Raises:
            ValueError: the card does not name them.
        """
        if "mean_limbs_mm" not in self.card:
            raise ValueError("the weights' card names no mean limb lengths (mean_limbs_mm)")
        lengths = self.card["mean_limbs_mm"]
        count = len(self.skeleton.limbs)
        if (
            not isinstance(lengths, list)
            or len(lengths) != count
            or not all(isinstance(x, float | int) and 0 < x < float("inf") for x in lengths)
        ):
            raise ValueError(f"the weights' card must name {count} positive mean_limbs_mm")
        return torch.tensor(lengths, dtype=torch.float32)

    def prepare(
        self, images: Float[Tensor, "batch 3 side side"] | UInt8[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch 3 size size"]:
        """Bring crops to the network's range and size: [0, 1], area-averaged.

        Raises:
            ValueError: the crops are smaller than the network's input, or it sees no pictures.
        """
        if self.config.kind in LIFTING:
            raise ValueError("a lifting network takes 2D joints, not images; use volpose.lift")
        size = self.config.image_size
        images = images.to(next(self.model.parameters()).device)
        if images.shape[-1] < size:
            raise ValueError(f"images must be at least {size} px wide, got {images.shape[-1]}")
        images = images / 255 if images.dtype == torch.uint8 else images
        return (
            images if images.shape[-1] == size else F.interpolate(images, (size, size), mode="area")
        )

    @torch.no_grad()
    def volume(
        self, images: Tensor, mirror: bool = False
    ) -> Float[Tensor, "batch joints depth height width"]:
        """The last volume of the stack for crops (B, 3, S, S), fp32.

        Args:
            images: crops, uint8 or in [0, 1].
            mirror: average with the mirror image's volume.

        Raises:
            ValueError: the network regresses coordinates and has no volume.
        """
        if not mirror:
            return self.stages(images)[-1]
        return mirror_average(lambda x: self.stages(x)[-1], self.prepare(images), self.skeleton)

    @torch.no_grad()
    def stages(self, images: Tensor) -> list[Float[Tensor, "batch joints _ height width"]]:
        """All volumes of the stack for crops (B, 3, S, S), fp32; arguments, errors as `volume`."""
        if self.config.kind == "coordinate":
            raise ValueError("a coordinate-regression network has no volume")
        self.model.eval()
        volumes = [volume.float() for volume in self._run(self.prepare(images))]
        if not bool(volumes[-1].isfinite().all()):  # its argmax would be a voxel like any other
            raise ValueError("the network's volume is not finite: its weights are damaged")
        return volumes

    @torch.no_grad()
    def places(
        self, images: Tensor, mirror: bool = False, decoder: str = "peak"
    ) -> tuple[Float[Tensor, "batch joints 3"], Float[Tensor, "batch joints"]]:
        """Crops (B, 3, S, S) -> places and confidences.

        Args:
            images, mirror: as in `volume`.
            decoder: "peak" (between the voxels), "argmax" (the paper's), "integral" or "window".

        Returns:
            x, y in pixels of a crop of the network's ``image_size`` and z in mm from the root;
            peak heights in [0, 1] (1 for coordinate regression, which has none). The root's own
            z is 0 by definition and is not decoded.

        Raises:
            ValueError: unknown decoder.
        """
        if decoder not in DECODERS:
            raise ValueError(f"decoder must be one of {tuple(DECODERS)}, got {decoder!r}")
        if self.config.kind == "coordinate":
            voxels = self.grid.from_unit(self._coordinates(images, mirror))
            sure = torch.ones(voxels.shape[:-1], device=voxels.device)
        else:
            volume = self.volume(images, mirror)
            voxels, sure = DECODERS[decoder](volume), confidence(volume)
        places = self.grid.to_places(voxels)
        places[:, self.skeleton.root, 2] = 0
        return places, sure

    def _coordinates(self, images: Tensor, mirror: bool) -> Tensor:
        self.model.eval()
        crops = self.prepare(images)
        unit = self._run(crops)
        if not mirror:
            return unit
        flipped = mirror_joints(self._run(crops.flip(-1)), self.skeleton)
        return (unit + flipped * flipped.new_tensor([-1.0, 1.0, 1.0])) / 2

    def _run(self, crops: Tensor) -> list[Tensor] | Tensor:
        """The network's answer to prepared crops, in the number format it convolves in."""
        if next(self.model.parameters()).dtype == torch.bfloat16:
            crops = crops.to(torch.bfloat16, memory_format=torch.channels_last)
        return self.model(crops)

    def at_precision(self, precision: str) -> Estimator:
        """The same network, convolving in another number format; for prediction alone.

        Args:
            precision: "fp32", "bf16", or "auto": bf16 where `has_fast_bf16` says that it pays.
        """
        device = next(self.model.parameters()).device
        if resolve(precision, device) == "fp32":
            return self
        return replace(self, model=convolve_in_bf16(deepcopy(self.model)))

    def checksum(self) -> str:
        """Of the weights alone, whatever the card says: 12 hexadecimal digits.

        Raises:
            ValueError: the network came from `at_precision`, and is no longer what was trained.
        """
        self._check_unrounded("its weights have no checksum")
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    def save(self, path: str | Path) -> None:
        """Write weights, configuration and card to one safetensors file, all or nothing.

        Raises:
            ValueError: the network came from `at_precision`, and is no longer what was trained.
        """
        self._check_unrounded(f"{path}: not written")
        tensors = {k: v.contiguous() for k, v in self.model.state_dict().items()}
        header = {"config": json.dumps(self.config.to_json()), "card": json.dumps(self.card)}
        write_safetensors(path, tensors, header)

    def _check_unrounded(self, what: str) -> None:
        if any(values.dtype == torch.bfloat16 for values in self.model.parameters()):
            raise ValueError(f"{what}: the network was rounded for prediction; use the original")

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Estimator:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or holds something else than a volpose network.
        """
        tensors, header = read_safetensors(path, str(device))
        if "config" not in header:
            raise ValueError(f"{path}: not the weights of a volpose network (no configuration)")
        try:
            config = NetworkConfig.from_json(json.loads(header["config"]))
            model = config.build()
            card = dict(json.loads(header.get("card", "{}")))
        except (ValueError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
            raise ValueError(f"{path}: not the weights of a volpose network ({error})") from error
        load_weights(model, tensors, path)
        return cls(config, model.to(device).eval(), card)


def trainings(card: dict) -> list[dict]:
    """A network's card and those of the networks it began with, the last training first."""
    start = card.get("start")
    return [card, *(trainings(start) if isinstance(start, dict) else [])]
