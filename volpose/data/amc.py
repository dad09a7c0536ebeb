"""Motion capture in Acclaim files: a skeleton (.asf) and its motions (.amc), as CMU gives them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from volpose.data.bvh import Motion
from volpose.data.files import guarded, read_text
from volpose.data.rotations import about_axis

ASF, AMC = "an ASF file", "an AMC file"
INCH = 25.4  # mm: lengths are inches, divided by the `length` of the units
AXES = {"rx": 0, "ry": 1, "rz": 2}


class Bone(NamedTuple):
    """A bone: its parent, direction times length, the axes of its angles, and which it has."""

    parent: str
    reach: np.ndarray
    frame: np.ndarray
    angles: list[str]


class Skeleton(NamedTuple):
    """The bones in an order in which parents come first; mm, and radians for each unit of angle."""

    bones: dict[str, Bone]
    mm: float
    radians: float
    order: list[str]


def read_amc(path: Path, step: int = 1) -> Motion:
    """Where every bone ends, in every n-th frame, mm; `root` is where the first ones begin.

    Args:
        path: of the motion; the skeleton is the .asf with the same name up to the last `_`, or
            the only one in the folder.
        step: n.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, or they do not fit together.
    """
    skeleton = read_asf(find_asf(path))
    text = read_text(path, AMC)
    frames = guarded(path, AMC, lambda: _read_frames(text, skeleton))
    chosen = {name: values[::step] for name, values in frames.items()}
    rest = {"root": np.zeros(3)}
    for name, bone in skeleton.bones.items():
        rest[name] = rest[bone.parent] + bone.reach * skeleton.mm
    return Motion(_place(skeleton, chosen), rest, text.endswith(("\n", "\r")))


def find_asf(path: Path) -> Path:
    """The skeleton of a motion.

    Raises:
        FileNotFoundError: there is none, or several and none with the motion's name.
    """
    near = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".asf")
    named = [p for p in near if p.stem in (path.stem, path.stem.rpartition("_")[0])]
    if not named and len(near) != 1:
        raise FileNotFoundError(
            f"{path}: needs its skeleton, {path.stem.rpartition('_')[0] or path.stem}.asf, in the "
            f"same folder; found {len(near)} others"
        )
    return (named or near)[0]


def read_asf(path: Path) -> Skeleton:
    """Read a skeleton.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged.
    """
    return guarded(path, ASF, lambda: _cached_asf(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=8)
def _cached_asf(path: Path, _: int) -> Skeleton:
    sections = _sections(path.read_text("utf8"))
    units = dict(line.split()[:2] for line in sections["units"])
    bones = _read_bones(sections["bonedata"], np.pi / 180 if units["angle"] == "deg" else 1.0)
    parents: dict[str, str] = {}
    for line in sections["hierarchy"]:
        parent, *children = line.split()
        if parent not in ("begin", "end"):
            parents |= dict.fromkeys(children, parent)
    ordered: dict[str, Bone] = {}
    for name in _ordered(parents):
        ordered[name] = bones[name]._replace(parent=parents[name])
    order = next(line.split()[1:] for line in sections["root"] if line.startswith("order"))
    length = float(units["length"])
    if not length > 0:
        raise ValueError(f"length must be positive, but is {length:g}")
    radians = np.pi / 180 if units["angle"] == "deg" else 1.0
    return Skeleton(ordered, INCH / length, radians, [word.lower() for word in order])


def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith(":"):
            name, _, rest = line[1:].partition(" ")
            lines = sections.setdefault(name.lower(), [rest] if rest else [])
        elif line and not line.startswith("#"):
            lines.append(line)
    missing = {"units", "root", "bonedata", "hierarchy"} - set(sections)
    if missing:
        raise ValueError(f"the section :{min(missing)} is missing")
    return sections


def _read_bones(lines: list[str], radians: float) -> dict[str, Bone]:
    bones: dict[str, Bone] = {}
    values: dict[str, list[str]] = {}
    for line in lines:
        word, *rest = line.split()
        if word == "begin":
            values = {"dof": []}
        elif word == "end":
            (name,), (length,) = values["name"], values["length"]
            reach = np.array(values["direction"][:3], dtype=float) * float(length)
            angles = np.array(values["axis"][:3], dtype=float)
            if reach.shape != (3,) or not np.isfinite([reach, angles]).all():
                raise ValueError(f"bone {name} lacks direction, length or axis")
            frame = np.eye(3)
            for axis, angle in zip(values["axis"][3].upper(), angles, strict=True):
                turn = about_axis("XYZ".index(axis), np.array([angle * radians]))[0]
                frame = turn @ frame  # XYZ: about x first
            dof = [entry.lower() for entry in values["dof"]]
            if not set(dof) <= set(AXES):
                raise ValueError(f"bone {name}: only angles can move it, found {dof}")
            bones[name] = Bone("", reach, frame, dof)
        else:
            values.setdefault(word, []).extend(rest)
    return bones


def _ordered(parents: dict[str, str]) -> list[str]:
    """The bones, parents first."""
    ordered, waiting = ["root"], dict(parents)
    while waiting:
        ready = [name for name, parent in waiting.items() if parent in ordered]
        if not ready:
            raise ValueError(f"the bone {min(waiting)} does not hang from the root")
        ordered += ready
        for name in ready:
            del waiting[name]
    return ordered[1:]


def _read_frames(text: str, skeleton: Skeleton) -> dict[str, np.ndarray]:
    """The numbers (frames, k) of the root and of every bone that moves."""
    lines = [line.split() for line in text.splitlines()]
    lines = [line for line in lines if line and line[0][0] not in "#:"]
    starts = [k for k, line in enumerate(lines) if len(line) == 1 and line[0].isdecimal()]
    if not starts or starts[0] != 0:
        raise ValueError("the frames are not numbered")
    block = starts[1] if len(starts) > 1 else len(lines)
    if starts != list(range(0, len(lines), block)) or len(lines) % block:
        raise ValueError("frames have different numbers of lines, or the last one is cut off")
    numbers = [int(lines[k][0]) for k in starts]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError("frames are missing or not in order")
    found: dict[str, np.ndarray] = {}
    for k in range(1, block):
        rows = lines[k::block]
        name, count = rows[0][0], len(rows[0]) - 1
        expected = 6 if name == "root" else len(skeleton.bones[name].angles)
        if count != expected or any(r[0] != name or len(r) != count + 1 for r in rows):
            raise ValueError(f"{name} must have {expected} numbers in every frame")
        found[name] = np.array([row[1:] for row in rows], dtype=float)
    missing = {n for n, bone in skeleton.bones.items() if bone.angles} - set(found)
    if "root" not in found or missing:
        raise ValueError(f"no numbers for {'root' if 'root' not in found else min(missing)}")
    return found


def _place(skeleton: Skeleton, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    root, count = values["root"], len(values["root"])
    move, turn = np.zeros((count, 3)), np.broadcast_to(np.eye(3), (count, 3, 3))
    for word, value in zip(skeleton.order, root.T, strict=True):
        if word in AXES:  # the first turns first
            turn = about_axis(AXES[word], value * skeleton.radians) @ turn
        else:
            move[:, "xyz".index(word[1])] = value * skeleton.mm
    places, turns = {"root": move}, {"root": turn}
    for name, bone in skeleton.bones.items():
        own = np.broadcast_to(np.eye(3), (count, 3, 3))
        for word, value in zip(bone.angles, values.get(name, np.empty((count, 0))).T, strict=True):
            own = about_axis(AXES[word], value * skeleton.radians) @ own
        turns[name] = turns[bone.parent] @ (bone.frame @ own @ bone.frame.T)
        reach = turns[name] @ (bone.reach * skeleton.mm)
        places[name] = places[bone.parent] + reach
    return places
