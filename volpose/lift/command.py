"""`volpose lift`: train and evaluate the second half of the decoupled network."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from volpose import pretrained
from volpose.lift.evaluate import evaluate_lifter, report
from volpose.lift.lifter import Lifter
from volpose.lift.motions import Motions
from volpose.lift.training import RECIPES, train_lifter
from volpose.precision import keep_freed_memory
from volpose.run import check_start
from volpose.storage import write_text

KIND = "mocap:"
STUDIO = 12_500  # one pose in five


def add_arguments(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Describe the command's options.

    Args:
        parser: of the command.
        positive: reads a positive whole number.
    """
    tasks = parser.add_subparsers(required=True, metavar="TASK")
    _add_train(tasks.add_parser("train", help="train on motion capture"), positive)
    words = "errors over noise and missing joints"
    _add_evaluate(tasks.add_parser("evaluate", help=words), positive)


def _add_train(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    parser.set_defaults(run=_train)
    _add_data(parser)
    parser.add_argument("--network", choices=RECIPES, default="volume")
    parser.add_argument("--samples", type=positive, help="poses to see in all")
    words = "begin with the weights of a network of the same form: a shipped one's name, or a file"
    parser.add_argument("--start", metavar="WEIGHTS", help=words)
    parser.add_argument("--rate", type=float, help="the highest learning rate")
    words = f"poses of the studio beside the motion capture, 0 for none; default: {STUDIO:,}"
    parser.add_argument("--studio", type=whole, default=STUDIO, metavar="N", help=words)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/lift-NETWORK")


def _train(options: argparse.Namespace) -> None:
    recipe = RECIPES[options.network]
    if options.samples:
        recipe = replace(recipe, samples=options.samples)
    if options.rate is not None:
        recipe = replace(recipe, learning_rate=options.rate)
    start = pretrained.load(options.start) if options.start else None
    if start:
        check_start(replace(recipe, start=start.checksum()), start)  # before anything is read
    folder = options.out or Path("runs") / f"lift-{options.network}"
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    motions = _motions(options.data, "train")
    if options.studio:
        motions = motions.with_studio(options.studio)
    train_lifter(recipe, motions, folder, start=start)
    print(f"trained: {folder / 'weights.safetensors'}; loss curve: {folder / 'log.csv'}")


def whole(text: str) -> int:
    """A whole number that is not negative."""
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)


def _add_evaluate(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    parser.set_defaults(run=_evaluate)
    parser.add_argument("weights", metavar="NAME", help="shipped name or weights file")
    _add_data(parser)
    parser.add_argument("--split", choices=("train", "test"), default="test", help="default: test")
    parser.add_argument("--step", type=positive, default=3, help="every n-th frame; default: 3")
    parser.add_argument("--no-mirror", action="store_true", help="half the time")
    parser.add_argument("--json", type=Path, metavar="OUT", required=True)


def _evaluate(options: argparse.Namespace) -> None:
    lifter = Lifter.load(options.weights)
    motions = _motions(options.data, options.split, options.step)
    result = evaluate_lifter(lifter, motions, not options.no_mirror)
    write_text(options.json, json.dumps(result, indent=1) + "\n")
    print(report(result))
    print(f"written: {options.json}")


def _add_data(parser: argparse.ArgumentParser) -> None:
    words = "motion capture: a folder, or one .npz, .bvh or .amc"
    parser.add_argument("--data", required=True, metavar="mocap:PATH", help=words)


def _motions(data: str, split: str, step: int = 1) -> Motions:
    if not data.startswith(KIND) or data == KIND:
        raise ValueError(f"data must be {KIND}PATH, got {data!r}")
    return Motions.read(Path(data.removeprefix(KIND)).expanduser(), split, step)
