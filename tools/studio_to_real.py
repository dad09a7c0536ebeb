"""Measure on real photographs what networks have learned in the studio.

    python tools/studio_to_real.py [train] VIDEO=JOINTS.json ... NAME=WEIGHTS ...

Compares the joints that each network sees in frames of videos with those of a 2D detector; two
shipped networks and one pose for everybody are judged as well. ``train`` takes the network that
knows one room, trains it on with a few pictures of `wild`, of `wild` without one kind of variation,
and of `default`, with three seeds each, and judges these. Each writes
``results/studio_to_real/NAME.json``; what is done is skipped, what was stopped is resumed. One
thread. VIDEO is any that PyAV reads, JOINTS.json a list of its frames' joints as for
``--joints2d``. The middle frame of each is written to ``runs/studio_to_real/``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from volpose import __version__, pretrained
from volpose.crop import Box, crop_person, to_crop
from volpose.estimator import Estimator
from volpose.evaluate import predict_batch
from volpose.flat import FlatWeights
from volpose.lift.formats import read_joints
from volpose.metrics import mpjpe, root_relative
from volpose.precision import keep_freed_memory
from volpose.predict import rounded
from volpose.recipe import PRESETS
from volpose.run import Run, hardware
from volpose.skeleton import H36M_17
from volpose.storage import write_text
from volpose.studio import CachedSplit, Studio, Variation, write_split
from volpose.train import fit
from volpose.video import Video

RESULTS, RUNS = Path("results/studio_to_real"), Path("runs/studio_to_real")
START = "studio-laptop"  # knows one room, and poses
CONFIG = replace(PRESETS["laptop"], images=4_000, samples=12_000, learning_rate=4e-3)
TEST = 500  # pictures of the studio
EVERY = 5  # frames of a video
MARGIN = 1.2  # of the box around the detector's joints, as in `wild`
SIDE = 256  # px of the crop, in which errors are given
SURE = 0.5  # what the detector must say of a joint, and of three in four of a frame's
NEAR = 0.1  # of the crop: a joint is found
# joints that a detector and Human3.6M mean alike
ENDS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JUDGED = tuple(name for name in H36M_17.joints if name.endswith(ENDS))
ROWS = [H36M_17.index(name) for name in JUDGED]
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
SEEDS = (0, 1, 2)  # orders of the same pictures
SHIPPED = ("studio-laptop", "studio-laptop-wild")


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
    config = replace(CONFIG, variation=variation(world).name, seed=int(seed or 0))
    if not folder.exists():
        begin(Run.new(config, str(data)), pretrained.load(START), folder)
    return fit(config, data, folder, progress=False)


def begin(run: Run, start: Estimator, folder: Path) -> None:
    """Write a checkpoint before the first step, with another network's weights."""
    weights = FlatWeights(start.model, half=False)
    run.weights.values.data.copy_(weights.values.detach())
    run.weights.statistics.copy_(weights.statistics)
    folder.mkdir(parents=True)
    run.save(folder)


class Frames(NamedTuple):
    """Real frames, cropped around a detector's joints.

    Attributes:
        images: (N, 3, SIDE, SIDE) in [0, 1].
        joints: (N, 17, 2) what the detector says, px of the crop.
        known: (N, 17) where it is sure.
        video: (N) name of the video of each.
    """

    images: Float[Tensor, "frames 3 side side"]
    joints: Float[Tensor, "frames 17 2"]
    known: Bool[Tensor, "frames 17"]
    video: list[str]

    def of(self, name: str) -> list[int]:
        """The frames of a video."""
        return [k for k, video in enumerate(self.video) if video == name]

    @property
    def shown(self) -> dict[str, int]:
        """Name of each video -> the middle one of its frames."""
        return {name: self.of(name)[len(self.of(name)) // 2] for name in dict.fromkeys(self.video)}


def read_frames(pairs: dict[str, str]) -> Frames:
    """One in `EVERY` frames of videos, where the detector is sure of most of a person.

    Args:
        pairs: path of a video -> path of its joints.

    Raises:
        ValueError: a video has another number of frames than its list of joints.
    """
    rows = []
    for path, joints in pairs.items():
        video, (at, sure) = Video(path), read_joints(joints)
        if video.count not in (0, len(at)):
            raise ValueError(f"{joints}: has {len(at)} frames, but {path} {video.count}")
        for number, image in enumerate(video):
            known = sure[number] >= SURE
            if number % EVERY or known[ROWS].float().mean() < 0.75:
                continue
            box = Box.around(torch.where(known[:, None], at[number], torch.nan), MARGIN)
            crop = crop_person(image, box, SIDE).clamp(0, 1)
            rows.append((crop, to_crop(at[number], box, SIDE), known, video.path.stem))
    images, places, known, names = zip(*rows, strict=True)
    return Frames(torch.stack(images), torch.stack(places), torch.stack(known), list(names))


def judge(
    predicted: Float[Tensor, "frames 17 2"],
    joints: Float[Tensor, "frames 17 2"],
    known: Bool[Tensor, "frames 17"],
) -> dict:
    """How far 2D joints are from others, over the joints that a detector means alike.

    Args:
        predicted, joints: px of a crop of `SIDE`.
        known: where ``joints`` can be trusted.

    Returns:
        Median and mean (px) and the share that is found (percent); the same if a joint may also be
        its twin on the other side; medians by joint (None where none is known); number of joints.
    """
    crossed = (predicted[:, list(H36M_17.mirror)] - joints).norm(dim=-1)[:, ROWS]
    off, sure = (predicted - joints).norm(dim=-1)[:, ROWS], known[:, ROWS]
    either = torch.minimum(off, crossed)
    columns = {name: off[:, k][sure[:, k]] for k, name in enumerate(JUDGED)}
    by_joint = {k: round(float(v.median()), 2) if len(v) else None for k, v in columns.items()}
    found = {
        "median px": off[sure].median(),
        "mean px": off[sure].mean(),
        "found %": 100 * (off[sure] < NEAR * SIDE).float().mean(),
        "either side, median px": either[sure].median(),
        "either side, found %": 100 * (either[sure] < NEAR * SIDE).float().mean(),
    }
    found = {name: round(float(value), 2) for name, value in found.items()}
    return found | {"joints": int(sure.sum()), "by joint, median px": by_joint}


def judge_frames(predicted: Float[Tensor, "frames 17 2"], frames: Frames) -> dict:
    """The errors in all frames and in those of each video, and the joints in those to be shown."""
    found = {"all": judge(predicted, frames.joints, frames.known)}
    for name in frames.shown:
        rows = frames.of(name)
        found[name] = judge(predicted[rows], frames.joints[rows], frames.known[rows])
    shown = {name: rounded(predicted[k], 1) for name, k in frames.shown.items()}
    return {"frames": len(frames.video), "real": found, "shown_px": shown}


def look(estimator: Estimator, images: Tensor) -> Float[Tensor, "frames 17 2"]:
    """Where a network sees the joints, px of a crop of `SIDE`."""
    parts = [estimator.places(part, mirror=True)[0][..., :2] for part in images.split(50)]
    return torch.cat(parts) * (SIDE / estimator.config.image_size)


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
