"""Put trained weights into the package, with cards and checksums.

python tools/ship.py runs/studio-laptop RESULT.json=studio-stack [...]

ships each run under its folder's name, or under the one given. A run of the comparison is named by
its result in ``results/reproduce``. The card gains the errors that ``results`` holds for these very
weights, and a lifting network's doubt; it is stored with them and, to be read, in
``volpose/weights/README.md``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from volpose.estimator import Estimator, trainings
from volpose.network import LIFTING
from volpose.pretrained import FOLDER, load, names, sha256
from volpose.recipe import PRESETS
from volpose.storage import write_text

LARGEST = 10 * 2**20  # bytes of one shipped file
RESULTS, RUNS = Path("results"), Path("runs")
TABLE = ("samples", "actions", "mean_of_frames", "mean_of_actions")


def ship(run: Path, name: str, source: Path | None = None) -> None:
    """Write a run's weights, with a full card, into the package; ``source`` is one more result."""
    estimator = Estimator.load(run / "weights.safetensors")  # refuses anything damaged
    card = {"name": name, "preset": preset_of(estimator.card)} | estimator.card
    card["test"] = {}
    if estimator.config.kind in LIFTING:
        path = RESULTS / "lift" / f"{name}.json"
        result = json.loads(path.read_text())
        if result["card"] != estimator.card:
            raise ValueError(f"{path}: errors of other weights; evaluate {run} again")
        if "test" not in result["data"] or "mirror-averaged" not in result["protocol"]:
            raise ValueError(
                f"{path}: expected the test poses, mirror-averaged; evaluate {run} again"
            )
        card["test"] = lifting_errors(result)
        card |= {"doubt": result["doubt"]["tables"]} if result.get("doubt") else {}
    doubted = RESULTS / "laptop" / f"{name}-doubt.json"
    if doubted.exists():
        result = json.loads(doubted.read_text())
        if result["card"] != estimator.card:
            raise ValueError(f"{doubted}: of other weights; measure them again")
        card |= {"doubt": result["tables"]}
    measured = [RESULTS / "laptop" / f"{run.name}{on}.json" for on in ("", "-on-wild")]
    for path in (*measured, *([source] if source else [])):
        if path.exists():
            result = json.loads(path.read_text())
            if result["card"] != estimator.card:
                raise ValueError(f"{path}: errors of other weights; evaluate {run} again")
            card["test"][result["protocol"]] = {key: result[key] for key in TABLE}
    target = FOLDER / f"{name}.safetensors"
    replace(estimator, card=card).save(target)
    if target.stat().st_size > LARGEST:
        raise ValueError(f"{target}: {target.stat().st_size} bytes, at most {LARGEST} are shipped")
    listed = FOLDER / "checksums.json"
    checksums = json.loads(listed.read_text()) | {name: sha256(target)}
    write_text(listed, json.dumps(checksums, indent=1, sort_keys=True) + "\n")
    print(f"{target.name}: {target.stat().st_size} bytes")


def run_of(result: Path) -> Path:
    """The run that a result of the comparison comes from: the one with the same card."""
    card = json.loads(result.read_text())["card"]
    weights = (RUNS / result.parent.name).glob("*/weights.safetensors")
    found = [path.parent for path in weights if Estimator.load(path).card == card]
    if not found:
        raise ValueError(f"{result}: its run is not in {RUNS / result.parent.name}")
    return found[0]


def lifting_errors(result: dict) -> dict:
    """The errors of a lifting network as a table, a row for each kind of fault."""
    rows = {}
    for row in result["rows"]:
        values = dict(row)
        fault = f"noise {values.pop('noise_px'):g} px, {values.pop('missing')} joints missing"
        rows[fault] = values
    first = next(iter(rows.values()))
    protocol = f"{result['data']}: {result['protocol']}"
    return {protocol: {"samples": result["poses"], "actions": rows, "mean_of_frames": first}}


def preset_of(card: dict) -> str:
    """The preset that a run's network is from, whatever its kind and stack."""
    if card["recipe"]["network"]["kind"] in LIFTING:
        return "lift"

    def size(network: dict) -> dict:
        return {name: value for name, value in network.items() if name not in ("kind", "z_bins")}

    own = size(card["recipe"]["network"])
    return next(n for n, p in PRESETS.items() if size(p.to_json()["network"]) == own)


def beginnings(card: dict) -> list[str]:
    """What a network began with, if not with random weights, the last training first."""
    return [
        f"began with weights that had seen {start['recipe']['samples']} samples in "
        f"{start['cpu_seconds']:.0f} s of CPU, {start['hardware']}: {start['data']}"
        if start.get("recipe")
        else "began with weights of which nothing is known"
        for start in trainings(card)[1:]
    ]


def readable(card: dict) -> str:
    """A card in Markdown."""
    recipe = card["recipe"]
    lines = [
        f"## {card['name']}",
        "",
        f"* preset `{card['preset']}`, {recipe['network']['kind']} "
        f"{tuple(recipe['network']['z_bins'])}, seed {recipe['seed']}; trained on {card['data']}",
        f"* {recipe['samples']} samples seen in {card['seconds']:.0f} s "
        f"({card['cpu_seconds']:.0f} s of CPU), {card['threads']} thread(s), "
        f"{card['hardware']}, torch {card['torch']}",
        f"* licence: {card['licence']}",
        *(f"* {words}" for words in beginnings(card)),
    ]
    if "doubt" in card:
        lines.append("* knows which errors in depth go with the spread of its volumes")
    lines.append("")
    for protocol, table in card["test"].items():
        rows = dict(table["actions"])
        if card["preset"] != "lift":
            rows["mean of frames"] = table["mean_of_frames"]
        lines += [f"{protocol}, {table['samples']} samples:", ""]
        measures = list(table["mean_of_frames"])
        lines += [f"| | {' | '.join(measures)} |", "|---" * (len(measures) + 1) + "|"]
        for name, row in rows.items():
            lines.append(f"| {name} | {' | '.join(f'{row[m]:.1f}' for m in measures)} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        folder, _, given = argument.partition("=")
        if folder.endswith(".json"):
            ship(run_of(Path(folder)), given or Path(folder).stem, Path(folder))
        else:
            ship(Path(folder), given or Path(folder).name)
    cards = "\n".join(readable(load(name).card) for name in names())
    write_text(FOLDER / "README.md", f"# Shipped networks\n\n{cards}")
