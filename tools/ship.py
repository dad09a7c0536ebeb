"""Put trained weights into the package, with their checksums.

python tools/ship.py runs/studio-laptop [...]     ships each run under its folder's name
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from volpose.estimator import Estimator
from volpose.pretrained import FOLDER, sha256
from volpose.storage import write_text

LARGEST = 10 * 2**20  # bytes of one shipped file


def ship(run: Path) -> None:
    """Copy a run's weights into the package under the name of its folder."""
    source, target = run / "weights.safetensors", FOLDER / f"{run.name}.safetensors"
    Estimator.load(source)  # refuses anything damaged
    if source.stat().st_size > LARGEST:
        raise ValueError(f"{source}: {source.stat().st_size} bytes, at most {LARGEST} are shipped")
    shutil.copyfile(source, target)
    listed = FOLDER / "checksums.json"
    checksums = json.loads(listed.read_text()) | {run.name: sha256(target)}
    write_text(listed, json.dumps(checksums, indent=1, sort_keys=True) + "\n")
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        ship(Path(folder))
