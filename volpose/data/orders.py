"""Joint orders that only files know; the readers bring them to the package's skeletons by name."""

from __future__ import annotations

import numpy as np

from volpose.skeleton import H36M_17

# The paper's authors list Human3.6M's 17 joints with the left leg first.
H36M_17_AUTHORS = """
    pelvis left_hip left_knee left_ankle right_hip right_knee right_ankle spine thorax nose head_top
    left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist
""".split()  # noqa: SIM905

# Human3.6M's own 32 points. A dash is a copy of another joint, or a point without a name.
H36M_32 = """
    pelvis right_hip right_knee right_ankle right_foot right_toe
    left_hip left_knee left_ankle left_foot left_toe
    - spine thorax nose head_top - left_shoulder left_elbow left_wrist - left_thumb - left_hand
    - right_shoulder right_elbow right_wrist - right_thumb - right_hand
""".split()  # noqa: SIM905


def from_authors(values: np.ndarray) -> np.ndarray:
    """Joints (n, 17, c) in the authors' order, in the order of `H36M_17`."""
    return values[:, [H36M_17_AUTHORS.index(joint) for joint in H36M_17.joints]]


def to_authors(values: np.ndarray) -> np.ndarray:
    """Joints (n, 17, ...) in the order of `H36M_17`, in the authors' order."""
    return values[:, [H36M_17.index(joint) for joint in H36M_17_AUTHORS]]


def from_32(values: np.ndarray) -> np.ndarray:
    """Human3.6M's 32 points (n, 32, c) as the joints of `H36M_17`."""
    return values[:, [H36M_32.index(joint) for joint in H36M_17.joints]]
