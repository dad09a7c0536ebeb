"""The files of `results/reproduce/`: one JSON for each run, read and checked."""

from __future__ import annotations

import math
from pathlib import Path

from volpose.storage import read_json

METRIC = "MPJPE mm"
DIVERGED = "diverged"  # of a run that a search for a rate has tried in vain: what went wrong
OF_VOLUMES = ("decoders", "stages", "joints", "confidence")  # `volpose.reproduce.dissect`


def load(preset: str, setting: str, results: Path) -> dict[str, dict]:
    """All results of a preset and setting by the name of their run.

    Without those that a search for a rate has tried in vain: they have no errors.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.

    Raises:
        ValueError: a file is not the result of a run, or an error in it is not a number.
    """
    paths = sorted((results / f"{preset}-{setting}").glob("*.json"))
    found = {path: read_json(path) for path in paths}
    return {p.stem: _checked(r, p) for p, r in found.items() if DIVERGED not in r}


def _checked(result: dict, path: Path) -> dict:
    """The result, if it has what tables and answers read from it."""
    try:
        name, recipe = result["name"], result["card"]["recipe"]
        needed = () if recipe["network"]["kind"] == "coordinate" else OF_VOLUMES
        lacking = [] if "seed" in recipe else ["seed"]
        lacking += [key for key in needed if key not in result]
        errors = [result["mean_of_frames"][METRIC], *result.get("decoders", {}).values()]
        errors += [action[METRIC] for action in result["actions"].values()]
    except KeyError as error:
        raise ValueError(f"{path}: not the result of a run (lacks {error})") from None
    except (TypeError, AttributeError):
        raise ValueError(
            f"{path}: not the result of a run (its parts are of other kinds)"
        ) from None
    if lacking:
        raise ValueError(f"{path}: not the result of a run (lacks {lacking[0]!r})")
    if name != path.stem:
        raise ValueError(f"{path}: holds the run {name!r}, and must be named after it")
    for mm in errors:
        if isinstance(mm, bool) or not isinstance(mm, int | float) or not math.isfinite(mm):
            raise ValueError(f"{path}: an error in mm must be a finite number, found {mm!r}")
    return result
