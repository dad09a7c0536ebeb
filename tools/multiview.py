"""Compare lifting with a detector's own 3D, where four calibrated cameras film one man.

    python tools/multiview.py [WEIGHTS]

Writes ``results/multiview/WEIGHTS.json`` from ``book/images/real/beam.json`` (see footage.py):
MediaPipe's joints in four synchronous videos of a man on a beam, its own 3D, and the cameras. One
thread, half a minute.

The truth here is made of the detector's own 2D joints, triangulated from four views. What it says
of depth, no single view knew.
"""

from __future__ import annotations

import json
import sys
from math import hypot
from pathlib import Path

import torch
from footage import DETECTOR, FORMAT, SOURCE, Footage, read
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn.functional import normalize
from triangulate import agree, reprojection

from volpose import __version__
from volpose.camera import Camera
from volpose.lift.cameras import turned_to
from volpose.lift.film import CALM, TREMBLE, lift_film
from volpose.lift.formats import to_h36m
from volpose.lift.lifter import Lifted, Lifter, lift
from volpose.metrics import mpjpe, pa_mpjpe, procrustes_align, root_relative
from volpose.predict import rounded, rounded_if_known
from volpose.provenance import hardware
from volpose.skeleton import H36M_17
from volpose.storage import write_text

APART = 40.0  # px, between a view's joint and the point that the others agree on
LEGS, ARMS = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
OWN = [j for j, name in enumerate(H36M_17.joints) if name.endswith(LEGS + ARMS)]
SETS = {"12 joints": OWN, "17 joints": list(range(17))}
EXAMPLE = ("cam04", 25)  # view and frame of the book's figure
TWICE = hypot(TREMBLE, CALM)  # s; a film is smoothed before and after it is lifted
SHOWN = ("MediaPipe", "lifted", "lifted, up known")  # there


# ---- the truth ------------------------------------------------------------------------------


def in_h36m(points: Float[Tensor, "*batch 33 3"]) -> Float[Tensor, "*batch 17 3"]:
    """MediaPipe's joints in 3D by the map of its 2D joints, which is linear; NaN stays NaN."""
    found = to_h36m(points, torch.ones(points.shape[:-1]), FORMAT)
    return torch.where(found.confidence[..., None] > 0, found.joints, torch.nan)


def reference(footage: Footage) -> tuple[Float[Tensor, "frames 17 3"], dict]:
    """Triangulated poses, mm, world, and how well the views agree."""
    found, cameras = footage.joints_px, footage.cameras
    points, used = agree(found, cameras, APART)
    off = reprojection(points, found, cameras)
    shared = torch.stack([o[u].mean(0) for o, u in zip(off, used, strict=True)])
    moved = agree(found + shared[:, None, None], cameras, APART)
    pose, again = (root_relative(in_h36m(p)) for p in (points, moved.points))
    limbs = torch.stack([(pose[:, a] - pose[:, b]).norm(dim=-1) for a, b in H36M_17.limbs])
    known = limbs.isfinite().all(0)
    far = off.norm(dim=-1)
    facts = {
        "reprojection px, mean": rounded(far[used].mean(), 1),
        "reprojection px, each view": [
            rounded(f[u].mean(), 1) for f, u in zip(far, used, strict=True)
        ],
        "joints kept": rounded(points.isfinite().all(-1).float().mean(), 4),
        "views used": rounded(used.sum(0)[used.any(0)].float().mean(), 2),
        "limb length mm, sigma over time, mean": rounded(limbs[:, known].std(1).mean(), 1),
        "shared by all joints of a view px": rounded(shared, 1),
        "joints move without it mm": rounded((pose - again).norm(dim=-1).nanmean(), 1),
    }
    return in_h36m(points), facts


