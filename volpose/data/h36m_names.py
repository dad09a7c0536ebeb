"""What Human3.6M's file names say, and its splits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from volpose.action_table import ACTIONS_15

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
ALIASES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog", "WalkingTogether": "WalkTogether"}
SUFFIX = r"(?:\.(?i:jpg|jpeg|png))?"
NAME = re.compile(rf"(?:.*/)?(S\d+)_([A-Za-z]+)(?:[ _-](\d+))?\.(\d+)_(\d+){SUFFIX}")


class Name(NamedTuple):
    """Subject, action, take, camera and frame of a picture."""

    subject: str
    action: str
    take: int
    camera: str
    frame: int


def known_action(name: str, path: Path) -> str:
    """The action under the name that the paper uses: exact, for Sitting is not SittingDown.

    Raises:
        ValueError: Human3.6M has no such action.
    """
    action = ALIASES.get(name, name)
    if action not in ACTIONS_15:
        raise ValueError(f"{path}: expected one of the actions {ACTIONS_15}, found {name!r}")
    return action


def read_name(name: str, path: Path) -> Name:
    """Understand a name such as S9_Posing_1.55011271_000001.jpg.

    Args:
        name: may have folders in front and may lack its suffix.
        path: of the file with the name, for the error.

    Raises:
        ValueError: the name is of another form, or says what Human3.6M does not have.
    """
    found = NAME.fullmatch(name)
    if found is None:
        raise ValueError(
            f"{path}: expected names like S9_Posing_1.55011271_000001.jpg, found {name!r}"
        )
    subject, action, take, camera, frame = found.groups()
    if subject not in SUBJECTS["train"] + SUBJECTS["test"] or camera not in CAMERAS:
        raise ValueError(f"{path}: Human3.6M has no subject and camera as in {name!r}")
    return Name(subject, known_action(action, path), int(take or 0), camera, int(frame))
