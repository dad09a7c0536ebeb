"""Measure the choices of the recipe: train one network many ways, one change at a time.

    python tools/recipes.py [NAME ...]      # all, if none is named; what is done is skipped

Each writes ``results/recipes/NAME.json`` (recipe, hardware, time, errors on validation samples) and
``NAME.csv`` (the loss curve). One thread, so that two can run side by side; compare CPU seconds.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch

from volpose import __version__
from volpose.augment import PAPER, Augmentation
from volpose.evaluate import evaluate
from volpose.recipe import PRESETS, TrainConfig, with_paper_training
from volpose.storage import write_text
from volpose.studio import Studio, write_split
from volpose.train import fit

RESULTS, RUNS = Path("results/recipes"), Path("runs/recipes")
# the choices are compared around a batch of 16; "batch-32-same-time" is what the preset took
BASE = replace(PRESETS["laptop"], samples=48_000, batch_size=16, learning_rate=4e-3)
VARIANTS: dict[str, TrainConfig] = {
    "base": BASE,
    "base-seed-1": replace(BASE, seed=1),
    "usual-start": replace(BASE, near_zero=False),
    "mean-loss": replace(BASE, reduction="mean"),
    "average": replace(BASE, average=0.999),
    "batch-32": replace(BASE, batch_size=32),
    "batch-32-rate-6e-3": replace(BASE, batch_size=32, learning_rate=6e-3),
    "batch-32-rate-8e-3": replace(BASE, batch_size=32, learning_rate=8e-3),
    "batch-32-rate-12e-3": replace(BASE, batch_size=32, learning_rate=12e-3),
    "batch-32-same-time": replace(BASE, batch_size=32, learning_rate=8e-3, samples=57_600),
    "rate-2e-3": replace(BASE, learning_rate=2e-3),
    "rate-8e-3": replace(BASE, learning_rate=8e-3),
    "no-augmentation": replace(BASE, augmentation=Augmentation(mirror=False)),
    "paper-augmentation": replace(BASE, augmentation=PAPER),
    "rmsprop": replace(
        BASE, optimizer="rmsprop", learning_rate=2.5e-4, schedule="constant", warmup=0
    ),
    # about the CPU time of "base": a batch of 4 costs nearly as much as one of 16
    "paper-training": replace(with_paper_training(BASE), samples=18_000),
    "paper-training-average": replace(with_paper_training(BASE), samples=18_000, average=0.999),
}


def main(names: list[str]) -> None:
    """Train and evaluate the named variants."""
    torch.set_num_threads(1)
    size, count = BASE.network.image_size, BASE.images
    data = write_split(
        Studio("train", size=size, count=count), f"runs/data/studio-train-default-{size}px-{count}"
    )
    val = write_split(Studio("val", size=size, count=1500), f"runs/data/val-default-{size}px-1500")
    for name in names or VARIANTS:
        out = RESULTS / f"{name}.json"
        if out.exists():
            continue
        RESULTS.mkdir(parents=True, exist_ok=True)
        estimator = fit(VARIANTS[name], data, RUNS / name, progress=False)
        table = evaluate(estimator, val)
        result = {"recipe": name, "volpose": __version__, "card": estimator.card}
        shutil.copy(RUNS / name / "log.csv", RESULTS.joinpath(f"{name}.csv"))
        write_text(out, json.dumps(result | table.to_json(), indent=1) + "\n")
        print(name, table.to_json()["mean_of_frames"], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
