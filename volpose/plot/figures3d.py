"""3D figures that turn under the mouse, in a notebook, in the book and in an offline page."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from volpose.grid import Grid
from volpose.plot.scenes import metric_scene, new_figure, panel_label, voxel_scene
from volpose.plot.style import COLORS, as_array, bounds, check_joints, side_of, spoken
from volpose.plot.traces import (
    CAMERA_VIEW,
    OBLIQUE_VIEW,
    PX_HOVER,
    TURNED_VIEW,
    blob_trace,
    doubt_trace,
    image_trace,
    skeleton_traces,
    truth_trace,
)
from volpose.skeleton import Skeleton

VIEWS = {
    "camera": ("seen from the camera", CAMERA_VIEW),
    "turned": ("turned by 90 degrees", TURNED_VIEW),
}


def pose_figure(
    pose: Float[Tensor, "joints 3"],
    skeleton: Skeleton,
    alt: str,
    truth: Float[Tensor, "joints 3"] | None = None,
    views: tuple[str, ...] = ("camera", "turned"),
    height: int = 420,
    doubt: Float[Tensor, "joints 2 3"] | None = None,
    guessed: Bool[Tensor, " joints"] | None = None,
) -> go.Figure:
    """A pose as the camera sees it and, beside it, turned about the vertical.

    Args:
        pose: mm, camera frame, relative to the root or not. Joints that are NaN are left out.
        skeleton: the joints.
        alt: the figure in words.
        truth: the true pose in the same frame, drawn thin and grey.
        views: "camera", "turned" or both.
        height: px.
        doubt: both ends of a bar through each joint, in the same frame: where else it may be.
        guessed: which joints nobody has seen; limbs that end in one are thin.

    Returns:
        A figure with a scene for each view, equal aspect, orthographic.

    Raises:
        ValueError: an unknown view, a wrong number of joints, or no joint at all.

    Paper: Fig. 4.
    """
    _check_views(views)
    poses = {"pose": pose} | ({} if truth is None else {"truth": truth})
    poses |= {} if doubt is None else {"doubt": doubt[:, 0], "doubt's other end": doubt[:, 1]}
    for argument, points in poses.items():
        check_joints(argument, points, skeleton)
    center, half = bounds([as_array(points) for points in poses.values()])
    figure = new_figure(alt, height)
    for number, view in enumerate(views):
        scene = "scene" if number == 0 else f"scene{number + 1}"
        label, eye = VIEWS[view]
        left, right = number / len(views), (number + 1) / len(views)
        first = number == 0
        if truth is not None:
            figure.add_trace(truth_trace(truth, skeleton, scene, legend=first))
        if doubt is not None:
            figure.add_trace(doubt_trace(doubt, skeleton, scene))
        figure.add_traces(skeleton_traces(pose, skeleton, scene, legend=first, guessed=guessed))
        figure.layout[scene] = metric_scene(center, half, eye, (left, right))
        if len(views) > 1:
            figure.add_annotation(panel_label(label, (left + right) / 2))
    return figure


def volume_figure(
    volume: Float[Tensor, "depth height width"],
    grid: Grid,
    alt: str,
    levels: tuple[float, ...] = (0.2, 0.8),
    surfaces: int = 4,
    voxels: Float[Tensor, "joints 3"] | None = None,
    skeleton: Skeleton | None = None,
    image: Shaped[Tensor, "3 side side2"] | None = None,
    peak: float | None = None,
    height: int = 480,
) -> go.Figure:
    """One joint's volume: shells of equal likelihood inside the grid.

    Args:
        volume: likelihoods.
        grid: its grid.
        alt: the figure in words.
        levels: lowest and highest shell, in parts of the peak.
        surfaces: number of shells.
        voxels: all joints in this grid (`Grid.to_voxels`), to draw the person inside.
        skeleton: the joints of ``voxels``.
        image: the crop, for the far face of the grid.
        peak: the likelihood that is called 1; the volume's own peak if not given.
        height: px.

    Returns:
        A figure with one scene.

    Raises:
        ValueError: the volume is not of the grid's shape, or ``voxels`` come without skeleton.
    """
    _check_volume(volume, grid)
    figure = person_in_grid(grid, alt, height, voxels, skeleton, image)
    scale = {"showscale": True, "colorbar": likelihood_bar(1, "likelihood / peak")}
    figure.add_trace(blob_trace(volume, levels, surfaces, peak=peak, opacity=0.35, **scale))
    return figure


def volumes_figure(
    volumes: Float[Tensor, "joints depth height width"],
    grid: Grid,
    skeleton: Skeleton,
    alt: str,
    level: float = 0.5,
    voxels: Float[Tensor, "joints 3"] | None = None,
    image: Shaped[Tensor, "3 side side2"] | None = None,
    height: int = 480,
) -> go.Figure:
    """The volumes of all joints at once: one shell each, in the color of the joint's side.

    Args:
        volumes: likelihoods of each joint; a joint with a volume of zeros is left out.
        grid: their grid.
        skeleton: the joints.
        alt: the figure in words.
        level: the shell, in parts of the joint's own peak.
        voxels: the joints in this grid, to draw the person inside.
        image: the crop, for the far face of the grid.
        height: px.

    Returns:
        A figure with one scene.

    Raises:
        ValueError: the volumes are not of the grid's shape, or not one for each joint.
    """
    _check_volume(volumes, grid)
    if len(volumes) != skeleton.num_joints:
        raise ValueError(
            f"volumes must be one for each of {skeleton.num_joints} joints, got {len(volumes)}"
        )
    figure = person_in_grid(grid, alt, height, voxels, skeleton, image)
    for joint, volume in enumerate(volumes):
        if float(volume.max()) <= 0:
            continue
        trace = blob_trace(
            volume,
            (level, level),
            surfaces=1,
            max_voxels=4096,
            name=spoken(skeleton.joints[joint]),
            color=COLORS[side_of(skeleton, joint)],
            opacity=0.6,
        )
        figure.add_trace(trace.update(hovertemplate="%{fullData.name}<extra></extra>"))
    return figure


def slices_figure(
    volume: Float[Tensor, "depth height width"],
    grid: Grid,
    alt: str,
    max_slices: int = 32,
    peak: float | None = None,
    height: int = 480,
) -> go.Figure:
    """A volume slice by slice, with a slider through depth that starts at the peak.

    Args:
        volume: likelihoods.
        grid: its grid.
        alt: the figure in words.
        max_slices: a deeper volume shows every second, third ... slice, the peak's among them.
        peak: the likelihood at the bright end of the scale; 1, or the volume's own if higher.
        height: px.

    Returns:
        A figure with a frame for each slice.

    Raises:
        ValueError: the volume is not of the grid's shape.
    """
    _check_volume(volume, grid)
    values = as_array(volume).clip(min=0)
    top = max(1.0, float(values.max())) if peak is None else peak
    bytes_ = (values / top * 255).round().clip(0, 255).astype(np.uint8)
    at_peak = int(values.max(axis=(1, 2)).argmax())
    stride = -(-len(values) // max_slices)
    slices = list(range(at_peak % stride, len(values), stride))
    maps = {k: _slice_map(bytes_[k], grid, top) for k in slices}
    millimeters = {k: _slice_depth(volume, grid, k) for k in slices}
    figure = new_figure(alt, height, margin={"l": 55, "r": 20, "t": 34, "b": 45})
    figure.add_trace(maps[at_peak])
    figure.frames = [
        go.Frame(data=[go.Heatmap(z=bytes_[k])], name=str(k), traces=[0]) for k in slices
    ]
    axis = {"constrain": "domain", "ticks": "outside", "showgrid": False, "zeroline": False}
    figure.update_layout(
        xaxis=axis | {"title": "x (px)"},
        yaxis=axis | {"title": "y (px)", "autorange": "reversed", "scaleanchor": "x"},
        sliders=[_depth_slider(slices, millimeters, slices.index(at_peak))],
    )
    return figure


def _slice_map(values: np.ndarray, grid: Grid, top: float) -> go.Heatmap:
    size_x, size_y, _ = grid.voxel_size
    return go.Heatmap(
        z=values,
        x0=size_x / 2,
        dx=size_x,
        y0=size_y / 2,
        dy=size_y,
        zmin=0,
        zmax=255,
        colorscale="magma",
        colorbar=likelihood_bar(top, "likelihood"),
        hovertemplate="x %{x:.0f} px<br>y %{y:.0f} px<extra></extra>",
    )


def likelihood_bar(top: float, title: str) -> dict:
    """A color bar for values packed into 0 ... 255, where 255 is ``top``."""
    parts = [0, 0.25, 0.5, 0.75, 1]
    return {
        "title": {"text": title, "side": "right"},
        "tickvals": [255 * part for part in parts],
        "ticktext": [f"{part * top:.2g}" for part in parts],
        "thickness": 12,
        "len": 0.8,
        "outlinewidth": 0,
    }


def _slice_depth(volume: Tensor, grid: Grid, number: int) -> float:
    """Depth of the middle of a slice, mm from the root."""
    voxel = volume.new_tensor([0.0, 0.0, number])
    return float(grid.to_places(voxel)[2])


def _depth_slider(slices: list[int], millimeters: dict[int, float], active: int) -> dict:
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    still["transition"] = {"duration": 0}
    steps = [
        {"method": "animate", "label": f"{millimeters[k]:+.0f}", "args": [[str(k)], still]}
        for k in slices
    ]
    current = {"prefix": "slice at depth ", "suffix": " mm from the root", "font": {"size": 13}}
    return {"steps": steps, "active": active, "currentvalue": current, "pad": {"t": 45}}


def person_in_grid(
    grid: Grid,
    alt: str,
    height: int,
    voxels: Float[Tensor, "joints 3"] | None = None,
    skeleton: Skeleton | None = None,
    image: Shaped[Tensor, "3 side side2"] | None = None,
) -> go.Figure:
    """The grid without a volume, with the image and the person in it where they are given.

    Args:
        grid, alt, voxels, skeleton, image, height: as in `volume_figure`.
    """
    figure = new_figure(alt, height, scene=voxel_scene(grid, OBLIQUE_VIEW))
    if image is not None:
        figure.add_trace(image_trace(image, grid))
    if voxels is not None:
        if skeleton is None:
            raise ValueError("voxels need a skeleton, but skeleton is None")
        check_joints("voxels", voxels, skeleton)
        figure.add_traces(skeleton_traces(voxels, skeleton, hover=PX_HOVER, width=5, digits=2))
    return figure


def _check_volume(volume: Tensor, grid: Grid) -> None:
    if tuple(volume.shape[-3:]) != tuple(grid.shape):
        raise ValueError(
            f"volume must have the grid's shape (D, H, W) = {tuple(grid.shape)}, "
            f"but it is {tuple(volume.shape[-3:])}"
        )


def _check_views(views: tuple[str, ...]) -> None:
    unknown = [view for view in views if view not in VIEWS]
    if unknown or not views:
        raise ValueError(f"views must be among {tuple(VIEWS)}, got {tuple(views)}")