def sides_swapped(
    footage: Footage, view: int, world: Float[Tensor, "frames 17 3"]
) -> Bool[Tensor, " frames"]:
    """Frames in which a view's legs or arms are closer to where the other side's should be."""
    camera = footage.cameras[view]
    there, said = camera.project(camera.to_camera(world)), footage.found(view).known()
    swapped = torch.zeros(len(world), dtype=torch.bool)
    for words in (LEGS, ARMS):
        part = [j for j, name in enumerate(H36M_17.joints) if name.endswith(words)]
        twins = [H36M_17.mirror[j] for j in part]
        straight, crossed = (
            (said[:, rows] - there[:, part]).norm(dim=-1).mean(-1) for rows in (part, twins)
        )
        swapped |= crossed < straight
    return swapped


def lean(camera: Camera) -> tuple[Tensor, Tensor]:
    """By how much each picture must be turned to be level, and how far its camera looks down."""
    up = camera.rotation[..., 2]  # the world's z in the camera's frame
    return torch.atan2(-up[..., 0], -up[..., 1]), torch.asin(-up[..., 2])


# ---- the methods ----------------------------------------------------------------------------


def methods(
    footage: Footage, view: int, lifter: Lifter, own: Bool[Tensor, " frames"]
) -> dict[str, Float[Tensor, "frames 17 3"]]:
    """Root-relative poses in the view's camera frame, mm, by every method.

    Args:
        footage: of all views.
        view: the one that the methods know.
        lifter: the network.
        own: frames whose sides are right; what MediaPipe says is smoothed over them.
    """
    found, camera, fps = footage.found(view), footage.camera(view), footage.fps
    guess = Camera.guess(*footage.sizes[view])
    landmarks = in_h36m(footage.world_mm[view])
    # landmarks are those of a camera that looks at the person: turned as a lifted pose is
    detector = turned_to(camera, found.joints[:, H36M_17.root]).to_world(landmarks)
    calm = detector.clone()
    calm[own] = torch.from_numpy(gaussian_filter1d(detector[own].numpy(), TWICE * fps, axis=0))
    up = footage.cameras.rotation[view][:, 2]  # the world's z in the camera's frame
    poses = {
        "MediaPipe as it is": landmarks,
        "MediaPipe": detector,
        "lifted": lift(found, camera, lifter).pose_mm,
        "lifted, focal length guessed": lift(found, guess, lifter).pose_mm,
        "lifted, up known": lift(found, camera, lifter, up=up).pose_mm,
        "MediaPipe, smoothed": calm,
        "film": lift_film(found, camera, lifter, fps).pose_mm,
        "film, focal length guessed": lift_film(found, guess, lifter, fps).pose_mm,
        "film, up known": lift_film(found, camera, lifter, fps, up=up).pose_mm,
    }
    return {name: root_relative(pose) for name, pose in poses.items()}


# ---- the comparison -------------------------------------------------------------------------


def errors(
    pose: Float[Tensor, "frames joints 3"], truth: Float[Tensor, "frames joints 3"]
) -> dict[str, Tensor]:
    """Means over the frames, mm: as it is, after the best rotation, and with the best size too."""
    return {
        "MPJPE mm": mpjpe(pose, truth).mean(),
        "rotated mm": mpjpe(procrustes_align(pose, truth, scale=False), truth).mean(),
        "PA-MPJPE mm": pa_mpjpe(pose, truth).mean(),
        "across mm": (pose - truth)[..., :2].norm(dim=-1).mean(),
        "in depth mm": (pose - truth)[..., 2].abs().mean(),
    }


