"""How fast the hot paths are: as ratios to the plain way to do the same, and to the machine.

Everything is measured in one run on one machine, contestants taking turns, so that only ratios
need to be believed; see `volpose.bench.timing`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from volpose import __version__
from volpose.bench import kernels, memory, training
from volpose.bench.kernels import Volumes
from volpose.bench.table import report, write
from volpose.bench.timing import Effort
from volpose.precision import keep_freed_memory
from volpose.provenance import hardware
from volpose.recipe import PRESETS, TrainConfig

__all__ = ["FULL", "QUICK", "Plan", "bench", "measure", "report", "write"]

PAPER_VOLUMES, LAPTOP_VOLUMES = (17, 64, 64, 64), (17, 32, 16, 16)


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long.

    Args:
        product, copy_mib: sizes for `kernels.limits`.
        losses, decoded: volumes for the loss and for the decoders.
        forward: names of ``runs`` and batch sizes for the forward pass.
        steps: names of ``runs`` whose training step is timed.
        memory: names of ``runs`` whose training step is measured in MiB.
        memory_losses: volumes whose loss is measured in MiB.
        memory_forms: of a training step, see `training.step_work`.
        waiting: name of the run, pictures and steps for `training.data_wait`.
        render: sizes of pictures, px.
        rendered: pictures in one go.
        effort: for each comparison.
        runs: by name.
    """

    product: int
    copy_mib: int
    losses: tuple[Volumes, ...]
    decoded: tuple[Volumes, ...]
    forward: tuple[tuple[str, int], ...]
    steps: tuple[str, ...]
    memory: tuple[str, ...]
    memory_losses: tuple[Volumes, ...]
    memory_forms: tuple[str, ...]
    waiting: tuple[str, int, int]
    render: tuple[int, ...]
    rendered: int
    effort: Effort
    runs: dict[str, TrainConfig]


FULL = Plan(
    product=2048,
    copy_mib=1024,
    losses=(
        Volumes(4, PAPER_VOLUMES, "bf16", "channels-last"),
        Volumes(4, PAPER_VOLUMES, "fp32", "contiguous"),
        Volumes(4, PAPER_VOLUMES, "fp32", "channels-last"),
        Volumes(16, LAPTOP_VOLUMES, "bf16", "channels-last"),
    ),
    decoded=(
        Volumes(8, PAPER_VOLUMES, "fp32", "contiguous"),
        Volumes(8, PAPER_VOLUMES, "fp32", "channels-last"),
    ),
    forward=(("paper", 1), ("laptop", 32)),
    steps=("laptop", "paper"),
    memory=("laptop", "paper"),
    memory_losses=(
        Volumes(4, PAPER_VOLUMES, "bf16", "channels-last"),
        Volumes(4, PAPER_VOLUMES, "fp32", "contiguous"),
    ),
    memory_forms=("plain", "ours", "recompute"),
    waiting=("laptop", 240, 75),
    render=(64, 128),
    rendered=30,
    effort=Effort(seconds=10.0, rounds=4),
    runs=PRESETS,
)
QUICK = Plan(
    product=2048,
    copy_mib=256,
    losses=FULL.losses[::3],
    decoded=FULL.decoded[:1],
    forward=(("laptop", 32),),
    steps=("laptop",),
    memory=("laptop",),
    memory_losses=(),
    memory_forms=("plain", "ours"),
    waiting=("laptop", 60, 50),
    render=(64,),
    rendered=10,
    effort=Effort(seconds=1.0, rounds=2),
    runs=PRESETS,
)


def bench(device: str = "cpu", quick: bool = False, threads: int | None = None) -> dict:
    """Measure everything: about eight minutes on two cores.

    Args:
        device: where the network computes.
        quick: the small things only, in a minute.
        threads: of PyTorch; None leaves them as they are.

    Returns:
        Plain numbers, lists and strings, for `report` and `write`.

    Raises:
        ValueError: two ways to do the same disagree, or threads is not positive.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    keep_freed_memory()  # for all contestants, as for `volpose train`
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return {"quick": quick} | measure(QUICK if quick else FULL, device)
    finally:
        torch.set_num_threads(before)


def measure(plan: Plan, device: str = "cpu") -> dict:
    """What a plan says, as `bench` returns it."""
    effort, runs = plan.effort, plan.runs
    limit = kernels.limits(plan.product, plan.copy_mib, effort, device)
    name, images, steps = plan.waiting
    result = {
        "machine": hardware(torch.device(device)),
        "device": torch.device(device).type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "volpose": __version__,
        "limits": limit,
        "loss": [kernels.loss(case, effort, device, limit) for case in plan.losses],
        "decode": [e for case in plan.decoded for e in kernels.decode(case, effort, device, limit)],
        "forward": [
            kernels.forward(n, runs[n].network, batch, effort, device, limit)
            for n, batch in plan.forward
        ],
        "step": [training.step(n, runs[n], effort, device, limit) for n in plan.steps],
        "wait": training.data_wait(runs[name], images, steps, device) | {"name": name},
        "render": [kernels.render(size, plan.rendered, effort, device) for size in plan.render],
        "memory": [],
    }
    if memory.measurable(device):
        losses = [memory.of_loss(case, device) for case in plan.memory_losses]
        forms = plan.memory_forms
        result["memory"] = losses + [memory.of_step(n, runs[n], forms, device) for n in plan.memory]
    return result
