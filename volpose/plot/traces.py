"""The parts of the 3D figures: skeletons, blobs, the image in space, and the scenes around them.

Points of ours are (x right, y down, z forward), in mm or in voxels. Plotly's third axis points up,
so it gets (x, z, y) with the third axis reversed: nothing is mirrored, and the person stands.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from volpose.crop import Box, crop_person
from volpose.grid import Grid
from volpose.plot.style import (
    COLORS,
    DASHES,
    HIGHLIGHT_COLOR,
    SIDES,
    THIN,
    TRUTH_COLOR,
    as_array,
    as_pixels,
    is_guess,
    limbs_of_side,
    side_of,
    spoken,
)
from volpose.skeleton import Skeleton

# Where the viewer stands, in units of the scene. The camera's own view looks along z. A little
# to the side decides on which side plotly writes the axes: below and to the left.
CAMERA_VIEW = {"x": 0.015, "y": -1.5, "z": 0.015}
TURNED_VIEW = {"x": 1.5, "y": 0.015, "z": 0.015}
OBLIQUE_VIEW = {"x": 0.9, "y": -1.6, "z": 0.55}

PX_HOVER = "x %{x:.1f}<br>y %{z:.1f}<br>z %{y:.1f}"
MM_HOVER = "x %{x:.0f} mm<br>y %{z:.0f} mm<br>z %{y:.0f} mm"


def to_scene(points: np.ndarray) -> dict[str, np.ndarray]:
    """Points (N, 3) as the coordinates of a plotly trace."""
    x, y, z = np.moveaxis(points, -1, 0)
    return {"x": x, "y": z, "z": y}


def _rounded(coordinates: dict[str, np.ndarray], digits: int) -> dict[str, list]:
    """As lists with None for NaN: plotly leaves a gap there."""
    return {
        axis: [round(float(v), digits) if np.isfinite(v) else None for v in values]
        for axis, values in coordinates.items()
    }


def skeleton_traces(
    points: Float[Tensor, "joints 3"],
    skeleton: Skeleton,
    scene: str = "scene",
    hover: str = MM_HOVER,
    width: float = 7,
    legend: bool = False,
    digits: int = 1,
    guessed: Bool[Tensor, " joints"] | None = None,
) -> list[go.Scatter3d]:
    """A line for each side and dots for the joints; joints that are NaN are left out.

    With ``guessed`` a thin line for each side as well, of limbs of which an end was guessed.
    """
    at = as_array(points)
    thick = {"width": width, "scene": scene, "digits": digits, "legend": legend}
    thin = thick | {"width": THIN * width, "legend": False}
    traces = []
    for side in SIDES:
        limbs = limbs_of_side(at, skeleton, side)
        seen = [limb for limb in limbs if not is_guess(guessed, limb)]
        if limbs:
            traces.append(_limb_trace(at, seen, side, **thick))
        if limbs and guessed is not None:
            others = [limb for limb in limbs if limb not in seen]
            traces.append(_limb_trace(at, others, side, **thin))
    known = [j for j in range(skeleton.num_joints) if np.isfinite(at[j]).all()]
    dots = go.Scatter3d(
        **_rounded(to_scene(at[known]), digits),
        mode="markers",
        name="joints",
        scene=scene,
        marker={"size": width / 2 + 0.5, "color": [COLORS[side_of(skeleton, j)] for j in known]},
        text=[spoken(skeleton.joints[j]) for j in known],
        hovertemplate="%{text}<br>" + hover + "<extra></extra>",
        showlegend=False,
    )
    return [*traces, dots]


def _limb_trace(at, limbs, side, scene, width, legend, digits) -> go.Scatter3d:
    line = {"color": COLORS[side], "width": width, "dash": DASHES[side]}
    return go.Scatter3d(
        **_rounded(to_scene(_paths(at, limbs)), digits),
        mode="lines",
        name=side,
        scene=scene,
        line=line,
        hoverinfo="skip",
        legendgroup=side,
        showlegend=legend,
    )


def truth_trace(
    points: Float[Tensor, "joints 3"], skeleton: Skeleton, scene: str, legend: bool
) -> go.Scatter3d:
    """The true skeleton, thin and grey."""
    at = as_array(points)
    return go.Scatter3d(
        **_rounded(to_scene(_paths(at, limbs_of_side(at, skeleton))), 1),
        mode="lines",
        name="truth",
        scene=scene,
        line={"color": TRUTH_COLOR, "width": 3},
        hoverinfo="skip",
        legendgroup="truth",
        showlegend=legend,
    )


def doubt_trace(
    ends: Float[Tensor, "joints 2 3"], skeleton: Skeleton, scene: str, digits: int = 1
) -> go.Scatter3d:
    """A bar through each joint, from one end to the other, in the color of the joint's side."""
    pairs = [(2 * joint, 2 * joint + 1) for joint in range(skeleton.num_joints)]
    points = _paths(as_array(ends).reshape(-1, 3), pairs)
    colors = [COLORS[side_of(skeleton, point // 3)] for point in range(len(points))]
    return go.Scatter3d(
        **_rounded(to_scene(points), digits),
        mode="lines",
        name="doubt",
        scene=scene,
        line={"color": colors, "width": 6},
        opacity=0.6,
        hoverinfo="skip",
        showlegend=False,
    )


def _paths(at: np.ndarray, limbs: list[tuple[int, int]]) -> np.ndarray:
    """Both ends of each limb, and NaN between the limbs."""
    gap = np.full(3, np.nan)
    points = [point for a, b in limbs for point in (at[a], at[b], gap)][:-1]
    return np.array(points or [gap])  # without any point a trace would lose its legend


def ring_trace(
    point: np.ndarray, name: str, scene: str, hover: str = MM_HOVER, visible: bool = True
) -> go.Scatter3d:
    """A ring around one joint (3,), the chosen one; nothing to see if it is NaN."""
    return go.Scatter3d(
        **_rounded(to_scene(point[None]), 1),
        mode="markers",
        name=name,
        scene=scene,
        marker={
            "size": 13,
            "symbol": "circle-open",
            "color": HIGHLIGHT_COLOR,
            "line": {"width": 4, "color": HIGHLIGHT_COLOR},
        },
        hovertemplate=name + "<br>" + hover + "<extra></extra>",
        showlegend=False,
        visible=visible,
    )


def blob_trace(
    volume: Float[Tensor, "depth height width"],
    levels: tuple[float, ...] = (0.2, 0.8),
    surfaces: int = 3,
    max_voxels: int = 13824,
    peak: float | None = None,
    name: str = "likelihood",
    scene: str = "scene",
    color: str | None = None,
    **options,
) -> go.Isosurface:
    """Shells of equal likelihood, in voxels, packed small: int8 positions and uint8 values.

    Only the part of the grid that the lowest shell reaches is kept. Where that is more than
    ``max_voxels``, every second, third ... voxel is taken, the highest among them.

    Args:
        volume: likelihoods; below zero counts as zero.
        levels: lowest and highest shell, in parts of the peak.
        surfaces: number of shells.
        max_voxels: most voxels to write.
        peak: the likelihood that is called 1; the volume's own peak if not given.
        name: said when the mouse is over it.
        scene: plotly's name of the scene.
        color: one color for all shells; magma if not given.
        options: further properties of the trace.
    """
    values = as_array(volume).clip(min=0)
    top = float(values.max()) if peak is None else peak
    values = values / top if top > 0 else values
    kept = _kept_voxels(values, levels[0], max_voxels)
    small = np.int8 if max(values.shape) <= 128 else np.int16
    z, y, x = (axis.astype(small).ravel() for axis in np.meshgrid(*kept, indexing="ij"))
    byte = (values[np.ix_(*kept)] * 255).round().clip(0, 255).astype(np.uint8)
    return go.Isosurface(
        **to_scene(np.stack([x, y, z], axis=-1)),
        value=byte.ravel(),
        isomin=round(levels[0] * 255),
        isomax=round(levels[-1] * 255),
        cmin=0,
        cmax=255,
        surface_count=surfaces,
        colorscale="magma" if color is None else [[0, color], [1, color]],
        **{"showscale": False} | options,
        lighting={"ambient": 0.75, "diffuse": 0.35, "specular": 0.1},
        name=name,
        scene=scene,
        hovertemplate=name + "<br>%{value:.0f} / 255 of the peak<extra></extra>",
    )


def _kept_voxels(values: np.ndarray, lowest: float, max_voxels: int) -> list[np.ndarray]:
    """Indices along z, y and x: those around what reaches the lowest level, thinned evenly."""
    top = [int(index) for index in np.unravel_index(values.argmax(), values.shape)]
    inside = values >= min(lowest, float(values.max()))
    spans = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(inside.any(axis=others))
        spans.append((int(hit[0]), int(hit[-1])))
    stride = 1
    while True:
        kept = [
            _thinned(span, top[axis], stride, values.shape[axis]) for axis, span in enumerate(spans)
        ]
        if np.prod([len(k) for k in kept]) <= max_voxels:
            return kept
        stride += 1


def _thinned(span: tuple[int, int], top: int, stride: int, size: int) -> np.ndarray:
    """Every stride-th index through the peak's, one more than the span on each side."""
    low, high = span
    first = top - stride * -(-(top - low) // stride) - stride
    last = top + stride * -(-(high - top) // stride) + stride
    chosen = np.arange(first, last + 1, stride)
    chosen = chosen[(chosen >= 0) & (chosen < size)]
    if len(chosen) > 1:
        return chosen
    return np.arange(max(0, top - 1), min(size, top + 2))


def image_trace(
    image: Shaped[Tensor, "3 side side2"], grid: Grid, scene: str = "scene", side: int = 48
) -> go.Mesh3d:
    """The crop on the far face of the volume, as a mesh with a color at each corner."""
    height, width = image.shape[-2:]
    if height != width:
        raise ValueError(f"image must be a square crop, but it is {width} x {height} px")
    pixels = as_pixels(crop_person(image, Box.from_corner(0, 0, width, height), side))
    face = np.arange(side * side).reshape(side, side)
    a, b, c, d = (face[i : side - 1 + i, j : side - 1 + j].ravel() for i in (0, 1) for j in (0, 1))
    at = (torch.arange(side) + 0.5) * grid.crop_size / side
    at[0], at[-1] = 0, grid.crop_size
    y, x = torch.meshgrid(at, at, indexing="ij")
    places = torch.stack([x, y, torch.full_like(x, grid.depth_limits[1])], dim=-1)
    voxels = grid.to_voxels(places).reshape(-1, 3).numpy().astype(np.float32)
    index = np.uint16
    return go.Mesh3d(
        **to_scene(voxels),
        i=np.concatenate([a, b]).astype(index),
        j=np.concatenate([b, d]).astype(index),
        k=np.concatenate([c, c]).astype(index),
        vertexcolor=[f"rgb({r},{g},{b})" for r, g, b in pixels.reshape(-1, 3)],
        lighting={"ambient": 1, "diffuse": 0, "specular": 0, "fresnel": 0},
        hoverinfo="skip",
        name="image",
        scene=scene,
        showscale=False,
    )
