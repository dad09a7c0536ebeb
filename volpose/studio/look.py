"""Everything about a picture that is not the pose: actor, clothes, light, camera, lens, sensor."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from volpose.studio.props import NUM_OCCLUDERS
from volpose.studio.variation import Variation
from volpose.studio.wardrobe import draw_outfit

FRAME_WIDTH, FRAME_HEIGHT = 1000, 1002  # px, as in Human3.6M
TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
SUBJECTS = TRAIN_SUBJECTS + TEST_SUBJECTS

# Cameras near Human3.6M's: serial number, position (mm), focal length (px), principal point (px).
CAMERAS = (
    ("54138969", (1840.0, 4960.0, 1560.0), (1145.0, 1143.8), (512.5, 515.5)),
    ("55011271", (1760.0, -5080.0, 1610.0), (1149.7, 1147.6), (508.8, 508.1)),
    ("58860488", (-1850.0, 5220.0, 1490.0), (1149.1, 1148.8), (519.8, 501.4)),
    ("60457274", (-1790.0, -3720.0, 1570.0), (1145.5, 1144.8), (515.0, 501.9)),
)
NUM_CAMERAS = len(CAMERAS)
CAMERA_AIM = (0.0, 0.0, 950.0)  # mm
USUAL_LIGHT = np.array([-0.5, -0.25, 0.85])
LARGEST_PERSON = 2300.0  # mm a person may measure without leaving a free camera's image
LARGEST_BOX = 4.0  # of those that are astray, in units of the box around the actor

# first numbers of the random streams: independent things must not share one
ACTOR, CLOTHES, TAKE, PICTURE, ROOM, SENSOR, WIDER = range(7)


class Look(NamedTuple):
    """The look of one picture, or, after `stack_looks`, of many."""

    coefficients: np.ndarray | Tensor  # build
    colors: np.ndarray | Tensor  # (materials, 3) linear
    cut: np.ndarray | Tensor
    light: np.ndarray | Tensor  # direction to the light
    strength: np.ndarray | Tensor
    room: int | Tensor
    camera: np.ndarray | Tensor  # (11): see `_fixed_camera` and `_free_camera`
    free: float | Tensor  # 1 for a free camera
    occluders: np.ndarray | Tensor  # (boxes, 8): see props.occluder_boxes
    occluder_yaw: float | Tensor
    gain: np.ndarray | Tensor  # (3)
    blur: float | Tensor
    noise: float | Tensor
    box: np.ndarray | Tensor  # (3) shift x, y and growth, shares of the side
    sensor: int | Tensor  # where in the bank of noise this picture's begins


class Painter:
    """Draws the look of pictures under one variation."""

    def __init__(self, seed: int, variation: Variation, num_coefficients: int) -> None:
        """Fix what all pictures share.

        Args:
            seed: of the whole studio.
            variation: how much the pictures vary.
            num_coefficients: of a build.
        """
        self.seed, self.variation = seed, variation
        self.num_coefficients = num_coefficients
        self._actor = lru_cache(maxsize=None)(self._draw_actor)
        self._outfit = lru_cache(maxsize=4096)(self._draw_outfit)

    def draw(
        self, subject: str, take: int, camera: int, key: tuple[int, ...], moment: tuple[int, ...]
    ) -> Look:
        """Draw one look.

        Args:
            subject: the actor's name.
            take: number of the take; clothes change between takes.
            camera: number of the fixed camera.
            key: what identifies the picture's stream of random choices.
            moment: what identifies the sensor's noise; frames of one film differ only here.
        """
        v = self.variation
        rng = np.random.default_rng([self.seed, PICTURE, *key])
        actor = SUBJECTS.index(subject)
        coefficients = self._actor(actor)
        if v.free_bodies:
            coefficients = _draw_build(rng, self.num_coefficients)
        if v.body_jitter:
            coefficients = coefficients + v.body_jitter * rng.normal(size=self.num_coefficients)
        outfit = self._outfit(actor, take % v.outfits) if v.outfits else draw_outfit(rng)
        sensor = np.random.default_rng([self.seed, SENSOR, *moment])
        return Look(
            coefficients=coefficients,
            colors=outfit[0],
            cut=outfit[1],
            light=_draw_light(rng, v.light_spread),
            strength=np.array(rng.uniform(*v.light_strength)),
            room=int(rng.integers(v.rooms)),
            camera=_fixed_camera(camera) if v.fixed_cameras else _free_camera(rng, v),
            free=float(not v.fixed_cameras),
            occluders=_draw_occluders(rng, v.occluders),
            occluder_yaw=rng.uniform(0, 90),
            gain=2.0 ** (v.exposure * rng.normal()) * (1 + v.tint * rng.uniform(-1, 1, 3)),
            blur=rng.uniform(0, v.blur),
            noise=rng.uniform(*v.noise),
            box=_draw_box(rng, v),
            sensor=int(sensor.integers(2**31)),
        )

    def _draw_actor(self, actor: int) -> np.ndarray:
        return _draw_build(np.random.default_rng([self.seed, ACTOR, actor]), self.num_coefficients)

    def _draw_outfit(self, actor: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        return draw_outfit(np.random.default_rng([self.seed, CLOTHES, actor, number]))


def stack_looks(looks: list[Look], device: str | torch.device) -> Look:
    """Many looks as one, every field a tensor with the batch in front."""
    columns = []
    for column in zip(*looks, strict=True):
        values = torch.from_numpy(np.stack([np.asarray(value) for value in column]))
        columns.append(values.to(device))
    return Look(*columns)


def slice_look(look: Look, part: slice) -> Look:
    """The looks of some of the pictures."""
    return Look(*(field[part] for field in look))


def _draw_build(rng: np.random.Generator, count: int) -> np.ndarray:
    """Shape coefficients; the first is height and kept near 1.78 m."""
    build = rng.normal(0, 0.85, count).clip(-1.6, 1.6)
    build[0] = np.clip(0.3 + 0.5 * build[0], -0.6, 1.1)
    return build


def _draw_box(rng: np.random.Generator, v: Variation) -> np.ndarray:
    """How far a box is shifted, x and y in units of its side, and by how much of it it grows."""
    usual = (v.box_jitter * rng.normal(size=3)).clip(-2 * v.box_jitter, 2 * v.box_jitter)
    if not v.astray or rng.random() >= v.astray:
        return usual
    if rng.random() < 0.5:  # the actor is somewhere in it, and small
        side = LARGEST_BOX ** rng.random()
        shift = side * (rng.random(2) - 0.5)
    else:  # the actor is beside it, or cut
        side, angle = rng.uniform(0.4, 1.6), rng.uniform(0, 2 * np.pi)
        away = rng.uniform(0.35, 1.25) * (1 + side) / 2  # at 1 two such squares hardly touch
        shift = away * np.array([np.cos(angle), 0.6 * np.sin(angle)])  # less floor, less sky
    return np.array([*shift, side - 1])


def _draw_light(rng: np.random.Generator, spread: float) -> np.ndarray:
    """The usual light, turned by up to `spread` degrees; 180 is any direction from above."""
    if spread >= 180:
        around, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 1.0)
        flat = np.sqrt(1 - height**2)
        return np.array([flat * np.cos(around), flat * np.sin(around), height])
    usual = USUAL_LIGHT / np.linalg.norm(USUAL_LIGHT)
    shift = rng.normal(size=3)
    shift -= shift @ usual * usual
    shift *= np.tan(np.radians(spread) * rng.uniform()) / np.linalg.norm(shift)
    return (usual + shift) / np.linalg.norm(usual + shift)


def _fixed_camera(number: int) -> np.ndarray:
    """Position (3), aim (3), roll, focal lengths (2), principal point (2)."""
    _, position, focal, center = CAMERAS[number]
    return np.array([*position, *CAMERA_AIM, 0.0, *focal, *center])


def _free_camera(rng: np.random.Generator, v: Variation) -> np.ndarray:
    """The same record, position and aim relative to the point of the floor below the actor."""
    focal = rng.uniform(*v.focal) * FRAME_WIDTH
    # a long lens needs distance, or the actor leaves the image
    nearest = max(v.camera_distance[0], focal * LARGEST_PERSON / FRAME_HEIGHT)
    distance = rng.uniform(min(nearest, v.camera_distance[1]), v.camera_distance[1])
    around, height = rng.uniform(0, 2 * np.pi), rng.uniform(*v.camera_height)
    position = (distance * np.cos(around), distance * np.sin(around), height)
    aim = (rng.uniform(-100, 100), rng.uniform(-100, 100), 850 + rng.uniform(-150, 150))
    roll = rng.uniform(-v.camera_roll, v.camera_roll)
    center = (FRAME_WIDTH / 2 + rng.uniform(-10, 10), FRAME_HEIGHT / 2 + rng.uniform(-10, 10))
    return np.array([*position, *aim, roll, focal, focal, *center])


def _draw_occluders(rng: np.random.Generator, chance: float) -> np.ndarray:
    """Rows for `props.occluder_boxes`."""
    rows = rng.uniform(size=(NUM_OCCLUDERS, 8))
    rows[:, 0] = rows[:, 0] < chance
    rows[:, 2] = 0.5 + 0.35 * rows[:, 2]
    rows[:, 3:6] = 40 + 200 * rows[:, 3:6] ** 2
    rows[:, 6:8] = 500 * (rows[:, 6:8] - 0.5)
    return rows
