"""Train a network so that a run that was killed goes on exactly where it stood.

A run is a folder: ``log.csv`` (the loss curve), ``checkpoint.safetensors`` (weights, optimizer and
configuration, for resuming) and, at the end, ``weights.safetensors``. Which images a step sees, and
which of them are mirrored, depends on the seed and the number of the step alone.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from volpose.data.samples import Samples
from volpose.decode import limb_lengths
from volpose.estimator import Estimator
from volpose.losses import coordinate_loss, stage_losses
from volpose.recipe import TrainConfig
from volpose.skeleton import SKELETONS, mirror_joints
from volpose.storage import load_weights, read_safetensors, write_safetensors, write_text
from volpose.targets import coarse_to_fine_targets

CHECKPOINT_SECONDS = 60.0
LOG_STEPS = 25


@dataclass
class Run:
    """A training run in memory: the network, its optimizer, and how far it has come."""

    config: TrainConfig
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    running: list[float] = field(default_factory=list)  # smoothed loss of each stage

    @classmethod
    def new(cls, config: TrainConfig, device: str | torch.device = "cpu") -> Run:
        """A run before its first step; the weights depend on the seed alone."""
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model = config.network.build()
        model = model.to(device, memory_format=torch.channels_last)
        if config.optimizer == "adam":
            optimizer = torch.optim.Adam(
                model.parameters(), config.learning_rate, (0.9, 0.99), fused=True
            )
        else:
            optimizer = torch.optim.RMSprop(model.parameters(), config.learning_rate)
        return cls(config, model, optimizer)

    def __str__(self) -> str:
        stages = " ".join(f"{term:.3f}" for term in self.running)
        return f"loss {stages}"


def fit(
    config: TrainConfig,
    data: Samples,
    folder: str | Path,
    device: str | torch.device = "cpu",
    progress: bool = True,
    until: int | None = None,
) -> Estimator:
    """Train a network, or go on with a run that was stopped.

    Args:
        config: the run.
        data: the training set.
        folder: of the run.
        device: where to train.
        progress: show a progress bar.
        until: stop after this many steps; the run can be resumed.

    Returns:
        The trained network; it is also written to ``weights.safetensors``.

    Raises:
        ValueError: the folder holds another run, or the loss is not finite; the last good
            checkpoint is kept.

    Paper: Sec. 4.3.
    """
    folder = Path(folder)
    run = open_run(config, folder, device)
    last = config.steps if until is None else min(config.steps, until)
    saved = time.perf_counter()
    with tqdm(total=last, initial=run.step, disable=not progress, unit="step") as bar:
        while run.step < last:
            _timed_step(run, data)
            bar.set_postfix_str(str(run), refresh=False)
            bar.update()
            done = run.step == last
            if run.step % LOG_STEPS == 0 or done:
                _log(run, folder)
            if time.perf_counter() - saved > CHECKPOINT_SECONDS or done:
                save_checkpoint(run, folder)
                saved = time.perf_counter()
    estimator = Estimator(config.network, run.model.eval(), _card(run, data))
    if run.step == config.steps:
        estimator.save(folder / "weights.safetensors")
    return estimator


def _timed_step(run: Run, data: Samples) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    terms = _train_step(run, data)
    old = run.running or terms
    run.running = [0.97 * a + 0.03 * b for a, b in zip(old, terms, strict=True)]
    run.step += 1
    run.seconds += time.perf_counter() - wall
    run.cpu_seconds += time.process_time() - cpu


def _train_step(run: Run, data: Samples) -> list[float]:
    """One optimizer step; returns the loss of each stage."""
    config, device = run.config, next(run.model.parameters()).device
    for group in run.optimizer.param_groups:
        group["lr"] = config.rate(run.step)
    images, places = _load(run, data)
    images = images.to(device, memory_format=torch.channels_last)
    run.model.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
        predicted = run.model(images)
    terms = _losses(config, predicted, places.to(device))
    loss = torch.stack(terms).sum()
    if not loss.isfinite():
        raise ValueError(
            f"loss is {loss.item()} at step {run.step}: lower the learning rate "
            f"({config.learning_rate:g}); the last good checkpoint is kept"
        )
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    run.optimizer.step()
    return [term.item() for term in terms]


def _load(run: Run, data: Samples) -> tuple[Tensor, Tensor]:
    """The images (B, 3, S, S) and places (B, J, 3) of a step, mirrored by a coin each."""
    config = run.config
    size, skeleton = config.network.image_size, SKELETONS[config.network.skeleton]
    batch = data.batch(batch_indices(config, run.step, len(data)))
    images = Estimator(config.network, run.model).prepare(batch.image)
    places = batch.places(size)
    if not config.mirror:
        return images, places
    coin = torch.rand(len(images), generator=_generator(config.seed, 2, run.step)) < 0.5
    coin = coin.to(places.device)
    flipped = mirror_joints(places, skeleton) * places.new_tensor([-1.0, 1.0, 1.0])
    flipped = flipped + places.new_tensor([float(size), 0.0, 0.0])
    images = torch.where(coin[:, None, None, None], images.flip(-1), images)
    return images, torch.where(coin[:, None, None], flipped, places)


def _losses(config: TrainConfig, predicted: Tensor | list[Tensor], places: Tensor) -> list[Tensor]:
    network = config.network
    voxels = network.grid.to_voxels(places)
    if network.kind == "coordinate":
        return [coordinate_loss(predicted.float(), network.grid.to_unit(voxels))]
    targets = coarse_to_fine_targets(
        voxels, network.grid, network.z_bins, network.sigma, config.style
    )
    return stage_losses(predicted, targets, config.reduction)


def batch_indices(config: TrainConfig, step: int, count: int) -> list[int]:
    """Which samples a step sees: every epoch is a new permutation of the training set."""
    per_epoch = count // config.batch_size
    if per_epoch == 0:
        raise ValueError(f"batch_size {config.batch_size} is larger than the data set ({count})")
    epoch, position = divmod(step, per_epoch)
    order = torch.randperm(count, generator=_generator(config.seed, 1, epoch))
    return order[position * config.batch_size :][: config.batch_size].tolist()


def _generator(seed: int, stream: int, count: int) -> torch.Generator:
    """A random stream that depends on nothing but three numbers."""
    return torch.Generator().manual_seed((seed * 4 + stream) * 1_000_003 + count)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions pay: CPUs with AMX tiles, GPUs with bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


def open_run(config: TrainConfig, folder: Path, device: str | torch.device) -> Run:
    """A new run, or the one whose checkpoint lies in the folder.

    Raises:
        ValueError: the checkpoint is damaged or belongs to another configuration.
    """
    run = Run.new(config, device)
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return run
    tensors, header = read_safetensors(path)
    try:
        state = dict(json.loads(header.get("run", "{}")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not the checkpoint of a run ({error})") from error
    if state.get("config") != _plain(config):
        raise ValueError(f"{path}: holds a run of another configuration; choose another folder")
    step = state.get("step")
    if not isinstance(step, int) or not 0 <= step <= config.steps:
        raise ValueError(f"{path}: damaged, step must be 0 to {config.steps}, got {step!r}")
    weights = {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}
    load_weights(run.model, weights, path)
    parameters = list(run.model.parameters())
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            like = parameters[int(index)]
            if tensor.dim() and tensor.shape != like.shape:
                raise ValueError(f"{path}: damaged, {name} has shape {tuple(tensor.shape)}")
            # a moment must lie in memory as its weight does: the fused optimizer walks both at once
            laid_out = (
                torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
            )
            moments.setdefault(int(index), {})[key] = laid_out
    groups = run.optimizer.state_dict()["param_groups"]
    run.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    run.step, run.running = state["step"], state["running"]
    run.seconds, run.cpu_seconds = state["seconds"], state["cpu_seconds"]
    return run


def save_checkpoint(run: Run, folder: Path) -> None:
    """Write all that `open_run` needs, all or nothing."""
    tensors = {f"model.{k}": v.contiguous() for k, v in run.model.state_dict().items()}
    for index, moments in run.optimizer.state_dict()["state"].items():
        for key, value in moments.items():
            tensors[f"optimizer.{index}.{key}"] = value.contiguous()
    state = {
        "config": _plain(run.config),
        "step": run.step,
        "running": run.running,
        "seconds": run.seconds,
        "cpu_seconds": run.cpu_seconds,
    }
    write_safetensors(folder / "checkpoint.safetensors", tensors, {"run": json.dumps(state)})


def _plain(config: TrainConfig) -> dict:
    return json.loads(json.dumps(asdict(config)))


def _log(run: Run, folder: Path) -> None:
    """Add a row to log.csv; rows past this step, left by a run that was killed, go first."""
    path = folder / "log.csv"
    stages = ",".join(f"loss_{i}" for i in range(len(run.running)))
    rows = path.read_text().splitlines()[1:] if path.exists() else []
    rows = [row for row in rows if int(row.split(",")[0]) < run.step]
    losses = ",".join(f"{term:.5f}" for term in run.running)
    images = run.step * run.config.batch_size
    rows.append(f"{run.step},{images},{run.seconds:.1f},{run.cpu_seconds:.1f},{losses}")
    write_text(path, "\n".join([f"step,images,seconds,cpu_seconds,{stages}", *rows]) + "\n")


def hardware(device: torch.device) -> str:
    """The machine in words, for the record of a result."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((n.split(":")[1].strip() for n in names if n.startswith("model name")), "CPU")
    amx = " with AMX" if has_fast_bf16(device) else ""
    return f"{model}{amx}, {os.cpu_count()} cores, {platform.machine()}"


def _card(run: Run, data: Samples) -> dict:
    """Where the weights come from, and the mean limb lengths (mm) of whom they were trained on."""
    skeleton = SKELETONS[run.config.network.skeleton]
    sample = data.batch(list(range(0, len(data), max(1, len(data) // 500))))
    lengths = limb_lengths(sample.pose, skeleton.limbs).mean(0)
    return {
        "recipe": _plain(run.config),
        "data": str(data),
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "cpu_seconds": round(run.cpu_seconds, 1),
        "threads": torch.get_num_threads(),
        "hardware": hardware(next(run.model.parameters()).device),
        "torch": torch.__version__,
        "licence": "CC BY 4.0; trained on the volpose studio",
        "mean_limbs_mm": [round(x, 2) for x in lengths.tolist()],
    }
