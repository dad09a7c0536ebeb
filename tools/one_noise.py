"""Train a shipped lifting network on with noise of 5 px alone: how much could it gain at that?

    python tools/one_noise.py mocap:PATH [WEIGHTS]

Writes ``results/lift/one-noise.json``: errors of a network that has met all faults of detectors,
and of the same after three million more poses with only this one, on people it never saw (every
third frame) and on those it learned from (every twentieth). The run is kept in ``runs/one-noise``
and goes on from there. One thread, half an hour.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from volpose import __version__
from volpose.lift.command import STUDIO
from volpose.lift.evaluate import errors_of, means
from volpose.lift.faults import Counted
from volpose.lift.lifter import Lifter
from volpose.lift.motions import Motions
from volpose.lift.training import RECIPES, LiftFeed, lift_gradient
from volpose.provenance import hardware
from volpose.storage import write_text
from volpose.train import Task, fit

NOISE = 5.0  # px of 256
SAMPLES, RATE = 3_000_000, 5e-4
STEPS = {"test": 3, "train": 20}  # every n-th frame
RUN, RESULT = Path("runs/one-noise"), Path("results/lift/one-noise.json")


class OneNoise(LiftFeed):
    """Batches whose joints are all found, with noise of one size."""

    faults = Counted(NOISE)


def main(data: str, name: str = "lift-mocap") -> None:
    """Train, measure and write the result."""
    torch.set_num_threads(1)
    path, before = Path(data.removeprefix("mocap:")), Lifter.load(name)
    poses = Motions.read(path, "train").with_studio(STUDIO)
    recipe = replace(
        next(each for each in RECIPES.values() if each.network == before.network.config),
        images=len(poses),
        samples=SAMPLES,
        learning_rate=RATE,
        start=before.network.checksum(),
    )
    task = Task(OneNoise, lift_gradient)
    network = fit(recipe, poses, RUN, task=task, start=before.network)
    people = {split: Motions.read(path, split, step) for split, step in STEPS.items()}
    lifters = {"all faults": before, "then this noise": Lifter(network)}
    rows = [
        {"trained with": words, "people": split, "noise_px": sigma}
        | means(errors_of(lifter, motions, Counted(sigma)))
        for words, lifter in lifters.items()
        for split, motions in people.items()
        for sigma in (0.0, NOISE)
    ]
    result = {
        "weights": name,
        "noise_px": NOISE,
        "samples": SAMPLES,
        "data": {split: str(motions) for split, motions in people.items()},
        "rows": rows,
        "card": network.card,
        "hardware": hardware(torch.device("cpu")),
        "versions": {"volpose": __version__, "torch": torch.__version__},
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    for row in rows:
        print(*row.values())


if __name__ == "__main__":
    main(*sys.argv[1:])
