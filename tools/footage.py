"""Four calibrated cameras and what a detector found in their films: the file that the book keeps.

    python tools/footage.py FOLDER JOINTS

Writes ``book/images/real/beam.json`` from the folder ``Demo_SinglePerson`` of the wheel pose2sim
0.10.49 and from what MediaPipe found in its videos: for each camera's name a list with one
``{"size": .., "joints_px": .., "confidence": .., "world_m": ..}`` a frame.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.camera import Camera
from volpose.lift.faults import Found
from volpose.lift.formats import to_h36m
from volpose.storage import write_text

DATA = Path("book/images/real/beam.json")
SOURCE = "pose2sim 0.10.49, Demo_SinglePerson, BSD 3-Clause, copyright 2022 perfanalytics"
DETECTOR = "MediaPipe 0.10.21, pose (full), every frame on its own"
FORMAT = "mediapipe33"
EVERY, FPS = 2, 60.0
CAMERA = ("focal", "center", "rotation", "position")


@dataclass(frozen=True, eq=False)
class Footage:
    """What the views found.

    Attributes:
        names, sizes: of the views; width and height, px.
        cameras: one for each view; the world's z is up, mm.
        joints_px: (views, frames, 33, 2) px.
        confidence: (views, frames, 33).
        world_mm: (views, frames, 33, 3) the detector's own 3D: from the hips, x right, y down, z
            away, mm.
        fps: frames a second.
    """

    names: list[str]
    sizes: list[list[int]]
    cameras: Camera
    joints_px: Float[Tensor, "views frames 33 2"]
    confidence: Float[Tensor, "views frames 33"]
    world_mm: Float[Tensor, "views frames 33 3"]
    fps: float

    def found(self, view: int) -> Found:
        """A view's joints in the order of `H36M_17`."""
        return to_h36m(self.joints_px[view], self.confidence[view], FORMAT)

    def camera(self, view: int) -> Camera:
        """A view's camera, in its own frame."""
        return Camera(self.cameras.focal[view], self.cameras.center[view])


def read(path: Path = DATA) -> Footage:
    """Read what `pack` wrote."""
    content = json.loads(path.read_text())
    of = {key: torch.tensor([c[key] for c in content["cameras"]]).float() for key in CAMERA}
    frames = {
        key: torch.tensor([[f[key] for f in view] for view in content["views"]]).float()
        for key in ("joints_px", "confidence", "world_mm")
    }
    names, sizes = ([c[key] for c in content["cameras"]] for key in ("name", "size"))
    return Footage(names, sizes, Camera(*of.values()), **frames, fps=content["fps"])


def pack(folder: str, joints: str) -> None:
    """Write `DATA`: every second frame, rounded. Lens distortion, under 1 px here, is left out."""
    cameras = qualisys((Path(folder) / "calibration/Calib.qca.txt").read_text())
    given = json.loads(Path(joints).read_text())
    views = [
        [
            {
                "joints_px": [[round(x, 1) for x in at] for at in frame["joints_px"]],
                "confidence": [round(x, 2) for x in frame["confidence"]],
                "world_mm": [[round(1000 * x) for x in at] for at in frame["world_m"]],
            }
            for frame in given[camera["name"]][::EVERY]
        ]
        for camera in cameras
    ]
    for camera in cameras:
        camera["size"] = given[camera["name"]][0]["size"]
    content = {"source": SOURCE, "detector": DETECTOR, "format": FORMAT, "fps": FPS / EVERY}
    content |= {"cameras": cameras, "views": views}
    write_text(DATA, json.dumps(content, separators=(",", ":")).replace('{"joints', '\n{"joints'))


def qualisys(text: str) -> list[dict]:
    """Cameras of a Qualisys calibration, as plain numbers: px, and mm in a world whose z is up.

    Its pixels are counted in 64ths. Its camera frame has y up and z to the back, and the rotation
    lists the camera's axes in the world.
    """
    cameras = []
    for camera in ElementTree.fromstring(text).iter("camera"):
        turn, lens = camera.find("transform").attrib, camera.find("intrinsic").attrib
        rows = [[float(turn[f"r{i}{k}"]) for k in (1, 2, 3)] for i in (1, 2, 3)]
        signs = (1, -1, -1)
        cameras.append(
            {
                "name": camera.attrib["serial"],
                "focal": [round(float(lens[f"focalLength{k}"]) / 64, 2) for k in "UV"],
                "center": [round(float(lens[f"centerPoint{k}"]) / 64, 2) for k in "UV"],
                "rotation": [
                    [round(s * x, 7) for x in row] for s, row in zip(signs, rows, strict=True)
                ],
                "position": [round(float(turn[axis]), 2) for axis in "xyz"],
            }
        )
    return cameras


if __name__ == "__main__":
    pack(*sys.argv[1:])
