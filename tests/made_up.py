"""Results of the comparison without training: for tests of what is planned and printed."""

import json
from pathlib import Path

import numpy as np

from volpose.reproduce.measure import missing
from volpose.reproduce.plan import equal_time_runs, long_runs, rate_runs, row_runs
from volpose.reproduce.tables import TABLE_ROWS, TABLES
from volpose.skeleton import H36M_17

COMMITTED = Path(__file__).parents[1] / "results" / "reproduce"
ACTIONS = tuple(TABLES["table3"].actions)


def taken_apart(z_bins, rng):
    """As `volpose.reproduce.dissect`, drawn at random."""
    keys = ("mpjpe_mm", "across_px", "depth_mm")
    heights = [k / 10 for k in range(10) if rng.random() < 0.8]
    return {
        "joints": {name: rng.uniform(20, 90) for name in H36M_17.joints},
        "stages": [{"d": d} | {key: rng.uniform(1, 90) for key in keys} for d in z_bins],
        "confidence": [
            {"from": k, "joints": int(rng.integers(1, 99)), "error_mm": rng.uniform(20, 90)}
            | {"within_150": rng.uniform(0, 1)}
            for k in heights
        ],
    }


def made_up(folder, table, preset="laptop", setting="hard", seeds=3):
    """Results of a table without training: recipes are right, errors drawn at random."""
    rng = np.random.default_rng(0)

    def write(runs):
        for run in runs:
            path = run.folder(folder) / f"{run.name}.json"
            if path.exists():
                continue
            drawn = {a: {"samples": 9, "MPJPE mm": rng.uniform(50, 90)} for a in ACTIONS}
            total = float(np.mean([row["MPJPE mm"] for row in drawn.values()]))
            volumes = {d: rng.uniform(50, 90) for d in ("argmax", "integral")} | {"peak": total}
            result = {
                "name": run.name,
                "parameters": int(rng.integers(100_000, 999_999)),
                "card": {
                    "recipe": run.recipe().to_json(),
                    "cpu_seconds": rng.uniform(10, 30),
                },
                "actions": drawn,
                "mean_of_frames": {"MPJPE mm": total},
            }
            if run.row != "coordinate regression":
                result |= {"decoders": volumes} | taken_apart(run.recipe().network.z_bins, rng)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result))

    rows = [row.name for row in TABLES[table].rows]
    while missing(search := rate_runs(preset, setting, rows, folder), folder):
        write(search)
    write(row_runs(preset, setting, rows, seeds, folder))
    steps = {row: {"median_s": rng.uniform(0.1, 0.4)} for row in TABLE_ROWS}
    costs = folder / f"costs-{preset}.json"
    if not costs.exists():
        costs.write_text(json.dumps({"steps": steps}))
    write(equal_time_runs(preset, setting, table, seeds, folder))
    write(long_runs(preset, setting, rows, seeds, folder))
    return folder
