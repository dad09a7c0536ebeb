"""The volumes of a stack in space, with a slider from stage to stage."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from jaxtyping import Float, Shaped
from torch import Tensor

from volpose.grid import Grid
from volpose.plot.figures3d import person_in_grid
from volpose.plot.style import COLORS, side_of, spoken
from volpose.plot.traces import blob_trace
from volpose.skeleton import Skeleton


def stages_figure(
    stages: Sequence[Float[Tensor, "joints _ height width"]],
    grid: Grid,
    skeleton: Skeleton,
    joints: Sequence[str],
    alt: str,
    level: float = 0.5,
    voxels: Float[Tensor, "joints 3"] | None = None,
    image: Shaped[Tensor, "3 side side2"] | None = None,
    height: int = 500,
) -> go.Figure:
    """Some joints' volumes, one shell each, with a slider that moves through the stack.

    Args:
        stages: the volumes (J, d, H, W) of each stage; d divides the grid's D.
        grid: the finest grid.
        skeleton: the joints of the volumes.
        joints: names of those that are shown.
        alt: the figure in words.
        level: the shell, in parts of the volume's own peak.
        voxels: all joints in the finest grid, to draw the person inside.
        image: the crop, for the far face of the grid.
        height: px.

    Returns:
        A figure with a frame for each stage; it starts at the first.

    Raises:
        ValueError: there is no stage, or a volume does not fit the grid.

    Paper: Sec. 3.2, Fig. 2.
    """
    if not stages:
        raise ValueError("stages must hold one volume for each hourglass, got none")
    shells = [_shells(volume, grid, skeleton, joints, level) for volume in stages]
    figure = person_in_grid(grid, alt, height, voxels, skeleton, image)
    first = len(figure.data)
    figure.add_traces(shells[0])
    places = list(range(first, first + len(joints)))
    names = [f"{n}: d = {volume.shape[1]}" for n, volume in enumerate(stages, start=1)]
    figure.frames = [
        go.Frame(data=data, name=name, traces=places)
        for name, data in zip(names, shells, strict=True)
    ]
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    steps = [{"method": "animate", "label": name, "args": [[name], still]} for name in names]
    slider = {"steps": steps, "currentvalue": {"prefix": "stage "}, "pad": {"t": 20, "b": 12}}
    figure.update_layout(sliders=[slider])
    return figure


def _shells(
    volumes: Tensor, grid: Grid, skeleton: Skeleton, joints: Sequence[str], level: float
) -> list[go.Isosurface]:
    """A shell for each joint; a coarse slice is as thick as the fine ones that it stands for."""
    depth = volumes.shape[1]
    if tuple(volumes.shape[1:]) != grid.coarsened(depth).shape:
        raise ValueError(f"volume must fit the grid {grid.shape}, got {tuple(volumes.shape[1:])}")
    traces = []
    for name in joints:
        joint = skeleton.index(name)
        fine = volumes[joint].repeat_interleave(grid.shape[0] // depth, 0)
        trace = blob_trace(
            fine,
            (level, level),
            surfaces=1,
            max_voxels=4096,
            name=spoken(name),
            color=COLORS[side_of(skeleton, joint)],
            opacity=0.5,
        )
        traces.append(trace.update(hovertemplate="%{fullData.name}<extra></extra>"))
    return traces
