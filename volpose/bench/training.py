"""A whole training step, from the plain one to the package's, one improvement after another."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from volpose.augment import augment
from volpose.bench.kernels import flops
from volpose.bench.remote import Remote
from volpose.bench.timing import Effort, compare, rounded
from volpose.estimator import Estimator
from volpose.feed import chances
from volpose.losses import stage_losses
from volpose.precision import keep_freed_memory, resolve
from volpose.recipe import TrainConfig
from volpose.run import Run, reset_heads
from volpose.skeleton import SKELETONS
from volpose.studio import Studio, write_split
from volpose.targets import coarse_to_fine_targets
from volpose.team import Team
from volpose.train import LOG_STEPS, fit, step_gradient

Step = Callable[[], Tensor]
FORMS = ("plain", "channels-last", "fused loss", "flat weights", "kept memory")
KEEPING = ("kept memory", "bf16", "recompute")


def step_work(form: str, config: TrainConfig, device: str) -> Step:
    """A function that trains for one step and gives the loss of each stage.

    Args:
        form: "plain" is PyTorch as it comes: fp32, one tensor for each weight, built targets and
            `F.mse_loss`. Each of the next adds one thing: "channels-last", "fused loss", "flat
            weights", "kept memory" (for the whole process, see `keep_freed_memory`) and "bf16".
            "recompute" is the whole with `TrainConfig.recompute`.
        config: of the run; the reduction has to be "mean" for all forms to do the same.
        device: where to train.

    Raises:
        ValueError: unknown form.
    """
    precise = replace(config, precision="fp32")
    forms: dict[str, Callable[[], Step]] = {
        "plain": lambda: _plain_step(config, device, False, False),
        "channels-last": lambda: _plain_step(config, device, True, False),
        "fused loss": lambda: _plain_step(config, device, True, True),
        "flat weights": lambda: own_step(precise, device),
        "kept memory": lambda: own_step(precise, device),
        "bf16": lambda: own_step(replace(config, precision="bf16"), device),
        "recompute": lambda: own_step(replace(config, recompute=True), device),
    }
    if form not in forms:
        raise ValueError(f"form must be one of {tuple(forms)}, got {form!r}")
    if form in KEEPING:
        keep_freed_memory()
    return forms[form]()


def own_step(config: TrainConfig, device: str) -> Step:
    """A function that takes a training step as `fit` does, on made-up pictures.

    Args:
        config: of the run, of any network.
        device: where to train.

    Returns:
        A function without arguments that gives the loss of each stage.
    """
    team, batch = Team(device=torch.device(device)), _batch(config)
    run = Run.new(config, team=team)

    def work() -> Tensor:
        gradient, losses = step_gradient(run, *batch, team)
        run.apply(gradient, losses)
        return losses

    return work


def best_form(config: TrainConfig, device: str) -> str:
    """The form of `step_work` that `fit` takes on a device."""
    half = resolve(config.precision, torch.device(device)) == "bf16"
    return "bf16" if half else "kept memory"


def step(name: str, config: TrainConfig, effort: Effort, device: str, limit: dict) -> dict:
    """All forms of a step, each in a process of its own.

    Args:
        name: of the run.
        config: of the run, with a volumetric network.
        effort, device: as in `race`.
        limit: of `limits`.

    Returns:
        As `compare`; ``gflop`` of a step, and ``limit_s``: as long as a matrix product of as many
        operations takes.
    """
    config, ours = comparable(config), best_form(config, device)
    name = f"step, {name}, batch {config.batch_size}"
    with ExitStack() as stack:
        works = {
            form: stack.enter_context(Remote(step_work, form, config, device))
            for form in dict.fromkeys((*FORMS, ours))
        }
        entry = compare(name, works, effort, device, 2e-2)
    gflop = config.batch_size * flops(config.network, backward=True) / 1e9
    dtype = "bf16" if ours == "bf16" else "fp32"
    least = rounded(gflop / limit[f"{dtype}_gflops"])
    return entry | {"ours": ours, "gflop": rounded(gflop), "limit_s": least}


def comparable(config: TrainConfig) -> TrainConfig:
    """The run with the mean squared error and a constant rate, as the plain step has them."""
    return replace(config, reduction="mean", style="paper", schedule="constant", warmup=0)


def _batch(config: TrainConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Images, places and random numbers; joints stay inside the picture however it is turned."""
    dice = torch.Generator().manual_seed(0)
    side, joints = config.network.image_size, SKELETONS[config.network.skeleton].num_joints
    images = torch.randint(256, (config.batch_size, 3, side, side), generator=dice)
    near, far = config.network.depth_limits
    low = torch.tensor([0.4 * side, 0.4 * side, 0.9 * near + 0.1 * far])
    high = torch.tensor([0.6 * side, 0.6 * side, 0.1 * near + 0.9 * far])
    places = low + (high - low) * torch.rand(config.batch_size, joints, 3, generator=dice)
    return images.to(torch.uint8), places, chances(config, 0)


