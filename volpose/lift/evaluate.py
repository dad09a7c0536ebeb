"""How good a lifting network is, the worse its detector gets."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from volpose.decode import integral_voxel, metric_pose
from volpose.evaluate import ROOTS
from volpose.feed import random_stream
from volpose.lift.bodies import resample_bodies
from volpose.lift.doubt import LEVELS, PARTS, SHARE, Doubt, depth_spread, share_by_part
from volpose.lift.faults import Counted, Cut
from volpose.lift.lifter import BATCH, Lifter
from volpose.lift.motions import Motions
from volpose.lift.people import Seen, seen_people
from volpose.metrics import mpjpe, pa_mpjpe, root_relative
from volpose.model import count_parameters
from volpose.skeleton import H36M_17

NOISE = (0.0, 2.5, 5.0, 10.0)  # sigma, px of a crop of 256
MISSING = (0, 1, 2, 4)  # joints
CUTS = {
    "ankles": ("ankle",),
    "knees and ankles": ("knee", "ankle"),
    "all below the chest": ("pelvis", "hip", "knee", "ankle", "spine"),
    "head": ("nose", "head_top"),
}
MET = NOISE[:3]  # by those from whom a network's doubt is learned
STREAM = 4  # of random numbers
SOURCES = ("truth", "robust-limbs")
UP = ", up known"


def evaluate_lifter(lifter: Lifter, motions: Motions, mirror: bool = True, seed: int = 0) -> dict:
    """Errors of a lifting network on motion capture, over noise and missing joints.

    Every pose has one virtual camera, the same for every network and row.

    Args:
        lifter: the network.
        motions: the test poses; their bodies stay as they are, but in ``other bodies``.
        mirror: average with the mirror image.
        seed: of cameras and faults.

    Returns:
        Data, protocol, the network's card and size, and for each level of noise and number of
        missing joints MPJPE and PA-MPJPE in mm for both sources of the root depth, once knowing
        nothing of the camera but its rays, and once also which way is up; for joints without
        faults the same of each subject, of people whose limb lengths were drawn anew, and of
        people who are cut off by the picture's border; and the network's doubt, see
        `measure_doubt`.

    Paper: Sec. 3.3; Sec. 4.2 for the errors.
    """

    faults = [(sigma, missing) for sigma in NOISE for missing in MISSING]
    cells = {fault: errors_of(lifter, motions, Counted(*fault), mirror, seed) for fault in faults}
    rows = [
        {"noise_px": sigma, "missing": missing} | means(errors)
        for (sigma, missing), errors in cells.items()
    ]
    generator = random_stream(seed, STREAM, 0)
    others = resample_bodies(motions.pose, generator)
    seen = seen_people(others, Counted().find, generator, lifter.grid.crop_size)
    cut = {name: errors_of(lifter, motions, Cut(lost), mirror, seed) for name, lost in CUTS.items()}
    return {
        "data": f"{motions}; one virtual camera each, seed {seed}",
        "protocol": (
            "2D joints with Gaussian noise (px of a 256 px crop) and missing joints, given camera; "
            f"root-relative, no other alignment{'; mirror-averaged' if mirror else ''}; root depth "
            + ", ".join(f"{name}: {ROOTS[name]}" for name in SOURCES)
            + f"; {UP.strip(', ')}: the network is told which way is up"
        ),
        "poses": len(motions),
        "parameters": count_parameters(lifter.network.model),
        "card": lifter.network.card,
        "rows": rows,
        "subjects": _by_subject(cells[0.0, 0], motions.subject),
        "other bodies": means(_errors(lifter, seen, mirror)),
        "cut off": {name: means(errors) for name, errors in cut.items()},
        "doubt": measure_doubt(lifter, motions, mirror, seed),
    }


def errors_of(
    lifter: Lifter, motions: Motions, detector: Counted | Cut, mirror: bool = True, seed: int = 0
) -> dict[str, Float[Tensor, " poses"]]:
    """Errors of every pose as one detector sees it, mm, named as in `evaluate_lifter`.

    Args:
        lifter, motions, mirror, seed: as in `evaluate_lifter`.
        detector: finds the joints.
    """
    generator = random_stream(seed, STREAM, 0)
    seen = seen_people(motions.pose, detector.find, generator, lifter.grid.crop_size)
    return _errors(lifter, seen, mirror)


def _errors(lifter: Lifter, seen: Seen, mirror: bool) -> dict[str, Float[Tensor, " poses"]]:
    size, root = lifter.grid.crop_size, H36M_17.root
    truth = root_relative(seen.pose, root)
    errors = {}
    for words, up in (("", None), (UP, seen.up)):
        places = lifter.places(seen.found, mirror, up=up).places
        found = lifter.root_depth(places, seen.box, seen.view, seen.found.confidence > 0)
        for name, depth in zip(SOURCES, (seen.pose[:, root, 2], found), strict=True):
            pose = root_relative(metric_pose(places, seen.box, seen.view, depth, size), root)
            errors[f"MPJPE mm, {name}{words}"] = mpjpe(pose, truth)
            errors[f"PA-MPJPE mm, {name}{words}"] = pa_mpjpe(pose, truth)
    return errors


def means(errors: dict[str, Float[Tensor, " poses"]]) -> dict[str, float]:
    """The means of errors over the poses, rounded."""
    return {what: round(float(each.mean()), 2) for what, each in errors.items()}


def measure_doubt(
    lifter: Lifter, motions: Motions, mirror: bool = True, seed: int = 0
) -> dict | None:
    """What the spread of a network's volumes says of its errors in depth, and whether it is true.

    Args:
        lifter, motions, mirror, seed: as in `evaluate_lifter`; no joint is missing.

    Returns:
        The tables of a `Doubt` of all poses, for the network's card; and the share of joints that
        are within a doubt that was fitted without their own subject, if there are several. None
        for a perceptron, which has no volume, and for less than a handful of poses.

    Paper: not in the paper.
    """
    few = len(MET) * len(motions) < LEVELS
    if few or lifter.network.config.kind == "lift-perceptron":
        return None
    cells = [_depths(lifter, motions.pose, sigma, mirror, seed) for sigma in MET]
    wide, off = (torch.stack(part) for part in zip(*cells, strict=True))  # noise, pose, joint
    within = torch.full_like(off, torch.nan)
    for name in sorted(set(motions.subject.tolist())):
        theirs = torch.from_numpy(motions.subject == name)
        if len(MET) * int((~theirs).sum()) >= LEVELS:
            others = Doubt.fit(*(part[:, ~theirs].flatten(0, 1) for part in (wide, off)))
            within[:, theirs] = (off <= others.at(wide))[:, theirs].float()
    return {
        "tables": dict(Doubt.fit(wide.flatten(0, 1), off.flatten(0, 1)).tables),
        "share": round(SHARE, 3),
        "within": _shares_within(within, motions.subject),
    }


def _shares_within(
    within: Float[Tensor, "noise poses 17"], subject: np.ndarray
) -> dict[str, dict[str, float]]:
    """The share of joints that are within their doubt: by noise, subject and part of the body."""
    if not bool(within.isfinite().all()):
        return {}
    joints = within[..., list(PARTS)]
    of = {
        "noise": {f"{sigma:g} px": joints[n] for n, sigma in enumerate(MET)},
        "subject": {s: joints[:, torch.from_numpy(subject == s)] for s in sorted(set(subject))},
        "all": {"": joints},
    }
    shares = {
        what: {str(name): round(float(each.mean()), 3) for name, each in rows.items()}
        for what, rows in of.items()
    }
    return shares | {"part": share_by_part(within)}


def _depths(
    lifter: Lifter, pose: Tensor, sigma: float, mirror: bool, seed: int
) -> tuple[Float[Tensor, "poses 17"], Float[Tensor, "poses 17"]]:
    """Spread and error in depth of all joints, mm."""
    generator, grid, parts = random_stream(seed, STREAM, 1), lifter.grid, []
    for some in pose.split(BATCH):
        seen = seen_people(some, Counted(sigma).find, generator, grid.crop_size)
        volume = lifter.volume(seen.found, mirror)
        voxels = integral_voxel(volume)
        error = (grid.to_places(voxels) - seen.places)[..., 2].abs()
        parts.append((depth_spread(volume, voxels, grid), error))
    wide, off = (torch.cat(part) for part in zip(*parts, strict=True))
    return wide, off


def _by_subject(errors: dict[str, Tensor], subject: np.ndarray) -> dict[str, dict[str, float]]:
    found = {}
    for name in sorted(set(subject.tolist())):
        theirs = torch.from_numpy(np.flatnonzero(subject == name))
        mine = means({what: each[theirs] for what, each in errors.items()})
        found[name] = {"poses": len(theirs)} | mine
    return found


def report(result: dict) -> str:
    """The errors with the true root depth as text: noise down, missing joints across; cuts."""
    lines = []
    for words in ("", UP):
        lines.append(f"MPJPE / PA-MPJPE{words}, mm; noise in px down, missing joints across")
        lines.append("      " + "".join(f"{missing:>15}" for missing in MISSING))
        for sigma in NOISE:
            cells = [
                f"{row[f'MPJPE mm, truth{words}']:7.1f} /{row[f'PA-MPJPE mm, truth{words}']:6.1f}"
                for row in result["rows"]
                if row["noise_px"] == sigma
            ]
            lines.append(f"{sigma:6.1f}" + "".join(cells))
    lines.append("cut off by the border of the picture")
    for name, of in result["cut off"].items():
        lines.append(f"{of['MPJPE mm, truth']:7.1f} /{of['PA-MPJPE mm, truth']:6.1f}  {name}")
    return "\n".join(lines)
