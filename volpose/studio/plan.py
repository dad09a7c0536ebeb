"""Which picture has which number: from an index to actor, action, take, time and camera."""

from dataclasses import dataclass

import numpy as np

from volpose.studio.actions import ACTIONS
from volpose.studio.look import (
    NUM_CAMERAS,
    SUBJECTS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
)

FRAMES_PER_SECOND = 10
TAKE_FRAMES = 600  # a minute
# takes of each actor and action; training and validation share actors but no take
TAKES = {"train": range(0, 1000), "val": range(1000, 1100), "test": range(0, 1000)}
SPLIT_SUBJECTS = {"train": TRAIN_SUBJECTS, "val": TRAIN_SUBJECTS, "test": TEST_SUBJECTS}
SPLITS = tuple(TAKES)
FILM = len(SPLITS)  # stands for a split in the random streams of sequences


@dataclass(frozen=True)
class Shot:
    """One picture to be taken.

    Args:
        subject: the actor's name.
        action: the action's name.
        take: number of the take; with actor and action it fixes the whole motion.
        time: seconds since the take began.
        camera: number of the fixed camera.
        key: identifies everything random about the picture but the sensor's noise.
        moment: identifies the sensor's noise.
        index: number in the split; in a sequence, of the frame.
    """

    subject: str
    action: str
    take: int
    time: float
    camera: int
    key: tuple[int, ...]
    moment: tuple[int, ...]
    index: int


def shot_of(seed: int, split: str, index: int) -> Shot:
    """The shot with a given number.

    Actions take turns; within an action so do actors, then cameras, so every run of (15 actions x
    actors x 4 cameras) consecutive numbers holds each combination once. Take and time are random.

    Args:
        seed: of the studio.
        split: train, val or test.
        index: number in the split.
    """
    number = SPLITS.index(split)
    rng = np.random.default_rng([seed, number, index])
    turn, action = divmod(index, len(ACTIONS))
    subjects = SPLIT_SUBJECTS[split]
    round_, actor = divmod(turn, len(subjects))
    return Shot(
        subject=subjects[(actor + action) % len(subjects)],
        action=ACTIONS[action],
        take=int(rng.integers(TAKES[split].start, TAKES[split].stop)),
        time=int(rng.integers(TAKE_FRAMES)) / FRAMES_PER_SECOND,
        camera=(round_ + action) % NUM_CAMERAS,
        key=(number, index),
        moment=(number, index),
        index=index,
    )


def film(subject: str, action: str, take: int, camera: int, frames: int, fps: float) -> list[Shot]:
    """The shots of a film: one take, one camera, frame after frame."""
    key = (FILM, SUBJECTS.index(subject), ACTIONS.index(action), take, camera)
    return [Shot(subject, action, take, k / fps, camera, key, (*key, k), k) for k in range(frames)]
