"""What the paper does not show of a network: its error by stage, decoder, joint and confidence."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from volpose.data.samples import Batch, Samples
from volpose.decode import confidence, metric_pose, peak_voxel
from volpose.estimator import DECODERS, Estimator
from volpose.grid import Grid
from volpose.metrics import mpjpe, root_relative

BINS = 10  # of the peak's height, from 0 to 1
COMPARED = ("peak", "argmax", "integral")  # decoders
NEAR = 150.0  # mm; a joint further off counts as missed


def dissect(estimator: Estimator, data: Samples, batch_size: int = 50) -> dict:
    """Errors of a volumetric network, taken apart.

    Args:
        estimator: the network.
        data: samples with truth.
        batch_size: samples at a time.

    Returns:
        ``joints``: name -> MPJPE in mm; ``decoders``: name -> MPJPE in mm; ``stages``: for each
        volume of the stack its depth ``d``, MPJPE in mm, the error across in px of the crop and
        along the depth in mm; ``confidence``: for each tenth of peak height how many ``joints``,
        their mean ``error_mm`` and the share ``within_150``. The root is always right and left out
        of all but MPJPE.

    Paper: not in the paper; Sec. 3.1 and 3.2 suggest it.
    """
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for start in range(0, len(data), batch_size):
        batch = data.batch(list(range(start, min(start + batch_size, len(data)))))
        for name, values in _errors(estimator, batch).items():
            parts[name].append(values)
    errors = {name: torch.cat(values) for name, values in parts.items()}
    names = estimator.skeleton.joints
    last = errors["peak"].mean(0).tolist()
    return {
        "joints": {name: round(mm, 3) for name, mm in zip(names, last, strict=True)},
        "decoders": {name: _mean(errors[name]) for name in COMPARED},
        "stages": [_stage(errors, i, d) for i, d in enumerate(estimator.config.z_bins)],
        "confidence": _calibration(errors["confidence"], errors["peak"][:, 1:]),
    }


def _errors(estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
    """(B, J) errors of a batch: in mm by decoder, and by stage in mm, px and mm of depth."""
    volumes = estimator.stages(batch.image)
    found = {
        name: _millimeters(estimator, batch, DECODERS[name](volumes[-1]), estimator.grid)[0]
        for name in COMPARED
    }
    found["confidence"] = confidence(volumes[-1])[:, 1:]
    truth = batch.places(float(estimator.config.image_size))
    for i, volume in enumerate(volumes):
        grid = estimator.grid.coarsened(volume.shape[2])
        found[f"mm {i}"], places = _millimeters(estimator, batch, peak_voxel(volume), grid)
        difference = (places - truth)[:, 1:]
        found[f"px {i}"] = difference[..., :2].norm(dim=-1)
        found[f"depth {i}"] = difference[..., 2].abs()
    return found


def _millimeters(
    estimator: Estimator, batch: Batch, voxels: Tensor, grid: Grid
) -> tuple[Tensor, Tensor]:
    """(B, J) distances to the truth, mm, and the places that the voxels stand for."""
    places = grid.to_places(voxels)
    places[:, estimator.skeleton.root, 2] = 0
    size = float(estimator.config.image_size)
    pose = metric_pose(places, batch.box, batch.camera, batch.root_depth, size)
    pose, truth = root_relative(pose), root_relative(batch.pose)
    return mpjpe(pose[..., None, :], truth[..., None, :]), places


def _stage(errors: dict[str, Tensor], stage: int, d: int) -> dict:
    return {
        "d": d,
        "mpjpe_mm": _mean(errors[f"mm {stage}"]),
        "across_px": _mean(errors[f"px {stage}"]),
        "depth_mm": _mean(errors[f"depth {stage}"]),
    }


def _calibration(sure: Tensor, error: Tensor) -> list[dict]:
    bins = (sure * BINS).long().clamp(max=BINS - 1)
    rows = []
    for k in range(BINS):
        inside = error[bins == k]
        if len(inside):
            within = (inside <= NEAR).float()
            rows.append(
                {"from": k / BINS, "joints": len(inside), "error_mm": _mean(inside)}
                | {"within_150": _mean(within)}
            )
    return rows


def _mean(values: Tensor) -> float:
    return round(float(values.double().mean()), 4)
