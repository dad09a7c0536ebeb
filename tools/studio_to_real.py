"""Measure on real photographs what networks have learned in the studio.

    python tools/studio_to_real.py [train] VIDEO=JOINTS.json ... NAME=WEIGHTS ...

Compares the joints that each network sees in frames of videos with those of a 2D detector; two
shipped networks and one pose for everybody are judged as well. ``train`` takes the network that
knows one room, trains it on with a few pictures of `wild`, of `wild` without one kind of variation,
and of `default`, with two seeds each, and judges these. Each writes
``results/studio_to_real/NAME.json``; what is done is skipped, what was stopped is resumed. One
thread. VIDEO is any that PyAV reads, JOINTS.json a list of its frames' joints as for
``--joints2d``. The middle frame of each is written to ``runs/studio_to_real/``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from real_frames import (
    EVERY,
    MARGIN,
    NEAR,
    SIDE,
    Frames,
    judge,
    judge_alone,
    judge_frames,
    look,
    read_frames,
)

from volpose import __version__, pretrained
from volpose.crop import to_crop
from volpose.estimator import Estimator
from volpose.evaluate import predict_batch
from volpose.metrics import mpjpe, root_relative
from volpose.precision import keep_freed_memory
from volpose.predict import rounded
from volpose.provenance import hardware
from volpose.recipe import PRESETS
from volpose.storage import write_text
from volpose.studio import CachedSplit, Studio, Variation, write_split
from volpose.train import fit

RESULTS, RUNS = Path("results/studio_to_real"), Path("runs/studio_to_real")
START = "studio-laptop"  # knows one room, and poses
CONFIG = replace(PRESETS["laptop"], images=4_000, samples=12_000, learning_rate=4e-3)
TEST = 500  # pictures of the studio
# the dials of each kind of variation; a variant sets one kind back to what `default` has
KINDS: dict[str, tuple[str, ...]] = {
    "places": ("rooms", "outdoor"),
    "people": ("outfits", "free_bodies"),
    "tilt": ("camera_height", "camera_distance"),  # whoever looks down from near looks steeply
    "roll": ("camera_roll",),
    "focal": ("focal",),
    "light": ("light_spread", "light_strength", "exposure", "tint"),
    "blur": ("blur",),
    "noise": ("noise",),
    "occluders": ("occluders",),
    "boxes": ("box_margin", "box_jitter"),
}
VARIANTS = ("wild", "default", *(f"no-{kind}" for kind in KINDS))
SEEDS = (0, 1)  # orders of the same pictures
SHIPPED = ("studio-laptop", "studio-laptop-wild", "studio-laptop-anywhere")


def variation(name: str) -> Variation:
    """`wild`, `default`, or "no-places": `wild` with the places of `default`."""
    size, kind = CONFIG.network.image_size, name.removeprefix("no-")
    if kind == name:
        return Variation.named(name, size)
    wild, default = (Variation.named(world, size) for world in ("wild", "default"))
    return replace(wild, **{dial: getattr(default, dial) for dial in KINDS[kind]})


def pictures(name: str, split: str, count: int) -> CachedSplit:
    """Pictures of a variant, rendered unless they are there."""
    size = CONFIG.network.image_size
    studio = Studio(split, size=size, variation=variation(name), count=count)
    return write_split(studio, RUNS / f"data/{split}-{name}-{size}px-{count}", 0, False)


def train(name: str) -> Estimator:
    """The network of one room, trained on with the pictures of a variant."""
    world, _, seed = name.partition("-seed-")
    data, folder = pictures(world, "train", CONFIG.images), RUNS / name
    start = pretrained.load(START)
    config = replace(CONFIG, variation=variation(world).name, seed=int(seed or 0))
    config = replace(config, start=start.checksum())
    return fit(config, data, folder, progress=False, start=start)


def judge_studio(estimator: Estimator, name: str, count: int) -> dict:
    """The errors of a network on test pictures of the studio, in 2D and in 3D."""
    test, poses = pictures(name, "test", count), []
    batch = test.batch(range(len(test)))
    for start in range(0, len(test), 50):
        poses.append(predict_batch(estimator, test.batch(range(start, min(start + 50, count)))))
    pose = torch.cat(poses)
    seen, truth = (to_crop(batch.camera.project(p), batch.box, SIDE) for p in (pose, batch.pose))
    space = mpjpe(root_relative(pose), root_relative(batch.pose)).mean()
    flat = judge(seen, truth, torch.ones(truth.shape[:2]).bool())
    return flat | {"MPJPE mm": round(float(space), 2), "pictures": count}


def judge_network(estimator: Estimator, frames: Frames) -> dict:
    """The errors of a network in real frames, and on the studio's own test."""
    seen = judge_frames(look(estimator, frames.images), frames)
    seen["studio"] = judge_studio(estimator, "wild", TEST)
    seen["studio_protocol"] = "studio test (S9 S11), seed 0; true boxes, 3D with true root depth"
    return seen


