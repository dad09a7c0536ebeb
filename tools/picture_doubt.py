"""Measure what the spread of a network's volumes says of its errors in depth.

    python tools/picture_doubt.py [WEIGHTS]

Writes ``results/laptop/WEIGHTS-doubt.json``: the tables of a `volpose.lift.doubt.Doubt`, fitted on
other takes of the training's actors, for the network's card (see ship.py); and how many joints of
the test's actors are within it. One thread, half a minute.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from volpose import __version__, pretrained
from volpose.commands.options import name_of
from volpose.decode import peak_voxel
from volpose.estimator import Estimator
from volpose.lift.doubt import PARTS, SHARE, Doubt, depth_spread, share_by_part
from volpose.provenance import hardware
from volpose.storage import write_text
from volpose.studio import Studio

COUNT, BATCH = 2000, 50
VARIATION = "wild"  # the pictures most like photographs
JUDGED = ("wild", "default")
ADDED = ("name", "preset", "test", "doubt")  # to a card by ship.py


def main(weights: str = "studio-laptop-anywhere") -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    estimator, name = pretrained.load(weights), name_of(weights)
    size = estimator.config.image_size
    learned = Studio("val", size=size, variation=VARIATION, count=COUNT)
    doubt = Doubt.fit(*depths(estimator, learned))
    within = {}
    for variation in JUDGED:
        judged = Studio("test", size=size, variation=variation, count=COUNT)
        wide, off = depths(estimator, judged)
        near = (off <= doubt.at(wide)).float()
        everywhere = round(float(near[:, list(PARTS)].mean()), 3)
        within[str(judged)] = {"all": everywhere, "each part": share_by_part(near)}
    result = {"weights": name, "volpose": __version__, "hardware": hardware(torch.device("cpu"))}
    result |= {"fitted": f"{learned}; mirror-averaged", "share": round(SHARE, 3)}
    result |= {"within": within, "tables": dict(doubt.tables), "card": card_of_run(estimator)}
    write_text(Path(f"results/laptop/{name}-doubt.json"), json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["within"], indent=1))


def depths(estimator: Estimator, studio: Studio) -> tuple[Tensor, Tensor]:
    """Spread and error in depth of all joints (pictures, 17), mm."""
    grid, side, parts = estimator.grid, float(estimator.config.image_size), []
    for start in range(0, COUNT, BATCH):
        batch = studio.batch(range(start, start + BATCH))
        volume = estimator.volume(batch.image, mirror=True)
        voxels = peak_voxel(volume)
        error = (grid.to_places(voxels) - batch.places(side))[..., 2].abs()
        parts.append((depth_spread(volume, voxels, grid), error))
    wide, off = (torch.cat(part) for part in zip(*parts, strict=True))
    return wide, off


def card_of_run(estimator: Estimator) -> dict:
    """The card as training wrote it: whose tables these are."""
    return {k: v for k, v in estimator.card.items() if k not in ADDED}


if __name__ == "__main__":
    main(*sys.argv[1:])