def compare(footage: Footage, lifter: Lifter) -> dict:
    """Errors of every method, in each view and their mean over views."""
    world, facts = reference(footage)
    known = world.isfinite().all(-1).all(-1)
    result = {"reference": facts, "views": [], "joints": list(H36M_17.joints)}
    table: dict = {name: {} for name in SETS}
    joints, wrong, within = {}, {}, []
    angle, down = (torch.rad2deg(a).tolist() for a in lean(footage.cameras))
    for view, name in enumerate(footage.names):
        truth = root_relative(footage.cameras[view].to_camera(world))
        swapped = sides_swapped(footage, view, world)
        use = known & ~swapped
        facts = {"name": name, "to turn deg": round(angle[view]), "down deg": round(down[view])}
        facts |= {"frames": int(use.sum()), "sides swapped": int((known & swapped).sum())}
        result["views"].append(facts)
        poses = methods(footage, view, lifter, ~swapped)
        within.append(in_doubt(lift(footage.found(view), footage.camera(view), lifter), truth)[use])
        for method, pose in poses.items():
            for joint_set, rows in SETS.items():
                row = table[joint_set].setdefault(method, {})
                for key, error in errors(pose[use][:, rows], truth[use][:, rows]).items():
                    row.setdefault(key, []).append(error)
            off = (pose - truth).norm(dim=-1)
            joints.setdefault(method, []).append(off[use].mean(0))
            wrong.setdefault(method, []).append(off[known & swapped][:, OWN].mean(-1))
        if name == EXAMPLE[0]:
            shown = {"reference": truth} | {method: poses[method] for method in SHOWN}
            poses_mm = {key: rounded(pose[EXAMPLE[1]], 1) for key, pose in shown.items()}
            result["example"] = {"view": name, "frame": EXAMPLE[1], "poses mm": poses_mm}
    result["errors"] = {s: {m: _means(row) for m, row in rows.items()} for s, rows in table.items()}
    result["within doubt"] = {
        "each view": rounded_if_known(torch.stack([part.nanmean() for part in within]), 3),
        "each joint": rounded_if_known(torch.stack([w.nanmean(0) for w in within]).mean(0), 3),
    }
    result["each joint mm"] = {m: rounded(torch.stack(j).mean(0), 1) for m, j in joints.items()}
    result["sides swapped, 12 joints, MPJPE mm"] = {
        m: rounded(torch.cat(w).mean(), 1) for m, w in wrong.items()
    }
    return result


def in_doubt(lifted: Lifted, truth: Float[Tensor, "frames 17 3"]) -> Float[Tensor, "frames 17"]:
    """Whether joints are within their doubt in depth, 1 or 0; NaN for the root and the unknown."""
    axis = normalize(lifted.root_mm, dim=-1)
    off = ((lifted.pose_mm - truth) * axis[:, None]).sum(-1).abs()
    within = torch.where(lifted.doubt_mm.isnan(), torch.nan, (off <= lifted.doubt_mm).float())
    within[:, H36M_17.root] = torch.nan
    return within


def _means(row: dict[str, list[Tensor]]) -> dict:
    mean = {key: rounded(torch.stack(values).mean(), 1) for key, values in row.items()}
    return mean | {"each view": {key: rounded(torch.stack(v), 1) for key, v in row.items()}}


def main(name: str = "lift-mocap") -> None:
    """Compare a lifting network with the detector and write the result."""
    torch.set_num_threads(1)
    footage = read()
    result = {"weights": name, "volpose": __version__, "hardware": hardware(torch.device("cpu"))}
    result |= {"source": SOURCE, "detector": DETECTOR}
    result["protocol"] = (
        f"one man, {footage.joints_px.shape[1]} frames at {footage.fps:g}/s in 4 views; reference: "
        f"the detector's joints where at least 3 views agree within {APART:g} px, triangulated; "
        "root-relative, camera frame; mean over frames whose sides the detector did not swap, then "
        "over views; 12 joints: those that the "
        "detector names, hips to wrists; 17: also those that are put together"
    )
    result |= compare(footage, Lifter.load(name))
    out = Path("results/multiview") / f"{Path(name).stem}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["reference"], indent=1))
    for joint_set, rows in result["errors"].items():
        for method, row in rows.items():
            cells = (f"{key} {value:6.1f}" for key, value in row.items() if key != "each view")
            print(f"{joint_set} {method:30s}", *cells)


if __name__ == "__main__":
    main(*sys.argv[1:])
