"""Measure what can be done after the network: decoders, pictorial structures, filters in time.

    python tools/sharpen.py [WEIGHTS]

Writes ``results/refine/WEIGHTS.json``: errors on the studio's test pictures and on films of its
test actors, what each method costs, and whether a volume's spread tells its error. One thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from volpose import __version__, pretrained
from volpose.data.samples import Batch
from volpose.decode import metric_pose, peak_voxel, root_depth_from_limbs
from volpose.estimator import DECODERS, Estimator
from volpose.evaluate import TRUSTED
from volpose.metrics import ACTIONS_15, mpjpe, pa_mpjpe, root_relative
from volpose.provenance import hardware
from volpose.refine import candidates, pictorial_structures, spread
from volpose.steady import steady_volumes
from volpose.storage import write_text
from volpose.studio import Studio

PICTURES, BATCH = 2000, 50
FRAMES, FPS = 50, 25
TENTHS = 10


def main(name: str) -> None:
    """Measure a shipped network and write the result."""
    torch.set_num_threads(1)
    estimator = pretrained.load(name).at_precision("auto")
    size = estimator.config.image_size
    studio = Studio("test", size=size, count=PICTURES)
    result = {"weights": name, "volpose": __version__, "hardware": hardware(torch.device("cpu"))}
    result |= {"pictures": str(studio), "films": f"{len(ACTIONS_15)} of {FRAMES} frames at {FPS}/s"}
    result |= pictures(estimator, studio) | films(estimator, studio)
    save(result)


def save(result: dict) -> None:
    """Write a result under the name of its weights, and print its tables."""
    out = Path("results/refine") / f"{result['weights']}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, json.dumps(result, indent=1) + "\n")
    for part in ("picture", "film"):
        for method, row in result[part].items():
            print(f"{part:8s} {method:36s}", *(f"{k} {v:8.2f}" for k, v in row.items()))


def lift(estimator: Estimator, batch: Batch, voxels: Tensor, root_depth: Tensor) -> Tensor:
    """Root-relative poses, mm."""
    places = estimator.grid.to_places(voxels)
    places[:, estimator.skeleton.root, 2] = 0
    size = float(estimator.config.image_size)
    return root_relative(metric_pose(places, batch.box, batch.camera, root_depth, size))


def pictorial(estimator: Estimator, batch: Batch, volume: Tensor) -> Tensor:
    """Voxels of the best tree, the root where the limbs of the highest peaks put it."""
    places = estimator.grid.to_places(peak_voxel(volume))
    places[:, estimator.skeleton.root, 2] = 0
    lengths, limbs = estimator.mean_limbs(), estimator.skeleton.limbs
    size, where = float(estimator.config.image_size), (batch.box, batch.camera)
    depth = root_depth_from_limbs(places, *where, limbs, lengths, size, trusted=TRUSTED)
    grid, skeleton = estimator.grid, estimator.skeleton
    return pictorial_structures(candidates(volume), grid, skeleton, lengths, *where, depth)


class Tally:
    """Errors and seconds of several methods."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def time(self, method: str, work: Callable[[], Tensor], count: int) -> Tensor:
        """What ``work`` gives; its time is that of ``count`` pictures."""
        start = time.process_time()
        found = work()
        self.rows[method]["ms"].append(1000 * (time.process_time() - start) / count)
        return found

    def judge(self, method: str, pose: Tensor, truth: Tensor) -> None:
        """Errors of poses (B, J, 3), frame by frame."""
        row = self.rows[method]
        row["MPJPE mm"] += mpjpe(pose, truth).tolist()
        row["PA-MPJPE mm"] += pa_mpjpe(pose, truth).tolist()

    def jitter(self, method: str, pose: Tensor, truth: Tensor) -> None:
        """Error of the acceleration, mm per frame squared: what one sees as trembling."""
        bend = (pose - truth).diff(n=2, dim=0).norm(dim=-1)
        self.rows[method]["jitter mm"].append(float(bend.mean()))

    def against(self, method: str, other: str) -> dict[str, int]:
        """How many pictures a method makes better or worse than another does, by over 1 mm."""
        both = (torch.tensor(self.rows[name]["MPJPE mm"]) for name in (method, other))
        gain = torch.sub(*both)
        found = {"pictures": len(gain), "better": int((gain < -1).sum())}
        return found | {"worse": int((gain > 1).sum())}

    def means(self) -> dict:
        """Method -> name -> mean."""
        return {
            method: {name: round(sum(values) / len(values), 4) for name, values in row.items()}
            for method, row in self.rows.items()
        }


