"""Time several ways of doing the same work against each other on a machine that is never quiet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor


@dataclass(frozen=True)
class Effort:
    """How long a comparison goes on: for some seconds, but never for less than some rounds."""

    seconds: float = 5.0
    rounds: int = 3


def race(
    contestants: dict[str, Callable[[], object]], effort: Effort, device: str | torch.device = "cpu"
) -> dict[str, dict]:
    """Run all contestants once, then all again, and so on: what disturbs one disturbs the others.

    A turn is two runs, of which the second is timed: the caches are full of the others' numbers
    before the first, while in use a step follows a step.

    Args:
        contestants: functions by name.
        effort: how long.
        device: what to wait for before the clock is read.

    Returns:
        For each name ``median_s``, ``fastest_s``, ``quartiles_s`` (25 %, 75 %) and ``rounds``.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    begun, rounds = perf_counter(), 0
    while rounds < effort.rounds or perf_counter() - begun < effort.seconds:
        for name, work in contestants.items():
            work()
            seconds[name].append(_seconds(work, device))
        rounds += 1
    return {name: _summary(row) for name, row in seconds.items()}


def compare(
    name: str,
    contestants: dict[str, Callable[[], object]],
    effort: Effort,
    device: str | torch.device = "cpu",
    tolerance: float = 0.0,
) -> dict:
    """A race, after a look at what everybody came up with.

    Args:
        name: of the work.
        contestants: the first is the one to beat. Each returns a tensor, or several, which have to
            agree with those of the first; or None, if it only shows what is possible.
        effort, device: as in `race`.
        tolerance: largest difference to the first one's numbers, as a share of the largest of them.

    Returns:
        ``name``, ``baseline``, ``times`` (of `race`), and for all but the first ``faster``: how
        many times faster its median is than the first one's.

    Raises:
        ValueError: two contestants disagree; there is nothing to compare then.
    """
    baseline, *others = contestants
    expected = _numbers(contestants[baseline]())
    for other in others:
        _check(f"{name}: {other}", _numbers(contestants[other]()), expected, tolerance)
    del expected
    times = race(contestants, effort, device)
    first = times[baseline]["median_s"]
    faster = {other: rounded(first / times[other]["median_s"]) for other in others}
    return {"name": name, "baseline": baseline, "times": times, "faster": faster}


def rounded(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")


def _seconds(work: Callable[[], object], device: str | torch.device) -> float:
    _wait_for(device)
    start = perf_counter()
    work()
    _wait_for(device)
    return perf_counter() - start


def _wait_for(device: str | torch.device) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _summary(seconds: list[float]) -> dict:
    shares = torch.tensor([0.0, 0.25, 0.5, 0.75], dtype=torch.float64)
    values = torch.tensor(seconds, dtype=torch.float64).quantile(shares).tolist()
    fastest, low, median, high = (rounded(value) for value in values)
    return {
        "median_s": median,
        "fastest_s": fastest,
        "quartiles_s": [low, high],
        "rounds": len(seconds),
    }


def _numbers(result: object) -> list[Tensor]:
    """Own copies: a contestant may write its next result over this one."""
    tensors = [result] if isinstance(result, Tensor) else result or ()
    return [tensor.detach().double().cpu() for tensor in tensors]


def _check(who: str, found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    if not found:
        return
    if [f.shape for f in found] != [e.shape for e in expected]:
        shapes = [[tuple(t.shape) for t in tensors] for tensors in (found, expected)]
        raise ValueError(f"{who} gives shapes {shapes[0]}, expected {shapes[1]}")
    for one, other in zip(found, expected, strict=True):
        limit = tolerance * float(other.abs().max())
        difference = float((one - other).abs().max())
        if not difference <= limit:
            raise ValueError(f"{who} is off by {difference:.3g}, expected at most {limit:.3g}")
