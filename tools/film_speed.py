"""How long `volpose predict` takes for 100 frames of video whose 2D joints are given.

    python tools/film_speed.py

Writes ``results/lift/film-speed.json``: seconds of the whole command, start included, once with
every output and once with JSON alone. The joints are those of ``book/images/real/walk.json``; the
video shows one photograph, as large as the one that they were found in, that moves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from volpose import __version__
from volpose.predict import read_image
from volpose.provenance import hardware
from volpose.storage import write_text
from volpose.video import write_video

ROOT = Path(__file__).resolve().parents[1]
REAL, OUT = ROOT / "book/images/real", ROOT / "results/lift/film-speed.json"
WIDE, HIGH, FPS = 1768, 994, 30.0
EVERYTHING = {"json": "json", "html": "html", "draw": "mp4", "bvh": "bvh", "csv": "csv"}
SHIFT = 8  # px a frame: a still would be read and written too easily
GOES = 3  # the fastest counts


def main() -> None:
    """Measure and write."""
    frames = len(json.loads((REAL / "walk.json").read_text()))
    photo = read_image(REAL / "walking.jpg")[None].float()
    image = interpolate(photo, (HIGH, WIDE), mode="bilinear")[0].byte()
    seconds = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        moving = (image.roll((SHIFT * k // 4, SHIFT * k), (1, 2)) for k in range(frames))
        write_video(folder / "walk.mp4", moving, FPS)
        for words, kinds in (("everything", EVERYTHING), ("json alone", {"json": "json"})):
            outputs = [f"--{kind}={folder / f'out.{end}'}" for kind, end in kinds.items()]
            seconds[words] = round(min(_timed(folder, outputs) for _ in range(GOES)), 1)
    result = {"frames": frames, "size_px": [WIDE, HIGH], "seconds": seconds}
    result["video"] = f"a photograph that moves by {SHIFT} px a frame"
    result |= {"hardware": hardware(torch.device("cpu")), "volpose": __version__}
    write_text(OUT, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _timed(folder: Path, outputs: list[str]) -> float:
    command = [sys.executable, "-m", "volpose", "predict", folder / "walk.mp4"]
    begun = time.perf_counter()
    subprocess.run(
        [*command, "--joints2d", REAL / "walk.json", *outputs], check=True, capture_output=True
    )
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
