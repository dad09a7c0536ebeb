"""The film's motion as CMU's motion capture is written: BVH, and ASF with AMC."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from tests.twins.film import film
from volpose.skeleton import H36M_17

UNIT = 25.4 / 0.45  # mm
Y_UP = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # z up to y up
WRIST, HAND = 0.6, 2.0  # the wrist bends within the bone behind the forearm, 2 units long
LIMIT = "           (-180.0 180.0)\n"
# bone, the bone it hangs from, and the joints where it begins and ends
CHAINS = [
    ("{s}hipjoint", "root", "pelvis", "{side}_hip"),
    ("{s}femur", "{s}hipjoint", "{side}_hip", "{side}_knee"),
    ("{s}tibia", "{s}femur", "{side}_knee", "{side}_ankle"),
    ("thorax", "root", "pelvis", "thorax"),
    ("head", "thorax", "thorax", "head_top"),
    ("{s}clavicle", "thorax", "thorax", "{side}_shoulder"),
    ("{s}humerus", "{s}clavicle", "{side}_shoulder", "{side}_elbow"),
    ("{s}radius", "{s}humerus", "{side}_elbow", "{side}_wrist"),
    ("{s}wrist", "{s}radius", "{side}_elbow", "{side}_wrist"),
]
BVH_NAMES = {"hipjoint": "UpLeg", "femur": "Leg", "tibia": "Foot", "clavicle": "Arm",
             "humerus": "ForeArm", "radius": "Hand", "wrist": "FingerBase"}  # fmt: skip


def world() -> np.ndarray:
    """(T, 17, 3) the film's poses, mm, z up."""
    return film()[0].world.numpy().astype(float)


def bones() -> list[tuple[str, str, np.ndarray]]:
    """Name, parent and vectors (T, 3) of every bone, in the files' unit, y up."""
    pose = world() @ Y_UP.T / UNIT
    joints = {name: pose[:, k] for k, name in enumerate(H36M_17.joints)}
    found = []
    for pattern, parent, start, end in CHAINS:
        sides = ("left", "right") if "{" in pattern else ("",)
        for side in sides:
            words = {"s": side[:1], "side": side}
            vector = joints[end.format(**words)] - joints[start.format(**words)]
            length = np.linalg.norm(vector, axis=1, keepdims=True)
            if pattern == "{s}radius":
                vector = vector * (1 - WRIST * HAND / length)
            elif pattern == "{s}wrist":
                vector = vector * (HAND / length)
            found.append((pattern.format(**words), parent.format(**words), vector))
    return found


def rest_direction(name: str) -> np.ndarray:
    """Standing with the arms out, facing z, left is x."""
    side = {"l": 1.0, "r": -1.0}.get(name[0], 0.0) if name not in ("thorax", "head") else 0.0
    if name[1:] in ("femur", "tibia"):
        return np.array([0.34 * side, -0.94, 0.0]) / np.hypot(0.34, 0.94)
    if name[1:] == "hipjoint":
        return np.array([0.6 * side, -0.8, 0.0])
    return np.array([side, 0.0, 0.0]) if side else np.array([0.0, 1.0, 0.0])


def turns(name: str, vectors: np.ndarray) -> np.ndarray:
    """(T, 3, 3) the shortest rotations from the rest direction to the bone's."""
    rest = rest_direction(name)
    found = []
    for vector in vectors:
        way = vector / np.linalg.norm(vector)
        axis = np.cross(rest, way)
        sine = np.linalg.norm(axis)
        angle = np.arctan2(sine, rest @ way)
        found.append(Rotation.from_rotvec(axis / max(sine, 1e-12) * angle).as_matrix())
    return np.stack(found)


