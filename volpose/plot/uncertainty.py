"""A pose in space with an ellipsoid around each joint: where else it may be."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from volpose.plot.figures3d import pose_figure
from volpose.plot.scenes import metric_scene
from volpose.plot.style import COLORS, as_array, bounds, side_of, spoken
from volpose.plot.traces import to_scene
from volpose.skeleton import Skeleton

ROUND, RINGS = 14, 7  # corners of a ring of an ellipsoid, and rings between its poles


def uncertainty_figure(
    pose: Float[Tensor, "joints 3"],
    covariances: Float[Tensor, "count 3 3"],
    skeleton: Skeleton,
    alt: str,
    truth: Float[Tensor, "joints 3"] | None = None,
    deviations: float = 2.0,
    views: tuple[str, ...] = ("camera", "turned"),
    height: int = 420,
) -> go.Figure:
    """A pose with an ellipsoid around each joint, in the color of the joint's side.

    Args:
        pose: mm, camera frame, relative to the root or not.
        covariances: of the joints, mm^2, camera frame, as `volpose.refine.metric_spread` gives
            them. A joint without a finite one has no ellipsoid.
        skeleton: the joints.
        alt: the figure in words.
        truth: the true pose in the same frame, drawn thin and grey.
        deviations: half an axis of an ellipsoid, in standard deviations.
        views, height: as in `volpose.plot.figures3d.pose_figure`.

    Returns:
        A figure with a scene for each view; all of each ellipsoid is inside.

    Raises:
        ValueError: as `pose_figure`, or there is not one covariance for each joint.
    """
    if len(covariances) != skeleton.num_joints:
        raise ValueError(
            f"covariances must be one for each of {skeleton.num_joints} joints, "
            f"but there are {len(covariances)}"
        )
    figure = pose_figure(pose, skeleton, alt, truth, views, height)
    shells = ellipsoids(as_array(pose), as_array(covariances), deviations)
    poses = [as_array(points) for points in (pose, truth) if points is not None]
    center, half = bounds([*poses, *shells.values()])
    for number in range(len(views)):
        scene = "scene" if number == 0 else f"scene{number + 1}"
        drawn = figure.layout[scene]
        eye = drawn.camera.eye.to_plotly_json()
        figure.layout[scene] = metric_scene(center, half, eye, drawn.domain.x)
        for joint, shell in shells.items():
            longest = (
                deviations * float(np.linalg.eigvalsh(as_array(covariances[joint]))[-1]) ** 0.5
            )
            label = f"{spoken(skeleton.joints[joint])}: up to {longest:.0f} mm away"
            color = COLORS[side_of(skeleton, joint)]
            figure.add_trace(_shell_trace(shell, label, color, scene))
    return figure


def ellipsoids(
    points: np.ndarray, covariances: np.ndarray, deviations: float
) -> dict[int, np.ndarray]:
    """Joint -> corners (N, 3) of its ellipsoid: two poles, and rings between them."""
    known = np.isfinite(points).all(-1) & np.isfinite(covariances).all((-2, -1))
    tilt = np.pi * np.arange(1, RINGS + 1) / (RINGS + 1)
    turn = 2 * np.pi * np.arange(ROUND) / ROUND
    tilt, turn = (angle.ravel() for angle in np.meshgrid(tilt, turn, indexing="ij"))
    rings = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], -1)
    sphere = np.concatenate([[[0.0, 0.0, 1.0]], rings, [[0.0, 0.0, -1.0]]])
    found = {}
    for joint in np.flatnonzero(known):
        variance, axes = np.linalg.eigh(covariances[joint])
        # longest axis through the poles, where the corners lie closest
        reach = deviations * np.sqrt(variance.clip(min=0))
        found[int(joint)] = points[joint] + (sphere * reach) @ axes.T
    return found


def _faces() -> np.ndarray:
    """Triangles (N, 3) between the corners of `ellipsoids`."""
    first = 1 + np.arange(ROUND)
    following = 1 + (np.arange(ROUND) + 1) % ROUND
    last = 1 + ROUND * RINGS
    faces = [np.stack([np.zeros_like(first), first, following], -1)]
    for ring in range(RINGS - 1):
        a, b = first + ring * ROUND, following + ring * ROUND
        faces += [np.stack([a, a + ROUND, b], -1), np.stack([b, a + ROUND, b + ROUND], -1)]
    low = (RINGS - 1) * ROUND
    faces.append(np.stack([first + low, np.full_like(first, last), following + low], -1))
    return np.concatenate(faces).astype(np.uint8)


def _shell_trace(shell: np.ndarray, label: str, color: str, scene: str) -> go.Mesh3d:
    i, j, k = _faces().T
    return go.Mesh3d(
        **{axis: values.astype(np.float32) for axis, values in to_scene(shell).items()},
        i=np.ascontiguousarray(i),
        j=np.ascontiguousarray(j),
        k=np.ascontiguousarray(k),
        color=color,
        opacity=0.3,
        name=label,
        scene=scene,
        hovertemplate=label + "<extra></extra>",
        showlegend=False,
        lighting={"ambient": 0.8, "diffuse": 0.3, "specular": 0.05},
    )
