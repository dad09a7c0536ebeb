"""How far a test pose is from the nearest training pose: what remembering alone could reach."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.metrics import root_relative

TOGETHER = 100  # test poses at a time


def nearest_mm(
    test: Float[Tensor, "tests joints 3"], train: Float[Tensor, "trains joints 3"]
) -> Float[Tensor, " tests"]:
    """MPJPE of the training pose nearest to each test pose, mm; both root-relative, camera frame.

    It is what a network that could only name poses it has seen would reach at best.

    Paper: not in the paper.
    """
    test, train = root_relative(test), root_relative(train)
    return torch.cat([_nearest(part, train) for part in test.split(TOGETHER)])


def _nearest(test: Tensor, train: Tensor) -> Tensor:
    total = torch.zeros(len(test), len(train), device=test.device)
    for joint in range(test.shape[1]):
        total += torch.cdist(test[:, joint], train[:, joint])
    return total.amin(1) / test.shape[1]


def lookup(test: Float[Tensor, "n joints 3"], train: Float[Tensor, "m joints 3"]) -> dict:
    """The nearest training poses and, for comparison, the mean training pose, as plain numbers.

    Args:
        test, train: poses in the camera frame, mm.

    Returns:
        ``nearest_mm`` (mean) and ``quartiles_mm`` over the test poses, ``mean_pose_mm``, and how
        many poses there were.
    """
    nearest = nearest_mm(test, train)
    middle = root_relative(train).mean(0)
    off = (root_relative(test) - middle).norm(dim=-1).mean()
    shares = torch.tensor([0.25, 0.5, 0.75], device=nearest.device)
    return {
        "train_poses": len(train),
        "test_poses": len(test),
        "nearest_mm": round(float(nearest.mean()), 2),
        "quartiles_mm": [round(x, 2) for x in nearest.quantile(shares).tolist()],
        "mean_pose_mm": round(float(off), 2),
    }
