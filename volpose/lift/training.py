"""What the lifting network learns from, and its gradient; `volpose.train.fit` does the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from volpose.feed import Feed, batch_order, random_stream
from volpose.lift.bodies import mirror_some, recombine, resample_bodies
from volpose.lift.cameras import HELD
from volpose.lift.faults import Faults, Found
from volpose.lift.heatmaps import draw_heatmaps
from volpose.lift.lifter import Lifter
from volpose.lift.motions import Motions
from volpose.lift.people import seen_people
from volpose.losses import coordinate_loss, normalizer, stage_losses
from volpose.network import NetworkConfig
from volpose.recipe import TrainConfig
from volpose.run import Run
from volpose.targets import coarse_to_fine_targets
from volpose.team import Team
from volpose.train import Task, fit

STREAM = 3  # of random numbers; nothing is drawn for pictures with 2D labels here
MARGINS = (1.1, 1.4)
BLUR = (0.9, 1.2)
VOLUME = TrainConfig(
    NetworkConfig("lift", (16,), 192, 2, 1, 64, 1.0),
    images=49_902,
    samples=360_000,
    batch_size=64,
    learning_rate=4e-3,
    average=0.999,
)
# as many parameters, and about as much time
PERCEPTRON = replace(
    VOLUME,
    network=NetworkConfig("lift-perceptron", (16,), 576, 2, 2, 64, 1.0),
    samples=5_000_000,
    batch_size=256,
    learning_rate=1e-3,
)
INTEGRAL = 2.0  # weight of `center_loss` beside the volume's relative loss


class LiftFeed(Feed):
    """The batches of a lifting network: new bodies, cameras and faults for every step."""

    def read(self, step: int) -> tuple[Tensor, ...]:
        """Joints (B, 17, 2) px of the crop, confidence and blur (B, 17), places (B, 17, 3)."""
        rows = batch_order(self.config, step, len(self.data))
        generator = random_stream(self.config.seed, STREAM, step)
        pose = self.data.batch(rows.tolist()).pose
        pose = resample_bodies(recombine(pose, generator), generator)
        pose = mirror_some(pose, generator)
        size = float(self.config.network.image_size)
        seen = seen_people(pose, Faults().find, generator, size, MARGINS, HELD)
        blur = BLUR[0] + (BLUR[1] - BLUR[0]) * torch.rand(*pose.shape[:2], generator=generator)
        mine = slice(self.team.rank, None, self.team.size)
        return tuple(t[mine] for t in (*seen.found, blur, seen.places))


def lift_gradient(
    run: Run, joints: Tensor, confidence: Tensor, blur: Tensor, places: Tensor, team: Team
) -> tuple[Tensor, Tensor]:
    """The gradient of all weights, and the losses, for one batch of a `LiftFeed`.

    The volume's loss is the paper's; beside it the center of mass of each joint's volume, as
    in integral regression, is held to the truth.

    Returns:
        (N,) fp32, and (2,), or (1,) for the perceptron: means over the processes.

    Paper: Sec. 3.3; Eq. 3.
    """
    device, network = run.weights.values.device, run.config.network
    grid, model = network.grid, run.model.train()
    joints, confidence, blur, places = (
        t.to(device, non_blocking=True) for t in (joints, confidence, blur, places)
    )
    voxels = grid.to_voxels(places)
    if network.kind == "lift-perceptron":
        unit = 2 * joints / grid.crop_size - 1
        labeled = places.isfinite().all(-1)
        losses = [coordinate_loss(model(unit, confidence), grid.to_unit(voxels), labeled)]
    else:
        heatmaps = draw_heatmaps(Found(joints, confidence), grid, network.sigma, blur)
        dtype = torch.bfloat16 if run.precision == "bf16" else torch.float32
        volumes = model(heatmaps.to(dtype, memory_format=torch.channels_last))
        targets = coarse_to_fine_targets(voxels, grid, network.z_bins, network.sigma)
        divisors = [team.mean(normalizer(t, run.config.reduction)) for t in targets]
        losses = stage_losses(volumes, targets, divisors)
        losses.append(INTEGRAL * center_loss(volumes[-1], voxels, targets[-1].valid))
    stacked = torch.stack(losses)
    stacked.sum().backward()
    return team.mean(run.weights.gradient()), team.mean(stacked.detach())


def center_loss(
    volume: Float[Tensor, "batch joints depth height width"],
    voxels: Float[Tensor, "batch joints 3"],
    valid: Bool[Tensor, "batch joints"],
) -> Float[Tensor, ""]:
    """Distance of the volumes' centers of mass from the truth along x, y, z, in grid lengths.

    Paper: not in the paper; the loss of integral regression, which came after it.
    """
    mass = F.relu(volume)
    plane = mass.sum(2, dtype=torch.float32)
    lines = plane.sum(-2), plane.sum(-1), mass.sum((-2, -1), dtype=torch.float32)
    total = torch.zeros((), device=volume.device)
    for line, truth in zip(lines, voxels.unbind(-1), strict=True):
        at = torch.arange(line.shape[-1], device=line.device, dtype=torch.float32)
        mean = (line * at).sum(-1) / line.sum(-1).clamp(min=1e-3)
        total = total + torch.where(valid, mean - truth, 0.0).abs().sum() / line.shape[-1]
    return total / valid.sum().clamp(min=1)


TASK = Task(LiftFeed, lift_gradient)
RECIPES = {"volume": VOLUME, "perceptron": PERCEPTRON}


def train_lifter(
    recipe: TrainConfig, motions: Motions, folder: Path, progress: bool = True
) -> Lifter:
    """Train a lifting network, or go on with a run that was stopped; see `volpose.train.fit`.

    Args:
        recipe: such as one of `RECIPES`; its ``images`` are the poses there are.
        motions: the training poses.
        folder: of the run.
        progress: show a progress bar.

    Paper: Sec. 3.3.
    """
    config = replace(recipe, images=len(motions))
    return Lifter(fit(config, motions, folder, progress=progress, task=TASK))