def pictures(estimator: Estimator, studio: Studio) -> dict:
    """Single pictures: decoders, mirror images, pictorial structures; and the spread."""
    tally, sure, off, grid = Tally(), [], [], estimator.grid
    for start in range(0, PICTURES, BATCH):
        batch = studio.batch(range(start, min(start + BATCH, PICTURES)))
        count, truth, depth = len(batch), root_relative(batch.pose), batch.root_depth
        volume = tally.time("network", lambda b=batch: estimator.volume(b.image), count)
        methods = {name: lambda v=volume, d=d: d(v) for name, d in DECODERS.items()}
        methods["pictorial structures"] = lambda b=batch, v=volume: pictorial(estimator, b, v)
        methods["mirror, peak"] = lambda b=batch: peak_voxel(estimator.volume(b.image, True))
        for method, decode in methods.items():
            voxels = tally.time(method, decode, count)
            tally.judge(method, lift(estimator, batch, voxels, depth), truth)
        voxels = peak_voxel(volume)
        places = grid.to_places(voxels)
        error = (places - batch.places(float(estimator.config.image_size)))[:, 1:]
        covariance = tally.time("spread", lambda v=volume, p=voxels: spread(v, p, grid), count)
        sure.append(covariance[:, 1:].diagonal(dim1=-2, dim2=-1))
        off.append(error.square())
    return {
        "picture": tally.means(),
        "pictorial structures": tally.against("pictorial structures", "peak"),
        "spread": calibration(torch.cat(sure), torch.cat(off)),
    }


def calibration(variance: Tensor, squared: Tensor) -> dict:
    """In tenths from narrow to wide: what the spread says and what the error is, in each axis.

    Args:
        variance: (N, J, 3) of the volumes.
        squared: (N, J, 3) errors.
    """
    found = {}
    for axis, name in enumerate(("x px", "y px", "depth mm")):
        said, was = variance[..., axis].flatten(), squared[..., axis].flatten()
        parts = said.argsort().chunk(TENTHS)
        found[name] = [
            {"said": float(said[part].mean().sqrt()), "was": float(was[part].mean().sqrt())}
            for part in parts
        ]
    return found


def films(estimator: Estimator, studio: Studio) -> dict:
    """Films of the test actors, one of each action."""
    tally = Tally()
    for number, action in enumerate(ACTIONS_15):
        film = studio.sequence(
            ("S9", "S11")[number % 2], action, 3 + number, number % 4, FRAMES, FPS
        )
        truth, depth = root_relative(film.pose), film.root_depth
        volume = estimator.volume(film.image)

        def smooth(voxels: Tensor, film: Batch = film, depth: Tensor = depth) -> Tensor:
            pose = lift(estimator, film, voxels, depth)
            return torch.from_numpy(gaussian_filter1d(pose.numpy(), 1.5, axis=0))

        def frames(voxels: Tensor, film: Batch = film, depth: Tensor = depth) -> Tensor:
            return lift(estimator, film, voxels, depth)

        steady = tally.time("volumes in time", lambda v=volume: steady_volumes(v), FRAMES)
        own = partial(pictorial, estimator, film)
        poses = {
            "frame by frame": frames(peak_voxel(volume)),
            "pictorial structures": frames(own(volume)),
            "joints in time": smooth(peak_voxel(volume)),
            "volumes in time": frames(peak_voxel(steady)),
            "volumes in time, pictorial": frames(own(steady)),
            "volumes, then joints in time": smooth(peak_voxel(steady)),
        }
        for method, pose in poses.items():
            tally.judge(method, pose, truth)
            tally.jitter(method, pose, truth)
    return {"film": tally.means()}


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "studio-laptop")
