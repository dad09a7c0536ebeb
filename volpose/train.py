"""Train a network so that a run that was killed goes on exactly where it stood.

A run is a folder: ``log.csv`` and ``tensorboard/`` (the loss curve), ``checkpoint.safetensors``
(for resuming) and, at the end, ``weights.safetensors``. Run it on many processes with ``torchrun``
or, on GPUs, ``accelerate launch``: each takes a share of every batch, and the first one writes the
files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from volpose.augment import augment
from volpose.data.samples import Samples
from volpose.estimator import Estimator
from volpose.feed import Feed
from volpose.journal import Journal, StopRequest
from volpose.losses import coordinate_loss, normalizer, stage_losses
from volpose.recipe import TrainConfig
from volpose.run import Run
from volpose.skeleton import SKELETONS
from volpose.storage import alone
from volpose.targets import coarse_to_fine_targets
from volpose.team import Team

CHECKPOINT_SECONDS = 60.0
LOG_STEPS = 25


class Task(NamedTuple):
    """What a network learns, if not to read poses in pictures.

    Attributes:
        feed: makes the batches of a run; called like `Feed`, and with its methods.
        gradient: called as ``gradient(run, *batch, team)``; returns what `step_gradient` does.
    """

    feed: Callable[..., Feed]
    gradient: Callable[..., tuple[Tensor, Tensor]]


def fit(
    config: TrainConfig,
    data: Samples,
    folder: str | Path,
    team: Team | None = None,
    progress: bool = True,
    until: int | None = None,
    data_2d: Samples | None = None,
    task: Task | None = None,
    start: Estimator | None = None,
) -> Estimator:
    """Train a network, or go on with a run that was stopped.

    Args:
        config: the run.
        data: the training set; with several processes, one that knows this one's samples.
        folder: of the run.
        team: device and processes, see `volpose.team.Team.join`; the CPU if nothing is said.
        progress: show a progress bar.
        until: stop after this many steps; the run can be resumed.
        data_2d: samples with 2D labels, of which each batch takes the recipe's ``share_2d``.
        task: what is learned, if not to read poses in pictures.
        start: the network whose weights it begins with, instead of random ones; the recipe's
            ``start`` names them.

    Returns:
        The trained network; it is also written to ``weights.safetensors``.

    Raises:
        ValueError: the folder holds another run, or is being written by one; ``start`` is not the
            recipe's, or a network of another form; or the loss is not finite, and the last good
            checkpoint is kept, if one was written.
        OSError: a file cannot be written, such as on a full disk; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the step was finished and a checkpoint written.

    Paper: Sec. 4.3.
    """
    folder = Path(folder)
    team = team or Team()
    last = config.steps if until is None else min(config.steps, until)
    with ExitStack() as stack:
        if team.leads:
            stack.enter_context(alone(folder))
        names = str(data) if data_2d is None else f"{data}; 2D labels: {data_2d}"
        run = Run.new(config, names, team, start)
        run.restore(folder)
        feed = (task.feed if task else Feed)(config, data, run.step, last, team, data_2d)
        stack.callback(feed.close)
        journal = stack.enter_context(Journal(run, folder if team.leads else None))
        stop = stack.enter_context(StopRequest())
        bar = tqdm(
            total=last * config.batch_size,
            initial=run.step * config.batch_size,
            disable=not (progress and team.leads),
            unit="img",
        )
        with bar:
            _loop(run, feed, journal, stop, bar, last, team, task)
    estimator = run.estimator()
    if run.step == config.steps:
        estimator.card.update(run.card(feed.sources, team))
        if team.leads:
            estimator.save(folder / "weights.safetensors")
        team.wait()
    return estimator


def _loop(
    run: Run,
    feed: Feed,
    journal: Journal,
    stop: StopRequest,
    bar: tqdm,
    last: int,
    team: Team,
    task: Task | None,
) -> None:
    """Steps until ``last``; a log row now and then, a checkpoint every minute and at the end."""
    saved = time.perf_counter()
    gradient = task.gradient if task else step_gradient
    for batch in feed:
        wall, cpu = time.perf_counter(), time.process_time()
        run.apply(*gradient(run, *batch, team))
        run.seconds += time.perf_counter() - wall
        run.cpu_seconds += time.process_time() - cpu
        run.waited, feed.waited = run.waited + feed.waited, 0.0
        bar.update(run.config.batch_size)
        done = run.step == last
        meet = done or run.step % LOG_STEPS == 0
        asked = team.any(stop.asked) if meet else stop.asked and team.size == 1
        if not (meet or asked):
            continue
        journal.write(run)
        bar.set_postfix_str(journal.text, refresh=False)
        if team.leads and (done or asked or time.perf_counter() - saved > CHECKPOINT_SECONDS):
            run.save(journal.folder)
            saved = time.perf_counter()
        if asked and not done:
            raise KeyboardInterrupt(
                f"stopped at step {run.step} of {run.config.steps}; the same command goes on"
            )


def step_gradient(
    run: Run, images: Tensor, places: Tensor, chance: Tensor, team: Team
) -> tuple[Tensor, Tensor]:
    """The gradient of all weights, and the loss of each stage, for one batch.

    Args:
        run: whose network.
        images, places, chance: as `Feed` gives them.
        team: the processes that share the batch.

    Returns:
        (N,) fp32, and (stages,): means over the processes.
    """
    config, device = run.config, run.weights.values.device
    images = Estimator(config.network, run.model).prepare(images.to(device, non_blocking=True))
    places = places.to(device, non_blocking=True)
    skeleton = SKELETONS[config.network.skeleton]
    images, places = augment(images, places, skeleton, config.augmentation, chance)
    dtype = torch.bfloat16 if run.precision == "bf16" else torch.float32
    crops = images.to(dtype, memory_format=torch.channels_last)
    losses = torch.stack(_losses(config, run.model.train(), crops, places, team))
    losses.sum().backward()
    return team.mean(run.weights.gradient()), team.mean(losses.detach())


def _losses(
    config: TrainConfig, model: nn.Module, crops: Tensor, places: Tensor, team: Team
) -> list[Tensor]:
    network = config.network
    voxels = network.grid.to_voxels(places)
    if network.kind == "coordinate":
        labeled = places.isfinite().all(-1)
        return [coordinate_loss(model(crops).float(), network.grid.to_unit(voxels), labeled)]
    targets = coarse_to_fine_targets(
        voxels, network.grid, network.z_bins, network.sigma, config.style, beside="empty"
    )
    flat = targets[0]
    true = [(flat.volume() * flat.valid[..., None, None, None]).to(crops)] if config.apart else []
    divisors = [team.mean(normalizer(target, config.reduction)) for target in targets]
    volumes = model(crops, *true)
    losses = stage_losses(volumes, targets, divisors)
    return _with_2d(config, volumes, voxels, losses, team) if config.share_2d else losses


def _with_2d(
    config: TrainConfig, volumes: list[Tensor], voxels: Tensor, losses: list[Tensor], team: Team
) -> list[Tensor]:
    """The losses of a batch whose last samples have 2D labels; each kind counts by its share.

    Of a volume, x and y say what is seen along its depth: its maximum is to be the heatmap, as
    the target of a single slice is the maximum of the fine one.
    """
    count = config.batch_2d // team.size
    seen = torch.cat([voxels[-count:, :, :2], torch.zeros_like(voxels[-count:, :, :1])], -1)
    network = config.network
    grid, style = network.grid, config.style
    (heatmap,) = coarse_to_fine_targets(seen, grid, (1,), network.sigma, style, beside="empty")
    divisor = team.mean(normalizer(heatmap, config.reduction))
    marginals = [volume[-count:].amax(-3, keepdim=True) for volume in volumes]
    flat = stage_losses(marginals, [heatmap] * len(volumes), [divisor] * len(volumes))
    return [torch.lerp(*pair, config.share_2d) for pair in zip(losses, flat, strict=True)]