def _plain_step(config: TrainConfig, device: str, channels_last: bool, fused: bool) -> Step:
    network, skeleton = config.network, SKELETONS[config.network.skeleton]
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = _plain_model(config).to(device, memory_format=order).train()
    optimizer = _plain_optimizer(config, model)
    images, places, chance = _batch(config)

    def work() -> Tensor:
        optimizer.zero_grad()
        pictures = Estimator(network, model).prepare(images.to(device))
        pictures, at = augment(pictures, places.to(device), skeleton, config.augmentation, chance)
        volumes = model(pictures.contiguous(memory_format=order))
        voxels = network.grid.to_voxels(at)
        targets = coarse_to_fine_targets(voxels, network.grid, network.z_bins, network.sigma)
        pairs = zip(volumes, targets, strict=True)
        losses = (
            stage_losses(volumes, targets)
            if fused
            else [F.mse_loss(volume, target.volume()) for volume, target in pairs]
        )
        losses = torch.stack(losses)
        losses.sum().backward()
        optimizer.step()
        return losses

    return work


def _plain_model(config: TrainConfig) -> nn.Module:
    """The network with the weights that `Run.new` begins with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = config.network.build()
        if not config.near_zero:
            reset_heads(model)
    return model


def _plain_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), config.learning_rate, (0.9, 0.99))
    return torch.optim.RMSprop(model.parameters(), config.learning_rate)


def data_wait(config: TrainConfig, images: int, steps: int, device: str) -> dict:
    """How much of a step of `fit` is spent waiting for data, on a rendered split on disk.

    Args:
        config: of the run.
        images: size of the split.
        steps: how far to train; the first `LOG_STEPS` steps, start-up included, do not count.
        device: where to train.

    Returns:
        ``steps`` that count, ``step_s`` and ``waited_s`` for each, and ``share`` of the waiting.

    Raises:
        ValueError: steps is not at least twice `LOG_STEPS`.
    """
    if steps < 2 * LOG_STEPS:
        raise ValueError(f"steps must be at least {2 * LOG_STEPS}, got {steps}")
    config = replace(config, images=images, samples=steps * config.batch_size)
    with TemporaryDirectory() as name:
        folder = Path(name)
        studio = Studio("train", size=config.network.image_size, count=images)
        data = write_split(studio, folder / "data", workers=0, progress=False)
        fit(config, data, folder / "run", Team(device=torch.device(device)), progress=False)
        with open(folder / "run" / "log.csv", encoding="utf8") as stream:
            first, *_, last = csv.DictReader(stream)
    columns = ("step", "seconds", "waited")
    count, seconds, waited = (float(last[c]) - float(first[c]) for c in columns)
    return {
        "steps": int(count),
        "step_s": rounded(seconds / count),
        "waited_s": rounded(waited / count),
        "share": rounded(waited / (seconds + waited)),
    }
