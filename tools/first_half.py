"""Put the lifting network behind a network for pictures: what may pass between the two?

    python tools/first_half.py [WEIGHTS [LIFTER]]

Writes ``results/lift/first-half.json``: errors on the wild studio's test pictures of the network
itself, and of the lifting network that is given true joints, the network's joints, or its
heatmaps. True boxes, cameras and root depths. One thread.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

from volpose import __version__, pretrained
from volpose.camera import Camera
from volpose.crop import to_image
from volpose.data.samples import Batch
from volpose.decode import metric_pose
from volpose.estimator import Estimator
from volpose.lift.faults import Found
from volpose.lift.heatmaps import Heatmaps, read_heatmaps
from volpose.lift.lifter import Lifter, lift
from volpose.metrics import mpjpe, pa_mpjpe, root_relative
from volpose.provenance import hardware
from volpose.storage import write_text
from volpose.studio import Studio

PICTURES, BATCH, VARIATION = 1000, 50, "wild"


def main(name: str = "studio-laptop-anywhere", lifter_name: str = "lift-mocap") -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    estimator = pretrained.load(name).at_precision("auto")
    lifter = Lifter.load(lifter_name)
    size = estimator.config.image_size
    studio = Studio("test", size=size, count=PICTURES, variation=VARIATION)
    errors = defaultdict(list)
    for batch in studio.batches(BATCH):
        truth = root_relative(batch.pose)
        for way, pose in poses(estimator, lifter, batch).items():
            errors[way].append(torch.stack([mpjpe(pose, truth), pa_mpjpe(pose, truth)]))
    rows = {}
    for way, parts in errors.items():
        mean, aligned = torch.cat(parts, 1).mean(1).tolist()
        rows[way] = {"MPJPE mm": round(mean, 2), "PA-MPJPE mm": round(aligned, 2)}
        print(f"{way:28s} {mean:8.1f} {aligned:8.1f}")
    result = {
        "weights": name,
        "lifter": lifter_name,
        "data": str(studio),
        "volpose": __version__,
        "hardware": hardware(torch.device("cpu")),
        "rows": rows,
    }
    path = Path("results/lift/first-half.json")
    write_text(path, json.dumps(result, indent=1) + "\n")


def poses(estimator: Estimator, lifter: Lifter, batch: Batch) -> dict[str, Tensor]:
    """Root-relative poses (B, 17, 3), mm, by what the second half is given."""
    size = float(estimator.config.image_size)
    camera = Camera(batch.camera.focal, batch.camera.center)
    depth = batch.pose[:, 0, 2]
    volume = estimator.stages(batch.image)[-1]
    places, sure = estimator.places(batch.image)
    found = Found(to_image(places[..., :2], batch.box, size), sure)
    certain = torch.ones_like(sure)
    own = metric_pose(places, batch.box, camera, depth, size)

    def lifted(given: Found) -> Tensor:
        return lift(given, camera, lifter, depth).pose_mm

    return {
        "the network's own volume": root_relative(own),
        "true joints, lifted": lifted(Found(batch.joints, certain)),
        "its joints, lifted": lifted(Found(found.joints, certain)),
        "its joints and peaks, lifted": lifted(found),
        "its heatmaps, lifted": lifted(read_heatmaps(Heatmaps(volume.amax(2), batch.box))),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
