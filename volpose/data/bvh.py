"""Motion capture in BVH files: a tree of bones, and a line of angles for every frame."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from volpose.data.files import guarded, read_text
from volpose.data.rotations import about_axis

KIND = "a BVH file"
DEEPEST = 1000  # bones


class Bone(NamedTuple):
    """A bone begins at a joint: its name, parent (-1: none), offset from it, and channels."""

    name: str
    parent: int
    offset: np.ndarray
    channels: list[str]


class Motion(NamedTuple):
    """Points (frames, 3) by name, and where they are in the rest pose (3), in the file's unit.

    `whole` is False where the last frame may have lost digits: the file ends within a line.
    """

    points: dict[str, np.ndarray]
    rest: dict[str, np.ndarray]
    whole: bool


def read_bvh(path: Path, step: int = 1) -> Motion:
    """Where every bone begins, in every n-th frame; the end of a chain is called `NAME.end`.

    Args:
        path: of the file.
        step: n.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged.
    """
    text = read_text(path, KIND)
    head, found, body = text.partition("MOTION")
    if not found or not head.lstrip().startswith("HIERARCHY"):
        raise ValueError(f"{path}: expected {KIND}, with HIERARCHY and MOTION")
    bones = guarded(path, KIND, lambda: _read_bones(head.split()))
    values = guarded(path, KIND, lambda: _read_frames(body, bones))
    points = _place(bones, values[::step])
    rest: dict[str, np.ndarray] = {}
    for bone in bones:
        before = rest[bones[bone.parent].name] if bone.parent >= 0 else np.zeros(3)
        rest[bone.name] = before + bone.offset
    return Motion(points, rest, text.endswith(("\n", "\r")))


def _read_bones(tokens: list[str]) -> list[Bone]:
    bones: list[Bone] = []
    path: list[int] = []
    name, at = "", 1
    while at < len(tokens):
        word = tokens[at]
        if word in ("ROOT", "JOINT"):
            name, at = tokens[at + 1], at + 2
        elif word == "End":  # End Site
            name, at = f"{bones[path[-1]].name}.end", at + 2
        elif word == "{":
            if tokens[at + 1] != "OFFSET" or any(bone.name == name for bone in bones):
                raise ValueError(f"bone {name!r} has no OFFSET, or is there twice")
            offset = np.array(tokens[at + 2 : at + 5], dtype=float)
            if offset.shape != (3,) or not np.isfinite(offset).all():
                raise ValueError(f"bone {name!r} has no OFFSET of three numbers")
            bones.append(Bone(name, path[-1] if path else -1, offset, []))
            path, at = [*path, len(bones) - 1], at + 5
        elif word == "CHANNELS":
            count = int(tokens[at + 1])
            bones[path[-1]].channels.extend(tokens[at + 2 : at + 2 + count])
            at += 2 + count
        elif word == "}":
            path, at = path[:-1], at + 1
        else:
            raise ValueError(f"unexpected word {word!r}")
        if len(bones) > DEEPEST:
            raise ValueError(f"more than {DEEPEST} bones")
    if path or not bones or sum(bone.parent < 0 for bone in bones) != 1:
        raise ValueError("the bones are not one tree")
    return bones


def _read_frames(body: str, bones: list[Bone]) -> np.ndarray:
    """(frames, channels) the numbers."""
    words = body.split()
    if words[0] != "Frames:" or words[2:4] != ["Frame", "Time:"]:
        raise ValueError("MOTION must go on with `Frames:` and `Frame Time:`")
    frames, channels = int(words[1]), sum(len(bone.channels) for bone in bones)
    values = np.array(words[5:], dtype=float)
    if frames < 1 or values.size != frames * channels:
        raise ValueError(
            f"expected {frames} frames of {channels} numbers, found {values.size} numbers"
        )
    return values.reshape(frames, channels)


def _place(bones: list[Bone], values: np.ndarray) -> dict[str, np.ndarray]:
    """Forward kinematics: parents come before their children."""
    places: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    first = 0
    for bone in bones:
        mine = values[:, first : first + len(bone.channels)]
        first += len(bone.channels)
        offset = np.tile(bone.offset, (len(values), 1))
        turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        for channel, value in zip(bone.channels, mine.T, strict=True):
            axis = "XYZ".index(channel[0])
            if channel[1:] == "position":  # takes the offset's place
                offset[:, axis] = value
            elif channel[1:] == "rotation":
                turn = turn @ about_axis(axis, np.radians(value))
            else:
                raise ValueError(f"unknown channel {channel!r}")
        if bone.parent < 0:
            places.append(offset)
            turns.append(turn)
        else:
            before = turns[bone.parent]
            places.append(places[bone.parent] + (before @ offset[..., None])[..., 0])
            turns.append(before @ turn)
    return {bone.name: place for bone, place in zip(bones, places, strict=True)}
