"""The actor's body: blend shapes for its build, linear blend skinning for its pose."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

BODY_FILE = Path(__file__).with_name("body.npz")
MM_PER_METER = 1000.0

# The rig's bone whose head is each joint of H36M_17, chosen so that limb lengths come near that
# data set's. "HeadTip" is the end of the head; `h36m_joints` then moves thorax and nose.
BONE_OF_JOINT = {
    "pelvis": "Hips",
    "right_hip": "RightUpLeg",
    "right_knee": "RightLeg",
    "right_ankle": "RightFoot",
    "left_hip": "LeftUpLeg",
    "left_knee": "LeftLeg",
    "left_ankle": "LeftFoot",
    "spine": "Spine",
    "thorax": "LeftShoulder",
    "nose": "Head",
    "head_top": "HeadTip",
    "left_shoulder": "LeftArm",
    "left_elbow": "LeftForeArm",
    "left_wrist": "LeftHand",
    "right_shoulder": "RightArm",
    "right_elbow": "RightForeArm",
    "right_wrist": "RightHand",
}


class Body:
    """A small adult shape space on a 31-bone rig; see tools/bake_body.py for where it comes from.

    Geometry is computed in float64: a sample must not depend on how many others share its batch,
    and the last bit of a float32 product does.
    """

    def __init__(self, path: Path = BODY_FILE, device: str | torch.device = "cpu") -> None:
        """Load the baked body.

        Args:
            path: the npz written by tools/bake_body.py.
            device: where its tensors live.
        """
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        self.bones = [str(name) for name in arrays["names"]]
        self.parents = [int(parent) for parent in arrays["parents"]]
        self.num_vertices = int(arrays["num_vertices"])
        self.provenance = str(arrays["provenance"])
        self.faces = torch.from_numpy(arrays["faces"]).long().to(device)
        # along the arm, along the leg, belongs to the head: where clothes may end
        self.fields = torch.from_numpy(arrays["fields"]).float().to(device)
        self._mean = torch.from_numpy(arrays["mean"]).double().to(device) * MM_PER_METER
        self._basis = torch.from_numpy(arrays["basis"]).double().to(device) * MM_PER_METER
        weights = torch.from_numpy(arrays["weights"]).double().to(device)
        self._weights = weights / weights.sum(1, keepdim=True)  # float16 rows do not sum to 1
        self.index = {name: number for number, name in enumerate(self.bones)}
        self.index["HeadTip"] = len(self.bones)
        self.joint_rows = [self.index[bone] for bone in BONE_OF_JOINT.values()]
        # the nose from the head's joint, mm in the head's frame: forward (-y) and a little up
        self.nose_offset = torch.tensor([0.0, -90.0, 30.0], dtype=torch.float64, device=device)

    @property
    def num_coefficients(self) -> int:
        """How many numbers describe a build."""
        return len(self._basis)

    @property
    def mean_vertices(self) -> Float[Tensor, "vertices 3"]:
        """Rest vertices of the mean body, mm from its pelvis."""
        return (self._mean[: self.num_vertices] - self._mean[self.num_vertices]).float()

    @property
    def mean_head(self) -> tuple[float, float]:
        """y and z of the head's joint of the mean body, mm from its pelvis."""
        head = self._mean[self.num_vertices + self.index["Head"]] - self._mean[self.num_vertices]
        return float(head[1]), float(head[2])

    def build(
        self, coefficients: Float[Tensor, "batch k"]
    ) -> tuple[Float[Tensor, "batch vertices 3"], Float[Tensor, "batch bones 3"]]:
        """The rest shape of some builds.

        Args:
            coefficients: shape coefficients; each varies by about 1 over adults.

        Returns:
            Rest vertices and rest joints (one per bone, then the tip of the head), mm, float64.
        """
        points = self._mean + torch.einsum("nk,kpd->npd", coefficients.double(), self._basis)
        return points[:, : self.num_vertices], points[:, self.num_vertices :]

    def place_joints(
        self,
        rest_joints: Float[Tensor, "batch bones 3"],
        rotations: Float[Tensor, "batch rotated 3 3"],
        root: Float[Tensor, "batch 3"],
    ) -> Float[Tensor, "batch bones 3"]:
        """Forward kinematics: joints in the world from every bone's world rotation, mm."""
        places = [root]
        parents = [*self.parents, self.index["Head"]]
        for bone, parent in list(enumerate(parents))[1:]:
            offset = rest_joints[:, bone] - rest_joints[:, parent]
            places.append(places[parent] + turn(rotations[:, parent], offset))
        return torch.stack(places, dim=1)

    def skin(
        self,
        rest_vertices: Float[Tensor, "batch vertices 3"],
        rest_joints: Float[Tensor, "batch bones 3"],
        rotations: Float[Tensor, "batch rotated 3 3"],
        places: Float[Tensor, "batch bones 3"],
    ) -> Float[Tensor, "batch vertices 3"]:
        """Linear blend skinning: every vertex follows the weighted motion of its bones, mm."""
        heads = rest_joints[:, : len(self.bones)]
        shifts = places[:, : len(self.bones)] - turn(rotations, heads)
        motions = torch.cat([rotations, shifts[..., None]], dim=-1)  # B bones 3 4
        blended = self._weights @ motions.flatten(2)  # B V 12
        blended = blended.unflatten(2, (3, 4))
        return turn(blended[..., :3], rest_vertices) + blended[..., 3]

    def h36m_joints(
        self,
        places: Float[Tensor, "batch bones 3"],
        rotations: Float[Tensor, "batch rotated 3 3"],
    ) -> Float[Tensor, "batch 17 3"]:
        """The 17 Human3.6M joints from the rig's, mm.

        The thorax lies between the inner ends of the collar bones, the nose is fixed to the head.
        """
        joints = places[:, self.joint_rows].clone()
        thorax, nose = (list(BONE_OF_JOINT).index(name) for name in ("thorax", "nose"))
        collars = places[:, [self.index["LeftShoulder"], self.index["RightShoulder"]]]
        joints[:, thorax] = collars.mean(1)
        head = self.index["Head"]
        joints[:, nose] = places[:, head] + turn(rotations[:, head], self.nose_offset)
        return joints


def turn(
    rotation: Float[Tensor, "*batch 3 3"], vector: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Apply rotation matrices to vectors, whatever the leading dimensions."""
    return (rotation * vector[..., None, :]).sum(-1)
