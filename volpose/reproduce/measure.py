"""Train what an experiment asks for, evaluate it, and write one JSON."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from volpose import __version__
from volpose.estimator import Estimator
from volpose.evaluate import evaluate
from volpose.model import count_parameters
from volpose.precision import keep_freed_memory
from volpose.provenance import fingerprint
from volpose.recipe import completed
from volpose.reproduce.costs import costs_path
from volpose.reproduce.dissect import dissect
from volpose.reproduce.experiment import FAMILIES, RMSPROP, SPLITS, Experiment, family
from volpose.reproduce.learned import lookup_path
from volpose.reproduce.lookup import lookup
from volpose.reproduce.records import DIVERGED
from volpose.reproduce.tables import ROWS
from volpose.run import DivergedError
from volpose.storage import read_json, write_text
from volpose.studio import CachedSplit, Studio, write_split
from volpose.team import Team
from volpose.train import fit

CURVE_POINTS = 50


def result_of(experiment: Experiment, results: Path) -> dict | None:
    """The result of an experiment, None if it was not made yet.

    Raises:
        ValueError: there is one, but it is damaged or was made with another recipe.
    """
    path = _path(experiment, results)
    if not path.exists():
        return None
    result = read_json(path)
    recipe = experiment.recipe().to_json()
    found = completed(result.get("card", {}).get("recipe", {}))
    for name in sorted(recipe.keys() | found.keys()):
        if recipe.get(name) != found.get(name):
            advice = "delete it to make it anew"
            if name == "learning_rate" and experiment.change in ("", RMSPROP):
                advice = _where_rates_come_from(experiment)
            if name == "samples" and experiment.budget == "time":
                advice = _where_times_come_from(experiment)
            raise ValueError(
                f"{path}: made with another recipe ({name} is {found.get(name)!r}, expected "
                f"{recipe.get(name)!r}); {advice}"
            )
    return result


def _where_rates_come_from(experiment: Experiment) -> str:
    """What to do if a search that was made anew, perhaps elsewhere, has chosen another rate."""
    usual = replace(experiment, row=FAMILIES[family(experiment.row)], seed=0, budget="rate")
    search = replace(usual, samples=None, images=None).name
    files = search.replace(f"rate-{experiment.rate:g}", "rate-*")
    return (
        f"the rate is the one with the lowest error in {files}.json: put those files back as they "
        "were when this run was trained, or delete all runs of the row, to train them again with "
        "the rate that is chosen now"
    )


def _where_times_come_from(experiment: Experiment) -> str:
    """What to do if steps were timed anew, perhaps elsewhere."""
    return (
        f"how long equal time is follows from {costs_path(experiment.preset, Path()).name}: put "
        "that file back as it was when this run was trained, or delete all runs of equal time, to "
        "train them again"
    )


def missing(experiments: list[Experiment], results: Path) -> list[Experiment]:
    """Those without a result; errors as in `result_of`."""
    return [e for e in experiments if result_of(e, results) is None]


def measure(experiments: list[Experiment], results: Path, runs: Path, jobs: int) -> None:
    """Make all results that are missing; a run that was stopped goes on.

    Args:
        experiments: what to train.
        results: folder of the results.
        runs: folder for data, checkpoints and weights.
        jobs: processes side by side, one thread each; with 1, this process as it is.
    """
    todo = missing(experiments, results)
    for experiment in todo:
        for split in ("train", experiment.split):
            _data(experiment, split, runs, render=True)
    if jobs == 1:
        for experiment in tqdm(todo, unit="run", disable=not todo):
            _measure_one(experiment, results, runs)
        return
    work = [(e, results, runs) for e in todo]
    pool = get_context("spawn").Pool(jobs, prepare_process, (1,), maxtasksperchild=1)
    with pool:
        done = pool.imap_unordered(_measure_packed, work)
        for _ in tqdm(done, total=len(todo), unit="run", disable=not todo):
            pass


def measure_lookup(preset: str, setting: str, results: Path, runs: Path) -> None:
    """Write ``lookup-PRESET-SETTING.json``, see `volpose.reproduce.lookup`, if it is missing."""
    path = lookup_path(preset, setting, results)
    if path.exists():
        return
    any_run = Experiment(preset, setting, next(iter(ROWS)), 0, 1.0)
    train, test = (_data(any_run, split, runs, render=True) for split in ("train", "test"))
    found = lookup(test.labels["pose"], train.labels["pose"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found | {"volpose": __version__, "data": str(test)}) + "\n")


def _measure_packed(work: tuple[Experiment, Path, Path]) -> None:
    _measure_one(*work)


def prepare_process(threads: int) -> None:
    """Settings of a process that trains, see `volpose.precision.keep_freed_memory`."""
    torch.set_num_threads(threads)
    keep_freed_memory()


def _measure_one(experiment: Experiment, results: Path, runs: Path) -> None:
    team = Team(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    folder = experiment.folder(runs) / experiment.training
    train = _data(experiment, "train", runs)
    # the code that measures; the one that trained, maybe days ago, is on the card
    result = {"name": experiment.name, "volpose": __version__, "code": fingerprint()}
    result |= {"preset": experiment.preset, "setting": experiment.setting}
    try:
        estimator = fit(experiment.recipe(), train, folder, team, progress=False)
    except DivergedError as error:
        if experiment.budget != "rate":
            raise
        result |= {"card": {"recipe": experiment.recipe().to_json()}, DIVERGED: str(error)}
    else:
        result |= {"parameters": count_parameters(estimator.model), "card": estimator.card}
        result |= {"curve": curve(folder / "log.csv")}
        result |= judged(estimator, _data(experiment, experiment.split, runs))
    path = _path(experiment, results)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(result, indent=1) + "\n")


def judged(estimator: Estimator, data: CachedSplit) -> dict:
    """Errors by action and, of a network with volumes, everything that `dissect` finds."""
    quick = estimator.at_precision("auto")
    errors = evaluate(quick, data).to_json()
    return errors | ({} if quick.config.kind == "coordinate" else dissect(quick, data))


def curve(log: Path) -> list[dict]:
    """The loss curve, thinned: images seen, CPU seconds and the loss of each stage."""
    with open(log, encoding="utf8") as stream:
        rows = list(csv.DictReader(stream))
    every = max(1, math.ceil(len(rows) / CURVE_POINTS))
    picked = rows[::-1][::every][::-1]
    return [
        {"images": int(r["images"]), "cpu_seconds": float(r["cpu_seconds"])}
        | {"loss": [float(v) for k, v in r.items() if k.startswith("loss")]}
        for r in picked
    ]


def _path(experiment: Experiment, results: Path) -> Path:
    return experiment.folder(results) / f"{experiment.name}.json"


def _data(experiment: Experiment, split: str, runs: Path, render: bool = False) -> CachedSplit:
    """A split, rendered once for all runs; those with fewer images use its beginning."""
    recipe = experiment.recipe()
    size, count = recipe.network.image_size, SPLITS[split] or recipe.images
    studio = Studio(split, size=size, variation=experiment.setting, count=count)
    folder = runs / "data" / f"studio-{split}-{experiment.setting}-{size}px-{count}"
    return write_split(studio, folder) if render else CachedSplit(folder)
