"""Results of the comparison without training: for tests of what is planned and printed."""

import json
from pathlib import Path

import numpy as np

from volpose.reproduce.measure import missing
from volpose.reproduce.plan import equal_time_runs, rate_runs, row_runs
from volpose.reproduce.tables import TABLES

COMMITTED = Path(__file__).parents[1] / "results" / "reproduce"
ACTIONS = tuple(TABLES["table3"].actions)


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
            result |= {} if run.row == "coordinate regression" else {"decoders": volumes}
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result))

    rows = [row.name for row in TABLES[table].rows]
    while missing(search := rate_runs(preset, setting, rows, folder), folder):
        write(search)
    write(row_runs(preset, setting, rows, seeds, folder))
    write(equal_time_runs(preset, setting, table, seeds, folder))
    return folder