def judge_one_pose(frames: Frames, test: CachedSplit) -> dict:
    """The errors of who sees nothing and says the mean place of each joint in the studio."""
    truth = test.batch(range(len(test))).places(SIDE)[..., :2]
    mean = truth.mean(0)
    flat = judge(mean.expand_as(truth), truth, torch.ones(truth.shape[:2]).bool())
    return judge_frames(mean.expand_as(frames.joints), frames) | {"studio": flat}


def write_result(name: str, measured: dict) -> None:
    """Write one result and print its main numbers."""
    about = {
        "name": name,
        "volpose": __version__,
        "hardware": hardware(torch.device("cpu")),
        "judged": f"one in {EVERY} frames of each video where the detector is sure of most joints; "
        f"box {MARGIN} times its joints; mirror-averaged; px of a crop of {SIDE}; found is within "
        f"{NEAR:g} of its side",
    }
    write_text(RESULTS / f"{name}.json", json.dumps(about | measured, indent=1) + "\n")
    for where, found in (("real", measured["real"]["all"]), ("studio", measured["studio"])):
        numbers = [f"{k} {v}" for k, v in found.items() if k != "by joint, median px"]
        print(name, where, *numbers, sep=", ", flush=True)


def main(arguments: list[str]) -> None:
    """Judge all networks that are named, and train the variants if asked to."""
    torch.set_num_threads(1)
    keep_freed_memory()
    RESULTS.mkdir(parents=True, exist_ok=True)
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    frames = read_frames({name: path for name, path in given.items() if path.endswith(".json")})
    show(frames)
    files = {name: path for name, path in given.items() if not path.endswith(".json")}
    seeds = [f"-seed-{seed}" if seed else "" for seed in SEEDS]
    names = [f"{variant}{seed}" for seed in seeds for variant in VARIANTS]
    variants = names if "train" in arguments else []
    for name in (*SHIPPED, *files, *variants):
        if (RESULTS / f"{name}.json").exists():
            continue
        if name in variants:
            estimator = train(name)
            about: dict = {"start": START, "dials": variation(name.split("-seed")[0]).to_json()}
        else:
            estimator = Estimator.load(files[name]) if name in files else pretrained.load(name)
            about = {}
        about["card"] = estimator.card
        if name not in variants:
            about["alone"] = judge_alone(estimator, frames)
        write_result(name, about | judge_network(estimator, frames))


def show(frames: Frames) -> None:
    """Write the crops to be shown, what the detector says of them, and the errors of one pose."""
    for video, k in frames.shown.items():
        pixels = (frames.images[k] * 255).round().byte().permute(1, 2, 0).numpy()
        RUNS.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(RUNS / f"{video}.jpg", quality=85)
    detector = {video: rounded(frames.joints[k], 1) for video, k in frames.shown.items()}
    found = judge_one_pose(frames, pictures("wild", "test", TEST))
    write_result("one-pose", found | {"detector_px": detector})


if __name__ == "__main__":
    main(sys.argv[1:])
