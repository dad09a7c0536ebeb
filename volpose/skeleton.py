"""Skeletons: the names of the joints, the tree that connects them, and what a mirror swaps.

Every data set lists the joints of the body in an order of its own. Mixing two orders up costs a
leg, silently, so an order here is always a `Skeleton`, and joints change order by name only.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ROOT = -1  # the parent of the root: none

# Arms and legs hang together alike in every set; the trunk is where sets differ.
LIMB_PARENTS = {"ankle": "knee", "knee": "hip", "wrist": "elbow", "elbow": "shoulder"}


@dataclass(frozen=True)
class Skeleton:
    """A set of named joints in a fixed order, connected as a tree.

    Args:
        name: the key in `SKELETONS`.
        joints: J names, in the order of the rows of a pose.
        parents: for each joint the index of its parent; -1 for the root.
        mirror_pairs: (left, right) joint indices that a mirror swaps.

    Raises:
        ValueError: names repeat, the parents are not a tree with one root, or the pairs overlap.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    mirror_pairs: tuple[tuple[int, int], ...]

    def __post_init__(self):
        self._check_joints()
        self._check_tree()
        self._check_pairs()

    @classmethod
    def from_parts(cls, name: str, joints: str, parents: Mapping[str, str]) -> "Skeleton":
        """Build a skeleton from joint names; left_ and right_ in a name make a mirror pair.

        Args:
            name: the key in `SKELETONS`.
            joints: the names in order, separated by spaces.
            parents: the parent of each body part but the root and those in `LIMB_PARENTS`.
                A part without a side ("hip") stands for both, each with its parent on its side.
        """
        order = joints.split()

        def parent_index(joint: str) -> int:
            side, part = re.fullmatch("(left_|right_)?(.+)", joint).groups(default="")
            parent = {**LIMB_PARENTS, **parents}.get(part)
            if parent is None:
                return ROOT
            return order.index(parent if parent in order else side + parent)

        pairs = tuple(
            (order.index(joint), order.index(joint.replace("left_", "right_")))
            for joint in order
            if joint.startswith("left_")
        )
        return cls(name, tuple(order), tuple(map(parent_index, order)), pairs)

    @property
    def num_joints(self) -> int:
        """J, the number of joints."""
        return len(self.joints)

    @property
    def root(self) -> int:
        """The index of the joint without a parent."""
        return self.parents.index(ROOT)

    @cached_property
    def limbs(self) -> tuple[tuple[int, int], ...]:
        """(parent, joint) for every joint but the root, in joint order."""
        return tuple((p, joint) for joint, p in enumerate(self.parents) if p != ROOT)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its twin on the other side; its own on the midline."""
        twins = list(range(self.num_joints))
        for left, right in self.mirror_pairs:
            twins[left], twins[right] = right, left
        return tuple(twins)

    def index(self, name: str) -> int:
        """Return the index of the joint with this name.

        Raises:
            ValueError: the skeleton has no such joint.
        """
        if name not in self.joints:
            raise ValueError(
                f"joint must be one of {', '.join(self.joints)} (skeleton {self.name}), "
                f"but it is {name!r}"
            )
        return self.joints.index(name)

    def is_left(self, joint: int) -> bool:
        """Whether the joint with this index is on the person's left."""
        return any(joint == left for left, _ in self.mirror_pairs)

    def is_right(self, joint: int) -> bool:
        """Whether the joint with this index is on the person's right."""
        return any(joint == right for _, right in self.mirror_pairs)

    def _check_joints(self) -> None:
        repeated = sorted({joint for joint in self.joints if self.joints.count(joint) > 1})
        if repeated:
            raise ValueError(f"skeleton {self.name}: joint name {repeated[0]!r} is used twice")

    def _check_tree(self) -> None:
        if len(self.parents) != self.num_joints:
            raise ValueError(
                f"skeleton {self.name}: parents must have one entry for each of the "
                f"{self.num_joints} joints, but it has {len(self.parents)}"
            )
        roots = self.parents.count(ROOT)
        if roots != 1:
            raise ValueError(f"skeleton {self.name}: one parent must be -1, but {roots} are")
        for joint, parent in enumerate(self.parents):
            if not ROOT <= parent < self.num_joints:
                raise ValueError(
                    f"skeleton {self.name}: the parent of {self.joints[joint]} must be a joint "
                    f"index or -1, but it is {parent}"
                )
        for joint in range(self.num_joints):
            self._check_reaches_root(joint)

    def _check_reaches_root(self, joint: int) -> None:
        ancestor = joint
        for _ in self.joints:
            ancestor = self.parents[ancestor]
            if ancestor == ROOT:
                return
        raise ValueError(
            f"skeleton {self.name}: parents must be a tree, but {self.joints[joint]} is its own "
            "ancestor or hangs from a joint that is"
        )

    def _check_pairs(self) -> None:
        paired = [joint for pair in self.mirror_pairs for joint in pair]
        for joint in paired:
            if not 0 <= joint < self.num_joints:
                raise ValueError(
                    f"skeleton {self.name}: mirror_pairs must hold joint indices below "
                    f"{self.num_joints}, but one is {joint}"
                )
            if paired.count(joint) > 1:
                raise ValueError(
                    f"skeleton {self.name}: {self.joints[joint]} is in mirror_pairs twice"
                )


