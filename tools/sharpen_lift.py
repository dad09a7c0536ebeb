"""Measure on motion capture what can be done after the lifting network, as sharpen.py does.

    python tools/sharpen_lift.py mocap:PATH [WEIGHTS]

Writes ``results/refine/WEIGHTS.json``: errors on test subjects whose 2D joints are found with noise
of 5 px and one joint missing: pose by pose, and in films before a camera that stands still, those
also with no joint missing. One thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from sharpen import Tally, calibration, save
from torch import Tensor

from volpose import __version__
from volpose.camera import Camera
from volpose.crop import Box
from volpose.data.mocap import read_mocap
from volpose.decode import integral_voxel, metric_pose, peak_voxel
from volpose.estimator import DECODERS
from volpose.feed import random_stream
from volpose.lift.cameras import virtual_cameras
from volpose.lift.faults import Counted, Found
from volpose.lift.film import calm_joints, lift_film
from volpose.lift.heatmaps import MARGIN, framed
from volpose.lift.lifter import OWN_ERROR, Lifter, compromise, lift
from volpose.lift.people import seen_people
from volpose.metrics import root_relative
from volpose.provenance import hardware
from volpose.refine import candidates, pictorial_structures, spread
from volpose.steady import steady_volumes

NOISE, MISSING = 5.0, 1
EVERY, BATCH = 6, 50
FRAMES, FPS, GAP, STEP = 60, 30.0, 12, 4  # of 120 a second: frames apart; one in four is kept
FILMS = 40
STREAM = 5


def main(data: str, name: str = "lift-mocap") -> None:
    """Measure a lifting network and write the result."""
    torch.set_num_threads(1)
    lifter = Lifter.load(name)
    people = read_mocap(Path(data.removeprefix("mocap:")).expanduser(), "test")
    pose = people.camera[people.camera_of].to_world(people.pose)
    pose = pose - pose[:, :1]
    found = films_of(pose.numpy(), people.action, people.frame)
    result = {"weights": name, "volpose": __version__, "hardware": hardware(torch.device("cpu"))}
    result["pictures"] = f"{people.name}, one pose in {EVERY}, noise {NOISE} px, {MISSING} missing"
    result["films"] = f"{len(found)} of {FRAMES} frames at {FPS:.0f}/s, same noise"
    result |= pictures(lifter, pose[::EVERY])
    save(
        result
        | {"film": films(lifter, found, MISSING), "film, none missing": films(lifter, found, 0)}
    )


def films_of(pose: np.ndarray, action: np.ndarray, frame: np.ndarray) -> list[Tensor]:
    """Motions (FRAMES, 17, 3) without gaps, evenly spread over what there is."""
    breaks = (np.diff(frame) < 1) | (np.diff(frame) > GAP) | (action[1:] != action[:-1])
    found = []
    for run in np.split(np.arange(len(pose)), np.flatnonzero(breaks) + 1):
        at = np.arange(frame[run[0]], frame[run[-1]] + 1, STEP)
        for start in range(0, len(at) - FRAMES + 1, FRAMES):
            moments = at[start : start + FRAMES]
            flat = pose[run].reshape(len(run), -1)
            columns = [np.interp(moments, frame[run], column) for column in flat.T]
            found.append(torch.from_numpy(np.stack(columns, -1)).view(-1, 17, 3).float())
    return found[:: max(1, len(found) // FILMS)][:FILMS]


def pictures(lifter: Lifter, pose: Tensor) -> dict:
    """Decoders and pictorial structures, with the true root depth; and the spread."""
    tally, sure, off, grid = Tally(), [], [], lifter.grid
    skeleton, lengths = lifter.network.skeleton, lifter.network.mean_limbs()
    generator = random_stream(0, STREAM, 0)
    for part in pose.split(BATCH):
        seen = seen_people(part, Counted(NOISE, MISSING).find, generator, grid.crop_size)
        truth, depth = root_relative(seen.pose), seen.pose[:, 0, 2]
        volume = tally.time("network", lambda s=seen: lifter.volume(s.found), len(part))
        methods = {name: lambda v=volume, d=d: d(v) for name, d in DECODERS.items()}
        methods["pictorial structures"] = lambda v=volume, s=seen, d=depth: pictorial_structures(
            candidates(v), grid, skeleton, lengths, s.box, s.view, d
        )
        for method, decode in methods.items():
            places = grid.to_places(tally.time(method, decode, len(part)))
            places[:, 0, 2] = 0
            flat = compromise(seen.found, places[..., :2], OWN_ERROR * grid.crop_size)
            places = torch.cat([flat, places[..., 2:]], -1)
            lifted = metric_pose(places, seen.box, seen.view, depth, grid.crop_size)
            tally.judge(method, root_relative(lifted), truth)
        voxels = peak_voxel(volume)
        covariance = tally.time("spread", lambda v=volume, p=voxels: spread(v, p, grid), len(part))
        sure.append(covariance[:, 1:].diagonal(dim1=-2, dim2=-1))
        off.append((grid.to_places(voxels) - seen.places)[:, 1:].square())
    return {
        "picture": tally.means(),
        "pictorial structures": tally.against("pictorial structures", "peak"),
        "spread": calibration(torch.cat(sure), torch.cat(off)),
    }


def films(lifter: Lifter, motions: list[Tensor], missing: int) -> dict:
    """What filters in time do and cost; the root's depth from limb lengths, as for a photograph."""
    tally = Tally()
    for number, motion in enumerate(motions):
        generator = random_stream(0, STREAM, number + 1)
        drawn = virtual_cameras(motion[:1], generator)[0]
        truth = drawn.to_camera(motion)
        camera = Camera(drawn.focal, drawn.center)
        joints = camera.project(truth)
        side = Box.around(joints, MARGIN).side
        found = Counted(NOISE, missing).find(joints, side, generator)
        truth = root_relative(truth)
        for method, work in ways(lifter, found, camera).items():
            pose = tally.time(method, work, FRAMES)
            tally.judge(method, pose, truth)
            tally.jitter(method, pose, truth)
    return tally.means()


