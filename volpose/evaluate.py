"""Evaluate a network on a data set: per-action errors, with the protocol beside every number."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from tqdm import tqdm

from volpose.data.samples import Batch, Samples
from volpose.decode import limb_lengths, metric_pose, root_depth_from_limbs
from volpose.estimator import Estimator
from volpose.metrics import ACTIONS_15, ActionTable, auc, mpjpe, pa_mpjpe, pck, root_relative

ROOTS = {
    "truth": "true root depth",
    "own-limbs": "depth from the person's own limb lengths",
    "mean-limbs": "depth from the mean limb lengths of the training subjects",
    "robust-limbs": "depth from the mean limb lengths of the training subjects, robust fit",
}
TRUSTED = 40.0  # mm; limbs further off than this are doubted by the robust fit


def evaluate(
    estimator: Estimator,
    data: Samples,
    root: str = "truth",
    decoder: str = "peak",
    mirror: bool = False,
    progress: bool = False,
    batch_size: int = 50,
) -> ActionTable:
    """Errors of a network on a data set, a row an action.

    Args:
        estimator: the network.
        data: samples with truth.
        root: where the root's depth comes from, a key of `ROOTS`.
        decoder: "peak" (between the voxels) or "argmax" (the paper's).
        mirror: average with the mirror images.
        progress: show a progress bar.
        batch_size: samples at a time.

    Returns:
        MPJPE and PA-MPJPE in mm, PCK at 150 mm and its AUC in percent; poses are root-relative.

    Raises:
        ValueError: unknown root source or decoder, no samples, or an action that Human3.6M lacks.

    Paper: Sec. 4.2.
    """
    if root not in ROOTS:
        raise ValueError(f"root must be one of {tuple(ROOTS)}, got {root!r}")
    errors: list[dict[str, Tensor]] = []
    actions: list[str] = []
    for start in tqdm(range(0, len(data), batch_size), disable=not progress, unit="batch"):
        batch = data.batch(list(range(start, min(start + batch_size, len(data)))))
        predicted = predict_batch(estimator, batch, root, decoder, mirror)
        errors.append(_errors(predicted, batch.pose, estimator.skeleton.root))
        actions += batch.action
    joined = {name: torch.cat([e[name] for e in errors]) for name in errors[0]} if errors else {}
    read = "coordinates" if estimator.config.kind == "coordinate" else f"{decoder} decoding"
    pooled = ", mirror-averaged" if mirror else ""
    return ActionTable.from_samples(
        joined,
        actions,
        root_source=ROOTS[root],
        box_source="true joints",
        protocol=f"{data}; {read}{pooled}; root-relative, no other alignment",
        known=ACTIONS_15,
    )


def predict_batch(
    estimator: Estimator,
    batch: Batch,
    root: str = "truth",
    decoder: str = "peak",
    mirror: bool = False,
) -> Tensor:
    """Metric poses (B, J, 3), mm, camera frame, of a batch; arguments as in `evaluate`."""
    size = float(estimator.config.image_size)
    places = estimator.places(batch.image, mirror, decoder)[0].to(batch.pose.device)
    limbs = estimator.skeleton.limbs
    if root == "truth":
        depth = batch.root_depth
    else:
        own = root == "own-limbs"
        lengths = limb_lengths(batch.pose, limbs) if own else estimator.mean_limbs()
        trusted = TRUSTED if root == "robust-limbs" else math.inf
        depth = root_depth_from_limbs(
            places, batch.box, batch.camera, limbs, lengths, size, trusted=trusted
        )
    return metric_pose(places, batch.box, batch.camera, depth, size)


def _errors(predicted: Tensor, truth: Tensor, root: int) -> dict[str, Tensor]:
    predicted, truth = root_relative(predicted, root), root_relative(truth, root)
    return {
        "MPJPE mm": mpjpe(predicted, truth),
        "PA-MPJPE mm": pa_mpjpe(predicted, truth),
        "PCK150 %": 100 * pck(predicted, truth),
        "AUC %": 100 * auc(predicted, truth),
    }
