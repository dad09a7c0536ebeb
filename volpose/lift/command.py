"""`volpose lift`: train, evaluate and use the second half of the decoupled network."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from volpose.camera import Camera
from volpose.lift.evaluate import evaluate_lifter, report
from volpose.lift.formats import FORMATS, read_joints
from volpose.lift.lifter import Lifter, lift
from volpose.lift.motions import Motions
from volpose.lift.training import RECIPES, train_lifter
from volpose.precision import PRECISIONS, keep_freed_memory
from volpose.skeleton import H36M_17
from volpose.storage import write_text

KIND = "mocap:"


def add_arguments(
    parser: argparse.ArgumentParser, positive: Callable[[str], int], numbers: Callable
) -> None:
    """Describe the command's options.

    Args:
        parser: of the command.
        positive, numbers: read a positive whole number, and four numbers A,B,C,D.
    """
    tasks = parser.add_subparsers(required=True, metavar="TASK")
    _add_train(tasks.add_parser("train", help="train on motion capture"), positive)
    _add_evaluate(tasks.add_parser("evaluate", help="errors over noise and missing joints"))
    _add_joints(tasks.add_parser("joints", help="metric poses for 2D joints"), numbers)


def _add_train(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    parser.set_defaults(run=_train)
    _add_data(parser)
    parser.add_argument("--network", choices=RECIPES, default="volume")
    parser.add_argument("--samples", type=positive, help="poses to see in all")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/lift-NETWORK")


def _train(options: argparse.Namespace) -> None:
    recipe = RECIPES[options.network]
    if options.samples:
        recipe = replace(recipe, samples=options.samples)
    folder = options.out or Path("runs") / f"lift-{options.network}"
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    train_lifter(recipe, _motions(options.data, "train"), folder)
    print(f"trained: {folder / 'weights.safetensors'}; loss curve: {folder / 'log.csv'}")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_evaluate)
    parser.add_argument("weights", metavar="NAME", help="shipped name or weights file")
    _add_data(parser)
    parser.add_argument("--no-mirror", action="store_true", help="half the time")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of convolutions")
    parser.add_argument("--json", type=Path, metavar="OUT", required=True)


def _evaluate(options: argparse.Namespace) -> None:
    lifter = Lifter.load(options.weights).at_precision(options.precision)
    result = evaluate_lifter(lifter, _motions(options.data, "test"), not options.no_mirror)
    write_text(options.json, json.dumps(result, indent=1) + "\n")
    print(report(result))
    print(f"written: {options.json}")


def _add_joints(parser: argparse.ArgumentParser, numbers: Callable) -> None:
    parser.set_defaults(run=_joints)
    words = f"format ({', '.join(FORMATS)}), joints_px, confidence; a list of these for a video"
    parser.add_argument("joints", type=Path, metavar="JSON", help=words)
    parser.add_argument("--camera", type=numbers, required=True, metavar="FX,FY,CX,CY", help="px")
    parser.add_argument("--weights", default="lift-mocap", help="shipped name or file")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the poses here")


def _joints(options: argparse.Namespace) -> None:
    found = read_joints(options.joints)
    lifted = lift(found, Camera.from_values(*options.camera), Lifter.load(options.weights))
    result = {
        "joints": list(H36M_17.joints),
        "pose_mm": _rounded(lifted.pose_mm, 1),
        "root_mm": _rounded(lifted.root_mm, 1),
        "confidence": _rounded(lifted.confidence, 4),
        "root_source": "mean limb lengths of the training's bodies",
        "weights": str(options.weights),
    }
    text = json.dumps(result, allow_nan=False) + "\n"
    if options.json:
        write_text(options.json, text)
    else:
        sys.stdout.write(text)


def _add_data(parser: argparse.ArgumentParser) -> None:
    words = "motion capture: a folder, or one .npz, .bvh or .amc"
    parser.add_argument("--data", required=True, metavar="mocap:PATH", help=words)


def _motions(data: str, split: str) -> Motions:
    if not data.startswith(KIND) or data == KIND:
        raise ValueError(f"data must be {KIND}PATH, got {data!r}")
    return Motions.read(Path(data.removeprefix(KIND)).expanduser(), split)


def _rounded(values: torch.Tensor, digits: int) -> list:
    return np.round(values.double().numpy(), digits).tolist()
