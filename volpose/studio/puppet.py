"""From goals to a posed skeleton: two-bone inverse kinematics brings hands and feet to them."""

import math
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from volpose.studio.body import Body, turn

ANKLE_HEIGHT = 85.0  # mm of the ankle above the sole
HEEL_RISE = 120.0  # mm from the ankle to the ball of the foot: what a raised heel adds
# joints of a limb, after the side's name
ARM, LEG = ("Arm", "ForeArm", "Hand"), ("UpLeg", "Leg", "Foot")
ANCHORS = ("shoulder", "head", "pelvis")
Triple = tuple[float, float, float]


@dataclass
class SideGoals:
    """What one arm and one leg should do.

    Directions are (outward, backward, up): `outward` points away from the body on either side, so
    the same numbers serve left and right.
    """

    hand: Triple = (0.18, 0.02, -0.93)  # arm lengths from the anchor
    anchor: str = "shoulder"
    elbow: Triple = (0.5, 0.55, -0.7)  # direction in which the elbow points
    curl: float = 0.0  # degrees the hand bends toward the forearm's inside
    foot: Triple = (0.14, 0.0, 0.0)  # leg lengths from the point of the floor below the pelvis
    knee: Triple = (0.15, -1.0, 0.1)
    heading: float = 8.0  # degrees the toes point outward
    toe: float = 0.0  # degrees the heel is raised; negative raises the toes


@dataclass
class Goals:
    """A pose as a handful of goals, in leg and arm lengths so that they fit every actor."""

    height: float = 0.99  # hip joints above the ankles of a standing actor, leg lengths
    place: tuple[float, float] = (0.0, 0.0)  # point of the floor below the pelvis, meters
    yaw: float = 0.0  # degrees; 0 faces -y, counter-clockwise from above
    pitch: float = 0.0  # degrees the pelvis leans forward
    roll: float = 0.0
    twist: float = 0.0
    spine: Triple = (3.0, 0.0, 0.0)  # degrees of flexion, side bend, twist
    head: tuple[float, float] = (0.0, 0.0)  # degrees of nod and turn
    chair: bool = False
    left: SideGoals = field(default_factory=SideGoals)
    right: SideGoals = field(default_factory=SideGoals)

    def side(self, name: str) -> SideGoals:
        """The goals of the `left` or the `right` side."""
        return self.left if name == "left" else self.right


class _Stack:
    """Many records of one kind as tensors: `stack.height` is (N,), `stack.hand` is (N, 3)."""

    def __init__(self, records: list, device: str | torch.device) -> None:
        for each in fields(records[0]):
            values = [getattr(record, each.name) for record in records]
            if isinstance(values[0], SideGoals):
                setattr(self, each.name, _Stack(values, device))
                continue
            if each.name == "anchor":
                values = [[float(value == anchor) for anchor in ANCHORS] for value in values]
            setattr(self, each.name, torch.tensor(values, dtype=torch.float64, device=device))


