"""How good a lifting network is, the worse its detector gets."""

from __future__ import annotations

from torch import Tensor

from volpose.decode import metric_pose
from volpose.evaluate import ROOTS
from volpose.feed import random_stream
from volpose.lift.faults import Counted
from volpose.lift.lifter import Lifter
from volpose.lift.motions import Motions
from volpose.lift.people import Seen, seen_people
from volpose.metrics import mpjpe, pa_mpjpe, root_relative
from volpose.model import count_parameters
from volpose.skeleton import H36M_17

NOISE = (0.0, 2.5, 5.0, 10.0)  # sigma, px of a crop of 256
MISSING = (0, 1, 2, 4)  # joints
STREAM = 4  # of random numbers
SOURCES = ("truth", "robust-limbs")


def evaluate_lifter(lifter: Lifter, motions: Motions, mirror: bool = True, seed: int = 0) -> dict:
    """Errors of a lifting network on motion capture, over noise and missing joints.

    Every pose has one virtual camera, the same for every network and row.

    Args:
        lifter: the network.
        motions: the test poses; their bodies stay as they are.
        mirror: average with the mirror image.
        seed: of cameras and faults.

    Returns:
        Data, protocol, the network's card and size, and for each level of noise and number of
        missing joints MPJPE and PA-MPJPE in mm for both sources of the root depth.

    Paper: Sec. 3.3; Sec. 4.2 for the errors.
    """
    rows = []
    for sigma in NOISE:
        for missing in MISSING:
            generator = random_stream(seed, STREAM, 0)
            detector = Counted(sigma, missing).find
            seen = seen_people(motions.pose, detector, generator, lifter.grid.crop_size)
            row = {"noise_px": sigma, "missing": missing}
            rows.append(row | _errors(lifter, seen, mirror))
    return {
        "data": f"{motions}; one virtual camera each, seed {seed}",
        "protocol": (
            "2D joints with Gaussian noise (px of a 256 px crop) and missing joints, given camera; "
            f"root-relative, no other alignment{'; mirror-averaged' if mirror else ''}; root depth "
            + ", ".join(f"{name}: {ROOTS[name]}" for name in SOURCES)
        ),
        "poses": len(motions),
        "parameters": count_parameters(lifter.network.model),
        "card": lifter.network.card,
        "rows": rows,
    }


def _errors(lifter: Lifter, seen: Seen, mirror: bool) -> dict[str, float]:
    places, _ = lifter.places(seen.found, mirror)
    size = lifter.grid.crop_size
    truth = root_relative(seen.pose, H36M_17.root)

    def lifted(depth: Tensor) -> Tensor:
        return root_relative(metric_pose(places, seen.box, seen.view, depth, size), H36M_17.root)

    found = lifter.root_depth(places, seen.box, seen.view)
    depths = dict(zip(SOURCES, (seen.pose[:, H36M_17.root, 2], found), strict=True))
    errors = {}
    for name, depth in depths.items():
        pose = lifted(depth)
        errors[f"MPJPE mm, {name}"] = round(float(mpjpe(pose, truth).mean()), 2)
        errors[f"PA-MPJPE mm, {name}"] = round(float(pa_mpjpe(pose, truth).mean()), 2)
    return errors


def report(result: dict) -> str:
    """The errors with the true root depth as text: noise down, missing joints across."""
    lines = ["MPJPE / PA-MPJPE, mm; noise in px down, missing joints across"]
    lines.append("      " + "".join(f"{missing:>15}" for missing in MISSING))
    for sigma in NOISE:
        cells = [
            f"{row['MPJPE mm, truth']:7.1f} /{row['PA-MPJPE mm, truth']:6.1f}"
            for row in result["rows"]
            if row["noise_px"] == sigma
        ]
        lines.append(f"{sigma:6.1f}" + "".join(cells))
    return "\n".join(lines)