def check_limbs(limbs: Sequence[tuple[int, int]], num_joints: int) -> None:
    """Refuse limbs that a pose of so many joints does not have.

    Raises:
        ValueError: there are none, or one names a joint that is not there.
    """
    if not limbs:
        raise ValueError("limbs must name at least one pair of joints, but is empty")
    for limb in limbs:
        if not all(0 <= joint < num_joints for joint in limb):
            raise ValueError(f"limbs must name joints below {num_joints}, but one is {limb}")


def mirror_joints(
    positions: Float[Tensor, "*batch J C"], skeleton: Skeleton
) -> Float[Tensor, "*batch J C"]:
    """Swap the rows of left and right joints, as looking into a mirror does.

    Only rows move. Flip the coordinates where their frame is known: x in the camera frame
    becomes -x, x in a crop becomes crop size - x.

    Args:
        positions: (..., J, C) in any frame and unit.
        skeleton: the joints in the rows.

    Returns:
        (..., J, C); mirrored twice, the positions are the same again.

    Raises:
        ValueError: the positions do not have the skeleton's number of joints.
    """
    _check_rows(positions, skeleton)
    return positions[..., list(skeleton.mirror), :]


# A joint that a set lacks is the mean of joints it has. These stand-ins are customary, not exact:
# the hips' midpoint lies some centimeters from a marker-based pelvis, for example.
DERIVED = {
    "pelvis": ("left_hip", "right_hip"),
    "thorax": ("left_shoulder", "right_shoulder"),
    "spine": ("pelvis", "thorax"),
}


def convert_joints(
    positions: Float[Tensor, "*batch J C"], source: Skeleton, target: Skeleton
) -> tuple[Float[Tensor, "*batch K C"], Bool[Tensor, " K"]]:
    """Reorder joints from one skeleton to another, by name.

    A joint with the same name is copied. A pelvis that is missing is the mean of the hips, a
    thorax the mean of the shoulders, a spine the mean of pelvis and thorax. Any other is unknown.

    Args:
        positions: (..., J, C) in any frame and unit, in the order of `source`.
        source: the skeleton of the rows that come in.
        target: the skeleton of the rows that go out.

    Returns:
        (..., K, C) in the order of `target`, NaN where unknown; and (K,), False where unknown.

    Raises:
        ValueError: the positions do not have the source's number of joints.
    """
    _check_rows(positions, source)
    rows = [_joint_by_name(positions, source, name) for name in target.joints]
    known = torch.tensor([row is not None for row in rows], device=positions.device)
    unknown = torch.full_like(positions[..., 0, :], torch.nan)
    return torch.stack([unknown if row is None else row for row in rows], dim=-2), known


def _joint_by_name(positions: Tensor, source: Skeleton, name: str) -> Tensor | None:
    if name in source.joints:
        return positions[..., source.index(name), :]
    parts = [_joint_by_name(positions, source, part) for part in DERIVED.get(name, ())]
    if not parts or any(part is None for part in parts):
        return None
    return torch.stack(parts).mean(dim=0)


def _check_rows(positions: Tensor, skeleton: Skeleton) -> None:
    if positions.shape[-2] != skeleton.num_joints:
        raise ValueError(
            f"positions must have {skeleton.num_joints} joints (skeleton {skeleton.name}) in the "
            f"dimension before the last, but its shape is {tuple(positions.shape)}"
        )


# Human3.6M's own 17 joints, right leg first; the released code of the paper has the left leg first.
# "nose" lies between neck and nose; the released code calls it jaw.
H36M_17 = Skeleton.from_parts(
    "h36m17",
    "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle "
    "spine thorax nose head_top "
    "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    {
        "hip": "pelvis",
        "spine": "pelvis",
        "thorax": "spine",
        "nose": "thorax",
        "head_top": "nose",
        "shoulder": "thorax",
    },
)

# MPII Human Pose. Its thorax is the base of the neck, its neck the "upper neck" below the chin.
MPII_16 = Skeleton.from_parts(
    "mpii16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle "
    "pelvis thorax neck head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    {
        "hip": "pelvis",
        "thorax": "pelvis",
        "neck": "thorax",
        "head_top": "neck",
        "shoulder": "thorax",
    },
)

# HumanEva's 15 joints in the order of the common conversion tools; their head is its top.
HUMANEVA_15 = Skeleton.from_parts(
    "humaneva15",
    "pelvis thorax "
    "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist "
    "left_hip left_knee left_ankle right_hip right_knee right_ankle head_top",
    {"hip": "pelvis", "thorax": "pelvis", "shoulder": "thorax", "head_top": "thorax"},
)

# KTH Multiview Football II. It has no pelvis, so the tree is rooted at the neck and each hip hangs
# from the shoulder of its side. The paper evaluates from the center of the chest, not a joint.
KTH_14 = Skeleton.from_parts(
    "kth14",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist "
    "neck head_top",
    {"shoulder": "neck", "hip": "shoulder", "head_top": "neck"},
)

# COCO has neither pelvis nor neck: the tree is rooted at the nose, hips hang from the shoulders.
COCO_17 = Skeleton.from_parts(
    "coco17",
    "nose left_eye right_eye left_ear right_ear "
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_hip right_hip left_knee right_knee left_ankle right_ankle",
    {"eye": "nose", "ear": "eye", "shoulder": "nose", "hip": "shoulder"},
)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton for skeleton in (H36M_17, MPII_16, HUMANEVA_15, KTH_14, COCO_17)
}