def ways(lifter: Lifter, found: Found, camera: Camera) -> dict[str, Callable[[], Tensor]]:
    """Method -> what gives the film's root-relative poses, mm."""
    calm = calm_joints(found, torch.ones(len(found.joints), dtype=torch.bool), FPS)

    def volumes() -> Tensor:
        return root_relative(filtered(lifter, found, camera))

    return {
        "frame by frame": lambda: lift(found, camera, lifter).pose_mm,
        "2D joints in time": lambda: lift(calm, camera, lifter).pose_mm,
        "joints in time": lambda: smooth(lift(found, camera, lifter).pose_mm),
        "volumes in time": volumes,
        "volumes, then joints in time": lambda: smooth(volumes()),
        "lift_film": lambda: lift_film(found, camera, lifter, FPS).pose_mm,
    }


def filtered(lifter: Lifter, found: Found, camera: Camera) -> Tensor:
    """Poses in the camera's frame from volumes that were filtered in time."""
    size, grid = lifter.grid.crop_size, lifter.grid
    crop, view, box = framed(found, camera, size)
    places = grid.to_places(integral_voxel(steady_volumes(lifter.volume(crop))))
    places[:, 0, 2] = 0
    flat = compromise(crop, places[..., :2], OWN_ERROR * size)
    places = torch.cat([flat, places[..., 2:]], -1)
    depth = lifter.root_depth(places, box, view, found.confidence > 0)
    return view.to_world(metric_pose(places, box, view, depth, size))


def smooth(values: Tensor) -> Tensor:
    """Over time, by a Gaussian of 1.5 frames."""
    return torch.from_numpy(gaussian_filter1d(values.numpy(), 1.5, axis=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
