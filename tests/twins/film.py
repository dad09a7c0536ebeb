"""The film that all twins show: one actor of the studio, seen by three cameras."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from volpose.camera import Camera
from volpose.crop import Box
from volpose.data.people import People
from volpose.skeleton import H36M_17, Skeleton, convert_joints
from volpose.studio import Studio

SERIALS = ("54138969", "55011271", "58860488")
QUARTER = 0.25  # whole frames of 250 x 250 px
FRAME = 250
FRAMES, STEP = 4, 5  # frames 1, 6, 11, ... of 50 a second, but half a second apart


class View(NamedTuple):
    """What one camera sees: pictures, poses (T, 17, 3), its camera and the boxes in its frames."""

    pictures: list[Image.Image]
    pose: torch.Tensor
    camera: Camera
    box: Box

    @property
    def joints(self) -> torch.Tensor:
        return self.camera.project(self.pose)

    @property
    def world(self) -> torch.Tensor:
        return self.camera.to_world(self.pose)

    @property
    def matrix(self) -> np.ndarray:
        return self.camera.matrix.numpy().astype(float)


@lru_cache
def film() -> list[View]:
    """The views, in the order of `SERIALS`."""
    studio = Studio("test", size=96)
    views = []
    for number in range(len(SERIALS)):
        batch = studio.sequence("S9", "Walking", camera=number, frames=FRAMES, fps=2)
        camera = batch.camera.cropped(torch.zeros(2), torch.tensor(QUARTER))
        crops = Box(batch.box.center * QUARTER, batch.box.side * QUARTER)
        pictures = [whole(image, crops[k]) for k, image in enumerate(batch.image)]
        box = Box.around(camera.project(batch.pose), 1.2)
        views.append(View(pictures, batch.pose, camera, box))
    return views


def whole(crop: torch.Tensor, box: Box) -> Image.Image:
    """A black frame with the crop where it was cut."""
    side = round(box.side.item())
    left, top = (box.center - box.side / 2).round().int().tolist()
    frame = Image.new("RGB", (FRAME, FRAME))
    frame.paste(Image.fromarray(crop.permute(1, 2, 0).numpy()).resize((side, side)), (left, top))
    return frame


def seen_by(kind: str, people: People) -> list[tuple[int, int]]:
    """Camera and row of the film that each person shows, from what the reader of a kind says."""
    places = {serial: k for k, serial in enumerate(SERIALS)}
    rows = []
    for view, frame, name in zip(people.view.tolist(), people.frame.tolist(),
                                 people.picture.tolist(), strict=True):  # fmt: skip
        if kind == "humaneva":
            rows.append((int(view[1]) - 1, (frame - 5) // 100))
        elif kind == "kth":
            rows.append((int(view[-1]) - 1, frame - 1))
        elif kind == "mocap":
            rows.append((0, frame - 1))
        elif kind == "mpii":
            rows.append((int(name[0]), int(name[1:8])))
        else:
            rows.append((places[view], (frame - 1) // STEP))
    return rows


def frame_number(row: int) -> int:
    """The number of a frame in file names."""
    return 1 + STEP * row


def joints_of(pose: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """The film's joints in another set; its neck is their thorax, theirs lacks one."""
    found, known = convert_joints(pose, H36M_17, skeleton)
    for row in np.flatnonzero(~known.numpy()):
        assert skeleton.joints[row] == "neck"
        found[..., row, :] = pose[..., H36M_17.index("nose"), :]
    return found