def write_acclaim(folder: Path, cut: int | None = None) -> Path:
    """09.asf and 09_01.amc."""
    folder.mkdir(parents=True, exist_ok=True)
    parts, frame_angles = [], {}
    every = {"root": np.broadcast_to(np.eye(3), (len(world()), 3, 3))}
    for number, (name, parent, vectors) in enumerate(bones()):
        axis = np.array([10.0, -20.0, 30.0]) * (number % 3)
        frame = Rotation.from_euler("xyz", axis, degrees=True).as_matrix()
        every[name] = turns(name, vectors)
        local = np.swapaxes(every[parent], 1, 2) @ every[name]
        own = frame.T @ local @ frame
        frame_angles[name] = Rotation.from_matrix(own).as_euler("xyz", degrees=True)
        direction = " ".join(f"{v:.9f}" for v in rest_direction(name))
        length = np.linalg.norm(vectors, axis=1).mean()
        angles = " ".join(f"{v:g}" for v in axis)
        parts.append(
            f"  begin\n     id {number + 1}\n     name {name}\n     direction {direction}\n"
            f"     length {length:.9f}\n     axis {angles}  XYZ\n    dof rx ry rz\n"
            f"    limits (-180.0 180.0)\n{LIMIT}{LIMIT}  end\n"
        )
    tree = "".join(f"    {parent} {name}\n" for name, parent, _ in bones())
    (folder / "09.asf").write_text(
        "# AST/ASF file generated using VICON BodyLanguage\n:version 1.10\n:name VICON\n:units\n"
        "  mass 1.0\n  length 0.45\n  angle deg\n:documentation\n   a twin\n:root\n"
        "   order TX TY TZ RX RY RZ\n   axis XYZ\n   position 0 0 0\n   orientation 0 0 0\n"
        ":bonedata\n" + "".join(parts) + ":hierarchy\n  begin\n" + tree + "  end\n"
    )
    root = world()[:, 0] @ Y_UP.T / UNIT
    lines = ["#!OML:ASF twin", ":FULLY-SPECIFIED", ":DEGREES"]
    for k in range(len(root)):
        lines += [str(k + 1), "root " + " ".join(f"{v:.9f}" for v in root[k]) + " 0 0 0"]
        for name, values in frame_angles.items():
            lines.append(f"{name} " + " ".join(f"{v:.9f}" for v in values[k]))
    (folder / "09_01.amc").write_text("\n".join(lines) + "\n")
    return folder


def write_bvh(folder: Path) -> Path:
    """09_01.bvh: every bone has a joint of its own at its beginning, so that it can turn alone."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = bones()
    every = {"root": np.broadcast_to(np.eye(3), (len(world()), 3, 3))}
    children: dict[str, list[str]] = {}
    for name, parent, vectors in entries:
        every[name] = turns(name, vectors)
        children.setdefault(parent, []).append(name)
    parents = {name: parent for name, parent, _ in entries}
    lengths = {name: np.linalg.norm(v, axis=1).mean() for name, _, v in entries}
    columns = [world()[:, 0] @ Y_UP.T / UNIT, np.zeros((len(world()), 3))]
    lines = ["HIERARCHY", "ROOT Hips", "{", "OFFSET 0.0 0.0 0.0",
             "CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation"]  # fmt: skip

    def put(name: str) -> None:
        local = np.swapaxes(every[parents[name]], 1, 2) @ every[name]
        columns.append(Rotation.from_matrix(local).as_euler("ZYX", degrees=True))
        columns.append(np.zeros((len(local), 3)))
        offset = " ".join(f"{v:.9f}" for v in rest_direction(name) * lengths[name])
        lines.extend([f"JOINT Turn{name}", "{", "OFFSET 0 0 0",
                      "CHANNELS 3 Zrotation Yrotation Xrotation"])  # fmt: skip
        lines.extend([f"JOINT {bvh_name(name)}", "{", f"OFFSET {offset}",
                      "CHANNELS 3 Zrotation Yrotation Xrotation"])  # fmt: skip
        if name == "thorax":
            lines.extend(["JOINT Neck1", "{", "OFFSET 0 0 0", "CHANNELS 0", "}"])
        for child in children.get(name, []):
            put(child)
        if name not in children:
            lines.extend(["End Site", "{", "OFFSET 0.0 0.0 0.0", "}"])
        lines.extend(["}", "}"])

    for name in children["root"]:
        put(name)
    lines += ["}", "MOTION", f"Frames: {len(world())}", "Frame Time: 0.00833333"]
    rows = np.concatenate(columns, axis=1)
    lines += [" ".join(f"{value:.9f}" for value in row) for row in rows]
    (folder / "09_01.bvh").write_text("\n".join(lines) + "\n")
    return folder


def bvh_name(name: str) -> str:
    """What the usual conversion calls the bone that begins where this one ends."""
    if name in ("thorax", "head"):
        return {"thorax": "Neck", "head": "Head"}[name]
    return {"l": "Left", "r": "Right"}[name[0]] + BVH_NAMES[name[1:]]
