"""The highest memory that a piece of work needs, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch

from volpose.bench.kernels import Volumes, loss_work
from volpose.bench.timing import rounded
from volpose.bench.training import best_form, comparable, step_work
from volpose.recipe import TrainConfig

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
TIMES = 2  # the second step has the optimizer's numbers beside it


def measurable(device: str) -> bool:
    """Whether the peak can be read: on CUDA, and on Linux where a process may reset its own."""
    if torch.device(device).type == "cuda":
        return True
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return "VmHWM" in STATUS.read_text()


def of_loss(case: Volumes, device: str) -> dict:
    """MiB at the peak of forward and backward, beyond the volume and its gradient."""
    known = 2 * case.bytes / 2**20
    small = replace(case, batch=1, shape=(1, 2, 8, 8))
    peaks = {
        form: _peak(loss_work, [(form, c, device) for c in (small, case)], device) - known
        for form in ("naive", "fused")
    }
    return _entry(f"loss, {case}, beyond volume and gradient", peaks, "fused")


def of_step(name: str, config: TrainConfig, forms: tuple[str, ...], device: str) -> dict:
    """MiB at the peak of a training step: weights, optimizer, activations, everything.

    Args:
        name: of the run.
        config: of the run.
        forms: of `step_work`, the first is the one to beat; "ours" is the one that `fit` takes.
        device: where to train.
    """
    config, best = comparable(config), best_form(config, device)
    network = replace(config.network, z_bins=(1, 2), features=8, hourglass_depth=1, image_size=32)
    small = replace(config, network=network, batch_size=2)
    peaks = {}
    for form in forms:
        known = best if form == "ours" else form
        peaks[form] = _peak(step_work, [(known, c, device) for c in (small, config)], device)
    return _entry(f"step, {name}, batch {config.batch_size}", peaks, "ours")


def _entry(name: str, peaks: dict[str, float], ours: str) -> dict:
    baseline, *others = peaks
    return {
        "name": name,
        "baseline": baseline,
        "peak_mib": {form: rounded(peak) for form, peak in peaks.items()},
        "saved": {other: rounded(1 - peaks[other] / peaks[baseline]) for other in others},
        "ours": ours,
    }


def _peak(
    make: Callable[..., Callable[[], object]], arguments: Sequence[tuple], device: str
) -> float:
    """MiB by which a new process grows at most while it does some work.

    Args:
        make: builds the work, which is then done `TIMES` times. What building needs for a moment
            does not count.
        arguments: of ``make``, first for a small piece of work of the same kind. It is done before,
            so that the libraries it takes are loaded and do not count either.
        device: whose memory.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_growth, make, arguments, device, torch.get_num_threads()).result()


def _growth(
    make: Callable[..., Callable[[], object]], arguments: Sequence[tuple], device: str, threads: int
) -> float:
    torch.set_num_threads(threads)
    on_gpu = torch.device(device).type == "cuda"
    small, large = arguments
    make(*small)()
    before = torch.cuda.memory_allocated(device) if on_gpu else _status("VmRSS")
    work = make(*large)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    else:
        CLEAR.write_text("5")
    for _ in range(TIMES):
        work()
    peak = torch.cuda.max_memory_allocated(device) if on_gpu else _status("VmHWM")
    return (peak - before) / 2**20


def _status(name: str) -> int:
    """Bytes of this process: VmRSS in use now, VmHWM the most since the mark was reset."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
