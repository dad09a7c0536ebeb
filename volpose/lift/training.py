"""What the lifting network learns from, and its gradient; `volpose.train.fit` does the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.estimator import Estimator
from volpose.feed import Feed, batch_order, random_stream
from volpose.lift.bodies import mirror_some, recombine, resample_bodies
from volpose.lift.cameras import HELD
from volpose.lift.faults import Counted, Faults
from volpose.lift.lifter import Lifter
from volpose.lift.lines import lines_loss
from volpose.lift.motions import Motions
from volpose.lift.people import seen_people
from volpose.network import NetworkConfig
from volpose.recipe import TrainConfig
from volpose.run import Run
from volpose.targets import coarse_to_fine_targets
from volpose.team import Team
from volpose.train import Task, fit

STREAM = 3  # of random numbers; nothing is drawn for pictures with 2D labels here
MARGINS = (1.1, 1.4)
UP_KNOWN = 0.5  # share of people of whose camera it is known which way is up
VOLUME_LOSS = 1.0  # weight beside the distances of all joints
VOLUME = TrainConfig(
    NetworkConfig("lift", (16,), 640, 2, 2, 64, 1.0),
    images=49_902,
    samples=30_000_000,
    batch_size=512,
    learning_rate=2e-3,
    warmup=100,
    average=0.999,
)
# as many parameters, the same samples
PERCEPTRON = replace(VOLUME, network=NetworkConfig("lift-perceptron", (16,), 728, 2, 2, 64, 1.0))


class LiftFeed(Feed):
    """The batches of a lifting network: new bodies, cameras and faults for every step."""

    faults: Faults | Counted = Faults()

    def read(self, step: int) -> tuple[Tensor, ...]:
        """Joints (B, 17, 2) px of the crop, confidence (B, 17), up (B, 3), places (B, 17, 3)."""
        rows = batch_order(self.config, step, len(self.data))
        generator = random_stream(self.config.seed, STREAM, step)
        pose = self.data.batch(rows.tolist()).pose
        pose = resample_bodies(recombine(pose, generator), generator)
        pose = mirror_some(pose, generator)
        size = float(self.config.network.image_size)
        seen = seen_people(pose, self.faults.find, generator, size, MARGINS, HELD)
        up = seen.up * (torch.rand(len(pose), 1, generator=generator) < UP_KNOWN)
        mine = slice(self.team.rank, None, self.team.size)
        return tuple(t[mine] for t in (*seen.found, up, seen.places))


def lift_gradient(
    run: Run, joints: Tensor, confidence: Tensor, up: Tensor, places: Tensor, team: Team
) -> tuple[Tensor, Tensor]:
    """The gradient of all weights, and the losses, for one batch of a `LiftFeed`.

    Both networks are held to the truth by `distance_loss`, the volume by its center of mass, as in
    integral regression; beside it stands the paper's loss on the volume.

    Returns:
        (N,) fp32, and (2,), or (1,) for the perceptron: means over the processes.

    Paper: Sec. 3.3; Eq. 3.
    """
    device, network = run.weights.values.device, run.config.network
    grid, model = network.grid, run.model.train()
    joints, confidence, up, places = (
        t.to(device, non_blocking=True) for t in (joints, confidence, up, places)
    )
    voxels = grid.to_voxels(places)
    unit = 2 * joints / grid.crop_size - 1
    with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16"):
        found = model(unit, confidence, up)
    losses = []
    if network.kind == "lift":
        (target,) = coarse_to_fine_targets(voxels, grid, network.z_bins, network.sigma)
        losses.append(VOLUME_LOSS * lines_loss(found, target))
        found = grid.to_unit(found.center())
    losses.append(distance_loss(found, grid.to_unit(voxels)))
    stacked = torch.stack(losses)
    stacked.sum().backward()
    return team.mean(run.weights.gradient()), team.mean(stacked.detach())


def distance_loss(
    predicted: Float[Tensor, "batch joints 3"], truth: Float[Tensor, "batch joints 3"]
) -> Float[Tensor, ""]:
    """The distances along x, y and z, summed over the joints and averaged over the batch.

    Squares, as in Eq. 1, would make of a limb that points at the camera or away from it one that
    does neither; distances let the likelier of the two win.

    Args:
        predicted, truth: in one unit; NaN in the truth of a joint that is not known.

    Paper: not in the paper.
    """
    off = torch.where(truth.isfinite(), predicted - truth, torch.zeros_like(predicted))
    return off.abs().sum((-2, -1)).mean()


TASK = Task(LiftFeed, lift_gradient)
RECIPES = {"volume": VOLUME, "perceptron": PERCEPTRON}


def train_lifter(
    recipe: TrainConfig,
    motions: Motions,
    folder: Path,
    progress: bool = True,
    start: Estimator | None = None,
) -> Lifter:
    """Train a lifting network, or go on with a run that was stopped; see `volpose.train.fit`.

    Args:
        recipe: such as one of `RECIPES`; its ``images`` are the poses there are.
        motions: the training poses.
        folder: of the run.
        progress: show a progress bar.
        start: the network whose weights it begins with, of the recipe's form.

    Paper: Sec. 3.3.
    """
    config = replace(recipe, images=len(motions))
    if start:
        config = replace(config, start=start.checksum())
    return Lifter(fit(config, motions, folder, progress=progress, task=TASK, start=start))