def rotation_about(axis: str, degrees: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    """Rotation matrices about one axis of the frame they act in."""
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = {
        "x": (one, zero, zero, zero, cos, -sin, zero, sin, cos),
        "y": (cos, zero, sin, zero, one, zero, -sin, zero, cos),
        "z": (cos, -sin, zero, sin, cos, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def _axes(first: Tensor, second: Tensor) -> Tensor:
    """A right-handed frame: x along `first`, y normal to both, as columns."""
    x = normalize(first, dim=-1)
    y = normalize(torch.linalg.cross(x, second), dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def _hinge_axes(along: Tensor, before: Tensor) -> Tensor:
    """The frame of the bone after a hinge: x along it, y the hinge axis it shares with `before`."""
    x = normalize(along, dim=-1)
    y = normalize(torch.linalg.cross(normalize(before, dim=-1), x), dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def two_bone(
    start: Float[Tensor, "batch 3"],
    target: Float[Tensor, "batch 3"],
    pole: Float[Tensor, "batch 3"],
    upper: Float[Tensor, "batch 3"],
    lower: Float[Tensor, "batch 3"],
) -> tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3 3"]]:
    """Bend a two-bone limb so that its end reaches a target.

    The two lengths and the distance make a triangle; the pole says to which side its corner points.
    A target out of reach is pulled in along its own direction.

    Args:
        start: shoulder or hip in the world, mm.
        target: where the wrist or ankle should be, mm.
        pole: direction in which the elbow or knee should point.
        upper: the rest pose's bone from shoulder to elbow (hip to knee), mm.
        lower: the rest pose's bone from elbow to wrist (knee to ankle), mm.

    Returns:
        World rotations of the upper and the lower bone.
    """
    a = upper.norm(dim=-1, keepdim=True)
    b = lower.norm(dim=-1, keepdim=True)
    reach = target - start
    distance = reach.norm(dim=-1, keepdim=True)
    direction = reach / distance
    length = torch.minimum(torch.maximum(distance, (a - b).abs() + 0.25 * b), 0.998 * (a + b))
    along = (a * a + length * length - b * b) / (2 * length)  # law of cosines
    side = normalize(pole - (pole * direction).sum(-1, keepdim=True) * direction, dim=-1)
    corner = along * direction + (a * a - along * along).clamp(min=1e-4).sqrt() * side
    rest_upper, rest_lower = _axes(upper, lower), _hinge_axes(lower, upper)
    forearm = length * direction - corner
    turned_upper = _axes(corner, forearm) @ rest_upper.transpose(-1, -2)
    turned_lower = _hinge_axes(forearm, corner) @ rest_lower.transpose(-1, -2)
    return turned_upper, turned_lower


class Puppet:
    """Turns goals into world rotations of every bone of the rig, a whole batch at once."""

    def __init__(self, body: Body, device: str | torch.device = "cpu") -> None:
        """Hold the rig.

        Args:
            body: whose bones to turn.
            device: where to compute.
        """
        self.body, self.device = body, device

    def pose(
        self, goals: list[Goals], rest_joints: Float[Tensor, "batch bones 3"]
    ) -> tuple[Float[Tensor, "batch rotated 3 3"], Float[Tensor, "batch 3"]]:
        """Solve for the pose of each actor.

        Args:
            goals: one record per actor.
            rest_joints: the actors' rest joints, mm.

        Returns:
            World rotations of all bones and the pelvis' position, mm.
        """
        wanted = _Stack(goals, self.device)
        facing = rotation_about("z", wanted.yaw)
        figure = _Figure(rest_joints, facing, self._root(wanted, rest_joints), {})
        self._turn_trunk(wanted, figure)
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            limb = wanted.left if side == "Left" else wanted.right
            mirror = torch.tensor([sign, 1.0, 1.0], dtype=torch.float64, device=self.device)
            self._reach(side, limb, mirror, figure)
            self._step(side, limb, mirror, figure)
        turned = [figure.rotations[name] for name in self.body.bones]
        return torch.stack(turned, dim=1), figure.root

    def _bones(self, rest_joints: Tensor, side: str, limb: tuple) -> tuple[Tensor, Tensor]:
        """The two bones of a limb in the rest pose, mm: (N, 3) each."""
        rows = rest_joints[:, [self.body.index[side + bone] for bone in limb]]
        return rows[:, 1] - rows[:, 0], rows[:, 2] - rows[:, 1]

    def _root(self, wanted: _Stack, rest_joints: Tensor) -> Tensor:
        leg = _length(self._bones(rest_joints, "Left", LEG))[:, 0]
        hip_drop = rest_joints[:, 0, 2] - rest_joints[:, self.body.index["LeftUpLeg"], 2]
        height = wanted.height * leg + hip_drop + ANKLE_HEIGHT
        return torch.cat([wanted.place * 1000.0, height[:, None]], dim=-1)

    def _turn_trunk(self, wanted: _Stack, figure: "_Figure") -> None:
        """Pelvis, spine, neck and head; shoulder blades and hip bones follow stiffly."""
        facing, rotations = figure.facing, figure.rotations
        hips = facing @ rotation_about("x", wanted.pitch) @ rotation_about("y", wanted.roll)
        hips = hips @ rotation_about("z", wanted.twist)
        flex, bend, twist = wanted.spine.unbind(-1)
        rotations["Hips"] = rotations["LHipJoint"] = rotations["RHipJoint"] = hips
        for share, bone in ((0.3, "LowerBack"), (0.7, "Spine"), (1.0, "Spine1")):
            bent = rotation_about("z", share * twist) @ rotation_about("x", share * flex)
            rotations[bone] = hips @ bent @ rotation_about("y", share * bend)
        chest = rotations["LeftShoulder"] = rotations["RightShoulder"] = rotations["Spine1"]
        nod, look = wanted.head.unbind(-1)
        # the head keeps itself upright: it follows only a third of the trunk's lean
        level = facing @ rotation_about("x", 0.35 * (wanted.pitch + flex))
        level = level @ rotation_about("z", wanted.twist + twist)
        head = level @ rotation_about("z", look) @ rotation_about("x", nod)
        for share, bone in ((0.35, "Neck"), (0.6, "Neck1")):
            mixed = (1 - share) * chest + share * head
            rotations[bone] = _axes(mixed[..., 0], -mixed[..., 2])
        rotations["Head"] = head

    def _follow(self, bone: str, figure: "_Figure") -> Tensor:
        """Where a bone starts, given the rotations of the bones above it, mm."""
        place, child = figure.root, self.body.index[bone]
        while child > 0:
            parent = self.body.parents[child]
            offset = figure.rest_joints[:, child] - figure.rest_joints[:, parent]
            place = place + turn(figure.rotations[self.body.bones[parent]], offset)
            child = parent
        return place

    def _reach(self, side: str, limb: _Stack, mirror: Tensor, figure: "_Figure") -> None:
        """Turn one arm so that its hand meets its goal."""
        rotations = figure.rotations
        chest, head = rotations["Spine1"], rotations["Head"]
        bones = self._bones(figure.rest_joints, side, ARM)
        shoulder = self._follow(f"{side}Arm", figure)
        skull = torch.tensor([0.0, -20.0, 70.0], dtype=torch.float64, device=self.device)
        center = self._follow("Head", figure) + turn(head, skull)
        offset = limb.hand * mirror * _length(bones)
        options = (
            shoulder + turn(chest, offset),
            center + turn(head, offset),
            figure.root + turn(figure.facing, offset),
        )
        target = (torch.stack(options, dim=1) * limb.anchor[..., None]).sum(1)
        upper, lower = two_bone(shoulder, target, turn(chest, limb.elbow * mirror), *bones)
        hand = lower @ rotation_about("y", limb.curl * mirror[0])
        rotations[f"{side}Arm"], rotations[f"{side}ForeArm"] = upper, lower
        for bone in ("Hand", "FingerBase", "HandFinger1"):
            rotations[side + bone] = hand
        rotations[f"{side[0]}Thumb"] = hand

    def _step(self, side: str, limb: _Stack, mirror: Tensor, figure: "_Figure") -> None:
        """Turn one leg so that its foot meets its goal on the floor."""
        bones = self._bones(figure.rest_joints, side, LEG)
        target = turn(figure.facing, limb.foot * mirror * _length(bones))
        rise = ANKLE_HEIGHT + HEEL_RISE * (limb.toe.clamp(min=0) * (math.pi / 180)).sin()
        floor = torch.cat([figure.root[:, :2], rise[:, None]], dim=-1)
        heading = figure.facing @ rotation_about("z", limb.heading * mirror[0])
        pole = turn(heading, limb.knee * mirror)
        hip = self._follow(f"{side}UpLeg", figure)
        rotations = figure.rotations
        rotations[f"{side}UpLeg"], rotations[f"{side}Leg"] = two_bone(
            hip, floor + target, pole, *bones
        )
        rotations[f"{side}Foot"] = heading @ rotation_about("x", limb.toe)
        rotations[f"{side}ToeBase"] = heading @ rotation_about("x", 0.5 * limb.toe)


class _Figure(NamedTuple):
    """What is known of some actors while they are being posed."""

    rest_joints: Tensor
    facing: Tensor  # rotations about the vertical
    root: Tensor
    rotations: dict[str, Tensor]  # of the bones solved so far


def _length(bones: tuple[Tensor, Tensor]) -> Tensor:
    """Length of a limb, mm: (N, 1)."""
    return bones[0].norm(dim=-1, keepdim=True) + bones[1].norm(dim=-1, keepdim=True)
